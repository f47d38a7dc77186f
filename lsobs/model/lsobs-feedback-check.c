/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>

#include "lsobs/lsobs-error.h"
#include "lsobs/model/lsobs-feedback-private.h"

/* What the service's schema says of feedback: it refuses a whole request for what breaks
 * it. */

/* of a key, in characters */
#define MAX_KEY_LEN 180

static gboolean
refuse (GError **error, const char *message)
{
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_FEEDBACK, message);
  return FALSE;
}

static gboolean
check_id (const char *id, LsobsId *parsed, GError **error)
{
  return (strlen (id) == LSOBS_UUID_LEN && _lsobs_id_parse (parsed, id)) ||
         refuse (error, _ ("Each id in feedback must be a UUID"));
}

/* A key is repaired before it is sent. */
static gboolean
check_key (const char *key, GError **error)
{
  g_autofree char *sent = g_utf8_make_valid (key, -1);

  if (*sent == '\0')
    return refuse (error, _ ("The key of feedback must not be empty"));
  if (g_utf8_strlen (sent, -1) > MAX_KEY_LEN)
    return refuse (error, _ ("The key of feedback must not be longer than 180 characters"));
  return TRUE;
}

/* The text was written from a tree: what it begins with tells what it is. */
static char
get_first (GBytes *json)
{
  gsize len;
  const char *text = g_bytes_get_data (json, &len);

  return len > 0 ? *text : '\0';
}

/* Anything but an array. @json: (nullable) */
gboolean
_lsobs_feedback_is_value (GBytes *json)
{
  return json == NULL || get_first (json) != '[';
}

/* An object, a string or null. @json: (nullable) */
gboolean
_lsobs_feedback_is_correction (GBytes *json)
{
  return json == NULL || strchr ("{\"n", get_first (json)) != NULL;
}

static gboolean
is_number (JsonNode *node)
{
  GType type = json_node_get_value_type (node);

  return type == G_TYPE_INT64 || type == G_TYPE_DOUBLE;
}

/* @node: (nullable) */
static gboolean
is_limit (JsonNode *node)
{
  return node == NULL || JSON_NODE_HOLDS_NULL (node) || is_number (node);
}

static gboolean
is_category (JsonNode *node)
{
  JsonObject *object;
  JsonNode *value;
  JsonNode *label;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return FALSE;
  object = json_node_get_object (node);
  value = json_object_get_member (object, "value");
  label = json_object_get_member (object, "label");
  return value != NULL && is_number (value) &&
         (label == NULL || JSON_NODE_HOLDS_NULL (label) ||
          (json_node_get_value_type (label) == G_TYPE_STRING &&
           *json_node_get_string (label) != '\0'));
}

/* @node: (nullable) */
static gboolean
are_categories (JsonNode *node)
{
  JsonArray *array;

  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (!JSON_NODE_HOLDS_ARRAY (node))
    return FALSE;
  array = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (array); i++)
    if (!is_category (json_array_get_element (array, i)))
      return FALSE;
  return TRUE;
}

/* @node: (nullable) */
static gboolean
is_config_type (JsonNode *node)
{
  static const char *const types[] = { "continuous", "categorical", "freeform", NULL };

  return node != NULL && json_node_get_value_type (node) == G_TYPE_STRING &&
         g_strv_contains (types, json_node_get_string (node));
}

/* @json: (nullable) */
static gboolean
check_config (GBytes *json, GError **error)
{
  g_autoptr (JsonParser) parser = NULL;
  JsonObject *object = NULL;
  gsize len;
  const char *text;

  if (json == NULL || get_first (json) == 'n')
    return TRUE;
  text = g_bytes_get_data (json, &len);
  parser = json_parser_new ();
  if (get_first (json) == '{' && json_parser_load_from_data (parser, text, (gssize) len, NULL))
    object = json_node_get_object (json_parser_get_root (parser));
  if (object == NULL || !is_config_type (json_object_get_member (object, "type")))
    return refuse (error, _ ("The config of feedback must be an object whose type is continuous, "
                             "categorical or freeform"));
  if (!is_limit (json_object_get_member (object, "min")) ||
      !is_limit (json_object_get_member (object, "max")))
    return refuse (error, _ ("The min and the max in the config of feedback must be numbers"));
  if (!are_categories (json_object_get_member (object, "categories")))
    return refuse (error, _ ("Each category in the config of feedback must be an object with a "
                             "number as value, and a label, if any, that is not empty"));
  return TRUE;
}

/* @json: (nullable) */
gboolean
_lsobs_feedback_is_config (GBytes *json)
{
  return check_config (json, NULL);
}

static gboolean
check_payloads (LsobsFeedback *self, GError **error)
{
  if (!isfinite (self->score))
    return refuse (error, _ ("A score must be a finite number"));
  if (!_lsobs_feedback_is_value (self->value))
    return refuse (error, _ ("The value of feedback must be a number, true or false, a string or "
                             "an object, not an array"));
  if (!_lsobs_feedback_is_correction (self->correction))
    return refuse (error, _ ("The correction of feedback must be an object or a string"));
  return check_config (self->config, error);
}

/* Fails with %LSOBS_ERROR_INVALID_FEEDBACK.
 * @run_id, @trace_id: (out) */
gboolean
_lsobs_feedback_check (LsobsFeedback *self, LsobsId *run_id, LsobsId *trace_id, GError **error)
{
  const char *const others[] = { self->project_id, self->experiment_id, self->group_id };
  LsobsId other;

  if (!check_id (self->run_id, run_id, error) || !check_id (self->trace_id, trace_id, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    if (others[i] != NULL && !check_id (others[i], &other, error))
      return FALSE;
  return check_key (self->key, error) && check_payloads (self, error);
}
