/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* Arrays and objects may lie this deep in each other, the outermost counted.
 * It is shared by the writer of nodes and the walker of text, so that a payload
 * means the same whichever way it comes in. */
#define LSOBS_JSON_MAX_DEPTH 128

/* Stands for what lies deeper. */
#define LSOBS_JSON_DEPTH_LIMIT "[DEPTH LIMIT]"

/* Returns: (transfer none) (nullable): NULL for what holds no object, or none yet */
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
void _lsobs_json_write_string (LsobsBuffer *out, const char *text, gsize len);
void _lsobs_json_write_double (LsobsBuffer *out, double value);

G_END_DECLS
