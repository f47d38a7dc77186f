/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <lsobs/lsobs.h>

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/test-helpers.h"

/* A process without a descriptor or a thread to spare lives on. Each test runs in a process of its
 * own. */

#define N_RUNS 5

/* --- descriptors ---------------------------------------------------------------------------- */

#define MAX_DESCRIPTORS 256

static int taken[MAX_DESCRIPTORS];
static guint n_taken;

/* Opens all descriptors but @n_left of them. */
static void
take_descriptors (guint n_left)
{
  struct rlimit limit;

  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  limit.rlim_cur = MIN (limit.rlim_cur, MAX_DESCRIPTORS);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  n_taken = 0;
  while (n_taken < MAX_DESCRIPTORS &&
         (taken[n_taken] = open ("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
    n_taken++;
  while (n_taken > 0 && n_left-- > 0)
    close (taken[--n_taken]);
}

static void
give_descriptors_back (void)
{
  while (n_taken > 0)
    close (taken[--n_taken]);
}

/* --- what a program does -------------------------------------------------------------------- */

static void
start_runs (LsobsObserver *observer)
{
  for (guint i = 0; i < N_RUNS; i++)
    {
      g_autoptr (LsobsRun) run =
          lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);

      lsobs_run_end (run, NULL);
    }
}

static void
add_cb (LsobsObserver *observer G_GNUC_UNUSED, guint64 n_delivered, guint64 n_lost, gpointer data)
{
  *(guint64 *) data += n_delivered + n_lost;
}

static gboolean
is_told (gpointer data)
{
  return *(guint64 *) data == 2 * N_RUNS;
}

static guint64
get (LsobsObserver *observer, LsobsCounter counter)
{
  g_autoptr (LsobsStats) stats = lsobs_observer_dup_stats (observer);

  return lsobs_stats_get (stats, counter);
}

/* Nothing can be sent: the records wait, flushes say why at once, and the log has one line. */
static void
assert_paused (LsobsObserver *observer, const char *reason)
{
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (lsobs_observer_flush (observer, -1, NULL, &error));
      g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
      g_assert_nonnull (strstr (error->message, reason));
    }
  g_assert_cmpint (lsobs_observer_get_state (observer), ==, LSOBS_STATE_PAUSED);
  g_assert_cmpuint (test_log_count (), ==, 1);
  g_assert_true (test_log_contains (reason));
  g_assert_cmpuint (get (observer, LSOBS_COUNTER_QUEUED), ==, N_RUNS);
  g_assert_cmpuint (get (observer, LSOBS_COUNTER_DELIVERED), ==, 0);
}

static void
assert_delivers (LsobsObserver *observer)
{
  start_runs (observer);
  g_assert_true (lsobs_observer_flush (observer, -1, NULL, NULL));
  g_assert_cmpuint (get (observer, LSOBS_COUNTER_DELIVERED), ==, 2 * N_RUNS);
  g_assert_cmpint (lsobs_observer_get_state (observer), ==, LSOBS_STATE_OK);
}

/* @transport: (nullable): HTTP if NULL
 * Returns: (transfer full) */
static LsobsObserver *
make_observer (const char *url, LsobsTransport *transport)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (TEST_KEY, TEST_PROJECT);
  g_autoptr (GError) error = NULL;
  LsobsObserver *observer;

  if (url != NULL)
    lsobs_config_set_api_url (config, url);
  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  observer = g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error, "config", config, "transport",
                             transport, NULL);
  g_assert_no_error (error);
  return observer;
}

/* --- the tests ------------------------------------------------------------------------------ */

static void
run_alone (void)
{
  g_test_trap_subprocess (NULL, TEST_TIMEOUT_MS * G_GUINT64_CONSTANT (1000),
                          G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_test_trap_assert_passed ();
}

/* Not even the main context of the program is there yet. */
static void
test_no_descriptor (void)
{
  g_autoptr (LsobsMemoryTransport) transport = NULL;
  LsobsObserver *observer;
  guint64 n_told = 0;

  if (!g_test_subprocess ())
    {
      run_alone ();
      return;
    }
  transport = lsobs_memory_transport_new ();
  take_descriptors (0);
  observer = make_observer (NULL, LSOBS_TRANSPORT (transport));
  g_signal_connect (observer, "batch-finished", G_CALLBACK (add_cb), &n_told);
  start_runs (observer);
  assert_paused (observer, "file descriptor");
  give_descriptors_back ();
  assert_delivers (observer);
  g_assert_true (test_wait_until (is_told, &n_told, TEST_TIMEOUT_MS));
  test_assert_dies (observer);
}

/* Everything is counted when it stays so until the end. */
static void
test_no_descriptor_ever (void)
{
  LsobsObserver *observer;
  g_autoptr (GError) error = NULL;

  if (!g_test_subprocess ())
    {
      run_alone ();
      return;
    }
  take_descriptors (0);
  observer = make_observer (NULL, NULL);
  start_runs (observer);
  assert_paused (observer, "file descriptor");
  g_assert_false (lsobs_observer_shutdown (observer, -1, NULL, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
  {
    g_autoptr (LsobsStats) stats = lsobs_observer_dup_stats (observer);

    g_assert_cmpuint (lsobs_stats_get_dropped (stats, LSOBS_DROP_REASON_SHUTDOWN), ==, N_RUNS);
    g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED), ==, 0);
  }
  g_object_unref (observer);
  give_descriptors_back ();
}

/* The thread has what it needs, but there is none left for a connection. */
static void
test_no_descriptor_for_http (void)
{
  TestServer *server;
  LsobsObserver *observer;
  g_autoptr (GError) error = NULL;

  if (!g_test_subprocess ())
    {
      run_alone ();
      return;
    }
  server = test_server_new ();
  observer = make_observer (test_server_get_url (server), NULL);
  /* The thread starts with the first run. */
  start_runs (observer);
  take_descriptors (0);
  g_assert_false (lsobs_observer_flush (observer, 0, NULL, &error));
  g_assert_true (test_log_wait ("file descriptor"));
  assert_paused (observer, "file descriptor");
  give_descriptors_back ();
  g_assert_true (lsobs_observer_flush (observer, -1, NULL, NULL));
  assert_delivers (observer);
  test_assert_dies (observer);
  test_server_free (server);
}

static void
test_no_thread (void)
{
  g_autoptr (LsobsMemoryTransport) transport = NULL;
  LsobsObserver *observer;

  if (!g_test_subprocess ())
    {
      run_alone ();
      return;
    }
  transport = lsobs_memory_transport_new ();
  observer = make_observer (NULL, LSOBS_TRANSPORT (transport));
  if (!test_forbid_threads (TRUE))
    return;
  start_runs (observer);
  assert_paused (observer, "thread");
  test_forbid_threads (FALSE);
  assert_delivers (observer);
  test_assert_dies (observer);
}

static gboolean
is_delivered (gpointer data)
{
  LsobsObserver *observer = data;

  start_runs (observer);
  return get (observer, LSOBS_COUNTER_DELIVERED) > 0;
}

/* The thread is tried again with later records, without a flush. */
static void
test_thread_later (void)
{
  g_autoptr (LsobsMemoryTransport) transport = NULL;
  LsobsObserver *observer;

  if (!g_test_subprocess ())
    {
      run_alone ();
      return;
    }
  transport = lsobs_memory_transport_new ();
  observer = make_observer (NULL, LSOBS_TRANSPORT (transport));
  if (!test_forbid_threads (TRUE))
    return;
  start_runs (observer);
  assert_paused (observer, "thread");
  test_forbid_threads (FALSE);
  g_assert_true (test_wait_until (is_delivered, observer, TEST_TIMEOUT_MS));
  test_assert_dies (observer);
}

static gboolean
is_lost (gpointer data)
{
  g_autoptr (LsobsStats) stats = lsobs_exporter_dup_stats (data);

  return lsobs_stats_get_dropped (stats, LSOBS_DROP_REASON_SHUTDOWN) ==
         lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED);
}

/* An observer that has begun to send, or would have.
 * @context: (nullable) */
static void
drop_without_threads (const char *url, GMainContext *context, const char *dir)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (TEST_KEY, TEST_PROJECT);
  g_autoptr (LsobsExporter) exporter = NULL;
  LsobsObserver *observer;

  lsobs_config_set_api_url (config, url);
  lsobs_config_set_shutdown_timeout (config, TEST_NEVER_MS);
  lsobs_config_set_failed_traces_dir (config, dir);
  observer = g_initable_new (LSOBS_TYPE_OBSERVER, NULL, NULL, "config", config, "main-context",
                             context, NULL);
  exporter = g_object_ref (lsobs_observer_get_exporter (observer));
  start_runs (observer);
  test_assert_dies (observer);
  g_assert_true (is_lost (exporter));
}

/* The last unref of an observer that cannot send: its records are lost before that returns. */
static void
test_no_thread_to_leave (void)
{
  g_autoptr (GMainContext) context = NULL;
  g_autofree char *dir = NULL;

  if (!g_test_subprocess ())
    {
      run_alone ();
      return;
    }
  context = g_main_context_new ();
  dir = failed_traces_make_dir ();
  if (!test_forbid_threads (TRUE))
    return;
  drop_without_threads ("http://127.0.0.1:9", NULL, NULL);
  drop_without_threads ("http://127.0.0.1:9", context, NULL);
  drop_without_threads ("http://127.0.0.1:9", context, dir);
  test_forbid_threads (FALSE);
  failed_traces_remove_dir (dir);
}

/* Called in a process of its own. GIO looks for its modules once, and the end of the process is
 * watched from the first record on: neither is missed for ever. */
static void
trace_without_descriptors_first (void)
{
  static LsobsObserver *observer; /* (owned) nobody drops it */
  g_autoptr (LsobsConfig) config = lsobs_config_new (TEST_KEY, TEST_PROJECT);

  lsobs_config_set_api_url (config, g_getenv ("LSOBS_TEST_URL"));
  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  lsobs_config_set_request_timeout (config, TEST_TIMEOUT_MS);
  lsobs_config_set_exit_timeout (config, TEST_TIMEOUT_MS);
  take_descriptors (0);
  observer = lsobs_observer_new (config, NULL);
  start_runs (observer);
  give_descriptors_back ();
  start_runs (observer);
  g_assert_true (g_tls_backend_supports_tls (g_tls_backend_get_default ()));
  g_assert_cmpuint (get (observer, LSOBS_COUNTER_DELIVERED), ==, 0);
}

static void
test_none_at_first (void)
{
  g_autofree char *authority = test_find_certificate ("authority.pem");
  TestServer *server;

  if (g_test_subprocess ())
    {
      trace_without_descriptors_first ();
      return;
    }
  server = test_new_tls_server ();
  g_setenv ("SSL_CERT_FILE", authority, TRUE);
  g_setenv ("LSOBS_TEST_URL", test_server_get_url (server), TRUE);
  run_alone ();
  g_assert_cmpuint (test_server_count_ops (server), ==, 2 * N_RUNS);
  test_server_free (server);
}

/* An observer that is never used needs no descriptor. */
static void
test_idle (void)
{
  LsobsObserver *observers[2 * MAX_DESCRIPTORS];

  if (!g_test_subprocess ())
    {
      run_alone ();
      return;
    }
  take_descriptors (10);
  for (guint i = 0; i < G_N_ELEMENTS (observers); i++)
    observers[i] = make_observer (NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (observers); i++)
    g_object_unref (observers[i]);
  g_assert_cmpuint (test_log_count (), ==, 0);
  give_descriptors_back ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  g_test_add_func ("/resources/descriptors/none", test_no_descriptor);
  g_test_add_func ("/resources/descriptors/none-ever", test_no_descriptor_ever);
  g_test_add_func ("/resources/descriptors/none-for-http", test_no_descriptor_for_http);
  g_test_add_func ("/resources/descriptors/none-at-first", test_none_at_first);
  g_test_add_func ("/resources/descriptors/idle", test_idle);
  g_test_add_func ("/resources/threads/none", test_no_thread);
  g_test_add_func ("/resources/threads/later", test_thread_later);
  g_test_add_func ("/resources/threads/leave", test_no_thread_to_leave);

  return g_test_run ();
}
