/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/lib/fault-service.h"
#include "tests/lib/resolver-helpers.h"
#include "tests/lib/test-utils.h"

#define MAX_HEAD    16384
#define FAST_BYTES  65536
#define BOMB_BYTES  (64 * 1024 * 1024)
#define TRUST_BYTES (15 * 1024 * 1024)

struct _FaultService
{
  const Fault *fault;
  GSocket *listener;  /* (owned) */
  GPtrArray *fillers; /* (owned) (element-type GSocket) wait to be accepted */
  GThread *thread;    /* (owned) (nullable) */
  GPtrArray *clients; /* (owned) (element-type GThread) used in the thread, and when it has ended */
  GCancellable *end;  /* (owned) */
  TestEnv *env;       /* (owned) (nullable) */
  TestResolver *resolver; /* (owned) (nullable) */
  char *certificates;     /* (owned) (nullable): a file */
  GBytes *bomb;           /* (owned) (nullable) */
  char *rest;             /* (owned) (nullable) many in one, if they are fast */
  char *url;              /* (owned) */
};

typedef struct
{
  FaultService *service;
  GSocket *socket; /* (owned) */
} Client;

/* --- one connection, in a thread of its own ------------------------------------------------ */

static gboolean
send_all (Client *self, const char *data, gsize length)
{
  while (length > 0)
    {
      gssize n = g_socket_send (self->socket, data, length, self->service->end, NULL);

      if (n <= 0)
        return FALSE;
      data += n;
      length -= (gsize) n;
    }
  return TRUE;
}

/* Returns: how long the body is, of which @n_read is set to what has come with the head; -1 if no
 *   head comes */
static gint64
read_head (Client *self, gsize *n_read)
{
  char head[MAX_HEAD + 1];
  gsize length = 0;

  while (length < MAX_HEAD)
    {
      gssize n = g_socket_receive (self->socket, head + length, MAX_HEAD - length,
                                   self->service->end, NULL);
      const char *end;
      const char *said;

      if (n <= 0)
        return -1;
      length += (gsize) n;
      head[length] = '\0';
      end = strstr (head, "\r\n\r\n");
      if (end == NULL)
        continue;
      *n_read = length - (gsize) (end + 4 - head);
      said = g_strstr_len (head, end - head, "Content-Length: ");
      return said != NULL ? g_ascii_strtoll (said + strlen ("Content-Length: "), NULL, 10) : 0;
    }
  return -1;
}

static gboolean
read_request (Client *self)
{
  g_autofree char *buffer = NULL;
  gsize n_read = 0;
  gint64 length;

  if (self->service->fault->read == FAULT_READS_NOTHING)
    return TRUE;
  buffer = g_malloc (FAST_BYTES);
  if (self->service->fault->read == FAULT_READS_SOME)
    return g_socket_receive (self->socket, buffer, FAST_BYTES, self->service->end, NULL) > 0;
  length = read_head (self, &n_read);
  if (self->service->fault->read == FAULT_READS_HALF)
    length /= 2;
  while ((gint64) n_read < length)
    {
      gssize n = g_socket_receive (self->socket, buffer,
                                   (gsize) MIN (FAST_BYTES, length - (gint64) n_read),
                                   self->service->end, NULL);

      if (n <= 0)
        return FALSE;
      n_read += (gsize) n;
    }
  return length >= 0;
}

/* FALSE when the service ends. */
static gboolean
wait_ms (Client *self, int ms)
{
  GPollFD fd;

  g_cancellable_make_pollfd (self->service->end, &fd);
  g_poll (&fd, 1, ms);
  g_cancellable_release_fd (self->service->end);
  return !g_cancellable_is_cancelled (self->service->end);
}

static gboolean
answer (Client *self)
{
  const Fault *fault = self->service->fault;
  gsize length = fault->answer_length;

  if (length == 0 && fault->answer != NULL)
    length = strlen (fault->answer);
  if (!send_all (self, fault->answer, length))
    return FALSE;
  if (self->service->bomb != NULL)
    {
      const char *data = g_bytes_get_data (self->service->bomb, &length);

      if (!send_all (self, data, length))
        return FALSE;
    }
  if (self->service->rest == NULL)
    return TRUE;
  length = strlen (self->service->rest);
  while (send_all (self, self->service->rest, length) &&
         (fault->rest_ms == 0 || wait_ms (self, (int) fault->rest_ms)))
    ;
  return FALSE;
}

static gpointer
client_thread (gpointer data)
{
  Client *self = data;

  if (read_request (self) && answer (self))
    {
      if (self->service->fault->then == FAULT_THEN_HANGS)
        wait_ms (self, -1);
      /* what is closed without lingering is reset */
      if (self->service->fault->then == FAULT_THEN_RESETS)
        {
          struct linger linger = { .l_onoff = 1 };

          setsockopt (g_socket_get_fd (self->socket), SOL_SOCKET, SO_LINGER, &linger,
                      sizeof linger);
        }
    }
  g_socket_close (self->socket, NULL);
  g_object_unref (self->socket);
  g_free (self);
  return NULL;
}

/* --- the service --------------------------------------------------------------------------- */

static gpointer
listen_thread (gpointer data)
{
  FaultService *self = data;
  GSocket *socket;

  while ((socket = g_socket_accept (self->listener, self->end, NULL)) != NULL)
    {
      Client *client = g_new0 (Client, 1);

      client->service = self;
      client->socket = socket;
      g_ptr_array_add (self->clients, g_thread_new ("fault-client", client_thread, client));
    }
  return NULL;
}

static GSocket *
new_socket (void)
{
  g_autoptr (GError) error = NULL;
  GSocket *socket =
      g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, &error);

  g_assert_no_error (error);
  return socket;
}

/* The kernel keeps one more than it is told. */
static void
fill (FaultService *self, GSocketAddress *address)
{
  for (guint i = 0; i < 4; i++)
    {
      GSocket *filler = new_socket ();

      g_socket_set_blocking (filler, FALSE);
      g_socket_connect (filler, address, NULL, NULL);
      g_ptr_array_add (self->fillers, filler);
    }
}

static guint16
open_port (FaultService *self)
{
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) any_port = g_inet_socket_address_new (loopback, 0);
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GError) error = NULL;

  self->listener = new_socket ();
  g_socket_bind (self->listener, any_port, FALSE, &error);
  g_assert_no_error (error);
  address = g_socket_get_local_address (self->listener, &error);
  g_assert_no_error (error);
  /* what is not read does not fit into the kernel's buffers */
  if (self->fault->read == FAULT_READS_NOTHING || self->fault->read == FAULT_READS_HALF)
    g_socket_set_option (self->listener, SOL_SOCKET, SO_RCVBUF, 4096, NULL);
  if (self->fault->socket == FAULT_SOCKET_IS_FULL)
    g_socket_set_listen_backlog (self->listener, 0);
  if (self->fault->socket != FAULT_SOCKET_REFUSES)
    g_socket_listen (self->listener, &error);
  g_assert_no_error (error);
  if (self->fault->socket == FAULT_SOCKET_IS_FULL)
    fill (self, address);
  return g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address));
}

static GBytes *
make_bomb (void)
{
  g_autoptr (GZlibCompressor) compressor = g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, 9);
  g_autoptr (GOutputStream) memory = g_memory_output_stream_new_resizable ();
  g_autoptr (GOutputStream) stream =
      g_converter_output_stream_new (memory, G_CONVERTER (compressor));
  g_autofree char *zeros = g_malloc0 (FAST_BYTES);

  for (gsize n = 0; n < BOMB_BYTES; n += FAST_BYTES)
    g_output_stream_write_all (stream, zeros, FAST_BYTES, NULL, NULL, NULL);
  g_output_stream_close (stream, NULL, NULL);
  return g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (memory));
}

/* Returns: (transfer full) (nullable) */
static char *
make_rest (const Fault *fault)
{
  GString *many;

  if (fault->rest == NULL || fault->rest_ms > 0)
    return g_strdup (fault->rest);
  many = g_string_sized_new (FAST_BYTES);
  while (many->len < FAST_BYTES)
    g_string_append (many, fault->rest);
  return g_string_free (many, FALSE);
}

/* Returns: (transfer full): a file of 15 MB with the same certificate again and again */
static char *
make_certificates (void)
{
  g_autoptr (GBytes) certificate = test_data_load ("tls/authority.pem");
  g_autoptr (GString) text = g_string_sized_new (TRUST_BYTES);
  g_autoptr (GError) error = NULL;
  char *path = NULL;
  int fd = g_file_open_tmp ("trust-XXXXXX.pem", &path, &error);

  g_assert_no_error (error);
  g_close (fd, NULL);
  while (text->len + g_bytes_get_size (certificate) <= TRUST_BYTES)
    g_string_append_len (text, g_bytes_get_data (certificate, NULL),
                         (gssize) g_bytes_get_size (certificate));
  g_file_set_contents (path, text->str, (gssize) text->len, &error);
  g_assert_no_error (error);
  return path;
}

static char *
make_url (FaultService *self, guint16 port)
{
  g_autofree char *proxy = NULL;

  switch (self->fault->address)
    {
    case FAULT_ADDRESS_TLS:
      return g_strdup_printf ("https://127.0.0.1:%u", port);
    case FAULT_ADDRESS_TRUST:
      self->certificates = make_certificates ();
      self->env = test_env_new ();
      test_env_set (self->env, "SSL_CERT_FILE", self->certificates);
      return g_strdup_printf ("https://127.0.0.1:%u", port);
    case FAULT_ADDRESS_PROXY:
      proxy = g_strdup_printf ("http://127.0.0.1:%u", port);
      self->env = test_env_new ();
      test_env_set (self->env, "https_proxy", proxy);
      return g_strdup ("https://elsewhere.invalid");
    case FAULT_ADDRESS_NAME:
      self->resolver = test_resolver_install ();
      return g_strdup ("https://elsewhere.invalid");
    case FAULT_ADDRESS_PLAIN:
    default:
      return g_strdup_printf ("http://127.0.0.1:%u", port);
    }
}

FaultService *
fault_service_new (const Fault *fault)
{
  FaultService *self = g_new0 (FaultService, 1);

  self->fault = fault;
  self->end = g_cancellable_new ();
  self->clients = g_ptr_array_new ();
  self->fillers = g_ptr_array_new_with_free_func (g_object_unref);
  self->rest = make_rest (fault);
  if (fault->is_bomb)
    self->bomb = make_bomb ();
  self->url = make_url (self, open_port (self));
  if (fault->socket == FAULT_SOCKET_SERVES)
    self->thread = g_thread_new ("fault-service", listen_thread, self);
  return self;
}

void
fault_service_free (FaultService *self)
{
  g_cancellable_cancel (self->end);
  if (self->thread != NULL)
    g_thread_join (self->thread);
  for (guint i = 0; i < self->clients->len; i++)
    g_thread_join (g_ptr_array_index (self->clients, i));
  g_ptr_array_unref (self->clients);
  g_ptr_array_unref (self->fillers);
  g_object_unref (self->listener);
  g_object_unref (self->end);
  g_clear_pointer (&self->bomb, g_bytes_unref);
  g_clear_pointer (&self->env, test_env_free);
  g_clear_pointer (&self->resolver, test_resolver_uninstall);
  if (self->certificates != NULL)
    g_unlink (self->certificates);
  g_free (self->certificates);
  g_free (self->rest);
  g_free (self->url);
  g_free (self);
}

const char *
fault_service_get_url (FaultService *self)
{
  return self->url;
}
