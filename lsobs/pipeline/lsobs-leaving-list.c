/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-callback-ban-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/core/lsobs-log-private.h"
#include "lsobs/core/lsobs-thread-budget-private.h"
#include "lsobs/pipeline/lsobs-leaving-list-private.h"
#include "lsobs/pipeline/lsobs-worker-leave-private.h"
#include "lsobs/pipeline/lsobs-worker-stop-private.h"
#include "lsobs/transport/lsobs-transport-private.h"

/* How many workers leave at the same time: their threads are all charged to the thread budget. */
#define MAX_LEAVING LSOBS_THREAD_BUDGET

/* How many workers the list may have. If there are more, a worker that has to make room writes
 * nothing to disk. */
#define MAX_LISTED 64

/* The time, in ms, after its deadline in which a worker in a context of the program has to stop
 * there, and in which a worker has to return from a function of the program. */
#define STOP_TIME 100

/* How long each round of waiting for all workers lasts, in ms. */
#define TURN_TIME 10

/* The time, in ms, in which a worker with a thread of its own has to stop if it has to make
 * room. */
#define STUCK_TIME 1000

/* The interval, in ms, of the attempts to stop a worker whose context another thread runs. */
#define RETRY_INTERVAL 20

typedef struct
{
  LsobsWorker *worker; /* (owned) */
  guint64 n_lost;      /* records, before it left */
  gint64 end_time;     /* monotonic, µs: when the watch stops it */
  gint64 asked_at;     /* monotonic, µs: when it was told to stop early; 0: never */
  gboolean stopped;    /* only its files and its closed connections are waited for */
} LeaveEntry;

static GMutex lock; /* guards all below, but the epoch */
static GCond changed;
static guint list_epoch; /* guarded by _lsobs_fork_lock(): the process that the rest belongs to */
static GQueue leaving;   /* (element-type LeaveEntry) (owned): the oldest first */
static gboolean watched; /* the thread of watch_main() runs */

/* The thread of watch_main() waits for nudge_cond with its fork guard open. This is safe, because a
 * thread that holds nudge_lock does nothing else. */
static GMutex nudge_lock;
static GCond nudge_cond;
static gboolean nudged; /* guarded by nudge_lock */

/* A fork does not wait for the lock, so a forked child makes a new one. */
static void
lock_list (void)
{
  _lsobs_fork_lock ();
  if (list_epoch != _lsobs_fork_epoch ())
    {
      list_epoch = _lsobs_fork_epoch ();
      g_mutex_init (&lock);
      g_cond_init (&changed);
      g_mutex_init (&nudge_lock);
      g_cond_init (&nudge_cond);
      g_queue_init (&leaving);
      watched = FALSE;
    }
  _lsobs_fork_unlock ();
  _lsobs_mutex_lock (&lock, LSOBS_LOCK_LEAVING_LIST);
}

static void
unlock_list (void)
{
  _lsobs_mutex_unlock (&lock, LSOBS_LOCK_LEAVING_LIST);
}

/* Returns: how many records are lost, and not in files either, since the worker was made */
static guint64
count_lost (LsobsWorker *worker)
{
  g_autoptr (LsobsStats) stats = _lsobs_queue_dup_stats (worker->queue);

  return _lsobs_stats_count_lost (stats);
}

/* The program cannot ask for the counters of an observer that is gone. */
static void
tell_lost (LeaveEntry *self)
{
  _lsobs_log_lost (count_lost (self->worker) - self->n_lost, FALSE);
}

static void
leave_entry_free (LeaveEntry *self)
{
  tell_lost (self);
  _lsobs_worker_unref (self->worker);
  g_free (self);
}

static GList *
find_unlocked (LsobsWorker *worker)
{
  for (GList *l = leaving.head; l != NULL; l = l->next)
    if (((LeaveEntry *) l->data)->worker == worker)
      return l;
  return NULL;
}

/* Returns: (transfer full) (nullable): the entry of @link, which may be NULL */
static LeaveEntry *
take_unlocked (GList *link)
{
  LeaveEntry *entry = link != NULL ? link->data : NULL;

  if (link != NULL)
    g_queue_delete_link (&leaving, link);
  g_cond_broadcast (&changed);
  return entry;
}

/* Returns: (transfer full) (element-type LsobsWorker) */
static GPtrArray *
dup_workers (void)
{
  GPtrArray *workers = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_worker_unref);

  lock_list ();
  for (GList *l = leaving.head; l != NULL; l = l->next)
    g_ptr_array_add (workers, _lsobs_worker_ref (((LeaveEntry *) l->data)->worker));
  unlock_list ();
  return workers;
}

static void
remove_worker (LsobsWorker *worker)
{
  LeaveEntry *entry;

  lock_list ();
  entry = take_unlocked (find_unlocked (worker));
  unlock_list ();
  if (entry != NULL)
    leave_entry_free (entry);
}

/* Waits until what was lost is written, if that is configured. */
static void
wait_written (LsobsWorker *worker)
{
  _lsobs_worker_wait_written (worker, worker->write_deadline);
}

static void
nudge_watch (void)
{
  g_mutex_lock (&nudge_lock);
  nudged = TRUE;
  g_cond_signal (&nudge_cond);
  g_mutex_unlock (&nudge_lock);
}

static void
wait_for_nudge (gint64 deadline)
{
  LsobsForkGuard *guard = _lsobs_fork_guard_open ();

  g_mutex_lock (&nudge_lock);
  while (!nudged && g_cond_wait_until (&nudge_cond, &nudge_lock, deadline))
    ;
  nudged = FALSE;
  g_mutex_unlock (&nudge_lock);
  _lsobs_fork_guard_close (guard);
}

/* Whether the watch has work with a worker that has stopped. A thread of the program must not wait
 * for its files, and may not run its context any more. */
static gboolean
needs_watch (LsobsWorker *worker)
{
  return worker->outer != NULL &&
         (worker->write_deadline != 0 || _lsobs_worker_is_lingering (worker));
}

/* A worker has stopped. Called from any thread. */
static void
left_cb (LsobsWorker *worker)
{
  GList *link;

  if (!needs_watch (worker))
    {
      if (worker->outer == NULL)
        wait_written (worker);
      remove_worker (worker);
      nudge_watch ();
      return;
    }
  lock_list ();
  link = find_unlocked (worker);
  if (link != NULL)
    {
      LeaveEntry *entry = link->data;

      entry->stopped = TRUE;
      entry->end_time = 0;
    }
  unlock_list ();
  nudge_watch ();
}

/* --- the watch: of workers in contexts of the program, which may not run any more, and of those that
 * call functions of the program, which may not return in time --- */

/* Whether a thread of lsobs may stop it: no function of the program is called. */
static gboolean
may_stop_anywhere (LsobsWorker *worker)
{
  return _lsobs_transport_peek_vtable (worker->transport)->may_move (worker->transport);
}

static gboolean
is_watched (LsobsWorker *worker)
{
  return worker->outer != NULL || worker->settings->redact_hook != NULL ||
         !may_stop_anywhere (worker);
}

static gboolean
drop_settings_cb (gpointer user_data)
{
  return G_SOURCE_REMOVE;
}

/* Removes a worker that has stopped. The redaction function of the program may belong to an
 * interpreter: with the last reference, it is freed where that runs.
 * @worker: (transfer full) */
static void
remove_in_context (LsobsWorker *worker)
{
  g_autoptr (GMainContext) context = NULL;
  g_autoptr (GSource) source = NULL;

  remove_worker (worker);
  if (worker->outer == NULL || worker->settings->redact_hook == NULL)
    {
      _lsobs_worker_unref (worker);
      return;
    }
  /* The source holds no reference to the context. If the context does not run again, it is freed
   * together with the source. */
  context = g_main_context_ref (worker->outer);
  source = g_idle_source_new ();
  g_source_set_static_name (source, "[lsobs] worker");
  g_source_set_callback (source, drop_settings_cb, _lsobs_settings_ref (worker->settings),
                         (GDestroyNotify) _lsobs_settings_unref);
  g_source_attach (source, context);
  _lsobs_worker_unref (worker);
}

/* A worker whose thread does not stop, as it is in a function of the program: its records are counted
 * as lost, and other threads need not wait for its thread. */
static void
give_up (LsobsWorker *worker)
{
  _lsobs_worker_stop_later (worker, 0);
  _lsobs_queue_write_off (worker->queue, LSOBS_DROP_REASON_SHUTDOWN);
  _lsobs_worker_release_thread (worker);
}

/* @limit: monotonic, µs: until then, a thread of the program that runs the context may end it
 * Returns: FALSE to try again */
static gboolean
end_worker (LsobsWorker *worker, gint64 limit)
{
  if (_lsobs_lifecycle_get_state (worker->lifecycle) == LSOBS_LIFECYCLE_STOPPED)
    {
      if (_lsobs_worker_is_lingering (worker))
        _lsobs_worker_run_lingering (worker);
      return !_lsobs_worker_is_lingering (worker);
    }
  if (worker->outer == NULL)
    {
      give_up (worker);
      return TRUE;
    }
  if (may_stop_anywhere (worker) && _lsobs_worker_stop_now (worker))
    return !_lsobs_worker_is_lingering (worker);
  _lsobs_worker_stop_later (worker, 0);
  if (may_stop_anywhere (worker) && g_get_monotonic_time () < limit)
    return FALSE;
  _lsobs_queue_write_off (worker->queue, LSOBS_DROP_REASON_SHUTDOWN);
  return !may_stop_anywhere (worker);
}

/* Returns: (transfer none) (nullable): the worker that is watched and due first
 * @end_time: (out): when */
static GList *
find_first_unlocked (gint64 *end_time)
{
  GList *first = NULL;

  for (GList *l = leaving.head; l != NULL; l = l->next)
    {
      LeaveEntry *entry = l->data;

      if (!is_watched (entry->worker) || (first != NULL && entry->end_time >= *end_time))
        continue;
      first = l;
      *end_time = entry->end_time;
    }
  return first;
}

/* Ends the worker that is due first, or waits for it. FALSE when no worker is left. */
static gboolean
watch_once (void)
{
  g_autoptr (LsobsWorker) worker = NULL;
  gint64 end_time = 0;
  gint64 limit = 0;
  GList *first;

  lock_list ();
  first = find_first_unlocked (&end_time);
  watched = first != NULL;
  if (first != NULL && end_time <= g_get_monotonic_time ())
    {
      LeaveEntry *entry = first->data;

      worker = _lsobs_worker_ref (entry->worker);
      limit = entry->asked_at != 0 ? entry->asked_at + STOP_TIME * 1000 : 0;
    }
  unlock_list ();

  if (first == NULL)
    return FALSE;
  if (worker == NULL)
    {
      wait_for_nudge (end_time);
      return TRUE;
    }
  if (end_worker (worker, limit))
    {
      if (_lsobs_lifecycle_get_state (worker->lifecycle) == LSOBS_LIFECYCLE_STOPPED)
        wait_written (worker);
      remove_in_context (g_steal_pointer (&worker));
      return TRUE;
    }
  lock_list ();
  first = find_unlocked (worker);
  if (first != NULL)
    ((LeaveEntry *) first->data)->end_time = g_get_monotonic_time () + RETRY_INTERVAL * 1000;
  unlock_list ();
  return TRUE;
}

static gpointer
watch_main (gpointer user_data)
{
  LsobsForkGuard guard;

  _lsobs_fork_guard_enter_thread (&guard, NULL);
  while (watch_once ())
    ;
  _lsobs_fork_guard_leave_thread (&guard);
  return NULL;
}

/* No thread can be started to watch them: all workers in contexts of the program end now. */
static void
end_unwatched (void)
{
  g_autoptr (GPtrArray) workers = dup_workers ();

  for (guint i = 0; i < workers->len; i++)
    {
      LsobsWorker *worker = g_ptr_array_index (workers, i);

      if (worker->outer == NULL)
        continue;
      end_worker (worker, 0);
      remove_worker (worker);
    }
}

/* Has the watch look after all workers in contexts of the program. */
static void
ensure_watch (void)
{
  GThread *thread;
  gboolean running;

  lock_list ();
  running = watched;
  watched = TRUE;
  unlock_list ();
  if (running)
    {
      nudge_watch ();
      return;
    }
  thread = _lsobs_fork_guard_start_thread ("lsobs-leave", watch_main, NULL, NULL);
  if (thread != NULL)
    {
      g_thread_unref (thread);
      return;
    }
  /* Other threads may have relied on this one. */
  lock_list ();
  watched = FALSE;
  unlock_list ();
  end_unwatched ();
}

/* --- coming and going --- */

/* Gives up a worker that should have made room. */
static void
give_up_stuck (void)
{
  gint64 now = g_get_monotonic_time ();
  LeaveEntry *stuck = NULL;

  lock_list ();
  for (GList *l = leaving.head; l != NULL && stuck == NULL; l = l->next)
    {
      LeaveEntry *entry = l->data;

      if (entry->worker->outer == NULL && entry->asked_at != 0 &&
          now - entry->asked_at > STUCK_TIME * 1000)
        stuck = take_unlocked (l);
    }
  unlock_list ();
  if (stuck == NULL)
    return;
  give_up (stuck->worker);
  leave_entry_free (stuck);
}

/* @crowded: (out): whether too many have not stopped yet
 * Returns: (transfer full) (nullable): the worker that has to stop now, as too many leave */
static LsobsWorker *
take_oldest (gboolean *crowded)
{
  LsobsWorker *worker;
  LeaveEntry *oldest = NULL;
  guint n = 0;

  lock_list ();
  for (GList *l = leaving.tail; l != NULL; l = l->prev)
    {
      LeaveEntry *entry = l->data;

      if (entry->stopped || entry->asked_at != 0)
        continue;
      n++;
      oldest = entry;
    }
  if (n > MAX_LEAVING)
    {
      oldest->asked_at = g_get_monotonic_time ();
      oldest->end_time = oldest->asked_at + (oldest->worker->outer == NULL ? STUCK_TIME * 1000 : 0);
    }
  *crowded = leaving.length > MAX_LISTED;
  worker = n > MAX_LEAVING ? _lsobs_worker_ref (oldest->worker) : NULL;
  unlock_list ();
  return worker;
}

static void
stop_oldest (void)
{
  gboolean crowded;
  g_autoptr (LsobsWorker) oldest = take_oldest (&crowded);

  if (oldest == NULL)
    return;
  if (oldest->outer == NULL)
    {
      if (_lsobs_settings_keep_lost (oldest->settings) && !crowded)
        _lsobs_worker_hasten_leave (oldest);
      else
        _lsobs_worker_stop_later (oldest, 0);
      nudge_watch ();
    }
  /* This thread must not wait for a disk, so it stops only a worker that writes no files. */
  else if (!_lsobs_settings_keep_lost (oldest->settings) && may_stop_anywhere (oldest) &&
           _lsobs_worker_stop_now (oldest))
    {
      if (!needs_watch (oldest))
        remove_in_context (g_steal_pointer (&oldest));
    }
  else
    {
      nudge_watch ();
    }
}

/* Whether the worker leaves, or has stopped and its files or connections are still waited for. */
gboolean
_lsobs_leaving_list_has (LsobsWorker *worker)
{
  gboolean listed;

  lock_list ();
  listed = find_unlocked (worker) != NULL;
  unlock_list ();
  return listed;
}

/* @end_time: monotonic, µs: when the watch stops it */
static void
push_entry (LsobsWorker *worker, gint64 end_time, gboolean stopped)
{
  LeaveEntry *entry = g_new0 (LeaveEntry, 1);

  entry->worker = _lsobs_worker_ref (worker);
  entry->n_lost = count_lost (worker);
  entry->end_time = end_time;
  entry->stopped = stopped;
  lock_list ();
  g_queue_push_tail (&leaving, entry);
  unlock_list ();
}

/* The program has shut the worker down, and may not run its context any more. */
static void
add_lingering (LsobsWorker *worker)
{
  if (worker->outer == NULL || !_lsobs_worker_is_lingering (worker))
    return;
  push_entry (worker, 0, TRUE);
  ensure_watch ();
}

/* Makes @worker send the queued records and stop then. Does not wait for it.
 * @deadline: monotonic, µs: when all sending ends
 * @stop_deadline: monotonic, µs: how long it may take after that to write what is left */
void
_lsobs_leaving_list_add (LsobsWorker *worker, gint64 deadline, gint64 stop_deadline)
{
  if (!_lsobs_worker_leave (worker, deadline, stop_deadline, left_cb))
    {
      add_lingering (worker);
      return;
    }
  push_entry (worker, stop_deadline + STOP_TIME * 1000, FALSE);
  _lsobs_worker_begin_leave (worker);
  /* If it has stopped, its files may have to be waited for. */
  if (is_watched (worker) && _lsobs_leaving_list_has (worker))
    ensure_watch ();
  stop_oldest ();
  give_up_stuck ();
}

/* Returns: monotonic, µs */
static gint64
get_deadline (LsobsWorker *worker, gint64 began, const gint64 *timeout)
{
  gint64 ms = timeout != NULL ? *timeout : worker->settings->values.exit_timeout;

  return ms < 0 || ms > (G_MAXINT64 - began) / 1000 ? G_MAXINT64 : began + ms * 1000;
}

/* The end of all workers that leave when it begins. */
struct _LsobsLeavingStop
{
  GPtrArray *workers; /* (owned) (element-type LsobsWorker) */
  guint64 *n_lost;    /* (owned): for each worker, its lost records before */
  gboolean *stopping; /* (owned): for each worker, whether this has begun its stop */
  gint64 began;       /* monotonic, µs */
  gint64 stop_began;  /* monotonic, µs */
  const gint64 *timeout;
};

/* @timeout: (nullable): ms, or negative for no limit; NULL: the exit timeout of each; lives until
 *   _lsobs_leaving_stop_end()
 * Returns: (transfer full) */
LsobsLeavingStop *
_lsobs_leaving_stop_new (const gint64 *timeout)
{
  LsobsLeavingStop *self = g_new0 (LsobsLeavingStop, 1);

  self->workers = dup_workers ();
  self->n_lost = g_new (guint64, self->workers->len);
  for (guint i = 0; i < self->workers->len; i++)
    self->n_lost[i] = count_lost (g_ptr_array_index (self->workers, i));
  self->stopping = g_new0 (gboolean, self->workers->len);
  self->began = g_get_monotonic_time ();
  self->timeout = timeout;
  return self;
}

/* Waits a little for the workers that have not stopped and are not at their deadlines, all at the
 * same time: runs contexts of the program that this thread may run, one after the other.
 * Returns: whether there are such workers */
gboolean
_lsobs_leaving_stop_take_turn (LsobsLeavingStop *self)
{
  gboolean found = FALSE;

  for (guint i = 0; i < self->workers->len; i++)
    {
      LsobsWorker *worker = g_ptr_array_index (self->workers, i);
      gint64 now = g_get_monotonic_time ();
      gint64 deadline = get_deadline (worker, self->began, self->timeout);

      if (now >= deadline || _lsobs_worker_is_inside (worker) || _lsobs_worker_is_banned (worker) ||
          _lsobs_lifecycle_get_state (worker->lifecycle) == LSOBS_LIFECYCLE_STOPPED ||
          (worker->outer != NULL && _lsobs_callback_ban_covers_contexts () &&
           !_lsobs_worker_may_move (worker)))
        continue;
      found = TRUE;
      _lsobs_worker_wait_stopped (worker,
                                  MIN (deadline, now + TURN_TIME * 1000 / self->workers->len));
    }
  return found;
}

/* Waits until the workers have sent the queued records, and begins to stop the other ones. Runs
 * contexts of the program that this thread may run. */
void
_lsobs_leaving_stop_begin (LsobsLeavingStop *self)
{
  while (_lsobs_leaving_stop_take_turn (self))
    ;
  self->stop_began = g_get_monotonic_time ();
  for (guint i = 0; i < self->workers->len; i++)
    {
      LsobsWorker *worker = g_ptr_array_index (self->workers, i);

      if (!_lsobs_worker_is_banned (worker))
        self->stopping[i] =
            _lsobs_worker_begin_stop (worker, get_deadline (worker, self->began, self->timeout));
    }
}

static void
end_stop (LsobsLeavingStop *self, LsobsWorker *worker, gboolean stopping)
{
  if (_lsobs_worker_is_banned (worker))
    {
      _lsobs_worker_give_up (worker);
      return;
    }
  if (stopping)
    _lsobs_worker_end_stop (worker, self->stop_began);
  /* Another call has begun the stop, and the worker is still inside a function of the program. */
  else if (_lsobs_lifecycle_get_state (worker->lifecycle) != LSOBS_LIFECYCLE_STOPPED)
    _lsobs_queue_write_off (worker->queue, LSOBS_DROP_REASON_SHUTDOWN);
  _lsobs_worker_release_thread (worker);
  _lsobs_worker_wait_written (worker, get_deadline (worker, self->began, self->timeout));
}

/* Returns after a bounded time; all records have an outcome then.
 * @self: (transfer full)
 * Returns: how many records were lost */
guint64
_lsobs_leaving_stop_end (LsobsLeavingStop *self)
{
  guint64 n_lost = 0;

  for (guint i = 0; i < self->workers->len; i++)
    {
      LsobsWorker *worker = g_ptr_array_index (self->workers, i);

      end_stop (self, worker, self->stopping[i]);
      n_lost += count_lost (worker) - self->n_lost[i];
      remove_worker (worker);
    }
  g_ptr_array_unref (self->workers);
  g_free (self->n_lost);
  g_free (self->stopping);
  g_free (self);
  return n_lost;
}
