/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tests/lib/fork-helpers.h"
#include "tests/lib/replica-helpers.h"

/* What fork () does to an observer with several places: in each of them, the parent sends its own and
 * the child its own. */

#define N_RUNS 5

static void
set_up (Replicas *replicas, gconstpointer data)
{
  replicas_set_up (replicas, data);
  replicas_add_all (replicas);
}

/* All of the services stand still while the process forks, as fork_start () wants it. */
static void
fork_replicas (Replicas *replicas, ForkFunc func)
{
  RunFixture fixture = { replicas->servers[0], replicas->config, replicas->observer,
                         replicas->exporter, NULL };
  pid_t pid;

  for (guint i = 1; i < REPLICA_MAX; i++)
    test_server_park (replicas->servers[i]);
  pid = fork_start (func, &fixture, replicas);
  for (guint i = 1; i < REPLICA_MAX; i++)
    test_server_unpark (replicas->servers[i]);
  g_assert_true (fork_wait (pid));
}

static guint
count_runs (Replicas *replicas, guint server, const char *name)
{
  g_autoptr (WireTree) tree = test_server_build_tree (replicas->servers[server]);
  g_autoptr (GPtrArray) runs = wire_tree_dup_runs (tree);
  guint n = 0;

  for (guint i = 0; i < runs->len; i++)
    n += g_strcmp0 (((WireRun *) g_ptr_array_index (runs, i))->name, name) == 0;
  return n;
}

static void
child_assert_balanced (Replicas *replicas)
{
  for (guint i = 0; i < REPLICA_MAX; i++)
    child_assert (replicas_get (replicas, i, LSOBS_COUNTER_ENQUEUED) ==
                  replicas_get (replicas, i, LSOBS_COUNTER_DELIVERED) +
                      replicas_get (replicas, i, LSOBS_COUNTER_QUEUED) +
                      replicas_get (replicas, i, LSOBS_COUNTER_IN_FLIGHT) +
                      replicas_get_dropped (replicas, i, LSOBS_DROP_REASON_FORK));
}

static void
child_sends (RunFixture *fixture, gpointer data)
{
  Replicas *replicas = data;

  for (guint i = 0; i < REPLICA_MAX; i++)
    {
      child_assert (replicas_get (replicas, i, LSOBS_COUNTER_QUEUED) == 0);
      child_assert (replicas_get_dropped (replicas, i, LSOBS_DROP_REASON_FORK) == N_RUNS);
    }
  replicas_record (replicas, "child", N_RUNS);
  fork_child_flush (fixture);
  child_assert_balanced (replicas);
}

/* What waits at the fork. */
static void
test_queued (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  if (fork_skip ())
    return;
  replicas_start (replicas);
  replicas_record (replicas, "parent", N_RUNS);
  fork_replicas (replicas, child_sends);
  test_assert_flush (replicas->exporter, 3 * N_RUNS);
  for (guint i = 0; i < REPLICA_MAX; i++)
    {
      g_assert_cmpuint (count_runs (replicas, i, "parent"), ==, N_RUNS);
      g_assert_cmpuint (count_runs (replicas, i, "child"), ==, N_RUNS);
    }
}

/* The function sees those. */
static void
record_with_inputs (Replicas *replicas, const char *name)
{
  g_autoptr (JsonNode) inputs = run_json ("{\"a\":1}");
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run (replicas->observer, name, LSOBS_RUN_TYPE_CHAIN, inputs);

  lsobs_run_end (run, NULL);
}

static void
child_sends_with_func (RunFixture *fixture, gpointer data)
{
  Replicas *replicas = data;

  for (guint i = 0; i < N_RUNS; i++)
    record_with_inputs (replicas, "child");
  fork_child_flush (fixture);
  child_assert_balanced (replicas);
}

typedef struct
{
  GMutex lock;
  GCond cond;
  gboolean inside; /* guarded by lock */
  gboolean go_on;  /* guarded by lock */
} Gate;

static pid_t parent;
static Gate gate;

/* In the parent, stays inside until it may go on. */
static JsonNode *
redact_cb (const char *field G_GNUC_UNUSED, JsonNode *value, gpointer user_data G_GNUC_UNUSED)
{
  if (getpid () == parent)
    {
      g_mutex_lock (&gate.lock);
      gate.inside = TRUE;
      g_cond_broadcast (&gate.cond);
      while (!gate.go_on)
        g_cond_wait (&gate.cond, &gate.lock);
      g_mutex_unlock (&gate.lock);
    }
  return json_node_ref (value);
}

/* Some thread of the parent is in the program's function, and the others wait for their turn: the child
 * has a turn of its own. */
static void
test_in_func (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  if (fork_skip_busy ())
    return;
  parent = getpid ();
  lsobs_config_set_redact_func (replicas->config, redact_cb, NULL, NULL);
  replicas_start (replicas);
  record_with_inputs (replicas, "parent");
  lsobs_exporter_flush (replicas->exporter, 0, NULL, NULL);
  g_mutex_lock (&gate.lock);
  while (!gate.inside)
    g_cond_wait (&gate.cond, &gate.lock);
  g_mutex_unlock (&gate.lock);

  fork_replicas (replicas, child_sends_with_func);
  g_mutex_lock (&gate.lock);
  gate.go_on = TRUE;
  g_cond_broadcast (&gate.cond);
  g_mutex_unlock (&gate.lock);
  g_assert_true (lsobs_exporter_flush (replicas->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  for (guint i = 0; i < REPLICA_MAX; i++)
    {
      g_assert_cmpuint (count_runs (replicas, i, "parent"), ==, 1);
      g_assert_cmpuint (count_runs (replicas, i, "child"), ==, N_RUNS);
    }
}

/* A run of the parent's ends in the child: it is the parent's in every place. */
static void
child_ends (RunFixture *fixture, gpointer data)
{
  Replicas *replicas = data;
  LsobsRun *run = g_object_get_data (G_OBJECT (replicas->config), "run");
  g_autoptr (LsobsRun) child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_TOOL, NULL);

  lsobs_run_end (child, NULL);
  lsobs_run_end (run, NULL);
  fork_child_flush (fixture);
  child_assert_balanced (replicas);
  for (guint i = 0; i < REPLICA_MAX; i++)
    {
      /* Its start waited at the fork. */
      child_assert (replicas_get_dropped (replicas, i, LSOBS_DROP_REASON_FORK) == 2);
      child_assert (replicas_get (replicas, i, LSOBS_COUNTER_DELIVERED) == 1);
    }
}

static void
test_forked_run (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;

  if (fork_skip ())
    return;
  replicas_start (replicas);
  run = lsobs_observer_start_run (replicas->observer, "parent", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_object_set_data (G_OBJECT (replicas->config), "run", run);
  fork_replicas (replicas, child_ends);
  lsobs_run_end (run, NULL);
  test_assert_flush (replicas->exporter, 3);
  for (guint i = 0; i < REPLICA_MAX; i++)
    {
      g_autoptr (WireTree) tree = test_server_build_tree (replicas->servers[i]);
      g_autoptr (GError) error = NULL;

      wire_tree_check (tree, WIRE_TREE_CHECK_ALL, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 2);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

#define ADD(path, func) \
 g_test_add ("/replicas-fork/" path, Replicas, NULL, set_up, func, replicas_tear_down)
  ADD ("queued", test_queued);
  ADD ("forked-run", test_forked_run);
  ADD ("in-func", test_in_func);

  return g_test_run ();
}
