/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-batch.h"
#include "lsobs/lsobs-stats.h"
#include "lsobs/transport/lsobs-delivery-policy-private.h"
#include "lsobs/transport/lsobs-encoder-private.h"

G_BEGIN_DECLS

/* Of one record that something in front of the service refuses. */
typedef enum
{
  LSOBS_SUSPICION_NONE,
  LSOBS_SUSPICION_REFUSED, /* it was refused when the service was there */
  LSOBS_SUSPICION_TRIAL    /* then another request succeeded: refused again, it is to blame */
} LsobsSuspicion;

/* The sending of a batch so far. Belongs to the thread that sends; a transport of the
 * program has no access to it. */
typedef struct
{
  guint64 number;       /* of its last sending, from 1; 0: it was never sent */
  gboolean tried;       /* it was sent in vain */
  gboolean unsure;      /* an attempt that failed may have come through all the same */
  gboolean refused;     /* something in between did not let it through */
  gboolean dubious;     /* it was refused so, or is a part of a batch that was */
  LsobsVerdict verdict; /* of the last answer, if the client has sent it */
  LsobsSuspicion suspicion;
  guint64 failed;         /* the number of the last sending that has failed, or 0 */
  gint64 distance;        /* ms: of its sendings, when it is put aside; 0: it is not */
  gint64 not_before;      /* monotonic, µs: then it is sent again, unless a flush waits */
  gboolean accused;       /* it has failed, and nothing else has succeeded since */
  guint64 pair;           /* the number of the two halves, when it is one; or 0 */
  gboolean struck;        /* a half has failed while others succeeded */
  guint n_strikes;        /* so often it has failed while others succeeded */
  LsobsDropReason reason; /* why it is lost, if it is to blame */
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
