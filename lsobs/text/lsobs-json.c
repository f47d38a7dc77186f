/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/lsobs-json.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/**
 * SECTION:lsobs-json
 * @title: Payload hygiene
 * @short_description: redacts, cuts and wraps JSON values
 *
 * An observer changes inputs and outputs before it sends them. These functions do the same for
 * other values: lsobs_json_redact() removes secrets from strings, lsobs_json_truncate() cuts long
 * strings, and lsobs_json_ensure_object() makes an object of other values. Call them in this order,
 * as an observer does: if you redact first, a cut leaves no half of a secret.
 *
 * The functions process all strings in arrays and objects. They do not change names of members,
 * numbers, booleans and null, with these exceptions: bytes that are not UTF-8 become U+FFFD; if
 * names become equal because of that, only the last of these members stays; a number that is not
 * finite becomes null; a value inside more than 128 arrays and objects becomes the string "[DEPTH
 * LIMIT]".
 *
 * The functions do not change their argument, which may be immutable. They can be called in any
 * thread, and at the same time on the same node as long as no thread changes it.
 */

/* Far more than the service accepts. The limit ends the copying of nodes that contain
 * themselves. */
#define MAX_BYTES (64 * 1024 * 1024)

/* Does what is done to a payload before it is sent. */
static JsonNode *
sanitize (JsonNode *node, const LsobsSanitizeOptions *options)
{
  g_auto (LsobsBuffer) written = LSOBS_BUFFER_INIT;
  g_auto (LsobsBuffer) walked = LSOBS_BUFFER_INIT;
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonNode *result;

  if (_lsobs_json_write_node (&written, node, MAX_BYTES))
    {
      _lsobs_json_sanitize (&walked, written.data, written.len, options);
      if (json_parser_load_from_data (parser, walked.data, (gssize) walked.len, NULL))
        return json_parser_steal_root (parser);
    }

  /* The node is too large to be searched, so it may contain secrets. */
  result = json_node_alloc ();
  return json_node_init_string (result, LSOBS_REDACTED);
}

/**
 * lsobs_json_redact:
 * @node: a value
 * @regex: a regular expression, in the syntax of #GRegex
 *
 * Replaces each match of @regex in each string of @node with `[REDACTED]`. Empty matches are not
 * replaced.
 *
 * If the regular expression takes too long for a string, because it backtracks too often, or
 * because its time grows with the square of the length, the whole string becomes `[REDACTED]`. When
 * it has taken too long for all strings together, see lsobs_config_add_redact_rule(), all further
 * strings become `[REDACTED]`. So does a value of more than 64 MiB.
 *
 * Each call compiles @regex again. To redact what an observer sends, set #LsobsConfig:redact-regex
 * instead.
 *
 * Returns: (transfer full) (not nullable): a redacted copy of @node
 *
 * Since: 0.1
 */
JsonNode *
lsobs_json_redact (JsonNode *node, GRegex *regex)
{
  g_autoptr (LsobsRedactor) redactor = NULL;
  LsobsRedactBudget budget = LSOBS_REDACT_BUDGET_INIT;
  LsobsSanitizeOptions options = { .budget = &budget };

  g_return_val_if_fail (node != NULL, NULL);
  g_return_val_if_fail (regex != NULL, NULL);

  redactor = _lsobs_redactor_new_for_regex (regex);
  options.redactor = redactor;
  return sanitize (node, &options);
}

/**
 * lsobs_json_truncate:
 * @node: a value
 * @max_bytes: the maximum length of a string, in bytes of UTF-8, or 0 for no limit
 *
 * Cuts each string of @node to at most @max_bytes bytes, at the end of a character.
 *
 * A value of more than 64 MiB becomes the string `[REDACTED]`.
 *
 * Returns: (transfer full) (not nullable): a copy of @node with short strings
 *
 * Since: 0.1
 */
JsonNode *
lsobs_json_truncate (JsonNode *node, gsize max_bytes)
{
  const LsobsSanitizeOptions options = { .max_string_bytes = max_bytes };

  g_return_val_if_fail (node != NULL, NULL);

  return sanitize (node, &options);
}

/**
 * lsobs_json_ensure_object:
 * @node: a value
 *
 * Makes an object of a value, because the service accepts only objects as inputs and outputs. A
 * value that is not an object becomes `{"value": …}`.
 *
 * The result shares its contents with @node. Do not change it.
 *
 * Returns: (transfer full) (not nullable): @node itself if it is an object; otherwise a new object
 *
 * Since: 0.1
 */
JsonNode *
lsobs_json_ensure_object (JsonNode *node)
{
  g_autoptr (JsonObject) object = NULL;
  JsonNode *result;

  g_return_val_if_fail (node != NULL, NULL);

  if (JSON_NODE_HOLDS_OBJECT (node) && json_node_get_object (node) != NULL)
    return json_node_ref (node);

  object = json_object_new ();
  if (JSON_NODE_HOLDS_OBJECT (node))
    json_object_set_null_member (object, "value");
  else
    json_object_set_member (object, "value", json_node_copy (node));

  result = json_node_alloc ();
  return json_node_init_object (result, object);
}
