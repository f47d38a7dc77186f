/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-profile-private.h"

G_BEGIN_DECLS

typedef enum
{
  LSOBS_KEY_MISSING, /* the profile names a variable or a command that gives no key */
  LSOBS_KEY_COMMAND, /* a command prints the key */
  LSOBS_KEY_TOKEN    /* the key is an OAuth token, which another program renews in the file */
} LsobsKeyKind;

/* How to get the key of a profile that has no api_key. Immutable. */
typedef struct
{
  gatomicrefcount ref_count;
  LsobsKeyKind kind;
  char *path;    /* (owned) the file of profiles */
  char *name;    /* (owned) of the profile */
  char *command; /* (owned) (nullable) a secret: it may contain the key */
  char *token;   /* (owned) (nullable) a secret: the token at load time */
  char *problem; /* (owned) (nullable) a sentence: why the key is missing */
} LsobsKeySource;

LsobsKeySource *_lsobs_key_source_new (LsobsKeyKind kind, const LsobsProfile *profile);
LsobsKeySource *_lsobs_key_source_ref (LsobsKeySource *self);
void _lsobs_key_source_unref (LsobsKeySource *self);

char *_lsobs_key_source_fetch (LsobsKeySource *self, int *stop, int *group, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsKeySource, _lsobs_key_source_unref)

G_END_DECLS
