/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* More than fits: in a day, in a moment, in one string. */

#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/test-helpers.h"

/* --- a day in small ------------------------------------------------------------------------ */

#define CHUNK 250

/* (0 when the system does not tell) */
static gsize
get_resident_bytes (void)
{
  g_autofree char *text = NULL;
  gsize n_pages = 0;

  if (!g_file_get_contents ("/proc/self/statm", &text, NULL, NULL) ||
      sscanf (text, "%*u %" G_GSIZE_FORMAT, &n_pages) != 1)
    return 0;

  return n_pages * (gsize) sysconf (_SC_PAGESIZE);
}

/* Runs of all kinds, and some that nobody ends. */
static void
emit_chunk (TestFixture *fixture)
{
  g_autoptr (JsonNode) payload = test_new_payload ("a few words that a model has said");
  LsobsGraphObserver *graph = LSOBS_GRAPH_OBSERVER (fixture->observer);

  for (guint i = 0; i < CHUNK / 5; i++)
    {
      g_autoptr (LsobsInvocation) invocation =
          lsobs_observer_begin_invocation (fixture->observer, "graph", payload);
      g_autofree char *node = g_strdup_printf ("node-%u", i);

      lsobs_run_unref (
          lsobs_observer_start_run (fixture->observer, "open", LSOBS_RUN_TYPE_LLM, payload));
      lsobs_graph_observer_on_node_start (LSOBS_GRAPH_OBSERVER (invocation), "node", payload);
      lsobs_graph_observer_on_tool_call (LSOBS_GRAPH_OBSERVER (invocation), "node", "tool", NULL,
                                         payload);
      lsobs_invocation_end (invocation, payload);
      lsobs_graph_observer_on_node_start (graph, node, payload);
      lsobs_graph_observer_on_node_end (graph, node, payload, 1);
      test_emit (fixture->exporter, "by-id");
    }
}

static void
run_chunks (TestFixture *fixture, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GError) error = NULL;

      emit_chunk (fixture);
      lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, &error);
      g_assert_no_error (error);
      test_assert_books (fixture->exporter);
      g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED_BYTES), ==, 0);
      /* the memory of the server is not what is measured */
      test_server_clear (fixture->server);
      test_drain_context ();
    }
}

static void
test_day (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const guint n_chunks = test_is_instrumented () ? 8 : 50000 / CHUNK;
  gsize before, after;

  fixture->is_free = TRUE; /* open runs, and nothing of them is kept */
  test_fixture_start (fixture);
  run_chunks (fixture, n_chunks / 4);
  before = get_resident_bytes ();
  run_chunks (fixture, n_chunks);
  after = get_resident_bytes ();

  g_test_message ("resident: %" G_GSIZE_FORMAT " KiB, then %" G_GSIZE_FORMAT " KiB", before / 1024,
                  after / 1024);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  if (test_is_instrumented () || before == 0)
    return;
  g_assert_cmpuint (after, <, before + 8 * 1024 * 1024);
}

/* --- a flood ------------------------------------------------------------------------------- */

#define CAPACITY      500
#define N_THREADS     4
#define BATCH_SIZE    20
#define MAX_IN_FLIGHT 2

static gpointer
flood_thread (gpointer data)
{
  TestFixture *fixture = data;

  for (guint i = 0; i < 10 * CAPACITY / N_THREADS; i++)
    {
      g_autoptr (LsobsStats) stats = NULL;

      test_emit (fixture->exporter, "run");
      stats = lsobs_exporter_dup_stats (fixture->exporter);
      g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED), <=, CAPACITY);
      g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_IN_FLIGHT), <=,
                        MAX_IN_FLIGHT * BATCH_SIZE);
      g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED), ==,
                        lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED) +
                            lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED) +
                            lsobs_stats_get (stats, LSOBS_COUNTER_IN_FLIGHT) +
                            lsobs_stats_get_total_dropped (stats));
    }

  return NULL;
}

/* The service hangs, and four threads have more to say than there is room for. */
static void
test_flood (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  GThread *threads[N_THREADS];
  LsobsFlushStats stats;
  guint64 n_kept;

  lsobs_config_set_queue_capacity (fixture->config, CAPACITY);
  lsobs_config_set_max_batch_size (fixture->config, BATCH_SIZE);
  lsobs_config_set_max_in_flight (fixture->config, MAX_IN_FLIGHT);
  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("flood", flood_thread, fixture);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);

  g_assert_true (test_server_wait_requests (fixture->server, MAX_IN_FLIGHT, TEST_TIMEOUT_MS));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_ENQUEUED), ==,
                    10 * CAPACITY);
  n_kept = test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED) +
           test_get_counter (fixture->exporter, LSOBS_COUNTER_IN_FLIGHT);
  g_assert_cmpuint (n_kept, >=, CAPACITY);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_QUEUE_FULL), ==,
                    10 * CAPACITY - n_kept);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 10 * CAPACITY - n_kept);

  test_server_release (fixture->server);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, &stats, NULL));
  g_assert_cmpuint (stats.dropped_events, ==, 10 * CAPACITY - n_kept);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, n_kept);
}

/* --- one string ---------------------------------------------------------------------------- */

static void
test_huge_string (TestFixture *fixture, gconstpointer data)
{
  gsize n_bytes = GPOINTER_TO_SIZE (data);
  g_autofree char *text = g_strnfill (n_bytes, 'a');
  g_autoptr (JsonNode) inputs = test_new_payload (text);
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (TestRequest) request = NULL;
  const char *sent;

  test_fixture_start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, inputs);
  lsobs_run_end (run, NULL);
  /* as much as a full batch: the create may leave before the end */
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));

  tree = test_server_build_tree (fixture->server);
  g_assert_nonnull (wire_tree_get_root (tree));
  sent = wire_run_get_string (wire_tree_get_root (tree), "inputs.text");
  g_assert_nonnull (sent);
  g_assert_cmpuint (strlen (sent), ==, 100000);
  request = test_get_request (fixture->server, 0);
  g_assert_cmpuint (g_bytes_get_size (request->raw_body), <, 110000);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_CUT_PAYLOADS), ==, 0);
}

/* Larger than the whole queue may be: the run arrives, with a note in place of the payload. */
static void
test_larger_than_queue (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (WireTree) tree = NULL;

  lsobs_config_set_max_queue_bytes (fixture->config, 200000);
  test_fixture_start (fixture);
  test_emit_large (fixture->exporter, "run", 300000);
  test_assert_flush (fixture->exporter, 1);
  tree = test_server_build_tree (fixture->server);
  g_assert_nonnull (wire_tree_get_root (tree));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_CUT_PAYLOADS), ==, 1);
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, test_fixture_set_up, test, test_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("/scenario/day", NULL, test_day);
  ADD ("/scenario/flood", NULL, test_flood);
  ADD ("/scenario/huge-string", GSIZE_TO_POINTER (50 * 1000 * 1000), test_huge_string);
  ADD ("/scenario/larger-than-queue", NULL, test_larger_than_queue);

  return g_test_run ();
}
