/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-descriptors-private.h"
#include "lsobs/core/lsobs-error-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/http/lsobs-drain-private.h"
#include "lsobs/http/lsobs-replay-private.h"

struct _LsobsDrain
{
  gatomicrefcount ref_count;
  guint epoch;             /* the process that it belongs to */
  LsobsSettings *settings; /* (owned) */
  LsobsCounters *counters; /* (owned) */

  LsobsReplayHistory history; /* used by the thread */

  GMutex lock; /* guards all below */
  GCond cond;
  gboolean running;          /* the thread runs */
  GMainContext *context;     /* (owned) (nullable) of the thread, while it runs */
  GCancellable *cancellable; /* (owned) (nullable) of the last thread: cancelled in its context */
};

/* The data of the thread of a drain. */
typedef struct
{
  LsobsDrain *drain;         /* (owned) */
  GMainContext *context;     /* (owned) */
  GCancellable *cancellable; /* (owned) */
  LsobsDrainedFunc func;
  gpointer data;
  gboolean done;
  guint n_delivered; /* files */
  GError *error;     /* (owned) (nullable) */
} DrainData;

LsobsDrain *
_lsobs_drain_new (LsobsSettings *settings, LsobsCounters *counters)
{
  LsobsDrain *self = g_new0 (LsobsDrain, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->epoch = _lsobs_fork_epoch ();
  self->settings = _lsobs_settings_ref (settings);
  self->counters = _lsobs_counters_ref (counters);
  _lsobs_replay_history_init (&self->history);
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  return self;
}

void
_lsobs_drain_unref (LsobsDrain *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_clear_object (&self->cancellable);
  _lsobs_replay_history_clear (&self->history);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
  _lsobs_counters_unref (self->counters);
  _lsobs_settings_unref (self->settings);
  g_free (self);
}

/* Whether it belongs to the parent of this forked child. Then it must not be used, nor unreffed. */
gboolean
_lsobs_drain_is_forked (LsobsDrain *self)
{
  return self->epoch != _lsobs_fork_epoch ();
}

static void
drain_data_free (DrainData *data)
{
  g_clear_error (&data->error);
  g_object_unref (data->cancellable);
  g_clear_pointer (&data->context, g_main_context_unref);
  _lsobs_drain_unref (data->drain);
  g_free (data);
}

/* The thread ends, or could not be started. The function may begin the next drain, in any thread: so it
 * is called when this one has left the state that both use. */
static void
end_thread (DrainData *data)
{
  LsobsDrain *self = data->drain;
  gint64 not_before = self->history.not_before;

  g_mutex_lock (&self->lock);
  self->running = FALSE;
  g_clear_pointer (&self->context, g_main_context_unref);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  data->func (data->data, data->n_delivered, not_before, data->error);
  drain_data_free (data);
}

/* Called in the context of the thread. */
static void
replayed_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  DrainData *data = user_data;
  guint n_failed;

  g_assert (g_main_context_is_owner (data->context));
  data->done = TRUE;
  _lsobs_replay_peek_counts (G_TASK (result), &data->n_delivered, &n_failed);
  g_task_propagate_boolean (G_TASK (result), &data->error);
}

static void
run_replay (DrainData *data)
{
  LsobsSettings *settings = data->drain->settings;
  g_autoptr (GTask) task = NULL;

  g_main_context_push_thread_default (data->context);
  task = g_task_new (NULL, data->cancellable, replayed_cb, data);
  _lsobs_replay_task (settings, data->drain->counters, settings->values.spool_dir,
                      LSOBS_REPLAY_QUIETLY, TRUE, &data->drain->history, task);
  while (!data->done)
    g_main_context_iteration (data->context, TRUE);
  g_clear_object (&task);
  /* Lets the connections end that were closed. */
  while (g_main_context_iteration (data->context, FALSE))
    ;
  g_main_context_pop_thread_default (data->context);
}

static gpointer
thread_main (gpointer user_data)
{
  DrainData *data = user_data;
  LsobsForkGuard guard;

  _lsobs_fork_guard_enter_thread (&guard, data->context);
  run_replay (data);
  end_thread (data);
  _lsobs_fork_guard_leave_thread (&guard);
  return NULL;
}

/* Returns: FALSE with data->error */
static gboolean
start_thread (DrainData *data)
{
  GThread *thread;

  if (!_lsobs_descriptors_are_spare ())
    {
      _lsobs_error_set_no_descriptors (&data->error);
      return FALSE;
    }
  data->context = g_main_context_new ();
  g_mutex_lock (&data->drain->lock);
  data->drain->context = g_main_context_ref (data->context);
  g_mutex_unlock (&data->drain->lock);
  thread = _lsobs_fork_guard_start_thread ("lsobs-drain", thread_main, data, &data->error);
  if (thread == NULL)
    return FALSE;
  g_thread_unref (thread);
  return TRUE;
}

/* Sends the spool. The previous drain must have ended.
 * @func: called at the end, also if there is no thread */
void
_lsobs_drain_begin (LsobsDrain *self, LsobsDrainedFunc func, gpointer data)
{
  DrainData *drain_data = g_new0 (DrainData, 1);

  g_atomic_ref_count_inc (&self->ref_count);
  drain_data->drain = self;
  drain_data->func = func;
  drain_data->data = data;
  drain_data->cancellable = g_cancellable_new ();
  g_mutex_lock (&self->lock);
  g_clear_object (&self->cancellable);
  self->cancellable = g_object_ref (drain_data->cancellable);
  self->running = TRUE;
  g_mutex_unlock (&self->lock);
  if (!start_thread (drain_data))
    end_thread (drain_data);
}

/* Called in the thread of the drain. */
static gboolean
cancel_cb (gpointer user_data)
{
  g_cancellable_cancel (G_CANCELLABLE (user_data));
  return G_SOURCE_REMOVE;
}

/* Has the thread cancel its replay. Another thread must not: GLib may lose a source of a cancellable
 * that is destroyed in one thread while the other one cancels. Called with the lock. */
static void
cancel_unlocked (LsobsDrain *self)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_static_name (source, "[lsobs] drain end");
  g_source_set_priority (source, G_PRIORITY_HIGH);
  g_source_set_callback (source, cancel_cb, g_object_ref (self->cancellable), g_object_unref);
  g_source_attach (source, self->context);
}

/* Cancels a drain, and waits for its end.
 * @deadline: monotonic, µs */
void
_lsobs_drain_end (LsobsDrain *self, gint64 deadline)
{
  LsobsForkGuard *guard;

  g_mutex_lock (&self->lock);
  if (!self->running)
    {
      g_mutex_unlock (&self->lock);
      return;
    }
  if (self->context != NULL)
    cancel_unlocked (self);
  g_mutex_unlock (&self->lock);
  guard = _lsobs_fork_guard_open ();
  g_mutex_lock (&self->lock);
  while (self->running && g_cond_wait_until (&self->cond, &self->lock, deadline))
    ;
  g_mutex_unlock (&self->lock);
  _lsobs_fork_guard_close (guard);
}
