/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/transport/lsobs-record-hook-private.h"
#include "lsobs/text/lsobs-json-walker-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* What stands for a field that the function has dropped. */
#define DROPPED_KEY    "lsobs_error"
#define DROPPED(field) "Redaction failed; " field " dropped"

/* Far more than the service takes. It is for values that contain themselves. */
#define MAX_BYTES (64 * 1024 * 1024)

/* A record on its way through the function. */
typedef struct
{
  LsobsSettings *settings;
  LsobsCounters *counters;
} Visit;

/* @value: (nullable): %NULL: the function cannot see what it is to judge
 * Returns: (transfer full) (nullable): %NULL also for a node that holds nothing */
static JsonNode *
call (Visit *visit, const char *field, JsonNode *value)
{
  g_autoptr (JsonNode) result = NULL;

  if (value != NULL)
    result = _lsobs_redact_hook_call (visit->settings->redact_hook, field, value);
  return result != NULL && !_lsobs_json_is_hollow (result) ? g_steal_pointer (&result) : NULL;
}

/* Goes through the walker first, so that what is parsed is JSON, and no deeper than
 * what is sent. Returns: (transfer full) (nullable) */
static JsonNode *
parse (Visit *visit, GBytes *json, gboolean wrap)
{
  const LsobsJsonWalkOptions repair = { NULL, 0, wrap };
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  g_autoptr (JsonParser) parser = json_parser_new ();
  gsize len;
  const char *data = g_bytes_get_data (json, &len);

  if (!_lsobs_json_walk (&text, data, len, &repair))
    {
      _lsobs_counters_add (visit->counters, LSOBS_COUNTER_BAD_PAYLOADS, 1);
      /* What is hidden by name could be anywhere in it. */
      if (visit->settings->redactor != NULL && _lsobs_redactor_has_keys (visit->settings->redactor))
        return NULL;
    }
  if (!json_parser_load_from_data (parser, text.data, (gssize) text.len, NULL))
    return NULL;
  return json_parser_steal_root (parser);
}

/* @node: (nullable)
 * @n_odd: (out): how much of it was no JSON, and is left out
 * Returns: (transfer full) (nullable): %NULL when it is not to be sent */
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

/* The same as a node, for what is looked into.
 * Returns: (transfer full) (nullable) */
static JsonNode *
clean_node (Visit *visit, JsonNode *node, guint *n_odd)
{
  g_autoptr (GBytes) text = write_node (node, n_odd);

  return text != NULL ? parse (visit, text, FALSE) : NULL;
}

/* A field counts once, whatever is wrong with it. */
static void
count_failure (Visit *visit)
{
  _lsobs_counters_add (visit->counters, LSOBS_COUNTER_REDACTION_FAILURES, 1);
}

/* Puts @result (nullable) or, in its place, @dropped, which it takes over, into @member. */
static void
take_result (Visit *visit, GBytes **member, JsonNode *result, char *dropped)
{
  guint n_odd;
  GBytes *text = write_node (result, &n_odd);

  g_bytes_unref (*member);
  if (text == NULL || n_odd > 0)
    count_failure (visit);
  *member = text != NULL ? text : g_bytes_new (dropped, strlen (dropped));
  g_free (dropped);
}

static void
replace (Visit *visit, const char *field, GBytes **member, JsonNode *result)
{
  take_result (visit, member, result,
               g_strdup_printf ("{\"" DROPPED_KEY "\":\"" DROPPED ("%s") "\"}", field));
}

static void
visit_value (Visit *visit, const char *field, GBytes **member)
{
  g_autoptr (JsonNode) value = NULL;
  g_autoptr (JsonNode) result = NULL;

  if (*member == NULL)
    return;
  value = parse (visit, *member, FALSE);
  result = call (visit, field, value);
  replace (visit, field, member, result);
}

/* The same for what must be an object. */
static void
visit_object (Visit *visit, const char *field, GBytes **member)
{
  g_autoptr (JsonNode) value = NULL;
  g_autoptr (JsonNode) result = NULL;

  if (*member == NULL)
    return;
  value = parse (visit, *member, TRUE);
  result = call (visit, field, value);
  replace (visit, field, member, result != NULL && JSON_NODE_HOLDS_OBJECT (result) ? result : NULL);
}

static void
visit_tags (Visit *visit, LsobsRecord *record)
{
  g_autoptr (JsonNode) value = NULL;
  g_autoptr (JsonNode) result = NULL;

  if (record->tags == NULL)
    return;
  value = parse (visit, record->tags, FALSE);
  result = call (visit, "tags", value);
  take_result (visit, &record->tags, _lsobs_json_is_array_of_strings (result) ? result : NULL,
               g_strdup ("[\"" DROPPED_KEY ": " DROPPED ("tags") "\"]"));
}

static void
visit_text (Visit *visit, const char *field, char **member)
{
  g_autoptr (JsonNode) value = NULL;
  g_autoptr (JsonNode) result = NULL;
  g_autofree char *valid = NULL;

  if (*member == NULL)
    return;
  valid = g_utf8_make_valid (*member, -1);
  value = json_node_init_string (json_node_alloc (), valid);
  result = call (visit, field, value);
  g_free (*member);
  *member = result != NULL && json_node_get_value_type (result) == G_TYPE_STRING
                ? json_node_dup_string (result)
                : NULL;
  if (*member != NULL)
    return;
  count_failure (visit);
  *member = g_strdup_printf (DROPPED_KEY ": " DROPPED ("%s"), field);
}

/* Events as the service sees them: the details with the name and the time.
 * Returns: (transfer full) (nullable) */
static JsonNode *
build_event (Visit *visit, LsobsRecordEvent *event)
{
  g_autofree char *name = g_utf8_make_valid (event->name, -1);
  JsonNode *node;
  JsonObject *object;
  char time[LSOBS_ISO_LEN + 1] = "";

  if (event->details != NULL)
    {
      node = parse (visit, event->details, TRUE);
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
build_events (Visit *visit, GPtrArray *events)
{
  g_autoptr (JsonArray) array = json_array_sized_new (events->len);

  for (guint i = 0; i < events->len; i++)
    {
      JsonNode *event = build_event (visit, g_ptr_array_index (events, i));

      if (event == NULL)
        return NULL;
      json_array_add_element (array, event);
    }
  return json_node_init_array (json_node_alloc (), array);
}

/* Returns: (transfer full) (nullable): (element-type LsobsRecordEvent) */
static GPtrArray *
read_events (JsonNode *node, gint64 time)
{
  g_autoptr (GPtrArray) events =
      g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_record_event_free);
  JsonArray *array =
      node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (array == NULL)
    return NULL;
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      LsobsRecordEvent *event =
          _lsobs_record_event_new_from_json (json_array_get_element (array, i), &time, MAX_BYTES);

      if (event == NULL)
        return NULL;
      g_ptr_array_add (events, event);
    }
  return g_steal_pointer (&events);
}

static void
visit_events (Visit *visit, LsobsRecord *record)
{
  g_autoptr (JsonNode) value = NULL;
  g_autoptr (JsonNode) given = NULL;
  g_autoptr (JsonNode) result = NULL;
  GPtrArray *events;
  gint64 time;
  guint n_odd;

  if (record->events == NULL || record->events->len == 0)
    return;
  time = ((LsobsRecordEvent *) g_ptr_array_index (record->events, 0))->time;
  value = build_events (visit, record->events);
  given = call (visit, "events", value);
  result = clean_node (visit, given, &n_odd);
  events = read_events (result, time);
  if (events == NULL || n_odd > 0)
    count_failure (visit);
  if (events == NULL)
    {
      static const char dropped[] = "{\"" DROPPED_KEY "\":\"" DROPPED ("events") "\"}";

      events = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_record_event_free);
      g_ptr_array_add (events,
                       _lsobs_record_event_new (DROPPED_KEY, time,
                                                g_bytes_new_static (dropped, sizeof dropped - 1)));
    }
  g_ptr_array_unref (record->events);
  record->events = events;
}

/* Copies of the record share the feedback. */
static void
visit_feedback (Visit *visit, LsobsRecord *record)
{
  LsobsFeedback *feedback = _lsobs_feedback_copy (record->feedback);

  visit_value (visit, "value", &feedback->value);
  visit_text (visit, "comment", &feedback->comment);
  if (!visit->settings->hide_outputs)
    visit_value (visit, "correction", &feedback->correction);
  if (!visit->settings->hide_metadata)
    {
      visit_value (visit, "metadata", &feedback->metadata);
      visit_object (visit, "extra", &feedback->extra);
    }
  visit_object (visit, "config", &feedback->config);
  lsobs_feedback_unref (record->feedback);
  record->feedback = feedback;
}

/* Has the program's function, if there is one, replace what @self holds. What is
 * hidden anyway it does not see. Called in the thread that sends, without a lock,
 * once for each record. */
void
_lsobs_record_run_hook (LsobsRecord *self, LsobsSettings *settings, LsobsCounters *counters)
{
  Visit visit = { settings, counters };

  if (settings->redact_hook == NULL)
    return;
  if (self->feedback != NULL)
    {
      visit_feedback (&visit, self);
      return;
    }
  if (!settings->hide_inputs)
    visit_value (&visit, "inputs", &self->inputs);
  if (!settings->hide_outputs)
    visit_value (&visit, "outputs", &self->outputs);
  if (!settings->hide_metadata)
    {
      visit_value (&visit, "metadata", &self->metadata);
      visit_object (&visit, "extra", &self->extra);
      if (!settings->hide_inputs)
        visit_object (&visit, "serialized", &self->serialized);
    }
  visit_text (&visit, "error", &self->error);
  visit_tags (&visit, self);
  visit_events (&visit, self);
}

/* For what leaves in another way than in a record.
 * @type: that of an object, in which everything is JSON then, or of an array, in which
 *   anything may be
 * Returns: (transfer full) (nullable): of the type @type; %NULL when nothing of it may
 * be sent, which is counted */
JsonNode *
_lsobs_record_pass_by_hook (LsobsSettings *settings,
                            LsobsCounters *counters,
                            const char *field,
                            GBytes *json,
                            JsonNodeType type)
{
  Visit visit = { settings, counters };
  g_autoptr (JsonNode) node = parse (&visit, json, FALSE);
  guint n_odd = 0;

  if (settings->redact_hook != NULL && node != NULL)
    {
      g_autoptr (JsonNode) value = g_steal_pointer (&node);
      g_autoptr (JsonNode) given = call (&visit, field, value);

      node =
          type == JSON_NODE_OBJECT ? clean_node (&visit, given, &n_odd) : g_steal_pointer (&given);
    }
  if (node != NULL && JSON_NODE_TYPE (node) != type)
    g_clear_pointer (&node, json_node_unref);
  if (node == NULL || n_odd > 0)
    count_failure (&visit);
  return g_steal_pointer (&node);
}
