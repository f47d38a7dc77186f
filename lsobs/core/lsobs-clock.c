/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-clock-private.h"

/* How far the clock may seem to go back before we believe that somebody has set
 * it. Below, the stamps go on in steps of 1 µs. */
#define CLOCK_STEP_US G_USEC_PER_SEC

static GMutex stamp_lock;
static gint64 last_stamp; /* guarded by stamp_lock */

gint64
_lsobs_clock_stamp (void)
{
  gint64 stamp;

#if defined(__GCC_HAVE_SYNC_COMPARE_AND_SWAP_8)
  gint64 last = __atomic_load_n (&last_stamp, __ATOMIC_RELAXED);
  gint64 now = g_get_real_time ();

  (void) stamp_lock;
  do
    {
      stamp = (now > last || last - now > CLOCK_STEP_US) ? now : last + 1;
    }
  while (!__atomic_compare_exchange_n (&last_stamp, &last, stamp, TRUE, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED));
#else
  gint64 now = g_get_real_time ();

  g_mutex_lock (&stamp_lock);
  stamp = (now > last_stamp || last_stamp - now > CLOCK_STEP_US) ? now : last_stamp + 1;
  last_stamp = stamp;
  g_mutex_unlock (&stamp_lock);
#endif
  return stamp;
}
