/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-flush-source-private.h"

#define HOUR (3600 * (gint64) G_USEC_PER_SEC)

typedef struct
{
  GMainContext *context;
  GSource *source;
  guint n_dispatches;
  gint64 arm_in_callback; /* -1: no */
  gboolean answer;
  gboolean crowded; /* other threads arm the source at any time */
} Fixture;

/* How often, and with which timeout, a context has waited last. */
static guint n_polls;
static int last_timeout;

static gint
poll_func (GPollFD *fds, guint n_fds, gint timeout)
{
  n_polls++;
  last_timeout = timeout;
  /* Nothing ever happens, and no time is spent on it. */
  return 0;
}

static gboolean
flush_cb (gpointer user_data)
{
  Fixture *fixture = user_data;

  fixture->n_dispatches++;
  /* Disarmed before, not after: whoever arms it from now on is heard. */
  if (!fixture->crowded)
    g_assert_cmpint (g_source_get_ready_time (fixture->source), ==, -1);
  if (fixture->arm_in_callback != -1)
    _lsobs_flush_source_arm (fixture->source, fixture->arm_in_callback);
  return fixture->answer;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->context = g_main_context_new ();
  fixture->source = _lsobs_flush_source_new ();
  fixture->arm_in_callback = -1;
  fixture->answer = G_SOURCE_CONTINUE;
  g_source_set_callback (fixture->source, flush_cb, fixture, NULL);
  g_source_attach (fixture->source, fixture->context);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_source_destroy (fixture->source);
  g_source_unref (fixture->source);
  g_main_context_unref (fixture->context);
}

static void
iterate (Fixture *fixture)
{
  while (g_main_context_iteration (fixture->context, FALSE))
    ;
}

static void
test_unarmed (Fixture *fixture, gconstpointer data)
{
  g_assert_cmpint (g_source_get_ready_time (fixture->source), ==, -1);
  iterate (fixture);
  g_assert_cmpuint (fixture->n_dispatches, ==, 0);
  g_assert_cmpstr (g_source_get_name (fixture->source), ==, "[lsobs] flush");
}

static void
test_fires (Fixture *fixture, gconstpointer data)
{
  _lsobs_flush_source_arm (fixture->source, 0);
  iterate (fixture);
  g_assert_cmpuint (fixture->n_dispatches, ==, 1);
  g_assert_cmpint (g_source_get_ready_time (fixture->source), ==, -1);
  /* Once. */
  iterate (fixture);
  g_assert_cmpuint (fixture->n_dispatches, ==, 1);
  /* And again. */
  _lsobs_flush_source_arm (fixture->source, g_get_monotonic_time ());
  iterate (fixture);
  g_assert_cmpuint (fixture->n_dispatches, ==, 2);
}

/* At its time, and not before. */
static void
test_waits (Fixture *fixture, gconstpointer data)
{
  gint64 ready_time = g_get_monotonic_time () + 20 * 1000;

  _lsobs_flush_source_arm (fixture->source, ready_time);
  while (fixture->n_dispatches == 0)
    g_main_context_iteration (fixture->context, TRUE);
  g_assert_cmpint (g_get_monotonic_time (), >=, ready_time);
}

/* The alarm only ever moves closer. */
static void
test_earliest (Fixture *fixture, gconstpointer data)
{
  gint64 now = g_get_monotonic_time ();

  _lsobs_flush_source_arm (fixture->source, now + 2 * HOUR);
  g_assert_cmpint (g_source_get_ready_time (fixture->source), ==, now + 2 * HOUR);
  _lsobs_flush_source_arm (fixture->source, now + 3 * HOUR);
  g_assert_cmpint (g_source_get_ready_time (fixture->source), ==, now + 2 * HOUR);
  _lsobs_flush_source_arm (fixture->source, now + HOUR);
  g_assert_cmpint (g_source_get_ready_time (fixture->source), ==, now + HOUR);
  iterate (fixture);
  g_assert_cmpuint (fixture->n_dispatches, ==, 0);
  _lsobs_flush_source_arm (fixture->source, 0);
  _lsobs_flush_source_arm (fixture->source, now + HOUR);
  g_assert_cmpint (g_source_get_ready_time (fixture->source), ==, 0);
  iterate (fixture);
  g_assert_cmpuint (fixture->n_dispatches, ==, 1);
  /* When it has fired, any time is the earliest. */
  _lsobs_flush_source_arm (fixture->source, now + 3 * HOUR);
  g_assert_cmpint (g_source_get_ready_time (fixture->source), ==, now + 3 * HOUR);
}

static void
test_armed_in_callback (Fixture *fixture, gconstpointer data)
{
  gint64 later = g_get_monotonic_time () + HOUR;

  fixture->arm_in_callback = later;
  _lsobs_flush_source_arm (fixture->source, 0);
  iterate (fixture);
  g_assert_cmpuint (fixture->n_dispatches, ==, 1);
  g_assert_cmpint (g_source_get_ready_time (fixture->source), ==, later);

  fixture->arm_in_callback = 0;
  _lsobs_flush_source_arm (fixture->source, 0);
  for (guint i = 0; i < 5; i++)
    g_assert_true (g_main_context_iteration (fixture->context, FALSE));
  g_assert_cmpuint (fixture->n_dispatches, ==, 6);
  fixture->arm_in_callback = -1;
  iterate (fixture);
  g_assert_cmpuint (fixture->n_dispatches, ==, 7);
}

/* However often it is armed, it fires once. */
static void
test_armed_often (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 1000; i++)
    _lsobs_flush_source_arm (fixture->source, i % 3);
  iterate (fixture);
  g_assert_cmpuint (fixture->n_dispatches, ==, 1);
}

static void
test_removed (Fixture *fixture, gconstpointer data)
{
  fixture->answer = G_SOURCE_REMOVE;
  _lsobs_flush_source_arm (fixture->source, 0);
  iterate (fixture);
  g_assert_cmpuint (fixture->n_dispatches, ==, 1);
  g_assert_true (g_source_is_destroyed (fixture->source));
  /* Whoever still knows of it may arm it. */
  _lsobs_flush_source_arm (fixture->source, 0);
  iterate (fixture);
  g_assert_cmpuint (fixture->n_dispatches, ==, 1);
}

static void
test_no_callback (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GSource) bare = _lsobs_flush_source_new ();

  g_source_attach (bare, fixture->context);
  _lsobs_flush_source_arm (bare, 0);
  iterate (fixture);
  g_assert_true (g_source_is_destroyed (bare));
}

/* The thread that waits wakes up. */
static gpointer
arm_thread (gpointer data)
{
  _lsobs_flush_source_arm (data, 0);
  return NULL;
}

static void
test_other_thread (Fixture *fixture, gconstpointer data)
{
  for (guint i = 1; i <= 200; i++)
    {
      GThread *thread = g_thread_new ("arm", arm_thread, fixture->source);

      while (fixture->n_dispatches < i)
        g_main_context_iteration (fixture->context, TRUE);
      g_thread_join (thread);
      g_assert_cmpuint (fixture->n_dispatches, ==, i);
    }
}

#define N_THREADS 4
#define N_ARMED   5000

static gpointer
arm_often_thread (gpointer data)
{
  for (guint i = 0; i < N_ARMED; i++)
    _lsobs_flush_source_arm (data, i % 2 == 0 ? 0 : g_get_monotonic_time ());
  return NULL;
}

/* None of many is lost: after the last one, it fires once more. */
static void
test_other_threads (Fixture *fixture, gconstpointer data)
{
  GThread *threads[N_THREADS];

  fixture->crowded = TRUE;
  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("arm", arm_often_thread, fixture->source);
  for (guint i = 0; i < 1000; i++)
    g_main_context_iteration (fixture->context, FALSE);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  iterate (fixture);
  g_assert_cmpuint (fixture->n_dispatches, >=, 1);
  g_assert_cmpuint (fixture->n_dispatches, <=, N_THREADS * N_ARMED);
  g_assert_cmpint (g_source_get_ready_time (fixture->source), ==, -1);
}

/* Idle means asleep. */
static void
test_idle (Fixture *fixture, gconstpointer data)
{
  g_main_context_set_poll_func (fixture->context, poll_func);
  _lsobs_flush_source_arm (fixture->source, 0);
  g_main_context_iteration (fixture->context, TRUE);
  g_assert_cmpuint (fixture->n_dispatches, ==, 1);

  n_polls = 0;
  for (guint i = 0; i < 10; i++)
    {
      last_timeout = 0;
      g_assert_false (g_main_context_iteration (fixture->context, TRUE));
      g_assert_cmpint (last_timeout, ==, -1);
    }
  g_assert_cmpuint (n_polls, ==, 10);
  g_assert_cmpuint (fixture->n_dispatches, ==, 1);

  /* Armed, it sleeps all the time until then. */
  _lsobs_flush_source_arm (fixture->source, g_get_monotonic_time () + HOUR);
  g_assert_false (g_main_context_iteration (fixture->context, TRUE));
  g_assert_cmpint (last_timeout, >, 3500 * 1000);
  g_assert_cmpuint (fixture->n_dispatches, ==, 1);
}

/* --- a source that gets its context while another thread arms it --- */

static gpointer
arm_main (gpointer user_data)
{
  _lsobs_flush_source_arm (user_data, 0);
  return NULL;
}

/* A thread that runs the context from its beginning, until the source fires. */
static gpointer
run_main (gpointer user_data)
{
  Fixture *fixture = user_data;

  while (fixture->n_dispatches == 0)
    g_main_context_iteration (fixture->context, TRUE);
  return NULL;
}

static void
test_attach (void)
{
  for (guint i = 0; i < 500; i++)
    {
      Fixture fixture = { .arm_in_callback = -1, .crowded = TRUE };
      GThread *arm, *run;

      fixture.context = g_main_context_new ();
      fixture.source = _lsobs_flush_source_new ();
      g_source_set_callback (fixture.source, flush_cb, &fixture, NULL);
      arm = g_thread_new ("arm", arm_main, fixture.source);
      _lsobs_flush_source_attach (fixture.source, fixture.context);
      run = g_thread_new ("run", run_main, &fixture);
      g_thread_join (run);
      g_thread_join (arm);
      g_assert_cmpuint (fixture.n_dispatches, ==, 1);
      g_source_destroy (fixture.source);
      g_source_unref (fixture.source);
      g_main_context_unref (fixture.context);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define ADD(path, func) g_test_add ("/flush-source/" path, Fixture, NULL, set_up, func, tear_down)
  ADD ("unarmed", test_unarmed);
  ADD ("fires", test_fires);
  ADD ("waits", test_waits);
  ADD ("earliest", test_earliest);
  ADD ("armed-in-callback", test_armed_in_callback);
  ADD ("armed-often", test_armed_often);
  ADD ("removed", test_removed);
  ADD ("no-callback", test_no_callback);
  ADD ("other-thread", test_other_thread);
  ADD ("other-threads", test_other_threads);
  ADD ("idle", test_idle);

  g_test_add_func ("/flush-source/attach", test_attach);

  return g_test_run ();
}
