/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tests/lib/test-utils.h"
#include "tests/tools/page-helpers.h"

SoupMessage *
page_send (ServeFixture *fixture,
           const char *method,
           const char *path,
           const char *const *headers,
           char **body)
{
  g_autofree char *uri = g_strconcat (fixture->url, path, NULL);
  g_autoptr (GUri) parsed = g_uri_parse (uri, SOUP_HTTP_URI_FLAGS, NULL);
  SoupMessage *message = soup_message_new_from_uri (method, parsed);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;

  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  soup_message_headers_replace (soup_message_get_request_headers (message), "x-api-key",
                                fixture->token);
  for (; headers != NULL && *headers != NULL; headers += 2)
    soup_message_headers_replace (soup_message_get_request_headers (message), headers[0],
                                  headers[1]);
  bytes = soup_session_send_and_read (fixture->session, message, NULL, &error);
  g_assert_no_error (error);
  if (body != NULL)
    *body = g_bytes_get_size (bytes) > 0
                ? g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes))
                : g_strdup ("");
  return message;
}

const char *
page_get_header (SoupMessage *message, const char *name)
{
  return soup_message_headers_get_one (soup_message_get_response_headers (message), name);
}

JsonNode *
page_get (ServeFixture *fixture, const char *path)
{
  return serve_ask (fixture, "GET", path, NULL, 200);
}

JsonObject *
page_get_object (JsonNode *node)
{
  return json_node_get_object (node);
}

JsonObject *
page_get_element (JsonNode *node, const char *name, guint at)
{
  return json_array_get_object_element (json_object_get_array_member (page_get_object (node), name),
                                        at);
}

guint
page_get_length (JsonNode *node, const char *name)
{
  return json_array_get_length (json_object_get_array_member (page_get_object (node), name));
}

const char *
page_get_text (JsonObject *object, const char *name)
{
  return json_object_get_null_member (object, name) ? NULL
                                                    : json_object_get_string_member (object, name);
}

void
page_append_run (GString *body, guint number, guint root, guint parent, const char *more)
{
  g_autofree char *order =
      g_strdup_printf ("20260301T%02u%02u%02u000000Z" ID_FORMAT, number / 3600 % 24,
                       number / 60 % 60, number % 60, number);
  g_autofree char *root_order = g_strdup_printf ("20260301T%02u%02u%02u000000Z" ID_FORMAT ".",
                                                 root / 3600 % 24, root / 60 % 60, root % 60, root);

  g_string_append_printf (body,
                          "%s{'id':'" ID_FORMAT "','trace_id':'" ID_FORMAT
                          "','start_time':'2026-03-01T%02u:%02u:%02uZ','dotted_order':'%s%s'",
                          body->len > 0 ? "," : "", number, root, number / 3600 % 24,
                          number / 60 % 60, number % 60, number != root ? root_order : "", order);
  if (number != root)
    g_string_append_printf (body, ",'parent_run_id':'" ID_FORMAT "'", parent);
  g_string_append_printf (body, "%s%s}", *more != '\0' ? "," : "", more);
}

void
page_post_runs (ServeFixture *fixture, const char *runs)
{
  g_autofree char *text = g_strdup_printf ("{'post':[%s]}", runs);
  g_autoptr (JsonNode) answer = serve_ask (fixture, "POST", "/runs/batch", text, 202);

  g_assert_false (json_object_has_member (page_get_object (answer), "refused"));
}

void
page_post_run (ServeFixture *fixture, guint number, guint root, guint parent, const char *more)
{
  g_autoptr (GString) body = g_string_new (NULL);

  page_append_run (body, number, root, parent, more);
  page_post_runs (fixture, body->str);
}

char *
page_dup_project (ServeFixture *fixture)
{
  g_autoptr (JsonNode) list = page_get (fixture, "/sessions?name=default");

  return g_strdup (
      json_object_get_string_member (json_array_get_object_element (json_node_get_array (list), 0),
                                     "id"));
}

JsonNode *
page_list_traces (ServeFixture *fixture, const char *more)
{
  g_autofree char *project = page_dup_project (fixture);
  g_autofree char *body =
      g_strdup_printf ("{'project':'%s'%s%s}", project, *more != '\0' ? "," : "", more);

  return serve_ask (fixture, "POST", "/page-data/traces", body, 200);
}

char *
page_dup_numbers (JsonNode *node, const char *name)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < page_get_length (node, name); i++)
    g_string_append_printf (
        text, "%s%lx", i > 0 ? " " : "",
        strtoul (json_object_get_string_member (page_get_element (node, name, i), "id") + 24, NULL,
                 16));
  return g_string_free (text, FALSE);
}

void
page_assert_traces (ServeFixture *fixture, const char *more, const char *numbers)
{
  g_autoptr (JsonNode) list = page_list_traces (fixture, more);
  g_autofree char *found = page_dup_numbers (list, "rows");

  g_assert_cmpstr (found, ==, numbers);
}
