/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is printed to: a terminal, with its columns and colours, or a file. */

#pragma once

#include <stdio.h>

#include <glib.h>

G_BEGIN_DECLS

/* The columns of what is no terminal and has none in COLUMNS. */
#define SCREEN_COLUMNS 120

typedef enum
{
  SCREEN_PLAIN,
  SCREEN_STRONG,
  SCREEN_FAINT,
  SCREEN_GOOD,
  SCREEN_BAD,
  SCREEN_BUSY
} ScreenStyle;

typedef struct
{
  guint columns;
  gboolean colours;
} Screen;

/* Colours are for terminals, unless NO_COLOR is set, or TERM is "dumb". */
void screen_init (Screen *self, FILE *file);
/* What is appended after this has a style, until SCREEN_PLAIN. */
void screen_append_style (const Screen *self, GString *out, ScreenStyle style);
/* Appends a text of our own in a style. */
void screen_append (const Screen *self, GString *out, ScreenStyle style, const char *text);
/* Prints in the charset of the locale, and flushes. */
void screen_print (FILE *file, const char *text);

G_END_DECLS
