/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One drain of a spool after the other. */

#include "config.h"

#include "lsobs/http/lsobs-drain-private.h"
#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/test-helpers.h"

#define N_DRAINS 20

typedef struct
{
  LsobsDrain *drain; /* (owned) */
  int n_left;        /* (atomic) */
} Chain;

static gboolean
has_no_more (gpointer data)
{
  return test_count_descriptors ("[eventfd]") <= GPOINTER_TO_UINT (data);
}

static gboolean
is_over (gpointer data)
{
  return g_atomic_int_get (&((Chain *) data)->n_left) == 0;
}

/* Called in the thread of a drain. */
static void
drained (gpointer data,
         guint n_delivered,
         gint64 not_before G_GNUC_UNUSED,
         const GError *error G_GNUC_UNUSED)
{
  Chain *chain = data;

  g_assert_cmpuint (n_delivered, ==, 0);
  if (!g_atomic_int_dec_and_test (&chain->n_left))
    _lsobs_drain_begin (chain->drain, drained, chain);
}

static void
run_chain (Chain *chain, int n)
{
  chain->n_left = n;
  _lsobs_drain_begin (chain->drain, drained, chain);
  g_assert_true (test_wait_until (is_over, chain, TEST_TIMEOUT_MS));
  _lsobs_drain_end (chain->drain, g_get_monotonic_time () + TEST_TIMEOUT_MS * 1000);
}

/* A drain begins as soon as the one before says that it ends. Each leaves nothing open. */
static void
test_chain (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *dir = failed_traces_make_dir ();
  g_autoptr (LsobsCounters) counters = _lsobs_counters_new ();
  g_autoptr (LsobsSettings) settings = NULL;
  g_autoptr (GError) error = NULL;
  Chain chain = { 0 };
  guint n_before;

  lsobs_config_set_spool_dir (fixture->config, dir);
  settings = _lsobs_settings_new (fixture->config, LSOBS_SETTINGS_FOR_HTTP, &error);
  g_assert_no_error (error);
  chain.drain = _lsobs_drain_new (settings, counters);
  /* GLib keeps some for the process. */
  run_chain (&chain, 2);
  n_before = test_count_descriptors ("[eventfd]");
  run_chain (&chain, N_DRAINS);
  g_assert_true (test_wait_until (has_no_more, GUINT_TO_POINTER (n_before), TEST_TIMEOUT_MS));
  _lsobs_drain_unref (chain.drain);
  failed_traces_remove_dir (dir);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  g_test_add ("/drain/chain", TestFixture, NULL, test_fixture_set_up, test_chain,
              test_fixture_tear_down);

  return g_test_run ();
}
