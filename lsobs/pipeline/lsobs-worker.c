/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <signal.h>

#include "lsobs/core/lsobs-flush-source-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/pipeline/lsobs-sender-private.h"
#include "lsobs/pipeline/lsobs-worker-private.h"

/* How long requests that were cancelled get to end properly, in ms, and how many turns of
 * the context in any case: on a busy machine this thread may not run in that time. */
#define STOP_GRACE 100
#define STOP_TURNS 20

/* How long what is left at the end may be on its way to a disk, in ms. */
#define MAX_KEEP_TIME 5000

/* How long the thread gets to end, in ms; a transport may hold it up. */
#define JOIN_GRACE 1000

struct _LsobsWorker
{
  gatomicrefcount ref_count;
  guint epoch;               /* the process that all of this belongs to */
  LsobsSettings *settings;   /* (owned) */
  LsobsQueue *queue;         /* (owned) */
  LsobsTransport *transport; /* (owned) used in the context only */
  GMainContext *context;     /* (owned) where all of the sending happens */
  gboolean own_context;      /* a thread of ours runs it */
  GSource *source;           /* (owned) */
  LsobsSender *sender;       /* (owned) used in the context only, but for its health */
  GThread *home;             /* (atomic) (unowned) (nullable) who runs the program's context */

  GMutex lock;       /* guards all down to the next comment */
  GThread *thread;   /* (owned) (nullable) */
  gboolean stopping; /* no thread is started any longer */
  gboolean stopped;
  GCond stopped_cond;

  /* All below belongs to whoever runs the context. */
  GMainLoop *loop;    /* (owned) (nullable) with a thread of ours */
  GSource *grace;     /* (owned) (nullable) ends that thread in time */
  guint turns_left;   /* after the grace, in that thread */
  GSource *hurry;     /* (owned) (nullable) tells of hurry_until */
  gint64 hurry_until; /* monotonic, µs: when all sending ends, set before it is read */
  gint64 keep_until;  /* monotonic, µs: until then, what is left is kept; 0 for never */
};

/* Called in the context. */
static gboolean
flush_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;

  /* A forked child that runs its parent's context must not send its runs. */
  if (self->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;
  g_atomic_pointer_set (&self->home, g_thread_self ());
  _lsobs_sender_pump (self->sender);
  return G_SOURCE_CONTINUE;
}

/* --- life --- */

/* In the context: of what is left, one more batch is told to the transport. FALSE
 * when nothing is left, or no time. */
static gboolean
keep_next (LsobsWorker *self)
{
  return g_get_monotonic_time () < self->keep_until && _lsobs_sender_lose_next (self->sender);
}

/* In the context, at the very end, when somebody else holds the worker, too. */
static void
give_up (LsobsWorker *self)
{
  _lsobs_sender_let_go (self->sender);
  while (keep_next (self))
    ;
  _lsobs_sender_drop_all (self->sender);
  if (self->hurry != NULL)
    g_source_destroy (self->hurry);
  g_source_destroy (self->source);
  lsobs_transport_close (self->transport);
}

static void
mark_stopped (LsobsWorker *self)
{
  g_mutex_lock (&self->lock);
  self->stopped = TRUE;
  g_cond_broadcast (&self->stopped_cond);
  g_mutex_unlock (&self->lock);
}

static void
attach (LsobsWorker *self, GSource *source, GSourceFunc func)
{
  g_atomic_ref_count_inc (&self->ref_count);
  g_source_set_static_name (source, "[lsobs] stop");
  g_source_set_callback (source, func, self, (GDestroyNotify) _lsobs_worker_unref);
  g_source_attach (source, self->context);
}

/* Called in the context, once in each turn after the grace. */
static gboolean
last_turn_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;

  if (--self->turns_left > 0)
    return G_SOURCE_CONTINUE;
  g_main_loop_quit (self->loop);
  return G_SOURCE_REMOVE;
}

/* Called in the context. */
static gboolean
grace_over_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;

  self->turns_left = STOP_TURNS;
  g_source_unref (self->grace);
  self->grace = g_idle_source_new ();
  g_source_set_priority (self->grace, G_PRIORITY_DEFAULT);
  attach (self, self->grace, last_turn_cb);
  return G_SOURCE_REMOVE;
}

/* In the context. */
static void
cancel_all (LsobsWorker *self)
{
  _lsobs_sender_cancel (self->sender, self->loop);
  if (self->keep_until == 0)
    _lsobs_sender_drop_all (self->sender);
}

/* Called in the program's context, which has other things to do in between. */
static gboolean
keep_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;

  if (self->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;
  if (keep_next (self))
    return G_SOURCE_CONTINUE;
  give_up (self);
  mark_stopped (self);
  return G_SOURCE_REMOVE;
}

/* Called in the context: lets requests end, for a moment. */
static gboolean
stop_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;

  if (self->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;
  cancel_all (self);
  if (self->own_context && _lsobs_sender_is_busy (self->sender))
    {
      self->grace = g_timeout_source_new (STOP_GRACE);
      attach (self, self->grace, grace_over_cb);
      return G_SOURCE_REMOVE;
    }
  if (self->own_context)
    {
      g_main_loop_quit (self->loop);
    }
  else if (self->keep_until != 0)
    {
      g_autoptr (GSource) source = g_idle_source_new ();

      g_source_set_priority (source, G_PRIORITY_DEFAULT);
      attach (self, source, keep_cb);
    }
  else
    {
      /* The answers still come, in the program's own time. */
      give_up (self);
      mark_stopped (self);
    }
  return G_SOURCE_REMOVE;
}

static gpointer
thread_main (gpointer user_data)
{
  LsobsWorker *self = user_data;
  LsobsForkGuard guard;
  sigset_t all;

  /* The program's signal handlers shall not run on a thread that it has not made. */
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, NULL);

  _lsobs_fork_guard_enter_thread (&guard, self->context);
  g_main_context_push_thread_default (self->context);
  g_main_loop_run (self->loop);
  /* It holds the worker, and nobody will run this context again. */
  if (self->grace != NULL)
    g_source_destroy (self->grace);
  g_clear_pointer (&self->grace, g_source_unref);
  give_up (self);
  g_main_context_pop_thread_default (self->context);
  mark_stopped (self);
  /* This lets go of the context, for which GLib has a lock of its own. */
  _lsobs_worker_unref (self);
  _lsobs_fork_guard_leave_thread (&guard);
  return NULL;
}

/* @context: (nullable): the program's, or NULL for a thread of our own */
LsobsWorker *
_lsobs_worker_new (LsobsSettings *settings,
                   LsobsCounters *counters,
                   LsobsQueue *queue,
                   LsobsRunStore *store,
                   LsobsTransport *transport,
                   GMainContext *context)
{
  LsobsWorker *self = g_new0 (LsobsWorker, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->epoch = _lsobs_fork_epoch ();
  self->settings = _lsobs_settings_ref (settings);
  self->queue = _lsobs_queue_ref (queue);
  self->transport = g_object_ref (transport);
  self->own_context = context == NULL;
  self->context = context != NULL ? g_main_context_ref (context) : g_main_context_new ();
  self->loop = self->own_context ? g_main_loop_new (self->context, FALSE) : NULL;
  /* Of a context that was made for this, nobody knows yet. */
  self->home = self->context == g_main_context_default () ? g_thread_self () : NULL;
  g_mutex_init (&self->lock);
  g_cond_init (&self->stopped_cond);

  /* The source holds the worker until it is destroyed. */
  self->source = _lsobs_flush_source_new ();
  g_atomic_ref_count_inc (&self->ref_count);
  g_source_set_callback (self->source, flush_cb, self, (GDestroyNotify) _lsobs_worker_unref);
  g_source_attach (self->source, self->context);
  self->sender =
      _lsobs_sender_new (settings, counters, queue, store, transport, self->context, self->source);
  return self;
}

void
_lsobs_worker_unref (LsobsWorker *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_source_unref (self->source);
  g_clear_pointer (&self->hurry, g_source_unref);
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

void
_lsobs_worker_set_notifier (LsobsWorker *self, LsobsNotifier *notifier)
{
  _lsobs_health_set_notifier (_lsobs_sender_peek_health (self->sender), notifier);
}

/* The first record starts the thread. */
static void
ensure_thread (LsobsWorker *self)
{
  g_mutex_lock (&self->lock);
  if (self->own_context && self->thread == NULL && !self->stopping)
    {
      g_autoptr (GError) error = NULL;

      g_atomic_ref_count_inc (&self->ref_count);
      self->thread = _lsobs_fork_guard_start_thread ("lsobs-flush", thread_main, self, &error);
      if (self->thread == NULL)
        {
          /* Tried again with the next wake-up; until then the queue keeps what it can. */
          g_debug ("No flush thread: %s", error->message);
          _lsobs_worker_unref (self);
        }
    }
  g_mutex_unlock (&self->lock);
}

/* Called from any thread. */
void
_lsobs_worker_wake (LsobsWorker *self, LsobsWake wake)
{
  if (wake == LSOBS_WAKE_NONE)
    return;
  ensure_thread (self);
  _lsobs_flush_source_arm (self->source,
                           wake == LSOBS_WAKE_NOW
                               ? 0
                               : g_get_monotonic_time () + self->settings->flush_interval * 1000);
}

GMainContext *
_lsobs_worker_peek_context (LsobsWorker *self)
{
  return self->context;
}

/* Returns: (transfer none) */
LsobsTransport *
_lsobs_worker_peek_transport (LsobsWorker *self)
{
  return self->transport;
}

static gboolean
deadline_cb (gpointer user_data)
{
  return G_SOURCE_REMOVE;
}

/* Whether this thread may run the context; it holds it then. The program's context
 * is only run by the thread that did so last, and the default one before that by
 * the thread that made the observer: its sources may not expect another one. */
static gboolean
acquire_context (LsobsWorker *self)
{
  GThread *home = g_atomic_pointer_get (&self->home);
  gboolean mine = self->own_context ? g_main_context_is_owner (self->context)
                                    : home == NULL || home == g_thread_self ();

  if (!mine || !g_main_context_acquire (self->context))
    return FALSE;
  /* What libsoup begins in a callback belongs here, too. */
  g_main_context_push_thread_default (self->context);
  return TRUE;
}

static void
release_context (LsobsWorker *self)
{
  g_main_context_pop_thread_default (self->context);
  g_main_context_release (self->context);
}

/* Waits in whatever thread this is; where the sending happens in this thread, by
 * running its context. The function of the ticket has to wake that context. */
gboolean
_lsobs_worker_wait (LsobsWorker *self, LsobsFlushWaiter *ticket, gint64 deadline)
{
  g_autoptr (GSource) alarm = NULL;

  if (!acquire_context (self))
    return _lsobs_flush_waiter_wait_until (ticket, deadline);

  alarm = g_timeout_source_new (0);
  g_source_set_ready_time (alarm, deadline);
  g_source_set_callback (alarm, deadline_cb, NULL, NULL);
  g_source_attach (alarm, self->context);
  while (!_lsobs_flush_waiter_is_done (ticket) && g_get_monotonic_time () < deadline)
    g_main_context_iteration (self->context, TRUE);
  g_source_destroy (alarm);
  release_context (self);
  return _lsobs_flush_waiter_is_done (ticket);
}

/* In the program's context, held by this thread. */
static void
stop_here (LsobsWorker *self, gint64 began)
{
  gint64 deadline = began + STOP_GRACE * 1000;
  g_autoptr (GSource) alarm = g_timeout_source_new (0);
  gboolean in_time = TRUE;

  cancel_all (self);
  g_source_set_ready_time (alarm, deadline);
  g_source_set_callback (alarm, deadline_cb, NULL, NULL);
  g_source_attach (alarm, self->context);
  for (guint n = 0; _lsobs_sender_is_busy (self->sender) && (in_time || n < STOP_TURNS); n++)
    {
      in_time = g_get_monotonic_time () < deadline;
      g_main_context_iteration (self->context, in_time);
    }
  g_source_destroy (alarm);
  give_up (self);
  mark_stopped (self);
}

static gboolean
wait_stopped (LsobsWorker *self, gint64 deadline)
{
  gboolean stopped;

  g_mutex_lock (&self->lock);
  while (!self->stopped && g_cond_wait_until (&self->stopped_cond, &self->lock, deadline))
    ;
  stopped = self->stopped;
  g_mutex_unlock (&self->lock);
  return stopped;
}

static void
attach_stop (LsobsWorker *self)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_HIGH);
  attach (self, source, stop_cb);
}

/* Called in the context. */
static gboolean
hurry_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;

  if (self->epoch == _lsobs_fork_epoch ())
    lsobs_transport_hurry (self->transport, self->hurry_until);
  return G_SOURCE_REMOVE;
}

/* What waits to be tried again shall not wait any longer than to @deadline. To be
 * called once, from any thread.
 * @deadline: monotonic, µs */
void
_lsobs_worker_hurry (LsobsWorker *self, gint64 deadline)
{
  /* The thread may start only now, to send what waits. */
  self->hurry_until = deadline;
  self->hurry = g_idle_source_new ();
  g_source_set_priority (self->hurry, G_PRIORITY_HIGH);
  attach (self, self->hurry, hurry_cb);
}

/* Ends all sending: what is left is lost. Does not wait for anything, so that
 * several workers can be stopped together. To be called once, from any thread, and
 * followed by _lsobs_worker_end_stop() in the same one.
 * @deadline: monotonic, µs: how long it may take to keep what is left */
void
_lsobs_worker_begin_stop (LsobsWorker *self, gint64 deadline)
{
  gint64 now = g_get_monotonic_time ();
  gboolean never_ran;

  /* The first moment may go by until requests have ended. */
  if (self->settings->failed_traces_dir != NULL)
    self->keep_until = CLAMP (deadline, now + 2 * STOP_GRACE * 1000, now + MAX_KEEP_TIME * 1000);
  g_mutex_lock (&self->lock);
  self->stopping = TRUE;
  never_ran = self->own_context && self->thread == NULL;
  if (never_ran)
    self->stopped = TRUE;
  g_mutex_unlock (&self->lock);

  if (never_ran)
    {
      _lsobs_queue_drop_waiting (self->queue, LSOBS_DROP_REASON_SHUTDOWN);
      g_source_destroy (self->source);
      if (self->hurry != NULL)
        g_source_destroy (self->hurry);
    }
  else if (self->own_context)
    {
      attach_stop (self);
    }
  else if (acquire_context (self))
    {
      cancel_all (self);
      release_context (self);
    }
}

/* Returns after a moment, whatever the transport does.
 * @began: monotonic, µs: when the stop began; the moment counts from there */
void
_lsobs_worker_end_stop (LsobsWorker *self, gint64 began)
{
  gint64 enough = MAX (began, self->keep_until);
  gboolean inside;
  GThread *thread;

  g_mutex_lock (&self->lock);
  thread = g_steal_pointer (&self->thread);
  g_mutex_unlock (&self->lock);
  /* The last reference may go in the flush thread itself. */
  inside = thread == g_thread_self ();

  if (self->own_context && thread != NULL)
    {
      gboolean stopped = !inside && wait_stopped (self, enough + JOIN_GRACE * 1000);

      if (stopped)
        g_thread_join (thread);
      else
        g_thread_unref (thread);
      /* The thread has no time left for what waits, and the books are closed now. */
      if (!inside && !stopped)
        _lsobs_queue_drop_waiting (self->queue, LSOBS_DROP_REASON_SHUTDOWN);
    }
  else if (!self->own_context && acquire_context (self))
    {
      stop_here (self, began);
      release_context (self);
    }
  else if (!self->own_context)
    {
      if (self->keep_until == 0)
        _lsobs_queue_drop_waiting (self->queue, LSOBS_DROP_REASON_SHUTDOWN);
      attach_stop (self);
      wait_stopped (self, MAX (began + STOP_GRACE * 1000, self->keep_until));
      _lsobs_queue_drop_waiting (self->queue, LSOBS_DROP_REASON_SHUTDOWN);
    }
  if (!inside)
    lsobs_transport_settle (self->transport, MAX (began + STOP_GRACE * 1000, self->keep_until));
}

LsobsState
_lsobs_worker_get_state (LsobsWorker *self)
{
  return _lsobs_health_get_state (_lsobs_sender_peek_health (self->sender));
}

/* Returns: (transfer full): what went wrong last */
char *
_lsobs_worker_dup_problem (LsobsWorker *self)
{
  return _lsobs_health_dup_problem (_lsobs_sender_peek_health (self->sender));
}
