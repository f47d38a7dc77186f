/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The program lsobs: one command for each thing that one does with traces on one's own machine. */

#include "config.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib/gi18n.h>

#include "tools/commands/command.h"

/* In the order of the help. */
static const Command *const commands[] = {
  &command_serve,  &command_run_program, &command_list,    &command_show,   &command_tail,
  &command_export, &command_import,      &command_forward, &command_delete, &command_doctor,
};

/* Returns: (transfer full) */
static char *
make_help (void)
{
  GString *help = g_string_new (NULL);
  gsize width = 0;

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    width = MAX (width, strlen (commands[i]->name));
  g_string_append_printf (help, "%s\n\n%s\n\n%s\n", _ ("Usage: lsobs COMMAND [OPTION…]"),
                          _ ("Receives, keeps and shows the traces of LLM agents on this machine."),
                          _ ("Commands:"));
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    g_string_append_printf (help, "  %-*s  %s\n", (int) width, commands[i]->name,
                            _ (commands[i]->summary));
  g_string_append_printf (help, "\n%s\n",
                          _ ("“lsobs COMMAND --help” lists the options of a command."));
  return g_string_free (help, FALSE);
}

static const Command *
find_command (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (strcmp (commands[i]->name, name) == 0)
      return commands[i];
  return NULL;
}

static int
run_words (int argc, char **argv)
{
  g_autofree char *help = NULL;
  const Command *command;
  const char *word = argc > 1 ? argv[1] : "";

  if (strcmp (word, "--version") == 0)
    {
      puts ("lsobs " PACKAGE_VERSION);
      return COMMAND_DONE;
    }
  if (strcmp (word, "--help") == 0 || strcmp (word, "-h") == 0 || strcmp (word, "help") == 0)
    {
      /* "lsobs help COMMAND" */
      command = argc > 2 ? find_command (argv[2]) : NULL;
      if (command != NULL)
        {
          char *words[] = { argv[0], (char *) "--help", NULL };

          return command_run (command, 2, words);
        }
      help = make_help ();
      g_print ("%s", help);
      return COMMAND_DONE;
    }
  command = find_command (word);
  if (command == NULL)
    {
      if (*word != '\0')
        {
          /* TRANSLATORS: %s: what the user has written in place of a command */
          command_print_error (_ ("There is no command “%s”"), word);
          command_print_error ("%s", _ ("“lsobs --help” lists the commands"));
          return COMMAND_USAGE;
        }
      help = make_help ();
      g_printerr ("%s", help);
      return COMMAND_USAGE;
    }
  return command_run (command, argc - 1, argv + 1);
}

/* What is written may still wait in memory, where a full disk goes unnoticed. It runs at each end of the
 * program, so that the end inside of a library counts, too: GOptionContext ends it after --help. */
static void
finish_output (void)
{
  gboolean failed = ferror (stdout) != 0;

  errno = 0;
  if (fflush (stdout) == 0 && !failed)
    return;
  /* TRANSLATORS: %s: why */
  command_print_error (_ ("Not all of the output could be written: %s"),
                       errno != 0 ? g_strerror (errno) : _ ("an earlier part was refused"));
  _exit (COMMAND_FAILED);
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  /* The variable of gettext's own programs, for translations that are not installed. */
  bindtextdomain (GETTEXT_PACKAGE,
                  g_getenv ("TEXTDOMAINDIR") != NULL ? g_getenv ("TEXTDOMAINDIR") : LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  g_set_prgname ("lsobs");
  if (atexit (finish_output) != 0)
    return COMMAND_FAILED;
  return run_words (argc, argv);
}
