/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What "lsobs serve" answers to its page, over HTTP: files, lists, traces, charts, messages, and events. */

#include "config.h"

#include <signal.h>
#include <string.h>

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

#include "tests/lib/test-utils.h"
#include "tests/tools/serve-helpers.h"
#include "tools/service/live-feed.h"
#include "tools/service/word-list.h"
#include "tools/store/notice.h"
#include "tools/store/preview.h"

#define PAGE_POLICY \
 "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';" \
 " font-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/* --- requests ------------------------------------------------------------------------------ */

/* Sends a request with the token. @headers: (nullable): names and values, NULL-terminated
 * Returns: (transfer full): with its answer in @body */
static SoupMessage *
send (ServeFixture *fixture,
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

static const char *
get_header (SoupMessage *message, const char *name)
{
  return soup_message_headers_get_one (soup_message_get_response_headers (message), name);
}

/* Returns: (transfer full): the object that is answered */
static JsonNode *
get (ServeFixture *fixture, const char *path)
{
  return serve_ask (fixture, "GET", path, NULL, 200);
}

static JsonObject *
object_of (JsonNode *node)
{
  return json_node_get_object (node);
}

static JsonObject *
member_at (JsonNode *node, const char *name, guint at)
{
  return json_array_get_object_element (json_object_get_array_member (object_of (node), name), at);
}

static guint
length_of (JsonNode *node, const char *name)
{
  return json_array_get_length (json_object_get_array_member (object_of (node), name));
}

static const char *
text_of (JsonObject *object, const char *name)
{
  return json_object_get_null_member (object, name) ? NULL
                                                    : json_object_get_string_member (object, name);
}

/* --- runs ---------------------------------------------------------------------------------- */

#define ID_FORMAT "01900000-0000-7000-8000-%012x"

/* @number: of a run, and its second
 * @root: number of the root of its trace
 * @more: members, with single quotes */
static void
append_run (GString *body, guint number, guint root, guint parent, const char *more)
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

static void
post_runs (ServeFixture *fixture, const char *runs)
{
  g_autofree char *text = g_strdup_printf ("{'post':[%s]}", runs);
  g_autoptr (JsonNode) answer = serve_ask (fixture, "POST", "/runs/batch", text, 202);

  g_assert_false (json_object_has_member (object_of (answer), "refused"));
}

static void
post_run (ServeFixture *fixture, guint number, guint root, guint parent, const char *more)
{
  g_autoptr (GString) body = g_string_new (NULL);

  append_run (body, number, root, parent, more);
  post_runs (fixture, body->str);
}

/* (transfer full): the id of the project "default" */
static char *
dup_project (ServeFixture *fixture)
{
  g_autoptr (JsonNode) list = get (fixture, "/sessions?name=default");

  return g_strdup (
      json_object_get_string_member (json_array_get_object_element (json_node_get_array (list), 0),
                                     "id"));
}

/* Asks for traces of the project "default". @more: members, with single quotes */
static JsonNode *
list_traces (ServeFixture *fixture, const char *more)
{
  g_autofree char *project = dup_project (fixture);
  g_autofree char *body =
      g_strdup_printf ("{'project':'%s'%s%s}", project, *more != '\0' ? "," : "", more);

  return serve_ask (fixture, "POST", "/page-data/traces", body, 200);
}

/* (transfer full): the last digits of the ids in a list, with spaces between them */
static char *
dup_numbers (JsonNode *node, const char *name)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < length_of (node, name); i++)
    g_string_append_printf (
        text, "%s%lx", i > 0 ? " " : "",
        strtoul (json_object_get_string_member (member_at (node, name, i), "id") + 24, NULL, 16));
  return g_string_free (text, FALSE);
}

static void
assert_traces (ServeFixture *fixture, const char *more, const char *numbers)
{
  g_autoptr (JsonNode) list = list_traces (fixture, more);
  g_autofree char *found = dup_numbers (list, "rows");

  g_assert_cmpstr (found, ==, numbers);
}

/* --- files --------------------------------------------------------------------------------- */

static void
assert_strict (SoupMessage *message)
{
  g_assert_cmpstr (get_header (message, "Content-Security-Policy"), ==, PAGE_POLICY);
  g_assert_cmpstr (get_header (message, "X-Content-Type-Options"), ==, "nosniff");
  g_assert_cmpstr (get_header (message, "Referrer-Policy"), ==, "no-referrer");
  g_assert_cmpstr (get_header (message, "Cross-Origin-Opener-Policy"), ==, "same-origin");
  g_assert_cmpstr (get_header (message, "Cross-Origin-Resource-Policy"), ==, "same-origin");
  g_assert_cmpstr (get_header (message, "Cache-Control"), ==, "private, no-cache");
}

/* The page is answered at its addresses, with strict headers, and all that it refers to is there. */
static void
test_files (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const browser[] = { "Accept", "text/html,application/xhtml+xml;q=0.9", NULL };
  static const char *const addresses[] = { "/", "/projects/x?status=error", "/projects/x/threads",
                                           "/traces/01900000-0000-7000-8000-000000000001?run=x" };
  g_autofree char *page = NULL;
  g_autoptr (SoupMessage) file = NULL;
  g_autoptr (SoupMessage) same = NULL;
  g_autoptr (SoupMessage) head = NULL;
  g_autofree char *nothing = NULL;
  g_autoptr (GRegex) regex = g_regex_new ("(?:src|href)=\"([^\"]*)\"", 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;

  serve_start (fixture, NULL, NULL);
  file = send (fixture, "GET", "/page/index.html", NULL, &page);
  g_assert_cmpuint (soup_message_get_status (file), ==, 200);
  g_assert_cmpstr (get_header (file, "Content-Type"), ==, "text/html; charset=utf-8");
  assert_strict (file);
  for (guint i = 0; i < G_N_ELEMENTS (addresses); i++)
    {
      g_autofree char *body = NULL;
      g_autoptr (SoupMessage) message = send (fixture, "GET", addresses[i], browser, &body);

      g_assert_cmpuint (soup_message_get_status (message), ==, 200);
      g_assert_cmpstr (body, ==, page);
      assert_strict (message);
    }
  for (g_regex_match (regex, page, 0, &match); g_match_info_matches (match);
       g_match_info_next (match, NULL))
    {
      g_autofree char *path = g_match_info_fetch (match, 1);
      g_autoptr (SoupMessage) part = NULL;

      g_assert_true (g_str_has_prefix (path, "/page/"));
      part = send (fixture, "GET", path, NULL, NULL);
      g_assert_cmpuint (soup_message_get_status (part), ==, 200);
      assert_strict (part);
    }

  same = send (fixture, "GET", "/page/index.html",
               (const char *const[]){ "If-None-Match", get_header (file, "ETag"), NULL }, &nothing);
  g_assert_cmpuint (soup_message_get_status (same), ==, 304);
  g_assert_cmpstr (nothing, ==, "");
  g_assert_cmpstr (get_header (same, "ETag"), ==, get_header (file, "ETag"));
  head = send (fixture, "HEAD", "/page/index.html", NULL, NULL);
  g_assert_cmpuint (soup_message_get_status (head), ==, 200);
  g_assert_cmpstr (get_header (head, "ETag"), ==, get_header (file, "ETag"));
}

/* Who does not ask for HTML gets no page, and no name leads out of the folder. */
static void
test_other_paths (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const names[] = { "/page/",
                                       "/page/none.html",
                                       "/page/../index.html",
                                       "/page/%2e%2e%2findex.html",
                                       "/page/%2findex.html",
                                       "/page/.hidden.html",
                                       "/page/index.html/",
                                       "/page/index.html%00.js",
                                       "/page/page.gresource.xml",
                                       "/page/Makefile.am.inc",
                                       "/page" };
  g_autofree char *folder = g_build_filename (fixture->folder, "overlay", "page", NULL);
  g_autofree char *secret = g_build_filename (fixture->folder, "overlay", "secret.html", NULL);
  g_autofree char *shell = g_strdup_printf ("G_RESOURCE_OVERLAYS='/org/lsobs/page=%s'", folder);
  g_autofree char *text = NULL;
  g_autoptr (SoupMessage) root = NULL;

  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  g_assert_true (g_file_set_contents (secret, "secret", -1, NULL));
  serve_start (fixture, shell, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *request = g_strdup_printf (
          "GET %s HTTP/1.1\r\nHost: @H\r\nConnection: close\r\nx-api-key: @T\r\n\r\n", names[i]);
      g_autofree char *answer = serve_send_raw (fixture, request);

      if (!g_str_has_prefix (answer, "HTTP/1.1 404 "))
        g_error ("%s: %.200s", names[i], answer);
    }
  {
    g_autofree char *answer = serve_send_raw (
        fixture,
        "GET /page/../secret.html HTTP/1.1\r\nHost: @H\r\nConnection: close\r\nx-api-key: @T\r\n\r\n");

    g_assert_null (strstr (answer, "secret\n"));
    g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 404 "));
  }
  root = send (fixture, "GET", "/", NULL, &text);
  g_assert_cmpuint (soup_message_get_status (root), ==, 200);
  g_assert_cmpstr (get_header (root, "Content-Type"), ==, "text/plain; charset=utf-8");
  g_assert_nonnull (strstr (text, "LANGSMITH_ENDPOINT"));
}

/* Addresses of LangSmith's site lead to the page. */
static void
test_site_addresses (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
#define TENANT "/o/00000000-0000-4000-8000-000000000000"
  static const struct
  {
    const char *path;
    guint status;
    const char *location; /* (nullable) */
  } cases[] = {
    { TENANT "/projects/p/" TEST_OTHER "/r/" TEST_CHILD "?trace_id=" TEST_ROOT "&start_time=1", 302,
      "/traces/" TEST_ROOT "?run=" TEST_CHILD },
    { TENANT "/projects/p/" TEST_OTHER "/r/" TEST_CHILD "?poll=true", 302,
      "/traces/" TEST_CHILD "?run=" TEST_CHILD },
    { TENANT "/projects/p/" TEST_OTHER "?timeModel=x", 302, "/projects/" TEST_OTHER },
    { TENANT "/projects/p/x%0d%0aX-Evil:1", 200, NULL },
    { TENANT "/projects/p/" TEST_OTHER "/r/..%2f..?trace_id=//evil.example", 302,
      "/projects/" TEST_OTHER },
    { TENANT "/settings", 200, NULL },
  };

  serve_start (fixture, NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (SoupMessage) message = send (fixture, "GET", cases[i].path, NULL, NULL);
      g_autofree char *location =
          cases[i].location != NULL ? g_strconcat (fixture->url, cases[i].location, NULL) : NULL;

      g_assert_cmpuint (soup_message_get_status (message), ==, cases[i].status);
      g_assert_cmpstr (get_header (message, "Location"), ==, location);
      g_assert_null (get_header (message, "X-Evil"));
    }
}

/* Nothing is told to who has no token, or to another page; the cookie is as good as the token. */
static void
test_access (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const requests[] = {
    "GET /",
    "GET /page/index.html",
    "GET /projects/x",
    "GET /page-data/traces/" TEST_ROOT,
    "GET /page-data/runs/" TEST_ROOT,
    "GET /page-data/threads?project=" TEST_ROOT,
    "GET /page-data/chart?project=" TEST_ROOT,
    "GET /page-data/words",
    "GET /page-data/export?trace=" TEST_ROOT,
    "GET /page-data/live",
    "POST /page-data/traces",
    "POST /page-data/clear",
  };
  g_autoptr (GRegex) regex = g_regex_new ("Set-Cookie: ([^;]*);", 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  g_autofree char *exchange = NULL;
  g_autofree char *location = NULL;
  g_autofree char *cookie = NULL;
  g_autofree char *with_cookie = NULL;
  g_autofree char *answer = NULL;

  serve_start (fixture, NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      static const char *const headers[] = {
        "Accept: text/html\r\n",
        "x-api-key: wrong\r\n",
        "x-api-key: @T\r\nOrigin: http://evil.example\r\n",
        "x-api-key: @T\r\nSec-Fetch-Site: cross-site\r\n",
      };

      for (guint j = 0; j < G_N_ELEMENTS (headers); j++)
        {
          g_autofree char *request = g_strdup_printf (
              "%s HTTP/1.1\r\nHost: @H\r\nConnection: close\r\nContent-Length: 0\r\n%s\r\n",
              requests[i], headers[j]);
          g_autofree char *refusal = serve_send_raw (fixture, request);

          if (!g_str_has_prefix (refusal, j < 2 ? "HTTP/1.1 401 " : "HTTP/1.1 403 "))
            g_error ("%s %s: %.200s", requests[i], headers[j], refusal);
          g_assert_null (strstr (refusal, "<main"));
        }
      {
        g_autofree char *request = g_strdup_printf (
            "%s HTTP/1.1\r\nHost: evil.example\r\nx-api-key: @T\r\nContent-Length: 0\r\n\r\n",
            requests[i]);
        g_autofree char *refusal = serve_send_raw (fixture, request);

        g_assert_true (g_str_has_prefix (refusal, "HTTP/1.1 403 "));
      }
    }

  exchange = serve_send_raw (
      fixture, "GET /traces/x?run=y&token=@T HTTP/1.1\r\nHost: @H\r\nConnection: close\r\n\r\n");
  location = g_strdup_printf ("Location: %s/traces/x?run=y\r\n", fixture->url);
  g_assert_nonnull (strstr (exchange, location));
  g_assert_true (g_regex_match (regex, exchange, 0, &match));
  cookie = g_match_info_fetch (match, 1);
  with_cookie = g_strdup_printf (
      "GET /page-data/words HTTP/1.1\r\nHost: @H\r\nConnection: close\r\nCookie: %s\r\n\r\n",
      cookie);
  answer = serve_send_raw (fixture, with_cookie);
  g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 200 "));
}

/* A browser without a token is told how to open the page, as a page, and in no script. */
static void
test_refusal (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *answer = NULL;
  g_autofree char *other = NULL;

  serve_start (fixture, NULL, NULL);
  answer = serve_send_raw (
      fixture, "GET / HTTP/1.1\r\nHost: @H\r\nConnection: close\r\nAccept: text/html\r\n\r\n");
  g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 401 "));
  g_assert_nonnull (strstr (answer, "Content-Type: text/html; charset=utf-8\r\n"));
  g_assert_nonnull (strstr (answer, "default-src 'none'"));
  g_assert_nonnull (strstr (answer, "lsobs serve"));
  other = serve_send_raw (fixture, "GET / HTTP/1.1\r\nHost: @H\r\nConnection: close\r\n\r\n");
  g_assert_nonnull (strstr (other, "Content-Type: application/json\r\n"));
}

/* --- lists of traces ----------------------------------------------------------------------- */

/* A row has what the page shows of a trace, and nothing that is long. */
static void
test_row (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) list = NULL;
  g_autoptr (JsonNode) feedback = NULL;
  JsonObject *row;
  JsonObject *tokens;

  serve_start (fixture, NULL, NULL);
  post_run (
      fixture, 1, 1, 0,
      "'name':'agent','run_type':'chain','end_time':'2026-03-01T00:00:03.5Z','tags':['a'],"
      "'error':'ValueError: no\\n  at line 1','inputs':{'messages':[{'role':'system','content':"
      "'be kind'},{'role':'user','content':'what is\\n\\tup?'}]},'outputs':{'output':"
      "{'content':[{'type':'text','text':'all is well'},{'type':'image','url':'x'}]}},"
      "'extra':{'metadata':{'thread_id':'t1'}}");
  post_run (fixture, 2, 1, 1,
            "'name':'model','run_type':'llm','end_time':'2026-03-01T00:00:03Z','events':"
            "[{'name':'new_token','time':'2026-03-01T00:00:02.25Z'}],'extra':{'metadata':"
            "{'usage_metadata':{'input_tokens':3,'output_tokens':4,'total_cost':0.5}}}");
  feedback = serve_ask (fixture, "POST", "/feedback",
                        "{'run_id':'" TEST_ROOT "','key':'good','score':0.25}", 200);
  list = list_traces (fixture, "");
  g_assert_cmpuint (length_of (list, "rows"), ==, 1);
  g_assert_cmpint (json_object_get_int_member (object_of (list), "n"), ==, 1);
  g_assert_false (json_object_get_boolean_member (object_of (list), "n_more"));
  g_assert_cmpint (json_object_get_int_member (object_of (list), "change"), >, 0);
  row = member_at (list, "rows", 0);
  g_assert_cmpstr (text_of (row, "id"), ==, TEST_ROOT);
  g_assert_cmpstr (text_of (row, "name"), ==, "agent");
  g_assert_cmpstr (text_of (row, "run_type"), ==, "chain");
  g_assert_cmpstr (text_of (row, "status"), ==, "error");
  g_assert_cmpstr (text_of (row, "error"), ==, "ValueError: no at line 1");
  g_assert_cmpstr (text_of (row, "start_time"), ==, "2026-03-01T00:00:01.000000Z");
  g_assert_cmpstr (text_of (row, "end_time"), ==, "2026-03-01T00:00:03.500000Z");
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (row, "latency"), 2.5, 1e-6);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (row, "first_token"), 1.25, 1e-6);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (row, "cost"), 0.5, 1e-6);
  tokens = json_object_get_object_member (row, "tokens");
  g_assert_cmpint (json_object_get_int_member (tokens, "input"), ==, 3);
  g_assert_cmpint (json_object_get_int_member (tokens, "output"), ==, 4);
  g_assert_cmpint (json_object_get_int_member (tokens, "total"), ==, 7);
  g_assert_cmpstr (json_array_get_string_element (json_object_get_array_member (row, "tags"), 0),
                   ==, "a");
  g_assert_cmpstr (text_of (row, "thread"), ==, "t1");
  g_assert_cmpstr (text_of (row, "input"), ==, "what is up?");
  g_assert_cmpstr (text_of (row, "output"), ==, "all is well");
  g_assert_cmpint (json_object_get_int_member (row, "n_runs"), ==, 2);
  g_assert_cmpfloat_with_epsilon (
      json_object_get_double_member (json_object_get_object_member (row, "feedback"), "good"), 0.25,
      1e-6);
  g_assert_false (json_object_has_member (row, "inputs"));
}

static void
post_some (ServeFixture *fixture)
{
  g_autoptr (GString) body = g_string_new (NULL);

  for (guint i = 1; i <= 9; i++)
    append_run (body, i * 16, i * 16, 0,
                i % 3 == 0 ? "'error':'bad','end_time':'2026-03-01T01:00:00Z'"
                           : "'end_time':'2026-03-01T01:00:00Z','inputs':{'q':'plain'}");
  append_run (body, 0x41, 0x40, 0x40, "'name':'tool','run_type':'tool','inputs':{'q':'needle'}");
  post_runs (fixture, body->str);
}

/* Traces are listed by time, or those with errors first, page after page; filters and searches of whole
 * traces. */
static void
test_traces (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const refused[] = {
    "",
    "'limit':0",
    "'limit':'x'",
    "'order':'best'",
    "'filter':'eq('",
    "'cursor':'x'",
    "'cursor':'x','order':'errors'",
    "'ids':['x']",
    "'search':7",
  };
  g_autofree char *project = NULL;

  serve_start (fixture, NULL, NULL);
  post_some (fixture);
  assert_traces (fixture, "", "90 80 70 60 50 40 30 20 10");
  assert_traces (fixture, "'order':'newest'", "90 80 70 60 50 40 30 20 10");
  assert_traces (fixture, "'order':'errors'", "90 60 30 80 70 50 40 20 10");
  assert_traces (fixture, "'search':'needle'", "40");
  assert_traces (fixture, "'search':'needle nothing'", "");
  assert_traces (fixture, "'search':'  '", "90 80 70 60 50 40 30 20 10");
  assert_traces (fixture, "'search':'plain','order':'errors'", "80 70 50 40 20 10");
  assert_traces (fixture, "'tree_filter':'eq(run_type, \\'tool\\')'", "40");
  assert_traces (fixture, "'filter':'eq(status, \\'error\\')'", "90 60 30");
  assert_traces (fixture,
                 "'ids':['01900000-0000-7000-8000-000000000080',"
                 "'01900000-0000-7000-8000-000000000041','01900000-0000-7000-8000-000000000020']",
                 "80 20");
  /* Pages of each length, in both orders, are together the whole list. */
  for (guint limit = 1; limit <= 10; limit++)
    for (guint order = 0; order < 2; order++)
      {
        g_autoptr (GString) found = g_string_new (NULL);
        g_autofree char *cursor = g_strdup ("");
        guint n_pages = 0;

        while (cursor != NULL && n_pages++ < 12)
          {
            g_autofree char *more = g_strdup_printf ("'limit':%u,'order':'%s'%s%s%s", limit,
                                                     order == 0 ? "newest" : "errors",
                                                     *cursor != '\0' ? ",'cursor':'" : "", cursor,
                                                     *cursor != '\0' ? "'" : "");
            g_autoptr (JsonNode) page = list_traces (fixture, more);
            g_autofree char *numbers = dup_numbers (page, "rows");

            /* The number of all is on the first page. */
            if (*cursor == '\0')
              g_assert_cmpint (json_object_get_int_member (object_of (page), "n"), ==, 9);
            else
              g_assert_true (json_object_get_null_member (object_of (page), "n"));
            g_string_append_printf (found, "%s%s", found->len > 0 && *numbers != '\0' ? " " : "",
                                    numbers);
            g_free (cursor);
            cursor = g_strdup (text_of (object_of (page), "cursor"));
          }
        g_assert_null (cursor);
        g_assert_cmpstr (found->str, ==,
                         order == 0 ? "90 80 70 60 50 40 30 20 10" : "90 60 30 80 70 50 40 20 10");
      }

  project = dup_project (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_autofree char *body = g_strdup_printf ("{'project':'%s'%s%s}", i == 0 ? "x" : project,
                                               *refused[i] != '\0' ? "," : "", refused[i]);
      g_autoptr (JsonNode) answer = serve_ask (fixture, "POST", "/page-data/traces", body, 400);
    }
  {
    g_autoptr (JsonNode) answer =
        serve_ask (fixture, "POST", "/page-data/traces", "{'project':'" TEST_ROOT "'}", 404);
  }
}

/* A search that many runs match finds the traces of all of them, in the order of the list. */
static void
test_frequent_search (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) body = g_string_new (NULL);
  g_autoptr (JsonNode) list = NULL;
  g_autofree char *numbers = NULL;

  serve_start (fixture, NULL, NULL);
  for (guint i = 1; i <= 2500; i++)
    {
      append_run (body, 2 * i, 2 * i, 0, "");
      append_run (body, 2 * i + 1, 2 * i, 2 * i, "'inputs':{'q':'frequent'}");
    }
  append_run (body, 0x2000, 0x2000, 0, "'inputs':{'q':'other'}");
  post_runs (fixture, body->str);
  list = list_traces (fixture, "'search':'frequent','limit':3");
  numbers = dup_numbers (list, "rows");
  g_assert_cmpstr (numbers, ==, "1388 1386 1384");
  g_assert_cmpint (json_object_get_int_member (object_of (list), "n"), ==, 1000);
  g_assert_true (json_object_get_boolean_member (object_of (list), "n_more"));
}

/* What was found is deleted, or all; the project stays. */
static void
test_clear (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *project = NULL;
  g_autofree char *some = NULL;
  g_autofree char *all = NULL;
  g_autoptr (JsonNode) first = NULL;
  g_autoptr (JsonNode) second = NULL;
  g_autofree char *still = NULL;

  serve_start (fixture, NULL, NULL);
  post_some (fixture);
  project = dup_project (fixture);
  some = g_strdup_printf ("{'project':'%s','search':'needle'}", project);
  all = g_strdup_printf ("{'project':'%s'}", project);
  first = serve_ask (fixture, "POST", "/page-data/clear", some, 200);
  g_assert_cmpint (json_object_get_int_member (object_of (first), "n_traces"), ==, 1);
  g_assert_cmpint (json_object_get_int_member (object_of (first), "n_runs"), ==, 2);
  assert_traces (fixture, "", "90 80 70 60 50 30 20 10");
  second = serve_ask (fixture, "POST", "/page-data/clear", all, 200);
  g_assert_cmpint (json_object_get_int_member (object_of (second), "n_traces"), ==, 8);
  assert_traces (fixture, "", "");
  still = dup_project (fixture);
  g_assert_cmpstr (still, ==, project);
}

/* --- one trace ----------------------------------------------------------------------------- */

/* A trace is a list of its runs in the order of the tree, whatever their order and their parents are. */
static void
test_trace (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) body = g_string_new (NULL);
  g_autoptr (JsonNode) trace = NULL;
  g_autoptr (JsonNode) by_child = NULL;
  g_autoptr (JsonNode) later = NULL;
  g_autoptr (JsonNode) nothing = NULL;
  g_autoptr (JsonNode) missing = NULL;
  g_autofree char *project = NULL;
  g_autofree char *numbers = NULL;
  g_autofree char *path = NULL;
  JsonObject *run;

  serve_start (fixture, NULL, NULL);
  append_run (body, 0x10, 0x10, 0, "'name':'older'");
  append_run (body, 0x90, 0x90, 0, "'name':'newer'");
  /* A child before its parent, an orphan, and two that are below each other. */
  append_run (body, 0x24, 0x20, 0x21, "'name':'leaf','error':'deep\\nproblem'");
  append_run (body, 0x25, 0x20, 0x7777, "'name':'orphan'");
  append_run (body, 0x26, 0x20, 0x27, "'name':'ring a'");
  append_run (body, 0x27, 0x20, 0x26, "'name':'ring b'");
  append_run (body, 0x22, 0x20, 0x20,
              "'name':'model','run_type':'llm','events':[{'name':'new_token','time':"
              "'2026-03-01T00:00:35Z'},{'name':'retry','time':'2026-03-01T00:00:36Z'},"
              "{'name':'odd'},7],'extra':{'metadata':{'usage_metadata':{'input_tokens':5}}}");
  append_run (body, 0x21, 0x20, 0x20, "'name':'step','tags':['x']");
  append_run (body, 0x20, 0x20, 0, "'name':'root','inputs':{'q':'long'}");
  post_runs (fixture, body->str);

  trace = get (fixture, "/page-data/traces/01900000-0000-7000-8000-000000000020");
  numbers = dup_numbers (trace, "runs");
  g_assert_cmpstr (numbers, ==, "20 21 24 22 25 26 27");
  project = dup_project (fixture);
  g_assert_cmpstr (text_of (json_object_get_object_member (object_of (trace), "project"), "id"), ==,
                   project);
  g_assert_cmpstr (text_of (object_of (trace), "previous"), ==,
                   "01900000-0000-7000-8000-000000000090");
  g_assert_cmpstr (text_of (object_of (trace), "next"), ==, "01900000-0000-7000-8000-000000000010");
  run = member_at (trace, "runs", 0);
  g_assert_cmpstr (text_of (run, "parent"), ==, NULL);
  g_assert_cmpint (json_object_get_int_member (run, "depth"), ==, 0);
  g_assert_cmpint (json_object_get_int_member (json_object_get_object_member (run, "tokens"),
                                               "input"),
                   ==, 5);
  g_assert_false (json_object_has_member (run, "inputs"));
  run = member_at (trace, "runs", 2);
  g_assert_cmpstr (text_of (run, "parent"), ==, "01900000-0000-7000-8000-000000000021");
  g_assert_cmpint (json_object_get_int_member (run, "depth"), ==, 2);
  g_assert_cmpstr (text_of (run, "error"), ==, "deep problem");
  run = member_at (trace, "runs", 3);
  g_assert_cmpstr (text_of (run, "first_token_time"), ==, "2026-03-01T00:00:35.000000Z");
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (run, "events")), ==, 1);
  g_assert_cmpstr (
      text_of (json_array_get_object_element (json_object_get_array_member (run, "events"), 0),
               "name"),
      ==, "retry");
  run = member_at (trace, "runs", 4);
  g_assert_cmpstr (text_of (run, "parent"), ==, NULL);
  run = member_at (trace, "runs", 6);
  g_assert_cmpint (json_object_get_int_member (run, "depth"), ==, 1);

  /* Any run leads to its trace. */
  by_child = get (fixture, "/page-data/traces/01900000-0000-7000-8000-000000000024");
  g_assert_cmpstr (text_of (object_of (by_child), "id"), ==,
                   "01900000-0000-7000-8000-000000000020");
  missing = serve_ask (fixture, "GET", "/page-data/traces/" TEST_ROOT, NULL, 404);

  /* What has changed since. */
  path = g_strdup_printf ("/page-data/traces/01900000-0000-7000-8000-000000000020?since=%d",
                          (int) json_object_get_int_member (object_of (trace), "change"));
  nothing = get (fixture, path);
  g_assert_cmpuint (length_of (nothing, "runs"), ==, 0);
  post_run (fixture, 0x28, 0x20, 0x21, "'name':'more'");
  later = get (fixture, path);
  g_assert_cmpuint (length_of (later, "runs"), ==, 1);
  g_assert_cmpstr (text_of (member_at (later, "runs", 0), "name"), ==, "more");
  g_assert_cmpint (json_object_get_int_member (member_at (later, "runs", 0), "depth"), ==, 2);
}

/* One run is there as a whole, with its files and its feedback. */
static void
test_run (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char multipart[] =
      "--b\r\nContent-Disposition: form-data; name=\"attachment." TEST_ROOT ".a&<b>.svg\"\r\n"
      "Content-Type: image/svg+xml\r\n\r\n<svg onload='x'/>\r\n"
      "--b\r\nContent-Disposition: form-data; name=\"attachment." TEST_ROOT ".p.png\"\r\n"
      "Content-Type: image/png\r\n\r\nPNG\r\n--b--\r\n";
  g_autoptr (GBytes) files = g_bytes_new_static (multipart, strlen (multipart));
  g_autoptr (JsonNode) answer = NULL;
  g_autoptr (JsonNode) feedback = NULL;
  g_autoptr (JsonNode) missing = NULL;
  JsonObject *run;

  serve_start (fixture, NULL, NULL);
  post_run (fixture, 1, 1, 0,
            "'name':'<script>','run_type':'llm','inputs':{'html':'</script><img onerror=x>'},"
            "'outputs':{'a':1,'usage_metadata':{'input_tokens':1,'output_tokens':2}}");
  post_run (fixture, 2, 1, 1,
            "'run_type':'llm','outputs':{'usage_metadata':{'input_tokens':10,'output_tokens':0}}");
  g_assert_cmpuint (serve_send (fixture, "POST", "/runs/multipart",
                                "multipart/form-data; boundary=b", NULL, files, NULL),
                    ==, 202);
  feedback = serve_ask (fixture, "POST", "/feedback",
                        "{'run_id':'" TEST_ROOT "','key':'thumb','score':1,'comment':'good'}", 200);
  answer = get (fixture, "/page-data/runs/" TEST_ROOT);
  run = json_object_get_object_member (object_of (answer), "run");
  g_assert_cmpstr (text_of (run, "name"), ==, "<script>");
  g_assert_cmpstr (text_of (json_object_get_object_member (run, "inputs"), "html"), ==,
                   "</script><img onerror=x>");
  g_assert_cmpint (json_object_get_int_member (run, "total_tokens"), ==, 13);
  g_assert_cmpint (json_object_get_int_member (
                       json_object_get_object_member (
                           json_object_get_object_member (object_of (answer), "own"), "tokens"),
                       "total"),
                   ==, 3);
  g_assert_cmpuint (length_of (answer, "feedback"), ==, 1);
  g_assert_cmpstr (text_of (member_at (answer, "feedback", 0), "comment"), ==, "good");
  g_assert_cmpuint (length_of (answer, "attachments"), ==, 2);
  for (guint i = 0; i < 2; i++)
    {
      JsonObject *file = member_at (answer, "attachments", i);
      g_autoptr (SoupMessage) message = send (fixture, "GET", text_of (file, "url"), NULL, NULL);
      gboolean is_svg = g_str_has_suffix (text_of (file, "name"), ".svg");

      g_assert_cmpuint (soup_message_get_status (message), ==, 200);
      g_assert_cmpint (json_object_get_int_member (file, "size"), >, 0);
      g_assert_cmpstr (get_header (message, "X-Content-Type-Options"), ==, "nosniff");
      g_assert_nonnull (strstr (get_header (message, "Content-Security-Policy"), "sandbox"));
      g_assert_nonnull (strstr (get_header (message, "Content-Security-Policy"), "'none'"));
      g_assert_cmpstr (get_header (message, "Content-Type"), ==,
                       is_svg ? "application/octet-stream" : "image/png");
      g_assert_cmpstr (get_header (message, "Content-Disposition"), ==,
                       is_svg ? "attachment" : NULL);
    }
  missing = serve_ask (fixture, "GET", "/page-data/runs/" TEST_OTHER, NULL, 404);
}

/* A trace of 10,000 runs, and one with a text of 5 MB, stay small in lists. */
static void
test_large (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) more = g_string_new ("'outputs':{'text':'");
  g_autofree char *filler = g_strnfill (5 * 1024 * 1024, 'x');
  g_autofree char *answer = NULL;
  g_autofree char *list = NULL;
  g_autofree char *project = NULL;
  g_autofree char *query = NULL;
  g_autofree char *json = NULL;
  g_autoptr (GBytes) body = NULL;
  g_autoptr (JsonNode) node = NULL;
  g_autoptr (JsonNode) whole = NULL;
  gint64 start;

  serve_start (fixture, NULL, NULL);
  for (guint i = 0; i < 10000; i += 1000)
    {
      g_autoptr (GString) runs = g_string_new (NULL);

      for (guint j = i; j < i + 1000; j++)
        append_run (
            runs, j + 1, 1, j == 0 ? 0 : (j - 1) / 3 + 1,
            "'name':'step of an agent','run_type':'llm','end_time':'2026-03-01T05:00:00Z',"
            "'extra':{'metadata':{'usage_metadata':{'input_tokens':10,'output_tokens':2}}}");
      post_runs (fixture, runs->str);
    }
  start = g_get_monotonic_time ();
  g_assert_cmpuint (serve_send (fixture, "GET", "/page-data/traces/" TEST_ROOT, NULL, NULL, NULL,
                                &answer),
                    ==, 200);
  g_test_message ("10,000 runs: %u bytes in %u ms", (guint) strlen (answer),
                  (guint) ((g_get_monotonic_time () - start) / 1000));
  g_assert_cmpuint (strlen (answer), <=, 3 * 1024 * 1024);
  node = json_from_string (answer, NULL);
  g_assert_cmpuint (length_of (node, "runs"), ==, 10000);

  g_string_append_printf (more, "long %s'}", filler);
  post_run (fixture, 0x8000, 0x8000, 0, more->str);
  project = dup_project (fixture);
  query = g_strdup_printf ("{\"project\":\"%s\"}", project);
  body = g_bytes_new (query, strlen (query));
  g_assert_cmpuint (serve_send (fixture, "POST", "/page-data/traces", "application/json", NULL,
                                body, &list),
                    ==, 200);
  g_assert_cmpuint (strlen (list), <, 4096);
  g_assert_nonnull (strstr (list, "long xxx"));
  whole = get (fixture, "/page-data/runs/01900000-0000-7000-8000-000000008000");
  json = json_to_string (whole, FALSE);
  g_assert_nonnull (strstr (json, filler));
}

/* Runs are exported as lines of JSON, under a name of the service. */
static void
test_export (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *lines = NULL;
  g_autofree char *line = NULL;
  g_autoptr (SoupMessage) trace = NULL;
  g_autoptr (SoupMessage) run = NULL;
  g_autoptr (JsonNode) nothing = NULL;
  g_autoptr (JsonNode) missing = NULL;
  g_auto (GStrv) parts = NULL;

  serve_start (fixture, NULL, NULL);
  post_run (fixture, 1, 1, 0, "'name':'a\\\"; x=\\\"','inputs':{'q':'line\\nbreak'}");
  post_run (fixture, 2, 1, 1, "'name':'child'");
  trace = send (fixture, "GET", "/page-data/export?trace=" TEST_ROOT, NULL, &lines);
  g_assert_cmpuint (soup_message_get_status (trace), ==, 200);
  g_assert_cmpstr (get_header (trace, "Content-Type"), ==, "application/x-ndjson");
  g_assert_cmpstr (get_header (trace, "Content-Disposition"), ==,
                   "attachment; filename=\"trace-" TEST_ROOT ".jsonl\"");
  parts = g_strsplit (lines, "\n", -1);
  g_assert_cmpuint (g_strv_length (parts), ==, 3);
  g_assert_cmpstr (parts[2], ==, "");
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (JsonNode) node = json_from_string (parts[i], NULL);

      g_assert_cmpstr (text_of (object_of (node), "id"), ==, i == 0 ? TEST_ROOT : TEST_CHILD);
      g_assert_true (json_object_has_member (object_of (node), "inputs"));
    }
  run = send (fixture, "GET", "/page-data/export?run=" TEST_CHILD, NULL, &line);
  g_assert_cmpstr (get_header (run, "Content-Disposition"), ==,
                   "attachment; filename=\"run-" TEST_CHILD ".jsonl\"");
  g_assert_true (strchr (line, '\n') == line + strlen (line) - 1);
  nothing = serve_ask (fixture, "GET", "/page-data/export", NULL, 400);
  missing = serve_ask (fixture, "GET", "/page-data/export?trace=" TEST_OTHER, NULL, 404);
}

/* --- threads and charts -------------------------------------------------------------------- */

static void
test_threads (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) body = g_string_new (NULL);
  g_autofree char *project = NULL;
  g_autofree char *path = NULL;
  g_autofree char *one_path = NULL;
  g_autofree char *escaped = NULL;
  g_autofree char *bad_path = NULL;
  g_autoptr (JsonNode) list = NULL;
  g_autoptr (JsonNode) one = NULL;
  g_autoptr (JsonNode) refused = NULL;
  g_autoptr (GString) names = g_string_new (NULL);
  g_autofree char *cursor = g_strdup ("");
  g_autofree char *numbers = NULL;
  JsonObject *row;

  serve_start (fixture, NULL, NULL);
  for (guint i = 1; i <= 9; i++)
    {
      g_autofree char *more =
          g_strdup_printf ("'inputs':{'q':'question %u'},'outputs':{'a':'answer %u'}%s,'end_time':"
                           "'2026-03-01T01:00:00Z','extra':{'metadata':{'thread_id':'%s'}}",
                           i, i, i == 4 ? ",'error':'no'" : "",
                           i % 2 == 0 ? "even/& ?"
                           : i < 6    ? "odd"
                                      : "late");

      append_run (body, i, i, 0, more);
    }
  append_run (body, 10, 10, 0, "'name':'no thread'");
  /* Below the root, a thread makes no new trace. */
  append_run (body, 11, 8, 8,
              "'run_type':'llm','extra':{'metadata':{'thread_id':'even/& ?',"
              "'usage_metadata':{'input_tokens':6}}}");
  post_runs (fixture, body->str);
  project = dup_project (fixture);
  path = g_strconcat ("/page-data/threads?project=", project, NULL);
  list = get (fixture, path);
  g_assert_cmpuint (length_of (list, "rows"), ==, 3);
  row = member_at (list, "rows", 1);
  g_assert_cmpstr (text_of (row, "thread"), ==, "even/& ?");
  g_assert_cmpstr (text_of (row, "first_time"), ==, "2026-03-01T00:00:02.000000Z");
  g_assert_cmpstr (text_of (row, "last_time"), ==, "2026-03-01T00:00:08.000000Z");
  g_assert_cmpint (json_object_get_int_member (row, "n_traces"), ==, 4);
  g_assert_cmpint (json_object_get_int_member (row, "n_errors"), ==, 1);
  g_assert_true (json_object_get_boolean_member (row, "error"));
  g_assert_cmpint (json_object_get_int_member (json_object_get_object_member (row, "tokens"),
                                               "total"),
                   ==, 6);
  g_assert_cmpstr (text_of (row, "input"), ==, "question 2");
  g_assert_cmpstr (text_of (row, "output"), ==, "answer 8");
  for (guint i = 0; i < 5 && cursor != NULL; i++)
    {
      g_autofree char *encoded = g_uri_escape_string (cursor, NULL, FALSE);
      g_autofree char *page_path =
          g_strdup_printf ("%s&limit=1%s%s", path, *cursor != '\0' ? "&cursor=" : "", encoded);
      g_autoptr (JsonNode) page = get (fixture, page_path);

      g_string_append_printf (names, "[%s]", text_of (member_at (page, "rows", 0), "thread"));
      g_free (cursor);
      cursor = g_strdup (text_of (object_of (page), "cursor"));
    }
  g_assert_cmpstr (names->str, ==, "[late][even/& ?][odd]");

  /* One of them, in two pages. */
  escaped = g_uri_escape_string ("even/& ?", NULL, FALSE);
  one_path = g_strdup_printf ("%s&thread=%s&limit=3", path, escaped);
  one = get (fixture, one_path);
  numbers = dup_numbers (one, "traces");
  g_assert_cmpstr (numbers, ==, "2 4 6");
  g_assert_cmpstr (text_of (json_object_get_object_member (member_at (one, "traces", 0), "inputs"),
                            "q"),
                   ==, "question 2");
  g_assert_cmpstr (text_of (member_at (one, "traces", 1), "error"), ==, "no");
  {
    g_autofree char *next_path =
        g_strconcat (one_path, "&cursor=", text_of (object_of (one), "cursor"), NULL);
    g_autoptr (JsonNode) next = get (fixture, next_path);
    g_autofree char *last = dup_numbers (next, "traces");

    g_assert_cmpstr (last, ==, "8");
    g_assert_true (json_object_get_null_member (object_of (next), "cursor"));
  }
  bad_path = g_strconcat (path, "&cursor=x", NULL);
  refused = serve_ask (fixture, "GET", bad_path, NULL, 400);
}

static void
test_chart (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) body = g_string_new (NULL);
  g_autofree char *project = NULL;
  g_autofree char *path = NULL;
  g_autofree char *all_path = NULL;
  g_autofree char *bad_path = NULL;
  g_autoptr (JsonNode) chart = NULL;
  g_autoptr (JsonNode) all = NULL;
  g_autoptr (JsonNode) refused = NULL;
  JsonObject *bucket;
  gint64 n = 0;

  serve_start (fixture, NULL, NULL);
  for (guint i = 1; i <= 20; i++)
    {
      g_autofree char *more = g_strdup_printf (
          "'run_type':'llm','end_time':'2026-03-01T00:00:%02u.%uZ'%s,'events':[{'name':'new_token',"
          "'time':'2026-03-01T00:00:%02u.25Z'}],'outputs':{'usage_metadata':{'input_tokens':%u,"
          "'total_cost':0.5}}",
          i + i / 10, i % 10, i % 5 == 0 ? ",'error':'no'" : "", i, i);

      append_run (body, i, i, 0, more);
    }
  post_runs (fixture, body->str);
  project = dup_project (fixture);
  path = g_strdup_printf ("/page-data/chart?project=%s&start=2026-03-01T00:00:00Z"
                          "&end=2026-03-01T00:00:40Z&buckets=4",
                          project);
  chart = get (fixture, path);
  g_assert_cmpuint (length_of (chart, "buckets"), ==, 4);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (object_of (chart), "seconds"), 10,
                                  1e-6);
  bucket = member_at (chart, "buckets", 0);
  g_assert_cmpstr (text_of (bucket, "start"), ==, "2026-03-01T00:00:00.000000Z");
  g_assert_cmpint (json_object_get_int_member (bucket, "n"), ==, 9);
  g_assert_cmpint (json_object_get_int_member (bucket, "errors"), ==, 1);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (bucket, "latency_p50"), 0.5, 1e-6);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (bucket, "latency_p95"), 0.9, 1e-6);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (bucket, "first_token_p50"), 0.25,
                                  1e-6);
  g_assert_cmpint (json_object_get_int_member (bucket, "tokens"), ==, 45);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (bucket, "cost"), 4.5, 1e-6);
  bucket = member_at (chart, "buckets", 3);
  g_assert_cmpint (json_object_get_int_member (bucket, "n"), ==, 0);
  g_assert_true (json_object_get_null_member (bucket, "latency_p50"));

  all_path = g_strdup_printf ("/page-data/chart?project=%s&buckets=7", project);
  all = get (fixture, all_path);
  for (guint i = 0; i < 7; i++)
    n += json_object_get_int_member (member_at (all, "buckets", i), "n");
  g_assert_cmpint (n, ==, 20);
  bad_path = g_strdup_printf ("/page-data/chart?project=%s&buckets=0", project);
  refused = serve_ask (fixture, "GET", bad_path, NULL, 400);
}

/* --- words --------------------------------------------------------------------------------- */

/* Appends a number as in a file of gettext. */
static void
append_word (GByteArray *file, guint32 word)
{
  g_byte_array_append (file, (const guint8 *) &word, sizeof word);
}

/* Writes a catalogue with these messages and texts; each is the bytes of a string, and may have a NUL. */
static void
write_catalogue (const char *folder,
                 const char *language,
                 const char *const *strings,
                 const gsize *lens,
                 guint n)
{
  g_autofree char *directory = g_build_filename (folder, language, "LC_MESSAGES", NULL);
  g_autofree char *path = g_build_filename (directory, "lsobs.mo", NULL);
  g_autoptr (GByteArray) file = g_byte_array_new ();
  guint32 at = 28 + 16 * n;

  append_word (file, 0x950412de);
  append_word (file, 0);
  append_word (file, n);
  append_word (file, 28);
  append_word (file, 28 + 8 * n);
  append_word (file, 0);
  append_word (file, 0);
  for (guint half = 0; half < 2; half++)
    for (guint i = half; i < 2 * n; i += 2)
      {
        append_word (file, (guint32) lens[i]);
        append_word (file, at);
        at += (guint32) lens[i] + 1;
      }
  for (guint half = 0; half < 2; half++)
    for (guint i = half; i < 2 * n; i += 2)
      g_byte_array_append (file, (const guint8 *) strings[i], (guint) lens[i] + 1);
  g_assert_cmpint (g_mkdir_with_parents (directory, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, (const char *) file->data, file->len, NULL));
}

static JsonNode *
get_words (ServeFixture *fixture, const char *languages)
{
  g_autofree char *body = NULL;
  g_autoptr (SoupMessage) message =
      send (fixture, "GET", "/page-data/words",
            (const char *const[]){ languages != NULL ? "Accept-Language" : NULL, languages, NULL },
            &body);
  JsonNode *node = json_from_string (body, NULL);

  g_assert_cmpuint (soup_message_get_status (message), ==, 200);
  g_assert_nonnull (node);
  return node;
}

static void
assert_language (ServeFixture *fixture, const char *languages, const char *language)
{
  g_autoptr (JsonNode) words = get_words (fixture, languages);

  g_assert_cmpstr (text_of (object_of (words), "lang"), ==, language);
}

/* The messages of the page come in the language of the reader; those of the program stay behind. */
static void
test_words (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char module[] =
      "import { _ } from './text.js';\nx = _('Open “it”'); y = _ (\"two \" +\n  'parts');\n"
      "ngettext('%d run', '%d runs', n); my_('not this');\n";
  static const char *const strings[] = {
    "",
    "Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n>=2 && n<=4 ? 1 : 2);\nX: y\n",
    "Open “it”",
    "Öffne „es“",
    "two parts",
    "<b>zwei</b>",
    "%d run\0%d runs",
    "%d Lauf\0%d Läufe\0%d Läufe!",
    "Internal",
    "Innen",
  };
  const gsize lens[] = { 0,
                         strlen (strings[1]),
                         strlen (strings[2]),
                         strlen (strings[3]),
                         strlen (strings[4]),
                         strlen (strings[5]),
                         strlen ("%d run") + 1 + strlen ("%d runs"),
                         strlen ("%d Lauf") + 1 + strlen ("%d Läufe") + 1 + strlen ("%d Läufe!"),
                         strlen (strings[8]),
                         strlen (strings[9]) };
  g_autofree char *page = g_build_filename (fixture->folder, "page", NULL);
  g_autofree char *file = g_build_filename (page, "app-of-test.js", NULL);
  g_autofree char *folder = g_build_filename (fixture->folder, "locale", NULL);
  g_autofree char *broken = g_build_filename (folder, "fr", "LC_MESSAGES", NULL);
  g_autofree char *broken_file = g_build_filename (broken, "lsobs.mo", NULL);
  g_autofree char *shell =
      g_strdup_printf ("G_RESOURCE_OVERLAYS='/org/lsobs/page=%s' TEXTDOMAINDIR='%s'", page, folder);
  g_autoptr (JsonNode) german = NULL;
  g_autoptr (JsonNode) chosen = NULL;
  JsonObject *words;
  JsonArray *forms;

  g_assert_cmpint (g_mkdir_with_parents (page, 0700), ==, 0);
  g_assert_true (g_file_set_contents (file, module, -1, NULL));
  write_catalogue (folder, "de", strings, lens, 5);
  write_catalogue (folder, "pt_BR", strings, lens, 5);
  write_catalogue (folder, "zh_CN", strings, lens, 5);
  g_assert_cmpint (g_mkdir_with_parents (broken, 0700), ==, 0);
  g_assert_true (
      g_file_set_contents (broken_file, "\xde\x12\x04\x95 this is none of gettext", -1, NULL));
  serve_start (fixture, shell, NULL);

  german = get_words (fixture, "de-AT,en;q=0.5");
  g_assert_cmpstr (text_of (object_of (german), "lang"), ==, "de");
  words = json_object_get_object_member (object_of (german), "words");
  g_assert_cmpuint (json_object_get_size (words), ==, 2);
  g_assert_cmpstr (text_of (words, "Open “it”"), ==, "Öffne „es“");
  g_assert_cmpstr (text_of (words, "two parts"), ==, "<b>zwei</b>");
  forms =
      json_object_get_array_member (json_object_get_object_member (object_of (german), "plurals"),
                                    "%d run");
  g_assert_cmpuint (json_array_get_length (forms), ==, 3);
  g_assert_cmpstr (json_array_get_string_element (forms, 2), ==, "%d Läufe!");
  g_assert_true (g_str_has_prefix (text_of (object_of (german), "forms"), "2011122"));
  g_assert_cmpuint (strlen (text_of (object_of (german), "forms")), ==, 200);

  assert_language (fixture, NULL, "en");
  assert_language (fixture, "en-GB,de;q=0.9", "en");
  assert_language (fixture, "xx, en;q=0.1, de;q=0.7", "de");
  assert_language (fixture, "fr, de;q=0.7", "de");
  assert_language (fixture, "pt", "pt-BR");
  assert_language (fixture, "pt-br", "pt-BR");
  assert_language (fixture, "zh-Hans-CN", "zh-CN");
  assert_language (fixture, "../../de, ../de, /de, de/../../x, %64e, .", "en");
  assert_language (fixture, "de;q=0, *", "en");
  assert_language (fixture, "\xff\xfe", "en");
  chosen = get (fixture, "/page-data/words?lang=de");
  g_assert_cmpstr (text_of (object_of (chosen), "lang"), ==, "de");
}

/* Rules of languages, and what is none. */
static void
test_plurals (void)
{
  static const struct
  {
    const char *rule;
    const char *start; /* (nullable): of the forms */
    guint at;          /* a number, */
    char form;         /* and its form */
  } cases[] = {
    { "nplurals=1; plural=0;", "0000", 199, '0' },
    { "nplurals=2; plural=(n != 1);", "1011", 101, '1' },
    { "nplurals=2; plural=(n > 1);\n", "0011", 199, '1' },
    { "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20)"
      " ? 1 : 2);",
      "2011122222", 122, '1' },
    { "nplurals=6; plural=n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ?"
      " 4 : 5;",
      "0123333333344", 100, '5' },
    { "nplurals=2; plural=!(n-1)*1+2/2-1 == 0;", "10", 5, '1' },
    { "nplurals=2; plural=n;", NULL, 0, 0 },
    { "nplurals=2; plural=n/0;", NULL, 0, 0 },
    { "nplurals=2; plural=system(1);", NULL, 0, 0 },
    { "nplurals=2; plural=(n != 1;", NULL, 0, 0 },
    { "nplurals=2; plural=;", NULL, 0, 0 },
    { "nplurals=0; plural=0;", NULL, 0, 0 },
    { "nplurals=99; plural=0;", NULL, 0, 0 },
    { "plural=0;", NULL, 0, 0 },
    { "", NULL, 0, 0 },
  };
  g_autofree char *deep = g_strnfill (100000, '(');
  g_autofree char *rule = g_strconcat ("nplurals=2; plural=", deep, NULL);
  g_autofree char *nots = g_strnfill (100000, '!');
  g_autofree char *other_rule = g_strconcat ("nplurals=2; plural=", nots, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *forms = word_list_dup_forms (cases[i].rule);

      g_test_message ("%s", cases[i].rule);
      if (cases[i].start == NULL)
        {
          g_assert_null (forms);
          continue;
        }
      g_assert_nonnull (forms);
      g_assert_true (g_str_has_prefix (forms, cases[i].start));
      g_assert_cmpint (forms[cases[i].at], ==, cases[i].form);
    }
  g_assert_null (word_list_dup_forms (rule));
  g_assert_null (word_list_dup_forms (other_rule));
}

static void
test_messages (void)
{
  static const char source[] =
      "_('single'); _ (\"double\"); _('it\\'s \\u2026'); _(name); _('a' + 'b' +\n 'c'); _('a' + b);"
      " $_('no'); x._('method'); _(`template`); ngettext('one', 'many', n); gettext('not'); _('open";
  static const char *const wanted[] = {
    "single", "double", "it's …", "abc", "method", "one", "many"
  };
  g_autoptr (GHashTable) messages = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  word_list_find_messages (source, messages);
  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++)
    if (!g_hash_table_contains (messages, wanted[i]))
      g_error ("%s", wanted[i]);
  g_assert_cmpuint (g_hash_table_size (messages), ==, G_N_ELEMENTS (wanted));
}

/* --- lines --------------------------------------------------------------------------------- */

static void
test_lines (void)
{
  static const struct
  {
    const char *json;
    const char *line; /* (nullable) */
  } cases[] = {
    { "{}", NULL },
    { "{\"q\":\"hello\"}", "hello" },
    { "{\"q\":\"\"}", NULL },
    { "{\"input\":\"a\\n\\n b\\t\\u0001c \"}", "a b c" },
    { "{\"other\":1,\"question\":\"why\"}", "why" },
    { "{\"a\":1,\"b\":[2]}", "{\"a\":1,\"b\":[2]}" },
    { "{\"n\":42}", "42" },
    { "{\"x\":null}", NULL },
    { "{\"messages\":[{\"role\":\"user\",\"content\":\"1\"},{\"role\":\"user\",\"content\":\"2\"}]}",
      "2" },
    { "{\"messages\":[[{\"lc\":1,\"kwargs\":{\"content\":\"hi\",\"type\":\"human\"}}]]}", "hi" },
    { "{\"messages\":[]}", NULL },
    { "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"see\"},"
      "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:\"}}]}]}",
      "see" },
    { "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"yes\"}}]}",
      "yes" },
    { "{\"generations\":[[{\"text\":\"out\",\"message\":{}}]]}", "out" },
    { "{\"output\":\"\\u202eevil<b>\"}", "\342\200\256evil<b>" },
    { "[1,2]", "2" },
    { "\"text\"", "text" },
  };
  g_autofree char *filler = g_strnfill (4000, 'x');
  g_autofree char *long_text = g_strdup_printf ("{\"q\":\"%s\"}", filler);
  g_autofree char *long_line = preview_dup_line (long_text);
  g_autofree char *long_object =
      g_strdup_printf ("{\"a\":1,\"b\":\"%sé%s\"}", filler + 1964, filler);
  g_autofree char *object_line = preview_dup_line (long_object);
  g_autofree char *open = g_strnfill (5000, '[');
  g_autofree char *close = g_strnfill (5000, ']');
  g_autofree char *nested = g_strconcat (open, close, NULL);
  g_autofree char *nested_line = preview_dup_line (nested);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *line = preview_dup_line (cases[i].json);

      g_assert_cmpstr (line, ==, cases[i].line);
    }
  g_assert_cmpint (g_utf8_strlen (long_line, -1), ==, PREVIEW_MAX);
  g_assert_true (g_str_has_suffix (long_line, "xx…"));
  g_assert_true (g_utf8_validate (object_line, -1, NULL));
  g_assert_cmpint (g_utf8_strlen (object_line, -1), ==, PREVIEW_MAX);
  g_assert_nonnull (nested_line);
}

/* --- events -------------------------------------------------------------------------------- */

/* Somebody who listens. */
typedef struct
{
  SoupMessage *message;    /* (owned) */
  GDataInputStream *lines; /* (owned) */
  char *event;             /* (owned) (nullable) of the last block */
  char *id;                /* (owned) (nullable) the last one that was seen */
  JsonNode *data;          /* (owned) (nullable) of the last block */
} Listener;

/* @id: (nullable): Last-Event-ID. Returns: the status */
static guint
try_to_listen (ServeFixture *fixture, Listener *self, const char *query, const char *id)
{
  g_autofree char *uri = g_strconcat (fixture->url, "/page-data/live", query, NULL);
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GError) error = NULL;

  self->event = self->id = NULL;
  self->data = NULL;
  self->message = soup_message_new ("GET", uri);
  soup_message_headers_replace (soup_message_get_request_headers (self->message), "x-api-key",
                                fixture->token);
  if (id != NULL)
    soup_message_headers_replace (soup_message_get_request_headers (self->message), "Last-Event-ID",
                                  id);
  stream = soup_session_send (fixture->session, self->message, NULL, &error);
  g_assert_no_error (error);
  self->lines = g_data_input_stream_new (stream);
  return soup_message_get_status (self->message);
}

static void
stop_listening (Listener *self)
{
  g_input_stream_close (G_INPUT_STREAM (self->lines), NULL, NULL);
  g_object_unref (self->lines);
  g_object_unref (self->message);
  g_free (self->event);
  g_free (self->id);
  g_clear_pointer (&self->data, json_node_unref);
}

/* Reads up to the next event. */
static void
next_event (Listener *self, const char *event)
{
  g_autofree char *name = NULL;
  gboolean done = FALSE;

  g_clear_pointer (&self->data, json_node_unref);
  while (!done)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *line = g_data_input_stream_read_line_utf8 (self->lines, NULL, NULL, &error);

      g_assert_no_error (error);
      g_assert_nonnull (line);
      if (g_str_has_prefix (line, "event: "))
        {
          g_free (name);
          name = g_strdup (line + strlen ("event: "));
        }
      else if (g_str_has_prefix (line, "data: "))
        self->data = json_from_string (line + strlen ("data: "), NULL);
      else if (g_str_has_prefix (line, "id: "))
        {
          g_free (self->id);
          self->id = g_strdup (line + strlen ("id: "));
        }
      else if (*line == '\0' && self->data != NULL)
        done = TRUE;
    }
  g_assert_cmpstr (name, ==, event);
}

static void
listen_to (ServeFixture *fixture, Listener *self, const char *query, const char *id)
{
  g_assert_cmpuint (try_to_listen (fixture, self, query, id), ==, 200);
}

static gint64
change_of (Listener *self)
{
  return json_object_get_int_member (object_of (self->data), "change");
}

/* What is written is told: runs, feedback, and what is gone. */
static void
test_live (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Listener listener;
  g_autofree char *project = NULL;
  g_autofree char *project_path = NULL;
  g_autoptr (JsonNode) feedback = NULL;
  g_autoptr (JsonNode) deleted = NULL;
  g_autoptr (JsonNode) gone = NULL;
  JsonObject *run;

  serve_start (fixture, NULL, NULL);
  listen_to (fixture, &listener, "", NULL);
  g_assert_cmpstr (get_header (listener.message, "Content-Type"), ==, "text/event-stream");
  g_assert_cmpstr (get_header (listener.message, "Cache-Control"), ==, "no-store");
  next_event (&listener, "hello");
  g_assert_cmpint (change_of (&listener), ==, 0);

  post_run (fixture, 1, 1, 0, "'name':'root'");
  next_event (&listener, "runs");
  g_assert_cmpuint (length_of (listener.data, "runs"), ==, 1);
  run = member_at (listener.data, "runs", 0);
  project = dup_project (fixture);
  g_assert_cmpstr (text_of (run, "id"), ==, TEST_ROOT);
  g_assert_cmpstr (text_of (run, "trace"), ==, TEST_ROOT);
  g_assert_cmpstr (text_of (run, "parent"), ==, NULL);
  g_assert_cmpstr (text_of (run, "project"), ==, project);
  g_assert_true (json_object_get_boolean_member (run, "root"));
  post_run (fixture, 2, 1, 1, "'name':'child'");
  next_event (&listener, "runs");
  run = member_at (listener.data, "runs", 0);
  g_assert_cmpstr (text_of (run, "id"), ==, TEST_CHILD);
  g_assert_cmpstr (text_of (run, "parent"), ==, TEST_ROOT);
  g_assert_false (json_object_get_boolean_member (run, "root"));

  feedback =
      serve_ask (fixture, "POST", "/feedback",
                 "{'id':'" TEST_OTHER "','run_id':'" TEST_CHILD "','key':'k','score':1}", 200);
  next_event (&listener, "feedback");
  run = member_at (listener.data, "runs", 0);
  g_assert_cmpstr (text_of (run, "id"), ==, TEST_CHILD);
  g_assert_cmpstr (text_of (run, "trace"), ==, TEST_ROOT);
  g_assert_cmpstr (text_of (run, "project"), ==, project);
  deleted = serve_ask (fixture, "DELETE", "/feedback/" TEST_OTHER, NULL, 200);
  next_event (&listener, "feedback");

  g_clear_pointer (&deleted, json_node_unref);
  deleted = serve_ask (fixture, "POST", "/runs/delete", "{'trace_ids':['" TEST_ROOT "']}", 200);
  next_event (&listener, "removed");
  g_assert_cmpstr (json_array_get_string_element (
                       json_object_get_array_member (object_of (listener.data), "traces"), 0),
                   ==, TEST_ROOT);
  project_path = g_strconcat ("/sessions/", project, NULL);
  gone = serve_ask (fixture, "DELETE", project_path, NULL, 202);
  next_event (&listener, "removed");
  g_assert_cmpstr (json_array_get_string_element (
                       json_object_get_array_member (object_of (listener.data), "projects"), 0),
                   ==, project);
  stop_listening (&listener);
}

/* After a lost connection, and behind the change that a list has, nothing is missed and nothing told twice. */
static void
test_reconnect (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Listener listener;
  g_autoptr (JsonNode) list = NULL;
  g_autofree char *query = NULL;
  g_autofree char *id = NULL;

  serve_start (fixture, NULL, NULL);
  post_run (fixture, 1, 1, 0, "");
  list = list_traces (fixture, "");
  query =
      g_strdup_printf ("?change=%d", (int) json_object_get_int_member (object_of (list), "change"));
  post_run (fixture, 2, 2, 0, "");
  listen_to (fixture, &listener, query, NULL);
  next_event (&listener, "hello");
  id = g_strdup (listener.id);
  next_event (&listener, "runs");
  g_assert_cmpuint (length_of (listener.data, "runs"), ==, 1);
  g_assert_cmpstr (text_of (member_at (listener.data, "runs", 0), "id"), ==, TEST_CHILD);
  stop_listening (&listener);

  post_run (fixture, 3, 3, 0, "");
  /* The header goes before the address, which an EventSource keeps. */
  listen_to (fixture, &listener, "?change=0", id != NULL ? id : "1");
  next_event (&listener, "hello");
  next_event (&listener, "runs");
  g_assert_cmpuint (length_of (listener.data, "runs"), ==, 2);
  g_assert_cmpstr (text_of (member_at (listener.data, "runs", 1), "id"), ==, TEST_LEAF);
  stop_listening (&listener);

  /* A change that this database never had. */
  listen_to (fixture, &listener, "?change=999999", NULL);
  next_event (&listener, "hello");
  next_event (&listener, "reload");
  stop_listening (&listener);
}

/* What another process writes is told, too. */
static void
test_other_writer (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Listener listener;
  Store *store;
  g_autoptr (GError) error = NULL;

  serve_start (fixture, NULL, NULL);
  listen_to (fixture, &listener, "", NULL);
  next_event (&listener, "hello");
  store = store_open (fixture->database, DATABASE_READ_WRITE, &error);
  g_assert_no_error (error);
  test_apply (store, CHANGE_CREATE, "{'id':'" TEST_ROOT "','name':'imported'}");
  store_close (store);
  next_event (&listener, "runs");
  g_assert_cmpstr (text_of (member_at (listener.data, "runs", 0), "id"), ==, TEST_ROOT);
  stop_listening (&listener);
}

/* Many changes come in several events; too many are one word. */
static void
test_many (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Listener listener;
  g_autofree char *first = NULL;
  guint n = 0;

  serve_start (fixture, NULL, NULL);
  post_run (fixture, 1, 1, 0, "");
  listen_to (fixture, &listener, "", NULL);
  next_event (&listener, "hello");
  first = g_strdup_printf ("?change=%d", (int) change_of (&listener));
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GString) body = g_string_new (NULL);

      for (guint j = 0; j < 700; j++)
        append_run (body, 2 + i * 700 + j, 2 + i * 700 + j, 0, "");
      post_runs (fixture, body->str);
    }
  while (n < 1400)
    {
      next_event (&listener, "runs");
      g_assert_cmpuint (length_of (listener.data, "runs"), <=, 500);
      n += length_of (listener.data, "runs");
    }
  g_assert_cmpuint (n, ==, 1400);
  stop_listening (&listener);

  {
    g_autoptr (GString) body = g_string_new (NULL);

    for (guint i = 0; i <= NOTICE_WINDOW; i++)
      append_run (body, 2000 + i, 2000 + i, 0, "");
    post_runs (fixture, body->str);
  }
  listen_to (fixture, &listener, first, NULL);
  next_event (&listener, "hello");
  next_event (&listener, "reload");
  g_assert_cmpint (change_of (&listener), >, 6000);
  /* It goes on from there. */
  post_run (fixture, 1, 1, 0, "'name':'later'");
  next_event (&listener, "runs");
  g_assert_cmpstr (text_of (member_at (listener.data, "runs", 0), "id"), ==, TEST_ROOT);
  stop_listening (&listener);
}

/* There are so many listeners at most; one that goes makes place for another, and the service ends while they
 * listen. */
static void
test_listeners (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Listener listeners[LIVE_FEED_MAX];
  Listener more;
  guint status = 0;
  gint64 end;

  serve_start (fixture, NULL, NULL);
  g_clear_object (&fixture->session);
  fixture->session = soup_session_new_with_options ("timeout", TEST_TIMEOUT_MS / 1000, "max-conns",
                                                    100, "max-conns-per-host", 100, NULL);
  for (guint i = 0; i < LIVE_FEED_MAX; i++)
    {
      listen_to (fixture, &listeners[i], "", NULL);
      next_event (&listeners[i], "hello");
    }
  g_assert_cmpuint (try_to_listen (fixture, &more, "", NULL), ==, 503);
  g_assert_nonnull (get_header (more.message, "Retry-After"));
  stop_listening (&more);
  post_run (fixture, 1, 1, 0, "");
  for (guint i = 0; i < LIVE_FEED_MAX; i++)
    next_event (&listeners[i], "runs");
  /* The service sees that one has gone when it writes to it. */
  stop_listening (&listeners[0]);
  end = g_get_monotonic_time () + TEST_TIMEOUT_MS * 1000;
  for (guint i = 2; status != 200 && g_get_monotonic_time () < end; i++)
    {
      post_run (fixture, i, i, 0, "");
      next_event (&listeners[1], "runs");
      status = try_to_listen (fixture, &more, "", NULL);
      if (status != 200)
        stop_listening (&more);
    }
  g_assert_cmpuint (status, ==, 200);

  /* Where nothing is written, it looks whether one has gone before it refuses another one. */
  stop_listening (&more);
  listen_to (fixture, &more, "", NULL);
  next_event (&more, "hello");
  for (guint i = 0; i < 2 * LIVE_FEED_MAX; i++)
    {
      guint n_refused = 0;

      stop_listening (&more);
      /* a few, until the end of the connection has come; thousands, until the next comment */
      while (try_to_listen (fixture, &more, "", NULL) != 200)
        {
          g_assert_cmpuint (++n_refused, <, 500);
          stop_listening (&more);
        }
    }
  stop_listening (&more);
  serve_stop (fixture, SIGTERM);
  for (guint i = 1; i < LIVE_FEED_MAX; i++)
    stop_listening (&listeners[i]);
}

/* How often the threads of the service have slept, all together. */
static guint64
count_sleeps (ServeFixture *fixture)
{
  g_autofree char *folder =
      g_strdup_printf ("/proc/%s/task", g_subprocess_get_identifier (fixture->process));
  g_autoptr (GDir) threads = g_dir_open (folder, 0, NULL);
  guint64 sum = 0;
  const char *name;

  g_assert_nonnull (threads);
  while ((name = g_dir_read_name (threads)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, "status", NULL);
      g_autofree char *text = NULL;
      const char *at;

      if (!g_file_get_contents (path, &text, NULL, NULL))
        continue;
      at = strstr (text, "\nvoluntary_ctxt_switches:");
      g_assert_nonnull (at);
      sum += g_ascii_strtoull (at + strlen ("\nvoluntary_ctxt_switches:\t"), NULL, 10);
    }
  return sum;
}

/* When the last listener has gone, the service sleeps. */
static void
test_idle (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Listener listener;
  gint64 end = g_get_monotonic_time () + TEST_TIMEOUT_MS * 1000;
  guint64 before;
  guint64 after;

  serve_start (fixture, NULL, NULL);
  listen_to (fixture, &listener, "", NULL);
  next_event (&listener, "hello");
  post_run (fixture, 1, 1, 0, "");
  next_event (&listener, "runs");
  stop_listening (&listener);
  g_clear_object (&fixture->session);
  fixture->session = soup_session_new_with_options ("timeout", TEST_TIMEOUT_MS / 1000, NULL);
  /* What is written shows that nobody listens. */
  post_run (fixture, 2, 2, 0, "");
  post_run (fixture, 3, 3, 0, "");
  /* Longer than the time between two looks at the database, and than the delay of the sync. */
  do
    {
      before = count_sleeps (fixture);
      g_usleep (3 * G_USEC_PER_SEC);
      after = count_sleeps (fixture);
    }
  while (after != before && g_get_monotonic_time () < end);
  g_assert_cmpuint (after, ==, before);
}

#define ADD(path, func) \
 g_test_add (path, ServeFixture, NULL, serve_fixture_set_up, func, serve_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/page-api/files", test_files);
  ADD ("/page-api/other-paths", test_other_paths);
  ADD ("/page-api/site-addresses", test_site_addresses);
  ADD ("/page-api/access", test_access);
  ADD ("/page-api/refusal", test_refusal);
  ADD ("/page-api/row", test_row);
  ADD ("/page-api/traces", test_traces);
  ADD ("/page-api/frequent-search", test_frequent_search);
  ADD ("/page-api/clear", test_clear);
  ADD ("/page-api/trace", test_trace);
  ADD ("/page-api/run", test_run);
  ADD ("/page-api/large", test_large);
  ADD ("/page-api/export", test_export);
  ADD ("/page-api/threads", test_threads);
  ADD ("/page-api/chart", test_chart);
  ADD ("/page-api/words", test_words);
  g_test_add_func ("/page-api/plurals", test_plurals);
  g_test_add_func ("/page-api/messages", test_messages);
  g_test_add_func ("/page-api/lines", test_lines);
  ADD ("/page-api/live", test_live);
  ADD ("/page-api/reconnect", test_reconnect);
  ADD ("/page-api/other-writer", test_other_writer);
  ADD ("/page-api/many", test_many);
  ADD ("/page-api/listeners", test_listeners);
  ADD ("/page-api/idle", test_idle);
  return g_test_run ();
}
