/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-json-merge-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"
#include "tests/lib/wire.h"

typedef struct
{
  const char *name;
  const char *base;
  const char *over;
  const char *expected;
} Row;

static const Row rows[] = {
  { "empty", "{}", "{}", "{}" },
  { "base-only", "{\"a\":1}", "{}", "{\"a\":1}" },
  { "over-only", "{}", "{\"a\":1}", "{\"a\":1}" },
  { "both", "{\"a\":1,\"b\":2}", "{\"c\":3}", "{\"a\":1,\"b\":2,\"c\":3}" },
  { "replaced", "{\"a\":1,\"b\":2}", "{\"a\":\"x\"}", "{\"a\":\"x\",\"b\":2}" },
  { "null-replaces", "{\"a\":{\"b\":1}}", "{\"a\":null}", "{\"a\":null}" },
  { "recursive", "{\"a\":{\"b\":{\"x\":1},\"c\":2}}", "{\"a\":{\"b\":{\"y\":3}}}",
    "{\"a\":{\"b\":{\"x\":1,\"y\":3},\"c\":2}}" },
  { "arrays-replaced", "{\"a\":[1,2,{\"b\":3}]}", "{\"a\":[{\"c\":4}]}", "{\"a\":[{\"c\":4}]}" },
  { "object-over-array", "{\"a\":[1]}", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}" },
  { "array-over-object", "{\"a\":{\"b\":1}}", "{\"a\":[]}", "{\"a\":[]}" },
  { "empty-object-keeps", "{\"a\":{\"b\":1}}", "{\"a\":{}}", "{\"a\":{\"b\":1}}" },
  { "brackets-in-strings", "{\"a\":\"}],{\\\"\",\"b\":[\"]\",\"\\\\\"]}",
    "{\"c}\":\"{\",\"a\":\"\\\\\"}", "{\"a\":\"\\\\\",\"b\":[\"]\",\"\\\\\"],\"c}\":\"{\"}" },
  { "empty-key", "{\"\":1}", "{\"\":{\"\":2}}", "{\"\":{\"\":2}}" },
  { "spaces", " { \"a\" : { \"b\" : 1 } , \"c\" : 2 } ", "\n{\t\"a\" : {\"d\":3}}",
    "{\"a\":{\"b\":1,\"d\":3},\"c\":2}" },
  { "prefix-of-key", "{\"ab\":1,\"a\":2}", "{\"abc\":3,\"a\":4}", "{\"ab\":1,\"a\":4,\"abc\":3}" },
  { "many", "{\"0\":0,\"1\":1,\"2\":2,\"3\":3,\"4\":4,\"5\":5,\"6\":6,\"7\":7,\"8\":8,\"9\":9}",
    "{\"9\":\"n\",\"x\":1,\"1\":\"o\",\"y\":2,\"a\":3,\"b\":4,\"c\":5,\"d\":6,\"e\":7,\"f\":8}",
    "{\"0\":0,\"1\":\"o\",\"2\":2,\"3\":3,\"4\":4,\"5\":5,\"6\":6,\"7\":7,\"8\":8,\"9\":\"n\",\"x\":1,"
    "\"y\":2,\"a\":3,\"b\":4,\"c\":5,\"d\":6,\"e\":7,\"f\":8}" },
  /* No object: there is nothing to merge. */
  { "over-no-object", "{\"a\":1}", "7", "7" },
  { "base-no-object", "[1]", "{\"a\":1}", "{\"a\":1}" },
  { "broken-base", "{\"a\":", "{\"b\":1}", "{\"b\":1}" },
  { "broken-key", "{\"a", "{\"b\":1}", "{\"b\":1}" },
  { "broken-escape", "{\"a\\", "{\"b\":1}", "{\"b\":1}" },
  { "broken-nested", "{\"a\":[{]", "{\"b\":1}", "{\"b\":1}" },
  { "no-colon", "{\"a\"1}", "{\"b\":1}", "{\"b\":1}" },
  { "no-comma", "{\"a\":1\"b\":2}", "{\"b\":1}", "{\"b\":1}" },
  { "no-value", "{\"a\":,\"c\":1}", "{\"b\":1}", "{\"b\":1}" },
  { "trailing", "{} {}", "{\"b\":1}", "{\"b\":1}" },
  { "nothing", "", "", "" },
};

static void
test_row (gconstpointer data)
{
  const Row *row = data;
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  _lsobs_json_merge (&out, row->base, strlen (row->base), row->over, strlen (row->over));
  g_assert_cmpmem (out.data, out.len, row->expected, strlen (row->expected));
}

static GBytes *
take_bytes (char *text)
{
  return g_bytes_new_take (text, strlen (text));
}

static char *
merge_texts (char *base, char *over)
{
  g_autoptr (GBytes) base_bytes = take_bytes (base);
  g_autoptr (GBytes) over_bytes = take_bytes (over);
  g_autoptr (GBytes) merged = _lsobs_json_merge_bytes (base_bytes, over_bytes);
  gsize len;
  const char *text = g_bytes_get_data (merged, &len);

  return g_strndup (text, len);
}

static void
test_bytes (void)
{
  g_autoptr (GBytes) some = g_bytes_new_static ("{\"a\":1}", 7);
  g_autoptr (GBytes) same = _lsobs_json_merge_bytes (some, some);
  g_autoptr (GBytes) base = _lsobs_json_merge_bytes (some, NULL);
  g_autoptr (GBytes) over = _lsobs_json_merge_bytes (NULL, some);

  g_assert_true (same == some);
  g_assert_true (base == some);
  g_assert_true (over == some);
  g_assert_null (_lsobs_json_merge_bytes (NULL, NULL));
}

/* Objects in objects, a tree of the same names. */
static JsonNode *
random_tree (guint depth)
{
  static const char *const keys[] = { "a", "b", "c", "d e", "\"", "\\", "\xc3\xa4", "" };
  JsonNode *node;
  JsonObject *object;

  if (depth == 0 || g_test_rand_int_range (0, 4) == 0)
    return g_test_rand_bit () ? json_node_init_int (json_node_alloc (), g_test_rand_int ())
                              : json_node_init_string (json_node_alloc (), "}\"{[\\");
  object = json_object_new ();
  for (gint i = g_test_rand_int_range (0, 12); i > 0; i--)
    {
      g_autofree char *key =
          g_strdup_printf ("%s%d", keys[g_test_rand_int_range (0, G_N_ELEMENTS (keys))],
                           g_test_rand_int_range (0, 3));

      json_object_set_member (object, key, random_tree (depth - 1));
    }
  node = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (node, object);
  return node;
}

/* The same by trees. */
static void
merge_trees (JsonObject *base, JsonObject *over)
{
  JsonObjectIter iter;
  const char *key;
  JsonNode *value;

  json_object_iter_init_ordered (&iter, over);
  while (json_object_iter_next_ordered (&iter, &key, &value))
    {
      JsonNode *known = json_object_get_member (base, key);

      if (known != NULL && JSON_NODE_HOLDS_OBJECT (known) && JSON_NODE_HOLDS_OBJECT (value))
        merge_trees (json_node_get_object (known), json_node_get_object (value));
      else
        json_object_set_member (base, key, json_node_copy (value));
    }
}

static void
test_random (void)
{
  for (guint i = 0; i < 500; i++)
    {
      g_autoptr (JsonNode) base = random_tree (4);
      g_autoptr (JsonNode) over = random_tree (4);
      g_autofree char *merged = NULL;
      g_autofree char *expected = NULL;
      g_autofree char *got = NULL;
      g_autoptr (JsonNode) parsed = NULL;

      if (!JSON_NODE_HOLDS_OBJECT (base) || !JSON_NODE_HOLDS_OBJECT (over))
        continue;
      merged = merge_texts (json_to_string (base, FALSE), json_to_string (over, FALSE));
      parsed = json_from_string (merged, NULL);
      g_assert_nonnull (parsed);
      merge_trees (json_node_get_object (base), json_node_get_object (over));
      expected = wire_json_canonical (base);
      got = wire_json_canonical (parsed);
      g_assert_cmpstr (got, ==, expected);
    }
}

/* As deep as our own writer goes, and deeper: it ends, and what is written is JSON. */
static void
test_deep (void)
{
  for (guint depth = LSOBS_JSON_MAX_DEPTH - 2; depth < LSOBS_JSON_MAX_DEPTH + 3; depth++)
    {
      g_autoptr (GString) base = g_string_new ("0");
      g_autoptr (GString) over = g_string_new ("0");
      g_autofree char *merged = NULL;
      g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

      for (guint i = 0; i < depth; i++)
        {
          g_string_prepend (base, "{\"a\":");
          g_string_append (base, ",\"base\":1}");
          g_string_prepend (over, "{\"a\":");
          g_string_append (over, ",\"over\":1}");
        }
      merged = merge_texts (g_strdup (base->str), g_strdup (over->str));
      g_assert_true (_lsobs_json_sanitize (&out, merged, strlen (merged),
                                           &(LsobsSanitizeOptions){ .redactor = NULL }));
      g_assert_true (g_str_has_suffix (merged, ",\"base\":1,\"over\":1}"));
    }
}

/* Linear: half a million names that are alike in both, and a million brackets. */
static void
test_large (void)
{
  const guint n = 500000;
  g_autoptr (GString) base = g_string_new ("{");
  g_autoptr (GString) over = g_string_new ("{");
  g_autofree char *open = g_strnfill (1000000, '[');
  g_autofree char *merged = NULL;

  for (guint i = 0; i < n; i++)
    {
      g_string_append_printf (base, "\"key-%u\":%u,", i, i);
      g_string_append_printf (over, "\"key-%u\":1,", n - i);
    }
  g_string_append_printf (base, "\"end\":%s", open);
  memset (open, ']', 1000000);
  g_string_append_printf (base, "%s}", open);
  g_string_append (over, "\"end\":1}");
  merged = merge_texts (g_strdup (base->str), g_strdup (over->str));
  g_assert_true (g_str_has_prefix (merged, "{\"key-0\":0,\"key-1\":1,"));
  g_assert_true (g_str_has_suffix (merged, "\"end\":1,\"key-500000\":1}"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("Two objects of JSON text are merged.");

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_strdup_printf ("/json-merge/%s", rows[i].name);

      g_test_add_data_func (path, &rows[i], test_row);
    }
  g_test_add_func ("/json-merge/bytes", test_bytes);
  g_test_add_func ("/json-merge/random", test_random);
  g_test_add_func ("/json-merge/deep", test_deep);
  g_test_add_func ("/json-merge/large", test_large);
  return g_test_run ();
}
