/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A service that comes and goes at random, in every way that is known, and a program that does whatever
 * it likes meanwhile. The books are right at every moment; when the service is well again, everything
 * arrives, and nothing was lost. */

#include "config.h"

#include "lsobs/config/lsobs-config-private.h"

#include "tests/lib/test-helpers.h"

#define N_STEPS  400
#define MAX_OPEN 8

/* The service is well for so many requests at least: nothing is to blame for what happens to others. */
#define SHORTEST_SPELL 12

typedef enum
{
  WEATHER_GOOD,
  WEATHER_UNAVAILABLE,
  WEATHER_BUSY,
  WEATHER_RESET,
  WEATHER_HANG,
  WEATHER_WALL,
  WEATHER_PORTAL,
  WEATHER_REDIRECT,
  N_WEATHERS
} Weather;

typedef struct
{
  TestFixture base;
  LsobsRun *open[MAX_OPEN]; /* (owned) (nullable) */
  int weather;              /* (atomic) Weather */
  int n_left;               /* (atomic) so many requests more are taken in good weather; -1: all */
} Fixture;

/* Called in the server's thread. */
static gboolean
answer_cb (TestRequest *request G_GNUC_UNUSED, TestAnswer *answer, gpointer data)
{
  Fixture *fixture = data;
  Weather weather = (Weather) g_atomic_int_get (&fixture->weather);

  switch (weather)
    {
    case WEATHER_UNAVAILABLE:
      answer->status = 503;
      return TRUE;
    case WEATHER_BUSY:
      answer->status = 429;
      return TRUE;
    case WEATHER_RESET:
      answer->mode = TEST_ANSWER_RESET;
      return TRUE;
    case WEATHER_HANG:
      answer->mode = TEST_ANSWER_HANG;
      return TRUE;
    case WEATHER_WALL:
      answer->status = 403;
      answer->body = "<html>";
      return TRUE;
    case WEATHER_PORTAL:
      answer->status = 511;
      answer->body = "<html>";
      return TRUE;
    case WEATHER_REDIRECT:
      answer->status = 302;
      return TRUE;
    case WEATHER_GOOD:
    case N_WEATHERS:
    default:
      break;
    }
  if (g_atomic_int_get (&fixture->n_left) > 0 && g_atomic_int_dec_and_test (&fixture->n_left))
    g_atomic_int_set (&fixture->weather, WEATHER_UNAVAILABLE);
  return FALSE;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  test_fixture_set_up (&fixture->base, data);
  lsobs_config_set_max_attempts (fixture->base.config, 2);
  lsobs_config_set_max_batch_size (fixture->base.config, 4);
  lsobs_config_set_flush_interval (fixture->base.config, 1);
  /* An answer in good weather comes before that, also on a busy machine. */
  lsobs_config_set_request_timeout (fixture->base.config, test_is_instrumented () ? 5000 : 1000);
  lsobs_config_set_queue_capacity (fixture->base.config, 100000);
  fixture->base.config->first_probe = 1;
  test_server_set_handler (fixture->base.server, answer_cb, fixture);
  g_atomic_int_set (&fixture->n_left, -1);
  /* An answer that comes too late for the client was none. */
  fixture->base.is_free = TRUE;
  test_fixture_start (&fixture->base);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < MAX_OPEN; i++)
    g_clear_pointer (&fixture->open[i], lsobs_run_unref);
  test_fixture_tear_down (&fixture->base, data);
}

static void
change_weather (Fixture *fixture)
{
  Weather weather = (Weather) g_test_rand_int_range (0, N_WEATHERS);

  /* A spell of good weather is not cut short. */
  if (g_atomic_int_get (&fixture->weather) == WEATHER_GOOD &&
      g_atomic_int_get (&fixture->n_left) > 0)
    return;
  g_atomic_int_set (&fixture->n_left,
                    SHORTEST_SPELL + g_test_rand_int_range (0, 2 * SHORTEST_SPELL));
  g_atomic_int_set (&fixture->weather, (int) weather);
  /* What hangs is answered at last, or never; and well in good weather alone. */
  if (weather == WEATHER_GOOD && g_test_rand_bit ())
    test_server_release_hanging (fixture->base.server);
}

static void
end_run (LsobsRun **run)
{
  lsobs_run_end (*run, NULL);
  g_clear_pointer (run, lsobs_run_unref);
}

static void
do_something (Fixture *fixture)
{
  LsobsRun **run = &fixture->open[g_test_rand_int_range (0, MAX_OPEN)];

  switch (g_test_rand_int_range (0, 8))
    {
    case 0:
      change_weather (fixture);
      break;
    case 1:
      lsobs_exporter_flush (fixture->base.exporter, g_test_rand_int_range (0, 50), NULL, NULL);
      break;
    case 2:
      test_emit (fixture->base.exporter, "short");
      break;
    case 3:
      if (*run != NULL)
        lsobs_run_add_feedback (*run, "score", 1, NULL, NULL);
      break;
    default:
      if (*run != NULL)
        end_run (run);
      else
        *run = lsobs_observer_start_run (fixture->base.observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
      break;
    }
  test_assert_books (fixture->base.exporter);
}

static void
test_walk (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter = fixture->base.exporter;
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (GError) error = NULL;
  guint64 n_enqueued;

  for (guint i = 0; i < N_STEPS; i++)
    do_something (fixture);
  for (guint i = 0; i < MAX_OPEN; i++)
    if (fixture->open[i] != NULL)
      end_run (&fixture->open[i]);

  g_atomic_int_set (&fixture->n_left, -1);
  g_atomic_int_set (&fixture->weather, WEATHER_GOOD);
  g_assert_true (test_flush_at_last (exporter));
  test_assert_books (exporter);
  if (test_get_total_dropped (exporter) > 0)
    {
      g_autoptr (LsobsStats) stats = lsobs_exporter_dup_stats (exporter);
      g_autofree char *text = lsobs_stats_to_string (stats);

      g_error ("something was lost: %s", text);
    }
  n_enqueued = test_get_counter (exporter, LSOBS_COUNTER_ENQUEUED);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_DELIVERED), ==, n_enqueued);
  g_assert_cmpint (lsobs_observer_get_state (fixture->base.observer), ==, LSOBS_STATE_OK);

  tree = test_server_build_tree (fixture->base.server);
  wire_tree_check (tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (test_server_count_ops (fixture->base.server) + wire_tree_get_n_feedback (tree),
                    ==, n_enqueued);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  for (guint i = 0; i < 5; i++)
    {
      g_autofree char *path = g_strdup_printf ("/outage-walk/%u", i);

      g_test_add (path, Fixture, NULL, set_up, test_walk, tear_down);
    }

  return g_test_run ();
}
