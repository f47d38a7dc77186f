/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/api/lsobs-run-context-private.h"
#include "lsobs/api/lsobs-run-private.h"

/**
 * SECTION:lsobs-run-context
 * @title: The current run
 * @short_description: how runs find their parent
 * @include: lsobs/lsobs.h
 *
 * Each thread has a stack of runs. lsobs_observer_start_nested_run() starts a run
 * below the innermost of them, so that functions which trace themselves need not
 * hand runs to each other:
 *
 * |[<!-- language="C" -->
 * static char *
 * look_up (LsobsObserver *observer,
 *          const char    *word)
 * {
 *   g_autoptr(LsobsRun) run = lsobs_observer_start_nested_run (observer, "look-up",
 *                                                              LSOBS_RUN_TYPE_TOOL, NULL);
 *   g_autoptr(LsobsRunPusher) pusher = lsobs_run_pusher_new (run);
 *   char *meaning = g_utf8_casefold (word, -1);  // what this traced would be below "look-up"
 *
 *   lsobs_run_end (run, NULL);
 *   return meaning;
 * }
 * ]|
 *
 * A run is the current one from its push to its pop, and that has nothing to do with
 * its end: one that has ended still takes children, as in lsobs_run_start_child().
 *
 * # A task in a thread
 *
 * Other threads have other stacks. A run gets into the thread of a #GTask with the task,
 * and becomes the current one there for as long as the function lasts:
 *
 * |[<!-- language="C" -->
 * static void
 * read_in_thread (GTask        *task,
 *                 gpointer      file,
 *                 gpointer      task_data,
 *                 GCancellable *cancellable)
 * {
 *   g_autoptr(LsobsRunPusher) pusher = lsobs_run_pusher_new (lsobs_task_get_run (task));
 *   g_autoptr(LsobsRun) run = lsobs_observer_start_nested_run (observer, "read",
 *                                                              LSOBS_RUN_TYPE_TOOL, NULL);
 *   GError *error = NULL;
 *   GBytes *bytes = g_file_load_bytes (file, cancellable, NULL, &error);
 *
 *   if (bytes == NULL)
 *     {
 *       lsobs_run_fail (run, error);
 *       g_task_return_error (task, error);
 *       return;
 *     }
 *   lsobs_run_end (run, NULL);
 *   g_task_return_pointer (task, bytes, (GDestroyNotify) g_bytes_unref);
 * }
 *
 * static void
 * read_async (GFile               *file,
 *             GAsyncReadyCallback  callback,
 *             gpointer             user_data)
 * {
 *   g_autoptr(GTask) task = g_task_new (file, NULL, callback, user_data);
 *
 *   lsobs_task_set_run (task, lsobs_run_get_thread_default ());
 *   g_task_run_in_thread (task, read_in_thread);
 * }
 * ]|
 *
 * # A task in the main loop
 *
 * Between the steps of an asynchronous function the main loop does other things in the
 * same thread. A run that is pushed in one step and popped in a later one would be the
 * current run of all of these, and two such functions at a time would pop each other's
 * runs. So push it in each step, and pop it before the step returns, or calls the
 * callback of somebody else, as g_task_return_pointer() may do. The task of the function
 * keeps it in between:
 *
 * |[<!-- language="C" -->
 * static void
 * loaded_cb (GObject      *file,
 *            GAsyncResult *result,
 *            gpointer      user_data)
 * {
 *   g_autoptr(GTask) task = G_TASK (user_data);
 *   LsobsRun *run = lsobs_task_get_run (task);
 *   GError *error = NULL;
 *   GBytes *bytes;
 *
 *   lsobs_run_push_thread_default (run);
 *   bytes = g_file_load_bytes_finish (G_FILE (file), result, NULL, &error);
 *   lsobs_run_pop_thread_default (run);          // what was traced since is below "load"
 *   if (bytes == NULL)
 *     {
 *       lsobs_run_fail (run, error);
 *       g_task_return_error (task, error);
 *       return;
 *     }
 *   lsobs_run_end (run, NULL);
 *   g_task_return_pointer (task, bytes, (GDestroyNotify) g_bytes_unref);
 * }
 *
 * static void
 * load_async (GFile               *file,
 *             GAsyncReadyCallback  callback,
 *             gpointer             user_data)
 * {
 *   GTask *task = g_task_new (file, NULL, callback, user_data);
 *   g_autoptr(LsobsRun) run = lsobs_observer_start_nested_run (observer, "load",
 *                                                              LSOBS_RUN_TYPE_TOOL, NULL);
 *
 *   lsobs_task_set_run (task, run);
 *   g_file_load_bytes_async (file, NULL, loaded_cb, task);
 * }
 * ]|
 *
 * # Vala
 *
 * In Vala a lambda is the work of a run, which ends with it, or fails with what it
 * throws:
 *
 * |[
 * observer.start_nested_run ("answer", Lsobs.RunType.CHAIN, question).wrap (run => {
 *   run.end (think (question));
 * });
 * ]|
 *
 * `var pusher = new Lsobs.RunPusher (run);` does no more than push, and pops at the end of
 * its block. Neither may have a `yield` in it, which returns to the main loop.
 *
 * # Forks
 *
 * After a fork(), the child has the stack of the thread that has forked. What it starts
 * below a run of its parent process is in the trace of that.
 */

/* The key of the object data in which a GTask keeps its run. */
#define TASK_RUN_KEY "lsobs-task-run"

/* An entry of a thread's stack. */
struct _LsobsRunPusher
{
  LsobsRun *run;         /* (owned) (nullable) %NULL hides the runs below */
  LsobsRunPusher *below; /* (owned) (nullable) the entry that was pushed before */
};

static void free_stack (gpointer data);

/* The entry that this thread pushed last. Entries that are never popped are freed when the thread
 * ends. */
static GPrivate innermost = G_PRIVATE_INIT (free_stack);

/* Returns: (transfer full) (nullable): the entry below */
static LsobsRunPusher *
free_entry (LsobsRunPusher *entry)
{
  LsobsRunPusher *below = entry->below;

  g_clear_pointer (&entry->run, lsobs_run_unref);
  g_free (entry);
  return below;
}

static void
free_stack (gpointer data)
{
  LsobsRunPusher *entry = data;

  while (entry != NULL)
    entry = free_entry (entry);
}

/* Takes the entry off the stack before it drops the run: that may run code of the program. */
static void
pop (LsobsRunPusher *entry)
{
  g_private_set (&innermost, entry->below);
  free_entry (entry);
}

/* Returns: (transfer none) (nullable): the run that this thread pushed last, of those of @exporter and
 *   of others that its observer has had */
LsobsRun *
_lsobs_run_context_find (LsobsExporter *exporter)
{
  for (LsobsRunPusher *entry = g_private_get (&innermost); entry != NULL && entry->run != NULL;
       entry = entry->below)
    if (_lsobs_exporter_peek_lineage (entry->run->exporter) ==
        _lsobs_exporter_peek_lineage (exporter))
      return entry->run;
  return NULL;
}

/**
 * lsobs_run_push_thread_default:
 * @self: a run
 *
 * Makes @self the current run of this thread, until it is popped. The thread keeps a
 * reference, which is dropped at its end if it never gets there. In C,
 * lsobs_run_pusher_new() does the same with a pop that cannot be forgotten.
 *
 * Since: 0.1
 */
void
lsobs_run_push_thread_default (LsobsRun *self)
{
  g_return_if_fail (self != NULL);

  lsobs_run_pusher_new (self);
}

/**
 * lsobs_run_pop_thread_default:
 * @self: the run that was pushed last
 *
 * Takes @self off again, in the thread that has pushed it. What was pushed last is popped
 * first; to pop anything else is a mistake, and does nothing.
 *
 * Since: 0.1
 */
void
lsobs_run_pop_thread_default (LsobsRun *self)
{
  LsobsRunPusher *entry = g_private_get (&innermost);

  g_return_if_fail (self != NULL);
  g_return_if_fail (entry != NULL && entry->run == self);

  pop (entry);
}

/**
 * lsobs_run_get_thread_default:
 *
 * Gets the current run of this thread, whichever observer it is of.
 *
 * Returns: (transfer none) (nullable): the run that was pushed last and is still there;
 *   its reference is the thread's
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_run_get_thread_default (void)
{
  LsobsRunPusher *entry = g_private_get (&innermost);

  return entry != NULL ? entry->run : NULL;
}

/**
 * lsobs_run_ref_thread_default:
 *
 * Gets the current run of this thread, to keep it for later or for another thread.
 *
 * Returns: (transfer full) (nullable): the run that was pushed last and is still there
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_run_ref_thread_default (void)
{
  LsobsRun *run = lsobs_run_get_thread_default ();

  return run != NULL ? lsobs_run_ref (run) : NULL;
}

/**
 * lsobs_run_pusher_new: (skip)
 * @run: (nullable): a run
 *
 * Makes @run the current run of this thread, until the pusher is freed:
 *
 * |[<!-- language="C" -->
 * {
 *   g_autoptr(LsobsRunPusher) pusher = lsobs_run_pusher_new (run);
 *   g_autoptr(LsobsRun) child = lsobs_observer_start_nested_run (observer, "child",
 *                                                                LSOBS_RUN_TYPE_CHAIN, NULL);
 *   lsobs_run_end (child, NULL);
 * }
 * ]|
 *
 * With %NULL there is no current run until then: what is started is the root of a trace.
 * That is also right for a task that has none, see lsobs_task_get_run().
 *
 * Returns: (transfer full): a pusher, to be freed by lsobs_run_pusher_free() in the same
 *   thread
 *
 * Since: 0.1
 */
LsobsRunPusher *
lsobs_run_pusher_new (LsobsRun *run)
{
  LsobsRunPusher *self = g_new (LsobsRunPusher, 1);

  self->run = run != NULL ? lsobs_run_ref (run) : NULL;
  self->below = g_private_get (&innermost);
  g_private_set (&innermost, self);
  return self;
}

/**
 * lsobs_run_pusher_free: (skip)
 * @self: (transfer full): what was pushed last
 *
 * Takes the run off again, in the thread that has pushed it. What was pushed last is
 * freed first; to free anything else is a mistake, and does nothing.
 *
 * Since: 0.1
 */
void
lsobs_run_pusher_free (LsobsRunPusher *self)
{
  g_return_if_fail (self != NULL);
  /* Compare only the pointer: a wrong one may point to freed memory. */
  g_return_if_fail (self == g_private_get (&innermost));

  pop (self);
}

/**
 * lsobs_run_wrap:
 * @self: a run
 * @func: (scope call) (closure user_data): its work
 * @user_data: data for @func
 * @error: return location for a #GError, or %NULL
 *
 * Calls @func with @self as the current run of this thread, and then ends the run, or
 * fails it with the error of @func. That has only to end the run where there are outputs:
 * one that has ended by then stays as it is.
 *
 * Returns: %FALSE if @func has set an error, which is passed on
 *
 * Since: 0.1
 */
gboolean
lsobs_run_wrap (LsobsRun *self, LsobsRunFunc func, gpointer user_data, GError **error)
{
  g_autoptr (LsobsRunPusher) pusher = NULL;
  GError *problem = NULL;
  gboolean is_running;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (func != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  pusher = lsobs_run_pusher_new (self);
  func (self, user_data, &problem);
  is_running = lsobs_run_get_status (self) == LSOBS_RUN_STATUS_RUNNING;
  if (problem == NULL)
    {
      if (is_running)
        lsobs_run_end (self, NULL);
      return TRUE;
    }
  if (is_running)
    lsobs_run_fail (self, problem);
  g_propagate_error (error, problem);
  return FALSE;
}

/**
 * lsobs_task_set_run:
 * @task: a #GTask
 * @run: (nullable): a run; lsobs_run_get_thread_default() for the current one of this
 *   thread
 *
 * Lets @task keep the run that it belongs to, for whoever goes on with the task: another
 * thread, or a later callback. The run is released with the task, and not ended by it.
 *
 * Since: 0.1
 */
void
lsobs_task_set_run (GTask *task, LsobsRun *run)
{
  g_return_if_fail (G_IS_TASK (task));

  g_object_set_data_full (G_OBJECT (task), TASK_RUN_KEY, run != NULL ? lsobs_run_ref (run) : NULL,
                          run != NULL ? (GDestroyNotify) lsobs_run_unref : NULL);
}

/**
 * lsobs_task_get_run:
 * @task: a #GTask
 *
 * Gets the run that @task belongs to. It is not the current run by that: push it, and pop
 * it before returning to the main loop.
 *
 * Returns: (transfer none) (nullable): what lsobs_task_set_run() has set
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_task_get_run (GTask *task)
{
  g_return_val_if_fail (G_IS_TASK (task), NULL);

  return g_object_get_data (G_OBJECT (task), TASK_RUN_KEY);
}
