/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The sanitizer and the document, compared with a reader that shares no code with them. The first
 * byte chooses the options, the rest is the text. */

#include "config.h"

#include <math.h>

#include "fuzz/fuzz.h"
#include "fuzz/strict-json.h"
#include "lsobs/text/lsobs-json-document-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

#define WRAP 0x80
#define CUT  0x40

static void assert_sanitized (const StrictValue *in,
                              const StrictValue *out,
                              guint depth,
                              gsize max_bytes);

static void
assert_sanitized_string (const StrictValue *in, const StrictValue *out, gsize max_bytes)
{
  g_assert_cmpint (out->kind, ==, STRICT_STRING);
  g_assert_false (out->is_broken);
  if (max_bytes > 0)
    g_assert_cmpuint (out->text->len, <=, max_bytes);
  if (in->is_broken)
    return;
  g_assert_cmpmem (out->text->str, out->text->len, in->text->str,
                   MIN (in->text->len, out->text->len));
  /* At most a part of one character more is missing than has to. */
  if (max_bytes == 0 || in->text->len <= max_bytes)
    g_assert_cmpuint (out->text->len, ==, in->text->len);
  else
    g_assert_cmpuint (out->text->len + 4, >, max_bytes);
}

/* A whole number that does not fit is a string, which is cut as others are. */
static void
assert_sanitized_number (const StrictValue *in, const StrictValue *out, gsize max_bytes)
{
  gint64 whole;

  if (in->kind == STRICT_REAL && !isfinite (g_ascii_strtod (in->text->str, NULL)))
    {
      g_assert_cmpint (out->kind, ==, STRICT_NULL);
      return;
    }
  if (in->kind == STRICT_WHOLE &&
      !g_ascii_string_to_signed (in->text->str, 10, G_MININT64, G_MAXINT64, &whole, NULL))
    {
      assert_sanitized_string (in, out, max_bytes);
      return;
    }
  g_assert_cmpint (out->kind, ==, in->kind);
  g_assert_cmpstr (out->text->str, ==, in->text->str);
}

/* Each name is there once, with the last value, in the order of the last ones. */
static void
assert_sanitized_object (const StrictValue *in,
                         const StrictValue *out,
                         guint depth,
                         gsize max_bytes)
{
  g_autoptr (GHashTable) last = g_hash_table_new (g_str_hash, g_str_equal);
  guint n = 0;

  if (strict_value_has_broken_name (in))
    return;
  for (guint i = 0; i < in->names->len; i++)
    {
      const StrictValue *name = g_ptr_array_index (in->names, i);

      g_hash_table_insert (last, name->text->str, GUINT_TO_POINTER (i));
    }
  g_assert_cmpuint (out->names->len, ==, g_hash_table_size (last));
  for (guint i = 0; i < in->names->len; i++)
    {
      const StrictValue *name = g_ptr_array_index (in->names, i);

      if (GPOINTER_TO_UINT (g_hash_table_lookup (last, name->text->str)) != i)
        continue;
      g_assert_true (strict_value_is_text (g_ptr_array_index (out->names, n), name->text->str));
      assert_sanitized (g_ptr_array_index (in->items, i), g_ptr_array_index (out->items, n),
                        depth + 1, max_bytes);
      n++;
    }
}

/* @depth: the number of arrays and objects around @in */
static void
assert_sanitized (const StrictValue *in, const StrictValue *out, guint depth, gsize max_bytes)
{
  if (in->kind == STRICT_STRING)
    {
      assert_sanitized_string (in, out, max_bytes);
    }
  else if (in->kind == STRICT_WHOLE || in->kind == STRICT_REAL)
    {
      assert_sanitized_number (in, out, max_bytes);
    }
  else if (in->kind == STRICT_UNBOUNDED)
    {
      g_assert_cmpint (out->kind, ==, STRICT_NULL);
    }
  else if (in->items != NULL && depth >= LSOBS_JSON_MAX_DEPTH)
    {
      g_assert_true (strict_value_is_text (out, LSOBS_JSON_DEPTH_LIMIT));
    }
  else
    {
      g_assert_cmpint (out->kind, ==, in->kind);
      if (in->kind == STRICT_OBJECT)
        assert_sanitized_object (in, out, depth, max_bytes);
      if (in->kind != STRICT_ARRAY)
        return;
      g_assert_cmpuint (out->items->len, ==, in->items->len);
      for (guint i = 0; i < in->items->len; i++)
        assert_sanitized (g_ptr_array_index (in->items, i), g_ptr_array_index (out->items, i),
                          depth + 1, max_bytes);
    }
}

/* What is not JSON becomes a string. */
static void
assert_text (const char *text, gsize len, const StrictValue *out, gsize max_bytes)
{
  g_assert_cmpint (out->kind, ==, STRICT_STRING);
  if (max_bytes > 0)
    g_assert_cmpuint (out->text->len, <=, max_bytes);
  else if (memchr (text, '\0', len) == NULL && g_utf8_validate (text, (gssize) len, NULL))
    g_assert_cmpmem (out->text->str, out->text->len, text, len);
}

static void
check_sanitizer (const char *text, gsize len, const LsobsSanitizeOptions *options)
{
  g_auto (LsobsBuffer) buffer = LSOBS_BUFFER_INIT;
  g_auto (LsobsBuffer) again = LSOBS_BUFFER_INIT;
  const LsobsSanitizeOptions repair = { .redactor = NULL };
  StrictFlaws flaws;
  g_autoptr (StrictValue) in = strict_value_read (text, len, &flaws);
  g_autoptr (StrictValue) written = NULL;
  const StrictValue *out;
  gboolean is_json = _lsobs_json_sanitize (&buffer, text, len, options);

  g_assert_cmpint (is_json, ==, in != NULL || len == 0);
  written = strict_value_read (buffer.data, buffer.len, &flaws);
  g_assert_nonnull (written);
  g_assert_cmpint (flaws, ==, 0);

  out = written;
  if (options->wrap)
    {
      g_assert_cmpint (out->kind, ==, STRICT_OBJECT);
      if (len > 0 && (in == NULL || in->kind != STRICT_OBJECT))
        {
          g_assert_cmpuint (out->items->len, ==, 1);
          out = strict_value_find (out, "value");
          g_assert_nonnull (out);
        }
    }
  if (in != NULL)
    assert_sanitized (in, out, 0, options->max_string_bytes);
  else if (len > 0)
    assert_text (text, len, out, options->max_string_bytes);

  /* What was sanitized is left alone, unless an object around it makes it too deep. */
  g_assert_true (_lsobs_json_sanitize (&again, buffer.data, buffer.len, &repair));
  if (!options->wrap)
    g_assert_cmpmem (again.data, again.len, buffer.data, buffer.len);
}

/* The members of the outermost object are found. */
static void
check_document (const char *text, gsize len)
{
  g_auto (LsobsJsonDocument) document = LSOBS_JSON_DOCUMENT_INIT;
  StrictFlaws flaws;
  g_autoptr (StrictValue) in = strict_value_read (text, len, &flaws);
  gboolean loaded = _lsobs_json_document_load_secret (&document, text, len);

  g_assert_cmpint (loaded, ==, in != NULL || len == 0);
  if (in == NULL)
    return;
  g_assert_null (_lsobs_json_document_find (&document, document.text.data, "no such member"));
  if (in->kind != STRICT_OBJECT || strict_value_has_broken_name (in))
    return;
  for (guint i = 0; i < MIN (in->names->len, 32); i++)
    {
      const char *name = ((StrictValue *) g_ptr_array_index (in->names, i))->text->str;
      const StrictValue *value = strict_value_find (in, name);
      const char *found = _lsobs_json_document_find (&document, document.text.data, name);
      gsize found_len = 0;

      g_assert_nonnull (found);
      found = _lsobs_json_document_decode (&document, found, &found_len);
      if (value->kind == STRICT_STRING && !value->is_broken)
        g_assert_cmpmem (found, found_len, value->text->str, value->text->len);
    }
  _lsobs_json_document_wipe (&document);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  FuzzInput input = { data, size };
  guint8 choice = fuzz_input_take_byte (&input);
  const LsobsSanitizeOptions options = {
    .wrap = (choice & WRAP) != 0,
    .max_string_bytes = (choice & CUT) != 0 ? 1 + (choice & 0x3f) : 0,
  };
  gsize len = input.len;
  g_autofree char *text = fuzz_input_take_text (&input, len);

  check_sanitizer (text, len, &options);
  check_document (text, len);
  return 0;
}
