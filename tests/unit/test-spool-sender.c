/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* When a program looks into its spool: another process with the same key may have put files there. And
 * what a stop puts there does not run ahead of the disk. */

#include "config.h"

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/core/lsobs-clock-private.h"
#include "lsobs/transport/lsobs-transport-private.h"

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/once-service.h"

#define N_RUNS 4

typedef struct
{
  TestFixture base;
  char *parent;         /* (owned) */
  char *dir;            /* (owned) in it, and not there yet */
  OnceService *service; /* (owned) what the server is */
} Fixture;

/* --- the clock --- */

static LsobsClockSource real_clock;
static int minutes; /* (atomic) by which the clock of the test is ahead */

static gint64
get_boot_time (void)
{
  return real_clock.get_boot_time () + g_atomic_int_get (&minutes) * 60 * G_USEC_PER_SEC;
}

static gint64
get_wall_time (void)
{
  return real_clock.get_wall_time () + g_atomic_int_get (&minutes) * 60 * G_USEC_PER_SEC;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  real_clock = _lsobs_clock_source;
  g_atomic_int_set (&minutes, 0);
  _lsobs_clock_source.get_boot_time = get_boot_time;
  _lsobs_clock_source.get_wall_time = get_wall_time;
  test_fixture_set_up (&fixture->base, data);
  fixture->parent = failed_traces_make_dir ();
  fixture->dir = g_build_filename (fixture->parent, "spool", NULL);
  fixture->service = once_service_new ();
  test_server_set_handler (fixture->base.server, once_service_answer_cb, fixture->service);
  lsobs_config_set_spool_dir (fixture->base.config, fixture->dir);
  lsobs_config_set_spool_delay (fixture->base.config, 86400000);
  lsobs_config_set_max_attempts (fixture->base.config, 2);
  lsobs_config_set_ingest_mode (fixture->base.config, LSOBS_INGEST_MODE_MULTIPART);
  fixture->base.is_free = TRUE;
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  test_fixture_tear_down (&fixture->base, data);
  _lsobs_clock_source = real_clock;
  failed_traces_remove_dir (fixture->parent);
  g_free (fixture->parent);
  g_free (fixture->dir);
  once_service_free (fixture->service);
}

static gboolean
is_empty (gpointer data)
{
  g_autoptr (GPtrArray) names = failed_traces_list (((Fixture *) data)->dir);

  return names->len == 0;
}

/* What another process leaves there, which ends while the service is away. */
static void
leave_files (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsObserver) observer = lsobs_observer_new (fixture->base.config, &error);
  LsobsExporter *exporter = lsobs_observer_get_exporter (observer);

  g_assert_no_error (error);
  test_emit_many (exporter, N_RUNS);
  lsobs_observer_shutdown (observer, TEST_TIMEOUT_MS, NULL, NULL);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_SPOOLED), ==, N_RUNS);
  g_assert_false (is_empty (fixture));
}

/* Starts a program that sends what is in the spool, and finds no more there. */
static void
start (Fixture *fixture)
{
  test_server_close_port (fixture->base.server);
  leave_files (fixture);
  test_server_open_port (fixture->base.server);
  test_fixture_start (&fixture->base);
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_DRAINED, N_RUNS));
  test_emit (fixture->base.exporter, "run");
  g_assert_true (test_flush_at_last (fixture->base.exporter));
}

static void
assert_arrived (Fixture *fixture, guint n_runs)
{
  g_assert_true (
      test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_DRAINED, (guint64) 2 * N_RUNS));
  g_assert_cmpuint (once_service_count (fixture->service), ==, n_runs);
  g_assert_cmpuint (test_get_counter (fixture->base.exporter, LSOBS_COUNTER_SPOOLED), ==, 0);
}

/* A process is killed during an outage. Another one, which has put nothing into the spool, sends what it
 * has left there when the service is back. */
static void
test_outage (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  start (fixture);
  test_server_close_port (fixture->base.server);
  test_emit (fixture->base.exporter, "run");
  g_error_free (test_flush_in_vain (fixture->base.exporter, 1));
  leave_files (fixture);
  test_server_open_port (fixture->base.server);
  g_assert_true (test_flush_at_last (fixture->base.exporter));
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  assert_arrived (fixture, 2 * N_RUNS + 2);
}

/* A program that has not noticed the outage looks there after some minutes, when it sends something. */
static void
test_unnoticed (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  start (fixture);
  test_server_close_port (fixture->base.server);
  leave_files (fixture);
  test_server_open_port (fixture->base.server);
  g_atomic_int_set (&minutes, 5);
  test_emit (fixture->base.exporter, "run");
  g_assert_true (test_flush_at_last (fixture->base.exporter));
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  assert_arrived (fixture, 2 * N_RUNS + 2);
}

/* --- the end --- */

#define N_BATCHES 6
#define N_LAST    (5 * N_BATCHES)

static const LsobsTransportVTable *client_vtable;
static LsobsTransportVTable vtable;
static gint n_awaited; /* atomic */
static gint n_spooled; /* atomic */
static gint n_full;  /* atomic: how often the disk has no room, before it has; negative: for ever */
static gint n_turns; /* atomic: of the program's loop */
static gint64 end_began;

/* A disk that has room after a wait. */
static gboolean
await_spool (LsobsTransport *transport G_GNUC_UNUSED, gint64 deadline)
{
  /* a thread of lsobs has more time than one of the program */
  g_assert_cmpint (deadline, >, end_began + G_USEC_PER_SEC);
  g_atomic_int_inc (&n_awaited);
  return TRUE;
}

/* A disk that has no room at first, or never. */
static gboolean
look_at_spool (LsobsTransport *transport G_GNUC_UNUSED, gint64 deadline)
{
  /* the loop does not wait */
  g_assert_cmpint (deadline, ==, 0);
  if (g_atomic_int_get (&n_full) != 0)
    {
      g_atomic_int_add (&n_full, -1);
      return FALSE;
    }
  g_atomic_int_inc (&n_awaited);
  return TRUE;
}

static gboolean
spool (LsobsTransport *transport, LsobsBatch *batch, LsobsSpooledFunc func, gpointer data)
{
  /* as the writer does while too much waits for the disk */
  if (g_atomic_int_get (&n_full) < 0)
    return FALSE;
  /* the one that was under way does not wait */
  g_assert_cmpint (g_atomic_int_add (&n_spooled, 1), <=, g_atomic_int_get (&n_awaited));
  return client_vtable->spool (transport, batch, func, data);
}

/* Starts an exporter that has batches left.
 * @await: what the disk is like
 * @context: (nullable) */
static void
start_end (Fixture *fixture,
           gboolean (*await) (LsobsTransport *transport, gint64 deadline),
           GMainContext *context)
{
  g_autoptr (LsobsClient) client = lsobs_client_new (fixture->base.config, NULL);

  client_vtable = _lsobs_transport_peek_vtable (LSOBS_TRANSPORT (client));
  vtable = *client_vtable;
  vtable.await_spool = await;
  vtable.spool = spool;
  _lsobs_transport_set_vtable (LSOBS_TYPE_CLIENT, &vtable);
  g_atomic_int_set (&n_awaited, 0);
  g_atomic_int_set (&n_spooled, 0);
  g_atomic_int_set (&n_full, 0);
  g_atomic_int_set (&n_turns, 0);
  lsobs_config_set_max_batch_size (fixture->base.config, 5);
  /* as long as the disk needs */
  lsobs_config_set_shutdown_timeout (fixture->base.config, TEST_TIMEOUT_MS);
  fixture->base.config->first_probe = TEST_NEVER_MS;
  test_server_close_port (fixture->base.server);
  test_fixture_start_in (&fixture->base, context);
  test_emit_many (fixture->base.exporter, N_LAST);
  g_error_free (test_flush_in_vain (fixture->base.exporter, N_LAST));
  end_began = g_get_monotonic_time ();
}

/* More observers that leave than lsobs lets leave at a time: the first stops, and writes. */
static void
drop_others (Fixture *fixture)
{
  for (guint i = 0; i < 5; i++)
    {
      g_autoptr (LsobsConfig) config = lsobs_config_new (TEST_KEY, TEST_PROJECT);
      g_autoptr (LsobsObserver) observer = NULL;

      lsobs_config_set_api_url (config, test_server_get_url (fixture->base.server));
      lsobs_config_set_shutdown_timeout (config, 300);
      observer = g_initable_new (LSOBS_TYPE_OBSERVER, NULL, NULL, "config", config, NULL);
      test_emit_many (lsobs_observer_get_exporter (observer), 1);
    }
}

/* The batches of an observer that leaves, in a thread of lsobs. */
static void
test_end (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  start_end (fixture, await_spool, NULL);
  g_clear_object (&fixture->base.observer);
  drop_others (fixture);
  while (test_get_counter (fixture->base.exporter, LSOBS_COUNTER_SPOOLED) < N_LAST)
    if (!g_main_context_iteration (NULL, FALSE))
      g_thread_yield ();
  g_assert_cmpint (g_atomic_int_get (&n_spooled), ==, N_BATCHES);
  g_assert_cmpuint (test_get_total_dropped (fixture->base.exporter), ==, 0);
  _lsobs_transport_set_vtable (LSOBS_TYPE_CLIENT, client_vtable);
}

/* The thread of the program that runs the context shuts down. It waits for the disk, too. */
static void
test_end_in_context (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  start_end (fixture, await_spool, g_main_context_default ());
  lsobs_observer_shutdown (fixture->base.observer, TEST_TIMEOUT_MS, NULL, NULL);
  g_assert_cmpuint (test_get_counter (fixture->base.exporter, LSOBS_COUNTER_SPOOLED), ==, N_LAST);
  g_assert_cmpint (g_atomic_int_get (&n_spooled), ==, N_BATCHES);
  g_assert_cmpint (g_atomic_int_get (&n_awaited), >=, N_BATCHES);
  g_assert_cmpuint (test_get_total_dropped (fixture->base.exporter), ==, 0);
  _lsobs_transport_set_vtable (LSOBS_TYPE_CLIENT, client_vtable);
}

typedef struct
{
  LsobsObserver *observer; /* (unowned) */
  gint64 timeout;          /* ms */
  gint done;               /* atomic */
} Stopper;

static gpointer
stop_main (gpointer user_data)
{
  Stopper *stopper = user_data;

  lsobs_observer_shutdown (stopper->observer, stopper->timeout, NULL, NULL);
  g_atomic_int_set (&stopper->done, TRUE);
  g_main_context_wakeup (NULL);
  return NULL;
}

static gboolean
turn_cb (gpointer user_data G_GNUC_UNUSED)
{
  g_atomic_int_inc (&n_turns);
  return G_SOURCE_CONTINUE;
}

/* Another thread shuts down, while the loop of the program runs the context. */
static void
shut_down_beside_loop (Fixture *fixture, gint64 timeout)
{
  Stopper stopper = { .observer = fixture->base.observer, .timeout = timeout };
  GThread *thread = g_thread_new ("stopper", stop_main, &stopper);
  guint turns = g_timeout_add (1, turn_cb, NULL);

  while (!g_atomic_int_get (&stopper.done))
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (thread);
  g_source_remove (turns);
}

static void
test_end_in_loop (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  start_end (fixture, look_at_spool, g_main_context_default ());
  g_atomic_int_set (&n_full, 5);
  shut_down_beside_loop (fixture, TEST_TIMEOUT_MS);
  g_assert_cmpuint (test_get_counter (fixture->base.exporter, LSOBS_COUNTER_SPOOLED), ==, N_LAST);
  g_assert_cmpint (g_atomic_int_get (&n_full), ==, 0);
  g_assert_cmpint (g_atomic_int_get (&n_spooled), ==, N_BATCHES);
  g_assert_cmpint (g_atomic_int_get (&n_turns), >=, 5);
  g_assert_cmpuint (test_get_total_dropped (fixture->base.exporter), ==, 0);
  _lsobs_transport_set_vtable (LSOBS_TYPE_CLIENT, client_vtable);
}

/* A disk that never has room is waited for until the time is over. */
static void
test_end_full (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  start_end (fixture, look_at_spool, g_main_context_default ());
  g_atomic_int_set (&n_full, -1);
  shut_down_beside_loop (fixture, 300);
  g_assert_cmpint (g_atomic_int_get (&n_full), <, -1);
  g_assert_cmpint (g_atomic_int_get (&n_spooled), ==, 0);
  g_assert_cmpuint (test_get_counter (fixture->base.exporter, LSOBS_COUNTER_SPOOLED), ==, 0);
  g_assert_cmpuint (test_get_total_dropped (fixture->base.exporter), ==, N_LAST);
  g_assert_cmpint (g_get_monotonic_time () - end_began, <, (300 + test_get_slack_ms ()) * 1000);
  _lsobs_transport_set_vtable (LSOBS_TYPE_CLIENT, client_vtable);
}

#define ADD(path, test) g_test_add (path, Fixture, NULL, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("/spool-sender/outage", test_outage);
  ADD ("/spool-sender/unnoticed", test_unnoticed);
  ADD ("/spool-sender/end", test_end);
  ADD ("/spool-sender/end/context", test_end_in_context);
  ADD ("/spool-sender/end/loop", test_end_in_loop);
  ADD ("/spool-sender/end/full", test_end_full);

  return g_test_run ();
}
