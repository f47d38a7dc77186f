/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/pipeline/lsobs-flush-waiter-private.h"

LsobsFlushWaiter *
_lsobs_flush_waiter_new (LsobsTicketFunc func, gpointer user_data)
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

/* Called once, by whoever took the ticket out of the queue. */
void
_lsobs_flush_waiter_finish (LsobsFlushWaiter *self)
{
  g_mutex_lock (&self->lock);
  self->done = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  if (self->func != NULL)
    self->func (self, self->user_data);
}

gboolean
_lsobs_flush_waiter_is_done (LsobsFlushWaiter *self)
{
  gboolean done;

  g_mutex_lock (&self->lock);
  done = self->done;
  g_mutex_unlock (&self->lock);
  return done;
}

/* @deadline: monotonic, µs. Returns whether the ticket is done. */
gboolean
_lsobs_flush_waiter_wait_until (LsobsFlushWaiter *self, gint64 deadline)
{
  gboolean done;

  g_mutex_lock (&self->lock);
  while (!self->done && g_cond_wait_until (&self->cond, &self->lock, deadline))
    ;
  done = self->done;
  g_mutex_unlock (&self->lock);
  return done;
}
