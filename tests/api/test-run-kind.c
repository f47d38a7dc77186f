/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include "tests/lib/run-helpers.h"

/* What a run is and how it ends: kinds, errors, the first token, manifests, examples. */

#define EXAMPLE "0b3c5d7e-1f2a-4b6c-8d9e-0a1b2c3d4e5f"

static LsobsRun *
start (RunFixture *fixture, LsobsRunType run_type)
{
  return lsobs_observer_start_run (fixture->observer, "run", run_type, NULL);
}

/* --- kinds --- */

static void
test_types (void)
{
  static const char *const words[] = { "chain",     "llm",    "tool",  "retriever",
                                       "embedding", "prompt", "parser" };
  static const char *const others[] = {
    "agent", "graph", "node", "", "llms", "ll", "\xff", "chain "
  };
  gboolean known = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      g_autofree char *upper = g_ascii_strup (words[i], -1);

      g_assert_cmpint (lsobs_run_type_from_string (words[i], &known), ==, (int) i);
      g_assert_true (known);
      g_assert_cmpint (lsobs_run_type_from_string (upper, NULL), ==, (int) i);
      g_assert_cmpstr (lsobs_run_type_to_string ((LsobsRunType) i), ==, words[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      known = TRUE;
      g_assert_cmpint (lsobs_run_type_from_string (others[i], &known), ==, LSOBS_RUN_TYPE_CHAIN);
      g_assert_false (known);
    }
}

static void
test_kind (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) inputs = run_json ("{\"a\":1}");
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run_of_kind (fixture->observer, "run", "agent", inputs);
  g_autoptr (LsobsRun) known = lsobs_run_start_child_of_kind (run, "known", "Retriever", inputs);
  g_autoptr (LsobsRun) child = lsobs_run_start_child_of_kind (run, "child",
                                                              "no\xff"
                                                              "de",
                                                              NULL);
  g_autoptr (LsobsRun) unnamed = lsobs_run_start_child_of_kind (run, "unnamed", "", NULL);
  WireRun *sent;

  g_assert_cmpint (lsobs_run_get_run_type (known), ==, LSOBS_RUN_TYPE_RETRIEVER);
  run_fixture_flush (fixture);
  /* The create tells it already. */
  run_assert_member (run_fixture_find (fixture, "run"), "extra.metadata",
                     "{\"ls_run_kind\":\"agent\"}");
  sent = run_fixture_finish (fixture, run);
  run_assert_member (sent, "run_type", "\"chain\"");
  run_assert_member (sent, "inputs", "{\"a\":1}");
  run_assert_member (sent, "extra.metadata", "{\"ls_run_kind\":\"agent\"}");
  sent = run_fixture_finish (fixture, known);
  run_assert_member (sent, "run_type", "\"retriever\"");
  run_assert_member (sent, "inputs", "{\"a\":1}");
  run_assert_member (sent, "extra.metadata", NULL);
  sent = run_fixture_finish (fixture, child);
  run_assert_member (sent, "run_type", "\"chain\"");
  run_assert_member (sent, "extra.metadata",
                     "{\"ls_run_kind\":\"no\xef\xbf\xbd"
                     "de\"}");
  sent = run_fixture_finish (fixture, unnamed);
  run_assert_member (sent, "extra.metadata", NULL);
}

/* --- errors --- */

static void
test_cause (RunFixture *fixture, gconstpointer data)
{
  gboolean sent_before = GPOINTER_TO_INT (data);
  g_autoptr (GError) error =
      g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED, "refused");
  g_autoptr (LsobsRun) run = start (fixture, LSOBS_RUN_TYPE_TOOL);
  WireRun *sent;

  lsobs_run_set_thread_id (run, "t-1");
  if (sent_before)
    run_fixture_flush (fixture);
  lsobs_run_fail (run, error);
  lsobs_run_fail (run, error);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_LATE_UPDATES), ==, 1);
  run_fixture_flush (fixture);
  sent = run_fixture_find (fixture, "run");
  run_assert_member (sent, "error", "\"refused\"");
  run_assert_member (
      sent, "extra.metadata",
      "{\"thread_id\":\"t-1\",\"error_domain\":\"g-io-error-quark\",\"error_code\":39}");
}

static void
test_cause_of_own (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = g_error_new_literal (LSOBS_ERROR, LSOBS_ERROR_REJECTED, "no");
  g_autoptr (LsobsRun) run = start (fixture, LSOBS_RUN_TYPE_TOOL);

  lsobs_run_set_metadata_string (run, "error_code", "E42");
  lsobs_run_fail (run, error);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "extra.metadata",
                     "{\"error_code\":\"E42\"}");
}

/* Exceptions of other languages have no domain, but outputs like any failure. */
static void
test_exception (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error =
      g_error_new_literal (g_quark_from_static_string ("lsobs-exception"), 0, "ValueError: no");
  g_autoptr (LsobsRun) run = start (fixture, LSOBS_RUN_TYPE_TOOL);
  g_autoptr (JsonNode) outputs = json_from_string ("{\"so\":\"far\"}", NULL);
  WireRun *sent;

  lsobs_run_fail_with_outputs (run, error, outputs);
  run_fixture_flush (fixture);
  sent = run_fixture_find (fixture, "run");
  run_assert_member (sent, "error", "\"ValueError: no\"");
  run_assert_member (sent, "outputs", "{\"so\":\"far\"}");
  run_assert_member (sent, "extra.metadata", NULL);
}

/* A failure without a word is one all the same. */
static void
test_empty_error (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, LSOBS_RUN_TYPE_TOOL);

  lsobs_run_fail_with_message (run, "");
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "error", "\"Unknown error\"");
  g_assert_cmpint (lsobs_run_get_status (run), ==, LSOBS_RUN_STATUS_FAILED);
}

static void
test_no_error (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, LSOBS_RUN_TYPE_TOOL);

  run_assert_member (run_fixture_finish (fixture, run), "error", NULL);
}

/* --- events --- */

static JsonObject *
get_event (WireRun *sent, guint number)
{
  return json_array_get_object_element (json_object_get_array_member (sent->run, "events"), number);
}

/* A model streams: what counts is when it began. */
static void
test_first_token (RunFixture *fixture, gconstpointer data)
{
  gboolean sent_between = GPOINTER_TO_INT (data);
  g_autoptr (LsobsRun) run = start (fixture, LSOBS_RUN_TYPE_LLM);
  g_autoptr (JsonNode) details =
      run_json ("{\"kwargs\":{\"token\":\"telltale\"},\"token\":\"telltale\"}");
  WireRun *sent;

  lsobs_run_add_event (run, "start", details);
  for (guint i = 0; i < 3000; i++)
    {
      lsobs_run_add_event (run, "new_token", details);
      if (sent_between && i == 1000)
        run_fixture_flush (fixture);
    }
  lsobs_run_add_event (run, "new_tokens", NULL);
  sent = run_fixture_finish (fixture, run);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (sent->run, "events")), ==,
                    3);
  g_assert_cmpstr (json_object_get_string_member (get_event (sent, 1), "name"), ==, "new_token");
  g_assert_cmpuint (json_object_get_size (get_event (sent, 1)), ==, 2);
  g_assert_true (json_object_has_member (get_event (sent, 0), "kwargs"));
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, 0);
}

static void
test_text_event (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, LSOBS_RUN_TYPE_LLM);
  WireRun *sent;
  JsonObject *event;

  lsobs_run_add_text_event (run, "half-way \"there\"\n");
  lsobs_run_add_text_event (run, "\xff");
  lsobs_run_add_text_event (run, "");
  sent = run_fixture_finish (fixture, run);
  event = get_event (sent, 0);
  g_assert_cmpuint (json_object_get_size (event), ==, 3);
  g_assert_cmpstr (json_object_get_string_member (event, "name"), ==, "event");
  g_assert_cmpstr (json_object_get_string_member (event, "message"), ==, "half-way \"there\"\n");
  g_assert_cmpint (wire_parse_time (json_object_get_member (event, "time"), WIRE_STRICT), >=,
                   sent->start_us);
  g_assert_cmpstr (json_object_get_string_member (get_event (sent, 1), "message"), ==,
                   "\xef\xbf\xbd");
  g_assert_cmpstr (json_object_get_string_member (get_event (sent, 2), "message"), ==, "");
}

/* --- serialized --- */

static void
set_serialized (LsobsRun *run, const char *json)
{
  g_autoptr (JsonNode) node = run_json (json);

  lsobs_run_set_serialized (run, node);
}

typedef struct
{
  const char *name;
  LsobsRunType run_type;
  const char *serialized;
  const char *expected; /* (nullable) */
  guint n_dropped;
} SerializedRow;

static const SerializedRow serialized_rows[] = {
  { "llm", LSOBS_RUN_TYPE_LLM, "{\"lc\":1,\"id\":[\"ChatOpenAI\"]}",
    "{\"lc\":1,\"id\":[\"ChatOpenAI\"]}", 0 },
  { "prompt", LSOBS_RUN_TYPE_PROMPT, "{\"lc\":1}", "{\"lc\":1}", 0 },
  { "graph", LSOBS_RUN_TYPE_LLM, "{\"graph\":{\"nodes\":[]},\"lc\":1,\"kwargs\":{\"graph\":2}}",
    "{\"lc\":1,\"kwargs\":{\"graph\":2}}", 0 },
  { "graph-only", LSOBS_RUN_TYPE_LLM, "{\"graph\":1}", "{}", 0 },
  { "graph-last", LSOBS_RUN_TYPE_LLM, "{\"a\":1,\"graph\":1}", "{\"a\":1}", 0 },
  { "empty", LSOBS_RUN_TYPE_LLM, "{}", "{}", 0 },
  { "chain", LSOBS_RUN_TYPE_CHAIN, "{\"lc\":1}", NULL, 1 },
  { "tool", LSOBS_RUN_TYPE_TOOL, "{\"lc\":1}", NULL, 1 },
  { "array", LSOBS_RUN_TYPE_LLM, "[1]", NULL, 1 },
  { "null", LSOBS_RUN_TYPE_LLM, "null", NULL, 1 },
};

static void
test_serialized (RunFixture *fixture, gconstpointer data)
{
  const SerializedRow *row = data;
  g_autoptr (LsobsRun) run = start (fixture, row->run_type);

  set_serialized (run, row->serialized);
  run_assert_member (run_fixture_finish (fixture, run), "serialized", row->expected);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, row->n_dropped);
}

/* It goes with the create, and never with an update. */
static void
test_serialized_early (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, LSOBS_RUN_TYPE_LLM);
  g_autofree char *id = lsobs_run_dup_id (run);
  g_autoptr (JsonObject) post = NULL;
  g_autoptr (JsonObject) patch = NULL;

  set_serialized (run, "{\"old\":1}");
  set_serialized (run, "{\"new\":2}");
  run_fixture_flush (fixture);
  lsobs_run_end (run, NULL);
  run_assert_member (run_fixture_finish (fixture, run), "serialized", "{\"new\":2}");
  post = run_dup_operation (fixture->server, "post", id);
  patch = run_dup_operation (fixture->server, "patch", id);
  g_assert_true (json_object_has_member (post, "serialized"));
  g_assert_false (json_object_has_member (patch, "serialized"));
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, 0);
}

static void
test_serialized_late (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, LSOBS_RUN_TYPE_LLM);

  run_fixture_flush (fixture);
  set_serialized (run, "{\"late\":1}");
  run_assert_member (run_fixture_finish (fixture, run), "serialized", NULL);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, 1);
}

static void
test_serialized_bounded (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, LSOBS_RUN_TYPE_LLM);
  g_autofree char *large = g_strnfill (3 * 1024 * 1024, 'x');
  g_autofree char *json = g_strdup_printf ("{\"a\":\"%s\"}", large);
  g_autofree char *twice = g_strdup_printf ("{\"a\":\"%s\",\"b\":\"%s\"}", large, large);

  set_serialized (run, "{\"small\":1}");
  set_serialized (run, twice);
  lsobs_run_set_metadata_string (run, "large", large);
  set_serialized (run, json);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, 2);
  run_assert_member (run_fixture_finish (fixture, run), "serialized", "{\"small\":1}");
}

static void
test_serialized_hidden (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;

  g_object_set (fixture->config, (const char *) data, TRUE, NULL);
  run_fixture_start (fixture);
  run = start (fixture, LSOBS_RUN_TYPE_PROMPT);
  set_serialized (run, "{\"template\":\"telltale\"}");
  run_assert_member (run_fixture_finish (fixture, run), "serialized", NULL);
}

static void
test_serialized_redacted (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;

  lsobs_config_set_redact_regex (fixture->config, "telltale");
  run_fixture_start (fixture);
  run = start (fixture, LSOBS_RUN_TYPE_PROMPT);
  set_serialized (run, "{\"kwargs\":{\"template\":\"a telltale\"}}");
  run_assert_member (run_fixture_finish (fixture, run), "serialized",
                     "{\"kwargs\":{\"template\":\"a [REDACTED]\"}}");
}

/* @user_data: what it becomes */
static JsonNode *
redact_cb (const char *field, JsonNode *value, gpointer user_data)
{
  return g_str_equal (field, "serialized") ? run_json (user_data) : json_node_ref (value);
}

static void
test_serialized_redact_func (RunFixture *fixture, gconstpointer data)
{
  gboolean dropped = data == NULL;
  g_autoptr (LsobsRun) run = NULL;

  lsobs_config_set_redact_func (fixture->config, redact_cb, (gpointer) (dropped ? "[1]" : data),
                                NULL);
  run_fixture_start (fixture);
  run = start (fixture, LSOBS_RUN_TYPE_PROMPT);
  set_serialized (run, "{\"template\":\"telltale\"}");
  run_assert_member (run_fixture_finish (fixture, run), "serialized",
                     dropped ? "{\"lsobs_error\":\"Redaction failed; serialized dropped\"}" : data);
}

/* --- examples --- */

static void
test_example (RunFixture *fixture, gconstpointer data)
{
  gboolean sent_before = GPOINTER_TO_INT (data);
  g_autoptr (LsobsRun) run = start (fixture, LSOBS_RUN_TYPE_CHAIN);
  g_autoptr (LsobsRun) child = NULL;
  g_autofree char *upper = g_ascii_strup (EXAMPLE, -1);
  g_autoptr (GError) error = NULL;

  if (sent_before)
    run_fixture_flush (fixture);
  g_assert_true (lsobs_run_set_reference_example_id (run, upper, &error));
  g_assert_no_error (error);
  child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_CHAIN, NULL);
  run_assert_member (run_fixture_finish (fixture, run), "reference_example_id", "\"" EXAMPLE "\"");
  run_assert_member (run_fixture_finish (fixture, child), "reference_example_id", NULL);
  /* Too late, but right. */
  g_assert_true (lsobs_run_set_reference_example_id (run, EXAMPLE, &error));
}

static void
test_bad_example (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const ids[] = { "",
                                     "x",
                                     EXAMPLE "0",
                                     "0b3c5d7e1f2a4b6c8d9e0a1b2c3d4e5f",
                                     "0b3c5d7e-1f2a-4b6c-8d9e-0a1b2c3d4e5g",
                                     "\xff" };
  g_autoptr (LsobsRun) run = start (fixture, LSOBS_RUN_TYPE_CHAIN);

  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (lsobs_run_set_reference_example_id (run, ids[i], &error));
      g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_VALUE);
    }
  run_assert_member (run_fixture_finish (fixture, run), "reference_example_id", NULL);
}

/* A program's own tests see all of it. */
static void
test_memory (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, "p");
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GPtrArray) events = NULL;
  LsobsRunEvent *event;

  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  observer = lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), NULL);
  run = lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_LLM, NULL);
  set_serialized (run, "{\"lc\":1}");
  g_assert_true (lsobs_run_set_reference_example_id (run, EXAMPLE, NULL));
  lsobs_run_end (run, NULL);
  g_assert_true (lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, NULL));
  events = lsobs_memory_transport_dup_events (transport);
  g_assert_cmpuint (events->len, ==, 1);
  event = events->pdata[0];
  g_assert_true (JSON_NODE_HOLDS_OBJECT (lsobs_run_event_get_serialized (event)));
  g_assert_cmpstr (lsobs_run_event_get_reference_example_id (event), ==, EXAMPLE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("Kinds, errors, first tokens, manifests and examples of runs.");

  g_test_add_func ("/run-kind/types", test_types);
  run_fixture_add_started ("/run-kind/kind", test_kind);
  run_fixture_add_both ("/run-kind/cause", test_cause);
  run_fixture_add_started ("/run-kind/cause-of-own", test_cause_of_own);
  run_fixture_add_started ("/run-kind/exception", test_exception);
  run_fixture_add_started ("/run-kind/empty-error", test_empty_error);
  run_fixture_add_started ("/run-kind/no-error", test_no_error);
  run_fixture_add_both ("/run-kind/first-token", test_first_token);
  run_fixture_add_started ("/run-kind/text-event", test_text_event);
  for (guint i = 0; i < G_N_ELEMENTS (serialized_rows); i++)
    {
      g_autofree char *path = g_strdup_printf ("/run-kind/serialized/%s", serialized_rows[i].name);

      g_test_add (path, RunFixture, &serialized_rows[i], run_fixture_set_up_started,
                  test_serialized, run_fixture_tear_down);
    }
  run_fixture_add_started ("/run-kind/serialized/early", test_serialized_early);
  run_fixture_add_started ("/run-kind/serialized/late", test_serialized_late);
  run_fixture_add_started ("/run-kind/serialized/bounded", test_serialized_bounded);
  g_test_add ("/run-kind/serialized/hide-inputs", RunFixture, "hide-inputs", run_fixture_set_up,
              test_serialized_hidden, run_fixture_tear_down);
  g_test_add ("/run-kind/serialized/hide-metadata", RunFixture, "hide-metadata", run_fixture_set_up,
              test_serialized_hidden, run_fixture_tear_down);
  g_test_add ("/run-kind/serialized/redacted", RunFixture, NULL, run_fixture_set_up,
              test_serialized_redacted, run_fixture_tear_down);
  g_test_add ("/run-kind/serialized/redact-func", RunFixture, "{\"a\":1}", run_fixture_set_up,
              test_serialized_redact_func, run_fixture_tear_down);
  g_test_add ("/run-kind/serialized/redact-func-dropped", RunFixture, NULL, run_fixture_set_up,
              test_serialized_redact_func, run_fixture_tear_down);
  run_fixture_add_both ("/run-kind/example", test_example);
  run_fixture_add_started ("/run-kind/bad-example", test_bad_example);
  g_test_add_func ("/run-kind/memory", test_memory);
  return g_test_run ();
}
