/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-redact-keys-private.h"

/* Longer names are folded in a buffer on the heap. */
#define SHORT_NAME 128

/* Up to this number, combining marks in a row are sorted. It is the limit of Unicode's
 * stream-safe text format. */
#define MAX_MARKS 30

struct _LsobsRedactKeys
{
  GHashTable *names; /* (owned) (element-type utf8) folded */
  gsize max_chars;   /* the number of characters of the longest of them */
};

LsobsRedactKeys *
_lsobs_redact_keys_new (void)
{
  LsobsRedactKeys *self = g_new0 (LsobsRedactKeys, 1);

  self->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return self;
}

void
_lsobs_redact_keys_free (LsobsRedactKeys *self)
{
  g_hash_table_unref (self->names);
  g_free (self);
}

/* --- folding --- */

static inline gboolean
skips_ascii (char c)
{
  return c == '-' || c == '_' || (guchar) c <= ' ' || c == 0x7f;
}

/* Whether names are compared without a character: dashes, underscores, white space, and what has no
 * form of its own, such as a zero-width space. */
gboolean
_lsobs_redact_keys_skips (gunichar c)
{
  /* clang-format off */
  const guint32 skipped = 1u << G_UNICODE_CONTROL | 1u << G_UNICODE_FORMAT |
                          1u << G_UNICODE_DASH_PUNCTUATION | 1u << G_UNICODE_CONNECT_PUNCTUATION |
                          1u << G_UNICODE_LINE_SEPARATOR | 1u << G_UNICODE_PARAGRAPH_SEPARATOR |
                          1u << G_UNICODE_SPACE_SEPARATOR;
  /* clang-format on */

  if (c < 0x80)
    return skips_ascii ((char) c);
  if ((skipped >> g_unichar_type (c) & 1) != 0)
    return TRUE;
  /* Letters and marks that are never shown: fillers, joiners and selectors of variants. */
  return c == 0x034f || c == 0x115f || c == 0x1160 || c == 0x17b4 || c == 0x17b5 ||
         (c >= 0x180b && c <= 0x180f) || c == 0x2800 || c == 0x3164 ||
         (c >= 0xfe00 && c <= 0xfe0f) || c == 0xffa0 || (c >= 0xe0100 && c <= 0xe01ef);
}

/* Returns: (transfer full): the text without the characters that are skipped */
static char *
dup_without_skipped (const char *text, gsize len)
{
  GString *kept = g_string_sized_new (len);
  const char *end = text + len;

  for (const char *p = text; p < end; p = g_utf8_next_char (p))
    if (!_lsobs_redact_keys_skips (g_utf8_get_char (p)))
      g_string_append_len (kept, p, (gssize) (g_utf8_next_char (p) - p));
  return g_string_free (kept, FALSE);
}

/* Sorts the marks from @first up to the end of @chars by their combining classes. More marks
 * than any language uses are not sorted, as that takes quadratic time. */
static void
order_marks (GArray *chars, guint first)
{
  gunichar *marks = &g_array_index (chars, gunichar, 0);

  if (chars->len - first > MAX_MARKS)
    return;
  for (guint i = first + 1; i < chars->len; i++)
    for (guint j = i; j > first; j--)
      {
        gunichar mark = marks[j];

        if (g_unichar_combining_class (marks[j - 1]) <= g_unichar_combining_class (mark))
          break;
        marks[j] = marks[j - 1];
        marks[j - 1] = mark;
      }
}

/* Does the same as g_utf8_normalize() with %G_NORMALIZE_ALL, but in linear time.
 * Returns: (transfer full) (nullable) */
static char *
decompose (const char *text)
{
  g_autoptr (GArray) chars = g_array_sized_new (FALSE, FALSE, sizeof (gunichar), 64);
  guint first_mark = 0;

  for (; *text != '\0'; text = g_utf8_next_char (text))
    {
      gunichar parts[G_UNICHAR_MAX_DECOMPOSITION_LENGTH];
      gsize n_parts =
          g_unichar_fully_decompose (g_utf8_get_char (text), TRUE, parts, G_N_ELEMENTS (parts));

      for (gsize i = 0; i < n_parts; i++)
        {
          gboolean is_mark = g_unichar_combining_class (parts[i]) != 0;

          if (!is_mark)
            order_marks (chars, first_mark);
          g_array_append_val (chars, parts[i]);
          if (!is_mark)
            first_mark = chars->len;
        }
    }
  order_marks (chars, first_mark);
  return g_ucs4_to_utf8 (&g_array_index (chars, gunichar, 0), chars->len, NULL, NULL, NULL);
}

/* Returns: (transfer full): the form in which names are compared. A name that is nothing but
 *   separators stays one: _ and - are the same, and are not the empty name. */
static char *
fold_name (const char *name, gsize len)
{
  g_autofree char *visible = dup_without_skipped (name, len);
  g_autofree char *folded = NULL;
  g_autofree char *normal = NULL;

  if (*visible == '\0')
    {
      char *separators = g_strndup (name, len);

      for (char *p = separators; *p != '\0'; p++)
        *p = *p == '-' ? '_' : *p;
      return separators;
    }
  folded = g_utf8_casefold (visible, -1);
  normal = decompose (folded);
  if (normal == NULL)
    normal = g_steal_pointer (&folded);
  /* What is left of some characters is a separator, too. */
  return dup_without_skipped (normal, strlen (normal));
}

/* Folds a name of ASCII characters.
 * @folded: of SHORT_NAME + 1 bytes
 * Returns: FALSE if the name is longer, has other characters, or nothing but separators */
static gboolean
fold_short (const char *name, gsize len, char *folded)
{
  gsize n = 0;

  if (len > SHORT_NAME)
    return FALSE;
  for (gsize i = 0; i < len; i++)
    {
      if ((guchar) name[i] >= 0x80)
        return FALSE;
      if (!skips_ascii (name[i]))
        folded[n++] = g_ascii_tolower (name[i]);
    }
  folded[n] = '\0';
  return n > 0;
}

/* --- names --- */

/* @name: valid UTF-8 */
void
_lsobs_redact_keys_add (LsobsRedactKeys *self, const char *name)
{
  char *folded = fold_name (name, strlen (name));

  self->max_chars = MAX (self->max_chars, (gsize) g_utf8_strlen (folded, -1));
  g_hash_table_add (self->names, folded);
}

/* Whether a name has more letters and digits than any of the keys. None of them is lost in
 * folding. */
static gboolean
is_too_long (const LsobsRedactKeys *self, const char *name, gsize len)
{
  const char *end = name + len;
  gsize n = 0;

  for (const char *p = name; p < end && n <= self->max_chars; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (g_unichar_isalnum (c) && !_lsobs_redact_keys_skips (c))
        n++;
    }
  return n > self->max_chars;
}

/* @name: valid UTF-8 without U+0000 */
gboolean
_lsobs_redact_keys_has (const LsobsRedactKeys *self, const char *name, gsize len)
{
  g_autofree char *folded = NULL;
  char copy[SHORT_NAME + 1];

  if (fold_short (name, len, copy))
    return g_hash_table_contains (self->names, copy);
  if (is_too_long (self, name, len))
    return FALSE;
  folded = fold_name (name, len);
  return g_hash_table_contains (self->names, folded);
}

static gboolean
is_or_ends_with (const char *name, const char *const *names, const char *const *ends)
{
  gsize len = strlen (name);

  for (; *ends != NULL; ends++)
    if (len >= strlen (*ends) && strcmp (name + len - strlen (*ends), *ends) == 0)
      return TRUE;
  return g_strv_contains (names, name);
}

/* Says what a member of this name is in an object that stands for a member.
 * @name: valid UTF-8 without U+0000 */
LsobsRedactRole
_lsobs_redact_keys_find_role (const char *name, gsize len)
{
  /* clang-format off */
  static const char *const names[] = {
    "k", "n", "field", "header", "param", "parameter", "property", "prop", "attribute", "attr",
    "variable", "option", "label", "setting", NULL
  };
  /* clang-format on */
  static const char *const name_ends[] = { "name", "key", NULL };
  static const char *const values[] = { "v", "val", "values", "content", "data", NULL };
  static const char *const value_ends[] = { "value", NULL };
  char folded[SHORT_NAME + 1];

  if (!fold_short (name, len, folded))
    return LSOBS_REDACT_ROLE_NONE;
  if (is_or_ends_with (folded, names, name_ends))
    return LSOBS_REDACT_ROLE_NAME;
  if (is_or_ends_with (folded, values, value_ends))
    return LSOBS_REDACT_ROLE_VALUE;
  return LSOBS_REDACT_ROLE_NONE;
}
