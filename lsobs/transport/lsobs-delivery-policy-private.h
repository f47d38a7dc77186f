/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-error.h"
#include "lsobs/lsobs-stats.h"

G_BEGIN_DECLS

/* What is done with a batch after each answer. Pure functions: clock, socket and random numbers
 * belong to the caller. */

/* What an answer, or its absence, means for the batch that was sent. */
typedef enum
{
  LSOBS_OUTCOME_DELIVERED,
  LSOBS_OUTCOME_RETRY,       /* a passing failure of the service */
  LSOBS_OUTCOME_BUSY,        /* the service accepts nothing for now */
  LSOBS_OUTCOME_UNREACHABLE, /* no answer */
  LSOBS_OUTCOME_CONFLICT,    /* the service has had one of the records already */
  LSOBS_OUTCOME_TOO_LARGE,
  LSOBS_OUTCOME_REJECTED, /* one of the records is invalid */
  LSOBS_OUTCOME_REFUSED,  /* the request is invalid, whatever its records are */
  LSOBS_OUTCOME_UNAUTHORIZED,
  LSOBS_OUTCOME_NO_WORKSPACE, /* the key needs a workspace id */
  LSOBS_OUTCOME_QUOTA,        /* the limit of the month is used up */
  LSOBS_OUTCOME_LIMITED,      /* the limit of the hour is used up */
  LSOBS_OUTCOME_NOT_FOUND,
  LSOBS_OUTCOME_REDIRECTED,
  LSOBS_OUTCOME_NO_KEY,      /* nothing was sent, because the key is missing */
  LSOBS_OUTCOME_FOREIGN,     /* a proxy, firewall or portal refuses the request */
  LSOBS_OUTCOME_BLOCKED,     /* FOREIGN, but the service itself can be reached */
  LSOBS_OUTCOME_NO_PAGE,     /* a 404 from a server that is not the service */
  LSOBS_OUTCOME_INTERCEPTED, /* a proxy, firewall or portal answers instead of the service */
  LSOBS_N_OUTCOMES
} LsobsOutcome;

/* What the worker does with a batch that is not retried and not split. */
typedef enum
{
  LSOBS_DELIVERY_ACTION_DONE, /* count it as delivered */
  LSOBS_DELIVERY_ACTION_DROP, /* count it as lost */
  LSOBS_DELIVERY_ACTION_WAIT, /* keep it, send it again after the pause */
  LSOBS_DELIVERY_ACTION_PROBE /* keep it, probe the service until it is back */
} LsobsDeliveryAction;

/* The policy for one outcome. */
typedef struct
{
  const char *name;
  gboolean retry;  /* the client sends the same request again, after a delay */
  gboolean unsure; /* the service may have processed the request */
  gboolean split;  /* the worker halves the batch until only the bad record is left */
  LsobsDeliveryAction action;
  LsobsState state;        /* of the exporter afterwards; OK: the service is well */
  LsobsError code;         /* of the error that the client gives to the worker */
  LsobsDropReason reason;  /* that a loss is counted by */
  const char *explanation; /* (nullable) untranslated message of the error */
} LsobsDeliveryPolicy;

/* What the delay before the next attempt depends on. */
typedef struct
{
  guint max_attempts;
  gint64 delay;     /* ms: the first delay; it doubles */
  guint n_attempts; /* that have failed */
  gint64 elapsed;   /* ms since the first attempt began */
} LsobsRetryState;

#define LSOBS_DELIVERY_POLICY_MAX_DELAY         30000  /* ms: of a delay between attempts */
#define LSOBS_DELIVERY_POLICY_MAX_AFTER         60000  /* ms: of Retry-After */
#define LSOBS_DELIVERY_POLICY_MAX_TOTAL         120000 /* ms: from the first attempt to the last */
#define LSOBS_DELIVERY_POLICY_PAUSE_GROWTH      10     /* longest pause / first pause */
#define LSOBS_DELIVERY_POLICY_PROBE_GROWTH      60     /* longest / first time to a probe */
#define LSOBS_DELIVERY_POLICY_MAX_LONE_FAILURES 3      /* lone failures of a bad batch */
#define LSOBS_DELIVERY_POLICY_HOUR_SPREAD       10000 /* ms: of the first requests after the hour */

gboolean _lsobs_delivery_policy_is_page (guint status, const char *type, const char *body);
LsobsOutcome _lsobs_delivery_policy_classify (guint status, const char *type, const char *body);
const LsobsDeliveryPolicy *_lsobs_delivery_policy_get (LsobsOutcome outcome);
const LsobsDeliveryPolicy *_lsobs_delivery_policy_find (const GError *error);
gint64 _lsobs_delivery_policy_delay (gint64 base,
                                     guint n_attempts,
                                     double chance,
                                     gint64 retry_after);
gint64 _lsobs_delivery_policy_next_delay (const LsobsRetryState *retry,
                                          double chance,
                                          gint64 retry_after);
gint64 _lsobs_delivery_policy_before_end (gint64 until,
                                          gint64 now,
                                          gint64 end,
                                          gint64 *last_chance);
gint64 _lsobs_delivery_policy_pause (gint64 first, gint64 growth, gint64 last);
gint64 _lsobs_delivery_policy_spread (gint64 delay, double chance);
gint64 _lsobs_delivery_policy_pause_to_hour (gint64 pause, gint64 now, double chance);
gint64 _lsobs_delivery_policy_parse_retry_after (const char *value, gint64 now);
GError *_lsobs_delivery_policy_make_error (LsobsOutcome outcome, guint status, const char *body);

G_END_DECLS
