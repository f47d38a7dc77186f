/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tools/store/statistics.h"

static int
compare_times (gconstpointer a, gconstpointer b)
{
  gint64 first = *(const gint64 *) a;
  gint64 second = *(const gint64 *) b;

  return first < second ? -1 : first > second;
}

/* The smallest value that at least @percent of the values do not exceed. */
static gint64
get_percentile (GArray *values, guint percent)
{
  guint64 rank = ((guint64) values->len * percent + 99) / 100;

  return values->len == 0 ? TIME_NONE : g_array_index (values, gint64, MAX (rank, 1) - 1);
}

/* Percentiles of the values, not negative, of a statement. @statement: bound */
static gboolean
load_percentiles (Database *database,
                  sqlite3_stmt *statement,
                  gint64 *p50,
                  gint64 *p99,
                  guint *n,
                  GError **error)
{
  g_autoptr (GArray) values = g_array_new (FALSE, FALSE, sizeof (gint64));
  int result;

  while ((result = database_step (database, statement, error)) == SQLITE_ROW)
    {
      gint64 value = sqlite3_column_int64 (statement, 0);

      g_array_append_val (values, value);
    }
  sqlite3_reset (statement);
  g_array_sort (values, compare_times);
  *p50 = get_percentile (values, 50);
  *p99 = get_percentile (values, 99);
  *n = values->len;
  return result == SQLITE_DONE;
}

static gboolean
load_sums (Database *database, gint64 project, gint64 start_time, Statistics *self, GError **error)
{
  static const char sql[] =
      "SELECT count(*), coalesce (sum (status = 2), 0), max (start_time),"
      " coalesce (sum (tree_prompt_tokens), 0), coalesce (sum (tree_completion_tokens), 0),"
      " coalesce (sum (tree_total_tokens), 0), total (tree_prompt_cost),"
      " total (tree_completion_cost), total (tree_total_cost)"
      " FROM runs WHERE project = ? AND parent_id IS NULL AND start_time >= ?";
  sqlite3_stmt *statement = database_get (database, sql, error);

  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, "ii", project, start_time);
  if (database_step (database, statement, error) != SQLITE_ROW)
    return FALSE;
  self->n_traces = sqlite3_column_int64 (statement, 0);
  self->n_errors = sqlite3_column_int64 (statement, 1);
  self->last_start_time =
      self->n_traces > 0 ? sqlite3_column_int64 (statement, 2) : (gint64) TIME_NONE;
  self->usage.prompt_tokens = sqlite3_column_int64 (statement, 3);
  self->usage.completion_tokens = sqlite3_column_int64 (statement, 4);
  self->usage.total_tokens = sqlite3_column_int64 (statement, 5);
  self->usage.prompt_cost = sqlite3_column_double (statement, 6);
  self->usage.completion_cost = sqlite3_column_double (statement, 7);
  self->usage.total_cost = sqlite3_column_double (statement, 8);
  sqlite3_reset (statement);
  return TRUE;
}

gboolean
statistics_load (Store *store,
                 gint64 project,
                 gint64 start_time,
                 Statistics *statistics,
                 GError **error)
{
  static const char latency_sql[] =
      "SELECT max (end_time - start_time, 0) FROM runs"
      " WHERE project = ? AND parent_id IS NULL AND start_time >= ? AND end_time IS NOT NULL";
  static const char token_sql[] =
      "SELECT max (tree_first_token_time - start_time, 0) FROM runs WHERE project = ?"
      " AND parent_id IS NULL AND start_time >= ? AND tree_first_token_time IS NOT NULL";
  Database *database = store_get_database (store);
  sqlite3_stmt *statement;
  guint n;

  if (!load_sums (database, project, start_time, statistics, error))
    return FALSE;
  statement = database_get (database, latency_sql, error);
  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, "ii", project, start_time);
  if (!load_percentiles (database, statement, &statistics->latency_p50, &statistics->latency_p99,
                         &n, error))
    return FALSE;
  statement = database_get (database, token_sql, error);
  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, "ii", project, start_time);
  if (!load_percentiles (database, statement, &statistics->first_token_p50,
                         &statistics->first_token_p99, &n, error))
    return FALSE;
  statistics->n_streaming = n;
  return TRUE;
}

static void
free_count (gpointer data)
{
  FeedbackCount *self = data;

  g_free (self->key);
  g_free (self);
}

GPtrArray *
statistics_load_feedback (Store *store, const LsobsId *run_id, GError **error)
{
  Database *database = store_get_database (store);
  sqlite3_stmt *statement =
      database_get (database,
                    "SELECT key, count(*), count(score), avg(score) FROM feedback"
                    " WHERE run_id = ? GROUP BY key ORDER BY key",
                    error);
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (free_count);
  int result;

  if (statement == NULL)
    return NULL;
  database_bind (statement, 1, "u", run_id);
  while ((result = database_step (database, statement, error)) == SQLITE_ROW)
    {
      FeedbackCount *count = g_new0 (FeedbackCount, 1);

      count->key = database_column_text (statement, 0);
      count->n = sqlite3_column_int64 (statement, 1);
      count->n_scored = sqlite3_column_int64 (statement, 2);
      count->average = sqlite3_column_double (statement, 3);
      g_ptr_array_add (list, count);
    }
  sqlite3_reset (statement);
  return result == SQLITE_DONE ? g_steal_pointer (&list) : NULL;
}

gboolean
statistics_count_trace (Store *store,
                        const LsobsId *trace_id,
                        gint64 *n_runs,
                        gint64 *n_errors,
                        GError **error)
{
  Database *database = store_get_database (store);

  return database_query_int (database, n_runs, 0, error,
                             "SELECT count(*) FROM runs WHERE trace_id = ?", "u", trace_id) &&
         database_query_int (database, n_errors, 0, error,
                             "SELECT count(*) FROM runs WHERE trace_id = ? AND status = 2", "u",
                             trace_id);
}
