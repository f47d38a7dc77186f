/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/call/lsobs-call-answer-private.h"
#include "lsobs/call/lsobs-call-json-private.h"
#include "lsobs/call/lsobs-call-mask-private.h"
#include "lsobs/call/lsobs-responses-format-private.h"

/* Responses of OpenAI. The last event of a stream has the whole response; what is put together here
 * is what there is if it does not come. */

static void
write_inputs (LsobsBuffer *out, JsonObject *request)
{
  JsonNode *input = _lsobs_call_peek_member (request, "input");

  _lsobs_call_write_name (out, "messages");
  _lsobs_buffer_append_c (out, '[');
  _lsobs_call_write_message (out, "system", _lsobs_call_peek_member (request, "instructions"));
  if (input != NULL && JSON_NODE_HOLDS_ARRAY (input))
    _lsobs_call_write_elements (out, request, "input");
  else
    _lsobs_call_write_message (out, "user", input);
  _lsobs_buffer_append_c (out, ']');
  _lsobs_call_write_tools (out, request, "tools");
}

/* The events with a piece of a text, and where that belongs: to a member of an item of the output,
 * or of a part of it. */
static const struct
{
  const char *type;
  const char *list;  /* (nullable) the member of the item that has the parts */
  const char *index; /* (nullable) the member of the event that has the index of the part */
  const char *member;
} deltas[] = {
  { "response.output_text.delta", "content", "content_index", "text" },
  { "response.refusal.delta", "content", "content_index", "refusal" },
  { "response.reasoning_text.delta", "content", "content_index", "text" },
  { "response.reasoning_summary_text.delta", "summary", "summary_index", "text" },
  { "response.function_call_arguments.delta", NULL, NULL, "arguments" },
  { "response.mcp_call_arguments.delta", NULL, NULL, "arguments" },
  { "response.custom_tool_call_input.delta", NULL, NULL, "input" },
  { "response.code_interpreter_call_code.delta", NULL, NULL, "code" },
};

static LsobsJoin *
get_item (LsobsCallAnswer *answer, JsonObject *event)
{
  return _lsobs_join_get_element (answer->join, "output",
                                  _lsobs_call_get_index (event, "output_index", 0));
}

static void
take_delta (LsobsCallAnswer *answer, const char *type, JsonObject *event)
{
  const char *text = _lsobs_call_peek_string (event, "delta");

  for (guint i = 0; i < G_N_ELEMENTS (deltas); i++)
    {
      LsobsJoin *element;

      if (strcmp (deltas[i].type, type) != 0 || text == NULL)
        continue;
      answer->has_token = TRUE;
      element = get_item (answer, event);
      if (element != NULL && deltas[i].list != NULL)
        element = _lsobs_join_get_element (element, deltas[i].list,
                                           _lsobs_call_get_index (event, deltas[i].index, 0));
      if (element != NULL)
        _lsobs_join_add_text (element, deltas[i].member, text);
    }
}

/* Replaces an item of the output, or a part of one.
 * @element: (nullable) */
static void
put (LsobsJoin *element, JsonObject *object)
{
  if (element == NULL || object == NULL)
    return;
  _lsobs_join_clear_object (element);
  _lsobs_join_merge (element, object, NULL);
}

static void
take_part (LsobsCallAnswer *answer, const char *type, JsonObject *event)
{
  gboolean is_summary = g_str_has_prefix (type, "response.reasoning_summary_part.");
  LsobsJoin *item = get_item (answer, event);

  if (item != NULL)
    put (_lsobs_join_get_element (
             item, is_summary ? "summary" : "content",
             _lsobs_call_get_index (event, is_summary ? "summary_index" : "content_index", 0)),
         _lsobs_call_peek_object (event, "part"));
}

/* Takes the members of a response, except the output, and what repeats the request. */
static void
take_frame (LsobsCallAnswer *answer, JsonObject *response)
{
  static const char *const names[] = { "id",     "object", "created_at",         "model",
                                       "status", "error",  "incomplete_details", "usage" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      JsonNode *node = _lsobs_call_peek_member (response, names[i]);

      if (node != NULL)
        _lsobs_join_set (answer->join, names[i], node);
    }
}

/* Keeps a response as the outputs. Beside the output, it repeats the request. */
static void
keep_response (LsobsCallAnswer *answer, JsonObject *response)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  _lsobs_buffer_append_c (&text, '{');
  json_object_iter_init_ordered (&iter, response);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    {
      _lsobs_call_write_name (&text, name);
      if (strcmp (name, "output") == 0)
        _lsobs_call_write_node (&text, node);
      else
        _lsobs_call_mask_node (&text, node);
    }
  _lsobs_buffer_append_c (&text, '}');
  _lsobs_call_answer_keep_text (answer, &text);
}

/* Takes a response that does not change any more.
 * @is_event: whether it comes inside the last event of a stream */
static void
take_response (LsobsCallAnswer *answer, JsonObject *response, gboolean is_event)
{
  JsonArray *output = _lsobs_call_peek_array (response, "output");

  _lsobs_call_answer_take_usage (answer, response);
  _lsobs_call_answer_take_error (answer, response);
  answer->is_complete = TRUE;
  if (!is_event || (output != NULL && json_array_get_length (output) > 0) ||
      !_lsobs_join_has (answer->join, "output"))
    keep_response (answer, response);
  else
    take_frame (answer, response);
}

static gboolean
is_last (const char *type)
{
  return strcmp (type, "response.completed") == 0 || strcmp (type, "response.incomplete") == 0 ||
         strcmp (type, "response.failed") == 0 || strcmp (type, "response.cancelled") == 0;
}

static void
take_event (LsobsCallAnswer *answer, const char *type, JsonObject *event)
{
  JsonObject *response = _lsobs_call_peek_object (event, "response");

  if (is_last (type) && response != NULL)
    {
      take_response (answer, response, TRUE);
      answer->has_ended = TRUE;
    }
  else if (response != NULL)
    take_frame (answer, response);
  else if (strcmp (type, "response.output_item.added") == 0 ||
           strcmp (type, "response.output_item.done") == 0)
    put (get_item (answer, event), _lsobs_call_peek_object (event, "item"));
  else if (strcmp (type, "response.content_part.added") == 0 ||
           strcmp (type, "response.reasoning_summary_part.added") == 0)
    take_part (answer, type, event);
  else if (g_str_has_suffix (type, ".delta"))
    take_delta (answer, type, event);
}

static gboolean
take (LsobsCallAnswer *answer, JsonObject *event)
{
  const char *type = _lsobs_call_peek_string (event, "type");
  JsonObject *response = _lsobs_call_peek_object (event, "response");

  _lsobs_call_answer_take_model (answer,
                                 _lsobs_call_peek_string (response != NULL ? response : event,
                                                          "model"));
  if (type != NULL && (answer->is_stream || g_str_has_prefix (type, "response.")))
    {
      answer->is_stream = TRUE;
      take_event (answer, type, event);
      return TRUE;
    }
  if (_lsobs_call_peek_array (event, "output") == NULL)
    return FALSE;
  take_response (answer, event, FALSE);
  return TRUE;
}

const LsobsCallFormat _lsobs_responses_format = {
  .operation = "chat",
  .model_type = "chat",
  .write_inputs = write_inputs,
  .take = take,
};
