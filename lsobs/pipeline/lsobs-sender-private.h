/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/lsobs-transport.h"
#include "lsobs/model/lsobs-run-store-private.h"
#include "lsobs/pipeline/lsobs-health-private.h"
#include "lsobs/pipeline/lsobs-queue-private.h"

G_BEGIN_DECLS

/* Gives batches to a transport, learns from what becomes of them, and decides when the
 * next one may leave. Belongs to the thread that runs the context of the worker, unless
 * a function says otherwise. */
typedef struct _LsobsSender LsobsSender;

LsobsSender *_lsobs_sender_new (LsobsSettings *settings,
                                LsobsCounters *counters,
                                LsobsQueue *queue,
                                LsobsRunStore *store,
                                LsobsTransport *transport,
                                GMainContext *context,
                                GSource *source);
LsobsSender *_lsobs_sender_ref (LsobsSender *self);
void _lsobs_sender_unref (LsobsSender *self);
LsobsHealth *_lsobs_sender_peek_health (LsobsSender *self);

void _lsobs_sender_pump (LsobsSender *self);
gboolean _lsobs_sender_is_busy (LsobsSender *self);

/* for the end */
void _lsobs_sender_cancel (LsobsSender *self, GMainLoop *loop);
gboolean _lsobs_sender_lose_next (LsobsSender *self);
void _lsobs_sender_drop_all (LsobsSender *self);
void _lsobs_sender_let_go (LsobsSender *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsSender, _lsobs_sender_unref)

G_END_DECLS
