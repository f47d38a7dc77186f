/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/model/lsobs-run-store-private.h"
#include "lsobs/pipeline/lsobs-destination-private.h"
#include "lsobs/pipeline/lsobs-queue-private.h"
#include "lsobs/transport/lsobs-batch-private.h"

G_BEGIN_DECLS

/* Makes batches of the records in the queue, and keeps all records that were taken and have no
 * outcome yet: batches that are ready, batches and records that must not overtake the create of
 * their run, feedback that waits for an answer of the service, and batches that are sent again.
 * Used in the worker's context only, but for the constructor and set_context(). */
typedef struct _LsobsBatcher LsobsBatcher;

LsobsBatcher *_lsobs_batcher_new (const LsobsDestination *destination,
                                  LsobsQueue *queue,
                                  LsobsRunStore *store,
                                  GSource *waker);
void _lsobs_batcher_set_context (LsobsBatcher *self, GMainContext *context);
void _lsobs_batcher_free (LsobsBatcher *self);
void _lsobs_batcher_rest (LsobsBatcher *self);

LsobsBatch *_lsobs_batcher_next (LsobsBatcher *self,
                                 gboolean probing,
                                 gboolean searching,
                                 gint64 time);
gint64 _lsobs_batcher_get_due_time (LsobsBatcher *self, gint64 now);
gboolean _lsobs_batcher_split (LsobsBatcher *self, LsobsBatch *batch, const GError *error);
void _lsobs_batcher_put_back (LsobsBatcher *self, LsobsBatch *batch);
void _lsobs_batcher_keep (LsobsBatcher *self, LsobsBatch *batch);
void _lsobs_batcher_bisect (LsobsBatcher *self, LsobsBatch *batch);
gboolean _lsobs_batcher_awaits_answers (LsobsBatcher *self);
void _lsobs_batcher_keep_all (LsobsBatcher *self);
void _lsobs_batcher_evict (LsobsBatcher *self);
gboolean _lsobs_batcher_has_isolated (LsobsBatcher *self);
void _lsobs_batcher_begin_probing (LsobsBatcher *self);
guint _lsobs_batcher_isolate (LsobsBatcher *self, guint64 number);
void _lsobs_batcher_send (LsobsBatcher *self, LsobsBatch *batch);
void _lsobs_batcher_delivered (LsobsBatcher *self, LsobsBatch *batch);
guint _lsobs_batcher_lost (LsobsBatcher *self, LsobsBatch *batch, LsobsDropReason reason);
gint64 _lsobs_batcher_spool_overdue (LsobsBatcher *self, gint64 now, guint eighths);
gboolean _lsobs_batcher_discard_next (LsobsBatcher *self, LsobsDropReason reason);
void _lsobs_batcher_discard_all (LsobsBatcher *self, LsobsDropReason reason);

G_END_DECLS
