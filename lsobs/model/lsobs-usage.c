/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/lsobs-error.h"
#include "lsobs/model/lsobs-usage-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/**
 * SECTION:lsobs-usage
 * @title: LsobsUsage
 * @short_description: tokens and costs of the call of a model
 *
 * A usage has the numbers and kinds of the tokens that the call of a model has used, and their
 * costs. lsobs_run_set_usage_metadata() sets it for a run. Most programs call
 * lsobs_run_set_usage_from_response(), which creates the usage from the response of the provider.
 * To change the usage first, create it with lsobs_usage_new_from_json():
 *
 * |[<!-- language="C" -->
 * g_autoptr(LsobsUsage) usage = lsobs_usage_new_from_json (response, &error);
 *
 * if (usage != NULL && lsobs_usage_set_total_cost (usage, 0.25, &error))
 *   lsobs_run_set_usage_metadata (run, usage);
 * ]|
 *
 * Input tokens include the tokens that are read from a cache and those that are written to one.
 * Details are parts of these numbers; their sum can be smaller. The keys of details of the input
 * are `audio`, `cache_read`, `cache_creation`, `cache_read_over_200k`, `ephemeral_5m_input_tokens`,
 * `ephemeral_1h_input_tokens`, `text`, `image`, `flex`, `flex_audio`, `flex_cache_read`,
 * `priority`, `priority_audio`, `priority_cache_read` and `over_200k`; those of the output are
 * `audio`, `reasoning`, `text`, `image`, `flex`, `flex_audio`, `flex_reasoning`, `priority`,
 * `priority_audio`, `priority_reasoning` and `over_200k`.
 *
 * Costs are in US dollars. LangSmith computes them from the provider, the name of the model and
 * the tokens; costs that the model service reports, or that the program sets, take precedence. “lsobs
 * serve” computes no costs.
 *
 * Only one thread at a time may change a usage, while no other thread uses it.
 */

G_DEFINE_BOXED_TYPE (LsobsUsage, lsobs_usage, lsobs_usage_ref, lsobs_usage_unref)

#define FIRST_INPUT_DETAIL  LSOBS_USAGE_INPUT_AUDIO
#define FIRST_OUTPUT_DETAIL LSOBS_USAGE_OUTPUT_AUDIO

/* The keys of details in the service's schema. */
static const char *const detail_keys[LSOBS_N_USAGE_ITEMS] = {
  [LSOBS_USAGE_INPUT_AUDIO] = "audio",
  [LSOBS_USAGE_INPUT_CACHE_READ] = "cache_read",
  [LSOBS_USAGE_INPUT_CACHE_CREATION] = "cache_creation",
  [LSOBS_USAGE_INPUT_CACHE_READ_OVER_200K] = "cache_read_over_200k",
  [LSOBS_USAGE_INPUT_EPHEMERAL_5M] = "ephemeral_5m_input_tokens",
  [LSOBS_USAGE_INPUT_EPHEMERAL_1H] = "ephemeral_1h_input_tokens",
  [LSOBS_USAGE_INPUT_TEXT] = "text",
  [LSOBS_USAGE_INPUT_IMAGE] = "image",
  [LSOBS_USAGE_INPUT_FLEX] = "flex",
  [LSOBS_USAGE_INPUT_FLEX_AUDIO] = "flex_audio",
  [LSOBS_USAGE_INPUT_FLEX_CACHE_READ] = "flex_cache_read",
  [LSOBS_USAGE_INPUT_PRIORITY] = "priority",
  [LSOBS_USAGE_INPUT_PRIORITY_AUDIO] = "priority_audio",
  [LSOBS_USAGE_INPUT_PRIORITY_CACHE_READ] = "priority_cache_read",
  [LSOBS_USAGE_INPUT_OVER_200K] = "over_200k",
  [LSOBS_USAGE_OUTPUT_AUDIO] = "audio",
  [LSOBS_USAGE_OUTPUT_REASONING] = "reasoning",
  [LSOBS_USAGE_OUTPUT_TEXT] = "text",
  [LSOBS_USAGE_OUTPUT_IMAGE] = "image",
  [LSOBS_USAGE_OUTPUT_FLEX] = "flex",
  [LSOBS_USAGE_OUTPUT_FLEX_AUDIO] = "flex_audio",
  [LSOBS_USAGE_OUTPUT_FLEX_REASONING] = "flex_reasoning",
  [LSOBS_USAGE_OUTPUT_PRIORITY] = "priority",
  [LSOBS_USAGE_OUTPUT_PRIORITY_AUDIO] = "priority_audio",
  [LSOBS_USAGE_OUTPUT_PRIORITY_REASONING] = "priority_reasoning",
  [LSOBS_USAGE_OUTPUT_OVER_200K] = "over_200k",
};

/* @item: a detail
 * Returns: the key of the object that holds the detail */
static const char *
get_details_key (LsobsUsageItem item, gboolean of_costs)
{
  if (item < FIRST_OUTPUT_DETAIL)
    return of_costs ? "input_cost_details" : "input_token_details";
  return of_costs ? "output_cost_details" : "output_token_details";
}

/* @first: FIRST_INPUT_DETAIL or FIRST_OUTPUT_DETAIL
 * Returns: the item after the details that begin with @first */
static LsobsUsageItem
get_details_end (LsobsUsageItem first)
{
  return first == FIRST_INPUT_DETAIL ? FIRST_OUTPUT_DETAIL : LSOBS_N_USAGE_ITEMS;
}

/* @first: FIRST_INPUT_DETAIL or FIRST_OUTPUT_DETAIL
 * Returns: the item, or LSOBS_N_USAGE_ITEMS for an unknown key */
static LsobsUsageItem
find_detail (LsobsUsageItem first, const char *key)
{
  for (LsobsUsageItem item = first; item < get_details_end (first); item++)
    if (g_str_equal (detail_keys[item], key))
      return item;
  return LSOBS_N_USAGE_ITEMS;
}

static gboolean
check_detail (LsobsUsageItem first, const char *key, LsobsUsageItem *item, GError **error)
{
  g_autofree char *valid = NULL;

  *item = find_detail (first, key);
  if (*item != LSOBS_N_USAGE_ITEMS)
    return TRUE;
  valid = g_utf8_make_valid (key, -1);
  g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_VALUE,
               /* TRANSLATORS: the text is what was given as the kind of tokens. */
               _ ("Invalid usage: the service knows no kind of tokens called %s"), valid);
  return FALSE;
}

/* @name: what the error message calls the number */
static gboolean
set_tokens (LsobsUsage *self,
            LsobsUsageItem item,
            gint64 n_tokens,
            const char *name,
            GError **error)
{
  if (n_tokens < 0)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_VALUE,
                   /* TRANSLATORS: the text names the one it was given for. */
                   _ ("Invalid usage: %s is not a number of tokens"), name);
      return FALSE;
    }
  self->tokens[item] = n_tokens;
  return TRUE;
}

/* @name: what the error message calls the number */
static gboolean
set_cost (LsobsUsage *self, LsobsUsageItem item, double cost, const char *name, GError **error)
{
  if (!isfinite (cost) || cost < 0)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_VALUE,
                   /* TRANSLATORS: the text names the one it was given for. */
                   _ ("Invalid usage: %s is not a cost"), name);
      return FALSE;
    }
  /* Turns -0 into 0. */
  self->costs[item] = cost + 0.0;
  return TRUE;
}

static gboolean
set_detail_tokens (LsobsUsage *self,
                   LsobsUsageItem first,
                   const char *key,
                   gint64 n_tokens,
                   GError **error)
{
  LsobsUsageItem item;

  return check_detail (first, key, &item, error) && set_tokens (self, item, n_tokens, key, error);
}

static gboolean
set_detail_cost (LsobsUsage *self,
                 LsobsUsageItem first,
                 const char *key,
                 double cost,
                 GError **error)
{
  LsobsUsageItem item;

  return check_detail (first, key, &item, error) && set_cost (self, item, cost, key, error);
}

/* Returns: -1 for an unknown key, too */
static gint64
get_detail_tokens (LsobsUsage *self, LsobsUsageItem first, const char *key)
{
  LsobsUsageItem item = find_detail (first, key);

  return item != LSOBS_N_USAGE_ITEMS ? self->tokens[item] : -1;
}

/* Returns: -1 for an unknown key, too */
static double
get_detail_cost (LsobsUsage *self, LsobsUsageItem first, const char *key)
{
  LsobsUsageItem item = find_detail (first, key);

  return item != LSOBS_N_USAGE_ITEMS ? self->costs[item] : -1;
}

/* Returns: the total; if it is not set, the sum of input and output, or -1 */
static gint64
get_total_tokens (LsobsUsage *self)
{
  const gint64 *tokens = self->tokens;

  if (tokens[LSOBS_USAGE_TOTAL] < 0 && tokens[LSOBS_USAGE_INPUT] >= 0 &&
      tokens[LSOBS_USAGE_OUTPUT] >= 0 &&
      tokens[LSOBS_USAGE_INPUT] <= G_MAXINT64 - tokens[LSOBS_USAGE_OUTPUT])
    return tokens[LSOBS_USAGE_INPUT] + tokens[LSOBS_USAGE_OUTPUT];
  return tokens[LSOBS_USAGE_TOTAL];
}

static double
get_total_cost (LsobsUsage *self)
{
  const double *costs = self->costs;

  if (costs[LSOBS_USAGE_TOTAL] < 0 && costs[LSOBS_USAGE_INPUT] >= 0 &&
      costs[LSOBS_USAGE_OUTPUT] >= 0 &&
      isfinite (costs[LSOBS_USAGE_INPUT] + costs[LSOBS_USAGE_OUTPUT]))
    return costs[LSOBS_USAGE_INPUT] + costs[LSOBS_USAGE_OUTPUT];
  return costs[LSOBS_USAGE_TOTAL];
}

/* @start: the offset of the object in @out */
static void
write_key (LsobsBuffer *out, gsize start, const char *key)
{
  if (out->len > start + 1)
    _lsobs_buffer_append_c (out, ',');
  _lsobs_buffer_append_c (out, '"');
  _lsobs_buffer_append_str (out, key);
  _lsobs_buffer_append_str (out, "\":");
}

static void
write_tokens (LsobsBuffer *out, gsize start, const char *key, gint64 n_tokens)
{
  if (n_tokens < 0)
    return;
  write_key (out, start, key);
  _lsobs_buffer_append_int64 (out, n_tokens);
}

static void
write_cost (LsobsBuffer *out, gsize start, const char *key, double cost)
{
  if (cost < 0)
    return;
  write_key (out, start, key);
  _lsobs_json_write_double (out, cost);
}

/* Writes an object with the details that are set, or nothing if none is set. */
static void
write_details (LsobsUsage *self,
               LsobsBuffer *out,
               gsize start,
               LsobsUsageItem first,
               gboolean of_costs)
{
  gsize before = out->len;
  gsize details;

  write_key (out, start, get_details_key (first, of_costs));
  details = out->len;
  _lsobs_buffer_append_c (out, '{');
  for (LsobsUsageItem item = first; item < get_details_end (first); item++)
    {
      if (of_costs)
        write_cost (out, details, detail_keys[item], self->costs[item]);
      else
        write_tokens (out, details, detail_keys[item], self->tokens[item]);
    }
  if (out->len == details + 1)
    _lsobs_buffer_truncate (out, before);
  else
    _lsobs_buffer_append_c (out, '}');
}

/* Appends the object of the service's schema. */
void
_lsobs_usage_write (LsobsUsage *self, LsobsBuffer *out)
{
  gsize start = out->len;

  _lsobs_buffer_append_c (out, '{');
  write_tokens (out, start, "input_tokens", self->tokens[LSOBS_USAGE_INPUT]);
  write_tokens (out, start, "output_tokens", self->tokens[LSOBS_USAGE_OUTPUT]);
  write_tokens (out, start, "total_tokens", get_total_tokens (self));
  write_details (self, out, start, FIRST_INPUT_DETAIL, FALSE);
  write_details (self, out, start, FIRST_OUTPUT_DETAIL, FALSE);
  write_cost (out, start, "input_cost", self->costs[LSOBS_USAGE_INPUT]);
  write_cost (out, start, "output_cost", self->costs[LSOBS_USAGE_OUTPUT]);
  write_cost (out, start, "total_cost", get_total_cost (self));
  write_details (self, out, start, FIRST_INPUT_DETAIL, TRUE);
  write_details (self, out, start, FIRST_OUTPUT_DETAIL, TRUE);
  _lsobs_buffer_append_c (out, '}');
}

/* A number in the answer of a provider of models. The providers share names only for the same
 * meaning, except for Anthropic's input: see add_caches(). */
typedef struct
{
  const char *outer; /* (nullable) the object that holds the number */
  const char *name;
  LsobsUsageItem item;
  gboolean adds; /* to the item's value, instead of replacing it */
} UsageField;

static const UsageField token_fields[] = {
  /* OpenAI, chat completions, and providers with the same form */
  { NULL, "prompt_tokens", LSOBS_USAGE_INPUT },
  { NULL, "completion_tokens", LSOBS_USAGE_OUTPUT },
  { "prompt_tokens_details", "cached_tokens", LSOBS_USAGE_INPUT_CACHE_READ },
  { "prompt_tokens_details", "audio_tokens", LSOBS_USAGE_INPUT_AUDIO },
  { "prompt_tokens_details", "text_tokens", LSOBS_USAGE_INPUT_TEXT },
  { "prompt_tokens_details", "image_tokens", LSOBS_USAGE_INPUT_IMAGE },
  { "completion_tokens_details", "reasoning_tokens", LSOBS_USAGE_OUTPUT_REASONING },
  { "completion_tokens_details", "audio_tokens", LSOBS_USAGE_OUTPUT_AUDIO },
  { "completion_tokens_details", "text_tokens", LSOBS_USAGE_OUTPUT_TEXT },
  { "completion_tokens_details", "image_tokens", LSOBS_USAGE_OUTPUT_IMAGE },
  /* ... OpenRouter, DeepSeek, Moonshot, Perplexity */
  { "prompt_tokens_details", "cache_write_tokens", LSOBS_USAGE_INPUT_CACHE_CREATION },
  { NULL, "prompt_cache_hit_tokens", LSOBS_USAGE_INPUT_CACHE_READ },
  { NULL, "cached_tokens", LSOBS_USAGE_INPUT_CACHE_READ },
  { NULL, "reasoning_tokens", LSOBS_USAGE_OUTPUT_REASONING },
  /* OpenAI, responses and images; the first three also Anthropic and lsobs_usage_to_json() */
  { NULL, "input_tokens", LSOBS_USAGE_INPUT },
  { NULL, "output_tokens", LSOBS_USAGE_OUTPUT },
  { NULL, "total_tokens", LSOBS_USAGE_TOTAL },
  { "input_tokens_details", "cached_tokens", LSOBS_USAGE_INPUT_CACHE_READ },
  { "input_tokens_details", "audio_tokens", LSOBS_USAGE_INPUT_AUDIO },
  { "input_tokens_details", "text_tokens", LSOBS_USAGE_INPUT_TEXT },
  { "input_tokens_details", "image_tokens", LSOBS_USAGE_INPUT_IMAGE },
  { "output_tokens_details", "reasoning_tokens", LSOBS_USAGE_OUTPUT_REASONING },
  { "output_tokens_details", "audio_tokens", LSOBS_USAGE_OUTPUT_AUDIO },
  { "output_tokens_details", "text_tokens", LSOBS_USAGE_OUTPUT_TEXT },
  { "output_tokens_details", "image_tokens", LSOBS_USAGE_OUTPUT_IMAGE },
  /* OpenAI, realtime and transcriptions */
  { "input_token_details", "cached_tokens", LSOBS_USAGE_INPUT_CACHE_READ },
  { "input_token_details", "audio_tokens", LSOBS_USAGE_INPUT_AUDIO },
  { "input_token_details", "text_tokens", LSOBS_USAGE_INPUT_TEXT },
  { "input_token_details", "image_tokens", LSOBS_USAGE_INPUT_IMAGE },
  { "output_token_details", "audio_tokens", LSOBS_USAGE_OUTPUT_AUDIO },
  { "output_token_details", "text_tokens", LSOBS_USAGE_OUTPUT_TEXT },
  /* Anthropic */
  { NULL, "cache_read_input_tokens", LSOBS_USAGE_INPUT_CACHE_READ },
  { NULL, "cache_creation_input_tokens", LSOBS_USAGE_INPUT_CACHE_CREATION },
  { "cache_creation", "ephemeral_5m_input_tokens", LSOBS_USAGE_INPUT_EPHEMERAL_5M },
  { "cache_creation", "ephemeral_1h_input_tokens", LSOBS_USAGE_INPUT_EPHEMERAL_1H },
  /* Google */
  { NULL, "promptTokenCount", LSOBS_USAGE_INPUT },
  { NULL, "toolUsePromptTokenCount", LSOBS_USAGE_INPUT, .adds = TRUE },
  { NULL, "candidatesTokenCount", LSOBS_USAGE_OUTPUT },
  { NULL, "responseTokenCount", LSOBS_USAGE_OUTPUT },
  { NULL, "thoughtsTokenCount", LSOBS_USAGE_OUTPUT, .adds = TRUE },
  { NULL, "thoughtsTokenCount", LSOBS_USAGE_OUTPUT_REASONING },
  { NULL, "totalTokenCount", LSOBS_USAGE_TOTAL },
  { NULL, "cachedContentTokenCount", LSOBS_USAGE_INPUT_CACHE_READ },
  /* Amazon Bedrock */
  { NULL, "inputTokens", LSOBS_USAGE_INPUT },
  { NULL, "outputTokens", LSOBS_USAGE_OUTPUT },
  { NULL, "totalTokens", LSOBS_USAGE_TOTAL },
  { NULL, "cacheReadInputTokens", LSOBS_USAGE_INPUT_CACHE_READ },
  { NULL, "cacheWriteInputTokens", LSOBS_USAGE_INPUT_CACHE_CREATION },
  /* the wrapper of LangSmith for JavaScript, whose name has a typing error */
  { "input_token_details", "ephemeral_1hr_input_tokens", LSOBS_USAGE_INPUT_EPHEMERAL_1H },
  /* Ollama */
  { NULL, "prompt_eval_count", LSOBS_USAGE_INPUT },
  { NULL, "eval_count", LSOBS_USAGE_OUTPUT },
};

static const UsageField cost_fields[] = {
  /* OpenRouter, and Perplexity, where the cost is an object */
  { NULL, "cost", LSOBS_USAGE_TOTAL },
  { "cost", "input_tokens_cost", LSOBS_USAGE_INPUT },
  { "cost", "output_tokens_cost", LSOBS_USAGE_OUTPUT },
  { "cost", "total_cost", LSOBS_USAGE_TOTAL },
  { NULL, "input_cost", LSOBS_USAGE_INPUT },
  { NULL, "output_cost", LSOBS_USAGE_OUTPUT },
  { NULL, "total_cost", LSOBS_USAGE_TOTAL },
};

/* @outer: (nullable): the name of the object in @object that holds the member
 * Returns: (transfer none) (nullable): NULL if the member is missing or null */
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

/* Returns: a whole number, also of the form 12.0; -1 for any other value */
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

/* Returns: -1 if the node holds no number */
static double
get_cost (JsonNode *node)
{
  if (json_node_get_value_type (node) == G_TYPE_INT64)
    return (double) json_node_get_int (node);
  return json_node_get_value_type (node) == G_TYPE_DOUBLE ? json_node_get_double (node) : -1;
}

/* Sets the item of the field, or adds to it. */
static gboolean
take_tokens (LsobsUsage *self, const UsageField *field, gint64 n_tokens, GError **error)
{
  gint64 before = field->adds ? MAX (self->tokens[field->item], 0) : 0;

  /* -1 makes an overflow an error. */
  return set_tokens (self, field->item,
                     n_tokens >= 0 && before <= G_MAXINT64 - n_tokens ? before + n_tokens : -1,
                     field->name, error);
}

/* @n_found: (inout): how many numbers @object has */
static gboolean
read_tokens (LsobsUsage *self,
             JsonObject *object,
             const UsageField *field,
             guint *n_found,
             GError **error)
{
  JsonNode *node = find_member (object, field->outer, field->name);

  if (node == NULL)
    return TRUE;
  (*n_found)++;
  return take_tokens (self, field, get_tokens (node), error);
}

/* @n_found: (inout): how many numbers @object has */
static gboolean
read_cost (LsobsUsage *self,
           JsonObject *object,
           const UsageField *field,
           guint *n_found,
           GError **error)
{
  JsonNode *node = find_member (object, field->outer, field->name);

  if (node == NULL || _lsobs_json_peek_object (node) != NULL)
    return TRUE;
  (*n_found)++;
  return set_cost (self, field->item, get_cost (node), field->name, error);
}

/* @n_found: (inout): how many numbers @object has */
static gboolean
read_fields (LsobsUsage *self, JsonObject *object, guint *n_found, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (token_fields); i++)
    if (!read_tokens (self, object, &token_fields[i], n_found, error))
      return FALSE;
  for (LsobsUsageItem item = FIRST_INPUT_DETAIL; item < LSOBS_N_USAGE_ITEMS; item++)
    {
      const UsageField field = { get_details_key (item, FALSE), detail_keys[item], item };

      if (!read_tokens (self, object, &field, n_found, error))
        return FALSE;
    }
  for (guint i = 0; i < G_N_ELEMENTS (cost_fields); i++)
    if (!read_cost (self, object, &cost_fields[i], n_found, error))
      return FALSE;
  for (LsobsUsageItem item = FIRST_INPUT_DETAIL; item < LSOBS_N_USAGE_ITEMS; item++)
    {
      const UsageField field = { get_details_key (item, TRUE), detail_keys[item], item };

      if (!read_cost (self, object, &field, n_found, error))
        return FALSE;
    }
  return TRUE;
}

/* Google has the tokens of each kind of media in an array.
 * @n_found: (inout): how many numbers @object has */
static gboolean
read_modalities (LsobsUsage *self, JsonObject *object, guint *n_found, GError **error)
{
  static const struct
  {
    const char *list;
    const char *modality;
    LsobsUsageItem item;
  } modalities[] = {
    { "promptTokensDetails", "AUDIO", LSOBS_USAGE_INPUT_AUDIO },
    { "promptTokensDetails", "IMAGE", LSOBS_USAGE_INPUT_IMAGE },
    { "promptTokensDetails", "TEXT", LSOBS_USAGE_INPUT_TEXT },
    { "candidatesTokensDetails", "AUDIO", LSOBS_USAGE_OUTPUT_AUDIO },
    { "candidatesTokensDetails", "IMAGE", LSOBS_USAGE_OUTPUT_IMAGE },
    { "candidatesTokensDetails", "TEXT", LSOBS_USAGE_OUTPUT_TEXT },
  };

  for (guint i = 0; i < G_N_ELEMENTS (modalities); i++)
    {
      const UsageField field = { NULL, "tokenCount", modalities[i].item };
      JsonNode *list = find_member (object, NULL, modalities[i].list);
      guint n = list != NULL && JSON_NODE_HOLDS_ARRAY (list)
                    ? json_array_get_length (json_node_get_array (list))
                    : 0;

      for (guint k = 0; k < n; k++)
        {
          JsonNode *element = json_array_get_element (json_node_get_array (list), k);
          JsonObject *detail = _lsobs_json_peek_object (element);
          JsonNode *name = detail != NULL ? find_member (detail, NULL, "modality") : NULL;

          if (name == NULL || json_node_get_value_type (name) != G_TYPE_STRING ||
              g_strcmp0 (json_node_get_string (name), modalities[i].modality) != 0)
            continue;
          if (!read_tokens (self, detail, &field, n_found, error))
            return FALSE;
        }
    }
  return TRUE;
}

/* Whether input, output and @more make the total.
 * @more: may be negative */
static gboolean
is_total (LsobsUsage *self, gint64 more)
{
  const gint64 *tokens = self->tokens;

  return tokens[LSOBS_USAGE_TOTAL] >= 0 && tokens[LSOBS_USAGE_INPUT] >= 0 &&
         tokens[LSOBS_USAGE_OUTPUT] >= 0 &&
         tokens[LSOBS_USAGE_INPUT] <= G_MAXINT64 - tokens[LSOBS_USAGE_OUTPUT] &&
         tokens[LSOBS_USAGE_TOTAL] - (tokens[LSOBS_USAGE_INPUT] + tokens[LSOBS_USAGE_OUTPUT]) ==
             more;
}

/* Some services count the tokens of reasoning beside those of the output, and others within. The
 * total tells. */
static void
fit_reasoning (LsobsUsage *self)
{
  gint64 *output = &self->tokens[LSOBS_USAGE_OUTPUT];
  gint64 reasoning = self->tokens[LSOBS_USAGE_OUTPUT_REASONING];

  if (reasoning <= 0 || is_total (self, 0))
    return;
  if (is_total (self, reasoning))
    *output += reasoning;
  else if (is_total (self, -reasoning))
    *output -= reasoning;
}

/* Adds the tokens of caches to the input. Anthropic does not include in "input_tokens" the tokens
 * that are read from or written to a cache, and reports the written tokens twice: in sum, and by
 * lifetime. Others include them: if there is a total, it tells. Proxies of Anthropic that answer in
 * OpenAI's form include them in "prompt_tokens". */
static gboolean
add_caches (LsobsUsage *self, JsonObject *object, GError **error)
{
  static const char *const names[] = { "cache_read_input_tokens", "cache_creation_input_tokens",
                                       "cache_creation", "cacheReadInputTokens",
                                       "cacheWriteInputTokens" };
  static const UsageField input = { NULL, "input_tokens", LSOBS_USAGE_INPUT, .adds = TRUE };
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
  if (is_total (self, 0) || (find_member (object, NULL, "input_tokens") == NULL &&
                             find_member (object, NULL, "inputTokens") == NULL))
    return TRUE;
  return take_tokens (self, &input, MAX (tokens[LSOBS_USAGE_INPUT_CACHE_READ], 0), error) &&
         take_tokens (self, &input, MAX (tokens[LSOBS_USAGE_INPUT_CACHE_CREATION], 0), error) &&
         take_tokens (self, &input, short_lived, error) &&
         take_tokens (self, &input, long_lived, error);
}

/* Google has higher prices for what is beyond this. */
#define LONG_CONTEXT_TOKENS 200000

/* Of what Google counts, what is beyond the limit is a detail of its own, as in the official
 * wrapper. */
static void
add_long_context (LsobsUsage *self, JsonObject *object)
{
  static const struct
  {
    const char *name;
    LsobsUsageItem item;
  } fields[] = {
    { "promptTokenCount", LSOBS_USAGE_INPUT_OVER_200K },
    { "cachedContentTokenCount", LSOBS_USAGE_INPUT_CACHE_READ_OVER_200K },
    { "candidatesTokenCount", LSOBS_USAGE_OUTPUT_OVER_200K },
  };

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    {
      JsonNode *node = find_member (object, NULL, fields[i].name);
      gint64 n_tokens = node != NULL ? get_tokens (node) : -1;

      if (n_tokens > LONG_CONTEXT_TOKENS)
        self->tokens[fields[i].item] = n_tokens - LONG_CONTEXT_TOKENS;
    }
}

/* Moves the tokens of an item to another one.
 * Returns: how many they are */
static gint64
move_tokens (LsobsUsage *self, LsobsUsageItem from, LsobsUsageItem to)
{
  gint64 n_tokens = self->tokens[from];

  if (n_tokens < 0)
    return 0;
  self->tokens[to] = n_tokens;
  self->tokens[from] = -1;
  return n_tokens;
}

/* In a tier with prices of its own, the details are other ones, and the rest of the input and of the
 * output is a detail, too. */
static void
apply_tier (LsobsUsage *self, JsonObject *response)
{
  /* clang-format off */
  static const struct
  {
    const char *name;
    LsobsUsageItem input, input_audio, cache_read, output, output_audio, reasoning;
  } tiers[] = {
    { "flex", LSOBS_USAGE_INPUT_FLEX, LSOBS_USAGE_INPUT_FLEX_AUDIO,
      LSOBS_USAGE_INPUT_FLEX_CACHE_READ, LSOBS_USAGE_OUTPUT_FLEX, LSOBS_USAGE_OUTPUT_FLEX_AUDIO,
      LSOBS_USAGE_OUTPUT_FLEX_REASONING },
    { "priority", LSOBS_USAGE_INPUT_PRIORITY, LSOBS_USAGE_INPUT_PRIORITY_AUDIO,
      LSOBS_USAGE_INPUT_PRIORITY_CACHE_READ, LSOBS_USAGE_OUTPUT_PRIORITY,
      LSOBS_USAGE_OUTPUT_PRIORITY_AUDIO, LSOBS_USAGE_OUTPUT_PRIORITY_REASONING },
  };
  /* clang-format on */
  JsonNode *node = find_member (response, NULL, "service_tier");
  const char *name = node != NULL && json_node_get_value_type (node) == G_TYPE_STRING
                         ? json_node_get_string (node)
                         : NULL;
  gint64 *tokens = self->tokens;

  for (guint i = 0; i < G_N_ELEMENTS (tiers); i++)
    {
      gint64 cached;
      gint64 reasoning;

      if (g_strcmp0 (name, tiers[i].name) != 0)
        continue;
      cached = move_tokens (self, LSOBS_USAGE_INPUT_CACHE_READ, tiers[i].cache_read);
      reasoning = move_tokens (self, LSOBS_USAGE_OUTPUT_REASONING, tiers[i].reasoning);
      move_tokens (self, LSOBS_USAGE_INPUT_AUDIO, tiers[i].input_audio);
      move_tokens (self, LSOBS_USAGE_OUTPUT_AUDIO, tiers[i].output_audio);
      if (tokens[LSOBS_USAGE_INPUT] >= 0)
        tokens[tiers[i].input] = MAX (tokens[LSOBS_USAGE_INPUT] - cached, 0);
      if (tokens[LSOBS_USAGE_OUTPUT] >= 0)
        tokens[tiers[i].output] = MAX (tokens[LSOBS_USAGE_OUTPUT] - reasoning, 0);
    }
}

/* Returns: (transfer none) (nullable): the object in @response that has the usage */
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
  return NULL;
}

/* Finds the usage in a response, or in an event of a stream.
 * @response: (inout): what has it; changes if that is inside @response
 * Returns: (transfer none): the object that has the usage; @response if no member has it */
static JsonObject *
find_usage_in (JsonObject **response)
{
  /* the responses of OpenAI; the messages of Anthropic; Groq */
  static const char *const names[] = { "response", "message", "x_groq" };
  JsonObject *usage = find_usage (*response);

  for (guint i = 0; i < G_N_ELEMENTS (names) && usage == NULL; i++)
    {
      JsonObject *inner = _lsobs_json_peek_object (json_object_get_member (*response, names[i]));

      usage = inner != NULL ? find_usage (inner) : NULL;
      if (usage != NULL)
        *response = inner;
    }
  return usage != NULL ? usage : *response;
}

/* Makes a usage without any numbers.
 * @self: with any contents; may lie on the stack, if no reference stays */
void
_lsobs_usage_init (LsobsUsage *self)
{
  memset (self, 0, sizeof *self);
  g_atomic_ref_count_init (&self->ref_count);
  for (guint i = 0; i < LSOBS_N_USAGE_ITEMS; i++)
    {
      self->tokens[i] = -1;
      self->costs[i] = -1;
    }
}

/**
 * lsobs_usage_new:
 *
 * Creates a usage without any numbers.
 *
 * Returns: (transfer full): a new usage
 *
 * Since: 0.1
 */
LsobsUsage *
lsobs_usage_new (void)
{
  LsobsUsage *self = g_new (LsobsUsage, 1);

  _lsobs_usage_init (self);
  return self;
}

/**
 * lsobs_usage_new_from_json: (constructor)
 * @json: the response of a provider of models, or the object in it that has the usage
 * @error: return location for an error
 *
 * Creates a usage from the response of a provider. These formats are known: OpenAI (chat
 * completions and responses, and the compatible services), Anthropic, Google, Ollama, Amazon
 * Bedrock, and the result of lsobs_usage_to_json(). The events of their streams that have the usage
 * are known, too. Members other than tokens and costs are ignored.
 *
 * Anthropic counts the tokens of caches separately; lsobs adds them to the input tokens, as the
 * service requires. lsobs also adds reasoning tokens to the output tokens, if a provider counts
 * them separately; the total shows which providers do so. If the response has the tier `flex` or
 * `priority`, the details are those of the tier. Tokens beyond 200,000 that Google counts are the
 * details `over_200k` and `cache_read_over_200k`; of other providers, these details are used if the
 * response has them.
 *
 * Fails with %LSOBS_ERROR_INVALID_VALUE if @json has no usage, or if a number in it is not valid.
 *
 * Returns: (transfer full): a new usage, or %NULL if it fails
 *
 * Since: 0.1
 */
LsobsUsage *
lsobs_usage_new_from_json (JsonNode *json, GError **error)
{
  g_autoptr (LsobsUsage) self = NULL;
  JsonObject *response = _lsobs_json_peek_object (json);
  JsonObject *usage = NULL;
  guint n_found = 0;
  gboolean valid = TRUE;

  g_return_val_if_fail (json != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  self = lsobs_usage_new ();
  if (response != NULL)
    {
      usage = find_usage_in (&response);
      valid = read_fields (self, usage, &n_found, error) &&
              read_modalities (self, usage, &n_found, error);
    }
  if (n_found == 0)
    g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_VALUE,
                         _ ("Invalid usage: there are no tokens and no costs in it"));
  if (n_found == 0 || !valid || !add_caches (self, usage, error))
    return NULL;
  fit_reasoning (self);
  add_long_context (self, usage);
  apply_tier (self, response);
  return g_steal_pointer (&self);
}

/**
 * lsobs_usage_ref:
 * @self: a usage
 *
 * Adds a reference. Can be called from any thread.
 *
 * Returns: (transfer full): @self
 *
 * Since: 0.1
 */
LsobsUsage *
lsobs_usage_ref (LsobsUsage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/**
 * lsobs_usage_unref:
 * @self: (transfer full): a usage
 *
 * Drops a reference. The last call frees @self. Can be called from any thread.
 *
 * Since: 0.1
 */
void
lsobs_usage_unref (LsobsUsage *self)
{
  g_return_if_fail (self != NULL);

  if (g_atomic_ref_count_dec (&self->ref_count))
    g_free (self);
}

/**
 * lsobs_usage_to_json:
 * @self: a usage
 *
 * Creates the object that is sent to the service as `usage_metadata`. Totals that are not set are
 * the sums of input and output.
 *
 * Returns: (transfer full): a new node with an object
 *
 * Since: 0.1
 */
JsonNode *
lsobs_usage_to_json (LsobsUsage *self)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  g_autoptr (JsonParser) parser = json_parser_new ();

  g_return_val_if_fail (self != NULL, NULL);

  _lsobs_usage_write (self, &text);
  json_parser_load_from_data (parser, text.data, (gssize) text.len, NULL);
  return json_parser_steal_root (parser);
}

/**
 * lsobs_usage_set_input_tokens:
 * @self: a usage
 * @n_tokens: a number of tokens, not negative
 * @error: return location for an error
 *
 * Sets the number of input tokens, with those that are read from and written to caches.
 *
 * Returns: %TRUE on success, or %FALSE with %LSOBS_ERROR_INVALID_VALUE if @n_tokens is negative
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_input_tokens (LsobsUsage *self, gint64 n_tokens, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return set_tokens (self, LSOBS_USAGE_INPUT, n_tokens, "input_tokens", error);
}

/**
 * lsobs_usage_get_input_tokens:
 * @self: a usage
 *
 * Gets the number of input tokens, with those that are read from and written to caches.
 *
 * Returns: the number of tokens, or -1 if it is not known
 *
 * Since: 0.1
 */
gint64
lsobs_usage_get_input_tokens (LsobsUsage *self)
{
  g_return_val_if_fail (self != NULL, -1);

  return self->tokens[LSOBS_USAGE_INPUT];
}

/**
 * lsobs_usage_set_output_tokens:
 * @self: a usage
 * @n_tokens: a number of tokens, not negative
 * @error: return location for an error
 *
 * Sets the number of output tokens.
 *
 * Returns: %TRUE on success, or %FALSE with %LSOBS_ERROR_INVALID_VALUE if @n_tokens is negative
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_output_tokens (LsobsUsage *self, gint64 n_tokens, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return set_tokens (self, LSOBS_USAGE_OUTPUT, n_tokens, "output_tokens", error);
}

/**
 * lsobs_usage_get_output_tokens:
 * @self: a usage
 *
 * Gets the number of output tokens.
 *
 * Returns: the number of tokens, or -1 if it is not known
 *
 * Since: 0.1
 */
gint64
lsobs_usage_get_output_tokens (LsobsUsage *self)
{
  g_return_val_if_fail (self != NULL, -1);

  return self->tokens[LSOBS_USAGE_OUTPUT];
}

/**
 * lsobs_usage_set_total_tokens:
 * @self: a usage
 * @n_tokens: a number of tokens, not negative
 * @error: return location for an error
 *
 * Sets the number of all tokens. If it is not set, it is the sum of input and output.
 *
 * Returns: %TRUE on success, or %FALSE with %LSOBS_ERROR_INVALID_VALUE if @n_tokens is negative
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_total_tokens (LsobsUsage *self, gint64 n_tokens, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return set_tokens (self, LSOBS_USAGE_TOTAL, n_tokens, "total_tokens", error);
}

/**
 * lsobs_usage_get_total_tokens:
 * @self: a usage
 *
 * Gets the number of all tokens. If it is not set, it is the sum of input and output.
 *
 * Returns: the number of tokens, or -1 if it is not known
 *
 * Since: 0.1
 */
gint64
lsobs_usage_get_total_tokens (LsobsUsage *self)
{
  g_return_val_if_fail (self != NULL, -1);

  return get_total_tokens (self);
}

/**
 * lsobs_usage_set_input_token_detail:
 * @self: a usage
 * @key: a kind of input tokens, one of the keys above
 * @n_tokens: a number of tokens, not negative
 * @error: return location for an error
 *
 * Sets how many of the input tokens are of one kind.
 *
 * Returns: %TRUE on success, or %FALSE with %LSOBS_ERROR_INVALID_VALUE if the service does not know
 *   @key, or if @n_tokens is negative
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_input_token_detail (LsobsUsage *self,
                                    const char *key,
                                    gint64 n_tokens,
                                    GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (key != NULL, FALSE);

  return set_detail_tokens (self, FIRST_INPUT_DETAIL, key, n_tokens, error);
}

/**
 * lsobs_usage_get_input_token_detail:
 * @self: a usage
 * @key: a kind of input tokens
 *
 * Gets how many of the input tokens are of one kind.
 *
 * Returns: the number of tokens, or -1 if it is not known
 *
 * Since: 0.1
 */
gint64
lsobs_usage_get_input_token_detail (LsobsUsage *self, const char *key)
{
  g_return_val_if_fail (self != NULL, -1);
  g_return_val_if_fail (key != NULL, -1);

  return get_detail_tokens (self, FIRST_INPUT_DETAIL, key);
}

/**
 * lsobs_usage_set_output_token_detail:
 * @self: a usage
 * @key: a kind of output tokens, one of the keys above
 * @n_tokens: a number of tokens, not negative
 * @error: return location for an error
 *
 * Sets how many of the output tokens are of one kind.
 *
 * Returns: %TRUE on success, or %FALSE with %LSOBS_ERROR_INVALID_VALUE if the service does not know
 *   @key, or if @n_tokens is negative
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_output_token_detail (LsobsUsage *self,
                                     const char *key,
                                     gint64 n_tokens,
                                     GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (key != NULL, FALSE);

  return set_detail_tokens (self, FIRST_OUTPUT_DETAIL, key, n_tokens, error);
}

/**
 * lsobs_usage_get_output_token_detail:
 * @self: a usage
 * @key: a kind of output tokens
 *
 * Gets how many of the output tokens are of one kind.
 *
 * Returns: the number of tokens, or -1 if it is not known
 *
 * Since: 0.1
 */
gint64
lsobs_usage_get_output_token_detail (LsobsUsage *self, const char *key)
{
  g_return_val_if_fail (self != NULL, -1);
  g_return_val_if_fail (key != NULL, -1);

  return get_detail_tokens (self, FIRST_OUTPUT_DETAIL, key);
}

/**
 * lsobs_usage_set_input_cost:
 * @self: a usage
 * @cost: an amount in US dollars, not negative
 * @error: return location for an error
 *
 * Sets the cost of the input tokens, in US dollars.
 *
 * Returns: %TRUE on success, or %FALSE with %LSOBS_ERROR_INVALID_VALUE if @cost is negative or not
 *   finite
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_input_cost (LsobsUsage *self, double cost, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return set_cost (self, LSOBS_USAGE_INPUT, cost, "input_cost", error);
}

/**
 * lsobs_usage_get_input_cost:
 * @self: a usage
 *
 * Gets the cost of the input tokens, in US dollars.
 *
 * Returns: the amount, or -1 if it is not set
 *
 * Since: 0.1
 */
double
lsobs_usage_get_input_cost (LsobsUsage *self)
{
  g_return_val_if_fail (self != NULL, -1);

  return self->costs[LSOBS_USAGE_INPUT];
}

/**
 * lsobs_usage_set_output_cost:
 * @self: a usage
 * @cost: an amount in US dollars, not negative
 * @error: return location for an error
 *
 * Sets the cost of the output tokens, in US dollars.
 *
 * Returns: %TRUE on success, or %FALSE with %LSOBS_ERROR_INVALID_VALUE if @cost is negative or not
 *   finite
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_output_cost (LsobsUsage *self, double cost, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return set_cost (self, LSOBS_USAGE_OUTPUT, cost, "output_cost", error);
}

/**
 * lsobs_usage_get_output_cost:
 * @self: a usage
 *
 * Gets the cost of the output tokens, in US dollars.
 *
 * Returns: the amount, or -1 if it is not set
 *
 * Since: 0.1
 */
double
lsobs_usage_get_output_cost (LsobsUsage *self)
{
  g_return_val_if_fail (self != NULL, -1);

  return self->costs[LSOBS_USAGE_OUTPUT];
}

/**
 * lsobs_usage_set_total_cost:
 * @self: a usage
 * @cost: an amount in US dollars, not negative
 * @error: return location for an error
 *
 * Sets the total cost of the call, in US dollars. If it is not set, it is the sum of input and
 * output.
 *
 * Returns: %TRUE on success, or %FALSE with %LSOBS_ERROR_INVALID_VALUE if @cost is negative or not
 *   finite
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_total_cost (LsobsUsage *self, double cost, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return set_cost (self, LSOBS_USAGE_TOTAL, cost, "total_cost", error);
}

/**
 * lsobs_usage_get_total_cost:
 * @self: a usage
 *
 * Gets the total cost of the call, in US dollars. If it is not set, it is the sum of input and
 * output.
 *
 * Returns: the amount, or -1 if it is not known
 *
 * Since: 0.1
 */
double
lsobs_usage_get_total_cost (LsobsUsage *self)
{
  g_return_val_if_fail (self != NULL, -1);

  return get_total_cost (self);
}

/**
 * lsobs_usage_set_input_cost_detail:
 * @self: a usage
 * @key: a kind of input tokens, one of the keys above
 * @cost: an amount in US dollars, not negative
 * @error: return location for an error
 *
 * Sets the cost of the input tokens of one kind, in US dollars.
 *
 * Returns: %TRUE on success, or %FALSE with %LSOBS_ERROR_INVALID_VALUE if the service does not know
 *   @key, or if @cost is negative or not finite
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_input_cost_detail (LsobsUsage *self, const char *key, double cost, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (key != NULL, FALSE);

  return set_detail_cost (self, FIRST_INPUT_DETAIL, key, cost, error);
}

/**
 * lsobs_usage_get_input_cost_detail:
 * @self: a usage
 * @key: a kind of input tokens
 *
 * Gets the cost of the input tokens of one kind, in US dollars.
 *
 * Returns: the amount, or -1 if it is not set
 *
 * Since: 0.1
 */
double
lsobs_usage_get_input_cost_detail (LsobsUsage *self, const char *key)
{
  g_return_val_if_fail (self != NULL, -1);
  g_return_val_if_fail (key != NULL, -1);

  return get_detail_cost (self, FIRST_INPUT_DETAIL, key);
}

/**
 * lsobs_usage_set_output_cost_detail:
 * @self: a usage
 * @key: a kind of output tokens, one of the keys above
 * @cost: an amount in US dollars, not negative
 * @error: return location for an error
 *
 * Sets the cost of the output tokens of one kind, in US dollars.
 *
 * Returns: %TRUE on success, or %FALSE with %LSOBS_ERROR_INVALID_VALUE if the service does not know
 *   @key, or if @cost is negative or not finite
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_output_cost_detail (LsobsUsage *self, const char *key, double cost, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (key != NULL, FALSE);

  return set_detail_cost (self, FIRST_OUTPUT_DETAIL, key, cost, error);
}

/**
 * lsobs_usage_get_output_cost_detail:
 * @self: a usage
 * @key: a kind of output tokens
 *
 * Gets the cost of the output tokens of one kind, in US dollars.
 *
 * Returns: the amount, or -1 if it is not set
 *
 * Since: 0.1
 */
double
lsobs_usage_get_output_cost_detail (LsobsUsage *self, const char *key)
{
  g_return_val_if_fail (self != NULL, -1);
  g_return_val_if_fail (key != NULL, -1);

  return get_detail_cost (self, FIRST_OUTPUT_DETAIL, key);
}
