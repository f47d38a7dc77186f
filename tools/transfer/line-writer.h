/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lines of JSON that say what a store has: one object in each, which has a member "kind" first.
 *
 *   project     id, name, description, extra, start_time, end_time
 *   run         the members of LangSmith's runs, and session_name; "update" is true if its start has not come
 *   attachment  run_id, name, mime_type, size, sha256, and either file, a name in a folder, or data in Base64
 *   feedback    the members of LangSmith's feedback
 *
 * What belongs to a run follows it. line-import.h reads the lines. */

#pragma once

#include "tools/transfer/attachment-folder.h"
#include "tools/transfer/output-file.h"

#include "tools/store/project.h"
#include "tools/store/run.h"

G_BEGIN_DECLS

typedef struct
{
  gint64 n_projects;
  gint64 n_runs;
  gint64 n_attachments;
  gint64 n_feedback;
} LineCount;

typedef struct _LineWriter LineWriter;

/* @folder: (nullable) (transfer none): for attachments; NULL: they are in the lines
 * @output: (transfer none) */
LineWriter *line_writer_new (Store *store, OutputFile *output, AttachmentFolder *folder);
void line_writer_free (LineWriter *self);

/* Writes projects, with runs or without: the one with this seq, or all if it is 0. */
gboolean line_writer_put_projects (LineWriter *self, gint64 seq, GError **error);
/* Writes a run, and what belongs to it; its project before it, unless that was written. */
gboolean line_writer_put_run (LineWriter *self, const LsobsId *id, GError **error);
/* Writes feedback and attachments whose run is not in the store. */
gboolean line_writer_put_orphans (LineWriter *self, GError **error);

const LineCount *line_writer_get_count (LineWriter *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LineWriter, line_writer_free)

G_END_DECLS
