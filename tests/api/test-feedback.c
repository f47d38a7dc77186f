/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <locale.h>
#include <math.h>
#include <string.h>

#include <glib/gstdio.h>

#include <lsobs/lsobs.h>

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/feedback-helpers.h"
#include "tests/lib/fork-helpers.h"

/* What somebody thinks of a run, and what of that leaves. */

#define R       "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define L       "019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5"
#define OTHER   "019ca8bb-fab2-7d43-bf61-8ea052c3d4f7"
#define R_START G_GINT64_CONSTANT (1772357415250000)

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

typedef struct
{
  const char *path;
  const char *value;      /* JSON, as the next two; (nullable) */
  const char *correction; /* (nullable) */
  const char *config;     /* (nullable) */
  const char *key;        /* (nullable) */
  gboolean good;
} ShapeRow;

/* 180 characters, one of them of two bytes */
#define KEY_178 \
 "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" \
 "012345678901234567890123456789012345678901234567890123456789012345678901234567"

static const ShapeRow shape_rows[] = {
  { "value-array", "[1]", NULL, NULL, NULL, FALSE },
  { "value-empty-array", "[]", NULL, NULL, NULL, FALSE },
  { "value-number", "1.5", NULL, NULL, NULL, TRUE },
  { "value-boolean", "false", NULL, NULL, NULL, TRUE },
  { "value-string", "\"[a]\"", NULL, NULL, NULL, TRUE },
  { "value-null", "null", NULL, NULL, NULL, TRUE },
  { "value-object", "{\"a\":[1]}", NULL, NULL, NULL, TRUE },
  { "correction-array", NULL, "[{}]", NULL, NULL, FALSE },
  { "correction-number", NULL, "-1", NULL, NULL, FALSE },
  { "correction-fraction", NULL, "0.5", NULL, NULL, FALSE },
  { "correction-boolean", NULL, "true", NULL, NULL, FALSE },
  { "correction-string", NULL, "\"1\"", NULL, NULL, TRUE },
  { "correction-null", NULL, "null", NULL, NULL, TRUE },
  { "correction-object", NULL, "{}", NULL, NULL, TRUE },
  { "config-no-type", NULL, NULL, "{\"min\":0}", NULL, FALSE },
  { "config-null-type", NULL, NULL, "{\"type\":null}", NULL, FALSE },
  { "config-other-type", NULL, NULL, "{\"type\":\"numeric\"}", NULL, FALSE },
  { "config-string", NULL, NULL, "\"continuous\"", NULL, FALSE },
  { "config-array", NULL, NULL, "[{\"type\":\"freeform\"}]", NULL, FALSE },
  { "config-min-string", NULL, NULL, "{\"type\":\"continuous\",\"min\":\"0\"}", NULL, FALSE },
  { "config-max-boolean", NULL, NULL, "{\"type\":\"continuous\",\"max\":true}", NULL, FALSE },
  { "config-categories-object", NULL, NULL, "{\"type\":\"categorical\",\"categories\":{}}", NULL,
    FALSE },
  { "config-category-string", NULL, NULL, "{\"type\":\"categorical\",\"categories\":[\"a\"]}", NULL,
    FALSE },
  { "config-category-no-value", NULL, NULL,
    "{\"type\":\"categorical\",\"categories\":[{\"label\":\"a\"}]}", NULL, FALSE },
  { "config-category-empty-label", NULL, NULL,
    "{\"type\":\"categorical\",\"categories\":[{\"value\":1,\"label\":\"\"}]}", NULL, FALSE },
  { "config-category-number-label", NULL, NULL,
    "{\"type\":\"categorical\",\"categories\":[{\"value\":1,\"label\":1}]}", NULL, FALSE },
  { "config-continuous", NULL, NULL, "{\"type\":\"continuous\",\"min\":0,\"max\":1.5}", NULL,
    TRUE },
  { "config-nulls", NULL, NULL,
    "{\"type\":\"freeform\",\"min\":null,\"max\":null,\"categories\":null}", NULL, TRUE },
  { "config-categorical", NULL, NULL,
    "{\"type\":\"categorical\",\"categories\":[{\"value\":1,\"label\":\"a\"},{\"value\":2}]}", NULL,
    TRUE },
  { "config-null", NULL, NULL, "null", NULL, TRUE },
  { "key-181", NULL, NULL, NULL, KEY_178 "abc", FALSE },
  { "key-180", NULL, NULL, NULL, KEY_178 "a\xc3\xbc", TRUE },
  /* Each broken byte becomes a character. */
  { "key-181-broken", NULL, NULL, NULL, KEY_178 "a\xff\xff", FALSE },
};

/* What the service's schema forbids is refused at once, and nothing else is. */
static void
test_shape (Memory *memory, gconstpointer data)
{
  const ShapeRow *row = data;
  g_autoptr (LsobsFeedback) feedback =
      lsobs_feedback_new (L, R, row->key != NULL ? row->key : "key");
  g_autoptr (JsonNode) value = run_json (row->value);
  g_autoptr (JsonNode) correction = run_json (row->correction);
  g_autoptr (JsonNode) config = run_json (row->config);
  g_autoptr (GError) error = NULL;

  memory_start (memory);
  lsobs_feedback_set_value (feedback, value);
  lsobs_feedback_set_correction (feedback, correction);
  lsobs_feedback_set_config (feedback, config);
  g_assert_cmpint (lsobs_observer_add_feedback (memory->observer, feedback, &error), ==, row->good);
  if (row->good)
    g_assert_no_error (error);
  else
    g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_FEEDBACK);
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (memory->observer),
                                      LSOBS_COUNTER_ENQUEUED),
                    ==, row->good ? 1 : 0);
}

static JsonNode *
bend_cb (const char *field, JsonNode *value, gpointer user_data G_GNUC_UNUSED)
{
  if (strcmp (field, "config") == 0)
    return NULL;
  return json_from_string (strcmp (field, "correction") == 0 ? "7" : "[7]", NULL);
}

/* Nor does what the program's function makes of it break the schema. */
static void
test_bent_shape (Memory *memory, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRunEvent) event = NULL;
  LsobsFeedback *feedback = lsobs_feedback_new (L, R, "key");
  g_autoptr (JsonNode) object = run_json ("{\"type\":\"freeform\"}");

  lsobs_config_set_redact_func (memory->config, bend_cb, NULL, NULL);
  lsobs_feedback_set_value (feedback, object);
  lsobs_feedback_set_correction (feedback, object);
  lsobs_feedback_set_config (feedback, object);
  event = send_feedback (memory, feedback);
  feedback_assert_member (peek_object (event), "value", "{\"value\":[7]}");
  feedback_assert_member (peek_object (event), "correction", "{\"value\":7}");
  feedback_assert_member (peek_object (event), "feedback_config", NULL);
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
  g_autoptr (JsonNode) config = run_json ("{\"type\":\"freeform\",\"a\":\"secret value\"}");

  lsobs_feedback_set_value (feedback, value);
  lsobs_feedback_set_comment (feedback, "a secret comment");
  lsobs_feedback_set_correction (feedback, value);
  lsobs_feedback_set_source (feedback, LSOBS_FEEDBACK_SOURCE_API, value);
  lsobs_feedback_set_config (feedback, config);
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
  feedback_assert_member (object, "feedback_config",
                          "{\"a\":\"[REDACTED] value\",\"type\":\"freeform\"}");
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
                   "extra={\"a\":\"secret value\"} "
                   "config={\"type\":\"freeform\",\"a\":\"secret value\"} ");
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

/* --- in the queue --- */

/* It takes its place there as anything does, and goes as anything does. */
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

#define ADD(path, func) g_test_add (path, Memory, NULL, memory_set_up, func, memory_tear_down)
  ADD ("/feedback/says/least", test_least);
  ADD ("/feedback/says/most", test_most);
  ADD ("/feedback/says/unset", test_unset);
  ADD ("/feedback/says/scores", test_scores);
  ADD ("/feedback/says/boolean-scores", test_boolean_scores);
  ADD ("/feedback/says/refused", test_refused);
  for (guint i = 0; i < G_N_ELEMENTS (shape_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/feedback/feedback-shapes/", shape_rows[i].path, NULL);

      g_test_add (path, Memory, &shape_rows[i], memory_set_up, test_shape, memory_tear_down);
    }
  ADD ("/feedback/feedback-shapes/bent", test_bent_shape);
  ADD ("/feedback/says/not-enqueued", test_not_enqueued);
  ADD ("/feedback/says/hostile-text", test_hostile_text);
  ADD ("/feedback/privacy/redacted", test_redacted);
  ADD ("/feedback/privacy/hidden", test_hidden);
  ADD ("/feedback/privacy/redact-func", test_redact_func);
  ADD ("/feedback/left-out/sampled", test_sampled);
  ADD ("/feedback/left-out/tracing-off", test_tracing_off);
  ADD ("/feedback/queue/evicted", test_evicted);
  ADD ("/feedback/queue/leaves-run-alone", test_leaves_run_alone);
  ADD ("/feedback/other-observer", test_other_observer);

  return g_test_run ();
}
