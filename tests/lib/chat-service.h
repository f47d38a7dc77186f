/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A service of a model, on 127.0.0.1 in the default main context, whose answers come as the test
 * says: one request at a time. */

#pragma once

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

G_BEGIN_DECLS

typedef struct _ChatService ChatService;

ChatService *chat_service_new (void);
void chat_service_free (ChatService *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChatService, chat_service_free)

/* (transfer full): the base of the addresses, "http://127.0.0.1:PORT/v1" */
char *chat_service_dup_url (ChatService *self);

/* Waits for the next request for a completion, which the other functions then answer. Returns its
 * body (transfer none), valid until the next one. */
JsonObject *chat_service_wait_request (ChatService *self);
/* Begins a stream of events. */
void chat_service_begin (ChatService *self);
/* Sends these bytes as they are, in pieces of so many bytes. */
void chat_service_send (ChatService *self, const char *text, gsize piece);
/* Ends the stream. */
void chat_service_end (ChatService *self);
/* Answers with another status than 200. */
void chat_service_refuse (ChatService *self, guint status, const char *body);
/* Waits until the client has closed the connection. */
void chat_service_wait_closed (ChatService *self);

G_END_DECLS
