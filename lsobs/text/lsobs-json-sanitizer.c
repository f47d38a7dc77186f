/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>

#include "lsobs/text/lsobs-json-escape-private.h"
#include "lsobs/text/lsobs-json-names-private.h"
#include "lsobs/text/lsobs-json-plain-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-json-scan-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"
#include "lsobs/text/lsobs-redact-keys-private.h"
#include "lsobs/text/lsobs-secret-rules-private.h"

#define UTF8_BOM "\xef\xbb\xbf"

/* Strings */

/* Buffers that one string after the other uses. */
typedef struct
{
  LsobsBuffer decoded;
  LsobsBuffer redacted;
} ScratchBuffers;

static void
clear_scratch (ScratchBuffers *scratch)
{
  _lsobs_buffer_clear (&scratch->decoded);
  _lsobs_buffer_clear (&scratch->redacted);
}

/* Finds the end of a string.
 * @p: the first byte after its opening quote
 * @kind: (out)
 * Returns: (nullable): the first byte after its closing quote; NULL if that is missing, or if
 *   the string contains an escape that is not JSON */
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

          /* Characters that are not ASCII often follow each other. */
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
          if (_lsobs_json_escape_parse_hex4 (p + 2, end) < 0)
            return NULL;

          *kind = LSOBS_JSON_STRING_BROKEN;
          p += 6;
        }
      else if (_lsobs_json_escapes[(guchar) p[1]] == '\0')
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

/* Appends the character at @p, or U+FFFD for bytes that are not a character.
 * Returns: the first byte after it */
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

  /* A surrogate of UTF-16 that was encoded as three bytes counts as one character. */
  if (lead == 0xed && end - p >= 3 && (guchar) p[1] >= 0xa0 && (guchar) p[1] <= 0xbf &&
      _lsobs_utf8_is_continuation (p[2]))
    return p + 3;

  /* The first bytes of an incomplete character count as one character. */
  if (lead < 0xe0 || !_lsobs_utf8_is_second (lead, (guchar) p[1]))
    return p + 1;
  if (lead < 0xf0 || end - p < 3 || !_lsobs_utf8_is_continuation (p[2]))
    return p + 2;

  return p + 3;
}

/* Appends any bytes as valid UTF-8 without U+0000. */
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
pad (LsobsBuffer *buffer)
{
  memset (_lsobs_buffer_reserve (buffer, LSOBS_REDACT_PADDING), 0, LSOBS_REDACT_PADDING);
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

      p = *next == '\\' ? _lsobs_json_escape_decode (out, next, end)
                        : append_repaired (out, next, end);
    }
}

/* Redacts and cuts @text, and writes the result.
 * @text: valid UTF-8
 * @raw: (nullable): @text as the writer would write it, without quotes: it is copied if @text
 *   is neither redacted nor cut
 * Returns: TRUE if it is cut */
static gboolean
write_sanitized (LsobsBuffer *out,
                 const char *text,
                 gsize len,
                 const char *raw,
                 gsize raw_len,
                 const LsobsSanitizeOptions *options,
                 ScratchBuffers *scratch)
{
  gboolean cut = FALSE;

  _lsobs_buffer_truncate (&scratch->redacted, 0);
  if (options->redactor != NULL &&
      _lsobs_redactor_apply (options->redactor, options->budget, text, len, &scratch->redacted))
    {
      /* With reserve(), there is an address even if the result is empty. */
      text = _lsobs_buffer_reserve (&scratch->redacted, 1) - scratch->redacted.len;
      len = scratch->redacted.len;
      raw = NULL;
    }

  if (options->max_string_bytes > 0 && len > options->max_string_bytes)
    {
      len = _lsobs_utf8_cut (text, len, options->max_string_bytes);
      raw = NULL;
      cut = TRUE;
    }

  if (raw == NULL)
    {
      _lsobs_json_write_string (out, text, len);
      return cut;
    }

  _lsobs_buffer_reserve (out, raw_len + 2);
  _lsobs_buffer_append_c (out, '"');
  _lsobs_buffer_append (out, raw, raw_len);
  _lsobs_buffer_append_c (out, '"');
  return FALSE;
}

/* Decodes a string that _lsobs_json_string_scan() has accepted.
 * @raw: the bytes between its quotes
 * @len: (inout): the number of bytes
 * @decoded: gets the text, padded, unless the text is @raw itself
 * Returns: the text, in @raw or @decoded */
const char *
_lsobs_json_string_decode (const char *raw,
                           gsize *len,
                           LsobsJsonStringKind kind,
                           LsobsBuffer *decoded)
{
  if (kind == LSOBS_JSON_STRING_PLAIN)
    return raw;

  _lsobs_buffer_truncate (decoded, 0);
  _lsobs_buffer_reserve (decoded, *len + LSOBS_REDACT_PADDING);
  append_decoded (decoded, raw, *len);
  pad (decoded);
  *len = decoded->len;
  return decoded->data;
}

/* Sanitizes a string that _lsobs_json_string_scan() has accepted.
 * @raw: the bytes between its quotes
 * Returns: TRUE if it is cut */
static gboolean
write_string (LsobsBuffer *out,
              const char *raw,
              gsize len,
              LsobsJsonStringKind kind,
              const LsobsSanitizeOptions *options,
              ScratchBuffers *scratch)
{
  /* Decoding makes a valid string never longer. If the raw bytes are within the limit, so is the
   * text. */
  gboolean short_enough = options->max_string_bytes == 0 || len <= options->max_string_bytes;
  const char *text;
  gsize text_len = len;

  if (kind != LSOBS_JSON_STRING_BROKEN && options->redactor == NULL && short_enough)
    {
      _lsobs_buffer_append (out, raw - 1, len + 2);
      return FALSE;
    }

  text = _lsobs_json_string_decode (raw, &text_len, kind, &scratch->decoded);
  return write_sanitized (out, text, text_len, kind != LSOBS_JSON_STRING_BROKEN ? raw : NULL, len,
                          options, scratch);
}

/* Sanitizes any bytes as a string. */
static void
write_text (LsobsBuffer *out,
            const char *text,
            gsize len,
            const LsobsSanitizeOptions *options,
            ScratchBuffers *scratch)
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

  if (write_sanitized (out, text, len, NULL, 0, options, scratch) && options->cuts != NULL)
    _lsobs_json_cuts_add (options->cuts, G_MAXSIZE);
}

/* Values */

/* One pass over JSON text. It does not recurse: an array holds the closing bracket of each
 * array and object that is open, so that each level takes one byte and no stack. Values
 * deeper than LSOBS_JSON_MAX_DEPTH are checked, but not written. */
typedef struct
{
  LsobsBuffer *out;
  const char *text;
  const char *p; /* the next byte */
  const char *end;
  const LsobsSanitizeOptions *options;
  ScratchBuffers scratch;
  LsobsJsonNames names; /* of the objects that are written */

  gsize depth;                        /* the number of arrays and objects that are open */
  char shallow[LSOBS_JSON_MAX_DEPTH]; /* the closing brackets of the outer levels */
  LsobsBuffer deep;                   /* the closing brackets of the levels that are not written */

  gboolean hidden;    /* in the value of a member that is hidden */
  gsize hidden_depth; /* the depth of that member */

  gboolean is_secret; /* the next value is that of a member called "password" */
  gboolean is_name;   /* the next value is that of a member called "name" */
  gboolean names_key[LSOBS_JSON_MAX_DEPTH]; /* of each level: that value is one of the keys */
} Sanitizer;

/* For the names of members. */
static const LsobsSanitizeOptions repair_only = { .redactor = NULL };

static inline gboolean
is_written (const Sanitizer *self)
{
  return self->depth <= LSOBS_JSON_MAX_DEPTH && !self->hidden;
}

static inline void
write_c (Sanitizer *self, char c)
{
  if (is_written (self))
    _lsobs_buffer_append_c (self->out, c);
}

static inline void
skip_space (Sanitizer *self)
{
  const char *p = self->p;

  while (p < self->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
    p++;

  self->p = p;
}

static inline gboolean
next_is (Sanitizer *self, char c)
{
  return self->p < self->end && *self->p == c;
}

static inline gboolean
skip_token (Sanitizer *self, const char *token, gsize len)
{
  if ((gsize) (self->end - self->p) < len || memcmp (self->p, token, len) != 0)
    return FALSE;

  self->p += len;
  return TRUE;
}

static void
push (Sanitizer *self, char closing)
{
  self->is_name = FALSE;
  if (self->depth < LSOBS_JSON_MAX_DEPTH)
    {
      self->shallow[self->depth] = closing;
      self->names_key[self->depth] = FALSE;
    }
  else
    {
      if (self->depth == LSOBS_JSON_MAX_DEPTH && !self->hidden)
        _lsobs_buffer_append_str (self->out, "\"" LSOBS_JSON_DEPTH_LIMIT "\"");
      _lsobs_buffer_append_c (&self->deep, closing);
    }

  self->depth++;
}

static inline char
closing_of (const Sanitizer *self)
{
  return self->depth <= LSOBS_JSON_MAX_DEPTH ? self->shallow[self->depth - 1]
                                             : self->deep.data[self->deep.len - 1];
}

static void
pop (Sanitizer *self)
{
  if (self->depth > LSOBS_JSON_MAX_DEPTH)
    self->deep.len--;

  self->depth--;
}

/* Pairs */

/* Called before the value of a member.
 * @name: as it is in the text */
static void
find_pair_name (Sanitizer *self, const char *name, gsize len)
{
  LsobsRedactor *redactor = self->options->redactor;

  self->is_name = redactor != NULL && _lsobs_redactor_has_pairs (redactor) &&
                  _lsobs_redact_keys_find_role (name, len) == LSOBS_REDACT_ROLE_NAME;
}

/* Called for the value of a member called "name", if it is a string. */
static void
find_pair (Sanitizer *self, const char *raw, gsize len, LsobsJsonStringKind kind)
{
  const char *text = _lsobs_json_string_decode (raw, &len, kind, &self->scratch.decoded);

  if (_lsobs_redactor_hides_key (self->options->redactor, text, len))
    self->names_key[self->depth - 1] = TRUE;
}

/* Called at the end of an object that names a key: hides its members called "value". */
static void
hide_pair (Sanitizer *self)
{
  LsobsJsonNames *names = &self->names;

  for (gsize i = names->first; i < names->n_names; i++)
    {
      const LsobsJsonName *name = &names->names[i];
      gsize end = i + 1 < names->n_names ? name[1].start - strlen (",") : self->out->len;

      if (_lsobs_redact_keys_find_role (self->out->data + name->start + 1, name->len - 2) ==
          LSOBS_REDACT_ROLE_VALUE)
        _lsobs_json_names_replace (names, name->start + name->len + strlen (":"), end,
                                   "\"" LSOBS_REDACTED "\"");
    }
}

/* @kind: (out): of the string at self->p */
static gboolean
walk_string (Sanitizer *self, const LsobsSanitizeOptions *options, LsobsJsonStringKind *kind)
{
  const char *raw = self->p + 1;
  const char *after = _lsobs_json_string_scan (raw, self->end, kind);

  if (after == NULL)
    return FALSE;

  /* The redactor needs padding. A string at the end of the text has it in its decoded copy. */
  if (*kind == LSOBS_JSON_STRING_PLAIN && options->redactor != NULL &&
      self->end - after < LSOBS_REDACT_PADDING)
    *kind = LSOBS_JSON_STRING_ESCAPED;

  if (is_written (self) &&
      write_string (self->out, raw, (gsize) (after - 1 - raw), *kind, options, &self->scratch) &&
      options->cuts != NULL)
    _lsobs_json_cuts_add (options->cuts, (gsize) (self->p - self->text));
  if (self->is_name && is_written (self))
    find_pair (self, raw, (gsize) (after - 1 - raw), *kind);
  self->p = after;
  return TRUE;
}

static gsize
skip_digits (Sanitizer *self)
{
  const char *start = self->p;

  while (self->p < self->end && g_ascii_isdigit (*self->p))
    self->p++;

  return (gsize) (self->p - start);
}

/* Whether the number fits. It has @len digits and no leading zero. */
static gboolean
is_int64 (const char *digits, gsize len, gboolean negative)
{
  if (len != 19)
    return len < 19;

  return memcmp (digits, negative ? "9223372036854775808" : "9223372036854775807", 19) <= 0;
}

static gboolean
is_finite (const char *number, gsize len)
{
  g_autofree char *copy = g_strndup (number, len);

  return isfinite (g_ascii_strtod (copy, NULL));
}

/* Writes a number as a string, which is redacted and cut as others are. */
static void
write_number_text (Sanitizer *self, const char *digits, gsize len)
{
  LsobsBuffer *decoded = &self->scratch.decoded;

  _lsobs_buffer_truncate (decoded, 0);
  _lsobs_buffer_append (decoded, digits, len);
  pad (decoded);
  if (write_sanitized (self->out, decoded->data, len, NULL, 0, self->options, &self->scratch) &&
      self->options->cuts != NULL)
    _lsobs_json_cuts_add (self->options->cuts, (gsize) (digits - self->text));
}

static gboolean
walk_number (Sanitizer *self)
{
  const char *start = self->p;
  gboolean negative = skip_token (self, "-", 1);
  const char *digits = self->p;
  gsize n_digits = skip_digits (self);
  gsize n_exponent = 0;
  gboolean whole = TRUE;

  if (n_digits == 0 || (n_digits > 1 && *digits == '0'))
    return FALSE;

  if (skip_token (self, ".", 1))
    {
      whole = FALSE;
      if (skip_digits (self) == 0)
        return FALSE;
    }

  if (skip_token (self, "e", 1) || skip_token (self, "E", 1))
    {
      whole = FALSE;
      if (!skip_token (self, "+", 1))
        skip_token (self, "-", 1);
      n_exponent = skip_digits (self);
      if (n_exponent == 0)
        return FALSE;
    }

  if (!is_written (self))
    return TRUE;

  /* A number outside the range of a double becomes null: readers turn it into infinity or
   * refuse the whole text. Only numbers with many digits can be outside. */
  if (!whole && (n_exponent > 2 || n_digits > 200) && !is_finite (start, (gsize) (self->p - start)))
    {
      _lsobs_buffer_append_str (self->out, "null");
      return TRUE;
    }

  /* A whole number outside the range of gint64 becomes a string: many readers fail on it. */
  if (whole && !is_int64 (digits, n_digits, negative))
    write_number_text (self, start, (gsize) (self->p - start));
  else
    _lsobs_buffer_append (self->out, start, (gsize) (self->p - start));
  return TRUE;
}

/* @token: the only one that begins with the next byte */
static gboolean
walk_token (Sanitizer *self, const char *token, const char *written)
{
  if (!skip_token (self, token, strlen (token)))
    return FALSE;

  if (is_written (self))
    _lsobs_buffer_append_str (self->out, written);
  return TRUE;
}

static gboolean
walk_scalar (Sanitizer *self)
{
  LsobsJsonStringKind kind;
  gboolean walked;

  if (*self->p == '"')
    {
      walked = walk_string (self, self->options, &kind);
      self->is_name = FALSE;
      return walked;
    }

  self->is_name = FALSE;
  switch (*self->p)
    {
    case 't':
      return walk_token (self, "true", "true");

    case 'f':
      return walk_token (self, "false", "false");

    case 'n':
      return walk_token (self, "null", "null");

    /* These are not JSON, but several languages write them. */
    case 'N':
      return walk_token (self, "NaN", "null");

    case 'I':
      return walk_token (self, "Infinity", "null");

    case '-':
      if (self->end - self->p > 1 && self->p[1] == 'I')
        return walk_token (self, "-Infinity", "null");
      return walk_number (self);

    default:
      return walk_number (self);
    }
}

/* Writes a string for the next value. That value is then read, but not written.
 * @json: the string, with its quotes */
static void
hide_value (Sanitizer *self, const char *json)
{
  _lsobs_buffer_append_str (self->out, json);
  self->hidden = TRUE;
  self->hidden_depth = self->depth;
}

static gboolean
has_hidden_keys (const Sanitizer *self)
{
  return self->options->redactor != NULL && _lsobs_redactor_has_keys (self->options->redactor);
}

static gboolean
has_secret_names (const Sanitizer *self)
{
  return self->options->redactor != NULL && _lsobs_redactor_has_secrets (self->options->redactor);
}

/* Called before the value of a member with the name of a secret. Arrays and objects may hold other
 * members, and true, false and null tell nothing, nor does an empty string. */
static void
hide_secret (Sanitizer *self)
{
  gboolean is_string = *self->p == '"' && self->end - self->p > 1 && self->p[1] != '"';

  self->is_secret = FALSE;
  if (is_string || *self->p == '-' || g_ascii_isdigit (*self->p))
    hide_value (self, "\"" LSOBS_SECRET_DETECTED "\"");
}

/* Equal names are written as equal bytes, whichever escapes they contain. */
static void
write_name (Sanitizer *self, const char *raw, gsize len, LsobsJsonStringKind kind)
{
  gsize start = self->out->len;

  if (kind != LSOBS_JSON_STRING_BROKEN)
    _lsobs_buffer_append (self->out, raw - 1, len + 2);
  else
    write_string (self->out, raw, len, kind, &repair_only, &self->scratch);
  _lsobs_json_names_add (&self->names, self->out, start);
}

/* Reads the name of a member and its colon. */
static gboolean
walk_key (Sanitizer *self)
{
  gboolean written = is_written (self);
  LsobsJsonStringKind kind;
  const char *name;
  const char *after;
  gsize len;

  skip_space (self);
  if (!next_is (self, '"'))
    return FALSE;

  name = self->p + 1;
  after = _lsobs_json_string_scan (name, self->end, &kind);
  if (after == NULL)
    return FALSE;

  self->p = after;
  skip_space (self);
  if (!skip_token (self, ":", 1))
    return FALSE;

  if (!written)
    return TRUE;

  len = (gsize) (after - 1 - name);
  write_name (self, name, len, kind);
  _lsobs_buffer_append_c (self->out, ':');
  if (!has_hidden_keys (self) && !has_secret_names (self))
    return TRUE;

  name = _lsobs_json_string_decode (name, &len, kind, &self->scratch.decoded);
  if (_lsobs_redactor_hides_key (self->options->redactor, name, len))
    {
      hide_value (self, "\"" LSOBS_REDACTED "\"");
      return TRUE;
    }
  self->is_secret = _lsobs_redactor_hides_secret (self->options->redactor, name, len);
  if (!self->is_secret)
    find_pair_name (self, name, len);
  return TRUE;
}

/* Reads up to the end of the next scalar, empty array or empty object. Opens the arrays and
 * objects before it. */
static gboolean
walk_down (Sanitizer *self)
{
  for (;;)
    {
      char opening;

      skip_space (self);
      if (self->p == self->end)
        return FALSE;

      opening = *self->p;
      if (self->is_secret)
        hide_secret (self);
      if (opening != '{' && opening != '[')
        return walk_scalar (self);

      self->p++;
      push (self, opening == '{' ? '}' : ']');
      write_c (self, opening);
      if (opening == '{' && is_written (self))
        _lsobs_json_names_open (&self->names);
      skip_space (self);
      if (next_is (self, closing_of (self)))
        return TRUE;
      if (opening == '{' && !walk_key (self))
        return FALSE;
    }
}

/* Reads from the end of a value up to the beginning of the next value. Closes the arrays and
 * objects that end there.
 * @done: (out): TRUE: the text has no further value */
static gboolean
walk_up (Sanitizer *self, gboolean *done)
{
  while (self->depth > 0)
    {
      char closing = closing_of (self);

      /* At this depth, the value that has just ended is the hidden one. */
      if (self->depth == self->hidden_depth)
        self->hidden = FALSE;

      skip_space (self);
      if (skip_token (self, ",", 1))
        {
          write_c (self, ',');
          *done = FALSE;
          return closing == ']' || walk_key (self);
        }

      if (!next_is (self, closing))
        return FALSE;

      self->p++;
      if (closing == '}' && is_written (self))
        {
          if (self->names_key[self->depth - 1])
            hide_pair (self);
          _lsobs_json_names_close (&self->names, self->out);
        }
      write_c (self, closing);
      pop (self);
    }

  *done = TRUE;
  return TRUE;
}

static gboolean
walk_document (Sanitizer *self)
{
  gboolean wrapped;
  gboolean done = FALSE;

  skip_token (self, UTF8_BOM, strlen (UTF8_BOM));
  skip_space (self);
  wrapped = self->options->wrap && !next_is (self, '{');
  if (wrapped)
    {
      _lsobs_buffer_append_str (self->out, "{\"value\":");
      if (has_hidden_keys (self) &&
          _lsobs_redactor_hides_key (self->options->redactor, "value", strlen ("value")))
        hide_value (self, "\"" LSOBS_REDACTED "\"");
    }

  while (!done)
    if (!walk_down (self) || !walk_up (self, &done))
      return FALSE;

  if (wrapped)
    _lsobs_buffer_append_c (self->out, '}');

  skip_space (self);
  return self->p == self->end;
}

/* Whether the text is several values of JSON, one after the other, such as one in each line. */
static gboolean
is_sequence (const Sanitizer *other)
{
  Sanitizer self = {
    .out = other->out,
    .text = other->text,
    .p = other->text,
    .end = other->end,
    .options = &repair_only,
    .names = LSOBS_JSON_NAMES_INIT,
    .deep = LSOBS_BUFFER_INIT,
    /* Nothing is written. */
    .hidden = TRUE,
    .hidden_depth = G_MAXSIZE,
  };
  gboolean is_whole = TRUE;

  skip_token (&self, UTF8_BOM, strlen (UTF8_BOM));
  for (skip_space (&self); is_whole && self.p < self.end; skip_space (&self))
    for (gboolean done = FALSE; is_whole && !done;)
      is_whole = walk_down (&self) && walk_up (&self, &done);

  _lsobs_buffer_clear (&self.deep);
  return is_whole;
}

/* Whether the text is the one that is written, but for space between its tokens; then it is written.
 * Without a redactor, that is so for nearly all text. */
static gboolean
copy_plain (LsobsBuffer *out, const char *text, gsize len, const LsobsSanitizeOptions *options)
{
  return options->redactor == NULL && (!options->wrap || *text == '{') &&
         _lsobs_json_copy_plain (out, text, len, options->max_string_bytes);
}

/* Writes JSON text that is not empty. If several members of an object have the same name,
 * only the last one is written: most readers do the same, others refuse the whole text.
 * Returns: FALSE if @text is not JSON. Then a string is appended instead: the whole text, or
 *   "[REDACTED]" if the redactor hides members by their names and the text is not a sequence of
 *   JSON values. */
static gboolean
sanitize (LsobsBuffer *out, const char *text, gsize len, const LsobsSanitizeOptions *options)
{
  gsize start = out->len;
  gboolean is_json;
  Sanitizer self = {
    .out = out,
    .text = text,
    .p = text,
    .end = text + len,
    .options = options,
    .scratch = { LSOBS_BUFFER_INIT, LSOBS_BUFFER_INIT },
    .names = LSOBS_JSON_NAMES_INIT,
    .deep = LSOBS_BUFFER_INIT,
  };

  is_json = walk_document (&self);
  if (is_json)
    {
      _lsobs_json_names_cut (&self.names, out);
    }
  else
    {
      _lsobs_buffer_truncate (out, start);
      if (options->wrap)
        _lsobs_buffer_append_str (out, "{\"value\":");
      /* The text may contain members that are hidden. In a sequence they are found, in other text
       * it is not sure where they are. */
      if (!has_hidden_keys (&self) ||
          (is_sequence (&self) &&
           !(options->wrap &&
             _lsobs_redactor_hides_key (options->redactor, "value", strlen ("value")))))
        write_text (out, text, len, options, &self.scratch);
      else
        {
          _lsobs_buffer_append_str (out, "\"" LSOBS_REDACTED "\"");
          _lsobs_redactor_count_failure (options->redactor);
        }
      if (options->wrap)
        _lsobs_buffer_append_c (out, '}');
    }

  clear_scratch (&self.scratch);
  _lsobs_json_names_clear (&self.names);
  _lsobs_buffer_clear (&self.deep);
  return is_json;
}

/* Appends a sanitized copy of JSON text.
 * @text: may be NULL if @len is 0
 * Returns: as sanitize() */
gboolean
_lsobs_json_sanitize (LsobsBuffer *out,
                      const char *text,
                      gsize len,
                      const LsobsSanitizeOptions *options)
{
  if (len == 0)
    {
      _lsobs_buffer_append_str (out, options->wrap ? "{}" : "null");
      return TRUE;
    }

  /* This is enough unless strings become longer. */
  _lsobs_buffer_reserve (out, len + sizeof "{\"value\":}");
  return copy_plain (out, text, len, options) || sanitize (out, text, len, options);
}

/* Appends any bytes as a JSON string: repaired, redacted and cut. */
void
_lsobs_json_sanitize_text (LsobsBuffer *out,
                           const char *text,
                           gsize len,
                           const LsobsSanitizeOptions *options)
{
  ScratchBuffers scratch = { LSOBS_BUFFER_INIT, LSOBS_BUFFER_INIT };

  /* Nearly all texts are short names. */
  if (options->redactor == NULL &&
      (options->max_string_bytes == 0 || len <= options->max_string_bytes) &&
      _lsobs_json_scan (text, text + len, TRUE) == text + len)
    {
      char *p = _lsobs_buffer_reserve (out, len + strlen ("\"\""));

      *p = '"';
      if (len > 0)
        memcpy (p + 1, text, len);
      p[len + 1] = '"';
      out->len += len + strlen ("\"\"");
      return;
    }
  write_text (out, text, len, options, &scratch);
  clear_scratch (&scratch);
}
