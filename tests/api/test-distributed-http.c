/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include <string.h>

#include "tests/lib/run-helpers.h"
#include "tests/lib/test-utils.h"

/* Two services, each with an observer of its own, and real requests between them. */

typedef struct
{
  RunFixture caller;       /* the server in it is where both send their runs */
  TestServer *service;     /* (owned) what is called */
  LsobsObserver *observer; /* (owned) (nullable) that of the service */
  SoupSession *session;    /* (owned) */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  run_fixture_set_up (&fixture->caller, data);
  fixture->service = test_server_new ();
  fixture->session = soup_session_new ();
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_object (&fixture->observer);
  g_assert_finalize_object (fixture->session);
  test_server_free (fixture->service);
  run_fixture_tear_down (&fixture->caller, data);
}

static void
start_service (Fixture *fixture)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (RUN_API_KEY, "of the service");
  g_autoptr (GError) error = NULL;

  lsobs_config_set_api_url (config, test_server_get_url (fixture->caller.server));
  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  lsobs_config_set_trust_incoming_headers (config, TRUE);
  lsobs_config_set_sampling_rate (config, lsobs_config_get_sampling_rate (fixture->caller.config));
  fixture->observer = lsobs_observer_new (config, &error);
  g_assert_no_error (error);
}

/* Called in the thread of the service. */
static gboolean
serve (TestRequest *request, TestAnswer *answer, gpointer data)
{
  Fixture *fixture = data;
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run_from_message_headers (fixture->observer, request->headers, "serve",
                                                     LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autoptr (LsobsRun) child = lsobs_run_start_child (run, "look-up", LSOBS_RUN_TYPE_TOOL, NULL);

  lsobs_run_end (child, NULL);
  lsobs_run_end (run, NULL);
  answer->status = 200;
  return TRUE;
}

static SoupMessage *
make_message (Fixture *fixture, const char *path)
{
  g_autofree char *url = g_strconcat (test_server_get_url (fixture->service), path, NULL);

  return soup_message_new (SOUP_METHOD_GET, url);
}

static void
send_message (Fixture *fixture, SoupMessage *message)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) answer = soup_session_send_and_read (fixture->session, message, NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (answer);
  g_assert_cmpuint (soup_message_get_status (message), ==, 200);
}

/* --- there and back --- */

static void
flush_both (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, NULL, &error);
  g_assert_no_error (error);
  run_fixture_flush (&fixture->caller);
}

static void
test_round_trip (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) root = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  WireRun *run;

  start_service (fixture);
  test_server_set_handler (fixture->service, serve, fixture);
  run_fixture_start (&fixture->caller);
  root = lsobs_observer_start_run (fixture->caller.observer, "agent", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_propagate_metadata (root, "thread_id");
  lsobs_run_set_metadata_string (root, "thread_id", "t-77");
  lsobs_run_set_metadata_string (root, "private", "1");
  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *name = g_strdup_printf ("call-%u", i);
      g_autoptr (LsobsRun) call = lsobs_run_start_child (root, name, LSOBS_RUN_TYPE_TOOL, NULL);
      g_autoptr (SoupMessage) message = make_message (fixture, "/serve");

      lsobs_run_propagate_tags (call);
      lsobs_run_add_tag (call, "remote");
      lsobs_run_add_to_message (call, message);
      send_message (fixture, message);
      lsobs_run_end (call, NULL);
    }
  lsobs_run_end (root, NULL);
  flush_both (fixture);

  wire_tree_check (fixture->caller.tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  text = wire_tree_to_string (fixture->caller.tree, WIRE_TREE_PLAIN);
  g_assert_cmpstr (text, ==,
                   "agent chain ok\n"
                   "  call-0 tool ok\n"
                   "    serve chain ok\n"
                   "      look-up tool ok\n"
                   "  call-1 tool ok\n"
                   "    serve chain ok\n"
                   "      look-up tool ok\n");
  run = run_fixture_find (&fixture->caller, "serve");
  run_assert_member (run, "session_name", "\"" RUN_PROJECT "\"");
  run_assert_member (run, "extra.metadata", "{\"thread_id\":\"t-77\"}");
  run_assert_member (run, "tags", "[\"remote\"]");
  run = run_fixture_find (&fixture->caller, "look-up");
  run_assert_member (run, "session_name", "\"" RUN_PROJECT "\"");
}

/* Both keep the same traces, and each of them whole. */
static void
test_sampled (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) roots = NULL;
  guint n_sampled = 0;

  lsobs_config_set_sampling_rate (fixture->caller.config, 0.5);
  start_service (fixture);
  test_server_set_handler (fixture->service, serve, fixture);
  run_fixture_start (&fixture->caller);
  for (guint i = 0; i < 40; i++)
    {
      g_autoptr (LsobsRun) root =
          lsobs_observer_start_run (fixture->caller.observer, "agent", LSOBS_RUN_TYPE_CHAIN, NULL);
      g_autoptr (SoupMessage) message = make_message (fixture, "/serve");

      n_sampled += lsobs_run_is_sampled (root) ? 1 : 0;
      lsobs_run_add_to_message (root, message);
      send_message (fixture, message);
      lsobs_run_end (root, NULL);
    }
  flush_both (fixture);
  wire_tree_check (fixture->caller.tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  roots = wire_tree_dup_roots (fixture->caller.tree);
  g_assert_cmpuint (roots->len, ==, n_sampled);
  g_assert_cmpuint (wire_tree_get_n_runs (fixture->caller.tree), ==, 3 * n_sampled);
}

/* --- messages --- */

typedef struct
{
  const char *path;
  const char *before; /* the header before, or NULL */
  const char *expected;
} MessageRow;

#define PROJECT "langsmith-project=" RUN_PROJECT
#define OWN     "langsmith-metadata=%7B%22a%22%3A1%7D," PROJECT

static const MessageRow message_rows[] = {
  { "none", NULL, OWN },
  { "empty", "", OWN },
  { "foreign", "userId=alice;p=1,serverNode=DF%2028", "userId=alice;p=1,serverNode=DF%2028," OWN },
  { "own", "langsmith-project=old,langsmith-tags=old", OWN },
  { "mixed", "a=1, langsmith-project=old ,b=2", "a=1,b=2," OWN },
  { "baggage-address",
    "a=1,langsmith-address=lrn%3Aagents%2Fa%2Fenvironments%2Flocal,langsmith-replicas=%5B%5D;p=1,"
    "b=2;q",
    "a=1,b=2;q," OWN },
  { "doubled", "langsmith-project=a,langsmith-project=b,a=1,langsmith-tags=c,a=1", "a=1,a=1," OWN },
  { "upper-case", "LANGSMITH-ADDRESS=a,Langsmith-Project=b,a=1", "a=1," OWN },
  { "white-space", " \tlangsmith-address\t = a ; p = 1 ,\ta\t=\t1 ", "a\t=\t1," OWN },
  { "broken-escapes", "langsmith-address=%,a=%zz,langsmith-tags=%2", "a=%zz," OWN },
  { "not-known", "langsmith-comes-next=1,a=1", "a=1," OWN },
};

static LsobsRun *
start_marked (Fixture *fixture)
{
  g_autoptr (JsonNode) node = run_json ("1");
  LsobsRun *run;

  run_fixture_start (&fixture->caller);
  run = lsobs_observer_start_run (fixture->caller.observer, "call", LSOBS_RUN_TYPE_TOOL, NULL);
  lsobs_run_propagate_metadata (run, "a");
  lsobs_run_set_metadata (run, "a", node);
  return run;
}

static void
assert_headers (SoupMessageHeaders *headers, LsobsRun *run, const char *baggage)
{
  g_autofree char *path = run != NULL ? lsobs_run_dup_dotted_order (run) : NULL;

  g_assert_cmpstr (soup_message_headers_get_list (headers, "langsmith-trace"), ==, path);
  g_assert_cmpstr (soup_message_headers_get_list (headers, "baggage"), ==, baggage);
}

static void
test_message (Fixture *fixture, gconstpointer data)
{
  const MessageRow *row = data;
  g_autoptr (LsobsRun) run = start_marked (fixture);
  g_autoptr (LsobsRun) child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_TOOL, NULL);
  g_autoptr (SoupMessage) message = make_message (fixture, "/");
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);

  if (row->before != NULL)
    soup_message_headers_append (headers, "Baggage", row->before);
  soup_message_headers_append (headers, "Langsmith-Trace", "old");
  lsobs_run_add_to_message (run, message);
  assert_headers (headers, run, row->expected);
  /* Once more: it is another run now. */
  lsobs_run_add_to_message (child, message);
  assert_headers (headers, child, row->expected);
  lsobs_run_end (child, NULL);
  lsobs_run_end (run, NULL);
}

static void
test_several_headers (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start_marked (fixture);
  g_autoptr (SoupMessage) message = make_message (fixture, "/");
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);

  soup_message_headers_append (headers, "baggage", "a=1");
  soup_message_headers_append (headers, "baggage", "b=2");
  lsobs_run_add_to_message (run, message);
  assert_headers (headers, run, "a=1,b=2," OWN);
  lsobs_run_end (run, NULL);
}

/* Others have baggage, too: theirs stays, and ours is what has room beside it. */
static void
test_crowded (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start_marked (fixture);

  for (gsize n = 8100; n <= 8300; n++)
    {
      g_autoptr (SoupMessage) message = make_message (fixture, "/");
      SoupMessageHeaders *headers = soup_message_get_request_headers (message);
      g_autofree char *foreign = g_strnfill (n, 'x');
      const char *baggage;

      soup_message_headers_append (headers, "baggage", foreign);
      lsobs_run_add_to_message (run, message);
      baggage = soup_message_headers_get_list (headers, "baggage");
      g_assert_true (g_str_has_prefix (baggage, foreign));
      if (n + 1 + strlen (OWN) <= 8192)
        g_assert_cmpstr (baggage + n, ==, "," OWN);
      else if (n + 1 + strlen (PROJECT) <= 8192)
        g_assert_cmpstr (baggage + n, ==, "," PROJECT);
      else
        g_assert_cmpuint (strlen (baggage), ==, n);
      g_assert_nonnull (soup_message_headers_get_one (headers, "langsmith-trace"));
    }
  lsobs_run_end (run, NULL);
}

/* However much of it there is, what clients of the service have put there goes. */
static void
test_long_hostile (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start_marked (fixture);
  g_autoptr (SoupMessage) message = make_message (fixture, "/");
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);
  g_autoptr (GString) hostile = g_string_new ("a=1");

  while (hostile->len < 8192)
    g_string_append (hostile, ",langsmith-address=lrn%3Aagents;p=1,Langsmith-Replicas=%5B");
  g_string_append (hostile, ",b=2");
  soup_message_headers_append (headers, "baggage", hostile->str);
  lsobs_run_add_to_message (run, message);
  assert_headers (headers, run, "a=1,b=2," OWN);
  lsobs_run_end (run, NULL);
}

/* --- redirects --- */

typedef struct
{
  const char *path;
  const char *host; /* where it leads to: on the same port, unless it has one */
  gboolean same;
} RedirectRow;

static const RedirectRow redirect_rows[] = {
  { "same", NULL, TRUE },
  { "other-host", "localhost", FALSE },
};

static void
test_redirect (Fixture *fixture, gconstpointer data)
{
  const RedirectRow *row = data;
  g_autoptr (LsobsRun) run = start_marked (fixture);
  g_autoptr (SoupMessage) message = make_message (fixture, "/first");
  g_autoptr (GUri) uri =
      g_uri_parse (test_server_get_url (fixture->service), G_URI_FLAGS_NONE, NULL);
  g_autofree char *location =
      g_strdup_printf ("Location: http://%s:%d/second",
                       row->host != NULL ? row->host : g_uri_get_host (uri), g_uri_get_port (uri));
  g_autoptr (GPtrArray) requests = NULL;

  test_server_push (fixture->service, "/first", (TestAnswer){ .status = 302, .headers = location });
  test_server_push (fixture->service, "/second", (TestAnswer){ .status = 200 });
  soup_message_headers_append (soup_message_get_request_headers (message), "baggage", "a=1");
  lsobs_run_add_to_message (run, message);
  lsobs_run_add_to_message (run, message);
  send_message (fixture, message);
  requests = test_server_dup_requests (fixture->service);
  g_assert_cmpuint (requests->len, ==, 2);
  assert_headers (((TestRequest *) requests->pdata[0])->headers, run, "a=1," OWN);
  if (row->same)
    assert_headers (((TestRequest *) requests->pdata[1])->headers, run, "a=1," OWN);
  else
    assert_headers (((TestRequest *) requests->pdata[1])->headers, NULL, "a=1");
  lsobs_run_end (run, NULL);
}

/* To another port of the same host is to another service. */
static void
test_redirect_to_port (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestServer) other = test_server_new ();
  g_autoptr (LsobsRun) run = start_marked (fixture);
  g_autoptr (SoupMessage) message = make_message (fixture, "/first");
  g_autofree char *location = g_strdup_printf ("Location: %s/second", test_server_get_url (other));
  g_autoptr (GPtrArray) requests = NULL;

  test_server_push (fixture->service, "/first", (TestAnswer){ .status = 307, .headers = location });
  test_server_push (other, "/second", (TestAnswer){ .status = 200 });
  lsobs_run_add_to_message (run, message);
  send_message (fixture, message);
  requests = test_server_dup_requests (other);
  g_assert_cmpuint (requests->len, ==, 1);
  assert_headers (((TestRequest *) requests->pdata[0])->headers, NULL, NULL);
  lsobs_run_end (run, NULL);
}

/* --- other clients --- */

/* Returns: (transfer full): what the client has said on a line that begins so */
static JsonObject *
load_said (const char *name, const char *beginning)
{
  g_autoptr (GBytes) bytes = test_data_load (name);
  gsize len;
  const char *data = g_bytes_get_data (bytes, &len);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (JsonNode) node = NULL;
  g_auto (GStrv) lines = NULL;

  g_assert_true (json_parser_load_from_data (parser, data, (gssize) len, NULL));
  lines = g_strsplit (json_object_get_string_member (
                          json_node_get_object (json_parser_get_root (parser)), "stdout"),
                      "\n", 0);
  for (guint i = 0; lines[i] != NULL; i++)
    if (g_str_has_prefix (lines[i], beginning))
      node = run_json (lines[i] + strlen (beginning));
  g_assert_nonnull (node);
  return json_object_ref (json_node_get_object (node));
}

static LsobsRun *
continue_said (Fixture *fixture, JsonObject *said)
{
  g_autoptr (GHashTable) headers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;

  json_object_iter_init (&iter, said);
  while (json_object_iter_next (&iter, &name, &value))
    g_hash_table_insert (headers, g_strdup (name), json_node_dup_string (value));
  lsobs_config_set_trust_incoming_headers (fixture->caller.config, TRUE);
  run_fixture_start (&fixture->caller);
  return lsobs_observer_start_run_from_headers (fixture->caller.observer, headers, "served",
                                                LSOBS_RUN_TYPE_CHAIN, NULL);
}

/* We read of their headers what they read of them themselves. */
static void
test_capture_in (Fixture *fixture, gconstpointer data)
{
  g_autoptr (JsonObject) said = load_said (data, "HEADERS ");
  g_autoptr (JsonObject) remote = load_said (data, "REMOTE ");
  const char *project =
      json_object_has_member (remote, "session_name") ? "session_name" : "project_name";
  g_autoptr (LsobsRun) run = continue_said (fixture, said);
  g_autofree char *trace_id = lsobs_run_dup_trace_id (run);
  g_autofree char *parent_id = lsobs_run_dup_parent_id (run);
  g_autofree char *path = lsobs_run_dup_dotted_order (run);
  WireRun *wire;

  g_assert_cmpstr (trace_id, ==, json_object_get_string_member (remote, "trace_id"));
  g_assert_cmpstr (parent_id, ==, json_object_get_string_member (remote, "id"));
  g_assert_true (g_str_has_prefix (path, json_object_get_string_member (remote, "dotted_order")));
  lsobs_run_end (run, NULL);
  run_fixture_flush (&fixture->caller);
  wire = run_fixture_find (&fixture->caller, "served");
  g_assert_cmpstr (wire_run_get_string (wire, "session_name"), ==,
                   json_object_get_string_member (remote, project));
  run_assert_member (wire, "extra.metadata", "{\"user\":\"Jürgen\",\"quote\":\"a\\\"b\",\"n\":1}");
  run_assert_member (wire, "tags", "[\"x\",\"y z\",\"café\",\"comma\"]");
}

/* Of the same run, our headers are those of theirs, to the letter. */
static void
test_capture_out (Fixture *fixture, gconstpointer data)
{
  g_autoptr (JsonObject) said = load_said (data, "HEADERS ");
  g_autoptr (JsonNode) one = run_json ("1");
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GHashTable) headers = NULL;

  lsobs_config_set_project_name (fixture->caller.config, "proj with space");
  run_fixture_start (&fixture->caller);
  run = lsobs_observer_start_run (fixture->caller.observer, "call", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_set_metadata_string (run, "user", "Jürgen");
  lsobs_run_set_metadata_string (run, "quote", "a\"b");
  lsobs_run_set_metadata (run, "n", one);
  lsobs_run_propagate_metadata (run, "user");
  lsobs_run_propagate_metadata (run, "quote");
  lsobs_run_propagate_metadata (run, "n");
  lsobs_run_add_tag (run, "x");
  lsobs_run_add_tag (run, "y z");
  lsobs_run_add_tag (run, "café,comma");
  lsobs_run_propagate_tags (run);
  headers = lsobs_run_to_headers (run);
  g_assert_cmpstr (g_hash_table_lookup (headers, "baggage"), ==,
                   json_object_get_string_member (said, "baggage"));
  g_assert_cmpuint (strlen (g_hash_table_lookup (headers, "langsmith-trace")), ==,
                    strlen (json_object_get_string_member (said, "langsmith-trace")));
  lsobs_run_end (run, NULL);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define ADD(path, data, func) \
 g_test_add ("/distributed-http/" path, Fixture, data, set_up, func, tear_down)
#define ADD_ROWS(prefix, rows, func) \
 TEST_ADD_FIXTURE_ROWS ("/distributed-http/" prefix, rows, path, Fixture, set_up, func, tear_down)
  ADD ("round-trip", NULL, test_round_trip);
  ADD ("sampled", NULL, test_sampled);
  ADD_ROWS ("message/", message_rows, test_message);
  ADD ("several-headers", NULL, test_several_headers);
  ADD ("long-hostile", NULL, test_long_hostile);
  ADD ("crowded", NULL, test_crowded);
  ADD_ROWS ("redirect/", redirect_rows, test_redirect);
  ADD ("redirect/other-port", NULL, test_redirect_to_port);
  ADD ("capture/python/in", "captures/py-f-distributed.json", test_capture_in);
  ADD ("capture/python/out", "captures/py-f-distributed.json", test_capture_out);
  ADD ("capture/js/in", "captures/js-f-distributed.json", test_capture_in);
  ADD ("capture/js/out", "captures/js-f-distributed.json", test_capture_out);

  return g_test_run ();
}
