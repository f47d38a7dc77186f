/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-counters-private.h"
#include "lsobs/core/lsobs-stats-private.h"

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

LsobsStats *
_lsobs_counters_snapshot (LsobsCounters *self)
{
  guint64 values[LSOBS_N_COUNTERS];
  guint64 dropped[LSOBS_N_DROP_REASONS];

  for (guint i = 0; i < LSOBS_N_COUNTERS; i++)
    values[i] = __atomic_load_n (&self->values[i], __ATOMIC_RELAXED);
  for (guint i = 0; i < LSOBS_N_DROP_REASONS; i++)
    dropped[i] = __atomic_load_n (&self->dropped[i], __ATOMIC_RELAXED);
  return _lsobs_stats_new (values, dropped);
}
