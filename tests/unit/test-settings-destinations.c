/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/config/lsobs-api-url-private.h"
#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/lsobs-error.h"

/* What the settings of several destinations have in common, and what not. */

static void
add (LsobsConfig *config,
     const char *api_url,
     const char *api_key,
     const char *project_name,
     LsobsReplicaRole role)
{
  lsobs_config_add_replica (config, api_url, api_key, project_name, NULL, role);
}

static LsobsConfig *
new_config (void)
{
  LsobsConfig *config = lsobs_config_new ("own-key", "mine");

  add (config, "https://a.example.com/api/", " 'key-a' ", NULL, LSOBS_REPLICA_ROLE_AUTO);
  add (config, "https://b.example.com:8443", "key-b", "other", LSOBS_REPLICA_ROLE_AUTO);
  add (config, "http://[::1]:1984", NULL, "", LSOBS_REPLICA_ROLE_SECONDARY);
  return config;
}

static GPtrArray *
make_destinations (LsobsConfig *config)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *destinations =
      _lsobs_settings_new_for_destinations (config, LSOBS_SETTINGS_FOR_HTTP, &error);

  g_assert_no_error (error);
  return destinations;
}

static LsobsSettings *
get (GPtrArray *destinations, guint index)
{
  return g_ptr_array_index (destinations, index);
}

/* @key: (nullable) */
static void
assert_key (LsobsSettings *destination, const char *key)
{
  g_autoptr (LsobsCredentials) expected = key != NULL ? _lsobs_credentials_new (key) : NULL;

  g_assert_true (_lsobs_credentials_are_same (destination->credentials, expected));
}

static void
assert_project (LsobsSettings *destination,
                const char *own_name,
                const char *name,
                const char *seed)
{
  g_autoptr (LsobsTarget) own = _lsobs_target_new_project (own_name);

  g_assert_cmpstr (_lsobs_settings_get_target (destination, own)->name, ==, name);
  g_assert_cmpstr (_lsobs_settings_get_seed (destination, own), ==, seed);
}

static void
test_one (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new ("own-key", "mine");
  g_autoptr (GPtrArray) destinations = NULL;

  lsobs_config_set_failed_traces_dir (config, "/var/lost");
  destinations = make_destinations (config);
  g_assert_cmpuint (destinations->len, ==, 1);
  assert_key (get (destinations, 0), "own-key");
  g_assert_cmpstr (get (destinations, 0)->values.failed_traces_dir, ==, "/var/lost");
  g_assert_cmpint (get (destinations, 0)->values.failed_traces_max_bytes, ==, 100 * 1024 * 1024);
  g_assert_null (get (destinations, 0)->label);

  /* One replica is no less alone. */
  g_clear_pointer (&destinations, g_ptr_array_unref);
  add (config, "https://a.example.com", "key-a", "other", LSOBS_REPLICA_ROLE_AUTO);
  destinations = make_destinations (config);
  g_assert_cmpuint (destinations->len, ==, 1);
  assert_key (get (destinations, 0), "key-a");
  g_assert_cmpstr (get (destinations, 0)->values.failed_traces_dir, ==, "/var/lost");
  g_assert_null (get (destinations, 0)->label);
}

/* Names of hosts that are not ASCII. */
static void
test_host (void)
{
  static const char *const urls[][2] = {
    { "https://b\xc3\xbc"
      "cher.example",
      "https://xn--bcher-kva.example" },
    { "https://B\xc3\xbc"
      "cher.example:8443/api/",
      "https://xn--bcher-kva.example:8443/api" },
    { "https://xn--bcher-kva.example", "https://xn--bcher-kva.example" },
    { "https://user:b\xc3\xbc"
      "cher@host.example",
      NULL },
    { "https://host.example/b\xc3\xbc"
      "cher",
      NULL },
    { "https://b\xfc"
      "cher.example",
      NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (urls); i++)
    {
      g_autoptr (LsobsConfig) config = lsobs_config_new ("key", NULL);
      g_autoptr (GError) error = NULL;
      g_autoptr (GPtrArray) destinations = NULL;

      lsobs_config_set_api_url (config, urls[i][0]);
      destinations = _lsobs_settings_new_for_destinations (config, LSOBS_SETTINGS_FOR_HTTP, &error);
      if (urls[i][1] == NULL)
        {
          g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
          continue;
        }
      g_assert_no_error (error);
      g_assert_cmpstr (get (destinations, 0)->values.api_url, ==, urls[i][1]);
    }
}

static void
test_several (void)
{
  static const char *const urls[] = { "https://a.example.com/api", "https://b.example.com:8443",
                                      "http://[::1]:1984" };
  static const char *const keys[] = { "key-a", "key-b", NULL };
  static const char *const projects[] = { "mine", "other", "mine" };
  static const char *const remaps[] = { NULL, "other", "mine" };
  static const char *const labels[] = { "replica 1 at a.example.com",
                                        "replica 2 at b.example.com:8443",
                                        "replica 3 at [::1]:1984" };
  static const char *const dirs[] = { "/var/lost/replica-1", "/var/lost/replica-2",
                                      "/var/lost/replica-3" };
  g_autoptr (LsobsConfig) config = new_config ();
  g_autoptr (GPtrArray) destinations = NULL;

  lsobs_config_set_failed_traces_dir (config, "/var/lost");
  lsobs_config_set_failed_traces_max_bytes (config, 3000);
  lsobs_config_set_redact_regex (config, "secret");
  destinations = make_destinations (config);
  g_assert_cmpuint (destinations->len, ==, 3);
  for (guint i = 0; i < 3; i++)
    {
      LsobsSettings *destination = get (destinations, i);

      g_assert_cmpuint (destination->index, ==, i);
      g_assert_cmpstr (destination->values.api_url, ==, urls[i]);
      assert_key (destination, keys[i]);
      g_assert_cmpstr (destination->target->name, ==, "mine");
      assert_project (destination, "mine", projects[i], remaps[i]);
      g_assert_cmpstr (destination->label, ==, labels[i]);
      g_assert_cmpstr (destination->values.failed_traces_dir, ==, dirs[i]);
      g_assert_cmpint (destination->values.failed_traces_max_bytes, ==, 1000);
      g_assert_true (destination->loopback == (i == 2));
      /* They hide the same, and each counts for itself. */
      g_assert_nonnull (destination->redactor);
      g_assert_true (i == 0 || destination->redactor != get (destinations, 0)->redactor);
    }
}

/* Of a trace that has a project of its own, that one decides. */
static void
test_other_project (void)
{
  g_autoptr (LsobsConfig) config = new_config ();
  g_autoptr (GPtrArray) destinations = make_destinations (config);

  assert_project (get (destinations, 0), "theirs", "theirs", NULL);
  assert_project (get (destinations, 1), "other", "other", NULL);
  assert_project (get (destinations, 2), "theirs", "theirs", "theirs");
}

static JsonNode *
pass_cb (const char *field, JsonNode *value, gpointer user_data)
{
  return json_node_ref (value);
}

static void
freed_cb (gpointer user_data)
{
  ++*(guint *) user_data;
}

/* The function is the program's: one for all destinations, and freed once. */
static void
test_hook (void)
{
  g_autoptr (LsobsConfig) config = new_config ();
  g_autoptr (GPtrArray) destinations = NULL;
  guint n_freed = 0;

  lsobs_config_set_redact_func (config, pass_cb, &n_freed, freed_cb);
  destinations = make_destinations (config);
  g_assert_nonnull (get (destinations, 0)->redact_hook);
  g_assert_true (get (destinations, 1)->redact_hook == get (destinations, 0)->redact_hook);
  g_clear_object (&config);
  g_assert_cmpuint (n_freed, ==, 0);
  g_clear_pointer (&destinations, g_ptr_array_unref);
  g_assert_cmpuint (n_freed, ==, 1);
}

/* Which replicas are told the workspace of the config: all but those that have a key of
 * their own on another host. */

typedef struct
{
  const char *name;
  const char *own_url; /* (nullable) */
  const char *own_key; /* (nullable) */
  const char *url;
  const char *key;       /* (nullable) */
  const char *workspace; /* (nullable) the replica's own */
  const char *expected;  /* (nullable) */
} WorkspaceRow;

#define BASE  "11111111-2222-4333-8444-555555555555"
#define OTHER "66666666-2222-4333-8444-555555555555"
#define HOST  "https://a.example.com"

static const WorkspaceRow workspace_rows[] = {
  { "same", HOST, "own", HOST, "key", NULL, BASE },
  { "same-path", HOST "/api", "own", HOST "/other/", "key", NULL, BASE },
  { "same-case", HOST, "own", "https://A.EXAMPLE.Com", "key", NULL, BASE },
  { "same-scheme-case", HOST, "own", "HTTPS://a.example.com", "key", NULL, BASE },
  { "same-port", HOST, "own", HOST ":443", "key", NULL, BASE },
  { "same-port-back", HOST ":443/", "own", HOST, "key", NULL, BASE },
  { "same-dot", HOST, "own", HOST "./api", "key", NULL, BASE },
  { "same-dot-port", HOST ".:443", "own", HOST, "key", NULL, BASE },
  { "same-quotes", " '" HOST "' ", "own", HOST, "key", NULL, BASE },
  { "same-ipv6", "http://[::1]:80", "own", "http://[0:0:0:0:0:0:0:1]", "key", NULL, BASE },
  { "same-default", NULL, "own", "https://api.smith.langchain.com", "key", NULL, BASE },
  { "foreign", HOST, "own", "https://b.example.com", "key", NULL, NULL },
  { "foreign-default", NULL, "own", "https://eu.api.smith.langchain.com", "key", NULL, NULL },
  { "foreign-port", HOST, "own", HOST ":8443", "key", NULL, NULL },
  { "foreign-wrong-port", HOST, "own", HOST ":80", "key", NULL, NULL },
  { "foreign-below", HOST, "own", "https://x.a.example.com", "key", NULL, NULL },
  { "foreign-prefix", HOST, "own", "https://a.example.com.evil.test", "key", NULL, NULL },
  { "foreign-no-own-key", HOST, NULL, "https://b.example.com", "key", NULL, NULL },
  { "foreign-nonsense", "nonsense", "own", HOST, "key", NULL, NULL },
  { "foreign-given", HOST, "own", "https://b.example.com", "key", OTHER, OTHER },
  { "foreign-none", HOST, "own", "https://b.example.com", "key", "", NULL },
  { "same-given", HOST, "own", HOST, "key", OTHER, OTHER },
  { "same-key", HOST, "own", "https://b.example.com", " 'own' ", NULL, BASE },
  { "no-key", HOST, "own", "http://127.0.0.1:1984", NULL, NULL, BASE },
  { "white-key", HOST, "own", "http://127.0.0.1:1984", " \n", NULL, BASE },
};

static void
test_workspace (gconstpointer data)
{
  const WorkspaceRow *row = data;
  g_autoptr (LsobsConfig) config = lsobs_config_new (row->own_key, NULL);
  g_autoptr (GPtrArray) destinations = NULL;

  lsobs_config_set_workspace_id (config, BASE);
  if (row->own_url != NULL)
    lsobs_config_set_api_url (config, row->own_url);
  lsobs_config_add_replica (config, row->url, row->key, NULL, row->workspace,
                            LSOBS_REPLICA_ROLE_AUTO);
  destinations = make_destinations (config);
  g_assert_cmpstr (get (destinations, 0)->values.workspace_id, ==, row->expected);
}

/* --- the address for a browser --- */

static void
test_web_url (void)
{
  static const char *const rows[][2] = {
    { "https://api.smith.langchain.com", "https://smith.langchain.com" },
    { "https://eu.api.smith.langchain.com", "https://eu.smith.langchain.com" },
    { "https://smith.example.com/api", "https://smith.example.com" },
    { "https://smith.example.com/api/v1", "https://smith.example.com" },
    { "https://api.example.com/tools/api", "https://api.example.com/tools" },
    { "https://smith.example.com:8443/api", "https://smith.example.com:8443" },
    { "http://127.0.0.1:1984", "http://127.0.0.1:1984" },
    { "http://[::1]:1984/api", "http://[::1]:1984" },
    { "https://traces.example.com/apis", "https://traces.example.com/apis" },
    { "https://langsmith.api.corp.example", "https://langsmith.api.corp.example" },
    { "https://api.corp.example", "https://api.corp.example" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *url = _lsobs_api_url_dup_web (rows[i][0]);

      g_assert_cmpstr (url, ==, rows[i][1]);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/settings-destinations/one", test_one);
  g_test_add_func ("/settings-destinations/host", test_host);
  g_test_add_func ("/settings-destinations/several", test_several);
  g_test_add_func ("/settings-destinations/other-project", test_other_project);
  g_test_add_func ("/settings-destinations/hook", test_hook);
  for (guint i = 0; i < G_N_ELEMENTS (workspace_rows); i++)
    {
      g_autofree char *path =
          g_strconcat ("/settings-destinations/workspace/", workspace_rows[i].name, NULL);

      g_test_add_data_func (path, &workspace_rows[i], test_workspace);
    }

  g_test_add_func ("/settings-destinations/web-url", test_web_url);

  return g_test_run ();
}
