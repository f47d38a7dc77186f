/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-error.h"

G_BEGIN_DECLS

/* What an answer means for the batch that was sent. Pure functions: they know
 * neither clock nor socket nor chance. */
typedef enum
{
  LSOBS_VERDICT_DELIVERED,
  LSOBS_VERDICT_RETRY,       /* may pass: send the same again */
  LSOBS_VERDICT_CONFLICT,    /* one of the records was there already */
  LSOBS_VERDICT_TOO_LARGE,
  LSOBS_VERDICT_REJECTED,
  LSOBS_VERDICT_UNAUTHORIZED,
  LSOBS_VERDICT_QUOTA,
  LSOBS_VERDICT_NOT_FOUND,
  LSOBS_VERDICT_REDIRECTED
} LsobsVerdict;

#define LSOBS_RETRY_MAX_DELAY  30000  /* ms: the back-off grows no further */
#define LSOBS_RETRY_MAX_AFTER  60000  /* ms: no server makes us wait longer */
#define LSOBS_RETRY_MAX_TOTAL  120000 /* ms: from the first attempt to the last */

LsobsVerdict _lsobs_retry_judge       (guint         status,
                                       const char   *body);
gint64       _lsobs_retry_delay       (gint64        base,
                                       guint         n_attempts,
                                       double        chance,
                                       gint64        retry_after);
gint64       _lsobs_retry_parse_after (const char   *value,
                                       gint64        now);
GError      *_lsobs_retry_make_error  (LsobsVerdict  verdict,
                                       guint         status,
                                       const char   *body);

G_END_DECLS
