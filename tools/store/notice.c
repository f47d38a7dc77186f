/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tools/store/notice.h"

gboolean
notice_write (Store *store, NoticeKind kind, const LsobsId *id, GError **error)
{
  Database *database = store_get_database (store);
  gint64 change = store_take_change (store);

  return database_run (database, error, "INSERT INTO notices VALUES (?, ?, ?)", "iiu", change,
                       (gint64) kind, id) &&
         database_run (database, error, "DELETE FROM notices WHERE change < ?", "i",
                       change - 2 * NOTICE_WINDOW);
}

GArray *
notice_list (Store *store, gint64 after, gint64 until, guint limit, GError **error)
{
  Database *database = store_get_database (store);
  sqlite3_stmt *statement =
      database_get (database,
                    "SELECT change, kind, id FROM notices WHERE change > ? AND change <= ?"
                    " ORDER BY change LIMIT ?",
                    error);
  g_autoptr (GArray) list = g_array_new (FALSE, TRUE, sizeof (Notice));
  int result;

  if (statement == NULL)
    return NULL;
  database_bind (statement, 1, "iii", after, until, (gint64) limit);
  while ((result = database_step (database, statement, error)) == SQLITE_ROW)
    {
      Notice notice = { .change = sqlite3_column_int64 (statement, 0),
                        .kind = (NoticeKind) sqlite3_column_int (statement, 1) };

      if (database_column_id (statement, 2, &notice.id))
        g_array_append_val (list, notice);
    }
  sqlite3_reset (statement);
  return result == SQLITE_DONE ? g_steal_pointer (&list) : NULL;
}
