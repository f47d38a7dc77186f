/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The conformance list of the protocol, what a service may check of a client, item by item. The
 * seventh, the answers, has a program of its own. */

#include "config.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/test-helpers.h"

/* Each test says first which item it is. */
#define ITEM(number, what) g_test_message ("item " number ": " what)

/* --- a trace that has everything ------------------------------------------------------------- */

static JsonNode *
parse (const char *text)
{
  JsonNode *node = json_from_string (text, NULL);

  g_assert_nonnull (node);
  return node;
}

/* An agent, a model and two tools, one of which fails. A flush in the middle leaves the agent and a
 * tool to be ended by updates. */
static void
trace_agent (TestFixture *fixture)
{
  g_autoptr (JsonNode) question = parse ("{\"question\":\"Where is order 1138?\"}");
  g_autoptr (JsonNode) messages =
      parse ("{\"messages\":[{\"role\":\"user\",\"content\":\"Where?\"}]}");
  g_autoptr (LsobsRun) agent =
      lsobs_observer_start_run (fixture->observer, "agent", LSOBS_RUN_TYPE_CHAIN, question);
  g_autoptr (LsobsRun) model = NULL;
  g_autoptr (LsobsRun) search = NULL;
  g_autoptr (LsobsRun) lookup = NULL;

  lsobs_run_add_tag (agent, "prod");
  lsobs_run_set_metadata_string (agent, "thread_id", "t-77");
  model = lsobs_run_start_child (agent, "model", LSOBS_RUN_TYPE_LLM, messages);
  lsobs_run_set_model (model, "openai", "gpt-5.4-mini");
  lsobs_run_set_usage (model, 21, 9, 30);
  lsobs_run_add_event (model, "new_token", NULL);
  lsobs_run_end (model, messages);
  search = lsobs_run_start_child (agent, "search", LSOBS_RUN_TYPE_TOOL, question);
  g_assert_true (lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, NULL, NULL));
  lsobs_run_end (search, question);
  lookup = lsobs_run_start_child (agent, "lookup", LSOBS_RUN_TYPE_TOOL, NULL);
  lsobs_run_fail_with_message (lookup, "upstream timed out");
  lsobs_run_end (agent, question);
  g_assert_true (lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, NULL, NULL));
}

typedef void (*OpFunc) (TestRequest *request, WireOp *op);

/* Returns the number of operations. */
static guint
for_each_op (TestFixture *fixture, OpFunc func)
{
  g_autoptr (GPtrArray) requests = test_server_dup_ingest (fixture->server);
  guint n = 0;

  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);

      g_assert_no_error (request->wire_error);
      for (guint j = 0; j < request->wire->ops->len; j++, n++)
        func (request, g_ptr_array_index (request->wire->ops, j));
    }
  return n;
}

/* --- 1 --------------------------------------------------------------------------------------- */

static void
test_headers (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) requests = NULL;

  ITEM ("1", "x-api-key present, never in body or log; User-Agent set; Accept: application/json");
  lsobs_config_set_ingest_mode (fixture->config, (LsobsIngestMode) GPOINTER_TO_INT (data));
  test_fixture_start (fixture);
  /* Even a service that says it back does not bring it into the log. */
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = 503,
                                  .body = "{\"error\":\"key " TEST_KEY " is busy\"}" });
  trace_agent (fixture);

  requests = test_server_dup_requests (fixture->server);
  g_assert_cmpuint (requests->len, >=, 2);
  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);

      g_assert_cmpstr (test_request_get_header (request, "x-api-key"), ==, TEST_KEY);
      g_assert_cmpstr (test_request_get_header (request, "Accept"), ==, "application/json");
      g_assert_true (g_str_has_prefix (test_request_get_header (request, "User-Agent"), "lsobs/"));
      g_assert_false (test_bytes_contain (request->raw_body, TEST_KEY));
      g_assert_null (strstr (request->path, TEST_KEY));
    }
  g_assert_false (test_log_contains (TEST_KEY));
}

/* --- 2, 3, 4 ----------------------------------------------------------------------------------- */

/* The judge has parsed the body strictly; what is left is what it is lenient about elsewhere. */
static void
test_multipart (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) requests = NULL;
  guint n_parts = 0;

  ITEM ("2", "names, types and lengths of parts; no filename, no encoding of a part; closing "
             "delimiter; CRLF only");
  lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_NONE);
  test_fixture_start (fixture);
  trace_agent (fixture);

  requests = test_server_dup_ingest (fixture->server);
  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);
      const char *type = test_request_get_header (request, "Content-Type");
      g_autoptr (GError) error = NULL;
      g_autoptr (GPtrArray) parts =
          wire_multipart_parse (type, request->raw_body, WIRE_STRICT, &error);
      gsize size;
      const char *body = g_bytes_get_data (request->raw_body, &size);

      g_assert_no_error (error);
      for (guint j = 0; j < parts->len; j++, n_parts++)
        {
          WirePart *part = g_ptr_array_index (parts, j);

          g_assert_cmpstr (part->content_type, ==, "application/json");
          g_assert_cmpuint (part->payload_length, ==, g_bytes_get_size (part->payload));
        }
      g_assert_null (g_strstr_len (body, (gssize) size, "filename"));
      g_assert_null (g_strstr_len (body, (gssize) size, "Content-Encoding"));
      for (gsize k = 0; k < size; k++)
        g_assert_false (body[k] == '\n' && (k == 0 || body[k - 1] != '\r'));
      g_assert_cmpmem (body + size - 4, 4, "--\r\n", 4);
    }
  g_assert_cmpuint (n_parts, >, 10);
}

static void
check_main (TestRequest *request G_GNUC_UNUSED, WireOp *op)
{
  static const char *const needed[] = { "id",       "trace_id",   "dotted_order", "name",
                                        "run_type", "start_time", "session_name" };
  static const char *const out_of_band[] = { "inputs", "outputs", "events",
                                             "extra",  "error",   "serialized" };

  for (guint i = 0; i < G_N_ELEMENTS (needed); i++)
    g_assert_cmpstr (json_object_get_string_member_with_default (op->sent, needed[i], ""), !=, "");
  for (guint i = 0; i < G_N_ELEMENTS (out_of_band); i++)
    g_assert_false (json_object_has_member (op->sent, out_of_band[i]));
  /* op->id is of the part's name */
  g_assert_cmpstr (json_object_get_string_member (op->sent, "id"), ==, op->id);
  g_assert_cmpstr (json_object_get_string_member (op->sent, "session_name"), ==, TEST_PROJECT);
}

static void
test_main_part (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  ITEM ("3", "the main part has its identity, and none of the six out-of-band fields");
  test_fixture_start (fixture);
  trace_agent (fixture);
  g_assert_cmpuint (for_each_op (fixture, check_main), ==, 6);
}

/* µs since 1970 of the stamp at the start of a segment */
static gint64
parse_stamp (const char *segment)
{
  g_autofree char *iso = g_strdup_printf ("%.4s-%.2s-%.5s:%.2s:%.2s.%.6sZ", segment, segment + 4,
                                          segment + 6, segment + 11, segment + 13, segment + 15);
  g_autoptr (JsonNode) node = json_node_init_string (json_node_alloc (), iso);

  return wire_parse_time (node, WIRE_STRICT);
}

static void
check_place (TestRequest *request G_GNUC_UNUSED, WireOp *op)
{
  const char *path = json_object_get_string_member (op->sent, "dotted_order");
  const char *parent = json_object_get_string_member_with_default (op->sent, "parent_run_id", NULL);
  g_auto (GStrv) segments = g_strsplit (path, ".", -1);
  guint n = g_strv_length (segments);
  gint64 start = wire_parse_time (json_object_get_member (op->sent, "start_time"), WIRE_STRICT);

  for (guint i = 0; i < n; i++)
    g_assert_cmpuint (strlen (segments[i]), ==, 22 + 36);
  g_assert_true ((parent == NULL) == (n == 1)); /* D1, D2 */
  g_assert_cmpstr (segments[0] + 22, ==,
                   json_object_get_string_member (op->sent, "trace_id")); /* D3 */
  g_assert_cmpstr (segments[n - 1] + 22, ==, op->id);                     /* D4 */
  if (parent != NULL)
    g_assert_cmpstr (segments[n - 2] + 22, ==, parent); /* D5 */
  for (guint i = 1; i < n; i++)
    g_assert_cmpint (parse_stamp (segments[i]), >=, parse_stamp (segments[i - 1])); /* D6 */
  g_assert_true (segments[n - 1][21] == 'Z');                                       /* D7 */
  g_assert_cmpint (parse_stamp (segments[n - 1]), ==, start);
  g_assert_cmpint (wire_uuid_get_ms (op->id), ==, start / 1000);
}

static void
test_place (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  ITEM ("4", "D1 to D7; the time in the id, the start time and the stamp are one");
  test_fixture_start (fixture);
  trace_agent (fixture);
  g_assert_cmpuint (for_each_op (fixture, check_place), ==, 6);
}

/* --- 5 --------------------------------------------------------------------------------------- */

#define LIMIT_OPS   7
#define LIMIT_BYTES 65536
#define LIMIT_INFO \
 "{\"version\":\"0.12.1\",\"batch_ingest_config\":{\"use_multipart_endpoint\":true," \
 "\"size_limit\":7,\"size_limit_bytes\":65536}}"

static gboolean
knows_limits (gpointer data)
{
  TestFixture *fixture = data;
  LsobsTransport *transport = lsobs_exporter_get_transport (fixture->exporter);

  return lsobs_transport_get_max_records (transport) == LIMIT_OPS &&
         lsobs_transport_get_max_bytes (transport) == LIMIT_BYTES;
}

static void
assert_within_limits (TestFixture *fixture)
{
  g_autoptr (GPtrArray) requests = test_server_dup_ingest (fixture->server);

  g_assert_cmpuint (requests->len, >, 2);
  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);

      g_assert_cmpuint (test_request_get_n_ops (request), <=, LIMIT_OPS);
      g_assert_cmpuint (g_bytes_get_size (request->body), <=, LIMIT_BYTES);
    }
}

static void
start_with_limits (TestFixture *fixture)
{
  test_server_set_info (fixture->server, LIMIT_INFO);
  lsobs_config_set_shutdown_timeout (fixture->config, TEST_TIMEOUT_MS);
  test_fixture_start (fixture);
  test_emit (fixture->exporter, "first");
  test_assert_flush (fixture->exporter, 1);
  g_assert_true (test_wait_until (knows_limits, fixture, TEST_TIMEOUT_MS));
}

static void
test_limit_ops (TestFixture *fixture, gconstpointer data)
{
  ITEM ("5", "no more operations in a request than size_limit, in a flush and at the end");
  start_with_limits (fixture);
  test_emit_many (fixture->exporter, 40);
  if (data != NULL)
    test_fixture_stop (fixture);
  else
    test_assert_flush (fixture->exporter, 40);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 41);
  assert_within_limits (fixture);
}

static void
test_limit_bytes (TestFixture *fixture, gconstpointer data)
{
  ITEM ("5", "no more bytes in a request than size_limit_bytes, in a flush and at the end");
  start_with_limits (fixture);
  for (guint i = 0; i < 20; i++)
    test_emit_large (fixture->exporter, "large", 500 + i * 3000);
  if (data != NULL)
    test_fixture_stop (fixture);
  else
    test_assert_flush (fixture->exporter, 20);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 21);
  assert_within_limits (fixture);
}

/* --- 6 --------------------------------------------------------------------------------------- */

/* Called in the server's thread. */
static gboolean
fail_often_cb (TestRequest *request G_GNUC_UNUSED, TestAnswer *answer, gpointer data)
{
  guint n = ++*(guint *) data;

  if (n % 3 != 0)
    return FALSE;
  answer->status = 502;
  return TRUE;
}

static void
test_never_twice (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) runs = NULL;
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (GError) error = NULL;
  guint n = 0;

  ITEM ("6", "no id posted or patched twice, but as an identical retry after a failed answer");
  lsobs_config_set_ingest_mode (fixture->config, (LsobsIngestMode) GPOINTER_TO_INT (data));
  lsobs_config_set_max_attempts (fixture->config, 10);
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, fail_often_cb, &n);
  for (guint i = 0; i < 5; i++)
    trace_agent (fixture);

  tree = test_server_build_tree (fixture->server);
  wire_tree_check (tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 20);
  runs = wire_tree_dup_runs (tree);
  for (guint i = 0; i < runs->len; i++)
    {
      WireRun *run = g_ptr_array_index (runs, i);

      g_assert_cmpuint (run->n_posts, ==, 1);
      g_assert_cmpuint (run->n_patches, <=, 1);
    }
  test_server_assert_conformant (fixture->server);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_RETRIES), >, 0);
}

/* --- 8 --------------------------------------------------------------------------------------- */

typedef struct
{
  const char *path;
  TestAnswer answer;
} InfoRow;

static const InfoRow info_rows[] = {
  { "404", { .status = 404, .body = "{\"detail\":\"Not Found\"}", .repeat = -1 } },
  { "500", { .status = 500, .repeat = -1 } },
  { "html",
    { .status = 200,
      .headers = "Content-Type: text/html",
      .body = "<html>Sign in</html>",
      .repeat = -1 } },
  { "empty-object", { .status = 200, .body = "{}", .repeat = -1 } },
  { "blank", { .status = 200, .body = " ", .repeat = -1 } },
  { "wrong-types",
    { .status = 200,
      .repeat = -1,
      .body =
          "{\"version\":[1],\"instance_flags\":\"yes\",\"batch_ingest_config\":{"
          "\"size_limit\":\"100\",\"size_limit_bytes\":{},\"use_multipart_endpoint\":\"no\"}}" } },
  { "negative-numbers",
    { .status = 200,
      .repeat = -1,
      .body = "{\"batch_ingest_config\":{\"size_limit\":-1,\"size_limit_bytes\":-20971520}}" } },
  { "huge-numbers",
    { .status = 200,
      .repeat = -1,
      .body =
          "{\"batch_ingest_config\":{\"size_limit\":1e300,\"size_limit_bytes\":99999999999999999999}}" } },
  { "hang", { .mode = TEST_ANSWER_HANG, .repeat = -1 } },
  { "reset", { .mode = TEST_ANSWER_RESET, .repeat = -1 } },
  { "endless",
    { .mode = TEST_ANSWER_SLOW_BODY,
      .status = 200,
      .body_length = 10 * 1024 * 1024,
      .repeat = -1 } },
  { "10-mb", { .status = 200, .body_length = 10 * 1024 * 1024, .repeat = -1 } },
};

static guint
count_info (TestServer *server)
{
  g_autoptr (GPtrArray) requests = test_server_dup_requests (server);
  guint n = 0;

  for (guint i = 0; i < requests->len; i++)
    n += test_request_is_info (g_ptr_array_index (requests, i));
  return n;
}

static gboolean
has_info (TestServer *server, gpointer data G_GNUC_UNUSED)
{
  return count_info (server) > 0;
}

/* Whatever it says, sending goes on, at once and by the defaults. */
static void
test_info (TestFixture *fixture, gconstpointer data)
{
  const InfoRow *row = data;
  gint64 start = g_get_monotonic_time ();

  g_test_message ("item 8: /info: %s", row->path);
  test_fixture_start (fixture);
  test_server_push (fixture->server, "/info", row->answer);
  for (guint i = 0; i < 3; i++)
    {
      /* fewer than what is sent without a flush */
      test_emit_many (fixture->exporter, 40);
      test_assert_flush (fixture->exporter, 40);
    }
  g_assert_cmpint (test_get_elapsed_ms (start), <, 3000 + test_get_slack_ms ());
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 120);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/multipart"), ==, 3);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
  g_assert_cmpuint (test_log_count (), ==, 0);

  /* Asked, and not again and again. libsoup repeats once what gets no answer on a connection that was
   * in use before. */
  g_assert_true (test_server_wait (fixture->server, has_info, NULL, TEST_TIMEOUT_MS));
  g_assert_cmpuint (count_info (fixture->server), <=,
                    row->answer.mode == TEST_ANSWER_RESET ? 2 : 1);
}

/* --- 9 --------------------------------------------------------------------------------------- */

/* Called in the server's thread. */
static gboolean
refuse_encoded_cb (TestRequest *request, TestAnswer *answer, gpointer data G_GNUC_UNUSED)
{
  if (test_request_get_header (request, "Content-Encoding") == NULL)
    return FALSE;
  answer->status = 415;
  return TRUE;
}

/* Without the boundary, which may be a new one. */
static char *
dup_without_boundary (TestRequest *request, GBytes *body)
{
  const char *type = test_request_get_header (request, "Content-Type");
  const char *boundary = strstr (type, "boundary=") + strlen ("boundary=");
  gsize size;
  const char *text = g_bytes_get_data (body, &size);
  g_autoptr (GString) string = g_string_new_len (text, (gssize) size);

  g_string_replace (string, boundary, "", 0);
  return g_strdup (string->str);
}

static void
test_compressed (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestRequest) encoded = NULL;
  g_autoptr (TestRequest) plain = NULL;
  g_autofree char *decoded_text = NULL;
  g_autofree char *plain_text = NULL;

  ITEM ("9", "the compressed body equals the uncompressed one after decoding");
  lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_GZIP);
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, refuse_encoded_cb, NULL);
  test_emit_many (fixture->exporter, 20);
  test_assert_flush (fixture->exporter, 20);

  encoded = test_get_request (fixture->server, 0);
  plain = test_get_request (fixture->server, 1);
  g_assert_cmpstr (test_request_get_header (encoded, "Content-Encoding"), ==, "gzip");
  g_assert_null (test_request_get_header (plain, "Content-Encoding"));
  g_assert_cmpuint (g_bytes_get_size (encoded->raw_body), <, g_bytes_get_size (plain->raw_body));
  decoded_text = dup_without_boundary (encoded, encoded->body);
  plain_text = dup_without_boundary (plain, plain->raw_body);
  g_assert_cmpstr (decoded_text, ==, plain_text);
}

/* --- 10 -------------------------------------------------------------------------------------- */

static gpointer
flush_thread (gpointer data)
{
  TestFixture *fixture = data;

  for (guint i = 0; i < 10; i++)
    {
      test_emit (fixture->exporter, "of a thread");
      g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
    }
  return NULL;
}

static void
test_flush_threads (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  GThread *threads[4];

  ITEM ("10", "flush from several threads");
  test_fixture_start (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("flush", flush_thread, fixture);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 10 * G_N_ELEMENTS (threads));
}

static void
test_flush_zero (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 start;
  g_autoptr (GError) error = NULL;

  ITEM ("10", "flush with timeout 0 returns at once, and sends all the same");
  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, 5);
  start = g_get_monotonic_time ();
  g_assert_false (lsobs_exporter_flush (fixture->exporter, 0, NULL, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_cmpint (test_get_elapsed_ms (start), <, test_get_slack_ms ());
  test_server_release (fixture->server);
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, 5));
}

#define URL_VARIABLE "CONFORMANCE_URL"

/* In a process of its own: a program that forgets to close its observer. */
static void
forget_to_close (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (TEST_KEY, TEST_PROJECT);
  LsobsObserver *observer;
  LsobsExporter *exporter;

  lsobs_config_set_api_url (config, g_getenv (URL_VARIABLE));
  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  observer = lsobs_observer_new (config, NULL);
  exporter = lsobs_observer_get_exporter (observer);
  test_emit (exporter, "under way");
  lsobs_exporter_flush (exporter, 0, NULL, NULL);
  g_assert_true (test_wait_counter (exporter, LSOBS_COUNTER_IN_FLIGHT, 1));
  test_emit (exporter, "waiting");
  exit (0);
}

static void
test_exit (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 start;

  ITEM ("10", "exit without close: the program ends, whatever the service does");
  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
  g_setenv (URL_VARIABLE, test_server_get_url (fixture->server), TRUE);
  start = g_get_monotonic_time ();
  g_test_trap_subprocess ("/conformance/subprocess/forget-to-close",
                          (guint64) TEST_TIMEOUT_MS * 1000, G_TEST_SUBPROCESS_DEFAULT);
  g_unsetenv (URL_VARIABLE);
  g_test_trap_assert_passed ();
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 5000 + test_get_slack_ms ());
}

#define ADD(path, data, test) \
 g_test_add ("/conformance/" path, TestFixture, data, test_fixture_set_up, test, \
             test_fixture_tear_down)
#define MODE(mode) GINT_TO_POINTER (LSOBS_INGEST_MODE_##mode)

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("1/headers/multipart", MODE (MULTIPART), test_headers);
  ADD ("1/headers/batch", MODE (BATCH), test_headers);
  ADD ("1/headers/runs", MODE (RUNS), test_headers);
  ADD ("2/multipart", NULL, test_multipart);
  ADD ("3/main-part", NULL, test_main_part);
  ADD ("4/dotted-order", NULL, test_place);
  ADD ("5/limits/operations/flush", NULL, test_limit_ops);
  ADD ("5/limits/operations/end", "end", test_limit_ops);
  ADD ("5/limits/bytes/flush", NULL, test_limit_bytes);
  ADD ("5/limits/bytes/end", "end", test_limit_bytes);
  ADD ("6/never-twice/multipart", MODE (MULTIPART), test_never_twice);
  ADD ("6/never-twice/batch", MODE (BATCH), test_never_twice);
  ADD ("6/never-twice/runs", MODE (RUNS), test_never_twice);
  for (guint i = 0; i < G_N_ELEMENTS (info_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/conformance/8/info/", info_rows[i].path, NULL);

      g_test_add (path, TestFixture, &info_rows[i], test_fixture_set_up, test_info,
                  test_fixture_tear_down);
    }
  ADD ("9/compressed", NULL, test_compressed);
  ADD ("10/flush/threads", NULL, test_flush_threads);
  ADD ("10/flush/timeout-0", NULL, test_flush_zero);
  ADD ("10/exit-without-close", NULL, test_exit);
  g_test_add_func ("/conformance/subprocess/forget-to-close", forget_to_close);

  return g_test_run ();
}
