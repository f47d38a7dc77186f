/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/lsobs-transport.h"
#include "lsobs/model/lsobs-run-store-private.h"
#include "lsobs/pipeline/lsobs-notifier-private.h"
#include "lsobs/pipeline/lsobs-queue-private.h"

G_BEGIN_DECLS

/* The far side of the queue: takes batches out, sends them, learns from the
 * answers. Runs in a thread of its own, or in the context of the program. */
typedef struct _LsobsWorker LsobsWorker;

LsobsWorker *_lsobs_worker_new (LsobsSettings *settings,
                                LsobsCounters *counters,
                                LsobsQueue *queue,
                                LsobsRunStore *store,
                                LsobsTransport *transport,
                                GMainContext *context);
void _lsobs_worker_unref (LsobsWorker *self);
void _lsobs_worker_set_notifier (LsobsWorker *self, LsobsNotifier *notifier);

void _lsobs_worker_wake (LsobsWorker *self, LsobsWake wake);
LsobsTransport *_lsobs_worker_peek_transport (LsobsWorker *self);
GMainContext *_lsobs_worker_peek_context (LsobsWorker *self);
gboolean _lsobs_worker_wait (LsobsWorker *self, LsobsFlushWaiter *ticket, gint64 deadline);
void _lsobs_worker_hurry (LsobsWorker *self, gint64 deadline);
void _lsobs_worker_begin_stop (LsobsWorker *self, gint64 deadline);
void _lsobs_worker_end_stop (LsobsWorker *self, gint64 began);

LsobsState _lsobs_worker_get_state (LsobsWorker *self);
char *_lsobs_worker_dup_problem (LsobsWorker *self);

G_END_DECLS
