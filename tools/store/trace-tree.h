/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A trace as a tree, without what is long in its runs; and the traces beside it in the list of its project. */

#pragma once

#include "tools/store/run.h"

G_BEGIN_DECLS

typedef struct
{
  Run *run;      /* (owned) narrow */
  char *problem; /* (owned) (nullable) its error, in a line */
  char *events;  /* (owned) (nullable) JSON: an array of {name, time} */
  guint depth;   /* 0: it has no run above it here */
  guint parent;  /* the index of the run above it, if depth > 0 */
} TraceNode;

/* Returns: (transfer full) (nullable) (element-type TraceNode): all runs of a trace, each behind its parent,
 *   siblings by start time. A run whose parent is not there is at the top. */
GPtrArray *trace_tree_load (Store *store, const LsobsId *trace_id, GError **error);

/* Finds the traces beside one in the list of its project, the newest first.
 * @root: of the trace
 * @is_older: which one
 * @found: (out): whether there is one
 * @id: (out) */
gboolean trace_tree_find_neighbour (Store *store,
                                    const Run *root,
                                    gboolean is_older,
                                    gboolean *found,
                                    LsobsId *id,
                                    GError **error);

G_END_DECLS
