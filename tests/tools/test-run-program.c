/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "lsobs run": what the program gets, that its traces are shown, and that it seems to run by itself. */

#include "config.h"

#include <signal.h>
#include <string.h>

#include <json-glib/json-glib.h>

#include "tests/lib/test-utils.h"
#include "tests/tools/serve-helpers.h"

/* Starts lsobs run, with one more option, with a shell as the program. (transfer full) */
static GSubprocess *
spawn_with (ServeFixture *fixture, const char *option, const char *script)
{
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "..", "tools", "lsobs", NULL);
  g_autofree char *state = g_build_filename (fixture->folder, "state", NULL);
  const char *argv[] = { program, "run",  "--database", fixture->database, option, "--", "/bin/sh",
                         "-c",    script, NULL };
  g_autoptr (GError) error = NULL;
  GSubprocess *process;

  g_subprocess_launcher_setenv (launcher, "XDG_STATE_HOME", state, TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_TRACING_V2", "false", TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGCHAIN_ENDPOINT", "http://elsewhere.example", TRUE);
  g_subprocess_launcher_setenv (launcher, "no_proxy", "intern.example", TRUE);
  process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_assert_no_error (error);
  return process;
}

static GSubprocess *
spawn (ServeFixture *fixture, const char *script)
{
  return spawn_with (fixture, "--project=p", script);
}

static void
finish (GSubprocess *process, char **output, char **errors)
{
  g_autoptr (GError) error = NULL;

  g_subprocess_communicate_utf8 (process, NULL, NULL, output, errors, &error);
  g_assert_no_error (error);
}

static void
test_environment (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocess) process =
      spawn (fixture,
             "echo \"$LANGSMITH_TRACING $LANGSMITH_ENDPOINT ${#LANGSMITH_API_KEY} $no_proxy\"; "
             "echo \"<$LANGSMITH_TRACING_V2$LANGCHAIN_ENDPOINT>\"; exit 7");
  g_autofree char *output = NULL;
  g_autofree char *errors = NULL;

  finish (process, &output, &errors);
  g_assert_true (g_str_has_prefix (output, "true http://127.0.0.1:"));
  g_assert_nonnull (strstr (output, " intern.example,127.0.0.1,"));
  g_assert_null (strstr (output, " 0 "));
  g_assert_nonnull (strstr (output, "\n<>\n"));
  g_assert_nonnull (strstr (errors, "has sent no traces"));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 7);
}

/* A run of a program of this test, which is given the variables by the shell. */
static void
send_run (const char *url, const char *token, const char *id, const char *name)
{
  g_autofree char *json =
      g_strdup_printf ("{\"post\":[{\"id\":\"%s\",\"trace_id\":\"%s\","
                       "\"dotted_order\":\"20260301T093015250000Z%s\",\"name\":\"%s\","
                       "\"run_type\":\"chain\",\"start_time\":\"2026-03-01T09:30:15.25Z\","
                       "\"end_time\":\"2026-03-01T09:30:16.75Z\",\"error\":\"boom\"}]}",
                       id, id, id, name);
  g_autofree char *address = g_strconcat (url, "/runs/batch", NULL);
  g_autoptr (SoupSession) session = soup_session_new ();
  g_autoptr (SoupMessage) message = soup_message_new ("POST", address);
  g_autoptr (GBytes) body = g_bytes_new (json, strlen (json));
  g_autoptr (GBytes) answer = NULL;
  g_autoptr (GError) error = NULL;

  soup_message_headers_replace (soup_message_get_request_headers (message), "x-api-key", token);
  soup_message_set_request_body_from_bytes (message, "application/json", body);
  answer = soup_session_send_and_read (session, message, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (soup_message_get_status (message), ==, 202);
}

/* Reads the variables that a script has printed. */
static void
read_variables (GSubprocess *process, char **url, char **token)
{
  g_autoptr (GDataInputStream) stream =
      g_data_input_stream_new (g_subprocess_get_stdout_pipe (process));

  g_filter_input_stream_set_close_base_stream (G_FILTER_INPUT_STREAM (stream), FALSE);
  *url = g_data_input_stream_read_line_utf8 (stream, NULL, NULL, NULL);
  *token = g_data_input_stream_read_line_utf8 (stream, NULL, NULL, NULL);
  g_assert_nonnull (*token);
}

#define WAIT_SCRIPT \
 "trap 'exit 3' USR1; echo $LANGSMITH_ENDPOINT; echo $LANGSMITH_API_KEY; while :; do sleep 0.02; done"

/* The service is there for the program, its trace is shown, and a signal reaches it. */
static void
test_trace (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *url = NULL;
  g_autofree char *token = NULL;
  g_autofree char *errors = NULL;

  if (data != NULL)
    serve_start (fixture, NULL, NULL);
  process = spawn (fixture, WAIT_SCRIPT);
  read_variables (process, &url, &token);
  if (data != NULL)
    {
      g_assert_cmpstr (url, ==, fixture->url);
      g_assert_cmpstr (token, ==, fixture->token);
    }
  send_run (url, token, TEST_ROOT, "agent \\u001b[31m");
  g_subprocess_send_signal (process, SIGUSR1);
  finish (process, NULL, &errors);
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 3);
  g_assert_nonnull (strstr (errors, "    boom\n"));
  g_assert_nonnull (strstr (errors, "✗ agent \ufffd[31m"));
  g_assert_nonnull (strstr (errors, "1.50 s"));
  g_assert_null (strchr (errors, '\033'));
}

/* A program whose traces would be refused is not started. */
static void
test_other_token (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *output = NULL;
  g_autofree char *errors = NULL;

  serve_start (fixture, NULL, "--token=another-token-than-kept");
  process = spawn (fixture, "echo started");
  finish (process, &output, &errors);
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 1);
  g_assert_cmpstr (output, ==, "");
  g_assert_nonnull (strstr (errors, "--token"));
}

/* Two at once, on a database that is not there yet: each has a service that lasts as long as its program, and shows
 * what its own program has sent. */
static void
test_two (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocess) first = spawn (fixture, WAIT_SCRIPT);
  g_autoptr (GSubprocess) second = spawn (fixture, WAIT_SCRIPT);
  g_autofree char *first_url = NULL;
  g_autofree char *second_url = NULL;
  g_autofree char *token = NULL;
  g_autofree char *same_token = NULL;
  g_autofree char *first_errors = NULL;
  g_autofree char *second_errors = NULL;

  read_variables (first, &first_url, &token);
  read_variables (second, &second_url, &same_token);
  g_assert_cmpstr (token, ==, same_token);
  send_run (first_url, token, TEST_ROOT, "first");
  g_subprocess_send_signal (first, SIGUSR1);
  finish (first, NULL, &first_errors);
  send_run (second_url, token, TEST_OTHER, "second");
  g_subprocess_send_signal (second, SIGUSR1);
  finish (second, NULL, &second_errors);
  g_assert_nonnull (strstr (first_errors, "✗ first"));
  g_assert_null (strstr (first_errors, "second"));
  g_assert_nonnull (strstr (second_errors, "✗ second"));
  g_assert_null (strstr (second_errors, "first"));
}

/* A service that is started later takes the database, and the program goes on. */
static void
test_serve_later (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocess) process = spawn (fixture, WAIT_SCRIPT);
  g_autofree char *url = NULL;
  g_autofree char *token = NULL;
  g_autofree char *errors = NULL;

  read_variables (process, &url, &token);
  serve_start (fixture, NULL, NULL);
  g_assert_cmpstr (fixture->url, !=, url);
  send_run (url, token, TEST_ROOT, "agent");
  json_node_unref (serve_ask (fixture, "GET", "/runs/" TEST_ROOT, NULL, 200));
  g_subprocess_send_signal (process, SIGUSR1);
  finish (process, NULL, &errors);
  g_assert_nonnull (strstr (errors, "✗ agent"));
}

static const int passed[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGXFSZ, SIGPIPE };

/* The program gets each signal as lsobs did: none is ignored that was not. */
static void
test_ignored_signals (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocess) process =
      spawn (fixture, "exec grep -E 'Sig(Ign|Blk)' /proc/self/status");
  g_autofree char *output = NULL;
  g_auto (GStrv) lines = NULL;

  finish (process, &output, NULL);
  lines = g_strsplit (g_strchomp (output), "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 2);
  for (char **line = lines; *line != NULL; line++)
    {
      const char *digits = strrchr (*line, '\t');
      guint64 mask = g_ascii_strtoull (digits, NULL, 16);

      for (guint i = 0; i < G_N_ELEMENTS (passed); i++)
        g_assert_cmpuint (mask >> (passed[i] - 1) & 1, ==, 0);
    }
}

/* Interrupts it each time that it is asked. */
static gboolean
is_interrupted (gpointer process)
{
  if (g_subprocess_get_identifier (process) == NULL)
    return TRUE;
  g_subprocess_send_signal (process, SIGINT);
  return FALSE;
}

/* When the program has ended, its traces can be cut short: here, nobody reads them. */
static void
test_interrupted_output (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocess) process = spawn_with (fixture, "--json", WAIT_SCRIPT);
  g_autofree char *url = NULL;
  g_autofree char *token = NULL;

  read_variables (process, &url, &token);
  /* More than a pipe holds. */
  for (guint i = 0; i < 20; i++)
    {
      g_autofree char *name = g_strnfill (20000, 'x');
      g_autofree char *id = g_strdup_printf ("01900000-0000-7000-8000-%012u", i);

      send_run (url, token, id, name);
    }
  g_subprocess_send_signal (process, SIGUSR1);
  g_assert_true (test_wait_until (is_interrupted, process, TEST_TIMEOUT_MS));
  g_assert_true (g_subprocess_get_if_signaled (process));
  g_assert_cmpint (g_subprocess_get_term_sig (process), ==, SIGINT);
}

/* A program that a signal has ended looks so. */
static void
test_killed (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocess) process = spawn (fixture, "kill -TERM $$");

  finish (process, NULL, NULL);
  g_assert_true (g_subprocess_get_if_signaled (process));
  g_assert_cmpint (g_subprocess_get_term_sig (process), ==, SIGTERM);
}

static void
test_mistakes (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *words =
      g_strdup_printf ("run --database='%s' -- /no/such/program", fixture->database);
  g_autofree char *folder =
      g_strdup_printf ("run --database='%s' -- '%s'", fixture->database, fixture->folder);
  g_autofree char *help = NULL;

  g_assert_cmpint (serve_run (fixture, words, NULL, NULL), ==, 127);
  g_assert_cmpint (serve_run (fixture, folder, NULL, NULL), ==, 126);
  g_assert_cmpint (serve_run (fixture, "run", NULL, NULL), ==, 2);
  g_assert_cmpint (serve_run (fixture, "run --", NULL, NULL), ==, 2);
  g_assert_cmpint (serve_run (fixture, "run --help", &help, NULL), ==, 0);
  g_assert_nonnull (strstr (help, "LANGSMITH_ENDPOINT"));
}

#define ADD(path, data, func) \
 g_test_add (path, ServeFixture, data, serve_fixture_set_up, func, serve_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/run-program/environment", NULL, test_environment);
  ADD ("/run-program/trace", NULL, test_trace);
  ADD ("/run-program/trace-of-serve", "serve", test_trace);
  ADD ("/run-program/other-token", NULL, test_other_token);
  ADD ("/run-program/two", NULL, test_two);
  ADD ("/run-program/serve-later", NULL, test_serve_later);
  ADD ("/run-program/ignored-signals", NULL, test_ignored_signals);
  ADD ("/run-program/interrupted-output", NULL, test_interrupted_output);
  ADD ("/run-program/killed", NULL, test_killed);
  ADD ("/run-program/mistakes", NULL, test_mistakes);
  return g_test_run ();
}
