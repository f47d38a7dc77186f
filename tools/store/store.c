/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>
#include <sys/stat.h>

#include <glib/gi18n.h>

#include "tools/store/schema.h"
#include "tools/store/store.h"

/* How long store_sync() waits for another process that writes, in ms. */
#define SYNC_TIMEOUT 1000

struct _Store
{
  Database *database; /* (owned) */
  char *path;         /* (owned) from the root */
  dev_t device;       /* of the file */
  ino_t inode;
  GHashTable *projects; /* (owned) from name to seq */
  gint64 change;        /* the last number taken; of a transaction */
  gint64 first_change;  /* what it was at the begin */
  GArray *own_changes;  /* (unowned) (nullable) (element-type ChangeRange) */
};

char *
store_dup_default_path (void)
{
  return g_build_filename (g_get_user_data_dir (), "lsobs", "traces.db", NULL);
}

Store *
store_open (const char *path, DatabaseMode mode, GError **error)
{
  g_autoptr (Store) self = g_new0 (Store, 1);
  struct stat info;

  self->projects = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->database = database_open (path, mode, error);
  if (self->database == NULL)
    return NULL;
  if (mode == DATABASE_READ_ONLY)
    {
      if (!schema_check (self->database, error))
        return NULL;
      database_close_to_others (path);
      return g_steal_pointer (&self);
    }
  /* NORMAL: a commit is in the cache of the system, which a process that is killed leaves behind;
   * the disk has it at the next checkpoint. */
  if (!schema_upgrade (self->database, SCHEMA_VERSION, error) ||
      !database_execute (self->database,
                         "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                         "PRAGMA wal_autocheckpoint=4000;"
                         "PRAGMA journal_size_limit=16777216",
                         error))
    return NULL;
  database_close_to_others (path);
  if (stat (path, &info) == 0)
    {
      self->device = info.st_dev;
      self->inode = info.st_ino;
    }
  self->path = g_canonicalize_filename (path, NULL);
  return g_steal_pointer (&self);
}

void
store_close (Store *self)
{
  if (self->database != NULL)
    database_close (self->database);
  g_hash_table_unref (self->projects);
  g_free (self->path);
  g_free (self);
}

Database *
store_get_database (Store *self)
{
  return self->database;
}

GHashTable *
store_get_project_cache (Store *self)
{
  return self->projects;
}

/* --- transactions --- */

gboolean
store_get_last_change (Store *self, gint64 *change, GError **error)
{
  return database_query_int (self->database, change, 0, error,
                             "SELECT value FROM state WHERE name = 'change'", "");
}

gint64
store_take_change (Store *self)
{
  return ++self->change;
}

/* What is written to a file that has no name is lost when it is closed. */
static gboolean
check_file (Store *self, GError **error)
{
  struct stat info;

  if (stat (self->path, &info) == 0 && info.st_dev == self->device && info.st_ino == self->inode)
    return TRUE;
  g_set_error (error, STORE_ERROR, STORE_ERROR_FAILED,
               /* TRANSLATORS: %s: a path */
               _ ("The database “%s” was moved or removed while it was in use: put it back, or "
                  "start the program again"),
               self->path);
  return FALSE;
}

gboolean
store_begin (Store *self, GError **error)
{
  if (!check_file (self, error))
    return FALSE;
  if (!database_run (self->database, error, "BEGIN IMMEDIATE", ""))
    return FALSE;
  /* Another process may have removed a project since. */
  g_hash_table_remove_all (self->projects);
  if (!store_get_last_change (self, &self->first_change, error))
    {
      store_rollback (self);
      return FALSE;
    }
  self->change = self->first_change;
  return TRUE;
}

/* Remembers which changes this store has made. Those of one transaction follow each other. */
static void
note_changes (Store *self)
{
  const ChangeRange range = { self->first_change + 1, self->change };
  ChangeRange *last;

  if (self->own_changes == NULL || range.last < range.first)
    return;
  last = self->own_changes->len > 0
             ? &g_array_index (self->own_changes, ChangeRange, self->own_changes->len - 1)
             : NULL;
  if (last != NULL && last->last + 1 == range.first)
    last->last = range.last;
  else
    g_array_append_val (self->own_changes, range);
}

void
store_note_changes (Store *self, GArray *ranges)
{
  self->own_changes = ranges;
}

gboolean
store_has_change (const GArray *ranges, gint64 change)
{
  guint first = 0;
  guint end = ranges->len;

  while (first < end)
    {
      guint middle = first + (end - first) / 2;
      const ChangeRange *range = &g_array_index (ranges, ChangeRange, middle);

      if (change > range->last)
        first = middle + 1;
      else if (change < range->first)
        end = middle;
      else
        return TRUE;
    }
  return FALSE;
}

gboolean
store_commit (Store *self, GError **error)
{
  if ((self->change == self->first_change ||
       database_run (self->database, error, "UPDATE state SET value = ? WHERE name = 'change'", "i",
                     self->change)) &&
      database_run (self->database, error, "COMMIT", ""))
    {
      note_changes (self);
      return TRUE;
    }
  store_rollback (self);
  return FALSE;
}

/* SQLite itself has rolled back after some errors. */
void
store_rollback (Store *self)
{
  g_hash_table_remove_all (self->projects);
  if (sqlite3_get_autocommit (database_get_handle (self->database)) == 0)
    database_run (self->database, NULL, "ROLLBACK", "");
}

gboolean
store_begin_part (Store *self, GError **error)
{
  return database_run (self->database, error, "SAVEPOINT part", "");
}

gboolean
store_end_part (Store *self, gboolean keep, GError **error)
{
  if (keep)
    return database_run (self->database, error, "RELEASE part", "");
  g_hash_table_remove_all (self->projects);
  return database_run (self->database, error, "ROLLBACK TO part", "") &&
         database_run (self->database, error, "RELEASE part", "");
}

/* Copies the log into the file of the database, as far as other processes allow that, and syncs the
 * file to the disk.
 * @done: (out): whether all of the log was copied: pages that a reader still needs stay in it */
static gboolean
checkpoint (Store *self, gboolean *done, GError **error)
{
  sqlite3_stmt *statement = database_get (self->database, "PRAGMA wal_checkpoint(PASSIVE)", error);
  int result;

  *done = FALSE;
  if (statement == NULL)
    return FALSE;
  result = database_step (self->database, statement, error);
  if (result == SQLITE_ROW)
    /* The row has: whether another process has prevented it, the pages in the log, and how many of
     * them were copied. */
    *done = sqlite3_column_int (statement, 0) == 0 &&
            sqlite3_column_int (statement, 1) == sqlite3_column_int (statement, 2);
  sqlite3_reset (statement);
  return result == SQLITE_ROW;
}

/* Commits with a wait for the disk. That writes all of the log before it, too, also while a reader holds a
 * checkpoint back. SQLite writes nothing for an empty transaction, so that a row is added and removed. */
static gboolean
commit_to_disk (Store *self, GError **error)
{
  gboolean done;

  if (!database_execute (self->database, "PRAGMA synchronous=FULL", error))
    return FALSE;
  sqlite3_busy_timeout (database_get_handle (self->database), SYNC_TIMEOUT);
  done = database_execute (self->database,
                           "BEGIN IMMEDIATE;"
                           "INSERT INTO state VALUES ('sync', 0);"
                           "DELETE FROM state WHERE name = 'sync';"
                           "COMMIT",
                           error);
  if (!done)
    store_rollback (self);
  sqlite3_busy_timeout (database_get_handle (self->database), DATABASE_BUSY_TIMEOUT);
  database_execute (self->database, "PRAGMA synchronous=NORMAL", NULL);
  return done;
}

gboolean
store_sync (Store *self, GError **error)
{
  gboolean done;

  return checkpoint (self, &done, error) && (done || commit_to_disk (self, error));
}

gboolean
store_get_size (Store *self, gint64 *bytes, GError **error)
{
  gint64 n_pages;
  gint64 n_free;
  gint64 page_size;

  if (!database_query_int (self->database, &n_pages, 0, error, "PRAGMA page_count", "") ||
      !database_query_int (self->database, &n_free, 0, error, "PRAGMA freelist_count", "") ||
      !database_query_int (self->database, &page_size, 0, error, "PRAGMA page_size", ""))
    return FALSE;
  *bytes = (n_pages - n_free) * page_size;
  return TRUE;
}
