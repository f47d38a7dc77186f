/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <lsobs/lsobs.h>

#include "tests/lib/run-helpers.h"
#include "tests/lib/test-utils.h"

#define R     "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define L     "019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5"
#define T     "019ca8bb-f72e-7c32-ae50-7d9f41b2c3e6"
#define OTHER "019ca8bb-fab2-7d43-bf61-8ea052c3d4f7"

#define R_PATH "20260301T093015250000Z" R
#define L_PATH R_PATH ".20260301T093015262000Z" L
#define T_PATH L_PATH ".20260301T093016750000Z" T

#define R_START G_GINT64_CONSTANT (1772357415250000)
#define L_START G_GINT64_CONSTANT (1772357415262000)

/* The queue is emptied by flushing only, so that what meets in it is certain. */
typedef struct
{
  GMainContext *context;
  LsobsMemoryTransport *transport;
  LsobsExporter *exporter;
} Fixture;

static void
set_up_at_rate (Fixture *fixture, double rate)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, "helpdesk");
  g_autoptr (GError) error = NULL;

  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  lsobs_config_set_sampling_rate (config, rate);
  fixture->context = g_main_context_new ();
  fixture->transport = lsobs_memory_transport_new ();
  fixture->exporter =
      g_initable_new (LSOBS_TYPE_EXPORTER, NULL, &error, "config", config, "transport",
                      fixture->transport, "main-context", fixture->context, NULL);
  g_assert_no_error (error);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  set_up_at_rate (fixture, 1.0);
}

static void
set_up_unsampled (Fixture *fixture, gconstpointer data)
{
  set_up_at_rate (fixture, 0.0);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  test_shut_down (fixture->exporter, TEST_TIMEOUT_MS);
  g_assert_finalize_object (fixture->exporter);
  test_assert_finalizes (fixture->transport);
  g_main_context_unref (fixture->context);
}

/* What is delivered from now on. */
static GPtrArray *
flush (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  lsobs_memory_transport_clear (fixture->transport);
  lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, &error);
  g_assert_no_error (error);
  return lsobs_memory_transport_dup_events (fixture->transport);
}

static LsobsRunEvent *
flush_one (Fixture *fixture)
{
  g_autoptr (GPtrArray) events = flush (fixture);

  g_assert_cmpuint (events->len, ==, 1);
  return lsobs_run_event_ref (events->pdata[0]);
}

/* Takes @event over. */
static void
enqueue (Fixture *fixture, LsobsRunEvent *event)
{
  g_autoptr (GError) error = NULL;
  gboolean accepted = lsobs_exporter_enqueue (fixture->exporter, event, &error);

  g_assert_no_error (error);
  g_assert_true (accepted);
  lsobs_run_event_unref (event);
}

/* Takes @event over. */
static void
refuse (Fixture *fixture, LsobsRunEvent *event)
{
  guint64 n_before = test_get_counter (fixture->exporter, LSOBS_COUNTER_ENQUEUED);
  g_autoptr (GError) error = NULL;

  g_assert_false (lsobs_exporter_enqueue (fixture->exporter, event, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN);
  g_assert_false (lsobs_exporter_enqueue (fixture->exporter, event, NULL));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_ENQUEUED), ==, n_before);
  lsobs_run_event_unref (event);
}

static LsobsRunEvent *
make_start (const char *id, const char *parent_id)
{
  g_autoptr (JsonNode) inputs = run_json ("{\"in\":1}");

  return lsobs_run_event_new_start (id, parent_id, "run", LSOBS_RUN_TYPE_TOOL, inputs);
}

static LsobsRunEvent *
make_end (const char *id, const char *error_text)
{
  g_autoptr (JsonNode) outputs = run_json ("{\"out\":2}");

  return lsobs_run_event_new_update (id, outputs, error_text);
}

static LsobsRunEvent *
in_trace (LsobsRunEvent *event, const char *trace_id, const char *dotted_order)
{
  lsobs_run_event_set_trace (event, trace_id, dotted_order);
  return event;
}

/* By id through an exporter */

static void
test_start_and_end (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunEvent) event = NULL;

  enqueue (fixture, make_start (R, NULL));
  enqueue (fixture, make_end (R, NULL));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_MERGED), ==, 1);
  event = flush_one (fixture);
  g_assert_cmpint (lsobs_run_event_get_kind (event), ==, LSOBS_RUN_EVENT_KIND_START);
  g_assert_cmpint (lsobs_run_event_get_status (event), ==, LSOBS_RUN_STATUS_COMPLETED);
  g_assert_cmpstr (lsobs_run_event_get_id (event), ==, R);
  g_assert_cmpstr (lsobs_run_event_get_trace_id (event), ==, R);
  g_assert_null (lsobs_run_event_get_parent_id (event));
  g_assert_cmpstr (lsobs_run_event_get_name (event), ==, "run");
  g_assert_cmpint (lsobs_run_event_get_run_type (event), ==, LSOBS_RUN_TYPE_TOOL);
  g_assert_cmpstr (lsobs_run_event_get_project_name (event), ==, "helpdesk");
  /* The time of the id, and an end not before it. */
  g_assert_cmpstr (lsobs_run_event_get_dotted_order (event), ==, R_PATH);
  g_assert_cmpint (lsobs_run_event_get_start_time (event), ==, R_START);
  g_assert_cmpint (lsobs_run_event_get_end_time (event), >, R_START);
  run_assert_node (lsobs_run_event_get_inputs (event), "{\"in\":1}");
  run_assert_node (lsobs_run_event_get_outputs (event), "{\"out\":2}");
}

static void
test_end_later (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunEvent) start = NULL;
  g_autoptr (LsobsRunEvent) end = NULL;
  gint64 before = g_get_real_time ();

  enqueue (fixture, make_start (R, NULL));
  start = flush_one (fixture);
  g_assert_cmpint (lsobs_run_event_get_status (start), ==, LSOBS_RUN_STATUS_RUNNING);
  enqueue (fixture, make_end (R, "no luck"));
  end = flush_one (fixture);
  g_assert_cmpint (lsobs_run_event_get_kind (end), ==, LSOBS_RUN_EVENT_KIND_UPDATE);
  g_assert_cmpint (lsobs_run_event_get_status (end), ==, LSOBS_RUN_STATUS_FAILED);
  /* It says as much as the start did. */
  g_assert_cmpstr (lsobs_run_event_get_name (end), ==, "run");
  g_assert_cmpint (lsobs_run_event_get_run_type (end), ==, LSOBS_RUN_TYPE_TOOL);
  g_assert_cmpstr (lsobs_run_event_get_dotted_order (end), ==, R_PATH);
  g_assert_cmpint (lsobs_run_event_get_end_time (end), >=, before);
  g_assert_null (lsobs_run_event_get_inputs (end));
  run_assert_node (lsobs_run_event_get_outputs (end), "{\"out\":2}");
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_UNKNOWN_UPDATES), ==, 0);
}

static void
test_complete_start (Fixture *fixture, gconstpointer data)
{
  LsobsRunEvent *start = make_start (R, NULL);
  g_autoptr (LsobsRunEvent) event = NULL;

  lsobs_run_event_set_start_time (start, R_START + 500);
  lsobs_run_event_set_end_time (start, R_START + 900);
  enqueue (fixture, start);
  event = flush_one (fixture);
  g_assert_cmpint (lsobs_run_event_get_start_time (event), ==, R_START + 500);
  g_assert_cmpint (lsobs_run_event_get_end_time (event), ==, R_START + 900);
  g_assert_cmpint (lsobs_run_event_get_status (event), ==, LSOBS_RUN_STATUS_COMPLETED);
}

/* An id that knows no time. */
static void
test_version_4 (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunEvent) event = NULL;
  gint64 before = g_get_real_time ();

  enqueue (fixture, make_start ("11111111-2222-4333-8444-555555555555", NULL));
  event = flush_one (fixture);
  g_assert_cmpint (lsobs_run_event_get_start_time (event), >=, before);
}

static void
test_upper_case (Fixture *fixture, gconstpointer data)
{
  g_autofree char *upper = g_ascii_strup (R, -1);
  g_autoptr (LsobsRunEvent) event = NULL;

  enqueue (fixture, make_start (upper, NULL));
  refuse (fixture, make_start (R, NULL));
  enqueue (fixture, make_end (R, NULL));
  event = flush_one (fixture);
  g_assert_cmpstr (lsobs_run_event_get_id (event), ==, R);
}

static void
test_unknown_update (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunEvent) event = NULL;

  enqueue (fixture, make_end (R, "no luck"));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_UNKNOWN_UPDATES), ==, 1);
  event = flush_one (fixture);
  g_assert_cmpint (lsobs_run_event_get_kind (event), ==, LSOBS_RUN_EVENT_KIND_START);
  g_assert_cmpint (lsobs_run_event_get_status (event), ==, LSOBS_RUN_STATUS_FAILED);
  g_assert_cmpstr (lsobs_run_event_get_error_text (event), ==, "no luck");
  g_assert_cmpstr (lsobs_run_event_get_dotted_order (event), ==, R_PATH);
  g_assert_cmpint (lsobs_run_event_get_end_time (event), !=, 0);
  run_assert_node (lsobs_run_event_get_inputs (event), "{}");
  run_assert_node (lsobs_run_event_get_outputs (event), "{\"out\":2}");
}

/* The path tells the parent, since an update has no other way to. */
static void
test_unknown_child_update (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunEvent) event = NULL;

  enqueue (fixture, in_trace (make_end (L, NULL), R, L_PATH));
  event = flush_one (fixture);
  g_assert_cmpint (lsobs_run_event_get_kind (event), ==, LSOBS_RUN_EVENT_KIND_START);
  g_assert_cmpstr (lsobs_run_event_get_parent_id (event), ==, R);
  g_assert_cmpstr (lsobs_run_event_get_trace_id (event), ==, R);
  g_assert_cmpstr (lsobs_run_event_get_dotted_order (event), ==, L_PATH);
}

static void
test_start_twice (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunEvent) event = NULL;

  enqueue (fixture, make_start (R, NULL));
  refuse (fixture, make_start (R, NULL));
  enqueue (fixture, make_end (R, NULL));
  refuse (fixture, make_start (R, NULL));
  event = flush_one (fixture);
  g_assert_cmpint (lsobs_run_event_get_status (event), ==, LSOBS_RUN_STATUS_COMPLETED);
}

/* Children */

static void
test_children (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) events = NULL;
  LsobsRunEvent *early = make_start (T, L);

  enqueue (fixture, make_start (R, NULL));
  enqueue (fixture, make_start (L, R));
  /* Earlier than its parent, which the service refuses. */
  lsobs_run_event_set_start_time (early, R_START - 5);
  enqueue (fixture, early);
  events = flush (fixture);
  g_assert_cmpuint (events->len, ==, 3);
  g_assert_cmpstr (lsobs_run_event_get_parent_id (events->pdata[1]), ==, R);
  g_assert_cmpstr (lsobs_run_event_get_trace_id (events->pdata[1]), ==, R);
  g_assert_cmpstr (lsobs_run_event_get_dotted_order (events->pdata[1]), ==, L_PATH);
  g_assert_cmpstr (lsobs_run_event_get_parent_id (events->pdata[2]), ==, L);
  g_assert_cmpstr (lsobs_run_event_get_trace_id (events->pdata[2]), ==, R);
  g_assert_cmpstr (lsobs_run_event_get_dotted_order (events->pdata[2]), ==,
                   L_PATH ".20260301T093015262000Z" T);
}

static void
test_unknown_parent (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunEvent) event = NULL;

  refuse (fixture, make_start (L, R));
  /* Nothing of it is remembered. */
  enqueue (fixture, in_trace (make_start (L, R), R, L_PATH));
  enqueue (fixture, make_end (L, NULL));
  event = flush_one (fixture);
  g_assert_cmpstr (lsobs_run_event_get_parent_id (event), ==, R);
  g_assert_cmpstr (lsobs_run_event_get_dotted_order (event), ==, L_PATH);
}

static void
test_below_unknown_parent (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) events = NULL;

  enqueue (fixture, in_trace (make_start (L, R), R, L_PATH));
  enqueue (fixture, make_start (T, L));
  events = flush (fixture);
  g_assert_cmpuint (events->len, ==, 2);
  g_assert_cmpstr (lsobs_run_event_get_trace_id (events->pdata[1]), ==, R);
  g_assert_cmpstr (lsobs_run_event_get_dotted_order (events->pdata[1]), ==, T_PATH);
}

/* Identities that the service refuses, and a whole batch for them */

typedef struct
{
  const char *path;
  const char *id;
  const char *parent_id;
  const char *trace_id; /* (nullable) */
  const char *order;
} BadRow;

static const BadRow bad_rows[] = {
  { "d1", L, NULL, R, L_PATH },
  { "d2", R, OTHER, R, R_PATH },
  { "d3", L, R, L, L_PATH },
  { "d4", T, R, R, L_PATH },
  { "d5", L, OTHER, R, L_PATH },
  { "d6", L, R, R, R_PATH ".20260301T093015249999Z" L },
  { "d7-milliseconds", R, NULL, R, "20260301T093015250Z" R },
  { "d7-nanoseconds", R, NULL, R, "20260301T093015250000000Z" R },
  { "order-garbage", R, NULL, R, "garbage" },
  { "order-empty", R, NULL, R, "" },
  { "trace-garbage", R, NULL, "garbage", R_PATH },
  { "id-word", "run", NULL, NULL, NULL },
  { "id-empty", "", NULL, NULL, NULL },
  { "id-short", "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c", NULL, NULL, NULL },
  { "id-long", R "0", NULL, NULL, NULL },
  { "id-path", "../" R, NULL, NULL, NULL },
  { "id-header", R "\r\nX-Evil: 1", NULL, NULL, NULL },
  { "parent-word", R, "parent", NULL, NULL },
  { "parent-empty", R, "", NULL, NULL },
};

static void
test_bad (Fixture *fixture, gconstpointer data)
{
  const BadRow *row = data;
  LsobsRunEvent *bad = make_start (row->id, row->parent_id);
  g_autoptr (GPtrArray) events = NULL;

  if (row->order != NULL)
    lsobs_run_event_set_trace (bad, row->trace_id, row->order);
  enqueue (fixture, make_start (OTHER, NULL));
  refuse (fixture, bad);
  enqueue (fixture, make_end (OTHER, NULL));
  enqueue (fixture, make_start (R, NULL));
  events = flush (fixture);
  g_assert_cmpuint (events->len, ==, 2);
  g_assert_cmpstr (lsobs_run_event_get_id (events->pdata[0]), ==, OTHER);
  g_assert_cmpint (lsobs_run_event_get_status (events->pdata[0]), ==, LSOBS_RUN_STATUS_COMPLETED);
  g_assert_cmpstr (lsobs_run_event_get_id (events->pdata[1]), ==, R);
}

/* After the end */

static void
test_outputs_after_failure (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunEvent) event = NULL;

  enqueue (fixture, make_start (R, NULL));
  enqueue (fixture, lsobs_run_event_new_update (R, NULL, "first"));
  enqueue (fixture, make_end (R, "second"));
  event = flush_one (fixture);
  g_assert_cmpint (lsobs_run_event_get_status (event), ==, LSOBS_RUN_STATUS_FAILED);
  g_assert_cmpstr (lsobs_run_event_get_error_text (event), ==, "first");
  run_assert_node (lsobs_run_event_get_outputs (event), "{\"out\":2}");
}

/* The same, when the start has left already. */
static void
test_outputs_after_taken (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunEvent) start = NULL;
  g_autoptr (LsobsRunEvent) event = NULL;

  enqueue (fixture, make_start (R, NULL));
  start = flush_one (fixture);
  enqueue (fixture, lsobs_run_event_new_update (R, NULL, "first"));
  enqueue (fixture, make_end (R, NULL));
  event = flush_one (fixture);
  g_assert_cmpstr (lsobs_run_event_get_error_text (event), ==, "first");
  run_assert_node (lsobs_run_event_get_outputs (event), "{\"out\":2}");
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_LATE_UPDATES), ==, 0);
}

static void
test_error_after_completion (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunEvent) event = NULL;

  enqueue (fixture, make_start (R, NULL));
  enqueue (fixture, make_end (R, NULL));
  enqueue (fixture, lsobs_run_event_new_update (R, NULL, "too late"));
  event = flush_one (fixture);
  g_assert_cmpint (lsobs_run_event_get_status (event), ==, LSOBS_RUN_STATUS_COMPLETED);
  g_assert_null (lsobs_run_event_get_error_text (event));
  run_assert_node (lsobs_run_event_get_outputs (event), "{\"out\":2}");
}

static void
test_after_shutdown (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsStats) stats = NULL;

  g_assert_true (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  enqueue (fixture, make_start (R, NULL));
  stats = lsobs_exporter_dup_stats (fixture->exporter);
  g_assert_cmpuint (lsobs_stats_get_dropped (stats, LSOBS_DROP_REASON_SHUTDOWN), ==, 1);
}

static void
test_unsampled (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) events = NULL;

  enqueue (fixture, make_start (R, NULL));
  enqueue (fixture, make_start (L, R));
  refuse (fixture, make_start (L, R));
  enqueue (fixture, make_end (L, "no luck"));
  enqueue (fixture, make_end (R, NULL));
  enqueue (fixture, make_end (T, NULL));
  events = flush (fixture);
  g_assert_cmpuint (events->len, ==, 0);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_ENQUEUED), ==, 0);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_UNSAMPLED), >=, 2);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define ADD(path, data, func) g_test_add (path, Fixture, data, set_up, func, tear_down)
  ADD ("/run-event/by-id/start-and-end", NULL, test_start_and_end);
  ADD ("/run-event/by-id/end-later", NULL, test_end_later);
  ADD ("/run-event/by-id/complete-start", NULL, test_complete_start);
  ADD ("/run-event/by-id/version-4", NULL, test_version_4);
  ADD ("/run-event/by-id/upper-case", NULL, test_upper_case);
  ADD ("/run-event/by-id/unknown-update", NULL, test_unknown_update);
  ADD ("/run-event/by-id/unknown-child-update", NULL, test_unknown_child_update);
  ADD ("/run-event/by-id/start-twice", NULL, test_start_twice);
  ADD ("/run-event/by-id/children", NULL, test_children);
  ADD ("/run-event/by-id/unknown-parent", NULL, test_unknown_parent);
  ADD ("/run-event/by-id/below-unknown-parent", NULL, test_below_unknown_parent);
  for (guint i = 0; i < G_N_ELEMENTS (bad_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/run-event/bad/", bad_rows[i].path, NULL);

      ADD (path, &bad_rows[i], test_bad);
    }
  ADD ("/run-event/after/failure", NULL, test_outputs_after_failure);
  ADD ("/run-event/after/taken", NULL, test_outputs_after_taken);
  ADD ("/run-event/after/completion", NULL, test_error_after_completion);
  ADD ("/run-event/after/shutdown", NULL, test_after_shutdown);
  g_test_add ("/run-event/unsampled", Fixture, NULL, set_up_unsampled, test_unsampled, tear_down);

  return g_test_run ();
}
