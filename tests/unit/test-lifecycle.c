/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/pipeline/lsobs-lifecycle-private.h"

static void
test_forward (void)
{
  LsobsLifecycle lifecycle = { 0 };

  g_assert_cmpint (_lsobs_lifecycle_get_state (&lifecycle), ==, LSOBS_LIFECYCLE_IDLE);
  for (int state = LSOBS_LIFECYCLE_RUNNING; state <= LSOBS_LIFECYCLE_STOPPED; state++)
    {
      g_assert_true (_lsobs_lifecycle_enter (&lifecycle, (LsobsLifecycleState) state));
      g_assert_cmpint (_lsobs_lifecycle_get_state (&lifecycle), ==, state);
      /* A second thread comes too late, and nothing goes back. */
      for (int late = LSOBS_LIFECYCLE_RUNNING; late <= state; late++)
        g_assert_false (_lsobs_lifecycle_enter (&lifecycle, (LsobsLifecycleState) late));
      g_assert_cmpint (_lsobs_lifecycle_get_state (&lifecycle), ==, state);
    }
}

/* What never ran can drain and stop, and what runs can stop at once. */
static void
test_shortcuts (void)
{
  static const LsobsLifecycleState ways[][2] = {
    { LSOBS_LIFECYCLE_IDLE, LSOBS_LIFECYCLE_DRAINING },
    { LSOBS_LIFECYCLE_IDLE, LSOBS_LIFECYCLE_STOPPING },
    { LSOBS_LIFECYCLE_RUNNING, LSOBS_LIFECYCLE_STOPPING },
  };

  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      LsobsLifecycle lifecycle = { .state = (int) ways[i][0] };

      g_assert_true (_lsobs_lifecycle_enter (&lifecycle, ways[i][1]));
    }
}

static void
test_forbidden (void)
{
  if (g_test_subprocess ())
    {
      LsobsLifecycle lifecycle = { .state = LSOBS_LIFECYCLE_RUNNING };

      _lsobs_lifecycle_enter (&lifecycle, LSOBS_LIFECYCLE_STOPPED);
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_failed ();
}

static void
test_actions (void)
{
  static const struct
  {
    LsobsLifecycleAction action;
    const char *allowed; /* one digit per state */
  } rows[] = {
    { LSOBS_LIFECYCLE_PUSH, "11000" },
    { LSOBS_LIFECYCLE_START, "11100" },
    { LSOBS_LIFECYCLE_SEND, "01100" },
    { LSOBS_LIFECYCLE_DISCARD, "00011" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    for (int state = LSOBS_LIFECYCLE_IDLE; state <= LSOBS_LIFECYCLE_STOPPED; state++)
      {
        LsobsLifecycle lifecycle = { .state = state };

        g_assert_cmpint (_lsobs_lifecycle_allows (&lifecycle, rows[i].action), ==,
                         rows[i].allowed[state] == '1');
      }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lifecycle/forward", test_forward);
  g_test_add_func ("/lifecycle/shortcuts", test_shortcuts);
  g_test_add_func ("/lifecycle/forbidden", test_forbidden);
  g_test_add_func ("/lifecycle/actions", test_actions);
  return g_test_run ();
}
