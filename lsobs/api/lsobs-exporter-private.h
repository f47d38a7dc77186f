/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/core/lsobs-counters-private.h"
#include "lsobs/lsobs-exporter.h"
#include "lsobs/model/lsobs-record-private.h"
#include "lsobs/pipeline/lsobs-notifier-private.h"

G_BEGIN_DECLS

LsobsSettings *_lsobs_exporter_peek_settings (LsobsExporter *self);
LsobsCounters *_lsobs_exporter_peek_counters (LsobsExporter *self);
void _lsobs_exporter_set_notifier (LsobsExporter *self, LsobsNotifier *notifier);
void _lsobs_exporter_push (LsobsExporter *self, LsobsRecord *record);
void _lsobs_exporter_push_late (LsobsExporter *self, LsobsRecord *record);
gboolean _lsobs_exporter_take_feedback (LsobsExporter *self,
                                        LsobsFeedback *feedback,
                                        GError **error);
gboolean _lsobs_exporter_attach (LsobsExporter *self,
                                 LsobsRunInfo *info,
                                 LsobsAttachment *attachment);

G_END_DECLS
