/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-run-event.h>

G_BEGIN_DECLS

#define LSOBS_TYPE_BATCH (lsobs_batch_get_type ())

/**
 * LsobsBatch:
 *
 * Records that are sent together, as they leave the process: redacted, cut and complete. It is
 * immutable.
 *
 * Since: 0.1
 */
typedef struct _LsobsBatch LsobsBatch;

LSOBS_AVAILABLE_IN_0_1
GType lsobs_batch_get_type (void);
LSOBS_AVAILABLE_IN_0_1
LsobsBatch *lsobs_batch_new_from_json (LsobsRunEventKind kind,
                                       GBytes *json,
                                       LsobsRunEvent *attachments,
                                       GError **error);
LSOBS_AVAILABLE_IN_0_1
LsobsBatch *lsobs_batch_new_joined (LsobsBatch **batches, guint n_batches);
LSOBS_AVAILABLE_IN_0_1
LsobsBatch *lsobs_batch_ref (LsobsBatch *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_batch_unref (LsobsBatch *self);
LSOBS_AVAILABLE_IN_0_1
guint lsobs_batch_get_n_records (LsobsBatch *self);
LSOBS_AVAILABLE_IN_0_1
gsize lsobs_batch_get_n_bytes (LsobsBatch *self);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_batch_is_probe (LsobsBatch *self);
LSOBS_AVAILABLE_IN_0_1
LsobsRunEventKind lsobs_batch_get_record_kind (LsobsBatch *self, guint index);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_batch_get_record_id (LsobsBatch *self, guint index);
LSOBS_AVAILABLE_IN_0_1
GBytes *lsobs_batch_get_record_json (LsobsBatch *self, guint index);
LSOBS_AVAILABLE_IN_0_1
LsobsRunEvent *lsobs_batch_dup_event (LsobsBatch *self, guint index);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsBatch, lsobs_batch_unref)

G_END_DECLS
