/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-replica-list-private.h"
#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/config/lsobs-trim-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"

/* The replicas that the environment lists in JSON. */

/* A longer list is a mistake. */
#define MAX_TEXT (64 * 1024)

/* The walker runs first: it refuses what is not JSON and what is nested too deeply.
 * Returns: (transfer full) (nullable) */
static JsonNode *
parse (const char *text)
{
  const LsobsSanitizeOptions options = { 0 };
  g_auto (LsobsBuffer) json = LSOBS_BUFFER_INIT;
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  JsonNode *root = NULL;
  gsize len;
  const char *start = _lsobs_trim (text, &len);

  if (len > MAX_TEXT)
    return NULL;
  if (_lsobs_json_sanitize (&json, start, len, &options) &&
      json_parser_load_from_data (parser, json.data, (gssize) json.len, NULL))
    root = json_parser_steal_root (parser);
  /* It contains keys. */
  explicit_bzero (json.data, json.len);
  return root;
}

/* @value: (out): the string, or NULL if there is no such member
 * Returns: FALSE if the member is not a string */
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

/* Reads an entry of the array form. The messages do not quote it: users put keys into the wrong
 * member. Returns: (transfer full) (nullable) */
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

/* Reads a member of the object form. Returns: (transfer full) (nullable) */
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

/* A list that is being read. */
typedef struct
{
  LsobsConfig *config;  /* (unowned) gets the replicas */
  const char *variable; /* (unowned) that contains the list */
  guint n_entries;      /* read so far */
  guint n_bad;          /* of these, ignored */
} ListReader;

/* Adds a replica to the config, or logs why its entry is ignored.
 * @replica: (nullable) (transfer full)
 * @error: (nullable) (transfer full): set if @replica is NULL */
static void
take_entry (ListReader *reader, LsobsReplica *replica, GError *error)
{
  reader->n_entries++;
  if (replica != NULL && _lsobs_settings_check_replica (reader->config, replica, &error))
    {
      _lsobs_config_take_replica (reader->config, replica);
      return;
    }
  g_assert (error != NULL);
  reader->n_bad++;
  /* TRANSLATORS: a variable of the environment, which entry of its list, and what is wrong with it. */
  g_message (_ ("%s: entry %u is ignored: %s"), reader->variable, reader->n_entries,
             error->message);
  g_clear_pointer (&replica, _lsobs_replica_free);
  g_error_free (error);
}

static void
read_array (ListReader *reader, JsonArray *array)
{
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      GError *error = NULL;
      LsobsReplica *replica = read_entry (json_array_get_element (array, i), &error);

      take_entry (reader, replica, error);
    }
}

static void
read_object (ListReader *reader, JsonObject *object)
{
  JsonObjectIter iter;
  const char *member;
  JsonNode *value;

  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &member, &value))
    {
      GError *error = NULL;
      LsobsReplica *replica = read_member (member, value, &error);

      take_entry (reader, replica, error);
    }
}

/* Adds the replicas of @text to @config. @text is `[{"api_url":…,"api_key":…,"project_name":…}]`
 * or `{"<url>":"<key>"}`. An invalid entry is ignored, with a line in the log. If all entries are
 * invalid, the function fails: without replicas, runs would go to the address of the config.
 * @variable: the variable that contains @text */
gboolean
_lsobs_replica_list_read (LsobsConfig *config,
                          const char *text,
                          const char *variable,
                          GError **error)
{
  g_autoptr (JsonNode) root = parse (text);
  ListReader reader = { .config = config, .variable = variable };

  if (root != NULL && JSON_NODE_HOLDS_ARRAY (root))
    {
      read_array (&reader, json_node_get_array (root));
    }
  else if (root != NULL && JSON_NODE_HOLDS_OBJECT (root))
    {
      read_object (&reader, json_node_get_object (root));
    }
  else
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                   /* TRANSLATORS: the text is a variable of the environment. */
                   _ ("%s must be an array or an object, in JSON"), variable);
      return FALSE;
    }
  if (reader.n_bad > 0 && reader.n_bad == reader.n_entries)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                   /* TRANSLATORS: the text is a variable of the environment. */
                   _ ("%s has no valid entry"), variable);
      return FALSE;
    }
  return TRUE;
}
