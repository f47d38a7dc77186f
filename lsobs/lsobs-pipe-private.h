/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-lane-private.h"
#include "lsobs/lsobs-notifier-private.h"
#include "lsobs/lsobs-record-private.h"
#include "lsobs/lsobs-run-store-private.h"
#include "lsobs/lsobs-ticket-private.h"

G_BEGIN_DECLS

/* The queue and the worker behind it, for one of the places that runs are written
 * to. Thread-safe. */
typedef struct _LsobsPipe LsobsPipe;

LsobsPipe *_lsobs_pipe_new (const LsobsLane *lane,
                            LsobsRunStore *store,
                            GMainContext *context,
                            LsobsNotifier *notifier);
void _lsobs_pipe_free (LsobsPipe *self);
void _lsobs_pipe_set_notifier (LsobsPipe *self, LsobsNotifier *notifier);

void _lsobs_pipe_push (LsobsPipe *self, LsobsRecord *record);
void _lsobs_pipe_push_late (LsobsPipe *self, LsobsRecord *record);
gboolean _lsobs_pipe_attach (LsobsPipe *self, LsobsRunInfo *info, LsobsAttachment *attachment);

/* for flushing */
gboolean _lsobs_pipe_add_ticket (LsobsPipe *self, LsobsTicket *ticket);
void _lsobs_pipe_wait (LsobsPipe *self, LsobsTicket *ticket, gint64 deadline);
gboolean _lsobs_pipe_remove_ticket (LsobsPipe *self, LsobsTicket *ticket);
LsobsTransport *_lsobs_pipe_peek_transport (LsobsPipe *self);
GMainContext *_lsobs_pipe_peek_context (LsobsPipe *self);
gsize _lsobs_pipe_get_n_batches (LsobsPipe *self);
gsize _lsobs_pipe_take_evictions (LsobsPipe *self);
char *_lsobs_pipe_dup_problem (LsobsPipe *self);

/* for the end */
void _lsobs_pipe_close (LsobsPipe *self);
void _lsobs_pipe_hurry (LsobsPipe *self, gint64 deadline);
gboolean _lsobs_pipe_begin_stop (LsobsPipe *self, gint64 deadline);
void _lsobs_pipe_end_stop (LsobsPipe *self, gint64 began);

LsobsStats *_lsobs_pipe_dup_stats (LsobsPipe *self);
LsobsState _lsobs_pipe_get_state (LsobsPipe *self);

G_END_DECLS
