/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lines of a file, or of standard input, one after the other. */

#pragma once

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* A longer line is refused; the next one is read. */
#define LINE_SOURCE_MAX ((gsize) 256 << 20)

typedef struct _LineSource LineSource;

/* @path: (nullable): NULL for standard input */
LineSource *line_source_new (const char *path, GError **error);
void line_source_free (LineSource *self);

typedef enum
{
  LINE_READ,
  LINE_TOO_LONG,
  LINE_END,
  LINE_FAILED /* with an error */
} LineResult;

/* @line: (out) (transfer none): without its end, and with a NUL behind it */
LineResult line_source_next (LineSource *self, const char **line, gsize *len, GError **error);
/* Returns: of the line that was read last, from 1 */
guint64 line_source_get_number (LineSource *self);
/* Returns: whether the next line is in memory already: to read it does not wait */
gboolean line_source_has_line (LineSource *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LineSource, line_source_free)

G_END_DECLS
