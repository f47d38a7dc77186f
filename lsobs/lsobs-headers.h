/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-observer.h>

G_BEGIN_DECLS

LSOBS_AVAILABLE_IN_0_1
void lsobs_run_propagate_metadata (LsobsRun *self, const char *key);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_propagate_tags (LsobsRun *self);
LSOBS_AVAILABLE_IN_0_1
GHashTable *lsobs_run_to_headers (LsobsRun *self);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_observer_start_run_from_headers (LsobsObserver *self,
                                                 GHashTable *headers,
                                                 const char *name,
                                                 LsobsRunType run_type,
                                                 JsonNode *inputs);

G_END_DECLS
