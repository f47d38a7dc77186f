/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "tests/lib/test-utils.h"
#include "tests/lib/wire-capture.h"

/* Returns (transfer full) (nullable): the value of a header in a list of "Name: value". */
static char *
find_header (JsonArray *headers, const char *name)
{
  gsize length = strlen (name);

  for (guint i = 0; i < json_array_get_length (headers); i++)
    {
      const char *line = json_array_get_string_element (headers, i);

      if (g_ascii_strncasecmp (line, name, length) == 0 && line[length] == ':')
        return g_strdup (line + length + 2);
    }

  return NULL;
}

/* The payload of a stored part; the white space of its JSON was not kept. */
static GBytes *
restore_payload (JsonObject *part)
{
  gsize size;
  char *text;

  if (json_object_has_member (part, "json"))
    text = json_to_string (json_object_get_member (part, "json"), FALSE);
  else if (json_object_has_member (part, "text"))
    text = g_strdup (json_object_get_string_member (part, "text"));
  else
    {
      guchar *data = g_base64_decode (json_object_get_string_member (part, "base64"), &size);

      return g_bytes_new_take (data, size);
    }
  size = strlen (text);

  return g_bytes_new_take (text, size);
}

static GBytes *
restore_multipart (JsonArray *parts, const char *content_type)
{
  GByteArray *body = g_byte_array_new ();
  const char *boundary = strchr (content_type, '=') + 1;
  g_autoptr (GRegex) length = g_regex_new ("length(=|: )[0-9]+", G_REGEX_CASELESS, 0, NULL);
  g_autofree char *end = g_strdup_printf ("--%s--\r\n", boundary);

  for (guint i = 0; i < json_array_get_length (parts); i++)
    {
      JsonObject *part = json_array_get_object_element (parts, i);
      JsonArray *headers = json_object_get_array_member (part, "headers");
      g_autoptr (GBytes) payload = restore_payload (part);
      g_autofree char *right =
          g_strdup_printf ("Length\\g<1>%" G_GSIZE_FORMAT, g_bytes_get_size (payload));
      g_autoptr (GString) head = g_string_new (NULL);
      g_autofree char *fixed = NULL;

      for (guint j = 0; j < json_array_get_length (headers); j++)
        g_string_append_printf (head, "%s\r\n", json_array_get_string_element (headers, j));
      fixed = g_regex_replace (length, head->str, -1, 0, right, 0, NULL);
      if (strstr (fixed, "; Length=") != NULL)
        memcpy (strstr (fixed, "; Length="), "; length=", strlen ("; length="));

      g_string_printf (head, "--%s\r\n%s\r\n", boundary, fixed);
      g_byte_array_append (body, (const guint8 *) head->str, (guint) head->len);
      g_byte_array_append (body, g_bytes_get_data (payload, NULL),
                           (guint) g_bytes_get_size (payload));
      g_byte_array_append (body, (const guint8 *) "\r\n", 2);
    }
  g_byte_array_append (body, (const guint8 *) end, (guint) strlen (end));

  return g_byte_array_free_to_bytes (body);
}

static void
free_raw (gpointer data)
{
  WireRaw *raw = data;

  g_free (raw->method);
  g_free (raw->path);
  g_free (raw->content_type);
  g_bytes_unref (raw->body);
  g_free (raw);
}

/* Returns (transfer full) (nullable): NULL for GET /info */
static WireRaw *
restore_raw (JsonObject *object)
{
  g_auto (GStrv) line = g_strsplit (json_object_get_string_member (object, "request"), " ", 3);
  WireRaw *raw;

  if (strcmp (line[0], "GET") == 0)
    return NULL;

  raw = g_new0 (WireRaw, 1);
  raw->method = g_strdup (line[0]);
  raw->path = g_strdup (line[1]);
  raw->content_type =
      find_header (json_object_get_array_member (object, "headers"), "Content-Type");
  if (json_object_has_member (object, "parts"))
    raw->body =
        restore_multipart (json_object_get_array_member (object, "parts"), raw->content_type);
  else
    raw->body = restore_payload (object);

  return raw;
}

GPtrArray *
wire_capture_load_raw (const char *file)
{
  g_autofree char *name = g_strconcat ("captures/", file, ".json", NULL);
  g_autoptr (GBytes) bytes = test_data_load (name);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node =
      wire_json_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &error);
  GPtrArray *requests = g_ptr_array_new_with_free_func (free_raw);
  JsonArray *array;

  g_assert_no_error (error);
  array = json_object_get_array_member (json_node_get_object (node), "requests");
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      WireRaw *raw = restore_raw (json_array_get_object_element (array, i));

      if (raw != NULL)
        g_ptr_array_add (requests, raw);
    }

  return requests;
}

GPtrArray *
wire_capture_load (const char *file)
{
  g_autoptr (GPtrArray) raws = wire_capture_load_raw (file);
  GPtrArray *requests = g_ptr_array_new_with_free_func ((GDestroyNotify) wire_request_free);

  for (guint i = 0; i < raws->len; i++)
    {
      const WireRaw *raw = g_ptr_array_index (raws, i);
      g_autoptr (GError) error = NULL;

      g_ptr_array_add (requests, wire_request_parse (raw->method, raw->path, raw->content_type,
                                                     raw->body, WIRE_DIALECT, &error));
      g_assert_no_error (error);
    }

  return requests;
}
