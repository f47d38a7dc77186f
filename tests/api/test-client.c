/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a request looks like, and on which connection it goes. */

#include "config.h"

#include <string.h>

#include "tests/lib/test-helpers.h"

#define WORKSPACE "7f1d5a3e-0c52-4b8e-9f57-1f6f7a0e2b11"

/* --- one run in two requests, in every mode ------------------------------------------------ */

/* Sends a run's create, then its update. */
static void
send_run (TestFixture *fixture, char **id)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (JsonNode) inputs = test_new_payload ("in");
  g_autoptr (JsonNode) outputs = test_new_payload ("out");

  test_fixture_start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "chat", LSOBS_RUN_TYPE_LLM, inputs);
  *id = lsobs_run_dup_id (run);
  test_assert_flush (fixture->exporter, 1);
  lsobs_run_end (run, outputs);
  test_assert_flush (fixture->exporter, 1);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 2);
}

/* Checks what is the same in all requests. */
static TestRequest *
get_checked (TestFixture *fixture, guint index, const char *method, const char *path)
{
  g_autoptr (TestRequest) request = test_get_request (fixture->server, index);
  g_autofree char *length =
      g_strdup_printf ("%" G_GSIZE_FORMAT, g_bytes_get_size (request->raw_body));

  g_assert_cmpstr (request->method, ==, method);
  g_assert_cmpstr (request->path, ==, path);
  g_assert_cmpstr (test_request_get_header (request, "x-api-key"), ==, TEST_KEY);
  g_assert_cmpstr (test_request_get_header (request, "Accept"), ==, "application/json");
  g_assert_cmpstr (test_request_get_header (request, "Content-Length"), ==, length);
  g_assert_null (test_request_get_header (request, "Transfer-Encoding"));
  g_assert_null (test_request_get_header (request, "Authorization"));
  g_assert_null (test_request_get_header (request, "Cookie"));
  g_assert_true (g_str_has_prefix (test_request_get_header (request, "User-Agent"), "lsobs/"));
  g_assert_null (strchr (test_request_get_header (request, "User-Agent"), ' '));

  return g_steal_pointer (&request);
}

static void
assert_create (WireOp *op, const char *id)
{
  g_assert_cmpstr (op->op, ==, "post");
  g_assert_cmpstr (op->id, ==, id);
  g_assert_cmpstr (json_object_get_string_member (op->run, "name"), ==, "chat");
  g_assert_cmpstr (json_object_get_string_member (op->run, "run_type"), ==, "llm");
  g_assert_cmpstr (json_object_get_string_member (op->run, "session_name"), ==, TEST_PROJECT);
  g_assert_true (json_object_has_member (op->run, "start_time"));
  g_assert_true (json_object_has_member (op->run, "inputs"));
  g_assert_false (json_object_has_member (op->run, "outputs"));
  g_assert_false (json_object_has_member (op->run, "end_time"));
  g_assert_false (json_object_has_member (op->run, "error"));
}

/* Only what the end has brought, beside the identity. */
static void
assert_update (WireOp *op, const char *id)
{
  g_assert_cmpstr (op->op, ==, "patch");
  g_assert_cmpstr (op->id, ==, id);
  g_assert_true (json_object_has_member (op->run, "end_time"));
  g_assert_true (json_object_has_member (op->run, "outputs"));
  g_assert_false (json_object_has_member (op->run, "inputs"));
  g_assert_false (json_object_has_member (op->run, "error"));
  g_assert_false (json_object_has_member (op->run, "events"));
  g_assert_false (json_object_has_member (op->run, "tags"));
  g_assert_false (json_object_has_member (op->run, "extra"));
}

static void
test_mode_runs (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *id = NULL;
  g_autofree char *path = NULL;
  g_autoptr (TestRequest) create = NULL;
  g_autoptr (TestRequest) update = NULL;

  lsobs_config_set_ingest_mode (fixture->config, LSOBS_INGEST_MODE_RUNS);
  send_run (fixture, &id);
  path = g_strconcat ("/runs/", id, NULL);

  create = get_checked (fixture, 0, "POST", "/runs");
  g_assert_cmpstr (test_request_get_header (create, "x-idempotency-key"), ==, id);
  g_assert_cmpstr (test_request_get_header (create, "Content-Type"), ==, "application/json");
  g_assert_cmpuint (test_request_get_n_ops (create), ==, 1);
  assert_create (g_ptr_array_index (create->wire->ops, 0), id);

  update = get_checked (fixture, 1, "PATCH", path);
  g_assert_null (test_request_get_header (update, "x-idempotency-key"));
  g_assert_cmpstr (test_request_get_header (update, "Content-Type"), ==, "application/json");
  assert_update (g_ptr_array_index (update->wire->ops, 0), id);
  g_assert_false (
      json_object_has_member (((WireOp *) g_ptr_array_index (update->wire->ops, 0))->sent, "id"));
}

static void
check_bulk (TestFixture *fixture,
            const char *id,
            const char *path,
            const char *type,
            WireEndpoint endpoint)
{
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (TestRequest) request = get_checked (fixture, i, "POST", path);

      g_assert_null (test_request_get_header (request, "x-idempotency-key"));
      g_assert_true (g_str_has_prefix (test_request_get_header (request, "Content-Type"), type));
      g_assert_cmpint (request->wire->endpoint, ==, endpoint);
      g_assert_cmpuint (test_request_get_n_ops (request), ==, 1);
      if (i == 0)
        assert_create (g_ptr_array_index (request->wire->ops, 0), id);
      else
        assert_update (g_ptr_array_index (request->wire->ops, 0), id);
    }
}

static void
test_mode_batch (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *id = NULL;

  lsobs_config_set_ingest_mode (fixture->config, LSOBS_INGEST_MODE_BATCH);
  send_run (fixture, &id);
  check_bulk (fixture, id, "/runs/batch", "application/json", WIRE_ENDPOINT_BATCH);
}

/* Auto begins with multipart. */
static void
test_mode_multipart (TestFixture *fixture, gconstpointer data)
{
  g_autofree char *id = NULL;
  g_autoptr (TestRequest) first = NULL;
  g_autoptr (TestRequest) second = NULL;

  lsobs_config_set_ingest_mode (fixture->config, (LsobsIngestMode) GPOINTER_TO_INT (data));
  send_run (fixture, &id);
  check_bulk (fixture, id, "/runs/multipart",
              "multipart/form-data; boundary=", WIRE_ENDPOINT_MULTIPART);

  /* a new boundary each time */
  first = test_get_request (fixture->server, 0);
  second = test_get_request (fixture->server, 1);
  g_assert_cmpstr (test_request_get_header (first, "Content-Type"), !=,
                   test_request_get_header (second, "Content-Type"));
}

/* --- address and headers ------------------------------------------------------------------- */

static void
test_trailing_slashes (TestFixture *fixture, gconstpointer data)
{
  g_autofree char *url =
      g_strconcat (test_server_get_url (fixture->server), (const char *) data, NULL);
  g_autofree char *id = NULL;
  g_autoptr (TestRequest) request = NULL;
  gboolean is_below = strstr (data, "api") != NULL;

  lsobs_config_set_api_url (fixture->config, url);
  lsobs_config_set_ingest_mode (fixture->config, LSOBS_INGEST_MODE_RUNS);
  send_run (fixture, &id);
  request = get_checked (fixture, 0, "POST", is_below ? "/api/v1/runs" : "/runs");
}

static void
test_workspace (TestFixture *fixture, gconstpointer data)
{
  const char *workspace = data;
  g_autofree char *id = NULL;

  lsobs_config_set_workspace_id (fixture->config, workspace);
  send_run (fixture, &id);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (TestRequest) request = test_get_request (fixture->server, i);

      g_assert_cmpstr (test_request_get_header (request, "X-Tenant-Id"), ==, workspace);
    }
}

/* A service on this machine may go without a key. */
static void
test_no_key (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestRequest) request = NULL;

  fixture->is_free = TRUE;
  lsobs_config_set_api_key (fixture->config, NULL);
  test_fixture_start (fixture);
  test_emit (fixture->exporter, "run");
  test_assert_flush (fixture->exporter, 1);

  request = test_get_request (fixture->server, 0);
  g_assert_null (test_request_get_header (request, "x-api-key"));
}

/* The config was copied: it may change without any effect. */
static void
test_config_is_copied (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestRequest) request = NULL;

  test_fixture_start (fixture);
  lsobs_config_set_api_key (fixture->config, "other-key");
  lsobs_config_set_api_url (fixture->config, "https://example.invalid");
  test_emit (fixture->exporter, "run");
  test_assert_flush (fixture->exporter, 1);

  request = test_get_request (fixture->server, 0);
  g_assert_cmpstr (test_request_get_header (request, "x-api-key"), ==, TEST_KEY);
}

static void
test_bytes_sent (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gsize n_bytes = 0;

  lsobs_config_set_max_batch_size (fixture->config, 3);
  test_fixture_start (fixture);
  test_emit_many (fixture->exporter, 8);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));

  for (guint i = 0; i < test_server_count_requests (fixture->server, NULL); i++)
    {
      g_autoptr (TestRequest) request = test_get_request (fixture->server, i);

      g_assert_cmpuint (test_request_get_n_ops (request), <=, 3);
      n_bytes += g_bytes_get_size (request->raw_body);
    }
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_BYTES_SENT), ==, n_bytes);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_REQUESTS), ==,
                    test_server_count_requests (fixture->server, NULL));
}

/* --- connections --------------------------------------------------------------------------- */

/* However many requests there are, as many connections as may be in flight, and one for the question
 * what the service can do. */
static void
test_keep_alive (TestFixture *fixture, gconstpointer data)
{
  guint max_in_flight = GPOINTER_TO_UINT (data);

  lsobs_config_set_max_batch_size (fixture->config, 1);
  lsobs_config_set_max_in_flight (fixture->config, max_in_flight);
  test_fixture_start (fixture);
  test_emit_many (fixture->exporter, 60);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  test_emit_many (fixture->exporter, 20);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));

  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 80);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 80);
  g_assert_cmpuint (test_server_count_connections (fixture->server), <=, max_in_flight + 1);
}

static guint
count_open (TestServer *server)
{
  g_autoptr (GPtrArray) requests = test_server_dup_ingest (server);
  guint n = 0;

  for (guint i = 0; i < requests->len; i++)
    n += test_request_get_status (g_ptr_array_index (requests, i)) == 0;

  return n;
}

/* A service that is slow to answer never has more requests than it may have. */
static void
test_max_in_flight (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_max_batch_size (fixture->config, 1);
  lsobs_config_set_max_in_flight (fixture->config, 3);
  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, 10);
  g_assert_true (test_server_wait_requests (fixture->server, 3, TEST_TIMEOUT_MS));

  /* whatever would be sent beyond has its chance */
  g_assert_false (lsobs_exporter_flush (fixture->exporter, 50, NULL, NULL));
  g_assert_cmpuint (count_open (fixture->server), ==, 3);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_IN_FLIGHT), ==, 3);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, 7);

  test_server_release (fixture->server);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, 10);
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, test_fixture_set_up, test, test_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("/client/mode/runs", NULL, test_mode_runs);
  ADD ("/client/mode/batch", NULL, test_mode_batch);
  ADD ("/client/mode/multipart", GINT_TO_POINTER (LSOBS_INGEST_MODE_MULTIPART),
       test_mode_multipart);
  ADD ("/client/mode/auto", GINT_TO_POINTER (LSOBS_INGEST_MODE_AUTO), test_mode_multipart);
  ADD ("/client/url/slash", "/", test_trailing_slashes);
  ADD ("/client/url/slashes", "///", test_trailing_slashes);
  ADD ("/client/url/path", "/api/v1", test_trailing_slashes);
  ADD ("/client/url/path-and-slashes", "/api/v1//", test_trailing_slashes);
  ADD ("/client/header/workspace", WORKSPACE, test_workspace);
  ADD ("/client/header/no-workspace", NULL, test_workspace);
  ADD ("/client/header/no-key", NULL, test_no_key);
  ADD ("/client/config-is-copied", NULL, test_config_is_copied);
  ADD ("/client/bytes-sent", NULL, test_bytes_sent);
  ADD ("/client/keep-alive/one", GUINT_TO_POINTER (1), test_keep_alive);
  ADD ("/client/keep-alive/four", GUINT_TO_POINTER (4), test_keep_alive);
  ADD ("/client/max-in-flight", NULL, test_max_in_flight);

  return g_test_run ();
}
