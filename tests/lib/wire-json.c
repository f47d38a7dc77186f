/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <math.h>
#include <string.h>

#include "tests/lib/wire.h"

/* json-glib takes comments, single quotes, NaN, duplicate keys and broken UTF-8, and recurses
 * without a limit; the service takes none of these. So the syntax is read here first. */

#define MAX_DEPTH 512

typedef struct
{
  const char *start;
  const char *p;
  const char *end;
  guint depth;
  GError *error; /* (owned) (nullable) the first one */
} Scanner;

static gboolean scan_value (Scanner *s);

static gboolean
fail (Scanner *s, WireError code, const char *what)
{
  if (s->error == NULL)
    s->error = g_error_new (WIRE_ERROR, code, "JSON: %s at byte %" G_GSIZE_FORMAT, what,
                            (gsize) (s->p - s->start));

  return FALSE;
}

static void
skip_space (Scanner *s)
{
  while (s->p < s->end && strchr (" \t\r\n", *s->p) != NULL)
    s->p++;
}

static gboolean
at (Scanner *s, char c)
{
  return s->p < s->end && *s->p == c;
}

static gboolean
starts_with (Scanner *s, const char *word)
{
  gsize length = strlen (word);

  return (gsize) (s->end - s->p) >= length && memcmp (s->p, word, length) == 0;
}

/* Reads the four digits of \uXXXX; the scanner is at the first of them. */
static gboolean
scan_hex4 (Scanner *s, guint *value)
{
  *value = 0;

  for (guint i = 0; i < 4; i++, s->p++)
    {
      if (s->p >= s->end || !g_ascii_isxdigit (*s->p))
        return fail (s, WIRE_ERROR_JSON, "bad \\u escape");
      *value = *value * 16 + (guint) g_ascii_xdigit_value (*s->p);
    }

  return TRUE;
}

static gboolean
scan_unicode_escape (Scanner *s)
{
  guint unit, low;

  if (!scan_hex4 (s, &unit))
    return FALSE;
  if (unit < 0xd800 || unit > 0xdfff)
    return TRUE;

  if (unit >= 0xdc00 || !starts_with (s, "\\u"))
    return fail (s, WIRE_ERROR_UTF8, "lone surrogate");
  s->p += 2;
  if (!scan_hex4 (s, &low))
    return FALSE;
  if (low < 0xdc00 || low > 0xdfff)
    return fail (s, WIRE_ERROR_UTF8, "lone surrogate");

  return TRUE;
}

static gboolean
scan_string (Scanner *s)
{
  if (!at (s, '"'))
    return fail (s, WIRE_ERROR_JSON, "a string was expected");
  s->p++;

  while (s->p < s->end && *s->p != '"')
    {
      if ((guchar) *s->p < 0x20)
        return fail (s, WIRE_ERROR_JSON, "raw control character in a string");

      if (*s->p++ != '\\')
        continue;

      if (s->p >= s->end || strchr ("\"\\/bfnrtu", *s->p) == NULL)
        return fail (s, WIRE_ERROR_JSON, "bad escape");
      if (*s->p++ == 'u' && !scan_unicode_escape (s))
        return FALSE;
    }

  if (s->p >= s->end)
    return fail (s, WIRE_ERROR_JSON, "unterminated string");
  s->p++;

  return TRUE;
}

static gboolean
scan_digits (Scanner *s)
{
  const char *from = s->p;

  while (s->p < s->end && g_ascii_isdigit (*s->p))
    s->p++;

  return s->p > from || fail (s, WIRE_ERROR_JSON, "a digit was expected");
}

static gboolean
scan_number (Scanner *s)
{
  const char *from = s->p;
  gboolean is_integer = TRUE;
  g_autofree char *text = NULL;

  if (at (s, '-'))
    s->p++;
  if (starts_with (s, "Inf") || starts_with (s, "inf") || starts_with (s, "NaN") ||
      starts_with (s, "nan"))
    return fail (s, WIRE_ERROR_NOT_FINITE, "a number that is not finite");

  if (at (s, '0'))
    s->p++;
  else if (!scan_digits (s))
    return FALSE;

  if (at (s, '.'))
    {
      is_integer = FALSE;
      s->p++;
      if (!scan_digits (s))
        return FALSE;
    }
  if (at (s, 'e') || at (s, 'E'))
    {
      is_integer = FALSE;
      s->p++;
      if (at (s, '+') || at (s, '-'))
        s->p++;
      if (!scan_digits (s))
        return FALSE;
    }

  text = g_strndup (from, (gsize) (s->p - from));
  if (!isfinite (g_ascii_strtod (text, NULL)))
    return fail (s, WIRE_ERROR_NOT_FINITE, "a number too large for a double");
  if (is_integer && !g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, NULL, NULL))
    return fail (s, WIRE_ERROR_JSON, "an integer beyond 64 bits");

  return TRUE;
}

static gboolean
scan_word (Scanner *s)
{
  static const char *const words[] = { "true", "false", "null" };
  static const char *const not_finite[] = { "NaN", "nan", "Infinity", "inf" };

  for (guint i = 0; i < G_N_ELEMENTS (not_finite); i++)
    if (starts_with (s, not_finite[i]))
      return fail (s, WIRE_ERROR_NOT_FINITE, "a number that is not finite");

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (starts_with (s, words[i]))
      {
        s->p += strlen (words[i]);
        return TRUE;
      }

  return fail (s, WIRE_ERROR_JSON, "a value was expected");
}

static gboolean
scan_member (Scanner *s, GHashTable *keys)
{
  const char *from = s->p;

  if (!scan_string (s))
    return FALSE;
  if (!g_hash_table_add (keys, g_strndup (from, (gsize) (s->p - from))))
    return fail (s, WIRE_ERROR_JSON, "duplicate key");

  skip_space (s);
  if (!at (s, ':'))
    return fail (s, WIRE_ERROR_JSON, "a colon was expected");
  s->p++;

  return scan_value (s);
}

/* An object when @keys is given, else an array; the scanner is behind the opening bracket. */
static gboolean
scan_items (Scanner *s, char close, GHashTable *keys)
{
  skip_space (s);
  if (at (s, close))
    {
      s->p++;
      return TRUE;
    }

  while (TRUE)
    {
      skip_space (s);
      if (!(keys != NULL ? scan_member (s, keys) : scan_value (s)))
        return FALSE;
      skip_space (s);
      if (at (s, close))
        {
          s->p++;
          return TRUE;
        }
      if (!at (s, ','))
        return fail (s, WIRE_ERROR_JSON, "a comma was expected");
      s->p++;
    }
}

static gboolean
scan_container (Scanner *s)
{
  g_autoptr (GHashTable) keys = NULL;
  gboolean ok;
  char close = at (s, '{') ? '}' : ']';

  if (s->depth >= MAX_DEPTH)
    return fail (s, WIRE_ERROR_JSON, "nested too deeply");
  if (close == '}')
    keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  s->p++;
  s->depth++;
  ok = scan_items (s, close, keys);
  s->depth--;

  return ok;
}

static gboolean
scan_value (Scanner *s)
{
  skip_space (s);

  if (at (s, '{') || at (s, '['))
    return scan_container (s);
  if (at (s, '"'))
    return scan_string (s);
  if (at (s, '-') || (s->p < s->end && g_ascii_isdigit (*s->p)))
    return scan_number (s);

  return scan_word (s);
}

JsonNode *
wire_json_parse (const char *data, gsize length, GError **error)
{
  Scanner s = { .start = data, .p = data, .end = data + length };
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) local_error = NULL;
  const char *bad;

  if (!g_utf8_validate_len (data, length, &bad))
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_UTF8,
                   "JSON: invalid UTF-8 at byte %" G_GSIZE_FORMAT, (gsize) (bad - data));
      return NULL;
    }

  if (scan_value (&s))
    {
      skip_space (&s);
      if (s.p < s.end)
        fail (&s, WIRE_ERROR_JSON, "garbage behind the value");
    }
  if (s.error != NULL)
    {
      g_propagate_error (error, s.error);
      return NULL;
    }

  if (!json_parser_load_from_data (parser, data, (gssize) length, &local_error))
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_JSON, "JSON: %s", local_error->message);
      return NULL;
    }

  return json_parser_steal_root (parser);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (a, b);
}

static void append_canonical (GString *out, JsonNode *node);

static void
append_canonical_object (GString *out, JsonObject *object)
{
  g_autoptr (GList) names = g_list_sort (json_object_get_members (object), compare_names);

  g_string_append_c (out, '{');
  for (GList *l = names; l != NULL; l = l->next)
    {
      g_autoptr (JsonNode) key = json_node_init_string (json_node_alloc (), l->data);

      append_canonical (out, key);
      g_string_append_c (out, ':');
      append_canonical (out, json_object_get_member (object, l->data));
      if (l->next != NULL)
        g_string_append_c (out, ',');
    }
  g_string_append_c (out, '}');
}

static void
append_canonical (GString *out, JsonNode *node)
{
  if (JSON_NODE_HOLDS_OBJECT (node))
    {
      append_canonical_object (out, json_node_get_object (node));
    }
  else if (JSON_NODE_HOLDS_ARRAY (node))
    {
      JsonArray *array = json_node_get_array (node);

      g_string_append_c (out, '[');
      for (guint i = 0; i < json_array_get_length (array); i++)
        {
          if (i > 0)
            g_string_append_c (out, ',');
          append_canonical (out, json_array_get_element (array, i));
        }
      g_string_append_c (out, ']');
    }
  else
    {
      g_autofree char *text = json_to_string (node, FALSE);

      g_string_append (out, text);
    }
}

char *
wire_json_canonical (JsonNode *node)
{
  GString *out = g_string_new (NULL);

  append_canonical (out, node);

  return g_string_free (out, FALSE);
}
