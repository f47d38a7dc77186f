/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The transport for the tests of programs. */

#include "config.h"

#include <string.h>

#include "tests/lib/test-helpers.h"

typedef struct
{
  LsobsConfig *config;          /* (owned) */
  LsobsMemoryTransport *memory; /* (owned) */
  LsobsObserver *observer;      /* (owned) (nullable) */
  LsobsExporter *exporter;      /* (unowned) */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  /* no address is ever asked, and no key needed */
  fixture->config = lsobs_config_new (NULL, TEST_PROJECT);
  lsobs_config_set_flush_interval (fixture->config, TEST_NEVER_MS);
  lsobs_config_set_shutdown_timeout (fixture->config, 300);
  fixture->memory = lsobs_memory_transport_new ();
  test_log_clear ();
}

static void
start (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  fixture->observer = lsobs_observer_new_with_transport (fixture->config,
                                                         LSOBS_TRANSPORT (fixture->memory), &error);
  g_assert_no_error (error);
  fixture->exporter = lsobs_observer_get_exporter (fixture->observer);
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_drain_context ();
  test_assert_books (fixture->exporter);
  test_shut_down (fixture->exporter, 300);
  g_assert_finalize_object (fixture->observer);
  test_assert_finalizes (fixture->memory);
  g_object_unref (fixture->config);
}

/* --- events -------------------------------------------------------------------------------- */

static void
assert_text (JsonNode *node, const char *text)
{
  g_assert_nonnull (node);
  g_assert_cmpstr (json_object_get_string_member (json_node_get_object (node), "text"), ==, text);
}

/* As they leave the process: redacted, cut, complete. */
static void
test_events (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) inputs = test_new_payload ("my secret and more than sixteen bytes");
  g_autoptr (JsonNode) outputs = test_new_payload ("no secrets");
  g_autoptr (LsobsRun) root = NULL;
  g_autoptr (LsobsRun) child = NULL;
  g_autofree char *root_id = NULL;
  g_autofree char *child_id = NULL;
  g_autofree char *trace_id = NULL;
  g_autofree char *dotted_order = NULL;
  g_autoptr (GPtrArray) events = NULL;
  LsobsRunEvent *event;

  lsobs_config_set_redact_regex (fixture->config, "secret");
  lsobs_config_set_max_string_bytes (fixture->config, 16);
  start (fixture);
  root = lsobs_observer_start_run (fixture->observer, "root", LSOBS_RUN_TYPE_CHAIN, inputs);
  child = lsobs_run_start_child (root, "child", LSOBS_RUN_TYPE_TOOL, NULL);
  lsobs_run_add_tag (child, "a-secret-tag");
  lsobs_run_set_metadata_string (child, "who", "secret");
  lsobs_run_add_event (child, "step", outputs);
  lsobs_run_fail_with_message (child, "secret broke");
  lsobs_run_end (root, outputs);
  root_id = lsobs_run_dup_id (root);
  child_id = lsobs_run_dup_id (child);
  trace_id = lsobs_run_dup_trace_id (child);
  dotted_order = lsobs_run_dup_dotted_order (child);
  test_assert_flush (fixture->exporter, 2);

  events = lsobs_memory_transport_dup_events (fixture->memory);
  g_assert_cmpuint (events->len, ==, 2);
  g_assert_cmpuint (lsobs_memory_transport_get_n_batches (fixture->memory), ==, 1);

  event = g_ptr_array_index (events, 0);
  g_assert_cmpint (lsobs_run_event_get_kind (event), ==, LSOBS_RUN_EVENT_KIND_START);
  g_assert_cmpstr (lsobs_run_event_get_id (event), ==, root_id);
  g_assert_null (lsobs_run_event_get_parent_id (event));
  g_assert_cmpstr (lsobs_run_event_get_name (event), ==, "root");
  g_assert_cmpstr (lsobs_run_event_get_project_name (event), ==, TEST_PROJECT);
  g_assert_cmpint (lsobs_run_event_get_status (event), ==, LSOBS_RUN_STATUS_COMPLETED);
  g_assert_cmpint (lsobs_run_event_get_start_time (event), ==, lsobs_run_get_start_time (root));
  g_assert_cmpint (lsobs_run_event_get_end_time (event), >=, lsobs_run_get_start_time (root));
  assert_text (lsobs_run_event_get_inputs (event), "my [REDACTED] an");
  assert_text (lsobs_run_event_get_outputs (event), "no [REDACTED]s");

  event = g_ptr_array_index (events, 1);
  g_assert_cmpstr (lsobs_run_event_get_id (event), ==, child_id);
  g_assert_cmpstr (lsobs_run_event_get_parent_id (event), ==, root_id);
  g_assert_cmpstr (lsobs_run_event_get_trace_id (event), ==, trace_id);
  g_assert_cmpstr (lsobs_run_event_get_dotted_order (event), ==, dotted_order);
  g_assert_cmpint (lsobs_run_event_get_run_type (event), ==, LSOBS_RUN_TYPE_TOOL);
  g_assert_cmpint (lsobs_run_event_get_status (event), ==, LSOBS_RUN_STATUS_FAILED);
  g_assert_true (g_str_has_prefix (lsobs_run_event_get_error_text (event), "[REDACTED]"));
  g_assert_cmpstr (lsobs_run_event_get_tags (event)[0], ==, "a-[REDACTED]-tag");
  g_assert_null (lsobs_run_event_get_tags (event)[1]);
  g_assert_nonnull (lsobs_run_event_get_extra (event));
  g_assert_true (JSON_NODE_HOLDS_ARRAY (lsobs_run_event_get_events (event)));
}

static void
test_update (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GPtrArray) events = NULL;
  LsobsRunEvent *event;

  start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_LLM, NULL);
  test_assert_flush (fixture->exporter, 1);
  lsobs_run_end (run, NULL);
  test_assert_flush (fixture->exporter, 1);

  events = lsobs_memory_transport_dup_events (fixture->memory);
  g_assert_cmpuint (events->len, ==, 2);
  event = g_ptr_array_index (events, 0);
  g_assert_cmpint (lsobs_run_event_get_kind (event), ==, LSOBS_RUN_EVENT_KIND_START);
  g_assert_cmpint (lsobs_run_event_get_status (event), ==, LSOBS_RUN_STATUS_RUNNING);
  g_assert_cmpint (lsobs_run_event_get_end_time (event), ==, 0);
  event = g_ptr_array_index (events, 1);
  g_assert_cmpint (lsobs_run_event_get_kind (event), ==, LSOBS_RUN_EVENT_KIND_UPDATE);
  g_assert_cmpint (lsobs_run_event_get_status (event), ==, LSOBS_RUN_STATUS_COMPLETED);
  g_assert_cmpint (lsobs_run_event_get_end_time (event), >=,
                   lsobs_run_event_get_start_time (event));
}

static void
test_clear (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  start (fixture);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GPtrArray) events = NULL;
      g_autoptr (GPtrArray) none = NULL;

      test_emit_many (fixture->exporter, 3);
      test_assert_flush (fixture->exporter, 3);
      events = lsobs_memory_transport_dup_events (fixture->memory);
      g_assert_cmpuint (events->len, ==, 3);
      g_assert_cmpuint (lsobs_memory_transport_get_n_batches (fixture->memory), ==, 1);
      for (guint j = 0; j < 3; j++)
        {
          g_autofree char *name = g_strdup_printf ("run-%u", j);

          g_assert_cmpstr (lsobs_run_event_get_name (g_ptr_array_index (events, j)), ==, name);
        }

      lsobs_memory_transport_clear (fixture->memory);
      none = lsobs_memory_transport_dup_events (fixture->memory);
      g_assert_cmpuint (none->len, ==, 0);
      g_assert_cmpuint (lsobs_memory_transport_get_n_batches (fixture->memory), ==, 0);
    }
}

/* --- failing on command -------------------------------------------------------------------- */

typedef struct
{
  LsobsError code;
  LsobsDropReason reason;
  LsobsState state;
  gboolean is_kept;
} Failure;

static void
test_fail_next (Fixture *fixture, gconstpointer data)
{
  const Failure *failure = data;
  g_autoptr (GError) told = g_error_new (LSOBS_ERROR, failure->code, "failing on command");
  g_autoptr (GError) error = NULL;

  start (fixture);
  lsobs_memory_transport_fail_next (fixture->memory, 1, told);
  test_emit (fixture->exporter, "run");
  error = failure->is_kept ? test_flush_in_vain (fixture->exporter, 1)
                           : test_flush_with_loss (fixture->exporter, 1);
  g_assert_nonnull (strstr (error->message, "failing on command"));
  g_assert_cmpuint (test_get_dropped (fixture->exporter, failure->reason), ==,
                    failure->is_kept ? 0 : 1);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, failure->state);
  g_assert_cmpuint (lsobs_memory_transport_get_n_batches (fixture->memory), ==, 0);

  if (failure->state != LSOBS_STATE_PAUSED || failure->is_kept)
    {
      test_emit (fixture->exporter, "run");
      test_assert_flush (fixture->exporter, failure->is_kept ? 2 : 1);
    }
}

/* A batch that fails is halved; the halves are not told to fail. */
static void
test_fail_halved (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) told = g_error_new (LSOBS_ERROR, GPOINTER_TO_INT (data), "halve it");

  start (fixture);
  lsobs_memory_transport_fail_next (fixture->memory, 2, told);
  test_emit_many (fixture->exporter, 8);
  test_assert_flush (fixture->exporter, 8);
  g_assert_cmpuint (lsobs_memory_transport_get_n_batches (fixture->memory), >=, 3);
}

static void
test_fail_cut (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) told = g_error_new (LSOBS_ERROR, LSOBS_ERROR_TOO_LARGE, "too large");
  g_autoptr (GPtrArray) events = NULL;
  JsonObject *inputs;

  start (fixture);
  lsobs_memory_transport_fail_next (fixture->memory, 1, told);
  test_emit_large (fixture->exporter, "run", 1000);
  test_assert_flush (fixture->exporter, 1);
  events = lsobs_memory_transport_dup_events (fixture->memory);
  g_assert_cmpuint (events->len, ==, 1);
  inputs = json_node_get_object (lsobs_run_event_get_inputs (g_ptr_array_index (events, 0)));
  g_assert_true (json_object_get_boolean_member (inputs, "__truncated__"));
}

static void
test_reject_run (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) events = NULL;
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;

  start (fixture);
  lsobs_memory_transport_reject_run (fixture->memory, "run-7");
  test_emit_many (fixture->exporter, 10);
  g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, &stats, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
  g_assert_cmpuint (stats.runs_flushed, ==, 9);
  g_assert_cmpuint (stats.runs_failed, ==, 1);
  events = lsobs_memory_transport_dup_events (fixture->memory);
  g_assert_cmpuint (events->len, ==, 9);
  for (guint i = 0; i < events->len; i++)
    g_assert_cmpstr (lsobs_run_event_get_name (g_ptr_array_index (events, i)), !=, "run-7");

  lsobs_memory_transport_reject_run (fixture->memory, NULL);
  test_emit_many (fixture->exporter, 10);
  test_assert_flush (fixture->exporter, 10);
}

static void
test_delay (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  gint64 began = g_get_monotonic_time ();

  start (fixture);
  lsobs_memory_transport_set_delay (fixture->memory, 100);
  test_emit_many (fixture->exporter, 3);
  test_assert_flush (fixture->exporter, 3);
  g_assert_cmpint (test_get_elapsed_ms (began), >=, 100);

  /* longer than anybody waits */
  lsobs_memory_transport_set_delay (fixture->memory, TEST_NEVER_MS);
  test_emit_many (fixture->exporter, 3);
  g_assert_false (lsobs_exporter_flush (fixture->exporter, 20, NULL, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, 3);
  began = g_get_monotonic_time ();
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, 100, NULL, NULL));
  g_assert_cmpint (test_get_elapsed_ms (began), <=, 100 + test_get_slack_ms ());
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 3);
}

#define ADD(path, data, test) g_test_add (path, Fixture, data, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  static const Failure failures[] = {
    { LSOBS_ERROR_REJECTED, LSOBS_DROP_REASON_REJECTED, LSOBS_STATE_OK, FALSE },
    { LSOBS_ERROR_REFUSED, LSOBS_DROP_REASON_REJECTED, LSOBS_STATE_DEGRADED, FALSE },
    { LSOBS_ERROR_UNAUTHORIZED, LSOBS_DROP_REASON_UNAUTHORIZED, LSOBS_STATE_PAUSED, FALSE },
    { LSOBS_ERROR_QUOTA, LSOBS_DROP_REASON_QUOTA, LSOBS_STATE_PAUSED, FALSE },
    { LSOBS_ERROR_NOT_FOUND, LSOBS_DROP_REASON_WRONG_ADDRESS, LSOBS_STATE_PAUSED, FALSE },
    { LSOBS_ERROR_REDIRECTED, LSOBS_DROP_REASON_WRONG_ADDRESS, LSOBS_STATE_PAUSED, TRUE },
    { LSOBS_ERROR_FOREIGN, LSOBS_DROP_REASON_REJECTED, LSOBS_STATE_PAUSED, TRUE },
    { LSOBS_ERROR_UNAVAILABLE, LSOBS_DROP_REASON_UNAVAILABLE, LSOBS_STATE_PAUSED, TRUE },
    { LSOBS_ERROR_UNREACHABLE, LSOBS_DROP_REASON_UNAVAILABLE, LSOBS_STATE_PAUSED, TRUE },
  };

  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("/memory-transport/events", NULL, test_events);
  ADD ("/memory-transport/update", NULL, test_update);
  ADD ("/memory-transport/clear", NULL, test_clear);
  for (guint i = 0; i < G_N_ELEMENTS (failures); i++)
    {
      g_autofree char *path = g_strdup_printf ("/memory-transport/fail/%u", failures[i].code);

      ADD (path, &failures[i], test_fail_next);
    }
  ADD ("/memory-transport/fail/halved-rejected", GINT_TO_POINTER (LSOBS_ERROR_REJECTED),
       test_fail_halved);
  ADD ("/memory-transport/fail/halved-too-large", GINT_TO_POINTER (LSOBS_ERROR_TOO_LARGE),
       test_fail_halved);
  ADD ("/memory-transport/fail/halved-conflict", GINT_TO_POINTER (LSOBS_ERROR_CONFLICT),
       test_fail_halved);
  ADD ("/memory-transport/fail/cut", NULL, test_fail_cut);
  ADD ("/memory-transport/reject-run", NULL, test_reject_run);
  ADD ("/memory-transport/delay", NULL, test_delay);

  return g_test_run ();
}
