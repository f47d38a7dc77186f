/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-id-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/model/lsobs-run-event-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/**
 * SECTION:lsobs-run-event
 * @title: LsobsRunEvent
 * @short_description: a start or an update of a run
 *
 * An event reports a start or an update of a run by the id of the run. It is for programs that keep
 * ids instead of an #LsobsRun, such as a bridge from another tracing system. In tests,
 * #LsobsMemoryTransport returns the events that a program has sent.
 *
 * Only one thread may change an event. Do not change it after lsobs_exporter_enqueue().
 */

G_DEFINE_ENUM_TYPE (LsobsRunEventKind,
                    lsobs_run_event_kind,
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_EVENT_KIND_START, "start"),
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_EVENT_KIND_UPDATE, "update"),
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_EVENT_KIND_FEEDBACK, "feedback"))

G_DEFINE_BOXED_TYPE (LsobsRunEvent, lsobs_run_event, lsobs_run_event_ref, lsobs_run_event_unref)

LsobsRunEvent *
_lsobs_run_event_alloc (LsobsRunEventKind kind, const char *id)
{
  LsobsRunEvent *self = g_new0 (LsobsRunEvent, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->kind = kind;
  self->id = g_strdup (id);
  return self;
}

/* A deep copy: json_node_copy() is shallow, and the program may change its tree.
 * Returns: (transfer full) (nullable) */
static JsonNode *
copy_node (JsonNode *node)
{
  const LsobsSanitizeOptions options = { .redactor = NULL };
  g_auto (LsobsBuffer) raw = LSOBS_BUFFER_INIT;
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  g_autoptr (JsonParser) parser = json_parser_new ();

  if (node == NULL)
    return NULL;
  /* The walker repairs what the parser would refuse. */
  _lsobs_json_write_node (&raw, node, G_MAXSSIZE);
  _lsobs_json_sanitize (&text, raw.data, raw.len, &options);
  if (!json_parser_load_from_data (parser, text.data, (gssize) text.len, NULL))
    return json_node_new (JSON_NODE_NULL);
  return json_parser_steal_root (parser);
}

/* @node: (nullable): may be the member's own */
static void
set_node (JsonNode **member, JsonNode *node)
{
  JsonNode *before = *member;

  *member = copy_node (node);
  g_clear_pointer (&before, json_node_unref);
}

/* @text: (nullable): may be the member's own */
static void
set_string (char **member, const char *text)
{
  char *before = *member;

  *member = g_strdup (text);
  g_free (before);
}

/**
 * lsobs_run_event_new_start:
 * @id: the id of the run, a UUID
 * @parent_id: (nullable): the id of the parent, or %NULL for the root of a trace
 * @name: the name of the run
 * @run_type: the type of the run
 * @inputs: (nullable): the inputs, which are copied, or %NULL
 *
 * Creates an event that starts a run.
 *
 * Returns: (transfer full): a new event
 *
 * Since: 0.1
 */
LsobsRunEvent *
lsobs_run_event_new_start (const char *id,
                           const char *parent_id,
                           const char *name,
                           LsobsRunType run_type,
                           JsonNode *inputs)
{
  LsobsRunEvent *self;

  g_return_val_if_fail (id != NULL, NULL);
  g_return_val_if_fail (name != NULL, NULL);

  self = _lsobs_run_event_alloc (LSOBS_RUN_EVENT_KIND_START, id);
  self->parent_id = g_strdup (parent_id);
  self->name = g_strdup (name);
  self->run_type = run_type;
  self->inputs = copy_node (inputs);
  return self;
}

/**
 * lsobs_run_event_new_update:
 * @id: the id of the run, a UUID
 * @outputs: (nullable): the outputs, which are copied, or %NULL
 * @error_text: (nullable): the error that the run has failed with, or %NULL
 *
 * Creates an event that ends a run.
 *
 * Returns: (transfer full): a new event
 *
 * Since: 0.1
 */
LsobsRunEvent *
lsobs_run_event_new_update (const char *id, JsonNode *outputs, const char *error_text)
{
  LsobsRunEvent *self;

  g_return_val_if_fail (id != NULL, NULL);

  self = _lsobs_run_event_alloc (LSOBS_RUN_EVENT_KIND_UPDATE, id);
  self->outputs = copy_node (outputs);
  self->error_text = g_strdup (error_text);
  return self;
}

/**
 * lsobs_run_event_ref:
 * @self: an event
 *
 * Adds a reference. Can be called from any thread.
 *
 * Returns: (transfer full): @self
 *
 * Since: 0.1
 */
LsobsRunEvent *
lsobs_run_event_ref (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/**
 * lsobs_run_event_unref:
 * @self: (transfer full): an event
 *
 * Drops a reference. The last call frees @self. Can be called from any thread.
 *
 * Since: 0.1
 */
void
lsobs_run_event_unref (LsobsRunEvent *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_free (self->id);
  g_free (self->parent_id);
  g_free (self->trace_id);
  g_free (self->dotted_order);
  g_free (self->name);
  g_free (self->project_name);
  g_free (self->address);
  g_free (self->error_text);
  g_strfreev (self->tags);
  g_clear_pointer (&self->inputs, json_node_unref);
  g_clear_pointer (&self->outputs, json_node_unref);
  g_clear_pointer (&self->extra, json_node_unref);
  g_clear_pointer (&self->events, json_node_unref);
  g_clear_pointer (&self->serialized, json_node_unref);
  g_free (self->example_id);
  g_clear_pointer (&self->attachments, g_ptr_array_unref);
  g_clear_pointer (&self->feedback, json_node_unref);
  g_free (self);
}

/**
 * lsobs_run_event_get_kind:
 * @self: an event
 *
 * Gets the kind of the event: a start, an update, or feedback.
 *
 * Returns: the kind
 *
 * Since: 0.1
 */
LsobsRunEventKind
lsobs_run_event_get_kind (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, LSOBS_RUN_EVENT_KIND_START);

  return self->kind;
}

/**
 * lsobs_run_event_get_id:
 * @self: an event
 *
 * Gets the id of the run.
 *
 * Returns: (transfer none): the id, a UUID
 *
 * Since: 0.1
 */
const char *
lsobs_run_event_get_id (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->id;
}

/**
 * lsobs_run_event_get_parent_id:
 * @self: an event
 *
 * Gets the id of the parent of the run.
 *
 * Returns: (transfer none) (nullable): the id, a UUID, or %NULL if the run is the root of a trace
 *
 * Since: 0.1
 */
const char *
lsobs_run_event_get_parent_id (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->parent_id;
}

/**
 * lsobs_run_event_get_name:
 * @self: an event
 *
 * Gets the name of the run.
 *
 * Returns: (transfer none) (nullable): the name, or %NULL if it is not set
 *
 * Since: 0.1
 */
const char *
lsobs_run_event_get_name (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->name;
}

/**
 * lsobs_run_event_set_name:
 * @self: an event
 * @name: the name of the run
 *
 * Sets the name of the run. An update needs a name only if another program has reported the start
 * of the run.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_name (LsobsRunEvent *self, const char *name)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (name != NULL);

  set_string (&self->name, name);
}

/**
 * lsobs_run_event_get_run_type:
 * @self: an event
 *
 * Gets the type of the run.
 *
 * Returns: the type
 *
 * Since: 0.1
 */
LsobsRunType
lsobs_run_event_get_run_type (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, LSOBS_RUN_TYPE_CHAIN);

  return self->run_type;
}

/**
 * lsobs_run_event_set_run_type:
 * @self: an event
 * @run_type: the type of the run
 *
 * Sets the type of the run. An update needs a type only if another program has reported the start
 * of the run.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_run_type (LsobsRunEvent *self, LsobsRunType run_type)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail ((guint) run_type <= LSOBS_RUN_TYPE_PARSER);

  self->run_type = run_type;
}

/**
 * lsobs_run_event_get_project_name:
 * @self: an event
 *
 * Gets the project that the run belongs to.
 *
 * Returns: (transfer none) (nullable): the name of the project; %NULL if the run belongs to an
 *   agent, or if the program has set no project
 *
 * Since: 0.1
 */
const char *
lsobs_run_event_get_project_name (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->project_name;
}

/**
 * lsobs_run_event_set_project_name:
 * @self: an event
 * @project_name: (nullable): the name of a project, or %NULL
 *
 * Sets the project that the run belongs to. If an event has neither a project nor an address, the
 * run belongs to the project or agent of its parent, if the exporter knows the parent, and
 * otherwise to that of the config. Use the same project for all runs of a trace. An update cannot
 * change the project of a run.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_project_name (LsobsRunEvent *self, const char *project_name)
{
  g_return_if_fail (self != NULL);

  set_string (&self->project_name, project_name);
}

/**
 * lsobs_run_event_get_address:
 * @self: an event
 *
 * Gets the address of the agent that the run belongs to.
 *
 * Returns: (transfer none) (nullable): the address; %NULL if the run belongs to a project, or if
 *   the program has set no address
 *
 * Since: 0.1
 */
const char *
lsobs_run_event_get_address (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->address;
}

/**
 * lsobs_run_event_set_address:
 * @self: an event
 * @address: (nullable): an address, `lrn:agents/ID/environments/ENVIRONMENT`, or %NULL
 *
 * Sets the address of the agent that the run belongs to, in place of a project. See
 * #LsobsConfig:agent-id and #LsobsConfig:agent-environment for its parts. lsobs_exporter_enqueue()
 * refuses another address, and an event that has a project, too. As with
 * lsobs_run_event_set_project_name(), use the same address for all runs of a trace.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_address (LsobsRunEvent *self, const char *address)
{
  g_return_if_fail (self != NULL);

  set_string (&self->address, address);
}

/**
 * lsobs_run_event_get_status:
 * @self: an event
 *
 * Gets the state of the run after this event.
 *
 * Returns: %LSOBS_RUN_STATUS_FAILED if there is an error, %LSOBS_RUN_STATUS_COMPLETED if the event
 *   ends the run, or %LSOBS_RUN_STATUS_RUNNING
 *
 * Since: 0.1
 */
LsobsRunStatus
lsobs_run_event_get_status (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, LSOBS_RUN_STATUS_RUNNING);

  if (self->error_text != NULL)
    return LSOBS_RUN_STATUS_FAILED;
  if (self->end_time != 0 || self->kind == LSOBS_RUN_EVENT_KIND_UPDATE)
    return LSOBS_RUN_STATUS_COMPLETED;
  return LSOBS_RUN_STATUS_RUNNING;
}

/**
 * lsobs_run_event_set_trace:
 * @self: an event
 * @trace_id: the id of the trace, which is the id of its root run
 * @dotted_order: the path from the root to the run: for each run, a time in the form
 *   `YYYYMMDDTHHMMSSffffffZ` and the id of the run, joined with dots
 *
 * Sets the position of the run in its trace. It is required if the exporter does not know the
 * parent of the run; otherwise the exporter finds the position.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_trace (LsobsRunEvent *self, const char *trace_id, const char *dotted_order)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (trace_id != NULL);
  g_return_if_fail (dotted_order != NULL);

  set_string (&self->trace_id, trace_id);
  set_string (&self->dotted_order, dotted_order);
}

/**
 * lsobs_run_event_get_trace_id:
 * @self: an event
 *
 * Gets the id of the trace.
 *
 * Returns: (transfer none) (nullable): the id, a UUID, or %NULL if it is not set
 *
 * Since: 0.1
 */
const char *
lsobs_run_event_get_trace_id (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->trace_id;
}

/**
 * lsobs_run_event_get_dotted_order:
 * @self: an event
 *
 * Gets the path from the root of the trace to the run.
 *
 * Returns: (transfer none) (nullable): the path, or %NULL if it is not set; see
 *   lsobs_run_event_set_trace() for its form
 *
 * Since: 0.1
 */
const char *
lsobs_run_event_get_dotted_order (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->dotted_order;
}

/**
 * lsobs_run_event_set_start_time:
 * @self: an event
 * @start_time: a time, in µs since 1970, UTC
 *
 * Sets the start time of the run. By default, it is the time in the id, if that is a UUID of
 * version 7, and otherwise the time of lsobs_exporter_enqueue(). A child never starts before its
 * parent, if the exporter knows the parent.
 *
 * The time is sent unchanged. Set the start and end times of all runs of a trace, for example to
 * replay it, or of none: the times of lsobs are consistent even if the wall clock changes during
 * the trace, see lsobs_run_get_start_time().
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_start_time (LsobsRunEvent *self, gint64 start_time)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (start_time > 0);

  self->start_time = start_time;
}

/**
 * lsobs_run_event_get_start_time:
 * @self: an event
 *
 * Gets the start time of the run.
 *
 * Returns: the time, in µs since 1970, UTC, or 0 if it is not set
 *
 * Since: 0.1
 */
gint64
lsobs_run_event_get_start_time (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->start_time;
}

/**
 * lsobs_run_event_set_end_time:
 * @self: an event
 * @end_time: a time, in µs since 1970, UTC
 *
 * Sets the end time of the run. By default, an update ends the run at the time of
 * lsobs_exporter_enqueue(). A start with an end time is a complete run. A run does not end before
 * it starts: if the time is earlier, the start time is sent.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_end_time (LsobsRunEvent *self, gint64 end_time)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (end_time > 0);

  self->end_time = end_time;
}

/**
 * lsobs_run_event_get_end_time:
 * @self: an event
 *
 * Gets the end time of the run.
 *
 * Returns: the time, in µs since 1970, UTC, or 0 if it is not set
 *
 * Since: 0.1
 */
gint64
lsobs_run_event_get_end_time (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->end_time;
}

/**
 * lsobs_run_event_set_inputs:
 * @self: an event
 * @inputs: (nullable): the inputs, which are copied, or %NULL
 *
 * Sets the inputs of the run.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_inputs (LsobsRunEvent *self, JsonNode *inputs)
{
  g_return_if_fail (self != NULL);

  set_node (&self->inputs, inputs);
}

/**
 * lsobs_run_event_get_inputs:
 * @self: an event
 *
 * Gets the inputs of the run.
 *
 * Returns: (transfer none) (nullable): a node, which must not be changed, or %NULL
 *
 * Since: 0.1
 */
JsonNode *
lsobs_run_event_get_inputs (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->inputs;
}

/**
 * lsobs_run_event_set_outputs:
 * @self: an event
 * @outputs: (nullable): the outputs, which are copied, or %NULL
 *
 * Sets the outputs of the run, also in a start that is a complete run.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_outputs (LsobsRunEvent *self, JsonNode *outputs)
{
  g_return_if_fail (self != NULL);

  set_node (&self->outputs, outputs);
}

/**
 * lsobs_run_event_get_outputs:
 * @self: an event
 *
 * Gets the outputs of the run.
 *
 * Returns: (transfer none) (nullable): a node, which must not be changed, or %NULL
 *
 * Since: 0.1
 */
JsonNode *
lsobs_run_event_get_outputs (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->outputs;
}

/**
 * lsobs_run_event_set_error_text:
 * @self: an event
 * @error_text: (nullable): the error that the run has failed with, or %NULL
 *
 * Sets the error that the run has failed with, also in a start that is a complete run.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_error_text (LsobsRunEvent *self, const char *error_text)
{
  g_return_if_fail (self != NULL);

  set_string (&self->error_text, error_text);
}

/**
 * lsobs_run_event_get_error_text:
 * @self: an event
 *
 * Gets the error that the run has failed with.
 *
 * Returns: (transfer none) (nullable): the error, or %NULL if the run has not failed
 *
 * Since: 0.1
 */
const char *
lsobs_run_event_get_error_text (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->error_text;
}

/**
 * lsobs_run_event_set_tags:
 * @self: an event
 * @tags: (nullable) (array zero-terminated=1): the tags, or %NULL
 *
 * Sets the tags of the run. The tags of an update replace all tags of the run.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_tags (LsobsRunEvent *self, const char *const *tags)
{
  g_auto (GStrv) before = NULL;

  g_return_if_fail (self != NULL);

  before = g_steal_pointer (&self->tags);
  self->tags = g_strdupv ((GStrv) tags);
}

/**
 * lsobs_run_event_get_tags:
 * @self: an event
 *
 * Gets the tags of the run.
 *
 * Returns: (transfer none) (nullable): the tags, or %NULL
 *
 * Since: 0.1
 */
GStrv
lsobs_run_event_get_tags (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->tags;
}

/**
 * lsobs_run_event_set_extra:
 * @self: an event
 * @extra: (nullable): an object, with the metadata as its member `metadata`, which is copied, or
 *   %NULL
 *
 * Sets all extra data of the run. lsobs_run_set_extra() sets the members of this object one by one.
 *
 * The extra data of an update are merged into those of the start: objects are merged, and all other
 * values are replaced.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_extra (LsobsRunEvent *self, JsonNode *extra)
{
  g_return_if_fail (self != NULL);

  set_node (&self->extra, extra);
}

/**
 * lsobs_run_event_set_metadata:
 * @self: an event
 * @key: the name of the metadata, such as `thread_id`
 * @value: (nullable): the value, which is copied, or %NULL
 *
 * Sets one value of the metadata, as a member of the member `metadata` of the extra data.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_metadata (LsobsRunEvent *self, const char *key, JsonNode *value)
{
  JsonObject *metadata;
  JsonNode *copy;

  g_return_if_fail (self != NULL);
  g_return_if_fail (key != NULL);

  if (_lsobs_json_peek_object (self->extra) == NULL)
    {
      g_clear_pointer (&self->extra, json_node_unref);
      self->extra = json_node_new (JSON_NODE_OBJECT);
      json_node_take_object (self->extra, json_object_new ());
    }
  metadata = _lsobs_json_peek_object (
      json_object_get_member (json_node_get_object (self->extra), "metadata"));
  if (metadata == NULL)
    {
      metadata = json_object_new ();
      json_object_set_object_member (json_node_get_object (self->extra), "metadata", metadata);
    }
  copy = copy_node (value);
  json_object_set_member (metadata, key, copy != NULL ? copy : json_node_new (JSON_NODE_NULL));
}

/**
 * lsobs_run_event_get_extra:
 * @self: an event
 *
 * Gets the extra data of the run, with the metadata and the description of the runtime.
 *
 * Returns: (transfer none) (nullable): a node, which must not be changed, or %NULL
 *
 * Since: 0.1
 */
JsonNode *
lsobs_run_event_get_extra (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->extra;
}

/**
 * lsobs_run_event_set_events:
 * @self: an event
 * @events: (nullable): an array of objects, each with a `name` and a `time`, which is copied, or
 *   %NULL
 *
 * Sets the events that happened during the run. The events of an update replace all events of the
 * run.
 *
 * A time is a text in ISO 8601, or a number of milliseconds since 1970. An event without a time has
 * the time of the event before it; the first one has the start time of the run. Only the first
 * event `new_token` is sent, see lsobs_run_add_event().
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_events (LsobsRunEvent *self, JsonNode *events)
{
  g_return_if_fail (self != NULL);

  set_node (&self->events, events);
}

/**
 * lsobs_run_event_get_events:
 * @self: an event
 *
 * Gets the events that happened during the run.
 *
 * Returns: (transfer none) (nullable): a node, which must not be changed, or %NULL
 *
 * Since: 0.1
 */
JsonNode *
lsobs_run_event_get_events (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->events;
}

/**
 * lsobs_run_event_set_serialized:
 * @self: an event
 * @serialized: (nullable): an object, which is copied, or %NULL
 *
 * Sets the description of the model or the prompt, see lsobs_run_set_serialized(). Only a start can
 * have it.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_serialized (LsobsRunEvent *self, JsonNode *serialized)
{
  g_return_if_fail (self != NULL);

  set_node (&self->serialized, serialized);
}

/**
 * lsobs_run_event_get_serialized:
 * @self: an event
 *
 * Gets the description of the model or the prompt.
 *
 * Returns: (transfer none) (nullable): a node, which must not be changed, or %NULL
 *
 * Since: 0.1
 */
JsonNode *
lsobs_run_event_get_serialized (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->serialized;
}

/**
 * lsobs_run_event_set_reference_example_id:
 * @self: an event
 * @example_id: the id of an example of a data set, a UUID
 * @error: return location for a #GError, or %NULL
 *
 * Sets the example of a data set that the run belongs to.
 *
 * Returns: %TRUE on success, or %FALSE with %LSOBS_ERROR_INVALID_VALUE if @example_id is not a UUID
 *
 * Since: 0.1
 */
gboolean
lsobs_run_event_set_reference_example_id (LsobsRunEvent *self,
                                          const char *example_id,
                                          GError **error)
{
  LsobsId id;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (example_id != NULL, FALSE);

  if (!_lsobs_id_parse_example (&id, example_id, error))
    return FALSE;
  set_string (&self->example_id, example_id);
  return TRUE;
}

/**
 * lsobs_run_event_get_reference_example_id:
 * @self: an event
 *
 * Gets the example of a data set that the run belongs to.
 *
 * Returns: (transfer none) (nullable): the id of the example, a UUID, or %NULL
 *
 * Since: 0.1
 */
const char *
lsobs_run_event_get_reference_example_id (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->example_id;
}

/**
 * lsobs_run_event_add_attachment:
 * @self: an event
 * @name: a name of 1 to 100 bytes of UTF-8. Letters and digits of any script, spaces, hyphens and
 *   underscores are sent unchanged; each other character becomes an underscore: `shot.png` becomes
 *   `shot_png`
 * @mime_type: (nullable): the media type of the file, such as `image/png`; with %NULL, or with a
 *   text that is not a media type, it is sent as `application/octet-stream`
 * @data: the contents, which are sent unchanged; the event keeps a reference and does not copy them
 * @error: return location for a #GError, or %NULL
 *
 * Adds an attachment to the run. It replaces an attachment of the same name. See
 * lsobs_run_add_attachment().
 *
 * Fails with %LSOBS_ERROR_INVALID_ATTACHMENT if the name cannot be sent, and with
 * %LSOBS_ERROR_TOO_LARGE if the event has 100 attachments already.
 *
 * Returns: %TRUE if the attachment is added
 *
 * Since: 0.1
 */
gboolean
lsobs_run_event_add_attachment (LsobsRunEvent *self,
                                const char *name,
                                const char *mime_type,
                                GBytes *data,
                                GError **error)
{
  g_autoptr (LsobsAttachment) attachment = NULL;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (name != NULL, FALSE);
  g_return_val_if_fail (data != NULL, FALSE);

  attachment = _lsobs_attachment_new (name, mime_type, data, error);
  if (attachment == NULL)
    return FALSE;
  if (_lsobs_attachments_put (&self->attachments, attachment))
    return TRUE;
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_TOO_LARGE,
                       _ ("There is no room for another attachment"));
  return FALSE;
}

/**
 * lsobs_run_event_dup_attachment_names:
 * @self: an event
 *
 * Gets the names of the attachments.
 *
 * Returns: (transfer full): the names; the array may be empty
 *
 * Since: 0.1
 */
GStrv
lsobs_run_event_dup_attachment_names (LsobsRunEvent *self)
{
  g_autoptr (GStrvBuilder) builder = NULL;

  g_return_val_if_fail (self != NULL, NULL);

  builder = g_strv_builder_new ();
  for (guint i = 0; self->attachments != NULL && i < self->attachments->len; i++)
    g_strv_builder_add (builder,
                        ((LsobsAttachment *) g_ptr_array_index (self->attachments, i))->name);
  return g_strv_builder_end (builder);
}

/**
 * lsobs_run_event_get_attachment:
 * @self: an event
 * @name: the name of an attachment
 * @mime_type: (out) (optional) (nullable) (transfer none): return location for the media type
 *
 * Gets an attachment.
 *
 * Returns: (transfer none) (nullable): the contents, or %NULL if there is no attachment of this
 *   name
 *
 * Since: 0.1
 */
GBytes *
lsobs_run_event_get_attachment (LsobsRunEvent *self, const char *name, const char **mime_type)
{
  LsobsAttachment *attachment;

  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (name != NULL, NULL);

  attachment = _lsobs_attachments_find (self->attachments, name);
  if (mime_type != NULL)
    *mime_type = attachment != NULL ? attachment->mime_type : NULL;
  return attachment != NULL ? attachment->data : NULL;
}

/**
 * lsobs_run_event_get_feedback:
 * @self: an event
 *
 * Gets the feedback of an event of the kind %LSOBS_RUN_EVENT_KIND_FEEDBACK, as the object that is
 * sent.
 *
 * Returns: (transfer none) (nullable): a node, which must not be changed, or %NULL for an event of
 *   another kind
 *
 * Since: 0.1
 */
JsonNode *
lsobs_run_event_get_feedback (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->feedback;
}
