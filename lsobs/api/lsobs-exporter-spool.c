/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>

#include <glib/gi18n-lib.h>

#include "lsobs/api/lsobs-exporter-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/http/lsobs-replay-private.h"
#include "lsobs/lsobs-client.h"
#include "lsobs/spool/lsobs-spool-folder-private.h"
#include "lsobs/spool/lsobs-spool-owner-private.h"

/* What a program asks of the spool of an exporter. */

/* Returns: whether the destination has a spool */
static gboolean
has_spool (LsobsDestination *destination)
{
  return destination->settings->values.spool_dir != NULL &&
         LSOBS_IS_CLIENT (destination->transport);
}

/* Returns: (transfer full) (nullable): a task with what is asked of all destinations; NULL if there is
 *   no spool, and the task has ended */
static GTask *
new_task (LsobsExporter *self,
          gpointer source_tag,
          GCancellable *cancellable,
          GAsyncReadyCallback callback,
          gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GPtrArray *destinations = _lsobs_exporter_peek_destinations (self);

  g_task_set_source_tag (task, source_tag);
  for (guint i = 0; i < destinations->len; i++)
    if (has_spool (g_ptr_array_index (destinations, i)))
      return g_steal_pointer (&task);
  g_task_return_new_error (task, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                           _ ("No spool: set the property spool-dir or spool-enabled"));
  return NULL;
}

/* --- drain --- */

/* The drain of all destinations, one after the other. */
typedef struct
{
  GPtrArray *destinations; /* (owned) (element-type LsobsDestination) */
  guint next;              /* index of the next destination */
  guint n_delivered;       /* files */
  guint n_failed;          /* files */
  GError *problem;         /* (owned) (nullable) the first one */
} SpoolDrain;

static void
spool_drain_free (gpointer user_data)
{
  SpoolDrain *drain = user_data;

  g_ptr_array_unref (drain->destinations);
  g_clear_error (&drain->problem);
  g_free (drain);
}

static void drain_next (GTask *task);

/* Called in the context of the task. */
static void
drained_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  SpoolDrain *drain = g_task_get_task_data (task);
  guint n_delivered;
  guint n_failed;

  g_assert (g_main_context_is_owner (g_task_get_context (task)));
  _lsobs_replay_peek_counts (G_TASK (result), &n_delivered, &n_failed);
  drain->n_delivered += n_delivered;
  drain->n_failed += n_failed;
  g_task_propagate_boolean (G_TASK (result), drain->problem == NULL ? &drain->problem : NULL);
  drain_next (task);
}

static void
drain_next (GTask *task)
{
  SpoolDrain *drain = g_task_get_task_data (task);

  while (drain->next < drain->destinations->len)
    {
      LsobsDestination *destination = g_ptr_array_index (drain->destinations, drain->next++);
      LsobsSettings *settings = destination->settings;
      g_autoptr (GTask) replay = NULL;

      if (!has_spool (destination))
        continue;
      g_main_context_push_thread_default (g_task_get_context (task));
      replay = g_task_new (NULL, g_task_get_cancellable (task), drained_cb, g_object_ref (task));
      g_main_context_pop_thread_default (g_task_get_context (task));
      _lsobs_replay_task (settings, destination->counters, settings->values.spool_dir,
                          LSOBS_REPLAY_SPOOL, TRUE, NULL, replay);
      return;
    }
  if (drain->problem != NULL)
    g_task_return_error (task, g_steal_pointer (&drain->problem));
  else
    g_task_return_boolean (task, TRUE);
}

/**
 * lsobs_exporter_drain_spool_async:
 * @self: an exporter
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the drain ends
 * @user_data: data for @callback
 *
 * Sends the files in the spool, see #LsobsConfig:spool-dir: those that a process with the same
 * address, workspace, project and API key has written. The oldest file is sent first, with the key
 * and the retries of this exporter. An exporter does this itself when it starts, and when the
 * service is back; call this function to get the result. If this process or another one is sending
 * the spool already, this function waits for that.
 *
 * A file is removed when the service accepts its records, or has them already. If the service
 * refuses a file of several records, lsobs sends its halves separately, until only the refused
 * record is left. That record is lost, and counted as %LSOBS_COUNTER_SPOOL_DROPPED.
 *
 * If a service accepts nothing, or cannot be reached, its other files stay. With replicas, the
 * drain continues with the next replica. At the end, it fails with the first error.
 *
 * Can be called from any thread. @callback runs in the thread-default main context of the caller,
 * which also makes the requests. Threads of lsobs read and remove the files. A cancellation ends
 * the drain between two files, or ends a request; the file of that request stays.
 *
 * Since: 0.1
 */
void
lsobs_exporter_drain_spool_async (LsobsExporter *self,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  SpoolDrain *drain;

  g_return_if_fail (LSOBS_IS_EXPORTER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = new_task (self, lsobs_exporter_drain_spool_async, cancellable, callback, user_data);
  if (task == NULL)
    return;
  drain = g_new0 (SpoolDrain, 1);
  drain->destinations = g_ptr_array_ref (_lsobs_exporter_peek_destinations (self));
  g_task_set_task_data (task, drain, spool_drain_free);
  g_task_set_check_cancellable (task, FALSE);
  drain_next (task);
}

/**
 * lsobs_exporter_drain_spool_finish:
 * @self: an exporter
 * @result: the result that @callback of lsobs_exporter_drain_spool_async() was called with
 * @n_delivered: (out) (optional): return location for the number of files that were delivered and
 *   removed; it is always set
 * @n_failed: (out) (optional): return location for the number of files that were not delivered,
 *   because they stay in the spool, or because the service has refused all of their records; it is
 *   always set
 * @error: return location for a #GError, or %NULL
 *
 * Finishes lsobs_exporter_drain_spool_async().
 *
 * Fails with %LSOBS_ERROR_INVALID_CONFIG if there is no spool, with a code of %G_IO_ERROR if the
 * spool cannot be read, with another code of %LSOBS_ERROR if the service accepts nothing, or with
 * %G_IO_ERROR_CANCELLED.
 *
 * Returns: %TRUE if all files were processed
 *
 * Since: 0.1
 */
gboolean
lsobs_exporter_drain_spool_finish (LsobsExporter *self,
                                   GAsyncResult *result,
                                   guint *n_delivered,
                                   guint *n_failed,
                                   GError **error)
{
  SpoolDrain *drain;

  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, lsobs_exporter_drain_spool_async), FALSE);

  drain = g_task_get_task_data (G_TASK (result));
  if (n_delivered != NULL)
    *n_delivered = drain != NULL ? drain->n_delivered : 0;
  if (n_failed != NULL)
    *n_failed = drain != NULL ? drain->n_failed : 0;
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- purge --- */

/* Removes the files of a destination, those with another key too. It keeps a name, not a key.
 * Returns: 0 or errno */
static int
purge (LsobsDestination *destination, GCancellable *cancellable, guint *n_removed)
{
  LsobsSettings *settings = destination->settings;
  const LsobsSpoolLimits limits = _lsobs_spool_limits_get (settings);
  g_autoptr (LsobsSpoolFolder) folder =
      _lsobs_spool_folder_new (settings->values.spool_dir, &limits);
  g_autoptr (LsobsSpoolOwner) owner = _lsobs_spool_owner_new (settings);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  int problem = _lsobs_spool_folder_list (folder, _lsobs_spool_owner_peek_tag (owner), NULL, names);

  _lsobs_counters_add (destination->counters, LSOBS_COUNTER_SPOOL_DROPPED,
                       (gssize) folder->n_expired);
  for (guint i = 0; problem == 0 && i < names->len && !g_cancellable_is_cancelled (cancellable);
       i++)
    {
      problem = _lsobs_spool_folder_remove (folder, g_ptr_array_index (names, i));
      if (problem == 0)
        ++*n_removed;
      else if (problem == ENOENT)
        problem = 0;
    }
  return problem == ENOENT ? 0 : problem;
}

/* @task_data: the task of the program, which lasts until purged_cb()
 * The task of the thread refers to no object of the program: the last reference to one would run functions
 * of the program, which a fork may wait for. */
static void
purge_in_thread (GTask *thread_task,
                 gpointer source,
                 gpointer task_data,
                 GCancellable *no_cancellable)
{
  GTask *task = task_data;
  GPtrArray *destinations = _lsobs_exporter_peek_destinations (g_task_get_source_object (task));
  GCancellable *cancellable = g_task_get_cancellable (task);
  guint *n_removed = g_task_get_task_data (task);
  GError *error = NULL;
  int problem = 0;
  /* A fork does not wait for the disk. */
  LsobsForkGuard *guard = _lsobs_fork_guard_open ();

  for (guint i = 0; problem == 0 && i < destinations->len; i++)
    {
      LsobsDestination *destination = g_ptr_array_index (destinations, i);

      if (has_spool (destination))
        problem = purge (destination, cancellable, n_removed);
    }
  _lsobs_fork_guard_close (guard);
  if (problem != 0)
    g_task_return_new_error (thread_task, G_IO_ERROR, (int) g_io_error_from_errno (problem),
                             /* TRANSLATORS: the text is what the system says of it. */
                             _ ("The spool cannot be emptied: %s"), g_strerror (problem));
  else if (g_cancellable_set_error_if_cancelled (cancellable, &error))
    g_task_return_error (thread_task, error);
  else
    g_task_return_boolean (thread_task, TRUE);
}

/* Called in the context of the task. */
static void
purged_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  GError *error = NULL;

  g_assert (g_main_context_is_owner (g_task_get_context (task)));
  if (g_task_propagate_boolean (G_TASK (result), &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/**
 * lsobs_exporter_purge_spool_async:
 * @self: an exporter
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the purge ends
 * @user_data: data for @callback
 *
 * Removes the files in the spool, see #LsobsConfig:spool-dir, for the address, workspace and
 * project of this exporter, with any API key. Their records are lost, and no counter of #LsobsStats
 * counts them. Records that are not written to the spool yet stay. Files that are too old are
 * removed, too, and count as %LSOBS_COUNTER_SPOOL_DROPPED.
 *
 * A purge does not wait for a drain. If this process or another one is sending a file at that
 * moment, the file is removed, but its records may still arrive. They count twice then: as removed
 * here, and as %LSOBS_COUNTER_DRAINED there.
 *
 * If a purge removes the start of a run before the end of the run is written to the spool, that end
 * is an update of a run that the service does not know. The same happens if a start is older than
 * #LsobsConfig:spool-max-age.
 *
 * Can be called from any thread. @callback runs in the thread-default main context of the caller. A
 * thread of lsobs removes the files.
 *
 * Since: 0.1
 */
void
lsobs_exporter_purge_spool_async (LsobsExporter *self,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  g_autoptr (GTask) thread_task = NULL;

  g_return_if_fail (LSOBS_IS_EXPORTER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = new_task (self, lsobs_exporter_purge_spool_async, cancellable, callback, user_data);
  if (task == NULL)
    return;
  g_task_set_task_data (task, g_new0 (guint, 1), g_free);
  g_task_set_check_cancellable (task, FALSE);
  thread_task = g_task_new (NULL, NULL, purged_cb, g_object_ref (task));
  g_task_set_source_tag (thread_task, lsobs_exporter_purge_spool_async);
  g_task_set_task_data (thread_task, task, NULL);
  _lsobs_fork_guard_run_task (thread_task, purge_in_thread);
}

/**
 * lsobs_exporter_purge_spool_finish:
 * @self: an exporter
 * @result: the result that @callback of lsobs_exporter_purge_spool_async() was called with
 * @n_removed: (out) (optional): return location for the number of files that were removed; it is
 *   always set
 * @error: return location for a #GError, or %NULL
 *
 * Finishes lsobs_exporter_purge_spool_async(). If it fails, @n_removed is the number of files that
 * were removed before the error. It includes files that were being sent, and may have arrived. It
 * does not include files that were too old.
 *
 * Fails with %LSOBS_ERROR_INVALID_CONFIG if there is no spool, with a code of %G_IO_ERROR if a file
 * cannot be removed, or with %G_IO_ERROR_CANCELLED.
 *
 * Returns: %TRUE if all files were removed
 *
 * Since: 0.1
 */
gboolean
lsobs_exporter_purge_spool_finish (LsobsExporter *self,
                                   GAsyncResult *result,
                                   guint *n_removed,
                                   GError **error)
{
  guint *n;

  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, lsobs_exporter_purge_spool_async), FALSE);

  n = g_task_get_task_data (G_TASK (result));
  if (n_removed != NULL)
    *n_removed = n != NULL ? *n : 0;
  return g_task_propagate_boolean (G_TASK (result), error);
}
