/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/model/lsobs-run-store-private.h"
#include "lsobs/pipeline/lsobs-destination-private.h"
#include "lsobs/pipeline/lsobs-health-private.h"
#include "lsobs/pipeline/lsobs-queue-private.h"

G_BEGIN_DECLS

/* Gives batches to a transport, learns from their outcomes how the service is, and decides when
 * the next one may leave. Used in the worker's context only, except for the functions
 * that say so. */
typedef struct _LsobsSender LsobsSender;

LsobsSender *_lsobs_sender_new (const LsobsDestination *destination,
                                LsobsQueue *queue,
                                LsobsRunStore *store,
                                GSource *source);
void _lsobs_sender_set_context (LsobsSender *self, GMainContext *context, GSource *driver);
void _lsobs_sender_unref (LsobsSender *self);
LsobsHealth *_lsobs_sender_peek_health (LsobsSender *self);

void _lsobs_sender_pump (LsobsSender *self);
gboolean _lsobs_sender_is_busy (LsobsSender *self);

/* Called before and after a call that may run a function of the program. */
void _lsobs_sender_enter (LsobsSender *self);
void _lsobs_sender_leave (LsobsSender *self);
gboolean _lsobs_sender_is_entered (LsobsSender *self);

/* for stopping */
void _lsobs_sender_cancel (LsobsSender *self, GMainLoop *loop);
gboolean _lsobs_sender_discard_next (LsobsSender *self);
void _lsobs_sender_discard_all (LsobsSender *self);
void _lsobs_sender_abandon (LsobsSender *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsSender, _lsobs_sender_unref)

G_END_DECLS
