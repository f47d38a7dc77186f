/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/http/lsobs-failed-trace-private.h"

G_BEGIN_DECLS

/* Writes failed traces into a directory. A thread writes, as long as there are any, so that no
 * other thread waits for the disk. The traces that wait are bounded, and so are the files in the
 * directory. Thread-safe; belongs to the process that made it. */
typedef struct _LsobsFailedTraceWriter LsobsFailedTraceWriter;

LsobsFailedTraceWriter *_lsobs_failed_trace_writer_new (const char *path,
                                                        gint64 max_bytes,
                                                        LsobsCounters *counters);
void _lsobs_failed_trace_writer_unref (LsobsFailedTraceWriter *self);
gboolean _lsobs_failed_trace_writer_is_forked (LsobsFailedTraceWriter *self);

void _lsobs_failed_trace_writer_push (LsobsFailedTraceWriter *self,
                                      LsobsFailedTrace *trace,
                                      guint n_records);
gboolean _lsobs_failed_trace_writer_wait (LsobsFailedTraceWriter *self, gint64 deadline);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsFailedTraceWriter, _lsobs_failed_trace_writer_unref)

G_END_DECLS
