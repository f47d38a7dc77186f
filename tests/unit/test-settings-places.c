/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/lsobs-error.h"

/* What the settings of several places have in common, and what not. */

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
make_places (LsobsConfig *config)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *places = _lsobs_settings_new_for_places (config, LSOBS_SETTINGS_FOR_HTTP, &error);

  g_assert_no_error (error);
  return places;
}

static LsobsSettings *
get (GPtrArray *places, guint index)
{
  return g_ptr_array_index (places, index);
}

/* @key: (nullable) */
static void
assert_key (LsobsSettings *place, const char *key)
{
  g_autofree char *copy = NULL;

  if (place->credentials != NULL)
    copy = _lsobs_credentials_dup_secret (place->credentials);
  g_assert_cmpstr (copy, ==, key);
}

static void
assert_project (LsobsSettings *place, const char *own_name, const char *name, const char *seed)
{
  g_autoptr (LsobsTarget) own = _lsobs_target_new_project (own_name);

  g_assert_cmpstr (_lsobs_settings_get_target (place, own)->name, ==, name);
  g_assert_cmpstr (_lsobs_settings_get_seed (place, own), ==, seed);
}

static void
test_one (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new ("own-key", "mine");
  g_autoptr (GPtrArray) places = NULL;

  lsobs_config_set_failed_traces_dir (config, "/var/lost");
  places = make_places (config);
  g_assert_cmpuint (places->len, ==, 1);
  assert_key (get (places, 0), "own-key");
  g_assert_cmpstr (get (places, 0)->failed_traces_dir, ==, "/var/lost");
  g_assert_cmpint (get (places, 0)->failed_traces_max_bytes, ==,
                   LSOBS_DEFAULT_FAILED_TRACES_MAX_BYTES);
  g_assert_null (get (places, 0)->label);

  /* One replica is no less alone. */
  g_clear_pointer (&places, g_ptr_array_unref);
  add (config, "https://a.example.com", "key-a", "other", LSOBS_REPLICA_ROLE_AUTO);
  places = make_places (config);
  g_assert_cmpuint (places->len, ==, 1);
  assert_key (get (places, 0), "key-a");
  g_assert_cmpstr (get (places, 0)->failed_traces_dir, ==, "/var/lost");
  g_assert_null (get (places, 0)->label);
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
      g_autoptr (GPtrArray) places = NULL;

      lsobs_config_set_api_url (config, urls[i][0]);
      places = _lsobs_settings_new_for_places (config, LSOBS_SETTINGS_FOR_HTTP, &error);
      if (urls[i][1] == NULL)
        {
          g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
          continue;
        }
      g_assert_no_error (error);
      g_assert_cmpstr (get (places, 0)->api_url, ==, urls[i][1]);
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
  g_autoptr (GPtrArray) places = NULL;

  lsobs_config_set_failed_traces_dir (config, "/var/lost");
  lsobs_config_set_failed_traces_max_bytes (config, 3000);
  lsobs_config_set_redact_regex (config, "secret");
  places = make_places (config);
  g_assert_cmpuint (places->len, ==, 3);
  for (guint i = 0; i < 3; i++)
    {
      LsobsSettings *place = get (places, i);

      g_assert_cmpuint (place->lane, ==, i);
      g_assert_cmpstr (place->api_url, ==, urls[i]);
      assert_key (place, keys[i]);
      g_assert_cmpstr (place->target->name, ==, "mine");
      assert_project (place, "mine", projects[i], remaps[i]);
      g_assert_cmpstr (place->label, ==, labels[i]);
      g_assert_cmpstr (place->failed_traces_dir, ==, dirs[i]);
      g_assert_cmpint (place->failed_traces_max_bytes, ==, 1000);
      g_assert_true (place->loopback == (i == 2));
      /* They hide the same, and each counts for itself. */
      g_assert_nonnull (place->redactor);
      g_assert_true (i == 0 || place->redactor != get (places, 0)->redactor);
    }
}

/* Of a trace that has a project of its own, that one decides. */
static void
test_other_project (void)
{
  g_autoptr (LsobsConfig) config = new_config ();
  g_autoptr (GPtrArray) places = make_places (config);

  assert_project (get (places, 0), "theirs", "theirs", NULL);
  assert_project (get (places, 1), "other", "other", NULL);
  assert_project (get (places, 2), "theirs", "theirs", "theirs");
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

/* The function is the program's: one for all places, and freed once. */
static void
test_hook (void)
{
  g_autoptr (LsobsConfig) config = new_config ();
  g_autoptr (GPtrArray) places = NULL;
  guint n_freed = 0;

  lsobs_config_set_redact_func (config, pass_cb, &n_freed, freed_cb);
  places = make_places (config);
  g_assert_nonnull (get (places, 0)->redact_hook);
  g_assert_true (get (places, 1)->redact_hook == get (places, 0)->redact_hook);
  g_clear_object (&config);
  g_assert_cmpuint (n_freed, ==, 0);
  g_clear_pointer (&places, g_ptr_array_unref);
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
  g_autoptr (GPtrArray) places = NULL;

  lsobs_config_set_workspace_id (config, BASE);
  if (row->own_url != NULL)
    lsobs_config_set_api_url (config, row->own_url);
  lsobs_config_add_replica (config, row->url, row->key, NULL, row->workspace,
                            LSOBS_REPLICA_ROLE_AUTO);
  places = make_places (config);
  g_assert_cmpstr (get (places, 0)->workspace_id, ==, row->expected);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/settings-places/one", test_one);
  g_test_add_func ("/settings-places/host", test_host);
  g_test_add_func ("/settings-places/several", test_several);
  g_test_add_func ("/settings-places/other-project", test_other_project);
  g_test_add_func ("/settings-places/hook", test_hook);
  for (guint i = 0; i < G_N_ELEMENTS (workspace_rows); i++)
    {
      g_autofree char *path =
          g_strconcat ("/settings-places/workspace/", workspace_rows[i].name, NULL);

      g_test_add_data_func (path, &workspace_rows[i], test_workspace);
    }

  return g_test_run ();
}
