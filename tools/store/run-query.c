/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n.h>

#include "tools/store/filter.h"
#include "tools/store/run-query.h"

#define CURSOR_FORMAT "%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x"

/* --- cursors --- */

/* A cursor is the place of the last run that was returned. */
static char *
make_cursor (const Run *run)
{
  return g_strdup_printf (CURSOR_FORMAT, run->start_time, run->seq);
}

static gboolean
refuse_cursor (GError **error)
{
  g_set_error_literal (error, STORE_ERROR, STORE_ERROR_INVALID,
                       _ ("The cursor is not one that a list has returned"));
  return FALSE;
}

static gboolean
read_cursor (const char *text, gint64 *start_time, gint64 *seq, GError **error)
{
  char *end;

  *start_time = (gint64) g_ascii_strtoull (text, &end, 16);
  if (end > text && *end == '-')
    {
      const char *rest = end + 1;

      *seq = (gint64) g_ascii_strtoull (rest, &end, 16);
      if (end > rest && *end == '\0')
        return TRUE;
    }
  return refuse_cursor (error);
}

/* --- conditions --- */

/* Conditions on columns that have an index. If a search finds few runs, these are read by their seq, and
 * the + keeps SQLite from another index. */
static void
add_columns (FilterSql *sql, const RunQuery *query, gboolean is_rare)
{
  const char *no_index = is_rare ? "+" : "";

  if (query->projects != NULL && query->projects->len == 1)
    {
      g_string_append_printf (sql->sql, " AND %sr.project = ?", no_index);
      filter_sql_add_int (sql, g_array_index (query->projects, gint64, 0));
    }
  else if (query->projects != NULL)
    {
      g_string_append_printf (sql->sql, " AND %sr.project IN (0", no_index);
      for (guint i = 0; i < query->projects->len; i++)
        {
          g_string_append (sql->sql, ", ?");
          filter_sql_add_int (sql, g_array_index (query->projects, gint64, i));
        }
      g_string_append_c (sql->sql, ')');
    }
  if (query->ids != NULL)
    {
      g_string_append (sql->sql, " AND r.id IN (0");
      for (guint i = 0; i < query->ids->len; i++)
        {
          g_string_append (sql->sql, ", ?");
          filter_sql_add_id (sql, &g_array_index (query->ids, LsobsId, i));
        }
      g_string_append_c (sql->sql, ')');
    }
  if (query->trace_id != NULL)
    {
      g_string_append_printf (sql->sql, " AND %sr.trace_id = ?", no_index);
      filter_sql_add_id (sql, query->trace_id);
    }
  if (query->parent_id != NULL)
    {
      g_string_append_printf (sql->sql, " AND %sr.parent_id = ?", no_index);
      filter_sql_add_id (sql, query->parent_id);
    }
  if (query->is_root != RUN_ANY)
    g_string_append_printf (sql->sql, " AND %sr.parent_id %s", no_index,
                            query->is_root == RUN_YES ? "IS NULL" : "IS NOT NULL");
  if (query->start_time != TIME_NONE)
    {
      g_string_append_printf (sql->sql, " AND %sr.start_time >= ?", no_index);
      filter_sql_add_int (sql, query->start_time);
    }
  if (query->end_time != TIME_NONE)
    {
      g_string_append_printf (sql->sql, " AND %sr.start_time < ?", no_index);
      filter_sql_add_int (sql, query->end_time);
    }
}

static void
add_values (FilterSql *sql, const RunQuery *query)
{
  if (query->run_type != NULL)
    {
      g_string_append (sql->sql, " AND r.run_type = ?");
      filter_sql_add_text (sql, query->run_type);
    }
  if (query->reference_examples != NULL)
    {
      g_string_append (sql->sql, " AND (SELECT lower (reference_example) FROM payloads"
                                 " WHERE seq = r.seq) IN (''");
      for (guint i = 0; i < query->reference_examples->len; i++)
        {
          char text[LSOBS_UUID_LEN + 1] = "";

          _lsobs_id_write (&g_array_index (query->reference_examples, LsobsId, i), text);
          g_string_append (sql->sql, ", ?");
          filter_sql_add_text (sql, text);
        }
      g_string_append_c (sql->sql, ')');
    }
  if (query->has_error != RUN_ANY)
    g_string_append_printf (sql->sql, " AND r.status %s %d",
                            query->has_error == RUN_YES ? "=" : "<>", RUN_ERROR);
}

/* Filters for other runs of the same trace. */
static gboolean
add_relatives (Store *store, FilterSql *sql, const RunQuery *query, GError **error)
{
  gboolean done = TRUE;

  sql->is_any = TRUE;
  if (query->trace_filter != NULL)
    {
      g_string_append (sql->sql,
                       " AND EXISTS (SELECT 1 FROM runs AS t WHERE t.id = r.trace_id AND ");
      done = filter_compile (store, sql, query->trace_filter, "t", error);
      g_string_append_c (sql->sql, ')');
    }
  if (done && query->tree_filter != NULL)
    {
      g_string_append (sql->sql,
                       " AND EXISTS (SELECT 1 FROM runs AS t WHERE t.trace_id = r.trace_id AND ");
      done = filter_compile (store, sql, query->tree_filter, "t", error);
      g_string_append_c (sql->sql, ')');
    }
  sql->is_any = FALSE;
  return done;
}

static gboolean
add_cursor (FilterSql *sql, const RunQuery *query, GError **error)
{
  gint64 start_time;
  gint64 seq;

  if (query->cursor == NULL)
    return TRUE;
  if (!read_cursor (query->cursor, &start_time, &seq, error))
    return FALSE;
  /* The first half lets the index of the order find the place. */
  g_string_append_printf (sql->sql,
                          query->oldest_first
                              ? " AND %sr.start_time >= ? AND (r.start_time, r.seq) > (?, ?)"
                              : " AND %sr.start_time <= ? AND (r.start_time, r.seq) < (?, ?)",
                          sql->is_rare ? "+" : "");
  filter_sql_add_int (sql, start_time);
  filter_sql_add_int (sql, start_time);
  filter_sql_add_int (sql, seq);
  return TRUE;
}

/* Returns: (transfer full) (nullable): all that is behind WHERE */
static FilterSql *
make_conditions (Store *store, const RunQuery *query, GError **error)
{
  g_autoptr (FilterSql) sql = filter_sql_new ();

  /* A query names only a few runs by their ids. */
  sql->is_rare = query->ids != NULL;
  if (query->filter != NULL && !filter_compile (store, sql, query->filter, "r", error))
    return NULL;
  if (query->words != NULL)
    {
      g_string_append (sql->sql, query->filter != NULL ? " AND " : "");
      if (!filter_add_search (store, sql, NULL, query->words, "r", error))
        return NULL;
    }
  if (query->tree_words != NULL)
    {
      g_string_append (sql->sql, sql->sql->len > 0 ? " AND " : "");
      if (!filter_add_tree_search (store, sql, query->tree_words, "r", error))
        return NULL;
    }
  if (sql->sql->len == 0)
    g_string_append (sql->sql, "1");
  add_columns (sql, query, sql->is_rare);
  add_values (sql, query);
  return add_relatives (store, sql, query, error) && add_cursor (sql, query, error)
             ? g_steal_pointer (&sql)
             : NULL;
}

/* --- queries --- */

static sqlite3_stmt *
prepare (Store *store, const char *text, GError **error)
{
  Database *database = store_get_database (store);
  sqlite3_stmt *statement = NULL;

  if (sqlite3_prepare_v2 (database_get_handle (database), text, -1, &statement, NULL) != SQLITE_OK)
    database_set_error (database, error);
  return statement;
}

/* Returns: (transfer full) (nullable) (element-type Run) */
static GPtrArray *
read_rows (Store *store, sqlite3_stmt *statement, gboolean whole, GError **error)
{
  g_autoptr (GPtrArray) runs = g_ptr_array_new_with_free_func ((GDestroyNotify) run_free);
  int result;

  while ((result = database_step (store_get_database (store), statement, error)) == SQLITE_ROW)
    g_ptr_array_add (runs, run_read_row (statement, whole));
  sqlite3_reset (statement);
  return result == SQLITE_DONE ? g_steal_pointer (&runs) : NULL;
}

GPtrArray *
run_query (Store *store, const RunQuery *query, char **cursor, GError **error)
{
  g_autoptr (FilterSql) conditions = make_conditions (store, query, error);
  const char *order = query->oldest_first ? "" : " DESC";
  g_autofree char *text = NULL;
  g_autoptr (sqlite3_stmt) statement = NULL;
  GPtrArray *runs;
  const char *no_index;

  *cursor = NULL;
  if (conditions == NULL)
    return NULL;
  no_index = conditions->is_rare ? "+" : "";
  /* Long texts are read only for the rows that are returned. */
  text = g_strdup_printf ("SELECT " RUN_COLUMNS "%s FROM (SELECT r.* FROM runs AS r WHERE %s"
                          " ORDER BY %sr.start_time%s, r.seq%s LIMIT ?) AS r%s"
                          " ORDER BY r.start_time%s, r.seq%s",
                          query->whole ? ", " RUN_PAYLOAD_COLUMNS : "", conditions->sql->str,
                          no_index, order, order,
                          query->whole ? " LEFT JOIN payloads AS p ON p.seq = r.seq" : "", order,
                          order);
  statement = prepare (store, text, error);
  if (statement == NULL)
    return NULL;
  /* One run more than the limit shows whether there is another page. */
  database_bind (statement, filter_sql_bind (conditions, statement, 1), "i",
                 (gint64) query->limit + 1);
  runs = read_rows (store, statement, query->whole, error);
  if (runs != NULL && runs->len > query->limit)
    {
      g_ptr_array_set_size (runs, (int) query->limit);
      if (query->limit > 0)
        *cursor = make_cursor (g_ptr_array_index (runs, query->limit - 1));
    }
  return runs;
}

/* The letter before a cursor says which half it is in. */
#define FAILED_MARK 'e'
#define OTHER_MARK  'o'

/* Appends one half of the list to @runs, up to the limit of the query.
 * @cursor: (inout) (transfer full): where the half goes on; set to where the next page does, or to NULL */
static gboolean
add_half (Store *store,
          const RunQuery *query,
          RunChoice has_error,
          GPtrArray *runs,
          char **cursor,
          GError **error)
{
  RunQuery half = *query;
  g_autofree char *begin = g_steal_pointer (cursor);
  g_autoptr (GPtrArray) more = NULL;

  half.has_error = has_error;
  half.cursor = begin;
  half.limit = query->limit - runs->len;
  more = run_query (store, &half, cursor, error);
  if (more == NULL)
    return FALSE;
  g_ptr_array_extend_and_steal (runs, g_steal_pointer (&more));
  return TRUE;
}

static char *
mark_cursor (char mark, char *cursor)
{
  char *marked = g_strdup_printf ("%c%s", mark, cursor != NULL ? cursor : "");

  g_free (cursor);
  return marked;
}

GPtrArray *
run_query_errors_first (Store *store, const RunQuery *query, char **cursor, GError **error)
{
  g_autoptr (GPtrArray) runs = g_ptr_array_new_with_free_func ((GDestroyNotify) run_free);
  const char *given = query->cursor != NULL ? query->cursor : "e";
  g_autofree char *at = given[0] != '\0' && given[1] != '\0' ? g_strdup (given + 1) : NULL;

  *cursor = NULL;
  if (*given != FAILED_MARK && *given != OTHER_MARK)
    {
      refuse_cursor (error);
      return NULL;
    }
  if (*given == FAILED_MARK)
    {
      if (!add_half (store, query, RUN_YES, runs, &at, error))
        return NULL;
      if (at != NULL || runs->len >= query->limit)
        {
          *cursor = at != NULL ? mark_cursor (FAILED_MARK, g_steal_pointer (&at))
                               : mark_cursor (OTHER_MARK, NULL);
          return g_steal_pointer (&runs);
        }
    }
  if (!add_half (store, query, RUN_NO, runs, &at, error))
    return NULL;
  if (at != NULL)
    *cursor = mark_cursor (OTHER_MARK, g_steal_pointer (&at));
  return g_steal_pointer (&runs);
}

/* @from: (nullable): NULL: from the beginning of the list, in the order of the query */
static gboolean
find_first (Store *store,
            const RunQuery *query,
            const Run *from,
            gboolean *found,
            LsobsId *id,
            GError **error)
{
  g_autofree char *begin = from != NULL ? make_cursor (from) : NULL;
  g_autofree char *cursor = NULL;
  g_autoptr (GPtrArray) runs = NULL;
  RunQuery first = *query;

  first.limit = 1;
  first.cursor = begin;
  first.whole = FALSE;
  runs = run_query (store, &first, &cursor, error);
  if (runs == NULL)
    return FALSE;
  *found = runs->len > 0;
  if (*found)
    *id = ((const Run *) g_ptr_array_index (runs, 0))->id;
  return TRUE;
}

gboolean
run_query_find_neighbour (Store *store,
                          const RunQuery *query,
                          const Run *run,
                          gboolean errors_first,
                          gboolean is_next,
                          gboolean *found,
                          LsobsId *id,
                          GError **error)
{
  gboolean has_failed = run->status == RUN_ERROR;
  RunQuery half = *query;

  half.oldest_first = is_next == query->oldest_first;
  if (errors_first)
    half.has_error = has_failed ? RUN_YES : RUN_NO;
  if (!find_first (store, &half, run, found, id, error))
    return FALSE;
  /* Behind the last one that has failed is the first of the others, and the other way round. */
  if (*found || !errors_first || has_failed != is_next)
    return TRUE;
  half.has_error = has_failed ? RUN_NO : RUN_YES;
  return find_first (store, &half, NULL, found, id, error);
}

gboolean
run_query_count (Store *store, const RunQuery *query, gint64 *n, GError **error)
{
  return run_query_count_up_to (store, query, -2, n, error);
}

gboolean
run_query_count_up_to (Store *store, const RunQuery *query, gint64 max, gint64 *n, GError **error)
{
  g_autoptr (FilterSql) conditions = make_conditions (store, query, error);
  g_autofree char *text = NULL;
  g_autoptr (sqlite3_stmt) statement = NULL;

  if (conditions == NULL)
    return FALSE;
  text = g_strdup_printf ("SELECT count(*) FROM (SELECT 1 FROM runs AS r WHERE %s LIMIT ?)",
                          conditions->sql->str);
  statement = prepare (store, text, error);
  if (statement == NULL)
    return FALSE;
  /* A negative limit is none. */
  database_bind (statement, filter_sql_bind (conditions, statement, 1), "i", max + 1);
  if (database_step (store_get_database (store), statement, error) != SQLITE_ROW)
    return FALSE;
  *n = sqlite3_column_int64 (statement, 0);
  return TRUE;
}

GPtrArray *
run_query_trace (Store *store, const LsobsId *trace_id, gboolean whole, GError **error)
{
  static const char narrow_sql[] = "SELECT " RUN_COLUMNS " FROM runs AS r WHERE r.trace_id = ?"
                                   " ORDER BY r.dotted_order, r.seq";
  static const char whole_sql[] =
      "SELECT " RUN_COLUMNS ", " RUN_PAYLOAD_COLUMNS
      " FROM runs AS r LEFT JOIN payloads AS p ON p.seq = r.seq WHERE r.trace_id = ?"
      " ORDER BY r.dotted_order, r.seq";
  sqlite3_stmt *statement =
      database_get (store_get_database (store), whole ? whole_sql : narrow_sql, error);

  if (statement == NULL)
    return NULL;
  database_bind (statement, 1, "u", trace_id);
  return read_rows (store, statement, whole, error);
}

GPtrArray *
run_query_changes (Store *store, gint64 change, guint limit, gboolean whole, GError **error)
{
  static const char narrow_sql[] =
      "SELECT " RUN_COLUMNS " FROM runs AS r WHERE r.change > ? ORDER BY r.change LIMIT ?";
  static const char whole_sql[] =
      "SELECT " RUN_COLUMNS ", " RUN_PAYLOAD_COLUMNS
      " FROM runs AS r LEFT JOIN payloads AS p ON p.seq = r.seq WHERE r.change > ?"
      " ORDER BY r.change LIMIT ?";
  sqlite3_stmt *statement =
      database_get (store_get_database (store), whole ? whole_sql : narrow_sql, error);

  if (statement == NULL)
    return NULL;
  database_bind (statement, 1, "ii", change, (gint64) limit);
  return read_rows (store, statement, whole, error);
}
