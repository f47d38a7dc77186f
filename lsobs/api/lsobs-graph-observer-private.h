/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/api/lsobs-node-table-private.h"
#include "lsobs/lsobs-graph-observer.h"

G_BEGIN_DECLS

/* Returns: (transfer none) (nullable): the table of the open nodes, or %NULL to ignore the call */
typedef LsobsNodeTable *(*LsobsPeekNodeTableFunc) (LsobsGraphObserver *self);

void _lsobs_graph_observer_implement (LsobsGraphObserverInterface *iface,
                                      LsobsPeekNodeTableFunc peek);

G_END_DECLS
