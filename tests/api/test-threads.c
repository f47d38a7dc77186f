/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include <string.h>

#include "tests/lib/graph-helpers.h"

/* Everything at once: many threads on one observer, with flushes and the end in between. */

#define N_THREADS 8
#define N_TREES   (test_is_instrumented () ? 5u : 25u)
#define MAX_RUNS  12

typedef struct
{
  RunFixture *fixture; /* (unowned) */
  RunBarrier barrier;
  int n_started; /* (atomic) */
  int n_running; /* (atomic) */
  int n_runs;    /* (atomic) */
  GMutex lock;
  GHashTable *parents; /* (owned) id → id of the parent, or ""; guarded by lock */
} Crowd;

static void
set_up (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  lsobs_config_set_flush_interval (fixture->config, 1);
}

/* @data: (nullable): not NULL for the default main context */
static void
start (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->observer =
      g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error, "config", fixture->config, "main-context",
                      data != NULL ? g_main_context_default () : NULL, NULL);
  g_assert_no_error (error);
  fixture->exporter = g_object_ref (lsobs_observer_get_exporter (fixture->observer));
}

/* --- a crowd of threads --- */

static gboolean
crowd_is_done (gpointer user_data)
{
  return g_atomic_int_get (&((Crowd *) user_data)->n_running) == 0;
}

/* Runs @func in all threads, and the default main context in this one. */
static void
crowd_run (Crowd *crowd, RunFixture *fixture, GThreadFunc func)
{
  GThread *threads[N_THREADS];

  memset (crowd, 0, sizeof *crowd);
  crowd->fixture = fixture;
  crowd->n_running = N_THREADS;
  crowd->parents = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_mutex_init (&crowd->lock);
  run_barrier_init (&crowd->barrier, N_THREADS);
  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("crowd", func, crowd);
  g_assert_true (test_wait_until (crowd_is_done, crowd, 4 * TEST_TIMEOUT_MS));
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  run_barrier_clear (&crowd->barrier);
}

static void
crowd_clear (Crowd *crowd)
{
  g_mutex_clear (&crowd->lock);
  g_hash_table_unref (crowd->parents);
}

/* The first and the last thing that a thread of the crowd does. */
static guint32
crowd_enter (Crowd *crowd)
{
  guint32 number = (guint32) g_atomic_int_add (&crowd->n_started, 1);

  run_barrier_wait (&crowd->barrier);
  return number;
}

static gpointer
crowd_leave (Crowd *crowd)
{
  g_atomic_int_add (&crowd->n_running, -1);
  return NULL;
}

static void
note_run (Crowd *crowd, LsobsRun *run)
{
  char *id = lsobs_run_dup_id (run);
  char *parent_id = lsobs_run_dup_parent_id (run);

  g_mutex_lock (&crowd->lock);
  g_assert_true (
      g_hash_table_insert (crowd->parents, id, parent_id != NULL ? parent_id : g_strdup ("")));
  g_mutex_unlock (&crowd->lock);
}

static void
end_somehow (GRand *rand, LsobsRun *run)
{
  g_autoptr (JsonNode) node = run_json ("{\"out\":1}");

  if (g_rand_boolean (rand))
    lsobs_run_add_tag (run, "tag");
  if (g_rand_boolean (rand))
    lsobs_run_set_metadata (run, "key", node);
  if (g_rand_boolean (rand))
    lsobs_run_add_event (run, "event", NULL);
  if (g_rand_int_range (rand, 0, 5) == 0)
    lsobs_run_fail_with_message (run, "broken");
  else
    lsobs_run_end (run, node);
}

/* A tree of random shape, ended in random order. */
static void
record_tree (Crowd *crowd, GRand *rand)
{
  g_autoptr (GPtrArray) runs = g_ptr_array_new_with_free_func ((GDestroyNotify) lsobs_run_unref);
  guint n = (guint) g_rand_int_range (rand, 1, MAX_RUNS);

  g_ptr_array_add (runs, lsobs_observer_start_run (crowd->fixture->observer, "root",
                                                   LSOBS_RUN_TYPE_CHAIN, NULL));
  while (runs->len < n)
    {
      LsobsRun *parent = g_ptr_array_index (runs, g_rand_int_range (rand, 0, (gint32) runs->len));

      g_ptr_array_add (runs, lsobs_run_start_child (parent, "child", LSOBS_RUN_TYPE_TOOL, NULL));
    }
  for (guint i = 0; i < n; i++)
    note_run (crowd, g_ptr_array_index (runs, i));
  while (runs->len > 0)
    {
      guint i = (guint) g_rand_int_range (rand, 0, (gint32) runs->len);

      end_somehow (rand, g_ptr_array_index (runs, i));
      g_ptr_array_remove_index_fast (runs, i);
    }
  g_atomic_int_add (&crowd->n_runs, (int) n);
}

static gpointer
record_thread (gpointer user_data)
{
  Crowd *crowd = user_data;
  g_autoptr (GRand) rand = g_rand_new_with_seed (crowd_enter (crowd));

  for (guint i = 0; i < N_TREES; i++)
    record_tree (crowd, rand);
  return crowd_leave (crowd);
}

static gpointer
record_and_flush_thread (gpointer user_data)
{
  Crowd *crowd = user_data;
  g_autoptr (GRand) rand = g_rand_new_with_seed (crowd_enter (crowd));

  for (guint i = 0; i < N_TREES; i++)
    {
      record_tree (crowd, rand);
      if (i % 3 == 0)
        {
          g_autoptr (GError) error = NULL;
          LsobsFlushStats stats;

          lsobs_observer_flush (crowd->fixture->observer, TEST_TIMEOUT_MS, &stats, &error);
          g_assert_no_error (error);
        }
      lsobs_stats_unref (lsobs_observer_dup_stats (crowd->fixture->observer));
      lsobs_observer_get_state (crowd->fixture->observer);
    }
  return crowd_leave (crowd);
}

/* All that was recorded came, once, and below the right parent. */
static void
assert_complete (Crowd *crowd)
{
  RunFixture *fixture = crowd->fixture;
  g_autoptr (GPtrArray) runs = wire_tree_dup_runs (run_fixture_flush (fixture));
  g_autoptr (GError) error = NULL;

  wire_tree_check (fixture->tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (runs->len, ==, (guint) crowd->n_runs);
  for (guint i = 0; i < runs->len; i++)
    {
      WireRun *run = g_ptr_array_index (runs, i);

      g_assert_cmpstr (run->parent_id != NULL ? run->parent_id : "", ==,
                       g_hash_table_lookup (crowd->parents, run->id));
      g_assert_cmpuint (run->n_posts, ==, 1);
    }
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED), ==, 0);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_IN_FLIGHT), ==, 0);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_ENQUEUED), ==,
                    run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED));
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_ENQUEUED) +
                        run_fixture_get (fixture, LSOBS_COUNTER_MERGED),
                    ==, 2 * (guint64) crowd->n_runs);
}

static void
test_record (RunFixture *fixture, gconstpointer data)
{
  Crowd crowd;

  start (fixture, data);
  crowd_run (&crowd, fixture, record_thread);
  assert_complete (&crowd);
  crowd_clear (&crowd);
}

static void
test_flush (RunFixture *fixture, gconstpointer data)
{
  Crowd crowd;

  start (fixture, data);
  crowd_run (&crowd, fixture, record_and_flush_thread);
  assert_complete (&crowd);
  crowd_clear (&crowd);
}

/* Too much for the queue: whatever is lost is in the books, and what came is whole. */
static void
test_overflow (RunFixture *fixture, gconstpointer data)
{
  Crowd crowd;

  lsobs_config_set_queue_capacity (fixture->config, 10);
  lsobs_config_set_max_batch_size (fixture->config, 3);
  start (fixture, data);
  crowd_run (&crowd, fixture, record_thread);
  run_fixture_flush (fixture);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_ENQUEUED), ==,
                    run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED) +
                        run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_QUEUE_FULL));
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==,
                    run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED));
  crowd_clear (&crowd);
}

/* --- a service that misbehaves --- */

static gboolean
misbehave (TestRequest *request G_GNUC_UNUSED, TestAnswer *answer, gpointer data)
{
  int n = g_atomic_int_add ((int *) data, 1);

  if (n % 4 == 1)
    answer->status = 503;
  else if (n % 4 == 3)
    answer->mode = TEST_ANSWER_RESET;
  return n % 2 == 1;
}

static void
test_failures (RunFixture *fixture, gconstpointer data)
{
  int n_requests = 0;
  Crowd crowd;

  lsobs_config_set_retry_delay (fixture->config, 1);
  lsobs_config_set_max_attempts (fixture->config, 100);
  test_server_set_handler (fixture->server, misbehave, &n_requests);
  start (fixture, data);
  crowd_run (&crowd, fixture, record_thread);
  assert_complete (&crowd);
  crowd_clear (&crowd);
}

/* --- the end --- */

static gpointer
record_and_shut_down_thread (gpointer user_data)
{
  Crowd *crowd = user_data;
  guint32 number = crowd_enter (crowd);
  g_autoptr (GRand) rand = g_rand_new_with_seed (number);

  for (guint i = 0; i < N_TREES; i++)
    {
      record_tree (crowd, rand);
      if (i == N_TREES / 2 && number % 2 == 0)
        lsobs_observer_shutdown (crowd->fixture->observer, TEST_TIMEOUT_MS, NULL, NULL);
      else if (i % 5 == 0)
        lsobs_observer_flush (crowd->fixture->observer, TEST_TIMEOUT_MS, NULL, NULL);
    }
  return crowd_leave (crowd);
}

static void
test_shutdown (RunFixture *fixture, gconstpointer data)
{
  Crowd crowd;

  start (fixture, data);
  crowd_run (&crowd, fixture, record_and_shut_down_thread);
  lsobs_observer_shutdown (fixture->observer, TEST_TIMEOUT_MS, NULL, NULL);
  test_assert_books (fixture->exporter);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED), ==, 0);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_IN_FLIGHT), ==, 0);
  g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_SHUTDOWN), >, 0);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==,
                    run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED));
  crowd_clear (&crowd);
}

static gpointer
asynchronous_thread (gpointer user_data)
{
  Crowd *crowd = user_data;
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (crowd_enter (crowd));

  g_main_context_push_thread_default (context);
  for (guint i = 0; i < N_TREES; i++)
    {
      g_auto (TestResult) result = TEST_RESULT_INIT;
      g_autoptr (GError) error = NULL;
      LsobsFlushStats stats;

      record_tree (crowd, rand);
      lsobs_observer_flush_async (crowd->fixture->observer, TEST_TIMEOUT_MS, NULL, test_result_cb,
                                  &result);
      record_tree (crowd, rand);
      lsobs_observer_flush_finish (crowd->fixture->observer, test_result_wait (&result), &stats,
                                   &error);
      g_assert_no_error (error);
    }
  g_main_context_pop_thread_default (context);
  return crowd_leave (crowd);
}

static void
test_flush_async (RunFixture *fixture, gconstpointer data)
{
  Crowd crowd;

  start (fixture, data);
  crowd_run (&crowd, fixture, asynchronous_thread);
  assert_complete (&crowd);
  crowd_clear (&crowd);
}

/* Observers come and go in all threads at once, all of them with work to do. */
static gpointer
own_observer_thread (gpointer user_data)
{
  Crowd *crowd = user_data;

  crowd_enter (crowd);
  for (guint i = 0; i < N_TREES; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (LsobsObserver) observer = lsobs_observer_new (crowd->fixture->config, &error);
      g_autoptr (LsobsRun) run = NULL;

      g_assert_no_error (error);
      if (i % 4 == 0)
        continue;
      run = lsobs_observer_start_run (observer, "own", LSOBS_RUN_TYPE_CHAIN, NULL);
      lsobs_run_end (run, NULL);
      g_atomic_int_inc (&crowd->n_runs);
      /* The last unref of the other observers has nothing to send: of many that do, some would lose
       * what waits. */
      if (i % 4 == 1)
        lsobs_observer_shutdown (observer, TEST_TIMEOUT_MS, NULL, NULL);
      else
        lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, NULL);
    }
  return crowd_leave (crowd);
}

static void
test_own_observers (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  Crowd crowd;

  crowd_run (&crowd, fixture, own_observer_thread);
  fixture->tree = test_server_build_tree (fixture->server);
  g_assert_cmpuint (wire_tree_get_n_runs (fixture->tree), ==, (guint) crowd.n_runs);
  wire_tree_check (fixture->tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  crowd_clear (&crowd);
}

/* The last reference goes in whatever thread is the last. */
static gpointer
unref_thread (gpointer user_data)
{
  Crowd *crowd = user_data;
  LsobsObserver *observer = crowd->fixture->observer;
  LsobsExporter *exporter = crowd->fixture->exporter;
  g_autoptr (GRand) rand = g_rand_new_with_seed (crowd_enter (crowd));

  record_tree (crowd, rand);
  g_object_unref (observer);
  lsobs_stats_unref (lsobs_exporter_dup_stats (exporter));
  return crowd_leave (crowd);
}

static gboolean
is_delivered (gpointer data)
{
  return run_fixture_get (data, LSOBS_COUNTER_DELIVERED) ==
         run_fixture_get (data, LSOBS_COUNTER_ENQUEUED);
}

static void
test_unref (RunFixture *fixture, gconstpointer data)
{
  Crowd crowd;

  for (guint i = 0; i < 10; i++)
    {
      start (fixture, data);
      for (guint j = 1; j < N_THREADS; j++)
        g_object_ref (fixture->observer);
      crowd_run (&crowd, fixture, unref_thread);
      fixture->observer = NULL;
      test_assert_books (fixture->exporter);
      g_assert_true (test_wait_until (is_delivered, fixture, TEST_TIMEOUT_MS));
      g_clear_object (&fixture->exporter);
      crowd_clear (&crowd);
    }
}

static void
add (const char *name, void (*test_func) (RunFixture *, gconstpointer))
{
  g_autofree char *in_thread = g_strdup_printf ("/threads/%s/thread", name);
  g_autofree char *in_context = g_strdup_printf ("/threads/%s/main-context", name);

  g_test_add (in_thread, RunFixture, NULL, set_up, test_func, run_fixture_tear_down);
  g_test_add (in_context, RunFixture, GINT_TO_POINTER (TRUE), set_up, test_func,
              run_fixture_tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary (
      "Many threads on one observer: each run arrives once, in its place, or is in the books.");

  add ("record", test_record);
  add ("flush", test_flush);
  add ("flush-async", test_flush_async);
  add ("overflow", test_overflow);
  add ("failures", test_failures);
  add ("shutdown", test_shutdown);
  add ("unref", test_unref);
  g_test_add ("/threads/own-observers", RunFixture, NULL, set_up, test_own_observers,
              run_fixture_tear_down);
  return g_test_run ();
}
