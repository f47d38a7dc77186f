/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A day offline, in small: bench/spool-day.c spends a whole one. A thousandth of its runs goes to a
 * spool of a thousandth of its size; then the service is there. */

#include "config.h"

#include <string.h>
#include <sys/stat.h>

#include <glib/gstdio.h>

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/once-service.h"

/* 20 runs per second, 1 GiB */
#define N_RUNS    1728
#define MAX_BYTES (1024 * 1024 * 1024 / 1000)

/* The programs that have run that day, one after the other. */
#define N_PROGRAMS 4

/* A run has about 2 KB on its way to the service. */
#define N_OCTAVES 13
#define N_WORDS   (1 << N_OCTAVES)
#define N_TEXT    890

typedef struct
{
  TestFixture base;
  char *parent; /* (owned) */
  char *dir;    /* (owned) in it */
  OnceService *service;
  GRand *rand; /* (owned) */
  char *words[N_WORDS];
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  test_fixture_set_up (&fixture->base, data);
  fixture->base.is_free = TRUE;
  fixture->parent = failed_traces_make_dir ();
  fixture->dir = g_build_filename (fixture->parent, "spool", NULL);
  fixture->service = once_service_new ();
  test_server_set_handler (fixture->base.server, once_service_answer_cb, fixture->service);
  lsobs_config_set_spool_dir (fixture->base.config, fixture->dir);
  lsobs_config_set_spool_max_bytes (fixture->base.config, MAX_BYTES);
  /* Time is what is shortened. */
  lsobs_config_set_spool_delay (fixture->base.config, 0);
  lsobs_config_set_max_attempts (fixture->base.config, 1);
  lsobs_config_set_retry_delay (fixture->base.config, 1);
  /* The batches are those of a day. */
  lsobs_config_set_flush_interval (fixture->base.config, TEST_NEVER_MS);
  fixture->rand = g_rand_new_with_seed (20);
  for (guint i = 0; i < N_WORDS; i++)
    {
      guint len = (guint) g_rand_int_range (fixture->rand, 2, 11);

      fixture->words[i] = g_malloc0 (len + 1);
      for (guint k = 0; k < len; k++)
        fixture->words[i][k] =
            "eeetttaaoooiinnsshhrrddlucmwfgypbvk"[g_rand_int_range (fixture->rand, 0, 35)];
    }
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  test_fixture_tear_down (&fixture->base, data);
  failed_traces_remove_dir (fixture->parent);
  g_free (fixture->parent);
  g_free (fixture->dir);
  once_service_free (fixture->service);
  g_rand_free (fixture->rand);
  for (guint i = 0; i < N_WORDS; i++)
    g_free (fixture->words[i]);
}

/* Returns: (transfer full): words about as often as those of a language: the n-th is n times rarer than
 *   the first */
static JsonNode *
new_payload (Fixture *fixture, gsize len)
{
  g_autoptr (GString) text = g_string_new (NULL);

  while (text->len < len)
    {
      gint32 first = 1 << g_rand_int_range (fixture->rand, 0, N_OCTAVES);

      g_string_append_printf (text, "%s ",
                              fixture->words[g_rand_int_range (fixture->rand, first, 2 * first)]);
    }
  return test_new_payload (text->str);
}

static void
emit (Fixture *fixture)
{
  g_autoptr (JsonNode) inputs = new_payload (fixture, N_TEXT / 3);
  g_autoptr (JsonNode) outputs = new_payload (fixture, N_TEXT * 2 / 3);
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run (fixture->base.observer, "agent", LSOBS_RUN_TYPE_LLM, inputs);

  lsobs_run_end (run, outputs);
}

static guint64
get (Fixture *fixture, LsobsCounter counter)
{
  return test_get_counter (fixture->base.exporter, counter);
}

static gboolean
has_room (gpointer data)
{
  return get (data, LSOBS_COUNTER_QUEUED) + get (data, LSOBS_COUNTER_IN_FLIGHT) < 500;
}

/* Returns: the bytes of all files */
static guint64
measure (Fixture *fixture)
{
  g_autoptr (GPtrArray) names = failed_traces_list (fixture->dir);
  guint64 n_bytes = 0;

  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (fixture->dir, g_ptr_array_index (names, i), NULL);
      GStatBuf info;

      g_assert_cmpint (g_stat (path, &info), ==, 0);
      n_bytes += (guint64) info.st_size;
    }
  return n_bytes;
}

static gboolean
is_empty (gpointer data)
{
  g_autoptr (GPtrArray) names = failed_traces_list (((Fixture *) data)->dir);

  return names->len == 0;
}

/* Nothing is lost, the disk has what it may, and all is delivered, nothing twice. */
static void
test_day (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  guint64 n_records = 0;

  test_server_close_port (fixture->base.server);
  for (guint i = 0; i < N_PROGRAMS; i++)
    {
      test_fixture_start (&fixture->base);
      for (guint k = 0; k < N_RUNS / N_PROGRAMS; k++)
        {
          emit (fixture);
          g_assert_true (test_wait_until (has_room, fixture, TEST_TIMEOUT_MS));
        }
      lsobs_observer_shutdown (fixture->base.observer, TEST_TIMEOUT_MS, NULL, NULL);
      /* A start may leave before its end: these are two records. */
      g_assert_cmpuint (get (fixture, LSOBS_COUNTER_SPOOLED), >=, N_RUNS / N_PROGRAMS);
      g_assert_cmpuint (get (fixture, LSOBS_COUNTER_SPOOLED), ==,
                        get (fixture, LSOBS_COUNTER_ENQUEUED));
      n_records += get (fixture, LSOBS_COUNTER_SPOOLED);
      g_assert_cmpuint (test_get_total_dropped (fixture->base.exporter), ==, 0);
      test_fixture_stop (&fixture->base);
      g_assert_cmpuint (measure (fixture), <=, MAX_BYTES);
    }
  g_test_message ("%u bytes of %u", (guint) measure (fixture), (guint) MAX_BYTES);
  test_server_open_port (fixture->base.server);
  test_fixture_start (&fixture->base);
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_DRAINED, n_records));
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_DRAINED), ==, n_records);
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_SPOOL_DROPPED), ==, 0);
  g_assert_cmpuint (once_service_count (fixture->service), ==, N_RUNS);
  g_assert_cmpuint (once_service_count_ended (fixture->service), ==, N_RUNS);
  /* each of them in one request */
  g_assert_cmpuint (test_server_count_ops (fixture->base.server), ==, n_records);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();
  g_test_add ("/spool-day", Fixture, NULL, set_up, test_day, tear_down);
  return g_test_run ();
}
