/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/call/lsobs-call-answer-private.h"
#include "lsobs/call/lsobs-call-json-private.h"
#include "lsobs/call/lsobs-embeddings-format-private.h"
#include "lsobs/call/lsobs-vector-filter-private.h"

/* Embeddings of all services. The vectors are counted, and not sent. */

#define BYTES_PER_NUMBER 4

static void
write_inputs (LsobsBuffer *out, JsonObject *request)
{
  static const char *const names[] = { "input", "prompt", "content", "requests" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    _lsobs_call_write_member (out, request, names[i]);
}

/* @node: (nullable): a vector: its length, as the filter of vectors has left it, an empty array, base64
 *   with numbers of four bytes, or an object with one of these
 * Returns: its length, or -1 if it is something else */
static gint64
get_length (JsonNode *node)
{
  JsonObject *object = _lsobs_json_peek_object (node);
  const char *base64;

  if (_lsobs_call_peek_member (object, "embedding") != NULL)
    return get_length (json_object_get_member (object, "embedding"));
  if (_lsobs_call_peek_member (object, "values") != NULL)
    return get_length (json_object_get_member (object, "values"));
  if (object != NULL)
    return _lsobs_call_get_index (object, LSOBS_VECTOR_LENGTH, -1);
  base64 = _lsobs_call_peek_text (node);
  if (base64 != NULL)
    {
      gsize len = strlen (base64);

      while (len > 0 && base64[len - 1] == '=')
        len--;
      return (gint64) (len * 3 / 4 / BYTES_PER_NUMBER);
    }
  return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? 0 : -1;
}

/* Returns: (nullable): the member that has the vectors, or one vector */
static JsonNode *
find_vectors (JsonObject *event, gboolean *is_one)
{
  JsonNode *node = _lsobs_call_peek_member (event, "data");

  if (node == NULL)
    node = _lsobs_call_peek_member (event, "embeddings");
  *is_one = node == NULL;
  return node != NULL ? node : _lsobs_call_peek_member (event, "embedding");
}

static void
set_number (LsobsCallAnswer *answer, const char *name, gint64 number)
{
  g_autoptr (JsonNode) node = json_node_init_int (json_node_alloc (), number);

  _lsobs_join_set (answer->join, name, node);
}

static gboolean
take (LsobsCallAnswer *answer, JsonObject *event)
{
  gboolean is_one;
  JsonNode *vectors = find_vectors (event, &is_one);
  JsonArray *array = vectors != NULL && !is_one && JSON_NODE_HOLDS_ARRAY (vectors)
                         ? json_node_get_array (vectors)
                         : NULL;
  guint n_vectors = is_one ? 1 : array != NULL ? json_array_get_length (array) : 0;
  JsonNode *first = is_one ? vectors : n_vectors > 0 ? json_array_get_element (array, 0) : NULL;

  if (vectors == NULL || (!is_one && array == NULL) || (n_vectors > 0 && get_length (first) < 0))
    return FALSE;
  set_number (answer, "n_vectors", n_vectors);
  if (n_vectors > 0)
    set_number (answer, "n_dimensions", get_length (first));
  if (_lsobs_call_peek_member (event, "model") != NULL)
    _lsobs_join_set (answer->join, "model", json_object_get_member (event, "model"));
  _lsobs_call_answer_take_usage (answer, event);
  _lsobs_call_answer_take_model (answer, _lsobs_call_peek_string (event, "model"));
  answer->is_complete = TRUE;
  return TRUE;
}

const LsobsCallFormat _lsobs_openai_embeddings_format = {
  .operation = "embeddings",
  .has_vectors = TRUE,
  .write_inputs = write_inputs,
  .take = take,
};

const LsobsCallFormat _lsobs_ollama_embeddings_format = {
  .operation = "embeddings",
  .has_vectors = TRUE,
  .provider = "ollama",
  .options = "options",
  .write_inputs = write_inputs,
  .take = take,
};

const LsobsCallFormat _lsobs_google_embeddings_format = {
  .operation = "embeddings",
  .has_vectors = TRUE,
  .provider = "google_genai",
  .write_inputs = write_inputs,
  .take = take,
};
