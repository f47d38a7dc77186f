/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A real nginx before the service: it closes connections after a few requests, and when it is
 * reloaded. No part of "make check"; "./dev nginx-test" runs it. */

#include "config.h"

#include <signal.h>
#include <unistd.h>

#ifdef __linux__
# include <sys/prctl.h>
#endif

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/tls-helpers.h"

#define N_RUNS      60
#define INTERVAL_MS 20

typedef struct
{
  TestFixture base;
  char *dir;          /* (owned) of all files of nginx */
  guint port;         /* of nginx */
  GSubprocess *nginx; /* (owned) */
} Fixture;

/* One that nobody has at the moment. */
static guint
find_port (void)
{
  g_autofree char *url = NULL;
  g_autoptr (GSocket) socket = test_refusing_socket_new (&url);
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);

  return (guint) g_uri_get_port (uri);
}

/* @options: of "listen", with @directives for the server */
static void
write_config (Fixture *fixture, const char *options, const char *directives)
{
  g_autofree char *path = g_build_filename (fixture->dir, "nginx.conf", NULL);
  g_autofree char *text = g_strdup_printf (
      "%s"
      "worker_processes 1;\n"
      "pid nginx.pid;\n"
      "error_log error.log notice;\n"
      "events { worker_connections 64; }\n"
      "http {\n"
      "  access_log off;\n"
      "  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n"
      "  uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n"
      "  server {\n"
      "    listen 127.0.0.1:%u ssl %s;\n"
      "    ssl_certificate %s; ssl_certificate_key %s;\n"
      "    client_max_body_size 20m;\n"
      "    %s\n"
      "    location / { proxy_pass %s; proxy_http_version 1.1; }\n"
      "  }\n"
      "}\n",
      geteuid () == 0 ? "user root;\n" : "", fixture->port, options, tls_service_get_certificate (),
      tls_service_get_key (), directives, test_server_get_url (fixture->base.server));
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

static gboolean
is_listening (gpointer data)
{
  Fixture *fixture = data;
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnection) connection =
      g_socket_client_connect_to_host (client, "127.0.0.1", (guint16) fixture->port, NULL, NULL);

  return connection != NULL;
}

/* Called in the child. It must not stay when a test has failed. */
static void
die_with_parent (gpointer data G_GNUC_UNUSED)
{
#ifdef __linux__
  prctl (PR_SET_PDEATHSIG, SIGTERM);
#endif
}

static void
start_nginx (Fixture *fixture, const char *options, const char *directives)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autofree char *url = NULL;
  g_autoptr (GError) error = NULL;

  fixture->port = find_port ();
  write_config (fixture, options, directives);
  g_subprocess_launcher_set_child_setup (launcher, die_with_parent, NULL, NULL);
  fixture->nginx =
      g_subprocess_launcher_spawn (launcher, &error, "nginx", "-p", fixture->dir, "-c",
                                   "nginx.conf", "-e", "error.log", "-g", "daemon off;", NULL);
  g_assert_no_error (error);
  g_assert_true (test_wait_until (is_listening, fixture, TEST_TIMEOUT_MS));
  url = g_strdup_printf ("https://127.0.0.1:%u", fixture->port);
  lsobs_config_set_api_url (fixture->base.config, url);
}

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_fixture_set_up (&fixture->base, NULL);
  /* what nginx did not answer any more comes again */
  fixture->base.is_free = TRUE;
  g_object_unref (fixture->base.config);
  fixture->base.config = lsobs_config_new (TEST_KEY, TEST_PROJECT);
  if (!tls_service_is_possible ())
    g_error ("there is no TLS service here");
  fixture->dir = g_dir_make_tmp ("lsobs-nginx-XXXXXX", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  test_fixture_tear_down (&fixture->base, data);
  g_subprocess_send_signal (fixture->nginx, SIGTERM);
  g_subprocess_wait (fixture->nginx, NULL, NULL);
  g_object_unref (fixture->nginx);
  failed_traces_remove_dir (fixture->dir);
  g_free (fixture->dir);
}

static gboolean
never (gpointer data G_GNUC_UNUSED)
{
  return FALSE;
}

static void
run_some (Fixture *fixture, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (JsonNode) inputs = test_new_payload ("question");
      g_autoptr (LsobsRun) run =
          lsobs_observer_start_run (fixture->base.observer, "run", LSOBS_RUN_TYPE_CHAIN, inputs);

      test_wait_until (never, NULL, INTERVAL_MS);
      lsobs_run_end (run, NULL);
    }
}

static void
assert_all_there (Fixture *fixture, guint n_runs)
{
  LsobsExporter *exporter = fixture->base.exporter;
  g_autoptr (GPtrArray) requests = NULL;
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (GError) error = NULL;

  lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, &error);
  g_assert_no_error (error);
  tree = test_server_build_tree (fixture->base.server);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, n_runs);
  g_assert_cmpuint (wire_tree_get_n_pending (tree), ==, 0);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_DELIVERED), ==,
                    test_get_counter (exporter, LSOBS_COUNTER_ENQUEUED));
  requests = test_server_dup_ingest (fixture->base.server);
  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);

      g_assert_no_error (request->wire_error);
      g_assert_cmpuint (g_bytes_get_size (request->raw_body), >, 0);
    }
  g_test_message ("%u requests, %" G_GUINT64_FORMAT " attempts", requests->len,
                  test_get_counter (exporter, LSOBS_COUNTER_REQUESTS));
}

/* A run every 20 ms, each batch at once. */
static void
test_keepalive_requests (Fixture *fixture, gconstpointer options)
{
  start_nginx (fixture, options, "keepalive_requests 5;");
  lsobs_config_set_flush_interval (fixture->base.config, INTERVAL_MS);
  test_fixture_start (&fixture->base);
  run_some (fixture, N_RUNS);
  assert_all_there (fixture, N_RUNS);
}

/* Half of the runs meet an nginx that is reloaded again and again. */
static void
test_reload (Fixture *fixture, gconstpointer options)
{
  start_nginx (fixture, options, "");
  lsobs_config_set_flush_interval (fixture->base.config, INTERVAL_MS);
  test_fixture_start (&fixture->base);
  for (guint i = 0; i < 6; i++)
    {
      run_some (fixture, N_RUNS / 6);
      g_subprocess_send_signal (fixture->nginx, SIGHUP);
    }
  assert_all_there (fixture, N_RUNS);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

#define ADD(name, options, test) \
 g_test_add ("/nginx/" name, Fixture, options, set_up, test, tear_down)

  ADD ("http1/keepalive-requests", "", test_keepalive_requests);
  ADD ("http1/reload", "", test_reload);
  ADD ("http2/keepalive-requests", "http2", test_keepalive_requests);
  ADD ("http2/reload", "http2", test_reload);

#undef ADD

  return g_test_run ();
}
