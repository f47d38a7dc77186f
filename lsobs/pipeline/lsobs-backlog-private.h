/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/transport/lsobs-batch-private.h"

G_BEGIN_DECLS

/* The batches that failed and wait to be sent again, the oldest first; and the search for the one
 * that fails while others succeed. Belongs to the batcher. Used in the worker's context only. */
typedef struct
{
  GQueue batches;        /* of LsobsBatch (owned) */
  GMainContext *context; /* (unowned) that of the batcher */
} LsobsBacklog;

void _lsobs_backlog_init (LsobsBacklog *self);
void _lsobs_backlog_set_context (LsobsBacklog *self, GMainContext *context);
void _lsobs_backlog_clear (LsobsBacklog *self);
void _lsobs_backlog_add (LsobsBacklog *self, LsobsBatch *batch);
LsobsBatch *_lsobs_backlog_take_oldest (LsobsBacklog *self, gboolean searching, gint64 time);
LsobsBatch *_lsobs_backlog_take_tried (LsobsBacklog *self);
LsobsBatch *_lsobs_backlog_take_probe (LsobsBacklog *self);

gboolean _lsobs_backlog_has_isolated (LsobsBacklog *self);
gint64 _lsobs_backlog_get_due_time (LsobsBacklog *self, gint64 now);
void _lsobs_backlog_end_isolation (LsobsBacklog *self);
void _lsobs_backlog_count_failures (LsobsBacklog *self, guint64 number);
gboolean _lsobs_backlog_reset_pair (LsobsBacklog *self, LsobsBatch *batch);
LsobsBatch *_lsobs_backlog_take_bad (LsobsBacklog *self);

G_END_DECLS
