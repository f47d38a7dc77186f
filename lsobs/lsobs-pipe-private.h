/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-counters-private.h"
#include "lsobs/lsobs-flush-stats.h"
#include "lsobs/lsobs-notifier-private.h"
#include "lsobs/lsobs-record-private.h"
#include "lsobs/lsobs-run-event.h"
#include "lsobs/lsobs-settings-private.h"
#include "lsobs/lsobs-transport.h"

G_BEGIN_DECLS

/* The queue, the worker behind it and the store of runs beside it: everything of
 * an exporter that holds a lock, a thread or a socket, and so belongs to one
 * process. Thread-safe. */
typedef struct _LsobsPipe LsobsPipe;

LsobsPipe       *_lsobs_pipe_new             (LsobsSettings    *settings,
                                              LsobsCounters    *counters,
                                              LsobsTransport   *transport,
                                              GMainContext     *context,
                                              LsobsNotifier    *notifier);
void             _lsobs_pipe_free            (LsobsPipe        *self);
gboolean         _lsobs_pipe_is_foreign      (LsobsPipe        *self);
void             _lsobs_pipe_close           (LsobsPipe        *self);
void             _lsobs_pipe_set_notifier    (LsobsPipe        *self,
                                              LsobsNotifier    *notifier);

void             _lsobs_pipe_push            (LsobsPipe        *self,
                                              LsobsRecord      *record);
void             _lsobs_pipe_push_late       (LsobsPipe        *self,
                                              LsobsRecord      *record);
gboolean         _lsobs_pipe_take_event      (LsobsPipe        *self,
                                              LsobsRunEvent    *event,
                                              GError          **error);

gboolean         _lsobs_pipe_flush           (LsobsPipe        *self,
                                              gint64            timeout,
                                              LsobsFlushStats  *stats,
                                              GError          **error);
void             _lsobs_pipe_flush_task      (LsobsPipe        *self,
                                              gint64            timeout,
                                              GTask            *task);
LsobsFlushStats *_lsobs_pipe_peek_task_stats (GTask            *task);
gboolean         _lsobs_pipe_shut_down       (LsobsPipe        *self,
                                              gint64            timeout,
                                              LsobsFlushStats  *stats,
                                              GError          **error);

LsobsStats      *_lsobs_pipe_dup_stats       (LsobsPipe        *self);
LsobsState       _lsobs_pipe_get_state       (LsobsPipe        *self);

G_END_DECLS
