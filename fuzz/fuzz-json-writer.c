/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The writer, and the merging of objects: nodes are made of the bytes, and what is written is
 * strict JSON with the same value. The first byte limits the text, if it is not 0. */

#include "config.h"

#include <math.h>

#include "fuzz/fuzz.h"
#include "fuzz/strict-json.h"
#include "lsobs/text/lsobs-json-merge-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* Of the nodes that are made. */
#define MAX_DEPTH 200

/* --- nodes --- */

static JsonNode *make_node (FuzzInput *input, guint depth);

static JsonNode *
make_double (FuzzInput *input)
{
  guint64 bits = fuzz_input_take_uint64 (input);
  double value;

  memcpy (&value, &bits, sizeof value);
  return json_node_init_double (json_node_alloc (), value);
}

static JsonNode *
make_string (FuzzInput *input)
{
  g_autofree char *text = fuzz_input_take_text (input, fuzz_input_take_byte (input));

  return json_node_init_string (json_node_alloc (), text);
}

static JsonNode *
make_array (FuzzInput *input, guint n, guint depth)
{
  g_autoptr (JsonArray) array = json_array_new ();

  for (guint i = 0; i < n && input->len > 0; i++)
    json_array_add_element (array, make_node (input, depth + 1));
  return json_node_init_array (json_node_alloc (), array);
}

static JsonNode *
make_object (FuzzInput *input, guint n, guint depth)
{
  g_autoptr (JsonObject) object = json_object_new ();

  for (guint i = 0; i < n && input->len > 0; i++)
    {
      g_autofree char *name = fuzz_input_take_text (input, fuzz_input_take_byte (input) % 24);

      json_object_set_member (object, name, make_node (input, depth + 1));
    }
  return json_node_init_object (json_node_alloc (), object);
}

/* @depth: the number of nodes around it
 * Returns: (transfer full) */
static JsonNode *
make_node (FuzzInput *input, guint depth)
{
  guint8 choice = fuzz_input_take_byte (input);

  if (depth >= MAX_DEPTH)
    choice = choice % 6;
  switch (choice % 12)
    {
    case 0:
      return json_node_init_null (json_node_alloc ());
    case 1:
      return json_node_init_boolean (json_node_alloc (), (choice & 0x80) != 0);
    case 2:
      return json_node_init_int (json_node_alloc (), (gint64) fuzz_input_take_uint64 (input));
    case 3:
      return make_double (input);
    case 4:
      return json_node_init_double (json_node_alloc (),
                                    (double) fuzz_input_take_byte (input) / 100);
    case 5:
      return json_node_init_string (json_node_alloc (), NULL);
    case 6:
      return json_node_new (choice & 0x80 ? JSON_NODE_OBJECT : JSON_NODE_ARRAY);
    case 7:
      return make_array (input, 1, depth);
    case 8:
      return make_array (input, fuzz_input_take_byte (input), depth);
    case 9:
    case 10:
      return make_object (input, fuzz_input_take_byte (input), depth);
    default:
      return make_string (input);
    }
}

/* --- what is written --- */

static void assert_written (JsonNode *node, const StrictValue *out, guint depth);

static void
assert_written_scalar (JsonNode *node, const StrictValue *out)
{
  GType type = json_node_get_value_type (node);
  g_autofree char *whole = NULL;

  if (type == G_TYPE_BOOLEAN)
    {
      g_assert_cmpint (out->kind, ==, json_node_get_boolean (node) ? STRICT_TRUE : STRICT_FALSE);
    }
  else if (type == G_TYPE_INT64)
    {
      whole = g_strdup_printf ("%" G_GINT64_FORMAT, json_node_get_int (node));
      g_assert_cmpint (out->kind, ==, STRICT_WHOLE);
      g_assert_cmpstr (out->text->str, ==, whole);
    }
  else if (type == G_TYPE_DOUBLE && isfinite (json_node_get_double (node)))
    {
      double in = json_node_get_double (node);
      double read;

      g_assert_cmpint (out->kind, ==, STRICT_REAL);
      read = g_ascii_strtod (out->text->str, NULL);
      /* the same bits: the sign of a zero counts */
      g_assert_cmpmem (&read, sizeof read, &in, sizeof in);
    }
  else if (type == G_TYPE_STRING && json_node_get_string (node) != NULL)
    {
      g_assert_cmpint (out->kind, ==, STRICT_STRING);
      if (g_utf8_validate (json_node_get_string (node), -1, NULL))
        g_assert_true (strict_value_is_text (out, json_node_get_string (node)));
    }
  else
    {
      g_assert_cmpint (out->kind, ==, STRICT_NULL);
    }
}

static void
assert_written_object (JsonObject *object, const StrictValue *out, guint depth)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *member;
  guint i = 0;

  /* Two names may be the same after repair. */
  json_object_iter_init (&iter, object);
  while (json_object_iter_next (&iter, &name, &member))
    if (!g_utf8_validate (name, -1, NULL))
      return;
  g_assert_cmpuint (out->names->len, ==, json_object_get_size (object));
  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &name, &member))
    {
      g_assert_true (strict_value_is_text (g_ptr_array_index (out->names, i), name));
      assert_written (member, g_ptr_array_index (out->items, i), depth + 1);
      i++;
    }
}

static void
assert_written (JsonNode *node, const StrictValue *out, guint depth)
{
  JsonObject *object = _lsobs_json_peek_object (node);
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (JSON_NODE_HOLDS_VALUE (node))
    {
      assert_written_scalar (node, out);
    }
  else if (object == NULL && array == NULL)
    {
      g_assert_cmpint (out->kind, ==, STRICT_NULL);
    }
  else if (depth >= LSOBS_JSON_MAX_DEPTH)
    {
      g_assert_true (strict_value_is_text (out, LSOBS_JSON_DEPTH_LIMIT));
    }
  else if (object != NULL)
    {
      g_assert_cmpint (out->kind, ==, STRICT_OBJECT);
      assert_written_object (object, out, depth);
    }
  else
    {
      g_assert_cmpint (out->kind, ==, STRICT_ARRAY);
      g_assert_cmpuint (out->items->len, ==, json_array_get_length (array));
      for (guint i = 0; i < out->items->len; i++)
        assert_written (json_array_get_element (array, i), g_ptr_array_index (out->items, i),
                        depth + 1);
    }
}

/* The writer copies bytes that are not UTF-8; the sanitizer repairs them before anything is sent.
 * Returns: (transfer full): what the text means */
static StrictValue *
read_strict (const LsobsBuffer *text)
{
  const LsobsSanitizeOptions repair = { .redactor = NULL };
  g_auto (LsobsBuffer) walked = LSOBS_BUFFER_INIT;
  g_autoptr (StrictValue) repaired = NULL;
  StrictFlaws flaws;
  StrictValue *value = strict_value_read (text->data, text->len, &flaws);

  g_assert_nonnull (value);
  if ((flaws & STRICT_FLAW_UTF8) == 0)
    g_assert_cmpint (flaws, ==, 0);
  g_assert_true (_lsobs_json_sanitize (&walked, text->data, text->len, &repair));
  repaired = strict_value_read (walked.data, walked.len, &flaws);
  g_assert_nonnull (repaired);
  g_assert_cmpint (flaws, ==, 0);
  return value;
}

/* --- merging --- */

static void
assert_merged (const StrictValue *base, const StrictValue *over, const StrictValue *out)
{
  g_assert_cmpint (out->kind, ==, over->kind);
  if (base->kind != STRICT_OBJECT || over->kind != STRICT_OBJECT)
    {
      if (over->text != NULL)
        g_assert_true (g_string_equal (out->text, over->text));
      if (over->items != NULL)
        g_assert_cmpuint (out->items->len, ==, over->items->len);
      return;
    }
  for (guint i = 0; i < out->names->len; i++)
    {
      const char *name = ((StrictValue *) g_ptr_array_index (out->names, i))->text->str;
      const StrictValue *in_base = strict_value_find (base, name);
      const StrictValue *in_over = strict_value_find (over, name);
      const StrictValue *value = g_ptr_array_index (out->items, i);

      g_assert_true (in_base != NULL || in_over != NULL);
      if (in_base != NULL && in_over != NULL)
        assert_merged (in_base, in_over, value);
      else
        g_assert_cmpint (value->kind, ==, in_over != NULL ? in_over->kind : in_base->kind);
    }
  for (guint i = 0; i < base->names->len + over->names->len; i++)
    {
      const StrictValue *name = i < base->names->len
                                    ? g_ptr_array_index (base->names, i)
                                    : g_ptr_array_index (over->names, i - base->names->len);

      g_assert_nonnull (strict_value_find (out, name->text->str));
    }
}

static void
check_merge (const LsobsBuffer *base, const LsobsBuffer *over)
{
  g_auto (LsobsBuffer) merged = LSOBS_BUFFER_INIT;
  g_autoptr (StrictValue) base_value = NULL;
  g_autoptr (StrictValue) over_value = NULL;
  g_autoptr (StrictValue) out = NULL;
  StrictFlaws base_flaws;
  StrictFlaws over_flaws;
  StrictFlaws flaws;

  base_value = strict_value_read (base->data, base->len, &base_flaws);
  over_value = strict_value_read (over->data, over->len, &over_flaws);
  _lsobs_json_merge (&merged, base->data, base->len, over->data, over->len);
  out = strict_value_read (merged.data, merged.len, &flaws);
  g_assert_nonnull (out);
  if (base_flaws != 0 || over_flaws != 0)
    return;
  g_assert_cmpint (flaws, ==, 0);
  assert_merged (base_value, over_value, out);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  FuzzInput input = { data, size };
  guint8 limit = fuzz_input_take_byte (&input);
  gsize max_bytes = limit > 0 ? (gsize) limit * 4 : G_MAXSIZE;
  g_autoptr (JsonNode) node = make_node (&input, 0);
  g_autoptr (JsonNode) other = make_node (&input, 0);
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  g_auto (LsobsBuffer) over = LSOBS_BUFFER_INIT;
  g_autoptr (StrictValue) value = NULL;

  _lsobs_buffer_append_c (&over, '!');
  if (_lsobs_json_write_node (&over, node, max_bytes))
    g_assert_cmpuint (over.len - 1, <=, max_bytes);
  else
    g_assert_cmpuint (over.len, ==, 1);

  g_assert_true (_lsobs_json_write_node (&text, node, G_MAXSIZE));
  g_assert_cmpint (over.len == 1, ==, text.len > max_bytes);
  value = read_strict (&text);
  assert_written (node, value, 0);

  _lsobs_buffer_truncate (&over, 0);
  g_assert_true (_lsobs_json_write_node (&over, other, G_MAXSIZE));
  check_merge (&text, &over);
  return 0;
}
