/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tools/terminal/screen.h"

#define MIN_COLUMNS 20
#define MAX_COLUMNS 1000

static guint
get_columns (FILE *file)
{
  const char *text = g_getenv ("COLUMNS");
  struct winsize size;
  guint64 columns = 0;

  if (isatty (fileno (file)) && ioctl (fileno (file), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    columns = size.ws_col;
  else if (text != NULL && g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT, &columns, NULL))
    ;
  else
    columns = SCREEN_COLUMNS;
  return (guint) CLAMP (columns, MIN_COLUMNS, MAX_COLUMNS);
}

void
screen_init (Screen *self, FILE *file)
{
  const char *no_color = g_getenv ("NO_COLOR");
  const char *term = g_getenv ("TERM");

  self->columns = get_columns (file);
  self->colours = isatty (fileno (file)) && (no_color == NULL || *no_color == '\0') &&
                  term != NULL && strcmp (term, "dumb") != 0;
}

void
screen_append_style (const Screen *self, GString *out, ScreenStyle style)
{
  static const char *const sequences[] = { "\033[0m",  "\033[1m",  "\033[2m",
                                           "\033[32m", "\033[31m", "\033[33m" };

  if (self->colours)
    g_string_append (out, sequences[style]);
}

void
screen_append (const Screen *self, GString *out, ScreenStyle style, const char *text)
{
  screen_append_style (self, out, style);
  g_string_append (out, text);
  screen_append_style (self, out, SCREEN_PLAIN);
}

/* The replacements of our own signs for a charset that lacks them: one column each. */
static const struct
{
  gunichar sign;
  char replacement;
} signs[] = {
  { 0x2500, '-' }, /* ─ */
  { 0x2502, '|' }, /* │ */
  { 0x2514, '`' }, /* └ */
  { 0x251c, '|' }, /* ├ */
  { 0x2501, '=' }, /* ━ */
  { 0x2713, '+' }, /* ✓ */
  { 0x2717, 'x' }, /* ✗ */
  { 0x25cf, '*' }, /* ● */
  { 0x2026, '.' }, /* … */
  { 0x2192, '>' }, /* → */
};

static gboolean
has_character (GIConv converter, const char *at)
{
  g_autofree char *converted =
      g_convert_with_iconv (at, g_utf8_next_char (at) - at, converter, NULL, NULL, NULL);

  return converted != NULL;
}

/* Replaces what a charset does not have by as many columns, so that what is below each other stays so.
 * Returns: (transfer full) */
static char *
replace_characters (const char *text, const char *charset)
{
  GIConv converter = g_iconv_open (charset, "UTF-8");
  GString *out = g_string_new (NULL);

  for (const char *at = text; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);

      for (guint i = 0; i < G_N_ELEMENTS (signs); i++)
        if (signs[i].sign == c)
          c = (gunichar) signs[i].replacement;
      if (c < 0x80 || (converter != (GIConv) -1 && has_character (converter, at)))
        g_string_append_unichar (out, c);
      else if (!g_unichar_iszerowidth (c))
        g_string_append (out, g_unichar_iswide (c) ? "??" : "?");
    }
  if (converter != (GIConv) -1)
    g_iconv_close (converter);
  return g_string_free (out, FALSE);
}

void
screen_print (FILE *file, const char *text)
{
  const char *charset;
  g_autofree char *converted = NULL;

  if (!g_get_charset (&charset))
    {
      g_autofree char *replaced = replace_characters (text, charset);

      converted = g_convert_with_fallback (replaced, -1, charset, "UTF-8", "?", NULL, NULL, NULL);
    }
  fputs (converted != NULL ? converted : text, file);
  fflush (file);
}
