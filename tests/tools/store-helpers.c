/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include <glib/gstdio.h>

#include "tests/tools/store-helpers.h"

void
test_remove_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, name, NULL);

      if (g_file_test (file, G_FILE_TEST_IS_DIR))
        test_remove_folder (file);
      else
        g_assert_cmpint (g_unlink (file), ==, 0);
    }
  g_assert_cmpint (g_rmdir (path), ==, 0);
}

void
store_fixture_set_up (StoreFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  self->folder = g_dir_make_tmp ("lsobs-store-XXXXXX", &error);
  g_assert_no_error (error);
  self->path = g_build_filename (self->folder, "data", "traces.db", NULL);
  self->store = store_open (self->path, DATABASE_READ_WRITE, &error);
  g_assert_no_error (error);
}

void
store_fixture_tear_down (StoreFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  g_clear_pointer (&self->store, store_close);
  test_remove_folder (self->folder);
  g_free (self->folder);
  g_free (self->path);
}

void
store_fixture_reopen (StoreFixture *self)
{
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&self->store, store_close);
  self->store = store_open (self->path, DATABASE_READ_WRITE, &error);
  g_assert_no_error (error);
}

static char *
put_quotes (const char *json)
{
  char *text = g_strdup (json);

  for (char *at = text; *at != '\0'; at++)
    if (*at == '\'')
      *at = '"';
  return text;
}

void
test_apply (Store *store, ChangeKind kind, const char *json)
{
  g_autofree char *text = put_quotes (json);
  g_autoptr (GError) error = NULL;
  g_autoptr (Change) change = change_new_from_json (kind, NULL, text, strlen (text), &error);

  g_assert_no_error (error);
  store_begin (store, &error);
  g_assert_no_error (error);
  run_apply (store, change, &error);
  g_assert_no_error (error);
  store_commit (store, &error);
  g_assert_no_error (error);
}

char *
test_refuse (ChangeKind kind, const char *json)
{
  g_autofree char *text = put_quotes (json);
  g_autoptr (GError) error = NULL;

  g_assert_null (change_new_from_json (kind, NULL, text, strlen (text), &error));
  g_assert_error (error, STORE_ERROR, STORE_ERROR_INVALID);
  return g_strdup (error->message);
}

void
test_parse_id (const char *text, LsobsId *id)
{
  g_assert_true (_lsobs_id_parse_text (id, text));
}

Run *
test_load (Store *store, const char *id)
{
  g_autoptr (GError) error = NULL;
  LsobsId parsed;
  Run *run;

  test_parse_id (id, &parsed);
  run = run_load (store, &parsed, TRUE, &error);
  g_assert_no_error (error);
  return run;
}

gint64
test_query_int (Store *store, const char *sql)
{
  g_autoptr (sqlite3_stmt) statement = NULL;
  sqlite3 *handle = database_get_handle (store_get_database (store));

  g_assert_cmpint (sqlite3_prepare_v2 (handle, sql, -1, &statement, NULL), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_step (statement), ==, SQLITE_ROW);
  return sqlite3_column_int64 (statement, 0);
}
