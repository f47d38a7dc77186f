/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Feedback. */

#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-json-merge-private.h"

#include "tools/service/json-body.h"
#include "tools/service/routes.h"
#include "tools/store/feedback.h"
#include "tools/store/json-put.h"

static gboolean
read_id (const char *text, const char *name, LsobsId *id, GError **error)
{
  return _lsobs_id_parse_text (id, text) || json_body_refuse (name, error);
}

/* The feedback as it was sent, with its times. */
static void
put_feedback (LsobsBuffer *out, const Feedback *feedback)
{
  g_auto (LsobsBuffer) more = LSOBS_BUFFER_INIT;

  json_put_begin (&more, NULL, '{');
  json_put_time (&more, "created_at", feedback->created);
  json_put_time (&more, "modified_at", feedback->modified);
  json_put_end (&more, '}');
  json_put_name (out, NULL);
  _lsobs_json_merge (out, feedback->body, strlen (feedback->body), more.data, more.len);
}

static gboolean
handle_create (Request *request, Store *store, GError **error)
{
  gsize len;
  const char *text = g_bytes_get_data (request->body, &len);
  g_autoptr (Feedback) feedback = feedback_new_from_json (NULL, text, len, error);

  if (feedback == NULL || !feedback_write (store, feedback, error))
    return FALSE;
  request->status = 200;
  put_feedback (&request->answer, feedback);
  return TRUE;
}

static gboolean
handle_change (Request *request, Store *store, GError **error)
{
  g_autoptr (Feedback) feedback = NULL;
  gsize len;
  const char *text = g_bytes_get_data (request->body, &len);
  LsobsId id;

  if (!read_id (request->words[0], "feedback_id", &id, error))
    return FALSE;
  feedback = feedback_change (store, &id, text, len, error);
  if (feedback == NULL)
    return FALSE;
  request->status = 200;
  put_feedback (&request->answer, feedback);
  return TRUE;
}

static gboolean
handle_feedback (Request *request, Store *store, GError **error)
{
  g_autoptr (Feedback) feedback = NULL;
  LsobsId id;

  if (!read_id (request->words[0], "feedback_id", &id, error))
    return FALSE;
  feedback = feedback_load (store, &id, error);
  if (feedback == NULL)
    return FALSE;
  request->status = 200;
  put_feedback (&request->answer, feedback);
  return TRUE;
}

static gboolean
handle_delete (Request *request, Store *store, GError **error)
{
  LsobsId id;

  if (!read_id (request->words[0], "feedback_id", &id, error) ||
      !feedback_delete (store, &id, error))
    return FALSE;
  request->status = 200;
  _lsobs_buffer_append_str (&request->answer, "{}");
  return TRUE;
}

/* --- lists --- */

static gboolean
read_number (Request *request, const char *name, gint64 *number, GError **error)
{
  const char *text = request_get_query (request, name);

  return text == NULL || g_ascii_string_to_signed (text, 10, 0, G_MAXINT32, number, NULL) ||
         json_body_refuse (name, error);
}

/* @ids: (out) (transfer full) (nullable): from all parameters of that name */
static gboolean
read_ids (Request *request, const char *name, GArray **ids, GError **error)
{
  g_auto (GStrv) texts = request_dup_queries (request, name);

  *ids = NULL;
  if (*texts == NULL)
    return TRUE;
  *ids = g_array_new (FALSE, FALSE, sizeof (LsobsId));
  for (char **text = texts; *text != NULL; text++)
    {
      LsobsId id;

      if (!read_id (*text, name, &id, error))
        {
          g_clear_pointer (ids, g_array_unref);
          return FALSE;
        }
      g_array_append_val (*ids, id);
    }
  return TRUE;
}

static gboolean
read_choice (Request *request, const char *name, int *choice, GError **error)
{
  const char *text = request_get_query (request, name);

  if (text == NULL)
    return TRUE;
  *choice = g_ascii_strcasecmp (text, "true") == 0 ? 1 : 0;
  return *choice == 1 || g_ascii_strcasecmp (text, "false") == 0 || json_body_refuse (name, error);
}

static gboolean
read_time (Request *request, const char *name, gint64 *time, GError **error)
{
  const char *text = request_get_query (request, name);

  return text == NULL || time_text_parse (text, strlen (text), time) ||
         json_body_refuse (name, error);
}

static gboolean
check_parameters (Request *request, GError **error)
{
  static const char *const known[] = { "run",
                                       "session",
                                       "key",
                                       "source",
                                       "has_score",
                                       "has_comment",
                                       "min_created_at",
                                       "max_created_at",
                                       "limit",
                                       "offset",
                                       "include_user_names",
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
handle_list (Request *request, Store *store, GError **error)
{
  g_auto (GStrv) keys = request_dup_queries (request, "key");
  g_auto (GStrv) sources = request_dup_queries (request, "source");
  g_autoptr (GArray) runs = NULL;
  g_autoptr (GArray) projects = NULL;
  g_autoptr (GPtrArray) list = NULL;
  FeedbackQuery query = FEEDBACK_QUERY_INIT;

  if (!check_parameters (request, error) || !read_ids (request, "run", &runs, error) ||
      !read_ids (request, "session", &projects, error) ||
      !read_choice (request, "has_score", &query.has_score, error) ||
      !read_choice (request, "has_comment", &query.has_comment, error) ||
      !read_time (request, "min_created_at", &query.min_created, error) ||
      !read_time (request, "max_created_at", &query.max_created, error) ||
      !read_number (request, "limit", &query.limit, error) ||
      !read_number (request, "offset", &query.offset, error))
    return FALSE;
  query.run_ids = runs;
  query.project_ids = projects;
  query.keys = *keys != NULL ? (const char *const *) keys : NULL;
  query.sources = *sources != NULL ? (const char *const *) sources : NULL;
  list = feedback_find (store, &query, error);
  if (list == NULL)
    return FALSE;
  request->status = 200;
  json_put_begin (&request->answer, NULL, '[');
  for (guint i = 0; i < list->len; i++)
    put_feedback (&request->answer, g_ptr_array_index (list, i));
  json_put_end (&request->answer, ']');
  return TRUE;
}

const Route routes_feedback[] = {
  { "GET", "/feedback", ROUTE_READS, NULL, handle_list },
  { "GET", "/feedback/*", ROUTE_READS, NULL, handle_feedback },
  { "POST", "/feedback", ROUTE_WRITES, routes_decode, handle_create },
  { "POST", "/feedback/eager", ROUTE_WRITES, routes_decode, handle_create },
  { "PATCH", "/feedback/*", ROUTE_WRITES, routes_decode, handle_change },
  { "DELETE", "/feedback/*", ROUTE_WRITES, routes_decode, handle_delete },
  { NULL, NULL, 0, NULL, NULL },
};
