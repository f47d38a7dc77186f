/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Reports changes of the machine's network. It has a thread of its own. On systems on which
 * GLib cannot monitor the network it reports nothing. */
typedef struct _LsobsNetworkWatch LsobsNetworkWatch;

/* Called in the thread of the watch when the network has changed and is available. */
typedef void (*LsobsNetworkWatchFunc) (gpointer user_data);

LsobsNetworkWatch *_lsobs_network_watch_new (LsobsNetworkWatchFunc func, gpointer user_data);
void _lsobs_network_watch_free (LsobsNetworkWatch *self);

G_END_DECLS
