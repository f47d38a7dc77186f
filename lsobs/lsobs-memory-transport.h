/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-transport.h>

G_BEGIN_DECLS

#define LSOBS_TYPE_MEMORY_TRANSPORT (lsobs_memory_transport_get_type ())

/**
 * LsobsMemoryTransport:
 *
 * A transport that keeps the batches in memory.
 *
 * Since: 0.1
 */
LSOBS_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (LsobsMemoryTransport,
                      lsobs_memory_transport,
                      LSOBS,
                      MEMORY_TRANSPORT,
                      GObject)

LSOBS_AVAILABLE_IN_0_1
LsobsMemoryTransport *lsobs_memory_transport_new (void);
LSOBS_AVAILABLE_IN_0_1
GPtrArray *lsobs_memory_transport_dup_events (LsobsMemoryTransport *self);
LSOBS_AVAILABLE_IN_0_1
guint lsobs_memory_transport_get_n_batches (LsobsMemoryTransport *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_memory_transport_fail_next (LsobsMemoryTransport *self,
                                       guint n_batches,
                                       const GError *error);
LSOBS_AVAILABLE_IN_0_1
void lsobs_memory_transport_reject_run (LsobsMemoryTransport *self, const char *run_name);
LSOBS_AVAILABLE_IN_0_1
void lsobs_memory_transport_set_delay (LsobsMemoryTransport *self, guint delay);
LSOBS_AVAILABLE_IN_0_1
void lsobs_memory_transport_clear (LsobsMemoryTransport *self);

G_END_DECLS
