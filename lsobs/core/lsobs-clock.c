/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-clock-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-lock-private.h"

/* While the clock is at most this far behind the last stamp, stamps go on in steps of 1 µs. A larger
 * step back means the clock was set; follow it. */
#define CLOCK_STEP_US G_USEC_PER_SEC

static gint64
next_stamp (gint64 last)
{
  gint64 now = g_get_real_time ();

  return now > last || last - now > CLOCK_STEP_US ? now : last + 1;
}

#if GLIB_SIZEOF_VOID_P >= 8
gint64
_lsobs_clock_stamp (void)
{
  static gpointer last_stamp; /* atomic: a gint64 */
  gpointer last;
  gpointer stamp;

  do
    {
      last = g_atomic_pointer_get (&last_stamp);
      stamp = GSIZE_TO_POINTER (next_stamp ((gint64) GPOINTER_TO_SIZE (last)));
    }
  while (!g_atomic_pointer_compare_and_exchange (&last_stamp, last, stamp));
  return (gint64) GPOINTER_TO_SIZE (stamp);
}
#else
/* GLib has no atomic gint64 on 32-bit machines. The lock is free in a forked child. */
gint64
_lsobs_clock_stamp (void)
{
  static gint64 last_stamp; /* guarded by _lsobs_fork_lock() */
  gint64 stamp;

  _lsobs_fork_lock ();
  stamp = last_stamp = next_stamp (last_stamp);
  _lsobs_fork_unlock ();
  return stamp;
}
#endif
