/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Names of members whose values are hidden. Names are compared without case, dashes, underscores,
 * white space, and characters that have no width: `api_key`, `API-Key`, `apiKey` and `api key` are
 * one name. One thread adds names, then several may ask at the same time. */
typedef struct _LsobsRedactKeys LsobsRedactKeys;

/* What a member is in an object such as {"name": "password", "value": …}. */
typedef enum
{
  LSOBS_REDACT_ROLE_NONE,
  LSOBS_REDACT_ROLE_NAME,
  LSOBS_REDACT_ROLE_VALUE
} LsobsRedactRole;

LsobsRedactKeys *_lsobs_redact_keys_new (void);
void _lsobs_redact_keys_free (LsobsRedactKeys *self);
void _lsobs_redact_keys_add (LsobsRedactKeys *self, const char *name);
gboolean _lsobs_redact_keys_has (const LsobsRedactKeys *self, const char *name, gsize len);
LsobsRedactRole _lsobs_redact_keys_find_role (const char *name, gsize len);
gboolean _lsobs_redact_keys_skips (gunichar c);

G_END_DECLS
