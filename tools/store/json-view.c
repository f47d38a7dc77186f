/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "lsobs/text/lsobs-json-sanitizer-private.h"

#include "tools/store/json-view.h"

void
json_view_init (JsonView *self, const char *text, gsize len)
{
  const JsonView empty = LSOBS_JSON_DOCUMENT_INIT;

  *self = empty;
  self->text.data = (char *) text;
  self->text.len = len + 1;
}

void
json_view_clear (JsonView *self)
{
  _lsobs_buffer_clear (&self->decoded);
}

gboolean
json_view_next (JsonView *self, const char *container, const char **at, JsonMember *member)
{
  const char *p = *at;
  char close;

  if (container == NULL || (*container != '{' && *container != '['))
    return FALSE;
  close = *container == '{' ? '}' : ']';
  p = p == NULL ? container + 1 : p;
  if (*p == ',')
    p++;
  if (*p == close)
    return FALSE;
  member->name = NULL;
  member->name_len = 0;
  if (close == '}')
    {
      LsobsJsonStringKind kind;
      const char *end =
          _lsobs_json_string_scan (p + 1, self->text.data + self->text.len - 1, &kind);

      member->name = p + 1;
      member->name_len = (gsize) (end - p) - 2;
      p = end + 1;
    }
  member->value = p;
  p = _lsobs_json_document_skip (self, p);
  member->value_len = (gsize) (p - member->value);
  *at = p;
  return TRUE;
}

gboolean
json_member_is (const JsonMember *member, const char *name)
{
  return member->name_len == strlen (name) && memcmp (member->name, name, member->name_len) == 0;
}

const char *
json_view_find (JsonView *self, const char *value, ...)
{
  va_list args;
  const char *name;

  va_start (args, value);
  while (value != NULL && (name = va_arg (args, const char *)) != NULL)
    value = _lsobs_json_document_find (self, value, name);
  va_end (args);
  return value;
}

char *
json_view_dup_string (JsonView *self, const char *value)
{
  gsize len;
  const char *text = _lsobs_json_document_decode (self, value, &len);

  return text != NULL ? g_strndup (text, len) : NULL;
}

gboolean
json_view_get_double (const char *value, double *number)
{
  if (value == NULL || (*value != '-' && !g_ascii_isdigit (*value)))
    return FALSE;
  *number = g_ascii_strtod (value, NULL);
  return isfinite (*number);
}

gboolean
json_view_get_int (const char *value, gint64 *number)
{
  double real;

  if (!json_view_get_double (value, &real) || real < -9e15 || real > 9e15)
    return FALSE;
  *number = (gint64) real;
  return TRUE;
}
