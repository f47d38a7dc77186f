/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/http/lsobs-lost-request-private.h"

G_BEGIN_DECLS

/* Writes lost requests into a directory. A thread writes, as long as there are requests, so that no
 * other thread waits for the disk. The requests that wait are bounded, and so are the files in the
 * directory. Thread-safe; belongs to the process that made it. */
typedef struct _LsobsDump LsobsDump;

LsobsDump *_lsobs_dump_new (const char *path, gint64 max_bytes, LsobsCounters *counters);
LsobsDump *_lsobs_dump_ref (LsobsDump *self);
void _lsobs_dump_unref (LsobsDump *self);
gboolean _lsobs_dump_is_foreign (LsobsDump *self);

void _lsobs_dump_take (LsobsDump *self, LsobsLostRequest *request, guint n_records);
gboolean _lsobs_dump_wait (LsobsDump *self, gint64 deadline);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsDump, _lsobs_dump_unref)

G_END_DECLS
