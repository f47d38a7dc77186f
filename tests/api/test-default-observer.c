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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  g_test_add_func ("/default-observer/nothing", test_nothing);
  g_test_add_func ("/default-observer/works", test_works);
  TEST_ADD_ROWS ("/default-observer/wrong/", wrong_rows, name, test_wrong);
  g_test_add_func ("/default-observer/profile", test_profile);

  return g_test_run ();
}
