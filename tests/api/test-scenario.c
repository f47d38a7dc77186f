/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whole programs in small: what they do, and the tree that the service has at the end. */

#include "config.h"

#include <string.h>

#include "tests/lib/test-helpers.h"

static WireTree *
build_checked_tree (TestFixture *fixture)
{
  WireTree *tree = test_server_build_tree (fixture->server);
  g_autoptr (GError) error = NULL;

  wire_tree_check (tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);

  return tree;
}

static JsonNode *
new_number (int value)
{
  JsonNode *node = json_node_new (JSON_NODE_VALUE);

  json_node_set_int (node, value);

  return node;
}

/* --- an agent that calls tools ------------------------------------------------------------- */

/* A model that asks for the calculator twice and then answers; what is open when the program
 * flushes is finished by an update later on. */
static guint64
run_react_agent (TestFixture *fixture)
{
  g_autoptr (JsonNode) question = test_new_payload ("what is 6 * 7 - 1?");
  g_autoptr (LsobsInvocation) invocation =
      lsobs_observer_begin_invocation (fixture->observer, "react", question);
  LsobsGraphObserver *graph = LSOBS_GRAPH_OBSERVER (invocation);
  guint64 n_flushed = 0;

  lsobs_graph_observer_on_node_start (graph, "agent", question);
  for (int i = 0; i < 3; i++)
    {
      g_autoptr (LsobsRun) node = lsobs_invocation_dup_node_run (invocation, "agent");
      g_autoptr (LsobsRun) model =
          lsobs_run_start_child (node, "model", LSOBS_RUN_TYPE_LLM, question);
      g_autofree char *call_id = g_strdup_printf ("call-%d", i);
      g_autoptr (JsonNode) number = new_number (41 + i);
      LsobsFlushStats stats;

      lsobs_run_set_model (model, "openai", "gpt-test");
      lsobs_run_set_usage (model, 20, 10, 30);
      lsobs_run_end (model, number);
      if (i == 2)
        break;
      lsobs_graph_observer_on_tool_call (graph, "agent", "calculator", call_id, number);
      g_assert_true (lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, &stats, NULL));
      n_flushed += stats.runs_flushed;
      lsobs_graph_observer_on_tool_result (graph, "agent", "calculator", call_id, number);
    }
  lsobs_graph_observer_on_node_end (graph, "agent", question, 12);
  lsobs_invocation_end (invocation, question);

  return n_flushed;
}

static void
test_react (TestFixture *fixture, gconstpointer data)
{
  LsobsIngestMode mode = (LsobsIngestMode) GPOINTER_TO_INT (data);
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (GPtrArray) tools = NULL;
  g_autofree char *text = NULL;
  LsobsFlushStats stats;
  guint64 n_flushed;
  guint n_posts = 0, n_patches = 0;

  lsobs_config_set_ingest_mode (fixture->config, mode);
  test_fixture_start (fixture);
  n_flushed = run_react_agent (fixture);
  g_assert_cmpuint (n_flushed, >, 0);
  g_assert_true (lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, &stats, NULL));
  g_assert_cmpuint (stats.runs_flushed, >, 0);

  tree = build_checked_tree (fixture);
  text = wire_tree_to_string (tree, WIRE_TREE_PLAIN);
  g_assert_cmpstr (text, ==,
                   "react chain ok\n"
                   "  agent chain ok\n"
                   "    model llm ok\n"
                   "    calculator tool ok\n"
                   "    model llm ok\n"
                   "    calculator tool ok\n"
                   "    model llm ok\n");

  tools = wire_tree_dup_runs (tree);
  for (guint i = 0; i < tools->len; i++)
    {
      WireRun *run = g_ptr_array_index (tools, i);

      n_posts += run->n_posts;
      n_patches += run->n_patches;
      if (strcmp (run->run_type, "tool") == 0)
        g_assert_cmpstr (run->parent_id, ==, wire_tree_find (tree, "agent")->id);
    }
  g_assert_cmpuint (n_posts, ==, 7);
  /* both tool calls, the node and the root outlived a flush */
  g_assert_cmpuint (n_patches, ==, 4);
  if (mode == LSOBS_INGEST_MODE_RUNS)
    {
      g_autoptr (GPtrArray) requests = test_server_dup_ingest (fixture->server);
      guint n_patch_requests = 0;

      for (guint i = 0; i < requests->len; i++)
        n_patch_requests +=
            strcmp (((TestRequest *) g_ptr_array_index (requests, i))->method, "PATCH") == 0;
      g_assert_cmpuint (n_patch_requests, ==, 4);
    }
  g_assert_cmpint (json_node_get_int (
                       wire_run_get (wire_tree_find (tree, "agent"), "extra.duration_ms")),
                   ==, 12);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_ABANDONED), ==, 0);
}

/* --- invocations at the same time ---------------------------------------------------------- */

#define N_STEPS 4

/* One step of an invocation; the names are the same in all of them. */
static void
take_step (LsobsInvocation *invocation, const char *name, guint step)
{
  LsobsGraphObserver *graph = LSOBS_GRAPH_OBSERVER (invocation);
  g_autoptr (JsonNode) payload = test_new_payload (name);

  switch (step)
    {
    case 0:
      lsobs_graph_observer_on_node_start (graph, "node", payload);
      break;
    case 1:
      lsobs_graph_observer_on_tool_call (graph, "node", "tool", NULL, payload);
      break;
    case 2:
      lsobs_graph_observer_on_tool_result (graph, "node", "tool", NULL, payload);
      break;
    default:
      lsobs_graph_observer_on_node_end (graph, "node", payload, 1);
      lsobs_invocation_end (invocation, payload);
      break;
    }
}

/* Every root has its own node, and the node its own tool. */
static void
assert_not_mixed (TestFixture *fixture, guint n)
{
  g_autoptr (WireTree) tree = build_checked_tree (fixture);
  g_autoptr (GPtrArray) roots = wire_tree_dup_roots (tree);

  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 3 * n);
  g_assert_cmpuint (roots->len, ==, n);
  for (guint i = 0; i < n; i++)
    {
      WireRun *run = g_ptr_array_index (roots, i);
      const char *name = run->name;

      for (guint depth = 0; depth < 2; depth++)
        {
          g_autoptr (GPtrArray) children = wire_tree_dup_children (tree, run->id);

          g_assert_cmpuint (children->len, ==, 1);
          run = g_ptr_array_index (children, 0);
          g_assert_cmpstr (run->name, ==, depth == 0 ? "node" : "tool");
          g_assert_cmpstr (wire_run_get_string (run, "inputs.text"), ==, name);
          g_assert_cmpstr (wire_run_get_string (run, "outputs.text"), ==, name);
        }
    }
}

static void
test_interleaved (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsInvocation *invocations[20];
  char *names[G_N_ELEMENTS (invocations)];

  test_fixture_start (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (invocations); i++)
    {
      names[i] = g_strdup_printf ("graph-%u", i);
      invocations[i] = lsobs_observer_begin_invocation (fixture->observer, names[i], NULL);
    }
  for (guint step = 0; step < N_STEPS; step++)
    for (guint i = 0; i < G_N_ELEMENTS (invocations); i++)
      take_step (invocations[i], names[i], step);
  for (guint i = 0; i < G_N_ELEMENTS (invocations); i++)
    {
      g_assert_finalize_object (invocations[i]);
      g_free (names[i]);
    }
  g_assert_true (lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, NULL, NULL));
  assert_not_mixed (fixture, G_N_ELEMENTS (invocations));
}

static gpointer
invoke_thread (gpointer data)
{
  TestFixture *fixture = data;

  for (guint i = 0; i < 25; i++)
    {
      g_autofree char *name = g_uuid_string_random ();
      g_autoptr (LsobsInvocation) invocation =
          lsobs_observer_begin_invocation (fixture->observer, name, NULL);

      for (guint step = 0; step < N_STEPS; step++)
        take_step (invocation, name, step);
    }

  return NULL;
}

static void
test_threads (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  GThread *threads[4];

  lsobs_config_set_max_batch_size (fixture->config, 20);
  test_fixture_start (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("invoke", invoke_thread, fixture);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_true (lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, NULL, NULL));
  assert_not_mixed (fixture, 100);
}

/* --- many short runs ----------------------------------------------------------------------- */

#define N_CHILDREN 9

static void
test_many_runs (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const guint n_traces = test_is_instrumented () ? 100 : 1000;
  const guint n_runs = n_traces * (1 + N_CHILDREN);
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (GPtrArray) roots = NULL;
  g_autoptr (GError) error = NULL;

  lsobs_config_set_max_batch_size (fixture->config, 100);
  lsobs_config_set_queue_capacity (fixture->config, 2 * n_runs);
  lsobs_config_set_max_in_flight (fixture->config, 4);
  test_fixture_start (fixture);
  for (guint i = 0; i < n_traces; i++)
    {
      g_autoptr (JsonNode) payload = test_new_payload ("short");
      g_autoptr (LsobsRun) root =
          lsobs_observer_start_run (fixture->observer, "root", LSOBS_RUN_TYPE_CHAIN, payload);

      for (guint j = 0; j < N_CHILDREN; j++)
        {
          g_autoptr (LsobsRun) child =
              lsobs_run_start_child (root, "child", LSOBS_RUN_TYPE_TOOL, payload);

          lsobs_run_end (child, payload);
        }
      lsobs_run_end (root, payload);
    }
  test_assert_books (fixture->exporter);
  lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS * 4, NULL, &error);
  g_assert_no_error (error);

  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), <=, n_runs / 100 + 10);
  /* one more for the question what the service can do */
  g_assert_cmpuint (test_server_count_connections (fixture->server), <=, 4 + 1);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==,
                    test_server_count_ops (fixture->server));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_ENQUEUED) +
                        test_get_counter (fixture->exporter, LSOBS_COUNTER_MERGED),
                    ==, 2 * n_runs);

  tree = build_checked_tree (fixture);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, n_runs);
  g_assert_cmpuint (wire_tree_get_n_pending (tree), ==, 0);
  roots = wire_tree_dup_roots (tree);
  g_assert_cmpuint (roots->len, ==, n_traces);
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, test_fixture_set_up, test, test_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("/scenario/react/auto", GINT_TO_POINTER (LSOBS_INGEST_MODE_AUTO), test_react);
  ADD ("/scenario/react/batch", GINT_TO_POINTER (LSOBS_INGEST_MODE_BATCH), test_react);
  ADD ("/scenario/react/runs", GINT_TO_POINTER (LSOBS_INGEST_MODE_RUNS), test_react);
  ADD ("/scenario/invocations/interleaved", NULL, test_interleaved);
  ADD ("/scenario/invocations/threads", NULL, test_threads);
  ADD ("/scenario/many-runs", NULL, test_many_runs);

  return g_test_run ();
}
