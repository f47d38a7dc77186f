/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A program that runs with more rights than its user has, such as a setuid one, takes neither a
 * command nor a proxy from its user. */

#include "config.h"

#include <dlfcn.h>
#include <sys/auxv.h>

#include "lsobs/config/lsobs-settings-private.h"
#include "tests/lib/profile-helpers.h"
#include "tests/lib/test-proxy-server.h"

/* Whether this program is as such a one. */
static int is_secure;

/* Takes the place of that of the C library, for the library as well. */
unsigned long
getauxval (unsigned long type)
{
  unsigned long (*real) (unsigned long type) =
      (unsigned long (*) (unsigned long type)) dlsym (RTLD_NEXT, "getauxval");

  if (type == AT_SECURE && g_atomic_int_get (&is_secure))
    return 1;
  return real (type);
}

static void
tear_down (ProfileFixture *fixture, gconstpointer data)
{
  g_atomic_int_set (&is_secure, FALSE);
  profile_tear_down (fixture, data);
}

/* @data: not NULL: without the rights, to show that it runs then */
static void
test_command (ProfileFixture *fixture, gconstpointer data)
{
  g_autoptr (TestRequest) request = NULL;
  LsobsExporter *exporter;

  fixture->base.is_free = TRUE;
  g_atomic_int_set (&is_secure, data == NULL);
  profile_write (fixture, "\"api_key_cmd\":\"echo x >> $DIR/runs; echo lsv2_key\"");
  exporter = profile_start (fixture);
  test_emit (exporter, "run");
  test_assert_flush (exporter, 1);
  /* A service on this machine needs no key. */
  request = test_get_request (fixture->base.server, 0);
  g_assert_cmpstr (test_request_get_header (request, "x-api-key"), ==,
                   data != NULL ? "lsv2_key" : NULL);
  g_assert_cmpuint (profile_count_lines (fixture, "runs"), ==, data != NULL ? 1 : 0);
}

/* A variable of the user would say where the spool is.
 * @data: not NULL: without the rights, to show that there is one then */
static void
test_spool (ProfileFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsSettings) settings = NULL;
  g_autoptr (GError) error = NULL;

  g_atomic_int_set (&is_secure, data == NULL);
  lsobs_config_set_spool_enabled (fixture->base.config, TRUE);
  settings = _lsobs_settings_new (fixture->base.config, LSOBS_SETTINGS_FOR_HTTP, &error);
  g_assert_no_error (error);
  g_assert_true ((settings->values.spool_dir != NULL) == (data != NULL));
}

/* Neither lsobs nor the resolvers of GIO listen to the variables.
 * @data: (nullable): the one that is set; NULL: without the rights, to show that it counts then */
static void
test_proxy (ProfileFixture *fixture, gconstpointer data)
{
  TestServer *server = fixture->base.server;
  TestProxy *proxy = test_proxy_new (test_server_get_port (server));
  g_autoptr (TestEnv) env = test_env_new ();
  g_autofree char *url = g_strdup_printf ("http://0.0.0.0:%u", test_server_get_port (server));
  g_autofree char *value = g_strdup_printf ("http://127.0.0.1:%u", test_proxy_get_port (proxy));
  static const char *const names[] = { "http_proxy", "https_proxy", "all_proxy", "no_proxy",
                                       "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    test_env_set (env, names[i], NULL);
  test_env_set (env, data != NULL ? data : "http_proxy", value);
  g_atomic_int_set (&is_secure, data != NULL);
  lsobs_config_set_api_url (fixture->base.config, url);
  lsobs_config_set_allow_plain_http (fixture->base.config, TRUE);
  lsobs_config_set_api_key (fixture->base.config, TEST_KEY);
  lsobs_config_set_max_attempts (fixture->base.config, 50);
  test_emit (test_fixture_start (&fixture->base), "run");
  test_assert_flush (fixture->base.exporter, 1);
  g_assert_true (test_proxy_was_asked (proxy, "") == (data == NULL));
  test_fixture_stop (&fixture->base);
  test_proxy_free (proxy);
}

static void
add (const char *path, gconstpointer data, void (*func) (ProfileFixture *, gconstpointer))
{
  g_test_add (path, ProfileFixture, data, profile_set_up, func, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  add ("/privilege/command", NULL, test_command);
  add ("/privilege/command-plain", "", test_command);
  add ("/privilege/spool", NULL, test_spool);
  add ("/privilege/spool-plain", "", test_spool);
  add ("/privilege/proxy/http-proxy", "http_proxy", test_proxy);
  add ("/privilege/proxy/http-proxy-upper", "HTTP_PROXY", test_proxy);
  add ("/privilege/proxy/all-proxy", "all_proxy", test_proxy);
  add ("/privilege/proxy/plain", NULL, test_proxy);

  return profile_run_tests ();
}
