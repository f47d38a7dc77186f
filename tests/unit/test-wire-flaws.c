/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <locale.h>
#include <string.h>

#include "tests/lib/wire.h"

/* The judge must refuse every way to be wrong, one by one, and name the rule. */

#define R     "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define L     "019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5"
#define T     "019ca8bb-f72e-7c32-ae50-7d9f41b2c3e6"
#define F     "019ca8bb-fab2-7d43-bf61-8ea052c3d4f7"
#define OTHER "019ca8bb-f152-7a10-8c3e-000000000000"

typedef struct
{
  const char *name;
  const char *type;
  const char *payload;
} Part;

#define JSON "application/json"
#define IDS_R \
 "\"id\":\"" R "\",\"trace_id\":\"" R "\",\"dotted_order\":\"20260301T093015250000Z" R "\","
#define IDS_L \
 "\"id\":\"" L "\",\"trace_id\":\"" R "\",\"parent_run_id\":\"" R "\"," \
 "\"dotted_order\":\"20260301T093015250000Z" R ".20260301T093015262000Z" L "\","
#define START_R "\"session_name\":\"helpdesk\",\"start_time\":\"2026-03-01T09:30:15.250000Z\""

static const Part good_parts[] = {
  { "post." R, JSON,
    "{" IDS_R "\"name\":\"agent\",\"run_type\":\"chain\"," START_R ",\"tags\":[\"prod\"]}" },
  { "post." R ".inputs", JSON, "{\"question\":\"where?\"}" },
  { "post." L, JSON,
    "{" IDS_L "\"name\":\"model\",\"run_type\":\"llm\",\"session_name\":\"helpdesk\","
    "\"start_time\":\"2026-03-01T09:30:15.262000Z\",\"end_time\":\"2026-03-01T09:30:16.700000Z\"}" },
  { "post." L ".inputs", JSON, "{\"messages\":[1.5,true,null]}" },
  { "post." L ".outputs", JSON, "{\"text\":\"h\\u00e9 \\ud83d\\ude00\"}" },
  { "post." L ".events", JSON,
    "[{\"name\":\"new_token\",\"time\":\"2026-03-01T09:30:15.900000Z\"}]" },
  { "post." L ".extra", JSON, "{\"metadata\":{\"n\":1}}" },
  { "attachment." L ".log", "text/plain; charset=utf-8", "\r\n--boundar" },
  { "patch." R, JSON,
    "{" IDS_R "\"name\":\"agent\",\"run_type\":\"chain\"," START_R
    ",\"end_time\":\"2026-03-01T09:30:17.000000Z\"}" },
  { "patch." R ".outputs", JSON, "{}" },
  { "patch." R ".error", JSON, "\"late\"" },
  { "feedback." F, JSON,
    "{\"id\":\"" F "\",\"run_id\":\"" L "\",\"trace_id\":\"" R "\",\"key\":\"helpful\","
    "\"score\":0.5,\"comment\":\"fine\",\"feedback_source\":{\"type\":\"api\",\"metadata\":{}},"
    "\"created_at\":\"2026-03-01T09:30:17.650000Z\",\"modified_at\":\"2026-03-01T09:30:17.650000Z\"}" },
};

enum
{
  POST_R,
  INPUTS_R,
  POST_L,
  INPUTS_L,
  OUTPUTS_L,
  EVENTS_L,
  EXTRA_L,
  ATTACHMENT_L,
  PATCH_R,
  OUTPUTS_R,
  ERROR_R,
  FEEDBACK,
  RAW = 100
};

typedef struct
{
  const char *path;
  int part; /* whose name, type or payload; RAW: the finished body */
  const char *from;
  const char *to;
  WireError code;
  const char *from2; /* (nullable) a second change of the same payload */
  const char *to2;
} Flaw;

#define FLAW(path, part, from, to, code) \
 { \
  path, part, from, to, WIRE_ERROR_##code, NULL, NULL \
 }

/* Each takes a good body, replaces the first @from by @to, and must break exactly that rule. */
static const Flaw flaws[] = {
  FLAW ("framing/lf-header", RAW, "application/json\r\n", "application/json\n", FRAMING),
  FLAW ("framing/lf-blank-line", RAW, "\r\n\r\n{", "\r\n\n{", FRAMING),
  FLAW ("framing/lf-delimiter", RAW, "--boundary\r\n", "--boundary\n", FRAMING),
  FLAW ("framing/bare-cr", RAW, "application/json\r\n", "application/\rjson\r\n", FRAMING),
  FLAW ("framing/no-close", RAW, "--boundary--\r\n", "", FRAMING),
  FLAW ("framing/close-without-crlf", RAW, "--boundary--\r\n", "--boundary--", FRAMING),
  FLAW ("framing/epilogue", RAW, "--boundary--\r\n", "--boundary--\r\n\r\n", FRAMING),
  FLAW ("framing/preamble", RAW, "--boundary\r\n", "\r\n--boundary\r\n", BOUNDARY),
  FLAW ("framing/other-boundary", RAW, "--boundary\r\n", "--boundary2\r\n", FRAMING),
  FLAW ("framing/crlf-missing-after-payload", RAW, "where?\"}\r\n", "where?\"}\n", PART_LENGTH),
  FLAW ("part/length-short", RAW, "Content-Length: 21", "Content-Length: 20", PART_LENGTH),
  FLAW ("part/length-long", RAW, "Content-Length: 21", "Content-Length: 22", PART_LENGTH),
  FLAW ("part/length-garbage", RAW, "Content-Length: 21", "Content-Length: 21 ", PART_LENGTH),
  FLAW ("part/length-missing", RAW, "Content-Length: 21\r\n", "", PART_LENGTH),
  FLAW ("part/length-contradicts",
        RAW,
        "json\r\nContent-Length: 21",
        "json; length=20\r\nContent-Length: 21",
        PART_LENGTH),
  FLAW ("part/filename", RAW, ".inputs\"\r\n", ".inputs\"; filename=\"a\"\r\n", PART_FILENAME),
  FLAW ("part/encoding",
        RAW,
        "Content-Length: 21",
        "Content-Encoding: gzip\r\nContent-Length: 21",
        PART_ENCODING),
  FLAW ("part/other-header",
        RAW,
        "Content-Length: 21",
        "X-Other: 1\r\nContent-Length: 21",
        PART_HEADER),
  FLAW ("part/header-twice",
        RAW,
        "Content-Length: 21",
        "Content-Length: 21\r\nContent-Length: 21",
        PART_HEADER),
  FLAW ("part/no-disposition",
        RAW,
        "Content-Disposition: form-data; name=\"post." R ".inputs\"\r\n",
        "",
        PART_HEADER),
  FLAW ("part/no-name", RAW, "form-data; name=\"post." R "\"", "form-data", PART_HEADER),
  FLAW ("part/no-type", RAW, "Content-Type: application/json\r\n", "", PART_HEADER),
  FLAW ("part/wrong-type", INPUTS_R, JSON, "text/plain", PART_HEADER),
  FLAW ("part/charset", INPUTS_R, JSON, JSON "; charset=utf-8", PART_HEADER),
  FLAW ("part/name-utf8", ATTACHMENT_L, ".log", ".l\xff", UTF8),
  FLAW ("name/operation", POST_L, "post.", "put.", PART_NAME),
  FLAW ("name/uuid", POST_L, "post." L, "post.1", PART_NAME),
  FLAW ("name/upper-case", POST_L, "post.019ca8bb", "post.019CA8BB", PART_NAME),
  FLAW ("name/field", INPUTS_R, ".inputs", ".tags", PART_NAME),
  FLAW ("name/attachment-point", ATTACHMENT_L, ".log", ".l.og", PART_NAME),
  FLAW ("name/attachment-empty", ATTACHMENT_L, ".log", ".", PART_NAME),
  FLAW ("name/attachment-quote", ATTACHMENT_L, ".log", ".l\"og", PART_HEADER),
  FLAW ("name/attachment-control", ATTACHMENT_L, ".log", ".l\tog", PART_NAME),
  FLAW ("name/attachment-line", ATTACHMENT_L, ".log", ".l\xe2\x80\xa8og", PART_NAME),
  FLAW ("name/attachment-mark", ATTACHMENT_L, ".log", ".l/og", PART_NAME),
  FLAW ("name/feedback", FEEDBACK, "feedback." F, "feedback." OTHER, ID),
  FLAW ("order/attachment-loose", ATTACHMENT_L, L, OTHER, PART_ORDER),
  FLAW ("order/field-before-main", INPUTS_R, "post." R, "post." T, PART_ORDER),
  FLAW ("order/main-twice", POST_L, "post." L, "post." R, PART_ORDER),
  FLAW ("order/field-twice", OUTPUTS_L, ".outputs", ".inputs", PART_ORDER),
  FLAW ("json/utf8", INPUTS_R, "where", "wh\xe9re", UTF8),
  FLAW ("json/surrogate", OUTPUTS_L, "\\ud83d\\ude00", "\\ud83d", UTF8),
  FLAW ("json/nan", INPUTS_L, "1.5", "NaN", NOT_FINITE),
  FLAW ("json/minus-infinity", INPUTS_L, "1.5", "-Infinity", NOT_FINITE),
  FLAW ("json/glib-nan", INPUTS_L, "1.5", "nan.0", NOT_FINITE),
  FLAW ("json/huge", INPUTS_L, "1.5", "1e999", NOT_FINITE),
  FLAW ("json/int65", INPUTS_L, "1.5", "18446744073709551616", JSON),
  FLAW ("json/leading-zero", INPUTS_L, "1.5", "01", JSON),
  FLAW ("json/trailing-comma", INPUTS_L, "null]", "null,]", JSON),
  FLAW ("json/comment", INPUTS_R, "{", "/**/{", JSON),
  FLAW ("json/single-quotes", INPUTS_R, "\"where?\"", "'where?'", JSON),
  FLAW ("json/control", INPUTS_R, "where", "wh\nre", JSON),
  FLAW ("json/escape", INPUTS_R, "where", "wh\\xre", JSON),
  FLAW ("json/garbage", INPUTS_R, "\"}", "\"}x", JSON),
  FLAW ("json/duplicate-key", POST_R, "\"name\":", "\"name\":\"x\",\"name\":", JSON),
  FLAW ("json/empty", OUTPUTS_R, "{}", "", JSON),
  FLAW ("id/differs", POST_R, "\"id\":\"" R, "\"id\":\"" OTHER, ID),
  FLAW ("id/missing", POST_R, "\"id\":\"" R "\",", "", ID),
  FLAW ("id/parent-malformed", POST_L, "\"parent_run_id\":\"0", "\"parent_run_id\":\"x", ID),
  FLAW ("missing/trace_id", POST_R, "\"trace_id\"", "\"x\"", MISSING),
  FLAW ("missing/dotted_order", POST_R, "\"dotted_order\"", "\"x\"", MISSING),
  FLAW ("missing/name", POST_R, "\"name\"", "\"x\"", MISSING),
  FLAW ("missing/name-empty", POST_R, "\"agent\"", "\"\"", MISSING),
  FLAW ("missing/run_type", PATCH_R, "\"run_type\"", "\"x\"", MISSING),
  FLAW ("missing/start_time", PATCH_R, "\"start_time\"", "\"x\"", MISSING),
  FLAW ("missing/session_name", POST_R, "\"session_name\"", "\"x\"", MISSING),
  FLAW ("out-of-band/inputs", POST_R, "\"tags\":[\"prod\"]", "\"inputs\":{}", OUT_OF_BAND),
  FLAW ("out-of-band/outputs", POST_R, "\"tags\":[\"prod\"]", "\"outputs\":{}", OUT_OF_BAND),
  FLAW ("out-of-band/events", POST_R, "\"tags\":[\"prod\"]", "\"events\":[]", OUT_OF_BAND),
  FLAW ("out-of-band/extra", POST_R, "\"tags\":[\"prod\"]", "\"extra\":{}", OUT_OF_BAND),
  FLAW ("out-of-band/error", POST_R, "\"tags\":[\"prod\"]", "\"error\":\"x\"", OUT_OF_BAND),
  FLAW ("out-of-band/serialized", POST_R, "\"tags\":[\"prod\"]", "\"serialized\":{}", OUT_OF_BAND),
  FLAW ("out-of-band/attachments",
        POST_R,
        "\"tags\":[\"prod\"]",
        "\"attachments\":{}",
        OUT_OF_BAND),
  FLAW ("run-type", POST_R, "\"chain\"", "\"agent\"", RUN_TYPE),
  FLAW ("time/offset", POST_R, "15.250000Z", "15.250000+00:00", TIMESTAMP),
  FLAW ("time/milliseconds", POST_R, "15.250000Z\",\"tags", "15.250Z\",\"tags", TIMESTAMP),
  FLAW ("time/no-such-day", POST_R, "2026-03-01T", "2026-02-30T", TIMESTAMP),
  FLAW ("time/integer-end", POST_L, "\"2026-03-01T09:30:16.700000Z\"", "1772357416700", TIMESTAMP),
  FLAW ("time/event", EVENTS_L, "15.900000Z", "15.9Z", TIMESTAMP),
  FLAW ("time/end-before-start", POST_L, "09:30:16.700000Z", "09:30:15.261999Z", TIME_ORDER),
  FLAW ("time/start-differs-from-stamp",
        POST_R,
        "15.250000Z\",\"tags",
        "15.250001Z\",\"tags",
        TIME_MISMATCH),
  { "time/id-differs-by-1-ms", POST_L, "15.262000Z", "15.263000Z", WIRE_ERROR_TIME_MISMATCH,
    "T093015262000Z", "T093015263000Z" },
  FLAW ("d1", POST_R, "Z" R, "Z" R ".20260301T093015250000Z" R, D1),
  FLAW ("d1/parent-lost", POST_L, "\"parent_run_id\"", "\"x\"", D1),
  FLAW ("d2", POST_L, "20260301T093015250000Z" R ".", "", D2),
  FLAW ("d3", POST_L, "\"trace_id\":\"" R, "\"trace_id\":\"" OTHER, D3),
  FLAW ("d3/root", POST_R, "\"trace_id\":\"" R, "\"trace_id\":\"" OTHER, D3),
  FLAW ("d4", POST_L, "262000Z" L, "262000Z" T, D4),
  FLAW ("d5", POST_L, "\"parent_run_id\":\"" R, "\"parent_run_id\":\"" OTHER, D5),
  FLAW ("d6", POST_L, "20260301T093015250000Z", "20260301T093015262001Z", D6),
  FLAW ("d7/three", POST_R, "15250000Z", "15250Z", D7),
  FLAW ("d7/nine", POST_R, "15250000Z", "15250000000Z", D7),
  FLAW ("d7/none", POST_R, "15250000Z", "15Z", D7),
  FLAW ("dotted-order/no-such-day", POST_R, "20260301T", "20260230T", DOTTED_ORDER),
  FLAW ("dotted-order/empty-segment", POST_L, "Z" R ".", "Z" R "..", DOTTED_ORDER),
  FLAW ("dotted-order/point", POST_R, "T093015250000Z", "T093015.250000Z", DOTTED_ORDER),
  FLAW ("shape/inputs", INPUTS_R, "{\"question\":\"where?\"}", "[1]", SHAPE),
  FLAW ("shape/outputs", OUTPUTS_R, "{}", "\"text\"", SHAPE),
  FLAW ("shape/error", ERROR_R, "\"late\"", "{\"text\":\"late\"}", SHAPE),
  FLAW ("shape/events", EVENTS_L, "[{", "[1,{", SHAPE),
  FLAW ("shape/metadata", EXTRA_L, "{\"n\":1}", "[]", SHAPE),
  FLAW ("shape/tags", POST_R, "[\"prod\"]", "[1]", SHAPE),
  FLAW ("shape/null", POST_R, "[\"prod\"]", "null", SHAPE),
  FLAW ("shape/main", POST_R, "{", "[{", JSON),
  FLAW ("feedback/key", FEEDBACK, "\"key\"", "\"x\"", FEEDBACK),
  FLAW ("feedback/run", FEEDBACK, "\"run_id\":\"" L, "\"run_id\":\"1", FEEDBACK),
  FLAW ("feedback/comment", FEEDBACK, "\"fine\"", "1", FEEDBACK),
  FLAW ("feedback/score", FEEDBACK, "0.5", "\"0.5\"", FEEDBACK),
  FLAW ("feedback/decimals", FEEDBACK, "0.5", "0.12345", FEEDBACK),
  FLAW ("feedback/source", FEEDBACK, "\"api\"", "\"app\"", FEEDBACK),
  FLAW ("feedback/source-metadata", FEEDBACK, ",\"metadata\":{}", "", FEEDBACK),
  FLAW ("feedback/created", FEEDBACK, "\"created_at\"", "\"x\"", TIMESTAMP),
  FLAW ("feedback/time", FEEDBACK, "17.650000Z", "17.651000Z", TIME_MISMATCH),
};

/* Replaces the first @from in @text. Returns FALSE when there is none. */
static gboolean
replace_first (GString *text, const char *from, const char *to)
{
  const char *at = strstr (text->str, from);
  gssize pos = at != NULL ? at - text->str : -1;

  if (pos < 0)
    return FALSE;
  g_string_erase (text, pos, (gssize) strlen (from));
  g_string_insert (text, pos, to);

  return TRUE;
}

static GString *
build_body (const Flaw *flaw)
{
  GString *body = g_string_new (NULL);
  gboolean is_done = flaw == NULL;

  for (guint i = 0; i < G_N_ELEMENTS (good_parts); i++)
    {
      g_autoptr (GString) name = g_string_new (good_parts[i].name);
      g_autoptr (GString) type = g_string_new (good_parts[i].type);
      g_autoptr (GString) payload = g_string_new (good_parts[i].payload);

      if (flaw != NULL && flaw->part == (int) i)
        is_done = replace_first (name, flaw->from, flaw->to) ||
                  replace_first (type, flaw->from, flaw->to) ||
                  replace_first (payload, flaw->from, flaw->to);
      if (flaw != NULL && flaw->part == (int) i && flaw->from2 != NULL)
        is_done = is_done && replace_first (payload, flaw->from2, flaw->to2);
      g_string_append_printf (body,
                              "--boundary\r\nContent-Disposition: form-data; name=\"%s\"\r\n"
                              "Content-Type: %s\r\nContent-Length: %" G_GSIZE_FORMAT
                              "\r\n\r\n%s\r\n",
                              name->str, type->str, payload->len, payload->str);
    }
  g_string_append (body, "--boundary--\r\n");
  if (flaw != NULL && flaw->part == RAW)
    is_done = replace_first (body, flaw->from, flaw->to);
  g_assert_true (is_done);

  return body;
}

static WireRequest *
judge (const char *type, GString *text, GError **error)
{
  g_autoptr (GBytes) body = g_bytes_new (text->str, text->len);
  g_autoptr (WireRequest) request =
      wire_request_parse ("POST", "/runs/multipart", type, body, WIRE_STRICT, error);

  if (request == NULL || !wire_check_request (request, WIRE_STRICT, error))
    return NULL;

  return g_steal_pointer (&request);
}

static void
test_good (void)
{
  g_autoptr (GString) text = build_body (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (WireRequest) request = judge ("multipart/form-data; boundary=boundary", text, &error);
  g_autoptr (WireTree) tree = wire_tree_new ();

  g_assert_no_error (error);
  wire_tree_add_request (tree, request);
  wire_tree_check (tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
}

static void
test_flaw (gconstpointer data)
{
  const Flaw *flaw = data;
  g_autoptr (GString) text = build_body (flaw);
  g_autoptr (GError) error = NULL;
  g_autoptr (WireRequest) request = judge ("multipart/form-data; boundary=boundary", text, &error);

  g_assert_null (request);
  g_assert_error (error, WIRE_ERROR, (int) flaw->code);
  g_test_message ("%s", error->message);
}

static void
test_bad_boundary (gconstpointer data)
{
  g_autoptr (GString) text = build_body (NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (judge (data, text, &error));
  g_assert_error (error, WIRE_ERROR, WIRE_ERROR_BOUNDARY);
}

/* --- plain JSON endpoints ------------------------------------------------------------------ */

typedef struct
{
  const char *path;
  const char *method;
  const char *url;
  const char *type;
  const char *body;
  int code; /* -1: it is right */
} Plain;

#define RUN_R "{" IDS_R "\"name\":\"agent\",\"run_type\":\"chain\"," START_R "}"
#define V4    "11111111-2222-4333-8444-555555555555"

static const Plain plains[] = {
  { "post", "POST", "/runs", JSON, RUN_R, -1 },
  { "post-below-a-prefix", "POST", "/api/v1/runs", JSON, RUN_R, -1 },
  { "patch", "PATCH", "/runs/" R, JSON, RUN_R, -1 },
  { "patch-other-id", "PATCH", "/runs/" L, JSON, RUN_R, WIRE_ERROR_ID },
  { "patch-no-id", "PATCH", "/runs/1", JSON, RUN_R, WIRE_ERROR_ENDPOINT },
  { "put", "PUT", "/runs/" R, JSON, RUN_R, WIRE_ERROR_ENDPOINT },
  { "other-path", "POST", "/run", JSON, RUN_R, WIRE_ERROR_ENDPOINT },
  { "charset", "POST", "/runs", JSON "; charset=utf-8", RUN_R, WIRE_ERROR_ENDPOINT },
  { "no-object", "POST", "/runs", JSON, "[]", WIRE_ERROR_SHAPE },
  { "id-version-4", "POST", "/runs", JSON,
    "{\"id\":\"" V4 "\",\"trace_id\":\"" V4 "\",\"dotted_order\":\"20260301T093015250000Z" V4 "\","
    "\"name\":\"agent\",\"run_type\":\"chain\"," START_R "}",
    WIRE_ERROR_ID },
  { "batch", "POST", "/runs/batch", JSON, "{\"post\":[" RUN_R "],\"patch\":[" RUN_R "]}", -1 },
  { "batch-empty", "POST", "/runs/batch", JSON, "{\"post\":[],\"patch\":[]}", -1 },
  { "batch-without-patch", "POST", "/runs/batch", JSON, "{\"post\":[" RUN_R "]}",
    WIRE_ERROR_SHAPE },
  { "batch-other-key", "POST", "/runs/batch", JSON, "{\"post\":[],\"patch\":[],\"x\":1}",
    WIRE_ERROR_SHAPE },
  { "batch-no-object", "POST", "/runs/batch", JSON, "{\"post\":[1],\"patch\":[]}",
    WIRE_ERROR_SHAPE },
  { "batch-no-id", "POST", "/runs/batch", JSON, "{\"post\":[{}],\"patch\":[]}", WIRE_ERROR_ID },
  { "feedback", "POST", "/feedback", JSON, "{}", WIRE_ERROR_FEEDBACK },
};

static void
test_plain (gconstpointer data)
{
  const Plain *plain = data;
  g_autoptr (GBytes) body = g_bytes_new_static (plain->body, strlen (plain->body));
  g_autoptr (GError) error = NULL;
  g_autoptr (WireRequest) request = NULL;
  gboolean ok;

  request = wire_request_parse (plain->method, plain->url, plain->type, body, WIRE_STRICT, &error);
  ok = request != NULL && wire_check_request (request, WIRE_STRICT, &error);
  if (plain->code < 0)
    g_assert_no_error (error);
  else
    g_assert_error (error, WIRE_ERROR, plain->code);
  g_assert_cmpint (ok, ==, plain->code < 0);
}

static void
test_deep (void)
{
  g_autofree char *text = g_strnfill (100000, '[');
  g_autoptr (GError) error = NULL;

  g_assert_null (wire_json_parse (text, 100000, &error));
  g_assert_error (error, WIRE_ERROR, WIRE_ERROR_JSON);
}

/* --- trees --------------------------------------------------------------------------------- */

static void
add_good (WireTree *tree, const char *op, const char *id)
{
  g_autoptr (GString) text = build_body (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (WireRequest) request = judge ("multipart/form-data; boundary=boundary", text, &error);

  g_assert_no_error (error);
  wire_tree_add_op (tree, wire_request_find (request, op, id));
}

static void
assert_tree_error (WireTree *tree, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (wire_tree_check (tree, WIRE_TREE_CHECK_ALL, &error));
  g_assert_error (error, WIRE_ERROR, code);
}

static void
test_posted_twice (void)
{
  g_autoptr (WireTree) tree = wire_tree_new ();

  add_good (tree, "post", R);
  add_good (tree, "post", R);
  add_good (tree, "patch", R);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 1);
  assert_tree_error (tree, WIRE_ERROR_POSTED_TWICE);
}

static void
test_patched_twice (void)
{
  g_autoptr (WireTree) tree = wire_tree_new ();

  add_good (tree, "post", R);
  add_good (tree, "patch", R);
  add_good (tree, "patch", R);
  assert_tree_error (tree, WIRE_ERROR_PATCHED_TWICE);
}

static void
test_orphan (void)
{
  g_autoptr (WireTree) tree = wire_tree_new ();
  g_autofree char *text = NULL;

  add_good (tree, "post", L);
  assert_tree_error (tree, WIRE_ERROR_ORPHAN);
  text = wire_tree_to_string (tree, WIRE_TREE_PLAIN);
  g_assert_cmpstr (text, ==, "model llm ok (orphan)\n");
}

static void
test_incomplete (void)
{
  g_autoptr (WireTree) unended = wire_tree_new ();
  g_autoptr (WireTree) unposted = wire_tree_new ();

  add_good (unended, "post", R);
  assert_tree_error (unended, WIRE_ERROR_INCOMPLETE);
  g_assert_cmpuint (wire_tree_get_n_pending (unended), ==, 1);
  add_good (unposted, "patch", R);
  assert_tree_error (unposted, WIRE_ERROR_INCOMPLETE);
  g_assert_cmpuint (wire_tree_get_n_pending (unposted), ==, 0);
}

static void
add_batch (WireTree *tree, const char *text)
{
  g_autoptr (GBytes) body = g_bytes_new_static (text, strlen (text));
  g_autoptr (GError) error = NULL;
  g_autoptr (WireRequest) request =
      wire_request_parse ("POST", "/runs/batch", JSON, body, WIRE_STRICT, &error);

  g_assert_no_error (error);
  wire_tree_add_request (tree, request);
}

/* extra is merged deeply, the rest replaced, identity kept; the order of arrival does not matter */
static void
test_merge (void)
{
  static const char post[] =
      "{\"post\":[{" IDS_R "\"name\":\"a\",\"run_type\":\"chain\"," START_R ",\"inputs\":{\"i\":1},"
      "\"extra\":{\"metadata\":{\"a\":1,\"b\":1},\"runtime\":{\"sdk\":\"x\"}}}],\"patch\":[]}";
  static const char patch[] =
      "{\"post\":[],\"patch\":[{\"id\":\"" R
      "\",\"start_time\":\"2026-03-01T09:30:16.000000Z\",\"name\":\"b\","
      "\"end_time\":\"2026-03-01T09:30:16.250000Z\",\"inputs\":null,\"outputs\":{\"o\":1},"
      "\"extra\":{\"metadata\":{\"b\":2}}}]}";

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (WireTree) tree = wire_tree_new ();
      g_autofree char *text = NULL;
      g_autofree char *extra = NULL;

      add_batch (tree, i == 0 ? post : patch);
      add_batch (tree, i == 0 ? patch : post);
      text = wire_tree_to_string (tree, WIRE_TREE_DURATIONS | WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS);
      extra = wire_json_canonical (wire_run_get (wire_tree_get_root (tree), "extra"));
      g_assert_cmpstr (text, ==, "b chain ok 1000000us inputs={\"i\":1} outputs={\"o\":1}\n");
      g_assert_cmpstr (extra, ==, "{\"metadata\":{\"a\":1,\"b\":2},\"runtime\":{\"sdk\":\"x\"}}");
    }
}

int
main (int argc, char *argv[])
{
  setlocale (LC_ALL, "");
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/wire/good", test_good);
  for (guint i = 0; i < G_N_ELEMENTS (flaws); i++)
    {
      g_autofree char *path = g_strconcat ("/wire/flaw/", flaws[i].path, NULL);

      g_test_add_data_func (path, &flaws[i], test_flaw);
    }
  g_test_add_data_func ("/wire/boundary/other", "multipart/form-data; boundary=other",
                        test_bad_boundary);
  g_test_add_data_func ("/wire/boundary/quoted", "multipart/form-data; boundary=\"boundary\"",
                        test_bad_boundary);
  g_test_add_data_func ("/wire/boundary/none", "multipart/form-data", test_bad_boundary);
  g_test_add_data_func ("/wire/boundary/json", "application/json", test_bad_boundary);
  g_test_add_data_func ("/wire/boundary/odd", "multipart/form-data; boundary=a b",
                        test_bad_boundary);
  for (guint i = 0; i < G_N_ELEMENTS (plains); i++)
    {
      g_autofree char *path = g_strconcat ("/wire/plain/", plains[i].path, NULL);

      g_test_add_data_func (path, &plains[i], test_plain);
    }
  g_test_add_func ("/wire/json/deep", test_deep);
  g_test_add_func ("/wire/tree/posted-twice", test_posted_twice);
  g_test_add_func ("/wire/tree/patched-twice", test_patched_twice);
  g_test_add_func ("/wire/tree/orphan", test_orphan);
  g_test_add_func ("/wire/tree/incomplete", test_incomplete);
  g_test_add_func ("/wire/tree/merge", test_merge);

  return g_test_run ();
}
