/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "tests/lib/program-helpers.h"

void
program_fixture_set_up (ProgramFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  self->server = test_server_new ();
  self->good = test_server_new ();
}

void
program_fixture_tear_down (ProgramFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  if (self->process != NULL)
    {
      g_subprocess_force_exit (self->process);
      g_subprocess_wait (self->process, NULL, NULL);
    }
  g_clear_object (&self->output);
  g_clear_object (&self->process);
  test_server_free (self->server);
  test_server_free (self->good);
}

void
program_start (ProgramFixture *self, const char *command)
{
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autofree char *line = g_strconcat ("/proc/self/exe --program ", command, NULL);
  g_auto (GStrv) argv = g_strsplit (line, " ", -1);
  g_autoptr (GError) error = NULL;

  g_subprocess_launcher_setenv (launcher, "LSOBS_TEST_URL", test_server_get_url (self->server),
                                TRUE);
  g_subprocess_launcher_setenv (launcher, "LSOBS_TEST_GOOD_URL", test_server_get_url (self->good),
                                TRUE);
  self->process = g_subprocess_launcher_spawnv (launcher, (const char *const *) argv, &error);
  g_assert_no_error (error);
  self->output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (self->process));
  self->input = g_subprocess_get_stdin_pipe (self->process);
}

void
program_expect (ProgramFixture *self, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *line = g_data_input_stream_read_line_utf8 (self->output, NULL, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (line, ==, text);
}

void
program_tell (ProgramFixture *self)
{
  g_autoptr (GError) error = NULL;

  g_output_stream_write_all (self->input, "x", 1, NULL, NULL, &error);
  g_assert_no_error (error);
}

static void
wait_for_end (ProgramFixture *self)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;

  g_subprocess_wait_async (self->process, NULL, test_result_cb, &result);
  g_subprocess_wait_finish (self->process, test_result_wait (&result), NULL);
}

void
program_assert_ends (ProgramFixture *self, int code)
{
  wait_for_end (self);
  g_assert_true (g_subprocess_get_if_exited (self->process));
  g_assert_cmpint (g_subprocess_get_exit_status (self->process), ==, code);
}

void
program_assert_ends_by_signal (ProgramFixture *self, int number)
{
  wait_for_end (self);
  g_assert_true (g_subprocess_get_if_signaled (self->process));
  g_assert_cmpint (g_subprocess_get_term_sig (self->process), ==, number);
}

void
program_assert_arrived (TestServer *server, guint n_runs)
{
  g_assert_cmpuint (test_server_count_ops (server), ==, n_runs);
  test_server_assert_conformant (server);
}
