/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include <string.h>

#include "tests/lib/fork-helpers.h"

/* Forks while other threads are in the middle of everything: whatever they hold, the child goes on. */

#define N_THREADS 6
#define N_FORKS   20

typedef struct
{
  RunFixture *fixture;
  LsobsRun *run;         /* (unowned) (nullable) */
  LsobsInvocation *turn; /* (unowned) (nullable) */
  int n_recorded;        /* (atomic) since the threads may go on */
  GThread *threads[N_THREADS];
  GMutex lock; /* guards all below */
  GCond cond;
  gboolean may_go_on; /* between the forks they rest: the child has all the processor then */
  gboolean stop;
} Busy;

static void
set_up (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  /* The oldest may go: what counts is that nobody waits. */
  lsobs_config_set_queue_capacity (fixture->config, 2000);
  lsobs_config_set_flush_interval (fixture->config, 1);
  run_fixture_start (fixture);
}

static void
tear_down (RunFixture *fixture, gconstpointer data)
{
  if (fixture->observer != NULL)
    lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, NULL, NULL);
  run_fixture_tear_down (fixture, data);
}

static void
record (LsobsObserver *observer, const char *name)
{
  g_autoptr (LsobsRun) run = lsobs_observer_start_run (observer, name, LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autoptr (LsobsRun) child = lsobs_run_start_child (run, name, LSOBS_RUN_TYPE_TOOL, NULL);

  lsobs_run_add_tag (run, "tag");
  lsobs_run_set_metadata_string (run, "key", "value");
  lsobs_run_end (child, NULL);
  lsobs_run_end (run, NULL);
}

/* Called in the threads: waits for their turn. FALSE at the end. */
static gboolean
goes_on (Busy *busy)
{
  gboolean stop;

  g_mutex_lock (&busy->lock);
  while (!busy->may_go_on && !busy->stop)
    g_cond_wait (&busy->cond, &busy->lock);
  stop = busy->stop;
  g_mutex_unlock (&busy->lock);
  return !stop;
}

static void
set_turn (Busy *busy, gboolean may_go_on, gboolean stop)
{
  g_mutex_lock (&busy->lock);
  busy->may_go_on = may_go_on;
  busy->stop = stop;
  g_cond_broadcast (&busy->cond);
  g_mutex_unlock (&busy->lock);
}

static void
start_threads (Busy *busy, GThreadFunc func)
{
  g_mutex_init (&busy->lock);
  g_cond_init (&busy->cond);
  for (guint i = 0; i < N_THREADS; i++)
    busy->threads[i] = g_thread_new ("busy", func, busy);
}

static void
stop_threads (Busy *busy)
{
  set_turn (busy, FALSE, TRUE);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (busy->threads[i]);
  g_mutex_clear (&busy->lock);
  g_cond_clear (&busy->cond);
}

static gboolean
is_busy (gpointer user_data)
{
  return g_atomic_int_get (&((Busy *) user_data)->n_recorded) > 100;
}

/* Forks again and again, one child at a time. */
static void
fork_often (Busy *busy, ForkFunc func, gpointer data)
{
  guint n_failed = 0;

  for (guint i = 0; i < N_FORKS && n_failed == 0; i++)
    {
      pid_t pid;

      g_atomic_int_set (&busy->n_recorded, 0);
      set_turn (busy, TRUE, FALSE);
      test_wait_until (is_busy, busy, TEST_TIMEOUT_MS);
      pid = fork_start (func, busy->fixture, data);
      set_turn (busy, FALSE, FALSE);
      n_failed += !fork_wait (pid);
      /* To fork takes as long as there is memory. */
      test_server_clear (busy->fixture->server);
    }
  stop_threads (busy);
  g_assert_cmpuint (n_failed, ==, 0);
}

/* --- what the threads do --- */

static gpointer
record_thread (gpointer user_data)
{
  Busy *busy = user_data;

  while (goes_on (busy))
    {
      record (busy->fixture->observer, "busy");
      g_atomic_int_inc (&busy->n_recorded);
    }
  return NULL;
}

static gpointer
flush_thread (gpointer user_data)
{
  Busy *busy = user_data;

  while (goes_on (busy))
    {
      record (busy->fixture->observer, "busy");
      lsobs_observer_flush (busy->fixture->observer, 10, NULL, NULL);
      lsobs_stats_unref (lsobs_observer_dup_stats (busy->fixture->observer));
      g_atomic_int_inc (&busy->n_recorded);
    }
  return NULL;
}

static gpointer
change_thread (gpointer user_data)
{
  Busy *busy = user_data;

  while (goes_on (busy))
    {
      lsobs_run_set_metadata_string (busy->run, "key", "value");
      lsobs_run_add_tag (busy->run, "tag");
      g_atomic_int_inc (&busy->n_recorded);
    }
  return NULL;
}

static gpointer
graph_thread (gpointer user_data)
{
  Busy *busy = user_data;
  gpointer graph = busy->turn != NULL ? (gpointer) busy->turn : (gpointer) busy->fixture->observer;

  while (goes_on (busy))
    {
      graph_start (graph, "node", NULL);
      graph_call (graph, "node", "calc", NULL, NULL);
      graph_result (graph, "node", "calc", NULL, NULL);
      graph_end (graph, "node", NULL, -1);
      g_atomic_int_inc (&busy->n_recorded);
    }
  return NULL;
}

/* --- what the children do --- */

static void
child_records (RunFixture *fixture, gpointer data G_GNUC_UNUSED)
{
  record (fixture->observer, "child");
}

static void
child_flushes (RunFixture *fixture, gpointer data G_GNUC_UNUSED)
{
  record (fixture->observer, "child");
  fork_child_flush (fixture);
}

static void
child_ends (RunFixture *fixture, gpointer data G_GNUC_UNUSED)
{
  record (fixture->observer, "child");
  g_clear_object (&fixture->observer);
  g_clear_object (&fixture->exporter);
}

static void
child_frees_run (RunFixture *fixture G_GNUC_UNUSED, gpointer data)
{
  LsobsRun *run = data;

  lsobs_run_set_metadata_string (run, "key", "child");
  lsobs_run_end (run, NULL);
  /* the last reference */
  lsobs_run_unref (run);
}

static void
child_frees_invocation (RunFixture *fixture G_GNUC_UNUSED, gpointer data)
{
  graph_start (data, "child", NULL);
  lsobs_invocation_end (data, NULL);
  g_object_unref (data);
}

static void
child_uses_nodes (RunFixture *fixture, gpointer data G_GNUC_UNUSED)
{
  graph_start (fixture->observer, "child", NULL);
  graph_end (fixture->observer, "child", NULL, -1);
  graph_end (fixture->observer, "node", NULL, -1);
  g_clear_object (&fixture->observer);
}

/* --- the tests --- */

typedef struct
{
  const char *path;
  GThreadFunc thread;
  ForkFunc child;
} BusyRow;

static const BusyRow rows[] = {
  { "/fork-busy/recording/record", record_thread, child_records },
  { "/fork-busy/recording/flush", record_thread, child_flushes },
  { "/fork-busy/recording/end", record_thread, child_ends },
  { "/fork-busy/flushing/flush", flush_thread, child_flushes },
  { "/fork-busy/nodes/use", graph_thread, child_uses_nodes },
};

static void
test_row (RunFixture *fixture, gconstpointer data)
{
  const BusyRow *row = data;
  Busy busy = { .fixture = fixture };

  if (fork_skip_busy ())
    return;
  start_threads (&busy, row->thread);
  fork_often (&busy, row->child, NULL);
}

static void
test_run (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  Busy busy = { .fixture = fixture };

  if (fork_skip_busy ())
    return;
  run = busy.run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  start_threads (&busy, change_thread);
  fork_often (&busy, child_frees_run, run);
  lsobs_run_end (run, NULL);
}

static void
test_invocation (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsInvocation) turn = NULL;
  Busy busy = { .fixture = fixture };

  if (fork_skip_busy ())
    return;
  turn = busy.turn = lsobs_observer_begin_invocation (fixture->observer, "turn", NULL);
  start_threads (&busy, graph_thread);
  fork_often (&busy, child_frees_invocation, turn);
  lsobs_invocation_end (turn, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("No lock that another thread holds at a fork keeps the child.");

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    g_test_add (rows[i].path, RunFixture, &rows[i], set_up, test_row, tear_down);
  g_test_add ("/fork-busy/run", RunFixture, NULL, set_up, test_run, tear_down);
  g_test_add ("/fork-busy/invocation", RunFixture, NULL, set_up, test_invocation, tear_down);
  return g_test_run ();
}
