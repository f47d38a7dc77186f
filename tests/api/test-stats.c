/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <lsobs/lsobs.h>

#include "tests/lib/test-utils.h"

/* Everything happens in a context that nobody runs but the flush: what is counted
 * is the same each time. */
typedef struct
{
  GMainContext *context;
  LsobsConfig *config;
  LsobsMemoryTransport *transport;
  LsobsObserver *observer;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->context = g_main_context_new ();
  fixture->config = lsobs_config_new (NULL, NULL);
  lsobs_config_set_flush_interval (fixture->config, TEST_NEVER_MS);
  fixture->transport = lsobs_memory_transport_new ();
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_object (&fixture->observer);
  g_object_unref (fixture->config);
  g_object_unref (fixture->transport);
  g_main_context_unref (fixture->context);
}

static void
start (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  fixture->observer =
      g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error, "config", fixture->config, "transport",
                      fixture->transport, "main-context", fixture->context, NULL);
  g_assert_no_error (error);
}

static void
run_one (Fixture *fixture)
{
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);

  lsobs_run_end (run, NULL);
}

static gboolean
flush (Fixture *fixture)
{
  return lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, NULL, NULL);
}

static void
assert_books (LsobsStats *stats)
{
  guint64 total = 0;

  for (guint i = LSOBS_DROP_REASON_QUEUE_FULL; i <= LSOBS_DROP_REASON_FORK; i++)
    total += lsobs_stats_get_dropped (stats, (LsobsDropReason) i);
  g_assert_cmpuint (lsobs_stats_get_total_dropped (stats), ==, total);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED), ==,
                    lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED) +
                        lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED) +
                        lsobs_stats_get (stats, LSOBS_COUNTER_IN_FLIGHT) + total);
}

static void
assert_text (Fixture *fixture, const char *expected)
{
  g_autoptr (LsobsStats) stats = lsobs_observer_dup_stats (fixture->observer);
  g_autofree char *text = lsobs_stats_to_string (stats);

  g_assert_cmpstr (text, ==, expected);
  assert_books (stats);
}

static void
test_fresh (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GEnumClass) counters = g_type_class_ref (LSOBS_TYPE_COUNTER);
  g_autoptr (GEnumClass) reasons = g_type_class_ref (LSOBS_TYPE_DROP_REASON);
  g_autoptr (LsobsStats) stats = NULL;

  start (fixture);
  stats = lsobs_observer_dup_stats (fixture->observer);
  for (guint i = 0; i < counters->n_values; i++)
    g_assert_cmpuint (lsobs_stats_get (stats, (LsobsCounter) i), ==, 0);
  for (guint i = 0; i < reasons->n_values; i++)
    g_assert_cmpuint (lsobs_stats_get_dropped (stats, (LsobsDropReason) i), ==, 0);
  assert_text (fixture, "");
}

static void
test_way_of_a_run (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsStats) before = NULL;
  g_autoptr (LsobsStats) after = NULL;

  start (fixture);
  run_one (fixture);
  run_one (fixture);
  before = lsobs_observer_dup_stats (fixture->observer);
  g_assert_cmpuint (lsobs_stats_get (before, LSOBS_COUNTER_ENQUEUED), ==, 2);
  g_assert_cmpuint (lsobs_stats_get (before, LSOBS_COUNTER_MERGED), ==, 2);
  g_assert_cmpuint (lsobs_stats_get (before, LSOBS_COUNTER_QUEUED), ==, 2);
  g_assert_cmpuint (lsobs_stats_get (before, LSOBS_COUNTER_QUEUED_BYTES), >, 100);
  assert_books (before);
  g_assert_true (flush (fixture));
  assert_text (fixture, "enqueued=2 delivered=2 merged=2 batches=1");

  /* A snapshot stays what it was. */
  g_assert_cmpuint (lsobs_stats_get (before, LSOBS_COUNTER_QUEUED), ==, 2);
  g_assert_cmpuint (lsobs_stats_get (before, LSOBS_COUNTER_DELIVERED), ==, 0);
  after = lsobs_observer_dup_stats (fixture->observer);
  g_clear_object (&fixture->observer);
  g_assert_cmpuint (lsobs_stats_get (after, LSOBS_COUNTER_DELIVERED), ==, 2);
}

static void
test_references (Fixture *fixture, gconstpointer data)
{
  LsobsStats *stats;
  LsobsStats *boxed;

  start (fixture);
  run_one (fixture);
  stats = lsobs_observer_dup_stats (fixture->observer);
  g_assert_true (lsobs_stats_ref (stats) == stats);
  boxed = g_boxed_copy (LSOBS_TYPE_STATS, stats);
  lsobs_stats_unref (stats);
  lsobs_stats_unref (stats);
  g_assert_cmpuint (lsobs_stats_get (boxed, LSOBS_COUNTER_ENQUEUED), ==, 1);
  g_boxed_free (LSOBS_TYPE_STATS, boxed);
}

static void
test_out_of_range (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GEnumClass) counters = g_type_class_ref (LSOBS_TYPE_COUNTER);
  g_autoptr (LsobsStats) stats = NULL;

  start (fixture);
  stats = lsobs_observer_dup_stats (fixture->observer);
  g_test_expect_message ("Lsobs", G_LOG_LEVEL_CRITICAL, "*counter*");
  g_assert_cmpuint (lsobs_stats_get (stats, (LsobsCounter) (counters->maximum + 1)), ==, 0);
  g_test_assert_expected_messages ();
  g_test_expect_message ("Lsobs", G_LOG_LEVEL_CRITICAL, "*reason*");
  g_assert_cmpuint (lsobs_stats_get_dropped (stats, (LsobsDropReason) -1), ==, 0);
  g_test_assert_expected_messages ();
}

/* Counters of what happens before the queue */

static void
test_payloads (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GBytes) bad = g_bytes_new_static ("{ not JSON", 10);
  g_autoptr (GBytes) large = g_bytes_new_take (g_strnfill (5000, '1'), 5000);
  g_autoptr (LsobsRun) run = NULL;

  lsobs_config_set_max_queue_bytes (fixture->config, 4096);
  start (fixture);
  run = lsobs_observer_start_run_bytes (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, bad);
  lsobs_run_end_bytes (run, large);
  g_assert_true (flush (fixture));
  assert_text (fixture, "enqueued=1 delivered=1 merged=1 bad-payloads=1 cut-payloads=1 batches=1");
}

static void
test_late (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;

  start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_end (run, NULL);
  lsobs_run_end (run, NULL);
  lsobs_run_fail_with_message (run, "too late");
  lsobs_run_add_tag (run, "late");
  g_assert_true (flush (fixture));
  assert_text (fixture, "enqueued=1 delivered=1 merged=1 late-updates=3 batches=1");
}

static void
test_unsampled (Fixture *fixture, gconstpointer data)
{
  lsobs_config_set_sampling_rate (fixture->config, 0.0);
  start (fixture);
  run_one (fixture);
  g_assert_true (flush (fixture));
  assert_text (fixture, "unsampled=1");
}

static void
test_redaction_failure (Fixture *fixture, gconstpointer data)
{
  g_autofree char *text = g_strnfill (5000, 'a');
  g_autofree char *message = g_strconcat (text, "b", NULL);
  g_autoptr (LsobsRun) run = NULL;

  lsobs_config_set_redact_regex (fixture->config, "(a+)+$");
  start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_fail_with_message (run, message);
  g_assert_true (flush (fixture));
  assert_text (fixture, "enqueued=1 delivered=1 merged=1 redaction-failures=1 batches=1");
}

/* Each way to lose a record has its reason */

static void
test_queue_full (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) lost = NULL;
  g_autoptr (LsobsStats) before = NULL;
  LsobsFlushStats stats;

  lsobs_config_set_queue_capacity (fixture->config, 1);
  start (fixture);
  lost = lsobs_observer_start_run (fixture->observer, "lost", LSOBS_RUN_TYPE_CHAIN, NULL);
  run_one (fixture);
  before = lsobs_observer_dup_stats (fixture->observer);
  g_assert_cmpuint (lsobs_stats_get (before, LSOBS_COUNTER_QUEUED), ==, 1);
  g_assert_cmpuint (lsobs_stats_get_dropped (before, LSOBS_DROP_REASON_QUEUE_FULL), ==, 1);
  assert_books (before);
  g_assert_true (lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, &stats, NULL));
  g_assert_cmpuint (stats.dropped_events, ==, 1);
  /* The end of it comes through. */
  lsobs_run_end (lost, NULL);
  g_assert_true (flush (fixture));
  assert_text (fixture,
               "enqueued=3 delivered=2 merged=1 promoted=1 batches=2 dropped-queue-full=1");
}

static void
test_queue_bytes (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GBytes) inputs = g_bytes_new_take (g_strnfill (2500, '1'), 2500);

  lsobs_config_set_max_queue_bytes (fixture->config, 4096);
  start (fixture);
  for (guint i = 0; i < 3; i++)
    lsobs_run_unref (
        lsobs_observer_start_run_bytes (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, inputs));
  g_assert_true (flush (fixture));
  assert_text (fixture, "enqueued=3 delivered=1 batches=1 dropped-queue-bytes=2");
}

static void
test_shutdown (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;

  start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_assert_true (lsobs_observer_shutdown (fixture->observer, TEST_TIMEOUT_MS, NULL, NULL));
  run_one (fixture);
  lsobs_run_end (run, NULL);
  assert_text (fixture, "enqueued=4 delivered=1 batches=1 dropped-shutdown=3");
}

typedef struct
{
  const char *path;
  LsobsError code;
  guint n_failures;
  const char *expected;
} LossRow;

static const LossRow loss_rows[] = {
  { "rejected", LSOBS_ERROR_REJECTED, 1, "enqueued=1 merged=1 dropped-rejected=1" },
  /* Without its payloads it is tried once more. */
  { "too-large", LSOBS_ERROR_TOO_LARGE, 2,
    "enqueued=1 merged=1 cut-payloads=1 dropped-too-large=1" },
  { "unauthorized", LSOBS_ERROR_UNAUTHORIZED, 1, "enqueued=1 merged=1 dropped-unauthorized=1" },
  { "quota", LSOBS_ERROR_QUOTA, 1, "enqueued=1 merged=1 dropped-quota=1" },
  { "not-found", LSOBS_ERROR_NOT_FOUND, 1, "enqueued=1 merged=1 dropped-wrong-address=1" },
  { "redirected", LSOBS_ERROR_REDIRECTED, 1, NULL },
  { "foreign", LSOBS_ERROR_FOREIGN, 1, NULL },
  { "unavailable", LSOBS_ERROR_UNAVAILABLE, 1, NULL },
  { "unreachable", LSOBS_ERROR_UNREACHABLE, 1, NULL },
  { "conflict", LSOBS_ERROR_CONFLICT, 1, "enqueued=1 delivered=1 merged=1 batches=1" },
};

static void
test_loss (Fixture *fixture, gconstpointer data)
{
  const LossRow *row = data;
  g_autoptr (GError) failure = g_error_new_literal (LSOBS_ERROR, (int) row->code, "on command");
  g_autoptr (GBytes) inputs = g_bytes_new_static ("{}", 2);
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;
  gboolean delivered = row->code == LSOBS_ERROR_CONFLICT;
  guint n_lost = delivered || row->expected == NULL ? 0 : 1;

  start (fixture);
  lsobs_memory_transport_fail_next (fixture->transport, row->n_failures, failure);
  run = lsobs_observer_start_run_bytes (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, inputs);
  lsobs_run_end (run, NULL);
  g_assert_cmpint (lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, &stats, &error), ==,
                   delivered);
  if (!delivered)
    {
      g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
      g_assert_cmpuint (lsobs_flush_error_get_dropped (error), ==, n_lost);
      g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, 1 - n_lost);
      g_assert_nonnull (strstr (error->message, "on command"));
    }
  g_assert_cmpuint (stats.runs_failed, ==, n_lost);
  g_assert_cmpuint (stats.runs_flushed, ==, delivered ? 1 : 0);
  g_assert_cmpuint (stats.dropped_events, ==, 0);
  if (row->expected != NULL)
    {
      assert_text (fixture, row->expected);
      return;
    }
  /* It is kept, and delivered in the end. */
  g_assert_true (lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, NULL, NULL));
  assert_text (fixture, "enqueued=1 delivered=1 merged=1 batches=1");
}

static void
test_flush_stats (void)
{
  const LsobsFlushStats stats = { 1, 2, 3, 4, 5, { 0 } };
  g_autoptr (LsobsFlushStats) copy = lsobs_flush_stats_copy (&stats);
  LsobsFlushStats *boxed = g_boxed_copy (LSOBS_TYPE_FLUSH_STATS, copy);

  g_assert_cmpmem (copy, sizeof *copy, &stats, sizeof stats);
  g_assert_cmpmem (boxed, sizeof *boxed, &stats, sizeof stats);
  g_boxed_free (LSOBS_TYPE_FLUSH_STATS, boxed);
  lsobs_flush_stats_free (NULL);
}

static void
test_flush_nothing (Fixture *fixture, gconstpointer data)
{
  const LsobsFlushStats zeros = { 0 };
  LsobsFlushStats stats;

  start (fixture);
  memset (&stats, 0xff, sizeof stats);
  g_assert_true (lsobs_observer_flush (fixture->observer, 0, &stats, NULL));
  g_assert_cmpmem (&stats, sizeof stats, &zeros, sizeof zeros);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define ADD(path, data, func) g_test_add (path, Fixture, data, set_up, func, tear_down)
  ADD ("/stats/fresh", NULL, test_fresh);
  ADD ("/stats/way-of-a-run", NULL, test_way_of_a_run);
  ADD ("/stats/references", NULL, test_references);
  ADD ("/stats/out-of-range", NULL, test_out_of_range);
  ADD ("/stats/payloads", NULL, test_payloads);
  ADD ("/stats/late", NULL, test_late);
  ADD ("/stats/unsampled", NULL, test_unsampled);
  ADD ("/stats/redaction-failure", NULL, test_redaction_failure);
  ADD ("/stats/dropped/queue-full", NULL, test_queue_full);
  ADD ("/stats/dropped/queue-bytes", NULL, test_queue_bytes);
  ADD ("/stats/dropped/shutdown", NULL, test_shutdown);
  for (guint i = 0; i < G_N_ELEMENTS (loss_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/stats/dropped/", loss_rows[i].path, NULL);

      ADD (path, &loss_rows[i], test_loss);
    }
  g_test_add_func ("/stats/flush/struct", test_flush_stats);
  ADD ("/stats/flush/nothing", NULL, test_flush_nothing);

  return g_test_run ();
}
