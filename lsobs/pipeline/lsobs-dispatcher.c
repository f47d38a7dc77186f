/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-callback-ban-private.h"
#include "lsobs/core/lsobs-error-private.h"
#include "lsobs/core/lsobs-exit-watch-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/pipeline/lsobs-pipeline-private.h"
#include "lsobs/pipeline/lsobs-dispatcher-private.h"
#include "lsobs/pipeline/lsobs-event-import-private.h"
#include "lsobs/pipeline/lsobs-leaving-list-private.h"
#include "lsobs/pipeline/lsobs-worker-leave-private.h"
#include "lsobs/pipeline/lsobs-worker-stop-private.h"

/* If lost batches are written, the last quarter of the time for a shutdown is reserved for that,
 * but no more than this, in ms. */
#define MAX_WRITE_RESERVE 1000

/* Ten years, in ms: a longer timeout is as long as this one. */
#define LONGEST_TIMEOUT G_GINT64_CONSTANT (315360000000)

/* How long one of several contexts of the program is run at a time, in ms. */
#define TURN_TIME 10

/* The least number of runs that the store of runs reported by id remembers. */
#define MIN_STORE_CAPACITY 1000

struct _LsobsDispatcher
{
  gatomicrefcount ref_count;
  guint epoch;               /* the process that all of this belongs to */
  LsobsEventImport import;   /* (owned) records of runs that are reported by id */
  GPtrArray *destinations;   /* (owned) (element-type LsobsDestination) */
  guint n_pipelines;         /* at least 1 */
  LsobsPipeline **pipelines; /* (owned) (array length=n_pipelines) (element-type LsobsPipeline) */
};

/* @destinations: (element-type LsobsDestination): at least one
 * @counters: of what concerns no single destination
 * @context, @notifier: (nullable) */
LsobsDispatcher *
_lsobs_dispatcher_new (GPtrArray *destinations,
                       LsobsCounters *counters,
                       GMainContext *context,
                       LsobsNotifier *notifier)
{
  LsobsDispatcher *self = g_new0 (LsobsDispatcher, 1);
  LsobsSettings *settings = ((LsobsDestination *) g_ptr_array_index (destinations, 0))->settings;

  g_atomic_ref_count_init (&self->ref_count);
  self->epoch = _lsobs_fork_epoch ();
  self->import.settings = _lsobs_settings_ref (settings);
  self->import.counters = _lsobs_counters_ref (counters);
  self->import.store =
      lsobs_run_store_new (MAX ((guint) settings->values.queue_capacity, MIN_STORE_CAPACITY));
  self->destinations = g_ptr_array_ref (destinations);
  self->n_pipelines = destinations->len;
  self->pipelines = g_new0 (LsobsPipeline *, destinations->len);
  for (guint i = 0; i < destinations->len; i++)
    self->pipelines[i] = _lsobs_pipeline_new (g_ptr_array_index (destinations, i),
                                              self->import.store, context, notifier);
  return self;
}

/* Accepts no more records, and ends all sending. A stop that another call has begun is not changed.
 * @deadline: monotonic, µs: how long it may take to write what is left */
void
_lsobs_dispatcher_stop (LsobsDispatcher *self, gint64 deadline)
{
  gint64 began = g_get_monotonic_time ();
  g_autofree gboolean *stopping = g_new0 (gboolean, self->n_pipelines);

  for (guint i = 0; i < self->n_pipelines; i++)
    stopping[i] = _lsobs_worker_begin_stop (self->pipelines[i]->worker, deadline);
  for (guint i = 0; i < self->n_pipelines; i++)
    if (stopping[i])
      _lsobs_worker_end_stop (self->pipelines[i]->worker, began);
}

LsobsDispatcher *
_lsobs_dispatcher_ref (LsobsDispatcher *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/* In a forked child, a dispatcher of the parent is not freed: its parts may be locked and half
 * changed. */
void
_lsobs_dispatcher_unref (LsobsDispatcher *self)
{
  if (_lsobs_dispatcher_is_forked (self) || !g_atomic_ref_count_dec (&self->ref_count))
    return;
  _lsobs_dispatcher_end (self, 0);
  for (guint i = 0; i < self->n_pipelines; i++)
    _lsobs_pipeline_free (self->pipelines[i]);
  g_ptr_array_unref (self->destinations);
  g_free (self->pipelines);
  g_object_unref (self->import.store);
  _lsobs_counters_unref (self->import.counters);
  _lsobs_settings_unref (self->import.settings);
  g_free (self);
}

/* Whether it belongs to a parent process. */
gboolean
_lsobs_dispatcher_is_forked (LsobsDispatcher *self)
{
  return self->epoch != _lsobs_fork_epoch ();
}

/* Reads the state of the first pipeline. Draining and stopping begin with that, and go on with the
 * others at once, so all pipelines share one state. Also for a dispatcher of a parent process. */
gboolean
_lsobs_dispatcher_is_shut_down (LsobsDispatcher *self)
{
  return !_lsobs_lifecycle_allows (_lsobs_queue_peek_lifecycle (self->pipelines[0]->queue),
                                   LSOBS_LIFECYCLE_PUSH);
}

/* Whether nothing changes its numbers any more: there are no more than @n_refs references, the owner
 * is not among them, and all workers have left. */
gboolean
_lsobs_dispatcher_is_finished (LsobsDispatcher *self, int n_refs)
{
  if (_lsobs_dispatcher_is_forked (self) || !g_atomic_ref_count_compare (&self->ref_count, n_refs))
    return FALSE;
  for (guint i = 0; i < self->n_pipelines; i++)
    {
      LsobsWorker *worker = self->pipelines[i]->worker;

      if (_lsobs_lifecycle_get_state (worker->lifecycle) != LSOBS_LIFECYCLE_STOPPED ||
          _lsobs_leaving_list_has (worker))
        return FALSE;
    }
  return TRUE;
}

/* Whether both are of one exporter, in different processes. */
gboolean
_lsobs_dispatcher_shares_counters (LsobsDispatcher *self, LsobsDispatcher *other)
{
  return self->destinations == other->destinations;
}

void
_lsobs_dispatcher_set_notifier (LsobsDispatcher *self, LsobsNotifier *notifier)
{
  for (guint i = 0; i < self->n_pipelines; i++)
    _lsobs_health_set_notifier (_lsobs_pipeline_peek_health (self->pipelines[i]), notifier);
}

/* --- records --- */

/* @record: (transfer full) if this returns TRUE
 * Returns: whether the run of @record is of another process, which sends it; every destination
 *   counts it then */
static gboolean
refuse_forked (LsobsDispatcher *self, LsobsRecord *record)
{
  if (G_LIKELY (record->info->epoch == _lsobs_fork_epoch ()))
    return FALSE;
  for (guint i = 0; i < self->destinations->len; i++)
    _lsobs_destination_refuse_forked (g_ptr_array_index (self->destinations, i));
  _lsobs_record_unref (record);
  return TRUE;
}

/* Gives each destination a record of its own. */
G_NO_INLINE static void
push_to_all (LsobsDispatcher *self, LsobsRecord *record)
{
  _lsobs_run_info_ensure_progress (record->info, self->n_pipelines);
  if (record->awaited_run != NULL)
    _lsobs_run_info_ensure_progress (record->awaited_run, self->n_pipelines);
  /* The first destination last: it gets the original. */
  for (guint i = self->n_pipelines; i-- > 0;)
    {
      LsobsRecord *own = i == 0 ? record : _lsobs_record_copy (record);

      _lsobs_worker_wake_after_push (self->pipelines[i]->worker,
                                     _lsobs_queue_push (self->pipelines[i]->queue, own));
    }
}

/* Takes @record over. */
void
_lsobs_dispatcher_push (LsobsDispatcher *self, LsobsRecord *record)
{
  LsobsPipeline *first;

  if (refuse_forked (self, record))
    return;
  _lsobs_exit_watch ();
  if (G_UNLIKELY (self->n_pipelines != 1))
    {
      push_to_all (self, record);
      return;
    }
  first = self->pipelines[0];
  _lsobs_worker_wake_after_push (first->worker, _lsobs_queue_push (first->queue, record));
}

/* Whether no record is copied. */
gboolean
_lsobs_dispatcher_is_single (LsobsDispatcher *self)
{
  return self->n_pipelines == 1;
}

/* Ends a run of this process that has no annotations, if its start still waits.
 * @end: its values are moved out of it on success */
gboolean
_lsobs_dispatcher_end_plainly (LsobsDispatcher *self, LsobsRunInfo *info, LsobsRecordEnd *end)
{
  LsobsWakeup wake;

  if (self->n_pipelines != 1 ||
      !_lsobs_queue_end_plainly (self->pipelines[0]->queue, info, end, &wake))
    return FALSE;
  _lsobs_worker_wake_after_push (self->pipelines[0]->worker, wake);
  return TRUE;
}

/* Pushes the end of a run of this process. Mostly the start still waits: then no record is made.
 * @end: lies on the stack; its values are moved out of it */
void
_lsobs_dispatcher_push_end (LsobsDispatcher *self, LsobsRecord *end)
{
  LsobsWakeup wake;

  if (self->n_pipelines == 1 && _lsobs_queue_end_waiting (self->pipelines[0]->queue, end, &wake))
    {
      _lsobs_worker_wake_after_push (self->pipelines[0]->worker, wake);
      _lsobs_record_clear (end);
      return;
    }
  _lsobs_dispatcher_push (self, _lsobs_record_new_from (end));
}

/* Takes @record over, which adds to a run that has ended. As the service takes one end per run, it
 * can only be added to an end that still waits; outputs and end times that come too late are
 * counted. */
void
_lsobs_dispatcher_push_late (LsobsDispatcher *self, LsobsRecord *record)
{
  gboolean is_update = record->outputs != NULL || record->end_time != 0;

  if (refuse_forked (self, record))
    return;
  _lsobs_run_info_ensure_progress (record->info, self->n_pipelines);
  for (guint i = self->n_pipelines; i-- > 0;)
    {
      LsobsRecord *own = i == 0 ? record : _lsobs_record_copy (record);

      if (!_lsobs_queue_join_waiting (self->pipelines[i]->queue, own) && is_update)
        _lsobs_counters_add (self->pipelines[i]->counters, LSOBS_COUNTER_LATE_UPDATES, 1);
    }
}

/* FALSE, and counted, when no destination has room for it.
 * @wake: (out): for _lsobs_dispatcher_wake(), without a lock */
gboolean
_lsobs_dispatcher_attach (LsobsDispatcher *self,
                          LsobsRunInfo *info,
                          LsobsAttachment *attachment,
                          LsobsWakeup *wake)
{
  gboolean taken = FALSE;

  *wake = LSOBS_WAKEUP_NONE;
  for (guint i = 0; i < self->n_pipelines; i++)
    {
      LsobsWakeup own;

      if (_lsobs_queue_attach (self->pipelines[i]->queue, info, attachment, &own))
        taken = TRUE;
      *wake = MAX (*wake, own);
    }
  return taken;
}

void
_lsobs_dispatcher_wake (LsobsDispatcher *self, LsobsWakeup wake)
{
  for (guint i = 0; i < self->n_pipelines; i++)
    _lsobs_worker_wake_after_push (self->pipelines[i]->worker, wake);
}

gboolean
_lsobs_dispatcher_import_event (LsobsDispatcher *self, LsobsRunEvent *event, GError **error)
{
  LsobsRecord *record;
  gboolean late;

  if (!_lsobs_event_import_take (&self->import, event, &record, &late, error))
    return FALSE;
  if (record != NULL && late)
    _lsobs_dispatcher_push_late (self, record);
  else if (record != NULL)
    _lsobs_dispatcher_push (self, record);
  return TRUE;
}

/* @exporter: that the dispatcher belongs to */
gboolean
_lsobs_dispatcher_import_feedback (LsobsDispatcher *self,
                                   LsobsFeedback *feedback,
                                   GObject *exporter,
                                   GError **error)
{
  LsobsRecord *record;

  if (!_lsobs_event_import_take_feedback (&self->import, feedback, exporter, &record, error))
    return FALSE;
  if (record != NULL)
    _lsobs_dispatcher_push (self, record);
  return TRUE;
}

/* --- flushing --- */

/* The part of a flush at one destination. */
typedef struct
{
  LsobsPipeline *pipeline;  /* (unowned) */
  LsobsFlushWaiter *waiter; /* (owned) */
  LsobsFlushWaiter *tally;  /* (owned) (nullable) counts until after the stop, for a shutdown */
  gboolean waits;           /* the queue has the waiter */
  gboolean timed_out;       /* it was not done at the deadline */
  gsize n_batches;          /* the counter when the flush began */
} PipelineFlush;

/* One flush of all pipelines of some dispatchers, which share its deadline. */
typedef struct
{
  gint64 began;    /* monotonic, µs */
  gint64 deadline; /* monotonic, µs */
  gint64 limit;    /* ms: that was given, or negative for none */
  guint n_parts;
  PipelineFlush *parts; /* (owned) */
} Flush;

/* Returns: (transfer full) (element-type LsobsPipeline): those of all @dispatchers, which the caller
 *   keeps alive */
static GPtrArray *
list_pipelines (GPtrArray *dispatchers)
{
  GPtrArray *pipelines = g_ptr_array_new ();

  for (guint i = 0; i < dispatchers->len; i++)
    {
      LsobsDispatcher *dispatcher = g_ptr_array_index (dispatchers, i);

      for (guint j = 0; j < dispatcher->n_pipelines; j++)
        g_ptr_array_add (pipelines, dispatcher->pipelines[j]);
    }
  return pipelines;
}

/* The caller gives each part its waiter.
 * @dispatchers: (element-type LsobsDispatcher): the caller keeps them alive
 * @deadline: monotonic, µs
 * @limit: ms: that was given for all, or negative for none */
static void
flush_init (Flush *self, GPtrArray *dispatchers, gint64 deadline, gint64 limit)
{
  g_autoptr (GPtrArray) pipelines = list_pipelines (dispatchers);

  self->began = g_get_monotonic_time ();
  self->deadline = deadline;
  self->limit = limit;
  self->n_parts = pipelines->len;
  self->parts = g_new0 (PipelineFlush, self->n_parts);
  for (guint i = 0; i < self->n_parts; i++)
    {
      LsobsPipeline *pipeline = g_ptr_array_index (pipelines, i);

      self->parts[i].pipeline = pipeline;
      self->parts[i].n_batches = _lsobs_counters_get (pipeline->counters, LSOBS_COUNTER_BATCHES);
    }
}

static void
flush_clear (Flush *self)
{
  for (guint i = 0; i < self->n_parts; i++)
    {
      _lsobs_flush_waiter_unref (self->parts[i].waiter);
      g_clear_pointer (&self->parts[i].tally, _lsobs_flush_waiter_unref);
    }
  g_free (self->parts);
}

/* Sends the records that are queued at this moment at once. FALSE if there are none: the waiter
 * then never finishes. */
static gboolean
flush_begin_part (Flush *self, guint i)
{
  PipelineFlush *part = &self->parts[i];

  if (part->tally != NULL)
    _lsobs_queue_add_waiter (part->pipeline->queue, part->tally);
  part->waits = _lsobs_queue_add_waiter (part->pipeline->queue, part->waiter);
  if (part->waits)
    _lsobs_worker_wake_for_flush (part->pipeline->worker);
  return part->waits;
}

/* Waits until lost batches are written, if a directory is set. FALSE at the deadline.
 * @deadline: monotonic, µs; 0: does not wait */
static gboolean
wait_written (Flush *self, gint64 deadline)
{
  gboolean written = TRUE;

  for (guint i = 0; i < self->n_parts; i++)
    if (!lsobs_transport_drain (self->parts[i].pipeline->transport, deadline))
      written = FALSE;
  return written;
}

/* Whether sending is paused at a destination, or all of its records were tried and some are lost. */
static gboolean
has_failed (const PipelineFlush *part)
{
  const LsobsFlushWaiter *waiter = part->waiter;

  return waiter->refused || (!part->timed_out && waiter->n_remaining == 0 && waiter->n_failed > 0);
}

/* Returns: (transfer full) (nullable): the last error of a service to which not everything was sent in
 *   time; NULL if none is known */
static char *
find_reason (Flush *self)
{
  for (guint i = 0; i < self->n_parts; i++)
    {
      PipelineFlush *part = &self->parts[i];
      LsobsFlushWaiter *waiter = part->tally != NULL ? part->tally : part->waiter;
      char *reason;

      if (!part->timed_out && waiter->n_remaining + waiter->n_failed == 0)
        continue;
      reason = _lsobs_pipeline_dup_trouble (part->pipeline);
      if (reason != NULL)
        return reason;
    }
  return NULL;
}

/* To be called when all waiters are finished, or removed from their queues.
 * @written: whether lost batches are written
 * @stats: (out) (optional) */
static gboolean
flush_report (Flush *self, gboolean written, LsobsFlushStats *stats, GError **error)
{
  gint64 now = g_get_monotonic_time ();
  gint64 waited_ms = (now - self->began) / 1000;
  /* The current time is a little later than the deadline. */
  gint64 limit_ms = self->limit >= 0 && now >= self->deadline ? self->limit : waited_ms;
  LsobsPipeline *worst = NULL;
  LsobsPipeline *spooling = NULL;
  guint64 n_remaining = 0;
  LsobsFlushStats sum;

  memset (&sum, 0, sizeof sum);
  for (guint i = 0; i < self->n_parts; i++)
    {
      LsobsPipeline *pipeline = self->parts[i].pipeline;
      LsobsFlushWaiter *waiter = self->parts[i].tally;

      if (waiter == NULL)
        waiter = self->parts[i].waiter;
      sum.runs_flushed += waiter->n_delivered;
      sum.runs_failed += waiter->n_failed;
      sum.runs_spooled += waiter->n_spooled;
      if (spooling == NULL && waiter->n_spooled > 0)
        spooling = pipeline;
      n_remaining += waiter->n_remaining;
      if (stats != NULL)
        {
          sum.batches_sent += _lsobs_counters_get (pipeline->counters, LSOBS_COUNTER_BATCHES) -
                              self->parts[i].n_batches;
          sum.dropped_events += _lsobs_pipeline_take_evictions (pipeline);
        }
      if (worst == NULL && has_failed (&self->parts[i]))
        worst = pipeline;
    }
  if (stats != NULL)
    *stats = sum;
  if (!written)
    {
      _lsobs_flush_error_set_unwritten (error, waited_ms, limit_ms, n_remaining, sum.runs_failed);
      return FALSE;
    }
  /* In the end, a service that was away may have taken everything. */
  if (worst != NULL && n_remaining + sum.runs_failed > 0)
    {
      g_autofree char *problem =
          _lsobs_pipeline_dup_problem (worst, _ ("a record is larger than a request may be"));

      _lsobs_flush_error_set_permanent (error, waited_ms, n_remaining, sum.runs_failed,
                                        sum.runs_spooled, problem);
      return FALSE;
    }
  if (n_remaining + sum.runs_failed > 0)
    {
      g_autofree char *reason = find_reason (self);

      _lsobs_flush_error_set_timeout (error, waited_ms, limit_ms, n_remaining, sum.runs_failed,
                                      reason);
      return FALSE;
    }
  if (spooling != NULL)
    {
      g_autofree char *problem =
          _lsobs_pipeline_dup_problem (spooling, _ ("the time limit for sending has passed"));

      _lsobs_flush_error_set_spooled (error, waited_ms, sum.runs_spooled, problem);
      return FALSE;
    }
  return TRUE;
}

/* Whether this thread is inside a function of the program that the sending has called. Such a
 * function cannot wait for the sending, because the sending waits for the function. */
static gboolean
is_inside (LsobsDispatcher *self)
{
  for (guint i = 0; i < self->n_pipelines; i++)
    {
      LsobsWorker *worker = self->pipelines[i]->worker;
      LsobsRedactHook *hook = worker->settings->redact_hook;

      if (_lsobs_worker_is_inside (worker) || (hook != NULL && _lsobs_redact_hook_has_turn (hook)))
        return TRUE;
    }
  return FALSE;
}

/* @dispatchers: (element-type LsobsDispatcher)
 * @stats: (out) (optional)
 * Returns: TRUE, with @error, if this thread must not wait */
static gboolean
refuse_inside (GPtrArray *dispatchers, LsobsFlushStats *stats, GError **error)
{
  gboolean inside = FALSE;

  for (guint i = 0; i < dispatchers->len; i++)
    inside = inside || is_inside (g_ptr_array_index (dispatchers, i));
  if (!inside)
    return FALSE;
  if (stats != NULL)
    memset (stats, 0, sizeof *stats);
  _lsobs_flush_error_set_would_deadlock (error);
  return TRUE;
}

/* @timeout: ms, or negative for no limit
 * Returns: monotonic, µs */
static gint64
get_deadline (gint64 timeout)
{
  return g_get_monotonic_time () +
         (timeout < 0 ? LONGEST_TIMEOUT : MIN (timeout, LONGEST_TIMEOUT)) * 1000;
}

/* Called in the thread that delivered or lost the last record. */
static void
wake_context_cb (LsobsFlushWaiter *waiter, gpointer user_data)
{
  g_main_context_wakeup (user_data);
}

static LsobsFlushWaiter *
new_waiter (LsobsWorker *worker)
{
  LsobsFlushWaiter *waiter;

  /* This thread does not run the context of a worker with a thread of its own, so there is no
   * context to wake. */
  if (worker->outer == NULL)
    return _lsobs_flush_waiter_new (NULL, NULL);
  waiter = _lsobs_flush_waiter_new (wake_context_cb, g_main_context_ref (worker->outer));
  /* The thread that finishes the waiter may still use the context when this one goes on. */
  waiter->destroy = (GDestroyNotify) g_main_context_unref;
  return waiter;
}

/* Has the records that wait now leave at once.
 * @dispatchers: (element-type LsobsDispatcher)
 * @deadline, @limit: as of flush_init ()
 * @tally: whether the report comes after a stop */
static void
flush_begin (Flush *self, GPtrArray *dispatchers, gint64 deadline, gint64 limit, gboolean tally)
{
  flush_init (self, dispatchers, deadline, limit);
  for (guint i = 0; i < self->n_parts; i++)
    {
      PipelineFlush *part = &self->parts[i];

      part->waiter = new_waiter (part->pipeline->worker);
      if (tally)
        {
          part->tally = _lsobs_flush_waiter_new (NULL, NULL);
          part->tally->patient = TRUE;
        }
      flush_begin_part (self, i);
    }
}

/* Whether this destination can still be waited for. It cannot if its context must not be run. */
static gboolean
part_is_open (const Flush *self, const PipelineFlush *part)
{
  return part->waits && !_lsobs_flush_waiter_is_done (part->waiter) &&
         g_get_monotonic_time () < self->deadline &&
         (part->pipeline->worker->outer == NULL || !_lsobs_callback_ban_covers_contexts () ||
          _lsobs_worker_may_move (part->pipeline->worker));
}

static gboolean
flush_is_open (const Flush *self)
{
  for (guint i = 0; i < self->n_parts; i++)
    if (part_is_open (self, &self->parts[i]))
      return TRUE;
  return FALSE;
}

/* The waiting is over. */
static void
flush_end_waiting (Flush *self)
{
  for (guint i = 0; i < self->n_parts; i++)
    {
      PipelineFlush *part = &self->parts[i];

      if (part->waits)
        part->timed_out = _lsobs_queue_remove_waiter (part->pipeline->queue, part->waiter);
    }
}

/* Every record has an outcome after the stop, and the tally has counted it. */
static void
flush_end_tally (Flush *self)
{
  for (guint i = 0; i < self->n_parts; i++)
    if (self->parts[i].tally != NULL)
      _lsobs_queue_remove_waiter (self->parts[i].pipeline->queue, self->parts[i].tally);
}

/* All parts that the flushes of one thread wait for at a moment. */
typedef struct
{
  GPtrArray *parts;     /* (owned) (element-type PipelineFlush) those that are open */
  gint64 deadline;      /* monotonic, µs: the first deadline of their flushes */
  PipelineFlush *first; /* (nullable) of the flush with that deadline */
  PipelineFlush *here;  /* (nullable) the first that is sent in a context of the program */
  gboolean takes_turns; /* whether there are several such contexts */
} WaitState;

static void
round_add (WaitState *self, PipelineFlush *part, gint64 deadline)
{
  LsobsWorker *worker = part->pipeline->worker;

  g_ptr_array_add (self->parts, part);
  if (deadline < self->deadline)
    {
      self->deadline = deadline;
      self->first = part;
    }
  if (worker->outer == NULL)
    return;
  if (self->here == NULL)
    self->here = part;
  else if (worker->outer != self->here->pipeline->worker->outer ||
           _lsobs_callback_ban_covers_contexts ())
    self->takes_turns = TRUE;
}

/* Waits for all flushes at the same time, until one of them has nothing more to wait for at a
 * destination, or is at its deadline. A context of the program is run here, if this thread may run
 * it; several get their turns.
 * @flushes: (element-type Flush)
 * @limit: monotonic, µs: when this returns at the latest
 * Returns: FALSE when there is nothing to wait for */
static gboolean
wait_once (GPtrArray *flushes, gint64 limit)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new ();
  WaitState round = { .parts = parts, .deadline = G_MAXINT64 };

  for (guint i = 0; i < flushes->len; i++)
    {
      Flush *flush = g_ptr_array_index (flushes, i);

      for (guint j = 0; j < flush->n_parts; j++)
        if (part_is_open (flush, &flush->parts[j]))
          round_add (&round, &flush->parts[j], flush->deadline);
    }
  if (parts->len == 0)
    return FALSE;
  round.deadline = MIN (round.deadline, limit);
  if (!round.takes_turns)
    {
      PipelineFlush *part = round.here != NULL ? round.here : round.first;

      g_assert (part != NULL);
      _lsobs_worker_wait (part->pipeline->worker, part->waiter, round.deadline);
      return TRUE;
    }
  for (guint i = 0; i < parts->len; i++)
    {
      PipelineFlush *part = g_ptr_array_index (parts, i);
      gint64 turn_end = g_get_monotonic_time () + TURN_TIME * 1000;

      if (part->pipeline->worker->outer != NULL)
        _lsobs_worker_wait (part->pipeline->worker, part->waiter, MIN (turn_end, round.deadline));
    }
  return TRUE;
}

/* Flushes all of them at the same time.
 * @dispatchers: (element-type LsobsDispatcher)
 * @timeout: ms, or negative for no limit */
gboolean
_lsobs_dispatcher_flush (GPtrArray *dispatchers,
                         gint64 timeout,
                         LsobsFlushStats *stats,
                         GError **error)
{
  g_autoptr (GPtrArray) flushes = g_ptr_array_new ();
  gboolean written;
  gboolean done;
  Flush flush;

  if (refuse_inside (dispatchers, stats, error))
    return FALSE;
  flush_begin (&flush, dispatchers, get_deadline (timeout), timeout, FALSE);
  g_ptr_array_add (flushes, &flush);
  while (wait_once (flushes, G_MAXINT64))
    ;
  flush_end_waiting (&flush);
  written = wait_written (&flush, flush.deadline);
  done = flush_report (&flush, written, stats, error);
  flush_clear (&flush);
  return done;
}

/* --- flushing, without blocking --- */

/* What a thread needs to wait for the disk. The flush may end before the thread, so this refers to
 * transports, and not to pipelines. */
typedef struct
{
  GPtrArray *transports; /* (owned) (element-type LsobsTransport) */
  gint64 deadline;       /* monotonic, µs */
  GTask *flush;          /* (owned) (nullable) until it ends; used in its context */
} WriteData;

static void
write_data_free (gpointer user_data)
{
  WriteData *data = user_data;

  g_ptr_array_unref (data->transports);
  g_free (data);
}

/* The task data of an asynchronous flush. All but the waiters and n_open is used in the context of
 * the task only. */
typedef struct
{
  guint epoch;            /* the process that has begun it */
  GPtrArray *dispatchers; /* (owned) (element-type LsobsDispatcher) */
  Flush flush;
  int n_open;         /* (atomic) waiters that are not finished */
  GSource *alarm;     /* (owned) (nullable) */
  GSource *cancel;    /* (owned) (nullable) */
  WriteData *writing; /* (unowned) (nullable) of the thread that waits for the disk */
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
  flush_clear (&data->flush);
  g_ptr_array_unref (data->dispatchers);
  g_free (data);
}

/* Called in the context of the task. The first call ends it.
 * @written: whether lost batches are written */
static void
finish_flush (GTask *task, gboolean written)
{
  FlushData *data = g_task_get_task_data (task);
  GError *error = NULL;

  g_assert (g_main_context_is_owner (g_task_get_context (task)));
  if (data->finished)
    return;
  data->finished = TRUE;
  /* A forked child that runs its parent's context must not end the parent's flush. */
  if (data->epoch != _lsobs_fork_epoch ())
    return;
  /* A waiter that is removed never calls its function, which would drop this reference. */
  for (guint i = 0; i < data->flush.n_parts; i++)
    if (_lsobs_queue_remove_waiter (data->flush.parts[i].pipeline->queue,
                                    data->flush.parts[i].waiter))
      g_object_unref (task);
  if (!g_task_return_error_if_cancelled (task))
    {
      if (flush_report (&data->flush, written, &data->stats, &error))
        g_task_return_boolean (task, TRUE);
      else
        g_task_return_error (task, error);
    }
  clear_source (&data->alarm);
  clear_source (&data->cancel);
  if (data->writing != NULL)
    g_clear_object (&g_steal_pointer (&data->writing)->flush);
}

/* Called in the context of the task, at the deadline. */
static gboolean
flush_deadline_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);
  FlushData *data = g_task_get_task_data (task);

  g_assert (g_main_context_is_owner (g_task_get_context (task)));
  finish_flush (task, data->epoch != _lsobs_fork_epoch () || wait_written (&data->flush, 0));
  return G_SOURCE_REMOVE;
}

/* Called in the context of the task. */
static gboolean
flush_cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  GTask *task = G_TASK (user_data);

  g_assert (g_main_context_is_owner (g_task_get_context (task)));
  finish_flush (task, TRUE);
  return G_SOURCE_REMOVE;
}

static void
wait_written_in_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  WriteData *data = task_data;
  gboolean written = TRUE;
  LsobsForkGuard *guard = _lsobs_fork_guard_open ();

  for (guint i = 0; i < data->transports->len; i++)
    if (!lsobs_transport_drain (g_ptr_array_index (data->transports, i), data->deadline))
      written = FALSE;
  _lsobs_fork_guard_close (guard);
  g_task_return_boolean (task, written);
}

/* Called in the context of the task. */
static void
written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  WriteData *write_data = g_task_get_task_data (G_TASK (result));
  g_autoptr (GTask) task = g_steal_pointer (&write_data->flush);

  g_assert (g_main_context_is_owner (g_task_get_context (G_TASK (result))));
  /* The thread must not have the last reference to a transport of the program. */
  g_ptr_array_set_size (write_data->transports, 0);
  if (task == NULL)
    return;
  ((FlushData *) g_task_get_task_data (task))->writing = NULL;
  finish_flush (task, g_task_propagate_boolean (G_TASK (result), NULL));
}

/* Called in the context of the task, which a disk must not block. */
static void
wait_written_later (GTask *task)
{
  FlushData *data = g_task_get_task_data (task);
  WriteData *write_data = g_new0 (WriteData, 1);
  g_autoptr (GTask) waiting = NULL;

  g_assert (g_main_context_is_owner (g_task_get_context (task)));
  write_data->deadline = data->flush.deadline;
  write_data->transports = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < data->flush.n_parts; i++)
    g_ptr_array_add (write_data->transports,
                     g_object_ref (data->flush.parts[i].pipeline->transport));
  write_data->flush = g_object_ref (task);
  data->writing = write_data;
  g_main_context_push_thread_default (g_task_get_context (task));
  waiting = g_task_new (NULL, NULL, written_cb, NULL);
  g_main_context_pop_thread_default (g_task_get_context (task));
  g_task_set_source_tag (waiting, wait_written_later);
  g_task_set_task_data (waiting, write_data, write_data_free);
  _lsobs_fork_guard_run_task (waiting, wait_written_in_thread);
}

/* Called in the context of the task, when all waiters are finished. */
static gboolean
waiters_done_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);
  FlushData *data = g_task_get_task_data (task);

  g_assert (g_main_context_is_owner (g_task_get_context (task)));
  if (data->finished || data->epoch != _lsobs_fork_epoch () || wait_written (&data->flush, 0))
    finish_flush (task, TRUE);
  else
    wait_written_later (task);
  return G_SOURCE_REMOVE;
}

/* Called from any thread. */
static void
count_done (GTask *task)
{
  FlushData *data = g_task_get_task_data (task);
  g_autoptr (GSource) source = NULL;

  if (!g_atomic_int_dec_and_test (&data->n_open))
    return;
  source = g_idle_source_new ();
  g_source_set_static_name (source, "[lsobs] flushed");
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_task_attach_source (task, source, waiters_done_cb);
}

/* Called in the thread that delivered or lost the last record of a pipeline. Drops the reference
 * of the waiter to the task. */
static void
waiter_done_cb (LsobsFlushWaiter *waiter, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);

  count_done (task);
}

/* @func: a GSourceFunc, or a GCancellableSourceFunc for a cancellable source */
static GSource *
watch_flush (GTask *task, GSource *source, GSourceFunc func)
{
  g_source_set_static_name (source, "[lsobs] flush timeout");
  g_source_set_callback (source, func, g_object_ref (task), g_object_unref);
  g_source_attach (source, g_task_get_context (task));
  return source;
}

/* Returns from @task, which has no task data yet, when the flush of all of them has ended.
 * @dispatchers: (element-type LsobsDispatcher) */
void
_lsobs_dispatcher_flush_task (GPtrArray *dispatchers, gint64 timeout, GTask *task)
{
  GCancellable *cancellable = g_task_get_cancellable (task);
  FlushData *data = g_new0 (FlushData, 1);
  GSource *alarm;

  data->epoch = _lsobs_fork_epoch ();
  data->dispatchers = g_ptr_array_ref (dispatchers);
  flush_init (&data->flush, dispatchers, get_deadline (timeout), timeout);
  data->n_open = (int) data->flush.n_parts;
  for (guint i = 0; i < data->flush.n_parts; i++)
    data->flush.parts[i].waiter = _lsobs_flush_waiter_new (waiter_done_cb, task);
  g_task_set_task_data (task, data, flush_data_free);

  alarm = g_timeout_source_new (0);
  g_source_set_ready_time (alarm, data->flush.deadline);
  data->alarm = watch_flush (task, alarm, flush_deadline_cb);
  if (cancellable != NULL)
    data->cancel = watch_flush (task, g_cancellable_source_new (cancellable),
                                G_SOURCE_FUNC (flush_cancelled_cb));
  for (guint i = 0; i < data->flush.n_parts; i++)
    {
      g_object_ref (task);
      if (!flush_begin_part (&data->flush, i))
        {
          g_object_unref (task);
          count_done (task);
        }
    }
}

/* Returns: (transfer none): the statistics of a task that _lsobs_dispatcher_flush_task() was
 * called for */
LsobsFlushStats *
_lsobs_dispatcher_peek_task_stats (GTask *task)
{
  return &((FlushData *) g_task_get_task_data (task))->stats;
}

/* --- the end --- */

/* Takes no more records.
 * @deadline: as of _lsobs_worker_drain()
 * Returns: whether this call ends the sending: no other has begun that already, or the worker has only
 *   begun to leave */
static gboolean
drain (LsobsWorker *worker, gint64 deadline)
{
  return _lsobs_worker_drain (worker, deadline) || _lsobs_worker_is_leaving (worker);
}

/* @dispatchers: (element-type LsobsDispatcher)
 * Returns: how much of @timeout is for sending; in the rest, lost batches are written */
static gint64
get_flush_time (GPtrArray *dispatchers, gint64 timeout)
{
  gboolean writes = FALSE;

  for (guint i = 0; i < dispatchers->len; i++)
    {
      LsobsDispatcher *dispatcher = g_ptr_array_index (dispatchers, i);

      writes = writes || _lsobs_settings_keep_lost (dispatcher->import.settings);
    }
  return timeout <= 0 || !writes ? timeout : timeout - MIN (timeout / 4, MAX_WRITE_RESERVE);
}

/* One shutdown on its way, of a dispatcher or of all that an observer has. Several shutdowns take
 * each step together: all begin, then all wait, then all end. */
typedef struct
{
  GPtrArray *pipelines; /* (owned) (element-type LsobsPipeline) */
  Flush flush;
  gint64 deadline;    /* monotonic, µs: of flushing and writing */
  gboolean refused;   /* this thread must not wait; there is no flush */
  gboolean waited;    /* the waiting is over */
  gint64 stopped;     /* monotonic, µs: when the stop began */
  gboolean *stops;    /* (owned) (array) the pipelines whose sending this call ends */
  gboolean *stopping; /* (owned) (array) those of them that it has begun to stop */
  LsobsFlushStats stats;
  GError *problem; /* (owned) (nullable) */
} ShutdownState;

static LsobsWorker *
peek_worker (ShutdownState *self, guint i)
{
  return ((LsobsPipeline *) g_ptr_array_index (self->pipelines, i))->worker;
}

/* Accepts no more records, and sends the queued records at once.
 * @dispatchers: (element-type LsobsDispatcher): the caller keeps them alive
 * @timeout: ms, or negative for no limit */
static void
shutdown_begin (ShutdownState *self, GPtrArray *dispatchers, gint64 timeout)
{
  gint64 flush_time = get_flush_time (dispatchers, timeout);
  gint64 now = g_get_monotonic_time ();
  gboolean stops_any = FALSE;

  memset (self, 0, sizeof *self);
  self->pipelines = list_pipelines (dispatchers);
  self->deadline = get_deadline (timeout);
  self->stops = g_new0 (gboolean, self->pipelines->len);
  self->stopping = g_new0 (gboolean, self->pipelines->len);
  self->refused = refuse_inside (dispatchers, &self->stats, &self->problem);
  if (self->refused)
    return;
  for (guint i = 0; i < self->pipelines->len; i++)
    {
      self->stops[i] =
          drain (peek_worker (self, i),
                 timeout < 0 ? G_MAXINT64 : now + MIN (flush_time, LONGEST_TIMEOUT) * 1000);
      stops_any = stops_any || self->stops[i];
    }
  flush_begin (&self->flush, dispatchers, get_deadline (stops_any ? flush_time : timeout), timeout,
               stops_any);
}

/* The waiting is over: begins to end all sending. Does not wait. */
static void
shutdown_begin_stop (ShutdownState *self)
{
  self->waited = TRUE;
  self->stopped = g_get_monotonic_time ();
  if (self->refused)
    return;
  flush_end_waiting (&self->flush);
  for (guint i = 0; i < self->pipelines->len; i++)
    if (self->stops[i])
      self->stopping[i] = _lsobs_worker_begin_stop (peek_worker (self, i), self->deadline);
}

/* Waits for all at the same time, for each until its own deadline at most.
 * @leave: (nullable): waits for the workers that leave, too, at the same time */
static void
wait_for_shutdowns (ShutdownState *shutdowns, guint n_shutdowns, LsobsLeavingStop *leave)
{
  g_autoptr (GPtrArray) flushes = g_ptr_array_new ();

  do
    {
      gint64 limit = G_MAXINT64;

      g_ptr_array_set_size (flushes, 0);
      for (guint i = 0; i < n_shutdowns; i++)
        {
          ShutdownState *shutdown = &shutdowns[i];

          if (shutdown->waited)
            continue;
          if (shutdown->refused || !flush_is_open (&shutdown->flush))
            shutdown_begin_stop (shutdown);
          else
            g_ptr_array_add (flushes, &shutdown->flush);
        }
      if (leave != NULL && _lsobs_leaving_stop_take_turn (leave))
        limit = g_get_monotonic_time () + TURN_TIME * 1000;
      wait_once (flushes, limit);
    }
  while (flushes->len > 0);
}

/* Ends all sending, and waits until lost batches are written.
 * Returns: whether everything was delivered */
static gboolean
shutdown_end (ShutdownState *self, LsobsFlushStats *stats, GError **error)
{
  for (guint i = 0; i < self->pipelines->len; i++)
    if (self->stopping[i])
      _lsobs_worker_end_stop (peek_worker (self, i), self->stopped);
  if (!self->refused)
    {
      gboolean written = wait_written (&self->flush, self->deadline);

      flush_end_tally (&self->flush);
      flush_report (&self->flush, written, &self->stats, &self->problem);
    }
  if (stats != NULL)
    *stats = self->stats;
  flush_clear (&self->flush);
  g_ptr_array_unref (self->pipelines);
  g_free (self->stops);
  g_free (self->stopping);
  if (self->problem == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&self->problem));
  return FALSE;
}

/* Accepts no more records, sends the queued records, and ends all sending, for all dispatchers at
 * the same time. Later calls only wait for the first one.
 * @dispatchers: (element-type LsobsDispatcher)
 * @timeout: ms, or negative for no limit */
gboolean
_lsobs_dispatcher_shut_down (GPtrArray *dispatchers,
                             gint64 timeout,
                             LsobsFlushStats *stats,
                             GError **error)
{
  ShutdownState shutdown;

  shutdown_begin (&shutdown, dispatchers, timeout);
  wait_for_shutdowns (&shutdown, 1, NULL);
  return shutdown_end (&shutdown, stats, error);
}

/* Shuts all of them, and all workers that leave, down at the same time.
 * @dispatchers: (element-type LsobsDispatcher)
 * @timeouts: (array): of each, in ms, or negative for no limit
 * @leave_timeout: (nullable): of the workers that leave, as of _lsobs_leaving_stop_new()
 * @error: the first error */
gboolean
_lsobs_dispatcher_shut_down_all (GPtrArray *dispatchers,
                                 const gint64 *timeouts,
                                 const gint64 *leave_timeout,
                                 GError **error)
{
  gint64 began = g_get_monotonic_time ();
  g_autofree ShutdownState *shutdowns = g_new0 (ShutdownState, dispatchers->len);
  LsobsLeavingStop *leave = _lsobs_leaving_stop_new (leave_timeout);
  gint64 waited_ms;
  gint64 limit_ms;
  guint64 n_lost;
  gboolean done = TRUE;

  for (guint i = 0; i < dispatchers->len; i++)
    {
      g_autoptr (GPtrArray) one = g_ptr_array_new ();

      g_ptr_array_add (one, g_ptr_array_index (dispatchers, i));
      shutdown_begin (&shutdowns[i], one, timeouts[i]);
    }
  wait_for_shutdowns (shutdowns, dispatchers->len, leave);
  _lsobs_leaving_stop_begin (leave);
  for (guint i = 0; i < dispatchers->len; i++)
    if (!shutdown_end (&shutdowns[i], NULL, done ? error : NULL))
      done = FALSE;
  n_lost = _lsobs_leaving_stop_end (leave);
  if (!done || n_lost == 0)
    return done;
  waited_ms = (g_get_monotonic_time () - began) / 1000;
  limit_ms =
      leave_timeout != NULL && *leave_timeout >= 0 ? MIN (waited_ms, *leave_timeout) : waited_ms;
  _lsobs_flush_error_set_timeout (error, waited_ms, limit_ms, 0, n_lost, NULL);
  return FALSE;
}

/* How long queued records are sent after the last unref, in ms. */
gint64
_lsobs_dispatcher_get_shutdown_timeout (LsobsDispatcher *self)
{
  return self->import.settings->values.shutdown_timeout;
}

/* How long the end of the process waits for it, in ms. */
gint64
_lsobs_dispatcher_get_exit_timeout (LsobsDispatcher *self)
{
  return self->import.settings->values.exit_timeout;
}

/* Whether a part of it must be left as it is, as the process ends. */
gboolean
_lsobs_dispatcher_is_banned (LsobsDispatcher *self)
{
  for (guint i = 0; i < self->n_pipelines; i++)
    if (_lsobs_worker_is_banned (self->pipelines[i]->worker))
      return TRUE;
  return FALSE;
}

/* The process ends, and the sending cannot go on: records that are not delivered are lost. */
void
_lsobs_dispatcher_write_off (LsobsDispatcher *self)
{
  for (guint i = 0; i < self->n_pipelines; i++)
    {
      if (_lsobs_worker_is_banned (self->pipelines[i]->worker))
        {
          _lsobs_worker_give_up (self->pipelines[i]->worker);
          continue;
        }
      _lsobs_worker_begin_stop (self->pipelines[i]->worker, 0);
      _lsobs_queue_write_off (self->pipelines[i]->queue, LSOBS_DROP_REASON_SHUTDOWN);
    }
}

/* The last reference goes. As _lsobs_dispatcher_shut_down(), but does not wait.
 * @timeout: ms */
void
_lsobs_dispatcher_end (LsobsDispatcher *self, gint64 timeout)
{
  g_autoptr (GPtrArray) one = NULL;
  gint64 stop_deadline = get_deadline (timeout);
  gint64 deadline;

  if (_lsobs_dispatcher_is_forked (self))
    return;
  one = g_ptr_array_new ();
  g_ptr_array_add (one, self);
  deadline = get_deadline (get_flush_time (one, timeout));
  for (guint i = 0; i < self->n_pipelines; i++)
    _lsobs_leaving_list_add (self->pipelines[i]->worker, deadline, stop_deadline);
}

/* --- numbers --- */

/* Returns: (transfer full): the numbers of a destination in a forked child, which has no queue for it */
static LsobsStats *
dup_forked_stats (LsobsDestination *destination)
{
  _lsobs_destination_write_off_fork (destination);
  return _lsobs_counters_snapshot (destination->counters);
}

static LsobsStats *
dup_destination_stats (LsobsDispatcher *self, guint i)
{
  if (_lsobs_dispatcher_is_forked (self))
    return dup_forked_stats (g_ptr_array_index (self->destinations, i));
  return _lsobs_queue_dup_stats (self->pipelines[i]->queue);
}

/* Returns: (transfer full): the sum of all destinations. The counters of each are of one moment,
 * and so add up; those of several are of different moments. Of a dispatcher of a parent process,
 * what it had in its queues counts as lost. */
LsobsStats *
_lsobs_dispatcher_dup_stats (LsobsDispatcher *self)
{
  LsobsStats *sum;

  if (self->n_pipelines == 1)
    return dup_destination_stats (self, 0);
  sum = _lsobs_counters_snapshot (self->import.counters);
  for (guint i = 0; i < self->n_pipelines; i++)
    {
      g_autoptr (LsobsStats) stats = dup_destination_stats (self, i);

      _lsobs_stats_add (sum, stats);
    }
  return sum;
}

LsobsStats *
_lsobs_dispatcher_dup_destination_stats (LsobsDispatcher *self, guint index)
{
  return _lsobs_queue_dup_stats (self->pipelines[index]->queue);
}

/* Returns: the worst of all destinations */
LsobsState
_lsobs_dispatcher_get_state (LsobsDispatcher *self)
{
  LsobsState worst = LSOBS_STATE_OK;

  for (guint i = 0; i < self->n_pipelines; i++)
    worst = MAX (worst, _lsobs_dispatcher_get_destination_state (self, i));
  return worst;
}

LsobsState
_lsobs_dispatcher_get_destination_state (LsobsDispatcher *self, guint index)
{
  return _lsobs_health_get_state (_lsobs_pipeline_peek_health (self->pipelines[index]));
}
