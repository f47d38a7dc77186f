/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/pipeline/lsobs-worker-private.h"

G_BEGIN_DECLS

/* The workers of this process that leave: their observers are gone, and they send what still waits.
 * Only a few leave at the same time: if there are more, the oldest one stops at once. A forked
 * child does not see those of its parent. Thread-safe. */

typedef struct _LsobsLeavingStop LsobsLeavingStop;

void _lsobs_leaving_list_add (LsobsWorker *worker, gint64 deadline, gint64 stop_deadline);
gboolean _lsobs_leaving_list_has (LsobsWorker *worker);

LsobsLeavingStop *_lsobs_leaving_stop_new (const gint64 *timeout);
gboolean _lsobs_leaving_stop_take_turn (LsobsLeavingStop *self);
void _lsobs_leaving_stop_begin (LsobsLeavingStop *self);
guint64 _lsobs_leaving_stop_end (LsobsLeavingStop *self);

G_END_DECLS
