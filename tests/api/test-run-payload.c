/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include <locale.h>
#include <math.h>
#include <string.h>

#include "tests/lib/run-helpers.h"

/* Inputs, outputs and every other text of a run: as captured, as repaired, as redacted. */

#define REPLACEMENT "\xef\xbf\xbd"

static void
set_up (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  run_fixture_start (fixture);
}

static LsobsRun *
start_json (RunFixture *fixture, const char *name, const char *inputs)
{
  g_autoptr (JsonNode) node = run_json (inputs);

  return lsobs_observer_start_run (fixture->observer, name, LSOBS_RUN_TYPE_CHAIN, node);
}

/* A complete run of ready JSON; returns what the service got as its inputs. */
static JsonNode *
send_bytes (RunFixture *fixture, GBytes *bytes)
{
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run_bytes (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, bytes);

  lsobs_run_end_bytes (run, bytes);
  run_fixture_flush (fixture);
  g_assert_true (json_node_equal (wire_run_get (run_fixture_find (fixture, "run"), "inputs"),
                                  wire_run_get (run_fixture_find (fixture, "run"), "outputs")));
  return wire_run_get (run_fixture_find (fixture, "run"), "inputs");
}

/* --- capture --- */

static void
test_changed_node (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) node = run_json ("{\"list\":[1,2],\"text\":\"old\"}");
  JsonObject *object = json_node_get_object (node);
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, node);

  json_array_add_int_element (json_object_get_array_member (object, "list"), 3);
  json_object_set_string_member (object, "text", "newer");
  lsobs_run_end (run, node);
  json_object_remove_member (object, "list");
  json_object_remove_member (object, "text");

  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "inputs",
                     "{\"list\":[1,2],\"text\":\"old\"}");
  run_assert_member (run_fixture_find (fixture, "run"), "outputs",
                     "{\"list\":[1,2,3],\"text\":\"newer\"}");
}

static void
test_freed_node (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start_json (fixture, "run", "{\"a\":\"freed\"}");
  JsonNode *node = run_json ("{\"b\":\"freed too\"}");

  lsobs_run_end (run, node);
  json_node_unref (node);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "inputs", "{\"a\":\"freed\"}");
  run_assert_member (run_fixture_find (fixture, "run"), "outputs", "{\"b\":\"freed too\"}");
}

static void
test_freed_bytes (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  GBytes *bytes = run_bytes ("{\"a\":1}");
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run_bytes (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, bytes);
  g_autoptr (LsobsRun) child =
      lsobs_run_start_child_bytes (run, "child", LSOBS_RUN_TYPE_CHAIN, bytes);

  lsobs_run_end_bytes (child, bytes);
  g_bytes_unref (bytes);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "inputs", "{\"a\":1}");
  run_assert_member (run_fixture_find (fixture, "child"), "inputs", "{\"a\":1}");
  run_assert_member (run_fixture_find (fixture, "child"), "outputs", "{\"a\":1}");
}

static void
test_not_finite (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) node = run_json ("{}");
  g_autoptr (LsobsRun) run = NULL;

  json_object_set_double_member (json_node_get_object (node), "nan", NAN);
  json_object_set_double_member (json_node_get_object (node), "infinity", -INFINITY);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, node);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "inputs",
                     "{\"nan\":null,\"infinity\":null}");
}

typedef struct
{
  const char *name;
  const char *json; /* NULL: no payload */
  const char *expected;
  guint n_bad; /* how many of two payloads of this kind are counted as bad */
} PayloadRow;

static const PayloadRow node_rows[] = {
  { "none", NULL, "{}", 0 },
  { "object", "{\"a\":{\"b\":[]}}", "{\"a\":{\"b\":[]}}", 0 },
  { "empty-object", "{}", "{}", 0 },
  { "string", "\"text\"", "{\"value\":\"text\"}", 0 },
  { "integer", "5", "{\"value\":5}", 0 },
  { "double", "0.5", "{\"value\":0.5}", 0 },
  { "boolean", "true", "{\"value\":true}", 0 },
  { "null", "null", "{\"value\":null}", 0 },
  { "array", "[1,[2]]", "{\"value\":[1,[2]]}", 0 },
};

static void
test_node_row (RunFixture *fixture, gconstpointer data)
{
  const PayloadRow *row = data;
  g_autoptr (LsobsRun) run = start_json (fixture, "run", row->json);
  g_autoptr (LsobsRun) child = NULL;
  g_autoptr (JsonNode) node = run_json (row->json);

  child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_CHAIN, node);
  lsobs_run_end (run, node);
  lsobs_run_end (child, node);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "inputs", row->expected);
  run_assert_member (run_fixture_find (fixture, "child"), "inputs", row->expected);
  run_assert_member (run_fixture_find (fixture, "run"), "outputs",
                     row->json != NULL ? row->expected : NULL);
}

/* --- ready JSON --- */

static const PayloadRow bytes_rows[] = {
  { "object", "{\"a\":1}", "{\"a\":1}", 0 },
  { "spaces", " \n{ \"a\" : 1 }\t", "{\"a\":1}", 0 },
  { "array", "[1]", "{\"value\":[1]}", 0 },
  { "string", "\"text\"", "{\"value\":\"text\"}", 0 },
  { "empty", "", "{}", 0 },
  { "text", "no JSON", "{\"value\":\"no JSON\"}", 2 },
  { "half", "{\"a\":", "{\"value\":\"{\\\"a\\\":\"}", 2 },
  { "trailing", "{\"a\":1} x", "{\"value\":\"{\\\"a\\\":1} x\"}", 2 },
  { "blank", "  ", "{\"value\":\"  \"}", 2 },
  { "injection", "{\"a\":1},\"error\":\"x\"",
    "{\"value\":\"{\\\"a\\\":1},\\\"error\\\":\\\"x\\\"\"}", 2 },
  { "not-finite", "{\"a\":NaN,\"b\":-Infinity}", "{\"a\":null,\"b\":null}", 0 },
  { "large-integer", "{\"a\":18446744073709551616}", "{\"a\":\"18446744073709551616\"}", 0 },
  { "broken-text", "{\"a\":\"\xff\"}", "{\"a\":\"" REPLACEMENT "\"}", 0 },
  { "lone-surrogate", "{\"a\":\"\\ud800\"}", "{\"a\":\"" REPLACEMENT "\"}", 0 },
};

static void
test_bytes_row (RunFixture *fixture, gconstpointer data)
{
  const PayloadRow *row = data;
  g_autoptr (GBytes) bytes = run_bytes (row->json);

  send_bytes (fixture, bytes);
  run_assert_member (run_fixture_find (fixture, "run"), "inputs", row->expected);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_BAD_PAYLOADS), ==, row->n_bad);
}

/* A number that is a number, but not one that anybody can hold. */
static void
test_bytes_huge_number (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GBytes) bytes = run_bytes ("{\"a\":1e999,\"b\":-2.5E+400}");

  send_bytes (fixture, bytes);
}

static void
test_bytes_with_nul (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static ("{\"a\":\"b\0c\"}", 11);

  send_bytes (fixture, bytes);
}

static void
test_bytes_deep (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GBytes) bytes = NULL;

  for (guint i = 0; i < 100000; i++)
    g_string_append (text, "{\"a\":");
  g_string_append_c (text, '1');
  for (guint i = 0; i < 100000; i++)
    g_string_append_c (text, '}');
  bytes = g_bytes_new (text->str, text->len);
  g_assert_true (JSON_NODE_HOLDS_OBJECT (send_bytes (fixture, bytes)));
}

static void
test_bytes_large (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const guint n = 1000;
  g_autofree char *padding = g_strnfill (10000, 'x');
  g_autoptr (GString) text = g_string_new ("{\"list\":[");
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (LsobsRun) run = NULL;
  JsonArray *array;

  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "%s\"%s%u\"", i > 0 ? "," : "", padding, i);
  g_string_append (text, "]}");
  g_assert_cmpuint (text->len, >, 10000000);
  bytes = g_bytes_new (text->str, text->len);

  run = lsobs_observer_start_run_bytes (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, bytes);
  run_fixture_flush (fixture);
  array = json_node_get_array (wire_run_get (run_fixture_find (fixture, "run"), "inputs.list"));
  g_assert_cmpuint (json_array_get_length (array), ==, n);
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *expected = g_strdup_printf ("%s%u", padding, i);

      g_assert_cmpstr (json_array_get_string_element (array, i), ==, expected);
    }
}

/* 10 MB in one string are cut, on a boundary of UTF-8. */
static void
test_bytes_large_string (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) text = g_string_new ("{\"text\":\"x");
  g_autoptr (GBytes) bytes = NULL;
  const char *cut;

  for (guint i = 0; i < 5000000; i++)
    g_string_append (text, "\xc3\xa4");
  g_string_append (text, "\"}");
  bytes = g_bytes_new (text->str, text->len);
  send_bytes (fixture, bytes);
  cut = wire_run_get_string (run_fixture_find (fixture, "run"), "inputs.text");
  g_assert_cmpuint (strlen (cut), ==, 99999);
}

/* --- names --- */

static void
test_empty_name (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start_json (fixture, "", NULL);

  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  run_fixture_find (fixture, "Unnamed");
}

static void
test_long_name (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *name = g_strnfill (1000000, 'n');
  g_autoptr (LsobsRun) run = start_json (fixture, name, NULL);
  g_autoptr (GPtrArray) runs = NULL;

  g_assert_cmpstr (lsobs_run_get_name (run), ==, name);
  lsobs_run_end (run, NULL);
  runs = wire_tree_dup_runs (run_fixture_flush (fixture));
  g_assert_cmpuint (strlen (((WireRun *) g_ptr_array_index (runs, 0))->name), ==, 100000);
}

static void
set_up_tiny_strings (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  lsobs_config_set_max_string_bytes (fixture->config, 1);
  run_fixture_start (fixture);
}

/* Not even a limit of one byte makes a name empty. */
static void
test_tiny_name (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start_json (fixture, "\xc3\xa4", "{\"key\":\"value\"}");
  g_autoptr (GPtrArray) runs = NULL;
  WireRun *sent;

  lsobs_run_end (run, NULL);
  runs = wire_tree_dup_runs (run_fixture_flush (fixture));
  sent = g_ptr_array_index (runs, 0);
  g_assert_cmpstr (sent->name, !=, "");
  run_assert_member (sent, "inputs", "{\"key\":\"v\"}");
}

/* --- strings that are cut --- */

static void
set_up_short_strings (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  lsobs_config_set_max_string_bytes (fixture->config, 8);
  run_fixture_start (fixture);
}

#define CUT_INPUTS \
 "{\"a\":[1,{\"b\":\"short\",\"c \\\"\\u00e9\":\"longer than eight\"},\"longer than eight\"]," \
 "\"d\":{\"e\":[]},\"f\":\"longer than eight\"}"
#define CUT_PATHS "\"inputs.a[1].c \\\"\xc3\xa9\",\"inputs.a[2]\",\"inputs.f\""

/* The reader of a run learns where there was more. */
static void
test_cut_strings (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start_json (fixture, "run", CUT_INPUTS);
  g_autoptr (LsobsRun) whole = start_json (fixture, "whole", "{\"a\":\"exactly8\"}");
  g_autoptr (JsonNode) outputs = run_json ("\"longer than eight\"");

  lsobs_run_end (run, outputs);
  lsobs_run_end (whole, NULL);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "extra.metadata.lsobs_cut_strings",
                     "{\"count\":4,\"paths\":[" CUT_PATHS ",\"outputs.value\"]}");
  run_assert_member (run_fixture_find (fixture, "whole"), "extra.metadata", NULL);
}

/* The end replaces the metadata of the start, so it has what the start has told. */
static void
test_cut_strings_apart (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start_json (fixture, "run", CUT_INPUTS);
  g_autoptr (LsobsRun) other = start_json (fixture, "other", CUT_INPUTS);
  g_autoptr (JsonNode) outputs = run_json ("{\"g\":\"longer than eight\"}");

  lsobs_run_set_metadata_string (run, "k", "v");
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "extra.metadata",
                     "{\"k\":\"v\",\"lsobs_cut_strings\":{\"count\":3,\"paths\":[" CUT_PATHS "]}}");
  lsobs_run_set_metadata_string (other, "l", "w");
  lsobs_run_end (run, outputs);
  lsobs_run_end (other, NULL);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "extra.metadata",
                     "{\"k\":\"v\",\"lsobs_cut_strings\":{\"count\":4,\"paths\":[" CUT_PATHS
                     ",\"outputs.g\"]}}");
  run_assert_member (run_fixture_find (fixture, "other"), "extra.metadata",
                     "{\"l\":\"w\",\"lsobs_cut_strings\":{\"count\":3,\"paths\":[" CUT_PATHS "]}}");
}

/* Other texts of a run may be too long, too. */
static void
test_cut_strings_elsewhere (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start_json (fixture, "run", "{}");
  g_autoptr (LsobsRun) failed = start_json (fixture, "failed", CUT_INPUTS);
  g_autoptr (JsonNode) node = run_json ("{\"b\":[\"longer than eight\"]}");

  lsobs_run_set_metadata (run, "a", node);
  lsobs_run_set_extra (run, "c", node);
  lsobs_run_fail_with_message (run, "longer than eight");
  run_fixture_flush (fixture);
  lsobs_run_fail_with_message (failed, "longer than eight");
  run_fixture_flush (fixture);
  run_assert_member (
      run_fixture_find (fixture, "run"), "extra.metadata",
      "{\"a\":{\"b\":[\"longer t\"]},"
      "\"lsobs_cut_strings\":{\"count\":3,\"paths\":[\"error\",\"extra.c.b[0]\",\"metadata.a.b[0]\"]}}");
  run_assert_member (run_fixture_find (fixture, "run"), "error", "\"longer t\"");
  run_assert_member (run_fixture_find (fixture, "failed"), "extra.metadata.lsobs_cut_strings",
                     "{\"count\":4,\"paths\":[" CUT_PATHS ",\"error\"]}");
}

/* The paths are bounded, the count is not. */
static void
test_cut_strings_many (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonArray) array = json_array_new ();
  g_autoptr (JsonNode) inputs = json_node_init_array (json_node_alloc (), array);
  g_autoptr (LsobsRun) run = NULL;
  JsonObject *cut;

  for (guint i = 0; i < 100; i++)
    json_array_add_string_element (array, "longer than eight");
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, inputs);
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  cut = json_object_get_object_member (
      json_object_get_object_member (
          json_object_get_object_member (run_fixture_find (fixture, "run")->run, "extra"),
          "metadata"),
      "lsobs_cut_strings");
  g_assert_cmpint (json_object_get_int_member (cut, "count"), ==, 100);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (cut, "paths")), ==, 20);
}

/* Nor does it send a run to another project. */
static void
test_tiny_project (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start_json (fixture, "r", NULL);

  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "r"), "session_name", "\"" RUN_PROJECT "\"");
}

/* --- hostile text, anywhere --- */

static const char *const hostile_texts[] = {
  "\xff\xfe",
  "\xc3",
  "a\xc3(",
  "\xed\xa0\x80",
  "\xc0\xaf",
  "\xf4\x90\x80\x80",
  "\xf8\x88\x80\x80\x80",
  "\x01\x02\x1b[31m\x1f\x7f",
  "\r\n\r\n--lsobs-\r\n",
  "\"}\\",
  "</script>",
  "\xe2\x80\xa8\xe2\x80\xa9",
  "\xef\xbb\xbf",
  "%s%n",
  "\xf0\x9f\x98\x80",
  "\xef\xbf\xbe",
  "\xc2\x80",
  "\xe2\x80\xaeghi",
};

typedef enum
{
  PLACE_NAME,
  PLACE_TAG,
  PLACE_METADATA_KEY,
  PLACE_METADATA_VALUE,
  PLACE_METADATA_NODE,
  PLACE_EVENT_NAME,
  PLACE_EVENT_DETAILS,
  PLACE_ERROR,
  PLACE_INPUT,
  PLACE_INPUT_KEY,
  PLACE_OUTPUT,
  PLACE_MODEL,
  N_PLACES
} Place;

static const char *const place_names[N_PLACES] = {
  "name",          "tag",   "metadata-key", "metadata-value", "metadata-node", "event-name",
  "event-details", "error", "input",        "input-key",      "output",        "model"
};

/* A complete run with @text in one place. */
static void
send_text (RunFixture *fixture, Place place, const char *text)
{
  g_autoptr (JsonNode) value = run_json ("{}");
  g_autoptr (JsonNode) keyed = run_json ("{}");
  g_autoptr (LsobsRun) run = NULL;

  json_object_set_string_member (json_node_get_object (value), "text", text);
  json_object_set_int_member (json_node_get_object (keyed), text, 1);
  run = lsobs_observer_start_run (fixture->observer, place == PLACE_NAME ? text : "run",
                                  LSOBS_RUN_TYPE_LLM,
                                  place == PLACE_INPUT       ? value
                                  : place == PLACE_INPUT_KEY ? keyed
                                                             : NULL);
  if (place == PLACE_TAG)
    lsobs_run_add_tag (run, text);
  if (place == PLACE_METADATA_KEY || place == PLACE_METADATA_VALUE)
    lsobs_run_set_metadata_string (run, place == PLACE_METADATA_KEY ? text : "key",
                                   place == PLACE_METADATA_KEY ? "value" : text);
  if (place == PLACE_METADATA_NODE)
    lsobs_run_set_metadata (run, "node", value);
  if (place == PLACE_EVENT_NAME || place == PLACE_EVENT_DETAILS)
    lsobs_run_add_event (run, place == PLACE_EVENT_NAME ? text : "event",
                         place == PLACE_EVENT_DETAILS ? value : NULL);
  if (place == PLACE_MODEL)
    lsobs_run_set_model (run, text, text);
  if (place == PLACE_ERROR)
    lsobs_run_fail_with_message (run, text);
  else
    lsobs_run_end (run, place == PLACE_OUTPUT ? value : NULL);
}

/* That the bodies are right is asserted with every flush; valid text must be the same after. */
static void
test_hostile (RunFixture *fixture, gconstpointer data)
{
  Place place = (Place) GPOINTER_TO_UINT (data);
  g_autoptr (GPtrArray) runs = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (hostile_texts); i++)
    send_text (fixture, place, hostile_texts[i]);
  runs = wire_tree_dup_runs (run_fixture_flush (fixture));
  g_assert_cmpuint (runs->len, ==, G_N_ELEMENTS (hostile_texts));
  for (guint i = 0; i < runs->len; i++)
    {
      WireRun *run = g_ptr_array_index (runs, i);
      g_autofree char *valid = g_utf8_make_valid (hostile_texts[i], -1);

      if (g_strcmp0 (valid, hostile_texts[i]) != 0)
        continue;
      if (place == PLACE_NAME)
        g_assert_cmpstr (run->name, ==, valid);
      if (place == PLACE_ERROR)
        g_assert_cmpstr (wire_run_get_string (run, "error"), ==, valid);
      if (place == PLACE_INPUT)
        g_assert_cmpstr (wire_run_get_string (run, "inputs.text"), ==, valid);
    }
}

/* --- redaction --- */

static void
start_redacting (RunFixture *fixture, const char *regex, gint64 max_string_bytes)
{
  lsobs_config_set_redact_regex (fixture->config, regex);
  lsobs_config_set_max_string_bytes (fixture->config, max_string_bytes);
  run_fixture_start (fixture);
}

static void
set_up_redacting (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  start_redacting (fixture, "secret[0-9]*", 1000);
}

static gboolean
server_has (TestServer *server, const char *text)
{
  g_autoptr (GPtrArray) requests = test_server_dup_ingest (server);

  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);
      gsize len;
      const char *body = g_bytes_get_data (request->body, &len);

      if (g_strstr_len (body, (gssize) len, text) != NULL)
        return TRUE;
    }
  return FALSE;
}

/* Names and keys are what a run is found by; everything else is hidden. */
static void
test_redacted (RunFixture *fixture, gconstpointer data)
{
  Place place = (Place) GPOINTER_TO_UINT (data);
  gboolean kept = place == PLACE_NAME || place == PLACE_METADATA_KEY || place == PLACE_INPUT_KEY;

  send_text (fixture, place, "a secret123 here");
  run_fixture_flush (fixture);
  g_assert_true (server_has (fixture->server, "secret123") == kept);
  g_assert_true (server_has (fixture->server, "a [REDACTED] here") == !kept);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_REDACTION_FAILURES), ==, 0);
}

static void
test_redacted_bytes (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GBytes) json = run_bytes ("{\"a\":[\"secret1\",{\"b\":\"\\u0073ecret2\"}]}");
  g_autoptr (GBytes) text = run_bytes ("not JSON, secret3");
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run_bytes (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, json);

  lsobs_run_end_bytes (run, text);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "inputs",
                     "{\"a\":[\"[REDACTED]\",{\"b\":\"[REDACTED]\"}]}");
  run_assert_member (run_fixture_find (fixture, "run"), "outputs",
                     "{\"value\":\"not JSON, [REDACTED]\"}");
}

static void
test_redacted_patch (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start_json (fixture, "run", "{\"a\":\"secret\"}");

  run_fixture_flush (fixture);
  lsobs_run_add_tag (run, "secret");
  lsobs_run_set_metadata_string (run, "key", "secret");
  lsobs_run_add_event (run, "secret", NULL);
  lsobs_run_fail_with_message (run, "secret");
  run_fixture_flush (fixture);
  g_assert_cmpuint (run_fixture_find (fixture, "run")->n_patches, ==, 1);
  g_assert_false (server_has (fixture->server, "secret"));
}

/* Redaction comes before the cut, or half a secret would be left over. */
static void
test_redacted_then_cut (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;

  start_redacting (fixture, "secret", 10);
  run = start_json (fixture, "run", "{\"token\":\"secret-secret-secret\"}");
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "inputs", "{\"token\":\"[REDACTED]\"}");
}

/* An expression that gives up hides all of the text. */
static void
test_redaction_fails_closed (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;

  start_redacting (fixture, "^(a+)+$", 1000);
  run = start_json (fixture, "run", NULL);
  lsobs_run_fail_with_message (
      run, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "error", "\"[REDACTED]\"");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_REDACTION_FAILURES), ==, 1);
}

static void
add_rows (const char *folder,
          const PayloadRow *rows,
          guint n_rows,
          void (*test_func) (RunFixture *, gconstpointer))
{
  for (guint i = 0; i < n_rows; i++)
    {
      g_autofree char *path = g_strdup_printf ("/run-payload/%s/%s", folder, rows[i].name);

      g_test_add (path, RunFixture, &rows[i], set_up, test_func, run_fixture_tear_down);
    }
}

static void
add_places (void)
{
  for (guint i = 0; i < N_PLACES; i++)
    {
      g_autofree char *hostile = g_strdup_printf ("/run-payload/hostile/%s", place_names[i]);
      g_autofree char *redacted = g_strdup_printf ("/run-payload/redacted/%s", place_names[i]);

      g_test_add (hostile, RunFixture, GUINT_TO_POINTER (i), set_up, test_hostile,
                  run_fixture_tear_down);
      g_test_add (redacted, RunFixture, GUINT_TO_POINTER (i), set_up_redacting, test_redacted,
                  run_fixture_tear_down);
    }
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  g_test_init (&argc, &argv, NULL);
  g_test_summary (
      "Payloads and texts arrive as they were in the call: valid, bounded, without secrets.");

  run_fixture_add ("/run-payload/cut-strings", set_up_short_strings, test_cut_strings);
  run_fixture_add ("/run-payload/cut-strings-apart", set_up_short_strings, test_cut_strings_apart);
  run_fixture_add ("/run-payload/cut-strings-elsewhere", set_up_short_strings,
                   test_cut_strings_elsewhere);
  run_fixture_add ("/run-payload/cut-strings-many", set_up_short_strings, test_cut_strings_many);
  run_fixture_add ("/run-payload/changed-node", set_up, test_changed_node);
  run_fixture_add ("/run-payload/freed-node", set_up, test_freed_node);
  run_fixture_add ("/run-payload/freed-bytes", set_up, test_freed_bytes);
  run_fixture_add ("/run-payload/not-finite", set_up, test_not_finite);
  add_rows ("node", node_rows, G_N_ELEMENTS (node_rows), test_node_row);
  add_rows ("bytes", bytes_rows, G_N_ELEMENTS (bytes_rows), test_bytes_row);
  run_fixture_add ("/run-payload/bytes/huge-number", set_up, test_bytes_huge_number);
  run_fixture_add ("/run-payload/bytes/nul", set_up, test_bytes_with_nul);
  run_fixture_add ("/run-payload/bytes/deep", set_up, test_bytes_deep);
  run_fixture_add ("/run-payload/bytes/large", set_up, test_bytes_large);
  run_fixture_add ("/run-payload/bytes/large-string", set_up, test_bytes_large_string);
  run_fixture_add ("/run-payload/name/empty", set_up, test_empty_name);
  run_fixture_add ("/run-payload/name/long", set_up, test_long_name);
  run_fixture_add ("/run-payload/name/tiny", set_up_tiny_strings, test_tiny_name);
  run_fixture_add ("/run-payload/name/tiny-project", set_up_tiny_strings, test_tiny_project);
  add_places ();
  run_fixture_add ("/run-payload/redacted/bytes", set_up_redacting, test_redacted_bytes);
  run_fixture_add ("/run-payload/redacted/patch", set_up_redacting, test_redacted_patch);
  run_fixture_add ("/run-payload/redacted/then-cut", run_fixture_set_up, test_redacted_then_cut);
  run_fixture_add ("/run-payload/redacted/fails-closed", run_fixture_set_up,
                   test_redaction_fails_closed);
  return g_test_run ();
}
