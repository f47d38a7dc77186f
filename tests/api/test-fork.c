/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include <string.h>

#include "tests/lib/fork-helpers.h"
#include "tests/lib/test-helpers.h"
#include "tests/lib/zstd-helpers.h"

/* What fork () does to an observer: the parent sends its own, the child its own, nothing is sent twice. */

#define N_RUNS 5
#define N_IDS  200

static void
set_up (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  run_fixture_start (fixture);
}

/* @data: whether it is the best compression there is, or gzip */
static void
set_up_compressed (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_GZIP);
#ifdef HAVE_ZSTD
  if (GPOINTER_TO_INT (data))
    lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_ZSTD);
#endif
  test_server_set_decoder (fixture->server, "zstd", test_unzstd);
  run_fixture_start (fixture);
}

static LsobsRun *
start (RunFixture *fixture, const char *name)
{
  return lsobs_observer_start_run (fixture->observer, name, LSOBS_RUN_TYPE_CHAIN, NULL);
}

static void
record (RunFixture *fixture, const char *name, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (LsobsRun) run = start (fixture, name);

      lsobs_run_end (run, NULL);
    }
}

static void
child_assert_balanced (RunFixture *fixture)
{
  g_autoptr (LsobsStats) stats = lsobs_exporter_dup_stats (fixture->exporter);

  child_assert (lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED) ==
                lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED) +
                    lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED) +
                    lsobs_stats_get (stats, LSOBS_COUNTER_IN_FLIGHT) +
                    lsobs_stats_get_total_dropped (stats));
}

/* How many runs of a name the service has got. */
static guint
count_runs (RunFixture *fixture, const char *name)
{
  g_autoptr (GPtrArray) runs = wire_tree_dup_runs (fixture->tree);
  guint n = 0;

  for (guint i = 0; i < runs->len; i++)
    n += g_strcmp0 (((WireRun *) g_ptr_array_index (runs, i))->name, name) == 0;
  return n;
}

/* --- what waits at the fork --- */

static void
child_looks (RunFixture *fixture, gpointer data)
{
  guint n_lost = GPOINTER_TO_UINT (data);

  child_assert (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED) == 0);
  child_assert (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED_BYTES) == 0);
  child_assert (run_fixture_get (fixture, LSOBS_COUNTER_IN_FLIGHT) == 0);
  child_assert (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_FORK) == n_lost);
  child_assert_balanced (fixture);
  fork_child_flush (fixture);
  child_assert (run_fixture_get (fixture, LSOBS_COUNTER_REQUESTS) == 0);
}

static void
test_queued (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  if (fork_skip ())
    return;
  record (fixture, "parent", N_RUNS);
  fork_run (child_looks, fixture, GUINT_TO_POINTER (N_RUNS));
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED), ==, N_RUNS);
  g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_FORK), ==, 0);
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_runs (fixture, "parent"), ==, N_RUNS);
}

static gboolean
is_in_flight (gpointer user_data)
{
  return run_fixture_get (user_data, LSOBS_COUNTER_IN_FLIGHT) == N_RUNS;
}

static void
child_looks_in_flight (RunFixture *fixture, gpointer data G_GNUC_UNUSED)
{
  child_assert (run_fixture_get (fixture, LSOBS_COUNTER_IN_FLIGHT) == 0);
  child_assert (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_FORK) == N_RUNS);
  child_assert_balanced (fixture);
  fork_child_flush (fixture);
}

static void
test_in_flight (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  if (fork_skip ())
    return;
  test_server_hold (fixture->server);
  record (fixture, "parent", N_RUNS);
  lsobs_observer_flush (fixture->observer, 0, NULL, &error);
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_true (test_wait_until (is_in_flight, fixture, TEST_TIMEOUT_MS));
  g_assert_true (test_server_wait_requests (fixture->server, 1, TEST_TIMEOUT_MS));
  fork_run (child_looks_in_flight, fixture, NULL);
  test_server_release (fixture->server);
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_runs (fixture, "parent"), ==, N_RUNS);
}

/* --- a child of its own --- */

static void
child_sends (RunFixture *fixture, gpointer data G_GNUC_UNUSED)
{
  guint64 n_before = run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED);

  record (fixture, "child", N_RUNS);
  child_assert (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED) == N_RUNS);
  fork_child_flush (fixture);
  child_assert (run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED) == n_before + N_RUNS);
  child_assert_balanced (fixture);
  g_clear_object (&fixture->observer);
  g_clear_object (&fixture->exporter);
}

/* @data: whether the parent has sent something before, and so has a thread and a connection */
static void
test_child_sends (RunFixture *fixture, gconstpointer data)
{
  gboolean used = GPOINTER_TO_INT (data);
  g_autoptr (GPtrArray) requests = NULL;
  g_autoptr (GHashTable) connections = g_hash_table_new (NULL, NULL);

  if (fork_skip ())
    return;
  if (used)
    {
      record (fixture, "parent", N_RUNS);
      run_fixture_flush (fixture);
    }
  fork_run (child_sends, fixture, NULL);
  fork_run (child_sends, fixture, NULL);
  record (fixture, "parent", used ? 0 : N_RUNS);
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_runs (fixture, "parent"), ==, N_RUNS);
  g_assert_cmpuint (count_runs (fixture, "child"), ==, 2 * N_RUNS);

  /* Each process has its own. */
  requests = test_server_dup_ingest (fixture->server);
  g_assert_cmpuint (requests->len, ==, 3);
  for (guint i = 0; i < requests->len; i++)
    g_assert_true (g_hash_table_add (
        connections,
        GUINT_TO_POINTER (((TestRequest *) g_ptr_array_index (requests, i))->connection)));
}

static gboolean
knows_limit (gpointer data)
{
  LsobsExporter *exporter = data;

  return lsobs_transport_get_max_records (lsobs_exporter_get_transport (exporter)) == 7;
}

/* The parent still waits to hear what the service can do: the child asks for itself, and stops well. */
static void
child_asks (RunFixture *fixture, gpointer data G_GNUC_UNUSED)
{
  record (fixture, "child", N_RUNS);
  fork_child_flush (fixture);
  child_assert (test_wait_until (knows_limit, fixture->exporter, TEST_TIMEOUT_MS));
  g_clear_object (&fixture->observer);
  g_clear_object (&fixture->exporter);
}

static gboolean
was_asked (TestServer *server, gpointer data G_GNUC_UNUSED)
{
  return test_server_count_requests (server, "/info") > 0;
}

static void
test_info_in_flight (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  if (fork_skip ())
    return;
  test_server_set_info (fixture->server, "{\"batch_ingest_config\":{\"size_limit\":7}}");
  test_server_push (fixture->server, "/info",
                    (TestAnswer){ .mode = TEST_ANSWER_HANG, .status = 200, .body = "{}" });
  record (fixture, "parent", N_RUNS);
  run_fixture_flush (fixture);
  g_assert_true (test_server_wait (fixture->server, was_asked, NULL, TEST_TIMEOUT_MS));
  fork_run (child_asks, fixture, NULL);
  g_assert_false (knows_limit (fixture->exporter));
  test_server_release_hanging (fixture->server);
  record (fixture, "parent", N_RUNS);
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_runs (fixture, "parent"), ==, 2 * N_RUNS);
  g_assert_cmpuint (count_runs (fixture, "child"), ==, N_RUNS);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/info"), ==, 2);
}

static void
child_forks (RunFixture *fixture, gpointer data G_GNUC_UNUSED)
{
  record (fixture, "child", N_RUNS);
  child_assert (fork_wait (fork_start (child_sends, fixture, NULL)));
  fork_child_flush (fixture);
}

static void
test_grandchild (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  if (fork_skip ())
    return;
  record (fixture, "parent", N_RUNS);
  fork_run (child_forks, fixture, NULL);
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_runs (fixture, "parent"), ==, N_RUNS);
  g_assert_cmpuint (count_runs (fixture, "child"), ==, 2 * N_RUNS);
}

static void
child_is_in_context (RunFixture *fixture, gpointer data)
{
  /* What the parent has left in this context does nothing here. */
  test_drain_context ();
  child_assert (run_fixture_get (fixture, LSOBS_COUNTER_REQUESTS) == 0);
  child_assert (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_FORK) == N_RUNS);
  child_sends (fixture, data);
}

static void
set_up_main_context (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  run_fixture_set_up (fixture, data);
  lsobs_config_set_retry_delay (fixture->config, fork_get_retry_delay ());
  fixture->observer = g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error, "config", fixture->config,
                                      "main-context", g_main_context_default (), NULL);
  g_assert_no_error (error);
  fixture->exporter = g_object_ref (lsobs_observer_get_exporter (fixture->observer));
}

static void
test_main_context (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  if (fork_skip ())
    return;
  record (fixture, "parent", N_RUNS);
  fork_run (child_is_in_context, fixture, NULL);
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_runs (fixture, "parent"), ==, N_RUNS);
  g_assert_cmpuint (count_runs (fixture, "child"), ==, N_RUNS);
}

/* What the parent is about to try again in this context is not the child's. */
static void
child_waits_in_context (RunFixture *fixture, gpointer data)
{
  fork_run_context (2 * fork_get_retry_delay ());
  child_assert (run_fixture_get (fixture, LSOBS_COUNTER_REQUESTS) == 1);
  child_sends (fixture, data);
}

static void
test_main_context_retry (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  if (fork_skip ())
    return;
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 503 });
  record (fixture, "parent", N_RUNS);
  lsobs_exporter_flush (fixture->exporter, 0, NULL, NULL);
  g_assert_true (test_log_wait ("Attempt 1 failed"));
  fork_run (child_waits_in_context, fixture, NULL);
  /* of the child, and no other */
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 2);
  run_fixture_flush (fixture);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 3);
  g_assert_cmpuint (count_runs (fixture, "parent"), ==, N_RUNS);
  g_assert_cmpuint (count_runs (fixture, "child"), ==, N_RUNS);
}

/* --- ids --- */

static void
child_writes_ids (RunFixture *fixture, gpointer data)
{
  int *fds = data;

  for (guint i = 0; i < N_IDS; i++)
    {
      g_autoptr (LsobsRun) run = start (fixture, "run");
      g_autofree char *id = lsobs_run_dup_id (run);

      child_assert (write (fds[1], id, 36) == 36);
    }
}

static void
test_ids (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GHashTable) ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  pid_t children[3];
  int fds[2];
  char id[37] = "";
  gssize n;

  if (fork_skip ())
    return;
  /* Everything is in use before. */
  g_hash_table_add (ids, g_strdup ("first"));
  record (fixture, "parent", 1);
  g_assert_cmpint (pipe (fds), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (children); i++)
    children[i] = fork_start (child_writes_ids, fixture, fds);
  close (fds[1]);
  for (guint i = 0; i < N_IDS; i++)
    {
      g_autoptr (LsobsRun) run = start (fixture, "run");

      /* The random part alone: the clock has no part in this. */
      g_autofree char *own = lsobs_run_dup_id (run);
      g_assert_true (g_hash_table_add (ids, g_strdup (own + 14)));
    }
  while ((n = read (fds[0], id, 36)) == 36)
    g_assert_true (g_hash_table_add (ids, g_strdup (id + 14)));
  g_assert_cmpint (n, ==, 0);
  close (fds[0]);
  for (guint i = 0; i < G_N_ELEMENTS (children); i++)
    g_assert_true (fork_wait (children[i]));
  g_assert_cmpuint (g_hash_table_size (ids), ==, 1 + N_IDS * (1 + G_N_ELEMENTS (children)));
  run_fixture_flush (fixture);
}

/* --- handles of the parent --- */

static void
child_uses_run (RunFixture *fixture, gpointer data)
{
  LsobsRun *run = data;
  g_autoptr (LsobsRun) below = NULL;
  guint64 n_lost = run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_FORK);

  lsobs_run_add_tag (run, "child");
  lsobs_run_set_metadata_string (run, "child", "child");
  lsobs_run_add_event (run, "child", NULL);
  lsobs_run_end (run, NULL);
  lsobs_run_fail_with_message (run, "child");
  child_assert (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_FORK) == n_lost + 2);

  /* Work goes on in the child, below what the parent has begun. */
  below = lsobs_run_start_child (run, "below", LSOBS_RUN_TYPE_TOOL, NULL);
  lsobs_run_end (below, NULL);
  lsobs_run_unref (run);
  fork_child_flush (fixture);
  child_assert_balanced (fixture);
}

static void
test_run_of_parent (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;

  if (fork_skip ())
    return;
  run = start (fixture, "run");
  fork_run (child_uses_run, fixture, run);
  g_assert_cmpint (lsobs_run_get_status (run), ==, LSOBS_RUN_STATUS_RUNNING);
  lsobs_run_end (run, NULL);
  graph_assert_tree (fixture, WIRE_TREE_PLAIN, "run chain ok\n  below tool ok\n");
  run_assert_member (run_fixture_find (fixture, "run"), "tags", NULL);
  run_assert_member (run_fixture_find (fixture, "run"), "events", NULL);
  run_assert_member (run_fixture_find (fixture, "run"), "extra.metadata", NULL);
}

static void
child_uses_invocation (RunFixture *fixture, gpointer data)
{
  LsobsInvocation *turn = data;

  graph_start (turn, "child", NULL);
  graph_end (turn, "node", NULL, -1);
  graph_call (turn, "node", "calc", NULL, NULL);
  graph_result (turn, "node", "calc", NULL, NULL);
  graph_error (turn, "node", "child");
  child_assert (lsobs_invocation_dup_node_run (turn, "node") == NULL);
  lsobs_invocation_end (turn, NULL);
  child_assert (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_FORK) >= 1);
  g_object_unref (turn);
  fork_child_flush (fixture);
  child_assert (run_fixture_get (fixture, LSOBS_COUNTER_REQUESTS) == 0);
  child_assert_balanced (fixture);
}

static void
test_invocation_of_parent (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsInvocation) turn = NULL;

  if (fork_skip ())
    return;
  turn = lsobs_observer_begin_invocation (fixture->observer, "turn", NULL);
  graph_start (turn, "node", NULL);
  fork_run (child_uses_invocation, fixture, turn);
  graph_end (turn, "node", NULL, -1);
  lsobs_invocation_end (turn, NULL);
  graph_assert_tree (fixture, WIRE_TREE_PLAIN, "turn chain ok\n  node chain ok\n");
}

static void
child_uses_nodes (RunFixture *fixture, gpointer data G_GNUC_UNUSED)
{
  guint64 n_unknown = run_fixture_get (fixture, LSOBS_COUNTER_UNKNOWN_UPDATES);

  graph_end (fixture->observer, "node", NULL, -1);
  child_assert (run_fixture_get (fixture, LSOBS_COUNTER_UNKNOWN_UPDATES) == n_unknown + 1);
  graph_start (fixture->observer, "child", NULL);
  graph_call (fixture->observer, "child", "calc", "1", NULL);
  graph_result (fixture->observer, "child", "calc", "1", NULL);
  graph_end (fixture->observer, "child", NULL, -1);
  fork_child_flush (fixture);
  g_clear_object (&fixture->observer);
  child_assert_balanced (fixture);
}

static void
test_nodes_of_parent (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  if (fork_skip ())
    return;
  graph_start (fixture->observer, "node", NULL);
  fork_run (child_uses_nodes, fixture, NULL);
  graph_end (fixture->observer, "node", NULL, -1);
  graph_assert_tree (fixture, WIRE_TREE_PLAIN, "node chain ok\nchild chain ok\n  calc tool ok\n");
}

/* --- the end of an observer --- */

static void
child_unrefs (RunFixture *fixture, gpointer data G_GNUC_UNUSED)
{
  gint64 began = g_get_monotonic_time ();

  g_clear_object (&fixture->observer);
  g_clear_object (&fixture->exporter);
  child_assert (g_get_monotonic_time () - began < TEST_TIMEOUT_MS * 1000 / 4);
}

/* Even when the parent's records are stuck. */
static void
test_unref (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  if (fork_skip ())
    return;
  test_server_hold (fixture->server);
  record (fixture, "parent", N_RUNS);
  fork_run (child_unrefs, fixture, NULL);
  lsobs_observer_flush (fixture->observer, 0, NULL, NULL);
  fork_run (child_unrefs, fixture, NULL);
  test_server_release (fixture->server);
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_runs (fixture, "parent"), ==, N_RUNS);
}

static void
child_is_late (RunFixture *fixture, gpointer data G_GNUC_UNUSED)
{
  record (fixture, "child", 1);
  child_assert (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED) == 0);
  child_assert (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_SHUTDOWN) > 0);
  g_clear_object (&fixture->observer);
  child_assert_balanced (fixture);
}

/* What was shut down stays so. */
static void
test_after_shutdown (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  if (fork_skip ())
    return;
  record (fixture, "parent", 1);
  lsobs_observer_shutdown (fixture->observer, TEST_TIMEOUT_MS, NULL, &error);
  g_assert_no_error (error);
  fork_run (child_is_late, fixture, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("A forked child sends its own runs, and leaves its parent's alone.");
  test_log_install ();

  run_fixture_add ("/fork/queued", set_up, test_queued);
  run_fixture_add ("/fork/in-flight", set_up, test_in_flight);
  g_test_add ("/fork/child-sends/unused", RunFixture, GINT_TO_POINTER (FALSE), set_up,
              test_child_sends, run_fixture_tear_down);
  g_test_add ("/fork/child-sends/used", RunFixture, GINT_TO_POINTER (TRUE), set_up,
              test_child_sends, run_fixture_tear_down);
  run_fixture_add ("/fork/info-in-flight", set_up, test_info_in_flight);
  g_test_add ("/fork/compressed/best", RunFixture, GINT_TO_POINTER (TRUE), set_up_compressed,
              test_child_sends, run_fixture_tear_down);
  g_test_add ("/fork/compressed/gzip", RunFixture, GINT_TO_POINTER (FALSE), set_up_compressed,
              test_child_sends, run_fixture_tear_down);
  run_fixture_add ("/fork/grandchild", set_up, test_grandchild);
  run_fixture_add ("/fork/main-context", set_up_main_context, test_main_context);
  run_fixture_add ("/fork/main-context-retry", set_up_main_context, test_main_context_retry);
  run_fixture_add ("/fork/ids", set_up, test_ids);
  run_fixture_add ("/fork/run-of-parent", set_up, test_run_of_parent);
  run_fixture_add ("/fork/invocation-of-parent", set_up, test_invocation_of_parent);
  run_fixture_add ("/fork/nodes-of-parent", set_up, test_nodes_of_parent);
  run_fixture_add ("/fork/unref", set_up, test_unref);
  run_fixture_add ("/fork/after-shutdown", set_up, test_after_shutdown);
  return g_test_run ();
}
