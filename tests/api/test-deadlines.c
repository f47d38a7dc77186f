/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever goes wrong: flush and shutdown return in time, each record has an outcome then, and what they
 * report is what the counters say. The last unref does not wait, and each record has an outcome in
 * time. */

#include "config.h"

#include <time.h>

#include "tests/lib/deadline-helpers.h"
#include "tests/lib/failed-traces-helpers.h"

/* A short time: all that is tested comes after it. */
#define LIMIT_MS 30

/* The shutdown timeout of an observer that is dropped: to tell that nobody waits for it. */
#define UNREF_MS 100

/* How much later all records have an outcome. */
#define UNREF_SLACK_MS 1000

/* --- how busy the machine is --------------------------------------------------------------- */

/* A call must return within ten times its deadline, which is a short time: less than a process waits
 * for the processor beside many others. A control thread does, at the same time, what the thread of
 * lsobs and the waiting one do at least: it needs some time of the processor, and hands over to
 * another thread. How long that takes is the delay of the machine: a call whose deadline is shorter
 * has ten times this instead. Chance may be kinder to the control than to the call: a call that is
 * late is made again, a few times. One that is always late by something of its own never passes. */
#define N_TRIES     8
#define CONTROL_MS  5
#define N_HANDOVERS 4

static void
use_processor (guint ms)
{
  struct timespec began, now;

  g_assert_cmpint (clock_gettime (CLOCK_THREAD_CPUTIME_ID, &began), ==, 0);
  do
    clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  while ((now.tv_sec - began.tv_sec) * 1000 + (now.tv_nsec - began.tv_nsec) / 1000000 < (long) ms);
}

static gpointer
hand_over_thread (gpointer data G_GNUC_UNUSED)
{
  use_processor (CONTROL_MS / N_HANDOVERS);
  return NULL;
}

/* Returns: the delay in ms */
static gpointer
control_thread (gpointer data G_GNUC_UNUSED)
{
  gint64 began = g_get_monotonic_time ();

  for (guint i = 0; i < N_HANDOVERS; i++)
    {
      use_processor (CONTROL_MS / N_HANDOVERS);
      g_thread_join (g_thread_new ("control", hand_over_thread, NULL));
    }
  return GINT_TO_POINTER (test_get_elapsed_ms (began));
}

/* Runs the call. Returns: the delay of the machine meanwhile, in ms */
static gint64
run_with_control (const DeadlineRow *row, const DeadlineCall *call, DeadlineReport *report)
{
  GThread *control = g_thread_new ("control", control_thread, NULL);

  deadline_run (row, call, report);
  return GPOINTER_TO_INT (g_thread_join (control));
}

static gboolean
is_in_time (const DeadlineCall *call, const DeadlineReport *report, gint64 delay)
{
  g_test_message (
      "the call took %d ms, records had outcomes after %d ms, the machine's delay was %d ms",
      (int) report->elapsed_ms, (int) report->outcome_ms, (int) delay);
  /* What checks every access to memory slows down encoding and compression by more than that. */
  if (test_is_instrumented ())
    delay += test_get_slack_ms ();
  if (call->kind == DEADLINE_UNREF)
    return report->elapsed_ms <= MAX (call->timeout / 2, delay) && report->outcome_ms >= 0 &&
           report->outcome_ms <= call->timeout + UNREF_SLACK_MS + 10 * delay;
  return report->elapsed_ms <= 10 * MAX (call->timeout, delay);
}

/* --- faults -------------------------------------------------------------------------------- */

/* Without the limit, a fault lasts for ever. A slow redaction function is tested below. */
static void
assert_call (const DeadlineRow *row, DeadlineKind kind, gboolean in_loop)
{
  const DeadlineCall call = { .kind = kind,
                              .in_loop = in_loop,
                              .timeout = kind == DEADLINE_UNREF ? UNREF_MS : LIMIT_MS,
                              .n_runs = 40,
                              .request_timeout = TEST_NEVER_MS };
  gboolean in_time = FALSE;

  for (guint i = 0; i < N_TRIES && !in_time; i++)
    {
      g_auto (DeadlineReport) report = { 0 };
      gint64 delay = run_with_control (row, &call, &report);

      g_assert_cmpuint (report.n_before, >=, 40);
      g_assert_true (deadline_report_has_outcomes (&report, &call));
      g_assert_true (deadline_report_agrees (&report, &call));
      g_assert_cmpint (report.thread_ms, >=, 0);
      in_time = is_in_time (&call, &report, delay);
    }
  g_assert_true (in_time);
}

static void
test_flush (gconstpointer data)
{
  assert_call (data, DEADLINE_FLUSH, FALSE);
}

static void
test_flush_in_loop (gconstpointer data)
{
  assert_call (data, DEADLINE_FLUSH, TRUE);
}

static void
test_shutdown (gconstpointer data)
{
  assert_call (data, DEADLINE_SHUTDOWN, FALSE);
}

static void
test_shutdown_in_loop (gconstpointer data)
{
  assert_call (data, DEADLINE_SHUTDOWN, TRUE);
}

static void
test_unref (gconstpointer data)
{
  assert_call (data, DEADLINE_UNREF, FALSE);
}

static void
test_unref_in_loop (gconstpointer data)
{
  assert_call (data, DEADLINE_UNREF, TRUE);
}

/* --- a function of the program that takes its time ----------------------------------------- */

typedef struct
{
  TestFixture base;
  char *dir;   /* (owned) */
  GMutex lock; /* guards all below; of cond */
  GCond cond;
  guint n_calls;
  gboolean may_return;
  gint64 first_ms; /* the first call takes at least as long */
  gint64 until;    /* monotonic, µs: when it may return */
} HookFixture;

static JsonNode *
block (const char *field G_GNUC_UNUSED, JsonNode *value, gpointer user_data)
{
  HookFixture *fixture = user_data;

  g_mutex_lock (&fixture->lock);
  if (fixture->n_calls++ == 0)
    fixture->until = g_get_monotonic_time () + fixture->first_ms * 1000;
  g_cond_broadcast (&fixture->cond);
  while (!fixture->may_return)
    g_cond_wait (&fixture->cond, &fixture->lock);
  while (g_get_monotonic_time () < fixture->until)
    g_cond_wait_until (&fixture->cond, &fixture->lock, fixture->until);
  g_mutex_unlock (&fixture->lock);
  return json_node_ref (value);
}

static guint
get_n_calls (HookFixture *fixture)
{
  guint n_calls;

  g_mutex_lock (&fixture->lock);
  n_calls = fixture->n_calls;
  g_mutex_unlock (&fixture->lock);
  return n_calls;
}

static void
set_up (HookFixture *fixture, gconstpointer data)
{
  g_mutex_init (&fixture->lock);
  g_cond_init (&fixture->cond);
  test_fixture_set_up (&fixture->base, data);
  fixture->dir = failed_traces_make_dir ();
  lsobs_config_set_redact_func (fixture->base.config, block, fixture, NULL);
}

static void
tear_down (HookFixture *fixture, gconstpointer data)
{
  test_fixture_tear_down (&fixture->base, data);
  failed_traces_remove_dir (fixture->dir);
  g_free (fixture->dir);
  g_mutex_clear (&fixture->lock);
  g_cond_clear (&fixture->cond);
}

static void
emit_runs (HookFixture *fixture, guint n)
{
  g_autoptr (JsonNode) payload = test_new_payload ("text");

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (LsobsRun) run =
          lsobs_observer_start_run (fixture->base.observer, "run", LSOBS_RUN_TYPE_CHAIN, payload);

      lsobs_run_end (run, payload);
    }
}

static gboolean
has_called (gpointer data)
{
  return get_n_calls (data) > 0;
}

static gboolean
has_dropped_all (gpointer data)
{
  HookFixture *fixture = data;

  return test_get_dropped (fixture->base.exporter, LSOBS_DROP_REASON_SHUTDOWN) == 5;
}

/* The function returns at last, and nothing of its record is asked, sent or written. */
static void
assert_forgotten (HookFixture *fixture)
{
  LsobsExporter *exporter = fixture->base.exporter;

  g_mutex_lock (&fixture->lock);
  fixture->may_return = TRUE;
  g_cond_broadcast (&fixture->cond);
  g_mutex_unlock (&fixture->lock);
  g_assert_true (test_wait_until (deadline_has_no_thread, NULL, TEST_TIMEOUT_MS));
  g_assert_cmpuint (get_n_calls (fixture), ==, 1);
  g_assert_cmpuint (test_get_total_dropped (exporter), ==, 5);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_REDACTION_FAILURES), ==, 0);
  g_assert_cmpuint (failed_traces_count_entries (fixture->dir), ==, 0);
  g_assert_cmpuint (test_server_count_requests (fixture->base.server, NULL), ==, 0);
}

/* The record that the function has is counted with the others. */
static void
test_inside_hook (HookFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;

  lsobs_config_set_failed_traces_dir (fixture->base.config, fixture->dir);
  exporter = test_fixture_start (&fixture->base);
  emit_runs (fixture, 5);
  g_assert_false (lsobs_exporter_flush (exporter, 0, NULL, NULL));
  g_assert_true (test_wait_until (has_called, fixture, TEST_TIMEOUT_MS));
  g_assert_false (lsobs_exporter_shutdown (exporter, LIMIT_MS, &stats, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_cmpuint (lsobs_flush_error_get_dropped (error), ==, 5);
  g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, 0);
  g_assert_cmpuint (stats.runs_failed, ==, 5);
  g_assert_cmpuint (test_get_dropped (exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 5);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_IN_FLIGHT), ==, 0);
  assert_forgotten (fixture);
}

/* The same after the last unref, without another call. */
static void
test_drop_inside_hook (HookFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_failed_traces_dir (fixture->base.config, fixture->dir);
  lsobs_config_set_shutdown_timeout (fixture->base.config, LIMIT_MS);
  test_fixture_start (&fixture->base);
  emit_runs (fixture, 5);
  g_assert_false (lsobs_exporter_flush (fixture->base.exporter, 0, NULL, NULL));
  g_assert_true (test_wait_until (has_called, fixture, TEST_TIMEOUT_MS));
  g_assert_finalize_object (g_steal_pointer (&fixture->base.observer));
  g_assert_true (test_wait_until (has_dropped_all, fixture, TEST_TIMEOUT_MS));
  g_assert_cmpuint (test_get_counter (fixture->base.exporter, LSOBS_COUNTER_IN_FLIGHT), ==, 0);
  assert_forgotten (fixture);
}

/* Where the program runs the context, the call ends after the record that it is at; the others follow
 * when the context runs again. */
static void
test_one_record (HookFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter = test_fixture_start_in (&fixture->base, g_main_context_default ());
  g_autoptr (GError) error = NULL;
  gint64 timeout = 10;

  emit_runs (fixture, 5);
  fixture->may_return = TRUE;
  /* until the function is called before the deadline */
  while (get_n_calls (fixture) == 0)
    {
      g_clear_error (&error);
      timeout *= 2;
      fixture->first_ms = timeout;
      g_assert_false (lsobs_exporter_flush (exporter, timeout, NULL, &error));
    }
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, 5);
  /* inputs and outputs */
  g_assert_cmpuint (get_n_calls (fixture), ==, 2);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_DELIVERED), ==, 0);
  test_assert_books (exporter);
  g_assert_true (test_wait_counter (exporter, LSOBS_COUNTER_DELIVERED, 5));
  g_assert_cmpuint (get_n_calls (fixture), ==, 10);
}

/* --- short calls make progress ------------------------------------------------------------- */

/* A call that ends in the middle of a body that is compressed loses nothing of the work: the next
 * one goes on. */
static void
test_short_flushes (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;
  gint64 began;

  lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_GZIP);
  exporter = test_fixture_start_in (fixture, g_main_context_default ());
  for (guint i = 0; i < 10; i++)
    test_emit_large (exporter, "large", 500000);
  began = g_get_monotonic_time ();
  while (!lsobs_exporter_flush (exporter, 1, NULL, NULL))
    g_assert_cmpint (test_get_elapsed_ms (began), <, TEST_TIMEOUT_MS);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_DELIVERED), ==, 10);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 10);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  for (gsize i = 0; i < n_deadline_rows; i++)
    {
      const DeadlineRow *row = &deadline_rows[i];
      g_autofree char *path = g_strconcat ("/deadlines/", row->fault.name, NULL);
      g_autofree char *flush = g_strconcat (path, "/flush", NULL);
      g_autofree char *flush_in_loop = g_strconcat (path, "/flush-in-loop", NULL);
      g_autofree char *shutdown = g_strconcat (path, "/shutdown", NULL);
      g_autofree char *shutdown_in_loop = g_strconcat (path, "/shutdown-in-loop", NULL);
      g_autofree char *unref = g_strconcat (path, "/unref", NULL);
      g_autofree char *unref_in_loop = g_strconcat (path, "/unref-in-loop", NULL);

      if (row->hook_ms > 0)
        continue;
      g_test_add_data_func (flush, row, test_flush);
      g_test_add_data_func (flush_in_loop, row, test_flush_in_loop);
      g_test_add_data_func (shutdown, row, test_shutdown);
      g_test_add_data_func (shutdown_in_loop, row, test_shutdown_in_loop);
      g_test_add_data_func (unref, row, test_unref);
      g_test_add_data_func (unref_in_loop, row, test_unref_in_loop);
    }
  g_test_add ("/deadlines/inside-hook", HookFixture, NULL, set_up, test_inside_hook, tear_down);
  g_test_add ("/deadlines/drop-inside-hook", HookFixture, NULL, set_up, test_drop_inside_hook,
              tear_down);
  g_test_add ("/deadlines/one-record", HookFixture, NULL, set_up, test_one_record, tear_down);
  g_test_add ("/deadlines/short-flushes", TestFixture, NULL, test_fixture_set_up,
              test_short_flushes, test_fixture_tear_down);

  return g_test_run ();
}
