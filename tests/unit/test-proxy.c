/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proxies that the environment names, in all the forms that other programs take. */

#include "config.h"

#include <string.h>

#include "lsobs/config/lsobs-proxy-private.h"
#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/test-helpers.h"
#include "tests/lib/test-proxy-server.h"

static const char *const variables[] = { "http_proxy",  "HTTP_PROXY", "https_proxy",
                                         "HTTPS_PROXY", "all_proxy",  "ALL_PROXY",
                                         "no_proxy",    "NO_PROXY",   "REQUEST_METHOD",
                                         NULL };

/* --- values -------------------------------------------------------------------------------- */

typedef struct
{
  const char *value;
  const char *expected; /* (nullable) NULL: it makes no sense */
} ValueRow;

static const ValueRow value_rows[] = {
  { "127.0.0.1:3128", "http://127.0.0.1:3128" },
  { "proxy.example", "http://proxy.example:80" },
  { " proxy.example:3128\n", "http://proxy.example:3128" },
  { "http://proxy.example:3128/", "http://proxy.example:3128" },
  { "HTTP://proxy.example", "http://proxy.example:80" },
  { "https://proxy.example", "https://proxy.example:443" },
  { "[::1]:3128", "http://[::1]:3128" },
  { "http://[fd00::5]", "http://[fd00::5]:80" },
  { "socks://proxy.example", "socks5://proxy.example:1080" },
  { "socks5://proxy.example", "socks5://proxy.example:1080" },
  { "socks5h://proxy.example:9050", "socks5://proxy.example:9050" },
  { "socks4://proxy.example", "socks4://proxy.example:1080" },
  { "socks4a://proxy.example", "socks4a://proxy.example:1080" },
  { "user:secret@proxy.example:1", "http://user:secret@proxy.example:1" },
  { "http://user:s%40cret@proxy.example:1", "http://user:s%40cret@proxy.example:1" },
  { "http://user:s@cret@proxy.example:1", "http://user:s%40cret@proxy.example:1" },
  { "ftp://proxy.example:21", NULL },
  { "file:///etc/passwd", NULL },
  { "://proxy.example", NULL },
  { "http://", NULL },
  { "http://:3128", NULL },
  { "http://proxy.example:0", NULL },
  { "http://proxy.example:99999", NULL },
  { "http://proxy.example:port", NULL },
  { "proxy.example 3128", NULL },
  { "http://proxy.example/path", NULL },
  { "http://proxy.example?query", NULL },
  { "yes please", NULL },
  { "pr\xc3\xb6xy.example", NULL },
  { "http://proxy\texample", NULL },
};

static void
test_value (gconstpointer data)
{
  const ValueRow *row = data;
  TestEnv *env = test_env_new ();
  LsobsProxy proxy;

  test_env_unset_all (env, variables);
  test_env_set (env, "https_proxy", row->value);
  _lsobs_proxy_choose (&proxy, "https://service.example");
  g_assert_cmpint (proxy.kind, ==, row->expected != NULL ? LSOBS_PROXY_URL : LSOBS_PROXY_UNUSABLE);
  g_assert_cmpstr (proxy.url, ==, row->expected);
  _lsobs_proxy_clear (&proxy);
  test_env_free (env);
}

typedef struct
{
  const char *list;
  const char *host;
  int port;
  gboolean expected;
} ExemptRow;

static const ExemptRow exempt_rows[] = {
  { "*", "anything.example", 443, TRUE },
  { "a.example, *", "anything.example", 443, TRUE },
  { "example.org", "example.org", 443, TRUE },
  { "example.org", "api.example.org", 443, TRUE },
  { ".example.org", "example.org", 443, TRUE },
  { ".example.org", "api.example.org", 443, TRUE },
  { "*.example.org", "api.example.org", 443, TRUE },
  { "EXAMPLE.org", "api.Example.ORG", 443, TRUE },
  { "example.org.", "example.org", 443, TRUE },
  { "example.org", "example.org.", 443, TRUE },
  { "example.org", "notexample.org", 443, FALSE },
  { ".example.org", "notexample.org", 443, FALSE },
  { "example.org", "example.org.evil.example", 443, FALSE },
  { "api.example.org", "example.org", 443, FALSE },
  { "a.example,example.org", "example.org", 443, TRUE },
  { "a.example example.org\tb.example", "b.example", 443, TRUE },
  { " , ,,", "example.org", 443, FALSE },
  { ".", "example.org", 443, FALSE },
  { "example.org:443", "example.org", 443, TRUE },
  { "example.org:8443", "example.org", 443, FALSE },
  { ".example.org:8443", "api.example.org", 8443, TRUE },
  { "example.org:port", "example.org", 443, FALSE },
  { "10.1.2.3", "10.1.2.3", 443, TRUE },
  { "10.1.2.3:443", "10.1.2.3", 443, TRUE },
  { "10.1.2.3:80", "10.1.2.3", 443, FALSE },
  { "2.3", "10.1.2.3", 443, FALSE },
  { "10.0.0.0/8", "10.1.2.3", 443, TRUE },
  { "10.1.2.99/24", "10.1.2.3", 443, TRUE },
  { "10.1.2.0/23", "10.1.3.255", 443, TRUE },
  { "10.1.2.0/23", "10.1.4.0", 443, FALSE },
  { "10.0.0.0/8", "11.0.0.1", 443, FALSE },
  { "0.0.0.0/0", "11.0.0.1", 443, TRUE },
  { "10.1.2.3/32", "10.1.2.3", 443, TRUE },
  { "10.0.0.0/33", "10.1.2.3", 443, FALSE },
  { "10.0.0.0/", "10.1.2.3", 443, FALSE },
  { "10.0.0.0/8", "ten.example", 443, FALSE },
  { "fd00::/8", "fd12::1", 443, TRUE },
  { "fd00::/8", "fe80::1", 443, FALSE },
  { "0.0.0.0/0", "fd12::1", 443, FALSE },
  { "fd12::1", "fd12::1", 443, TRUE },
  { "fd12:0::1", "fd12::1", 443, TRUE },
  { "[fd12::1]", "fd12::1", 443, TRUE },
  { "[fd12::1]:443", "fd12::1", 443, TRUE },
  { "[fd12::1]:80", "fd12::1", 443, FALSE },
  { "[fd12::1]x", "fd12::1", 443, FALSE },
  { "[fd12::1", "fd12::1", 443, FALSE },
};

static void
test_exempt (gconstpointer data)
{
  const ExemptRow *row = data;
  const gboolean is_ipv6 = strchr (row->host, ':') != NULL;
  g_autofree char *url =
      g_strdup_printf (is_ipv6 ? "https://[%s]:%d" : "https://%s:%d", row->host, row->port);
  TestEnv *env = test_env_new ();
  LsobsProxy proxy;

  test_env_unset_all (env, variables);
  test_env_set (env, "https_proxy", "proxy.example");
  test_env_set (env, "no_proxy", row->list);
  _lsobs_proxy_choose (&proxy, url);
  g_assert_cmpint (proxy.kind, ==, row->expected ? LSOBS_PROXY_DIRECT : LSOBS_PROXY_URL);
  _lsobs_proxy_clear (&proxy);
  test_env_free (env);
}

/* --- fixture ------------------------------------------------------------------------------- */

typedef struct
{
  TestFixture base;
  TestEnv *env;     /* (owned) */
  TestProxy *proxy; /* (owned) */
} Fixture;

static void
use_server (Fixture *fixture, TestServer *server)
{
  test_fixture_use_server (&fixture->base, server);
  test_proxy_free (fixture->proxy);
  fixture->proxy = test_proxy_new (test_server_get_port (server));
}

/* The service is at an address that is not known to be of this machine, but is. */
static void
use_address (Fixture *fixture)
{
  g_autofree char *url =
      g_strdup_printf ("http://0.0.0.0:%u", test_server_get_port (fixture->base.server));

  lsobs_config_set_api_url (fixture->base.config, url);
  lsobs_config_set_allow_plain_http (fixture->base.config, TRUE);
}

/* The service has a name that only the proxy can know, and a certificate for it. */
static void
use_tls (Fixture *fixture)
{
  g_autofree char *authority = test_find_certificate ("authority.pem");

  use_server (fixture, test_new_tls_server ());
  lsobs_config_set_ca_file (fixture->base.config, authority);
  lsobs_config_set_api_url (fixture->base.config, "https://service.example");
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->env = test_env_new ();
  test_env_unset_all (fixture->env, variables);
  test_fixture_set_up (&fixture->base, data);
  fixture->proxy = test_proxy_new (test_server_get_port (fixture->base.server));
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  test_fixture_tear_down (&fixture->base, data);
  test_proxy_free (fixture->proxy);
  test_env_free (fixture->env);
}

/* @format: (nullable): with a place for the port of the proxy; NULL: 127.0.0.1:PORT */
static void
set_proxy (Fixture *fixture, const char *variable, const char *format)
{
  g_auto (GStrv) parts = g_strsplit (format != NULL ? format : "127.0.0.1:PORT", "PORT", 2);
  g_autofree char *port = g_strdup_printf ("%u", test_proxy_get_port (fixture->proxy));
  g_autofree char *value = g_strjoinv (port, parts);

  test_env_set (fixture->env, variable, value);
}

static void
assert_direct (Fixture *fixture)
{
  test_fixture_assert_delivers (&fixture->base);
  g_assert_false (test_proxy_was_asked (fixture->proxy, ""));
}

/* Returns (transfer full): the message */
static char *
assert_holds (Fixture *fixture)
{
  LsobsExporter *exporter;
  g_autoptr (GError) error = NULL;

  lsobs_config_set_max_attempts (fixture->base.config, 1);
  exporter = test_fixture_start (&fixture->base);
  test_emit (exporter, "one");
  g_assert_false (lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, &error));
  g_assert_nonnull (error);
  g_test_message ("%s", error->message);
  test_fixture_assert_not_asked (&fixture->base);
  return g_strdup (error->message);
}

/* --- forms --------------------------------------------------------------------------------- */

typedef struct
{
  const char *name;
  const char *variable;
  const char *format;
  const char *asked; /* what the proxy gets to see */
} FormRow;

static const FormRow form_rows[] = {
  { "https-proxy", "https_proxy", NULL, "CONNECT service.example:443 " },
  { "https-proxy-upper", "HTTPS_PROXY", NULL, "CONNECT service.example:443 " },
  { "all-proxy", "all_proxy", NULL, "CONNECT service.example:443 " },
  { "all-proxy-upper", "ALL_PROXY", NULL, "CONNECT service.example:443 " },
  { "url", "https_proxy", "http://127.0.0.1:PORT/", "CONNECT service.example:443 " },
  { "socks5", "ALL_PROXY", "socks5://127.0.0.1:PORT", "SOCKS service.example:443" },
  { "socks5h", "https_proxy", "socks5h://127.0.0.1:PORT", "SOCKS service.example:443" },
};

static void
test_form (Fixture *fixture, gconstpointer data)
{
  const FormRow *row = data;

  use_tls (fixture);
  set_proxy (fixture, row->variable, row->format);
  test_fixture_assert_delivers (&fixture->base);
  g_assert_cmpuint (test_proxy_count (fixture->proxy), >, 0);
  g_assert_true (test_proxy_was_asked (fixture->proxy, row->asked));
}

/* Plain http is not tunneled. */
static void
test_plain (Fixture *fixture, gconstpointer data)
{
  use_address (fixture);
  set_proxy (fixture, data, NULL);
  test_fixture_assert_delivers (&fixture->base);
  g_assert_true (test_proxy_was_asked (fixture->proxy, "POST http://0.0.0.0:"));
}

/* --- which of them counts ------------------------------------------------------------------ */

/* What is named for another scheme is none of it. */
static void
test_other_scheme (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  use_address (fixture);
  set_proxy (fixture, "https_proxy", NULL);
  assert_direct (fixture);
}

static void
test_order (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  use_address (fixture);
  set_proxy (fixture, "http_proxy", NULL);
  test_env_set (fixture->env, "HTTP_PROXY", "no sense");
  test_env_set (fixture->env, "all_proxy", "no sense");
  test_env_set (fixture->env, "ALL_PROXY", "no sense");
  test_env_set (fixture->env, "no_proxy", "elsewhere.example");
  test_env_set (fixture->env, "NO_PROXY", "*");
  test_fixture_assert_delivers (&fixture->base);
  g_assert_cmpuint (test_proxy_count (fixture->proxy), >, 0);
}

static void
test_white (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  use_address (fixture);
  test_env_set (fixture->env, "http_proxy", " ");
  test_env_set (fixture->env, "no_proxy", "");
  set_proxy (fixture, "ALL_PROXY", NULL);
  test_fixture_assert_delivers (&fixture->base);
  g_assert_cmpuint (test_proxy_count (fixture->proxy), >, 0);
}

/* Quotes are none of the value. */
static void
test_quotes (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  use_address (fixture);
  set_proxy (fixture, "http_proxy", " \"127.0.0.1:PORT\" ");
  test_env_set (fixture->env, "no_proxy", "'elsewhere.example'");
  test_fixture_assert_delivers (&fixture->base);
  g_assert_cmpuint (test_proxy_count (fixture->proxy), >, 0);
}

static void
test_quotes_exempt (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  use_address (fixture);
  set_proxy (fixture, "http_proxy", NULL);
  test_env_set (fixture->env, "NO_PROXY", "\"*\"");
  assert_direct (fixture);
}

static void
test_no_proxy (Fixture *fixture, gconstpointer data)
{
  use_address (fixture);
  set_proxy (fixture, "http_proxy", NULL);
  set_proxy (fixture, "ALL_PROXY", NULL);
  test_env_set (fixture->env, data, "*");
  assert_direct (fixture);
}

/* A program that others start by a request must not take a proxy from its headers. */
static void
test_cgi (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  use_address (fixture);
  set_proxy (fixture, "HTTP_PROXY", NULL);
  test_env_set (fixture->env, "REQUEST_METHOD", "GET");
  assert_direct (fixture);
}

static void
test_loopback (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  set_proxy (fixture, "http_proxy", NULL);
  set_proxy (fixture, "all_proxy", NULL);
  assert_direct (fixture);
}

/* What was kept goes the same way. */
static void
test_replay (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *lost = g_dir_make_tmp ("lsobs-lost-XXXXXX", NULL);
  g_autoptr (LsobsClient) client = NULL;
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;
  guint n_before, n_delivered, n_failed;

  use_tls (fixture);
  set_proxy (fixture, "https_proxy", NULL);
  lsobs_config_set_failed_traces_dir (fixture->base.config, lost);
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 422 });
  lsobs_config_set_max_attempts (fixture->base.config, 50);
  test_emit (test_fixture_start (&fixture->base), "run");
  g_error_free (test_flush_with_loss (fixture->base.exporter, 1));
  test_fixture_stop (&fixture->base);
  n_before = test_proxy_count (fixture->proxy);
  client = lsobs_client_new (fixture->base.config, &error);
  g_assert_no_error (error);
  lsobs_client_replay_async (client, lost, NULL, test_result_cb, &result);
  lsobs_client_replay_finish (client, test_result_wait (&result), &n_delivered, &n_failed, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (n_delivered, ==, 1);
  g_assert_cmpuint (n_failed, ==, 0);
  g_assert_cmpuint (test_proxy_count (fixture->proxy), >, n_before);
  failed_traces_remove_dir (lost);
}

/* --- trouble ------------------------------------------------------------------------------- */

/* Never past the proxy. */
static void
test_unusable (Fixture *fixture, gconstpointer data)
{
  g_autofree char *message = NULL;

  use_address (fixture);
  test_env_set (fixture->env, "ALL_PROXY", data);
  message = assert_holds (fixture);
  g_assert_nonnull (strstr (message, "ALL_PROXY"));
  g_assert_nonnull (strstr (message, "http://host:port"));
  g_assert_true (test_log_contains ("ALL_PROXY"));
  g_assert_false (test_log_contains ("hunter2"));
  g_assert_null (strstr (message, "hunter2"));
}

static void
test_dead (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *url = NULL;
  g_autoptr (GSocket) socket = test_refusing_socket_new (&url);
  g_autofree char *message = NULL;

  use_address (fixture);
  test_env_set (fixture->env, "http_proxy", url);
  message = assert_holds (fixture);
  g_assert_nonnull (strstr (message, "cannot be reached"));
}

static void
test_password (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *encoded = g_base64_encode ((const guchar *) "user:hunter2@", 13);
  g_autofree char *authorization = g_strconcat ("Basic ", encoded, NULL);

  use_tls (fixture);
  test_proxy_demand (fixture->proxy, authorization);
  set_proxy (fixture, "https_proxy", "user:hunter2%40@127.0.0.1:PORT");
  test_fixture_assert_delivers (&fixture->base);
  g_assert_cmpuint (test_proxy_count (fixture->proxy), >, 0);
  g_assert_false (test_log_contains ("hunter2"));
  g_assert_false (test_log_contains (encoded));
}

/* What the proxy says is not what the service says, and the password is in no message. */
static void
test_refused (Fixture *fixture, gconstpointer data)
{
  g_autofree char *message = NULL;

  use_tls (fixture);
  test_proxy_refuse (fixture->proxy, GPOINTER_TO_UINT (data));
  set_proxy (fixture, "https_proxy", "user:hunter2@127.0.0.1:PORT");
  message = assert_holds (fixture);
  g_assert_null (strstr (message, "API key"));
  g_assert_null (strstr (message, "hunter2"));
  g_assert_false (test_log_contains ("hunter2"));
}

static void
add (const char *path, gconstpointer data, void (*func) (Fixture *fixture, gconstpointer data))
{
  g_test_add (path, Fixture, data, set_up, func, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  for (guint i = 0; i < G_N_ELEMENTS (value_rows); i++)
    {
      g_autofree char *path = g_strdup_printf ("/proxy/value/%u", i);

      g_test_add_data_func (path, &value_rows[i], test_value);
    }
  for (guint i = 0; i < G_N_ELEMENTS (exempt_rows); i++)
    {
      g_autofree char *path = g_strdup_printf ("/proxy/exempt/%u", i);

      g_test_add_data_func (path, &exempt_rows[i], test_exempt);
    }
  for (guint i = 0; i < G_N_ELEMENTS (form_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/proxy/form/", form_rows[i].name, NULL);

      add (path, &form_rows[i], test_form);
    }
  add ("/proxy/plain/http-proxy", "http_proxy", test_plain);
  add ("/proxy/plain/http-proxy-upper", "HTTP_PROXY", test_plain);
  add ("/proxy/plain/all-proxy", "ALL_PROXY", test_plain);
  add ("/proxy/other-scheme", NULL, test_other_scheme);
  add ("/proxy/order", NULL, test_order);
  add ("/proxy/white", NULL, test_white);
  add ("/proxy/quotes", NULL, test_quotes);
  add ("/proxy/quotes-exempt", NULL, test_quotes_exempt);
  add ("/proxy/replay", NULL, test_replay);
  add ("/proxy/no-proxy", "no_proxy", test_no_proxy);
  add ("/proxy/no-proxy-upper", "NO_PROXY", test_no_proxy);
  add ("/proxy/cgi", NULL, test_cgi);
  add ("/proxy/loopback", NULL, test_loopback);
  add ("/proxy/unusable/scheme", "ftp://user:hunter2@proxy.example", test_unusable);
  add ("/proxy/unusable/garbage", "hunter2 and more", test_unusable);
  add ("/proxy/unusable/port", "http://user:hunter2@proxy.example:hunter2", test_unusable);
  add ("/proxy/dead", NULL, test_dead);
  add ("/proxy/password", NULL, test_password);
  add ("/proxy/refused/403", GUINT_TO_POINTER (403), test_refused);
  add ("/proxy/refused/502", GUINT_TO_POINTER (502), test_refused);
  add ("/proxy/refused/407", GUINT_TO_POINTER (407), test_refused);

  return g_test_run ();
}
