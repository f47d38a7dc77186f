/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-flush-stats.h"
#include "lsobs/lsobs-run-event.h"
#include "lsobs/model/lsobs-record-private.h"
#include "lsobs/pipeline/lsobs-destination-private.h"
#include "lsobs/pipeline/lsobs-notifier-private.h"

G_BEGIN_DECLS

/* Pipes to all the places that runs are written to, and the store of runs beside
 * them: everything of an exporter that holds a lock, a thread or a socket, and so
 * belongs to one process. No pipe waits for another. Thread-safe. */
typedef struct _LsobsDispatcher LsobsDispatcher;

LsobsDispatcher *_lsobs_dispatcher_new (GPtrArray *lanes,
                                        LsobsCounters *counters,
                                        GMainContext *context,
                                        LsobsNotifier *notifier);
void _lsobs_dispatcher_free (LsobsDispatcher *self);
gboolean _lsobs_dispatcher_is_foreign (LsobsDispatcher *self);
void _lsobs_dispatcher_close (LsobsDispatcher *self);
void _lsobs_dispatcher_set_notifier (LsobsDispatcher *self, LsobsNotifier *notifier);

void _lsobs_dispatcher_push (LsobsDispatcher *self, LsobsRecord *record);
void _lsobs_dispatcher_push_late (LsobsDispatcher *self, LsobsRecord *record);
gboolean _lsobs_dispatcher_attach (LsobsDispatcher *self,
                                   LsobsRunInfo *info,
                                   LsobsAttachment *attachment);
gboolean _lsobs_dispatcher_take_event (LsobsDispatcher *self, LsobsRunEvent *event, GError **error);
gboolean _lsobs_dispatcher_take_feedback (LsobsDispatcher *self,
                                          LsobsFeedback *feedback,
                                          GObject *exporter,
                                          GError **error);

gboolean _lsobs_dispatcher_flush (LsobsDispatcher *self,
                                  gint64 timeout,
                                  LsobsFlushStats *stats,
                                  GError **error);
void _lsobs_dispatcher_flush_task (LsobsDispatcher *self, gint64 timeout, GTask *task);
gboolean _lsobs_dispatcher_shut_down (LsobsDispatcher *self,
                                      gint64 timeout,
                                      LsobsFlushStats *stats,
                                      GError **error);

LsobsStats *_lsobs_dispatcher_dup_stats (LsobsDispatcher *self);
LsobsStats *_lsobs_dispatcher_dup_lane_stats (LsobsDispatcher *self, guint lane);
LsobsState _lsobs_dispatcher_get_state (LsobsDispatcher *self);
LsobsState _lsobs_dispatcher_get_lane_state (LsobsDispatcher *self, guint lane);

G_END_DECLS
