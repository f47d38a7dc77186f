/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What tracing the call of a model costs the thread that makes it, without a network:
 *
 *   make bench/model-call && bench/model-call [--rounds=N] [NAME …]
 *
 * A stream that gives one chunk at a time is read to its end, as it is behind
 * lsobs_message_wrap_response (), and as it is behind a GFilterInputStream that does nothing. The call
 * begins with lsobs_observer_trace_message (), and ends when its stream is freed. A plain answer is given
 * to lsobs_message_take_response ().
 *
 * chunk   what one more chunk costs: the difference of the calls of two lengths, by that of the numbers
 *         of their chunks; as a ratio to the same of the bare filter (at most 3)
 * whole   all that a call costs, from its beginning to its end, with its request and its run; as a ratio
 *         to parsing the JSON of its answer with json-glib, once, event by event (at most 1.5 where the
 *         answer is plain)
 * all     what it costs all threads of the process until the record of the run has left, as the same ratio
 *
 * Times are those of the processor, the shortest of several rounds that take turns. With --once=PART, the
 * program does one part of one line, once, for a count of instructions, which does not depend on what the
 * machine does beside:
 *
 *   valgrind --tool=callgrind --toggle-collect=do_part bench/model-call --once=PART NAME
 *
 * PART is "filter", "call" or "parse". */

#include "config.h"

#include <string.h>
#include <time.h>

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>
#include <lsobs/lsobs.h>

#include "bench/null-transport.h"

#define FLUSH_MS 60000

/* --- answers --- */

typedef struct
{
  const char *name;
  const char *url;
  const char *begin;     /* all before the first chunk with a text */
  const char *delta;     /* with the text at TEXT, and a number at NUMBER */
  const char *separator; /* between the chunks */
  const char *end;       /* all after the last one */
} Kind;

#define TEXT   "<text>"
#define NUMBER "<number>"
#define CHAT(delta, rest) \
 "data: {\"id\":\"chatcmpl-C8aXy7pTqkzQ0aF5bT8sW1uE\",\"object\":\"chat.completion.chunk\"," \
 "\"created\":1789000000,\"model\":\"gpt-5.4-mini-2026-03-01\",\"service_tier\":\"default\"," \
 "\"system_fingerprint\":\"fp_44709d6fcb\",\"choices\":[{\"index\":0,\"delta\":" delta \
 ",\"logprobs\":null,\"finish_reason\":" rest "}\n\n"
#define GEMINI(text, rest) \
 "{\n  \"candidates\": [\n    {\n      \"content\": {\n        \"parts\": [\n          {\n" \
 "            \"text\": \"" text "\"\n          }\n        ],\n        \"role\": \"model\"\n" \
 "      },\n" rest "      \"index\": 0\n    }\n  ],\n  \"usageMetadata\": {\n" \
 "    \"promptTokenCount\": 8,\n    \"candidatesTokenCount\": " NUMBER ",\n" \
 "    \"totalTokenCount\": " NUMBER "\n  },\n  \"modelVersion\": \"gemini-2.5-flash\",\n" \
 "  \"responseId\": \"kJq7aNrQ\"\n}"
#define ANTHROPIC(name, data) "event: " name "\ndata: {\"type\":\"" name "\"" data "}\n\n"
#define OLLAMA(text, rest) \
 "{\"model\":\"llama3.2\",\"created_at\":\"2026-10-01T12:00:00." NUMBER "Z\"," \
 "\"message\":{\"role\":\"assistant\",\"content\":\"" text "\"}," rest "}\n"
#define RESPONSES(name, data) \
 "event: " name "\ndata: {\"type\":\"" name "\",\"sequence_number\":" NUMBER data "}\n\n"

/* The length of a plain answer is that of its text. */
#define PLAIN_CHAT \
 "{\"id\":\"chatcmpl-C8aXy7pTqkzQ0aF5bT8sW1uE\",\"object\":\"chat.completion\"," \
 "\"created\":1789000000,\"model\":\"gpt-5.4-mini-2026-03-01\",\"choices\":[{\"index\":0," \
 "\"message\":{\"role\":\"assistant\",\"refusal\":null,\"annotations\":[],\"content\":\""
#define PLAIN_CHAT_END \
 "\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":8," \
 "\"completion_tokens\":90,\"total_tokens\":98,\"prompt_tokens_details\":{\"cached_tokens\":0," \
 "\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0}}," \
 "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_44709d6fcb\"}"
#define PLAIN_ANTHROPIC \
 "{\"id\":\"msg_013Zva2CMHLNnXjNJJKqJ2EF\",\"type\":\"message\",\"role\":\"assistant\"," \
 "\"model\":\"claude-haiku-4-5\",\"content\":[{\"type\":\"text\",\"text\":\""
#define PLAIN_ANTHROPIC_END \
 "\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":8," \
 "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":90," \
 "\"service_tier\":\"standard\"}}"

static const char chat_url[] = "https://api.openai.com/v1/chat/completions";
static const char responses_url[] = "https://api.openai.com/v1/responses";
static const char anthropic_url[] = "https://api.anthropic.com/v1/messages";
static const char ollama_url[] = "http://127.0.0.1:11434/api/chat";
static const char gemini_url[] = "https://generativelanguage.googleapis.com/v1beta/models/"
                                 "gemini-2.5-flash:streamGenerateContent";

static const Kind streams[] = {
  { "openai-chat", chat_url,
    CHAT ("{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}", "null}]"),
    CHAT ("{\"content\":\"" TEXT "\"}", "null}],\"obfuscation\":\"" NUMBER "\""), "",
    CHAT ("{}", "\"stop\"}]") "data: [DONE]\n\n" },
  { "openai-responses", responses_url,
    RESPONSES ("response.output_item.added",
               ",\"output_index\":0,\"item\":{\"id\":\"msg_1\",\"type\":\"message\",\"content\":[],"
               "\"role\":\"assistant\"}")
        RESPONSES ("response.content_part.added",
                   ",\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,"
                   "\"part\":{\"type\":\"output_text\",\"annotations\":[],\"text\":\"\"}"),
    RESPONSES ("response.output_text.delta",
               ",\"item_id\":\"msg_68c1f2d0a1b081939f0c5e7d6b8a9f10\",\"output_index\":0,"
               "\"content_index\":0,\"delta\":\"" TEXT "\",\"logprobs\":[],"
               "\"obfuscation\":\"" NUMBER "\""),
    "",
    RESPONSES (
        "response.completed",
        ",\"response\":{\"id\":\"resp_1\",\"model\":\"gpt-5.4-mini\",\"status\":\"completed\","
        "\"output\":[],\"usage\":{\"input_tokens\":8,\"output_tokens\":90}}") },
  { "anthropic", anthropic_url,
    ANTHROPIC ("message_start",
               ",\"message\":{\"id\":\"msg_013Zva2CMHLNnXjNJJKqJ2EF\",\"type\":\"message\","
               "\"role\":\"assistant\",\"model\":\"claude-haiku-4-5\",\"content\":[],"
               "\"usage\":{\"input_tokens\":8,\"output_tokens\":1}}")
        ANTHROPIC ("content_block_start",
                   ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}"),
    ANTHROPIC ("content_block_delta",
               ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"" TEXT "\"}"),
    "",
    ANTHROPIC ("content_block_stop", ",\"index\":0")
        ANTHROPIC ("message_delta",
                   ",\"delta\":{\"stop_reason\":\"end_turn\"},"
                   "\"usage\":{\"output_tokens\":90}") ANTHROPIC ("message_stop", "") },
  { "ollama", ollama_url, "", OLLAMA (TEXT, "\"done\":false"), "",
    OLLAMA ("",
            "\"done_reason\":\"stop\",\"done\":true,\"total_duration\":4000000000,"
            "\"prompt_eval_count\":8,\"eval_count\":90") },
  { "gemini", gemini_url, "[", GEMINI (TEXT, ""), "\n,\r\n",
    "\n,\r\n" GEMINI (".", "      \"finishReason\": \"STOP\",\n") "\n]" },
};

static const Kind plains[] = {
  { "openai-chat-plain", chat_url, PLAIN_CHAT, TEXT, "", PLAIN_CHAT_END },
  { "anthropic-plain", anthropic_url, PLAIN_ANTHROPIC, TEXT, "", PLAIN_ANTHROPIC_END },
  { "ollama-plain", ollama_url,
    "{\"model\":\"llama3.2\",\"created_at\":\"2026-10-01T12:00:00.1Z\",\"message\":{"
    "\"role\":\"assistant\",\"content\":\"",
    TEXT, "",
    "\"},\"done_reason\":\"stop\",\"done\":true,\"total_duration\":4000000000,"
    "\"prompt_eval_count\":8,\"eval_count\":90}" },
  { "gemini-plain", gemini_url, "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"", TEXT, "",
    "\"}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{"
    "\"promptTokenCount\":8,\"candidatesTokenCount\":90,\"totalTokenCount\":98},"
    "\"modelVersion\":\"gemini-2.5-flash\",\"responseId\":\"kJq7aNrQ\"}" },
};

static const gsize sizes[] = { 100 * 1000, 1000 * 1000, 10 * 1000 * 1000 };

/* A short answer of a model. */
#define SHORT_BYTES 6000
#define PLAIN_BYTES 1000

typedef struct
{
  const char *url;   /* (unowned) */
  GPtrArray *chunks; /* (owned) (element-type GBytes) */
  GPtrArray *events; /* (owned) (element-type GBytes) the JSON in them */
  GBytes *body;      /* (owned) all of it */
} Answer;

static void
append_delta (GString *out, const Kind *kind, guint n)
{
  static const char *const words[] = { " the",    " of", "\\n\\n", " water", " caf\xc3\xa9",
                                       " \\\"so", ",",   " lake",  " night", " is" };
  g_autofree char *number = g_strdup_printf ("%u", 1000 + n % 9000);
  gsize start = out->len;
  g_autoptr (GString) delta = g_string_new (kind->delta);

  g_string_replace (delta, TEXT, words[n % G_N_ELEMENTS (words)], 1);
  g_string_replace (delta, NUMBER, number, 0);
  g_string_append_len (out, delta->str, (gssize) delta->len);
  g_assert (out->len > start);
}

/* Adds the objects of JSON that are in a chunk, whatever is between them. */
static void
add_events (GPtrArray *events, const char *text)
{
  const char *start = NULL;
  gboolean in_string = FALSE;
  guint depth = 0;

  for (const char *p = text; *p != '\0'; p++)
    {
      if (*p == '"')
        in_string = !in_string;
      else if (in_string && *p == '\\')
        p++;
      else if (!in_string && *p == '{' && depth++ == 0)
        start = p;
      else if (!in_string && *p == '}' && --depth == 0)
        g_ptr_array_add (events, g_bytes_new (start, (gsize) (p + 1 - start)));
    }
}

static Answer *
answer_new (const Kind *kind, gsize n_bytes)
{
  Answer *self = g_new0 (Answer, 1);
  g_autoptr (GString) body = g_string_new (NULL);
  gsize rest = strlen (kind->begin) + strlen (kind->end);

  self->url = kind->url;
  self->chunks = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  self->events = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  for (guint i = 0; i < 4 || body->len + rest < n_bytes; i++)
    {
      g_autoptr (GString) chunk = g_string_new (i == 0 ? kind->begin : kind->separator);

      append_delta (chunk, kind, i);
      if (i > 0 && i >= 3 && body->len + chunk->len + rest >= n_bytes)
        g_string_append (chunk, kind->end);
      g_string_replace (chunk, NUMBER, "1", 0);
      g_string_append_len (body, chunk->str, (gssize) chunk->len);
      if (strcmp (kind->delta, TEXT) != 0)
        add_events (self->events, chunk->str);
      g_ptr_array_add (self->chunks, g_bytes_new (chunk->str, chunk->len));
    }
  if (self->events->len == 0)
    g_ptr_array_add (self->events, g_bytes_new (body->str, body->len));
  self->body = g_bytes_new (body->str, body->len);
  return self;
}

static void
answer_free (Answer *self)
{
  g_ptr_array_unref (self->chunks);
  g_ptr_array_unref (self->events);
  g_bytes_unref (self->body);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Answer, answer_free)

/* --- streams --- */

/* Gives one chunk with each read, as a network does. */
#define BENCH_TYPE_CHUNK_STREAM (bench_chunk_stream_get_type ())
G_DECLARE_FINAL_TYPE (BenchChunkStream, bench_chunk_stream, BENCH, CHUNK_STREAM, GInputStream)

struct _BenchChunkStream
{
  GInputStream parent_instance;
  GPtrArray *chunks; /* (unowned) */
  guint next;
};

G_DEFINE_FINAL_TYPE (BenchChunkStream, bench_chunk_stream, G_TYPE_INPUT_STREAM)

static gssize
bench_chunk_stream_read (GInputStream *stream,
                         void *buffer,
                         gsize count,
                         GCancellable *cancellable G_GNUC_UNUSED,
                         GError **error G_GNUC_UNUSED)
{
  BenchChunkStream *self = BENCH_CHUNK_STREAM (stream);
  const char *data;
  gsize len;

  if (self->next == self->chunks->len)
    return 0;
  data = g_bytes_get_data (g_ptr_array_index (self->chunks, self->next++), &len);
  g_assert (len <= count);
  memcpy (buffer, data, len);
  return (gssize) len;
}

static void
bench_chunk_stream_class_init (BenchChunkStreamClass *klass)
{
  G_INPUT_STREAM_CLASS (klass)->read_fn = bench_chunk_stream_read;
}

static void
bench_chunk_stream_init (BenchChunkStream *self G_GNUC_UNUSED)
{
}

/* The bare filter. */
#define BENCH_TYPE_BARE_STREAM (bench_bare_stream_get_type ())
G_DECLARE_FINAL_TYPE (BenchBareStream, bench_bare_stream, BENCH, BARE_STREAM, GFilterInputStream)

struct _BenchBareStream
{
  GFilterInputStream parent_instance;
};

G_DEFINE_FINAL_TYPE (BenchBareStream, bench_bare_stream, G_TYPE_FILTER_INPUT_STREAM)

static void
bench_bare_stream_class_init (BenchBareStreamClass *klass G_GNUC_UNUSED)
{
}

static void
bench_bare_stream_init (BenchBareStream *self G_GNUC_UNUSED)
{
}

static GInputStream *
make_base (const Answer *answer)
{
  BenchChunkStream *base = g_object_new (BENCH_TYPE_CHUNK_STREAM, NULL);

  base->chunks = answer->chunks;
  return G_INPUT_STREAM (base);
}

static void
drain (GInputStream *stream)
{
  char buffer[16 * 1024];

  while (g_input_stream_read (stream, buffer, sizeof buffer, NULL, NULL) > 0)
    continue;
}

/* --- what is measured --- */

typedef enum
{
  PART_FILTER, /* the stream, without lsobs */
  PART_CALL,   /* the call, traced */
  PART_RUN,    /* a run with the same inputs and outputs, made by hand */
  PART_PARSE,  /* json-glib */
  N_PARTS
} Part;

static const char *const part_names[N_PARTS] = { "filter", "call", "run", "parse" };

static LsobsObserver *observer; /* (owned) */
static GBytes *request;         /* (owned) */

static void
do_filter (const Answer *answer)
{
  g_autoptr (GInputStream) base = make_base (answer);
  g_autoptr (GInputStream) stream =
      g_object_new (BENCH_TYPE_BARE_STREAM, "base-stream", base, NULL);

  drain (stream);
}

static void
do_call (const Answer *answer)
{
  g_autoptr (SoupMessage) message = soup_message_new ("POST", answer->url);
  g_autoptr (GInputStream) base = NULL;
  g_autoptr (GInputStream) stream = NULL;

  lsobs_observer_trace_message (observer, message, request, NULL);
  if (answer->events->len == 1)
    {
      lsobs_message_take_response (message, answer->body);
      return;
    }
  base = make_base (answer);
  stream = lsobs_message_wrap_response (message, base);
  drain (stream);
}

static void
do_run (const Answer *answer)
{
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run_bytes (observer, "chat m", LSOBS_RUN_TYPE_LLM, request);

  lsobs_run_end_bytes (run, answer->body);
}

static void
do_parse (const Answer *answer)
{
  g_autoptr (JsonParser) parser = json_parser_new ();

  for (guint i = 0; i < answer->events->len; i++)
    {
      g_autoptr (GError) error = NULL;
      gsize len;
      const char *text = g_bytes_get_data (g_ptr_array_index (answer->events, i), &len);

      if (!json_parser_load_from_data (parser, text, (gssize) len, &error))
        g_error ("%s: %s", error->message, text);
    }
}

/* valgrind finds it by its name. */
static G_GNUC_NO_INLINE void
do_part (Part part, const Answer *answer)
{
  if (part == PART_FILTER)
    do_filter (answer);
  else if (part == PART_CALL)
    do_call (answer);
  else if (part == PART_RUN)
    do_run (answer);
  else
    do_parse (answer);
}

/* --- the clock --- */

typedef struct
{
  gint64 thread;  /* ns of the processor, by the calling thread */
  gint64 process; /* ... by all threads */
} Cost;

static gint64
now (clockid_t id)
{
  struct timespec time;

  clock_gettime (id, &time);
  return (gint64) time.tv_sec * 1000000000 + time.tv_nsec;
}

static void
flush (void)
{
  lsobs_observer_flush (observer, FLUSH_MS, NULL, NULL);
}

/* Does it so often that the clock is exact enough. */
static void
measure (Part part, const Answer *answer, Cost *least)
{
  guint n = 1 + (guint) (200000 / g_bytes_get_size (answer->body));
  gint64 process = now (CLOCK_PROCESS_CPUTIME_ID);
  gint64 thread = now (CLOCK_THREAD_CPUTIME_ID);

  for (guint i = 0; i < n; i++)
    do_part (part, answer);
  thread = now (CLOCK_THREAD_CPUTIME_ID) - thread;
  if (part == PART_CALL || part == PART_RUN)
    flush ();
  process = now (CLOCK_PROCESS_CPUTIME_ID) - process;
  least->thread = MIN (least->thread, thread / n);
  least->process = MIN (least->process, process / n);
}

static void
measure_all (const Answer *answer, guint n_rounds, Cost costs[N_PARTS])
{
  for (guint i = 0; i < N_PARTS; i++)
    costs[i] = (Cost){ .thread = G_MAXINT64, .process = G_MAXINT64 };
  for (guint round = 0; round < n_rounds; round++)
    for (guint i = 0; i < N_PARTS; i++)
      measure (i, answer, &costs[i]);
}

static double
get_slope (const Cost *many, const Cost *few, guint n_more)
{
  return (double) (many->thread - few->thread) / n_more;
}

/* @few: (nullable): an answer with fewer chunks */
static void
print_line (const char *name, const Answer *answer, const Answer *few, guint n_rounds)
{
  Cost costs[N_PARTS];
  Cost short_costs[N_PARTS];
  guint n_more = few != NULL ? answer->chunks->len - few->chunks->len : 0;

  measure_all (answer, n_rounds, costs);
  g_print ("%-18s %9" G_GSIZE_FORMAT " %7u |", name, g_bytes_get_size (answer->body),
           answer->events->len);
  if (n_more > 0)
    {
      double filter;
      double call;

      measure_all (few, n_rounds, short_costs);
      filter = get_slope (&costs[PART_FILTER], &short_costs[PART_FILTER], n_more);
      call = get_slope (&costs[PART_CALL], &short_costs[PART_CALL], n_more);
      g_print (" %7.0f %7.0f %6.2f |", filter, call, call / filter);
    }
  else
    g_print (" %7s %7s %6s |", "", "", "");
  g_print (" %9.1f %9.1f %6.2f %6.2f\n", (double) costs[PART_PARSE].thread / 1000,
           (double) costs[PART_CALL].thread / 1000,
           (double) costs[PART_CALL].thread / (double) costs[PART_PARSE].thread,
           (double) costs[PART_CALL].process / (double) costs[PART_PARSE].thread);
}

static gboolean
is_wanted (char **names, const char *name)
{
  return names == NULL || g_strv_contains ((const char *const *) names, name);
}

static void
print_table (char **names, guint n_rounds)
{
  g_print ("%-18s %9s %7s | %7s %7s %6s | %9s %9s %6s %6s\n", "", "bytes", "events", "filter",
           "traced", "ratio", "json-glib", "traced", "ratio", "all");
  g_print ("%-18s %9s %7s | %23s | %33s\n", "", "", "", "ns per chunk", "\xc2\xb5s per call");
  for (guint i = 0; i < G_N_ELEMENTS (streams); i++)
    {
      g_autoptr (Answer) few = answer_new (&streams[i], 0);

      if (!is_wanted (names, streams[i].name))
        continue;
      for (guint j = 0; j <= G_N_ELEMENTS (sizes); j++)
        {
          g_autoptr (Answer) answer = answer_new (&streams[i], j == 0 ? SHORT_BYTES : sizes[j - 1]);

          print_line (streams[i].name, answer, few, n_rounds);
        }
    }
  for (guint i = 0; i < G_N_ELEMENTS (plains); i++)
    for (guint j = 0; j <= G_N_ELEMENTS (sizes); j++)
      {
        g_autoptr (Answer) answer = answer_new (&plains[i], j == 0 ? PLAIN_BYTES : sizes[j - 1]);

        if (is_wanted (names, plains[i].name))
          print_line (plains[i].name, answer, NULL, n_rounds);
      }
}

/* @size: of the answer, or 0 for a short one */
static void
do_once (const char *part_name, char **names, gsize size, guint n_rounds)
{
  for (guint part = 0; part < N_PARTS; part++)
    for (guint i = 0; i < G_N_ELEMENTS (streams) + G_N_ELEMENTS (plains); i++)
      {
        gboolean is_stream = i < G_N_ELEMENTS (streams);
        const Kind *kind = is_stream ? &streams[i] : &plains[i - G_N_ELEMENTS (streams)];
        g_autoptr (Answer) answer = NULL;

        if (strcmp (part_name, part_names[part]) != 0 || !is_wanted (names, kind->name))
          continue;
        /* What is done only once in a process is not part of it. */
        answer = answer_new (kind, 0);
        do_call (answer);
        answer_free (answer);
        answer = answer_new (kind, size > 0 ? size : is_stream ? SHORT_BYTES : PLAIN_BYTES);
        for (guint round = 0; round < n_rounds; round++)
          do_part (part, answer);
        g_print ("%s %s: %" G_GSIZE_FORMAT " bytes, %u events\n", part_name, kind->name,
                 g_bytes_get_size (answer->body), answer->events->len);
      }
}

int
main (int argc, char **argv)
{
  g_auto (GStrv) names = NULL;
  g_autofree char *once = NULL;
  int n_rounds = 0;
  int size = 0;
  GOptionEntry entries[] = {
    { "rounds", 0, 0, G_OPTION_ARG_INT, &n_rounds, "how many (15; 1 with --once)", "N" },
    { "once", 0, 0, G_OPTION_ARG_STRING, &once, "only this part, once", "PART" },
    { "size", 0, 0, G_OPTION_ARG_INT, &size, "of the answer with --once", "BYTES" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &names, "kinds of answers", "NAME" },
    { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, "bench");
  g_autoptr (LsobsTransport) transport = bench_null_transport_new ();
  static const char body[] = "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\","
                             "\"content\":\"Tell me of the lake.\"}],\"stream_options\":"
                             "{\"include_usage\":true}}";

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    g_error ("%s", error->message);
  /* Nothing leaves while it is measured. */
  lsobs_config_set_flush_interval (config, FLUSH_MS);
  lsobs_config_set_queue_capacity (config, 100000);
  lsobs_config_set_max_batch_size (config, 1000);
  observer = lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), &error);
  g_assert_no_error (error);
  request = g_bytes_new_static (body, sizeof body - 1);
  if (once != NULL)
    do_once (once, names, (gsize) MAX (size, 0), (guint) MAX (n_rounds, 1));
  else
    print_table (names, n_rounds > 0 ? (guint) n_rounds : 15);
  lsobs_observer_shutdown (observer, FLUSH_MS, NULL, NULL);
  g_object_unref (observer);
  g_bytes_unref (request);
  return 0;
}
