/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/call/lsobs-call-answer-private.h"
#include "lsobs/call/lsobs-call-json-private.h"
#include "lsobs/call/lsobs-openai-format-private.h"

/* Chat completions and the older completions of OpenAI, which many services speak. */

static void
write_chat_inputs (LsobsBuffer *out, JsonObject *request)
{
  _lsobs_call_write_member (out, request, "messages");
  _lsobs_call_write_tools (out, request, "tools");
  _lsobs_call_write_member (out, request, "functions");
}

static void
write_completions_inputs (LsobsBuffer *out, JsonObject *request)
{
  _lsobs_call_write_member (out, request, "prompt");
  _lsobs_call_write_member (out, request, "suffix");
}

/* Whether a piece has a part of the outputs: any member but the role that is not empty. */
static gboolean
has_token (JsonObject *delta)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init (&iter, delta);
  while (json_object_iter_next (&iter, &name, &node))
    if (strcmp (name, "role") != 0 &&
        (_lsobs_call_peek_text (node) != NULL || _lsobs_json_peek_object (node) != NULL ||
         (JSON_NODE_HOLDS_ARRAY (node) && json_array_get_length (json_node_get_array (node)) > 0)))
      return TRUE;
  return FALSE;
}

static void
take_choice (LsobsCallAnswer *answer, JsonObject *choice)
{
  static const char *const except[] = { "delta", "message", NULL };
  LsobsJoin *joined =
      _lsobs_join_get_element (answer->join, "choices", _lsobs_call_get_index (choice, "index", 0));
  JsonObject *delta = _lsobs_call_peek_object (choice, "delta");
  LsobsJoin *message;

  if (joined == NULL)
    return;
  if (delta == NULL)
    delta = _lsobs_call_peek_object (choice, "message");
  if (_lsobs_call_peek_string (choice, "finish_reason") != NULL && _lsobs_join_finish (joined))
    answer->n_finished++;
  _lsobs_join_merge (joined, choice, except);
  answer->has_token |= _lsobs_call_peek_string (choice, "text") != NULL;
  if (delta == NULL)
    return;
  answer->has_token |= has_token (delta);
  message = _lsobs_join_get_object (joined, "message");
  if (message != NULL)
    _lsobs_join_merge (message, delta, NULL);
}

/* Takes what an event has beside the choices. */
static void
take_frame (LsobsCallAnswer *answer, JsonObject *event)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init_ordered (&iter, event);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    {
      if (strcmp (name, "choices") == 0 || strcmp (name, "error") == 0 ||
          JSON_NODE_HOLDS_NULL (node))
        continue;
      if (strcmp (name, "object") == 0 &&
          g_strcmp0 (_lsobs_call_peek_text (node), "chat.completion.chunk") == 0)
        _lsobs_join_set_string (answer->join, name, "chat.completion");
      else
        _lsobs_join_set (answer->join, name, node);
    }
}

/* Whether an event of JSON, which no frame marks as one of a stream, is a piece of an answer. After
 * the first piece, all are. */
static gboolean
is_piece (LsobsCallAnswer *answer, JsonObject *event, JsonArray *choices)
{
  return answer->is_stream ||
         _lsobs_call_peek_object (_lsobs_call_peek_element (choices, 0), "delta") != NULL ||
         g_strcmp0 (_lsobs_call_peek_string (event, "object"), "chat.completion.chunk") == 0;
}

static gboolean
take (LsobsCallAnswer *answer, JsonObject *event)
{
  JsonArray *choices = _lsobs_call_peek_array (event, "choices");

  if (choices == NULL && _lsobs_call_peek_object (event, "usage") == NULL)
    return FALSE;
  _lsobs_call_answer_take_usage (answer, event);
  _lsobs_call_answer_take_model (answer, _lsobs_call_peek_string (event, "model"));
  if (answer->framing.kind == LSOBS_FRAMING_JSON && !is_piece (answer, event, choices))
    {
      _lsobs_call_answer_keep_event (answer);
      return TRUE;
    }
  answer->is_stream = TRUE;
  /* An event without choices may come before the first piece. */
  g_clear_pointer (&answer->whole, g_bytes_unref);
  take_frame (answer, event);
  for (guint i = 0; choices != NULL && i < json_array_get_length (choices); i++)
    {
      JsonObject *choice = _lsobs_call_peek_element (choices, i);

      if (choice == NULL)
        continue;
      take_choice (answer, choice);
      _lsobs_call_answer_take_error (answer, choice);
    }
  answer->is_complete =
      answer->n_finished >= MAX (answer->n_choices, _lsobs_join_count (answer->join, "choices")) &&
      answer->n_finished > 0;
  return TRUE;
}

const LsobsCallFormat _lsobs_chat_format = {
  .operation = "chat",
  .model_type = "chat",
  .must_ask_usage = TRUE,
  .write_inputs = write_chat_inputs,
  .take = take,
};

const LsobsCallFormat _lsobs_completions_format = {
  .operation = "text_completion",
  .model_type = "llm",
  .must_ask_usage = TRUE,
  .write_inputs = write_completions_inputs,
  .take = take,
};
