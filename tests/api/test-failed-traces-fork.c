/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A forked child keeps what it loses itself, and leaves the rest to its parent. */

#include "config.h"

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/fork-helpers.h"

#define N_FORKS 10

static char *dir;

static void
set_up (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  dir = failed_traces_make_dir ();
  lsobs_config_set_failed_traces_dir (fixture->config, dir);
  lsobs_config_set_ingest_mode (fixture->config, LSOBS_INGEST_MODE_MULTIPART);
  run_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 405, .repeat = -1 });
}

static void
tear_down (RunFixture *fixture, gconstpointer data)
{
  run_fixture_tear_down (fixture, data);
  failed_traces_remove_dir (dir);
  g_clear_pointer (&dir, g_free);
}

static void
record (RunFixture *fixture, const char *name)
{
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run (fixture->observer, name, LSOBS_RUN_TYPE_CHAIN, NULL);

  lsobs_run_end (run, NULL);
}

static void
lose (RunFixture *fixture, const char *name)
{
  record (fixture, name);
  lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL);
}

/* In the child. */
static void
child_lose (RunFixture *fixture, gpointer data)
{
  guint64 before = run_fixture_get (fixture, LSOBS_COUNTER_DUMPED);

  lose (fixture, "of the child");
  lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL);
  /* what the parent has kept was counted before the fork */
  child_assert (run_fixture_get (fixture, LSOBS_COUNTER_DUMPED) == before + 1);
}

static guint
count_runs (void)
{
  g_autoptr (WireTree) tree = failed_traces_build_tree (dir, NULL);

  return wire_tree_get_n_runs (tree);
}

static void
test_child (RunFixture *fixture, gconstpointer data)
{
  if (fork_skip ())
    return;
  lose (fixture, "before");
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DUMPED, 1));
  record (fixture, "waits");
  fork_run (child_lose, fixture, NULL);
  g_assert_cmpuint (count_runs (), ==, 2);

  lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DUMPED), ==, 2);
  g_assert_cmpuint (count_runs (), ==, 3);
}

/* The parent is writing all the time. */
static void
test_busy (RunFixture *fixture, gconstpointer data)
{
  pid_t children[N_FORKS];
  guint64 n_kept;

  if (fork_skip_busy ())
    return;
  for (guint i = 0; i < N_FORKS; i++)
    {
      for (guint j = 0; j < 20; j++)
        lose (fixture, "of the parent");
      children[i] = fork_start (child_lose, fixture, NULL);
    }
  for (guint i = 0; i < N_FORKS; i++)
    g_assert_true (fork_wait (children[i]));
  lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL);
  n_kept = run_fixture_get (fixture, LSOBS_COUNTER_DUMPED);
  g_assert_cmpuint (n_kept, ==, 20 * N_FORKS);
  g_assert_cmpuint (count_runs (), ==, n_kept + N_FORKS);
}

#define ADD(path, test) g_test_add (path, RunFixture, NULL, set_up, test, tear_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  ADD ("/failed-traces/fork/child", test_child);
  ADD ("/failed-traces/fork/busy", test_busy);

  return g_test_run ();
}
