/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/call/lsobs-call-answer-private.h"
#include "lsobs/call/lsobs-call-json-private.h"
#include "lsobs/call/lsobs-ollama-format-private.h"

/* The chat and generate of Ollama. A whole answer is a stream of one event. */

static void
write_chat_inputs (LsobsBuffer *out, JsonObject *request)
{
  _lsobs_call_write_member (out, request, "messages");
  _lsobs_call_write_tools (out, request, "tools");
}

static void
write_generate_inputs (LsobsBuffer *out, JsonObject *request)
{
  _lsobs_call_write_member (out, request, "system");
  _lsobs_call_write_member (out, request, "prompt");
  _lsobs_call_write_member (out, request, "suffix");
  _lsobs_call_write_member (out, request, "images");
}

/* The last event has times, in ns. */
static void
take_details (LsobsCallAnswer *answer, JsonObject *event)
{
  static const char *const names[] = { "total_duration", "load_duration", "prompt_eval_duration",
                                       "eval_duration" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      JsonNode *node = _lsobs_call_peek_member (event, names[i]);

      if (node != NULL && json_node_get_value_type (node) == G_TYPE_INT64)
        _lsobs_call_answer_add_detail (answer, names[i], node);
    }
}

static gboolean
has_any (JsonObject *event, const char *const *names)
{
  for (guint i = 0; names[i] != NULL; i++)
    if (json_object_has_member (event, names[i]))
      return TRUE;
  return FALSE;
}

static gboolean
take (LsobsCallAnswer *answer, JsonObject *event)
{
  /* The context repeats the outputs as numbers. */
  static const char *const except[] = { "context", "error", NULL };
  JsonObject *message = _lsobs_call_peek_object (event, "message");
  gboolean is_done;

  if (!json_object_has_member (event, "done"))
    return FALSE;
  is_done = json_object_get_boolean_member_with_default (event, "done", FALSE);
  if (!is_done)
    answer->is_stream = TRUE;
  answer->has_token |= _lsobs_call_peek_string (event, "response") != NULL ||
                       _lsobs_call_peek_string (event, "thinking") != NULL ||
                       _lsobs_call_peek_string (message, "content") != NULL ||
                       _lsobs_call_peek_string (message, "thinking") != NULL ||
                       _lsobs_call_peek_array (message, "tool_calls") != NULL;
  _lsobs_call_answer_take_model (answer, _lsobs_call_peek_string (event, "model"));
  if (is_done && !answer->is_stream && !has_any (event, except))
    _lsobs_call_answer_keep_event (answer);
  else
    _lsobs_join_merge (answer->join, event, except);
  if (!is_done)
    return TRUE;
  _lsobs_call_answer_take_usage (answer, event);
  take_details (answer, event);
  answer->is_complete = TRUE;
  answer->has_ended = answer->is_stream;
  return TRUE;
}

const LsobsCallFormat _lsobs_ollama_chat_format = {
  .operation = "chat",
  .provider = "ollama",
  .model_type = "chat",
  .options = "options",
  .write_inputs = write_chat_inputs,
  .take = take,
};

const LsobsCallFormat _lsobs_ollama_generate_format = {
  .operation = "text_completion",
  .provider = "ollama",
  .model_type = "llm",
  .options = "options",
  .write_inputs = write_generate_inputs,
  .take = take,
};
