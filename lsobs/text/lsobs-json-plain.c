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
} Level;

typedef struct
{
  LsobsBuffer *out;
  const char *p;      /* the next byte */
  const char *end;    /* of the text */
  const char *copied; /* the text before it is in @out, or is space */
  gsize max_string_bytes;
  guint n_names;
  guint depth; /* the number of levels */
  Level levels[LSOBS_JSON_MAX_DEPTH];
  Name names[MAX_NAMES];
} Copier;

/* Leaves out the space at @self->p. */
static void
leave_out_space (Copier *self)
{
  const char *p = self->p;

  _lsobs_buffer_append (self->out, self->copied, (gsize) (p - self->copied));
  while (p < self->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
    p++;
  self->p = self->copied = p;
}

/* Returns: the next byte that is not space, not yet taken; '\0' at the end of the text */
static inline char
peek (Copier *self)
{
  if (self->p < self->end && G_UNLIKELY ((guchar) *self->p <= ' '))
    leave_out_space (self);
  return self->p < self->end ? *self->p : '\0';
}

/* @p: an escape, or characters that are not ASCII, in a string
 * Returns: (nullable): the first byte after them; NULL if they are not plain */
static const char *
skip_special (const char *p, const char *end)
{
  if (*p == '\\')
    return end - p < 2 || p[1] == '/' || p[1] == 'u' || _lsobs_json_escapes[(guchar) p[1]] == '\0'
               ? NULL
               : p + 2;
  if ((guchar) *p < 0x80)
    return NULL;
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
    if ((p = skip_special (p, end)) == NULL)
      return NULL;
  return p < end ? p : NULL;
}

static inline gboolean
take_string (Copier *self)
{
  const char *text = self->p + 1;
  const char *quote = find_quote (text, self->end);

  if (quote == NULL ||
      (self->max_string_bytes > 0 && (gsize) (quote - text) > self->max_string_bytes))
    return FALSE;
  self->p = quote + 1;
  return TRUE;
}

static inline gsize
count_digits (const char *p, const char *end)
{
  const char *start = p;

  while (p < end && (guchar) (*p - '0') < 10)
    p++;
  return (gsize) (p - start);
}

static inline gboolean
take_number (Copier *self)
{
  const char *end = self->end;
  const char *p = self->p + (*self->p == '-' ? 1 : 0);
  gsize n_digits = count_digits (p, end);
  gboolean whole = TRUE;
  gsize n;

  if (n_digits == 0 || (n_digits > 1 && *p == '0') || n_digits > MAX_DIGITS)
    return FALSE;
  p += n_digits;
  if (p < end && *p == '.')
    {
      whole = FALSE;
      p++;
      if ((n = count_digits (p, end)) == 0)
        return FALSE;
      p += n;
    }
  if (p < end && (*p == 'e' || *p == 'E'))
    {
      whole = FALSE;
      p++;
      if (p < end && (*p == '+' || *p == '-'))
        p++;
      if ((n = count_digits (p, end)) == 0 || n > MAX_EXPONENT_DIGITS)
        return FALSE;
      p += n;
    }
  self->p = p;
  return !whole || n_digits <= MAX_WHOLE_DIGITS;
}

static inline gboolean
take_token (Copier *self, const char *token, gsize len)
{
  if ((gsize) (self->end - self->p) < len || memcmp (self->p, token, len) != 0)
    return FALSE;
  self->p += len;
  return TRUE;
}

static inline gboolean
open_level (Copier *self, char closing)
{
  if (self->depth == LSOBS_JSON_MAX_DEPTH)
    return FALSE;
  self->levels[self->depth++] = (Level){ .closing = closing, .first = self->n_names };
  self->p++;
  return TRUE;
}

/* Whether all names of @level, whose names are the last ones, differ. */
static gboolean
has_distinct_names (const Copier *self, const Level *level)
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

static inline gboolean
close_level (Copier *self)
{
  const Level *level = &self->levels[self->depth - 1];

  if (G_UNLIKELY (level->alike) && !has_distinct_names (self, level))
    return FALSE;
  self->n_names = level->first;
  self->depth--;
  self->p++;
  return TRUE;
}

/* Takes the name of a member and its colon. */
static inline gboolean
take_name (Copier *self)
{
  Level *level = &self->levels[self->depth - 1];
  const char *start;
  const char *quote;
  gsize len;
  guint64 bit;

  if (peek (self) != '"' || self->n_names == MAX_NAMES)
    return FALSE;
  start = self->p;
  quote = find_quote (start + 1, self->end);
  if (quote == NULL)
    return FALSE;
  len = (gsize) (quote + 1 - start);
  bit = G_GUINT64_CONSTANT (1) << ((len + 5 * (gsize) (guchar) start[1] + (guchar) quote[-1]) %
                                   N_BITS);
  level->alike |= (level->seen & bit) != 0;
  level->seen |= bit;
  self->names[self->n_names++] = (Name){ start, len };
  self->p = quote + 1;
  if (peek (self) != ':')
    return FALSE;
  self->p++;
  return TRUE;
}

/* Takes a value up to its end, or, of an array or object that is not empty, up to its first value.
 * @ended: (out): whether that is the end of the value */
static inline gboolean
take_value (Copier *self, gboolean *ended)
{
  char first = peek (self);

  *ended = TRUE;
  switch (first)
    {
    case '"':
      return take_string (self);

    case '{':
    case '[':
      if (!open_level (self, first == '{' ? '}' : ']'))
        return FALSE;
      if (peek (self) == self->levels[self->depth - 1].closing)
        return close_level (self);
      *ended = FALSE;
      return first == '[' || take_name (self);

    case 't':
      return take_token (self, "true", 4);

    case 'f':
      return take_token (self, "false", 5);

    case 'n':
      return take_token (self, "null", 4);

    case '\0':
      return FALSE;

    default:
      return take_number (self);
    }
}

/* Takes what is between the end of a value and the beginning of the next one, or the end of the
 * outermost one. */
static inline gboolean
take_ends (Copier *self)
{
  while (self->depth > 0)
    {
      char closing = self->levels[self->depth - 1].closing;
      char next = peek (self);

      if (next == ',')
        {
          self->p++;
          return closing == ']' || take_name (self);
        }
      if (next != closing || !close_level (self))
        return FALSE;
    }
  return TRUE;
}

/* Appends plain JSON text without the space between its tokens.
 * @max_string_bytes: strings that are longer are not plain; 0: no limit
 * Returns: FALSE if @text is not plain; @out is unchanged then */
gboolean
_lsobs_json_copy_plain (LsobsBuffer *out, const char *text, gsize len, gsize max_string_bytes)
{
  gsize before = out->len;
  gboolean ended;
  /* Levels and names are set before they are read. */
  Copier self;

  self.out = out;
  self.p = self.copied = text;
  self.end = text + len;
  self.max_string_bytes = max_string_bytes;
  self.n_names = self.depth = 0;
  do
    if (!take_value (&self, &ended) || (ended && !take_ends (&self)))
      {
        _lsobs_buffer_truncate (out, before);
        return FALSE;
      }
  while (self.depth > 0);
  if (peek (&self) != '\0' || self.p < self.end)
    {
      _lsobs_buffer_truncate (out, before);
      return FALSE;
    }
  _lsobs_buffer_append (out, self.copied, (gsize) (self.p - self.copied));
  return TRUE;
}
