/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lists of runs. */

#pragma once

#include "tools/store/run.h"

G_BEGIN_DECLS

typedef enum
{
  RUN_ANY,
  RUN_NO,
  RUN_YES
} RunChoice;

/* Which runs: those for which all that is set is true. Pointers are (nullable), and not owned. Start with
 * RUN_QUERY_INIT. */
typedef struct
{
  GArray *ids;      /* (element-type LsobsId) */
  GArray *projects; /* (element-type gint64): seqs */
  const LsobsId *trace_id;
  const LsobsId *parent_id;
  const char *run_type;
  GArray *reference_examples; /* (element-type LsobsId) */
  RunChoice is_root;
  RunChoice has_error;
  gint64 start_time;        /* µs, the first one, or TIME_NONE */
  gint64 end_time;          /* µs, before which they start, or TIME_NONE */
  const char *words;        /* all of which are in the run */
  const char *tree_words;   /* of roots: all of which are in one run of the trace */
  const char *filter;       /* see filter.h */
  const char *trace_filter; /* for the root of the trace */
  const char *tree_filter;  /* for any run of the trace */

  gboolean oldest_first;
  guint limit;
  const char *cursor; /* where the last page has ended */
  gboolean whole;     /* with what is long */
} RunQuery;

#define RUN_QUERY_INIT \
 { \
  .start_time = TIME_NONE, .end_time = TIME_NONE, .limit = 100 \
 }

/* Returns: (transfer full) (nullable) (element-type Run): by start time
 * @cursor: (out) (transfer full) (nullable): for the next page; NULL if this is the last one */
GPtrArray *run_query (Store *store, const RunQuery *query, char **cursor, GError **error);

/* The same with those that have failed first, and the others behind them. query.has_error is
 * ignored. A cursor must be one that this function has returned. */
GPtrArray *run_query_errors_first (Store *store,
                                   const RunQuery *query,
                                   char **cursor,
                                   GError **error);

/* Finds the run behind or before one in the list of a query, whatever its limit and cursor are.
 * @run: may be one that the query does not find: its start time is its place
 * @errors_first: the list is that of run_query_errors_first ()
 * @is_next: which one
 * @found: (out): whether there is one
 * @id: (out) */
gboolean run_query_find_neighbour (Store *store,
                                   const RunQuery *query,
                                   const Run *run,
                                   gboolean errors_first,
                                   gboolean is_next,
                                   gboolean *found,
                                   LsobsId *id,
                                   GError **error);

/* The number of runs that a query finds, on all of its pages. */
gboolean run_query_count (Store *store, const RunQuery *query, gint64 *n, GError **error);

/* The same up to @max: @n is greater than that if there are more. */
gboolean run_query_count_up_to (Store *store,
                                const RunQuery *query,
                                gint64 max,
                                gint64 *n,
                                GError **error);

/* Returns: (transfer full) (nullable) (element-type Run): all runs of a trace, each behind its parent,
 *   siblings by start time */
GPtrArray *run_query_trace (Store *store, const LsobsId *trace_id, gboolean whole, GError **error);

/* Returns: (transfer full) (nullable) (element-type Run): what has changed after @change, by change. The
 *   greatest change of these is where the next call goes on. */
GPtrArray *run_query_changes (Store *store,
                              gint64 change,
                              guint limit,
                              gboolean whole,
                              GError **error);

G_END_DECLS
