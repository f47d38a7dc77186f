/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-work-limit-private.h"
#include "lsobs/http/lsobs-exchange-private.h"
#include "lsobs/http/lsobs-session-pool-private.h"
#include "lsobs/lsobs-error.h"

/* How long a connection may take to be set up, with its TLS handshake, in ms. */
#define CONNECT_TIMEOUT 5000

/* How often libsoup may send a message again. Its own limit does not count streams that an HTTP/2
 * server refuses. */
#define MAX_RESENDS 20

/* How many interim answers (1xx) one request may get. libsoup reads them in a loop without
 * returning to the main context, so no timeout ends it. */
#define MAX_INTERIM 1000

/* Interim answers that come at shorter distances than this, in µs, may keep libsoup from returning. */
#define FLOOD_INTERVAL 1000

/* How long libsoup has to end a message after its connection was shut down, in ms. */
#define STOP_GRACE 50

/* How often the connection of a message is looked at, in ms. */
#define LOOK_INTERVAL 2000

/* Higher than the priority of libsoup's own sources. When an HTTP/2 server refuses a stream at
 * once, libsoup 3.2 sends the message again, and ends the first sending later with this
 * priority. If the second sending came first, libsoup would take the failure of the first for
 * that of the second, and use freed memory. */
#define IO_PRIORITY (G_PRIORITY_DEFAULT - 1)

/* Lower than IO_PRIORITY. When libsoup has read the head of an answer, it may pass that on by a
 * source of IO_PRIORITY, in the next turn of the main context. If its cancellable were cancelled in
 * between, or by another thread, libsoup 3.6 would end the message twice, and use freed memory. */
#define STOP_PRIORITY G_PRIORITY_DEFAULT

typedef struct
{
  SoupSession *session;  /* (unowned) the source object of the task */
  GMainContext *context; /* (unowned) of the task */
  GCancellable *caller;  /* (unowned) (nullable) of the task */
  SoupMessage *message;  /* (owned) */
  SoupMessage *tunnel;   /* (owned) (nullable) CONNECT to a proxy */
  char *type;            /* (owned) (nullable) of the body */
  GBytes *body;          /* (owned) (nullable) */
  LsobsExchangeLimits limits;
  GCancellable *cancellable; /* (owned) of libsoup; cancelled only in the context of the task */
  gulong cancelled_id;
  GSource *timeout; /* (owned) (nullable) fires at the deadline */
  GSource *stop;    /* (owned) (nullable) fires when the exchange has to stop, and once more after
                        * STOP_GRACE */
  GSource *look;    /* (owned) (nullable) looks at the connection */
  gboolean looks_dead; /* the last look found it dead */
  guint epoch;         /* the process of the exchange */
  gint64 deadline;     /* monotonic, µs: of the whole exchange */
  gboolean connecting; /* the timeout is that of the connection */
  gboolean sent;       /* the server may have read a part of the request */
  gboolean running;    /* the message is on a connection */
  gboolean answered;   /* the head of the answer was read */
  gboolean fresh;      /* the head may have been read in this turn of the main context */
  gboolean stopping;   /* the exchange has to stop */
  gboolean left;       /* the task has ended, libsoup has not */
  gboolean written;    /* libsoup has written the whole request */
  gboolean closing;    /* the answer was read, libsoup ends the message */
  gboolean returned;   /* the task has ended while closing */
  guint n_resends;
  guint n_interim;
  gint64 interim_at;    /* monotonic, µs: when the last interim answer came, or 0 */
  const char *given_up; /* (nullable) translated: why it was cancelled before the deadline */
  char *answer;         /* (owned) (nullable) */
  gsize len;
} Exchange;

static void
exchange_free (gpointer user_data)
{
  Exchange *exchange = user_data;

  g_clear_object (&exchange->message);
  g_clear_object (&exchange->cancellable);
  g_clear_pointer (&exchange->body, g_bytes_unref);
  g_free (exchange->type);
  g_free (exchange->answer);
  g_free (exchange);
}

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static gboolean
is_http2 (Exchange *exchange)
{
  return soup_message_get_http_version (exchange->message) == SOUP_HTTP_2_0;
}

/* In a forked child that runs its parent's context, the sockets are the parent's, too. */
static gboolean
is_forked (Exchange *exchange)
{
  return exchange->epoch != _lsobs_fork_epoch ();
}

static void
forget_tunnel (Exchange *exchange)
{
  if (exchange->tunnel != NULL)
    g_signal_handlers_disconnect_by_data (exchange->tunnel, exchange);
  g_clear_object (&exchange->tunnel);
}

/* Called before the task returns, because its callback may start the next exchange. */
static void
end (GTask *task)
{
  Exchange *exchange = g_task_get_task_data (task);

  g_assert (g_main_context_is_owner (exchange->context));
  if (exchange->cancelled_id != 0)
    g_cancellable_disconnect (exchange->caller, exchange->cancelled_id);
  exchange->cancelled_id = 0;
  g_signal_handlers_disconnect_by_data (exchange->message, exchange);
  g_signal_handlers_disconnect_by_data (exchange->session, exchange);
  forget_tunnel (exchange);
  if (exchange->closing)
    return;
  clear_source (&exchange->timeout);
  clear_source (&exchange->stop);
  clear_source (&exchange->look);
}

/* The status is enough: an answer that is cut off counts. */
static void
return_answer (GTask *task)
{
  Exchange *exchange = g_task_get_task_data (task);

  exchange->returned = TRUE;
  end (task);
  if (!SOUP_STATUS_IS_SUCCESSFUL (soup_message_get_status (exchange->message)) &&
      g_task_return_error_if_cancelled (task))
    return;
  if (exchange->answer == NULL)
    exchange->answer = g_strdup ("");
  g_task_return_pointer (task, g_steal_pointer (&exchange->answer), g_free);
}

/* Called in the context of the task. The session and its connection are free for the next
 * message. */
static void
closed_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Exchange *exchange = g_task_get_task_data (task);

  g_assert (g_main_context_is_owner (exchange->context));
  g_input_stream_close_finish (G_INPUT_STREAM (object), result, NULL);
  exchange->closing = FALSE;
  if (!exchange->returned)
    return_answer (task);
  clear_source (&exchange->timeout);
  clear_source (&exchange->stop);
  clear_source (&exchange->look);
}

/* Called in the context of the task. If the answer came before the end of the request, an HTTP/1.1
 * server may read the rest of the request until the deadline. Over HTTP/2, libsoup resets the
 * stream then. */
static void
answer_read_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  GInputStream *stream = G_INPUT_STREAM (object);
  Exchange *exchange = g_task_get_task_data (task);
  gboolean complete = g_input_stream_read_all_finish (stream, result, &exchange->len, NULL) &&
                      exchange->len < exchange->limits.max_answer;

  g_assert (g_main_context_is_owner (exchange->context));
  exchange->answer[exchange->len] = '\0';
  exchange->closing = TRUE;
  g_input_stream_close_async (stream, G_PRIORITY_DEFAULT, NULL, closed_cb, g_object_ref (task));
  /* libsoup would read an endless answer to its end, and would use an HTTP/2 connection again on
   * which a request is stuck. */
  if (!is_forked (exchange) && (!complete || (is_http2 (exchange) && !exchange->written)))
    {
      _lsobs_session_pool_break (exchange->session);
      _lsobs_session_pool_abandon (exchange->session);
    }
  if (!complete || !exchange->written)
    return_answer (task);
}

/* @error: (nullable): of libsoup
 * Returns: (transfer full): what to report */
static GError *
explain (Exchange *exchange, const GError *error)
{
  const char *reason = exchange->given_up;

  if (reason == NULL &&
      (error == NULL || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)))
    /* TRANSLATORS: both can follow “The service cannot be reached: ”. */
    reason = exchange->connecting ? _ ("it takes too long to connect")
                                  : _ ("there is no answer in time");
  g_assert (reason != NULL || error != NULL);
  if (exchange->sent && reason == NULL)
    return g_error_copy (error);
  return g_error_new_literal (G_IO_ERROR,
                              exchange->sent ? G_IO_ERROR_TIMED_OUT : G_IO_ERROR_NOT_CONNECTED,
                              reason != NULL ? reason : error->message);
}

/* The proxy has refused to connect, so nothing of the message was sent. */
static void
return_refusal (GTask *task, guint status)
{
  end (task);
  if (status == SOUP_STATUS_PROXY_AUTHENTICATION_REQUIRED)
    g_task_return_new_error (task, LSOBS_ERROR, LSOBS_ERROR_UNREACHABLE,
                             /* TRANSLATORS: follows “The service cannot be reached: ”, as does the
                              * next one. The number is the status of HTTP. */
                             _ ("the proxy wants another user name or password (HTTP %u); check "
                                "those in the URL of the proxy"),
                             status);
  else
    g_task_return_new_error (task, LSOBS_ERROR, LSOBS_ERROR_UNREACHABLE,
                             _ ("the proxy does not lead to the service (HTTP %u); check the "
                                "settings of the proxy, or ask whoever runs it"),
                             status);
}

/* Called in the context of the task. */
static void
sent_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Exchange *exchange = g_task_get_task_data (task);
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GError) error = NULL;

  g_assert (g_main_context_is_owner (exchange->context));
  stream = soup_session_send_finish (SOUP_SESSION (object), result, &error);
  if (exchange->left)
    return;
  if (stream != NULL && !exchange->sent)
    {
      return_refusal (task, soup_message_get_status (exchange->message));
      return;
    }
  if (stream != NULL)
    {
      exchange->running = FALSE;
      exchange->fresh = FALSE;
      exchange->answer = g_malloc (exchange->limits.max_answer + 1);
      g_input_stream_read_all_async (stream, exchange->answer, exchange->limits.max_answer,
                                     G_PRIORITY_DEFAULT, exchange->cancellable, answer_read_cb,
                                     g_object_ref (task));
      /* The cancellable alone ends the reading. */
      if (exchange->stopping)
        g_cancellable_cancel (exchange->cancellable);
      return;
    }

  /* Over HTTP/2, an answer may fail after its head. */
  if (exchange->answered)
    {
      return_answer (task);
      return;
    }
  end (task);
  if (!g_task_return_error_if_cancelled (task))
    g_task_return_error (task, explain (exchange, error));
}

/* Called in the context of the task. */
static void
stop_soon (Exchange *exchange)
{
  g_assert (g_main_context_is_owner (exchange->context));
  if (!exchange->stopping && exchange->stop != NULL)
    g_source_set_ready_time (exchange->stop, 0);
}

/* Called in the context of the task. */
static gboolean
timed_out_cb (gpointer user_data)
{
  Exchange *exchange = g_task_get_task_data (G_TASK (user_data));

  g_assert (g_main_context_is_owner (exchange->context));
  if (!is_forked (exchange))
    stop_soon (exchange);
  return G_SOURCE_REMOVE;
}

/* Ends the task without waiting for libsoup to end the message. libsoup 3.2 may have forgotten
 * it: over HTTP/2, when writing fails first, it tells no message. Nothing of the answer is being
 * read. */
static void
leave (GTask *task)
{
  Exchange *exchange = g_task_get_task_data (task);

  exchange->left = TRUE;
  _lsobs_session_pool_abandon (exchange->session);
  if (exchange->answered)
    {
      return_answer (task);
      return;
    }
  end (task);
  if (!g_task_return_error_if_cancelled (task))
    g_task_return_error (task, explain (exchange, NULL));
}

/* Called in the context of the task, when libsoup has not ended the message in time. */
static gboolean
stopped_cb (gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (G_TASK (user_data));
  Exchange *exchange = g_task_get_task_data (task);

  g_assert (g_main_context_is_owner (exchange->context));
  if (is_forked (exchange))
    return G_SOURCE_REMOVE;
  if (!exchange->closing)
    {
      leave (task);
      return G_SOURCE_REMOVE;
    }
  _lsobs_session_pool_abandon (exchange->session);
  if (!exchange->returned)
    return_answer (task);
  return G_SOURCE_REMOVE;
}

/* Called in the context of the task, when the exchange has to stop. libsoup notices a cancellation
 * at once over HTTP/1.1. Over HTTP/2 it notices it only when data comes, which a silent server does
 * not send. */
static gboolean
stop_cb (gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (G_TASK (user_data));
  Exchange *exchange = g_task_get_task_data (task);

  g_assert (g_main_context_is_owner (exchange->context));
  if (is_forked (exchange))
    return G_SOURCE_REMOVE;
  exchange->stopping = TRUE;
  if (exchange->fresh)
    {
      exchange->fresh = FALSE;
      return G_SOURCE_CONTINUE;
    }
  g_cancellable_cancel (exchange->cancellable);
  /* The cancellable alone ends the reading, which still writes into the answer. */
  if (exchange->answer != NULL && !exchange->closing)
    return G_SOURCE_REMOVE;
  if (exchange->closing || (is_http2 (exchange) && exchange->running))
    _lsobs_session_pool_break (exchange->session);
  /* libsoup may have forgotten the connection: see lsobs-session-pool.c. */
  if (exchange->connecting)
    _lsobs_session_pool_abandon (exchange->session);
  clear_source (&exchange->stop);
  exchange->stop = g_timeout_source_new (STOP_GRACE);
  g_source_set_static_name (exchange->stop, "[lsobs] request end");
  g_source_set_callback (exchange->stop, stopped_cb, g_object_ref (task), g_object_unref);
  g_source_attach (exchange->stop, g_task_get_context (task));
  return G_SOURCE_REMOVE;
}

/* Called in the context of the task. When libsoup does not notice in LOOK_INTERVAL that an HTTP/2
 * connection has ended, it has forgotten the message. */
static gboolean
look_cb (gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (G_TASK (user_data));
  Exchange *exchange = g_task_get_task_data (task);
  gboolean looked_dead = exchange->looks_dead;

  g_assert (g_main_context_is_owner (exchange->context));
  if (is_forked (exchange))
    return G_SOURCE_REMOVE;
  exchange->looks_dead =
      exchange->running && is_http2 (exchange) && _lsobs_session_pool_is_dead (exchange->session);
  if (!looked_dead || !exchange->looks_dead)
    return G_SOURCE_CONTINUE;
  if (exchange->given_up == NULL)
    exchange->given_up = g_strerror (ECONNRESET);
  leave (task);
  return G_SOURCE_REMOVE;
}

/* Called in the thread that cancels. */
static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  GSource *stop = user_data;

  g_source_set_ready_time (stop, 0);
}

/* Called in the context of the task, while a new connection is set up. */
static void
network_event_cb (SoupMessage *message,
                  GSocketClientEvent event,
                  GIOStream *connection,
                  gpointer user_data)
{
  Exchange *exchange = user_data;
  gint64 soon = g_get_monotonic_time () + CONNECT_TIMEOUT * 1000;

  g_assert (g_main_context_is_owner (exchange->context));
  if (exchange->connecting || event == G_SOCKET_CLIENT_COMPLETE)
    return;
  exchange->connecting = TRUE;
  g_source_set_ready_time (exchange->timeout, MIN (exchange->deadline, soon));
}

/* Called in the context of the task, when libsoup begins to write the message. */
static void
starting_cb (SoupMessage *message, gpointer user_data)
{
  Exchange *exchange = user_data;

  g_assert (g_main_context_is_owner (exchange->context));
  exchange->connecting = FALSE;
  exchange->sent = TRUE;
  exchange->running = TRUE;
  g_source_set_ready_time (exchange->timeout, exchange->deadline);
}

static void
set_body (Exchange *exchange)
{
  if (exchange->body != NULL)
    soup_message_set_request_body_from_bytes (exchange->message, exchange->type, exchange->body);
}

/* Called in the context of the task. */
static void
wrote_body_cb (SoupMessage *message, gpointer user_data)
{
  Exchange *exchange = user_data;

  g_assert (g_main_context_is_owner (exchange->context));
  exchange->written = TRUE;
}

/* Stops the exchange in a signal of the message. libsoup looks at the cancellable afterwards. */
static void
stop_now (Exchange *exchange)
{
  stop_soon (exchange);
  g_cancellable_cancel (exchange->cancellable);
}

/* @reason: translated */
static void
give_up (Exchange *exchange, const char *reason)
{
  exchange->given_up = reason;
  stop_now (exchange);
}

/* Called in the context of the task, before libsoup sends the message again: the server has refused
 * the stream, asked for another connection, or asked for authentication. libsoup has dropped the
 * body. */
static void
restarted_cb (SoupMessage *message, gpointer user_data)
{
  Exchange *exchange = user_data;

  g_assert (g_main_context_is_owner (exchange->context));
  exchange->running = FALSE;
  exchange->answered = FALSE;
  exchange->written = exchange->body == NULL;
  set_body (exchange);
  if (++exchange->n_resends > MAX_RESENDS)
    /* TRANSLATORS: this can follow “The service cannot be reached: ”. */
    give_up (exchange, _ ("it asks for the same request repeatedly"));
}

/* Called in the context of the task. */
static void
finished_cb (SoupMessage *message, gpointer user_data)
{
  Exchange *exchange = user_data;

  g_assert (g_main_context_is_owner (exchange->context));
  exchange->running = FALSE;
}

/* Called in the context of the task, for an interim answer (1xx). */
static void
got_informational_cb (SoupMessage *message, gpointer user_data)
{
  Exchange *exchange = user_data;
  gint64 now = g_get_monotonic_time ();
  gboolean is_flood = now - exchange->interim_at < FLOOD_INTERVAL;

  g_assert (g_main_context_is_owner (exchange->context));
  exchange->interim_at = now;
  if (exchange->given_up != NULL)
    return;
  /* libsoup may not return to the main context, whose sources would end the exchange, and where
   * the worker would learn that it is to stop. */
  if (now >= exchange->deadline || g_cancellable_is_cancelled (exchange->caller) ||
      (is_flood && _lsobs_work_limit_is_over ()))
    stop_now (exchange);
  if (++exchange->n_interim <= MAX_INTERIM)
    return;
  /* TRANSLATORS: this can follow “The service cannot be reached: ”. */
  give_up (exchange, _ ("it sends endless interim answers"));
  /* Over HTTP/2, the server would send more answers after the stream is closed. */
  if (is_http2 (exchange) && !is_forked (exchange))
    _lsobs_session_pool_break (exchange->session);
}

/* Called in the context of the task. */
static void
got_headers_cb (SoupMessage *message, gpointer user_data)
{
  Exchange *exchange = user_data;
  SoupStatus status = soup_message_get_status (message);
  gint64 soon = g_get_monotonic_time () + exchange->limits.tail * 1000;

  g_assert (g_main_context_is_owner (exchange->context));
  /* libsoup sends the message again; the same connection would lead to the same server. */
  if (status == SOUP_STATUS_MISDIRECTED_REQUEST)
    soup_message_add_flags (message, SOUP_MESSAGE_NEW_CONNECTION);
  /* Over HTTP/2, libsoup reports only the first interim answer by its own signal. */
  if (SOUP_STATUS_IS_INFORMATIONAL (status))
    {
      got_informational_cb (message, user_data);
      return;
    }
  exchange->answered = TRUE;
  exchange->fresh = TRUE;
  if (SOUP_STATUS_IS_SUCCESSFUL (status))
    g_source_set_ready_time (exchange->timeout, MIN (exchange->deadline, soon));
}

/* Called in the context of the task. A proxy may send interim answers to CONNECT. */
static void
request_queued_cb (SoupSession *session, SoupMessage *message, gpointer user_data)
{
  Exchange *exchange = user_data;

  g_assert (g_main_context_is_owner (exchange->context));
  if (soup_message_get_method (message) != SOUP_METHOD_CONNECT)
    return;
  forget_tunnel (exchange);
  exchange->tunnel = g_object_ref (message);
  g_signal_connect (message, "got-informational", G_CALLBACK (got_informational_cb), exchange);
}

static void
watch_message (Exchange *exchange)
{
  SoupMessage *message = exchange->message;

  g_signal_connect (message, "network-event", G_CALLBACK (network_event_cb), exchange);
  g_signal_connect (message, "starting", G_CALLBACK (starting_cb), exchange);
  g_signal_connect (message, "wrote-body", G_CALLBACK (wrote_body_cb), exchange);
  g_signal_connect (message, "restarted", G_CALLBACK (restarted_cb), exchange);
  g_signal_connect (message, "got-informational", G_CALLBACK (got_informational_cb), exchange);
  g_signal_connect (message, "got-headers", G_CALLBACK (got_headers_cb), exchange);
  g_signal_connect (message, "finished", G_CALLBACK (finished_cb), exchange);
  g_signal_connect (exchange->session, "request-queued", G_CALLBACK (request_queued_cb), exchange);
}

static gboolean
dispatch_stop (GSource *source, GSourceFunc callback, gpointer user_data)
{
  return callback (user_data);
}

static GSourceFuncs stop_funcs = { NULL, NULL, dispatch_stop, NULL, NULL, NULL };

/* The stop source does not fire before its ready time is set. */
static void
arm_stop (GTask *task)
{
  Exchange *exchange = g_task_get_task_data (task);

  exchange->stop = g_source_new (&stop_funcs, sizeof (GSource));
  g_source_set_static_name (exchange->stop, "[lsobs] request stop");
  g_source_set_priority (exchange->stop, STOP_PRIORITY);
  g_source_set_callback (exchange->stop, stop_cb, g_object_ref (task), g_object_unref);
  g_source_attach (exchange->stop, g_task_get_context (task));
  _lsobs_session_pool_set_stop (exchange->session, exchange->stop);
  if (exchange->caller != NULL)
    exchange->cancelled_id =
        g_cancellable_connect (exchange->caller, G_CALLBACK (cancelled_cb),
                               g_source_ref (exchange->stop), (GDestroyNotify) g_source_unref);
}

static void
arm (GTask *task)
{
  Exchange *exchange = g_task_get_task_data (task);

  exchange->cancellable = g_cancellable_new ();
  arm_stop (task);
  exchange->timeout = g_timeout_source_new (0);
  g_source_set_static_name (exchange->timeout, "[lsobs] request timeout");
  exchange->deadline = g_get_monotonic_time () + exchange->limits.timeout * 1000;
  g_source_set_ready_time (exchange->timeout, exchange->deadline);
  g_source_set_callback (exchange->timeout, timed_out_cb, g_object_ref (task), g_object_unref);
  g_source_attach (exchange->timeout, g_task_get_context (task));
  exchange->look = g_timeout_source_new (LOOK_INTERVAL);
  g_source_set_static_name (exchange->look, "[lsobs] request look");
  g_source_set_callback (exchange->look, look_cb, g_object_ref (task), g_object_unref);
  g_source_attach (exchange->look, g_task_get_context (task));
  watch_message (exchange);
}

/* Sends @message and reads the answer, in the thread-default context. When libsoup sends the
 * message again, it sends the whole body.
 * @session: of a session pool, without a message
 * @message: without a body
 * @type: (nullable): of the body
 * @body: (nullable) */
void
_lsobs_exchange_async (SoupSession *session,
                       SoupMessage *message,
                       const char *type,
                       GBytes *body,
                       const LsobsExchangeLimits *limits,
                       GCancellable *cancellable,
                       GAsyncReadyCallback callback,
                       gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (session, cancellable, callback, user_data);
  Exchange *exchange = g_new0 (Exchange, 1);

  exchange->epoch = _lsobs_fork_epoch ();
  exchange->session = session;
  exchange->context = g_task_get_context (task);
  exchange->caller = cancellable;
  exchange->message = g_object_ref (message);
  exchange->type = g_strdup (type);
  exchange->body = body != NULL ? g_bytes_ref (body) : NULL;
  exchange->written = body == NULL;
  exchange->limits = *limits;
  g_task_set_source_tag (task, _lsobs_exchange_async);
  g_task_set_task_data (task, exchange, exchange_free);
  /* A cancellation that comes after the answer does not replace it. */
  g_task_set_check_cancellable (task, FALSE);
  arm (task);
  set_body (exchange);
  soup_session_send_async (session, message, IO_PRIORITY, exchange->cancellable, sent_cb,
                           g_object_ref (task));
}

/* The exchange fails before it begins, in the thread-default context.
 * @problem: (nullable): translated: why; NULL if it is cancelled */
void
_lsobs_exchange_refuse (const char *problem,
                        GCancellable *cancellable,
                        GAsyncReadyCallback callback,
                        gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);

  g_task_set_source_tag (task, _lsobs_exchange_async);
  g_task_set_task_data (task, g_new0 (Exchange, 1), exchange_free);
  g_task_set_check_cancellable (task, FALSE);
  if (!g_task_return_error_if_cancelled (task))
    g_task_return_new_error (task, LSOBS_ERROR, LSOBS_ERROR_UNREACHABLE, "%s", problem);
}

/* Whether libsoup has sent the message more than once, so that the server may have processed it
 * before the answer that was read. Called in the callback of the exchange. */
gboolean
_lsobs_exchange_was_resent (GAsyncResult *result)
{
  Exchange *exchange = g_task_get_task_data (G_TASK (result));

  g_assert (g_main_context_is_owner (g_task_get_context (G_TASK (result))));
  return exchange->n_resends > 0;
}

/* Called in the callback of the exchange. Fails with G_IO_ERROR_NOT_CONNECTED or
 * LSOBS_ERROR_UNREACHABLE when nothing of the message was sent (the second has a message that says
 * what to do), with G_IO_ERROR_CANCELLED, or with another error of libsoup or GIO.
 * @len: (out) (optional)
 * Returns: (transfer full): the beginning of the answer, with a NUL behind it; status and headers
 *   are in the message */
char *
_lsobs_exchange_finish (GAsyncResult *result, gsize *len, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, _lsobs_exchange_async), NULL);

  g_assert (g_main_context_is_owner (g_task_get_context (G_TASK (result))));
  if (len != NULL)
    *len = ((Exchange *) g_task_get_task_data (G_TASK (result)))->len;
  return g_task_propagate_pointer (G_TASK (result), error);
}
