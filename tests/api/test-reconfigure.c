/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tests/lib/fork-helpers.h"
#include "tests/lib/test-helpers.h"

/* An observer gets other settings while the program runs. */

#define N_THREADS 4

typedef struct
{
  TestFixture base;
  TestServer *other;   /* (owned) where traces go after a change */
  LsobsConfig *config; /* (owned) for it */
  LsobsConfig *off;    /* (owned) without tracing */
} SwitchFixture;

static void
set_up (SwitchFixture *self, gconstpointer data)
{
  test_fixture_set_up (&self->base, data);
  self->other = test_server_new ();
  self->config = lsobs_config_new (TEST_KEY, "elsewhere");
  lsobs_config_set_api_url (self->config, test_server_get_url (self->other));
  lsobs_config_set_flush_interval (self->config, TEST_NEVER_MS);
  lsobs_config_set_retry_delay (self->config, 1);
  lsobs_config_set_request_timeout (self->config, TEST_TIMEOUT_MS);
  lsobs_config_set_shutdown_timeout (self->config, TEST_TIMEOUT_MS);
  lsobs_config_set_shutdown_timeout (self->base.config, TEST_TIMEOUT_MS);
  self->off = lsobs_config_new (NULL, NULL);
  lsobs_config_set_tracing_enabled (self->off, FALSE);
}

/* Ends the observer. The books of the exporter that it had last are those of all of them. */
static void
tear_down (SwitchFixture *self, gconstpointer data)
{
  if (self->base.observer != NULL)
    g_set_object (&self->base.exporter, lsobs_observer_get_exporter (self->base.observer));
  test_fixture_tear_down (&self->base, data);
  test_server_assert_conformant (self->other);
  test_server_free (self->other);
  g_object_unref (self->config);
  g_object_unref (self->off);
}

static void
reconfigure (SwitchFixture *self, LsobsConfig *config)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (lsobs_observer_reconfigure (self->base.observer, config, &error));
  g_assert_no_error (error);
}

/* Has all delivered, and checks that the numbers add up over all places.
 * @n_records: how many there were, from the beginning */
static void
assert_flush (SwitchFixture *self, guint n_records)
{
  g_autoptr (LsobsStats) stats = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (lsobs_observer_flush (self->base.observer, TEST_TIMEOUT_MS, NULL, &error));
  g_assert_no_error (error);
  stats = lsobs_observer_dup_stats (self->base.observer);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED), ==, n_records);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED), ==, n_records);
  g_assert_cmpuint (lsobs_stats_get_total_dropped (stats), ==, 0);
}

static LsobsRun *
start (SwitchFixture *self, const char *name)
{
  return lsobs_observer_start_run (self->base.observer, name, LSOBS_RUN_TYPE_CHAIN, NULL);
}

static LsobsRun *
start_child (LsobsRun *parent, const char *name)
{
  return lsobs_run_start_child (parent, name, LSOBS_RUN_TYPE_TOOL, NULL);
}

static void
end (LsobsRun *run)
{
  lsobs_run_end (run, NULL);
  lsobs_run_unref (run);
}

static void
assert_one_trace (LsobsRun *run, LsobsRun *other)
{
  g_autofree char *id = lsobs_run_dup_trace_id (run);
  g_autofree char *other_id = lsobs_run_dup_trace_id (other);

  g_assert_cmpstr (id, ==, other_id);
}

/* Whether the server has the run, complete or not. */
static void
assert_has (TestServer *server, const char *name, gboolean has)
{
  g_autoptr (WireTree) tree = test_server_build_tree (server);

  if ((wire_tree_find (tree, name) != NULL) != has)
    g_error ("The server %s the run %s", has ? "does not have" : "has", name);
}

static void
assert_complete (TestServer *server, guint n_runs)
{
  g_autoptr (WireTree) tree = test_server_build_tree (server);

  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, n_runs);
  g_assert_cmpuint (wire_tree_get_n_pending (tree), ==, 0);
}

static guint64
count (SwitchFixture *self, LsobsCounter counter)
{
  g_autoptr (LsobsStats) stats = lsobs_observer_dup_stats (self->base.observer);

  return lsobs_stats_get (stats, counter);
}

/* --- elsewhere --- */

/* A trace that is under way stays where it has begun; new traces go to the new place. */
static void
test_elsewhere (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  LsobsRun *root, *child, *nested, *next;
  LsobsRunPusher *pusher;

  test_fixture_start (&self->base);
  root = start (self, "root");
  assert_flush (self, 1);
  reconfigure (self, self->config);

  next = start (self, "next");
  child = start_child (root, "child");
  pusher = lsobs_run_pusher_new (root);
  nested =
      lsobs_observer_start_nested_run (self->base.observer, "nested", LSOBS_RUN_TYPE_LLM, NULL);
  assert_one_trace (nested, root);
  lsobs_run_pusher_free (pusher);
  end (nested);
  end (child);
  end (next);
  end (root);
  assert_flush (self, 5);

  assert_complete (self->base.server, 3);
  assert_has (self->base.server, "nested", TRUE);
  assert_complete (self->other, 1);
  assert_has (self->other, "next", TRUE);
}

/* What waits when the settings change is sent, with the settings of then, and a flush waits for it. */
static void
test_waiting (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) requests = NULL;

  test_fixture_start (&self->base);
  for (guint i = 0; i < 20; i++)
    end (start (self, "before"));
  reconfigure (self, self->config);
  for (guint i = 0; i < 10; i++)
    end (start (self, "after"));
  assert_flush (self, 30);
  assert_complete (self->base.server, 20);
  assert_complete (self->other, 10);

  requests = test_server_dup_ingest (self->base.server);
  g_assert_true (test_bytes_contain (((TestRequest *) requests->pdata[0])->body, TEST_PROJECT));
}

/* Feedback to a run goes where the run is. */
static void
test_feedback (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsFeedback) feedback = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (WireTree) tree = NULL;
  LsobsRun *run;

  test_fixture_start (&self->base);
  run = start (self, "run");
  feedback = lsobs_run_new_feedback (run, "helpful");
  lsobs_feedback_set_score (feedback, 1);
  reconfigure (self, self->config);
  g_assert_true (lsobs_observer_add_feedback (self->base.observer, feedback, &error));
  g_assert_no_error (error);
  g_assert_true (lsobs_run_add_feedback (run, "correct", 0.5, NULL, &error));
  g_assert_no_error (error);
  end (run);
  assert_flush (self, 3);
  tree = test_server_build_tree (self->base.server);
  g_assert_cmpuint (wire_tree_get_n_feedback (tree), ==, 2);
  g_assert_cmpuint (test_server_count_ops (self->other), ==, 0);
}

/* Nodes of a graph that belong to no invocation: an open one ends where it has begun. */
static void
test_nodes (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  LsobsGraphObserver *graph;

  test_fixture_start (&self->base);
  graph = LSOBS_GRAPH_OBSERVER (self->base.observer);
  lsobs_graph_observer_on_node_start (graph, "old", NULL);
  reconfigure (self, self->config);
  lsobs_graph_observer_on_node_start (graph, "new", NULL);
  lsobs_graph_observer_on_tool_call (graph, "old", "search", "1", NULL);
  lsobs_graph_observer_on_tool_result (graph, "old", "search", "1", NULL);
  lsobs_graph_observer_on_node_end (graph, "old", NULL, -1);
  lsobs_graph_observer_on_node_end (graph, "new", NULL, -1);
  assert_flush (self, 3);
  assert_complete (self->base.server, 2);
  assert_complete (self->other, 1);

  /* The observer has no table of nodes yet if it was off from the beginning. */
  reconfigure (self, self->off);
  lsobs_graph_observer_on_node_start (graph, "off", NULL);
  lsobs_graph_observer_on_node_end (graph, "off", NULL, -1);
  assert_flush (self, 3);
}

/* --- another project for a trace --- */

static const char *
get_project (WireTree *tree, const char *name)
{
  WireRun *run = wire_tree_find (tree, name);

  g_assert_nonnull (run);
  return wire_run_get_string (run, "session_name");
}

/* All of the trace goes there, and its headers say so; other traces do not. */
static void
test_project (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  LsobsObserver *observer;
  g_autoptr (GHashTable) headers = NULL;
  g_autoptr (WireTree) tree = NULL;
  LsobsRun *root, *child, *remote;

  lsobs_config_set_trust_incoming_headers (self->base.config, TRUE);
  test_fixture_start (&self->base);
  observer = self->base.observer;
  root =
      lsobs_observer_start_run_in_project (observer, "billing", "root", LSOBS_RUN_TYPE_CHAIN, NULL);
  child = start_child (root, "child");
  headers = lsobs_run_to_headers (child);
  remote = lsobs_observer_start_run_from_headers (observer, headers, "remote", LSOBS_RUN_TYPE_CHAIN,
                                                  NULL);
  g_assert_true (lsobs_run_add_feedback (root, "helpful", 1, NULL, NULL));
  end (remote);
  end (child);
  end (lsobs_observer_start_run_in_project (observer, NULL, "null", LSOBS_RUN_TYPE_CHAIN, NULL));
  end (lsobs_observer_start_run_in_project (observer, "", "empty", LSOBS_RUN_TYPE_CHAIN, NULL));
  end (
      lsobs_observer_start_run_in_project (observer, "a\xff", "bytes", LSOBS_RUN_TYPE_CHAIN, NULL));
  end (start (self, "other"));
  end (lsobs_observer_start_nested_run_in_project (observer, "tools", "top", LSOBS_RUN_TYPE_CHAIN,
                                                   NULL));
  lsobs_run_push_thread_default (root);
  end (lsobs_observer_start_nested_run_in_project (observer, "tools", "nested",
                                                   LSOBS_RUN_TYPE_CHAIN, NULL));
  lsobs_run_pop_thread_default (root);
  end (root);
  assert_flush (self, 10);

  tree = test_server_build_tree (self->base.server);
  g_assert_cmpstr (get_project (tree, "root"), ==, "billing");
  g_assert_cmpstr (get_project (tree, "child"), ==, "billing");
  g_assert_cmpstr (get_project (tree, "remote"), ==, "billing");
  g_assert_cmpstr (get_project (tree, "top"), ==, "tools");
  g_assert_cmpstr (get_project (tree, "nested"), ==, "billing");
  g_assert_cmpstr (get_project (tree, "null"), ==, TEST_PROJECT);
  g_assert_cmpstr (get_project (tree, "empty"), ==, TEST_PROJECT);
  g_assert_cmpstr (get_project (tree, "bytes"), ==, "a\xef\xbf\xbd");
  g_assert_cmpstr (get_project (tree, "other"), ==, TEST_PROJECT);
}

/* With replicas: one that has no project of its own follows. */
static void
test_project_replicas (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (WireTree) other_tree = NULL;
  LsobsRun *root;

  lsobs_config_add_replica (self->base.config, test_server_get_url (self->base.server), TEST_KEY,
                            NULL, NULL, LSOBS_REPLICA_ROLE_PRIMARY);
  lsobs_config_add_replica (self->base.config, test_server_get_url (self->other), TEST_KEY, "copy",
                            NULL, LSOBS_REPLICA_ROLE_SECONDARY);
  test_fixture_start (&self->base);
  root = lsobs_observer_start_run_in_project (self->base.observer, "billing", "root",
                                              LSOBS_RUN_TYPE_CHAIN, NULL);
  end (start_child (root, "child"));
  end (root);
  assert_flush (self, 4);
  tree = test_server_build_tree (self->base.server);
  other_tree = test_server_build_tree (self->other);
  g_assert_cmpstr (get_project (tree, "child"), ==, "billing");
  g_assert_cmpstr (get_project (other_tree, "child"), ==, "copy");
}

/* --- on and off --- */

static void
test_off (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  LsobsRun *root, *child;

  test_fixture_start (&self->base);
  root = start (self, "root");
  reconfigure (self, self->off);
  g_assert_false (lsobs_observer_get_tracing_enabled (self->base.observer));
  g_assert_true (lsobs_run_is_sampled (root));
  child = start_child (root, "child");
  g_assert_false (lsobs_run_is_sampled (child));
  end (start_child (child, "grandchild"));
  end (start (self, "next"));
  end (child);
  end (root);
  assert_flush (self, 1);
  g_assert_cmpuint (count (self, LSOBS_COUNTER_UNSAMPLED), ==, 3);
  assert_complete (self->base.server, 1);
}

static void
test_on (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  LsobsGraphObserver *graph;

  g_object_set (self->base.config, "tracing-enabled", FALSE, NULL);
  test_fixture_start (&self->base);
  graph = LSOBS_GRAPH_OBSERVER (self->base.observer);
  end (start (self, "before"));
  reconfigure (self, self->config);
  g_assert_true (lsobs_observer_get_tracing_enabled (self->base.observer));
  end (start (self, "after"));
  lsobs_graph_observer_on_node_start (graph, "node", NULL);
  lsobs_graph_observer_on_node_end (graph, "node", NULL, -1);
  assert_flush (self, 2);
  g_assert_cmpuint (count (self, LSOBS_COUNTER_UNSAMPLED), ==, 1);
  assert_complete (self->other, 2);
  test_fixture_assert_not_asked (&self->base);
}

/* Runs that are under way go on being parents when tracing comes back. */
static void
test_off_and_on (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  LsobsRun *root;

  test_fixture_start (&self->base);
  root = start (self, "root");
  reconfigure (self, self->off);
  reconfigure (self, self->config);
  end (start_child (root, "child"));
  end (root);
  assert_flush (self, 2);
  assert_complete (self->base.server, 2);
}

static void
count_notify_cb (GObject *object G_GNUC_UNUSED, GParamSpec *pspec G_GNUC_UNUSED, gpointer data)
{
  ++*(guint *) data;
}

static gboolean
is_two (gpointer data)
{
  return *(guint *) data == 2;
}

static gboolean
is_one (gpointer data)
{
  return *(guint *) data == 1;
}

static void
test_notify (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  gboolean tracing = FALSE;
  guint n = 0;

  test_fixture_start (&self->base);
  g_signal_connect (self->base.observer, "notify::tracing-enabled", G_CALLBACK (count_notify_cb),
                    &n);
  reconfigure (self, self->off);
  g_assert_true (test_wait_until (is_one, &n, TEST_TIMEOUT_MS));
  reconfigure (self, self->config);
  g_assert_true (test_wait_until (is_two, &n, TEST_TIMEOUT_MS));
  g_object_get (self->base.observer, "tracing-enabled", &tracing, NULL);
  g_assert_true (tracing);
  reconfigure (self, self->base.config);
  test_drain_context ();
  g_assert_cmpuint (n, ==, 2);
}

/* The state is that of the new place. */
static void
test_notify_state (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  guint n = 0;

  test_server_push (self->base.server, NULL, (TestAnswer){ .status = 401, .repeat = -1 });
  test_fixture_start (&self->base);
  g_signal_connect (self->base.observer, "notify::state", G_CALLBACK (count_notify_cb), &n);
  end (start (self, "run"));
  g_assert_false (lsobs_observer_flush (self->base.observer, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpint (lsobs_observer_get_state (self->base.observer), !=, LSOBS_STATE_OK);
  g_assert_true (test_wait_until (is_one, &n, TEST_TIMEOUT_MS));
  reconfigure (self, self->config);
  g_assert_cmpint (lsobs_observer_get_state (self->base.observer), ==, LSOBS_STATE_OK);
  g_assert_true (test_wait_until (is_two, &n, TEST_TIMEOUT_MS));
  lsobs_observer_shutdown (self->base.observer, 1, NULL, NULL);
}

/* --- what is replaced --- */

/* A flush and a shutdown wait for it within their time, and then it has ended. */
static void
test_timeout (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsStats) stats = NULL;
  LsobsFlushStats flushed;
  gint64 began = g_get_monotonic_time ();

  test_server_hold (self->base.server);
  test_fixture_start (&self->base);
  end (start (self, "before"));
  reconfigure (self, self->config);
  end (start (self, "after"));
  g_assert_false (lsobs_observer_flush (self->base.observer, 200, &flushed, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_clear_error (&error);
  g_assert_true (test_server_wait_ops (self->other, 1, TEST_TIMEOUT_MS));

  g_assert_false (lsobs_observer_shutdown (self->base.observer, 200, &flushed, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_cmpuint (flushed.runs_failed, ==, 1);
  g_assert_cmpint (test_get_elapsed_ms (began), <, 400 + test_get_slack_ms ());
  stats = lsobs_observer_dup_stats (self->base.observer);
  g_assert_cmpuint (lsobs_stats_get_dropped (stats, LSOBS_DROP_REASON_SHUTDOWN), ==, 1);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED), ==, 1);
  test_server_release (self->base.server);
}

static void
test_shutdown (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  LsobsFlushStats flushed;

  test_fixture_start (&self->base);
  end (start (self, "before"));
  reconfigure (self, self->config);
  end (start (self, "after"));
  g_assert_true (lsobs_observer_shutdown (self->base.observer, TEST_TIMEOUT_MS, &flushed, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (flushed.runs_flushed, ==, 2);
  assert_complete (self->base.server, 1);
  assert_complete (self->other, 1);

  g_assert_false (lsobs_observer_reconfigure (self->base.observer, self->off, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_CLOSED);
}

static void
test_async (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;
  LsobsFlushStats flushed;

  test_fixture_start (&self->base);
  end (start (self, "before"));
  reconfigure (self, self->config);
  end (start (self, "after"));
  lsobs_observer_flush_async (self->base.observer, TEST_TIMEOUT_MS, NULL, test_result_cb, &result);
  g_assert_true (lsobs_observer_flush_finish (self->base.observer, test_result_wait (&result),
                                              &flushed, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (flushed.runs_flushed, ==, 2);

  /* Without tracing, only what was replaced is waited for. */
  test_result_clear (&result);
  end (start (self, "last"));
  reconfigure (self, self->off);
  lsobs_observer_shutdown_async (self->base.observer, TEST_TIMEOUT_MS, NULL, test_result_cb,
                                 &result);
  g_assert_true (lsobs_observer_shutdown_finish (self->base.observer, test_result_wait (&result),
                                                 &flushed, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (flushed.runs_flushed, <=, 1);
  g_assert_cmpuint (count (self, LSOBS_COUNTER_DELIVERED), ==, 3);
  assert_complete (self->other, 2);
}

static void
gone_cb (gpointer data, GObject *object G_GNUC_UNUSED)
{
  g_atomic_int_inc ((int *) data);
}

/* It goes with the last run of it, and sends what waits without a flush. */
static void
test_leaves (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  int n_gone = 0;
  LsobsRun *run;

  test_fixture_start (&self->base);
  g_object_weak_ref (G_OBJECT (self->base.exporter), gone_cb, &n_gone);
  g_clear_object (&self->base.exporter);
  run = start (self, "run");
  reconfigure (self, self->config);
  g_assert_cmpint (g_atomic_int_get (&n_gone), ==, 0);
  end (run);
  g_assert_cmpint (g_atomic_int_get (&n_gone), ==, 1);
  g_assert_true (test_server_wait_ops (self->base.server, 1, TEST_TIMEOUT_MS));
  assert_flush (self, 1);
}

/* The observer ends all of it, also if the program still has runs. */
static void
test_last_unref (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  LsobsRun *run;

  test_fixture_start (&self->base);
  g_clear_object (&self->base.exporter);
  run = start (self, "run");
  reconfigure (self, self->config);
  end (start (self, "next"));
  g_clear_object (&self->base.observer);
  g_assert_true (test_server_wait_ops (self->base.server, 1, TEST_TIMEOUT_MS));
  g_assert_true (test_server_wait_ops (self->other, 1, TEST_TIMEOUT_MS));
  end (run);
}

static guint
count_threads (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static gboolean
has_few_threads (gpointer data)
{
  return count_threads () <= GPOINTER_TO_UINT (data);
}

/* However often the settings change, nothing stays behind. */
static void
test_often (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  guint n_threads = count_threads () + 5;

  test_fixture_start (&self->base);
  g_clear_object (&self->base.exporter);
  for (guint i = 0; i < 100; i++)
    {
      end (start (self, "run"));
      assert_flush (self, i + 1);
      reconfigure (self, i % 2 == 0 ? self->config : self->base.config);
    }
  g_assert_true (test_wait_until (has_few_threads, GUINT_TO_POINTER (n_threads), TEST_TIMEOUT_MS));
  assert_flush (self, 100);
  assert_complete (self->base.server, 50);
  assert_complete (self->other, 50);
}

/* --- a shutdown, and the exporter, beside it --- */

static gpointer
reconfigure_thread (gpointer user_data)
{
  SwitchFixture *self = user_data;
  g_autoptr (GError) error = NULL;

  if (!lsobs_observer_reconfigure (self->base.observer, self->config, &error))
    g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_CLOSED);
  return NULL;
}

/* Whichever is first: an observer that was shut down stays so. */
static void
test_shutdown_beside (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (LsobsStats) stats = NULL;
      GThread *thread;

      g_clear_object (&self->base.exporter);
      g_clear_object (&self->base.observer);
      self->base.observer = lsobs_observer_new (self->base.config, &error);
      g_assert_no_error (error);
      thread = g_thread_new ("reconfigure", reconfigure_thread, self);
      for (guint j = 0; j < 50 * (i % 8); j++)
        g_thread_yield ();
      lsobs_observer_shutdown (self->base.observer, TEST_TIMEOUT_MS, NULL, NULL);
      g_thread_join (thread);

      end (start (self, "late"));
      stats = lsobs_observer_dup_stats (self->base.observer);
      g_assert_cmpuint (lsobs_stats_get_dropped (stats, LSOBS_DROP_REASON_SHUTDOWN), >, 0);
      g_assert_false (lsobs_observer_reconfigure (self->base.observer, self->config, &error));
      g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_CLOSED);
    }
}

static gpointer
exporter_thread (gpointer user_data)
{
  SwitchFixture *self = user_data;

  for (guint i = 0; i < 20000; i++)
    {
      g_autoptr (LsobsExporter) exporter = lsobs_observer_ref_exporter (self->base.observer);

      g_assert_true (LSOBS_IS_EXPORTER (exporter));
    }
  return NULL;
}

/* The exporter that another thread has is there, also when it is replaced. */
static void
test_exporter_beside (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  GThread *thread;

  test_fixture_start (&self->base);
  g_clear_object (&self->base.exporter);
  thread = g_thread_new ("exporter", exporter_thread, self);
  for (guint i = 0; i < 50; i++)
    reconfigure (self, i % 2 == 0 ? self->off : self->base.config);
  g_thread_join (thread);
}

/* --- threads --- */

typedef struct
{
  SwitchFixture *fixture;
  int stop;      /* (atomic) */
  int n_sampled; /* (atomic) runs */
  int n_started; /* (atomic) runs */
  int n_allowed; /* (atomic) runs that may have been started: a service takes less than threads make */
} Work;

static gpointer
work_thread (gpointer user_data)
{
  Work *work = user_data;

  while (!g_atomic_int_get (&work->stop))
    {
      LsobsRun *root;
      LsobsRun *child;

      if (g_atomic_int_get (&work->n_started) >= g_atomic_int_get (&work->n_allowed))
        {
          g_usleep (100);
          continue;
        }
      root = start (work->fixture, "root");
      child = start_child (root, "child");
      g_atomic_int_add (&work->n_started, 2);
      g_atomic_int_add (&work->n_sampled,
                        (int) lsobs_run_is_sampled (root) + (int) lsobs_run_is_sampled (child));
      assert_one_trace (child, root);
      lsobs_observer_get_tracing_enabled (work->fixture->base.observer);
      end (child);
      end (root);
    }
  return NULL;
}

/* Runs start and end in other threads all the time: each of them is delivered, or left out, once. */
static void
test_threads (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  Work work = { .fixture = self };
  GThread *threads[N_THREADS];
  g_autoptr (LsobsStats) stats = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (WireTree) other_tree = NULL;

  lsobs_config_set_queue_capacity (self->base.config, 1000000);
  lsobs_config_set_queue_capacity (self->config, 1000000);
  test_fixture_start (&self->base);
  g_clear_object (&self->base.exporter);
  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("runs", work_thread, &work);
  for (guint i = 0; i < 60; i++)
    {
      int n_started = g_atomic_int_get (&work.n_started);

      g_atomic_int_set (&work.n_allowed, n_started + 40);
      reconfigure (self, i % 3 == 0 ? self->config : i % 3 == 1 ? self->off : self->base.config);
      while (g_atomic_int_get (&work.n_started) < n_started + 8)
        g_thread_yield ();
      /* Only five of what was replaced send at the same time. */
      if (i % 3 == 2)
        g_assert_true (lsobs_observer_flush (self->base.observer, TEST_TIMEOUT_MS, NULL, NULL));
    }
  g_atomic_int_set (&work.stop, TRUE);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);

  g_assert_true (lsobs_observer_flush (self->base.observer, TEST_TIMEOUT_MS, NULL, &error));
  g_assert_no_error (error);
  stats = lsobs_observer_dup_stats (self->base.observer);
  g_assert_cmpuint (lsobs_stats_get_total_dropped (stats), ==, 0);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED), ==,
                    lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED));
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_UNSAMPLED), ==,
                    (guint64) (work.n_started - work.n_sampled));
  tree = test_server_build_tree (self->base.server);
  other_tree = test_server_build_tree (self->other);
  g_assert_cmpuint (wire_tree_get_n_pending (tree), ==, 0);
  g_assert_cmpuint (wire_tree_get_n_pending (other_tree), ==, 0);
  g_assert_cmpuint (wire_tree_get_n_runs (tree) + wire_tree_get_n_runs (other_tree), ==,
                    (guint) work.n_sampled);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), >, 0);
  g_assert_cmpuint (wire_tree_get_n_runs (other_tree), >, 0);
}

static gpointer
switch_thread (gpointer user_data)
{
  Work *work = user_data;

  for (guint i = 0; !g_atomic_int_get (&work->stop); i++)
    reconfigure (work->fixture, i % 2 == 0 ? work->fixture->off : work->fixture->config);
  return NULL;
}

/* Several threads change the settings at the same time: one of them is the last. */
static void
test_two_switches (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  Work work = { .fixture = self };
  GThread *threads[2];
  g_autoptr (LsobsStats) stats = NULL;
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (WireTree) other_tree = NULL;
  LsobsRun *run;

  test_fixture_start (&self->base);
  g_clear_object (&self->base.exporter);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("switch", switch_thread, &work);
  for (guint i = 0; i < 200; i++)
    {
      end (start (self, "run"));
      g_thread_yield ();
    }
  g_atomic_int_set (&work.stop, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  run = start (self, "last");
  g_assert_cmpint (lsobs_run_is_sampled (run), ==,
                   lsobs_observer_get_tracing_enabled (self->base.observer));
  end (run);
  /* What is stopped early, as too much leaves, counts as lost. */
  lsobs_observer_flush (self->base.observer, TEST_TIMEOUT_MS, NULL, NULL);
  stats = lsobs_observer_dup_stats (self->base.observer);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED), ==,
                    lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED) +
                        lsobs_stats_get_total_dropped (stats));
  tree = test_server_build_tree (self->base.server);
  other_tree = test_server_build_tree (self->other);
  g_assert_cmpuint (wire_tree_get_n_runs (tree) + wire_tree_get_n_runs (other_tree), <=,
                    lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED));
}

/* --- what cannot be --- */

static void
test_invalid (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsConfig) bad = lsobs_config_new (NULL, NULL);
  g_autoptr (GError) error = NULL;

  test_fixture_start (&self->base);
  g_assert_false (lsobs_observer_reconfigure (self->base.observer, bad, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_true (lsobs_observer_get_tracing_enabled (self->base.observer));
  end (start (self, "run"));
  assert_flush (self, 1);
  assert_complete (self->base.server, 1);
}

static void
test_transport (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsMemoryTransport) memory = lsobs_memory_transport_new ();

  test_fixture_start_with (&self->base, LSOBS_TRANSPORT (memory), NULL);
  end (start (self, "one"));
  reconfigure (self, self->off);
  end (start (self, "two"));
  reconfigure (self, self->config);
  end (start (self, "three"));
  assert_flush (self, 2);
  test_fixture_assert_not_asked (&self->base);
  g_assert_cmpuint (test_server_count_ops (self->other), ==, 0);
}

static void
test_client (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsClient) client = lsobs_client_new (self->base.config, &error);

  g_assert_no_error (error);
  test_fixture_start_with (&self->base, LSOBS_TRANSPORT (client), NULL);
  end (start (self, "one"));
  reconfigure (self, self->off);
  assert_flush (self, 1);
  g_assert_false (lsobs_observer_reconfigure (self->base.observer, self->config, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_false (lsobs_observer_get_tracing_enabled (self->base.observer));
}

/* --- a forked child --- */

static void
use_in_child (RunFixture *fixture, gpointer data)
{
  SwitchFixture *self = data;
  g_autoptr (LsobsStats) stats = lsobs_observer_dup_stats (self->base.observer);

  /* The parent sends what it had. */
  child_assert (lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED) == 2);
  child_assert (lsobs_stats_get_dropped (stats, LSOBS_DROP_REASON_FORK) == 2);
  child_assert (lsobs_observer_reconfigure (self->base.observer, self->config, NULL));
  end (start (self, "child"));
  child_assert (lsobs_observer_flush (self->base.observer, TEST_TIMEOUT_MS, NULL, NULL));
  g_clear_pointer (&stats, lsobs_stats_unref);
  stats = lsobs_observer_dup_stats (self->base.observer);
  child_assert (lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED) == 3);
  child_assert (lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED) == 1);
  child_assert (lsobs_stats_get_total_dropped (stats) == 2);
}

static void
test_fork (SwitchFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  LsobsRun *held;

  if (fork_skip ())
    return;
  test_fixture_start (&self->base);
  end (start (self, "before"));
  held = start (self, "held");
  lsobs_run_end (held, NULL);
  reconfigure (self, self->config);
  g_assert_true (fork_wait (fork_start_alone (use_in_child, NULL, self)));
  lsobs_run_unref (held);
  assert_flush (self, 2);
  assert_complete (self->base.server, 2);
  assert_has (self->other, "child", TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

#define ADD(path, test) \
 g_test_add ("/reconfigure/" path, SwitchFixture, NULL, set_up, test, tear_down)

  ADD ("elsewhere", test_elsewhere);
  ADD ("waiting", test_waiting);
  ADD ("feedback", test_feedback);
  ADD ("nodes", test_nodes);
  ADD ("project", test_project);
  ADD ("project-replicas", test_project_replicas);
  ADD ("off", test_off);
  ADD ("on", test_on);
  ADD ("off-and-on", test_off_and_on);
  ADD ("notify", test_notify);
  ADD ("notify-state", test_notify_state);
  ADD ("timeout", test_timeout);
  ADD ("shutdown", test_shutdown);
  ADD ("shutdown-beside", test_shutdown_beside);
  ADD ("exporter-beside", test_exporter_beside);
  ADD ("async", test_async);
  ADD ("leaves", test_leaves);
  ADD ("last-unref", test_last_unref);
  ADD ("often", test_often);
  ADD ("threads", test_threads);
  ADD ("two-switches", test_two_switches);
  ADD ("invalid", test_invalid);
  ADD ("transport", test_transport);
  ADD ("client", test_client);
  ADD ("fork", test_fork);

  return g_test_run ();
}
