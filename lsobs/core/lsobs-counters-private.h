/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-stats.h"

G_BEGIN_DECLS

#define LSOBS_N_COUNTERS     (LSOBS_COUNTER_BYTES_SENT + 1)
#define LSOBS_N_DROP_REASONS (LSOBS_DROP_REASON_FORK + 1)

/* One table for every number. The counters of the flow of records (enqueued,
 * delivered, queued, in flight, dropped) change only under the queue's lock, so
 * that a snapshot taken under it adds up; the others change whenever they do.
 * Each word is atomic, in the size every machine has: 32-bit machines wrap at
 * 2^32. */
typedef struct
{
  gatomicrefcount ref_count;
  gsize values[LSOBS_N_COUNTERS];
  gsize dropped[LSOBS_N_DROP_REASONS];
} LsobsCounters;

LsobsCounters *_lsobs_counters_new (void);
LsobsCounters *_lsobs_counters_ref (LsobsCounters *self);
void _lsobs_counters_unref (LsobsCounters *self);
LsobsStats *_lsobs_counters_snapshot (LsobsCounters *self);

static inline void
_lsobs_counters_add (LsobsCounters *self, LsobsCounter counter, gssize n)
{
  __atomic_fetch_add (&self->values[counter], (gsize) n, __ATOMIC_RELAXED);
}

static inline gsize
_lsobs_counters_get (LsobsCounters *self, LsobsCounter counter)
{
  return __atomic_load_n (&self->values[counter], __ATOMIC_RELAXED);
}

static inline void
_lsobs_counters_set (LsobsCounters *self, LsobsCounter counter, gsize n)
{
  __atomic_store_n (&self->values[counter], n, __ATOMIC_RELAXED);
}

static inline void
_lsobs_counters_drop (LsobsCounters *self, LsobsDropReason reason, gsize n)
{
  __atomic_fetch_add (&self->dropped[reason], n, __ATOMIC_RELAXED);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsCounters, _lsobs_counters_unref)

G_END_DECLS
