/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/model/lsobs-run-store-private.h"
#include "lsobs/pipeline/lsobs-queue-private.h"
#include "lsobs/pipeline/lsobs-sender-private.h"

G_BEGIN_DECLS

typedef struct _LsobsWorker LsobsWorker;

/* The consumer of the queue: runs a sender, which takes batches out and gives them to the
 * transport. The sender runs in a context of its own, which a thread of the worker's own runs, or
 * a context of the program. lsobs-worker-stop ends it, and lsobs-worker-leave does when no
 * observer has it any more; LsobsLifecycle says what may happen when. The members are for these
 * three files. Thread-safe, except for the functions of the context. */
struct _LsobsWorker
{
  /* Constant. */
  gatomicrefcount ref_count;
  guint epoch;               /* the process that all of this belongs to */
  LsobsSettings *settings;   /* (owned) */
  LsobsQueue *queue;         /* (owned) */
  LsobsLifecycle *lifecycle; /* (unowned) of the queue */
  LsobsTransport *transport; /* (owned) */
  GMainContext *context;     /* (owned) (atomic) (nullable) where all of the sending happens; made
                              * with the first wake-up, and then constant */
  GMainContext *outer;       /* (owned) (nullable) the program's, which runs that context; NULL:
                              * the worker's thread runs it */
  GSource *driver;     /* (owned) (nullable) runs the context in the outer one, made with it */
  GMainLoop *loop;     /* (owned) (nullable) of the worker's thread, made with its context */
  GSource *source;     /* (owned) wakes the sender */
  LsobsSender *sender; /* (owned) used in the context only, but for its health */

  GThread *last_runner; /* (atomic) (unowned) (nullable) ran the program's context last; written
                         * in the context */

  gboolean lingering; /* (atomic) it has stopped, but closed connections need the context */

  int retry_at; /* (atomic) monotonic, s: when a thread that could not be started is tried again;
                 * 0: none */

  GMutex lock;           /* guards the next six; of stopped_cond */
  GThread *thread;       /* (owned) (nullable) written by the thread that wakes the worker first,
                         * taken by the one that stops it */
  GSource *drain_alarm;  /* (owned) (nullable) written by the thread that begins to drain */
  GSource *leave_alarm;  /* (owned) (nullable) written by the thread that has the worker leave */
  gboolean charged;      /* its thread is charged to the thread budget */
  gboolean queued;       /* the thread budget will start its thread */
  gint64 leave_deadline; /* monotonic, µs: when all sending of a worker that leaves ends */
  GCond stopped_cond;    /* broadcast when the lifecycle is stopped */

  /* Constant from when the worker leaves. */
  void (*left) (LsobsWorker *self); /* (nullable) called when it has stopped */
  gint64 leave_stop_deadline;       /* monotonic, µs: when all writing ends */

  /* Written by the thread that enters a state, before it attaches a source that reads them in
   * the context. */
  gint64 drain_deadline; /* draining: monotonic, µs: when all sending ends */
  gint64
      write_deadline; /* stopping: monotonic, µs: until then, what is left is written; 0: never */

  /* Used in the context only. */
  GSource *grace;                 /* (owned) (nullable) ends the stop in time */
  guint turns_left;               /* of the context after the grace */
  gboolean may_wait;              /* the thread that stops it waits for the disk: not a loop of the
                                   * program */
  gboolean finished;              /* the last step was taken */
  guint n_linger_turns;           /* since the worker has stopped */
  gboolean linger_quiet;          /* no connection needs the context any more */
  gint64 linger_end;              /* monotonic, µs: when closed connections are given up */
  LsobsFlushWaiter *leave_waiter; /* (owned) (nullable) of a worker that leaves */
};

LsobsWorker *_lsobs_worker_new (const LsobsDestination *destination,
                                LsobsQueue *queue,
                                LsobsRunStore *store,
                                GMainContext *context);
LsobsWorker *_lsobs_worker_ref (LsobsWorker *self);
void _lsobs_worker_unref (LsobsWorker *self);

/* Called from any thread. */
void _lsobs_worker_wake (LsobsWorker *self, LsobsWakeup wake);
void _lsobs_worker_wake_for_flush (LsobsWorker *self);
gboolean _lsobs_worker_has_runner (LsobsWorker *self);
gboolean _lsobs_worker_wait (LsobsWorker *self, LsobsFlushWaiter *waiter, gint64 deadline);
void _lsobs_worker_begin_drain (LsobsWorker *self, gint64 deadline);
gboolean _lsobs_worker_drain (LsobsWorker *self, gint64 deadline);
gboolean _lsobs_worker_is_inside (LsobsWorker *self);
gboolean _lsobs_worker_acquire_context (LsobsWorker *self);
void _lsobs_worker_release_context (LsobsWorker *self);
gboolean _lsobs_worker_may_move (LsobsWorker *self);
gboolean _lsobs_worker_is_banned (LsobsWorker *self);
gboolean _lsobs_worker_acquire_alone (LsobsWorker *self);
void _lsobs_worker_attach (LsobsWorker *self, GSource *source, int priority, GSourceFunc func);
void _lsobs_worker_destroy_sources (LsobsWorker *self);
void _lsobs_worker_wait_written (LsobsWorker *self, gint64 deadline);
void _lsobs_worker_enter_stopped (LsobsWorker *self);
gint64 _lsobs_worker_get_leave_deadline (LsobsWorker *self);
void _lsobs_worker_attach_leave_alarm (LsobsWorker *self, GSource *alarm, GSourceFunc func);
void _lsobs_worker_charge_thread (LsobsWorker *self);
void _lsobs_worker_release_thread (LsobsWorker *self);
gboolean _lsobs_worker_wait_stopped (LsobsWorker *self, gint64 deadline);

gboolean _lsobs_worker_is_lingering (LsobsWorker *self);
void _lsobs_worker_run_lingering (LsobsWorker *self);

/* Called in the context. */
gboolean _lsobs_worker_await_room (LsobsWorker *self, gint64 deadline);
gboolean _lsobs_worker_write_next (LsobsWorker *self);
void _lsobs_worker_finish (LsobsWorker *self);

/* Called when records were pushed, which mostly takes nothing: then no function is called. */
static inline void
_lsobs_worker_wake_after_push (LsobsWorker *self, LsobsWakeup wake)
{
  _lsobs_lock_check_none ();
  if (G_UNLIKELY (wake != LSOBS_WAKEUP_NONE || g_atomic_int_get (&self->retry_at) != 0))
    _lsobs_worker_wake (self, wake);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsWorker, _lsobs_worker_unref)

G_END_DECLS
