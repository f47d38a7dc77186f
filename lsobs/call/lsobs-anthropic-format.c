/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/call/lsobs-anthropic-format-private.h"
#include "lsobs/call/lsobs-call-answer-private.h"
#include "lsobs/call/lsobs-call-json-private.h"

/* Messages of Anthropic. */

static void
write_inputs (LsobsBuffer *out, JsonObject *request)
{
  _lsobs_call_write_name (out, "messages");
  _lsobs_buffer_append_c (out, '[');
  _lsobs_call_write_message (out, "system", _lsobs_call_peek_member (request, "system"));
  _lsobs_call_write_elements (out, request, "messages");
  _lsobs_buffer_append_c (out, ']');
  _lsobs_call_write_tools (out, request, "tools");
  _lsobs_call_write_tools (out, request, "mcp_servers");
}

static void
take_usage (LsobsCallAnswer *answer, JsonObject *usage)
{
  LsobsJoin *joined = usage != NULL ? _lsobs_join_get_object (answer->join, "usage") : NULL;
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  if (joined == NULL)
    return;
  _lsobs_call_answer_merge_usage (answer, usage);
  json_object_iter_init_ordered (&iter, usage);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    if (!JSON_NODE_HOLDS_NULL (node))
      _lsobs_join_set (joined, name, node);
}

static void
take_start (LsobsCallAnswer *answer, JsonObject *message)
{
  static const char *const except[] = { "usage", NULL };

  if (message == NULL)
    return;
  _lsobs_join_merge (answer->join, message, except);
  _lsobs_call_answer_take_model (answer, _lsobs_call_peek_string (message, "model"));
  take_usage (answer, _lsobs_call_peek_object (message, "usage"));
}

/* Takes what a block begins with. Its lists are whole, and no pieces: the parts that a server of tools
 * has answered stay apart.
 * @block: (nullable): where it belongs */
static void
take_block (LsobsJoin *block, JsonObject *start)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  if (block == NULL)
    return;
  json_object_iter_init_ordered (&iter, start);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    {
      if (JSON_NODE_HOLDS_ARRAY (node))
        _lsobs_join_append_all (block, name, json_node_get_array (node));
      else
        _lsobs_join_merge_member (block, name, node);
    }
}

/* @block: (nullable): where the piece belongs */
static void
take_delta (LsobsCallAnswer *answer, LsobsJoin *block, JsonObject *delta)
{
  static const char *const except[] = { "type", NULL };
  const char *json = _lsobs_call_peek_string (delta, "partial_json");
  JsonNode *citation = _lsobs_call_peek_member (delta, "citation");

  if (block == NULL || delta == NULL)
    return;
  answer->has_token = TRUE;
  if (citation != NULL)
    _lsobs_join_append (block, "citations", citation);
  else if (json != NULL)
    _lsobs_join_add_raw_text (block, "input", json);
  else if (!json_object_has_member (delta, "partial_json"))
    _lsobs_join_merge (block, delta, except);
}

static void
take_message_delta (LsobsCallAnswer *answer, JsonObject *event)
{
  JsonObject *delta = _lsobs_call_peek_object (event, "delta");

  if (delta != NULL)
    _lsobs_join_merge (answer->join, delta, NULL);
  take_usage (answer, _lsobs_call_peek_object (event, "usage"));
}

static LsobsJoin *
get_block (LsobsCallAnswer *answer, JsonObject *event)
{
  return _lsobs_join_get_element (answer->join, "content",
                                  _lsobs_call_get_index (event, "index", 0));
}

static gboolean
take (LsobsCallAnswer *answer, JsonObject *event)
{
  const char *type = _lsobs_call_peek_string (event, "type");
  JsonObject *block = _lsobs_call_peek_object (event, "content_block");

  if (type == NULL)
    return FALSE;
  if (strcmp (type, "message") == 0)
    {
      _lsobs_call_answer_take_usage (answer, event);
      _lsobs_call_answer_take_model (answer, _lsobs_call_peek_string (event, "model"));
      _lsobs_call_answer_keep_event (answer);
    }
  else if (strcmp (type, "message_start") == 0)
    take_start (answer, _lsobs_call_peek_object (event, "message"));
  else if (strcmp (type, "content_block_start") == 0 && block != NULL)
    take_block (get_block (answer, event), block);
  else if (strcmp (type, "content_block_delta") == 0)
    take_delta (answer, get_block (answer, event), _lsobs_call_peek_object (event, "delta"));
  else if (strcmp (type, "message_delta") == 0)
    take_message_delta (answer, event);
  else if (strcmp (type, "message_stop") == 0)
    {
      answer->is_complete = TRUE;
      answer->has_ended = TRUE;
    }
  else
    return answer->is_stream;
  return TRUE;
}

const LsobsCallFormat _lsobs_anthropic_format = {
  .operation = "chat",
  .provider = "anthropic",
  .model_type = "chat",
  .write_inputs = write_inputs,
  .take = take,
};
