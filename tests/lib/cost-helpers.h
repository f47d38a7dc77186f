/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What work costs: CPU time of the thread, which does not count what others do beside it. */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Below this the clock, not the work, is what is measured. */
#define COST_LEAST_NS (2 * 1000 * 1000)

/* Returns what work of the size @n has cost, in nanoseconds. */
typedef gint64 (*CostFunc) (gpointer data, guint n);

gint64 cost_now (void);
/* Work of four times the size costs about four times as much; sixteen times would be
 * quadratic. */
void cost_assert_linear (CostFunc func, gpointer data, guint n);

G_END_DECLS
