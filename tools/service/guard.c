/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <sys/resource.h>

#include "tools/service/guard.h"

/* The largest number of connections. They are never more than half of the files that the process
 * may open. */
#define MAX_CONNECTIONS 512

/* In the order in which connections are closed. */
typedef enum
{
  STATE_UNKNOWN, /* no request of the connection had the token */
  STATE_IDLE,    /* a request had the token, and has its answer */
  STATE_BUSY     /* a request with the token waits for its answer */
} ConnectionState;

typedef struct
{
  GSocket *socket; /* (owned) */
  ConnectionState state;
  guint64 number; /* grows with each new connection, and with each answer to a request with the
                   * token */
} Connection;

struct _Guard
{
  GHashTable *connections; /* (owned) from a GSocket to its Connection */
  guint max;
  guint64 last_number;
};

static void
free_connection (gpointer data)
{
  Connection *connection = data;

  g_object_unref (connection->socket);
  g_free (connection);
}

/* Returns: (nullable) */
static Connection *
find (Guard *self, SoupServerMessage *message)
{
  GSocket *socket = soup_server_message_get_socket (message);

  return socket != NULL ? g_hash_table_lookup (self->connections, socket) : NULL;
}

static gboolean
is_closed (gpointer key, gpointer value G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  return g_socket_is_closed (key);
}

/* Makes room for one connection, unless requests under way need all of the room.
 * Returns: whether there is room */
static gboolean
make_room (Guard *self)
{
  Connection *least = NULL;
  GHashTableIter iter;
  gpointer value;

  if (g_hash_table_size (self->connections) < self->max)
    return TRUE;
  /* The server emits no signal when a client closes its connection between two requests. */
  g_hash_table_foreach_remove (self->connections, is_closed, NULL);
  if (g_hash_table_size (self->connections) < self->max)
    return TRUE;
  g_hash_table_iter_init (&iter, self->connections);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Connection *connection = value;

      if (least == NULL || connection->state < least->state ||
          (connection->state == least->state && connection->number < least->number))
        least = connection;
    }
  if (least == NULL || least->state == STATE_BUSY)
    return FALSE;
  /* The server sees the end of the connection, and closes it. */
  g_socket_shutdown (least->socket, TRUE, TRUE, NULL);
  g_hash_table_remove (self->connections, least->socket);
  return TRUE;
}

/* libsoup before 3.3 forgets a connection that its client closes between two requests, and leaves its
 * descriptor open. When there are no more descriptors, the server accepts no connection any more. So
 * there, a connection ends with its first answer. */
static void
end_with_answer (SoupServerMessage *message)
{
  if (!soup_check_version (3, 3, 0))
    soup_message_headers_replace (soup_server_message_get_response_headers (message), "Connection",
                                  "close");
}

/* The server emits this for a connection as soon as it is there, before anything is read. */
static void
started_cb (SoupServer *server G_GNUC_UNUSED, SoupServerMessage *message, gpointer data)
{
  Guard *self = data;
  GSocket *socket = soup_server_message_get_socket (message);
  Connection *connection;

  end_with_answer (message);
  if (socket == NULL || g_hash_table_contains (self->connections, socket))
    return;
  if (!make_room (self))
    {
      g_socket_shutdown (socket, TRUE, TRUE, NULL);
      return;
    }
  connection = g_new0 (Connection, 1);
  connection->socket = g_object_ref (socket);
  connection->number = ++self->last_number;
  g_hash_table_insert (self->connections, socket, connection);
}

/* A request has its answer, or its client is gone. */
static void
ended_cb (SoupServer *server G_GNUC_UNUSED, SoupServerMessage *message, gpointer data)
{
  Guard *self = data;
  Connection *connection = find (self, message);

  if (connection == NULL || connection->state != STATE_BUSY)
    return;
  connection->state = STATE_IDLE;
  connection->number = ++self->last_number;
}

Guard *
guard_new (SoupServer *server)
{
  Guard *self = g_new0 (Guard, 1);
  struct rlimit files;

  self->connections = g_hash_table_new_full (NULL, NULL, NULL, free_connection);
  self->max = MAX_CONNECTIONS;
  if (getrlimit (RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / 2 < MAX_CONNECTIONS)
    self->max = (guint) MAX (files.rlim_cur / 2, 1);
  g_signal_connect (server, "request-started", G_CALLBACK (started_cb), self);
  g_signal_connect (server, "request-finished", G_CALLBACK (ended_cb), self);
  g_signal_connect (server, "request-aborted", G_CALLBACK (ended_cb), self);
  return self;
}

void
guard_free (Guard *self)
{
  g_hash_table_unref (self->connections);
  g_free (self);
}

void
guard_trust (Guard *self, SoupServerMessage *message)
{
  Connection *connection = find (self, message);

  if (connection != NULL)
    connection->state = STATE_BUSY;
}
