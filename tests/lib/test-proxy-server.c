/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "tests/lib/test-proxy-server.h"

#define MAX_HEAD 16384

struct _TestProxy
{
  GSocket *listener;  /* (owned) */
  GThread *thread;    /* (owned) */
  GCancellable *end;  /* (owned) */
  GPtrArray *clients; /* (owned) (element-type GThread) used in the thread only */
  guint16 port;       /* constant, as the next one is */
  guint16 target_port;
  GMutex lock;         /* guards all below */
  GPtrArray *asked;    /* (owned) (element-type utf8) */
  char *authorization; /* (owned) (nullable) */
  guint status;
  guint n_led;
};

typedef struct
{
  TestProxy *proxy;
  GSocket *socket; /* (owned) */
} Client;

static GSocketAddress *
make_address (guint16 port)
{
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);

  return g_inet_socket_address_new (loopback, port);
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

static gboolean
send_all (TestProxy *self, GSocket *socket, const char *data, gsize len)
{
  while (len > 0)
    {
      gssize n = g_socket_send (socket, data, len, self->end, NULL);

      if (n <= 0)
        return FALSE;
      data += n;
      len -= (gsize) n;
    }
  return TRUE;
}

static gboolean
receive_all (TestProxy *self, GSocket *socket, char *data, gsize len)
{
  while (len > 0)
    {
      gssize n = g_socket_receive (socket, data, len, self->end, NULL);

      if (n <= 0)
        return FALSE;
      data += n;
      len -= (gsize) n;
    }
  return TRUE;
}

static gboolean
send_text (TestProxy *self, GSocket *socket, const char *text)
{
  return send_all (self, socket, text, strlen (text));
}

/* What one end sends, the other one gets, until one of them has enough. */
static void
lead (TestProxy *self, GSocket *client, const char *first, gsize len)
{
  g_autoptr (GSocket) target = new_socket ();
  g_autoptr (GSocketAddress) address = make_address (self->target_port);
  GSocket *ends[] = { client, target };
  char buffer[16384];

  if (!g_socket_connect (target, address, self->end, NULL) || !send_all (self, target, first, len))
    return;
  g_mutex_lock (&self->lock);
  self->n_led++;
  g_mutex_unlock (&self->lock);

  while (TRUE)
    {
      GPollFD fds[3] = { { g_socket_get_fd (client), G_IO_IN, 0 },
                         { g_socket_get_fd (target), G_IO_IN, 0 } };

      g_cancellable_make_pollfd (self->end, &fds[2]);
      g_poll (fds, 3, -1);
      g_cancellable_release_fd (self->end);
      if (g_cancellable_is_cancelled (self->end))
        return;
      for (guint i = 0; i < 2; i++)
        if (fds[i].revents != 0)
          {
            gssize n = g_socket_receive (ends[i], buffer, sizeof buffer, self->end, NULL);

            if (n <= 0 || !send_all (self, ends[1 - i], buffer, (gsize) n))
              return;
          }
    }
}

static void
note (TestProxy *self, const char *what)
{
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->asked, g_strdup (what));
  g_mutex_unlock (&self->lock);
}

static void
serve_socks (TestProxy *self, GSocket *client)
{
  static const char chosen[] = { 5, 0 };
  static const char success[] = { 5, 0, 0, 1, 0, 0, 0, 0, 0, 0 };
  guint8 head[5];
  char rest[258] = "";
  g_autofree char *what = NULL;

  if (!receive_all (self, client, (char *) head, 2) || !receive_all (self, client, rest, head[1]) ||
      !send_all (self, client, chosen, sizeof chosen) ||
      !receive_all (self, client, (char *) head, 5) || head[3] != 3 ||
      !receive_all (self, client, rest, head[4] + 2u))
    return;
  what = g_strdup_printf ("SOCKS %.*s:%u", head[4], rest,
                          (guint) (guint8) rest[head[4]] << 8 | (guint8) rest[head[4] + 1]);
  note (self, what);
  if (send_all (self, client, success, sizeof success))
    lead (self, client, "", 0);
}

/* FALSE: the end. One byte at a time: what follows a CONNECT is not ours. */
static gboolean
read_head (TestProxy *self, GSocket *client, GString *head)
{
  char byte;

  g_string_truncate (head, 0);
  while (head->len < MAX_HEAD && !g_str_has_suffix (head->str, "\r\n\r\n"))
    {
      if (!receive_all (self, client, &byte, 1))
        return FALSE;
      g_string_append_c (head, byte);
    }
  return TRUE;
}

/* (transfer full) (nullable): what to answer in place of leading on */
static char *
make_refusal (TestProxy *self, const char *head)
{
  g_autofree char *line = NULL;
  char *refusal = NULL;

  g_mutex_lock (&self->lock);
  if (self->authorization != NULL)
    line = g_strdup_printf ("\r\nProxy-Authorization: %s\r\n", self->authorization);
  if (self->status != 0)
    refusal = g_strdup_printf ("HTTP/1.1 %u Refused\r\nContent-Length: 0\r\n\r\n", self->status);
  else if (line != NULL && strstr (head, line) == NULL)
    refusal = g_strdup ("HTTP/1.1 407 Proxy Authentication Required\r\n"
                        "Proxy-Authenticate: Basic realm=\"tests\"\r\nContent-Length: 0\r\n\r\n");
  g_mutex_unlock (&self->lock);
  return refusal;
}

static gpointer
client_thread (gpointer data)
{
  Client *client = data;
  TestProxy *self = client->proxy;
  g_autoptr (GString) head = g_string_new (NULL);
  char first = '\0';

  if (g_socket_receive_message (client->socket, NULL, &(GInputVector){ &first, 1 }, 1, NULL, NULL,
                                &(int){ G_SOCKET_MSG_PEEK }, self->end, NULL) == 1 &&
      first == 5)
    {
      serve_socks (self, client->socket);
    }
  else
    {
      while (first != '\0' && read_head (self, client->socket, head))
        {
          g_autofree char *refusal = make_refusal (self, head->str);

          note (self, head->str);
          if (refusal != NULL)
            {
              if (!send_text (self, client->socket, refusal))
                break;
              continue;
            }
          if (!g_str_has_prefix (head->str, "CONNECT "))
            lead (self, client->socket, head->str, head->len);
          else if (send_text (self, client->socket, "HTTP/1.1 200 Led on\r\n\r\n"))
            lead (self, client->socket, "", 0);
          break;
        }
    }
  g_socket_close (client->socket, NULL);
  g_object_unref (client->socket);
  g_free (client);
  return NULL;
}

static gpointer
proxy_thread (gpointer data)
{
  TestProxy *self = data;
  GSocket *socket;

  while ((socket = g_socket_accept (self->listener, self->end, NULL)) != NULL)
    {
      Client *client = g_new (Client, 1);

      *client = (Client){ self, socket };
      g_ptr_array_add (self->clients, g_thread_new ("proxy-client", client_thread, client));
    }
  return NULL;
}

TestProxy *
test_proxy_new (guint16 target_port)
{
  TestProxy *self = g_new0 (TestProxy, 1);
  g_autoptr (GSocketAddress) address = make_address (0);
  g_autoptr (GSocketAddress) bound = NULL;
  g_autoptr (GError) error = NULL;

  g_mutex_init (&self->lock);
  self->target_port = target_port;
  self->end = g_cancellable_new ();
  self->clients = g_ptr_array_new ();
  self->asked = g_ptr_array_new_with_free_func (g_free);
  self->listener = new_socket ();
  g_socket_bind (self->listener, address, FALSE, &error);
  g_assert_no_error (error);
  g_socket_listen (self->listener, &error);
  g_assert_no_error (error);
  bound = g_socket_get_local_address (self->listener, &error);
  g_assert_no_error (error);
  self->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound));
  self->thread = g_thread_new ("proxy", proxy_thread, self);
  return self;
}

void
test_proxy_free (TestProxy *self)
{
  g_cancellable_cancel (self->end);
  g_thread_join (self->thread);
  for (guint i = 0; i < self->clients->len; i++)
    g_thread_join (g_ptr_array_index (self->clients, i));
  g_ptr_array_unref (self->clients);
  g_ptr_array_unref (self->asked);
  g_object_unref (self->listener);
  g_object_unref (self->end);
  g_free (self->authorization);
  g_mutex_clear (&self->lock);
  g_free (self);
}

guint16
test_proxy_get_port (TestProxy *self)
{
  return self->port;
}

void
test_proxy_demand (TestProxy *self, const char *authorization)
{
  g_mutex_lock (&self->lock);
  g_free (self->authorization);
  self->authorization = g_strdup (authorization);
  g_mutex_unlock (&self->lock);
}

void
test_proxy_refuse (TestProxy *self, guint status)
{
  g_mutex_lock (&self->lock);
  self->status = status;
  g_mutex_unlock (&self->lock);
}

guint
test_proxy_count (TestProxy *self)
{
  guint n;

  g_mutex_lock (&self->lock);
  n = self->n_led;
  g_mutex_unlock (&self->lock);
  return n;
}

gboolean
test_proxy_was_asked (TestProxy *self, const char *prefix)
{
  gboolean was_asked = FALSE;

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->asked->len && !was_asked; i++)
    was_asked = g_str_has_prefix (g_ptr_array_index (self->asked, i), prefix);
  g_mutex_unlock (&self->lock);
  return was_asked;
}
