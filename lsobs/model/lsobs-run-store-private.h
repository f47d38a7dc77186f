/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-run-store.h"
#include "lsobs/model/lsobs-annotations-private.h"
#include "lsobs/model/lsobs-run-info-private.h"

G_BEGIN_DECLS

void _lsobs_run_store_set_info (LsobsRunStore *self, const char *id, LsobsRunInfo *info);
LsobsRunInfo *_lsobs_run_store_dup_info (LsobsRunStore *self, const char *id);

LsobsAnnotations *_lsobs_run_store_dup_annotations (LsobsRunStore *self,
                                                    const char *id,
                                                    gboolean add,
                                                    gboolean *forgotten);
void _lsobs_run_store_set_annotations_size (LsobsRunStore *self, const char *id, gsize n_bytes);
void _lsobs_run_store_finish (LsobsRunStore *self, const LsobsId *id);
gboolean _lsobs_run_store_has_finished (LsobsRunStore *self, const char *id);

G_END_DECLS
