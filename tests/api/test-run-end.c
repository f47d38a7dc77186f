/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include "tests/lib/run-helpers.h"

/* How a run ends: once, in the record of its start or in one of its own. */

static void
set_up (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  run_fixture_start (fixture);
}

/* A run whose create waits. */
static LsobsRun *
start (RunFixture *fixture, const char *name)
{
  g_autoptr (JsonNode) inputs = run_json ("{\"in\":1}");

  return lsobs_observer_start_run (fixture->observer, name, LSOBS_RUN_TYPE_CHAIN, inputs);
}

/* A run whose create has left. */
static LsobsRun *
start_and_send (RunFixture *fixture, const char *name)
{
  LsobsRun *run = start (fixture, name);

  run_fixture_flush (fixture);
  return run;
}

static void
end (LsobsRun *run, const char *outputs)
{
  g_autoptr (JsonNode) node = run_json (outputs);

  lsobs_run_end (run, node);
}

/* Delivers, and compares all that the run has become. */
static void
assert_run (RunFixture *fixture,
            const char *name,
            guint n_patches,
            const char *outputs,
            const char *error)
{
  WireRun *run;

  run_fixture_flush (fixture);
  run = run_fixture_find (fixture, name);
  g_assert_cmpuint (run->n_posts, ==, 1);
  g_assert_cmpuint (run->n_patches, ==, n_patches);
  g_assert_cmpint (run->end_us, >=, run->start_us);
  run_assert_member (run, "outputs", outputs);
  run_assert_member (run, "error", error);
}

static void
test_end (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, "run");

  end (run, "{\"out\":2}");
  g_assert_cmpint (lsobs_run_get_status (run), ==, LSOBS_RUN_STATUS_COMPLETED);
  assert_run (fixture, "run", 0, "{\"out\":2}", NULL);
  run_assert_member (run_fixture_find (fixture, "run"), "inputs", "{\"in\":1}");
}

static void
test_end_bytes (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, "run");
  g_autoptr (GBytes) outputs = run_bytes ("{ \"out\" : [ 1, 2 ] }");

  lsobs_run_end_bytes (run, outputs);
  assert_run (fixture, "run", 0, "{\"out\":[1,2]}", NULL);
}

static void
test_end_without_outputs (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, "run");

  lsobs_run_end (run, NULL);
  assert_run (fixture, "run", 0, NULL, NULL);
}

static void
test_end_bytes_without_outputs (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, "run");

  lsobs_run_end_bytes (run, NULL);
  assert_run (fixture, "run", 0, NULL, NULL);
}

static void
test_fail (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, "run");
  g_autoptr (GError) error = g_error_new (G_IO_ERROR, G_IO_ERROR_FAILED, "no \"luck\"\n");

  lsobs_run_fail (run, error);
  g_clear_error (&error);
  g_assert_cmpint (lsobs_run_get_status (run), ==, LSOBS_RUN_STATUS_FAILED);
  assert_run (fixture, "run", 0, NULL, "\"no \\\"luck\\\"\\n\"");
}

static void
test_fail_with_outputs (RunFixture *fixture, gconstpointer data)
{
  gboolean queued = GPOINTER_TO_INT (data) == 0;
  g_autoptr (LsobsRun) run = queued ? start (fixture, "run") : start_and_send (fixture, "run");
  g_autoptr (GError) error = g_error_new (G_IO_ERROR, G_IO_ERROR_FAILED, "no luck");
  g_autoptr (JsonNode) outputs = run_json ("{\"out\":\"so far\"}");

  lsobs_run_fail_with_outputs (run, error, outputs);
  g_assert_cmpint (lsobs_run_get_status (run), ==, LSOBS_RUN_STATUS_FAILED);
  assert_run (fixture, "run", queued ? 0 : 1, "{\"out\":\"so far\"}", "\"no luck\"");
}

static void
test_fail_with_outputs_bytes (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, "run");
  g_autoptr (LsobsRun) bare = start (fixture, "bare");
  g_autoptr (GError) error = g_error_new (G_IO_ERROR, G_IO_ERROR_FAILED, "no luck");
  g_autoptr (GBytes) outputs = run_bytes ("[1,2]");

  lsobs_run_fail_with_outputs_bytes (run, error, outputs);
  lsobs_run_fail_with_outputs_bytes (bare, error, NULL);
  assert_run (fixture, "run", 0, "{\"value\":[1,2]}", "\"no luck\"");
  assert_run (fixture, "bare", 0, NULL, "\"no luck\"");
}

/* The message of GIO is in the language of the user. */
static void
test_cancelled (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, "run");
  g_autoptr (LsobsRun) other = start (fixture, "other");
  g_autoptr (GError) error =
      g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "Vorgang wurde abgebrochen");
  g_autoptr (GError) timeout = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "late");

  lsobs_run_fail (run, error);
  lsobs_run_fail (other, timeout);
  assert_run (fixture, "run", 0, NULL, "\"Cancelled\"");
  run_assert_member (run_fixture_find (fixture, "run"), "extra.metadata.cancelled", "true");
  run_assert_member (run_fixture_find (fixture, "other"), "error", "\"late\"");
  run_assert_member (run_fixture_find (fixture, "other"), "extra.metadata.cancelled", NULL);
}

static void
test_fail_with_message (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start_and_send (fixture, "run");

  lsobs_run_fail_with_message (run, "no luck");
  assert_run (fixture, "run", 1, NULL, "\"no luck\"");
}

static void
test_fail_with_empty_message (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, "run");

  lsobs_run_fail_with_message (run, "");
  g_assert_cmpint (lsobs_run_get_status (run), ==, LSOBS_RUN_STATUS_FAILED);
  assert_run (fixture, "run", 0, NULL, "\"Unknown error\"");
}

static void
test_merged (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) first = start (fixture, "first");
  g_autoptr (LsobsRun) second = start (fixture, "second");

  end (first, NULL);
  end (second, NULL);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED), ==, 2);
  assert_run (fixture, "first", 0, NULL, NULL);
  assert_run (fixture, "second", 0, NULL, NULL);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_ENQUEUED), ==, 2);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_MERGED), ==, 2);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED), ==, 2);
}

static void
assert_same_member (JsonObject *create, JsonObject *patch, const char *name)
{
  g_assert_true (json_object_has_member (create, name));
  g_assert_true (json_object_has_member (patch, name));
  g_assert_true (json_node_equal (json_object_get_member (create, name),
                                  json_object_get_member (patch, name)));
}

/* A patch can be shown even when its create never came. */
static void
test_separate (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *identity[] = { "id",   "trace_id", "parent_run_id", "dotted_order",
                                    "name", "run_type", "session_name",  "start_time" };
  g_autoptr (LsobsRun) root = start (fixture, "root");
  g_autoptr (LsobsRun) child = lsobs_run_start_child (root, "child", LSOBS_RUN_TYPE_LLM, NULL);
  g_autofree char *id = lsobs_run_dup_id (child);
  g_autoptr (JsonObject) create = NULL;
  g_autoptr (JsonObject) patch = NULL;

  run_fixture_flush (fixture);
  end (child, "{\"out\":2}");
  end (root, NULL);
  assert_run (fixture, "child", 1, "{\"out\":2}", NULL);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_ENQUEUED), ==, 4);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_MERGED), ==, 0);

  create = run_dup_operation (fixture->server, "post", id);
  patch = run_dup_operation (fixture->server, "patch", id);
  g_assert_nonnull (create);
  g_assert_nonnull (patch);
  for (guint i = 0; i < G_N_ELEMENTS (identity); i++)
    assert_same_member (create, patch, identity[i]);
  g_assert_false (json_object_has_member (create, "end_time"));
  g_assert_true (json_object_has_member (patch, "end_time"));
  g_assert_false (json_object_has_member (patch, "inputs"));
  g_assert_false (json_object_has_member (patch, "extra"));
}

/* The service replaces extra as a whole: all of it, or nothing. */
static void
test_patch_metadata (RunFixture *fixture, gconstpointer data)
{
  gboolean with_news = GPOINTER_TO_INT (data);
  g_autoptr (LsobsRun) root = start (fixture, "root");
  g_autoptr (LsobsRun) child = NULL;
  g_autofree char *id = NULL;
  g_autoptr (JsonObject) patch = NULL;
  WireRun *sent;

  lsobs_run_set_metadata_string (root, "thread_id", "t-1");
  child = lsobs_run_start_child (root, "child", LSOBS_RUN_TYPE_CHAIN, NULL);
  id = lsobs_run_dup_id (child);
  lsobs_run_end (root, NULL);
  run_fixture_flush (fixture);
  if (with_news)
    lsobs_run_set_metadata_string (child, "late", "l");
  lsobs_run_end (child, NULL);
  run_fixture_flush (fixture);

  patch = run_dup_operation (fixture->server, "patch", id);
  g_assert_nonnull (patch);
  g_assert_true (json_object_has_member (patch, "extra") == with_news);
  sent = run_fixture_find (fixture, "child");
  run_assert_member (sent, "extra.metadata",
                     with_news ? "{\"thread_id\":\"t-1\",\"late\":\"l\"}"
                               : "{\"thread_id\":\"t-1\"}");
  run_assert_member (sent, "extra.runtime.sdk", "\"lsobs\"");
}

/* --- ends after the end --- */

static void
test_second_end (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start_and_send (fixture, "run");

  end (run, "{\"out\":1}");
  run_fixture_flush (fixture);
  end (run, "{\"out\":2}");
  lsobs_run_end (run, NULL);
  lsobs_run_fail_with_message (run, "late");
  assert_run (fixture, "run", 1, "{\"out\":1}", NULL);
  g_assert_cmpint (lsobs_run_get_status (run), ==, LSOBS_RUN_STATUS_COMPLETED);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_LATE_UPDATES), ==, 3);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_ENQUEUED), ==, 2);
}

/* A complete record that has left takes nothing any more. */
static void
test_second_end_merged (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, "run");

  end (run, "{\"out\":1}");
  run_fixture_flush (fixture);
  end (run, "{\"out\":2}");
  assert_run (fixture, "run", 0, "{\"out\":1}", NULL);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_LATE_UPDATES), ==, 1);
}

static void
test_end_then_fail (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, "run");

  end (run, "{\"out\":1}");
  lsobs_run_fail_with_message (run, "late");
  g_assert_cmpint (lsobs_run_get_status (run), ==, LSOBS_RUN_STATUS_COMPLETED);
  assert_run (fixture, "run", 0, "{\"out\":1}", NULL);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_LATE_UPDATES), ==, 1);
}

static void
test_fail_then_fail (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, "run");

  lsobs_run_fail_with_message (run, "first");
  lsobs_run_fail_with_message (run, "second");
  assert_run (fixture, "run", 0, NULL, "\"first\"");
}

static void
test_fail_then_end (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, "run");

  lsobs_run_fail_with_message (run, "first");
  end (run, "{\"partial\":true}");
  g_assert_cmpint (lsobs_run_get_status (run), ==, LSOBS_RUN_STATUS_FAILED);
  assert_run (fixture, "run", 0, "{\"partial\":true}", "\"first\"");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_LATE_UPDATES), ==, 0);
}

/* The same when the end waits in a record of its own. */
static void
test_fail_then_end_separate (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start_and_send (fixture, "run");

  lsobs_run_fail_with_message (run, "first");
  end (run, "{\"partial\":true}");
  g_assert_cmpint (lsobs_run_get_status (run), ==, LSOBS_RUN_STATUS_FAILED);
  assert_run (fixture, "run", 1, "{\"partial\":true}", "\"first\"");
}

static void
test_late_details (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, "run");

  end (run, NULL);
  lsobs_run_add_tag (run, "late");
  lsobs_run_set_metadata_string (run, "late", "late");
  lsobs_run_add_event (run, "late", NULL);
  lsobs_run_set_usage (run, 1, 2, 3);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_LATE_UPDATES), ==, 4);
  assert_run (fixture, "run", 0, NULL, NULL);
  run_assert_member (run_fixture_find (fixture, "run"), "tags", NULL);
  run_assert_member (run_fixture_find (fixture, "run"), "events", NULL);
  run_assert_member (run_fixture_find (fixture, "run"), "extra.metadata", NULL);
}

static void
test_never_ended (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsRun *run = start (fixture, "run");
  WireRun *sent;

  lsobs_run_unref (run);
  run_fixture_flush (fixture);
  sent = run_fixture_find (fixture, "run");
  g_assert_cmpuint (sent->n_posts, ==, 1);
  g_assert_cmpuint (sent->n_patches, ==, 0);
  g_assert_cmpint (sent->end_us, ==, -1);
}

/* --- a start that was evicted --- */

static void
set_up_tiny (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  lsobs_config_set_queue_capacity (fixture->config, 1);
  /* A batch of one would be full at once. */
  test_server_hold (fixture->server);
  run_fixture_start (fixture);
}

static gboolean
is_idle (gpointer user_data)
{
  RunFixture *fixture = user_data;

  return run_fixture_get (fixture, LSOBS_COUNTER_QUEUED) == 0;
}

/* With all slots for requests taken, what comes waits in the queue. */
static guint
block_sending (RunFixture *fixture)
{
  guint n = (guint) lsobs_config_get_max_in_flight (fixture->config);

  for (guint i = 0; i < n; i++)
    {
      lsobs_run_unref (start (fixture, "blocker"));
      g_assert_true (test_wait_until (is_idle, fixture, TEST_TIMEOUT_MS));
    }
  return n;
}

static void
test_promoted (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  guint n_blockers = block_sending (fixture);
  g_autoptr (LsobsRun) lost = start (fixture, "lost");
  g_autoptr (LsobsRun) other = start (fixture, "other");
  WireRun *sent;

  lsobs_run_set_metadata_string (lost, "key", "value");
  end (lost, "{\"out\":1}");
  g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_QUEUE_FULL), ==, 2);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_PROMOTED), ==, 1);
  test_server_release (fixture->server);

  assert_run (fixture, "lost", 0, "{\"out\":1}", NULL);
  sent = run_fixture_find (fixture, "lost");
  run_assert_member (sent, "inputs", "{}");
  run_assert_member (sent, "extra.metadata", "{\"key\":\"value\"}");
  g_assert_null (wire_tree_find (fixture->tree, "other"));

  /* The other one's create is lost too; its end tells all. */
  lsobs_run_fail_with_message (other, "error");
  assert_run (fixture, "other", 0, NULL, "\"error\"");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_PROMOTED), ==, 2);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED), ==, n_blockers + 2);
}

/* Two starts in a queue of one: the caller sees nothing, the books do. */
static void
test_evicted (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) lost = NULL;
  g_autoptr (LsobsRun) kept = NULL;
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;

  block_sending (fixture);
  lost = start (fixture, "lost");
  kept = start (fixture, "kept");
  g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_QUEUE_FULL), ==, 1);
  test_server_release (fixture->server);
  lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, &stats, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (stats.dropped_events, ==, 1);
  lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, &stats, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (stats.dropped_events, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary (
      "The first end of a run stands, and is sent once, wherever its start is by then.");

  run_fixture_add ("/run-end/end", set_up, test_end);
  run_fixture_add ("/run-end/end-bytes", set_up, test_end_bytes);
  run_fixture_add ("/run-end/end-without-outputs", set_up, test_end_without_outputs);
  run_fixture_add ("/run-end/end-bytes-without-outputs", set_up, test_end_bytes_without_outputs);
  run_fixture_add ("/run-end/fail", set_up, test_fail);
  g_test_add ("/run-end/fail-with-outputs-queued", RunFixture, GINT_TO_POINTER (0), set_up,
              test_fail_with_outputs, run_fixture_tear_down);
  g_test_add ("/run-end/fail-with-outputs-sent", RunFixture, GINT_TO_POINTER (1), set_up,
              test_fail_with_outputs, run_fixture_tear_down);
  run_fixture_add ("/run-end/fail-with-outputs-bytes", set_up, test_fail_with_outputs_bytes);
  run_fixture_add ("/run-end/cancelled", set_up, test_cancelled);
  run_fixture_add ("/run-end/fail-with-message", set_up, test_fail_with_message);
  run_fixture_add ("/run-end/fail-with-empty-message", set_up, test_fail_with_empty_message);
  run_fixture_add ("/run-end/merged", set_up, test_merged);
  run_fixture_add ("/run-end/separate", set_up, test_separate);
  g_test_add ("/run-end/patch-without-news", RunFixture, GINT_TO_POINTER (FALSE), set_up,
              test_patch_metadata, run_fixture_tear_down);
  g_test_add ("/run-end/patch-with-news", RunFixture, GINT_TO_POINTER (TRUE), set_up,
              test_patch_metadata, run_fixture_tear_down);
  run_fixture_add ("/run-end/second-end", set_up, test_second_end);
  run_fixture_add ("/run-end/second-end-merged", set_up, test_second_end_merged);
  run_fixture_add ("/run-end/end-then-fail", set_up, test_end_then_fail);
  run_fixture_add ("/run-end/fail-then-fail", set_up, test_fail_then_fail);
  run_fixture_add ("/run-end/fail-then-end", set_up, test_fail_then_end);
  run_fixture_add ("/run-end/fail-then-end-separate", set_up, test_fail_then_end_separate);
  run_fixture_add ("/run-end/late-details", set_up, test_late_details);
  run_fixture_add ("/run-end/never-ended", set_up, test_never_ended);
  run_fixture_add ("/run-end/promoted", set_up_tiny, test_promoted);
  run_fixture_add ("/run-end/evicted", set_up_tiny, test_evicted);
  return g_test_run ();
}
