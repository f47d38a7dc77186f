/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

G_BEGIN_DECLS

/* Returns: (transfer none) (nullable): the text of a node that holds a string which is not empty */
static inline const char *
_lsobs_call_peek_text (JsonNode *node)
{
  const char *text = node != NULL && json_node_get_value_type (node) == G_TYPE_STRING
                         ? json_node_get_string (node)
                         : NULL;

  return text != NULL && *text != '\0' ? text : NULL;
}

/* @object: (nullable)
 * Returns: (transfer none) (nullable): the member, unless it is null */
static inline JsonNode *
_lsobs_call_peek_member (JsonObject *object, const char *name)
{
  JsonNode *node = object != NULL ? json_object_get_member (object, name) : NULL;

  return node != NULL && !JSON_NODE_HOLDS_NULL (node) ? node : NULL;
}

/* @object: (nullable)
 * Returns: (transfer none) (nullable): a member that is a string and not empty */
static inline const char *
_lsobs_call_peek_string (JsonObject *object, const char *name)
{
  return _lsobs_call_peek_text (_lsobs_call_peek_member (object, name));
}

/* @object: (nullable)
 * Returns: (transfer none) (nullable) */
static inline JsonObject *
_lsobs_call_peek_object (JsonObject *object, const char *name)
{
  return _lsobs_json_peek_object (_lsobs_call_peek_member (object, name));
}

/* @object: (nullable)
 * Returns: (transfer none) (nullable) */
static inline JsonArray *
_lsobs_call_peek_array (JsonObject *object, const char *name)
{
  JsonNode *node = _lsobs_call_peek_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

/* @array: (nullable)
 * Returns: (transfer none) (nullable): an element that is an object */
static inline JsonObject *
_lsobs_call_peek_element (JsonArray *array, guint i)
{
  return array != NULL && i < json_array_get_length (array)
             ? _lsobs_json_peek_object (json_array_get_element (array, i))
             : NULL;
}

/* @object: (nullable)
 * Returns: a member that is a whole number and not negative, or else @otherwise */
static inline gint64
_lsobs_call_get_index (JsonObject *object, const char *name, gint64 otherwise)
{
  JsonNode *node = _lsobs_call_peek_member (object, name);

  return node != NULL && json_node_get_value_type (node) == G_TYPE_INT64 &&
                 json_node_get_int (node) >= 0
             ? json_node_get_int (node)
             : otherwise;
}

void _lsobs_call_write_separator (LsobsBuffer *out);
void _lsobs_call_write_name (LsobsBuffer *out, const char *name);
void _lsobs_call_write_node (LsobsBuffer *out, JsonNode *node);
void _lsobs_call_write_string (LsobsBuffer *out, const char *name, const char *text);
void _lsobs_call_write_member (LsobsBuffer *out, JsonObject *object, const char *name);
void _lsobs_call_write_message (LsobsBuffer *out, const char *role, JsonNode *content);
void _lsobs_call_write_elements (LsobsBuffer *out, JsonObject *object, const char *name);
void _lsobs_call_write_tools (LsobsBuffer *out, JsonObject *object, const char *name);
void _lsobs_call_write_raw (LsobsBuffer *out, const char *text, gsize len);
void _lsobs_call_write_masked (LsobsBuffer *out, const char *text, gsize len);
JsonNode *_lsobs_call_parse (LsobsBuffer *scratch,
                             const char *text,
                             gsize len,
                             gboolean *too_large);

G_END_DECLS
