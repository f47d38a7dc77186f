/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tests/lib/test-helpers.h"

/* What a check says of the service and the way to it. "lsobs doctor" has tests of each answer. */

static void
set_up (TestFixture *fixture, gconstpointer data)
{
  test_fixture_set_up (fixture, data);
  /* A question is no upload. */
  fixture->is_free = TRUE;
}

static JsonNode *
check (TestFixture *fixture, GCancellable *cancellable, GError **error)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;

  lsobs_client_check_async (fixture->config, cancellable, test_result_cb, &result);
  return lsobs_client_check_finish (test_result_wait (&result), error);
}

/* The report of the one place. (transfer none) */
static JsonObject *
get_place (JsonNode *report)
{
  JsonArray *places = json_node_get_array (report);

  g_assert_cmpuint (json_array_get_length (places), ==, 1);
  return json_array_get_object_element (places, 0);
}

static void
test_success (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) report = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (TestRequest) lookup = NULL;
  g_autoptr (TestRequest) ingest = NULL;
  JsonObject *place;
  JsonObject *info;

  test_server_push (fixture->server, "/sessions",
                    (TestAnswer){ .status = 200, .body = "[{\"name\":\"" TEST_PROJECT "\"}]" });
  report = check (fixture, NULL, &error);
  g_assert_no_error (error);
  place = get_place (report);
  g_assert_cmpstr (json_object_get_string_member (place, "api_url"), ==,
                   test_server_get_url (fixture->server));
  g_assert_cmpstr (json_object_get_string_member (place, "project"), ==, TEST_PROJECT);
  g_assert_true (json_object_get_boolean_member (place, "has_key"));
  g_assert_cmpstr (json_object_get_string_member (json_object_get_object_member (place, "proxy"),
                                                  "kind"),
                   ==, "none");
  info = json_object_get_object_member (place, "info");
  g_assert_cmpint (json_object_get_int_member (info, "status"), ==, 200);
  g_assert_true (json_object_get_null_member (info, "problem"));
  g_assert_cmpint (json_object_get_int_member (info, "clock_offset"), ==, 0);
  g_assert_cmpstr (json_object_get_string_member (info, "version"), ==, "0.12.1");
  g_assert_cmpint (json_object_get_int_member (info, "max_records"), ==, 100);
  g_assert_true (
      json_object_get_boolean_member (json_object_get_object_member (place, "lookup"), "found"));
  g_assert_cmpint (json_object_get_int_member (json_object_get_object_member (place, "ingest"),
                                               "status"),
                   ==, 202);
  lookup = test_get_request (fixture->server, 0);
  g_assert_cmpstr (lookup->path, ==, "/sessions?limit=1&name=" TEST_PROJECT);
  g_assert_cmpstr (test_request_get_header (lookup, "x-api-key"), ==, TEST_KEY);
  ingest = test_get_request (fixture->server, 1);
  g_assert_cmpstr (ingest->path, ==, "/runs/batch");
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 2);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 0);
}

/* A project with long statistics is found. */
static void
test_large_project (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *padding = g_strnfill (100000, 'x');
  g_autofree char *body =
      g_strconcat ("[{\"name\":\"" TEST_PROJECT "\",\"extra\":\"", padding, "\"}]", NULL);
  g_autoptr (JsonNode) report = NULL;
  g_autoptr (GError) error = NULL;

  test_server_push (fixture->server, "/sessions", (TestAnswer){ .status = 200, .body = body });
  report = check (fixture, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (
      json_object_get_boolean_member (json_object_get_object_member (get_place (report), "lookup"),
                                      "found"));
}

/* Nothing is tried a second time, and a refusal to wait does not keep the next request. */
static void
test_refusals (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) report = NULL;
  g_autoptr (GError) error = NULL;
  JsonObject *place;
  JsonObject *step;

  test_server_push (
      fixture->server, "/info",
      (TestAnswer){ .status = 429, .headers = "Retry-After: 3600", .body = "{}", .repeat = -1 });
  test_server_push (fixture->server, "/sessions",
                    (TestAnswer){ .status = 401, .body = "{\"detail\":\"" TEST_KEY "\"}" });
  test_server_push (fixture->server, "/runs/batch", (TestAnswer){ .status = 503 });
  report = check (fixture, NULL, &error);
  g_assert_no_error (error);
  place = get_place (report);
  step = json_object_get_object_member (place, "info");
  g_assert_cmpstr (json_object_get_string_member (step, "problem"), ==, "unavailable");
  step = json_object_get_object_member (place, "lookup");
  g_assert_cmpstr (json_object_get_string_member (step, "problem"), ==, "unauthorized");
  g_assert_null (strstr (json_object_get_string_member (step, "message"), TEST_KEY));
  step = json_object_get_object_member (place, "ingest");
  g_assert_cmpstr (json_object_get_string_member (step, "problem"), ==, "unavailable");
  g_assert_cmpint (json_object_get_int_member (step, "status"), ==, 503);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 2);
}

static void
test_absent (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) report = NULL;
  g_autoptr (GError) error = NULL;
  JsonObject *place;

  test_server_close_port (fixture->server);
  report = check (fixture, NULL, &error);
  g_assert_no_error (error);
  place = get_place (report);
  g_assert_cmpstr (json_object_get_string_member (json_object_get_object_member (place, "info"),
                                                  "problem"),
                   ==, "unreachable");
  g_assert_true (json_object_get_null_member (place, "lookup"));
  g_assert_true (json_object_get_null_member (place, "ingest"));
}

static void
test_replicas (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestServer) other = test_server_new ();
  g_autoptr (JsonNode) report = NULL;
  g_autoptr (GError) error = NULL;
  JsonArray *places;

  test_server_push (other, "/sessions", (TestAnswer){ .status = 200, .body = "[]" });
  lsobs_config_add_replica (fixture->config, test_server_get_url (fixture->server), TEST_KEY, "one",
                            NULL, LSOBS_REPLICA_ROLE_PRIMARY);
  lsobs_config_add_replica (fixture->config, test_server_get_url (other), TEST_KEY, "two", NULL,
                            LSOBS_REPLICA_ROLE_SECONDARY);
  report = check (fixture, NULL, &error);
  g_assert_no_error (error);
  places = json_node_get_array (report);
  g_assert_cmpuint (json_array_get_length (places), ==, 2);
  g_assert_cmpstr (json_object_get_string_member (json_array_get_object_element (places, 1),
                                                  "project"),
                   ==, "two");
  g_assert_cmpuint (test_server_count_requests (other, "/sessions"), ==, 1);
}

static void
test_errors (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) cancelled = NULL;
  g_autoptr (GError) invalid = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_null (check (fixture, cancellable, &cancelled));
  g_assert_error (cancelled, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  lsobs_config_set_api_url (fixture->config, "ftp://x");
  g_assert_null (check (fixture, NULL, &invalid));
  g_assert_error (invalid, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  test_fixture_assert_not_asked (fixture);
}

static gboolean
is_asked (gpointer server)
{
  return test_server_count_requests (server, "/sessions") == 1;
}

/* It ends at once, while an answer is missing. */
static void
test_cancel (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;

  test_server_push (fixture->server, "/sessions", (TestAnswer){ .mode = TEST_ANSWER_HANG });
  lsobs_client_check_async (fixture->config, cancellable, test_result_cb, &result);
  g_assert_true (test_wait_until (is_asked, fixture->server, TEST_TIMEOUT_MS));
  g_cancellable_cancel (cancellable);
  g_assert_null (lsobs_client_check_finish (test_result_wait (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

#define ADD(path, func) g_test_add (path, TestFixture, NULL, set_up, func, test_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/check/success", test_success);
  ADD ("/check/large-project", test_large_project);
  ADD ("/check/refusals", test_refusals);
  ADD ("/check/absent", test_absent);
  ADD ("/check/replicas", test_replicas);
  ADD ("/check/errors", test_errors);
  ADD ("/check/cancel", test_cancel);
  return g_test_run ();
}
