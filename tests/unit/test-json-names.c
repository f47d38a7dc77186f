/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <json-glib/json-glib.h>

#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "tests/lib/cost-helpers.h"
#include "tests/lib/redactor-helpers.h"
#include "tests/lib/test-utils.h"
#include "tests/lib/wire.h"

static char *
walk (const char *text, gsize len, LsobsRedactor *redactor)
{
  const LsobsSanitizeOptions options = { .redactor = redactor };
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  g_assert_true (_lsobs_json_sanitize (&out, text, len, &options));
  return g_strndup (out.data, out.len);
}

/* Texts */

typedef struct
{
  const char *name;
  const char *text;
  const char *expected;
} Row;

static const Row rows[] = {
  { "two", "{\"a\":1,\"a\":2}", "{\"a\":2}" },
  { "escaped", "{\"a\":1,\"\\u0061\":2}", "{\"a\":2}" },
  { "escaped-first", "{\"\\u0061\":1,\"a\":2}", "{\"a\":2}" },
  { "slash", "{\"a/b\":1,\"a\\/b\":2,\"a\\u002Fb\":3}", "{\"a/b\":3}" },
  { "quote", "{\"\\\"\":1,\"\\u0022\":2}", "{\"\\\"\":2}" },
  { "control", "{\"\\n\":1,\"\\u000a\":2,\"\n\":3}", "{\"\\n\":3}" },
  { "pair", "{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", "{\"\xf0\x9f\x98\x80\":2}" },
  { "space", " { \"a\" : 1 , \"b\" : 2 , \"a\" : 3 } ", "{\"b\":2,\"a\":3}" },
  { "three", "{\"a\":1,\"b\":2,\"a\":3,\"c\":4,\"a\":5}", "{\"b\":2,\"c\":4,\"a\":5}" },
  { "alternating", "{\"a\":1,\"b\":2,\"a\":3,\"b\":4}", "{\"a\":3,\"b\":4}" },
  { "empty-name", "{\"\":1,\"\":2}", "{\"\":2}" },
  { "case", "{\"a\":1,\"A\":2}", "{\"a\":1,\"A\":2}" },
  { "prefix", "{\"a\":1,\"ab\":2,\"a\":3}", "{\"ab\":2,\"a\":3}" },
  { "alike", "{\"ba\":1,\"ab\":2,\"b\":3,\"bca\":4,\"bda\":5}",
    "{\"ba\":1,\"ab\":2,\"b\":3,\"bca\":4,\"bda\":5}" },
  { "inner", "{\"x\":{\"a\":1,\"a\":2},\"a\":3}", "{\"x\":{\"a\":2},\"a\":3}" },
  { "in-array", "[{\"a\":1,\"a\":2},{\"a\":3}]", "[{\"a\":2},{\"a\":3}]" },
  { "outer-of-inner", "{\"a\":{\"b\":1,\"b\":2},\"a\":{\"b\":3,\"b\":4,\"c\":5}}",
    "{\"a\":{\"b\":4,\"c\":5}}" },
  { "object-then-number", "{\"a\":{\"b\":[{}]},\"a\":1}", "{\"a\":1}" },
  { "outer-after-inner", "{\"a\":1,\"x\":{\"a\":1,\"b\":2},\"a\":2,\"y\":3}",
    "{\"x\":{\"a\":1,\"b\":2},\"a\":2,\"y\":3}" },
  { "broken-utf8", "{\"\xff\":1,\"\xfe\":2}", "{\"\xef\xbf\xbd\":2}" },
  { "surrogate", "{\"\\ud800\":1,\"\\udc00\":2,\"\\u0000\":3}", "{\"\xef\xbf\xbd\":3}" },
  { "ten", "{\"a\":0,\"b\":1,\"c\":2,\"d\":3,\"e\":4,\"f\":5,\"g\":6,\"h\":7,\"i\":8,\"a\":9}",
    "{\"b\":1,\"c\":2,\"d\":3,\"e\":4,\"f\":5,\"g\":6,\"h\":7,\"i\":8,\"a\":9}" },
};

static void
test_row (gconstpointer data)
{
  const Row *row = data;
  g_autofree char *result = walk (row->text, strlen (row->text), NULL);

  g_assert_cmpstr (result, ==, row->expected);
}

static void
test_wrapped (void)
{
  const LsobsSanitizeOptions options = { .wrap = TRUE };
  const char *text = "[{\"value\":1,\"value\":2}]";
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  _lsobs_buffer_append_str (&out, "before");
  g_assert_true (_lsobs_json_sanitize (&out, text, strlen (text), &options));
  g_assert_cmpmem (out.data, out.len, "before{\"value\":[{\"value\":2}]}", 29);
}

/* Nothing is cut out of a text that turns out to be none at its end. */
static void
test_not_json (void)
{
  const LsobsSanitizeOptions options = { .redactor = NULL };
  const char *text = "{\"a\":1,\"a\":2} x";
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  g_assert_false (_lsobs_json_sanitize (&out, text, strlen (text), &options));
  g_assert_cmpmem (out.data, out.len, "\"{\\\"a\\\":1,\\\"a\\\":2} x\"", 21);
}

static void
test_hidden (void)
{
  g_autoptr (LsobsRedactor) redactor = test_redactor_new ("telltale", "#", NULL);
  const char *text =
      "{\"password\":\"telltale\",\"a\":\"telltale 1\",\"Password\":{\"x\":1,\"x\":2},"
      "\"pass\\u0077ord\":[\"telltale\"],\"a\":\"telltale 2\"}";
  g_autofree char *result = NULL;

  _lsobs_redactor_add_key (redactor, "password");
  result = walk (text, strlen (text), redactor);
  g_assert_cmpstr (result, ==,
                   "{\"Password\":\"[REDACTED]\",\"password\":\"[REDACTED]\",\"a\":\"# 2\"}");
}

/* No name is there twice. */
static void
assert_strict (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = wire_json_parse (text, strlen (text), &error);

  g_assert_no_error (error);
  g_assert_nonnull (node);
}

/* What lies too deep is not written, and so has no names. */
static void
test_deep (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *result = NULL;

  for (guint i = 0; i < 200; i++)
    g_string_append (text, "{\"a\":0,\"a\":");
  g_string_append (text, "1");
  for (guint i = 0; i < 200; i++)
    g_string_append (text, ",\"b\":2,\"b\":3}");
  result = walk (text->str, text->len, NULL);
  assert_strict (result);
}

/* Random documents */

static const char *const names[] = { "a", "b", "ab", "ba", "", "\xc3\xa9", "x/y", "q\"", "n\n" };

static void
append_name (GString *text, GRand *random, const char *name)
{
  g_string_append_c (text, '"');
  for (const char *p = name; *p != '\0'; p = g_utf8_next_char (p))
    if (*p == '"' || (guchar) *p < 0x20 || g_rand_int_range (random, 0, 6) == 0)
      g_string_append_printf (text, "\\u%04x", g_utf8_get_char (p));
    else
      g_string_append_unichar (text, g_utf8_get_char (p));
  g_string_append_c (text, '"');
}

static JsonNode *append_value (GString *text, GRand *random, guint depth);

static JsonNode *
append_object (GString *text, GRand *random, guint depth)
{
  g_autoptr (JsonObject) object = json_object_new ();
  guint n_members = (guint) g_rand_int_range (random, 0, g_rand_boolean (random) ? 5 : 30);
  guint n_names = n_members < 5 ? 4 : 40;

  g_string_append_c (text, '{');
  for (guint i = 0; i < n_members; i++)
    {
      guint number = (guint) g_rand_int_range (random, 0, (gint) n_names);
      g_autofree char *name = number < G_N_ELEMENTS (names) ? g_strdup (names[number])
                                                            : g_strdup_printf ("k%u", number);

      if (i > 0)
        g_string_append_c (text, ',');
      append_name (text, random, name);
      g_string_append_c (text, ':');
      json_object_set_member (object, name, append_value (text, random, depth));
    }
  g_string_append_c (text, '}');
  return json_node_init_object (json_node_alloc (), object);
}

/* Returns: (transfer full): what a reader makes of it that takes the last of several
 * members */
static JsonNode *
append_value (GString *text, GRand *random, guint depth)
{
  gint kind = depth > 0 ? g_rand_int_range (random, 0, 8) : 0;
  gint number = g_rand_int_range (random, -100, 100);

  if (kind >= 3)
    return append_object (text, random, depth - 1);
  if (kind > 0)
    {
      g_autoptr (JsonArray) array = json_array_new ();

      g_string_append_c (text, '[');
      for (gint i = 0; i < kind; i++)
        {
          if (i > 0)
            g_string_append_c (text, ',');
          json_array_add_element (array, append_value (text, random, depth - 1));
        }
      g_string_append_c (text, ']');
      return json_node_init_array (json_node_alloc (), array);
    }
  g_string_append_printf (text, "%d", number);
  return json_node_init_int (json_node_alloc (), number);
}

static void
test_random (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (20);

  for (guint i = 0; i < 2000; i++)
    {
      g_autoptr (GString) text = g_string_new (NULL);
      g_autoptr (JsonNode) expected = append_value (text, random, 1 + i % 4);
      g_autofree char *result = walk (text->str, text->len, NULL);
      g_autoptr (JsonNode) node = NULL;
      g_autoptr (GError) error = NULL;

      /* It takes no name twice. */
      node = wire_json_parse (result, strlen (result), &error);
      g_assert_no_error (error);
      g_assert_true (json_node_equal (node, expected));
    }
}

/* Time */

static void
append_member (GString *text, const char *kind, guint i, guint n)
{
  if (i > 0)
    g_string_append_c (text, ',');
  if (strcmp (kind, "same") == 0)
    g_string_append_printf (text, "\"a\":%u", i);
  else if (strcmp (kind, "alternating") == 0)
    g_string_append_printf (text, "\"%c\":%u", i % 2 == 0 ? 'a' : 'b', i);
  else if (strcmp (kind, "halves") == 0)
    g_string_append_printf (text, "\"k%u\":%u", i % (n / 2), i);
  else if (strcmp (kind, "nested") == 0)
    g_string_append_printf (text, "\"a\":{\"b\":%u,\"b\":[{\"c\":1,\"c\":2}]}", i);
  else
    g_string_append_printf (text, "\"k%u\":%u", i, i);
}

static gint64
measure (gpointer kind, guint n)
{
  g_autoptr (GString) text = g_string_new ("{");
  g_autofree char *result = NULL;
  gint64 start;

  for (guint i = 0; i < n; i++)
    append_member (text, kind, i, n);
  g_string_append_c (text, '}');
  start = cost_now ();
  result = walk (text->str, text->len, NULL);
  return cost_now () - start;
}

static void
test_linear (gconstpointer kind)
{
  cost_assert_linear (measure, (gpointer) kind, 25000);
}

int
main (int argc, char **argv)
{
  static const char *const kinds[] = { "same", "alternating", "halves", "nested", "different" };

  g_test_init (&argc, &argv, NULL);
  g_test_summary ("Of several members of an object with one name the last is left.");

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_strconcat ("/json-names/", rows[i].name, NULL);

      g_test_add_data_func (path, &rows[i], test_row);
    }
  g_test_add_func ("/json-names/wrapped", test_wrapped);
  g_test_add_func ("/json-names/not-json", test_not_json);
  g_test_add_func ("/json-names/hidden", test_hidden);
  g_test_add_func ("/json-names/deep", test_deep);
  g_test_add_func ("/json-names/random", test_random);
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autofree char *path = g_strconcat ("/json-names/linear/", kinds[i], NULL);

      g_test_add_data_func (path, kinds[i], test_linear);
    }
  return g_test_run ();
}
