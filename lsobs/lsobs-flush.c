/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/lsobs-error-private.h"
#include "lsobs/lsobs-flush-private.h"
#include "lsobs/lsobs-fork-private.h"

/* How long an asynchronous flush leaves a disk alone before it asks again, in µs: from
 * the first to the last, it doubles each time. */
#define FIRST_LOOK (1 * 1000)
#define LAST_LOOK  (50 * 1000)

/* The part of one pipe. */
typedef struct
{
  LsobsPipe *pipe;     /* (unowned) */
  LsobsTicket *ticket; /* (owned) */
  gboolean waits;      /* there was something to wait for */
  gsize n_batches;     /* what the counter was when the flush began */
} Leg;

typedef struct
{
  gint64 began; /* monotonic, µs */
  guint n_legs;
  Leg *legs; /* (owned) */
} Flush;

/* Each leg still needs its ticket. */
static void
flush_init (Flush *self, LsobsPipe *const *pipes, guint n_pipes)
{
  self->began = g_get_monotonic_time ();
  self->n_legs = n_pipes;
  self->legs = g_new0 (Leg, n_pipes);
  for (guint i = 0; i < n_pipes; i++)
    {
      self->legs[i].pipe = pipes[i];
      self->legs[i].n_batches = _lsobs_pipe_get_n_batches (pipes[i]);
    }
}

static void
flush_clear (Flush *self)
{
  for (guint i = 0; i < self->n_legs; i++)
    _lsobs_ticket_unref (self->legs[i].ticket);
  g_free (self->legs);
}

/* Waits until what was lost is kept, where it is to be. FALSE at the deadline.
 * @deadline: monotonic, µs */
gboolean
_lsobs_flush_settle (LsobsPipe *const *pipes, guint n_pipes, gint64 deadline)
{
  gboolean settled = TRUE;

  for (guint i = 0; i < n_pipes; i++)
    if (!_lsobs_pipe_settle (pipes[i], deadline))
      settled = FALSE;
  return settled;
}

/* All tickets are finished, or removed from their queues.
 * @settled: whether what was lost is kept */
static gboolean
report (Flush *self, gboolean settled, LsobsFlushStats *stats, GError **error)
{
  gint64 waited_ms = (g_get_monotonic_time () - self->began) / 1000;
  LsobsPipe *worst = NULL;
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
          sum.batches_sent += _lsobs_pipe_get_n_batches (leg->pipe) - leg->n_batches;
          sum.dropped_events += _lsobs_pipe_take_evictions (leg->pipe);
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
      g_autofree char *problem = _lsobs_pipe_dup_problem (worst);

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
wake_context_cb (LsobsTicket *ticket, gpointer user_data)
{
  g_main_context_wakeup (user_data);
}

/* @timeout: ms, or negative for no limit
 * @settle: whether to wait until what was lost is kept, too */
gboolean
_lsobs_flush_run (LsobsPipe *const *pipes,
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
      GMainContext *context = _lsobs_pipe_peek_context (pipes[i]);
      LsobsTicket *ticket = _lsobs_ticket_new (wake_context_cb, g_main_context_ref (context));

      /* Whoever finishes the ticket may still be at it when this thread goes on. */
      ticket->destroy = (GDestroyNotify) g_main_context_unref;
      flush.legs[i].ticket = ticket;
      flush.legs[i].waits = _lsobs_pipe_add_ticket (pipes[i], ticket);
    }
  for (guint i = 0; i < n_pipes; i++)
    if (flush.legs[i].waits)
      {
        _lsobs_pipe_wait (pipes[i], flush.legs[i].ticket, deadline);
        _lsobs_pipe_remove_ticket (pipes[i], flush.legs[i].ticket);
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
  int n_open;      /* (atomic) tickets that are not finished */
  gint64 interval; /* µs: until the disk is asked again */
  GSource *alarm;  /* (owned) (nullable) */
  GSource *cancel; /* (owned) (nullable) */
  GSource *look;   /* (owned) (nullable) at the disk */
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
  clear_source (&data->look);
  flush_clear (&data->flush);
  g_free (data);
}

/* Does not wait. */
static gboolean
is_settled (Flush *self)
{
  gboolean settled = TRUE;

  for (guint i = 0; i < self->n_legs; i++)
    if (!_lsobs_pipe_settle (self->legs[i].pipe, 0))
      settled = FALSE;
  return settled;
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
  if (data->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;
  /* If a ticket has not called yet, it never will: its reference is ours. */
  for (guint i = 0; i < data->flush.n_legs; i++)
    if (_lsobs_pipe_remove_ticket (data->flush.legs[i].pipe, data->flush.legs[i].ticket))
      g_object_unref (task);
  if (!g_task_return_error_if_cancelled (task))
    {
      if (report (&data->flush, is_settled (&data->flush), &data->stats, &error))
        g_task_return_boolean (task, TRUE);
      else
        g_task_return_error (task, error);
    }
  clear_source (&data->alarm);
  clear_source (&data->cancel);
  clear_source (&data->look);
  return G_SOURCE_REMOVE;
}

static gboolean
flush_cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  return finish_flush_cb (user_data);
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

/* Called in the context of the task, when all tickets are finished. Another thread
 * writes what was lost; to wait for it would block the context. */
static gboolean
look_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);
  FlushData *data = g_task_get_task_data (task);
  GSource *look;

  if (data->finished || data->epoch != _lsobs_fork_epoch () || is_settled (&data->flush))
    return finish_flush_cb (task);
  data->interval = CLAMP (2 * data->interval, FIRST_LOOK, LAST_LOOK);
  look = g_timeout_source_new (0);
  g_source_set_ready_time (look, g_get_monotonic_time () + data->interval);
  clear_source (&data->look);
  data->look = watch_flush (task, look, look_cb);
  return G_SOURCE_REMOVE;
}

/* Called in any thread. */
static void
look_soon (GTask *task)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_static_name (source, "[lsobs] flushed");
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_task_attach_source (task, source, look_cb);
}

/* Called wherever the last record of a pipe found its fate, holding a reference to
 * the task. */
static void
flush_ticket_cb (LsobsTicket *ticket, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  FlushData *data = g_task_get_task_data (task);

  if (g_atomic_int_dec_and_test (&data->n_open))
    look_soon (task);
}

/* Ends @task, which has no task data yet, when the flush has ended. */
void
_lsobs_flush_run_task (LsobsPipe *const *pipes, guint n_pipes, gint64 timeout, GTask *task)
{
  GCancellable *cancellable = g_task_get_cancellable (task);
  FlushData *data = g_new0 (FlushData, 1);
  GSource *alarm;

  data->epoch = _lsobs_fork_epoch ();
  data->n_open = (int) n_pipes;
  flush_init (&data->flush, pipes, n_pipes);
  for (guint i = 0; i < n_pipes; i++)
    data->flush.legs[i].ticket = _lsobs_ticket_new (flush_ticket_cb, task);
  g_task_set_task_data (task, data, flush_data_free);

  alarm = g_timeout_source_new (0);
  g_source_set_ready_time (alarm, get_deadline (timeout));
  data->alarm = watch_flush (task, alarm, finish_flush_cb);
  if (cancellable != NULL)
    data->cancel = watch_flush (task, g_cancellable_source_new (cancellable),
                                G_SOURCE_FUNC (flush_cancelled_cb));
  for (guint i = 0; i < n_pipes; i++)
    {
      g_object_ref (task);
      if (_lsobs_pipe_add_ticket (pipes[i], data->flush.legs[i].ticket))
        continue;
      g_object_unref (task);
      if (g_atomic_int_dec_and_test (&data->n_open))
        look_soon (task);
    }
}

/* Returns: (transfer none): what a task of _lsobs_flush_run_task() has done */
LsobsFlushStats *
_lsobs_flush_peek_task_stats (GTask *task)
{
  return &((FlushData *) g_task_get_task_data (task))->stats;
}
