/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-json-document-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"

/* The sanitizer writes at most six bytes for one. */
#define MAX_GROWTH 6

/* Returns: FALSE if @text is not JSON */
gboolean
_lsobs_json_document_load (LsobsJsonDocument *self, const char *text, gsize len)
{
  const LsobsSanitizeOptions options = { .redactor = NULL };

  if (!_lsobs_json_sanitize (&self->text, text, len, &options))
    return FALSE;
  _lsobs_buffer_append_c (&self->text, '\0');
  return TRUE;
}

/* Does the same for a text with secrets. Its buffers are allocated large enough: a buffer that
 * grows leaves copies in memory which cannot be wiped. */
gboolean
_lsobs_json_document_load_secret (LsobsJsonDocument *self, const char *text, gsize len)
{
  _lsobs_buffer_reserve (&self->text, MAX_GROWTH * len + sizeof "\"\"");
  if (!_lsobs_json_document_load (self, text, len))
    return FALSE;
  _lsobs_buffer_reserve (&self->decoded, 2 * self->text.len);
  return TRUE;
}

void
_lsobs_json_document_clear (LsobsJsonDocument *self)
{
  _lsobs_buffer_clear (&self->text);
  _lsobs_buffer_clear (&self->decoded);
}

void
_lsobs_json_document_wipe (LsobsJsonDocument *self)
{
  _lsobs_buffer_wipe (&self->text);
  _lsobs_buffer_wipe (&self->decoded);
  _lsobs_json_document_clear (self);
}

/* @at: an opening quote
 * Returns: the first byte after the string */
static const char *
skip_string (LsobsJsonDocument *self, const char *at, LsobsJsonStringKind *kind)
{
  return _lsobs_json_string_scan (at + 1, self->text.data + self->text.len - 1, kind);
}

/* @value: a value of any type
 * Returns: the first byte after it */
const char *
_lsobs_json_document_skip (LsobsJsonDocument *self, const char *value)
{
  const char *at = value;
  LsobsJsonStringKind kind;
  guint depth = 0;

  do
    {
      if (*at == '"')
        {
          at = skip_string (self, at, &kind);
          continue;
        }
      if (*at == '{' || *at == '[')
        depth++;
      else if (*at == '}' || *at == ']')
        depth--;
      at++;
    }
  while (depth > 0 || strchr (",}]", *at) == NULL);
  return at;
}

/* @value: a value of any type
 * Returns: (transfer full): its JSON text */
char *
_lsobs_json_document_dup_value (LsobsJsonDocument *self, const char *value)
{
  return g_strndup (value, (gsize) (_lsobs_json_document_skip (self, value) - value));
}

/* Decodes a string.
 * @value: (nullable): a value of any type
 * @len: (out): the length of the text in bytes
 * Returns: (nullable): the text, valid until the next call with @self; NULL if @value is not a
 *   string */
const char *
_lsobs_json_document_decode (LsobsJsonDocument *self, const char *value, gsize *len)
{
  LsobsJsonStringKind kind;

  if (value == NULL || *value != '"')
    return NULL;
  *len = (gsize) (skip_string (self, value, &kind) - value) - 2;
  return _lsobs_json_string_decode (value + 1, len, kind, &self->decoded);
}

/* Finds the last member with a name. JSON-GLib, too, prefers the last of several members.
 * @object: (nullable): a value of any type; self->text.data is the outermost one
 * Returns: (nullable): the value of the member */
const char *
_lsobs_json_document_find (LsobsJsonDocument *self, const char *object, const char *name)
{
  const char *found = NULL;
  const char *at;

  if (object == NULL || *object != '{')
    return NULL;
  for (at = object + 1; *at == '"'; at += *at == ',')
    {
      LsobsJsonStringKind kind;
      gsize len;
      const char *key = _lsobs_json_document_decode (self, at, &len);
      gboolean same = len == strlen (name) && memcmp (key, name, len) == 0;

      at = skip_string (self, at, &kind) + 1;
      if (same)
        found = at;
      at = _lsobs_json_document_skip (self, at);
    }
  return found;
}
