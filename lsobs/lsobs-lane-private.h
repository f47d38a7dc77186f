/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-counters-private.h"
#include "lsobs/lsobs-settings-private.h"
#include "lsobs/lsobs-transport.h"

G_BEGIN_DECLS

/* One of the places that runs are written to: what an exporter keeps of it in every
 * process that it lives in. */
typedef struct
{
  LsobsSettings *settings;   /* (owned) */
  LsobsCounters *counters;   /* (owned) the books of this place */
  LsobsTransport *transport; /* (owned) */
} LsobsLane;

GPtrArray *_lsobs_lanes_new (LsobsConfig *config,
                             LsobsTransport *transport,
                             LsobsCounters *counters,
                             GError **error);
void _lsobs_lane_refuse_foreign (LsobsLane *self);
void _lsobs_lane_write_off_fork (LsobsLane *self);

G_END_DECLS
