/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsoup/soup.h>

G_BEGIN_DECLS

/* Closes connections whose peer has vanished. Used only in the context that sends. */

/* How long a peer may leave sent data without acknowledgement, in ms. */
#define LSOBS_CONNECTION_WATCH_TIMEOUT 7000

void _lsobs_connection_watch_start (SoupSession *session);
void _lsobs_connection_watch_prune (SoupSession *session);
void _lsobs_connection_watch_stop (SoupSession *session);

G_END_DECLS
