/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/lsobs-transport.h"

G_BEGIN_DECLS

/* One of the services or projects that an exporter sends to. It survives a fork: a child makes a
 * pipeline of its own for the same destination. All members but the last are constant.
 * Thread-safe. */
typedef struct
{
  LsobsSettings *settings;   /* (owned) */
  LsobsCounters *counters;   /* (owned) of this destination */
  LsobsTransport *transport; /* (owned) */
  guint epoch; /* guarded by _lsobs_fork_lock(): the process that the counters belong to */
} LsobsDestination;

GPtrArray *_lsobs_destinations_new (LsobsConfig *config,
                                    LsobsTransport *transport,
                                    LsobsCounters *counters,
                                    GError **error);
void _lsobs_destination_refuse_forked (LsobsDestination *self);
void _lsobs_destination_write_off_fork (LsobsDestination *self);

G_END_DECLS
