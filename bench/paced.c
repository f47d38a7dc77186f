/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How long the slowest of a hundred pairs takes if a program makes 1000 of them in a second, as an agent
 * does, and lsobs sends them meanwhile; beside four mallocs and a lock, halfway between two pairs.
 *
 *   make bench/sink bench/paced && bench/paced [ROUNDS] */

#include "config.h"

#include <stdlib.h>
#include <time.h>

#include "bench/bench-helpers.h"

#define N_PAIRS 1500
#define STEP_NS (500 * 1000)

static void
sleep_until (gint64 time)
{
  struct timespec until = { time / 1000000000, time % 1000000000 };

  while (clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
    ;
}

int
main (int argc, char **argv)
{
  guint n_rounds = argc > 1 ? (guint) MAX (atoi (argv[1]), 1) : 5;
  g_autoptr (BenchSink) sink = bench_sink_new (0, FALSE);
  LsobsConfig *config = bench_config_new (bench_sink_get_url (sink));
  g_autoptr (GBytes) bytes = bench_make_bytes (1000);
  g_auto (BenchSeries) p99 = { NULL };
  g_auto (BenchSeries) control_p99 = { NULL };
  g_auto (BenchSeries) p50 = { NULL };
  LsobsObserver *observer;

  /* as a program has it that sets nothing */
  lsobs_config_set_flush_interval (config, 2000);
  observer = bench_observer_new (config, NULL);
  bench_series_init (&p99);
  bench_series_init (&control_p99);
  bench_series_init (&p50);
  for (guint i = 0; i < 2 * BENCH_BATCH; i++)
    bench_pair_bytes (observer, bytes, bytes);
  bench_flush (observer);
  for (guint round = 0; round < n_rounds; round++)
    {
      g_auto (BenchSeries) pairs = { NULL };
      g_auto (BenchSeries) controls = { NULL };
      gint64 next = bench_now ();

      bench_series_init (&pairs);
      bench_series_init (&controls);
      for (guint i = 0; i < N_PAIRS; i++)
        {
          gint64 start;

          sleep_until (next += STEP_NS);
          start = bench_now ();
          bench_pair_bytes (observer, bytes, bytes);
          bench_series_add (&pairs, (double) (bench_now () - start));
          sleep_until (next += STEP_NS);
          start = bench_now ();
          bench_control_pair ();
          bench_series_add (&controls, (double) (bench_now () - start));
        }
      bench_series_add (&p99, bench_series_get_share (&pairs, 0.99));
      bench_series_add (&control_p99, bench_series_get_share (&controls, 0.99));
      bench_series_add (&p50, bench_series_get_median (&pairs));
    }
  bench_report ("paced-p99", &p99, &control_p99);
  bench_report ("paced-p50", &p50, NULL);
  bench_observer_end (observer);
  return 0;
}
