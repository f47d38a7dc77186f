/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/lsobs-error-private.h"
#include "lsobs/lsobs-fork-private.h"
#include "lsobs/lsobs-intake-private.h"
#include "lsobs/lsobs-pipe-private.h"
#include "lsobs/lsobs-worker-private.h"

/* The store of runs that are reported by id knows so many at the least. */
#define MIN_STORE_CAPACITY 1000

struct _LsobsPipe
{
  guint epoch;             /* the process that all of this belongs to */
  LsobsSettings *settings; /* (owned) */
  LsobsCounters *counters; /* (owned) */
  LsobsQueue *queue;       /* (owned) */
  LsobsRunStore *store;    /* (owned) */
  LsobsWorker *worker;     /* (owned) */
  int stopped;             /* (atomic) */
  gsize n_reported;        /* (atomic) evictions that a flush has told of */
};

/* Evictions since the last flush that told of them. */
static gsize
take_evictions (LsobsPipe *self)
{
  g_autoptr (LsobsStats) stats = _lsobs_counters_snapshot (self->counters);
  gsize n = (gsize) (lsobs_stats_get_dropped (stats, LSOBS_DROP_REASON_QUEUE_FULL) +
                     lsobs_stats_get_dropped (stats, LSOBS_DROP_REASON_QUEUE_BYTES));

  return n - __atomic_exchange_n (&self->n_reported, n, __ATOMIC_RELAXED);
}

/* @context, @notifier: (nullable) */
LsobsPipe *
_lsobs_pipe_new (LsobsSettings  *settings,
                 LsobsCounters  *counters,
                 LsobsTransport *transport,
                 GMainContext   *context,
                 LsobsNotifier  *notifier)
{
  LsobsPipe *self = g_new0 (LsobsPipe, 1);

  self->epoch = _lsobs_fork_epoch ();
  self->settings = _lsobs_settings_ref (settings);
  self->counters = _lsobs_counters_ref (counters);
  self->queue = _lsobs_queue_new (settings->queue_capacity, settings->max_queue_bytes,
                                  settings->max_batch_size, settings->max_batch_bytes, counters, 0);
  self->store = lsobs_run_store_new (MAX (settings->queue_capacity, MIN_STORE_CAPACITY));
  self->worker = _lsobs_worker_new (settings, counters, self->queue, self->store, transport, context);
  _lsobs_worker_set_notifier (self->worker, notifier);
  /* Those of a parent process are not ours to tell. */
  take_evictions (self);
  return self;
}

static void
stop (LsobsPipe *self)
{
  if (g_atomic_int_compare_and_exchange (&self->stopped, FALSE, TRUE))
    _lsobs_worker_stop (self->worker);
}

/* In a forked child, the parent's pipe stays as it is: what it is made of may be
 * locked, and half changed. */
void
_lsobs_pipe_free (LsobsPipe *self)
{
  if (_lsobs_pipe_is_foreign (self))
    return;
  stop (self);
  _lsobs_worker_unref (self->worker);
  g_object_unref (self->store);
  _lsobs_queue_unref (self->queue);
  _lsobs_counters_unref (self->counters);
  _lsobs_settings_unref (self->settings);
  g_free (self);
}

gboolean
_lsobs_pipe_is_foreign (LsobsPipe *self)
{
  return self->epoch != _lsobs_fork_epoch ();
}

/* Takes no more records, and sends nothing any longer. */
void
_lsobs_pipe_close (LsobsPipe *self)
{
  _lsobs_queue_close (self->queue);
  stop (self);
}

void
_lsobs_pipe_set_notifier (LsobsPipe     *self,
                          LsobsNotifier *notifier)
{
  _lsobs_worker_set_notifier (self->worker, notifier);
}

/* Takes @record over. */
void
_lsobs_pipe_push (LsobsPipe   *self,
                  LsobsRecord *record)
{
  _lsobs_worker_wake (self->worker, _lsobs_queue_push (self->queue, record));
}

/* Takes @record over: what comes after the end of a run still joins it if it has
 * not left yet. The service takes one end per run, so that otherwise it is too
 * late. */
void
_lsobs_pipe_push_late (LsobsPipe   *self,
                       LsobsRecord *record)
{
  if (!_lsobs_queue_join_waiting (self->queue, record))
    _lsobs_counters_add (self->counters, LSOBS_COUNTER_LATE_UPDATES, 1);
}

gboolean
_lsobs_pipe_take_event (LsobsPipe      *self,
                        LsobsRunEvent  *event,
                        GError        **error)
{
  LsobsRecord *record;
  gboolean late;

  if (!_lsobs_intake_take (self->settings, self->counters, self->store, event, &record, &late, error))
    return FALSE;
  if (record != NULL && late)
    _lsobs_pipe_push_late (self, record);
  else if (record != NULL)
    _lsobs_pipe_push (self, record);
  return TRUE;
}

/* What the numbers were when a flush began. */
typedef struct
{
  gint64 began;   /* monotonic, µs */
  gsize n_batches;
} FlushStart;

static FlushStart
note_start (LsobsPipe *self)
{
  FlushStart start = {
    g_get_monotonic_time (), _lsobs_counters_get (self->counters, LSOBS_COUNTER_BATCHES)
  };

  return start;
}

/* @ticket: finished, or removed from the queue */
static gboolean
report_flush (LsobsPipe        *self,
              const FlushStart *start,
              LsobsTicket      *ticket,
              LsobsFlushStats  *stats,
              GError          **error)
{
  gint64 waited_ms = (g_get_monotonic_time () - start->began) / 1000;

  if (stats != NULL)
    {
      memset (stats, 0, sizeof *stats);
      stats->runs_flushed = ticket->n_delivered;
      stats->runs_failed = ticket->n_failed;
      stats->batches_sent = _lsobs_counters_get (self->counters, LSOBS_COUNTER_BATCHES) -
                            start->n_batches;
      stats->dropped_events = take_evictions (self);
    }
  if (ticket->refused || (ticket->n_remaining == 0 && ticket->n_failed > 0))
    {
      g_autofree char *problem = _lsobs_worker_dup_problem (self->worker);

      _lsobs_flush_error_set_permanent (error, waited_ms, ticket->n_remaining, ticket->n_failed, problem);
      return FALSE;
    }
  if (ticket->n_remaining > 0)
    {
      _lsobs_flush_error_set_timeout (error, waited_ms, ticket->n_remaining);
      return FALSE;
    }
  return TRUE;
}

/* @timeout: ms, or negative for no limit. Far enough away is as good as never. */
static gint64
get_deadline (gint64 timeout)
{
  const gint64 ten_years = G_GINT64_CONSTANT (315360000000);

  return g_get_monotonic_time () + (timeout < 0 ? ten_years : MIN (timeout, ten_years)) * 1000;
}

/* Called wherever the last record found its fate. */
static void
wake_context_cb (LsobsTicket *ticket,
                 gpointer     user_data)
{
  g_main_context_wakeup (user_data);
}

/* @timeout: ms, or negative for no limit */
gboolean
_lsobs_pipe_flush (LsobsPipe        *self,
                   gint64            timeout,
                   LsobsFlushStats  *stats,
                   GError          **error)
{
  gint64 deadline = get_deadline (timeout);
  FlushStart start = note_start (self);
  GMainContext *context = _lsobs_worker_peek_context (self->worker);
  g_autoptr (LsobsTicket) ticket = _lsobs_ticket_new (wake_context_cb, g_main_context_ref (context));

  /* Whoever finishes the ticket may still be at it when this thread goes on. */
  ticket->destroy = (GDestroyNotify) g_main_context_unref;
  if (_lsobs_queue_add_ticket (self->queue, ticket))
    {
      _lsobs_worker_wake (self->worker, LSOBS_WAKE_NOW);
      _lsobs_worker_wait (self->worker, ticket, deadline);
      _lsobs_queue_remove_ticket (self->queue, ticket);
    }
  return report_flush (self, &start, ticket, stats, error);
}

/* An asynchronous flush. All but the ticket belongs to the context of the task. */
typedef struct
{
  LsobsPipe *pipe;       /* (unowned) the source object of the task keeps it */
  FlushStart start;
  LsobsTicket *ticket;   /* (owned) */
  GSource *alarm;        /* (owned) (nullable) */
  GSource *cancel;       /* (owned) (nullable) */
  gboolean finished;
  LsobsFlushStats stats;
} FlushData;

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
flush_data_free (gpointer user_data)
{
  FlushData *data = user_data;

  clear_source (&data->alarm);
  clear_source (&data->cancel);
  _lsobs_ticket_unref (data->ticket);
  g_free (data);
}

/* Called in the context of the task; whichever event is first ends it. */
static gboolean
finish_flush_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);
  FlushData *data = g_task_get_task_data (task);
  GError *error = NULL;

  if (data->finished)
    return G_SOURCE_REMOVE;
  data->finished = TRUE;
  /* A forked child that runs its parent's context leaves the parent's flush be. */
  if (_lsobs_pipe_is_foreign (data->pipe))
    return G_SOURCE_REMOVE;
  /* If the ticket has not called yet, it never will: its reference is ours. */
  if (_lsobs_queue_remove_ticket (data->pipe->queue, data->ticket))
    g_object_unref (task);
  if (!g_task_return_error_if_cancelled (task))
    {
      if (report_flush (data->pipe, &data->start, data->ticket, &data->stats, &error))
        g_task_return_boolean (task, TRUE);
      else
        g_task_return_error (task, error);
    }
  clear_source (&data->alarm);
  clear_source (&data->cancel);
  return G_SOURCE_REMOVE;
}

static gboolean
flush_cancelled_cb (GCancellable *cancellable,
                    gpointer      user_data)
{
  return finish_flush_cb (user_data);
}

/* Called wherever the last record found its fate, holding a reference to the task. */
static void
flush_ticket_cb (LsobsTicket *ticket,
                 gpointer     user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_static_name (source, "[lsobs] flushed");
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_task_attach_source (task, source, finish_flush_cb);
}

/* @func: as of GSourceFunc, or of GCancellableSourceFunc for a cancellable source */
static GSource *
watch_flush (GTask       *task,
             GSource     *source,
             GSourceFunc  func)
{
  g_source_set_static_name (source, "[lsobs] flush timeout");
  g_source_set_callback (source, func, g_object_ref (task), g_object_unref);
  g_source_attach (source, g_task_get_context (task));
  return source;
}

/* Ends @task, which has no task data yet, when the flush has ended. */
void
_lsobs_pipe_flush_task (LsobsPipe *self,
                        gint64     timeout,
                        GTask     *task)
{
  GCancellable *cancellable = g_task_get_cancellable (task);
  FlushData *data = g_new0 (FlushData, 1);
  GSource *alarm;

  data->pipe = self;
  data->start = note_start (self);
  data->ticket = _lsobs_ticket_new (flush_ticket_cb, task);
  g_task_set_task_data (task, data, flush_data_free);

  alarm = g_timeout_source_new (0);
  g_source_set_ready_time (alarm, get_deadline (timeout));
  data->alarm = watch_flush (task, alarm, finish_flush_cb);
  if (cancellable != NULL)
    data->cancel = watch_flush (task, g_cancellable_source_new (cancellable),
                                G_SOURCE_FUNC (flush_cancelled_cb));
  g_object_ref (task);
  if (_lsobs_queue_add_ticket (self->queue, data->ticket))
    {
      _lsobs_worker_wake (self->worker, LSOBS_WAKE_NOW);
    }
  else
    {
      g_object_unref (task);
      g_source_set_ready_time (data->alarm, 0);
    }
}

/* Returns: (transfer none): what a task of _lsobs_pipe_flush_task() has done */
LsobsFlushStats *
_lsobs_pipe_peek_task_stats (GTask *task)
{
  return &((FlushData *) g_task_get_task_data (task))->stats;
}

/* Takes no more records, sends what waits, and ends all sending. */
gboolean
_lsobs_pipe_shut_down (LsobsPipe        *self,
                       gint64            timeout,
                       LsobsFlushStats  *stats,
                       GError          **error)
{
  gboolean flushed;

  _lsobs_queue_close (self->queue);
  flushed = _lsobs_pipe_flush (self, timeout, stats, error);
  _lsobs_pipe_close (self);
  return flushed;
}

LsobsStats *
_lsobs_pipe_dup_stats (LsobsPipe *self)
{
  return _lsobs_queue_snapshot (self->queue);
}

LsobsState
_lsobs_pipe_get_state (LsobsPipe *self)
{
  return _lsobs_worker_get_state (self->worker);
}
