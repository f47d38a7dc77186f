/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Deletion. Traces are deleted whole, with the feedback and the attachments of their runs. These functions
 * make transactions of their own, which are short, so that other writers do not wait
 * long: call them outside of one. */

#pragma once

#include "tools/store/store.h"

G_BEGIN_DECLS

typedef struct
{
  guint n_runs;   /* that were deleted */
  guint n_traces; /* at least one run of which was */
} RemovalCount;

/* @count: (inout): is added to */
gboolean removal_delete_trace (Store *store,
                               const LsobsId *trace_id,
                               RemovalCount *count,
                               GError **error);
/* Deletes several traces, small ones together in a transaction: if they have 500 runs at most, all of them or none.
 * @trace_ids: (element-type LsobsId)
 * @count: (inout): is added to */
gboolean removal_delete_traces (Store *store,
                                GArray *trace_ids,
                                RemovalCount *count,
                                GError **error);
/* Deletes all traces of a project, which stays. */
gboolean removal_clear_project (Store *store,
                                const LsobsId *project_id,
                                RemovalCount *count,
                                GError **error);
/* Deletes the project, too. */
gboolean removal_delete_project (Store *store,
                                 const LsobsId *project_id,
                                 RemovalCount *count,
                                 GError **error);
/* Deletes the traces of which nothing has been received since @time, in µs. */
gboolean removal_delete_older (Store *store, gint64 time, RemovalCount *count, GError **error);
/* Deletes the oldest traces until the database has at most @bytes, less a tenth of them. Does nothing
 * if it has no more now. */
gboolean removal_shrink (Store *store, gint64 bytes, RemovalCount *count, GError **error);

/* Sets @received to when the last run of the oldest trace has come, in µs, or to TIME_NONE if there is no
 * trace: from then on, removal_delete_older () has nothing to do until that is too old. */
gboolean removal_find_next (Store *store, gint64 *received, GError **error);

G_END_DECLS
