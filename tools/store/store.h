/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The store: one SQLite file with runs, feedback, attachments and projects. What it keeps and how is in
 * units of their own, which all take a Store:
 *
 *   change.h      what a client says about a run        run.h         runs: written, read one by one
 *   project.h     projects                              run-query.h   lists of runs, filters, pages
 *   feedback.h    feedback                              filter.h      the filter language
 *   attachment.h  files that go with runs               statistics.h  numbers of a project
 *   removal.h     deletion, and limits of size and age
 *   sent.h        what was sent on to other services
 *
 * A Store is used by one thread at a time, and by one process or many: each thread opens its own. A
 * reader sees what was committed when its statement began, and waits for no writer.
 *
 * What a committed transaction has written is there after the process was killed. After a power cut, the
 * last transactions may be missing, up to the last store_sync (); the database is whole in any case. */

#pragma once

#include "tools/store/database.h"

G_BEGIN_DECLS

typedef struct _Store Store;

/* Returns: (transfer full): $XDG_DATA_HOME/lsobs/traces.db */
char *store_dup_default_path (void);

/* Opens a database. With DATABASE_READ_WRITE it is made if it is not there, and one of an older version
 * is changed to this one; the file has mode 0600, and belongs to this user. */
Store *store_open (const char *path, DatabaseMode mode, GError **error);
void store_close (Store *self);
Database *store_get_database (Store *self);

/* All writes must be inside a transaction, which has all of its effects, or none. */
gboolean store_begin (Store *self, GError **error);
/* If it fails, the transaction is rolled back. */
gboolean store_commit (Store *self, GError **error);
void store_rollback (Store *self);
/* A part of a transaction, which can be undone alone. */
gboolean store_begin_part (Store *self, GError **error);
gboolean store_end_part (Store *self, gboolean keep, GError **error);

/* Brings all transactions to the disk, so that they are there after a power cut, too. No reader delays it;
 * another process that writes for longer than a second makes it fail. */
gboolean store_sync (Store *self, GError **error);

/* The number of the last change of any run. A run that has changed later has a greater one. */
gboolean store_get_last_change (Store *self, gint64 *change, GError **error);
/* Returns: the number for a change of a run, in a transaction */
gint64 store_take_change (Store *self);

/* The numbers of changes from the first one to the last one. */
typedef struct
{
  gint64 first;
  gint64 last;
} ChangeRange;

/* Has the numbers of the changes that are made by this store, and not by another one, added to an array.
 * @ranges: (element-type ChangeRange): is kept, and has to live longer than the store */
void store_note_changes (Store *self, GArray *ranges);
/* Whether a change is among them. */
gboolean store_has_change (const GArray *ranges, gint64 change);

/* The bytes that are in use in the file. */
gboolean store_get_size (Store *self, gint64 *bytes, GError **error);

/* From the name of a project to its seq, as of this transaction. Emptied by a rollback. */
GHashTable *store_get_project_cache (Store *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Store, store_close)

G_END_DECLS
