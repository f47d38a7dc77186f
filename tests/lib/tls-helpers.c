/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include <glib/gstdio.h>

#include "tests/lib/tls-helpers.h"

/* In all programs that use this file. LeakSanitizer crashes on what the TLS library maps. */
#ifdef __SANITIZE_ADDRESS__
int __lsan_is_turned_off (void);

int
__lsan_is_turned_off (void)
{
  return 1;
}
#endif

struct _TlsService
{
  GSubprocess *process;      /* (owned) */
  GOutputStream *requests;   /* (unowned) */
  GDataInputStream *answers; /* (owned) */
  char *url;                 /* (owned) */
};

/* What all services of a program share, until it ends. */
static char *interpreter; /* (owned) (nullable) that has what the service needs */
static char *certificate; /* (owned) (nullable) path of a file */
static char *key;         /* (owned) path of a file */

/* Two warnings of libsoup 3.2 are not about lsobs. It does not expect an answer before the end of
 * the upload, nor trailers behind it, and warns of a wrong order. And it does not end a
 * connection in the middle of interim answers before its session goes. */
static gboolean
is_fatal (const char *domain,
          GLogLevelFlags level,
          const char *message,
          gpointer data G_GNUC_UNUSED)
{
  if ((level & G_LOG_LEVEL_WARNING) == 0)
    return TRUE;
  return !(g_strcmp0 (domain, "libsoup-http2") == 0 &&
           g_str_has_prefix (message, "Unexpected state changed")) &&
         !(g_strcmp0 (domain, "libsoup") == 0 && strstr (message, "soup_session_dispose") != NULL);
}

void
tls_service_allow_warnings (void)
{
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
  g_test_log_set_fatal_handler (is_fatal, NULL);
}

/* (nullable): a Python with all modules of the service */
static char *
find_interpreter (void)
{
  const char *const candidates[] = { g_getenv ("PYTHON"), "python3", "/usr/bin/python3" };

  for (guint i = 0; i < G_N_ELEMENTS (candidates); i++)
    {
      const char *argv[] = { candidates[i], "-c", "import h2, ssl", NULL };
      int status = -1;

      if (candidates[i] != NULL &&
          g_spawn_sync (NULL, (char **) argv, NULL,
                        G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL |
                            G_SPAWN_STDERR_TO_DEV_NULL,
                        NULL, NULL, NULL, NULL, &status, NULL) &&
          g_spawn_check_wait_status (status, NULL))
        return g_strdup (candidates[i]);
    }

  return NULL;
}

static gboolean
make_certificate (const char *dir)
{
  g_autofree char *certificate_path = g_build_filename (dir, "certificate.pem", NULL);
  g_autofree char *key_path = g_build_filename (dir, "key.pem", NULL);
  const char *argv[] = { "openssl",
                         "req",
                         "-x509",
                         "-newkey",
                         "ec",
                         "-pkeyopt",
                         "ec_paramgen_curve:prime256v1",
                         "-nodes",
                         "-keyout",
                         key_path,
                         "-out",
                         certificate_path,
                         "-days",
                         "2",
                         "-subj",
                         "/CN=tests",
                         "-addext",
                         "subjectAltName=IP:127.0.0.1",
                         NULL };
  int status = -1;

  if (!g_spawn_sync (NULL, (char **) argv, NULL,
                     G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                     NULL, NULL, NULL, NULL, &status, NULL) ||
      !g_spawn_check_wait_status (status, NULL))
    return FALSE;
  certificate = g_steal_pointer (&certificate_path);
  key = g_steal_pointer (&key_path);

  return TRUE;
}

static void
trust_certificate (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GTlsDatabase) database = g_tls_file_database_new (certificate, &error);

  g_assert_no_error (error);
  g_tls_backend_set_default_database (g_tls_backend_get_default (), database);
}

static void
remove_files (void)
{
  g_autofree char *dir = g_path_get_dirname (certificate);

  g_unlink (certificate);
  g_unlink (key);
  g_rmdir (dir);
}

gboolean
tls_service_is_possible (void)
{
  g_autofree char *dir = NULL;
  g_autoptr (GError) error = NULL;

  if (certificate != NULL)
    return TRUE;
  if (!g_tls_backend_supports_tls (g_tls_backend_get_default ()))
    {
      g_test_skip ("glib-networking is not here");
      return FALSE;
    }
  if (interpreter == NULL)
    interpreter = find_interpreter ();
  if (interpreter == NULL)
    {
      g_test_skip ("python3-h2 is not here");
      return FALSE;
    }
  dir = g_dir_make_tmp ("lsobs-tls-XXXXXX", &error);
  g_assert_no_error (error);
  if (!make_certificate (dir))
    {
      g_rmdir (dir);
      g_test_skip ("openssl is not here");
      return FALSE;
    }
  atexit (remove_files);
  trust_certificate ();

  return TRUE;
}

const char *
tls_service_get_certificate (void)
{
  return certificate;
}

const char *
tls_service_get_key (void)
{
  return key;
}

/* Returns (transfer full): a line that the service has written */
static char *
read_line (TlsService *self)
{
  g_autoptr (GError) error = NULL;
  char *line = g_data_input_stream_read_line (self->answers, NULL, NULL, &error);

  g_assert_no_error (error);
  if (line == NULL)
    g_error ("the service has ended");

  return line;
}

TlsService *
tls_service_new (const char *plan)
{
  TlsService *self = g_new0 (TlsService, 1);
  g_autofree char *script = g_test_build_filename (G_TEST_DIST, "lib", "tls-service.py", NULL);
  g_auto (GStrv) words = g_strsplit (plan != NULL ? plan : "", " ", -1);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) argv = NULL;
  g_autofree char *port = NULL;
  g_autoptr (GError) error = NULL;

  g_strv_builder_add_many (builder, interpreter, script, certificate, key, NULL);
  for (guint i = 0; words[i] != NULL; i++)
    if (*words[i] != '\0')
      g_strv_builder_add (builder, words[i]);
  argv = g_strv_builder_end (builder);

  self->process =
      g_subprocess_newv ((const char *const *) argv,
                         G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
  g_assert_no_error (error);
  self->requests = g_subprocess_get_stdin_pipe (self->process);
  self->answers = g_data_input_stream_new (g_subprocess_get_stdout_pipe (self->process));
  port = read_line (self);
  self->url = g_strconcat ("https://127.0.0.1:", port, NULL);

  return self;
}

/* The service ends with its input. */
void
tls_service_free (TlsService *self)
{
  g_autoptr (GError) error = NULL;

  g_output_stream_close (self->requests, NULL, NULL);
  g_subprocess_wait (self->process, NULL, &error);
  g_assert_no_error (error);
  g_object_unref (self->answers);
  g_object_unref (self->process);
  g_free (self->url);
  g_free (self);
}

const char *
tls_service_get_url (TlsService *self)
{
  return self->url;
}

/* (transfer full): the answer to @request, a line */
static JsonNode *
ask (TlsService *self, const char *request)
{
  g_autofree char *line = NULL;
  g_autoptr (GError) error = NULL;
  JsonNode *node;

  g_output_stream_write_all (self->requests, request, strlen (request), NULL, NULL, &error);
  g_assert_no_error (error);
  line = read_line (self);
  node = json_from_string (line, &error);
  g_assert_no_error (error);
  return node;
}

void
tls_service_set_plan (TlsService *self, const char *plan)
{
  g_autofree char *request = g_strconcat ("plan ", plan, "\n", NULL);

  json_node_unref (ask (self, request));
}

static StoreFate
get_fate (JsonObject *request)
{
  gint64 status = json_object_get_int_member (request, "status");
  gboolean is_told = json_object_get_boolean_member (request, "told");

  if (status >= 200 && status < 300)
    return is_told ? STORE_FATE_CONFIRMED : STORE_FATE_TAKEN;
  return status == 409 && is_told ? STORE_FATE_KNOWN : STORE_FATE_REFUSED;
}

void
tls_service_tell_store (TlsService *self, ServiceStore *store)
{
  g_autoptr (JsonNode) node = ask (self, "requests\n");
  JsonArray *requests = json_object_get_array_member (json_node_get_object (node), "requests");

  for (guint i = 0; i < json_array_get_length (requests); i++)
    {
      JsonObject *object = json_array_get_object_element (requests, i);
      gsize len;
      guchar *data = g_base64_decode (json_object_get_string_member (object, "body"), &len);
      g_autoptr (GBytes) body = g_bytes_new_take (data, len);
      g_autoptr (TestRequest) request =
          test_request_new ("POST", json_object_get_string_member (object, "path"),
                            json_object_get_string_member (object, "type"), body);

      service_store_note (store, request, get_fate (object));
    }
}

void
tls_service_get_books (TlsService *self, TlsBooks *books)
{
  g_autoptr (JsonNode) node = ask (self, "\n");
  JsonObject *object;

  object = json_node_get_object (node);
  books->n_runs = json_array_get_length (json_object_get_array_member (object, "runs"));
  books->n_times = (guint) json_object_get_int_member (object, "times");
  books->n_requests = (guint) json_object_get_int_member (object, "requests");
  books->n_connections = (guint) json_object_get_int_member (object, "connections");
  books->n_misdirected = (guint) json_object_get_int_member (object, "misdirected");
  books->n_feedback = (guint) json_object_get_int_member (object, "feedback");
  books->n_without_body = (guint) json_object_get_int_member (object, "without-body");
  books->n_cut_short = (guint) json_object_get_int_member (object, "cut-short");
  books->n_refused = (guint) json_object_get_int_member (object, "refused");
}

/* --- fixture ------------------------------------------------------------------------------- */

void
tls_fixture_set_up (TlsFixture *self, gconstpointer data)
{
  test_fixture_set_up (&self->base, NULL);
  /* The requests go to the other service, which judges them itself. */
  self->base.is_free = TRUE;
  if (!tls_service_is_possible ())
    return;
  self->service = tls_service_new (data);
  lsobs_config_set_api_url (self->base.config, tls_service_get_url (self->service));
  lsobs_config_set_max_attempts (self->base.config, 20);
}

void
tls_fixture_tear_down (TlsFixture *self, gconstpointer data)
{
  test_fixture_tear_down (&self->base, data);
  g_clear_pointer (&self->service, tls_service_free);
}

void
tls_fixture_assert_arrival (TlsFixture *self, guint n_batches, TlsBooks *books)
{
  LsobsExporter *exporter = self->base.exporter;

  for (guint i = 0; i < n_batches; i++)
    {
      test_emit_many (exporter, 5);
      test_assert_flush (exporter, 5);
    }
  tls_service_get_books (self->service, books);
  g_assert_cmpuint (books->n_without_body, ==, 0);
  g_assert_cmpuint (books->n_cut_short, ==, 0);
  g_assert_cmpuint (books->n_runs, ==, 5 * n_batches);
  g_assert_cmpuint (books->n_runs, ==, test_get_counter (exporter, LSOBS_COUNTER_DELIVERED));
}

/* --- tests of both versions of HTTP -------------------------------------------------------- */

void
tls_test_arrival (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  TlsBooks books;

  if (fixture->service == NULL)
    return;
  test_fixture_start (&fixture->base);
  tls_fixture_assert_arrival (fixture, 4, &books);
}

void
tls_test_silent (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  TlsBooks books;

  if (fixture->service == NULL)
    return;
  lsobs_config_set_request_timeout (fixture->base.config, TLS_SHORT_MS);
  test_fixture_start (&fixture->base);
  tls_fixture_assert_arrival (fixture, 4, &books);
  g_assert_cmpuint (books.n_connections, >, 1);
}

/* @reason: (nullable): a part of the error */
static void
assert_interim_ends (TlsFixture *fixture, gint64 timeout, const char *reason)
{
  g_autoptr (GError) error = NULL;

  if (fixture->service == NULL)
    return;
  lsobs_config_set_request_timeout (fixture->base.config, timeout);
  lsobs_config_set_max_attempts (fixture->base.config, 2);
  test_fixture_start (&fixture->base);
  test_emit_many (fixture->base.exporter, 5);
  error = test_flush_in_vain (fixture->base.exporter, 5);
  if (reason != NULL)
    g_assert_nonnull (strstr (error->message, reason));
}

void
tls_test_interim_flood (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  assert_interim_ends (fixture, TEST_NEVER_MS, "endless interim answers");
}

/* On a busy machine, the connection alone may take that long. */
void
tls_test_interim_slow (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  assert_interim_ends (fixture, TLS_SHORT_MS, NULL);
}

static gboolean
has_dropped_all (gpointer data)
{
  return test_get_total_dropped (data) == 5;
}

void
tls_fixture_assert_shutdown (TlsFixture *self)
{
  test_fixture_start (&self->base);
  test_emit_many (self->base.exporter, 5);
  g_assert_false (lsobs_exporter_flush (self->base.exporter, 1000, NULL, NULL));
  test_fixture_stop (&self->base);
  g_assert_true (test_wait_until (has_dropped_all, self->base.exporter, TEST_TIMEOUT_MS));
}
