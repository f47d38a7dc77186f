/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/pipeline/lsobs-dispatcher-private.h"

G_BEGIN_DECLS

/* The dispatchers that one observer has had, one after the other: each new config of the observer
 * replaces the dispatcher. Those that are replaced are retired: they take records of runs that began
 * with them, as long as the program has such runs, and leave then. Their records go on counting.
 * Thread-safe. */
typedef struct _LsobsLineage LsobsLineage;

LsobsLineage *_lsobs_lineage_new (gboolean tracing);
LsobsLineage *_lsobs_lineage_ref (LsobsLineage *self);
void _lsobs_lineage_unref (LsobsLineage *self);

gboolean _lsobs_lineage_is_tracing (LsobsLineage *self);
void _lsobs_lineage_set_tracing (LsobsLineage *self, gboolean tracing);

void _lsobs_lineage_close (LsobsLineage *self);
gboolean _lsobs_lineage_is_closed_unlocked (LsobsLineage *self);
void _lsobs_lineage_retire_unlocked (LsobsLineage *self, LsobsDispatcher *dispatcher);
void _lsobs_lineage_forget_finished (LsobsLineage *self);
GPtrArray *_lsobs_lineage_dup_dispatchers (LsobsLineage *self, LsobsDispatcher *current);
void _lsobs_lineage_add_stats (LsobsLineage *self, LsobsDispatcher *current, LsobsStats *sum);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsLineage, _lsobs_lineage_unref)

G_END_DECLS
