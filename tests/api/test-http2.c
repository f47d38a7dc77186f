/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* HTTP/2: what is counted as delivered is there, whatever becomes of streams and connections. */

#include "config.h"

#include <string.h>

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/tls-helpers.h"

/* --- requests that are sent again ---------------------------------------------------------- */

/* Requests share the connections, of which no more are made than requests are under way, and the
 * question what the service can do. */
static void
test_keep_alive (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  TlsBooks books;

  if (fixture->service == NULL)
    return;
  lsobs_config_set_max_batch_size (fixture->base.config, 1);
  lsobs_config_set_max_in_flight (fixture->base.config, 4);
  test_fixture_start (&fixture->base);
  test_emit_many (fixture->base.exporter, 60);
  test_assert_flush (fixture->base.exporter, 60);
  tls_service_get_books (fixture->service, &books);
  g_assert_cmpuint (books.n_runs, ==, 60);
  g_assert_cmpuint (books.n_connections, <=, 5);
}

/* Several requests are under way while the server refuses streams and cuts connections. */
static void
test_concurrent (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  TlsBooks books;

  if (fixture->service == NULL)
    return;
  lsobs_config_set_max_batch_size (fixture->base.config, 1);
  test_fixture_start (&fixture->base);
  test_emit_many (fixture->base.exporter, 40);
  test_assert_flush (fixture->base.exporter, 40);
  tls_service_get_books (fixture->service, &books);
  g_assert_cmpuint (books.n_without_body, ==, 0);
  g_assert_cmpuint (books.n_cut_short, ==, 0);
  g_assert_cmpuint (books.n_runs, ==, 40);
}

/* 20 runs in batches of 5, of which every third stream is refused. */
static void
test_refused (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  TlsBooks books;

  if (fixture->service == NULL)
    return;
  test_fixture_start (&fixture->base);
  tls_fixture_assert_arrival (fixture, 4, &books);
  g_assert_cmpuint (books.n_refused, >, 0);
  g_assert_cmpuint (books.n_times, ==, 20);
  /* libsoup does that within one attempt */
  g_assert_cmpuint (test_get_counter (fixture->base.exporter, LSOBS_COUNTER_RETRIES), ==, 0);
}

static void
test_goaway_below (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  TlsBooks books;

  if (fixture->service == NULL)
    return;
  test_fixture_start (&fixture->base);
  tls_fixture_assert_arrival (fixture, 4, &books);
  g_assert_cmpuint (books.n_refused, >, 0);
  g_assert_cmpuint (books.n_connections, >, 1);
}

/* The service has taken it, and refuses the stream all the same: that it knows the runs when they
 * come again is success. */
static void
test_resent_conflict (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  TlsBooks books;

  if (fixture->service == NULL)
    return;
  lsobs_config_set_max_attempts (fixture->base.config, 1);
  test_fixture_start (&fixture->base);
  tls_fixture_assert_arrival (fixture, 1, &books);
  g_assert_cmpuint (books.n_requests, ==, 2);
  g_assert_cmpuint (books.n_times, ==, 10);
}

/* After 20 times the attempt has failed: libsoup has no limit for refused streams. */
static void
test_refused_always (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  TlsBooks books;
  g_autoptr (GError) error = NULL;

  if (fixture->service == NULL)
    return;
  lsobs_config_set_max_attempts (fixture->base.config, 2);
  test_fixture_start (&fixture->base);
  test_emit_many (fixture->base.exporter, 5);
  error = test_flush_in_vain (fixture->base.exporter, 5);
  /* On a slow machine, libsoup may end the message with the error in place of another try. */
  g_assert_true (strstr (error->message, "repeatedly") != NULL ||
                 strstr (error->message, "REFUSED_STREAM") != NULL);
  tls_service_get_books (fixture->service, &books);
  g_assert_cmpuint (books.n_runs, ==, 0);
  g_assert_cmpuint (books.n_refused, >=, test_is_instrumented () ? 2 : 2 * 20);
  g_assert_cmpuint (books.n_refused, <=, 2 * 22);
}

/* In ms. Refused streams would take so long, one after the other, that the limit of 20 is not
 * reached before the time of the request is over. */
#define LATE_MS         500
#define LATE_TIMEOUT_MS 6000

/* All times that a request is sent share its one deadline. Nothing gets lost by that. */
static void
test_refused_late (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;
  TlsBooks books;
  g_autoptr (GError) error = NULL;

  if (fixture->service == NULL)
    return;
  lsobs_config_set_max_attempts (fixture->base.config, 1);
  lsobs_config_set_request_timeout (fixture->base.config, LATE_TIMEOUT_MS);
  exporter = test_fixture_start (&fixture->base);
  test_emit_many (exporter, 5);
  g_assert_false (lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
  g_assert_nonnull (strstr (error->message, "no answer in time"));
  tls_service_get_books (fixture->service, &books);
  g_assert_cmpuint (books.n_refused, >, 0);
  g_assert_cmpuint (books.n_refused, <=, LATE_TIMEOUT_MS / LATE_MS + 2);

  /* A new connection, on which it refuses nothing. */
  g_assert_true (test_flush_at_last (exporter));
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_DELIVERED), ==, 5);
  g_assert_cmpuint (test_get_total_dropped (exporter), ==, 0);
  tls_service_get_books (fixture->service, &books);
  g_assert_cmpuint (books.n_runs, ==, 5);
  g_assert_cmpuint (books.n_times, ==, 5);
  g_assert_cmpuint (books.n_without_body, ==, 0);
}

/* Lost requests that are sent from their files go the same way. */
static void
test_replay (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *dir = failed_traces_make_dir ();
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (LsobsClient) client = NULL;
  g_autoptr (GError) error = NULL;
  TlsBooks books;
  guint n_delivered, n_failed;

  if (fixture->service != NULL)
    {
      lsobs_config_set_failed_traces_dir (fixture->base.config, dir);
      lsobs_config_set_api_url (fixture->base.config, test_server_get_url (fixture->base.server));
      test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 405, .repeat = -1 });
      test_fixture_start (&fixture->base);
      for (guint i = 0; i < 4; i++)
        {
          test_emit_many (fixture->base.exporter, 5);
          g_assert_false (
              lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL));
        }
      test_fixture_stop (&fixture->base);

      lsobs_config_set_api_url (fixture->base.config, tls_service_get_url (fixture->service));
      client = lsobs_client_new (fixture->base.config, &error);
      g_assert_no_error (error);
      lsobs_client_replay_async (client, dir, NULL, test_result_cb, &result);
      lsobs_client_replay_finish (client, test_result_wait (&result), &n_delivered, &n_failed,
                                  &error);
      g_assert_no_error (error);
      g_assert_cmpuint (n_delivered, ==, 4);
      g_assert_cmpuint (n_failed, ==, 0);
      tls_service_get_books (fixture->service, &books);
      g_assert_cmpuint (books.n_refused, >, 0);
      g_assert_cmpuint (books.n_without_body, ==, 0);
      g_assert_cmpuint (books.n_runs, ==, 20);
      test_result_clear (&result);
      g_assert_finalize_object (g_steal_pointer (&client));
    }
  failed_traces_remove_dir (dir);
}

/* Pieces of feedback that have an endpoint and a request each. */
static void
test_feedback (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GError) error = NULL;
  TlsBooks books;

  if (fixture->service == NULL)
    return;
  test_fixture_start (&fixture->base);
  run = lsobs_observer_start_run (fixture->base.observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_end (run, NULL);
  test_assert_flush (fixture->base.exporter, 1);
  for (guint i = 0; i < 6; i++)
    {
      g_autoptr (LsobsFeedback) feedback = lsobs_run_new_feedback (run, "key");

      lsobs_feedback_set_score (feedback, i);
      /* which goes alone, whatever the service takes */
      lsobs_feedback_set_extend_retention (feedback, FALSE);
      lsobs_observer_add_feedback (fixture->base.observer, feedback, &error);
      g_assert_no_error (error);
    }
  test_assert_flush (fixture->base.exporter, 6);
  tls_service_get_books (fixture->service, &books);
  g_assert_cmpuint (books.n_refused, >, 0);
  g_assert_cmpuint (books.n_without_body, ==, 0);
  /* When all is slow, what was sent again after an error may be there twice. */
  g_assert_cmpuint (books.n_feedback, >=, 6);
  if (!test_is_instrumented ())
    g_assert_cmpuint (books.n_feedback, ==, 6);
}

/* --- uploads ------------------------------------------------------------------------------- */

/* A small batch makes the settings of both sides known, a large one needs many windows. */
static void
test_large (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  TlsBooks books;

  if (fixture->service == NULL)
    return;
  test_fixture_start (&fixture->base);
  tls_fixture_assert_arrival (fixture, 1, &books);
  test_emit_large (fixture->base.exporter, "large", 300000);
  test_assert_flush (fixture->base.exporter, 1);
  tls_service_get_books (fixture->service, &books);
  g_assert_cmpuint (books.n_cut_short, ==, 0);
  g_assert_cmpuint (books.n_runs, ==, 6);
}

/* The server stops reading in the middle of an upload, which fills all buffers on the way. libsoup
 * forgets such a message when its connection ends. */
static void
test_stuck (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  TlsBooks books;

  if (fixture->service == NULL)
    return;
  lsobs_config_set_compression (fixture->base.config, LSOBS_COMPRESSION_NONE);
  lsobs_config_set_request_timeout (fixture->base.config, 3 * TLS_SHORT_MS);
  test_fixture_start (&fixture->base);
  tls_fixture_assert_arrival (fixture, 1, &books);
  test_emit_large (fixture->base.exporter, "large", 12 * 1000 * 1000);
  test_assert_flush (fixture->base.exporter, 1);
  g_assert_cmpuint (test_get_counter (fixture->base.exporter, LSOBS_COUNTER_RETRIES), >, 0);
  tls_service_get_books (fixture->service, &books);
  g_assert_cmpuint (books.n_runs, ==, 6);
}

static void
assert_arrival_with_warnings (TlsFixture *fixture, guint n_batches, guint n_large)
{
  TlsBooks books;

  test_fixture_start (&fixture->base);
  tls_fixture_assert_arrival (fixture, n_batches, &books);
  for (guint i = 0; i < n_large; i++)
    test_emit_large (fixture->base.exporter, "large", 300000);
  test_assert_flush (fixture->base.exporter, n_large);
  tls_service_get_books (fixture->service, &books);
  g_assert_cmpuint (books.n_runs, ==, 5 * n_batches + n_large);
  g_assert_cmpuint (books.n_times, ==, books.n_runs);
}

/* Too large before it is there: both of them go alone then. */
static void
test_early_answer (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  if (fixture->service != NULL)
    assert_arrival_with_warnings (fixture, 1, 2);
}

static void
test_trailers (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  if (fixture->service != NULL)
    assert_arrival_with_warnings (fixture, 4, 0);
}

/* --- a server that does not answer --------------------------------------------------------- */

/* One stream is never answered. */
static void
test_mute (TlsFixture *fixture, gconstpointer data)
{
  lsobs_config_set_request_timeout (fixture->base.config, TLS_SHORT_MS);
  tls_test_arrival (fixture, data);
}

/* The head of the answer is enough, however long the rest takes. */
static void
test_endless (TlsFixture *fixture, gconstpointer data)
{
  lsobs_config_set_request_timeout (fixture->base.config, TEST_NEVER_MS);
  tls_test_arrival (fixture, data);
}

static gboolean
has_sockets (gpointer data)
{
  return test_count_descriptors ("socket:") == GPOINTER_TO_UINT (data);
}

/* The end of the observer does not wait for such a server, and nothing of the connection stays. */
static void
test_shutdown (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  guint n_sockets = test_count_descriptors ("socket:");

  if (fixture->service == NULL)
    return;
  tls_fixture_assert_shutdown (fixture);
  g_assert_true (test_wait_until (has_sockets, GUINT_TO_POINTER (n_sockets), TEST_TIMEOUT_MS));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();
  tls_service_allow_warnings ();

#define ADD(name, plan, test) \
 g_test_add ("/http2/" name, TlsFixture, plan, tls_fixture_set_up, test, tls_fixture_tear_down)

  ADD ("good", "", tls_test_arrival);
  ADD ("refused/strict", "refuse=3", test_refused);
  ADD ("refused/lenient", "refuse=3 lenient=1", test_refused);
  ADD ("refused/always", "refuse-all=1", test_refused_always);
  ADD ("refused/late", "refuse-late=" G_STRINGIFY (LATE_MS), test_refused_late);
  ADD ("refused/replay", "refuse=3", test_replay);
  ADD ("refused/feedback", "refuse=3", test_feedback);
  ADD ("refused/conflict", "forget=1 conflict=1", test_resent_conflict);
  ADD ("goaway/below", "goaway-below=2", test_goaway_below);
  ADD ("goaway/above", "goaway-above=2", tls_test_arrival);
  ADD ("goaway/above-conflict", "goaway-above=2 conflict=1", tls_test_arrival);
  ADD ("goaway/idle", "idle=1", tls_test_arrival);
  ADD ("keep-alive", "", test_keep_alive);
  ADD ("concurrent/good", "", test_concurrent);
  ADD ("concurrent/one-stream", "streams=1", test_concurrent);
  ADD ("concurrent/refused", "refuse=3", test_concurrent);
  ADD ("concurrent/goaway-below", "goaway-below=3", test_concurrent);
  ADD ("concurrent/goaway-above", "goaway-above=5", test_concurrent);
  ADD ("concurrent/cut", "cut=3", test_concurrent);
  ADD ("misdirected", "misdirect=2", tls_test_arrival);
  ADD ("interim/hint", "hints=1", tls_test_arrival);
  ADD ("interim/hints", "hints=2", tls_test_arrival);
  ADD ("upload/reset", "reset=2", test_large);
  ADD ("upload/cut", "cut=2", test_large);
  ADD ("upload/window", "window=2000", test_large);
  ADD ("upload/stuck", "stuck=1", test_stuck);
  ADD ("upload/early-answer", "early=1 window=2000", test_early_answer);
  ADD ("trailers", "trailers=1", test_trailers);
  ADD ("silent/connection", "silent=1", tls_test_silent);
  ADD ("silent/stream", "mute=1", test_mute);
  ADD ("silent/shutdown", "silent=9", test_shutdown);
  ADD ("endless/head", "endless=1", test_endless);
  ADD ("endless/body", "drip=1", test_endless);
  ADD ("interim/flood", "interim=0", tls_test_interim_flood);
  ADD ("interim/slow", "interim=5", tls_test_interim_slow);

#undef ADD

  return g_test_run ();
}
