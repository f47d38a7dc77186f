/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib-unix.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <libsoup/soup.h>

#include <lsobs/lsobs.h>

#include "lsobs/core/lsobs-file-lock-private.h"

#include "tools/commands/command.h"
#include "tools/doctor/variables.h"
#include "tools/service/instance.h"
#include "tools/service/service.h"
#include "tools/store/sent.h"
#include "tools/terminal/figure.h"
#include "tools/terminal/plain-text.h"
#include "tools/terminal/screen.h"
#include "tools/transfer/choice.h"
#include "tools/transfer/forwarder.h"

/* How many runs and pieces of feedback are sent per second to a service on another machine. */
#define RATE 200
/* The value of --rate if the user gives none: less than any that is allowed. */
#define NO_RATE (-G_MAXDOUBLE)
/* The number of refused runs whose reasons are printed. */
#define MAX_TOLD    20
#define LOCK_SUFFIX "-forward"

static char *endpoint = NULL;
static char *profile = NULL;
static char *into = NULL;
static char *spool = NULL;
static double rate = NO_RATE;
static gboolean again = FALSE;
static gboolean dry_run = FALSE;
static gboolean as_json = FALSE;

static const GOptionEntry entries[] = {
  COMMAND_OPTION_DATABASE,
  { "endpoint", 0, 0, G_OPTION_ARG_STRING, &endpoint,
    N_ ("Send to this address instead of LANGSMITH_ENDPOINT"), N_ ("URL") },
  { "profile", 0, 0, G_OPTION_ARG_STRING, &profile,
    N_ ("Take address and key from a profile of LangSmith's tools"), N_ ("NAME") },
  { "into", 0, 0, G_OPTION_ARG_STRING, &into,
    N_ ("Send all runs to this project instead of their own"), N_ ("NAME") },
  { "spool", 0, 0, G_OPTION_ARG_FILENAME, &spool,
    N_ ("Send the files that a program has left in this folder, a spool or a folder of lost records, instead of stored traces"),
    N_ ("FOLDER") },
  { "rate", 0, 0, G_OPTION_ARG_DOUBLE, &rate,
    N_ ("Runs to send per second; 0 for no limit [200; 0 for this machine]"), N_ ("NUMBER") },
  { "again", 0, 0, G_OPTION_ARG_NONE, &again, N_ ("Send again what was sent there already"), NULL },
  { "dry-run", 0, 0, G_OPTION_ARG_NONE, &dry_run, N_ ("Print what would be sent, and send nothing"),
    NULL },
  { "json", 'j', 0, G_OPTION_ARG_NONE, &as_json, N_ ("Print the result as JSON"), NULL },
  { NULL },
};

typedef struct
{
  GCancellable *cancellable; /* (owned) */
  int signal;                /* that has come, or 0 */
  gint64 n_all;              /* runs, or -1 if that is not known */
  gboolean shows_progress;
  gboolean line_is_open; /* a line of progress is on the terminal */
} Session;

/* --- the terminal --- */

/* Removes the line of progress, so that a message takes its place. */
static void
clear_line (Session *self)
{
  if (self->line_is_open)
    fputs ("\r\033[K", stderr);
  self->line_is_open = FALSE;
}

static void
show_progress (const ForwardCount *count, gpointer data)
{
  Session *self = data;
  g_autofree char *text = NULL;
  g_autoptr (GString) line = g_string_new (NULL);
  Screen screen;

  if (!self->shows_progress)
    return;
  if (self->n_all > 0)
    /* TRANSLATORS: how many runs were looked at, of how many, which part of all that is, how many were sent */
    text =
        g_strdup_printf (g_dngettext (GETTEXT_PACKAGE,
                                      "%" PRId64 " of %" PRId64 " run (%d %%), %" PRId64 " sent",
                                      "%" PRId64 " of %" PRId64 " runs (%d %%), %" PRId64 " sent",
                                      (gulong) self->n_all),
                         count->n_seen, self->n_all,
                         (int) (MIN (count->n_seen, self->n_all) * 100 / self->n_all),
                         count->n_runs);
  else
    {
      g_autofree char *runs = figure_dup_runs (count->n_runs);

      /* TRANSLATORS: %s: a text such as "7 runs" */
      text = g_strdup_printf (_ ("%s sent"), runs);
    }
  screen_init (&screen, stderr);
  plain_text_append (line, text, screen.columns - 1);
  clear_line (self);
  screen_print (stderr, line->str);
  self->line_is_open = TRUE;
}

static guint n_told = 0;

static void
tell_refused (const LsobsId *id, const char *name, const char *reason, gpointer data)
{
  char text[LSOBS_UUID_LEN + 1] = "";

  if (n_told++ >= MAX_TOLD)
    return;
  _lsobs_id_write (id, text);
  clear_line (data);
  /* TRANSLATORS: an id, a name, and why it was refused */
  command_print_error (_ ("%s (%s) was not taken: %s"), text, name != NULL ? name : "?", reason);
}

/* --- where to --- */

static gboolean
is_loopback (const char *host)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (host);

  return g_ascii_strcasecmp (host, "localhost") == 0 ||
         (address != NULL && g_inet_address_get_is_loopback (address));
}

/* Whether both addresses obviously name the same service. */
static gboolean
is_same_place (const char *url, const char *other_url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);
  g_autoptr (GUri) other = g_uri_parse (other_url, G_URI_FLAGS_NONE, NULL);

  if (uri == NULL || other == NULL || g_uri_get_host (uri) == NULL ||
      g_uri_get_host (other) == NULL || g_uri_get_port (uri) != g_uri_get_port (other))
    return FALSE;
  return g_ascii_strcasecmp (g_uri_get_host (uri), g_uri_get_host (other)) == 0 ||
         (is_loopback (g_uri_get_host (uri)) && is_loopback (g_uri_get_host (other)));
}

/* Asks the service at @url, without a key, which database it has. The address does not tell that: a
 * machine has several names, and a proxy may be in front of the service.
 * Returns: FALSE also if the service does not answer, as nothing can be sent then */
static gboolean
has_database (const char *url, const char *path)
{
  g_autofree char *id = database_dup_file_id (path);
  g_autoptr (SoupSession) session = soup_session_new_with_options ("timeout", 10, NULL);
  g_autofree char *address = g_strdup_printf ("%s/info", url);
  g_autoptr (SoupMessage) message = soup_message_new ("GET", address);
  g_autoptr (GInputStream) answer = NULL;
  const char *found;

  if (id == NULL || message == NULL)
    return FALSE;
  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  answer = soup_session_send (session, message, NULL, NULL);
  found = soup_message_headers_get_one (soup_message_get_response_headers (message),
                                        SERVICE_DATABASE_HEADER);
  return answer != NULL && found != NULL && strcmp (found, id) == 0;
}

/* Whether traces would be sent to the service of their own database. Then an error is printed. */
static gboolean
is_own_service (const char *path, LsobsConfig *config)
{
  const char *target = lsobs_config_get_api_url (config);
  g_autofree char *url = instance_find (path);

  if ((url == NULL || !is_same_place (url, target)) && (dry_run || !has_database (target, path)))
    return FALSE;
  /* TRANSLATORS: an address, and the path of a database */
  command_print_error (_ ("%s is the service of the database “%s” itself: choose another "
                          "--endpoint or --database"),
                       target, path);
  return TRUE;
}

static gboolean
is_on_this_machine (const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);

  return uri != NULL && g_uri_get_host (uri) != NULL && is_loopback (g_uri_get_host (uri));
}

/* Takes from the named profile where to send, and as whom. All other settings, above all those that
 * hide inputs and outputs, stay as the variables say. */
static gboolean
take_profile (LsobsConfig *config, GError **error)
{
  g_autoptr (LsobsConfig) alone = lsobs_config_new (NULL, NULL);
  g_autofree char *given_path = variables_dup ("config-file");
  g_autofree char *usual_url = g_strdup (lsobs_config_get_api_url (alone));

  if (!lsobs_config_load_profile (alone, given_path, profile, error))
    return FALSE;
  /* A missing profile is no error for the library. */
  if (!lsobs_config_has_api_key (alone) && lsobs_config_get_workspace_id (alone) == NULL &&
      strcmp (lsobs_config_get_api_url (alone), usual_url) == 0)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                   /* TRANSLATORS: the name of a profile, a path */
                   _ ("There is no profile “%s” with a key or an address in %s"), profile,
                   given_path != NULL ? given_path : "~/.langsmith/config.json");
      return FALSE;
    }
  lsobs_config_set_api_url (config, NULL);
  lsobs_config_set_api_key (config, NULL);
  lsobs_config_set_workspace_id (config, NULL);
  lsobs_config_clear_replicas (config);
  if (!lsobs_config_load_profile (config, given_path, profile, error))
    return FALSE;
  if (lsobs_config_get_api_url (config) == NULL)
    lsobs_config_set_api_url (config, usual_url);
  return TRUE;
}

/* Returns: (transfer full) (nullable) */
static LsobsConfig *
make_config (GError **error)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new_from_environment (error);

  if (config == NULL || (profile != NULL && !take_profile (config, error)))
    return NULL;
  if (endpoint != NULL)
    lsobs_config_set_api_url (config, endpoint);
  else if (lsobs_config_get_n_replicas (config) > 0)
    {
      g_set_error_literal (
          error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
          _ ("LANGSMITH_RUNS_ENDPOINTS names several services: choose one with --endpoint"));
      return NULL;
    }
  lsobs_config_clear_replicas (config);
  /* Runs that are not delivered stay in the database, so they need no folder of failed traces. */
  lsobs_config_set_failed_traces_dir (config, NULL);
  lsobs_config_set_spool_dir (config, NULL);
  lsobs_config_set_spool_enabled (config, FALSE);
  if (!lsobs_config_has_api_key (config) && !is_on_this_machine (lsobs_config_get_api_url (config)))
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_NO_KEY,
                   /* TRANSLATORS: %s: an address */
                   _ ("There is no key for %s: set LANGSMITH_API_KEY, or name a profile"),
                   lsobs_config_get_api_url (config));
      return NULL;
    }
  return g_steal_pointer (&config);
}

/* Says where things are sent, without a key. Returns: (transfer full) */
static char *
make_target_name (LsobsConfig *config)
{
  const char *workspace = lsobs_config_get_workspace_id (config);
  g_autofree char *url = g_strdup (lsobs_config_get_api_url (config));

  while (g_str_has_suffix (url, "/"))
    url[strlen (url) - 1] = '\0';
  return g_strdup_printf ("%s\n%s\n%s", url, workspace != NULL ? workspace : "",
                          into != NULL ? into : "");
}

static gboolean
find_target (Store *store, LsobsConfig *config, gint64 *target, GError **error)
{
  g_autofree char *name = make_target_name (config);

  if (dry_run)
    return database_query_int (store_get_database (store), target, 0, error,
                               "SELECT seq FROM targets WHERE name = ?", "s", name);
  if (!store_begin (store, error))
    return FALSE;
  if (sent_ensure_target (store, name, target, error))
    return store_commit (store, error);
  store_rollback (store);
  return FALSE;
}

/* --- signals --- */

static gboolean
stop (Session *self, int number)
{
  self->signal = number;
  g_cancellable_cancel (self->cancellable);
  return G_SOURCE_REMOVE; /* a second one ends the process */
}

static gboolean
interrupt_cb (gpointer data)
{
  return stop (data, SIGINT);
}

static gboolean
terminate_cb (gpointer data)
{
  return stop (data, SIGTERM);
}

static gboolean
hang_up_cb (gpointer data)
{
  return stop (data, SIGHUP);
}

/* Prints why nothing more could be sent, and what to do. @error: (transfer full) */
static int
end_failed (GError *error)
{
  gboolean about_key = g_error_matches (error, LSOBS_ERROR, LSOBS_ERROR_UNAUTHORIZED) ||
                       g_error_matches (error, LSOBS_ERROR, LSOBS_ERROR_NO_KEY);

  command_fail (error);
  command_print_error ("%s", about_key
                                 ? _ ("Correct the key, and run the command again to send the rest")
                                 : _ ("Run the same command again to send the rest"));
  return COMMAND_FAILED;
}

static int
end_stopped (Session *self)
{
  clear_line (self);
  command_print_error ("%s", _ ("Stopped: run the same command again to send the rest"));
  return 128 + self->signal;
}

/* --- stored traces --- */

static void
print_count (const ForwardCount *count)
{
  g_autofree char *runs = figure_dup_runs (count->n_runs);
  g_autofree char *attachments = figure_dup_attachments (count->n_attachments);

  if (as_json)
    printf ("{\"runs\":%" PRId64 ",\"attachments\":%" PRId64 ",\"feedback\":%" PRId64
            ",\"known\":%" PRId64 ",\"refused\":%" PRId64 "}\n",
            count->n_runs, count->n_attachments, count->n_feedback, count->n_known,
            count->n_refused);
  else if (dry_run)
    /* TRANSLATORS: texts such as "7 runs" and "2 attachments"; the last number is that of runs */
    g_print (_ ("Would be sent: %s, %s, %" PRId64 " feedback; sent earlier: %" PRId64 "\n"), runs,
             attachments, count->n_feedback, count->n_known);
  else
    /* TRANSLATORS: texts such as "7 runs" and "2 attachments"; the last two numbers are those of runs, and
     * of what was refused */
    g_print (_ ("Sent: %s, %s, %" PRId64 " feedback; sent earlier: %" PRId64 "; refused: %" PRId64
                "\n"),
             runs, attachments, count->n_feedback, count->n_known, count->n_refused);
}

static gboolean
send_runs (Session *session, Choice *choice, Forwarder *forwarder, GError **error)
{
  LsobsId id;
  gboolean done = FALSE;

  while (session->signal == 0)
    {
      while (g_main_context_iteration (NULL, FALSE))
        ;
      if (!choice_next (choice, &id, &done, error))
        return FALSE;
      if (done)
        return forwarder_flush (forwarder, error);
      if (!forwarder_take_run (forwarder, &id, error))
        return FALSE;
    }
  return TRUE;
}

static int
forward_runs (Session *session, Choice *choice, Forwarder *forwarder)
{
  GError *error = NULL;
  gboolean done = send_runs (session, choice, forwarder, &error);

  clear_line (session);
  if (!done && session->signal != 0)
    g_clear_error (&error);
  if (forwarder->count.n_refused > MAX_TOLD)
    /* TRANSLATORS: a number of runs */
    command_print_error (_ ("… and %" PRId64 " more"), forwarder->count.n_refused - MAX_TOLD);
  print_count (&forwarder->count);
  if (session->signal != 0)
    return end_stopped (session);
  if (error != NULL)
    return end_failed (error);
  return forwarder->count.n_refused > 0 ? COMMAND_FAILED : COMMAND_DONE;
}

static int
forward_store (Session *session, LsobsConfig *config, char **words)
{
  g_autoptr (Store) store = command_open_store (DATABASE_READ_WRITE);
  g_autoptr (LsobsClient) client = NULL;
  g_autoptr (GArray) traces = NULL;
  g_autoptr (Choice) choice = NULL;
  GError *error = NULL;
  Forwarder forwarder = {
    .store = store,
    .cancellable = session->cancellable,
    .project = into,
    .mask = { lsobs_config_get_hide_inputs (config), lsobs_config_get_hide_outputs (config),
              lsobs_config_get_hide_metadata (config) },
    .again = again,
    .rate = rate >= 0                                                ? rate
            : is_on_this_machine (lsobs_config_get_api_url (config)) ? 0
                                                                     : RATE,
    .refused = tell_refused,
    .progress = show_progress,
    .data = session,
  };
  int result;

  if (store == NULL)
    return COMMAND_FAILED;
  traces = command_find_traces (store, words, &error);
  choice = traces != NULL ? choice_new (store, &choice_options, traces, &error) : NULL;
  if (choice == NULL || !choice_count (choice, &session->n_all, &error) ||
      !find_target (store, config, &forwarder.target, &error))
    return command_fail (error);
  client = lsobs_client_new (config, &error);
  if (client == NULL)
    return command_fail (error);
  forwarder.client = dry_run ? NULL : client;
  result = forward_runs (session, choice, &forwarder);
  forwarder_clear (&forwarder);
  lsobs_transport_close (LSOBS_TRANSPORT (client));
  return result;
}

/* --- a spool --- */

typedef struct
{
  gboolean done;
  guint n_delivered;
  guint n_failed;
  GError *error;
} Replay;

static void
replayed_cb (GObject *object, GAsyncResult *result, gpointer data)
{
  Replay *replay = data;

  lsobs_client_replay_finish (LSOBS_CLIENT (object), result, &replay->n_delivered,
                              &replay->n_failed, &replay->error);
  replay->done = TRUE;
}

/* Returns: how many files of a spool, or of lost records, are in the folder */
static guint
count_files (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;
  guint n = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    n += g_str_has_prefix (name, "trace_") && g_str_has_suffix (name, ".json");
  return n;
}

static int
forward_spool (Session *session, LsobsConfig *config)
{
  g_autoptr (LsobsClient) client = NULL;
  GError *error = NULL;
  Replay replay = { 0 };
  guint n_kept;

  client = lsobs_client_new (config, &error);
  if (client == NULL)
    return command_fail (error);
  lsobs_client_replay_async (client, spool, session->cancellable, replayed_cb, &replay);
  while (!replay.done)
    g_main_context_iteration (NULL, TRUE);
  /* Those that were not tried, too. */
  n_kept = count_files (spool);
  if (as_json)
    printf ("{\"files\":%u,\"failed\":%u}\n", replay.n_delivered, n_kept);
  else
    /* TRANSLATORS: both %u are numbers of files */
    g_print (_ ("Files sent, and removed: %u; not taken, and kept: %u\n"), replay.n_delivered,
             n_kept);
  lsobs_transport_close (LSOBS_TRANSPORT (client));
  if (session->signal != 0)
    {
      g_clear_error (&replay.error);
      return end_stopped (session);
    }
  if (replay.error != NULL)
    return end_failed (replay.error);
  return replay.n_failed > 0 ? COMMAND_FAILED : COMMAND_DONE;
}

/* --- the command --- */

/* Whether the words of the command line fit together; if not, it is said why. */
static gboolean
check_options (char **words)
{
  gboolean chooses = *words != NULL || choice_options.limit != 0 ||
                     choice_options.project != NULL || choice_options.words != NULL ||
                     choice_options.filter != NULL || choice_options.since != NULL ||
                     choice_options.only_errors;

  if (spool != NULL && (chooses || again || dry_run || into != NULL))
    command_refuse (
        "%s",
        _ ("A spool is sent as it is: --spool can only be combined with --endpoint and --profile"));
  else if (into != NULL && *into == '\0')
    command_refuse ("%s", _ ("The name of a project must not be empty"));
  else if (isnan (rate) || (rate < 0 && rate > NO_RATE))
    command_refuse ("%s", _ ("A rate is a number of runs per second, or 0 for no limit"));
  else
    return TRUE;
  return FALSE;
}

/* Two commands that forward the same traces at once would send them twice. */
static gboolean
lock_database (const char *path, LsobsFileLock *lock, GError **error)
{
  g_autofree char *real = database_dup_real_path (path);
  g_autofree char *file = g_strconcat (real, LOCK_SUFFIX, NULL);

  if (_lsobs_file_lock_acquire (lock, AT_FDCWD, file, LSOBS_FILE_LOCK_NONE))
    return TRUE;
  if (errno == EWOULDBLOCK)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                 /* TRANSLATORS: %s: a path */
                 _ ("Another “lsobs forward” sends the traces of “%s”: wait until it ends"), path);
  else
    g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno),
                 /* TRANSLATORS: the first %s is a path, the second one what the system says */
                 _ ("The file “%s” cannot be locked: %s"), file, g_strerror (errno));
  return FALSE;
}

static int
run (char **words)
{
  g_autofree char *fallback = store_dup_default_path ();
  const char *path = command_database != NULL ? command_database : fallback;
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Session session = { .cancellable = cancellable,
                      .n_all = -1,
                      .shows_progress = isatty (STDERR_FILENO) && !as_json };
  LsobsFileLock lock = LSOBS_FILE_LOCK_INIT;
  GError *error = NULL;
  int result;

  if (!check_options (words))
    return COMMAND_USAGE;
  config = make_config (&error);
  if (config == NULL)
    return command_fail (error);
  if (spool == NULL && is_own_service (path, config))
    return COMMAND_FAILED;
  if (spool == NULL && !g_file_test (path, G_FILE_TEST_EXISTS))
    {
      /* TRANSLATORS: %s: a path */
      command_print_error (_ ("There is no database “%s”"), path);
      return COMMAND_FAILED;
    }
  if (spool == NULL && !dry_run && !lock_database (path, &lock, &error))
    return command_fail (error);
  g_unix_signal_add (SIGINT, interrupt_cb, &session);
  g_unix_signal_add (SIGTERM, terminate_cb, &session);
  g_unix_signal_add (SIGHUP, hang_up_cb, &session);
  result =
      spool != NULL ? forward_spool (&session, config) : forward_store (&session, config, words);
  _lsobs_file_lock_release (&lock);
  return result;
}

const Command command_forward = {
  .name = "forward",
  .summary = N_ ("Send traces on to LangSmith, or to another server"),
  .arguments = N_ ("[TRACE-ID…]"),
  .details = N_ (
      "Address and key are those of LANGSMITH_ENDPOINT and LANGSMITH_API_KEY, or of a profile. What "
      "was sent is remembered, and is not sent twice."),
  .entries = entries,
  .run = run,
  .chooses = TRUE,
};
