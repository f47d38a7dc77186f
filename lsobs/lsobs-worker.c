/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <signal.h>

#include <glib/gi18n-lib.h>

#include "lsobs/lsobs-batcher-private.h"
#include "lsobs/lsobs-client-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/lsobs-flush-source-private.h"
#include "lsobs/lsobs-fork-private.h"
#include "lsobs/lsobs-log-private.h"
#include "lsobs/lsobs-retry-private.h"
#include "lsobs/lsobs-worker-private.h"

/* How long requests that were cancelled get to end properly, in ms, and how many turns of
 * the context in any case: on a busy machine this thread may not run in that time. */
#define STOP_GRACE 100
#define STOP_TURNS 20

/* How long what is left at the end may be on its way to a disk, in ms. */
#define MAX_KEEP_TIME 5000

/* How long the thread gets to end, in ms; a transport may hold it up. */
#define JOIN_GRACE 1000

/* How far apart log lines are at the least, unless things get worse, in µs. */
#define LOG_INTERVAL (30 * G_USEC_PER_SEC)

struct _LsobsWorker
{
  gatomicrefcount ref_count;
  guint epoch;               /* the process that all of this belongs to */
  LsobsSettings *settings;   /* (owned) */
  LsobsCounters *counters;   /* (owned) */
  LsobsQueue *queue;         /* (owned) */
  LsobsTransport *transport; /* (owned) used in the context only */
  GMainContext *context;     /* (owned) where all of the sending happens */
  gboolean own_context;      /* a thread of ours runs it */
  GSource *source;           /* (owned) */
  int state;                 /* (atomic) LsobsState */
  GThread *home;             /* (atomic) (unowned) (nullable) who runs the program's context */

  GMutex lock;       /* guards all down to the next comment */
  GThread *thread;   /* (owned) (nullable) */
  gboolean stopping; /* no thread is started any longer */
  gboolean stopped;
  GCond stopped_cond;
  char *problem;           /* (owned) (nullable) what went wrong last */
  LsobsNotifier *notifier; /* (owned) (nullable) */

  /* All below belongs to whoever runs the context. */
  GMainLoop *loop;           /* (owned) (nullable) with a thread of ours */
  GSource *grace;            /* (owned) (nullable) ends that thread in time */
  guint turns_left;          /* after the grace, in that thread */
  GCancellable *cancellable; /* (owned) */
  LsobsBatcher *batcher;     /* (owned) */
  GQueue sending;            /* of Sending (unowned) */
  gint64 pause;              /* ms: the current length of a pause, or 0 */
  gint64 paused_until;       /* monotonic, µs, or 0 */
  gint64 logged_at;          /* monotonic, µs */
  LsobsState logged_state;
  GSource *hurry;     /* (owned) (nullable) tells of hurry_until */
  gint64 hurry_until; /* monotonic, µs: when all sending ends, set before it is read */
  gint64 keep_until;  /* monotonic, µs: until then, what is left is kept; 0 for never */
};

/* One batch that the transport has. */
typedef struct
{
  LsobsWorker *worker; /* (owned) (nullable) NULL when nobody waits any longer */
  LsobsBatch *batch;   /* (owned) until then */
  GList link;          /* in worker->sending until then */
} Sending;

static void pump (LsobsWorker *self);

/* --- state, and who hears of it; in the context --- */

/* One line per change of state, and not many of them: the program's log is not
 * ours. */
static void
log_state (LsobsWorker *self, LsobsState state, const char *problem)
{
  gint64 now = g_get_monotonic_time ();
  gboolean quiet = self->logged_at != 0 && now - self->logged_at < LOG_INTERVAL;

  if (state == self->logged_state || (quiet && state < self->logged_state))
    return;
  self->logged_state = state;
  self->logged_at = now;
  _lsobs_log_state (state, self->settings->label, problem);
}

static void
set_state (LsobsWorker *self, LsobsState state, const GError *error)
{
  if (error != NULL)
    {
      g_mutex_lock (&self->lock);
      g_free (self->problem);
      self->problem = g_strdup (error->message);
      g_mutex_unlock (&self->lock);
    }
  if (g_atomic_int_get (&self->state) != (int) state)
    g_atomic_int_set (&self->state, (int) state);
  log_state (self, state, error != NULL ? error->message : "");
}

static void
post_news (LsobsWorker *self, guint n_delivered, guint n_lost)
{
  g_autoptr (LsobsNotifier) notifier = NULL;

  g_mutex_lock (&self->lock);
  if (self->notifier != NULL)
    notifier = _lsobs_notifier_ref (self->notifier);
  g_mutex_unlock (&self->lock);
  if (notifier != NULL)
    _lsobs_notifier_post (notifier, n_delivered, n_lost);
}

/* --- sending and learning; in the context --- */

static void
begin_pause (LsobsWorker *self, LsobsFate fate)
{
  gint64 pause = self->pause = _lsobs_retry_pause (self->settings->first_pause, self->pause);

  if (fate == LSOBS_FATE_KEPT)
    pause = _lsobs_retry_pause_to_hour (pause, g_get_real_time (), g_random_double ());
  self->paused_until = g_get_monotonic_time () + pause * 1000;
}

/* The batch has failed, and no part of it is tried again at once. */
static void
learn_from_failure (LsobsWorker *self, const LsobsPolicy *policy, const GError *error)
{
  switch (policy->state)
    {
    case LSOBS_STATE_PAUSED:
      /* Other batches that were under way belong to the same pause. */
      if (self->paused_until <= g_get_monotonic_time ())
        begin_pause (self, policy->fate);
      set_state (self, LSOBS_STATE_PAUSED, error);
      break;
    case LSOBS_STATE_DEGRADED:
      set_state (self, LSOBS_STATE_DEGRADED, error);
      break;
    case LSOBS_STATE_OK:
    default:
      /* The service is well; it is the record. */
      if (policy->reason != LSOBS_DROP_REASON_SHUTDOWN)
        set_state (self, (LsobsState) g_atomic_int_get (&self->state), error);
      break;
    }
}

static void
settle_batch (LsobsWorker *self, LsobsBatch *batch, const GError *error)
{
  const LsobsPolicy *policy = _lsobs_retry_find_policy (error);
  guint n = lsobs_batch_get_n_records (batch);

  if (policy->split && _lsobs_batcher_split (self->batcher, batch, error))
    return;
  switch (policy->fate)
    {
    case LSOBS_FATE_DELIVERED:
      _lsobs_counters_add (self->counters, LSOBS_COUNTER_BATCHES, 1);
      self->pause = 0;
      self->paused_until = 0;
      /* Before the tickets hear of it: who waits may ask for the state. */
      set_state (self, LSOBS_STATE_OK, NULL);
      _lsobs_batcher_delivered (self->batcher, batch);
      post_news (self, n, 0);
      break;
    case LSOBS_FATE_KEPT:
      learn_from_failure (self, policy, error);
      _lsobs_batcher_put_back (self->batcher, batch);
      post_news (self, 0, 0);
      break;
    case LSOBS_FATE_LOST:
    default:
      learn_from_failure (self, policy, error);
      _lsobs_batcher_lost (self->batcher, batch, policy->reason);
      post_news (self, 0, n);
      break;
    }
}

/* Called in the context. */
static void
sent_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autofree Sending *sending = user_data;
  LsobsWorker *self = sending->worker;
  g_autoptr (GError) error = NULL;

  if (lsobs_transport_send_finish (LSOBS_TRANSPORT (object), result, &error))
    g_clear_error (&error);
  else if (error == NULL)
    error =
        g_error_new_literal (LSOBS_ERROR, LSOBS_ERROR_UNAVAILABLE, _ ("The transport has failed"));

  /* In a forked child that runs its parent's context, the rest is the parent's. */
  if (self == NULL || self->epoch != _lsobs_fork_epoch ())
    return;
  g_queue_unlink (&self->sending, &sending->link);
  settle_batch (self, sending->batch, error);
  lsobs_batch_unref (sending->batch);
  if (self->loop != NULL && self->sending.length == 0 &&
      g_cancellable_is_cancelled (self->cancellable))
    g_main_loop_quit (self->loop);
  else
    pump (self);
  _lsobs_worker_unref (self);
}

/* Takes @batch over. */
static void
send_batch (LsobsWorker *self, LsobsBatch *batch)
{
  Sending *sending = g_new0 (Sending, 1);

  g_atomic_ref_count_inc (&self->ref_count);
  sending->worker = self;
  sending->batch = batch;
  sending->link.data = sending;
  g_queue_push_tail_link (&self->sending, &sending->link);
  lsobs_transport_send_async (self->transport, batch, self->cancellable, sent_cb, sending);
}

/* Sends what should leave, as far as there are slots, and sets the alarm for the
 * rest. */
static void
pump (LsobsWorker *self)
{
  gint64 now = g_get_monotonic_time ();
  gint64 due_time;

  if (g_cancellable_is_cancelled (self->cancellable))
    return;
  if (now < self->paused_until)
    {
      /* Who flushes shall not wait for the end of the pause. */
      _lsobs_queue_refuse_tickets (self->queue);
      _lsobs_flush_source_arm (self->source, self->paused_until);
      return;
    }

  g_main_context_push_thread_default (self->context);
  /* After a pause, one batch goes ahead to see how things are. */
  while (self->sending.length < (self->pause != 0 ? 1 : self->settings->max_in_flight))
    {
      LsobsBatch *batch = _lsobs_batcher_next (self->batcher);

      if (batch == NULL)
        break;
      send_batch (self, batch);
    }
  g_main_context_pop_thread_default (self->context);

  if (!_lsobs_queue_is_due (self->queue, self->settings->flush_interval * 1000, now, &due_time) &&
      due_time != -1)
    _lsobs_flush_source_arm (self->source, due_time);
}

/* Called in the context. */
static gboolean
flush_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;

  /* A forked child that runs its parent's context must not send its runs. */
  if (self->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;
  g_atomic_pointer_set (&self->home, g_thread_self ());
  pump (self);
  return G_SOURCE_CONTINUE;
}

/* --- life --- */

/* In the context: of what is left, one more batch is told to the transport. FALSE
 * when nothing is left, or no time. */
static gboolean
keep_next (LsobsWorker *self)
{
  return g_get_monotonic_time () < self->keep_until &&
         _lsobs_batcher_lose_next (self->batcher, LSOBS_DROP_REASON_SHUTDOWN);
}

/* In the context, at the very end, when somebody else holds the worker, too: a
 * transport that does not let go in time keeps its batch for itself. */
static void
give_up (LsobsWorker *self)
{
  GList *link;

  while ((link = g_queue_pop_head_link (&self->sending)) != NULL)
    {
      Sending *sending = link->data;
      g_autoptr (LsobsBatch) batch = g_steal_pointer (&sending->batch);

      _lsobs_batcher_lost (self->batcher, batch, LSOBS_DROP_REASON_SHUTDOWN);
      _lsobs_worker_unref (g_steal_pointer (&sending->worker));
    }
  while (keep_next (self))
    ;
  _lsobs_batcher_drop_all (self->batcher, LSOBS_DROP_REASON_SHUTDOWN);
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
  g_cancellable_cancel (self->cancellable);
  if (self->keep_until == 0)
    _lsobs_batcher_drop_all (self->batcher, LSOBS_DROP_REASON_SHUTDOWN);
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
  if (self->own_context && self->sending.length > 0)
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
  self->counters = _lsobs_counters_ref (counters);
  self->queue = _lsobs_queue_ref (queue);
  self->transport = g_object_ref (transport);
  self->own_context = context == NULL;
  self->context = context != NULL ? g_main_context_ref (context) : g_main_context_new ();
  self->loop = self->own_context ? g_main_loop_new (self->context, FALSE) : NULL;
  /* Of a context that was made for this, nobody knows yet. */
  self->home = self->context == g_main_context_default () ? g_thread_self () : NULL;
  self->cancellable = g_cancellable_new ();
  self->batcher = _lsobs_batcher_new (settings, counters, queue, store, transport);
  g_queue_init (&self->sending);
  g_mutex_init (&self->lock);
  g_cond_init (&self->stopped_cond);

  /* The source holds the worker until it is destroyed. */
  self->source = _lsobs_flush_source_new ();
  g_atomic_ref_count_inc (&self->ref_count);
  g_source_set_callback (self->source, flush_cb, self, (GDestroyNotify) _lsobs_worker_unref);
  g_source_attach (self->source, self->context);
  if (LSOBS_IS_CLIENT (transport))
    _lsobs_service_set_waker (_lsobs_client_peek_service (LSOBS_CLIENT (transport)), self->source);
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
  g_object_unref (self->cancellable);
  g_object_unref (self->transport);
  _lsobs_batcher_free (self->batcher);
  _lsobs_queue_unref (self->queue);
  _lsobs_counters_unref (self->counters);
  _lsobs_settings_unref (self->settings);
  g_clear_pointer (&self->notifier, _lsobs_notifier_unref);
  g_clear_pointer (&self->thread, g_thread_unref);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->stopped_cond);
  g_free (self->problem);
  g_free (self);
}

void
_lsobs_worker_set_notifier (LsobsWorker *self, LsobsNotifier *notifier)
{
  g_mutex_lock (&self->lock);
  g_clear_pointer (&self->notifier, _lsobs_notifier_unref);
  self->notifier = notifier != NULL ? _lsobs_notifier_ref (notifier) : NULL;
  g_mutex_unlock (&self->lock);
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
_lsobs_worker_wait (LsobsWorker *self, LsobsTicket *ticket, gint64 deadline)
{
  g_autoptr (GSource) alarm = NULL;

  if (!acquire_context (self))
    return _lsobs_ticket_wait_until (ticket, deadline);

  alarm = g_timeout_source_new (0);
  g_source_set_ready_time (alarm, deadline);
  g_source_set_callback (alarm, deadline_cb, NULL, NULL);
  g_source_attach (alarm, self->context);
  while (!_lsobs_ticket_is_done (ticket) && g_get_monotonic_time () < deadline)
    g_main_context_iteration (self->context, TRUE);
  g_source_destroy (alarm);
  release_context (self);
  return _lsobs_ticket_is_done (ticket);
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
  for (guint n = 0; self->sending.length > 0 && (in_time || n < STOP_TURNS); n++)
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
  return (LsobsState) g_atomic_int_get (&self->state);
}

/* Returns: (transfer full): what went wrong last */
char *
_lsobs_worker_dup_problem (LsobsWorker *self)
{
  char *problem;

  g_mutex_lock (&self->lock);
  problem = g_strdup (self->problem != NULL ? self->problem
                                            : _ ("a record is larger than a request may be"));
  g_mutex_unlock (&self->lock);
  return problem;
}
