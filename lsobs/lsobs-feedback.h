/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-types.h>

G_BEGIN_DECLS

/**
 * LsobsFeedbackSource:
 * @LSOBS_FEEDBACK_SOURCE_API: a person, or a program
 * @LSOBS_FEEDBACK_SOURCE_MODEL: a model that evaluates runs
 *
 * The source of feedback.
 *
 * Since: 0.1
 */
typedef enum
{
  LSOBS_FEEDBACK_SOURCE_API,
  LSOBS_FEEDBACK_SOURCE_MODEL
} LsobsFeedbackSource;

#define LSOBS_TYPE_FEEDBACK_SOURCE (lsobs_feedback_source_get_type ())
#define LSOBS_TYPE_FEEDBACK        (lsobs_feedback_get_type ())

/**
 * LsobsFeedback:
 *
 * A score, a comment or a correction for a run.
 *
 * Since: 0.1
 */
typedef struct _LsobsFeedback LsobsFeedback;

LSOBS_AVAILABLE_IN_0_1
GType lsobs_feedback_source_get_type (void);
LSOBS_AVAILABLE_IN_0_1
GType lsobs_feedback_get_type (void);

LSOBS_AVAILABLE_IN_0_1
LsobsFeedback *lsobs_feedback_new (const char *run_id, const char *trace_id, const char *key);
LSOBS_AVAILABLE_IN_0_1
LsobsFeedback *lsobs_feedback_ref (LsobsFeedback *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_feedback_unref (LsobsFeedback *self);

LSOBS_AVAILABLE_IN_0_1
const char *lsobs_feedback_get_id (LsobsFeedback *self);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_feedback_get_run_id (LsobsFeedback *self);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_feedback_get_trace_id (LsobsFeedback *self);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_feedback_get_key (LsobsFeedback *self);

LSOBS_AVAILABLE_IN_0_1
void lsobs_feedback_set_score (LsobsFeedback *self, double score);
LSOBS_AVAILABLE_IN_0_1
void lsobs_feedback_set_score_boolean (LsobsFeedback *self, gboolean score);
LSOBS_AVAILABLE_IN_0_1
void lsobs_feedback_set_value (LsobsFeedback *self, JsonNode *value);
LSOBS_AVAILABLE_IN_0_1
void lsobs_feedback_set_comment (LsobsFeedback *self, const char *comment);
LSOBS_AVAILABLE_IN_0_1
void lsobs_feedback_set_correction (LsobsFeedback *self, JsonNode *correction);
LSOBS_AVAILABLE_IN_0_1
void lsobs_feedback_set_source (LsobsFeedback *self,
                                LsobsFeedbackSource source,
                                JsonNode *metadata);
LSOBS_AVAILABLE_IN_0_1
void lsobs_feedback_set_project_id (LsobsFeedback *self, const char *project_id);
LSOBS_AVAILABLE_IN_0_1
void lsobs_feedback_set_start_time (LsobsFeedback *self, gint64 start_time);
LSOBS_AVAILABLE_IN_0_1
void lsobs_feedback_set_experiment_id (LsobsFeedback *self, const char *experiment_id);
LSOBS_AVAILABLE_IN_0_1
void lsobs_feedback_set_group_id (LsobsFeedback *self, const char *group_id);
LSOBS_AVAILABLE_IN_0_1
void lsobs_feedback_set_config (LsobsFeedback *self, JsonNode *config);
LSOBS_AVAILABLE_IN_0_1
void lsobs_feedback_set_extra (LsobsFeedback *self, JsonNode *extra);
LSOBS_AVAILABLE_IN_0_1
void lsobs_feedback_set_is_error (LsobsFeedback *self, gboolean is_error);
LSOBS_AVAILABLE_IN_0_1
void lsobs_feedback_set_extend_retention (LsobsFeedback *self, gboolean extend_retention);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsFeedback, lsobs_feedback_unref)

G_END_DECLS
