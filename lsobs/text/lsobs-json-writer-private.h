/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* The maximum depth of nested arrays and objects; the outermost one counts. It is the same in the
 * writer, which writes nodes, and the sanitizer, which copies text. */
#define LSOBS_JSON_MAX_DEPTH 128

/* Written for an array or object that is nested too deeply. */
#define LSOBS_JSON_DEPTH_LIMIT "[DEPTH LIMIT]"

/* @node: (nullable)
 * Returns: (transfer none) (nullable): NULL if @node holds no object */
static inline JsonObject *
_lsobs_json_peek_object (JsonNode *node)
{
  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

gboolean _lsobs_json_write_object (LsobsBuffer *out,
                                   JsonObject *object,
                                   const char *const *except,
                                   gsize max_bytes);
gboolean _lsobs_json_is_hollow (JsonNode *node);
gboolean _lsobs_json_is_array_of_strings (JsonNode *node);
gboolean _lsobs_json_write_node (LsobsBuffer *out, JsonNode *node, gsize max_bytes);
gboolean _lsobs_json_write_node_counting (LsobsBuffer *out,
                                          JsonNode *node,
                                          gsize max_bytes,
                                          guint *n_odd);
gboolean _lsobs_json_write_node_measuring (LsobsBuffer *out,
                                           JsonNode *node,
                                           gsize max_bytes,
                                           gsize *longest);
void _lsobs_json_write_string (LsobsBuffer *out, const char *text, gsize len);
GBytes *_lsobs_json_string_to_bytes (const char *text);
void _lsobs_json_write_double (LsobsBuffer *out, double value);

G_END_DECLS
