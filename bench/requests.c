/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How many requests and connections short runs take, and what lsobs does when there is nothing to do.
 *
 *   make bench/sink bench/requests && bench/requests */

#include "config.h"

#include <string.h>
#include <unistd.h>

#include "bench/bench-helpers.h"

#define N_RUNS   4000
#define SETTLE_S 1
#define IDLE_S   3

/* All that the sink has seen of an observer, the question of what it takes included. */
static void
measure_requests (guint in_flight)
{
  g_autoptr (BenchSink) sink = bench_sink_new (0, FALSE);
  LsobsConfig *config = bench_config_new (bench_sink_get_url (sink));
  g_autoptr (GBytes) bytes = bench_make_bytes (100);
  g_autofree char *requests_id = g_strdup_printf ("requests/%u", in_flight);
  g_autofree char *connections_id = g_strdup_printf ("connections/%u", in_flight);
  LsobsObserver *observer;
  BenchSinkStats stats;

  lsobs_config_set_max_in_flight (config, in_flight);
  observer = bench_observer_new (config, NULL);
  for (guint i = 0; i < N_RUNS; i++)
    bench_pair_bytes (observer, bytes, bytes);
  bench_flush (observer);
  g_assert_cmpuint (bench_count_dropped (observer), ==, 0);
  bench_sink_read (sink, &stats);
  bench_report_value (requests_id, (double) stats.n_requests * 1000 / N_RUNS);
  bench_report_value (connections_id, (double) stats.n_connections);
  bench_observer_end (observer);
}

/* --- idle --- */

/* @n_switches: (out): how often the threads but this one have begun to wait
 * Returns: the number of threads */
static guint
read_threads (guint64 *n_switches)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  g_autofree char *self = g_strdup_printf ("%d", gettid ());
  const char *task;
  guint n = 0;

  *n_switches = 0;
  while ((task = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_strdup_printf ("/proc/self/task/%s/status", task);
      g_autofree char *text = NULL;
      const char *line;

      n++;
      if (strcmp (task, self) == 0 || !g_file_get_contents (path, &text, NULL, NULL))
        continue;
      line = strstr (text, "\nvoluntary_ctxt_switches:");
      g_assert_nonnull (line);
      *n_switches += g_ascii_strtoull (strchr (line, ':') + 1, NULL, 10);
    }
  return n;
}

static void
measure_idle (void)
{
  g_autoptr (BenchSink) sink = bench_sink_new (0, FALSE);
  LsobsConfig *config = bench_config_new (bench_sink_get_url (sink));
  g_autoptr (GBytes) bytes = bench_make_bytes (100);
  LsobsObserver *observer;
  guint64 before;
  guint64 after;
  guint n_threads = read_threads (&before);

  lsobs_config_set_flush_interval (config, 2000);
  observer = bench_observer_new (config, NULL);
  bench_report_value ("idle-threads", (double) read_threads (&after) - n_threads);
  bench_pair_bytes (observer, bytes, bytes);
  bench_flush (observer);
  g_usleep (SETTLE_S * G_USEC_PER_SEC);
  read_threads (&before);
  g_usleep (IDLE_S * G_USEC_PER_SEC);
  read_threads (&after);
  bench_report_value ("idle-wakes", (double) (after - before));
  bench_observer_end (observer);
}

int
main (void)
{
  measure_requests (1);
  measure_requests (4);
  measure_idle ();
  return 0;
}
