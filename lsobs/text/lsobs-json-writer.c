/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "lsobs/text/lsobs-json-scan-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* A double represents each whole number up to MAX_EXACT exactly, and each power of ten with an
 * exponent up to MAX_DECIMALS. */
#define MAX_EXACT    1e15
#define MAX_DECIMALS 15

typedef struct
{
  LsobsBuffer *out;
  gsize limit;  /* the maximum of out->len */
  guint *n_odd; /* (nullable) counts the values that JSON cannot represent */
} Writer;

static gboolean write_value (const Writer *writer, JsonNode *node, guint depth);

static inline gboolean
fits (const Writer *writer)
{
  return writer->out->len <= writer->limit;
}

/* Writes null for a value that JSON cannot represent. */
static void
write_odd (const Writer *writer)
{
  if (writer->n_odd != NULL)
    (*writer->n_odd)++;
  _lsobs_buffer_append (writer->out, "null", 4);
}

static void
write_escape (LsobsBuffer *out, char c)
{
  static const char hex[] = "0123456789abcdef";
  /* The letters for the control characters that have a short escape. */
  static const char shorts[0x20] = {
    ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
  };
  guchar code = (guchar) c;
  char *p;

  if (code == 0)
    {
      /* Many readers of JSON take U+0000 for the end of the text. */
      _lsobs_buffer_append_str (out, LSOBS_UTF8_REPLACEMENT);
      return;
    }

  p = _lsobs_buffer_reserve (out, 6);
  p[0] = '\\';
  if (code < 0x20 && shorts[code] == '\0')
    {
      memcpy (p + 1, "u00", 3);
      p[4] = hex[code >> 4];
      p[5] = hex[code & 0xf];
      out->len += 6;
    }
  else
    {
      p[1] = code < 0x20 ? shorts[code] : c;
      out->len += 2;
    }
}

/* Does not check that @text is valid UTF-8. */
void
_lsobs_json_write_string (LsobsBuffer *out, const char *text, gsize len)
{
  const char *p = text;
  const char *end = text + len;

  _lsobs_buffer_append_c (out, '"');
  for (;;)
    {
      const char *special = _lsobs_json_scan (p, end, FALSE);

      _lsobs_buffer_append (out, p, (gsize) (special - p));
      if (special == end)
        break;

      write_escape (out, *special);
      p = special + 1;
    }

  _lsobs_buffer_append_c (out, '"');
}

/* Returns: (transfer full): @text as a JSON string */
GBytes *
_lsobs_json_string_to_bytes (const char *text)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  _lsobs_json_write_string (&out, text, strlen (text));
  return _lsobs_buffer_steal_bytes (&out);
}

/* Writes a number with few digits, such as a price, faster than g_ascii_formatd() does. Such a
 * number is a whole number divided by a power of ten. A double represents both exactly, so that
 * the digits are read back as the same number.
 * Returns: FALSE if the number is of another kind: nothing is written */
static gboolean
write_short_double (LsobsBuffer *out, double value)
{
  double positive = fabs (value);
  double scale = 1;

  /* -0.0 needs its sign, and small numbers are shorter with an exponent. */
  if (positive >= MAX_EXACT || (positive < 1e-5 && (positive > 0 || signbit (value))))
    return FALSE;

  /* NOLINTNEXTLINE(cert-flp30-c): n_decimals counts; each scale is exact */
  for (guint n_decimals = 0; n_decimals <= MAX_DECIMALS; n_decimals++, scale *= 10)
    {
      guint64 scaled;
      guint64 fraction;
      char digits[MAX_DECIMALS];

      if (positive * scale >= MAX_EXACT)
        return FALSE;

      scaled = (guint64) (positive * scale + 0.5);
      if ((double) scaled / scale != positive)
        continue;

      if (value < 0)
        _lsobs_buffer_append_c (out, '-');
      _lsobs_buffer_append_int64 (out, (gint64) (scaled / (guint64) scale));
      _lsobs_buffer_append_c (out, '.');
      fraction = scaled % (guint64) scale;
      n_decimals = MAX (n_decimals, 1);
      for (guint i = n_decimals; i > 0; i--, fraction /= 10)
        digits[i - 1] = (char) ('0' + fraction % 10);
      _lsobs_buffer_append (out, digits, n_decimals);
      return TRUE;
    }

  return FALSE;
}

/* Writes the shortest form that is read back as the same number. It contains a point or an
 * exponent, so that readers do not take it for a whole number. A number that is not finite
 * becomes null. */
void
_lsobs_json_write_double (LsobsBuffer *out, double value)
{
  char digits[G_ASCII_DTOSTR_BUF_SIZE];

  if (!isfinite (value))
    {
      _lsobs_buffer_append (out, "null", 4);
      return;
    }

  if (write_short_double (out, value))
    return;

  g_ascii_formatd (digits, sizeof digits, "%.15g", value);
  if (g_ascii_strtod (digits, NULL) != value)
    g_ascii_formatd (digits, sizeof digits, "%.16g", value);
  if (g_ascii_strtod (digits, NULL) != value)
    g_ascii_formatd (digits, sizeof digits, "%.17g", value);

  _lsobs_buffer_append_str (out, digits);
  if (strpbrk (digits, ".e") == NULL)
    _lsobs_buffer_append (out, ".0", 2);
}

static gboolean
write_scalar (const Writer *writer, JsonNode *node)
{
  LsobsBuffer *out = writer->out;
  GType type = json_node_get_value_type (node);

  if (type == G_TYPE_STRING && json_node_get_string (node) != NULL)
    {
      const char *text = json_node_get_string (node);
      gsize len = strlen (text);

      /* Check this before writing: the string may be far larger than the limit. */
      if (len > writer->limit)
        return FALSE;

      _lsobs_json_write_string (out, text, len);
    }
  else if (type == G_TYPE_INT64)
    _lsobs_buffer_append_int64 (out, json_node_get_int (node));
  else if (type == G_TYPE_DOUBLE && isfinite (json_node_get_double (node)))
    _lsobs_json_write_double (out, json_node_get_double (node));
  else if (type == G_TYPE_BOOLEAN)
    _lsobs_buffer_append_str (out, json_node_get_boolean (node) ? "true" : "false");
  else
    write_odd (writer);

  return fits (writer);
}

static gboolean
write_array (const Writer *writer, JsonArray *array, guint depth)
{
  LsobsBuffer *out = writer->out;
  guint n_elements = json_array_get_length (array);

  _lsobs_buffer_append_c (out, '[');
  for (guint i = 0; i < n_elements; i++)
    {
      if (i > 0)
        _lsobs_buffer_append_c (out, ',');
      if (!write_value (writer, json_array_get_element (array, i), depth))
        return FALSE;
    }

  _lsobs_buffer_append_c (out, ']');
  return fits (writer);
}

/* @except: (nullable): names of members that are not written */
static gboolean
write_object (const Writer *writer, JsonObject *object, const char *const *except, guint depth)
{
  LsobsBuffer *out = writer->out;
  JsonObjectIter iter;
  const char *name;
  JsonNode *member;
  char separator = '{';

  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &name, &member))
    {
      if (except != NULL && g_strv_contains (except, name))
        continue;

      _lsobs_buffer_append_c (out, separator);
      separator = ',';
      _lsobs_json_write_string (out, name, strlen (name));
      _lsobs_buffer_append_c (out, ':');
      if (!write_value (writer, member, depth))
        return FALSE;
    }

  if (separator == '{')
    _lsobs_buffer_append_c (out, '{');
  _lsobs_buffer_append_c (out, '}');
  return fits (writer);
}

/* @depth: the number of arrays and objects around @node. It is limited, so that the recursion
 *   ends even if a node contains itself. */
static gboolean
write_value (const Writer *writer, JsonNode *node, guint depth)
{
  JsonArray *array = NULL;
  JsonObject *object = NULL;

  if (node != NULL && JSON_NODE_HOLDS_VALUE (node))
    return write_scalar (writer, node);

  if (node != NULL && JSON_NODE_HOLDS_OBJECT (node))
    object = json_node_get_object (node);
  else if (node != NULL && JSON_NODE_HOLDS_ARRAY (node))
    array = json_node_get_array (node);

  if (object == NULL && array == NULL)
    {
      if (node != NULL && JSON_NODE_HOLDS_NULL (node))
        _lsobs_buffer_append (writer->out, "null", 4);
      else
        write_odd (writer);
      return fits (writer);
    }

  if (depth == LSOBS_JSON_MAX_DEPTH)
    {
      _lsobs_buffer_append_str (writer->out, "\"" LSOBS_JSON_DEPTH_LIMIT "\"");
      return fits (writer);
    }

  return object != NULL ? write_object (writer, object, NULL, depth + 1)
                        : write_array (writer, array, depth + 1);
}

static void
start_writing (Writer *writer, LsobsBuffer *out, gsize max_bytes, guint *n_odd)
{
  writer->out = out;
  writer->n_odd = n_odd;
  if (!g_size_checked_add (&writer->limit, out->len, max_bytes))
    writer->limit = G_MAXSIZE;
}

/* Does the same as _lsobs_json_write_node() for an object.
 * @except: (nullable): names of members that are not written */
gboolean
_lsobs_json_write_object (LsobsBuffer *out,
                          JsonObject *object,
                          const char *const *except,
                          gsize max_bytes)
{
  gsize start = out->len;
  Writer writer;

  start_writing (&writer, out, max_bytes, NULL);
  if (write_object (&writer, object, except, 1))
    return TRUE;

  _lsobs_buffer_truncate (out, start);
  return FALSE;
}

/* Whether the value of @node was never set. */
gboolean
_lsobs_json_is_hollow (JsonNode *node)
{
  if (JSON_NODE_HOLDS_OBJECT (node))
    return json_node_get_object (node) == NULL;
  if (JSON_NODE_HOLDS_ARRAY (node))
    return json_node_get_array (node) == NULL;
  if (!JSON_NODE_HOLDS_VALUE (node))
    return !JSON_NODE_HOLDS_NULL (node);
  return json_node_get_value_type (node) == G_TYPE_INVALID ||
         (json_node_get_value_type (node) == G_TYPE_STRING && json_node_get_string (node) == NULL);
}

gboolean
_lsobs_json_is_array_of_strings (JsonNode *node)
{
  JsonArray *array =
      node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (array == NULL)
    return FALSE;
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *element = json_array_get_element (array, i);

      if (json_node_get_value_type (element) != G_TYPE_STRING ||
          json_node_get_string (element) == NULL)
        return FALSE;
    }
  return TRUE;
}

/* Appends @node as JSON text. The limit also ends the writing of nodes that contain themselves
 * several times.
 * @n_odd: (nullable) (inout): is raised by the number of values that become null because JSON
 *   cannot represent them, such as numbers that are not finite and arrays that were never set
 * Returns: FALSE if the text has more than @max_bytes: nothing is appended */
gboolean
_lsobs_json_write_node_counting (LsobsBuffer *out, JsonNode *node, gsize max_bytes, guint *n_odd)
{
  gsize start = out->len;
  Writer writer;

  start_writing (&writer, out, max_bytes, n_odd);
  if (write_value (&writer, node, 0))
    return TRUE;

  _lsobs_buffer_truncate (out, start);
  return FALSE;
}

gboolean
_lsobs_json_write_node (LsobsBuffer *out, JsonNode *node, gsize max_bytes)
{
  return _lsobs_json_write_node_counting (out, node, max_bytes, NULL);
}
