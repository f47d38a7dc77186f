/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n.h>

#include "tools/store/preview.h"
#include "tools/store/schema.h"
#include "tools/store/search-text.h"

/* Times are µs since 1970, UTC. Ids are UUIDs of 16 bytes. JSON is text as the sanitizer writes it.
 *
 * The rows of runs are narrow, so that lists read little; what is long is in payloads, under the same
 * seq. tree_… are sums over a run and what is below it; see run.c for how they are kept. change grows
 * with each change of any run, and is never used again: a reader asks for what is newer than the last
 * one it has seen. */
static const char tables[] =
    "CREATE TABLE state ("
    "  name TEXT PRIMARY KEY NOT NULL,"
    "  value INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "INSERT INTO state VALUES ('change', 0);"

    "CREATE TABLE projects ("
    "  seq INTEGER PRIMARY KEY,"
    "  id BLOB NOT NULL UNIQUE,"
    "  name TEXT NOT NULL UNIQUE,"
    "  created INTEGER NOT NULL,"
    "  ended INTEGER,"
    "  description TEXT,"
    "  extra TEXT"
    ") STRICT;"

    "CREATE TABLE runs ("
    "  seq INTEGER PRIMARY KEY,"
    "  id BLOB NOT NULL UNIQUE,"
    "  trace_id BLOB NOT NULL,"
    "  parent_id BLOB,"
    "  project INTEGER NOT NULL,"
    "  change INTEGER NOT NULL,"
    "  received INTEGER NOT NULL,"
    "  created INTEGER NOT NULL," /* 0: only updates have come */
    "  status INTEGER NOT NULL,"
    "  run_type TEXT NOT NULL,"
    "  name TEXT NOT NULL,"
    "  start_time INTEGER NOT NULL,"
    "  end_time INTEGER,"
    "  first_token_time INTEGER,"
    "  prompt_tokens INTEGER NOT NULL,"
    "  completion_tokens INTEGER NOT NULL,"
    "  total_tokens INTEGER NOT NULL,"
    "  prompt_cost REAL NOT NULL,"
    "  completion_cost REAL NOT NULL,"
    "  total_cost REAL NOT NULL,"
    "  tree_first_token_time INTEGER,"
    "  tree_prompt_tokens INTEGER NOT NULL,"
    "  tree_completion_tokens INTEGER NOT NULL,"
    "  tree_total_tokens INTEGER NOT NULL,"
    "  tree_prompt_cost REAL NOT NULL,"
    "  tree_completion_cost REAL NOT NULL,"
    "  tree_total_cost REAL NOT NULL,"
    "  thread TEXT,"
    "  tags TEXT,"
    "  dotted_order TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX runs_by_trace ON runs (trace_id);"
    "CREATE INDEX runs_by_parent ON runs (parent_id) WHERE parent_id IS NOT NULL;"
    "CREATE INDEX runs_by_change ON runs (change);"
    "CREATE INDEX runs_by_time ON runs (project, start_time);"
    "CREATE INDEX roots_by_time ON runs (start_time) WHERE parent_id IS NULL;"
    "CREATE INDEX roots_by_project ON runs (project, start_time) WHERE parent_id IS NULL;"
    "CREATE INDEX runs_by_thread ON runs (project, thread, start_time) WHERE thread IS NOT NULL;"

    "CREATE TABLE payloads ("
    "  seq INTEGER PRIMARY KEY,"
    "  error TEXT,"
    "  reference_example TEXT,"
    "  inputs TEXT,"
    "  outputs TEXT,"
    "  extra TEXT,"
    "  events TEXT,"
    "  serialized TEXT"
    ") STRICT;"

    "CREATE TABLE attachments ("
    "  run_id BLOB NOT NULL,"
    "  name TEXT NOT NULL,"
    "  type TEXT NOT NULL,"
    "  received INTEGER NOT NULL,"
    "  size INTEGER NOT NULL,"
    "  data BLOB NOT NULL,"
    "  UNIQUE (run_id, name)"
    ") STRICT;"

    "CREATE TABLE feedback ("
    "  seq INTEGER PRIMARY KEY,"
    "  id BLOB NOT NULL UNIQUE,"
    "  run_id BLOB,"
    "  key TEXT NOT NULL,"
    "  score REAL,"
    "  created INTEGER NOT NULL,"
    "  modified INTEGER NOT NULL,"
    "  body TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX feedback_by_run ON feedback (run_id) WHERE run_id IS NOT NULL;";

static gboolean
make_tables (Database *database, GError **error)
{
  return database_execute (database, tables, error);
}

/* The index for searches. Its rows have the seq of the run, and no copy of the texts. */
static gboolean
make_search_index (Database *database, GError **error)
{
  return database_execute (database,
                           "CREATE VIRTUAL TABLE search USING fts5"
                           " (name, inputs, outputs, error, metadata, content='',"
                           "  tokenize='unicode61 remove_diacritics 2')",
                           error) &&
         search_text_index_all (database, error);
}

/* The marks of runs and feedback that were sent on to other services: see sent.h. */
static gboolean
make_sent (Database *database, GError **error)
{
  return database_execute (database,
                           "CREATE TABLE targets ("
                           "  seq INTEGER PRIMARY KEY,"
                           "  name TEXT NOT NULL UNIQUE"
                           ") STRICT;"
                           "CREATE TABLE sent ("
                           "  target INTEGER NOT NULL,"
                           "  id BLOB NOT NULL,"
                           "  change INTEGER NOT NULL,"
                           "  time INTEGER NOT NULL,"
                           "  digest INTEGER NOT NULL,"
                           "  PRIMARY KEY (target, id)"
                           ") STRICT, WITHOUT ROWID;"
                           "CREATE INDEX sent_by_id ON sent (id)",
                           error);
}

/* What the page lists: a line of each root, errors and events of the other runs, and what has changed beside
 * the runs. The notices have numbers of the same sequence as runs.change. */
static gboolean
make_page_tables (Database *database, GError **error)
{
  return database_execute (database,
                           "CREATE TABLE previews ("
                           "  seq INTEGER PRIMARY KEY,"
                           "  input TEXT,"
                           "  output TEXT,"
                           "  error TEXT,"
                           "  events TEXT"
                           ") STRICT;"
                           "CREATE TABLE notices ("
                           "  change INTEGER PRIMARY KEY,"
                           "  kind INTEGER NOT NULL,"
                           "  id BLOB NOT NULL"
                           ") STRICT;"
                           "CREATE INDEX roots_failed ON runs (project, start_time)"
                           "  WHERE parent_id IS NULL AND status = 2;"
                           "CREATE INDEX roots_by_thread ON runs (project, thread, start_time)"
                           "  WHERE thread IS NOT NULL AND parent_id IS NULL;",
                           error) &&
         preview_make_all (database, error);
}

/* Step number i leads from version i to the next one. A step never changes after a release. */
static gboolean (*const steps[]) (Database *database, GError **error) = {
  make_tables,
  make_search_index,
  make_sent,
  make_page_tables,
};

G_STATIC_ASSERT (G_N_ELEMENTS (steps) == SCHEMA_VERSION);

static gboolean
get_version (Database *database, gint64 *version, GError **error)
{
  gint64 application;
  gint64 n_tables;

  if (!database_query_int (database, &application, 0, error, "PRAGMA application_id", "") ||
      !database_query_int (database, version, 0, error, "PRAGMA user_version", "") ||
      !database_query_int (database, &n_tables, 0, error, "SELECT count(*) FROM sqlite_schema", ""))
    return FALSE;
  if (*version < 0 || (application != DATABASE_APPLICATION_ID &&
                       (application != 0 || *version != 0 || n_tables != 0)))
    {
      g_set_error_literal (error, STORE_ERROR, STORE_ERROR_FOREIGN,
                           _ ("The file is a database of another program: choose another file"));
      return FALSE;
    }
  if (*version > SCHEMA_VERSION)
    {
      /* TRANSLATORS: both %d are version numbers of the file format */
      g_set_error (error, STORE_ERROR, STORE_ERROR_NEWER,
                   _ ("A newer version of lsobs has written the database (format %d, this program "
                      "knows %d): update lsobs, or choose another file"),
                   (int) *version, SCHEMA_VERSION);
      return FALSE;
    }
  return TRUE;
}

static gboolean
run_steps (Database *database, int version, gboolean *changed, GError **error)
{
  gint64 at;
  g_autofree char *marks = g_strdup_printf ("PRAGMA application_id=%d; PRAGMA user_version=%d",
                                            DATABASE_APPLICATION_ID, version);

  /* Another process may have been faster: the lock is held now. */
  if (!get_version (database, &at, error))
    return FALSE;
  *changed = at < version;
  g_assert (at >= 0);
  for (; at < version; at++)
    if (!steps[at](database, error))
      return FALSE;
  return !*changed || database_execute (database, marks, error);
}

gboolean
schema_upgrade (Database *database, int version, GError **error)
{
  gboolean changed;
  gint64 at;

  if (!get_version (database, &at, error))
    return FALSE;
  if (at == version)
    return TRUE;
  /* Both have to be set before the first table is there: freed pages can be given back, and readers
   * do not wait for a writer. */
  if (at == 0 && !database_execute (database, "PRAGMA auto_vacuum=INCREMENTAL", error))
    return FALSE;
  if (!database_execute (database, "PRAGMA journal_mode=WAL; BEGIN IMMEDIATE", error))
    return FALSE;
  if (run_steps (database, version, &changed, error) &&
      database_execute (database, "COMMIT", error))
    return TRUE;
  database_execute (database, "ROLLBACK", NULL);
  return FALSE;
}

gboolean
schema_check (Database *database, GError **error)
{
  gint64 version;

  if (!get_version (database, &version, error))
    return FALSE;
  if (version == SCHEMA_VERSION)
    return TRUE;
  g_set_error_literal (error, STORE_ERROR, STORE_ERROR_FOREIGN,
                       _ ("The database is empty, or an older version of lsobs has written it: "
                          "“lsobs serve” makes it ready"));
  return FALSE;
}
