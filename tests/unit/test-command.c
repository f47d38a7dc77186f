/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "lsobs/config/lsobs-command-private.h"

#include "tests/lib/test-helpers.h"
#include "tests/lib/test-utils.h"

/* What a command is given, what it may cost, and what is left of it. */

#define SECRET    "lsv2_pt_5ec4e7"
#define MAX_BYTES (64 * 1024)

/* A directory of one's own, which the commands know as $DIR. */
static char *dir;

static gboolean
run_within (const char *command, gint64 timeout, int *stop, LsobsBuffer *output, GError **error)
{
  const LsobsCommandLimits limits = { timeout, MAX_BYTES, stop, NULL };

  return _lsobs_command_run (command, &limits, output, error);
}

static gboolean
run (const char *command, LsobsBuffer *output, GError **error)
{
  return run_within (command, TEST_NEVER_MS, NULL, output, error);
}

/* Returns: (transfer full) (nullable): what the command has left in a file below $DIR */
static char *
load (const char *name)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  char *text = NULL;

  if (g_file_get_contents (path, &text, NULL, NULL))
    g_strstrip (text);
  g_remove (path);
  return text;
}

/* --- what comes out --- */

typedef struct
{
  const char *name;
  const char *command;
  const char *output;
} OutputRow;

static const OutputRow output_rows[] = {
  { "text", "printf " SECRET, SECRET },
  { "line", "echo " SECRET, SECRET "\n" },
  { "lines", "echo a; echo b", "a\nb\n" },
  { "nothing", "true", "" },
  { "empty", "", "" },
  { "later", "printf a; sleep 0.1; printf b", "ab" },
  { "shell", "for i in 1 2 3; do printf $i; done | tr 2 x", "1x3" },
  { "environment", "printf \"$LSOBS_TEST_TEXT\"", "of the program" },
  { "no-input", "cat; printf end", "end" },
  { "no-terminal", "(: < /dev/tty) 2> /dev/null && printf some; printf none", "none" },
  { "no-complaints", "echo " SECRET " >&2; printf x", "x" },
  { "closed", "printf x; exec >&-; sleep 0.1", "x" },
  { "binary", "printf 'a\\000b'", "a" },
};

static void
test_output (gconstpointer data)
{
  const OutputRow *row = data;
  g_auto (LsobsBuffer) output = LSOBS_BUFFER_INIT;
  g_autoptr (GError) error = NULL;

  run (row->command, &output, &error);
  g_assert_no_error (error);
  _lsobs_buffer_append_c (&output, '\0');
  g_assert_cmpstr (output.data, ==, row->output);
}

/* Nobody sees what a command has to say beside its output. */
static void
test_hidden (void)
{
  g_auto (LsobsBuffer) output = LSOBS_BUFFER_INIT;

  if (g_test_subprocess ())
    {
      run ("echo " SECRET "; echo " SECRET " >&2; exit 1", &output, NULL);
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stdout_unmatched ("*" SECRET "*");
  g_test_trap_assert_stderr_unmatched ("*" SECRET "*");
}

/* --- what is wrong --- */

typedef struct
{
  const char *name;
  const char *command;
  int code;
  const char *says;
} FailureRow;

static const FailureRow failure_rows[] = {
  { "status", "echo " SECRET "; exit 3", G_IO_ERROR_FAILED, "the status 3" },
  { "missing", "/nowhere/" SECRET, G_IO_ERROR_FAILED, "the status 127" },
  { "signal", "kill -KILL $$", G_IO_ERROR_FAILED, "the signal 9" },
  { "closed", "exec >&-; sleep 0.1; exit 4", G_IO_ERROR_FAILED, "the status 4" },
  { "much", "head -c 1048576 /dev/zero", G_IO_ERROR_NO_SPACE, "more than 65536 bytes" },
  { "one-more", "head -c 65537 /dev/zero", G_IO_ERROR_NO_SPACE, "more than 65536 bytes" },
  { "endless", "yes " SECRET, G_IO_ERROR_NO_SPACE, "more than 65536 bytes" },
};

static void
test_failure (gconstpointer data)
{
  const FailureRow *row = data;
  g_auto (LsobsBuffer) output = LSOBS_BUFFER_INIT;
  g_autoptr (GError) error = NULL;

  g_assert_false (run (row->command, &output, &error));
  g_assert_error (error, G_IO_ERROR, row->code);
  g_assert_nonnull (strstr (error->message, row->says));
  g_assert_null (strstr (error->message, SECRET));
}

static void
test_most (void)
{
  g_auto (LsobsBuffer) output = LSOBS_BUFFER_INIT;
  g_autoptr (GError) error = NULL;

  run ("head -c 65536 /dev/zero", &output, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (output.len, ==, MAX_BYTES);
}

/* --- what is left of it --- */

static gboolean
is_gone (gpointer data)
{
  return kill (*(pid_t *) data, 0) != 0 && errno == ESRCH;
}

static void
assert_gone (const char *name)
{
  g_autofree char *text = load (name);
  pid_t pid;

  g_assert_nonnull (text);
  pid = (pid_t) atol (text);
  g_assert_cmpint (pid, >, 1);
  g_assert_true (test_wait_until (is_gone, &pid, TEST_TIMEOUT_MS));
}

/* At the limit it is ended, with what it has started: that has to be running by then,
 * however busy the machine is. */
static void
test_timeout (void)
{
  g_autofree char *path = g_build_filename (dir, "self", NULL);
  gint64 timeout = 250;

  do
    {
      g_auto (LsobsBuffer) output = LSOBS_BUFFER_INIT;
      g_autoptr (GError) error = NULL;
      g_autofree char *says = NULL;

      timeout *= 2;
      says = g_strdup_printf ("%d ms", (int) timeout);
      g_assert_false (run_within ("trap '' TERM INT HUP; sleep 600 & echo $! > $DIR/child;"
                                  "echo $$ > $DIR/part; mv $DIR/part $DIR/self; echo " SECRET ";"
                                  "wait; wait; sleep 600",
                                  timeout, NULL, &output, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
      g_assert_nonnull (strstr (error->message, says));
      g_assert_null (strstr (error->message, SECRET));
    }
  while (!g_file_test (path, G_FILE_TEST_EXISTS));
  assert_gone ("self");
  assert_gone ("child");
}

/* A background process keeps the output open: the call does not wait for it. */
static void
test_grandchild (void)
{
  g_auto (LsobsBuffer) output = LSOBS_BUFFER_INIT;
  g_autoptr (GError) error = NULL;
  g_autofree char *pid = NULL;

  run ("sleep 600 & echo $! > $DIR/child; printf " SECRET, &output, &error);
  g_assert_no_error (error);
  _lsobs_buffer_append_c (&output, '\0');
  g_assert_cmpstr (output.data, ==, SECRET);
  pid = load ("child");
  g_assert_nonnull (pid);
  g_assert_cmpint (kill ((pid_t) atol (pid), SIGKILL), ==, 0);
}

static gpointer
stop_when_begun (gpointer data)
{
  g_autofree char *path = g_build_filename (dir, "self", NULL);
  gint64 deadline = g_get_monotonic_time () + TEST_TIMEOUT_MS * 1000;

  while (!g_file_test (path, G_FILE_TEST_EXISTS) && g_get_monotonic_time () < deadline)
    g_thread_yield ();
  g_atomic_int_set ((int *) data, 1);
  return NULL;
}

static void
test_stop (void)
{
  g_auto (LsobsBuffer) output = LSOBS_BUFFER_INIT;
  g_autoptr (GError) error = NULL;
  int stop = 0;
  GThread *thread = g_thread_new ("stop", stop_when_begun, &stop);

  g_assert_false (run_within ("echo $$ > $DIR/part; mv $DIR/part $DIR/self; sleep 600",
                              TEST_NEVER_MS, &stop, &output, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_thread_join (thread);
  assert_gone ("self");
}

/* --- whatever the program is like --- */

/* It is no business of the command which signals the program blocks or ignores. */
static void
test_signals (void)
{
  g_auto (LsobsBuffer) output = LSOBS_BUFFER_INIT;
  g_autoptr (GError) error = NULL;

  if (g_test_subprocess ())
    {
      sigset_t set;

      sigemptyset (&set);
      sigaddset (&set, SIGTERM);
      pthread_sigmask (SIG_BLOCK, &set, NULL);
      signal (SIGTERM, SIG_IGN);
      g_assert_false (run ("kill -TERM $$; printf alive", &output, &error));
      g_assert_nonnull (strstr (error->message, "the signal 15"));
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
}

/* The program has the system forget its children: how one has ended cannot be known. */
static void
test_no_children (void)
{
  g_auto (LsobsBuffer) output = LSOBS_BUFFER_INIT;
  g_autoptr (GError) error = NULL;

  if (g_test_subprocess ())
    {
      signal (SIGCHLD, SIG_IGN);
      run ("printf " SECRET "; sleep 0.1", &output, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (output.len, ==, strlen (SECRET));
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
}

/* A program without its first three files: the pipe may be one of them. */
static void
test_no_files (void)
{
  g_auto (LsobsBuffer) output = LSOBS_BUFFER_INIT;

  if (g_test_subprocess ())
    {
      close (STDIN_FILENO);
      close (STDOUT_FILENO);
      close (STDERR_FILENO);
      if (!run ("cat; printf " SECRET, &output, NULL) || output.len != strlen (SECRET))
        _exit (1);
      _exit (0);
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
}

/* The files of the program stay its own. */
static void
test_other_files (void)
{
#ifdef HAVE_POSIX_SPAWN_FILE_ACTIONS_ADDCLOSEFROM_NP
  g_auto (LsobsBuffer) output = LSOBS_BUFFER_INIT;
  g_autoptr (GError) error = NULL;
  int fd = fcntl (STDERR_FILENO, F_DUPFD, 57);
  g_autofree char *command =
      g_strdup_printf ("[ -e /proc/$$/fd/%d ] && printf open; printf done", fd);

  g_assert_cmpint (fd, >=, 57);
  run (command, &output, &error);
  close (fd);
  g_assert_no_error (error);
  _lsobs_buffer_append_c (&output, '\0');
  g_assert_cmpstr (output.data, ==, "done");
#else
  g_test_skip ("files are closed by their flags only here");
#endif
}

#define ADD_ROWS(prefix, rows, func) TEST_ADD_ROWS (prefix, rows, name, func)

int
main (int argc, char *argv[])
{
  int result;

  g_test_init (&argc, &argv, NULL);
  dir = g_dir_make_tmp ("lsobs-XXXXXX", NULL);
  g_assert_nonnull (dir);
  g_setenv ("DIR", dir, TRUE);
  g_setenv ("LSOBS_TEST_TEXT", "of the program", TRUE);

  ADD_ROWS ("/command/output/", output_rows, test_output);
  g_test_add_func ("/command/hidden", test_hidden);
  ADD_ROWS ("/command/failure/", failure_rows, test_failure);
  g_test_add_func ("/command/most", test_most);
  g_test_add_func ("/command/timeout", test_timeout);
  g_test_add_func ("/command/grandchild", test_grandchild);
  g_test_add_func ("/command/stop", test_stop);
  g_test_add_func ("/command/signals", test_signals);
  g_test_add_func ("/command/no-children", test_no_children);
  g_test_add_func ("/command/no-files", test_no_files);
  g_test_add_func ("/command/other-files", test_other_files);

  result = g_test_run ();
  g_rmdir (dir);
  g_free (dir);
  return result;
}
