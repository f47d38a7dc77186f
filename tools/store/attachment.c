/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n.h>

#include "tools/store/attachment.h"

gboolean
attachment_write (Store *store,
                  const LsobsId *run_id,
                  const char *name,
                  const char *type,
                  const void *data,
                  gsize size,
                  GError **error)
{
  return database_run (
      store_get_database (store), error,
      "INSERT OR REPLACE INTO attachments (run_id, name, type, received, size, data)"
      " VALUES (?, ?, ?, ?, ?, ?)",
      "ussiib", run_id, name, type, g_get_real_time (), (gint64) size, data, size);
}

static void
free_attachment (gpointer data)
{
  Attachment *self = data;

  g_free (self->name);
  g_free (self->type);
  g_free (self);
}

GPtrArray *
attachment_list (Store *store, const LsobsId *run_id, GError **error)
{
  Database *database = store_get_database (store);
  sqlite3_stmt *statement =
      database_get (database,
                    "SELECT name, type, size, received FROM attachments WHERE run_id = ?"
                    " ORDER BY name",
                    error);
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (free_attachment);
  int result;

  if (statement == NULL)
    return NULL;
  database_bind (statement, 1, "u", run_id);
  while ((result = database_step (database, statement, error)) == SQLITE_ROW)
    {
      Attachment *attachment = g_new0 (Attachment, 1);

      attachment->name = database_column_text (statement, 0);
      attachment->type = database_column_text (statement, 1);
      attachment->size = sqlite3_column_int64 (statement, 2);
      attachment->received = sqlite3_column_int64 (statement, 3);
      g_ptr_array_add (list, attachment);
    }
  sqlite3_reset (statement);
  return result == SQLITE_DONE ? g_steal_pointer (&list) : NULL;
}

GBytes *
attachment_load (Store *store, const LsobsId *run_id, const char *name, char **type, GError **error)
{
  Database *database = store_get_database (store);
  sqlite3_stmt *statement =
      database_get (database, "SELECT data, type FROM attachments WHERE run_id = ? AND name = ?",
                    error);
  GBytes *data = NULL;
  int result;

  if (statement == NULL)
    return NULL;
  database_bind (statement, 1, "us", run_id, name);
  result = database_step (database, statement, error);
  if (result == SQLITE_ROW)
    {
      data = g_bytes_new (sqlite3_column_blob (statement, 0),
                          (gsize) sqlite3_column_bytes (statement, 0));
      if (type != NULL)
        *type = database_column_text (statement, 1);
    }
  else if (result == SQLITE_DONE)
    /* TRANSLATORS: %s: the name of a file that goes with a run */
    g_set_error (error, STORE_ERROR, STORE_ERROR_NOT_FOUND, _ ("The run has no attachment “%s”"),
                 name);
  sqlite3_reset (statement);
  return data;
}
