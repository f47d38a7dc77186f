/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-counters-private.h"
#include "lsobs/model/lsobs-record-private.h"
#include "lsobs/pipeline/lsobs-flush-waiter-private.h"

G_BEGIN_DECLS

/* A bounded buffer around a GAsyncQueue. Producers are never blocked: when it is
 * full, the oldest record goes. Records that were taken and not delivered count as
 * waiting again. They are older than all others, but belong to the flush thread, which is
 * woken to drop the oldest of them. Until it has done so, the queue may exceed its bounds
 * by as many records. The lock also guards the books: what was enqueued, taken, delivered
 * and lost, and who waits for it. Thread-safe. */
typedef struct _LsobsQueue LsobsQueue;

/* What the producer has to do after a push. */
typedef enum
{
  LSOBS_WAKE_NONE,
  LSOBS_WAKE_LATER, /* the first record waits: set the alarm */
  LSOBS_WAKE_NOW    /* a full batch waits, much memory is in use, or something has to go */
} LsobsWake;

LsobsQueue *_lsobs_queue_new (guint capacity,
                              gsize max_bytes,
                              guint batch_size,
                              gsize batch_bytes,
                              LsobsCounters *counters,
                              guint lane);
LsobsQueue *_lsobs_queue_ref (LsobsQueue *self);
void _lsobs_queue_unref (LsobsQueue *self);

/* for producers */
LsobsWake _lsobs_queue_push (LsobsQueue *self, LsobsRecord *record);
gboolean _lsobs_queue_join_waiting (LsobsQueue *self, LsobsRecord *record);
gboolean _lsobs_queue_attach (LsobsQueue *self,
                              LsobsRunInfo *info,
                              LsobsAttachment *attachment,
                              LsobsWake *wake);

/* for the flush thread */
guint _lsobs_queue_take (LsobsQueue *self, guint max_records, gsize max_bytes, GPtrArray *records);
gboolean _lsobs_queue_is_due (LsobsQueue *self, gint64 interval_us, gint64 now, gint64 *due_time);
LsobsCreateState _lsobs_queue_get_create_state (LsobsQueue *self, LsobsRunInfo *info);
void _lsobs_queue_settle (LsobsQueue *self, LsobsRecord *record);
void _lsobs_queue_promote (LsobsQueue *self, LsobsRecord *record);
void _lsobs_queue_demote (LsobsQueue *self, LsobsRecord *record);
void _lsobs_queue_keep (LsobsQueue *self, LsobsRecord *record);
void _lsobs_queue_send (LsobsQueue *self, LsobsRecord *record);
gboolean _lsobs_queue_is_over_full (LsobsQueue *self, LsobsDropReason *reason);
void _lsobs_queue_evict (LsobsQueue *self, LsobsRecord *record, LsobsDropReason reason);
void _lsobs_queue_delivered (LsobsQueue *self, LsobsRecord *record);
void _lsobs_queue_lost (LsobsQueue *self, LsobsRecord *record, LsobsDropReason reason);

/* for flushing and closing */
gboolean _lsobs_queue_add_ticket (LsobsQueue *self, LsobsFlushWaiter *ticket);
gboolean _lsobs_queue_remove_ticket (LsobsQueue *self, LsobsFlushWaiter *ticket);
gboolean _lsobs_queue_has_tickets (LsobsQueue *self);
void _lsobs_queue_refuse_tickets (LsobsQueue *self);
void _lsobs_queue_close (LsobsQueue *self);
gboolean _lsobs_queue_is_closed (LsobsQueue *self);
void _lsobs_queue_drop_waiting (LsobsQueue *self, LsobsDropReason reason);
LsobsStats *_lsobs_queue_snapshot (LsobsQueue *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsQueue, _lsobs_queue_unref)

G_END_DECLS
