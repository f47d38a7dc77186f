/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tests/lib/test-helpers.h"

/* The destinations of a config, from the program or from the environment. */

#define KEY_A "lsv2_pt_aaaaaaaaaaaaaaaa"
#define KEY_B "lsv2_pt_bbbbbbbbbbbbbbbb"
#define URL_A "https://a.example.com"
#define URL_B "https://b.example.com"

static void
assert_invalid (LsobsConfig *config, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (lsobs_config_validate (config, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  if (strstr (error->message, text) == NULL)
    g_test_message ("'%s' says nothing of '%s'", error->message, text);
  g_assert_nonnull (strstr (error->message, text));
  g_assert_null (strstr (error->message, "aaaaaaaa"));
}

static void
add (LsobsConfig *config,
     const char *api_url,
     const char *api_key,
     const char *project_name,
     LsobsReplicaRole role)
{
  lsobs_config_add_replica (config, api_url, api_key, project_name, NULL, role);
}

/* --- by the program --- */

static void
test_list (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsExporter) exporter = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (lsobs_config_get_n_replicas (config), ==, 0);
  add (config, URL_A, KEY_A, NULL, LSOBS_REPLICA_ROLE_AUTO);
  add (config, URL_B, KEY_B, "other", LSOBS_REPLICA_ROLE_SECONDARY);
  g_assert_cmpuint (lsobs_config_get_n_replicas (config), ==, 2);
  g_assert_true (lsobs_config_validate (config, NULL));
  exporter = lsobs_exporter_new (config, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (lsobs_exporter_get_n_replicas (exporter), ==, 2);

  lsobs_config_clear_replicas (config);
  g_assert_cmpuint (lsobs_config_get_n_replicas (config), ==, 0);
  g_clear_object (&exporter);
  /* The config has no key of its own. */
  g_assert_null (lsobs_exporter_new (config, NULL, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
}

/* The list replaces the address, which is not checked. */
static void
test_own_address (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsClient) client = NULL;
  g_autoptr (GError) error = NULL;

  lsobs_config_set_api_url (config, "nonsense");
  add (config, URL_A, KEY_A, NULL, LSOBS_REPLICA_ROLE_AUTO);
  g_assert_true (lsobs_config_validate (config, NULL));
  /* But a client made by hand has no other. */
  client = lsobs_client_new (config, &error);
  g_assert_null (client);
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
}

typedef struct
{
  const char *name;
  const char *api_url;
  const char *api_key;
  const char *project_name;
  const char *workspace_id;
  const char *says;
} BadRow;

static const BadRow bad_rows[] = {
  { "plain-http", "http://b.example.com", KEY_A, NULL, NULL, "Replica 2: " },
  { "no-url", "a.example.com", KEY_A, NULL, NULL, "Replica 2: " },
  { "empty-url", "", KEY_A, NULL, NULL, "Replica 2: " },
  { "password", "https://me:aaaaaaaa@b.example.com", KEY_A, NULL, NULL, "Replica 2: " },
  { "key", URL_B, "aaaaaaaa\r\nX: y", NULL, NULL, "Replica 2: Invalid API key" },
  { "project", URL_B, KEY_A, "\xff\xfe", NULL, "Replica 2: Invalid project name" },
  { "workspace", URL_B, KEY_A, NULL, "aaaaaaaa", "Replica 2: Invalid workspace id" },
};

static void
test_bad (gconstpointer data)
{
  const BadRow *row = data;
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);

  add (config, URL_A, KEY_B, NULL, LSOBS_REPLICA_ROLE_AUTO);
  lsobs_config_add_replica (config, row->api_url, row->api_key, row->project_name,
                            row->workspace_id, LSOBS_REPLICA_ROLE_AUTO);
  assert_invalid (config, row->says);
}

/* As for the one address: another machine needs a key, this one does not. */
static void
test_no_key (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (KEY_A, NULL);
  g_autoptr (LsobsExporter) exporter = NULL;
  g_autoptr (GError) error = NULL;

  add (config, "http://127.0.0.1:1", NULL, NULL, LSOBS_REPLICA_ROLE_AUTO);
  exporter = lsobs_exporter_new (config, NULL, &error);
  g_assert_no_error (error);
  g_clear_object (&exporter);
  /* That of the config is not for it. */
  add (config, URL_B, NULL, NULL, LSOBS_REPLICA_ROLE_AUTO);
  g_assert_true (lsobs_config_validate (config, NULL));
  g_assert_null (lsobs_exporter_new (config, NULL, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_true (g_str_has_prefix (error->message, "Replica 2: "));
}

static void
test_plain_http_allowed (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);

  add (config, "http://b.example.com", KEY_A, NULL, LSOBS_REPLICA_ROLE_AUTO);
  assert_invalid (config, "Replica 1: ");
  lsobs_config_set_allow_plain_http (config, TRUE);
  g_assert_true (lsobs_config_validate (config, NULL));
}

static void
test_two_primaries (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);

  add (config, URL_A, KEY_A, NULL, LSOBS_REPLICA_ROLE_PRIMARY);
  add (config, URL_B, KEY_B, NULL, LSOBS_REPLICA_ROLE_SECONDARY);
  g_assert_true (lsobs_config_validate (config, NULL));
  add (config, URL_B, KEY_B, "third", LSOBS_REPLICA_ROLE_PRIMARY);
  assert_invalid (config, "primary");
}

static void
test_same_destination (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, "mine");

  add (config, URL_A, KEY_A, NULL, LSOBS_REPLICA_ROLE_AUTO);
  add (config, URL_A, KEY_A, "other", LSOBS_REPLICA_ROLE_AUTO);
  add (config, URL_A, KEY_B, NULL, LSOBS_REPLICA_ROLE_AUTO);
  add (config, URL_B, KEY_A, NULL, LSOBS_REPLICA_ROLE_AUTO);
  /* Two copies of each trace in one project are strange, but can be told apart. */
  add (config, URL_A, KEY_A, NULL, LSOBS_REPLICA_ROLE_SECONDARY);
  g_assert_true (lsobs_config_validate (config, NULL));
  add (config, URL_A "/", KEY_A, "mine", LSOBS_REPLICA_ROLE_AUTO);
  assert_invalid (config, "1 and 6");
}

static void
test_too_many (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);

  for (guint i = 0; i < 17; i++)
    {
      g_autofree char *project_name = g_strdup_printf ("project-%u", i);

      g_assert_true (lsobs_config_validate (config, NULL));
      add (config, URL_A, KEY_A, project_name, LSOBS_REPLICA_ROLE_AUTO);
    }
  assert_invalid (config, "16");
}

/* The program's own transport is the only destination. */
static void
test_transport (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, "mine");
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (LsobsExporter) exporter = NULL;
  g_autoptr (GPtrArray) events = NULL;
  g_autoptr (GError) error = NULL;

  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  add (config, URL_A, KEY_A, "a", LSOBS_REPLICA_ROLE_AUTO);
  add (config, URL_B, KEY_B, "b", LSOBS_REPLICA_ROLE_AUTO);
  exporter = lsobs_exporter_new (config, LSOBS_TRANSPORT (transport), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (lsobs_exporter_get_n_replicas (exporter), ==, 1);
  test_emit (exporter, "run");
  test_assert_flush (exporter, 1);
  events = lsobs_memory_transport_dup_events (transport);
  g_assert_cmpstr (lsobs_run_event_get_project_name (g_ptr_array_index (events, 0)), ==, "mine");
}

/* --- by the environment --- */

static TestEnv *
new_environment (const char *endpoints)
{
  TestEnv *env = test_env_new ();

  test_env_unset_prefix (env, "LANGSMITH_");
  test_env_unset_prefix (env, "LANGCHAIN_");
  test_env_set (env, "LANGSMITH_CONFIG_FILE", "/nonexistent");
  test_env_set (env, "LANGSMITH_TRACING", "true");
  test_env_set (env, "LANGSMITH_RUNS_ENDPOINTS", endpoints);
  test_log_clear ();
  return env;
}

static LsobsConfig *
read_environment (void)
{
  g_autoptr (GError) error = NULL;
  LsobsConfig *config = lsobs_config_new_from_environment (&error);

  g_assert_no_error (error);
  return config;
}

static void
assert_unreadable (const char *says)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (lsobs_config_new_from_environment (&error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  if (strstr (error->message, says) == NULL)
    g_test_message ("'%s' says nothing of '%s'", error->message, says);
  g_assert_nonnull (strstr (error->message, says));
  g_assert_null (strstr (error->message, "aaaaaaaa"));
  g_assert_null (strstr (error->message, "example.com"));
}

/* What a list must come to, and in how many lines of the log. */
typedef struct
{
  const char *name;
  const char *endpoints;
  guint n_replicas;
  guint n_lines;
} ListRow;

#define ENTRY_A "{\"api_url\":\"" URL_A "\",\"api_key\":\"" KEY_A "\"}"
#define ENTRY_B "{\"api_url\":\"" URL_B "\",\"api_key\":\"" KEY_B "\""

static const ListRow list_rows[] = {
  { "unset", NULL, 0, 0 },
  { "white-space", " \n ", 0, 0 },
  { "no-entries", "[]", 0, 0 },
  { "no-members", "{}", 0, 0 },
  { "array", "[" ENTRY_A "," ENTRY_B "}]", 2, 0 },
  { "object", "{\"" URL_A "\":\"" KEY_A "\",\"" URL_B "/\":\"" KEY_B "\"}", 2, 0 },
  { "byte-order-mark", "\xef\xbb\xbf [" ENTRY_A "]", 1, 0 },
  { "all-members",
    "[" ENTRY_B ",\"project_name\":\"p\",\"primary\":true,"
    "\"workspace_id\":\"11111111-2222-4333-8444-555555555555\",\"more\":[{}]}]",
    1, 0 },
  { "nulls", "[" ENTRY_B ",\"project_name\":null,\"primary\":null,\"workspace_id\":null}]", 1, 0 },
  { "this-machine", "[{\"api_url\":\"http://127.0.0.1:1984\"}]", 1, 0 },
  /* Bad entries beside a good one. */
  { "number", "[7," ENTRY_A "]", 1, 1 },
  { "string", "[" ENTRY_A ",\"aaaaaaaa\"]", 1, 1 },
  { "array-in-array", "[[]," ENTRY_A "]", 1, 1 },
  { "no-url", "[{\"api_key\":\"aaaaaaaa\"}," ENTRY_A "]", 1, 1 },
  { "bad-url", "[{\"api_url\":\"aaaaaaaa\",\"api_key\":\"x\"}," ENTRY_A "]", 1, 1 },
  { "url-type", "[{\"api_url\":{},\"api_key\":\"x\"}," ENTRY_A "]", 1, 1 },
  { "plain-http", "[{\"api_url\":\"http://b.example.com\",\"api_key\":\"x\"}," ENTRY_A "]", 1, 1 },
  { "no-key", "[{\"api_url\":\"" URL_B "\"}," ENTRY_A "]", 1, 1 },
  { "key-type", "[{\"api_url\":\"" URL_B "\",\"api_key\":7}," ENTRY_A "]", 1, 1 },
  { "key-line-break",
    "[{\"api_url\":\"" URL_B "\",\"api_key\":\"aaaaaaaa\\r\\nX: y\"}," ENTRY_A "]", 1, 1 },
  { "project-type", "[" ENTRY_B ",\"project_name\":[]}," ENTRY_A "]", 1, 1 },
  { "primary-type", "[" ENTRY_B ",\"primary\":\"true\"}," ENTRY_A "]", 1, 1 },
  { "workspace-type", "[" ENTRY_B ",\"workspace_id\":7}," ENTRY_A "]", 1, 1 },
  { "bad-workspace", "[" ENTRY_B ",\"workspace_id\":\"aaaaaaaa\"}," ENTRY_A "]", 1, 1 },
  { "bad-member", "{\"" URL_A "\":\"" KEY_A "\",\"aaaaaaaa\":\"x\",\"" URL_B "\":7}", 1, 2 },
  { "several", "[1,2,3," ENTRY_A ",null]", 1, 4 },
};

static void
test_environment (gconstpointer data)
{
  const ListRow *row = data;
  g_autoptr (TestEnv) env = new_environment (row->endpoints);
  g_autoptr (LsobsConfig) config = read_environment ();

  g_assert_cmpuint (lsobs_config_get_n_replicas (config), ==, row->n_replicas);
  g_assert_cmpuint (test_log_count (), ==, row->n_lines);
  g_assert_false (test_log_contains ("aaaaaaaa"));
  g_assert_false (test_log_contains ("example.com"));
  if (row->n_lines > 0)
    g_assert_true (test_log_contains ("LANGSMITH_RUNS_ENDPOINTS: entry "));
}

/* The line names the entry. */
static void
test_environment_number (void)
{
  g_autoptr (TestEnv) env = new_environment ("[" ENTRY_A ",7]");
  g_autoptr (LsobsConfig) config = read_environment ();

  g_assert_true (test_log_contains ("LANGSMITH_RUNS_ENDPOINTS: entry 2 "));
}

/* The list as a whole is invalid: the runs would go to another destination than intended. */
typedef struct
{
  const char *name;
  const char *endpoints;
  const char *says;
} WrongRow;

static const WrongRow wrong_rows[] = {
  { "text", "aaaaaaaa", "LANGSMITH_RUNS_ENDPOINTS" },
  { "half", "[" ENTRY_A, "LANGSMITH_RUNS_ENDPOINTS" },
  { "number", "7", "LANGSMITH_RUNS_ENDPOINTS" },
  { "string", "\"aaaaaaaa\"", "LANGSMITH_RUNS_ENDPOINTS" },
  { "null", "null", "LANGSMITH_RUNS_ENDPOINTS" },
  { "only-bad-entries", "[7,{\"api_key\":\"aaaaaaaa\"}]", "LANGSMITH_RUNS_ENDPOINTS" },
  { "only-bad-members", "{\"aaaaaaaa\":\"x\"}", "LANGSMITH_RUNS_ENDPOINTS" },
  { "two-primaries",
    "[" ENTRY_B ",\"primary\":true}," ENTRY_B ",\"project_name\":\"p\",\"primary\":true}]",
    "LANGSMITH_RUNS_ENDPOINTS" },
  { "same-destination", "[" ENTRY_A "," ENTRY_A "]", "LANGSMITH_RUNS_ENDPOINTS" },
};

static void
test_environment_wrong (gconstpointer data)
{
  const WrongRow *row = data;
  g_autoptr (TestEnv) env = new_environment (row->endpoints);

  assert_unreadable (row->says);
}

static void
test_environment_prefixes (void)
{
  g_autoptr (TestEnv) env = new_environment (NULL);
  g_autoptr (LsobsConfig) config = NULL;

  test_env_set (env, "LANGCHAIN_RUNS_ENDPOINTS", "[" ENTRY_A "," ENTRY_B "}]");
  config = read_environment ();
  g_assert_cmpuint (lsobs_config_get_n_replicas (config), ==, 2);
  g_clear_object (&config);

  test_env_set (env, "LANGSMITH_RUNS_ENDPOINTS", "[" ENTRY_A "]");
  config = read_environment ();
  g_assert_cmpuint (lsobs_config_get_n_replicas (config), ==, 1);
}

/* One address and a list of them cannot both be meant. */
static void
test_environment_both (void)
{
  static const char *const endpoints[] = { "LANGSMITH_ENDPOINT", "LANGCHAIN_ENDPOINT" };
  static const char *const lists[] = { "LANGSMITH_RUNS_ENDPOINTS", "LANGCHAIN_RUNS_ENDPOINTS" };

  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (TestEnv) env = new_environment (NULL);

      test_env_set (env, endpoints[i % 2], "https://c.test");
      test_env_set (env, lists[i / 2], "[" ENTRY_A "]");
      assert_unreadable (endpoints[i % 2]);
      assert_unreadable (lists[i / 2]);
      test_env_set (env, endpoints[i % 2], "  ");
      g_object_unref (read_environment ());
    }
}

/* Deep or endless text does no harm. */
static void
test_environment_hostile (void)
{
  g_autofree char *deep = g_strnfill (60000, '[');
  g_autofree char *long_text = g_strnfill (100000, ' ');
  g_autoptr (TestEnv) env = new_environment (deep);

  assert_unreadable ("LANGSMITH_RUNS_ENDPOINTS");
  memset (deep + 30000, ']', 30000);
  test_env_set (env, "LANGSMITH_RUNS_ENDPOINTS", deep);
  assert_unreadable ("LANGSMITH_RUNS_ENDPOINTS");
  *long_text = '[';
  long_text[99000] = ']';
  test_env_set (env, "LANGSMITH_RUNS_ENDPOINTS", long_text);
  assert_unreadable ("LANGSMITH_RUNS_ENDPOINTS");
  test_env_set (env, "LANGSMITH_RUNS_ENDPOINTS", "[\xff\xfe," ENTRY_A "]");
  assert_unreadable ("LANGSMITH_RUNS_ENDPOINTS");
}

/* The other variables of one destination still count. */
static void
test_environment_rest (void)
{
  g_autoptr (TestEnv) env = new_environment ("[" ENTRY_A "]");
  g_autoptr (LsobsConfig) config = NULL;

  test_env_set (env, "LANGSMITH_API_KEY", KEY_B);
  test_env_set (env, "LANGSMITH_PROJECT", "mine");
  config = read_environment ();
  g_assert_cmpstr (lsobs_config_get_project_name (config), ==, "mine");
  g_assert_true (lsobs_config_has_api_key (config));
  g_assert_cmpuint (lsobs_config_get_n_replicas (config), ==, 1);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  g_test_add_func ("/replicas-config/list", test_list);
  g_test_add_func ("/replicas-config/own-address", test_own_address);
  for (guint i = 0; i < G_N_ELEMENTS (bad_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/replicas-config/bad/", bad_rows[i].name, NULL);

      g_test_add_data_func (path, &bad_rows[i], test_bad);
    }
  g_test_add_func ("/replicas-config/no-key", test_no_key);
  g_test_add_func ("/replicas-config/plain-http-allowed", test_plain_http_allowed);
  g_test_add_func ("/replicas-config/two-primaries", test_two_primaries);
  g_test_add_func ("/replicas-config/same-destination", test_same_destination);
  g_test_add_func ("/replicas-config/too-many", test_too_many);
  g_test_add_func ("/replicas-config/transport", test_transport);
  for (guint i = 0; i < G_N_ELEMENTS (list_rows); i++)
    {
      g_autofree char *path =
          g_strconcat ("/replicas-config/environment/", list_rows[i].name, NULL);

      g_test_add_data_func (path, &list_rows[i], test_environment);
    }
  for (guint i = 0; i < G_N_ELEMENTS (wrong_rows); i++)
    {
      g_autofree char *path =
          g_strconcat ("/replicas-config/environment-wrong/", wrong_rows[i].name, NULL);

      g_test_add_data_func (path, &wrong_rows[i], test_environment_wrong);
    }
  g_test_add_func ("/replicas-config/environment-number", test_environment_number);
  g_test_add_func ("/replicas-config/environment-prefixes", test_environment_prefixes);
  g_test_add_func ("/replicas-config/environment-both", test_environment_both);
  g_test_add_func ("/replicas-config/environment-hostile", test_environment_hostile);
  g_test_add_func ("/replicas-config/environment-rest", test_environment_rest);

  return g_test_run ();
}
