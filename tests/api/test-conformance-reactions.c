/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The conformance list, item 7: what a client does about each way in which a service can answer. */

#include "config.h"

#include <string.h>

#include "tests/lib/test-helpers.h"

#define ITEM "item 7: "
#define ALL  10

/* A time in ms that any wait in here is shorter than, and a minute is not. */
#define SOON_MS (test_get_slack_ms ())

static guint
count_requests (TestFixture *fixture)
{
  return test_server_count_requests (fixture->server, NULL);
}

/* --- answers after which everything arrives ------------------------------------------------ */

typedef struct
{
  const char *path;
  const char *what; /* the item's words */
  TestAnswer answer;
  guint n_requests; /* how many it takes, the good one counted */
  gint64 min_ms;    /* how long that takes at the least */
} GoodRow;

static const GoodRow good_rows[] = {
  { "202", "202 is delivered at once", { .status = 202 }, 1, 0 },
  { "429",
    "429 without Retry-After is tried again",
    { .status = 429, .body = "{\"detail\":\"Rate limit exceeded\"}" },
    2,
    0 },
  { "429-retry-after-1",
    "429 with Retry-After: 1 waits a second",
    { .status = 429, .headers = "Retry-After: 1" },
    2,
    1000 },
  { "429-retry-after-garbage",
    "429 with garbage in Retry-After waits as without it",
    { .status = 429, .headers = "Retry-After: soon, I hope" },
    2,
    0 },
  { "429-retry-after-negative",
    "429 with a negative Retry-After waits as without it",
    { .status = 429, .headers = "Retry-After: -5" },
    2,
    0 },
  { "429-retry-after-past-date",
    "429 with an HTTP date in the past is tried again",
    { .status = 429, .headers = "Retry-After: Sun, 01 Mar 2026 09:30:15 GMT" },
    2,
    0 },
  { "500-500-202", "500 twice, then 202", { .status = 500, .repeat = 2 }, 3, 0 },
  { "reset", "a connection that is reset is tried again", { .mode = TEST_ANSWER_RESET }, 2, 0 },
  { "slow-body",
    "a slow body of a good answer is delivered",
    { .mode = TEST_ANSWER_SLOW_BODY, .status = 202, .body_length = 200, .delay_ms = 1 },
    1,
    0 },
  { "endless-body",
    "a good answer whose body takes for ever is delivered",
    { .mode = TEST_ANSWER_SLOW_BODY,
      .status = 202,
      .body_length = 10 * 1024 * 1024,
      .delay_ms = 50 },
    1,
    0 },
  { "early-close",
    "a good answer that breaks off is delivered",
    { .mode = TEST_ANSWER_EARLY_CLOSE, .status = 202, .body_length = 4096 },
    1,
    0 },
  { "html-503",
    "an HTML error of a load balancer is tried again",
    { .status = 503,
      .headers = "Content-Type: text/html",
      .body = "<html><h1>503 Service Temporarily Unavailable</h1></html>" },
    2,
    0 },
  { "202-large",
    "202 with a body of 10 MB is delivered",
    { .status = 202, .body_length = 10 * 1024 * 1024 },
    1,
    0 },
};

static void
test_good (TestFixture *fixture, gconstpointer data)
{
  const GoodRow *row = data;
  gint64 start = g_get_monotonic_time ();

  g_test_message (ITEM "%s", row->what);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, row->answer);
  test_emit_many (fixture->exporter, ALL);
  test_assert_flush (fixture->exporter, ALL);

  g_assert_cmpuint (count_requests (fixture), ==, row->n_requests);
  g_assert_cmpint (test_get_elapsed_ms (start), >=, row->min_ms);
  g_assert_cmpint (test_get_elapsed_ms (start), <, row->min_ms + SOON_MS);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
}

/* A date has whole seconds. */
static void
test_retry_after_date (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GDateTime) date =
      g_date_time_new_from_unix_utc (g_get_real_time () / G_USEC_PER_SEC + 2);
  g_autofree char *text = g_date_time_format (date, "%a, %d %b %Y %H:%M:%S GMT");
  g_autofree char *header = g_strconcat ("Retry-After: ", text, NULL);
  gint64 clock_offset = g_get_real_time () - g_get_monotonic_time ();
  g_autoptr (TestRequest) second = NULL;

  g_test_message (ITEM "429 with an HTTP date in Retry-After waits until then");
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 429, .headers = header });
  test_emit_many (fixture->exporter, ALL);
  test_assert_flush (fixture->exporter, ALL);
  g_assert_cmpuint (count_requests (fixture), ==, 2);
  second = test_get_request (fixture->server, 1);
  g_assert_cmpint (second->time + clock_offset, >=,
                   g_date_time_to_unix (date) * G_USEC_PER_SEC - 1000);
}

/* Nobody waits for a day, and nothing is lost by not waiting. */
static void
test_retry_after_absurd (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 start;
  g_autoptr (GError) error = NULL;

  g_test_message (ITEM "429 with Retry-After: 86400 holds up neither a flush nor the end");
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = 429, .headers = "Retry-After: 86400", .repeat = -1 });
  test_emit_many (fixture->exporter, ALL);
  start = g_get_monotonic_time ();
  g_assert_false (lsobs_exporter_flush (fixture->exporter, 300, NULL, &error));
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 300 + test_get_slack_ms ());
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, ALL);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  g_assert_true (test_log_wait ("Attempt 1 failed"));
  start = g_get_monotonic_time ();
  g_assert_false (lsobs_observer_shutdown (fixture->observer, 4000, NULL, NULL));
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 4000 + test_get_slack_ms ());
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, ALL);
  /* one more before the end, since what waits beyond it is lost */
  g_assert_cmpuint (count_requests (fixture), ==, 2);
}

/* --- answers to a part of the data --------------------------------------------------------- */

/* Called in the server's thread. */
static gboolean
refuse_bad_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  if (!test_bytes_contain (request->body, "\"bad\""))
    return FALSE;
  answer->status = GPOINTER_TO_UINT (data);
  answer->body = "{\"error\":\"invalid 'dotted_order'\"}";
  return TRUE;
}

static void
test_one_bad (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (GError) error = NULL;

  g_test_message (ITEM "%u with one bad run of ten: nine arrive", GPOINTER_TO_UINT (data));
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, refuse_bad_cb, (gpointer) data);
  test_emit_many (fixture->exporter, 6);
  test_emit (fixture->exporter, "bad");
  test_emit_many (fixture->exporter, 3);
  error = test_flush_with_loss (fixture->exporter, 1);
  g_assert_nonnull (strstr (error->message, "dotted_order"));

  tree = test_server_build_tree (fixture->server);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 9);
  g_assert_null (wire_tree_find (tree, "bad"));
  g_assert_cmpuint (count_requests (fixture), <=, 2 * ALL - 1);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_REJECTED), ==, 1);
}

static gboolean
refuse_many_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  if (test_request_get_n_ops (request) <= GPOINTER_TO_UINT (data))
    return FALSE;
  answer->status = 413;
  answer->headers = "Content-Type: text/html";
  answer->body = "<html><h1>413 Request Entity Too Large</h1></html>";
  return TRUE;
}

static void
test_too_large (TestFixture *fixture, gconstpointer data)
{
  guint n = GPOINTER_TO_UINT (data);

  g_test_message (ITEM "413 until there are %u runs or fewer in a request", n);
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, refuse_many_cb, GUINT_TO_POINTER (n));
  test_emit_many (fixture->exporter, ALL);
  test_assert_flush (fixture->exporter, ALL);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, ALL);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_CUT_PAYLOADS), ==, 0);
}

static gboolean
conflict_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  /* One of them is there already; whether the others are is not told. */
  if (!test_bytes_contain (request->body, "\"run-3\""))
    return FALSE;
  answer->status = 409;
  answer->body = "{\"error\":\"Conflict: payload already received\"}";
  return TRUE;
}

static void
test_conflict (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_test_message (ITEM "409 for one run of ten: all of them count as delivered");
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, conflict_cb, NULL);
  test_emit_many (fixture->exporter, ALL);
  test_assert_flush (fixture->exporter, ALL);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, ALL);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
}

/* --- a service that is not the one ----------------------------------------------------------- */

static void
test_fall_back (TestFixture *fixture, gconstpointer data)
{
  gboolean runs = GPOINTER_TO_INT (data);
  LsobsTransport *transport;

  g_test_message (ITEM "404 for multipart%s, then the next best endpoint",
                  runs ? " and batch" : "");
  test_fixture_start (fixture);
  transport = lsobs_exporter_get_transport (fixture->exporter);
  test_server_push (fixture->server, "/runs/multipart",
                    (TestAnswer){ .status = 404, .repeat = -1 });
  if (runs)
    test_server_push (fixture->server, "/runs/batch", (TestAnswer){ .status = 404, .repeat = -1 });
  test_emit_many (fixture->exporter, ALL);
  test_assert_flush (fixture->exporter, ALL);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, ALL);
  g_assert_cmpint (lsobs_client_get_ingest_mode (LSOBS_CLIENT (transport)), ==,
                   runs ? LSOBS_INGEST_MODE_RUNS : LSOBS_INGEST_MODE_BATCH);

  /* It is remembered. */
  test_emit (fixture->exporter, "later");
  test_assert_flush (fixture->exporter, 1);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/multipart"), ==, 1);
}

typedef struct
{
  const char *path;
  const char *what;
  TestAnswer answer;
  LsobsDropReason reason;
} RefusalRow;

static const RefusalRow refusal_rows[] = {
  { "401",
    "401: one line in the log, and no hammering",
    { .status = 401, .body = "{\"error\":\"Invalid token " TEST_KEY "\"}", .repeat = -1 },
    LSOBS_DROP_REASON_UNAUTHORIZED },
  { "403",
    "403: one line in the log, and no hammering",
    { .status = 403, .body = "{\"error\":\"Forbidden\"}", .repeat = -1 },
    LSOBS_DROP_REASON_UNAUTHORIZED },
  { "monthly",
    "429 for a monthly limit: one line in the log, and no hammering",
    { .status = 429,
      .body = "{\"detail\":\"Monthly unique traces usage limit exceeded\"}",
      .repeat = -1 },
    LSOBS_DROP_REASON_QUOTA },
};

static void
test_refusal (TestFixture *fixture, gconstpointer data)
{
  const RefusalRow *row = data;
  g_autoptr (GError) error = NULL;
  guint n_requests;

  g_test_message (ITEM "%s", row->what);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, row->answer);
  test_emit_many (fixture->exporter, ALL);
  error = test_flush_with_loss (fixture->exporter, ALL);
  g_assert_null (strstr (error->message, TEST_KEY));
  n_requests = count_requests (fixture);
  g_assert_cmpuint (n_requests, ==, 1);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/elsewhere"), ==, 0);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, row->reason), ==, ALL);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_PAUSED);

  /* What comes now is kept, and not tried. */
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (GError) again = NULL;

      test_emit_many (fixture->exporter, 2);
      g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, &again));
      g_assert_error (again, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
    }
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, 6);
  g_assert_cmpuint (count_requests (fixture), ==, n_requests);
  g_assert_cmpuint (test_log_count (), ==, 1);
  g_assert_false (test_log_contains (TEST_KEY));
}

/* It is not followed, nothing is lost by it, and only who flushes has it looked at again at once. */
static void
test_redirect (TestFixture *fixture, gconstpointer data)
{
  guint status = GPOINTER_TO_UINT (data);

  g_test_message (ITEM "a redirect (%u): one line in the log, not followed, nothing lost", status);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){
                        .status = status, .headers = "Location: /elsewhere", .repeat = -1 });
  test_emit_many (fixture->exporter, ALL);
  for (guint i = 0; i < 3; i++)
    g_error_free (test_flush_in_vain (fixture->exporter, ALL));
  g_assert_cmpuint (count_requests (fixture), >=, 3);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/elsewhere"), ==, 0);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_PAUSED);
  g_assert_cmpuint (test_log_count (), ==, 1);
}

static gboolean
has_none_in_flight (gpointer data)
{
  return test_get_counter (data, LSOBS_COUNTER_IN_FLIGHT) == 0;
}

/* As many requests as there can be find it out together. */
static void
test_refusal_in_flight (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_test_message (ITEM "401 for several requests at once: one line in the log");
  lsobs_config_set_max_batch_size (fixture->config, ALL);
  lsobs_config_set_max_in_flight (fixture->config, 4);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 401, .repeat = -1 });
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, 4 * ALL);
  g_assert_true (test_server_wait_requests (fixture->server, 4, TEST_TIMEOUT_MS));
  test_server_release (fixture->server);
  g_assert_true (test_wait_until (has_none_in_flight, fixture->exporter, TEST_TIMEOUT_MS));
  g_assert_cmpuint (count_requests (fixture), ==, 4);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_UNAUTHORIZED), ==,
                    4 * ALL);
  g_assert_cmpuint (test_log_count (), ==, 1);
}

/* --- nobody there ---------------------------------------------------------------------------- */

static void
test_refused (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *url = NULL;
  g_autoptr (GSocket) socket = test_refusing_socket_new (&url);
  g_autoptr (GError) error = NULL;
  gint64 start = g_get_monotonic_time ();

  g_test_message (ITEM "connection refused: tried again, then kept");
  lsobs_config_set_api_url (fixture->config, url);
  lsobs_config_set_max_attempts (fixture->config, 3);
  test_fixture_start (fixture);
  test_emit_many (fixture->exporter, ALL);
  error = test_flush_in_vain (fixture->exporter, ALL);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_RETRIES), >=, 2);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, ALL);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_PAUSED);
  g_assert_cmpint (test_get_elapsed_ms (start), <, SOON_MS);
  g_assert_cmpuint (test_log_count (), ==, 1);
}

static void
test_hang (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 start;
  g_autoptr (GError) error = NULL;

  g_test_message (ITEM "a service that accepts and never answers: the end is bounded");
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
  test_emit_many (fixture->exporter, ALL);
  start = g_get_monotonic_time ();
  g_assert_false (lsobs_exporter_flush (fixture->exporter, 200, NULL, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_false (lsobs_observer_shutdown (fixture->observer, 200, NULL, NULL));
  g_assert_cmpint (test_get_elapsed_ms (start), >=, 400);
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 400 + test_get_slack_ms ());
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, ALL);
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, test_fixture_set_up, test, test_fixture_tear_down)

int
main (int argc, char **argv)
{
  static const guint redirects[] = { 301, 302, 303, 307, 308 };

  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  for (guint i = 0; i < G_N_ELEMENTS (good_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/conformance/7/", good_rows[i].path, NULL);

      ADD (path, &good_rows[i], test_good);
    }
  ADD ("/conformance/7/429-retry-after-date", NULL, test_retry_after_date);
  ADD ("/conformance/7/429-retry-after-86400", NULL, test_retry_after_absurd);
  ADD ("/conformance/7/400-one-bad-run-of-ten", GUINT_TO_POINTER (400), test_one_bad);
  ADD ("/conformance/7/422-one-bad-run-of-ten", GUINT_TO_POINTER (422), test_one_bad);
  ADD ("/conformance/7/413-until-few-runs", GUINT_TO_POINTER (3), test_too_large);
  ADD ("/conformance/7/413-until-one-run", GUINT_TO_POINTER (1), test_too_large);
  ADD ("/conformance/7/409", NULL, test_conflict);
  ADD ("/conformance/7/404-then-batch", GINT_TO_POINTER (FALSE), test_fall_back);
  ADD ("/conformance/7/404-then-runs", GINT_TO_POINTER (TRUE), test_fall_back);
  for (guint i = 0; i < G_N_ELEMENTS (refusal_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/conformance/7/", refusal_rows[i].path, NULL);

      ADD (path, &refusal_rows[i], test_refusal);
    }
  for (guint i = 0; i < G_N_ELEMENTS (redirects); i++)
    {
      g_autofree char *path = g_strdup_printf ("/conformance/7/redirect-%u", redirects[i]);

      ADD (path, GUINT_TO_POINTER (redirects[i]), test_redirect);
    }
  ADD ("/conformance/7/401-in-flight", NULL, test_refusal_in_flight);
  ADD ("/conformance/7/connection-refused", NULL, test_refused);
  ADD ("/conformance/7/accept-and-hang", NULL, test_hang);

  return g_test_run ();
}
