/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What becomes of the requests and answers of models. The calls are in tests/data/model-calls.json,
 * each with the run that it has to become: however its answer is cut into pieces. */

#include "config.h"

#include <string.h>

#include "tests/lib/cost-helpers.h"
#include "tests/lib/run-helpers.h"
#include "tests/lib/wire.h"

/* What no run may have: keys and users of URLs, and what is masked, contain it. */
#define TELLTALE "telltale"

typedef struct
{
  LsobsConfig *config;          /* (owned) */
  LsobsMemoryTransport *memory; /* (owned) */
  LsobsObserver *observer;      /* (owned) */
  LsobsExporter *exporter;      /* (unowned) */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  fixture->config = lsobs_config_new (NULL, TEST_PROJECT);
  lsobs_config_set_flush_interval (fixture->config, TEST_NEVER_MS);
  lsobs_config_set_queue_capacity (fixture->config, 1000000);
  lsobs_config_set_shutdown_timeout (fixture->config, TEST_TIMEOUT_MS);
  fixture->memory = lsobs_memory_transport_new ();
  fixture->observer = lsobs_observer_new_with_transport (fixture->config,
                                                         LSOBS_TRANSPORT (fixture->memory), &error);
  g_assert_no_error (error);
  fixture->exporter = lsobs_observer_get_exporter (fixture->observer);
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_drain_context ();
  test_assert_books (fixture->exporter);
  test_shut_down (fixture->exporter, TEST_TIMEOUT_MS);
  test_assert_dies (fixture->observer);
  test_assert_dies (fixture->memory);
  g_object_unref (fixture->config);
}

/* --- the samples --- */

static JsonParser *samples;

static JsonObject *
get_sample (guint i)
{
  return json_array_get_object_element (json_node_get_array (json_parser_get_root (samples)), i);
}

/* Appends an event: its data, its name and its data, or its text. */
static void
append_event (GString *text, JsonNode *node)
{
  g_autofree char *data = NULL;

  if (JSON_NODE_HOLDS_ARRAY (node))
    {
      JsonArray *pair = json_node_get_array (node);

      g_string_append_printf (text, "event: %s\n", json_array_get_string_element (pair, 0));
      node = json_array_get_element (pair, 1);
    }
  data = JSON_NODE_HOLDS_VALUE (node) ? g_strdup (json_node_get_string (node))
                                      : json_to_string (node, FALSE);
  g_string_append_printf (text, "data: %s\n\n", data);
}

/* Returns: (transfer full): the body of the answer, which has one member: the form, and what it is
 *   made of */
static char *
make_answer (JsonObject *answer)
{
  g_autoptr (GList) names = json_object_get_members (answer);
  const char *form = names->data;
  JsonNode *node = json_object_get_member (answer, form);
  GString *text = g_string_new (NULL);
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (strcmp (form, "text") == 0)
    g_string_append (text, json_node_get_string (node));
  else if (strcmp (form, "json") == 0 || strcmp (form, "array") == 0)
    {
      g_autofree char *pretty = json_to_string (node, TRUE);

      g_string_append (text, pretty);
    }
  for (guint i = 0; strcmp (form, "sse") == 0 && i < json_array_get_length (array); i++)
    append_event (text, json_array_get_element (array, i));
  for (guint i = 0; strcmp (form, "ndjson") == 0 && i < json_array_get_length (array); i++)
    {
      g_autofree char *line = json_to_string (json_array_get_element (array, i), FALSE);

      g_string_append_printf (text, "%s\n", line);
    }
  return g_string_free (text, FALSE);
}

/* --- what came --- */

static void
set_copy (JsonObject *object, const char *name, JsonNode *node)
{
  if (node != NULL)
    json_object_set_member (object, name, json_node_copy (node));
}

/* Returns: (transfer full): what a run has, as text that is equal for equal runs */
static JsonObject *
describe (LsobsRunEvent *event)
{
  JsonObject *run = json_object_new ();
  JsonNode *extra = lsobs_run_event_get_extra (event);
  JsonNode *events = lsobs_run_event_get_events (event);
  g_autoptr (JsonArray) names = json_array_new ();

  json_object_set_string_member (run, "name", lsobs_run_event_get_name (event));
  json_object_set_string_member (run, "run_type",
                                 lsobs_run_type_to_string (lsobs_run_event_get_run_type (event)));
  set_copy (run, "inputs", lsobs_run_event_get_inputs (event));
  set_copy (run, "outputs", lsobs_run_event_get_outputs (event));
  if (lsobs_run_event_get_error_text (event) != NULL)
    json_object_set_string_member (run, "error", lsobs_run_event_get_error_text (event));
  if (extra != NULL)
    {
      set_copy (run, "metadata", json_object_get_member (json_node_get_object (extra), "metadata"));
      set_copy (run, "invocation_params",
                json_object_get_member (json_node_get_object (extra), "invocation_params"));
    }
  for (guint i = 0; events != NULL && i < json_array_get_length (json_node_get_array (events)); i++)
    json_array_add_string_element (
        names, json_object_get_string_member (
                   json_array_get_object_element (json_node_get_array (events), i), "name"));
  if (json_array_get_length (names) > 0)
    json_object_set_array_member (run, "events", g_steal_pointer (&names));
  return run;
}

static char *
to_text (JsonNode *node)
{
  return node != NULL ? wire_json_canonical (node) : g_strdup ("{}");
}

static char *
describe_as_text (LsobsRunEvent *event)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, describe (event));
  return to_text (node);
}

/* Compares what the sample expects: all of each member that it has, and no outputs or error unless
 * it has them. */
static void
assert_expected (LsobsRunEvent *event, JsonObject *expected)
{
  static const char *const names[] = { "name",  "run_type", "inputs", "outputs",
                                       "error", "metadata", "events", "invocation_params" };
  g_autoptr (JsonObject) run = describe (event);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      gboolean always = g_str_equal (names[i], "outputs") || g_str_equal (names[i], "error") ||
                        g_str_equal (names[i], "events");
      g_autofree char *text = to_text (json_object_get_member (run, names[i]));
      g_autofree char *right = to_text (json_object_get_member (expected, names[i]));

      if (always || json_object_has_member (expected, names[i]))
        g_assert_cmpstr (text, ==, right);
    }
}

/* --- calls --- */

static LsobsModelCall *
start_call (Fixture *fixture, JsonObject *sample)
{
  g_autofree char *request = json_to_string (json_object_get_member (sample, "request"), FALSE);
  g_autoptr (GBytes) body = g_bytes_new (request, strlen (request));

  return lsobs_model_call_new (fixture->observer, NULL,
                               json_object_get_string_member (sample, "url"), body);
}

/* Feeds the answer from its own memory, so that AddressSanitizer finds a read beyond a piece. */
static void
feed (LsobsModelCall *call, const char *text, gsize len)
{
  g_autofree guint8 *piece = g_memdup2 (text, len);

  lsobs_model_call_feed (call, piece, len);
}

static void
make_call (Fixture *fixture, JsonObject *sample, const char *answer, gsize cut)
{
  g_autoptr (LsobsModelCall) call = start_call (fixture, sample);

  feed (call, answer, cut);
  feed (call, answer + cut, strlen (answer) - cut);
  lsobs_model_call_finish (call, (guint) json_object_get_int_member (sample, "status"));
}

static void
make_call_of_bytes (Fixture *fixture, JsonObject *sample, const char *answer)
{
  g_autoptr (LsobsModelCall) call = start_call (fixture, sample);

  for (gsize i = 0; answer[i] != '\0'; i++)
    feed (call, answer + i, 1);
  lsobs_model_call_finish (call, (guint) json_object_get_int_member (sample, "status"));
}

/* Each format, plain and as a stream, cut at every byte (a sanitizer takes minutes for all), and into
 * single bytes. */
static void
test_sample (Fixture *fixture, gconstpointer data)
{
  JsonObject *sample = get_sample (GPOINTER_TO_UINT (data));
  g_autofree char *answer = make_answer (json_object_get_object_member (sample, "answer"));
  const gsize len = strlen (answer);
  const gsize step = test_is_instrumented () ? 7 : 1;
  guint n = 0;
  g_autoptr (GPtrArray) events = NULL;
  g_autofree char *whole = NULL;

  for (gsize cut = 0; cut < len; cut += step)
    {
      make_call (fixture, sample, answer, cut);
      /* Before a batch is full, and leaves by itself: each run is one record. */
      if (n++ % 32 == 0)
        g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
    }
  make_call_of_bytes (fixture, sample, answer);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  events = lsobs_memory_transport_dup_events (fixture->memory);
  g_assert_cmpuint (events->len, ==, n + 1);

  assert_expected (g_ptr_array_index (events, 0),
                   json_object_get_object_member (sample, "expected"));
  whole = describe_as_text (g_ptr_array_index (events, 0));
  g_assert_null (strstr (whole, TELLTALE));
  for (gsize i = 1; i < events->len; i++)
    {
      g_autofree char *text = describe_as_text (g_ptr_array_index (events, i));

      g_assert_cmpstr (text, ==, whole);
    }
  g_test_message ("%-48s %5" G_GSIZE_FORMAT " bytes: the same run from %u cuts",
                  json_object_get_string_member (sample, "name"), len, n);
}

/* --- long streams --- */

#define N_VARIANTS 40

/* Strings as they are in JSON, or should be: many events differ in nothing else. */
static const char *const pieces[] = {
  "a",
  " the",
  "\\n",
  "\\\"quoted\\\"",
  "caf\xc3\xa9",
  "\\u00e9",
  "\\ud83d\\ude00",
  "\\ud83d",
  "\\u0000",
  "\x01",
  "\n",
  "\xff\xfe",
  "\\/",
  "",
  "{",
  "}]",
  "data: ",
  "[DONE]",
  "\\\\",
  "0123456789abcdefghijklmnop",
};

/* Appends JSON with other strings, and other numbers, in some places.
 * @odds: how many of a hundred values become others */
static void
append_variant (GString *out, GRand *rand, const char *json, int odds)
{
  for (const char *p = json; *p != '\0';)
    {
      const char *end = p + 1;
      gboolean is_other = g_rand_int_range (rand, 0, 100) < odds;

      if (*p == '"')
        {
          while (*end != '"')
            end += *end == '\\' ? 2 : 1;
          end++;
          is_other = is_other && *end != ':';
        }
      else if (g_ascii_isdigit (*p))
        end += strspn (end, "0123456789");
      if (is_other && *p == '"')
        g_string_append_printf (out, "\"%s\"",
                                pieces[g_rand_int_range (rand, 0, G_N_ELEMENTS (pieces))]);
      else if (is_other && g_ascii_isdigit (*p))
        g_string_append_printf (out, "%d", g_rand_int_range (rand, 0, 3));
      else
        g_string_append_len (out, p, end - p);
      p = end;
    }
}

/* Appends each line, or element of an array, several times, each time a bit different. */
static void
append_variants (GString *out, GRand *rand, const char *line, const char *separator)
{
  guint n = (guint) g_rand_int_range (rand, 1, 7);
  int odds = g_rand_int_range (rand, 0, 3) * 5;

  for (guint i = 0; i < n; i++)
    {
      append_variant (out, rand, line, odds);
      g_string_append (out, separator);
    }
}

/* Returns: (transfer full): a longer answer, which need not make sense */
static char *
make_variant (GRand *rand, JsonObject *answer)
{
  g_autoptr (GList) names = json_object_get_members (answer);
  JsonNode *node = json_object_get_member (answer, names->data);
  GString *text = g_string_new (NULL);
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  gboolean is_sse = strcmp (names->data, "sse") == 0;
  gboolean is_array = strcmp (names->data, "array") == 0;

  if (is_array)
    g_string_append (text, "[\n");
  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++)
    {
      g_autofree char *json = NULL;

      if (is_sse)
        {
          g_autoptr (GString) event = g_string_new (NULL);

          append_event (event, json_array_get_element (array, i));
          append_variants (text, rand, event->str, "");
          continue;
        }
      json = json_to_string (json_array_get_element (array, i), is_array);
      append_variants (text, rand, json, is_array ? "\n,\r\n" : "\n");
    }
  if (is_array)
    g_string_append (text, "{}]");
  return g_string_free (text, FALSE);
}

/* Makes the call with the answer in pieces of random lengths. */
static void
make_call_of_pieces (Fixture *fixture, JsonObject *sample, const char *answer, GRand *rand)
{
  g_autoptr (LsobsModelCall) call = start_call (fixture, sample);
  gsize len = strlen (answer);
  gsize n;

  for (gsize i = 0; i < len; i += n)
    {
      n = (gsize) g_rand_int_range (rand, 1, 2000);
      n = MIN (n, len - i);
      feed (call, answer + i, n);
    }
  lsobs_model_call_finish (call, (guint) json_object_get_int_member (sample, "status"));
}

/* Many events, which are alike or almost: what comes in one piece, and is not parsed if it has the
 * shape of the event before, becomes the same run as what comes byte by byte, where each event is
 * parsed. */
static void
test_shapes (Fixture *fixture, gconstpointer data)
{
  JsonObject *sample = get_sample (GPOINTER_TO_UINT (data));
  guint32 seed = g_test_rand_int ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  for (guint i = 0; i < (test_is_instrumented () ? N_VARIANTS / 8 : N_VARIANTS); i++)
    {
      g_autofree char *answer =
          make_variant (rand, json_object_get_object_member (sample, "answer"));
      g_autoptr (GPtrArray) events = NULL;
      g_autofree char *whole = NULL;

      if (*answer == '\0')
        return;
      make_call_of_bytes (fixture, sample, answer);
      make_call (fixture, sample, answer, strlen (answer));
      make_call_of_pieces (fixture, sample, answer, rand);
      g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
      events = lsobs_memory_transport_dup_events (fixture->memory);
      g_assert_cmpuint (events->len, ==, 3);
      whole = describe_as_text (g_ptr_array_index (events, 0));
      for (guint j = 1; j < events->len; j++)
        {
          g_autofree char *text = describe_as_text (g_ptr_array_index (events, j));

          if (!g_str_equal (text, whole))
            {
              g_autofree char *escaped = g_strescape (answer, "\n\"");

              g_test_message ("seed %u, variant %u:\n%s", seed, i, escaped);
            }
          g_assert_cmpstr (text, ==, whole);
        }
      lsobs_memory_transport_clear (fixture->memory);
    }
}

/* Answers in which an event that is skipped would count for something else. */
static const struct
{
  const char *name;
  const char *url;
  const char *answer;
} traps[] = {
/* What follows the data has a brace, and numbers that vary. */
#define TRAP(c, n) \
 "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" c "\"}}]}\n: {\"n\":" n "}\n\n"
  { "comment", "https://api.openai.com/v1/chat/completions",
    TRAP ("a", "0") TRAP ("b", "1") TRAP ("c", "2") TRAP ("d", "3")
        TRAP ("e", "4") "data: [DONE]\n\n" },
#undef TRAP
/* An index whose name is escaped. */
#define TRAP(c, n) \
 "data: {\"choices\":[{\"ind\\u0065x\":" n ",\"delta\":{\"content\":\"" c "\"}}]}\n\n"
  { "escaped-index", "https://api.openai.com/v1/chat/completions",
    TRAP ("a", "0") TRAP ("b", "1") TRAP ("c", "0") TRAP ("d", "1") TRAP ("e", "0")
        TRAP ("f", "1") "data: [DONE]\n\n" },
#undef TRAP
/* An empty string, which replaces nothing. */
#define TRAP(c, t) "{\"created_at\":\"" t "\",\"message\":{\"content\":\"" c "\"},\"done\":false}\n"
  { "empty-time", "http://localhost:11434/api/chat",
    TRAP ("a", "1") TRAP ("b", "2") TRAP ("c", "3") TRAP ("d", "4")
        TRAP ("e", "") "{\"done\":true}\n" },
#undef TRAP
};

static void
test_traps (Fixture *fixture, gconstpointer data)
{
  guint n = GPOINTER_TO_UINT (data);
  const char *answer = traps[n].answer;
  g_autoptr (GPtrArray) events = NULL;
  g_autofree char *whole = NULL;
  g_autofree char *cut = NULL;

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (LsobsModelCall) call =
          lsobs_model_call_new (fixture->observer, NULL, traps[n].url, NULL);
      gsize len = strlen (answer);
      gsize step = i == 0 ? len : 1;

      for (gsize done = 0; done < len; done += step)
        feed (call, answer + done, step);
      lsobs_model_call_finish (call, 200);
    }
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  events = lsobs_memory_transport_dup_events (fixture->memory);
  g_assert_cmpuint (events->len, ==, 2);
  whole = describe_as_text (g_ptr_array_index (events, 0));
  cut = describe_as_text (g_ptr_array_index (events, 1));
  g_assert_cmpstr (whole, ==, cut);
}

/* --- how calls end --- */

#define CHAT_URL "https://api.openai.com/v1/chat/completions"
#define CHAT_REQUEST \
 "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," \
 "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
#define CHAT_PIECE \
 "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"so far\"}}]}\n\n"
#define CHAT_OUTPUTS \
 "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"so far\",\"role\":\"assistant\"}}]}"

static LsobsModelCall *
start_chat (Fixture *fixture, LsobsRun *parent)
{
  g_autoptr (GBytes) body = g_bytes_new_static (CHAT_REQUEST, strlen (CHAT_REQUEST));

  return lsobs_model_call_new (fixture->observer, parent, CHAT_URL, body);
}

static void
feed_text (LsobsModelCall *call, const char *text)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static (text, strlen (text));

  lsobs_model_call_feed_bytes (call, bytes);
}

/* Returns: (transfer full): what the one run has */
static JsonObject *
finish_one (Fixture *fixture)
{
  g_autoptr (GPtrArray) events = NULL;

  test_assert_flush (fixture->exporter, 1);
  events = lsobs_memory_transport_dup_events (fixture->memory);
  g_assert_cmpuint (events->len, ==, 1);
  return describe (g_ptr_array_index (events, 0));
}

static void
assert_member (JsonObject *run, const char *name, const char *expected)
{
  g_autofree char *text = to_text (json_object_get_member (run, name));

  g_assert_cmpstr (text, ==, expected);
}

static void
assert_metadata (JsonObject *run, const char *name, const char *expected)
{
  g_autofree char *text =
      to_text (json_object_get_member (json_object_get_object_member (run, "metadata"), name));

  g_assert_cmpstr (text, ==, expected);
}

static void
test_cancelled (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
  g_autoptr (GError) error =
      g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "Vorgang wurde abgebrochen");
  g_autoptr (JsonObject) run = NULL;

  feed_text (call, CHAT_PIECE);
  lsobs_model_call_fail (call, 200, error);
  lsobs_model_call_finish (call, 500);
  run = finish_one (fixture);
  assert_member (run, "error", "\"Cancelled\"");
  assert_member (run, "outputs", CHAT_OUTPUTS);
  assert_metadata (run, "cancelled", "true");
}

static void
test_broken (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
  g_autoptr (GError) error =
      g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "Connection reset");
  g_autoptr (JsonObject) run = NULL;

  feed_text (call, CHAT_PIECE);
  lsobs_model_call_fail (call, 200, error);
  run = finish_one (fixture);
  assert_member (run, "error", "\"Connection reset\"");
  assert_member (run, "outputs", CHAT_OUTPUTS);
}

/* A connection that ends badly after the answer has come to its end changes nothing. */
static void
test_broken_late (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
  g_autoptr (GError) error =
      g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "Connection reset");
  g_autoptr (JsonObject) run = NULL;

  feed_text (call, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"all\"},"
                   "\"finish_reason\":\"stop\"}]}\n\n");
  lsobs_model_call_fail (call, 200, error);
  run = finish_one (fixture);
  assert_member (run, "error", "{}");
}

/* A stream of chunks without the frame of server-sent events. */
static void
test_chunk_lines (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
  g_autoptr (JsonObject) run = NULL;

  feed_text (
      call,
      "{\"choices\":[],\"prompt_filter_results\":[]}\n"
      "{\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":"
      "{\"content\":\"a\"}}]}\n"
      "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}]}\n"
      "{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}\n"
      "{\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n");
  lsobs_model_call_finish (call, 200);
  run = finish_one (fixture);
  assert_member (run, "error", "{}");
  assert_member (run, "events", "[\"new_token\"]");
  assert_member (run, "outputs",
                 "{\"choices\":[{\"finish_reason\":\"stop\",\"index\":0,\"message\":{\"content\":"
                 "\"ab\"}}],\"object\":\"chat.completion\",\"usage\":{\"completion_tokens\":2,"
                 "\"prompt_tokens\":1}}");
}

/* An answer without choices is whole. */
static void
test_no_choices (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
  g_autoptr (JsonObject) run = NULL;

  feed_text (call, "{\"choices\":[],\"usage\":{}}");
  lsobs_model_call_finish (call, 200);
  run = finish_one (fixture);
  assert_member (run, "error", "{}");
  assert_member (run, "outputs", "{\"choices\":[],\"usage\":{}}");
}

/* White space beside the mark at the end of a stream. */
static void
test_end_mark_space (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
  g_autoptr (JsonObject) run = NULL;

  feed_text (call, CHAT_PIECE "data:  [DONE] \r\n\r\n");
  run = finish_one (fixture);
  assert_member (run, "error", "{}");
}

/* The parts of a result that comes whole stay apart, and what comes in pieces is appended. */
static void
test_whole_lists (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call =
      lsobs_model_call_new (fixture->observer, NULL, "https://api.anthropic.com/v1/messages", NULL);
  g_autoptr (JsonObject) run = NULL;

  feed_text (call,
             "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"content\":["
             "{\"type\":\"text\",\"text\":\"A\"},{\"type\":\"text\",\"text\":\"B\"}],"
             "\"citations\":[1],\"empty\":[]}}\n\n"
             "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"citation\":2}}\n\n"
             "data: {\"type\":\"message_stop\"}\n\n");
  run = finish_one (fixture);
  assert_member (
      run, "outputs",
      "{\"content\":[{\"citations\":[1,2],\"content\":[{\"text\":\"A\",\"type\":\"text\"},"
      "{\"text\":\"B\",\"type\":\"text\"}],\"empty\":[]}]}");
}

/* The signatures of thoughts, which the next request repeats. */
static void
test_signatures (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char request[] =
      "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"text\":\"x\",\"thoughtSignature\":\"s0\"},"
      "{\"functionCall\":{\"name\":\"f\"},\"thought_signature\":\"s1\"}]}]}";
  g_autoptr (GBytes) body = g_bytes_new_static (request, strlen (request));
  g_autoptr (LsobsModelCall) call =
      lsobs_model_call_new (fixture->observer, NULL,
                            "https://h.example/v1/models/m:generateContent", body);
  g_autoptr (JsonObject) run = NULL;

  feed_text (
      call,
      "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"y\",\"thoughtSignature\":\"s2\"},"
      "{\"functionCall\":{\"name\":\"g\"},\"thoughtSignature\":\"s3\"}]},"
      "\"finishReason\":\"STOP\"}]}");
  lsobs_model_call_finish (call, 200);
  run = finish_one (fixture);
  assert_member (
      run, "inputs",
      "{\"messages\":[{\"content\":[{\"text\":\"x\",\"thoughtSignature\":\"s0\",\"type\":"
      "\"text\"}],\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"arguments\":\"{}\","
      "\"name\":\"f\"},\"id\":\"call_0\",\"thoughtSignature\":\"s1\",\"type\":\"function\"}]}]}");
  assert_member (
      run, "outputs",
      "{\"choices\":[{\"finish_reason\":\"STOP\",\"index\":0,\"message\":{\"content\":\"y\","
      "\"role\":\"assistant\",\"thoughtSignature\":\"s2\",\"tool_calls\":[{\"function\":"
      "{\"arguments\":\"{}\",\"name\":\"g\"},\"id\":\"call_0\",\"thoughtSignature\":\"s3\","
      "\"type\":\"function\"}]}}]}");
}

/* The mark at the end of a stream ends the run. */
static void
test_end_mark (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
  LsobsRun *run = lsobs_model_call_get_run (call);

  feed_text (call, CHAT_PIECE);
  g_assert_cmpint (lsobs_run_get_status (run), ==, LSOBS_RUN_STATUS_RUNNING);
  feed_text (call, "data: [DONE]\n\n");
  g_assert_cmpint (lsobs_run_get_status (run), ==, LSOBS_RUN_STATUS_COMPLETED);
  feed_text (call, CHAT_PIECE);
  g_clear_object (&call);
  test_assert_flush (fixture->exporter, 1);
}

/* What comes after the mark is ignored, also if it has the shape of what was before, and comes in the
 * same piece. */
static void
test_after_end_mark (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
  g_autoptr (JsonObject) run = NULL;

  feed_text (call, CHAT_PIECE CHAT_PIECE CHAT_PIECE CHAT_PIECE "data: [DONE]\n\n" CHAT_PIECE);
  run = finish_one (fixture);
  assert_member (run, "outputs",
                 "{\"choices\":[{\"index\":0,\"message\":{\"content\":"
                 "\"so farso farso farso far\",\"role\":\"assistant\"}}]}");
}

/* Answers to requests that look like those of a known format, from services that have another one. */
static const struct
{
  const char *url;
  const char *request;
  const char *answer;
} guesses[] = {
  { "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/invoke-with-response-stream",
    "{\"anthropic_version\":\"bedrock-2023-05-31\",\"messages\":[]}",
    "\x01\x02{\"bytes\":\"e30=\"}" },
  { "https://api.cohere.com/v2/chat", "{\"model\":\"c\",\"messages\":[],\"stream\":true}",
    "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"X\"}}\n\n" },
};

static void
test_guess (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  for (guint i = 0; i < 2 * G_N_ELEMENTS (guesses); i++)
    {
      const char *request = guesses[i / 2].request;
      gboolean is_whole = i % 2 == 0;
      g_autoptr (GBytes) body = g_bytes_new_static (request, strlen (request));
      g_autoptr (LsobsModelCall) call =
          lsobs_model_call_new (fixture->observer, NULL, guesses[i / 2].url, body);
      g_autoptr (JsonObject) run = NULL;

      feed_text (call, guesses[i / 2].answer);
      if (is_whole)
        lsobs_model_call_finish (call, 200);
      g_clear_object (&call);
      run = finish_one (fixture);
      assert_member (run, "error", is_whole ? "{}" : "\"Incomplete answer\"");
      g_assert_true (json_object_has_member (run, "outputs"));
      lsobs_memory_transport_clear (fixture->memory);
    }
}

static void
test_let_go (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsModelCall *call = start_chat (fixture, NULL);
  g_autoptr (JsonObject) run = NULL;

  feed_text (call, CHAT_PIECE);
  g_object_unref (call);
  run = finish_one (fixture);
  assert_member (run, "error", "\"Incomplete answer\"");
  assert_member (run, "outputs", CHAT_OUTPUTS);
}

/* An answer of no known format has no end mark: only the end of the body tells. */
static void
test_unknown_let_go (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsModelCall *call =
      lsobs_model_call_new (fixture->observer, NULL, "https://example.org/v2/infer", NULL);
  g_autoptr (JsonObject) run = NULL;

  feed_text (call, "{\"y\":1}");
  g_object_unref (call);
  run = finish_one (fixture);
  assert_member (run, "error", "\"Incomplete answer\"");
  assert_member (run, "outputs", "{\"y\":1}");
}

/* What was too long does not make an answer complete that nobody has read to its end. */
static void
test_cut_let_go (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsModelCall *call = start_chat (fixture, NULL);
  g_autofree char *text = g_strnfill (17 * 1024 * 1024, 'x');
  g_autoptr (JsonObject) run = NULL;

  feed_text (call, CHAT_PIECE "data: ");
  feed_text (call, text);
  feed_text (call, "\n\n");
  g_object_unref (call);
  run = finish_one (fixture);
  assert_member (run, "error", "\"Incomplete answer\"");
  assert_member (run, "outputs", CHAT_OUTPUTS);
}

/* A stream that says what is wrong, and is marked as ended, still has a status. */
static void
test_refused_stream (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
  g_autoptr (JsonObject) run = NULL;

  feed_text (call, "data: {\"error\":{\"message\":\"Too long\"}}\n\ndata: [DONE]\n\n");
  lsobs_model_call_finish (call, 400);
  run = finish_one (fixture);
  assert_member (run, "error", "\"HTTP 400: Too long\"");
  assert_metadata (run, "http_status", "400");
}

/* Nothing has come, not even a status. */
static void
test_unreachable (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
  g_autoptr (GError) error =
      g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED, "Connection refused");
  g_autoptr (JsonObject) run = NULL;

  lsobs_model_call_fail (call, 0, error);
  run = finish_one (fixture);
  assert_member (run, "error", "\"Connection refused\"");
  assert_member (run, "outputs", "{}");
}

static void
test_request_id (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
  g_autoptr (JsonObject) run = NULL;

  lsobs_model_call_set_request_id (call, "req-1");
  feed_text (call, CHAT_PIECE "data: [DONE]\n\n");
  lsobs_model_call_set_request_id (call, "req-2");
  run = finish_one (fixture);
  assert_metadata (run, "request_id", "\"req-1\"");
}

/* --- errors of the service --- */

/* How services say in a stream with a good status that something is wrong. */
static const struct
{
  const char *name;
  const char *answer;
  const char *error;
  const char *type; /* (nullable) */
} errors[] = {
  { "object",
    CHAT_PIECE
    "data: {\"object\":\"error\",\"message\":\"KV cache full\",\"type\":\"BadRequestError\","
    "\"code\":400}\n\ndata: [DONE]\n\n",
    "\"KV cache full\"", "\"BadRequestError\"" },
  { "type", CHAT_PIECE "data: {\"type\":\"error\",\"message\":\"Full\",\"code\":\"E\"}\n\n",
    "\"Full\"", "\"E\"" },
  { "name", CHAT_PIECE "event: error\ndata: {\"message\":\"Full\"}\n\ndata: [DONE]\n\n", "\"Full\"",
    NULL },
  { "name-behind", CHAT_PIECE "data: {\"message\":\"Full\"}\nevent: error\n\n", "\"Full\"", NULL },
  { "name-of-text", CHAT_PIECE "event:error\ndata: Out of \xff memory\n\n",
    "\"Out of \xef\xbf\xbd memory\"", NULL },
  { "name-alone", CHAT_PIECE "event: error\ndata: {\"code\":5}\n\n", "\"Unknown error\"", NULL },
  { "name-of-shape", CHAT_PIECE CHAT_PIECE CHAT_PIECE "event: error\n" CHAT_PIECE,
    "\"Unknown error\"", NULL },
  { "other-name", CHAT_PIECE "event: errors\ndata: {\"message\":\"Fine\"}\n\ndata: [DONE]\n\n",
    "{}", NULL },
  { "plain", "{\"object\":\"error\",\"message\":\"Full\",\"code\":400}", "\"Full\"", NULL },
};

static void
test_errors (Fixture *fixture, gconstpointer data)
{
  guint n = GPOINTER_TO_UINT (data);
  gsize len = strlen (errors[n].answer);

  for (gsize step = len; step > 0; step /= 2)
    {
      g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
      g_autoptr (JsonObject) run = NULL;

      for (gsize done = 0; done < len; done += step)
        feed (call, errors[n].answer + done, MIN (step, len - done));
      lsobs_model_call_finish (call, 200);
      run = finish_one (fixture);
      assert_member (run, "error", errors[n].error);
      assert_metadata (run, "error_type", errors[n].type != NULL ? errors[n].type : "{}");
      lsobs_memory_transport_clear (fixture->memory);
    }
}

/* --- secrets --- */

#define SECRET "https://u:" TELLTALE "@example.org/a?k=" TELLTALE

/* Where a secret may be, in a request, an answer, or an error. */
static const struct
{
  const char *name;
  const char *url;
  const char *request; /* (nullable) */
  const char *answer;
  const char *error; /* (nullable) */
  const char *right; /* that the run has */
} secrets[] = {
  { "google-tools", "https://generativelanguage.googleapis.com/v1/models/m:generateContent",
    "{\"contents\":[],\"tools\":[{\"mcpServers\":[{\"streamableHttpTransport\":{\"headers\":"
    "{\"X-A\":\"" TELLTALE "\"},\"url\":\"" SECRET "\"}}]},{\"retrieval\":{\"externalApi\":"
    "{\"endpoint\":\"example.org?k=" TELLTALE "\",\"apiAuth\":{\"apiKeyConfig\":"
    "{\"apiKeyString\":\"" TELLTALE "\"}}}}}]}",
    "", NULL, "\"streamableHttpTransport\":{\"headers\":\"[REDACTED]\"" },
  { "tool-list", "https://api.openai.com/v1/responses",
    "{\"input\":\"x\",\"tools\":[{\"type\":\"x\",\"command\":[{\"api_key\":[\"" TELLTALE
    "\"]},\"" SECRET "\",\"https:\\/\\/u:" TELLTALE "@h\"]}]}",
    "", NULL, "\"https://h\"" },
  { "schema", CHAT_URL,
    "{\"messages\":[],\"tools\":[{\"function\":{\"parameters\":{\"properties\":{\"token\":"
    "{\"type\":\"string\"},\"headers\":{\"X-A\":\"" TELLTALE "\"},\"secret\":\"" TELLTALE
    "\"}}}}]}",
    "", NULL, "\"token\":{\"type\":\"string\"}" },
  { "metadata", CHAT_URL,
    "{\"messages\":[],\"metadata\":{\"a\":{\"token\":\"" TELLTALE "\",\"b\":[{\"password\":"
    "{\"c\":\"" TELLTALE "\"}}],\"d\":1}}}",
    "", NULL, "\"d\":1" },
  { "params", CHAT_URL,
    "{\"messages\":[],\"tool_choice\":{\"headers\":{\"a\":\"" TELLTALE "\"},\"type\":\"mcp\"}}", "",
    NULL, "\"type\":\"mcp\"" },
  { "unknown", "https://example.org/v2/infer",
    "{\"api_key\":\"" TELLTALE "\",\"headers\":{\"Authorization\":\"" TELLTALE "\"},"
    "\"api\\u005fkey\":\"" TELLTALE "\",\"x\":[1,{\"secret\":[\"" TELLTALE "\"],\"y\":2}]}",
    "", NULL, "\"y\":2" },
  { "unknown-array", "https://example.org/v2/infer", "[{\"api_key\":\"" TELLTALE "\",\"y\":2}]", "",
    NULL, "\"y\":2" },
  { "broken-answer", "https://api.openai.com/v1/responses", NULL,
    "{\"id\":\"r\",\"tools\":[{\"server_url\":\"" SECRET "\",\"headers\":{\"X-A\":\"" TELLTALE
    "\"},\"authorization\":\"" TELLTALE,
    NULL, "\\\"id\\\":\\\"r\\\"" },
  { "broken-stream", "https://api.openai.com/v1/responses", NULL,
    "event: x\ndata: {\"tools\":[{\"server_url\":\"" SECRET, NULL, "https://example.org/a" },
  { "broken-page", "https://api.openai.com/v1/responses", NULL,
    "He said \"no\n{\"api_key\":\"" TELLTALE "\"}", NULL, "He said" },
  { "repeated-request", CHAT_URL, NULL,
    "{\"detail\":[{\"msg\":\"m\",\"input\":{\"api_key\":\"" TELLTALE "\",\"n\":[\"See " SECRET
    " and \\u0068ttps:\\/\\/" TELLTALE "@h\"]}}]}",
    NULL, "\"n\":[\"See https://example.org/a and https://h\"]" },
  { "repeated-metadata", "https://api.openai.com/v1/responses", NULL,
    "{\"metadata\":{\"api_key\":\"" TELLTALE "\"},\"output\":[{\"key\":\"kept\"}]}", NULL,
    "\"kept\"" },
  { "error", CHAT_URL, NULL, "",
    "No way to " SECRET " (x-y://" TELLTALE "@h#" TELLTALE " or <" SECRET ">)",
    "\"No way to https://example.org/a (x-y://h or <https://example.org/a>)\"" },
  { "error-behind-a-digit", CHAT_URL, NULL, "", "Line 2https://u:" TELLTALE "@h of 3",
    "\"Line 2https://h of 3\"" },
  { "error-of-service", CHAT_URL, NULL,
    "{\"error\":{\"message\":\"Cannot load " SECRET ", sorry\"}}", NULL,
    "\"Cannot load https://example.org/a sorry\"" },
};

static void
test_secrets (Fixture *fixture, gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  const char *request = secrets[i].request;
  g_autoptr (GBytes) body = request != NULL ? g_bytes_new_static (request, strlen (request)) : NULL;
  g_autoptr (LsobsModelCall) call =
      lsobs_model_call_new (fixture->observer, NULL, secrets[i].url, body);
  g_autoptr (GPtrArray) events = NULL;
  g_autofree char *run = NULL;

  feed_text (call, secrets[i].answer);
  if (secrets[i].error != NULL)
    {
      g_autoptr (GError) error =
          g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, secrets[i].error);

      lsobs_model_call_fail (call, 0, error);
    }
  lsobs_model_call_finish (call, 200);
  test_assert_flush (fixture->exporter, 1);
  events = lsobs_memory_transport_dup_events (fixture->memory);
  run = describe_as_text (g_ptr_array_index (events, 0));
  g_test_message ("%s", run);
  g_assert_null (strstr (run, TELLTALE));
  g_assert_nonnull (strstr (run, secrets[i].right));
}

/* --- the parent --- */

static void
assert_parent (LsobsModelCall *call, LsobsRun *parent)
{
  g_autofree char *id = lsobs_run_dup_id (parent);
  g_autofree char *parent_id = lsobs_run_dup_parent_id (lsobs_model_call_get_run (call));

  g_assert_cmpstr (parent_id, ==, id);
}

static void
test_parent (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) parent =
      lsobs_observer_start_run (fixture->observer, "parent", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autoptr (LsobsRun) other =
      lsobs_observer_start_run (fixture->observer, "other", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autoptr (LsobsModelCall) child = NULL;
  g_autoptr (LsobsModelCall) nested = NULL;
  g_autoptr (LsobsModelCall) root = start_chat (fixture, NULL);

  g_assert_null (lsobs_run_dup_parent_id (lsobs_model_call_get_run (root)));
  lsobs_run_push_thread_default (other);
  child = start_chat (fixture, parent);
  nested = start_chat (fixture, NULL);
  lsobs_run_pop_thread_default (other);
  assert_parent (child, parent);
  assert_parent (nested, other);
  lsobs_run_end (parent, NULL);
  lsobs_run_end (other, NULL);
  g_clear_object (&child);
  g_clear_object (&nested);
  g_clear_object (&root);
  test_assert_flush (fixture->exporter, 5);
}

/* Below a run that is not sampled, nothing is parsed or sent. */
static void
test_unsampled (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, TEST_PROJECT);
  g_autoptr (LsobsMemoryTransport) memory = lsobs_memory_transport_new ();
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (LsobsRun) parent = NULL;
  Fixture fixture = { .config = config, .memory = memory };

  lsobs_config_set_sampling_rate (config, 0.0);
  observer = lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (memory), NULL);
  g_assert_nonnull (observer);
  fixture.observer = observer;
  parent = lsobs_observer_start_run (observer, "parent", LSOBS_RUN_TYPE_CHAIN, NULL);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (LsobsModelCall) call = start_chat (&fixture, i == 0 ? NULL : parent);
      LsobsRun *run = lsobs_model_call_get_run (call);

      feed_text (call, CHAT_PIECE);
      lsobs_model_call_finish (call, i == 0 ? 200 : 500);
      g_assert_cmpint (lsobs_run_get_status (run), ==,
                       i == 0 ? LSOBS_RUN_STATUS_COMPLETED : LSOBS_RUN_STATUS_FAILED);
    }
  test_assert_flush (lsobs_observer_get_exporter (observer), 0);
  test_shut_down (lsobs_observer_get_exporter (observer), TEST_TIMEOUT_MS);
}

/* --- limits --- */

/* What is beyond the limit is counted. */
static void
test_cut (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
  g_autofree char *long_text = g_strnfill (1024 * 1024, 'x');
  g_autofree char *piece =
      g_strdup_printf ("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n",
                       long_text);
  g_autoptr (JsonObject) run = NULL;
  JsonObject *metadata;

  for (guint i = 0; i < 20; i++)
    feed_text (call, piece);
  feed_text (call, "data: [DONE]\n\n");
  run = finish_one (fixture);
  metadata = json_object_get_object_member (run, "metadata");
  g_assert_cmpint (json_object_get_int_member (metadata, "lsobs_cut_bytes"), >=, 4 * 1024 * 1024);
  g_assert_cmpint (json_object_get_int_member (metadata, "lsobs_cut_bytes"), <, 5 * 1024 * 1024);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_CUT_PAYLOADS), ==, 1);
  assert_member (run, "error", "{}");
}

/* An event with an empty string comes when the text that grows, a new one, cannot. */
static void
test_cut_empty (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
  g_autofree char *long_text = g_strnfill (1024 * 1024, 'x');
  g_autofree char *frame = g_strdup_printf ("data: {\"choices\":[],\"z\":\"%s\"}\n\n", long_text);
  g_autofree char *piece =
      g_strdup_printf ("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n",
                       long_text);
  g_autoptr (JsonObject) run = NULL;

  feed_text (call, frame);
  for (guint i = 0; i < 17; i++)
    feed_text (call, piece);
  feed_text (call, "data: {\"choices\":[],\"z\":\"short\"}\n\n");
  for (guint i = 0; i < 3; i++)
    feed_text (call, "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"y\"},"
                     "\"x\":\"\"}]}\n\n");
  feed_text (call, "data: [DONE]\n\n");
  run = finish_one (fixture);
  assert_member (run, "error", "{}");
}

/* --- vectors --- */

#define N_VECTORS  900
#define N_NUMBERS  1536
#define BASE64_LEN (N_NUMBERS * 4 * 4 / 3)

/* Returns: (transfer full): an answer with many vectors, of more than is kept of an answer */
static GString *
make_vectors (gboolean is_base64)
{
  GString *answer = g_string_new ("{\"object\":\"list\",\"data\":[");
  g_autofree char *base64 = g_strnfill (BASE64_LEN, 'A');

  for (guint i = 0; i < N_VECTORS * (is_base64 ? 3 : 1); i++)
    {
      g_string_append_printf (answer, "%s{\"index\":%u,\"embedding\":", i > 0 ? "," : "", i);
      if (is_base64)
        g_string_append_printf (answer, "\"%s\"", base64);
      for (guint j = 0; !is_base64 && j < N_NUMBERS; j++)
        g_string_append (answer, j == 0 ? "[0.0123456789" : ", -.0123456789");
      g_string_append (answer, is_base64 ? "}" : "]}");
    }
  g_string_append (answer, "],\"model\":\"e\",\"usage\":{\"prompt_tokens\":7,\"total_tokens\":7}}");
  return answer;
}

/* Vectors are counted, however long they are, and never sent. */
static void
test_vectors (Fixture *fixture, gconstpointer data)
{
  gboolean is_base64 = GPOINTER_TO_INT (data);
  g_autoptr (LsobsModelCall) call =
      lsobs_model_call_new (fixture->observer, NULL, "https://api.openai.com/v1/embeddings", NULL);
  GString *answer = make_vectors (is_base64);
  const gsize step = 10007;
  g_autoptr (JsonObject) run = NULL;

  g_assert_cmpuint (answer->len, >, 16 * 1024 * 1024);
  for (gsize done = 0; done < answer->len; done += step)
    feed (call, answer->str + done, MIN (step, answer->len - done));
  g_string_free (answer, TRUE);
  lsobs_model_call_finish (call, 200);
  run = finish_one (fixture);
  assert_member (run, "error", "{}");
  assert_member (run, "outputs",
                 is_base64 ? "{\"model\":\"e\",\"n_dimensions\":1536,\"n_vectors\":2700}"
                           : "{\"model\":\"e\",\"n_dimensions\":1536,\"n_vectors\":900}");
  assert_metadata (run, "usage_metadata", "{\"input_tokens\":7,\"total_tokens\":7}");
  assert_metadata (run, "lsobs_cut_bytes", "{}");
}

/* Other answers of services that make vectors. */
static const struct
{
  const char *answer;
  const char *outputs;
} other_vectors[] = {
  { "{\"data\":[{\"embedding\":[1,2", "{\"value\":\"{\\\"data\\\":[{\\\"embedding\\\":\"}" },
  { "{\"float\":[[1,2],[3]],\"names\":[1,\"a\",[],{}]}",
    "{\"float\":[{\"lsobs_length\":2},{\"lsobs_length\":1}],\"names\":[\"a\",[],{}]}" },
  { "<a b=\"[1,2]\">[1]", "{\"value\":\"<a b=\\\"[1,2]\\\">[1]\"}" },
  { "{\"embeddings\":[]}", "{\"n_vectors\":0}" },
  { "{\"embeddings\":[[null, 1e-3\n,NaN ]]}", "{\"n_dimensions\":3,\"n_vectors\":1}" },
  { "{\"embedding\":[]}", "{\"n_dimensions\":0,\"n_vectors\":1}" },
};

static void
test_other_vectors (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  for (guint i = 0; i < 2 * G_N_ELEMENTS (other_vectors); i++)
    {
      g_autoptr (LsobsModelCall) call =
          lsobs_model_call_new (fixture->observer, NULL, "http://localhost:11434/api/embed", NULL);
      const char *answer = other_vectors[i / 2].answer;
      gsize step = i % 2 == 0 ? strlen (answer) : 1;
      g_autoptr (JsonObject) run = NULL;

      for (gsize done = 0; done < strlen (answer); done += step)
        feed (call, answer + done, step);
      lsobs_model_call_finish (call, 200);
      run = finish_one (fixture);
      assert_member (run, "outputs", other_vectors[i / 2].outputs);
      lsobs_memory_transport_clear (fixture->memory);
    }
}

/* A long message of an error is no vector. */
static void
test_vector_error (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call =
      lsobs_model_call_new (fixture->observer, NULL, "https://api.openai.com/v1/embeddings", NULL);
  g_autofree char *text = g_strnfill (2000, 'x');
  g_autofree char *answer = g_strdup_printf ("{\"error\":{\"message\":\"Too %s\"}}", text);
  g_autofree char *right = g_strdup_printf ("\"HTTP 400: Too %s\"", text);
  g_autoptr (JsonObject) run = NULL;

  feed_text (call, answer);
  lsobs_model_call_finish (call, 400);
  run = finish_one (fixture);
  assert_member (run, "error", right);
}

/* --- more limits --- */

/* Returns: (transfer full): an event with a list */
static char *
make_list_event (const char *element, guint n)
{
  GString *text = g_string_new ("data: {\"choices\":[],\"x\":[0");

  for (guint i = 0; i < n; i++)
    {
      g_string_append_c (text, ',');
      g_string_append (text, element);
    }
  g_string_append (text, "]}\n\n");
  return g_string_free (text, FALSE);
}

/* An event of so many values that its nodes would take very much memory is left out, in the same way
 * as one that is long. */
static void
test_many_values (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const guint n_values = 300 * 1000;
  const guint n_objects = 1000 * 1000;
  g_autofree char *few = make_list_event ("1", n_values);
  g_autofree char *many = make_list_event ("{}", n_objects);

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
      g_autoptr (JsonObject) run = NULL;
      JsonObject *outputs;

      feed_text (call, CHAT_PIECE);
      feed_text (call, i == 0 ? few : many);
      feed_text (call, "data: [DONE]\n\n");
      run = finish_one (fixture);
      assert_member (run, "error", "{}");
      outputs = json_object_get_object_member (run, "outputs");
      if (i == 0)
        g_assert_cmpuint (json_array_get_length (json_object_get_array_member (outputs, "x")), ==,
                          n_values + 1);
      else
        {
          assert_member (run, "outputs", CHAT_OUTPUTS);
          g_assert_cmpint (json_object_get_int_member (json_object_get_object_member (run,
                                                                                      "metadata"),
                                                       "lsobs_cut_bytes"),
                           >, 3 * n_objects);
        }
      lsobs_memory_transport_clear (fixture->memory);
    }
}

/* An event that was too long does not make a stream complete that lacks its end mark. */
static void
test_cut_incomplete (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
  g_autofree char *text = g_strnfill (17 * 1024 * 1024, 'x');
  g_autoptr (JsonObject) run = NULL;

  feed_text (call, CHAT_PIECE "data: ");
  feed_text (call, text);
  feed_text (call, "\n\n");
  lsobs_model_call_finish (call, 200);
  run = finish_one (fixture);
  assert_member (run, "error", "\"Incomplete answer\"");
  assert_member (run, "outputs", CHAT_OUTPUTS);
}

/* Feeds an event with a text of so many bytes. */
static void
feed_long_text (LsobsModelCall *call, gsize len)
{
  g_autofree char *text = g_strnfill (len, 'x');
  g_autofree char *event =
      g_strdup_printf ("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n",
                       text);

  feed_text (call, event);
}

/* After a gap, no text follows, also if there is room again. */
static void
test_cut_hole (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
  g_autofree char *text = g_strnfill (1024 * 1024, 'y');
  g_autofree char *frame = g_strdup_printf ("data: {\"choices\":[],\"z\":\"%s\"}\n\n", text);
  JsonObject *choice;
  g_autoptr (JsonObject) run = NULL;

  feed_text (call, frame);
  feed_text (call, CHAT_PIECE);
  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *long_text = g_strnfill (8 * 1024 * 1024, 'x');
      g_autofree char *event = g_strdup_printf (
          "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"%s\"}}]}\n\n", long_text);

      feed_text (call, event);
    }
  feed_text (call, "data: {\"choices\":[],\"z\":\"short\"}\n\n" CHAT_PIECE "data: [DONE]\n\n");
  run = finish_one (fixture);
  assert_member (json_object_get_object_member (run, "outputs"), "z", "\"short\"");
  choice = json_array_get_object_element (
      json_object_get_array_member (json_object_get_object_member (run, "outputs"), "choices"), 0);
  assert_member (json_object_get_object_member (choice, "message"), "content", "\"so far\"");
}

/* Without room for its reason, a choice still finishes, and once. */
static void
test_cut_finish (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char request[] = "{\"model\":\"m\",\"messages\":[],\"n\":2}";

  for (guint n_finished = 1; n_finished <= 2; n_finished++)
    {
      g_autoptr (GBytes) body = g_bytes_new_static (request, strlen (request));
      g_autoptr (LsobsModelCall) call =
          lsobs_model_call_new (fixture->observer, NULL, CHAT_URL, body);
      g_autofree char *second =
          g_strdup_printf ("data: {\"choices\":[{\"index\":%u,\"finish_reason\":\"stop\"}]}\n\n",
                           n_finished - 1);
      g_autoptr (JsonObject) run = NULL;

      feed_text (call, "data: {\"choices\":[{\"index\":0},{\"index\":1}]}\n\n");
      feed_long_text (call, 8 * 1024 * 1024);
      feed_long_text (call, 8 * 1024 * 1024);
      feed_text (call, "data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}\n\n");
      feed_text (call, second);
      lsobs_model_call_finish (call, 200);
      run = finish_one (fixture);
      assert_member (run, "error", n_finished == 2 ? "{}" : "\"Incomplete answer\"");
      lsobs_memory_transport_clear (fixture->memory);
    }
}

/* What does not fit is the same, however the answer is cut into pieces. */
static void
test_cut_pieces (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) answer = g_string_new (NULL);
  g_autofree char *text = g_strnfill (100, 'y');
  g_autoptr (GPtrArray) events = NULL;
  g_autofree char *whole = NULL;
  g_autofree char *cut = NULL;

  for (guint i = 0; i < 6000; i++)
    g_string_append_printf (
        answer,
        "data: {\"created\":%u,\"choices\":[{\"index\":0,\"delta\":{\"content\":"
        "\"%s\"},\"finish_reason\":%s}]}\n\n",
        i, text, i < 5900 ? "null" : "\"stop\"");
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
      gsize step = i == 0 ? answer->len : 61;

      feed_long_text (call, 16 * 1024 * 1024 - 400 * 1024);
      for (gsize done = 0; done < answer->len; done += step)
        feed (call, answer->str + done, MIN (step, answer->len - done));
      lsobs_model_call_finish (call, 200);
    }
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  events = lsobs_memory_transport_dup_events (fixture->memory);
  g_assert_cmpuint (events->len, ==, 2);
  whole = describe_as_text (g_ptr_array_index (events, 0));
  cut = describe_as_text (g_ptr_array_index (events, 1));
  g_assert_nonnull (strstr (whole, "lsobs_cut_bytes"));
  g_assert_true (g_str_equal (whole, cut));
}

/* A page of a proxy is cut early. */
static void
test_cut_page (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call = start_chat (fixture, NULL);
  g_autofree char *page = g_strnfill (100 * 1024, '<');
  g_autoptr (JsonObject) run = NULL;

  feed_text (call, page);
  lsobs_model_call_finish (call, 502);
  run = finish_one (fixture);
  assert_metadata (run, "lsobs_cut_bytes", "36864");
  assert_member (run, "error", "\"HTTP 502: Bad Gateway\"");
}

/* What of a request cannot be parsed in reasonable memory cannot be masked either. */
static void
test_cut_request (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gsize len = 64 * 1024 * 1024 + 1;
  g_autoptr (GBytes) body = g_bytes_new_take (g_strnfill (len, ' '), len);
  g_autoptr (LsobsModelCall) call = lsobs_model_call_new (fixture->observer, NULL, CHAT_URL, body);
  g_autoptr (JsonObject) run = NULL;

  feed_text (call, CHAT_PIECE "data: [DONE]\n\n");
  run = finish_one (fixture);
  assert_member (run, "inputs", "{}");
  assert_metadata (run, "lsobs_cut_bytes", "67108865");
}

#define LONG "%0500u"

/* Streams that never stop growing: in one line, one event, one list, one object, one text. */
static const struct
{
  const char *url;
  const char *start;
  const char *piece; /* with two numbers */
} floods[] = {
  { CHAT_URL, "data: ", "%u" LONG "" },
  { CHAT_URL, "data: {}\n", "data: %u" LONG "\n" },
  { CHAT_URL, "{", "\"%u\":[\"" LONG "\"]," },
  { CHAT_URL, "",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"id\":\"%u" LONG
    "\"}]}}]}\n\n" },
  { CHAT_URL, "", "data: {\"choices\":[{\"index\":%u,\"delta\":{\"content\":\"" LONG "\"}}]}\n\n" },
  { CHAT_URL, "", "data: {\"choices\":[{\"index\":0,\"delta\":{\"m%u\":\"" LONG "\"}}]}\n\n" },
  { CHAT_URL, "",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%u" LONG "\"}}]}\n\n" },
  { CHAT_URL, "",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":[{\"type\":\"x\",\"a%u\":\"" LONG
    "\"}]}}]}\n\n" },
  { "https://api.openai.com/v1/responses", "",
    "data: {\"type\":\"response.output_text.delta\",\"output_index\":%u,\"delta\":\"" LONG
    "\"}\n\n" },
  { "https://api.anthropic.com/v1/messages", "",
    "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"citation\":{\"c%u\":\"" LONG
    "\"}}}\n\n" },
  { "http://localhost:11434/api/chat", "",
    "{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"%u" LONG "\"}}]},\"done\":false}\n" },
  { "https://generativelanguage.googleapis.com/v1/models/m:streamGenerateContent", "[",
    "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"%u" LONG
    "\"}}]}}]}," },
  { "https://example.org/", "", "%u" LONG "" },
};

typedef struct
{
  Fixture *fixture;
  guint i; /* in floods */
} Flood;

/* Returns: the CPU time of a call with so many pieces */
static gint64
flood (gpointer data, guint n_pieces)
{
  Flood *self = data;
  gint64 start = cost_now ();
  LsobsModelCall *call =
      lsobs_model_call_new (self->fixture->observer, NULL, floods[self->i].url, NULL);

  feed_text (call, floods[self->i].start);
  for (guint i = 0; i < n_pieces; i++)
    {
      char piece[1024];
      gsize len;

      /* the format is one of those above */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
      len = (gsize) g_snprintf (piece, sizeof piece, floods[self->i].piece, i, i);
#pragma GCC diagnostic pop
      g_assert_cmpuint (len, <, sizeof piece);
      lsobs_model_call_feed (call, (const guint8 *) piece, len);
    }
  g_object_unref (call);
  return cost_now () - start;
}

/* Returns: the size of what the runs that have come out have as outputs */
static gsize
measure_outputs (Fixture *fixture)
{
  g_autoptr (GPtrArray) events = NULL;
  gsize size = 0;

  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  events = lsobs_memory_transport_dup_events (fixture->memory);
  for (guint i = 0; i < events->len; i++)
    {
      JsonNode *outputs = lsobs_run_event_get_outputs (g_ptr_array_index (events, i));
      g_autofree char *text = outputs != NULL ? json_to_string (outputs, FALSE) : NULL;

      size = MAX (size, text != NULL ? strlen (text) : 0);
    }
  lsobs_memory_transport_clear (fixture->memory);
  return size;
}

/* The time is linear in what comes. */
static void
test_linear (Fixture *fixture, gconstpointer data)
{
  Flood self = { fixture, GPOINTER_TO_UINT (data) };

  cost_assert_linear (flood, &self, 2000);
}

/* What is kept is bounded, whatever comes. */
static void
test_bounded (Fixture *fixture, gconstpointer data)
{
  Flood self = { fixture, GPOINTER_TO_UINT (data) };

  flood (&self, 40 * 1000);
  g_assert_cmpuint (measure_outputs (fixture), <=, 17 * 1024 * 1024);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_CUT_PAYLOADS), ==, 1);
}

/* --- providers --- */

static const struct
{
  const char *url;
  const char *provider; /* (nullable) */
} providers[] = {
  { "https://my.openai.azure.com/openai/deployments/d/chat/completions?api-version=1", "azure" },
  { "https://gateway.example/openai/deployments/d/chat/completions", "azure" },
  { "https://openrouter.ai/api/v1/chat/completions", "openrouter" },
  { "https://api.groq.com/openai/v1/chat/completions/", "groq" },
  { "https://api.x.ai/v1/chat/completions", "xai" },
  { "https://max.ai/v1/chat/completions", NULL },
  { "https://API.OPENAI.COM/v1/chat/completions", "openai" },
  { "http://localhost:11434/v1/chat/completions", "ollama" },
  { "http://localhost:1234/v1/chat/completions", NULL },
  { "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/"
    "models/gemini:generateContent",
    "google_vertexai" },
  { "https://proxy.example/v1/messages", "anthropic" },
  { "not a URL", NULL },
  { "", NULL },
};

static void
test_providers (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) events = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (providers); i++)
    g_object_unref (lsobs_model_call_new (fixture->observer, NULL, providers[i].url, NULL));
  test_assert_flush (fixture->exporter, G_N_ELEMENTS (providers));
  events = lsobs_memory_transport_dup_events (fixture->memory);
  for (guint i = 0; i < G_N_ELEMENTS (providers); i++)
    {
      g_autoptr (JsonObject) run = describe (g_ptr_array_index (events, i));
      JsonObject *metadata = json_object_has_member (run, "metadata")
                                 ? json_object_get_object_member (run, "metadata")
                                 : NULL;

      g_assert_cmpstr (metadata != NULL
                           ? json_object_get_string_member_with_default (metadata, "ls_provider",
                                                                         NULL)
                           : NULL,
                       ==, providers[i].provider);
    }
}

/* --- usage --- */

/* What the services of OpenAI's form say of tokens and costs: in a whole answer, and in a chunk. */
static const struct
{
  const char *name;
  const char *url;
  const char *usage;
  const char *chunk; /* (nullable) NULL: "usage", in a chunk without choices */
  const char *right;
} usages[] = {
  { "openai", CHAT_URL,
    "{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15,"
    "\"prompt_tokens_details\":{\"cached_tokens\":4,\"audio_tokens\":0},"
    "\"completion_tokens_details\":{\"reasoning_tokens\":2,\"accepted_prediction_tokens\":0}}",
    NULL,
    "{\"input_token_details\":{\"audio\":0,\"cache_read\":4},\"input_tokens\":10,"
    "\"output_token_details\":{\"reasoning\":2},\"output_tokens\":5,\"total_tokens\":15}" },
  { "azure", "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=1",
    "{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15}", NULL,
    "{\"input_tokens\":10,\"output_tokens\":5,\"total_tokens\":15}" },
  { "openrouter", "https://openrouter.ai/api/v1/chat/completions",
    "{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15,\"cost\":0.25,"
    "\"cost_details\":{\"upstream_inference_cost\":null},"
    "\"prompt_tokens_details\":{\"cached_tokens\":4,\"cache_write_tokens\":1}}",
    NULL,
    "{\"input_token_details\":{\"cache_creation\":1,\"cache_read\":4},\"input_tokens\":10,"
    "\"output_tokens\":5,\"total_cost\":0.25,\"total_tokens\":15}" },
  { "groq", "https://api.groq.com/openai/v1/chat/completions",
    "{\"queue_time\":0.1,\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15}",
    "\"x_groq\":{\"id\":\"q\",\"usage\":%s}",
    "{\"input_tokens\":10,\"output_tokens\":5,\"total_tokens\":15}" },
  { "xai", "https://api.x.ai/v1/chat/completions",
    "{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":35,"
    "\"completion_tokens_details\":{\"reasoning_tokens\":20},\"num_sources_used\":0}",
    NULL,
    "{\"input_tokens\":10,\"output_token_details\":{\"reasoning\":20},\"output_tokens\":25,"
    "\"total_tokens\":35}" },
  { "deepseek", "https://api.deepseek.com/chat/completions",
    "{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15,"
    "\"prompt_cache_hit_tokens\":8,\"prompt_cache_miss_tokens\":2}",
    NULL,
    "{\"input_token_details\":{\"cache_read\":8},\"input_tokens\":10,\"output_tokens\":5,"
    "\"total_tokens\":15}" },
  { "mistral", "https://api.mistral.ai/v1/chat/completions",
    "{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15}", "\"usage\":%s",
    "{\"input_tokens\":10,\"output_tokens\":5,\"total_tokens\":15}" },
  { "vllm", "http://localhost:8000/v1/chat/completions",
    "{\"prompt_tokens\":10,\"total_tokens\":15,\"completion_tokens\":5,"
    "\"prompt_tokens_details\":null}",
    NULL, "{\"input_tokens\":10,\"output_tokens\":5,\"total_tokens\":15}" },
  { "llama.cpp", "http://localhost:8080/v1/chat/completions",
    "{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15}", "\"usage\":%s",
    "{\"input_tokens\":10,\"output_tokens\":5,\"total_tokens\":15}" },
  { "lm-studio", "http://localhost:1234/api/v0/chat/completions",
    "{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15}", NULL,
    "{\"input_tokens\":10,\"output_tokens\":5,\"total_tokens\":15}" },
};

/* Returns: (transfer full): a stream in which the usage is where the service has it */
static char *
make_usage_stream (const char *usage, const char *chunk)
{
  GString *text = g_string_new (CHAT_PIECE);
  g_autoptr (GString) last = g_string_new (chunk != NULL ? chunk : "\"usage\":%s");

  g_string_replace (last, "%s", usage, 1);
  g_string_append (text,
                   "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]");
  g_string_append_printf (text, "%s%s}\n\ndata: [DONE]\n\n",
                          chunk != NULL ? "," : "}\n\ndata: {\"choices\":[],", last->str);
  return g_string_free (text, FALSE);
}

static void
assert_usage (Fixture *fixture, const char *url, const char *answer, const char *right)
{
  g_autoptr (LsobsModelCall) call = lsobs_model_call_new (fixture->observer, NULL, url, NULL);
  g_autoptr (JsonObject) run = NULL;

  feed_text (call, answer);
  lsobs_model_call_finish (call, 200);
  run = finish_one (fixture);
  assert_member (run, "error", "{}");
  assert_metadata (run, "usage_metadata", right);
  lsobs_memory_transport_clear (fixture->memory);
}

static void
test_usage (Fixture *fixture, gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  g_autofree char *stream = make_usage_stream (usages[i].usage, usages[i].chunk);
  g_autofree char *plain = g_strdup_printf (
      "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}],"
      "\"usage\":%s}",
      usages[i].usage);

  assert_usage (fixture, usages[i].url, plain, usages[i].right);
  assert_usage (fixture, usages[i].url, stream, usages[i].right);
}

static void
add_samples (void)
{
  JsonArray *array = json_node_get_array (json_parser_get_root (samples));

  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      g_autofree char *name = g_strdup (json_object_get_string_member (get_sample (i), "name"));
      g_autofree char *path =
          g_strconcat ("/model-call/sample/", g_strdelimit (name, " ", '-'), NULL);

      g_autofree char *shapes = g_strconcat ("/model-call/shapes/", strrchr (path, '/') + 1, NULL);

      g_test_add (path, Fixture, GUINT_TO_POINTER (i), set_up, test_sample, tear_down);
      g_test_add (shapes, Fixture, GUINT_TO_POINTER (i), set_up, test_shapes, tear_down);
    }
}

static void
add (const char *path, void (*func) (Fixture *fixture, gconstpointer data))
{
  g_test_add (path, Fixture, NULL, set_up, func, tear_down);
}

int
main (int argc, char **argv)
{
  g_autoptr (GBytes) text = NULL;
  int result;

  g_test_init (&argc, &argv, NULL);
  text = test_data_load ("model-calls.json");
  samples = json_parser_new ();
  g_assert_true (json_parser_load_from_data (samples, g_bytes_get_data (text, NULL),
                                             (gssize) g_bytes_get_size (text), NULL));
  add_samples ();
  add ("/model-call/cancelled", test_cancelled);
  add ("/model-call/broken", test_broken);
  add ("/model-call/broken-late", test_broken_late);
  add ("/model-call/chunk-lines", test_chunk_lines);
  add ("/model-call/no-choices", test_no_choices);
  add ("/model-call/end-mark", test_end_mark);
  add ("/model-call/end-mark-space", test_end_mark_space);
  add ("/model-call/whole-lists", test_whole_lists);
  add ("/model-call/signatures", test_signatures);
  add ("/model-call/after-end-mark", test_after_end_mark);
  add ("/model-call/guess", test_guess);
  add ("/model-call/let-go", test_let_go);
  add ("/model-call/unknown-let-go", test_unknown_let_go);
  add ("/model-call/cut-let-go", test_cut_let_go);
  add ("/model-call/refused-stream", test_refused_stream);
  add ("/model-call/unreachable", test_unreachable);
  add ("/model-call/request-id", test_request_id);
  for (guint i = 0; i < G_N_ELEMENTS (errors); i++)
    {
      g_autofree char *path = g_strconcat ("/model-call/error/", errors[i].name, NULL);

      g_test_add (path, Fixture, GUINT_TO_POINTER (i), set_up, test_errors, tear_down);
    }
  for (guint i = 0; i < G_N_ELEMENTS (secrets); i++)
    {
      g_autofree char *path = g_strconcat ("/model-call/secret/", secrets[i].name, NULL);

      g_test_add (path, Fixture, GUINT_TO_POINTER (i), set_up, test_secrets, tear_down);
    }
  add ("/model-call/parent", test_parent);
  for (guint i = 0; i < G_N_ELEMENTS (traps); i++)
    {
      g_autofree char *path = g_strconcat ("/model-call/trap/", traps[i].name, NULL);

      g_test_add (path, Fixture, GUINT_TO_POINTER (i), set_up, test_traps, tear_down);
    }
  g_test_add_func ("/model-call/unsampled", test_unsampled);
  add ("/model-call/cut", test_cut);
  add ("/model-call/cut-empty", test_cut_empty);
  g_test_add ("/model-call/vectors/numbers", Fixture, GINT_TO_POINTER (FALSE), set_up, test_vectors,
              tear_down);
  g_test_add ("/model-call/vectors/base64", Fixture, GINT_TO_POINTER (TRUE), set_up, test_vectors,
              tear_down);
  add ("/model-call/vectors/other", test_other_vectors);
  add ("/model-call/vectors/error", test_vector_error);
  add ("/model-call/many-values", test_many_values);
  add ("/model-call/cut-incomplete", test_cut_incomplete);
  add ("/model-call/cut-hole", test_cut_hole);
  add ("/model-call/cut-finish", test_cut_finish);
  add ("/model-call/cut-pieces", test_cut_pieces);
  add ("/model-call/cut-page", test_cut_page);
  add ("/model-call/cut-request", test_cut_request);
  for (guint i = 0; i < G_N_ELEMENTS (floods); i++)
    {
      g_autofree char *linear = g_strdup_printf ("/model-call/linear/%u", i);
      g_autofree char *bounded = g_strdup_printf ("/model-call/bounded/%u", i);

      g_test_add (linear, Fixture, GUINT_TO_POINTER (i), set_up, test_linear, tear_down);
      g_test_add (bounded, Fixture, GUINT_TO_POINTER (i), set_up, test_bounded, tear_down);
    }
  for (guint i = 0; i < G_N_ELEMENTS (usages); i++)
    {
      g_autofree char *path = g_strdup_printf ("/model-call/usage/%s", usages[i].name);

      g_test_add (path, Fixture, GUINT_TO_POINTER (i), set_up, test_usage, tear_down);
    }
  add ("/model-call/providers", test_providers);
  result = g_test_run ();
  g_object_unref (samples);
  return result;
}
