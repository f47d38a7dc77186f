/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A reader of JSON that knows nothing of the library, and shares no code with it: what the library
 * reads and writes is compared with what this reader finds. It follows RFC 8259 and tells in which
 * ways a text departs from it. */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What is wrong with a text that can be read still. */
typedef enum
{
  /* against the grammar */
  STRICT_FLAW_UTF8 = 1 << 0,    /* bytes in a string that are not UTF-8 */
  STRICT_FLAW_CONTROL = 1 << 1, /* a control character in a string that is not escaped */
  STRICT_FLAW_TOKEN = 1 << 2,   /* NaN, Infinity or -Infinity */
  STRICT_FLAW_MARK = 1 << 3,    /* a byte order mark before the value */
  /* within the grammar, but receivers refuse it or read it in different ways */
  STRICT_FLAW_NUL = 1 << 4,       /* U+0000 */
  STRICT_FLAW_SURROGATE = 1 << 5, /* half of a surrogate pair */
  STRICT_FLAW_TWICE = 1 << 6,     /* two members of an object with the same name */
  STRICT_FLAW_RANGE = 1 << 7      /* a number that neither gint64 nor double can hold */
} StrictFlaws;

typedef enum
{
  STRICT_NULL,
  STRICT_TRUE,
  STRICT_FALSE,
  STRICT_WHOLE,     /* a number without fraction and exponent */
  STRICT_REAL,      /* any other number */
  STRICT_UNBOUNDED, /* NaN, Infinity or -Infinity */
  STRICT_STRING,
  STRICT_ARRAY,
  STRICT_OBJECT
} StrictKind;

typedef struct
{
  StrictKind kind;
  GString *text;      /* (owned) (nullable) of a number as it is written, of a string decoded, with
                       * U+FFFD for U+0000 and lone surrogates */
  gboolean is_broken; /* the string has bytes that are not UTF-8: its text is not defined */
  GPtrArray *items;   /* (owned) (nullable) (element-type StrictValue) of an array or object */
  GPtrArray *names;   /* (owned) (nullable) (element-type StrictValue) of an object */
} StrictValue;

StrictValue *strict_value_read (const char *text, gsize len, StrictFlaws *flaws);
void strict_value_free (StrictValue *self);

gboolean strict_value_is_text (const StrictValue *self, const char *text);
const StrictValue *strict_value_find (const StrictValue *self, const char *name);
gboolean strict_value_has_broken_name (const StrictValue *self);
gboolean strict_value_contains (const StrictValue *self, const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (StrictValue, strict_value_free)

G_END_DECLS
