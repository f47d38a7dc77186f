/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/text/lsobs-json-walker-private.h"
#include "lsobs/text/lsobs-secret-private.h"

/* A list is longer than this only by mistake. */
#define MAX_TEXT (64 * 1024)

LsobsReplica *
_lsobs_replica_new (const char *api_url,
                    const char *api_key,
                    const char *project_name,
                    const char *workspace_id,
                    LsobsReplicaRole role)
{
  LsobsReplica *self = g_new0 (LsobsReplica, 1);

  self->api_url = g_strdup (api_url);
  self->api_key = _lsobs_secret_dup (api_key);
  self->project_name = g_strdup (project_name);
  self->workspace_id = g_strdup (workspace_id);
  self->role = role;
  return self;
}

void
_lsobs_replica_free (LsobsReplica *self)
{
  g_free (self->api_url);
  _lsobs_secret_free (self->api_key);
  g_free (self->project_name);
  g_free (self->workspace_id);
  g_free (self);
}

/* Goes through the walker first, which looks after what is no JSON, or too deep.
 * Returns: (transfer full) (nullable) */
static JsonNode *
parse (const char *text)
{
  const LsobsJsonWalkOptions options = { NULL, 0, FALSE };
  g_auto (LsobsBuffer) json = LSOBS_BUFFER_INIT;
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  JsonNode *root = NULL;

  if (strlen (text) > MAX_TEXT)
    return NULL;
  if (_lsobs_json_walk (&json, text, strlen (text), &options) &&
      json_parser_load_from_data (parser, json.data, (gssize) json.len, NULL))
    root = json_parser_steal_root (parser);
  /* There are keys in it. */
  explicit_bzero (json.data, json.len);
  return root;
}

/* @value: (out): the string, or NULL for none
 * FALSE: it is something else */
static gboolean
get_string (JsonObject *entry, const char *member, const char **value)
{
  JsonNode *node = json_object_get_member (entry, member);

  *value = NULL;
  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (json_node_get_value_type (node) != G_TYPE_STRING)
    return FALSE;
  *value = json_node_get_string (node);
  return TRUE;
}

static gboolean
get_role (JsonObject *entry, LsobsReplicaRole *role)
{
  JsonNode *node = json_object_get_member (entry, "primary");

  *role = LSOBS_REPLICA_ROLE_AUTO;
  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (json_node_get_value_type (node) != G_TYPE_BOOLEAN)
    return FALSE;
  *role = json_node_get_boolean (node) ? LSOBS_REPLICA_ROLE_PRIMARY : LSOBS_REPLICA_ROLE_SECONDARY;
  return TRUE;
}

/* An entry of the array form. The messages quote nothing of it: people put keys into
 * the wrong place. Returns: (transfer full) (nullable) */
static LsobsReplica *
read_entry (JsonNode *node, GError **error)
{
  const char *problem = NULL;
  const char *api_url = NULL;
  const char *api_key = NULL;
  const char *project_name = NULL;
  const char *workspace_id = NULL;
  LsobsReplicaRole role = LSOBS_REPLICA_ROLE_AUTO;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    /* TRANSLATORS: “it” is an entry of a list of replicas. */
    problem = _ ("it is not an object");
  else if (!get_string (json_node_get_object (node), "api_url", &api_url) || api_url == NULL)
    /* TRANSLATORS: “it” is an entry of a list of replicas. */
    problem = _ ("its api_url is not a string");
  else if (!get_string (json_node_get_object (node), "api_key", &api_key))
    /* TRANSLATORS: “it” is an entry of a list of replicas. */
    problem = _ ("its api_key is not a string");
  else if (!get_string (json_node_get_object (node), "project_name", &project_name))
    /* TRANSLATORS: “it” is an entry of a list of replicas. */
    problem = _ ("its project_name is not a string");
  else if (!get_string (json_node_get_object (node), "workspace_id", &workspace_id))
    /* TRANSLATORS: “it” is an entry of a list of replicas. */
    problem = _ ("its workspace_id is not a string");
  else if (!get_role (json_node_get_object (node), &role))
    /* TRANSLATORS: “it” is an entry of a list of replicas. */
    problem = _ ("its primary is not true or false");
  if (problem == NULL)
    return _lsobs_replica_new (api_url, api_key, project_name, workspace_id, role);
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG, problem);
  return NULL;
}

/* A member of the object form. Returns: (transfer full) (nullable) */
static LsobsReplica *
read_member (const char *api_url, JsonNode *api_key, GError **error)
{
  if (json_node_get_value_type (api_key) == G_TYPE_STRING)
    return _lsobs_replica_new (api_url, json_node_get_string (api_key), NULL, NULL,
                               LSOBS_REPLICA_ROLE_AUTO);
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                       /* TRANSLATORS: “its” is of an entry of a list of replicas. */
                       _ ("its key is not a string"));
  return NULL;
}

/* What comes of a list. */
typedef struct
{
  LsobsConfig *config;
  const char *variable;
  guint n_entries;
  guint n_bad;
} Reading;

/* Takes @replica (nullable) over, and @error in its place. */
static void
take (Reading *reading, LsobsReplica *replica, GError *error)
{
  reading->n_entries++;
  if (replica != NULL && _lsobs_settings_check_replica (reading->config, replica, &error))
    {
      _lsobs_config_take_replica (reading->config, replica);
      return;
    }
  reading->n_bad++;
  /* TRANSLATORS: a variable of the environment, which entry of its list, and what is wrong with it. */
  g_message (_ ("%s: entry %u is ignored: %s"), reading->variable, reading->n_entries,
             error->message);
  g_clear_pointer (&replica, _lsobs_replica_free);
  g_error_free (error);
}

static void
read_array (Reading *reading, JsonArray *array)
{
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      GError *error = NULL;
      LsobsReplica *replica = read_entry (json_array_get_element (array, i), &error);

      take (reading, replica, error);
    }
}

static void
read_object (Reading *reading, JsonObject *object)
{
  JsonObjectIter iter;
  const char *member;
  JsonNode *value;

  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &member, &value))
    {
      GError *error = NULL;
      LsobsReplica *replica = read_member (member, value, &error);

      take (reading, replica, error);
    }
}

/* Adds the replicas of @text, `[{"api_url":…,"api_key":…,"project_name":…}]` or
 * `{"<url>":"<key>"}`, to @config. An entry that makes no sense is left out, with a
 * line in the log; but if that is all of them, the runs would go where nobody wants
 * them. @variable: where the text comes from */
gboolean
_lsobs_replicas_read (LsobsConfig *config, const char *text, const char *variable, GError **error)
{
  g_autoptr (JsonNode) root = parse (text);
  Reading reading = { config, variable, 0, 0 };

  if (root != NULL && JSON_NODE_HOLDS_ARRAY (root))
    {
      read_array (&reading, json_node_get_array (root));
    }
  else if (root != NULL && JSON_NODE_HOLDS_OBJECT (root))
    {
      read_object (&reading, json_node_get_object (root));
    }
  else
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                   /* TRANSLATORS: the text is a variable of the environment. */
                   _ ("%s must be an array or an object, in JSON"), variable);
      return FALSE;
    }
  if (reading.n_bad > 0 && reading.n_bad == reading.n_entries)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                   /* TRANSLATORS: the text is a variable of the environment. */
                   _ ("%s has no entry that makes sense"), variable);
      return FALSE;
    }
  return TRUE;
}
