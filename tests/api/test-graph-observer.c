/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include "tests/lib/graph-helpers.h"

/* What the callbacks of a graph engine become, on the observer itself: there each node is a root. */

#define N_MANY 10000

/* More nodes than are kept in mind, whatever the bound is. */
#define N_BOUND 4096

static void
set_up (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  run_fixture_start (fixture);
}

/* --- nodes --- */

static void
test_node (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  WireRun *run;

  graph_start (fixture->observer, "node", "{\"in\":1}");
  graph_end (fixture->observer, "node", "{\"out\":2}", 1234);
  graph_assert_tree (fixture, WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS,
                     "node chain ok inputs={\"in\":1} outputs={\"out\":2}\n");
  run = run_fixture_find (fixture, "node");
  g_assert_null (run->parent_id);
  g_assert_cmpuint (run->n_posts, ==, 1);
  g_assert_cmpuint (run->n_patches, ==, 0);
  run_assert_member (run, "extra.duration_ms", "1234");
}

static void
test_node_wrapped (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  graph_start (fixture->observer, "node", "\"in\"");
  graph_end (fixture->observer, "node", "[2]", 0);
  graph_assert_tree (fixture, WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS,
                     "node chain ok inputs={\"value\":\"in\"} outputs={\"value\":[2]}\n");
  run_assert_member (run_fixture_find (fixture, "node"), "extra.duration_ms", "0");
}

static void
test_node_without_payload (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  graph_start (fixture->observer, "node", NULL);
  graph_end (fixture->observer, "node", NULL, -1);
  graph_start (fixture->observer, "other", NULL);
  graph_end (fixture->observer, "other", NULL, G_MININT64);
  graph_assert_tree (fixture, WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS,
                     "node chain ok inputs={}\nother chain ok inputs={}\n");
  run_assert_member (run_fixture_find (fixture, "node"), "extra.duration_ms", NULL);
  run_assert_member (run_fixture_find (fixture, "other"), "extra.duration_ms", NULL);
}

static void
test_node_patched (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  WireRun *run;

  graph_start (fixture->observer, "node", "{\"in\":1}");
  run_fixture_flush (fixture);
  graph_end (fixture->observer, "node", "{\"out\":2}", 77);
  graph_assert_tree (fixture, WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS,
                     "node chain ok inputs={\"in\":1} outputs={\"out\":2}\n");
  run = run_fixture_find (fixture, "node");
  g_assert_cmpuint (run->n_patches, ==, 1);
  run_assert_member (run, "extra.duration_ms", "77");
  run_assert_member (run, "extra.runtime.sdk", "\"lsobs\"");
}

static void
test_unknown_end (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  graph_end (fixture->observer, "never", "{}", 1);
  graph_start (fixture->observer, "node", NULL);
  graph_end (fixture->observer, "node", NULL, 1);
  graph_end (fixture->observer, "node", "{\"late\":1}", 1);
  graph_assert_tree (fixture, WIRE_TREE_OUTPUTS, "node chain ok\n");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_UNKNOWN_UPDATES), ==, 2);
}

/* The newest of several nodes of one name is meant. */
static void
test_restarted (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  graph_start (fixture->observer, "node", "{\"n\":1}");
  graph_start (fixture->observer, "node", "{\"n\":2}");
  graph_call (fixture->observer, "node", "tool", NULL, NULL);
  graph_result (fixture->observer, "node", "tool", NULL, NULL);
  graph_end (fixture->observer, "node", "{\"end\":1}", -1);
  graph_error (fixture->observer, "node", "second");
  graph_assert_tree (fixture, WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS | WIRE_TREE_ERRORS,
                     "node chain error inputs={\"n\":1} error=\"second\"\n"
                     "node chain ok inputs={\"n\":2} outputs={\"end\":1}\n"
                     "  tool tool ok inputs={}\n");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_UNKNOWN_UPDATES), ==, 0);
}

/* --- errors --- */

static void
test_error (RunFixture *fixture, gconstpointer data)
{
  gboolean sent = GPOINTER_TO_INT (data);
  WireRun *run;

  graph_start (fixture->observer, "node", "{\"in\":1}");
  if (sent)
    run_fixture_flush (fixture);
  graph_error (fixture->observer, "node", "broken");
  graph_assert_tree (fixture, WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS | WIRE_TREE_ERRORS,
                     "node chain error inputs={\"in\":1} error=\"broken\"\n");
  run = run_fixture_find (fixture, "node");
  g_assert_cmpuint (run->n_patches, ==, sent ? 1 : 0);
  g_assert_cmpint (run->end_us, >=, run->start_us);
}

static void
test_unknown_error (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  WireRun *run;

  graph_error (fixture->observer, "never", "broken");
  graph_assert_tree (fixture, WIRE_TREE_INPUTS | WIRE_TREE_ERRORS,
                     "never chain error inputs={} error=\"broken\"\n");
  run = run_fixture_find (fixture, "never");
  g_assert_cmpuint (run->n_posts, ==, 1);
  g_assert_cmpuint (run->n_patches, ==, 0);
  g_assert_cmpint (run->end_us, >=, run->start_us);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_UNKNOWN_UPDATES), ==, 1);
}

/* The first error of a node stands, and makes one run, however often it is told. */
static void
test_second_error (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  graph_start (fixture->observer, "node", NULL);
  graph_error (fixture->observer, "node", "first");
  graph_error (fixture->observer, "node", "second");
  graph_assert_tree (fixture, WIRE_TREE_ERRORS, "node chain error error=\"first\"\n");
}

static void
test_outputs_after_error (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  graph_start (fixture->observer, "node", NULL);
  graph_error (fixture->observer, "node", "broken");
  graph_end (fixture->observer, "node", "{\"partial\":1}", 5);
  graph_assert_tree (fixture, WIRE_TREE_OUTPUTS | WIRE_TREE_ERRORS,
                     "node chain error outputs={\"partial\":1} error=\"broken\"\n");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_UNKNOWN_UPDATES), ==, 0);
}

/* A tool that has not answered yet changes nothing about that. */
static void
test_outputs_after_error_with_tool (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  graph_start (fixture->observer, "node", NULL);
  graph_call (fixture->observer, "node", "tool", "1", NULL);
  graph_error (fixture->observer, "node", "broken");
  graph_end (fixture->observer, "node", "{\"partial\":1}", 5);
  graph_result (fixture->observer, "node", "tool", "1", NULL);
  graph_assert_tree (fixture, WIRE_TREE_OUTPUTS | WIRE_TREE_ERRORS,
                     "node chain error outputs={\"partial\":1} error=\"broken\"\n"
                     "  tool tool ok\n");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_UNKNOWN_UPDATES), ==, 0);
}

/* --- tools --- */

static void
test_tool (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  graph_start (fixture->observer, "node", NULL);
  graph_call (fixture->observer, "node", "calc", "c1", "{\"a\":1}");
  graph_result (fixture->observer, "node", "calc", "c1", "42");
  graph_end (fixture->observer, "node", NULL, -1);
  graph_assert_tree (fixture, WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS,
                     "node chain ok inputs={}\n"
                     "  calc tool ok inputs={\"a\":1} outputs={\"value\":42}\n");
}

static void
test_parallel_with_ids (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  graph_start (fixture->observer, "node", NULL);
  graph_call (fixture->observer, "node", "calc", "a", "{\"call\":\"a\"}");
  graph_call (fixture->observer, "node", "calc", "b", "{\"call\":\"b\"}");
  graph_call (fixture->observer, "node", "calc", "c", "{\"call\":\"c\"}");
  graph_result (fixture->observer, "node", "calc", "c", "{\"result\":\"c\"}");
  graph_result (fixture->observer, "node", "calc", "a", "{\"result\":\"a\"}");
  graph_result (fixture->observer, "node", "calc", "b", "{\"result\":\"b\"}");
  graph_end (fixture->observer, "node", NULL, -1);
  graph_assert_tree (fixture, WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS,
                     "node chain ok inputs={}\n"
                     "  calc tool ok inputs={\"call\":\"a\"} outputs={\"result\":\"a\"}\n"
                     "  calc tool ok inputs={\"call\":\"b\"} outputs={\"result\":\"b\"}\n"
                     "  calc tool ok inputs={\"call\":\"c\"} outputs={\"result\":\"c\"}\n");
}

static void
test_parallel_without_ids (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  graph_start (fixture->observer, "node", NULL);
  graph_call (fixture->observer, "node", "calc", NULL, "{\"call\":1}");
  graph_call (fixture->observer, "node", "search", NULL, "{\"call\":2}");
  graph_call (fixture->observer, "node", "calc", NULL, "{\"call\":3}");
  graph_result (fixture->observer, "node", "search", NULL, "{\"result\":2}");
  graph_result (fixture->observer, "node", "calc", NULL, "{\"result\":1}");
  graph_result (fixture->observer, "node", "calc", NULL, "{\"result\":3}");
  graph_end (fixture->observer, "node", NULL, -1);
  graph_assert_tree (fixture, WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS,
                     "node chain ok inputs={}\n"
                     "  calc tool ok inputs={\"call\":1} outputs={\"result\":1}\n"
                     "  search tool ok inputs={\"call\":2} outputs={\"result\":2}\n"
                     "  calc tool ok inputs={\"call\":3} outputs={\"result\":3}\n");
}

/* The engine learns of the id by the result only. */
static void
test_late_id (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  graph_start (fixture->observer, "node", NULL);
  graph_call (fixture->observer, "node", "calc", "call-1", "{\"call\":1}");
  graph_call (fixture->observer, "node", "calc", NULL, "{\"call\":2}");
  graph_result (fixture->observer, "node", "calc", "call-2", "{\"result\":2}");
  graph_result (fixture->observer, "node", "calc", "call-1", "{\"result\":1}");
  graph_end (fixture->observer, "node", NULL, -1);
  graph_assert_tree (fixture, WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS,
                     "node chain ok inputs={}\n"
                     "  calc tool ok inputs={\"call\":1} outputs={\"result\":1}\n"
                     "  calc tool ok inputs={\"call\":2} outputs={\"result\":2}\n");
}

/* The oldest call is that of the node that was restarted in the meantime. */
static void
test_oldest_of_restarted (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  graph_start (fixture->observer, "node", "{\"n\":1}");
  graph_call (fixture->observer, "node", "calc", NULL, NULL);
  graph_start (fixture->observer, "node", "{\"n\":2}");
  graph_call (fixture->observer, "node", "calc", NULL, NULL);
  graph_result (fixture->observer, "node", "calc", NULL, "{\"result\":1}");
  graph_result (fixture->observer, "node", "calc", NULL, "{\"result\":2}");
  graph_end (fixture->observer, "node", NULL, -1);
  graph_end (fixture->observer, "node", NULL, -1);
  graph_assert_tree (fixture, WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS,
                     "node chain ok inputs={\"n\":1}\n"
                     "  calc tool ok inputs={} outputs={\"result\":1}\n"
                     "node chain ok inputs={\"n\":2}\n"
                     "  calc tool ok inputs={} outputs={\"result\":2}\n");
}

static void
test_result_after_end (RunFixture *fixture, gconstpointer data)
{
  gboolean failed = GPOINTER_TO_INT (data);

  graph_start (fixture->observer, "node", NULL);
  graph_call (fixture->observer, "node", "calc", "1", NULL);
  graph_call (fixture->observer, "node", "calc", "2", NULL);
  if (failed)
    graph_error (fixture->observer, "node", "broken");
  else
    graph_end (fixture->observer, "node", NULL, -1);
  run_fixture_flush (fixture);
  graph_result (fixture->observer, "node", "calc", "2", "{\"result\":2}");
  graph_result (fixture->observer, "node", "calc", "1", "{\"result\":1}");
  graph_assert_tree (fixture, WIRE_TREE_OUTPUTS,
                     failed ? "node chain error\n  calc tool ok outputs={\"result\":1}\n"
                              "  calc tool ok outputs={\"result\":2}\n"
                            : "node chain ok\n  calc tool ok outputs={\"result\":1}\n"
                              "  calc tool ok outputs={\"result\":2}\n");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_UNKNOWN_UPDATES), ==, 0);
}

static void
test_unknown_result (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  graph_result (fixture->observer, "never", "calc", NULL, NULL);
  graph_start (fixture->observer, "node", NULL);
  graph_result (fixture->observer, "node", "calc", NULL, NULL);
  graph_call (fixture->observer, "node", "calc", "1", NULL);
  graph_result (fixture->observer, "node", "calc", "2", NULL);
  graph_result (fixture->observer, "node", "search", NULL, NULL);
  graph_result (fixture->observer, "other", "calc", "1", NULL);
  graph_result (fixture->observer, "node", "calc", "1", "{\"result\":1}");
  graph_result (fixture->observer, "node", "calc", "1", "{\"result\":2}");
  graph_end (fixture->observer, "node", NULL, -1);
  graph_assert_tree (fixture, WIRE_TREE_OUTPUTS,
                     "node chain ok\n  calc tool ok outputs={\"result\":1}\n");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_UNKNOWN_UPDATES), ==, 6);
}

/* A call of a node that never began is counted, and not lost. */
static void
test_unknown_caller (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  graph_call (fixture->observer, "never", "calc", "1", "{\"a\":1}");
  graph_result (fixture->observer, "never", "calc", "1", "{\"result\":1}");
  graph_assert_tree (fixture, WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS,
                     "calc tool ok inputs={\"a\":1} outputs={\"result\":1}\n");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_UNKNOWN_UPDATES), ==, 1);
}

/* --- bounds --- */

/* Many nodes, so not by way of the service. */
typedef struct
{
  LsobsMemoryTransport *transport; /* (owned) */
  LsobsObserver *observer;         /* (owned) */
  LsobsExporter *exporter;         /* (owned) */
} ManyFixture;

static void
set_up_many (ManyFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, RUN_PROJECT);
  g_autoptr (GError) error = NULL;

  lsobs_config_set_queue_capacity (config, 10 * N_MANY);
  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  lsobs_config_set_shutdown_timeout (config, 4 * TEST_TIMEOUT_MS);
  fixture->transport = lsobs_memory_transport_new ();
  fixture->observer =
      lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (fixture->transport), &error);
  g_assert_no_error (error);
  fixture->exporter = g_object_ref (lsobs_observer_get_exporter (fixture->observer));
}

static void
tear_down_many (ManyFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_clear_object (&fixture->observer);
  test_assert_books (fixture->exporter);
  g_object_unref (fixture->exporter);
  g_object_unref (fixture->transport);
}

static guint64
get (ManyFixture *fixture, LsobsCounter counter)
{
  g_autoptr (LsobsStats) stats = lsobs_exporter_dup_stats (fixture->exporter);

  return lsobs_stats_get (stats, counter);
}

static gboolean
has_sent_all (gpointer exporter)
{
  return test_get_counter (exporter, LSOBS_COUNTER_ENQUEUED) ==
         test_get_counter (exporter, LSOBS_COUNTER_DELIVERED);
}

/* Ends the observer. Every run has failed then, and was told of with its error. */
static void
assert_all_failed (ManyFixture *fixture)
{
  g_autoptr (GHashTable) failed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) events = NULL;

  LsobsExporter *exporter = g_object_ref (lsobs_observer_get_exporter (fixture->observer));

  g_clear_object (&fixture->observer);
  g_assert_true (test_wait_until (has_sent_all, exporter, 4 * TEST_TIMEOUT_MS));
  g_object_unref (exporter);
  events = lsobs_memory_transport_dup_events (fixture->transport);
  for (guint i = 0; i < events->len; i++)
    {
      LsobsRunEvent *event = g_ptr_array_index (events, i);

      if (lsobs_run_event_get_end_time (event) != 0 &&
          lsobs_run_event_get_error_text (event) != NULL)
        g_hash_table_add (failed, g_strdup (lsobs_run_event_get_id (event)));
    }
  g_assert_cmpuint (g_hash_table_size (failed), ==, N_MANY);
}

static void
test_many_failures (ManyFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  for (guint i = 0; i < N_MANY; i++)
    {
      g_autofree char *name = g_strdup_printf ("node-%u", i);

      graph_start (fixture->observer, name, NULL);
      graph_error (fixture->observer, name, "broken");
    }
  /* The first one is forgotten, the last one is not. */
  graph_end (fixture->observer, "node-0", "{}", -1);
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_UNKNOWN_UPDATES), ==, 1);
  graph_end (fixture->observer, "node-9999", "{}", -1);
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_UNKNOWN_UPDATES), ==, 1);
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_ABANDONED), ==, 0);
  assert_all_failed (fixture);
}

/* Those that are too many fail at once, the others with the observer. */
static void
test_many_never_ended (ManyFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  guint64 n_abandoned;

  for (guint i = 0; i < N_MANY; i++)
    {
      g_autofree char *name = g_strdup_printf ("node-%u", i);

      graph_start (fixture->observer, name, NULL);
    }
  n_abandoned = get (fixture, LSOBS_COUNTER_ABANDONED);
  g_assert_cmpuint (n_abandoned, >=, N_MANY - N_BOUND);
  g_assert_cmpuint (n_abandoned, <, N_MANY);
  assert_all_failed (fixture);
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_ABANDONED), ==, N_MANY);
}

/* Calls that are never answered are bounded too, however long their node lasts. */
static void
test_many_never_answered (ManyFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  graph_start (fixture->observer, "node", NULL);
  for (guint i = 0; i < N_MANY; i++)
    graph_call (fixture->observer, "node", "calc", NULL, NULL);
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_ABANDONED), >=, N_MANY - N_BOUND);
}

/* --- the interface alone --- */

#define TEST_TYPE_GRAPH (test_graph_get_type ())
G_DECLARE_FINAL_TYPE (TestGraph, test_graph, TEST, GRAPH, GObject)

struct _TestGraph
{
  GObject parent_instance;
  GString *log; /* (owned) */
};

static void test_graph_iface_init (LsobsGraphObserverInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (TestGraph,
                               test_graph,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (LSOBS_TYPE_GRAPH_OBSERVER,
                                                      test_graph_iface_init))

static void
test_graph_on_node_start (LsobsGraphObserver *graph, const char *node_id, JsonNode *input)
{
  g_string_append_printf (TEST_GRAPH (graph)->log, "start %s %s;", node_id,
                          input != NULL ? "input" : "-");
}

static void
test_graph_on_tool_result (LsobsGraphObserver *graph,
                           const char *node_id,
                           const char *tool_name,
                           const char *call_id,
                           JsonNode *result G_GNUC_UNUSED)
{
  g_string_append_printf (TEST_GRAPH (graph)->log, "result %s %s %s;", node_id, tool_name,
                          call_id != NULL ? call_id : "-");
}

static void
test_graph_iface_init (LsobsGraphObserverInterface *iface)
{
  iface->on_node_start = test_graph_on_node_start;
  iface->on_tool_result = test_graph_on_tool_result;
}

static void
test_graph_finalize (GObject *object)
{
  g_string_free (TEST_GRAPH (object)->log, TRUE);
  G_OBJECT_CLASS (test_graph_parent_class)->finalize (object);
}

static void
test_graph_class_init (TestGraphClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = test_graph_finalize;
}

static void
test_graph_init (TestGraph *self)
{
  self->log = g_string_new (NULL);
}

/* What a class does not implement is left out. */
static void
test_partial_implementation (void)
{
  TestGraph *graph = g_object_new (TEST_TYPE_GRAPH, NULL);

  graph_start (graph, "node", "{}");
  graph_start (graph, "other", NULL);
  graph_end (graph, "node", "{}", 1);
  graph_error (graph, "node", "broken");
  graph_call (graph, "node", "calc", "1", "{}");
  graph_result (graph, "node", "calc", "1", "{}");
  graph_result (graph, "node", "calc", NULL, NULL);
  g_assert_cmpstr (graph->log->str, ==,
                   "start node input;start other -;result node calc 1;result node calc -;");
  g_assert_finalize_object (graph);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary (
      "Each callback of a graph engine has its effect, however carelessly it is called.");

  run_fixture_add ("/graph-observer/node", set_up, test_node);
  run_fixture_add ("/graph-observer/node-wrapped", set_up, test_node_wrapped);
  run_fixture_add ("/graph-observer/node-without-payload", set_up, test_node_without_payload);
  run_fixture_add ("/graph-observer/node-patched", set_up, test_node_patched);
  run_fixture_add ("/graph-observer/unknown-end", set_up, test_unknown_end);
  run_fixture_add ("/graph-observer/restarted", set_up, test_restarted);
  g_test_add ("/graph-observer/error/queued", RunFixture, GINT_TO_POINTER (FALSE), set_up,
              test_error, run_fixture_tear_down);
  g_test_add ("/graph-observer/error/sent", RunFixture, GINT_TO_POINTER (TRUE), set_up, test_error,
              run_fixture_tear_down);
  run_fixture_add ("/graph-observer/error/unknown", set_up, test_unknown_error);
  run_fixture_add ("/graph-observer/error/second", set_up, test_second_error);
  run_fixture_add ("/graph-observer/error/outputs", set_up, test_outputs_after_error);
  run_fixture_add ("/graph-observer/error/outputs-with-tool", set_up,
                   test_outputs_after_error_with_tool);
  run_fixture_add ("/graph-observer/tool", set_up, test_tool);
  run_fixture_add ("/graph-observer/parallel/with-ids", set_up, test_parallel_with_ids);
  run_fixture_add ("/graph-observer/parallel/without-ids", set_up, test_parallel_without_ids);
  run_fixture_add ("/graph-observer/parallel/late-id", set_up, test_late_id);
  run_fixture_add ("/graph-observer/parallel/oldest-of-restarted", set_up,
                   test_oldest_of_restarted);
  g_test_add ("/graph-observer/result/after-end", RunFixture, GINT_TO_POINTER (FALSE), set_up,
              test_result_after_end, run_fixture_tear_down);
  g_test_add ("/graph-observer/result/after-error", RunFixture, GINT_TO_POINTER (TRUE), set_up,
              test_result_after_end, run_fixture_tear_down);
  run_fixture_add ("/graph-observer/result/unknown", set_up, test_unknown_result);
  run_fixture_add ("/graph-observer/unknown-caller", set_up, test_unknown_caller);
  g_test_add ("/graph-observer/many/failures", ManyFixture, NULL, set_up_many, test_many_failures,
              tear_down_many);
  g_test_add ("/graph-observer/many/never-ended", ManyFixture, NULL, set_up_many,
              test_many_never_ended, tear_down_many);
  g_test_add ("/graph-observer/many/never-answered", ManyFixture, NULL, set_up_many,
              test_many_never_answered, tear_down_many);
  g_test_add_func ("/graph-observer/partial-implementation", test_partial_implementation);
  return g_test_run ();
}
