/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <locale.h>
#include <math.h>
#include <string.h>

#include <glib/gstdio.h>

#include <lsobs/lsobs.h>

#include "dump-helpers.h"
#include "feedback-helpers.h"
#include "fork-helpers.h"

/* What somebody thinks of a run: what it says, which way it goes, and what becomes of it when it is not
 * wanted. */

#define R       "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define L       "019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5"
#define OTHER   "019ca8bb-fab2-7d43-bf61-8ea052c3d4f7"
#define R_START G_GINT64_CONSTANT (1772357415250000)

/* The service is too old for feedback among runs. */
static void
set_up (RunFixture *fixture, gconstpointer data)
{
  feedback_set_up_with_info (fixture, "{\"version\":\"0.8.9\"}");
}

/* --- what it says --- */

/* What would leave, without a server. */
typedef struct
{
  LsobsConfig *config;
  LsobsMemoryTransport *transport;
  LsobsObserver *observer;
} Memory;

static void
memory_set_up (Memory *memory, gconstpointer data)
{
  memory->config = lsobs_config_new (NULL, "project");
  lsobs_config_set_flush_interval (memory->config, TEST_NEVER_MS);
  memory->transport = lsobs_memory_transport_new ();
}

static void
memory_start (Memory *memory)
{
  g_autoptr (GError) error = NULL;

  memory->observer =
      lsobs_observer_new_with_transport (memory->config, LSOBS_TRANSPORT (memory->transport),
                                         &error);
  g_assert_no_error (error);
}

static void
memory_tear_down (Memory *memory, gconstpointer data)
{
  g_clear_object (&memory->observer);
  g_object_unref (memory->transport);
  g_object_unref (memory->config);
}

/* Adds the feedback; (transfer full): as it leaves, or NULL when it does not. Takes @feedback over. */
static LsobsRunEvent *
send_feedback (Memory *memory, LsobsFeedback *feedback)
{
  g_autoptr (GPtrArray) events = NULL;
  g_autoptr (GError) error = NULL;

  if (memory->observer == NULL)
    memory_start (memory);
  lsobs_memory_transport_clear (memory->transport);
  lsobs_observer_add_feedback (memory->observer, feedback, &error);
  g_assert_no_error (error);
  lsobs_feedback_unref (feedback);
  lsobs_observer_flush (memory->observer, TEST_TIMEOUT_MS, NULL, &error);
  g_assert_no_error (error);
  events = lsobs_memory_transport_dup_events (memory->transport);
  g_assert_cmpuint (events->len, <=, 1);
  return events->len > 0 ? lsobs_run_event_ref (events->pdata[0]) : NULL;
}

static JsonObject *
peek_object (LsobsRunEvent *event)
{
  return json_node_get_object (lsobs_run_event_get_feedback (event));
}

static void
test_least (Memory *memory, gconstpointer data G_GNUC_UNUSED)
{
  gint64 before = g_get_real_time ();
  LsobsFeedback *feedback = lsobs_feedback_new (L, R, "helpful");
  g_autofree char *id = g_strdup (lsobs_feedback_get_id (feedback));
  g_autoptr (LsobsRunEvent) event = NULL;
  g_autoptr (GError) error = NULL;
  JsonObject *object;
  g_autoptr (GList) members = NULL;
  g_autoptr (GString) names = g_string_new (NULL);

  g_assert_cmpstr (lsobs_feedback_get_run_id (feedback), ==, L);
  g_assert_cmpstr (lsobs_feedback_get_trace_id (feedback), ==, R);
  g_assert_cmpstr (lsobs_feedback_get_key (feedback), ==, "helpful");
  g_assert_cmpint (wire_uuid_get_ms (id), >=, before / 1000);
  event = send_feedback (memory, feedback);
  g_assert_cmpint (lsobs_run_event_get_kind (event), ==, LSOBS_RUN_EVENT_KIND_FEEDBACK);
  g_assert_cmpstr (lsobs_run_event_get_id (event), ==, L);
  g_assert_cmpstr (lsobs_run_event_get_trace_id (event), ==, R);
  g_assert_null (lsobs_run_event_get_name (event));
  object = peek_object (event);
  g_assert_true (wire_check_feedback (object, WIRE_STRICT, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (json_object_get_string_member (object, "id"), ==, id);
  members = json_object_get_members (object);
  for (GList *l = members; l != NULL; l = l->next)
    g_string_append_printf (names, "%s ", (char *) l->data);
  g_assert_cmpstr (names->str, ==,
                   "id run_id trace_id key feedback_source created_at modified_at ");
  feedback_assert_member (object, "feedback_source", "{\"metadata\":{},\"type\":\"api\"}");
}

static void
test_most (Memory *memory, gconstpointer data G_GNUC_UNUSED)
{
  LsobsFeedback *feedback = lsobs_feedback_new (L, R, "quality");
  g_autoptr (JsonNode) value = run_json ("\"good\"");
  g_autoptr (JsonNode) correction = run_json ("{\"answer\":43}");
  g_autoptr (JsonNode) metadata = run_json ("{\"model\":\"judge-1\"}");
  g_autoptr (JsonNode) config = run_json ("{\"type\":\"continuous\",\"min\":0}");
  g_autoptr (JsonNode) extra = run_json ("[1]");
  g_autoptr (LsobsRunEvent) event = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GList) members = NULL;
  g_autoptr (GString) names = g_string_new (NULL);
  JsonObject *object;

  lsobs_feedback_set_score (feedback, 0.75);
  lsobs_feedback_set_value (feedback, value);
  lsobs_feedback_set_comment (feedback, "fine");
  lsobs_feedback_set_correction (feedback, correction);
  lsobs_feedback_set_source (feedback, LSOBS_FEEDBACK_SOURCE_MODEL, metadata);
  lsobs_feedback_set_project_id (feedback, OTHER);
  lsobs_feedback_set_start_time (feedback, R_START);
  lsobs_feedback_set_experiment_id (feedback, "019CA8BB-FAB2-7D43-BF61-8EA052C3D4F7");
  lsobs_feedback_set_group_id (feedback, OTHER);
  lsobs_feedback_set_config (feedback, config);
  lsobs_feedback_set_extra (feedback, extra);
  lsobs_feedback_set_is_error (feedback, TRUE);
  lsobs_feedback_set_extend_retention (feedback, FALSE);
  /* It has its own copies. */
  json_object_set_int_member (json_node_get_object (correction), "answer", 44);
  event = send_feedback (memory, feedback);
  object = peek_object (event);
  g_assert_true (wire_check_feedback (object, WIRE_STRICT, &error));
  g_assert_no_error (error);
  members = json_object_get_members (object);
  for (GList *l = members; l != NULL; l = l->next)
    g_string_append_printf (names, "%s ", (char *) l->data);
  g_assert_cmpstr (
      names->str, ==,
      "id run_id trace_id key score value comment correction feedback_source session_id "
      "start_time created_at modified_at comparative_experiment_id feedback_group_id "
      "feedback_config extra error extend_trace_retention ");
  feedback_assert_member (object, "score", "0.75");
  feedback_assert_member (object, "value", "\"good\"");
  feedback_assert_member (object, "comment", "\"fine\"");
  feedback_assert_member (object, "correction", "{\"answer\":43}");
  feedback_assert_member (object, "feedback_source",
                          "{\"metadata\":{\"model\":\"judge-1\"},\"type\":\"model\"}");
  feedback_assert_member (object, "session_id", "\"" OTHER "\"");
  feedback_assert_member (object, "start_time", "\"2026-03-01T09:30:15.250000Z\"");
  feedback_assert_member (object, "comparative_experiment_id", "\"" OTHER "\"");
  feedback_assert_member (object, "feedback_group_id", "\"" OTHER "\"");
  feedback_assert_member (object, "feedback_config", "{\"min\":0,\"type\":\"continuous\"}");
  feedback_assert_member (object, "extra", "{\"value\":[1]}");
  feedback_assert_member (object, "error", "true");
  feedback_assert_member (object, "extend_trace_retention", "false");
}

static void
test_unset (Memory *memory, gconstpointer data G_GNUC_UNUSED)
{
  LsobsFeedback *feedback = lsobs_feedback_new (L, R, "quality");
  g_autoptr (JsonNode) value = run_json ("\"good\"");
  g_autoptr (LsobsRunEvent) event = NULL;

  lsobs_feedback_set_value (feedback, value);
  lsobs_feedback_set_value (feedback, NULL);
  lsobs_feedback_set_comment (feedback, "fine");
  lsobs_feedback_set_comment (feedback, NULL);
  lsobs_feedback_set_source (feedback, LSOBS_FEEDBACK_SOURCE_MODEL, value);
  lsobs_feedback_set_source (feedback, LSOBS_FEEDBACK_SOURCE_API, NULL);
  lsobs_feedback_set_project_id (feedback, OTHER);
  lsobs_feedback_set_project_id (feedback, NULL);
  event = send_feedback (memory, feedback);
  g_assert_false (json_object_has_member (peek_object (event), "value"));
  g_assert_false (json_object_has_member (peek_object (event), "comment"));
  g_assert_false (json_object_has_member (peek_object (event), "session_id"));
  feedback_assert_member (peek_object (event), "feedback_source",
                          "{\"metadata\":{},\"type\":\"api\"}");
}

static void
test_scores (Memory *memory, gconstpointer data G_GNUC_UNUSED)
{
  /* clang-format off */
  static const struct { double score; const char *sent; } scores[] = {
    { 0, "0" }, { -0.0, "0" }, { 1, "1" }, { -1, "-1" }, { 0.5, "0.5" }, { 0.1, "0.1" }, { 1.0 / 3, "0.3333" },
    { 2.0 / 3, "0.6667" }, { -2.0 / 3, "-0.6667" }, { 0.00004, "0" }, { -0.00004, "0" }, { 0.99999, "1" },
    { 4.5, "4.5" }, { 1e10, "10000000000" }, { 1e300, "1e+300" }, { -1e300, "-1e+300" },
  };
  /* clang-format on */

  for (guint i = 0; i < G_N_ELEMENTS (scores); i++)
    {
      LsobsFeedback *feedback = lsobs_feedback_new (L, R, "key");
      g_autoptr (LsobsRunEvent) event = NULL;
      g_autofree char *got = NULL;

      lsobs_feedback_set_score (feedback, scores[i].score);
      event = send_feedback (memory, feedback);
      got = wire_json_canonical (json_object_get_member (peek_object (event), "score"));
      g_assert_cmpfloat (g_ascii_strtod (got, NULL), ==, g_ascii_strtod (scores[i].sent, NULL));
      g_assert_false (signbit (g_ascii_strtod (got, NULL)) && scores[i].sent[0] != '-');
    }
}

static void
test_boolean_scores (Memory *memory, gconstpointer data G_GNUC_UNUSED)
{
  LsobsFeedback *feedback = lsobs_feedback_new (L, R, "key");
  g_autoptr (LsobsRunEvent) yes = NULL;
  g_autoptr (LsobsRunEvent) no = NULL;

  lsobs_feedback_set_score (feedback, NAN);
  lsobs_feedback_set_score_boolean (feedback, 7);
  yes = send_feedback (memory, lsobs_feedback_ref (feedback));
  feedback_assert_member (peek_object (yes), "score", "true");
  /* What was added is a copy. */
  lsobs_feedback_set_score_boolean (feedback, FALSE);
  feedback_assert_member (peek_object (yes), "score", "true");
  no = send_feedback (memory, feedback);
  feedback_assert_member (peek_object (no), "score", "false");
}

typedef struct
{
  const char *run_id;
  const char *trace_id;
  const char *key;
  double score;
  const char *other_id;
} BadRow;

static void
test_refused (Memory *memory, gconstpointer data G_GNUC_UNUSED)
{
  static const BadRow rows[] = {
    { "", R, "key", 1, NULL },        { "run", R, "key", 1, NULL },
    { L "0", R, "key", 1, NULL },     { L, "", "key", 1, NULL },
    { L, R "\r\n", "key", 1, NULL },  { L, R, "", 1, NULL },
    { L, R, "key", NAN, NULL },       { L, R, "key", INFINITY, NULL },
    { L, R, "key", -INFINITY, NULL }, { L, R, "key", 1, "project" },
    { L, R, "key", 1, "" },
  };

  memory_start (memory);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    for (guint j = 0; j < (rows[i].other_id != NULL ? 3 : 1); j++)
      {
        g_autoptr (LsobsFeedback) feedback =
            lsobs_feedback_new (rows[i].run_id, rows[i].trace_id, rows[i].key);
        g_autoptr (GError) error = NULL;

        lsobs_feedback_set_score (feedback, rows[i].score);
        if (rows[i].other_id != NULL && j == 0)
          lsobs_feedback_set_project_id (feedback, rows[i].other_id);
        else if (rows[i].other_id != NULL && j == 1)
          lsobs_feedback_set_experiment_id (feedback, rows[i].other_id);
        else if (rows[i].other_id != NULL)
          lsobs_feedback_set_group_id (feedback, rows[i].other_id);
        g_assert_false (lsobs_observer_add_feedback (memory->observer, feedback, &error));
        g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_FEEDBACK);
        g_assert_false (lsobs_exporter_add_feedback (lsobs_observer_get_exporter (memory->observer),
                                                     feedback, NULL));
      }
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (memory->observer),
                                      LSOBS_COUNTER_ENQUEUED),
                    ==, 0);
}

/* An event of feedback is for looking at only. */
static void
test_not_enqueued (Memory *memory, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRunEvent) event = send_feedback (memory, lsobs_feedback_new (L, R, "key"));
  g_autoptr (GError) error = NULL;

  g_assert_false (
      lsobs_exporter_enqueue (lsobs_observer_get_exporter (memory->observer), event, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN);
}

static void
test_hostile_text (Memory *memory, gconstpointer data G_GNUC_UNUSED)
{
  LsobsFeedback *feedback = lsobs_feedback_new (L, R, "ke\xffy\"\r\n");
  g_autofree char *long_text = g_strnfill (300000, 'x');
  g_autoptr (LsobsRunEvent) event = NULL;
  const char *comment;

  lsobs_feedback_set_comment (feedback, long_text);
  event = send_feedback (memory, feedback);
  feedback_assert_member (peek_object (event), "key", "\"ke\xef\xbf\xbdy\\\"\\r\\n\"");
  comment = json_object_get_string_member (peek_object (event), "comment");
  g_assert_cmpuint (strlen (comment), ==, 100000);
}

/* --- what must not leave --- */

static LsobsFeedback *
make_telling_feedback (void)
{
  LsobsFeedback *feedback = lsobs_feedback_new (L, R, "secret-key");
  g_autoptr (JsonNode) value = run_json ("{\"a\":\"secret value\"}");

  lsobs_feedback_set_value (feedback, value);
  lsobs_feedback_set_comment (feedback, "a secret comment");
  lsobs_feedback_set_correction (feedback, value);
  lsobs_feedback_set_source (feedback, LSOBS_FEEDBACK_SOURCE_API, value);
  lsobs_feedback_set_config (feedback, value);
  lsobs_feedback_set_extra (feedback, value);
  return feedback;
}

static void
test_redacted (Memory *memory, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRunEvent) event = NULL;
  JsonObject *object;

  lsobs_config_set_redact_regex (memory->config, "secret");
  event = send_feedback (memory, make_telling_feedback ());
  object = peek_object (event);
  /* A key is a name: what feedback is found by. */
  feedback_assert_member (object, "key", "\"secret-key\"");
  feedback_assert_member (object, "value", "{\"a\":\"[REDACTED] value\"}");
  feedback_assert_member (object, "comment", "\"a [REDACTED] comment\"");
  feedback_assert_member (object, "correction", "{\"a\":\"[REDACTED] value\"}");
  feedback_assert_member (object, "feedback_source",
                          "{\"metadata\":{\"a\":\"[REDACTED] value\"},\"type\":\"api\"}");
  feedback_assert_member (object, "feedback_config", "{\"a\":\"[REDACTED] value\"}");
  feedback_assert_member (object, "extra", "{\"a\":\"[REDACTED] value\"}");
}

static void
test_hidden (Memory *memory, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRunEvent) event = NULL;
  JsonObject *object;

  lsobs_config_set_hide_outputs (memory->config, TRUE);
  lsobs_config_set_hide_metadata (memory->config, TRUE);
  event = send_feedback (memory, make_telling_feedback ());
  object = peek_object (event);
  feedback_assert_member (object, "comment", "\"a secret comment\"");
  feedback_assert_member (object, "correction", "{}");
  feedback_assert_member (object, "feedback_source", "{\"metadata\":{},\"type\":\"api\"}");
  feedback_assert_member (object, "extra", NULL);
}

static JsonNode *
judge_cb (const char *field, JsonNode *value, gpointer user_data)
{
  GString *seen = user_data;
  g_autofree char *text = json_to_string (value, FALSE);

  g_string_append_printf (seen, "%s=%s ", field, text);
  if (strcmp (field, "comment") == 0)
    return json_node_init_string (json_node_alloc (), "another");
  if (strcmp (field, "extra") == 0)
    return NULL;
  return json_node_ref (value);
}

static void
free_string (gpointer data)
{
  g_string_free (data, TRUE);
}

static void
test_redact_func (Memory *memory, gconstpointer data G_GNUC_UNUSED)
{
  GString *seen = g_string_new (NULL);
  g_autoptr (LsobsRunEvent) event = NULL;
  LsobsFeedback *feedback = make_telling_feedback ();

  lsobs_config_set_redact_func (memory->config, judge_cb, seen, free_string);
  event = send_feedback (memory, lsobs_feedback_ref (feedback));
  g_assert_cmpstr (seen->str, ==,
                   "value={\"a\":\"secret value\"} comment=\"a secret comment\" "
                   "correction={\"a\":\"secret value\"} metadata={\"a\":\"secret value\"} "
                   "extra={\"a\":\"secret value\"} config={\"a\":\"secret value\"} ");
  feedback_assert_member (peek_object (event), "comment", "\"another\"");
  feedback_assert_member (peek_object (event), "extra",
                          "{\"lsobs_error\":\"Redaction failed; extra dropped\"}");
  feedback_assert_member (peek_object (event), "value", "{\"a\":\"secret value\"}");
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (memory->observer),
                                      LSOBS_COUNTER_REDACTION_FAILURES),
                    ==, 1);
  g_clear_pointer (&event, lsobs_run_event_unref);
  /* The program's own is as it was. */
  event = send_feedback (memory, feedback);
  g_assert_nonnull (strstr (seen->str, "a secret comment"));
}

static void
test_sampled (Memory *memory, gconstpointer data G_GNUC_UNUSED)
{
  guint n_kept = 0;

  lsobs_config_set_sampling_rate (memory->config, 0.5);
  memory_start (memory);
  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (LsobsRun) root =
          lsobs_observer_start_run (memory->observer, "root", LSOBS_RUN_TYPE_CHAIN, NULL);
      g_autoptr (LsobsRun) run = lsobs_run_start_child (root, "run", LSOBS_RUN_TYPE_TOOL, NULL);
      g_autofree char *id = lsobs_run_dup_id (run);
      g_autofree char *trace_id = lsobs_run_dup_trace_id (run);
      g_autoptr (GPtrArray) events = NULL;

      /* By the run and by its ids: what becomes of it is the same. */
      feedback_add_to_run (run, "key");
      g_object_ref (memory->observer);
      lsobs_memory_transport_clear (memory->transport);
      {
        g_autoptr (LsobsFeedback) feedback = lsobs_feedback_new (id, trace_id, "key");

        g_assert_true (lsobs_observer_add_feedback (memory->observer, feedback, NULL));
      }
      g_object_unref (memory->observer);
      lsobs_observer_flush (memory->observer, TEST_TIMEOUT_MS, NULL, NULL);
      events = lsobs_memory_transport_dup_events (memory->transport);
      g_assert_cmpuint (events->len, ==, lsobs_run_is_sampled (run) ? 4 : 0);
      n_kept += lsobs_run_is_sampled (run);
    }
  g_assert_cmpuint (n_kept, >, 20);
  g_assert_cmpuint (n_kept, <, 80);
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (memory->observer),
                                      LSOBS_COUNTER_UNSAMPLED),
                    ==, 4 * (100 - n_kept));
}

static void
test_tracing_off (Memory *memory, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsFeedback) nonsense = lsobs_feedback_new ("run", "trace", "");
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GBytes) bytes = run_bytes ("x");

  lsobs_config_set_tracing_enabled (memory->config, FALSE);
  memory_start (memory);
  run = lsobs_observer_start_run (memory->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  /* Nobody looks at it. */
  g_assert_true (lsobs_observer_add_feedback (memory->observer, nonsense, NULL));
  g_assert_true (lsobs_run_add_feedback (run, "", NAN, NULL, NULL));
  g_assert_true (lsobs_run_add_attachment (run, "a.b", NULL, bytes, NULL));
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (memory->observer),
                                      LSOBS_COUNTER_ENQUEUED),
                    ==, 0);
}

/* --- which way it goes --- */

static guint
count_feedback_requests (RunFixture *fixture)
{
  return test_server_count_requests (fixture->server, "/feedback");
}

static void
test_alone (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = feedback_start_run (fixture, "run");
  g_autofree char *id = lsobs_run_dup_id (run);
  g_autofree char *trace_id = lsobs_run_dup_trace_id (run);
  g_autoptr (TestRequest) first = NULL;
  g_autoptr (TestRequest) second = NULL;

  feedback_add_to_run (run, "first");
  feedback_add_to_run (run, "second");
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 3);
  g_assert_cmpuint (count_feedback_requests (fixture), ==, 2);
  feedback_assert_member (feedback_find (fixture, "first"), "score", "1");
  g_assert_cmpstr (json_object_get_string_member (feedback_find (fixture, "second"), "run_id"), ==,
                   id);
  g_assert_cmpstr (json_object_get_string_member (feedback_find (fixture, "second"), "trace_id"),
                   ==, trace_id);
  /* After the run, though four requests may be under way at once. */
  first = test_get_request (fixture->server, 0);
  second = test_get_request (fixture->server, 1);
  g_assert_cmpstr (first->path, ==, "/runs/multipart");
  g_assert_cmpstr (second->path, ==, "/feedback");
  g_assert_cmpstr (test_request_get_header (second, "Content-Type"), ==, "application/json");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED), ==, 3);
}

static void
test_together (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = feedback_start_run (fixture, "run");
  g_autoptr (TestRequest) request = NULL;
  guint n_before = test_server_count_requests (fixture->server, NULL);

  feedback_add_to_run (run, "first");
  feedback_add_to_run (run, "second");
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, n_before + 1);
  request = test_get_request (fixture->server, n_before);
  g_assert_cmpuint (request->wire->ops->len, ==, 1);
  g_assert_cmpuint (request->wire->feedback->len, ==, 2);
  feedback_find (fixture, "first");
  feedback_find (fixture, "second");
}

/* What is not to make the trace be kept longer has to be told the endpoint. */
static void
test_retention (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = feedback_start_run (fixture, "run");
  LsobsFeedback *feedback = lsobs_run_new_feedback (run, "key");

  lsobs_feedback_set_extend_retention (feedback, FALSE);
  feedback_add (fixture, feedback);
  feedback_add_to_run (run, "other");
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_feedback_requests (fixture), ==, 1);
  feedback_assert_member (feedback_find (fixture, "key"), "extend_trace_retention", "false");
  feedback_assert_member (feedback_find (fixture, "other"), "extend_trace_retention", NULL);
}

static void
test_mode (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;

  run_fixture_set_up (fixture, data);
  lsobs_config_set_ingest_mode (fixture->config, (LsobsIngestMode) GPOINTER_TO_INT (data));
  run_fixture_start (fixture);
  run = feedback_start_run (fixture, "run");
  feedback_add_to_run (run, "key");
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_feedback_requests (fixture), ==, 1);
  feedback_find (fixture, "key");
  run_fixture_find (fixture, "run");
}

/* The endpoint for both goes away while they are on their way. */
static void
test_fall_back (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) first = feedback_start_run (fixture, "one");
  g_autoptr (LsobsRun) second = feedback_start_run (fixture, "two");

  feedback_add_to_run (first, "first");
  feedback_add_to_run (second, "second");
  test_server_push (fixture->server, "/runs/multipart", (TestReply){ .status = 404, .repeat = -1 });
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_feedback_requests (fixture), ==, 2);
  feedback_find (fixture, "first");
  feedback_find (fixture, "second");
  run_fixture_find (fixture, "one");
  run_fixture_find (fixture, "two");
}

/* --- what becomes of it --- */

static void
test_status (RunFixture *fixture, gconstpointer data)
{
  const guint status = GPOINTER_TO_UINT (data);
  g_autoptr (LsobsRun) run = feedback_start_run (fixture, "run");
  g_autoptr (LsobsRun) next = NULL;
  g_autoptr (GError) error = NULL;

  feedback_add_to_run (run, "bad");
  lsobs_run_end (run, NULL);
  test_server_push (fixture->server, "/feedback", (TestReply){ .status = status, .repeat = -1 });
  error = test_flush_with_loss (fixture->exporter, 1);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED), ==, 1);
  g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_REJECTED), ==, 1);
  /* It says nothing of the service. */
  g_assert_cmpint (lsobs_exporter_get_state (fixture->exporter), ==, LSOBS_STATE_OK);
  next = feedback_start_run (fixture, "next");
  run_fixture_flush (fixture);
  run_fixture_find (fixture, "run");
  run_fixture_find (fixture, "next");
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/batch"), ==, 0);
}

static void
test_conflict (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  feedback_add (fixture, lsobs_feedback_new (L, R, "key"));
  test_server_push (fixture->server, "/feedback", (TestReply){ .status = 409 });
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_feedback_requests (fixture), ==, 1);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED), ==, 1);
}

static void
test_retried (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsFeedback *feedback = lsobs_feedback_new (L, R, "key");
  g_autoptr (TestRequest) request = NULL;

  lsobs_feedback_set_score (feedback, 1.0 / 3);
  feedback_add (fixture, feedback);
  test_server_push (fixture->server, "/feedback", (TestReply){ .status = 503 });
  run_fixture_flush (fixture);
  request = test_get_request (fixture->server, 1);
  g_assert_true (test_bytes_contain (request->body, "\"score\":0.3333,"));
  g_assert_cmpuint (count_feedback_requests (fixture), ==, 2);
  feedback_find (fixture, "key");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_RETRIES), ==, 1);
}

static void
test_too_large (RunFixture *fixture, gconstpointer data)
{
  const guint n_refusals = GPOINTER_TO_UINT (data);
  LsobsFeedback *feedback = lsobs_feedback_new (L, R, "key");
  g_autofree char *text = g_strnfill (5000, 'x');
  g_autoptr (JsonNode) value = test_new_payload (text);

  lsobs_feedback_set_value (feedback, value);
  lsobs_feedback_set_comment (feedback, text);
  feedback_add (fixture, feedback);
  test_server_push (fixture->server, "/feedback",
                    (TestReply){ .status = 413, .repeat = (int) n_refusals });
  if (n_refusals == 2)
    {
      g_autoptr (GError) error = test_flush_with_loss (fixture->exporter, 1);

      g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_TOO_LARGE), ==, 1);
      return;
    }
  run_fixture_flush (fixture);
  feedback_assert_member (feedback_find (fixture, "key"), "value",
                          "{\"__truncated__\":true,\"bytes\":5011}");
  g_assert_cmpuint (strlen (
                        json_object_get_string_member (feedback_find (fixture, "key"), "comment")),
                    ==, 1000);
}

/* One that the service does not like, among others in one request. */
static gboolean
refuse_bad_cb (TestRequest *request, TestReply *reply, gpointer data)
{
  reply->status = test_bytes_contain (request->body, "\"key\":\"bad\"") ? 422 : 202;
  return TRUE;
}

static void
test_dies_alone (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = feedback_start_run (fixture, "run");
  g_autoptr (GError) error = NULL;

  test_server_set_handler (fixture->server, refuse_bad_cb, NULL);
  for (guint i = 0; i < 10; i++)
    {
      g_autofree char *key = i == 4 ? g_strdup ("bad") : g_strdup_printf ("good-%u", i);

      feedback_add_to_run (run, key);
    }
  error = test_flush_with_loss (fixture->exporter, 1);
  g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_REJECTED), ==, 1);
  run_fixture_flush (fixture);
  g_assert_cmpuint (wire_tree_get_n_feedback (fixture->tree), ==, 9);
  run_fixture_find (fixture, "run");
}

/* It takes its place in the queue as anything does, and goes as anything does. */
static void
test_queue_full (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;
  guint64 n_bytes;

  run_fixture_set_up (fixture, data);
  lsobs_config_set_queue_capacity (fixture->config, 3);
  lsobs_config_set_max_batch_size (fixture->config, 50);
  run_fixture_start (fixture);
  test_server_hold (fixture->server);
  feedback_add (fixture, lsobs_feedback_new (L, R, "first"));
  n_bytes = run_fixture_get (fixture, LSOBS_COUNTER_QUEUED_BYTES);
  {
    LsobsFeedback *feedback = lsobs_feedback_new (L, R, "second");
    g_autofree char *text = g_strnfill (5000, 'x');

    lsobs_feedback_set_comment (feedback, text);
    feedback_add (fixture, feedback);
  }
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED_BYTES), >=, 2 * n_bytes + 5000);
  test_server_release (fixture->server);
  run_fixture_flush (fixture);
  g_assert_cmpuint (wire_tree_get_n_feedback (fixture->tree), ==, 2);
}

static void
test_evicted (Memory *memory, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (LsobsExporter) exporter = NULL;
  g_autoptr (GPtrArray) events = NULL;

  /* Nothing leaves before it is flushed. */
  lsobs_config_set_queue_capacity (memory->config, 3);
  exporter = g_initable_new (LSOBS_TYPE_EXPORTER, NULL, NULL, "config", memory->config, "transport",
                             memory->transport, "main-context", context, NULL);
  for (guint i = 0; i < 5; i++)
    {
      g_autofree char *key = g_strdup_printf ("key-%u", i);
      g_autoptr (LsobsFeedback) feedback = lsobs_feedback_new (L, R, key);

      g_assert_true (lsobs_exporter_add_feedback (exporter, feedback, NULL));
    }
  g_assert_cmpuint (test_get_dropped (exporter, LSOBS_DROP_REASON_QUEUE_FULL), ==, 2);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_QUEUED), ==, 3);
  test_assert_flush (exporter, 3);
  events = lsobs_memory_transport_dup_events (memory->transport);
  g_assert_cmpuint (events->len, ==, 3);
  feedback_assert_member (peek_object (events->pdata[0]), "key", "\"key-2\"");
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_PROMOTED), ==, 0);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_MERGED), ==, 0);
}

/* Neither the start nor the end of a run is touched by what is said of it in between. */
static void
test_leaves_run_alone (Memory *memory, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GPtrArray) events = NULL;

  memory_start (memory);
  run = lsobs_observer_start_run (memory->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  feedback_add_to_run (run, "before");
  lsobs_run_end (run, NULL);
  feedback_add_to_run (run, "after");
  test_assert_flush (lsobs_observer_get_exporter (memory->observer), 3);
  events = lsobs_memory_transport_dup_events (memory->transport);
  g_assert_cmpuint (events->len, ==, 3);
  g_assert_cmpint (lsobs_run_event_get_kind (events->pdata[0]), ==, LSOBS_RUN_EVENT_KIND_START);
  g_assert_cmpint (lsobs_run_event_get_end_time (events->pdata[0]), !=, 0);
  g_assert_cmpint (lsobs_run_event_get_kind (events->pdata[1]), ==, LSOBS_RUN_EVENT_KIND_FEEDBACK);
  g_assert_cmpint (lsobs_run_event_get_kind (events->pdata[2]), ==, LSOBS_RUN_EVENT_KIND_FEEDBACK);
}

/* --- what is kept in a file --- */

/* The only file in @dir, which goes: (transfer full) where the request was to go, and what it was. */
static char *
take_kept (const char *dir_path, GBytes **body)
{
  g_autoptr (GDir) dir = g_dir_open (dir_path, 0, NULL);
  g_autofree char *path = g_build_filename (dir_path, g_dir_read_name (dir), NULL);
  g_autofree char *text = NULL;
  g_autoptr (JsonNode) node = NULL;
  JsonObject *object;
  guchar *data;
  gsize len;

  g_assert_null (g_dir_read_name (dir));
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  node = run_json (text);
  object = json_node_get_object (node);
  data = g_base64_decode (json_object_get_string_member (object, "body_base64"), &len);
  *body = g_bytes_new_take (data, len);
  g_unlink (path);
  g_rmdir (dir_path);
  return g_strdup (json_object_get_string_member (object, "endpoint"));
}

static void
test_kept (RunFixture *fixture, gconstpointer data)
{
  const gboolean together = GPOINTER_TO_INT (data);
  g_autofree char *dir = g_dir_make_tmp ("lsobs-feedback-XXXXXX", NULL);
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GBytes) body = NULL;
  g_autofree char *endpoint = NULL;

  run_fixture_set_up (fixture, data);
  lsobs_config_set_failed_traces_dir (fixture->config, dir);
  lsobs_config_set_max_attempts (fixture->config, 1);
  lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_NONE);
  test_server_set_info (fixture->server,
                        together ? "{\"version\":\"0.8.10\"}" : "{\"version\":\"0.8.9\"}");
  run_fixture_start (fixture);
  run = feedback_start_run (fixture, "run");
  run_fixture_flush (fixture);
  if (together)
    feedback_wait_for_info (fixture);
  feedback_add_to_run (run, "key");
  if (together)
    lsobs_run_end (run, NULL);
  test_server_push (fixture->server, NULL, (TestReply){ .status = 503, .repeat = -1 });
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  endpoint = take_kept (dir, &body);
  g_assert_cmpstr (endpoint, ==, together ? "runs/multipart" : "feedback");
  g_assert_true (test_bytes_contain (body, "\"key\":\"key\""));
  g_assert_true (g_str_has_prefix (g_bytes_get_data (body, NULL), together ? "--" : "{\"id\":"));
}

/* --- several places and processes --- */

static void
test_replicas (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (TestServer) second = test_server_new ();
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (LsobsRun) run = NULL;
  LsobsFeedback *feedback;
  JsonObject *here;
  JsonObject *there;

  run_fixture_set_up (fixture, data);
  lsobs_config_add_replica (fixture->config, test_server_get_url (fixture->server), RUN_API_KEY,
                            NULL, NULL, LSOBS_REPLICA_ROLE_PRIMARY);
  lsobs_config_add_replica (fixture->config, test_server_get_url (second), RUN_API_KEY, "other",
                            NULL, LSOBS_REPLICA_ROLE_SECONDARY);
  run_fixture_start (fixture);
  run = feedback_start_run (fixture, "run");
  feedback = lsobs_run_new_feedback (run, "key");
  lsobs_feedback_set_project_id (feedback, OTHER);
  feedback_add (fixture, feedback);
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  test_server_assert_conformant (second);
  tree = test_server_build_tree (second);
  here = feedback_find (fixture, "key");
  g_assert_cmpuint (wire_tree_get_n_feedback (tree), ==, 1);
  there = g_ptr_array_index (wire_tree_get_feedback (tree), 0);
  g_assert_cmpstr (json_object_get_string_member (here, "run_id"), ==,
                   run_fixture_find (fixture, "run")->id);
  g_assert_cmpstr (json_object_get_string_member (there, "run_id"), ==,
                   wire_tree_find (tree, "run")->id);
  g_assert_cmpstr (json_object_get_string_member (here, "run_id"), !=,
                   json_object_get_string_member (there, "run_id"));
  g_assert_cmpstr (json_object_get_string_member (here, "id"), !=,
                   json_object_get_string_member (there, "id"));
  /* Remade, not made anew: the milliseconds stay. */
  g_assert_cmpint (strncmp (json_object_get_string_member (here, "id"),
                            json_object_get_string_member (there, "id"), 14),
                   ==, 0);
  g_assert_cmpstr (json_object_get_string_member (here, "trace_id"), ==,
                   run_fixture_find (fixture, "run")->trace_id);
  g_assert_cmpstr (json_object_get_string_member (there, "trace_id"), ==,
                   wire_tree_find (tree, "run")->trace_id);
  feedback_assert_member (here, "session_id", "\"" OTHER "\"");
  feedback_assert_member (there, "session_id", NULL);
}

static void
child_adds (RunFixture *fixture, gpointer data)
{
  /* The run is the parent's, but anybody may say what they think of it. */
  child_assert (lsobs_run_add_feedback (data, "child", 1, NULL, NULL));
  fork_child_flush (fixture);
  child_assert (run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED) == 1);
}

static void
test_fork (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  const char *id;

  if (fork_skip ())
    return;
  run = feedback_start_run (fixture, "run");
  feedback_add_to_run (run, "parent");
  fork_run (child_adds, fixture, run);
  run_fixture_flush (fixture);
  id = run_fixture_find (fixture, "run")->id;
  g_assert_cmpstr (json_object_get_string_member (feedback_find (fixture, "child"), "run_id"), ==,
                   id);
  g_assert_cmpstr (json_object_get_string_member (feedback_find (fixture, "parent"), "run_id"), ==,
                   id);
}

#define N_THREADS 4
#define N_EACH    50

static gpointer
add_many (gpointer data)
{
  for (guint i = 0; i < N_EACH; i++)
    feedback_add_to_run (data, "key");
  return NULL;
}

static void
test_threads (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = feedback_start_run (fixture, "run");
  GThread *threads[N_THREADS];

  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("feedback", add_many, run);
  lsobs_run_end (run, NULL);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  run_fixture_flush (fixture);
  g_assert_cmpuint (wire_tree_get_n_feedback (fixture->tree), ==, N_THREADS * N_EACH);
}

/* A run's feedback may be given to another observer, which knows nothing of it. */
static void
test_other_observer (Memory *memory, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, "project");
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (LsobsObserver) other =
      lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), NULL);
  g_autoptr (LsobsRun) run = lsobs_observer_start_run (other, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autoptr (LsobsRunEvent) event = send_feedback (memory, lsobs_run_new_feedback (run, "key"));
  g_autofree char *id = lsobs_run_dup_id (run);

  g_assert_cmpstr (lsobs_run_event_get_id (event), ==, id);
}

int
main (int argc, char *argv[])
{
  setlocale (LC_ALL, "");
  g_test_init (&argc, &argv, NULL);

#define ADD(path, data, set_up, func) \
 g_test_add (path, RunFixture, data, set_up, func, run_fixture_tear_down)
#define ADD_MEMORY(path, func) \
 g_test_add (path, Memory, NULL, memory_set_up, func, memory_tear_down)
  ADD_MEMORY ("/feedback/says/least", test_least);
  ADD_MEMORY ("/feedback/says/most", test_most);
  ADD_MEMORY ("/feedback/says/unset", test_unset);
  ADD_MEMORY ("/feedback/says/scores", test_scores);
  ADD_MEMORY ("/feedback/says/boolean-scores", test_boolean_scores);
  ADD_MEMORY ("/feedback/says/refused", test_refused);
  ADD_MEMORY ("/feedback/says/not-enqueued", test_not_enqueued);
  ADD_MEMORY ("/feedback/says/hostile-text", test_hostile_text);
  ADD_MEMORY ("/feedback/privacy/redacted", test_redacted);
  ADD_MEMORY ("/feedback/privacy/hidden", test_hidden);
  ADD_MEMORY ("/feedback/privacy/redact-func", test_redact_func);
  ADD_MEMORY ("/feedback/left-out/sampled", test_sampled);
  ADD_MEMORY ("/feedback/left-out/tracing-off", test_tracing_off);
  ADD ("/feedback/way/alone", NULL, set_up, test_alone);
  ADD ("/feedback/way/together", NULL, feedback_set_up_known, test_together);
  ADD ("/feedback/way/retention", NULL, feedback_set_up_known, test_retention);
  ADD ("/feedback/way/batch", GINT_TO_POINTER (LSOBS_INGEST_MODE_BATCH), NULL, test_mode);
  ADD ("/feedback/way/runs", GINT_TO_POINTER (LSOBS_INGEST_MODE_RUNS), NULL, test_mode);
  ADD ("/feedback/way/fall-back", NULL, feedback_set_up_known, test_fall_back);
  ADD ("/feedback/fate/400", GUINT_TO_POINTER (400), set_up, test_status);
  ADD ("/feedback/fate/404", GUINT_TO_POINTER (404), set_up, test_status);
  ADD ("/feedback/fate/422", GUINT_TO_POINTER (422), set_up, test_status);
  ADD ("/feedback/fate/409", NULL, set_up, test_conflict);
  ADD ("/feedback/fate/503", NULL, set_up, test_retried);
  ADD ("/feedback/fate/413", GUINT_TO_POINTER (1), set_up, test_too_large);
  ADD ("/feedback/fate/413-again", GUINT_TO_POINTER (2), set_up, test_too_large);
  ADD ("/feedback/fate/dies-alone", NULL, feedback_set_up_known, test_dies_alone);
  ADD ("/feedback/fate/kept-alone", GINT_TO_POINTER (FALSE), NULL, test_kept);
  ADD ("/feedback/fate/kept-together", GINT_TO_POINTER (TRUE), NULL, test_kept);
  ADD ("/feedback/queue/bytes", NULL, NULL, test_queue_full);
  ADD_MEMORY ("/feedback/queue/evicted", test_evicted);
  ADD_MEMORY ("/feedback/queue/leaves-run-alone", test_leaves_run_alone);
  ADD_MEMORY ("/feedback/other-observer", test_other_observer);
  ADD ("/feedback/replicas", NULL, NULL, test_replicas);
  ADD ("/feedback/threads", NULL, feedback_set_up_known, test_threads);
  ADD ("/feedback/fork", NULL, set_up, test_fork);

  return g_test_run ();
}
