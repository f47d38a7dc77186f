/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-counters-private.h"
#include "lsobs/core/lsobs-stats-private.h"

/**
 * SECTION:lsobs-stats
 * @title: LsobsStats
 * @short_description: every counter of an observer
 *
 * Nothing is lost silently: at every moment the records enqueued are those
 * delivered, those queued, those in flight and those dropped, by reason. An
 * #LsobsStats is a snapshot of all counters, taken with
 * lsobs_observer_dup_stats(). It never changes, and may be used from any thread.
 */

struct _LsobsStats
{
  gatomicrefcount ref_count;
  guint64 values[LSOBS_N_COUNTERS];
  guint64 dropped[LSOBS_N_DROP_REASONS];
};

G_DEFINE_BOXED_TYPE (LsobsStats, lsobs_stats, lsobs_stats_ref, lsobs_stats_unref)

G_DEFINE_ENUM_TYPE (LsobsDropReason,
                    lsobs_drop_reason,
                    G_DEFINE_ENUM_VALUE (LSOBS_DROP_REASON_QUEUE_FULL, "queue-full"),
                    G_DEFINE_ENUM_VALUE (LSOBS_DROP_REASON_QUEUE_BYTES, "queue-bytes"),
                    G_DEFINE_ENUM_VALUE (LSOBS_DROP_REASON_TOO_LARGE, "too-large"),
                    G_DEFINE_ENUM_VALUE (LSOBS_DROP_REASON_REJECTED, "rejected"),
                    G_DEFINE_ENUM_VALUE (LSOBS_DROP_REASON_UNAUTHORIZED, "unauthorized"),
                    G_DEFINE_ENUM_VALUE (LSOBS_DROP_REASON_QUOTA, "quota"),
                    G_DEFINE_ENUM_VALUE (LSOBS_DROP_REASON_WRONG_ADDRESS, "wrong-address"),
                    G_DEFINE_ENUM_VALUE (LSOBS_DROP_REASON_UNAVAILABLE, "unavailable"),
                    G_DEFINE_ENUM_VALUE (LSOBS_DROP_REASON_SHUTDOWN, "shutdown"),
                    G_DEFINE_ENUM_VALUE (LSOBS_DROP_REASON_FORK, "fork"))

G_DEFINE_ENUM_TYPE (LsobsCounter,
                    lsobs_counter,
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_ENQUEUED, "enqueued"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_DELIVERED, "delivered"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_QUEUED, "queued"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_QUEUED_BYTES, "queued-bytes"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_IN_FLIGHT, "in-flight"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_MERGED, "merged"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_PROMOTED, "promoted"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_UNSAMPLED, "unsampled"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_LATE_UPDATES, "late-updates"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_UNKNOWN_UPDATES, "unknown-updates"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_ABANDONED, "abandoned"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_DROPPED_NOTES, "dropped-notes"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_DROPPED_ATTACHMENTS, "dropped-attachments"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_BAD_PAYLOADS, "bad-payloads"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_CUT_PAYLOADS, "cut-payloads"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_REDACTION_FAILURES, "redaction-failures"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_DUMPED, "dumped"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_BATCHES, "batches"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_REQUESTS, "requests"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_RETRIES, "retries"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COUNTER_BYTES_SENT, "bytes-sent"))

LsobsStats *
_lsobs_stats_new (const guint64 *values, const guint64 *dropped)
{
  LsobsStats *self = g_new0 (LsobsStats, 1);

  g_atomic_ref_count_init (&self->ref_count);
  for (guint i = 0; i < LSOBS_N_COUNTERS; i++)
    self->values[i] = values[i];
  for (guint i = 0; i < LSOBS_N_DROP_REASONS; i++)
    self->dropped[i] = dropped[i];
  return self;
}

/* To be called before anybody else has @self. */
void
_lsobs_stats_add (LsobsStats *self, LsobsStats *other)
{
  for (guint i = 0; i < LSOBS_N_COUNTERS; i++)
    self->values[i] += other->values[i];
  for (guint i = 0; i < LSOBS_N_DROP_REASONS; i++)
    self->dropped[i] += other->dropped[i];
}

/**
 * lsobs_stats_ref:
 * @self: a snapshot
 *
 * Adds a reference. May be called from any thread.
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
 * Drops a reference, and frees @self with the last one. May be called from any
 * thread.
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
 * @counter: which counter
 *
 * Reads a counter.
 *
 * Returns: its value when the snapshot was taken
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
 * Reads how many records were lost for @reason.
 *
 * Returns: a number of records
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
 * Reads how many records were lost for any reason.
 *
 * Returns: a number of records
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
 * Writes all counters that are not zero as `name=value` words, for a log.
 *
 * Returns: (transfer full): a line without a line end
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
