/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n.h>

#include "tools/store/project.h"
#include "tools/store/time-text.h"

#define COLUMNS \
 "SELECT p.seq, p.id, p.name, p.description, p.extra, p.created, p.ended," \
 " (SELECT max(start_time) FROM runs WHERE project = p.seq) AS newest FROM projects AS p "

static gboolean
insert_project (Store *store,
                const LsobsId *id,
                const char *name,
                const char *description,
                const char *extra,
                gint64 *seq,
                GError **error)
{
  gint64 now = g_get_real_time ();
  LsobsId made;

  _lsobs_id_make (&made, now);
  if (!database_run (store_get_database (store), error,
                     "INSERT INTO projects (id, name, created, description, extra)"
                     " VALUES (?, ?, ?, ?, ?)",
                     "usiss", id != NULL ? id : &made, name, now, description, extra))
    return FALSE;
  *seq = sqlite3_last_insert_rowid (database_get_handle (store_get_database (store)));
  return TRUE;
}

static gboolean
find_by_name (Store *store, const char *name, gint64 *seq, GError **error)
{
  return database_query_int (store_get_database (store), seq, 0, error,
                             "SELECT seq FROM projects WHERE name = ?", "s", name);
}

static gboolean
find_by_id (Store *store, const LsobsId *id, gint64 *seq, GError **error)
{
  return database_query_int (store_get_database (store), seq, 0, error,
                             "SELECT seq FROM projects WHERE id = ?", "u", id);
}

gboolean
project_ensure (Store *store, const char *name, const char *id, gint64 *seq, GError **error)
{
  const char *key = id != NULL ? id : name != NULL && *name != '\0' ? name : PROJECT_DEFAULT;
  gint64 *known = g_hash_table_lookup (store_get_project_cache (store), key);
  LsobsId parsed;

  if (known != NULL)
    {
      *seq = *known;
      return TRUE;
    }
  *seq = 0;
  if (id != NULL &&
      (!_lsobs_id_parse_text (&parsed, id) || !find_by_id (store, &parsed, seq, error)))
    return FALSE;
  if (*seq == 0 && (id == NULL || name != NULL) &&
      !find_by_name (store, name != NULL && *name != '\0' ? name : PROJECT_DEFAULT, seq, error))
    return FALSE;
  /* A project that was made elsewhere, and of which only the id is known, gets the id as its
   * name. */
  if (*seq == 0 &&
      !insert_project (store, id != NULL ? &parsed : NULL,
                       name != NULL && *name != '\0' ? name : key, NULL, NULL, seq, error))
    return FALSE;
  g_hash_table_insert (store_get_project_cache (store), g_strdup (key),
                       g_memdup2 (seq, sizeof *seq));
  return TRUE;
}

static gboolean
set_values (Store *store,
            gint64 seq,
            const char *name,
            const char *description,
            const char *extra,
            gint64 ended,
            GError **error)
{
  sqlite3_stmt *statement =
      database_get (store_get_database (store),
                    "UPDATE projects SET name = coalesce (?2, name), extra = coalesce (?4, extra),"
                    " description = coalesce (?3, description), ended = coalesce (?5, ended)"
                    " WHERE seq = ?1",
                    error);

  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, ended == TIME_NONE ? "isssn" : "isssi", seq, name, description,
                 extra, ended);
  return database_step (store_get_database (store), statement, error) == SQLITE_DONE;
}

static gboolean
refuse_name (const char *name, GError **error)
{
  /* TRANSLATORS: %s: the name of a project */
  g_set_error (error, STORE_ERROR, STORE_ERROR_EXISTS, _ ("There is a project “%s” already"), name);
  return FALSE;
}

Project *
project_create (Store *store,
                const LsobsId *id,
                const char *name,
                const char *description,
                const char *extra,
                gboolean upsert,
                GError **error)
{
  gint64 seq = 0;

  if (!find_by_name (store, name, &seq, error))
    return NULL;
  if (seq == 0 && id != NULL && !find_by_id (store, id, &seq, error))
    return NULL;
  if (seq != 0 && !upsert)
    {
      refuse_name (name, error);
      return NULL;
    }
  if (seq != 0 ? !set_values (store, seq, NULL, description, extra, TIME_NONE, error)
               : !insert_project (store, id, name, description, extra, &seq, error))
    return NULL;
  return project_load_seq (store, seq, error);
}

gboolean
project_change (Store *store,
                const LsobsId *id,
                const char *name,
                const char *description,
                const char *extra,
                gint64 ended,
                GError **error)
{
  g_autoptr (Project) project = project_load (store, id, error);
  gint64 other = 0;

  if (project == NULL || (name != NULL && !find_by_name (store, name, &other, error)))
    return FALSE;
  if (other != 0 && other != project->seq)
    return refuse_name (name, error);
  g_hash_table_remove_all (store_get_project_cache (store));
  return set_values (store, project->seq, name, description, extra, ended, error);
}

gboolean
project_restore (Store *store, const Project *project, GError **error)
{
  Database *database = store_get_database (store);
  sqlite3_stmt *statement;
  gint64 seq = 0;

  if (!find_by_name (store, project->name, &seq, error) ||
      (seq == 0 && !find_by_id (store, &project->id, &seq, error)))
    return FALSE;
  if (seq == 0)
    {
      if (!insert_project (store, &project->id, project->name, NULL, NULL, &seq, error) ||
          !database_run (database, error, "UPDATE projects SET created = ?2 WHERE seq = ?1", "ii",
                         seq, project->created))
        return FALSE;
      g_hash_table_remove_all (store_get_project_cache (store));
    }
  statement = database_get (database,
                            "UPDATE projects SET description = coalesce (description, ?2),"
                            " extra = coalesce (extra, ?3), ended = coalesce (ended, ?4)"
                            " WHERE seq = ?1",
                            error);
  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, project->ended == TIME_NONE ? "issn" : "issi", seq,
                 project->description, project->extra, project->ended);
  return database_step (database, statement, error) == SQLITE_DONE;
}

/* --- reading --- */

static Project *
read_row (sqlite3_stmt *statement)
{
  Project *self = g_new0 (Project, 1);

  self->seq = sqlite3_column_int64 (statement, 0);
  database_column_id (statement, 1, &self->id);
  self->name = database_column_text (statement, 2);
  self->description = database_column_text (statement, 3);
  self->extra = database_column_text (statement, 4);
  self->created = sqlite3_column_int64 (statement, 5);
  self->ended = sqlite3_column_type (statement, 6) == SQLITE_NULL
                    ? TIME_NONE
                    : sqlite3_column_int64 (statement, 6);
  self->last_change = sqlite3_column_type (statement, 7) == SQLITE_NULL
                          ? TIME_NONE
                          : sqlite3_column_int64 (statement, 7);
  return self;
}

/* @statement: bound
 * @name: for the message */
static Project *
load_one (Store *store, sqlite3_stmt *statement, const char *name, GError **error)
{
  Project *self = NULL;
  int result = database_step (store_get_database (store), statement, error);

  if (result == SQLITE_ROW)
    self = read_row (statement);
  else if (result == SQLITE_DONE)
    /* TRANSLATORS: %s: the name or the id of a project */
    g_set_error (error, STORE_ERROR, STORE_ERROR_NOT_FOUND, _ ("There is no project “%s”"), name);
  sqlite3_reset (statement);
  return self;
}

Project *
project_load (Store *store, const LsobsId *id, GError **error)
{
  sqlite3_stmt *statement =
      database_get (store_get_database (store), COLUMNS "WHERE p.id = ?", error);
  char text[LSOBS_UUID_LEN + 1] = "";

  if (statement == NULL)
    return NULL;
  _lsobs_id_write (id, text);
  database_bind (statement, 1, "u", id);
  return load_one (store, statement, text, error);
}

Project *
project_load_seq (Store *store, gint64 seq, GError **error)
{
  sqlite3_stmt *statement =
      database_get (store_get_database (store), COLUMNS "WHERE p.seq = ?", error);

  if (statement == NULL)
    return NULL;
  database_bind (statement, 1, "i", seq);
  return load_one (store, statement, "", error);
}

Project *
project_load_name (Store *store, const char *name, GError **error)
{
  sqlite3_stmt *statement =
      database_get (store_get_database (store), COLUMNS "WHERE p.name = ?", error);

  if (statement == NULL)
    return NULL;
  database_bind (statement, 1, "s", name);
  return load_one (store, statement, name, error);
}

GPtrArray *
project_list (Store *store,
              const char *part,
              ProjectOrder order,
              gint64 limit,
              gint64 offset,
              GError **error)
{
#define LIST(order) \
 COLUMNS "WHERE ?1 IS NULL OR instr (lower (p.name), lower (?1)) > 0 ORDER BY " order \
         " LIMIT ?2 OFFSET ?3"
  static const char *const texts[] = {
    [PROJECT_BY_TIME] = LIST ("coalesce (newest, p.created) DESC, p.seq DESC"),
    [PROJECT_BY_NAME] = LIST ("p.name"),
    [PROJECT_BY_CREATION] = LIST ("p.created DESC, p.seq DESC"),
    [PROJECT_BY_TIME_REVERSED] = LIST ("coalesce (newest, p.created), p.seq"),
    [PROJECT_BY_NAME_REVERSED] = LIST ("p.name DESC"),
    [PROJECT_BY_CREATION_REVERSED] = LIST ("p.created, p.seq"),
  };
#undef LIST
  Database *database = store_get_database (store);
  sqlite3_stmt *statement = database_get (database, texts[order], error);
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func ((GDestroyNotify) project_free);
  int result;

  if (statement == NULL)
    return NULL;
  database_bind (statement, 1, "sii", part, limit, offset);
  while ((result = database_step (database, statement, error)) == SQLITE_ROW)
    g_ptr_array_add (list, read_row (statement));
  sqlite3_reset (statement);
  return result == SQLITE_DONE ? g_steal_pointer (&list) : NULL;
}

void
project_free (Project *self)
{
  g_free (self->name);
  g_free (self->description);
  g_free (self->extra);
  g_free (self);
}
