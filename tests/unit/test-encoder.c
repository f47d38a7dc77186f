/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>
#include <sys/utsname.h>

#include "lsobs/lsobs-process.h"
#include "lsobs/model/lsobs-annotations-private.h"
#include "lsobs/transport/lsobs-body-private.h"
#include "lsobs/transport/lsobs-record-hook-private.h"
#include "tests/lib/test-utils.h"
#include "tests/lib/wire.h"

#define R "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define L "019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5"

#define R_SEGMENT "20260301T093015250000Z" R
#define R_START   G_GINT64_CONSTANT (1772357415250000)

typedef struct
{
  LsobsConfig *config;
  LsobsSettings *settings;
  LsobsCounters *counters;
  LsobsRecord *record; /* of the run R, until it is encoded */
  LsobsAnnotations *notes;
} Fixture;

static GBytes *
json (const char *text)
{
  return g_bytes_new (text, strlen (text));
}

static LsobsRunInfo *
make_info (const char *path, const char *name, LsobsRunType run_type)
{
  g_autoptr (GArray) segments = _lsobs_dotted_order_parse (path, NULL);

  return _lsobs_run_info_new_for_segments ((LsobsSegment *) (gpointer) segments->data,
                                           segments->len, name, run_type);
}

static LsobsRecord *
make_record (LsobsRecordKind kind, const char *path, const char *name, LsobsRunType run_type)
{
  g_autoptr (LsobsRunInfo) info = make_info (path, name, run_type);

  return _lsobs_record_new (kind, info);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->config = lsobs_config_new (NULL, "helpdesk");
  fixture->counters = _lsobs_counters_new ();
  fixture->notes = _lsobs_annotations_new ();
  fixture->record =
      make_record (LSOBS_RECORD_CREATE, R_SEGMENT, "support-agent", LSOBS_RUN_TYPE_CHAIN);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_object_unref (fixture->config);
  g_clear_pointer (&fixture->settings, _lsobs_settings_unref);
  _lsobs_counters_unref (fixture->counters);
  g_clear_pointer (&fixture->record, _lsobs_record_unref);
  _lsobs_annotations_unref (fixture->notes);
}

static LsobsEncoded *
encode (Fixture *fixture)
{
  LsobsEncoder encoder = { .counters = fixture->counters };
  g_autoptr (GError) error = NULL;

  fixture->record->annotations = _lsobs_annotations_ref (fixture->notes);
  fixture->record->final = TRUE;
  _lsobs_record_write_annotations (fixture->record);
  g_clear_pointer (&fixture->settings, _lsobs_settings_unref);
  fixture->settings = _lsobs_settings_new (fixture->config, LSOBS_SETTINGS_ANY, &error);
  g_assert_no_error (error);
  encoder.settings = fixture->settings;
  _lsobs_record_write_annotations (fixture->record);
  return _lsobs_encoder_encode (&encoder, g_steal_pointer (&fixture->record));
}

static void
assert_lacks (LsobsEncoded *encoded, const char *text)
{
  gsize len;
  const char *data = g_bytes_get_data (encoded->text, &len);

  g_assert_null (g_strstr_len (data, (gssize) len, text));
}

static char *
get_field (LsobsEncoded *encoded, LsobsField field)
{
  gsize len;
  const char *text = _lsobs_encoded_get_field (encoded, field, &len);

  g_assert_cmpint (text != NULL, ==, len > 0);
  if (text == NULL)
    return NULL;
  /* The main field is open for the members that follow. */
  return g_strdup_printf ("%.*s%s", (int) len, text, field == LSOBS_FIELD_MAIN ? "}" : "");
}

static void
assert_field (LsobsEncoded *encoded, LsobsField field, const char *expected)
{
  g_autofree char *text = get_field (encoded, field);

  g_assert_cmpstr (text, ==, expected);
}

static guint64
count (Fixture *fixture, LsobsCounter counter)
{
  return _lsobs_counters_get (fixture->counters, counter);
}

/* The run as the service gets it, judged by the protocol's rules. */
static JsonObject *
parse (LsobsEncoded *encoded)
{
  g_autoptr (GPtrArray) records = g_ptr_array_new ();
  g_autoptr (GBytes) body = NULL;
  g_autoptr (WireRequest) request = NULL;
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (records, encoded);
  body = _lsobs_body_write_batch (records);
  request =
      wire_request_parse ("POST", "/runs/batch", "application/json", body, WIRE_STRICT, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (request->ops->len, ==, 1);
  wire_check_request (request, WIRE_STRICT, &error);
  g_assert_no_error (error);
  return json_object_ref (((WireOp *) request->ops->pdata[0])->run);
}

/* The identity */

static void
test_main_root (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsEncoded) encoded = NULL;

  _lsobs_annotations_add_tag_unlocked (fixture->notes, "prod");
  encoded = encode (fixture);
  assert_field (encoded, LSOBS_FIELD_MAIN,
                "{\"id\":\"" R "\",\"trace_id\":\"" R "\",\"dotted_order\":\"" R_SEGMENT "\","
                "\"name\":\"support-agent\",\"run_type\":\"chain\",\"session_name\":\"helpdesk\","
                "\"start_time\":\"2026-03-01T09:30:15.250000Z\",\"tags\":[\"prod\"]}");
  assert_field (encoded, LSOBS_FIELD_INPUTS, "{}");
  assert_field (encoded, LSOBS_FIELD_OUTPUTS, NULL);
  assert_field (encoded, LSOBS_FIELD_EVENTS, NULL);
  assert_field (encoded, LSOBS_FIELD_ERROR, NULL);
  g_assert_cmpstr (encoded->id, ==, R);
  json_object_unref (parse (encoded));
}

static void
test_main_child (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsEncoded) encoded = NULL;

  _lsobs_record_unref (fixture->record);
  fixture->record = make_record (LSOBS_RECORD_UPDATE, R_SEGMENT ".20260301T093015262000Z" L,
                                 "chat-completion", LSOBS_RUN_TYPE_LLM);
  fixture->record->end_time = G_GINT64_CONSTANT (1772357416700000);
  encoded = encode (fixture);
  /* An update says as much as a create. */
  assert_field (encoded, LSOBS_FIELD_MAIN,
                "{\"id\":\"" L "\",\"trace_id\":\"" R "\",\"parent_run_id\":\"" R "\","
                "\"dotted_order\":\"" R_SEGMENT ".20260301T093015262000Z" L "\","
                "\"name\":\"chat-completion\",\"run_type\":\"llm\",\"session_name\":\"helpdesk\","
                "\"start_time\":\"2026-03-01T09:30:15.262000Z\","
                "\"end_time\":\"2026-03-01T09:30:16.700000Z\"}");
  for (guint field = LSOBS_FIELD_INPUTS; field < LSOBS_N_FIELDS; field++)
    assert_field (encoded, (LsobsField) field, NULL);
  json_object_unref (parse (encoded));
}

static void
test_project (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsTarget) target = _lsobs_target_new_project ("of \"another\" process");
  g_autoptr (LsobsEncoded) encoded = NULL;
  g_autoptr (JsonObject) run = NULL;

  _lsobs_run_info_set_target (fixture->record->info, target);
  encoded = encode (fixture);
  run = parse (encoded);
  g_assert_cmpstr (json_object_get_string_member (run, "session_name"), ==,
                   "of \"another\" process");
}

static const char *const run_types[] = {
  "chain", "llm", "tool", "retriever", "embedding", "prompt", "parser",
};

static void
test_run_type (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsEncoded) encoded = NULL;
  g_autoptr (JsonObject) run = NULL;
  guint run_type = GPOINTER_TO_UINT (data);

  fixture->record->info->run_type = (LsobsRunType) run_type;
  encoded = encode (fixture);
  run = parse (encoded);
  g_assert_cmpstr (json_object_get_string_member (run, "run_type"), ==, run_types[run_type]);
}

static void
test_unnamed (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsEncoded) encoded = NULL;
  g_autoptr (JsonObject) run = NULL;

  fixture->record->info->name = data;
  encoded = encode (fixture);
  run = parse (encoded);
  g_assert_cmpstr (json_object_get_string_member (run, "name"), ==, "Unnamed");
}

static void
test_end_before_start (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsEncoded) encoded = NULL;
  g_autoptr (JsonObject) run = NULL;

  fixture->record->end_time = R_START - 5000000;
  encoded = encode (fixture);
  run = parse (encoded);
  g_assert_cmpstr (json_object_get_string_member (run, "end_time"), ==,
                   "2026-03-01T09:30:15.250000Z");
}

/* Payloads */

typedef struct
{
  const char *path;
  const char *payload;
  const char *expected;
  gboolean bad;
} PayloadRow;

static const PayloadRow payload_rows[] = {
  { "object", "{\"a\":1}", "{\"a\":1}", FALSE },
  { "empty-object", "{}", "{}", FALSE },
  { "array", "[1,2]", "{\"value\":[1,2]}", FALSE },
  { "string", "\"text\"", "{\"value\":\"text\"}", FALSE },
  { "number", "42", "{\"value\":42}", FALSE },
  { "nothing", "", "{}", FALSE },
  { "null", "null", "{\"value\":null}", FALSE },
  { "true", "true", "{\"value\":true}", FALSE },
  { "nested", "{\"value\":{\"value\":1}}", "{\"value\":{\"value\":1}}", FALSE },
  { "bad-word", "not json", "{\"value\":\"not json\"}", TRUE },
  { "bad-open", "{\"a\":1", "{\"value\":\"{\\\"a\\\":1\"}", TRUE },
  { "bad-rest", "{} x", "{\"value\":\"{} x\"}", TRUE },
  { "bad-comma", "[1,]", "{\"value\":\"[1,]\"}", TRUE },
  { "bad-quotes", "'a'", "{\"value\":\"'a'\"}", TRUE },
  { "bad-zeros", "01", "{\"value\":\"01\"}", TRUE },
  { "bad-bytes", "\xff\xfe", "{\"value\":\"\xef\xbf\xbd\xef\xbf\xbd\"}", TRUE },
};

static void
test_payload (Fixture *fixture, gconstpointer data)
{
  const PayloadRow *row = data;
  g_autoptr (LsobsEncoded) encoded = NULL;

  fixture->record->inputs = json (row->payload);
  fixture->record->outputs = json (row->payload);
  encoded = encode (fixture);
  assert_field (encoded, LSOBS_FIELD_INPUTS, row->expected);
  assert_field (encoded, LSOBS_FIELD_OUTPUTS, row->expected);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_BAD_PAYLOADS), ==, row->bad ? 2 : 0);
  json_object_unref (parse (encoded));
}

/* Puts the next smaller one in its place. */
static void
cut (Fixture *fixture, LsobsEncoded **encoded)
{
  g_autoptr (LsobsEncoded) larger = *encoded;

  *encoded = _lsobs_encoder_cut (&(LsobsEncoder){ fixture->settings, fixture->counters }, larger);
  g_assert_nonnull (*encoded);
}

static void
test_cut (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsEncoded) encoded = NULL;

  fixture->record->inputs = json ("{\"question\":\"Where is order 1138?\"}");
  fixture->record->outputs = json ("[1,2,3]");
  fixture->record->error = g_strdup ("upstream timed out");
  _lsobs_annotations_add_event_unlocked (fixture->notes, "retry", R_START,
                                         json ("{\"large\":\"details\"}"));
  _lsobs_annotations_set_metadata_unlocked (fixture->notes, "thread_id", json ("\"t-77\""), FALSE);
  encoded = encode (fixture);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_CUT_PAYLOADS), ==, 0);
  cut (fixture, &encoded);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_CUT_PAYLOADS), ==, 3);
  assert_field (encoded, LSOBS_FIELD_INPUTS, "{\"__truncated__\":true,\"bytes\":35}");
  assert_field (encoded, LSOBS_FIELD_OUTPUTS, "{\"__truncated__\":true,\"bytes\":7}");
  assert_field (encoded, LSOBS_FIELD_ERROR, "\"upstream timed out\"");
  assert_field (encoded, LSOBS_FIELD_EVENTS, NULL);
  g_assert_null (
      _lsobs_encoder_cut (&(LsobsEncoder){ fixture->settings, fixture->counters }, encoded));
  json_object_unref (parse (encoded));
}

/* The attachments go first, and then what is inside. */
static void
test_cut_attachments (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsEncoded) encoded = NULL;
  g_autoptr (GBytes) bytes = json ("{}");
  g_autoptr (LsobsAttachment) first = _lsobs_attachment_new ("first", NULL, bytes, NULL);
  g_autoptr (LsobsAttachment) second = _lsobs_attachment_new ("second", NULL, bytes, NULL);

  fixture->record->inputs = json ("{\"question\":\"Where is order 1138?\"}");
  _lsobs_attachments_put (&fixture->record->attachments, first);
  _lsobs_attachments_put (&fixture->record->attachments, second);
  encoded = encode (fixture);
  g_assert_cmpuint (encoded->attachments->len, ==, 2);

  cut (fixture, &encoded);
  g_assert_null (encoded->attachments);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 2);
  assert_field (encoded, LSOBS_FIELD_INPUTS, "{\"question\":\"Where is order 1138?\"}");
  cut (fixture, &encoded);
  assert_field (encoded, LSOBS_FIELD_INPUTS, "{\"__truncated__\":true,\"bytes\":35}");
  g_assert_null (
      _lsobs_encoder_cut (&(LsobsEncoder){ fixture->settings, fixture->counters }, encoded));
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 2);
}

static void
test_string_limit (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsEncoded) encoded = NULL;

  lsobs_config_set_max_string_bytes (fixture->config, 10);
  lsobs_config_set_redact_regex (fixture->config, "secret");
  fixture->record->inputs = json ("{\"token\": \"secret-secret-secret\"}");
  /* Nine bytes, then a character of two: it does not fit, and is not broken. */
  fixture->record->outputs = json ("{\"a\":\"123456789\xc3\xa9\",\"b\":\"1234567890\"}");
  fixture->record->error = g_strdup ("no more than ten bytes");
  encoded = encode (fixture);
  assert_field (encoded, LSOBS_FIELD_INPUTS, "{\"token\":\"[REDACTED]\"}");
  assert_field (encoded, LSOBS_FIELD_OUTPUTS, "{\"a\":\"123456789\",\"b\":\"1234567890\"}");
  assert_field (encoded, LSOBS_FIELD_ERROR, "\"no more th\"");
  json_object_unref (parse (encoded));
}

/* Payloads that the writer has written */

typedef struct
{
  const char *path;
  const char *payload;
  guint bound; /* above the bytes of the longest string, or 0 */
  const char *regex;
  const char *expected;
} WrittenRow;

/* No writer leaves space between tokens: here it shows who has copied the text. */
static const WrittenRow written_rows[] = {
  { "copied", "{\"a\": \"1234567890\"}", 11, NULL, "{\"a\": \"1234567890\"}" },
  { "unknown", "{\"a\": \"1234567890\"}", 0, NULL, "{\"a\":\"1234567890\"}" },
  { "long-string", "{\"a\": \"12345678901\"}", 12, NULL, "{\"a\":\"1234567890\"}" },
  { "long-escapes", "{\"a\": \"\\n\\n\\n\\n\\n\\n\"}", 13, NULL, "{\"a\":\"\\n\\n\\n\\n\\n\\n\"}" },
  { "no-object", "[ \"a\"]", 2, NULL, "{\"value\":[\"a\"]}" },
  { "not-ascii", "{\"a\": \"\xc3\xa9\"}", 3, NULL, "{\"a\":\"\xc3\xa9\"}" },
  { "not-utf8", "{\"a\": \"\xe9\"}", 2, NULL, "{\"a\":\"\xef\xbf\xbd\"}" },
  { "secret", "{\"a\": \"secret\"}", 7, "secret", "{\"a\":\"[REDACTED]\"}" },
  { "no-secret", "{\"a\": \"public\"}", 7, "secret", "{\"a\":\"public\"}" },
};

static void
test_written (Fixture *fixture, gconstpointer data)
{
  const WrittenRow *row = data;
  g_autoptr (LsobsEncoded) encoded = NULL;

  lsobs_config_set_max_string_bytes (fixture->config, 10);
  if (row->regex != NULL)
    lsobs_config_set_redact_regex (fixture->config, row->regex);
  fixture->record->inputs = json (row->payload);
  fixture->record->inputs_string_bound = row->bound;
  fixture->record->outputs = json (row->payload);
  fixture->record->outputs_string_bound = row->bound;
  encoded = encode (fixture);
  assert_field (encoded, LSOBS_FIELD_INPUTS, row->expected);
  assert_field (encoded, LSOBS_FIELD_OUTPUTS, row->expected);
}

/* A bound goes with its payload. */
static void
test_written_joined (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRecord) update = _lsobs_record_new (LSOBS_RECORD_UPDATE, fixture->record->info);
  LsobsRecordEnd end = { .outputs = json ("{\"c\": 1}") };
  g_autoptr (LsobsEncoded) encoded = NULL;

  fixture->record->inputs = json ("{\"a\": 1}");
  fixture->record->inputs_string_bound = 1;
  fixture->record->outputs = json ("{\"a\": 1}");
  update->outputs = json ("{\"b\": 1}");
  update->outputs_string_bound = 1;
  _lsobs_record_join (fixture->record, update);
  g_assert_cmpuint (fixture->record->inputs_string_bound, ==, 1);
  g_assert_cmpuint (fixture->record->outputs_string_bound, ==, 1);
  _lsobs_record_end (fixture->record, &end);
  encoded = encode (fixture);
  assert_field (encoded, LSOBS_FIELD_INPUTS, "{\"a\": 1}");
  assert_field (encoded, LSOBS_FIELD_OUTPUTS, "{\"c\":1}");
}

static JsonNode *
lengthen (const char *field, JsonNode *value, gpointer user_data)
{
  return json_from_string ("{\"a\":\"12345678901\"}", NULL);
}

/* A payload that the function of the program has replaced has another bound. */
static void
test_written_replaced (Fixture *fixture, gconstpointer data)
{
  LsobsRecordHook hook = { .counters = fixture->counters };
  g_autoptr (LsobsEncoded) encoded = NULL;
  g_autoptr (LsobsSettings) settings = NULL;

  lsobs_config_set_max_string_bytes (fixture->config, 10);
  lsobs_config_set_redact_func (fixture->config, lengthen, NULL, NULL);
  settings = hook.settings = _lsobs_settings_new (fixture->config, LSOBS_SETTINGS_ANY, NULL);
  fixture->record->inputs = json ("{\"a\":\"1\"}");
  fixture->record->inputs_string_bound = 2;
  fixture->record->outputs = json ("{\"a\":\"1\"}");
  fixture->record->outputs_string_bound = 2;
  _lsobs_record_hook_run (&hook, fixture->record);
  encoded = encode (fixture);
  assert_field (encoded, LSOBS_FIELD_INPUTS, "{\"a\":\"1234567890\"}");
  assert_field (encoded, LSOBS_FIELD_OUTPUTS, "{\"a\":\"1234567890\"}");
}

/* Redaction, place by place */

#define SECRET "sk-1234567890"

static void
in_inputs (Fixture *fixture)
{
  fixture->record->inputs = json ("{\"a\":[{\"b\":\"" SECRET "\"},\"x " SECRET " y\"]}");
}

static void
in_outputs (Fixture *fixture)
{
  fixture->record->outputs = json ("\"" SECRET "\"");
}

static void
in_bad_outputs (Fixture *fixture)
{
  fixture->record->outputs = json ("{ not JSON: " SECRET);
}

static void
in_escaped_inputs (Fixture *fixture)
{
  /* The same text, written in another way. */
  fixture->record->inputs = json ("{\"a\":\"\\u0073\\u006b\\u002d\\u0031234567890\"}");
}

static void
in_error (Fixture *fixture)
{
  fixture->record->error = g_strdup ("HTTP 401 for " SECRET);
}

static void
in_metadata (Fixture *fixture)
{
  _lsobs_annotations_set_metadata_unlocked (fixture->notes, "key",
                                            json ("{\"deep\":[\"" SECRET "\"]}"), TRUE);
}

static void
in_tags (Fixture *fixture)
{
  _lsobs_annotations_add_tag_unlocked (fixture->notes, "key=" SECRET);
}

static void
in_event_name (Fixture *fixture)
{
  _lsobs_annotations_add_event_unlocked (fixture->notes, SECRET, R_START, NULL);
}

static void
in_event_details (Fixture *fixture)
{
  _lsobs_annotations_add_event_unlocked (fixture->notes, "token", R_START,
                                         json ("{\"token\":\"" SECRET "\"}"));
}

typedef struct
{
  const char *path;
  void (*put) (Fixture *fixture);
} PlaceRow;

static const PlaceRow place_rows[] = {
  { "inputs", in_inputs },
  { "outputs", in_outputs },
  { "bad-outputs", in_bad_outputs },
  { "escaped-inputs", in_escaped_inputs },
  { "error", in_error },
  { "metadata", in_metadata },
  { "tags", in_tags },
  { "event-name", in_event_name },
  { "event-details", in_event_details },
};

static void
test_redacted (Fixture *fixture, gconstpointer data)
{
  const PlaceRow *row = data;
  g_autoptr (LsobsEncoded) encoded = NULL;
  g_autoptr (JsonObject) run = NULL;
  g_autoptr (JsonNode) node = NULL;
  g_autofree char *text = NULL;

  lsobs_config_set_redact_regex (fixture->config, "sk-[0-9]+");
  row->put (fixture);
  encoded = encode (fixture);
  run = parse (encoded);
  node = json_node_init_object (json_node_alloc (), run);
  text = wire_json_canonical (node);
  g_assert_nonnull (strstr (text, "[REDACTED]"));
  g_assert_null (strstr (text, "sk-1"));
  assert_lacks (encoded, SECRET);
}

/* What a trace is found by, and what orders it, stay as they are. */
static void
test_not_redacted (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsEncoded) encoded = NULL;
  g_autofree char *extra = NULL;

  lsobs_config_set_redact_regex (fixture->config, data);
  fixture->record->inputs = json ("{\"key 1\":1,\"n\":[2.5,true,null]}");
  fixture->record->end_time = R_START + 1;
  fixture->record->duration_ms = 123;
  _lsobs_annotations_add_event_unlocked (fixture->notes, "", R_START + 7, NULL);
  encoded = encode (fixture);
  assert_field (encoded, LSOBS_FIELD_MAIN,
                "{\"id\":\"" R "\",\"trace_id\":\"" R "\",\"dotted_order\":\"" R_SEGMENT "\","
                "\"name\":\"support-agent\",\"run_type\":\"chain\",\"session_name\":\"helpdesk\","
                "\"start_time\":\"2026-03-01T09:30:15.250000Z\","
                "\"end_time\":\"2026-03-01T09:30:15.250001Z\"}");
  assert_field (encoded, LSOBS_FIELD_INPUTS, "{\"key 1\":1,\"n\":[2.5,true,null]}");
  assert_field (encoded, LSOBS_FIELD_EVENTS,
                "[{\"name\":\"\",\"time\":\"2026-03-01T09:30:15.250007Z\"}]");
  extra = get_field (encoded, LSOBS_FIELD_EXTRA);
  g_assert_nonnull (strstr (extra, "\"duration_ms\":123"));
  g_assert_nonnull (strstr (extra, "\"sdk_version\":\"" PACKAGE_VERSION "\""));
}

static void
test_gives_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsEncoded) encoded = NULL;
  g_autofree char *text = g_strnfill (5000, 'a');

  lsobs_config_set_redact_regex (fixture->config, "(a+)+$");
  fixture->record->error = g_strconcat (text, "b", NULL);
  encoded = encode (fixture);
  assert_field (encoded, LSOBS_FIELD_ERROR, "\"[REDACTED]\"");
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_REDACTION_FAILURES), ==, 1);
}

/* Extra */

static char *
get_runtime (const char *language)
{
  struct utsname name;
  g_autofree char *system = NULL;

  g_assert_cmpint (uname (&name), ==, 0);
  system = g_ascii_strdown (name.sysname, -1);
  return g_strdup_printf ("{\"library\":\"lsobs\",\"sdk\":\"lsobs\",\"sdk_version\":\"%s\","
                          "%s,\"platform\":\"%s-%s\"}",
                          PACKAGE_VERSION, language, system, name.machine);
}

typedef struct
{
  const char *path;
  LsobsRecordKind kind;
  const char *metadata;
  gboolean extra_new;
  gint64 duration_ms;
  const char *expected; /* before the runtime; NULL: there is no extra */
} ExtraRow;

static const ExtraRow extra_rows[] = {
  { "create", LSOBS_RECORD_CREATE, NULL, FALSE, -1, "{" },
  { "create-metadata", LSOBS_RECORD_CREATE, "\"t-77\"", FALSE, -1,
    "{\"metadata\":{\"key\":\"t-77\"}," },
  { "create-duration", LSOBS_RECORD_CREATE, NULL, FALSE, 0, "{\"duration_ms\":0," },
  { "update", LSOBS_RECORD_UPDATE, NULL, FALSE, -1, NULL },
  { "update-old-metadata", LSOBS_RECORD_UPDATE, "1", FALSE, -1, NULL },
  { "update-new-metadata", LSOBS_RECORD_UPDATE, "1", TRUE, -1, "{\"metadata\":{\"key\":1}," },
  { "update-no-time", LSOBS_RECORD_UPDATE, NULL, FALSE, 0, "{\"duration_ms\":0," },
  { "update-duration", LSOBS_RECORD_UPDATE, NULL, FALSE, 42, "{\"duration_ms\":42," },
  /* Replaced as a whole by the service, so what is old comes along. */
  { "update-duration-old-metadata", LSOBS_RECORD_UPDATE, "1", FALSE, 42,
    "{\"duration_ms\":42,\"metadata\":{\"key\":1}," },
  { "numbers", LSOBS_RECORD_CREATE, "[0,-1,0.2,1e300,9223372036854775807,true,false,null]", FALSE,
    -1, "{\"metadata\":{\"key\":[0,-1,0.2,1e300,9223372036854775807,true,false,null]}," },
};

static void
test_extra (Fixture *fixture, gconstpointer data)
{
  const ExtraRow *row = data;
  g_autoptr (LsobsEncoded) encoded = NULL;
  g_autofree char *runtime = get_runtime ("\"runtime\":\"c\"");
  g_autofree char *expected = NULL;

  fixture->record->kind = row->kind;
  fixture->record->duration_ms = row->duration_ms;
  fixture->record->extra_new = row->extra_new;
  if (row->metadata != NULL)
    _lsobs_annotations_set_metadata_unlocked (fixture->notes, "key", json (row->metadata), FALSE);
  if (row->expected != NULL)
    expected = g_strconcat (row->expected, "\"runtime\":", runtime, "}", NULL);
  encoded = encode (fixture);
  assert_field (encoded, LSOBS_FIELD_EXTRA, expected);
  json_object_unref (parse (encoded));
}

/* A binding tells its language, with or without a version; the last word stands. */
static void
test_language (Fixture *fixture, gconstpointer version)
{
  g_autoptr (LsobsEncoded) encoded = NULL;
  g_autofree char *runtime = NULL;
  g_autofree char *expected = NULL;

  if (!g_test_subprocess ())
    {
      /* It is for the whole process. */
      g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
      g_test_trap_assert_passed ();
      return;
    }
  lsobs_set_language ("other", "1.0");
  lsobs_set_language ("py\"thon", version);
  runtime =
      get_runtime (version != NULL ? "\"runtime\":\"py\\\"thon\",\"runtime_version\":\"3.13.1\""
                                   : "\"runtime\":\"py\\\"thon\"");
  expected = g_strconcat ("{\"runtime\":", runtime, "}", NULL);
  encoded = encode (fixture);
  assert_field (encoded, LSOBS_FIELD_EXTRA, expected);
}

/* Nothing of the environment travels along. */
static void
test_environment (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsEncoded) encoded = NULL;

  g_setenv ("LANGSMITH_TEST_MARK", "mark-of-the-environment", TRUE);
  encoded = encode (fixture);
  g_unsetenv ("LANGSMITH_TEST_MARK");
  assert_lacks (encoded, "mark-of-the");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define ADD(path, data, func) g_test_add (path, Fixture, data, set_up, func, tear_down)
#define ADD_ROWS(prefix, rows, func) \
 TEST_ADD_FIXTURE_ROWS (prefix, rows, path, Fixture, set_up, func, tear_down)
  ADD ("/encoder/main/root", NULL, test_main_root);
  ADD ("/encoder/main/child", NULL, test_main_child);
  ADD ("/encoder/main/project", NULL, test_project);
  for (guint i = 0; i < G_N_ELEMENTS (run_types); i++)
    {
      g_autofree char *path = g_strconcat ("/encoder/run-type/", run_types[i], NULL);

      ADD (path, GUINT_TO_POINTER (i), test_run_type);
    }
  ADD ("/encoder/unnamed/none", NULL, test_unnamed);
  ADD ("/encoder/unnamed/empty", "", test_unnamed);
  ADD ("/encoder/end-before-start", NULL, test_end_before_start);
  ADD_ROWS ("/encoder/payload/", payload_rows, test_payload);
  ADD ("/encoder/cut", NULL, test_cut);
  ADD ("/encoder/cut-attachments", NULL, test_cut_attachments);
  ADD ("/encoder/string-limit", NULL, test_string_limit);
  ADD_ROWS ("/encoder/written/", written_rows, test_written);
  ADD ("/encoder/written-joined", NULL, test_written_joined);
  ADD ("/encoder/written-replaced", NULL, test_written_replaced);
  ADD_ROWS ("/encoder/redacted/", place_rows, test_redacted);
  ADD ("/encoder/not-redacted/digits", "[0-9]+", test_not_redacted);
  ADD ("/encoder/not-redacted/anything", ".+", test_not_redacted);
  ADD ("/encoder/gives-up", NULL, test_gives_up);
  ADD_ROWS ("/encoder/extra/", extra_rows, test_extra);
  ADD ("/encoder/language/plain", NULL, test_language);
  ADD ("/encoder/language/version", "3.13.1", test_language);
  ADD ("/encoder/environment", NULL, test_environment);

  return g_test_run ();
}
