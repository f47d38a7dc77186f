/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What tracing a run costs the thread that calls: ready JSON, nodes beside json-glib on the same nodes,
 * and runs that are not sampled. A transport that does nothing takes the batches.
 *
 *   make bench/caller && bench/caller [ROUNDS] */

#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/bench-helpers.h"
#include "bench/null-transport.h"

/* How many bytes of payloads are in the queue before it is emptied, and are traced in a round. */
#define BURST_BYTES (1000 * 1000)
#define ROUND_BYTES (4 * 1000 * 1000)
#define MAX_BURST   1000

static guint n_rounds = 11;

typedef void (*PairFunc) (LsobsObserver *observer, gconstpointer payload);

static void
pair_ready (LsobsObserver *observer, gconstpointer payload)
{
  bench_pair_bytes (observer, (GBytes *) payload, (GBytes *) payload);
}

static void
pair_node (LsobsObserver *observer, gconstpointer payload)
{
  bench_pair_node (observer, (JsonNode *) payload, (JsonNode *) payload);
}

static void
pair_json_glib (LsobsObserver *observer G_GNUC_UNUSED, gconstpointer payload)
{
  bench_write_twice ((JsonNode *) payload, (JsonNode *) payload);
}

/* Returns: nanoseconds of this thread for each pair */
static double
time_pairs (LsobsObserver *observer, PairFunc func, gconstpointer payload, gsize size)
{
  guint burst = (guint) CLAMP (BURST_BYTES / (2 * size), 1, MAX_BURST);
  guint n = (guint) CLAMP (ROUND_BYTES / (2 * size), 2, 2 * MAX_BURST);
  gint64 sum = 0;
  guint done = 0;

  while (done < n)
    {
      gint64 start = bench_thread_cpu ();

      for (guint i = 0; i < burst; i++)
        func (observer, payload);
      sum += bench_thread_cpu () - start;
      done += burst;
      bench_flush (observer);
    }
  return (double) sum / done;
}

/* Row 2, and the ready JSON of the same size. */
static void
measure_nodes (LsobsObserver *observer, gsize size)
{
  g_autoptr (GBytes) bytes = bench_make_bytes (size);
  g_autoptr (JsonNode) node = bench_make_node (size);
  g_auto (BenchSeries) ready = { NULL };
  g_auto (BenchSeries) nodes = { NULL };
  g_auto (BenchSeries) written = { NULL };
  g_autofree char *ready_id = g_strdup_printf ("ready-cpu/%" G_GSIZE_FORMAT, size);
  g_autofree char *node_id = g_strdup_printf ("node-cpu/%" G_GSIZE_FORMAT, size);

  bench_series_init (&ready);
  bench_series_init (&nodes);
  bench_series_init (&written);
  for (guint round = 0; round <= n_rounds; round++)
    {
      double ns[3] = { time_pairs (observer, pair_ready, bytes, size),
                       time_pairs (observer, pair_node, node, size),
                       time_pairs (observer, pair_json_glib, node, size) };

      /* The first one fills caches and pools. */
      if (round == 0)
        continue;
      bench_series_add (&ready, ns[0]);
      bench_series_add (&nodes, ns[1]);
      bench_series_add (&written, ns[2]);
    }
  if (size <= 1000)
    bench_report (ready_id, &ready, NULL);
  bench_report (node_id, &nodes, &written);
}

#define N_TIMED 2000

/* Returns: the median of the nanoseconds that @func takes, without those of the clock */
static double
time_each (LsobsObserver *observer, PairFunc func, gconstpointer payload)
{
  g_auto (BenchSeries) clock = { NULL };
  g_auto (BenchSeries) pairs = { NULL };

  bench_series_init (&clock);
  bench_series_init (&pairs);
  for (guint i = 0; i < N_TIMED; i++)
    {
      gint64 start = bench_now ();
      gint64 middle = bench_now ();

      func (observer, payload);
      bench_series_add (&pairs, (double) (bench_now () - middle));
      bench_series_add (&clock, (double) (middle - start));
    }
  bench_flush (observer);
  return bench_series_get_median (&pairs) - bench_series_get_median (&clock);
}

static void
measure_p50 (LsobsObserver *observer, gsize size)
{
  g_autoptr (GBytes) bytes = bench_make_bytes (size);
  g_auto (BenchSeries) pairs = { NULL };
  g_autofree char *id = g_strdup_printf ("ready-p50/%" G_GSIZE_FORMAT, size);

  bench_series_init (&pairs);
  for (guint round = 0; round < n_rounds; round++)
    bench_series_add (&pairs, time_each (observer, pair_ready, bytes));
  bench_report (id, &pairs, NULL);
}

#define N_UNSAMPLED 20000

static void
measure_unsampled (void)
{
  LsobsConfig *config = bench_config_new (NULL);
  g_autoptr (GBytes) bytes = bench_make_bytes (1000);
  g_auto (BenchSeries) pairs = { NULL };
  LsobsObserver *observer;

  lsobs_config_set_sampling_rate (config, 0);
  observer = bench_observer_new (config, bench_null_transport_new ());
  bench_series_init (&pairs);
  for (guint round = 0; round < n_rounds; round++)
    {
      gint64 start = bench_thread_cpu ();

      for (guint i = 0; i < N_UNSAMPLED; i++)
        bench_pair_bytes (observer, bytes, bytes);
      bench_series_add (&pairs, (double) (bench_thread_cpu () - start) / N_UNSAMPLED);
    }
  bench_report ("unsampled-cpu", &pairs, NULL);
  bench_observer_end (observer);
}

int
main (int argc, char **argv)
{
  static const gsize ready_sizes[] = { 100, 1000, 10000 };
  static const gsize node_sizes[] = { 100, 1000, 10000, 100000, 1000000 };
  LsobsObserver *observer = bench_observer_new_null ();

  if (argc > 1)
    n_rounds = (guint) MAX (atoi (argv[1]), 1);
  for (guint i = 0; i < G_N_ELEMENTS (ready_sizes); i++)
    measure_p50 (observer, ready_sizes[i]);
  for (guint i = 0; i < G_N_ELEMENTS (node_sizes); i++)
    measure_nodes (observer, node_sizes[i]);
  bench_observer_end (observer);
  measure_unsampled ();
  return 0;
}
