/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>

#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"
#include "tests/lib/json-text-helpers.h"
#include "tests/lib/redactor-helpers.h"
#include "tests/lib/test-utils.h"

#define NO_LIMIT G_MAXSIZE

/* Buffer */

static void
test_buffer (void)
{
  LsobsBuffer buffer = LSOBS_BUFFER_INIT;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GString) expected = g_string_new (NULL);

  for (guint i = 0; i < 1000; i++)
    {
      _lsobs_buffer_append_c (&buffer, 'x');
      _lsobs_buffer_append_str (&buffer, "yz");
      _lsobs_buffer_append (&buffer, NULL, 0);
      _lsobs_buffer_append_int64 (&buffer, G_MININT64 + i);
      _lsobs_buffer_append_int64 (&buffer, G_MAXINT64 - i);
      _lsobs_buffer_append_int64 (&buffer, 0);
      g_string_append_printf (expected, "xyz%" G_GINT64_FORMAT "%" G_GINT64_FORMAT "0",
                              G_MININT64 + i, G_MAXINT64 - i);
    }

  _lsobs_buffer_append_c (&buffer, '!');
  _lsobs_buffer_truncate (&buffer, buffer.len - 1);
  bytes = _lsobs_buffer_steal_bytes (&buffer);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), expected->str,
                   expected->len);
  g_assert_null (buffer.data);
  g_assert_cmpuint (buffer.len, ==, 0);
}

/* Writer */

typedef struct
{
  const char *name;
  double value;
  const char *expected;
} DoubleRow;

static const DoubleRow double_rows[] = {
  { "one", 1.0, "1.0" },
  { "zero", 0.0, "0.0" },
  { "negative-zero", -0.0, "-0.0" },
  { "tenth", 0.1, "0.1" },
  /* what 0.1 + 0.2 is where sums have no more digits than a double */
  { "sum", 0.30000000000000004, "0.30000000000000004" },
  { "third", 1.0 / 3.0, "0.3333333333333333" },
  { "huge", 1e300, "1e+300" },
  { "whole-but-big", 1e15, "1e+15" },
  { "whole-digits", 123456789012345678.0, "1.2345678901234568e+17" },
  { "beyond-int53", 9007199254740992.0, "9007199254740992.0" },
  { "negative", -2.5, "-2.5" },
  { "price", 1234.05, "1234.05" },
  { "small", 0.00125, "0.00125" },
  { "smaller", 0.00000125, "1.25e-06" },
  { "many-digits", 0.123456789012345, "0.123456789012345" },
  { "nearly-whole", 0.99999999999999989, "0.9999999999999999" },
  { "denormal", 5e-324, "4.94065645841247e-324" },
  { "nan", NAN, "null" },
  { "infinity", INFINITY, "null" },
  { "minus-infinity", -INFINITY, "null" },
};

static void
test_writer_double (gconstpointer data)
{
  const DoubleRow *row = data;
  g_autoptr (JsonNode) node = json_node_init_double (json_node_alloc (), row->value);

  json_text_assert_written (node, row->expected);
}

static void
test_writer_double_round_trip (void)
{
  for (guint i = 0; i < 5000; i++)
    {
      guint64 bits = (guint64) (guint32) g_test_rand_int () << 32 | (guint32) g_test_rand_int ();
      g_autoptr (JsonNode) node = NULL;
      g_autofree char *text = NULL;
      double value;

      memcpy (&value, &bits, sizeof value);
      node = json_node_init_double (json_node_alloc (), value);
      text = json_text_write (node);
      if (isfinite (value))
        g_assert_true (g_ascii_strtod (text, NULL) == value);
      else
        g_assert_cmpstr (text, ==, "null");
    }
}

/* What has few digits is written with no more of them. */
static void
test_writer_double_short (void)
{
  for (guint i = 0; i < 20000; i++)
    {
      g_autofree char *decimal =
          g_strdup_printf ("%de-%u", g_test_rand_int_range (-99999999, 99999999), 1 + i % 7);
      /* A division may round twice. */
      double value = g_ascii_strtod (decimal, NULL);
      char expected[64];
      g_autoptr (JsonNode) node = json_node_init_double (json_node_alloc (), value);
      g_autofree char *text = json_text_write (node);

      g_assert_true (g_ascii_strtod (text, NULL) == value);
      g_ascii_formatd (expected, sizeof expected, "%.15g", value);
      if (strpbrk (expected, ".e") == NULL)
        strcat (expected, ".0");
      if (strchr (text, 'e') == NULL && strchr (expected, 'e') == NULL)
        g_assert_cmpstr (text, ==, expected);
    }
}

static void
test_writer_values (void)
{
  g_autoptr (JsonNode) no_value = json_node_new (JSON_NODE_VALUE);
  g_autoptr (JsonNode) no_object = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (JsonNode) no_array = json_node_new (JSON_NODE_ARRAY);
  g_autoptr (JsonNode) no_string = json_node_init_string (json_node_alloc (), NULL);
  g_autoptr (JsonNode) string =
      json_node_init_string (json_node_alloc (), "\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa4");
  g_autoptr (JsonNode) least = json_node_init_int (json_node_alloc (), G_MININT64);
  const char *mixed = "{\"z\":[1,true,false,null,\"s\"],\"a\":{},\"m\":[],\"\\\"\":-1}";
  g_autoptr (JsonNode) tree = json_text_parse (mixed, strlen (mixed));

  json_text_assert_written (NULL, "null");
  json_text_assert_written (no_value, "null");
  json_text_assert_written (no_object, "null");
  json_text_assert_written (no_array, "null");
  json_text_assert_written (no_string, "null");
  json_text_assert_written (least, "-9223372036854775808");
  json_text_assert_written (string, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa4\"");
  json_text_assert_written (tree, mixed);
}

/* Each special character at each offset: beside and across the wide reads. */
/* Objects of few and of many members keep the order in which these were added. */
static void
test_writer_members (void)
{
  for (gint n = 0; n <= 40; n++)
    {
      g_autoptr (JsonObject) object = json_object_new ();
      g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), object);
      g_autoptr (GString) expected = g_string_new ("{");

      for (gint i = 0; i < n; i++)
        {
          g_autofree char *name = g_strdup_printf ("m%d", i);

          json_object_set_int_member (object, name, i);
          if (i != n / 2)
            g_string_append_printf (expected, "\"m%d\":%d,", i, i);
        }
      if (n > 0)
        {
          g_autofree char *name = g_strdup_printf ("m%d", n / 2);

          json_object_remove_member (object, name);
          json_object_set_string_member (object, name, "again");
          g_string_append_printf (expected, "\"%s\":\"again\"", name);
        }
      g_string_append_c (expected, '}');
      json_text_assert_written (node, expected->str);
    }
}

static void
test_writer_scan (void)
{
  static const char specials[] = { '"', '\\', '\n', 0x1f, 0x01 };

  for (gsize i = 0; i < 40; i++)
    for (gsize j = 0; j < G_N_ELEMENTS (specials); j++)
      {
        LsobsBuffer out = LSOBS_BUFFER_INIT;
        g_autofree char *text = g_strnfill (40, '\xff');
        g_autoptr (GString) expected = g_string_new ("\"");
        g_autofree char *written = NULL;

        text[i] = specials[j];
        _lsobs_json_write_string (&out, text, 40);
        written = json_text_take (&out);
        g_string_append_len (expected, text, (gssize) i);
        if (specials[j] < 0x20 && specials[j] != '\n')
          g_string_append_printf (expected, "\\u%04x", specials[j]);
        else
          g_string_append_printf (expected, "\\%c", specials[j] == '\n' ? 'n' : specials[j]);
        g_string_append (expected, text + i + 1);
        g_string_append_c (expected, '"');
        g_assert_cmpstr (written, ==, expected->str);
      }
}

static void
test_writer_limit (void)
{
  g_autoptr (JsonNode) node = json_text_parse ("[1,{\"a\":\"bcd\"}]", 15);
  LsobsBuffer out = LSOBS_BUFFER_INIT;

  _lsobs_buffer_append_str (&out, "before");
  for (gsize limit = 0; limit < 15; limit++)
    {
      g_assert_false (_lsobs_json_write_node (&out, node, limit));
      g_assert_cmpmem (out.data, out.len, "before", 6);
    }

  g_assert_true (_lsobs_json_write_node (&out, node, 15));
  g_assert_cmpmem (out.data, out.len, "before[1,{\"a\":\"bcd\"}]", 21);
  _lsobs_buffer_clear (&out);
}

static JsonNode *
nested_arrays (guint depth)
{
  JsonNode *node = json_node_init_int (json_node_alloc (), 1);

  for (guint i = 0; i < depth; i++)
    {
      g_autoptr (JsonArray) array = json_array_new ();

      json_array_add_element (array, node);
      node = json_node_init_array (json_node_alloc (), array);
    }

  return node;
}

static void
test_writer_depth (void)
{
  g_autoptr (JsonNode) fits = nested_arrays (LSOBS_JSON_MAX_DEPTH);
  g_autoptr (JsonNode) deeper = nested_arrays (LSOBS_JSON_MAX_DEPTH + 1);
  g_autofree char *open = g_strnfill (LSOBS_JSON_MAX_DEPTH, '[');
  g_autofree char *close = g_strnfill (LSOBS_JSON_MAX_DEPTH, ']');
  g_autofree char *whole = g_strconcat (open, "1", close, NULL);
  g_autofree char *limited = g_strconcat (open, "\"[DEPTH LIMIT]\"", close, NULL);

  json_text_assert_written (fits, whole);
  json_text_assert_written (deeper, limited);
}

static void
test_writer_cycle (void)
{
  g_autoptr (JsonObject) object = json_object_new ();
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), object);
  LsobsBuffer out = LSOBS_BUFFER_INIT;

  json_object_set_object_member (object, "self", json_object_ref (object));
  g_assert_true (_lsobs_json_write_node (&out, node, 1 << 20));
  json_object_set_object_member (object, "again", json_object_ref (object));
  g_assert_false (_lsobs_json_write_node (&out, node, 1 << 20));

  json_object_set_null_member (object, "self");
  json_object_set_null_member (object, "again");
  _lsobs_buffer_clear (&out);
}

static JsonNode *
random_tree (guint depth)
{
  static const char *const strings[] = { "", "a", "\"\\\n", "\xe2\x82\xac", "\xf0\x9f\x98\x80 x" };
  JsonNode *node = json_node_alloc ();
  gint kind = g_test_rand_int_range (0, depth > 5 ? 5 : 8);

  if (kind == 0)
    json_node_init_null (node);
  else if (kind == 1)
    json_node_init_boolean (node, g_test_rand_bit ());
  else if (kind == 2)
    json_node_init_int (node, (gint64) g_test_rand_int () * g_test_rand_int ());
  else if (kind == 3)
    json_node_init_double (node, g_test_rand_double_range (-1e6, 1e6));
  else if (kind == 4)
    json_node_init_string (node, strings[g_test_rand_int_range (0, G_N_ELEMENTS (strings))]);
  else if (kind == 5)
    {
      g_autoptr (JsonArray) array = json_array_new ();

      for (gint i = g_test_rand_int_range (0, 6); i > 0; i--)
        json_array_add_element (array, random_tree (depth + 1));
      json_node_init_array (node, array);
    }
  else
    {
      g_autoptr (JsonObject) object = json_object_new ();

      for (gint i = g_test_rand_int_range (0, 6); i > 0; i--)
        {
          g_autofree char *name =
              g_strdup_printf ("%c\"%d", 'a' + g_test_rand_int_range (0, 26), i);

          json_object_set_member (object, name, random_tree (depth + 1));
        }
      json_node_init_object (node, object);
    }

  return node;
}

/* Written, read by another, and walked: always the same. */
static void
test_writer_random_trees (void)
{
  const LsobsSanitizeOptions options = { .redactor = NULL };

  for (guint i = 0; i < 500; i++)
    {
      g_autoptr (JsonNode) tree = random_tree (0);
      g_autofree char *text = json_text_write (tree);
      g_autoptr (JsonNode) again = json_text_parse (text, strlen (text));
      LsobsBuffer walked = LSOBS_BUFFER_INIT;

      g_assert_true (json_node_equal (tree, again));
      g_assert_true (_lsobs_json_sanitize (&walked, text, strlen (text), &options));
      g_assert_cmpmem (walked.data, walked.len, text, strlen (text));
      _lsobs_buffer_clear (&walked);
    }
}

/* Walker */

typedef struct
{
  const char *name;
  const char *text;
  const char *expected;
  gboolean is_json;
  const char *pattern; /* (nullable) */
  gsize limit;
  gboolean wrap;
} WalkRow;

#define BAD   "\xef\xbf\xbd"
#define EMOJI "\xf0\x9f\x98\x80"

static const WalkRow walk_rows[] = {
  { "space", " { \"a\" :\t[ 1 , 2 ]\r\n} ", "{\"a\":[1,2]}", TRUE, NULL, 0, FALSE },
  { "bom", "\xef\xbb\xbf[1]", "[1]", TRUE, NULL, 0, FALSE },
  { "empty", "", "null", TRUE, NULL, 0, FALSE },
  { "empty-wrapped", "", "{}", TRUE, NULL, 0, TRUE },
  { "only-space", "  ", "\"  \"", FALSE, NULL, 0, FALSE },
  { "tokens", "[true,false,null]", "[true,false,null]", TRUE, NULL, 0, FALSE },
  { "not-finite", "[NaN,Infinity,-Infinity]", "[null,null,null]", TRUE, NULL, 0, FALSE },
  { "numbers", "[-0,0.10,1E5,-1.5e-07,2e+3]", "[-0,0.10,1E5,-1.5e-07,2e+3]", TRUE, NULL, 0, FALSE },
  { "int64", "[9223372036854775807,-9223372036854775808]",
    "[9223372036854775807,-9223372036854775808]", TRUE, NULL, 0, FALSE },
  { "beyond-int64-cut", "[9223372036854775808,9223372036854775807]",
    "[\"9223372\",9223372036854775807]", TRUE, NULL, 7, FALSE },
  { "beyond-int64", "[9223372036854775808,-9223372036854775809,123456789012345678901]",
    "[\"9223372036854775808\",\"-9223372036854775809\",\"123456789012345678901\"]", TRUE, NULL, 0,
    FALSE },
  { "numbers-pass-redaction", "[12345]", "[12345]", TRUE, "[0-9]", 1, FALSE },
  { "wrap-array", "[1]", "{\"value\":[1]}", TRUE, NULL, 0, TRUE },
  { "wrap-string", " \"x\" ", "{\"value\":\"x\"}", TRUE, NULL, 0, TRUE },
  { "wrap-object", " {} ", "{}", TRUE, NULL, 0, TRUE },
  { "wrap-not-json", "hello", "{\"value\":\"hello\"}", FALSE, NULL, 0, TRUE },
  { "escapes-minimal", "\"\\u0041\\/\\u001B\\u000a\\\"\\\\\"", "\"A/\\u001b\\n\\\"\\\\\"", TRUE,
    NULL, 0, FALSE },
  { "escaped-nul", "\"a\\u0000b\"", "\"a" BAD "b\"", TRUE, NULL, 0, FALSE },
  { "pair", "\"\\ud83d\\uDE00\"", "\"" EMOJI "\"", TRUE, NULL, 0, FALSE },
  { "lone-high", "\"\\ud83dx\"", "\"" BAD "x\"", TRUE, NULL, 0, FALSE },
  { "lone-low", "\"\\ude00\"", "\"" BAD "\"", TRUE, NULL, 0, FALSE },
  { "high-before-pair", "\"\\ud83d\\ud83d\\ude00\"", "\"" BAD EMOJI "\"", TRUE, NULL, 0, FALSE },
  { "high-before-escape", "\"\\ud83d\\u0041\\ud83d\\n\"", "\"" BAD "A" BAD "\\n\"", TRUE, NULL, 0,
    FALSE },
  { "cesu", "\"\xed\xa0\xbd\xed\xb8\x80\"", "\"" BAD BAD "\"", TRUE, NULL, 0, FALSE },
  { "invalid-bytes",
    "\"a\xff"
    "b\xc3\"",
    "\"a" BAD "b" BAD "\"", TRUE, NULL, 0, FALSE },
  { "overlong", "\"\xc0\x80\"", "\"" BAD BAD "\"", TRUE, NULL, 0, FALSE },
  { "truncated-character", "\"\xf0\x9f\x98\"", "\"" BAD "\"", TRUE, NULL, 0, FALSE },
  { "too-high", "\"\xf4\x90\x80\x80\"", "\"" BAD BAD BAD BAD "\"", TRUE, NULL, 0, FALSE },
  { "noncharacters", "\"\xef\xbf\xbf\xe2\x80\xa8\"", "\"\xef\xbf\xbf\xe2\x80\xa8\"", TRUE, NULL, 0,
    FALSE },
  { "raw-control", "\"a\nb\x01\"", "\"a\\nb\\u0001\"", TRUE, NULL, 0, FALSE },
  { "keys-repaired", "{\"\\u0061\xff\":1}", "{\"a" BAD "\":1}", TRUE, NULL, 0, FALSE },
  { "keys-kept", "{\"secret\":\"secret\"}", "{\"secret\":\"[R\"}", TRUE, "secret", 2, FALSE },
  { "redact", "[\"a secret b\",\"none\"]", "[\"a [REDACTED] b\",\"none\"]", TRUE, "secret", 0,
    FALSE },
  { "redact-then-cut", "{\"token\":\"secret-secret-secret\"}", "{\"token\":\"[REDACTED]\"}", TRUE,
    "secret", 10, FALSE },
  { "redact-escaped", "\"\\u0073ecret\"", "\"[REDACTED]\"", TRUE, "secret", 0, FALSE },
  { "redact-across-escapes", "\"a\\nb\"", "\"[REDACTED]\"", TRUE, "a\\nb", 0, FALSE },
  { "redact-pair", "\"x\\ud83d\\ude00\"", "\"x[REDACTED]\"", TRUE, EMOJI, 0, FALSE },
  { "redact-nothing-keeps", "\"a\\nb\\t\"", "\"a\\nb\\t\"", TRUE, "zz", 0, FALSE },
  { "redact-not-json", "{secret", "\"{[REDACTED]\"", FALSE, "secret", 0, FALSE },
  { "cut", "\"abcdef\"", "\"abc\"", TRUE, NULL, 3, FALSE },
  { "cut-decoded", "\"\\u0061\\u0062\"", "\"ab\"", TRUE, NULL, 2, FALSE },
  { "cut-escaped", "\"\\n\\n\\n\"", "\"\\n\\n\"", TRUE, NULL, 2, FALSE },
  { "cut-2-bytes", "\"a\xc3\xa4\"", "\"a\"", TRUE, NULL, 2, FALSE },
  { "cut-2-bytes-fits", "\"a\xc3\xa4\"", "\"a\xc3\xa4\"", TRUE, NULL, 3, FALSE },
  { "cut-3-bytes", "\"\xe2\x82\xac\xe2\x82\xac\"", "\"\xe2\x82\xac\"", TRUE, NULL, 5, FALSE },
  { "cut-4-bytes", "\"" EMOJI "\"", "\"\"", TRUE, NULL, 3, FALSE },
  { "trailing-garbage", "{} x", "\"{} x\"", FALSE, NULL, 0, FALSE },
  { "trailing-comma", "[1,]", "\"[1,]\"", FALSE, NULL, 0, FALSE },
  { "open", "{\"a\":1", "\"{\\\"a\\\":1\"", FALSE, NULL, 0, FALSE },
  { "crossed", "[{]}", "\"[{]}\"", FALSE, NULL, 0, FALSE },
  { "no-key", "{1:2}", "\"{1:2}\"", FALSE, NULL, 0, FALSE },
  { "leading-zero", "01", "\"01\"", FALSE, NULL, 0, FALSE },
  { "bare-point", "1.", "\"1.\"", FALSE, NULL, 0, FALSE },
  { "bare-exponent", "1e", "\"1e\"", FALSE, NULL, 0, FALSE },
  { "plus", "+1", "\"+1\"", FALSE, NULL, 0, FALSE },
  { "minus", "-", "\"-\"", FALSE, NULL, 0, FALSE },
  { "bad-escape", "\"\\x\"", "\"\\\"\\\\x\\\"\"", FALSE, NULL, 0, FALSE },
  { "bad-hex", "\"\\u12g4\"", "\"\\\"\\\\u12g4\\\"\"", FALSE, NULL, 0, FALSE },
  { "half-token", "tru", "\"tru\"", FALSE, NULL, 0, FALSE },
};

static void
test_walker_row (gconstpointer data)
{
  const WalkRow *row = data;
  LsobsBuffer out = LSOBS_BUFFER_INIT;
  g_autoptr (LsobsRedactor) redactor = NULL;
  g_autofree char *written = NULL;
  LsobsSanitizeOptions options = { .max_string_bytes = row->limit, .wrap = row->wrap };

  if (row->pattern != NULL)
    redactor = test_redactor_new (row->pattern, NULL, NULL);

  options.redactor = redactor;
  g_assert_cmpint (_lsobs_json_sanitize (&out, row->text, strlen (row->text), &options), ==,
                   row->is_json);
  written = json_text_take (&out);
  g_assert_cmpstr (written, ==, row->expected);
}

static void
test_walker_text (void)
{
  static const char bytes[] = "a\0\xff\"secret";
  g_autoptr (LsobsRedactor) redactor = test_redactor_new ("secret", "", NULL);
  const LsobsSanitizeOptions options = { .redactor = redactor, .max_string_bytes = 7 };
  LsobsBuffer out = LSOBS_BUFFER_INIT;

  _lsobs_json_sanitize_text (&out, bytes, sizeof bytes - 1, &options);
  _lsobs_json_sanitize_text (&out, "secret", 6, &options);
  _lsobs_json_sanitize_text (&out, NULL, 0, &options);
  g_assert_cmpmem (out.data, out.len, "\"a" BAD BAD "\"\"\"\"\"", 13);
  _lsobs_buffer_clear (&out);
}

static void
test_walker_depth (void)
{
  const LsobsSanitizeOptions options = { .wrap = TRUE };
  const char *deep[] = { "[{\"a\":[1,\"x\"]},2]", "[{\"a\":[1,\"x\"},2]" };
  g_autofree char *open = g_strnfill (LSOBS_JSON_MAX_DEPTH, '[');
  g_autofree char *close = g_strnfill (LSOBS_JSON_MAX_DEPTH, ']');
  g_autofree char *expected =
      g_strconcat ("{\"value\":", open, "\"[DEPTH LIMIT]\",3", close, "}", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (deep); i++)
    {
      LsobsBuffer out = LSOBS_BUFFER_INIT;
      g_autofree char *text = g_strconcat (open, deep[i], ",3", close, NULL);
      gboolean is_json = _lsobs_json_sanitize (&out, text, strlen (text), &options);

      /* What is not written is checked all the same. */
      g_assert_cmpint (is_json, ==, i == 0);
      if (is_json)
        g_assert_cmpmem (out.data, out.len, expected, strlen (expected));
      _lsobs_buffer_clear (&out);
    }
}

/* No recursion, nor anything that grows faster than the text. */
static void
test_walker_deep_text (void)
{
  const LsobsSanitizeOptions options = { .redactor = NULL };
  const gsize n = 10 * 1000 * 1000;
  g_autofree char *text = g_strnfill (2 * n, '[');
  LsobsBuffer out = LSOBS_BUFFER_INIT;

  g_assert_false (_lsobs_json_sanitize (&out, text, 2 * n, &options));
  g_assert_cmpuint (out.len, ==, 2 * n + 2);
  _lsobs_buffer_truncate (&out, 0);

  memset (text + n, ']', n);
  g_assert_true (_lsobs_json_sanitize (&out, text, 2 * n, &options));
  g_assert_cmpuint (out.len, ==, 2 * LSOBS_JSON_MAX_DEPTH + strlen ("\"[DEPTH LIMIT]\""));
  _lsobs_buffer_clear (&out);
}

/* Whatever the bytes: valid UTF-8, and JSON to another reader. */
static void
test_walker_mutations (void)
{
  static const char *const texts[] = {
    "{\"a\":[1,-2.5e3,true,null,\"x\\n\\u00e4\\ud83d\\ude00\"],\"b\":{\"c\":\"\xc3\xa4\xe2\x82\xac\"}}",
    "[\"secret\",{\"\":{}},[[[]]],9223372036854775808,\"" EMOJI "\"]",
    "\"a plain string that is longer than any of the wide reads are, so that they happen\"",
  };
  static const char likely[] = "\"\\[]{}:,0-.eEu \n\xff\xc3\xed\xa0";
  g_autoptr (LsobsRedactor) redactor = test_redactor_new ("sec.*t|[0-9]+", NULL, NULL);

  for (guint i = 0; i < 6000; i++)
    {
      const LsobsSanitizeOptions options = { .redactor = i % 2 != 0 ? redactor : NULL,
                                             .max_string_bytes = i % 3 * 7,
                                             .wrap = i % 5 == 0 };
      g_autofree char *text = g_strdup (texts[i % G_N_ELEMENTS (texts)]);
      gint len = (gint) strlen (text);
      LsobsBuffer out = LSOBS_BUFFER_INIT;
      g_autoptr (JsonNode) node = NULL;

      for (gint j = g_test_rand_int_range (1, 5); j > 0; j--)
        text[g_test_rand_int_range (0, len)] =
            g_test_rand_bit () ? likely[g_test_rand_int_range (0, sizeof likely)]
                               : (char) g_test_rand_int_range (0, 256);

      _lsobs_json_sanitize (&out, text, (gsize) (i % 7 == 0 ? g_test_rand_int_range (0, len) : len),
                            &options);
      g_assert_true (g_utf8_validate_len (out.data, out.len, NULL));
      node = json_text_parse (out.data, out.len);
      g_assert_nonnull (node);
      _lsobs_buffer_clear (&out);
    }
}

#define ADD_ROWS(prefix, rows, function) TEST_ADD_ROWS (prefix, rows, name, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/json/buffer", test_buffer);

  ADD_ROWS ("/json/writer/double/", double_rows, test_writer_double)
  g_test_add_func ("/json/writer/double-round-trip", test_writer_double_round_trip);
  g_test_add_func ("/json/writer/double-short", test_writer_double_short);
  g_test_add_func ("/json/writer/values", test_writer_values);
  g_test_add_func ("/json/writer/members", test_writer_members);
  g_test_add_func ("/json/writer/scan", test_writer_scan);
  g_test_add_func ("/json/writer/limit", test_writer_limit);
  g_test_add_func ("/json/writer/depth", test_writer_depth);
  g_test_add_func ("/json/writer/cycle", test_writer_cycle);
  g_test_add_func ("/json/writer/random-trees", test_writer_random_trees);

  ADD_ROWS ("/json/walker/", walk_rows, test_walker_row)
  g_test_add_func ("/json/walker/text", test_walker_text);
  g_test_add_func ("/json/walker/depth", test_walker_depth);
  g_test_add_func ("/json/walker/deep-text", test_walker_deep_text);
  g_test_add_func ("/json/walker/mutations", test_walker_mutations);

  return g_test_run ();
}
