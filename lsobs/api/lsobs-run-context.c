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
 * Each thread has a stack of runs. lsobs_observer_start_nested_run() starts a run below the
 * innermost run of the stack, so that traced functions need no run as a parameter:
 *
 * |[<!-- language="C" -->
 * static char *
 * look_up (LsobsObserver *observer,
 *          const char    *word)
 * {
 *   g_autoptr(LsobsRun) run = lsobs_observer_start_nested_run (observer, "look-up",
 *                                                              LSOBS_RUN_TYPE_TOOL, NULL);
 *   g_autoptr(LsobsRunPusher) pusher = lsobs_run_pusher_new (run);
 *   char *meaning = g_utf8_casefold (word, -1);  // what this traces is below "look-up"
 *
 *   lsobs_run_end (run, NULL);
 *   return meaning;
 * }
 * ]|
 *
 * # Pops and ends
 *
 * A pop removes the entry that its push has added, at any position in the stack. Functions that run
 * alternately may therefore pop in another order than they pushed: none removes the run of another.
 *
 * A run that has ended is never the current run. A new run is then started below the nearest run in
 * the stack that has not ended; if there is none, it is the root of a trace. To start a child of a
 * run that has ended, call lsobs_run_start_child().
 *
 * # A task in a thread
 *
 * Each thread has its own stack. To use a run in the thread of a #GTask, attach it to the task, and
 * push it for the time of the function:
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
 * Between the steps of an asynchronous function, the main loop runs other code in the same thread.
 * A run that is pushed in one step and popped in a later one would be the current run of that code,
 * too. So push the run in each step. Pop it before the step returns, or calls a callback of other
 * code, as g_task_return_pointer() can do. The task of the function keeps the run between the
 * steps:
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
 * In Vala, `wrap ()` takes a lambda. The run ends when the lambda returns, or fails with the error
 * that it throws:
 *
 * |[
 * observer.start_nested_run ("answer", Lsobs.RunType.CHAIN, question).wrap (run => {
 *   run.end (think (question));
 * });
 * ]|
 *
 * `var pusher = new Lsobs.RunPusher (run);` only pushes the run, and pops it at the end of its
 * block. Use neither in a function with `yield`, which returns to the main loop: the pushed run
 * would be the current run of other code, and `wrap ()` around `think.begin ()` would end the run
 * before its work is done. Such a function takes its parent as a parameter, and ends its run
 * itself:
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
 * See `examples/model-call.vala` for a program that does this.
 *
 * # Forks
 *
 * After a fork(), the child process has the stack of the thread that called fork(). A run that it
 * starts below a run of its parent process belongs to the trace of that run.
 */

/* The key of the object data in which a GTask keeps its run. */
#define TASK_RUN_KEY "lsobs-task-run"

/* An entry of a thread's stack. The stack has a reference to it, and the program has another one if
 * it is a pusher. Either of them may be freed first. */
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
 * Makes @self the current run of this thread, until it is popped or ends. The thread holds a
 * reference until then, or until the thread ends. In C, lsobs_run_pusher_new() also pops the run
 * automatically.
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
 * Removes @self from the stack of this thread, in any order: runs that were pushed after @self
 * stay. If @self was pushed several times, the last push is undone. It is an error of the program
 * to pop a run that this thread has not pushed; the call does nothing then.
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
 * Gets the current run of this thread, of any observer. It is the last run that was pushed, was not
 * popped, and has not ended.
 *
 * Returns: (transfer none) (nullable): the current run, which the thread owns, or %NULL if there is
 *   none
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
 * Gets the current run of this thread, of any observer, for example for another thread. It is the
 * run that the function of lsobs_run_set_context_func() returns; without one, it is that of
 * lsobs_run_get_thread_default().
 *
 * Returns: (transfer full) (nullable): the current run, or %NULL if there is none
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
 * @func: (nullable) (scope notified) (closure user_data) (destroy notify): the function that
 *   returns the current run of a thread, or %NULL
 * @user_data: the data for @func
 * @notify: (nullable): the function that frees @user_data; it is called when no thread is in @func
 *   any more
 *
 * Sets the function that returns the current run of a thread. It is for the bindings of languages
 * that have several flows of control in a thread, such as coroutines: the stack of the thread
 * cannot follow these. lsobs_observer_start_nested_run(), lsobs_model_call_new(),
 * lsobs_observer_trace_message() and lsobs_run_ref_thread_default() call @func first;
 * lsobs_run_get_thread_default() does not. A process has one such function; a later call replaces
 * it.
 *
 * @func is called in each thread that starts a run, without a lock of lsobs. It is not called at
 * the end of the process, see lsobs_forbid_callbacks_at_exit(). A child process of fork() keeps the
 * function.
 *
 * Can be called from any thread.
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
 * @func: (nullable) (scope notified) (closure user_data) (destroy notify): the function that
 *   returns the project for a root in a thread, or %NULL
 * @user_data: the data for @func
 * @notify: (nullable): the function that frees @user_data; it is called when no thread is in @func
 *   any more
 *
 * Sets the function that decides, when a root run starts, about the project of its trace, and
 * whether the trace is left out. It is for the bindings of languages. All functions that start a
 * root run call @func, also lsobs_observer_begin_invocation(), lsobs_model_call_new() and the
 * functions of #LsobsGraphObserver. Two projects take precedence over the result of @func: one that
 * the program sets, as with lsobs_observer_start_run_in_project(), and that of a parent in another
 * process. A process has one such function; a later call replaces it.
 *
 * @func is called in each thread that starts a root run, without a lock of lsobs. It is not called
 * at the end of the process, see lsobs_forbid_callbacks_at_exit(). A child process of fork() keeps
 * the function.
 *
 * Can be called from any thread.
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
 * Gets how often runs have been pushed in this process so far, in all threads. A binding stores the
 * number when it makes a run the current one. A later push has a higher number, see
 * #LsobsRunContextFunc.
 *
 * Returns: the number of pushes, which only grows
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
 * With %NULL, there is no current run until then: a new run is the root of a trace. So @run can be
 * the result of lsobs_task_get_run() for a task without a run.
 *
 * Returns: (transfer full): a new pusher; free it with lsobs_run_pusher_free()
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
 * Pops the run that @self has pushed, in any order, and frees @self: runs that were pushed later
 * stay. Another thread than the one that pushed the run may call this function. The run is then not
 * the current run any more; the thread that pushed it drops its reference when it needs its current
 * run the next time, or ends.
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
 * @func: (scope call) (closure user_data): the function to call
 * @user_data: the data for @func
 * @error: return location for a #GError, or %NULL
 *
 * Calls @func with @self as the current run of this thread. Then it ends the run, or fails it with
 * the error of @func. @func can end the run itself to set outputs; lsobs_run_wrap() does not change
 * a run that has ended.
 *
 * Do not use this function if @func only starts asynchronous work, such as an asynchronous function
 * of Vala with `begin ()`: that function must start and end its run itself. If a run is used after
 * lsobs_run_wrap() has ended it, lsobs logs this once in a process.
 *
 * Returns: %FALSE if @func has set an error, which is set in @error
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
 * @run: (nullable): the run, such as that of lsobs_run_get_thread_default(), or %NULL
 *
 * Attaches @run to @task, for another thread or a later callback. The task holds a reference to the
 * run until it is freed, and does not end the run.
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
 * Gets the run that lsobs_task_set_run() has attached to @task. This does not make it the current
 * run: push it, and pop it before you return to the main loop.
 *
 * Returns: (transfer none) (nullable): the run, or %NULL if there is none
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_task_get_run (GTask *task)
{
  g_return_val_if_fail (G_IS_TASK (task), NULL);

  return g_object_get_data (G_OBJECT (task), TASK_RUN_KEY);
}
