/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/text/lsobs-json-escape-private.h"
#include "lsobs/text/lsobs-json-plain-private.h"
#include "lsobs/text/lsobs-json-scan-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* Copies plain JSON text: text in which the sanitizer has nothing to mend, so that only the space
 * between its tokens is left out. Nearly all text is plain. One pass reads each byte once and copies
 * long pieces at a time. As soon as something is not plain, or is rare, it gives up, and the sanitizer
 * begins at the first byte. */

/* The names of members in all open objects together. */
#define MAX_NAMES 256

/* In objects with more members, names that may be equal are left to the sanitizer. */
#define MAX_PAIRED 32

/* A whole number with more digits may not fit a gint64. */
#define MAX_WHOLE_DIGITS 18

/* A number with more digits before its point, or in its exponent, may not fit a double. */
#define MAX_DIGITS          200
#define MAX_EXPONENT_DIGITS 2

#define N_BITS 64

/* A member of an open object. */
typedef struct
{
  const char *start; /* its opening quote, in the text */
  gsize len;         /* with quotes */
} Name;

/* An open array or object. */
typedef struct
{
  char closing;   /* its bracket */
  gboolean alike; /* two of its names may be equal */
  guint first;    /* the number of its first name */
  guint64 seen;   /* a bit for each name, computed from its length, first and last byte */
} LevelState;

/* The functions below get @p, the next byte of the text, and return the first byte after what they take;
 * NULL if that is not plain. */
typedef struct
{
  LsobsBuffer *out;
  const char *end;    /* of the text */
  const char *copied; /* the text before it is in @out, or is space */
  gsize max_string_bytes;
  guint n_names;
  guint depth; /* the number of levels */
  LevelState levels[LSOBS_JSON_MAX_DEPTH];
  Name names[MAX_NAMES];
} PlainReader;

static const char *
leave_out_space (PlainReader *self, const char *p)
{
  _lsobs_buffer_append (self->out, self->copied, (gsize) (p - self->copied));
  while (p < self->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
    p++;
  self->copied = p;
  return p;
}

/* Returns: the next byte that is not space, or the end of the text; never NULL */
static inline const char *
skip_space (PlainReader *self, const char *p)
{
  return G_UNLIKELY (p < self->end && (guchar) *p <= ' ') ? leave_out_space (self, p) : p;
}

static inline gboolean
is_at (const PlainReader *self, const char *p, char c)
{
  return G_LIKELY (p < self->end) && *p == c;
}

/* Whether the escape of @c is one that the writer writes, too. */
static inline gboolean
is_plain_escape (char c)
{
  return _lsobs_json_escapes[(guchar) c] != '\0' && c != '/';
}

/* @p: a character that is not ASCII, in a string
 * Returns: (nullable): the first byte after all such characters; NULL if they are not valid UTF-8 */
static const char *
skip_high (const char *p, const char *end)
{
  /* Such characters often follow each other. */
  do
    {
      gsize len = _lsobs_utf8_length (p, end);

      if (len == 0)
        return NULL;
      p += len;
    }
  while (p < end && (guchar) *p >= 0x80);
  return p;
}

/* @p: the first byte after an opening quote
 * Returns: (nullable): the closing quote; NULL if the string is not plain */
static const char *
find_quote (const char *p, const char *end)
{
  while ((p = _lsobs_json_scan (p, end, TRUE)) < end && *p != '"')
    {
      if (*p == '\\')
        {
          if (end - p < 2 || !is_plain_escape (p[1]))
            return NULL;
          p += 2;
        }
      else if ((guchar) *p < 0x80 || (p = skip_high (p, end)) == NULL)
        {
          return NULL;
        }
    }
  return p < end ? p : NULL;
}

static G_ALWAYS_INLINE inline const char *
take_string (const PlainReader *self, const char *p)
{
  const char *quote = find_quote (p + 1, self->end);

  if (quote == NULL ||
      (self->max_string_bytes > 0 && (gsize) (quote - p) > self->max_string_bytes + 1))
    return NULL;
  return quote + 1;
}

static inline const char *
skip_digits (const PlainReader *self, const char *p)
{
  while (p < self->end && (guchar) (*p - '0') < 10)
    p++;
  return p;
}

/* @p: after the point
 * Returns: after the digits */
static const char *
take_fraction (const PlainReader *self, const char *p)
{
  const char *after = skip_digits (self, p);

  return after > p ? after : NULL;
}

/* @p: after the "e" */
static const char *
take_exponent (const PlainReader *self, const char *p)
{
  const char *after;

  if (is_at (self, p, '+') || is_at (self, p, '-'))
    p++;
  after = skip_digits (self, p);
  return after > p && after - p <= MAX_EXPONENT_DIGITS ? after : NULL;
}

static G_ALWAYS_INLINE inline const char *
take_number (const PlainReader *self, const char *p)
{
  const char *digits = is_at (self, p, '-') ? p + 1 : p;
  const char *after = skip_digits (self, digits);
  gsize n_digits = (gsize) (after - digits);
  gboolean whole = TRUE;

  if (n_digits == 0 || (n_digits > 1 && *digits == '0') || n_digits > MAX_DIGITS)
    return NULL;
  if (is_at (self, after, '.'))
    {
      whole = FALSE;
      after = take_fraction (self, after + 1);
    }
  if (after != NULL && (is_at (self, after, 'e') || is_at (self, after, 'E')))
    {
      whole = FALSE;
      after = take_exponent (self, after + 1);
    }
  return whole && n_digits > MAX_WHOLE_DIGITS ? NULL : after;
}

static const char *
take_token (const PlainReader *self, const char *p, const char *token, gsize len)
{
  return (gsize) (self->end - p) >= len && memcmp (p, token, len) == 0 ? p + len : NULL;
}

/* Whether all names of @level, whose names are the last ones, differ. */
static gboolean
has_distinct_names (const PlainReader *self, const LevelState *level)
{
  if (self->n_names - level->first > MAX_PAIRED)
    return FALSE;
  for (guint i = level->first; i < self->n_names; i++)
    for (guint j = i + 1; j < self->n_names; j++)
      if (self->names[i].len == self->names[j].len &&
          memcmp (self->names[i].start, self->names[j].start, self->names[i].len) == 0)
        return FALSE;
  return TRUE;
}

/* @p: a closing bracket */
static G_ALWAYS_INLINE inline const char *
close_level (PlainReader *self, const char *p)
{
  const LevelState *level = &self->levels[self->depth - 1];

  if (G_UNLIKELY (level->alike) && !has_distinct_names (self, level))
    return NULL;
  self->n_names = level->first;
  self->depth--;
  return p + 1;
}

/* Takes the name of a member and its colon. */
static G_ALWAYS_INLINE inline const char *
take_name (PlainReader *self, const char *p)
{
  LevelState *level = &self->levels[self->depth - 1];
  const char *quote;
  gsize len;
  guint64 bit;

  p = skip_space (self, p);
  if (!is_at (self, p, '"') || self->n_names == MAX_NAMES)
    return NULL;
  quote = find_quote (p + 1, self->end);
  if (quote == NULL)
    return NULL;
  len = (gsize) (quote + 1 - p);
  bit = G_GUINT64_CONSTANT (1) << ((len + 5 * (gsize) (guchar) p[1] + (gsize) (guchar) quote[-1]) %
                                   N_BITS);
  level->alike |= (level->seen & bit) != 0;
  level->seen |= bit;
  self->names[self->n_names++] = (Name){ p, len };
  p = skip_space (self, quote + 1);
  return is_at (self, p, ':') ? p + 1 : NULL;
}

/* Takes an array or object up to its first value, or up to its end if it is empty.
 * @p: the opening bracket
 * @ended: (out): whether it is empty */
static const char *
take_opening (PlainReader *self, const char *p, gboolean *ended)
{
  char closing = *p == '{' ? '}' : ']';

  if (self->depth == LSOBS_JSON_MAX_DEPTH)
    return NULL;
  self->levels[self->depth++] = (LevelState){ .closing = closing, .first = self->n_names };
  p = skip_space (self, p + 1);
  *ended = is_at (self, p, closing);
  if (*ended)
    return close_level (self, p);
  return closing == ']' ? p : take_name (self, p);
}

/* Takes a value up to its end, or, of an array or object that is not empty, up to its first value.
 * @ended: (out): whether that is the end of the value */
static G_ALWAYS_INLINE inline const char *
take_value (PlainReader *self, const char *p, gboolean *ended)
{
  *ended = TRUE;
  p = skip_space (self, p);
  if (p == self->end)
    return NULL;
  switch (*p)
    {
    case '"':
      return take_string (self, p);

    case '{':
    case '[':
      return take_opening (self, p, ended);

    case 't':
      return take_token (self, p, "true", 4);

    case 'f':
      return take_token (self, p, "false", 5);

    case 'n':
      return take_token (self, p, "null", 4);

    default:
      return take_number (self, p);
    }
}

/* Takes what is between the end of a value and the beginning of the next one, or the end of the
 * outermost one. */
static G_ALWAYS_INLINE inline const char *
take_ends (PlainReader *self, const char *p)
{
  while (self->depth > 0)
    {
      char closing = self->levels[self->depth - 1].closing;

      p = skip_space (self, p);
      if (is_at (self, p, ','))
        return closing == ']' ? p + 1 : take_name (self, p + 1);
      if (!is_at (self, p, closing) || (p = close_level (self, p)) == NULL)
        return NULL;
    }
  return p;
}

/* Appends plain JSON text without the space between its tokens.
 * @max_string_bytes: strings that are longer are not plain; 0: no limit
 * Returns: FALSE if @text is not plain; @out is unchanged then */
gboolean
_lsobs_json_copy_plain (LsobsBuffer *out, const char *text, gsize len, gsize max_string_bytes)
{
  gsize before = out->len;
  const char *p = text;
  gboolean ended;
  /* Levels and names are set before they are read. */
  PlainReader self;

  self.out = out;
  self.copied = text;
  self.end = text + len;
  self.max_string_bytes = max_string_bytes;
  self.n_names = self.depth = 0;
  do
    {
      p = take_value (&self, p, &ended);
      if (p != NULL && ended)
        p = take_ends (&self, p);
    }
  while (p != NULL && self.depth > 0);
  if (p != NULL)
    p = skip_space (&self, p);
  if (p != self.end)
    {
      _lsobs_buffer_truncate (out, before);
      return FALSE;
    }
  _lsobs_buffer_append (out, self.copied, (gsize) (p - self.copied));
  return TRUE;
}
