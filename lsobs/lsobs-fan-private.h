/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-flush-stats.h"
#include "lsobs/lsobs-lane-private.h"
#include "lsobs/lsobs-notifier-private.h"
#include "lsobs/lsobs-record-private.h"
#include "lsobs/lsobs-run-event.h"

G_BEGIN_DECLS

/* Pipes to all the places that runs are written to, and the store of runs beside
 * them: everything of an exporter that holds a lock, a thread or a socket, and so
 * belongs to one process. No pipe waits for another. Thread-safe. */
typedef struct _LsobsFan LsobsFan;

LsobsFan *_lsobs_fan_new (GPtrArray *lanes,
                          LsobsCounters *counters,
                          GMainContext *context,
                          LsobsNotifier *notifier);
void _lsobs_fan_free (LsobsFan *self);
gboolean _lsobs_fan_is_foreign (LsobsFan *self);
void _lsobs_fan_close (LsobsFan *self);
void _lsobs_fan_set_notifier (LsobsFan *self, LsobsNotifier *notifier);

void _lsobs_fan_push (LsobsFan *self, LsobsRecord *record);
void _lsobs_fan_push_late (LsobsFan *self, LsobsRecord *record);
gboolean _lsobs_fan_attach (LsobsFan *self, LsobsRunInfo *info, LsobsAttachment *attachment);
gboolean _lsobs_fan_take_event (LsobsFan *self, LsobsRunEvent *event, GError **error);
gboolean _lsobs_fan_take_feedback (LsobsFan *self,
                                   LsobsFeedback *feedback,
                                   GObject *exporter,
                                   GError **error);

gboolean _lsobs_fan_flush (LsobsFan *self, gint64 timeout, LsobsFlushStats *stats, GError **error);
void _lsobs_fan_flush_task (LsobsFan *self, gint64 timeout, GTask *task);
gboolean _lsobs_fan_shut_down (LsobsFan *self,
                               gint64 timeout,
                               LsobsFlushStats *stats,
                               GError **error);

LsobsStats *_lsobs_fan_dup_stats (LsobsFan *self);
LsobsStats *_lsobs_fan_dup_lane_stats (LsobsFan *self, guint lane);
LsobsState _lsobs_fan_get_state (LsobsFan *self);
LsobsState _lsobs_fan_get_lane_state (LsobsFan *self, guint lane);

G_END_DECLS
