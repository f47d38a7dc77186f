/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tools/store/chart.h"

gboolean
chart_find_range (Store *store, gint64 project, gint64 *first, gint64 *last, GError **error)
{
  Database *database = store_get_database (store);

  /* Two statements, each of which reads one entry of the index. */
  return database_query_int (
             database, first, TIME_NONE, error,
             "SELECT min (start_time) FROM runs WHERE project = ? AND parent_id IS NULL", "i",
             project) &&
         database_query_int (
             database, last, TIME_NONE, error,
             "SELECT max (start_time) FROM runs WHERE project = ? AND parent_id IS NULL", "i",
             project);
}

static int
compare_times (gconstpointer a, gconstpointer b)
{
  gint64 x = *(const gint64 *) a;
  gint64 y = *(const gint64 *) b;

  return x < y ? -1 : x > y;
}

/* The smallest value that at least @percent of the values do not exceed. @values: sorted */
static gint64
get_percentile (GArray *values, guint percent)
{
  guint64 rank = ((guint64) values->len * percent + 99) / 100;

  return values->len == 0 ? TIME_NONE : g_array_index (values, gint64, MAX (rank, 1) - 1);
}

/* A bucket that is being filled. */
typedef struct
{
  ChartBucket *bucket; /* (unowned) (nullable) */
  GArray *latencies;   /* (owned) (element-type gint64) */
  GArray *tokens;      /* (owned) (element-type gint64) */
} OpenBucket;

static void
close_bucket (OpenBucket *self)
{
  if (self->bucket == NULL)
    return;
  g_array_sort (self->latencies, compare_times);
  g_array_sort (self->tokens, compare_times);
  self->bucket->latency_p50 = get_percentile (self->latencies, 50);
  self->bucket->latency_p95 = get_percentile (self->latencies, 95);
  self->bucket->first_token_p50 = get_percentile (self->tokens, 50);
  self->bucket->first_token_p95 = get_percentile (self->tokens, 95);
  g_array_set_size (self->latencies, 0);
  g_array_set_size (self->tokens, 0);
}

static void
add_row (OpenBucket *self, sqlite3_stmt *statement)
{
  ChartBucket *bucket = self->bucket;
  gint64 start = sqlite3_column_int64 (statement, 0);

  bucket->n_traces++;
  bucket->n_errors += sqlite3_column_int (statement, 2) == RUN_ERROR;
  bucket->total_tokens += sqlite3_column_int64 (statement, 4);
  bucket->total_cost += sqlite3_column_double (statement, 5);
  if (sqlite3_column_type (statement, 1) != SQLITE_NULL)
    {
      gint64 latency = MAX (sqlite3_column_int64 (statement, 1) - start, 0);

      g_array_append_val (self->latencies, latency);
    }
  if (sqlite3_column_type (statement, 3) != SQLITE_NULL)
    {
      gint64 first = MAX (sqlite3_column_int64 (statement, 3) - start, 0);

      g_array_append_val (self->tokens, first);
    }
}

GArray *
chart_load (Store *store, gint64 project, gint64 start, gint64 length, guint n, GError **error)
{
  static const char sql[] =
      "SELECT start_time, end_time, status, tree_first_token_time, tree_total_tokens,"
      " tree_total_cost FROM runs WHERE project = ? AND parent_id IS NULL AND start_time >= ?"
      " AND start_time < ? ORDER BY start_time";
  Database *database = store_get_database (store);
  sqlite3_stmt *statement = database_get (database, sql, error);
  g_autoptr (GArray) buckets = g_array_sized_new (FALSE, TRUE, sizeof (ChartBucket), n);
  OpenBucket open = { NULL, NULL, NULL };
  int result;

  if (statement == NULL)
    return NULL;
  for (guint i = 0; i < n; i++)
    {
      ChartBucket bucket = { .start = start + i * length,
                             .latency_p50 = TIME_NONE,
                             .latency_p95 = TIME_NONE,
                             .first_token_p50 = TIME_NONE,
                             .first_token_p95 = TIME_NONE };

      g_array_append_val (buckets, bucket);
    }
  open.latencies = g_array_new (FALSE, FALSE, sizeof (gint64));
  open.tokens = g_array_new (FALSE, FALSE, sizeof (gint64));
  database_bind (statement, 1, "iii", project, start, start + n * length);
  while ((result = database_step (database, statement, error)) == SQLITE_ROW)
    {
      gint64 at = (sqlite3_column_int64 (statement, 0) - start) / length;
      ChartBucket *bucket = &g_array_index (buckets, ChartBucket, at);

      if (bucket != open.bucket)
        {
          close_bucket (&open);
          open.bucket = bucket;
        }
      add_row (&open, statement);
    }
  sqlite3_reset (statement);
  close_bucket (&open);
  g_array_unref (open.latencies);
  g_array_unref (open.tokens);
  return result == SQLITE_DONE ? g_steal_pointer (&buckets) : NULL;
}
