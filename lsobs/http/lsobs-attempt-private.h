/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/http/lsobs-service-private.h"
#include "lsobs/transport/lsobs-delivery-policy-private.h"

G_BEGIN_DECLS

/* All attempts so far at one request, which belongs to a task. */
typedef struct
{
  LsobsService *service; /* (owned) */
  guint epoch;           /* the process that makes them */
  guint n;
  guint max;            /* there are to be no more than these */
  gboolean alone;       /* the batch cannot be split */
  gboolean again;       /* it was sent in vain before these */
  gboolean unsure;      /* one that failed may have come through all the same */
  gboolean proven;      /* the service was, before the last answer */
  gint64 began;         /* monotonic, µs: the first one */
  SoupMessage *message; /* (owned) (nullable) of the current one */
  guint used_key;       /* the serial number of its key */
  guint refused_key;    /* that of the key that was refused, or 0 */
  gboolean asked_key;   /* the key was waited for, since the refusal if there was one */
  GError *refusal;      /* (owned) (nullable) with refused_key */
} LsobsAttempts;

/* What has become of one of them. */
typedef struct
{
  guint status;    /* of HTTP, or 0 for no answer */
  gboolean unsure; /* the service may have got the request earlier */
  LsobsVerdict verdict;
  char *answer;       /* (owned) (nullable) its first words; the key is not among them */
  GError *error;      /* (owned) (nullable) of the connection */
  gint64 retry_after; /* ms, or -1 */
} LsobsOutcome;

#define LSOBS_OUTCOME_INIT \
 { \
  0, FALSE, LSOBS_VERDICT_UNREACHABLE, NULL, NULL, -1 \
 }

void _lsobs_attempts_init (LsobsAttempts *self, LsobsService *service);
void _lsobs_attempts_clear (LsobsAttempts *self);
gboolean _lsobs_attempts_are_foreign (LsobsAttempts *self);

gboolean _lsobs_attempts_have_key (LsobsAttempts *self,
                                   GTask *task,
                                   GSourceFunc func,
                                   GError **error);
gboolean _lsobs_attempts_need_other_key (LsobsAttempts *self, LsobsOutcome *outcome);
gboolean _lsobs_attempts_wait (LsobsAttempts *self, GTask *task, GSourceFunc func);
void _lsobs_attempts_begin (LsobsAttempts *self,
                            GTask *task,
                            SoupMessage *message,
                            const char *type,
                            GBytes *body,
                            GAsyncReadyCallback callback);
gboolean _lsobs_attempts_end (LsobsAttempts *self,
                              GAsyncResult *result,
                              LsobsOutcome *outcome,
                              GError **error);
void _lsobs_attempts_take_back (LsobsAttempts *self);
gboolean _lsobs_attempts_go_on (LsobsAttempts *self, LsobsOutcome *outcome, GError **error);

void _lsobs_outcome_clear (LsobsOutcome *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LsobsOutcome, _lsobs_outcome_clear)

G_END_DECLS
