/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-types.h>

G_BEGIN_DECLS

/**
 * LsobsRunEventKind:
 * @LSOBS_RUN_EVENT_KIND_START: a start of a run; with an end time, a complete run
 * @LSOBS_RUN_EVENT_KIND_UPDATE: the end of a run that has started before
 * @LSOBS_RUN_EVENT_KIND_FEEDBACK: feedback to a run; only an #LsobsBatch has such events
 *
 * The kind of an #LsobsRunEvent.
 *
 * Since: 0.1
 */
typedef enum
{
  LSOBS_RUN_EVENT_KIND_START,
  LSOBS_RUN_EVENT_KIND_UPDATE,
  LSOBS_RUN_EVENT_KIND_FEEDBACK
} LsobsRunEventKind;

#define LSOBS_TYPE_RUN_EVENT_KIND (lsobs_run_event_kind_get_type ())
#define LSOBS_TYPE_RUN_EVENT      (lsobs_run_event_get_type ())

/**
 * LsobsRunEvent:
 *
 * A start or an update of a run, which is identified by its id.
 *
 * Since: 0.1
 */
typedef struct _LsobsRunEvent LsobsRunEvent;

LSOBS_AVAILABLE_IN_0_1
GType lsobs_run_event_kind_get_type (void);
LSOBS_AVAILABLE_IN_0_1
GType lsobs_run_event_get_type (void);

LSOBS_AVAILABLE_IN_0_1
LsobsRunEvent *lsobs_run_event_new_start (const char *id,
                                          const char *parent_id,
                                          const char *name,
                                          LsobsRunType run_type,
                                          JsonNode *inputs);
LSOBS_AVAILABLE_IN_0_1
LsobsRunEvent *lsobs_run_event_new_update (const char *id,
                                           JsonNode *outputs,
                                           const char *error_text);
LSOBS_AVAILABLE_IN_0_1
LsobsRunEvent *lsobs_run_event_ref (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_event_unref (LsobsRunEvent *self);

LSOBS_AVAILABLE_IN_0_1
LsobsRunEventKind lsobs_run_event_get_kind (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_run_event_get_id (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_run_event_get_parent_id (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_run_event_get_name (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
LsobsRunType lsobs_run_event_get_run_type (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_run_event_get_project_name (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_run_event_get_address (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
JsonNode *lsobs_run_event_get_inputs (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
JsonNode *lsobs_run_event_get_outputs (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
JsonNode *lsobs_run_event_get_extra (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
JsonNode *lsobs_run_event_get_events (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
JsonNode *lsobs_run_event_get_serialized (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_run_event_get_reference_example_id (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
GStrv lsobs_run_event_get_tags (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_run_event_get_error_text (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
LsobsRunStatus lsobs_run_event_get_status (LsobsRunEvent *self);

LSOBS_AVAILABLE_IN_0_1
void lsobs_run_event_set_name (LsobsRunEvent *self, const char *name);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_event_set_run_type (LsobsRunEvent *self, LsobsRunType run_type);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_event_set_project_name (LsobsRunEvent *self, const char *project_name);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_event_set_address (LsobsRunEvent *self, const char *address);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_event_set_inputs (LsobsRunEvent *self, JsonNode *inputs);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_event_set_outputs (LsobsRunEvent *self, JsonNode *outputs);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_event_set_error_text (LsobsRunEvent *self, const char *error_text);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_event_set_tags (LsobsRunEvent *self, const char *const *tags);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_event_set_extra (LsobsRunEvent *self, JsonNode *extra);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_event_set_metadata (LsobsRunEvent *self, const char *key, JsonNode *value);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_event_set_events (LsobsRunEvent *self, JsonNode *events);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_event_set_serialized (LsobsRunEvent *self, JsonNode *serialized);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_run_event_set_reference_example_id (LsobsRunEvent *self,
                                                   const char *example_id,
                                                   GError **error);

LSOBS_AVAILABLE_IN_0_1
void lsobs_run_event_set_trace (LsobsRunEvent *self,
                                const char *trace_id,
                                const char *dotted_order);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_run_event_get_trace_id (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_run_event_get_dotted_order (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_event_set_start_time (LsobsRunEvent *self, gint64 start_time);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_run_event_get_start_time (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_event_set_end_time (LsobsRunEvent *self, gint64 end_time);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_run_event_get_end_time (LsobsRunEvent *self);

LSOBS_AVAILABLE_IN_0_1
JsonNode *lsobs_run_event_get_feedback (LsobsRunEvent *self);

LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_run_event_add_attachment (LsobsRunEvent *self,
                                         const char *name,
                                         const char *mime_type,
                                         GBytes *data,
                                         GError **error);
LSOBS_AVAILABLE_IN_0_1
GStrv lsobs_run_event_dup_attachment_names (LsobsRunEvent *self);
LSOBS_AVAILABLE_IN_0_1
GBytes *lsobs_run_event_get_attachment (LsobsRunEvent *self,
                                        const char *name,
                                        const char **mime_type);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRunEvent, lsobs_run_event_unref)

G_END_DECLS
