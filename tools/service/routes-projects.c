/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Projects, which the API calls sessions. */

#include "config.h"

#include <string.h>

#include "tools/service/json-body.h"
#include "tools/service/routes.h"
#include "tools/store/json-put.h"
#include "tools/store/project.h"
#include "tools/store/removal.h"
#include "tools/store/run-json.h"
#include "tools/store/statistics.h"

#define DEFAULT_PAGE 100

/* --- answers --- */

static gboolean
put_statistics (LsobsBuffer *out, Store *store, const Project *project, GError **error)
{
  Statistics numbers;

  if (!statistics_load (store, project->seq, TIME_NONE, &numbers, error))
    return FALSE;
  json_put_int (out, "run_count", numbers.n_traces);
  json_put_seconds (out, "latency_p50", numbers.latency_p50);
  json_put_seconds (out, "latency_p99", numbers.latency_p99);
  json_put_seconds (out, "first_token_p50", numbers.first_token_p50);
  json_put_seconds (out, "first_token_p99", numbers.first_token_p99);
  json_put_int (out, "total_tokens", numbers.usage.total_tokens);
  json_put_int (out, "prompt_tokens", numbers.usage.prompt_tokens);
  json_put_int (out, "completion_tokens", numbers.usage.completion_tokens);
  json_put_cost (out, "total_cost", numbers.usage.total_cost);
  json_put_cost (out, "prompt_cost", numbers.usage.prompt_cost);
  json_put_cost (out, "completion_cost", numbers.usage.completion_cost);
  json_put_double (out, "error_rate",
                   numbers.n_traces > 0 ? (double) numbers.n_errors / (double) numbers.n_traces
                                        : 0);
  json_put_double (out, "streaming_rate",
                   numbers.n_traces > 0 ? (double) numbers.n_streaming / (double) numbers.n_traces
                                        : 0);
  return TRUE;
}

static gboolean
put_project (LsobsBuffer *out, Store *store, const Project *project, gboolean stats, GError **error)
{
  json_put_begin (out, NULL, '{');
  json_put_id (out, "id", &project->id);
  json_put_text (out, "tenant_id", RUN_JSON_TENANT);
  json_put_text (out, "name", project->name);
  json_put_text (out, "description", project->description);
  json_put_time (out, "start_time", project->created);
  json_put_time (out, "end_time", project->ended);
  json_put_json (out, "extra", project->extra);
  json_put_time (out, "last_run_start_time", project->last_change);
  json_put_time (out, "last_run_start_time_live", project->last_change);
  json_put_json (out, "default_dataset_id", NULL);
  json_put_json (out, "reference_dataset_id", NULL);
  json_put_json (out, "trace_tier", NULL);
  if (stats && !put_statistics (out, store, project, error))
    return FALSE;
  json_put_end (out, '}');
  return TRUE;
}

static gboolean
wants_statistics (Request *request)
{
  const char *value = request_get_query (request, "include_stats");

  return value != NULL && g_ascii_strcasecmp (value, "true") == 0;
}

static gboolean
read_id (const char *text, LsobsId *id, GError **error)
{
  return _lsobs_id_parse_text (id, text) || json_body_refuse ("session_id", error);
}

/* --- lists --- */

static gboolean
read_number (Request *request, const char *name, gint64 *number, GError **error)
{
  const char *text = request_get_query (request, name);

  return text == NULL || g_ascii_string_to_signed (text, 10, 0, G_MAXINT32, number, NULL) ||
         json_body_refuse (name, error);
}

static gboolean
check_parameters (Request *request, GError **error)
{
  static const char *const known[] = { "name",
                                       "name_contains",
                                       "id",
                                       "limit",
                                       "offset",
                                       "include_stats",
                                       "sort_by",
                                       "sort_by_desc",
                                       "reference_free",
                                       "reference_dataset",
                                       "dataset_version",
                                       "facets",
                                       "use_approx_stats",
                                       NULL };
  GHashTableIter iter;
  gpointer key;

  if (request->query == NULL)
    return TRUE;
  g_hash_table_iter_init (&iter, request->query);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    if (!g_strv_contains (known, key))
      return json_body_refuse (key, error);
  return TRUE;
}

static gboolean
is_false (Request *request, const char *name)
{
  const char *value = request_get_query (request, name);

  return value != NULL && g_ascii_strcasecmp (value, "false") == 0;
}

static gboolean
read_order (Request *request, ProjectOrder *order, GError **error)
{
  static const struct
  {
    const char *name;
    ProjectOrder down;
    ProjectOrder up;
  } orders[] = {
    { "name", PROJECT_BY_NAME_REVERSED, PROJECT_BY_NAME },
    { "start_time", PROJECT_BY_CREATION, PROJECT_BY_CREATION_REVERSED },
    { "last_run_start_time", PROJECT_BY_TIME, PROJECT_BY_TIME_REVERSED },
    { "last_run_start_time_live", PROJECT_BY_TIME, PROJECT_BY_TIME_REVERSED },
  };
  const char *name = request_get_query (request, "sort_by");
  gboolean is_up = is_false (request, "sort_by_desc");

  *order = is_up ? PROJECT_BY_TIME_REVERSED : PROJECT_BY_TIME;
  if (name == NULL)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (orders); i++)
    if (strcmp (orders[i].name, name) == 0)
      {
        *order = is_up ? orders[i].up : orders[i].down;
        return TRUE;
      }
  return json_body_refuse ("sort_by", error);
}

/* Adds the project, unless it is not there, or is before the page or behind it. */
static gboolean
add_project (GPtrArray *list,
             Store *store,
             const char *name,
             const LsobsId *id,
             gint64 limit,
             gint64 *offset,
             GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autoptr (Project) project =
      name != NULL ? project_load_name (store, name, &problem) : project_load (store, id, &problem);

  if (project == NULL && !g_error_matches (problem, STORE_ERROR, STORE_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  if (project != NULL && (*offset)-- <= 0 && list->len < limit)
    g_ptr_array_add (list, g_steal_pointer (&project));
  return TRUE;
}

/* Returns: (transfer full) (nullable) (element-type Project) */
static GPtrArray *
find_projects (Request *request, Store *store, GError **error)
{
  const char *name = request_get_query (request, "name");
  g_auto (GStrv) ids = request_dup_queries (request, "id");
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func ((GDestroyNotify) project_free);
  gint64 limit = DEFAULT_PAGE;
  gint64 offset = 0;
  ProjectOrder order;

  if (!check_parameters (request, error) || !read_number (request, "limit", &limit, error) ||
      !read_number (request, "offset", &offset, error) || !read_order (request, &order, error))
    return NULL;
  /* No project here belongs to a dataset. */
  if (request_get_query (request, "reference_dataset") != NULL ||
      is_false (request, "reference_free"))
    return g_steal_pointer (&list);
  if (name == NULL && *ids == NULL)
    return project_list (store, request_get_query (request, "name_contains"), order, limit, offset,
                         error);
  if (name != NULL && !add_project (list, store, name, NULL, limit, &offset, error))
    return NULL;
  for (guint i = 0; name == NULL && ids[i] != NULL; i++)
    {
      LsobsId id;

      if (!read_id (ids[i], &id, error) ||
          !add_project (list, store, NULL, &id, limit, &offset, error))
        return NULL;
    }
  return g_steal_pointer (&list);
}

static gboolean
handle_list (Request *request, Store *store, GError **error)
{
  g_autoptr (GPtrArray) list = find_projects (request, store, error);

  if (list == NULL)
    return FALSE;
  request->status = 200;
  json_put_begin (&request->answer, NULL, '[');
  for (guint i = 0; i < list->len; i++)
    if (!put_project (&request->answer, store, g_ptr_array_index (list, i),
                      wants_statistics (request), error))
      return FALSE;
  json_put_end (&request->answer, ']');
  return TRUE;
}

/* --- one project --- */

static gboolean
handle_project (Request *request, Store *store, GError **error)
{
  g_autoptr (Project) project = NULL;
  LsobsId id;

  if (!read_id (request->words[0], &id, error))
    return FALSE;
  project = project_load (store, &id, error);
  request->status = 200;
  return project != NULL &&
         put_project (&request->answer, store, project, wants_statistics (request), error);
}

static gboolean
handle_create (Request *request, Store *store, GError **error)
{
  const char *upsert = request_get_query (request, "upsert");
  g_auto (JsonBody) body;
  g_autofree char *id_text = NULL;
  g_autofree char *name = NULL;
  g_autofree char *description = NULL;
  g_autofree char *extra = NULL;
  g_autoptr (Project) project = NULL;
  LsobsId id;

  if (!json_body_read (&body, request, error) ||
      !json_body_get_text (&body, "id", &id_text, error) ||
      !json_body_get_text (&body, "name", &name, error) ||
      !json_body_get_text (&body, "description", &description, error) ||
      (id_text != NULL && !read_id (id_text, &id, error)))
    return FALSE;
  if (name == NULL || *name == '\0')
    return json_body_refuse ("name", error);
  /* There are no datasets. */
  if (json_body_find (&body, "reference_dataset_id") != NULL)
    return json_body_refuse ("reference_dataset_id", error);
  extra = json_body_dup_object (&body, "extra");
  project = project_create (store, id_text != NULL ? &id : NULL, name, description, extra,
                            upsert != NULL && g_ascii_strcasecmp (upsert, "true") == 0, error);
  request->status = 200;
  return project != NULL && put_project (&request->answer, store, project, FALSE, error);
}

static gboolean
handle_change (Request *request, Store *store, GError **error)
{
  g_auto (JsonBody) body;
  g_autofree char *name = NULL;
  g_autofree char *description = NULL;
  g_autofree char *end_time = NULL;
  g_autofree char *extra = NULL;
  g_autoptr (Project) project = NULL;
  gint64 ended = TIME_NONE;
  LsobsId id;

  if (!json_body_read (&body, request, error) || !read_id (request->words[0], &id, error) ||
      !json_body_get_text (&body, "name", &name, error) ||
      !json_body_get_text (&body, "description", &description, error) ||
      !json_body_get_text (&body, "end_time", &end_time, error))
    return FALSE;
  if (end_time != NULL && !time_text_parse (end_time, strlen (end_time), &ended))
    return json_body_refuse ("end_time", error);
  extra = json_body_dup_object (&body, "extra");
  if (!project_change (store, &id, name, description, extra, ended, error))
    return FALSE;
  project = project_load (store, &id, error);
  request->status = 200;
  return project != NULL && put_project (&request->answer, store, project, FALSE, error);
}

/* --- deletion --- */

static gboolean
delete_projects (Request *request, Store *store, char **words, GError **error)
{
  RemovalCount count = { 0 };

  for (; *words != NULL; words++)
    {
      LsobsId id;

      if (!read_id (*words, &id, error) || !removal_delete_project (store, &id, &count, error))
        return FALSE;
    }
  request->status = 202;
  _lsobs_buffer_append_str (&request->answer, "{}");
  return TRUE;
}

static gboolean
handle_delete (Request *request, Store *store, GError **error)
{
  return delete_projects (request, store, request->words, error);
}

static gboolean
handle_delete_list (Request *request, Store *store, GError **error)
{
  g_auto (GStrv) ids = request_dup_queries (request, "session_ids");

  return *ids != NULL ? delete_projects (request, store, ids, error)
                      : json_body_refuse ("session_ids", error);
}

const Route routes_projects[] = {
  { "GET", "/sessions", ROUTE_READS, NULL, handle_list },
  { "GET", "/sessions/*", ROUTE_READS, NULL, handle_project },
  { "POST", "/sessions", ROUTE_WRITES, routes_decode, handle_create },
  { "PATCH", "/sessions/*", ROUTE_WRITES, routes_decode, handle_change },
  { "DELETE", "/sessions", ROUTE_ALONE, routes_decode, handle_delete_list },
  { "DELETE", "/sessions/*", ROUTE_ALONE, routes_decode, handle_delete },
  { NULL, NULL, 0, NULL, NULL },
};
