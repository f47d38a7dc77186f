/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"
#include "lsobs/transport/lsobs-record-hook-private.h"

/* Replace a field whose redaction has failed. */
#define DROPPED_KEY    "lsobs_error"
#define DROPPED(field) "Redaction failed; " field " dropped"

/* Far more bytes than the service takes. This limit ends the writing of values that contain
 * themselves. */
#define MAX_BYTES (64 * 1024 * 1024)

/* Whether the record is lost already, so that its other fields are not processed. */
static gboolean
is_abandoned (const LsobsRecordHook *self)
{
  return self->abandoned != NULL && g_atomic_int_get (self->abandoned);
}

/* @value: (nullable): NULL: the value cannot be parsed, so the function cannot see it
 * Returns: (transfer full) (nullable): NULL: the redaction has failed */
static JsonNode *
call (const LsobsRecordHook *self, const char *field, JsonNode *value)
{
  g_autoptr (JsonNode) result = NULL;

  if (value != NULL)
    result = _lsobs_redact_hook_call (self->settings->redact_hook, field, value);
  return result != NULL && !_lsobs_json_is_hollow (result) ? g_steal_pointer (&result) : NULL;
}

/* The walker repairs the text first: what is parsed is JSON, and no deeper than what is sent.
 * Returns: (transfer full) (nullable) */
static JsonNode *
parse (const LsobsRecordHook *self, GBytes *json, gboolean wrap)
{
  const LsobsSanitizeOptions repair = { .wrap = wrap };
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  g_autoptr (JsonParser) parser = json_parser_new ();
  gsize len;
  const char *data = g_bytes_get_data (json, &len);

  if (!_lsobs_json_sanitize (&text, data, len, &repair))
    {
      _lsobs_counters_add (self->counters, LSOBS_COUNTER_BAD_PAYLOADS, 1);
      /* A member to hide by its name could be anywhere in it. */
      if (self->settings->redactor != NULL && _lsobs_redactor_has_keys (self->settings->redactor))
        return NULL;
    }
  if (!json_parser_load_from_data (parser, text.data, (gssize) text.len, NULL))
    return NULL;
  return json_parser_steal_root (parser);
}

/* @node: (nullable)
 * @n_odd: (out): how many values JSON does not have; they are left out
 * Returns: (transfer full) (nullable): NULL if @node is NULL or too large */
static GBytes *
write_node (JsonNode *node, guint *n_odd)
{
  LsobsBuffer text = LSOBS_BUFFER_INIT;

  *n_odd = 0;
  if (node != NULL && _lsobs_json_write_node_counting (&text, node, MAX_BYTES, n_odd))
    return _lsobs_buffer_steal_bytes (&text);
  _lsobs_buffer_clear (&text);
  return NULL;
}

/* As write_node(), but returns a node again, in which all values are JSON.
 * Returns: (transfer full) (nullable) */
static JsonNode *
clean_node (const LsobsRecordHook *self, JsonNode *node, guint *n_odd)
{
  g_autoptr (GBytes) text = write_node (node, n_odd);

  return text != NULL ? parse (self, text, FALSE) : NULL;
}

/* Counts a field once, however many of its values fail. */
static void
count_failure (const LsobsRecordHook *self)
{
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_REDACTION_FAILURES, 1);
}

/* Replaces @member by the text of @result, or by @dropped.
 * @result: (nullable): NULL: the redaction has failed
 * @dropped: (transfer full) */
static void
take_result (const LsobsRecordHook *self, GBytes **member, JsonNode *result, char *dropped)
{
  guint n_odd;
  GBytes *text = write_node (result, &n_odd);

  g_bytes_unref (*member);
  if (text == NULL || n_odd > 0)
    count_failure (self);
  *member = text != NULL ? text : g_bytes_new (dropped, strlen (dropped));
  g_free (dropped);
}

/* @result: (nullable): NULL: the redaction has failed */
static void
replace (const LsobsRecordHook *self, const char *field, GBytes **member, JsonNode *result)
{
  take_result (self, member, result,
               g_strdup_printf ("{\"" DROPPED_KEY "\":\"" DROPPED ("%s") "\"}", field));
}

static void
visit_value (const LsobsRecordHook *self, const char *field, GBytes **member)
{
  g_autoptr (JsonNode) value = NULL;
  g_autoptr (JsonNode) result = NULL;

  if (*member == NULL || is_abandoned (self))
    return;
  value = parse (self, *member, FALSE);
  result = call (self, field, value);
  replace (self, field, member, result);
}

/* As visit_value(), for a field that must be an object. */
static void
visit_object (const LsobsRecordHook *self, const char *field, GBytes **member)
{
  g_autoptr (JsonNode) value = NULL;
  g_autoptr (JsonNode) result = NULL;

  if (*member == NULL || is_abandoned (self))
    return;
  value = parse (self, *member, TRUE);
  result = call (self, field, value);
  replace (self, field, member, result != NULL && JSON_NODE_HOLDS_OBJECT (result) ? result : NULL);
}

static void
visit_tags (const LsobsRecordHook *self, LsobsRecord *record)
{
  g_autoptr (JsonNode) value = NULL;
  g_autoptr (JsonNode) result = NULL;

  if (record->tags == NULL || is_abandoned (self))
    return;
  value = parse (self, record->tags, FALSE);
  result = call (self, "tags", value);
  take_result (self, &record->tags, _lsobs_json_is_array_of_strings (result) ? result : NULL,
               g_strdup ("[\"" DROPPED_KEY ": " DROPPED ("tags") "\"]"));
}

static void
visit_text (const LsobsRecordHook *self, const char *field, char **member)
{
  g_autoptr (JsonNode) value = NULL;
  g_autoptr (JsonNode) result = NULL;
  g_autofree char *valid = NULL;

  if (*member == NULL || is_abandoned (self))
    return;
  valid = g_utf8_make_valid (*member, -1);
  value = json_node_init_string (json_node_alloc (), valid);
  result = call (self, field, value);
  g_free (*member);
  *member = result != NULL && json_node_get_value_type (result) == G_TYPE_STRING
                ? json_node_dup_string (result)
                : NULL;
  if (*member != NULL)
    return;
  count_failure (self);
  *member = g_strdup_printf (DROPPED_KEY ": " DROPPED ("%s"), field);
}

/* Builds an event as the service has it: the details, with name and time.
 * Returns: (transfer full) (nullable) */
static JsonNode *
build_event (const LsobsRecordHook *self, LsobsAnnotationEvent *event)
{
  g_autofree char *name = g_utf8_make_valid (event->name, -1);
  JsonNode *node;
  JsonObject *object;
  char time[LSOBS_ISO_LEN + 1] = "";

  if (event->details != NULL)
    {
      node = parse (self, event->details, TRUE);
    }
  else
    {
      node = json_node_new (JSON_NODE_OBJECT);
      json_node_take_object (node, json_object_new ());
    }
  if (node == NULL)
    return NULL;
  object = json_node_get_object (node);
  _lsobs_time_write_iso (event->time, time);
  json_object_set_string_member (object, "name", name);
  json_object_set_string_member (object, "time", time);
  return node;
}

/* Returns: (transfer full) (nullable) */
static JsonNode *
build_events (const LsobsRecordHook *self, GPtrArray *events)
{
  g_autoptr (JsonArray) array = json_array_sized_new (events->len);

  for (guint i = 0; i < events->len; i++)
    {
      JsonNode *event = build_event (self, g_ptr_array_index (events, i));

      if (event == NULL)
        return NULL;
      json_array_add_element (array, event);
    }
  return json_node_init_array (json_node_alloc (), array);
}

/* @time: of events without a valid time
 * Returns: (transfer full) (nullable) (element-type LsobsAnnotationEvent): NULL if any of them is
 *   no event */
static GPtrArray *
read_events (JsonNode *node, gint64 time)
{
  g_autoptr (GPtrArray) events =
      g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_annotation_event_free);
  JsonArray *array =
      node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (array == NULL)
    return NULL;
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      LsobsAnnotationEvent *event =
          _lsobs_annotation_event_new_from_json (json_array_get_element (array, i), &time,
                                                 MAX_BYTES);

      if (event == NULL)
        return NULL;
      g_ptr_array_add (events, event);
    }
  return g_steal_pointer (&events);
}

static void
visit_events (const LsobsRecordHook *self, LsobsRecord *record)
{
  g_autoptr (JsonNode) value = NULL;
  g_autoptr (JsonNode) given = NULL;
  g_autoptr (JsonNode) result = NULL;
  GPtrArray *events;
  gint64 time;
  guint n_odd;

  if (record->events == NULL || record->events->len == 0 || is_abandoned (self))
    return;
  time = ((LsobsAnnotationEvent *) g_ptr_array_index (record->events, 0))->time;
  value = build_events (self, record->events);
  given = call (self, "events", value);
  result = clean_node (self, given, &n_odd);
  events = read_events (result, time);
  if (events == NULL || n_odd > 0)
    count_failure (self);
  if (events == NULL)
    {
      static const char dropped[] = "{\"" DROPPED_KEY "\":\"" DROPPED ("events") "\"}";

      events = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_annotation_event_free);
      g_ptr_array_add (events,
                       _lsobs_annotation_event_new (DROPPED_KEY, time,
                                                    g_bytes_new_static (dropped,
                                                                        sizeof dropped - 1)));
    }
  g_ptr_array_unref (record->events);
  record->events = events;
}

/* Changes a copy: the records of other destinations share the feedback. */
static void
visit_feedback (const LsobsRecordHook *self, LsobsRecord *record)
{
  LsobsFeedback *feedback = _lsobs_feedback_copy (record->feedback);

  visit_value (self, "value", &feedback->value);
  visit_text (self, "comment", &feedback->comment);
  if (!self->settings->values.hide_outputs)
    visit_value (self, "correction", &feedback->correction);
  if (!self->settings->values.hide_metadata)
    {
      visit_value (self, "metadata", &feedback->metadata);
      visit_object (self, "extra", &feedback->extra);
    }
  visit_object (self, "config", &feedback->config);
  lsobs_feedback_unref (record->feedback);
  record->feedback = feedback;
}

/* Calls the program's function for each field of @record, and replaces the field by the result.
 * The function does not see what is hidden. Called once for each record, in the context of the
 * sending, without a lock. */
void
_lsobs_record_hook_run (const LsobsRecordHook *self, LsobsRecord *record)
{
  if (self->settings->redact_hook == NULL)
    return;
  if (record->feedback != NULL)
    {
      visit_feedback (self, record);
      return;
    }
  if (!self->settings->values.hide_inputs)
    {
      visit_value (self, "inputs", &record->inputs);
      record->inputs_string_bound = 0;
    }
  if (!self->settings->values.hide_outputs)
    {
      visit_value (self, "outputs", &record->outputs);
      record->outputs_string_bound = 0;
    }
  if (!self->settings->values.hide_metadata)
    {
      visit_value (self, "metadata", &record->metadata);
      visit_object (self, "extra", &record->extra);
      if (!self->settings->values.hide_inputs)
        visit_object (self, "serialized", &record->serialized);
    }
  visit_text (self, "error", &record->error);
  visit_tags (self, record);
  visit_events (self, record);
}

/* Calls the program's function for JSON that leaves in another way than in a record.
 * @type: of the result: an object, which is checked to be JSON in depth, or an array, whose
 *   elements the caller checks
 * Returns: (transfer full) (nullable): NULL if nothing may be sent, which is counted */
JsonNode *
_lsobs_record_hook_pass (const LsobsRecordHook *self,
                         const char *field,
                         GBytes *json,
                         JsonNodeType type)
{
  g_autoptr (JsonNode) node = parse (self, json, FALSE);
  guint n_odd = 0;

  if (self->settings->redact_hook != NULL && node != NULL)
    {
      g_autoptr (JsonNode) value = g_steal_pointer (&node);
      g_autoptr (JsonNode) given = call (self, field, value);

      node = type == JSON_NODE_OBJECT ? clean_node (self, given, &n_odd) : g_steal_pointer (&given);
    }
  if (node != NULL && JSON_NODE_TYPE (node) != type)
    g_clear_pointer (&node, json_node_unref);
  if (node == NULL || n_odd > 0)
    count_failure (self);
  return g_steal_pointer (&node);
}
