/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/lsobs-transport.h"
#include "lsobs/model/lsobs-record-private.h"

G_BEGIN_DECLS

/* Feedback waits here until the service has answered what it takes to send it: the answer of /info
 * says how feedback is sent, and some services require the id of the project. Runs do not wait.
 * Used in the worker's context only. */
typedef struct _LsobsFeedbackGate LsobsFeedbackGate;

typedef enum
{
  LSOBS_FEEDBACK_TOGETHER,  /* in a batch with other records */
  LSOBS_FEEDBACK_ALONE,     /* in a request of its own */
  LSOBS_FEEDBACK_UNDECIDED, /* the service has not said yet what it can do */
  LSOBS_FEEDBACK_NAMELESS   /* the id of its project is needed, and not known */
} LsobsFeedbackWay;

LsobsFeedbackGate *_lsobs_feedback_gate_new (LsobsSettings *settings,
                                             LsobsTransport *transport,
                                             GMainContext *context);
void _lsobs_feedback_gate_free (LsobsFeedbackGate *self);

LsobsFeedbackWay _lsobs_feedback_gate_judge (LsobsFeedbackGate *self, LsobsRecord *record);
gboolean _lsobs_feedback_gate_ask (LsobsFeedbackGate *self,
                                   LsobsRecord *record,
                                   LsobsFeedbackWay way);

void _lsobs_feedback_gate_add (LsobsFeedbackGate *self, LsobsRecord *record);
GQueue *_lsobs_feedback_gate_peek_waiting (LsobsFeedbackGate *self);
LsobsRecord *_lsobs_feedback_gate_take_surplus (LsobsFeedbackGate *self);
LsobsRecord *_lsobs_feedback_gate_take (LsobsFeedbackGate *self);
void _lsobs_feedback_gate_release (LsobsFeedbackGate *self, GPtrArray *records, guint max_records);

G_END_DECLS
