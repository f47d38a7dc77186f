/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <gio/gio.h>

#include "lsobs/http/lsobs-session-pool-private.h"

struct _LsobsSessionPool
{
  GPtrArray *sessions; /* (owned) (element-type SoupSession) the oldest one first */
};

/* How a session is used. Belongs to the session, which may outlive the pool. */
typedef struct
{
  guint n_messages; /* that libsoup has not ended */
  GWeakRef socket;  /* of the newest connection; a strong reference would keep it open */
} Use;

static const char use_key[] = "lsobs-session-use";

LsobsSessionPool *
_lsobs_session_pool_new (void)
{
  LsobsSessionPool *self = g_new0 (LsobsSessionPool, 1);

  self->sessions = g_ptr_array_new_with_free_func (g_object_unref);
  return self;
}

void
_lsobs_session_pool_free (LsobsSessionPool *self)
{
  g_ptr_array_unref (self->sessions);
  g_free (self);
}

static void
use_free (gpointer data)
{
  Use *use = data;

  g_weak_ref_clear (&use->socket);
  g_free (use);
}

static Use *
get_use (SoupSession *session)
{
  return g_object_get_data (G_OBJECT (session), use_key);
}

static void
network_event_cb (SoupMessage *message,
                  GSocketClientEvent event,
                  GIOStream *stream,
                  gpointer user_data)
{
  Use *use = user_data;

  if (event == G_SOCKET_CLIENT_CONNECTED && G_IS_SOCKET_CONNECTION (stream))
    g_weak_ref_set (&use->socket, g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream)));
}

static void
request_queued_cb (SoupSession *session, SoupMessage *message, gpointer user_data)
{
  Use *use = user_data;

  use->n_messages++;
  g_signal_connect (message, "network-event", G_CALLBACK (network_event_cb), use);
}

static void
request_unqueued_cb (SoupSession *session, SoupMessage *message, gpointer user_data)
{
  Use *use = user_data;

  use->n_messages--;
  g_signal_handlers_disconnect_by_func (message, network_event_cb, use);
}

/* @session: without a message */
void
_lsobs_session_pool_add (LsobsSessionPool *self, SoupSession *session)
{
  Use *use = g_new0 (Use, 1);

  g_weak_ref_init (&use->socket, NULL);
  g_object_set_data_full (G_OBJECT (session), use_key, use, use_free);
  g_signal_connect (session, "request-queued", G_CALLBACK (request_queued_cb), use);
  g_signal_connect (session, "request-unqueued", G_CALLBACK (request_unqueued_cb), use);
  g_ptr_array_add (self->sessions, g_object_ref (session));
}

/* Returns: (transfer none) (nullable): the oldest session without a message, which most likely
 *   has a connection */
SoupSession *
_lsobs_session_pool_peek_idle (LsobsSessionPool *self)
{
  for (guint i = 0; i < self->sessions->len; i++)
    {
      SoupSession *session = g_ptr_array_index (self->sessions, i);

      if (get_use (session)->n_messages == 0)
        return session;
    }
  return NULL;
}

void
_lsobs_session_pool_foreach (LsobsSessionPool *self, GFunc func, gpointer user_data)
{
  g_ptr_array_foreach (self->sessions, func, user_data);
}

/* Cancels all messages and closes all connections. Those in use end when the main context runs. */
void
_lsobs_session_pool_abort (LsobsSessionPool *self)
{
  for (guint i = 0; i < self->sessions->len; i++)
    {
      SoupSession *session = g_ptr_array_index (self->sessions, i);

      if (get_use (session)->n_messages > 0)
        _lsobs_session_pool_break (session);
      soup_session_abort (session);
    }
}

static gboolean
has_open_connection (SoupSession *session)
{
  g_autoptr (GSocket) socket = g_weak_ref_get (&get_use (session)->socket);

  return socket != NULL && !g_socket_is_closed (socket);
}

/* Whether any connection is open. */
gboolean
_lsobs_session_pool_has_open (LsobsSessionPool *self)
{
  for (guint i = 0; i < self->sessions->len; i++)
    if (has_open_connection (g_ptr_array_index (self->sessions, i)))
      return TRUE;
  return FALSE;
}

/* Shuts the connection down, as if the server had closed it: its message fails when the main
 * context runs next.
 * Returns: FALSE without a connection */
gboolean
_lsobs_session_pool_break (SoupSession *session)
{
  g_autoptr (GSocket) socket = g_weak_ref_get (&get_use (session)->socket);

  return socket != NULL && g_socket_shutdown (socket, TRUE, TRUE, NULL);
}
