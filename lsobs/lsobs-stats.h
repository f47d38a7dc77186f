/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-types.h>

G_BEGIN_DECLS

/**
 * LsobsDropReason:
 * @LSOBS_DROP_REASON_QUEUE_FULL: the queue had #LsobsConfig:queue-capacity records, and dropped the
 *   oldest one
 * @LSOBS_DROP_REASON_QUEUE_BYTES: the queue had #LsobsConfig:max-queue-bytes bytes, and dropped the
 *   oldest record
 * @LSOBS_DROP_REASON_TOO_LARGE: the record alone is larger than the service accepts
 * @LSOBS_DROP_REASON_REJECTED: the service, or a proxy or firewall, refused this record
 * @LSOBS_DROP_REASON_UNAUTHORIZED: the service refused the API key
 * @LSOBS_DROP_REASON_QUOTA: a limit of the account is used up
 * @LSOBS_DROP_REASON_WRONG_ADDRESS: the address has no such service, or only a redirect
 * @LSOBS_DROP_REASON_UNAVAILABLE: the service failed, or gave no answer, at every attempt for this
 *   record, while it accepted others
 * @LSOBS_DROP_REASON_SHUTDOWN: the record was added after the shutdown, or was not delivered before
 *   the timeout of the shutdown
 * @LSOBS_DROP_REASON_FORK: the record belongs to the parent process of a fork()
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
 * @LSOBS_COUNTER_ENQUEUED: records that were put into the queue
 * @LSOBS_COUNTER_DELIVERED: records that the service has accepted
 * @LSOBS_COUNTER_QUEUED: records that are in the queue at the moment, including those that are sent
 *   again later
 * @LSOBS_COUNTER_QUEUED_BYTES: the memory of the records in the queue at the moment, in bytes
 * @LSOBS_COUNTER_IN_FLIGHT: records that are being sent at the moment: taken from the queue, not
 *   kept to be sent again, and neither delivered nor lost yet
 * @LSOBS_COUNTER_MERGED: ends of runs that were added to their start in the queue, and are no
 *   records of their own
 * @LSOBS_COUNTER_PROMOTED: ends of runs that were sent as complete runs, because their starts were
 *   lost
 * @LSOBS_COUNTER_UNSAMPLED: runs that were left out by the sampler, or because tracing is off, and
 *   feedback to such runs
 * @LSOBS_COUNTER_LATE_UPDATES: updates of runs that had ended already, which are ignored
 * @LSOBS_COUNTER_UNKNOWN_UPDATES: updates of runs or nodes that were never started
 * @LSOBS_COUNTER_ABANDONED: nodes and tool calls that the program did not end, and that lsobs ended
 * @LSOBS_COUNTER_DROPPED_NOTES: tags, metadata and events that a run, or the headers of a run, had
 *   no room for
 * @LSOBS_COUNTER_DROPPED_ATTACHMENTS: attachments that were not sent: their names cannot be sent,
 *   there was no room for them, the service accepts none, or the last reference to the run was
 *   dropped before the run ended
 * @LSOBS_COUNTER_BAD_PAYLOADS: payloads that were given as JSON text but are not JSON, and were
 *   sent as strings
 * @LSOBS_COUNTER_CUT_PAYLOADS: inputs or outputs that were too large, and were replaced with a text
 *   that has their size
 * @LSOBS_COUNTER_REDACTION_FAILURES: strings that were redacted as a whole because a pattern took
 *   too long, or the time for the record was used up; and fields that were dropped because of the
 *   program's redaction function
 * @LSOBS_COUNTER_DUMPED: lost records that were written to #LsobsConfig:failed-traces-dir; they
 *   also count as lost
 * @LSOBS_COUNTER_BATCHES: batches that the service has accepted
 * @LSOBS_COUNTER_REQUESTS: HTTP requests that were sent, including retries
 * @LSOBS_COUNTER_RETRIES: HTTP requests that were sent again
 * @LSOBS_COUNTER_BYTES_SENT: bytes of request bodies that the service has accepted
 * @LSOBS_COUNTER_SPOOLED: records that were written to #LsobsConfig:spool-dir, and do not count as
 *   lost; it never becomes smaller, even when the records are sent or removed
 * @LSOBS_COUNTER_DRAINED: records of this or another process in the spool that the service has
 *   accepted
 * @LSOBS_COUNTER_SPOOL_DROPPED: records of this or another process that were removed from the
 *   spool, because they were too old, or because the service refused them; it does not count what
 *   lsobs_exporter_purge_spool_async() removes
 *
 * The counters of an #LsobsStats. A record is the start of a run, the update of a run, both in one
 * if the run was short, or feedback.
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
 * A snapshot of all counters of an observer or exporter.
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
