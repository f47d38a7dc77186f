/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <time.h>

#include "tests/lib/cost-helpers.h"

#define MAX_ROUNDS 8

gint64
cost_now (void)
{
  struct timespec now;

  g_assert_cmpint (clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now), ==, 0);
  return (gint64) now.tv_sec * 1000000000 + now.tv_nsec;
}

void
cost_assert_linear (CostFunc func, gpointer data, guint n)
{
  gint64 few = G_MAXINT64;
  gint64 many = G_MAXINT64;

  /* The cheapest of several rounds: caches, and what runs beside, only make it dearer. */
  for (guint round = 0; round < MAX_ROUNDS; round++)
    {
      few = MIN (few, func (data, n));
      many = MIN (many, func (data, 4 * n));
      if (many <= 10 * MAX (few, COST_LEAST_NS))
        break;
    }
  g_test_message ("%u: %" G_GINT64_FORMAT " ns, %u: %" G_GINT64_FORMAT " ns", n, few, 4 * n, many);
  g_assert_cmpint (many, <=, 10 * MAX (few, COST_LEAST_NS));
}
