/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <pthread.h>
#include <signal.h>

#include <gio/gio.h>

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-lock-private.h"

/* What lsobs does about fork().
 *
 * A forked child has a copy of the memory of its parent, but only one thread: the one that has
 * called fork(). For a library with threads this has three consequences.
 *
 * The child has copies of objects that work for the parent: records that wait, connections,
 * handles of threads. If it used them, it would send the records of the parent a second time.
 * So these objects keep their epoch, see _lsobs_fork_epoch().
 *
 * A lock that another thread holds during the fork stays locked in the child forever. lsobs's
 * own locks belong to objects of an older epoch, which the child leaves alone. But a thread may
 * also hold one of GLib's locks, which the child needs. So the forking thread first brings the
 * threads to a safe place, and keeps them there during the fork. A thread that lsobs has created
 * holds its gate, a mutex, unless it polls, waits, or runs a function that takes none of GLib's
 * locks: the forking thread takes all gates. A thread of the program that pushes a record holds
 * the lock of a queue, in which GLib allocates memory: the forking thread locks all queues. It
 * takes the locks in this order: registry_lock, gates, starting_lock, queues, moment_lock.
 *
 * A thread may be started under a lock for which a thread with a closed gate waits. So the forking
 * thread takes starting_lock when it has all gates, and waits for threads to start without them.
 *
 * GTask's thread pool counts threads that do not exist in the child, see
 * _lsobs_fork_revive_tasks(). */

/* More than the number of threads that GTask's pool starts with. */
#define N_REVIVING_TASKS 12

guint _lsobs_fork_epoch_value; /* atomic */

/* The maximum time in µs that a fork waits for threads to start. A thread needs little time
 * for that. */
#define MAX_START_TIME G_USEC_PER_SEC

static GMutex registry_lock;
static GMutex starting_lock;
static GCond started_cond;
static guint n_starting;              /* guarded by starting_lock: threads without a guard yet */
static GQueue threads = G_QUEUE_INIT; /* guarded by registry_lock: LsobsForkGuard (unowned) */
static GQueue queues = G_QUEUE_INIT;  /* guarded by registry_lock: LsobsForkGuard (unowned) */

/* The innermost lock of lsobs: see _lsobs_fork_lock(). */
static GMutex moment_lock;

/* See _lsobs_fork_begin_read(). Each has a cache line of its own: all threads read the second one all
 * the time. */
static int n_reads __attribute__ ((aligned (64)));   /* atomic */
static int n_changes __attribute__ ((aligned (64))); /* atomic */

/* A change yields so often before it sleeps, for so many µs: a thread that reads may need the processor
 * of this thread, and have a lower priority. */
#define MAX_YIELDS  100
#define CHANGE_WAIT 100

/* The guard of this thread if lsobs has created the thread, else NULL. */
static __thread LsobsForkGuard *own_guard;

static void
wait_for_starting_threads (gint64 deadline)
{
  g_mutex_lock (&starting_lock);
  while (n_starting > 0)
    if (!g_cond_wait_until (&started_cond, &starting_lock, deadline))
      break;
  g_mutex_unlock (&starting_lock);
}

/* Takes registry_lock, the gates and starting_lock. */
static void
lock_threads (void)
{
  g_mutex_lock (&registry_lock);
  for (GList *l = threads.head; l != NULL; l = l->next)
    if (l->data != own_guard)
      g_mutex_lock (&((LsobsForkGuard *) l->data)->gate);
  g_mutex_lock (&starting_lock);
}

static void
unlock_threads (void)
{
  g_mutex_unlock (&starting_lock);
  for (GList *l = threads.head; l != NULL; l = l->next)
    if (l->data != own_guard)
      g_mutex_unlock (&((LsobsForkGuard *) l->data)->gate);
  g_mutex_unlock (&registry_lock);
}

/* Runs in the forking thread, which takes the locks without a check of their rank: the program may
 * fork anywhere. The gates come before the queues: a thread may need a queue
 * before it gets to a safe place. A thread that is starting has no guard yet, but may hold
 * locks of GLib. It needs registry_lock to get a guard. */
static void
before_fork_cb (void)
{
  gint64 deadline = g_get_monotonic_time () + MAX_START_TIME;

  wait_for_starting_threads (deadline);
  lock_threads ();
  while (n_starting > 0 && g_get_monotonic_time () < deadline)
    {
      unlock_threads ();
      wait_for_starting_threads (deadline);
      lock_threads ();
    }
  for (GList *l = queues.head; l != NULL; l = l->next)
    g_async_queue_lock (((LsobsForkGuard *) l->data)->queue);
  g_mutex_lock (&moment_lock);
}

/* Runs in the parent. */
static void
after_fork_cb (void)
{
  g_mutex_unlock (&moment_lock);
  for (GList *l = queues.head; l != NULL; l = l->next)
    g_async_queue_unlock (((LsobsForkGuard *) l->data)->queue);
  unlock_threads ();
}

/* Runs in the child. The guards belong to objects of the parent. */
static void
forked_cb (void)
{
  g_queue_init (&threads);
  g_queue_init (&queues);
  g_mutex_init (&registry_lock);
  g_mutex_init (&starting_lock);
  g_mutex_init (&moment_lock);
  g_cond_init (&started_cond);
  n_starting = 0;
  /* Of threads that do not exist here. */
  g_atomic_int_set (&n_reads, 0);
  g_atomic_int_set (&n_changes, 0);
  own_guard = NULL;
  g_atomic_int_inc (&_lsobs_fork_epoch_value);
}

__attribute__ ((constructor)) static void
watch_forks (void)
{
  pthread_atfork (before_fork_cb, after_fork_cb, forked_cb);
}

/* Takes a lock that is free in a forked child. Any thread may take it, for a moment: its holder
 * must not wait, and must not take another lock of lsobs. */
void
_lsobs_fork_lock (void)
{
  _lsobs_mutex_lock (&moment_lock, LSOBS_LOCK_MOMENT);
}

void
_lsobs_fork_unlock (void)
{
  _lsobs_mutex_unlock (&moment_lock, LSOBS_LOCK_MOMENT);
}

/* Lets this thread read a pointer that is changed between _lsobs_fork_begin_change() and
 * _lsobs_fork_end_change() only, and add a reference to what it points to. Nothing else may be done
 * before _lsobs_fork_end_read(). Mostly no lock is taken.
 *
 * It is free of races: this thread first counts itself, and then looks for changes; a thread that changes
 * something first counts its change, and then looks for threads that read. All four are sequentially
 * consistent. So, if this thread sees no change, each one that begins waits for it, and its change happens
 * after all that this thread reads; a change that has ended before happens before, as this thread has
 * read the count that it wrote last. If this thread sees a change, it takes the lock, which is held for
 * the change.
 *
 * A change does not wait for long: while it waits, a thread counts itself once at most, and is not held up
 * until it has counted itself out. A forked child forgets both counts. It has only the thread that forked,
 * which does not fork between the two calls; and no pointer is half changed there, as the lock is held for
 * the change.
 * Returns: for _lsobs_fork_end_read() */
gboolean
_lsobs_fork_begin_read (void)
{
  if (G_LIKELY (g_atomic_int_get (&n_changes) == 0))
    {
      g_atomic_int_inc (&n_reads);
      if (G_LIKELY (g_atomic_int_get (&n_changes) == 0))
        return TRUE;
      g_atomic_int_add (&n_reads, -1);
    }
  _lsobs_fork_lock ();
  return FALSE;
}

/* @reads_freely: what _lsobs_fork_begin_read() returned */
void
_lsobs_fork_end_read (gboolean reads_freely)
{
  if (G_LIKELY (reads_freely))
    g_atomic_int_add (&n_reads, -1);
  else
    _lsobs_fork_unlock ();
}

/* Takes the lock of _lsobs_fork_lock() while no other thread is between _lsobs_fork_begin_read() and
 * _lsobs_fork_end_read(). What was read before may be freed after _lsobs_fork_end_change(). */
void
_lsobs_fork_begin_change (void)
{
  _lsobs_lock_check_none ();
  g_atomic_int_inc (&n_changes);
  for (guint i = 0; g_atomic_int_get (&n_reads) > 0; i++)
    if (i < MAX_YIELDS)
      g_thread_yield ();
    else
      g_usleep (CHANGE_WAIT);
  _lsobs_fork_lock ();
}

void
_lsobs_fork_end_change (void)
{
  _lsobs_fork_unlock ();
  g_atomic_int_add (&n_changes, -1);
}

/* A forking thread holds the registry while it waits for the gates of all other threads: a thread
 * that lsobs has created opens its own while it waits for the registry. The caller holds no lock,
 * as a thread whose gate is closed may wait for it. */
static void
lock_registry (void)
{
  LsobsForkGuard *guard;

  _lsobs_lock_check_none ();
  guard = _lsobs_fork_guard_open ();
  _lsobs_mutex_lock (&registry_lock, LSOBS_LOCK_FORK_REGISTRY);
  _lsobs_fork_guard_close (guard);
}

static void
unlock_registry (void)
{
  _lsobs_mutex_unlock (&registry_lock, LSOBS_LOCK_FORK_REGISTRY);
}

static void
remove_guard (LsobsForkGuard *self, GQueue *guards)
{
  lock_registry ();
  g_queue_unlink (guards, &self->link);
  unlock_registry ();
}

void
_lsobs_fork_guard_add_queue (LsobsForkGuard *self, GAsyncQueue *queue)
{
  self->queue = queue;
  self->link = (GList){ self, NULL, NULL };
  lock_registry ();
  g_queue_push_tail_link (&queues, &self->link);
  unlock_registry ();
}

void
_lsobs_fork_guard_remove_queue (LsobsForkGuard *self)
{
  remove_guard (self, &queues);
}

/* Marks the beginning of a safe place, at which another thread may fork: this thread polls, or
 * waits, or runs a function that takes no lock which the child needs.
 * Returns: (transfer none) (nullable): the guard of this thread, for
 *   _lsobs_fork_guard_close(); NULL if lsobs has not created this thread, or its gate is open */
LsobsForkGuard *
_lsobs_fork_guard_open (void)
{
  LsobsForkGuard *guard = own_guard;

  if (guard == NULL || guard->open)
    return NULL;
  guard->open = TRUE;
  g_mutex_unlock (&guard->gate);
  return guard;
}

/* Whether lsobs has created this thread. */
gboolean
_lsobs_fork_guard_is_own_thread (void)
{
  return own_guard != NULL;
}

/* Marks the end of a safe place. Waits for a fork that is going on.
 * @self: (nullable) */
void
_lsobs_fork_guard_close (LsobsForkGuard *self)
{
  if (self == NULL)
    return;
  g_mutex_lock (&self->gate);
  self->open = FALSE;
}

/* The poll function of a thread that lsobs has created. */
static int
poll_outside (GPollFD *fds, guint n_fds, int timeout)
{
  LsobsForkGuard *guard = _lsobs_fork_guard_open ();
  int n = g_poll (fds, n_fds, timeout);

  _lsobs_fork_guard_close (guard);
  return n;
}

/* In a child, n_starting is 0 even in a thread that has just failed to start. */
static void
count_started (void)
{
  _lsobs_mutex_lock (&starting_lock, LSOBS_LOCK_FORK_STARTING);
  if (n_starting > 0)
    n_starting--;
  g_cond_broadcast (&started_cond);
  _lsobs_mutex_unlock (&starting_lock, LSOBS_LOCK_FORK_STARTING);
}

/* Creates a thread. The caller may hold locks, but not that of a queue. First of all, @func calls
 * _lsobs_fork_guard_enter_thread().
 * Returns: (transfer full) (nullable) */
GThread *
_lsobs_fork_guard_start_thread (const char *name, GThreadFunc func, gpointer data, GError **error)
{
  GThread *thread;

  /* The thread that forks has starting_lock when it takes the queues. */
  _lsobs_lock_check_not (LSOBS_LOCK_QUEUE);
  _lsobs_mutex_lock (&starting_lock, LSOBS_LOCK_FORK_STARTING);
  n_starting++;
  _lsobs_mutex_unlock (&starting_lock, LSOBS_LOCK_FORK_STARTING);
  thread = g_thread_try_new (name, func, data, error);
  if (thread == NULL)
    count_started ();
  return thread;
}

/* Blocks all signals in this thread: the program's signal handlers must not run in a thread that
 * the program did not create. */
static void
block_signals (void)
{
  sigset_t all;

  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, NULL);
}

/* Called first in a new thread, before it waits for anything or runs @context. Blocks all signals
 * in the thread.
 * @context: (nullable): the context that only this thread runs */
void
_lsobs_fork_guard_enter_thread (LsobsForkGuard *self, GMainContext *context)
{
  block_signals ();
  g_mutex_init (&self->gate);
  self->open = FALSE;
  self->link = (GList){ self, NULL, NULL };
  lock_registry ();
  g_queue_push_tail_link (&threads, &self->link);
  count_started ();
  unlock_registry ();
  own_guard = self;
  g_mutex_lock (&self->gate);
  if (context != NULL)
    g_main_context_set_poll_func (context, poll_outside);
}

/* Called at the end of a thread. Forks do not wait for it afterwards. */
void
_lsobs_fork_guard_leave_thread (LsobsForkGuard *self)
{
  /* Open the gate before remove_guard() takes registry_lock: a forking thread has the lock and
   * waits for the gate. */
  g_mutex_unlock (&self->gate);
  own_guard = NULL;
  remove_guard (self, &threads);
  g_mutex_clear (&self->gate);
}

/* What the thread of a task needs. */
typedef struct
{
  GTask *task; /* (owned) */
  GTaskThreadFunc func;
} TaskStart;

static gpointer
task_thread_main (gpointer user_data)
{
  TaskStart *start = user_data;
  GTask *task = start->task;
  LsobsForkGuard guard;

  _lsobs_fork_guard_enter_thread (&guard, NULL);
  start->func (task, g_task_get_source_object (task), g_task_get_task_data (task),
               g_task_get_cancellable (task));
  g_object_unref (task);
  g_free (start);
  _lsobs_fork_guard_leave_thread (&guard);
  return NULL;
}

/* Like g_task_run_in_thread(), but in a thread of lsobs: a fork waits until it is at a safe place. No fork
 * waits for the threads of GTask's pool. One that has just ended a task takes locks that a child needs
 * for its own tasks, and so for TLS. @task does not return when it is cancelled, unless @func does that.
 * If no thread can be made now, that pool has @task as soon as it has one.
 * @task: has no source object and no cancellable: the last reference to what is the program's may call
 *   an interpreter, which a fork may hold up */
void
_lsobs_fork_guard_run_task (GTask *task, GTaskThreadFunc func)
{
  TaskStart *start = g_new (TaskStart, 1);
  GThread *thread;

  g_assert (g_task_get_source_object (task) == NULL && g_task_get_cancellable (task) == NULL);
  *start = (TaskStart){ g_object_ref (task), func };
  thread = _lsobs_fork_guard_start_thread ("lsobs-task", task_thread_main, start, NULL);
  if (thread != NULL)
    {
      g_thread_unref (thread);
      return;
    }
  g_task_run_in_thread (task, func);
  g_object_unref (task);
  g_free (start);
}

static void
do_nothing (GTask *task, gpointer source_object, gpointer task_data, GCancellable *cancellable)
{
}

/* Called in a forked child before its first use of the network. GIO resolves names and proxies
 * in GTask's thread pool. In the child, that pool still counts the idle threads of the parent
 * and leaves the next task to one of them, which does not exist. With each task the count falls
 * by one; at 0 the pool starts a thread, which runs all tasks that wait.
 *
 * Since GLib 2.76, the threads of pools are started by a thread of GLib that the child does not have: there,
 * a task that needs a new thread never runs, and its caller waits for it without end. */
void
_lsobs_fork_revive_tasks (void)
{
  if (glib_check_version (2, 75, 0) == NULL)
    return;
  for (guint i = 0; i < N_REVIVING_TASKS; i++)
    {
      g_autoptr (GTask) task = g_task_new (NULL, NULL, NULL, NULL);

      g_task_run_in_thread (task, do_nothing);
    }
}
