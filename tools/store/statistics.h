/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Numbers about the traces of a project, and about feedback. */

#pragma once

#include "tools/store/run.h"

G_BEGIN_DECLS

/* Times are µs, or TIME_NONE if there are none. */
typedef struct
{
  gint64 n_traces;
  gint64 n_errors;    /* traces whose root has failed */
  gint64 n_streaming; /* traces with a first token */
  RunUsage usage;
  gint64 latency_p50;
  gint64 latency_p99;
  gint64 first_token_p50; /* from the start of the root */
  gint64 first_token_p99;
  gint64 last_start_time;
} Statistics;

/* @start_time: of the first trace that counts, in µs, or TIME_NONE */
gboolean statistics_load (Store *store,
                          gint64 project,
                          gint64 start_time,
                          Statistics *statistics,
                          GError **error);

/* The feedback of a run with one key. */
typedef struct
{
  char *key; /* (owned) */
  gint64 n;
  gint64 n_scored;
  double average; /* of those with a score */
} FeedbackCount;

/* Returns: (transfer full) (nullable) (element-type FeedbackCount): by key */
GPtrArray *statistics_load_feedback (Store *store, const LsobsId *run_id, GError **error);

/* How many runs a trace has, and how many of them have failed. */
gboolean statistics_count_trace (Store *store,
                                 const LsobsId *trace_id,
                                 gint64 *n_runs,
                                 gint64 *n_errors,
                                 GError **error);

G_END_DECLS
