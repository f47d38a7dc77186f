/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs: lists, one, its attachments; deletion of traces. */

#include "config.h"

#include <string.h>

#include <glib/gi18n.h>

#include "tools/service/json-body.h"
#include "tools/service/routes.h"
#include "tools/store/attachment.h"
#include "tools/store/json-put.h"
#include "tools/store/project.h"
#include "tools/store/removal.h"
#include "tools/store/run-json.h"
#include "tools/store/run-query.h"

/* A page has so many runs at most; clients ask for the next one. */
#define MAX_PAGE 1000

static gboolean
read_id (const char *text, const char *name, LsobsId *id, GError **error)
{
  return _lsobs_id_parse_text (id, text) || json_body_refuse (name, error);
}

/* --- POST /runs/query --- */

/* A query with what it points to. */
typedef struct
{
  JsonBody body;
  RunQuery query;
  GArray *ids;      /* (owned) (nullable), as all of these */
  GArray *projects; /* of seqs */
  GArray *examples;
  LsobsId trace_id;
  LsobsId parent_id;
  char *run_type;
  char *words;
  char *filter;
  char *trace_filter;
  char *tree_filter;
  char *cursor;
  GPtrArray *members; /* (element-type utf8) NULL-terminated */
} QueryBody;

static void
query_body_clear (QueryBody *self)
{
  json_body_clear (&self->body);
  g_clear_pointer (&self->ids, g_array_unref);
  g_clear_pointer (&self->projects, g_array_unref);
  g_clear_pointer (&self->examples, g_array_unref);
  g_free (self->run_type);
  g_free (self->words);
  g_free (self->filter);
  g_free (self->trace_filter);
  g_free (self->tree_filter);
  g_free (self->cursor);
  g_clear_pointer (&self->members, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QueryBody, query_body_clear)

/* The members that the body may have. A member that is false or null has no effect. */
static gboolean
check_names (QueryBody *self, GError **error)
{
  static const char *const known[] = { "id",
                                       "trace",
                                       "parent_run",
                                       "run_type",
                                       "session",
                                       "session_id",
                                       "reference_example",
                                       "execution_order",
                                       "start_time",
                                       "end_time",
                                       "error",
                                       "query",
                                       "filter",
                                       "trace_filter",
                                       "tree_filter",
                                       "is_root",
                                       "data_source_type",
                                       "cursor",
                                       "limit",
                                       "select",
                                       "order",
                                       "skip_pagination",
                                       "skip_prev_cursor",
                                       NULL };
  const char *at = NULL;
  JsonMember member;

  while (json_view_next (&self->body.view, self->body.text.data, &at, &member))
    {
      g_autofree char *name = g_strndup (member.name, member.name_len);

      if (*member.value != 'n' && *member.value != 'f' && !g_strv_contains (known, name))
        return json_body_refuse (name, error);
    }
  return TRUE;
}

static gboolean
read_choice (QueryBody *self, const char *name, RunChoice *choice, GError **error)
{
  gboolean is_set;
  gboolean value;

  if (!json_body_get_boolean (&self->body, name, &is_set, &value, error))
    return FALSE;
  if (is_set)
    *choice = value ? RUN_YES : RUN_NO;
  return TRUE;
}

static gboolean
read_time (QueryBody *self, const char *name, gint64 *time, GError **error)
{
  g_autofree char *text = NULL;

  if (!json_body_get_text (&self->body, name, &text, error))
    return FALSE;
  return text == NULL || time_text_parse (text, strlen (text), time) ||
         json_body_refuse (name, error);
}

/* @id: (out): set if there is one
 * @field: (out): points to it then */
static gboolean
read_one_id (QueryBody *self, const char *name, LsobsId *id, const LsobsId **field, GError **error)
{
  g_autofree char *text = NULL;

  if (!json_body_get_text (&self->body, name, &text, error) ||
      (text != NULL && !read_id (text, name, id, error)))
    return FALSE;
  *field = text != NULL ? id : NULL;
  return TRUE;
}

static gboolean
read_projects (QueryBody *self, Store *store, GError **error)
{
  g_autoptr (GArray) ids = NULL;

  if (!json_body_get_ids (&self->body, "session", &ids, error))
    return FALSE;
  /* The Python client sends this member when it loads the children of a run. */
  if (ids == NULL && !json_body_get_ids (&self->body, "session_id", &ids, error))
    return FALSE;
  if (ids == NULL)
    return TRUE;
  self->projects = g_array_new (FALSE, FALSE, sizeof (gint64));
  for (guint i = 0; i < ids->len; i++)
    {
      g_autoptr (Project) project = project_load (store, &g_array_index (ids, LsobsId, i), error);

      if (project == NULL)
        return FALSE;
      g_array_append_val (self->projects, project->seq);
    }
  self->query.projects = self->projects;
  return TRUE;
}

static gboolean
read_select (QueryBody *self, GError **error)
{
  const char *value = json_body_find (&self->body, "select");
  const char *at = NULL;
  JsonMember element;

  if (value == NULL)
    return TRUE;
  if (*value != '[')
    return json_body_refuse ("select", error);
  self->members = g_ptr_array_new_with_free_func (g_free);
  while (json_view_next (&self->body.view, value, &at, &element))
    {
      char *name = json_view_dup_string (&self->body.view, element.value);

      if (name == NULL)
        return json_body_refuse ("select", error);
      g_ptr_array_add (self->members, name);
      if (!run_json_has_member (name))
        return json_body_refuse (name, error);
    }
  g_ptr_array_add (self->members, NULL);
  return TRUE;
}

static gboolean
read_page (QueryBody *self, GError **error)
{
  const char *value = json_body_find (&self->body, "limit");
  g_autofree char *order = NULL;
  gint64 limit = self->query.limit;
  gint64 execution_order = 1;

  if (value != NULL && (!json_view_get_int (value, &limit) || limit < 1))
    return json_body_refuse ("limit", error);
  self->query.limit = (guint) MIN (limit, MAX_PAGE);
  if (!json_body_get_text (&self->body, "order", &order, error) ||
      !json_body_get_text (&self->body, "cursor", &self->cursor, error))
    return FALSE;
  if (order != NULL && strcmp (order, "asc") != 0 && strcmp (order, "desc") != 0)
    return json_body_refuse ("order", error);
  self->query.oldest_first = g_strcmp0 (order, "asc") == 0;
  self->query.cursor = self->cursor;
  /* Old clients send this: the first run of a trace is wanted. */
  value = json_body_find (&self->body, "execution_order");
  if (value != NULL && (!json_view_get_int (value, &execution_order) || execution_order != 1))
    return json_body_refuse ("execution_order", error);
  if (value != NULL)
    self->query.is_root = RUN_YES;
  return TRUE;
}

static gboolean
read_examples (QueryBody *self, GError **error)
{
  if (!json_body_get_ids (&self->body, "reference_example", &self->examples, error))
    return FALSE;
  self->query.reference_examples = self->examples;
  return TRUE;
}

/* LangSmith chooses one of its databases by this member. Here, one database has everything. */
static gboolean
check_source (QueryBody *self, GError **error)
{
  static const char *const known[] = {
    "current", "historical", "lite", "root_lite", "runs_feedbacks_rmt_wide", NULL
  };
  g_autofree char *source = NULL;

  if (!json_body_get_text (&self->body, "data_source_type", &source, error))
    return FALSE;
  return source == NULL || g_strv_contains (known, source) ||
         json_body_refuse ("data_source_type", error);
}

static gboolean
read_query (QueryBody *self, Request *request, Store *store, GError **error)
{
  memset (self, 0, sizeof *self);
  self->query = (RunQuery) RUN_QUERY_INIT;
  self->query.whole = TRUE;
  if (!json_body_read (&self->body, request, error) || !check_names (self, error) ||
      !json_body_get_ids (&self->body, "id", &self->ids, error) ||
      !read_projects (self, store, error) ||
      !read_one_id (self, "trace", &self->trace_id, &self->query.trace_id, error) ||
      !read_one_id (self, "parent_run", &self->parent_id, &self->query.parent_id, error) ||
      !json_body_get_text (&self->body, "run_type", &self->run_type, error) ||
      !json_body_get_text (&self->body, "query", &self->words, error) ||
      !json_body_get_text (&self->body, "filter", &self->filter, error) ||
      !json_body_get_text (&self->body, "trace_filter", &self->trace_filter, error) ||
      !json_body_get_text (&self->body, "tree_filter", &self->tree_filter, error) ||
      !read_examples (self, error) || !check_source (self, error) || !read_page (self, error) ||
      !read_choice (self, "is_root", &self->query.is_root, error) ||
      !read_choice (self, "error", &self->query.has_error, error) ||
      !read_time (self, "start_time", &self->query.start_time, error) ||
      !read_time (self, "end_time", &self->query.end_time, error) || !read_select (self, error))
    return FALSE;
  self->query.ids = self->ids;
  self->query.run_type = self->run_type;
  self->query.words = self->words;
  self->query.filter = self->filter;
  self->query.trace_filter = self->trace_filter;
  self->query.tree_filter = self->tree_filter;
  return TRUE;
}

static gboolean
handle_query (Request *request, Store *store, GError **error)
{
  g_auto (QueryBody) body;
  g_autofree char *cursor = NULL;
  g_autoptr (GHashTable) projects = run_json_new_projects ();
  g_autoptr (GPtrArray) runs = NULL;
  LsobsBuffer *out = &request->answer;

  if (!read_query (&body, request, store, error))
    return FALSE;
  runs = run_query (store, &body.query, &cursor, error);
  if (runs == NULL)
    return FALSE;
  request->status = 200;
  json_put_begin (out, NULL, '{');
  json_put_begin (out, "runs", '[');
  for (guint i = 0; i < runs->len; i++)
    if (!run_json_put (out, NULL, store, g_ptr_array_index (runs, i),
                       body.members != NULL ? (const char *const *) body.members->pdata : NULL,
                       projects, error))
      return FALSE;
  json_put_end (out, ']');
  json_put_begin (out, "cursors", '{');
  json_put_text (out, "next", cursor);
  json_put_json (out, "prev", NULL);
  json_put_end (out, '}');
  json_put_json (out, "search_cursors", NULL);
  json_put_text (out, "parsed_query", body.filter);
  json_put_end (out, '}');
  return TRUE;
}

/* --- one run --- */

static gboolean
handle_run (Request *request, Store *store, GError **error)
{
  g_autoptr (GHashTable) projects = run_json_new_projects ();
  g_autoptr (Run) run = NULL;
  LsobsId id;

  if (!read_id (request->words[0], "run_id", &id, error))
    return FALSE;
  run = run_load (store, &id, TRUE, error);
  if (run == NULL)
    return FALSE;
  request->status = 200;
  return run_json_put (&request->answer, NULL, store, run, NULL, projects, error);
}

static gboolean
handle_attachment (Request *request, Store *store, GError **error)
{
  LsobsId id;

  if (!read_id (request->words[0], "run_id", &id, error))
    return FALSE;
  request->file = attachment_load (store, &id, request->words[1], &request->answer_type, error);
  request->status = 200;
  return request->file != NULL;
}

/* --- deletion --- */

static gboolean
delete_list (Store *store, GArray *traces, GError **error)
{
  RemovalCount count = { 0 };

  for (guint i = 0; i < traces->len; i++)
    if (!removal_delete_trace (store, &g_array_index (traces, LsobsId, i), &count, error))
      return FALSE;
  return TRUE;
}

static gboolean
handle_delete (Request *request, Store *store, GError **error)
{
  g_auto (JsonBody) body;
  g_autoptr (GArray) traces = NULL;

  if (!json_body_read (&body, request, error) ||
      !json_body_get_ids (&body, "trace_ids", &traces, error))
    return FALSE;
  /* Deletion by metadata is not known. */
  if (traces == NULL)
    return json_body_refuse (json_body_find (&body, "metadata") != NULL ? "metadata" : "trace_ids",
                             error);
  if (!delete_list (store, traces, error))
    return FALSE;
  request->status = 200;
  _lsobs_buffer_append_str (&request->answer, "{}");
  return TRUE;
}

const Route routes_runs[] = {
  { "POST", "/runs/query", ROUTE_READS, routes_decode, handle_query },
  { "POST", "/runs/delete", ROUTE_ALONE, routes_decode, handle_delete },
  { "POST", "/runs/delete/traces", ROUTE_ALONE, routes_decode, handle_delete },
  { "GET", "/runs/*", ROUTE_READS, NULL, handle_run },
  { "GET", "/runs/*/attachments/*", ROUTE_READS, NULL, handle_attachment },
  { NULL, NULL, 0, NULL, NULL },
};
