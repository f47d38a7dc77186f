/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* JSON text of the library's own writer, for private tests. */

#pragma once

#include "lsobs/text/lsobs-json-writer-private.h"

G_BEGIN_DECLS

static inline char *
json_text_take (LsobsBuffer *buffer)
{
  char *text = g_strndup (buffer->data != NULL ? buffer->data : "", buffer->len);

  _lsobs_buffer_clear (buffer);
  return text;
}

static inline JsonNode *
json_text_parse (const char *text, gsize len)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  json_parser_load_from_data (parser, text, (gssize) len, &error);
  g_assert_no_error (error);
  return json_parser_steal_root (parser);
}

static inline char *
json_text_write (JsonNode *node)
{
  LsobsBuffer out = LSOBS_BUFFER_INIT;

  g_assert_true (_lsobs_json_write_node (&out, node, G_MAXSIZE));
  return json_text_take (&out);
}

static inline void
json_text_assert_written (JsonNode *node, const char *expected)
{
  g_autofree char *text = json_text_write (node);

  g_assert_cmpstr (text, ==, expected);
}

G_END_DECLS
