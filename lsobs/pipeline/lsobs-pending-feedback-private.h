/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/lsobs-transport.h"
#include "lsobs/model/lsobs-record-private.h"

G_BEGIN_DECLS

/* Feedback waits here until the service has answered what it takes to send it: the answer of /info
 * says how feedback is sent, and some services require the id of the project. Runs do not wait.
 * Used in the worker's context only. */
typedef struct _LsobsPendingFeedback LsobsPendingFeedback;

typedef enum
{
  LSOBS_FEEDBACK_TOGETHER,  /* in a batch with other records */
  LSOBS_FEEDBACK_ALONE,     /* in a batch of its own */
  LSOBS_FEEDBACK_UNDECIDED, /* the service has not said yet what it can do */
  LSOBS_FEEDBACK_NAMELESS   /* the id of its project is needed, and not known */
} LsobsFeedbackMode;

LsobsPendingFeedback *_lsobs_pending_feedback_new (LsobsSettings *settings,
                                                   LsobsTransport *transport);
void _lsobs_pending_feedback_set_context (LsobsPendingFeedback *self, GMainContext *context);
void _lsobs_pending_feedback_free (LsobsPendingFeedback *self);

LsobsFeedbackMode _lsobs_pending_feedback_find_mode (LsobsPendingFeedback *self,
                                                     LsobsRecord *record);
gboolean _lsobs_pending_feedback_look_up (LsobsPendingFeedback *self,
                                          LsobsRecord *record,
                                          LsobsFeedbackMode mode);

void _lsobs_pending_feedback_add (LsobsPendingFeedback *self, LsobsRecord *record);
GQueue *_lsobs_pending_feedback_peek_queue (LsobsPendingFeedback *self);
LsobsRecord *_lsobs_pending_feedback_take_surplus (LsobsPendingFeedback *self);
LsobsRecord *_lsobs_pending_feedback_take (LsobsPendingFeedback *self);
void _lsobs_pending_feedback_release (LsobsPendingFeedback *self,
                                      GPtrArray *records,
                                      guint max_records);

G_END_DECLS
