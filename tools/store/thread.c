/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n.h>

#include "tools/store/thread.h"

/* --- cursors --- */

static gboolean
refuse_cursor (GError **error)
{
  g_set_error_literal (error, STORE_ERROR, STORE_ERROR_INVALID,
                       _ ("The cursor is not one that a list has returned"));
  return FALSE;
}

/* A cursor is a time, and a text behind it.
 * @rest: (out): set if there is a cursor */
static gboolean
read_cursor (const char *cursor, gint64 *time, const char **rest, GError **error)
{
  char *end;

  *time = (gint64) g_ascii_strtoull (cursor, &end, 16);
  if (end == cursor || *end != '-')
    return refuse_cursor (error);
  *rest = end + 1;
  return TRUE;
}

/* --- lists --- */

static void
free_thread (gpointer data)
{
  Thread *self = data;

  g_free (self->name);
  g_free (self->input);
  g_free (self->output);
  g_free (self);
}

/* Sets what the traces of a thread have together. */
static gboolean
load_sums (Database *database, gint64 project, Thread *self, GError **error)
{
  static const char sql[] =
      "SELECT count(*), sum (status = 2), min (start_time), sum (tree_prompt_tokens),"
      " sum (tree_completion_tokens), sum (tree_total_tokens), total (tree_prompt_cost),"
      " total (tree_completion_cost), total (tree_total_cost) FROM runs"
      " WHERE project = ? AND thread = ? AND parent_id IS NULL";
  sqlite3_stmt *statement = database_get (database, sql, error);

  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, "is", project, self->name);
  if (database_step (database, statement, error) != SQLITE_ROW)
    return FALSE;
  self->n_traces = sqlite3_column_int64 (statement, 0);
  self->n_errors = sqlite3_column_int64 (statement, 1);
  self->first_time = sqlite3_column_int64 (statement, 2);
  self->usage.prompt_tokens = sqlite3_column_int64 (statement, 3);
  self->usage.completion_tokens = sqlite3_column_int64 (statement, 4);
  self->usage.total_tokens = sqlite3_column_int64 (statement, 5);
  self->usage.prompt_cost = sqlite3_column_double (statement, 6);
  self->usage.completion_cost = sqlite3_column_double (statement, 7);
  self->usage.total_cost = sqlite3_column_double (statement, 8);
  sqlite3_reset (statement);
  return TRUE;
}

/* @line: (out) (transfer full) (nullable) */
static gboolean
load_line (Database *database,
           const char *sql,
           gint64 project,
           const char *name,
           char **line,
           GError **error)
{
  sqlite3_stmt *statement = database_get (database, sql, error);
  int result;

  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, "is", project, name);
  result = database_step (database, statement, error);
  if (result == SQLITE_ROW)
    *line = database_column_text (statement, 0);
  sqlite3_reset (statement);
  return result == SQLITE_ROW || result == SQLITE_DONE;
}

static gboolean
complete (Database *database, gint64 project, Thread *self, GError **error)
{
  static const char first_sql[] =
      "SELECT v.input FROM runs AS r LEFT JOIN previews AS v ON v.seq = r.seq"
      " WHERE r.project = ? AND r.thread = ? AND r.parent_id IS NULL"
      " ORDER BY r.start_time, r.seq LIMIT 1";
  static const char last_sql[] =
      "SELECT v.output FROM runs AS r LEFT JOIN previews AS v ON v.seq = r.seq"
      " WHERE r.project = ? AND r.thread = ? AND r.parent_id IS NULL"
      " ORDER BY r.start_time DESC, r.seq DESC LIMIT 1";

  return load_sums (database, project, self, error) &&
         load_line (database, first_sql, project, self->name, &self->input, error) &&
         load_line (database, last_sql, project, self->name, &self->output, error);
}

GPtrArray *
thread_list (Store *store,
             gint64 project,
             guint limit,
             const char *begin,
             char **cursor,
             GError **error)
{
  static const char sql[] = "SELECT thread, max (start_time) AS newest FROM runs"
                            " WHERE project = ?1 AND thread IS NOT NULL AND parent_id IS NULL"
                            " GROUP BY thread"
                            " HAVING ?2 IS NULL OR (newest, thread) < (?2, ?3)"
                            " ORDER BY newest DESC, thread DESC LIMIT ?4";
  Database *database = store_get_database (store);
  sqlite3_stmt *statement = database_get (database, sql, error);
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (free_thread);
  const char *last = NULL;
  gint64 time = 0;
  int result;

  *cursor = NULL;
  if (statement == NULL || (begin != NULL && !read_cursor (begin, &time, &last, error)))
    return NULL;
  if (begin != NULL)
    database_bind (statement, 1, "iis", project, time, last);
  else
    database_bind (statement, 1, "i", project);
  database_bind (statement, 4, "i", (gint64) limit + 1);
  while ((result = database_step (database, statement, error)) == SQLITE_ROW)
    {
      Thread *thread = g_new0 (Thread, 1);

      thread->name = database_column_text (statement, 0);
      thread->last_time = sqlite3_column_int64 (statement, 1);
      g_ptr_array_add (list, thread);
    }
  sqlite3_reset (statement);
  if (result != SQLITE_DONE)
    return NULL;
  if (list->len > limit)
    {
      const Thread *end = g_ptr_array_index (list, limit - 1);

      *cursor = g_strdup_printf ("%" G_GINT64_MODIFIER "x-%s", end->last_time, end->name);
      g_ptr_array_set_size (list, (int) limit);
    }
  for (guint i = 0; i < list->len; i++)
    if (!complete (database, project, g_ptr_array_index (list, i), error))
      {
        g_clear_pointer (cursor, g_free);
        return NULL;
      }
  return g_steal_pointer (&list);
}

/* --- one thread --- */

static gsize
get_size (const Run *run)
{
  return (run->inputs != NULL ? strlen (run->inputs) : 0) +
         (run->outputs != NULL ? strlen (run->outputs) : 0) +
         (run->error != NULL ? strlen (run->error) : 0);
}

GPtrArray *
thread_load (Store *store,
             gint64 project,
             const char *name,
             guint limit,
             gsize max_bytes,
             const char *begin,
             char **cursor,
             GError **error)
{
  static const char sql[] = "SELECT " RUN_COLUMNS ", " RUN_PAYLOAD_COLUMNS
                            " FROM runs AS r LEFT JOIN payloads AS p ON p.seq = r.seq"
                            " WHERE r.project = ?1 AND r.thread = ?2 AND r.parent_id IS NULL"
                            " AND r.start_time >= ?3 AND (r.start_time, r.seq) > (?3, ?4)"
                            " ORDER BY r.start_time, r.seq LIMIT ?5";
  Database *database = store_get_database (store);
  sqlite3_stmt *statement = database_get (database, sql, error);
  g_autoptr (GPtrArray) runs = g_ptr_array_new_with_free_func ((GDestroyNotify) run_free);
  gint64 time = G_MININT64;
  gint64 seq = 0;
  const char *rest = NULL;
  gsize n_bytes = 0;
  int result;

  *cursor = NULL;
  if (statement == NULL || (begin != NULL && !read_cursor (begin, &time, &rest, error)))
    return NULL;
  if (rest != NULL && !g_ascii_string_to_signed (rest, 16, 0, G_MAXINT64, &seq, NULL))
    {
      refuse_cursor (error);
      return NULL;
    }
  database_bind (statement, 1, "isiii", project, name, time, seq, (gint64) limit + 1);
  while ((result = database_step (database, statement, error)) == SQLITE_ROW)
    {
      if (runs->len > 0 && (runs->len == limit || n_bytes >= max_bytes))
        {
          const Run *last = g_ptr_array_index (runs, runs->len - 1);

          *cursor = g_strdup_printf ("%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x",
                                     last->start_time, last->seq);
          break;
        }
      g_ptr_array_add (runs, run_read_row (statement, TRUE));
      n_bytes += get_size (g_ptr_array_index (runs, runs->len - 1));
    }
  sqlite3_reset (statement);
  return result == SQLITE_DONE || result == SQLITE_ROW ? g_steal_pointer (&runs) : NULL;
}
