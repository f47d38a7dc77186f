/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/pipeline/lsobs-worker-private.h"

G_BEGIN_DECLS

/* A worker leaves after the last unref of its observer: it sends the queued records until a
 * deadline, and then stops. No thread waits for it. Thread-safe. */

typedef void (*LsobsWorkerLeftFunc) (LsobsWorker *self);

gboolean _lsobs_worker_leave (LsobsWorker *self,
                              gint64 deadline,
                              gint64 stop_deadline,
                              LsobsWorkerLeftFunc left);
void _lsobs_worker_begin_leave (LsobsWorker *self);
void _lsobs_worker_hasten_leave (LsobsWorker *self);
gboolean _lsobs_worker_is_leaving (LsobsWorker *self);

G_END_DECLS
