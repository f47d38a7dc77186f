/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>
#include <sys/socket.h>

#include "tests/lib/test-server-private.h"
#include "tests/lib/test-utils.h"

typedef struct
{
  char *path_prefix; /* (owned) (nullable) */
  TestAnswer answer; /* its strings are (owned) */
  int n_left;        /* -1 for ever */
} ScriptEntry;

/* How long connections over TLS have to end with the server, in ms. */
#define TLS_END_MS 10000

static const char default_info[] =
    "{\"version\":\"0.12.1\",\"instance_flags\":{\"zstd_compression_enabled\":false,\"gzip_body_enabled\":true},"
    "\"batch_ingest_config\":{\"use_multipart_endpoint\":true,\"size_limit\":100,\"size_limit_bytes\":20971520,"
    "\"scale_up_qsize_trigger\":1000,\"scale_up_nthreads_limit\":16,\"scale_down_nempty_trigger\":4}}";

static void
script_entry_free (gpointer data)
{
  ScriptEntry *self = data;

  g_free (self->path_prefix);
  g_free ((char *) self->answer.headers);
  g_free ((char *) self->answer.body);
  g_free (self);
}

/* --- the server's thread ------------------------------------------------------------------- */

/* Called with the lock held. Returns (transfer none) (nullable). */
static GList *
find_script_entry (TestServer *self, TestRequest *request)
{
  for (GList *l = self->script.head; l != NULL; l = l->next)
    {
      ScriptEntry *entry = l->data;

      if (entry->path_prefix != NULL ? g_str_has_prefix (request->path, entry->path_prefix)
                                     : !test_request_is_info (request))
        return l;
    }

  return NULL;
}

/* Called without the lock. Takes it, unless the handler has answered. What has changed while the
 * handler ran counts: what the test sets in one call, such as handler and script, counts at once. */
static gboolean
ask_handler (TestServer *self, TestRequest *request, TestAnswer *answer)
{
  TestServerHandler handler = NULL;

  g_mutex_lock (&self->lock);
  while (self->handler != handler && self->handler != NULL && !test_request_is_info (request))
    {
      gpointer handler_data = self->handler_data;

      handler = self->handler;
      g_mutex_unlock (&self->lock);
      if (handler (request, answer, handler_data))
        return TRUE;
      g_mutex_lock (&self->lock);
    }
  return FALSE;
}

static void
choose_answer (TestServer *self, TestRequest *request, TestAnswerCopy *copy)
{
  gboolean is_info = test_request_is_info (request);
  TestAnswer answer = { 0 };
  GList *link;

  if (ask_handler (self, request, &answer))
    {
      _test_answer_copy_init (copy, &answer);
      return;
    }
  link = find_script_entry (self, request);
  if (link != NULL)
    {
      ScriptEntry *entry = link->data;

      _test_answer_copy_init (copy, &entry->answer);
      if (entry->n_left > 0 && --entry->n_left == 0)
        {
          g_queue_delete_link (&self->script, link);
          script_entry_free (entry);
        }
    }
  else
    {
      answer = (TestAnswer){ .status = is_info ? SOUP_STATUS_OK : SOUP_STATUS_ACCEPTED,
                             .body = is_info ? self->info : NULL };
      _test_answer_copy_init (copy, &answer);
    }
  g_mutex_unlock (&self->lock);
}

/* Has the client ended the connection, and was this so before? Between the two, libsoup has read
 * that. */
static gboolean
is_forgotten (GSocket *socket)
{
  static const char key[] = "test-server-ended";
  char byte;
  gboolean was_ended = g_object_get_data (G_OBJECT (socket), key) != NULL;
  gboolean is_ended = recv (g_socket_get_fd (socket), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;

  g_object_set_data (G_OBJECT (socket), key, GINT_TO_POINTER (is_ended));
  return was_ended && is_ended;
}

static gboolean
is_in_use (TestServer *self, GSocket *socket)
{
  for (guint i = 0; i < self->exchanges->len; i++)
    if (((TestExchange *) g_ptr_array_index (self->exchanges, i))->socket == socket)
      return TRUE;
  return FALSE;
}

/* libsoup before 3.3 forgets a connection that its client closes between two requests, and leaves its
 * descriptor open. With too many of them, the server would accept no connection any more. */
static gboolean
close_forgotten_cb (gpointer user_data)
{
  TestServer *self = user_data;

  for (guint i = self->sockets->len; i-- > 0;)
    {
      GSocket *socket = g_ptr_array_index (self->sockets, i);

      if (is_in_use (self, socket) || (!g_socket_is_closed (socket) && !is_forgotten (socket)))
        continue;
      g_socket_close (socket, NULL);
      g_ptr_array_remove_index (self->sockets, i);
    }

  return G_SOURCE_REMOVE;
}

static void
add_socket (TestServer *self, GSocket *socket)
{
  g_autoptr (GSource) source = NULL;

  if (soup_check_version (3, 3, 0))
    return;
  g_ptr_array_add (self->sockets, g_object_ref (socket));
  /* Sources of libsoup come first. */
  source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_LOW);
  g_source_set_callback (source, close_forgotten_cb, self, NULL);
  g_source_attach (source, self->context);
}

static void
weak_ref_free (gpointer data)
{
  g_weak_ref_clear (data);
  g_free (data);
}

/* libsoup tells of the first request of a connection before its TLS handshake. */
static void
request_started_cb (SoupServer *server G_GNUC_UNUSED, SoupServerMessage *msg, gpointer user_data)
{
  TestServer *self = user_data;
  GSocket *socket = soup_server_message_get_socket (msg);
  GWeakRef *ref;

  if (socket == NULL)
    return;
  ref = g_new (GWeakRef, 1);
  g_weak_ref_init (ref, socket);
  g_ptr_array_add (self->tls_sockets, ref);
}

/* A handshake fails when its connection is shut down. */
static gboolean
has_no_tls_sockets (gpointer data)
{
  TestServer *self = data;

  for (guint i = self->tls_sockets->len; i-- > 0;)
    {
      g_autoptr (GSocket) socket = g_weak_ref_get (g_ptr_array_index (self->tls_sockets, i));

      if (socket == NULL)
        g_ptr_array_remove_index_fast (self->tls_sockets, i);
      else if (!g_socket_is_closed (socket))
        shutdown (g_socket_get_fd (socket), SHUT_RDWR);
    }
  return self->tls_sockets->len == 0;
}

static guint
number_connection (TestServer *self, SoupServerMessage *msg)
{
  static const char key[] = "test-server-connection";
  GSocket *socket = soup_server_message_get_socket (msg);
  guint number;

  if (socket == NULL)
    return 0;

  number = GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (socket), key));
  if (number == 0)
    {
      number = ++self->n_sockets;
      g_object_set_data (G_OBJECT (socket), key, GUINT_TO_POINTER (number));
      add_socket (self, socket);
    }

  return number;
}

static void
request_cb (SoupServer *server G_GNUC_UNUSED,
            SoupServerMessage *msg,
            const char *path G_GNUC_UNUSED,
            GHashTable *query G_GNUC_UNUSED,
            gpointer user_data)
{
  TestServer *self = user_data;
  g_autoptr (TestRequest) request =
      _test_request_new (msg, number_connection (self, msg), self->decoders);
  TestAnswerCopy answer;
  gboolean is_held;

  choose_answer (self, request, &answer);

  g_mutex_lock (&self->lock);
  is_held = self->is_held;
  g_ptr_array_add (self->requests, test_request_ref (request));
  self->serial++;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);

  _test_server_answer (self, msg, request, &answer, is_held);
}

static gboolean
announce_cb (gpointer user_data)
{
  TestServer *self = user_data;

  g_mutex_lock (&self->lock);
  self->is_running = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);

  return G_SOURCE_REMOVE;
}

static gboolean
quit_cb (gpointer user_data)
{
  TestServer *self = user_data;

  g_ptr_array_set_size (self->exchanges, 0);
  g_main_loop_quit (self->loop);

  return G_SOURCE_REMOVE;
}

static void
invoke (TestServer *self, GSourceFunc func)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, func, self, NULL);
  g_source_attach (source, self->context);
}

static SoupServerListenOptions
get_options (TestServer *self)
{
  return self->certificate != NULL ? SOUP_SERVER_LISTEN_HTTPS : 0;
}

static void
listen_at (TestServer *self)
{
  SoupServerListenOptions options = get_options (self);
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GError) error = NULL;
  GSList *uris;

  self->soup = soup_server_new ("tls-certificate", self->certificate, NULL);
  soup_server_add_handler (self->soup, NULL, request_cb, self, NULL);
  if (self->certificate != NULL && soup_check_version (3, 3, 0))
    g_signal_connect (self->soup, "request-started", G_CALLBACK (request_started_cb), self);
  if (self->address == NULL)
    {
      soup_server_listen_local (self->soup, 0, options | SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
    }
  else
    {
      address = g_inet_socket_address_new_from_string (self->address, 0);
      soup_server_listen (self->soup, address, options, &error);
    }
  g_assert_no_error (error);
  uris = soup_server_get_uris (self->soup);
  self->port = (guint16) g_uri_get_port (uris->data);
  self->url = g_strdup_printf ("%s://%s:%u", self->certificate != NULL ? "https" : "http",
                               self->address != NULL ? self->address : "127.0.0.1", self->port);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
}

static gpointer
server_thread (gpointer user_data)
{
  TestServer *self = user_data;

  g_main_context_push_thread_default (self->context);
  listen_at (self);

  /* from inside the loop: a quit that comes before it runs would be lost */
  invoke (self, announce_cb);
  g_main_loop_run (self->loop);

  /* From 3.3 on, libsoup uses freed memory when the server goes while a TLS handshake is under way.
   * A request without an answer may keep its connection. */
  test_wait_in_context (self->context, has_no_tls_sockets, self, TLS_END_MS);
  soup_server_disconnect (self->soup);
  g_clear_object (&self->soup);
  g_clear_object (&self->closed);
  /* what libsoup still has to finish about closed connections */
  while (g_main_context_iteration (self->context, FALSE))
    ;
  g_main_context_pop_thread_default (self->context);

  return NULL;
}

static void
set_closed (TestServer *self, gboolean is_closed)
{
  g_mutex_lock (&self->lock);
  self->is_closed = is_closed;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* Called in the server's thread. A port that is bound, and not listened at, refuses. */
static gboolean
close_port_cb (gpointer user_data)
{
  TestServer *self = user_data;
  g_autoptr (GSocketAddress) address =
      g_inet_socket_address_new_from_string (self->address != NULL ? self->address : "127.0.0.1",
                                             self->port);
  g_autoptr (GError) error = NULL;

  soup_server_disconnect (self->soup);
  self->closed =
      g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, &error);
  g_assert_no_error (error);
  g_socket_bind (self->closed, address, TRUE, &error);
  g_assert_no_error (error);
  set_closed (self, TRUE);

  return G_SOURCE_REMOVE;
}

/* Called in the server's thread. */
static gboolean
open_port_cb (gpointer user_data)
{
  TestServer *self = user_data;
  g_autoptr (GSocket) socket = g_steal_pointer (&self->closed);
  g_autoptr (GError) error = NULL;

  g_socket_listen (socket, &error);
  g_assert_no_error (error);
  soup_server_listen_socket (self->soup, socket, get_options (self), &error);
  g_assert_no_error (error);
  set_closed (self, FALSE);

  return G_SOURCE_REMOVE;
}

static void
invoke_until (TestServer *self, GSourceFunc func, gboolean is_closed)
{
  invoke (self, func);
  g_mutex_lock (&self->lock);
  while (self->is_closed != is_closed)
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);
}

void
test_server_close_port (TestServer *self)
{
  invoke_until (self, close_port_cb, TRUE);
}

void
test_server_open_port (TestServer *self)
{
  invoke_until (self, open_port_cb, FALSE);
}

/* Called in the server's thread. */
static gboolean
park_cb (gpointer user_data)
{
  TestServer *self = user_data;

  g_mutex_lock (&self->lock);
  self->is_parked = TRUE;
  g_cond_broadcast (&self->cond);
  while (!self->may_go_on)
    g_cond_wait (&self->cond, &self->lock);
  self->is_parked = FALSE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);

  return G_SOURCE_REMOVE;
}

void
test_server_park (TestServer *self)
{
  self->may_go_on = FALSE;
  invoke (self, park_cb);
  g_mutex_lock (&self->lock);
  while (!self->is_parked)
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);
}

void
test_server_unpark (TestServer *self)
{
  g_mutex_lock (&self->lock);
  self->may_go_on = TRUE;
  g_cond_broadcast (&self->cond);
  while (self->is_parked)
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);
}

/* --- life ---------------------------------------------------------------------------------- */

TestServer *
test_server_new (void)
{
  return test_server_new_at (NULL, NULL);
}

TestServer *
test_server_new_at (const char *address, GTlsCertificate *certificate)
{
  TestServer *self = g_new0 (TestServer, 1);

  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  g_queue_init (&self->script);
  self->address = g_strdup (address);
  g_set_object (&self->certificate, certificate);
  self->context = g_main_context_new ();
  self->loop = g_main_loop_new (self->context, FALSE);
  self->exchanges = g_ptr_array_new_with_free_func ((GDestroyNotify) _test_exchange_free);
  self->sockets = g_ptr_array_new_with_free_func (g_object_unref);
  self->tls_sockets = g_ptr_array_new_with_free_func (weak_ref_free);
  self->requests = g_ptr_array_new_with_free_func ((GDestroyNotify) test_request_unref);
  self->info = g_strdup (default_info);
  self->decoders = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->thread = g_thread_new ("test-server", server_thread, self);

  g_mutex_lock (&self->lock);
  while (!self->is_running)
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);

  return self;
}

void
test_server_free (TestServer *self)
{
  invoke (self, quit_cb);
  g_thread_join (self->thread);

  g_ptr_array_unref (self->exchanges);
  g_ptr_array_unref (self->sockets);
  g_ptr_array_unref (self->tls_sockets);
  g_ptr_array_unref (self->requests);
  g_queue_clear_full (&self->script, script_entry_free);
  g_hash_table_unref (self->decoders);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_free (self->address);
  g_clear_object (&self->certificate);
  g_free (self->url);
  g_free (self->info);
  g_cond_clear (&self->cond);
  g_mutex_clear (&self->lock);
  g_free (self);
}

const char *
test_server_get_url (TestServer *self)
{
  return self->url;
}

guint16
test_server_get_port (TestServer *self)
{
  return self->port;
}

/* --- commands ------------------------------------------------------------------------------ */

void
test_server_push (TestServer *self, const char *path_prefix, TestAnswer answer)
{
  ScriptEntry *entry = g_new0 (ScriptEntry, 1);
  gsize length = answer.body_length;

  entry->path_prefix = g_strdup (path_prefix);
  entry->answer = answer;
  entry->answer.headers = g_strdup (answer.headers);
  if (answer.body != NULL)
    {
      if (length == 0)
        length = strlen (answer.body);
      /* one more, so that an empty text stays a text */
      entry->answer.body = g_malloc0 (length + 1);
      memcpy ((char *) entry->answer.body, answer.body, length);
    }
  entry->n_left = answer.repeat < 0 ? -1 : MAX (answer.repeat, 1);

  g_mutex_lock (&self->lock);
  g_queue_push_tail (&self->script, entry);
  g_mutex_unlock (&self->lock);
}

void
test_server_set_handler (TestServer *self, TestServerHandler handler, gpointer data)
{
  g_mutex_lock (&self->lock);
  self->handler = handler;
  self->handler_data = data;
  g_mutex_unlock (&self->lock);
}

void
test_server_set_info (TestServer *self, const char *json)
{
  g_mutex_lock (&self->lock);
  g_free (self->info);
  self->info = g_strdup (json);
  g_mutex_unlock (&self->lock);
}

void
test_server_set_decoder (TestServer *self, const char *encoding, TestServerDecoder decoder)
{
  g_hash_table_replace (self->decoders, g_strdup (encoding), (gpointer) decoder);
}

void
test_server_hold (TestServer *self)
{
  g_mutex_lock (&self->lock);
  self->is_held = TRUE;
  g_mutex_unlock (&self->lock);
}

void
test_server_release (TestServer *self)
{
  g_mutex_lock (&self->lock);
  self->is_held = FALSE;
  g_mutex_unlock (&self->lock);

  invoke (self, _test_server_release_cb);
}

void
test_server_release_hanging (TestServer *self)
{
  invoke (self, _test_server_unhang_cb);
}

void
test_server_clear (TestServer *self)
{
  test_server_switch (self, NULL, NULL);
}

void
test_server_switch (TestServer *self, TestServerHandler handler, gpointer data)
{
  g_mutex_lock (&self->lock);
  g_ptr_array_set_size (self->requests, 0);
  g_queue_clear_full (&self->script, script_entry_free);
  self->handler = handler;
  self->handler_data = data;
  g_free (self->info);
  self->info = g_strdup (default_info);
  self->serial++;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* --- waiting ------------------------------------------------------------------------------- */

gboolean
test_server_wait (TestServer *self, TestServerPredicate predicate, gpointer data, guint timeout_ms)
{
  gint64 deadline = g_get_monotonic_time () + timeout_ms * (gint64) 1000;
  gboolean is_in_time = TRUE;

  while (TRUE)
    {
      guint serial;

      g_mutex_lock (&self->lock);
      serial = self->serial;
      g_mutex_unlock (&self->lock);

      if (predicate (self, data))
        return TRUE;
      if (!is_in_time)
        return FALSE;

      g_mutex_lock (&self->lock);
      while (is_in_time && self->serial == serial)
        is_in_time = g_cond_wait_until (&self->cond, &self->lock, deadline);
      g_mutex_unlock (&self->lock);
    }
}

static gboolean
has_requests (TestServer *self, gpointer data)
{
  return test_server_count_requests (self, NULL) >= GPOINTER_TO_UINT (data);
}

gboolean
test_server_wait_requests (TestServer *self, guint n, guint timeout_ms)
{
  return test_server_wait (self, has_requests, GUINT_TO_POINTER (n), timeout_ms);
}

static gboolean
has_ops (TestServer *self, gpointer data)
{
  return test_server_count_ops (self) >= GPOINTER_TO_UINT (data);
}

gboolean
test_server_wait_ops (TestServer *self, guint n_ops, guint timeout_ms)
{
  return test_server_wait (self, has_ops, GUINT_TO_POINTER (n_ops), timeout_ms);
}

/* --- what came ----------------------------------------------------------------------------- */

static GPtrArray *
dup_requests (TestServer *self, gboolean with_info)
{
  GPtrArray *copy = g_ptr_array_new_with_free_func ((GDestroyNotify) test_request_unref);

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (self->requests, i);

      if (with_info || !test_request_is_info (request))
        g_ptr_array_add (copy, test_request_ref (request));
    }
  g_mutex_unlock (&self->lock);

  return copy;
}

GPtrArray *
test_server_dup_requests (TestServer *self)
{
  return dup_requests (self, TRUE);
}

GPtrArray *
test_server_dup_ingest (TestServer *self)
{
  return dup_requests (self, FALSE);
}

guint
test_server_count_requests (TestServer *self, const char *path_prefix)
{
  g_autoptr (GPtrArray) requests = dup_requests (self, path_prefix != NULL);
  guint n = 0;

  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);

      n += path_prefix == NULL || g_str_has_prefix (request->path, path_prefix);
    }

  return n;
}

guint
test_server_count_connections (TestServer *self)
{
  g_autoptr (GPtrArray) requests = dup_requests (self, TRUE);
  g_autoptr (GHashTable) numbers = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);

      g_hash_table_add (numbers, GUINT_TO_POINTER (request->connection));
    }

  return g_hash_table_size (numbers);
}
