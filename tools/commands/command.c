/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>

#include <glib/gi18n.h>

#include "tools/commands/command.h"

char *command_database = NULL;

/* Replaces control characters: what a message quotes may come from anywhere.
 * Returns: (transfer full) */
static char *
clean_text (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *clean = g_string_new (NULL);

  for (const char *at = valid; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);

      g_string_append_unichar (clean, g_unichar_iscntrl (c) && c != '\n' ? 0xfffd : c);
    }
  return g_string_free (clean, FALSE);
}

static void
print_text (const char *format, va_list args)
{
  g_autofree char *text = g_strdup_vprintf (format, args);
  g_autofree char *clean = clean_text (text);
  g_autofree char *line = g_strconcat ("lsobs: ", clean, "\n", NULL);

  g_printerr ("%s", line);
}

void
command_print_error (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  print_text (format, args);
  va_end (args);
}

int
command_fail (GError *error)
{
  command_print_error ("%s", error->message);
  g_error_free (error);
  return COMMAND_FAILED;
}

int
command_refuse (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  print_text (format, args);
  va_end (args);
  return COMMAND_USAGE;
}

int
command_run (const Command *command, int argc, char **argv)
{
  g_autoptr (GOptionContext) context =
      g_option_context_new (command->arguments != NULL ? _ (command->arguments) : NULL);
  g_autoptr (GError) error = NULL;
  /* The words are changed in place, and belong to the system. */
  g_autofree char *program = g_strdup_printf ("lsobs %s", command->name);
  g_autofree char **words = g_new0 (char *, (gsize) argc + 1);
  g_autofree char *summary =
      command->details != NULL
          ? g_strconcat (_ (command->summary), ".\n\n", _ (command->details), NULL)
          : g_strconcat (_ (command->summary), ".", NULL);

  for (int i = 1; i < argc; i++)
    words[i] = argv[i];
  words[0] = program;
  g_set_prgname (program);
  g_option_context_set_summary (context, summary);
  g_option_context_add_main_entries (context, command->entries, GETTEXT_PACKAGE);
  g_option_context_set_strict_posix (context, command->strict);
  if (!g_option_context_parse (context, &argc, &words, &error))
    {
      command_print_error ("%s", error->message);
      /* TRANSLATORS: %s: the name of a command */
      command_print_error (_ ("“lsobs %s --help” tells the options"), command->name);
      return COMMAND_USAGE;
    }
  g_set_prgname ("lsobs");
  return command->run (words + 1);
}

Store *
command_open_store (DatabaseMode mode)
{
  g_autofree char *fallback = store_dup_default_path ();
  const char *path = command_database != NULL ? command_database : fallback;
  g_autoptr (GError) error = NULL;
  Store *store = store_open (path, mode, &error);

  if (store == NULL)
    command_print_error ("%s", error->message);
  return store;
}
