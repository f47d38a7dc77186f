/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What becomes of runs that the service refuses, one kind of refusal after the other: how often they
 * are sent, how long is waited, and what is lost. Nothing may be that could have been delivered. */

#include "config.h"

#include <string.h>

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/lsobs-error.h"

#include "tests/lib/test-helpers.h"

/* In one batch each time. */
#define N_RUNS 6

/* To halve six until each stands alone. */
#define N_HALVINGS (2 * N_RUNS - 1)

#define RETRY_DELAY 20
#define FIRST_PAUSE 100

typedef enum
{
  FATE_DELIVERED,
  FATE_LOST,
  FATE_KEPT, /* and delivered when the pause is over */
  FATE_HELD, /* and delivered when a probe, or a flush, finds the service well */
} Fate;

static const char *const fate_names[] = { "delivered", "lost", "kept", "held" };

typedef struct
{
  const char *path;
  TestAnswer answer;
  guint n_requests; /* while the service refuses everything */
  gint64 shortest;  /* ms from the first of them to the last */
  gint64 longest;
  Fate fate;
  LsobsDropReason reason; /* of what is lost */
  LsobsState state;       /* then */
  guint n_passing;        /* delivered when only the first two requests are refused */
  const char *message;    /* (nullable) what the user is told */
} Row;

/* Five attempts with 20, 40, 80 and 160 ms between, of which chance takes half at the most. */
#define RETRIED(status) \
 5, 150, 300, FATE_HELD, LSOBS_DROP_REASON_UNAVAILABLE, LSOBS_STATE_PAUSED, N_RUNS, status
#define BISECTED(status) \
 N_HALVINGS, 0, 0, FATE_LOST, LSOBS_DROP_REASON_REJECTED, LSOBS_STATE_OK, N_RUNS, NULL
#define DROPPED(status) \
 1, 0, 0, FATE_LOST, LSOBS_DROP_REASON_REJECTED, LSOBS_STATE_DEGRADED, 0, status
#define HELD(reason, message)   1, 0, 0, FATE_HELD, reason, LSOBS_STATE_PAUSED, N_RUNS, message
#define PAUSED(reason, message) 1, 0, 0, FATE_LOST, reason, LSOBS_STATE_PAUSED, 0, message

static const Row rows[] = {
  { "302",
    { .status = 302, .headers = "Location: http://127.0.0.1:1/" },
    HELD (LSOBS_DROP_REASON_WRONG_ADDRESS, "redirect") },
  { "307",
    { .status = 307, .headers = "Location: http://127.0.0.1:1/" },
    HELD (LSOBS_DROP_REASON_WRONG_ADDRESS, "redirect") },
  { "400", { .status = 400 }, BISECTED ("400") },
  { "401", { .status = 401 }, PAUSED (LSOBS_DROP_REASON_UNAUTHORIZED, "API key") },
  { "402", { .status = 402 }, DROPPED ("402") },
  { "403",
    { .status = 403, .body = "{\"error\":\"Forbidden\"}" },
    PAUSED (LSOBS_DROP_REASON_UNAUTHORIZED, "API key") },
  { "407", { .status = 407 }, HELD (LSOBS_DROP_REASON_REJECTED, "proxy") },
  { "403-workspace",
    { .status = 403, .body = "{\"error\":\"org_scoped_key_requires_workspace\"}" },
    PAUSED (LSOBS_DROP_REASON_UNAUTHORIZED, "set the workspace id") },
  { "405", { .status = 405 }, DROPPED ("405") },
  { "408", { .status = 408 }, RETRIED ("408") },
  { "409",
    { .status = 409 },
    N_HALVINGS,
    0,
    0,
    FATE_DELIVERED,
    LSOBS_DROP_REASON_REJECTED,
    LSOBS_STATE_OK,
    N_RUNS,
    NULL },
  /* each alone is tried once more without its payloads */
  { "413",
    { .status = 413 },
    N_HALVINGS + N_RUNS,
    0,
    0,
    FATE_LOST,
    LSOBS_DROP_REASON_TOO_LARGE,
    LSOBS_STATE_OK,
    N_RUNS,
    NULL },
  { "415", { .status = 415 }, DROPPED ("415") },
  { "422", { .status = 422 }, BISECTED ("422") },
  { "425", { .status = 425 }, RETRIED ("425") },
  { "429", { .status = 429 }, RETRIED ("429") },
  { "429-retry-after-0", { .status = 429, .headers = "Retry-After: 0" }, RETRIED ("429") },
  { "429-retry-after-past",
    { .status = 429, .headers = "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT" },
    RETRIED ("429") },
  { "429-retry-after-garbage", { .status = 429, .headers = "Retry-After: soon" }, RETRIED ("429") },
  { "429-rate",
    { .status = 429, .body = "{\"detail\":\"Rate limit exceeded\"}" },
    RETRIED ("429") },
  { "429-quota",
    { .status = 429, .body = "{\"detail\":\"Monthly unique traces usage limit exceeded\"}" },
    PAUSED (LSOBS_DROP_REASON_QUOTA, "usage limit") },
  { "429-hour",
    { .status = 429, .body = "{\"detail\":\"Hourly events limit exceeded\"}" },
    1,
    0,
    0,
    FATE_KEPT,
    LSOBS_DROP_REASON_QUOTA,
    LSOBS_STATE_PAUSED,
    N_RUNS,
    "this hour" },
  { "499", { .status = 499 }, RETRIED ("499") },
  { "500", { .status = 500 }, RETRIED ("500") },
  { "501", { .status = 501 }, DROPPED ("501") },
  { "502", { .status = 502, .body = "<html>Bad Gateway</html>" }, RETRIED ("502") },
  { "503", { .status = 503 }, RETRIED ("503") },
  { "503-retry-after-0", { .status = 503, .headers = "Retry-After: 0" }, RETRIED ("503") },
  { "504", { .status = 504 }, RETRIED ("504") },
  { "505", { .status = 505 }, DROPPED ("505") },
  { "reset", { .mode = TEST_ANSWER_RESET }, RETRIED ("cannot be reached") },
};

static void
set_up (TestFixture *fixture, gconstpointer data)
{
  test_fixture_set_up (fixture, data);
  lsobs_config_set_ingest_mode (fixture->config, LSOBS_INGEST_MODE_MULTIPART);
  lsobs_config_set_retry_delay (fixture->config, RETRY_DELAY);
  /* Otherwise some statuses may be about that. */
  lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_NONE);
  fixture->config->first_pause = FIRST_PAUSE;
}

/* ms from the first request to the last */
static gint64
get_waited (TestServer *server)
{
  g_autoptr (GPtrArray) requests = test_server_dup_ingest (server);
  TestRequest *first = g_ptr_array_index (requests, 0);
  TestRequest *last = g_ptr_array_index (requests, requests->len - 1);

  return (last->time - first->time) / 1000;
}

static gboolean
is_flushed (gpointer data)
{
  return lsobs_exporter_flush (data, TEST_TIMEOUT_MS, NULL, NULL);
}

/* The service is well again: what comes now arrives, and so does what was kept, when the pause is over,
 * if there is one. */
static void
assert_recovers (TestFixture *fixture, guint n_before)
{
  g_autoptr (WireTree) tree = NULL;

  for (guint i = 0; i < N_RUNS; i++)
    test_emit (fixture->exporter, "later");
  g_assert_true (test_wait_until (is_flushed, fixture->exporter, TEST_TIMEOUT_MS));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==,
                    n_before + N_RUNS);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
  test_assert_books (fixture->exporter);
  tree = test_server_build_tree (fixture->server);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, n_before + N_RUNS);
}

static void
print_row (const char *label, guint n_attempts, gint64 waited, const char *fate)
{
  g_test_message ("%s | %u | %" G_GINT64_FORMAT " | %s", label, n_attempts, waited, fate);
}

/* Nothing is taken until the fate is decided. */
static void
test_refused (TestFixture *fixture, gconstpointer data)
{
  const Row *row = data;
  TestAnswer answer = row->answer;
  guint n_requests;
  gint64 waited;
  guint n_delivered = row->fate == FATE_DELIVERED ? N_RUNS : 0;
  guint n_kept = row->fate == FATE_KEPT || row->fate == FATE_HELD ? N_RUNS : 0;
  guint n_lost = row->fate == FATE_LOST ? N_RUNS : 0;

  /* long enough to be looked at */
  fixture->config->first_pause = 2000;
  fixture->config->first_probe = TEST_NEVER_MS;
  test_fixture_start (fixture);
  answer.repeat = -1;
  test_server_push (fixture->server, NULL, answer);
  test_emit_many (fixture->exporter, N_RUNS);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL) ==
                 (row->fate == FATE_DELIVERED));

  n_requests = test_server_count_requests (fixture->server, NULL);
  waited = get_waited (fixture->server);
  print_row (row->path, n_requests, waited, fate_names[row->fate]);
  g_assert_cmpuint (n_requests, ==, row->n_requests);
  g_assert_cmpint (waited, >=, row->shortest);
  g_assert_cmpint (waited, <=, row->longest + test_get_slack_ms ());
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, n_delivered);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, n_kept);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_IN_FLIGHT), ==, 0);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, row->reason), ==, n_lost);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, n_lost);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, row->state);
  test_assert_books (fixture->exporter);

  /* It is said once, whatever follows. */
  if (row->message != NULL)
    g_assert_true (test_log_contains (row->message));
  g_assert_cmpuint (test_log_count (), ==, row->state == LSOBS_STATE_OK ? 0 : 1);
  if (row->state == LSOBS_STATE_PAUSED)
    {
      test_emit (fixture->exporter, "while paused");
      g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
      g_assert_cmpuint (test_log_count (), ==, 1);
      /* A probe costs nothing where nothing is lost by it. */
      g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==,
                        row->fate == FATE_HELD ? n_requests + 1 : n_requests);
      n_kept++;
    }

  test_server_clear (fixture->server);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 202, .repeat = -1 });
  fixture->is_free = TRUE;
  for (guint i = 0; i < N_RUNS; i++)
    test_emit (fixture->exporter, "later");
  g_assert_true (test_wait_until (is_flushed, fixture->exporter, TEST_TIMEOUT_MS));
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, n_kept + N_RUNS);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, n_lost);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
}

/* Only the first two requests meet with a refusal. */
static void
test_passing (TestFixture *fixture, gconstpointer data)
{
  const Row *row = data;
  TestAnswer answer = row->answer;

  test_fixture_start (fixture);
  answer.repeat = 2;
  test_server_push (fixture->server, NULL, answer);
  test_emit_many (fixture->exporter, N_RUNS);
  if (row->n_passing == N_RUNS)
    {
      g_assert_true (test_wait_until (is_flushed, fixture->exporter, TEST_TIMEOUT_MS));
      g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
      assert_recovers (fixture, N_RUNS);
      return;
    }
  /* Lost at the first refusal. The second one meets what comes next. */
  g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpuint (test_get_dropped (fixture->exporter, row->reason), ==, N_RUNS);
  test_emit (fixture->exporter, "next");
  g_assert_true (test_server_wait_requests (fixture->server, 1, TEST_TIMEOUT_MS));
  while (test_server_count_requests (fixture->server, NULL) < 2)
    lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL);
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_REQUESTS, 2));
  assert_recovers (fixture, 0);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, N_RUNS + 1);
}

/* --- 404 ----------------------------------------------------------------------------------- */

/* Not one endpoint is there: each run is tried alone at last. */
static void
test_not_found (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_ingest_mode (fixture->config, LSOBS_INGEST_MODE_AUTO);
  lsobs_config_set_max_in_flight (fixture->config, 1);
  fixture->config->first_pause = 2000;
  fixture->config->first_probe = TEST_NEVER_MS;
  test_fixture_start (fixture);
  test_server_push (fixture->server, "/runs", (TestAnswer){ .status = 404, .repeat = -1 });
  test_emit_many (fixture->exporter, N_RUNS);
  g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  print_row ("404 everywhere", test_server_count_requests (fixture->server, NULL),
             get_waited (fixture->server), "one lost, others kept");
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 3);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_WRONG_ADDRESS), ==, 1);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 1);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_PAUSED);
  g_assert_true (test_log_contains ("check the API URL"));

  test_server_clear (fixture->server);
  fixture->is_free = TRUE;
  test_emit (fixture->exporter, "later");
  g_assert_true (test_wait_until (is_flushed, fixture->exporter, TEST_TIMEOUT_MS));
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, N_RUNS);
}

/* --- one bad run --------------------------------------------------------------------------- */

typedef struct
{
  guint status;
  guint n;   /* runs */
  guint bad; /* which one of them */
} BadRun;

static const BadRun bad_runs[] = {
  { 400, 1, 0 },  { 400, 2, 0 },  { 400, 2, 1 },  { 422, 3, 1 },   { 422, 7, 6 },
  { 400, 10, 0 }, { 422, 10, 4 }, { 400, 50, 0 }, { 422, 50, 17 }, { 400, 50, 49 },
};

/* It dies alone, and to find it takes no more requests than there are halves. */
static void
test_bad_run (TestFixture *fixture, gconstpointer data)
{
  const BadRun *row = data;
  g_autofree char *label = g_strdup_printf ("%u for run %u of %u", row->status, row->bad, row->n);
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (GError) error = NULL;
  guint n_requests;
  guint depth = g_bit_storage (row->n - 1);

  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, test_refuse_bad_cb, GUINT_TO_POINTER (row->status));
  for (guint i = 0; i < row->n; i++)
    test_emit (fixture->exporter, i == row->bad ? "bad" : "good");
  error = test_flush_with_loss (fixture->exporter, 1);

  n_requests = test_server_count_requests (fixture->server, NULL);
  print_row (label, n_requests, get_waited (fixture->server), "one lost, others delivered");
  g_assert_cmpuint (n_requests, <=, 2 * row->n - 1);
  /* one good half and one bad half at each depth */
  g_assert_cmpuint (n_requests, <=, 2 * depth + 1);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_REJECTED), ==, 1);
  tree = test_server_build_tree (fixture->server);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, row->n - 1);
  g_assert_null (wire_tree_find (tree, "bad"));
}

/* --- waits that are too long for a table ----------------------------------------------------- */

typedef struct
{
  const char *path;
  const char *retry_after;
  gint64 delay; /* ms */
} AfterRow;

static const AfterRow after_rows[] = {
  { "30", "30", 30000 },
  { "86400", "86400", 60000 },
  { "absurd", "99999999999999999999", 60000 },
  { "date", "Tue, 31 Dec 2999 23:59:59 GMT", 60000 },
};

/* Others wait as well, a flush does not wait that long, and nothing is lost by it: the last attempt
 * comes before the end of a shutdown. */
static void
test_retry_after (TestFixture *fixture, gconstpointer data)
{
  const AfterRow *row = data;
  g_autofree char *header = g_strconcat ("Retry-After: ", row->retry_after, NULL);
  g_autofree char *label = g_strconcat ("429, ", header, NULL);
  g_autofree char *message =
      g_strdup_printf ("Attempt 1 failed, the next one comes in %" G_GINT64_FORMAT " ms",
                       row->delay);
  g_autoptr (GError) error = NULL;
  const gint64 timeout = 4000;
  gint64 start;

  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 429, .headers = header });
  test_emit_many (fixture->exporter, N_RUNS);
  g_assert_false (lsobs_exporter_flush (fixture->exporter, 50, NULL, &error));
  g_assert_true (test_log_wait (message));
  test_emit (fixture->exporter, "later");
  g_assert_false (lsobs_exporter_flush (fixture->exporter, 50, NULL, NULL));
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 1);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  print_row (label, 1, row->delay, "waits");

  start = g_get_monotonic_time ();
  g_assert_true (lsobs_exporter_shutdown (fixture->exporter, timeout, NULL, NULL));
  g_assert_cmpint (test_get_elapsed_ms (start), <=, timeout + test_get_slack_ms ());
  print_row ("    and a shutdown", 2, test_get_elapsed_ms (start), "delivered");
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, N_RUNS + 1);
}

static void
test_retry_after_1 (TestFixture *fixture, gconstpointer data)
{
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = GPOINTER_TO_UINT (data), .headers = "Retry-After: 1" });
  test_emit_many (fixture->exporter, N_RUNS);
  test_assert_flush (fixture->exporter, N_RUNS);
  print_row ("429, Retry-After: 1", test_server_count_requests (fixture->server, NULL),
             get_waited (fixture->server), "delivered");
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 2);
  g_assert_cmpint (get_waited (fixture->server), >=, 999);
  g_assert_cmpint (get_waited (fixture->server), <=, 1000 + test_get_slack_ms ());
}

/* --- nobody there -------------------------------------------------------------------------- */

static void
test_hang (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 start = g_get_monotonic_time ();
  const gint64 timeout = 1000;
  guint n_requests;

  lsobs_config_set_request_timeout (fixture->config, timeout);
  fixture->config->first_probe = TEST_NEVER_MS;
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = 5 });
  test_emit_many (fixture->exporter, N_RUNS);
  g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  n_requests = (guint) test_get_counter (fixture->exporter, LSOBS_COUNTER_REQUESTS);
  print_row ("no answer", n_requests, test_get_elapsed_ms (start), "held");
  g_assert_cmpuint (n_requests, ==, 5);
  g_assert_cmpint (test_get_elapsed_ms (start), >=, 5 * timeout + 150);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_PAUSED);
  assert_recovers (fixture, N_RUNS);
}

/* Called in the thread of the test. */
static void
accept_cb (SoupServer *server G_GNUC_UNUSED,
           SoupServerMessage *message,
           const char *path,
           GHashTable *query G_GNUC_UNUSED,
           gpointer user_data)
{
  guint *n_uploads = user_data;

  if (!g_str_has_suffix (path, "/info"))
    (*n_uploads)++;
  soup_server_message_set_status (message, 202, NULL);
}

static void
test_connection_refused (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *url = NULL;
  g_autoptr (GSocket) socket = test_refusing_socket_new (&url);
  g_autoptr (SoupServer) server = NULL;
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;
  gint64 start = g_get_monotonic_time ();
  guint n_uploads = 0;

  lsobs_config_set_api_url (fixture->config, url);
  fixture->config->first_probe = TEST_NEVER_MS;
  test_fixture_start (fixture);
  test_emit_many (fixture->exporter, N_RUNS);
  g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  print_row ("connection refused",
             (guint) test_get_counter (fixture->exporter, LSOBS_COUNTER_REQUESTS),
             test_get_elapsed_ms (start), "held");
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_REQUESTS), ==, 5);
  g_assert_cmpint (test_get_elapsed_ms (start), >=, 150);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_PAUSED);

  /* Somebody comes home. */
  g_socket_listen (socket, &error);
  g_assert_no_error (error);
  server = soup_server_new (NULL, NULL);
  soup_server_add_handler (server, NULL, accept_cb, &n_uploads, NULL);
  soup_server_listen_socket (server, socket, 0, &error);
  g_assert_no_error (error);
  test_emit_many (fixture->exporter, N_RUNS);
  lsobs_exporter_flush_async (fixture->exporter, TEST_TIMEOUT_MS, NULL, test_result_cb, &result);
  g_assert_true (
      lsobs_exporter_flush_finish (fixture->exporter, test_result_wait (&result), NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (n_uploads, ==, 2);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, 2 * N_RUNS);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
  soup_server_disconnect (server);
}

/* --- pauses -------------------------------------------------------------------------------- */

/* One request goes ahead after each pause, which is twice as long as the one before. */
static void
test_pause_doubles (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 gaps[3];

  lsobs_config_set_max_batch_size (fixture->config, 1);
  lsobs_config_set_max_in_flight (fixture->config, 4);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 401, .repeat = 4 });
  test_emit (fixture->exporter, "first");
  g_assert_true (test_server_wait_requests (fixture->server, 1, TEST_TIMEOUT_MS));
  g_assert_true (test_wait_until (is_flushed, fixture->exporter, TEST_TIMEOUT_MS) ||
                 test_get_total_dropped (fixture->exporter) == 1);
  test_emit_many (fixture->exporter, 10);
  g_assert_true (test_wait_until (is_flushed, fixture->exporter, TEST_TIMEOUT_MS));

  for (guint i = 0; i < G_N_ELEMENTS (gaps); i++)
    {
      g_autoptr (TestRequest) before = test_get_request (fixture->server, i);
      g_autoptr (TestRequest) after = test_get_request (fixture->server, i + 1);

      gaps[i] = (after->time - before->time) / 1000;
      g_assert_cmpint (gaps[i], >=, (FIRST_PAUSE << i) - 1);
    }
  g_test_message ("pauses of %d, %d, %d ms", (int) gaps[0], (int) gaps[1], (int) gaps[2]);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_UNAUTHORIZED), ==, 4);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, 7);
  g_assert_cmpuint (test_log_count (), <=, 2);
}

/* A limit of the hour costs nothing but time, however often it is met; the queue stays bounded. */
static void
test_hour (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fixture->config->first_pause = 20;
  lsobs_config_set_max_batch_size (fixture->config, 2);
  lsobs_config_set_queue_capacity (fixture->config, 100);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = 429, .body = "hourly limit", .repeat = 7 });
  test_emit_many (fixture->exporter, 20);
  g_assert_true (test_wait_until (is_flushed, fixture->exporter, TEST_TIMEOUT_MS));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, 20);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  g_assert_cmpuint (test_log_count (), <=, 2);
}

/* What waits for the hour to end is lost with the observer, and counted. */
static void
test_hour_at_shutdown (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (GMainContext) context = data != NULL ? g_main_context_new () : NULL;

  fixture->config->first_pause = TEST_NEVER_MS;
  test_fixture_start_in (fixture, context);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = 429, .body = "hourly limit", .repeat = -1 });
  test_emit_many (fixture->exporter, N_RUNS);
  g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, N_RUNS);
  test_emit (fixture->exporter, "later");
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, 1000, NULL, NULL));
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==,
                    N_RUNS + 1);
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, set_up, test, test_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *refused = g_strconcat ("/refused/for-long/", rows[i].path, NULL);
      g_autofree char *passing = g_strconcat ("/refused/twice/", rows[i].path, NULL);

      ADD (refused, &rows[i], test_refused);
      ADD (passing, &rows[i], test_passing);
    }
  ADD ("/refused/for-long/404", NULL, test_not_found);
  ADD ("/refused/for-long/no-answer", NULL, test_hang);
  ADD ("/refused/for-long/connection-refused", NULL, test_connection_refused);
  for (guint i = 0; i < G_N_ELEMENTS (bad_runs); i++)
    {
      g_autofree char *path = g_strdup_printf ("/refused/bad-run/%u-of-%u/%u", bad_runs[i].bad,
                                               bad_runs[i].n, bad_runs[i].status);

      ADD (path, &bad_runs[i], test_bad_run);
    }
  for (guint i = 0; i < G_N_ELEMENTS (after_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/refused/retry-after/", after_rows[i].path, NULL);

      ADD (path, &after_rows[i], test_retry_after);
    }
  ADD ("/refused/retry-after/1", GUINT_TO_POINTER (429), test_retry_after_1);
  ADD ("/refused/retry-after/1-busy", GUINT_TO_POINTER (503), test_retry_after_1);
  ADD ("/refused/pause/doubles", NULL, test_pause_doubles);
  ADD ("/refused/hour/many", NULL, test_hour);
  ADD ("/refused/hour/shutdown", NULL, test_hour_at_shutdown);
  ADD ("/refused/hour/shutdown-in-context", GINT_TO_POINTER (TRUE), test_hour_at_shutdown);

  return g_test_run ();
}
