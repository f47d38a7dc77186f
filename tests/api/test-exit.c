/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the end of a program does with the runs that wait. The program is this one, started again
 * with --program, the name of what it does, and words for that. It writes lines to its standard
 * output, and is told to go on by its standard input. */

#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/fork-helpers.h"
#include "tests/lib/program-helpers.h"
#include "tests/lib/run-helpers.h"

#define N_RUNS 100

/* How many observers of a pair have a good service. */
#define N_GOOD 3

/* The exit code of a program that calls exit(). */
#define EXIT_CODE 7

/* An exit-timeout that is over soon, in ms, and a delay of the service that is longer than the
 * default timeouts. */
#define LIMIT_MS     300
#define LONG_WAIT_MS 5000

/* --- the program --------------------------------------------------------------------------- */

static char **words;            /* (unowned) what the program was started with */
static LsobsExporter *reported; /* (owned) (nullable) whose numbers are told at the end */
static gboolean call_exit;      /* whether a function of the program calls exit() */
static gboolean is_child;       /* whether this process is forked */
static GMainContext *held;      /* (unowned) (nullable) that another thread is to own */

static void
say (const char *format, ...)
{
  g_autofree char *text = NULL;
  g_autofree char *line = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  line = g_strconcat (text, "\n", NULL);
  if (write (STDOUT_FILENO, line, strlen (line)) < 0)
    _exit (3);
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

/* Waits for a byte from the test, or the end of the test. */
static void
wait_for_test (void)
{
  char byte;

  while (read (STDIN_FILENO, &byte, 1) < 0 && errno == EINTR)
    ;
}

/* Never ends. */
static void
block (void)
{
  for (;;)
    pause ();
}

static LsobsConfig *
make_plain_config (const char *url_variable)
{
  LsobsConfig *config = lsobs_config_new (RUN_API_KEY, RUN_PROJECT);

  lsobs_config_set_api_url (config, g_getenv (url_variable));
  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  lsobs_config_set_max_batch_size (config, 10 * N_RUNS);
  return config;
}

/* The same with as much time as a busy machine needs. */
static LsobsConfig *
make_config (const char *url_variable)
{
  LsobsConfig *config = make_plain_config (url_variable);

  lsobs_config_set_request_timeout (config, TEST_TIMEOUT_MS);
  lsobs_config_set_exit_timeout (config, TEST_TIMEOUT_MS);
  lsobs_config_set_shutdown_timeout (config, TEST_TIMEOUT_MS);
  return config;
}

static LsobsObserver *
make_observer (LsobsConfig *config, GMainContext *context)
{
  g_autoptr (GError) error = NULL;
  LsobsObserver *observer = g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error, "config", config,
                                            "main-context", context, NULL);

  check (observer != NULL);
  return observer;
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

/* Registered before lsobs registers its function, and so called after that. */
static void
report_cb (void)
{
  say ("delivered %u, lost %u, left %u",
       (guint) test_get_counter (reported, LSOBS_COUNTER_DELIVERED),
       (guint) test_get_dropped (reported, LSOBS_DROP_REASON_SHUTDOWN),
       (guint) (test_get_counter (reported, LSOBS_COUNTER_QUEUED) +
                test_get_counter (reported, LSOBS_COUNTER_IN_FLIGHT)));
}

/* Traces, and tells the numbers at the end. Nobody drops the observer. */
static LsobsObserver *
trace_and_report (LsobsConfig *config, GMainContext *context)
{
  LsobsObserver *observer = make_observer (config, context);

  reported = g_object_ref (lsobs_observer_get_exporter (observer));
  atexit (report_cb);
  trace (observer);
  return observer;
}

/* Returns: (nullable) (transfer full): the context that the word is for */
static GMainContext *
get_context (const char *word)
{
  if (strcmp (word, "thread") == 0)
    return NULL;
  if (strcmp (word, "default") == 0)
    return g_main_context_ref (g_main_context_default ());
  return g_main_context_new ();
}

/* SIGTERM ends the main loop of the program. */
static void
end_by_signal (void)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);

  check (lsobs_install_signal_handlers (NULL, 0, NULL));
  raise (SIGTERM);
  g_main_loop_run (loop);
}

/* end CONTEXT HOW [plain]; bench/exit-times.py calls it, too. */
static int
program_end (void)
{
  g_autoptr (LsobsConfig) config =
      words[2] != NULL ? make_plain_config ("LSOBS_TEST_URL") : make_config ("LSOBS_TEST_URL");
  g_autoptr (GMainContext) context = get_context (words[0]);
  LsobsObserver *observer = make_observer (config, context);

  trace (observer);
  if (strcmp (words[1], "drop") == 0)
    g_object_unref (observer);
  if (strcmp (words[1], "exit") == 0)
    exit (EXIT_CODE);
  if (strcmp (words[1], "term") == 0)
    end_by_signal ();
  return 0;
}

static gpointer
exit_thread (gpointer data G_GNUC_UNUSED)
{
  exit (EXIT_CODE);
}

static int
program_exit_in_thread (void)
{
  g_autoptr (LsobsConfig) config = make_config ("LSOBS_TEST_URL");

  trace (make_observer (config, NULL));
  g_thread_unref (g_thread_new ("exit", exit_thread, NULL));
  block ();
  return 0;
}

/* pair CONTEXT-OF-HANGING CONTEXT-OF-GOOD ORDER HOW DROPPED: as lsobs keeps no order of its own, there
 * are several good ones. Those that are dropped leave. */
static int
program_pair (void)
{
  const char *urls[] = { "LSOBS_TEST_URL", "LSOBS_TEST_GOOD_URL" };
  guint hanging = strcmp (words[2], "good-first") == 0 ? N_GOOD : 0;
  LsobsObserver *observers[N_GOOD + 1];

  for (guint i = 0; i < G_N_ELEMENTS (observers); i++)
    {
      guint which = i == hanging ? 0 : 1;
      g_autoptr (LsobsConfig) config = make_config (urls[which]);
      g_autoptr (GMainContext) context = get_context (words[which]);

      observers[i] = make_observer (config, context);
    }
  for (guint i = 0; i < G_N_ELEMENTS (observers); i++)
    trace (observers[i]);
  for (guint i = 0; i < G_N_ELEMENTS (observers); i++)
    if (strcmp (words[4], "all") == 0 || (strcmp (words[4], "good") == 0 && i != hanging))
      g_object_unref (observers[i]);
  if (strcmp (words[3], "all") == 0)
    check (lsobs_shutdown_all (TEST_TIMEOUT_MS, NULL));
  return 0;
}

/* limit CONTEXT EXIT-TIMEOUT */
static int
program_limit (void)
{
  g_autoptr (LsobsConfig) config = make_config ("LSOBS_TEST_URL");
  g_autoptr (GMainContext) context = get_context (words[0]);

  lsobs_config_set_exit_timeout (config, g_ascii_strtoll (words[1], NULL, 10));
  trace_and_report (config, context);
  return 0;
}

/* Two observers, and another limit for each. */
static int
program_limits (void)
{
  g_autoptr (LsobsConfig) short_config = make_config ("LSOBS_TEST_URL");
  g_autoptr (LsobsConfig) config = make_config ("LSOBS_TEST_GOOD_URL");

  lsobs_config_set_exit_timeout (short_config, LIMIT_MS);
  trace_and_report (short_config, NULL);
  trace (make_observer (config, NULL));
  return 0;
}

/* idle CONTEXT */
static int
program_idle (void)
{
  g_autoptr (LsobsConfig) config = make_config ("LSOBS_TEST_URL");
  g_autoptr (GMainContext) context = get_context (words[0]);
  LsobsObserver *observer = make_observer (config, context);

  make_observer (config, context);
  trace (observer);
  check (lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, NULL));
  say ("flushed");
  wait_for_test ();
  return 0;
}

static JsonNode *
redact (const char *field G_GNUC_UNUSED, JsonNode *value G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  say ("judges");
  if (call_exit)
    exit (EXIT_CODE);
  block ();
  return NULL;
}

static gpointer
run_context_thread (gpointer context)
{
  g_main_context_push_thread_default (context);
  for (;;)
    g_main_context_iteration (context, TRUE);
  return NULL;
}

static gpointer
own_context_thread (gpointer data G_GNUC_UNUSED)
{
  check (g_main_context_acquire (held));
  say ("owned");
  block ();
  return NULL;
}

static LsobsConfig *
make_stuck_config (void)
{
  LsobsConfig *config = make_config ("LSOBS_TEST_URL");

  lsobs_config_set_redact_func (config, redact, NULL, NULL);
  lsobs_config_set_exit_timeout (config, LIMIT_MS);
  /* The first records leave at once. */
  lsobs_config_set_flush_interval (config, 1);
  return config;
}

static LsobsRun *
start_secret_run (LsobsObserver *observer)
{
  g_autoptr (JsonNode) inputs = test_new_payload ("secret");

  return lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_CHAIN, inputs);
}

/* stuck CONTEXT: ends while the redaction function does not return. In a context of the program,
 * another thread runs it. */
static int
program_stuck (void)
{
  g_autoptr (LsobsConfig) config = make_stuck_config ();
  g_autoptr (GMainContext) context = get_context (words[0]);
  g_autoptr (LsobsRun) run = NULL;
  LsobsObserver *observer;

  if (context != NULL)
    g_thread_unref (g_thread_new ("context", run_context_thread, context));
  observer = make_observer (config, context);
  reported = g_object_ref (lsobs_observer_get_exporter (observer));
  atexit (report_cb);
  run = start_secret_run (observer);
  wait_for_test ();
  return 0;
}

/* Ends while another thread owns the context and does not run it. */
static int
program_owned (void)
{
  g_autoptr (LsobsConfig) config = make_stuck_config ();

  held = g_main_context_new ();
  trace_and_report (config, held);
  g_thread_unref (g_thread_new ("owner", own_context_thread, NULL));
  wait_for_test ();
  return 0;
}

/* exit-inside CONTEXT: the redaction function calls exit(). */
static int
program_exit_inside (void)
{
  g_autoptr (LsobsConfig) config = make_stuck_config ();
  g_autoptr (GMainContext) context = get_context (words[0]);
  g_autoptr (LsobsRun) run = NULL;
  LsobsObserver *observer;

  call_exit = TRUE;
  lsobs_config_set_exit_timeout (config, TEST_TIMEOUT_MS);
  observer = make_observer (config, context);
  reported = g_object_ref (lsobs_observer_get_exporter (observer));
  if (context != NULL)
    atexit (report_cb);
  run = start_secret_run (observer);
  lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, NULL);
  return 0;
}

static gboolean
late_cb (gpointer data G_GNUC_UNUSED)
{
  say ("called");
  return G_SOURCE_REMOVE;
}

static JsonNode *
redact_late (const char *field G_GNUC_UNUSED, JsonNode *value, gpointer data G_GNUC_UNUSED)
{
  say ("called");
  return json_node_ref (value);
}

/* forbid CONTEXT: nothing of the program is called at the end. */
static int
program_forbid (void)
{
  g_autoptr (LsobsConfig) config = make_config ("LSOBS_TEST_URL");
  g_autoptr (GMainContext) context = get_context (words[0]);
  g_autoptr (LsobsRun) run = NULL;

  lsobs_config_set_redact_func (config, redact_late, NULL, NULL);
  g_idle_add (late_cb, NULL);
  lsobs_forbid_callbacks_at_exit ();
  run = start_secret_run (trace_and_report (config, context));
  lsobs_run_end (run, NULL);
  return 0;
}

/* Called after the function of lsobs. A checker of leaks, which would come next, knows nothing of the
 * threads of the parent, and of what is theirs. */
static void
end_child_cb (void)
{
  if (is_child)
    _exit (EXIT_CODE);
}

/* fork HOW: says how the child has ended. */
static int
program_fork (void)
{
  g_autoptr (LsobsConfig) config = make_config ("LSOBS_TEST_URL");
  LsobsObserver *observer = make_observer (config, NULL);
  int status = 0;
  pid_t pid;

  atexit (end_child_cb);
  trace (observer);
  pid = fork ();
  if (pid == 0)
    {
      is_child = TRUE;
      if (strcmp (words[0], "trace") == 0)
        trace (observer);
      if (strcmp (words[0], "drop") == 0)
        g_object_unref (observer);
      exit (EXIT_CODE);
    }
  while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
    ;
  say ("ended %d", WIFEXITED (status) ? WEXITSTATUS (status) : -1);
  wait_for_test ();
  return 0;
}

typedef struct
{
  const char *name;
  int (*func) (void);
} Program;

static const Program programs[] = {
  { "end", program_end },
  { "exit-in-thread", program_exit_in_thread },
  { "pair", program_pair },
  { "limit", program_limit },
  { "limits", program_limits },
  { "idle", program_idle },
  { "stuck", program_stuck },
  { "owned", program_owned },
  { "exit-inside", program_exit_inside },
  { "forbid", program_forbid },
  { "fork", program_fork },
};

static int
run_program (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (programs); i++)
    if (strcmp (programs[i].name, name) == 0)
      return programs[i].func ();
  return 5;
}

/* --- the tests ----------------------------------------------------------------------------- */

static void
assert_absent (TestServer *server, const char *text)
{
  g_autoptr (GPtrArray) requests = test_server_dup_requests (server);

  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);
      gsize length;
      const char *body = g_bytes_get_data (request->body, &length);

      g_assert_true (length == 0 || memmem (body, length, text, strlen (text)) == NULL);
    }
}

typedef struct
{
  const char *name;
  const char *command;
  int code;
} EndRow;

static const EndRow end_rows[] = {
  { "return/thread", "end thread return", 0 },
  { "return/default-context", "end default return", 0 },
  { "return/own-context", "end own return", 0 },
  { "drop/thread", "end thread drop", 0 },
  { "drop/default-context", "end default drop", 0 },
  { "exit/thread", "end thread exit", EXIT_CODE },
  { "exit/default-context", "end default exit", EXIT_CODE },
  { "exit/in-another-thread", "exit-in-thread", EXIT_CODE },
};

/* Everything arrives. */
static void
test_end (ProgramFixture *fixture, gconstpointer data)
{
  const EndRow *row = data;

  program_start (fixture, row->command);
  program_assert_ends (fixture, row->code);
  program_assert_arrived (fixture->server, N_RUNS);
}

/* In a context of the program, its main loop sends meanwhile. */
static void
test_term (ProgramFixture *fixture, gconstpointer data)
{
  g_autofree char *command = g_strdup_printf ("end %s term", (const char *) data);

  program_start (fixture, command);
  program_assert_ends_by_signal (fixture, SIGTERM);
  program_assert_arrived (fixture->server, N_RUNS);
}

typedef struct
{
  const char *name;
  const char *contexts;
} PairRow;

static const PairRow pair_rows[] = {
  { "threads", "thread thread" },       { "one-context", "default default" },
  { "two-contexts", "own own" },        { "hanging-context", "default thread" },
  { "good-context", "thread default" },
};

/* One service answers only when the other has got everything: nobody waits for another. */
static void
test_pair (ProgramFixture *fixture, gconstpointer data)
{
  static const char *const orders[] = { "hanging-first", "good-first" };
  static const char *const ends[] = { "exit", "all" };
  static const char *const dropped[] = { "none", "good", "all" };
  const PairRow *row = data;

  for (guint i = 0; i < 12; i++)
    {
      g_autofree char *command = g_strdup_printf ("pair %s %s %s %s", row->contexts, orders[i % 2],
                                                  ends[i / 2 % 2], dropped[i / 4]);

      g_test_message ("%s", command);
      test_server_hold (fixture->server);
      program_start (fixture, command);
      g_assert_true (test_server_wait_ops (fixture->good, N_GOOD * N_RUNS, TEST_TIMEOUT_MS / 2));
      test_server_release (fixture->server);
      program_assert_ends (fixture, 0);
      program_assert_arrived (fixture->server, N_RUNS);
      program_assert_arrived (fixture->good, N_GOOD * N_RUNS);
      program_fixture_tear_down (fixture, NULL);
      memset (fixture, 0, sizeof *fixture);
      program_fixture_set_up (fixture, NULL);
    }
}

/* The service does not answer, and the end comes all the same; what waited is counted. */
static void
test_limit (ProgramFixture *fixture, gconstpointer data)
{
  g_autofree char *command = g_strdup_printf ("limit %s %d", (const char *) data, LIMIT_MS);
  gint64 began = g_get_monotonic_time ();

  test_server_hold (fixture->server);
  program_start (fixture, command);
  program_expect (fixture, "delivered 0, lost 100, left 0");
  program_assert_ends (fixture, 0);
  g_assert_cmpint (test_get_elapsed_ms (began), >=, LIMIT_MS);
  g_assert_cmpint (test_get_elapsed_ms (began), <=, LIMIT_MS + test_get_slack_ms ());
  test_server_release (fixture->server);
}

/* It waits for longer than by default. */
static void
test_long_limit (ProgramFixture *fixture, gconstpointer data)
{
  g_autofree char *command = g_strdup_printf ("limit %s %d", (const char *) data, TEST_TIMEOUT_MS);

  test_server_push (fixture->server, NULL, (TestAnswer){ .delay_ms = LONG_WAIT_MS });
  program_start (fixture, command);
  program_expect (fixture, "delivered 100, lost 0, left 0");
  program_assert_ends (fixture, 0);
}

/* It does not wait for a service that would answer before the default timeout is over. */
static void
test_no_wait (ProgramFixture *fixture, gconstpointer data)
{
  g_autofree char *command = g_strdup_printf ("limit %s 0", (const char *) data);

  test_server_push (fixture->server, NULL, (TestAnswer){ .delay_ms = LONG_WAIT_MS / 3 });
  program_start (fixture, command);
  program_expect (fixture, "delivered 0, lost 100, left 0");
  program_assert_ends (fixture, 0);
}

/* Each observer has a limit of its own. */
static void
test_limits (ProgramFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_server_hold (fixture->server);
  test_server_push (fixture->good, NULL, (TestAnswer){ .delay_ms = LONG_WAIT_MS });
  program_start (fixture, "limits");
  program_expect (fixture, "delivered 0, lost 100, left 0");
  program_assert_ends (fixture, 0);
  program_assert_arrived (fixture->good, N_RUNS);
  test_server_release (fixture->server);
}

/* Nothing waits, so that the end does not, whatever the service does. */
static void
test_idle (ProgramFixture *fixture, gconstpointer data)
{
  g_autofree char *command = g_strconcat ("idle ", (const char *) data, NULL);
  gint64 began;

  program_start (fixture, command);
  program_expect (fixture, "flushed");
  test_server_hold (fixture->server);
  began = g_get_monotonic_time ();
  program_tell (fixture);
  program_assert_ends (fixture, 0);
  g_assert_cmpint (test_get_elapsed_ms (began), <=, test_get_slack_ms ());
  test_server_release (fixture->server);
}

/* A function of the program does not return. */
static void
test_stuck (ProgramFixture *fixture, gconstpointer data)
{
  g_autofree char *command = g_strconcat ("stuck ", (const char *) data, NULL);

  program_start (fixture, command);
  program_expect (fixture, "judges");
  program_tell (fixture);
  program_expect (fixture, "delivered 0, lost 1, left 0");
  program_assert_ends (fixture, 0);
  program_assert_arrived (fixture->server, 0);
}

static void
test_owned (ProgramFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  program_start (fixture, "owned");
  program_expect (fixture, "owned");
  program_tell (fixture);
  program_expect (fixture, "delivered 0, lost 100, left 0");
  program_assert_ends (fixture, 0);
  program_assert_arrived (fixture->server, 0);
}

static void
test_exit_inside (ProgramFixture *fixture, gconstpointer data)
{
  g_autofree char *command = g_strconcat ("exit-inside ", (const char *) data, NULL);
  gboolean counts = strcmp (data, "thread") != 0;

  program_start (fixture, command);
  program_expect (fixture, "judges");
  /* In a thread of lsobs, the end does nothing. */
  if (counts)
    program_expect (fixture, "delivered 0, lost 1, left 0");
  program_expect (fixture, NULL);
  program_assert_ends (fixture, EXIT_CODE);
  program_assert_arrived (fixture->server, 0);
}

/* What has no need of the program is sent, the rest is counted. */
static void
test_forbid (ProgramFixture *fixture, gconstpointer data)
{
  g_autofree char *command = g_strconcat ("forbid ", (const char *) data, NULL);
  gboolean sends = strcmp (data, "thread") == 0;

  program_start (fixture, command);
  program_expect (fixture,
                  sends ? "delivered 101, lost 0, left 0" : "delivered 0, lost 101, left 0");
  program_expect (fixture, NULL);
  program_assert_ends (fixture, 0);
  program_assert_arrived (fixture->server, sends ? N_RUNS + 1 : 0);
  assert_absent (fixture->server, "secret");
}

/* A forked child that traces nothing leaves its parent's runs alone, and waits for nothing. */
static void
test_fork_idle (ProgramFixture *fixture, gconstpointer data)
{
  g_autofree char *command = g_strconcat ("fork ", (const char *) data, NULL);
  g_autofree char *ended = g_strdup_printf ("ended %d", EXIT_CODE);

  program_start (fixture, command);
  program_expect (fixture, ended);
  program_assert_arrived (fixture->server, 0);
  program_tell (fixture);
  program_assert_ends (fixture, 0);
  program_assert_arrived (fixture->server, N_RUNS);
}

static void
test_fork_trace (ProgramFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *ended = g_strdup_printf ("ended %d", EXIT_CODE);

  if (fork_skip ())
    return;
  program_start (fixture, "fork trace");
  program_expect (fixture, ended);
  program_assert_arrived (fixture->server, N_RUNS);
  program_tell (fixture);
  program_assert_ends (fixture, 0);
  program_assert_arrived (fixture->server, 2 * N_RUNS);
}

#define ADD(path, data, func) \
 g_test_add ("/exit/" path, ProgramFixture, data, program_fixture_set_up, func, \
             program_fixture_tear_down)
#define ADD_BOTH(path, func) \
 ADD (path "/thread", "thread", func); \
 ADD (path "/default-context", "default", func)

int
main (int argc, char *argv[])
{
  if (argc >= 3 && strcmp (argv[1], "--program") == 0)
    {
      words = argv + 3;
      return run_program (argv[2]);
    }

  g_test_init (&argc, &argv, G_TEST_OPTION_ISOLATE_DIRS, NULL);
  TEST_ADD_FIXTURE_ROWS ("/exit/arrives/", end_rows, name, ProgramFixture, program_fixture_set_up,
                         test_end, program_fixture_tear_down);
  ADD_BOTH ("arrives/term", test_term);
  TEST_ADD_FIXTURE_ROWS ("/exit/pair/", pair_rows, name, ProgramFixture, program_fixture_set_up,
                         test_pair, program_fixture_tear_down);
  ADD_BOTH ("limit", test_limit);
  ADD_BOTH ("long-limit", test_long_limit);
  ADD_BOTH ("no-wait", test_no_wait);
  ADD ("limit-of-each", NULL, test_limits);
  ADD_BOTH ("idle", test_idle);
  ADD ("stuck/thread", "thread", test_stuck);
  ADD ("stuck/context-of-another-thread", "own", test_stuck);
  ADD ("context-owned", NULL, test_owned);
  ADD_BOTH ("inside", test_exit_inside);
  ADD_BOTH ("forbid", test_forbid);
  ADD ("fork/idle", "idle", test_fork_idle);
  ADD ("fork/drop", "drop", test_fork_idle);
  ADD ("fork/trace", NULL, test_fork_trace);
  return g_test_run ();
}
