/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-types.h>

G_BEGIN_DECLS

/**
 * LsobsDropReason:
 * @LSOBS_DROP_REASON_QUEUE_FULL: the queue held as many records as it may; the
 *   oldest one went
 * @LSOBS_DROP_REASON_QUEUE_BYTES: the queue held as many bytes as it may; the
 *   oldest one went
 * @LSOBS_DROP_REASON_TOO_LARGE: one record alone is larger than the service takes
 * @LSOBS_DROP_REASON_REJECTED: the service refused this one record, or something in front
 *   of it does not let it through
 * @LSOBS_DROP_REASON_UNAUTHORIZED: the service refused the key
 * @LSOBS_DROP_REASON_QUOTA: a limit of the account is used up
 * @LSOBS_DROP_REASON_WRONG_ADDRESS: there is no such service at this address, or
 *   only a redirect
 * @LSOBS_DROP_REASON_UNAVAILABLE: the service failed, or gave no answer, at
 *   every attempt at this one record, while it took others
 * @LSOBS_DROP_REASON_SHUTDOWN: it came after the shutdown, or could not be
 *   delivered before its deadline
 * @LSOBS_DROP_REASON_FORK: it belongs to the process that this one was forked from
 *
 * Why a record was lost.
 *
 * Since: 0.1
 */
typedef enum
{
  LSOBS_DROP_REASON_QUEUE_FULL,
  LSOBS_DROP_REASON_QUEUE_BYTES,
  LSOBS_DROP_REASON_TOO_LARGE,
  LSOBS_DROP_REASON_REJECTED,
  LSOBS_DROP_REASON_UNAUTHORIZED,
  LSOBS_DROP_REASON_QUOTA,
  LSOBS_DROP_REASON_WRONG_ADDRESS,
  LSOBS_DROP_REASON_UNAVAILABLE,
  LSOBS_DROP_REASON_SHUTDOWN,
  LSOBS_DROP_REASON_FORK
} LsobsDropReason;

#define LSOBS_TYPE_DROP_REASON (lsobs_drop_reason_get_type ())

/**
 * LsobsCounter:
 * @LSOBS_COUNTER_ENQUEUED: records that entered the queue
 * @LSOBS_COUNTER_DELIVERED: records that the service has accepted
 * @LSOBS_COUNTER_QUEUED: records that wait now, including those that wait to be sent again
 * @LSOBS_COUNTER_QUEUED_BYTES: how much memory the waiting records take now, in bytes
 * @LSOBS_COUNTER_IN_FLIGHT: records that were taken from the queue, do not wait to be sent
 *   again, and are neither delivered nor lost yet
 * @LSOBS_COUNTER_MERGED: ends that joined their waiting start, and so never
 *   became a record
 * @LSOBS_COUNTER_PROMOTED: ends that were sent as a complete run, because their
 *   start was lost
 * @LSOBS_COUNTER_UNSAMPLED: runs that were left out by the sampler, or because tracing is off;
 *   and feedback to such runs
 * @LSOBS_COUNTER_LATE_UPDATES: updates of runs that had ended already; ignored
 * @LSOBS_COUNTER_UNKNOWN_UPDATES: updates of runs or nodes that never started
 * @LSOBS_COUNTER_ABANDONED: nodes and tool calls that were never ended and were
 *   closed in the program's place
 * @LSOBS_COUNTER_DROPPED_NOTES: tags, metadata and events that a run, or the headers
 *   that were made of it, had no room for
 * @LSOBS_COUNTER_DROPPED_ATTACHMENTS: attachments that could not go with their run:
 *   their names cannot be sent, there was no room for them, the service takes none,
 *   or the run was let go before the end that they waited for
 * @LSOBS_COUNTER_BAD_PAYLOADS: ready JSON that was not JSON, and was sent as a
 *   string instead
 * @LSOBS_COUNTER_CUT_PAYLOADS: inputs or outputs that were too large and were
 *   replaced by a note of their size
 * @LSOBS_COUNTER_REDACTION_FAILURES: strings that were hidden whole because a
 *   regular expression gave up on them, or the time for them was used up, and fields that were dropped because the
 *   program's own function said so
 * @LSOBS_COUNTER_DUMPED: lost records that were written to
 *   #LsobsConfig:failed-traces-dir; they also count as lost
 * @LSOBS_COUNTER_BATCHES: batches that were accepted
 * @LSOBS_COUNTER_REQUESTS: HTTP requests that were sent, retries among them
 * @LSOBS_COUNTER_RETRIES: HTTP requests that were sent again
 * @LSOBS_COUNTER_BYTES_SENT: bytes of request bodies that were accepted
 * @LSOBS_COUNTER_SPOOLED: records that were written to #LsobsConfig:spool-dir, and do not count as
 *   lost; it only grows, also when they have been sent from there or removed
 * @LSOBS_COUNTER_DRAINED: records, of this or another process, that the service has accepted from
 *   the spool
 * @LSOBS_COUNTER_SPOOL_DROPPED: records, of this or another process, that were removed from the
 *   spool, as they were too old, or the service refused them; what
 *   lsobs_exporter_purge_spool_async() removes is not counted here
 *
 * The counters of an #LsobsStats. A record is what the service counts: the
 * creation of a run, its update, or both in one when the run was short; or a piece of
 * feedback.
 *
 * Since: 0.1
 */
typedef enum
{
  LSOBS_COUNTER_ENQUEUED,
  LSOBS_COUNTER_DELIVERED,
  LSOBS_COUNTER_QUEUED,
  LSOBS_COUNTER_QUEUED_BYTES,
  LSOBS_COUNTER_IN_FLIGHT,
  LSOBS_COUNTER_MERGED,
  LSOBS_COUNTER_PROMOTED,
  LSOBS_COUNTER_UNSAMPLED,
  LSOBS_COUNTER_LATE_UPDATES,
  LSOBS_COUNTER_UNKNOWN_UPDATES,
  LSOBS_COUNTER_ABANDONED,
  LSOBS_COUNTER_DROPPED_NOTES,
  LSOBS_COUNTER_DROPPED_ATTACHMENTS,
  LSOBS_COUNTER_BAD_PAYLOADS,
  LSOBS_COUNTER_CUT_PAYLOADS,
  LSOBS_COUNTER_REDACTION_FAILURES,
  LSOBS_COUNTER_DUMPED,
  LSOBS_COUNTER_BATCHES,
  LSOBS_COUNTER_REQUESTS,
  LSOBS_COUNTER_RETRIES,
  LSOBS_COUNTER_BYTES_SENT,
  LSOBS_COUNTER_SPOOLED,
  LSOBS_COUNTER_DRAINED,
  LSOBS_COUNTER_SPOOL_DROPPED
} LsobsCounter;

#define LSOBS_TYPE_COUNTER (lsobs_counter_get_type ())
#define LSOBS_TYPE_STATS   (lsobs_stats_get_type ())

/**
 * LsobsStats:
 *
 * Every counter of an observer, read at one moment.
 *
 * Since: 0.1
 */
typedef struct _LsobsStats LsobsStats;

LSOBS_AVAILABLE_IN_0_1
GType lsobs_drop_reason_get_type (void);
LSOBS_AVAILABLE_IN_0_1
GType lsobs_counter_get_type (void);
LSOBS_AVAILABLE_IN_0_1
GType lsobs_stats_get_type (void);
LSOBS_AVAILABLE_IN_0_1
LsobsStats *lsobs_stats_ref (LsobsStats *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_stats_unref (LsobsStats *self);
LSOBS_AVAILABLE_IN_0_1
guint64 lsobs_stats_get (LsobsStats *self, LsobsCounter counter);
LSOBS_AVAILABLE_IN_0_1
guint64 lsobs_stats_get_dropped (LsobsStats *self, LsobsDropReason reason);
LSOBS_AVAILABLE_IN_0_1
guint64 lsobs_stats_get_total_dropped (LsobsStats *self);
LSOBS_AVAILABLE_IN_0_1
char *lsobs_stats_to_string (LsobsStats *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsStats, lsobs_stats_unref)

G_END_DECLS
