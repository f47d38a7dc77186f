/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "tests/lib/test-server-private.h"

static void
test_request_clear (gpointer data)
{
  TestRequest *self = data;

  g_free (self->method);
  g_free (self->path);
  soup_message_headers_unref (self->headers);
  g_bytes_unref (self->raw_body);
  g_clear_pointer (&self->body, g_bytes_unref);
  g_clear_pointer (&self->wire, wire_request_free);
  g_clear_error (&self->wire_error);
}

TestRequest *
test_request_ref (TestRequest *self)
{
  return g_atomic_rc_box_acquire (self);
}

void
test_request_unref (TestRequest *self)
{
  g_atomic_rc_box_release_full (self, test_request_clear);
}

guint
test_request_get_status (TestRequest *self)
{
  return (guint) g_atomic_int_get (&((TestRequestState *) self)->status);
}

gboolean
test_request_is_accepted (TestRequest *self)
{
  guint status = test_request_get_status (self);

  return (status >= 200 && status < 300) || status == 409;
}

gboolean
test_request_is_info (TestRequest *self)
{
  return strcmp (self->method, "GET") == 0 && g_str_has_suffix (self->path, "/info");
}

gboolean
test_request_is_sessions (TestRequest *self)
{
  return strcmp (self->method, "GET") == 0 && strstr (self->path, "/sessions?") != NULL;
}

guint
test_request_get_n_ops (TestRequest *self)
{
  return self->wire != NULL ? self->wire->ops->len : 0;
}

const char *
test_request_get_header (TestRequest *self, const char *name)
{
  return soup_message_headers_get_one (self->headers, name);
}

/* Unlike a stream it also tells when the data goes on behind the end, or ends too early. */
static GBytes *
gunzip (GBytes *bytes, GError **error)
{
  g_autoptr (GConverter) converter =
      G_CONVERTER (g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP));
  g_autoptr (GByteArray) out = g_byte_array_new ();
  gsize size, n_read, n_written, pos = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  GConverterResult result = G_CONVERTER_CONVERTED;
  guint8 buffer[16384];

  while (result != G_CONVERTER_FINISHED)
    {
      result = g_converter_convert (converter, data + pos, size - pos, buffer, sizeof buffer,
                                    G_CONVERTER_INPUT_AT_END, &n_read, &n_written, error);
      if (result == G_CONVERTER_ERROR)
        return NULL;
      g_byte_array_append (out, buffer, (guint) n_written);
      pos += n_read;
    }

  if (pos < size)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   "%" G_GSIZE_FORMAT " bytes behind the end of the gzip stream", size - pos);
      return NULL;
    }

  return g_byte_array_free_to_bytes (g_steal_pointer (&out));
}

static GBytes *
decode (GBytes *raw, const char *encoding, GHashTable *decoders, GError **error)
{
  TestServerDecoder decoder;

  if (encoding == NULL)
    return g_bytes_ref (raw);
  if (strcmp (encoding, "gzip") == 0)
    return gunzip (raw, error);

  decoder = (TestServerDecoder) g_hash_table_lookup (decoders, encoding);
  if (decoder != NULL)
    return decoder (raw, error);

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
               "no decoder for Content-Encoding \"%s\"", encoding);

  return NULL;
}

static void
parse (TestRequest *self)
{
  self->wire =
      wire_request_parse (self->method, self->path, test_request_get_header (self, "Content-Type"),
                          self->body, WIRE_STRICT, &self->wire_error);
}

TestRequest *
test_request_new (const char *method, const char *path, const char *content_type, GBytes *body)
{
  TestRequest *self = (TestRequest *) g_atomic_rc_box_new0 (TestRequestState);

  self->method = g_strdup (method);
  self->path = g_strdup (path);
  self->headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_REQUEST);
  soup_message_headers_append (self->headers, "Content-Type", content_type);
  self->raw_body = g_bytes_ref (body);
  self->body = g_bytes_ref (body);
  self->time = g_get_monotonic_time ();
  parse (self);

  return self;
}

static void
copy_header_cb (const char *name, const char *value, gpointer user_data)
{
  soup_message_headers_append (user_data, name, value);
}

TestRequest *
_test_request_new (SoupServerMessage *msg, guint connection, GHashTable *decoders)
{
  TestRequest *self = (TestRequest *) g_atomic_rc_box_new0 (TestRequestState);
  SoupMessageBody *body = soup_server_message_get_request_body (msg);
  GUri *uri = soup_server_message_get_uri (msg);

  self->method = g_strdup (soup_server_message_get_method (msg));
  self->path = g_uri_get_query (uri) != NULL
                   ? g_strconcat (g_uri_get_path (uri), "?", g_uri_get_query (uri), NULL)
                   : g_strdup (g_uri_get_path (uri));
  /* a copy: the message's own may be touched by libsoup while a test reads them */
  self->headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_REQUEST);
  soup_message_headers_foreach (soup_server_message_get_request_headers (msg), copy_header_cb,
                                self->headers);
  self->raw_body = soup_message_body_flatten (body);
  self->time = g_get_monotonic_time ();
  self->connection = connection;

  self->body = decode (self->raw_body, test_request_get_header (self, "Content-Encoding"), decoders,
                       &self->wire_error);
  if (self->body != NULL && !test_request_is_info (self))
    parse (self);

  return self;
}
