/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/pipeline/lsobs-delivery-private.h"
#include "lsobs/pipeline/lsobs-queue-private.h"
#include "lsobs/pipeline/lsobs-worker-private.h"

struct _LsobsDelivery
{
  LsobsCounters *counters; /* (owned) */
  LsobsQueue *queue;       /* (owned) */
  LsobsWorker *worker;     /* (owned) */
  char *label;             /* (owned) (nullable) where it leads to, among several */
  int stopped;             /* (atomic) */
  gsize n_reported;        /* (atomic) evictions that a flush has told of */
};

/* @context, @notifier: (nullable) */
LsobsDelivery *
_lsobs_delivery_new (const LsobsDestination *lane,
                     LsobsRunStore *store,
                     GMainContext *context,
                     LsobsNotifier *notifier)
{
  LsobsDelivery *self = g_new0 (LsobsDelivery, 1);
  LsobsSettings *settings = lane->settings;

  self->counters = _lsobs_counters_ref (lane->counters);
  self->queue = _lsobs_queue_new (settings->queue_capacity, settings->max_queue_bytes,
                                  settings->max_batch_size, settings->max_batch_bytes,
                                  lane->counters, settings->lane);
  self->worker =
      _lsobs_worker_new (settings, lane->counters, self->queue, store, lane->transport, context);
  self->label = g_strdup (settings->label);
  _lsobs_worker_set_notifier (self->worker, notifier);
  /* Those of a parent process are not ours to tell. */
  _lsobs_delivery_take_evictions (self);
  return self;
}

/* To be stopped before. */
void
_lsobs_delivery_free (LsobsDelivery *self)
{
  _lsobs_worker_unref (self->worker);
  _lsobs_queue_unref (self->queue);
  _lsobs_counters_unref (self->counters);
  g_free (self->label);
  g_free (self);
}

void
_lsobs_delivery_set_notifier (LsobsDelivery *self, LsobsNotifier *notifier)
{
  _lsobs_worker_set_notifier (self->worker, notifier);
}

/* Takes @record over. */
void
_lsobs_delivery_push (LsobsDelivery *self, LsobsRecord *record)
{
  _lsobs_worker_wake (self->worker, _lsobs_queue_push (self->queue, record));
}

/* Takes @record over: what comes after the end of a run still joins it if it has
 * not left yet. The service takes one end per run, so that otherwise it is too
 * late. */
void
_lsobs_delivery_push_late (LsobsDelivery *self, LsobsRecord *record)
{
  gboolean is_update = record->outputs != NULL || record->end_time != 0;

  if (!_lsobs_queue_join_waiting (self->queue, record) && is_update)
    _lsobs_counters_add (self->counters, LSOBS_COUNTER_LATE_UPDATES, 1);
}

/* FALSE, and counted, when there is no room. */
gboolean
_lsobs_delivery_attach (LsobsDelivery *self, LsobsRunInfo *info, LsobsAttachment *attachment)
{
  LsobsWake wake;
  gboolean taken = _lsobs_queue_attach (self->queue, info, attachment, &wake);

  _lsobs_worker_wake (self->worker, wake);
  return taken;
}

/* Has what waits now sent at once; the ticket hears of it. FALSE when there is
 * nothing to wait for. */
gboolean
_lsobs_delivery_add_ticket (LsobsDelivery *self, LsobsFlushWaiter *ticket)
{
  if (!_lsobs_queue_add_ticket (self->queue, ticket))
    return FALSE;
  _lsobs_worker_wake (self->worker, LSOBS_WAKE_NOW);
  return TRUE;
}

/* Waits for a ticket whose function wakes the context of the pipe.
 * @deadline: monotonic, µs */
void
_lsobs_delivery_wait (LsobsDelivery *self, LsobsFlushWaiter *ticket, gint64 deadline)
{
  _lsobs_worker_wait (self->worker, ticket, deadline);
}

/* The numbers of the ticket are constant from now on. FALSE when it is finished,
 * or just being so, or was never added. */
gboolean
_lsobs_delivery_remove_ticket (LsobsDelivery *self, LsobsFlushWaiter *ticket)
{
  return _lsobs_queue_remove_ticket (self->queue, ticket);
}

LsobsTransport *
_lsobs_delivery_peek_transport (LsobsDelivery *self)
{
  return _lsobs_worker_peek_transport (self->worker);
}

GMainContext *
_lsobs_delivery_peek_context (LsobsDelivery *self)
{
  return _lsobs_worker_peek_context (self->worker);
}

gsize
_lsobs_delivery_get_n_batches (LsobsDelivery *self)
{
  return _lsobs_counters_get (self->counters, LSOBS_COUNTER_BATCHES);
}

/* Evictions since the last flush that told of them. */
gsize
_lsobs_delivery_take_evictions (LsobsDelivery *self)
{
  g_autoptr (LsobsStats) stats = _lsobs_counters_snapshot (self->counters);
  gsize n = (gsize) (lsobs_stats_get_dropped (stats, LSOBS_DROP_REASON_QUEUE_FULL) +
                     lsobs_stats_get_dropped (stats, LSOBS_DROP_REASON_QUEUE_BYTES));

  return n - __atomic_exchange_n (&self->n_reported, n, __ATOMIC_RELAXED);
}

/* Returns: (transfer full): what went wrong last, and where, among several places */
char *
_lsobs_delivery_dup_problem (LsobsDelivery *self)
{
  g_autofree char *problem = _lsobs_worker_dup_problem (self->worker);

  if (self->label == NULL)
    return g_steal_pointer (&problem);
  /* TRANSLATORS: a “replica %u at %s”, or a variable of the environment, and what is wrong. */
  return g_strdup_printf (_ ("%s: %s"), self->label, problem);
}

/* Takes no more records. */
void
_lsobs_delivery_close (LsobsDelivery *self)
{
  _lsobs_queue_close (self->queue);
}

/* All sending ends at @deadline, if not before. */
void
_lsobs_delivery_hurry (LsobsDelivery *self, gint64 deadline)
{
  _lsobs_worker_hurry (self->worker, deadline);
}

/* Has all sending end. FALSE when somebody else has done so; otherwise
 * _lsobs_delivery_end_stop() waits for the end. */
gboolean
_lsobs_delivery_begin_stop (LsobsDelivery *self, gint64 deadline)
{
  if (!g_atomic_int_compare_and_exchange (&self->stopped, FALSE, TRUE))
    return FALSE;
  _lsobs_worker_begin_stop (self->worker, deadline);
  return TRUE;
}

void
_lsobs_delivery_end_stop (LsobsDelivery *self, gint64 began)
{
  _lsobs_worker_end_stop (self->worker, began);
}

LsobsStats *
_lsobs_delivery_dup_stats (LsobsDelivery *self)
{
  return _lsobs_queue_snapshot (self->queue);
}

LsobsState
_lsobs_delivery_get_state (LsobsDelivery *self)
{
  return _lsobs_worker_get_state (self->worker);
}
