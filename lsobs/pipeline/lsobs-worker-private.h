/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/model/lsobs-run-store-private.h"
#include "lsobs/pipeline/lsobs-queue-private.h"
#include "lsobs/pipeline/lsobs-sender-private.h"

G_BEGIN_DECLS

/* The consumer of the queue: runs a sender, which takes batches out and gives them to the
 * transport. The sender runs in one context: that of a thread of the worker's own, or one of the
 * program's. lsobs-worker-stop ends it; LsobsLifecycle says what may happen when. The members are
 * for these two files. Thread-safe, except for the functions of the context. */
typedef struct
{
  /* Constant. */
  gatomicrefcount ref_count;
  guint epoch;               /* the process that all of this belongs to */
  LsobsSettings *settings;   /* (owned) */
  LsobsQueue *queue;         /* (owned) */
  LsobsLifecycle *lifecycle; /* (unowned) of the queue */
  LsobsTransport *transport; /* (owned) */
  GMainContext *context;     /* (owned) where all of the sending happens */
  gboolean own_context;      /* the worker's thread runs it */
  GMainLoop *loop;           /* (owned) (nullable) of the worker's thread */
  GSource *source;           /* (owned) wakes the sender */
  LsobsSender *sender;       /* (owned) used in the context only, but for its health */

  GThread *last_runner; /* (atomic) (unowned) (nullable) ran the program's context last; written
                         * in the context */

  GMutex lock;          /* guards thread and drain_alarm; of stopped_cond */
  GThread *thread;      /* (owned) (nullable) written by the thread that wakes the worker first,
                         * taken by the one that stops it */
  GSource *drain_alarm; /* (owned) (nullable) written by the thread that begins to drain */
  GCond stopped_cond;   /* broadcast when the lifecycle is stopped */

  /* Written by the thread that enters a state, before it attaches a source that reads them in
   * the context. */
  gint64 drain_deadline; /* draining: monotonic, µs: when all sending ends */
  gint64
      write_deadline; /* stopping: monotonic, µs: until then, what is left is written; 0: never */

  /* Used in the context only. */
  GSource *grace;   /* (owned) (nullable) ends the worker's thread in time */
  guint turns_left; /* of the thread's loop after the grace */
} LsobsWorker;

LsobsWorker *_lsobs_worker_new (const LsobsDestination *destination,
                                LsobsQueue *queue,
                                LsobsRunStore *store,
                                GMainContext *context);
void _lsobs_worker_unref (LsobsWorker *self);

/* Called from any thread. */
void _lsobs_worker_wake (LsobsWorker *self, LsobsWakeup wake);
gboolean _lsobs_worker_wait (LsobsWorker *self, LsobsFlushWaiter *waiter, gint64 deadline);
gboolean _lsobs_worker_drain (LsobsWorker *self, gint64 deadline);
gboolean _lsobs_worker_acquire_context (LsobsWorker *self);
void _lsobs_worker_release_context (LsobsWorker *self);
void _lsobs_worker_attach (LsobsWorker *self, GSource *source, int priority, GSourceFunc func);
void _lsobs_worker_destroy_sources (LsobsWorker *self);
void _lsobs_worker_enter_stopped (LsobsWorker *self);

/* Called in the context. */
gboolean _lsobs_worker_write_next (LsobsWorker *self);
void _lsobs_worker_finish (LsobsWorker *self);

G_END_DECLS
