/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reads the lines that line-writer.h describes, and runs as LangSmith's API and its exports give them, which
 * have no "kind". What the store has already stays, and gets what it lacks: to import twice is to import once. */

#pragma once

#include "tools/transfer/attachment-folder.h"
#include "tools/transfer/line-writer.h"

G_BEGIN_DECLS

typedef struct
{
  Store *store;             /* (unowned) */
  AttachmentFolder *folder; /* (unowned) (nullable) where the files are that lines name */
  const char
      *project;    /* (unowned) (nullable) the name of the project in place of those of the lines */
  LineCount count; /* of what was read */
  gint64 n_new_runs; /* of them: those that the store had not */
} LineImport;

/* Brings what a line says into the store, in a transaction. What it has written stays if it fails: call it in
 * a part. Fails with STORE_ERROR_INVALID, or an error of another domain, if the line is wrong. */
gboolean line_import_take (LineImport *self, const char *line, gsize len, GError **error);

G_END_DECLS
