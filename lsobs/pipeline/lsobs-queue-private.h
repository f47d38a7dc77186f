/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/model/lsobs-record-private.h"
#include "lsobs/pipeline/lsobs-flush-waiter-private.h"
#include "lsobs/pipeline/lsobs-lifecycle-private.h"

G_BEGIN_DECLS

/* The bounded queue of one pipeline. Producers are never blocked: when the queue is full, the
 * oldest record is dropped. A record is taken when the worker has popped it; a taken record that
 * could not be delivered is kept: it waits to be sent again, outside of the queue, and counts as
 * queued. Kept records are older than those in the queue, so they are dropped first when the queue
 * is full: then the worker is woken to drop the oldest. Until it has done so, the bounds may be
 * exceeded by the number of kept records. The queue also counts what was enqueued, taken, delivered
 * and lost, and knows the flushes that wait for it. Thread-safe. */
typedef struct _LsobsQueue LsobsQueue;

/* Whether, and when, a producer has to wake the worker after a push. */
typedef enum
{
  LSOBS_WAKEUP_NONE,
  LSOBS_WAKEUP_LATER, /* the first record waits: set the alarm */
  LSOBS_WAKEUP_NOW    /* a full batch waits, much memory is in use, or a kept record has to go */
} LsobsWakeup;

/* How much of a bound is used, in eighths, before records go to the spool: while the service is away,
 * and while it takes records. */
#define LSOBS_QUEUE_HALF_FULL   4
#define LSOBS_QUEUE_ALMOST_FULL 7

LsobsQueue *_lsobs_queue_new (const LsobsConfigValues *values,
                              LsobsCounters *counters,
                              guint destination);
LsobsQueue *_lsobs_queue_ref (LsobsQueue *self);
void _lsobs_queue_unref (LsobsQueue *self);

/* for producers */
LsobsWakeup _lsobs_queue_push (LsobsQueue *self, LsobsRecord *record);
gboolean _lsobs_queue_end_plainly (LsobsQueue *self,
                                   LsobsRunInfo *info,
                                   LsobsRecordEnd *end,
                                   LsobsWakeup *wake);
gboolean _lsobs_queue_end_waiting (LsobsQueue *self, LsobsRecord *end, LsobsWakeup *wake);
gboolean _lsobs_queue_join_waiting (LsobsQueue *self, LsobsRecord *record);
gboolean _lsobs_queue_attach (LsobsQueue *self,
                              LsobsRunInfo *info,
                              LsobsAttachment *attachment,
                              LsobsWakeup *wake);

/* for the worker */
guint _lsobs_queue_take (LsobsQueue *self, guint max_records, gsize max_bytes, GPtrArray *records);
gboolean _lsobs_queue_watch (LsobsQueue *self);
gboolean _lsobs_queue_is_due (LsobsQueue *self, gint64 interval_us, gint64 now, gint64 *due_time);
LsobsCreateState _lsobs_queue_get_create_state (LsobsQueue *self, LsobsRunInfo *info);
void _lsobs_queue_write_annotations (LsobsQueue *self, LsobsRecord *record);
void _lsobs_queue_promote (LsobsQueue *self, LsobsRecord *record);
void _lsobs_queue_demote (LsobsQueue *self, LsobsRecord *record);
void _lsobs_queue_keep (LsobsQueue *self, LsobsRecord *record);
void _lsobs_queue_send (LsobsQueue *self, LsobsRecord *const *records, guint n_records);
gboolean _lsobs_queue_is_filled (LsobsQueue *self, guint eighths);
gint64 _lsobs_queue_get_oldest_time (LsobsQueue *self);
gboolean _lsobs_queue_is_over_full (LsobsQueue *self, LsobsDropReason *reason);
void _lsobs_queue_evict (LsobsQueue *self, LsobsRecord *record, LsobsDropReason reason);
void _lsobs_queue_deliver (LsobsQueue *self, LsobsRecord *const *records, guint n_records);
void _lsobs_queue_spooled (LsobsQueue *self, LsobsRecord *record);
void _lsobs_queue_add_unspooled (LsobsQueue *self, guint n_records);
guint _lsobs_queue_take_unspooled (LsobsQueue *self);
void _lsobs_queue_lost (LsobsQueue *self, LsobsRecord *record, LsobsDropReason reason);

/* for flushing and stopping */
gboolean _lsobs_queue_add_waiter (LsobsQueue *self, LsobsFlushWaiter *waiter);
gboolean _lsobs_queue_remove_waiter (LsobsQueue *self, LsobsFlushWaiter *waiter);
gboolean _lsobs_queue_has_waiters (LsobsQueue *self);
void _lsobs_queue_refuse_waiters (LsobsQueue *self);
LsobsLifecycle *_lsobs_queue_peek_lifecycle (LsobsQueue *self);
void _lsobs_queue_drop_waiting (LsobsQueue *self, LsobsDropReason reason);
void _lsobs_queue_write_off (LsobsQueue *self, LsobsDropReason reason);
gboolean _lsobs_queue_is_written_off (LsobsQueue *self);
int *_lsobs_queue_peek_written_off (LsobsQueue *self);
LsobsStats *_lsobs_queue_dup_stats (LsobsQueue *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsQueue, _lsobs_queue_unref)

G_END_DECLS
