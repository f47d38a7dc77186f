/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n.h>

#include "lsobs/text/lsobs-json-merge-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"

#include "tools/store/feedback.h"
#include "tools/store/filter.h"
#include "tools/store/json-view.h"
#include "tools/store/notice.h"

#define MAX_KEY 180

#define COLUMNS "f.id, f.run_id, f.key, f.score, f.created, f.modified, f.body"

void
feedback_free (Feedback *self)
{
  g_free (self->key);
  g_free (self->body);
  g_free (self);
}

/* --- from JSON --- */

static gboolean
refuse (const char *name, GError **error)
{
  /* TRANSLATORS: %s: the name of a member of a JSON object */
  g_set_error (error, STORE_ERROR, STORE_ERROR_INVALID, _ ("The value of “%s” is malformed"), name);
  return FALSE;
}

static gboolean
read_id (JsonView *view, const char *value, LsobsId *id)
{
  g_autofree char *text = json_view_dup_string (view, value);

  return text != NULL && _lsobs_id_parse_text (id, text);
}

static gint64
read_time (JsonView *view, const char *value, gint64 fallback)
{
  g_autofree char *text = json_view_dup_string (view, value);
  gint64 time;

  return text != NULL && time_text_parse (text, strlen (text), &time) ? time : fallback;
}

/* Whether the schema of LangSmith allows the types of the values. */
static gboolean
check_types (const char *name, const char *value, GError **error)
{
  gboolean fits = TRUE;

  if (!json_value_is_set (value))
    return TRUE;
  if (strcmp (name, "score") == 0)
    fits = strchr ("-0123456789tf", *value) != NULL;
  else if (strcmp (name, "value") == 0)
    fits = *value != '[';
  else if (strcmp (name, "correction") == 0)
    fits = *value == '{' || *value == '"';
  else if (strcmp (name, "comment") == 0)
    fits = *value == '"';
  return fits || refuse (name, error);
}

static gboolean
read_members (Feedback *self, const char *id, JsonView *view, const char *root, GError **error)
{
  static const char *const checked[] = { "score", "value", "correction", "comment" };
  const char *value = json_view_find (view, root, "id", NULL);
  gint64 now = g_get_real_time ();

  for (guint i = 0; i < G_N_ELEMENTS (checked); i++)
    if (!check_types (checked[i], json_view_find (view, root, checked[i], NULL), error))
      return FALSE;
  if (json_value_is_set (value) ? !read_id (view, value, &self->id)
                                : id != NULL && !_lsobs_id_parse_text (&self->id, id))
    return refuse ("id", error);
  if (!json_value_is_set (value) && id == NULL)
    _lsobs_id_make (&self->id, now);
  value = json_view_find (view, root, "run_id", NULL);
  self->has_run = json_value_is_set (value);
  if (self->has_run && !read_id (view, value, &self->run_id))
    return refuse ("run_id", error);
  self->key = json_view_dup_string (view, json_view_find (view, root, "key", NULL));
  if (self->key == NULL || *self->key == '\0' || g_utf8_strlen (self->key, -1) > MAX_KEY)
    return refuse ("key", error);
  value = json_view_find (view, root, "score", NULL);
  self->scored = json_view_get_double (value, &self->score);
  if (value != NULL && (*value == 't' || *value == 'f'))
    {
      self->scored = TRUE;
      self->score = *value == 't' ? 1 : 0;
    }
  self->created = read_time (view, json_view_find (view, root, "created_at", NULL), now);
  self->modified =
      read_time (view, json_view_find (view, root, "modified_at", NULL), self->created);
  return TRUE;
}

Feedback *
feedback_new_from_json (const char *id, const char *text, gsize len, GError **error)
{
  const LsobsSanitizeOptions options = { .redactor = NULL };
  g_auto (LsobsBuffer) sanitized = LSOBS_BUFFER_INIT;
  g_auto (LsobsBuffer) merged = LSOBS_BUFFER_INIT;
  g_autoptr (Feedback) self = g_new0 (Feedback, 1);
  g_autofree char *with_id = NULL;
  g_auto (JsonView) view;
  char id_text[LSOBS_UUID_LEN + 1] = "";

  json_view_init (&view, "", 0);
  if (!_lsobs_json_sanitize (&sanitized, text, len, &options) || *sanitized.data != '{')
    {
      refuse ("feedback", error);
      return NULL;
    }
  _lsobs_buffer_append_c (&sanitized, '\0');
  json_view_init (&view, sanitized.data, sanitized.len - 1);
  if (!read_members (self, id, &view, sanitized.data, error))
    return NULL;
  _lsobs_id_write (&self->id, id_text);
  with_id = g_strdup_printf ("{\"id\":\"%s\"}", id_text);
  _lsobs_json_merge (&merged, sanitized.data, sanitized.len - 1, with_id, strlen (with_id));
  self->body = g_strndup (merged.data, merged.len);
  return g_steal_pointer (&self);
}

/* --- in the store --- */

gboolean
feedback_write (Store *store, const Feedback *self, GError **error)
{
  sqlite3_stmt *statement =
      database_get (store_get_database (store),
                    "INSERT INTO feedback (id, run_id, key, score, created, modified, body)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO UPDATE SET"
                    " run_id = ?2, key = ?3, score = ?4, modified = ?6, body = ?7",
                    error);
  int at;

  if (statement == NULL)
    return FALSE;
  at = database_bind (statement, 1, "uus", &self->id, self->has_run ? &self->run_id : NULL,
                      self->key);
  at = database_bind (statement, at, self->scored ? "d" : "n", self->score);
  database_bind (statement, at, "iis", self->created, self->modified, self->body);
  return database_step (store_get_database (store), statement, error) == SQLITE_DONE &&
         (!self->has_run || notice_write (store, NOTICE_FEEDBACK, &self->run_id, error));
}

Feedback *
feedback_change (Store *store, const LsobsId *id, const char *text, gsize len, GError **error)
{
  const LsobsSanitizeOptions options = { .redactor = NULL };
  g_autoptr (Feedback) old = feedback_load (store, id, error);
  g_autoptr (Feedback) self = NULL;
  g_auto (LsobsBuffer) sanitized = LSOBS_BUFFER_INIT;
  g_auto (LsobsBuffer) merged = LSOBS_BUFFER_INIT;

  if (old == NULL)
    return NULL;
  if (!_lsobs_json_sanitize (&sanitized, text, len, &options) || *sanitized.data != '{')
    {
      refuse ("feedback", error);
      return NULL;
    }
  _lsobs_json_merge (&merged, old->body, strlen (old->body), sanitized.data, sanitized.len);
  self = feedback_new_from_json (NULL, merged.data, merged.len, error);
  if (self == NULL)
    return NULL;
  if (!_lsobs_id_equal (&self->id, id))
    {
      refuse ("id", error);
      return NULL;
    }
  self->created = old->created;
  self->modified = g_get_real_time ();
  return feedback_write (store, self, error) ? g_steal_pointer (&self) : NULL;
}

static gboolean
refuse_unknown (const LsobsId *id, GError **error)
{
  char text[LSOBS_UUID_LEN + 1] = "";

  _lsobs_id_write (id, text);
  /* TRANSLATORS: %s: the id of a feedback */
  g_set_error (error, STORE_ERROR, STORE_ERROR_NOT_FOUND, _ ("There is no feedback “%s”"), text);
  return FALSE;
}

static Feedback *
read_row (sqlite3_stmt *statement)
{
  Feedback *self = g_new0 (Feedback, 1);

  database_column_id (statement, 0, &self->id);
  self->has_run = database_column_id (statement, 1, &self->run_id);
  self->key = database_column_text (statement, 2);
  self->scored = sqlite3_column_type (statement, 3) != SQLITE_NULL;
  self->score = sqlite3_column_double (statement, 3);
  self->created = sqlite3_column_int64 (statement, 4);
  self->modified = sqlite3_column_int64 (statement, 5);
  self->body = database_column_text (statement, 6);
  return self;
}

Feedback *
feedback_load (Store *store, const LsobsId *id, GError **error)
{
  Database *database = store_get_database (store);
  sqlite3_stmt *statement =
      database_get (database, "SELECT " COLUMNS " FROM feedback AS f WHERE f.id = ?", error);
  Feedback *self = NULL;
  int result;

  if (statement == NULL)
    return NULL;
  database_bind (statement, 1, "u", id);
  result = database_step (database, statement, error);
  if (result == SQLITE_ROW)
    self = read_row (statement);
  else if (result == SQLITE_DONE)
    refuse_unknown (id, error);
  sqlite3_reset (statement);
  return self;
}

gboolean
feedback_delete (Store *store, const LsobsId *id, GError **error)
{
  g_autoptr (Feedback) feedback = feedback_load (store, id, error);

  return feedback != NULL &&
         database_run (store_get_database (store), error, "DELETE FROM feedback WHERE id = ?", "u",
                       id) &&
         (!feedback->has_run || notice_write (store, NOTICE_FEEDBACK, &feedback->run_id, error));
}

static void
add_ids (FilterSql *sql, const char *before, GArray *ids)
{
  g_string_append (sql->sql, before);
  for (guint i = 0; i < ids->len; i++)
    {
      g_string_append (sql->sql, i == 0 ? "?" : ", ?");
      filter_sql_add_id (sql, &g_array_index (ids, LsobsId, i));
    }
  g_string_append_c (sql->sql, ')');
}

static void
add_texts (FilterSql *sql, const char *before, const char *const *texts)
{
  g_string_append (sql->sql, before);
  for (guint i = 0; texts[i] != NULL; i++)
    {
      g_string_append (sql->sql, i == 0 ? "?" : ", ?");
      filter_sql_add_text (sql, texts[i]);
    }
  g_string_append_c (sql->sql, ')');
}

/* Feedback may name its project itself, or have it from its run. */
static void
add_projects (FilterSql *sql, GArray *ids)
{
  add_ids (sql,
           " AND (EXISTS (SELECT 1 FROM runs AS r JOIN projects AS p ON p.seq = r.project"
           " WHERE r.id = f.run_id AND p.id IN (",
           ids);
  g_string_append (sql->sql, ") OR lower (json_extract (f.body, '$.session_id')) IN (''");
  for (guint i = 0; i < ids->len; i++)
    {
      char text[LSOBS_UUID_LEN + 1] = "";

      _lsobs_id_write (&g_array_index (ids, LsobsId, i), text);
      g_string_append (sql->sql, ", ?");
      filter_sql_add_text (sql, text);
    }
  g_string_append (sql->sql, "))");
}

/* Returns: (transfer full): all that is behind WHERE */
static FilterSql *
make_conditions (const FeedbackQuery *query)
{
  FilterSql *sql = filter_sql_new ();

  g_string_append (sql->sql, "1");
  if (query->run_ids != NULL)
    add_ids (sql, " AND f.run_id IN (", query->run_ids);
  if (query->project_ids != NULL)
    add_projects (sql, query->project_ids);
  if (query->keys != NULL)
    add_texts (sql, " AND f.key IN (", query->keys);
  /* Feedback that does not name its source has come through the API. */
  if (query->sources != NULL)
    add_texts (sql, " AND coalesce (json_extract (f.body, '$.feedback_source.type'), 'api') IN (",
               query->sources);
  if (query->has_score >= 0)
    g_string_append_printf (sql->sql, " AND (f.score IS NOT NULL) = %d", query->has_score);
  if (query->has_comment >= 0)
    g_string_append_printf (sql->sql, " AND (json_extract (f.body, '$.comment') IS NOT NULL) = %d",
                            query->has_comment);
  if (query->min_created != TIME_NONE)
    {
      g_string_append (sql->sql, " AND f.created >= ?");
      filter_sql_add_int (sql, query->min_created);
    }
  if (query->max_created != TIME_NONE)
    {
      g_string_append (sql->sql, " AND f.created <= ?");
      filter_sql_add_int (sql, query->max_created);
    }
  return sql;
}

GPtrArray *
feedback_find (Store *store, const FeedbackQuery *query, GError **error)
{
  Database *database = store_get_database (store);
  g_autoptr (FilterSql) conditions = make_conditions (query);
  g_autofree char *text = g_strdup_printf ("SELECT " COLUMNS " FROM feedback AS f WHERE %s"
                                           " ORDER BY f.created DESC, f.seq DESC LIMIT ? OFFSET ?",
                                           conditions->sql->str);
  g_autoptr (sqlite3_stmt) statement = NULL;
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func ((GDestroyNotify) feedback_free);
  int result;

  if (sqlite3_prepare_v2 (database_get_handle (database), text, -1, &statement, NULL) != SQLITE_OK)
    {
      database_set_error (database, error);
      return NULL;
    }
  database_bind (statement, filter_sql_bind (conditions, statement, 1), "ii", query->limit,
                 query->offset);
  while ((result = database_step (database, statement, error)) == SQLITE_ROW)
    g_ptr_array_add (list, read_row (statement));
  return result == SQLITE_DONE ? g_steal_pointer (&list) : NULL;
}

GPtrArray *
feedback_list (Store *store,
               GArray *run_ids,
               const char *const *keys,
               gint64 limit,
               gint64 offset,
               GError **error)
{
  FeedbackQuery query = FEEDBACK_QUERY_INIT;

  query.run_ids = run_ids;
  query.keys = keys;
  query.limit = limit;
  query.offset = offset;
  return feedback_find (store, &query, error);
}
