/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-stats.h"

G_BEGIN_DECLS

/* clang-format off */
/* Each value of LsobsCounter with its nick, in the order of the enumeration. A new counter needs
 * a value there, with its description for the reference, and an entry here. */
#define LSOBS_COUNTERS(ENTRY) \
  ENTRY (LSOBS_COUNTER_ENQUEUED, "enqueued"), \
  ENTRY (LSOBS_COUNTER_DELIVERED, "delivered"), \
  ENTRY (LSOBS_COUNTER_QUEUED, "queued"), \
  ENTRY (LSOBS_COUNTER_QUEUED_BYTES, "queued-bytes"), \
  ENTRY (LSOBS_COUNTER_IN_FLIGHT, "in-flight"), \
  ENTRY (LSOBS_COUNTER_MERGED, "merged"), \
  ENTRY (LSOBS_COUNTER_PROMOTED, "promoted"), \
  ENTRY (LSOBS_COUNTER_UNSAMPLED, "unsampled"), \
  ENTRY (LSOBS_COUNTER_LATE_UPDATES, "late-updates"), \
  ENTRY (LSOBS_COUNTER_UNKNOWN_UPDATES, "unknown-updates"), \
  ENTRY (LSOBS_COUNTER_ABANDONED, "abandoned"), \
  ENTRY (LSOBS_COUNTER_DROPPED_NOTES, "dropped-notes"), \
  ENTRY (LSOBS_COUNTER_DROPPED_ATTACHMENTS, "dropped-attachments"), \
  ENTRY (LSOBS_COUNTER_BAD_PAYLOADS, "bad-payloads"), \
  ENTRY (LSOBS_COUNTER_CUT_PAYLOADS, "cut-payloads"), \
  ENTRY (LSOBS_COUNTER_REDACTION_FAILURES, "redaction-failures"), \
  ENTRY (LSOBS_COUNTER_DUMPED, "dumped"), \
  ENTRY (LSOBS_COUNTER_BATCHES, "batches"), \
  ENTRY (LSOBS_COUNTER_REQUESTS, "requests"), \
  ENTRY (LSOBS_COUNTER_RETRIES, "retries"), \
  ENTRY (LSOBS_COUNTER_BYTES_SENT, "bytes-sent"), \
  ENTRY (LSOBS_COUNTER_SPOOLED, "spooled"), \
  ENTRY (LSOBS_COUNTER_DRAINED, "drained"), \
  ENTRY (LSOBS_COUNTER_SPOOL_DROPPED, "spool-dropped")

/* The same for LsobsDropReason. */
#define LSOBS_DROP_REASONS(ENTRY) \
  ENTRY (LSOBS_DROP_REASON_QUEUE_FULL, "queue-full"), \
  ENTRY (LSOBS_DROP_REASON_QUEUE_BYTES, "queue-bytes"), \
  ENTRY (LSOBS_DROP_REASON_TOO_LARGE, "too-large"), \
  ENTRY (LSOBS_DROP_REASON_REJECTED, "rejected"), \
  ENTRY (LSOBS_DROP_REASON_UNAUTHORIZED, "unauthorized"), \
  ENTRY (LSOBS_DROP_REASON_QUOTA, "quota"), \
  ENTRY (LSOBS_DROP_REASON_WRONG_ADDRESS, "wrong-address"), \
  ENTRY (LSOBS_DROP_REASON_UNAVAILABLE, "unavailable"), \
  ENTRY (LSOBS_DROP_REASON_SHUTDOWN, "shutdown"), \
  ENTRY (LSOBS_DROP_REASON_FORK, "fork")
/* clang-format on */

#define LSOBS_STATS_INDEX(value, nick) INDEX_OF_##value = value

enum
{
  LSOBS_COUNTERS (LSOBS_STATS_INDEX),
  LSOBS_N_COUNTERS
};

enum
{
  LSOBS_DROP_REASONS (LSOBS_STATS_INDEX),
  LSOBS_N_DROP_REASONS
};

/* The counters while they count; an LsobsStats is a snapshot of them. The counters of the
 * records (enqueued, delivered, queued, in flight, spooled, dropped) change only under the lock of the
 * queue, so that a snapshot taken under that lock adds up. The other counters change at any
 * time. Each counter is atomic and as large as a pointer: on 32-bit machines it wraps at
 * 2^32. */
typedef struct
{
  gatomicrefcount ref_count;
  gsize values[LSOBS_N_COUNTERS];      /* atomic */
  gsize dropped[LSOBS_N_DROP_REASONS]; /* atomic */
} LsobsCounters;

LsobsCounters *_lsobs_counters_new (void);
LsobsCounters *_lsobs_counters_ref (LsobsCounters *self);
void _lsobs_counters_unref (LsobsCounters *self);
LsobsStats *_lsobs_counters_snapshot (LsobsCounters *self);

void _lsobs_stats_add (LsobsStats *self, LsobsStats *other);
guint64 _lsobs_stats_count_lost (LsobsStats *self);

static inline void
_lsobs_counters_add (LsobsCounters *self, LsobsCounter counter, gssize n)
{
  g_atomic_pointer_add (&self->values[counter], n);
}

static inline gsize
_lsobs_counters_get (LsobsCounters *self, LsobsCounter counter)
{
  return (gsize) g_atomic_pointer_get (&self->values[counter]);
}

static inline void
_lsobs_counters_set (LsobsCounters *self, LsobsCounter counter, gsize n)
{
  g_atomic_pointer_set (&self->values[counter], n);
}

static inline void
_lsobs_counters_drop (LsobsCounters *self, LsobsDropReason reason, gsize n)
{
  g_atomic_pointer_add (&self->dropped[reason], (gssize) n);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsCounters, _lsobs_counters_unref)

G_END_DECLS
