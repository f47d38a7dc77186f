/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/lsobs-exporter.h"
#include "lsobs/pipeline/lsobs-dispatcher-private.h"
#include "lsobs/pipeline/lsobs-lineage-private.h"
#include "lsobs/pipeline/lsobs-notifier-private.h"

G_BEGIN_DECLS

/* The construct-only properties that exporter and observer have in common. Their numbers are the
 * first ones of both classes. */
typedef enum
{
  LSOBS_EXPORTER_PROP_CONFIG = 1,
  LSOBS_EXPORTER_PROP_TRANSPORT,
  LSOBS_EXPORTER_PROP_MAIN_CONTEXT,
  LSOBS_EXPORTER_N_PROPS
} LsobsExporterProperty;

/* The values of these properties. */
typedef struct
{
  LsobsConfig *config;       /* (owned) (nullable) until the object is initialised */
  LsobsTransport *transport; /* (owned) (nullable) */
  GMainContext *context;     /* (owned) (nullable) */
} LsobsExporterValues;

void _lsobs_exporter_values_install (GParamSpec **specs, GParamFlags transport_access);
gboolean _lsobs_exporter_values_set (LsobsExporterValues *self, guint prop_id, const GValue *value);
void _lsobs_exporter_values_clear (LsobsExporterValues *self);

LsobsExporter *_lsobs_exporter_hold (LsobsExporter *self);
void _lsobs_exporter_release (LsobsExporter *self);
LsobsSettings *_lsobs_exporter_peek_settings (LsobsExporter *self);
GPtrArray *_lsobs_exporter_peek_destinations (LsobsExporter *self);
LsobsCounters *_lsobs_exporter_peek_counters (LsobsExporter *self);
LsobsLineage *_lsobs_exporter_peek_lineage (LsobsExporter *self);
void _lsobs_exporter_end_lineage (LsobsExporter *self);
void _lsobs_exporter_join_lineage (LsobsExporter *self, LsobsLineage *lineage);
LsobsDispatcher *_lsobs_exporter_get_dispatcher (LsobsExporter *self);
void _lsobs_exporter_set_notifier (LsobsExporter *self, LsobsNotifier *notifier);

G_END_DECLS
