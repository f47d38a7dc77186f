/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <pthread.h>

#include <gio/gio.h>

#include "lsobs/core/lsobs-fork-private.h"

/* More than GTask's pool has threads at first. */
#define N_PHANTOMS 12

guint _lsobs_fork_epoch_value;

/* How long a fork waits for threads that begin, in µs: they do nothing that lasts. */
#define START_TIME G_USEC_PER_SEC

static GMutex registry_lock;
static GCond started_cond;
static guint n_starting;              /* threads of ours to come, guarded by registry_lock */
static GQueue threads = G_QUEUE_INIT; /* of LsobsForkGuard (unowned), guarded by registry_lock */
static GQueue queues = G_QUEUE_INIT;  /* of LsobsForkGuard (unowned), guarded by registry_lock */

/* The innermost lock: its holder never waits. */
static GMutex moment_lock;

/* The gate of this thread, if it is one of ours. */
static __thread LsobsForkGuard *own_guard;

/* Threads first: one that is let go on may want a queue. One that begins may hold what
 * its birth takes, and is not known yet. */
static void
before_fork_cb (void)
{
  gint64 deadline = g_get_monotonic_time () + START_TIME;

  g_mutex_lock (&registry_lock);
  while (n_starting > 0)
    if (!g_cond_wait_until (&started_cond, &registry_lock, deadline))
      break;
  for (GList *l = threads.head; l != NULL; l = l->next)
    if (l->data != own_guard)
      g_mutex_lock (&((LsobsForkGuard *) l->data)->gate);
  for (GList *l = queues.head; l != NULL; l = l->next)
    g_async_queue_lock (((LsobsForkGuard *) l->data)->queue);
  g_mutex_lock (&moment_lock);
}

static void
after_fork_cb (void)
{
  g_mutex_unlock (&moment_lock);
  for (GList *l = queues.head; l != NULL; l = l->next)
    g_async_queue_unlock (((LsobsForkGuard *) l->data)->queue);
  for (GList *l = threads.head; l != NULL; l = l->next)
    if (l->data != own_guard)
      g_mutex_unlock (&((LsobsForkGuard *) l->data)->gate);
  g_mutex_unlock (&registry_lock);
}

/* Runs in the child, where only the thread that forked lives. What was registered
 * is the parent's. */
static void
forked_cb (void)
{
  g_queue_init (&threads);
  g_queue_init (&queues);
  g_mutex_init (&registry_lock);
  g_mutex_init (&moment_lock);
  g_cond_init (&started_cond);
  n_starting = 0;
  own_guard = NULL;
  __atomic_fetch_add (&_lsobs_fork_epoch_value, 1, __ATOMIC_RELAXED);
}

__attribute__ ((constructor)) static void
watch_forks (void)
{
  pthread_atfork (before_fork_cb, after_fork_cb, forked_cb);
}

/* A lock that is never held across a fork, for threads of any kind. It is to be held for a
 * moment only: its holder must not wait, or take another lock of lsobs. */
void
_lsobs_fork_lock (void)
{
  g_mutex_lock (&moment_lock);
}

void
_lsobs_fork_unlock (void)
{
  g_mutex_unlock (&moment_lock);
}

static void
remove_guard (LsobsForkGuard *self, GQueue *guards)
{
  g_mutex_lock (&registry_lock);
  g_queue_unlink (guards, &self->link);
  g_mutex_unlock (&registry_lock);
}

void
_lsobs_fork_guard_add_queue (LsobsForkGuard *self, GAsyncQueue *queue)
{
  self->queue = queue;
  self->link = (GList){ self, NULL, NULL };
  g_mutex_lock (&registry_lock);
  g_queue_push_tail_link (&queues, &self->link);
  g_mutex_unlock (&registry_lock);
}

void
_lsobs_fork_guard_remove_queue (LsobsForkGuard *self)
{
  remove_guard (self, &queues);
}

/* Opens the gate of this thread, if it is one of ours, for what may wait for whoever
 * forks. Returns: (transfer none) (nullable): for _lsobs_fork_guard_close() */
LsobsForkGuard *
_lsobs_fork_guard_open (void)
{
  LsobsForkGuard *guard = own_guard;

  if (guard != NULL)
    g_mutex_unlock (&guard->gate);
  return guard;
}

/* @self: (nullable) */
void
_lsobs_fork_guard_close (LsobsForkGuard *self)
{
  if (self != NULL)
    g_mutex_lock (&self->gate);
}

/* Here a thread of ours may be when somebody forks; and in a function of the
 * program. */
static int
poll_outside (GPollFD *fds, guint n_fds, int timeout)
{
  LsobsForkGuard *guard = _lsobs_fork_guard_open ();
  int n = g_poll (fds, n_fds, timeout);

  _lsobs_fork_guard_close (guard);
  return n;
}

/* Called with the lock held. A thread that was in the making at a fork is none of the
 * child's. */
static void
count_started (void)
{
  if (n_starting > 0)
    n_starting--;
  g_cond_broadcast (&started_cond);
}

/* Returns: (transfer full) (nullable): a thread whose function calls
 * _lsobs_fork_guard_enter_thread(), before all else that may wait */
GThread *
_lsobs_fork_guard_start_thread (const char *name, GThreadFunc func, gpointer data, GError **error)
{
  GThread *thread;

  g_mutex_lock (&registry_lock);
  n_starting++;
  g_mutex_unlock (&registry_lock);
  thread = g_thread_try_new (name, func, data, error);
  if (thread != NULL)
    return thread;

  g_mutex_lock (&registry_lock);
  count_started ();
  g_mutex_unlock (&registry_lock);
  return NULL;
}

/* Called in a thread that is ours, before it runs @context, which is its own.
 * @context: (nullable) */
void
_lsobs_fork_guard_enter_thread (LsobsForkGuard *self, GMainContext *context)
{
  g_mutex_init (&self->gate);
  self->link = (GList){ self, NULL, NULL };
  g_mutex_lock (&registry_lock);
  g_queue_push_tail_link (&threads, &self->link);
  count_started ();
  g_mutex_unlock (&registry_lock);
  own_guard = self;
  g_mutex_lock (&self->gate);
  if (context != NULL)
    g_main_context_set_poll_func (context, poll_outside);
}

/* Called last: after that, the thread may be anywhere when somebody forks. */
void
_lsobs_fork_guard_leave_thread (LsobsForkGuard *self)
{
  /* The gate first: who forks has the registry, and waits for the gate. */
  g_mutex_unlock (&self->gate);
  own_guard = NULL;
  remove_guard (self, &threads);
  g_mutex_clear (&self->gate);
}

static void
do_nothing (GTask *task, gpointer source_object, gpointer task_data, GCancellable *cancellable)
{
}

/* For a forked child, before its first use of the network. The thread pool behind
 * GTask, on which GIO resolves names and proxies, still counts the idle threads of
 * the parent, and waits for one of them to take the next task; they do not exist
 * here. Each task that is pushed uses up one of them, or starts a real thread,
 * which then does them all. */
void
_lsobs_fork_revive_tasks (void)
{
  for (guint i = 0; i < N_PHANTOMS; i++)
    {
      g_autoptr (GTask) task = g_task_new (NULL, NULL, NULL, NULL);

      g_task_run_in_thread (task, do_nothing);
    }
}
