/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include "tests/lib/run-helpers.h"

/* What `extra` holds beside metadata: the service replaces it as a whole, so that it
 * must never be sent in part. */

static void
set_up_hidden (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  lsobs_config_set_hide_metadata (fixture->config, TRUE);
  run_fixture_start (fixture);
}

static void
set_up_redacting (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  lsobs_config_set_redact_regex (fixture->config, "secret");
  run_fixture_start (fixture);
}

static void
set_extra (LsobsRun *run, const char *key, const char *json)
{
  g_autoptr (JsonNode) node = run_json (json);

  lsobs_run_set_extra (run, key, node);
}

static void
test_members (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  g_autoptr (LsobsRun) child = NULL;
  WireRun *sent;

  set_extra (run, "invocation_params", "{\"model\":\"gpt\",\"stop\":[\"a\"]}");
  set_extra (run, "nothing", NULL);
  set_extra (run, "", "[1,2]");
  set_extra (run, "duration_ms", "7");
  lsobs_run_set_metadata_string (run, "thread_id", "t-1");
  child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_CHAIN, NULL);

  sent = run_fixture_finish (fixture, run);
  run_assert_member (sent, "extra.invocation_params", "{\"model\":\"gpt\",\"stop\":[\"a\"]}");
  run_assert_member (sent, "extra.nothing", "null");
  run_assert_member (sent, "extra.duration_ms", "7");
  run_assert_member (sent, "extra.metadata", "{\"thread_id\":\"t-1\"}");
  run_assert_member (sent, "extra.runtime.sdk", "\"lsobs\"");
  g_assert_cmpuint (json_object_get_size (json_object_get_object_member (sent->run, "extra")), ==,
                    6);
  sent = run_fixture_finish (fixture, child);
  run_assert_member (sent, "extra.invocation_params", NULL);
  run_assert_member (sent, "extra.runtime.sdk", "\"lsobs\"");
}

static void
test_replaced (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);

  set_extra (run, "a", "{\"old\":1}");
  set_extra (run, "a", "{\"new\":2}");
  run_assert_member (run_fixture_finish (fixture, run), "extra.a", "{\"new\":2}");
}

static void
test_runtime (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  WireRun *sent;

  set_extra (run, "runtime",
             "{\"library\":\"agent\",\"agent_version\":\"2.1\",\"deep\":{\"a\":1}}");
  sent = run_fixture_finish (fixture, run);
  run_assert_member (sent, "extra.runtime.library", "\"agent\"");
  run_assert_member (sent, "extra.runtime.agent_version", "\"2.1\"");
  run_assert_member (sent, "extra.runtime.deep", "{\"a\":1}");
  run_assert_member (sent, "extra.runtime.sdk", "\"lsobs\"");
  run_assert_member (sent, "extra.runtime.runtime", "\"c\"");
}

/* What must be objects there cannot be anything else. */
static void
test_no_objects (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  WireRun *sent;

  lsobs_run_set_metadata_string (run, "thread_id", "t-1");
  set_extra (run, "runtime", "\"mine\"");
  set_extra (run, "runtime", NULL);
  set_extra (run, "metadata", "[1]");
  set_extra (run, "metadata", NULL);
  sent = run_fixture_finish (fixture, run);
  run_assert_member (sent, "extra.metadata", "{\"thread_id\":\"t-1\"}");
  run_assert_member (sent, "extra.runtime.sdk", "\"lsobs\"");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, 4);
}

static void
test_metadata (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  g_autoptr (LsobsRun) child = NULL;

  lsobs_run_set_metadata_string (run, "thread_id", "t-1");
  lsobs_run_set_metadata_string (run, "mode", "old");
  set_extra (run, "metadata", "{\"mode\":\"new\",\"n\":3}");
  child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_CHAIN, NULL);
  run_assert_member (run_fixture_finish (fixture, run), "extra.metadata",
                     "{\"thread_id\":\"t-1\",\"mode\":\"new\",\"n\":3}");
  run_assert_member (run_fixture_finish (fixture, child), "extra.metadata",
                     "{\"thread_id\":\"t-1\",\"mode\":\"new\",\"n\":3}");
}

/* A patch that has extra has all of it; one without news has none. */
static void
test_patch (RunFixture *fixture, gconstpointer data)
{
  gboolean with_news = GPOINTER_TO_INT (data);
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  g_autofree char *id = lsobs_run_dup_id (run);
  g_autoptr (JsonObject) post = NULL;
  g_autoptr (JsonObject) patch = NULL;
  WireRun *sent;

  set_extra (run, "early", "1");
  set_extra (run, "runtime", "{\"mine\":true}");
  lsobs_run_set_metadata_string (run, "thread_id", "t-1");
  run_fixture_flush (fixture);
  post = run_dup_operation (fixture->server, "post", id);
  g_assert_cmpint (json_object_get_int_member (json_object_get_object_member (post, "extra"),
                                               "early"),
                   ==, 1);
  if (with_news)
    set_extra (run, "late", "2");
  sent = run_fixture_finish (fixture, run);
  patch = run_dup_operation (fixture->server, "patch", id);
  g_assert_true (json_object_has_member (patch, "extra") == with_news);
  run_assert_member (sent, "extra.early", "1");
  run_assert_member (sent, "extra.late", with_news ? "2" : NULL);
  run_assert_member (sent, "extra.metadata", "{\"thread_id\":\"t-1\"}");
  run_assert_member (sent, "extra.runtime.mine", "true");
  run_assert_member (sent, "extra.runtime.sdk", "\"lsobs\"");
}

static void
test_captured (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  g_autoptr (JsonNode) node = run_json ("{\"a\":1}");

  lsobs_run_set_extra (run, "key", node);
  json_object_set_int_member (json_node_get_object (node), "a", 2);
  run_assert_member (run_fixture_finish (fixture, run), "extra.key", "{\"a\":1}");
}

static void
test_bounded (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  g_autofree char *large = g_strnfill (5 * 1024 * 1024, 'x');
  g_autoptr (JsonNode) node = json_node_init_string (json_node_alloc (), large);
  WireRun *sent;

  /* The very first of each kind is one too many. */
  lsobs_run_set_extra (run, "large", node);
  lsobs_run_set_metadata (run, "large", node);
  lsobs_run_add_tag (run, large);
  lsobs_run_add_event (run, large, NULL);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, 4);
  for (guint i = 0; i < 1100; i++)
    {
      g_autofree char *key = g_strdup_printf ("key-%u", i);

      set_extra (run, key, "1");
    }
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, 104);
  sent = run_fixture_finish (fixture, run);
  g_assert_cmpuint (json_object_get_size (json_object_get_object_member (sent->run, "extra")), ==,
                    1001);
  run_assert_member (sent, "tags", "[]");
  run_assert_member (sent, "extra.metadata", NULL);
  run_assert_member (sent, "extra.runtime.sdk", "\"lsobs\"");
}

static void
test_hidden (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  WireRun *sent;

  lsobs_run_set_metadata_string (run, "thread_id", "t-1");
  set_extra (run, "invocation_params", "{\"a\":1}");
  set_extra (run, "runtime", "{\"mine\":true}");
  sent = run_fixture_finish (fixture, run);
  run_assert_member (sent, "extra.metadata", "{}");
  run_assert_member (sent, "extra.invocation_params", NULL);
  run_assert_member (sent, "extra.runtime.mine", NULL);
  run_assert_member (sent, "extra.runtime.sdk", "\"lsobs\"");
}

static void
test_redacted (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  WireRun *sent;

  set_extra (run, "text", "[\"a secret\"]");
  set_extra (run, "runtime", "{\"mine\":\"secret\"}");
  sent = run_fixture_finish (fixture, run);
  run_assert_member (sent, "extra.text", "[\"a [REDACTED]\"]");
  run_assert_member (sent, "extra.runtime.mine", "\"[REDACTED]\"");
}

/* @user_data: what extra becomes */
static JsonNode *
redact_cb (const char *field, JsonNode *value, gpointer user_data)
{
  return g_str_equal (field, "extra") ? run_json (user_data) : json_node_ref (value);
}

typedef struct
{
  const char *name;
  const char *answer;
  const char *mine;  /* (nullable) */
  const char *error; /* (nullable) */
} RedactRow;

static const RedactRow redact_rows[] = {
  { "changed", "{\"runtime\":{\"mine\":1}}", "1", NULL },
  { "emptied", "{}", NULL, NULL },
  { "array", "[1]", NULL, "\"Redaction failed; extra dropped\"" },
  { "dropped", NULL, NULL, "\"Redaction failed; extra dropped\"" },
};

static void
test_redact_func (RunFixture *fixture, gconstpointer data)
{
  const RedactRow *row = data;
  g_autoptr (LsobsRun) run = NULL;
  WireRun *sent;

  lsobs_config_set_redact_func (fixture->config, redact_cb, (gpointer) row->answer, NULL);
  run_fixture_start (fixture);
  run = run_fixture_start_llm (fixture);
  lsobs_run_set_metadata_string (run, "thread_id", "t-1");
  set_extra (run, "runtime", "{\"mine\":\"telltale\"}");
  sent = run_fixture_finish (fixture, run);
  run_assert_member (sent, "extra.runtime.mine", row->mine);
  run_assert_member (sent, "extra.lsobs_error", row->error);
  run_assert_member (sent, "extra.runtime.sdk", "\"lsobs\"");
  run_assert_member (sent, "extra.metadata", "{\"thread_id\":\"t-1\"}");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_REDACTION_FAILURES), ==,
                    row->error != NULL);
}

/* Settings are nobody's business but ours. */
static void
test_no_secrets (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GPtrArray) requests = NULL;

  g_setenv ("LANGSMITH_TEST_MARK", "mark-of-the-environment", TRUE);
  g_setenv ("LANGCHAIN_TEST_MARK", "mark-of-the-environment", TRUE);
  g_setenv ("OPENAI_API_KEY", "mark-of-the-environment", TRUE);
  run = run_fixture_start_llm (fixture);
  set_extra (run, "runtime", "{\"mine\":true}");
  run_fixture_flush (fixture);
  lsobs_run_set_metadata_string (run, "late", "l");
  lsobs_run_fail_with_message (run, "failed");
  run_fixture_flush (fixture);
  g_unsetenv ("LANGSMITH_TEST_MARK");
  g_unsetenv ("LANGCHAIN_TEST_MARK");
  g_unsetenv ("OPENAI_API_KEY");

  requests = test_server_dup_ingest (fixture->server);
  g_assert_cmpuint (requests->len, ==, 2);
  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);
      gsize len;
      const char *body = g_bytes_get_data (request->body, &len);

      g_assert_cmpuint (len, >, 0);
      g_assert_null (g_strstr_len (body, (gssize) len, "mark-of-the"));
      g_assert_null (g_strstr_len (body, (gssize) len, RUN_API_KEY));
      g_assert_null (g_strstr_len (body, (gssize) len, "127.0.0.1"));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("What a run's extra holds beside metadata.");

  run_fixture_add_started ("/run-extra/members", test_members);
  run_fixture_add_started ("/run-extra/replaced", test_replaced);
  run_fixture_add_started ("/run-extra/runtime", test_runtime);
  run_fixture_add_started ("/run-extra/no-objects", test_no_objects);
  run_fixture_add_started ("/run-extra/metadata", test_metadata);
  g_test_add ("/run-extra/patch-without-news", RunFixture, GINT_TO_POINTER (FALSE),
              run_fixture_set_up_started, test_patch, run_fixture_tear_down);
  g_test_add ("/run-extra/patch-with-news", RunFixture, GINT_TO_POINTER (TRUE),
              run_fixture_set_up_started, test_patch, run_fixture_tear_down);
  run_fixture_add_started ("/run-extra/captured", test_captured);
  run_fixture_add_started ("/run-extra/bounded", test_bounded);
  g_test_add ("/run-extra/hidden", RunFixture, NULL, set_up_hidden, test_hidden,
              run_fixture_tear_down);
  g_test_add ("/run-extra/redacted", RunFixture, NULL, set_up_redacting, test_redacted,
              run_fixture_tear_down);
  for (guint i = 0; i < G_N_ELEMENTS (redact_rows); i++)
    {
      g_autofree char *path = g_strdup_printf ("/run-extra/redact-func/%s", redact_rows[i].name);

      g_test_add (path, RunFixture, &redact_rows[i], run_fixture_set_up, test_redact_func,
                  run_fixture_tear_down);
    }
  run_fixture_add_started ("/run-extra/no-secrets", test_no_secrets);
  return g_test_run ();
}
