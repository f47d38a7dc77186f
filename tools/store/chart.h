/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Numbers of a project over time, in spans of the same length. */

#pragma once

#include "tools/store/run.h"

G_BEGIN_DECLS

/* Times are µs, or TIME_NONE if there are none. */
typedef struct
{
  gint64 start;
  gint64 n_traces;
  gint64 n_errors; /* traces whose root has failed */
  gint64 latency_p50;
  gint64 latency_p95;
  gint64 first_token_p50; /* from the start of the root */
  gint64 first_token_p95;
  gint64 total_tokens;
  double total_cost;
} ChartBucket;

/* Finds the start of the first trace, and of the last one.
 * @first, @last: (out): TIME_NONE if there are no traces */
gboolean chart_find_range (Store *store,
                           gint64 project,
                           gint64 *first,
                           gint64 *last,
                           GError **error);

/* Returns: (transfer full) (nullable) (element-type ChartBucket): @n of them, from @start on
 * @length: of each, in µs */
GArray *chart_load (Store *store,
                    gint64 project,
                    gint64 start,
                    gint64 length,
                    guint n,
                    GError **error);

G_END_DECLS
