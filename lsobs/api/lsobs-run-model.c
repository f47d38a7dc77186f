/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "lsobs/api/lsobs-run-private.h"
#include "lsobs/model/lsobs-usage-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"
#include "lsobs/text/lsobs-secret-name-private.h"

/* What a program says about the model that a run calls: metadata under names that the service
 * knows, which children do not inherit, and usage. The run itself is in lsobs-run.c and knows none of these
 * names. All functions are public, so lsobs-run.h is the header. */

static void
set_string (LsobsRun *self, const char *key, const char *value)
{
  _lsobs_run_take_metadata (self, key, _lsobs_json_string_to_bytes (value), FALSE);
}

/* Default ls_model_type: chat. */
static void
set_default_type (LsobsRun *self)
{
  gboolean taken = TRUE;

  if (!_lsobs_run_lock_annotations (self))
    return;
  if (!_lsobs_annotations_has_metadata_unlocked (self->annotations, "ls_model_type"))
    taken = _lsobs_annotations_set_metadata_unlocked (self->annotations, "ls_model_type",
                                                      _lsobs_json_string_to_bytes ("chat"), FALSE);
  _lsobs_run_unlock_annotations (self, taken);
}

/**
 * lsobs_run_set_model:
 * @self: a run of the type %LSOBS_RUN_TYPE_LLM
 * @provider: (nullable): who offers the model, such as `openai`, `anthropic`, `azure`,
 *   `amazon_bedrock` or `google_vertexai`
 * @model_name: the name of the model, as the provider has it
 *
 * Tells which model was called. The service computes costs by it. The model counts as
 * one that chats, unless lsobs_run_set_model_type() has said or says otherwise.
 *
 * Since: 0.1
 */
void
lsobs_run_set_model (LsobsRun *self, const char *provider, const char *model_name)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (model_name != NULL);

  if (!self->info->sampled)
    return;
  if (provider != NULL)
    set_string (self, "ls_provider", provider);
  set_string (self, "ls_model_name", model_name);
  set_default_type (self);
}

/**
 * lsobs_run_set_model_type:
 * @self: a run of the type %LSOBS_RUN_TYPE_LLM
 * @model_type: `chat` for a model that takes messages, `llm` for one that completes text
 *
 * Tells what kind of model was called.
 *
 * Since: 0.1
 */
void
lsobs_run_set_model_type (LsobsRun *self, const char *model_type)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (model_type != NULL);

  if (self->info->sampled)
    set_string (self, "ls_model_type", model_type);
}

/* Returns: (transfer full) (nullable): the JSON text, or %NULL if it is too long */
static GBytes *
write_node (JsonNode *node)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  return _lsobs_json_write_node (&text, node, LSOBS_MAX_ANNOTATION_BYTES)
             ? _lsobs_buffer_steal_bytes (&text)
             : NULL;
}

static gboolean
is_number (JsonNode *node)
{
  return json_node_get_value_type (node) == G_TYPE_INT64 ||
         (json_node_get_value_type (node) == G_TYPE_DOUBLE &&
          isfinite (json_node_get_double (node)));
}

/* Writes stop words as a list. A single one becomes a list of one.
 * Returns: (transfer full) (nullable): %NULL for any other value */
static GBytes *
write_stop (JsonNode *node)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  const char *word;

  if (_lsobs_json_is_array_of_strings (node))
    return write_node (node);
  word = json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : NULL;
  if (word == NULL)
    return NULL;
  _lsobs_buffer_append_c (&text, '[');
  _lsobs_json_write_string (&text, word, strlen (word));
  _lsobs_buffer_append_c (&text, ']');
  return _lsobs_buffer_steal_bytes (&text);
}

/* Sets a parameter under the service's name for it. Providers use several names for one parameter.
 * Returns: %FALSE if the service has no name for it, or @value has the wrong type */
static gboolean
set_known_param (LsobsRun *self, const char *name, JsonNode *value)
{
  static const char *const limits[] = {
    "max_tokens",      "max_completion_tokens", "max_output_tokens",
    "max_new_tokens",  "max_tokens_to_sample",  "maxTokens",
    "maxOutputTokens", "num_predict",           NULL
  };
  static const char *const stops[] = { "stop", "stop_sequences", "stopSequences", NULL };
  const char *key = NULL;
  GBytes *json = NULL;

  if (strcmp (name, "temperature") == 0 && is_number (value))
    {
      key = "ls_temperature";
      json = write_node (value);
    }
  else if (g_strv_contains (limits, name) && json_node_get_value_type (value) == G_TYPE_INT64)
    {
      key = "ls_max_tokens";
      json = write_node (value);
    }
  else if (g_strv_contains (stops, name))
    {
      key = "ls_stop";
      json = write_stop (value);
    }
  if (json == NULL)
    return FALSE;
  _lsobs_run_take_metadata (self, key, json, FALSE);
  return TRUE;
}

static gboolean write_params (LsobsBuffer *out, JsonNode *node, guint depth);

/* Appends a member of an object, unless it is a secret.
 * @start: where the first member of the object begins in @out
 * Returns: %FALSE if the text becomes too long */
static gboolean
write_param (LsobsBuffer *out, gsize start, const char *name, JsonNode *value, guint depth)
{
  if (_lsobs_secret_name_is (name) ||
      (json_node_get_value_type (value) == G_TYPE_STRING &&
       _lsobs_secret_name_introduces (json_node_get_string (value))))
    return TRUE;
  if (out->len > start)
    _lsobs_buffer_append_c (out, ',');
  _lsobs_json_write_string (out, name, strlen (name));
  _lsobs_buffer_append_c (out, ':');
  return write_params (out, value, depth);
}

static gboolean
write_object (LsobsBuffer *out, JsonObject *object, guint depth)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  gsize start;

  _lsobs_buffer_append_c (out, '{');
  start = out->len;
  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &name, &value))
    if (!write_param (out, start, name, value, depth))
      return FALSE;
  _lsobs_buffer_append_c (out, '}');
  return TRUE;
}

static gboolean
write_array (LsobsBuffer *out, JsonArray *array, guint depth)
{
  _lsobs_buffer_append_c (out, '[');
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      if (i > 0)
        _lsobs_buffer_append_c (out, ',');
      if (!write_params (out, json_array_get_element (array, i), depth))
        return FALSE;
    }
  _lsobs_buffer_append_c (out, ']');
  return TRUE;
}

/* Appends a value without the secrets in it.
 * Returns: %FALSE if the text becomes too long */
static gboolean
write_params (LsobsBuffer *out, JsonNode *node, guint depth)
{
  JsonObject *object = _lsobs_json_peek_object (node);
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (out->len > LSOBS_MAX_ANNOTATION_BYTES)
    return FALSE;
  if (object == NULL && array == NULL)
    return _lsobs_json_write_node (out, node, LSOBS_MAX_ANNOTATION_BYTES);
  if (depth == LSOBS_JSON_MAX_DEPTH)
    {
      /* What lies deeper is not searched for secrets, so it is not sent. */
      _lsobs_json_write_string (out, LSOBS_JSON_DEPTH_LIMIT, strlen (LSOBS_JSON_DEPTH_LIMIT));
      return TRUE;
    }
  return object != NULL ? write_object (out, object, depth + 1)
                        : write_array (out, array, depth + 1);
}

/**
 * lsobs_run_set_invocation_params:
 * @self: a run of the type %LSOBS_RUN_TYPE_LLM
 * @params: an object with the parameters of the call, such as the request itself
 *
 * Tells how the model was called. `temperature`, the limit of tokens (`max_tokens` and
 * what else providers call it) and the stop words (`stop`, `stop_sequences`) become the
 * metadata `ls_temperature`, `ls_max_tokens` and `ls_stop`; all other members are sent as
 * `ls_invocation_params`.
 *
 * Left out is what belongs to the inputs of the run (`messages`, `prompt`, `input`,
 * `contents`, `system` and the like), so that it is not sent twice, nor past what hides
 * inputs; and at any depth what is called like a secret, such as `api_key` or
 * `Authorization`, or begins as the value of such a header does.
 *
 * What is no object is ignored, and counted by %LSOBS_COUNTER_DROPPED_NOTES.
 *
 * Since: 0.1
 */
void
lsobs_run_set_invocation_params (LsobsRun *self, JsonNode *params)
{
  /* clang-format off */
  static const char * const inputs[] = {
    "messages", "prompt", "prompts", "input", "inputs", "contents", "system", "system_instruction",
    "systemInstruction", "instructions", NULL
  };
  /* clang-format on */
  g_auto (LsobsBuffer) rest = LSOBS_BUFFER_INIT;
  JsonObject *object;
  gboolean fits;
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;

  g_return_if_fail (self != NULL);
  g_return_if_fail (params != NULL);

  if (!self->info->sampled)
    return;
  object = _lsobs_json_peek_object (params);
  fits = object != NULL;
  _lsobs_buffer_append_c (&rest, '{');
  if (object != NULL)
    {
      json_object_iter_init_ordered (&iter, object);
      while (fits && json_object_iter_next_ordered (&iter, &name, &value))
        if (!g_strv_contains (inputs, name) && !set_known_param (self, name, value))
          fits = write_param (&rest, 1, name, value, 1);
    }
  if (!fits)
    {
      if (_lsobs_run_lock_annotations (self))
        _lsobs_run_unlock_annotations (self, FALSE);
      return;
    }
  if (rest.len == 1)
    return;
  _lsobs_buffer_append_c (&rest, '}');
  _lsobs_run_take_metadata (self, "ls_invocation_params", _lsobs_buffer_steal_bytes (&rest), FALSE);
}

/**
 * lsobs_run_set_usage:
 * @self: a run of the type %LSOBS_RUN_TYPE_LLM
 * @input_tokens: how many tokens went in, or -1 if it is not known
 * @output_tokens: how many tokens came out, or -1 if it is not known
 * @total_tokens: both, or -1 for the sum of the two
 *
 * Tells how many tokens the call of a model has used. For kinds of tokens and costs
 * there is lsobs_run_set_usage_metadata(); the later call of the two counts.
 *
 * Since: 0.1
 */
void
lsobs_run_set_usage (LsobsRun *self, gint64 input_tokens, gint64 output_tokens, gint64 total_tokens)
{
  g_autoptr (LsobsUsage) usage = NULL;

  g_return_if_fail (self != NULL);

  if (!self->info->sampled)
    return;
  usage = lsobs_usage_new ();
  usage->tokens[LSOBS_USAGE_INPUT] = MAX (input_tokens, -1);
  usage->tokens[LSOBS_USAGE_OUTPUT] = MAX (output_tokens, -1);
  usage->tokens[LSOBS_USAGE_TOTAL] = MAX (total_tokens, -1);
  lsobs_run_set_usage_metadata (self, usage);
}

/**
 * lsobs_run_set_usage_metadata:
 * @self: a run of the type %LSOBS_RUN_TYPE_LLM
 * @usage: how many tokens were used, and what they cost
 *
 * Tells what the call of a model has used, as the metadata `usage_metadata`. @usage may
 * be changed or freed at once.
 *
 * Since: 0.1
 */
void
lsobs_run_set_usage_metadata (LsobsRun *self, LsobsUsage *usage)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  g_return_if_fail (self != NULL);
  g_return_if_fail (usage != NULL);

  if (!self->info->sampled)
    return;
  _lsobs_usage_write (usage, &text);
  _lsobs_run_take_metadata (self, "usage_metadata", _lsobs_buffer_steal_bytes (&text), FALSE);
}
