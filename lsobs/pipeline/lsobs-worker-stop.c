/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-callback-ban-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/core/lsobs-work-limit-private.h"
#include "lsobs/pipeline/lsobs-worker-stop-private.h"

/* How long cancelled batches get to end properly, in ms; and how many turns of the context in
 * any case: on a busy machine this thread may not run in that time. */
#define STOP_GRACE 30
#define STOP_TURNS 20

/* How long it may take to write what is left to a disk, in ms. */
#define MAX_WRITE_TIME 5000

/* The time between two looks at a disk that is behind, in the loop of the program, in ms. */
#define ROOM_INTERVAL 10

/* How long the thread that stops the worker waits for the worker in any case, and how much longer
 * than for saving, in ms. The worker may be inside a function of the program, or a transport may
 * block it. */
#define LEAVE_GRACE     60
#define AFTER_SAVE_TIME 20

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

/* The turns after the grace are over: takes the last step. */
static void
end_turns (LsobsWorker *self)
{
  if (self->outer == NULL)
    g_main_loop_quit (self->loop);
  else
    _lsobs_worker_finish (self);
}

/* Called in the context, once in each turn after the grace. */
static gboolean
last_turn_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;

  if (self->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;
  g_assert (g_main_context_is_owner (self->context));
  if (--self->turns_left > 0 && _lsobs_sender_is_busy (self->sender))
    return G_SOURCE_CONTINUE;
  end_turns (self);
  return G_SOURCE_REMOVE;
}

/* Called in the context. */
static gboolean
grace_over_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;

  if (self->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;
  g_assert (g_main_context_is_owner (self->context));
  self->turns_left = STOP_TURNS;
  g_source_unref (self->grace);
  self->grace = g_idle_source_new ();
  attach (self, self->grace, G_PRIORITY_DEFAULT, last_turn_cb);
  return G_SOURCE_REMOVE;
}

static void attach_save (LsobsWorker *self, GSource *source);

/* Called in the program's context: one batch per turn, so that the program's own sources run in
 * between. A loop does not wait for a disk that is behind: it looks again later, until the time is
 * over. */
static gboolean
save_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;
  gboolean in_time;

  if (self->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;
  g_assert (g_main_context_is_owner (self->context));
  if (self->finished)
    return G_SOURCE_REMOVE;
  in_time = g_get_monotonic_time () < self->write_deadline;
  if (in_time && !_lsobs_worker_await_room (self, 0))
    {
      attach_save (self, g_timeout_source_new (ROOM_INTERVAL));
      return G_SOURCE_REMOVE;
    }
  if (in_time && _lsobs_worker_write_next (self))
    {
      attach_save (self, g_idle_source_new ());
      return G_SOURCE_REMOVE;
    }
  _lsobs_worker_finish (self);
  return G_SOURCE_REMOVE;
}

/* @source: (transfer full) */
static void
attach_save (LsobsWorker *self, GSource *source)
{
  attach (self, source, G_PRIORITY_DEFAULT, save_cb);
  g_source_unref (source);
}

/* Ends with the last batch, or after the grace. */
static void
begin_grace (LsobsWorker *self)
{
  if (!_lsobs_sender_is_busy (self->sender))
    {
      end_turns (self);
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
  if (self->outer != NULL && self->write_deadline != 0)
    attach_save (self, g_idle_source_new ());
  else
    begin_grace (self);
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

/* Stops the worker in this thread, which owns the context.
 * @deadline: monotonic, µs: of the grace
 * @may_wait: for the disk, until the time for writing is over */
static void
stop_here (LsobsWorker *self, gint64 deadline, gboolean may_wait)
{
  g_autoptr (GSource) alarm = g_timeout_source_new (0);
  gboolean in_time = TRUE;

  /* Callbacks that run here may use libsoup, which takes the thread-default context. */
  g_main_context_push_thread_default (self->context);
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
  self->may_wait = may_wait;
  _lsobs_worker_finish (self);
  g_main_context_pop_thread_default (self->context);
}

/* Stops a worker that has no context yet. */
static void
stop_idle (LsobsWorker *self)
{
  _lsobs_queue_drop_waiting (self->queue, LSOBS_DROP_REASON_SHUTDOWN);
  _lsobs_worker_destroy_sources (self);
  _lsobs_worker_enter_stopped (self);
  if (self->left != NULL)
    self->left (self);
}

/* FALSE when another call has begun the stop already. */
static gboolean
enter_stopping (LsobsWorker *self, gint64 deadline)
{
  gint64 now = g_get_monotonic_time ();

  if (!_lsobs_lifecycle_enter (self->lifecycle, LSOBS_LIFECYCLE_STOPPING))
    return FALSE;
  /* Requests may need the grace first, unless the stop itself comes late. */
  if (_lsobs_settings_keep_lost (self->settings))
    self->write_deadline =
        CLAMP (deadline, (deadline > 0 ? MIN (now, deadline) : now) + LEAVE_GRACE * 1000,
               now + MAX_WRITE_TIME * 1000);
  return TRUE;
}

static gboolean
is_stopped (LsobsWorker *self)
{
  return _lsobs_lifecycle_get_state (self->lifecycle) == LSOBS_LIFECYCLE_STOPPED;
}

/* Whether there is a context that a thread runs, or may run. Called when no thread starts any
 * more. */
static gboolean
is_started (LsobsWorker *self)
{
  gboolean started;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  started = self->context != NULL && (self->outer != NULL || self->thread != NULL);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
  return started;
}

/* Stops in the context, without waiting for that. Called from any thread.
 * @deadline: as of _lsobs_worker_begin_stop() */
void
_lsobs_worker_stop_later (LsobsWorker *self, gint64 deadline)
{
  if (!enter_stopping (self, deadline))
    return;
  if (is_started (self))
    attach_stop (self);
  else
    stop_idle (self);
}

/* Stops a worker that leaves in this thread, which is not that of the program's context. Does not
 * call a function of the program, and does not wait for anything.
 * Returns: FALSE if another thread runs the context */
gboolean
_lsobs_worker_stop_now (LsobsWorker *self)
{
  GMainContext *context = g_atomic_pointer_get (&self->context);
  LsobsWorkLimit limit = { .deadline = 1 };

  if (context == NULL || _lsobs_worker_is_inside (self))
    {
      _lsobs_worker_stop_later (self, 0);
      return context == NULL;
    }
  if (!g_main_context_acquire (context))
    return FALSE;
  enter_stopping (self, 0);
  if (!is_stopped (self))
    {
      /* A redaction function would be called for what is written. */
      if (self->settings->redact_hook != NULL)
        self->write_deadline = 0;
      _lsobs_work_limit_enter (&limit);
      stop_here (self, 0, FALSE);
      _lsobs_work_limit_leave (&limit);
    }
  g_main_context_release (self->context);
  return TRUE;
}

/* Sends nothing more, and calls nothing: the context is left as it is. All records are lost. Called
 * from any thread, at the end of the process. */
void
_lsobs_worker_give_up (LsobsWorker *self)
{
  enter_stopping (self, 0);
  if (!is_stopped (self))
    _lsobs_queue_write_off (self->queue, LSOBS_DROP_REASON_SHUTDOWN);
}

/* Begins to end all sending: what is not under way is written to disk, or lost. Does not wait.
 * FALSE when another call has begun that already; otherwise, this thread calls
 * _lsobs_worker_end_stop() next.
 * @deadline: monotonic, µs: how long it may take to write what is left */
gboolean
_lsobs_worker_begin_stop (LsobsWorker *self, gint64 deadline)
{
  if (!enter_stopping (self, deadline))
    return FALSE;
  if (!is_started (self))
    {
      stop_idle (self);
    }
  else if (self->outer == NULL || _lsobs_worker_is_inside (self))
    {
      attach_stop (self);
    }
  else if (_lsobs_worker_acquire_context (self))
    {
      g_main_context_push_thread_default (self->context);
      cancel_all (self);
      g_main_context_pop_thread_default (self->context);
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
  if (_lsobs_worker_wait_stopped (self, deadline))
    {
      if (_lsobs_worker_is_lingering (self))
        g_thread_unref (thread);
      else
        g_thread_join (thread);
      return TRUE;
    }
  /* The thread ends when it can. Its records are lost now, before the caller reads the counters. */
  g_thread_unref (thread);
  _lsobs_queue_write_off (self->queue, LSOBS_DROP_REASON_SHUTDOWN);
  return TRUE;
}

/* Runs the context to stop the worker, or waits until the thread that runs it has. */
static void
end_in_context (LsobsWorker *self, gint64 began)
{
  gint64 deadline = began + LEAVE_GRACE * 1000;

  if (_lsobs_worker_acquire_context (self))
    {
      stop_here (self, began + STOP_GRACE * 1000, TRUE);
      _lsobs_worker_release_context (self);
      return;
    }
  if (_lsobs_worker_acquire_alone (self))
    {
      stop_here (self, began + STOP_GRACE * 1000, TRUE);
      g_main_context_release (self->context);
      return;
    }
  if (self->write_deadline == 0)
    _lsobs_queue_drop_waiting (self->queue, LSOBS_DROP_REASON_SHUTDOWN);
  attach_stop (self);
  /* When the program ends, nothing may run the context any more. */
  if (!_lsobs_callback_ban_covers_contexts ())
    deadline = MAX (deadline, self->write_deadline);
  if (!_lsobs_worker_wait_stopped (self, deadline))
    _lsobs_queue_write_off (self->queue, LSOBS_DROP_REASON_SHUTDOWN);
}

/* Returns after a bounded time, even if the transport never answers.
 * @began: monotonic, µs: when the stop began; the grace counts from there */
void
_lsobs_worker_end_stop (LsobsWorker *self, gint64 began)
{
  gint64 deadline = MAX (began + LEAVE_GRACE * 1000, self->write_deadline + AFTER_SAVE_TIME * 1000);

  /* This thread is inside a function of the program. When that returns, the sender goes on, and
   * stops. */
  if (_lsobs_worker_is_inside (self))
    return;
  if (self->outer != NULL && !is_stopped (self))
    end_in_context (self, began);
  else if (!join_thread (self, deadline))
    return;
  _lsobs_worker_wait_written (self, MAX (began + STOP_GRACE * 1000, self->write_deadline));
}
