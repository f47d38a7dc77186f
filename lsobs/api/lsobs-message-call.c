/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/api/lsobs-model-call-private.h"
#include "lsobs/api/lsobs-observer-private.h"
#include "lsobs/api/lsobs-response-stream-private.h"
#include "lsobs/api/lsobs-run-context-private.h"
#include "lsobs/api/lsobs-run-private.h"
#include "lsobs/lsobs-message-call.h"

/**
 * SECTION:lsobs-message-call
 * @title: Model calls with libsoup
 * @short_description: trace the call of a model that libsoup sends
 *
 * Trace the call of a model with libsoup in two steps: add one line before you send the message,
 * and send it with a function of lsobs, which works as that of libsoup:
 *
 * |[<!-- language="C" -->
 * soup_message_set_request_body_from_bytes (message, "application/json", body);
 * lsobs_observer_trace_message (observer, message, body, NULL);
 * stream = lsobs_session_send (session, message, cancellable, &error);
 * ]|
 *
 * The program gets the same bytes and errors as from libsoup, and cancels in the same way.
 * #LsobsModelCall describes what is recorded. If another function must send the message, pass the
 * answer to lsobs_message_wrap_response() or lsobs_message_take_response(), or an error to
 * lsobs_message_take_error().
 *
 * The run ends with the mark for the end of a stream. Without such a mark, it ends when the answer
 * is read, or when its stream is closed or freed. A redirect, or a second attempt with a password,
 * belongs to the same run. If the program sends the message again, a second run starts. If a
 * function of libsoup sends it again, the second run starts with the first byte of the request: an
 * attempt without a connection belongs to the first run.
 *
 * # Threads
 *
 * Call these functions in the threads that may call the functions of libsoup for the session. They
 * block only if the functions of libsoup block.
 */

/* The key of the object data with the call of a message. */
#define CALL_KEY "lsobs-message-call"

/* The key of the object data with the message of a task. */
#define TASK_KEY "lsobs-message"

/* The call that a message makes. */
typedef struct
{
  LsobsModelCall *call;    /* (owned) */
  LsobsExporter *exporter; /* (owned) */
  LsobsRun *parent;        /* (owned) (nullable) */
  GBytes *body;            /* (owned) (nullable) */
  gulong handlers[3];
  guint status;        /* of the last answer, or 0 */
  gboolean is_wrapped; /* the stream with the answer ends the call, and may outlive the message */
  gboolean is_done;    /* the message has been sent, and another start sends it again */
} MessageCall;

/* Drops the call that was made last. Its answer was not handed over, unless it was wrapped. */
static void
drop_call (MessageCall *self)
{
  if (!self->is_wrapped && self->status > 0)
    _lsobs_model_call_drop_unseen (self->call, self->status);
  else if (!self->is_wrapped)
    _lsobs_model_call_drop (self->call, 0, NULL);
  g_clear_object (&self->call);
}

static void
message_call_free (gpointer data)
{
  MessageCall *self = data;

  drop_call (self);
  g_object_unref (self->exporter);
  g_clear_pointer (&self->parent, lsobs_run_unref);
  g_clear_pointer (&self->body, g_bytes_unref);
  g_free (self);
}

/* Returns: (transfer none) (nullable): %NULL if the message is not traced */
static MessageCall *
peek_call (SoupMessage *message)
{
  return g_object_get_data (G_OBJECT (message), CALL_KEY);
}

/* @earlier: (nullable): the call of the same message that was made before */
static void
start_call (MessageCall *self, SoupMessage *message, LsobsModelCall *earlier)
{
  g_autofree char *url =
      g_uri_to_string_partial (soup_message_get_uri (message),
                               G_URI_HIDE_USERINFO | G_URI_HIDE_QUERY | G_URI_HIDE_FRAGMENT);

  self->call = _lsobs_model_call_new (self->exporter, self->parent, earlier, url, self->body);
  self->status = 0;
  self->is_wrapped = FALSE;
  self->is_done = FALSE;
}

/* The message is being sent: for the first time, or once more in the same call, or again. */
static void
starting_cb (SoupMessage *message, gpointer user_data)
{
  MessageCall *self = user_data;
  g_autoptr (LsobsModelCall) earlier = NULL;

  if (!self->is_done)
    return;
  earlier = g_object_ref (self->call);
  drop_call (self);
  start_call (self, message, earlier);
}

/* A message is about to be sent. If there is no connection, it does not start. */
static void
prepare (SoupMessage *message)
{
  MessageCall *self = peek_call (message);

  if (self != NULL)
    starting_cb (message, self);
}

static void
got_headers_cb (SoupMessage *message, gpointer user_data)
{
  static const char *const names[] = { "x-request-id", "request-id", "apim-request-id" };
  SoupMessageHeaders *headers = soup_message_get_response_headers (message);
  MessageCall *self = user_data;

  self->status = soup_message_get_status (message);
  if (self->status >= 400)
    _lsobs_model_call_refuse (self->call, soup_message_get_reason_phrase (message));
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *id = soup_message_headers_get_one (headers, names[i]);

      if (id == NULL)
        continue;
      lsobs_model_call_set_request_id (self->call, id);
      return;
    }
}

static void
finished_cb (SoupMessage *message G_GNUC_UNUSED, gpointer user_data)
{
  MessageCall *self = user_data;

  self->is_done = TRUE;
}

/* Ends what an earlier call has left on the message. */
static void
clear_call (SoupMessage *message)
{
  MessageCall *call = peek_call (message);

  if (call == NULL)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (call->handlers); i++)
    g_signal_handler_disconnect (message, call->handlers[i]);
  g_object_set_data (G_OBJECT (message), CALL_KEY, NULL);
}

/**
 * lsobs_observer_trace_message:
 * @self: an observer
 * @message: a request to a model, which is not sent yet
 * @body: (nullable): the body of the request, as lsobs cannot read it from @message
 * @parent: (nullable): the parent of the run, or %NULL for the current run of this thread, see
 *   lsobs_run_push_thread_default(); without a current run, the run is the root of a trace
 *
 * Starts a run for the call of a model. The start time is the time of this call. Send @message with
 * lsobs_session_send() or a similar function, or pass the answer to lsobs_message_wrap_response() or
 * lsobs_message_take_response().
 *
 * The query and the user of the URL are not recorded. Of the headers, only the id that the service
 * gives to the request is recorded.
 *
 * Returns: (transfer none): the run; @message owns it until the message is sent again or freed
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_observer_trace_message (LsobsObserver *self,
                              SoupMessage *message,
                              GBytes *body,
                              LsobsRun *parent)
{
  g_autoptr (LsobsExporter) exporter = NULL;
  g_autoptr (LsobsRun) current = NULL;
  MessageCall *call;

  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (lsobs_observer_get_exporter (self) != NULL, NULL);
  g_return_val_if_fail (SOUP_IS_MESSAGE (message), NULL);

  clear_call (message);
  exporter = _lsobs_observer_ref_exporter (self);
  if (parent == NULL)
    parent = current = _lsobs_run_context_ref (exporter);
  call = g_new0 (MessageCall, 1);
  call->exporter = g_object_ref (parent != NULL ? parent->exporter : exporter);
  call->parent = parent != NULL ? lsobs_run_ref (parent) : NULL;
  call->body = body != NULL ? g_bytes_ref (body) : NULL;
  start_call (call, message, NULL);
  call->handlers[0] = g_signal_connect (message, "starting", G_CALLBACK (starting_cb), call);
  call->handlers[1] = g_signal_connect (message, "got-headers", G_CALLBACK (got_headers_cb), call);
  call->handlers[2] = g_signal_connect (message, "finished", G_CALLBACK (finished_cb), call);
  g_object_set_data_full (G_OBJECT (message), CALL_KEY, call, message_call_free);
  return lsobs_model_call_get_run (call->call);
}

/* @cancellable: (nullable)
 * Returns: (transfer full) */
static GInputStream *
wrap (SoupMessage *message, GInputStream *stream, GCancellable *cancellable)
{
  MessageCall *call = peek_call (message);

  /* A stream that was wrapped before shows the answer already. */
  if (call == NULL || call->is_wrapped)
    return g_object_ref (stream);
  call->is_wrapped = TRUE;
  return _lsobs_response_stream_new (stream, call->call, soup_message_get_status (message),
                                     cancellable);
}

/**
 * lsobs_message_wrap_response:
 * @message: a message that was sent
 * @stream: the stream with the answer, such as that of soup_session_send()
 *
 * Creates a stream that returns the same bytes and errors as @stream, and traces them. It can be
 * polled if @stream can be polled. It closes @stream when it is closed or freed.
 *
 * Returns: (transfer full): a stream; @stream itself if @message is not traced, or if its answer
 *   was wrapped before
 *
 * Since: 0.1
 */
GInputStream *
lsobs_message_wrap_response (SoupMessage *message, GInputStream *stream)
{
  g_return_val_if_fail (SOUP_IS_MESSAGE (message), NULL);
  g_return_val_if_fail (G_IS_INPUT_STREAM (stream), NULL);

  return wrap (message, stream, NULL);
}

/**
 * lsobs_message_take_response:
 * @message: a message that was sent
 * @bytes: (transfer none) (nullable): the whole answer, such as that of
 *   soup_session_send_and_read(), or %NULL if there is none
 *
 * Traces the whole answer, and ends the run. The caller keeps its reference to @bytes. Does nothing
 * if @message is not traced, or if its answer was wrapped.
 *
 * Since: 0.1
 */
void
lsobs_message_take_response (SoupMessage *message, GBytes *bytes)
{
  MessageCall *call;

  g_return_if_fail (SOUP_IS_MESSAGE (message));

  call = peek_call (message);
  if (call == NULL || call->is_wrapped)
    return;
  if (bytes != NULL)
    lsobs_model_call_feed_bytes (call->call, bytes);
  _lsobs_model_call_end (call->call, soup_message_get_status (message), NULL);
}

/**
 * lsobs_message_take_error:
 * @message: a message that was sent
 * @error: (transfer none): why there is no answer
 *
 * Ends the run of a message that got no answer with an error. The caller keeps @error. Does nothing
 * if @message is not traced.
 *
 * Since: 0.1
 */
void
lsobs_message_take_error (SoupMessage *message, const GError *error)
{
  MessageCall *call;

  g_return_if_fail (SOUP_IS_MESSAGE (message));
  g_return_if_fail (error != NULL);

  call = peek_call (message);
  if (call != NULL)
    _lsobs_model_call_end (call->call, call->status, error);
}

/* --- what sends a message --- */

/* @stream: (transfer full) (nullable)
 * @cancellable: (nullable)
 * @own_error: (transfer full) (nullable): why there is no stream
 * Returns: (transfer full) (nullable) */
static GInputStream *
wrap_result (SoupMessage *message,
             GInputStream *stream,
             GCancellable *cancellable,
             GError *own_error,
             GError **error)
{
  g_autoptr (GInputStream) base = stream;

  if (base != NULL)
    return wrap (message, base, cancellable);
  lsobs_message_take_error (message, own_error);
  g_propagate_error (error, own_error);
  return NULL;
}

/* The same for a whole answer. */
static GBytes *
take_result (SoupMessage *message, GBytes *bytes, GError *own_error, GError **error)
{
  if (bytes != NULL)
    {
      lsobs_message_take_response (message, bytes);
      return bytes;
    }
  lsobs_message_take_error (message, own_error);
  g_propagate_error (error, own_error);
  return NULL;
}

/**
 * lsobs_session_send:
 * @session: a session
 * @message: a message
 * @cancellable: (nullable): a cancellable
 * @error: return location for a #GError, or %NULL
 *
 * Sends a message as soup_session_send() does, and traces the answer while the program reads it.
 * Fails with the errors of soup_session_send().
 *
 * Returns: (transfer full): a stream with the answer, or %NULL if it fails
 *
 * Since: 0.1
 */
GInputStream *
lsobs_session_send (SoupSession *session,
                    SoupMessage *message,
                    GCancellable *cancellable,
                    GError **error)
{
  GInputStream *stream;
  GError *own_error = NULL;

  g_return_val_if_fail (SOUP_IS_SESSION (session), NULL);
  g_return_val_if_fail (SOUP_IS_MESSAGE (message), NULL);

  prepare (message);
  stream = soup_session_send (session, message, cancellable, &own_error);
  return wrap_result (message, stream, cancellable, own_error, error);
}

static void
send_cb (GObject *session, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  GError *own_error = NULL;
  GError *error = NULL;
  GInputStream *stream = soup_session_send_finish (SOUP_SESSION (session), result, &own_error);

  stream = wrap_result (g_object_get_data (G_OBJECT (task), TASK_KEY), stream,
                        g_task_get_cancellable (task), own_error, &error);
  if (stream != NULL)
    g_task_return_pointer (task, stream, g_object_unref);
  else
    g_task_return_error (task, error);
}

static GTask *
new_task (SoupSession *session,
          SoupMessage *message,
          int io_priority,
          GCancellable *cancellable,
          GAsyncReadyCallback callback,
          gpointer user_data)
{
  GTask *task = g_task_new (session, cancellable, callback, user_data);

  prepare (message);
  g_task_set_priority (task, io_priority);
  /* The result is that of libsoup, which has looked at @cancellable itself. */
  g_task_set_check_cancellable (task, FALSE);
  /* The task data of a task with a session is libsoup's: soup_session_get_async_result_message ()
   * reads it. */
  g_object_set_data_full (G_OBJECT (task), TASK_KEY, g_object_ref (message), g_object_unref);
  return task;
}

static gboolean
is_result_of (GAsyncResult *result, gpointer source_tag)
{
  return G_IS_TASK (result) && g_async_result_is_tagged (result, source_tag);
}

/**
 * lsobs_session_send_async:
 * @session: a session
 * @message: a message
 * @io_priority: the priority of the request
 * @cancellable: (nullable): a cancellable
 * @callback: (nullable) (scope async): called when the answer starts
 * @user_data: data for @callback
 *
 * Sends a message as soup_session_send_async() does, and traces the answer while the program reads
 * it.
 *
 * Since: 0.1
 */
void
lsobs_session_send_async (SoupSession *session,
                          SoupMessage *message,
                          int io_priority,
                          GCancellable *cancellable,
                          GAsyncReadyCallback callback,
                          gpointer user_data)
{
  GTask *task;

  g_return_if_fail (SOUP_IS_SESSION (session));
  g_return_if_fail (SOUP_IS_MESSAGE (message));

  task = new_task (session, message, io_priority, cancellable, callback, user_data);
  g_task_set_source_tag (task, lsobs_session_send_async);
  soup_session_send_async (session, message, io_priority, cancellable, send_cb, task);
}

/**
 * lsobs_session_send_finish:
 * @result: the result that @callback of lsobs_session_send_async() was called with
 * @error: return location for a #GError, or %NULL
 *
 * Finishes lsobs_session_send_async(). Fails with the errors of soup_session_send_finish().
 *
 * Returns: (transfer full): a stream with the answer, or %NULL if it fails
 *
 * Since: 0.1
 */
GInputStream *
lsobs_session_send_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (is_result_of (result, lsobs_session_send_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * lsobs_session_send_and_read:
 * @session: a session
 * @message: a message
 * @cancellable: (nullable): a cancellable
 * @error: return location for a #GError, or %NULL
 *
 * Sends a message and reads the answer as soup_session_send_and_read() does, and traces the answer.
 * Fails with the errors of that function.
 *
 * Returns: (transfer full): the answer, or %NULL if it fails
 *
 * Since: 0.1
 */
GBytes *
lsobs_session_send_and_read (SoupSession *session,
                             SoupMessage *message,
                             GCancellable *cancellable,
                             GError **error)
{
  GBytes *bytes;
  GError *own_error = NULL;

  g_return_val_if_fail (SOUP_IS_SESSION (session), NULL);
  g_return_val_if_fail (SOUP_IS_MESSAGE (message), NULL);

  prepare (message);
  bytes = soup_session_send_and_read (session, message, cancellable, &own_error);
  return take_result (message, bytes, own_error, error);
}

static void
send_and_read_cb (GObject *session, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  GError *own_error = NULL;
  GError *error = NULL;
  GBytes *bytes = soup_session_send_and_read_finish (SOUP_SESSION (session), result, &own_error);

  bytes = take_result (g_object_get_data (G_OBJECT (task), TASK_KEY), bytes, own_error, &error);
  if (bytes != NULL)
    g_task_return_pointer (task, bytes, (GDestroyNotify) g_bytes_unref);
  else
    g_task_return_error (task, error);
}

/**
 * lsobs_session_send_and_read_async:
 * @session: a session
 * @message: a message
 * @io_priority: the priority of the request
 * @cancellable: (nullable): a cancellable
 * @callback: (nullable) (scope async): called when the answer is read
 * @user_data: data for @callback
 *
 * Sends a message and reads the answer as soup_session_send_and_read_async() does, and traces the
 * answer.
 *
 * Since: 0.1
 */
void
lsobs_session_send_and_read_async (SoupSession *session,
                                   SoupMessage *message,
                                   int io_priority,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data)
{
  GTask *task;

  g_return_if_fail (SOUP_IS_SESSION (session));
  g_return_if_fail (SOUP_IS_MESSAGE (message));

  task = new_task (session, message, io_priority, cancellable, callback, user_data);
  g_task_set_source_tag (task, lsobs_session_send_and_read_async);
  soup_session_send_and_read_async (session, message, io_priority, cancellable, send_and_read_cb,
                                    task);
}

/**
 * lsobs_session_send_and_read_finish:
 * @result: the result that @callback of lsobs_session_send_and_read_async() was called with
 * @error: return location for a #GError, or %NULL
 *
 * Finishes lsobs_session_send_and_read_async(). Fails with the errors of
 * soup_session_send_and_read_finish().
 *
 * Returns: (transfer full): the answer, or %NULL if it fails
 *
 * Since: 0.1
 */
GBytes *
lsobs_session_send_and_read_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (is_result_of (result, lsobs_session_send_and_read_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
