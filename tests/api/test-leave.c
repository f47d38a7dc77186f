/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The last unref of an observer does not wait, and what it leaves behind goes away. */

#include "config.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/resolver-helpers.h"
#include "tests/lib/test-helpers.h"

/* How many are made in a process, and with -m slow. That process is not told the mode by GLib, but
 * finds the number in the environment. */
#define N_SHORT_LIVED      200
#define N_SHORT_LIVED_SLOW 10000
#define NUMBER_VARIABLE    "LSOBS_TEST_N_OBSERVERS"

/* The shutdown timeout of these, in ms, and how much later nothing is left of the last one: -m slow
 * prints how long that takes. */
#define SHORT_TIMEOUT_MS 300
#define GONE_MS          1000

/* Over those of a program that has used lsobs before. There may be some threads more for a moment
 * that have done their work, and only have to end: those that last so long count. On a busy machine,
 * that may not be enough for some of them. */
#define MAX_DESCRIPTORS 64
#define MAX_THREADS     8
#define MOMENT_MS       100
#define N_ROUNDS        12
#define MAX_ENDING      4

/* How many observers leave at the same time. */
#define MAX_LEAVING 5

/* --- what becomes of the records ------------------------------------------------------------ */

static void
set_up (TestFixture *fixture, gconstpointer data)
{
  test_fixture_set_up (fixture, data);
  lsobs_config_set_shutdown_timeout (fixture->config, TEST_NEVER_MS);
}

static GMainContext *
get_context (gconstpointer data)
{
  return data != NULL ? g_main_context_default () : NULL;
}

static void
drop (TestFixture *fixture)
{
  g_assert_finalize_object (g_steal_pointer (&fixture->observer));
}

static gboolean
is_delivered (gpointer data)
{
  TestFixture *fixture = data;

  return test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED) ==
         test_get_counter (fixture->exporter, LSOBS_COUNTER_ENQUEUED);
}

static gboolean
is_dropped (gpointer data)
{
  TestFixture *fixture = data;

  return test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN) ==
         test_get_counter (fixture->exporter, LSOBS_COUNTER_ENQUEUED);
}

/* The unref returns while the service holds every request. */
static void
test_held (TestFixture *fixture, gconstpointer data)
{
  test_fixture_start_in (fixture, get_context (data));
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, 20);
  drop (fixture);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, 0);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  test_server_release (fixture->server);
  g_assert_true (test_wait_until (is_delivered, fixture, TEST_TIMEOUT_MS));
}

/* The service is back before the time is over. */
static void
test_back_in_time (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  test_fixture_start_in (fixture, get_context (data));
  test_server_close_port (fixture->server);
  test_emit_many (fixture->exporter, 20);
  error = test_flush_in_vain (fixture->exporter, 20);
  drop (fixture);
  test_server_open_port (fixture->server);
  g_assert_true (test_wait_until (is_delivered, fixture, TEST_TIMEOUT_MS));
}

/* At the deadline, everything is counted. */
static void
test_late (TestFixture *fixture, gconstpointer data)
{
  lsobs_config_set_shutdown_timeout (fixture->config, 50);
  test_fixture_start_in (fixture, get_context (data));
  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
  test_emit_many (fixture->exporter, 20);
  drop (fixture);
  g_assert_true (test_wait_until (is_dropped, fixture, TEST_TIMEOUT_MS));
}

/* No thread runs the context of the program. */
static void
test_never_run (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  gint64 deadline = g_get_monotonic_time () + TEST_TIMEOUT_MS * G_GINT64_CONSTANT (1000);

  lsobs_config_set_shutdown_timeout (fixture->config, 50);
  test_fixture_start_in (fixture, context);
  test_emit_many (fixture->exporter, 20);
  if (data != NULL)
    {
      test_server_push (fixture->server, NULL,
                        (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
      g_main_context_iteration (context, FALSE);
    }
  drop (fixture);
  while (!is_dropped (fixture) && g_get_monotonic_time () < deadline)
    g_usleep (1000);
  g_assert_true (is_dropped (fixture));
}

/* Runs the context until requests are under way, and ends. */
static gpointer
owner_thread (gpointer data)
{
  TestFixture *fixture = data;
  g_autoptr (GMainContext) context = g_main_context_new ();
  gint64 deadline = g_get_monotonic_time () + TEST_TIMEOUT_MS * G_GINT64_CONSTANT (1000);

  test_fixture_start_in (fixture, context);
  test_emit_many (fixture->exporter, 50);
  while (test_get_counter (fixture->exporter, LSOBS_COUNTER_IN_FLIGHT) == 0 &&
         g_get_monotonic_time () < deadline)
    g_main_context_iteration (context, FALSE);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_IN_FLIGHT), >, 0);
  return NULL;
}

/* The thread that ran the context has ended with requests under way. */
static void
test_owner_gone (TestFixture *fixture, gconstpointer data)
{
  lsobs_config_set_shutdown_timeout (fixture->config, 50);
  lsobs_config_set_flush_interval (fixture->config, 10);
  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
  g_thread_join (g_thread_new ("owner", owner_thread, fixture));
  if (data != NULL)
    {
      g_assert_false (lsobs_observer_flush (fixture->observer, 50, NULL, NULL));
      g_assert_false (lsobs_observer_shutdown (fixture->observer, 50, NULL, NULL));
      g_assert_true (is_dropped (fixture));
    }
  drop (fixture);
  g_assert_true (test_wait_until (is_dropped, fixture, TEST_TIMEOUT_MS));
}

/* Of more than a few observers, the oldest ones end at once. */
static void
test_many (TestFixture *fixture, gconstpointer data)
{
  LsobsExporter *exporters[3 * MAX_LEAVING];
  guint n_ended = 0;
  guint n_left = 0;

  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
  for (guint i = 0; i < G_N_ELEMENTS (exporters); i++)
    {
      test_fixture_start_in (fixture, get_context (data));
      exporters[i] = g_steal_pointer (&fixture->exporter);
      test_emit (exporters[i], "run");
      drop (fixture);
    }
  for (guint i = 0; i < G_N_ELEMENTS (exporters) - MAX_LEAVING; i++)
    g_assert_true (test_wait_dropped (exporters[i], LSOBS_DROP_REASON_SHUTDOWN, 1));
  for (guint i = 0; i < G_N_ELEMENTS (exporters); i++)
    n_ended += test_get_total_dropped (exporters[i]) == 1;
  g_assert_cmpuint (n_ended, <, G_N_ELEMENTS (exporters));
  for (guint i = 0; i < n_ended; i++)
    g_assert_cmpuint (test_get_total_dropped (exporters[i]), ==, 1);

  lsobs_shutdown_all (0, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (exporters); i++)
    {
      n_left += test_get_total_dropped (exporters[i]) == 0;
      g_object_unref (exporters[i]);
    }
  g_assert_cmpuint (n_left, ==, 0);
}

/* What those lose whose last reference is gone is part of the result. */
static void
test_shut_down_all (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  test_fixture_start_in (fixture, get_context (data));
  test_emit_many (fixture->exporter, 20);
  drop (fixture);
  g_assert_true (lsobs_shutdown_all (TEST_TIMEOUT_MS, &error));
  g_assert_no_error (error);
  g_assert_true (is_delivered (fixture));
  g_clear_object (&fixture->exporter);

  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
  test_fixture_start_in (fixture, get_context (data));
  test_emit_many (fixture->exporter, 20);
  drop (fixture);
  g_assert_false (lsobs_shutdown_all (50, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_true (is_dropped (fixture));
}

static void
lose_records (const char *url, const char *failed_traces_dir)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (TEST_KEY, TEST_PROJECT);
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (LsobsExporter) exporter = NULL;
  g_autoptr (GError) error = NULL;

  lsobs_config_set_api_url (config, url);
  lsobs_config_set_shutdown_timeout (config, 0);
  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  lsobs_config_set_failed_traces_dir (config, failed_traces_dir);
  observer = lsobs_observer_new (config, &error);
  g_assert_no_error (error);
  exporter = g_object_ref (lsobs_observer_get_exporter (observer));
  test_emit_many (exporter, 20);
  g_assert_finalize_object (g_steal_pointer (&observer));
  g_assert_true (test_wait_dropped (exporter, LSOBS_DROP_REASON_SHUTDOWN, 20));
}

/* What is written to the directory for lost traces is not lost. On a busy machine, the 60 ms for
 * writing may be too few, but not each time. */
static void
test_log_written (void)
{
  g_autoptr (GSocket) socket = NULL;
  g_autofree char *url = NULL;
  g_autofree char *dir = NULL;

  if (!g_test_subprocess ())
    {
      for (guint i = 0; i < 20; i++)
        {
          g_test_trap_subprocess (NULL, 0, 0);
          if (g_test_trap_has_passed ())
            return;
        }
      g_test_trap_assert_passed ();
      return;
    }
  socket = test_refusing_socket_new (&url);
  dir = failed_traces_make_dir ();
  lose_records (url, dir);
  lsobs_shutdown_at_exit (NULL);
  failed_traces_remove_dir (dir);
  if (test_log_contains ("lost"))
    exit (1);
}

/* The program cannot ask an observer that is gone: the log tells, but not for each. */
static void
test_log (void)
{
  g_autoptr (GSocket) socket = NULL;
  g_autofree char *url = NULL;

  if (!g_test_subprocess ())
    {
      g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
      g_test_trap_assert_passed ();
      return;
    }
  socket = test_refusing_socket_new (&url);
  lose_records (url, NULL);
  g_assert_true (test_log_wait ("20 records are lost"));
  g_assert_true (test_log_contains ("LANGSMITH_EXIT_TIMEOUT_MS"));
  g_assert_true (test_log_contains ("LANGSMITH_FAILED_TRACES_DIR"));
  test_log_clear ();
  lose_records (url, NULL);
  lose_records (url, NULL);
  lsobs_shutdown_all (TEST_TIMEOUT_MS, NULL);
  g_assert_false (test_log_contains ("lost"));
  lsobs_shutdown_at_exit (NULL);
  g_assert_true (test_log_contains ("40 records are lost"));
}

/* --- names ---------------------------------------------------------------------------------- */

/* The address of the server, by a name that only a TestResolver knows. */
static void
use_name (TestFixture *fixture, const char *name)
{
  const char *port = strrchr (test_server_get_url (fixture->server), ':');
  g_autofree char *url = g_strconcat ("http://", name, port, NULL);

  lsobs_config_set_api_url (fixture->config, url);
  lsobs_config_set_allow_plain_http (fixture->config, TRUE);
  lsobs_config_set_flush_interval (fixture->config, TEST_NEVER_MS);
}

static gboolean
is_looked_up (gpointer data)
{
  return test_resolver_get_n_lookups (data) > 0;
}

/* Drops an observer that has not begun to send.
 * (transfer full) */
static LsobsExporter *
leave_with_name (TestFixture *fixture, gconstpointer data)
{
  LsobsExporter *exporter;

  test_fixture_start_in (fixture, get_context (data));
  exporter = g_steal_pointer (&fixture->exporter);
  test_emit (exporter, "run");
  drop (fixture);
  return exporter;
}

static gboolean
is_delivered_once (gpointer data)
{
  return test_get_counter (data, LSOBS_COUNTER_DELIVERED) == 1;
}

/* Observers that leave wait for the same look-up, and use what it found. */
static void
test_name (TestFixture *fixture, gconstpointer data)
{
  TestResolver *resolver = test_resolver_install ();
  LsobsExporter *exporters[MAX_LEAVING];

  use_name (fixture, data != NULL ? "context.invalid" : "thread.invalid");
  for (guint i = 0; i < G_N_ELEMENTS (exporters); i++)
    exporters[i] = leave_with_name (fixture, data);
  g_assert_true (test_wait_until (is_looked_up, resolver, TEST_TIMEOUT_MS));
  test_resolver_answer (resolver);
  for (guint i = 0; i < G_N_ELEMENTS (exporters); i++)
    {
      g_assert_true (test_wait_until (is_delivered_once, exporters[i], TEST_TIMEOUT_MS));
      g_object_unref (exporters[i]);
    }
  fixture->exporter = leave_with_name (fixture, data);
  g_assert_true (test_wait_until (is_delivered_once, fixture->exporter, TEST_TIMEOUT_MS));
  g_assert_cmpuint (test_resolver_get_n_lookups (resolver), ==, 1);
  test_resolver_uninstall (resolver);
}

/* A look-up that hangs holds up no end, and there is one. */
static void
test_hanging_name (TestFixture *fixture, gconstpointer data)
{
  TestResolver *resolver = test_resolver_install ();

  lsobs_config_set_shutdown_timeout (fixture->config, 50);
  use_name (fixture, data != NULL ? "context.hanging.invalid" : "thread.hanging.invalid");
  for (guint i = 0; i < 4 * MAX_LEAVING; i++)
    {
      g_autoptr (LsobsExporter) exporter = leave_with_name (fixture, data);

      g_assert_true (test_wait_dropped (exporter, LSOBS_DROP_REASON_SHUTDOWN, 1));
    }
  g_assert_cmpuint (test_resolver_get_n_lookups (resolver), <=, 1);
  test_resolver_uninstall (resolver);
}

/* --- short-lived observers ------------------------------------------------------------------ */

typedef enum
{
  SERVICE_GOOD,
  SERVICE_SECURE, /* the same with TLS */
  SERVICE_HANGING,
  SERVICE_REFUSING,
  SERVICE_CONTINUING, /* 100 Continue without end */
  SERVICE_UNRESOLVED  /* the look-up of its name hangs */
} Service;

typedef enum
{
  CONTEXT_NONE,
  CONTEXT_OWN, /* of this thread, which runs it a little */
  CONTEXT_GONE /* its thread has ended */
} Context;

typedef struct
{
  Service service;
  Context context;
} Row;

static gboolean
continue_cb (GThreadedSocketService *service,
             GSocketConnection *connection,
             GObject *source,
             gpointer user_data)
{
  static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
  GOutputStream *out = g_io_stream_get_output_stream (G_IO_STREAM (connection));

  while (g_output_stream_write_all (out, text, sizeof text - 1, NULL, NULL, NULL))
    g_usleep (1000);
  return TRUE;
}

/* (transfer full) */
static GSocketService *
start_continuing (char **url)
{
  GSocketService *service = g_threaded_socket_service_new (MAX_LEAVING * 4);
  g_autoptr (GError) error = NULL;
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new (loopback, 0);
  g_autoptr (GSocketAddress) address = NULL;

  g_socket_listener_add_address (G_SOCKET_LISTENER (service), any, G_SOCKET_TYPE_STREAM,
                                 G_SOCKET_PROTOCOL_TCP, NULL, &address, &error);
  g_assert_no_error (error);
  g_signal_connect (service, "run", G_CALLBACK (continue_cb), NULL);
  *url = g_strdup_printf ("http://127.0.0.1:%u",
                          g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address)));
  return service;
}

/* Whether the last observer delivers, if it has the time. */
static gboolean
delivers (const Row *row)
{
  return (row->service == SERVICE_GOOD || row->service == SERVICE_SECURE) &&
         row->context != CONTEXT_GONE;
}

/* The service is in the parent process, so that its descriptors are not counted. */
static void
run_with_service (const Row *row)
{
  g_autoptr (TestServer) server = NULL;
  g_autoptr (GSocket) socket = NULL;
  g_autoptr (GSocketService) continuing = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *authority = test_find_certificate ("authority.pem");
  g_autofree char *url = NULL;

  g_setenv ("SSL_CERT_FILE", authority, TRUE);
  switch (row->service)
    {
    case SERVICE_SECURE:
      server = test_new_tls_server ();
      url = g_strdup (test_server_get_url (server));
      break;
    case SERVICE_HANGING:
      socket = test_refusing_socket_new (&url);
      g_socket_listen (socket, &error);
      g_assert_no_error (error);
      break;
    case SERVICE_REFUSING:
      socket = test_refusing_socket_new (&url);
      break;
    case SERVICE_CONTINUING:
      continuing = start_continuing (&url);
      break;
    case SERVICE_UNRESOLVED:
      url = g_strdup ("https://hanging.invalid");
      break;
    case SERVICE_GOOD:
    default:
      server = test_server_new ();
      url = g_strdup (test_server_get_url (server));
      break;
    }
  g_setenv ("LSOBS_TEST_URL", url, TRUE);
  /* All threads use the heap that is measured, and keep nothing of it for themselves. */
  g_setenv ("GLIBC_TUNABLES", "glibc.malloc.arena_max=1:glibc.malloc.tcache_count=0", TRUE);
  g_setenv (NUMBER_VARIABLE,
            g_test_slow () ? G_STRINGIFY (N_SHORT_LIVED_SLOW) : G_STRINGIFY (N_SHORT_LIVED), TRUE);
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
  if (server != NULL)
    g_test_message ("%u records have come", test_server_count_ops (server));
  g_test_trap_assert_passed ();
  /* Many had to make room for newer ones before they had sent anything. */
  if (delivers (row))
    g_assert_cmpuint (test_server_count_ops (server), >, 0);
  if (continuing != NULL)
    g_socket_service_stop (continuing);
}

/* GIO has a pool of threads for all of the process, which TLS and look-ups of names use. */
static gboolean skips_pool;

static guint
count_threads (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  const char *name;
  guint n = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename ("/proc/self/task", name, "comm", NULL);
      g_autofree char *thread_name = NULL;

      /* A thread may end meanwhile. */
      if (g_file_get_contents (path, &thread_name, NULL, NULL))
        n += !skips_pool || !g_str_has_prefix (thread_name, "pool-");
    }
  return n;
}

static LsobsObserver *
start_run (LsobsConfig *config, GMainContext *context)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsRun) run = NULL;
  LsobsObserver *observer = g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error, "config", config,
                                            "main-context", context, NULL);

  g_assert_no_error (error);
  run = lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_end (run, NULL);
  return observer;
}

/* Runs its context a little, and ends. */
static gpointer
gone_thread (gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  LsobsObserver *observer = start_run (data, context);

  for (guint i = 0; i < 3; i++)
    g_main_context_iteration (context, FALSE);
  return observer;
}

static void
live_shortly (LsobsConfig *config, Context context)
{
  LsobsObserver *observer;

  switch (context)
    {
    case CONTEXT_OWN:
      observer = start_run (config, g_main_context_default ());
      for (guint i = 0; i < 3; i++)
        g_main_context_iteration (NULL, FALSE);
      break;
    case CONTEXT_GONE:
      observer = g_thread_join (g_thread_new ("gone", gone_thread, config));
      break;
    case CONTEXT_NONE:
    default:
      observer = start_run (config, NULL);
      break;
    }
  g_object_unref (observer);
}

typedef struct
{
  guint n_descriptors;
  guint n_threads;
  guint n_momentary; /* threads, with those that end */
} Usage;

static gboolean
is_settled (gpointer data)
{
  Usage *usage = data;

  return test_count_descriptors (NULL) <= usage->n_descriptors &&
         count_threads () <= usage->n_threads;
}

/* Observers have had time to leave. */
static gboolean
is_empty (gpointer data)
{
  g_main_context_iteration (NULL, FALSE);
  return g_get_monotonic_time () > *(gint64 *) data;
}

static gsize
get_heap (void)
{
#ifdef __GLIBC__
  return mallinfo2 ().uordblks;
#else
  return 0;
#endif
}

static void
update_most (Usage *most, const Usage *warm)
{
  guint n_threads = count_threads ();

  most->n_descriptors = MAX (most->n_descriptors, test_count_descriptors (NULL));
  most->n_momentary = MAX (most->n_momentary, n_threads);
  for (guint i = 0; n_threads > warm->n_threads + MAX_THREADS && i < MOMENT_MS; i++)
    {
      g_usleep (1000);
      n_threads = count_threads ();
    }
  most->n_threads = MAX (most->n_threads, n_threads);
}

/* For bench/short-lived.py.
 * @n: of observers */
static void
print_usage (guint n, const Usage *usage, const Usage *most, gint64 gone_ms)
{
  g_printerr (
      "%s: %u observers: %d descriptors and %d threads over a warm process at most (%d with "
      "those that end), gone %d ms after the last, limit %d ms\n",
      g_test_get_path (), n, (int) most->n_descriptors - (int) usage->n_descriptors,
      (int) most->n_threads - (int) usage->n_threads,
      (int) most->n_momentary - (int) usage->n_threads, (int) gone_ms, SHORT_TIMEOUT_MS + GONE_MS);
}

/* Lets many observers live shortly.
 * @usage: before that, and again afterwards */
static void
live_shortly_often (LsobsConfig *config, const Row *row, Usage *usage, Usage *most)
{
  TestResolver *resolver = row->service == SERVICE_UNRESOLVED ? test_resolver_install () : NULL;
  guint n = (guint) g_ascii_strtoull (g_getenv (NUMBER_VARIABLE), NULL, 10);
  gint64 last;

  for (guint i = 0; i < n; i++)
    {
      live_shortly (config, row->context);
      update_most (most, usage);
    }
  last = g_get_monotonic_time ();
  /* The resolver gives up. */
  if (resolver != NULL)
    test_resolver_uninstall (resolver);
  g_assert_true (test_wait_until (is_settled, usage, TEST_TIMEOUT_MS));
  if (n != N_SHORT_LIVED)
    print_usage (n, usage, most, test_get_elapsed_ms (last));
}

/* The heap does not grow with each round. What libraries keep for ever, they keep once, or double it
 * now and then. */
static void
assert_flat (LsobsConfig *config, const Row *row, Usage *usage, Usage *most)
{
  const gsize tolerance = 100 * 1024;
  gsize grown = G_MAXSIZE;

  for (guint round = 0; round < N_ROUNDS && grown > tolerance; round++)
    {
      gsize before = get_heap ();
      gsize after;

      live_shortly_often (config, row, usage, most);
      after = get_heap ();
      grown = after > before ? after - before : 0;
      g_printerr ("heap: %" G_GSIZE_FORMAT " bytes before, %" G_GSIZE_FORMAT " after\n", before,
                  after);
    }
  if (!test_is_instrumented ())
    g_assert_cmpuint (grown, <=, tolerance);
}

/* Called in a process of its own. */
static void
measure (const Row *row)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (TEST_KEY, TEST_PROJECT);
  TestResolver *resolver = row->service == SERVICE_UNRESOLVED ? test_resolver_install () : NULL;
  Usage usage;
  Usage most = { 0 };
  gint64 end;

  skips_pool = row->service == SERVICE_SECURE || row->service == SERVICE_UNRESOLVED;
  lsobs_config_set_api_url (config, g_getenv ("LSOBS_TEST_URL"));
  lsobs_config_set_shutdown_timeout (config, SHORT_TIMEOUT_MS);
  for (guint i = 0; i < 4 * MAX_LEAVING; i++)
    live_shortly (config, row->context);
  end = g_get_monotonic_time () + 1000 * G_GINT64_CONSTANT (1000);
  g_assert_true (test_wait_until (is_empty, &end, TEST_TIMEOUT_MS));
  if (resolver != NULL)
    test_resolver_uninstall (resolver);
  usage = (Usage){ .n_descriptors = test_count_descriptors (NULL), .n_threads = count_threads () };

  assert_flat (config, row, &usage, &most);
  g_printerr ("%u descriptors and %u threads before, %u and %u at most\n", usage.n_descriptors,
              usage.n_threads, most.n_descriptors, most.n_threads);
  /* On a busy machine, the end of a TLS session keeps its connection for up to a second. */
  g_assert_cmpuint (most.n_descriptors, <=,
                    usage.n_descriptors +
                        (row->service == SERVICE_SECURE ? 2 : 1) * MAX_DESCRIPTORS);
  g_assert_cmpuint (most.n_threads, <=, usage.n_threads + MAX_THREADS + MAX_ENDING);
  if (delivers (row))
    {
      g_autoptr (GError) error = NULL;

      /* Others that still leave would be part of the result. */
      lsobs_shutdown_all (0, NULL);
      lsobs_config_set_shutdown_timeout (config, TEST_NEVER_MS);
      live_shortly (config, row->context);
      lsobs_shutdown_all (TEST_TIMEOUT_MS, &error);
      if (error != NULL)
        test_log_print ();
      g_assert_no_error (error);
      /* LeakSanitizer does not like threads that are about to end. */
      g_assert_true (test_wait_until (is_settled, &usage, TEST_TIMEOUT_MS));
    }
}

static void
test_short_lived (gconstpointer data)
{
  const Row *row = data;

  if (!g_file_test ("/proc/self/task", G_FILE_TEST_IS_DIR))
    {
      g_test_skip ("No /proc/self/task here");
      return;
    }
  if (g_test_subprocess ())
    measure (row);
  else
    run_with_service (row);
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, set_up, test, test_fixture_tear_down)

int
main (int argc, char **argv)
{
  static const Row rows[] = {
    { .service = SERVICE_GOOD, .context = CONTEXT_NONE },
    { .service = SERVICE_GOOD, .context = CONTEXT_OWN },
    { .service = SERVICE_GOOD, .context = CONTEXT_GONE },
    { .service = SERVICE_SECURE, .context = CONTEXT_NONE },
    { .service = SERVICE_SECURE, .context = CONTEXT_OWN },
    { .service = SERVICE_SECURE, .context = CONTEXT_GONE },
    { .service = SERVICE_HANGING, .context = CONTEXT_NONE },
    { .service = SERVICE_HANGING, .context = CONTEXT_OWN },
    { .service = SERVICE_HANGING, .context = CONTEXT_GONE },
    { .service = SERVICE_REFUSING, .context = CONTEXT_NONE },
    { .service = SERVICE_REFUSING, .context = CONTEXT_OWN },
    { .service = SERVICE_REFUSING, .context = CONTEXT_GONE },
    { .service = SERVICE_CONTINUING, .context = CONTEXT_NONE },
    { .service = SERVICE_CONTINUING, .context = CONTEXT_OWN },
    { .service = SERVICE_CONTINUING, .context = CONTEXT_GONE },
    { .service = SERVICE_UNRESOLVED, .context = CONTEXT_NONE },
    { .service = SERVICE_UNRESOLVED, .context = CONTEXT_OWN },
    { .service = SERVICE_UNRESOLVED, .context = CONTEXT_GONE },
  };
  static const char *const services[] = { "good",     "secure",     "hanging",
                                          "refusing", "continuing", "unresolved" };
  static const char *const contexts[] = { "thread", "context", "gone" };

  g_test_init (&argc, &argv, NULL);
  test_log_install ();
  g_test_summary ("The last unref of an observer does not wait.");

  ADD ("/leave/held/thread", NULL, test_held);
  ADD ("/leave/held/context", GINT_TO_POINTER (TRUE), test_held);
  ADD ("/leave/back-in-time/thread", NULL, test_back_in_time);
  ADD ("/leave/back-in-time/context", GINT_TO_POINTER (TRUE), test_back_in_time);
  ADD ("/leave/late/thread", NULL, test_late);
  ADD ("/leave/late/context", GINT_TO_POINTER (TRUE), test_late);
  ADD ("/leave/never-run", NULL, test_never_run);
  ADD ("/leave/run-once", GINT_TO_POINTER (TRUE), test_never_run);
  ADD ("/leave/owner-gone/drop", NULL, test_owner_gone);
  ADD ("/leave/owner-gone/shutdown", GINT_TO_POINTER (TRUE), test_owner_gone);
  ADD ("/leave/many/thread", NULL, test_many);
  ADD ("/leave/many/context", GINT_TO_POINTER (TRUE), test_many);
  ADD ("/leave/shut-down-all/thread", NULL, test_shut_down_all);
  ADD ("/leave/shut-down-all/context", GINT_TO_POINTER (TRUE), test_shut_down_all);
  g_test_add_func ("/leave/log-written", test_log_written);
  g_test_add_func ("/leave/log", test_log);
  ADD ("/leave/name/thread", NULL, test_name);
  ADD ("/leave/name/context", GINT_TO_POINTER (TRUE), test_name);
  ADD ("/leave/hanging-name/thread", NULL, test_hanging_name);
  ADD ("/leave/hanging-name/context", GINT_TO_POINTER (TRUE), test_hanging_name);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path =
          g_strdup_printf ("/leave/short-lived/%s/%s", services[rows[i].service],
                           contexts[rows[i].context]);

      g_test_add_data_func (path, &rows[i], test_short_lived);
    }
  return g_test_run ();
}
