/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>

#include <glib/gi18n.h>

#include "tools/commands/command.h"
#include "tools/store/project.h"
#include "tools/store/removal.h"
#include "tools/store/time-text.h"

static char **projects = NULL;
static char *older_than = NULL;
static gboolean as_json = FALSE;

static const GOptionEntry entries[] = {
  COMMAND_OPTION_DATABASE,
  { "project", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &projects,
    N_ ("Delete this project with all of its traces; may be given several times"), N_ ("NAME") },
  { "older-than", 0, 0, G_OPTION_ARG_STRING, &older_than,
    N_ ("Delete the traces that have received nothing for this time, such as 12h or 30d"),
    N_ ("TIME") },
  { "json", 'j', 0, G_OPTION_ARG_NONE, &as_json, N_ ("Print the result as JSON"), NULL },
  { NULL },
};

/* The traces and projects to delete. All of them are found before the first one is deleted. */
typedef struct
{
  GArray *traces;   /* (unowned) (element-type LsobsId) */
  GArray *projects; /* (unowned) (element-type LsobsId) */
} Targets;

static gboolean
find_traces (Targets *self, Store *store, char **words, GError **error)
{
  for (; *words != NULL; words++)
    {
      gint64 found;
      LsobsId id;

      if (!command_find_run (store, *words, &id, error) ||
          !database_query_int (store_get_database (store), &found, 0, error,
                               "SELECT 1 FROM runs WHERE trace_id = ? LIMIT 1", "u", &id))
        return FALSE;
      if (found == 0)
        {
          /* TRANSLATORS: %s: an id */
          g_set_error (error, STORE_ERROR, STORE_ERROR_NOT_FOUND, _ ("There is no trace “%s”"),
                       *words);
          return FALSE;
        }
      g_array_append_val (self->traces, id);
    }
  return TRUE;
}

static gboolean
find_projects (Targets *self, Store *store, GError **error)
{
  for (char **name = projects; name != NULL && *name != NULL; name++)
    {
      g_autoptr (Project) project = project_load_name (store, *name, error);

      if (project == NULL)
        return FALSE;
      g_array_append_val (self->projects, project->id);
    }
  return TRUE;
}

static gboolean
delete_targets (Targets *self, Store *store, RemovalCount *count, GError **error)
{
  for (guint i = 0; i < self->traces->len; i++)
    if (!removal_delete_trace (store, &g_array_index (self->traces, LsobsId, i), count, error))
      return FALSE;
  for (guint i = 0; i < self->projects->len; i++)
    if (!removal_delete_project (store, &g_array_index (self->projects, LsobsId, i), count, error))
      return FALSE;
  return TRUE;
}

static int
run (char **words)
{
  g_autofree char *fallback = store_dup_default_path ();
  const char *path = command_database != NULL ? command_database : fallback;
  g_autoptr (GArray) trace_ids = g_array_new (FALSE, FALSE, sizeof (LsobsId));
  g_autoptr (GArray) project_ids = g_array_new (FALSE, FALSE, sizeof (LsobsId));
  Targets targets = { trace_ids, project_ids };
  g_autoptr (Store) store = NULL;
  RemovalCount count = { 0 };
  GError *error = NULL;
  gint64 age = 0;

  if (*words == NULL && projects == NULL && older_than == NULL)
    return command_refuse (_ ("Nothing to delete: give ids of traces, --project or --older-than"));
  if (older_than != NULL && !time_text_parse_duration (older_than, &age))
    /* TRANSLATORS: %s: what the user has written */
    return command_refuse (_ ("“%s” is not a time: write a number with a unit, such as 12h or 30d"),
                           older_than);
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    {
      /* TRANSLATORS: %s: a path */
      command_print_error (_ ("There is no database “%s”"), path);
      return COMMAND_FAILED;
    }
  store = command_open_store (DATABASE_READ_WRITE);
  if (store == NULL)
    return COMMAND_FAILED;
  if (!find_traces (&targets, store, words, &error) || !find_projects (&targets, store, &error) ||
      !delete_targets (&targets, store, &count, &error) ||
      (older_than != NULL &&
       !removal_delete_older (store, g_get_real_time () - age, &count, &error)))
    return command_fail (error);
  if (as_json)
    printf ("{\"traces\":%u,\"runs\":%u}\n", count.n_traces, count.n_runs);
  else
    /* TRANSLATORS: both %u are numbers */
    g_print (_ ("Traces deleted: %u; runs deleted: %u\n"), count.n_traces, count.n_runs);
  return COMMAND_DONE;
}

const Command command_delete = {
  .name = "delete",
  .summary = N_ ("Delete traces, projects or old data"),
  .arguments = N_ ("[TRACE-ID…]"),
  .entries = entries,
  .run = run,
};
