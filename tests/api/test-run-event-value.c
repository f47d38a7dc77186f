/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <lsobs/lsobs.h>

#include "tests/lib/run-helpers.h"

#define R "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define L "019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5"

#define L_PATH  "20260301T093015250000Z" R ".20260301T093015262000Z" L
#define L_START G_GINT64_CONSTANT (1772357415262000)

static void
test_start (void)
{
  g_autoptr (JsonNode) inputs = run_json ("{\"a\":[1,2]}");
  g_autoptr (LsobsRunEvent) event =
      lsobs_run_event_new_start (L, R, "chat", LSOBS_RUN_TYPE_LLM, inputs);

  g_assert_cmpint (lsobs_run_event_get_kind (event), ==, LSOBS_RUN_EVENT_KIND_START);
  g_assert_cmpstr (lsobs_run_event_get_id (event), ==, L);
  g_assert_cmpstr (lsobs_run_event_get_parent_id (event), ==, R);
  g_assert_cmpstr (lsobs_run_event_get_name (event), ==, "chat");
  g_assert_cmpint (lsobs_run_event_get_run_type (event), ==, LSOBS_RUN_TYPE_LLM);
  run_assert_node (lsobs_run_event_get_inputs (event), "{\"a\":[1,2]}");
  g_assert_null (lsobs_run_event_get_outputs (event));
  g_assert_null (lsobs_run_event_get_extra (event));
  g_assert_null (lsobs_run_event_get_events (event));
  g_assert_null (lsobs_run_event_get_tags (event));
  g_assert_null (lsobs_run_event_get_error_text (event));
  g_assert_null (lsobs_run_event_get_project_name (event));
  g_assert_null (lsobs_run_event_get_trace_id (event));
  g_assert_null (lsobs_run_event_get_dotted_order (event));
  g_assert_cmpint (lsobs_run_event_get_start_time (event), ==, 0);
  g_assert_cmpint (lsobs_run_event_get_end_time (event), ==, 0);
  g_assert_cmpint (lsobs_run_event_get_status (event), ==, LSOBS_RUN_STATUS_RUNNING);
}

static void
test_update (void)
{
  g_autoptr (JsonNode) outputs = run_json ("{\"out\":2}");
  g_autoptr (LsobsRunEvent) failed = lsobs_run_event_new_update (R, outputs, "no luck");
  g_autoptr (LsobsRunEvent) ended = lsobs_run_event_new_update (R, NULL, NULL);

  g_assert_cmpint (lsobs_run_event_get_kind (failed), ==, LSOBS_RUN_EVENT_KIND_UPDATE);
  g_assert_cmpstr (lsobs_run_event_get_id (failed), ==, R);
  g_assert_cmpstr (lsobs_run_event_get_error_text (failed), ==, "no luck");
  run_assert_node (lsobs_run_event_get_outputs (failed), "{\"out\":2}");
  g_assert_null (lsobs_run_event_get_inputs (failed));
  g_assert_null (lsobs_run_event_get_name (failed));
  g_assert_null (lsobs_run_event_get_parent_id (failed));
  g_assert_cmpint (lsobs_run_event_get_status (failed), ==, LSOBS_RUN_STATUS_FAILED);
  g_assert_null (lsobs_run_event_get_outputs (ended));
  g_assert_cmpint (lsobs_run_event_get_status (ended), ==, LSOBS_RUN_STATUS_COMPLETED);
}

static void
test_setters (void)
{
  g_autoptr (LsobsRunEvent) event =
      lsobs_run_event_new_start (L, R, "chat", LSOBS_RUN_TYPE_LLM, NULL);
  LsobsRunEvent *boxed;

  lsobs_run_event_set_trace (event, "x", "y");
  lsobs_run_event_set_trace (event, R, L_PATH);
  g_assert_cmpstr (lsobs_run_event_get_trace_id (event), ==, R);
  g_assert_cmpstr (lsobs_run_event_get_dotted_order (event), ==, L_PATH);
  lsobs_run_event_set_start_time (event, L_START);
  g_assert_cmpint (lsobs_run_event_get_start_time (event), ==, L_START);
  g_assert_cmpint (lsobs_run_event_get_status (event), ==, LSOBS_RUN_STATUS_RUNNING);
  lsobs_run_event_set_end_time (event, L_START + 1);
  g_assert_cmpint (lsobs_run_event_get_end_time (event), ==, L_START + 1);
  g_assert_cmpint (lsobs_run_event_get_status (event), ==, LSOBS_RUN_STATUS_COMPLETED);

  boxed = g_boxed_copy (LSOBS_TYPE_RUN_EVENT, event);
  g_assert_cmpstr (lsobs_run_event_get_id (boxed), ==, L);
  g_boxed_free (LSOBS_TYPE_RUN_EVENT, boxed);
}

/* What the program changes later is its own affair. */
static void
test_deep_copy (void)
{
  char id[] = R;
  char name[] = "name";
  g_autoptr (JsonNode) node = run_json ("{\"deep\":{\"list\":[1]}}");
  JsonObject *deep = json_object_get_object_member (json_node_get_object (node), "deep");
  g_autoptr (LsobsRunEvent) start =
      lsobs_run_event_new_start (id, id, name, LSOBS_RUN_TYPE_CHAIN, node);
  g_autoptr (LsobsRunEvent) end = lsobs_run_event_new_update (id, node, name);

  json_array_add_int_element (json_object_get_array_member (deep, "list"), 2);
  json_object_set_string_member (deep, "more", "text");
  id[0] = name[0] = '?';
  run_assert_node (lsobs_run_event_get_inputs (start), "{\"deep\":{\"list\":[1]}}");
  run_assert_node (lsobs_run_event_get_outputs (end), "{\"deep\":{\"list\":[1]}}");
  g_assert_cmpstr (lsobs_run_event_get_id (start), ==, R);
  g_assert_cmpstr (lsobs_run_event_get_parent_id (start), ==, R);
  g_assert_cmpstr (lsobs_run_event_get_name (start), ==, "name");
  g_assert_cmpstr (lsobs_run_event_get_error_text (end), ==, "name");
}

static const char *const payloads[] = {
  "null",     "true", "42", "-9223372036854775808",   "0.5",
  "\"text\"", "[]",   "{}", "[null,[],{\"a\":null}]",
};

static void
test_payloads (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (payloads); i++)
    {
      g_autoptr (JsonNode) node = run_json (payloads[i]);
      g_autoptr (LsobsRunEvent) event = lsobs_run_event_new_update (R, node, NULL);

      run_assert_node (lsobs_run_event_get_outputs (event), payloads[i]);
    }
}

/* What lies too deep, or makes no sense, does not stop it. */
static void
test_deep_payload (void)
{
  JsonNode *node = json_node_new (JSON_NODE_NULL);
  g_autoptr (LsobsRunEvent) event = NULL;
  g_autofree char *text = NULL;

  for (guint i = 0; i < 1000; i++)
    {
      JsonArray *array = json_array_new ();
      JsonNode *outer = json_node_new (JSON_NODE_ARRAY);

      json_array_add_element (array, node);
      json_node_take_array (outer, array);
      node = outer;
    }
  event = lsobs_run_event_new_update (R, node, NULL);
  json_node_unref (node);
  text = json_to_string (lsobs_run_event_get_outputs (event), FALSE);
  g_assert_nonnull (strstr (text, "DEPTH LIMIT"));
}

static void
test_broken_strings (void)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_VALUE);
  g_autoptr (LsobsRunEvent) event = NULL;

  json_node_set_string (node, "caf\xc3");
  event = lsobs_run_event_new_start ("\xff", NULL, "\xff", LSOBS_RUN_TYPE_CHAIN, node);
  g_assert_cmpstr (json_node_get_string (lsobs_run_event_get_inputs (event)), ==,
                   "caf\xef\xbf\xbd");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/run-event-value/start", test_start);
  g_test_add_func ("/run-event-value/update", test_update);
  g_test_add_func ("/run-event-value/setters", test_setters);
  g_test_add_func ("/run-event-value/deep-copy", test_deep_copy);
  g_test_add_func ("/run-event-value/payloads", test_payloads);
  g_test_add_func ("/run-event-value/deep-payload", test_deep_payload);
  g_test_add_func ("/run-event-value/broken-strings", test_broken_strings);

  return g_test_run ();
}
