/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Makes text from any source safe for a terminal, and measures it in columns. */

#pragma once

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* No limit of columns. */
#define PLAIN_TEXT_ALL G_MAXUINT

/* The columns that a text takes once it is appended by plain_text_append (). */
guint plain_text_measure (const char *text);

/* Appends a text in one line of @columns at most. White space becomes single spaces. Control characters, and
 * those that change the direction of text or are invisible, become U+FFFD. What is longer ends in "…".
 * Returns: the columns that were taken */
guint plain_text_append (GString *out, const char *text, guint columns);

/* Appends a text line by line. Lines that are wider than @columns are broken, between words if
 * possible. Several spaces in a line stay.
 * @indent: (nullable): is put before each line
 * @lines: how many are appended at most; if there are more, a line “…” follows */
void plain_text_append_lines (GString *out,
                              const char *text,
                              const char *indent,
                              guint columns,
                              guint lines);

/* Appends JSON in which those characters are escapes of JSON, so that it is the same JSON.
 * @json: valid, in UTF-8 */
void plain_text_put_json (LsobsBuffer *out, const char *json, gsize len);

G_END_DECLS
