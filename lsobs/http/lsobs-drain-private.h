/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/transport/lsobs-transport-private.h"

G_BEGIN_DECLS

/* Sends the spool of a destination in a thread of its own, one replay at a time. Thread-safe;
 * belongs to the process that made it. */
typedef struct _LsobsDrain LsobsDrain;

LsobsDrain *_lsobs_drain_new (LsobsSettings *settings, LsobsCounters *counters);
void _lsobs_drain_unref (LsobsDrain *self);
gboolean _lsobs_drain_is_forked (LsobsDrain *self);
void _lsobs_drain_begin (LsobsDrain *self, LsobsDrainedFunc func, gpointer data);
void _lsobs_drain_end (LsobsDrain *self, gint64 deadline);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsDrain, _lsobs_drain_unref)

G_END_DECLS
