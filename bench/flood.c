/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Four threads trace ten times as much as the queue holds, while the service is slow: how long the slowest
 * of a hundred pairs takes, beside four mallocs and a lock in as many threads; whether each record is
 * counted; and whether the memory grows.
 *
 *   make bench/sink bench/flood && bench/flood [ROUNDS] */

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "bench/bench-helpers.h"

#define N_THREADS 4
#define CAPACITY  5000
#define PER_ROUND (10 * CAPACITY / N_THREADS)
#define DELAY_MS  50

typedef struct
{
  LsobsObserver *observer; /* (unowned) (nullable): NULL for the control */
  GBytes *bytes;           /* (unowned) */
  double times[PER_ROUND]; /* ns */
} Flood;

static gpointer
flood_thread (gpointer data)
{
  Flood *self = data;

  for (guint i = 0; i < PER_ROUND; i++)
    {
      gint64 start = bench_now ();

      if (self->observer != NULL)
        bench_pair_bytes (self->observer, self->bytes, self->bytes);
      else
        bench_control_pair ();
      self->times[i] = (double) (bench_now () - start);
    }
  return NULL;
}

/* Returns: the time below which 99 of 100 pairs are, of all threads */
static double
run_threads (Flood *floods, LsobsObserver *observer, GBytes *bytes)
{
  GThread *threads[N_THREADS];
  g_auto (BenchSeries) times = { NULL };

  bench_series_init (&times);
  for (guint i = 0; i < N_THREADS; i++)
    {
      floods[i].observer = observer;
      floods[i].bytes = bytes;
      threads[i] = g_thread_new ("flood", flood_thread, &floods[i]);
    }
  for (guint i = 0; i < N_THREADS; i++)
    {
      g_thread_join (threads[i]);
      g_array_append_vals (times.values, floods[i].times, PER_ROUND);
    }
  return bench_series_get_share (&times, 0.99);
}

/* Returns: KiB */
static double
read_rss (void)
{
  g_autofree char *text = NULL;
  const char *line;

  g_assert_true (g_file_get_contents ("/proc/self/status", &text, NULL, NULL));
  line = strstr (text, "\nVmRSS:");
  g_assert_nonnull (line);
  return (double) g_ascii_strtoll (line + strlen ("\nVmRSS:"), NULL, 10);
}

/* Starts and ends that were made, and are neither delivered, dropped nor joined to one record. */
static double
count_lost (LsobsObserver *observer, guint64 n_pairs)
{
  g_autoptr (LsobsStats) stats = lsobs_observer_dup_stats (observer);
  gint64 n_records = (gint64) lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED);
  gint64 n_decided = (gint64) (lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED) +
                               lsobs_stats_get_total_dropped (stats));
  gint64 n_made = n_records + (gint64) lsobs_stats_get (stats, LSOBS_COUNTER_MERGED);

  return (double) (ABS (n_records - n_decided) + ABS (n_made - 2 * (gint64) n_pairs));
}

int
main (int argc, char **argv)
{
  guint n_rounds = argc > 1 ? (guint) MAX (atoi (argv[1]), 2) : 8;
  g_autoptr (BenchSink) sink = bench_sink_new (DELAY_MS, FALSE);
  LsobsConfig *config = bench_config_new (bench_sink_get_url (sink));
  g_autoptr (GBytes) bytes = bench_make_bytes (1000);
  g_autofree Flood *floods = g_new0 (Flood, N_THREADS);
  g_auto (BenchSeries) p99 = { NULL };
  g_auto (BenchSeries) control = { NULL };
  LsobsObserver *observer;
  double half = 0;

  lsobs_config_set_queue_capacity (config, CAPACITY);
  observer = bench_observer_new (config, NULL);
  bench_series_init (&p99);
  bench_series_init (&control);
  for (guint round = 0; round < n_rounds; round++)
    {
      bench_series_add (&p99, run_threads (floods, observer, bytes));
      bench_series_add (&control, run_threads (floods, NULL, bytes));
      if (round == n_rounds / 2 - 1)
        half = read_rss ();
    }
  bench_report ("flood-p99", &p99, &control);
  bench_report_value ("flood-growth", MAX (0, (read_rss () - half) / half * 100));
  lsobs_observer_flush (observer, 60 * 1000, NULL, NULL);
  bench_report_value ("flood-lost",
                      count_lost (observer, (guint64) n_rounds * PER_ROUND * N_THREADS));
  bench_observer_end (observer);
  return 0;
}
