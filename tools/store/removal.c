/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tools/store/notice.h"
#include "tools/store/preview.h"
#include "tools/store/project.h"
#include "tools/store/removal.h"
#include "tools/store/run.h"
#include "tools/store/search-text.h"
#include "tools/store/sent.h"

/* How many runs are deleted in one transaction. */
#define STEP 500

/* How many free pages are given back to the file system after each. */
#define FREE_STEP "4096"

/* --- runs --- */

static gboolean
delete_run (Store *store, const LsobsId *id, GError **error)
{
  Database *database = store_get_database (store);
  g_autoptr (Run) run = run_load (store, id, TRUE, error);
  SearchText text;

  if (run == NULL)
    return FALSE;
  text = (SearchText){ run->name, run->inputs, run->outputs, run->error, run->extra, run->tags };
  return search_text_remove (database, run->seq, &text, error) &&
         preview_remove (database, run->seq, error) &&
         database_run (database, error, "DELETE FROM payloads WHERE seq = ?", "i", run->seq) &&
         database_run (database, error, "DELETE FROM runs WHERE seq = ?", "i", run->seq) &&
         database_run (database, error, "DELETE FROM attachments WHERE run_id = ?", "u", id) &&
         sent_delete_run (store, id, error) &&
         database_run (database, error, "DELETE FROM feedback WHERE run_id = ?", "u", id);
}

/* Returns: (transfer full) (nullable) (element-type LsobsId): of runs. @statement: bound */
static GArray *
read_ids (Database *database, sqlite3_stmt *statement, GError **error)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (LsobsId));
  LsobsId id;
  int result;

  while ((result = database_step (database, statement, error)) == SQLITE_ROW)
    if (database_column_id (statement, 0, &id))
      g_array_append_val (ids, id);
  sqlite3_reset (statement);
  return result == SQLITE_DONE ? g_steal_pointer (&ids) : NULL;
}

/* Deletes some of the runs that a statement finds.
 * @sql: a static string, with the parameters of @kinds and a limit
 * @n: (out): how many */
static gboolean
delete_step (Store *store,
             const char *sql,
             const char *kinds,
             gconstpointer key,
             guint *n,
             GError **error)
{
  Database *database = store_get_database (store);
  sqlite3_stmt *statement;
  g_autoptr (GArray) ids = NULL;
  gboolean done;

  *n = 0;
  if (!store_begin (store, error))
    return FALSE;
  statement = database_get (database, sql, error);
  if (statement != NULL)
    {
      int at = *kinds == 'i' ? database_bind (statement, 1, kinds, *(const gint64 *) key)
                             : database_bind (statement, 1, kinds, key);

      database_bind (statement, at, "i", (gint64) STEP);
      ids = read_ids (database, statement, error);
    }
  done = ids != NULL;
  for (guint i = 0; done && i < ids->len; i++)
    done = delete_run (store, &g_array_index (ids, LsobsId, i), error);
  if (!done)
    {
      store_rollback (store);
      return FALSE;
    }
  *n = ids->len;
  return store_commit (store, error) &&
         database_execute (database, "PRAGMA incremental_vacuum(" FREE_STEP ")", error);
}

/* Deletes all of the runs that a statement finds. */
static gboolean
delete_all (Store *store,
            const char *sql,
            const char *kinds,
            gconstpointer key,
            RemovalCount *count,
            GError **error)
{
  guint n;

  do
    {
      if (!delete_step (store, sql, kinds, key, &n, error))
        return FALSE;
      count->n_runs += n;
    }
  while (n == STEP);
  return TRUE;
}

/* Writes a notice for the pages that are open. */
static gboolean
tell_removed (Store *store, NoticeKind kind, const LsobsId *id, GError **error)
{
  if (!store_begin (store, error))
    return FALSE;
  if (!notice_write (store, kind, id, error))
    {
      store_rollback (store);
      return FALSE;
    }
  return store_commit (store, error);
}

gboolean
removal_delete_trace (Store *store, const LsobsId *trace_id, RemovalCount *count, GError **error)
{
  static const char sql[] = "SELECT id FROM runs WHERE trace_id = ? LIMIT ?";
  guint before = count->n_runs;

  if (!delete_all (store, sql, "u", trace_id, count, error))
    return FALSE;
  if (count->n_runs == before)
    return TRUE;
  count->n_traces++;
  return tell_removed (store, NOTICE_TRACE_REMOVED, trace_id, error);
}

/* Deletes a trace inside of a transaction, unless it has more than @max runs.
 * @n: (out): how many runs it has; greater than @max if it has more, and is there still */
static gboolean
delete_small_trace (Store *store, const LsobsId *trace_id, guint max, guint *n, GError **error)
{
  Database *database = store_get_database (store);
  sqlite3_stmt *statement =
      database_get (database, "SELECT id FROM runs WHERE trace_id = ? LIMIT ?", error);
  g_autoptr (GArray) ids = NULL;

  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, "ui", trace_id, (gint64) max + 1);
  ids = read_ids (database, statement, error);
  if (ids == NULL)
    return FALSE;
  *n = ids->len;
  if (*n == 0 || *n > max)
    return TRUE;
  for (guint i = 0; i < ids->len; i++)
    if (!delete_run (store, &g_array_index (ids, LsobsId, i), error))
      return FALSE;
  return notice_write (store, NOTICE_TRACE_REMOVED, trace_id, error);
}

/* Deletes as many traces as fit in one transaction.
 * @at: (inout): the first one
 * @is_large: (out): whether the one at @at has too many runs for one */
static gboolean
delete_some_traces (Store *store,
                    GArray *trace_ids,
                    guint *at,
                    gboolean *is_large,
                    RemovalCount *count,
                    GError **error)
{
  RemovalCount some = { 0 };
  guint i = *at;
  guint n = 0;

  *is_large = FALSE;
  if (!store_begin (store, error))
    return FALSE;
  for (; i < trace_ids->len; i++)
    {
      guint left = STEP - some.n_runs;

      if (!delete_small_trace (store, &g_array_index (trace_ids, LsobsId, i), left, &n, error))
        {
          store_rollback (store);
          return FALSE;
        }
      *is_large = n > STEP;
      if (n > left)
        break;
      some.n_runs += n;
      some.n_traces += n > 0 ? 1 : 0;
    }
  *at = i;
  if (!store_commit (store, error))
    return FALSE;
  count->n_runs += some.n_runs;
  count->n_traces += some.n_traces;
  return database_execute (store_get_database (store), "PRAGMA incremental_vacuum(" FREE_STEP ")",
                           error);
}

gboolean
removal_delete_traces (Store *store, GArray *trace_ids, RemovalCount *count, GError **error)
{
  guint at = 0;

  while (at < trace_ids->len)
    {
      gboolean is_large;

      if (!delete_some_traces (store, trace_ids, &at, &is_large, count, error))
        return FALSE;
      if (is_large)
        {
          const LsobsId *id = &g_array_index (trace_ids, LsobsId, at);

          if (!removal_delete_trace (store, id, count, error))
            return FALSE;
          at++;
        }
    }
  return TRUE;
}

gboolean
removal_clear_project (Store *store, const LsobsId *project_id, RemovalCount *count, GError **error)
{
  static const char sql[] = "SELECT id FROM runs WHERE project = ? LIMIT ?";
  static const char count_sql[] =
      "SELECT count(*) FROM runs WHERE project = ? AND parent_id IS NULL";
  Database *database = store_get_database (store);
  g_autoptr (Project) project = project_load (store, project_id, error);
  gint64 n_traces;

  if (project == NULL ||
      !database_query_int (database, &n_traces, 0, error, count_sql, "i", project->seq) ||
      !delete_all (store, sql, "i", &project->seq, count, error))
    return FALSE;
  count->n_traces += (guint) n_traces;
  return tell_removed (store, NOTICE_PROJECT_REMOVED, project_id, error);
}

gboolean
removal_delete_project (Store *store,
                        const LsobsId *project_id,
                        RemovalCount *count,
                        GError **error)
{
  if (!removal_clear_project (store, project_id, count, error) || !store_begin (store, error))
    return FALSE;
  /* A run may have come since. */
  if (!database_run (store_get_database (store), error,
                     "DELETE FROM projects WHERE id = ?1"
                     " AND NOT EXISTS (SELECT 1 FROM runs WHERE project = projects.seq)",
                     "u", project_id) ||
      !notice_write (store, NOTICE_PROJECT_REMOVED, project_id, error))
    {
      store_rollback (store);
      return FALSE;
    }
  return store_commit (store, error);
}

/* --- limits --- */

/* Finds the oldest run after @seq.
 * @seq: (inout): 0 if no run follows */
static gboolean
find_oldest (Store *store, gint64 *seq, LsobsId *trace_id, gint64 *received, GError **error)
{
  Database *database = store_get_database (store);
  sqlite3_stmt *statement =
      database_get (database,
                    "SELECT seq, trace_id, received FROM runs WHERE seq > ? ORDER BY seq LIMIT 1",
                    error);
  int result;

  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, "i", *seq);
  result = database_step (database, statement, error);
  *seq = 0;
  if (result == SQLITE_ROW && database_column_id (statement, 1, trace_id))
    {
      *seq = sqlite3_column_int64 (statement, 0);
      *received = sqlite3_column_int64 (statement, 2);
    }
  sqlite3_reset (statement);
  return result == SQLITE_ROW || result == SQLITE_DONE;
}

/* Attachments whose run has never come. */
static gboolean
delete_orphans (Store *store, gint64 time, GError **error)
{
  if (!store_begin (store, error))
    return FALSE;
  if (!database_run (store_get_database (store), error,
                     "DELETE FROM attachments WHERE received < ?"
                     " AND NOT EXISTS (SELECT 1 FROM runs WHERE id = run_id)",
                     "i", time))
    {
      store_rollback (store);
      return FALSE;
    }
  return store_commit (store, error);
}

gboolean
removal_find_next (Store *store, gint64 *received, GError **error)
{
  return database_query_int (store_get_database (store), received, TIME_NONE, error,
                             "SELECT max(received) FROM runs WHERE trace_id ="
                             " (SELECT trace_id FROM runs ORDER BY seq LIMIT 1)",
                             "");
}

gboolean
removal_delete_older (Store *store, gint64 time, RemovalCount *count, GError **error)
{
  gint64 seq = 0;

  for (;;)
    {
      LsobsId trace_id;
      gint64 received = 0;
      gint64 newest;

      if (!find_oldest (store, &seq, &trace_id, &received, error))
        return FALSE;
      if (seq == 0 || received >= time)
        break;
      if (!database_query_int (store_get_database (store), &newest, 0, error,
                               "SELECT max(received) FROM runs WHERE trace_id = ?", "u", &trace_id))
        return FALSE;
      /* A trace that still goes on stays whole. */
      if (newest < time && !removal_delete_trace (store, &trace_id, count, error))
        return FALSE;
    }
  return delete_orphans (store, time, error);
}

gboolean
removal_shrink (Store *store, gint64 bytes, RemovalCount *count, GError **error)
{
  gint64 size;

  if (!store_get_size (store, &size, error))
    return FALSE;
  if (size <= bytes)
    return TRUE;
  while (size > bytes - bytes / 10)
    {
      gint64 seq = 0;
      gint64 received;
      LsobsId trace_id;

      if (!find_oldest (store, &seq, &trace_id, &received, error))
        return FALSE;
      if (seq == 0)
        break;
      if (!removal_delete_trace (store, &trace_id, count, error) ||
          !store_get_size (store, &size, error))
        return FALSE;
    }
  return TRUE;
}
