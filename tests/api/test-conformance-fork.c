/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include "tests/lib/fork-helpers.h"

/* The conformance list, item 10: parent and child send their own, and nothing is sent twice. */

static void
set_up (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  run_fixture_start (fixture);
}

static void
trace (RunFixture *fixture, const char *name)
{
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run (fixture->observer, name, LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autoptr (LsobsRun) child = lsobs_run_start_child (run, name, LSOBS_RUN_TYPE_TOOL, NULL);

  lsobs_run_end (child, NULL);
  lsobs_run_end (run, NULL);
}

static void
trace_in_child (RunFixture *fixture, gpointer data G_GNUC_UNUSED)
{
  trace (fixture, "child");
  fork_child_flush (fixture);
}

static void
test_fork (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *text = NULL;

  g_test_message ("item 10: fork");
  if (fork_skip ())
    return;
  /* connections and threads are there at the fork */
  trace (fixture, "before");
  run_fixture_flush (fixture);
  trace (fixture, "parent");
  fork_run (trace_in_child, fixture, NULL);
  run_fixture_flush (fixture);
  text = wire_tree_to_string (fixture->tree, WIRE_TREE_PLAIN);
  g_assert_cmpstr (text, ==,
                   "before chain ok\n"
                   "  before tool ok\n"
                   "parent chain ok\n"
                   "  parent tool ok\n"
                   "child chain ok\n"
                   "  child tool ok\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add ("/conformance/10/fork", RunFixture, NULL, set_up, test_fork, run_fixture_tear_down);

  return g_test_run ();
}
