/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Updates and their creates: in which order they leave, and what becomes of one without the other. */

#include "config.h"

#include <string.h>

#include "tests/lib/test-helpers.h"

/* (nullable) (transfer full): the first request with the operation */
static TestRequest *
find_request (TestServer *server, const char *op, const char *id)
{
  g_autoptr (GPtrArray) requests = test_server_dup_ingest (server);

  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);

      if (request->wire != NULL && wire_request_find (request->wire, op, id) != NULL)
        return test_request_ref (request);
    }

  return NULL;
}

static LsobsRun *
start_run (TestFixture *fixture, const char *name)
{
  g_autoptr (JsonNode) inputs = test_new_payload ("in");

  return lsobs_observer_start_run (fixture->observer, name, LSOBS_RUN_TYPE_TOOL, inputs);
}

static void
end_run (LsobsRun *run)
{
  g_autoptr (JsonNode) outputs = test_new_payload ("out");

  lsobs_run_end (run, outputs);
}

/* --- order --------------------------------------------------------------------------------- */

/* The create is under way when the run ends: the end waits, what comes after it does not. */
static void
test_held_back (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autofree char *id = NULL;
  g_autoptr (TestRequest) create = NULL;
  g_autoptr (TestRequest) update = NULL;
  g_autoptr (TestRequest) early = NULL;

  lsobs_config_set_ingest_mode (fixture->config, (LsobsIngestMode) GPOINTER_TO_INT (data));
  lsobs_config_set_max_batch_size (fixture->config, 1);
  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  run = start_run (fixture, "run");
  id = lsobs_run_dup_id (run);
  g_assert_true (test_server_wait_requests (fixture->server, 1, TEST_TIMEOUT_MS));
  end_run (run);
  test_emit (fixture->exporter, "other");
  g_assert_true (test_server_wait_requests (fixture->server, 2, TEST_TIMEOUT_MS));
  early = find_request (fixture->server, "patch", id);
  g_assert_null (early);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_IN_FLIGHT), ==, 3);

  test_server_release (fixture->server);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  create = find_request (fixture->server, "post", id);
  update = find_request (fixture->server, "patch", id);
  g_assert_nonnull (create);
  g_assert_nonnull (update);
  g_assert_cmpint (create->time, <, update->time);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 3);
}

static void
run_context (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* A create that does not get on, and no end of what has to wait for it: that is kept in the queue, which has
 * its bounds. */
static void
test_held_back_bounds (gconstpointer data)
{
  const gsize comment_len = GPOINTER_TO_SIZE (data);
  g_autofree char *comment = g_strnfill (comment_len, 'x');
  g_autoptr (LsobsConfig) config = lsobs_config_new ("key", "project");
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (LsobsRun) run = NULL;
  LsobsExporter *exporter;

  lsobs_memory_transport_set_delay (transport, 1000 * TEST_TIMEOUT_MS);
  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  lsobs_config_set_max_in_flight (config, 2);
  lsobs_config_set_max_batch_size (config, 3);
  lsobs_config_set_queue_capacity (config, 10);
  lsobs_config_set_max_queue_bytes (config, 10000);
  observer = g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error, "config", config, "transport",
                             transport, "main-context", g_main_context_default (), NULL);
  g_assert_no_error (error);
  exporter = lsobs_observer_get_exporter (observer);
  run = lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_TOOL, NULL);
  lsobs_exporter_flush (exporter, 0, NULL, NULL);
  run_context ();
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_IN_FLIGHT), ==, 1);

  for (guint i = 0; i < 100; i++)
    {
      g_assert_true (lsobs_run_add_feedback (run, "key", 1, comment, NULL));
      lsobs_exporter_flush (exporter, 0, NULL, NULL);
      run_context ();
    }
  /* Two requests' worth of records, or as many bytes as the queue has, and what was taken at once. */
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_IN_FLIGHT), <=,
                    comment_len == 0 ? 1 + 2 * 3 : 1 + 10000 / comment_len + 1);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_QUEUED), >, 0);
  test_assert_books (exporter);

  /* The rest is not forgotten. */
  lsobs_exporter_shutdown (exporter, 0, NULL, NULL);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_QUEUED), ==, 0);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_IN_FLIGHT), ==, 0);
  test_assert_books (exporter);
}

/* The creates of all updates in a request must have been answered before. */
typedef struct
{
  GMutex lock;         /* guards all below */
  GHashTable *creates; /* (owned) (element-type utf8 TestRequest) by id */
  guint n_early;       /* updates that did not wait */
} OrderCheck;

static gboolean
is_answered (TestRequest *request)
{
  return request != NULL && test_request_get_status (request) != 0;
}

/* Called in the server's thread. */
static gboolean
check_order_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  OrderCheck *check = data;

  g_mutex_lock (&check->lock);
  for (guint i = 0; request->wire != NULL && i < request->wire->ops->len; i++)
    {
      WireOp *op = g_ptr_array_index (request->wire->ops, i);

      if (strcmp (op->op, "post") == 0)
        g_hash_table_insert (check->creates, g_strdup (op->id), test_request_ref (request));
      else if (!is_answered (g_hash_table_lookup (check->creates, op->id)))
        check->n_early++;
    }
  /* so that answers overtake each other */
  answer->delay_ms = 1 + g_hash_table_size (check->creates) % 3;
  g_mutex_unlock (&check->lock);

  return TRUE;
}

static void
test_order_under_load (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  OrderCheck check = { .n_early = 0 };
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) open = g_ptr_array_new_with_free_func ((GDestroyNotify) lsobs_run_unref);

  g_mutex_init (&check.lock);
  check.creates =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) test_request_unref);
  lsobs_config_set_max_batch_size (fixture->config, 3);
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, check_order_cb, &check);

  for (guint i = 0; i < 25; i++)
    {
      guint n_before = test_server_count_requests (fixture->server, NULL);

      for (guint j = 0; j < 12; j++)
        g_ptr_array_add (open, start_run (fixture, "run"));
      /* some of the creates are under way now, others still wait */
      g_assert_true (test_server_wait_requests (fixture->server, n_before + 1, TEST_TIMEOUT_MS));
      /* those first whose creates are answered last */
      for (guint j = 12; j > 0; j--)
        end_run (g_ptr_array_index (open, j - 1));
      g_ptr_array_set_size (open, 0);
    }
  lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, &error);
  g_assert_no_error (error);

  tree = test_server_build_tree (fixture->server);
  wire_tree_check (tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 300);
  g_assert_cmpuint (check.n_early, ==, 0);
  test_server_set_handler (fixture->server, NULL, NULL);
  g_hash_table_unref (check.creates);
  g_mutex_clear (&check.lock);
}

/* --- promotion ----------------------------------------------------------------------------- */

static void
assert_promoted (TestFixture *fixture, const char *id)
{
  g_autoptr (WireTree) tree = test_server_build_tree (fixture->server);
  WireRun *run = wire_tree_lookup (tree, id);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (run);
  wire_tree_check (tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (run->name, ==, "run");
  g_assert_cmpstr (run->run_type, ==, "tool");
  g_assert_cmpuint (run->n_posts, ==, 1);
  g_assert_cmpuint (run->n_patches, ==, 0);
  g_assert_cmpint (run->end_us, >=, run->start_us);
  g_assert_cmpstr (wire_run_get_string (run, "outputs.text"), ==, "out");
  g_assert_cmpstr (wire_run_get_string (run, "session_name"), ==, TEST_PROJECT);
  g_assert_nonnull (wire_run_get (run, "inputs"));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_PROMOTED), ==, 1);
}

/* The create was refused before the run ended. */
static void
test_promoted (TestFixture *fixture, gconstpointer data)
{
  guint status = GPOINTER_TO_UINT (data);
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;

  fixture->is_free = TRUE; /* the same id in a second create is the very point */
  lsobs_config_set_max_attempts (fixture->config, 1);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = status });
  run = start_run (fixture, "run");
  id = lsobs_run_dup_id (run);
  error = test_flush_with_loss (fixture->exporter, 1);
  end_run (run);
  test_assert_flush (fixture->exporter, 1);
  assert_promoted (fixture, id);
}

/* The service took the create, but said so too late: the promoted one is a conflict, and the end still
 * has to get there. */
static void
test_promoted_conflict (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) requests = NULL;
  TestRequest *last;
  WireOp *op;

  fixture->is_free = TRUE;
  lsobs_config_set_max_attempts (fixture->config, 1);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 405 });
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 409 });
  run = start_run (fixture, "run");
  error = test_flush_with_loss (fixture->exporter, 1);
  end_run (run);
  test_assert_flush (fixture->exporter, 1);

  requests = test_server_dup_ingest (fixture->server);
  g_assert_cmpuint (requests->len, ==, 3);
  last = g_ptr_array_index (requests, 2);
  g_assert_cmpuint (last->wire->ops->len, ==, 1);
  op = g_ptr_array_index (last->wire->ops, 0);
  g_assert_cmpstr (op->op, ==, "patch");
  g_assert_true (json_object_has_member (op->run, "end_time"));
}

/* The create is lost while the end waits for it. */
static void
test_promoted_in_flight (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;
  g_auto (TestResult) result = TEST_RESULT_INIT;
  LsobsFlushStats stats;

  fixture->is_free = TRUE;
  lsobs_config_set_max_attempts (fixture->config, 1);
  lsobs_config_set_max_batch_size (fixture->config, 1);
  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 405 });
  run = start_run (fixture, "run");
  id = lsobs_run_dup_id (run);
  g_assert_true (test_server_wait_requests (fixture->server, 1, TEST_TIMEOUT_MS));
  end_run (run);
  lsobs_exporter_flush_async (fixture->exporter, TEST_TIMEOUT_MS, NULL, test_result_cb, &result);
  test_server_release (fixture->server);
  g_assert_false (
      lsobs_exporter_flush_finish (fixture->exporter, test_result_wait (&result), &stats, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
  g_assert_cmpuint (stats.runs_flushed, ==, 1);
  g_assert_cmpuint (stats.runs_failed, ==, 1);
  assert_promoted (fixture, id);
}

/* The create had to make room in the queue. */
static void
test_promoted_after_eviction (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (LsobsRun) run = NULL;
  g_autofree char *id = NULL;

  lsobs_config_set_queue_capacity (fixture->config, 2);
  test_fixture_start_in (fixture, context);
  run = start_run (fixture, "run");
  id = lsobs_run_dup_id (run);
  test_emit_many (fixture->exporter, 2);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_QUEUE_FULL), ==, 1);
  end_run (run);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  assert_promoted (fixture, id);
}

/* An end that finds its start still waiting makes one record of it. */
static void
test_merged (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (LsobsRun) run = NULL;
  WireRun *sent;

  test_fixture_start (fixture);
  run = start_run (fixture, "run");
  end_run (run);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_ENQUEUED), ==, 1);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_MERGED), ==, 1);
  test_assert_flush (fixture->exporter, 1);
  tree = test_server_build_tree (fixture->server);
  sent = wire_tree_get_root (tree);
  g_assert_nonnull (sent);
  g_assert_cmpuint (sent->n_posts, ==, 1);
  g_assert_cmpuint (sent->n_patches, ==, 0);
  g_assert_cmpstr (wire_run_get_string (sent, "inputs.text"), ==, "in");
  g_assert_cmpstr (wire_run_get_string (sent, "outputs.text"), ==, "out");
}

/* --- by id --------------------------------------------------------------------------------- */

static gboolean
enqueue (LsobsExporter *exporter, LsobsRunEventKind kind, const char *id, GError **error)
{
  g_autoptr (LsobsRunEvent) event =
      kind == LSOBS_RUN_EVENT_KIND_START
          ? lsobs_run_event_new_start (id, NULL, "run", LSOBS_RUN_TYPE_TOOL, NULL)
          : lsobs_run_event_new_update (id, NULL, NULL);

  return lsobs_exporter_enqueue (exporter, event, error);
}

/* A run that has ended and arrived is remembered, so that it does not become a second
 * one of the same id. */
static void
test_remembered (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char id[] = "019a0000-0000-7000-8000-000000000001";
  g_autoptr (GError) error = NULL;

  fixture->is_free = TRUE;
  test_fixture_start (fixture);
  g_assert_true (enqueue (fixture->exporter, LSOBS_RUN_EVENT_KIND_START, id, &error));
  test_assert_flush (fixture->exporter, 1);
  g_assert_false (enqueue (fixture->exporter, LSOBS_RUN_EVENT_KIND_START, id, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN);
  g_clear_error (&error);
  g_assert_true (enqueue (fixture->exporter, LSOBS_RUN_EVENT_KIND_UPDATE, id, &error));
  test_assert_flush (fixture->exporter, 1);
  g_assert_false (enqueue (fixture->exporter, LSOBS_RUN_EVENT_KIND_START, id, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN);
  test_assert_flush (fixture->exporter, 0);
}

/* An update of a run that never started is shown as a complete run. */
static void
test_unknown_update (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char id[] = "019a0000-0000-7000-8000-000000000002";
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (GError) error = NULL;

  test_fixture_start (fixture);
  g_assert_true (enqueue (fixture->exporter, LSOBS_RUN_EVENT_KIND_UPDATE, id, &error));
  test_assert_flush (fixture->exporter, 1);
  tree = test_server_build_tree (fixture->server);
  wire_tree_check (tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_UNKNOWN_UPDATES), ==, 1);
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, test_fixture_set_up, test, test_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("/exporter/order/held-back/multipart", GINT_TO_POINTER (LSOBS_INGEST_MODE_MULTIPART),
       test_held_back);
  ADD ("/exporter/order/held-back/batch", GINT_TO_POINTER (LSOBS_INGEST_MODE_BATCH),
       test_held_back);
  ADD ("/exporter/order/held-back/runs", GINT_TO_POINTER (LSOBS_INGEST_MODE_RUNS), test_held_back);
  g_test_add_data_func ("/exporter/order/held-back/bounds/records", GSIZE_TO_POINTER (0),
                        test_held_back_bounds);
  g_test_add_data_func ("/exporter/order/held-back/bounds/bytes", GSIZE_TO_POINTER (4000),
                        test_held_back_bounds);
  ADD ("/exporter/order/under-load", NULL, test_order_under_load);
  ADD ("/exporter/promoted/refused", GUINT_TO_POINTER (405), test_promoted);
  ADD ("/exporter/promoted/rejected", GUINT_TO_POINTER (422), test_promoted);
  ADD ("/exporter/promoted/conflict", NULL, test_promoted_conflict);
  ADD ("/exporter/promoted/in-flight", NULL, test_promoted_in_flight);
  ADD ("/exporter/promoted/evicted", NULL, test_promoted_after_eviction);
  ADD ("/exporter/merged", NULL, test_merged);
  ADD ("/exporter/by-id/remembered", NULL, test_remembered);
  ADD ("/exporter/by-id/unknown-update", NULL, test_unknown_update);

  return g_test_run ();
}
