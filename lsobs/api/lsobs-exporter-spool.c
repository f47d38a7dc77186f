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
 * @callback: (scope async): called when every file was looked at
 * @user_data: data for @callback
 *
 * Sends what waits in the spool, see #LsobsConfig:spool-dir: each file that a process with the same
 * address, workspace, project and key has written, the oldest one first, with a key and retries of
 * this exporter. An exporter does so by itself when it starts and when the service is back; this is
 * for a program that wants to know what has become of it. If another process, or this one, sends
 * the spool already, this waits for that.
 *
 * A file is removed when the service has taken what is in it, or has had it already. When the
 * service refuses a file of several records, its halves are sent alone, until the one to blame
 * stands alone; that one is lost, and counted as %LSOBS_COUNTER_SPOOL_DROPPED.
 *
 * When the service takes nothing at all, or is not there, this ends early. With replicas, it goes
 * on with the next one, and fails with the first error at the end.
 *
 * May be called from any thread. @callback runs in the thread-default main context of the caller,
 * where the requests are made; files are read and removed in threads of lsobs. To cancel ends it
 * between two files, or a request under way, whose file stays.
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
 * @result: what the callback was given
 * @n_delivered: (out) (optional): return location for how many files were delivered, and removed
 * @n_failed: (out) (optional): return location for how many files were not delivered: they stay, or
 *   the service has refused all that was in them
 * @error: return location for a #GError, or %NULL
 *
 * Ends what lsobs_exporter_drain_spool_async() began. Both numbers are right in any case.
 *
 * Fails with %LSOBS_ERROR_INVALID_CONFIG when there is no spool, with a code of %G_IO_ERROR when it
 * cannot be read, with another code of %LSOBS_ERROR when the service takes nothing, or with
 * %G_IO_ERROR_CANCELLED.
 *
 * Returns: %TRUE if every file was looked at
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
 * @callback: (scope async): called when the files are removed
 * @user_data: data for @callback
 *
 * Removes what waits in the spool, see #LsobsConfig:spool-dir, for the address, workspace and project
 * of this exporter, whatever the key was; it is lost, and no counter of #LsobsStats has it. What is not
 * written yet stays. Files that are too old are removed as well, and count as
 * %LSOBS_COUNTER_SPOOL_DROPPED instead.
 *
 * A purge does not wait for a drain: a file that this or another process is sending at the moment is
 * removed, and may still arrive. Then it counts twice: as removed here, and in
 * %LSOBS_COUNTER_DRAINED there.
 *
 * If the start of a run is removed before its end goes to the spool, that end is an update of a run that
 * the service does not know. The same is true of a start that is older than #LsobsConfig:spool-max-age.
 *
 * May be called from any thread. @callback runs in the thread-default main context of the caller;
 * files are removed in a thread of lsobs.
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
 * @result: what the callback was given
 * @n_removed: (out) (optional): return location for how many files were removed
 * @error: return location for a #GError, or %NULL
 *
 * Ends what lsobs_exporter_purge_spool_async() began. @n_removed is set in any case, also to how many
 * files were removed before an error. It includes those that were being sent, and may still have
 * arrived; it does not include those that were too old.
 *
 * Fails with %LSOBS_ERROR_INVALID_CONFIG when there is no spool, with a code of %G_IO_ERROR when a
 * file cannot be removed, or with %G_IO_ERROR_CANCELLED.
 *
 * Returns: %TRUE if every file was removed
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
