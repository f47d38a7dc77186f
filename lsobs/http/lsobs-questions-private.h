/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/http/lsobs-route-private.h"
#include "lsobs/transport/lsobs-delivery-policy-private.h"

G_BEGIN_DECLS

/* Asks a service questions: GET requests that carry no records. Questions wait for the key of the
 * service together, and wake the worker after each reply. Used only in the thread that sends. */
typedef struct _LsobsQuestions LsobsQuestions;

/* The reply to a question. */
typedef struct
{
  SoupMessage *message;  /* the question */
  guint status;          /* of HTTP */
  const char *text;      /* (nullable) %NULL: no answer came */
  gsize len;             /* of text */
  LsobsOutcome outcome;  /* UNREACHABLE without an answer */
  const GError *problem; /* (nullable) why no answer came */
} LsobsReply;

typedef void (*LsobsReplyFunc) (const LsobsReply *reply, gpointer user_data);

LsobsQuestions *_lsobs_questions_new (LsobsSettings *settings, LsobsRoute *route);
LsobsQuestions *_lsobs_questions_ref (LsobsQuestions *self);
void _lsobs_questions_unref (LsobsQuestions *self);
void _lsobs_questions_leave_parent (LsobsQuestions *self);
void _lsobs_questions_close (LsobsQuestions *self);

void _lsobs_questions_set_waker (LsobsQuestions *self, GSource *waker);
void _lsobs_questions_assert_context (LsobsQuestions *self);
void _lsobs_questions_wake (LsobsQuestions *self, gint64 time);

LsobsCredentialsState _lsobs_questions_need_key (LsobsQuestions *self);
gboolean _lsobs_questions_refuse_key (LsobsQuestions *self, const LsobsReply *reply);

void _lsobs_questions_ask (LsobsQuestions *self,
                           const char *path,
                           const LsobsExchangeLimits *limits,
                           GCancellable *cancellable,
                           LsobsReplyFunc func,
                           gpointer user_data,
                           GDestroyNotify notify);
gboolean _lsobs_reply_refuses_key (const LsobsReply *reply);
GError *_lsobs_questions_make_error (LsobsQuestions *self, const LsobsReply *reply);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsQuestions, _lsobs_questions_unref)

G_END_DECLS
