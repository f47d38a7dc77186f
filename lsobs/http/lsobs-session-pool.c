/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <poll.h>
#include <sys/socket.h>

#include <gio/gio.h>

#include "lsobs/core/lsobs-flush-source-private.h"
#include "lsobs/http/lsobs-connection-watch-private.h"
#include "lsobs/http/lsobs-session-pool-private.h"

/* How long libsoup has to end the message and the connections of a session that gets no other message,
 * in µs. Then it has forgotten them. libsoup 3.2 forgets a connection whose message is cancelled at
 * the end of the TLS handshake. */
#define ABANDON_GRACE (2 * G_USEC_PER_SEC)

struct _LsobsSessionPool
{
  GSource *waker;      /* (owned) (nullable) of the worker, whose context it is used in */
  GPtrArray *sessions; /* (owned) (element-type SoupSession) the oldest one first */
};

/* How a session is used. Belongs to the session, which may outlive the pool. */
typedef struct
{
  GMainContext *context; /* (owned) (nullable) of the message under way */
  guint n_messages;      /* that libsoup has not ended */
  GSource *stop;         /* (owned) (nullable) stops the exchange of the last message */
  GPtrArray *sockets;    /* (owned) (element-type GWeakRef) of all connections; strong references
                        * would keep them open */
  gint64 abandoned_at;   /* monotonic, µs: since when it gets no other message, or 0 */
  gint64 closed_at;      /* monotonic, µs: since when its pool is closed, or 0 */
} SessionState;

typedef void (*SocketFunc) (GSocket *socket, gpointer user_data);

static const char state_key[] = "lsobs-session-state";

/* @waker: (nullable): of the worker, a source of lsobs-flush-source-private.h */
LsobsSessionPool *
_lsobs_session_pool_new (GSource *waker)
{
  LsobsSessionPool *self = g_new0 (LsobsSessionPool, 1);

  self->waker = waker != NULL ? g_source_ref (waker) : NULL;
  self->sessions = g_ptr_array_new_with_free_func (g_object_unref);
  return self;
}

static void
weak_ref_free (gpointer data)
{
  g_weak_ref_clear (data);
  g_free (data);
}

static void
state_free (gpointer data)
{
  SessionState *state = data;

  g_clear_pointer (&state->context, g_main_context_unref);
  g_clear_pointer (&state->stop, g_source_unref);
  g_ptr_array_unref (state->sockets);
  g_free (state);
}

static SessionState *
get_state (SoupSession *session)
{
  return g_object_get_data (G_OBJECT (session), state_key);
}

/* Asserts that this thread owns the context of the message under way, if there is one. */
static void
assert_context (SessionState *state)
{
  g_assert (state->context == NULL || g_main_context_is_owner (state->context));
}

/* Calls @func for each socket that is not freed, and forgets the others. */
static void
foreach_living_socket (SoupSession *session, SocketFunc func, gpointer user_data)
{
  GPtrArray *sockets = get_state (session)->sockets;

  for (guint i = sockets->len; i-- > 0;)
    {
      g_autoptr (GSocket) socket = g_weak_ref_get (g_ptr_array_index (sockets, i));

      if (socket == NULL)
        g_ptr_array_remove_index (sockets, i);
      else
        func (socket, user_data);
    }
}

typedef struct
{
  SocketFunc func;
  gpointer user_data;
} SocketCall;

static void
call_if_open (GSocket *socket, gpointer user_data)
{
  SocketCall *call = user_data;

  if (!g_socket_is_closed (socket))
    call->func (socket, call->user_data);
}

/* Calls @func for each socket that is open. */
static void
foreach_socket (SoupSession *session, SocketFunc func, gpointer user_data)
{
  SocketCall call = { func, user_data };

  foreach_living_socket (session, call_if_open, &call);
}

static void
set_true (GSocket *socket, gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
}

static void
close_socket (GSocket *socket, gpointer user_data)
{
  g_socket_close (socket, NULL);
}

/* Closes what libsoup has forgotten of a session. libsoup frees neither a connection that it has
 * forgotten, nor the session of a message that it has forgotten. It warns when a session is freed
 * before its connections: that session is not freed either. */
static void
close_forgotten (SoupSession *session)
{
  gboolean has_living = FALSE;

  foreach_living_socket (session, set_true, &has_living);
  if (has_living)
    g_object_ref (session);
  foreach_socket (session, close_socket, NULL);
  _lsobs_connection_watch_stop (session);
}

/* Called before the pool is freed. libsoup ends what it has not forgotten by itself. */
static void
close_abandoned (gpointer data, gpointer user_data)
{
  SoupSession *session = SOUP_SESSION (data);

  if (get_state (session)->abandoned_at != 0 && get_state (session)->n_messages > 0)
    close_forgotten (session);
}

void
_lsobs_session_pool_free (LsobsSessionPool *self)
{
  _lsobs_flush_source_assert_context (self->waker);
  g_ptr_array_foreach (self->sessions, close_abandoned, NULL);
  g_ptr_array_unref (self->sessions);
  g_clear_pointer (&self->waker, g_source_unref);
  g_free (self);
}

/* Called in the context of the message. */
static void
network_event_cb (SoupMessage *message,
                  GSocketClientEvent event,
                  GIOStream *stream,
                  gpointer user_data)
{
  SessionState *state = user_data;
  GWeakRef *ref;

  assert_context (state);
  if (event != G_SOCKET_CLIENT_CONNECTED || !G_IS_SOCKET_CONNECTION (stream))
    return;
  ref = g_new (GWeakRef, 1);
  g_weak_ref_init (ref, g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream)));
  g_ptr_array_add (state->sockets, ref);
}

/* Called in the thread that sends the message, in the thread-default context. */
static void
request_queued_cb (SoupSession *session, SoupMessage *message, gpointer user_data)
{
  SessionState *state = user_data;

  g_clear_pointer (&state->context, g_main_context_unref);
  state->context = g_main_context_ref_thread_default ();
  state->n_messages++;
  g_signal_connect (message, "network-event", G_CALLBACK (network_event_cb), state);
}

/* Called in the context of the message. */
static void
request_unqueued_cb (SoupSession *session, SoupMessage *message, gpointer user_data)
{
  SessionState *state = user_data;

  assert_context (state);
  g_assert (state->n_messages > 0);
  g_signal_handlers_disconnect_by_func (message, network_event_cb, state);
  if (--state->n_messages == 0)
    g_clear_pointer (&state->context, g_main_context_unref);
}

/* @session: without a message */
void
_lsobs_session_pool_add (LsobsSessionPool *self, SoupSession *session)
{
  SessionState *state = g_new0 (SessionState, 1);

  _lsobs_flush_source_assert_context (self->waker);
  state->sockets = g_ptr_array_new_with_free_func (weak_ref_free);
  g_object_set_data_full (G_OBJECT (session), state_key, state, state_free);
  g_signal_connect (session, "request-queued", G_CALLBACK (request_queued_cb), state);
  g_signal_connect (session, "request-unqueued", G_CALLBACK (request_unqueued_cb), state);
  g_ptr_array_add (self->sessions, g_object_ref (session));
}

/* Whether libsoup has ended the message of a session that gets no other, and its connections. libsoup
 * warns when a session is freed before its connections have ended, and HTTP/2 takes a while for
 * that. */
static gboolean
has_ended (SoupSession *session)
{
  gboolean has_living = FALSE;

  if (get_state (session)->n_messages > 0)
    return FALSE;
  foreach_living_socket (session, set_true, &has_living);
  if (has_living)
    soup_session_abort (session);
  return !has_living;
}

/* Drops sessions that get no other message when libsoup has ended or forgotten what is theirs. */
static void
drop_abandoned (LsobsSessionPool *self)
{
  gint64 now = g_get_monotonic_time ();

  for (guint i = self->sessions->len; i-- > 0;)
    {
      SoupSession *session = g_ptr_array_index (self->sessions, i);
      SessionState *state = get_state (session);
      gint64 since = state->abandoned_at != 0 ? state->abandoned_at : state->closed_at;

      if (since == 0 || (!has_ended (session) && now - since < ABANDON_GRACE))
        continue;
      close_forgotten (session);
      g_ptr_array_remove_index (self->sessions, i);
    }
}

/* Returns: (transfer none) (nullable): the oldest session without a message, which most likely
 *   has a connection */
SoupSession *
_lsobs_session_pool_peek_idle (LsobsSessionPool *self)
{
  _lsobs_flush_source_assert_context (self->waker);
  drop_abandoned (self);
  for (guint i = 0; i < self->sessions->len; i++)
    {
      SoupSession *session = g_ptr_array_index (self->sessions, i);

      if (get_state (session)->n_messages == 0 && get_state (session)->abandoned_at == 0)
        return session;
    }
  return NULL;
}

void
_lsobs_session_pool_foreach (LsobsSessionPool *self, GFunc func, gpointer user_data)
{
  _lsobs_flush_source_assert_context (self->waker);
  g_ptr_array_foreach (self->sessions, func, user_data);
}

/* A thread of the TLS backend may use the socket, and GSocket is not thread-safe. */
static void
shut_down (GSocket *socket, gpointer user_data)
{
  if (shutdown (g_socket_get_fd (socket), SHUT_RDWR) == 0)
    *(gboolean *) user_data = TRUE;
}

/* Called before a message is sent.
 * @stop: a source that stops its exchange when its ready time comes; it may be destroyed before */
void
_lsobs_session_pool_set_stop (SoupSession *session, GSource *stop)
{
  SessionState *state = get_state (session);

  assert_context (state);
  g_clear_pointer (&state->stop, g_source_unref);
  state->stop = g_source_ref (stop);
}

/* Stops all exchanges and closes all connections. Those in use end when the main context runs.
 * soup_session_abort() would cancel messages at any moment, which only the exchange may. */
void
_lsobs_session_pool_abort (LsobsSessionPool *self)
{
  gboolean broken = FALSE;

  _lsobs_flush_source_assert_context (self->waker);
  for (guint i = 0; i < self->sessions->len; i++)
    {
      SoupSession *session = g_ptr_array_index (self->sessions, i);
      SessionState *state = get_state (session);

      state->closed_at = g_get_monotonic_time ();
      if (state->n_messages == 0)
        {
          soup_session_abort (session);
          continue;
        }
      foreach_socket (session, shut_down, &broken);
      if (state->stop != NULL)
        g_source_set_ready_time (state->stop, 0);
    }
}

/* Whether there is no message and no connection that libsoup has not forgotten. A closed connection is
 * still there as long as an operation uses it. Both need the context to end. Called after
 * _lsobs_session_pool_abort(). */
gboolean
_lsobs_session_pool_is_quiet (LsobsSessionPool *self)
{
  _lsobs_flush_source_assert_context (self->waker);
  drop_abandoned (self);
  return self->sessions->len == 0;
}

/* Shuts all connections of the session down, as if the server had closed them: its message fails
 * when the main context runs next, unless libsoup forgets it.
 * Returns: FALSE without a connection */
gboolean
_lsobs_session_pool_break (SoupSession *session)
{
  gboolean broken = FALSE;

  assert_context (get_state (session));
  foreach_socket (session, shut_down, &broken);
  return broken;
}

static void
look_at (GSocket *socket, gpointer user_data)
{
  struct pollfd poll_fd = { .fd = g_socket_get_fd (socket) };

  if (poll (&poll_fd, 1, 0) <= 0 || (poll_fd.revents & (POLLERR | POLLHUP)) == 0)
    *(gboolean *) user_data = FALSE;
}

/* Whether the session has connections and the server has ended or reset all of them. */
gboolean
_lsobs_session_pool_is_dead (SoupSession *session)
{
  gboolean has_open = FALSE;
  gboolean is_dead = TRUE;

  assert_context (get_state (session));
  foreach_socket (session, set_true, &has_open);
  foreach_socket (session, look_at, &is_dead);
  return has_open && is_dead;
}

/* The session gets no other message: libsoup may have forgotten the one that it has, or the
 * connection. */
void
_lsobs_session_pool_abandon (SoupSession *session)
{
  assert_context (get_state (session));
  get_state (session)->abandoned_at = g_get_monotonic_time ();
}
