/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the annotations of a run keep, wherever it lies: behind them, in a slab of its own, or elsewhere. */

#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-slab-private.h"
#include "lsobs/lsobs.h"
#include "lsobs/model/lsobs-annotations-private.h"

/* The lengths of values: those of the usual size, those that lie elsewhere, and some beyond the stack. */
#define MAX_LEN 400

static gboolean
put (LsobsAnnotations *annotations, const char *key, const char *value, gboolean inherited)
{
  char room[64];
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT_LENT (room);

  _lsobs_buffer_append_str (&text, value);
  return _lsobs_annotations_set_metadata_text_unlocked (annotations, key, &text, inherited);
}

/* Returns (transfer full): a JSON string of @len bytes */
static char *
make_value (guint len, char letter)
{
  char *value = g_strnfill (len, letter);

  value[0] = value[len - 1] = '"';
  return value;
}

static void
assert_metadata (LsobsAnnotations *annotations, const char *expected)
{
  g_autoptr (GBytes) metadata = _lsobs_annotations_write_metadata_unlocked (annotations);

  g_assert_cmpmem (g_bytes_get_data (metadata, NULL), g_bytes_get_size (metadata), expected,
                   strlen (expected));
}

/* A value is replaced by a shorter one, one of its size, and a longer one, beside another that stays. */
static void
test_replace (void)
{
  g_autoptr (LsobsAnnotations) annotations = _lsobs_annotations_new ();
  gsize fixed = 0;

  g_assert_true (put (annotations, "a", "1", FALSE));
  for (guint i = 2; i < 2 * MAX_LEN; i++)
    {
      /* 2, 399, 4, 397, … */
      g_autofree char *value = make_value (i % 2 == 0 ? MAX (i / 2, 2) : MAX_LEN - i / 2 + 1, 'x');
      g_autofree char *expected = g_strdup_printf ("{\"a\":1,\"b\":%s,\"c\":2}", value);

      g_assert_true (put (annotations, "b", value, FALSE));
      g_assert_true (put (annotations, "c", "2", FALSE));
      assert_metadata (annotations, expected);
      if (fixed == 0)
        fixed = annotations->n_bytes - strlen (value);
      g_assert_cmpuint (annotations->n_bytes, ==, fixed + strlen (value));
      g_assert_cmpuint (annotations->room_used, <=, LSOBS_SLAB_SIZE - sizeof *annotations);
    }
}

/* As many as there may be, with values of all lengths; and each of them again. */
static void
test_many (void)
{
  g_autoptr (LsobsAnnotations) annotations = _lsobs_annotations_new ();

  for (guint round = 0; round < 2; round++)
    {
      g_autoptr (GString) expected = g_string_new (NULL);

      for (guint i = 0; i < LSOBS_MAX_ANNOTATIONS; i++)
        {
          g_autofree char *key = g_strdup_printf ("key-%u", i);
          g_autofree char *value = make_value (2 + (i * 7 + round) % MAX_LEN, (char) ('p' + round));

          g_assert_true (put (annotations, key, value, FALSE));
          g_string_append_printf (expected, "%c\"%s\":%s", i == 0 ? '{' : ',', key, value);
        }
      g_string_append_c (expected, '}');
      assert_metadata (annotations, expected->str);
    }
  g_assert_false (put (annotations, "one more", "1", FALSE));
}

/* A child has values of its own, whatever happens to those of its parent. */
static void
test_inherit (void)
{
  LsobsAnnotations *parent = _lsobs_annotations_new ();
  g_autoptr (LsobsAnnotations) child = _lsobs_annotations_new ();
  g_autofree char *large = make_value (MAX_LEN, 'l');
  g_autofree char *expected = g_strdup_printf ("{\"short\":12,\"large\":%s}", large);

  g_assert_true (put (parent, "own", "0", FALSE));
  g_assert_true (put (parent, "short", "12", TRUE));
  g_assert_true (put (parent, "large", large, TRUE));
  _lsobs_annotations_inherit_unlocked (child, parent);
  g_assert_true (put (parent, "short", "34", TRUE));
  g_assert_true (put (parent, "large", "\"x\"", TRUE));
  _lsobs_annotations_unref (parent);
  assert_metadata (child, expected);
}

/* What does not fit changes nothing, also where it would replace something. */
static void
test_full (void)
{
  g_autoptr (LsobsAnnotations) annotations = _lsobs_annotations_new ();
  g_autofree char *huge = make_value (LSOBS_MAX_ANNOTATION_BYTES, 'h');
  gsize n_bytes;

  g_assert_true (put (annotations, "a", "1", FALSE));
  n_bytes = annotations->n_bytes;
  g_assert_false (put (annotations, "a", huge, FALSE));
  g_assert_false (put (annotations, "b", huge, FALSE));
  g_assert_cmpuint (annotations->n_bytes, ==, n_bytes);
  assert_metadata (annotations, "{\"a\":1}");
  g_assert_true (put (annotations, "b", "2", FALSE));
  assert_metadata (annotations, "{\"a\":1,\"b\":2}");
}

static void
test_merge (void)
{
  g_autoptr (LsobsAnnotations) annotations = _lsobs_annotations_new ();

  g_assert_true (put (annotations, "a", "{\"x\":1}", FALSE));
  g_assert_true (_lsobs_annotations_merge_metadata_unlocked (
      annotations, "a", g_bytes_new_static ("{\"y\":2}", strlen ("{\"y\":2}"))));
  assert_metadata (annotations, "{\"a\":{\"x\":1,\"y\":2}}");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/annotations/replace", test_replace);
  g_test_add_func ("/annotations/many", test_many);
  g_test_add_func ("/annotations/inherit", test_inherit);
  g_test_add_func ("/annotations/full", test_full);
  g_test_add_func ("/annotations/merge", test_merge);
  return g_test_run ();
}
