/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/lsobs-capture-private.h"
#include "lsobs/lsobs-client-private.h"
#include "lsobs/lsobs-clock-private.h"
#include "lsobs/lsobs-error-private.h"
#include "lsobs/lsobs-exporter-private.h"
#include "lsobs/lsobs-fork-private.h"
#include "lsobs/lsobs-probability-sampler-private.h"
#include "lsobs/lsobs-run-event-private.h"
#include "lsobs/lsobs-worker-private.h"

/**
 * SECTION:lsobs-exporter
 * @title: LsobsExporter
 * @short_description: bounded queue, batches, flush
 *
 * The pipe behind an #LsobsObserver: a bounded queue, from which a thread takes
 * batches that an #LsobsTransport sends. Most programs use the observer alone;
 * the exporter is for those that report runs by their ids, as #LsobsRunEvent.
 *
 * When the queue is full, the oldest record goes: the program is never blocked,
 * and never sees an error for it. Nothing is lost silently:
 * lsobs_exporter_dup_stats() counts every record and its fate.
 *
 * All functions may be called from any thread. When the last reference goes, what
 * waits is sent for as long as #LsobsConfig:shutdown-timeout allows.
 *
 * A child process made by fork() starts with an empty queue, and counts what its
 * parent had in it as lost by %LSOBS_DROP_REASON_FORK: the parent sends that.
 */

/* Everything that holds a lock, a thread or a socket; a forked child gets its own
 * and leaves the parent's alone. */
typedef struct
{
  guint epoch;
  LsobsQueue *queue;    /* (owned) */
  LsobsRunStore *store; /* (owned) */
  LsobsWorker *worker;  /* (owned) */
} Pipe;

struct _LsobsExporter
{
  GObject parent_instance;

  LsobsConfig *config;       /* (owned) (nullable) construct-only, until initialised */
  GMainContext *context;     /* (owned) (nullable) construct-only */
  LsobsTransport *transport; /* (owned) construct-only */
  LsobsSettings *settings;   /* (owned) */
  LsobsCounters *counters;   /* (owned) */
  LsobsNotifier *notifier;   /* (owned) (nullable) set once, before any use */
  Pipe *pipe;                /* (owned) (atomic) */
  int shut_down;             /* (atomic) */
  gsize n_reported;          /* (atomic) evictions that a flush has told of */
};

typedef enum { PROP_CONFIG = 1, PROP_TRANSPORT, PROP_MAIN_CONTEXT } LsobsExporterProperty;
static GParamSpec *props[PROP_MAIN_CONTEXT + 1] = { NULL, };

static void lsobs_exporter_initable_init (GInitableIface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (LsobsExporter, lsobs_exporter, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_INITABLE, lsobs_exporter_initable_init))

/* --- the pipe, and what fork() does to it --- */

static Pipe *
pipe_new (LsobsExporter *self)
{
  Pipe *pipe = g_new0 (Pipe, 1);

  pipe->epoch = _lsobs_fork_epoch ();
  pipe->queue = _lsobs_queue_new (self->settings->queue_capacity, self->settings->max_queue_bytes,
                                  self->settings->max_batch_size, self->settings->max_batch_bytes,
                                  self->counters);
  pipe->store = lsobs_run_store_new (MAX (self->settings->queue_capacity, 1000));
  pipe->worker = _lsobs_worker_new (self->settings, self->counters, pipe->queue, pipe->store,
                                    self->transport, self->context);
  _lsobs_worker_set_notifier (pipe->worker, self->notifier);
  return pipe;
}

static void
pipe_free (Pipe *pipe)
{
  _lsobs_worker_unref (pipe->worker);
  g_object_unref (pipe->store);
  _lsobs_queue_unref (pipe->queue);
  g_free (pipe);
}

/* The parent's records are the parent's to send. Some thread of it may have been
 * in the middle of the books, so the loss is what the other numbers leave over. */
static void
write_off_fork (LsobsExporter *self)
{
  g_autoptr (LsobsStats) stats = _lsobs_counters_snapshot (self->counters);
  guint64 settled = lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED) +
                    lsobs_stats_get_total_dropped (stats);
  guint64 enqueued = lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED);

  if (enqueued > settled)
    _lsobs_counters_drop (self->counters, LSOBS_DROP_REASON_FORK, (gsize) (enqueued - settled));
  _lsobs_counters_set (self->counters, LSOBS_COUNTER_QUEUED, 0);
  _lsobs_counters_set (self->counters, LSOBS_COUNTER_QUEUED_BYTES, 0);
  _lsobs_counters_set (self->counters, LSOBS_COUNTER_IN_FLIGHT, 0);
}

static Pipe *
get_pipe (LsobsExporter *self)
{
  Pipe *pipe = g_atomic_pointer_get (&self->pipe);
  Pipe *fresh;

  if (G_LIKELY (pipe->epoch == _lsobs_fork_epoch ()))
    return pipe;

  /* In a forked child. The old pipe stays as it is for ever: its locks may be
   * held by threads that do not exist here. */
  fresh = pipe_new (self);
  if (g_atomic_pointer_compare_and_exchange (&self->pipe, pipe, fresh))
    {
      write_off_fork (self);
      return fresh;
    }
  _lsobs_worker_stop (fresh->worker);
  pipe_free (fresh);
  return g_atomic_pointer_get (&self->pipe);
}

/* --- for handles --- */

LsobsSettings *
_lsobs_exporter_peek_settings (LsobsExporter *self)
{
  return self->settings;
}

LsobsCounters *
_lsobs_exporter_peek_counters (LsobsExporter *self)
{
  return self->counters;
}

/* Once, before any use. */
void
_lsobs_exporter_set_notifier (LsobsExporter *self,
                              LsobsNotifier *notifier)
{
  self->notifier = _lsobs_notifier_ref (notifier);
  _lsobs_worker_set_notifier (get_pipe (self)->worker, notifier);
}

/* Asked at the root of a trace. */
gboolean
_lsobs_exporter_should_sample (LsobsExporter *self,
                               LsobsRunInfo  *info)
{
  char trace_id[LSOBS_UUID_LEN + 1] = "";

  if (self->settings->sampler == NULL && self->settings->sampling_rate >= 1.0)
    return TRUE;
  if (self->settings->sampler == NULL && self->settings->sampling_rate <= 0.0)
    return FALSE;
  _lsobs_id_write (_lsobs_run_info_get_trace_id (info), trace_id);
  if (self->settings->sampler != NULL)
    return lsobs_sampler_should_sample (self->settings->sampler, trace_id);
  return _lsobs_probability_sampler_keeps (self->settings->sampling_rate, trace_id);
}

/* TRUE, and @record gone, if its run belongs to another process. */
static gboolean
refuse_foreign (LsobsExporter *self,
                LsobsRecord   *record)
{
  if (record->info->epoch == _lsobs_fork_epoch ())
    return FALSE;
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_ENQUEUED, 1);
  _lsobs_counters_drop (self->counters, LSOBS_DROP_REASON_FORK, 1);
  _lsobs_record_free (record);
  return TRUE;
}

/* Takes @record over. */
void
_lsobs_exporter_push (LsobsExporter *self,
                      LsobsRecord   *record)
{
  Pipe *pipe = get_pipe (self);

  if (!refuse_foreign (self, record))
    _lsobs_worker_wake (pipe->worker, _lsobs_queue_push (pipe->queue, record));
}

/* Takes @record over: what comes after the end of a run still joins it if it has
 * not left yet. The service takes one end per run, so that otherwise it is too
 * late. */
void
_lsobs_exporter_push_late (LsobsExporter *self,
                           LsobsRecord   *record)
{
  Pipe *pipe = get_pipe (self);

  if (refuse_foreign (self, record))
    return;
  if (!_lsobs_queue_join_waiting (pipe->queue, record))
    _lsobs_counters_add (self->counters, LSOBS_COUNTER_LATE_UPDATES, 1);
}

/* --- runs by id --- */

static gboolean
check_id (const char  *id,
          LsobsId     *parsed,
          GError     **error)
{
  if (id != NULL && strlen (id) == LSOBS_UUID_LEN && _lsobs_id_parse (parsed, id))
    return TRUE;
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN, _("The id of a run must be a UUID"));
  return FALSE;
}

/* The segment of an event that does not say where it lies. */
static LsobsSegment
guess_segment (LsobsRunEvent *event,
               const LsobsId *id)
{
  LsobsSegment segment = { event->start_time, *id };
  gint64 time_ms;

  if (segment.start_time == 0 && _lsobs_id_get_time (id, &time_ms))
    segment.start_time = time_ms * 1000;
  if (segment.start_time == 0)
    segment.start_time = _lsobs_clock_stamp ();
  return segment;
}

/* Returns: (transfer full) (nullable): who the run is, checked by the rules that
 * the service would refuse a whole batch for */
static LsobsRunInfo *
identify (Pipe           *pipe,
          LsobsRunEvent  *event,
          GError        **error)
{
  g_autoptr (LsobsRunInfo) parent = NULL;
  LsobsRunInfo *info;
  LsobsSegment segment;
  LsobsId id;

  if (!check_id (event->id, &id, error) ||
      (event->parent_id != NULL && !check_id (event->parent_id, &segment.id, error)))
    return NULL;
  if (event->dotted_order != NULL)
    {
      g_autoptr (GArray) segments = NULL;

      if (!_lsobs_dotted_order_check (event->dotted_order, event->id, event->trace_id,
                                      event->parent_id, error))
        return NULL;
      segments = _lsobs_dotted_order_parse (event->dotted_order, error);
      return _lsobs_run_info_new_for_segments ((LsobsSegment *) (gpointer) segments->data, segments->len,
                                               event->name, event->run_type);
    }
  segment = guess_segment (event, &id);
  if (event->parent_id == NULL)
    return _lsobs_run_info_new_for_segments (&segment, 1, event->name, event->run_type);

  parent = _lsobs_run_store_dup_info (pipe->store, event->parent_id);
  if (parent == NULL)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN,
                   _("The parent %s of run %s is not known here; set the path with "
                     "lsobs_run_event_set_trace()"),
                   event->parent_id, event->id);
      return NULL;
    }
  segment.start_time = MAX (segment.start_time, parent->segment.start_time);
  info = _lsobs_run_info_new_for_segments (&segment, 1, event->name, event->run_type);
  info->parent = g_steal_pointer (&parent);
  info->depth = info->parent->depth + 1;
  info->sampled = info->parent->sampled;
  return info;
}

static LsobsRecord *
make_record (LsobsExporter   *self,
             LsobsRunEvent   *event,
             LsobsRunInfo    *info,
             LsobsRecordKind  kind)
{
  LsobsRecord *record = _lsobs_record_new (kind, info);

  record->by_id = TRUE;
  record->inputs = _lsobs_capture_node (event->inputs, self->settings->max_queue_bytes, self->counters);
  record->outputs = _lsobs_capture_node (event->outputs, self->settings->max_queue_bytes, self->counters);
  record->error = g_strdup (event->error_text);
  record->end_time = event->end_time;
  if (record->end_time == 0 && event->kind == LSOBS_RUN_EVENT_KIND_UPDATE)
    record->end_time = _lsobs_clock_stamp ();
  return record;
}

static gboolean
enqueue_start (LsobsExporter  *self,
               Pipe           *pipe,
               LsobsRunEvent  *event,
               GError        **error)
{
  g_autoptr (LsobsRunInfo) info = identify (pipe, event, error);

  if (info == NULL)
    return FALSE;
  if (!lsobs_run_store_start (pipe->store, event->id))
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN, _("Run %s has started already"),
                   event->id);
      return FALSE;
    }
  if (info->parent == NULL || info->parent->name == NULL)
    info->sampled = _lsobs_exporter_should_sample (self, info);
  _lsobs_run_store_set_info (pipe->store, event->id, info);
  if (event->end_time != 0)
    lsobs_run_update_decision_free (lsobs_run_store_update (pipe->store, event->id, event->error_text));
  if (info->sampled)
    _lsobs_exporter_push (self, make_record (self, event, info, LSOBS_RECORD_CREATE));
  else
    _lsobs_counters_add (self->counters, LSOBS_COUNTER_UNSAMPLED, 1);
  return TRUE;
}

static gboolean
enqueue_update (LsobsExporter  *self,
                Pipe           *pipe,
                LsobsRunEvent  *event,
                GError        **error)
{
  g_autoptr (LsobsRunUpdateDecision) decision = NULL;
  g_autoptr (LsobsRunInfo) info = _lsobs_run_store_dup_info (pipe->store, event->id);

  if (info == NULL)
    {
      /* A run that we have never seen: one complete record shows all we know. */
      info = identify (pipe, event, error);
      if (info == NULL)
        return FALSE;
      info->sampled = _lsobs_exporter_should_sample (self, info);
      _lsobs_counters_add (self->counters, LSOBS_COUNTER_UNKNOWN_UPDATES, 1);
    }
  decision = lsobs_run_store_update (pipe->store, event->id, event->error_text);
  _lsobs_run_store_set_info (pipe->store, event->id, info);
  if (!info->sampled)
    {
      /* Nothing will be delivered that would let it be forgotten. */
      lsobs_run_store_forget (pipe->store, event->id);
    }
  else if (decision->first)
    {
      _lsobs_exporter_push (self, make_record (self, event, info, LSOBS_RECORD_UPDATE));
    }
  else
    {
      LsobsRecord *record = make_record (self, event, info, LSOBS_RECORD_UPDATE);

      /* The state stands; outputs may still be added. */
      g_clear_pointer (&record->error, g_free);
      _lsobs_exporter_push_late (self, record);
    }
  return TRUE;
}

/**
 * lsobs_exporter_enqueue:
 * @self: an exporter
 * @event: what has happened to a run
 * @error: return location for a #GError, or %NULL
 *
 * Enqueues the start or the update of a run by its id. The place of a run in its
 * trace is found by the parent's id, as long as the parent is known here; set it
 * with lsobs_run_event_set_trace() otherwise. An update of a run that was never
 * started is sent as a complete run.
 *
 * Fails with %LSOBS_ERROR_INVALID_RUN when an id is no UUID, when the path of the
 * run breaks the rules of the protocol, or when the run has started already.
 *
 * Returns: %TRUE if the event was accepted
 *
 * Since: 0.1
 */
gboolean
lsobs_exporter_enqueue (LsobsExporter  *self,
                        LsobsRunEvent  *event,
                        GError        **error)
{
  Pipe *pipe;

  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), FALSE);
  g_return_val_if_fail (event != NULL, FALSE);

  pipe = get_pipe (self);
  if (event->kind == LSOBS_RUN_EVENT_KIND_START)
    return enqueue_start (self, pipe, event, error);
  return enqueue_update (self, pipe, event, error);
}

/* --- flush --- */

/* What the numbers were when a flush began. */
typedef struct
{
  gint64 began;   /* monotonic, µs */
  gsize n_batches;
} FlushStart;

static FlushStart
note_start (LsobsExporter *self)
{
  FlushStart start = {
    g_get_monotonic_time (), _lsobs_counters_get (self->counters, LSOBS_COUNTER_BATCHES)
  };

  return start;
}

/* Evictions since the last flush that told of them. */
static gsize
take_evictions (LsobsExporter *self)
{
  g_autoptr (LsobsStats) stats = _lsobs_counters_snapshot (self->counters);
  gsize n = (gsize) (lsobs_stats_get_dropped (stats, LSOBS_DROP_REASON_QUEUE_FULL) +
                     lsobs_stats_get_dropped (stats, LSOBS_DROP_REASON_QUEUE_BYTES));

  return n - __atomic_exchange_n (&self->n_reported, n, __ATOMIC_RELAXED);
}

/* @ticket: finished, or removed from the queue */
static gboolean
report_flush (LsobsExporter    *self,
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
      g_autofree char *problem = _lsobs_worker_dup_problem (get_pipe (self)->worker);

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

static gboolean
flush_until (LsobsExporter    *self,
             gint64            deadline,
             LsobsFlushStats  *stats,
             GError          **error)
{
  Pipe *pipe = get_pipe (self);
  FlushStart start = note_start (self);
  g_autoptr (LsobsTicket) ticket =
      _lsobs_ticket_new (wake_context_cb, _lsobs_worker_peek_context (pipe->worker));

  if (_lsobs_queue_add_ticket (pipe->queue, ticket))
    {
      _lsobs_worker_wake (pipe->worker, LSOBS_WAKE_NOW);
      _lsobs_worker_wait (pipe->worker, ticket, deadline);
      _lsobs_queue_remove_ticket (pipe->queue, ticket);
    }
  return report_flush (self, &start, ticket, stats, error);
}

/**
 * lsobs_exporter_flush:
 * @self: an exporter
 * @timeout: how long to wait at the most, in milliseconds; negative for as long
 *   as it takes
 * @stats: (out caller-allocates) (optional): return location for what was done
 * @error: return location for a #GError, or %NULL
 *
 * Sends what waits now, and waits until each of these records is delivered or
 * lost. With an empty queue it returns at once. @stats is filled in any case.
 *
 * Fails with %LSOBS_FLUSH_ERROR_TIMEOUT when the time is over: nothing is lost by
 * that, sending goes on. Fails with %LSOBS_FLUSH_ERROR_PERMANENT when some records
 * were lost, or when sending is paused.
 *
 * Needs no main loop. Where the flush source runs in a context of the program,
 * see #LsobsExporter:main-context, and nobody else runs it at the time, this
 * function does.
 *
 * Returns: %TRUE if everything was delivered
 *
 * Since: 0.1
 */
gboolean
lsobs_exporter_flush (LsobsExporter    *self,
                      gint64            timeout,
                      LsobsFlushStats  *stats,
                      GError          **error)
{
  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), FALSE);

  return flush_until (self, get_deadline (timeout), stats, error);
}

/* An asynchronous flush. All but the ticket belongs to the context of the task. */
typedef struct
{
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
  LsobsExporter *self = g_task_get_source_object (task);
  FlushData *data = g_task_get_task_data (task);
  GError *error = NULL;

  if (data->finished)
    return G_SOURCE_REMOVE;
  data->finished = TRUE;
  /* If the ticket has not called yet, it never will: its reference is ours. */
  if (_lsobs_queue_remove_ticket (get_pipe (self)->queue, data->ticket))
    g_object_unref (task);
  if (!g_task_return_error_if_cancelled (task))
    {
      if (report_flush (self, &data->start, data->ticket, &data->stats, &error))
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

/**
 * lsobs_exporter_flush_async:
 * @self: an exporter
 * @timeout: how long to wait at the most, in milliseconds; negative for as long
 *   as it takes
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the flush has ended
 * @user_data: data for @callback
 *
 * Does what lsobs_exporter_flush() does, without blocking. @callback runs in the
 * thread-default main context of the caller. To cancel ends the waiting, not the
 * sending.
 *
 * Since: 0.1
 */
void
lsobs_exporter_flush_async (LsobsExporter       *self,
                            gint64               timeout,
                            GCancellable        *cancellable,
                            GAsyncReadyCallback  callback,
                            gpointer             user_data)
{
  g_autoptr (GTask) task = NULL;
  FlushData *data;
  Pipe *pipe;

  g_return_if_fail (LSOBS_IS_EXPORTER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  pipe = get_pipe (self);
  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, lsobs_exporter_flush_async);
  data = g_new0 (FlushData, 1);
  data->start = note_start (self);
  data->ticket = _lsobs_ticket_new (flush_ticket_cb, task);
  g_task_set_task_data (task, data, flush_data_free);

  data->alarm = watch_flush (task, g_timeout_source_new (0), finish_flush_cb);
  if (cancellable != NULL)
    data->cancel = watch_flush (task, g_cancellable_source_new (cancellable),
                                G_SOURCE_FUNC (flush_cancelled_cb));
  g_object_ref (task);
  if (_lsobs_queue_add_ticket (pipe->queue, data->ticket))
    {
      g_source_set_ready_time (data->alarm, get_deadline (timeout));
      _lsobs_worker_wake (pipe->worker, LSOBS_WAKE_NOW);
    }
  else
    {
      /* The alarm rings at once. */
      g_object_unref (task);
    }
}

/**
 * lsobs_exporter_flush_finish:
 * @self: an exporter
 * @result: what the callback was given
 * @stats: (out caller-allocates) (optional): return location for what was done
 * @error: return location for a #GError, or %NULL
 *
 * Ends what lsobs_exporter_flush_async() began. Fails as lsobs_exporter_flush()
 * does, or with %G_IO_ERROR_CANCELLED.
 *
 * Returns: %TRUE if everything was delivered
 *
 * Since: 0.1
 */
gboolean
lsobs_exporter_flush_finish (LsobsExporter    *self,
                             GAsyncResult     *result,
                             LsobsFlushStats  *stats,
                             GError          **error)
{
  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, lsobs_exporter_flush_async), FALSE);

  if (stats != NULL)
    *stats = ((FlushData *) g_task_get_task_data (G_TASK (result)))->stats;
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- shutdown --- */

/**
 * lsobs_exporter_shutdown:
 * @self: an exporter
 * @timeout: how long to wait at the most, in milliseconds; negative for as long
 *   as it takes
 * @stats: (out caller-allocates) (optional): return location for what was done
 * @error: return location for a #GError, or %NULL
 *
 * Takes no more records, sends what waits, and ends the thread. What is not
 * delivered when the time is over is lost, and counted by
 * %LSOBS_DROP_REASON_SHUTDOWN, as are records that come later. A second call does
 * nothing.
 *
 * Fails with %LSOBS_FLUSH_ERROR_PERMANENT or %LSOBS_FLUSH_ERROR_TIMEOUT when some
 * records were lost.
 *
 * Returns: %TRUE if everything was delivered
 *
 * Since: 0.1
 */
gboolean
lsobs_exporter_shutdown (LsobsExporter    *self,
                         gint64            timeout,
                         LsobsFlushStats  *stats,
                         GError          **error)
{
  Pipe *pipe;
  gboolean flushed;

  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), FALSE);

  pipe = get_pipe (self);
  if (!g_atomic_int_compare_and_exchange (&self->shut_down, FALSE, TRUE))
    {
      if (stats != NULL)
        memset (stats, 0, sizeof *stats);
      return TRUE;
    }
  _lsobs_queue_close (pipe->queue);
  flushed = flush_until (self, get_deadline (timeout), stats, error);
  _lsobs_worker_stop (pipe->worker);
  return flushed;
}

typedef struct
{
  gint64 timeout;
  LsobsFlushStats stats;
} ShutdownData;

/* Called in a worker thread. */
static void
shutdown_in_thread (GTask        *task,
                    gpointer      source_object,
                    gpointer      task_data,
                    GCancellable *cancellable)
{
  ShutdownData *data = task_data;
  GError *error = NULL;

  if (lsobs_exporter_shutdown (source_object, data->timeout, &data->stats, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/**
 * lsobs_exporter_shutdown_async:
 * @self: an exporter
 * @timeout: how long to wait at the most, in milliseconds; negative for as long
 *   as it takes
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when everything has ended
 * @user_data: data for @callback
 *
 * Does what lsobs_exporter_shutdown() does, without blocking. @callback runs in
 * the thread-default main context of the caller. To cancel ends the waiting, not
 * the shutdown.
 *
 * Since: 0.1
 */
void
lsobs_exporter_shutdown_async (LsobsExporter       *self,
                               gint64               timeout,
                               GCancellable        *cancellable,
                               GAsyncReadyCallback  callback,
                               gpointer             user_data)
{
  g_autoptr (GTask) task = NULL;
  ShutdownData *data;

  g_return_if_fail (LSOBS_IS_EXPORTER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, lsobs_exporter_shutdown_async);
  g_task_set_return_on_cancel (task, TRUE);
  data = g_new0 (ShutdownData, 1);
  data->timeout = timeout;
  g_task_set_task_data (task, data, g_free);
  g_task_run_in_thread (task, shutdown_in_thread);
}

/**
 * lsobs_exporter_shutdown_finish:
 * @self: an exporter
 * @result: what the callback was given
 * @stats: (out caller-allocates) (optional): return location for what was done
 * @error: return location for a #GError, or %NULL
 *
 * Ends what lsobs_exporter_shutdown_async() began. Fails as
 * lsobs_exporter_shutdown() does, or with %G_IO_ERROR_CANCELLED.
 *
 * Returns: %TRUE if everything was delivered
 *
 * Since: 0.1
 */
gboolean
lsobs_exporter_shutdown_finish (LsobsExporter    *self,
                                GAsyncResult     *result,
                                LsobsFlushStats  *stats,
                                GError          **error)
{
  g_autoptr (GError) local_error = NULL;
  gboolean done;

  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, lsobs_exporter_shutdown_async), FALSE);

  done = g_task_propagate_boolean (G_TASK (result), &local_error);
  if (stats != NULL)
    {
      memset (stats, 0, sizeof *stats);
      /* After a cancellation the thread may still be writing them. */
      if (!g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        *stats = ((ShutdownData *) g_task_get_task_data (G_TASK (result)))->stats;
    }
  if (local_error != NULL)
    g_propagate_error (error, g_steal_pointer (&local_error));
  return done;
}

/* --- the object --- */

static gboolean
lsobs_exporter_init_pipe (GInitable     *initable,
                          GCancellable  *cancellable,
                          GError       **error)
{
  LsobsExporter *self = LSOBS_EXPORTER (initable);

  g_return_val_if_fail (LSOBS_IS_CONFIG (self->config), FALSE);

  self->settings = _lsobs_settings_new (self->config,
                                        self->transport == NULL ? LSOBS_SETTINGS_FOR_HTTP
                                                                : LSOBS_SETTINGS_ANY,
                                        error);
  if (self->settings == NULL)
    return FALSE;
  if (self->transport == NULL)
    {
      LsobsClient *client = lsobs_client_new (self->config, error);

      if (client == NULL)
        return FALSE;
      self->transport = LSOBS_TRANSPORT (client);
    }
  if (LSOBS_IS_CLIENT (self->transport))
    _lsobs_client_set_counters (LSOBS_CLIENT (self->transport), self->counters);
  g_clear_object (&self->config);
  self->pipe = pipe_new (self);
  return TRUE;
}

static void
lsobs_exporter_dispose (GObject *object)
{
  LsobsExporter *self = LSOBS_EXPORTER (object);

  if (self->pipe != NULL)
    lsobs_exporter_shutdown (self, self->settings->shutdown_timeout, NULL, NULL);

  G_OBJECT_CLASS (lsobs_exporter_parent_class)->dispose (object);
}

static void
lsobs_exporter_finalize (GObject *object)
{
  LsobsExporter *self = LSOBS_EXPORTER (object);

  g_clear_pointer (&self->pipe, pipe_free);
  g_clear_object (&self->config);
  g_clear_object (&self->transport);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_clear_pointer (&self->notifier, _lsobs_notifier_unref);
  g_clear_pointer (&self->settings, _lsobs_settings_unref);
  _lsobs_counters_unref (self->counters);

  G_OBJECT_CLASS (lsobs_exporter_parent_class)->finalize (object);
}

static void
lsobs_exporter_get_property (GObject    *object,
                             guint       prop_id,
                             GValue     *value,
                             GParamSpec *pspec)
{
  LsobsExporter *self = LSOBS_EXPORTER (object);

  switch ((LsobsExporterProperty) prop_id)
    {
    case PROP_TRANSPORT:
      g_value_set_object (value, self->transport);
      break;
    case PROP_MAIN_CONTEXT:
      g_value_set_boxed (value, self->context);
      break;
    case PROP_CONFIG:
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
lsobs_exporter_set_property (GObject      *object,
                             guint         prop_id,
                             const GValue *value,
                             GParamSpec   *pspec)
{
  LsobsExporter *self = LSOBS_EXPORTER (object);

  switch ((LsobsExporterProperty) prop_id)
    {
    case PROP_CONFIG:
      self->config = g_value_dup_object (value);
      break;
    case PROP_TRANSPORT:
      self->transport = g_value_dup_object (value);
      break;
    case PROP_MAIN_CONTEXT:
      self->context = g_value_dup_boxed (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
lsobs_exporter_initable_init (GInitableIface *iface)
{
  iface->init = lsobs_exporter_init_pipe;
}

static void
lsobs_exporter_class_init (LsobsExporterClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = lsobs_exporter_dispose;
  object_class->finalize = lsobs_exporter_finalize;
  object_class->get_property = lsobs_exporter_get_property;
  object_class->set_property = lsobs_exporter_set_property;

  /**
   * LsobsExporter:config:
   *
   * The settings. They are copied.
   *
   * Since: 0.1
   */
  props[PROP_CONFIG] =
      g_param_spec_object ("config", "", "", LSOBS_TYPE_CONFIG,
                           G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * LsobsExporter:transport:
   *
   * What takes the batches away: an #LsobsClient unless it is given.
   *
   * Since: 0.1
   */
  props[PROP_TRANSPORT] =
      g_param_spec_object ("transport", "", "", LSOBS_TYPE_TRANSPORT,
                           G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * LsobsExporter:main-context:
   *
   * The context in which all of the sending happens, for programs that want
   * everything in their own loop. Without it, a thread is started with the first
   * record.
   *
   * Since: 0.1
   */
  props[PROP_MAIN_CONTEXT] =
      g_param_spec_boxed ("main-context", "", "", G_TYPE_MAIN_CONTEXT,
                          G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, G_N_ELEMENTS (props), props);
}

static void
lsobs_exporter_init (LsobsExporter *self)
{
  self->counters = _lsobs_counters_new ();
}

/**
 * lsobs_exporter_new:
 * @config: the settings; they are copied
 * @transport: (nullable): what takes the batches away, or %NULL for HTTP to the
 *   service that @config names
 * @error: return location for a #GError, or %NULL
 *
 * Makes an exporter. Nothing is started yet. Fails with
 * %LSOBS_ERROR_INVALID_CONFIG when a setting makes no sense.
 *
 * Returns: (transfer full): an exporter, or %NULL
 *
 * Since: 0.1
 */
LsobsExporter *
lsobs_exporter_new (LsobsConfig     *config,
                    LsobsTransport  *transport,
                    GError         **error)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (config), NULL);
  g_return_val_if_fail (transport == NULL || LSOBS_IS_TRANSPORT (transport), NULL);

  return g_initable_new (LSOBS_TYPE_EXPORTER, NULL, error,
                         "config", config,
                         "transport", transport,
                         NULL);
}

/**
 * lsobs_exporter_dup_stats:
 * @self: an exporter
 *
 * Gets all counters, as they are at this moment.
 *
 * Returns: (transfer full): a snapshot
 *
 * Since: 0.1
 */
LsobsStats *
lsobs_exporter_dup_stats (LsobsExporter *self)
{
  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), NULL);

  return _lsobs_queue_snapshot (get_pipe (self)->queue);
}

/**
 * lsobs_exporter_get_state:
 * @self: an exporter
 *
 * Gets how delivery is going.
 *
 * Returns: a state
 *
 * Since: 0.1
 */
LsobsState
lsobs_exporter_get_state (LsobsExporter *self)
{
  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), LSOBS_STATE_OK);

  return _lsobs_worker_get_state (get_pipe (self)->worker);
}

/**
 * lsobs_exporter_get_transport:
 * @self: an exporter
 *
 * Gets what takes the batches away.
 *
 * Returns: (transfer none): a transport
 *
 * Since: 0.1
 */
LsobsTransport *
lsobs_exporter_get_transport (LsobsExporter *self)
{
  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), NULL);

  return self->transport;
}
