/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/text/lsobs-json-plain-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-json-scan-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"
#include "tests/lib/redactor-helpers.h"
#include "tests/lib/test-utils.h"

#define MAX_BYTES 20

typedef struct
{
  const char *name;
  const char *text;
  const char *expected; /* (nullable) NULL: it is not plain */
} PlainRow;

static const PlainRow plain_rows[] = {
  { "object", "{\"a\":1,\"b\":[true,false,null],\"c\":{}}",
    "{\"a\":1,\"b\":[true,false,null],\"c\":{}}" },
  { "space", " {\n\t\"a\" : [ 1 , \"x y\" ] , \"b\" :\r\n{ } } \n",
    "{\"a\":[1,\"x y\"],\"b\":{}}" },
  { "scalar", "\"text\"", "\"text\"" },
  { "empty-names", "{\"\":{\"\":[]}}", "{\"\":{\"\":[]}}" },
  { "escapes", "[\"\\b\\f\\n\\r\\t\\\"\\\\\"]", "[\"\\b\\f\\n\\r\\t\\\"\\\\\"]" },
  { "utf8", "[\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 a\"]",
    "[\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 a\"]" },
  { "numbers", "[0,-0,-1.50,2e9,3E+10,4.5e-7,123456789012345678]",
    "[0,-0,-1.50,2e9,3E+10,4.5e-7,123456789012345678]" },
  { "limit", "[\"12345678901234567890\"]", "[\"12345678901234567890\"]" },
  { "long-name", "{\"a name that is longer than strings may be\":1}",
    "{\"a name that is longer than strings may be\":1}" },
  /* equal length, first and last byte */
  { "alike-names", "{\"abc\":1,\"adc\":2}", "{\"abc\":1,\"adc\":2}" },
  { "same-name-elsewhere", "[{\"a\":{\"a\":1}},{\"a\":2}]", "[{\"a\":{\"a\":1}},{\"a\":2}]" },
  { "same-name", "{\"a\":1,\"b\":2,\"a\":3}", NULL },
  { "above-limit", "[\"123456789012345678901\"]", NULL },
  { "unicode-escape", "[\"\\u00e4\"]", NULL },
  { "slash-escape", "[\"\\/\"]", NULL },
  { "unknown-escape", "[\"\\x\"]", NULL },
  { "half-escape", "\"\\", NULL },
  { "control", "[\"a\nb\"]", NULL },
  { "broken-utf8", "[\"\xc3\"]", NULL },
  { "surrogate", "[\"\xed\xa0\x80\"]", NULL },
  { "not-whole", "{\"a\":1", NULL },
  { "no-value", "{\"a\":}", NULL },
  { "no-name", "{1:2}", NULL },
  { "no-colon", "{\"a\" 1}", NULL },
  { "last-comma", "[1,]", NULL },
  { "last-comma-of-object", "{\"a\":1,}", NULL },
  { "wrong-bracket", "[1}", NULL },
  { "two-values", "1 2", NULL },
  { "only-space", " \n", NULL },
  { "nan", "[NaN]", NULL },
  { "infinity", "[-Infinity]", NULL },
  { "half-token", "[tru", NULL },
  { "zero-first", "[01]", NULL },
  { "no-digits", "[-]", NULL },
  { "no-fraction", "[1.]", NULL },
  { "no-exponent", "[1e]", NULL },
  { "beyond-gint64", "[1234567890123456789]", NULL },
  { "beyond-double", "[1e999]", NULL },
  { "mark", "\xef\xbb\xbf{}", NULL },
};

static void
test_plain_rows (gconstpointer data)
{
  const PlainRow *row = data;
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  /* A copy without a NUL, so that a memory checker sees each byte that is read behind it. */
  gsize len = strlen (row->text);
  g_autofree char *text = g_memdup2 (row->text, len);

  _lsobs_buffer_append_str (&out, "<");
  g_assert_cmpint (_lsobs_json_copy_plain (&out, text, len, MAX_BYTES), ==, row->expected != NULL);
  g_assert_cmpmem (out.data + 1, out.len - 1, row->expected != NULL ? row->expected : "",
                   row->expected != NULL ? strlen (row->expected) : 0);
}

/* Without a limit, a string may have any length. */
static void
test_plain_no_limit (void)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  g_autofree char *words = g_strnfill (100000, 'w');
  g_autofree char *text = g_strconcat ("[\"", words, "\"]", NULL);

  g_assert_true (_lsobs_json_copy_plain (&out, text, strlen (text), 0));
  g_assert_cmpmem (out.data, out.len, text, strlen (text));
}

static void
test_plain_depth (void)
{
  for (guint depth = LSOBS_JSON_MAX_DEPTH; depth <= LSOBS_JSON_MAX_DEPTH + 1; depth++)
    {
      g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
      g_autofree char *open = g_strnfill (depth, '[');
      g_autofree char *close = g_strnfill (depth, ']');
      g_autofree char *text = g_strconcat (open, close, NULL);

      g_assert_cmpint (_lsobs_json_copy_plain (&out, text, strlen (text), 0), ==,
                       depth == LSOBS_JSON_MAX_DEPTH);
    }
}

/* The sanitizer takes an object with any number of members. */
static void
test_plain_wide (void)
{
  const LsobsSanitizeOptions options = { .wrap = TRUE };

  for (guint n = 10; n <= 10000; n *= 10)
    {
      g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
      g_autoptr (GString) text = g_string_new ("{");

      for (guint i = 0; i < n; i++)
        g_string_append_printf (text, "%s\"member%u\":[%u]", i > 0 ? "," : "", i, i);
      g_string_append_c (text, '}');
      g_assert_true (_lsobs_json_sanitize (&out, text->str, text->len, &options));
      g_assert_cmpmem (out.data, out.len, text->str, text->len);
    }
}

/* Whatever the bytes: what is plain is what the sanitizer writes. A redactor, here one that finds
 * nothing, has it walk over each text itself. */
static void
test_plain_mutations (void)
{
  static const char *const texts[] = {
    "{\"a\":[1,-2.5e3,true,null,\"x\\ny\"],\"b\":{\"c\":\"\xc3\xa4\xe2\x82\xac\",\"d\":false}}",
    "[\"twenty bytes at most\",{\"\":{}},[[[]]],123456789012345678, {\"ab\" : 1,\n\"cb\":-2}]",
    "{\"role\":\"user\",\"content\":\"a name\",\"name\":\"role\",\"n\":17,\"list\":[{\"n\":1}]}",
  };
  static const char likely[] = "\"\\[]{}:,0-.eEnab \n\xc3\xa4";
  g_autoptr (LsobsRedactor) redactor = test_redactor_new ("nowhere to be found", NULL, NULL);
  guint n_plain = 0;

  for (guint i = 0; i < 30000; i++)
    {
      const LsobsSanitizeOptions options = { .redactor = redactor, .max_string_bytes = MAX_BYTES };
      gint len = (gint) strlen (texts[i % G_N_ELEMENTS (texts)]);
      g_autofree char *text = g_memdup2 (texts[i % G_N_ELEMENTS (texts)], (gsize) len);
      g_auto (LsobsBuffer) plain = LSOBS_BUFFER_INIT;
      g_auto (LsobsBuffer) sanitized = LSOBS_BUFFER_INIT;

      for (gint j = g_test_rand_int_range (0, 3); j > 0; j--)
        text[g_test_rand_int_range (0, len)] =
            g_test_rand_bit () ? likely[g_test_rand_int_range (0, sizeof likely)]
                               : (char) g_test_rand_int_range (0, 256);
      if (!_lsobs_json_copy_plain (&plain, text, (gsize) len, MAX_BYTES))
        {
          g_assert_cmpuint (plain.len, ==, 0);
          continue;
        }
      n_plain++;
      g_assert_true (_lsobs_json_sanitize (&sanitized, text, (gsize) len, &options));
      g_assert_cmpmem (plain.data, plain.len, sanitized.data, sanitized.len);
    }
  /* A third is not changed at all. */
  g_assert_cmpuint (n_plain, >, 9000);
}

/* Finds the first special byte wherever it is, and takes no other one for it. */
static void
test_plain_scan (void)
{
  enum
  {
    LEN = 100
  };
  /* Of its size, so that a memory checker sees each byte that is read behind it. */
  g_autofree char *text = g_strnfill (LEN, 'x');
  const char *end = text + LEN;

  for (guint at = 0; at < LEN; at++)
    {
      for (guint c = 0; c <= G_MAXUINT8; c++)
        {
          text[at] = (char) c;
          g_assert_true (_lsobs_json_scan (text, end, TRUE) ==
                         (_lsobs_json_is_special (text[at], TRUE) ? text + at : end));
          g_assert_true (_lsobs_json_scan (text, end, FALSE) ==
                         (_lsobs_json_is_special (text[at], FALSE) ? text + at : end));
        }
      text[at] = 'x';
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  TEST_ADD_ROWS ("/json-plain/", plain_rows, name, test_plain_rows)
  g_test_add_func ("/json-plain/no-limit", test_plain_no_limit);
  g_test_add_func ("/json-plain/depth", test_plain_depth);
  g_test_add_func ("/json-plain/wide", test_plain_wide);
  g_test_add_func ("/json-plain/scan", test_plain_scan);
  g_test_add_func ("/json-plain/mutations", test_plain_mutations);

  return g_test_run ();
}
