/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Limits how many connections a service has, so that clients that open many of them, and send little, do not
 * keep other clients out. There is no time limit, because a timer would wake up an idle service. When the limit
 * is reached, the guard closes the oldest connection without the token to make room for a new one. */

#pragma once

#include <libsoup/soup.h>

G_BEGIN_DECLS

typedef struct _Guard Guard;

/* @server: it has to be freed before the guard */
Guard *guard_new (SoupServer *server);
void guard_free (Guard *self);
/* The sender of this request has the token: its connection is the last to be closed, and is not closed before
 * the request has its answer. */
void guard_trust (Guard *self, SoupServerMessage *message);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Guard, guard_free)

G_END_DECLS
