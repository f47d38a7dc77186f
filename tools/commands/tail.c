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
#include "tools/store/project.h"
#include "tools/store/run-query.h"
#include "tools/terminal/figure.h"
#include "tools/terminal/plain-text.h"
#include "tools/terminal/run-tree.h"

/* Runs that are read at once. */
#define PAGE 500
/* The number of runs whose last line is remembered: a change that leaves the line as it is prints
 * nothing. */
#define MAX_SHOWN 20000
/* Changes of the file within this time count as one. */
#define RATE_MS   50
#define MAX_DEPTH 8

static char *project_name = NULL;
static gboolean only_errors = FALSE;
static gboolean as_json = FALSE;

static const GOptionEntry entries[] = {
  COMMAND_OPTION_DATABASE,
  { "project", 'p', 0, G_OPTION_ARG_STRING, &project_name, N_ ("Only runs of this project"),
    N_ ("NAME") },
  { "errors", 'e', 0, G_OPTION_ARG_NONE, &only_errors, N_ ("Only runs that have failed"), NULL },
  { "json", 'j', 0, G_OPTION_ARG_NONE, &as_json,
    N_ ("Print a run as one line of JSON each time that it changes"), NULL },
  { NULL },
};

typedef struct
{
  Store *store;
  GMainLoop *loop;
  GHashTable *shown; /* (owned): from the seq of a run to its status + 1 */
  gint64 change;     /* the last one that was read */
  guint timeout;     /* the source of the next look, or 0 */
  guint n_looks;     /* since the file has changed */
  int result;
} Follower;

static guint
count_depth (const Run *run)
{
  guint depth = 0;

  for (const char *at = run->dotted_order; *at != '\0'; at++)
    depth += *at == '.';
  return depth;
}

static void
append_run (GString *out, const Screen *screen, const Run *run)
{
  g_autofree char *time =
      figure_dup_time (run->status == RUN_PENDING || run->end_time == TIME_NONE ? run->start_time
                                                                                : run->end_time,
                       g_get_real_time ());
  g_autoptr (GString) figures = g_string_new (NULL);
  guint depth = MIN (count_depth (run), MIN (MAX_DEPTH, screen->columns / 12));
  guint used = (guint) strlen (time) + 2 + depth * 2 + 2;
  guint left = screen->columns > used + 4 ? screen->columns - used : 4;

  if (run->status != RUN_PENDING && run->end_time != TIME_NONE)
    {
      g_autofree char *duration = run_tree_dup_duration (run);

      g_string_append_printf (figures, "  %s", duration);
      if (run->tree_usage.total_tokens > 0 && screen->columns >= 60)
        {
          g_autofree char *count = figure_dup_count (run->tree_usage.total_tokens);

          /* TRANSLATORS: %s: a number such as 1.2k */
          g_string_append_printf (figures, _ ("  %s tokens"), count);
        }
    }
  screen_append (screen, out, SCREEN_FAINT, time);
  g_string_append_printf (out, "  %*s", (int) depth * 2, "");
  run_tree_append_mark (out, screen, run->status);
  screen_append_style (screen, out,
                       run->status == RUN_ERROR ? SCREEN_BAD
                       : depth == 0             ? SCREEN_STRONG
                                                : SCREEN_PLAIN);
  used = plain_text_measure (figures->str);
  plain_text_append (out, run->name, left > used + 8 ? left - used : left);
  screen_append_style (screen, out, SCREEN_PLAIN);
  if (left > used + 8)
    screen_append (screen, out, SCREEN_FAINT, figures->str);
  g_string_append_c (out, '\n');
  if (run->error != NULL)
    {
      g_autofree char *indent =
          g_strnfill (MIN (strlen (time) + 4 + depth * 2, screen->columns / 2), ' ');

      plain_text_append_lines (out, run->error, indent, screen->columns - (guint) strlen (indent),
                               3);
    }
}

static gboolean
is_wanted (Follower *self, const Run *run, GError **error)
{
  gpointer shown = g_hash_table_lookup (self->shown, GSIZE_TO_POINTER ((gsize) run->seq));

  /* An update that has come before its create has neither name nor place. */
  if (!run->created || (only_errors && run->status != RUN_ERROR))
    return FALSE;
  if (project_name != NULL)
    {
      g_autoptr (Project) project = project_load_seq (self->store, run->project, error);

      if (project == NULL || strcmp (project->name, project_name) != 0)
        return FALSE;
    }
  if (as_json)
    return TRUE;
  if (GPOINTER_TO_UINT (shown) == (guint) run->status + 1)
    return FALSE;
  if (g_hash_table_size (self->shown) >= MAX_SHOWN)
    g_hash_table_remove_all (self->shown);
  g_hash_table_insert (self->shown, GSIZE_TO_POINTER ((gsize) run->seq),
                       GUINT_TO_POINTER ((guint) run->status + 1));
  return TRUE;
}

/* Removes the runs that are not printed. */
static gboolean
choose_runs (Follower *self, GPtrArray *runs, GError **error)
{
  for (guint i = 0; i < runs->len;)
    {
      GError *failure = NULL;

      if (is_wanted (self, g_ptr_array_index (runs, i), &failure))
        i++;
      else
        g_ptr_array_remove_index (runs, i);
      if (failure != NULL)
        {
          g_propagate_error (error, failure);
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
print_runs (Follower *self, GPtrArray *runs, GError **error)
{
  g_autoptr (GString) out = g_string_new (NULL);
  Screen screen;

  if (as_json)
    return command_print_json (self->store, runs, stdout, error);
  /* The terminal may have another width by now. */
  screen_init (&screen, stdout);
  for (guint i = 0; i < runs->len; i++)
    append_run (out, &screen, g_ptr_array_index (runs, i));
  if (out->len > 0)
    screen_print (stdout, out->str);
  return TRUE;
}

/* Prints what has changed. */
static gboolean
follow (Follower *self, GError **error)
{
  guint n;

  do
    {
      g_autoptr (GPtrArray) runs = run_query_changes (self->store, self->change, PAGE, TRUE, error);

      if (runs == NULL)
        return FALSE;
      n = runs->len;
      if (n > 0)
        self->change = ((const Run *) g_ptr_array_index (runs, n - 1))->change;
      if (!choose_runs (self, runs, error) || !print_runs (self, runs, error))
        return FALSE;
    }
  while (n == PAGE);
  return TRUE;
}

static void
look (Follower *self)
{
  GError *error = NULL;

  if (follow (self, &error))
    return;
  self->result = command_fail (error);
  g_main_loop_quit (self->loop);
}

/* A writer makes a transaction visible a moment after it has written the file, and nothing tells about that:
 * so there are a few looks after the last change of the file, and then none. */
static gboolean
look_cb (gpointer data)
{
  static const guint delays[] = { 20, 100, 500, 3000 };
  Follower *self = data;

  look (self);
  self->timeout = self->n_looks < G_N_ELEMENTS (delays)
                      ? g_timeout_add (delays[self->n_looks++], look_cb, self)
                      : 0;
  return G_SOURCE_REMOVE;
}

static void
changed_cb (GFileMonitor *monitor G_GNUC_UNUSED,
            GFile *file G_GNUC_UNUSED,
            GFile *other G_GNUC_UNUSED,
            GFileMonitorEvent event G_GNUC_UNUSED,
            gpointer data)
{
  Follower *self = data;

  if (self->timeout != 0)
    g_source_remove (self->timeout);
  self->n_looks = 0;
  look_cb (self);
}

static gboolean
quit_cb (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

static int
run_loop (Follower *self, const char *path)
{
  /* The files that change are beside the file itself, not beside a link to it. */
  g_autofree char *real = database_dup_real_path (path);
  g_autofree char *folder = g_path_get_dirname (real);
  g_autoptr (GFile) file = g_file_new_for_path (folder);
  GError *error = NULL;
  g_autoptr (GFileMonitor) monitor =
      g_file_monitor_directory (file, G_FILE_MONITOR_NONE, NULL, &error);

  if (monitor == NULL)
    return command_fail (error);
  g_file_monitor_set_rate_limit (monitor, RATE_MS);
  g_signal_connect (monitor, "changed", G_CALLBACK (changed_cb), self);
  g_unix_signal_add (SIGINT, quit_cb, self->loop);
  g_unix_signal_add (SIGTERM, quit_cb, self->loop);
  g_unix_signal_add (SIGHUP, quit_cb, self->loop);
  /* From here on, no change is missed: the monitor is there. */
  if (!store_get_last_change (self->store, &self->change, &error))
    return command_fail (error);
  if (isatty (STDERR_FILENO))
    command_print_error ("%s", _ ("Runs are shown as they arrive; press Ctrl+C to stop"));
  g_main_loop_run (self->loop);
  if (self->timeout != 0)
    g_source_remove (self->timeout);
  return self->result;
}

static int
run (char **words)
{
  g_autofree char *fallback = store_dup_default_path ();
  const char *path = command_database != NULL ? command_database : fallback;
  g_autoptr (Store) store = NULL;
  g_autoptr (GMainLoop) loop = NULL;
  g_autoptr (GHashTable) shown = NULL;
  Follower follower = { 0 };

  if (*words != NULL)
    /* TRANSLATORS: %s: a word of the command line */
    return command_refuse (_ ("Unexpected argument “%s”"), *words);
  /* If there is no database yet, it is made: the service may come later. */
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    /* TRANSLATORS: %s: a path */
    command_print_error (_ ("There are no traces yet. This command waits for those in %s"), path);
  store = command_open_store (DATABASE_READ_WRITE);
  if (store == NULL)
    return COMMAND_FAILED;
  loop = g_main_loop_new (NULL, FALSE);
  shown = g_hash_table_new (NULL, NULL);
  follower.store = store;
  follower.loop = loop;
  follower.shown = shown;
  return run_loop (&follower, path);
}

const Command command_tail = {
  .name = "tail",
  .summary = N_ ("Show runs live, as they start and end"),
  .entries = entries,
  .run = run,
};
