/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gstdio.h>

#include "tests/lib/test-helpers.h"

/* An observer that is made of the environment, whatever is in there. */

#define REMOTE "https://traces.example.com"
#define SECRET "lsv2_pt_5ec4e7"
#define LINE   "Tracing is off for this program: "

/* An environment that says nothing. */
static TestEnv *
new_environment (void)
{
  TestEnv *env = test_env_new ();

  test_env_unset_prefix (env, "LANGSMITH_");
  test_env_unset_prefix (env, "LANGCHAIN_");
  test_env_set (env, "HOSTED_LANGSERVE_PROJECT_NAME", NULL);
  test_log_clear ();
  return env;
}

/* It takes every call, and does nothing. */
static void
assert_disabled (LsobsObserver *observer)
{
  LsobsExporter *exporter = lsobs_observer_get_exporter (observer);
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (lsobs_observer_get_tracing_enabled (observer));
  run = lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_assert_nonnull (run);
  g_assert_false (lsobs_run_is_sampled (run));
  lsobs_run_end (run, NULL);
  g_assert_true (lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_ENQUEUED), ==, 0);
}

/* Without a variable, nothing is wrong, and nothing is told. */
static void
test_nothing (void)
{
  g_autoptr (TestEnv) env = new_environment ();
  g_autoptr (LsobsObserver) observer = lsobs_observer_new_default ();

  assert_disabled (observer);
  g_assert_cmpuint (test_log_count (), ==, 0);
}

static void
test_works (void)
{
  g_autoptr (TestEnv) env = new_environment ();
  g_autoptr (TestServer) server = test_server_new ();
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (GPtrArray) requests = NULL;
  g_autoptr (GError) error = NULL;

  test_env_set (env, "LANGSMITH_TRACING", "true");
  test_env_set (env, "LANGSMITH_API_KEY", TEST_KEY);
  test_env_set (env, "LANGSMITH_ENDPOINT", test_server_get_url (server));
  test_env_set (env, "LANGSMITH_PROJECT", "helpdesk");
  observer = lsobs_observer_new_default ();
  g_assert_true (lsobs_observer_get_tracing_enabled (observer));
  {
    g_autoptr (LsobsRun) run =
        lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);

    lsobs_run_end (run, NULL);
  }
  g_assert_true (lsobs_observer_shutdown (observer, TEST_TIMEOUT_MS, NULL, &error));
  g_assert_no_error (error);
  requests = test_server_dup_ingest (server);
  g_assert_cmpuint (requests->len, ==, 1);
  g_assert_true (test_bytes_contain (((TestRequest *) requests->pdata[0])->body, "helpdesk"));
  g_assert_cmpuint (test_log_count (), ==, 0);
}

/* --- what is wrong --- */

typedef struct
{
  const char *name;
  const char *variables[6]; /* names and values, by turns, beside LANGSMITH_TRACING=true */
  const char *told;         /* a part of the line */
} WrongRow;

static const WrongRow wrong_rows[] = {
  { "no-key", { "LANGSMITH_ENDPOINT", REMOTE }, "No API key" },
  { "switch", { "LANGSMITH_TRACING", "perhaps" }, "LANGSMITH_TRACING must be" },
  { "rate",
    { "LANGSMITH_API_KEY", SECRET, "LANGSMITH_TRACING_SAMPLING_RATE", "half" },
    "LANGSMITH_TRACING_SAMPLING_RATE must be" },
  { "endpoint", { "LANGSMITH_ENDPOINT", "traces" }, "LANGSMITH_ENDPOINT: " },
  { "plain", { "LANGSMITH_ENDPOINT", "http://traces.example.com" }, "LANGSMITH_ENDPOINT: " },
  { "key", { "LANGSMITH_API_KEY", SECRET " " SECRET }, "LANGSMITH_API_KEY: " },
  { "agent", { "LANGSMITH_API_KEY", SECRET, "LANGSMITH_AGENT_ID", "helper" }, "agent-environment" },
  { "replicas",
    { "LANGSMITH_ENDPOINT", REMOTE, "LANGSMITH_RUNS_ENDPOINTS", "{\"" REMOTE "\":\"" SECRET "\"}" },
    "Only one of" },
};

static void
test_wrong (gconstpointer data)
{
  const WrongRow *row = data;
  g_autoptr (TestEnv) env = new_environment ();
  g_autoptr (LsobsObserver) observer = NULL;

  test_env_set (env, "LANGSMITH_TRACING", "true");
  for (guint i = 0; i + 1 < G_N_ELEMENTS (row->variables) && row->variables[i] != NULL; i += 2)
    test_env_set (env, row->variables[i], row->variables[i + 1]);
  observer = lsobs_observer_new_default ();
  assert_disabled (observer);
  g_assert_cmpuint (test_log_count (), ==, 1);
  g_assert_true (test_log_contains (LINE));
  g_assert_true (test_log_contains (row->told));
  g_assert_true (test_log_contains ("Correct that"));
  g_assert_false (test_log_contains (SECRET));
}

static void
test_profile (void)
{
  g_autoptr (TestEnv) env = new_environment ();
  g_autofree char *dir = g_dir_make_tmp ("lsobs-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "profiles.json", NULL);
  g_autoptr (LsobsObserver) observer = NULL;

  g_assert_true (g_file_set_contents (path,
                                      "{\"profiles\":{\"default\":{\"api_url\":\"" SECRET "\"}}}",
                                      -1, NULL));
  test_env_set (env, "LANGSMITH_TRACING", "true");
  test_env_set (env, "LANGSMITH_CONFIG_FILE", path);
  observer = lsobs_observer_new_default ();
  assert_disabled (observer);
  g_assert_cmpuint (test_log_count (), ==, 1);
  g_assert_true (test_log_contains ("api_url in "));
  g_assert_false (test_log_contains (SECRET));
  g_remove (path);
  g_rmdir (dir);
}

/* --- what is said once in a process --- */

typedef struct
{
  const char *name;
  const char *profiles; /* (nullable) what is in the file of profiles */
  const char *profile;  /* (nullable) the one that is asked for */
  const char *line;     /* (nullable) a part of what is said */
} OnceRow;

static const OnceRow once_rows[] = {
  { "no-file", NULL, NULL, NULL },
  { "fine", "{\"profiles\":{\"default\":{\"api_key\":\"" SECRET "\"}}}", NULL, NULL },
  { "none", "{}", NULL, NULL },
  { "not-json", "{\"profiles\": " SECRET, NULL, "it is not JSON" },
  { "no-such", "{\"profiles\":{}}", "work", "does not have the profile" },
};

static void
test_once_profile (gconstpointer data)
{
  const OnceRow *row = data;
  g_autoptr (TestEnv) env = NULL;
  g_autofree char *dir = NULL;
  g_autofree char *path = NULL;

  if (!g_test_subprocess ())
    {
      g_test_trap_subprocess (NULL, 0, 0);
      g_test_trap_assert_passed ();
      g_test_trap_assert_stderr_unmatched ("*" SECRET "*");
      return;
    }
  env = new_environment ();
  dir = g_dir_make_tmp ("lsobs-XXXXXX", NULL);
  path = g_build_filename (dir, "profiles.json", NULL);
  if (row->profiles != NULL)
    g_assert_true (g_file_set_contents (path, row->profiles, -1, NULL));
  test_env_set (env, "LANGSMITH_CONFIG_FILE", path);
  test_env_set (env, "LANGSMITH_PROFILE", row->profile);
  /* Without tracing, nothing is said. */
  g_object_unref (lsobs_observer_new_default ());
  g_assert_cmpuint (test_log_count (), ==, 0);
  test_env_set (env, "LANGSMITH_TRACING", "true");
  test_env_set (env, "LANGSMITH_API_KEY", SECRET);
  for (guint i = 0; i < 3; i++)
    g_object_unref (lsobs_observer_new_default ());
  g_assert_cmpuint (test_log_count (), ==, row->line != NULL ? 1 : 0);
  g_assert_true (row->line == NULL || test_log_contains (row->line));
  g_remove (path);
  g_rmdir (dir);
}

static void
test_once_run (void)
{
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (LsobsConfig) off = NULL;
  g_autoptr (LsobsMemoryTransport) memory = NULL;
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (GHashTable) headers = NULL;

  if (!g_test_subprocess ())
    {
      g_test_trap_subprocess (NULL, 0, 0);
      g_test_trap_assert_passed ();
      return;
    }
  config = lsobs_config_new (NULL, NULL);
  off = lsobs_config_new (NULL, NULL);
  lsobs_config_set_tracing_enabled (off, FALSE);
  memory = lsobs_memory_transport_new ();
  observer = lsobs_observer_new_with_transport (off, LSOBS_TRANSPORT (memory), NULL);
  headers = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; i < 4; i++)
    {
      LsobsRun *run;

      /* Without tracing, nothing is said. */
      if (i == 1)
        {
          g_assert_cmpuint (test_log_count (), ==, 0);
          g_assert_true (lsobs_observer_reconfigure (observer, config, NULL));
        }
      lsobs_run_unref (lsobs_observer_start_run_of_kind (observer, "run", "tool", NULL));
      lsobs_run_unref (lsobs_observer_start_run_of_kind (observer, "run", "tol", NULL));
      run = lsobs_observer_start_run_from_headers (observer, headers, "run", LSOBS_RUN_TYPE_CHAIN,
                                                   NULL);
      lsobs_run_unref (run);
      if (i == 2)
        g_hash_table_insert (headers, (gpointer) "langsmith-trace", (gpointer) "anything");
      g_assert_cmpuint (test_log_count (), ==, i == 0 ? 0 : i < 3 ? 1 : 2);
    }
  g_assert_true (test_log_contains ("no type of runs “tol”"));
  g_assert_true (test_log_contains ("trust-incoming-headers"));
}

/* --- what the debug log says --- */

static void
test_debug (void)
{
  g_autoptr (TestEnv) env = new_environment ();
  g_autoptr (TestServer) server = test_server_new ();
  g_autoptr (LsobsObserver) observer = NULL;

  g_object_unref (lsobs_observer_new_default ());
  g_assert_true (test_log_contains ("the environment does not say LANGSMITH_TRACING=true"));
  test_env_set (env, "LANGCHAIN_TRACING", "no");
  g_object_unref (lsobs_observer_new_default ());
  g_assert_true (test_log_contains ("Tracing is off: LANGCHAIN_TRACING says so"));

  test_env_set (env, "LANGSMITH_TRACING", "true");
  test_env_set (env, "LANGSMITH_API_KEY", SECRET);
  test_env_set (env, "LANGSMITH_ENDPOINT", test_server_get_url (server));
  observer = lsobs_observer_new_default ();
  g_assert_true (test_log_contains ("Tracing is on: LANGSMITH_TRACING says so"));
  test_emit (lsobs_observer_get_exporter (observer), "one");
  g_assert_true (lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_true (test_log_contains ("Sent 1 records in "));
  test_server_push (server, NULL, (TestAnswer){ .status = 422, .body = "{\"detail\":\"odd\"}" });
  test_emit (lsobs_observer_get_exporter (observer), "two");
  g_assert_false (lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_true (test_log_contains ("1 records were not taken by "));
  g_assert_false (test_log_contains (SECRET));
}

/* --- why a flush takes too long --- */

static void
test_flush_reason (void)
{
  g_autoptr (TestEnv) env = new_environment ();
  g_autoptr (TestServer) server = test_server_new ();
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (GError) error = NULL;

  test_env_set (env, "LANGSMITH_TRACING", "true");
  test_env_set (env, "LANGSMITH_API_KEY", SECRET);
  test_env_set (env, "LANGSMITH_ENDPOINT", test_server_get_url (server));
  observer = lsobs_observer_new_default ();
  test_server_push (
      server, NULL,
      (TestAnswer){ .status = 503, .headers = "Retry-After: 60", .body = "busy", .repeat = -1 });
  test_server_hold (server);
  test_emit (lsobs_observer_get_exporter (observer), "one");
  while (error == NULL || strstr (error->message, "The service has not answered yet") == NULL)
    {
      g_clear_error (&error);
      g_assert_false (lsobs_observer_flush (observer, 50, NULL, &error));
      g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
    }
  g_clear_error (&error);

  /* An attempt has failed, and the next one is to come much later. */
  test_server_release (server);
  while (error == NULL || strstr (error->message, "503") == NULL)
    {
      g_clear_error (&error);
      g_assert_false (lsobs_observer_flush (observer, 50, NULL, &error));
      g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
    }
  g_clear_error (&error);
  g_assert_false (lsobs_observer_shutdown (observer, 50, NULL, &error));
  g_assert_true (strstr (error->message, "503") != NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  g_test_add_func ("/default-observer/nothing", test_nothing);
  g_test_add_func ("/default-observer/works", test_works);
  TEST_ADD_ROWS ("/default-observer/wrong/", wrong_rows, name, test_wrong);
  g_test_add_func ("/default-observer/profile", test_profile);
  TEST_ADD_ROWS ("/default-observer/once/", once_rows, name, test_once_profile);
  g_test_add_func ("/default-observer/once/run", test_once_run);
  g_test_add_func ("/default-observer/debug", test_debug);
  g_test_add_func ("/default-observer/flush-reason", test_flush_reason);

  return g_test_run ();
}
