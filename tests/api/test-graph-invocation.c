/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include "tests/lib/graph-helpers.h"
#include "tests/lib/sampler-helpers.h"

/* One execution of a graph: all runs below one root, and never a run of another execution. */

#define N_THREADS 8
#define N_TURNS   20

static void
set_up (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  run_fixture_start (fixture);
}

static LsobsInvocation *
begin (RunFixture *fixture, const char *name)
{
  return lsobs_observer_begin_invocation (fixture->observer, name, NULL);
}

static void
test_tree (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) question = run_json ("\"question\"");
  g_autoptr (JsonNode) answer = run_json ("{\"answer\":42}");
  g_autoptr (LsobsInvocation) turn =
      lsobs_observer_begin_invocation (fixture->observer, "turn", question);

  graph_start (turn, "agent", "{\"n\":1}");
  graph_call (turn, "agent", "calc", "1", "{\"a\":1}");
  graph_result (turn, "agent", "calc", "1", "{\"b\":2}");
  graph_end (turn, "agent", "{\"m\":2}", 9);
  graph_error (turn, "check", "broken");
  lsobs_invocation_end (turn, answer);
  graph_assert_tree (fixture, WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS | WIRE_TREE_ERRORS,
                     "turn chain ok inputs={\"value\":\"question\"} outputs={\"answer\":42}\n"
                     "  agent chain ok inputs={\"n\":1} outputs={\"m\":2}\n"
                     "    calc tool ok inputs={\"a\":1} outputs={\"b\":2}\n"
                     "  check chain error inputs={} error=\"broken\"\n");
  run_assert_member (run_fixture_find (fixture, "agent"), "extra.duration_ms", "9");
}

static void
test_fail (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsInvocation) turn = begin (fixture, "turn");
  g_autoptr (GError) error = g_error_new (G_IO_ERROR, G_IO_ERROR_FAILED, "broken");

  lsobs_invocation_fail (turn, error);
  g_assert_cmpint (lsobs_run_get_status (lsobs_invocation_get_run (turn)), ==,
                   LSOBS_RUN_STATUS_FAILED);
  graph_assert_tree (fixture, WIRE_TREE_OUTPUTS | WIRE_TREE_ERRORS,
                     "turn chain error error=\"broken\"\n");
}

static void
test_second_end (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsInvocation *turn = begin (fixture, "turn");
  g_autoptr (GError) error = g_error_new (G_IO_ERROR, G_IO_ERROR_FAILED, "late");

  lsobs_invocation_end (turn, NULL);
  run_fixture_flush (fixture);
  lsobs_invocation_fail (turn, error);
  lsobs_invocation_end (turn, NULL);
  g_assert_finalize_object (turn);
  graph_assert_tree (fixture, WIRE_TREE_ERRORS, "turn chain ok\n");
  g_assert_cmpuint (run_fixture_find (fixture, "turn")->n_patches, ==, 0);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_LATE_UPDATES), ==, 2);
}

static void
test_outputs_after_failure (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsInvocation) turn = begin (fixture, "turn");
  g_autoptr (GError) error = g_error_new (G_IO_ERROR, G_IO_ERROR_FAILED, "broken");
  g_autoptr (JsonNode) outputs = run_json ("{\"partial\":1}");

  lsobs_invocation_fail (turn, error);
  lsobs_invocation_end (turn, outputs);
  graph_assert_tree (fixture, WIRE_TREE_OUTPUTS | WIRE_TREE_ERRORS,
                     "turn chain error outputs={\"partial\":1} error=\"broken\"\n");
}

/* --- what was forgotten --- */

static void
leave_open (LsobsInvocation *turn)
{
  graph_start (turn, "open", NULL);
  graph_call (turn, "open", "calc", "1", NULL);
  graph_start (turn, "ended", NULL);
  graph_call (turn, "ended", "search", "2", NULL);
  graph_end (turn, "ended", NULL, -1);
}

static void
assert_left_open (RunFixture *fixture)
{
  graph_assert_tree (fixture, WIRE_TREE_PLAIN,
                     "turn chain ok\n"
                     "  open chain error\n"
                     "    calc tool error\n"
                     "  ended chain ok\n"
                     "    search tool error\n");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_ABANDONED), ==, 3);
}

static void
test_abandoned (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsInvocation) turn = begin (fixture, "turn");

  leave_open (turn);
  lsobs_invocation_end (turn, NULL);
  assert_left_open (fixture);
}

static void
test_unref_without_end (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsInvocation *turn = begin (fixture, "turn");

  leave_open (turn);
  g_assert_finalize_object (turn);
  assert_left_open (fixture);
}

/* The service draws them on one time line. */
static void
test_children_end_first (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsInvocation) turn = begin (fixture, "turn");
  gint64 end_us;

  graph_start (turn, "ended", NULL);
  graph_start (turn, "open", NULL);
  graph_end (turn, "ended", NULL, -1);
  lsobs_invocation_end (turn, NULL);
  run_fixture_flush (fixture);
  end_us = run_fixture_find (fixture, "turn")->end_us;
  g_assert_cmpint (run_fixture_find (fixture, "open")->end_us, <=, end_us);
  g_assert_cmpint (run_fixture_find (fixture, "ended")->end_us, <=, end_us);
}

static void
test_unref_of_nothing (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_assert_finalize_object (begin (fixture, "turn"));
  graph_assert_tree (fixture, WIRE_TREE_PLAIN, "turn chain ok\n");
}

static void
test_callbacks_after_end (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsInvocation) turn = begin (fixture, "turn");

  lsobs_invocation_end (turn, NULL);
  graph_start (turn, "late", NULL);
  graph_end (turn, "late", NULL, -1);
  graph_start (turn, "later", NULL);
  graph_error (turn, "unknown", "broken");
  g_clear_object (&turn);
  graph_assert_tree (
      fixture, WIRE_TREE_PLAIN,
      "turn chain ok\n  late chain ok\n  later chain error\n  unknown chain error\n");
}

/* Languages with a collector may dispose of an object that others still use. */
static void
test_disposed_before_end (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsInvocation) turn = begin (fixture, "turn");

  graph_start (turn, "node", NULL);
  g_object_run_dispose (G_OBJECT (turn));
  g_assert_cmpint (lsobs_run_get_status (lsobs_invocation_get_run (turn)), ==,
                   LSOBS_RUN_STATUS_COMPLETED);
  graph_start (turn, "late", NULL);
  graph_end (turn, "late", NULL, -1);
  lsobs_invocation_end (turn, NULL);
  g_object_run_dispose (G_OBJECT (turn));
  graph_assert_tree (fixture, WIRE_TREE_PLAIN,
                     "turn chain ok\n  node chain error\n  late chain ok\n");
}

/* The observer is gone first: what comes later is harmless, and counted. */
static void
test_observer_freed (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsInvocation) turn = begin (fixture, "turn");

  graph_start (turn, "node", NULL);
  g_assert_finalize_object (g_steal_pointer (&fixture->observer));
  graph_end (turn, "node", NULL, -1);
  graph_start (turn, "late", NULL);
  lsobs_invocation_end (turn, NULL);
  g_clear_object (&turn);
  graph_assert_tree (fixture, WIRE_TREE_PLAIN, "turn chain pending\n  node chain pending\n");
  /* the ends of node and turn, the start and the end of late */
  g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_SHUTDOWN), ==, 4);
}

/* --- runs by hand --- */

static void
test_node_run (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsInvocation) turn = begin (fixture, "turn");
  g_autoptr (LsobsRun) first = NULL;
  g_autoptr (LsobsRun) second = NULL;
  g_autoptr (LsobsRun) again = NULL;
  g_autoptr (LsobsRun) model = NULL;

  g_assert_null (lsobs_invocation_dup_node_run (turn, "agent"));
  graph_start (turn, "agent", NULL);
  first = lsobs_invocation_dup_node_run (turn, "agent");
  g_assert_cmpstr (lsobs_run_get_name (first), ==, "agent");
  graph_start (turn, "agent", NULL);
  second = lsobs_invocation_dup_node_run (turn, "agent");
  g_assert_true (first != second);
  graph_end (turn, "agent", NULL, -1);
  again = lsobs_invocation_dup_node_run (turn, "agent");
  g_assert_true (again == first);

  model = lsobs_run_start_child (again, "model", LSOBS_RUN_TYPE_LLM, NULL);
  lsobs_run_end (model, NULL);
  graph_call (turn, "agent", "calc", "1", NULL);
  graph_error (turn, "agent", "broken");
  g_assert_null (lsobs_invocation_dup_node_run (turn, "agent"));
  graph_result (turn, "agent", "calc", "1", NULL);
  lsobs_invocation_end (turn, NULL);
  graph_assert_tree (fixture, WIRE_TREE_PLAIN,
                     "turn chain ok\n"
                     "  agent chain error\n"
                     "    model llm ok\n"
                     "    calc tool ok\n"
                     "  agent chain ok\n");
}

static void
test_node_run_ended (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsInvocation) turn = begin (fixture, "turn");
  g_autoptr (LsobsRun) run = NULL;

  graph_start (turn, "node", NULL);
  run = lsobs_invocation_dup_node_run (turn, "node");
  lsobs_run_fail_with_message (run, "by hand");
  lsobs_run_end (lsobs_invocation_get_run (turn), NULL);
  graph_error (turn, "node", "late");
  lsobs_invocation_end (turn, NULL);
  graph_assert_tree (fixture, WIRE_TREE_ERRORS,
                     "turn chain ok\n  node chain error error=\"by hand\"\n");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_LATE_UPDATES), ==, 2);
}

static void
test_metadata (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsInvocation) turn = begin (fixture, "turn");

  lsobs_run_set_metadata_string (lsobs_invocation_get_run (turn), "thread_id", "t-1");
  graph_start (turn, "node", NULL);
  graph_call (turn, "node", "calc", "1", NULL);
  graph_result (turn, "node", "calc", "1", NULL);
  graph_end (turn, "node", NULL, -1);
  lsobs_invocation_end (turn, NULL);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "node"), "extra.metadata",
                     "{\"thread_id\":\"t-1\"}");
  run_assert_member (run_fixture_find (fixture, "calc"), "extra.metadata",
                     "{\"thread_id\":\"t-1\"}");
}

/* --- sampling --- */

static void
test_unsampled (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsInvocation) turn = begin (fixture, "turn");
  g_autoptr (LsobsRun) run = NULL;
  g_autofree char *trace_id = lsobs_run_dup_id (lsobs_invocation_get_run (turn));
  g_autofree char *node_trace_id = NULL;

  graph_start (turn, "node", "{\"in\":1}");
  run = lsobs_invocation_dup_node_run (turn, "node");
  g_assert_false (lsobs_run_is_sampled (run));
  node_trace_id = lsobs_run_dup_trace_id (run);
  g_assert_cmpstr (trace_id, ==, node_trace_id);
  graph_call (turn, "node", "calc", "1", "{}");
  graph_result (turn, "node", "calc", "1", "{}");
  graph_end (turn, "node", "{}", 1);
  graph_error (turn, "never", "broken");
  lsobs_invocation_end (turn, NULL);
  run_fixture_flush (fixture);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_UNSAMPLED), ==, 4);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_ENQUEUED), ==, 0);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 0);
}

static void
set_up_sampler (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (TestSampler) sampler = g_object_new (TEST_TYPE_SAMPLER, NULL);

  sampler->alternates = TRUE;
  run_fixture_set_up (fixture, data);
  lsobs_config_set_sampler (fixture->config, LSOBS_SAMPLER (sampler));
  run_fixture_start (fixture);
}

/* Asked once for each execution, by the id of its trace. */
static void
test_sampler_asked (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  TestSampler *sampler = TEST_SAMPLER (lsobs_config_get_sampler (fixture->config));

  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (LsobsInvocation) turn = begin (fixture, i % 2 == 0 ? "kept" : "left-out");
      g_autofree char *id = lsobs_run_dup_id (lsobs_invocation_get_run (turn));

      graph_start (turn, "node", NULL);
      graph_end (turn, "node", NULL, -1);
      lsobs_invocation_end (turn, NULL);
      g_assert_cmpuint (sampler->asked->len, ==, i + 1);
      g_assert_cmpstr (g_ptr_array_index (sampler->asked, i), ==, id);
    }
  graph_assert_tree (fixture, WIRE_TREE_PLAIN,
                     "kept chain ok\n  node chain ok\nkept chain ok\n  node chain ok\n");
}

/* --- several at once --- */

static void
test_interleaved (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsInvocation) a = begin (fixture, "a");
  g_autoptr (LsobsInvocation) b = begin (fixture, "b");
  g_autoptr (GError) error = g_error_new (G_IO_ERROR, G_IO_ERROR_FAILED, "b");

  graph_start (a, "agent", "{\"turn\":\"a\"}");
  graph_start (b, "agent", "{\"turn\":\"b\"}");
  graph_call (a, "agent", "calc", "1", "{\"turn\":\"a\"}");
  graph_call (b, "agent", "calc", "1", "{\"turn\":\"b\"}");
  graph_result (b, "agent", "calc", "1", "{\"turn\":\"b\"}");
  graph_end (a, "agent", "{\"turn\":\"a\"}", 1);
  graph_error (b, "agent", "b");
  graph_result (a, "agent", "calc", "1", "{\"turn\":\"a\"}");
  lsobs_invocation_fail (b, error);
  lsobs_invocation_end (a, NULL);
  graph_assert_tree (fixture, WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS | WIRE_TREE_ERRORS,
                     "a chain ok inputs={}\n"
                     "  agent chain ok inputs={\"turn\":\"a\"} outputs={\"turn\":\"a\"}\n"
                     "    calc tool ok inputs={\"turn\":\"a\"} outputs={\"turn\":\"a\"}\n"
                     "b chain error inputs={} error=\"b\"\n"
                     "  agent chain error inputs={\"turn\":\"b\"} error=\"b\"\n"
                     "    calc tool ok inputs={\"turn\":\"b\"} outputs={\"turn\":\"b\"}\n");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_ABANDONED), ==, 0);
}

typedef struct
{
  RunFixture *fixture;   /* (unowned) */
  LsobsInvocation *turn; /* (unowned) (nullable) the one of all threads */
  RunBarrier barrier;
  int n_threads; /* (atomic) */
} Shared;

static gpointer
turn_thread (gpointer user_data)
{
  Shared *shared = user_data;
  g_autofree char *json =
      g_strdup_printf ("{\"thread\":%d}", g_atomic_int_add (&shared->n_threads, 1));

  run_barrier_wait (&shared->barrier);
  for (guint i = 0; i < N_TURNS; i++)
    {
      g_autoptr (JsonNode) node = run_json (json);
      g_autoptr (LsobsInvocation) turn =
          lsobs_observer_begin_invocation (shared->fixture->observer, "turn", node);

      graph_start (turn, "agent", json);
      graph_call (turn, "agent", "calc", "1", json);
      graph_call (turn, "agent", "calc", "2", json);
      graph_result (turn, "agent", "calc", "2", json);
      graph_result (turn, "agent", "calc", "1", json);
      graph_end (turn, "agent", json, 1);
      lsobs_invocation_end (turn, node);
    }
  return NULL;
}

static void
run_threads (Shared *shared, GThreadFunc func)
{
  GThread *threads[N_THREADS];

  run_barrier_init (&shared->barrier, N_THREADS);
  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("turn", func, shared);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  run_barrier_clear (&shared->barrier);
}

static void
assert_all_alike (WireTree *tree, WireRun *run, const char *inputs, guint *n_runs)
{
  g_autoptr (GPtrArray) children = wire_tree_dup_children (tree, run->id);

  (*n_runs)++;
  run_assert_member (run, "inputs", inputs);
  run_assert_member (run, "outputs", inputs);
  for (guint i = 0; i < children->len; i++)
    assert_all_alike (tree, g_ptr_array_index (children, i), inputs, n_runs);
}

/* Each trace holds what one thread has said. */
static void
test_threads (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Shared shared = { .fixture = fixture };
  g_autoptr (GPtrArray) roots = NULL;

  run_threads (&shared, turn_thread);
  roots = wire_tree_dup_roots (run_fixture_flush (fixture));
  g_assert_cmpuint (roots->len, ==, N_THREADS * N_TURNS);
  for (guint i = 0; i < roots->len; i++)
    {
      WireRun *root = g_ptr_array_index (roots, i);
      g_autofree char *inputs = wire_json_canonical (wire_run_get (root, "inputs"));
      guint n_runs = 0;

      assert_all_alike (fixture->tree, root, inputs, &n_runs);
      g_assert_cmpuint (n_runs, ==, 4);
    }
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_ABANDONED), ==, 0);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_UNKNOWN_UPDATES), ==, 0);
}

static gpointer
share_turn_thread (gpointer user_data)
{
  Shared *shared = user_data;
  g_autofree char *own = g_strdup_printf ("node-%d", g_atomic_int_add (&shared->n_threads, 1));

  run_barrier_wait (&shared->barrier);
  for (guint i = 0; i < N_TURNS; i++)
    {
      graph_start (shared->turn, own, NULL);
      graph_start (shared->turn, "common", NULL);
      graph_call (shared->turn, own, "calc", NULL, NULL);
      graph_call (shared->turn, "common", "calc", own, NULL);
      graph_result (shared->turn, "common", "calc", own, NULL);
      graph_result (shared->turn, own, "calc", NULL, NULL);
      graph_end (shared->turn, "common", NULL, -1);
      graph_end (shared->turn, own, NULL, -1);
    }
  return NULL;
}

/* Parallel branches of one execution. */
static void
test_branches (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsInvocation) turn = begin (fixture, "turn");
  Shared shared = { .fixture = fixture, .turn = turn };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) roots = NULL;

  run_threads (&shared, share_turn_thread);
  lsobs_invocation_end (turn, NULL);
  roots = wire_tree_dup_roots (run_fixture_flush (fixture));
  g_assert_cmpuint (roots->len, ==, 1);
  g_assert_cmpuint (wire_tree_get_n_runs (fixture->tree), ==, 1 + 4 * N_THREADS * N_TURNS);
  wire_tree_check (fixture->tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_ABANDONED), ==, 0);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_UNKNOWN_UPDATES), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary (
      "Executions of a graph, one after the other or at once, are one whole tree each.");

  run_fixture_add ("/graph-invocation/tree", set_up, test_tree);
  run_fixture_add ("/graph-invocation/fail", set_up, test_fail);
  run_fixture_add ("/graph-invocation/second-end", set_up, test_second_end);
  run_fixture_add ("/graph-invocation/outputs-after-failure", set_up, test_outputs_after_failure);
  run_fixture_add ("/graph-invocation/abandoned", set_up, test_abandoned);
  run_fixture_add ("/graph-invocation/children-end-first", set_up, test_children_end_first);
  run_fixture_add ("/graph-invocation/unref-without-end", set_up, test_unref_without_end);
  run_fixture_add ("/graph-invocation/unref-of-nothing", set_up, test_unref_of_nothing);
  run_fixture_add ("/graph-invocation/callbacks-after-end", set_up, test_callbacks_after_end);
  run_fixture_add ("/graph-invocation/disposed-before-end", set_up, test_disposed_before_end);
  run_fixture_add ("/graph-invocation/observer-freed", set_up, test_observer_freed);
  run_fixture_add ("/graph-invocation/node-run", set_up, test_node_run);
  run_fixture_add ("/graph-invocation/node-run-ended", set_up, test_node_run_ended);
  run_fixture_add ("/graph-invocation/metadata", set_up, test_metadata);
  run_fixture_add ("/graph-invocation/unsampled", run_fixture_set_up_unsampled, test_unsampled);
  run_fixture_add ("/graph-invocation/sampler-asked", set_up_sampler, test_sampler_asked);
  run_fixture_add ("/graph-invocation/interleaved", set_up, test_interleaved);
  run_fixture_add ("/graph-invocation/threads", set_up, test_threads);
  run_fixture_add ("/graph-invocation/branches", set_up, test_branches);
  return g_test_run ();
}
