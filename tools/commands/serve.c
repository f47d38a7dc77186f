/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib-unix.h>
#include <gio/gio.h>
#include <glib/gi18n.h>

#include "tools/commands/command.h"
#include "tools/service/instance.h"
#include "tools/service/service.h"
#include "tools/service/token.h"
#include "tools/store/json-put.h"
#include "tools/store/time-text.h"

static int port = SERVICE_PORT;
static char *address = NULL;
static char **names = NULL;
static char *given_token = NULL;
static char *max_size = NULL;
static char *max_age = NULL;
static gboolean opens_browser = FALSE;
static gboolean as_json = FALSE;

static const GOptionEntry entries[] = {
  COMMAND_OPTION_DATABASE,
  { "port", 'p', 0, G_OPTION_ARG_INT, &port, N_ ("The port to listen on; 0 for a free one [4983]"),
    N_ ("PORT") },
  { "address", 'a', 0, G_OPTION_ARG_STRING, &address,
    N_ ("The IP address to listen on: any other than the default lets other machines connect [127.0.0.1]"),
    N_ ("ADDRESS") },
  { "name", 0, 0, G_OPTION_ARG_STRING_ARRAY, &names,
    N_ ("A host name that clients use for this machine; may be given several times"), N_ ("NAME") },
  { "token", 't', 0, G_OPTION_ARG_STRING, &given_token,
    N_ ("What clients give as API key; other users can see it in the list of processes [made once and "
        "kept in ~/.local/state/lsobs/token]"),
    N_ ("TOKEN") },
  { "max-size", 0, 0, G_OPTION_ARG_STRING, &max_size,
    N_ ("Delete the oldest traces when the database is larger, such as 500M or 2G; 0: never [1G]"),
    N_ ("SIZE") },
  { "max-age", 0, 0, G_OPTION_ARG_STRING, &max_age,
    N_ ("Delete traces that are older, such as 12h or 7d; 0: never [30d]"), N_ ("TIME") },
  { "open", 'o', 0, G_OPTION_ARG_NONE, &opens_browser,
    N_ ("Open the page in the browser; if the service runs already, only open its page"), NULL },
  { "json", 'j', 0, G_OPTION_ARG_NONE, &as_json,
    N_ ("Print address, token and database as one line of JSON"), NULL },
  { NULL },
};

/* Reads "500M". */
static gboolean
parse_size (const char *text, gint64 *bytes)
{
  static const char units[] = "KMGT";
  char *end;
  guint64 number = g_ascii_strtoull (text, &end, 10);
  const char *unit = *end != '\0' ? strchr (units, g_ascii_toupper (*end)) : NULL;

  if (!g_ascii_isdigit (*text) || (*end != '\0' && (unit == NULL || end[1] != '\0')) ||
      number > (unit != NULL ? 100000 : G_MAXINT64))
    return FALSE;
  *bytes = (gint64) number;
  for (gssize i = 0; unit != NULL && i <= unit - units; i++)
    *bytes *= 1024;
  return TRUE;
}

static gboolean
read_limits (WorkerLimits *limits)
{
  if (!parse_size (max_size != NULL ? max_size : "1G", &limits->max_bytes))
    {
      /* TRANSLATORS: %s: what the user has written */
      command_print_error (_ ("“%s” is not a size: write it as 500M or 2G"), max_size);
      return FALSE;
    }
  if (max_age != NULL && strcmp (max_age, "0") == 0)
    limits->max_age = 0;
  else if (!time_text_parse_duration (max_age != NULL ? max_age : "30d", &limits->max_age))
    {
      /* TRANSLATORS: %s: what the user has written */
      command_print_error (_ ("“%s” is not a time: write a number with a unit, such as 12h or 30d"),
                           max_age);
      return FALSE;
    }
  return TRUE;
}

/* Says where the service is. The token is said where only its user reads: in a terminal, and to a program
 * that has asked for it; a log has other readers. */
static void
print_address (const ServiceSettings *settings, const char *url)
{
  g_auto (LsobsBuffer) line = LSOBS_BUFFER_INIT;

  if (as_json)
    {
      json_put_begin (&line, NULL, '{');
      json_put_text (&line, "url", url);
      json_put_text (&line, "token", settings->token);
      json_put_text (&line, "database", settings->database);
      json_put_end (&line, '}');
      _lsobs_buffer_append_str (&line, "\n");
      fwrite (line.data, 1, line.len, stdout);
    }
  else
    {
      g_autoptr (GString) text = g_string_new (NULL);

      /* TRANSLATORS: %s: an address */
      g_string_append_printf (text, _ ("Traces are received and shown at %s\n"), url);
      if (isatty (STDOUT_FILENO))
        g_string_append_printf (text,
                                "\n  %s/?token=%s\n\n%s\n\n"
                                "  export LANGSMITH_TRACING=true\n"
                                "  export LANGSMITH_ENDPOINT=%s\n"
                                "  export LANGSMITH_API_KEY=%s\n",
                                url, settings->token,
                                _ ("Programs send them here if these variables are set:"), url,
                                settings->token);
      g_print ("%s", text->str);
    }
  fflush (stdout);
}

static gboolean
quit_cb (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

/* Opens the page of the service of this database that runs already. */
static int
open_running (const ServiceSettings *settings, const char *url)
{
  g_autofree char *page = g_strdup_printf ("%s/?token=%s", url, settings->token);
  GError *error = NULL;

  print_address (settings, url);
  return g_app_info_launch_default_for_uri (page, NULL, &error) ? COMMAND_DONE
                                                                : command_fail (error);
}

static int
serve (const ServiceSettings *settings)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  GError *error = NULL;
  g_autoptr (Service) service = service_new (settings, &error);

  if (service == NULL)
    return command_fail (error);
  g_unix_signal_add (SIGINT, quit_cb, loop);
  g_unix_signal_add (SIGTERM, quit_cb, loop);
  g_unix_signal_add (SIGHUP, quit_cb, loop);
  print_address (settings, service_get_url (service));
  if (opens_browser)
    {
      g_autofree char *page =
          g_strdup_printf ("%s/?token=%s", service_get_url (service), settings->token);

      if (!g_app_info_launch_default_for_uri (page, NULL, &error))
        {
          if (isatty (STDOUT_FILENO) && !as_json)
            /* TRANSLATORS: %s: why */
            command_print_error (_ ("Cannot open a browser (%s). Open the address above in one"),
                                 error->message);
          else
            /* TRANSLATORS: why, and an address */
            command_print_error (_ ("Cannot open a browser (%s). The page is at %s"),
                                 error->message, service_get_url (service));
          g_clear_error (&error);
        }
    }
  g_main_loop_run (loop);
  return COMMAND_DONE;
}

static int
run (char **words)
{
  g_autofree char *fallback = store_dup_default_path ();
  g_autofree char *path =
      g_canonicalize_filename (command_database != NULL ? command_database : fallback, NULL);
  g_autofree char *token_path = token_dup_default_path ();
  g_autofree char *token = NULL;
  g_autofree char *url = NULL;
  ServiceSettings settings = { .database = path };
  GError *error = NULL;

  if (*words != NULL)
    /* TRANSLATORS: %s: a word of the command line */
    return command_refuse (_ ("Unexpected argument “%s”"), *words);
  if (port < 0 || port > G_MAXUINT16)
    return command_refuse (_ ("A port is a number from 0 to 65535"));
  if (given_token != NULL && !token_is_valid (given_token))
    return command_refuse (_ ("A token has 16 to 256 letters, digits, and - _ . ~"));
  if (!read_limits (&settings.limits))
    return COMMAND_USAGE;
  token = given_token != NULL ? g_strdup (given_token) : token_load (token_path, &error);
  if (token == NULL)
    return command_fail (error);
  settings.token = token;
  settings.address = address;
  settings.port = (guint) port;
  settings.names = (const char *const *) names;
  /* Without this, the signal ends the process if a file reaches the size limit of the user. With
   * it, the write fails. */
  signal (SIGXFSZ, SIG_IGN);
  signal (SIGPIPE, SIG_IGN);
  url = opens_browser ? instance_find (path) : NULL;
  return url != NULL ? open_running (&settings, url) : serve (&settings);
}

const Command command_serve = {
  .name = "serve",
  .summary = N_ ("Receive, keep and show traces on this machine"),
  .details = N_ (
      "Requests that were answered are kept if this program is killed. They reach the disk when no request has come for two seconds: a power cut before that may lose the last requests."),
  .entries = entries,
  .run = run,
};
