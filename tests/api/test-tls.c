/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which authorities may vouch for the service: a property, then what OpenSSL reads, then what the
 * official clients read. They replace those of the system, and what cannot be read is never passed
 * over. */

#include "config.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include <glib/gstdio.h>

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/fork-helpers.h"
#include "tests/lib/test-helpers.h"

/* Whether this program is as one that runs with more rights than its user has. */
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

/* --- fixture ------------------------------------------------------------------------------- */

static const char *const variables[] = { "SSL_CERT_FILE",
                                         "SSL_CERT_DIR",
                                         "REQUESTS_CA_BUNDLE",
                                         "LANGSMITH_CA_FILE",
                                         "LANGSMITH_ALLOW_PLAIN_HTTP",
                                         NULL };

typedef struct
{
  TestFixture base;
  TestEnv *env;    /* (owned) */
  char *dir;       /* (owned) empty at first */
  char *authority; /* (owned) the file of the one that vouches for the service */
  char *other;     /* (owned) the file of another one */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  test_fixture_set_up (&fixture->base, data);
  test_fixture_use_server (&fixture->base, test_new_tls_server ());
  fixture->env = test_env_new ();
  test_env_unset_all (fixture->env, variables);
  fixture->dir = g_dir_make_tmp ("lsobs-tls-XXXXXX", &error);
  g_assert_no_error (error);
  fixture->authority = test_find_certificate ("authority.pem");
  fixture->other = test_find_certificate ("other-authority.pem");
  lsobs_config_set_api_url (fixture->base.config, test_server_get_url (fixture->base.server));
  /* On a slow machine, not every attempt is connected in time. */
  lsobs_config_set_max_attempts (fixture->base.config, 20);
}

static void
empty_dir (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, name, NULL);

      g_assert_no_errno (g_remove (file));
    }
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_atomic_int_set (&is_secure, FALSE);
  test_fixture_tear_down (&fixture->base, data);
  test_env_free (fixture->env);
  empty_dir (fixture->dir);
  g_assert_no_errno (g_rmdir (fixture->dir));
  g_free (fixture->dir);
  g_free (fixture->authority);
  g_free (fixture->other);
}

/* (transfer full): a name in the directory of the test, with a copy of @contents */
static char *
write_file (Fixture *fixture, const char *name, const char *contents)
{
  char *path = g_build_filename (fixture->dir, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, contents, -1, &error);
  g_assert_no_error (error);
  return path;
}

static char *
copy_file (Fixture *fixture, const char *name, const char *from)
{
  g_autofree char *contents = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (from, &contents, NULL, &error);
  g_assert_no_error (error);
  return write_file (fixture, name, contents);
}

/* Sending fails, nothing has left, and both the flush and the log have what to do.
 * Returns (transfer none): the exporter */
static LsobsExporter *
assert_holds (Fixture *fixture, const char *words, const char *more_words)
{
  LsobsExporter *exporter;
  g_autoptr (GError) error = NULL;

  lsobs_config_set_max_attempts (fixture->base.config, 1);
  exporter = test_fixture_start (&fixture->base);
  test_emit (exporter, "one");
  /* On a busy machine, to connect may take too long a few times. */
  for (guint i = 0; i < 50 && (error == NULL || strstr (error->message, words) == NULL); i++)
    {
      g_clear_error (&error);
      g_assert_false (lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, &error));
      g_assert_nonnull (error);
      g_test_message ("%s", error->message);
    }
  g_assert_nonnull (strstr (error->message, words));
  g_assert_nonnull (strstr (error->message, more_words));
  /* The log has one line, with the first trouble. */
  g_assert_true (test_log_contains (words) || test_log_contains ("too long to connect"));
  test_fixture_assert_not_asked (&fixture->base);
  return exporter;
}

/* On a busy machine, to connect may take too long. */
static gboolean
is_slow (GError *error)
{
  return error != NULL && strstr (error->message, "too long to connect") != NULL;
}

/* Delivery works again without a new observer. */
static void
assert_mended (Fixture *fixture, LsobsExporter *exporter)
{
  guint64 delivered = test_get_counter (exporter, LSOBS_COUNTER_DELIVERED);
  g_autoptr (GError) error = NULL;

  test_emit (exporter, "two");
  lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, &error);
  for (guint i = 0; i < 50 && is_slow (error); i++)
    {
      g_clear_error (&error);
      lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, &error);
    }
  g_assert_no_error (error);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_DELIVERED), >, delivered);
  g_assert_cmpuint (test_server_count_ops (fixture->base.server), ==,
                    test_get_counter (exporter, LSOBS_COUNTER_DELIVERED));
}

/* --- where they are named ------------------------------------------------------------------ */

static void
test_property (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_ca_file (fixture->base.config, fixture->authority);
  test_fixture_assert_delivers (&fixture->base);
}

/* The certificates are there when the program's own context sends. */
static void
test_own_context (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;

  lsobs_config_set_ca_file (fixture->base.config, fixture->authority);
  exporter = test_fixture_start_in (&fixture->base, NULL);
  test_emit_many (exporter, 3);
  test_assert_flush (exporter, 3);
}

static void
test_variable (Fixture *fixture, gconstpointer data)
{
  test_env_set (fixture->env, data, fixture->authority);
  test_fixture_assert_delivers (&fixture->base);
}

/* Names as OpenSSL has them, and what else may be there. */
static void
test_directory (Fixture *fixture, gconstpointer data)
{
  g_autofree char *hashed = copy_file (fixture, "5f0ad1c3.0", fixture->authority);
  g_autofree char *other = copy_file (fixture, "other.crt", fixture->other);
  g_autofree char *readme = write_file (fixture, "README", "-----BEGIN CERTIFICATE-----\nbroken");
  g_autofree char *pipe = g_build_filename (fixture->dir, "pipe", NULL);
  g_autofree char *dangling = g_build_filename (fixture->dir, "gone.pem", NULL);

  g_assert_no_errno (mkfifo (pipe, 0600));
  g_assert_no_errno (symlink ("/nonexistent/gone.pem", dangling));
  test_env_set (fixture->env, data, fixture->dir);
  test_fixture_assert_delivers (&fixture->base);
}

static void
test_directories (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *only = copy_file (fixture, "authority.pem", fixture->authority);
  g_autofree char *tls = g_path_get_dirname (fixture->other);
  g_autofree char *list = g_strconcat (fixture->dir, ":", tls, ":", NULL);

  test_env_set (fixture->env, "SSL_CERT_DIR", list);
  test_fixture_assert_delivers (&fixture->base);
}

/* OpenSSL passes over directories that do not exist. */
static void
test_missing_directory (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *only = copy_file (fixture, "authority.pem", fixture->authority);
  g_autofree char *list = g_strconcat ("/nonexistent/dir:", fixture->dir, NULL);

  test_env_set (fixture->env, "SSL_CERT_DIR", list);
  test_fixture_assert_delivers (&fixture->base);
}

static void
test_missing_beside_file (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_env_set (fixture->env, "SSL_CERT_FILE", fixture->authority);
  test_env_set (fixture->env, "SSL_CERT_DIR", "/nonexistent/dir");
  test_fixture_assert_delivers (&fixture->base);
}

/* A file that is named must be there. */
static void
test_missing_file (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *only = copy_file (fixture, "authority.pem", fixture->authority);

  test_env_set (fixture->env, "SSL_CERT_FILE", "/nonexistent/file.pem");
  test_env_set (fixture->env, "SSL_CERT_DIR", fixture->dir);
  assert_holds (fixture, "/nonexistent/file.pem", "SSL_CERT_FILE");
}

/* Quotes are none of the value. */
static void
test_quotes (Fixture *fixture, gconstpointer data)
{
  g_autofree char *only = copy_file (fixture, "authority.pem", fixture->authority);
  gboolean is_dir = strcmp (data, "SSL_CERT_DIR") == 0;
  g_autofree char *quoted =
      g_strdup_printf (" \"%s\" ", is_dir ? fixture->dir : fixture->authority);
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (GError) error = NULL;

  test_env_set (fixture->env, data, quoted);
  config = lsobs_config_new_from_environment (&error);
  g_assert_no_error (error);
  lsobs_config_set_ca_file (fixture->base.config, lsobs_config_get_ca_file (config));
  test_fixture_assert_delivers (&fixture->base);
}

/* LANGSMITH_CA_FILE is for configs that are made from the environment. */
static void
test_own_variable (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (GError) error = NULL;

  test_env_set (fixture->env, "LANGSMITH_CA_FILE", fixture->authority);
  config = lsobs_config_new_from_environment (&error);
  g_assert_no_error (error);
  lsobs_config_set_ca_file (fixture->base.config, lsobs_config_get_ca_file (config));
  test_fixture_assert_delivers (&fixture->base);
}

/* --- which of them count ------------------------------------------------------------------- */

static void
test_property_first (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_env_set (fixture->env, "SSL_CERT_FILE", fixture->other);
  test_env_set (fixture->env, "SSL_CERT_DIR", "/nonexistent/dir");
  test_env_set (fixture->env, "REQUESTS_CA_BUNDLE", "/nonexistent/file");
  lsobs_config_set_ca_file (fixture->base.config, fixture->authority);
  test_fixture_assert_delivers (&fixture->base);
}

static void
test_property_alone (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_env_set (fixture->env, "SSL_CERT_FILE", fixture->authority);
  test_env_set (fixture->env, "REQUESTS_CA_BUNDLE", fixture->authority);
  lsobs_config_set_ca_file (fixture->base.config, fixture->other);
  assert_holds (fixture, "authority that is not trusted", "ca-file");
}

static void
test_openssl_first (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_env_set (fixture->env, "SSL_CERT_FILE", fixture->other);
  test_env_set (fixture->env, "REQUESTS_CA_BUNDLE", fixture->authority);
  assert_holds (fixture, "authority that is not trusted", "SSL_CERT_FILE");
}

static void
test_file_and_directory (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *only = copy_file (fixture, "a.pem", fixture->authority);

  test_env_set (fixture->env, "SSL_CERT_FILE", fixture->other);
  test_env_set (fixture->env, "SSL_CERT_DIR", fixture->dir);
  test_fixture_assert_delivers (&fixture->base);
}

/* White space is nothing. */
static void
test_white (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_env_set (fixture->env, "SSL_CERT_FILE", " ");
  test_env_set (fixture->env, "SSL_CERT_DIR", "");
  test_env_set (fixture->env, "REQUESTS_CA_BUNDLE", fixture->authority);
  lsobs_config_set_ca_file (fixture->base.config, "");
  test_fixture_assert_delivers (&fixture->base);
}

/* The user of a setuid program cannot make it trust anybody. */
static void
test_secure (Fixture *fixture, gconstpointer data)
{
  test_env_set (fixture->env, data, fixture->authority);
  g_atomic_int_set (&is_secure, TRUE);
  assert_holds (fixture, "authority that is not trusted", "ca-file");
}

static void
test_secure_config (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (GError) error = NULL;

  test_env_set (fixture->env, "LANGSMITH_CA_FILE", fixture->authority);
  test_env_set (fixture->env, "LANGSMITH_ALLOW_PLAIN_HTTP", "true");
  g_atomic_int_set (&is_secure, TRUE);
  config = lsobs_config_new_from_environment (&error);
  g_assert_no_error (error);
  g_assert_null (lsobs_config_get_ca_file (config));
  g_assert_false (lsobs_config_get_allow_plain_http (config));
}

/* --- what cannot be read ------------------------------------------------------------------- */

typedef enum
{
  BAD_MISSING,
  BAD_EMPTY,
  BAD_TEXT,
  BAD_BROKEN,
  BAD_PIPE
} Bad;

typedef struct
{
  const char *name;
  const char *origin;
  Bad bad;
  const char *words;
} BadRow;

static const BadRow bad_rows[] = {
  { "missing", "ca-file", BAD_MISSING, "No such file" },
  { "empty", "ca-file", BAD_EMPTY, "no certificate" },
  { "text", "ca-file", BAD_TEXT, "no certificate" },
  { "broken", "ca-file", BAD_BROKEN, "no certificate" },
  { "pipe", "ca-file", BAD_PIPE, "cannot be read" },
  { "missing-ssl-cert-file", "SSL_CERT_FILE", BAD_MISSING, "No such file" },
  { "empty-ssl-cert-file", "SSL_CERT_FILE", BAD_EMPTY, "no certificate" },
  { "missing-ssl-cert-dir", "SSL_CERT_DIR", BAD_MISSING, "No such file" },
  { "missing-requests-ca-bundle", "REQUESTS_CA_BUNDLE", BAD_MISSING, "No such file" },
  { "empty-requests-ca-bundle", "REQUESTS_CA_BUNDLE", BAD_EMPTY, "no certificate" },
};

static void
make_bad (const char *path, Bad bad)
{
  static const char *const contents[] = {
    [BAD_EMPTY] = "",
    [BAD_TEXT] = "no certificate at all\n",
    [BAD_BROKEN] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
  };
  g_autoptr (GError) error = NULL;

  if (bad == BAD_PIPE)
    g_assert_no_errno (mkfifo (path, 0600));
  else if (bad != BAD_MISSING)
    g_file_set_contents (path, contents[bad], -1, &error);
  g_assert_no_error (error);
}

/* One clear error, nothing is sent, not to an unverified service either; and once the file is right,
 * so is all else. */
static void
test_bad (Fixture *fixture, gconstpointer data)
{
  const BadRow *row = data;
  g_autofree char *path = g_build_filename (fixture->dir, "ca.pem", NULL);
  g_autofree char *mended = NULL;
  LsobsExporter *exporter;

  make_bad (path, row->bad);
  if (strcmp (row->origin, "ca-file") == 0)
    lsobs_config_set_ca_file (fixture->base.config, path);
  else
    test_env_set (fixture->env, row->origin, path);
  exporter = assert_holds (fixture, path, row->origin);
  g_assert_true (test_log_contains (row->words));
  g_assert_true (test_log_contains ("to trust those of the system"));

  if (row->bad == BAD_PIPE)
    g_assert_no_errno (g_unlink (path));
  mended = copy_file (fixture, "ca.pem", fixture->authority);
  assert_mended (fixture, exporter);
}

/* An empty directory is as bad as an empty file. */
static void
test_bad_directory (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;
  g_autofree char *mended = NULL;

  test_env_set (fixture->env, "SSL_CERT_DIR", fixture->dir);
  exporter = assert_holds (fixture, "no certificate", "SSL_CERT_DIR");
  mended = copy_file (fixture, "ca.pem", fixture->authority);
  assert_mended (fixture, exporter);
}

/* A file that was good to read, but of the wrong authority, is read again, too. */
static void
test_wrong_authority (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *path = copy_file (fixture, "ca.pem", fixture->other);
  g_autofree char *mended = NULL;
  LsobsExporter *exporter;

  lsobs_config_set_ca_file (fixture->base.config, path);
  exporter = assert_holds (fixture, "authority that is not trusted", "ca-file");
  mended = copy_file (fixture, "ca.pem", fixture->authority);
  assert_mended (fixture, exporter);
}

/* The authority alone is not enough. */
static void
test_wrong_host (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *url =
      g_strdup_printf ("https://localhost:%u", test_server_get_port (fixture->base.server));

  lsobs_config_set_api_url (fixture->base.config, url);
  lsobs_config_set_ca_file (fixture->base.config, fixture->authority);
  assert_holds (fixture, "for another host", "check the API URL");
}

/* All places that runs are written to are judged in the same way. */
static void
test_replicas (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestServer) second = test_new_tls_server ();
  LsobsExporter *exporter;

  lsobs_config_set_ca_file (fixture->base.config, fixture->authority);
  lsobs_config_add_replica (fixture->base.config, test_server_get_url (fixture->base.server),
                            TEST_KEY, TEST_PROJECT, NULL, LSOBS_REPLICA_ROLE_AUTO);
  lsobs_config_add_replica (fixture->base.config, test_server_get_url (second), TEST_KEY,
                            TEST_PROJECT, NULL, LSOBS_REPLICA_ROLE_AUTO);
  exporter = test_fixture_start (&fixture->base);
  test_emit (exporter, "one");
  test_assert_flush (exporter, 2);
  g_assert_cmpuint (test_server_count_ops (fixture->base.server), ==, 1);
  g_assert_cmpuint (test_server_count_ops (second), ==, 1);
}

static void
child_send (RunFixture *fixture G_GNUC_UNUSED, gpointer data)
{
  LsobsExporter *exporter = ((Fixture *) data)->base.exporter;

  test_emit (exporter, "of the child");
  child_assert (lsobs_exporter_flush (exporter, 9000, NULL, NULL));
  /* GLib's threads have gone to sleep, or were never there */
  fork_run_context (800);
  test_emit (exporter, "of the child again");
  child_assert (lsobs_exporter_flush (exporter, 9000, NULL, NULL));
}

/* A child reads the certificates for itself, and each of its connections finds a thread that does the
 * handshake. */
static void
test_fork (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  RunFixture service = { .server = fixture->base.server };
  LsobsExporter *exporter;

  if (fork_skip ())
    return;
  if (glib_check_version (2, 75, 0) == NULL)
    {
      g_test_skip ("GLib 2.76 and later have no threads for TLS in a forked child");
      return;
    }
  lsobs_config_set_ca_file (fixture->base.config, fixture->authority);
  /* A sanitizer makes handshakes slow. */
  if (!test_is_instrumented ())
    lsobs_config_set_max_attempts (fixture->base.config, 1);
  test_server_push (fixture->base.server, NULL,
                    (TestAnswer){ .headers = "Connection: close", .repeat = -1 });
  test_server_push (fixture->base.server, "/info",
                    (TestAnswer){ .status = 404, .headers = "Connection: close", .repeat = -1 });
  exporter = test_fixture_start (&fixture->base);
  test_emit (exporter, "of the parent");
  test_assert_flush (exporter, 1);
  fork_run (child_send, &service, fixture);
  test_emit (exporter, "of the parent again");
  test_assert_flush (exporter, 1);
  g_assert_cmpuint (test_server_count_ops (fixture->base.server), ==, 4);
}

static void
copy_lost (const char *from, const char *to)
{
  g_autoptr (GDir) dir = g_dir_open (from, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *source = g_build_filename (from, name, NULL);
      g_autofree char *target = g_build_filename (to, name, NULL);
      g_autofree char *contents = NULL;
      gsize len;

      g_assert_true (g_file_get_contents (source, &contents, &len, NULL));
      g_assert_true (g_file_set_contents (target, contents, (gssize) len, NULL));
    }
}

/* Two replays of one client read the certificates at the same time. */
static void
test_replays (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsClient) client = NULL;
  g_autoptr (GError) error = NULL;
  TestResult results[2] = { TEST_RESULT_INIT, TEST_RESULT_INIT };
  char *dirs[2];

  for (guint i = 0; i < 2; i++)
    dirs[i] = g_dir_make_tmp ("lsobs-lost-XXXXXX", NULL);
  lsobs_config_set_failed_traces_dir (fixture->base.config, dirs[0]);
  lsobs_config_set_ca_file (fixture->base.config, fixture->authority);
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 422 });
  test_emit (test_fixture_start (&fixture->base), "run");
  g_error_free (test_flush_with_loss (fixture->base.exporter, 1));
  test_fixture_stop (&fixture->base);
  copy_lost (dirs[0], dirs[1]);
  client = lsobs_client_new (fixture->base.config, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 2; i++)
    lsobs_client_replay_async (client, dirs[i], NULL, test_result_cb, &results[i]);
  for (guint i = 0; i < 2; i++)
    {
      guint n_delivered, n_failed;

      lsobs_client_replay_finish (client, test_result_wait (&results[i]), &n_delivered, &n_failed,
                                  &error);
      g_assert_no_error (error);
      g_assert_cmpuint (n_delivered, ==, 1);
      g_assert_cmpuint (n_failed, ==, 0);
      test_result_clear (&results[i]);
      failed_traces_remove_dir (dirs[i]);
      g_free (dirs[i]);
    }
  /* Both sent the same run. */
  test_server_clear (fixture->base.server);
}

static void
add (const char *path, gconstpointer data, void (*func) (Fixture *fixture, gconstpointer data))
{
  g_test_add (path, Fixture, data, set_up, func, tear_down);
}

/* The server of libsoup 3.6 may ask for the stream of a connection that is gone, after a client has
 * refused its certificate. That is not about lsobs, and ends no test. */
static gboolean
is_fatal (const char *domain,
          GLogLevelFlags level G_GNUC_UNUSED,
          const char *message,
          gpointer data G_GNUC_UNUSED)
{
  return g_strcmp0 (domain, "libsoup") != 0 ||
         !g_str_has_prefix (message, "soup_server_connection_");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_log_set_fatal_handler (is_fatal, NULL);
  test_log_install ();

  add ("/tls/property", NULL, test_property);
  add ("/tls/own-context", NULL, test_own_context);
  add ("/tls/ssl-cert-file", "SSL_CERT_FILE", test_variable);
  add ("/tls/requests-ca-bundle", "REQUESTS_CA_BUNDLE", test_variable);
  add ("/tls/ssl-cert-dir", "SSL_CERT_DIR", test_directory);
  add ("/tls/requests-ca-bundle-directory", "REQUESTS_CA_BUNDLE", test_directory);
  add ("/tls/directories", NULL, test_directories);
  add ("/tls/directory-missing", NULL, test_missing_directory);
  add ("/tls/directory-missing-beside-file", NULL, test_missing_beside_file);
  add ("/tls/file-missing-beside-directory", NULL, test_missing_file);
  add ("/tls/quotes/ssl-cert-file", "SSL_CERT_FILE", test_quotes);
  add ("/tls/quotes/ssl-cert-dir", "SSL_CERT_DIR", test_quotes);
  add ("/tls/quotes/requests-ca-bundle", "REQUESTS_CA_BUNDLE", test_quotes);
  add ("/tls/quotes/langsmith-ca-file", "LANGSMITH_CA_FILE", test_quotes);
  add ("/tls/replays", NULL, test_replays);
  add ("/tls/own-variable", NULL, test_own_variable);
  add ("/tls/property-first", NULL, test_property_first);
  add ("/tls/property-alone", NULL, test_property_alone);
  add ("/tls/openssl-first", NULL, test_openssl_first);
  add ("/tls/file-and-directory", NULL, test_file_and_directory);
  add ("/tls/white", NULL, test_white);
  add ("/tls/secure/ssl-cert-file", "SSL_CERT_FILE", test_secure);
  add ("/tls/secure/requests-ca-bundle", "REQUESTS_CA_BUNDLE", test_secure);
  add ("/tls/secure/config", NULL, test_secure_config);
  for (guint i = 0; i < G_N_ELEMENTS (bad_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/tls/bad/", bad_rows[i].name, NULL);

      add (path, &bad_rows[i], test_bad);
    }
  add ("/tls/bad/directory", NULL, test_bad_directory);
  add ("/tls/wrong-authority", NULL, test_wrong_authority);
  add ("/tls/wrong-host", NULL, test_wrong_host);
  add ("/tls/replicas", NULL, test_replicas);
  add ("/tls/fork", NULL, test_fork);

  return g_test_run ();
}
