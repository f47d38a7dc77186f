/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The end: everything that can be sent is sent, and it never takes longer than it may. */

#include "config.h"

#include "tests/lib/test-helpers.h"

#define LIMIT_MS 300

/* --- a good end ---------------------------------------------------------------------------- */

static void
test_drain (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;

  lsobs_config_set_max_batch_size (fixture->config, 100);
  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, 50);
  test_server_release (fixture->server);
  g_assert_true (lsobs_observer_shutdown (fixture->observer, TEST_TIMEOUT_MS, &stats, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (stats.runs_flushed, ==, 50);
  g_assert_cmpuint (stats.runs_failed, ==, 0);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 50);
}

/* A second call does nothing; what comes after the first is counted. */
static void
test_after (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (LsobsRun) late = NULL;
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;
  gint64 start;

  test_fixture_start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_assert_true (lsobs_observer_shutdown (fixture->observer, TEST_TIMEOUT_MS, NULL, &error));
  g_assert_no_error (error);

  start = g_get_monotonic_time ();
  stats.runs_flushed = 99;
  g_assert_true (lsobs_observer_shutdown (fixture->observer, TEST_TIMEOUT_MS, &stats, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (stats.runs_flushed, ==, 0);
  g_assert_true (lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, &stats, &error));
  g_assert_no_error (error);

  lsobs_run_end (run, NULL);
  late = lsobs_observer_start_run (fixture->observer, "late", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_end (late, NULL);
  test_emit_many (fixture->exporter, 3);
  g_assert_true (lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, &stats, &error));
  g_assert_cmpuint (stats.runs_flushed, ==, 0);
  g_assert_cmpint (test_get_elapsed_ms (start), <=, test_get_slack_ms ());

  /* an end, a start and an end of another, and three complete runs */
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 6);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, 1);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, 0);
  test_assert_books (fixture->exporter);
}

/* It was never needed: no thread, no wait. */
static void
test_unused (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 start = g_get_monotonic_time ();

  test_server_hold (fixture->server);
  test_fixture_start (fixture);
  g_assert_true (lsobs_observer_shutdown (fixture->observer, -1, NULL, NULL));
  g_assert_cmpint (test_get_elapsed_ms (start), <=, test_get_slack_ms ());
  test_server_release (fixture->server);
}

/* --- services that do not answer ----------------------------------------------------------- */

typedef enum
{
  TROUBLE_HANG,
  TROUBLE_REFUSED,
  TROUBLE_BUSY,
  TROUBLE_RETRY_AFTER,
  TROUBLE_SLOW,
} Trouble;

/* Returns (transfer full) (nullable): what must live as long as the trouble */
static GSocket *
make_trouble (TestFixture *fixture, Trouble trouble)
{
  GSocket *socket = NULL;
  TestAnswer answer = { .repeat = -1 };

  /* as long as it takes, if it were for the retries */
  lsobs_config_set_max_attempts (fixture->config, 100);
  switch (trouble)
    {
    case TROUBLE_HANG:
      answer.mode = TEST_ANSWER_HANG;
      break;
    case TROUBLE_REFUSED:
      {
        g_autofree char *url = NULL;

        socket = test_refusing_socket_new (&url);
        lsobs_config_set_api_url (fixture->config, url);
        lsobs_config_set_retry_delay (fixture->config, 20);
      }
      break;
    case TROUBLE_BUSY:
      lsobs_config_set_retry_delay (fixture->config, 20);
      answer.status = 503;
      break;
    case TROUBLE_RETRY_AFTER:
      answer.status = 429;
      answer.headers = "Retry-After: 86400";
      break;
    case TROUBLE_SLOW:
      answer.mode = TEST_ANSWER_SLOW_BODY;
      answer.status = 500;
      answer.body_length = 10000;
      answer.delay_ms = 10;
      break;
    default:
      g_assert_not_reached ();
    }
  test_server_push (fixture->server, NULL, answer);
  lsobs_config_set_max_batch_size (fixture->config, 2);
  lsobs_config_set_max_in_flight (fixture->config, 3);

  return socket;
}

static void
test_bounded (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (GSocket) socket = NULL;
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;
  gint64 start;

  socket = make_trouble (fixture, (Trouble) GPOINTER_TO_INT (data));
  test_fixture_start (fixture);
  test_emit_many (fixture->exporter, 20);
  start = g_get_monotonic_time ();
  g_assert_false (lsobs_observer_shutdown (fixture->observer, LIMIT_MS, &stats, &error));
  g_assert_cmpint (test_get_elapsed_ms (start), >=, LIMIT_MS);
  g_assert_cmpint (test_get_elapsed_ms (start), <=, LIMIT_MS + test_get_slack_ms ());

  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_cmpuint (stats.runs_flushed, ==, 0);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 20);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_IN_FLIGHT), ==, 0);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, 0);
}

static void
test_zero (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 start;

  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, 20);
  start = g_get_monotonic_time ();
  g_assert_false (lsobs_observer_shutdown (fixture->observer, 0, NULL, NULL));
  g_assert_cmpint (test_get_elapsed_ms (start), <=, test_get_slack_ms ());
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 20);
  test_server_release (fixture->server);
}

/* --- the last reference -------------------------------------------------------------------- */

static gboolean
has_come (gpointer data)
{
  TestFixture *fixture = data;

  return test_server_count_ops (fixture->server) == 70;
}

static void
test_unref (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_shutdown_timeout (fixture->config, TEST_TIMEOUT_MS);
  test_fixture_start (fixture);
  test_emit_many (fixture->exporter, 70);
  g_assert_finalize_object (g_steal_pointer (&fixture->observer));
  g_assert_true (test_wait_until (has_come, fixture, TEST_TIMEOUT_MS));
}

static gboolean
are_dropped (gpointer data)
{
  TestFixture *fixture = data;

  return test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN) == 20;
}

static void
test_unref_bounded (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (GSocket) socket = NULL;

  socket = make_trouble (fixture, (Trouble) GPOINTER_TO_INT (data));
  lsobs_config_set_shutdown_timeout (fixture->config, LIMIT_MS);
  test_fixture_start (fixture);
  test_emit_many (fixture->exporter, 20);
  g_assert_finalize_object (g_steal_pointer (&fixture->observer));
  g_assert_true (test_wait_until (are_dropped, fixture, LIMIT_MS + test_get_slack_ms ()));
}

/* The same for an exporter alone. */
static void
test_unref_exporter (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  LsobsExporter *exporter;

  lsobs_config_set_shutdown_timeout (fixture->config, TEST_TIMEOUT_MS);
  exporter = lsobs_exporter_new (fixture->config, NULL, &error);
  g_assert_no_error (error);
  test_emit_many (exporter, 70);
  g_assert_finalize_object (exporter);
  g_assert_true (test_wait_until (has_come, fixture, TEST_TIMEOUT_MS));
}

/* A run that the program forgot to drop does not keep the end from coming. */
static void
test_unref_with_run (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;

  lsobs_config_set_shutdown_timeout (fixture->config, TEST_TIMEOUT_MS);
  test_fixture_start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  test_fixture_stop (fixture);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 1);
  lsobs_run_end (run, NULL);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 1);
}

/* --- without blocking ---------------------------------------------------------------------- */

static void
test_async (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;

  test_fixture_start (fixture);
  test_emit_many (fixture->exporter, 30);
  lsobs_observer_shutdown_async (fixture->observer, TEST_TIMEOUT_MS, NULL, test_result_cb, &result);
  lsobs_observer_shutdown_finish (fixture->observer, test_result_wait (&result), &stats, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (stats.runs_flushed, ==, 30);
  test_result_clear (&result);

  lsobs_observer_shutdown_async (fixture->observer, TEST_TIMEOUT_MS, NULL, test_result_cb, &result);
  g_assert_true (lsobs_observer_shutdown_finish (fixture->observer, test_result_wait (&result),
                                                 &stats, &error));
  g_assert_cmpuint (stats.runs_flushed, ==, 0);
}

static void
test_async_bounded (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;
  gint64 start;

  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, 30);
  start = g_get_monotonic_time ();
  lsobs_observer_shutdown_async (fixture->observer, LIMIT_MS, NULL, test_result_cb, &result);
  g_assert_null (result.result);
  g_assert_false (
      lsobs_observer_shutdown_finish (fixture->observer, test_result_wait (&result), NULL, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_cmpint (test_get_elapsed_ms (start), <=, LIMIT_MS + test_get_slack_ms ());
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 30);
  test_server_release (fixture->server);
}

/* Ends the waiting, not the shutdown. */
static void
test_async_cancel (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;

  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, 30);
  lsobs_observer_shutdown_async (fixture->observer, TEST_TIMEOUT_MS, cancellable, test_result_cb,
                                 &result);
  g_assert_true (test_server_wait_requests (fixture->server, 1, TEST_TIMEOUT_MS));
  g_cancellable_cancel (cancellable);
  g_assert_false (
      lsobs_observer_shutdown_finish (fixture->observer, test_result_wait (&result), NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  test_result_clear (&result);
  test_server_release (fixture->server);
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, 30));
}

/* --- from many threads --------------------------------------------------------------------- */

static gpointer
emit_thread (gpointer data)
{
  for (guint i = 0; i < 200; i++)
    test_emit_many (data, 2);

  return NULL;
}

typedef struct
{
  LsobsObserver *observer; /* (unowned) */
  int n_flushes;           /* (atomic) */
  int stop;                /* (atomic) */
} Flushers;

static gpointer
flush_thread (gpointer data)
{
  Flushers *flushers = data;

  while (!g_atomic_int_get (&flushers->stop))
    {
      lsobs_observer_flush (flushers->observer, 1, NULL, NULL);
      g_atomic_int_inc (&flushers->n_flushes);
    }
  return NULL;
}

static gboolean
all_flush (gpointer data)
{
  return g_atomic_int_get (&((Flushers *) data)->n_flushes) >= 3;
}

/* Others flush while it ends: no second flush thread may come up beside the ending one. */
static void
test_flushing (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (LsobsObserver) observer = lsobs_observer_new (fixture->config, NULL);
      g_autoptr (LsobsRun) run =
          lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_TOOL, NULL);
      Flushers flushers = { observer, 0, FALSE };
      GThread *threads[3];

      for (guint j = 0; j < G_N_ELEMENTS (threads); j++)
        threads[j] = g_thread_new ("flush", flush_thread, &flushers);
      g_assert_true (test_wait_until (all_flush, &flushers, TEST_TIMEOUT_MS));
      g_assert_false (lsobs_observer_shutdown (observer, 0, NULL, NULL));
      g_atomic_int_set (&flushers.stop, TRUE);
      for (guint j = 0; j < G_N_ELEMENTS (threads); j++)
        g_thread_join (threads[j]);
      test_assert_books (lsobs_observer_get_exporter (observer));
    }
  test_server_release (fixture->server);
}

static gpointer
shutdown_thread (gpointer data)
{
  return GINT_TO_POINTER (lsobs_exporter_shutdown (data, TEST_TIMEOUT_MS, NULL, NULL));
}

/* The second call waits for what the first one has under way, as long as it was told to. */
static void
test_twice (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  GThread *thread;

  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, 3);
  thread = g_thread_new ("shutdown", shutdown_thread, fixture->exporter);
  g_assert_true (test_server_wait_requests (fixture->server, 1, TEST_TIMEOUT_MS));
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, 10, NULL, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  test_server_release (fixture->server);
  g_assert_true (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_true (GPOINTER_TO_INT (g_thread_join (thread)));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, 3);
}

/* While others still emit: each record is delivered or counted. */
static void
test_emitting (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  GThread *threads[3];

  lsobs_config_set_max_batch_size (fixture->config, 10);
  test_fixture_start (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("emit", emit_thread, fixture->exporter);
  g_assert_true (test_server_wait_requests (fixture->server, 3, TEST_TIMEOUT_MS));
  lsobs_observer_shutdown (fixture->observer, TEST_TIMEOUT_MS, NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_ENQUEUED), ==, 1200);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==,
                    test_server_count_ops (fixture->server));
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, test_fixture_set_up, test, test_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("/exporter/shutdown/drain", NULL, test_drain);
  ADD ("/exporter/shutdown/after", NULL, test_after);
  ADD ("/exporter/shutdown/unused", NULL, test_unused);
  ADD ("/exporter/shutdown/while-flushing", NULL, test_flushing);
  ADD ("/exporter/shutdown/twice", NULL, test_twice);
  ADD ("/exporter/shutdown/hang", GINT_TO_POINTER (TROUBLE_HANG), test_bounded);
  ADD ("/exporter/shutdown/refused", GINT_TO_POINTER (TROUBLE_REFUSED), test_bounded);
  ADD ("/exporter/shutdown/busy", GINT_TO_POINTER (TROUBLE_BUSY), test_bounded);
  ADD ("/exporter/shutdown/retry-after", GINT_TO_POINTER (TROUBLE_RETRY_AFTER), test_bounded);
  ADD ("/exporter/shutdown/slow", GINT_TO_POINTER (TROUBLE_SLOW), test_bounded);
  ADD ("/exporter/shutdown/zero", NULL, test_zero);
  ADD ("/exporter/unref/drain", NULL, test_unref);
  ADD ("/exporter/unref/hang", GINT_TO_POINTER (TROUBLE_HANG), test_unref_bounded);
  ADD ("/exporter/unref/refused", GINT_TO_POINTER (TROUBLE_REFUSED), test_unref_bounded);
  ADD ("/exporter/unref/busy", GINT_TO_POINTER (TROUBLE_BUSY), test_unref_bounded);
  ADD ("/exporter/unref/exporter", NULL, test_unref_exporter);
  ADD ("/exporter/unref/with-run", NULL, test_unref_with_run);
  ADD ("/exporter/shutdown-async/plain", NULL, test_async);
  ADD ("/exporter/shutdown-async/bounded", NULL, test_async_bounded);
  ADD ("/exporter/shutdown-async/cancel", NULL, test_async_cancel);
  ADD ("/exporter/shutdown/emitting", NULL, test_emitting);

  return g_test_run ();
}
