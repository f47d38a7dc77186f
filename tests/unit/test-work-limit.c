/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Until when a thread may work. */

#include "config.h"

#include "lsobs/core/lsobs-work-limit-private.h"

static gboolean
is_set (gpointer user_data)
{
  return *(gboolean *) user_data;
}

static void
test_none (void)
{
  g_assert_false (_lsobs_work_limit_is_over ());
}

static void
test_deadline (void)
{
  LsobsWorkLimit past = { .deadline = g_get_monotonic_time () };
  LsobsWorkLimit future = { .deadline = G_MAXINT64 };

  _lsobs_work_limit_enter (&past);
  g_assert_true (_lsobs_work_limit_is_over ());
  _lsobs_work_limit_leave (&past);
  _lsobs_work_limit_enter (&future);
  g_assert_false (_lsobs_work_limit_is_over ());
  _lsobs_work_limit_leave (&future);
}

static void
test_function (void)
{
  gboolean over = FALSE;
  LsobsWorkLimit limit = { .is_over = is_set, .user_data = &over };

  _lsobs_work_limit_enter (&limit);
  g_assert_false (_lsobs_work_limit_is_over ());
  over = TRUE;
  g_assert_true (_lsobs_work_limit_is_over ());
  _lsobs_work_limit_leave (&limit);
}

/* A flush inside of a function of the program has its own time, whatever called that function. */
static void
test_nested (void)
{
  LsobsWorkLimit outer = { .deadline = 1 };
  LsobsWorkLimit inner = { .deadline = G_MAXINT64 };

  _lsobs_work_limit_enter (&outer);
  _lsobs_work_limit_enter (&inner);
  g_assert_false (_lsobs_work_limit_is_over ());
  _lsobs_work_limit_leave (&inner);
  g_assert_true (_lsobs_work_limit_is_over ());
  _lsobs_work_limit_leave (&outer);
  g_assert_false (_lsobs_work_limit_is_over ());
}

static gpointer
ask (gpointer data G_GNUC_UNUSED)
{
  return GINT_TO_POINTER (_lsobs_work_limit_is_over ());
}

static void
test_thread (void)
{
  LsobsWorkLimit limit = { .deadline = 1 };

  _lsobs_work_limit_enter (&limit);
  g_assert_false (GPOINTER_TO_INT (g_thread_join (g_thread_new ("other", ask, NULL))));
  _lsobs_work_limit_leave (&limit);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/work-limit/none", test_none);
  g_test_add_func ("/work-limit/deadline", test_deadline);
  g_test_add_func ("/work-limit/function", test_function);
  g_test_add_func ("/work-limit/nested", test_nested);
  g_test_add_func ("/work-limit/thread", test_thread);

  return g_test_run ();
}
