/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <signal.h>
#include <string.h>

#include <json-glib/json-glib.h>

#include "tests/lib/test-utils.h"
#include "tests/tools/serve-helpers.h"

void
serve_fixture_set_up (ServeFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  self->folder = g_dir_make_tmp ("lsobs-serve-XXXXXX", &error);
  g_assert_no_error (error);
  self->database = g_build_filename (self->folder, "data", "traces.db", NULL);
  self->session = soup_session_new_with_options ("timeout", TEST_TIMEOUT_MS / 1000,
                                                 "max-conns-per-host", 8, NULL);
}

void
serve_fixture_tear_down (ServeFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  if (self->process != NULL)
    serve_stop (self, SIGTERM);
  g_clear_object (&self->session);
  test_remove_folder (self->folder);
  g_free (self->folder);
  g_free (self->database);
}

static GSubprocessLauncher *
new_launcher (ServeFixture *self, GSubprocessFlags flags)
{
  GSubprocessLauncher *launcher = g_subprocess_launcher_new (flags);
  g_autofree char *state = g_build_filename (self->folder, "state", NULL);
  g_autofree char *data = g_build_filename (self->folder, "share", NULL);

  g_subprocess_launcher_setenv (launcher, "XDG_STATE_HOME", state, TRUE);
  g_subprocess_launcher_setenv (launcher, "XDG_DATA_HOME", data, TRUE);

  return launcher;
}

/* (transfer full) */
static char *
dup_program (void)
{
  return g_test_build_filename (G_TEST_BUILT, "..", "tools", "lsobs", NULL);
}

void
serve_start (ServeFixture *self, const char *shell, const char *words)
{
  g_autoptr (GSubprocessLauncher) launcher = new_launcher (self, G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autofree char *program = dup_program ();
  g_autofree char *errors = g_build_filename (self->folder, "errors", NULL);
  g_autofree char *command =
      g_strdup_printf ("%s exec '%s' serve --json --port=0 --database='%s' %s 2>> '%s'",
                       shell != NULL ? shell : "", program, self->database,
                       words != NULL ? words : "", errors);
  const char *argv[] = { "/bin/sh", "-c", command, NULL };
  g_autoptr (GDataInputStream) output = NULL;
  g_autoptr (JsonNode) node = NULL;
  g_autofree char *line = NULL;
  g_autoptr (GError) error = NULL;
  JsonObject *object;

  self->process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_assert_no_error (error);
  output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (self->process));
  line = g_data_input_stream_read_line_utf8 (output, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (line);
  node = json_from_string (line, &error);
  g_assert_no_error (error);
  object = json_node_get_object (node);
  self->url = g_strdup (json_object_get_string_member (object, "url"));
  self->token = g_strdup (json_object_get_string_member (object, "token"));
  g_assert_cmpstr (json_object_get_string_member (object, "database"), ==, self->database);
}

void
serve_stop (ServeFixture *self, int number)
{
  g_autoptr (GError) error = NULL;

  g_subprocess_send_signal (self->process, number);
  g_subprocess_wait (self->process, NULL, &error);
  g_assert_no_error (error);
  if (number == SIGTERM)
    g_assert_true (g_subprocess_get_successful (self->process));
  g_clear_object (&self->process);
  g_clear_pointer (&self->url, g_free);
  g_clear_pointer (&self->token, g_free);
}

int
serve_run (ServeFixture *self, const char *words, char **output, char **errors)
{
  g_autoptr (GSubprocessLauncher) launcher =
      new_launcher (self, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autofree char *program = dup_program ();
  g_autofree char *command = g_strdup_printf ("exec '%s' %s", program, words);
  const char *argv[] = { "/bin/sh", "-c", command, NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = g_subprocess_launcher_spawnv (launcher, argv, &error);

  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (process, NULL, NULL, output, errors, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_if_exited (process));

  return g_subprocess_get_exit_status (process);
}

guint
serve_send (ServeFixture *self,
            const char *method,
            const char *path,
            const char *type,
            const char *encoding,
            GBytes *body,
            char **answer)
{
  g_autofree char *uri = g_strconcat (self->url, path, NULL);
  g_autoptr (SoupMessage) message = soup_message_new (method, uri);
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);
  g_autoptr (GBytes) result = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (message);
  soup_message_headers_replace (headers, "x-api-key", self->token);
  if (encoding != NULL)
    soup_message_headers_replace (headers, "Content-Encoding", encoding);
  if (body != NULL)
    soup_message_set_request_body_from_bytes (message, type, body);
  result = soup_session_send_and_read (self->session, message, NULL, &error);
  g_assert_no_error (error);
  if (answer != NULL)
    *answer = g_strndup (g_bytes_get_data (result, NULL), g_bytes_get_size (result));

  return soup_message_get_status (message);
}

JsonNode *
serve_ask (ServeFixture *self, const char *method, const char *path, const char *json, guint status)
{
  g_autofree char *answer = NULL;
  g_autoptr (GBytes) body = NULL;
  g_autoptr (GError) error = NULL;
  guint found;
  JsonNode *node;

  if (json != NULL)
    {
      char *text = g_strdelimit (g_strdup (json), "'", '"');

      body = g_bytes_new_take (text, strlen (text));
    }
  found = serve_send (self, method, path, "application/json", NULL, body, &answer);
  if (found != status)
    g_error ("%s %s: %u, not %u: %s", method, path, found, status, answer);
  node = json_from_string (answer, &error);
  g_assert_no_error (error);

  return node;
}

char *
serve_send_raw (ServeFixture *self, const char *text)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  const char *host = self->url + strlen ("http://");
  g_autoptr (GString) request = g_string_new (text);
  g_autoptr (GString) answer = g_string_new (NULL);
  g_autoptr (GSocketConnection) connection = NULL;
  g_autoptr (GError) error = NULL;
  char buffer[4096];
  gssize n;

  g_string_replace (request, "@T", self->token, 0);
  g_string_replace (request, "@H", host, 0);
  g_socket_client_set_timeout (client, TEST_TIMEOUT_MS / 1000);
  connection = g_socket_client_connect_to_host (client, host, 0, NULL, &error);
  g_assert_no_error (error);
  /* It may be closed before all is sent. */
  g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), request->str,
                             request->len, NULL, NULL, NULL);
  g_socket_shutdown (g_socket_connection_get_socket (connection), FALSE, TRUE, NULL);
  while ((n = g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (connection)), buffer,
                                   sizeof buffer, NULL, NULL)) > 0)
    g_string_append_len (answer, buffer, n);

  return g_strdup (answer->str);
}

Store *
serve_open_store (ServeFixture *self)
{
  g_autoptr (GError) error = NULL;
  Store *store = store_open (self->database, DATABASE_READ_ONLY, &error);

  g_assert_no_error (error);

  return store;
}
