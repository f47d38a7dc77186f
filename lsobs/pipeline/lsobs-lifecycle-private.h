/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The life of one delivery. Its queue, worker, sender and batcher share one state, which only
 * moves forward:
 *
 *   from \ to   running  draining  stopping  stopped
 *   idle           x         x         x
 *   running                  x         x
 *   draining                           x
 *   stopping                                     x
 *
 * _lsobs_lifecycle_enter() is the only function that changes it. The thread that enters a state
 * does the work of that state:
 *
 * - running: _lsobs_worker_wake(), after the first record was pushed.
 * - draining: _lsobs_worker_drain(), when the exporter shuts down. What waits is sent.
 * - stopping: _lsobs_worker_begin_stop(). Requests are cancelled; what is left is saved on disk or
 *   lost.
 * - stopped: _lsobs_worker_finish() in the worker's context; or, if no thread has ever run that,
 *   _lsobs_worker_begin_stop().
 *
 * Who may do what:
 *
 *                                           idle  running  draining  stopping  stopped
 *   PUSH     producers add records            x       x
 *   START    a wake-up starts the thread      x       x         x
 *   SEND     the sender sends batches                 x         x
 *   DISCARD  the batcher loses what is left                               x         x
 */
typedef enum
{
  LSOBS_LIFECYCLE_IDLE,
  LSOBS_LIFECYCLE_RUNNING,
  LSOBS_LIFECYCLE_DRAINING,
  LSOBS_LIFECYCLE_STOPPING,
  LSOBS_LIFECYCLE_STOPPED
} LsobsLifecycleState;

typedef enum
{
  LSOBS_LIFECYCLE_PUSH,
  LSOBS_LIFECYCLE_START,
  LSOBS_LIFECYCLE_SEND,
  LSOBS_LIFECYCLE_DISCARD
} LsobsLifecycleAction;

/* Filled with zeroes, it is idle. */
typedef struct
{
  int state; /* (atomic) LsobsLifecycleState */
} LsobsLifecycle;

LsobsLifecycleState _lsobs_lifecycle_get_state (LsobsLifecycle *self);
gboolean _lsobs_lifecycle_enter (LsobsLifecycle *self, LsobsLifecycleState state);
gboolean _lsobs_lifecycle_allows (LsobsLifecycle *self, LsobsLifecycleAction action);

G_END_DECLS
