/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-error.h"
#include "lsobs/lsobs-stats.h"

G_BEGIN_DECLS

/* What an answer means for the batch that was sent, and what is done about it.
 * Pure functions: they know neither clock nor socket nor chance. */
typedef enum
{
  LSOBS_VERDICT_DELIVERED,
  LSOBS_VERDICT_RETRY,       /* may pass: send the same again */
  LSOBS_VERDICT_BUSY,        /* not taken for now: the same */
  LSOBS_VERDICT_UNREACHABLE, /* no answer: the same */
  LSOBS_VERDICT_CONFLICT,    /* one of the records was there already */
  LSOBS_VERDICT_TOO_LARGE,
  LSOBS_VERDICT_REJECTED, /* one of the records is bad */
  LSOBS_VERDICT_REFUSED,  /* the request is, whatever is in it */
  LSOBS_VERDICT_UNAUTHORIZED,
  LSOBS_VERDICT_NO_WORKSPACE, /* the key needs one */
  LSOBS_VERDICT_QUOTA,        /* until the next month */
  LSOBS_VERDICT_LIMITED,      /* until the next hour */
  LSOBS_VERDICT_NOT_FOUND,
  LSOBS_VERDICT_REDIRECTED,
  LSOBS_VERDICT_NO_KEY,      /* nothing was sent, because the key is missing */
  LSOBS_VERDICT_FOREIGN,     /* something in between refuses the request */
  LSOBS_VERDICT_BLOCKED,     /* the same, but the service itself can be reached */
  LSOBS_VERDICT_NO_PAGE,     /* something that is not the service has no such page */
  LSOBS_VERDICT_INTERCEPTED, /* something in between answers in place of the service */
  LSOBS_N_VERDICTS
} LsobsVerdict;

typedef enum
{
  LSOBS_FATE_DELIVERED,
  LSOBS_FATE_LOST,
  LSOBS_FATE_KEPT, /* sent again when the pause is over */
  LSOBS_FATE_HELD  /* kept, and the service is probed until it is back */
} LsobsFate;

/* One row of the table that everybody obeys. */
typedef struct
{
  const char *name;
  gboolean again;          /* the same is sent again, after a delay */
  gboolean unsure;         /* it may have been taken all the same */
  gboolean split;          /* it is halved until the record to blame stands alone */
  LsobsFate fate;          /* of what is sent no more, and cannot be split */
  LsobsState state;        /* what the service is in then; OK: the service is well */
  LsobsError code;         /* what it is called on the way from client to worker */
  LsobsDropReason reason;  /* how the loss is booked */
  const char *explanation; /* (nullable) for people, to be translated */
} LsobsPolicy;

/* What the next attempt depends on. */
typedef struct
{
  guint max_attempts;
  gint64 delay;     /* ms: the first delay, which doubles */
  guint n_attempts; /* so many have failed */
  gint64 elapsed;   /* ms since the first one began */
} LsobsRetryPlan;

#define LSOBS_DELIVERY_POLICY_MAX_DELAY    30000  /* ms: the back-off grows no further */
#define LSOBS_DELIVERY_POLICY_MAX_AFTER    60000  /* ms: no server makes us wait longer */
#define LSOBS_DELIVERY_POLICY_MAX_TOTAL    120000 /* ms: from the first attempt to the last */
#define LSOBS_DELIVERY_POLICY_PAUSE_GROWTH 10     /* so many times the first pause is the longest */
#define LSOBS_DELIVERY_POLICY_PROBE_GROWTH 60     /* so many times that is the longest distance */
#define LSOBS_DELIVERY_POLICY_MAX_STRIKES  3     /* a batch that fails so often alone is to blame */
#define LSOBS_DELIVERY_POLICY_HOUR_SPREAD  10000 /* ms: how late after the hour we may come */

LsobsVerdict _lsobs_delivery_policy_judge (guint status, const char *type, const char *body);
const LsobsPolicy *_lsobs_delivery_policy_get_policy (LsobsVerdict verdict);
const LsobsPolicy *_lsobs_delivery_policy_find_policy (const GError *error);
gint64 _lsobs_delivery_policy_delay (gint64 base,
                                     guint n_attempts,
                                     double chance,
                                     gint64 retry_after);
gint64 _lsobs_delivery_policy_next (const LsobsRetryPlan *plan, double chance, gint64 retry_after);
gint64 _lsobs_delivery_policy_before_end (gint64 until,
                                          gint64 now,
                                          gint64 end,
                                          gint64 *last_chance);
gint64 _lsobs_delivery_policy_pause (gint64 first, gint64 growth, gint64 last);
gint64 _lsobs_delivery_policy_spread (gint64 delay, double chance);
gint64 _lsobs_delivery_policy_pause_to_hour (gint64 pause, gint64 now, double chance);
gint64 _lsobs_delivery_policy_parse_after (const char *value, gint64 now);
GError *_lsobs_delivery_policy_make_error (LsobsVerdict verdict, guint status, const char *body);

G_END_DECLS
