/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-types.h>

G_BEGIN_DECLS

#define LSOBS_TYPE_FLUSH_STATS (lsobs_flush_stats_get_type ())

/**
 * LsobsFlushStats:
 * @runs_flushed: records that were delivered during the flush
 * @runs_failed: records that were tried and lost during the flush; for a shutdown, also those that
 *   were not delivered at its end
 * @batches_sent: batches that the service accepted during the flush
 * @dropped_events: records that were dropped because the queue was full, since the previous flush
 * @runs_spooled: records that were written to #LsobsConfig:spool-dir during the flush, and are sent
 *   later; for a shutdown, also those that were not delivered at its end
 *
 * The results of a flush or a shutdown: numbers of records and batches.
 *
 * Since: 0.1
 */
typedef struct _LsobsFlushStats LsobsFlushStats;
struct _LsobsFlushStats
{
  guint64 runs_flushed;
  guint64 runs_failed;
  guint64 batches_sent;
  guint64 dropped_events;
  guint64 runs_spooled;

  /*< private >*/
  guint64 reserved[3];
};

LSOBS_AVAILABLE_IN_0_1
GType lsobs_flush_stats_get_type (void);
LSOBS_AVAILABLE_IN_0_1
LsobsFlushStats *lsobs_flush_stats_copy (const LsobsFlushStats *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_flush_stats_free (LsobsFlushStats *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsFlushStats, lsobs_flush_stats_free)

G_END_DECLS
