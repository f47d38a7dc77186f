/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include "tests/lib/run-helpers.h"

/* Tags, metadata, events, model and usage. */

static void
set_json (LsobsRun *run, const char *key, const char *json)
{
  g_autoptr (JsonNode) node = run_json (json);

  lsobs_run_set_metadata (run, key, node);
}

static void
add_event (LsobsRun *run, const char *name, const char *details)
{
  g_autoptr (JsonNode) node = run_json (details);

  lsobs_run_add_event (run, name, node);
}

/* --- tags --- */

static void
test_tags (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  g_autoptr (LsobsRun) child = NULL;

  lsobs_run_add_tag (run, "b");
  lsobs_run_add_tag (run, "a");
  lsobs_run_add_tag (run, "b");
  lsobs_run_add_tag (run, "");
  child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_CHAIN, NULL);
  run_assert_member (run_fixture_finish (fixture, run), "tags", "[\"b\",\"a\",\"\"]");
  run_assert_member (run_fixture_finish (fixture, child), "tags", NULL);
}

/* A run may last for ever; what is noted on it must not grow for ever. */
static void
test_bounded (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  g_autofree char *large = g_strnfill (1024 * 1024, 'x');
  g_autoptr (LsobsStats) stats = NULL;

  for (guint i = 0; i < 10; i++)
    {
      g_autofree char *key = g_strdup_printf ("key-%u", i);

      lsobs_run_set_metadata_string (run, key, large);
    }
  for (guint i = 0; i < 1100; i++)
    {
      g_autofree char *tag = g_strdup_printf ("tag-%u", i);

      lsobs_run_add_tag (run, tag);
    }
  stats = lsobs_observer_dup_stats (fixture->observer);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_DROPPED_NOTES), ==, 7 + 100);
  lsobs_run_end (run, NULL);
}

static void
test_tags_in_patch (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);

  lsobs_run_add_tag (run, "early");
  run_fixture_flush (fixture);
  lsobs_run_add_tag (run, "late");
  run_assert_member (run_fixture_finish (fixture, run), "tags", "[\"early\",\"late\"]");
}

/* --- what is noted while the create still waits --- */

static JsonObject *
dup_operation (RunFixture *fixture, LsobsRun *run, const char *operation)
{
  g_autofree char *id = lsobs_run_dup_id (run);
  JsonObject *object = run_dup_operation (fixture->server, operation, id);

  g_assert_nonnull (object);
  return object;
}

static void
assert_json (JsonObject *object, const char *name, const char *expected)
{
  g_autofree char *text = json_object_has_member (object, name)
                              ? json_to_string (json_object_get_member (object, name), FALSE)
                              : NULL;

  g_assert_cmpstr (text, ==, expected);
}

static void
test_early (RunFixture *fixture, gconstpointer data)
{
  gboolean more = GPOINTER_TO_INT (data);
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  g_autoptr (JsonObject) post = NULL;
  g_autoptr (JsonObject) patch = NULL;

  lsobs_run_add_tag (run, "early");
  lsobs_run_set_metadata_string (run, "thread_id", "t-1");
  add_event (run, "retry", NULL);
  run_fixture_flush (fixture);
  post = dup_operation (fixture, run, "post");
  assert_json (post, "tags", "[\"early\"]");
  assert_json (json_object_get_object_member (post, "extra"), "metadata",
               "{\"thread_id\":\"t-1\"}");
  g_assert_false (json_object_has_member (post, "end_time"));
  g_assert_false (json_object_has_member (post, "events"));

  if (more)
    lsobs_run_set_metadata_string (run, "mode", "late");
  run_assert_member (run_fixture_finish (fixture, run), "extra.metadata",
                     more ? "{\"thread_id\":\"t-1\",\"mode\":\"late\"}"
                          : "{\"thread_id\":\"t-1\"}");
  patch = dup_operation (fixture, run, "patch");
  assert_json (patch, "tags", "[\"early\"]");
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (patch, "events")), ==, 1);
  /* The create has told the metadata: they are not sent again for nothing. */
  g_assert_true (json_object_has_member (patch, "extra") == more);
}

/* Nobody can end the run any more, but what it was told is not lost. */
static void
test_early_unended (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsRun *run = run_fixture_start_llm (fixture);
  g_autofree char *large = g_strnfill (100000, 'x');
  WireRun *sent;

  lsobs_run_add_tag (run, "early");
  lsobs_run_set_metadata_string (run, "mode", "left");
  add_event (run, "retry", NULL);
  lsobs_run_set_metadata_string (run, "large", large);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED_BYTES), <, 100000);
  lsobs_run_unref (run);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED_BYTES), >, 100000);
  run_fixture_flush (fixture);
  sent = run_fixture_find (fixture, "run");
  run_assert_member (sent, "tags", "[\"early\"]");
  run_assert_member (sent, "extra.metadata.mode", "\"left\"");
  run_assert_member (sent, "end_time", NULL);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (sent->run, "events")), ==,
                    1);
}

static void
test_sent_unended (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsRun *run = run_fixture_start_llm (fixture);

  run_fixture_flush (fixture);
  lsobs_run_add_tag (run, "late");
  lsobs_run_unref (run);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "tags", NULL);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_ENQUEUED), ==, 1);
}

static gpointer
note_thread (gpointer data)
{
  LsobsRun *run = data;

  for (guint i = 0; i < 200; i++)
    {
      g_autofree char *text = g_strdup_printf ("%p-%u", (void *) g_thread_self (), i);

      lsobs_run_add_tag (run, text);
      lsobs_run_set_metadata_string (run, text, text);
      lsobs_run_add_event (run, text, NULL);
    }
  lsobs_run_unref (run);
  return NULL;
}

/* The create leaves while several threads are at it. */
static void
test_noted_while_sent (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  GThread *threads[4];
  WireRun *sent;

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("note", note_thread, lsobs_run_ref (run));
  run_fixture_flush (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  sent = run_fixture_finish (fixture, run);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (sent->run, "tags")), ==,
                    800);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (sent->run, "events")), ==,
                    800);
  g_assert_cmpuint (json_object_get_size (
                        json_node_get_object (wire_run_get (sent, "extra.metadata"))),
                    ==, 800);
}

/* --- metadata --- */

static void
test_metadata (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);

  set_json (run, "list", "[1,\"two\",null]");
  set_json (run, "nothing", NULL);
  lsobs_run_set_metadata_string (run, "text", "a \"b\"");
  lsobs_run_set_metadata_string (run, "", "no name");
  run_assert_member (
      run_fixture_finish (fixture, run), "extra.metadata",
      "{\"list\":[1,\"two\",null],\"nothing\":null,\"text\":\"a \\\"b\\\"\",\"\":\"no name\"}");
}

static void
test_metadata_replaced (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);

  set_json (run, "a", "1");
  lsobs_run_set_metadata_string (run, "b", "2");
  lsobs_run_set_metadata_string (run, "a", "3");
  set_json (run, "b", "{\"c\":4}");
  run_assert_member (run_fixture_finish (fixture, run), "extra.metadata",
                     "{\"a\":\"3\",\"b\":{\"c\":4}}");
}

/* The tree is the caller's again as soon as the call has returned. */
static void
test_metadata_captured (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  g_autoptr (JsonNode) node = run_json ("{\"a\":1}");

  lsobs_run_set_metadata (run, "key", node);
  lsobs_run_add_event (run, "event", node);
  json_object_set_int_member (json_node_get_object (node), "a", 2);
  run_assert_member (run_fixture_finish (fixture, run), "extra.metadata", "{\"key\":{\"a\":1}}");
  g_assert_cmpint (json_node_get_int (
                       wire_run_get (run_fixture_find (fixture, "run"), "extra.metadata.key.a")),
                   ==, 1);
}

static void
test_metadata_inherited (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  g_autoptr (LsobsRun) before = lsobs_run_start_child (run, "before", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autoptr (LsobsRun) after = NULL;
  g_autoptr (LsobsRun) below = NULL;

  lsobs_run_set_metadata_string (run, "thread_id", "t-1");
  lsobs_run_set_metadata_string (run, "mode", "run");
  lsobs_run_set_model (run, "openai", "gpt");
  lsobs_run_set_usage (run, 1, 2, 3);
  after = lsobs_run_start_child (run, "after", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_set_metadata_string (after, "mode", "after");
  below = lsobs_run_start_child (after, "below", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_set_metadata_string (run, "mode", "too late");

  run_assert_member (run_fixture_finish (fixture, before), "extra.metadata", NULL);
  run_assert_member (run_fixture_finish (fixture, after), "extra.metadata",
                     "{\"thread_id\":\"t-1\",\"mode\":\"after\"}");
  run_assert_member (run_fixture_finish (fixture, below), "extra.metadata",
                     "{\"thread_id\":\"t-1\",\"mode\":\"after\"}");
  run_assert_member (run_fixture_finish (fixture, run), "extra.metadata.mode", "\"too late\"");
}

/* Keys that only their broken bytes tell apart must not become the same key twice. */
static void
test_metadata_broken_keys (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);

  lsobs_run_set_metadata_string (run, "a\xff", "1");
  lsobs_run_set_metadata_string (run, "a\xfe", "2");
  g_assert_nonnull (
      wire_run_get (run_fixture_finish (fixture, run), "extra.metadata.a\xef\xbf\xbd"));
}

/* --- events --- */

static void
test_events (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  JsonArray *events;
  WireRun *sent;
  gint64 last;

  add_event (run, "new_token", NULL);
  add_event (run, "retry", "{\"attempt\":2}");
  add_event (run, "note", "\"text\"");
  sent = run_fixture_finish (fixture, run);
  events = json_object_get_array_member (sent->run, "events");
  g_assert_cmpuint (json_array_get_length (events), ==, 3);

  last = sent->start_us;
  for (guint i = 0; i < 3; i++)
    {
      JsonObject *event = json_array_get_object_element (events, i);
      gint64 time = wire_parse_time (json_object_get_member (event, "time"), WIRE_STRICT);

      g_assert_cmpint (time, >=, last);
      last = time;
    }
  g_assert_cmpint (last, <=, sent->end_us);
  g_assert_cmpstr (json_object_get_string_member (json_array_get_object_element (events, 0),
                                                  "name"),
                   ==, "new_token");
  g_assert_cmpint (json_object_get_int_member (json_array_get_object_element (events, 1),
                                               "attempt"),
                   ==, 2);
  g_assert_cmpstr (json_object_get_string_member (json_array_get_object_element (events, 2),
                                                  "value"),
                   ==, "text");
}

static void
test_events_in_patch (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);

  add_event (run, "early", "{}");
  run_fixture_flush (fixture);
  add_event (run, "late", "{}");
  g_assert_cmpuint (json_array_get_length (
                        json_object_get_array_member (run_fixture_finish (fixture, run)->run,
                                                      "events")),
                    ==, 2);
}

/* What an event is called is not for its details to say. */
static void
test_event_with_own_name (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);
  JsonObject *event;

  add_event (run, "real", "{\"name\":\"false\",\"time\":\"never\",\"other\":1}");
  event = json_array_get_object_element (
      json_object_get_array_member (run_fixture_finish (fixture, run)->run, "events"), 0);
  g_assert_cmpstr (json_object_get_string_member (event, "name"), ==, "real");
  g_assert_cmpint (wire_parse_time (json_object_get_member (event, "time"), WIRE_STRICT), >, 0);
}

/* --- model and usage --- */

static void
test_model (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);

  lsobs_run_set_model (run, "openai", "gpt-5.4-mini");
  lsobs_run_set_usage (run, 21, 9, 30);
  run_assert_member (run_fixture_finish (fixture, run), "extra.metadata",
                     "{\"ls_provider\":\"openai\",\"ls_model_name\":\"gpt-5.4-mini\","
                     "\"ls_model_type\":\"chat\",\"usage_metadata\":{\"input_tokens\":21,"
                     "\"output_tokens\":9,\"total_tokens\":30}}");
}

static void
test_model_without_provider (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);

  lsobs_run_set_model (run, NULL, "local");
  run_assert_member (run_fixture_finish (fixture, run), "extra.metadata",
                     "{\"ls_model_name\":\"local\",\"ls_model_type\":\"chat\"}");
}

static void
test_model_in_patch (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);

  run_fixture_flush (fixture);
  lsobs_run_set_model (run, "p", "m");
  lsobs_run_set_usage (run, 1, 1, 2);
  run_assert_member (
      run_fixture_finish (fixture, run), "extra.metadata",
      "{\"ls_provider\":\"p\",\"ls_model_name\":\"m\",\"ls_model_type\":\"chat\","
      "\"usage_metadata\":{\"input_tokens\":1,\"output_tokens\":1,\"total_tokens\":2}}");
}

typedef struct
{
  const char *name;
  gint64 input;
  gint64 output;
  gint64 total;
  const char *expected;
} UsageRow;

static const UsageRow usage_rows[] = {
  { "all", 1, 2, 4, "{\"input_tokens\":1,\"output_tokens\":2,\"total_tokens\":4}" },
  { "sum", 1, 2, -1, "{\"input_tokens\":1,\"output_tokens\":2,\"total_tokens\":3}" },
  { "total-only", -1, -1, 7, "{\"total_tokens\":7}" },
  { "input-only", 5, -1, -1, "{\"input_tokens\":5}" },
  { "none", -1, -1, -1, "{}" },
  { "zeros", 0, 0, -1, "{\"input_tokens\":0,\"output_tokens\":0,\"total_tokens\":0}" },
  { "overflow", G_MAXINT64, 1, -1, "{\"input_tokens\":9223372036854775807,\"output_tokens\":1}" },
};

static void
test_usage (RunFixture *fixture, gconstpointer data)
{
  const UsageRow *row = data;
  g_autoptr (LsobsRun) run = run_fixture_start_llm (fixture);

  lsobs_run_set_usage (run, 100, 100, 100);
  lsobs_run_set_usage (run, row->input, row->output, row->total);
  run_assert_member (run_fixture_finish (fixture, run), "extra.metadata.usage_metadata",
                     row->expected);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("What a program says about a run while it goes on.");

  run_fixture_add_started ("/run-details/tags", test_tags);
  run_fixture_add_started ("/run-details/tags-in-patch", test_tags_in_patch);
  run_fixture_add_started ("/run-details/bounded", test_bounded);
  g_test_add ("/run-details/early/patch-without-news", RunFixture, GINT_TO_POINTER (FALSE),
              run_fixture_set_up_started, test_early, run_fixture_tear_down);
  g_test_add ("/run-details/early/patch-with-news", RunFixture, GINT_TO_POINTER (TRUE),
              run_fixture_set_up_started, test_early, run_fixture_tear_down);
  run_fixture_add_started ("/run-details/early/unended", test_early_unended);
  run_fixture_add_started ("/run-details/early/sent-unended", test_sent_unended);
  run_fixture_add_started ("/run-details/early/while-sent", test_noted_while_sent);
  run_fixture_add_started ("/run-details/metadata", test_metadata);
  run_fixture_add_started ("/run-details/metadata-replaced", test_metadata_replaced);
  run_fixture_add_started ("/run-details/metadata-captured", test_metadata_captured);
  run_fixture_add_started ("/run-details/metadata-inherited", test_metadata_inherited);
  run_fixture_add_started ("/run-details/metadata-broken-keys", test_metadata_broken_keys);
  run_fixture_add_started ("/run-details/events", test_events);
  run_fixture_add_started ("/run-details/events-in-patch", test_events_in_patch);
  run_fixture_add_started ("/run-details/event-with-own-name", test_event_with_own_name);
  run_fixture_add_started ("/run-details/model", test_model);
  run_fixture_add_started ("/run-details/model-without-provider", test_model_without_provider);
  run_fixture_add_started ("/run-details/model-in-patch", test_model_in_patch);
  for (guint i = 0; i < G_N_ELEMENTS (usage_rows); i++)
    {
      g_autofree char *path = g_strdup_printf ("/run-details/usage/%s", usage_rows[i].name);

      g_test_add (path, RunFixture, &usage_rows[i], run_fixture_set_up_started, test_usage,
                  run_fixture_tear_down);
    }
  return g_test_run ();
}
