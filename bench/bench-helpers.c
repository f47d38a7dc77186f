/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/bench-helpers.h"
#include "bench/null-transport.h"

#define FLUSH_MS (60 * 1000)

/* --- clocks --- */

static gint64
get_time (clockid_t clock)
{
  struct timespec now;

  g_assert_cmpint (clock_gettime (clock, &now), ==, 0);
  return (gint64) now.tv_sec * 1000000000 + now.tv_nsec;
}

gint64
bench_now (void)
{
  return get_time (CLOCK_MONOTONIC);
}

gint64
bench_thread_cpu (void)
{
  return get_time (CLOCK_THREAD_CPUTIME_ID);
}

gint64
bench_process_cpu (void)
{
  return get_time (CLOCK_PROCESS_CPUTIME_ID);
}

/* --- series --- */

void
bench_series_init (BenchSeries *self)
{
  self->values = g_array_new (FALSE, FALSE, sizeof (double));
}

void
bench_series_clear (BenchSeries *self)
{
  g_clear_pointer (&self->values, g_array_unref);
}

void
bench_series_add (BenchSeries *self, double value)
{
  g_array_append_val (self->values, value);
}

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a;
  double y = *(const double *) b;

  return (x > y) - (x < y);
}

/* Returns: the value below which this share of the values is: 0.5 for the median */
double
bench_series_get_share (const BenchSeries *self, double share)
{
  g_autoptr (GArray) sorted = g_array_copy (self->values);

  g_assert (sorted->len > 0);
  g_array_sort (sorted, compare_doubles);
  return g_array_index (sorted, double, (guint) (share * (sorted->len - 1) + 0.5));
}

double
bench_series_get_median (const BenchSeries *self)
{
  return bench_series_get_share (self, 0.5);
}

static void
print_number (const char *name, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  printf (",\"%s\":%s", name, g_ascii_formatd (text, sizeof text, "%.6g", value));
}

void
bench_report (const char *id, const BenchSeries *figure, const BenchSeries *control)
{
  printf ("{\"id\":\"%s\"", id);
  print_number ("value", bench_series_get_median (figure));
  print_number ("low", bench_series_get_share (figure, 0));
  print_number ("high", bench_series_get_share (figure, 1));
  if (control != NULL)
    {
      g_auto (BenchSeries) ratios = { NULL };

      bench_series_init (&ratios);
      g_assert_cmpuint (figure->values->len, ==, control->values->len);
      for (guint i = 0; i < figure->values->len; i++)
        bench_series_add (&ratios, g_array_index (figure->values, double, i) /
                                       g_array_index (control->values, double, i));
      print_number ("control", bench_series_get_median (control));
      print_number ("ratio", bench_series_get_median (&ratios));
    }
  printf ("}\n");
  fflush (stdout);
}

void
bench_report_value (const char *id, double value)
{
  printf ("{\"id\":\"%s\"", id);
  print_number ("value", value);
  printf ("}\n");
  fflush (stdout);
}

/* --- payloads --- */

/* Words as in the talk with a model: few are frequent, many are seldom. */
static const char *const words[] = {
  "the",       "of",        "and",      "to",       "a",         "in",          "is",
  "that",      "it",        "for",      "was",      "on",        "with",        "as",
  "are",       "be",        "this",     "have",     "from",      "or",          "one",
  "by",        "not",       "but",      "what",     "all",       "when",        "we",
  "there",     "can",       "an",       "your",     "which",     "their",       "if",
  "will",      "each",      "about",    "how",      "up",        "out",         "them",
  "then",      "many",      "some",     "so",       "these",     "would",       "other",
  "into",      "has",       "more",     "two",      "like",      "him",         "see",
  "time",      "could",     "no",       "make",     "than",      "first",       "been",
  "its",       "who",       "now",      "people",   "my",        "made",        "over",
  "did",       "down",      "only",     "way",      "find",      "use",         "may",
  "water",     "long",      "little",   "very",     "after",     "words",       "called",
  "just",      "where",     "most",     "know",     "get",       "through",     "back",
  "much",      "before",    "go",       "good",     "new",       "write",       "our",
  "used",      "me",        "man",      "too",      "any",       "day",         "same",
  "right",     "look",      "think",    "also",     "around",    "another",     "came",
  "come",      "work",      "three",    "must",     "because",   "does",        "part",
  "even",      "place",     "well",     "such",     "here",      "take",        "why",
  "things",    "help",      "put",      "years",    "different", "away",        "again",
  "off",       "went",      "old",      "number",   "document",  "question",    "answer",
  "function",  "model",     "language", "summary",  "lake",      "temperature", "weather",
  "forecast",  "region",    "customer", "invoice",  "payment",   "delivery",    "warehouse",
  "shipment",  "address",   "contract", "clause",   "liability", "agreement",   "database",
  "index",     "query",     "latency",  "request",  "response",  "parameter",   "argument",
  "exception", "traceback", "module",   "package",  "version",   "release",     "deployment",
  "container", "cluster",   "network",  "protocol", "endpoint",  "token",       "context",
  "window",    "embedding",
};

/* Appends @n bytes of words, as they are between the quotes of a JSON string. */
static void
append_words (GString *text, GRand *rand, gsize n)
{
  gsize end = text->len + n;
  guint n_words = 0;

  while (text->len < end)
    {
      double x = g_rand_double (rand);

      g_string_append (text, words[(guint) (G_N_ELEMENTS (words) * x * x)]);
      n_words++;
      if (n_words % 40 == 0)
        g_string_append (text, ".\\n");
      else if (n_words % 25 == 0)
        g_string_append (text, " \\\"so\\\" ");
      else if (n_words % 13 == 0)
        g_string_append_printf (text, " %d ", g_rand_int_range (rand, 1, 10000));
      else
        g_string_append_c (text, ' ');
    }
  g_string_truncate (text, end);
  /* No escape is cut. */
  for (gsize i = end; i > end - n && text->str[i - 1] == '\\'; i--)
    text->str[i - 1] = ' ';
}

#define MESSAGE_LEN 400
#define SMALL_SIZE  300

/* Messages of about 400 bytes, each with a role; a small payload is one text.
 * Returns: (transfer full): a JSON object of about @size bytes, another one for each @seed */
static char *
make_json (gsize size, guint32 seed)
{
  GString *text = g_string_new ("{\"messages\":[");
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  guint i = 0;

  if (size < SMALL_SIZE)
    {
      g_string_assign (text, "{\"text\":\"");
      append_words (text, rand, size - text->len - 2);
      g_string_append (text, "\"}");
      return g_string_free (text, FALSE);
    }
  do
    {
      gsize left = size > text->len + 60 ? size - text->len - 60 : 20;

      g_string_append_printf (text, "%s{\"role\":\"%s\",\"content\":\"", i > 0 ? "," : "",
                              i % 2 == 0 ? "user" : "assistant");
      append_words (text, rand, left < 2 * MESSAGE_LEN ? left : MESSAGE_LEN);
      g_string_append (text, "\"}");
      i++;
    }
  while (text->len + 60 < size);
  g_string_append (text, "],\"n\":1}");
  return g_string_free (text, FALSE);
}

/* Returns: (transfer full) */
char *
bench_make_json (gsize size)
{
  return make_json (size, 4711);
}

/* Returns: (transfer full) */
GBytes *
bench_make_bytes_of (gsize size, guint32 seed)
{
  char *text = make_json (size, seed);

  return g_bytes_new_take (text, strlen (text));
}

/* Returns: (transfer full) */
GBytes *
bench_make_bytes (gsize size)
{
  return bench_make_bytes_of (size, 4711);
}

/* Returns: (transfer full): the same as nodes */
JsonNode *
bench_make_node (gsize size)
{
  g_autofree char *text = bench_make_json (size);
  g_autoptr (GError) error = NULL;
  JsonNode *node = json_from_string (text, &error);

  g_assert_no_error (error);
  return node;
}

/* --- observers --- */

/* @url: (nullable): NULL if nothing is sent
 * Returns: (transfer full): a config with which no record is dropped: what waits is bounded by what the
 *   program does until it flushes */
LsobsConfig *
bench_config_new (const char *url)
{
  LsobsConfig *config = lsobs_config_new ("key", "bench");

  if (url != NULL)
    lsobs_config_set_api_url (config, url);
  lsobs_config_set_max_batch_size (config, BENCH_BATCH);
  lsobs_config_set_queue_capacity (config, 10000000);
  lsobs_config_set_max_queue_bytes (config, G_GINT64_CONSTANT (1) << 40);
  lsobs_config_set_flush_interval (config, FLUSH_MS);
  lsobs_config_set_compression (config, LSOBS_COMPRESSION_NONE);
  return config;
}

/* @config: (transfer full)
 * @transport: (transfer full) (nullable): NULL for HTTP
 * Returns: (transfer full) */
LsobsObserver *
bench_observer_new (LsobsConfig *config, LsobsTransport *transport)
{
  g_autoptr (GError) error = NULL;
  LsobsObserver *observer = transport != NULL
                                ? lsobs_observer_new_with_transport (config, transport, &error)
                                : lsobs_observer_new (config, &error);

  g_assert_no_error (error);
  g_object_unref (config);
  g_clear_object (&transport);
  return observer;
}

/* Returns: (transfer full) */
LsobsObserver *
bench_observer_new_null (void)
{
  return bench_observer_new (bench_config_new (NULL), bench_null_transport_new ());
}

void
bench_flush (LsobsObserver *observer)
{
  g_autoptr (GError) error = NULL;

  lsobs_observer_flush (observer, FLUSH_MS, NULL, &error);
  g_assert_no_error (error);
}

/* @observer: (transfer full) */
void
bench_observer_end (LsobsObserver *observer)
{
  g_autoptr (GError) error = NULL;

  lsobs_observer_shutdown (observer, FLUSH_MS, NULL, &error);
  g_assert_no_error (error);
  g_object_unref (observer);
}

guint64
bench_count (LsobsObserver *observer, LsobsCounter counter)
{
  g_autoptr (LsobsStats) stats = lsobs_observer_dup_stats (observer);

  return lsobs_stats_get (stats, counter);
}

guint64
bench_count_dropped (LsobsObserver *observer)
{
  g_autoptr (LsobsStats) stats = lsobs_observer_dup_stats (observer);

  return lsobs_stats_get_total_dropped (stats);
}

void
bench_pair_with_notes (LsobsObserver *observer, GBytes *inputs, GBytes *outputs)
{
  LsobsRun *run = lsobs_observer_start_run_bytes (observer, "run", LSOBS_RUN_TYPE_LLM, inputs);

  lsobs_run_add_tag (run, "chat");
  lsobs_run_add_tag (run, "production");
  lsobs_run_set_metadata_string (run, "user", "4711");
  lsobs_run_set_metadata_string (run, "region", "north");
  lsobs_run_set_metadata_string (run, "prompt_version", "12");
  lsobs_run_set_metadata_string (run, "attempt", "1");
  lsobs_run_set_model (run, "openai", "gpt-4o");
  lsobs_run_set_usage (run, 120, 45, 165);
  lsobs_run_add_text_event (run, "first token");
  lsobs_run_end_bytes (run, outputs);
  lsobs_run_unref (run);
}

/* --- controls --- */

void
bench_control_pair (void)
{
  static GMutex mutex;
  static volatile guint n;
  void *volatile blocks[4];

  for (guint i = 0; i < G_N_ELEMENTS (blocks); i++)
    blocks[i] = g_malloc (64 + 64 * i);
  g_mutex_lock (&mutex);
  n++;
  g_mutex_unlock (&mutex);
  for (guint i = 0; i < G_N_ELEMENTS (blocks); i++)
    g_free (blocks[i]);
}

static void
write_once (JsonNode *node)
{
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autofree char *text = NULL;

  json_generator_set_root (generator, node);
  text = json_generator_to_data (generator, NULL);
  g_assert (text != NULL);
}

void
bench_write_twice (JsonNode *inputs, JsonNode *outputs)
{
  write_once (inputs);
  write_once (outputs);
}

/* --- the sink --- */

struct _BenchSink
{
  GSubprocess *process;      /* (owned) */
  GDataInputStream *answers; /* (owned) */
  char *url;                 /* (owned) */
  guint16 port;
};

static char *
read_line (BenchSink *self)
{
  char *line = g_data_input_stream_read_line (self->answers, NULL, NULL, NULL);

  if (line == NULL)
    g_error ("bench/sink has ended");
  return line;
}

/* Returns: (transfer full): a sink that runs, in a process of its own */
BenchSink *
bench_sink_new (guint delay_ms, gboolean zstd)
{
  BenchSink *self = g_new0 (BenchSink, 1);
  g_autofree char *delay = g_strdup_printf ("--delay=%u", delay_ms);
  g_autofree char *line = NULL;
  g_autoptr (GError) error = NULL;

  self->process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                                    &error, "bench/sink", delay, zstd ? "--zstd" : NULL, NULL);
  if (self->process == NULL)
    g_error (
        "bench/sink does not start in the current folder, which has to be that of the build: %s",
        error->message);
  self->answers = g_data_input_stream_new (g_subprocess_get_stdout_pipe (self->process));
  line = read_line (self);
  self->port = (guint16) atoi (line);
  self->url = g_strdup_printf ("http://127.0.0.1:%u", self->port);
  return self;
}

void
bench_sink_free (BenchSink *self)
{
  g_output_stream_close (g_subprocess_get_stdin_pipe (self->process), NULL, NULL);
  g_subprocess_wait (self->process, NULL, NULL);
  g_object_unref (self->answers);
  g_object_unref (self->process);
  g_free (self->url);
  g_free (self);
}

const char *
bench_sink_get_url (BenchSink *self)
{
  return self->url;
}

guint16
bench_sink_get_port (BenchSink *self)
{
  return self->port;
}

/* Reads what has come since the sink was started. */
void
bench_sink_read (BenchSink *self, BenchSinkStats *stats)
{
  GOutputStream *commands = g_subprocess_get_stdin_pipe (self->process);
  g_autofree char *line = NULL;
  char *at;

  g_assert_true (g_output_stream_write_all (commands, "\n", 1, NULL, NULL, NULL));
  line = read_line (self);
  at = line;
  stats->n_requests = g_ascii_strtoull (at, &at, 10);
  stats->n_connections = g_ascii_strtoull (at, &at, 10);
  stats->n_bytes = g_ascii_strtoull (at, &at, 10);
  stats->cpu = g_ascii_strtoll (at, &at, 10);
}
