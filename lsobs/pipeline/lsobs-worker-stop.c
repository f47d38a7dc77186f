/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/pipeline/lsobs-worker-stop-private.h"

/* How long cancelled batches get to end properly, in ms; and how many turns of the context in
 * any case: on a busy machine this thread may not run in that time. */
#define STOP_GRACE 100
#define STOP_TURNS 20

/* How long it may take to write what is left to a disk, in ms. */
#define MAX_WRITE_TIME 5000

/* How long the thread gets to end, in ms: a transport may block it. */
#define JOIN_GRACE 1000

/* Cancels all batches under way. Called in the context. */
static void
cancel_all (LsobsWorker *self)
{
  g_assert (g_main_context_is_owner (self->context));
  _lsobs_sender_cancel (self->sender, self->loop);
  if (self->write_deadline == 0)
    _lsobs_sender_discard_all (self->sender);
}

/* Attaches @source to the context. */
static void
attach (LsobsWorker *self, GSource *source, int priority, GSourceFunc func)
{
  g_source_set_static_name (source, "[lsobs] stop");
  _lsobs_worker_attach (self, source, priority, func);
}

/* Called in the context of the worker's thread, once in each turn after the grace. */
static gboolean
last_turn_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;

  g_assert (g_main_context_is_owner (self->context));
  if (--self->turns_left > 0)
    return G_SOURCE_CONTINUE;
  g_main_loop_quit (self->loop);
  return G_SOURCE_REMOVE;
}

/* Called in the context of the worker's thread. */
static gboolean
grace_over_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;

  g_assert (g_main_context_is_owner (self->context));
  self->turns_left = STOP_TURNS;
  g_source_unref (self->grace);
  self->grace = g_idle_source_new ();
  attach (self, self->grace, G_PRIORITY_DEFAULT, last_turn_cb);
  return G_SOURCE_REMOVE;
}

/* Called in the program's context: one batch per turn, so that the program's own sources run in
 * between. */
static gboolean
save_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;

  if (self->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;
  g_assert (g_main_context_is_owner (self->context));
  if (_lsobs_worker_write_next (self))
    return G_SOURCE_CONTINUE;
  _lsobs_worker_finish (self);
  return G_SOURCE_REMOVE;
}

/* Ends the loop of the worker's thread with the last batch, or after the grace. */
static void
stop_own_loop (LsobsWorker *self)
{
  if (!_lsobs_sender_is_busy (self->sender))
    {
      g_main_loop_quit (self->loop);
      return;
    }
  self->grace = g_timeout_source_new (STOP_GRACE);
  attach (self, self->grace, G_PRIORITY_DEFAULT, grace_over_cb);
}

/* Called in the context. */
static gboolean
stop_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;

  if (self->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;
  g_assert (g_main_context_is_owner (self->context));
  cancel_all (self);
  if (self->own_context)
    {
      stop_own_loop (self);
    }
  else if (self->write_deadline != 0)
    {
      g_autoptr (GSource) source = g_idle_source_new ();

      attach (self, source, G_PRIORITY_DEFAULT, save_cb);
    }
  else
    {
      /* The outcomes of cancelled batches come later, in the program's own turns. */
      _lsobs_worker_finish (self);
    }
  return G_SOURCE_REMOVE;
}

static void
attach_stop (LsobsWorker *self)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  attach (self, source, G_PRIORITY_HIGH, stop_cb);
}

static gboolean
grace_cb (gpointer user_data)
{
  return G_SOURCE_REMOVE;
}

/* Stops the worker in this thread, which owns the program's context. */
static void
stop_here (LsobsWorker *self, gint64 began)
{
  gint64 deadline = began + STOP_GRACE * 1000;
  g_autoptr (GSource) alarm = g_timeout_source_new (0);
  gboolean in_time = TRUE;

  cancel_all (self);
  g_source_set_ready_time (alarm, deadline);
  g_source_set_callback (alarm, grace_cb, NULL, NULL);
  g_source_attach (alarm, self->context);
  for (guint n = 0; _lsobs_sender_is_busy (self->sender) && (in_time || n < STOP_TURNS); n++)
    {
      in_time = g_get_monotonic_time () < deadline;
      g_main_context_iteration (self->context, in_time);
    }
  g_source_destroy (alarm);
  _lsobs_worker_finish (self);
}

static gboolean
is_stopped (LsobsWorker *self)
{
  return _lsobs_lifecycle_get_state (self->lifecycle) == LSOBS_LIFECYCLE_STOPPED;
}

static gboolean
wait_stopped (LsobsWorker *self, gint64 deadline)
{
  gboolean stopped;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  while (!is_stopped (self) && g_cond_wait_until (&self->stopped_cond, &self->lock, deadline))
    ;
  stopped = is_stopped (self);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
  return stopped;
}

/* Stops a worker whose thread was never started: no thread runs the context. */
static void
stop_idle (LsobsWorker *self)
{
  _lsobs_queue_drop_waiting (self->queue, LSOBS_DROP_REASON_SHUTDOWN);
  _lsobs_worker_destroy_sources (self);
  _lsobs_worker_enter_stopped (self);
}

/* Begins to end all sending: what is not under way is written to disk, or lost. Does not wait.
 * FALSE when another call has begun that already; otherwise, this thread calls
 * _lsobs_worker_end_stop() next.
 * @deadline: monotonic, µs: how long it may take to write what is left */
gboolean
_lsobs_worker_begin_stop (LsobsWorker *self, gint64 deadline)
{
  gint64 now = g_get_monotonic_time ();
  gboolean has_thread;

  if (!_lsobs_lifecycle_enter (self->lifecycle, LSOBS_LIFECYCLE_STOPPING))
    return FALSE;
  /* Batches under way may need the grace first. */
  if (self->settings->values.failed_traces_dir != NULL)
    self->write_deadline =
        CLAMP (deadline, now + 2 * STOP_GRACE * 1000, now + MAX_WRITE_TIME * 1000);
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  has_thread = self->thread != NULL;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);

  if (self->own_context && has_thread)
    {
      attach_stop (self);
    }
  else if (self->own_context)
    {
      stop_idle (self);
    }
  else if (_lsobs_worker_acquire_context (self))
    {
      cancel_all (self);
      _lsobs_worker_release_context (self);
    }
  return TRUE;
}

/* Waits for the thread, unless this is that thread: it may have dropped the last reference.
 * FALSE when this is the thread. */
static gboolean
join_thread (LsobsWorker *self, gint64 deadline)
{
  GThread *thread;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  thread = g_steal_pointer (&self->thread);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
  if (thread == NULL)
    return TRUE;
  if (thread == g_thread_self ())
    {
      g_thread_unref (thread);
      return FALSE;
    }
  if (wait_stopped (self, deadline))
    {
      g_thread_join (thread);
      return TRUE;
    }
  /* A transport blocks the thread: what waits is lost now, before the caller reads the counters. */
  g_thread_unref (thread);
  _lsobs_queue_drop_waiting (self->queue, LSOBS_DROP_REASON_SHUTDOWN);
  return TRUE;
}

/* Runs the program's context to stop the worker, or waits until the thread that runs it has. */
static void
end_in_context (LsobsWorker *self, gint64 began)
{
  if (_lsobs_worker_acquire_context (self))
    {
      stop_here (self, began);
      _lsobs_worker_release_context (self);
      return;
    }
  if (self->write_deadline == 0)
    _lsobs_queue_drop_waiting (self->queue, LSOBS_DROP_REASON_SHUTDOWN);
  attach_stop (self);
  wait_stopped (self, MAX (began + STOP_GRACE * 1000, self->write_deadline));
  _lsobs_queue_drop_waiting (self->queue, LSOBS_DROP_REASON_SHUTDOWN);
}

/* Returns after a bounded time, whatever the transport does.
 * @began: monotonic, µs: when the stop began; the grace counts from there */
void
_lsobs_worker_end_stop (LsobsWorker *self, gint64 began)
{
  gint64 deadline = MAX (began, self->write_deadline) + JOIN_GRACE * 1000;

  if (!self->own_context)
    end_in_context (self, began);
  else if (!join_thread (self, deadline))
    return;
  lsobs_transport_drain (self->transport, MAX (began + STOP_GRACE * 1000, self->write_deadline));
}
