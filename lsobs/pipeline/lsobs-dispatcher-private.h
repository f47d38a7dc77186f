/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-flush-stats.h"
#include "lsobs/lsobs-run-event.h"
#include "lsobs/model/lsobs-record-private.h"
#include "lsobs/pipeline/lsobs-destination-private.h"
#include "lsobs/pipeline/lsobs-notifier-private.h"
#include "lsobs/pipeline/lsobs-queue-private.h"

G_BEGIN_DECLS

/* The pipelines to all destinations of an exporter, and the store of runs that are reported by
 * id: everything of an exporter that holds a lock, a thread or a socket, and so belongs to one
 * process. No pipeline waits for another. Thread-safe. */
typedef struct _LsobsDispatcher LsobsDispatcher;

LsobsDispatcher *_lsobs_dispatcher_new (GPtrArray *destinations,
                                        LsobsCounters *counters,
                                        GMainContext *context,
                                        LsobsNotifier *notifier);
LsobsDispatcher *_lsobs_dispatcher_ref (LsobsDispatcher *self);
void _lsobs_dispatcher_unref (LsobsDispatcher *self);
gboolean _lsobs_dispatcher_is_forked (LsobsDispatcher *self);
gboolean _lsobs_dispatcher_is_shut_down (LsobsDispatcher *self);
gboolean _lsobs_dispatcher_is_finished (LsobsDispatcher *self, int n_refs);
gboolean _lsobs_dispatcher_shares_counters (LsobsDispatcher *self, LsobsDispatcher *other);
void _lsobs_dispatcher_set_notifier (LsobsDispatcher *self, LsobsNotifier *notifier);

void _lsobs_dispatcher_push (LsobsDispatcher *self, LsobsRecord *record);
gboolean _lsobs_dispatcher_end_plainly (LsobsDispatcher *self,
                                        LsobsRunInfo *info,
                                        LsobsRecordEnd *end);
void _lsobs_dispatcher_push_end (LsobsDispatcher *self, LsobsRecord *end);
gboolean _lsobs_dispatcher_is_single (LsobsDispatcher *self);
void _lsobs_dispatcher_push_late (LsobsDispatcher *self, LsobsRecord *record);
gboolean _lsobs_dispatcher_attach (LsobsDispatcher *self,
                                   LsobsRunInfo *info,
                                   LsobsAttachment *attachment,
                                   LsobsWakeup *wake);
void _lsobs_dispatcher_wake (LsobsDispatcher *self, LsobsWakeup wake);
gboolean _lsobs_dispatcher_import_event (LsobsDispatcher *self,
                                         LsobsRunEvent *event,
                                         GError **error);
gboolean _lsobs_dispatcher_import_feedback (LsobsDispatcher *self,
                                            LsobsFeedback *feedback,
                                            GObject *exporter,
                                            GError **error);

gboolean _lsobs_dispatcher_flush (GPtrArray *dispatchers,
                                  gint64 timeout,
                                  LsobsFlushStats *stats,
                                  GError **error);
void _lsobs_dispatcher_flush_task (GPtrArray *dispatchers, gint64 timeout, GTask *task);
LsobsFlushStats *_lsobs_dispatcher_peek_task_stats (GTask *task);
gboolean _lsobs_dispatcher_shut_down (GPtrArray *dispatchers,
                                      gint64 timeout,
                                      LsobsFlushStats *stats,
                                      GError **error);
gboolean _lsobs_dispatcher_shut_down_all (GPtrArray *dispatchers,
                                          const gint64 *timeouts,
                                          const gint64 *leave_timeout,
                                          GError **error);
gint64 _lsobs_dispatcher_get_shutdown_timeout (LsobsDispatcher *self);
gint64 _lsobs_dispatcher_get_exit_timeout (LsobsDispatcher *self);
gboolean _lsobs_dispatcher_is_banned (LsobsDispatcher *self);
void _lsobs_dispatcher_write_off (LsobsDispatcher *self);
void _lsobs_dispatcher_end (LsobsDispatcher *self, gint64 timeout);
void _lsobs_dispatcher_stop (LsobsDispatcher *self, gint64 deadline);

LsobsStats *_lsobs_dispatcher_dup_stats (LsobsDispatcher *self);
LsobsStats *_lsobs_dispatcher_dup_destination_stats (LsobsDispatcher *self, guint index);
LsobsState _lsobs_dispatcher_get_state (LsobsDispatcher *self);
LsobsState _lsobs_dispatcher_get_destination_state (LsobsDispatcher *self, guint index);

G_END_DECLS
