/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <lsobs/lsobs.h>

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/feedback-helpers.h"
#include "tests/lib/replica-helpers.h"
#include "tests/lib/test-utils.h"

/* Traces that go to an environment of an agent, and not to a project. */

#define ADDRESS "lrn:agents/customer-support/environments/staging"
#define ENCODED "lrn%3Aagents%2Fcustomer-support%2Fenvironments%2Fstaging"
#define CALLER  "lrn:agents/caller/environments/production"

#define R "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define L "019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5"

#define R_SEGMENT "20260301T093015250000Z" R

static void
set_agent (LsobsConfig *config)
{
  lsobs_config_set_project_name (config, NULL);
  lsobs_config_set_agent_id (config, "customer-support");
  lsobs_config_set_agent_environment (config, "Staging");
}

static void
set_up (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  set_agent (fixture->config);
}

static void
set_up_started (RunFixture *fixture, gconstpointer data)
{
  set_up (fixture, data);
  run_fixture_start (fixture);
}

static LsobsRun *
start_run (RunFixture *fixture, const char *name)
{
  return lsobs_observer_start_run (fixture->observer, name, LSOBS_RUN_TYPE_CHAIN, NULL);
}

static void
assert_address (WireRun *run, const char *address)
{
  g_assert_cmpstr (wire_run_get_string (run, "address"), ==, address);
  g_assert_null (wire_run_get (run, "session_name"));
  g_assert_null (wire_run_get (run, "session_id"));
}

static void
assert_project (WireRun *run, const char *project)
{
  g_assert_cmpstr (wire_run_get_string (run, "session_name"), ==, project);
  g_assert_null (wire_run_get (run, "address"));
}

/* --- runs --- */

/* Nothing but the environment says so. */
static void
test_agent_address (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestEnv) env = test_env_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsRun) run = NULL;
  WireRun *wire;

  test_env_unset_prefix (env, "LANGSMITH_");
  test_env_unset_prefix (env, "LANGCHAIN_");
  test_env_set (env, "HOSTED_LANGSERVE_PROJECT_NAME", NULL);
  test_env_set (env, "LANGSMITH_TRACING", "true");
  test_env_set (env, "LANGSMITH_API_KEY", RUN_API_KEY);
  test_env_set (env, "LANGSMITH_ENDPOINT", test_server_get_url (fixture->server));
  test_env_set (env, "LANGSMITH_AGENT_ID", " \"customer-support\" ");
  test_env_set (env, "LANGSMITH_AGENT_ENVIRONMENT", "STAGING");
  g_object_unref (fixture->config);
  fixture->config = lsobs_config_new_from_environment (&error);
  g_assert_no_error (error);
  run_fixture_start (fixture);

  run = start_run (fixture, "run");
  wire = run_fixture_finish (fixture, run);
  assert_address (wire, ADDRESS);
  /* It is no metadata. */
  run_assert_member (wire, "extra.metadata", NULL);
}

/* What comes later about a run names the same target. */
static void
test_update (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start_run (fixture, "run");
  g_autoptr (LsobsRun) child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_TOOL, NULL);
  g_autofree char *id = lsobs_run_dup_id (run);
  g_autoptr (JsonObject) patch = NULL;

  run_fixture_flush (fixture);
  lsobs_run_end (child, NULL);
  run_fixture_finish (fixture, run);
  patch = run_dup_operation (fixture->server, "patch", id);
  g_assert_cmpstr (json_object_get_string_member (patch, "address"), ==, ADDRESS);
  g_assert_false (json_object_has_member (patch, "session_name"));
  assert_address (run_fixture_find (fixture, "child"), ADDRESS);
}

static void
test_mode (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;

  set_up (fixture, data);
  lsobs_config_set_ingest_mode (fixture->config, (LsobsIngestMode) GPOINTER_TO_INT (data));
  run_fixture_start (fixture);
  run = start_run (fixture, "run");
  assert_address (run_fixture_finish (fixture, run), ADDRESS);
}

static LsobsRunEvent *
new_start (const char *id, const char *parent_id, const char *name)
{
  return lsobs_run_event_new_start (id, parent_id, name, LSOBS_RUN_TYPE_CHAIN, NULL);
}

/* A run that is reported by its id may name a target of its own. */
static void
test_event (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRunEvent) addressed = new_start (R, NULL, "addressed");
  g_autoptr (LsobsRunEvent) child = new_start (L, R, "child");
  g_autoptr (LsobsRunEvent) other =
      new_start ("019ca8bb-fab2-7d43-bf61-8ea052c3d4f7", NULL, "other");

  lsobs_run_event_set_address (addressed, "lrn:agents/caller/environments/PRODUCTION");
  g_assert_cmpstr (lsobs_run_event_get_address (addressed), ==,
                   "lrn:agents/caller/environments/PRODUCTION");
  lsobs_run_event_set_project_name (other, "project");
  g_assert_true (lsobs_exporter_enqueue (fixture->exporter, addressed, NULL));
  g_assert_true (lsobs_exporter_enqueue (fixture->exporter, child, NULL));
  g_assert_true (lsobs_exporter_enqueue (fixture->exporter, other, NULL));
  run_fixture_flush (fixture);
  assert_address (run_fixture_find (fixture, "addressed"), CALLER);
  assert_address (run_fixture_find (fixture, "child"), CALLER);
  assert_project (run_fixture_find (fixture, "other"), "project");
}

static void
assert_refused (RunFixture *fixture, LsobsRunEvent *event)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (lsobs_exporter_enqueue (fixture->exporter, event, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN);
  g_assert_nonnull (strstr (error->message, R));
}

static void
test_bad_event (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRunEvent) event = new_start (R, NULL, "run");

  lsobs_run_event_set_address (event, "customer-support");
  assert_refused (fixture, event);
  lsobs_run_event_set_address (event, ADDRESS);
  lsobs_run_event_set_project_name (event, "project");
  assert_refused (fixture, event);
  /* It has not begun. */
  lsobs_run_event_set_project_name (event, "");
  g_assert_true (lsobs_exporter_enqueue (fixture->exporter, event, NULL));
}

static void
test_memory (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GPtrArray) events = NULL;

  set_agent (config);
  observer = lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), NULL);
  run = lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_assert_true (lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, NULL));
  events = lsobs_memory_transport_dup_events (transport);
  g_assert_cmpuint (events->len, ==, 1);
  g_assert_cmpstr (lsobs_run_event_get_address (events->pdata[0]), ==, ADDRESS);
  g_assert_null (lsobs_run_event_get_project_name (events->pdata[0]));
}

/* --- other processes --- */

static void
assert_baggage (LsobsRun *run, const char *expected)
{
  g_autoptr (GHashTable) headers = lsobs_run_to_headers (run);

  g_assert_cmpstr (g_hash_table_lookup (headers, "baggage"), ==, expected);
}

static void
test_headers_out (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start_run (fixture, "run");

  assert_baggage (run, "langsmith-address=" ENCODED);
  lsobs_run_propagate_tags (run);
  lsobs_run_add_tag (run, "prod");
  assert_baggage (run, "langsmith-tags=prod,langsmith-address=" ENCODED);
}

/* @baggage: (nullable) */
static LsobsRun *
continue_trace (RunFixture *fixture, const char *baggage)
{
  g_autoptr (GHashTable) headers = g_hash_table_new (g_str_hash, g_str_equal);

  g_hash_table_insert (headers, (gpointer) "langsmith-trace", (gpointer) R_SEGMENT);
  g_hash_table_insert (headers, (gpointer) "baggage", (gpointer) baggage);
  return lsobs_observer_start_run_from_headers (fixture->observer, headers, "served",
                                                LSOBS_RUN_TYPE_CHAIN, NULL);
}

/* @data: an agent has been configured here, too */
static void
test_headers_in (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (LsobsRun) child = NULL;
  g_autofree char *trace_id = NULL;

  run_fixture_set_up (fixture, data);
  if (data != NULL)
    set_agent (fixture->config);
  lsobs_config_set_trust_incoming_headers (fixture->config, TRUE);
  run_fixture_start (fixture);
  run = continue_trace (fixture,
                        "langsmith-address=lrn%3Aagents%2Fcaller%2Fenvironments%2Fproduction");
  child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_TOOL, NULL);
  trace_id = lsobs_run_dup_trace_id (run);
  g_assert_cmpstr (trace_id, ==, R);
  /* Whom this process calls in turn hears the same. */
  assert_baggage (child, "langsmith-address=lrn%3Aagents%2Fcaller%2Fenvironments%2Fproduction");
  lsobs_run_end (child, NULL);
  assert_address (run_fixture_finish (fixture, run), CALLER);
  assert_address (run_fixture_find (fixture, "child"), CALLER);
}

static void
test_project_in (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;

  set_up (fixture, data);
  lsobs_config_set_trust_incoming_headers (fixture->config, TRUE);
  run_fixture_start (fixture);
  run = continue_trace (fixture, "langsmith-project=theirs");
  assert_baggage (run, "langsmith-project=theirs");
  assert_project (run_fixture_finish (fixture, run), "theirs");
}

/* Neither says where the trace is, so that it is not gone on with. */
static void
test_both_in (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autofree char *trace_id = NULL;
  g_autofree char *id = NULL;

  set_up (fixture, data);
  lsobs_config_set_trust_incoming_headers (fixture->config, TRUE);
  run_fixture_start (fixture);
  run = continue_trace (fixture, "langsmith-project=theirs,langsmith-address=" CALLER);
  trace_id = lsobs_run_dup_trace_id (run);
  id = lsobs_run_dup_id (run);
  g_assert_cmpstr (trace_id, ==, id);
  assert_address (run_fixture_finish (fixture, run), ADDRESS);
}

/* --- feedback --- */

static void
test_feedback (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start_run (fixture, "run");
  LsobsFeedback *named = lsobs_run_new_feedback (run, "named");

  feedback_add_to_run (run, "ours");
  feedback_add (fixture, lsobs_feedback_new (L, R, "of somebody else"));
  /* A project that the program names goes before. */
  lsobs_feedback_set_project_id (named, L);
  feedback_add (fixture, named);
  run_fixture_flush (fixture);
  feedback_assert_member (feedback_find (fixture, "ours"), "address", "\"" ADDRESS "\"");
  feedback_assert_member (feedback_find (fixture, "ours"), "session_id", NULL);
  feedback_assert_member (feedback_find (fixture, "of somebody else"), "address",
                          "\"" ADDRESS "\"");
  feedback_assert_member (feedback_find (fixture, "named"), "address", NULL);
  feedback_assert_member (feedback_find (fixture, "named"), "session_id", "\"" L "\"");
}

/* --- replicas --- */

static WireTree *
build_tree (Replicas *replicas, guint server)
{
  return test_server_build_tree (replicas->servers[server]);
}

/* A project of a replica's own wins there. Ids are remade by what names the target, the
 * address, too. */
static void
test_replicas (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRunEvent) event = new_start ("01a203be-ab20-7037-b2f4-e7e77f1765d6", NULL, "run");
  g_autoptr (WireTree) first = NULL;
  g_autoptr (WireTree) second = NULL;
  g_autoptr (WireTree) third = NULL;

  set_agent (replicas->config);
  replicas_add (replicas, 0, NULL, LSOBS_REPLICA_ROLE_AUTO);
  replicas_add (replicas, 1, "projA", LSOBS_REPLICA_ROLE_AUTO);
  replicas_add (replicas, 2, NULL, LSOBS_REPLICA_ROLE_SECONDARY);
  replicas_start (replicas);
  g_assert_true (lsobs_exporter_enqueue (replicas->exporter, event, NULL));
  test_assert_flush (replicas->exporter, 3);

  first = build_tree (replicas, 0);
  assert_address (wire_tree_find (first, "run"), ADDRESS);
  g_assert_cmpstr (wire_tree_find (first, "run")->id, ==, "01a203be-ab20-7037-b2f4-e7e77f1765d6");
  second = build_tree (replicas, 1);
  assert_project (wire_tree_find (second, "run"), "projA");
  g_assert_cmpstr (wire_tree_find (second, "run")->id, ==, "01a203be-ab20-7a5c-869e-74ebe792ba15");
  third = build_tree (replicas, 2);
  assert_address (wire_tree_find (third, "run"), ADDRESS);
  g_assert_cmpstr (wire_tree_find (third, "run")->id, ==, "01a203be-ab20-7881-b607-7acd9ffe2793");
}

/* --- what was lost --- */

static void
test_replayed (RunFixture *fixture, gconstpointer data)
{
  g_autofree char *dir = failed_traces_make_dir ();
  g_autoptr (LsobsClient) client = NULL;
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GError) error = NULL;
  guint n_delivered;

  set_up (fixture, data);
  lsobs_config_set_failed_traces_dir (fixture->config, dir);
  lsobs_config_set_max_attempts (fixture->config, 1);
  run_fixture_start (fixture);
  run = start_run (fixture, "run");
  lsobs_run_end (run, NULL);
  test_server_push (fixture->server, "/runs", (TestAnswer){ .status = 503, .repeat = -1 });
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  test_server_clear (fixture->server);

  client = lsobs_client_new (fixture->config, &error);
  g_assert_no_error (error);
  lsobs_client_replay_async (client, NULL, NULL, test_result_cb, &result);
  lsobs_client_replay_finish (client, test_result_wait (&result), &n_delivered, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (n_delivered, ==, 1);
  fixture->tree = test_server_build_tree (fixture->server);
  assert_address (run_fixture_find (fixture, "run"), ADDRESS);
  failed_traces_remove_dir (dir);
}

/* --- settings --- */

typedef struct
{
  const char *path;
  const char *id;
  const char *environment;
  const char *words; /* in the message; NULL when it is good */
} AgentRow;

static const AgentRow agent_rows[] = {
  { "plain", "a", "local", NULL },
  { "upper-case-environment", "support", "PRODUCTION", NULL },
  { "quotes", "'support-2'", " \"development\" ", NULL },
  { "longest", "a12345678901234567890123456789012345678901234567890123456789012", "local", NULL },
  { "too-long", "a123456789012345678901234567890123456789012345678901234567890123", "local",
    "agent id" },
  { "empty", "", "", NULL },
  { "no-environment", "support", NULL, "agent environment" },
  { "blank-environment", "support", " ", "agent environment" },
  { "no-id", NULL, "local", "agent id" },
  { "empty-id", "", "local", "agent id" },
  { "other-environment", "support", "prod", "agent environment" },
  { "longer-environment", "support", "locally", "agent environment" },
  { "upper-case", "Support", "local", "agent id" },
  { "digit-first", "9support", "local", "agent id" },
  { "hyphen-first", "-support", "local", "agent id" },
  { "hyphen-last", "support-", "local", "agent id" },
  { "space", "customer support", "local", "agent id" },
  { "slash", "a/environments/local", "local", "agent id" },
  { "comma", "a,langsmith-project=x", "local", "agent id" },
  { "line-break", "a\r\nb", "local", "agent id" },
  { "quote", "a\"b", "local", "agent id" },
  { "percent", "a%2Cb", "local", "agent id" },
  { "not-ascii",
    "\xc3\xbc"
    "ber",
    "local", "agent id" },
  { "not-utf-8", "\xff", "local", "agent id" },
};

static void
test_agent (gconstpointer data)
{
  const AgentRow *row = data;
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (GError) error = NULL;

  g_object_set (config, "agent-id", row->id, "agent-environment", row->environment, NULL);
  g_assert_cmpstr (lsobs_config_get_agent_id (config), ==, row->id);
  g_assert_cmpstr (lsobs_config_get_agent_environment (config), ==, row->environment);
  g_assert_cmpint (lsobs_config_validate (config, &error), ==, row->words == NULL);
  if (row->words == NULL)
    {
      g_assert_no_error (error);
      return;
    }
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_nonnull (strstr (error->message, row->words));
  g_assert_true (row->id == NULL || strlen (row->id) < 3 ||
                 strstr (error->message, row->id) == NULL);
}

/* What a run of the config says where it goes: (transfer full) "project NAME", "address ADDRESS", or
 * "error". */
static char *
dup_destination (LsobsConfig *config)
{
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GPtrArray) events = NULL;
  g_autoptr (GError) error = NULL;
  LsobsRunEvent *event;

  lsobs_config_set_tracing_enabled (config, TRUE);
  observer = lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), &error);
  if (observer == NULL)
    {
      g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
      return g_strdup ("error");
    }
  run = lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_assert_true (lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, NULL));
  events = lsobs_memory_transport_dup_events (transport);
  event = g_ptr_array_index (events, 0);
  if (lsobs_run_event_get_address (event) != NULL)
    return g_strconcat ("address ", lsobs_run_event_get_address (event), NULL);
  return g_strconcat ("project ", lsobs_run_event_get_project_name (event), NULL);
}

typedef struct
{
  const char *path;
  const char *env_project;
  gboolean env_agent;
  const char *project; /* what the program sets, NULL for nothing */
  gboolean agent;
  const char *expected;
} PrecedenceRow;

static const PrecedenceRow precedence_rows[] = {
  { "nothing", NULL, FALSE, NULL, FALSE, "project default" },
  { "environment-project", "env", FALSE, NULL, FALSE, "project env" },
  { "environment-agent", NULL, TRUE, NULL, FALSE, "address lrn:agents/env/environments/local" },
  { "environment-both", "env", TRUE, NULL, FALSE, "error" },
  { "project-over-both", "env", TRUE, "own", FALSE, "project own" },
  { "agent-over-both", "env", TRUE, NULL, TRUE, "address " ADDRESS },
  { "program-project", NULL, FALSE, "own", FALSE, "project own" },
  { "program-agent", NULL, FALSE, NULL, TRUE, "address " ADDRESS },
  { "program-both", NULL, FALSE, "own", TRUE, "error" },
  { "project-over-agent", NULL, TRUE, "own", FALSE, "project own" },
  { "agent-over-project", "env", FALSE, NULL, TRUE, "address " ADDRESS },
  { "agent-over-agent", NULL, TRUE, NULL, TRUE, "address " ADDRESS },
  { "empty-project", NULL, TRUE, "", FALSE, "address lrn:agents/env/environments/local" },
};

static void
test_precedence (gconstpointer data)
{
  const PrecedenceRow *row = data;
  g_autoptr (TestEnv) env = test_env_new ();
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *target = NULL;

  test_env_unset_prefix (env, "LANGSMITH_");
  test_env_unset_prefix (env, "LANGCHAIN_");
  test_env_set (env, "HOSTED_LANGSERVE_PROJECT_NAME", NULL);
  test_env_set (env, "LANGCHAIN_PROJECT", row->env_project);
  test_env_set (env, "LANGSMITH_AGENT_ID", row->env_agent ? "env" : NULL);
  test_env_set (env, "LANGSMITH_AGENT_ENVIRONMENT", row->env_agent ? "local" : NULL);
  config = lsobs_config_new_from_environment (&error);
  g_assert_no_error (error);
  if (row->agent)
    {
      lsobs_config_set_agent_environment (config, "staging");
      lsobs_config_set_agent_id (config, "customer-support");
    }
  if (row->project != NULL)
    lsobs_config_set_project_name (config, row->project);
  target = dup_destination (config);
  g_assert_cmpstr (target, ==, row->expected);
}

/* @id: (nullable), @environment: (nullable) */
static TestEnv *
new_agent_env (const char *id, const char *environment, gboolean tracing)
{
  TestEnv *env = test_env_new ();

  test_env_unset_prefix (env, "LANGSMITH_");
  test_env_unset_prefix (env, "LANGCHAIN_");
  test_env_set (env, "HOSTED_LANGSERVE_PROJECT_NAME", NULL);
  test_env_set (env, "LANGSMITH_TRACING", tracing ? "true" : NULL);
  test_env_set (env, "LANGSMITH_API_KEY", RUN_API_KEY);
  test_env_set (env, "LANGSMITH_AGENT_ID", id);
  test_env_set (env, "LANGSMITH_AGENT_ENVIRONMENT", environment);
  return env;
}

typedef struct
{
  const char *path;
  const char *id;
  const char *environment;
  const char *variable; /* (nullable) of a project */
} OddAgentRow;

static const OddAgentRow odd_agent_rows[] = {
  { "id", "support", NULL, NULL },
  { "environment", NULL, "local", NULL },
  { "white", "support", " ", NULL },
  { "quotes", "support", "\"\"", NULL },
  { "project", "support", "local", "LANGSMITH_PROJECT" },
  { "session", "support", "local", "LANGCHAIN_SESSION" },
  { "project-environment", NULL, "local", "LANGSMITH_PROJECT" },
};

/* Half an agent, or one beside a project: an error where it is used, and only if the program has
 * not named a target by itself. */
static void
test_odd_agent (gconstpointer data)
{
  const OddAgentRow *row = data;
  g_autoptr (TestEnv) env = new_agent_env (row->id, row->environment, TRUE);
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) problem = NULL;
  g_autofree char *target = NULL;
  g_autofree char *destination_again = NULL;

  if (row->variable != NULL)
    test_env_set (env, row->variable, "env");
  config = lsobs_config_new_from_environment (&error);
  g_assert_no_error (error);
  g_assert_null (lsobs_observer_new (config, &problem));
  g_assert_error (problem, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_nonnull (
      strstr (problem->message, row->variable != NULL ? row->variable : "LANGSMITH_AGENT_"));
  lsobs_config_set_project_name (config, "own");
  target = dup_destination (config);
  g_assert_cmpstr (target, ==, "project own");
  lsobs_config_set_project_name (config, NULL);
  lsobs_config_set_agent_environment (config, "staging");
  lsobs_config_set_agent_id (config, "customer-support");
  destination_again = dup_destination (config);
  g_assert_cmpstr (destination_again, ==, "address " ADDRESS);
}

/* The platform sets the project of a deployment; it is not what the user has chosen. */
static void
test_hosted (void)
{
  static const char *const variables[] = { "HOSTED_LANGSERVE_PROJECT_NAME",
                                           "LANGSMITH_HOSTED_LANGSERVE_PROJECT_NAME" };

  for (guint i = 0; i < G_N_ELEMENTS (variables); i++)
    {
      g_autoptr (TestEnv) env = new_agent_env ("env", "local", TRUE);
      g_autoptr (LsobsConfig) config = NULL;
      g_autoptr (LsobsConfig) both = NULL;
      g_autofree char *target = NULL;
      g_autofree char *destination_of_both = NULL;

      test_env_set (env, variables[i], "hosted");
      config = lsobs_config_new_from_environment (NULL);
      target = dup_destination (config);
      g_assert_cmpstr (target, ==, "address lrn:agents/env/environments/local");
      test_env_set (env, "LANGSMITH_PROJECT", "chosen");
      both = lsobs_config_new_from_environment (NULL);
      destination_of_both = dup_destination (both);
      g_assert_cmpstr (destination_of_both, ==, "error");
    }
}

static const char *const bad_values[][2] = {
  { "Support", "staging" }, { "support", "beta" }, { "\xff", "local" },
  { "Support", NULL },      { NULL, "beta" },
};

/* A program that does not trace is not ended by what it has no use for. */
static void
test_no_tracing (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad_values) + G_N_ELEMENTS (odd_agent_rows); i++)
    {
      const gboolean bad = i < G_N_ELEMENTS (bad_values);
      const OddAgentRow *row = bad ? NULL : &odd_agent_rows[i - G_N_ELEMENTS (bad_values)];
      g_autoptr (TestEnv) env = new_agent_env (bad ? bad_values[i][0] : row->id,
                                               bad ? bad_values[i][1] : row->environment, FALSE);
      g_autoptr (LsobsConfig) config = NULL;
      g_autoptr (LsobsObserver) observer = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree char *target = NULL;

      if (!bad && row->variable != NULL)
        test_env_set (env, row->variable, "env");
      config = lsobs_config_new_from_environment (&error);
      g_assert_no_error (error);
      observer = lsobs_observer_new (config, &error);
      g_assert_no_error (error);
      g_assert_nonnull (observer);
      /* With tracing, it is an error. */
      target = dup_destination (config);
      g_assert_cmpstr (target, ==, "error");
    }
}

/* With tracing, what no agent can have is refused at once. */
static void
test_bad_environment (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad_values); i++)
    {
      g_autoptr (TestEnv) env = new_agent_env (bad_values[i][0], bad_values[i][1], TRUE);
      g_autoptr (GError) error = NULL;

      g_assert_null (lsobs_config_new_from_environment (&error));
      g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
      g_assert_nonnull (strstr (error->message, "LANGSMITH_AGENT_"));
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
    }
}

/* There are no older names for the variables. */
static void
test_older_names (void)
{
  g_autoptr (TestEnv) env = test_env_new ();
  g_autoptr (LsobsConfig) config = NULL;
  g_autofree char *target = NULL;

  test_env_unset_prefix (env, "LANGSMITH_");
  test_env_unset_prefix (env, "LANGCHAIN_");
  test_env_set (env, "HOSTED_LANGSERVE_PROJECT_NAME", NULL);
  test_env_set (env, "LANGCHAIN_AGENT_ID", "support");
  test_env_set (env, "LANGCHAIN_AGENT_ENVIRONMENT", "local");
  config = lsobs_config_new_from_environment (NULL);
  target = dup_destination (config);
  g_assert_cmpstr (target, ==, "project default");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

#define ADD(path, data, set_up, func) \
 g_test_add ("/address/" path, RunFixture, data, set_up, func, run_fixture_tear_down)
#define ADD_ROWS(prefix, rows, func) TEST_ADD_ROWS ("/address/" prefix, rows, path, func)
  ADD ("agent-address", NULL, run_fixture_set_up, test_agent_address);
  ADD ("update", NULL, set_up_started, test_update);
  ADD ("mode/batch", GINT_TO_POINTER (LSOBS_INGEST_MODE_BATCH), NULL, test_mode);
  ADD ("mode/runs", GINT_TO_POINTER (LSOBS_INGEST_MODE_RUNS), NULL, test_mode);
  ADD ("event", NULL, set_up_started, test_event);
  ADD ("bad-event", NULL, set_up_started, test_bad_event);
  g_test_add_func ("/address/memory", test_memory);
  ADD ("headers-out", NULL, set_up_started, test_headers_out);
  ADD ("headers-in/project-here", NULL, NULL, test_headers_in);
  ADD ("headers-in/agent-here", GINT_TO_POINTER (TRUE), NULL, test_headers_in);
  ADD ("headers-in/project", NULL, NULL, test_project_in);
  ADD ("headers-in/both", NULL, NULL, test_both_in);
  ADD ("feedback", NULL, set_up_started, test_feedback);
  g_test_add ("/address/replicas", Replicas, NULL, replicas_set_up, test_replicas,
              replicas_tear_down);
  ADD ("replayed", NULL, NULL, test_replayed);
  ADD_ROWS ("agent/", agent_rows, test_agent);
  ADD_ROWS ("precedence/", precedence_rows, test_precedence);
  ADD_ROWS ("environment-odd/", odd_agent_rows, test_odd_agent);
  g_test_add_func ("/address/hosted", test_hosted);
  g_test_add_func ("/address/no-tracing", test_no_tracing);
  g_test_add_func ("/address/bad-environment", test_bad_environment);
  g_test_add_func ("/address/older-names", test_older_names);

  return g_test_run ();
}
