/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include "lsobs/text/lsobs-json-writer-private.h"
#include "tests/lib/test-helpers.h"
#include "tests/lib/test-utils.h"

/* What is sent of a run whose every field holds a secret. */

typedef struct
{
  LsobsConfig *config;             /* (owned) */
  LsobsMemoryTransport *transport; /* (owned) */
  LsobsObserver *observer;         /* (owned) (nullable) */
  LsobsRunEvent *sent;             /* (owned) (nullable) */

  /* What the function of the program does and has seen. It is read when nothing is
   * on its way. */
  GHashTable *seen; /* (owned) (element-type utf8 utf8) */
  guint n_calls;
  guint n_notified;
  GThread *thread;
  const char *field;  /* the one that it changes, or NULL for all */
  const char *answer; /* in JSON; NULL drops; "same" keeps */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->config = lsobs_config_new (NULL, NULL);
  lsobs_config_set_flush_interval (fixture->config, 3600000);
  fixture->transport = lsobs_memory_transport_new ();
  fixture->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  fixture->answer = "same";
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_pointer (&fixture->sent, lsobs_run_event_unref);
  if (fixture->observer != NULL)
    {
      test_shut_down (lsobs_observer_get_exporter (fixture->observer), TEST_TIMEOUT_MS);
      g_assert_finalize_object (fixture->observer);
    }
  test_assert_finalizes (fixture->config);
  test_assert_finalizes (fixture->transport);
  g_hash_table_unref (fixture->seen);
}

static JsonNode *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  JsonNode *node = json_from_string (text, &error);

  g_assert_no_error (error);
  return node;
}

static char *
to_text (JsonNode *node)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  if (node == NULL)
    return NULL;
  g_assert_true (_lsobs_json_write_node (&out, node, G_MAXSIZE));
  return g_strndup (out.data, out.len);
}

static void
assert_node (JsonNode *node, const char *expected)
{
  g_autofree char *text = to_text (node);

  g_assert_cmpstr (text, ==, expected);
}

static void
start (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  fixture->observer =
      lsobs_observer_new_with_transport (fixture->config, LSOBS_TRANSPORT (fixture->transport),
                                         &error);
  g_assert_no_error (error);
}

static void
flush (Fixture *fixture)
{
  g_autoptr (GPtrArray) events = NULL;
  g_autoptr (GError) error = NULL;

  lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, NULL, &error);
  g_assert_no_error (error);
  events = lsobs_memory_transport_dup_events (fixture->transport);
  g_assert_cmpuint (events->len, >, 0);
  g_clear_pointer (&fixture->sent, lsobs_run_event_unref);
  fixture->sent = lsobs_run_event_ref (events->pdata[events->len - 1]);
}

/* A whole run, with the word in every field. */
static void
send_run (Fixture *fixture)
{
  g_autoptr (JsonNode) inputs = parse ("{\"in\":[\"telltale\",{\"key\":1}]}");
  g_autoptr (JsonNode) outputs = parse ("\"telltale\"");
  g_autoptr (JsonNode) details = parse ("{\"token\":\"telltale\",\"key\":[2]}");
  g_autoptr (LsobsRun) run = NULL;

  if (fixture->observer == NULL)
    start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "telltale run", LSOBS_RUN_TYPE_CHAIN, inputs);
  lsobs_run_add_tag (run, "telltale");
  lsobs_run_set_metadata_string (run, "meta", "telltale");
  lsobs_run_set_metadata_string (run, "key", "3");
  lsobs_run_add_event (run, "telltale event", details);
  lsobs_run_add_event (run, "second", NULL);
  lsobs_run_fail_with_message (run, "telltale error");
  lsobs_run_end (run, outputs);
  flush (fixture);
}

static JsonNode *
get_metadata (Fixture *fixture)
{
  return json_object_get_member (json_node_get_object (lsobs_run_event_get_extra (fixture->sent)),
                                 "metadata");
}

/* All but the times, which are checked to be there. */
static char *
dup_events (Fixture *fixture)
{
  g_autoptr (JsonNode) events = json_node_copy (lsobs_run_event_get_events (fixture->sent));
  JsonArray *array = json_node_get_array (events);

  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonObject *event = json_array_get_object_element (array, i);
      const char *time = json_object_get_string_member (event, "time");

      g_assert_true (g_str_has_suffix (time, "Z"));
      g_assert_cmpuint (strlen (time), ==, 27);
      json_object_remove_member (event, "time");
    }
  return to_text (events);
}

static void
assert_sent (Fixture *fixture,
             const char *inputs,
             const char *metadata,
             const char *tag,
             const char *events,
             const char *error)
{
  g_autofree char *sent_events = dup_events (fixture);

  assert_node (lsobs_run_event_get_inputs (fixture->sent), inputs);
  assert_node (get_metadata (fixture), metadata);
  g_assert_cmpuint (g_strv_length (lsobs_run_event_get_tags (fixture->sent)), ==, 1);
  g_assert_cmpstr (lsobs_run_event_get_tags (fixture->sent)[0], ==, tag);
  g_assert_cmpstr (sent_events, ==, events);
  g_assert_cmpstr (lsobs_run_event_get_error_text (fixture->sent), ==, error);
  /* Names are what traces are found by. */
  g_assert_cmpstr (lsobs_run_event_get_name (fixture->sent), ==, "telltale run");
}

static const char plain_inputs[] = "{\"in\":[\"telltale\",{\"key\":1}]}";
static const char plain_metadata[] = "{\"meta\":\"telltale\",\"key\":\"3\"}";
static const char plain_events[] =
    "[{\"token\":\"telltale\",\"key\":[2],\"name\":\"telltale event\"},"
    "{\"name\":\"second\"}]";

/* Rules and names */

static void
test_plain (Fixture *fixture, gconstpointer data)
{
  send_run (fixture);
  assert_sent (fixture, plain_inputs, plain_metadata, "telltale", plain_events, "telltale error");
}

static void
test_rules (Fixture *fixture, gconstpointer data)
{
  lsobs_config_add_redact_rule (fixture->config, "tell(tale)", "<\\1>");
  lsobs_config_add_redact_key (fixture->config, "Key");
  send_run (fixture);
  assert_sent (fixture, "{\"in\":[\"<tale>\",{\"key\":\"[REDACTED]\"}]}",
               "{\"meta\":\"<tale>\",\"key\":\"[REDACTED]\"}", "<tale>",
               "[{\"token\":\"<tale>\",\"key\":\"[REDACTED]\",\"name\":\"<tale> event\"},"
               "{\"name\":\"second\"}]",
               "<tale> error");
  assert_node (lsobs_run_event_get_outputs (fixture->sent), "{\"value\":\"<tale>\"}");
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_REDACTION_FAILURES),
                    ==, 0);
}

/* Every field is a failure of its own. */
static void
test_rules_fail (Fixture *fixture, gconstpointer data)
{
  g_autofree char *as = g_strnfill (20000, 'a');
  g_autofree char *text = g_strconcat (as, "!", NULL);
  g_autoptr (JsonNode) node = json_node_init_string (json_node_alloc (), text);
  g_autoptr (LsobsRun) run = NULL;

  lsobs_config_add_redact_rule (fixture->config, "(a+)+$", NULL);
  start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "telltale run", LSOBS_RUN_TYPE_CHAIN, node);
  lsobs_run_add_tag (run, text);
  lsobs_run_set_metadata (run, "m", node);
  lsobs_run_add_event (run, text, node);
  lsobs_run_fail_with_message (run, text);
  flush (fixture);
  assert_sent (fixture, "{\"value\":\"[REDACTED]\"}", "{\"m\":\"[REDACTED]\"}", "[REDACTED]",
               "[{\"value\":\"[REDACTED]\",\"name\":\"[REDACTED]\"}]", "[REDACTED]");
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_REDACTION_FAILURES),
                    ==, 6);
}

/* Hiding */

static void
test_hide (Fixture *fixture, gconstpointer data)
{
  g_object_set (fixture->config, "hide-inputs", TRUE, "hide-outputs", TRUE, "hide-metadata", TRUE,
                NULL);
  send_run (fixture);
  assert_sent (fixture, "{}", "{}", "telltale", plain_events, "telltale error");
  assert_node (lsobs_run_event_get_outputs (fixture->sent), "{}");
}

static void
test_hide_one (Fixture *fixture, gconstpointer data)
{
  g_object_set (fixture->config, data, TRUE, NULL);
  send_run (fixture);
  assert_sent (fixture, strcmp (data, "hide-inputs") == 0 ? "{}" : plain_inputs,
               strcmp (data, "hide-metadata") == 0 ? "{}" : plain_metadata, "telltale",
               plain_events, "telltale error");
  assert_node (lsobs_run_event_get_outputs (fixture->sent),
               strcmp (data, "hide-outputs") == 0 ? "{}" : "{\"value\":\"telltale\"}");
}

/* What is not there is not made up, in an update neither. */
static void
test_hide_nothing (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;

  g_object_set (fixture->config, "hide-inputs", TRUE, "hide-outputs", TRUE, "hide-metadata", TRUE,
                NULL);
  start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  flush (fixture);
  assert_node (lsobs_run_event_get_inputs (fixture->sent), "{}");
  g_assert_null (get_metadata (fixture));
  lsobs_run_end (run, NULL);
  flush (fixture);
  g_assert_cmpint (lsobs_run_event_get_kind (fixture->sent), ==, LSOBS_RUN_EVENT_KIND_UPDATE);
  g_assert_null (lsobs_run_event_get_inputs (fixture->sent));
  g_assert_null (lsobs_run_event_get_outputs (fixture->sent));
}

/* The function of the program */

static JsonNode *
redact_cb (const char *field, JsonNode *value, gpointer user_data)
{
  Fixture *fixture = user_data;

  g_hash_table_insert (fixture->seen, g_strdup (field), to_text (value));
  fixture->n_calls++;
  fixture->thread = g_thread_self ();
  if ((fixture->field != NULL && strcmp (field, fixture->field) != 0) ||
      g_strcmp0 (fixture->answer, "same") == 0)
    return json_node_ref (value);
  return fixture->answer != NULL ? parse (fixture->answer) : NULL;
}

static void
notify_cb (gpointer user_data)
{
  g_atomic_int_inc (&((Fixture *) user_data)->n_notified);
}

static void
set_func (Fixture *fixture)
{
  lsobs_config_set_redact_func (fixture->config, redact_cb, fixture, notify_cb);
}

static void
assert_seen (Fixture *fixture, const char *field, const char *expected)
{
  g_assert_cmpstr (g_hash_table_lookup (fixture->seen, field), ==, expected);
}

static void
test_func_same (Fixture *fixture, gconstpointer data)
{
  set_func (fixture);
  send_run (fixture);
  g_assert_cmpuint (fixture->n_calls, ==, 6);
  g_assert_true (fixture->thread != g_thread_self ());
  assert_seen (fixture, "inputs", plain_inputs);
  assert_seen (fixture, "outputs", "\"telltale\"");
  assert_seen (fixture, "metadata", plain_metadata);
  assert_seen (fixture, "error", "\"telltale error\"");
  assert_seen (fixture, "tags", "[\"telltale\"]");
  g_assert_true (g_str_has_prefix (
      g_hash_table_lookup (fixture->seen, "events"),
      "[{\"token\":\"telltale\",\"key\":[2],\"name\":\"telltale event\",\"time\":\""));
  assert_sent (fixture, plain_inputs, plain_metadata, "telltale", plain_events, "telltale error");
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_REDACTION_FAILURES),
                    ==, 0);
}

typedef struct
{
  const char *name;
  const char *field;
  const char *answer; /* what the function gives */
  const char *sent;   /* NULL: it was dropped */
} FuncRow;

static const FuncRow func_rows[] = {
  { "inputs", "inputs", "{\"a\":\"b c\"}", "{\"a\":\"# c\"}" },
  { "inputs-array", "inputs", "[1]", "{\"value\":[1]}" },
  { "inputs-null", "inputs", "null", "{\"value\":null}" },
  { "inputs-dropped", "inputs", NULL, NULL },
  { "outputs", "outputs", "{\"b\":1}", "{\"b\":1}" },
  { "outputs-dropped", "outputs", NULL, NULL },
  { "metadata", "metadata", "{\"b\":\"b\"}", "{\"b\":\"#\"}" },
  { "metadata-dropped", "metadata", NULL, NULL },
  { "error", "error", "\"b\"", "#" },
  { "error-object", "error", "{\"a\":1}", NULL },
  { "error-null", "error", "null", NULL },
  { "error-dropped", "error", NULL, NULL },
  { "tags", "tags", "[\"b\"]", "#" },
  { "tags-object", "tags", "{\"a\":\"b\"}", NULL },
  { "tags-numbers", "tags", "[1]", NULL },
  { "tags-dropped", "tags", NULL, NULL },
  { "events", "events",
    "[{\"name\":\"b\",\"x\":\"b\",\"time\":\"2026-03-01T09:30:15.250001Z\"},{\"y\":1}]",
    "[{\"x\":\"#\",\"name\":\"#\"},{\"y\":1,\"name\":\"\"}]" },
  { "events-odd-members", "events", "[{\"name\":1,\"time\":[]},{\"name\":null,\"time\":\"never\"}]",
    "[{\"name\":\"\"},{\"name\":\"\"}]" },
  { "events-object", "events", "{\"name\":\"x\"}", NULL },
  { "events-strings", "events", "[{\"name\":\"x\"},\"y\"]", NULL },
  { "events-dropped", "events", NULL, NULL },
};

static void
test_func_answer (Fixture *fixture, gconstpointer data)
{
  const FuncRow *row = data;
  g_autofree char *note =
      g_strdup_printf ("{\"lsobs_error\":\"Redaction failed; %s dropped\"}", row->field);
  g_autofree char *text_note =
      g_strdup_printf ("lsobs_error: Redaction failed; %s dropped", row->field);
  const char *events_note = "[{\"lsobs_error\":\"Redaction failed; events dropped\","
                            "\"name\":\"lsobs_error\"}]";
  const char *object = row->sent != NULL ? row->sent : note;
  const char *text = row->sent != NULL ? row->sent : text_note;

  fixture->field = row->field;
  fixture->answer = row->answer;
  lsobs_config_set_redact_regex (fixture->config, "\\bb\\b");
  lsobs_config_add_redact_rule (fixture->config, "\\[REDACTED\\]", "#");
  set_func (fixture);
  send_run (fixture);
  assert_sent (fixture, strcmp (row->field, "inputs") == 0 ? object : plain_inputs,
               strcmp (row->field, "metadata") == 0 ? object : plain_metadata,
               strcmp (row->field, "tags") == 0 ? text : "telltale",
               strcmp (row->field, "events") != 0 ? plain_events
               : row->sent != NULL                ? row->sent
                                                  : events_note,
               strcmp (row->field, "error") == 0 ? text : "telltale error");
  assert_node (lsobs_run_event_get_outputs (fixture->sent),
               strcmp (row->field, "outputs") == 0 ? object : "{\"value\":\"telltale\"}");
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_REDACTION_FAILURES),
                    ==, row->sent == NULL ? 1 : 0);
}

static void
test_func_drops_all (Fixture *fixture, gconstpointer data)
{
  g_autofree char *events = NULL;

  fixture->answer = NULL;
  set_func (fixture);
  send_run (fixture);
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_REDACTION_FAILURES),
                    ==, 6);
  events = dup_events (fixture);
  g_assert_null (strstr (events, "telltale"));
}

/* What is hidden, it does not see. */
static void
test_func_hidden (Fixture *fixture, gconstpointer data)
{
  g_object_set (fixture->config, "hide-inputs", TRUE, "hide-outputs", TRUE, "hide-metadata", TRUE,
                NULL);
  set_func (fixture);
  send_run (fixture);
  g_assert_cmpuint (fixture->n_calls, ==, 3);
  assert_seen (fixture, "inputs", NULL);
  assert_sent (fixture, "{}", "{}", "telltale", plain_events, "telltale error");
}

static void
send_bytes (Fixture *fixture, const char *text)
{
  g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));
  g_autoptr (LsobsRun) run = NULL;

  if (fixture->observer == NULL)
    start (fixture);
  run = lsobs_observer_start_run_bytes (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, bytes);
  lsobs_run_end (run, NULL);
  flush (fixture);
}

static void
test_func_not_json (Fixture *fixture, gconstpointer data)
{
  set_func (fixture);
  send_bytes (fixture, "{\"no\": json\xff");
  assert_seen (fixture, "inputs", "\"{\\\"no\\\": json\xef\xbf\xbd\"");
  assert_node (lsobs_run_event_get_inputs (fixture->sent),
               "{\"value\":\"{\\\"no\\\": json\xef\xbf\xbd\"}");
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_BAD_PAYLOADS),
                    ==, 1);
  send_bytes (fixture, "");
  assert_seen (fixture, "inputs", "null");
}

/* Members that are hidden by name would slip through as text. */
static void
test_func_not_json_keys (Fixture *fixture, gconstpointer data)
{
  lsobs_config_add_redact_key (fixture->config, "key");
  set_func (fixture);
  send_bytes (fixture, "{\"key\": telltale");
  g_assert_cmpuint (fixture->n_calls, ==, 0);
  assert_node (lsobs_run_event_get_inputs (fixture->sent),
               "{\"lsobs_error\":\"Redaction failed; inputs dropped\"}");
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_REDACTION_FAILURES),
                    ==, 1);
}

/* A record that is written anew, because it is too large, is not asked about again. It may be sent before
 * the end of the run, which is another record then. */
static void
test_func_once (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GString) text = g_string_new ("[\"");
  g_autoptr (GPtrArray) events = NULL;
  JsonNode *inputs;

  for (guint i = 0; i < 20000; i++)
    g_string_append (text, i % 2 == 0 ? "0123456789" : "\",\"");
  g_string_append (text, "\"]");
  lsobs_config_set_max_batch_bytes (fixture->config, 65536);
  set_func (fixture);
  send_bytes (fixture, text->str);
  g_assert_cmpuint (fixture->n_calls, ==, 1);
  events = lsobs_memory_transport_dup_events (fixture->transport);
  inputs = lsobs_run_event_get_inputs (events->pdata[0]);
  g_assert_true (json_object_has_member (json_node_get_object (inputs), "__truncated__"));
}

static JsonNode *
change_cb (const char *field, JsonNode *value, gpointer user_data)
{
  if (strcmp (field, "inputs") == 0)
    json_object_set_string_member (json_node_get_object (value), "in", "changed");
  return json_node_ref (value);
}

static void
test_func_changes (Fixture *fixture, gconstpointer data)
{
  lsobs_config_set_redact_func (fixture->config, change_cb, NULL, NULL);
  send_run (fixture);
  assert_sent (fixture, "{\"in\":\"changed\"}", plain_metadata, "telltale", plain_events,
               "telltale error");
}

static gboolean
is_notified (gpointer data)
{
  return g_atomic_int_get (&((Fixture *) data)->n_notified) == 2;
}

/* The data lives as long as anybody may use it. */
static void
test_func_notify (Fixture *fixture, gconstpointer data)
{
  set_func (fixture);
  g_assert_true (lsobs_config_validate (fixture->config, NULL));
  set_func (fixture);
  g_assert_cmpuint (fixture->n_notified, ==, 1);
  start (fixture);
  lsobs_config_set_redact_func (fixture->config, NULL, NULL, NULL);
  g_assert_cmpuint (fixture->n_notified, ==, 1);
  send_run (fixture);
  g_assert_cmpuint (fixture->n_calls, ==, 6);
  g_assert_finalize_object (g_steal_pointer (&fixture->observer));
  g_assert_true (test_wait_until (is_notified, fixture, TEST_TIMEOUT_MS));
  g_assert_cmpuint (fixture->n_notified, ==, 2);
  lsobs_config_set_redact_func (fixture->config, NULL, fixture, notify_cb);
  g_assert_cmpuint (fixture->n_notified, ==, 3);
}

#define ADD(path, data, function) \
 g_test_add ("/privacy/run/" path, Fixture, data, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("plain", NULL, test_plain);
  ADD ("rules", NULL, test_rules);
  ADD ("rules-fail", NULL, test_rules_fail);
  ADD ("hide/all", NULL, test_hide);
  ADD ("hide/inputs", "hide-inputs", test_hide_one);
  ADD ("hide/outputs", "hide-outputs", test_hide_one);
  ADD ("hide/metadata", "hide-metadata", test_hide_one);
  ADD ("hide/nothing", NULL, test_hide_nothing);
  ADD ("func/same", NULL, test_func_same);
  for (gsize i = 0; i < G_N_ELEMENTS (func_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/privacy/run/func/answer/", func_rows[i].name, NULL);

      g_test_add (path, Fixture, &func_rows[i], set_up, test_func_answer, tear_down);
    }
  ADD ("func/drops-all", NULL, test_func_drops_all);
  ADD ("func/hidden", NULL, test_func_hidden);
  ADD ("func/not-json", NULL, test_func_not_json);
  ADD ("func/not-json-keys", NULL, test_func_not_json_keys);
  ADD ("func/once", NULL, test_func_once);
  ADD ("func/changes", NULL, test_func_changes);
  ADD ("func/notify", NULL, test_func_notify);

  return g_test_run ();
}
