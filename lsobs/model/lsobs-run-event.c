/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/model/lsobs-run-event-private.h"
#include "lsobs/text/lsobs-json-walker-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/**
 * SECTION:lsobs-run-event
 * @title: LsobsRunEvent
 * @short_description: a start or an update of a run
 *
 * What happens to a run, by the run's id: for programs that keep ids rather than
 * an #LsobsRun, such as a bridge from another tracing system, and for tests, to
 * which #LsobsMemoryTransport shows what has left the program.
 *
 * An event is filled by one thread and given to lsobs_exporter_enqueue(); from
 * then on it must not be changed.
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

/* json_node_copy() is shallow, and the program may change its tree. */
JsonNode *
_lsobs_run_event_copy_node (JsonNode *node)
{
  const LsobsJsonWalkOptions options = { NULL, 0, FALSE };
  g_auto (LsobsBuffer) raw = LSOBS_BUFFER_INIT;
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  g_autoptr (JsonParser) parser = json_parser_new ();

  if (node == NULL)
    return NULL;
  /* The walk repairs what the parser would refuse. */
  _lsobs_json_write_node (&raw, node, G_MAXSSIZE);
  _lsobs_json_walk (&text, raw.data, raw.len, &options);
  if (!json_parser_load_from_data (parser, text.data, (gssize) text.len, NULL))
    return json_node_new (JSON_NODE_NULL);
  return json_parser_steal_root (parser);
}

/**
 * lsobs_run_event_new_start:
 * @id: the id of the run, a UUID
 * @parent_id: (nullable): the id of the parent, or %NULL for the root of a trace
 * @name: the name of the run
 * @run_type: what the run does
 * @inputs: (nullable): what goes in; it is copied
 *
 * Makes the event that begins a run.
 *
 * Returns: (transfer full): an event
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
  self->inputs = _lsobs_run_event_copy_node (inputs);
  return self;
}

/**
 * lsobs_run_event_new_update:
 * @id: the id of the run, a UUID
 * @outputs: (nullable): what comes out; it is copied
 * @error_text: (nullable): the error that the run has failed with
 *
 * Makes the event that ends a run.
 *
 * Returns: (transfer full): an event
 *
 * Since: 0.1
 */
LsobsRunEvent *
lsobs_run_event_new_update (const char *id, JsonNode *outputs, const char *error_text)
{
  LsobsRunEvent *self;

  g_return_val_if_fail (id != NULL, NULL);

  self = _lsobs_run_event_alloc (LSOBS_RUN_EVENT_KIND_UPDATE, id);
  self->outputs = _lsobs_run_event_copy_node (outputs);
  self->error_text = g_strdup (error_text);
  return self;
}

/**
 * lsobs_run_event_ref:
 * @self: an event
 *
 * Adds a reference. May be called from any thread.
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
 * Drops a reference, and frees @self with the last one. May be called from any
 * thread.
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
 * Gets what the event tells.
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
 * Returns: (transfer none): a UUID
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
 * Gets the id of the parent.
 *
 * Returns: (transfer none) (nullable): a UUID, or %NULL for the root of a trace
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
 * Returns: (transfer none) (nullable): the name, or %NULL in an update made by
 * the program
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
 * Sets the name of the run. An update needs none, unless the start of the run was
 * reported elsewhere.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_name (LsobsRunEvent *self, const char *name)
{
  g_autofree char *before = NULL;

  g_return_if_fail (self != NULL);
  g_return_if_fail (name != NULL);

  before = g_steal_pointer (&self->name);
  self->name = g_strdup (name);
}

/**
 * lsobs_run_event_get_run_type:
 * @self: an event
 *
 * Gets what the run does.
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
 * @run_type: what the run does
 *
 * Sets what the run does. An update need not tell, unless the start of the run was
 * reported elsewhere.
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
 * Gets the project that the run goes to.
 *
 * Returns: (transfer none) (nullable): the name; %NULL for a run that goes to an address,
 *   and in events made by the program that do not name a project
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
 * @project_name: (nullable): the name of a project
 *
 * Sets the project that the run goes to. Without it and without an address, a run goes where
 * its parent goes if that is known here, and otherwise where the config says. All runs of a trace
 * belong in one project, and an update of a run cannot move it.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_project_name (LsobsRunEvent *self, const char *project_name)
{
  g_autofree char *before = NULL;

  g_return_if_fail (self != NULL);

  before = g_steal_pointer (&self->project_name);
  self->project_name = g_strdup (project_name);
}

/**
 * lsobs_run_event_get_address:
 * @self: an event
 *
 * Gets the address of the agent that the run goes to.
 *
 * Returns: (transfer none) (nullable): the address; %NULL for a run that goes to a
 *   project, and in events made by the program that do not name an address
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
 * @address: (nullable): an address, `lrn:agents/ID/environments/ENVIRONMENT`
 *
 * Sets the address of the agent that the run goes to, in place of a project. What makes a
 * good address is said at #LsobsConfig:agent-id and #LsobsConfig:agent-environment;
 * lsobs_exporter_enqueue() refuses any other, and an event that names a project as well.
 * See lsobs_run_event_set_project_name() for what applies to all runs of a trace.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_address (LsobsRunEvent *self, const char *address)
{
  g_autofree char *before = NULL;

  g_return_if_fail (self != NULL);

  before = g_steal_pointer (&self->address);
  self->address = g_strdup (address);
}

/**
 * lsobs_run_event_get_status:
 * @self: an event
 *
 * Gets how far the run has come by this event.
 *
 * Returns: failed with an error, completed with an end, else running
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
 * @trace_id: the id of the trace, which is the id of its root
 * @dotted_order: the path from the root to the run: for each a time of the form
 *   `YYYYMMDDTHHMMSSffffffZ` and the id, joined by dots
 *
 * Sets where in its trace the run lies. It is needed for runs whose parent is
 * not known to the exporter; otherwise the exporter finds out by itself.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_trace (LsobsRunEvent *self, const char *trace_id, const char *dotted_order)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (trace_id != NULL);
  g_return_if_fail (dotted_order != NULL);

  g_free (self->trace_id);
  self->trace_id = g_strdup (trace_id);
  g_free (self->dotted_order);
  self->dotted_order = g_strdup (dotted_order);
}

/**
 * lsobs_run_event_get_trace_id:
 * @self: an event
 *
 * Gets the id of the trace.
 *
 * Returns: (transfer none) (nullable): a UUID, or %NULL when it was not set
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
 * Returns: (transfer none) (nullable): the path, or %NULL when it was not set
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
 * @start_time: a time in µs since 1970, UTC
 *
 * Sets when the run began. Without it, the time in a version 7 id is taken, and
 * otherwise the time of lsobs_exporter_enqueue().
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
 * Gets when the run began.
 *
 * Returns: a time in µs since 1970, UTC, or 0 when it was not set
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
 * @end_time: a time in µs since 1970, UTC
 *
 * Sets when the run ended. Without it, an update ends the run at the time of
 * lsobs_exporter_enqueue(). A start that has one is a complete run.
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
 * Gets when the run ended.
 *
 * Returns: a time in µs since 1970, UTC, or 0 when it was not set
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
 * lsobs_run_event_get_feedback:
 * @self: an event
 *
 * Gets the feedback that a run has got, as the object that leaves the process.
 *
 * Returns: (transfer none) (nullable): a node, which must not be changed, or %NULL for
 * an event of another kind
 *
 * Since: 0.1
 */
JsonNode *
lsobs_run_event_get_feedback (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->feedback;
}
