/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The life of one pipeline. Its queue, worker, sender and batcher share one state, which only
 * moves forward. Thread-safe:
 *
 *   from \ to   running  draining  stopping  stopped
 *   idle           x         x         x
 *   running                  x         x
 *   draining                           x
 *   stopping                                     x
 *
 * _lsobs_lifecycle_enter() is the only function that changes it. These functions call it:
 *
 * - running: _lsobs_worker_wake(), after the first record was pushed.
 * - draining: _lsobs_worker_drain(), when the exporter shuts down; _lsobs_worker_leave(), when its
 *   last reference goes.
 * - stopping: _lsobs_worker_begin_stop() in a shutdown; _lsobs_worker_stop_later() and
 *   _lsobs_worker_stop_now() for a worker that leaves.
 * - stopped: _lsobs_worker_finish(), as the last step in the worker's context. If the worker has no
 *   context yet: the functions that enter stopping.
 *
 * The first three are called in any thread. They attach sources to the worker's context, and the
 * thread that runs the context does the work of the state:
 *
 * - draining: the sender sends what waits, until the deadline.
 * - stopping: batches under way are cancelled; what is left is written to disk or lost.
 *
 * A thread that may run the context of the program runs it for that work, see
 * _lsobs_worker_acquire_context(). If another thread must run the context, the stopping thread
 * waits for it, up to a deadline; then it calls _lsobs_queue_write_off() and returns. All records
 * are counted as lost then, those that have left the queue, too. As long as no thread runs the
 * context, the state stays stopping, and batches under way are not cancelled; if the worker leaves,
 * the thread lsobs-leave runs the context, unless that would call a function of the program. The
 * state also stays stopping while a transport or a function of the program blocks the worker's own
 * thread.
 *
 * The cancellable and the loop of the sender are no state: they only carry out the stop.
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

gboolean _lsobs_lifecycle_enter (LsobsLifecycle *self, LsobsLifecycleState state);

/* Called from any thread. */
static inline LsobsLifecycleState
_lsobs_lifecycle_get_state (LsobsLifecycle *self)
{
  return (LsobsLifecycleState) g_atomic_int_get (&self->state);
}

/* Called from any thread. The table above in code: an action is allowed in the states of a range. */
static inline gboolean
_lsobs_lifecycle_allows (LsobsLifecycle *self, LsobsLifecycleAction action)
{
  LsobsLifecycleState state = _lsobs_lifecycle_get_state (self);

  switch (action)
    {
    case LSOBS_LIFECYCLE_PUSH:
      return state <= LSOBS_LIFECYCLE_RUNNING;
    case LSOBS_LIFECYCLE_START:
      return state <= LSOBS_LIFECYCLE_DRAINING;
    case LSOBS_LIFECYCLE_SEND:
      return state == LSOBS_LIFECYCLE_RUNNING || state == LSOBS_LIFECYCLE_DRAINING;
    case LSOBS_LIFECYCLE_DISCARD:
    default:
      return state >= LSOBS_LIFECYCLE_STOPPING;
    }
}

G_END_DECLS
