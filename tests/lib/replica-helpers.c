/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tests/lib/replica-helpers.h"

static const char *const keys[REPLICA_MAX] = { "lsv2_pt_first0first0first0",
                                               "lsv2_pt_second0second0second0",
                                               "lsv2_pt_third0third0third0" };

void
replicas_set_up (Replicas *self, gconstpointer data G_GNUC_UNUSED)
{
  for (guint i = 0; i < REPLICA_MAX; i++)
    self->servers[i] = test_server_new ();
  self->config = lsobs_config_new (NULL, REPLICA_PROJECT);
  lsobs_config_set_flush_interval (self->config, TEST_NEVER_MS);
  lsobs_config_set_retry_delay (self->config, 1);
  lsobs_config_set_queue_capacity (self->config, 1000000);
  lsobs_config_set_shutdown_timeout (self->config, 300);
  test_log_clear ();
}

/* A key is in the header of a request to its own service, and nowhere else. */
static void
assert_keys (Replicas *self, guint server)
{
  g_autoptr (GPtrArray) requests = test_server_dup_requests (self->servers[server]);

  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);
      SoupMessageHeadersIter iter;
      const char *name;
      const char *value;

      soup_message_headers_iter_init (&iter, request->headers);
      while (soup_message_headers_iter_next (&iter, &name, &value))
        for (guint k = 0; k < REPLICA_MAX; k++)
          g_assert_true (strstr (value, keys[k]) == NULL ||
                         (k == server && g_ascii_strcasecmp (name, "x-api-key") == 0));
      for (guint k = 0; k < REPLICA_MAX; k++)
        g_assert_false (test_bytes_contain (request->raw_body, keys[k]) ||
                        (request->body != NULL && test_bytes_contain (request->body, keys[k])));
    }
}

void
replicas_tear_down (Replicas *self, gconstpointer data G_GNUC_UNUSED)
{
  if (self->exporter != NULL)
    replicas_assert_books (self);
  if (self->observer != NULL)
    test_shut_down (self->exporter, lsobs_config_get_shutdown_timeout (self->config));
  g_clear_object (&self->observer);
  test_drain_context ();
  if (self->exporter != NULL)
    {
      replicas_assert_books (self);
      g_assert_cmpuint (test_get_counter (self->exporter, LSOBS_COUNTER_QUEUED), ==, 0);
      g_assert_cmpuint (test_get_counter (self->exporter, LSOBS_COUNTER_IN_FLIGHT), ==, 0);
      test_assert_dies (self->exporter);
    }
  g_object_unref (self->config);
  for (guint i = 0; i < REPLICA_MAX; i++)
    {
      test_server_assert_conformant (self->servers[i]);
      assert_keys (self, i);
      g_assert_false (test_log_contains (keys[i]));
      test_server_free (self->servers[i]);
    }
}

const char *
replicas_get_key (guint server)
{
  return keys[server];
}

void
replicas_add (Replicas *self, guint server, const char *project_name, LsobsReplicaRole role)
{
  lsobs_config_add_replica (self->config, test_server_get_url (self->servers[server]), keys[server],
                            project_name, NULL, role);
}

void
replicas_add_all (Replicas *self)
{
  replicas_add (self, 0, NULL, LSOBS_REPLICA_ROLE_AUTO);
  replicas_add (self, 1, "other", LSOBS_REPLICA_ROLE_AUTO);
  replicas_add (self, 2, "third", LSOBS_REPLICA_ROLE_AUTO);
}

void
replicas_start_in (Replicas *self, GMainContext *context)
{
  g_autoptr (GError) error = NULL;

  self->observer = g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error, "config", self->config,
                                   "main-context", context, NULL);
  g_assert_no_error (error);
  self->exporter = g_object_ref (lsobs_observer_get_exporter (self->observer));
}

void
replicas_start (Replicas *self)
{
  replicas_start_in (self, NULL);
}

guint64
replicas_get (Replicas *self, guint index, LsobsCounter counter)
{
  g_autoptr (LsobsStats) stats = lsobs_exporter_dup_replica_stats (self->exporter, index);

  return lsobs_stats_get (stats, counter);
}

guint64
replicas_get_dropped (Replicas *self, guint index, LsobsDropReason reason)
{
  g_autoptr (LsobsStats) stats = lsobs_exporter_dup_replica_stats (self->exporter, index);

  return lsobs_stats_get_dropped (stats, reason);
}

typedef struct
{
  Replicas *replicas;
  guint index;
  LsobsCounter counter;
  guint64 at_least;
} Wait;

static gboolean
has_counted (gpointer data)
{
  Wait *wait = data;

  return replicas_get (wait->replicas, wait->index, wait->counter) >= wait->at_least;
}

gboolean
replicas_wait (Replicas *self, guint index, LsobsCounter counter, guint64 at_least)
{
  Wait wait = { self, index, counter, at_least };

  return test_wait_until (has_counted, &wait, TEST_TIMEOUT_MS);
}

static void
assert_balanced (LsobsStats *stats)
{
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED), ==,
                    lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED) +
                        lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED) +
                        lsobs_stats_get (stats, LSOBS_COUNTER_IN_FLIGHT) +
                        lsobs_stats_get_total_dropped (stats));
}

void
replicas_assert_books (Replicas *self)
{
  g_autoptr (LsobsStats) sum = lsobs_exporter_dup_stats (self->exporter);

  assert_balanced (sum);
  for (guint i = 0; i < lsobs_exporter_get_n_replicas (self->exporter); i++)
    {
      g_autoptr (LsobsStats) stats = lsobs_exporter_dup_replica_stats (self->exporter, i);

      assert_balanced (stats);
    }
}

static void
end (LsobsRun *run, const char *outputs)
{
  g_autoptr (JsonNode) node = run_json (outputs);

  lsobs_run_end (run, node);
}

LsobsRun *
replicas_record_tree (Replicas *self, const char *name)
{
  g_autoptr (JsonNode) inputs = run_json ("{\"question\":\"6 * 7\"}");
  LsobsRun *root = lsobs_observer_start_run (self->observer, name, LSOBS_RUN_TYPE_CHAIN, inputs);
  g_autoptr (LsobsRun) first = lsobs_run_start_child (root, "first", LSOBS_RUN_TYPE_LLM, NULL);
  g_autoptr (LsobsRun) tool = NULL;
  g_autoptr (LsobsRun) below = NULL;
  g_autoptr (LsobsRun) second = NULL;

  lsobs_run_add_event (first, "new_token", NULL);
  end (first, "{\"call\":\"tool\"}");
  tool = lsobs_run_start_child (root, "tool", LSOBS_RUN_TYPE_TOOL, NULL);
  below = lsobs_run_start_child (tool, "below", LSOBS_RUN_TYPE_TOOL, NULL);
  end (below, NULL);
  lsobs_run_fail_with_message (tool, "no such thing");
  second = lsobs_run_start_child (root, "second", LSOBS_RUN_TYPE_LLM, NULL);
  lsobs_run_add_tag (second, "last");
  end (second, "{\"text\":\"42\"}");
  end (root, "{\"answer\":42}");
  return root;
}

void
replicas_record (Replicas *self, const char *name, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (LsobsRun) run =
          lsobs_observer_start_run (self->observer, name, LSOBS_RUN_TYPE_CHAIN, NULL);

      lsobs_run_end (run, NULL);
    }
}
