/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/lsobs-fork-private.h"
#include "lsobs/lsobs-redact-hook-private.h"

struct _LsobsRedactHook
{
  gatomicrefcount ref_count;

  LsobsRedactFunc func;
  gpointer user_data;
  GDestroyNotify notify;   /* (nullable) */
};

LsobsRedactHook *
_lsobs_redact_hook_new (LsobsRedactFunc func,
                        gpointer        user_data,
                        GDestroyNotify  notify)
{
  LsobsRedactHook *self = g_new0 (LsobsRedactHook, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->func = func;
  self->user_data = user_data;
  self->notify = notify;
  return self;
}

LsobsRedactHook *
_lsobs_redact_hook_ref (LsobsRedactHook *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_redact_hook_unref (LsobsRedactHook *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  if (self->notify != NULL)
    self->notify (self->user_data);
  g_free (self);
}

/* The function may need a lock that is held by a thread of the program which forks
 * (an interpreter has one for all it does): that must not wait for us.
 * @value: the function's own, which it may change
 * Returns: (transfer full) (nullable): %NULL: nothing of it may be sent */
JsonNode *
_lsobs_redact_hook_call (LsobsRedactHook *self,
                         const char      *field,
                         JsonNode        *value)
{
  LsobsForkGuard *guard = _lsobs_fork_guard_open ();
  JsonNode *result = self->func (field, value, self->user_data);

  _lsobs_fork_guard_close (guard);
  return result;
}
