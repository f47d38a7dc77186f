/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What it costs to deliver runs over HTTP, and how fast that is, beside libsoup alone and a raw socket with
 * ready bodies of the same size. One thread traces; a sink on this machine takes the requests.
 *
 *   make bench/sink bench/delivery && bench/delivery [cost | slow | zstd] [ROUNDS]
 *
 * Without a word, all three. */

#include "config.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libsoup/soup.h>

#include "bench/bench-helpers.h"
#include "lsobs/text/lsobs-json-writer-private.h"

#define MAX_IN_FLIGHT 64
#define CONTENT_TYPE  "multipart/form-data; boundary=lsobs-00000000000000000000000000000000"

static guint n_rounds = 9;

/* What a round has cost. */
typedef struct
{
  double cpu;      /* of this process, µs per run */
  double sink_cpu; /* of the sink, µs per run */
  double rate;     /* runs per second */
} Cost;

typedef struct
{
  Cost cost;
  gint64 cpu;
  gint64 time;
  BenchSink *sink; /* (unowned) */
  BenchSinkStats before;
} Meter;

static void
meter_start (Meter *self, BenchSink *sink)
{
  self->sink = sink;
  bench_sink_read (sink, &self->before);
  self->time = bench_now ();
  self->cpu = bench_process_cpu ();
}

static Cost
meter_stop (Meter *self, guint n_runs)
{
  gint64 cpu = bench_process_cpu () - self->cpu;
  gint64 time = bench_now () - self->time;
  BenchSinkStats after;

  bench_sink_read (self->sink, &after);
  return (Cost){ .cpu = (double) cpu / 1000 / n_runs,
                 .sink_cpu = (double) (after.cpu - self->before.cpu) / 1000 / n_runs,
                 .rate = n_runs / ((double) time / 1e9) };
}

/* --- lsobs --- */

/* @node: (nullable): traced in place of @bytes */
static Cost
deliver (BenchSink *sink, LsobsObserver *observer, GBytes *bytes, JsonNode *node, guint n_runs)
{
  Meter meter;
  guint64 n_before = bench_count (observer, LSOBS_COUNTER_DELIVERED);
  Cost cost;

  meter_start (&meter, sink);
  for (guint i = 0; i < n_runs; i++)
    if (node != NULL)
      bench_pair_node (observer, node, node);
    else
      bench_pair_bytes (observer, bytes, bytes);
  bench_flush (observer);
  cost = meter_stop (&meter, n_runs);
  g_assert_cmpuint (bench_count_dropped (observer), ==, 0);
  g_assert_cmpuint (bench_count (observer, LSOBS_COUNTER_DELIVERED), >=, n_before + n_runs);
  return cost;
}

/* --- libsoup alone --- */

typedef struct
{
  SoupSession *session; /* (owned) */
  GUri *uri;            /* (owned) */
  GPtrArray *bodies;    /* (owned) (element-type GBytes) as many as are in flight */
  guint in_flight;
  guint n_left;
  guint n_open;
} Soup;

static void soup_send_next (Soup *self);

static void
soup_sent_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Soup *self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) answer =
      soup_session_send_and_read_finish (SOUP_SESSION (source), result, &error);

  g_assert_no_error (error);
  self->n_open--;
  soup_send_next (self);
}

static void
soup_send_next (Soup *self)
{
  g_autoptr (SoupMessage) message = NULL;

  if (self->n_left == 0)
    return;
  self->n_left--;
  self->n_open++;
  message = soup_message_new_from_uri ("POST", self->uri);
  soup_message_headers_append (soup_message_get_request_headers (message), "x-api-key", "key");
  soup_message_set_request_body_from_bytes (message, CONTENT_TYPE,
                                            g_ptr_array_index (self->bodies,
                                                               self->n_left % self->in_flight));
  soup_session_send_and_read_async (self->session, message, G_PRIORITY_DEFAULT, NULL, soup_sent_cb,
                                    self);
}

static void
soup_init (Soup *self, BenchSink *sink, guint in_flight, gsize body_size)
{
  g_autofree char *url = g_strconcat (bench_sink_get_url (sink), "/runs/multipart", NULL);

  self->session =
      soup_session_new_with_options ("max-conns", in_flight, "max-conns-per-host", in_flight, NULL);
  self->uri = g_uri_parse (url, SOUP_HTTP_URI_FLAGS, NULL);
  self->bodies = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  for (guint i = 0; i < in_flight; i++)
    g_ptr_array_add (self->bodies, bench_make_bytes_of (body_size, i));
  self->in_flight = in_flight;
}

static void
soup_clear (Soup *self)
{
  g_clear_object (&self->session);
  g_clear_pointer (&self->uri, g_uri_unref);
  g_clear_pointer (&self->bodies, g_ptr_array_unref);
}

static Cost
send_by_soup (BenchSink *sink, Soup *self, guint n_runs)
{
  Meter meter;

  meter_start (&meter, sink);
  self->n_left = n_runs / BENCH_BATCH;
  for (guint i = 0; i < self->in_flight; i++)
    soup_send_next (self);
  while (self->n_open > 0)
    g_main_context_iteration (NULL, TRUE);
  return meter_stop (&meter, n_runs);
}

/* --- raw sockets --- */

typedef struct
{
  int fds[MAX_IN_FLIGHT];
  gboolean is_open[MAX_IN_FLIGHT]; /* an answer is to come */
  guint in_flight;
  char *request; /* (owned) */
  gsize len;
} Raw;

static void
raw_init (Raw *self, BenchSink *sink, guint in_flight, gsize body_size)
{
  g_autofree char *body = bench_make_json (body_size);
  struct sockaddr_in address = { .sin_family = AF_INET };
  int one = 1;

  self->in_flight = in_flight;
  self->request = g_strdup_printf ("POST /runs/multipart HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                   "x-api-key: key\r\nContent-Type: " CONTENT_TYPE "\r\n"
                                   "Content-Length: %" G_GSIZE_FORMAT "\r\n\r\n%s",
                                   strlen (body), body);
  self->len = strlen (self->request);
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  address.sin_port = htons (bench_sink_get_port (sink));
  for (guint i = 0; i < in_flight; i++)
    {
      self->fds[i] = socket (AF_INET, SOCK_STREAM, 0);
      setsockopt (self->fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      g_assert_cmpint (connect (self->fds[i], (struct sockaddr *) &address, sizeof address), ==, 0);
    }
}

static void
raw_clear (Raw *self)
{
  for (guint i = 0; i < self->in_flight; i++)
    close (self->fds[i]);
  g_clear_pointer (&self->request, g_free);
}

/* Answers are short, and come in one piece. */
static void
raw_read (Raw *self, guint i)
{
  char answer[1024];

  if (self->is_open[i])
    g_assert_cmpint (recv (self->fds[i], answer, sizeof answer, 0), >, 0);
  self->is_open[i] = FALSE;
}

static Cost
send_raw (BenchSink *sink, Raw *self, guint n_runs)
{
  Meter meter;

  meter_start (&meter, sink);
  for (guint n = 0; n < n_runs / BENCH_BATCH; n++)
    {
      guint i = n % self->in_flight;

      raw_read (self, i);
      for (gsize sent = 0; sent < self->len;)
        {
          ssize_t len = send (self->fds[i], self->request + sent, self->len - sent, MSG_NOSIGNAL);

          g_assert_cmpint (len, >, 0);
          sent += (gsize) len;
        }
      self->is_open[i] = TRUE;
    }
  for (guint i = 0; i < self->in_flight; i++)
    raw_read (self, i);
  return meter_stop (&meter, n_runs);
}

/* --- the writing alone --- */

/* Returns: µs per run, with its inputs and outputs */
static double
write_nodes (JsonNode *node, guint n_runs)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  gint64 start = bench_thread_cpu ();

  for (guint i = 0; i < 2 * n_runs; i++)
    {
      _lsobs_buffer_truncate (&out, 0);
      g_assert_true (_lsobs_json_write_node (&out, node, G_MAXSIZE / 2));
    }
  return (double) (bench_thread_cpu () - start) / 1000 / n_runs;
}

/* --- rows 5 and 6 --- */

static gsize
find_body_size (BenchSink *sink, LsobsObserver *observer, GBytes *bytes)
{
  BenchSinkStats before;
  BenchSinkStats after;

  /* The first request asks what the service takes. */
  deliver (sink, observer, bytes, NULL, BENCH_BATCH);
  bench_sink_read (sink, &before);
  deliver (sink, observer, bytes, NULL, 10 * BENCH_BATCH);
  bench_sink_read (sink, &after);
  return (gsize) ((after.n_bytes - before.n_bytes) / (after.n_requests - before.n_requests));
}

enum
{
  READY,
  NODES,
  SOUP,
  RAW,
  N_WAYS
};

static void
measure_cost (gsize size, guint n_runs)
{
  static const char *const names[N_WAYS] = { "ready", "node", "soup", "raw" };
  g_autoptr (BenchSink) sink = bench_sink_new (0, FALSE);
  LsobsObserver *observer = bench_observer_new (bench_config_new (bench_sink_get_url (sink)), NULL);
  g_autoptr (GBytes) bytes = bench_make_bytes (size);
  g_autoptr (JsonNode) node = bench_make_node (size);
  gsize body_size = find_body_size (sink, observer, bytes);
  BenchSeries cpu[N_WAYS] = { { NULL } };
  BenchSeries rate[N_WAYS] = { { NULL } };
  BenchSeries sink_cpu[N_WAYS] = { { NULL } };
  g_auto (BenchSeries) node_control = { NULL };
  g_auto (BenchSeries) written = { NULL };
  Soup soup = { NULL };
  Raw raw = { { 0 } };

  soup_init (&soup, sink, 4, body_size);
  raw_init (&raw, sink, 4, body_size);
  bench_series_init (&node_control);
  bench_series_init (&written);
  for (guint way = 0; way < N_WAYS; way++)
    {
      bench_series_init (&cpu[way]);
      bench_series_init (&rate[way]);
      bench_series_init (&sink_cpu[way]);
    }
  for (guint round = 0; round <= n_rounds; round++)
    {
      Cost costs[N_WAYS];
      double writing;

      costs[READY] = deliver (sink, observer, bytes, NULL, n_runs);
      costs[SOUP] = send_by_soup (sink, &soup, n_runs);
      costs[NODES] = deliver (sink, observer, NULL, node, n_runs);
      costs[RAW] = send_raw (sink, &raw, n_runs);
      writing = write_nodes (node, n_runs / 4);
      /* The first one fills caches and pools. */
      if (round == 0)
        continue;
      for (guint way = 0; way < N_WAYS; way++)
        {
          bench_series_add (&cpu[way], costs[way].cpu);
          bench_series_add (&rate[way], costs[way].rate);
          bench_series_add (&sink_cpu[way], costs[way].sink_cpu);
        }
      bench_series_add (&written, writing);
      bench_series_add (&node_control, 1.25 * costs[SOUP].cpu + writing);
    }
  for (guint way = 0; way < N_WAYS; way++)
    {
      g_autofree char *cpu_id = g_strdup_printf ("run-cpu/%s/%" G_GSIZE_FORMAT, names[way], size);
      g_autofree char *rate_id = g_strdup_printf ("rate/%s/%" G_GSIZE_FORMAT, names[way], size);
      g_autofree char *sink_id = g_strdup_printf ("sink-cpu/%s/%" G_GSIZE_FORMAT, names[way], size);

      bench_report (cpu_id, &cpu[way], way == NODES ? &node_control : &cpu[SOUP]);
      bench_report (rate_id, &rate[way], &rate[SOUP]);
      bench_report (sink_id, &sink_cpu[way], NULL);
    }
  {
    g_autofree char *id = g_strdup_printf ("run-cpu/writing/%" G_GSIZE_FORMAT, size);
    g_autofree char *body_id = g_strdup_printf ("body/%" G_GSIZE_FORMAT, size);

    bench_report (id, &written, NULL);
    bench_report_value (body_id, (double) body_size);
  }
  for (guint way = 0; way < N_WAYS; way++)
    {
      bench_series_clear (&cpu[way]);
      bench_series_clear (&rate[way]);
      bench_series_clear (&sink_cpu[way]);
    }
  bench_observer_end (observer);
  soup_clear (&soup);
  raw_clear (&raw);
}

/* --- row 7: a service that takes 50 ms --- */

#define SLOW_MS     50
#define SLOW_TURNS  20
#define SLOW_ROUNDS 3

static void
measure_slow (guint in_flight)
{
  g_autoptr (BenchSink) sink = bench_sink_new (SLOW_MS, FALSE);
  LsobsConfig *config = bench_config_new (bench_sink_get_url (sink));
  g_autoptr (GBytes) bytes = bench_make_bytes (100);
  guint n_runs = in_flight * SLOW_TURNS * BENCH_BATCH;
  g_auto (BenchSeries) rate = { NULL };
  g_auto (BenchSeries) alone = { NULL };
  g_autofree char *id = g_strdup_printf ("slow-rate/%u", in_flight);
  LsobsObserver *observer;
  Soup soup = { NULL };

  lsobs_config_set_max_in_flight (config, in_flight);
  observer = bench_observer_new (config, NULL);
  soup_init (&soup, sink, in_flight, find_body_size (sink, observer, bytes));
  bench_series_init (&rate);
  bench_series_init (&alone);
  for (guint round = 0; round < SLOW_ROUNDS; round++)
    {
      bench_series_add (&rate, deliver (sink, observer, bytes, NULL, n_runs).rate);
      bench_series_add (&alone, send_by_soup (sink, &soup, n_runs).rate);
    }
  bench_report (id, &rate, &alone);
  bench_observer_end (observer);
  soup_clear (&soup);
}

/* --- row 14: compression --- */

#define ZSTD_RUNS  10000
#define N_PAYLOADS 499

/* Traces runs of which no two in a batch are alike.
 * Returns: µs of this process per run */
static double
deliver_texts (BenchSink *sink, LsobsObserver *observer, GPtrArray *texts)
{
  Meter meter;

  meter_start (&meter, sink);
  for (guint i = 0; i < ZSTD_RUNS; i++)
    bench_pair_bytes (observer, g_ptr_array_index (texts, 2 * i % texts->len),
                      g_ptr_array_index (texts, (2 * i + 1) % texts->len));
  bench_flush (observer);
  return meter_stop (&meter, ZSTD_RUNS).cpu;
}

static void
measure_zstd (void)
{
  g_autoptr (BenchSink) sink = bench_sink_new (0, TRUE);
  LsobsConfig *config = bench_config_new (bench_sink_get_url (sink));
  LsobsObserver *plain = bench_observer_new (bench_config_new (bench_sink_get_url (sink)), NULL);
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_auto (BenchSeries) extra = { NULL };
  BenchSinkStats stats[3];
  LsobsObserver *packed;

  for (guint i = 0; i < N_PAYLOADS; i++)
    g_ptr_array_add (texts, bench_make_bytes_of (1000, i));
  lsobs_config_set_compression (config, LSOBS_COMPRESSION_AUTO);
  packed = bench_observer_new (config, NULL);
  bench_series_init (&extra);
  for (guint round = 0; round <= n_rounds; round++)
    {
      double with, without;

      bench_sink_read (sink, &stats[0]);
      with = deliver_texts (sink, packed, texts);
      bench_sink_read (sink, &stats[1]);
      without = deliver_texts (sink, plain, texts);
      bench_sink_read (sink, &stats[2]);
      if (round > 0)
        bench_series_add (&extra, with - without);
    }
  bench_report ("zstd-cpu", &extra, NULL);
  bench_report_value ("zstd-ratio", (double) (stats[2].n_bytes - stats[1].n_bytes) /
                                        (double) (stats[1].n_bytes - stats[0].n_bytes));
  bench_observer_end (plain);
  bench_observer_end (packed);
}

int
main (int argc, char **argv)
{
  const char *mode = argc > 1 ? argv[1] : NULL;

  if (argc > 2)
    n_rounds = (guint) MAX (atoi (argv[2]), 1);
  if (mode == NULL || strcmp (mode, "cost") == 0)
    {
      measure_cost (100, 20000);
      measure_cost (1000, 10000);
      measure_cost (10000, 2000);
    }
  if (mode == NULL || strcmp (mode, "slow") == 0)
    {
      measure_slow (4);
      measure_slow (16);
    }
  if (mode == NULL || strcmp (mode, "zstd") == 0)
    measure_zstd ();
  return 0;
}
