/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Nodes that hold nothing, or what is no JSON, wherever a program or its redact function can give
 * them; and payloads, attachments and texts of no bytes. */

#include "config.h"

#include <math.h>
#include <string.h>

#include "tests/lib/test-helpers.h"

#define ID "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"

typedef struct
{
  LsobsConfig *config;
  LsobsMemoryTransport *transport;
  LsobsObserver *observer;  /* (nullable) */
  LsobsExporter *exporter;  /* (nullable) that of the observer */
  JsonNode *(*make) (void); /* (nullable) what the redact function returns */
  const char *field;        /* (nullable) for which field alone */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fixture->config = lsobs_config_new (NULL, TEST_PROJECT);
  lsobs_config_set_flush_interval (fixture->config, TEST_NEVER_MS);
  fixture->transport = lsobs_memory_transport_new ();
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  if (fixture->exporter != NULL)
    test_assert_books (fixture->exporter);
  g_clear_object (&fixture->exporter);
  g_clear_object (&fixture->observer);
  g_object_unref (fixture->transport);
  g_object_unref (fixture->config);
}

static void
start (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  fixture->observer =
      lsobs_observer_new_with_transport (fixture->config, LSOBS_TRANSPORT (fixture->transport),
                                         &error);
  g_assert_no_error (error);
  fixture->exporter = g_object_ref (lsobs_observer_get_exporter (fixture->observer));
}

/* (transfer full): the last record of all that are delivered */
static LsobsRunEvent *
flush (Fixture *fixture)
{
  g_autoptr (GPtrArray) events = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, &error));
  g_assert_no_error (error);
  events = lsobs_memory_transport_dup_events (fixture->transport);
  g_assert_cmpuint (events->len, >, 0);
  return lsobs_run_event_ref (g_ptr_array_index (events, events->len - 1));
}

static guint64
get_failures (Fixture *fixture)
{
  return test_get_counter (fixture->exporter, LSOBS_COUNTER_REDACTION_FAILURES);
}

static void
assert_json (JsonNode *node, const char *expected)
{
  g_autofree char *text = json_to_string (node, FALSE);

  g_assert_cmpstr (text, ==, expected);
}

/* --- nodes --------------------------------------------------------------------------------- */

static JsonNode *
make_alloc (void)
{
  return json_node_alloc ();
}

static JsonNode *
make_object (void)
{
  return json_node_new (JSON_NODE_OBJECT);
}

static JsonNode *
make_array (void)
{
  return json_node_new (JSON_NODE_ARRAY);
}

static JsonNode *
make_value (void)
{
  return json_node_new (JSON_NODE_VALUE);
}

static JsonNode *
make_string (void)
{
  return json_node_init_string (json_node_alloc (), NULL);
}

static JsonNode *
make_nan (void)
{
  return json_node_init_double (json_node_alloc (), (double) NAN);
}

static JsonNode *
make_infinity (void)
{
  return json_node_init_double (json_node_alloc (), -(double) INFINITY);
}

static JsonNode *
make_number (void)
{
  return json_node_init_int (json_node_alloc (), 7);
}

/* With all of the above in it, and with what holds itself. */
static JsonNode *
make_nested_array (void)
{
  JsonArray *array = json_array_new ();
  JsonNode *node = json_node_init_array (json_node_alloc (), array);

  json_array_add_element (array, make_object ());
  json_array_add_element (array, make_array ());
  json_array_add_element (array, make_value ());
  json_array_add_element (array, make_string ());
  json_array_add_element (array, make_nan ());
  json_array_unref (array);
  return node;
}

static JsonNode *
make_nested_object (void)
{
  JsonObject *object = json_object_new ();
  JsonNode *node = json_node_init_object (json_node_alloc (), object);

  json_object_set_member (object, "name", make_string ());
  json_object_set_member (object, "time", make_value ());
  json_object_set_member (object, "a", make_object ());
  json_object_set_member (object, "b", make_nested_array ());
  json_object_set_member (object, "metadata", make_array ());
  json_object_unref (object);
  return node;
}

static JsonNode *
make_array_of_objects (void)
{
  JsonArray *array = json_array_new ();
  JsonNode *node = json_node_init_array (json_node_alloc (), array);

  json_array_add_element (array, make_nested_object ());
  json_array_add_element (array, make_object ());
  json_array_unref (array);
  return node;
}

typedef struct
{
  const char *name;
  JsonNode *(*make) (void);
  gboolean hollow;    /* there is nothing in it */
  const char *inputs; /* what inputs become */
} Row;

#define DROPPED "{\"lsobs_error\":\"Redaction failed; inputs dropped\"}"

static const Row rows[] = {
  { "alloc", make_alloc, TRUE, DROPPED },
  { "object", make_object, TRUE, DROPPED },
  { "array", make_array, TRUE, DROPPED },
  { "value", make_value, TRUE, DROPPED },
  { "string", make_string, TRUE, DROPPED },
  { "nan", make_nan, FALSE, "{\"value\":null}" },
  { "infinity", make_infinity, FALSE, "{\"value\":null}" },
  { "nested-array", make_nested_array, FALSE, "{\"value\":[null,null,null,null,null]}" },
  { "nested-object", make_nested_object, FALSE,
    "{\"name\":null,\"time\":null,\"a\":null,\"b\":[null,null,null,null,null],"
    "\"metadata\":null}" },
  { "array-of-objects", make_array_of_objects, FALSE,
    "{\"value\":[{\"name\":null,\"time\":null,\"a\":null,\"b\":[null,null,null,null,null],"
    "\"metadata\":null},null]}" },
};

/* --- of the redact function ---------------------------------------------------------------- */

static JsonNode *
redact_cb (const char *field, JsonNode *value, gpointer user_data)
{
  Fixture *fixture = user_data;

  return fixture->field == NULL || strcmp (field, fixture->field) == 0 ? fixture->make ()
                                                                       : json_node_ref (value);
}

static LsobsRun *
begin_run (Fixture *fixture)
{
  g_autoptr (JsonNode) inputs = test_new_payload ("a question");
  g_autoptr (JsonNode) extra = test_new_payload ("more");
  LsobsRun *run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_LLM, inputs);

  lsobs_run_propagate_metadata (run, "thread_id");
  lsobs_run_propagate_tags (run);
  lsobs_run_set_metadata_string (run, "thread_id", "t-77");
  lsobs_run_add_tag (run, "first");
  lsobs_run_add_event (run, "retry", extra);
  lsobs_run_set_extra (run, "more", extra);
  lsobs_run_set_serialized (run, extra);
  return run;
}

static void
start_with_func (Fixture *fixture, const Row *row, const char *field)
{
  fixture->make = row->make;
  fixture->field = field;
  lsobs_config_set_redact_func (fixture->config, redact_cb, fixture, NULL);
  start (fixture);
}

/* In the headers, and in all fields of a run at once. */
static void
test_result (Fixture *fixture, gconstpointer data)
{
  const Row *row = data;
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GHashTable) headers = NULL;
  g_autoptr (LsobsRunEvent) event = NULL;

  start_with_func (fixture, row, NULL);
  run = begin_run (fixture);
  headers = lsobs_run_to_headers (run);
  g_assert_nonnull (g_hash_table_lookup (headers, "langsmith-trace"));
  g_assert_null (strstr (g_hash_table_lookup (headers, "baggage"), "langsmith-tags"));
  /* the metadata, and the tags */
  g_assert_cmpuint (get_failures (fixture), >=, 2);
  lsobs_run_fail_with_message (run, "an error");
  event = flush (fixture);

  /* inputs, metadata, extra, serialized, error, tags, events */
  g_assert_cmpuint (get_failures (fixture), >=, 9);
  assert_json (lsobs_run_event_get_inputs (event), row->inputs);
  g_assert_cmpstr (lsobs_run_event_get_error_text (event), ==,
                   "lsobs_error: Redaction failed; error dropped");
  g_assert_cmpstr (lsobs_run_event_get_tags (event)[0], ==,
                   "lsobs_error: Redaction failed; tags dropped");
}

/* Each field counts once, and the others are as they were. */
static void
test_counted (Fixture *fixture, gconstpointer data)
{
  static const char *const fields[] = { "inputs", "metadata", "extra", "serialized",
                                        "error",  "tags",     "events" };
  const Row *row = data;

  start_with_func (fixture, row, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    {
      g_autoptr (LsobsRun) run = begin_run (fixture);
      g_autoptr (LsobsRunEvent) event = NULL;

      fixture->field = fields[i];
      lsobs_run_fail_with_message (run, "an error");
      event = flush (fixture);
      g_assert_cmpuint (get_failures (fixture), ==, i + 1);
      if (i > 0)
        assert_json (lsobs_run_event_get_inputs (event), "{\"text\":\"a question\"}");
    }
}

static void
test_feedback (Fixture *fixture, gconstpointer data)
{
  const Row *row = data;
  g_autoptr (LsobsFeedback) feedback = lsobs_feedback_new (ID, ID, "correct");
  g_autoptr (JsonNode) payload = test_new_payload ("why");
  g_autoptr (JsonNode) config = json_from_string ("{\"type\":\"freeform\"}", NULL);
  g_autoptr (LsobsRunEvent) event = NULL;
  g_autoptr (GError) error = NULL;

  start_with_func (fixture, row, NULL);
  lsobs_feedback_set_value (feedback, payload);
  lsobs_feedback_set_comment (feedback, "a comment");
  lsobs_feedback_set_correction (feedback, payload);
  lsobs_feedback_set_extra (feedback, payload);
  lsobs_feedback_set_config (feedback, config);
  lsobs_observer_add_feedback (fixture->observer, feedback, &error);
  g_assert_no_error (error);
  event = flush (fixture);
  g_assert_cmpuint (get_failures (fixture), ==, 5);
  g_assert_nonnull (lsobs_run_event_get_feedback (event));
}

/* --- of the program ------------------------------------------------------------------------ */

/* What holds nothing is null, or is not taken; nothing crashes or complains. */
static void
test_given (Fixture *fixture, gconstpointer data)
{
  const Row *row = data;
  g_autoptr (JsonNode) odd = row->make ();
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (LsobsRun) child = NULL;
  g_autoptr (GHashTable) headers = NULL;
  g_autoptr (LsobsRunEvent) event = NULL;

  start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_LLM, odd);
  child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_TOOL, odd);
  lsobs_run_propagate_metadata (run, "odd");
  lsobs_run_set_metadata (run, "odd", odd);
  lsobs_run_set_extra (run, "odd", odd);
  lsobs_run_set_extra (run, "runtime", odd);
  lsobs_run_set_extra (run, "metadata", odd);
  lsobs_run_add_event (run, "odd", odd);
  lsobs_run_set_serialized (run, odd);
  lsobs_run_set_invocation_params (run, odd);
  headers = lsobs_run_to_headers (run);
  g_assert_nonnull (headers);
  lsobs_run_end (child, odd);
  lsobs_run_end (run, odd);
  event = flush (fixture);
  g_assert_nonnull (lsobs_run_event_get_outputs (event));
}

/* The parameters of a model, of which some are known by name. */
static void
test_params (Fixture *fixture, gconstpointer data)
{
  static const char *const names[] = { "temperature", "max_tokens", "stop", "other", "api_key" };
  const Row *row = data;
  g_autoptr (JsonNode) params = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (LsobsRunEvent) event = NULL;
  JsonArray *stop = json_array_new ();
  JsonObject *object = json_object_new ();

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    json_object_set_member (object, names[i], row->make ());
  json_array_add_element (stop, row->make ());
  json_object_set_array_member (object, "stop_sequences", stop);
  json_node_take_object (params, object);
  start (fixture);
  run = begin_run (fixture);
  lsobs_run_set_invocation_params (run, params);
  lsobs_run_end (run, NULL);
  event = flush (fixture);
  g_assert_nonnull (lsobs_run_event_get_extra (event));
}

static void
test_by_id (Fixture *fixture, gconstpointer data)
{
  const Row *row = data;
  g_autoptr (JsonNode) odd = row->make ();
  g_autoptr (LsobsRunEvent) run =
      lsobs_run_event_new_start (ID, NULL, "run", LSOBS_RUN_TYPE_CHAIN, odd);
  g_autoptr (LsobsRunEvent) update = lsobs_run_event_new_update (ID, odd, NULL);
  g_autoptr (LsobsRunEvent) event = NULL;
  g_autoptr (GError) error = NULL;

  lsobs_run_event_set_extra (run, odd);
  lsobs_run_event_set_metadata (run, "odd", odd);
  lsobs_run_event_set_events (run, odd);
  lsobs_run_event_set_serialized (run, odd);
  lsobs_run_event_set_events (update, odd);
  start (fixture);
  lsobs_exporter_enqueue (fixture->exporter, run, &error);
  g_assert_no_error (error);
  lsobs_exporter_enqueue (fixture->exporter, update, &error);
  g_assert_no_error (error);
  event = flush (fixture);
  g_assert_nonnull (event);
}

static void
test_feedback_given (Fixture *fixture, gconstpointer data)
{
  const Row *row = data;
  g_autoptr (JsonNode) odd = row->make ();
  g_autoptr (LsobsFeedback) feedback = lsobs_feedback_new (ID, ID, "correct");
  g_autoptr (GError) error = NULL;

  start (fixture);
  lsobs_feedback_set_value (feedback, odd);
  lsobs_feedback_set_correction (feedback, odd);
  lsobs_feedback_set_source (feedback, LSOBS_FEEDBACK_SOURCE_API, odd);
  lsobs_feedback_set_extra (feedback, odd);
  lsobs_feedback_set_config (feedback, odd);
  /* what cannot be feedback is refused */
  if (lsobs_observer_add_feedback (fixture->observer, feedback, &error))
    lsobs_run_event_unref (flush (fixture));
  else
    g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_FEEDBACK);
}

static void
test_tools (Fixture *fixture G_GNUC_UNUSED, gconstpointer data)
{
  const Row *row = data;
  g_autoptr (JsonNode) odd = row->make ();
  g_autoptr (GRegex) regex = g_regex_new ("a", 0, 0, NULL);
  g_autoptr (JsonNode) redacted = lsobs_json_redact (odd, regex);
  g_autoptr (JsonNode) truncated = lsobs_json_truncate (odd, 10);
  g_autoptr (JsonNode) object = lsobs_json_ensure_object (odd);
  g_autoptr (LsobsUsage) usage = lsobs_usage_new_from_json (odd, NULL);

  g_assert_nonnull (redacted);
  g_assert_nonnull (truncated);
  g_assert_nonnull (json_node_get_object (object));
  g_assert_null (usage);
}

/* --- nothing at all ------------------------------------------------------------------------ */

/* Bytes without an address, and text without a character, wherever they can be given. */
static void
test_empty (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GBytes) none = data != NULL ? g_bytes_new_static ("", 0) : g_bytes_new (NULL, 0);
  g_autoptr (JsonNode) text = json_node_init_string (json_node_alloc (), "");
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (LsobsRun) child = NULL;
  g_autoptr (LsobsRun) failed = NULL;
  g_autoptr (GHashTable) headers = NULL;
  g_autoptr (LsobsRunEvent) event = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) names = NULL;

  lsobs_config_set_redact_regex (fixture->config, "telltale");
  lsobs_config_add_redact_key (fixture->config, "secret");
  if (data != NULL)
    {
      fixture->make = make_number;
      fixture->field = "";
      lsobs_config_set_redact_func (fixture->config, redact_cb, fixture, NULL);
    }
  start (fixture);
  run = lsobs_observer_start_run_bytes (fixture->observer, "", LSOBS_RUN_TYPE_LLM, none);
  child = lsobs_run_start_child_bytes (run, "", LSOBS_RUN_TYPE_TOOL, none);
  failed = lsobs_run_start_child (run, "", LSOBS_RUN_TYPE_TOOL, text);
  lsobs_run_propagate_metadata (run, "");
  lsobs_run_propagate_tags (run);
  lsobs_run_add_tag (run, "");
  lsobs_run_set_metadata_string (run, "", "");
  lsobs_run_set_extra (run, "", text);
  lsobs_run_add_event (run, "", text);
  lsobs_run_add_text_event (run, "");
  lsobs_run_set_thread_id (run, "");
  lsobs_run_set_model (run, "", "");
  g_assert_true (lsobs_run_add_attachment (run, "empty", "", none, &error));
  g_assert_no_error (error);
  headers = lsobs_run_to_headers (run);
  g_assert_nonnull (headers);
  lsobs_run_fail_with_message (failed, "");
  lsobs_run_end_bytes (child, none);
  lsobs_run_end_bytes (run, none);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, &error));
  g_assert_no_error (error);
  {
    g_autoptr (GPtrArray) events = lsobs_memory_transport_dup_events (fixture->transport);

    event = lsobs_run_event_ref (g_ptr_array_index (events, 0));
  }
  /* a function sees no bytes as null */
  assert_json (lsobs_run_event_get_inputs (event), data != NULL ? "{\"value\":null}" : "{}");
  names = lsobs_run_event_dup_attachment_names (event);
  g_assert_cmpstr (names[0], ==, "empty");
  g_assert_cmpuint (g_bytes_get_size (lsobs_run_event_get_attachment (event, "empty", NULL)), ==,
                    0);
}

/* The same on its way through the client, compressed and not, in each mode. */
static void
test_empty_sent (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (GBytes) none = g_bytes_new (NULL, 0);
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GError) error = NULL;

  lsobs_config_set_ingest_mode (fixture->config, (LsobsIngestMode) GPOINTER_TO_INT (data));
  lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_GZIP);
  test_fixture_start (fixture);
  run = lsobs_observer_start_run_bytes (fixture->observer, "run", LSOBS_RUN_TYPE_LLM, none);
  g_assert_true (lsobs_run_add_attachment (run, "empty", NULL, none, &error));
  g_assert_no_error (error);
  lsobs_run_end_bytes (run, none);
  test_assert_flush (fixture->exporter, 1);
}

#define ADD(path, data, test) g_test_add (path, Fixture, data, set_up, test, tear_down)

static void
add_rows (const char *prefix, void (*test) (Fixture *fixture, gconstpointer data))
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_strconcat ("/odd-values/", prefix, "/", rows[i].name, NULL);

      ADD (path, &rows[i], test);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  add_rows ("redact-func", test_result);
  add_rows ("redact-func-counted", test_counted);
  add_rows ("redact-func-feedback", test_feedback);
  add_rows ("given", test_given);
  add_rows ("params", test_params);
  add_rows ("by-id", test_by_id);
  add_rows ("feedback", test_feedback_given);
  add_rows ("tools", test_tools);
  ADD ("/odd-values/empty/null", NULL, test_empty);
  ADD ("/odd-values/empty/static-with-func", "", test_empty);
  g_test_add ("/odd-values/empty/multipart", TestFixture,
              GINT_TO_POINTER (LSOBS_INGEST_MODE_MULTIPART), test_fixture_set_up, test_empty_sent,
              test_fixture_tear_down);
  g_test_add ("/odd-values/empty/batch", TestFixture, GINT_TO_POINTER (LSOBS_INGEST_MODE_BATCH),
              test_fixture_set_up, test_empty_sent, test_fixture_tear_down);
  g_test_add ("/odd-values/empty/runs", TestFixture, GINT_TO_POINTER (LSOBS_INGEST_MODE_RUNS),
              test_fixture_set_up, test_empty_sent, test_fixture_tear_down);

  return g_test_run ();
}
