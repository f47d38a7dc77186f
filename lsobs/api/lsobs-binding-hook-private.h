/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/* What the function of a binding returns for the calling thread. */
typedef enum
{
  LSOBS_BINDING_HOOK_CONTEXT, /* an LsobsRunContextFunc */
  LSOBS_BINDING_HOOK_ROOT     /* an LsobsRootContextFunc, here an LsobsRootHookFunc */
} LsobsBindingHookKind;

/* As LsobsRootContextFunc, whose header is of a unit that uses this one. */
typedef char *(*LsobsRootHookFunc) (gboolean *is_left_out, gpointer user_data);

/* A function of a binding; a reference-counted box, so that a thread may be in the function while
 * another one replaces it. */
typedef struct
{
  GCallback func;
  gpointer user_data;
  GDestroyNotify notify; /* (nullable) */
} LsobsBindingHook;

void _lsobs_binding_hook_set (LsobsBindingHookKind kind,
                              GCallback func,
                              gpointer user_data,
                              GDestroyNotify notify);
LsobsBindingHook *_lsobs_binding_hook_enter (LsobsBindingHookKind kind);
void _lsobs_binding_hook_leave (LsobsBindingHook *hook);
gboolean _lsobs_binding_hook_leaves_out_root (char **project);
void _lsobs_binding_hook_wait (void);

extern LsobsBindingHook *_lsobs_binding_hooks[];

/* Takes no lock. */
static inline gboolean
_lsobs_binding_hook_is_set (LsobsBindingHookKind kind)
{
  return g_atomic_pointer_get (&_lsobs_binding_hooks[kind]) != NULL;
}

G_END_DECLS
