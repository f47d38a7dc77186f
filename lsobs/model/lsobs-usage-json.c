/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>

#include <glib/gi18n-lib.h>

#include "lsobs/lsobs-error.h"
#include "lsobs/model/lsobs-usage-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* Where the providers of models put their numbers. No two mean different things by
 * one name, apart from what Anthropic calls the input: see add_caches(). */
typedef struct
{
  const char *outer; /* (nullable) the object that it is in */
  const char *name;
  LsobsUsageItem item;
  gboolean adds; /* to what another of them says */
} UsageField;

static const UsageField token_fields[] = {
  /* OpenAI, chat completions, and whoever speaks the same */
  { NULL, "prompt_tokens", LSOBS_USAGE_INPUT, FALSE },
  { NULL, "completion_tokens", LSOBS_USAGE_OUTPUT, FALSE },
  { "prompt_tokens_details", "cached_tokens", LSOBS_USAGE_INPUT_CACHE_READ, FALSE },
  { "prompt_tokens_details", "audio_tokens", LSOBS_USAGE_INPUT_AUDIO, FALSE },
  { "prompt_tokens_details", "text_tokens", LSOBS_USAGE_INPUT_TEXT, FALSE },
  { "prompt_tokens_details", "image_tokens", LSOBS_USAGE_INPUT_IMAGE, FALSE },
  { "completion_tokens_details", "reasoning_tokens", LSOBS_USAGE_OUTPUT_REASONING, FALSE },
  { "completion_tokens_details", "audio_tokens", LSOBS_USAGE_OUTPUT_AUDIO, FALSE },
  { "completion_tokens_details", "text_tokens", LSOBS_USAGE_OUTPUT_TEXT, FALSE },
  { "completion_tokens_details", "image_tokens", LSOBS_USAGE_OUTPUT_IMAGE, FALSE },
  /* OpenAI, responses and images; the first three also Anthropic and our own */
  { NULL, "input_tokens", LSOBS_USAGE_INPUT, FALSE },
  { NULL, "output_tokens", LSOBS_USAGE_OUTPUT, FALSE },
  { NULL, "total_tokens", LSOBS_USAGE_TOTAL, FALSE },
  { "input_tokens_details", "cached_tokens", LSOBS_USAGE_INPUT_CACHE_READ, FALSE },
  { "input_tokens_details", "audio_tokens", LSOBS_USAGE_INPUT_AUDIO, FALSE },
  { "input_tokens_details", "text_tokens", LSOBS_USAGE_INPUT_TEXT, FALSE },
  { "input_tokens_details", "image_tokens", LSOBS_USAGE_INPUT_IMAGE, FALSE },
  { "output_tokens_details", "reasoning_tokens", LSOBS_USAGE_OUTPUT_REASONING, FALSE },
  { "output_tokens_details", "audio_tokens", LSOBS_USAGE_OUTPUT_AUDIO, FALSE },
  { "output_tokens_details", "text_tokens", LSOBS_USAGE_OUTPUT_TEXT, FALSE },
  { "output_tokens_details", "image_tokens", LSOBS_USAGE_OUTPUT_IMAGE, FALSE },
  /* Anthropic */
  { NULL, "cache_read_input_tokens", LSOBS_USAGE_INPUT_CACHE_READ, FALSE },
  { NULL, "cache_creation_input_tokens", LSOBS_USAGE_INPUT_CACHE_CREATION, FALSE },
  { "cache_creation", "ephemeral_5m_input_tokens", LSOBS_USAGE_INPUT_EPHEMERAL_5M, FALSE },
  { "cache_creation", "ephemeral_1h_input_tokens", LSOBS_USAGE_INPUT_EPHEMERAL_1H, FALSE },
  /* Google */
  { NULL, "promptTokenCount", LSOBS_USAGE_INPUT, FALSE },
  { NULL, "toolUsePromptTokenCount", LSOBS_USAGE_INPUT, TRUE },
  { NULL, "candidatesTokenCount", LSOBS_USAGE_OUTPUT, FALSE },
  { NULL, "thoughtsTokenCount", LSOBS_USAGE_OUTPUT, TRUE },
  { NULL, "thoughtsTokenCount", LSOBS_USAGE_OUTPUT_REASONING, FALSE },
  { NULL, "totalTokenCount", LSOBS_USAGE_TOTAL, FALSE },
  { NULL, "cachedContentTokenCount", LSOBS_USAGE_INPUT_CACHE_READ, FALSE },
  /* our own */
  { "input_token_details", "audio", LSOBS_USAGE_INPUT_AUDIO, FALSE },
  { "input_token_details", "cache_read", LSOBS_USAGE_INPUT_CACHE_READ, FALSE },
  { "input_token_details", "cache_creation", LSOBS_USAGE_INPUT_CACHE_CREATION, FALSE },
  { "input_token_details", "cache_read_over_200k", LSOBS_USAGE_INPUT_CACHE_READ_OVER_200K, FALSE },
  { "input_token_details", "ephemeral_5m_input_tokens", LSOBS_USAGE_INPUT_EPHEMERAL_5M, FALSE },
  { "input_token_details", "ephemeral_1h_input_tokens", LSOBS_USAGE_INPUT_EPHEMERAL_1H, FALSE },
  { "input_token_details", "text", LSOBS_USAGE_INPUT_TEXT, FALSE },
  { "input_token_details", "image", LSOBS_USAGE_INPUT_IMAGE, FALSE },
  { "output_token_details", "audio", LSOBS_USAGE_OUTPUT_AUDIO, FALSE },
  { "output_token_details", "reasoning", LSOBS_USAGE_OUTPUT_REASONING, FALSE },
  { "output_token_details", "text", LSOBS_USAGE_OUTPUT_TEXT, FALSE },
  { "output_token_details", "image", LSOBS_USAGE_OUTPUT_IMAGE, FALSE },
};

static const UsageField cost_fields[] = {
  { NULL, "input_cost", LSOBS_USAGE_INPUT, FALSE },
  { NULL, "output_cost", LSOBS_USAGE_OUTPUT, FALSE },
  { NULL, "total_cost", LSOBS_USAGE_TOTAL, FALSE },
  { "input_cost_details", "audio", LSOBS_USAGE_INPUT_AUDIO, FALSE },
  { "input_cost_details", "cache_read", LSOBS_USAGE_INPUT_CACHE_READ, FALSE },
  { "input_cost_details", "cache_creation", LSOBS_USAGE_INPUT_CACHE_CREATION, FALSE },
  { "input_cost_details", "cache_read_over_200k", LSOBS_USAGE_INPUT_CACHE_READ_OVER_200K, FALSE },
  { "input_cost_details", "ephemeral_5m_input_tokens", LSOBS_USAGE_INPUT_EPHEMERAL_5M, FALSE },
  { "input_cost_details", "ephemeral_1h_input_tokens", LSOBS_USAGE_INPUT_EPHEMERAL_1H, FALSE },
  { "input_cost_details", "text", LSOBS_USAGE_INPUT_TEXT, FALSE },
  { "input_cost_details", "image", LSOBS_USAGE_INPUT_IMAGE, FALSE },
  { "output_cost_details", "audio", LSOBS_USAGE_OUTPUT_AUDIO, FALSE },
  { "output_cost_details", "reasoning", LSOBS_USAGE_OUTPUT_REASONING, FALSE },
  { "output_cost_details", "text", LSOBS_USAGE_OUTPUT_TEXT, FALSE },
  { "output_cost_details", "image", LSOBS_USAGE_OUTPUT_IMAGE, FALSE },
};

/* Returns: (transfer none) (nullable): NULL also for a null */
static JsonNode *
find_member (JsonObject *object, const char *outer, const char *name)
{
  JsonNode *node;

  if (outer != NULL)
    {
      object = _lsobs_json_peek_object (json_object_get_member (object, outer));
      if (object == NULL)
        return NULL;
    }
  node = json_object_get_member (object, name);
  return node != NULL && !JSON_NODE_HOLDS_NULL (node) ? node : NULL;
}

/* A whole number, however it is written. Returns: -1 for anything else */
static gint64
get_tokens (JsonNode *node)
{
  double value;

  if (json_node_get_value_type (node) == G_TYPE_INT64)
    return json_node_get_int (node);
  if (json_node_get_value_type (node) != G_TYPE_DOUBLE)
    return -1;
  value = json_node_get_double (node);
  return value >= 0 && value <= 9007199254740992.0 && floor (value) == value ? (gint64) value : -1;
}

/* Returns: -1 for what is no number */
static double
get_cost (JsonNode *node)
{
  if (json_node_get_value_type (node) == G_TYPE_INT64)
    return (double) json_node_get_int (node);
  return json_node_get_value_type (node) == G_TYPE_DOUBLE ? json_node_get_double (node) : -1;
}

/* Sets the item, or adds to what it is already. */
static gboolean
take_tokens (LsobsUsage *self, const UsageField *field, gint64 n_tokens, GError **error)
{
  gint64 before = field->adds ? MAX (self->tokens[field->item], 0) : 0;

  /* What is more than fits becomes an error, too. */
  return _lsobs_usage_set_tokens (self, field->item,
                                  n_tokens >= 0 && before <= G_MAXINT64 - n_tokens
                                      ? before + n_tokens
                                      : -1,
                                  field->name, error);
}

/* Returns how many of the fields are there, or -1 with @error. */
static int
read_fields (LsobsUsage *self, JsonObject *object, GError **error)
{
  int n = 0;

  for (guint i = 0; i < G_N_ELEMENTS (token_fields); i++)
    {
      const UsageField *field = &token_fields[i];
      JsonNode *node = find_member (object, field->outer, field->name);

      if (node == NULL)
        continue;
      if (!take_tokens (self, field, get_tokens (node), error))
        return -1;
      n++;
    }
  for (guint i = 0; i < G_N_ELEMENTS (cost_fields); i++)
    {
      const UsageField *field = &cost_fields[i];
      JsonNode *node = find_member (object, field->outer, field->name);

      if (node == NULL)
        continue;
      if (!_lsobs_usage_set_cost (self, field->item, get_cost (node), field->name, error))
        return -1;
      n++;
    }
  return n;
}

/* Anthropic counts what is read from a cache, or written to one, beside the input and
 * not with it; and what is written once as a whole, and once by how long it is kept.
 * Its proxies that speak as OpenAI does have it in their `prompt_tokens` already. */
static gboolean
add_caches (LsobsUsage *self, JsonObject *object, GError **error)
{
  static const char *const names[] = { "cache_read_input_tokens", "cache_creation_input_tokens",
                                       "cache_creation" };
  static const UsageField input = { NULL, "input_tokens", LSOBS_USAGE_INPUT, TRUE };
  gint64 *tokens = self->tokens;
  gboolean found = FALSE;
  gint64 short_lived;
  gint64 long_lived;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    found |= find_member (object, NULL, names[i]) != NULL;
  if (!found)
    return TRUE;
  short_lived = MAX (tokens[LSOBS_USAGE_INPUT_EPHEMERAL_5M], 0);
  long_lived = MAX (tokens[LSOBS_USAGE_INPUT_EPHEMERAL_1H], 0);
  if (short_lived > 0 || long_lived > 0)
    tokens[LSOBS_USAGE_INPUT_CACHE_CREATION] = -1;
  if (find_member (object, NULL, "input_tokens") == NULL)
    return TRUE;
  return take_tokens (self, &input, MAX (tokens[LSOBS_USAGE_INPUT_CACHE_READ], 0), error) &&
         take_tokens (self, &input, MAX (tokens[LSOBS_USAGE_INPUT_CACHE_CREATION], 0), error) &&
         take_tokens (self, &input, short_lived, error) &&
         take_tokens (self, &input, long_lived, error);
}

/* Returns: (transfer none): the part of a response that tells the usage */
static JsonObject *
find_usage (JsonObject *response)
{
  static const char *const names[] = { "usage", "usage_metadata", "usageMetadata" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      JsonObject *usage = _lsobs_json_peek_object (json_object_get_member (response, names[i]));

      if (usage != NULL)
        return usage;
    }
  return response;
}

/**
 * lsobs_usage_new_from_json: (constructor)
 * @json: what a provider of models has answered: its whole response, or the object in
 *   it that tells the usage
 * @error: return location for an error
 *
 * Makes a usage of what a provider tells. The forms of OpenAI (chat completions and
 * responses, and the many who speak as it does), of Anthropic and of Google are known,
 * as is what lsobs_usage_to_json() gives. What a form has beside tokens and costs is
 * left out.
 *
 * Anthropic counts the tokens of caches apart; here they are added to those of the
 * input, as the service wants it.
 *
 * Returns: (transfer full): a usage, or %NULL with %LSOBS_ERROR_INVALID_VALUE if there
 *   is none in @json, or a number in it that cannot be
 *
 * Since: 0.1
 */
LsobsUsage *
lsobs_usage_new_from_json (JsonNode *json, GError **error)
{
  g_autoptr (LsobsUsage) self = NULL;
  JsonObject *response = _lsobs_json_peek_object (json);
  JsonObject *usage = NULL;
  int n_found = 0;

  g_return_val_if_fail (json != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  self = lsobs_usage_new ();
  if (response != NULL)
    {
      usage = find_usage (response);
      n_found = read_fields (self, usage, error);
    }
  if (n_found == 0)
    g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_VALUE,
                         _ ("Invalid usage: there are no tokens and no costs in it"));
  if (n_found <= 0 || !add_caches (self, usage, error))
    return NULL;
  return g_steal_pointer (&self);
}
