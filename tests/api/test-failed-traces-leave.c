/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an observer still has when its time to leave is over, or when newer ones take its place, is on
 * disk, each record once. */

#include "config.h"

#include "tests/lib/failed-traces-helpers.h"

/* More observers than leave at the same time. */
#define N_OBSERVERS 24
#define N_DISPLACED (N_OBSERVERS - 5)
#define N_RECORDS   3

/* A worker that has to make room has little time to write: on a busy machine, that may be over before
 * its thread runs. Then the records are only counted, and the test is made again. */
#define N_TRIES    20
#define WRITTEN_MS 2000

typedef struct
{
  TestFixture base;
  char *dir; /* (owned) */
  LsobsExporter *exporters[N_OBSERVERS];
  guint n_exporters;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  test_fixture_set_up (&fixture->base, data);
  fixture->base.is_free = TRUE;
  fixture->dir = failed_traces_make_dir ();
  lsobs_config_set_failed_traces_dir (fixture->base.config, fixture->dir);
  lsobs_config_set_shutdown_timeout (fixture->base.config, TEST_NEVER_MS);
  test_server_push (fixture->base.server, NULL,
                    (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
}

/* Ends all that still leave. */
static void
forget (Fixture *fixture)
{
  lsobs_shutdown_all (0, NULL);
  for (guint i = 0; i < fixture->n_exporters; i++)
    {
      test_assert_books (fixture->exporters[i]);
      g_object_unref (fixture->exporters[i]);
    }
  fixture->n_exporters = 0;
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  forget (fixture);
  failed_traces_remove_dir (fixture->dir);
  g_free (fixture->dir);
  test_fixture_tear_down (&fixture->base, data);
}

/* Makes an observer, and drops it. */
static void
leave (Fixture *fixture, GMainContext *context)
{
  test_fixture_start_in (&fixture->base, context);
  for (guint i = 0; i < N_RECORDS; i++)
    test_emit (fixture->base.exporter, "run");
  fixture->exporters[fixture->n_exporters++] = g_steal_pointer (&fixture->base.exporter);
  g_assert_finalize_object (g_steal_pointer (&fixture->base.observer));
}

static guint64
count_written (Fixture *fixture, guint n)
{
  guint64 n_written = 0;

  for (guint i = 0; i < n; i++)
    n_written += test_get_counter (fixture->exporters[i], LSOBS_COUNTER_DUMPED);
  return n_written;
}

static gboolean
files_agree (gpointer data)
{
  Fixture *fixture = data;
  g_autoptr (WireTree) tree =
      failed_traces_build_tree (fixture->dir, test_server_get_url (fixture->base.server));

  return wire_tree_get_n_runs (tree) == count_written (fixture, fixture->n_exporters);
}

/* All files together have as many runs as the counters say, when the last one is written; that no run
 * is there twice, the helper checks. */
static void
assert_files (Fixture *fixture)
{
  g_assert_true (test_wait_until (files_agree, fixture, TEST_TIMEOUT_MS));
}

typedef struct
{
  Fixture *fixture;
  guint n_observers; /* the first ones, which have gone */
} Wait;

static gboolean
is_written (gpointer data)
{
  Wait *wait = data;

  return count_written (wait->fixture, wait->n_observers) == wait->n_observers * N_RECORDS;
}

/* The first observers go. Returns: whether all of their records are written */
static gboolean
wait_written (Fixture *fixture, guint n_observers)
{
  Wait wait = { fixture, n_observers };

  for (guint i = 0; i < n_observers; i++)
    g_assert_true (
        test_wait_dropped (fixture->exporters[i], LSOBS_DROP_REASON_SHUTDOWN, N_RECORDS));
  return test_wait_until (is_written, &wait, WRITTEN_MS);
}

static GMainContext *
get_context (gconstpointer data)
{
  return data != NULL ? g_main_context_default () : NULL;
}

/* Newer observers take the place of older ones. */
static void
test_displaced (Fixture *fixture, gconstpointer data)
{
  gboolean written = FALSE;

  for (guint i = 0; i < N_TRIES && !written; i++)
    {
      forget (fixture);
      failed_traces_remove_dir (fixture->dir);
      for (guint j = 0; j < N_OBSERVERS; j++)
        leave (fixture, get_context (data));
      written = wait_written (fixture, N_DISPLACED);
      lsobs_shutdown_all (0, NULL);
      assert_files (fixture);
    }
  g_assert_true (written);
}

/* The time to leave is over. */
static void
test_deadline (Fixture *fixture, gconstpointer data)
{
  gboolean written = FALSE;

  lsobs_config_set_shutdown_timeout (fixture->base.config, 50);
  for (guint i = 0; i < N_TRIES && !written; i++)
    {
      forget (fixture);
      failed_traces_remove_dir (fixture->dir);
      leave (fixture, get_context (data));
      written = wait_written (fixture, 1);
      assert_files (fixture);
    }
  g_assert_true (written);
}

#define ADD(path, data, func) \
 g_test_add ("/failed-traces/leave/" path, Fixture, data, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("displaced/thread", NULL, test_displaced);
  ADD ("displaced/context", GINT_TO_POINTER (TRUE), test_displaced);
  ADD ("deadline/thread", NULL, test_deadline);
  ADD ("deadline/context", GINT_TO_POINTER (TRUE), test_deadline);
  return g_test_run ();
}
