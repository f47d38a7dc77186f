/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>
#include <sys/socket.h>

#include "tests/lib/test-server-private.h"
#include "tests/lib/test-utils.h"

/* How a request is answered. All of this runs in the server's thread. */

/* A client that does not read must not stop the thread for ever. */
#define WRITE_TIMEOUT_S (TEST_TIMEOUT_MS / 1000 / 4)

void
_test_answer_copy_init (TestAnswerCopy *self, const TestAnswer *answer)
{
  gsize length = answer->body_length;

  self->mode = answer->mode;
  self->status = answer->status != 0 ? answer->status : SOUP_STATUS_ACCEPTED;
  self->headers = g_strdup (answer->headers);
  self->delay_ms = answer->delay_ms;

  if (answer->body != NULL)
    self->body = g_bytes_new (answer->body, length > 0 ? length : strlen (answer->body));
  else if (length > 0)
    self->body = g_bytes_new_take (g_strnfill (length, ' '), length);
  else
    self->body = g_bytes_new_static ("{}", 2);
}

void
_test_answer_copy_clear (TestAnswerCopy *self)
{
  g_clear_pointer (&self->headers, g_free);
  g_clear_pointer (&self->body, g_bytes_unref);
}

void
_test_exchange_free (TestExchange *self)
{
  if (self->timer != NULL)
    g_source_destroy (self->timer);
  g_clear_pointer (&self->timer, g_source_unref);
  if (self->msg != NULL)
    g_signal_handler_disconnect (self->msg, self->finished_id);
  g_clear_object (&self->msg);
  if (self->stream != NULL)
    {
      g_io_stream_close (self->stream, NULL, NULL);
      /* the stream alone may keep the socket open for others that hold it */
      g_socket_close (self->socket, NULL);
    }
  g_clear_object (&self->stream);
  g_clear_object (&self->socket);
  g_clear_pointer (&self->slow, g_bytes_unref);
  _test_answer_copy_clear (&self->answer);
  test_request_unref (self->request);
  g_free (self);
}

static void
drop (TestExchange *self)
{
  g_ptr_array_remove_fast (self->server->exchanges, self);
}

/* @status 0: there will be no answer */
static void
note_answer (TestServer *server, TestRequest *request, guint status, gboolean is_lost)
{
  TestRequestState *state = (TestRequestState *) request;

  g_mutex_lock (&server->lock);
  g_atomic_int_set (&state->status, (int) status);
  state->answer_time = g_get_monotonic_time ();
  state->is_lost = is_lost;
  server->serial++;
  g_cond_broadcast (&server->cond);
  g_mutex_unlock (&server->lock);
}

/* Has the client closed the connection while it waited? libsoup does not look while it is paused. */
static gboolean
client_is_gone (GSocket *socket)
{
  char byte;

  return socket == NULL || recv (g_socket_get_fd (socket), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void
apply_headers (SoupMessageHeaders *headers, const char *lines)
{
  g_auto (GStrv) list = g_strsplit (lines != NULL ? lines : "", "\n", -1);

  for (guint i = 0; list[i] != NULL; i++)
    {
      char *colon = strchr (list[i], ':');

      if (colon == NULL)
        continue;
      *colon = '\0';
      soup_message_headers_replace (headers, g_strstrip (list[i]), g_strstrip (colon + 1));
    }
}

static void
set_response (SoupServerMessage *msg, TestAnswerCopy *answer)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (msg);

  soup_server_message_set_status (msg, answer->status, NULL);
  if (answer->status != SOUP_STATUS_NO_CONTENT && answer->status != SOUP_STATUS_NOT_MODIFIED)
    {
      soup_message_headers_replace (headers, "Content-Type", "application/json");
      if (g_bytes_get_size (answer->body) > 0)
        soup_message_body_append_bytes (soup_server_message_get_response_body (msg), answer->body);
    }
  apply_headers (headers, answer->headers);
}

static void
answer (TestExchange *self)
{
  g_autoptr (SoupServerMessage) msg = g_object_ref (self->msg);

  set_response (msg, &self->answer);
  note_answer (self->server, self->request, self->answer.status, client_is_gone (self->socket));
  drop (self);
  soup_server_message_unpause (msg);
}

/* From here on the bytes are ours: libsoup has no way to send a broken answer. */
static void
steal (TestExchange *self)
{
  g_autoptr (SoupServerMessage) msg = g_steal_pointer (&self->msg);

  g_signal_handler_disconnect (msg, self->finished_id);
  self->stream = soup_server_message_steal_connection (msg);
  g_socket_set_blocking (self->socket, TRUE);
  g_socket_set_timeout (self->socket, WRITE_TIMEOUT_S);
}

static void
reset (TestExchange *self)
{
  const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

  steal (self);
  /* with no time to linger, close sends RST instead of FIN */
  setsockopt (g_socket_get_fd (self->socket), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  note_answer (self->server, self->request, 0, TRUE);
  drop (self);
}

static char *
dup_head (TestAnswerCopy *answer)
{
  g_autoptr (GString) head = g_string_new (NULL);
  g_auto (GStrv) lines = g_strsplit (answer->headers != NULL ? answer->headers : "", "\n", -1);

  g_string_append_printf (head,
                          "HTTP/1.1 %u %s\r\nContent-Length: %" G_GSIZE_FORMAT
                          "\r\nConnection: close\r\n",
                          answer->status, soup_status_get_phrase (answer->status),
                          g_bytes_get_size (answer->body));
  for (guint i = 0; lines[i] != NULL; i++)
    if (*lines[i] != '\0')
      g_string_append_printf (head, "%s\r\n", lines[i]);
  g_string_append (head, "\r\n");

  return g_strdup (head->str);
}

static gboolean
send_bytes (TestExchange *self, const char *data, gsize size)
{
  while (size > 0)
    {
      gssize n = g_socket_send (self->socket, data, size, NULL, NULL);

      if (n <= 0)
        return FALSE;
      data += n;
      size -= (gsize) n;
    }

  return TRUE;
}

static void
close_early (TestExchange *self)
{
  g_autofree char *head = dup_head (&self->answer);

  steal (self);
  if (send_bytes (self, head, strlen (head)))
    send_bytes (self, g_bytes_get_data (self->answer.body, NULL),
                g_bytes_get_size (self->answer.body) / 2);
  note_answer (self->server, self->request, self->answer.status, TRUE);
  drop (self);
}

static gboolean
trickle_cb (gpointer user_data)
{
  TestExchange *self = user_data;
  gsize size;
  const char *data = g_bytes_get_data (self->slow, &size);
  gboolean is_sent = size == 0 || send_bytes (self, data, 1);

  if (is_sent && size > 1)
    {
      g_autoptr (GBytes) rest = g_bytes_new_from_bytes (self->slow, 1, size - 1);

      g_bytes_unref (self->slow);
      self->slow = g_steal_pointer (&rest);
      return G_SOURCE_CONTINUE;
    }

  note_answer (self->server, self->request, self->answer.status, !is_sent);
  drop (self);

  return G_SOURCE_REMOVE;
}

static void
set_timer (TestExchange *self, guint ms, GSourceFunc func)
{
  if (self->timer != NULL)
    g_source_destroy (self->timer);
  g_clear_pointer (&self->timer, g_source_unref);
  self->timer = g_timeout_source_new (ms);
  g_source_set_callback (self->timer, func, self, NULL);
  g_source_set_static_name (self->timer, "[test-server] answer");
  g_source_attach (self->timer, self->server->context);
}

static void
start_trickle (TestExchange *self)
{
  g_autofree char *head = dup_head (&self->answer);

  steal (self);
  if (!send_bytes (self, head, strlen (head)))
    {
      note_answer (self->server, self->request, self->answer.status, TRUE);
      drop (self);
      return;
    }
  self->slow = g_bytes_ref (self->answer.body);
  set_timer (self, MAX (self->answer.delay_ms, 1), trickle_cb);
}

static gboolean
perform_cb (gpointer user_data)
{
  TestExchange *self = user_data;

  switch (self->answer.mode)
    {
    case TEST_ANSWER_WHOLE:
      answer (self);
      break;
    case TEST_ANSWER_HANG:
      /* it stays in the list until it is released or the server goes */
      break;
    case TEST_ANSWER_RESET:
      reset (self);
      break;
    case TEST_ANSWER_SLOW_BODY:
      start_trickle (self);
      break;
    case TEST_ANSWER_EARLY_CLOSE:
      close_early (self);
      break;
    default:
      g_assert_not_reached ();
    }

  return G_SOURCE_REMOVE;
}

static void
schedule (TestExchange *self)
{
  /* the delay of a slow body is that between its bytes */
  guint delay_ms = self->answer.mode == TEST_ANSWER_SLOW_BODY ? 0 : self->answer.delay_ms;

  set_timer (self, delay_ms, perform_cb);
}

/* The connection broke while the request waited for its answer. */
static void
finished_cb (SoupServerMessage *msg G_GNUC_UNUSED, gpointer user_data)
{
  TestExchange *self = user_data;

  note_answer (self->server, self->request, 0, TRUE);
  drop (self);
}

void
_test_server_answer (TestServer *self,
                     SoupServerMessage *msg,
                     TestRequest *request,
                     TestAnswerCopy *answer,
                     gboolean is_held)
{
  TestExchange *exchange;

  if (answer->mode == TEST_ANSWER_WHOLE && answer->delay_ms == 0 && !is_held)
    {
      set_response (msg, answer);
      _test_answer_copy_clear (answer);
      note_answer (self, request, answer->status, FALSE);
      return;
    }

  exchange = g_new0 (TestExchange, 1);
  exchange->server = self;
  exchange->request = test_request_ref (request);
  exchange->msg = g_object_ref (msg);
  exchange->finished_id = g_signal_connect (msg, "finished", G_CALLBACK (finished_cb), exchange);
  g_set_object (&exchange->socket, soup_server_message_get_socket (msg));
  exchange->answer = *answer;
  exchange->is_held = is_held;
  g_ptr_array_add (self->exchanges, exchange);

  soup_server_message_pause (msg);
  /* never from here: libsoup still uses the message when its handler returns */
  if (!is_held)
    schedule (exchange);
}

gboolean
_test_server_release_cb (gpointer data)
{
  TestServer *self = data;

  for (guint i = 0; i < self->exchanges->len; i++)
    {
      TestExchange *exchange = g_ptr_array_index (self->exchanges, i);

      if (exchange->is_held)
        schedule (exchange);
      exchange->is_held = FALSE;
    }

  return G_SOURCE_REMOVE;
}

gboolean
_test_server_unhang_cb (gpointer data)
{
  TestServer *self = data;

  for (guint i = 0; i < self->exchanges->len; i++)
    {
      TestExchange *exchange = g_ptr_array_index (self->exchanges, i);

      if (exchange->answer.mode != TEST_ANSWER_HANG || exchange->is_held)
        continue;
      exchange->answer.mode = TEST_ANSWER_WHOLE;
      exchange->answer.delay_ms = 0;
      schedule (exchange);
    }

  return G_SOURCE_REMOVE;
}
