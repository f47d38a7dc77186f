/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/text/lsobs-json-scan-private.h"
#include "lsobs/text/lsobs-json-string-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

void
_lsobs_json_scratch_clear (LsobsJsonScratch *self)
{
  _lsobs_buffer_clear (&self->decoded);
  _lsobs_buffer_clear (&self->redacted);
}

/* The value of the four hexadecimal digits at @p, or -1. */
static gint32
parse_hex4 (const char *p, const char *end)
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

/* Looks at the string whose opening quote is before @p. Returns what follows its
 * closing quote, or %NULL when it has none or an escape that is not JSON. */
const char *
_lsobs_json_string_scan (const char *p, const char *end, LsobsJsonStringKind *kind)
{
  *kind = LSOBS_JSON_STRING_PLAIN;
  for (;;)
    {
      p = _lsobs_json_scan (p, end, TRUE);
      if (p == end)
        return NULL;

      if (*p == '"')
        return p + 1;

      if ((guchar) *p >= 0x80)
        {
          gsize len;

          /* Text that is not English comes in runs. */
          while (p < end && (guchar) *p >= 0x80 && (len = _lsobs_utf8_length (p, end)) != 0)
            p += len;

          if (p < end && (guchar) *p >= 0x80)
            {
              *kind = LSOBS_JSON_STRING_BROKEN;
              p++;
            }
        }
      else if (*p != '\\')
        {
          *kind = LSOBS_JSON_STRING_BROKEN;
          p++;
        }
      else if (end - p < 2)
        return NULL;
      else if (p[1] == 'u')
        {
          if (parse_hex4 (p + 2, end) < 0)
            return NULL;

          *kind = LSOBS_JSON_STRING_BROKEN;
          p += 6;
        }
      else if (p[1] == '\0' || strchr ("\"\\/bfnrt", p[1]) == NULL)
        return NULL;
      else
        {
          if (p[1] == '/')
            *kind = LSOBS_JSON_STRING_BROKEN;
          else if (*kind == LSOBS_JSON_STRING_PLAIN)
            *kind = LSOBS_JSON_STRING_ESCAPED;
          p += 2;
        }
    }
}

/* Appends the character at @p, or U+FFFD for what is none, and returns what
 * follows it. */
static const char *
append_repaired (LsobsBuffer *out, const char *p, const char *end)
{
  guchar lead = (guchar) *p;
  gsize len = _lsobs_utf8_length (p, end);

  if (len > 0 && lead != 0)
    {
      _lsobs_buffer_append (out, p, len);
      return p + len;
    }

  _lsobs_buffer_append_str (out, LSOBS_UTF8_REPLACEMENT);
  if (lead < 0xc2 || lead > 0xf4 || end - p < 2)
    return p + 1;

  /* Half of a pair as UTF-16 has them, made three bytes by whoever did not know
   * better: one character to the reader. */
  if (lead == 0xed && end - p >= 3 && (guchar) p[1] >= 0xa0 && (guchar) p[1] <= 0xbf &&
      _lsobs_utf8_is_continuation (p[2]))
    return p + 3;

  /* The beginning of a character counts as one. */
  if (lead < 0xe0 || !_lsobs_utf8_is_second (lead, (guchar) p[1]))
    return p + 1;
  if (lead < 0xf0 || end - p < 3 || !_lsobs_utf8_is_continuation (p[2]))
    return p + 2;

  return p + 3;
}

/* Any bytes in, valid UTF-8 without U+0000 out. */
static void
append_text (LsobsBuffer *out, const char *p, const char *end)
{
  while (p < end)
    {
      const char *next = p;

      while (next<end && * next> 0)
        next++;

      _lsobs_buffer_append (out, p, (gsize) (next - p));
      p = next < end ? append_repaired (out, next, end) : end;
    }
}

static void
append_code_point (LsobsBuffer *out, guint32 code)
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

static void
pad (LsobsBuffer *buffer)
{
  memset (_lsobs_buffer_reserve (buffer, LSOBS_REDACT_PADDING), 0, LSOBS_REDACT_PADDING);
}

/* @p: a backslash; what follows was found to be an escape. */
static const char *
append_escape (LsobsBuffer *out, const char *p, const char *end)
{
  static const char from[] = "bfnrt";
  static const char to[] = "\b\f\n\r\t";
  const char *known;
  gint32 code;
  gint32 low = -1;

  if (p[1] != 'u')
    {
      known = strchr (from, p[1]);
      _lsobs_buffer_append_c (out, known != NULL ? to[known - from] : p[1]);
      return p + 2;
    }

  code = parse_hex4 (p + 2, end);
  p += 6;
  if (code >= 0xd800 && code <= 0xdbff && end - p >= 6 && p[0] == '\\' && p[1] == 'u')
    low = parse_hex4 (p + 2, end);

  if (low >= 0xdc00 && low <= 0xdfff)
    {
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      p += 6;
    }

  append_code_point (out, (guint32) code);
  return p;
}

static void
append_decoded (LsobsBuffer *out, const char *raw, gsize len)
{
  const char *p = raw;
  const char *end = raw + len;

  while (p < end)
    {
      const char *next = _lsobs_json_scan (p, end, TRUE);

      _lsobs_buffer_append (out, p, (gsize) (next - p));
      if (next == end)
        break;

      p = *next == '\\' ? append_escape (out, next, end) : append_repaired (out, next, end);
    }
}

/* Redacts and cuts @text, which is valid UTF-8, and writes what is left; or, when
 * nothing is to be changed and the caller has it, its ready form @raw. */
static void
write_sanitised (LsobsBuffer *out,
                 const char *text,
                 gsize len,
                 const char *raw,
                 gsize raw_len,
                 const LsobsJsonWalkOptions *options,
                 LsobsJsonScratch *scratch)
{
  _lsobs_buffer_truncate (&scratch->redacted, 0);
  if (options->redactor != NULL &&
      _lsobs_redactor_apply (options->redactor, options->budget, text, len, &scratch->redacted))
    {
      /* Also when nothing is left of it: there are bytes to point to. */
      text = _lsobs_buffer_reserve (&scratch->redacted, 1) - scratch->redacted.len;
      len = scratch->redacted.len;
      raw = NULL;
    }

  if (options->max_string_bytes > 0 && len > options->max_string_bytes)
    {
      len = _lsobs_utf8_cut (text, len, options->max_string_bytes);
      raw = NULL;
    }

  if (raw == NULL)
    {
      _lsobs_json_write_string (out, text, len);
      return;
    }

  _lsobs_buffer_reserve (out, raw_len + 2);
  _lsobs_buffer_append_c (out, '"');
  _lsobs_buffer_append (out, raw, raw_len);
  _lsobs_buffer_append_c (out, '"');
}

/* What the bytes @raw between the quotes stand for, which _lsobs_json_string_scan()
 * has seen: themselves, or in @scratch as long as that is not used for another.
 * @len: (inout) */
const char *
_lsobs_json_string_decode (const char *raw,
                           gsize *len,
                           LsobsJsonStringKind kind,
                           LsobsJsonScratch *scratch)
{
  if (kind == LSOBS_JSON_STRING_PLAIN)
    return raw;

  _lsobs_buffer_truncate (&scratch->decoded, 0);
  _lsobs_buffer_reserve (&scratch->decoded, *len + LSOBS_REDACT_PADDING);
  append_decoded (&scratch->decoded, raw, *len);
  pad (&scratch->decoded);
  *len = scratch->decoded.len;
  return scratch->decoded.data;
}

/* Writes the string whose bytes between the quotes (which are there) are @raw, and
 * which _lsobs_json_string_scan() has seen. */
void
_lsobs_json_string_write (LsobsBuffer *out,
                          const char *raw,
                          gsize len,
                          LsobsJsonStringKind kind,
                          const LsobsJsonWalkOptions *options,
                          LsobsJsonScratch *scratch)
{
  /* Decoding what is not broken never makes it longer: what is short enough
   * before need not be decoded to see that it is not to be cut. */
  gboolean short_enough = options->max_string_bytes == 0 || len <= options->max_string_bytes;
  const char *text;
  gsize text_len = len;

  if (kind != LSOBS_JSON_STRING_BROKEN && options->redactor == NULL && short_enough)
    {
      _lsobs_buffer_append (out, raw - 1, len + 2);
      return;
    }

  text = _lsobs_json_string_decode (raw, &text_len, kind, scratch);
  write_sanitised (out, text, text_len, kind != LSOBS_JSON_STRING_BROKEN ? raw : NULL, len, options,
                   scratch);
}

/* Writes any bytes as a string. */
void
_lsobs_json_string_write_text (LsobsBuffer *out,
                               const char *text,
                               gsize len,
                               const LsobsJsonWalkOptions *options,
                               LsobsJsonScratch *scratch)
{
  if (len == 0)
    text = "";
  else if (options->redactor != NULL || !g_utf8_validate_len (text, len, NULL))
    {
      _lsobs_buffer_truncate (&scratch->decoded, 0);
      append_text (&scratch->decoded, text, text + len);
      pad (&scratch->decoded);
      text = scratch->decoded.data;
      len = scratch->decoded.len;
    }

  write_sanitised (out, text, len, NULL, 0, options, scratch);
}
