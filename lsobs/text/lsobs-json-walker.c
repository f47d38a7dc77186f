/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>

#include "lsobs/text/lsobs-json-names-private.h"
#include "lsobs/text/lsobs-json-string-private.h"
#include "lsobs/text/lsobs-json-walker-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

#define UTF8_BOM "\xef\xbb\xbf"

/* One pass over JSON text. There is no recursion: what is open is kept in an
 * array, the closing bracket of each, so that depth costs a byte a level and no
 * stack. What lies too deep is still checked, but not written. */
typedef struct
{
  LsobsBuffer *out;
  const char *p; /* what comes next */
  const char *end;
  const LsobsJsonWalkOptions *options;
  LsobsJsonScratch scratch;
  LsobsJsonNames names; /* of the objects that are written */

  gsize depth;                        /* how many arrays and objects are open */
  char shallow[LSOBS_JSON_MAX_DEPTH]; /* what closes them */
  LsobsBuffer deep;                   /* and those that are not written */

  gboolean hidden;    /* inside the value of a member that is hidden */
  gsize hidden_depth; /* how much is open outside of that value */
} Walk;

/* For keys, which are repaired only. */
static const LsobsJsonWalkOptions key_options = { NULL, 0, FALSE };

static inline gboolean
is_written (const Walk *walk)
{
  return walk->depth <= LSOBS_JSON_MAX_DEPTH && !walk->hidden;
}

static inline void
write_c (Walk *walk, char c)
{
  if (is_written (walk))
    _lsobs_buffer_append_c (walk->out, c);
}

static inline void
skip_space (Walk *walk)
{
  const char *p = walk->p;

  while (p < walk->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
    p++;

  walk->p = p;
}

static inline gboolean
next_is (Walk *walk, char c)
{
  return walk->p < walk->end && *walk->p == c;
}

static inline gboolean
skip_token (Walk *walk, const char *token, gsize len)
{
  if ((gsize) (walk->end - walk->p) < len || memcmp (walk->p, token, len) != 0)
    return FALSE;

  walk->p += len;
  return TRUE;
}

static void
push (Walk *walk, char closing)
{
  if (walk->depth < LSOBS_JSON_MAX_DEPTH)
    walk->shallow[walk->depth] = closing;
  else
    {
      if (walk->depth == LSOBS_JSON_MAX_DEPTH && !walk->hidden)
        _lsobs_buffer_append_str (walk->out, "\"" LSOBS_JSON_DEPTH_LIMIT "\"");
      _lsobs_buffer_append_c (&walk->deep, closing);
    }

  walk->depth++;
}

static inline char
closing_of (const Walk *walk)
{
  return walk->depth <= LSOBS_JSON_MAX_DEPTH ? walk->shallow[walk->depth - 1]
                                             : walk->deep.data[walk->deep.len - 1];
}

static void
pop (Walk *walk)
{
  if (walk->depth > LSOBS_JSON_MAX_DEPTH)
    walk->deep.len--;

  walk->depth--;
}

/* @kind: (out) */
static gboolean
walk_string (Walk *walk, const LsobsJsonWalkOptions *options, LsobsJsonStringKind *kind)
{
  const char *raw = walk->p + 1;
  const char *after = _lsobs_json_string_scan (raw, walk->end, kind);

  if (after == NULL)
    return FALSE;

  /* The last ones are copied, to be padded. */
  if (*kind == LSOBS_JSON_STRING_PLAIN && options->redactor != NULL &&
      walk->end - after < LSOBS_REDACT_PADDING)
    *kind = LSOBS_JSON_STRING_ESCAPED;

  if (is_written (walk))
    _lsobs_json_string_write (walk->out, raw, (gsize) (after - 1 - raw), *kind, options,
                              &walk->scratch);
  walk->p = after;
  return TRUE;
}

static gsize
skip_digits (Walk *walk)
{
  const char *start = walk->p;

  while (walk->p < walk->end && g_ascii_isdigit (*walk->p))
    walk->p++;

  return (gsize) (walk->p - start);
}

/* Of @len digits without leading zeros. */
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

static gboolean
walk_number (Walk *walk)
{
  const char *start = walk->p;
  gboolean negative = skip_token (walk, "-", 1);
  const char *digits = walk->p;
  gsize n_digits = skip_digits (walk);
  gsize n_exponent = 0;
  gboolean whole = TRUE;
  gboolean quoted;

  if (n_digits == 0 || (n_digits > 1 && *digits == '0'))
    return FALSE;

  if (skip_token (walk, ".", 1))
    {
      whole = FALSE;
      if (skip_digits (walk) == 0)
        return FALSE;
    }

  if (skip_token (walk, "e", 1) || skip_token (walk, "E", 1))
    {
      whole = FALSE;
      if (!skip_token (walk, "+", 1))
        skip_token (walk, "-", 1);
      n_exponent = skip_digits (walk);
      if (n_exponent == 0)
        return FALSE;
    }

  if (!is_written (walk))
    return TRUE;

  /* Only these can be more than a double holds; a reader would make infinity of
   * it, or refuse the whole text. */
  if (!whole && (n_exponent > 2 || n_digits > 200) && !is_finite (start, (gsize) (walk->p - start)))
    {
      _lsobs_buffer_append_str (walk->out, "null");
      return TRUE;
    }

  /* Many a reader has no room for more than an int64. */
  quoted = whole && !is_int64 (digits, n_digits, negative);
  if (quoted)
    _lsobs_buffer_append_c (walk->out, '"');
  _lsobs_buffer_append (walk->out, start, (gsize) (walk->p - start));
  if (quoted)
    _lsobs_buffer_append_c (walk->out, '"');
  return TRUE;
}

/* @token is known to begin with the right letter. */
static gboolean
walk_token (Walk *walk, const char *token, const char *written)
{
  if (!skip_token (walk, token, strlen (token)))
    return FALSE;

  if (is_written (walk))
    _lsobs_buffer_append_str (walk->out, written);
  return TRUE;
}

static gboolean
walk_scalar (Walk *walk)
{
  LsobsJsonStringKind kind;

  switch (*walk->p)
    {
    case '"':
      return walk_string (walk, walk->options, &kind);

    case 't':
      return walk_token (walk, "true", "true");

    case 'f':
      return walk_token (walk, "false", "false");

    case 'n':
      return walk_token (walk, "null", "null");

    /* Not JSON, but what several languages write for it. */
    case 'N':
      return walk_token (walk, "NaN", "null");

    case 'I':
      return walk_token (walk, "Infinity", "null");

    case '-':
      if (walk->end - walk->p > 1 && walk->p[1] == 'I')
        return walk_token (walk, "-Infinity", "null");
      return walk_number (walk);

    default:
      return walk_number (walk);
    }
}

/* Writes what stands for the next value, which is then read only to find its end. */
static void
hide_value (Walk *walk)
{
  _lsobs_buffer_append_str (walk->out, "\"" LSOBS_REDACTED "\"");
  walk->hidden = TRUE;
  walk->hidden_depth = walk->depth;
}

static gboolean
has_hidden_keys (const Walk *walk)
{
  return walk->options->redactor != NULL && _lsobs_redactor_has_keys (walk->options->redactor);
}

/* A name is always written in the same way, however it was escaped. */
static void
write_name (Walk *walk, const char *raw, gsize len, LsobsJsonStringKind kind)
{
  gsize start = walk->out->len;

  if (kind != LSOBS_JSON_STRING_BROKEN)
    _lsobs_buffer_append (walk->out, raw - 1, len + 2);
  else
    _lsobs_json_string_write (walk->out, raw, len, kind, &key_options, &walk->scratch);
  _lsobs_json_names_add (&walk->names, walk->out, start);
}

/* The name of a member and its colon. */
static gboolean
walk_key (Walk *walk)
{
  gboolean written = is_written (walk);
  LsobsJsonStringKind kind;
  const char *name;
  const char *after;
  gsize len;

  skip_space (walk);
  if (!next_is (walk, '"'))
    return FALSE;

  name = walk->p + 1;
  after = _lsobs_json_string_scan (name, walk->end, &kind);
  if (after == NULL)
    return FALSE;

  walk->p = after;
  skip_space (walk);
  if (!skip_token (walk, ":", 1))
    return FALSE;

  if (!written)
    return TRUE;

  len = (gsize) (after - 1 - name);
  write_name (walk, name, len, kind);
  _lsobs_buffer_append_c (walk->out, ':');
  if (!has_hidden_keys (walk))
    return TRUE;

  name = _lsobs_json_string_decode (name, &len, kind, &walk->scratch);
  if (_lsobs_redactor_hides_key (walk->options->redactor, name, len))
    hide_value (walk);
  return TRUE;
}

/* Goes into arrays and objects as far as they begin here, up to the end of the
 * first value that has no values in it. */
static gboolean
walk_down (Walk *walk)
{
  for (;;)
    {
      char opening;

      skip_space (walk);
      if (walk->p == walk->end)
        return FALSE;

      opening = *walk->p;
      if (opening != '{' && opening != '[')
        return walk_scalar (walk);

      walk->p++;
      push (walk, opening == '{' ? '}' : ']');
      write_c (walk, opening);
      if (opening == '{' && is_written (walk))
        _lsobs_json_names_open (&walk->names);
      skip_space (walk);
      if (next_is (walk, closing_of (walk)))
        return TRUE;
      if (opening == '{' && !walk_key (walk))
        return FALSE;
    }
}

/* Closes what ends here, up to where the next value begins (*@done is then
 * FALSE) or nothing is open. */
static gboolean
walk_up (Walk *walk, gboolean *done)
{
  while (walk->depth > 0)
    {
      char closing = closing_of (walk);

      /* Something has just ended: the value that is hidden, or a part of it. */
      if (walk->depth == walk->hidden_depth)
        walk->hidden = FALSE;

      skip_space (walk);
      if (skip_token (walk, ",", 1))
        {
          write_c (walk, ',');
          *done = FALSE;
          return closing == ']' || walk_key (walk);
        }

      if (!next_is (walk, closing))
        return FALSE;

      walk->p++;
      if (closing == '}' && is_written (walk))
        _lsobs_json_names_close (&walk->names, walk->out);
      write_c (walk, closing);
      pop (walk);
    }

  *done = TRUE;
  return TRUE;
}

static gboolean
walk_document (Walk *walk)
{
  gboolean wrapped;
  gboolean done = FALSE;

  skip_token (walk, UTF8_BOM, strlen (UTF8_BOM));
  skip_space (walk);
  wrapped = walk->options->wrap && !next_is (walk, '{');
  if (wrapped)
    {
      _lsobs_buffer_append_str (walk->out, "{\"value\":");
      if (has_hidden_keys (walk) &&
          _lsobs_redactor_hides_key (walk->options->redactor, "value", strlen ("value")))
        hide_value (walk);
    }

  while (!done)
    if (!walk_down (walk) || !walk_up (walk, &done))
      return FALSE;

  if (wrapped)
    _lsobs_buffer_append_c (walk->out, '}');

  skip_space (walk);
  return walk->p == walk->end;
}

/* Appends a sanitised copy of JSON text. Of several members of an object with the same
 * name the last one is left, as most readers have it: others would refuse the whole
 * text. %FALSE: it was not JSON, and what was appended is the whole of it as one string,
 * or, when members are hidden by their names, nothing of it. Either way it is valid
 * JSON. */
gboolean
_lsobs_json_walk (LsobsBuffer *out,
                  const char *text,
                  gsize len,
                  const LsobsJsonWalkOptions *options)
{
  gsize start = out->len;
  gboolean is_json;
  Walk walk = {
    .out = out,
    .p = text,
    .end = len > 0 ? text + len : text, /* of no bytes, there need be no address */
    .options = options,
    .scratch = LSOBS_JSON_SCRATCH_INIT,
    .names = LSOBS_JSON_NAMES_INIT,
    .deep = LSOBS_BUFFER_INIT,
  };

  if (len == 0)
    {
      _lsobs_buffer_append_str (out, options->wrap ? "{}" : "null");
      return TRUE;
    }

  /* Room for all of it, unless strings grow. */
  _lsobs_buffer_reserve (out, len + sizeof "{\"value\":}");
  is_json = walk_document (&walk);
  if (is_json)
    {
      _lsobs_json_names_cut (&walk.names, out);
    }
  else
    {
      _lsobs_buffer_truncate (out, start);
      if (options->wrap)
        _lsobs_buffer_append_str (out, "{\"value\":");
      if (!has_hidden_keys (&walk))
        _lsobs_json_string_write_text (out, text, len, options, &walk.scratch);
      else
        {
          /* It may have members, and nobody knows where they end. */
          _lsobs_buffer_append_str (out, "\"" LSOBS_REDACTED "\"");
          _lsobs_redactor_count_failure (options->redactor);
        }
      if (options->wrap)
        _lsobs_buffer_append_c (out, '}');
    }

  _lsobs_json_scratch_clear (&walk.scratch);
  _lsobs_json_names_clear (&walk.names);
  _lsobs_buffer_clear (&walk.deep);
  return is_json;
}

/* Appends any bytes as one JSON string: repaired, redacted, cut. */
void
_lsobs_json_walk_text (LsobsBuffer *out,
                       const char *text,
                       gsize len,
                       const LsobsJsonWalkOptions *options)
{
  g_auto (LsobsJsonScratch) scratch = LSOBS_JSON_SCRATCH_INIT;

  _lsobs_json_string_write_text (out, text, len, options, &scratch);
}
