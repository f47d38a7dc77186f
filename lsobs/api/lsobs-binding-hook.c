/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/api/lsobs-binding-hook-private.h"
#include "lsobs/core/lsobs-callback-ban-private.h"
#include "lsobs/core/lsobs-fork-private.h"

/* How long the end of an interpreter waits for threads, in µs. */
#define MAX_WAIT G_USEC_PER_SEC

/* (owned) (nullable) (atomic) by kind; set with _lsobs_fork_lock() held */
LsobsBindingHook *_lsobs_binding_hooks[LSOBS_BINDING_HOOK_ROOT + 1];

static int n_asking;               /* (atomic) calls of the functions that go on, in all threads */
static __thread int n_asking_here; /* ... and in this one */
static guint asking_epoch;         /* (atomic) the epoch of @n_asking */

static void
free_hook (gpointer data)
{
  LsobsBindingHook *hook = data;

  if (hook->notify != NULL && !_lsobs_callback_ban_covers_all ())
    hook->notify (hook->user_data);
}

/* In a forked child, the other threads of the parent are not in the functions any more. */
static void
count_in_child (void)
{
  guint epoch = _lsobs_fork_epoch ();
  guint before = g_atomic_int_get (&asking_epoch);

  if (before != epoch && g_atomic_int_compare_and_exchange (&asking_epoch, before, epoch))
    g_atomic_int_set (&n_asking, n_asking_here);
}

/* @hook: (nullable) (transfer full) */
void
_lsobs_binding_hook_leave (LsobsBindingHook *hook)
{
  if (hook != NULL)
    g_atomic_rc_box_release_full (hook, free_hook);
  n_asking_here--;
  g_atomic_int_add (&n_asking, -1);
}

/* Takes the function of a binding, to call it. The caller calls _lsobs_binding_hook_leave() after that.
 * Returns: (transfer full) (nullable): %NULL if the binding has no function, or it may not be called */
LsobsBindingHook *
_lsobs_binding_hook_enter (LsobsBindingHookKind kind)
{
  LsobsBindingHook *hook;

  if (g_atomic_pointer_get (&_lsobs_binding_hooks[kind]) == NULL)
    return NULL;
  count_in_child ();
  n_asking_here++;
  g_atomic_int_inc (&n_asking);
  if (_lsobs_callback_ban_covers_all ())
    {
      _lsobs_binding_hook_leave (NULL);
      return NULL;
    }
  _lsobs_fork_lock ();
  hook = _lsobs_binding_hooks[kind] != NULL ? g_atomic_rc_box_acquire (_lsobs_binding_hooks[kind])
                                            : NULL;
  _lsobs_fork_unlock ();
  if (hook == NULL)
    _lsobs_binding_hook_leave (NULL);
  return hook;
}

/* @func: (nullable): %NULL for none */
void
_lsobs_binding_hook_set (LsobsBindingHookKind kind,
                         GCallback func,
                         gpointer user_data,
                         GDestroyNotify notify)
{
  LsobsBindingHook *hook = NULL;
  LsobsBindingHook *old;

  if (func != NULL)
    {
      hook = g_atomic_rc_box_new (LsobsBindingHook);
      *hook = (LsobsBindingHook){ .func = func, .user_data = user_data, .notify = notify };
    }
  _lsobs_fork_lock ();
  old = _lsobs_binding_hooks[kind];
  g_atomic_pointer_set (&_lsobs_binding_hooks[kind], hook);
  _lsobs_fork_unlock ();
  if (old != NULL)
    g_atomic_rc_box_release_full (old, free_hook);
}

/* Waits until no other thread is in a function of a binding, which is not called any more: it must
 * have returned before the interpreter ends. The caller holds no lock of the interpreter. A thread
 * that the program holds up there is not waited for longer than MAX_WAIT. */
void
_lsobs_binding_hook_wait (void)
{
  gint64 deadline = g_get_monotonic_time () + MAX_WAIT;

  count_in_child ();
  while (g_atomic_int_get (&n_asking) > n_asking_here && g_get_monotonic_time () < deadline)
    g_usleep (1000);
}

/* Tells how the root of a trace starts that this thread starts.
 * @project: (out) (transfer full) (nullable): where the trace goes; %NULL for the project of the config
 * Returns: whether the trace is left out */
gboolean
_lsobs_binding_hook_leaves_out_root (char **project)
{
  LsobsBindingHook *hook = _lsobs_binding_hook_enter (LSOBS_BINDING_HOOK_ROOT);
  gboolean is_left_out = FALSE;
  g_autofree char *name = NULL;

  *project = NULL;
  if (hook == NULL)
    return FALSE;
  name = ((LsobsRootHookFunc) hook->func) (&is_left_out, hook->user_data);
  _lsobs_binding_hook_leave (hook);
  if (name != NULL && *name != '\0')
    *project = g_steal_pointer (&name);
  return is_left_out;
}
