/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What was kept of failed traces is sent again, and nothing else is. */

#include "config.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/fork-helpers.h"
#include "tests/lib/once-service.h"

typedef struct
{
  TestFixture base;
  char *dir;           /* (owned) */
  LsobsClient *client; /* (owned) (nullable) */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  test_fixture_set_up (&fixture->base, data);
  fixture->dir = failed_traces_make_dir ();
  lsobs_config_set_failed_traces_dir (fixture->base.config, fixture->dir);
  lsobs_config_set_max_attempts (fixture->base.config, 3);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  if (fixture->client != NULL)
    g_assert_finalize_object (fixture->client);
  test_fixture_tear_down (&fixture->base, data);
  g_assert_false (test_log_contains (TEST_KEY));
  failed_traces_remove_dir (fixture->dir);
  g_free (fixture->dir);
}

static LsobsClient *
get_client (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  if (fixture->client == NULL)
    fixture->client = lsobs_client_new (fixture->base.config, &error);
  g_assert_no_error (error);

  return fixture->client;
}

/* Returns (transfer full) (nullable) the error. */
static GError *
replay_dir (Fixture *fixture, const char *dir, guint n_delivered, guint n_failed)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  GError *error = NULL;
  guint delivered = 99;
  guint failed = 99;
  gboolean done;

  lsobs_client_replay_async (get_client (fixture), dir, NULL, test_result_cb, &result);
  done = lsobs_client_replay_finish (fixture->client, test_result_wait (&result), &delivered,
                                     &failed, &error);
  g_assert_true (done == (error == NULL));
  g_assert_cmpuint (delivered, ==, n_delivered);
  g_assert_cmpuint (failed, ==, n_failed);

  return error;
}

static void
assert_replay (Fixture *fixture, guint n_delivered, guint n_failed)
{
  g_autoptr (GError) error = replay_dir (fixture, NULL, n_delivered, n_failed);

  g_assert_no_error (error);
}

static void
start_run (Fixture *fixture, LsobsRun **run, const char *name)
{
  g_autoptr (JsonNode) inputs = test_new_payload ("question");

  *run = lsobs_observer_start_run (fixture->base.observer, name, LSOBS_RUN_TYPE_CHAIN, inputs);
}

static void
flush_in_vain (Fixture *fixture)
{
  g_assert_false (lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL));
}

/* A trace of an agent and its two tools, which is lost in pieces. */
static void
lose_trace (Fixture *fixture)
{
  g_autoptr (JsonNode) outputs = test_new_payload ("answer");
  g_autoptr (LsobsRun) agent = NULL;
  g_autoptr (LsobsRun) tool = NULL;
  g_autoptr (LsobsRun) broken = NULL;

  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 405, .repeat = -1 });
  start_run (fixture, &agent, "agent");
  flush_in_vain (fixture);
  tool = lsobs_run_start_child (agent, "tool", LSOBS_RUN_TYPE_TOOL, NULL);
  flush_in_vain (fixture);
  lsobs_run_end (tool, outputs);
  broken = lsobs_run_start_child (agent, "broken", LSOBS_RUN_TYPE_TOOL, NULL);
  lsobs_run_fail_with_message (broken, "out of order");
  flush_in_vain (fixture);
  lsobs_run_end (agent, outputs);
  flush_in_vain (fixture);
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_DUMPED,
                                    test_get_total_dropped (fixture->base.exporter)));
  test_server_clear (fixture->base.server);
}

/* --- the way there and back ---------------------------------------------------------------- */

static const char trace[] = "agent chain ok\n"
                            "  tool tool ok\n"
                            "  broken tool error\n";

static void
test_round_trip (Fixture *fixture, gconstpointer data)
{
  LsobsIngestMode mode = (LsobsIngestMode) GPOINTER_TO_INT (data);
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (WireTree) kept = NULL;
  g_autofree char *text = NULL;
  g_autofree char *kept_text = NULL;
  g_autoptr (GPtrArray) names = NULL;
  guint n_requests;

  lsobs_config_set_ingest_mode (fixture->base.config, mode);
  test_fixture_start (&fixture->base);
  lose_trace (fixture);
  kept = failed_traces_build_tree (fixture->dir, test_server_get_url (fixture->base.server));
  kept_text = wire_tree_to_string (kept, WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS | WIRE_TREE_ERRORS);
  names = failed_traces_list (fixture->dir);

  assert_replay (fixture, names->len, 0);
  tree = test_server_build_tree (fixture->base.server);
  g_assert_true (wire_tree_check (tree, WIRE_TREE_CHECK_ALL, NULL));
  text = wire_tree_to_string (tree, WIRE_TREE_PLAIN);
  g_assert_cmpstr (text, ==, trace);
  g_free (text);
  text = wire_tree_to_string (tree, WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS | WIRE_TREE_ERRORS);
  g_assert_cmpstr (text, ==, kept_text);
  g_assert_cmpuint (failed_traces_count_entries (fixture->dir), ==, 0);
  n_requests = test_server_count_requests (fixture->base.server, NULL);
  g_assert_cmpuint (n_requests, ==, names->len);

  /* and that is all */
  assert_replay (fixture, 0, 0);
  g_assert_cmpuint (test_server_count_requests (fixture->base.server, NULL), ==, n_requests);
}

/* The observer's own client may do it, while the observer goes on. */
static void
test_own_client (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) names = NULL;

  test_fixture_start (&fixture->base);
  lose_trace (fixture);
  names = failed_traces_list (fixture->dir);
  fixture->client =
      g_object_ref (LSOBS_CLIENT (lsobs_exporter_get_transport (fixture->base.exporter)));
  test_emit_many (fixture->base.exporter, 20);
  assert_replay (fixture, names->len, 0);
  test_assert_flush (fixture->base.exporter, 20);
  g_clear_object (&fixture->client);
}

/* --- files --------------------------------------------------------------------------------- */

#define RUN \
 "{\"id\":\"019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4\",\"trace_id\":\"019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4\"," \
 "\"dotted_order\":\"20260301T093015250000Z019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4\"," \
 "\"name\":\"support-agent\",\"run_type\":\"chain\",\"session_name\":\"helpdesk\"," \
 "\"start_time\":\"2026-03-01T09:30:15.250000Z\",\"end_time\":\"2026-03-01T09:30:15.250000Z\"}"

#define BATCH "{\"post\":[" RUN "],\"patch\":[]}"

/* What the service's clients in Python and JavaScript write. */
static char *
make_python_text (const char *boundary)
{
  g_autofree char *body = g_strdup_printf ("--%s\r\n"
                                           "Content-Disposition: form-data; "
                                           "name=\"post.019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4\"\r\n"
                                           "Content-Type: application/json\r\n"
                                           "Content-Length: %u\r\n\r\n" RUN "\r\n--%s--\r\n",
                                           boundary, (guint) strlen (RUN), boundary);
  g_autofree char *base64 = g_base64_encode ((const guchar *) body, strlen (body));

  return g_strdup_printf (
      "{\"version\": 1, \"endpoint\": \"runs/multipart\", \"headers\": {\"Content-Type\": "
      "\"multipart/form-data; boundary=%s\"}, \"body_base64\": \"%s\"}",
      boundary, base64);
}

static char *
make_text (const char *endpoint, const char *encoding, const char *body)
{
  g_autofree char *base64 = g_base64_encode ((const guchar *) body, strlen (body));

  return g_strdup_printf ("{\"version\":1,\"endpoint\":\"%s\",\"headers\":{\"Content-Type\":"
                          "\"application/json\"%s},\"body_base64\":\"%s\"}",
                          endpoint, encoding, base64);
}

static void
write_batch (Fixture *fixture, const char *name)
{
  g_autofree char *text = make_text ("runs/batch", "", BATCH);

  failed_traces_write (fixture->dir, name, text);
}

static void
test_foreign (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *python = make_python_text ("0123456789abcdef0123456789abcdef");
  g_autofree char *js = make_python_text ("----LangSmithFormBoundaryak8sso76b4w");
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (TestRequest) request = NULL;

  failed_traces_write (fixture->dir, "trace_1772357415.250000_0a1b2c3d.json", python);
  failed_traces_write (fixture->dir, "trace_1772357415250_0a1b2c3d.json", js);
  assert_replay (fixture, 2, 0);
  tree = test_server_build_tree (fixture->base.server);
  g_assert_nonnull (wire_tree_find (tree, "support-agent"));
  request = test_get_request (fixture->base.server, 0);
  g_assert_cmpstr (request->method, ==, "POST");
  g_assert_cmpstr (request->path, ==, "/runs/multipart");
  g_assert_cmpstr (test_request_get_header (request, "Content-Type"), ==,
                   "multipart/form-data; boundary=0123456789abcdef0123456789abcdef");
  g_assert_cmpstr (test_request_get_header (request, "x-api-key"), ==, TEST_KEY);
  g_assert_null (test_request_get_header (request, "Content-Encoding"));
  g_assert_cmpuint (failed_traces_count_entries (fixture->dir), ==, 0);
  /* the same was sent twice, as it should */
  fixture->base.is_free = TRUE;
}

/* What is compressed goes as it is. */
static void
test_encoded (Fixture *fixture, gconstpointer data)
{
  const char *encoding = data;
  g_autofree char *header = g_strdup_printf (",\"Content-Encoding\":\"%s\"", encoding);
  g_autofree char *text = make_text ("runs/batch", header, "packed");
  g_autoptr (TestRequest) request = NULL;

  failed_traces_write (fixture->dir, "trace_1.000000_00000000.json", text);
  assert_replay (fixture, 1, 0);
  request = test_get_request (fixture->base.server, 0);
  g_assert_cmpstr (test_request_get_header (request, "Content-Encoding"), ==, encoding);
  g_assert_cmpmem (g_bytes_get_data (request->raw_body, NULL), g_bytes_get_size (request->raw_body),
                   "packed", 6);
  fixture->base.is_free = TRUE;
}

/* The workspace is that of the client, the headers are no others. */
static void
test_headers (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char workspace[] = "11111111-2222-4333-8444-555555555555";
  g_autofree char *text = make_text ("runs/batch",
                                     ",\"Host\":\"evil.example\",\"x-api-key\":\"other\","
                                     "\"X-Tenant-Id\":\"other\",\"Cookie\":\"a=b\"",
                                     BATCH);
  g_autoptr (TestRequest) request = NULL;

  lsobs_config_set_workspace_id (fixture->base.config, workspace);
  failed_traces_write (fixture->dir, "trace_1.000000_00000000.json", text);
  assert_replay (fixture, 1, 0);
  request = test_get_request (fixture->base.server, 0);
  g_assert_cmpstr (test_request_get_header (request, "x-api-key"), ==, TEST_KEY);
  g_assert_cmpstr (test_request_get_header (request, "X-Tenant-Id"), ==, workspace);
  g_assert_null (test_request_get_header (request, "Cookie"));
  g_assert_true (g_str_has_prefix (test_request_get_header (request, "Host"), "127.0.0.1:"));
}

/* Files that are none of ours, and such as mean no good. */
static void
test_garbage (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const garbage[] = {
    "",
    "{}",
    "[]",
    "garbage",
    "{\"version\":1}",
    "{\"version\":1,\"endpoint\":\"http://evil.example/runs\",\"headers\":{\"Content-Type\":"
    "\"application/json\"},\"body_base64\":\"e30=\"}",
    "{\"version\":1,\"endpoint\":\"runs\\r\\nX-Evil: 1\",\"headers\":{\"Content-Type\":"
    "\"application/json\"},\"body_base64\":\"e30=\"}",
    "{\"version\":1,\"endpoint\":\"runs\",\"headers\":{\"Content-Type\":"
    "\"application/json\\r\\nX-Evil: 1\"},\"body_base64\":\"e30=\"}",
    "{\"version\":1,\"endpoint\":\"runs\",\"headers\":{\"Content-Type\":"
    "\"application/json\"},\"body_base64\":\"???\"}",
  };
  g_autofree char *outside = g_build_filename (fixture->dir, "outside", NULL);
  g_autofree char *link = g_build_filename (fixture->dir, "trace_2.000000_00000000.json", NULL);
  g_autofree char *folder = g_build_filename (fixture->dir, "trace_3.000000_00000000.json", NULL);
  g_autofree char *pipe = g_build_filename (fixture->dir, "trace_4.000000_00000000.json", NULL);
  g_autofree char *large = g_build_filename (fixture->dir, "trace_5.000000_00000000.json", NULL);
  g_autofree char *good = make_text ("runs/batch", "", BATCH);
  g_autoptr (GPtrArray) names = NULL;
  guint n_entries;

  for (guint i = 0; i < G_N_ELEMENTS (garbage); i++)
    {
      g_autofree char *name = g_strdup_printf ("trace_1.%06u_00000000.json", i);

      failed_traces_write (fixture->dir, name, garbage[i]);
    }
  /* a link to something that would do, a directory, a pipe, and one that is too large to be read */
  failed_traces_write (fixture->dir, "outside", good);
  g_assert_cmpint (symlink (outside, link), ==, 0);
  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  g_assert_cmpint (mkfifo (pipe, 0600), ==, 0);
  failed_traces_write (fixture->dir, "trace_5.000000_00000000.json", good);
  g_assert_cmpint (truncate (large, (off_t) 141 * 1024 * 1024), ==, 0);
  /* and one that is as it should, at the end */
  write_batch (fixture, "trace_6.000000_00000000.json");
  /* these look like failed traces from afar only */
  failed_traces_write (fixture->dir, ".trace_7.000000_00000000.json", good);
  failed_traces_write (fixture->dir, "trace_8.000000_00000000.json.bak", good);

  n_entries = failed_traces_count_entries (fixture->dir);
  assert_replay (fixture, 1, G_N_ELEMENTS (garbage) + 4);
  g_assert_cmpuint (test_server_count_requests (fixture->base.server, NULL), ==, 1);
  g_assert_cmpuint (failed_traces_count_entries (fixture->dir), ==, n_entries - 1);
  g_assert_true (g_file_test (link, G_FILE_TEST_IS_SYMLINK));
  failed_traces_assert_size (outside, strlen (good));
}

/* --- what the service says ----------------------------------------------------------------- */

typedef struct
{
  const char *path;
  guint status;
  const char *body;
  guint n_requests; /* for three files, when the first is met with this for ever */
  guint n_delivered;
  guint n_failed;
  int code; /* LsobsError, or -1 */
} Row;

static const Row rows[] = {
  { "409", 409, NULL, 4, 3, 0, -1 }, /* the end of its run comes as an update */
  { "400", 400, NULL, 3, 2, 1, -1 },
  { "413", 413, NULL, 3, 2, 1, -1 },
  { "422", 422, NULL, 3, 2, 1, -1 },
  { "415", 415, NULL, 3, 2, 1, -1 },
  { "401", 401, NULL, 1, 0, 1, LSOBS_ERROR_UNAUTHORIZED },
  { "403", 403, NULL, 1, 0, 1, LSOBS_ERROR_UNAUTHORIZED },
  { "302", 302, NULL, 1, 0, 1, LSOBS_ERROR_REDIRECTED },
  { "quota", 429, "monthly", 1, 0, 1, LSOBS_ERROR_QUOTA },
  { "hour", 429, "hourly", 1, 0, 1, LSOBS_ERROR_LIMITED },
  { "503", 503, NULL, 3, 0, 1, LSOBS_ERROR_UNAVAILABLE },
  { "429", 429, NULL, 3, 0, 1, LSOBS_ERROR_UNAVAILABLE },
};

static void
test_answers (Fixture *fixture, gconstpointer data)
{
  const Row *row = data;
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GError) error = NULL;

  write_batch (fixture, "trace_1.000000_00000000.json");
  write_batch (fixture, "trace_2.000000_00000000.json");
  write_batch (fixture, "trace_3.000000_00000000.json");
  test_server_push (fixture->base.server, NULL,
                    (TestAnswer){ .status = row->status,
                                  .body = row->body,
                                  .repeat = row->code == LSOBS_ERROR_UNAVAILABLE ? 3 : 1 });
  error = replay_dir (fixture, NULL, row->n_delivered, row->n_failed);
  if (row->code >= 0)
    g_assert_error (error, LSOBS_ERROR, row->code);
  else
    g_assert_no_error (error);
  g_assert_cmpuint (test_server_count_requests (fixture->base.server, NULL), ==, row->n_requests);
  names = failed_traces_list (fixture->dir);
  g_assert_cmpuint (names->len, ==, 3 - row->n_delivered);
  if (names->len > 0)
    g_assert_cmpstr (g_ptr_array_index (names, 0), ==, "trace_1.000000_00000000.json");

  /* another time */
  assert_replay (fixture, names->len, 0);
  g_assert_cmpuint (failed_traces_count_entries (fixture->dir), ==, 0);
  fixture->base.is_free = TRUE;
}

/* One endpoint is not there: what goes to the other one is sent. */
static void
test_missing_endpoint (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *multipart = make_python_text ("0123456789abcdef0123456789abcdef");
  g_autofree char *feedback = make_text ("feedback", "", "{}");
  g_autoptr (GError) error = NULL;

  failed_traces_write (fixture->dir, "trace_1.000000_00000000.json", multipart);
  failed_traces_write (fixture->dir, "trace_2.000000_00000000.json", multipart);
  write_batch (fixture, "trace_3.000000_00000000.json");
  failed_traces_write (fixture->dir, "trace_4.000000_00000000.json", feedback);
  failed_traces_write (fixture->dir, "trace_5.000000_00000000.json", feedback);
  test_server_push (fixture->base.server, "/runs/multipart",
                    (TestAnswer){ .status = 404, .repeat = -1 });
  /* this is about one run, and no other */
  test_server_push (fixture->base.server, "/feedback", (TestAnswer){ .status = 404 });
  test_server_push (fixture->base.server, "/feedback", (TestAnswer){ .status = 202 });
  error = replay_dir (fixture, NULL, 2, 3);
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_NOT_FOUND);
  g_assert_cmpuint (test_server_count_requests (fixture->base.server, "/runs/multipart"), ==, 1);
  g_assert_cmpuint (test_server_count_requests (fixture->base.server, "/runs/batch"), ==, 1);
  g_assert_cmpuint (failed_traces_count_entries (fixture->dir), ==, 3);
  fixture->base.is_free = TRUE;
}

#define ENDED "01924f6e-2a3b-7c4d-8e5f-60718293a4b5"

/* The service has a run, and does not take its end: the file that has the end stays. */
static void
test_end_refused (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *text =
      make_text ("runs", "",
                 "{\"id\":\"" ENDED "\",\"name\":\"run\",\"run_type\":\"chain\","
                 "\"start_time\":\"2026-03-01T09:30:15.000000Z\","
                 "\"end_time\":\"2026-03-01T09:30:16.000000Z\"}");
  g_autoptr (GError) error = NULL;

  failed_traces_write (fixture->dir, "trace_1.000000_00000000.json", text);
  test_server_push (fixture->base.server, "/runs", (TestAnswer){ .status = 409 });
  test_server_push (fixture->base.server, "/runs/" ENDED, (TestAnswer){ .status = 404 });
  error = replay_dir (fixture, NULL, 0, 1);
  g_assert_no_error (error);
  g_assert_cmpuint (test_server_count_requests (fixture->base.server, "/runs/" ENDED), ==, 1);
  g_assert_cmpuint (failed_traces_count_entries (fixture->dir), ==, 1);
  fixture->base.is_free = TRUE;
}

static void
test_retried (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 start = g_get_monotonic_time ();

  write_batch (fixture, "trace_1.000000_00000000.json");
  write_batch (fixture, "trace_2.000000_00000000.json");
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 500 });
  test_server_push (fixture->base.server, NULL,
                    (TestAnswer){ .status = 429, .headers = "Retry-After: 1" });
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .mode = TEST_ANSWER_WHOLE });
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 503 });
  assert_replay (fixture, 2, 0);
  g_assert_cmpint (test_get_elapsed_ms (start), >=, 999);
  g_assert_cmpuint (test_server_count_requests (fixture->base.server, NULL), ==, 5);
  fixture->base.is_free = TRUE;
}

static void
test_nobody_there (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *url = NULL;
  g_autoptr (GSocket) socket = test_refusing_socket_new (&url);
  g_autoptr (GError) error = NULL;

  lsobs_config_set_api_url (fixture->base.config, url);
  write_batch (fixture, "trace_1.000000_00000000.json");
  write_batch (fixture, "trace_2.000000_00000000.json");
  error = replay_dir (fixture, NULL, 0, 1);
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_UNREACHABLE);
  g_assert_cmpuint (failed_traces_count_entries (fixture->dir), ==, 2);
}

/* --- files of several runs ------------------------------------------------------------------ */

#define N_RUNS 11

static char *
make_id (guint i)
{
  return g_strdup_printf ("019ca8bb-f152-7a10-8c3e-5b7d2f90a1%02x", i);
}

/* Returns: (transfer full): a run that is not in any other file */
static char *
make_run (guint i)
{
  g_autofree char *id = make_id (i);

  return g_strdup_printf (
      "{\"id\":\"%s\",\"trace_id\":\"%s\",\"dotted_order\":\"20260301T093015250000Z%s\","
      "\"name\":\"run-%u\",\"run_type\":\"chain\",\"session_name\":\"helpdesk\","
      "\"start_time\":\"2026-03-01T09:30:15.250000Z\",\"end_time\":\"2026-03-01T09:30:15.250000Z\"}",
      id, id, id, i);
}

/* What the service's client in Python writes of a batch: fields and attachments are parts of their
 * own. */
static char *
make_multipart (void)
{
  g_autoptr (GString) body = g_string_new (NULL);
  g_autofree char *base64 = NULL;

  for (guint i = 0; i < N_RUNS; i++)
    {
      g_autofree char *run = make_run (i);
      g_autofree char *id = make_id (i);

      g_string_append_printf (
          body,
          "--edge\r\nContent-Disposition: form-data; name=\"post.%s\"\r\n"
          "Content-Type: application/json\r\nContent-Length: %u\r\n\r\n%s\r\n"
          "--edge\r\nContent-Disposition: form-data; name=\"post.%s.inputs\"\r\n"
          "Content-Type: application/json\r\nContent-Length: 9\r\n\r\n"
          "{\"n\":%3u}\r\n",
          id, (guint) strlen (run), run, id, i);
    }
  for (guint i = 0; i < N_RUNS; i += 4)
    {
      g_autofree char *id = make_id (i);

      g_string_append_printf (
          body,
          "--edge\r\nContent-Disposition: form-data; name=\"attachment.%s.picture\"\r\n"
          "Content-Type: image/png\r\nContent-Length: 6\r\n\r\n-edge-\r\n",
          id);
    }
  g_string_append (body, "--edge--\r\n");
  base64 = g_base64_encode ((const guchar *) body->str, body->len);
  return g_strdup_printf (
      "{\"version\": 1, \"endpoint\": \"runs/multipart\", \"headers\": {\"Content-Type\": "
      "\"multipart/form-data; boundary=edge\"}, \"body_base64\": \"%s\"}",
      base64);
}

static char *
make_runs_batch (void)
{
  g_autoptr (GString) body = g_string_new ("{\"post\":[");

  for (guint i = 0; i < N_RUNS; i++)
    {
      g_autofree char *run = make_run (i);

      g_string_append_printf (body, "%s%s", i > 0 ? "," : "", run);
    }
  g_string_append (body, "],\"patch\":[]}");
  return make_text ("runs/batch", "", body->str);
}

/* The service has some of the runs of a file: the others are sent, and none twice. */
static void
test_conflict (Fixture *fixture, gconstpointer data)
{
  g_autoptr (OnceService) service = once_service_new ();
  g_autofree char *text = data != NULL ? make_multipart () : make_runs_batch ();
  g_autoptr (WireTree) tree = NULL;
  WireRun *run;

  for (guint i = 1; i < N_RUNS; i += 3)
    {
      g_autofree char *id = make_id (i);

      once_service_add (service, id);
    }
  test_server_set_handler (fixture->base.server, once_service_answer_cb, service);
  failed_traces_write (fixture->dir, "trace_1.000000_00000000.json", text);
  write_batch (fixture, "trace_2.000000_00000000.json");
  assert_replay (fixture, 2, 0);
  g_assert_cmpuint (once_service_count (service), ==, N_RUNS + 1);
  g_assert_cmpuint (failed_traces_count_entries (fixture->dir), ==, 0);
  tree = test_server_build_tree (fixture->base.server);
  run = wire_tree_find (tree, "run-8");
  g_assert_nonnull (run);
  if (data != NULL)
    {
      g_assert_cmpint (json_node_get_int (wire_run_get (run, "inputs.n")), ==, 8);
      g_assert_cmpuint (run->attachments->len, ==, 1);
    }
  test_server_set_handler (fixture->base.server, NULL, NULL);
  fixture->base.is_free = TRUE;
}

static gboolean
refuse_third (TestRequest *request, TestAnswer *answer, gpointer data)
{
  if (test_bytes_contain (request->body, "\"run-3\""))
    answer->status = 422;
  else
    return once_service_answer_cb (request, answer, data);
  return TRUE;
}

/* One of several is refused for good: the others are sent, and the file stays. */
static void
test_refused (Fixture *fixture, gconstpointer data)
{
  g_autoptr (OnceService) service = once_service_new ();
  g_autofree char *text = data != NULL ? make_multipart () : make_runs_batch ();

  test_server_set_handler (fixture->base.server, refuse_third, service);
  failed_traces_write (fixture->dir, "trace_1.000000_00000000.json", text);
  assert_replay (fixture, 0, 1);
  g_assert_cmpuint (once_service_count (service), ==, N_RUNS - 1);
  /* and when it is taken in the end, it alone is */
  test_server_switch (fixture->base.server, once_service_answer_cb, service);
  assert_replay (fixture, 1, 0);
  g_assert_cmpuint (once_service_count (service), ==, N_RUNS);
  test_server_set_handler (fixture->base.server, NULL, NULL);
  fixture->base.is_free = TRUE;
}

/* Two replays of one directory at once, as of two programs: one waits for the other. */
static void
test_two (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const guint n_files = 40;
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsClient) other = lsobs_client_new (fixture->base.config, &error);
  LsobsClient *clients[] = { get_client (fixture), other };
  TestResult results[2] = { TEST_RESULT_INIT, TEST_RESULT_INIT };
  guint sum = 0;

  g_assert_no_error (error);
  for (guint i = 0; i < n_files; i++)
    {
      g_autofree char *name = g_strdup_printf ("trace_%u.000000_00000000.json", i);

      write_batch (fixture, name);
    }
  for (guint i = 0; i < 2; i++)
    lsobs_client_replay_async (clients[i], NULL, NULL, test_result_cb, &results[i]);
  for (guint i = 0; i < 2; i++)
    {
      guint n_delivered;
      guint n_failed;

      g_assert_true (lsobs_client_replay_finish (clients[i], test_result_wait (&results[i]),
                                                 &n_delivered, &n_failed, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (n_failed, ==, 0);
      sum += n_delivered;
      test_result_clear (&results[i]);
    }
  g_assert_cmpuint (sum, ==, n_files);
  g_assert_cmpuint (test_server_count_requests (fixture->base.server, NULL), ==, n_files);
  fixture->base.is_free = TRUE;
}

/* --- directories --------------------------------------------------------------------------- */

static void
test_directories (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *missing = g_build_filename (fixture->dir, "missing", NULL);
  g_autofree char *file = g_build_filename (fixture->dir, "file", NULL);
  g_autoptr (GError) error = NULL;

  error = replay_dir (fixture, missing, 0, 0);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_clear_error (&error);
  failed_traces_write (fixture->dir, "file", "text");
  error = replay_dir (fixture, file, 0, 0);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_DIRECTORY);
  g_clear_error (&error);
  g_clear_object (&fixture->client);

  /* that of the config is made when it is needed */
  lsobs_config_set_failed_traces_dir (fixture->base.config, missing);
  assert_replay (fixture, 0, 0);
  /* and another one may be given */
  write_batch (fixture, "trace_1.000000_00000000.json");
  error = replay_dir (fixture, fixture->dir, 1, 0);
  g_assert_no_error (error);
  g_clear_object (&fixture->client);

  lsobs_config_set_failed_traces_dir (fixture->base.config, NULL);
  error = replay_dir (fixture, NULL, 0, 0);
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
}

/* --- cancellation, contexts ---------------------------------------------------------------- */

static void
test_cancelled_before (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;

  write_batch (fixture, "trace_1.000000_00000000.json");
  g_cancellable_cancel (cancellable);
  lsobs_client_replay_async (get_client (fixture), NULL, cancellable, test_result_cb, &result);
  g_assert_false (
      lsobs_client_replay_finish (fixture->client, test_result_wait (&result), NULL, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (test_server_count_requests (fixture->base.server, NULL), ==, 0);
  g_assert_cmpuint (failed_traces_count_entries (fixture->dir), ==, 1);
}

static gboolean
is_under_way (gpointer data)
{
  return test_server_count_requests (data, NULL) == 2;
}

/* While the second request is under way, or waits for another attempt. */
static void
test_cancelled (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;
  guint n_delivered = 0;
  gint64 start;

  write_batch (fixture, "trace_1.000000_00000000.json");
  write_batch (fixture, "trace_2.000000_00000000.json");
  write_batch (fixture, "trace_3.000000_00000000.json");
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 202 });
  if (data != NULL)
    test_server_push (fixture->base.server, NULL,
                      (TestAnswer){ .status = 429, .headers = "Retry-After: 60" });
  else
    test_server_push (fixture->base.server, NULL, (TestAnswer){ .mode = TEST_ANSWER_HANG });
  lsobs_client_replay_async (get_client (fixture), NULL, cancellable, test_result_cb, &result);
  g_assert_true (test_wait_until (is_under_way, fixture->base.server, TEST_TIMEOUT_MS));
  if (data != NULL)
    g_assert_true (test_log_wait ("Attempt 1 failed"));
  start = g_get_monotonic_time ();
  g_cancellable_cancel (cancellable);
  g_assert_false (lsobs_client_replay_finish (fixture->client, test_result_wait (&result),
                                              &n_delivered, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (test_get_elapsed_ms (start), <=, test_get_slack_ms ());
  g_assert_cmpuint (n_delivered, ==, 1);
  g_assert_cmpuint (failed_traces_count_entries (fixture->dir), ==, 2);
  fixture->base.is_free = TRUE;
}

typedef struct
{
  Fixture *fixture;
  GThread *thread; /* (unowned) that of the callback */
  guint n_delivered;
} ThreadData;

static void
noted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  ThreadData *data = user_data;

  g_assert_true (
      lsobs_client_replay_finish (LSOBS_CLIENT (source), result, &data->n_delivered, NULL, NULL));
  data->thread = g_thread_self ();
}

/* In a thread of the program's, with a context of its own. */
static gpointer
replay_thread (gpointer user_data)
{
  ThreadData *data = user_data;
  g_autoptr (GMainContext) context = g_main_context_new ();

  g_main_context_push_thread_default (context);
  lsobs_client_replay_async (data->fixture->client, NULL, NULL, noted_cb, data);
  while (data->thread == NULL)
    g_main_context_iteration (context, TRUE);
  g_main_context_pop_thread_default (context);

  return NULL;
}

/* Several at once, over the same files: each file goes once, or is found to be there already. */
static void
test_threads (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  ThreadData threads[4];
  GThread *handles[4];
  guint n_delivered = 0;

  for (guint i = 0; i < 30; i++)
    {
      g_autofree char *name = g_strdup_printf ("trace_%u.000000_00000000.json", i + 10);

      write_batch (fixture, name);
    }
  get_client (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    {
      threads[i] = (ThreadData){ fixture, NULL, 0 };
      handles[i] = g_thread_new ("replay", replay_thread, &threads[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    {
      g_thread_join (handles[i]);
      g_assert_true (threads[i].thread == handles[i]);
      n_delivered += threads[i].n_delivered;
    }
  g_assert_cmpuint (n_delivered, >=, 30);
  g_assert_cmpuint (failed_traces_count_entries (fixture->dir), ==, 0);
  fixture->base.is_free = TRUE;
}

/* The client may go while it is at work; the task holds it. */
static void
test_early_unref (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  LsobsClient *client = get_client (fixture);

  write_batch (fixture, "trace_1.000000_00000000.json");
  lsobs_client_replay_async (client, NULL, NULL, test_result_cb, &result);
  g_clear_object (&fixture->client);
  g_assert_true (lsobs_client_replay_finish (client, test_result_wait (&result), NULL, NULL, NULL));
}

static void
child_replay (RunFixture *run_fixture G_GNUC_UNUSED, gpointer data)
{
  Fixture *fixture = data;
  g_autoptr (GMainContext) context = g_main_context_new ();
  ThreadData thread = { fixture, NULL, 0 };

  g_main_context_push_thread_default (context);
  lsobs_client_replay_async (fixture->client, NULL, NULL, noted_cb, &thread);
  while (thread.thread == NULL)
    g_main_context_iteration (context, TRUE);
  child_assert (thread.n_delivered == 2);
}

/* A child can do it, too, after its parent has. */
static void
test_fork (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  RunFixture run_fixture = { .server = fixture->base.server };

  if (fork_skip ())
    return;
  write_batch (fixture, "trace_1.000000_00000000.json");
  assert_replay (fixture, 1, 0);
  write_batch (fixture, "trace_2.000000_00000000.json");
  write_batch (fixture, "trace_3.000000_00000000.json");
  fork_run (child_replay, &run_fixture, fixture);
  g_assert_cmpuint (failed_traces_count_entries (fixture->dir), ==, 0);
  fixture->base.is_free = TRUE;
}

static void
child_runs_context (RunFixture *run_fixture G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  fork_run_context (2 * fork_get_retry_delay ());
}

/* A child that runs the context of its parent does nothing of what the parent has begun.
 * @data: whether it waits for another attempt, or for the disk */
static void
test_fork_context (Fixture *fixture, gconstpointer data)
{
  RunFixture run_fixture = { .server = fixture->base.server };
  g_auto (TestResult) result = TEST_RESULT_INIT;
  guint n_delivered = 0;
  guint n_before = data != NULL ? 1 : 0;

  if (fork_skip ())
    return;
  lsobs_config_set_retry_delay (fixture->base.config, fork_get_retry_delay ());
  write_batch (fixture, "trace_1.000000_00000000.json");
  write_batch (fixture, "trace_2.000000_00000000.json");
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = data != NULL ? 503 : 202 });
  lsobs_client_replay_async (get_client (fixture), NULL, NULL, test_result_cb, &result);
  if (data != NULL)
    {
      while (!test_server_wait_requests (fixture->base.server, 1, 1))
        g_main_context_iteration (NULL, FALSE);
      g_assert_true (test_log_wait ("Attempt 1 failed"));
    }
  fork_run (child_runs_context, &run_fixture, NULL);
  g_assert_cmpuint (test_server_count_requests (fixture->base.server, NULL), ==, n_before);
  g_assert_true (lsobs_client_replay_finish (fixture->client, test_result_wait (&result),
                                             &n_delivered, NULL, NULL));
  g_assert_cmpuint (n_delivered, ==, 2);
  fixture->base.is_free = TRUE;
}

#define ADD(path, data, test) g_test_add (path, Fixture, data, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("/replay/round-trip/multipart", GINT_TO_POINTER (LSOBS_INGEST_MODE_MULTIPART),
       test_round_trip);
  ADD ("/replay/round-trip/batch", GINT_TO_POINTER (LSOBS_INGEST_MODE_BATCH), test_round_trip);
  ADD ("/replay/round-trip/runs", GINT_TO_POINTER (LSOBS_INGEST_MODE_RUNS), test_round_trip);
  ADD ("/replay/own-client", NULL, test_own_client);
  ADD ("/replay/foreign", NULL, test_foreign);
  ADD ("/replay/encoded/gzip", "gzip", test_encoded);
  ADD ("/replay/encoded/zstd", "zstd", test_encoded);
  ADD ("/replay/headers", NULL, test_headers);
  ADD ("/replay/garbage", NULL, test_garbage);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_strconcat ("/replay/answer/", rows[i].path, NULL);

      ADD (path, &rows[i], test_answers);
    }
  ADD ("/replay/missing-endpoint", NULL, test_missing_endpoint);
  ADD ("/replay/end-refused", NULL, test_end_refused);
  ADD ("/replay/retried", NULL, test_retried);
  ADD ("/replay/nobody-there", NULL, test_nobody_there);
  ADD ("/replay/conflict/multipart", GINT_TO_POINTER (TRUE), test_conflict);
  ADD ("/replay/conflict/batch", NULL, test_conflict);
  ADD ("/replay/refused/multipart", GINT_TO_POINTER (TRUE), test_refused);
  ADD ("/replay/refused/batch", NULL, test_refused);
  ADD ("/replay/two", NULL, test_two);
  ADD ("/replay/directories", NULL, test_directories);
  ADD ("/replay/cancelled/before", NULL, test_cancelled_before);
  ADD ("/replay/cancelled/under-way", NULL, test_cancelled);
  ADD ("/replay/cancelled/waiting", GINT_TO_POINTER (TRUE), test_cancelled);
  ADD ("/replay/threads", NULL, test_threads);
  ADD ("/replay/early-unref", NULL, test_early_unref);
  ADD ("/replay/fork", NULL, test_fork);
  ADD ("/replay/fork-context/disk", NULL, test_fork_context);
  ADD ("/replay/fork-context/retry", GINT_TO_POINTER (TRUE), test_fork_context);

  return g_test_run ();
}
