/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Keeps the connections of a service few, so that those who open many, and send a byte now and then, keep
 * nobody else off. There is no limit of time, which would wake up an idle service: when there are too many
 * connections, a new one takes the place of the one that matters least. */

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
