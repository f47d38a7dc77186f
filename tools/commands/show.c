/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <glib/gi18n.h>
#include <json-glib/json-glib.h>

#include "tools/commands/command.h"
#include "tools/store/attachment.h"
#include "tools/store/feedback.h"
#include "tools/store/project.h"
#include "tools/store/run-query.h"
#include "tools/terminal/figure.h"
#include "tools/terminal/plain-text.h"
#include "tools/terminal/run-tree.h"

/* The number of lines that are shown of a value without --all. */
#define MAX_LINES 12

/* Columns of the name of a project, which is left out if there is less room. */
#define MIN_PROJECT 8

static gboolean all_details = FALSE;
static gboolean as_json = FALSE;

static const GOptionEntry entries[] = {
  COMMAND_OPTION_DATABASE,
  { "all", 'a', 0, G_OPTION_ARG_NONE, &all_details,
    N_ ("Show inputs and outputs of each run, and all lines of them"), NULL },
  { "json", 'j', 0, G_OPTION_ARG_NONE, &as_json, N_ ("Print each run as one line of JSON"), NULL },
  { NULL },
};

/* --- what a run has --- */

static void
append_value (GString *out, const Screen *screen, const char *title, const char *json)
{
  g_autoptr (JsonNode) node = NULL;
  g_autofree char *pretty = NULL;

  if (json == NULL || strcmp (json, "{}") == 0 || strcmp (json, "[]") == 0)
    return;
  node = json_from_string (json, NULL);
  pretty = node != NULL ? json_to_string (node, TRUE) : NULL;
  g_string_append (out, "  ");
  screen_append (screen, out, SCREEN_FAINT, title);
  g_string_append_c (out, '\n');
  plain_text_append_lines (out, pretty != NULL ? pretty : json, "    ", screen->columns - 4,
                           all_details ? PLAIN_TEXT_ALL - 1 : MAX_LINES);
}

static gboolean
append_attachments (GString *out,
                    const Screen *screen,
                    Store *store,
                    const Run *run,
                    GError **error)
{
  g_autoptr (GPtrArray) attachments = attachment_list (store, &run->id, error);

  if (attachments == NULL)
    return FALSE;
  for (guint i = 0; i < attachments->len; i++)
    {
      const Attachment *attachment = g_ptr_array_index (attachments, i);
      g_autofree char *size = g_format_size ((guint64) attachment->size);
      g_autofree char *text =
          g_strdup_printf ("%s  %s  %s", attachment->name, attachment->type, size);

      if (i == 0)
        {
          g_string_append (out, "  ");
          screen_append (screen, out, SCREEN_FAINT, _ ("attachments"));
          g_string_append_c (out, '\n');
        }
      g_string_append (out, "    ");
      plain_text_append (out, text, screen->columns - 4);
      g_string_append_c (out, '\n');
    }
  return TRUE;
}

/* Appends the comment of feedback, which is text of anyone. */
static void
append_comment (GString *out, const Screen *screen, const Feedback *feedback)
{
  g_autoptr (JsonNode) body = json_from_string (feedback->body, NULL);
  const char *comment = NULL;

  if (body != NULL && JSON_NODE_HOLDS_OBJECT (body))
    comment =
        json_object_get_string_member_with_default (json_node_get_object (body), "comment", NULL);
  if (comment != NULL && *comment != '\0')
    plain_text_append_lines (out, comment, "      ", screen->columns - 6,
                             all_details ? PLAIN_TEXT_ALL - 1 : MAX_LINES);
}

static gboolean
append_feedback (GString *out, const Screen *screen, Store *store, const Run *run, GError **error)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (LsobsId));
  g_autoptr (GPtrArray) list = NULL;

  g_array_append_val (ids, run->id);
  list = feedback_list (store, ids, NULL, 100, 0, error);
  if (list == NULL)
    return FALSE;
  for (guint i = 0; i < list->len; i++)
    {
      const Feedback *feedback = g_ptr_array_index (list, i);
      g_autofree char *text = feedback->scored
                                  ? g_strdup_printf ("%s  %g", feedback->key, feedback->score)
                                  : g_strdup (feedback->key);

      if (i == 0)
        {
          g_string_append (out, "  ");
          screen_append (screen, out, SCREEN_FAINT, _ ("feedback"));
          g_string_append_c (out, '\n');
        }
      g_string_append (out, "    ");
      plain_text_append (out, text, screen->columns - 4);
      g_string_append_c (out, '\n');
      append_comment (out, screen, feedback);
    }
  return TRUE;
}

static gboolean
append_details (GString *out, const Screen *screen, Store *store, const Run *run, GError **error)
{
  g_string_append_c (out, '\n');
  run_tree_append_mark (out, screen, run->status);
  screen_append_style (screen, out, SCREEN_STRONG);
  plain_text_append (out, run->name, screen->columns - 2);
  screen_append_style (screen, out, SCREEN_PLAIN);
  g_string_append_c (out, '\n');
  append_value (out, screen, _ ("inputs"), run->inputs);
  append_value (out, screen, _ ("outputs"), run->outputs);
  append_value (out, screen, _ ("tags"), run->tags);
  if (all_details)
    append_value (out, screen, _ ("metadata and more"), run->extra);
  return append_attachments (out, screen, store, run, error) &&
         append_feedback (out, screen, store, run, error);
}

/* --- a trace --- */

static gboolean
append_head (GString *out, const Screen *screen, Store *store, const Run *run, GError **error)
{
  g_autoptr (Project) project = project_load_seq (store, run->project, error);
  g_autofree char *time = figure_dup_time (run->start_time, g_get_real_time ());
  guint used = plain_text_measure (time);
  char id[LSOBS_UUID_LEN + 1] = "";

  if (project == NULL)
    return FALSE;
  _lsobs_id_write (&run->id, id);
  screen_append_style (screen, out, SCREEN_FAINT);
  g_string_append (out, time);
  if (screen->columns >= 80)
    {
      g_string_append_printf (out, "  %s", id);
      used += 2 + LSOBS_UUID_LEN;
    }
  if (screen->columns >= used + MIN_PROJECT + 2)
    {
      g_string_append (out, "  ");
      plain_text_append (out, project->name,
                         MIN (screen->columns - used - 2, MAX (screen->columns / 3, MIN_PROJECT)));
    }
  screen_append_style (screen, out, SCREEN_PLAIN);
  g_string_append (out, "\n\n");
  return TRUE;
}

/* Keeps a run and the runs below it, and removes all others. */
static void
leave_part (GPtrArray *runs, const Run *top)
{
  gsize len = strlen (top->dotted_order);

  for (guint i = runs->len; i-- > 0;)
    {
      const Run *run = g_ptr_array_index (runs, i);

      if (!_lsobs_id_equal (&run->id, &top->id) &&
          (strncmp (run->dotted_order, top->dotted_order, len) != 0 ||
           run->dotted_order[len] != '.'))
        g_ptr_array_remove_index (runs, i);
    }
}

static gboolean
print_trace (Store *store, const Run *top, GPtrArray *runs, GError **error)
{
  g_autoptr (GString) out = g_string_new (NULL);
  Screen screen;

  screen_init (&screen, stdout);
  if (!append_head (out, &screen, store, top, error))
    return FALSE;
  run_tree_append_errors (out, &screen, runs);
  run_tree_append (out, &screen, runs);
  if (!all_details)
    {
      if (!append_details (out, &screen, store, top, error))
        return FALSE;
    }
  else
    for (guint i = 0; i < runs->len; i++)
      if (!append_details (out, &screen, store, g_ptr_array_index (runs, i), error))
        return FALSE;
  screen_print (stdout, out->str);
  return TRUE;
}

/* Finds the newest trace. */
static gboolean
find_newest (Store *store, LsobsId *id, GError **error)
{
  RunQuery query = RUN_QUERY_INIT;
  g_autofree char *cursor = NULL;
  g_autoptr (GPtrArray) runs = NULL;

  query.is_root = RUN_YES;
  query.limit = 1;
  runs = run_query (store, &query, &cursor, error);
  if (runs == NULL)
    return FALSE;
  if (runs->len == 0)
    {
      g_set_error (error, STORE_ERROR, STORE_ERROR_NOT_FOUND,
                   _ ("There are no traces yet: “lsobs run -- PROGRAM” makes some"));
      return FALSE;
    }
  *id = ((const Run *) g_ptr_array_index (runs, 0))->id;
  return TRUE;
}

static gboolean
show (Store *store, const LsobsId *id, GError **error)
{
  g_autoptr (Run) top = run_load (store, id, TRUE, error);
  g_autoptr (GPtrArray) runs =
      top != NULL ? run_query_trace (store, &top->trace_id, TRUE, error) : NULL;

  if (runs == NULL)
    return FALSE;
  if (top->has_parent)
    leave_part (runs, top);
  return as_json ? command_print_json (store, runs, stdout, error)
                 : print_trace (store, top, runs, error);
}

static int
run (char **words)
{
  g_autoptr (Store) store = command_open_store (DATABASE_READ_ONLY);
  GError *error = NULL;
  LsobsId id;

  if (store == NULL)
    return COMMAND_FAILED;
  if (*words == NULL)
    return find_newest (store, &id, &error) && show (store, &id, &error) ? COMMAND_DONE
                                                                         : command_fail (error);
  for (; *words != NULL; words++)
    if (!command_find_run (store, *words, &id, &error) || !show (store, &id, &error))
      return command_fail (error);
  return COMMAND_DONE;
}

const Command command_show = {
  .name = "show",
  .summary = N_ ("Show a trace as a tree, its errors first"),
  .arguments = N_ ("[ID…]"),
  .details = N_ (
      "Without an id, the newest trace is shown. The id of a run below a root shows that run, and "
      "what is below it."),
  .entries = entries,
  .run = run,
};
