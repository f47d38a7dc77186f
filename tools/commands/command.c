/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <glib/gi18n.h>

#include "tools/commands/command.h"
#include "tools/store/run-json.h"
#include "tools/terminal/plain-text.h"
#include "tools/transfer/choice.h"

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

G_GNUC_PRINTF (1, 0)
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
  /* GOption changes the array in place. That of main () belongs to the system, so this is a
   * copy. */
  g_autofree char *program = g_strdup_printf ("lsobs %s", command->name);
  g_autofree char **words = g_new0 (char *, (gsize) argc + 1);
  /* TRANSLATORS: %s: what a command does, as in its line of “lsobs --help”; the sign after it ends the sentence */
  g_autofree char *sentence = g_strdup_printf (_ ("%s."), _ (command->summary));
  g_autofree char *summary = command->details != NULL
                                 ? g_strconcat (sentence, "\n\n", _ (command->details), NULL)
                                 : g_strdup (sentence);

  for (int i = 1; i < argc; i++)
    words[i] = argv[i];
  words[0] = program;
  g_set_prgname (program);
  g_option_context_set_summary (context, summary);
  g_option_context_add_main_entries (context, command->entries, GETTEXT_PACKAGE);
  if (command->chooses)
    g_option_context_add_main_entries (context, choice_entries, GETTEXT_PACKAGE);
  g_option_context_set_strict_posix (context, command->strict);
  if (!g_option_context_parse (context, &argc, &words, &error))
    {
      command_print_error ("%s", error->message);
      /* TRANSLATORS: %s: the name of a command */
      command_print_error (_ ("“lsobs %s --help” lists the options"), command->name);
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
  Store *store;

  /* Before the first trace. */
  if (mode == DATABASE_READ_ONLY && command_database == NULL &&
      !g_file_test (path, G_FILE_TEST_EXISTS))
    {
      command_print_error (_ ("There are no traces yet: “lsobs run -- PROGRAM” makes some"));
      return NULL;
    }
  store = store_open (path, mode, &error);
  if (store == NULL)
    command_print_error ("%s", error->message);
  return store;
}

static gboolean
is_end_of_id (const char *word)
{
  gsize len = strlen (word);

  if (len < 4 || len > LSOBS_UUID_LEN)
    return FALSE;
  for (; *word != '\0'; word++)
    if (!g_ascii_isxdigit (*word) && *word != '-')
      return FALSE;
  return TRUE;
}

/* Returns: how many runs, two at most, have an id that ends so; -1 with an error */
static int
find_end (Store *store, const char *word, LsobsId *id, GError **error)
{
  Database *database = store_get_database (store);
  sqlite3_stmt *statement =
      database_get (database, "SELECT id FROM runs WHERE substr(hex(id), -length(?1)) = ?1 LIMIT 2",
                    error);
  g_auto (GStrv) parts = g_strsplit (word, "-", -1);
  g_autofree char *joined = g_strjoinv ("", parts);
  g_autofree char *digits = g_ascii_strup (joined, -1);
  int n = 0;
  int result;

  if (statement == NULL)
    return -1;
  database_bind (statement, 1, "s", digits);
  while ((result = database_step (database, statement, error)) == SQLITE_ROW)
    {
      database_column_id (statement, 0, id);
      n++;
    }
  sqlite3_reset (statement);
  return result == SQLITE_DONE ? n : -1;
}

gboolean
command_find_run (Store *store, const char *word, LsobsId *id, GError **error)
{
  int n;

  if (_lsobs_id_parse_text (id, word))
    return TRUE;
  if (!is_end_of_id (word))
    {
      g_set_error (error, STORE_ERROR, STORE_ERROR_INVALID,
                   /* TRANSLATORS: %s: what the user has written in place of an id */
                   _ ("“%s” is not the id of a trace: “lsobs list” shows the ids"), word);
      return FALSE;
    }
  n = find_end (store, word, id, error);
  if (n == 0)
    /* TRANSLATORS: %s: the end of an id */
    g_set_error (error, STORE_ERROR, STORE_ERROR_NOT_FOUND, _ ("No id of a run ends in “%s”"),
                 word);
  else if (n > 1)
    g_set_error (error, STORE_ERROR, STORE_ERROR_INVALID,
                 /* TRANSLATORS: %s: the end of an id */
                 _ ("More than one id ends in “%s”: give more digits"), word);
  return n == 1;
}

GArray *
command_find_traces (Store *store, char **words, GError **error)
{
  g_autoptr (GArray) traces = g_array_new (FALSE, FALSE, sizeof (LsobsId));

  for (; *words != NULL; words++)
    {
      g_autoptr (Run) run = NULL;
      LsobsId id;
      gboolean known = FALSE;

      if (!command_find_run (store, *words, &id, error))
        return NULL;
      run = run_load (store, &id, FALSE, error);
      if (run == NULL)
        return NULL;
      for (guint i = 0; i < traces->len && !known; i++)
        known = _lsobs_id_equal (&g_array_index (traces, LsobsId, i), &run->trace_id);
      if (!known)
        g_array_append_val (traces, run->trace_id);
    }
  return g_steal_pointer (&traces);
}

static volatile sig_atomic_t caught = 0;

static void
catch_cb (int number)
{
  caught = number;
}

void
command_catch_signals (void)
{
  static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
  struct sigaction action = { .sa_handler = catch_cb, .sa_flags = (int) SA_RESETHAND };

  sigemptyset (&action.sa_mask);
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    sigaction (numbers[i], &action, NULL);
}

int
command_get_signal (void)
{
  return caught;
}

gboolean
command_print_json (Store *store, GPtrArray *runs, FILE *file, GError **error)
{
  g_autoptr (GHashTable) projects = run_json_new_projects ();

  for (guint i = 0; i < runs->len; i++)
    {
      g_auto (LsobsBuffer) line = LSOBS_BUFFER_INIT;
      g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

      if (!run_json_put (&line, NULL, store, g_ptr_array_index (runs, i), NULL, projects, error))
        return FALSE;
      plain_text_put_json (&text, line.data, line.len);
      _lsobs_buffer_append_c (&text, '\n');
      fwrite (text.data, 1, text.len, file);
    }
  fflush (file);
  return TRUE;
}
