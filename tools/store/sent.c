/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tools/store/sent.h"

gboolean
sent_ensure_target (Store *store, const char *name, gint64 *target, GError **error)
{
  Database *database = store_get_database (store);

  return database_run (database, error, "INSERT OR IGNORE INTO targets (name) VALUES (?)", "s",
                       name) &&
         database_query_int (database, target, 0, error, "SELECT seq FROM targets WHERE name = ?",
                             "s", name);
}

gboolean
sent_load (Store *store,
           gint64 target,
           const LsobsId *id,
           SentMark *mark,
           gboolean *found,
           GError **error)
{
  Database *database = store_get_database (store);
  sqlite3_stmt *statement =
      database_get (database, "SELECT change, time, digest FROM sent WHERE target = ? AND id = ?",
                    error);
  int result;

  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, "iu", target, id);
  result = database_step (database, statement, error);
  *found = result == SQLITE_ROW;
  if (*found)
    *mark = (SentMark){ sqlite3_column_int64 (statement, 0), sqlite3_column_int64 (statement, 1),
                        sqlite3_column_int64 (statement, 2) };
  sqlite3_reset (statement);
  return result == SQLITE_ROW || result == SQLITE_DONE;
}

gboolean
sent_write (Store *store, gint64 target, const LsobsId *id, const SentMark *mark, GError **error)
{
  return database_run (store_get_database (store), error,
                       "INSERT OR REPLACE INTO sent (target, id, change, time, digest)"
                       " VALUES (?, ?, ?, ?, ?)",
                       "iuiii", target, id, mark->change, mark->time, mark->digest);
}

gboolean
sent_delete_run (Store *store, const LsobsId *run_id, GError **error)
{
  Database *database = store_get_database (store);

  return database_run (database, error, "DELETE FROM sent WHERE id = ?", "u", run_id) &&
         database_run (database, error,
                       "DELETE FROM sent WHERE id IN (SELECT id FROM feedback WHERE run_id = ?)",
                       "u", run_id);
}
