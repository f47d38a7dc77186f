/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/text/lsobs-json-escape-private.h"

const char _lsobs_json_escapes[G_MAXUINT8 + 1] = {
  ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
  ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

/* Returns: the value of the four hexadecimal digits at @p, or -1 */
gint32
_lsobs_json_escape_parse_hex4 (const char *p, const char *end)
{
  gint32 value = 0;

  if (end - p < 4)
    return -1;

  for (guint i = 0; i < 4; i++)
    {
      gint digit = g_ascii_xdigit_value (p[i]);

      if (digit < 0)
        return -1;

      value = value << 4 | digit;
    }

  return value;
}

/* Appends a character, or U+FFFD for U+0000 and surrogates. */
static void
append_code (LsobsBuffer *out, guint32 code)
{
  char *p = _lsobs_buffer_reserve (out, 4);

  if (code == 0 || (code >= 0xd800 && code <= 0xdfff))
    code = 0xfffd;

  if (code < 0x80)
    {
      *p = (char) code;
      out->len += 1;
    }
  else if (code < 0x800)
    {
      p[0] = (char) (0xc0 | code >> 6);
      p[1] = (char) (0x80 | (code & 0x3f));
      out->len += 2;
    }
  else if (code < 0x10000)
    {
      p[0] = (char) (0xe0 | code >> 12);
      p[1] = (char) (0x80 | (code >> 6 & 0x3f));
      p[2] = (char) (0x80 | (code & 0x3f));
      out->len += 3;
    }
  else
    {
      p[0] = (char) (0xf0 | code >> 18);
      p[1] = (char) (0x80 | (code >> 12 & 0x3f));
      p[2] = (char) (0x80 | (code >> 6 & 0x3f));
      p[3] = (char) (0x80 | (code & 0x3f));
      out->len += 4;
    }
}

/* Appends the character that an escape stands for.
 * @p: a backslash
 * Returns: (nullable): the first byte after the escape; NULL if there is no escape of JSON at @p:
 *   nothing was appended */
const char *
_lsobs_json_escape_decode (LsobsBuffer *out, const char *p, const char *end)
{
  gint32 code;
  gint32 low = -1;

  if (end - p < 2)
    return NULL;
  if (p[1] != 'u')
    {
      if (_lsobs_json_escapes[(guchar) p[1]] == '\0')
        return NULL;
      _lsobs_buffer_append_c (out, _lsobs_json_escapes[(guchar) p[1]]);
      return p + 2;
    }

  code = _lsobs_json_escape_parse_hex4 (p + 2, end);
  if (code < 0)
    return NULL;
  p += 6;
  if (code >= 0xd800 && code <= 0xdbff && end - p >= 6 && p[0] == '\\' && p[1] == 'u')
    low = _lsobs_json_escape_parse_hex4 (p + 2, end);

  if (low >= 0xdc00 && low <= 0xdfff)
    {
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      p += 6;
    }

  append_code (out, (guint32) code);
  return p;
}
