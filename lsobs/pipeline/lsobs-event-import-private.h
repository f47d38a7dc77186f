/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/lsobs-run-event.h"
#include "lsobs/model/lsobs-record-private.h"
#include "lsobs/model/lsobs-run-store-private.h"

G_BEGIN_DECLS

/* Makes records of events that the program reports by run id, without a handle. The members are
 * constant, and set by the owner. Thread-safe. */
typedef struct
{
  LsobsSettings *settings; /* (owned) of the first destination */
  LsobsCounters *counters; /* (owned) of what concerns no single destination */
  LsobsRunStore *store;    /* (owned) */
} LsobsEventImport;

gboolean _lsobs_event_import_take (LsobsEventImport *self,
                                   LsobsRunEvent *event,
                                   LsobsRecord **record,
                                   gboolean *late,
                                   GError **error);
gboolean _lsobs_event_import_take_feedback (LsobsEventImport *self,
                                            LsobsFeedback *feedback,
                                            GObject *exporter,
                                            LsobsRecord **record,
                                            GError **error);

G_END_DECLS
