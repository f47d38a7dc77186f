/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include <glib/gi18n.h>

#include "tools/commands/command.h"
#include "tools/terminal/figure.h"
#include "tools/transfer/choice.h"
#include "tools/transfer/line-writer.h"

static char *output_path = NULL;
static char *attachments_path = NULL;

static const GOptionEntry entries[] = {
  COMMAND_OPTION_DATABASE,
  { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output_path,
    N_ ("Write this file instead of standard output; it is complete, or does not exist"),
    N_ ("FILE") },
  { "attachments", 'a', 0, G_OPTION_ARG_FILENAME, &attachments_path,
    N_ ("Write attachments as files into this folder, not into the lines"), N_ ("FOLDER") },
  { NULL },
};

static gboolean
put_runs (Store *store, Choice *choice, LineWriter *writer, GError **error)
{
  LsobsId id;
  gboolean done = FALSE;

  if (choice_is_all (choice) || choice_get_project (choice) != 0)
    if (!line_writer_put_projects (writer, choice_get_project (choice), error))
      return FALSE;
  while (command_get_signal () == 0)
    {
      if (!choice_next (choice, &id, &done, error))
        return FALSE;
      if (done)
        break;
      if (!line_writer_put_run (writer, &id, error))
        return FALSE;
    }
  return !done || !choice_is_all (choice) || line_writer_put_orphans (writer, error);
}

/* All lines show the store as it was at one moment. */
static gboolean
write_all (Store *store, Choice *choice, LineWriter *writer, OutputFile *output, GError **error)
{
  Database *database = store_get_database (store);

  if (!database_execute (database, "BEGIN", error) || !put_runs (store, choice, writer, error))
    return FALSE;
  database_execute (database, "COMMIT", NULL);
  return command_get_signal () != 0 || output_file_finish (output, error);
}

static int
run (char **words)
{
  g_autoptr (Store) store = command_open_store (DATABASE_READ_ONLY);
  g_autoptr (GArray) traces = NULL;
  g_autoptr (Choice) choice = NULL;
  g_autoptr (OutputFile) output = NULL;
  g_autoptr (AttachmentFolder) folder = NULL;
  g_autoptr (LineWriter) writer = NULL;
  GError *error = NULL;
  const LineCount *count;

  if (store == NULL)
    return COMMAND_FAILED;
  traces = command_find_traces (store, words, &error);
  choice = traces != NULL ? choice_new (store, &choice_options, traces, &error) : NULL;
  if (choice == NULL)
    return command_fail (error);
  if (attachments_path != NULL)
    folder = attachment_folder_new (attachments_path, TRUE, &error);
  output = error == NULL ? output_file_new (output_path, &error) : NULL;
  if (output == NULL)
    return command_fail (error);
  command_catch_signals ();
  writer = line_writer_new (store, output, folder);
  if (!write_all (store, choice, writer, output, &error))
    return command_fail (error);
  if (command_get_signal () != 0)
    {
      command_print_error ("%s", _ ("Stopped before all was exported"));
      return 128 + command_get_signal ();
    }
  count = line_writer_get_count (writer);
  if (output_path != NULL)
    {
      g_autofree char *runs = figure_dup_runs (count->n_runs);
      g_autofree char *attachments = figure_dup_attachments (count->n_attachments);
      g_autofree char *projects = figure_dup_projects (count->n_projects);

      /* TRANSLATORS: texts such as "7 runs", "2 attachments", a number, "1 project" */
      g_print (_ ("Exported: %s, %s, %" PRId64 " feedback, %s\n"), runs, attachments,
               count->n_feedback, projects);
    }
  return COMMAND_DONE;
}

const Command command_export = {
  .name = "export",
  .summary = N_ ("Write traces as lines of JSON"),
  .arguments = N_ ("[TRACE-ID…]"),
  .details = N_ (
      "Without an id or a filter option, the whole database is written. “lsobs import” reads the lines."),
  .entries = entries,
  .run = run,
  .chooses = TRUE,
};
