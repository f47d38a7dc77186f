/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-error-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/pipeline/lsobs-flush-private.h"

/* The part of one pipe. */
typedef struct
{
  LsobsDelivery *pipe;      /* (unowned) */
  LsobsFlushWaiter *ticket; /* (owned) */
  gboolean waits;           /* there was something to wait for */
  gsize n_batches;          /* what the counter was when the flush began */
} Leg;

typedef struct
{
  gint64 began; /* monotonic, µs */
  guint n_legs;
  Leg *legs; /* (owned) */
} Flush;

/* Each leg still needs its ticket. */
static void
flush_init (Flush *self, LsobsDelivery *const *pipes, guint n_pipes)
{
  self->began = g_get_monotonic_time ();
  self->n_legs = n_pipes;
  self->legs = g_new0 (Leg, n_pipes);
  for (guint i = 0; i < n_pipes; i++)
    {
      self->legs[i].pipe = pipes[i];
      self->legs[i].n_batches = _lsobs_delivery_get_n_batches (pipes[i]);
    }
}

static void
flush_clear (Flush *self)
{
  for (guint i = 0; i < self->n_legs; i++)
    _lsobs_flush_waiter_unref (self->legs[i].ticket);
  g_free (self->legs);
}

/* Waits until what was lost is kept, where it is to be. FALSE at the deadline.
 * @deadline: monotonic, µs */
gboolean
_lsobs_flush_settle (LsobsDelivery *const *pipes, guint n_pipes, gint64 deadline)
{
  gboolean settled = TRUE;

  for (guint i = 0; i < n_pipes; i++)
    if (!lsobs_transport_settle (_lsobs_delivery_peek_transport (pipes[i]), deadline))
      settled = FALSE;
  return settled;
}

/* All tickets are finished, or removed from their queues.
 * @settled: whether what was lost is kept */
static gboolean
report (Flush *self, gboolean settled, LsobsFlushStats *stats, GError **error)
{
  gint64 waited_ms = (g_get_monotonic_time () - self->began) / 1000;
  LsobsDelivery *worst = NULL;
  guint64 n_remaining = 0;
  LsobsFlushStats sum;

  memset (&sum, 0, sizeof sum);
  for (guint i = 0; i < self->n_legs; i++)
    {
      Leg *leg = &self->legs[i];

      sum.runs_flushed += leg->ticket->n_delivered;
      sum.runs_failed += leg->ticket->n_failed;
      n_remaining += leg->ticket->n_remaining;
      if (stats != NULL)
        {
          sum.batches_sent += _lsobs_delivery_get_n_batches (leg->pipe) - leg->n_batches;
          sum.dropped_events += _lsobs_delivery_take_evictions (leg->pipe);
        }
      if (worst == NULL &&
          (leg->ticket->refused || (leg->ticket->n_remaining == 0 && leg->ticket->n_failed > 0)))
        worst = leg->pipe;
    }
  if (stats != NULL)
    *stats = sum;
  if (!settled)
    {
      _lsobs_flush_error_set_unkept (error, waited_ms, n_remaining, sum.runs_failed);
      return FALSE;
    }
  if (worst != NULL)
    {
      g_autofree char *problem = _lsobs_delivery_dup_problem (worst);

      _lsobs_flush_error_set_permanent (error, waited_ms, n_remaining, sum.runs_failed, problem);
      return FALSE;
    }
  if (n_remaining > 0)
    {
      _lsobs_flush_error_set_timeout (error, waited_ms, n_remaining);
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
wake_context_cb (LsobsFlushWaiter *ticket, gpointer user_data)
{
  g_main_context_wakeup (user_data);
}

/* @timeout: ms, or negative for no limit
 * @settle: whether to wait until what was lost is kept, too */
gboolean
_lsobs_flush_run (LsobsDelivery *const *pipes,
                  guint n_pipes,
                  gint64 timeout,
                  gboolean settle,
                  LsobsFlushStats *stats,
                  GError **error)
{
  gint64 deadline = get_deadline (timeout);
  gboolean settled = TRUE;
  gboolean done;
  Flush flush;

  flush_init (&flush, pipes, n_pipes);
  for (guint i = 0; i < n_pipes; i++)
    {
      GMainContext *context = _lsobs_delivery_peek_context (pipes[i]);
      LsobsFlushWaiter *ticket =
          _lsobs_flush_waiter_new (wake_context_cb, g_main_context_ref (context));

      /* Whoever finishes the ticket may still be at it when this thread goes on. */
      ticket->destroy = (GDestroyNotify) g_main_context_unref;
      flush.legs[i].ticket = ticket;
      flush.legs[i].waits = _lsobs_delivery_add_ticket (pipes[i], ticket);
    }
  for (guint i = 0; i < n_pipes; i++)
    if (flush.legs[i].waits)
      {
        _lsobs_delivery_wait (pipes[i], flush.legs[i].ticket, deadline);
        _lsobs_delivery_remove_ticket (pipes[i], flush.legs[i].ticket);
      }
  if (settle)
    settled = _lsobs_flush_settle (pipes, n_pipes, deadline);
  done = report (&flush, settled, stats, error);
  flush_clear (&flush);
  return done;
}

/* An asynchronous flush. All but the tickets and their number belongs to the context
 * of the task. */
typedef struct
{
  guint epoch; /* the process that has begun it */
  Flush flush;
  int n_open;           /* (atomic) tickets that are not finished */
  gint64 deadline;      /* monotonic, µs */
  GSource *alarm;       /* (owned) (nullable) */
  GSource *cancel;      /* (owned) (nullable) */
  GCancellable *settle; /* (owned) (nullable) of the thread that waits for the disk */
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
  g_clear_object (&data->settle);
  flush_clear (&data->flush);
  g_free (data);
}

/* In the context of the task; whichever event is first ends it.
 * @settled: whether what was lost is kept */
static void
finish_flush (GTask *task, gboolean settled)
{
  FlushData *data = g_task_get_task_data (task);
  GError *error = NULL;

  if (data->finished)
    return;
  data->finished = TRUE;
  /* A forked child that runs its parent's context leaves the parent's flush be. */
  if (data->epoch != _lsobs_fork_epoch ())
    return;
  /* If a ticket has not called yet, it never will: its reference is ours. */
  for (guint i = 0; i < data->flush.n_legs; i++)
    if (_lsobs_delivery_remove_ticket (data->flush.legs[i].pipe, data->flush.legs[i].ticket))
      g_object_unref (task);
  if (!g_task_return_error_if_cancelled (task))
    {
      if (report (&data->flush, settled, &data->stats, &error))
        g_task_return_boolean (task, TRUE);
      else
        g_task_return_error (task, error);
    }
  clear_source (&data->alarm);
  clear_source (&data->cancel);
  if (data->settle != NULL)
    g_cancellable_cancel (data->settle);
}

/* What the flush waits for at the end. Does not wait. */
static gboolean
is_settled (FlushData *data)
{
  gboolean settled = TRUE;

  for (guint i = 0; i < data->flush.n_legs; i++)
    if (!lsobs_transport_settle (_lsobs_delivery_peek_transport (data->flush.legs[i].pipe), 0))
      settled = FALSE;
  return settled;
}

/* Called in the context of the task, at the deadline. */
static gboolean
deadline_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);
  FlushData *data = g_task_get_task_data (task);

  finish_flush (task, data->epoch != _lsobs_fork_epoch () || is_settled (data));
  return G_SOURCE_REMOVE;
}

static gboolean
flush_cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  finish_flush (G_TASK (user_data), TRUE);
  return G_SOURCE_REMOVE;
}

/* The part of the thread that waits for the disk: it outlives the flush, if that is
 * cancelled, and so has to do with transports alone. */
typedef struct
{
  GPtrArray *transports; /* (owned) (element-type LsobsTransport) */
  gint64 deadline;       /* monotonic, µs */
} Settling;

static void
settling_free (gpointer user_data)
{
  Settling *settling = user_data;

  g_ptr_array_unref (settling->transports);
  g_free (settling);
}

static void
settle_in_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Settling *settling = task_data;
  gboolean settled = TRUE;

  for (guint i = 0; i < settling->transports->len; i++)
    if (!lsobs_transport_settle (g_ptr_array_index (settling->transports, i), settling->deadline))
      settled = FALSE;
  g_task_return_boolean (task, settled);
}

/* Called in the context of the task. */
static void
settled_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);

  finish_flush (task, g_task_propagate_boolean (G_TASK (result), NULL));
}

/* In the context of the task, which must not be blocked by a disk. */
static void
settle_later (GTask *task)
{
  FlushData *data = g_task_get_task_data (task);
  Settling *settling = g_new0 (Settling, 1);
  g_autoptr (GTask) waiting = NULL;

  settling->deadline = data->deadline;
  settling->transports = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < data->flush.n_legs; i++)
    g_ptr_array_add (settling->transports,
                     g_object_ref (_lsobs_delivery_peek_transport (data->flush.legs[i].pipe)));
  data->settle = g_cancellable_new ();
  if (_lsobs_fork_epoch () != 0)
    _lsobs_fork_revive_tasks ();
  g_main_context_push_thread_default (g_task_get_context (task));
  waiting = g_task_new (NULL, data->settle, settled_cb, g_object_ref (task));
  g_main_context_pop_thread_default (g_task_get_context (task));
  g_task_set_source_tag (waiting, settle_later);
  g_task_set_task_data (waiting, settling, settling_free);
  g_task_set_return_on_cancel (waiting, TRUE);
  g_task_run_in_thread (waiting, settle_in_thread);
}

/* Called in the context of the task, when all tickets are finished. */
static gboolean
tickets_done_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);
  FlushData *data = g_task_get_task_data (task);

  if (data->finished || data->epoch != _lsobs_fork_epoch () || is_settled (data))
    finish_flush (task, TRUE);
  else
    settle_later (task);
  return G_SOURCE_REMOVE;
}

/* @func: as of GSourceFunc, or of GCancellableSourceFunc for a cancellable source */
static GSource *
watch_flush (GTask *task, GSource *source, GSourceFunc func)
{
  g_source_set_static_name (source, "[lsobs] flush timeout");
  g_source_set_callback (source, func, g_object_ref (task), g_object_unref);
  g_source_attach (source, g_task_get_context (task));
  return source;
}

/* Called in any thread. */
static void
tickets_done (GTask *task)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_static_name (source, "[lsobs] flushed");
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_task_attach_source (task, source, tickets_done_cb);
}

/* Called wherever the last record of a pipe found its fate, holding a reference to
 * the task. */
static void
flush_ticket_cb (LsobsFlushWaiter *ticket, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  FlushData *data = g_task_get_task_data (task);

  if (g_atomic_int_dec_and_test (&data->n_open))
    tickets_done (task);
}

/* Ends @task, which has no task data yet, when the flush has ended. */
void
_lsobs_flush_run_task (LsobsDelivery *const *pipes, guint n_pipes, gint64 timeout, GTask *task)
{
  GCancellable *cancellable = g_task_get_cancellable (task);
  FlushData *data = g_new0 (FlushData, 1);
  GSource *alarm;

  data->epoch = _lsobs_fork_epoch ();
  data->deadline = get_deadline (timeout);
  data->n_open = (int) n_pipes;
  flush_init (&data->flush, pipes, n_pipes);
  for (guint i = 0; i < n_pipes; i++)
    data->flush.legs[i].ticket = _lsobs_flush_waiter_new (flush_ticket_cb, task);
  g_task_set_task_data (task, data, flush_data_free);

  alarm = g_timeout_source_new (0);
  g_source_set_ready_time (alarm, data->deadline);
  data->alarm = watch_flush (task, alarm, deadline_cb);
  if (cancellable != NULL)
    data->cancel = watch_flush (task, g_cancellable_source_new (cancellable),
                                G_SOURCE_FUNC (flush_cancelled_cb));
  for (guint i = 0; i < n_pipes; i++)
    {
      g_object_ref (task);
      if (_lsobs_delivery_add_ticket (pipes[i], data->flush.legs[i].ticket))
        continue;
      g_object_unref (task);
      if (g_atomic_int_dec_and_test (&data->n_open))
        tickets_done (task);
    }
}

/* Returns: (transfer none): what a task of _lsobs_flush_run_task() has done */
LsobsFlushStats *
_lsobs_flush_peek_task_stats (GTask *task)
{
  return &((FlushData *) g_task_get_task_data (task))->stats;
}
