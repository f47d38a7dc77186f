/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include "tests/lib/run-helpers.h"

/* Runs that are reported by id carry as much as those that have handles. */

#define R       "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define L       "019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5"
#define OTHER   "019ca8bb-fab2-7d43-bf61-8ea052c3d4f7"
#define EXAMPLE "0b3c5d7e-1f2a-4b6c-8d9e-0a1b2c3d4e5f"
#define R_START G_GINT64_CONSTANT (1772357415250000)

static LsobsRunEvent *
make_start (const char *id, const char *parent_id)
{
  return lsobs_run_event_new_start (id, parent_id, "run", LSOBS_RUN_TYPE_LLM, NULL);
}

static LsobsRunEvent *
make_end (const char *id)
{
  return lsobs_run_event_new_update (id, NULL, NULL);
}

static void
set (LsobsRunEvent *event, void (*setter) (LsobsRunEvent *, JsonNode *), const char *json)
{
  g_autoptr (JsonNode) node = run_json (json);

  setter (event, node);
}

static LsobsRunEvent *
with_extra (LsobsRunEvent *event, const char *json)
{
  set (event, lsobs_run_event_set_extra, json);
  return event;
}

static LsobsRunEvent *
with_tags (LsobsRunEvent *event, const char *first, const char *second)
{
  const char *tags[] = { first, second, NULL };

  lsobs_run_event_set_tags (event, tags);
  return event;
}

/* Takes @event over. */
static void
enqueue (RunFixture *fixture, LsobsRunEvent *event)
{
  g_autoptr (GError) error = NULL;

  lsobs_exporter_enqueue (fixture->exporter, event, &error);
  g_assert_no_error (error);
  lsobs_run_event_unref (event);
}

static WireRun *
flush (RunFixture *fixture)
{
  run_fixture_flush (fixture);
  return run_fixture_find (fixture, "run");
}

static JsonObject *
dup_patch (RunFixture *fixture)
{
  JsonObject *patch = run_dup_operation (fixture->server, "patch", R);

  g_assert_nonnull (patch);
  return patch;
}

/* --- one event --- */

static void
test_everything (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsRunEvent *event = with_tags (make_start (R, NULL), "a", "b");
  g_autoptr (JsonNode) thread = run_json ("\"t-1\"");
  g_autoptr (GError) error = NULL;
  WireRun *sent;

  with_extra (
      event,
      "{\"invocation_params\":{\"n\":1},\"runtime\":{\"mine\":true},\"metadata\":{\"m\":2}}");
  lsobs_run_event_set_metadata (event, "thread_id", thread);
  set (event, lsobs_run_event_set_inputs, "{\"in\":1}");
  set (event, lsobs_run_event_set_outputs, "[1]");
  set (event, lsobs_run_event_set_events,
       "[{\"name\":\"retry\",\"time\":\"2026-03-01T09:30:15.300000Z\",\"n\":1}]");
  set (event, lsobs_run_event_set_serialized, "{\"lc\":1,\"graph\":{}}");
  g_assert_true (lsobs_run_event_set_reference_example_id (event, EXAMPLE, &error));
  lsobs_run_event_set_error_text (event, "failed");
  lsobs_run_event_set_project_name (event, "other-project");
  lsobs_run_event_set_end_time (event, R_START + 900);
  enqueue (fixture, event);
  sent = flush (fixture);
  run_assert_member (sent, "tags", "[\"a\",\"b\"]");
  run_assert_member (sent, "inputs", "{\"in\":1}");
  run_assert_member (sent, "outputs", "{\"value\":[1]}");
  run_assert_member (sent, "events",
                     "[{\"name\":\"retry\",\"time\":\"2026-03-01T09:30:15.300000Z\",\"n\":1}]");
  run_assert_member (sent, "serialized", "{\"lc\":1}");
  run_assert_member (sent, "reference_example_id", "\"" EXAMPLE "\"");
  run_assert_member (sent, "error", "\"failed\"");
  run_assert_member (sent, "session_name", "\"other-project\"");
  run_assert_member (sent, "extra.metadata", "{\"m\":2,\"thread_id\":\"t-1\"}");
  run_assert_member (sent, "extra.invocation_params", "{\"n\":1}");
  run_assert_member (sent, "extra.runtime.mine", "true");
  run_assert_member (sent, "extra.runtime.sdk", "\"lsobs\"");
  run_assert_member (sent, "end_time", "\"2026-03-01T09:30:15.250900Z\"");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, 0);
}

/* The project of a trace is that of its root, also for updates. */
static void
test_project (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsRunEvent *event = make_start (R, NULL);

  lsobs_run_event_set_project_name (event, "other-project");
  enqueue (fixture, event);
  event = lsobs_run_event_new_start (L, R, "child", LSOBS_RUN_TYPE_TOOL, NULL);
  enqueue (fixture, event);
  run_fixture_flush (fixture);
  event = make_end (R);
  lsobs_run_event_set_project_name (event, "a third");
  enqueue (fixture, event);
  enqueue (fixture, make_end (L));
  run_assert_member (flush (fixture), "session_name", "\"other-project\"");
  run_assert_member (run_fixture_find (fixture, "child"), "session_name", "\"other-project\"");

  event = lsobs_run_event_new_start (OTHER, NULL, "empty", LSOBS_RUN_TYPE_TOOL, NULL);
  lsobs_run_event_set_project_name (event, "");
  enqueue (fixture, event);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "empty"), "session_name", "\"" RUN_PROJECT "\"");
}

/* An update of a run that began elsewhere can say all of it. */
static void
test_unknown_update (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsRunEvent *event = with_extra (make_end (R), "{\"metadata\":{\"a\":1}}");
  WireRun *sent;

  lsobs_run_event_set_name (event, "run");
  lsobs_run_event_set_run_type (event, LSOBS_RUN_TYPE_RETRIEVER);
  enqueue (fixture, event);
  sent = flush (fixture);
  run_assert_member (sent, "run_type", "\"retriever\"");
  run_assert_member (sent, "extra.metadata", "{\"a\":1}");
  g_assert_cmpuint (sent->n_patches, ==, 0);
}

typedef struct
{
  const char *name;
  const char *extra;
  guint n_dropped;
  const char *metadata; /* (nullable) */
} ExtraRow;

static const ExtraRow extra_rows[] = {
  { "array", "[1]", 1, NULL },
  { "null", "null", 1, NULL },
  { "empty", "{}", 0, NULL },
  { "metadata-array", "{\"metadata\":[1],\"runtime\":\"mine\",\"a\":1}", 2, NULL },
  { "metadata-null", "{\"metadata\":null}", 1, NULL },
  { "metadata-empty", "{\"metadata\":{}}", 0, NULL },
  { "metadata-deep", "{\"metadata\":{\"a\":{\"b\":[{}]}}}", 0, "{\"a\":{\"b\":[{}]}}" },
};

static void
test_extra (RunFixture *fixture, gconstpointer data)
{
  const ExtraRow *row = data;
  WireRun *sent;

  enqueue (fixture, with_extra (make_start (R, NULL), row->extra));
  sent = flush (fixture);
  run_assert_member (sent, "extra.metadata", row->metadata);
  run_assert_member (sent, "extra.runtime.sdk", "\"lsobs\"");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, row->n_dropped);
}

static void
test_events (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsRunEvent *event = make_start (R, NULL);

  set (event, lsobs_run_event_set_events,
       "[{\"name\":\"untimed\"},"
       "{\"name\":\"zone\",\"time\":\"2026-03-01T10:30:16.5+01:00\"},"
       "{\"name\":\"same\",\"time\":\"never\"},"
       "{\"name\":\"ms\",\"time\":1772357417250},"
       "{\"name\":\"absurd\",\"time\":-1},"
       "{\"name\":\"new_token\",\"time\":1772357418000,\"kwargs\":{\"token\":\"telltale\"}},"
       "{\"name\":\"new_token\",\"kwargs\":{\"token\":\"telltale\"}},"
       "{\"time\":null},"
       "7]");
  enqueue (fixture, event);
  run_assert_member (flush (fixture), "events",
                     "[{\"name\":\"untimed\",\"time\":\"2026-03-01T09:30:15.250000Z\"},"
                     "{\"name\":\"zone\",\"time\":\"2026-03-01T09:30:16.500000Z\"},"
                     "{\"name\":\"same\",\"time\":\"2026-03-01T09:30:16.500000Z\"},"
                     "{\"name\":\"ms\",\"time\":\"2026-03-01T09:30:17.250000Z\"},"
                     "{\"name\":\"absurd\",\"time\":\"2026-03-01T09:30:17.250000Z\"},"
                     "{\"name\":\"new_token\",\"time\":\"2026-03-01T09:30:18.000000Z\"},"
                     "{\"name\":\"\",\"time\":\"2026-03-01T09:30:18.000000Z\"}]");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, 1);
}

static void
test_bounded (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsRunEvent *event = make_start (R, NULL);
  g_autoptr (GStrvBuilder) tags = g_strv_builder_new ();
  g_auto (GStrv) all = NULL;
  g_autofree char *large = g_strnfill (3 * 1024 * 1024, 'x');
  g_autofree char *extra =
      g_strdup_printf ("{\"metadata\":{\"a\":\"%s\",\"b\":\"%s\",\"c\":1}}", large, large);
  WireRun *sent;

  for (guint i = 0; i < 1100; i++)
    {
      g_autofree char *tag = g_strdup_printf ("tag-%u", i);

      g_strv_builder_add (tags, tag);
    }
  all = g_strv_builder_end (tags);
  lsobs_run_event_set_tags (event, (const char *const *) all);
  set (event, lsobs_run_event_set_events, "{\"name\":\"no array\"}");
  with_extra (event, extra);
  enqueue (fixture, event);
  sent = flush (fixture);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (sent->run, "tags")), ==,
                    1000);
  /* two members, and that one of them was cut */
  g_assert_cmpuint (json_object_get_size (
                        json_node_get_object (wire_run_get (sent, "extra.metadata"))),
                    ==, 3);
  run_assert_member (sent, "extra.metadata.lsobs_cut_strings",
                     "{\"count\":1,\"paths\":[\"metadata.a\"]}");
  run_assert_member (sent, "events", NULL);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, 100 + 1 + 1);
}

/* A manifest is for models and prompts. */
static void
test_serialized_tool (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsRunEvent *event = make_start (R, NULL);

  lsobs_run_event_set_run_type (event, LSOBS_RUN_TYPE_TOOL);
  set (event, lsobs_run_event_set_serialized, "{\"lc\":1}");
  enqueue (fixture, event);
  run_assert_member (flush (fixture), "serialized", NULL);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, 1);
}

/* --- a start and an update --- */

static LsobsRunEvent *
make_full_start (void)
{
  LsobsRunEvent *event = with_tags (make_start (R, NULL), "old", "both");

  set (event, lsobs_run_event_set_events, "[{\"name\":\"old\"}]");
  return with_extra (
      event,
      "{\"metadata\":{\"keep\":1,\"deep\":{\"a\":{\"x\":1},\"list\":[1,2]},\"old\":{\"a\":1}},"
      "\"runtime\":{\"mine\":{\"a\":1}},\"params\":{\"p\":1}}");
}

static LsobsRunEvent *
make_full_end (void)
{
  LsobsRunEvent *event = with_tags (make_end (R), "both", "new");

  set (event, lsobs_run_event_set_events, "[{\"name\":\"new\"},{\"name\":\"newer\"}]");
  return with_extra (
      event, "{\"metadata\":{\"deep\":{\"a\":{\"y\":2},\"list\":[3]},\"old\":7,\"late\":null},"
             "\"runtime\":{\"mine\":{\"b\":2}},\"params\":{\"q\":2},\"more\":[1]}");
}

/* Whether they meet here or at the service, what comes of it is the same. */
static void
test_joined (RunFixture *fixture, gconstpointer data)
{
  gboolean sent_between = GPOINTER_TO_INT (data);
  WireRun *sent;

  enqueue (fixture, make_full_start ());
  if (sent_between)
    {
      sent = flush (fixture);
      run_assert_member (sent, "tags", "[\"old\",\"both\"]");
      run_assert_member (sent, "extra.params", "{\"p\":1}");
    }
  enqueue (fixture, make_full_end ());
  sent = flush (fixture);
  g_assert_cmpuint (sent->n_patches, ==, sent_between ? 1 : 0);
  run_assert_member (sent, "tags", "[\"both\",\"new\"]");
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (sent->run, "events")), ==,
                    2);
  run_assert_member (
      sent, "extra.metadata",
      "{\"keep\":1,\"deep\":{\"a\":{\"x\":1,\"y\":2},\"list\":[3]},\"old\":7,\"late\":null}");
  run_assert_member (sent, "extra.params", "{\"p\":1,\"q\":2}");
  run_assert_member (sent, "extra.more", "[1]");
  run_assert_member (sent, "extra.runtime.mine", "{\"a\":1,\"b\":2}");
  run_assert_member (sent, "extra.runtime.sdk", "\"lsobs\"");
}

/* What the start has told is not told again for nothing; what is not told stays. */
static void
test_patch_without_news (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonObject) patch = NULL;
  WireRun *sent;

  enqueue (fixture, make_full_start ());
  run_fixture_flush (fixture);
  enqueue (fixture, make_end (R));
  sent = flush (fixture);
  patch = dup_patch (fixture);
  g_assert_false (json_object_has_member (patch, "extra"));
  run_assert_member (sent, "tags", "[\"old\",\"both\"]");
  run_assert_member (sent, "extra.params", "{\"p\":1}");
  run_assert_member (sent, "extra.runtime.sdk", "\"lsobs\"");
}

/* An update that comes after the end, but before that has left, still adds to it. */
static void
test_two_updates (RunFixture *fixture, gconstpointer data)
{
  gboolean sent_before = GPOINTER_TO_INT (data);
  LsobsRunEvent *second = with_extra (make_end (R), "{\"metadata\":{\"a\":{\"y\":2}}}");
  WireRun *sent;

  enqueue (fixture, make_start (R, NULL));
  if (sent_before)
    run_fixture_flush (fixture);
  enqueue (fixture, with_tags (with_extra (lsobs_run_event_new_update (R, NULL, "first"),
                                           "{\"metadata\":{\"a\":{\"x\":1}}}"),
                               "t", "u"));
  set (second, lsobs_run_event_set_outputs, "{\"out\":1}");
  lsobs_run_event_set_error_text (second, "second");
  enqueue (fixture, second);
  sent = flush (fixture);
  g_assert_cmpuint (sent->n_patches, ==, sent_before ? 1 : 0);
  run_assert_member (sent, "error", "\"first\"");
  run_assert_member (sent, "outputs", "{\"out\":1}");
  run_assert_member (sent, "tags", "[\"t\",\"u\"]");
  run_assert_member (sent, "extra.metadata", "{\"a\":{\"x\":1,\"y\":2}}");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_LATE_UPDATES), ==, 0);
}

/* The service takes one end of a run. A second one that comes when the first is there
 * must not become a run of its own, with the same id. */
static void
test_update_after_delivery (RunFixture *fixture, gconstpointer data)
{
  gboolean merged = GPOINTER_TO_INT (data);
  guint64 n_enqueued;
  g_autoptr (GError) error = NULL;
  LsobsRunEvent *again;
  WireRun *sent;

  enqueue (fixture, make_start (R, NULL));
  if (!merged)
    run_fixture_flush (fixture);
  enqueue (fixture, make_end (R));
  run_fixture_flush (fixture);
  n_enqueued = run_fixture_get (fixture, LSOBS_COUNTER_ENQUEUED);
  for (guint i = 0; i < 3; i++)
    enqueue (fixture, with_extra (lsobs_run_event_new_update (R, NULL, "late"),
                                  "{\"metadata\":{\"late\":1}}"));
  again = make_start (R, NULL);
  g_assert_false (lsobs_exporter_enqueue (fixture->exporter, again, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN);
  lsobs_run_event_unref (again);
  sent = flush (fixture);
  run_assert_member (sent, "error", NULL);
  g_assert_cmpuint (sent->n_patches, ==, merged ? 0 : 1);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_LATE_UPDATES), ==, 3);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_UNKNOWN_UPDATES), ==, 0);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_ENQUEUED), ==, n_enqueued);
}

/* --- many runs --- */

static char *
make_id (guint number)
{
  return g_strdup_printf ("019ca8bb-f152-7000-8000-%012x", number);
}

static LsobsRunEvent *
make_large_start (guint number)
{
  g_autofree char *id = make_id (number);
  g_autofree char *name = g_strdup_printf ("run-%u", number);
  g_autofree char *large = g_strnfill (1024 * 1024, 'x');
  g_autofree char *extra = g_strdup_printf ("{\"metadata\":{\"large\":\"%s\"},\"early\":1}", large);

  return with_extra (lsobs_run_event_new_start (id, NULL, name, LSOBS_RUN_TYPE_CHAIN, NULL), extra);
}

static void
end_with_extra (RunFixture *fixture, guint number)
{
  g_autofree char *id = make_id (number);

  enqueue (fixture, with_tags (with_extra (make_end (id), "{\"metadata\":{\"late\":1},\"more\":2}"),
                               "x", "y"));
}

/* What is kept of runs that go on is bounded. Extra that is not known any more is left
 * as the service has it: in part it would take the place of the whole. */
static void
test_forgotten (RunFixture *fixture, gconstpointer data)
{
  gboolean sent_before = GPOINTER_TO_INT (data);
  const guint n_runs = 20;
  WireRun *first;
  WireRun *last;

  for (guint i = 0; i < n_runs; i++)
    enqueue (fixture, make_large_start (i));
  if (sent_before)
    run_fixture_flush (fixture);
  end_with_extra (fixture, 0);
  end_with_extra (fixture, n_runs - 1);
  run_fixture_flush (fixture);
  first = run_fixture_find (fixture, "run-0");
  last = run_fixture_find (fixture, "run-19");
  run_assert_member (first, "tags", "[\"x\",\"y\"]");
  run_assert_member (first, "extra.early", "1");
  run_assert_member (first, "extra.more", NULL);
  run_assert_member (first, "extra.metadata.late", NULL);
  g_assert_nonnull (wire_run_get (first, "extra.metadata.large"));
  run_assert_member (first, "extra.runtime.sdk", "\"lsobs\"");
  run_assert_member (last, "tags", "[\"x\",\"y\"]");
  run_assert_member (last, "extra.early", "1");
  run_assert_member (last, "extra.more", "2");
  run_assert_member (last, "extra.metadata.late", "1");
  g_assert_nonnull (wire_run_get (last, "extra.metadata.large"));
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, 2);
}

/* More ends than are remembered: those of before count as unknown again, and nothing
 * worse happens. */
static void
test_many_ends (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  for (guint i = 0; i < 2500; i++)
    {
      g_autofree char *id = make_id (i);

      enqueue (fixture, lsobs_run_event_new_start (id, NULL, "run", LSOBS_RUN_TYPE_CHAIN, NULL));
      enqueue (fixture, make_end (id));
    }
  run_fixture_flush (fixture);
  for (guint i = 2490; i < 2500; i++)
    {
      g_autofree char *id = make_id (i);

      enqueue (fixture, make_end (id));
    }
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_LATE_UPDATES), ==, 10);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED), ==, 0);
}

typedef struct
{
  RunFixture *fixture;
  RunBarrier barrier;
} Race;

static gpointer
update_thread (gpointer data)
{
  Race *race = data;

  run_barrier_wait (&race->barrier);
  for (guint i = 0; i < 100; i++)
    {
      g_autofree char *extra =
          g_strdup_printf ("{\"metadata\":{\"%p-%u\":{\"a\":1}}}", (void *) g_thread_self (), i);

      enqueue (race->fixture, with_tags (with_extra (make_end (R), extra), "a", "b"));
    }
  return NULL;
}

static void
test_threads (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Race race = { .fixture = fixture };
  GThread *threads[4];
  WireRun *sent;

  run_barrier_init (&race.barrier, G_N_ELEMENTS (threads) + 1);
  enqueue (fixture, with_extra (make_start (R, NULL), "{\"metadata\":{\"start\":1}}"));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("update", update_thread, &race);
  run_barrier_wait (&race.barrier);
  run_fixture_flush (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  sent = flush (fixture);
  run_assert_member (sent, "extra.metadata.start", "1");
  run_assert_member (sent, "tags", "[\"a\",\"b\"]");
  g_assert_cmpint (sent->end_us, >, 0);
  run_barrier_clear (&race.barrier);
}

/* --- values --- */

static void
test_setters (void)
{
  g_autoptr (LsobsRunEvent) event = make_end (R);
  g_autoptr (JsonNode) node = run_json ("{\"a\":1}");
  g_autoptr (GError) error = NULL;

  g_assert_null (lsobs_run_event_get_name (event));
  lsobs_run_event_set_name (event, "name");
  lsobs_run_event_set_name (event, lsobs_run_event_get_name (event) + 1);
  g_assert_cmpstr (lsobs_run_event_get_name (event), ==, "ame");
  lsobs_run_event_set_run_type (event, LSOBS_RUN_TYPE_PARSER);
  g_assert_cmpint (lsobs_run_event_get_run_type (event), ==, LSOBS_RUN_TYPE_PARSER);
  lsobs_run_event_set_project_name (event, "p");
  g_assert_cmpstr (lsobs_run_event_get_project_name (event), ==, "p");
  lsobs_run_event_set_project_name (event, NULL);
  g_assert_null (lsobs_run_event_get_project_name (event));
  lsobs_run_event_set_error_text (event, "e");
  g_assert_cmpstr (lsobs_run_event_get_error_text (event), ==, "e");
  lsobs_run_event_set_error_text (event, NULL);
  g_assert_null (lsobs_run_event_get_error_text (event));

  lsobs_run_event_set_inputs (event, node);
  lsobs_run_event_set_outputs (event, node);
  lsobs_run_event_set_events (event, node);
  lsobs_run_event_set_serialized (event, node);
  json_object_set_int_member (json_node_get_object (node), "a", 2);
  run_assert_node (lsobs_run_event_get_inputs (event), "{\"a\":1}");
  run_assert_node (lsobs_run_event_get_outputs (event), "{\"a\":1}");
  run_assert_node (lsobs_run_event_get_events (event), "{\"a\":1}");
  run_assert_node (lsobs_run_event_get_serialized (event), "{\"a\":1}");
  lsobs_run_event_set_inputs (event, NULL);
  lsobs_run_event_set_events (event, NULL);
  run_assert_node (lsobs_run_event_get_inputs (event), NULL);
  run_assert_node (lsobs_run_event_get_events (event), NULL);

  with_tags (event, "a", NULL);
  with_tags (event, "b", "c");
  g_assert_cmpstr (lsobs_run_event_get_tags (event)[1], ==, "c");
  lsobs_run_event_set_tags (event, NULL);
  g_assert_null (lsobs_run_event_get_tags (event));

  g_assert_false (lsobs_run_event_set_reference_example_id (event, "x", &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_VALUE);
  g_assert_null (lsobs_run_event_get_reference_example_id (event));
  g_assert_true (lsobs_run_event_set_reference_example_id (event, EXAMPLE, NULL));
  g_assert_cmpstr (lsobs_run_event_get_reference_example_id (event), ==, EXAMPLE);
}

static void
test_set_metadata (void)
{
  g_autoptr (LsobsRunEvent) event = make_end (R);
  g_autoptr (JsonNode) node = run_json ("[1]");

  lsobs_run_event_set_metadata (event, "a", node);
  lsobs_run_event_set_metadata (event, "b", NULL);
  run_assert_node (lsobs_run_event_get_extra (event), "{\"metadata\":{\"a\":[1],\"b\":null}}");
  lsobs_run_event_set_metadata (event, "a", NULL);
  run_assert_node (lsobs_run_event_get_extra (event), "{\"metadata\":{\"a\":null,\"b\":null}}");
  with_extra (event, "{\"metadata\":7,\"other\":1}");
  lsobs_run_event_set_metadata (event, "a", node);
  run_assert_node (lsobs_run_event_get_extra (event), "{\"metadata\":{\"a\":[1]},\"other\":1}");
  with_extra (event, "7");
  lsobs_run_event_set_metadata (event, "a", node);
  run_assert_node (lsobs_run_event_get_extra (event), "{\"metadata\":{\"a\":[1]}}");
  with_extra (event, NULL);
  run_assert_node (lsobs_run_event_get_extra (event), NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("What runs that are reported by id carry, and how it is joined.");

  run_fixture_add_started ("/run-event-details/everything", test_everything);
  run_fixture_add_started ("/run-event-details/project", test_project);
  run_fixture_add_started ("/run-event-details/unknown-update", test_unknown_update);
  for (guint i = 0; i < G_N_ELEMENTS (extra_rows); i++)
    {
      g_autofree char *path = g_strdup_printf ("/run-event-details/extra/%s", extra_rows[i].name);

      g_test_add (path, RunFixture, &extra_rows[i], run_fixture_set_up_started, test_extra,
                  run_fixture_tear_down);
    }
  run_fixture_add_started ("/run-event-details/events", test_events);
  run_fixture_add_started ("/run-event-details/bounded", test_bounded);
  run_fixture_add_started ("/run-event-details/serialized-tool", test_serialized_tool);
  run_fixture_add_both ("/run-event-details/joined", test_joined);
  run_fixture_add_started ("/run-event-details/patch-without-news", test_patch_without_news);
  run_fixture_add_both ("/run-event-details/two-updates", test_two_updates);
  run_fixture_add_both ("/run-event-details/update-after-delivery", test_update_after_delivery);
  run_fixture_add_both ("/run-event-details/forgotten", test_forgotten);
  run_fixture_add_started ("/run-event-details/many-ends", test_many_ends);
  run_fixture_add_started ("/run-event-details/threads", test_threads);
  g_test_add_func ("/run-event-details/setters", test_setters);
  g_test_add_func ("/run-event-details/set-metadata", test_set_metadata);
  return g_test_run ();
}
