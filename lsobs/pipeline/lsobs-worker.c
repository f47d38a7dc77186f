/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-flush-source-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/pipeline/lsobs-worker-private.h"

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

static LsobsWorker *
worker_ref (LsobsWorker *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/* Attaches @source to the context. It holds a reference to the worker until it is destroyed. */
void
_lsobs_worker_attach (LsobsWorker *self, GSource *source, int priority, GSourceFunc func)
{
  g_source_set_priority (source, priority);
  g_source_set_callback (source, func, worker_ref (self), (GDestroyNotify) _lsobs_worker_unref);
  g_source_attach (source, self->context);
}

/* Destroys the sources, which hold references. */
void
_lsobs_worker_destroy_sources (LsobsWorker *self)
{
  g_autoptr (GSource) drain_alarm = NULL;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  drain_alarm = g_steal_pointer (&self->drain_alarm);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
  if (drain_alarm != NULL)
    g_source_destroy (drain_alarm);
  g_source_destroy (self->source);
}

/* Gives the transport one more batch of what is left, as lost. FALSE when nothing is left, or the
 * time for that is over. */
gboolean
_lsobs_worker_write_next (LsobsWorker *self)
{
  g_assert (g_main_context_is_owner (self->context));
  return g_get_monotonic_time () < self->write_deadline &&
         _lsobs_sender_discard_next (self->sender);
}

/* Enters the last state, and wakes the thread that waits for it. */
void
_lsobs_worker_enter_stopped (LsobsWorker *self)
{
  _lsobs_lifecycle_enter (self->lifecycle, LSOBS_LIFECYCLE_STOPPED);
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  g_cond_broadcast (&self->stopped_cond);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
}

/* The last step in the context: loses what is left, and writes to disk what there is time for. The
 * caller holds a reference. */
void
_lsobs_worker_finish (LsobsWorker *self)
{
  g_assert (g_main_context_is_owner (self->context));
  if (self->grace != NULL)
    g_source_destroy (self->grace);
  g_clear_pointer (&self->grace, g_source_unref);
  _lsobs_sender_abandon (self->sender);
  while (_lsobs_worker_write_next (self))
    ;
  _lsobs_sender_discard_all (self->sender);
  _lsobs_worker_destroy_sources (self);
  lsobs_transport_close (self->transport);
  _lsobs_worker_enter_stopped (self);
}

static gpointer
thread_main (gpointer user_data)
{
  LsobsWorker *self = user_data;
  LsobsForkGuard guard;

  _lsobs_fork_guard_enter_thread (&guard, self->context);
  g_main_context_push_thread_default (self->context);
  g_main_loop_run (self->loop);
  _lsobs_worker_finish (self);
  g_main_context_pop_thread_default (self->context);
  /* This may free the context, for which GLib takes a lock of its own: before the guard goes. */
  _lsobs_worker_unref (self);
  _lsobs_fork_guard_leave_thread (&guard);
  return NULL;
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
  self->own_context = context == NULL;
  self->context = context != NULL ? g_main_context_ref (context) : g_main_context_new ();
  self->loop = self->own_context ? g_main_loop_new (self->context, FALSE) : NULL;
  /* Any thread may turn out to run a context other than the default one. */
  if (self->context == g_main_context_default ())
    self->last_runner = g_thread_self ();
  g_mutex_init (&self->lock);
  g_cond_init (&self->stopped_cond);

  self->source = _lsobs_flush_source_new ();
  _lsobs_worker_attach (self, self->source, G_PRIORITY_DEFAULT, flush_cb);
  self->sender = _lsobs_sender_new (destination, queue, store, self->context, self->source);
  return self;
}

void
_lsobs_worker_unref (LsobsWorker *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_source_unref (self->source);
  g_clear_pointer (&self->drain_alarm, g_source_unref);
  g_clear_pointer (&self->loop, g_main_loop_unref);
  g_main_context_unref (self->context);
  _lsobs_sender_unref (self->sender);
  g_object_unref (self->transport);
  _lsobs_queue_unref (self->queue);
  _lsobs_settings_unref (self->settings);
  g_clear_pointer (&self->thread, g_thread_unref);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->stopped_cond);
  g_free (self);
}

/* The first wake-up starts the thread. A stop enters its state first and looks for the thread
 * then, so that it misses none. */
static void
ensure_thread (LsobsWorker *self)
{
  g_autoptr (GError) error = NULL;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  if (self->thread == NULL && _lsobs_lifecycle_allows (self->lifecycle, LSOBS_LIFECYCLE_START))
    {
      self->thread =
          _lsobs_fork_guard_start_thread ("lsobs-flush", thread_main, worker_ref (self), &error);
      if (self->thread == NULL)
        _lsobs_worker_unref (self);
    }
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
  /* The next wake-up tries again. Until then the queue keeps what fits. */
  if (error != NULL)
    g_debug ("No flush thread: %s", error->message);
}

void
_lsobs_worker_wake (LsobsWorker *self, LsobsWakeup wake)
{
  if (wake == LSOBS_WAKEUP_NONE)
    return;
  if (self->own_context)
    ensure_thread (self);
  if (_lsobs_lifecycle_get_state (self->lifecycle) == LSOBS_LIFECYCLE_IDLE)
    _lsobs_lifecycle_enter (self->lifecycle, LSOBS_LIFECYCLE_RUNNING);
  _lsobs_flush_source_arm (self->source, wake == LSOBS_WAKEUP_NOW
                                             ? 0
                                             : g_get_monotonic_time () +
                                                   self->settings->values.flush_interval * 1000);
}

/* Whether this thread may run the context; if so, it owns the context from now on. A context of
 * the program is only run by the thread that ran it last: its sources may not expect another one.
 * Before it has run, any thread may run it; the default one, only the thread that made the
 * exporter. */
gboolean
_lsobs_worker_acquire_context (LsobsWorker *self)
{
  GThread *runner = g_atomic_pointer_get (&self->last_runner);
  gboolean mine = self->own_context ? g_main_context_is_owner (self->context)
                                    : runner == NULL || runner == g_thread_self ();

  if (!mine || !g_main_context_acquire (self->context))
    return FALSE;
  /* Callbacks that run here may use libsoup, which takes the thread-default context. */
  g_main_context_push_thread_default (self->context);
  return TRUE;
}

void
_lsobs_worker_release_context (LsobsWorker *self)
{
  g_main_context_pop_thread_default (self->context);
  g_main_context_release (self->context);
}

static gboolean
deadline_cb (gpointer user_data)
{
  return G_SOURCE_REMOVE;
}

/* Waits in any thread. If this thread may run the context, runs it. The function of @waiter must
 * wake that context.
 * @deadline: monotonic, µs */
gboolean
_lsobs_worker_wait (LsobsWorker *self, LsobsFlushWaiter *waiter, gint64 deadline)
{
  g_autoptr (GSource) alarm = NULL;

  if (!_lsobs_worker_acquire_context (self))
    return _lsobs_flush_waiter_wait_until (waiter, deadline);

  alarm = g_timeout_source_new (0);
  g_source_set_ready_time (alarm, deadline);
  g_source_set_callback (alarm, deadline_cb, NULL, NULL);
  g_source_attach (alarm, self->context);
  while (!_lsobs_flush_waiter_is_done (waiter) && g_get_monotonic_time () < deadline)
    g_main_context_iteration (self->context, TRUE);
  g_source_destroy (alarm);
  _lsobs_worker_release_context (self);
  return _lsobs_flush_waiter_is_done (waiter);
}

/* Called in the context. */
static gboolean
drain_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;

  if (self->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;
  g_assert (g_main_context_is_owner (self->context));
  lsobs_transport_set_deadline (self->transport, self->drain_deadline);
  return G_SOURCE_REMOVE;
}

/* Takes no more records, and sends what waits. FALSE when that, or the stop, has begun already.
 * @deadline: monotonic, µs: no attempt waits beyond it; G_MAXINT64 for no limit */
gboolean
_lsobs_worker_drain (LsobsWorker *self, gint64 deadline)
{
  GSource *alarm;

  if (!_lsobs_lifecycle_enter (self->lifecycle, LSOBS_LIFECYCLE_DRAINING))
    return FALSE;
  if (deadline == G_MAXINT64)
    return TRUE;
  /* The source stays attached until a thread runs the context: the flush may start it. */
  self->drain_deadline = deadline;
  alarm = g_idle_source_new ();
  g_source_set_static_name (alarm, "[lsobs] drain");
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  self->drain_alarm = g_source_ref (alarm);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
  _lsobs_worker_attach (self, alarm, G_PRIORITY_HIGH, drain_cb);
  g_source_unref (alarm);
  return TRUE;
}
