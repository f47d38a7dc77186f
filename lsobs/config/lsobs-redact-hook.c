/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/config/lsobs-redact-hook-private.h"
#include "lsobs/core/lsobs-fork-private.h"

struct _LsobsRedactHook
{
  gatomicrefcount ref_count;

  LsobsRedactFunc func;
  gpointer user_data;
  GDestroyNotify notify; /* (nullable) */

  LsobsRedactHook *inner; /* (owned) (nullable) whose function it is, called in turns */
  GRecMutex turn;         /* with inner: held while the function is called */
};

LsobsRedactHook *
_lsobs_redact_hook_new (LsobsRedactFunc func, gpointer user_data, GDestroyNotify notify)
{
  LsobsRedactHook *self = g_new0 (LsobsRedactHook, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->func = func;
  self->user_data = user_data;
  self->notify = notify;
  return self;
}

/* For the threads of one exporter, when it has several: its function is never called
 * twice at once. */
LsobsRedactHook *
_lsobs_redact_hook_new_turns (LsobsRedactHook *inner)
{
  LsobsRedactHook *self = _lsobs_redact_hook_new (inner->func, inner->user_data, NULL);

  self->inner = _lsobs_redact_hook_ref (inner);
  g_rec_mutex_init (&self->turn);
  return self;
}

/* In a forked child, before anybody calls it: a thread of the parent may have had its
 * turn. */
void
_lsobs_redact_hook_renew (LsobsRedactHook *self)
{
  if (self->inner != NULL)
    g_rec_mutex_init (&self->turn);
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
  if (self->inner != NULL)
    g_rec_mutex_clear (&self->turn);
  g_clear_pointer (&self->inner, _lsobs_redact_hook_unref);
  g_free (self);
}

/* The function may need a lock that is held by a thread of the program which forks
 * (an interpreter has one for all it does): that must not wait for us.
 * @value: the function's own, which it may change
 * Returns: (transfer full) (nullable): %NULL: nothing of it may be sent */
JsonNode *
_lsobs_redact_hook_call (LsobsRedactHook *self, const char *field, JsonNode *value)
{
  LsobsForkGuard *guard = _lsobs_fork_guard_open ();
  JsonNode *result;

  if (self->inner != NULL)
    g_rec_mutex_lock (&self->turn);
  result = self->func (field, value, self->user_data);
  if (self->inner != NULL)
    g_rec_mutex_unlock (&self->turn);
  _lsobs_fork_guard_close (guard);
  return result;
}
