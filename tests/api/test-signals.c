/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a signal does to a program that has let lsobs handle it. The program is this one, started
 * again with --program and the name of what it does. It writes words to its standard output, and is
 * told to go on by its standard input. */

#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#include "tests/lib/fork-helpers.h"
#include "tests/lib/program-helpers.h"
#include "tests/lib/run-helpers.h"

#define N_RUNS 100

/* --- the program --------------------------------------------------------------------------- */

/* How often the function below has been called. */
static volatile sig_atomic_t n_posts;

/* Replaces that of the C library: what the handler of lsobs calls changes errno. */
int
sem_post (sem_t *semaphore)
{
  static int (*real_sem_post) (sem_t * semaphore);
  int result;

  if (real_sem_post == NULL)
    real_sem_post = (int (*) (sem_t * semaphore)) dlsym (RTLD_NEXT, "sem_post");
  result = real_sem_post (semaphore);
  n_posts++;
  errno = EOVERFLOW;
  return result;
}

static void
say (const char *word)
{
  g_autofree char *line = g_strconcat (word, "\n", NULL);

  if (write (STDOUT_FILENO, line, strlen (line)) < 0)
    _exit (3);
}

static void
say_number (const char *word, int number)
{
  g_autofree char *text = g_strdup_printf ("%s %d", word, number);

  say (text);
}

/* A mistake of the program ends it with a status that no test expects. */
#define check(expr) \
 G_STMT_START \
 { \
  if (!(expr)) \
   { \
    g_printerr ("# in the program, line %d: %s\n", __LINE__, #expr); \
    _exit (4); \
   } \
 } \
 G_STMT_END

/* How long a program waits at a time, in ms. ThreadSanitizer keeps a signal until the program calls
 * something: a wait without end may have begun too early for it. */
#define WAIT_MS 100

/* Waits for a byte from the test. Returns FALSE if there is none. */
static gboolean
wait_for_test (void)
{
  struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
  char byte;
  gssize n;

  while (poll (&input, 1, WAIT_MS) <= 0)
    continue;
  do
    n = read (STDIN_FILENO, &byte, 1);
  while (n < 0 && errno == EINTR);
  return n == 1;
}

static LsobsObserver *
make_observer (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (RUN_API_KEY, RUN_PROJECT);

  lsobs_config_set_api_url (config, g_getenv ("LSOBS_TEST_URL"));
  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  lsobs_config_set_max_batch_size (config, 10 * N_RUNS);
  lsobs_config_set_exit_timeout (config, TEST_TIMEOUT_MS);
  return lsobs_observer_new (config, NULL);
}

static void
trace (LsobsObserver *observer)
{
  for (guint i = 0; i < N_RUNS; i++)
    {
      g_autoptr (LsobsRun) run =
          lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);

      lsobs_run_end (run, NULL);
    }
}

static void
install (void)
{
  g_autoptr (GError) error = NULL;

  check (lsobs_install_signal_handlers (NULL, 0, &error));
}

/* Waits for the end. */
G_NORETURN static void
wait_for_signals (void)
{
  for (;;)
    poll (NULL, 0, WAIT_MS);
}

G_NORETURN static void
idle (void)
{
  say ("ready");
  wait_for_signals ();
}

static void
program_plain (void)
{
  g_autoptr (LsobsObserver) observer = make_observer ();

  install ();
  trace (observer);
  idle ();
}

/* Installs first, and again. */
static void
program_early (void)
{
  const int number = SIGQUIT;

  install ();
  install ();
  check (lsobs_install_signal_handlers (&number, 1, NULL));
  program_plain ();
}

static void
program_main_loop (void)
{
  g_autoptr (LsobsObserver) observer = make_observer ();
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);

  install ();
  trace (observer);
  say ("ready");
  g_main_loop_run (loop);
}

static void
program_ignore (void)
{
  struct sigaction action;

  signal (SIGHUP, SIG_IGN);
  install ();
  check (sigaction (SIGHUP, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
  raise (SIGHUP);
  program_plain ();
}

static void
say_handled (int number)
{
  int saved_errno = errno;
  char line[] = "handled\n";

  if (number != SIGTERM || write (STDOUT_FILENO, line, strlen (line)) < 0)
    _exit (3);
  errno = saved_errno;
}

static void
program_earlier_handler (void)
{
  signal (SIGTERM, say_handled);
  program_plain ();
}

static void
program_later_handler (void)
{
  install ();
  signal (SIGTERM, say_handled);
  program_plain ();
}

/* The handler goes away again. */
static void
program_handler_removed (void)
{
  guint id;

  install ();
  id = g_unix_signal_add (SIGTERM, G_SOURCE_FUNC (g_main_loop_quit), NULL);
  g_source_remove (id);
  program_plain ();
}

/* Takes the signal over while lsobs sends. */
static void
program_taken_over (void)
{
  g_autoptr (LsobsObserver) observer = make_observer ();

  install ();
  trace (observer);
  say ("ready");
  check (wait_for_test ());
  signal (SIGTERM, say_handled);
  idle ();
}

static void
program_blocked (void)
{
  sigset_t set;

  install ();
  sigemptyset (&set);
  sigaddset (&set, SIGTERM);
  pthread_sigmask (SIG_BLOCK, &set, NULL);
  raise (SIGTERM);
  pthread_sigmask (SIG_UNBLOCK, &set, NULL);
  /* The signal came in pthread_sigmask(), with nothing to send. */
  wait_for_signals ();
}

/* The signal comes in raise(); says what errno is after it. */
static void
program_errno (void)
{
  g_autoptr (LsobsObserver) observer = make_observer ();
  int saved_errno;

  install ();
  trace (observer);
  errno = ERANGE;
  raise (SIGTERM);
  saved_errno = errno;
  check (n_posts == 1);
  say_number ("errno", saved_errno);
  idle ();
}

/* Starts a child, says its id, waits for it and says how it ended. */
static void
program_fork (gboolean trace_in_child)
{
  g_autoptr (LsobsObserver) observer = make_observer ();
  int status = 0;
  pid_t pid;

  install ();
  trace (observer);
  pid = fork ();
  if (pid == 0)
    {
      if (trace_in_child)
        trace (observer);
      say_number ("child", (int) getpid ());
      wait_for_signals ();
    }
  while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
    ;
  say_number ("ended", WIFSIGNALED (status) ? WTERMSIG (status) : -1);
  idle ();
}

static void
program_fork_idle (void)
{
  program_fork (FALSE);
}

static void
program_fork_trace (void)
{
  program_fork (TRUE);
}

typedef struct
{
  const char *name;
  void (*func) (void);
} Program;

static const Program programs[] = {
  { "plain", program_plain },
  { "early", program_early },
  { "main-loop", program_main_loop },
  { "ignore", program_ignore },
  { "earlier-handler", program_earlier_handler },
  { "later-handler", program_later_handler },
  { "handler-removed", program_handler_removed },
  { "taken-over", program_taken_over },
  { "blocked", program_blocked },
  { "errno", program_errno },
  { "fork-idle", program_fork_idle },
  { "fork-trace", program_fork_trace },
};

static int
run_program (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (programs); i++)
    if (strcmp (programs[i].name, name) == 0)
      programs[i].func ();
  return 5;
}

/* --- the tests ----------------------------------------------------------------------------- */

/* Returns: the number after the word, which the program says next */
static int
expect_number (ProgramFixture *fixture, const char *word)
{
  g_autofree char *line = g_data_input_stream_read_line_utf8 (fixture->output, NULL, NULL, NULL);

  g_assert_nonnull (line);
  g_assert_true (g_str_has_prefix (line, word));
  return (int) g_ascii_strtoll (line + strlen (word) + 1, NULL, 10);
}

static void
send_signal (ProgramFixture *fixture, int number)
{
  g_subprocess_send_signal (fixture->process, number);
}

typedef struct
{
  const char *name;
  const char *program;
  int signal_number;
} EndRow;

static const EndRow end_rows[] = {
  { "term", "plain", SIGTERM },
  { "int", "plain", SIGINT },
  { "hup", "plain", SIGHUP },
  { "quit", "early", SIGQUIT },
  { "before-the-observer", "early", SIGTERM },
  { "main-loop", "main-loop", SIGINT },
};

static void
test_end (ProgramFixture *fixture, gconstpointer data)
{
  const EndRow *row = data;

  program_start (fixture, row->program);
  program_expect (fixture, "ready");
  send_signal (fixture, row->signal_number);
  program_assert_ends_by_signal (fixture, row->signal_number);
  program_assert_arrived (fixture->server, N_RUNS);
}

/* The service takes longer than the end waits by default. */
static void
test_exit_timeout (ProgramFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_server_push (fixture->server, NULL, (TestAnswer){ .delay_ms = 5000 });
  program_start (fixture, "plain");
  program_expect (fixture, "ready");
  send_signal (fixture, SIGTERM);
  program_assert_ends_by_signal (fixture, SIGTERM);
  program_assert_arrived (fixture->server, N_RUNS);
}

/* Without opting in. */
static void
test_other_signal (ProgramFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  program_start (fixture, "plain");
  program_expect (fixture, "ready");
  send_signal (fixture, SIGUSR1);
  program_assert_ends_by_signal (fixture, SIGUSR1);
  program_assert_arrived (fixture->server, 0);
}

static void
test_ignored (ProgramFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  program_start (fixture, "ignore");
  program_expect (fixture, "ready");
  send_signal (fixture, SIGHUP);
  send_signal (fixture, SIGTERM);
  program_assert_ends_by_signal (fixture, SIGTERM);
  program_assert_arrived (fixture->server, N_RUNS);
}

/* The handler of the program decides: here, not to end. */
static void
test_handler (ProgramFixture *fixture, gconstpointer data)
{
  program_start (fixture, data);
  program_expect (fixture, "ready");
  send_signal (fixture, SIGTERM);
  program_expect (fixture, "handled");
  program_assert_arrived (fixture->server, 0);
  send_signal (fixture, SIGINT);
  program_assert_ends_by_signal (fixture, SIGINT);
  program_assert_arrived (fixture->server, N_RUNS);
}

static gboolean
has_request (TestServer *server, gpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) requests = test_server_dup_requests (server);

  return requests->len > 0;
}

/* Sends a signal, and waits until lsobs has begun to send. The server does not answer. */
static void
begin_end (ProgramFixture *fixture, int number)
{
  test_server_hold (fixture->server);
  program_expect (fixture, "ready");
  send_signal (fixture, number);
  g_assert_true (test_server_wait (fixture->server, has_request, NULL, TEST_TIMEOUT_MS));
}

static void
test_second (ProgramFixture *fixture, gconstpointer data)
{
  int number = GPOINTER_TO_INT (data);

  program_start (fixture, "plain");
  begin_end (fixture, SIGTERM);
  send_signal (fixture, number);
  program_assert_ends_by_signal (fixture, number);
  program_assert_arrived (fixture->server, 0);
}

/* A closed terminal sends more than one. */
static void
test_second_hangup (ProgramFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  program_start (fixture, "plain");
  begin_end (fixture, SIGHUP);
  send_signal (fixture, SIGHUP);
  test_server_release (fixture->server);
  program_assert_ends_by_signal (fixture, SIGHUP);
  program_assert_arrived (fixture->server, N_RUNS);
}

static void
test_taken_over (ProgramFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  program_start (fixture, "taken-over");
  begin_end (fixture, SIGTERM);
  program_tell (fixture);
  program_expect (fixture, "ready");
  test_server_release (fixture->server);
  program_expect (fixture, "handled");
  program_assert_arrived (fixture->server, N_RUNS);
  send_signal (fixture, SIGINT);
  program_assert_ends_by_signal (fixture, SIGINT);
}

/* The default action is there again, and lsobs after the program has asked again. */
static void
test_handler_removed (ProgramFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  program_start (fixture, "handler-removed");
  program_expect (fixture, "ready");
  send_signal (fixture, SIGTERM);
  program_assert_ends_by_signal (fixture, SIGTERM);
  program_assert_arrived (fixture->server, N_RUNS);
}

static void
test_blocked (ProgramFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  program_start (fixture, "blocked");
  program_assert_ends_by_signal (fixture, SIGTERM);
}

/* The code that the signal interrupts does not notice it. The server does not answer, so that the end
 * comes later. */
static void
test_errno (ProgramFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_server_hold (fixture->server);
  program_start (fixture, "errno");
  g_assert_cmpint (expect_number (fixture, "errno"), ==, ERANGE);
  program_expect (fixture, "ready");
  test_server_release (fixture->server);
  program_assert_ends_by_signal (fixture, SIGTERM);
  program_assert_arrived (fixture->server, N_RUNS);
}

/* A forked child that uses no observer ends at once, and the parent does not notice. */
static void
test_fork_idle (ProgramFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  if (fork_skip ())
    return;
  program_start (fixture, "fork-idle");
  g_assert_cmpint (kill (expect_number (fixture, "child"), SIGTERM), ==, 0);
  g_assert_cmpint (expect_number (fixture, "ended"), ==, SIGTERM);
  program_expect (fixture, "ready");
  program_assert_arrived (fixture->server, 0);
  send_signal (fixture, SIGTERM);
  program_assert_ends_by_signal (fixture, SIGTERM);
  program_assert_arrived (fixture->server, N_RUNS);
}

static void
test_fork_trace (ProgramFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  if (fork_skip ())
    return;
  program_start (fixture, "fork-trace");
  g_assert_cmpint (kill (expect_number (fixture, "child"), SIGTERM), ==, 0);
  g_assert_cmpint (expect_number (fixture, "ended"), ==, SIGTERM);
  program_expect (fixture, "ready");
  program_assert_arrived (fixture->server, N_RUNS);
  send_signal (fixture, SIGTERM);
  program_assert_ends_by_signal (fixture, SIGTERM);
  program_assert_arrived (fixture->server, 2 * N_RUNS);
}

/* In this program, no handler is installed. */
static void
test_impossible (void)
{
  const int numbers[] = { SIGTERM, SIGKILL };
  g_autoptr (GError) error = NULL;
  struct sigaction action;

  g_assert_false (lsobs_install_signal_handlers (numbers, G_N_ELEMENTS (numbers), &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_cmpint (sigaction (SIGTERM, NULL, &action), ==, 0);
  g_assert_true (action.sa_handler == SIG_DFL);
}

#define ADD(path, data, func) \
 g_test_add ("/signals/" path, ProgramFixture, data, program_fixture_set_up, func, \
             program_fixture_tear_down)

int
main (int argc, char *argv[])
{
  if (argc == 3 && strcmp (argv[1], "--program") == 0)
    return run_program (argv[2]);

  g_test_init (&argc, &argv, G_TEST_OPTION_ISOLATE_DIRS, NULL);
  TEST_ADD_FIXTURE_ROWS ("/signals/end/", end_rows, name, ProgramFixture, program_fixture_set_up,
                         test_end, program_fixture_tear_down);
  ADD ("exit-timeout", NULL, test_exit_timeout);
  ADD ("other-signal", NULL, test_other_signal);
  ADD ("ignored", NULL, test_ignored);
  ADD ("handler/earlier", "earlier-handler", test_handler);
  ADD ("handler/later", "later-handler", test_handler);
  ADD ("handler/removed", NULL, test_handler_removed);
  ADD ("handler/taken-over", NULL, test_taken_over);
  ADD ("second/same", GINT_TO_POINTER (SIGTERM), test_second);
  ADD ("second/other", GINT_TO_POINTER (SIGINT), test_second);
  ADD ("second/hangup", NULL, test_second_hangup);
  ADD ("blocked", NULL, test_blocked);
  ADD ("errno", NULL, test_errno);
  ADD ("fork/idle", NULL, test_fork_idle);
  ADD ("fork/trace", NULL, test_fork_trace);
  g_test_add_func ("/signals/impossible", test_impossible);
  return g_test_run ();
}
