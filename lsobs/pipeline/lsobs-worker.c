/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-block-private.h"
#include "lsobs/core/lsobs-callback-ban-private.h"
#include "lsobs/core/lsobs-context-source-private.h"
#include "lsobs/core/lsobs-descriptors-private.h"
#include "lsobs/core/lsobs-error-private.h"
#include "lsobs/core/lsobs-flush-source-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/core/lsobs-thread-budget-private.h"
#include "lsobs/core/lsobs-work-limit-private.h"
#include "lsobs/pipeline/lsobs-worker-private.h"
#include "lsobs/transport/lsobs-transport-private.h"

/* The time in s after which a thread that could not be started is tried again. */
#define RETRY_INTERVAL 1

/* How many turns of the context, at most, connections get to end after the transport is closed. */
#define LAST_TURNS 20

/* How long connections that need more turns may use the context, and the interval at which the
 * worker looks at them, in ms. */
#define MAX_LINGER_TIME 1000
#define LINGER_INTERVAL 5

/* How many turns such connections get in any case: on a busy machine, no thread may run the context
 * in that time. */
#define MIN_LINGER_TURNS 20

/* Called in the context. */
static gboolean
flush_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;

  /* A forked child that runs its parent's context must not send its parent's runs. */
  if (self->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;
  g_assert (g_main_context_is_owner (self->context));
  g_atomic_pointer_set (&self->last_runner, g_thread_self ());
  _lsobs_sender_pump (self->sender);
  return G_SOURCE_CONTINUE;
}

/* Called in the context. */
static gboolean
drain_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;

  if (self->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;
  g_assert (g_main_context_is_owner (self->context));
  _lsobs_sender_enter (self->sender);
  if (self->left != NULL)
    _lsobs_transport_peek_vtable (self->transport)->leave (self->transport);
  if (self->drain_deadline != G_MAXINT64)
    lsobs_transport_set_deadline (self->transport, self->drain_deadline);
  _lsobs_sender_leave (self->sender);
  return G_SOURCE_REMOVE;
}

LsobsWorker *
_lsobs_worker_ref (LsobsWorker *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

static void
set_callback (LsobsWorker *self, GSource *source, int priority, GSourceFunc func)
{
  g_source_set_priority (source, priority);
  g_source_set_callback (source, func, _lsobs_worker_ref (self),
                         (GDestroyNotify) _lsobs_worker_unref);
}

/* Attaches @source to the context. It holds a reference to the worker until it is destroyed.
 * @source: not one of _lsobs_flush_source_new() */
void
_lsobs_worker_attach (LsobsWorker *self, GSource *source, int priority, GSourceFunc func)
{
  set_callback (self, source, priority, func);
  g_source_attach (source, self->context);
}

/* Destroys the sources, which hold references. */
void
_lsobs_worker_destroy_sources (LsobsWorker *self)
{
  GSource *alarms[2];

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  alarms[0] = g_steal_pointer (&self->drain_alarm);
  alarms[1] = g_steal_pointer (&self->leave_alarm);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
  for (guint i = 0; i < G_N_ELEMENTS (alarms); i++)
    if (alarms[i] != NULL)
      {
        g_source_destroy (alarms[i]);
        g_source_unref (alarms[i]);
      }
  /* The waiter holds one of these references. */
  g_clear_pointer (&self->leave_waiter, _lsobs_flush_waiter_unref);
  g_source_destroy (self->source);
}

/* Whether the disk is not too far behind to take more. Called in the context.
 * @deadline: monotonic, µs: waits until then; 0 does not wait */
gboolean
_lsobs_worker_await_room (LsobsWorker *self, gint64 deadline)
{
  LsobsForkGuard *guard;
  gboolean has_room;

  g_assert (g_main_context_is_owner (self->context));
  guard = _lsobs_fork_guard_open ();
  has_room =
      _lsobs_transport_peek_vtable (self->transport)->await_spool (self->transport, deadline);
  _lsobs_fork_guard_close (guard);
  return has_room;
}

/* Gives the transport one more batch of what is left, as lost. A thread that may wait for the disk does
 * so first; in the loop of the program, the caller has seen to it that there is room. FALSE when nothing
 * is left, or the time for that is over. */
gboolean
_lsobs_worker_write_next (LsobsWorker *self)
{
  LsobsWorkLimit limit = { .deadline = self->write_deadline };
  gboolean written;

  g_assert (g_main_context_is_owner (self->context));
  if (g_get_monotonic_time () >= self->write_deadline ||
      (self->may_wait && !_lsobs_worker_await_room (self, self->write_deadline)))
    return FALSE;
  _lsobs_work_limit_enter (&limit);
  written = _lsobs_sender_discard_next (self->sender);
  _lsobs_work_limit_leave (&limit);
  return written;
}

/* Waits until the transport has written the batches that it was given. Batches that it has not
 * written then are lost. Called from any thread, when the worker has stopped.
 * @deadline: monotonic, µs */
void
_lsobs_worker_wait_written (LsobsWorker *self, gint64 deadline)
{
  LsobsForkGuard *guard = _lsobs_fork_guard_open ();
  gboolean written = lsobs_transport_drain (self->transport, deadline);

  _lsobs_fork_guard_close (guard);
  if (!written && self->settings->values.spool_dir != NULL &&
      _lsobs_lifecycle_allows (self->lifecycle, LSOBS_LIFECYCLE_DISCARD))
    _lsobs_queue_write_off (self->queue, LSOBS_DROP_REASON_SHUTDOWN);
}

/* Enters the last state, and wakes the thread that waits for it. */
void
_lsobs_worker_enter_stopped (LsobsWorker *self)
{
  /* Gives the memory of the pool back; other workers get new memory when they need it. */
  _lsobs_block_clear ();
  _lsobs_lifecycle_enter (self->lifecycle, LSOBS_LIFECYCLE_STOPPED);
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  g_cond_broadcast (&self->stopped_cond);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
}

/* Lets connections end that the transport has closed. */
static void
run_last_turns (LsobsWorker *self)
{
  for (guint i = 0; i < LAST_TURNS && g_main_context_iteration (self->context, FALSE); i++)
    ;
}

/* Whether the worker has stopped, but closed connections still need its context. Called from any
 * thread. */
gboolean
_lsobs_worker_is_lingering (LsobsWorker *self)
{
  return g_atomic_int_get (&self->lingering);
}

/* Called in the context: nothing needs it any more. */
static void
end_lingering (LsobsWorker *self)
{
  g_assert (g_main_context_is_owner (self->context));
  g_clear_pointer (&self->driver, _lsobs_context_source_release);
  g_atomic_int_set (&self->lingering, FALSE);
}

/* Called in the context after the worker has stopped, in one turn after the other.
 * Returns: FALSE if nothing needs the context any more; connections that last too long do not count */
static gboolean
needs_context (LsobsWorker *self)
{
  const LsobsTransportVTable *vtable = _lsobs_transport_peek_vtable (self->transport);
  gboolean gives_up;

  g_assert (g_main_context_is_owner (self->context));
  gives_up =
      ++self->n_linger_turns > MIN_LINGER_TURNS && g_get_monotonic_time () >= self->linger_end;
  return !vtable->is_quiet (self->transport, gives_up);
}

/* Called in the context. */
static gboolean
linger_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;

  if (self->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;
  g_assert (g_main_context_is_owner (self->context));
  if (needs_context (self))
    return G_SOURCE_CONTINUE;
  /* An operation that has ended may have work for the next turn. */
  if (!self->linger_quiet)
    {
      self->linger_quiet = TRUE;
      return G_SOURCE_CONTINUE;
    }
  end_lingering (self);
  return G_SOURCE_REMOVE;
}

/* The outer context goes on to run the worker's until nothing needs that any more. */
static void
begin_lingering (LsobsWorker *self)
{
  g_autoptr (GSource) source = NULL;

  self->linger_end = g_get_monotonic_time () + MAX_LINGER_TIME * 1000;
  if (!needs_context (self))
    {
      g_clear_pointer (&self->driver, _lsobs_context_source_release);
      return;
    }
  g_atomic_int_set (&self->lingering, TRUE);
  if (self->outer == NULL)
    return;
  source = g_timeout_source_new (LINGER_INTERVAL);
  g_source_set_static_name (source, "[lsobs] linger");
  _lsobs_worker_attach (self, source, G_PRIORITY_DEFAULT, linger_cb);
}

static gboolean
wake_cb (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

/* Runs the context until nothing needs it any more. Called in the thread of the worker. */
static void
linger_here (LsobsWorker *self)
{
  g_autoptr (GSource) alarm = g_timeout_source_new (LINGER_INTERVAL);

  if (!_lsobs_worker_is_lingering (self))
    return;
  g_source_set_callback (alarm, wake_cb, NULL, NULL);
  g_source_attach (alarm, self->context);
  while (needs_context (self))
    {
      g_main_context_iteration (self->context, TRUE);
      /* Workers that wait for a thread need not wait for connections that take long to end. */
      if (g_get_monotonic_time () >= self->linger_end)
        _lsobs_worker_release_thread (self);
    }
  g_source_destroy (alarm);
  run_last_turns (self);
  end_lingering (self);
}

/* Runs the context for a moment, if no other thread does: the program may not run its own any
 * more. Called in a thread of lsobs, while the worker lingers. */
void
_lsobs_worker_run_lingering (LsobsWorker *self)
{
  if (!g_main_context_acquire (self->context))
    return;
  g_main_context_push_thread_default (self->context);
  run_last_turns (self);
  g_main_context_pop_thread_default (self->context);
  g_main_context_release (self->context);
}

/* The last step in the context: loses what is left, and writes to disk what there is time for. The
 * caller holds a reference. */
void
_lsobs_worker_finish (LsobsWorker *self)
{
  g_assert (g_main_context_is_owner (self->context));
  /* A source of the stop that is dispatched in the last turns. */
  if (self->finished)
    return;
  self->finished = TRUE;
  _lsobs_sender_enter (self->sender);
  if (self->grace != NULL)
    g_source_destroy (self->grace);
  g_clear_pointer (&self->grace, g_source_unref);
  _lsobs_sender_abandon (self->sender);
  while (_lsobs_worker_write_next (self))
    ;
  _lsobs_sender_discard_all (self->sender);
  _lsobs_worker_destroy_sources (self);
  lsobs_transport_close (self->transport);
  _lsobs_sender_leave (self->sender);
  run_last_turns (self);
  begin_lingering (self);
  _lsobs_worker_enter_stopped (self);
  if (self->outer != NULL && self->left != NULL)
    self->left (self);
}

/* Charges the thread of a worker that leaves to the thread budget. */
static void
charge_thread_unlocked (LsobsWorker *self)
{
  if (self->thread == NULL || self->left == NULL || self->charged)
    return;
  self->charged = TRUE;
  _lsobs_thread_budget_charge ();
}

/* The worker leaves. */
void
_lsobs_worker_charge_thread (LsobsWorker *self)
{
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  charge_thread_unlocked (self);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
}

/* The thread of the worker ends, or does not end when it should: others need not wait for it. */
void
_lsobs_worker_release_thread (LsobsWorker *self)
{
  gboolean charged;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  charged = self->charged;
  self->charged = FALSE;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
  if (charged)
    _lsobs_thread_budget_release ();
}

/* Returns: monotonic, µs; G_MAXINT64 if the worker does not leave */
gint64
_lsobs_worker_get_leave_deadline (LsobsWorker *self)
{
  gint64 deadline;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  deadline = self->left != NULL ? self->leave_deadline : G_MAXINT64;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
  return deadline;
}

/* Whether the worker's thread must stop, also in the middle of its work. The thread runs the
 * context, so no source of the context can tell it meanwhile that the time to leave is over. */
static gboolean
is_to_stop (gpointer user_data)
{
  LsobsWorker *self = user_data;
  LsobsLifecycleState state = _lsobs_lifecycle_get_state (self->lifecycle);

  return state >= LSOBS_LIFECYCLE_STOPPING ||
         (state == LSOBS_LIFECYCLE_DRAINING &&
          g_get_monotonic_time () >= _lsobs_worker_get_leave_deadline (self));
}

static gpointer
thread_main (gpointer user_data)
{
  LsobsWorker *self = user_data;
  LsobsWorkLimit limit = { .is_over = is_to_stop, .user_data = self };
  LsobsForkGuard guard;

  _lsobs_fork_guard_enter_thread (&guard, self->context);
  g_main_context_push_thread_default (self->context);
  _lsobs_work_limit_enter (&limit);
  g_main_loop_run (self->loop);
  _lsobs_work_limit_leave (&limit);
  self->may_wait = TRUE;
  _lsobs_worker_finish (self);
  if (self->left != NULL)
    self->left (self);
  linger_here (self);
  g_main_context_pop_thread_default (self->context);
  _lsobs_worker_release_thread (self);
  /* This may free the context, for which GLib takes a lock of its own. So it comes before the
   * thread leaves the fork guard. */
  _lsobs_worker_unref (self);
  _lsobs_fork_guard_leave_thread (&guard);
  return NULL;
}

/* Called once, before a thread runs the context. */
static void
set_context_unlocked (LsobsWorker *self, GMainContext *context)
{
  if (self->outer != NULL)
    self->driver = _lsobs_context_source_new (context);
  _lsobs_sender_set_context (self->sender, context, self->driver);
  g_atomic_pointer_set (&self->context, g_main_context_ref (context));
  set_callback (self, self->source, G_PRIORITY_DEFAULT, flush_cb);
  _lsobs_flush_source_attach (self->source, context);
  if (self->drain_alarm != NULL)
    _lsobs_worker_attach (self, self->drain_alarm, G_PRIORITY_HIGH, drain_cb);
  if (self->leave_alarm != NULL)
    _lsobs_flush_source_attach (self->leave_alarm, context);
  if (self->outer == NULL)
    {
      self->loop = g_main_loop_new (context, FALSE);
      return;
    }
  g_source_attach (self->driver, self->outer);
}

/* The alarm of a worker that leaves, which waits until there is a thread and a context. */
void
_lsobs_worker_attach_leave_alarm (LsobsWorker *self, GSource *alarm, GSourceFunc func)
{
  set_callback (self, alarm, G_PRIORITY_HIGH, func);
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  if (!_lsobs_lifecycle_allows (self->lifecycle, LSOBS_LIFECYCLE_SEND))
    {
      /* The end of the process has stopped it already. */
      _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
      return;
    }
  self->leave_alarm = g_source_ref (alarm);
  if (self->context != NULL)
    _lsobs_flush_source_attach (alarm, self->context);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
}

/* @context: (nullable): the program's, or NULL for a thread of the worker's own */
LsobsWorker *
_lsobs_worker_new (const LsobsDestination *destination,
                   LsobsQueue *queue,
                   LsobsRunStore *store,
                   GMainContext *context)
{
  LsobsWorker *self = g_new0 (LsobsWorker, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->epoch = _lsobs_fork_epoch ();
  self->settings = _lsobs_settings_ref (destination->settings);
  self->queue = _lsobs_queue_ref (queue);
  self->lifecycle = _lsobs_queue_peek_lifecycle (queue);
  self->transport = g_object_ref (destination->transport);
  self->outer = context != NULL ? g_main_context_ref (context) : NULL;
  g_mutex_init (&self->lock);
  g_cond_init (&self->stopped_cond);
  self->source = _lsobs_flush_source_new ();
  self->sender = _lsobs_sender_new (destination, queue, store, self->source);
  /* Any thread may run a context other than the default one first. Only this thread may run the
   * default one. g_main_context_default() makes that if it is missing, and needs a descriptor. */
  if (context != NULL && (!_lsobs_descriptors_are_spare () || context == g_main_context_default ()))
    self->last_runner = g_thread_self ();
  return self;
}

void
_lsobs_worker_unref (LsobsWorker *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_source_unref (self->source);
  g_clear_pointer (&self->drain_alarm, g_source_unref);
  g_clear_pointer (&self->leave_alarm, g_source_unref);
  g_clear_pointer (&self->leave_waiter, _lsobs_flush_waiter_unref);
  g_clear_pointer (&self->driver, _lsobs_context_source_release);
  g_clear_pointer (&self->outer, g_main_context_unref);
  g_clear_pointer (&self->loop, g_main_loop_unref);
  g_clear_pointer (&self->context, g_main_context_unref);
  _lsobs_sender_unref (self->sender);
  g_object_unref (self->transport);
  _lsobs_queue_unref (self->queue);
  _lsobs_settings_unref (self->settings);
  g_clear_pointer (&self->thread, g_thread_unref);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->stopped_cond);
  g_free (self);
}

/* Until the first wake-up, a worker needs no descriptor.
 * Returns: FALSE if there is no descriptor for a context */
static gboolean
ensure_context_unlocked (LsobsWorker *self, GError **error)
{
  g_autoptr (GMainContext) context = NULL;

  if (self->context != NULL)
    return TRUE;
  if (!_lsobs_descriptors_are_spare ())
    {
      _lsobs_error_set_no_descriptors (error);
      return FALSE;
    }
  /* Sources wake the thread that polls for the context, although it does not own it then. */
  context = self->outer != NULL
                ? g_main_context_new_with_flags (G_MAIN_CONTEXT_FLAGS_OWNERLESS_POLLING)
                : g_main_context_new ();
  set_context_unlocked (self, context);
  return TRUE;
}

static void
start_thread_unlocked (LsobsWorker *self, GError **error)
{
  g_autoptr (GError) problem = NULL;

  if (!ensure_context_unlocked (self, error))
    return;
  self->thread = _lsobs_fork_guard_start_thread ("lsobs-flush", thread_main,
                                                 _lsobs_worker_ref (self), &problem);
  if (self->thread != NULL)
    {
      charge_thread_unlocked (self);
      return;
    }
  _lsobs_worker_unref (self);
  g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_UNREACHABLE,
               /* TRANSLATORS: the text is what the system says of it. */
               _ ("No thread can be started to send them: %s; end some, or raise the limit of "
                  "processes"),
               problem->message);
}

/* Sending has to wait for a thread, or its descriptor. The queue keeps what fits. */
static void
tell_problem (LsobsWorker *self, const GError *error)
{
  LsobsHealth *health = _lsobs_sender_peek_health (self->sender);
  int now = (int) (g_get_monotonic_time () / G_USEC_PER_SEC);
  gboolean told = g_atomic_int_exchange (&self->retry_at, now + RETRY_INTERVAL) != 0;

  if (!told)
    {
      _lsobs_health_set_state (health, LSOBS_STATE_PAUSED, TRUE, error);
      _lsobs_health_notify (health, 0, 0);
    }
  _lsobs_queue_refuse_waiters (self->queue);
}

static void start_queued_cb (gpointer data);

/* @at_once: starts a thread even if the thread budget is used up */
static void
start_unlocked (LsobsWorker *self, gboolean at_once, GError **error)
{
  if (self->outer != NULL)
    {
      ensure_context_unlocked (self, error);
      return;
    }
  if (self->thread != NULL || self->queued)
    return;
  if (!at_once && _lsobs_thread_budget_queue (start_queued_cb, self))
    {
      self->queued = TRUE;
      _lsobs_worker_ref (self);
      return;
    }
  start_thread_unlocked (self, error);
}

/* The first wake-up starts the thread, or has the program's context run the worker's. A stop enters
 * its state first and looks for both then, so that it misses none. */
static void
start (LsobsWorker *self, gboolean at_once)
{
  g_autoptr (GError) error = NULL;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  if (at_once)
    self->queued = FALSE;
  if (_lsobs_lifecycle_allows (self->lifecycle, LSOBS_LIFECYCLE_START))
    {
      start_unlocked (self, at_once, &error);
      if (error == NULL)
        g_atomic_int_set (&self->retry_at, 0);
    }
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
  if (error != NULL)
    tell_problem (self, error);
}

/* The thread budget has room now. Called from any thread. */
static void
start_queued_cb (gpointer data)
{
  g_autoptr (LsobsWorker) self = data;

  start (self, TRUE);
}

/* Whether a thread could not be started, and it is time to try again. */
static gboolean
is_retry_due (LsobsWorker *self)
{
  int retry_at = g_atomic_int_get (&self->retry_at);

  return G_UNLIKELY (retry_at != 0) && g_get_monotonic_time () / G_USEC_PER_SEC >= retry_at;
}

void
_lsobs_worker_wake (LsobsWorker *self, LsobsWakeup wake)
{
  _lsobs_lock_check_none ();
  if (wake == LSOBS_WAKEUP_NONE && !is_retry_due (self))
    return;
  start (self, FALSE);
  if (wake == LSOBS_WAKEUP_NONE)
    return;
  if (_lsobs_lifecycle_get_state (self->lifecycle) == LSOBS_LIFECYCLE_IDLE)
    _lsobs_lifecycle_enter (self->lifecycle, LSOBS_LIFECYCLE_RUNNING);
  _lsobs_flush_source_arm (self->source, wake == LSOBS_WAKEUP_NOW
                                             ? 0
                                             : g_get_monotonic_time () +
                                                   self->settings->values.flush_interval * 1000);
}

/* Sends the queued records at once, even if the thread budget is used up: a flush waits for
 * them. */
void
_lsobs_worker_wake_for_flush (LsobsWorker *self)
{
  start (self, TRUE);
  _lsobs_worker_wake (self, LSOBS_WAKEUP_NOW);
}

/* Whether there is, or will be, a thread or a context of the program to run the worker's. Called from
 * any thread. */
gboolean
_lsobs_worker_has_runner (LsobsWorker *self)
{
  gboolean has_runner;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  has_runner = self->outer != NULL ? self->context != NULL : self->thread != NULL || self->queued;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
  return has_runner;
}

/* Whether the caller is inside a function of the program that the sender has called, or that runs
 * in the worker's thread. Such a function cannot wait for the sender. Called from any thread. */
gboolean
_lsobs_worker_is_inside (LsobsWorker *self)
{
  GMainContext *context = g_atomic_pointer_get (&self->context);

  if (context == NULL || !g_main_context_is_owner (context))
    return FALSE;
  return self->outer == NULL || _lsobs_sender_is_entered (self->sender);
}

/* Whether this thread may run the program's context; if so, it owns that and the worker's from now
 * on. A context of the program is only run by the thread that ran it last: its sources may not
 * expect another one. Before it has run, any thread may run it; the default one, only the thread
 * that made the exporter. */
gboolean
_lsobs_worker_acquire_context (LsobsWorker *self)
{
  GThread *runner = g_atomic_pointer_get (&self->last_runner);

  /* A thread of lsobs runs no source of the program. */
  if (self->outer == NULL || _lsobs_callback_ban_covers_contexts () ||
      _lsobs_fork_guard_is_own_thread () || g_atomic_pointer_get (&self->context) == NULL ||
      (runner != NULL && runner != g_thread_self ()) || !g_main_context_acquire (self->outer))
    return FALSE;
  if (!g_main_context_acquire (self->context))
    {
      g_main_context_release (self->outer);
      return FALSE;
    }
  return TRUE;
}

/* Whether the worker's context can be run without that of the program, which may not run any more:
 * nothing in it calls a function of the program. */
gboolean
_lsobs_worker_may_move (LsobsWorker *self)
{
  return self->outer != NULL && self->settings->redact_hook == NULL &&
         _lsobs_transport_peek_vtable (self->transport)->may_move (self->transport);
}

/* Whether the worker must be left as it is: the process ends, and the worker would call a function
 * of the program. */
gboolean
_lsobs_worker_is_banned (LsobsWorker *self)
{
  return _lsobs_callback_ban_covers_all () &&
         !_lsobs_transport_peek_vtable (self->transport)->may_move (self->transport);
}

/* Whether this thread, which must not run the program's context, may run the worker's alone; if so,
 * it owns that from now on. */
gboolean
_lsobs_worker_acquire_alone (LsobsWorker *self)
{
  return _lsobs_callback_ban_covers_contexts () && _lsobs_worker_may_move (self) &&
         g_atomic_pointer_get (&self->context) != NULL && g_main_context_acquire (self->context);
}

void
_lsobs_worker_release_context (LsobsWorker *self)
{
  g_main_context_release (self->context);
  g_main_context_release (self->outer);
}

static gboolean
deadline_cb (gpointer user_data)
{
  return G_SOURCE_REMOVE;
}

static gboolean
is_waiter_done (LsobsWorker *self, LsobsFlushWaiter *waiter)
{
  return _lsobs_flush_waiter_is_done (waiter);
}

static gboolean
is_stopped (LsobsWorker *self, LsobsFlushWaiter *waiter)
{
  return _lsobs_lifecycle_get_state (self->lifecycle) == LSOBS_LIFECYCLE_STOPPED;
}

/* Runs @context, which this thread owns, until @is_over. What begins here and cannot end by the
 * deadline goes on when the context runs again.
 * @context: the worker's, or the program's */
static void
run_context (LsobsWorker *self,
             GMainContext *context,
             gboolean (*is_over) (LsobsWorker *self, LsobsFlushWaiter *waiter),
             LsobsFlushWaiter *waiter,
             gint64 deadline)
{
  LsobsWorkLimit limit = { .deadline = deadline };
  g_autoptr (GSource) alarm = g_timeout_source_new (0);

  g_source_set_ready_time (alarm, deadline);
  g_source_set_callback (alarm, deadline_cb, NULL, NULL);
  g_source_attach (alarm, context);
  /* Functions that run here attach their sources to this context. */
  g_main_context_push_thread_default (context);
  _lsobs_work_limit_enter (&limit);
  while (!is_over (self, waiter) && g_get_monotonic_time () < deadline)
    g_main_context_iteration (context, TRUE);
  _lsobs_work_limit_leave (&limit);
  g_main_context_pop_thread_default (context);
  g_source_destroy (alarm);
}

/* Waits in any thread. If this thread may run the program's context, runs it. The function of
 * @waiter must wake that context.
 * @deadline: monotonic, µs */
gboolean
_lsobs_worker_wait (LsobsWorker *self, LsobsFlushWaiter *waiter, gint64 deadline)
{
  if (_lsobs_worker_acquire_context (self))
    {
      run_context (self, self->outer, is_waiter_done, waiter, deadline);
      _lsobs_worker_release_context (self);
      return _lsobs_flush_waiter_is_done (waiter);
    }
  if (_lsobs_worker_acquire_alone (self))
    {
      run_context (self, self->context, is_waiter_done, waiter, deadline);
      g_main_context_release (self->context);
      return _lsobs_flush_waiter_is_done (waiter);
    }
  return _lsobs_flush_waiter_wait_until (waiter, deadline);
}

/* Waits until a worker that leaves has stopped. Otherwise as _lsobs_worker_wait().
 * @deadline: monotonic, µs */
gboolean
_lsobs_worker_wait_stopped (LsobsWorker *self, gint64 deadline)
{
  gboolean stopped;

  if (_lsobs_worker_acquire_context (self))
    {
      run_context (self, self->outer, is_stopped, NULL, deadline);
      _lsobs_worker_release_context (self);
    }
  else if (_lsobs_worker_acquire_alone (self))
    {
      run_context (self, self->context, is_stopped, NULL, deadline);
      g_main_context_release (self->context);
    }
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  while (!is_stopped (self, NULL) && g_cond_wait_until (&self->stopped_cond, &self->lock, deadline))
    ;
  stopped = is_stopped (self, NULL);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
  return stopped;
}

/* Sends the queued records. The caller has entered the state for that.
 * @deadline: monotonic, µs: no attempt waits beyond it; G_MAXINT64 for no limit */
void
_lsobs_worker_begin_drain (LsobsWorker *self, gint64 deadline)
{
  GSource *alarm;

  if (deadline == G_MAXINT64 && self->left == NULL)
    return;
  /* The source stays attached until a thread runs the context: the flush may start it. */
  self->drain_deadline = deadline;
  alarm = g_idle_source_new ();
  g_source_set_static_name (alarm, "[lsobs] drain");
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  self->drain_alarm = alarm;
  if (self->context != NULL)
    _lsobs_worker_attach (self, alarm, G_PRIORITY_HIGH, drain_cb);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
}

/* Accepts no more records, and sends the queued ones. FALSE if this or the stop has begun already.
 * @deadline: as of _lsobs_worker_begin_drain() */
gboolean
_lsobs_worker_drain (LsobsWorker *self, gint64 deadline)
{
  if (!_lsobs_lifecycle_enter (self->lifecycle, LSOBS_LIFECYCLE_DRAINING))
    return FALSE;
  _lsobs_worker_begin_drain (self, deadline);
  return TRUE;
}
