/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "trace-printer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Inputs and outputs take a line each, of about this width. */
#define MAX_VALUE_CHARS 100

struct _TracePrinter
{
  FILE *file;
  gboolean has_colours;
  GHashTable *runs;     /* (owned) (element-type utf8) the ids of those that were printed */
  GHashTable *feedback; /* (owned) (element-type JsonObject) what was printed, which is in a tree */
};

typedef enum
{
  COLOUR_FAINT,
  COLOUR_TYPE,
  COLOUR_NAME,
  COLOUR_OK,
  COLOUR_PENDING,
  COLOUR_ERROR
} Colour;

/* clang-format off */
static const char *colours[] = {
  [COLOUR_FAINT] = "\033[2m",
  [COLOUR_TYPE] = "\033[36m",
  [COLOUR_NAME] = "\033[1m",
  [COLOUR_OK] = "\033[32m",
  [COLOUR_PENDING] = "\033[33m",
  [COLOUR_ERROR] = "\033[31m",
};
/* clang-format on */

TracePrinter *
trace_printer_new (FILE *file)
{
  TracePrinter *self = g_new0 (TracePrinter, 1);
  const char *no_color = g_getenv ("NO_COLOR");

  self->file = file;
  self->runs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->feedback = g_hash_table_new (NULL, NULL);
  self->has_colours = isatty (fileno (file)) && (no_color == NULL || *no_color == '\0');

  return self;
}

void
trace_printer_free (TracePrinter *self)
{
  g_hash_table_unref (self->runs);
  g_hash_table_unref (self->feedback);
  g_free (self);
}

char *
trace_printer_clean (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *clean = g_string_sized_new (strlen (valid));

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      GUnicodeType type = g_unichar_type (c);

      /* Format characters turn the direction of writing. */
      if (type == G_UNICODE_CONTROL || type == G_UNICODE_FORMAT)
        g_string_append_printf (clean, "\\u%04x", c);
      else
        g_string_append_unichar (clean, c);
    }

  return g_string_free (clean, FALSE);
}

static void
print_coloured (TracePrinter *self, Colour colour, const char *text)
{
  if (self->has_colours)
    fprintf (self->file, "%s%s\033[0m", colours[colour], text);
  else
    fputs (text, self->file);
}

static void
print_detail (TracePrinter *self, const char *prefix, const char *label, const char *text)
{
  g_autofree char *padded = g_strdup_printf ("%-5s  ", label);

  fputs (prefix, self->file);
  print_coloured (self, COLOUR_FAINT, padded);
  fprintf (self->file, "%s\n", text);
}

/* --- what a run holds ---------------------------------------------------------------------- */

/* (transfer full) */
static char *
dup_short (JsonNode *node)
{
  g_autofree char *json = json_to_string (node, FALSE);
  g_autofree char *text = trace_printer_clean (json);
  g_autofree char *start = NULL;

  if (g_utf8_strlen (text, -1) <= MAX_VALUE_CHARS)
    return g_steal_pointer (&text);

  start = g_utf8_substring (text, 0, MAX_VALUE_CHARS - 1);
  return g_strconcat (start, "…", NULL);
}

static void
print_value (TracePrinter *self, const char *prefix, const char *label, JsonNode *node)
{
  g_autofree char *text = NULL;

  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return;

  text = dup_short (node);
  print_detail (self, prefix, label, text);
}

/* Model and tokens, where there are any. */
static void
print_model (TracePrinter *self, const char *prefix, WireRun *run)
{
  const char *provider = wire_run_get_string (run, "extra.metadata.ls_provider");
  const char *model = wire_run_get_string (run, "extra.metadata.ls_model_name");
  JsonNode *input = wire_run_get (run, "extra.metadata.usage_metadata.input_tokens");
  JsonNode *output = wire_run_get (run, "extra.metadata.usage_metadata.output_tokens");
  JsonNode *total = wire_run_get (run, "extra.metadata.usage_metadata.total_tokens");
  g_autoptr (GString) line = g_string_new (NULL);
  g_autofree char *clean = NULL;

  if (provider != NULL)
    g_string_append (line, provider);
  if (model != NULL)
    g_string_append_printf (line, "%s%s", line->len > 0 ? " " : "", model);
  if (total != NULL && JSON_NODE_HOLDS_VALUE (total))
    {
      g_string_append (line, line->len > 0 ? ", " : "");
      if (input != NULL && JSON_NODE_HOLDS_VALUE (input) && output != NULL &&
          JSON_NODE_HOLDS_VALUE (output))
        g_string_append_printf (line, "%" G_GINT64_FORMAT " + %" G_GINT64_FORMAT " = ",
                                json_node_get_int (input), json_node_get_int (output));
      g_string_append_printf (line, "%" G_GINT64_FORMAT " tokens", json_node_get_int (total));
    }

  if (line->len == 0)
    return;

  clean = trace_printer_clean (line->str);
  print_detail (self, prefix, "model", clean);
}

/* In full, line by line. */
static void
print_error (TracePrinter *self, const char *prefix, WireRun *run)
{
  const char *error = wire_run_get_string (run, "error");
  g_auto (GStrv) lines = NULL;

  if (error == NULL)
    return;

  lines = g_strsplit (error, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autofree char *clean = trace_printer_clean (lines[i]);

      print_detail (self, prefix, i == 0 ? "error" : "", clean);
    }
}

/* How long the model was silent. */
static void
print_first_token (TracePrinter *self, const char *prefix, WireRun *run)
{
  JsonNode *node = wire_run_get (run, "events");
  JsonArray *events =
      node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  for (guint i = 0; events != NULL && i < json_array_get_length (events); i++)
    {
      JsonNode *event = json_array_get_element (events, i);
      JsonObject *members = JSON_NODE_HOLDS_OBJECT (event) ? json_node_get_object (event) : NULL;
      gint64 time_us;

      if (members == NULL ||
          g_strcmp0 (json_object_get_string_member_with_default (members, "name", NULL),
                     "new_token") != 0)
        continue;
      time_us = wire_parse_time (json_object_get_member (members, "time"), WIRE_DIALECT);
      if (time_us < 0 || run->start_us < 0)
        continue;
      fprintf (self->file, "%sfirst token %+.0f ms\n", prefix,
               (double) (time_us - run->start_us) / 1000);
      return;
    }
}

/* @name: (nullable): that of the run, where the line does not stand below it */
static void
print_feedback_line (TracePrinter *self, const char *prefix, JsonObject *feedback, const char *name)
{
  const char *key = json_object_get_string_member_with_default (feedback, "key", "?");
  const char *comment = json_object_get_string_member_with_default (feedback, "comment", NULL);
  g_autofree char *clean_key = trace_printer_clean (key);
  JsonNode *value = json_object_get_member (feedback, "score");

  if (value == NULL || JSON_NODE_HOLDS_NULL (value))
    value = json_object_get_member (feedback, "value");
  fprintf (self->file, "%sfeedback %s", prefix, clean_key);
  if (value != NULL && !JSON_NODE_HOLDS_NULL (value))
    {
      g_autofree char *text =
          JSON_NODE_HOLDS_VALUE (value) && json_node_get_value_type (value) == G_TYPE_DOUBLE
              ? g_strdup_printf ("%g", json_node_get_double (value))
              : dup_short (value);

      fprintf (self->file, " = %s", text);
    }
  if (comment != NULL)
    {
      g_autofree char *clean_comment = trace_printer_clean (comment);

      fprintf (self->file, " (%s)", clean_comment);
    }
  if (name != NULL)
    {
      g_autofree char *clean_name = trace_printer_clean (name);

      fprintf (self->file, " for %s", clean_name);
    }
  fputc ('\n', self->file);
  g_hash_table_add (self->feedback, feedback);
}

static void
print_feedback_of_run (TracePrinter *self, const char *prefix, WireTree *tree, WireRun *run)
{
  GPtrArray *all = wire_tree_get_feedback (tree);

  for (guint i = 0; i < all->len; i++)
    {
      JsonObject *feedback = g_ptr_array_index (all, i);
      const char *id = json_object_get_string_member_with_default (feedback, "run_id", "");

      if (strcmp (id, run->id) == 0 && !g_hash_table_contains (self->feedback, feedback))
        print_feedback_line (self, prefix, feedback, NULL);
    }
}

void
trace_printer_print_feedback (TracePrinter *self, WireTree *tree, gboolean all)
{
  GPtrArray *feedback = wire_tree_get_feedback (tree);

  for (guint i = 0; i < feedback->len; i++)
    {
      JsonObject *one = g_ptr_array_index (feedback, i);
      const char *id = json_object_get_string_member_with_default (one, "run_id", "?");
      WireRun *run = wire_tree_lookup (tree, id);

      if (!g_hash_table_contains (self->feedback, one) &&
          (all || g_hash_table_contains (self->runs, id)))
        print_feedback_line (self, "", one, run != NULL && *run->name != '\0' ? run->name : id);
    }
}

/* --- the tree ------------------------------------------------------------------------------ */

static void
print_head (TracePrinter *self, WireTree *tree, WireRun *run, WireRun *top)
{
  g_autofree char *type = trace_printer_clean (*run->run_type != '\0' ? run->run_type : "?");
  g_autofree char *name = trace_printer_clean (*run->name != '\0' ? run->name : "?");

  print_coloured (self, COLOUR_TYPE, type);
  fputc (' ', self->file);
  print_coloured (self, COLOUR_NAME, name);
  fputc (' ', self->file);

  if (run->end_us < 0)
    print_coloured (self, COLOUR_PENDING, "pending");
  else if (wire_run_get_string (run, "error") != NULL)
    print_coloured (self, COLOUR_ERROR, "error");
  else
    print_coloured (self, COLOUR_OK, "ok");

  if (run->start_us >= 0 && top->start_us >= 0)
    fprintf (self->file, " %+.1f ms", (double) (run->start_us - top->start_us) / 1000);
  if (run->start_us >= 0 && run->end_us >= 0)
    fprintf (self->file, " %.1f ms", (double) (run->end_us - run->start_us) / 1000);
  if (run->parent_id != NULL && wire_tree_lookup (tree, run->parent_id) == NULL)
    print_coloured (self, COLOUR_ERROR, " (orphan)");

  fputc ('\n', self->file);
}

/* @prefix: what stands before the lines below the run's first one */
static void
print_run (TracePrinter *self, WireTree *tree, WireRun *run, WireRun *top, const char *prefix)
{
  g_autoptr (GPtrArray) children = wire_tree_dup_children (tree, run->id);
  g_autofree char *detail_prefix = g_strconcat (prefix, children->len > 0 ? "│  " : "   ", NULL);

  print_head (self, tree, run, top);
  g_hash_table_add (self->runs, g_strdup (run->id));
  print_model (self, detail_prefix, run);
  print_first_token (self, detail_prefix, run);
  print_value (self, detail_prefix, "in", wire_run_get (run, "inputs"));
  print_value (self, detail_prefix, "out", wire_run_get (run, "outputs"));
  print_error (self, detail_prefix, run);
  print_feedback_of_run (self, detail_prefix, tree, run);

  for (guint i = 0; i < children->len; i++)
    {
      gboolean is_last = i + 1 == children->len;
      g_autofree char *child_prefix = g_strconcat (prefix, is_last ? "   " : "│  ", NULL);

      fprintf (self->file, "%s%s", prefix, is_last ? "└─ " : "├─ ");
      print_run (self, tree, g_ptr_array_index (children, i), top, child_prefix);
    }
}

void
trace_printer_print (TracePrinter *self, WireTree *tree, WireRun *top)
{
  g_autofree char *id = trace_printer_clean (top->trace_id != NULL ? top->trace_id : top->id);
  const char *project = wire_run_get_string (top, "session_name");

  print_coloured (self, COLOUR_FAINT, "trace ");
  print_coloured (self, COLOUR_FAINT, id);
  if (project != NULL)
    {
      g_autofree char *clean = trace_printer_clean (project);

      print_coloured (self, COLOUR_FAINT, "  project ");
      print_coloured (self, COLOUR_FAINT, clean);
    }
  fputc ('\n', self->file);

  print_run (self, tree, top, top, "");
  fputc ('\n', self->file);
}
