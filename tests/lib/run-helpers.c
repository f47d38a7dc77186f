/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tests/lib/run-helpers.h"

void
run_fixture_set_up (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fixture->server = test_server_new ();
  fixture->config = lsobs_config_new (RUN_API_KEY, RUN_PROJECT);
  lsobs_config_set_api_url (fixture->config, test_server_get_url (fixture->server));
  lsobs_config_set_flush_interval (fixture->config, TEST_NEVER_MS);
  lsobs_config_set_queue_capacity (fixture->config, 1000000);
  lsobs_config_set_shutdown_timeout (fixture->config, TEST_TIMEOUT_MS);
}

void
run_fixture_tear_down (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  if (fixture->observer != NULL && fixture->exporter != NULL)
    test_shut_down (fixture->exporter, lsobs_config_get_shutdown_timeout (fixture->config));
  g_clear_object (&fixture->observer);
  if (fixture->exporter != NULL)
    test_assert_books (fixture->exporter);
  g_clear_object (&fixture->exporter);
  test_drain_context ();
  test_server_assert_conformant (fixture->server);
  g_clear_pointer (&fixture->tree, wire_tree_free);
  g_clear_object (&fixture->config);
  test_server_free (fixture->server);
}

void
run_fixture_start (RunFixture *fixture)
{
  g_autoptr (GError) error = NULL;

  fixture->observer = lsobs_observer_new (fixture->config, &error);
  g_assert_no_error (error);
  fixture->exporter = g_object_ref (lsobs_observer_get_exporter (fixture->observer));
}

void
run_fixture_set_up_started (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  run_fixture_start (fixture);
}

void
run_fixture_set_up_unsampled (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  lsobs_config_set_sampling_rate (fixture->config, 0.0);
  run_fixture_start (fixture);
}

WireTree *
run_fixture_flush (RunFixture *fixture)
{
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;

  lsobs_exporter_flush (fixture->exporter, 4 * TEST_TIMEOUT_MS, &stats, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (stats.runs_failed, ==, 0);
  test_assert_books (fixture->exporter);
  test_server_assert_conformant (fixture->server);
  g_clear_pointer (&fixture->tree, wire_tree_free);
  fixture->tree = test_server_build_tree (fixture->server);
  return fixture->tree;
}

WireRun *
run_fixture_find (RunFixture *fixture, const char *name)
{
  WireRun *run = wire_tree_find (fixture->tree, name);

  if (run == NULL)
    g_test_message ("There is no run %s", name);
  g_assert_nonnull (run);
  return run;
}

WireRun *
run_fixture_finish (RunFixture *fixture, LsobsRun *run)
{
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  return run_fixture_find (fixture, lsobs_run_get_name (run));
}

guint64
run_fixture_get (RunFixture *fixture, LsobsCounter counter)
{
  return test_get_counter (fixture->exporter, counter);
}

guint64
run_fixture_get_dropped (RunFixture *fixture, LsobsDropReason reason)
{
  return test_get_dropped (fixture->exporter, reason);
}

void
run_fixture_add (const char *path, RunFixtureFunc set_up, RunFixtureFunc test)
{
  g_test_add (path, RunFixture, NULL, set_up, test, run_fixture_tear_down);
}

void
run_fixture_add_started (const char *path, RunFixtureFunc test)
{
  run_fixture_add (path, run_fixture_set_up_started, test);
}

void
run_fixture_add_both (const char *path, RunFixtureFunc test)
{
  g_autofree char *queued = g_strconcat (path, "/queued", NULL);
  g_autofree char *sent = g_strconcat (path, "/sent", NULL);

  g_test_add (queued, RunFixture, GINT_TO_POINTER (FALSE), run_fixture_set_up_started, test,
              run_fixture_tear_down);
  g_test_add (sent, RunFixture, GINT_TO_POINTER (TRUE), run_fixture_set_up_started, test,
              run_fixture_tear_down);
}

LsobsRun *
run_fixture_start_llm (RunFixture *fixture)
{
  return lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_LLM, NULL);
}

JsonNode *
run_json (const char *text)
{
  g_autoptr (GError) error = NULL;
  JsonNode *node;

  if (text == NULL)
    return NULL;
  node = json_from_string (text, &error);
  g_assert_no_error (error);
  return node;
}

GBytes *
run_bytes (const char *text)
{
  return g_bytes_new (text, strlen (text));
}

void
run_assert_node (JsonNode *node, const char *expected)
{
  g_autofree char *text = node != NULL ? json_to_string (node, FALSE) : NULL;

  g_assert_cmpstr (text, ==, expected);
}

void
run_assert_member (WireRun *run, const char *path, const char *json)
{
  JsonNode *node = wire_run_get (run, path);
  g_autoptr (JsonNode) expected = run_json (json);
  g_autofree char *got_text = node != NULL ? wire_json_canonical (node) : NULL;
  g_autofree char *expected_text = expected != NULL ? wire_json_canonical (expected) : NULL;

  if (g_strcmp0 (got_text, expected_text) != 0)
    g_test_message ("%s of %s differs", path, run->name);
  g_assert_cmpstr (got_text, ==, expected_text);
}

JsonObject *
run_dup_operation (TestServer *server, const char *operation, const char *id)
{
  g_autoptr (GPtrArray) requests = test_server_dup_ingest (server);

  for (guint i = requests->len; i > 0; i--)
    {
      TestRequest *request = g_ptr_array_index (requests, i - 1);
      WireOp *op = NULL;

      if (request->wire != NULL && test_request_is_accepted (request))
        op = wire_request_find (request->wire, operation, id);
      if (op != NULL)
        return json_object_ref (op->run);
    }
  return NULL;
}

void
run_barrier_init (RunBarrier *self, guint n_threads)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->n_missing = n_threads;
}

void
run_barrier_clear (RunBarrier *self)
{
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
}

void
run_barrier_wait (RunBarrier *self)
{
  g_mutex_lock (&self->lock);
  if (--self->n_missing == 0)
    g_cond_broadcast (&self->cond);
  while (self->n_missing > 0)
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);
}
