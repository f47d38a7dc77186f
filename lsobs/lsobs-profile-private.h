/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What a profile says, as it stands in the file that the tools of the service share. */
typedef struct
{
  char *path;         /* (owned) where it was found */
  char *api_url;      /* (owned) (nullable) */
  char *api_key;      /* (owned) (nullable) a secret */
  char *workspace_id; /* (owned) (nullable) */
} LsobsProfile;

LsobsProfile *_lsobs_profile_load (const char *path, const char *name);
void _lsobs_profile_free (LsobsProfile *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsProfile, _lsobs_profile_free)

G_END_DECLS
