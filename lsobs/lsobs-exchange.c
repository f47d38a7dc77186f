/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/lsobs-exchange-private.h"

/* How long it may take to be connected, TLS and all, in ms. */
#define CONNECT_TIMEOUT 5000

typedef struct
{
  SoupMessage *message; /* (owned) */
  LsobsExchangeLimits limits;
  GCancellable *cancellable; /* (owned) ends with the task's, or in time */
  gulong cancelled_id;
  GSource *timeout;    /* (owned) (nullable) until the end */
  gint64 deadline;     /* monotonic, µs: for all of it */
  gboolean connecting; /* and the time for that runs */
  gboolean sent;       /* the server may have got something of it */
  gulong event_id;
  gulong starting_id;
  char *answer; /* (owned) (nullable) */
  gsize len;
} Exchange;

static void
exchange_free (gpointer user_data)
{
  Exchange *exchange = user_data;

  g_object_unref (exchange->message);
  g_object_unref (exchange->cancellable);
  g_free (exchange->answer);
  g_free (exchange);
}

/* To be called before the task returns: who waits for it may begin anew. */
static void
end (GTask *task)
{
  Exchange *exchange = g_task_get_task_data (task);

  if (exchange->cancelled_id != 0)
    g_cancellable_disconnect (g_task_get_cancellable (task), exchange->cancelled_id);
  exchange->cancelled_id = 0;
  g_clear_signal_handler (&exchange->event_id, exchange->message);
  g_clear_signal_handler (&exchange->starting_id, exchange->message);
  if (exchange->timeout != NULL)
    g_source_destroy (exchange->timeout);
  g_clear_pointer (&exchange->timeout, g_source_unref);
}

/* Called in the context of the task. */
static void
answer_read_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  GInputStream *stream = G_INPUT_STREAM (object);
  Exchange *exchange = g_task_get_task_data (task);

  /* The status is enough; an answer that breaks off changes nothing. */
  g_input_stream_read_all_finish (stream, result, &exchange->len, NULL);
  exchange->answer[exchange->len] = '\0';
  g_input_stream_close_async (stream, G_PRIORITY_DEFAULT, NULL, NULL, NULL);
  end (task);
  if (!SOUP_STATUS_IS_SUCCESSFUL (soup_message_get_status (exchange->message)) &&
      g_task_return_error_if_cancelled (task))
    return;
  g_task_return_pointer (task, g_steal_pointer (&exchange->answer), g_free);
}

/* What a proxy says that leads to no service: nothing of the message has left. */
static void
return_refusal (GTask *task, guint status)
{
  end (task);
  if (status == SOUP_STATUS_PROXY_AUTHENTICATION_REQUIRED)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED,
                             /* TRANSLATORS: follows “The service cannot be reached: ”, as does the
                              * next one. The number is the status of HTTP. */
                             _ ("the proxy wants another user name or password (HTTP %u); check "
                                "those in the URL of the proxy"),
                             status);
  else
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED,
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

  stream = soup_session_send_finish (SOUP_SESSION (object), result, &error);
  if (stream != NULL && !exchange->sent)
    {
      return_refusal (task, soup_message_get_status (exchange->message));
      return;
    }
  if (stream != NULL)
    {
      if (SOUP_STATUS_IS_SUCCESSFUL (soup_message_get_status (exchange->message)))
        {
          gint64 soon = g_get_monotonic_time () + exchange->limits.tail * 1000;

          g_source_set_ready_time (exchange->timeout, MIN (exchange->deadline, soon));
        }
      exchange->answer = g_malloc (exchange->limits.max_answer + 1);
      g_input_stream_read_all_async (stream, exchange->answer, exchange->limits.max_answer,
                                     G_PRIORITY_DEFAULT, exchange->cancellable, answer_read_cb,
                                     g_object_ref (task));
      return;
    }

  end (task);
  if (g_task_return_error_if_cancelled (task))
    return;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_clear_error (&error);
      /* TRANSLATORS: both can follow “The service cannot be reached: ”. */
      error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                                   exchange->connecting ? _ ("it takes too long to connect")
                                                        : _ ("there is no answer in time"));
    }
  if (exchange->sent)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "%s", error->message);
}

/* Called in the context of the task. */
static gboolean
timed_out_cb (gpointer user_data)
{
  g_cancellable_cancel (G_CANCELLABLE (user_data));
  return G_SOURCE_REMOVE;
}

/* Called in whatever thread cancels. */
static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  g_cancellable_cancel (G_CANCELLABLE (user_data));
}

/* Called in the context of the task, for what happens on a new connection. */
static void
network_event_cb (SoupMessage *message,
                  GSocketClientEvent event,
                  GIOStream *connection,
                  gpointer user_data)
{
  Exchange *exchange = user_data;
  gint64 soon = g_get_monotonic_time () + CONNECT_TIMEOUT * 1000;

  if (exchange->connecting || event == G_SOCKET_CLIENT_COMPLETE)
    return;
  exchange->connecting = TRUE;
  g_source_set_ready_time (exchange->timeout, MIN (exchange->deadline, soon));
}

/* Called in the context of the task, when the message goes out. */
static void
starting_cb (SoupMessage *message, gpointer user_data)
{
  Exchange *exchange = user_data;

  exchange->connecting = FALSE;
  exchange->sent = TRUE;
  g_source_set_ready_time (exchange->timeout, exchange->deadline);
}

static void
arm (GTask *task)
{
  Exchange *exchange = g_task_get_task_data (task);

  exchange->cancellable = g_cancellable_new ();
  if (g_task_get_cancellable (task) != NULL)
    exchange->cancelled_id =
        g_cancellable_connect (g_task_get_cancellable (task), G_CALLBACK (cancelled_cb),
                               g_object_ref (exchange->cancellable), g_object_unref);
  exchange->timeout = g_timeout_source_new (0);
  g_source_set_static_name (exchange->timeout, "[lsobs] request timeout");
  exchange->deadline = g_get_monotonic_time () + exchange->limits.timeout * 1000;
  g_source_set_ready_time (exchange->timeout, exchange->deadline);
  g_source_set_callback (exchange->timeout, timed_out_cb, g_object_ref (exchange->cancellable),
                         g_object_unref);
  g_source_attach (exchange->timeout, g_task_get_context (task));
  exchange->event_id = g_signal_connect (exchange->message, "network-event",
                                         G_CALLBACK (network_event_cb), exchange);
  exchange->starting_id =
      g_signal_connect (exchange->message, "starting", G_CALLBACK (starting_cb), exchange);
}

/* Sends @message, in the thread-default context. */
void
_lsobs_exchange_async (SoupSession *session,
                       SoupMessage *message,
                       const LsobsExchangeLimits *limits,
                       GCancellable *cancellable,
                       GAsyncReadyCallback callback,
                       gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (session, cancellable, callback, user_data);
  Exchange *exchange = g_new0 (Exchange, 1);

  exchange->message = g_object_ref (message);
  exchange->limits = *limits;
  g_task_set_source_tag (task, _lsobs_exchange_async);
  g_task_set_task_data (task, exchange, exchange_free);
  /* What was answered stays so when the cancellation comes a moment later. */
  g_task_set_check_cancellable (task, FALSE);
  arm (task);
  soup_session_send_async (session, message, G_PRIORITY_DEFAULT, exchange->cancellable, sent_cb,
                           g_object_ref (task));
}

/* Fails with G_IO_ERROR_NOT_CONNECTED when nothing of the message has left, with
 * G_IO_ERROR_CANCELLED, or with what went wrong else.
 * @len: (out) (optional)
 * Returns: (transfer full): the beginning of the answer, with a NUL behind it; the
 *   message has the rest */
char *
_lsobs_exchange_finish (GAsyncResult *result, gsize *len, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, _lsobs_exchange_async), NULL);

  if (len != NULL)
    *len = ((Exchange *) g_task_get_task_data (G_TASK (result)))->len;
  return g_task_propagate_pointer (G_TASK (result), error);
}
