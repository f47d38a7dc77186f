/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/lib/feedback-helpers.h"

LsobsRun *
feedback_start_run (RunFixture *fixture, const char *name)
{
  return lsobs_observer_start_run (fixture->observer, name, LSOBS_RUN_TYPE_CHAIN, NULL);
}

void
feedback_set_up_with_info (RunFixture *fixture, const char *info)
{
  run_fixture_set_up (fixture, NULL);
  lsobs_config_set_retry_delay (fixture->config, 1);
  test_server_set_info (fixture->server, info);
  run_fixture_start (fixture);
}

static gboolean
takes_feedback (gpointer data)
{
  return lsobs_transport_takes_feedback (data);
}

void
feedback_wait_for_info (RunFixture *fixture)
{
  LsobsTransport *client = lsobs_exporter_get_transport (fixture->exporter);

  g_assert_true (test_wait_until (takes_feedback, client, TEST_TIMEOUT_MS));
}

void
feedback_set_up_known (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;

  feedback_set_up_with_info (fixture, "{\"version\":\"0.8.10\"}");
  run = feedback_start_run (fixture, "first");
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  feedback_wait_for_info (fixture);
}

void
feedback_add_to_run (LsobsRun *run, const char *key)
{
  g_autoptr (GError) error = NULL;
  gboolean added = lsobs_run_add_feedback (run, key, 1, NULL, &error);

  g_assert_no_error (error);
  g_assert_true (added);
}

JsonObject *
feedback_find (RunFixture *fixture, const char *key)
{
  GPtrArray *all = wire_tree_get_feedback (fixture->tree);
  JsonObject *found = NULL;

  for (guint i = 0; i < all->len; i++)
    {
      JsonObject *feedback = g_ptr_array_index (all, i);

      if (g_strcmp0 (json_object_get_string_member (feedback, "key"), key) != 0)
        continue;
      g_assert_null (found);
      found = feedback;
    }
  g_assert_nonnull (found);
  return found;
}

void
feedback_add (RunFixture *fixture, LsobsFeedback *feedback)
{
  g_autoptr (GError) error = NULL;
  gboolean added = lsobs_observer_add_feedback (fixture->observer, feedback, &error);

  g_assert_no_error (error);
  g_assert_true (added);
  lsobs_feedback_unref (feedback);
}

void
feedback_assert_member (JsonObject *feedback, const char *name, const char *expected)
{
  JsonNode *node = json_object_get_member (feedback, name);
  g_autofree char *got = node != NULL ? wire_json_canonical (node) : NULL;

  g_assert_cmpstr (got, ==, expected);
}
