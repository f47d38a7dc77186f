/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/spool/lsobs-failed-trace-private.h"

G_BEGIN_DECLS

/* Writes failed traces into a folder: a spool, or one of lost batches. A thread writes, as long as
 * there are any, so that no other thread waits for the disk. The traces that wait are bounded, and so
 * are the files in the folder. Thread-safe; belongs to the process that made it. */
typedef struct _LsobsSpoolWriter LsobsSpoolWriter;

/* Called once, without a lock, in the thread that writes, or inside the push.
 * @written: whether the file is there */
typedef void (*LsobsSpoolWriterFunc) (gpointer data, gboolean written);

LsobsSpoolWriter *_lsobs_spool_writer_new (const char *path,
                                           gint64 max_bytes,
                                           LsobsCounters *counters);
LsobsSpoolWriter *_lsobs_spool_writer_new_for_spool (LsobsSettings *settings,
                                                     LsobsCounters *counters,
                                                     LsobsSpoolWriter *rest);
void _lsobs_spool_writer_unref (LsobsSpoolWriter *self);
gboolean _lsobs_spool_writer_is_forked (LsobsSpoolWriter *self);

void _lsobs_spool_writer_push (LsobsSpoolWriter *self,
                               LsobsFailedTrace *trace,
                               guint n_records,
                               LsobsSpoolWriterFunc func,
                               gpointer data);
gboolean _lsobs_spool_writer_has_room (LsobsSpoolWriter *self);
gboolean _lsobs_spool_writer_wait_room (LsobsSpoolWriter *self, gint64 deadline);
gboolean _lsobs_spool_writer_wait (LsobsSpoolWriter *self, gint64 deadline);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsSpoolWriter, _lsobs_spool_writer_unref)

G_END_DECLS
