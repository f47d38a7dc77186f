/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/lsobs-flush-stats.h"

/**
 * SECTION:lsobs-stats
 * @title: LsobsStats
 * @short_description: the counters of an observer
 *
 * An #LsobsStats is a snapshot of all counters, such as that of lsobs_observer_dup_stats(). Each
 * record is counted: at any moment, the number of enqueued records is the sum of those that are
 * delivered, queued, in flight, in the spool, and dropped for each reason. A snapshot is immutable.
 * Any thread can use it.
 */

struct _LsobsStats
{
  gatomicrefcount ref_count;
  guint64 values[LSOBS_N_COUNTERS];
  guint64 dropped[LSOBS_N_DROP_REASONS];
};

G_DEFINE_BOXED_TYPE (LsobsStats, lsobs_stats, lsobs_stats_ref, lsobs_stats_unref)

/* The lists leave out no value. */
#define COUNT_ONE(value, nick) 1
G_STATIC_ASSERT (sizeof ((const char[]){ LSOBS_COUNTERS (COUNT_ONE) }) == LSOBS_N_COUNTERS);
G_STATIC_ASSERT (sizeof ((const char[]){ LSOBS_DROP_REASONS (COUNT_ONE) }) == LSOBS_N_DROP_REASONS);

G_DEFINE_ENUM_TYPE (LsobsCounter, lsobs_counter, LSOBS_COUNTERS (G_DEFINE_ENUM_VALUE))
G_DEFINE_ENUM_TYPE (LsobsDropReason, lsobs_drop_reason, LSOBS_DROP_REASONS (G_DEFINE_ENUM_VALUE))

LsobsCounters *
_lsobs_counters_new (void)
{
  LsobsCounters *self = g_new0 (LsobsCounters, 1);

  g_atomic_ref_count_init (&self->ref_count);
  return self;
}

LsobsCounters *
_lsobs_counters_ref (LsobsCounters *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_counters_unref (LsobsCounters *self)
{
  if (g_atomic_ref_count_dec (&self->ref_count))
    g_free (self);
}

/* Returns: (transfer full) */
LsobsStats *
_lsobs_counters_snapshot (LsobsCounters *self)
{
  LsobsStats *stats = g_new0 (LsobsStats, 1);

  g_atomic_ref_count_init (&stats->ref_count);
  for (guint i = 0; i < LSOBS_N_COUNTERS; i++)
    stats->values[i] = (gsize) g_atomic_pointer_get (&self->values[i]);
  for (guint i = 0; i < LSOBS_N_DROP_REASONS; i++)
    stats->dropped[i] = (gsize) g_atomic_pointer_get (&self->dropped[i]);
  return stats;
}

/* Adds the counters of @other to those of @self, to which the caller holds the only
 * reference. */
void
_lsobs_stats_add (LsobsStats *self, LsobsStats *other)
{
  for (guint i = 0; i < LSOBS_N_COUNTERS; i++)
    self->values[i] += other->values[i];
  for (guint i = 0; i < LSOBS_N_DROP_REASONS; i++)
    self->dropped[i] += other->dropped[i];
}

/* Returns: how many records are lost, and were not written to failed-traces-dir either */
guint64
_lsobs_stats_count_lost (LsobsStats *self)
{
  return lsobs_stats_get_total_dropped (self) - self->values[LSOBS_COUNTER_DUMPED];
}

/**
 * lsobs_stats_ref:
 * @self: a snapshot
 *
 * Adds a reference. Can be called from any thread.
 *
 * Returns: (transfer full): @self
 *
 * Since: 0.1
 */
LsobsStats *
lsobs_stats_ref (LsobsStats *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/**
 * lsobs_stats_unref:
 * @self: (transfer full): a snapshot
 *
 * Drops a reference. The last call frees @self. Can be called from any thread.
 *
 * Since: 0.1
 */
void
lsobs_stats_unref (LsobsStats *self)
{
  g_return_if_fail (self != NULL);

  if (g_atomic_ref_count_dec (&self->ref_count))
    g_free (self);
}

/**
 * lsobs_stats_get:
 * @self: a snapshot
 * @counter: a counter
 *
 * Gets the value of a counter.
 *
 * Returns: the value at the time of the snapshot
 *
 * Since: 0.1
 */
guint64
lsobs_stats_get (LsobsStats *self, LsobsCounter counter)
{
  g_return_val_if_fail (self != NULL, 0);
  g_return_val_if_fail ((guint) counter < LSOBS_N_COUNTERS, 0);

  return self->values[counter];
}

/**
 * lsobs_stats_get_dropped:
 * @self: a snapshot
 * @reason: a reason
 *
 * Gets how many records were lost for @reason.
 *
 * Returns: the number of records
 *
 * Since: 0.1
 */
guint64
lsobs_stats_get_dropped (LsobsStats *self, LsobsDropReason reason)
{
  g_return_val_if_fail (self != NULL, 0);
  g_return_val_if_fail ((guint) reason < LSOBS_N_DROP_REASONS, 0);

  return self->dropped[reason];
}

/**
 * lsobs_stats_get_total_dropped:
 * @self: a snapshot
 *
 * Gets how many records were lost for any reason.
 *
 * Returns: the number of records
 *
 * Since: 0.1
 */
guint64
lsobs_stats_get_total_dropped (LsobsStats *self)
{
  guint64 n = 0;

  g_return_val_if_fail (self != NULL, 0);

  for (guint i = 0; i < LSOBS_N_DROP_REASONS; i++)
    n += self->dropped[i];
  return n;
}

/**
 * lsobs_stats_to_string:
 * @self: a snapshot
 *
 * Converts all counters that are not zero to `name=value` words, for example for a log.
 *
 * Returns: (transfer full): one line, without a line end
 *
 * Since: 0.1
 */
char *
lsobs_stats_to_string (LsobsStats *self)
{
  g_autoptr (GEnumClass) counters = g_type_class_ref (LSOBS_TYPE_COUNTER);
  g_autoptr (GEnumClass) reasons = g_type_class_ref (LSOBS_TYPE_DROP_REASON);
  GString *text = g_string_new (NULL);

  g_return_val_if_fail (self != NULL, g_string_free (text, FALSE));

  for (guint i = 0; i < counters->n_values; i++)
    if (self->values[counters->values[i].value] != 0)
      g_string_append_printf (text, "%s%s=%" G_GUINT64_FORMAT, text->len > 0 ? " " : "",
                              counters->values[i].value_nick,
                              self->values[counters->values[i].value]);
  for (guint i = 0; i < reasons->n_values; i++)
    if (self->dropped[reasons->values[i].value] != 0)
      g_string_append_printf (text, "%sdropped-%s=%" G_GUINT64_FORMAT, text->len > 0 ? " " : "",
                              reasons->values[i].value_nick,
                              self->dropped[reasons->values[i].value]);
  return g_string_free (text, FALSE);
}

/**
 * SECTION:lsobs-flush-stats
 * @title: LsobsFlushStats
 * @short_description: the results of a flush
 *
 * lsobs_observer_flush(), lsobs_exporter_flush() and the functions for a shutdown fill this struct.
 * If there is nothing to flush, all members are zero.
 */

G_DEFINE_BOXED_TYPE (LsobsFlushStats,
                     lsobs_flush_stats,
                     lsobs_flush_stats_copy,
                     lsobs_flush_stats_free)

/**
 * lsobs_flush_stats_copy:
 * @self: the results of a flush
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
