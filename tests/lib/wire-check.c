/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "tests/lib/wire-private.h"

/* The conformance rules of one run. Each check names the rule in its error code and the run in its
 * message. */

#define UUID_LENGTH 36

typedef struct
{
  gint64 us;
  char *uuid; /* (owned) */
} Segment;

static void
segment_clear (gpointer data)
{
  g_free (((Segment *) data)->uuid);
}

/* --- members ------------------------------------------------------------------------------- */

G_GNUC_PRINTF (4, 5)
static gboolean
refuse (WireOp *op, WireError code, GError **error, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, WIRE_ERROR, code, "%s.%s: %s", op->op, op->id, text);

  return FALSE;
}

/* (nullable): NULL when absent, and in the dialect when null, too */
static JsonNode *
peek (WireOp *op, const char *name, WireFlags flags)
{
  JsonNode *node = json_object_get_member (op->run, name);

  if (node != NULL && JSON_NODE_HOLDS_NULL (node) && (flags & WIRE_DIALECT) != 0)
    return NULL;

  return node;
}

/* (nullable): NULL when it is absent or no string */
static const char *
peek_string (WireOp *op, const char *name)
{
  JsonNode *node = json_object_get_member (op->run, name);

  if (node == NULL || json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;

  return json_node_get_string (node);
}

static gboolean
check_id (WireOp *op, GError **error)
{
  JsonNode *node = json_object_get_member (op->sent, "id");
  gboolean is_optional = !op->is_multipart && strcmp (op->op, "patch") == 0;

  if (!wire_is_uuid (op->id))
    return refuse (op, WIRE_ERROR_ID, error, "id \"%s\" is no lower-case UUID", op->id);
  if (node == NULL && is_optional)
    return TRUE;
  if (node == NULL || json_node_get_value_type (node) != G_TYPE_STRING)
    return refuse (op, WIRE_ERROR_ID, error, "the object has no id");
  if (strcmp (json_node_get_string (node), op->id) != 0)
    return refuse (op, WIRE_ERROR_ID, error, "the object has another id: %s",
                   json_node_get_string (node));

  return TRUE;
}

static gboolean
check_out_of_band (WireOp *op, WireFlags flags, GError **error)
{
  static const char *const names[] = {
    "inputs", "outputs", "events", "extra", "error", "serialized"
  };

  for (guint i = 0; op->is_multipart && i < G_N_ELEMENTS (names); i++)
    if (json_object_has_member (op->sent, names[i]))
      return refuse (op, WIRE_ERROR_OUT_OF_BAND, error, "\"%s\" is inside the main part", names[i]);

  if (json_object_has_member (op->sent, "attachments") &&
      (op->is_multipart || (flags & WIRE_DIALECT) == 0))
    return refuse (op, WIRE_ERROR_OUT_OF_BAND, error, "\"attachments\" is inside the object");

  return TRUE;
}

static gboolean
check_nulls (WireOp *op, GError **error)
{
  g_autoptr (GList) names = json_object_get_members (op->run);

  for (GList *l = names; l != NULL; l = l->next)
    if (json_object_get_null_member (op->run, l->data))
      return refuse (op, WIRE_ERROR_SHAPE, error, "\"%s\" is null, it should be absent",
                     (char *) l->data);

  return TRUE;
}

static gboolean
check_required (WireOp *op, WireFlags flags, GError **error)
{
  static const char *const names[] = { "trace_id", "dotted_order", "name",
                                       "run_type", "start_time",   "session_name" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *name = names[i];
      const char *text = peek_string (op, name);

      if (text != NULL && *text != '\0')
        continue;
      if (strcmp (name, "session_name") == 0 &&
          (peek_string (op, "session_id") != NULL || peek_string (op, "address") != NULL))
        continue;
      if (text == NULL && peek (op, name, flags) != NULL)
        return refuse (op, WIRE_ERROR_SHAPE, error, "\"%s\" is no string", name);
      return refuse (op, WIRE_ERROR_MISSING, error, "\"%s\" is %s", name,
                     text == NULL ? "missing" : "empty");
    }

  return TRUE;
}

static gboolean
check_uuid_member (WireOp *op, const char *name, WireFlags flags, GError **error)
{
  JsonNode *node = peek (op, name, flags);
  const char *text = peek_string (op, name);

  if (node == NULL)
    return TRUE;
  if (text == NULL)
    return refuse (op, WIRE_ERROR_SHAPE, error, "\"%s\" is no string", name);
  if (!wire_is_uuid (text))
    return refuse (op, WIRE_ERROR_ID, error, "\"%s\" is no lower-case UUID: \"%s\"", name, text);

  return TRUE;
}

/* A run goes to a project, or to an environment of an agent. */
static gboolean
check_address (WireOp *op, GError **error)
{
  const char *address = peek_string (op, "address");

  if (!json_object_has_member (op->run, "address"))
    return TRUE;
  if (address == NULL ||
      !g_regex_match_simple ("^lrn:agents/[a-z]([a-z0-9-]{0,61}[a-z0-9])?/environments/"
                             "(local|development|staging|production)$",
                             address, G_REGEX_DOLLAR_ENDONLY, 0))
    return refuse (op, WIRE_ERROR_SHAPE, error, "\"address\" is no address of an agent");
  if (json_object_has_member (op->run, "session_name") ||
      json_object_has_member (op->run, "session_id"))
    return refuse (op, WIRE_ERROR_SHAPE, error, "there is an \"address\" beside a project");
  return TRUE;
}

static gboolean
check_run_type (WireOp *op, GError **error)
{
  static const char *const types[] = { "tool",      "chain",  "llm",    "retriever",
                                       "embedding", "prompt", "parser", NULL };
  const char *type = peek_string (op, "run_type");

  return g_strv_contains (types, type) ||
         refuse (op, WIRE_ERROR_RUN_TYPE, error, "run_type \"%s\" is unknown", type);
}

static gboolean
check_time_member (WireOp *op, const char *name, WireFlags flags, gint64 *us, GError **error)
{
  JsonNode *node = peek (op, name, flags);
  g_autofree char *text = NULL;

  *us = -1;
  if (node == NULL)
    return TRUE;

  *us = wire_parse_time (node, flags);
  if (*us >= 0)
    return TRUE;
  text = json_to_string (node, FALSE);

  return refuse (op, WIRE_ERROR_TIMESTAMP, error, "\"%s\" is %s, not YYYY-MM-DDTHH:MM:SS.ffffffZ",
                 name, text);
}

static gboolean
check_times (WireOp *op, WireFlags flags, gint64 *start_us, GError **error)
{
  gint64 end_us;
  /* one official client counts siblings in the µs of the start and ends runs in whole ms */
  gint64 unit = (flags & WIRE_DIALECT) != 0 ? 1000 : 1;

  if (!check_time_member (op, "start_time", flags, start_us, error) ||
      !check_time_member (op, "end_time", flags, &end_us, error))
    return FALSE;
  if (end_us >= 0 && end_us / unit < *start_us / unit)
    return refuse (op, WIRE_ERROR_TIME_ORDER, error,
                   "it ends %" G_GINT64_FORMAT " µs before it starts", *start_us - end_us);

  return TRUE;
}

/* --- dotted order -------------------------------------------------------------------------- */

static gboolean
parse_segment (WireOp *op, const char *text, Segment *segment, GError **error)
{
  gsize length = strlen (text);
  const char *uuid, *p = text + strlen ("YYYYMMDDTHHMMSS");
  int field[6];
  guint n_digits;
  gint64 fraction;

  if (length < strlen ("YYYYMMDDTHHMMSSZ") + UUID_LENGTH)
    return refuse (op, WIRE_ERROR_DOTTED_ORDER, error,
                   "segment \"%s\" of dotted_order is too short", text);

  uuid = text + length - UUID_LENGTH;
  if (!wire_is_uuid (uuid) || uuid[-1] != 'Z' || text[8] != 'T' ||
      !_wire_read_digits (text, 4, &field[0]) || !_wire_read_digits (text + 4, 2, &field[1]) ||
      !_wire_read_digits (text + 6, 2, &field[2]) || !_wire_read_digits (text + 9, 2, &field[3]) ||
      !_wire_read_digits (text + 11, 2, &field[4]) || !_wire_read_digits (text + 13, 2, &field[5]))
    return refuse (op, WIRE_ERROR_DOTTED_ORDER, error,
                   "segment \"%s\" of dotted_order is not YYYYMMDDTHHMMSSffffffZ and a UUID", text);

  fraction = _wire_read_fraction (&p, &n_digits);
  if (p != uuid - 1)
    return refuse (op, WIRE_ERROR_DOTTED_ORDER, error,
                   "segment \"%s\" of dotted_order has no fraction", text);
  if (n_digits != 6)
    return refuse (op, WIRE_ERROR_D7, error,
                   "segment \"%s\" of dotted_order has %u fraction digits, not 6", text, n_digits);

  segment->us = _wire_make_time (field, fraction);
  if (segment->us < 0)
    return refuse (op, WIRE_ERROR_DOTTED_ORDER, error,
                   "segment \"%s\" of dotted_order: no such time", text);
  segment->uuid = g_strdup (uuid);

  return TRUE;
}

/* Returns (transfer full) (element-type Segment). */
static GArray *
parse_dotted_order (WireOp *op, GError **error)
{
  g_autoptr (GArray) segments = g_array_new (FALSE, TRUE, sizeof (Segment));
  g_auto (GStrv) parts = g_strsplit (peek_string (op, "dotted_order"), ".", -1);

  g_array_set_clear_func (segments, segment_clear);
  for (guint i = 0; parts[i] != NULL; i++)
    {
      Segment segment = { 0, NULL };

      if (!parse_segment (op, parts[i], &segment, error))
        return NULL;
      g_array_append_val (segments, segment);
    }

  return g_steal_pointer (&segments);
}

static gboolean
check_dotted_order (WireOp *op, WireFlags flags, gint64 *stamp_us, GError **error)
{
  g_autoptr (GArray) segments = parse_dotted_order (op, error);
  const char *trace = peek_string (op, "trace_id");
  const char *parent =
      peek (op, "parent_run_id", flags) != NULL ? peek_string (op, "parent_run_id") : NULL;
  const Segment *first, *last;

  if (segments == NULL)
    return FALSE;
  first = &g_array_index (segments, Segment, 0);
  last = &g_array_index (segments, Segment, segments->len - 1);

  if (parent == NULL && segments->len != 1)
    return refuse (op, WIRE_ERROR_D1, error, "D1: a root whose dotted_order has %u segments",
                   segments->len);
  if (parent != NULL && segments->len < 2)
    return refuse (op, WIRE_ERROR_D2, error, "D2: a child whose dotted_order has one segment");
  if (strcmp (first->uuid, trace) != 0)
    return refuse (op, WIRE_ERROR_D3, error, "D3: trace_id is %s, dotted_order starts with %s",
                   trace, first->uuid);
  if (strcmp (last->uuid, op->id) != 0)
    return refuse (op, WIRE_ERROR_D4, error, "D4: dotted_order ends with %s", last->uuid);
  if (parent != NULL && strcmp (last[-1].uuid, parent) != 0)
    return refuse (op, WIRE_ERROR_D5, error, "D5: parent_run_id is %s, dotted_order says %s",
                   parent, last[-1].uuid);

  for (guint i = 1; i < segments->len; i++)
    {
      gint64 before = g_array_index (segments, Segment, i - 1).us;
      gint64 here = g_array_index (segments, Segment, i).us;

      if (here < before)
        return refuse (op, WIRE_ERROR_D6, error,
                       "D6: segment %u of dotted_order is %" G_GINT64_FORMAT
                       " µs earlier than its parent",
                       i, before - here);
    }
  *stamp_us = last->us;

  return TRUE;
}

/* --- the rest ------------------------------------------------------------------------------ */

static gboolean
check_time_match (WireOp *op, gint64 start_us, gint64 stamp_us, GError **error)
{
  gint64 id_ms = wire_uuid_get_ms (op->id);

  if (id_ms < 0)
    return refuse (op, WIRE_ERROR_ID, error, "the id is no version 7 UUID");
  if (start_us != stamp_us)
    return refuse (op, WIRE_ERROR_TIME_MISMATCH, error,
                   "start_time and the stamp in dotted_order differ by %" G_GINT64_FORMAT " µs",
                   start_us - stamp_us);
  if (id_ms != start_us / 1000)
    return refuse (op, WIRE_ERROR_TIME_MISMATCH, error,
                   "the id and start_time differ by %" G_GINT64_FORMAT " ms",
                   id_ms - start_us / 1000);

  return TRUE;
}

static gboolean
check_events (WireOp *op, WireFlags flags, GError **error)
{
  JsonNode *node = peek (op, "events", flags);
  JsonArray *events;

  if (node == NULL)
    return TRUE;
  if (!JSON_NODE_HOLDS_ARRAY (node))
    return refuse (op, WIRE_ERROR_SHAPE, error, "\"events\" is no array");

  events = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (events); i++)
    {
      JsonNode *item = json_array_get_element (events, i);
      JsonObject *event = JSON_NODE_HOLDS_OBJECT (item) ? json_node_get_object (item) : NULL;
      JsonNode *name = event != NULL ? json_object_get_member (event, "name") : NULL;
      JsonNode *time = event != NULL ? json_object_get_member (event, "time") : NULL;

      /* an official client is seen to send events without a time */
      if (name == NULL || json_node_get_value_type (name) != G_TYPE_STRING ||
          (time == NULL && (flags & WIRE_DIALECT) == 0))
        return refuse (op, WIRE_ERROR_SHAPE, error, "event %u is no object with name and time", i);
      if (time != NULL && wire_parse_time (time, flags) < 0)
        return refuse (op, WIRE_ERROR_TIMESTAMP, error, "the time of event %u is not readable", i);
    }

  return TRUE;
}

static gboolean
check_tags (WireOp *op, WireFlags flags, GError **error)
{
  JsonNode *node = peek (op, "tags", flags);
  JsonArray *tags;

  if (node == NULL)
    return TRUE;
  if (!JSON_NODE_HOLDS_ARRAY (node))
    return refuse (op, WIRE_ERROR_SHAPE, error, "\"tags\" is no array");

  tags = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (tags); i++)
    if (json_node_get_value_type (json_array_get_element (tags, i)) != G_TYPE_STRING)
      return refuse (op, WIRE_ERROR_SHAPE, error, "tag %u is no string", i);

  return TRUE;
}

static gboolean
check_shapes (WireOp *op, WireFlags flags, GError **error)
{
  static const char *const objects[] = { "inputs", "outputs", "extra", "serialized" };
  static const char *const in_extra[] = { "metadata", "runtime" };
  JsonNode *extra = peek (op, "extra", flags);
  JsonNode *text = peek (op, "error", flags);

  for (guint i = 0; i < G_N_ELEMENTS (objects); i++)
    {
      JsonNode *node = peek (op, objects[i], flags);

      if (node != NULL && !JSON_NODE_HOLDS_OBJECT (node))
        return refuse (op, WIRE_ERROR_SHAPE, error, "\"%s\" is no object", objects[i]);
    }

  for (guint i = 0; extra != NULL && i < G_N_ELEMENTS (in_extra); i++)
    {
      JsonNode *node = json_object_get_member (json_node_get_object (extra), in_extra[i]);

      if (node != NULL && !JSON_NODE_HOLDS_OBJECT (node))
        return refuse (op, WIRE_ERROR_SHAPE, error, "\"extra.%s\" is no object", in_extra[i]);
    }

  if (text != NULL && json_node_get_value_type (text) != G_TYPE_STRING)
    return refuse (op, WIRE_ERROR_SHAPE, error, "\"error\" is no string");

  return check_events (op, flags, error) && check_tags (op, flags, error);
}

gboolean
wire_check_op (WireOp *op, WireFlags flags, GError **error)
{
  gboolean is_strict = (flags & WIRE_DIALECT) == 0;
  gint64 start_us = -1, stamp_us = -1;

  return check_id (op, error) && check_out_of_band (op, flags, error) &&
         (!is_strict || check_nulls (op, error)) && check_required (op, flags, error) &&
         check_uuid_member (op, "trace_id", flags, error) &&
         check_uuid_member (op, "parent_run_id", flags, error) &&
         check_uuid_member (op, "session_id", flags, error) &&
         check_uuid_member (op, "reference_example_id", flags, error) &&
         check_address (op, error) && check_run_type (op, error) &&
         check_times (op, flags, &start_us, error) &&
         check_dotted_order (op, flags, &stamp_us, error) &&
         (!is_strict || check_time_match (op, start_us, stamp_us, error)) &&
         check_shapes (op, flags, error);
}

G_GNUC_PRINTF (3, 4)
static gboolean
refuse_feedback (WireError code, GError **error, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, WIRE_ERROR, code, "feedback: %s", text);

  return FALSE;
}

static gboolean
check_feedback_texts (JsonObject *feedback, GError **error)
{
  /* clang-format off */
  static const char * const names[] = {
    "id", "run_id", "trace_id", "key", "session_id", "comparative_experiment_id", "feedback_group_id",
    "comment"
  };
  /* clang-format on */

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      JsonNode *node = json_object_get_member (feedback, names[i]);
      gboolean is_string = node != NULL && json_node_get_value_type (node) == G_TYPE_STRING;
      gboolean is_uuid = g_str_has_suffix (names[i], "id");

      if (node == NULL && i >= 4)
        continue;
      if (!is_string || (is_uuid && !wire_is_uuid (json_node_get_string (node))) ||
          (strcmp (names[i], "key") == 0 && *json_node_get_string (node) == '\0'))
        return refuse_feedback (WIRE_ERROR_FEEDBACK, error, "\"%s\" is missing or no %s", names[i],
                                is_uuid ? "UUID" : "text");
    }

  return TRUE;
}

static gboolean
check_feedback_score (JsonObject *feedback, GError **error)
{
  JsonNode *node = json_object_get_member (feedback, "score");
  GType type = node != NULL ? json_node_get_value_type (node) : G_TYPE_NONE;
  double score, rest;

  if (node == NULL || type == G_TYPE_BOOLEAN || type == G_TYPE_INT64)
    return TRUE;
  if (type != G_TYPE_DOUBLE)
    return refuse_feedback (WIRE_ERROR_FEEDBACK, error,
                            "\"score\" is neither a number nor a boolean");
  /* four decimals are kept */
  score = ABS (json_node_get_double (node)) * 10000;
  rest = score < 1e15 ? ABS (score - (double) (gint64) (score + 0.5)) : 0;
  if (rest > 1e-6 * MAX (1, score))
    return refuse_feedback (WIRE_ERROR_FEEDBACK, error, "\"score\" has more than four decimals");

  return TRUE;
}

static gboolean
check_feedback_source (JsonObject *feedback, GError **error)
{
  JsonNode *node = json_object_get_member (feedback, "feedback_source");
  JsonObject *source =
      node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char *type =
      source != NULL ? json_object_get_string_member_with_default (source, "type", "") : "";
  JsonNode *metadata = source != NULL ? json_object_get_member (source, "metadata") : NULL;

  if ((strcmp (type, "api") != 0 && strcmp (type, "model") != 0) || metadata == NULL ||
      !JSON_NODE_HOLDS_OBJECT (metadata))
    return refuse_feedback (
        WIRE_ERROR_FEEDBACK, error,
        "\"feedback_source\" is not {\"type\":\"api\" or \"model\",\"metadata\":{}}");

  return TRUE;
}

static gboolean
check_feedback_times (JsonObject *feedback, WireFlags flags, GError **error)
{
  static const char *const names[] = { "created_at", "modified_at", "start_time" };
  gboolean is_strict = (flags & WIRE_DIALECT) == 0;
  gint64 created_us;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      JsonNode *node = json_object_get_member (feedback, names[i]);

      if (node == NULL && (!is_strict || i == 2))
        continue;
      if (node == NULL || wire_parse_time (node, flags) < 0)
        return refuse_feedback (WIRE_ERROR_TIMESTAMP, error, "\"%s\" is not readable", names[i]);
    }
  if (!is_strict)
    return TRUE;

  created_us = wire_parse_time (json_object_get_member (feedback, "created_at"), flags);
  if (wire_uuid_get_ms (json_object_get_string_member (feedback, "id")) != created_us / 1000)
    return refuse_feedback (WIRE_ERROR_TIME_MISMATCH, error,
                            "the id is not of the time \"created_at\"");

  return TRUE;
}

gboolean
wire_check_feedback (JsonObject *feedback, WireFlags flags, GError **error)
{
  return check_feedback_texts (feedback, error) && check_feedback_times (feedback, flags, error) &&
         ((flags & WIRE_DIALECT) != 0 ||
          (check_feedback_score (feedback, error) && check_feedback_source (feedback, error)));
}

gboolean
wire_check_request (WireRequest *self, WireFlags flags, GError **error)
{
  for (guint i = 0; i < self->ops->len; i++)
    if (!wire_check_op (g_ptr_array_index (self->ops, i), flags, error))
      return FALSE;

  for (guint i = 0; i < self->feedback->len; i++)
    if (!wire_check_feedback (g_ptr_array_index (self->feedback, i), flags, error))
      return FALSE;

  return TRUE;
}
