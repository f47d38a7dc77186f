/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <glib/gi18n.h>

#include "tools/commands/command.h"
#include "tools/terminal/figure.h"
#include "tools/transfer/line-import.h"
#include "tools/transfer/line-source.h"

/* The limits of one transaction: other writers wait for its end. */
#define STEP_LINES 200
#define STEP_BYTES ((gsize) 4 << 20)
#define STEP_TIME  (G_USEC_PER_SEC / 5)
/* The number of refused lines whose reasons are printed. */
#define MAX_TOLD 20

static char *project = NULL;
static char *attachments_path = NULL;
static gboolean as_json = FALSE;

static const GOptionEntry entries[] = {
  COMMAND_OPTION_DATABASE,
  { "project", 'p', 0, G_OPTION_ARG_STRING, &project,
    N_ ("Put all runs into this project instead of their own"), N_ ("NAME") },
  { "attachments", 'a', 0, G_OPTION_ARG_FILENAME, &attachments_path,
    N_ ("The folder with the attachments that the lines name"), N_ ("FOLDER") },
  { "json", 'j', 0, G_OPTION_ARG_NONE, &as_json, N_ ("Print the result as JSON"), NULL },
  { NULL },
};

typedef struct
{
  LineImport import;
  guint64 n_refused;
  gint64 n_in_step; /* lines in the transaction; 0 outside of one */
  gsize n_bytes;    /* of them */
  gint64 began;     /* monotonic, µs: the transaction */
} Importer;

static void
tell_refused (Importer *self, const char *path, guint64 number, const char *reason)
{
  if (self->n_refused++ < MAX_TOLD)
    /* TRANSLATORS: the path of a file, the number of a line, and why it was not imported */
    command_print_error (_ ("%s, line %" PRIu64 ": %s"), path, number, reason);
}

static gboolean
end_step (Importer *self, GError **error)
{
  if (self->n_in_step == 0)
    return TRUE;
  self->n_in_step = 0;
  self->n_bytes = 0;
  return store_commit (self->import.store, error);
}

/* Whether the store itself has failed, not the line. */
static gboolean
is_fatal (const GError *error)
{
  return error->domain == STORE_ERROR && error->code != STORE_ERROR_INVALID &&
         error->code != STORE_ERROR_NOT_FOUND && error->code != STORE_ERROR_EXISTS;
}

static gboolean
take_line (Importer *self,
           const char *path,
           guint64 number,
           const char *line,
           gsize len,
           GError **error)
{
  Store *store = self->import.store;
  g_autoptr (GError) reason = NULL;
  const LineCount before = self->import.count;
  const gint64 n_new_before = self->import.n_new_runs;
  gboolean taken;

  if (self->n_in_step == 0)
    {
      if (!store_begin (store, error))
        return FALSE;
      self->began = g_get_monotonic_time ();
    }
  self->n_in_step++;
  self->n_bytes += len;
  if (!store_begin_part (store, error))
    return FALSE;
  taken = line_import_take (&self->import, line, len, &reason);
  if (!taken && is_fatal (reason))
    {
      g_propagate_error (error, g_steal_pointer (&reason));
      return FALSE;
    }
  if (!store_end_part (store, taken, error))
    return FALSE;
  if (!taken)
    {
      self->import.count = before;
      self->import.n_new_runs = n_new_before;
      tell_refused (self, path, number, reason->message);
    }
  return (self->n_in_step < STEP_LINES && self->n_bytes < STEP_BYTES &&
          g_get_monotonic_time () - self->began < STEP_TIME) ||
         end_step (self, error);
}

static gboolean
is_empty (const char *line, gsize len)
{
  while (len > 0 && g_ascii_isspace (line[len - 1]))
    len--;
  return len == 0;
}

/* @path: (nullable): NULL for standard input */
static gboolean
take_file (Importer *self, const char *path, GError **error)
{
  g_autoptr (LineSource) source = line_source_new (path, error);
  g_autofree char *name =
      path != NULL ? g_filename_display_name (path) : g_strdup (_ ("standard input"));
  const char *line;
  gsize len;

  if (source == NULL)
    return FALSE;
  while (command_get_signal () == 0)
    {
      LineResult result;

      /* The next lines may take long to come. The database is not locked while the command
       * waits. */
      if (!line_source_has_line (source) && !end_step (self, error))
        return FALSE;
      result = line_source_next (source, &line, &len, error);
      if (result == LINE_FAILED)
        return FALSE;
      if (result == LINE_END)
        break;
      /* The mark of some programs for UTF-8 */
      if (line_source_get_number (source) == 1 && g_str_has_prefix (line, "\xef\xbb\xbf"))
        {
          line += 3;
          len -= 3;
        }
      if (result == LINE_TOO_LONG)
        tell_refused (self, name, line_source_get_number (source), _ ("The line is too long"));
      else if (!is_empty (line, len) &&
               !take_line (self, name, line_source_get_number (source), line, len, error))
        return FALSE;
    }
  return end_step (self, error);
}

static int
report (const Importer *self)
{
  const LineCount *count = &self->import.count;
  g_autofree char *runs = figure_dup_runs (count->n_runs);
  g_autofree char *attachments = figure_dup_attachments (count->n_attachments);
  g_autofree char *projects = figure_dup_projects (count->n_projects);

  if (self->n_refused > MAX_TOLD)
    command_print_error (g_dngettext (GETTEXT_PACKAGE, "… and %" PRIu64 " line more",
                                      "… and %" PRIu64 " lines more",
                                      (gulong) (self->n_refused - MAX_TOLD)),
                         self->n_refused - MAX_TOLD);
  if (as_json)
    printf ("{\"runs\":%" PRId64 ",\"attachments\":%" PRId64 ",\"feedback\":%" PRId64
            ",\"projects\":%" PRId64 ",\"refused\":%" PRIu64 ",\"new_runs\":%" PRId64 "}\n",
            count->n_runs, count->n_attachments, count->n_feedback, count->n_projects,
            self->n_refused, self->import.n_new_runs);
  else
    /* TRANSLATORS: texts such as "7 runs", "2 attachments", a number, "1 project"; then a number of runs, and
     * one of lines */
    g_print (_ ("Read: %s, %s, %" PRId64 " feedback, %s; new runs: %" PRId64 "; refused: %" PRIu64
                "\n"),
             runs, attachments, count->n_feedback, projects, self->import.n_new_runs,
             self->n_refused);
  if (command_get_signal () != 0)
    {
      command_print_error (
          "%s",
          _ ("Stopped before all was imported: run the same command again to import the rest"));
      return 128 + command_get_signal ();
    }
  return self->n_refused > 0 ? COMMAND_FAILED : COMMAND_DONE;
}

static int
run (char **words)
{
  static char *standard_input[] = { (char *) "-", NULL };
  g_autoptr (Store) store = NULL;
  g_autoptr (AttachmentFolder) folder = NULL;
  Importer importer = { 0 };
  GError *error = NULL;

  if (project != NULL && *project == '\0')
    return command_refuse ("%s", _ ("The name of a project must not be empty"));
  if (attachments_path != NULL)
    folder = attachment_folder_new (attachments_path, FALSE, &error);
  if (error != NULL)
    return command_fail (error);
  store = command_open_store (DATABASE_READ_WRITE);
  if (store == NULL)
    return COMMAND_FAILED;
  importer.import.store = store;
  importer.import.folder = folder;
  importer.import.project = project;
  command_catch_signals ();
  for (char **word = *words != NULL ? words : standard_input;
       *word != NULL && command_get_signal () == 0; word++)
    if (!take_file (&importer, strcmp (*word, "-") == 0 ? NULL : *word, &error))
      {
        store_rollback (store);
        return command_fail (error);
      }
  return report (&importer);
}

const Command command_import = {
  .name = "import",
  .summary = N_ ("Read traces from lines of JSON"),
  .arguments = N_ ("[FILE…]"),
  .details =
      N_ ("The lines are those of “lsobs export”, or runs as LangSmith gives them. Without a file, "
          "or with “-”, standard input is read. What the database has already stays."),
  .entries = entries,
  .run = run,
};
