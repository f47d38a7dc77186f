/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/api/lsobs-binding-hook-private.h"
#include "lsobs/api/lsobs-run-context-private.h"
#include "lsobs/api/lsobs-run-private.h"
#include "lsobs/core/lsobs-override-watch-private.h"

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
 * # Pops and ends
 *
 * A pop takes off the entry that its push has made, wherever in the stack that is. Functions
 * that take turns may pop in another order than they pushed: none pops the run of another.
 *
 * A run that has ended is never the current one, and takes no children by itself. What is
 * started then is below the nearest run in the stack that has not ended, and the root of a
 * trace if there is none: it is the work of what goes on, not of what is done. A program that
 * needs a child of an ended run calls lsobs_run_start_child().
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
 * current run of all of these. So push it in each step, and pop it before the step returns,
 * or calls the callback of somebody else, as g_task_return_pointer() may do. The task of the
 * function keeps it in between:
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
 * its block. Neither is for a function with `yield` in it, which returns to the main loop:
 * there, a run that stays pushed would be the current one of whatever comes next, and
 * `wrap ()` around `think.begin ()` would end the run before its work is done. Such a function
 * hands its run on, and ends it itself:
 *
 * |[
 * async Json.Node answer (Lsobs.Run parent, Json.Node question) throws Error {
 *   var run = parent.start_child ("answer", Lsobs.RunType.CHAIN, question);
 *   try {
 *     var answer = yield think (run, question);
 *     run.end (answer);
 *     return answer;
 *   } catch (Error e) {
 *     run.fail (e);
 *     throw e;
 *   }
 * }
 * ]|
 *
 * `examples/model-call.vala` is a program that does so.
 *
 * # Forks
 *
 * After a fork(), the child has the stack of the thread that has forked. What it starts
 * below a run of its parent process is in the trace of that.
 */

/* The key of the object data in which a GTask keeps its run. */
#define TASK_RUN_KEY "lsobs-task-run"

/* An entry of a thread's stack. The stack has a reference to it, and so has the program, if it is a
 * pusher: each may be gone first. */
struct _LsobsRunPusher
{
  gatomicrefcount ref_count;
  LsobsRun *run; /* (owned) (nullable) %NULL hides the runs below; only the thread of the stack
                          * uses it */
  LsobsRunPusher *below; /* (owned) (nullable) the entry that was pushed before; as @run */
  int is_popped; /* (atomic) another thread has freed the pusher: the thread of the stack takes
                          * it off when it uses the stack next */
  gsize serial;  /* how many entries were pushed up to this one, in all threads */
};

static void free_stack (gpointer data);

/* The entry that this thread pushed last. Entries that are never popped are freed when the thread
 * ends. */
static GPrivate innermost = G_PRIVATE_INIT (free_stack);

static gsize n_pushed; /* (atomic) the serial of the entry that was pushed last */

static void
unref_entry (LsobsRunPusher *entry)
{
  if (g_atomic_ref_count_dec (&entry->ref_count))
    g_free (entry);
}

/* Drops the stack's reference to an entry that is off the stack. This may run code of the program,
 * which may push and pop. */
static void
release_entry (LsobsRunPusher *entry)
{
  LsobsRun *run = g_steal_pointer (&entry->run);

  entry->below = NULL;
  unref_entry (entry);
  if (run != NULL)
    lsobs_run_unref (run);
}

static void
free_stack (gpointer data)
{
  LsobsRunPusher *entry = data;

  while (entry != NULL)
    {
      LsobsRunPusher *below = entry->below;

      release_entry (entry);
      entry = below;
    }
}

/* Takes @entry off the stack of this thread.
 * @above: (nullable): the entry above it; NULL if @entry is the innermost */
static void
take_off (LsobsRunPusher *entry, LsobsRunPusher *above)
{
  if (above != NULL)
    above->below = entry->below;
  else
    g_private_set (&innermost, entry->below);
  release_entry (entry);
}

/* Takes off what other threads have popped. */
static void
take_off_popped (void)
{
  LsobsRunPusher *above = NULL;
  LsobsRunPusher *entry = g_private_get (&innermost);

  while (entry != NULL)
    {
      if (!g_atomic_int_get (&entry->is_popped))
        {
          above = entry;
          entry = entry->below;
          continue;
        }
      take_off (entry, above);
      /* The code of the program may have changed the stack. */
      above = NULL;
      entry = g_private_get (&innermost);
    }
}

static gboolean
is_running (LsobsRun *run)
{
  return lsobs_run_get_status (run) == LSOBS_RUN_STATUS_RUNNING;
}

/* Whether the run is one of the exporter, or of others that its observer has had.
 * @exporter: (nullable): NULL for any */
static gboolean
is_of (LsobsRun *run, LsobsExporter *exporter)
{
  return exporter == NULL ||
         _lsobs_exporter_peek_lineage (run->exporter) == _lsobs_exporter_peek_lineage (exporter);
}

/* Returns: (transfer none) (nullable): the entry that this thread pushed last of those that are for
 *   @exporter: with a run that has not ended, of it or of others that its observer has had, or with no
 *   run, which hides those below.
 * @exporter: (nullable): NULL for any */
static LsobsRunPusher *
find_entry (LsobsExporter *exporter)
{
  LsobsRunPusher *entry;

  take_off_popped ();
  for (entry = g_private_get (&innermost); entry != NULL && entry->run != NULL;
       entry = entry->below)
    if (is_of (entry->run, exporter) && is_running (entry->run))
      break;
  return entry;
}

/* Asks the function of a binding. A run that is sampled counts only for its own exporter, and others that
 * its observer has had; one that is not has everything below it left out, whichever exporter it is of.
 * One that has ended counts, as in lsobs_run_start_child(): it is the binding that knows whether it is meant.
 * @exporter: (nullable)
 * Returns: (transfer full) (nullable) */
static LsobsRun *
ask_hook (LsobsExporter *exporter, gsize serial)
{
  LsobsBindingHook *hook = _lsobs_binding_hook_enter (LSOBS_BINDING_HOOK_CONTEXT);
  LsobsRun *run;

  if (hook == NULL)
    return NULL;
  run = ((LsobsRunContextFunc) hook->func) (exporter, serial, hook->user_data);
  _lsobs_binding_hook_leave (hook);
  if (run != NULL && !is_of (run, exporter) && lsobs_run_is_sampled (run))
    g_clear_pointer (&run, lsobs_run_unref);
  return run;
}

/* Finds the parent of what this thread starts by itself.
 * @exporter: (nullable): that of the new run; %NULL for any
 * Returns: (transfer full) (nullable) */
LsobsRun *
_lsobs_run_context_ref (LsobsExporter *exporter)
{
  LsobsRunPusher *entry = find_entry (exporter);
  g_autoptr (LsobsRun) pushed =
      entry != NULL && entry->run != NULL ? lsobs_run_ref (entry->run) : NULL;
  /* The function of the binding may change the stack. */
  LsobsRun *run = ask_hook (exporter, entry != NULL ? entry->serial : 0);

  return run != NULL ? run : g_steal_pointer (&pushed);
}

/* Returns: (transfer none): the new entry, which the stack owns */
static LsobsRunPusher *
push (LsobsRun *run)
{
  LsobsRunPusher *entry = g_new0 (LsobsRunPusher, 1);

  take_off_popped ();
  g_atomic_ref_count_init (&entry->ref_count);
  entry->run = run != NULL ? lsobs_run_ref (run) : NULL;
  entry->below = g_private_get (&innermost);
  entry->serial = (gsize) g_atomic_pointer_add (&n_pushed, 1) + 1;
  g_private_set (&innermost, entry);
  return entry;
}

/**
 * lsobs_run_push_thread_default:
 * @self: a run
 *
 * Makes @self the current run of this thread, until it is popped or ends. The thread keeps a
 * reference, which is dropped at its end if it never gets there. In C,
 * lsobs_run_pusher_new() does the same with a pop that cannot be forgotten.
 *
 * Since: 0.1
 */
void
lsobs_run_push_thread_default (LsobsRun *self)
{
  g_return_if_fail (self != NULL);

  push (self);
}

/**
 * lsobs_run_pop_thread_default:
 * @self: a run that this thread has pushed
 *
 * Takes @self off again, in the thread that has pushed it. The order does not matter: what was
 * pushed after @self stays. Of a run that was pushed several times, the last push is undone.
 * To pop what this thread has not pushed is a mistake, and does nothing.
 *
 * Since: 0.1
 */
void
lsobs_run_pop_thread_default (LsobsRun *self)
{
  LsobsRunPusher *above = NULL;
  LsobsRunPusher *entry;

  g_return_if_fail (self != NULL);

  take_off_popped ();
  for (entry = g_private_get (&innermost); entry != NULL && entry->run != self;
       entry = entry->below)
    above = entry;
  g_return_if_fail (entry != NULL);

  take_off (entry, above);
}

/**
 * lsobs_run_get_thread_default:
 *
 * Gets the current run of this thread, whichever observer it is of.
 *
 * Returns: (transfer none) (nullable): the run that was pushed last, is still there, and has
 *   not ended; its reference is the thread's
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_run_get_thread_default (void)
{
  LsobsRunPusher *entry = find_entry (NULL);

  return entry != NULL ? entry->run : NULL;
}

/**
 * lsobs_run_ref_thread_default:
 *
 * Gets the current run of this thread, to keep it for later or for another thread: what the
 * function of lsobs_run_set_context_func() tells, or else the run that was pushed last.
 *
 * Returns: (transfer full) (nullable): the current run, whichever observer it is of; of the runs that were
 *   pushed, one that has not ended
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_run_ref_thread_default (void)
{
  return _lsobs_run_context_ref (NULL);
}

/**
 * lsobs_run_set_context_func:
 * @func: (nullable) (scope notified) (closure user_data) (destroy notify): what knows the
 *   current run of a thread, or %NULL
 * @user_data: data for @func
 * @notify: (nullable): frees @user_data, when no thread is in @func any more
 *
 * Lets the binding of a language tell which run is the current one of a thread, for languages
 * with several flows of control in a thread, such as coroutines, which the stack of the thread
 * cannot follow. lsobs_observer_start_nested_run(), lsobs_model_call_new(),
 * lsobs_observer_trace_message() and lsobs_run_ref_thread_default() ask @func first.
 * lsobs_run_get_thread_default() does not. There is one function in a process, which
 * replaces that of an earlier call.
 *
 * @func is called in any thread that starts a run, while no lock of lsobs is held. It is not
 * called when the process ends, see lsobs_forbid_callbacks_at_exit(). In a process made by
 * fork(), the function stays.
 *
 * May be called from any thread.
 *
 * Since: 0.1
 */
void
lsobs_run_set_context_func (LsobsRunContextFunc func, gpointer user_data, GDestroyNotify notify)
{
  /* It is the override for Python that calls this. */
  if (func != NULL)
    _lsobs_override_watch_found ();
  _lsobs_binding_hook_set (LSOBS_BINDING_HOOK_CONTEXT, G_CALLBACK (func), user_data, notify);
}

/**
 * lsobs_run_set_root_context_func:
 * @func: (nullable) (scope notified) (closure user_data) (destroy notify): what knows how a root
 *   starts in a thread, or %NULL
 * @user_data: data for @func
 * @notify: (nullable): frees @user_data, when no thread is in @func any more
 *
 * Lets the binding of a language tell the project of a trace where its root starts, or leave the
 * trace out. @func is asked for each root, whichever function starts it, among them
 * lsobs_observer_begin_invocation(), lsobs_model_call_new() and the functions of
 * #LsobsGraphObserver. A project that the program gives, as in
 * lsobs_observer_start_run_in_project(), and that of a parent in another process come before the one
 * that @func tells. There is one function in a process, which replaces that of an earlier call.
 *
 * @func is called in any thread that starts a root, while no lock of lsobs is held. It is not
 * called when the process ends, see lsobs_forbid_callbacks_at_exit(). In a process made by
 * fork(), the function stays.
 *
 * May be called from any thread.
 *
 * Since: 0.1
 */
void
lsobs_run_set_root_context_func (LsobsRootContextFunc func,
                                 gpointer user_data,
                                 GDestroyNotify notify)
{
  _lsobs_binding_hook_set (LSOBS_BINDING_HOOK_ROOT, G_CALLBACK (func), user_data, notify);
}

/**
 * lsobs_run_get_context_serial:
 *
 * Gets how many runs have been pushed so far in this process, in all threads. A binding keeps
 * the number with a run that it makes the current one: what is pushed after that has a higher
 * one, see #LsobsRunContextFunc.
 *
 * Returns: a number that only grows
 *
 * Since: 0.1
 */
guint64
lsobs_run_get_context_serial (void)
{
  return GPOINTER_TO_SIZE (g_atomic_pointer_get (&n_pushed));
}

/**
 * lsobs_run_pusher_new: (skip)
 * @run: (nullable): a run
 *
 * Makes @run the current run of this thread, until the pusher is freed or the run ends:
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
 * Returns: (transfer full): a pusher, to be freed by lsobs_run_pusher_free()
 *
 * Since: 0.1
 */
LsobsRunPusher *
lsobs_run_pusher_new (LsobsRun *run)
{
  LsobsRunPusher *self = push (run);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/**
 * lsobs_run_pusher_free: (skip)
 * @self: (transfer full): a pusher
 *
 * Takes off the run that @self has pushed, and frees @self. The order does not matter: what was
 * pushed after it stays. Another thread than the one that has pushed may call this; the run is
 * not the current one from then on, and the thread that has pushed it drops its reference when
 * it asks for its current run next, or ends.
 *
 * Since: 0.1
 */
void
lsobs_run_pusher_free (LsobsRunPusher *self)
{
  LsobsRunPusher *above = NULL;
  LsobsRunPusher *entry;

  g_return_if_fail (self != NULL);

  for (entry = g_private_get (&innermost); entry != NULL && entry != self; entry = entry->below)
    above = entry;
  if (entry != NULL)
    take_off (entry, above);
  else
    g_atomic_int_set (&self->is_popped, TRUE);
  unref_entry (self);
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
 * @func has done its work when it returns. One that only begins something, which the main loop
 * goes on with, such as an asynchronous function of Vala's by `begin ()`, needs no wrap: that
 * function starts and ends its run itself. A run that is used after lsobs_run_wrap() has ended
 * it is told in the log, once in a process.
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
  gboolean ends_here;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (func != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  pusher = lsobs_run_pusher_new (self);
  func (self, user_data, &problem);
  ends_here = is_running (self);
  if (ends_here && problem == NULL)
    lsobs_run_end (self, NULL);
  else if (ends_here)
    lsobs_run_fail (self, problem);
  if (ends_here)
    g_atomic_int_set (&self->is_ended_by_wrap, TRUE);
  if (problem == NULL)
    return TRUE;
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
