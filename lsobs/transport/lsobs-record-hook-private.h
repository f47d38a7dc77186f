/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/core/lsobs-counters-private.h"
#include "lsobs/model/lsobs-record-private.h"

G_BEGIN_DECLS

void _lsobs_record_run_hook (LsobsRecord *self, LsobsSettings *settings, LsobsCounters *counters);
JsonNode *_lsobs_record_pass_by_hook (LsobsSettings *settings,
                                      LsobsCounters *counters,
                                      const char *field,
                                      GBytes *json,
                                      JsonNodeType type);

G_END_DECLS
