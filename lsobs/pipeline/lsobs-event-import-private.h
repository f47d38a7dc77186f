/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/core/lsobs-counters-private.h"
#include "lsobs/lsobs-run-event.h"
#include "lsobs/model/lsobs-record-private.h"
#include "lsobs/model/lsobs-run-store-private.h"

G_BEGIN_DECLS

/* Makes records of events that name their runs by id. */
gboolean _lsobs_event_import_take (LsobsSettings *settings,
                                   LsobsCounters *counters,
                                   LsobsRunStore *store,
                                   LsobsRunEvent *event,
                                   LsobsRecord **record,
                                   gboolean *late,
                                   GError **error);
gboolean _lsobs_event_import_take_feedback (LsobsSettings *settings,
                                            LsobsCounters *counters,
                                            LsobsRunStore *store,
                                            LsobsFeedback *feedback,
                                            GObject *exporter,
                                            LsobsRecord **record,
                                            GError **error);

G_END_DECLS
