/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/pipeline/lsobs-worker-private.h"

G_BEGIN_DECLS

/* The end of a worker, in two steps, so that several workers stop at the same time. Thread-safe. In
 * the context, what the first step began goes on like this:
 *
 * 1. cancel: the cancellable of all batches is cancelled. Without a directory for lost batches,
 *    all that is not under way is lost now.
 * 2. grace: batches under way get a moment to end. In the program's context, only as long as the
 *    stopping thread may run it.
 * 3. finish: what is left is written to disk, as far as there is time, and lost; the transport is
 *    closed; the state is stopped. */
gboolean _lsobs_worker_begin_stop (LsobsWorker *self, gint64 deadline);
void _lsobs_worker_end_stop (LsobsWorker *self, gint64 began);
void _lsobs_worker_stop_later (LsobsWorker *self, gint64 deadline);
gboolean _lsobs_worker_stop_now (LsobsWorker *self);
void _lsobs_worker_give_up (LsobsWorker *self);

G_END_DECLS
