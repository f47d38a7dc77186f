/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <lsobs/lsobs.h>

#include "tests/lib/run-helpers.h"

/* What a run says of the model: which, how it was called, what it has used. */

static void
test_type (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);

  lsobs_run_set_model_type (run, "llm");
  lsobs_run_set_model (run, NULL, "davinci");
  run_assert_member (run_fixture_finish (fixture, run), "extra.metadata",
                     "{\"ls_model_name\":\"davinci\",\"ls_model_type\":\"llm\"}");
}

static void
test_type_after (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);

  lsobs_run_set_model (run, "openai", "davinci");
  lsobs_run_set_model_type (run, "llm");
  run_assert_member (run_fixture_finish (fixture, run), "extra.metadata.ls_model_type", "\"llm\"");
}

/* That it is to go along says nothing yet of what it is. */
static void
test_type_marked (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);

  lsobs_run_propagate_metadata (run, "ls_model_type");
  lsobs_run_set_model (run, "openai", "davinci");
  run_assert_member (run_fixture_finish (fixture, run), "extra.metadata.ls_model_type", "\"chat\"");
}

/* --- thread --- */

static void
test_thread (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  g_autoptr (LsobsRun) child = NULL;
  g_autoptr (LsobsRun) grandchild = NULL;

  lsobs_run_set_thread_id (run, "t-77");
  child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_CHAIN, NULL);
  grandchild = lsobs_run_start_child (child, "grandchild", LSOBS_RUN_TYPE_TOOL, NULL);
  run_assert_member (run_fixture_finish (fixture, grandchild), "extra.metadata",
                     "{\"thread_id\":\"t-77\"}");
  run_assert_member (run_fixture_finish (fixture, child), "extra.metadata",
                     "{\"thread_id\":\"t-77\"}");
  run_assert_member (run_fixture_finish (fixture, run), "extra.metadata",
                     "{\"thread_id\":\"t-77\"}");
}

/* --- how it was called --- */

typedef struct
{
  const char *name;
  const char *params;
  const char *expected; /* NULL: no metadata */
} ParamsRow;

static const ParamsRow params_rows[] = {
  { "all",
    "{\"model\":\"gpt\",\"temperature\":0.2,\"max_tokens\":100,\"stop\":[\"a\",\"b\"],\"top_p\":1,"
    "\"tools\":[{\"name\":\"search\"}]}",
    "{\"ls_temperature\":0.2,\"ls_max_tokens\":100,\"ls_stop\":[\"a\",\"b\"],"
    "\"ls_invocation_params\":{\"model\":\"gpt\",\"top_p\":1,\"tools\":[{\"name\":\"search\"}]}}" },
  { "known-only", "{\"temperature\":0}", "{\"ls_temperature\":0}" },
  { "stop-string", "{\"stop\":\"END\"}", "{\"ls_stop\":[\"END\"]}" },
  { "stop-none", "{\"stop\":[]}", "{\"ls_stop\":[]}" },
  { "stop-sequences", "{\"stop_sequences\":[\"x\"]}", "{\"ls_stop\":[\"x\"]}" },
  { "limit-completion", "{\"max_completion_tokens\":7}", "{\"ls_max_tokens\":7}" },
  { "limit-output", "{\"max_output_tokens\":7}", "{\"ls_max_tokens\":7}" },
  { "limit-google", "{\"maxOutputTokens\":7}", "{\"ls_max_tokens\":7}" },
  { "odd-types", "{\"temperature\":\"hot\",\"max_tokens\":1.5,\"stop\":[1]}",
    "{\"ls_invocation_params\":{\"temperature\":\"hot\",\"max_tokens\":1.5,\"stop\":[1]}}" },
  { "nulls", "{\"temperature\":null,\"max_tokens\":null,\"stop\":null}",
    "{\"ls_invocation_params\":{\"temperature\":null,\"max_tokens\":null,\"stop\":null}}" },
  { "inputs",
    "{\"messages\":[1],\"prompt\":\"x\",\"input\":1,\"contents\":[],\"system\":\"s\",\"instructions\":\"i\","
    "\"seed\":1}",
    "{\"ls_invocation_params\":{\"seed\":1}}" },
  { "secrets",
    "{\"api_key\":\"telltale\",\"n\":1,\"Authorization\":\"telltale\","
    "\"extra_headers\":{\"X-Api-Key\":\"telltale\",\"X-Other\":\"Bearer telltale\",\"X-Fine\":\"yes\"},"
    "\"deep\":[{\"client\":{\"accessToken\":\"telltale\",\"password\":{\"a\":\"telltale\"},\"region\":\"eu\"}}],"
    "\"max_tokens\":3}",
    "{\"ls_max_tokens\":3,\"ls_invocation_params\":{\"n\":1,\"extra_headers\":{\"X-Fine\":\"yes\"},"
    "\"deep\":[{\"client\":{\"region\":\"eu\"}}]}}" },
  { "secrets-only", "{\"api_key\":\"telltale\"}", NULL },
  { "empty", "{}", NULL },
  { "addresses",
    "{\"base_url\":\"https://jo:hunter2x@example.com/v1?api-key=hunter2x#x\",\"proxies\":[{\"all\":"
    "\"see http://jo:hunter2x@proxy:3128, or none\"}],\"n\":1}",
    "{\"ls_invocation_params\":{\"base_url\":\"https://example.com/v1\",\"proxies\":[{\"all\":"
    "\"see http://proxy:3128, or none\"}],\"n\":1}}" },
  { "tokens",
    "{\"extra\":{\"a\":[\"g"
    "sk_0123456789abcdefghijklmnopqrstuvwxyz0123456789ABCDEF\"]},"
    "\"b\":\"use s"
    "k-or-v1-0123456789abcdef0123456789abcdef now\",\"c\":\"gsk_short\","
    "\"model\":\"hf_hub/some-model\"}",
    "{\"ls_invocation_params\":{\"extra\":{\"a\":[\"[SECRET_DETECTED]\"]},"
    "\"b\":\"use [SECRET_DETECTED] now\",\"c\":\"gsk_short\",\"model\":\"hf_hub/some-model\"}}" },
  { "names-without-width",
    "{\"api\xe2\x80\x8bKey\":\"x1y2\",\"pass\xc2\xadword\":\"x1y2\",\"max\xe2\x80\x8bTokens\":1}",
    "{\"ls_invocation_params\":{\"max\xe2\x80\x8bTokens\":1}}" },
  { "empty-name", "{\"\":{},\"a\":[]}", "{\"ls_invocation_params\":{\"\":{},\"a\":[]}}" },
};

/* Each value that comes after the end is counted. */
static void
test_late (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);

  lsobs_run_end (run, NULL);
  lsobs_run_set_model (run, "openai", "gpt-4o");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_LATE_UPDATES), ==, 3);
  lsobs_run_set_model (run, NULL, "gpt-4o");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_LATE_UPDATES), ==, 5);
}

/* Each value that finds no room is counted. */
static void
test_full (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);

  /* 1000 are the most. */
  for (guint i = 0; i < 999; i++)
    {
      g_autofree char *key = g_strdup_printf ("key-%u", i);

      lsobs_run_set_metadata_string (run, key, "value");
    }
  lsobs_run_set_model (run, "openai", "gpt-4o");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, 2);
  run_assert_member (run_fixture_finish (fixture, run), "extra.metadata.ls_provider", "\"openai\"");
}

static void
test_params (RunFixture *fixture, gconstpointer data)
{
  const ParamsRow *row = data;
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  g_autoptr (LsobsRun) child = NULL;
  g_autoptr (JsonNode) params = run_json (row->params);
  g_autofree char *before = json_to_string (params, FALSE);
  g_autofree char *after = NULL;

  lsobs_run_set_invocation_params (run, params);
  after = json_to_string (params, FALSE);
  g_assert_cmpstr (after, ==, before);
  child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_CHAIN, NULL);
  run_assert_member (run_fixture_finish (fixture, run), "extra.metadata", row->expected);
  run_assert_member (run_fixture_finish (fixture, child), "extra.metadata", NULL);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, 0);
}

static void
test_params_no_object (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  g_autoptr (JsonNode) array = run_json ("[1]");
  g_autoptr (JsonNode) nothing = run_json ("null");
  g_autoptr (JsonNode) empty = json_node_new (JSON_NODE_OBJECT);

  lsobs_run_set_invocation_params (run, array);
  lsobs_run_set_invocation_params (run, nothing);
  lsobs_run_set_invocation_params (run, empty);
  lsobs_run_set_extra (run, "metadata", empty);
  run_assert_member (run_fixture_finish (fixture, run), "extra.metadata", NULL);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, 4);
}

/* Trees that no text can hold: in themselves, too large, not finite, unset. */
static void
test_params_odd_nodes (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  g_autoptr (JsonNode) params = run_json ("{}");
  JsonObject *object = json_node_get_object (params);
  JsonNode *unset = json_node_init_string (json_node_alloc (), NULL);
  JsonNode *cycle = json_node_new (JSON_NODE_ARRAY);
  g_autoptr (JsonArray) array = json_array_new ();

  json_object_set_double_member (object, "temperature", INFINITY);
  json_object_set_double_member (object, "top_p", NAN);
  json_object_set_member (object, "stop", unset);
  json_object_set_member (object, "empty", json_node_new (JSON_NODE_OBJECT));
  lsobs_run_set_invocation_params (run, params);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "extra.metadata.ls_invocation_params",
                     "{\"temperature\":null,\"top_p\":null,\"stop\":null,\"empty\":null}");

  /* Twice in itself: as text it would be endless. */
  json_node_set_array (cycle, array);
  for (guint i = 0; i < 2; i++)
    {
      JsonNode *again = json_node_new (JSON_NODE_ARRAY);

      json_node_set_array (again, array);
      json_array_add_element (array, again);
    }
  json_object_set_member (object, "cycle", cycle);
  lsobs_run_set_invocation_params (run, params);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, 1);
  lsobs_run_end (run, NULL);
  json_array_remove_element (array, 0);
  json_array_remove_element (array, 0);
}

/* --- what it has used --- */

static void
test_usage (RunFixture *fixture, gconstpointer data)
{
  gboolean in_patch = GPOINTER_TO_INT (data);
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  g_autoptr (LsobsUsage) usage = lsobs_usage_new ();
  g_autoptr (LsobsRun) child = NULL;

  g_assert_true (lsobs_usage_set_input_tokens (usage, 12, NULL));
  g_assert_true (lsobs_usage_set_output_tokens (usage, 5, NULL));
  g_assert_true (lsobs_usage_set_input_token_detail (usage, "cache_read", 4, NULL));
  g_assert_true (lsobs_usage_set_output_token_detail (usage, "reasoning", 2, NULL));
  g_assert_true (lsobs_usage_set_total_cost (usage, 0.0125, NULL));
  if (in_patch)
    run_fixture_flush (fixture);
  lsobs_run_set_usage (run, 1, 2, 3);
  lsobs_run_set_usage_metadata (run, usage);
  g_assert_true (lsobs_usage_set_input_tokens (usage, 99, NULL));
  child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_CHAIN, NULL);
  run_assert_member (
      run_fixture_finish (fixture, run), "extra.metadata.usage_metadata",
      "{\"input_tokens\":12,\"output_tokens\":5,\"total_tokens\":17,"
      "\"input_token_details\":{\"cache_read\":4},\"output_token_details\":{\"reasoning\":2},"
      "\"total_cost\":0.0125}");
  run_assert_member (run_fixture_finish (fixture, child), "extra.metadata", NULL);
}

static void
test_usage_from_response (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  g_autoptr (JsonNode) response = run_json (
      "{\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":90,\"output_tokens\":5}}");
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsUsage) usage = lsobs_usage_new_from_json (response, &error);

  g_assert_no_error (error);
  lsobs_run_set_usage_metadata (run, usage);
  run_assert_member (run_fixture_finish (fixture, run), "extra.metadata.usage_metadata",
                     "{\"input_tokens\":100,\"output_tokens\":5,\"total_tokens\":105,"
                     "\"input_token_details\":{\"cache_read\":90}}");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("What a run says of the model that it calls.");

  run_fixture_add_started ("/run-model/type", test_type);
  run_fixture_add_started ("/run-model/type-after", test_type_after);
  run_fixture_add_started ("/run-model/type-marked", test_type_marked);
  run_fixture_add_started ("/run-model/late", test_late);
  run_fixture_add_started ("/run-model/full", test_full);
  run_fixture_add_started ("/run-model/thread", test_thread);
  for (guint i = 0; i < G_N_ELEMENTS (params_rows); i++)
    {
      g_autofree char *path = g_strdup_printf ("/run-model/params/%s", params_rows[i].name);

      g_test_add (path, RunFixture, &params_rows[i], run_fixture_set_up_started, test_params,
                  run_fixture_tear_down);
    }
  run_fixture_add_started ("/run-model/params/no-object", test_params_no_object);
  run_fixture_add_started ("/run-model/params/odd-nodes", test_params_odd_nodes);
  g_test_add ("/run-model/usage", RunFixture, GINT_TO_POINTER (FALSE), run_fixture_set_up_started,
              test_usage, run_fixture_tear_down);
  g_test_add ("/run-model/usage-in-patch", RunFixture, GINT_TO_POINTER (TRUE),
              run_fixture_set_up_started, test_usage, run_fixture_tear_down);
  run_fixture_add_started ("/run-model/usage-from-response", test_usage_from_response);
  return g_test_run ();
}
