/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the programs of "make bench" share: clocks, series of rounds and what is printed of them, payloads,
 * observers, and the sink. */

#pragma once

#include <lsobs/lsobs.h>

G_BEGIN_DECLS

/* What the programs trace with: batches of this many records. */
#define BENCH_BATCH 100

/* --- clocks, in nanoseconds --- */

gint64 bench_now (void);
gint64 bench_thread_cpu (void);
gint64 bench_process_cpu (void);

/* --- series --- */

/* The figures of several rounds, of which the median counts. */
typedef struct
{
  GArray *values; /* (owned) (element-type double) */
} BenchSeries;

void bench_series_init (BenchSeries *self);
void bench_series_clear (BenchSeries *self);
void bench_series_add (BenchSeries *self, double value);
double bench_series_get_share (const BenchSeries *self, double share);
double bench_series_get_median (const BenchSeries *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BenchSeries, bench_series_clear)

/* Prints one figure as a line of JSON: its id, the median, the lowest and the highest round; with a
 * control, the same of it, and the median of the ratios of each round. */
void bench_report (const char *id, const BenchSeries *figure, const BenchSeries *control);
void bench_report_value (const char *id, double value);

/* --- payloads --- */

char *bench_make_json (gsize size);
GBytes *bench_make_bytes (gsize size);
GBytes *bench_make_bytes_of (gsize size, guint32 seed);
JsonNode *bench_make_node (gsize size);

/* --- observers --- */

LsobsConfig *bench_config_new (const char *url);
LsobsObserver *bench_observer_new (LsobsConfig *config, LsobsTransport *transport);
LsobsObserver *bench_observer_new_null (void);
void bench_flush (LsobsObserver *observer);
void bench_observer_end (LsobsObserver *observer);
guint64 bench_count (LsobsObserver *observer, LsobsCounter counter);
guint64 bench_count_dropped (LsobsObserver *observer);

static inline void
bench_pair_bytes (LsobsObserver *observer, GBytes *inputs, GBytes *outputs)
{
  LsobsRun *run = lsobs_observer_start_run_bytes (observer, "run", LSOBS_RUN_TYPE_LLM, inputs);

  lsobs_run_end_bytes (run, outputs);
  lsobs_run_unref (run);
}

static inline void
bench_pair_node (LsobsObserver *observer, JsonNode *inputs, JsonNode *outputs)
{
  LsobsRun *run = lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_LLM, inputs);

  lsobs_run_end (run, outputs);
  lsobs_run_unref (run);
}

void bench_pair_with_notes (LsobsObserver *observer, GBytes *inputs, GBytes *outputs);

/* --- controls --- */

/* Four mallocs and a lock: what a small queue of a program costs at least. */
void bench_control_pair (void);
void bench_write_twice (JsonNode *inputs, JsonNode *outputs);

/* --- the sink --- */

typedef struct _BenchSink BenchSink;

typedef struct
{
  guint64 n_requests;
  guint64 n_connections;
  guint64 n_bytes;
  gint64 cpu; /* ns */
} BenchSinkStats;

BenchSink *bench_sink_new (guint delay_ms, gboolean zstd);
void bench_sink_free (BenchSink *self);
const char *bench_sink_get_url (BenchSink *self);
guint16 bench_sink_get_port (BenchSink *self);
void bench_sink_read (BenchSink *self, BenchSinkStats *stats);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BenchSink, bench_sink_free)

G_END_DECLS
