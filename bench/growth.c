/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How costs grow: for each axis the cost at several sizes, and the exponent of the power of the size that
 * fits best, which is the slope of a line through the logarithms: 0 is flat, 1 linear, 2 quadratic.
 *
 *   make bench/growth && bench/growth [--long]
 *
 * With --long, the axes are as long as they are in the worst programs. */

#include "config.h"

#include <math.h>
#include <string.h>

#include "bench/bench-helpers.h"
#include "bench/null-transport.h"

#define N_ROUNDS 5
#define MAX_AXIS 8

static gboolean is_long;

/* Returns: what work of this size costs, in ns; what it is divided by depends on the axis */
typedef double (*CostFunc) (LsobsObserver *observer, guint size);

/* --- the axes --- */

/* The whole process, for runs that are not all in the queue at a time. */
static double
cost_of_runs (LsobsObserver *observer, guint n)
{
  g_autoptr (GBytes) bytes = bench_make_bytes (100);
  gint64 start = bench_process_cpu ();

  for (guint i = 0; i < n; i++)
    {
      bench_pair_bytes (observer, bytes, bytes);
      if (i % 10000 == 9999)
        bench_flush (observer);
    }
  bench_flush (observer);
  return (double) (bench_process_cpu () - start);
}

#define SIZE_BYTES (4 * 1000 * 1000)
#define MAX_PAIRS  1000

static guint
get_n_pairs (guint size)
{
  return (guint) CLAMP (SIZE_BYTES / size, 3, MAX_PAIRS);
}

static double
cost_of_ready_size (LsobsObserver *observer, guint size)
{
  g_autoptr (GBytes) bytes = bench_make_bytes (size);
  guint n = size > 1000000 ? 20 : 200;
  gint64 cost;
  gint64 start = bench_thread_cpu ();

  for (guint i = 0; i < n; i++)
    bench_pair_bytes (observer, bytes, bytes);
  cost = bench_thread_cpu () - start;
  bench_flush (observer);
  return (double) cost / n;
}

static double
cost_of_node_size (LsobsObserver *observer, guint size)
{
  g_autoptr (JsonNode) node = bench_make_node (size);
  guint n = get_n_pairs (size);
  gint64 sum = 0;

  for (guint i = 0; i < n; i++)
    {
      gint64 start = bench_thread_cpu ();

      bench_pair_node (observer, node, node);
      sum += bench_thread_cpu () - start;
      if (size > 10000 || i % 50 == 49)
        bench_flush (observer);
    }
  bench_flush (observer);
  return (double) sum / n;
}

static double
cost_of_json_glib (LsobsObserver *observer G_GNUC_UNUSED, guint size)
{
  g_autoptr (JsonNode) node = bench_make_node (size);
  guint n = get_n_pairs (size);
  gint64 start = bench_thread_cpu ();

  for (guint i = 0; i < n; i++)
    bench_write_twice (node, node);
  return (double) (bench_thread_cpu () - start) / n;
}

typedef struct
{
  LsobsObserver *observer; /* (unowned) (nullable): NULL for the control */
  GBytes *bytes;           /* (unowned) */
  guint n;
  gint64 cpu;
} Producer;

static gpointer
producer_thread (gpointer data)
{
  Producer *self = data;
  gint64 start = bench_thread_cpu ();

  for (guint i = 0; i < self->n; i++)
    if (self->observer != NULL)
      bench_pair_bytes (self->observer, self->bytes, self->bytes);
    else
      bench_control_pair ();
  self->cpu = bench_thread_cpu () - start;
  return NULL;
}

#define PAIRS_OF_THREADS 40000

static double
run_producers (LsobsObserver *observer, guint n)
{
  g_autoptr (GBytes) bytes = bench_make_bytes (100);
  Producer producers[MAX_AXIS];
  GThread *threads[MAX_AXIS];
  gint64 sum = 0;

  for (guint i = 0; i < n; i++)
    {
      producers[i] = (Producer){ observer, bytes, PAIRS_OF_THREADS / n, 0 };
      threads[i] = g_thread_new ("producer", producer_thread, &producers[i]);
    }
  for (guint i = 0; i < n; i++)
    {
      g_thread_join (threads[i]);
      sum += producers[i].cpu;
    }
  return (double) sum / PAIRS_OF_THREADS;
}

static double
cost_of_threads (LsobsObserver *observer, guint n)
{
  double cost = run_producers (observer, n);

  bench_flush (observer);
  return cost;
}

static double
cost_of_control_threads (LsobsObserver *observer G_GNUC_UNUSED, guint n)
{
  return run_producers (NULL, n);
}

#define RUNS_OF_CHAINS 2000

/* Returns: the bytes of the dotted order, which are what the depth adds to the text of a chain, and of a
 * run without it, about */
static double
trace_chain (LsobsObserver *observer, guint depth, GBytes *bytes)
{
  g_autoptr (GPtrArray) runs = g_ptr_array_new_with_free_func ((GDestroyNotify) lsobs_run_unref);
  double text = 0;

  for (guint i = 0; i < depth; i++)
    {
      g_ptr_array_add (runs,
                       i == 0 ? lsobs_observer_start_run_bytes (observer, "run",
                                                                LSOBS_RUN_TYPE_CHAIN, bytes)
                              : lsobs_run_start_child_bytes (g_ptr_array_index (runs, i - 1), "run",
                                                             LSOBS_RUN_TYPE_CHAIN, bytes));
      text += 600 + 59.0 * (i + 1);
    }
  for (guint i = depth; i > 0; i--)
    lsobs_run_end_bytes (g_ptr_array_index (runs, i - 1), bytes);
  return text;
}

/* The whole process, for each byte of the text. */
static double
cost_of_depth (LsobsObserver *observer, guint depth)
{
  g_autoptr (GBytes) bytes = bench_make_bytes (100);
  double text = 0;
  gint64 start = bench_process_cpu ();

  for (guint i = 0; i < RUNS_OF_CHAINS; i += depth)
    text += trace_chain (observer, depth, bytes);
  bench_flush (observer);
  return (double) (bench_process_cpu () - start) / text;
}

/* The whole process, for a run with so many children, all open at a time. */
static double
cost_of_width (LsobsObserver *observer, guint n)
{
  g_autoptr (GBytes) bytes = bench_make_bytes (100);
  g_autoptr (GPtrArray) children =
      g_ptr_array_new_with_free_func ((GDestroyNotify) lsobs_run_unref);
  gint64 start = bench_process_cpu ();
  LsobsRun *root = lsobs_observer_start_run_bytes (observer, "root", LSOBS_RUN_TYPE_CHAIN, bytes);

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (children,
                     lsobs_run_start_child_bytes (root, "child", LSOBS_RUN_TYPE_TOOL, bytes));
  for (guint i = 0; i < n; i++)
    lsobs_run_end_bytes (g_ptr_array_index (children, i), bytes);
  lsobs_run_end_bytes (root, bytes);
  lsobs_run_unref (root);
  bench_flush (observer);
  return (double) (bench_process_cpu () - start);
}

#define NOTES_OF_ROUND 4000

typedef void (*NoteFunc) (LsobsRun *run, const char *text);

static void
note_metadata (LsobsRun *run, const char *text)
{
  lsobs_run_set_metadata_string (run, text, "value");
}

/* The thread that calls, for a run with so many notes. */
static double
time_notes (LsobsObserver *observer, guint n, NoteFunc func)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  gint64 sum = 0;
  guint n_runs = NOTES_OF_ROUND / n;

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (names, g_strdup_printf ("name-%u", i));
  for (guint round = 0; round < n_runs; round++)
    {
      LsobsRun *run = lsobs_observer_start_run_bytes (observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
      gint64 start = bench_thread_cpu ();

      for (guint i = 0; i < n; i++)
        func (run, g_ptr_array_index (names, i));
      sum += bench_thread_cpu () - start;
      lsobs_run_end_bytes (run, NULL);
      lsobs_run_unref (run);
    }
  bench_flush (observer);
  return (double) sum / n_runs;
}

static double
cost_of_metadata (LsobsObserver *observer, guint n)
{
  return time_notes (observer, n, note_metadata);
}

static double
cost_of_tags (LsobsObserver *observer, guint n)
{
  return time_notes (observer, n, lsobs_run_add_tag);
}

/* --- the fit --- */

typedef struct
{
  const char *name;
  CostFunc func;
  guint sizes[MAX_AXIS]; /* 0: the end */
  guint n_long;          /* how many of them are for --long only */
} Axis;

static const Axis axes[] = {
  { "runs", cost_of_runs, { 1000, 10000, 100000, 1000000 }, 1 },
  { "ready-size", cost_of_ready_size, { 100, 1000, 10000, 100000, 1000000, 10000000 }, 1 },
  { "node-size", cost_of_node_size, { 100, 1000, 10000, 100000, 1000000, 10000000 }, 1 },
  { "json-glib-size", cost_of_json_glib, { 100, 1000, 10000, 100000, 1000000, 10000000 }, 1 },
  { "threads", cost_of_threads, { 1, 2, 4, 8 }, 1 },
  { "control-threads", cost_of_control_threads, { 1, 2, 4, 8 }, 1 },
  { "depth", cost_of_depth, { 1, 10, 100, 1000 }, 0 },
  { "width", cost_of_width, { 100, 1000, 10000, 25000 }, 1 },
  { "metadata", cost_of_metadata, { 10, 100, 1000 }, 0 },
  { "tags", cost_of_tags, { 10, 100, 1000 }, 0 },
};

static void
measure (const Axis *axis)
{
  g_autofree char *id = g_strconcat ("growth/", axis->name, NULL);
  BenchSeries costs[MAX_AXIS];
  guint n = 0;
  double sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0;
  LsobsObserver *observer = bench_observer_new_null ();

  while (n < MAX_AXIS && axis->sizes[n] != 0)
    n++;
  n -= is_long ? 0 : axis->n_long;
  for (guint i = 0; i < n; i++)
    bench_series_init (&costs[i]);
  /* The first one fills caches and pools. */
  for (guint round = 0; round <= N_ROUNDS; round++)
    for (guint i = 0; i < n; i++)
      {
        double cost = axis->func (observer, axis->sizes[i]);

        if (round > 0)
          bench_series_add (&costs[i], cost);
      }
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *point = g_strdup_printf ("point/%s/%u", axis->name, axis->sizes[i]);
      double x = log (axis->sizes[i]);
      double y = log (bench_series_get_median (&costs[i]));

      bench_report (point, &costs[i], NULL);
      sum_x += x;
      sum_y += y;
      sum_xx += x * x;
      sum_xy += x * y;
      bench_series_clear (&costs[i]);
    }
  bench_report_value (id, (n * sum_xy - sum_x * sum_y) / (n * sum_xx - sum_x * sum_x));
  bench_observer_end (observer);
}

int
main (int argc, char **argv)
{
  is_long = argc > 1 && strcmp (argv[1], "--long") == 0;
  for (guint i = 0; i < G_N_ELEMENTS (axes); i++)
    measure (&axes[i]);
  return 0;
}
