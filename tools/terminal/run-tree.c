/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n.h>

#include "tools/store/time-text.h"
#include "tools/terminal/figure.h"
#include "tools/terminal/plain-text.h"
#include "tools/terminal/run-tree.h"

#define NO_NODE    G_MAXUINT
#define GAP        2  /* columns between two figures */
#define BAR        20 /* columns of the bar that shows when a run was */
#define MIN_LABEL  16
#define MAX_ERRORS 10
/* Lines of an error. */
#define MAX_ERROR_LINES 12

typedef struct
{
  const Run *run;
  guint first_child;
  guint next;
  gboolean seen;
} Node;

/* A line that is not yet printed. */
typedef struct
{
  const Run *run;
  char *prefix; /* (owned): the lines of the tree */
  gboolean is_root;
} Line;

typedef enum
{
  FIGURE_DURATION,
  FIGURE_TOKENS,
  FIGURE_FIRST_TOKEN,
  FIGURE_COST,
  N_FIGURES
} FigureColumn;

static void
clear_line (gpointer data)
{
  Line *line = data;

  g_free (line->prefix);
}

void
run_tree_append_mark (GString *out, const Screen *screen, RunStatus status)
{
  static const ScreenStyle styles[] = { SCREEN_BUSY, SCREEN_GOOD, SCREEN_BAD };
  static const char *const marks[] = { "●", "✓", "✗" };

  screen_append (screen, out, styles[status], marks[status]);
  g_string_append_c (out, ' ');
}

char *
run_tree_dup_duration (const Run *run)
{
  return run->end_time == TIME_NONE ? g_strdup ("…")
                                    : figure_dup_duration (run->end_time - run->start_time);
}

char *
run_tree_dup_first_token (const Run *run)
{
  return run->tree_first_token_time == TIME_NONE
             ? g_strdup ("")
             : figure_dup_duration (run->tree_first_token_time - run->start_time);
}

/* --- which run is below which --- */

static guint
hash_id (gconstpointer data)
{
  guint hash;

  memcpy (&hash, ((const LsobsId *) data)->bytes + 12, sizeof hash);
  return hash;
}

static gboolean
equal_ids (gconstpointer a, gconstpointer b)
{
  return _lsobs_id_equal (a, b);
}

static int
compare_runs (gconstpointer a, gconstpointer b)
{
  const Run *x = *(const Run *const *) a;
  const Run *y = *(const Run *const *) b;

  if (x->start_time != y->start_time)
    return x->start_time < y->start_time ? -1 : 1;
  return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Returns: (transfer full) (element-type Node): in the order of their start; @root: (out): the first of those
 *   without a parent */
static GArray *
link_nodes (GPtrArray *runs, guint *root)
{
  GArray *nodes = g_array_sized_new (FALSE, TRUE, sizeof (Node), runs->len);
  g_autoptr (GPtrArray) sorted = g_ptr_array_sized_new (runs->len);
  g_autoptr (GHashTable) numbers = g_hash_table_new (hash_id, equal_ids);

  for (guint i = 0; i < runs->len; i++)
    g_ptr_array_add (sorted, g_ptr_array_index (runs, i));
  g_ptr_array_sort (sorted, compare_runs);
  for (guint i = 0; i < sorted->len; i++)
    {
      const Run *run = g_ptr_array_index (sorted, i);
      Node node = { run, NO_NODE, NO_NODE, FALSE };

      g_array_append_val (nodes, node);
      g_hash_table_insert (numbers, (gpointer) &run->id, GUINT_TO_POINTER (i));
    }
  *root = NO_NODE;
  for (guint i = nodes->len; i-- > 0;)
    {
      Node *node = &g_array_index (nodes, Node, i);
      gpointer number;
      guint *first = root;

      if (node->run->has_parent &&
          g_hash_table_lookup_extended (numbers, &node->run->parent_id, NULL, &number))
        first = &g_array_index (nodes, Node, GPOINTER_TO_UINT (number)).first_child;
      node->next = *first;
      *first = i;
    }
  return nodes;
}

/* A level of the tree, on the way to the current run: the siblings that are still to come, and the
 * lines that are drawn before them. */
typedef struct
{
  guint node;
  char *indent; /* (owned) */
} Level;

static void
clear_level (gpointer data)
{
  g_free (((Level *) data)->indent);
}

/* Appends a run, its siblings, and what is below them. Runs that are deeper than @max_depth get the
 * number of their level in place of lines. */
static void
append_lines (GArray *lines, GArray *nodes, guint first, guint max_depth)
{
  g_autoptr (GArray) levels = g_array_new (FALSE, FALSE, sizeof (Level));
  Level top = { first, g_strdup ("") };

  g_array_set_clear_func (levels, clear_level);
  g_array_append_val (levels, top);
  while (levels->len > 0)
    {
      Level *level = &g_array_index (levels, Level, levels->len - 1);
      guint depth = levels->len - 1;
      Line line = { NULL, NULL, depth == 0 };
      Level below = { NO_NODE, NULL };
      Node *node;
      gboolean last;

      if (level->node == NO_NODE)
        {
          g_array_set_size (levels, levels->len - 1);
          continue;
        }
      node = &g_array_index (nodes, Node, level->node);
      level->node = node->next;
      /* Runs that are parents of each other form a circle: each of them gets one line. */
      if (node->seen)
        continue;
      node->seen = TRUE;
      last = node->next == NO_NODE;
      line.run = node->run;
      if (depth > max_depth)
        line.prefix = g_strdup_printf ("… %u ", depth);
      else
        line.prefix = g_strconcat (level->indent, depth == 0 ? "" : last ? "└─ " : "├─ ", NULL);
      below.node = node->first_child;
      below.indent = depth > max_depth ? g_strdup ("")
                                       : g_strconcat (level->indent,
                                                      depth == 0 ? ""
                                                      : last     ? "   "
                                                                 : "│  ",
                                                      NULL);
      g_array_append_val (lines, line);
      g_array_append_val (levels, below);
      /* The array has the prefix. */
      /* cppcheck-suppress memleak */
    }
}

/* Returns: (transfer full) (element-type Line) */
static GArray *
make_lines (GPtrArray *runs, guint columns)
{
  GArray *lines = g_array_new (FALSE, FALSE, sizeof (Line));
  guint root;
  g_autoptr (GArray) nodes = link_nodes (runs, &root);
  guint max_depth = MAX (columns / 9, 2);

  g_array_set_clear_func (lines, clear_line);
  append_lines (lines, nodes, root, max_depth);
  /* Runs that are parents of each other have no root. */
  for (guint i = 0; i < nodes->len; i++)
    if (!g_array_index (nodes, Node, i).seen)
      append_lines (lines, nodes, i, max_depth);
  return lines;
}

/* --- figures --- */

/* Returns: (transfer full) */
static char *
dup_figure (const Run *run, FigureColumn column)
{
  switch (column)
    {
    case FIGURE_DURATION:
      return run_tree_dup_duration (run);
    case FIGURE_TOKENS:
      return run->tree_usage.total_tokens > 0 ? figure_dup_count (run->tree_usage.total_tokens)
                                              : g_strdup ("");
    case FIGURE_FIRST_TOKEN:
      return run_tree_dup_first_token (run);
    case FIGURE_COST:
      return run->tree_usage.total_cost > 0 ? figure_dup_cost (run->tree_usage.total_cost)
                                            : g_strdup ("");
    case N_FIGURES:
    default:
      g_assert_not_reached ();
    }
}

static const char *
get_heading (FigureColumn column)
{
  static const char *const headings[] = { N_ ("time"), N_ ("tokens"), N_ ("first token"),
                                          N_ ("cost") };

  return _ (headings[column]);
}

/* What fits on the screen. */
typedef struct
{
  guint label;              /* columns of the names, with the lines of the tree */
  guint figures[N_FIGURES]; /* columns of each figure; 0: it is left out */
  guint bar;
  gint64 start_time; /* of all runs */
  gint64 end_time;
} Layout;

/* Spaces up to a width. */
static void
append_padding (GString *out, guint width, guint wanted)
{
  g_string_append_printf (out, "%*s", (int) (wanted > width ? wanted - width : 0), "");
}

static guint
measure_label (const Line *line)
{
  return (guint) g_utf8_strlen (line->prefix, -1) + 2 + plain_text_measure (line->run->name) + 1 +
         (guint) strlen (line->run->run_type);
}

static void
measure (Layout *layout, const Screen *screen, GArray *lines)
{
  guint left = screen->columns;
  guint label = 0;

  memset (layout, 0, sizeof *layout);
  layout->start_time = G_MAXINT64;
  for (guint i = 0; i < lines->len; i++)
    {
      const Line *line = &g_array_index (lines, Line, i);

      label = MAX (label, MIN (measure_label (line), screen->columns));
      layout->start_time = MIN (layout->start_time, line->run->start_time);
      layout->end_time = MAX (layout->end_time, MAX (line->run->end_time, line->run->start_time));
      for (guint column = 0; column < N_FIGURES; column++)
        {
          g_autofree char *figure = dup_figure (line->run, column);

          if (*figure != '\0')
            layout->figures[column] =
                MAX (MAX (layout->figures[column], plain_text_measure (figure)),
                     plain_text_measure (get_heading (column)));
        }
    }
  for (guint column = 0; column < N_FIGURES; column++)
    {
      /* Names get their room before figures that are less important than the time. */
      guint needed = MIN (label, column == FIGURE_DURATION ? MIN_LABEL : screen->columns / 2);

      if (layout->figures[column] > 0 && left >= needed + layout->figures[column] + GAP)
        left -= layout->figures[column] + GAP;
      else
        layout->figures[column] = 0;
    }
  if (lines->len > 1 && left >= label + BAR + GAP)
    {
      layout->bar = BAR;
      left -= BAR + GAP;
    }
  layout->label = MIN (label, left);
}

static void
append_bar (GString *out, const Screen *screen, const Layout *layout, const Run *run)
{
  static const ScreenStyle styles[] = { SCREEN_BUSY, SCREEN_GOOD, SCREEN_BAD };
  double all = MAX ((double) (layout->end_time - layout->start_time), 1);
  gint64 end = run->end_time == TIME_NONE ? layout->end_time : MAX (run->end_time, run->start_time);
  guint from = (guint) ((double) (run->start_time - layout->start_time) / all * BAR);
  guint to = (guint) ((double) (end - layout->start_time) / all * BAR + 0.5);

  from = MIN (from, BAR - 1);
  to = CLAMP (to, from + 1, BAR);
  g_string_append_printf (out, "%*s", (int) (GAP + from), "");
  screen_append_style (screen, out, styles[run->status]);
  for (guint i = from; i < to; i++)
    g_string_append (out, "━");
  screen_append_style (screen, out, SCREEN_PLAIN);
}

static void
append_headings (GString *out, const Screen *screen, const Layout *layout)
{
  screen_append_style (screen, out, SCREEN_FAINT);
  append_padding (out, 0, layout->label);
  for (guint column = 0; column < N_FIGURES; column++)
    if (layout->figures[column] > 0)
      {
        append_padding (out, plain_text_measure (get_heading (column)),
                        layout->figures[column] + GAP);
        g_string_append (out, get_heading (column));
      }
  screen_append_style (screen, out, SCREEN_PLAIN);
  g_string_append_c (out, '\n');
}

static void
append_line (GString *out, const Screen *screen, const Layout *layout, const Line *line)
{
  const Run *run = line->run;
  guint width = (guint) g_utf8_strlen (line->prefix, -1);
  guint left;

  screen_append (screen, out, SCREEN_FAINT, line->prefix);
  run_tree_append_mark (out, screen, run->status);
  width += 2;
  left = layout->label > width ? layout->label - width : 1;
  screen_append_style (screen, out,
                       run->status == RUN_ERROR ? SCREEN_BAD
                       : line->is_root          ? SCREEN_STRONG
                                                : SCREEN_PLAIN);
  left -= plain_text_append (out, run->name, left);
  screen_append_style (screen, out, SCREEN_PLAIN);
  if (left > 3)
    {
      g_string_append_c (out, ' ');
      screen_append_style (screen, out, SCREEN_FAINT);
      left -= 1 + plain_text_append (out, run->run_type, left - 1);
      screen_append_style (screen, out, SCREEN_PLAIN);
    }
  append_padding (out, 0, left);
  for (guint column = 0; column < N_FIGURES; column++)
    {
      g_autofree char *figure = dup_figure (run, column);

      if (layout->figures[column] == 0)
        continue;
      append_padding (out, plain_text_measure (figure), layout->figures[column] + GAP);
      g_string_append (out, figure);
    }
  if (layout->bar > 0)
    append_bar (out, screen, layout, run);
  /* Spaces at the end are invisible, and copies of the text should not have them. */
  while (out->len > 0 && out->str[out->len - 1] == ' ')
    g_string_truncate (out, out->len - 1);
  g_string_append_c (out, '\n');
}

void
run_tree_append (GString *out, const Screen *screen, GPtrArray *runs)
{
  g_autoptr (GArray) lines = make_lines (runs, screen->columns);
  Layout layout;

  measure (&layout, screen, lines);
  append_headings (out, screen, &layout);
  for (guint i = 0; i < lines->len; i++)
    append_line (out, screen, &layout, &g_array_index (lines, Line, i));
}

/* The runs whose errors are printed: an error that has gone up the tree is printed once, for the run where it
 * has happened.
 * Returns: (transfer full) (element-type Run): (not owned) */
static GPtrArray *
choose_errors (GPtrArray *runs)
{
  GPtrArray *chosen = g_ptr_array_new ();
  g_autoptr (GHashTable) texts = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = runs->len; i-- > 0;)
    {
      Run *run = g_ptr_array_index (runs, i);

      if (run->status == RUN_ERROR && (run->error == NULL || g_hash_table_add (texts, run->error)))
        g_ptr_array_insert (chosen, 0, run);
    }
  return chosen;
}

void
run_tree_append_errors (GString *out, const Screen *screen, GPtrArray *runs)
{
  g_autoptr (GPtrArray) chosen = choose_errors (runs);

  for (guint i = 0; i < MIN (chosen->len, MAX_ERRORS); i++)
    {
      const Run *run = g_ptr_array_index (chosen, i);

      run_tree_append_mark (out, screen, run->status);
      screen_append_style (screen, out, SCREEN_BAD);
      plain_text_append (out, run->name, screen->columns - 2);
      screen_append_style (screen, out, SCREEN_PLAIN);
      g_string_append_c (out, '\n');
      if (run->error != NULL)
        plain_text_append_lines (out, run->error, "    ", screen->columns - 4, MAX_ERROR_LINES);
    }
  if (chosen->len > MAX_ERRORS)
    {
      guint n = chosen->len - MAX_ERRORS;

      /* TRANSLATORS: %u: a number of errors */
      g_string_append_printf (out,
                              g_dngettext (GETTEXT_PACKAGE, "  and %u more error\n",
                                           "  and %u more errors\n", n),
                              n);
    }
  if (chosen->len > 0)
    g_string_append_c (out, '\n');
}
