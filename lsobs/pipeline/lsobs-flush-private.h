/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-flush-stats.h"
#include "lsobs/pipeline/lsobs-delivery-private.h"

G_BEGIN_DECLS

/* One flush of several pipes: all of them are told at once, and share one deadline.
 * The pipes must live until it has ended. */
gboolean _lsobs_flush_run (LsobsDelivery *const *pipes,
                           guint n_pipes,
                           gint64 timeout,
                           gboolean settle,
                           LsobsFlushStats *stats,
                           GError **error);
void _lsobs_flush_run_task (LsobsDelivery *const *pipes,
                            guint n_pipes,
                            gint64 timeout,
                            GTask *task);
gboolean _lsobs_flush_settle (LsobsDelivery *const *pipes, guint n_pipes, gint64 deadline);
LsobsFlushStats *_lsobs_flush_peek_task_stats (GTask *task);

G_END_DECLS
