/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/model/lsobs-record-private.h"

G_BEGIN_DECLS

/* Has the program's function redact what leaves. Stateless, made where it is needed.
 * Thread-safe. */
typedef struct
{
  LsobsSettings *settings; /* (unowned) */
  LsobsCounters *counters; /* (unowned) */
  const int *abandoned;    /* (unowned) (atomic) (nullable) gboolean: the record is lost already,
                            * so the function is not called for its other fields */
} LsobsRecordHook;

void _lsobs_record_hook_run (const LsobsRecordHook *self, LsobsRecord *record);
JsonNode *_lsobs_record_hook_pass (const LsobsRecordHook *self,
                                   const char *field,
                                   GBytes *json,
                                   JsonNodeType type);

G_END_DECLS
