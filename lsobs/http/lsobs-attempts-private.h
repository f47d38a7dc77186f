/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/http/lsobs-service-private.h"
#include "lsobs/transport/lsobs-delivery-policy-private.h"

G_BEGIN_DECLS

/* The attempts of one upload, or of a replayed file. They belong to its task. Used only in the
 * context that sends, that of the task. */
typedef struct
{
  LsobsService *service;  /* (owned) */
  guint epoch;            /* the process that makes them */
  guint n;                /* attempts so far */
  gint64 began;           /* monotonic, µs: of the first attempt */
  SoupMessage *message;   /* (owned) (nullable) of the current attempt */
  gboolean unsure;        /* the service may have processed an attempt that failed */
  gboolean was_reachable; /* the service could be reached before the last answer */

  /* set before the first attempt */
  guint max;        /* attempts at most */
  gsize max_answer; /* bytes: the rest of an answer is not read */
  gboolean alone;   /* the batch cannot be split */
  gboolean small;   /* the batch is one record, which cannot be made smaller */
  gboolean again;   /* the batch was sent before, without success */

  /* set before each attempt */
  gboolean proven; /* the service has accepted a request at this endpoint */

  /* the key */
  guint used_key;     /* the serial number of the key in the last attempt */
  guint refused_key;  /* the serial number of the key that was refused, or 0 */
  gboolean asked_key; /* the key was waited for, since the refusal if there was one */
  GError *refusal;    /* (owned) (nullable) the error for refused_key */
} LsobsAttempts;

/* The result of one attempt. */
typedef struct
{
  guint status;    /* of HTTP, or 0 for no answer */
  gboolean unsure; /* the service may have processed the request earlier */
  LsobsOutcome outcome;
  char *text;         /* (owned) (nullable) the beginning of the answer, without the key */
  GError *error;      /* (owned) (nullable) why there is no answer */
  gint64 retry_after; /* ms, or -1 */
} LsobsAnswer;

#define LSOBS_ANSWER_INIT \
 { \
  .outcome = LSOBS_OUTCOME_UNREACHABLE, .retry_after = -1 \
 }

void _lsobs_attempts_init (LsobsAttempts *self, LsobsService *service);
void _lsobs_attempts_clear (LsobsAttempts *self);
gboolean _lsobs_attempts_are_forked (LsobsAttempts *self);

gboolean _lsobs_attempts_wait (LsobsAttempts *self, GTask *task, GSourceFunc func);
gboolean _lsobs_attempts_have_key (LsobsAttempts *self,
                                   GTask *task,
                                   GSourceFunc func,
                                   GError **error);
void _lsobs_attempts_begin (LsobsAttempts *self,
                            GTask *task,
                            SoupMessage *message,
                            const char *type,
                            GBytes *body,
                            GAsyncReadyCallback callback);
gboolean _lsobs_attempts_end (LsobsAttempts *self,
                              GAsyncResult *result,
                              LsobsAnswer *answer,
                              GError **error);
void _lsobs_attempts_ignore_reachable (LsobsAttempts *self);
gboolean _lsobs_attempts_need_other_key (LsobsAttempts *self, LsobsAnswer *answer);
gboolean _lsobs_attempts_plan_next (LsobsAttempts *self, LsobsAnswer *answer, GError **error);

void _lsobs_answer_clear (LsobsAnswer *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LsobsAnswer, _lsobs_answer_clear)

G_END_DECLS
