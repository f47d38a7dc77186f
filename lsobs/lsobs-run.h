/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-feedback.h>
#include <lsobs/lsobs-usage.h>

G_BEGIN_DECLS

#define LSOBS_TYPE_RUN (lsobs_run_get_type ())

/**
 * LsobsRun:
 *
 * One unit of work in a trace.
 *
 * Since: 0.1
 */
typedef struct _LsobsRun LsobsRun;

LSOBS_AVAILABLE_IN_0_1
GType lsobs_run_get_type (void);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_run_ref (LsobsRun *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_unref (LsobsRun *self);

LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_run_start_child (LsobsRun *self,
                                 const char *name,
                                 LsobsRunType run_type,
                                 JsonNode *inputs);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_run_start_child_bytes (LsobsRun *self,
                                       const char *name,
                                       LsobsRunType run_type,
                                       GBytes *inputs);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_run_start_child_of_kind (LsobsRun *self,
                                         const char *name,
                                         const char *kind,
                                         JsonNode *inputs);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_end (LsobsRun *self, JsonNode *outputs);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_end_bytes (LsobsRun *self, GBytes *outputs);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_fail (LsobsRun *self, const GError *error);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_fail_with_outputs (LsobsRun *self, const GError *error, JsonNode *outputs);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_fail_with_outputs_bytes (LsobsRun *self, const GError *error, GBytes *outputs);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_fail_with_message (LsobsRun *self, const char *message);

LSOBS_AVAILABLE_IN_0_1
void lsobs_run_add_tag (LsobsRun *self, const char *tag);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_set_metadata (LsobsRun *self, const char *key, JsonNode *value);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_set_metadata_string (LsobsRun *self, const char *key, const char *value);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_set_thread_id (LsobsRun *self, const char *thread_id);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_set_extra (LsobsRun *self, const char *key, JsonNode *value);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_add_event (LsobsRun *self, const char *name, JsonNode *details);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_add_text_event (LsobsRun *self, const char *message);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_set_serialized (LsobsRun *self, JsonNode *serialized);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_run_set_reference_example_id (LsobsRun *self,
                                             const char *example_id,
                                             GError **error);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_set_model (LsobsRun *self, const char *provider, const char *model_name);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_set_model_type (LsobsRun *self, const char *model_type);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_set_invocation_params (LsobsRun *self, JsonNode *params);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_set_usage (LsobsRun *self,
                          gint64 input_tokens,
                          gint64 output_tokens,
                          gint64 total_tokens);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_run_set_usage_from_response (LsobsRun *self, JsonNode *response);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_set_usage_metadata (LsobsRun *self, LsobsUsage *usage);

LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_run_add_attachment (LsobsRun *self,
                                   const char *name,
                                   const char *mime_type,
                                   GBytes *data,
                                   GError **error);

LSOBS_AVAILABLE_IN_0_1
LsobsFeedback *lsobs_run_new_feedback (LsobsRun *self, const char *key);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_run_add_feedback (LsobsRun *self,
                                 const char *key,
                                 double score,
                                 const char *comment,
                                 GError **error);

LSOBS_AVAILABLE_IN_0_1
const char *lsobs_run_get_name (LsobsRun *self);
LSOBS_AVAILABLE_IN_0_1
LsobsRunType lsobs_run_get_run_type (LsobsRun *self);
LSOBS_AVAILABLE_IN_0_1
LsobsRunStatus lsobs_run_get_status (LsobsRun *self);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_run_is_sampled (LsobsRun *self);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_run_get_start_time (LsobsRun *self);
LSOBS_AVAILABLE_IN_0_1
char *lsobs_run_dup_id (LsobsRun *self);
LSOBS_AVAILABLE_IN_0_1
char *lsobs_run_dup_trace_id (LsobsRun *self);
LSOBS_AVAILABLE_IN_0_1
char *lsobs_run_dup_parent_id (LsobsRun *self);
LSOBS_AVAILABLE_IN_0_1
char *lsobs_run_dup_dotted_order (LsobsRun *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRun, lsobs_run_unref)

G_END_DECLS
