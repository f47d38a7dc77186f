/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/lsobs-ticket-private.h"

LsobsTicket *
_lsobs_ticket_new (LsobsTicketFunc func, gpointer user_data)
{
  LsobsTicket *self = g_new0 (LsobsTicket, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->func = func;
  self->user_data = user_data;
  return self;
}

LsobsTicket *
_lsobs_ticket_ref (LsobsTicket *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_ticket_unref (LsobsTicket *self)
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
_lsobs_ticket_finish (LsobsTicket *self)
{
  g_mutex_lock (&self->lock);
  self->done = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  if (self->func != NULL)
    self->func (self, self->user_data);
}

gboolean
_lsobs_ticket_is_done (LsobsTicket *self)
{
  gboolean done;

  g_mutex_lock (&self->lock);
  done = self->done;
  g_mutex_unlock (&self->lock);
  return done;
}

/* @deadline: monotonic, µs. Returns whether the ticket is done. */
gboolean
_lsobs_ticket_wait_until (LsobsTicket *self, gint64 deadline)
{
  gboolean done;

  g_mutex_lock (&self->lock);
  while (!self->done && g_cond_wait_until (&self->cond, &self->lock, deadline))
    ;
  done = self->done;
  g_mutex_unlock (&self->lock);
  return done;
}
