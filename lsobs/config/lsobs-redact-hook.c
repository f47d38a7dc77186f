/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/config/lsobs-redact-hook-private.h"
#include "lsobs/core/lsobs-callback-ban-private.h"
#include "lsobs/core/lsobs-fork-private.h"

/* A call of a hook that holds its turn. */
typedef struct _Call Call;
struct _Call
{
  LsobsRedactHook *hook; /* (unowned) */
  Call *outer;           /* (nullable) that runs in the same thread */
};

/* The calls that this thread is in. */
static __thread Call *calls;

struct _LsobsRedactHook
{
  gatomicrefcount ref_count;

  LsobsRedactHookFunc func;
  gpointer user_data;
  GDestroyNotify notify; /* (nullable) */

  LsobsRedactHook *inner; /* (owned) (nullable) the hook whose function this one calls */
  GRecMutex turn;         /* valid if inner is set: held while the function runs */
};

LsobsRedactHook *
_lsobs_redact_hook_new (LsobsRedactHookFunc func, gpointer user_data, GDestroyNotify notify)
{
  LsobsRedactHook *self = g_new0 (LsobsRedactHook, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->func = func;
  self->user_data = user_data;
  self->notify = notify;
  return self;
}

/* For an exporter with several threads: they share the returned hook, which calls the function of
 * @inner in one thread at a time. */
LsobsRedactHook *
_lsobs_redact_hook_new_turns (LsobsRedactHook *inner)
{
  LsobsRedactHook *self = _lsobs_redact_hook_new (inner->func, inner->user_data, NULL);

  self->inner = _lsobs_redact_hook_ref (inner);
  g_rec_mutex_init (&self->turn);
  return self;
}

/* For a forked child, before its first call: a thread of the parent may have held the mutex. */
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
  LsobsForkGuard *guard;

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  /* As with a call of the function. */
  guard = _lsobs_fork_guard_open ();
  if (self->notify != NULL && !_lsobs_callback_ban_covers_all ())
    self->notify (self->user_data);
  _lsobs_fork_guard_close (guard);
  if (self->inner != NULL)
    g_rec_mutex_clear (&self->turn);
  g_clear_pointer (&self->inner, _lsobs_redact_hook_unref);
  g_free (self);
}

/* Whether this thread is in a call of the hook, and so keeps all other threads from calling it. */
gboolean
_lsobs_redact_hook_has_turn (LsobsRedactHook *self)
{
  for (Call *call = calls; call != NULL; call = call->outer)
    if (call->hook == self)
      return TRUE;
  return FALSE;
}

static JsonNode *
call_in_turn (LsobsRedactHook *self, const char *field, JsonNode *value)
{
  Call call = { .hook = self, .outer = calls };
  JsonNode *result = NULL;

  g_rec_mutex_lock (&self->turn);
  calls = &call;
  /* The interpreter may have ended while this thread waited for its turn. */
  if (!_lsobs_callback_ban_covers_hooks ())
    result = self->func (field, value, self->user_data);
  calls = call.outer;
  g_rec_mutex_unlock (&self->turn);
  return result;
}

/* Opens the fork guard during the call. Otherwise a thread that forks could wait for this call,
 * while the function waits for a lock of that thread, such as the lock of an interpreter.
 * The function may drop the last reference of the observer.
 * @value: the function may change it
 * Returns: (transfer full) (nullable): NULL if the field must not be sent */
JsonNode *
_lsobs_redact_hook_call (LsobsRedactHook *self, const char *field, JsonNode *value)
{
  g_autoptr (LsobsRedactHook) hook = NULL;
  LsobsForkGuard *guard;
  JsonNode *result;

  if (_lsobs_callback_ban_covers_hooks ())
    return NULL;
  hook = _lsobs_redact_hook_ref (self);
  guard = _lsobs_fork_guard_open ();
  if (hook->inner != NULL)
    result = call_in_turn (hook, field, value);
  else
    result = hook->func (field, value, hook->user_data);
  _lsobs_fork_guard_close (guard);
  return result;
}
