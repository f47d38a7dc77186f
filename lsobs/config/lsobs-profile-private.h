/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <glib.h>

G_BEGIN_DECLS

/* A profile of the file that LangSmith's own tools share. */
typedef struct
{
  char *path;           /* (owned) of the file */
  char *name;           /* (owned) of the profile */
  char *api_url;        /* (owned) (nullable) */
  char *api_key;        /* (owned) (nullable) a secret */
  char *api_key_env;    /* (owned) (nullable) the variable that contains the key */
  char *api_key_cmd;    /* (owned) (nullable) a command, which may contain a secret */
  char *access_token;   /* (owned) (nullable) a secret: an OAuth token */
  char *workspace_id;   /* (owned) (nullable) */
  const char *distrust; /* (nullable) why the command must not be run */
} LsobsProfile;

LsobsProfile *_lsobs_profile_load (const char *path, const char *name, const char **problem);
void _lsobs_profile_free (LsobsProfile *self);

char *_lsobs_profile_dup_label (const char *name);
const char *_lsobs_profile_check_file (const struct stat *file, uid_t user);
const char *_lsobs_profile_check_directory (const struct stat *directory, uid_t user);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsProfile, _lsobs_profile_free)

G_END_DECLS
