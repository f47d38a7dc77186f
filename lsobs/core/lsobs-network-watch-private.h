/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Tells when the network of the machine has changed, from a thread of its own. Where that
 * cannot be known, it says nothing. */
typedef struct _LsobsNetworkWatch LsobsNetworkWatch;

/* Called in the thread of the watch. */
typedef void (*LsobsNetworkWatchFunc) (gpointer user_data);

LsobsNetworkWatch *_lsobs_network_watch_new (LsobsNetworkWatchFunc func, gpointer user_data);
void _lsobs_network_watch_free (LsobsNetworkWatch *self);

G_END_DECLS
