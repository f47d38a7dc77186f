/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/core/lsobs-counters-private.h"
#include "lsobs/lsobs-transport.h"

G_BEGIN_DECLS

/* One of the places that runs are written to: what an exporter keeps of it in every
 * process that it lives in. */
typedef struct
{
  LsobsSettings *settings;   /* (owned) */
  LsobsCounters *counters;   /* (owned) the books of this place */
  LsobsTransport *transport; /* (owned) */
} LsobsDestination;

GPtrArray *_lsobs_destinations_new (LsobsConfig *config,
                                    LsobsTransport *transport,
                                    LsobsCounters *counters,
                                    GError **error);
void _lsobs_destination_refuse_foreign (LsobsDestination *self);
void _lsobs_destination_write_off_fork (LsobsDestination *self);

G_END_DECLS
