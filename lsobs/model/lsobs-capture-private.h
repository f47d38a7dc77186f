/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-stats-private.h"

G_BEGIN_DECLS

/* Payloads as JSON text that does not change. A payload larger than @max_bytes is replaced by
 * an object that says so. */
GBytes *_lsobs_capture_node (JsonNode *node, gsize max_bytes, LsobsCounters *counters);
GBytes *_lsobs_capture_node_measuring (JsonNode *node,
                                       gsize max_bytes,
                                       LsobsCounters *counters,
                                       guint *string_bound);
GBytes *_lsobs_capture_bytes (GBytes *json, gsize max_bytes, LsobsCounters *counters);

G_END_DECLS
