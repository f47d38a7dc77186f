/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#ifdef HAVE_LINUX_SOCKIOS_H
# include <linux/sockios.h>
#endif
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/http/lsobs-connection-watch-private.h"

/* A peer that has vanished, for example behind a router that has dropped the connection,
 * acknowledges nothing. The kernel notices that. A slow service still acknowledges, and may use
 * the whole timeout of the request. Idle connections of the pool are watched, too, so that a
 * request does not try one dead connection after the other. */

/* An idle connection is probed after so many seconds, and then at this interval, in seconds. */
#define KEEPALIVE_IDLE     3
#define KEEPALIVE_INTERVAL 1

/* After an attempt without an answer, a peer that has left this many probes unanswered counts as
 * vanished. */
#define MAX_UNANSWERED 2

/* The interval at which connections in use are checked, in ms: a connection is checked several
 * times before the kernel ends it. */
#define LOOK_INTERVAL 2000

typedef struct
{
  guint epoch;           /* the process that it belongs to */
  GPtrArray *sockets;    /* (owned) (element-type GWeakRef) of all connections */
  guint n_messages;      /* under way */
  GMainContext *context; /* (owned) (nullable) of the message under way */
  GSource *look;         /* (owned) (nullable) runs while messages are under way */
} ConnectionWatch;

static void
weak_ref_free (gpointer data)
{
  g_weak_ref_clear (data);
  g_free (data);
}

static void
stop_looking (ConnectionWatch *self)
{
  if (self->look != NULL)
    g_source_destroy (self->look);
  g_clear_pointer (&self->look, g_source_unref);
}

static void
connection_watch_free (gpointer data)
{
  ConnectionWatch *self = data;

  stop_looking (self);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_ptr_array_unref (self->sockets);
  g_free (self);
}

static void
set_option (GSocket *socket, int level, int name, int value)
{
  g_autoptr (GError) error = NULL;

  /* Without the option, a silent connection lasts until the timeout of the request. */
  if (!g_socket_set_option (socket, level, name, value, &error))
    g_debug ("A socket does not take option %d: %s", name, error->message);
}

/* Whether the peer has acknowledged all sent data and has closed its window: it is slow, but has
 * not vanished. */
static gboolean
is_window_closed (GSocket *socket)
{
#if defined(SIOCOUTQ) && defined(SIOCOUTQNSD)
  int waiting = 0;
  int unsent = 0;

  return ioctl (g_socket_get_fd (socket), SIOCOUTQNSD, &unsent) == 0 && unsent > 0 &&
         ioctl (g_socket_get_fd (socket), SIOCOUTQ, &waiting) == 0 && waiting == unsent;
#else
  return FALSE;
#endif
}

/* The kernel does not distinguish a vanished peer from one that acknowledges but accepts no more
 * data. For the second one, this removes the timeout. */
static void
adjust_timeout (GSocket *socket)
{
#ifdef TCP_USER_TIMEOUT
  int wanted = is_window_closed (socket) ? 0 : LSOBS_CONNECTION_WATCH_TIMEOUT;
  int current = 0;

  if (g_socket_get_option (socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &current, NULL) &&
      current != wanted)
    set_option (socket, IPPROTO_TCP, TCP_USER_TIMEOUT, wanted);
#endif
}

/* Called in the context of the message. */
static gboolean
look_cb (gpointer user_data)
{
  ConnectionWatch *self = user_data;

  g_assert (g_main_context_is_owner (self->context));
  /* In a forked child that runs its parent's context, the connections are the parent's. */
  if (self->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;
  for (guint i = self->sockets->len; i > 0; i--)
    {
      g_autoptr (GSocket) socket = g_weak_ref_get (g_ptr_array_index (self->sockets, i - 1));

      if (socket == NULL || g_socket_is_closed (socket))
        g_ptr_array_remove_index_fast (self->sockets, i - 1);
      else
        adjust_timeout (socket);
    }
  return G_SOURCE_CONTINUE;
}

static void
watch_socket (ConnectionWatch *self, GSocket *socket)
{
  GWeakRef *ref;

  if (g_socket_get_family (socket) != G_SOCKET_FAMILY_IPV4 &&
      g_socket_get_family (socket) != G_SOCKET_FAMILY_IPV6)
    return;
#ifdef TCP_KEEPIDLE
  set_option (socket, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE);
#endif
#ifdef TCP_KEEPINTVL
  set_option (socket, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL);
#endif
#ifdef TCP_KEEPCNT
  set_option (socket, IPPROTO_TCP, TCP_KEEPCNT,
              (LSOBS_CONNECTION_WATCH_TIMEOUT / 1000 - KEEPALIVE_IDLE) / KEEPALIVE_INTERVAL);
#endif
  g_socket_set_keepalive (socket, TRUE);
  adjust_timeout (socket);
  ref = g_new (GWeakRef, 1);
  g_weak_ref_init (ref, socket);
  g_ptr_array_add (self->sockets, ref);
}

/* Called in the context of the message, while a new connection is set up: before the TLS
 * handshake, and before a proxy gets a request. */
static void
network_event_cb (SoupMessage *message,
                  GSocketClientEvent event,
                  GIOStream *connection,
                  gpointer user_data)
{
  ConnectionWatch *self = user_data;

  g_assert (g_main_context_is_owner (self->context));
  /* The next step may need a task thread of GLib: for a name, a proxy, or a handshake. A thread
   * that was revived after a fork ends after half a second without work. */
  if (_lsobs_fork_epoch () != 0)
    _lsobs_fork_revive_tasks ();
  if (event == G_SOCKET_CLIENT_CONNECTED && G_IS_SOCKET_CONNECTION (connection))
    watch_socket (self, g_socket_connection_get_socket (G_SOCKET_CONNECTION (connection)));
}

/* Called in the thread that sends the message, in the thread-default context. */
static void
request_queued_cb (SoupSession *session, SoupMessage *message, gpointer user_data)
{
  ConnectionWatch *self = user_data;

  g_clear_pointer (&self->context, g_main_context_unref);
  self->context = g_main_context_ref_thread_default ();
  g_signal_connect (message, "network-event", G_CALLBACK (network_event_cb), self);
  if (self->n_messages++ > 0)
    return;
  self->look = g_timeout_source_new (LOOK_INTERVAL);
  g_source_set_static_name (self->look, "[lsobs] connection watch");
  g_source_set_callback (self->look, look_cb, self, NULL);
  g_source_attach (self->look, self->context);
}

/* Called in the context of the message. */
static void
request_unqueued_cb (SoupSession *session, SoupMessage *message, gpointer user_data)
{
  ConnectionWatch *self = user_data;

  g_assert (g_main_context_is_owner (self->context));
  g_signal_handlers_disconnect_by_func (message, network_event_cb, self);
  if (--self->n_messages > 0)
    return;
  stop_looking (self);
  g_clear_pointer (&self->context, g_main_context_unref);
}

/* Whether the peer has left several probes without answer. */
static gboolean
is_silent (GSocket *socket)
{
#ifdef TCP_INFO
  struct tcp_info info = { 0 };
  socklen_t len = sizeof info;

  return getsockopt (g_socket_get_fd (socket), IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
         info.tcpi_probes >= MAX_UNANSWERED;
#else
  return FALSE;
#endif
}

/* Closes all silent connections, after an attempt without an answer. The next attempt would
 * otherwise use one of them, and wait as long. */
void
_lsobs_connection_watch_prune (SoupSession *session)
{
  ConnectionWatch *self = g_object_get_data (G_OBJECT (session), "lsobs-connection-watch");

  /* Without a message, the session has no context. */
  g_assert (self->n_messages == 0 || g_main_context_is_owner (self->context));
  for (guint i = 0; i < self->sockets->len; i++)
    {
      g_autoptr (GSocket) socket = g_weak_ref_get (g_ptr_array_index (self->sockets, i));

      if (socket != NULL && !g_socket_is_closed (socket) && is_silent (socket))
        g_socket_shutdown (socket, TRUE, TRUE, NULL);
    }
}

/* Ends the watching of a session whose message libsoup has forgotten. The session pool calls it,
 * and asserts the context. */
void
_lsobs_connection_watch_stop (SoupSession *session)
{
  stop_looking (g_object_get_data (G_OBJECT (session), "lsobs-connection-watch"));
}

/* Watches all connections of @session. Called before anything is sent in the session. */
void
_lsobs_connection_watch_start (SoupSession *session)
{
  ConnectionWatch *self = g_new0 (ConnectionWatch, 1);

  self->epoch = _lsobs_fork_epoch ();
  self->sockets = g_ptr_array_new_with_free_func (weak_ref_free);
  g_object_set_data_full (G_OBJECT (session), "lsobs-connection-watch", self,
                          connection_watch_free);
  g_signal_connect (session, "request-queued", G_CALLBACK (request_queued_cb), self);
  g_signal_connect (session, "request-unqueued", G_CALLBACK (request_unqueued_cb), self);
}
