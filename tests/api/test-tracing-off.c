/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/lib/fork-helpers.h"

/* An observer that does nothing, and takes every call as any other does. */

#define REMOTE "https://traces.example.com"
#define N_RUNS 100

/* What must not be looked at: to read it is a crash. */
static gpointer untouchable;

/* --- what must not be called --- */

typedef struct
{
  GObject parent_instance;
} NeverTransport;

typedef struct
{
  GObjectClass parent_class;
} NeverTransportClass;

static void
never_transport_send_async (LsobsTransport *transport G_GNUC_UNUSED,
                            LsobsBatch *batch G_GNUC_UNUSED,
                            GCancellable *cancellable G_GNUC_UNUSED,
                            GAsyncReadyCallback callback G_GNUC_UNUSED,
                            gpointer user_data G_GNUC_UNUSED)
{
  g_error ("Something was sent");
}

static void
never_transport_iface_init (LsobsTransportInterface *iface)
{
  iface->send_async = never_transport_send_async;
}

static GType never_transport_get_type (void);
G_DEFINE_TYPE_WITH_CODE (NeverTransport,
                         never_transport,
                         G_TYPE_OBJECT,
                         G_IMPLEMENT_INTERFACE (LSOBS_TYPE_TRANSPORT, never_transport_iface_init))

static void
never_transport_class_init (NeverTransportClass *klass G_GNUC_UNUSED)
{
}

static void
never_transport_init (NeverTransport *self G_GNUC_UNUSED)
{
}

typedef struct
{
  GObject parent_instance;
} NeverSampler;

typedef struct
{
  GObjectClass parent_class;
} NeverSamplerClass;

static gboolean
never_sampler_should_sample (LsobsSampler *sampler G_GNUC_UNUSED,
                             const char *trace_id G_GNUC_UNUSED)
{
  g_error ("The sampler was asked");
  return TRUE;
}

static void
never_sampler_iface_init (LsobsSamplerInterface *iface)
{
  iface->should_sample = never_sampler_should_sample;
}

static GType never_sampler_get_type (void);
G_DEFINE_TYPE_WITH_CODE (NeverSampler,
                         never_sampler,
                         G_TYPE_OBJECT,
                         G_IMPLEMENT_INTERFACE (LSOBS_TYPE_SAMPLER, never_sampler_iface_init))

static void
never_sampler_class_init (NeverSamplerClass *klass G_GNUC_UNUSED)
{
}

static void
never_sampler_init (NeverSampler *self G_GNUC_UNUSED)
{
}

static JsonNode *
never_redact_cb (const char *field, JsonNode *value G_GNUC_UNUSED, gpointer user_data G_GNUC_UNUSED)
{
  g_error ("The %s were looked at", field);
  return NULL;
}

static void
never_signal_cb (void)
{
  g_error ("A signal came");
}

/* --- what there is --- */

static guint
count_threads (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  guint n = 0;

  while (dir != NULL && g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

/* All counters but one are zero. */
static void
assert_counted (LsobsExporter *exporter, guint64 n_runs)
{
  g_autoptr (LsobsStats) stats = lsobs_exporter_dup_stats (exporter);
  GEnumClass *counters = g_type_class_ref (LSOBS_TYPE_COUNTER);

  for (guint i = 0; i < counters->n_values; i++)
    {
      LsobsCounter counter = (LsobsCounter) counters->values[i].value;

      if (lsobs_stats_get (stats, counter) != (counter == LSOBS_COUNTER_UNSAMPLED ? n_runs : 0))
        g_error ("%s is %" G_GUINT64_FORMAT, counters->values[i].value_nick,
                 lsobs_stats_get (stats, counter));
    }
  g_assert_cmpuint (lsobs_stats_get_total_dropped (stats), ==, 0);
  g_type_class_unref (counters);
}

static void
assert_zero (const LsobsFlushStats *stats)
{
  g_assert_cmpuint (stats->runs_flushed, ==, 0);
  g_assert_cmpuint (stats->runs_failed, ==, 0);
  g_assert_cmpuint (stats->batches_sent, ==, 0);
  g_assert_cmpuint (stats->dropped_events, ==, 0);
}

/* Not even a key, and everything that could be asked is a trap. */
static LsobsObserver *
new_observer (GMainContext *context)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (GObject) transport = g_object_new (never_transport_get_type (), NULL);
  g_autoptr (GObject) sampler = g_object_new (never_sampler_get_type (), NULL);
  g_autoptr (GError) error = NULL;
  LsobsObserver *observer;

  lsobs_config_set_tracing_enabled (config, FALSE);
  lsobs_config_set_sampler (config, LSOBS_SAMPLER (sampler));
  lsobs_config_set_redact_func (config, never_redact_cb, NULL, NULL);
  lsobs_config_set_queue_capacity (config, 1);
  lsobs_config_set_max_queue_bytes (config, 4096);
  lsobs_config_set_max_batch_size (config, 1);
  lsobs_config_set_flush_interval (config, 1);
  observer = g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error, "config", config, "transport",
                             transport, "main-context", context, NULL);
  g_assert_no_error (error);
  g_signal_connect (observer, "batch-finished", G_CALLBACK (never_signal_cb), NULL);
  g_signal_connect (observer, "notify::state", G_CALLBACK (never_signal_cb), NULL);
  return observer;
}

static void
assert_uuid (const char *id)
{
  g_assert_cmpuint (strlen (id), ==, 36);
  g_assert_true (g_uuid_string_is_valid (id));
  g_assert_cmpint (id[14], ==, '7');
}

/* Everything that a run takes. */
static void
note_all (LsobsRun *run)
{
  lsobs_run_add_tag (run, untouchable);
  lsobs_run_set_metadata (run, untouchable, untouchable);
  lsobs_run_set_metadata (run, untouchable, NULL);
  lsobs_run_set_metadata_string (run, untouchable, untouchable);
  lsobs_run_set_extra (run, untouchable, untouchable);
  lsobs_run_add_event (run, untouchable, untouchable);
  lsobs_run_add_text_event (run, untouchable);
  lsobs_run_set_thread_id (run, untouchable);
  lsobs_run_set_serialized (run, untouchable);
  g_assert_true (lsobs_run_set_reference_example_id (run, untouchable, NULL));
  lsobs_run_set_model (run, untouchable, untouchable);
  lsobs_run_set_model_type (run, untouchable);
  lsobs_run_set_invocation_params (run, untouchable);
  lsobs_run_set_usage_metadata (run, untouchable);
  lsobs_run_set_usage (run, 1, 2, 3);
  g_assert_true (lsobs_run_add_attachment (run, untouchable, untouchable, untouchable, NULL));
  lsobs_run_propagate_metadata (run, untouchable);
  lsobs_run_propagate_tags (run);
}

/* Returns how many runs it has started. */
static guint
run_all (LsobsObserver *observer)
{
  g_autoptr (GError) problem = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, "problem");
  g_autoptr (LsobsRun) root = NULL;
  g_autoptr (LsobsRun) ready = NULL;
  g_autoptr (LsobsRun) child = NULL;
  g_autoptr (LsobsRun) grandchild = NULL;
  g_autoptr (LsobsRun) nested = NULL;

  root = lsobs_observer_start_run (observer, "root", LSOBS_RUN_TYPE_CHAIN, untouchable);
  ready = lsobs_observer_start_run_bytes (observer, "ready", LSOBS_RUN_TYPE_CHAIN, untouchable);
  child = lsobs_run_start_child (root, "child", LSOBS_RUN_TYPE_LLM, untouchable);
  grandchild = lsobs_run_start_child_bytes (child, "grandchild", LSOBS_RUN_TYPE_TOOL, untouchable);
  lsobs_run_push_thread_default (root);
  nested = lsobs_observer_start_nested_run (observer, "nested", LSOBS_RUN_TYPE_PARSER, untouchable);
  lsobs_run_pop_thread_default (root);
  note_all (root);
  note_all (grandchild);
  lsobs_run_end (nested, untouchable);
  lsobs_run_end_bytes (grandchild, untouchable);
  lsobs_run_fail (child, problem);
  lsobs_run_end (child, untouchable);
  lsobs_run_fail_with_message (ready, untouchable);
  lsobs_run_end (root, untouchable);
  lsobs_run_end (root, untouchable);
  note_all (root);
  g_assert_cmpint (lsobs_run_get_status (root), ==, LSOBS_RUN_STATUS_COMPLETED);
  g_assert_cmpint (lsobs_run_get_status (child), ==, LSOBS_RUN_STATUS_FAILED);
  g_assert_cmpint (lsobs_run_get_status (ready), ==, LSOBS_RUN_STATUS_FAILED);
  g_assert_false (lsobs_run_is_sampled (grandchild));
  g_assert_false (lsobs_run_is_sampled (nested));
  return 5;
}

static void
call_all (LsobsGraphObserver *graph)
{
  g_autoptr (GError) problem = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, "problem");

  lsobs_graph_observer_on_node_start (graph, untouchable, untouchable);
  lsobs_graph_observer_on_tool_call (graph, untouchable, untouchable, untouchable, untouchable);
  lsobs_graph_observer_on_tool_result (graph, untouchable, untouchable, untouchable, untouchable);
  lsobs_graph_observer_on_node_end (graph, untouchable, untouchable, -1);
  lsobs_graph_observer_on_error (graph, untouchable, problem);
  lsobs_graph_observer_on_node_end (graph, "never started", untouchable, 3);
}

/* Returns how many runs it has started. */
static guint
invoke_all (LsobsObserver *observer)
{
  g_autoptr (GError) problem = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, "problem");
  g_autoptr (LsobsInvocation) good =
      lsobs_observer_begin_invocation (observer, "good", untouchable);
  g_autoptr (LsobsInvocation) bad = lsobs_observer_begin_invocation (observer, "bad", untouchable);
  g_autoptr (LsobsInvocation) open =
      lsobs_observer_begin_invocation (observer, "open", untouchable);
  g_autoptr (LsobsRun) node = NULL;
  g_autoptr (LsobsRun) child = NULL;

  call_all (LSOBS_GRAPH_OBSERVER (observer));
  call_all (LSOBS_GRAPH_OBSERVER (good));
  /* Open nodes are not forgotten ones. */
  lsobs_graph_observer_on_node_start (LSOBS_GRAPH_OBSERVER (good), "node", untouchable);
  node = lsobs_invocation_dup_node_run (good, "node");
  g_assert_true (node == lsobs_invocation_get_run (good));
  child = lsobs_run_start_child (node, "child", LSOBS_RUN_TYPE_LLM, untouchable);
  lsobs_invocation_end (good, untouchable);
  lsobs_invocation_fail (bad, problem);
  g_assert_cmpint (lsobs_run_get_status (lsobs_invocation_get_run (good)), ==,
                   LSOBS_RUN_STATUS_COMPLETED);
  g_assert_cmpint (lsobs_run_get_status (lsobs_invocation_get_run (bad)), ==,
                   LSOBS_RUN_STATUS_FAILED);
  call_all (LSOBS_GRAPH_OBSERVER (good));
  return 4;
}

/* --- tests --- */

static void
test_calls (void)
{
  guint n_threads = count_threads ();
  g_autoptr (LsobsObserver) observer = new_observer (NULL);
  g_autoptr (LsobsExporter) exporter = g_object_ref (lsobs_observer_get_exporter (observer));
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;
  guint64 n = 0;

  g_assert_false (lsobs_observer_get_tracing_enabled (observer));
  assert_counted (exporter, 0);
  for (guint i = 0; i < N_RUNS; i++)
    n += run_all (observer) + invoke_all (observer);
  assert_counted (exporter, n);

  g_assert_true (lsobs_observer_flush (observer, -1, &stats, &error));
  g_assert_no_error (error);
  assert_zero (&stats);
  g_assert_true (lsobs_observer_flush (observer, 0, NULL, NULL));
  g_assert_cmpint (lsobs_observer_get_state (observer), ==, LSOBS_STATE_OK);

  /* And nothing is late. */
  g_assert_true (lsobs_observer_shutdown (observer, -1, &stats, &error));
  g_assert_no_error (error);
  assert_zero (&stats);
  g_assert_true (lsobs_observer_shutdown (observer, -1, &stats, &error));
  n += run_all (observer) + invoke_all (observer);
  assert_counted (exporter, n);

  g_assert_cmpuint (count_threads (), ==, n_threads);
  g_assert_finalize_object (g_steal_pointer (&observer));
  g_assert_cmpuint (count_threads (), ==, n_threads);
  assert_counted (exporter, n);
  g_assert_finalize_object (g_steal_pointer (&exporter));
}

/* Others get them, in headers and logs. */
static void
test_ids (void)
{
  g_autoptr (LsobsObserver) observer = new_observer (NULL);
  gint64 before = g_get_real_time ();
  g_autoptr (LsobsRun) root =
      lsobs_observer_start_run (observer, "root", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autoptr (LsobsRun) child = lsobs_run_start_child (root, "child", LSOBS_RUN_TYPE_TOOL, NULL);
  g_autofree char *root_id = lsobs_run_dup_id (root);
  g_autofree char *child_id = lsobs_run_dup_id (child);
  g_autofree char *trace_id = lsobs_run_dup_trace_id (child);
  g_autofree char *parent_id = lsobs_run_dup_parent_id (child);
  g_autofree char *no_parent_id = lsobs_run_dup_parent_id (root);
  g_autofree char *root_path = lsobs_run_dup_dotted_order (root);
  g_autofree char *child_path = lsobs_run_dup_dotted_order (child);

  assert_uuid (root_id);
  assert_uuid (child_id);
  g_assert_cmpstr (root_id, !=, child_id);
  g_assert_cmpstr (trace_id, ==, root_id);
  g_assert_cmpstr (parent_id, ==, root_id);
  g_assert_null (no_parent_id);
  g_assert_cmpuint (strlen (root_path), ==, 58);
  g_assert_true (g_str_has_suffix (root_path, root_id));
  g_assert_cmpuint (strlen (child_path), ==, 117);
  g_assert_true (g_str_has_prefix (child_path, root_path));
  g_assert_true (g_str_has_suffix (child_path, child_id));
  g_assert_cmpint (lsobs_run_get_start_time (root), >=, before);
  g_assert_cmpint (lsobs_run_get_start_time (child), >=, lsobs_run_get_start_time (root));
  g_assert_cmpstr (lsobs_run_get_name (child), ==, "child");
  g_assert_cmpint (lsobs_run_get_run_type (child), ==, LSOBS_RUN_TYPE_TOOL);
}

/* Runs outlive all that they come from. */
static void
test_order_of_ends (void)
{
  LsobsObserver *observer = new_observer (NULL);
  LsobsRun *root = lsobs_observer_start_run (observer, "root", LSOBS_RUN_TYPE_CHAIN, NULL);
  LsobsRun *child = lsobs_run_start_child (root, "child", LSOBS_RUN_TYPE_TOOL, NULL);
  LsobsInvocation *invocation = lsobs_observer_begin_invocation (observer, "invocation", NULL);
  g_autofree char *path = lsobs_run_dup_dotted_order (root);
  g_autofree char *child_path = NULL;

  g_assert_finalize_object (observer);
  lsobs_run_unref (root);
  lsobs_graph_observer_on_node_start (LSOBS_GRAPH_OBSERVER (invocation), "node", NULL);
  g_assert_finalize_object (invocation);
  child_path = lsobs_run_dup_dotted_order (child);
  g_assert_true (g_str_has_prefix (child_path, path));
  g_assert_cmpstr (lsobs_run_get_name (child), ==, "child");
  lsobs_run_end (child, untouchable);
  lsobs_run_unref (child);
}

/* Without a main loop that runs, nothing async can end; without a thread it does. */
static void
test_async (void)
{
  /* GLib starts a thread of its own with the first task of all. */
  g_autoptr (GTask) first = g_task_new (NULL, NULL, NULL, NULL);
  guint n_threads = count_threads ();
  g_autoptr (LsobsObserver) observer = new_observer (NULL);
  g_autoptr (GError) error = NULL;
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  LsobsFlushStats stats;

  run_all (observer);
  lsobs_observer_flush_async (observer, -1, NULL, test_result_cb, &result);
  g_assert_cmpuint (result.n_calls, ==, 0);
  g_assert_true (
      lsobs_observer_flush_finish (observer, test_result_wait (&result), &stats, &error));
  g_assert_no_error (error);
  assert_zero (&stats);

  test_result_clear (&result);
  lsobs_observer_shutdown_async (observer, -1, NULL, test_result_cb, &result);
  g_assert_cmpuint (result.n_calls, ==, 0);
  g_assert_true (
      lsobs_observer_shutdown_finish (observer, test_result_wait (&result), &stats, &error));
  g_assert_no_error (error);
  assert_zero (&stats);

  test_result_clear (&result);
  g_cancellable_cancel (cancellable);
  lsobs_observer_shutdown_async (observer, -1, cancellable, test_result_cb, &result);
  g_assert_false (
      lsobs_observer_shutdown_finish (observer, test_result_wait (&result), &stats, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_zero (&stats);

  test_result_clear (&result);
  test_drain_context ();
  g_assert_cmpuint (count_threads (), ==, n_threads);
  g_assert_finalize_object (g_steal_pointer (&observer));
}

/* A context that nobody runs, and one that another thread owns. */
static void
test_context (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  LsobsObserver *observer = new_observer (context);
  g_autoptr (GMainContext) got = NULL;
  gint64 start = g_get_monotonic_time ();

  g_object_get (observer, "main-context", &got, NULL);
  g_assert_true (got == context);
  run_all (observer);
  g_assert_true (lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_false (g_main_context_pending (context));
  g_assert_true (lsobs_observer_shutdown (observer, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_finalize_object (observer);
  g_assert_false (g_main_context_pending (context));
  g_assert_cmpint (g_get_monotonic_time () - start, <, TEST_TIMEOUT_MS * (gint64) 500);
}

static void
test_events (void)
{
  const char *id = "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4";
  g_autoptr (LsobsObserver) observer = new_observer (NULL);
  LsobsExporter *exporter = lsobs_observer_get_exporter (observer);
  g_autoptr (JsonNode) inputs = run_json ("{\"a\":1}");
  const char *const ids[] = { id, id, "no id at all" };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    {
      g_autoptr (LsobsRunEvent) begin =
          lsobs_run_event_new_start (ids[i], "nor a parent", "run", LSOBS_RUN_TYPE_CHAIN, inputs);
      g_autoptr (LsobsRunEvent) end = lsobs_run_event_new_update (ids[i], inputs, "error");

      g_assert_true (lsobs_exporter_enqueue (exporter, begin, &error));
      g_assert_no_error (error);
      g_assert_true (lsobs_exporter_enqueue (exporter, end, &error));
      g_assert_no_error (error);
    }
  assert_counted (exporter, G_N_ELEMENTS (ids));
}

/* To a service that is there. */
static void
test_service (void)
{
  g_autoptr (TestServer) server = test_server_new ();
  g_autoptr (LsobsConfig) config = lsobs_config_new (RUN_API_KEY, NULL);
  g_autoptr (LsobsObserver) observer = NULL;
  guint n_threads;

  lsobs_config_set_api_url (config, test_server_get_url (server));
  lsobs_config_set_tracing_enabled (config, FALSE);
  n_threads = count_threads ();
  observer = lsobs_observer_new (config, NULL);
  g_assert_nonnull (observer);
  run_all (observer);
  invoke_all (observer);
  g_assert_true (lsobs_observer_flush (observer, -1, NULL, NULL));
  g_assert_true (
      LSOBS_IS_CLIENT (lsobs_exporter_get_transport (lsobs_observer_get_exporter (observer))));
  g_assert_cmpuint (count_threads (), ==, n_threads);
  g_assert_finalize_object (g_steal_pointer (&observer));
  g_assert_cmpuint (test_server_count_connections (server), ==, 0);
}

/* To several of them. */
static void
test_replicas (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (GError) error = NULL;
  guint n_threads = count_threads ();
  LsobsFlushStats stats;
  guint n;

  lsobs_config_set_tracing_enabled (config, FALSE);
  lsobs_config_add_replica (config, REMOTE, NULL, "a", NULL, LSOBS_REPLICA_ROLE_AUTO);
  lsobs_config_add_replica (config, REMOTE, NULL, "b", NULL, LSOBS_REPLICA_ROLE_AUTO);
  observer = lsobs_observer_new (config, &error);
  g_assert_no_error (error);
  n = run_all (observer) + invoke_all (observer);
  g_assert_true (lsobs_observer_flush (observer, -1, &stats, &error));
  assert_zero (&stats);
  g_assert_cmpuint (lsobs_exporter_get_n_replicas (lsobs_observer_get_exporter (observer)), ==, 2);
  assert_counted (lsobs_observer_get_exporter (observer), n);
  g_assert_finalize_object (g_steal_pointer (&observer));
  g_assert_cmpuint (count_threads (), ==, n_threads);
}

/* --- settings --- */

static void
test_key (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (LsobsExporter) exporter = NULL;
  g_autoptr (GError) error = NULL;
  guint n;

  lsobs_config_set_api_url (config, REMOTE);
  g_assert_true (lsobs_config_get_tracing_enabled (config));
  g_assert_null (lsobs_observer_new (config, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_clear_error (&error);

  lsobs_config_set_tracing_enabled (config, FALSE);
  observer = lsobs_observer_new (config, &error);
  g_assert_no_error (error);
  exporter = lsobs_exporter_new (config, NULL, &error);
  g_assert_no_error (error);
  n = run_all (observer);

  /* It is a copy, as all of the config is. */
  lsobs_config_set_tracing_enabled (config, TRUE);
  n += run_all (observer);
  assert_counted (lsobs_observer_get_exporter (observer), n);
}

typedef struct
{
  const char *name;
  const char *property;
  const char *value;
} InvalidRow;

static const InvalidRow invalid_rows[] = {
  { "url", "api-url", "ftp://traces.example.com" },
  { "plain", "api-url", "http://traces.example.com" },
  { "key", "api-key", "lsv2\r\nX-Evil: 1" },
  { "workspace", "workspace-id", "word" },
  { "regex", "redact-regex", "(" },
  { "project", "project-name", "\xff" },
};

/* Tomorrow tracing may be on. */
static void
test_invalid (gconstpointer data)
{
  const InvalidRow *row = data;
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (GError) error = NULL;

  lsobs_config_set_tracing_enabled (config, FALSE);
  g_object_set (config, row->property, row->value, NULL);
  g_assert_null (lsobs_observer_new (config, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
}

/* --- processes and threads --- */

/* In the child. */
static void
use_in_child (RunFixture *fixture, gpointer data)
{
  LsobsRun *parents = data;
  LsobsFlushStats stats;
  LsobsRun *child = lsobs_run_start_child (parents, "child", LSOBS_RUN_TYPE_TOOL, untouchable);
  guint n;

  lsobs_run_end (child, untouchable);
  lsobs_run_unref (child);
  note_all (parents);
  lsobs_run_end (parents, untouchable);
  /* and the parent's, before the fork */
  n = 2 + run_all (fixture->observer) + invoke_all (fixture->observer);
  child_assert (lsobs_observer_flush (fixture->observer, 0, &stats, NULL));
  child_assert (stats.runs_flushed == 0 && stats.runs_failed == 0 && stats.dropped_events == 0);
  child_assert (lsobs_observer_shutdown (fixture->observer, 0, &stats, NULL));
  child_assert (count_threads () == 1);
  assert_counted (fixture->exporter, n);
  g_object_unref (fixture->observer);
}

static void
test_fork (void)
{
  RunFixture fixture = { .server = test_server_new (), .observer = new_observer (NULL) };
  g_autoptr (LsobsRun) run = NULL;

  fixture.exporter = lsobs_observer_get_exporter (fixture.observer);
  run = lsobs_observer_start_run (fixture.observer, "run", LSOBS_RUN_TYPE_CHAIN, untouchable);
  if (!fork_skip ())
    {
      fork_run (use_in_child, &fixture, run);
      assert_counted (fixture.exporter, 1);
    }
  g_object_unref (fixture.observer);
  test_server_free (fixture.server);
}

static gpointer
thread_cb (gpointer data)
{
  guint n = 0;

  for (guint i = 0; i < N_RUNS; i++)
    n += run_all (data) + invoke_all (data);
  return GUINT_TO_POINTER (n);
}

static void
test_threads (void)
{
  g_autoptr (LsobsObserver) observer = new_observer (NULL);
  GThread *threads[4];
  guint64 n = 0;

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("user", thread_cb, observer);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    n += GPOINTER_TO_UINT (g_thread_join (threads[i]));
  assert_counted (lsobs_observer_get_exporter (observer), n);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  untouchable =
      mmap (NULL, (gsize) sysconf (_SC_PAGESIZE), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  g_assert_true (untouchable != MAP_FAILED);

  g_test_add_func ("/tracing-off/calls", test_calls);
  g_test_add_func ("/tracing-off/ids", test_ids);
  g_test_add_func ("/tracing-off/order-of-ends", test_order_of_ends);
  g_test_add_func ("/tracing-off/async", test_async);
  g_test_add_func ("/tracing-off/context", test_context);
  g_test_add_func ("/tracing-off/events", test_events);
  g_test_add_func ("/tracing-off/service", test_service);
  g_test_add_func ("/tracing-off/replicas", test_replicas);
  g_test_add_func ("/tracing-off/key", test_key);
  for (guint i = 0; i < G_N_ELEMENTS (invalid_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/tracing-off/invalid/", invalid_rows[i].name, NULL);

      g_test_add_data_func (path, &invalid_rows[i], test_invalid);
    }
  g_test_add_func ("/tracing-off/fork", test_fork);
  g_test_add_func ("/tracing-off/threads", test_threads);

  return g_test_run ();
}
