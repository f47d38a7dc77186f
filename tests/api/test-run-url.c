/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tests/lib/test-helpers.h"

/* Where people see a run, as the service says. */

#define RUN  "11111111-2222-7333-8444-555555555555"
#define PATH "/o/aaaaaaaa-2222-4333-8444-555555555555/projects/p/bbbbbbbb/r/" RUN "?trace_id=1"

static void
set_up (TestFixture *fixture, gconstpointer data)
{
  test_fixture_set_up (fixture, data);
  /* A question is no upload. */
  fixture->is_free = TRUE;
}

static char *
look_up (TestFixture *fixture, const char *id, GError **error)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (LsobsClient) client = lsobs_client_new (fixture->config, NULL);

  lsobs_client_lookup_run_url_async (client, id, NULL, test_result_cb, &result);
  return lsobs_client_lookup_run_url_finish (client, test_result_wait (&result), error);
}

static void
push (TestFixture *fixture, const char *body)
{
  test_server_push (fixture->server, "/runs/query", (TestAnswer){ .status = 200, .body = body });
}

#define FOUND "{\"runs\":[{\"id\":\"" RUN "\",\"app_path\":\"" PATH "\"}],\"cursors\":{}}"

/* With the key, by the id alone; the service needs a moment until it has the run. */
static void
test_found (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *expected = g_strconcat (test_server_get_url (fixture->server), PATH, NULL);
  g_autofree char *url = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (TestRequest) request = NULL;

  push (fixture, "{\"runs\":[],\"cursors\":{}}");
  test_server_push (fixture->server, "/runs/query", (TestAnswer){ .status = 503 });
  push (fixture, "{\"cursors\":{\"next\":null},\"runs\":[]}");
  push (fixture, FOUND);
  url = look_up (fixture, RUN, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (url, ==, expected);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/query"), ==, 4);
  request = test_get_request (fixture->server, 0);
  g_assert_cmpstr (request->method, ==, "POST");
  g_assert_cmpstr (test_request_get_header (request, "x-api-key"), ==, TEST_KEY);
  g_assert_true (test_bytes_contain (request->body, "\"id\":[\"" RUN "\"]"));
}

/* Of an observer, with the client that it has. */
static void
test_of_observer (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (LsobsRun) run = NULL;
  g_autofree char *id = NULL;
  g_autofree char *url = NULL;
  g_autoptr (GError) error = NULL;
  LsobsTransport *client;

  push (fixture, FOUND);
  client = lsobs_exporter_get_transport (test_fixture_start (fixture));
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_end (run, NULL);
  id = lsobs_run_dup_id (run);
  lsobs_client_lookup_run_url_async (LSOBS_CLIENT (client), id, NULL, test_result_cb, &result);
  url = lsobs_client_lookup_run_url_finish (LSOBS_CLIENT (client), test_result_wait (&result),
                                            &error);
  g_assert_no_error (error);
  g_assert_true (g_str_has_suffix (url, PATH));
  test_assert_flush (fixture->exporter, 1);
}

/* --- what goes wrong --- */

static void
test_absent (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  test_server_push (fixture->server, "/runs/query",
                    (TestAnswer){ .status = 200, .body = "{\"runs\":[]}", .repeat = -1 });
  g_assert_null (look_up (fixture, RUN, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, RUN));
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/query"), ==, 8);
}

/* The service asks to wait for longer than the lookup lasts.
 * @data: whether it has answered once before */
static void
test_put_off (TestFixture *fixture, gconstpointer data)
{
  guint n_absences = GPOINTER_TO_UINT (data);
  g_autoptr (GError) error = NULL;
  gint64 began = g_get_monotonic_time ();

  if (n_absences > 0)
    push (fixture, "{\"runs\":[]}");
  test_server_push (fixture->server, "/runs/query",
                    (TestAnswer){ .status = 429, .headers = "Retry-After: 60", .repeat = -1 });
  g_assert_null (look_up (fixture, RUN, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_UNAVAILABLE);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/query"), ==,
                    n_absences + 1);
  g_assert_cmpint (g_get_monotonic_time () - began, <, TEST_TIMEOUT_MS * 1000);
}

typedef struct
{
  const char *name;
  guint status;
  const char *body;
  LsobsError code;
} WrongRow;

static const WrongRow wrong_rows[] = {
  { "key", 401, "{\"detail\":\"no\"}", LSOBS_ERROR_UNAUTHORIZED },
  { "endpoint", 404, "{\"detail\":\"Not Found\"}", LSOBS_ERROR_NOT_FOUND },
  { "page", 200, "<html>", LSOBS_ERROR_FOREIGN },
  { "no-json", 200, "{\"runs\":", LSOBS_ERROR_FOREIGN },
  { "no-runs", 200, "{}", LSOBS_ERROR_FOREIGN },
  { "number", 200, "{\"runs\":[7]}", LSOBS_ERROR_FOREIGN },
  { "no-path", 200, "{\"runs\":[{\"id\":\"" RUN "\"}]}", LSOBS_ERROR_FOREIGN },
  { "other-host", 200, "{\"runs\":[{\"app_path\":\"//evil.example.com/\"}]}", LSOBS_ERROR_FOREIGN },
  { "host-suffix", 200, "{\"runs\":[{\"app_path\":\"@evil.example.com/\"}]}", LSOBS_ERROR_FOREIGN },
  { "control", 200, "{\"runs\":[{\"app_path\":\"/o/\\u001b[2J\"}]}", LSOBS_ERROR_FOREIGN },
  { "empty", 200, "{\"runs\":[{\"app_path\":\"\"}]}", LSOBS_ERROR_FOREIGN },
};

static void
test_wrong (TestFixture *fixture, gconstpointer data)
{
  const WrongRow *row = data;
  g_autoptr (GError) error = NULL;

  test_server_push (fixture->server, "/runs/query",
                    (TestAnswer){ .status = row->status, .body = row->body, .repeat = -1 });
  g_assert_null (look_up (fixture, RUN, &error));
  g_assert_error (error, LSOBS_ERROR, (int) row->code);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/query"), ==, 1);
}

static void
test_id (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (look_up (fixture, "\"],\"x\":[\"", &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN);
  test_fixture_assert_not_asked (fixture);
}

static gboolean
is_asked (TestServer *server, gpointer data G_GNUC_UNUSED)
{
  return test_server_count_requests (server, "/runs/query") == 1;
}

static void
test_cancel (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (LsobsClient) client = NULL;
  g_autoptr (GError) error = NULL;

  /* While it waits for the next question. */
  lsobs_config_set_retry_delay (fixture->config, 60000);
  client = lsobs_client_new (fixture->config, NULL);
  push (fixture, "{\"runs\":[]}");
  lsobs_client_lookup_run_url_async (client, RUN, cancellable, test_result_cb, &result);
  while (!is_asked (fixture->server, NULL) || g_main_context_pending (NULL))
    g_main_context_iteration (NULL, FALSE);
  g_cancellable_cancel (cancellable);
  g_assert_null (lsobs_client_lookup_run_url_finish (client, test_result_wait (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  /* Before it begins. */
  test_result_clear (&result);
  g_clear_error (&error);
  lsobs_client_lookup_run_url_async (client, RUN, cancellable, test_result_cb, &result);
  g_assert_null (lsobs_client_lookup_run_url_finish (client, test_result_wait (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

#define ADD(path, test) \
 g_test_add ("/run-url/" path, TestFixture, NULL, set_up, test, test_fixture_tear_down)

  ADD ("found", test_found);
  ADD ("of-observer", test_of_observer);
  ADD ("absent", test_absent);
  for (guint i = 0; i < 2; i++)
    g_test_add (i == 0 ? "/run-url/put-off/first" : "/run-url/put-off/later", TestFixture,
                GUINT_TO_POINTER (i), set_up, test_put_off, test_fixture_tear_down);
  ADD ("id", test_id);
  ADD ("cancel", test_cancel);
  TEST_ADD_FIXTURE_ROWS ("/run-url/wrong/", wrong_rows, name, TestFixture, set_up, test_wrong,
                         test_fixture_tear_down);

  return g_test_run ();
}
