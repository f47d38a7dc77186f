/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include <math.h>
#include <string.h>

#include "tests/lib/graph-helpers.h"

/* The object that a program makes once and keeps: its construction, its threads, its flush, its end. */

/* --- construction --- */

typedef struct
{
  const char *name;
  const char *property;
  gint64 number;
  const char *text; /* (nullable) the value, where it is no number */
} InvalidRow;

static const InvalidRow invalid_rows[] = {
  { "url-empty", "api-url", 0, "" },
  { "url-blank", "api-url", 0, " // " },
  { "url-relative", "api-url", 0, "localhost" },
  { "url-scheme", "api-url", 0, "ftp://127.0.0.1" },
  { "url-no-host", "api-url", 0, "http://" },
  { "url-user", "api-url", 0, "http://user:pass@127.0.0.1" },
  { "url-query", "api-url", 0, "http://127.0.0.1/?a=b" },
  { "url-fragment", "api-url", 0, "http://127.0.0.1/#a" },
  { "url-plain", "api-url", 0, "http://192.0.2.1" },
  { "url-line-break", "api-url", 0, "http://127.0.0.1\r\nX: y" },
  { "key-line-break", "api-key", 0, "lsv2\r\nX-Evil: 1" },
  { "key-space", "api-key", 0, "lsv2 key" },
  { "project-broken", "project-name", 0, "\xff" },
  { "workspace", "workspace-id", 0, "no-uuid" },
  { "regex", "redact-regex", 0, "(" },
  { "flush-interval", "flush-interval", 0, NULL },
  { "flush-interval-large", "flush-interval", G_MAXINT64, NULL },
  { "max-batch-size", "max-batch-size", 0, NULL },
  { "max-batch-size-negative", "max-batch-size", -1, NULL },
  { "max-batch-bytes", "max-batch-bytes", 1, NULL },
  { "queue-capacity", "queue-capacity", 0, NULL },
  { "max-queue-bytes", "max-queue-bytes", 0, NULL },
  { "max-string-bytes", "max-string-bytes", 0, NULL },
  { "max-in-flight", "max-in-flight", 0, NULL },
  { "max-attempts", "max-attempts", 0, NULL },
  { "retry-delay", "retry-delay", 0, NULL },
  { "request-timeout", "request-timeout", 0, NULL },
  { "shutdown-timeout", "shutdown-timeout", -1, NULL },
  { "exit-timeout", "exit-timeout", 3600001, NULL },
};

/* NULL is returned, the error names the setting but never the key, and nothing is sent. */
static void
test_invalid (RunFixture *fixture, gconstpointer data)
{
  const InvalidRow *row = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();

  if (row->text != NULL)
    g_object_set (fixture->config, row->property, row->text, NULL);
  else
    g_object_set (fixture->config, row->property, row->number, NULL);
  g_assert_null (lsobs_observer_new (fixture->config, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_null (strstr (error->message, RUN_API_KEY));
  g_assert_null (strstr (error->message, "X-Evil"));
  g_assert_null (strstr (error->message, "pass@"));
  g_clear_error (&error);
  g_assert_null (
      lsobs_observer_new_with_transport (fixture->config, LSOBS_TRANSPORT (transport), &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_null (lsobs_observer_new (fixture->config, NULL));
  g_assert_cmpuint (test_server_count_requests (fixture->server, ""), ==, 0);
}

static void
test_invalid_rate (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const double rates[] = { -0.1, 1.1, NAN, INFINITY };

  for (guint i = 0; i < G_N_ELEMENTS (rates); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (LsobsObserver) observer = NULL;

      lsobs_config_set_sampling_rate (fixture->config, rates[i]);
      observer = lsobs_observer_new (fixture->config, &error);
      if (observer == NULL)
        g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
      else
        g_assert_false (lsobs_config_get_sampling_rate (fixture->config) == rates[i]);
    }
}

static void
test_no_key (RunFixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, RUN_PROJECT);
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (GError) error = NULL;

  lsobs_config_set_api_url (config, "https://192.0.2.1");
  g_assert_null (lsobs_observer_new (config, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_clear_error (&error);

  /* What does not go to another machine needs none. */
  observer = lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), &error);
  g_assert_no_error (error);
  g_assert_nonnull (observer);
}

/* The settings are those at the time of construction. */
static void
test_config_copied (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;

  run_fixture_start (fixture);
  lsobs_config_set_api_url (fixture->config, "http://127.0.0.1:1");
  lsobs_config_set_project_name (fixture->config, "other");
  lsobs_config_set_sampling_rate (fixture->config, 0.0);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "session_name", "\"" RUN_PROJECT "\"");
}

static void
test_transport (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsObserver) observer =
      lsobs_observer_new_with_transport (fixture->config, LSOBS_TRANSPORT (transport), &error);
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GPtrArray) events = NULL;

  g_assert_no_error (error);
  g_assert_true (lsobs_exporter_get_transport (lsobs_observer_get_exporter (observer)) ==
                 LSOBS_TRANSPORT (transport));
  run = lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_end (run, NULL);
  lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, &error);
  g_assert_no_error (error);
  events = lsobs_memory_transport_dup_events (transport);
  g_assert_cmpuint (events->len, ==, 1);
  g_assert_cmpstr (lsobs_run_event_get_name (g_ptr_array_index (events, 0)), ==, "run");
  g_assert_cmpuint (test_server_count_requests (fixture->server, ""), ==, 0);
}

static void
test_properties (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GMainContext) got = NULL;
  g_autoptr (GError) error = NULL;
  LsobsState state = LSOBS_STATE_PAUSED;

  fixture->observer = g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error, "config", fixture->config,
                                      "main-context", context, NULL);
  g_assert_no_error (error);
  g_object_get (fixture->observer, "main-context", &got, "state", &state, NULL);
  g_assert_true (got == context);
  g_assert_cmpint (state, ==, LSOBS_STATE_OK);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
  g_assert_true (lsobs_observer_get_tracing_enabled (fixture->observer));
  g_assert_true (LSOBS_IS_EXPORTER (lsobs_observer_get_exporter (fixture->observer)));
  g_assert_true (LSOBS_IS_GRAPH_OBSERVER (fixture->observer));
}

/* --- the key --- */

static void
assert_no_key_in (GObject *object)
{
  guint n;
  g_autofree GParamSpec **specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (object), &n);

  for (guint i = 0; i < n; i++)
    {
      g_auto (GValue) value = G_VALUE_INIT;
      g_autofree char *text = NULL;

      if ((specs[i]->flags & G_PARAM_READABLE) == 0)
        continue;
      g_value_init (&value, specs[i]->value_type);
      g_object_get_property (object, specs[i]->name, &value);
      text = g_strdup_value_contents (&value);
      g_assert_null (strstr (text, RUN_API_KEY));
    }
}

/* Even a service that says it back does not bring it into an error, the statistics or a log. */
static void
test_key (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (LsobsStats) stats = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  test_server_push (fixture->server, NULL,
                    (TestAnswer){
                        .status = 401, .body = "key " RUN_API_KEY " is unknown", .repeat = -1 });
  g_test_expect_message ("Lsobs", G_LOG_LEVEL_MESSAGE, "*paused*[REDACTED]*");
  run_fixture_start (fixture);
  exporter = lsobs_observer_get_exporter (fixture->observer);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, NULL, &error);
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
  g_assert_null (strstr (error->message, RUN_API_KEY));
  g_test_assert_expected_messages ();

  stats = lsobs_observer_dup_stats (fixture->observer);
  text = lsobs_stats_to_string (stats);
  g_assert_null (strstr (text, RUN_API_KEY));
  assert_no_key_in (G_OBJECT (fixture->config));
  assert_no_key_in (G_OBJECT (fixture->observer));
  assert_no_key_in (G_OBJECT (exporter));
  assert_no_key_in (G_OBJECT (lsobs_exporter_get_transport (exporter)));
}

/* --- flush and end --- */

static void
test_flush_nothing (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsFlushStats stats = { 1, 1, 1, 1, 0, { 0 } };
  g_autoptr (GError) error = NULL;

  run_fixture_start (fixture);
  g_assert_true (lsobs_observer_flush (fixture->observer, 0, &stats, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (stats.runs_flushed + stats.runs_failed + stats.batches_sent +
                        stats.dropped_events,
                    ==, 0);
  g_assert_true (lsobs_observer_flush (fixture->observer, -1, NULL, NULL));
}

static void
test_flush_async (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;

  run_fixture_start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_observer_flush_async (fixture->observer, TEST_TIMEOUT_MS, NULL, test_result_cb, &result);
  g_assert_cmpuint (result.n_calls, ==, 0);
  g_assert_true (
      lsobs_observer_flush_finish (fixture->observer, test_result_wait (&result), &stats, &error));
  g_assert_no_error (error);
  g_assert_true (result.source == G_OBJECT (fixture->observer));
  g_assert_cmpuint (stats.runs_flushed, ==, 1);
  g_assert_cmpuint (stats.batches_sent, ==, 1);
}

/* As a language with coroutines does it: the only reference is that of the call. */
static void
test_flush_async_then_unref (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GError) error = NULL;
  LsobsObserver *observer;

  run_fixture_start (fixture);
  observer = fixture->observer;
  run = lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_observer_flush_async (observer, TEST_TIMEOUT_MS, NULL, test_result_cb, &result);
  g_clear_object (&fixture->observer);
  lsobs_observer_flush_finish (observer, test_result_wait (&result), NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 1);
}

static void
test_flush_async_cancelled (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GError) error = NULL;

  test_server_hold (fixture->server);
  run_fixture_start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_observer_flush_async (fixture->observer, -1, cancellable, test_result_cb, &result);
  g_assert_true (test_server_wait_requests (fixture->server, 1, TEST_TIMEOUT_MS));
  g_cancellable_cancel (cancellable);
  g_assert_false (
      lsobs_observer_flush_finish (fixture->observer, test_result_wait (&result), NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  test_server_release (fixture->server);
  run_fixture_flush (fixture);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED), ==, 1);
}

static void
test_shutdown (RunFixture *fixture, gconstpointer data)
{
  gboolean is_async = GPOINTER_TO_INT (data);
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;

  run_fixture_start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  if (is_async)
    {
      lsobs_observer_shutdown_async (fixture->observer, TEST_TIMEOUT_MS, NULL, test_result_cb,
                                     &result);
      lsobs_observer_shutdown_finish (fixture->observer, test_result_wait (&result), &stats,
                                      &error);
    }
  else
    {
      lsobs_observer_shutdown (fixture->observer, TEST_TIMEOUT_MS, &stats, &error);
    }
  g_assert_no_error (error);
  g_assert_cmpuint (stats.runs_flushed, ==, 1);
  g_assert_true (lsobs_observer_shutdown (fixture->observer, 0, &stats, &error));
  g_assert_cmpuint (stats.runs_flushed, ==, 0);
  lsobs_run_end (run, NULL);
  g_clear_pointer (&run, lsobs_run_unref);
  run = lsobs_observer_start_run (fixture->observer, "late", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_SHUTDOWN), ==, 2);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED), ==, 0);
}

static gboolean
is_delivered (gpointer data)
{
  return run_fixture_get (data, LSOBS_COUNTER_DELIVERED) == 1;
}

/* Handles outlive their observer, and do no harm. */
static void
test_freed_before_runs (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (LsobsRun) child = NULL;

  run_fixture_start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_assert_finalize_object (g_steal_pointer (&fixture->observer));
  g_assert_true (test_wait_until (is_delivered, fixture, TEST_TIMEOUT_MS));
  child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_add_tag (run, "late");
  lsobs_run_end (child, NULL);
  lsobs_run_end (run, NULL);
  lsobs_run_end (run, NULL);
  g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_SHUTDOWN), ==, 3);
  test_assert_books (fixture->exporter);
  /* The handles are the last ones to hold the pipe. */
  g_clear_object (&fixture->exporter);
}

static void
set_up (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
}

/* A plain object is a mistake of the program's; it is told so, and goes on. */
static void
test_plain_object (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsObserver) observer =
      g_object_new (LSOBS_TYPE_OBSERVER, "config", fixture->config, NULL);

  for (guint i = 0; i < 3; i++)
    g_test_expect_message ("Lsobs", G_LOG_LEVEL_CRITICAL, "*lineage != NULL*");
  g_assert_null (lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL));
  g_assert_false (lsobs_observer_flush (observer, 0, NULL, NULL));
  lsobs_graph_observer_on_node_start (LSOBS_GRAPH_OBSERVER (observer), "node", NULL);
  g_test_assert_expected_messages ();
}

static void
test_plain_client (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsClient) client =
      g_object_new (LSOBS_TYPE_CLIENT, "config", fixture->config, NULL);
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 9; i++)
    g_test_expect_message ("Lsobs", G_LOG_LEVEL_CRITICAL, "*service != NULL*");
  lsobs_client_get_ingest_mode (client);
  g_assert_cmpint (lsobs_client_get_compression (client), ==, LSOBS_COMPRESSION_NONE);
  lsobs_client_replay_async (client, NULL, NULL, NULL, NULL);
  lsobs_transport_get_max_records (LSOBS_TRANSPORT (client));
  lsobs_transport_get_max_bytes (LSOBS_TRANSPORT (client));
  g_assert_false (lsobs_transport_takes_feedback (LSOBS_TRANSPORT (client)));
  lsobs_transport_set_deadline (LSOBS_TRANSPORT (client), 0);
  lsobs_transport_close (LSOBS_TRANSPORT (client));
  observer = lsobs_observer_new_with_transport (fixture->config, LSOBS_TRANSPORT (client), &error);
  g_test_assert_expected_messages ();
  g_assert_null (observer);
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
}

static void
test_plain_invocation (RunFixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsInvocation) invocation = g_object_new (LSOBS_TYPE_INVOCATION, NULL);
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, "broken");

  lsobs_graph_observer_on_node_start (LSOBS_GRAPH_OBSERVER (invocation), "node", NULL);
  for (guint i = 0; i < 4; i++)
    g_test_expect_message ("Lsobs", G_LOG_LEVEL_CRITICAL, "*run != NULL*");
  lsobs_invocation_end (invocation, NULL);
  lsobs_invocation_fail (invocation, error);
  g_assert_null (lsobs_invocation_get_run (invocation));
  g_assert_null (lsobs_invocation_dup_node_run (invocation, "node"));
  g_test_assert_expected_messages ();
}

/* What is in a client belongs to one flush thread. */
static void
test_shared_client (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsClient) client = lsobs_client_new (fixture->config, NULL);
  g_autoptr (LsobsObserver) first = NULL;
  g_autoptr (LsobsObserver) second = NULL;
  g_autoptr (GError) error = NULL;

  first = lsobs_observer_new_with_transport (fixture->config, LSOBS_TRANSPORT (client), &error);
  g_assert_no_error (error);
  g_assert_nonnull (first);
  second = lsobs_observer_new_with_transport (fixture->config, LSOBS_TRANSPORT (client), &error);
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_null (second);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary (
      "How an observer is made, flushed and freed, and that it keeps the key to itself.");

  for (guint i = 0; i < G_N_ELEMENTS (invalid_rows); i++)
    {
      g_autofree char *path = g_strdup_printf ("/observer/invalid/%s", invalid_rows[i].name);

      g_test_add (path, RunFixture, &invalid_rows[i], set_up, test_invalid, run_fixture_tear_down);
    }
  run_fixture_add ("/observer/invalid/sampling-rate", set_up, test_invalid_rate);
  run_fixture_add ("/observer/no-key", set_up, test_no_key);
  run_fixture_add ("/observer/plain-object", set_up, test_plain_object);
  run_fixture_add ("/observer/plain-client", set_up, test_plain_client);
  run_fixture_add ("/observer/plain-invocation", set_up, test_plain_invocation);
  run_fixture_add ("/observer/shared-client", set_up, test_shared_client);
  run_fixture_add ("/observer/config-copied", set_up, test_config_copied);
  run_fixture_add ("/observer/transport", set_up, test_transport);
  run_fixture_add ("/observer/properties", set_up, test_properties);
  run_fixture_add ("/observer/key", set_up, test_key);
  run_fixture_add ("/observer/flush/nothing", set_up, test_flush_nothing);
  run_fixture_add ("/observer/flush/async", set_up, test_flush_async);
  run_fixture_add ("/observer/flush/async-then-unref", set_up, test_flush_async_then_unref);
  run_fixture_add ("/observer/flush/async-cancelled", set_up, test_flush_async_cancelled);
  g_test_add ("/observer/shutdown/sync", RunFixture, GINT_TO_POINTER (FALSE), set_up, test_shutdown,
              run_fixture_tear_down);
  g_test_add ("/observer/shutdown/async", RunFixture, GINT_TO_POINTER (TRUE), set_up, test_shutdown,
              run_fixture_tear_down);
  run_fixture_add ("/observer/freed-before-runs", set_up, test_freed_before_runs);
  return g_test_run ();
}
