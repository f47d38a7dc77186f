/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>
#include <sys/socket.h>

#include "tests/lib/chat-service.h"
#include "tests/lib/test-utils.h"

struct _ChatService
{
  SoupServer *server;         /* (owned) */
  SoupServerMessage *message; /* (owned) (nullable) the request that is answered */
  JsonNode *body;             /* (owned) (nullable) of it */
  GSocket *socket;            /* (owned) (nullable) of it */
  GQueue waiting;             /* (element-type SoupServerMessage) (owned) */
};

static void
request_cb (SoupServer *server G_GNUC_UNUSED,
            SoupServerMessage *message,
            const char *path G_GNUC_UNUSED,
            GHashTable *query G_GNUC_UNUSED,
            gpointer user_data)
{
  ChatService *self = user_data;

  soup_server_message_pause (message);
  g_queue_push_tail (&self->waiting, g_object_ref (message));
}

ChatService *
chat_service_new (void)
{
  ChatService *self = g_new0 (ChatService, 1);
  g_autoptr (GError) error = NULL;

  g_queue_init (&self->waiting);
  self->server = soup_server_new (NULL, NULL);
  soup_server_add_handler (self->server, "/v1/chat/completions", request_cb, self, NULL);
  soup_server_listen_local (self->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
  return self;
}

static void
drop_message (ChatService *self)
{
  g_clear_object (&self->message);
  g_clear_object (&self->socket);
  g_clear_pointer (&self->body, json_node_unref);
}

void
chat_service_free (ChatService *self)
{
  drop_message (self);
  soup_server_disconnect (self->server);
  g_queue_clear_full (&self->waiting, g_object_unref);
  g_object_unref (self->server);
  g_free (self);
}

char *
chat_service_dup_url (ChatService *self)
{
  g_autoslist (GUri) uris = soup_server_get_uris (self->server);

  return g_strdup_printf ("http://127.0.0.1:%d/v1", g_uri_get_port (uris->data));
}

static gboolean
is_waiting (gpointer data)
{
  ChatService *self = data;

  return !g_queue_is_empty (&self->waiting);
}

JsonObject *
chat_service_wait_request (ChatService *self)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (test_wait_until (is_waiting, self, TEST_TIMEOUT_MS));
  drop_message (self);
  self->message = g_queue_pop_head (&self->waiting);
  g_set_object (&self->socket, soup_server_message_get_socket (self->message));
  bytes = soup_message_body_flatten (soup_server_message_get_request_body (self->message));
  text = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  self->body = json_from_string (text, &error);
  g_assert_no_error (error);
  return json_node_get_object (self->body);
}

void
chat_service_begin (ChatService *self)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (self->message);

  soup_server_message_set_status (self->message, SOUP_STATUS_OK, NULL);
  soup_message_headers_set_encoding (headers, SOUP_ENCODING_CHUNKED);
  soup_message_headers_replace (headers, "Content-Type", "text/event-stream");
  soup_server_message_unpause (self->message);
}

void
chat_service_send (ChatService *self, const char *text, gsize piece)
{
  SoupMessageBody *body = soup_server_message_get_response_body (self->message);
  gsize length = strlen (text);

  for (gsize i = 0; i < length; i += piece)
    soup_message_body_append (body, SOUP_MEMORY_COPY, text + i, MIN (piece, length - i));
  soup_server_message_unpause (self->message);
}

void
chat_service_end (ChatService *self)
{
  soup_message_body_complete (soup_server_message_get_response_body (self->message));
  soup_server_message_unpause (self->message);
}

void
chat_service_refuse (ChatService *self, guint status, const char *body)
{
  soup_server_message_set_status (self->message, status, NULL);
  soup_server_message_set_response (self->message, "application/json", SOUP_MEMORY_COPY, body,
                                    strlen (body));
  soup_server_message_unpause (self->message);
}

/* libsoup does not look while it has nothing to send. */
static gboolean
is_closed (gpointer data)
{
  ChatService *self = data;
  char byte;

  return recv (g_socket_get_fd (self->socket), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void
chat_service_wait_closed (ChatService *self)
{
  g_assert_true (test_wait_until (is_closed, self, TEST_TIMEOUT_MS));
}
