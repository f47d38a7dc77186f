/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/pipeline/lsobs-worker-private.h"

G_BEGIN_DECLS

/* A worker that no observer has any more leaves: it sends what waits, up to a deadline, and then
 * stops, and no thread waits for it. Thread-safe. */

typedef void (*LsobsWorkerLeftFunc) (LsobsWorker *self);

gboolean _lsobs_worker_leave (LsobsWorker *self,
                              gint64 deadline,
                              gint64 stop_deadline,
                              LsobsWorkerLeftFunc left);
void _lsobs_worker_begin_leave (LsobsWorker *self);
void _lsobs_worker_hasten_leave (LsobsWorker *self);
gboolean _lsobs_worker_is_leaving (LsobsWorker *self);

G_END_DECLS
