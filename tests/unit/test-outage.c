/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service is away: what cannot be sent is kept, the service is probed until it is back, and what
 * always fails while others succeed does not block the rest. Each test is one course of failures and
 * successes, told in full, so the file is long. */

#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/lsobs-error.h"

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/fork-helpers.h"
#include "tests/lib/replica-helpers.h"
#include "tests/lib/test-helpers.h"

#define N_RUNS 6

/* In ms. A probe that comes by itself is wanted only where the test says so. */
#define FIRST_PROBE 20

static void
set_first_probe (LsobsConfig *config, gint64 ms)
{
  config->first_probe = ms;
}

static void
set_up (TestFixture *fixture, gconstpointer data)
{
  test_fixture_set_up (fixture, data);
  lsobs_config_set_max_attempts (fixture->config, 2);
  lsobs_config_set_ingest_mode (fixture->config, LSOBS_INGEST_MODE_MULTIPART);
  set_first_probe (fixture->config, TEST_NEVER_MS);
}

static void
go_away (TestFixture *fixture)
{
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = 503, .body = "out of order", .repeat = -1 });
}

/* How a service is away. */
typedef enum
{
  AWAY_ANSWERS, /* with an error */
  AWAY_REFUSES  /* connections */
} Away;

static void
go_away_as (TestFixture *fixture, Away away)
{
  if (away == AWAY_REFUSES)
    test_server_close_port (fixture->server);
  else
    go_away (fixture);
}

/* Forgets the requests as well. */
static void
come_back (TestFixture *fixture)
{
  test_server_clear (fixture->server);
  fixture->is_free = TRUE;
}

static void
come_back_as (TestFixture *fixture, Away away)
{
  come_back (fixture);
  if (away == AWAY_REFUSES)
    test_server_open_port (fixture->server);
}

static void
assert_kept (TestFixture *fixture, guint n)
{
  test_assert_books (fixture->exporter);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, n);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_IN_FLIGHT), ==, 0);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_PAUSED);
}

static void
assert_delivered (TestFixture *fixture, guint n)
{
  g_autoptr (WireTree) tree = test_server_build_tree (fixture->server);
  g_autoptr (GError) error = NULL;

  test_assert_books (fixture->exporter);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, n);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, n);
  wire_tree_check (tree, WIRE_TREE_CHECK_LINKS, &error);
  g_assert_no_error (error);
}

/* --- what is held -------------------------------------------------------------------------- */

typedef struct
{
  const char *path;
  TestAnswer answer;
  guint n_requests; /* until it is given up for now */
  const char *words;
} Trouble;

static const Trouble troubles[] = {
  { "408", { .status = 408, .repeat = -1 }, 2, "408" },
  { "429", { .status = 429, .repeat = -1 }, 2, "429" },
  { "500", { .status = 500, .repeat = -1 }, 2, "500" },
  { "502-page",
    { .status = 502,
      .headers = "Content-Type: text/html",
      .body = "<html><title>Bad Gateway</title>",
      .repeat = -1 },
    2,
    "(HTTP 502: Bad Gateway)" },
  { "503", { .status = 503, .repeat = -1 }, 2, "503" },
  { "504", { .status = 504, .repeat = -1 }, 2, "504" },
  { "reset", { .mode = TEST_ANSWER_RESET, .repeat = -1 }, 2, "cannot be reached" },
  { "302", { .status = 302, .headers = "Location: http://127.0.0.1:1/", .repeat = -1 }, 1, "/api" },
};

/* After one failed round, nothing is sent, and nothing is lost; and then all of it arrives. */
static void
test_held (TestFixture *fixture, gconstpointer data)
{
  const Trouble *trouble = data;
  g_autoptr (GError) error = NULL;

  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, trouble->answer);
  test_emit_many (fixture->exporter, N_RUNS);
  error = test_flush_in_vain (fixture->exporter, N_RUNS);
  g_assert_nonnull (strstr (error->message, trouble->words));
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, trouble->n_requests);
  assert_kept (fixture, N_RUNS);
  g_assert_cmpuint (test_log_count (), ==, 1);
  g_assert_true (test_log_contains ("tries again while the program runs"));

  test_emit (fixture->exporter, "later");
  assert_kept (fixture, N_RUNS + 1);
  come_back (fixture);
  test_assert_flush (fixture->exporter, N_RUNS + 1);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  assert_delivered (fixture, N_RUNS + 1);
}

/* Nobody answers in time: it may have arrived, and is sent again as it was. */
static void
test_held_hang (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_request_timeout (fixture->config, 200);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
  test_emit_many (fixture->exporter, N_RUNS);
  g_error_free (test_flush_in_vain (fixture->exporter, N_RUNS));
  assert_kept (fixture, N_RUNS);

  /* one of the attempts had come through: that is no conflict to look into */
  come_back (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 409, .repeat = 1 });
  g_assert_true (test_flush_at_last (fixture->exporter));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, N_RUNS);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, N_RUNS);
}

static void
test_held_no_name (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_api_url (fixture->config, "https://lsobs.invalid");
  lsobs_config_set_max_attempts (fixture->config, 1);
  test_fixture_start (fixture);
  test_emit_many (fixture->exporter, N_RUNS);
  g_error_free (test_flush_in_vain (fixture->exporter, N_RUNS));
  assert_kept (fixture, N_RUNS);
  g_assert_cmpuint (test_log_count (), ==, 1);
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, N_RUNS);
}

/* Nobody listens any longer, not even on the connection that there was; and then, at the same port,
 * somebody does again, which a probe finds. */
static void
test_held_refused (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  set_first_probe (fixture->config, FIRST_PROBE);
  test_fixture_start (fixture);
  test_emit (fixture->exporter, "before");
  test_assert_flush (fixture->exporter, 1);
  test_server_close_port (fixture->server);
  test_emit_many (fixture->exporter, N_RUNS);
  error = test_flush_in_vain (fixture->exporter, N_RUNS);
  g_assert_nonnull (strstr (error->message, g_strerror (ECONNREFUSED)));
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_PAUSED);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  g_assert_cmpuint (test_log_count (), ==, 1);
  test_emit (fixture->exporter, "later");
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 1);

  test_server_open_port (fixture->server);
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, 1 + N_RUNS));
  g_assert_true (test_flush_at_last (fixture->exporter));
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  assert_delivered (fixture, 1 + N_RUNS + 1);
}

/* An address to which there is never a way: TCP has no broadcast. */
#define NO_ROUTE "255.255.255.255"

/* What the system says of a connection to it. */
static int
connect_to_no_route (void)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (9) };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int problem = 0;

  g_assert_cmpint (inet_pton (AF_INET, NO_ROUTE, &address.sin_addr), ==, 1);
  if (connect (fd, (struct sockaddr *) &address, sizeof address) != 0)
    problem = errno;
  close (fd);
  return problem;
}

static void
test_held_no_route (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  int problem = connect_to_no_route ();
  g_autoptr (GError) error = NULL;

  if (problem != ENETUNREACH && problem != EHOSTUNREACH)
    {
      g_test_skip ("this system has a way to " NO_ROUTE);
      return;
    }
  lsobs_config_set_api_url (fixture->config, "http://" NO_ROUTE);
  lsobs_config_set_allow_plain_http (fixture->config, TRUE);
  test_fixture_start (fixture);
  test_emit_many (fixture->exporter, N_RUNS);
  error = test_flush_in_vain (fixture->exporter, N_RUNS);
  g_assert_nonnull (strstr (error->message, g_strerror (problem)));
  assert_kept (fixture, N_RUNS);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_REQUESTS), ==, 2);
  test_emit (fixture->exporter, "later");
  g_error_free (test_flush_in_vain (fixture->exporter, N_RUNS + 1));
  assert_kept (fixture, N_RUNS + 1);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_REQUESTS), ==, 3);
  g_assert_cmpuint (test_log_count (), ==, 1);
}

/* A short trouble is waited out, and nobody hears of it. */
static void
test_waited_out (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 503 });
  test_emit_many (fixture->exporter, N_RUNS);
  test_assert_flush (fixture->exporter, N_RUNS);
  g_assert_cmpuint (test_log_count (), ==, 0);
  assert_delivered (fixture, N_RUNS);
}

/* --- probes -------------------------------------------------------------------------------- */

/* They come by themselves, one batch and one attempt at a time, ever farther apart. */
static void
test_probes (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_max_attempts (fixture->config, 3);
  lsobs_config_set_max_batch_size (fixture->config, N_RUNS);
  set_first_probe (fixture->config, FIRST_PROBE);
  test_fixture_start (fixture);
  go_away (fixture);
  test_emit_many (fixture->exporter, N_RUNS);
  g_assert_true (test_server_wait_requests (fixture->server, 8, TEST_TIMEOUT_MS));
  for (guint i = 0; i < 5; i++)
    {
      g_autoptr (TestRequest) before = test_get_request (fixture->server, 2 + i);
      g_autoptr (TestRequest) after = test_get_request (fixture->server, 3 + i);

      /* half of it is chance */
      g_assert_cmpint (after->time - before->time, >=, ((FIRST_PROBE << i) / 2 - 1) * 1000);
      g_assert_cmpuint (test_request_get_n_ops (after), ==, N_RUNS);
    }
  test_assert_books (fixture->exporter);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);

  come_back (fixture);
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, N_RUNS));
  assert_delivered (fixture, N_RUNS);
}

/* A flush probes at once, and fails with what that has met with. */
static void
test_flush_probes (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_max_attempts (fixture->config, 3);
  test_fixture_start (fixture);
  go_away (fixture);
  test_emit (fixture->exporter, "run");
  g_error_free (test_flush_in_vain (fixture->exporter, 1));
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 3);
  for (guint i = 1; i <= 4; i++)
    {
      g_autofree char *words = g_strdup_printf ("excuse %u", i);
      g_autoptr (GError) error = NULL;

      test_server_clear (fixture->server);
      test_server_push (fixture->server, NULL,
                        (TestAnswer){ .status = 500, .body = words, .repeat = -1 });
      error = test_flush_in_vain (fixture->exporter, 1);
      g_assert_nonnull (strstr (error->message, words));
      g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 1);
    }
  come_back (fixture);
  test_assert_flush (fixture->exporter, 1);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_RETRIES), ==, 2 + 4 + 1);
  assert_delivered (fixture, 1);
}

/* The same where the sending happens in the program's own context, and without blocking. */
static void
test_flush_async (TestFixture *fixture, gconstpointer data)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;

  test_fixture_start_in (fixture, data != NULL ? g_main_context_default () : NULL);
  go_away (fixture);
  test_emit_many (fixture->exporter, N_RUNS);
  for (guint i = 0; i < 2; i++)
    {
      lsobs_exporter_flush_async (fixture->exporter, -1, NULL, test_result_cb, &result);
      g_assert_false (lsobs_exporter_flush_finish (fixture->exporter, test_result_wait (&result),
                                                   NULL, &error));
      g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
      g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, N_RUNS);
      g_clear_error (&error);
      test_result_clear (&result);
    }
  come_back (fixture);
  lsobs_exporter_flush_async (fixture->exporter, -1, NULL, test_result_cb, &result);
  g_assert_true (
      lsobs_exporter_flush_finish (fixture->exporter, test_result_wait (&result), NULL, &error));
  assert_delivered (fixture, N_RUNS);
}

/* --- order --------------------------------------------------------------------------------- */

/* What was tried is never merged with again; its end follows it. */
static void
test_end_follows (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (GError) error = NULL;
  guint64 n_merged;

  test_fixture_start (fixture);
  go_away (fixture);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_error_free (test_flush_in_vain (fixture->exporter, 1));
  n_merged = test_get_counter (fixture->exporter, LSOBS_COUNTER_MERGED);
  lsobs_run_end (run, NULL);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_MERGED), ==, n_merged);
  g_error_free (test_flush_in_vain (fixture->exporter, 2));
  assert_kept (fixture, 2);

  come_back (fixture);
  test_assert_flush (fixture->exporter, 2);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 2);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_PROMOTED), ==, 0);
  tree = test_server_build_tree (fixture->server);
  wire_tree_check (tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
}

/* Feedback does not overtake its run. */
static void
test_feedback_follows (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (TestRequest) first = NULL;
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (GError) error = NULL;

  test_fixture_start (fixture);
  go_away (fixture);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_error_free (test_flush_in_vain (fixture->exporter, 1));
  lsobs_run_add_feedback (run, "score", 1, NULL, &error);
  g_assert_no_error (error);
  g_error_free (test_flush_in_vain (fixture->exporter, 2));

  come_back (fixture);
  test_assert_flush (fixture->exporter, 2);
  tree = test_server_build_tree (fixture->server);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 1);
  g_assert_cmpuint (wire_tree_get_n_feedback (tree), ==, 1);
  first = test_get_request (fixture->server, 0);
  g_assert_nonnull (first->wire);
  g_assert_cmpuint (first->wire->ops->len, ==, 1);
}

/* --- bounds -------------------------------------------------------------------------------- */

static void
emit_numbered (TestFixture *fixture, const char *prefix, guint first, guint n)
{
  for (guint i = first; i < first + n; i++)
    {
      g_autofree char *name = g_strdup_printf ("%s-%u", prefix, i);

      test_emit (fixture->exporter, name);
    }
}

/* A probe may be under way, whose records wait again when it fails. */
static gboolean
is_within_capacity (gpointer data)
{
  return test_get_counter (data, LSOBS_COUNTER_IN_FLIGHT) == 0 &&
         test_get_counter (data, LSOBS_COUNTER_QUEUED) <= 10;
}

/* What was tried and put back counts, and goes first. */
static void
test_capacity (TestFixture *fixture, gconstpointer data)
{
  Away away = (Away) GPOINTER_TO_INT (data);
  g_autoptr (WireTree) tree = NULL;
  LsobsFlushStats stats;

  lsobs_config_set_queue_capacity (fixture->config, 10);
  lsobs_config_set_max_batch_size (fixture->config, 4);
  lsobs_config_set_max_in_flight (fixture->config, 1);
  test_fixture_start (fixture);
  go_away_as (fixture, away);
  emit_numbered (fixture, "run", 0, 4);
  g_error_free (test_flush_in_vain (fixture->exporter, 4));
  lsobs_exporter_flush (fixture->exporter, 0, &stats, NULL);
  for (guint i = 4; i < 30; i++)
    {
      emit_numbered (fixture, "run", i, 1);
      test_assert_books (fixture->exporter);
      g_assert_true (test_wait_until (is_within_capacity, fixture->exporter, TEST_TIMEOUT_MS));
    }
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, 10);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_QUEUE_FULL), ==, 20);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 20);

  come_back_as (fixture, away);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, &stats, NULL));
  g_assert_cmpuint (stats.dropped_events, ==, 20);
  assert_delivered (fixture, 10);
  tree = test_server_build_tree (fixture->server);
  for (guint i = 20; i < 30; i++)
    {
      g_autofree char *name = g_strdup_printf ("run-%u", i);

      g_assert_nonnull (wire_tree_find (tree, name));
    }
}

static gboolean
has_dropped_bytes (gpointer data)
{
  return test_get_dropped (data, LSOBS_DROP_REASON_QUEUE_BYTES) > 0;
}

/* The same by the memory that it takes. */
static void
test_max_bytes (TestFixture *fixture, gconstpointer data)
{
  Away away = (Away) GPOINTER_TO_INT (data);
  g_autoptr (WireTree) tree = NULL;
  guint64 n_dropped;

  lsobs_config_set_max_queue_bytes (fixture->config, 100000);
  test_fixture_start (fixture);
  go_away_as (fixture, away);
  test_emit_large (fixture->exporter, "oldest", 40000);
  test_emit (fixture->exporter, "older");
  g_error_free (test_flush_in_vain (fixture->exporter, 2));
  test_emit_large (fixture->exporter, "newer", 40000);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  test_emit_large (fixture->exporter, "newest", 40000);
  g_assert_true (test_wait_until (has_dropped_bytes, fixture->exporter, TEST_TIMEOUT_MS));
  n_dropped = test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_QUEUE_BYTES);
  g_assert_cmpuint (n_dropped, ==, 1);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 1);
  test_assert_books (fixture->exporter);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED_BYTES), <=, 100000);

  come_back_as (fixture, away);
  test_assert_flush (fixture->exporter, 3);
  tree = test_server_build_tree (fixture->server);
  g_assert_null (wire_tree_find (tree, "oldest"));
}

static gboolean
has_dropped_one (gpointer data)
{
  return test_get_total_dropped (data) > 0;
}

/* The create goes for want of room; its end still waits, or comes later, and tells the whole run. */
static void
test_promoted_end (TestFixture *fixture, gconstpointer data)
{
  gboolean ends_later = data != NULL;
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (GError) error = NULL;

  lsobs_config_set_queue_capacity (fixture->config, 4);
  lsobs_config_set_max_batch_size (fixture->config, 10);
  test_fixture_start (fixture);
  go_away (fixture);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_error_free (test_flush_in_vain (fixture->exporter, 1));
  if (!ends_later)
    {
      lsobs_run_end (run, NULL);
      g_error_free (test_flush_in_vain (fixture->exporter, 2));
    }
  emit_numbered (fixture, "other", 0, ends_later ? 4 : 3);
  g_assert_true (test_wait_until (has_dropped_one, fixture->exporter, TEST_TIMEOUT_MS));
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_QUEUE_FULL), ==, 1);
  if (ends_later)
    {
      lsobs_run_end (run, NULL);
      g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 2);
    }
  come_back (fixture);
  test_assert_flush (fixture->exporter, 4);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_PROMOTED), ==, 1);
  tree = test_server_build_tree (fixture->server);
  wire_tree_check (tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (wire_tree_find (tree, "run"));
}

/* Called in the server's thread. */
static gboolean
conflict_post_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  if (request->wire == NULL || wire_request_find (request->wire, "post", data) == NULL)
    return FALSE;
  answer->status = 409;

  return TRUE;
}

/* ... but the create had arrived: only the end is told. */
static void
test_promoted_conflict (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autofree char *id = NULL;
  g_autoptr (JsonObject) patch = NULL;

  lsobs_config_set_queue_capacity (fixture->config, 4);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_RESET, .repeat = -1 });
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  id = lsobs_run_dup_id (run);
  g_error_free (test_flush_in_vain (fixture->exporter, 1));
  lsobs_run_end (run, NULL);
  g_error_free (test_flush_in_vain (fixture->exporter, 2));
  emit_numbered (fixture, "other", 0, 3);
  g_assert_true (test_wait_until (has_dropped_one, fixture->exporter, TEST_TIMEOUT_MS));
  /* the promoted end is tried in vain, too, so that it may have arrived as well */
  g_error_free (test_flush_in_vain (fixture->exporter, 4));

  test_server_switch (fixture->server, conflict_post_cb, id);
  g_assert_true (test_flush_at_last (fixture->exporter));
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 1);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, 4);
  patch = run_dup_operation (fixture->server, "patch", id);
  g_assert_nonnull (patch);
}

/* --- what always fails --------------------------------------------------------------------- */

/* Called in the server's thread. */
static gboolean
fail_poison_cb (TestRequest *request, TestAnswer *answer, gpointer data G_GNUC_UNUSED)
{
  if (!test_bytes_contain (request->body, "\"poison\""))
    return FALSE;
  answer->status = 500;
  answer->body = "crashed";

  return TRUE;
}

/* Once, whatever the service does. */
static gboolean
is_poison_lost (gpointer data)
{
  TestFixture *fixture = data;

  test_emit (fixture->exporter, "other");
  lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL);
  test_assert_books (fixture->exporter);
  return test_get_total_dropped (fixture->exporter) > 0;
}

/* A batch that always fails is in nobody's way; the record to blame is lost, alone. */
static void
test_poison (TestFixture *fixture, gconstpointer data)
{
  guint n = GPOINTER_TO_UINT (data);
  g_autoptr (WireTree) tree = NULL;
  guint64 n_enqueued;

  lsobs_config_set_max_attempts (fixture->config, 1);
  set_first_probe (fixture->config, 1);
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, fail_poison_cb, NULL);
  fixture->is_free = TRUE;
  emit_numbered (fixture, "before", 0, n / 2);
  test_emit (fixture->exporter, "poison");
  emit_numbered (fixture, "after", 0, n - n / 2 - 1);
  g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_true (test_wait_until (is_poison_lost, fixture, TEST_TIMEOUT_MS));
  g_assert_true (test_flush_at_last (fixture->exporter));

  n_enqueued = test_get_counter (fixture->exporter, LSOBS_COUNTER_ENQUEUED);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_UNAVAILABLE), ==, 1);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 1);
  assert_delivered (fixture, (guint) n_enqueued - 1);
  tree = test_server_build_tree (fixture->server);
  g_assert_null (wire_tree_find (tree, "poison"));
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
}

/* Called in the server's thread. */
static gboolean
count_poison_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  guint *n = data;

  if (!fail_poison_cb (request, answer, NULL))
    return FALSE;
  g_atomic_int_inc ((int *) n);

  return TRUE;
}

/* The next batch has its turn, as often as it takes, and without what fails being lost by that
 * alone. */
static void
test_alternation (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  guint n_poison = 0;

  lsobs_config_set_max_attempts (fixture->config, 1);
  lsobs_config_set_max_batch_size (fixture->config, 1);
  lsobs_config_set_max_in_flight (fixture->config, 1);
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, count_poison_cb, &n_poison);
  fixture->is_free = TRUE;
  test_emit (fixture->exporter, "poison");
  g_error_free (test_flush_in_vain (fixture->exporter, 1));
  test_emit (fixture->exporter, "good");
  /* the probe is the other batch; then what was tried has its turn, and fails once more */
  lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, 1);
  g_assert_cmpint (g_atomic_int_get ((int *) &n_poison), ==, 2);
  assert_kept (fixture, 1);
  /* nothing else is there: no probe of it alone counts against it */
  for (guint i = 0; i < 5; i++)
    g_error_free (test_flush_in_vain (fixture->exporter, 1));
  assert_kept (fixture, 1);

  come_back (fixture);
  test_assert_flush (fixture->exporter, 1);
}

/* --- what fails for a while ---- */

/* Called in the server's thread. */
static gboolean
take_every_third_cb (TestRequest *request G_GNUC_UNUSED, TestAnswer *answer, gpointer data)
{
  guint *n = data;

  if (++*n % 3 == 0)
    return FALSE;
  answer->status = 429;
  answer->body = "{\"detail\":\"Rate limit exceeded\"}";

  return TRUE;
}

/* Called in the server's thread. */
static gboolean
fail_at_random_cb (TestRequest *request G_GNUC_UNUSED, TestAnswer *answer, gpointer data)
{
  if (g_rand_int_range (data, 0, 10) >= 6)
    return FALSE;
  answer->status = 503;

  return TRUE;
}

static gboolean
is_empty (gpointer data)
{
  return test_get_counter (data, LSOBS_COUNTER_QUEUED) == 0 &&
         test_get_counter (data, LSOBS_COUNTER_IN_FLIGHT) == 0;
}

static void
deliver_all (TestFixture *fixture)
{
  emit_numbered (fixture, "run", 0, 400);
  lsobs_exporter_flush (fixture->exporter, 0, NULL, NULL);
  g_assert_true (test_wait_until (is_empty, fixture->exporter, TEST_TIMEOUT_MS));
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  assert_delivered (fixture, 400);
  test_server_set_handler (fixture->server, NULL, NULL);
}

/* That the service takes no more for now is no record's fault. */
static void
test_busy (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  guint n = 0;

  lsobs_config_set_max_attempts (fixture->config, 1);
  lsobs_config_set_max_batch_size (fixture->config, 10);
  set_first_probe (fixture->config, 1);
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, take_every_third_cb, &n);
  fixture->is_free = TRUE;
  deliver_all (fixture);
}

/* A service that fails at random fails for each batch some time, also while others succeed. */
static void
test_overload (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (GPOINTER_TO_UINT (data));

  lsobs_config_set_max_attempts (fixture->config, 6);
  lsobs_config_set_retry_delay (fixture->config, 1);
  lsobs_config_set_max_batch_size (fixture->config, 10);
  set_first_probe (fixture->config, 1);
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, fail_at_random_cb, rand);
  fixture->is_free = TRUE;
  deliver_all (fixture);
}

/* --- the end ------------------------------------------------------------------------------- */

/* One last attempt: in vain, or not. */
static void
test_shutdown (TestFixture *fixture, gconstpointer data)
{
  gboolean is_back = data != NULL;

  test_fixture_start (fixture);
  go_away (fixture);
  test_emit_many (fixture->exporter, N_RUNS);
  g_error_free (test_flush_in_vain (fixture->exporter, N_RUNS));
  test_emit (fixture->exporter, "later");
  test_server_clear (fixture->server);
  fixture->is_free = TRUE;
  if (!is_back)
    go_away (fixture);
  g_assert_true (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL) ==
                 is_back);
  test_assert_books (fixture->exporter);
  if (is_back)
    assert_delivered (fixture, N_RUNS + 1);
  else
    g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 1);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==,
                    is_back ? 0 : N_RUNS + 1);
}

/* What was tried is written down with the rest, and can be sent from there. */
static void
test_shutdown_writes (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *dir = failed_traces_make_dir ();
  g_autoptr (WireTree) tree = NULL;

  lsobs_config_set_failed_traces_dir (fixture->config, dir);
  test_fixture_start (fixture);
  go_away (fixture);
  test_emit_many (fixture->exporter, N_RUNS);
  g_error_free (test_flush_in_vain (fixture->exporter, N_RUNS));
  g_assert_cmpuint (failed_traces_count_entries (dir), ==, 0);
  test_emit (fixture->exporter, "later");
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DUMPED), ==, N_RUNS + 1);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==,
                    N_RUNS + 1);
  tree = failed_traces_build_tree (dir, test_server_get_url (fixture->server));
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, N_RUNS + 1);
  failed_traces_remove_dir (dir);
}

/* --- pauses that cost a batch stay as they are --------------------------------------------- */

static void
test_key_then_away (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fixture->config->first_pause = TEST_NEVER_MS;
  test_fixture_start (fixture);
  go_away (fixture);
  test_emit (fixture->exporter, "away");
  g_error_free (test_flush_in_vain (fixture->exporter, 1));
  /* The service is back, but does not know the key: that batch is lost, and a flush does not send
   * another one after it. */
  come_back (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 401, .repeat = -1 });
  g_error_free (test_flush_with_loss (fixture->exporter, 1));
  test_emit (fixture->exporter, "kept");
  for (guint i = 0; i < 3; i++)
    g_error_free (test_flush_in_vain (fixture->exporter, 1));
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 1);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_UNAUTHORIZED), ==, 1);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 1);
}

/* --- several places ------------------------------------------------------------------------ */

static void
test_replicas (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  set_first_probe (replicas->config, TEST_NEVER_MS);
  lsobs_config_set_max_attempts (replicas->config, 1);
  replicas_add_all (replicas);
  test_server_push (replicas->servers[1], NULL, (TestAnswer){ .status = 503, .repeat = -1 });
  replicas_start (replicas);
  for (guint i = 1; i <= 3; i++)
    {
      replicas_record (replicas, "run", 2);
      g_assert_false (lsobs_exporter_flush (replicas->exporter, TEST_TIMEOUT_MS, NULL, &error));
      g_assert_nonnull (strstr (error->message, "replica 2 at "));
      g_clear_error (&error);
      g_assert_cmpuint (replicas_get (replicas, 0, LSOBS_COUNTER_DELIVERED), ==, 2 * i);
      g_assert_cmpuint (replicas_get (replicas, 2, LSOBS_COUNTER_DELIVERED), ==, 2 * i);
      g_assert_cmpuint (replicas_get (replicas, 1, LSOBS_COUNTER_QUEUED), ==, 2 * i);
      replicas_assert_books (replicas);
    }
  g_assert_cmpint (lsobs_exporter_get_replica_state (replicas->exporter, 0), ==, LSOBS_STATE_OK);
  g_assert_cmpint (lsobs_exporter_get_replica_state (replicas->exporter, 1), ==,
                   LSOBS_STATE_PAUSED);

  test_server_clear (replicas->servers[1]);
  test_assert_flush (replicas->exporter, 6);
  g_assert_cmpuint (test_server_count_ops (replicas->servers[1]), ==, 6);
  g_assert_cmpint (lsobs_observer_get_state (replicas->observer), ==, LSOBS_STATE_OK);
  g_assert_cmpuint (test_get_total_dropped (replicas->exporter), ==, 0);
}

/* --- fork ---------------------------------------------------------------------------------- */

static void
fork_set_up (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  lsobs_config_set_max_attempts (fixture->config, 1);
  set_first_probe (fixture->config, TEST_NEVER_MS);
  run_fixture_start (fixture);
}

/* The child has nothing of its parent's, neither records nor the trouble. */
static void
child_sends (RunFixture *fixture, gpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;

  child_assert (lsobs_observer_get_state (fixture->observer) == LSOBS_STATE_OK);
  child_assert (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_FORK) == 1);
  child_assert (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED) == 0);
  run = lsobs_observer_start_run (fixture->observer, "child", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_end (run, NULL);
  fork_child_flush (fixture);
  child_assert (run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED) == 1);
  g_clear_object (&fixture->observer);
  g_clear_object (&fixture->exporter);
}

static void
test_fork (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  WireTree *tree;

  if (fork_skip ())
    return;
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 503, .repeat = 1 });
  run = lsobs_observer_start_run (fixture->observer, "parent", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_end (run, NULL);
  g_error_free (test_flush_in_vain (fixture->exporter, 1));
  fork_run (child_sends, fixture, NULL);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED), ==, 1);
  tree = run_fixture_flush (fixture);
  g_assert_nonnull (wire_tree_find (tree, "parent"));
  g_assert_nonnull (wire_tree_find (tree, "child"));
  g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_FORK), ==, 0);
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, set_up, test, test_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  for (guint i = 0; i < G_N_ELEMENTS (troubles); i++)
    {
      g_autofree char *path = g_strconcat ("/outage/held/", troubles[i].path, NULL);

      ADD (path, &troubles[i], test_held);
    }
  ADD ("/outage/held/hang", NULL, test_held_hang);
  ADD ("/outage/held/no-name", NULL, test_held_no_name);
  ADD ("/outage/held/refused", NULL, test_held_refused);
  ADD ("/outage/held/no-route", NULL, test_held_no_route);
  ADD ("/outage/waited-out", NULL, test_waited_out);
  ADD ("/outage/probes", NULL, test_probes);
  ADD ("/outage/flush", NULL, test_flush_probes);
  ADD ("/outage/flush-async", NULL, test_flush_async);
  ADD ("/outage/flush-async/in-context", "", test_flush_async);
  ADD ("/outage/order/end", NULL, test_end_follows);
  ADD ("/outage/order/feedback", NULL, test_feedback_follows);
  ADD ("/outage/bounds/capacity/answers", GINT_TO_POINTER (AWAY_ANSWERS), test_capacity);
  ADD ("/outage/bounds/capacity/refuses", GINT_TO_POINTER (AWAY_REFUSES), test_capacity);
  ADD ("/outage/bounds/bytes/answers", GINT_TO_POINTER (AWAY_ANSWERS), test_max_bytes);
  ADD ("/outage/bounds/bytes/refuses", GINT_TO_POINTER (AWAY_REFUSES), test_max_bytes);
  ADD ("/outage/promoted/waiting", NULL, test_promoted_end);
  ADD ("/outage/promoted/later", "", test_promoted_end);
  ADD ("/outage/promoted/conflict", NULL, test_promoted_conflict);
  ADD ("/outage/poison/alone", GUINT_TO_POINTER (1), test_poison);
  ADD ("/outage/poison/of-2", GUINT_TO_POINTER (2), test_poison);
  ADD ("/outage/poison/of-8", GUINT_TO_POINTER (8), test_poison);
  ADD ("/outage/poison/of-50", GUINT_TO_POINTER (50), test_poison);
  ADD ("/outage/busy", NULL, test_busy);
  for (guint i = 1; i <= 5; i++)
    {
      g_autofree char *path = g_strdup_printf ("/outage/overload/%u", i);

      ADD (path, GUINT_TO_POINTER (i), test_overload);
    }
  ADD ("/outage/alternation", NULL, test_alternation);
  ADD ("/outage/shutdown/away", NULL, test_shutdown);
  ADD ("/outage/shutdown/back", "", test_shutdown);
  ADD ("/outage/shutdown/dumps", NULL, test_shutdown_writes);
  ADD ("/outage/key", NULL, test_key_then_away);
  g_test_add ("/outage/replicas", Replicas, NULL, replicas_set_up, test_replicas,
              replicas_tear_down);
  g_test_add ("/outage/fork", RunFixture, NULL, fork_set_up, test_fork, run_fixture_tear_down);

  return g_test_run ();
}
