/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>
#include <sys/utsname.h>

#include "lsobs/model/lsobs-annotations-private.h"
#include "lsobs/model/lsobs-capture-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/transport/lsobs-batch-private.h"
#include "lsobs/transport/lsobs-body-private.h"
#include "tests/lib/test-utils.h"
#include "tests/lib/wire.h"

#define R "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define L "019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5"
#define T "019ca8bb-f72e-7c32-ae50-7d9f41b2c3e6"
#define F "019ca8bb-fab2-7d43-bf61-8ea052c3d4f7"

#define R_PATH "20260301T093015250000Z" R
#define L_PATH R_PATH ".20260301T093015262000Z" L
#define T_PATH R_PATH ".20260301T093016750000Z" T

#define R_START G_GINT64_CONSTANT (1772357415250000)

typedef struct
{
  LsobsSettings *settings;
  LsobsCounters *counters;
  GPtrArray *records; /* of LsobsEncoded */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, "helpdesk");

  fixture->settings = _lsobs_settings_new (config, LSOBS_SETTINGS_ANY, NULL);
  fixture->counters = _lsobs_counters_new ();
  fixture->records = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_encoded_unref);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_ptr_array_unref (fixture->records);
  _lsobs_counters_unref (fixture->counters);
  _lsobs_settings_unref (fixture->settings);
}

static GBytes *
json (const char *text)
{
  return g_bytes_new (text, strlen (text));
}

static LsobsRecord *
make_record (LsobsRecordKind kind, const char *path, const char *name, LsobsRunType run_type)
{
  g_autoptr (GArray) segments = _lsobs_dotted_order_parse (path, NULL);
  g_autoptr (LsobsRunInfo) info =
      _lsobs_run_info_new_for_segments ((LsobsSegment *) (gpointer) segments->data, segments->len,
                                        name, run_type);

  return _lsobs_record_new (kind, info);
}

static LsobsEncoded *
add (Fixture *fixture, LsobsRecord *record)
{
  LsobsEncoded *encoded;

  _lsobs_record_write_annotations (record);
  encoded = _lsobs_encoder_encode (&(LsobsEncoder){ fixture->settings, fixture->counters }, record);
  g_ptr_array_add (fixture->records, encoded);
  return encoded;
}

static WireRequest *
check (const char *method, const char *path, const char *content_type, GBytes *body)
{
  WireRequest *request;
  g_autoptr (GError) error = NULL;

  request = wire_request_parse (method, path, content_type, body, WIRE_STRICT, &error);
  g_assert_no_error (error);
  wire_check_request (request, WIRE_STRICT, &error);
  g_assert_no_error (error);
  return request;
}

static WireRequest *
check_multipart (Fixture *fixture)
{
  char boundary[LSOBS_BOUNDARY_LEN + 1];
  g_autofree char *content_type = NULL;
  g_autoptr (GBytes) body = NULL;
  gsize measured = _lsobs_body_measure (fixture->records);

  _lsobs_body_make_boundary (boundary);
  content_type = g_strconcat ("multipart/form-data; boundary=", boundary, NULL);
  body = _lsobs_body_write_multipart (fixture->records, boundary);
  g_assert_cmpuint (g_bytes_get_size (body), ==, measured);
  return check ("POST", "/runs/multipart", content_type, body);
}

static WireRequest *
check_batch (Fixture *fixture)
{
  g_autoptr (GBytes) body = _lsobs_body_write_batch (fixture->records);
  gsize measured = _lsobs_body_measure (fixture->records);

  /* What is measured is enough for this shape too. */
  g_assert_cmpuint (g_bytes_get_size (body), <=, measured);
  return check ("POST", "/api/runs/batch", "application/json", body);
}

static WireRequest *
check_run (LsobsEncoded *encoded)
{
  g_autoptr (GBytes) body = _lsobs_body_write_one (encoded);
  g_autofree char *path = g_strconcat ("/runs/", encoded->id, NULL);

  switch (encoded->kind)
    {
    case LSOBS_RECORD_CREATE:
      return check ("POST", "/runs", "application/json", body);
    case LSOBS_RECORD_FEEDBACK:
      return check ("POST", "/feedback", "application/json", body);
    case LSOBS_RECORD_UPDATE:
    default:
      return check ("PATCH", path, "application/json", body);
    }
}

static char *
canonical (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), object);

  return wire_json_canonical (node);
}

static void
assert_attachments (WireOp *op, GPtrArray *attachments)
{
  g_assert_cmpuint (op->attachments->len, ==, attachments != NULL ? attachments->len : 0);
  for (guint i = 0; i < op->attachments->len; i++)
    {
      WireAttachment *got = op->attachments->pdata[i];
      LsobsAttachment *attachment = attachments->pdata[i];

      g_assert_cmpstr (got->name, ==, attachment->name);
      g_assert_cmpstr (got->content_type, ==, attachment->mime_type);
      g_assert_true (g_bytes_equal (got->data, attachment->data));
    }
}

/* @op: the next one of the multipart body */
static void
check_run_shapes (LsobsEncoded *encoded, WireOp *op, WireRequest *batch)
{
  const char *name = encoded->kind == LSOBS_RECORD_CREATE ? "post" : "patch";
  g_autoptr (WireRequest) single = check_run (encoded);
  WireOp *only = single->ops->pdata[0];
  g_autofree char *expected = canonical (op->run);
  g_autofree char *in_batch = canonical (wire_request_find (batch, name, encoded->id)->run);
  g_autofree char *alone = NULL;

  g_assert_cmpstr (op->id, ==, encoded->id);
  g_assert_cmpstr (op->op, ==, name);
  assert_attachments (op, encoded->attachments);
  g_assert_cmpstr (in_batch, ==, expected);
  /* The id of an update is in the URL. */
  g_assert_cmpint (json_object_has_member (only->sent, "id"), ==,
                   encoded->kind == LSOBS_RECORD_CREATE);
  json_object_set_string_member (only->run, "id", encoded->id);
  alone = canonical (only->run);
  g_assert_cmpstr (alone, ==, expected);
}

static void
check_feedback_shapes (LsobsEncoded *encoded, JsonObject *feedback)
{
  g_autoptr (WireRequest) single = check_run (encoded);
  g_autofree char *expected = canonical (feedback);
  g_autofree char *alone = canonical (single->feedback->pdata[0]);

  g_assert_cmpstr (json_object_get_string_member (feedback, "id"), ==, encoded->id);
  g_assert_cmpstr (alone, ==, expected);
}

/* All shapes say the same, but for the attachments and the feedback, for which not all
 * have a place. */
static void
check_shapes (Fixture *fixture)
{
  g_autoptr (WireRequest) multipart = check_multipart (fixture);
  g_autoptr (WireRequest) batch = check_batch (fixture);
  guint n_runs = 0;
  guint n_feedback = 0;

  for (guint i = 0; i < fixture->records->len; i++)
    {
      LsobsEncoded *encoded = fixture->records->pdata[i];

      if (encoded->kind == LSOBS_RECORD_FEEDBACK)
        check_feedback_shapes (encoded, multipart->feedback->pdata[n_feedback++]);
      else
        check_run_shapes (encoded, multipart->ops->pdata[n_runs++], batch);
    }
  g_assert_cmpuint (multipart->ops->len, ==, n_runs);
  g_assert_cmpuint (batch->ops->len, ==, n_runs);
  g_assert_cmpuint (multipart->feedback->len, ==, n_feedback);
}

/* The example of the protocol */

static void
add_example (Fixture *fixture)
{
  LsobsRecord *r = make_record (LSOBS_RECORD_CREATE, R_PATH, "support-agent", LSOBS_RUN_TYPE_CHAIN);
  LsobsRecord *l = make_record (LSOBS_RECORD_CREATE, L_PATH, "chat-completion", LSOBS_RUN_TYPE_LLM);
  LsobsRecord *t = make_record (LSOBS_RECORD_UPDATE, T_PATH, "order_lookup", LSOBS_RUN_TYPE_TOOL);
  LsobsRecord *f = make_record (LSOBS_RECORD_FEEDBACK, L_PATH, NULL, LSOBS_RUN_TYPE_CHAIN);
  g_autoptr (GBytes) log = json ("GET /orders/1138\n504\n");
  g_autoptr (LsobsAttachment) attachment = _lsobs_attachment_new ("log", "text/plain", log, NULL);

  r->inputs = json ("{\"question\":\"Where is order 1138?\"}");
  r->tags = json ("[\"prod\"]");
  r->metadata = json ("{\"thread_id\":\"t-77\"}");

  l->inputs = json ("{\"messages\":[{\"role\":\"user\",\"content\":\"Where is order 1138?\"}]}");
  l->outputs = json ("{\"messages\":[{\"role\":\"assistant\","
                     "\"content\":\"Let me check \xe2\x80\x93 one moment.\"}]}");
  l->end_time = R_START + 1450000;
  l->events = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_annotation_event_free);
  g_ptr_array_add (l->events, _lsobs_annotation_event_new ("new_token", R_START + 650000, NULL));
  l->metadata = json ("{\"thread_id\":\"t-77\",\"ls_provider\":\"openai\","
                      "\"ls_model_name\":\"gpt-5.4-mini\",\"ls_model_type\":\"chat\","
                      "\"ls_temperature\":0.2,\"usage_metadata\":{\"input_tokens\":21,"
                      "\"output_tokens\":9,\"total_tokens\":30}}");

  t->end_time = R_START + 1980000;
  t->error = g_strdup ("upstream timed out");
  _lsobs_attachments_put (&t->attachments, attachment);

  f->feedback = lsobs_feedback_new (L, R, "helpful");
  lsobs_feedback_set_score (f->feedback, 1);
  f->feedback->created_at = R_START + 2400000;
  g_assert_true (_lsobs_id_parse (&f->feedback->id, F));

  add (fixture, r);
  add (fixture, l);
  add (fixture, t);
  add (fixture, f);
}

static char *
get_platform (void)
{
  struct utsname name;
  g_autofree char *system = NULL;

  g_assert_cmpint (uname (&name), ==, 0);
  system = g_ascii_strdown (name.sysname, -1);
  return g_strdup_printf ("%s-%s", system, name.machine);
}

/* The example was written by version 0.1.0 on one kind of machine. */
static void
adapt (GString *text, guint length)
{
  g_autofree char *old_length = g_strdup_printf ("Content-Length: %u\r\n", length);
  g_autofree char *new_length = NULL;
  g_autofree char *platform = get_platform ();

  length += (guint) (strlen (platform) + strlen (PACKAGE_VERSION) -
                     strlen ("linux-x86_64"
                             "0.1.0"));
  new_length = g_strdup_printf ("Content-Length: %u\r\n", length);
  g_assert_cmpuint (g_string_replace (text, old_length, new_length, 0), ==, 1);
  g_string_replace (text, "\"sdk_version\":\"0.1.0\"", "\"sdk_version\":\"" PACKAGE_VERSION "\"",
                    0);
  g_string_replace (text, "linux-x86_64", platform, 0);
}

/* The table of the protocol: where each part begins, how long its headers are, and how
 * long it is itself. */
static void
assert_parts (GBytes *body)
{
  static const struct
  {
    gsize offset;
    gsize header_length;
    gsize payload_length;
    const char *name;
  } expected[] = {
    { 0, 163, 298, "post." R },
    { 463, 169, 35, "post." R ".inputs" },
    { 669, 169, 139, "post." R ".extra" },
    { 979, 163, 437, "post." L },
    { 1581, 169, 63, "post." L ".inputs" },
    { 1815, 170, 76, "post." L ".outputs" },
    { 2063, 169, 59, "post." L ".events" },
    { 2293, 169, 310, "post." L ".extra" },
    { 2774, 164, 435, "patch." T },
    { 3375, 169, 20, "patch." T ".error" },
    { 3566, 166, 21, "attachment." T ".log" },
    { 3755, 167, 303, "feedback." F },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) parts =
      wire_multipart_parse ("multipart/form-data; boundary=lsobs-7f3a9c51d2e84b06", body,
                            WIRE_STRICT, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (parts->len, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < parts->len; i++)
    {
      WirePart *part = parts->pdata[i];

      g_assert_cmpstr (part->name, ==, expected[i].name);
      g_assert_cmpuint (part->offset, ==, expected[i].offset);
      g_assert_cmpuint (part->header_length, ==, expected[i].header_length);
      g_assert_cmpuint (part->payload_length, ==, expected[i].payload_length);
    }
}

static void
test_example (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GBytes) example = test_data_load ("example-c-multipart.bin");
  g_autoptr (GString) expected =
      g_string_new_len (g_bytes_get_data (example, NULL), (gssize) g_bytes_get_size (example));
  g_autofree char *platform = get_platform ();
  g_autoptr (GBytes) body = NULL;

  adapt (expected, 139);
  adapt (expected, 310);
  add_example (fixture);
  body = _lsobs_body_write_multipart (fixture->records, "lsobs-7f3a9c51d2e84b06");
  g_assert_cmpmem (g_bytes_get_data (body, NULL), g_bytes_get_size (body), expected->str,
                   expected->len);

  if (strcmp (platform, "linux-x86_64") == 0 && strcmp (PACKAGE_VERSION, "0.1.0") == 0)
    {
      g_autofree char *digest = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, body);

      g_assert_cmpuint (g_bytes_get_size (body), ==, 4255);
      g_assert_cmpstr (digest, ==,
                       "bc5d002d8919ec0e685d749c926c90feae9cca7a63782a7a0fe6b641a4ed2e2a");
      assert_parts (body);
    }
}

static void
test_example_shapes (Fixture *fixture, gconstpointer data)
{
  add_example (fixture);
  check_shapes (fixture);
}

static void
test_empty (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GBytes) batch = _lsobs_body_write_batch (fixture->records);
  g_autoptr (GBytes) multipart = _lsobs_body_write_multipart (fixture->records, "b");

  g_assert_cmpmem (g_bytes_get_data (batch, NULL), g_bytes_get_size (batch),
                   "{\"post\":[],\"patch\":[]}", 22);
  g_assert_cmpmem (g_bytes_get_data (multipart, NULL), g_bytes_get_size (multipart), "--b--\r\n",
                   7);
}

/* Random records */

static char *
random_text (void)
{
  static const char *const pieces[] = {
    "a",    "word ", "\"",       "\\",   "\n", "\xc3\xa9", "\xf0\x9f\x98\x80",
    "\xff", "\x01",  "--lsobs-", "\r\n",
  };
  GString *text = g_string_new (NULL);
  int n = g_test_rand_int_range (0, 60);

  for (int i = 0; i < n; i++)
    g_string_append (text, pieces[g_test_rand_int_range (0, G_N_ELEMENTS (pieces))]);
  return g_string_free (text, FALSE);
}

static GBytes *
random_payload (void)
{
  g_autofree char *text = random_text ();
  LsobsBuffer out = LSOBS_BUFFER_INIT;

  switch (g_test_rand_int_range (0, 4))
    {
    case 0:
      return NULL;
    case 1:
      return json (text);
    default:
      _lsobs_buffer_append_str (&out, "{\"text\":");
      _lsobs_json_sanitize_text (&out, text, strlen (text),
                                 &(LsobsSanitizeOptions){ .redactor = NULL });
      _lsobs_buffer_append_c (&out, '}');
      return _lsobs_buffer_steal_bytes (&out);
    }
}

static void
add_attachment (LsobsRecord *record)
{
  static const char *const types[] = { NULL, "text/plain", "image/svg+xml; charset=utf-8" };
  g_autofree char *name = g_strdup_printf ("file %d", g_test_rand_int_range (0, 1000));
  g_autofree char *text = random_text ();
  g_autoptr (GBytes) data = json (text);
  g_autoptr (LsobsAttachment) attachment =
      _lsobs_attachment_new (name, types[g_test_rand_int_range (0, G_N_ELEMENTS (types))], data,
                             NULL);

  _lsobs_attachments_put (&record->attachments, attachment);
}

static LsobsRecord *
random_record (void)
{
  g_autofree char *name = random_text ();
  g_autoptr (LsobsRunInfo) parent =
      _lsobs_run_info_new (NULL, "parent", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  g_autoptr (LsobsRunInfo) info =
      _lsobs_run_info_new (g_test_rand_bit () ? parent : NULL, name,
                           (LsobsRunType) g_test_rand_int_range (0, LSOBS_RUN_TYPE_PARSER + 1),
                           FALSE, 0);
  LsobsRecord *record =
      _lsobs_record_new (g_test_rand_bit () ? LSOBS_RECORD_CREATE : LSOBS_RECORD_UPDATE, info);
  g_autoptr (LsobsAnnotations) notes = _lsobs_annotations_new ();
  g_autofree char *tag = random_text ();

  record->inputs = random_payload ();
  record->outputs = random_payload ();
  if (g_test_rand_bit ())
    record->error = random_text ();
  if (g_test_rand_bit ())
    record->end_time = info->segment.start_time + g_test_rand_int ();
  if (g_test_rand_bit ())
    _lsobs_annotations_add_tag_unlocked (notes, tag);
  if (g_test_rand_bit ())
    _lsobs_annotations_set_metadata_unlocked (notes, tag, g_bytes_new_static ("[1,\"two\"]", 9),
                                              TRUE);
  if (g_test_rand_bit ())
    _lsobs_annotations_add_event_unlocked (notes, tag, info->segment.start_time, random_payload ());
  record->annotations = _lsobs_annotations_ref (notes);
  record->extra_new = g_test_rand_bit ();
  record->final = TRUE;
  for (int i = g_test_rand_int_range (0, 4); i > 0; i--)
    add_attachment (record);
  return record;
}

/* Puts the next smaller one, if there is any, in the place of the last record. */
static void
cut_last (Fixture *fixture)
{
  gpointer *last = &g_ptr_array_index (fixture->records, fixture->records->len - 1);
  g_autoptr (LsobsEncoded) larger = *last;

  *last = _lsobs_encoder_cut (&(LsobsEncoder){ fixture->settings, fixture->counters }, larger);
  g_assert_nonnull (*last);
}

static void
test_random (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 200; i++)
    {
      int n = g_test_rand_int_range (1, 6);

      for (int j = 0; j < n; j++)
        {
          add (fixture, random_record ());
          if (g_test_rand_int_range (0, 5) == 0)
            cut_last (fixture);
        }
      check_shapes (fixture);
      g_ptr_array_set_size (fixture->records, 0);
    }
}

static void
test_batch_size (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsBatch) batch = NULL;
  g_autoptr (LsobsBatch) first = NULL;
  g_autoptr (LsobsBatch) second = NULL;
  g_autoptr (GBytes) body = NULL;
  gsize n_bytes = 0;
  char boundary[LSOBS_BOUNDARY_LEN + 1];

  add_example (fixture);
  _lsobs_body_make_boundary (boundary);
  body = _lsobs_body_write_multipart (fixture->records, boundary);
  batch = _lsobs_batch_new (g_steal_pointer (&fixture->records));
  g_assert_cmpuint (_lsobs_body_measure (_lsobs_batch_peek_records (batch)), ==,
                    g_bytes_get_size (body));
  /* The size of a batch is that of the texts and of the one attachment. */
  g_assert_cmpuint (lsobs_batch_get_n_records (batch), ==, 4);
  for (guint i = 0; i < 4; i++)
    n_bytes += g_bytes_get_size (lsobs_batch_get_record_json (batch, i));
  g_assert_cmpuint (lsobs_batch_get_n_bytes (batch), ==, n_bytes + 21);
  g_assert_cmpuint (lsobs_batch_get_n_bytes (batch), <, g_bytes_get_size (body));

  _lsobs_batch_halve (batch, &first, &second);
  g_assert_cmpuint (lsobs_batch_get_n_records (first), ==, 2);
  g_assert_cmpuint (lsobs_batch_get_n_records (second), ==, 2);
  g_assert_cmpuint (lsobs_batch_get_n_bytes (first) + lsobs_batch_get_n_bytes (second), ==,
                    lsobs_batch_get_n_bytes (batch));
  g_assert_cmpuint (_lsobs_body_measure (_lsobs_batch_peek_records (first)) +
                        _lsobs_body_measure (_lsobs_batch_peek_records (second)),
                    ==, g_bytes_get_size (body) + _lsobs_body_measure_end ());
  g_assert_true (_lsobs_batch_peek_records (second)->pdata[1] ==
                 _lsobs_batch_peek_records (batch)->pdata[3]);
  fixture->records = g_ptr_array_new ();
}

static void
test_boundary (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < 10000; i++)
    {
      char boundary[LSOBS_BOUNDARY_LEN + 2];

      memset (boundary, '#', sizeof boundary);
      _lsobs_body_make_boundary (boundary);
      g_assert_cmpint (boundary[LSOBS_BOUNDARY_LEN + 1], ==, '#');
      g_assert_cmpuint (strlen (boundary), ==, LSOBS_BOUNDARY_LEN);
      g_assert_cmpuint (strlen (boundary), <=, 70);
      g_assert_cmpuint (strspn (boundary, "0123456789abcdefghijklmnopqrstuvwxyz-"), ==,
                        LSOBS_BOUNDARY_LEN);
      g_assert_true (g_hash_table_add (seen, g_strdup (boundary)));
    }
}

/* Hostile bytes, in every string at once */

static const char *const hostile[] = {
  "\xff",
  "caf\xc3",
  "\xed\xa0\x80",
  "\xc0\x80",
  "\xf4\x90\x80\x80",
  "\"",
  "\\",
  "\"}",
  "\n\r\t",
  "\x01\x1f\x7f",
  "\r\n--lsobs-\r\nContent-Disposition: form-data",
  "\xe2\x80\xa8\xe2\x80\xa9",
  "</script>",
  "\\u0000",
  "\\ud800",
  "%s%n",
  "\xef\xbb\xbf",
  "\xf0\x9f\x98\x80",
  " ",
};

static void
test_hostile (Fixture *fixture, gconstpointer data)
{
  const char *text = data;
  LsobsRecord *record = make_record (LSOBS_RECORD_CREATE, L_PATH, text, LSOBS_RUN_TYPE_LLM);
  g_autoptr (LsobsAnnotations) notes = _lsobs_annotations_new ();
  LsobsBuffer quoted = LSOBS_BUFFER_INIT;
  LsobsEncoded *encoded;
  g_autoptr (WireRequest) request = NULL;
  const char *sent;
  gsize len;

  record->error = g_strdup (text);
  record->inputs = json (text);
  record->outputs = json (text);
  _lsobs_json_sanitize_text (&quoted, text, strlen (text),
                             &(LsobsSanitizeOptions){ .redactor = NULL });
  _lsobs_annotations_set_metadata_unlocked (notes, text, _lsobs_buffer_steal_bytes (&quoted),
                                            FALSE);
  _lsobs_annotations_add_tag_unlocked (notes, text);
  _lsobs_annotations_add_event_unlocked (notes, text, R_START + 650000, json (text));
  record->annotations = _lsobs_annotations_ref (notes);
  record->final = TRUE;

  encoded = add (fixture, record);
  sent = g_bytes_get_data (encoded->text, &len);
  g_assert_true (g_utf8_validate (sent, (gssize) len, NULL));
  for (gsize i = 0; i < len; i++)
    g_assert_cmpint ((guchar) sent[i], >=, 0x20);
  check_shapes (fixture);
  request = check_batch (fixture);
  if (g_utf8_validate (text, -1, NULL))
    {
      JsonObject *run = ((WireOp *) request->ops->pdata[0])->run;

      g_assert_cmpstr (json_object_get_string_member (run, "name"), ==, text);
      g_assert_cmpstr (json_object_get_string_member (run, "error"), ==, text);
    }
}

/* What is captured: never more than there is room for */

static void
assert_bytes (GBytes *bytes, const char *expected)
{
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), expected,
                   strlen (expected));
}

/* The bound is above the longest string as it is written; names do not count. */
static void
test_capture_bound (Fixture *fixture, gconstpointer data)
{
  g_autoptr (JsonNode) node =
      json_from_string ("{\"long name\":[\"12345\",\"\\n\\n\\n\",1234567,\"\"]}", NULL);
  g_autoptr (JsonNode) empty = json_from_string ("{\"long name\":[]}", NULL);
  guint bound = 99;

  g_bytes_unref (_lsobs_capture_node_measuring (node, 100, fixture->counters, &bound));
  g_assert_cmpuint (bound, ==, 7);
  g_bytes_unref (_lsobs_capture_node_measuring (empty, 100, fixture->counters, &bound));
  g_assert_cmpuint (bound, ==, 1);
  /* What stands for a payload that is too large was not measured. */
  g_bytes_unref (_lsobs_capture_node_measuring (node, 10, fixture->counters, &bound));
  g_assert_cmpuint (bound, ==, 0);
  bound = 99;
  g_assert_null (_lsobs_capture_node_measuring (NULL, 10, fixture->counters, &bound));
  g_assert_cmpuint (bound, ==, 0);
}

static void
test_capture_node (Fixture *fixture, gconstpointer data)
{
  g_autoptr (JsonNode) node = json_from_string ("{\"key\":\"value\"}", NULL);
  g_autoptr (GBytes) fits = _lsobs_capture_node (node, 15, fixture->counters);
  g_autoptr (GBytes) not = NULL;

  g_assert_null (_lsobs_capture_node (NULL, 15, fixture->counters));
  assert_bytes (fits, "{\"key\":\"value\"}");
  g_assert_cmpuint (_lsobs_counters_get (fixture->counters, LSOBS_COUNTER_CUT_PAYLOADS), ==, 0);
  not = _lsobs_capture_node (node, 14, fixture->counters);
  g_assert_true (
      g_str_has_prefix (g_bytes_get_data (not, NULL), "{\"__truncated__\":true,\"bytes\":"));
  g_assert_cmpuint (_lsobs_counters_get (fixture->counters, LSOBS_COUNTER_CUT_PAYLOADS), ==, 1);
  /* The caller may change its tree. */
  json_object_set_string_member (json_node_get_object (node), "key", "other");
  assert_bytes (fits, "{\"key\":\"value\"}");
}

static void
test_capture_bytes (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GBytes) text = json ("{\"key\":\"value\"}");
  g_autoptr (GBytes) fits = _lsobs_capture_bytes (text, 15, fixture->counters);
  g_autoptr (GBytes) not = _lsobs_capture_bytes (text, 14, fixture->counters);

  g_assert_null (_lsobs_capture_bytes (NULL, 15, fixture->counters));
  g_assert_true (fits == text);
  assert_bytes (not, "{\"__truncated__\":true,\"bytes\":15}");
  g_assert_cmpuint (_lsobs_counters_get (fixture->counters, LSOBS_COUNTER_CUT_PAYLOADS), ==, 1);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define ADD(path, data, func) g_test_add (path, Fixture, data, set_up, func, tear_down)
  ADD ("/body/example/bytes", NULL, test_example);
  ADD ("/body/example/shapes", NULL, test_example_shapes);
  ADD ("/body/empty", NULL, test_empty);
  ADD ("/body/random", NULL, test_random);
  ADD ("/body/batch-size", NULL, test_batch_size);
  g_test_add_func ("/body/boundary", test_boundary);
  for (guint i = 0; i < G_N_ELEMENTS (hostile); i++)
    {
      g_autofree char *path = g_strdup_printf ("/body/hostile/%u", i);

      ADD (path, hostile[i], test_hostile);
    }
  ADD ("/body/capture/node", NULL, test_capture_node);
  ADD ("/body/capture-bound", NULL, test_capture_bound);
  ADD ("/body/capture/bytes", NULL, test_capture_bytes);

  return g_test_run ();
}
