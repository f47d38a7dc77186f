/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A spool that several processes use, which are killed at any moment; and what is lost without one.
 * The program is this one, started again with --program, a name for its runs, and what it does. It
 * writes lines to its standard output. */

#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/once-service.h"

/* How often a program is killed; LSOBS_TEST_KILLS says otherwise. */
#define N_KILLS 24

/* --- the program --- */

static void
say (guint64 number)
{
  g_autofree char *line = g_strdup_printf ("%" G_GUINT64_FORMAT "\n", number);

  if (write (STDOUT_FILENO, line, strlen (line)) < 0)
    _exit (3);
}

static LsobsObserver *
make_observer (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (TEST_KEY, TEST_PROJECT);
  g_autoptr (GError) error = NULL;
  LsobsObserver *observer;

  lsobs_config_set_api_url (config, g_getenv ("LSOBS_TEST_URL"));
  /* without one if it is not set */
  lsobs_config_set_spool_dir (config, g_getenv ("LSOBS_TEST_DIR"));
  lsobs_config_set_spool_delay (config, 0);
  lsobs_config_set_flush_interval (config, 2);
  lsobs_config_set_max_batch_size (config, 5);
  lsobs_config_set_max_attempts (config, 1);
  lsobs_config_set_retry_delay (config, 1);
  observer = lsobs_observer_new (config, &error);
  if (observer == NULL)
    _exit (4);
  return observer;
}

/* Emits runs for ever, and says how many of them are delivered or in the spool. How many there are is
 * in a file, also after a SIGKILL. */
static void
emit_for_ever (const char *name)
{
  g_autoptr (LsobsObserver) observer = make_observer ();
  int count = g_open (g_getenv ("LSOBS_TEST_COUNT"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  guint64 n_emitted = 0;
  LsobsExporter *exporter = lsobs_observer_get_exporter (observer);
  guint64 last = 0;

  for (;;)
    {
      guint64 safe = test_get_counter (exporter, LSOBS_COUNTER_DELIVERED) +
                     test_get_counter (exporter, LSOBS_COUNTER_SPOOLED);

      if (test_get_counter (exporter, LSOBS_COUNTER_QUEUED) +
              test_get_counter (exporter, LSOBS_COUNTER_IN_FLIGHT) <
          50)
        {
          n_emitted++;
          if (pwrite (count, &n_emitted, sizeof n_emitted, 0) != sizeof n_emitted)
            _exit (6);
          test_emit (exporter, name);
        }
      if (safe != last)
        say (safe);
      last = safe;
      g_thread_yield ();
    }
}

/* Has its drain under way, and forks. The child lives until its standard input ends. */
static void
fork_and_wait (void)
{
  g_autoptr (LsobsObserver) observer = make_observer ();
  LsobsExporter *exporter = lsobs_observer_get_exporter (observer);
  char byte;

  while (test_get_counter (exporter, LSOBS_COUNTER_REQUESTS) == 0)
    g_thread_yield ();
  if (fork () < 0)
    _exit (5);
  say ((guint64) getpid ());
  (void) !read (STDIN_FILENO, &byte, 1);
  _exit (0);
}

static int
run_program (const char *name, const char *what)
{
  if (strcmp (what, "emit") == 0)
    emit_for_ever (name);
  else
    fork_and_wait ();
  return 0;
}

/* --- the test --- */

typedef struct
{
  GSubprocess *process;     /* (owned) */
  GDataInputStream *output; /* (owned) */
  char *count;              /* (owned): the file with the number of its runs */
  guint64 safe;             /* the number that it said last */
} Program;

typedef struct
{
  TestServer *server;   /* (owned) */
  OnceService *service; /* (owned) */
  char *parent;         /* (owned) */
  char *dir;            /* (owned) */
  gboolean has_spool;
  guint64 n_emitted; /* runs */
  guint64 n_safe;    /* runs that programs were told are delivered or in the spool */
  int n_kills;       /* (atomic) how often a program is still to be killed */
  int victim;        /* (atomic) its process */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fixture->server = test_server_new ();
  fixture->service = once_service_new ();
  fixture->parent = failed_traces_make_dir ();
  fixture->dir = g_build_filename (fixture->parent, "spool", NULL);
  fixture->has_spool = TRUE;
  test_server_set_handler (fixture->server, once_service_answer_cb, fixture->service);
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_server_free (fixture->server);
  once_service_free (fixture->service);
  failed_traces_remove_dir (fixture->parent);
  g_free (fixture->parent);
  g_free (fixture->dir);
}

static void
program_start (Program *self, Fixture *fixture, const char *name, const char *what)
{
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autoptr (GError) error = NULL;

  g_subprocess_launcher_setenv (launcher, "LSOBS_TEST_URL", test_server_get_url (fixture->server),
                                TRUE);
  self->count = g_strdup_printf ("%s/count-%u", fixture->parent, g_random_int ());
  g_subprocess_launcher_setenv (launcher, "LSOBS_TEST_COUNT", self->count, TRUE);
  if (fixture->has_spool)
    g_subprocess_launcher_setenv (launcher, "LSOBS_TEST_DIR", fixture->dir, TRUE);
  else
    g_subprocess_launcher_unsetenv (launcher, "LSOBS_TEST_DIR");
  self->process = g_subprocess_launcher_spawn (launcher, &error, "/proc/self/exe", "--program",
                                               name, what, NULL);
  g_assert_no_error (error);
  self->output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (self->process));
  self->safe = 0;
}

/* Returns: FALSE if it is gone */
static gboolean
program_read (Program *self)
{
  g_autofree char *line = g_data_input_stream_read_line (self->output, NULL, NULL, NULL);

  if (line == NULL)
    return FALSE;
  self->safe = g_ascii_strtoull (line, NULL, 10);
  return TRUE;
}

static void
program_kill (Program *self)
{
  g_subprocess_force_exit (self->process);
  g_subprocess_wait (self->process, NULL, NULL);
}

/* Returns: how many runs it has begun to emit */
static guint64
program_count (Program *self)
{
  g_autofree char *bytes = NULL;
  gsize len;
  guint64 n;

  g_assert_true (g_file_get_contents (self->count, &bytes, &len, NULL));
  g_assert_cmpuint (len, ==, sizeof n);
  memcpy (&n, bytes, sizeof n);
  return n;
}

static void
program_clear (Program *self)
{
  g_unlink (self->count);
  g_free (self->count);
  g_clear_object (&self->output);
  g_clear_object (&self->process);
}

static guint
count_files (Fixture *fixture)
{
  g_autoptr (GPtrArray) names = failed_traces_list (fixture->dir);

  return names->len;
}

typedef struct
{
  Fixture *fixture;
  guint n_files;
} Progress;

static gboolean
has_fewer (gpointer data)
{
  Progress *progress = data;

  return count_files (progress->fixture) < progress->n_files;
}

/* Waits until all files are sent. On a busy machine, hundreds of them take minutes. */
static void
wait_for_drain (Fixture *fixture)
{
  Progress progress = { fixture, count_files (fixture) };

  for (; progress.n_files > 0; progress.n_files = count_files (fixture))
    g_assert_true (test_wait_until (has_fewer, &progress, TEST_TIMEOUT_MS));
}

/* This process sends what is left. */
static void
drain (Fixture *fixture)
{
  g_autoptr (LsobsObserver) observer = NULL;

  g_setenv ("LSOBS_TEST_URL", test_server_get_url (fixture->server), TRUE);
  g_setenv ("LSOBS_TEST_DIR", fixture->dir, TRUE);
  observer = make_observer ();
  wait_for_drain (fixture);
  lsobs_observer_shutdown (observer, TEST_TIMEOUT_MS, NULL, NULL);
}

static guint
get_n_kills (void)
{
  const char *text = g_getenv ("LSOBS_TEST_KILLS");

  return text != NULL ? (guint) g_ascii_strtoull (text, NULL, 10) : N_KILLS;
}

/* Has two programs emit runs, and kills them at any moment.
 * @outage: 0: the service is away until then; 1: it comes back before; 2: it is there */
static void
kill_two (Fixture *fixture, guint outage)
{
  Program programs[2];

  if (outage != 2)
    test_server_close_port (fixture->server);
  for (guint k = 0; k < 2; k++)
    program_start (&programs[k], fixture, "run", "emit");
  for (guint k = 0; k < 2; k++)
    for (int n = g_test_rand_int_range (1, 30); n > 0; n--)
      g_assert_true (program_read (&programs[k]));
  if (outage == 1)
    {
      test_server_open_port (fixture->server);
      for (int n = g_test_rand_int_range (1, 20); n > 0; n--)
        g_assert_true (program_read (&programs[0]));
    }
  for (guint k = 0; k < 2; k++)
    program_kill (&programs[k]);
  if (outage == 0)
    test_server_open_port (fixture->server);
  for (guint k = 0; k < 2; k++)
    {
      /* what it had said before */
      while (program_read (&programs[k]))
        ;
      fixture->n_safe += programs[k].safe;
      fixture->n_emitted += program_count (&programs[k]);
      program_clear (&programs[k]);
    }
}

/* What was said to be safe has arrived; of the rest, some has. The service takes each run once. */
static void
assert_safe (Fixture *fixture, guint n_kills)
{
  guint n_arrived = once_service_count (fixture->service);

  g_test_message ("%u killed: %" G_GUINT64_FORMAT " runs, %" G_GUINT64_FORMAT
                  " said to be safe, %u arrived, %" G_GUINT64_FORMAT " lost, %u requests",
                  n_kills, fixture->n_emitted, fixture->n_safe, n_arrived,
                  fixture->n_emitted - n_arrived,
                  test_server_count_requests (fixture->server, NULL));
  g_assert_cmpuint (n_arrived, >=, fixture->n_safe);
  g_assert_cmpuint (n_arrived, <=, fixture->n_emitted);
  g_assert_cmpuint (fixture->n_safe, >, 0);
}

/* With the service there or not: everything is there once, and nothing stays. */
static void
test_killed (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  guint n_kills = get_n_kills ();
  g_autofree char *state = g_build_filename (fixture->dir, ".lsobs", NULL);

  for (guint i = 0; i < n_kills / 2; i++)
    kill_two (fixture, i % 3);
  drain (fixture);
  assert_safe (fixture, n_kills);
  /* the ledger, and the file that a drain locks */
  g_assert_cmpuint (failed_traces_count_entries (state), ==, 2);
}

/* Without a spool, what waits is lost. */
static void
test_killed_without (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  guint n_kills = get_n_kills ();

  fixture->has_spool = FALSE;
  for (guint i = 0; i < n_kills / 2; i++)
    kill_two (fixture, 2);
  assert_safe (fixture, n_kills);
  g_assert_false (g_file_test (fixture->dir, G_FILE_TEST_EXISTS));
}

/* Kills the program once the service has accepted runs, before it answers. */
static gboolean
accept_and_kill (TestRequest *request, TestAnswer *answer, gpointer data)
{
  Fixture *fixture = data;
  guint n_before = once_service_count (fixture->service);

  if (!once_service_answer_cb (request, answer, fixture->service))
    return FALSE;
  if (once_service_count (fixture->service) > n_before &&
      g_atomic_int_dec_and_test (&fixture->n_kills))
    kill ((pid_t) g_atomic_int_get (&fixture->victim), SIGKILL);
  return TRUE;
}

/* Killed after a file was accepted, and before it is removed: it is sent again, and nothing is there
 * twice, or without its end. */
static void
test_accepted (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Program filler;
  guint n_files;

  test_server_close_port (fixture->server);
  program_start (&filler, fixture, "run", "emit");
  while (filler.safe < 50)
    g_assert_true (program_read (&filler));
  program_kill (&filler);
  program_clear (&filler);
  test_server_set_handler (fixture->server, accept_and_kill, fixture);
  test_server_open_port (fixture->server);
  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (GPtrArray) names = failed_traces_list (fixture->dir);
      Program drainer;

      n_files = names->len;
      test_server_hold (fixture->server);
      program_start (&drainer, fixture, "run", "fork");
      g_atomic_int_set (&fixture->victim, atoi (g_subprocess_get_identifier (drainer.process)));
      g_atomic_int_set (&fixture->n_kills, 1);
      test_server_release (fixture->server);
      g_subprocess_wait (drainer.process, NULL, NULL);
      g_assert_true (g_subprocess_get_if_signaled (drainer.process));
      program_clear (&drainer);
    }
  g_assert_cmpuint (count_files (fixture), >, 0);
  g_assert_cmpuint (n_files, >, 1);
  drain (fixture);
  g_assert_cmpuint (once_service_count (fixture->service), >=, 50);
  /* The last start may have been on its way to the spool alone. */
  g_assert_cmpuint (once_service_count_ended (fixture->service), >=,
                    once_service_count (fixture->service) - 1);
}

/* A process that was killed inside its drain does not hold up others, although a child of it lives. */
static void
test_forked (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Program filler;
  Program forker;

  test_server_close_port (fixture->server);
  program_start (&filler, fixture, "run", "emit");
  while (filler.safe < 20)
    g_assert_true (program_read (&filler));
  program_kill (&filler);
  program_clear (&filler);
  test_server_open_port (fixture->server);

  test_server_hold (fixture->server);
  program_start (&forker, fixture, "run", "fork");
  /* both of them */
  g_assert_true (program_read (&forker));
  g_assert_true (program_read (&forker));
  program_kill (&forker);
  test_server_release (fixture->server);
  drain (fixture);
  g_assert_cmpuint (once_service_count (fixture->service), >=, 20);
  g_output_stream_close (g_subprocess_get_stdin_pipe (forker.process), NULL, NULL);
  g_assert_false (program_read (&forker));
  program_clear (&forker);
}

/* Two processes send one spool: nothing is sent twice. */
static void
test_together (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Program programs[3];
  guint n_requests;
  g_autoptr (GPtrArray) names = NULL;

  test_server_close_port (fixture->server);
  program_start (&programs[0], fixture, "run", "emit");
  while (programs[0].safe < 100)
    g_assert_true (program_read (&programs[0]));
  program_kill (&programs[0]);
  program_clear (&programs[0]);
  names = failed_traces_list (fixture->dir);
  test_server_open_port (fixture->server);
  /* They wait for each other, and emit nothing. */
  test_server_hold (fixture->server);
  for (guint k = 0; k < 3; k++)
    program_start (&programs[k], fixture, "run", "fork");
  g_assert_true (test_server_wait_requests (fixture->server, 1, TEST_TIMEOUT_MS));
  test_server_release (fixture->server);
  wait_for_drain (fixture);
  for (guint k = 0; k < 3; k++)
    {
      program_kill (&programs[k]);
      g_output_stream_close (g_subprocess_get_stdin_pipe (programs[k].process), NULL, NULL);
      program_clear (&programs[k]);
    }
  n_requests = test_server_count_requests (fixture->server, NULL);
  g_assert_cmpuint (n_requests, ==, names->len);
}

/* Another process holds the ledger, and so the disk stands still: no deadline is missed, and all is
 * counted. */
static void
test_slow (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *state = g_build_filename (fixture->dir, ".lsobs", NULL);
  g_autofree char *ledger = g_build_filename (state, "ledger", NULL);
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (LsobsExporter) exporter = NULL;
  LsobsFlushStats stats;
  gint64 start;
  int fd;

  test_server_close_port (fixture->server);
  g_assert_cmpint (g_mkdir_with_parents (state, 0700), ==, 0);
  fd = g_open (ledger, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  g_assert_cmpint (flock (fd, LOCK_EX), ==, 0);
  g_setenv ("LSOBS_TEST_URL", test_server_get_url (fixture->server), TRUE);
  g_setenv ("LSOBS_TEST_DIR", fixture->dir, TRUE);
  observer = make_observer ();
  exporter = g_object_ref (lsobs_observer_get_exporter (observer));
  test_emit_many (exporter, 30);
  start = g_get_monotonic_time ();
  lsobs_observer_shutdown (observer, 400, &stats, NULL);
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 400 + test_get_slack_ms ());
  g_assert_cmpuint (stats.runs_failed, ==, 30);
  g_assert_cmpuint (test_get_total_dropped (exporter), ==, 30);
  test_assert_books (exporter);
  close (fd);
}

int
main (int argc, char *argv[])
{
  if (argc >= 4 && strcmp (argv[1], "--program") == 0)
    return run_program (argv[2], argv[3]);

  g_test_init (&argc, &argv, NULL);
  g_test_add ("/spool-processes/killed/spool", Fixture, NULL, set_up, test_killed, tear_down);
  g_test_add ("/spool-processes/killed/no-spool", Fixture, NULL, set_up, test_killed_without,
              tear_down);
  g_test_add ("/spool-processes/accepted", Fixture, NULL, set_up, test_accepted, tear_down);
  g_test_add ("/spool-processes/forked", Fixture, NULL, set_up, test_forked, tear_down);
  g_test_add ("/spool-processes/together", Fixture, NULL, set_up, test_together, tear_down);
  g_test_add ("/spool-processes/slow", Fixture, NULL, set_up, test_slow, tear_down);

  return g_test_run ();
}
