/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-batch.h"
#include "lsobs/lsobs-stats.h"
#include "lsobs/transport/lsobs-delivery-policy-private.h"
#include "lsobs/transport/lsobs-encoder-private.h"

G_BEGIN_DECLS

/* Whether a batch of one record is isolated, because a proxy or firewall may refuse its record. */
typedef enum
{
  LSOBS_ISOLATION_NONE,
  LSOBS_ISOLATION_REFUSED, /* it was refused while the service was not known to be away */
  LSOBS_ISOLATION_RETEST   /* the next batch was delivered: if refused again, it is bad */
} LsobsIsolation;

/* What the pipeline has learned from sending a batch. Used in the worker's context only; public
 * functions do not show it. The rest of a batch is immutable. */
typedef struct
{
  guint64 number;        /* of its last sending, from 1; 0: it was never sent */
  gboolean tried;        /* a sending has failed */
  gboolean unsure;       /* the service may have accepted an attempt that failed */
  gboolean refused;      /* a proxy or firewall has refused the last sending */
  gboolean ever_refused; /* a proxy or firewall has ever refused it, or the batch it is part of */
  LsobsOutcome outcome;  /* of the last sending; set by an LsobsClient only */
  LsobsIsolation isolation;
  guint64 failed;         /* the number of the last sending that has failed, or 0 */
  gint64 distance;        /* delay, ms; or 0 */
  gint64 not_before;      /* end of the delay, monotonic, µs; a flush ignores it; or 0 */
  gboolean unconfirmed;   /* it has failed, and no later one was delivered yet */
  guint64 pair;           /* the same number in both halves of a batch; 0: it is no half */
  gboolean half_failed;   /* this half has failed while others were delivered */
  guint n_lone_failures;  /* how often it has failed while others were delivered */
  LsobsDropReason reason; /* for which its records are lost, if it is bad */
} LsobsBatchHistory;

LsobsBatch *_lsobs_batch_new (GPtrArray *records);
LsobsBatch *_lsobs_batch_new_probe (LsobsBatch *self);
LsobsBatch *_lsobs_batch_new_round (LsobsBatch *self);
LsobsBatch *_lsobs_batch_slice (LsobsBatch *self, guint start, guint end);
LsobsBatchHistory *_lsobs_batch_peek_history (LsobsBatch *self);
guint64 _lsobs_batch_get_first_seq (LsobsBatch *self);
GPtrArray *_lsobs_batch_peek_records (LsobsBatch *self);
void _lsobs_batch_halve (LsobsBatch *self, LsobsBatch **first, LsobsBatch **second);

G_END_DECLS
