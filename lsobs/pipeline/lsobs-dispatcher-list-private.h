/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/pipeline/lsobs-dispatcher-private.h"

G_BEGIN_DECLS

/* All dispatchers of this process. A forked child does not see those of its parent. Thread-safe. */

void _lsobs_dispatcher_list_add (LsobsDispatcher *dispatcher);
void _lsobs_dispatcher_list_remove (LsobsDispatcher *dispatcher);
gboolean _lsobs_dispatcher_list_shut_down (gint64 timeout, GError **error);
gboolean _lsobs_dispatcher_list_end (GError **error);

G_END_DECLS
