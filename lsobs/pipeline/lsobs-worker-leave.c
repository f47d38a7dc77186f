/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-flush-source-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/pipeline/lsobs-worker-leave-private.h"
#include "lsobs/pipeline/lsobs-worker-stop-private.h"

/* Called in the thread that delivered or lost the last record. */
static void
waiter_done_cb (LsobsFlushWaiter *waiter, gpointer user_data)
{
  _lsobs_flush_source_arm (user_data, 0);
}

/* @alarm: fires when all records of this moment are delivered or lost
 * Returns: (transfer full): not yet added to the queue */
static LsobsFlushWaiter *
new_waiter (GSource *alarm, gboolean patient)
{
  LsobsFlushWaiter *waiter = _lsobs_flush_waiter_new (waiter_done_cb, g_source_ref (alarm));

  waiter->destroy = (GDestroyNotify) g_source_unref;
  waiter->patient = patient;
  return waiter;
}

/* The service seems to be away: the queued records are sent if it is back before the deadline.
 * Returns: FALSE if nothing waits */
static gboolean
wait_patiently (LsobsWorker *self, GSource *alarm)
{
  _lsobs_flush_source_arm (alarm, _lsobs_worker_get_leave_deadline (self));
  _lsobs_flush_waiter_unref (self->leave_waiter);
  self->leave_waiter = new_waiter (alarm, TRUE);
  return _lsobs_queue_add_waiter (self->queue, self->leave_waiter);
}

/* Called in the context: at the deadline, or when the waiter is done. */
static gboolean
leave_cb (gpointer user_data)
{
  LsobsWorker *self = user_data;
  GSource *alarm = g_main_current_source ();

  if (self->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;
  g_assert (g_main_context_is_owner (self->context));
  if (g_get_monotonic_time () < _lsobs_worker_get_leave_deadline (self) &&
      self->leave_waiter->refused && wait_patiently (self, alarm))
    return G_SOURCE_CONTINUE;
  _lsobs_queue_remove_waiter (self->queue, self->leave_waiter);
  _lsobs_worker_stop_later (self, self->leave_stop_deadline);
  return G_SOURCE_REMOVE;
}

/* Accepts no more records. Called from any thread.
 * @deadline: monotonic, µs: when all sending ends
 * @stop_deadline: monotonic, µs: how long it may take after that to write what is left
 * @left: called once, when the worker has stopped, in any thread
 * Returns: FALSE if the worker is shut down already; otherwise, this thread calls
 *   _lsobs_worker_begin_leave() next */
gboolean
_lsobs_worker_leave (LsobsWorker *self,
                     gint64 deadline,
                     gint64 stop_deadline,
                     LsobsWorkerLeftFunc left)
{
  if (!_lsobs_lifecycle_enter (self->lifecycle, LSOBS_LIFECYCLE_DRAINING))
    return FALSE;
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  self->leave_deadline = deadline;
  self->leave_stop_deadline = stop_deadline;
  self->left = left;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
  _lsobs_worker_begin_drain (self, deadline);
  _lsobs_worker_charge_thread (self);
  return TRUE;
}

/* Has the worker send what waits, and stop then. */
void
_lsobs_worker_begin_leave (LsobsWorker *self)
{
  g_autoptr (GSource) alarm = _lsobs_flush_source_new ();
  g_autoptr (LsobsFlushWaiter) waiter = NULL;

  g_source_set_static_name (alarm, "[lsobs] leave");
  _lsobs_flush_source_arm (alarm, _lsobs_worker_get_leave_deadline (self));
  waiter = new_waiter (alarm, FALSE);
  self->leave_waiter = _lsobs_flush_waiter_ref (waiter);
  if (_lsobs_queue_add_waiter (self->queue, waiter))
    {
      _lsobs_worker_attach_leave_alarm (self, alarm, leave_cb);
      _lsobs_worker_wake (self, LSOBS_WAKEUP_NOW);
      /* Without a thread or a descriptor, nothing would ever be sent. */
      if (!_lsobs_worker_has_runner (self))
        _lsobs_worker_stop_later (self, self->leave_stop_deadline);
    }
  else
    {
      _lsobs_worker_stop_later (self, self->leave_stop_deadline);
    }
}

/* Ends the time to leave now: no more records are sent, and the queued ones are written to disk, if
 * that is configured. If the budget has not started the thread yet, the thread does this when it
 * starts. Called from any thread. */
void
_lsobs_worker_hasten_leave (LsobsWorker *self)
{
  g_autoptr (GSource) alarm = NULL;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  self->leave_deadline = MIN (self->leave_deadline, g_get_monotonic_time ());
  alarm = self->leave_alarm != NULL ? g_source_ref (self->leave_alarm) : NULL;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
  if (alarm != NULL)
    _lsobs_flush_source_arm (alarm, 0);
}

/* Whether it has begun to leave and not to stop. Called from any thread. */
gboolean
_lsobs_worker_is_leaving (LsobsWorker *self)
{
  gboolean leaves;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_WORKER);
  leaves = self->left != NULL;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_WORKER);
  return leaves && _lsobs_lifecycle_get_state (self->lifecycle) == LSOBS_LIFECYCLE_DRAINING;
}
