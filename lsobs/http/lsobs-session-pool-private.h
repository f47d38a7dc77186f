/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsoup/soup.h>

G_BEGIN_DECLS

/* The sessions of a service. Each has one message at a time, and so one connection in use: when an
 * HTTP/2 connection with several messages fails, libsoup 3.2 loses some of them. Used only in the
 * context that sends. */
typedef struct _LsobsSessionPool LsobsSessionPool;

LsobsSessionPool *_lsobs_session_pool_new (GSource *waker);
void _lsobs_session_pool_free (LsobsSessionPool *self);
SoupSession *_lsobs_session_pool_peek_idle (LsobsSessionPool *self);
void _lsobs_session_pool_add (LsobsSessionPool *self, SoupSession *session);
void _lsobs_session_pool_foreach (LsobsSessionPool *self, GFunc func, gpointer user_data);
void _lsobs_session_pool_set_stop (SoupSession *session, GSource *stop);
void _lsobs_session_pool_abort (LsobsSessionPool *self);
gboolean _lsobs_session_pool_is_quiet (LsobsSessionPool *self);
gboolean _lsobs_session_pool_break (SoupSession *session);
gboolean _lsobs_session_pool_is_dead (SoupSession *session);
void _lsobs_session_pool_abandon (SoupSession *session);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsSessionPool, _lsobs_session_pool_free)

G_END_DECLS
