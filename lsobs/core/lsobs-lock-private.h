/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The order of the locks of lsobs. A thread that holds a lock takes only locks that stand further
 * down, and never two of the same line. With --enable-debug, the wrappers below check that;
 * otherwise they cost nothing.
 *
 * Two locks have no rank. They are taken before all others, and are held while other locks are:
 *
 * - the gate of an LsobsForkGuard. A thread of lsobs holds its own gate except while it polls.
 * - the turn of an LsobsRedactHook. A thread holds it while a redaction function of the program
 *   runs.
 *
 * A thread that forks takes locks in an order of its own: FORK_REGISTRY, the gates of all other
 * threads of lsobs, FORK_STARTING, the QUEUE locks, MOMENT. A thread of lsobs opens its gate before
 * it waits for FORK_REGISTRY; otherwise it and the forking thread would wait for each other. No
 * thread waits for FORK_REGISTRY while it holds another lock: a thread whose gate is closed may wait
 * for that one.
 *
 * No lock with a rank is held while a function of the program runs, a log writer of GLib too: any
 * of them may trace. */
typedef enum
{
  LSOBS_LOCK_NODE_TABLE,       /* LsobsNodeTable */
  LSOBS_LOCK_RUN_STORE,        /* LsobsRunStore */
  LSOBS_LOCK_ANNOTATIONS,      /* LsobsAnnotations: an attachment is queued under it */
  LSOBS_LOCK_QUEUE,            /* LsobsQueue, that of its GAsyncQueue */
  LSOBS_LOCK_FLUSH_WAITER,     /* LsobsFlushWaiter */
  LSOBS_LOCK_WORKER,           /* LsobsWorker: a thread is started under it */
  LSOBS_LOCK_LEAVING_LIST,     /* lsobs-leaving-list.c */
  LSOBS_LOCK_SPOOL_WRITER,     /* LsobsSpoolWriter: a thread is started under it */
  LSOBS_LOCK_HEALTH,           /* LsobsHealth */
  LSOBS_LOCK_NOTIFIER,         /* LsobsNotifier */
  LSOBS_LOCK_MEMORY_TRANSPORT, /* LsobsMemoryTransport */
  LSOBS_LOCK_FLUSH_SOURCE,     /* the source of _lsobs_flush_source_new() */
  LSOBS_LOCK_FORK_REGISTRY,    /* the threads and queues that a fork waits for */
  LSOBS_LOCK_FORK_STARTING,    /* the number of threads that are starting */
  LSOBS_LOCK_MOMENT            /* _lsobs_fork_lock(): held for a moment, across no call */
} LsobsLockRank;

#ifdef LSOBS_CHECK_LOCKS

/* The locks that this thread holds, one bit per rank. A forked child goes on with the locks, and
 * so with the bits, of the thread that forked. */
extern __thread guint _lsobs_lock_held;

static inline void
_lsobs_lock_check_enter (LsobsLockRank rank)
{
  g_assert (_lsobs_lock_held >> rank == 0);
  _lsobs_lock_held |= 1u << rank;
}

static inline void
_lsobs_lock_check_leave (LsobsLockRank rank)
{
  g_assert ((_lsobs_lock_held & (1u << rank)) != 0);
  _lsobs_lock_held &= ~(1u << rank);
}

/* Called where a lock must not be held that comes before those that are taken there. */
static inline void
_lsobs_lock_check_not (LsobsLockRank rank)
{
  g_assert ((_lsobs_lock_held & (1u << rank)) == 0);
}

/* Called before GLib's log or a function of the program may run, either of which may trace. */
static inline void
_lsobs_lock_check_none (void)
{
  g_assert (_lsobs_lock_held == 0);
}

#else

static inline void
_lsobs_lock_check_enter (LsobsLockRank rank)
{
}

static inline void
_lsobs_lock_check_leave (LsobsLockRank rank)
{
}

static inline void
_lsobs_lock_check_not (LsobsLockRank rank)
{
}

static inline void
_lsobs_lock_check_none (void)
{
}

#endif

static inline void
_lsobs_mutex_lock (GMutex *mutex, LsobsLockRank rank)
{
  _lsobs_lock_check_enter (rank);
  g_mutex_lock (mutex);
}

static inline void
_lsobs_mutex_unlock (GMutex *mutex, LsobsLockRank rank)
{
  g_mutex_unlock (mutex);
  _lsobs_lock_check_leave (rank);
}

G_END_DECLS
