/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include "tests/lib/run-helpers.h"

/* Objects that have several members with one name: the service gets the last of them. The
 * test service refuses a body in which a name is there twice. */

static LsobsRun *
start_run (RunFixture *fixture)
{
  return lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
}

static void
test_inputs (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GBytes) inputs = run_bytes ("{\"a\":1,\"\\u0061\":{\"b\":1,\"b\":[2]}}");
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run_bytes (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, inputs);

  run_assert_member (run_fixture_finish (fixture, run), "inputs", "{\"a\":{\"b\":[2]}}");
}

static void
test_outputs (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GBytes) outputs = run_bytes ("[{\"a\":1,\"a\":2}]");
  g_autoptr (LsobsRun) run = start_run (fixture);

  lsobs_run_end_bytes (run, outputs);
  run_assert_member (run_fixture_finish (fixture, run), "outputs", "{\"value\":[{\"a\":2}]}");
}

/* In a tree each name is there once, but two that are not UTF-8 may become the same. */
static JsonNode *
make_broken (void)
{
  g_autoptr (JsonObject) object = json_object_new ();

  json_object_set_int_member (object, "\xff", 1);
  json_object_set_int_member (object, "\xfe", 2);
  return json_node_init_object (json_node_alloc (), object);
}

#define REPAIRED "{\"\xef\xbf\xbd\":2}"

static void
test_repaired (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) broken = make_broken ();
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, broken);
  JsonObject *event;
  WireRun *sent;

  lsobs_run_set_metadata (run, "m", broken);
  lsobs_run_set_extra (run, "x", broken);
  lsobs_run_add_event (run, "event", broken);
  lsobs_run_end (run, broken);
  sent = run_fixture_finish (fixture, run);
  run_assert_member (sent, "inputs", REPAIRED);
  run_assert_member (sent, "outputs", REPAIRED);
  run_assert_member (sent, "extra.metadata.m", REPAIRED);
  run_assert_member (sent, "extra.x", REPAIRED);
  event = json_array_get_object_element (json_node_get_array (wire_run_get (sent, "events")), 0);
  g_assert_cmpint (json_object_get_int_member (event, "\xef\xbf\xbd"), ==, 2);
}

/* What the observer adds, and what the program says in the same places, are one object. */
static void
test_merged (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) metadata = run_json ("{\"revision_id\":\"mine\"}");
  g_autoptr (JsonNode) runtime = run_json ("{\"sdk\":\"mine\"}");
  g_autoptr (LsobsRun) run = NULL;
  WireRun *sent;

  lsobs_config_set_revision_id (fixture->config, "theirs");
  run_fixture_start (fixture);
  run = start_run (fixture);
  lsobs_run_set_metadata_string (run, "revision_id", "other");
  lsobs_run_set_extra (run, "metadata", metadata);
  lsobs_run_set_extra (run, "runtime", runtime);
  sent = run_fixture_finish (fixture, run);
  run_assert_member (sent, "extra.metadata", "{\"revision_id\":\"mine\"}");
  run_assert_member (sent, "extra.runtime.sdk", "\"mine\"");
}

static void
test_feedback (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) broken = make_broken ();
  g_autoptr (LsobsRun) run = start_run (fixture);
  g_autofree char *id = lsobs_run_dup_id (run);
  g_autoptr (LsobsFeedback) feedback = lsobs_feedback_new (id, id, "key");
  JsonObject *sent;
  g_autoptr (GError) error = NULL;

  lsobs_feedback_set_value (feedback, broken);
  lsobs_observer_add_feedback (fixture->observer, feedback, &error);
  g_assert_no_error (error);
  run_fixture_finish (fixture, run);
  g_assert_cmpuint (wire_tree_get_n_feedback (fixture->tree), ==, 1);
  sent = wire_tree_get_feedback (fixture->tree)->pdata[0];
  g_assert_cmpint (json_object_get_int_member (json_object_get_object_member (sent, "value"),
                                               "\xef\xbf\xbd"),
                   ==, 2);
}

/* A run that is known by its id only. */
static void
test_by_id (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) broken = make_broken ();
  const char *id = "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4";
  g_autoptr (LsobsRunEvent) start =
      lsobs_run_event_new_start (id, NULL, "run", LSOBS_RUN_TYPE_CHAIN, broken);
  g_autoptr (LsobsRunEvent) end = lsobs_run_event_new_update (id, broken, NULL);
  g_autoptr (GError) error = NULL;

  lsobs_exporter_enqueue (fixture->exporter, start, &error);
  g_assert_no_error (error);
  lsobs_exporter_enqueue (fixture->exporter, end, &error);
  g_assert_no_error (error);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "inputs", REPAIRED);
  run_assert_member (run_fixture_find (fixture, "run"), "outputs", REPAIRED);
}

static void
test_hidden (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GBytes) inputs =
      run_bytes ("{\"password\":\"first\",\"a\":0,\"pass\\u0077ord\":[\"second\"]}");
  g_autoptr (LsobsRun) run = NULL;

  lsobs_config_add_redact_key (fixture->config, "password");
  run_fixture_start (fixture);
  run = lsobs_observer_start_run_bytes (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, inputs);
  run_assert_member (run_fixture_finish (fixture, run), "inputs",
                     "{\"a\":0,\"password\":\"[REDACTED]\"}");
}

#define ADD(path, set_up, function) \
 g_test_add ("/duplicate-member/" path, RunFixture, NULL, set_up, function, run_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("No name is there twice in an object that is sent.");

  ADD ("inputs", run_fixture_set_up_started, test_inputs);
  ADD ("outputs", run_fixture_set_up_started, test_outputs);
  ADD ("repaired", run_fixture_set_up_started, test_repaired);
  ADD ("merged", run_fixture_set_up, test_merged);
  ADD ("feedback", run_fixture_set_up_started, test_feedback);
  ADD ("by-id", run_fixture_set_up_started, test_by_id);
  ADD ("hidden", run_fixture_set_up, test_hidden);
  return g_test_run ();
}
