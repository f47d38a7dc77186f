/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* When records leave by themselves, and in which context. */

#include "config.h"

#include "tests/lib/test-helpers.h"

/* --- the clock and the full batch ---------------------------------------------------------- */

static void
test_interval (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 start;

  lsobs_config_set_flush_interval (fixture->config, 100);
  test_fixture_start (fixture);
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (TestRequest) last = NULL;

      start = g_get_monotonic_time ();
      test_emit (fixture->exporter, "run");
      g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, i + 1));
      last = test_get_request (fixture->server, i);
      g_assert_cmpint (last->time - start, >=, 100000);
      g_assert_cmpint ((last->time - start) / 1000, <=, 100 + test_get_slack_ms ());
    }
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 3);
}

/* The first record sets the time, however many follow it. */
static void
test_interval_from_first (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestRequest) request = NULL;
  gint64 start = g_get_monotonic_time ();

  /* so long that the first two come within it */
  lsobs_config_set_flush_interval (fixture->config, 1000);
  lsobs_config_set_max_batch_size (fixture->config, 10000);
  lsobs_config_set_queue_capacity (fixture->config, 100000);
  test_fixture_start (fixture);
  do
    test_emit_many (fixture->exporter, 2);
  while (!test_server_wait_requests (fixture->server, 1, 10) &&
         test_get_elapsed_ms (start) < TEST_TIMEOUT_MS);

  request = test_get_request (fixture->server, 0);
  g_assert_cmpint (request->time - start, >=, 1000000);
  g_assert_cmpint ((request->time - start) / 1000, <=, 1000 + test_get_slack_ms ());
  g_assert_cmpuint (test_request_get_n_ops (request), >, 1);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
}

static void
test_batch_size (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestRequest) request = NULL;

  lsobs_config_set_max_batch_size (fixture->config, 5);
  test_fixture_start (fixture);
  test_emit_many (fixture->exporter, 4);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, 4);
  test_emit (fixture->exporter, "fifth");
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, 5));
  request = test_get_request (fixture->server, 0);
  g_assert_cmpuint (test_request_get_n_ops (request), ==, 5);

  /* and what is left over waits */
  test_emit_many (fixture->exporter, 4);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, 4);
  test_emit (fixture->exporter, "tenth");
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, 10));
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 2);
}

static void
test_batch_bytes (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_max_batch_bytes (fixture->config, 65536);
  test_fixture_start (fixture);
  for (guint i = 0; i < 4; i++)
    test_emit_large (fixture->exporter, "third", 20000);
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, 3));
}

/* Nothing to do: no thread, no request, no wake-up. */
static void
test_idle (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_flush_interval (fixture->config, 1);
  test_fixture_start (fixture);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_true (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/"), ==, 0);
}

/* --- the program's context ----------------------------------------------------------------- */

/* The loop of this thread does it all. */
static void
test_own_loop (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_flush_interval (fixture->config, 20);
  test_fixture_start_in (fixture, g_main_context_default ());
  test_emit_many (fixture->exporter, 120);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 0);
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, 120));
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 120);

  test_emit (fixture->exporter, "run");
  test_assert_flush (fixture->exporter, 1);
}

/* Nobody runs it but flush, in the thread that owns it. */
static void
test_blocking_in_owner (TestFixture *fixture, gconstpointer data)
{
  gboolean is_own = GPOINTER_TO_INT (data);
  g_autoptr (GMainContext) context =
      is_own ? g_main_context_new () : g_main_context_ref (g_main_context_default ());

  lsobs_config_set_max_batch_size (fixture->config, 10);
  test_fixture_start_in (fixture, context);
  g_assert_true (g_main_context_acquire (context));
  for (guint i = 0; i < 3; i++)
    {
      test_emit_many (fixture->exporter, 35);
      test_assert_flush (fixture->exporter, 35);
    }
  g_main_context_release (context);
  test_emit_many (fixture->exporter, 7);
  g_assert_true (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 112);
}

static gboolean
flush_cb (gpointer user_data)
{
  TestFixture *fixture = user_data;

  test_emit_many (fixture->exporter, 10);
  test_assert_flush (fixture->exporter, 10);

  return G_SOURCE_REMOVE;
}

/* A callback that flushes runs the loop it is called from. */
static void
test_blocking_in_callback (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_fixture_start_in (fixture, g_main_context_default ());
  g_idle_add (flush_cb, fixture);
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, 10));
}

static void
test_async_in_own_loop (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  LsobsFlushStats stats;

  test_fixture_start_in (fixture, g_main_context_default ());
  test_emit_many (fixture->exporter, 10);
  lsobs_observer_flush_async (fixture->observer, TEST_TIMEOUT_MS, NULL, test_result_cb, &result);
  g_assert_true (
      lsobs_observer_flush_finish (fixture->observer, test_result_wait (&result), &stats, NULL));
  g_assert_cmpuint (stats.runs_flushed, ==, 10);
  test_result_clear (&result);

  test_emit_many (fixture->exporter, 5);
  lsobs_observer_shutdown_async (fixture->observer, TEST_TIMEOUT_MS, NULL, test_result_cb, &result);
  g_assert_true (
      lsobs_observer_shutdown_finish (fixture->observer, test_result_wait (&result), &stats, NULL));
  g_assert_cmpuint (stats.runs_flushed, ==, 5);
}

/* --- a loop in another thread -------------------------------------------------------------- */

typedef struct
{
  GMainContext *context;
  GMainLoop *loop;
  GThread *thread;
} Runner;

static gpointer
runner_thread (gpointer data)
{
  Runner *self = data;

  g_main_context_push_thread_default (self->context);
  g_main_loop_run (self->loop);
  g_main_context_pop_thread_default (self->context);

  return NULL;
}

static gboolean
is_running (gpointer data)
{
  return g_main_loop_is_running (((Runner *) data)->loop);
}

static void
runner_start (Runner *self)
{
  self->context = g_main_context_new ();
  self->loop = g_main_loop_new (self->context, FALSE);
  self->thread = g_thread_new ("loop", runner_thread, self);
  g_assert_true (test_wait_until (is_running, self, TEST_TIMEOUT_MS));
}

static void
runner_stop (Runner *self)
{
  g_main_loop_quit (self->loop);
  g_thread_join (self->thread);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
}

static void
test_other_thread (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Runner runner;

  runner_start (&runner);
  lsobs_config_set_max_batch_size (fixture->config, 10);
  lsobs_config_set_flush_interval (fixture->config, 20);
  test_fixture_start_in (fixture, runner.context);
  test_emit_many (fixture->exporter, 35);
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, 35));
  for (guint i = 0; i < 10; i++)
    {
      test_emit (fixture->exporter, "run");
      g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
      test_assert_books (fixture->exporter);
    }
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 45);

  test_emit_many (fixture->exporter, 5);
  g_assert_true (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 50);
  test_fixture_stop (fixture);
  runner_stop (&runner);
}

/* A service that hangs, and a loop that is not ours: the shutdown returns in time all the same. */
static void
test_other_thread_hang (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Runner runner;
  gint64 start;

  runner_start (&runner);
  test_fixture_start_in (fixture, runner.context);
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, 5);
  start = g_get_monotonic_time ();
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, 100, NULL, NULL));
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 100 + test_get_slack_ms ());
  /* that loop may have to wait for its turn */
  g_assert_true (test_wait_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN, 5));
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 5);
  test_fixture_stop (fixture);
  runner_stop (&runner);
  test_server_release (fixture->server);
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, test_fixture_set_up, test, test_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("/exporter/wake/interval", NULL, test_interval);
  ADD ("/exporter/wake/interval-from-first", NULL, test_interval_from_first);
  ADD ("/exporter/wake/batch-size", NULL, test_batch_size);
  ADD ("/exporter/wake/batch-bytes", NULL, test_batch_bytes);
  ADD ("/exporter/wake/idle", NULL, test_idle);
  ADD ("/exporter/context/loop", NULL, test_own_loop);
  ADD ("/exporter/context/owner", GINT_TO_POINTER (TRUE), test_blocking_in_owner);
  ADD ("/exporter/context/default-owner", GINT_TO_POINTER (FALSE), test_blocking_in_owner);
  ADD ("/exporter/context/callback", NULL, test_blocking_in_callback);
  ADD ("/exporter/context/async", NULL, test_async_in_own_loop);
  ADD ("/exporter/context/other-thread", NULL, test_other_thread);
  ADD ("/exporter/context/other-thread-hang", NULL, test_other_thread_hang);

  return g_test_run ();
}
