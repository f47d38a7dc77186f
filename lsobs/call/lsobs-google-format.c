/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/call/lsobs-call-answer-private.h"
#include "lsobs/call/lsobs-call-json-private.h"
#include "lsobs/call/lsobs-google-format-private.h"
#include "lsobs/text/lsobs-json-reader-private.h"

/* generateContent of Google. Its contents have other names than the messages of all others, so they
 * become messages of OpenAI's form, which the service shows. */

/* The member of a message, a part or a call that has the signature of its thoughts. */
#define SIGNATURE "thoughtSignature"

/* Returns: (nullable): a member under one of its two names */
static JsonNode *
peek_either (JsonObject *object, const char *name, const char *other)
{
  JsonNode *node = _lsobs_call_peek_member (object, name);

  return node != NULL ? node : _lsobs_call_peek_member (object, other);
}

/* Returns: (nullable) */
static JsonObject *
peek_either_object (JsonObject *object, const char *name, const char *other)
{
  return _lsobs_json_peek_object (peek_either (object, name, other));
}

/* Returns: (transfer full): the JSON text of a node; that of an object without members for %NULL */
static char *
dup_json (JsonNode *node)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  if (node != NULL)
    _lsobs_call_write_node (&text, node);
  else
    _lsobs_buffer_append_str (&text, "{}");
  return g_strndup (text.data, text.len);
}

/* Returns: (nullable): the signature of a part, which the next request repeats */
static JsonNode *
peek_signature (JsonObject *part)
{
  return peek_either (part, "thoughtSignature", "thought_signature");
}

/* Writes the signature of a part, if it has one. */
static void
write_signature (LsobsBuffer *out, JsonObject *part)
{
  JsonNode *signature = peek_signature (part);

  if (signature == NULL)
    return;
  _lsobs_call_write_name (out, SIGNATURE);
  _lsobs_call_write_node (out, signature);
}

/* --- parts --- */

/* Writes a part with data as one of OpenAI's. */
static void
write_data (LsobsBuffer *out, JsonObject *blob)
{
  const char *mime_type = _lsobs_call_peek_text (peek_either (blob, "mimeType", "mime_type"));
  const char *data = _lsobs_call_peek_string (blob, "data");
  gboolean is_image = mime_type != NULL && g_str_has_prefix (mime_type, "image/");
  g_autofree char *url = NULL;

  if (mime_type == NULL)
    mime_type = "application/octet-stream";
  url = g_strconcat ("data:", mime_type, ";base64,", data != NULL ? data : "", NULL);
  _lsobs_call_write_string (out, "type", is_image ? "image_url" : "file");
  _lsobs_call_write_name (out, is_image ? "image_url" : "file");
  _lsobs_buffer_append_c (out, '{');
  _lsobs_call_write_string (out, is_image ? "url" : "file_data", url);
  _lsobs_buffer_append_c (out, '}');
}

/* Writes a part with the address of a file. */
static void
write_file (LsobsBuffer *out, JsonObject *file)
{
  const char *uri = _lsobs_call_peek_text (peek_either (file, "fileUri", "file_uri"));

  _lsobs_call_write_string (out, "type", "file");
  _lsobs_call_write_name (out, "file");
  _lsobs_buffer_append_c (out, '{');
  _lsobs_call_write_string (out, "file_id", uri != NULL ? uri : "");
  _lsobs_buffer_append_c (out, '}');
}

/* Appends a part that is no call of a function, and no answer to one. */
static void
write_part (LsobsBuffer *out, JsonObject *part)
{
  JsonObject *blob = peek_either_object (part, "inlineData", "inline_data");
  JsonObject *file = peek_either_object (part, "fileData", "file_data");
  JsonNode *text = _lsobs_call_peek_member (part, "text");
  JsonNode *thought = _lsobs_call_peek_member (part, "thought");
  gboolean is_thought = thought != NULL && json_node_get_value_type (thought) == G_TYPE_BOOLEAN &&
                        json_node_get_boolean (thought);
  g_autoptr (JsonNode) node = NULL;

  _lsobs_call_write_separator (out);
  if (text == NULL && blob == NULL && file == NULL)
    {
      node = json_node_init_object (json_node_alloc (), part);
      _lsobs_call_write_node (out, node);
      return;
    }
  _lsobs_buffer_append_c (out, '{');
  if (blob != NULL)
    write_data (out, blob);
  else if (file != NULL)
    write_file (out, file);
  else
    {
      _lsobs_call_write_string (out, "type", is_thought ? "thinking" : "text");
      _lsobs_call_write_name (out, is_thought ? "thinking" : "text");
      _lsobs_call_write_node (out, text);
    }
  write_signature (out, part);
  _lsobs_buffer_append_c (out, '}');
}

/* --- inputs --- */

/* The calls of functions in the inputs, which have no ids of their own, or some have. */
typedef struct
{
  guint n_calls;   /* so far */
  guint n_answers; /* to calls without an id */
} CallIds;

/* Appends a call of a function.
 * @part: has the call */
static void
write_call (LsobsBuffer *out, CallIds *ids, JsonObject *part)
{
  JsonObject *call = peek_either_object (part, "functionCall", "function_call");
  g_autofree char *made = g_strdup_printf ("call_%u", ids->n_calls++);
  g_autofree char *arguments = dup_json (_lsobs_call_peek_member (call, "args"));
  const char *id = _lsobs_call_peek_string (call, "id");
  const char *name = _lsobs_call_peek_string (call, "name");

  _lsobs_call_write_separator (out);
  _lsobs_buffer_append_c (out, '{');
  _lsobs_call_write_string (out, "id", id != NULL ? id : made);
  _lsobs_call_write_string (out, "type", "function");
  _lsobs_call_write_name (out, "function");
  _lsobs_buffer_append_c (out, '{');
  _lsobs_call_write_string (out, "name", name != NULL ? name : "");
  _lsobs_call_write_string (out, "arguments", arguments);
  _lsobs_buffer_append_c (out, '}');
  write_signature (out, part);
  _lsobs_buffer_append_c (out, '}');
}

/* Appends a message with what a function has answered. */
static void
write_answer (LsobsBuffer *out, CallIds *ids, JsonObject *answer)
{
  g_autofree char *made = g_strdup_printf ("call_%u", ids->n_answers++);
  g_autofree char *content = dup_json (_lsobs_call_peek_member (answer, "response"));
  const char *id = _lsobs_call_peek_string (answer, "id");
  const char *name = _lsobs_call_peek_string (answer, "name");

  _lsobs_call_write_separator (out);
  _lsobs_buffer_append_c (out, '{');
  _lsobs_call_write_string (out, "role", "tool");
  _lsobs_call_write_string (out, "tool_call_id", id != NULL ? id : made);
  if (name != NULL)
    _lsobs_call_write_string (out, "name", name);
  _lsobs_call_write_string (out, "content", content);
  _lsobs_buffer_append_c (out, '}');
}

/* How many parts of a content are of which kind. */
typedef struct
{
  guint n_texts;
  guint n_others;
  guint n_calls;
  guint n_answers;
  JsonNode *text; /* (unowned) (nullable) the last one */
} PartStats;

static void
count_parts (JsonArray *parts, PartStats *counts)
{
  for (guint i = 0; parts != NULL && i < json_array_get_length (parts); i++)
    {
      JsonObject *part = _lsobs_call_peek_element (parts, i);

      if (peek_either (part, "functionCall", "function_call") != NULL)
        counts->n_calls++;
      else if (peek_either (part, "functionResponse", "function_response") != NULL)
        counts->n_answers++;
      else if (_lsobs_call_peek_member (part, "text") != NULL &&
               _lsobs_call_peek_member (part, "thought") == NULL && peek_signature (part) == NULL)
        {
          counts->n_texts++;
          counts->text = json_object_get_member (part, "text");
        }
      else
        counts->n_others++;
    }
}

static void
write_parts (LsobsBuffer *out, JsonArray *parts, const PartStats *counts)
{
  _lsobs_call_write_name (out, "content");
  if (counts->n_texts == 1 && counts->n_others == 0)
    {
      _lsobs_call_write_node (out, counts->text);
      return;
    }
  _lsobs_buffer_append_c (out, '[');
  for (guint i = 0; parts != NULL && i < json_array_get_length (parts); i++)
    {
      JsonObject *part = _lsobs_call_peek_element (parts, i);

      if (part != NULL && peek_either (part, "functionCall", "function_call") == NULL &&
          peek_either (part, "functionResponse", "function_response") == NULL)
        write_part (out, part);
    }
  _lsobs_buffer_append_c (out, ']');
}

/* Appends the messages that a content stands for: answers of functions are messages of their own.
 * @role: (nullable): instead of that of the content */
static void
write_content (LsobsBuffer *out, CallIds *ids, JsonObject *content, const char *role)
{
  JsonArray *parts = _lsobs_call_peek_array (content, "parts");
  PartStats counts = { 0 };
  JsonObject *function;

  count_parts (parts, &counts);
  for (guint i = 0; counts.n_answers > 0 && i < json_array_get_length (parts); i++)
    {
      function = peek_either_object (_lsobs_call_peek_element (parts, i), "functionResponse",
                                     "function_response");
      if (function != NULL)
        write_answer (out, ids, function);
    }
  if (counts.n_answers > 0 && counts.n_texts + counts.n_others + counts.n_calls == 0)
    return;
  if (role == NULL)
    role =
        g_strcmp0 (_lsobs_call_peek_string (content, "role"), "model") == 0 ? "assistant" : "user";
  _lsobs_call_write_separator (out);
  _lsobs_buffer_append_c (out, '{');
  _lsobs_call_write_string (out, "role", role);
  write_parts (out, parts, &counts);
  if (counts.n_calls > 0)
    {
      _lsobs_call_write_name (out, "tool_calls");
      _lsobs_buffer_append_c (out, '[');
      for (guint i = 0; i < json_array_get_length (parts); i++)
        {
          JsonObject *part = _lsobs_call_peek_element (parts, i);

          if (peek_either_object (part, "functionCall", "function_call") != NULL)
            write_call (out, ids, part);
        }
      _lsobs_buffer_append_c (out, ']');
    }
  _lsobs_buffer_append_c (out, '}');
}

static void
write_inputs (LsobsBuffer *out, JsonObject *request)
{
  JsonNode *system = peek_either (request, "systemInstruction", "system_instruction");
  JsonNode *contents = _lsobs_call_peek_member (request, "contents");
  JsonArray *array = _lsobs_call_peek_array (request, "contents");
  CallIds ids = { 0 };

  _lsobs_call_write_name (out, "messages");
  _lsobs_buffer_append_c (out, '[');
  if (_lsobs_json_peek_object (system) != NULL)
    write_content (out, &ids, json_node_get_object (system), "system");
  else
    _lsobs_call_write_message (out, "system", system);
  if (_lsobs_json_peek_object (contents) != NULL)
    write_content (out, &ids, json_node_get_object (contents), NULL);
  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++)
    {
      JsonObject *content = _lsobs_call_peek_element (array, i);

      if (content != NULL)
        write_content (out, &ids, content, NULL);
    }
  _lsobs_buffer_append_c (out, ']');
  _lsobs_call_write_tools (out, request, "tools");
}

/* --- outputs --- */

/* @joined: what the signature of the part belongs to */
static void
take_signature (LsobsJoin *joined, JsonObject *part)
{
  if (peek_signature (part) != NULL)
    _lsobs_join_set (joined, SIGNATURE, peek_signature (part));
}

/* @part: has the call */
static void
take_call (LsobsJoin *message, JsonObject *part)
{
  JsonObject *call = peek_either_object (part, "functionCall", "function_call");
  g_autofree char *id = g_strdup_printf ("call_%u", _lsobs_join_count (message, "tool_calls"));
  g_autofree char *arguments = dup_json (_lsobs_call_peek_member (call, "args"));
  LsobsJoin *joined = _lsobs_join_add_element (message, "tool_calls");
  LsobsJoin *function;

  if (joined == NULL)
    return;
  if (_lsobs_call_peek_string (call, "id") != NULL)
    _lsobs_join_set (joined, "id", json_object_get_member (call, "id"));
  else
    _lsobs_join_set_string (joined, "id", id);
  _lsobs_join_set_string (joined, "type", "function");
  take_signature (joined, part);
  function = _lsobs_join_get_object (joined, "function");
  if (function == NULL)
    return;
  if (_lsobs_call_peek_member (call, "name") != NULL)
    _lsobs_join_set (function, "name", json_object_get_member (call, "name"));
  _lsobs_join_add_text (function, "arguments", arguments);
}

/* Adds a part that is no text to the content, which becomes a list. */
static void
take_other_part (LsobsJoin *message, JsonObject *part)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  g_autoptr (JsonNode) node = NULL;

  _lsobs_buffer_append_str (&text, "{\"content\":[");
  write_part (&text, part);
  _lsobs_buffer_append_str (&text, "]}");
  node = _lsobs_json_read (&text);
  _lsobs_join_merge (message, json_node_get_object (node), NULL);
}

static void
take_part (LsobsCallAnswer *answer, LsobsJoin *message, JsonObject *part)
{
  JsonObject *call = peek_either_object (part, "functionCall", "function_call");
  JsonNode *text = _lsobs_call_peek_member (part, "text");

  if (call != NULL)
    take_call (message, part);
  else if (text == NULL || json_node_get_value_type (text) != G_TYPE_STRING)
    take_other_part (message, part);
  else if (json_object_get_boolean_member_with_default (part, "thought", FALSE))
    _lsobs_join_add_text (message, "reasoning_content", json_node_get_string (text));
  else
    _lsobs_join_merge_member (message, "content", text);
  if (call == NULL && text != NULL)
    take_signature (message, part);
  answer->has_token |= text == NULL || _lsobs_call_peek_text (text) != NULL;
}

static void
take_candidate (LsobsCallAnswer *answer, JsonObject *candidate)
{
  gint64 index = _lsobs_call_get_index (candidate, "index", 0);
  LsobsJoin *choice = _lsobs_join_get_element (answer->join, "choices", index);
  JsonArray *parts =
      _lsobs_call_peek_array (_lsobs_call_peek_object (candidate, "content"), "parts");
  g_autoptr (JsonNode) number = json_node_init_int (json_node_alloc (), index);
  LsobsJoin *message;
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  if (choice == NULL)
    return;
  _lsobs_join_set (choice, "index", number);
  message = _lsobs_join_get_object (choice, "message");
  if (message != NULL && !_lsobs_join_has (message, "role"))
    _lsobs_join_set_string (message, "role", "assistant");
  for (guint i = 0; message != NULL && parts != NULL && i < json_array_get_length (parts); i++)
    if (_lsobs_call_peek_element (parts, i) != NULL)
      take_part (answer, message, _lsobs_call_peek_element (parts, i));
  if (_lsobs_call_peek_string (candidate, "finishReason") != NULL && _lsobs_join_finish (choice))
    answer->n_finished++;
  json_object_iter_init_ordered (&iter, candidate);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    if (strcmp (name, "content") != 0 && strcmp (name, "index") != 0)
      _lsobs_join_set (choice, strcmp (name, "finishReason") == 0 ? "finish_reason" : name, node);
}

/* Takes what an event has beside the candidates. */
static void
take_frame (LsobsCallAnswer *answer, JsonObject *event)
{
  static const struct
  {
    const char *name;
    const char *as;
  } names[] = {
    { "responseId", "id" },
    { "modelVersion", "model" },
    { "promptFeedback", "promptFeedback" },
    { "usageMetadata", "usageMetadata" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      JsonNode *node = _lsobs_call_peek_member (event, names[i].name);

      if (node != NULL)
        _lsobs_join_set (answer->join, names[i].as, node);
    }
}

static gboolean
take (LsobsCallAnswer *answer, JsonObject *event)
{
  JsonArray *candidates = _lsobs_call_peek_array (event, "candidates");
  JsonObject *feedback = _lsobs_call_peek_object (event, "promptFeedback");

  if (candidates == NULL && feedback == NULL &&
      _lsobs_call_peek_object (event, "usageMetadata") == NULL)
    return FALSE;
  /* An array of events. */
  if (answer->framing.base > 0)
    answer->is_stream = TRUE;
  _lsobs_call_answer_take_usage (answer, event);
  _lsobs_call_answer_take_model (answer, _lsobs_call_peek_string (event, "modelVersion"));
  take_frame (answer, event);
  for (guint i = 0; candidates != NULL && i < json_array_get_length (candidates); i++)
    if (_lsobs_call_peek_element (candidates, i) != NULL)
      take_candidate (answer, _lsobs_call_peek_element (candidates, i));
  if (_lsobs_call_peek_string (feedback, "blockReason") != NULL)
    answer->is_complete = TRUE;
  if (answer->n_finished > 0)
    answer->is_complete =
        answer->n_finished >= MAX (answer->n_choices, _lsobs_join_count (answer->join, "choices"));
  return TRUE;
}

const LsobsCallFormat _lsobs_google_format = {
  .operation = "generate_content",
  .provider = "google_genai",
  .model_type = "chat",
  .options = "generationConfig",
  .write_inputs = write_inputs,
  .take = take,
};
