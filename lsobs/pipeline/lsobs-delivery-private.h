/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/model/lsobs-record-private.h"
#include "lsobs/model/lsobs-run-store-private.h"
#include "lsobs/pipeline/lsobs-destination-private.h"
#include "lsobs/pipeline/lsobs-flush-waiter-private.h"
#include "lsobs/pipeline/lsobs-notifier-private.h"

G_BEGIN_DECLS

/* The queue and the worker behind it, for one of the places that runs are written
 * to. Thread-safe. */
typedef struct _LsobsDelivery LsobsDelivery;

LsobsDelivery *_lsobs_delivery_new (const LsobsDestination *lane,
                                    LsobsRunStore *store,
                                    GMainContext *context,
                                    LsobsNotifier *notifier);
void _lsobs_delivery_free (LsobsDelivery *self);
void _lsobs_delivery_set_notifier (LsobsDelivery *self, LsobsNotifier *notifier);

void _lsobs_delivery_push (LsobsDelivery *self, LsobsRecord *record);
void _lsobs_delivery_push_late (LsobsDelivery *self, LsobsRecord *record);
gboolean _lsobs_delivery_attach (LsobsDelivery *self,
                                 LsobsRunInfo *info,
                                 LsobsAttachment *attachment);

/* for flushing */
gboolean _lsobs_delivery_add_ticket (LsobsDelivery *self, LsobsFlushWaiter *ticket);
void _lsobs_delivery_wait (LsobsDelivery *self, LsobsFlushWaiter *ticket, gint64 deadline);
gboolean _lsobs_delivery_remove_ticket (LsobsDelivery *self, LsobsFlushWaiter *ticket);
LsobsTransport *_lsobs_delivery_peek_transport (LsobsDelivery *self);
GMainContext *_lsobs_delivery_peek_context (LsobsDelivery *self);
gsize _lsobs_delivery_get_n_batches (LsobsDelivery *self);
gsize _lsobs_delivery_take_evictions (LsobsDelivery *self);
char *_lsobs_delivery_dup_problem (LsobsDelivery *self);

/* for the end */
void _lsobs_delivery_close (LsobsDelivery *self);
void _lsobs_delivery_hurry (LsobsDelivery *self, gint64 deadline);
gboolean _lsobs_delivery_begin_stop (LsobsDelivery *self, gint64 deadline);
void _lsobs_delivery_end_stop (LsobsDelivery *self, gint64 began);

LsobsStats *_lsobs_delivery_dup_stats (LsobsDelivery *self);
LsobsState _lsobs_delivery_get_state (LsobsDelivery *self);

G_END_DECLS
