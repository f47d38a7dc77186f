/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Flushing: what it answers, how long it takes, and what it leaves behind. */

#include "config.h"

#include <string.h>

#include "tests/lib/test-helpers.h"

static void
assert_stats (const LsobsFlushStats *stats,
              guint64 n_flushed,
              guint64 n_failed,
              guint64 n_batches,
              guint64 n_dropped)
{
  g_assert_cmpuint (stats->runs_flushed, ==, n_flushed);
  g_assert_cmpuint (stats->runs_failed, ==, n_failed);
  g_assert_cmpuint (stats->batches_sent, ==, n_batches);
  g_assert_cmpuint (stats->dropped_events, ==, n_dropped);
}

/* --- the answer ---------------------------------------------------------------------------- */

static void
test_stats (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;

  /* nobody but flush runs the context, so that nothing leaves before */
  lsobs_config_set_max_batch_size (fixture->config, 4);
  lsobs_config_set_queue_capacity (fixture->config, 10);
  test_fixture_start_in (fixture, context);
  test_emit_many (fixture->exporter, 13);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, 10);

  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, &stats, &error));
  g_assert_no_error (error);
  assert_stats (&stats, 10, 0, 3, 3);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 10);

  /* told once */
  test_emit (fixture->exporter, "run");
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, &stats, &error));
  assert_stats (&stats, 1, 0, 1, 0);
}

static void
test_empty (TestFixture *fixture, gconstpointer data)
{
  gint64 start = g_get_monotonic_time ();
  LsobsFlushStats stats;

  memset (&stats, 0xff, sizeof stats);
  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, GPOINTER_TO_INT (data), &stats, NULL));
  assert_stats (&stats, 0, 0, 0, 0);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, GPOINTER_TO_INT (data), NULL, NULL));
  g_assert_cmpint (test_get_elapsed_ms (start), <=, test_get_slack_ms ());
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/"), ==, 0);
  test_server_release (fixture->server);
}

static void
test_capacity (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestRequest) request = NULL;
  LsobsFlushStats stats;

  lsobs_config_set_queue_capacity (fixture->config, 1);
  test_fixture_start_in (fixture, context);
  test_emit (fixture->exporter, "oldest");
  test_emit (fixture->exporter, "newest");
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_QUEUE_FULL), ==, 1);

  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, &stats, NULL));
  assert_stats (&stats, 1, 0, 1, 1);
  request = test_get_request (fixture->server, 0);
  g_assert_true (test_bytes_contain (request->body, "\"newest\""));
}

static void
test_queue_bytes (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  guint64 n_queued;

  lsobs_config_set_max_queue_bytes (fixture->config, 100000);
  test_fixture_start_in (fixture, context);
  for (guint i = 0; i < 50; i++)
    {
      test_emit_large (fixture->exporter, "run", 20000);
      g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED_BYTES), <=,
                        100000);
    }
  n_queued = test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED);
  g_assert_cmpuint (n_queued, ==, 4);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_QUEUE_BYTES), ==, 46);
  test_assert_flush (fixture->exporter, n_queued);
}

/* --- timeouts ------------------------------------------------------------------------------ */

static void
test_timeout (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;
  gint64 start;

  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
  test_emit_many (fixture->exporter, 7);
  start = g_get_monotonic_time ();
  g_assert_false (lsobs_exporter_flush (fixture->exporter, 100, &stats, &error));

  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_cmpint (lsobs_flush_error_get_waited (error), >=, 100);
  g_assert_cmpint (lsobs_flush_error_get_waited (error), <=, test_get_elapsed_ms (start));
  /* The message has the time that was given, not that which it took to notice its end. */
  g_assert_true (g_str_has_prefix (error->message, "Flushing took longer than 100 ms; "));
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 100 + test_get_slack_ms ());
  g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, 7);
  g_assert_cmpuint (lsobs_flush_error_get_dropped (error), ==, 0);
  assert_stats (&stats, 0, 0, 0, 0);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);

  /* nothing was lost by that */
  g_assert_true (test_server_wait_requests (fixture->server, 1, TEST_TIMEOUT_MS));
  test_server_release_hanging (fixture->server);
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, 7));
}

/* Asks for it and does not wait: it is sent all the same. */
static void
test_timeout_zero (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  gint64 start = g_get_monotonic_time ();

  test_fixture_start (fixture);
  test_emit_many (fixture->exporter, 3);
  if (!lsobs_exporter_flush (fixture->exporter, 0, NULL, &error))
    g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_cmpint (test_get_elapsed_ms (start), <=, test_get_slack_ms ());
  g_assert_true (test_server_wait_ops (fixture->server, 3, TEST_TIMEOUT_MS));
}

/* More than fits into flight when the time is over: the rest follows by itself. */
static void
test_timeout_with_rest (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  lsobs_config_set_max_batch_size (fixture->config, 50);
  lsobs_config_set_max_in_flight (fixture->config, 1);
  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, 50);
  g_assert_true (test_server_wait_requests (fixture->server, 1, TEST_TIMEOUT_MS));
  test_emit_many (fixture->exporter, 10);
  g_assert_false (lsobs_exporter_flush (fixture->exporter, 30, NULL, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, 60);
  test_server_release (fixture->server);
  g_assert_true (test_server_wait_ops (fixture->server, 60, TEST_TIMEOUT_MS));
}

/* --- several at once ----------------------------------------------------------------------- */

static gpointer
flush_thread (gpointer data)
{
  LsobsExporter *exporter = data;

  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (GError) error = NULL;

      test_emit_many (exporter, 5);
      lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, &error);
      g_assert_no_error (error);
      test_assert_books (exporter);
    }

  return NULL;
}

static void
test_threads (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  GThread *threads[6];

  test_fixture_start (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("flush", flush_thread, fixture->exporter);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 600);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, 600);
}

/* All of them wait for the same records: each hears of all. */
static gpointer
wait_thread (gpointer data)
{
  LsobsFlushStats stats;

  g_assert_true (lsobs_exporter_flush (data, TEST_TIMEOUT_MS, &stats, NULL));

  return GUINT_TO_POINTER ((guint) stats.runs_flushed);
}

static void
test_same_records (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  GThread *threads[4];
  g_auto (TestResult) result = TEST_RESULT_INIT;
  LsobsFlushStats stats;

  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, 9);
  lsobs_exporter_flush_async (fixture->exporter, TEST_TIMEOUT_MS, NULL, test_result_cb, &result);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("flush", wait_thread, fixture->exporter);
  g_assert_true (test_server_wait_requests (fixture->server, 1, TEST_TIMEOUT_MS));
  test_server_release (fixture->server);

  g_assert_true (
      lsobs_exporter_flush_finish (fixture->exporter, test_result_wait (&result), &stats, NULL));
  assert_stats (&stats, 9, 0, 1, 0);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    {
      /* it may have come when all was over */
      guint n = GPOINTER_TO_UINT (g_thread_join (threads[i]));

      g_assert_true (n == 9 || n == 0);
    }
}

/* --- without blocking ---------------------------------------------------------------------- */

static void
test_async (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;

  test_fixture_start (fixture);
  lsobs_observer_flush_async (fixture->observer, TEST_TIMEOUT_MS, NULL, test_result_cb, &result);
  g_assert_cmpuint (result.n_calls, ==, 0);
  lsobs_observer_flush_finish (fixture->observer, test_result_wait (&result), &stats, &error);
  g_assert_no_error (error);
  assert_stats (&stats, 0, 0, 0, 0);
  test_result_clear (&result);

  test_emit_many (fixture->exporter, 5);
  lsobs_observer_flush_async (fixture->observer, -1, NULL, test_result_cb, &result);
  lsobs_observer_flush_finish (fixture->observer, test_result_wait (&result), &stats, &error);
  g_assert_no_error (error);
  assert_stats (&stats, 5, 0, 1, 0);
  g_assert_true (result.source == G_OBJECT (fixture->observer));
  test_drain_context ();
  g_assert_cmpuint (result.n_calls, ==, 1);
}

static void
thread_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  GThread **thread = user_data;

  g_assert_true (lsobs_exporter_flush_finish (LSOBS_EXPORTER (object), result, NULL, NULL));
  *thread = g_thread_self ();
}

static gpointer
async_thread (gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  GThread *called = NULL;

  g_main_context_push_thread_default (context);
  lsobs_exporter_flush_async (data, TEST_TIMEOUT_MS, NULL, thread_cb, &called);
  while (called == NULL)
    g_main_context_iteration (context, TRUE);
  g_main_context_pop_thread_default (context);
  g_assert_true (called == g_thread_self ());

  return NULL;
}

static void
test_async_context (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_fixture_start (fixture);
  test_emit_many (fixture->exporter, 5);
  g_thread_join (g_thread_new ("async", async_thread, fixture->exporter));
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 5);
}

static void
test_async_timeout (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;

  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, 5);
  lsobs_exporter_flush_async (fixture->exporter, 50, NULL, test_result_cb, &result);
  g_assert_false (
      lsobs_exporter_flush_finish (fixture->exporter, test_result_wait (&result), &stats, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, 5);
  g_assert_cmpint (lsobs_flush_error_get_waited (error), >=, 50);
  g_assert_true (g_str_has_prefix (error->message, "Flushing took longer than 50 ms; "));
  assert_stats (&stats, 0, 0, 0, 0);
  test_server_release (fixture->server);
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, 5));
}

/* Ends the waiting, not the sending. */
static void
test_async_cancel (TestFixture *fixture, gconstpointer data)
{
  gboolean is_before = GPOINTER_TO_INT (data);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;

  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, 5);
  if (is_before)
    g_cancellable_cancel (cancellable);
  lsobs_observer_flush_async (fixture->observer, TEST_TIMEOUT_MS, cancellable, test_result_cb,
                              &result);
  if (!is_before)
    {
      g_assert_true (test_server_wait_requests (fixture->server, 1, TEST_TIMEOUT_MS));
      g_cancellable_cancel (cancellable);
    }
  g_assert_false (
      lsobs_observer_flush_finish (fixture->observer, test_result_wait (&result), NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  test_server_release (fixture->server);
  g_assert_true (test_server_wait_ops (fixture->server, 5, TEST_TIMEOUT_MS));
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, 5));
}

/* A cancellable that outlives the flush has no hold on it. */
static void
test_async_cancel_after (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (TestResult) result = TEST_RESULT_INIT;

  test_fixture_start (fixture);
  test_emit (fixture->exporter, "run");
  lsobs_exporter_flush_async (fixture->exporter, TEST_TIMEOUT_MS, cancellable, test_result_cb,
                              &result);
  g_assert_true (
      lsobs_exporter_flush_finish (fixture->exporter, test_result_wait (&result), NULL, NULL));
  g_cancellable_cancel (cancellable);
  test_drain_context ();
  g_assert_cmpuint (result.n_calls, ==, 1);
}

/* A flush keeps what it works for. */
static void
test_async_unref (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  LsobsObserver *observer;

  test_fixture_start (fixture);
  observer = fixture->observer;
  g_object_add_weak_pointer (G_OBJECT (observer), (gpointer *) &fixture->observer);
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, 5);
  lsobs_observer_flush_async (observer, TEST_TIMEOUT_MS, NULL, test_result_cb, &result);
  g_object_unref (observer);
  g_assert_nonnull (fixture->observer);

  g_assert_true (test_server_wait_requests (fixture->server, 1, TEST_TIMEOUT_MS));
  test_server_release (fixture->server);
  test_result_wait (&result);
  g_assert_true (
      lsobs_observer_flush_finish (LSOBS_OBSERVER (result.source), result.result, NULL, NULL));
  test_result_clear (&result);
  test_drain_context ();
  g_assert_null (fixture->observer);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, 5);
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, test_fixture_set_up, test, test_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("/exporter/flush/stats", NULL, test_stats);
  ADD ("/exporter/flush/empty", GINT_TO_POINTER (TEST_TIMEOUT_MS), test_empty);
  ADD ("/exporter/flush/empty-zero", GINT_TO_POINTER (0), test_empty);
  ADD ("/exporter/flush/empty-for-ever", GINT_TO_POINTER (-1), test_empty);
  ADD ("/exporter/queue/capacity", NULL, test_capacity);
  ADD ("/exporter/queue/bytes", NULL, test_queue_bytes);
  ADD ("/exporter/flush/timeout", NULL, test_timeout);
  ADD ("/exporter/flush/timeout-zero", NULL, test_timeout_zero);
  ADD ("/exporter/flush/timeout-with-rest", NULL, test_timeout_with_rest);
  ADD ("/exporter/flush/threads", NULL, test_threads);
  ADD ("/exporter/flush/same-records", NULL, test_same_records);
  ADD ("/exporter/flush-async/plain", NULL, test_async);
  ADD ("/exporter/flush-async/context", NULL, test_async_context);
  ADD ("/exporter/flush-async/timeout", NULL, test_async_timeout);
  ADD ("/exporter/flush-async/cancel", GINT_TO_POINTER (FALSE), test_async_cancel);
  ADD ("/exporter/flush-async/cancel-before", GINT_TO_POINTER (TRUE), test_async_cancel);
  ADD ("/exporter/flush-async/cancel-after", NULL, test_async_cancel_after);
  ADD ("/exporter/flush-async/unref", NULL, test_async_unref);

  return g_test_run ();
}
