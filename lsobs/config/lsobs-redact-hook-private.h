/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* The same type as LsobsRedactFunc, which lsobs-config.h declares. LsobsConfig depends on this unit,
 * not the other way round. */
typedef JsonNode *(*LsobsRedactHookFunc) (const char *field, JsonNode *value, gpointer user_data);

/* The program's redaction function. A config and all objects made from it share it. */
typedef struct _LsobsRedactHook LsobsRedactHook;

LsobsRedactHook *_lsobs_redact_hook_new (LsobsRedactHookFunc func,
                                         gpointer user_data,
                                         GDestroyNotify notify);
LsobsRedactHook *_lsobs_redact_hook_new_turns (LsobsRedactHook *inner);
void _lsobs_redact_hook_renew (LsobsRedactHook *self);
LsobsRedactHook *_lsobs_redact_hook_ref (LsobsRedactHook *self);
void _lsobs_redact_hook_unref (LsobsRedactHook *self);
gboolean _lsobs_redact_hook_has_turn (LsobsRedactHook *self);
JsonNode *_lsobs_redact_hook_call (LsobsRedactHook *self, const char *field, JsonNode *value);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRedactHook, _lsobs_redact_hook_unref)

G_END_DECLS
