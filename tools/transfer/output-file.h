/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a command writes: standard output, or a file that is there whole, or not at all. */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _OutputFile OutputFile;

/* @path: (nullable): NULL for standard output. A file is written beside it, with mode 0600, and replaces it at
 *   the end. What is no regular file, such as a pipe, is written to directly. */
OutputFile *output_file_new (const char *path, GError **error);
/* Throws away what was written, unless output_file_finish () was called. */
void output_file_free (OutputFile *self);
gboolean output_file_write (OutputFile *self, const char *data, gsize len, GError **error);
/* Writes all to the disk, and gives the file its name. */
gboolean output_file_finish (OutputFile *self, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (OutputFile, output_file_free)

G_END_DECLS
