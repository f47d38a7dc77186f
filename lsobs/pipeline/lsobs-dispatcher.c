/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-error-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/pipeline/lsobs-dispatcher-private.h"
#include "lsobs/pipeline/lsobs-event-import-private.h"
#include "lsobs/pipeline/lsobs-flush-private.h"

/* Of the time for a shutdown, the last quarter is for what could not be delivered,
 * if it is kept at all, but no more than this, in ms. */
#define MAX_KEEP_TIME 1000

/* Far enough away is as good as never, in ms. */
#define LONGEST_TIMEOUT G_GINT64_CONSTANT (315360000000)

/* The store of runs that are reported by id knows so many at the least. */
#define MIN_STORE_CAPACITY 1000

struct _LsobsDispatcher
{
  guint epoch;             /* the process that all of this belongs to */
  LsobsSettings *settings; /* (owned) those of the first place */
  LsobsCounters *counters; /* (owned) of what concerns no single place */
  LsobsRunStore *store;    /* (owned) */
  guint n_pipes;           /* at least 1 */
  LsobsDelivery **pipes;   /* (owned) (array length=n_pipes) (element-type LsobsDelivery) */
};

/* @lanes: (element-type LsobsDestination): at least one
 * @counters: of what concerns no single place
 * @context, @notifier: (nullable) */
LsobsDispatcher *
_lsobs_dispatcher_new (GPtrArray *lanes,
                       LsobsCounters *counters,
                       GMainContext *context,
                       LsobsNotifier *notifier)
{
  LsobsDispatcher *self = g_new0 (LsobsDispatcher, 1);
  LsobsDestination *first = g_ptr_array_index (lanes, 0);

  self->epoch = _lsobs_fork_epoch ();
  self->settings = _lsobs_settings_ref (first->settings);
  self->counters = _lsobs_counters_ref (counters);
  self->store = lsobs_run_store_new (MAX (self->settings->queue_capacity, MIN_STORE_CAPACITY));
  self->n_pipes = lanes->len;
  self->pipes = g_new0 (LsobsDelivery *, lanes->len);
  for (guint i = 0; i < lanes->len; i++)
    self->pipes[i] =
        _lsobs_delivery_new (g_ptr_array_index (lanes, i), self->store, context, notifier);
  return self;
}

/* @deadline: monotonic, µs */
static void
stop (LsobsDispatcher *self, gint64 deadline)
{
  gint64 began = g_get_monotonic_time ();
  g_autofree gboolean *stopping = g_new0 (gboolean, self->n_pipes);

  for (guint i = 0; i < self->n_pipes; i++)
    stopping[i] = _lsobs_delivery_begin_stop (self->pipes[i], deadline);
  for (guint i = 0; i < self->n_pipes; i++)
    if (stopping[i])
      _lsobs_delivery_end_stop (self->pipes[i], began);
}

/* In a forked child, what is the parent's stays as it is: what it is made of may be
 * locked, and half changed. */
void
_lsobs_dispatcher_free (LsobsDispatcher *self)
{
  if (_lsobs_dispatcher_is_foreign (self))
    return;
  stop (self, 0);
  for (guint i = 0; i < self->n_pipes; i++)
    _lsobs_delivery_free (self->pipes[i]);
  g_free (self->pipes);
  g_object_unref (self->store);
  _lsobs_counters_unref (self->counters);
  _lsobs_settings_unref (self->settings);
  g_free (self);
}

gboolean
_lsobs_dispatcher_is_foreign (LsobsDispatcher *self)
{
  return self->epoch != _lsobs_fork_epoch ();
}

static void
close_pipes (LsobsDispatcher *self)
{
  for (guint i = 0; i < self->n_pipes; i++)
    _lsobs_delivery_close (self->pipes[i]);
}

/* Takes no more records, and sends nothing any longer. */
void
_lsobs_dispatcher_close (LsobsDispatcher *self)
{
  close_pipes (self);
  stop (self, 0);
}

void
_lsobs_dispatcher_set_notifier (LsobsDispatcher *self, LsobsNotifier *notifier)
{
  for (guint i = 0; i < self->n_pipes; i++)
    _lsobs_delivery_set_notifier (self->pipes[i], notifier);
}

/* Takes @record over. */
void
_lsobs_dispatcher_push (LsobsDispatcher *self, LsobsRecord *record)
{
  _lsobs_run_info_ensure_flows (record->info, self->n_pipes);
  if (record->run != NULL)
    _lsobs_run_info_ensure_flows (record->run, self->n_pipes);
  for (guint i = 1; i < self->n_pipes; i++)
    _lsobs_delivery_push (self->pipes[i], _lsobs_record_copy (record));
  _lsobs_delivery_push (self->pipes[0], record);
}

/* Takes @record over: it only adds to a run that has ended. */
void
_lsobs_dispatcher_push_late (LsobsDispatcher *self, LsobsRecord *record)
{
  _lsobs_run_info_ensure_flows (record->info, self->n_pipes);
  for (guint i = 1; i < self->n_pipes; i++)
    _lsobs_delivery_push_late (self->pipes[i], _lsobs_record_copy (record));
  _lsobs_delivery_push_late (self->pipes[0], record);
}

/* FALSE, and counted, when there is no room on the way to any place. */
gboolean
_lsobs_dispatcher_attach (LsobsDispatcher *self, LsobsRunInfo *info, LsobsAttachment *attachment)
{
  gboolean taken = FALSE;

  for (guint i = 0; i < self->n_pipes; i++)
    if (_lsobs_delivery_attach (self->pipes[i], info, attachment))
      taken = TRUE;
  return taken;
}

gboolean
_lsobs_dispatcher_take_event (LsobsDispatcher *self, LsobsRunEvent *event, GError **error)
{
  LsobsRecord *record;
  gboolean late;

  if (!_lsobs_event_import_take (self->settings, self->counters, self->store, event, &record, &late,
                                 error))
    return FALSE;
  if (record != NULL && late)
    _lsobs_dispatcher_push_late (self, record);
  else if (record != NULL)
    _lsobs_dispatcher_push (self, record);
  return TRUE;
}

/* @exporter: whose fan this is */
gboolean
_lsobs_dispatcher_take_feedback (LsobsDispatcher *self,
                                 LsobsFeedback *feedback,
                                 GObject *exporter,
                                 GError **error)
{
  LsobsRecord *record;

  if (!_lsobs_event_import_take_feedback (self->settings, self->counters, self->store, feedback,
                                          exporter, &record, error))
    return FALSE;
  if (record != NULL)
    _lsobs_dispatcher_push (self, record);
  return TRUE;
}

/* @timeout: ms, or negative for no limit */
gboolean
_lsobs_dispatcher_flush (LsobsDispatcher *self,
                         gint64 timeout,
                         LsobsFlushStats *stats,
                         GError **error)
{
  return _lsobs_flush_run (self->pipes, self->n_pipes, timeout, TRUE, stats, error);
}

/* Ends @task, which has no task data yet, when the flush has ended; the numbers are
 * those of _lsobs_flush_peek_task_stats() then. */
void
_lsobs_dispatcher_flush_task (LsobsDispatcher *self, gint64 timeout, GTask *task)
{
  _lsobs_flush_run_task (self->pipes, self->n_pipes, timeout, task);
}

/* Takes no more records, sends what waits, and ends all sending.
 * @timeout: ms, or negative for no limit */
gboolean
_lsobs_dispatcher_shut_down (LsobsDispatcher *self,
                             gint64 timeout,
                             LsobsFlushStats *stats,
                             GError **error)
{
  gint64 now = g_get_monotonic_time ();
  gint64 deadline = timeout < 0 ? G_MAXINT64 : now + MIN (timeout, LONGEST_TIMEOUT) * 1000;
  gint64 flush_time = timeout;
  g_autoptr (GError) problem = NULL;

  close_pipes (self);
  if (timeout > 0 && self->settings->failed_traces_dir != NULL)
    flush_time -= MIN (timeout / 4, MAX_KEEP_TIME);
  for (guint i = 0; i < self->n_pipes && timeout >= 0; i++)
    _lsobs_delivery_hurry (self->pipes[i], now + MIN (flush_time, LONGEST_TIMEOUT) * 1000);
  _lsobs_flush_run (self->pipes, self->n_pipes, flush_time, FALSE, stats, &problem);
  stop (self, deadline);
  if (!_lsobs_flush_settle (self->pipes, self->n_pipes, deadline))
    {
      g_autoptr (GError) first = g_steal_pointer (&problem);

      _lsobs_flush_error_set_unkept (&problem, (g_get_monotonic_time () - now) / 1000,
                                     first != NULL ? lsobs_flush_error_get_pending (first) : 0,
                                     first != NULL ? lsobs_flush_error_get_dropped (first) : 0);
    }
  if (problem == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

/* Returns: (transfer full): the sum of all places. Each of them adds up by itself,
 * and so does the sum, though the parts are of different moments. */
LsobsStats *
_lsobs_dispatcher_dup_stats (LsobsDispatcher *self)
{
  LsobsStats *sum;

  if (self->n_pipes == 1)
    return _lsobs_delivery_dup_stats (self->pipes[0]);
  sum = _lsobs_counters_snapshot (self->counters);
  for (guint i = 0; i < self->n_pipes; i++)
    {
      g_autoptr (LsobsStats) stats = _lsobs_delivery_dup_stats (self->pipes[i]);

      _lsobs_stats_add (sum, stats);
    }
  return sum;
}

LsobsStats *
_lsobs_dispatcher_dup_lane_stats (LsobsDispatcher *self, guint lane)
{
  return _lsobs_delivery_dup_stats (self->pipes[lane]);
}

/* The worst of all places. */
LsobsState
_lsobs_dispatcher_get_state (LsobsDispatcher *self)
{
  LsobsState worst = LSOBS_STATE_OK;

  for (guint i = 0; i < self->n_pipes; i++)
    worst = MAX (worst, _lsobs_delivery_get_state (self->pipes[i]));
  return worst;
}

LsobsState
_lsobs_dispatcher_get_lane_state (LsobsDispatcher *self, guint lane)
{
  return _lsobs_delivery_get_state (self->pipes[lane]);
}
