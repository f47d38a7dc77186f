/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/call/lsobs-anthropic-format-private.h"
#include "lsobs/call/lsobs-call-json-private.h"
#include "lsobs/call/lsobs-call-mask-private.h"
#include "lsobs/call/lsobs-call-request-private.h"
#include "lsobs/call/lsobs-embeddings-format-private.h"
#include "lsobs/call/lsobs-google-format-private.h"
#include "lsobs/call/lsobs-ollama-format-private.h"
#include "lsobs/call/lsobs-openai-format-private.h"
#include "lsobs/call/lsobs-responses-format-private.h"
#include "lsobs/text/lsobs-json-reader-private.h"

/* The longest request that is parsed. A longer one is left out: nothing in it could be masked. */
#define MAX_BYTES (64 * 1024 * 1024)

/* The port of Ollama, which other services of a local machine do not use. */
#define OLLAMA_PORT 11434

/* --- the URL --- */

/* The format of a path that ends like this. The first one that fits counts. */
static const struct
{
  const char *end;
  const LsobsCallFormat *format;
} paths[] = {
  { "/chat/completions", &_lsobs_chat_format },
  { "/completions", &_lsobs_completions_format },
  { "/responses", &_lsobs_responses_format },
  { "/api/embeddings", &_lsobs_ollama_embeddings_format },
  { "/api/embed", &_lsobs_ollama_embeddings_format },
  { "/embeddings", &_lsobs_openai_embeddings_format },
  { "/messages", &_lsobs_anthropic_format },
  { "/api/chat", &_lsobs_ollama_chat_format },
  { "/api/generate", &_lsobs_ollama_generate_format },
  { ":generateContent", &_lsobs_google_format },
  { ":streamGenerateContent", &_lsobs_google_format },
  { ":embedContent", &_lsobs_google_embeddings_format },
  { ":batchEmbedContents", &_lsobs_google_embeddings_format },
  { ":rawPredict", &_lsobs_anthropic_format },
  { ":streamRawPredict", &_lsobs_anthropic_format },
};

/* The provider behind a host that has this name, or ends with it after a dot, in the service's
 * words if it has one. */
static const struct
{
  const char *host;
  const char *provider;
} hosts[] = {
  { "api.openai.com", "openai" },
  { "openai.azure.com", "azure" },
  { "cognitiveservices.azure.com", "azure" },
  { "services.ai.azure.com", "azure" },
  { "models.ai.azure.com", "azure" },
  { "anthropic.com", "anthropic" },
  { "generativelanguage.googleapis.com", "google_genai" },
  { "aiplatform.googleapis.com", "google_vertexai" },
  { "amazonaws.com", "amazon_bedrock" },
  { "openrouter.ai", "openrouter" },
  { "groq.com", "groq" },
  { "x.ai", "xai" },
  { "deepseek.com", "deepseek" },
  { "mistral.ai", "mistralai" },
  { "together.xyz", "together" },
  { "fireworks.ai", "fireworks" },
  { "perplexity.ai", "perplexity" },
  { "cerebras.ai", "cerebras" },
  { "cohere.com", "cohere" },
  { "cohere.ai", "cohere" },
  { "nvidia.com", "nvidia" },
  { "huggingface.co", "huggingface" },
  { "ollama.com", "ollama" },
};

/* @path: without a slash at its end */
static const LsobsCallFormat *
find_format (const char *path)
{
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    if (g_str_has_suffix (path, paths[i].end))
      return paths[i].format;
  return NULL;
}

/* Whether @host is @name, or below it. */
static gboolean
is_host (const char *host, const char *name)
{
  gsize len = strlen (host);
  gsize name_len = strlen (name);

  return len >= name_len && g_ascii_strcasecmp (host + len - name_len, name) == 0 &&
         (len == name_len || host[len - name_len - 1] == '.');
}

/* Returns: (nullable) */
static const char *
find_provider (GUri *uri, const char *path)
{
  /* The hosts of Vertex AI have the region before a hyphen. */
  static const char vertex[] = "-aiplatform.googleapis.com";
  const char *host = g_uri_get_host (uri);

  if (host == NULL)
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (hosts); i++)
    if (is_host (host, hosts[i].host))
      return hosts[i].provider;
  if (g_str_has_suffix (host, vertex))
    return "google_vertexai";
  if (strstr (path, "/openai/deployments/") != NULL)
    return "azure";
  return g_uri_get_port (uri) == OLLAMA_PORT ? "ollama" : NULL;
}

/* Returns: (transfer full) (nullable): the model that the path names */
static char *
dup_path_model (const char *path)
{
  static const char *const markers[] = { "/models/", "/deployments/" };

  for (guint i = 0; i < G_N_ELEMENTS (markers); i++)
    {
      const char *found = g_strrstr (path, markers[i]);
      gsize len = 0;

      if (found == NULL)
        continue;
      found += strlen (markers[i]);
      len = strcspn (found, "/:");
      /* A tuned model of Ollama's or Azure's kind may have a colon, but not in a path. */
      if (len > 0)
        return g_uri_unescape_segment (found, found + len, NULL);
    }
  return NULL;
}

/* Takes what the URL says. */
static void
take_url (LsobsCallRequest *self, const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_PARSE_RELAXED | G_URI_FLAGS_ENCODED, NULL);
  g_autofree char *path = NULL;
  gsize len;

  if (uri == NULL)
    return;
  path = g_strdup (g_uri_get_path (uri));
  for (len = strlen (path); len > 0 && path[len - 1] == '/'; len--)
    path[len - 1] = '\0';
  self->format = find_format (path);
  self->provider = find_provider (uri, path);
  self->model = dup_path_model (path);
}

/* --- the body --- */

/* The parameters that are sent, sorted: what others there are may be secret, or belong to the
 * inputs. */
/* clang-format off */
static const char *const params[] = {
  "audio", "background", "best_of", "candidateCount", "dimensions", "do_sample", "echo",
  "encoding_format", "format", "frequencyPenalty", "frequency_penalty", "function_call", "include",
  "input_type", "keep_alive", "logit_bias", "logprobs", "maxOutputTokens", "max_completion_tokens",
  "max_new_tokens", "max_output_tokens", "max_tokens", "max_tokens_to_sample", "max_tool_calls",
  "mediaResolution", "min_p", "mirostat", "mirostat_eta", "mirostat_tau", "modalities", "model",
  "models", "n", "num_ctx", "num_predict", "outputDimensionality", "output_config",
  "output_dimension", "output_dtype", "output_format", "parallel_tool_calls", "presencePenalty",
  "presence_penalty", "previous_response_id", "prompt_mode", "random_seed", "raw", "reasoning",
  "reasoning_effort", "reasoning_format", "repeat_last_n", "repeat_penalty", "repetition_penalty",
  "responseLogprobs", "responseMimeType", "responseModalities", "responseSchema", "response_format",
  "route", "safe_prompt", "safetySettings", "safety_settings", "seed", "service_tier",
  "speechConfig", "stop", "stopSequences", "stop_sequences", "store", "stream", "stream_options",
  "taskType", "temperature", "text", "tfs_z", "think", "thinking", "thinkingConfig", "toolConfig",
  "tool_choice", "topK", "topP", "top_a", "top_k", "top_logprobs", "top_p", "transforms",
  "truncate", "truncation", "typical_p", "verbosity"
};
/* clang-format on */

static int
compare_param (const void *name, const void *param)
{
  return strcmp (name, *(const char *const *) param);
}

/* Returns: (transfer full): a copy in which what may be secret is masked */
static JsonNode *
dup_masked (JsonNode *node)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  if (JSON_NODE_HOLDS_VALUE (node) || JSON_NODE_HOLDS_NULL (node))
    return json_node_copy (node);
  _lsobs_call_mask_node (&text, node);
  return _lsobs_json_read (&text);
}

/* Adds the parameters of an object that are sent.
 * @object: (nullable) */
static void
take_params (JsonObject *taken, JsonObject *object)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  if (object == NULL)
    return;
  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    if (bsearch (name, params, G_N_ELEMENTS (params), sizeof *params, compare_param) != NULL)
      json_object_set_member (taken, name, dup_masked (node));
}

/* Takes the format of a body, if the URL does not tell it. */
static void
guess_format (LsobsCallRequest *self, JsonObject *request)
{
  if (self->format != NULL)
    return;
  self->is_guess = TRUE;
  if (_lsobs_call_peek_array (request, "contents") != NULL)
    self->format = &_lsobs_google_format;
  else if (_lsobs_call_peek_array (request, "messages") != NULL &&
           _lsobs_call_peek_member (request, "anthropic_version") != NULL)
    self->format = &_lsobs_anthropic_format;
  else if (_lsobs_call_peek_array (request, "messages") != NULL &&
           _lsobs_call_peek_string (request, "model") != NULL)
    self->format = &_lsobs_chat_format;
}

static gboolean
get_boolean (JsonObject *object, const char *name)
{
  JsonNode *node = _lsobs_call_peek_member (object, name);

  return node != NULL && json_node_get_value_type (node) == G_TYPE_BOOLEAN &&
         json_node_get_boolean (node);
}

static void
take_request (LsobsCallRequest *self, JsonObject *request)
{
  g_autoptr (JsonObject) taken = json_object_new ();
  g_auto (LsobsBuffer) inputs = LSOBS_BUFFER_INIT;
  JsonObject *options = self->format->options != NULL
                            ? _lsobs_call_peek_object (request, self->format->options)
                            : NULL;
  JsonObject *metadata = _lsobs_call_peek_object (request, "metadata");
  const char *model = _lsobs_call_peek_string (request, "model");

  if (model != NULL)
    {
      g_free (self->model);
      self->model = g_strdup (model);
    }
  take_params (taken, request);
  take_params (taken, options);
  if (self->format == &_lsobs_responses_format)
    json_object_set_boolean_member (taken, "use_responses_api", TRUE);
  if (json_object_get_size (taken) > 0)
    self->params = json_node_init_object (json_node_alloc (), taken);
  if (metadata != NULL)
    self->metadata = dup_masked (json_object_get_member (request, "metadata"));
  self->n_choices =
      (guint) CLAMP (_lsobs_call_get_index (taken, "n",
                                            _lsobs_call_get_index (taken, "candidateCount", 1)),
                     1, 256);
  self->asks_usage =
      get_boolean (_lsobs_call_peek_object (request, "stream_options"), "include_usage");
  _lsobs_buffer_append_c (&inputs, '{');
  self->format->write_inputs (&inputs, request);
  _lsobs_buffer_append_c (&inputs, '}');
  self->inputs = _lsobs_buffer_steal_bytes (&inputs);
}

/* @url: where the request goes
 * @body: (nullable)
 * Returns: (transfer full) */
LsobsCallRequest *
_lsobs_call_request_new (const char *url, GBytes *body)
{
  LsobsCallRequest *self = g_new0 (LsobsCallRequest, 1);
  g_autoptr (JsonNode) node = NULL;
  g_auto (LsobsBuffer) scratch = LSOBS_BUFFER_INIT;
  JsonObject *request;
  gboolean too_large;
  gsize len = 0;
  const char *text = body != NULL ? g_bytes_get_data (body, &len) : NULL;

  self->n_choices = 1;
  take_url (self, url);
  if (len <= MAX_BYTES)
    node = _lsobs_call_parse (&scratch, text, len, &too_large);
  request = _lsobs_json_peek_object (node);
  if (request != NULL)
    guess_format (self, request);
  if (self->provider == NULL && self->format != NULL)
    self->provider = self->format->provider;
  if (request != NULL && self->format != NULL)
    take_request (self, request);
  else if (len > MAX_BYTES)
    self->n_cut = len;
  else if (len > 0)
    {
      _lsobs_buffer_truncate (&scratch, 0);
      _lsobs_call_write_masked (&scratch, text, len);
      self->inputs = _lsobs_buffer_steal_bytes (&scratch);
    }
  return self;
}

void
_lsobs_call_request_free (LsobsCallRequest *self)
{
  g_clear_pointer (&self->inputs, g_bytes_unref);
  g_clear_pointer (&self->params, json_node_unref);
  g_clear_pointer (&self->metadata, json_node_unref);
  g_free (self->model);
  g_free (self);
}
