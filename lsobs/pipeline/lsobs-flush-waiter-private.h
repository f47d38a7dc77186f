/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _LsobsFlushWaiter LsobsFlushWaiter;

/* Called once, without any lock held, in whatever thread decided the last
 * record. */
typedef void (*LsobsTicketFunc) (LsobsFlushWaiter *ticket, gpointer user_data);

/* What a flush holds while the records that were there when it began find their
 * fate. The numbers are guarded by the queue's lock until the ticket is done,
 * and constant from then on. */
struct _LsobsFlushWaiter
{
  gatomicrefcount ref_count;

  guint64 last_seq; /* records up to here count */
  guint64 n_remaining;
  guint64 n_delivered;
  guint64 n_failed;
  gboolean refused; /* ended early, because nothing is being sent */

  LsobsTicketFunc func; /* (nullable) */
  gpointer user_data;
  GDestroyNotify destroy; /* (nullable) for user_data */

  GMutex lock;
  GCond cond;
  gboolean done; /* guarded by lock */
};

LsobsFlushWaiter *_lsobs_flush_waiter_new (LsobsTicketFunc func, gpointer user_data);
LsobsFlushWaiter *_lsobs_flush_waiter_ref (LsobsFlushWaiter *self);
void _lsobs_flush_waiter_unref (LsobsFlushWaiter *self);
void _lsobs_flush_waiter_finish (LsobsFlushWaiter *self);
gboolean _lsobs_flush_waiter_is_done (LsobsFlushWaiter *self);
gboolean _lsobs_flush_waiter_wait_until (LsobsFlushWaiter *self, gint64 deadline);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsFlushWaiter, _lsobs_flush_waiter_unref)

G_END_DECLS
