/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <locale.h>
#include <math.h>

#include <lsobs/lsobs.h>

#include "tests/lib/run-helpers.h"

/* clang-format off */
static const char *const input_keys[] = {
  "audio", "cache_read", "cache_creation", "cache_read_over_200k", "ephemeral_5m_input_tokens",
  "ephemeral_1h_input_tokens", "text", "image", "flex", "flex_audio", "flex_cache_read", "priority",
  "priority_audio", "priority_cache_read", "over_200k"
};
/* clang-format on */
static const char *const output_keys[] = {
  "audio",          "reasoning",          "text",           "image",
  "flex",           "flex_audio",         "flex_reasoning", "priority",
  "priority_audio", "priority_reasoning", "over_200k"
};

static char *
to_text (LsobsUsage *usage)
{
  g_autoptr (JsonNode) node = lsobs_usage_to_json (usage);

  return json_to_string (node, FALSE);
}

static void
assert_usage (LsobsUsage *usage, const char *expected)
{
  g_autofree char *text = to_text (usage);

  g_assert_cmpstr (text, ==, expected);
}

static void
test_empty (void)
{
  g_autoptr (LsobsUsage) usage = lsobs_usage_new ();

  assert_usage (usage, "{}");
  g_assert_cmpint (lsobs_usage_get_input_tokens (usage), ==, -1);
  g_assert_cmpint (lsobs_usage_get_output_tokens (usage), ==, -1);
  g_assert_cmpint (lsobs_usage_get_total_tokens (usage), ==, -1);
  g_assert_cmpfloat (lsobs_usage_get_input_cost (usage), ==, -1);
  g_assert_cmpfloat (lsobs_usage_get_output_cost (usage), ==, -1);
  g_assert_cmpfloat (lsobs_usage_get_total_cost (usage), ==, -1);
  for (guint i = 0; i < G_N_ELEMENTS (input_keys); i++)
    {
      g_assert_cmpint (lsobs_usage_get_input_token_detail (usage, input_keys[i]), ==, -1);
      g_assert_cmpfloat (lsobs_usage_get_input_cost_detail (usage, input_keys[i]), ==, -1);
    }
  g_assert_cmpint (lsobs_usage_get_output_token_detail (usage, "reasoning"), ==, -1);
  g_assert_cmpint (lsobs_usage_get_output_token_detail (usage, "cache_read"), ==, -1);
  g_assert_cmpfloat (lsobs_usage_get_output_cost_detail (usage, "unknown"), ==, -1);
}

static LsobsUsage *
make_full (void)
{
  LsobsUsage *usage = lsobs_usage_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (lsobs_usage_set_input_tokens (usage, 1000, &error));
  g_assert_true (lsobs_usage_set_output_tokens (usage, 500, &error));
  g_assert_true (lsobs_usage_set_total_tokens (usage, 1501, &error));
  g_assert_true (lsobs_usage_set_input_cost (usage, 0.25, &error));
  g_assert_true (lsobs_usage_set_output_cost (usage, 0.5, &error));
  g_assert_true (lsobs_usage_set_total_cost (usage, 1, &error));
  for (guint i = 0; i < G_N_ELEMENTS (input_keys); i++)
    {
      g_assert_true (lsobs_usage_set_input_token_detail (usage, input_keys[i], 10 + i, &error));
      g_assert_true (lsobs_usage_set_input_cost_detail (usage, input_keys[i], 0.0625, &error));
    }
  for (guint i = 0; i < G_N_ELEMENTS (output_keys); i++)
    {
      g_assert_true (lsobs_usage_set_output_token_detail (usage, output_keys[i], 20 + i, &error));
      g_assert_true (lsobs_usage_set_output_cost_detail (usage, output_keys[i], 0.03125, &error));
    }
  g_assert_no_error (error);
  return usage;
}

/* clang-format off */
static const char full[] =
    "{\"input_tokens\":1000,\"output_tokens\":500,\"total_tokens\":1501,"
    "\"input_token_details\":{\"audio\":10,\"cache_read\":11,\"cache_creation\":12,"
    "\"cache_read_over_200k\":13,\"ephemeral_5m_input_tokens\":14,"
    "\"ephemeral_1h_input_tokens\":15,\"text\":16,\"image\":17,\"flex\":18,\"flex_audio\":19,"
    "\"flex_cache_read\":20,\"priority\":21,\"priority_audio\":22,\"priority_cache_read\":23,"
    "\"over_200k\":24},\"output_token_details\":{\"audio\":20,\"reasoning\":21,\"text\":22,"
    "\"image\":23,\"flex\":24,\"flex_audio\":25,\"flex_reasoning\":26,\"priority\":27,"
    "\"priority_audio\":28,\"priority_reasoning\":29,\"over_200k\":30},\"input_cost\":0.25,"
    "\"output_cost\":0.5,\"total_cost\":1.0,\"input_cost_details\":{\"audio\":0.0625,"
    "\"cache_read\":0.0625,\"cache_creation\":0.0625,\"cache_read_over_200k\":0.0625,"
    "\"ephemeral_5m_input_tokens\":0.0625,\"ephemeral_1h_input_tokens\":0.0625,\"text\":0.0625,"
    "\"image\":0.0625,\"flex\":0.0625,\"flex_audio\":0.0625,\"flex_cache_read\":0.0625,"
    "\"priority\":0.0625,\"priority_audio\":0.0625,\"priority_cache_read\":0.0625,"
    "\"over_200k\":0.0625},\"output_cost_details\":{\"audio\":0.03125,\"reasoning\":0.03125,"
    "\"text\":0.03125,\"image\":0.03125,\"flex\":0.03125,\"flex_audio\":0.03125,\"flex_reasoning\":0.03125,"
    "\"priority\":0.03125,\"priority_audio\":0.03125,\"priority_reasoning\":0.03125,\"over_200k\":0.03125}}";
/* clang-format on */

static void
test_full (void)
{
  g_autoptr (LsobsUsage) usage = make_full ();
  g_autoptr (JsonNode) json = lsobs_usage_to_json (usage);
  g_autoptr (LsobsUsage) again = NULL;
  g_autoptr (GError) error = NULL;

  assert_usage (usage, full);
  g_assert_cmpint (lsobs_usage_get_input_tokens (usage), ==, 1000);
  g_assert_cmpint (lsobs_usage_get_output_tokens (usage), ==, 500);
  g_assert_cmpint (lsobs_usage_get_total_tokens (usage), ==, 1501);
  g_assert_cmpint (lsobs_usage_get_input_token_detail (usage, "cache_read"), ==, 11);
  g_assert_cmpint (lsobs_usage_get_output_token_detail (usage, "reasoning"), ==, 21);
  g_assert_cmpfloat (lsobs_usage_get_input_cost (usage), ==, 0.25);
  g_assert_cmpfloat (lsobs_usage_get_output_cost (usage), ==, 0.5);
  g_assert_cmpfloat (lsobs_usage_get_total_cost (usage), ==, 1);
  g_assert_cmpfloat (lsobs_usage_get_input_cost_detail (usage, "text"), ==, 0.0625);
  g_assert_cmpfloat (lsobs_usage_get_output_cost_detail (usage, "image"), ==, 0.03125);

  /* What it writes it reads. */
  again = lsobs_usage_new_from_json (json, &error);
  g_assert_no_error (error);
  assert_usage (again, full);
}

static void
test_totals (void)
{
  g_autoptr (LsobsUsage) usage = lsobs_usage_new ();

  g_assert_true (lsobs_usage_set_input_tokens (usage, 2, NULL));
  g_assert_true (lsobs_usage_set_input_cost (usage, 0.5, NULL));
  assert_usage (usage, "{\"input_tokens\":2,\"input_cost\":0.5}");
  g_assert_true (lsobs_usage_set_output_tokens (usage, 3, NULL));
  g_assert_true (lsobs_usage_set_output_cost (usage, 0.25, NULL));
  g_assert_cmpint (lsobs_usage_get_total_tokens (usage), ==, 5);
  g_assert_cmpfloat (lsobs_usage_get_total_cost (usage), ==, 0.75);
  assert_usage (usage, "{\"input_tokens\":2,\"output_tokens\":3,\"total_tokens\":5,"
                       "\"input_cost\":0.5,\"output_cost\":0.25,\"total_cost\":0.75}");
  g_assert_true (lsobs_usage_set_input_tokens (usage, G_MAXINT64, NULL));
  g_assert_true (lsobs_usage_set_input_cost (usage, G_MAXDOUBLE, NULL));
  g_assert_true (lsobs_usage_set_output_cost (usage, G_MAXDOUBLE, NULL));
  g_assert_cmpint (lsobs_usage_get_total_tokens (usage), ==, -1);
  g_assert_cmpfloat (lsobs_usage_get_total_cost (usage), ==, -1);
}

static void
assert_refused (gboolean done, GError **error)
{
  g_assert_false (done);
  g_assert_error (*error, LSOBS_ERROR, LSOBS_ERROR_INVALID_VALUE);
  g_assert_true (g_utf8_validate ((*error)->message, -1, NULL));
  g_clear_error (error);
}

static void
test_refused (void)
{
  static const char *const unknown[] = { "", "Audio", "ephemeral_1hr_input_tokens", "a\xff" };
  static const double bad[] = { -0.0625, -G_MAXDOUBLE, INFINITY, -INFINITY, NAN };
  g_autoptr (LsobsUsage) usage = make_full ();
  g_autoptr (GError) error = NULL;

  assert_refused (lsobs_usage_set_input_tokens (usage, -1, &error), &error);
  assert_refused (lsobs_usage_set_output_tokens (usage, G_MININT64, &error), &error);
  assert_refused (lsobs_usage_set_total_tokens (usage, -7, &error), &error);
  assert_refused (lsobs_usage_set_input_token_detail (usage, "text", -1, &error), &error);
  assert_refused (lsobs_usage_set_output_token_detail (usage, "text", -1, &error), &error);
  /* Each side has kinds of its own. */
  assert_refused (lsobs_usage_set_input_token_detail (usage, "reasoning", 1, &error), &error);
  assert_refused (lsobs_usage_set_output_token_detail (usage, "cache_read", 1, &error), &error);
  assert_refused (lsobs_usage_set_input_cost_detail (usage, "reasoning", 1, &error), &error);
  assert_refused (lsobs_usage_set_output_cost_detail (usage, "cache_read", 1, &error), &error);
  for (guint i = 0; i < G_N_ELEMENTS (unknown); i++)
    {
      assert_refused (lsobs_usage_set_input_token_detail (usage, unknown[i], 1, &error), &error);
      assert_refused (lsobs_usage_set_output_token_detail (usage, unknown[i], 1, &error), &error);
      assert_refused (lsobs_usage_set_input_cost_detail (usage, unknown[i], 1, &error), &error);
      assert_refused (lsobs_usage_set_output_cost_detail (usage, unknown[i], 1, &error), &error);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      assert_refused (lsobs_usage_set_input_cost (usage, bad[i], &error), &error);
      assert_refused (lsobs_usage_set_output_cost (usage, bad[i], &error), &error);
      assert_refused (lsobs_usage_set_total_cost (usage, bad[i], &error), &error);
      assert_refused (lsobs_usage_set_input_cost_detail (usage, "text", bad[i], &error), &error);
      assert_refused (lsobs_usage_set_output_cost_detail (usage, "text", bad[i], &error), &error);
    }
  assert_usage (usage, full);
  g_assert_false (lsobs_usage_set_input_tokens (usage, -1, NULL));
}

static void
test_costs (void)
{
  g_autoptr (LsobsUsage) usage = lsobs_usage_new ();

  g_assert_true (lsobs_usage_set_input_cost (usage, -0.0, NULL));
  g_assert_true (lsobs_usage_set_output_cost (usage, 0.0005, NULL));
  g_assert_true (lsobs_usage_set_total_cost (usage, 0.30000000000000004, NULL));
  assert_usage (
      usage,
      "{\"input_cost\":0.0,\"output_cost\":0.00050000000000000001,\"total_cost\":0.30000000000000004}");
}

static void
test_boxed (void)
{
  g_auto (GValue) value = G_VALUE_INIT;
  LsobsUsage *usage = lsobs_usage_new ();
  g_autoptr (LsobsUsage) copy = NULL;

  g_value_init (&value, LSOBS_TYPE_USAGE);
  g_value_take_boxed (&value, usage);
  copy = g_value_dup_boxed (&value);
  g_assert_true (copy == usage);
  g_value_unset (&value);
  g_assert_true (lsobs_usage_set_input_tokens (copy, 1, NULL));
}

typedef struct
{
  const char *name;
  const char *json;
  const char *expected; /* NULL: it is refused */
} JsonRow;

static const JsonRow json_rows[] = {
  { "openai-chat",
    "{\"prompt_tokens\":2006,\"completion_tokens\":300,\"total_tokens\":2306,"
    "\"prompt_tokens_details\":{\"cached_tokens\":1920,\"audio_tokens\":0},"
    "\"completion_tokens_details\":{\"reasoning_tokens\":128,\"audio_tokens\":0,"
    "\"accepted_prediction_tokens\":1,\"rejected_prediction_tokens\":2}}",
    "{\"input_tokens\":2006,\"output_tokens\":300,\"total_tokens\":2306,"
    "\"input_token_details\":{\"audio\":0,\"cache_read\":1920},"
    "\"output_token_details\":{\"audio\":0,\"reasoning\":128}}" },
  { "openai-chat-small", "{\"prompt_tokens\":9,\"completion_tokens\":12,\"total_tokens\":21}",
    "{\"input_tokens\":9,\"output_tokens\":12,\"total_tokens\":21}" },
  { "openai-embeddings", "{\"prompt_tokens\":8,\"total_tokens\":8}",
    "{\"input_tokens\":8,\"total_tokens\":8}" },
  { "openai-nulls",
    "{\"prompt_tokens\":9,\"completion_tokens\":12,\"total_tokens\":null,"
    "\"prompt_tokens_details\":null,\"completion_tokens_details\":{\"reasoning_tokens\":null}}",
    "{\"input_tokens\":9,\"output_tokens\":12,\"total_tokens\":21}" },
  { "openai-responses",
    "{\"input_tokens\":75,\"input_tokens_details\":{\"cached_tokens\":40},\"output_tokens\":1186,"
    "\"output_tokens_details\":{\"reasoning_tokens\":1024},\"total_tokens\":1261}",
    "{\"input_tokens\":75,\"output_tokens\":1186,\"total_tokens\":1261,"
    "\"input_token_details\":{\"cache_read\":40},\"output_token_details\":{\"reasoning\":1024}}" },
  { "openai-images",
    "{\"total_tokens\":100,\"input_tokens\":50,\"output_tokens\":50,"
    "\"input_tokens_details\":{\"text_tokens\":10,\"image_tokens\":40}}",
    "{\"input_tokens\":50,\"output_tokens\":50,\"total_tokens\":100,"
    "\"input_token_details\":{\"text\":10,\"image\":40}}" },
  { "anthropic", "{\"input_tokens\":2095,\"output_tokens\":503}",
    "{\"input_tokens\":2095,\"output_tokens\":503,\"total_tokens\":2598}" },
  { "anthropic-cache",
    "{\"input_tokens\":50,\"cache_creation_input_tokens\":248,\"cache_read_input_tokens\":1800,"
    "\"output_tokens\":503,\"service_tier\":\"standard\",\"server_tool_use\":{\"web_search_requests\":0}}",
    "{\"input_tokens\":2098,\"output_tokens\":503,\"total_tokens\":2601,"
    "\"input_token_details\":{\"cache_read\":1800,\"cache_creation\":248}}" },
  { "anthropic-ephemeral",
    "{\"input_tokens\":50,\"cache_creation_input_tokens\":556,\"cache_read_input_tokens\":1800,"
    "\"cache_creation\":{\"ephemeral_5m_input_tokens\":456,\"ephemeral_1h_input_tokens\":100},"
    "\"output_tokens\":503}",
    "{\"input_tokens\":2406,\"output_tokens\":503,\"total_tokens\":2909,"
    "\"input_token_details\":{\"cache_read\":1800,\"ephemeral_5m_input_tokens\":456,"
    "\"ephemeral_1h_input_tokens\":100}}" },
  { "anthropic-ephemeral-none",
    "{\"input_tokens\":50,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,"
    "\"cache_creation\":{\"ephemeral_5m_input_tokens\":0,\"ephemeral_1h_input_tokens\":0},"
    "\"output_tokens\":1}",
    "{\"input_tokens\":50,\"output_tokens\":1,\"total_tokens\":51,"
    "\"input_token_details\":{\"cache_read\":0,\"cache_creation\":0,\"ephemeral_5m_input_tokens\":0,"
    "\"ephemeral_1h_input_tokens\":0}}" },
  { "anthropic-nulls",
    "{\"input_tokens\":50,\"cache_creation_input_tokens\":null,\"cache_read_input_tokens\":null,"
    "\"cache_creation\":null,\"output_tokens\":1}",
    "{\"input_tokens\":50,\"output_tokens\":1,\"total_tokens\":51}" },
  { "anthropic-by-a-proxy",
    "{\"prompt_tokens\":2098,\"completion_tokens\":503,\"total_tokens\":2601,"
    "\"cache_creation_input_tokens\":248,\"cache_read_input_tokens\":1800}",
    "{\"input_tokens\":2098,\"output_tokens\":503,\"total_tokens\":2601,"
    "\"input_token_details\":{\"cache_read\":1800,\"cache_creation\":248}}" },
  { "google",
    "{\"promptTokenCount\":100,\"cachedContentTokenCount\":60,\"candidatesTokenCount\":20,"
    "\"toolUsePromptTokenCount\":5,\"thoughtsTokenCount\":30,\"totalTokenCount\":155,"
    "\"promptTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":100}]}",
    "{\"input_tokens\":105,\"output_tokens\":50,\"total_tokens\":155,"
    "\"input_token_details\":{\"cache_read\":60,\"text\":100},"
    "\"output_token_details\":{\"reasoning\":30}}" },
  { "google-thoughts-only", "{\"promptTokenCount\":1,\"thoughtsTokenCount\":30}",
    "{\"input_tokens\":1,\"output_tokens\":30,\"total_tokens\":31,\"output_token_details\":{\"reasoning\":30}}" },
  { "response-openai",
    "{\"id\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}",
    "{\"input_tokens\":1,\"output_tokens\":2,\"total_tokens\":3}" },
  { "response-google", "{\"candidates\":[],\"usageMetadata\":{\"promptTokenCount\":1}}",
    "{\"input_tokens\":1}" },
  { "response-own", "{\"usage_metadata\":{\"total_cost\":2}}", "{\"total_cost\":2.0}" },
  { "whole-doubles", "{\"prompt_tokens\":1e3,\"completion_tokens\":2.0}",
    "{\"input_tokens\":1000,\"output_tokens\":2,\"total_tokens\":1002}" },
  { "largest", "{\"prompt_tokens\":9223372036854775807}",
    "{\"input_tokens\":9223372036854775807}" },
  { "costs", "{\"input_cost\":1,\"output_cost_details\":{\"reasoning\":0.5,\"unknown\":\"x\"}}",
    "{\"input_cost\":1.0,\"output_cost_details\":{\"reasoning\":0.5}}" },
  { "odd-details",
    "{\"prompt_tokens\":1,\"prompt_tokens_details\":[7],\"completion_tokens_details\":\"x\"}",
    "{\"input_tokens\":1}" },
  { "empty", "{}", NULL },
  { "foreign", "{\"tokens\":7}", NULL },
  { "no-usage", "{\"choices\":[],\"usage\":null}", NULL },
  { "array", "[1]", NULL },
  { "number", "1", NULL },
  { "null", "null", NULL },
  { "negative", "{\"prompt_tokens\":-1}", NULL },
  { "string", "{\"prompt_tokens\":\"1\"}", NULL },
  { "boolean", "{\"prompt_tokens\":true}", NULL },
  { "fraction", "{\"prompt_tokens\":1.5}", NULL },
  { "huge", "{\"prompt_tokens\":1e300}", NULL },
  { "nested-object", "{\"prompt_tokens\":{\"a\":1}}", NULL },
  { "negative-detail", "{\"prompt_tokens\":1,\"prompt_tokens_details\":{\"cached_tokens\":-1}}",
    NULL },
  { "negative-cost", "{\"total_cost\":-1}", NULL },
  { "string-cost", "{\"total_cost\":\"1\"}", NULL },
  { "overflow", "{\"input_tokens\":9223372036854775807,\"cache_read_input_tokens\":1}", NULL },
  { "overflow-google", "{\"candidatesTokenCount\":9223372036854775807,\"thoughtsTokenCount\":1}",
    NULL },
};

static void
test_from_json (gconstpointer data)
{
  const JsonRow *row = data;
  g_autoptr (JsonNode) json = run_json (row->json);
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsUsage) usage = lsobs_usage_new_from_json (json, &error);

  if (row->expected == NULL)
    {
      assert_refused (usage != NULL, &error);
      return;
    }
  g_assert_no_error (error);
  assert_usage (usage, row->expected);
}

/* What JSON text cannot hold, a tree can. */
static void
test_from_odd_nodes (void)
{
  g_autoptr (JsonNode) empty = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (JsonNode) json = run_json ("{}");
  JsonObject *object = json_node_get_object (json);
  g_autoptr (GError) error = NULL;

  assert_refused (lsobs_usage_new_from_json (empty, &error) != NULL, &error);
  json_object_set_member (object, "usage", json_node_new (JSON_NODE_OBJECT));
  assert_refused (lsobs_usage_new_from_json (json, &error) != NULL, &error);
  json_object_set_double_member (object, "prompt_tokens", NAN);
  assert_refused (lsobs_usage_new_from_json (json, &error) != NULL, &error);
  json_object_set_double_member (object, "prompt_tokens", INFINITY);
  assert_refused (lsobs_usage_new_from_json (json, &error) != NULL, &error);
  json_object_set_int_member (object, "prompt_tokens", 1);
  json_object_set_double_member (object, "total_cost", NAN);
  assert_refused (lsobs_usage_new_from_json (json, &error) != NULL, &error);
  json_object_set_member (object, "prompt_tokens_details", json_node_new (JSON_NODE_OBJECT));
  assert_refused (lsobs_usage_new_from_json (json, &error) != NULL, &error);
}

/* --- samples of providers --- */

/* Each member that is named must be as given; null stands for a member that is missing. */
static void
assert_members (JsonObject *object, JsonObject *expected, const char *sample)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init (&iter, expected);
  while (json_object_iter_next (&iter, &name, &node))
    {
      JsonNode *member = object != NULL ? json_object_get_member (object, name) : NULL;

      if (JSON_NODE_HOLDS_NULL (node))
        {
          if (member != NULL)
            g_error ("%s: there is a %s", sample, name);
        }
      else if (member == NULL)
        g_error ("%s: there is no %s", sample, name);
      else if (JSON_NODE_HOLDS_OBJECT (node))
        assert_members (json_node_get_object (member), json_node_get_object (node), sample);
      else if (!json_node_equal (member, node))
        {
          g_autofree char *text = json_to_string (member, FALSE);
          g_autofree char *right = json_to_string (node, FALSE);

          g_error ("%s: %s is %s instead of %s", sample, name, text, right);
        }
    }
}

/* The samples are in tests/data/usage.json. */
static void
test_samples (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GBytes) text = test_data_load ("usage.json");
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonArray *samples;

  g_assert_true (json_parser_load_from_data (parser, g_bytes_get_data (text, NULL),
                                             (gssize) g_bytes_get_size (text), NULL));
  samples = json_node_get_array (json_parser_get_root (parser));
  for (guint i = 0; i < json_array_get_length (samples); i++)
    {
      JsonObject *sample = json_array_get_object_element (samples, i);
      const char *name = json_object_get_string_member (sample, "name");
      JsonNode *response = json_object_get_member (sample, "response");
      JsonNode *expected = json_object_get_member (sample, "expected");
      g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
      g_autoptr (LsobsUsage) usage = lsobs_usage_new_from_json (response, NULL);
      g_autoptr (JsonNode) json = NULL;

      if ((usage == NULL) != JSON_NODE_HOLDS_NULL (expected))
        g_error ("%s: there is %s usage", name, usage != NULL ? "a" : "no");
      g_assert_cmpint (lsobs_run_set_usage_from_response (run, response), ==, usage != NULL);
      lsobs_run_end (run, NULL);
      if (usage == NULL)
        continue;
      json = lsobs_usage_to_json (usage);
      assert_members (json_node_get_object (json), json_node_get_object (expected), name);
    }
}

static void
test_response (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  g_autoptr (JsonNode) response =
      run_json ("{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}");
  g_autoptr (JsonNode) piece = run_json ("{\"choices\":[],\"usage\":null}");

  g_assert_false (lsobs_run_set_usage_from_response (run, NULL));
  g_assert_true (lsobs_run_set_usage_from_response (run, response));
  g_assert_false (lsobs_run_set_usage_from_response (run, piece));
  run_assert_member (run_fixture_finish (fixture, run), "extra.metadata.usage_metadata",
                     "{\"input_tokens\":1,\"output_tokens\":2,\"total_tokens\":3}");
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("Tokens and costs, set by hand or read from what providers answer.");

  g_test_add_func ("/usage/empty", test_empty);
  g_test_add_func ("/usage/full", test_full);
  g_test_add_func ("/usage/totals", test_totals);
  g_test_add_func ("/usage/refused", test_refused);
  g_test_add_func ("/usage/costs", test_costs);
  g_test_add_func ("/usage/boxed", test_boxed);
  for (guint i = 0; i < G_N_ELEMENTS (json_rows); i++)
    {
      g_autofree char *path = g_strdup_printf ("/usage/json/%s", json_rows[i].name);

      g_test_add_data_func (path, &json_rows[i], test_from_json);
    }
  g_test_add_func ("/usage/json/odd-nodes", test_from_odd_nodes);
  run_fixture_add_started ("/usage/samples", test_samples);
  run_fixture_add_started ("/usage/response", test_response);
  return g_test_run ();
}
