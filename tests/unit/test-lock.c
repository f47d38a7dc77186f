/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-lock-private.h"

/* The checks of the order of locks, in builds that have them. */

static GMutex first;
static GMutex second;

static void
test_in_order (void)
{
  for (guint i = 0; i < 2; i++)
    {
      _lsobs_mutex_lock (&first, LSOBS_LOCK_ANNOTATIONS);
      _lsobs_mutex_lock (&second, LSOBS_LOCK_QUEUE);
      _lsobs_fork_lock ();
      _lsobs_fork_unlock ();
      /* The order of unlocking is free. */
      _lsobs_mutex_unlock (&first, LSOBS_LOCK_ANNOTATIONS);
      _lsobs_mutex_unlock (&second, LSOBS_LOCK_QUEUE);
    }
}

/* @data: the rank that is taken after that of a queue */
static void
test_out_of_order (gconstpointer data)
{
#ifdef LSOBS_CHECK_LOCKS
  if (g_test_subprocess ())
    {
      _lsobs_mutex_lock (&first, LSOBS_LOCK_QUEUE);
      _lsobs_mutex_lock (&second, (LsobsLockRank) GPOINTER_TO_INT (data));
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_failed ();
#else
  g_test_skip ("configured without --enable-debug");
#endif
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lock/in-order", test_in_order);
  g_test_add_data_func ("/lock/out-of-order", GINT_TO_POINTER (LSOBS_LOCK_ANNOTATIONS),
                        test_out_of_order);
  g_test_add_data_func ("/lock/same-rank", GINT_TO_POINTER (LSOBS_LOCK_QUEUE), test_out_of_order);
  return g_test_run ();
}
