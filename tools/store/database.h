/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One connection to an SQLite file: prepared statements that are kept, bindings, and errors. Used
 * by one thread at a time. Units other than this one and the schema know nothing of SQLite but
 * statements. */

#pragma once

#include <glib.h>
#include <sqlite3.h>

#include "lsobs/core/lsobs-id-private.h"

#include "tools/store/store-error.h"

G_BEGIN_DECLS

/* How long a statement waits for another process that has a lock, in ms. */
#define DATABASE_BUSY_TIMEOUT 10000

/* "lsob": tells the file from other databases of SQLite. */
#define DATABASE_APPLICATION_ID 0x6c736f62

typedef struct _Database Database;

typedef enum
{
  DATABASE_READ_WRITE, /* the file is made, with mode 0600, if it is not there */
  DATABASE_READ_ONLY
} DatabaseMode;

/* Returns: (transfer full): the path of the file that @path leads to over links; if there is no such file,
 *   @path itself, from the root */
char *database_dup_real_path (const char *path);
/* Returns: (transfer full) (nullable): an id of the file, whatever its name, which no other file has; NULL if it
 *   is not there. It tells nothing about the file. */
char *database_dup_file_id (const char *path);

/* Takes all permissions for the file, and for those beside it, from other users. It is called when
 * the file is known to be of lsobs. */
void database_close_to_others (const char *path);

/* With DATABASE_READ_ONLY, a file on a disk that cannot be written to can be opened, too. */
Database *database_open (const char *path, DatabaseMode mode, GError **error);
void database_close (Database *self);
sqlite3 *database_get_handle (Database *self);
gboolean database_is_read_only (Database *self);

/* Runs statements without parameters. */
gboolean database_execute (Database *self, const char *sql, GError **error);

/* Returns: (transfer none) (nullable): the statement for @sql, ready to be bound. Of each @sql there is
 *   one, which lasts as long as the database.
 * @sql: a static string: its address is the key */
sqlite3_stmt *database_get (Database *self, const char *sql, GError **error);

/* Binds values to the parameters from number @first on, and returns the number after the last.
 * @kinds: one letter for each: i gint64; d double; s (nullable) text; t (nullable) text and its gsize;
 *   u (nullable) const LsobsId *; b const void * and gsize, bytes; n nothing, NULL.
 * Values have to stay until the statement has run. */
int database_bind (sqlite3_stmt *statement, int first, const char *kinds, ...);

/* Runs a statement that returns nothing. */
gboolean database_run (Database *self, GError **error, const char *sql, const char *kinds, ...);

/* Runs a statement, and gets the first column of its first row, an integer.
 * @value: (out): @fallback if there is no row, or it is NULL */
gboolean database_query_int (Database *self,
                             gint64 *value,
                             gint64 fallback,
                             GError **error,
                             const char *sql,
                             const char *kinds,
                             ...);

/* Takes the next row.
 * Returns: SQLITE_ROW, SQLITE_DONE, or another code with @error set */
int database_step (Database *self, sqlite3_stmt *statement, GError **error);

void database_set_error (Database *self, GError **error);

/* Values of the current row. */
gboolean database_column_id (sqlite3_stmt *statement, int column, LsobsId *id);
char *database_column_text (sqlite3_stmt *statement, int column);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Database, database_close)

/* A statement that was prepared for one use. */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (sqlite3_stmt, sqlite3_finalize)

G_END_DECLS
