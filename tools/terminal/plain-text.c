/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tools/terminal/plain-text.h"

/* The number of marks, such as accents, that one letter keeps: more of them paint over the lines
 * above and below. */
#define MAX_MARKS 4

#define REPLACEMENT 0xfffd

/* A character as it is printed. */
typedef struct
{
  gunichar c; /* 0: it is left out */
  guint columns;
} Glyph;

static gboolean
is_space (gunichar c)
{
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0x2028 || c == 0x2029;
}

/* Whether a character is one that a reader sees: controls may be commands for the terminal, and formats change
 * the direction of text. */
static gboolean
is_printable (gunichar c)
{
  GUnicodeType type = g_unichar_type (c);

  return type != G_UNICODE_CONTROL && type != G_UNICODE_FORMAT && type != G_UNICODE_SURROGATE &&
         type != G_UNICODE_UNASSIGNED && type != G_UNICODE_PRIVATE_USE &&
         type != G_UNICODE_LINE_SEPARATOR && type != G_UNICODE_PARAGRAPH_SEPARATOR;
}

/* @n_marks: (inout): how many marks the last letter has */
static Glyph
read_glyph (gunichar c, guint *n_marks)
{
  Glyph glyph = { c, 1 };

  if (!is_printable (c))
    glyph.c = REPLACEMENT;
  if (c == 0xfe0e || c == 0xfe0f || c == 0x200d)
    /* These characters choose among pictures for an emoji. Terminals do not agree on the width of
     * the result. */
    return (Glyph){ 0, 0 };
  if (glyph.c != REPLACEMENT && g_unichar_iszerowidth (c))
    return ++*n_marks <= MAX_MARKS ? (Glyph){ c, 0 } : (Glyph){ 0, 0 };
  *n_marks = 0;
  if (g_unichar_iswide (glyph.c))
    glyph.columns = 2;
  return glyph;
}

/* Returns: whether the word that begins at @at fits into @columns */
static gboolean
word_fits (const char *at, guint columns)
{
  guint width = 0;
  guint n_marks = 0;

  for (; *at != '\0' && !is_space (g_utf8_get_char (at)) && width <= columns;
       at = g_utf8_next_char (at))
    width += read_glyph (g_utf8_get_char (at), &n_marks).columns;
  return width <= columns;
}

/* Appends text up to @columns, or without @out only measures it.
 * @out: (nullable)
 * @is_line: keep several spaces, and break at a space, if that leaves more than half of the columns in use, or
 *   if the word after it fits into a line
 * Returns: the columns; @rest: (out) (nullable): what did not fit, or NULL */
static guint
append_part (GString *out, const char *text, guint columns, gboolean is_line, const char **rest)
{
  guint width = 0;
  guint n_marks = 0;
  guint spaces = 0;
  gboolean any = FALSE;
  const char *at = text;
  const char *word = NULL;
  guint word_width = 0;
  gsize word_len = 0;

  *rest = NULL;
  for (; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);
      Glyph glyph;

      if (is_space (c))
        {
          /* A program in a string of JSON is indented. */
          spaces = any ? (is_line ? spaces + 1 : 1) : 0;
          continue;
        }
      /* A mark alone would change what is printed before the text. */
      if (n_marks == 0 && (spaces > 0 || !any) && g_unichar_iszerowidth (c))
        n_marks = MAX_MARKS;
      glyph = read_glyph (c, &n_marks);
      if (glyph.c == 0)
        continue;
      if (spaces > 0 && out != NULL)
        {
          word = at;
          word_width = width;
          word_len = out->len;
        }
      if (glyph.columns > columns - width || spaces > columns - width - glyph.columns)
        {
          *rest = at;
          if (!is_line || word == NULL || (word_width <= columns / 2 && !word_fits (word, columns)))
            return width;
          g_string_truncate (out, word_len);
          *rest = word;
          return word_width;
        }
      if (out != NULL)
        g_string_append_printf (out, "%*s", (int) spaces, "");
      width += glyph.columns + spaces;
      spaces = 0;
      any = TRUE;
      if (out != NULL)
        g_string_append_unichar (out, glyph.c);
    }
  return width;
}

guint
plain_text_measure (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  const char *rest;

  return append_part (NULL, valid, PLAIN_TEXT_ALL, FALSE, &rest);
}

guint
plain_text_append (GString *out, const char *text, guint columns)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  gsize before = out->len;
  const char *rest;
  guint width = append_part (out, valid, columns, FALSE, &rest);

  if (rest == NULL)
    return width;
  g_string_truncate (out, before);
  if (columns == 0)
    return 0;
  width = append_part (out, valid, columns - 1, FALSE, &rest);
  g_string_append (out, "…");
  return width + 1;
}

void
plain_text_append_lines (GString *out,
                         const char *text,
                         const char *indent,
                         guint columns,
                         guint lines)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  g_auto (GStrv) paragraphs = g_strsplit (g_strchomp (valid), "\n", -1);
  guint n = 0;

  for (char **paragraph = paragraphs; *paragraph != NULL; paragraph++)
    {
      const char *at = *paragraph;

      do
        {
          /* Indentation has a meaning, as in JSON. */
          gsize n_spaces = at == *paragraph ? strspn (at, " ") : 0;
          const char *rest;

          if (++n > lines)
            continue;
          if (indent != NULL)
            g_string_append (out, indent);
          n_spaces = MIN (n_spaces, columns / 2);
          g_string_append_printf (out, "%*s", (int) n_spaces, "");
          append_part (out, at, MAX (columns - (guint) n_spaces, 2), TRUE, &rest);
          g_string_append_c (out, '\n');
          at = rest;
        }
      while (at != NULL && n <= lines);
    }
  if (n > lines)
    {
      if (indent != NULL)
        g_string_append (out, indent);
      g_string_append (out, "…\n");
    }
}

/* Returns: how many bytes at @at are a character that has an effect on a terminal, or none */
static gsize
measure_control (const char *at, const char *end)
{
  const guchar *c = (const guchar *) at;
  gunichar value;

  if (*c == 0x7f)
    return 1;
  /* U+0080 to U+009F */
  if (*c == 0xc2 && end - at >= 2 && c[1] < 0xa0)
    return 2;
  /* U+061C */
  if (*c == 0xd8 && end - at >= 2 && c[1] == 0x9c)
    return 2;
  if (*c != 0xe2 || end - at < 3 || (c[1] != 0x80 && c[1] != 0x81))
    return 0;
  value = g_utf8_get_char (at);
  return (value >= 0x200e && value <= 0x200f) || (value >= 0x2028 && value <= 0x202e) ||
                 (value >= 0x2066 && value <= 0x2069)
             ? 3
             : 0;
}

void
plain_text_put_json (LsobsBuffer *out, const char *json, gsize len)
{
  const char *end = json + len;
  const char *from = json;

  for (const char *at = json; at < end;)
    {
      gsize n = measure_control (at, end);

      if (n > 0)
        {
          char escape[8];

          _lsobs_buffer_append (out, from, (gsize) (at - from));
          g_snprintf (escape, sizeof escape, "\\u%04x", g_utf8_get_char (at) & 0xffff);
          _lsobs_buffer_append_str (out, escape);
          from = at + n;
        }
      at += MAX (n, 1);
    }
  _lsobs_buffer_append (out, from, (gsize) (end - from));
}
