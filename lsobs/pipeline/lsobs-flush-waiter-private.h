/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _LsobsFlushWaiter LsobsFlushWaiter;

/* Called once, without a lock, in the thread that delivered or lost the last record. */
typedef void (*LsobsFlushWaiterFunc) (LsobsFlushWaiter *waiter, gpointer user_data);

/* Waits until all records that were in one queue when a flush began are delivered or lost. The lock
 * of the queue guards the numbers until the waiter is done; they are constant from then on.
 * Thread-safe. */
struct _LsobsFlushWaiter
{
  gatomicrefcount ref_count;

  guint64 last_seq; /* it waits for the records up to here */
  guint64 n_remaining;
  guint64 n_delivered;
  guint64 n_failed;
  guint64 n_spooled;
  gboolean refused; /* done early, because sending is paused */
  gboolean patient; /* constant: hastens nothing, and is never refused */

  LsobsFlushWaiterFunc func; /* (nullable) */
  gpointer user_data;
  GDestroyNotify destroy; /* (nullable) for user_data */

  GMutex lock;
  GCond cond;
  gboolean done; /* guarded by lock */
};

LsobsFlushWaiter *_lsobs_flush_waiter_new (LsobsFlushWaiterFunc func, gpointer user_data);
LsobsFlushWaiter *_lsobs_flush_waiter_ref (LsobsFlushWaiter *self);
void _lsobs_flush_waiter_unref (LsobsFlushWaiter *self);
void _lsobs_flush_waiter_finish (LsobsFlushWaiter *self);
gboolean _lsobs_flush_waiter_is_done (LsobsFlushWaiter *self);
gboolean _lsobs_flush_waiter_wait_until (LsobsFlushWaiter *self, gint64 deadline);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsFlushWaiter, _lsobs_flush_waiter_unref)

G_END_DECLS
