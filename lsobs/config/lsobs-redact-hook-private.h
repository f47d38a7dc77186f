/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-config.h"

G_BEGIN_DECLS

/* The program's own function, shared by a config and all that is made from it. */
typedef struct _LsobsRedactHook LsobsRedactHook;

LsobsRedactHook *_lsobs_redact_hook_new (LsobsRedactFunc func,
                                         gpointer user_data,
                                         GDestroyNotify notify);
LsobsRedactHook *_lsobs_redact_hook_new_turns (LsobsRedactHook *inner);
void _lsobs_redact_hook_renew (LsobsRedactHook *self);
LsobsRedactHook *_lsobs_redact_hook_ref (LsobsRedactHook *self);
void _lsobs_redact_hook_unref (LsobsRedactHook *self);
JsonNode *_lsobs_redact_hook_call (LsobsRedactHook *self, const char *field, JsonNode *value);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRedactHook, _lsobs_redact_hook_unref)

G_END_DECLS
