/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/lsobs-flush-stats.h"

/**
 * SECTION:lsobs-flush-stats
 * @title: LsobsFlushStats
 * @short_description: what a flush has done
 *
 * A plain struct, filled by lsobs_observer_flush() and its kin. All of its
 * members are zero when there was nothing to flush.
 */

G_DEFINE_BOXED_TYPE (LsobsFlushStats,
                     lsobs_flush_stats,
                     lsobs_flush_stats_copy,
                     lsobs_flush_stats_free)

/**
 * lsobs_flush_stats_copy:
 * @self: what a flush has done
 *
 * Copies @self.
 *
 * Returns: (transfer full): a copy
 *
 * Since: 0.1
 */
LsobsFlushStats *
lsobs_flush_stats_copy (const LsobsFlushStats *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return g_memdup2 (self, sizeof *self);
}

/**
 * lsobs_flush_stats_free:
 * @self: (transfer full): a copy made by lsobs_flush_stats_copy()
 *
 * Frees @self.
 *
 * Since: 0.1
 */
void
lsobs_flush_stats_free (LsobsFlushStats *self)
{
  g_free (self);
}
