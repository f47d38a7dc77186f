/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/pipeline/lsobs-flush-waiter-private.h"

LsobsFlushWaiter *
_lsobs_flush_waiter_new (LsobsFlushWaiterFunc func, gpointer user_data)
{
  LsobsFlushWaiter *self = g_new0 (LsobsFlushWaiter, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->func = func;
  self->user_data = user_data;
  return self;
}

LsobsFlushWaiter *
_lsobs_flush_waiter_ref (LsobsFlushWaiter *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_flush_waiter_unref (LsobsFlushWaiter *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  if (self->destroy != NULL)
    self->destroy (self->user_data);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
  g_free (self);
}

/* Called once, by the thread that took the waiter out of its queue. */
void
_lsobs_flush_waiter_finish (LsobsFlushWaiter *self)
{
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_FLUSH_WAITER);
  self->done = TRUE;
  g_cond_broadcast (&self->cond);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_FLUSH_WAITER);
  if (self->func != NULL)
    self->func (self, self->user_data);
}

gboolean
_lsobs_flush_waiter_is_done (LsobsFlushWaiter *self)
{
  gboolean done;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_FLUSH_WAITER);
  done = self->done;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_FLUSH_WAITER);
  return done;
}

/* @deadline: monotonic, µs
 * Returns: whether the waiter is done */
gboolean
_lsobs_flush_waiter_wait_until (LsobsFlushWaiter *self, gint64 deadline)
{
  gboolean done;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_FLUSH_WAITER);
  while (!self->done && g_cond_wait_until (&self->cond, &self->lock, deadline))
    ;
  done = self->done;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_FLUSH_WAITER);
  return done;
}
