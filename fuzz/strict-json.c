/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <math.h>
#include <string.h>

#include "fuzz/strict-json.h"

#define REPLACEMENT 0xfffd

typedef struct
{
  const char *p;
  const char *end;
  StrictFlaws flaws;
} Reader;

static StrictValue *read_value (Reader *reader);

static StrictValue *
new_value (StrictKind kind)
{
  StrictValue *self = g_new0 (StrictValue, 1);

  self->kind = kind;
  return self;
}

void
strict_value_free (StrictValue *self)
{
  if (self->text != NULL)
    g_string_free (self->text, TRUE);
  g_clear_pointer (&self->items, g_ptr_array_unref);
  g_clear_pointer (&self->names, g_ptr_array_unref);
  g_free (self);
}

static void
skip_space (Reader *reader)
{
  while (reader->p < reader->end && *reader->p != '\0' && strchr (" \t\n\r", *reader->p) != NULL)
    reader->p++;
}

static gboolean
skip (Reader *reader, const char *token)
{
  gsize len = strlen (token);

  if ((gsize) (reader->end - reader->p) < len || memcmp (reader->p, token, len) != 0)
    return FALSE;
  reader->p += len;
  return TRUE;
}

/* --- strings --- */

/* Reads four hexadecimal digits. */
static gboolean
read_unit (Reader *reader, gunichar *unit)
{
  *unit = 0;
  for (guint i = 0; i < 4; i++, reader->p++)
    {
      if (reader->p == reader->end || !g_ascii_isxdigit (*reader->p))
        return FALSE;
      *unit = *unit * 16 + (gunichar) g_ascii_xdigit_value (*reader->p);
    }
  return TRUE;
}

static void
append (Reader *reader, StrictValue *self, gunichar c)
{
  if (c == 0)
    reader->flaws |= STRICT_FLAW_NUL;
  g_string_append_unichar (self->text, c == 0 ? REPLACEMENT : c);
}

/* Reads what follows a backslash and "u". */
static gboolean
read_unicode (Reader *reader, StrictValue *self)
{
  gunichar unit;
  gunichar low;
  const char *after;

  if (!read_unit (reader, &unit))
    return FALSE;
  after = reader->p;
  if (unit >= 0xd800 && unit < 0xdc00 && skip (reader, "\\u"))
    {
      if (read_unit (reader, &low) && low >= 0xdc00 && low < 0xe000)
        {
          append (reader, self, 0x10000 + (unit - 0xd800) * 0x400 + (low - 0xdc00));
          return TRUE;
        }
      /* The other escape is read by itself. */
      reader->p = after;
    }
  if (unit >= 0xd800 && unit < 0xe000)
    {
      reader->flaws |= STRICT_FLAW_SURROGATE;
      unit = REPLACEMENT;
    }
  append (reader, self, unit);
  return TRUE;
}

static gboolean
read_escape (Reader *reader, StrictValue *self)
{
  char c = reader->p < reader->end ? *reader->p++ : '\0';

  switch (c)
    {
    case '"':
    case '\\':
    case '/':
      append (reader, self, (gunichar) c);
      return TRUE;
    case 'b':
      append (reader, self, 8);
      return TRUE;
    case 't':
      append (reader, self, 9);
      return TRUE;
    case 'n':
      append (reader, self, 10);
      return TRUE;
    case 'f':
      append (reader, self, 12);
      return TRUE;
    case 'r':
      append (reader, self, 13);
      return TRUE;
    case 'u':
      return read_unicode (reader, self);
    default:
      return FALSE;
    }
}

static void
read_character (Reader *reader, StrictValue *self)
{
  gunichar c = g_utf8_get_char_validated (reader->p, reader->end - reader->p);

  if (*reader->p == '\0')
    {
      reader->p++;
      reader->flaws |= STRICT_FLAW_CONTROL;
      append (reader, self, 0);
    }
  else if (c == (gunichar) -1 || c == (gunichar) -2)
    {
      reader->p++;
      reader->flaws |= STRICT_FLAW_UTF8;
      self->is_broken = TRUE;
    }
  else
    {
      if (c < 0x20)
        reader->flaws |= STRICT_FLAW_CONTROL;
      reader->p = g_utf8_next_char (reader->p);
      append (reader, self, c);
    }
}

/* Returns: (transfer full) (nullable) */
static StrictValue *
read_string (Reader *reader)
{
  g_autoptr (StrictValue) self = new_value (STRICT_STRING);

  if (!skip (reader, "\""))
    return NULL;
  self->text = g_string_new (NULL);
  while (reader->p < reader->end)
    {
      if (skip (reader, "\""))
        return g_steal_pointer (&self);
      if (!skip (reader, "\\"))
        read_character (reader, self);
      else if (!read_escape (reader, self))
        return NULL;
    }
  return NULL;
}

/* --- numbers and words --- */

static gboolean
read_digits (Reader *reader)
{
  const char *start = reader->p;

  while (reader->p < reader->end && g_ascii_isdigit (*reader->p))
    reader->p++;
  return reader->p > start;
}

static void
check_range (Reader *reader, const StrictValue *self)
{
  gboolean fits =
      self->kind == STRICT_WHOLE
          ? g_ascii_string_to_signed (self->text->str, 10, G_MININT64, G_MAXINT64, NULL, NULL)
          : isfinite (g_ascii_strtod (self->text->str, NULL));

  if (!fits)
    reader->flaws |= STRICT_FLAW_RANGE;
}

/* Returns: (transfer full) (nullable) */
static StrictValue *
read_number (Reader *reader)
{
  const char *start = reader->p;
  g_autoptr (StrictValue) self = new_value (STRICT_WHOLE);

  skip (reader, "-");
  if (!skip (reader, "0") && !read_digits (reader))
    return NULL;
  if (skip (reader, "."))
    {
      self->kind = STRICT_REAL;
      if (!read_digits (reader))
        return NULL;
    }
  if (skip (reader, "e") || skip (reader, "E"))
    {
      self->kind = STRICT_REAL;
      if (!skip (reader, "+"))
        skip (reader, "-");
      if (!read_digits (reader))
        return NULL;
    }
  self->text = g_string_new_len (start, reader->p - start);
  check_range (reader, self);
  return g_steal_pointer (&self);
}

/* Returns: (transfer full) (nullable) */
static StrictValue *
read_word (Reader *reader)
{
  if (skip (reader, "null"))
    return new_value (STRICT_NULL);
  if (skip (reader, "true"))
    return new_value (STRICT_TRUE);
  if (skip (reader, "false"))
    return new_value (STRICT_FALSE);
  if (!skip (reader, "NaN") && !skip (reader, "Infinity") && !skip (reader, "-Infinity"))
    return NULL;
  reader->flaws |= STRICT_FLAW_TOKEN;
  return new_value (STRICT_UNBOUNDED);
}

/* --- arrays and objects --- */

static gboolean
read_member (Reader *reader, StrictValue *self, GHashTable *names)
{
  StrictValue *name = read_string (reader);

  if (name == NULL)
    return FALSE;
  g_ptr_array_add (self->names, name);
  if (!g_hash_table_add (names, name->text->str))
    reader->flaws |= STRICT_FLAW_TWICE;
  skip_space (reader);
  return skip (reader, ":");
}

/* @opening, @closing: the brackets
 * Returns: (transfer full) (nullable) */
static StrictValue *
read_items (Reader *reader, StrictKind kind, const char *opening, const char *closing)
{
  g_autoptr (StrictValue) self = new_value (kind);
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);

  self->items = g_ptr_array_new_with_free_func ((GDestroyNotify) strict_value_free);
  self->names = g_ptr_array_new_with_free_func ((GDestroyNotify) strict_value_free);
  skip (reader, opening);
  skip_space (reader);
  if (skip (reader, closing))
    return g_steal_pointer (&self);
  for (;;)
    {
      StrictValue *item;

      skip_space (reader);
      if (kind == STRICT_OBJECT && !read_member (reader, self, names))
        return NULL;
      item = read_value (reader);
      if (item == NULL)
        return NULL;
      g_ptr_array_add (self->items, item);
      skip_space (reader);
      if (skip (reader, closing))
        return g_steal_pointer (&self);
      if (!skip (reader, ","))
        return NULL;
    }
}

/* Returns: (transfer full) (nullable) */
static StrictValue *
read_value (Reader *reader)
{
  skip_space (reader);
  if (reader->p == reader->end)
    return NULL;
  switch (*reader->p)
    {
    case '{':
      return read_items (reader, STRICT_OBJECT, "{", "}");
    case '[':
      return read_items (reader, STRICT_ARRAY, "[", "]");
    case '"':
      return read_string (reader);
    case '-':
      return reader->end - reader->p > 1 && reader->p[1] == 'I' ? read_word (reader)
                                                                : read_number (reader);
    default:
      return g_ascii_isdigit (*reader->p) ? read_number (reader) : read_word (reader);
    }
}

/* It recurses for each array and object: for texts of a few kilobytes.
 * @flaws: (out)
 * Returns: (transfer full) (nullable): NULL if @text is not JSON even with these flaws */
StrictValue *
strict_value_read (const char *text, gsize len, StrictFlaws *flaws)
{
  Reader reader = { .p = text, .end = text + len };
  g_autoptr (StrictValue) self = NULL;

  if (skip (&reader, "\xef\xbb\xbf"))
    reader.flaws |= STRICT_FLAW_MARK;
  self = read_value (&reader);
  skip_space (&reader);
  *flaws = reader.flaws;
  return self != NULL && reader.p == reader.end ? g_steal_pointer (&self) : NULL;
}

/* --- what is in a value --- */

/* Whether @self is a string with the text @text. */
gboolean
strict_value_is_text (const StrictValue *self, const char *text)
{
  return self->kind == STRICT_STRING && self->text->len == strlen (text) &&
         memcmp (self->text->str, text, self->text->len) == 0;
}

/* Returns: (nullable): the value of the last member with the name */
const StrictValue *
strict_value_find (const StrictValue *self, const char *name)
{
  for (guint i = self->kind == STRICT_OBJECT ? self->names->len : 0; i > 0; i--)
    if (strict_value_is_text (g_ptr_array_index (self->names, i - 1), name))
      return g_ptr_array_index (self->items, i - 1);
  return NULL;
}

/* Whether a name of @self, an object, has bytes that are not UTF-8. */
gboolean
strict_value_has_broken_name (const StrictValue *self)
{
  for (guint i = 0; i < self->names->len; i++)
    if (((const StrictValue *) g_ptr_array_index (self->names, i))->is_broken)
      return TRUE;
  return FALSE;
}

/* Whether a string contains @text, in @self or at any depth; names of members do not count. */
gboolean
strict_value_contains (const StrictValue *self, const char *text)
{
  if (self->kind == STRICT_STRING)
    return strstr (self->text->str, text) != NULL;
  for (guint i = 0; self->items != NULL && i < self->items->len; i++)
    if (strict_value_contains (g_ptr_array_index (self->items, i), text))
      return TRUE;
  return FALSE;
}
