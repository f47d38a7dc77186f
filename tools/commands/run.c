/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <libsoup/soup.h>

#include "tools/commands/command.h"
#include "tools/service/instance.h"
#include "tools/service/service.h"
#include "tools/service/token.h"
#include "tools/store/run-query.h"
#include "tools/terminal/run-tree.h"

/* Exit codes of shells for a program that cannot be started. */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND      127

#define MAX_TRACES 20
#define PAGE       1000

static char *project_name = NULL;
static char *given_token = NULL;
static gboolean is_quiet = FALSE;
static gboolean as_json = FALSE;

static const GOptionEntry entries[] = {
  COMMAND_OPTION_DATABASE,
  { "project", 'p', 0, G_OPTION_ARG_STRING, &project_name,
    N_ ("The project of the traces, LANGSMITH_PROJECT"), N_ ("NAME") },
  { "token", 't', 0, G_OPTION_ARG_STRING, &given_token,
    N_ ("The token of a service that was started with --token"), N_ ("TOKEN") },
  { "quiet", 'q', 0, G_OPTION_ARG_NONE, &is_quiet, N_ ("Print no traces"), NULL },
  { "json", 'j', 0, G_OPTION_ARG_NONE, &as_json,
    N_ ("Print each run as one line of JSON instead of trees"), NULL },
  { NULL },
};

/* --- the program --- */

/* Variables that would send traces elsewhere, or nowhere. */
static const char *const unwanted[] = { "LANGCHAIN_API_KEY",
                                        "LANGCHAIN_ENDPOINT",
                                        "LANGCHAIN_TRACING",
                                        "LANGCHAIN_TRACING_V2",
                                        "LANGSMITH_TRACING_V2",
                                        "LANGSMITH_RUNS_ENDPOINTS",
                                        "LANGSMITH_WORKSPACE_ID",
                                        "LANGSMITH_PROFILE",
                                        "LANGSMITH_TRACING_SAMPLING_RATE",
                                        "LANGCHAIN_TRACING_SAMPLING_RATE",
                                        "LANGSMITH_AUTH_TOKEN",
                                        NULL };

/* Requests to this machine must not go to a proxy: it would see the token. */
static char **
add_no_proxy (char **variables, const char *name)
{
  const char *value = g_environ_getenv (variables, name);
  g_autofree char *hosts = value != NULL && *value != '\0'
                               ? g_strconcat (value, ",127.0.0.1,localhost,::1", NULL)
                               : g_strdup ("127.0.0.1,localhost,::1");

  return g_environ_setenv (variables, name, hosts, TRUE);
}

/* Returns: (transfer full): the environment of the program */
static char **
make_environment (const char *url, const char *token)
{
  char **variables = g_get_environ ();

  for (guint i = 0; unwanted[i] != NULL; i++)
    variables = g_environ_unsetenv (variables, unwanted[i]);
  variables = g_environ_setenv (variables, "LANGSMITH_TRACING", "true", TRUE);
  variables = g_environ_setenv (variables, "LANGSMITH_ENDPOINT", url, TRUE);
  variables = g_environ_setenv (variables, "LANGSMITH_API_KEY", token, TRUE);
  if (project_name != NULL)
    variables = g_environ_setenv (variables, "LANGSMITH_PROJECT", project_name, TRUE);
  return add_no_proxy (add_no_proxy (variables, "no_proxy"), "NO_PROXY");
}

/* The process id of the program: 0 before it has started, -1 after it has ended. */
static volatile sig_atomic_t child_pid = 0;

/* A signal that has come before the program has started, or 0. */
static volatile sig_atomic_t early_signal = 0;

/* The terminal sends a signal to this process and to the program. Another process sends it to this
 * process only, which passes it on. */
static void
pass_signal (int number, siginfo_t *info, void *context G_GNUC_UNUSED)
{
  int saved = errno;

  if (child_pid == 0)
    early_signal = number;
  else if (child_pid > 0 && info->si_code <= 0)
    kill (child_pid, number);
  errno = saved;
}

static const int passed_signals[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };

/* @pass: TRUE: signals are passed to the program; FALSE: they have their default effect */
static void
pass_signals (gboolean pass)
{
  struct sigaction action = { 0 };

  action.sa_sigaction = pass_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigemptyset (&action.sa_mask);
  for (guint i = 0; i < G_N_ELEMENTS (passed_signals); i++)
    {
      struct sigaction old;

      /* Under nohup, hang-ups stay ignored. */
      if (sigaction (passed_signals[i], NULL, &old) != 0 || old.sa_handler == SIG_IGN)
        continue;
      if (pass)
        sigaction (passed_signals[i], &action, NULL);
      else
        signal (passed_signals[i], SIG_DFL);
    }
}

typedef struct
{
  GMainLoop *loop;
  int status; /* of waitpid () */
} Waiter;

static void
ended_cb (GPid pid, int status, gpointer data)
{
  Waiter *waiter = data;

  child_pid = -1;
  g_spawn_close_pid (pid);
  waiter->status = status;
  g_main_loop_quit (waiter->loop);
}

/* Runs the program until it ends. Returns: FALSE if it cannot be started; then @status is the exit code */
static gboolean
run_program (char **words, char **variables, int *status)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GError) error = NULL;
  Waiter waiter = { loop, 0 };
  GPid pid;

  /* Without this, the program would go on alone if a signal ended this process just after the
   * program has started. */
  pass_signals (TRUE);
  if (!g_spawn_async (NULL, words, variables,
                      G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
                          G_SPAWN_CHILD_INHERITS_STDIN,
                      NULL, NULL, &pid, &error))
    {
      command_print_error ("%s", error->message);
      *status = g_error_matches (error, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT) ? EXIT_NOT_FOUND
                                                                            : EXIT_NOT_EXECUTABLE;
      return FALSE;
    }
  child_pid = pid;
  if (early_signal != 0)
    kill (pid, early_signal);
  g_child_watch_add (pid, ended_cb, &waiter);
  g_main_loop_run (loop);
  *status = waiter.status;
  return TRUE;
}

/* Ends as the program did: its exit code, or the same signal. */
static int
end_like (int status)
{
  struct rlimit no_core = { 0, 0 };
  int number;

  if (WIFEXITED (status))
    return WEXITSTATUS (status);
  number = WTERMSIG (status);
  setrlimit (RLIMIT_CORE, &no_core);
  signal (number, SIG_DFL);
  raise (number);
  return 128 + number;
}

/* --- its traces --- */

/* Adds the ids of traces that have changed.
 * @own_changes: (nullable): only by these changes
 * @ids: (element-type LsobsId) */
static gboolean
find_traces (Store *store, gint64 change, const GArray *own_changes, GArray *ids, GError **error)
{
  guint n;

  do
    {
      g_autoptr (GPtrArray) runs = run_query_changes (store, change, PAGE, FALSE, error);

      if (runs == NULL)
        return FALSE;
      n = runs->len;
      for (guint i = 0; i < n; i++)
        {
          const Run *run = g_ptr_array_index (runs, i);
          gboolean known = own_changes != NULL && !store_has_change (own_changes, run->change);

          change = run->change;
          for (guint j = ids->len; !known && j-- > 0;)
            known = _lsobs_id_equal (&g_array_index (ids, LsobsId, j), &run->trace_id);
          if (!known && ids->len <= MAX_TRACES)
            g_array_append_val (ids, run->trace_id);
        }
    }
  while (n == PAGE);
  return TRUE;
}

/* Prints to standard error: standard output is that of the program. */
static gboolean
print_traces (Store *store, gint64 change, const GArray *own_changes, GError **error)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (LsobsId));
  Screen screen;

  if (!find_traces (store, change, own_changes, ids, error))
    return FALSE;
  screen_init (&screen, stderr);
  if (ids->len == 0 && !as_json)
    screen_print (
        stderr,
        _ ("lsobs: The program has sent no traces. It needs a client of LangSmith, and has to send "
           "what it traces before it ends\n"));
  for (guint i = 0; i < MIN (ids->len, MAX_TRACES); i++)
    {
      g_autoptr (GString) out = g_string_new ("\n");
      g_autoptr (GPtrArray) runs =
          run_query_trace (store, &g_array_index (ids, LsobsId, i), TRUE, error);

      if (runs == NULL)
        return FALSE;
      if (as_json)
        {
          if (!command_print_json (store, runs, stderr, error))
            return FALSE;
          continue;
        }
      run_tree_append_errors (out, &screen, runs);
      run_tree_append (out, &screen, runs);
      screen_print (stderr, out->str);
    }
  if (ids->len > MAX_TRACES && !as_json)
    screen_print (stderr, _ ("\nThere are more traces: “lsobs list” shows them\n"));
  return TRUE;
}

static void
do_nothing (int number G_GNUC_UNUSED)
{
}

/* The program would inherit an ignored signal as ignored. A signal with a function has its default
 * effect there. */
static void
bear_signal (int number)
{
  struct sigaction action = { .sa_handler = do_nothing, .sa_flags = SA_RESTART };
  struct sigaction old;

  sigemptyset (&action.sa_mask);
  if (sigaction (number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
    sigaction (number, &action, NULL);
}

/* Starts a service for this program alone. A service that serves another program may end at any
 * time.
 * @own_changes: (element-type ChangeRange): gets what the service writes */
static Service *
start_service (const char *path, const char *token, GArray *own_changes, GError **error)
{
  ServiceSettings settings = {
    .database = path, .token = token, .is_temporary = TRUE, .own_changes = own_changes
  };

  /* 1 GiB and 30 days, as those of "lsobs serve" */
  settings.limits.max_bytes = G_GINT64_CONSTANT (1) << 30;
  settings.limits.max_age = 30 * G_TIME_SPAN_DAY;
  bear_signal (SIGXFSZ);
  bear_signal (SIGPIPE);
  return service_new (&settings, error);
}

/* Whether the service that runs takes the token. */
static gboolean
check_token (const char *url, const char *token)
{
  g_autoptr (SoupSession) session =
      soup_session_new_with_options ("proxy-resolver", NULL, "timeout", 10, NULL);
  g_autofree char *address = g_strconcat (url, "/sessions?limit=1", NULL);
  g_autoptr (SoupMessage) message = soup_message_new ("GET", address);
  g_autoptr (GBytes) answer = NULL;
  g_autoptr (GError) error = NULL;

  if (message == NULL)
    return FALSE;
  soup_message_headers_replace (soup_message_get_request_headers (message), "x-api-key", token);
  answer = soup_session_send_and_read (session, message, NULL, &error);
  if (answer == NULL)
    /* TRANSLATORS: the first %s: an address; the second one: what the system says */
    command_print_error (_ ("The service at %s does not answer: %s"), url, error->message);
  else if (soup_message_get_status (message) == SOUP_STATUS_OK)
    return TRUE;
  else
    /* TRANSLATORS: %s: an address */
    command_print_error (_ ("The service at %s has another token: give the one that it was started "
                            "with by --token"),
                         url);
  return FALSE;
}

static int
run_with (const char *path, const char *token, char **words)
{
  g_autofree char *url = instance_find (path);
  g_autoptr (GArray) own_changes = NULL;
  g_autoptr (Service) service = NULL;
  g_autoptr (Store) store = NULL;
  g_auto (GStrv) variables = NULL;
  GError *error = NULL;
  gint64 change = 0;
  gboolean started;
  int status = 0;

  if (url == NULL)
    {
      own_changes = g_array_new (FALSE, FALSE, sizeof (ChangeRange));
      service = start_service (path, token, own_changes, &error);
      if (service == NULL)
        return command_fail (error);
      url = g_strdup (service_get_url (service));
    }
  else if (!check_token (url, token))
    return COMMAND_FAILED;
  store = command_open_store (DATABASE_READ_ONLY);
  if (store == NULL)
    return COMMAND_FAILED;
  if (!store_get_last_change (store, &change, &error))
    return command_fail (error);
  variables = make_environment (url, token);
  started = run_program (words, variables, &status);
  /* The service answers the requests that are under way. */
  g_clear_pointer (&service, service_free);
  /* From here on, a signal ends this process. */
  pass_signals (FALSE);
  if (!started)
    return status;
  if (!is_quiet && !print_traces (store, change, own_changes, &error))
    {
      command_print_error ("%s", error->message);
      g_clear_error (&error);
    }
  return end_like (status);
}

static int
run (char **words)
{
  g_autofree char *fallback = store_dup_default_path ();
  g_autofree char *path =
      g_canonicalize_filename (command_database != NULL ? command_database : fallback, NULL);
  g_autofree char *token_path = token_dup_default_path ();
  g_autofree char *token = NULL;
  GError *error = NULL;

  if (*words != NULL && strcmp (*words, "--") == 0)
    words++;
  if (*words == NULL)
    return command_refuse (_ ("No program to run: lsobs run -- PROGRAM [ARGUMENT…]"));
  if (given_token != NULL && !token_is_valid (given_token))
    return command_refuse (_ ("A token has 16 to 256 letters, digits, and - _ . ~"));
  token = given_token != NULL ? g_strdup (given_token) : token_load (token_path, &error);
  if (token == NULL)
    return command_fail (error);
  return run_with (path, token, words);
}

const Command command_run_program = {
  .name = "run",
  .summary = N_ ("Run a program, and show its traces as trees when it has ended"),
  .arguments = N_ ("-- PROGRAM [ARGUMENT…]"),
  .details = N_ (
      "The program gets LANGSMITH_TRACING, LANGSMITH_ENDPOINT and LANGSMITH_API_KEY of the service of "
      "the database, which is started if it does not run. Traces are printed to standard error. The "
      "exit code is that of the program; 126 and 127: it cannot be started."),
  .entries = entries,
  .run = run,
  .strict = TRUE,
};
