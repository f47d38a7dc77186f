/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/call/lsobs-call-json-private.h"
#include "lsobs/call/lsobs-call-mask-private.h"
#include "lsobs/text/lsobs-json-reader-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-json-scan-private.h"

/* How the requests and answers of models are read and written as JSON. */

/* Appends a comma, unless an array or object begins here. */
void
_lsobs_call_write_separator (LsobsBuffer *out)
{
  char last = out->len > 0 ? out->data[out->len - 1] : '{';

  if (last != '{' && last != '[' && last != ':')
    _lsobs_buffer_append_c (out, ',');
}

/* Appends the name of a member, whose value follows. */
void
_lsobs_call_write_name (LsobsBuffer *out, const char *name)
{
  _lsobs_call_write_separator (out);
  _lsobs_json_write_string (out, name, strlen (name));
  _lsobs_buffer_append_c (out, ':');
}

void
_lsobs_call_write_node (LsobsBuffer *out, JsonNode *node)
{
  _lsobs_json_write_node (out, node, G_MAXSIZE);
}

void
_lsobs_call_write_string (LsobsBuffer *out, const char *name, const char *text)
{
  _lsobs_call_write_name (out, name);
  _lsobs_json_write_string (out, text, strlen (text));
}

/* Copies a member, unless it is missing or null. */
void
_lsobs_call_write_member (LsobsBuffer *out, JsonObject *object, const char *name)
{
  JsonNode *node = _lsobs_call_peek_member (object, name);

  if (node == NULL)
    return;
  _lsobs_call_write_name (out, name);
  _lsobs_call_write_node (out, node);
}

/* Appends a message to an array.
 * @content: (nullable): %NULL writes nothing */
void
_lsobs_call_write_message (LsobsBuffer *out, const char *role, JsonNode *content)
{
  if (content == NULL)
    return;
  _lsobs_call_write_separator (out);
  _lsobs_buffer_append_c (out, '{');
  _lsobs_call_write_string (out, "role", role);
  _lsobs_call_write_name (out, "content");
  _lsobs_call_write_node (out, content);
  _lsobs_buffer_append_c (out, '}');
}

/* Copies the elements of a member to an array. What is no array is copied as one element. */
void
_lsobs_call_write_elements (LsobsBuffer *out, JsonObject *object, const char *name)
{
  JsonNode *node = _lsobs_call_peek_member (object, name);
  JsonArray *array = _lsobs_call_peek_array (object, name);

  if (node == NULL)
    return;
  if (array == NULL)
    {
      _lsobs_call_write_separator (out);
      _lsobs_call_write_node (out, node);
      return;
    }
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      _lsobs_call_write_separator (out);
      _lsobs_call_write_node (out, json_array_get_element (array, i));
    }
}

/* Copies a member that has a list of tools, or of servers with tools. A tool that is on another
 * server comes with its address, and with headers and tokens, which are masked. */
void
_lsobs_call_write_tools (LsobsBuffer *out, JsonObject *object, const char *name)
{
  JsonArray *array = _lsobs_call_peek_array (object, name);

  if (array == NULL)
    return;
  _lsobs_call_write_name (out, name);
  _lsobs_buffer_append_c (out, '[');
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      if (_lsobs_call_peek_element (array, i) == NULL)
        continue;
      _lsobs_call_write_separator (out);
      _lsobs_call_mask_node (out, json_array_get_element (array, i));
    }
  _lsobs_buffer_append_c (out, ']');
}

/* Appends bytes as they came: as JSON if that is what they are, or else as an object with a
 * string. */
void
_lsobs_call_write_raw (LsobsBuffer *out, const char *text, gsize len)
{
  const LsobsSanitizeOptions options = { .redactor = NULL };
  gsize start = out->len;

  if (_lsobs_json_sanitize (out, text, len, &options))
    return;
  _lsobs_buffer_truncate (out, start);
  _lsobs_buffer_append_str (out, "{\"value\":");
  _lsobs_json_sanitize_text (out, text, len, &options);
  _lsobs_buffer_append_c (out, '}');
}

/* The same, with what may be secret masked. */
void
_lsobs_call_write_masked (LsobsBuffer *out, const char *text, gsize len)
{
  const LsobsSanitizeOptions options = { .redactor = NULL };
  g_auto (LsobsBuffer) repaired = LSOBS_BUFFER_INIT;
  g_auto (LsobsBuffer) masked = LSOBS_BUFFER_INIT;

  if (_lsobs_json_sanitize (&repaired, text, len, &options))
    {
      _lsobs_call_mask_json (out, repaired.data, repaired.len);
      return;
    }
  _lsobs_call_mask_json (&masked, text, len);
  _lsobs_call_write_raw (out, masked.data, masked.len);
}

/* Text that is not longer than this cannot become too large a tree. */
#define SMALL_BYTES (64 * 1024)

/* About how much memory the nodes of a text may take, and each of them takes. */
#define MAX_NODES_BYTES (128 * 1024 * 1024)
#define CONTAINER_BYTES 320
#define VALUE_BYTES     96

/* Whether the nodes of a text would take too much memory.
 * @text: valid JSON */
static gboolean
is_too_large (const char *text, gsize len)
{
  const char *end = text + len;
  gsize n_bytes = 0;

  if (len <= SMALL_BYTES)
    return FALSE;
  for (const char *p = text; p < end && n_bytes <= MAX_NODES_BYTES; p++)
    {
      if (*p == '"')
        for (p = _lsobs_json_scan (p + 1, end, FALSE); p < end && *p != '"';)
          p = _lsobs_json_scan (p + (*p == '\\' ? 2 : 1), end, FALSE);
      else if (*p == '{' || *p == '[')
        n_bytes += CONTAINER_BYTES;
      else if (*p == ',' || *p == ':')
        n_bytes += VALUE_BYTES;
    }
  return n_bytes > MAX_NODES_BYTES;
}

/* Parses JSON text that may be hostile: the sanitizer repairs it, and limits its depth; text with
 * very many values is not parsed.
 * @scratch: is overwritten with the repaired text
 * @too_large: (out): whether that is why there is no node
 * Returns: (transfer full) (nullable): an object; NULL if the text is something else */
JsonNode *
_lsobs_call_parse (LsobsBuffer *scratch, const char *text, gsize len, gboolean *too_large)
{
  const LsobsSanitizeOptions options = { .redactor = NULL };
  gboolean is_object;

  _lsobs_buffer_truncate (scratch, 0);
  is_object =
      len > 0 && _lsobs_json_sanitize (scratch, text, len, &options) && scratch->data[0] == '{';
  *too_large = is_object && is_too_large (scratch->data, scratch->len);
  return is_object && !*too_large ? _lsobs_json_read (scratch) : NULL;
}
