/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n.h>

#include "tools/commands/command.h"
#include "tools/doctor/disk.h"
#include "tools/doctor/finding.h"
#include "tools/doctor/network.h"
#include "tools/doctor/profile.h"
#include "tools/doctor/settings.h"
#include "tools/doctor/variables.h"

#define DEFAULT_TIMEOUT 10
#define MAX_TIMEOUT     600

static int timeout = DEFAULT_TIMEOUT;
static gboolean is_offline = FALSE;
static gboolean as_json = FALSE;

static const GOptionEntry entries[] = {
  COMMAND_OPTION_DATABASE,
  { "offline", 0, 0, G_OPTION_ARG_NONE, &is_offline, N_ ("Send no request"), NULL },
  { "timeout", 't', 0, G_OPTION_ARG_INT, &timeout,
    N_ ("How long a request may take, in seconds [10]"), N_ ("SECONDS") },
  { "json", 'j', 0, G_OPTION_ARG_NONE, &as_json, N_ ("Print the findings as one JSON object"),
    NULL },
  { NULL },
};

/* A key may have been written into the wrong variable, and be a part of another text. */
static void
hide_keys (Report *report)
{
  static const char *const secrets[] = { "LANGSMITH_API_KEY", "LANGCHAIN_API_KEY",
                                         "LANGSMITH_AUTH_TOKEN", "LANGCHAIN_HUB_API_KEY" };

  for (guint i = 0; i < G_N_ELEMENTS (secrets); i++)
    {
      const char *value = g_getenv (secrets[i]);
      g_autofree char *key = g_strdup (value != NULL ? value : "");
      gsize len;

      /* The library takes white space and quotes away. */
      len = strlen (key);
      while (len > 0 && strchr (" \t\r\n\"'", key[len - 1]) != NULL)
        key[--len] = '\0';
      report_hide (report, key + strspn (key, " \t\r\n\"'"));
    }
}

static void
print (Report *report, const Screen *screen)
{
  if (!as_json)
    report_print (report, screen, stdout);
}

static void
examine (Report *report, const Screen *screen, const char *database)
{
  g_autoptr (LsobsConfig) config = NULL;
  gboolean was_on;

  /* This comes before there is a second thread. */
  profile_check (report);
  config = variables_check (report, &was_on);
  settings_check_tracing (report, config, was_on);
  settings_check_key (report, config, was_on);
  settings_check_endpoint (report, config);
  network_check_tls (report, config);
  print (report, screen);
  /* A request may take long, so what is known is printed before it. */
  if (!is_offline && config != NULL)
    network_check (report, config, (guint) timeout);
  if (config != NULL)
    disk_check_folders (report, config);
  disk_check_store (report, database);
  print (report, screen);
}

static int
run (char **words)
{
  g_autofree char *fallback = store_dup_default_path ();
  g_autofree char *database =
      g_canonicalize_filename (command_database != NULL ? command_database : fallback, NULL);
  g_autoptr (Report) report = NULL;
  Screen screen;

  if (*words != NULL)
    /* TRANSLATORS: %s: a word of the command line */
    return command_refuse (_ ("Unexpected argument “%s”"), *words);
  if (timeout < 1 || timeout > MAX_TIMEOUT)
    return command_refuse (_ ("A timeout is a number of seconds from 1 to %d"), MAX_TIMEOUT);
  screen_init (&screen, stdout);
  report = report_new ();
  hide_keys (report);
  examine (report, &screen, database);
  if (as_json)
    report_print_json (report, stdout);
  else
    report_print_end (report, &screen, stdout);
  return report_get_worst (report) == FINDING_FAILURE ? COMMAND_FAILED : COMMAND_DONE;
}

const Command command_doctor = {
  .name = "doctor",
  .summary = N_ ("Check what a program that sends traces would find here, and say what to change"),
  .details = N_ (
      "It reads the variables, the profile and the certificates as a program with lsobs that is "
      "started here does, and asks the service whether it would take traces; nothing is stored "
      "there. No key is printed. The exit code is 1 if there is a failure; warnings alone are 0."),
  .entries = entries,
  .run = run,
};
