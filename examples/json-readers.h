/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* Small readers for the JSON of strangers, where anything may be missing or of another type. */

/* (nullable) (transfer full) */
JsonNode *parse_json (const char *data, gsize length, GError **error);

/* (nullable) (transfer none): NULL for what is missing, of another type, or an empty string */
JsonObject *get_object (JsonObject *object, const char *name);
JsonArray *get_array (JsonObject *object, const char *name);
const char *get_string (JsonObject *object, const char *name);

/* (nullable) (transfer none): the object that @node is */
JsonObject *as_object (JsonNode *node);

/* @object: (transfer full) */
JsonNode *new_object_node (JsonObject *object);

G_END_DECLS
