/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <gio/gio.h>

#include "lsobs/lsobs-connections-private.h"

typedef struct
{
  GWeakRef socket;    /* a reference would keep it open */
  gint64 answer_time; /* monotonic, µs: of the last answer, or 0 */
  gboolean is_left;   /* a message on it was given up, but libsoup is not done with it */
} Connection;

static void
connection_free (gpointer data)
{
  Connection *connection = data;

  g_weak_ref_clear (&connection->socket);
  g_free (connection);
}

/* Returns: (transfer none) (element-type guint64 Connection): by the number that libsoup gives
 *   to each connection of a session */
static GHashTable *
get_table (SoupSession *session)
{
  static const char key[] = "lsobs-connections";
  GHashTable *table = g_object_get_data (G_OBJECT (session), key);

  if (table == NULL)
    {
      table = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, connection_free);
      g_object_set_data_full (G_OBJECT (session), key, table, (GDestroyNotify) g_hash_table_unref);
    }
  return table;
}

/* Returns: (transfer none) (nullable) */
static Connection *
find (SoupSession *session, SoupMessage *message)
{
  guint64 id = soup_message_get_connection_id (message);

  return g_hash_table_lookup (get_table (session), &id);
}

static gboolean
is_gone (gpointer key, gpointer value, gpointer user_data)
{
  Connection *connection = value;
  g_autoptr (GSocket) socket = g_weak_ref_get (&connection->socket);

  return socket == NULL || g_socket_is_closed (socket);
}

/* @message is what @stream, which is connected, was made for. */
void
_lsobs_connections_add (SoupSession *session, SoupMessage *message, GIOStream *stream)
{
  GHashTable *table = get_table (session);
  guint64 id = soup_message_get_connection_id (message);
  Connection *connection;

  if (!G_IS_SOCKET_CONNECTION (stream))
    return;
  g_hash_table_foreach_remove (table, is_gone, NULL);
  connection = g_new0 (Connection, 1);
  g_weak_ref_init (&connection->socket,
                   g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream)));
  g_hash_table_replace (table, g_memdup2 (&id, sizeof id), connection);
}

/* The server has answered @message, or another one on the same connection. */
void
_lsobs_connections_note_answer (SoupSession *session, SoupMessage *message)
{
  Connection *connection = find (session, message);

  if (connection != NULL)
    connection->answer_time = g_get_monotonic_time ();
}

/* Whether no answer has come on the connection of @message.
 * @since: monotonic, µs */
gboolean
_lsobs_connections_is_silent (SoupSession *session, SoupMessage *message, gint64 since)
{
  Connection *connection = find (session, message);

  return connection != NULL && connection->answer_time < since;
}

/* @message was given up, but libsoup still waits for its answer. */
void
_lsobs_connections_note_left (SoupSession *session, SoupMessage *message)
{
  Connection *connection = find (session, message);

  if (connection != NULL)
    connection->is_left = TRUE;
}

/* FALSE when it is not there any more. */
static gboolean
shut_down (Connection *connection)
{
  g_autoptr (GSocket) socket = g_weak_ref_get (&connection->socket);

  return socket != NULL && g_socket_shutdown (socket, TRUE, TRUE, NULL);
}

/* To libsoup, this is as if the server had closed the connection: all messages on it fail when
 * the main context runs next, and libsoup uses it for no other message. FALSE when it is not there any more. */
gboolean
_lsobs_connections_break (SoupSession *session, SoupMessage *message)
{
  Connection *connection = find (session, message);

  return connection != NULL && shut_down (connection);
}

/* Ends all messages that were given up; they would keep the session alive. */
void
_lsobs_connections_break_left (SoupSession *session)
{
  GHashTableIter iter;
  Connection *connection;

  g_hash_table_iter_init (&iter, get_table (session));
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &connection))
    if (connection->is_left)
      shut_down (connection);
}

/* Whether a connection of the session has not ended yet. */
gboolean
_lsobs_connections_has_open (SoupSession *session)
{
  GHashTable *table = get_table (session);

  g_hash_table_foreach_remove (table, is_gone, NULL);
  return g_hash_table_size (table) > 0;
}
