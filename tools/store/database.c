/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gi18n.h>

#include "tools/store/database.h"

/* Pages in memory, in KiB: more makes no list faster, and idle memory larger. */
#define CACHE_KIB 4096

struct _Database
{
  sqlite3 *handle;        /* (owned) */
  GHashTable *statements; /* (owned) from the address of the SQL text to its statement */
  gboolean read_only;
};

static const char *
explain (sqlite3 *handle)
{
  return handle != NULL ? sqlite3_errmsg (handle) : sqlite3_errstr (SQLITE_NOMEM);
}

static StoreError
get_error_code (int result)
{
  switch (result & 0xff)
    {
    case SQLITE_FULL:
      return STORE_ERROR_FULL;
    case SQLITE_IOERR:
      /* Limits of files and quotas appear as failed writes. */
      return result == SQLITE_IOERR_READ || result == SQLITE_IOERR_SHORT_READ ? STORE_ERROR_FAILED
                                                                              : STORE_ERROR_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return STORE_ERROR_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return STORE_ERROR_FOREIGN;
    default:
      return STORE_ERROR_FAILED;
    }
}

/* Sets @error to what went wrong last. */
void
database_set_error (Database *self, GError **error)
{
  const char *text = explain (self->handle);
  StoreError code = get_error_code (sqlite3_extended_errcode (self->handle));

  if ((sqlite3_errcode (self->handle) & 0xff) == SQLITE_READONLY)
    {
      /* TRANSLATORS: %s: what SQLite says */
      g_set_error (error, STORE_ERROR, code,
                   _ ("The database cannot be written, as the file, its folder or the disk is "
                      "read-only: %s"),
                   text);
      return;
    }
  switch (code)
    {
    case STORE_ERROR_FULL:
      /* TRANSLATORS: %s: what SQLite says */
      g_set_error (error, STORE_ERROR, code,
                   _ ("The database cannot be written, the disk may be full: %s"), text);
      return;
    case STORE_ERROR_BUSY:
      /* TRANSLATORS: %s: what SQLite says */
      g_set_error (error, STORE_ERROR, code, _ ("Another process uses the database: %s"), text);
      return;
    case STORE_ERROR_FOREIGN:
      /* TRANSLATORS: %s: what SQLite says */
      g_set_error (error, STORE_ERROR, code,
                   _ ("The file is not a database of lsobs, or it is damaged: %s"), text);
      return;
    case STORE_ERROR_FAILED:
    case STORE_ERROR_NEWER:
    case STORE_ERROR_INVALID:
    case STORE_ERROR_NOT_FOUND:
    case STORE_ERROR_EXISTS:
    default:
      /* TRANSLATORS: %s: what SQLite says */
      g_set_error (error, STORE_ERROR, STORE_ERROR_FAILED, _ ("The database failed: %s"), text);
      return;
    }
}

/* --- the file --- */

static void
set_file_error (const char *path, int problem, GError **error)
{
  g_set_error (error, STORE_ERROR,
               problem == ENOSPC || problem == EDQUOT ? STORE_ERROR_FULL : STORE_ERROR_FAILED,
               /* TRANSLATORS: the first %s is a path, the second one what the system says */
               _ ("The database “%s” cannot be opened: %s"), path, g_strerror (problem));
}

char *
database_dup_real_path (const char *path)
{
  char *real = realpath (path, NULL);
  char *result = real != NULL ? g_strdup (real) : g_canonicalize_filename (path, NULL);

  /* realpath () uses malloc (). */
  free (real);
  return result;
}

char *
database_dup_file_id (const char *path)
{
  g_autofree char *machine = NULL;
  g_autofree char *text = NULL;
  struct stat info;

  if (stat (path, &info) != 0)
    return NULL;
  /* The numbers of devices are valid on this machine only, and until it restarts. */
  if (!g_file_get_contents ("/proc/sys/kernel/random/boot_id", &machine, NULL, NULL))
    machine = g_strdup (g_get_host_name ());
  text = g_strdup_printf ("%s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, machine,
                          (guint64) info.st_dev, (guint64) info.st_ino);
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
}

/* Makes the file. It is not opened if it is there: to close a file gives up all locks that the process has on it,
 * also those of SQLite, and without them another process takes away the log that is written to. */
static gboolean
make_file (const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  int fd;

  if (g_mkdir_with_parents (folder, 0700) == 0)
    {
      fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
      if (fd >= 0)
        close (fd);
      if (fd >= 0 || errno == EEXIST)
        return TRUE;
    }
  set_file_error (path, errno, error);
  return FALSE;
}

/* The file belongs to this user.
 * @mode: whether the file may be made */
static gboolean
prepare_file (const char *path, DatabaseMode mode, GError **error)
{
  struct stat info;

  if (mode == DATABASE_READ_WRITE && access (path, F_OK) != 0 && !make_file (path, error))
    return FALSE;
  if (stat (path, &info) != 0 ||
      access (path, mode == DATABASE_READ_WRITE ? R_OK | W_OK : R_OK) != 0)
    {
      set_file_error (path, errno, error);
      return FALSE;
    }
  if (S_ISREG (info.st_mode) && info.st_uid == geteuid ())
    return TRUE;
  g_set_error (error, STORE_ERROR, STORE_ERROR_FOREIGN,
               /* TRANSLATORS: %s: a path */
               _ ("The database “%s” is not used, because it is not a file of this user"), path);
  return FALSE;
}

void
database_close_to_others (const char *path)
{
  static const char *const suffixes[] = { "", "-wal", "-shm" };
  g_autofree char *real = database_dup_real_path (path);

  for (guint i = 0; i < G_N_ELEMENTS (suffixes); i++)
    {
      g_autofree char *file = g_strconcat (real, suffixes[i], NULL);
      struct stat info;

      if (stat (file, &info) == 0 && (info.st_mode & 077) != 0)
        (void) !chmod (file, 0600);
    }
}

/* SQLite makes a file beside a database that it reads. In a folder that cannot be written to, the database is
 * read as one that does not change.
 * Returns: (transfer full) (nullable): the address by which the file is read then */
static char *
dup_read_only_uri (const char *path)
{
  g_autofree char *real = database_dup_real_path (path);
  g_autofree char *folder = g_path_get_dirname (real);
  g_autofree char *log = g_strconcat (real, "-wal", NULL);
  g_autofree char *uri = NULL;
  struct stat info;

  /* Transactions that are only in the log would be missing. */
  if (access (folder, W_OK) == 0 || (stat (log, &info) == 0 && info.st_size > 0))
    return NULL;
  uri = g_filename_to_uri (real, NULL, NULL);
  return uri != NULL ? g_strconcat (uri, "?immutable=1", NULL) : NULL;
}

Database *
database_open (const char *path, DatabaseMode mode, GError **error)
{
  g_autoptr (Database) self = g_new0 (Database, 1);
  int flags = mode == DATABASE_READ_ONLY ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  g_autofree char *settings =
      g_strdup_printf ("PRAGMA cache_size=-%d; PRAGMA foreign_keys=OFF; PRAGMA temp_store=MEMORY;"
                       "PRAGMA trusted_schema=OFF",
                       CACHE_KIB);
  g_autofree char *uri = NULL;

  self->statements =
      g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) (void (*) (void)) sqlite3_finalize);
  self->read_only = mode == DATABASE_READ_ONLY;
  if (!prepare_file (path, mode, error))
    return NULL;
  uri = mode == DATABASE_READ_ONLY ? dup_read_only_uri (path) : NULL;
  if (sqlite3_open_v2 (uri != NULL ? uri : path, &self->handle,
                       flags | SQLITE_OPEN_NOMUTEX | (uri != NULL ? SQLITE_OPEN_URI : 0),
                       NULL) != SQLITE_OK)
    {
      /* TRANSLATORS: the first %s is a path, the second one what SQLite says */
      g_set_error (error, STORE_ERROR, STORE_ERROR_FAILED,
                   _ ("The database “%s” cannot be opened: %s"), path, explain (self->handle));
      return NULL;
    }
  sqlite3_extended_result_codes (self->handle, 1);
  sqlite3_busy_timeout (self->handle, DATABASE_BUSY_TIMEOUT);
  /* A file of others may be made to attack its readers. */
  sqlite3_db_config (self->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  if (!database_execute (self, settings, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
database_close (Database *self)
{
  g_hash_table_unref (self->statements);
  sqlite3_close_v2 (self->handle);
  g_free (self);
}

sqlite3 *
database_get_handle (Database *self)
{
  return self->handle;
}

gboolean
database_is_read_only (Database *self)
{
  return self->read_only;
}

/* --- statements --- */

gboolean
database_execute (Database *self, const char *sql, GError **error)
{
  if (sqlite3_exec (self->handle, sql, NULL, NULL, NULL) == SQLITE_OK)
    return TRUE;
  database_set_error (self, error);
  return FALSE;
}

sqlite3_stmt *
database_get (Database *self, const char *sql, GError **error)
{
  sqlite3_stmt *statement = g_hash_table_lookup (self->statements, sql);

  if (statement != NULL)
    {
      sqlite3_reset (statement);
      sqlite3_clear_bindings (statement);
      return statement;
    }
  if (sqlite3_prepare_v3 (self->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) !=
      SQLITE_OK)
    {
      database_set_error (self, error);
      return NULL;
    }
  g_hash_table_insert (self->statements, (gpointer) sql, statement);
  return statement;
}

static int
bind_values (sqlite3_stmt *statement, int first, const char *kinds, va_list args)
{
  for (; *kinds != '\0'; kinds++, first++)
    {
      const void *bytes;
      gsize len;

      switch (*kinds)
        {
        case 'i':
          sqlite3_bind_int64 (statement, first, va_arg (args, gint64));
          break;
        case 'd':
          sqlite3_bind_double (statement, first, va_arg (args, double));
          break;
        case 's':
          sqlite3_bind_text (statement, first, va_arg (args, const char *), -1, SQLITE_STATIC);
          break;
        case 't':
          bytes = va_arg (args, const char *);
          len = va_arg (args, gsize);
          sqlite3_bind_text64 (statement, first, bytes, len, SQLITE_STATIC, SQLITE_UTF8);
          break;
        case 'u':
          bytes = va_arg (args, const LsobsId *);
          if (bytes != NULL)
            sqlite3_bind_blob (statement, first, bytes, sizeof (LsobsId), SQLITE_STATIC);
          break;
        case 'b':
          bytes = va_arg (args, const void *);
          len = va_arg (args, gsize);
          /* An address that is NULL would bind NULL. */
          sqlite3_bind_blob64 (statement, first, len > 0 ? bytes : "", len, SQLITE_STATIC);
          break;
        case 'n':
          break;
        default:
          g_assert_not_reached ();
        }
    }
  return first;
}

int
database_bind (sqlite3_stmt *statement, int first, const char *kinds, ...)
{
  va_list args;

  va_start (args, kinds);
  first = bind_values (statement, first, kinds, args);
  va_end (args);
  return first;
}

int
database_step (Database *self, sqlite3_stmt *statement, GError **error)
{
  int result = sqlite3_step (statement);

  if (result != SQLITE_ROW && result != SQLITE_DONE)
    {
      database_set_error (self, error);
      sqlite3_reset (statement);
    }
  return result;
}

gboolean
database_run (Database *self, GError **error, const char *sql, const char *kinds, ...)
{
  sqlite3_stmt *statement = database_get (self, sql, error);
  va_list args;
  int result;

  if (statement == NULL)
    return FALSE;
  va_start (args, kinds);
  bind_values (statement, 1, kinds, args);
  va_end (args);
  result = database_step (self, statement, error);
  sqlite3_reset (statement);
  return result == SQLITE_DONE || result == SQLITE_ROW;
}

gboolean
database_query_int (Database *self,
                    gint64 *value,
                    gint64 fallback,
                    GError **error,
                    const char *sql,
                    const char *kinds,
                    ...)
{
  sqlite3_stmt *statement = database_get (self, sql, error);
  va_list args;
  int result;

  *value = fallback;
  if (statement == NULL)
    return FALSE;
  va_start (args, kinds);
  bind_values (statement, 1, kinds, args);
  va_end (args);
  result = database_step (self, statement, error);
  if (result == SQLITE_ROW && sqlite3_column_type (statement, 0) != SQLITE_NULL)
    *value = sqlite3_column_int64 (statement, 0);
  sqlite3_reset (statement);
  return result == SQLITE_DONE || result == SQLITE_ROW;
}

/* --- columns --- */

/* Returns: FALSE if there is no id */
gboolean
database_column_id (sqlite3_stmt *statement, int column, LsobsId *id)
{
  const void *bytes = sqlite3_column_blob (statement, column);

  if (bytes == NULL || sqlite3_column_bytes (statement, column) != sizeof *id)
    return FALSE;
  memcpy (id, bytes, sizeof *id);
  return TRUE;
}

/* Returns: (transfer full) (nullable) */
char *
database_column_text (sqlite3_stmt *statement, int column)
{
  return g_strdup ((const char *) sqlite3_column_text (statement, column));
}
