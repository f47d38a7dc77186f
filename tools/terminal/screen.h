/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The output: a terminal, with its columns and colours, or a file. */

#pragma once

#include <stdio.h>

#include <glib.h>

G_BEGIN_DECLS

/* The columns of an output that is no terminal, if COLUMNS does not set them. */
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
/* Begins a style for the text that follows. SCREEN_PLAIN ends it. */
void screen_append_style (const Screen *self, GString *out, ScreenStyle style);
/* Appends a text of our own in a style. */
void screen_append (const Screen *self, GString *out, ScreenStyle style, const char *text);
/* Prints in the charset of the locale, and flushes. */
void screen_print (FILE *file, const char *text);

G_END_DECLS
