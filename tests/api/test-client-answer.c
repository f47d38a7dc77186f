/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What answers mean that are neither a plain yes nor a reason to try again: conflicts, missing
 * endpoints, redirects, and bodies that nobody asked for. */

#include "config.h"

#include <string.h>

#include "tests/lib/test-helpers.h"

/* --- 409 ----------------------------------------------------------------------------------- */

static void
test_conflict_single (TestFixture *fixture, gconstpointer data)
{
  lsobs_config_set_ingest_mode (fixture->config, (LsobsIngestMode) GPOINTER_TO_INT (data));
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 409, .repeat = -1 });
  test_emit (fixture->exporter, "run");
  test_assert_flush (fixture->exporter, 1);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 1);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
}

/* Called in the server's thread. */
static gboolean
conflict_with_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  if (!test_bytes_contain (request->body, data))
    return FALSE;
  answer->status = 409;

  return TRUE;
}

static void
assert_all_alone_or_accepted (TestServer *server, guint n_runs)
{
  g_autoptr (GPtrArray) requests = test_server_dup_ingest (server);
  guint n_settled = 0;

  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);
      guint n_ops = test_request_get_n_ops (request);

      /* a conflict of many says nothing of each */
      if (test_request_get_status (request) == 202 || n_ops == 1)
        n_settled += n_ops;
    }
  g_assert_cmpuint (n_settled, ==, n_runs);
}

/* One of eight was there already: the others are found out and sent. */
static char run_5[] = "\"run-5\"";

static void
test_conflict_batch (TestFixture *fixture, gconstpointer data)
{
  lsobs_config_set_ingest_mode (fixture->config, (LsobsIngestMode) GPOINTER_TO_INT (data));
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, conflict_with_cb, run_5);
  test_emit_many (fixture->exporter, 8);
  test_assert_flush (fixture->exporter, 8);
  assert_all_alone_or_accepted (fixture->server, 8);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 7);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
}

/* After a retry a conflict tells that the first attempt had come through. */
static void
test_conflict_after_retry (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 502 });
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 409, .repeat = -1 });
  test_emit_many (fixture->exporter, 8);
  test_assert_flush (fixture->exporter, 8);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 2);
}

/* After one that the service did not even look at, it tells no more than at first. */
static void
test_conflict_after_busy (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 429 });
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 409 });
  test_emit_many (fixture->exporter, 8);
  test_assert_flush (fixture->exporter, 8);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 4);
}

/* --- 404 ----------------------------------------------------------------------------------- */

/* There is nothing left to update. */
static void
test_missing_on_update (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;

  lsobs_config_set_ingest_mode (fixture->config, LSOBS_INGEST_MODE_RUNS);
  test_fixture_start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  test_assert_flush (fixture->exporter, 1);
  test_server_push (fixture->server, "/runs/", (TestAnswer){ .status = 404 });
  lsobs_run_end (run, NULL);
  test_assert_flush (fixture->exporter, 1);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 2);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
}

static LsobsIngestMode
get_mode (TestFixture *fixture)
{
  return lsobs_client_get_ingest_mode (
      LSOBS_CLIENT (lsobs_exporter_get_transport (fixture->exporter)));
}

/* The best endpoint that there is, found once. */
static void
test_fall_back (TestFixture *fixture, gconstpointer data)
{
  LsobsIngestMode mode = (LsobsIngestMode) GPOINTER_TO_INT (data);
  guint n_runs = 0;

  lsobs_config_set_max_in_flight (fixture->config, 1);
  test_fixture_start (fixture);
  g_assert_cmpint (get_mode (fixture), ==, LSOBS_INGEST_MODE_MULTIPART);
  test_server_push (fixture->server, "/runs/multipart",
                    (TestAnswer){ .status = 404, .repeat = -1 });
  if (mode == LSOBS_INGEST_MODE_RUNS)
    test_server_push (fixture->server, "/runs/batch", (TestAnswer){ .status = 404, .repeat = -1 });

  for (guint i = 0; i < 3; i++, n_runs += 10)
    {
      test_emit_many (fixture->exporter, 10);
      test_assert_flush (fixture->exporter, 10);
    }
  g_assert_cmpint (get_mode (fixture), ==, mode);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, n_runs);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/multipart"), ==, 1);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/batch"), ==,
                    mode == LSOBS_INGEST_MODE_RUNS ? 1 : 3);
  /* one line for each endpoint that is missing */
  g_assert_cmpuint (test_log_count (), ==, mode == LSOBS_INGEST_MODE_RUNS ? 2 : 1);
}

/* Batches that are under way together find it out together. */
static void
test_fall_back_in_flight (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_max_in_flight (fixture->config, 4);
  lsobs_config_set_max_batch_size (fixture->config, 5);
  test_fixture_start (fixture);
  test_server_push (fixture->server, "/runs/multipart",
                    (TestAnswer){ .status = 404, .repeat = -1 });
  test_server_push (fixture->server, "/runs/batch", (TestAnswer){ .status = 404, .repeat = -1 });
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, 40);
  g_assert_true (test_server_wait_requests (fixture->server, 4, TEST_TIMEOUT_MS));
  test_server_release (fixture->server);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpint (get_mode (fixture), ==, LSOBS_INGEST_MODE_RUNS);
  /* one line for each endpoint that is missing */
  g_assert_cmpuint (test_log_count (), ==, 2);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 40);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/multipart"), <=, 4);
}

/* Who names the endpoint wants that one. */
static void
test_missing_explicit (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  lsobs_config_set_ingest_mode (fixture->config, (LsobsIngestMode) GPOINTER_TO_INT (data));
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 404, .repeat = -1 });
  test_emit (fixture->exporter, "run");
  error = test_flush_with_loss (fixture->exporter, 1);
  g_assert_nonnull (strstr (error->message, "404"));
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_WRONG_ADDRESS), ==, 1);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 1);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_PAUSED);
}

/* --- redirects ----------------------------------------------------------------------------- */

static void
test_redirect (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (TestServer) thief = test_server_new ();
  g_autofree char *header =
      g_strconcat ("Location: ", test_server_get_url (thief), "/runs/multipart", NULL);
  g_autoptr (GError) error = NULL;

  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){
                        .status = GPOINTER_TO_UINT (data), .headers = header, .repeat = -1 });
  test_emit (fixture->exporter, "run");
  error = test_flush_in_vain (fixture->exporter, 1);

  g_assert_nonnull (strstr (error->message, "redirect"));
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), >=, 1);
  g_assert_cmpuint (test_server_count_requests (thief, "/"), ==, 0);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_PAUSED);
}

/* --- bodies -------------------------------------------------------------------------------- */

static void
test_large_success (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 start = g_get_monotonic_time ();

  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .body_length = 10 * 1000 * 1000, .repeat = -1 });
  for (guint i = 0; i < 5; i++)
    {
      test_emit (fixture->exporter, "run");
      test_assert_flush (fixture->exporter, 1);
    }
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 2000 + test_get_slack_ms ());
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_REQUESTS), ==, 5);
}

/* The status says all: the body need not be waited for, and must not block the next one. */
static void
test_slow_success (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 start = g_get_monotonic_time ();

  lsobs_config_set_max_in_flight (fixture->config, 1);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){
                        .mode = TEST_ANSWER_SLOW_BODY, .body_length = 100000, .delay_ms = 20 });
  test_emit (fixture->exporter, "first");
  test_assert_flush (fixture->exporter, 1);
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 1000 + test_get_slack_ms ());
  test_emit (fixture->exporter, "second");
  test_assert_flush (fixture->exporter, 1);
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 2000 + test_get_slack_ms ());
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_REQUESTS), ==, 2);
}

static void
test_slow_error (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 start = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;

  /* an attempt whose status does not come in time is no harm */
  lsobs_config_set_request_timeout (fixture->config, 300);
  lsobs_config_set_max_attempts (fixture->config, 100);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .mode = TEST_ANSWER_SLOW_BODY,
                                  .status = 422,
                                  .body_length = 100000,
                                  .delay_ms = 20,
                                  .repeat = -1 });
  test_emit (fixture->exporter, "run");
  error = test_flush_with_loss (fixture->exporter, 1);
  g_assert_nonnull (strstr (error->message, "422"));
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 300 + test_get_slack_ms ());
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_REJECTED), ==, 1);
}

static void
test_early_close (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .mode = TEST_ANSWER_EARLY_CLOSE, .body_length = 1000 });
  test_emit (fixture->exporter, "run");
  test_assert_flush (fixture->exporter, 1);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_REQUESTS), ==, 1);
}

static void
test_no_content (TestFixture *fixture, gconstpointer data)
{
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = GPOINTER_TO_UINT (data) });
  test_emit_many (fixture->exporter, 3);
  test_assert_flush (fixture->exporter, 3);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 1);
}

/* What a proxy says on its own account: long, and not meant for a log. */
static void
test_html_error (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) page =
      g_string_new ("\r\n<html>\n<head>\t<title>Bad\001 Request</title>\033[2J");
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 100000; i++)
    g_string_append (page, "<p>\xff\xfe caf\xc3\xa9</p>\n");
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = 400,
                                  .headers = "Content-Type: text/html",
                                  .body = page->str,
                                  .body_length = page->len,
                                  .repeat = -1 });
  test_emit (fixture->exporter, "run");
  error = test_flush_in_vain (fixture->exporter, 1);

  /* its title says what it is */
  g_assert_nonnull (strstr (error->message, ": Bad  Request)"));
  g_assert_cmpuint (strlen (error->message), <, 1500);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  for (const char *p = error->message; *p != '\0'; p++)
    g_assert_false (g_ascii_iscntrl (*p));
}

/* --- the key in what the service says ------------------------------------------------------ */

/* clang-format off */
static const char * const echoes[] = {
  "{\"detail\":\"bad key " TEST_KEY "\"}",
  TEST_KEY,
  TEST_KEY TEST_KEY " " TEST_KEY,
  "<html>x-api-key: " TEST_KEY "\r\n</html>",
  /* where the message is cut */
  "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
  "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
  TEST_KEY,
};
/* clang-format on */

static void
test_key_echo (TestFixture *fixture, gconstpointer data)
{
  guint status = GPOINTER_TO_UINT (data);

  lsobs_config_set_max_attempts (fixture->config, 3);
  test_fixture_start (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (echoes); i++)
    {
      g_autoptr (GError) error = NULL;

      test_server_push (fixture->server, NULL,
                        (TestAnswer){ .status = status,
                                      .body = echoes[i],
                                      .headers = "X-Echo: " TEST_KEY,
                                      .repeat = status == 503 ? 3 : 1 });
      test_emit (fixture->exporter, "run");
      g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, &error));
      g_assert_null (strstr (error->message, TEST_KEY));
      /* not even a good part of it */
      g_assert_null (strstr (error->message, "lsv2_pt_01234"));
      g_assert_null (strstr (error->message, "fedcba98"));
    }
  g_assert_false (test_log_contains (TEST_KEY));
  g_assert_false (test_log_contains ("lsv2_pt_01234"));
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, test_fixture_set_up, test, test_fixture_tear_down)

int
main (int argc, char **argv)
{
  static const guint redirects[] = { 300, 301, 302, 303, 307, 308 };
  gpointer multipart = GINT_TO_POINTER (LSOBS_INGEST_MODE_MULTIPART);
  gpointer batch = GINT_TO_POINTER (LSOBS_INGEST_MODE_BATCH);
  gpointer runs = GINT_TO_POINTER (LSOBS_INGEST_MODE_RUNS);

  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("/client/conflict/single/multipart", multipart, test_conflict_single);
  ADD ("/client/conflict/single/batch", batch, test_conflict_single);
  ADD ("/client/conflict/single/runs", runs, test_conflict_single);
  ADD ("/client/conflict/many/multipart", multipart, test_conflict_batch);
  ADD ("/client/conflict/many/batch", batch, test_conflict_batch);
  ADD ("/client/conflict/after-retry", NULL, test_conflict_after_retry);
  ADD ("/client/conflict/after-busy", NULL, test_conflict_after_busy);
  ADD ("/client/missing/on-update", NULL, test_missing_on_update);
  ADD ("/client/missing/fall-back/batch", batch, test_fall_back);
  ADD ("/client/missing/fall-back/runs", runs, test_fall_back);
  ADD ("/client/missing/fall-back/in-flight", NULL, test_fall_back_in_flight);
  ADD ("/client/missing/explicit/multipart", multipart, test_missing_explicit);
  ADD ("/client/missing/explicit/batch", batch, test_missing_explicit);
  ADD ("/client/missing/explicit/runs", runs, test_missing_explicit);
  for (guint i = 0; i < G_N_ELEMENTS (redirects); i++)
    {
      g_autofree char *path = g_strdup_printf ("/client/redirect/%u", redirects[i]);

      ADD (path, GUINT_TO_POINTER (redirects[i]), test_redirect);
    }
  ADD ("/client/body/large", NULL, test_large_success);
  ADD ("/client/body/slow", NULL, test_slow_success);
  ADD ("/client/body/slow-error", NULL, test_slow_error);
  ADD ("/client/body/early-close", NULL, test_early_close);
  ADD ("/client/body/none", GUINT_TO_POINTER (204), test_no_content);
  ADD ("/client/body/ok", GUINT_TO_POINTER (200), test_no_content);
  ADD ("/client/body/html", NULL, test_html_error);
  ADD ("/client/key-echo/rejected", GUINT_TO_POINTER (400), test_key_echo);
  ADD ("/client/key-echo/unavailable", GUINT_TO_POINTER (503), test_key_echo);
  ADD ("/client/key-echo/unauthorized", GUINT_TO_POINTER (401), test_key_echo);

  return g_test_run ();
}
