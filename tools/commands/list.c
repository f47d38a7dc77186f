/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>

#include <glib/gi18n.h>

#include "tools/commands/command.h"
#include "tools/store/project.h"
#include "tools/store/run-query.h"
#include "tools/terminal/figure.h"
#include "tools/terminal/plain-text.h"
#include "tools/terminal/run-tree.h"

#define MAX_LIMIT 10000
#define GAP       2
/* The width that names get before less important columns are shown. */
#define MIN_NAME 20

static int limit = 20;
static char *project_name = NULL;
static char *words_wanted = NULL;
static char *filter = NULL;
static gboolean only_errors = FALSE;
static gboolean as_json = FALSE;

static const GOptionEntry entries[] = {
  COMMAND_OPTION_DATABASE,
  { "limit", 'n', 0, G_OPTION_ARG_INT, &limit, N_ ("How many traces to show [20]"), N_ ("NUMBER") },
  { "project", 'p', 0, G_OPTION_ARG_STRING, &project_name, N_ ("Only traces of this project"),
    N_ ("NAME") },
  { "errors", 'e', 0, G_OPTION_ARG_NONE, &only_errors, N_ ("Only traces whose root run has failed"),
    NULL },
  { "search", 's', 0, G_OPTION_ARG_STRING, &words_wanted, N_ ("Only traces with these words"),
    N_ ("WORDS") },
  { "filter", 'f', 0, G_OPTION_ARG_STRING, &filter,
    N_ ("Only traces that match a LangSmith filter, such as 'gt(latency, \"2s\")'"),
    N_ ("FILTER") },
  { "json", 'j', 0, G_OPTION_ARG_NONE, &as_json, N_ ("Print each trace as one line of JSON"),
    NULL },
  { NULL },
};

typedef enum
{
  CELL_TIME,
  CELL_NAME,
  CELL_DURATION,
  CELL_TOKENS,
  CELL_FIRST_TOKEN,
  CELL_COST,
  CELL_ID,
  N_CELLS
} CellColumn;

/* The most important column is the first one. A narrow screen leaves out the last ones first. */
static const CellColumn importance[] = { CELL_DURATION, CELL_ID,          CELL_TIME,
                                         CELL_TOKENS,   CELL_FIRST_TOKEN, CELL_COST };

/* Returns: (transfer full): NULL for the name, which may have any characters */
static char *
dup_cell (const Run *run, CellColumn column, gint64 now, gboolean whole_ids)
{
  char id[LSOBS_UUID_LEN + 1] = "";

  switch (column)
    {
    case CELL_TIME:
      return figure_dup_time (run->start_time, now);
    case CELL_DURATION:
      return run_tree_dup_duration (run);
    case CELL_TOKENS:
      return run->tree_usage.total_tokens > 0 ? figure_dup_count (run->tree_usage.total_tokens)
                                              : g_strdup ("");
    case CELL_FIRST_TOKEN:
      return run_tree_dup_first_token (run);
    case CELL_COST:
      return run->tree_usage.total_cost > 0 ? figure_dup_cost (run->tree_usage.total_cost)
                                            : g_strdup ("");
    case CELL_ID:
      _lsobs_id_write (&run->id, id);
      return g_strdup (whole_ids ? id : id + LSOBS_UUID_LEN - COMMAND_SHORT_ID);
    case CELL_NAME:
    case N_CELLS:
    default:
      return NULL;
    }
}

static const char *
get_heading (CellColumn column)
{
  static const char *const headings[] = { N_ ("started"), N_ ("name"),        N_ ("time"),
                                          N_ ("tokens"),  N_ ("first token"), N_ ("cost"),
                                          N_ ("id") };

  return _ (headings[column]);
}

/* Finds the widths of the columns; 0 is for what is left out. */
static void
measure (GPtrArray *runs, const Screen *screen, gint64 now, gboolean whole_ids, guint *widths)
{
  guint name = plain_text_measure (get_heading (CELL_NAME));
  guint left = screen->columns - 2;

  for (guint column = 0; column < N_CELLS; column++)
    widths[column] = 0;
  for (guint i = 0; i < runs->len; i++)
    {
      const Run *run = g_ptr_array_index (runs, i);

      name = MAX (name, plain_text_measure (run->name));
      for (guint column = 0; column < N_CELLS; column++)
        {
          g_autofree char *cell = dup_cell (run, (CellColumn) column, now, whole_ids);

          if (cell != NULL && *cell != '\0')
            widths[column] = MAX (MAX (widths[column], plain_text_measure (cell)),
                                  plain_text_measure (get_heading ((CellColumn) column)));
        }
    }
  for (guint i = 0; i < G_N_ELEMENTS (importance); i++)
    {
      guint *width = &widths[importance[i]];

      if (*width > 0 && left >= *width + GAP + MIN (name, MIN_NAME))
        left -= *width + GAP;
      else
        *width = 0;
    }
  widths[CELL_NAME] = MIN (name, left);
}

static void
append_row (GString *out,
            const Screen *screen,
            const Run *run,
            const guint *widths,
            gint64 now,
            gboolean whole_ids)
{
  gboolean first = TRUE;

  if (run != NULL)
    run_tree_append_mark (out, screen, run->status);
  else
    g_string_append (out, "  ");
  if (run == NULL)
    screen_append_style (screen, out, SCREEN_FAINT);
  for (guint column = 0; column < N_CELLS; column++)
    {
      g_autofree char *cell = run != NULL ? dup_cell (run, (CellColumn) column, now, whole_ids)
                                          : g_strdup (get_heading ((CellColumn) column));
      const char *text = cell != NULL ? cell : run != NULL ? run->name : "";
      gboolean to_left = column == CELL_TIME || column == CELL_NAME || column == CELL_ID;
      guint width;

      if (widths[column] == 0)
        continue;
      if (!first)
        g_string_append_printf (out, "%*s", GAP, "");
      first = FALSE;
      width = plain_text_measure (text);
      if (!to_left && width < widths[column])
        g_string_append_printf (out, "%*s", (int) (widths[column] - width), "");
      width = plain_text_append (out, text, widths[column]);
      if (to_left && width < widths[column])
        g_string_append_printf (out, "%*s", (int) (widths[column] - width), "");
    }
  while (out->str[out->len - 1] == ' ')
    g_string_truncate (out, out->len - 1);
  if (run == NULL)
    screen_append_style (screen, out, SCREEN_PLAIN);
  g_string_append_c (out, '\n');
}

static void
print_table (GPtrArray *runs, gboolean more)
{
  g_autoptr (GString) out = g_string_new (NULL);
  gint64 now = g_get_real_time ();
  guint widths[N_CELLS];
  gboolean whole_ids;
  Screen screen;

  screen_init (&screen, stdout);
  whole_ids = screen.columns >= SCREEN_COLUMNS;
  measure (runs, &screen, now, whole_ids, widths);
  append_row (out, &screen, NULL, widths, now, whole_ids);
  for (guint i = 0; i < runs->len; i++)
    append_row (out, &screen, g_ptr_array_index (runs, i), widths, now, whole_ids);
  if (more)
    screen_append (&screen, out, SCREEN_FAINT, _ ("There are older traces: --limit shows more\n"));
  screen_print (stdout, out->str);
}

/* Returns: (transfer full) (nullable) (element-type Run) */
static GPtrArray *
find_traces (Store *store, gboolean *more, GError **error)
{
  RunQuery query = RUN_QUERY_INIT;
  g_autoptr (GArray) projects = NULL;
  g_autofree char *cursor = NULL;
  GPtrArray *runs;

  if (project_name != NULL)
    {
      g_autoptr (Project) project = project_load_name (store, project_name, error);

      if (project == NULL)
        return NULL;
      projects = g_array_new (FALSE, FALSE, sizeof (gint64));
      g_array_append_val (projects, project->seq);
    }
  query.projects = projects;
  query.is_root = RUN_YES;
  query.has_error = only_errors ? RUN_YES : RUN_ANY;
  query.words = words_wanted;
  query.filter = filter;
  query.limit = (guint) limit;
  query.whole = as_json;
  runs = run_query (store, &query, &cursor, error);
  *more = cursor != NULL;
  return runs;
}

static int
run (char **words)
{
  g_autoptr (Store) store = NULL;
  g_autoptr (GPtrArray) runs = NULL;
  gboolean more = FALSE;
  GError *error = NULL;

  if (*words != NULL)
    /* TRANSLATORS: %s: a word of the command line */
    return command_refuse (_ ("Unexpected argument “%s”"), *words);
  if (limit < 1 || limit > MAX_LIMIT)
    /* TRANSLATORS: %d: the greatest number */
    return command_refuse (_ ("A limit is a number from 1 to %d"), MAX_LIMIT);
  store = command_open_store (DATABASE_READ_ONLY);
  if (store == NULL)
    return COMMAND_FAILED;
  runs = find_traces (store, &more, &error);
  if (runs == NULL)
    return command_fail (error);
  if (as_json)
    return command_print_json (store, runs, stdout, &error) ? COMMAND_DONE : command_fail (error);
  if (runs->len == 0)
    command_print_error ("%s",
                         project_name == NULL && !only_errors && words_wanted == NULL &&
                                 filter == NULL
                             ? _ ("There are no traces yet: “lsobs run -- PROGRAM” makes some")
                             : _ ("No trace matches"));
  else
    print_table (runs, more);
  return COMMAND_DONE;
}

const Command command_list = {
  .name = "list",
  .summary = N_ ("List traces, the newest first"),
  .details = N_ ("“lsobs show ID” shows one of them. The last four digits of an id are enough."),
  .entries = entries,
  .run = run,
};
