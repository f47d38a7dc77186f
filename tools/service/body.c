/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-compressor-private.h"

#include "tools/service/body.h"

/* A body with more parts is refused. */
#define MAX_PARTS 100000

/* Headers of a part that are longer are refused. */
#define MAX_HEADERS 16384

/* --- decompression --- */

static const char *
guess_encoding (GBytes *body)
{
  gsize len;
  const guint8 *data = g_bytes_get_data (body, &len);

  if (len >= 4 && memcmp (data, "\x28\xb5\x2f\xfd", 4) == 0)
    return "zstd";
  return len >= 3 && memcmp (data, "\x1f\x8b\x08", 3) == 0 ? "gzip" : NULL;
}

BodyResult
body_decode (const char *encoding, GBytes *body, GBytes **result)
{
  g_autofree char *name = encoding != NULL ? g_ascii_strdown (encoding, -1) : NULL;

  if (g_bytes_get_size (body) > BODY_MAX_SENT)
    return BODY_TOO_LARGE;
  if (name != NULL)
    g_strstrip (name);
  if (name == NULL || *name == '\0' || strcmp (name, "identity") == 0)
    encoding = guess_encoding (body);
  else
    encoding = strcmp (name, "x-gzip") == 0 ? "gzip" : name;
  if (encoding != NULL && strcmp (encoding, "gzip") != 0 &&
      !(strcmp (encoding, "zstd") == 0 && _lsobs_compression_is_built_in (LSOBS_COMPRESSION_ZSTD)))
    return BODY_UNKNOWN_ENCODING;
  *result = _lsobs_compression_decode (encoding, body, BODY_MAX_DECODED);
  return *result != NULL ? BODY_DECODED : BODY_MALFORMED;
}

/* --- multipart --- */

static void
free_part (gpointer data)
{
  BodyPart *self = data;

  g_free (self->name);
  g_free (self->type);
  g_free (self);
}

/* Returns: (nullable): where @text begins */
static const char *
find_text (const char *from, const char *end, const char *text, gsize len)
{
  return from <= end && (gsize) (end - from) >= len ? memmem (from, (gsize) (end - from), text, len)
                                                    : NULL;
}

/* Returns: (transfer full) (nullable): of a Content-Type */
static char *
dup_boundary (const char *type)
{
  static const char parameter[] = "boundary=";
  const char *at = type;

  while (*at != '\0' && g_ascii_strncasecmp (at, parameter, strlen (parameter)) != 0)
    at++;
  if (*at == '\0')
    return NULL;
  at += strlen (parameter);
  if (*at == '"')
    return g_strndup (at + 1, strcspn (at + 1, "\""));
  return g_strndup (at, strcspn (at, "; \t"));
}

/* Returns: (nullable): the value of a header in @headers, NUL-terminated lines; it is changed */
static char *
find_header (char **lines, const char *name)
{
  gsize len = strlen (name);

  for (; *lines != NULL; lines++)
    if (g_ascii_strncasecmp (*lines, name, len) == 0 && (*lines)[len] == ':')
      return g_strstrip (*lines + len + 1);
  return NULL;
}

/* Returns: (transfer full): the parameter name of a Content-Disposition */
static char *
dup_name (const char *disposition)
{
  const char *at = disposition != NULL ? strstr (disposition, " name=") : NULL;

  if (at == NULL)
    return g_strdup ("");
  at += strlen (" name=");
  return *at == '"' ? g_strndup (at + 1, strcspn (at + 1, "\""))
                    : g_strndup (at, strcspn (at, ";"));
}

/* Returns: the length that the headers say, or G_MAXSIZE */
static gsize
get_length (const char *type, const char *length)
{
  const char *parameter = type != NULL ? strstr (type, "length=") : NULL;
  guint64 value = G_MAXSIZE;

  if (length == NULL && parameter != NULL)
    length = parameter + strlen ("length=");
  if (length != NULL && g_ascii_isdigit (*length))
    value = g_ascii_strtoull (length, NULL, 10);
  return (gsize) MIN (value, G_MAXSIZE);
}

/* @start: of the headers
 * @delimiter: with the line end before it
 * Returns: (nullable): where the delimiter behind the part begins, after the line end */
static const char *
read_part (BodyPart *part, const char *start, const char *end, const char *delimiter)
{
  const char *headers_end =
      find_text (start, MIN (end, start + MAX_HEADERS), "\r\n\r\n", strlen ("\r\n\r\n"));
  gsize len = strlen (delimiter);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  const char *next;
  char *type;
  gsize length;

  if (headers_end == NULL)
    return NULL;
  text = g_utf8_make_valid (start, headers_end - start);
  lines = g_strsplit (text, "\r\n", -1);
  part->name = dup_name (find_header (lines, "Content-Disposition"));
  type = find_header (lines, "Content-Type");
  length = get_length (type, find_header (lines, "Content-Length"));
  part->type = type != NULL ? g_strchomp (g_strndup (type, strcspn (type, ";"))) : g_strdup ("");
  part->data = headers_end + strlen ("\r\n\r\n");
  /* An attachment may contain the delimiter. So the length in the headers decides where it ends, if
   * that is right. */
  if (length <= (gsize) (end - part->data) && (gsize) (end - part->data) - length >= len &&
      memcmp (part->data + length, delimiter, len) == 0)
    next = part->data + length;
  else
    next = find_text (part->data, end, delimiter, len);
  if (next == NULL)
    return NULL;
  part->len = (gsize) (next - part->data);
  return next + strlen ("\r\n");
}

GPtrArray *
body_split_multipart (const char *type, GBytes *body)
{
  g_autofree char *boundary = dup_boundary (type);
  g_autofree char *delimiter = g_strconcat ("\r\n--", boundary, NULL);
  const char *first = delimiter + strlen ("\r\n");
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (free_part);
  gsize len;
  const char *at = g_bytes_get_data (body, &len);
  const char *end = at + len;

  if (boundary == NULL || *boundary == '\0' || len == 0)
    return NULL;
  at = find_text (at, end, first, strlen (first));
  while (at != NULL && parts->len < MAX_PARTS)
    {
      BodyPart *part;

      at += strlen (first);
      if (end - at >= 2 && memcmp (at, "--", 2) == 0)
        return g_steal_pointer (&parts);
      if (end - at < 2 || memcmp (at, "\r\n", 2) != 0)
        return NULL;
      part = g_new0 (BodyPart, 1);
      g_ptr_array_add (parts, part);
      at = read_part (part, at + 2, end, delimiter);
    }
  return NULL;
}

/* --- arrays --- */

typedef struct
{
  const char *at;
  const char *end;
} Scanner;

static void
skip_space (Scanner *self)
{
  while (self->at < self->end && g_ascii_isspace (*self->at))
    self->at++;
}

/* Returns: FALSE if the string does not end */
static gboolean
skip_string (Scanner *self)
{
  for (self->at++; self->at < self->end; self->at++)
    if (*self->at == '\\')
      self->at++;
    else if (*self->at == '"')
      {
        self->at++;
        return TRUE;
      }
  return FALSE;
}

/* Skips what is before the next comma or closing bracket of this level. */
static gboolean
skip_value (Scanner *self)
{
  gsize depth = 0;

  while (self->at < self->end)
    {
      char c = *self->at;

      if (c == '"')
        {
          if (!skip_string (self))
            return FALSE;
          continue;
        }
      if (depth == 0 && (c == ',' || c == '}' || c == ']'))
        return TRUE;
      if (c == '{' || c == '[')
        depth++;
      else if (c == '}' || c == ']')
        depth--;
      self->at++;
    }
  return FALSE;
}

static gboolean
split_elements (Scanner *self, GPtrArray *elements)
{
  self->at++;
  skip_space (self);
  if (self->at < self->end && *self->at == ']')
    return TRUE;
  while (elements->len < MAX_PARTS)
    {
      BodyPart *part = g_new0 (BodyPart, 1);

      g_ptr_array_add (elements, part);
      skip_space (self);
      part->data = self->at;
      if (!skip_value (self))
        return FALSE;
      part->len = (gsize) (self->at - part->data);
      if (*self->at == ']')
        return TRUE;
      if (*self->at != ',')
        return FALSE;
      self->at++;
    }
  return FALSE;
}

GPtrArray *
body_split_array (GBytes *body, const char *member, gboolean *found)
{
  g_autoptr (GPtrArray) elements = g_ptr_array_new_with_free_func (free_part);
  gsize len;
  const char *text = g_bytes_get_data (body, &len);
  Scanner self = { text, text + len };

  *found = FALSE;
  skip_space (&self);
  if (self.at == self.end || *self.at != '{')
    return NULL;
  for (self.at++;; self.at++)
    {
      const char *name;
      gsize name_len;

      skip_space (&self);
      if (self.at < self.end && *self.at == '}')
        return g_steal_pointer (&elements);
      name = self.at + 1;
      if (self.at == self.end || *self.at != '"' || !skip_string (&self))
        return NULL;
      name_len = (gsize) (self.at - name) - 1;
      skip_space (&self);
      if (self.at == self.end || *self.at != ':')
        return NULL;
      self.at++;
      skip_space (&self);
      if (self.at < self.end && *self.at == '[' && name_len == strlen (member) &&
          memcmp (name, member, name_len) == 0)
        {
          *found = TRUE;
          if (!split_elements (&self, elements))
            return NULL;
          self.at++;
          skip_space (&self);
        }
      else if (!skip_value (&self))
        return NULL;
      if (self.at == self.end || (*self.at != ',' && *self.at != '}'))
        return NULL;
      if (*self.at == '}')
        return g_steal_pointer (&elements);
    }
}
