/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "json-readers.h"

#include <gio/gio.h>

/* JsonParser calls itself for each level and would run out of stack in the end. */
#define MAX_DEPTH 200

static gboolean
is_nested_too_deeply (const char *data, gsize length)
{
  guint depth = 0;
  gboolean in_string = FALSE;

  for (gsize i = 0; i < length; i++)
    {
      if (in_string && data[i] == '\\')
        i++;
      else if (data[i] == '"')
        in_string = !in_string;
      else if (!in_string && (data[i] == '[' || data[i] == '{') && ++depth > MAX_DEPTH)
        return TRUE;
      else if (!in_string && (data[i] == ']' || data[i] == '}') && depth > 0)
        depth--;
    }

  return FALSE;
}

JsonNode *
parse_json (const char *data, gsize length, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();

  if (is_nested_too_deeply (data, length))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                           "the JSON is nested too deeply");
      return NULL;
    }
  if (!json_parser_load_from_data (parser, data, (gssize) length, error))
    return NULL;
  if (json_parser_get_root (parser) == NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "there is no JSON");
      return NULL;
    }

  return json_node_copy (json_parser_get_root (parser));
}

JsonObject *
get_object (JsonObject *object, const char *name)
{
  return as_object (json_object_get_member (object, name));
}

JsonArray *
get_array (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

const char *
get_string (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  const char *text =
      node != NULL && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node) : NULL;

  return text != NULL && *text != '\0' ? text : NULL;
}

JsonObject *
as_object (JsonNode *node)
{
  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

JsonNode *
new_object_node (JsonObject *object)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, object);
  return node;
}
