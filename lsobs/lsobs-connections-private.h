/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsoup/soup.h>

G_BEGIN_DECLS

/* The connections of a session, as far as libsoup gives no access to them. All functions are
 * called in the thread that uses the session, and know a connection by a message on it. */
void _lsobs_connections_add (SoupSession *session, SoupMessage *message, GIOStream *stream);
void _lsobs_connections_note_answer (SoupSession *session, SoupMessage *message);
gboolean _lsobs_connections_is_silent (SoupSession *session, SoupMessage *message, gint64 since);
gboolean _lsobs_connections_break (SoupSession *session, SoupMessage *message);
void _lsobs_connections_note_left (SoupSession *session, SoupMessage *message);
void _lsobs_connections_break_left (SoupSession *session);
gboolean _lsobs_connections_has_open (SoupSession *session);

G_END_DECLS
