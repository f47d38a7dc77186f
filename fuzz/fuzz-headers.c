/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The headers of a request that comes in: the first line is "langsmith-trace", the rest "baggage".
 * What is read is within bounds, and is the same when it was written and read again. */

#include "config.h"

#include "fuzz/fuzz.h"
#include "fuzz/strict-json.h"
#include "lsobs/model/lsobs-propagation-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* Of the metadata and of the tags that are taken. */
#define MAX_ANNOTATIONS 100

static void
assert_segments (GArray *segments)
{
  gint64 not_before = 0;

  g_assert_cmpuint (segments->len, >=, 1);
  g_assert_cmpuint (segments->len, <=, LSOBS_MAX_REMOTE_DEPTH);
  for (guint i = 0; i < segments->len; i++)
    {
      const LsobsSegment *segment = &g_array_index (segments, LsobsSegment, i);

      g_assert_cmpint (segment->start_time, >=, not_before);
      g_assert_cmpint (segment->start_time, <=, LSOBS_MAX_TIME);
      not_before = segment->start_time;
    }
}

static void
assert_parent (const LsobsRemoteParent *parent)
{
  assert_segments (parent->segments);
  if (parent->metadata != NULL)
    g_assert_cmpuint (json_object_get_size (parent->metadata), <=, MAX_ANNOTATIONS);
  for (guint i = 0; parent->tags != NULL && i < parent->tags->len; i++)
    {
      const char *tag = g_ptr_array_index (parent->tags, i);

      g_assert_cmpuint (i, <, MAX_ANNOTATIONS);
      g_assert_cmpint (*tag, !=, '\0');
      g_assert_null (strchr (tag, ','));
      g_assert_true (g_utf8_validate (tag, -1, NULL));
    }
  if (parent->target != NULL)
    g_assert_true (g_utf8_validate (parent->target->name, -1, NULL));
}

/* Returns: (transfer full) */
static char *
write_trace (GArray *segments)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < segments->len; i++)
    {
      /* The writer appends no NUL. */
      char segment[LSOBS_SEGMENT_LEN + 1] = { 0 };

      _lsobs_segment_write (&g_array_index (segments, LsobsSegment, i), segment);
      g_string_append_printf (text, "%s%s", i > 0 ? "." : "", segment);
    }
  return g_string_free (text, FALSE);
}

static void
add_metadatum (LsobsBaggage *baggage, const char *name, JsonNode *value, gboolean *fits)
{
  g_auto (LsobsBuffer) member = LSOBS_BUFFER_INIT;

  _lsobs_json_write_string (&member, name, strlen (name));
  _lsobs_buffer_append_c (&member, ':');
  g_assert_true (_lsobs_json_write_node (&member, value, G_MAXSIZE));
  *fits = _lsobs_baggage_add_metadatum (baggage, member.data, member.len) && *fits;
}

/* @fits: (out): everything was written
 * Returns: (transfer full) (nullable) */
static char *
write_baggage (const LsobsRemoteParent *parent, gboolean *fits)
{
  g_auto (LsobsBaggage) baggage = LSOBS_BAGGAGE_INIT (LSOBS_MAX_BAGGAGE_BYTES);
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;

  *fits = TRUE;
  if (parent->target != NULL)
    *fits = _lsobs_baggage_set_target (&baggage, parent->target);
  if (parent->metadata != NULL)
    {
      json_object_iter_init_ordered (&iter, parent->metadata);
      while (json_object_iter_next_ordered (&iter, &name, &value))
        add_metadatum (&baggage, name, value, fits);
    }
  for (guint i = 0; parent->tags != NULL && i < parent->tags->len; i++)
    *fits = _lsobs_baggage_add_tag (&baggage, g_ptr_array_index (parent->tags, i)) && *fits;
  return _lsobs_baggage_write (&baggage);
}

static void
assert_same_metadata (JsonObject *a, JsonObject *b)
{
  g_autoptr (JsonNode) node_a = json_node_init_object (json_node_alloc (), a);
  g_autoptr (JsonNode) node_b = json_node_init_object (json_node_alloc (), b);

  g_assert_true (json_node_equal (node_a, node_b));
}

static void
assert_same (const LsobsRemoteParent *a, const LsobsRemoteParent *b)
{
  g_assert_cmpmem (a->segments->data, a->segments->len * sizeof (LsobsSegment), b->segments->data,
                   b->segments->len * sizeof (LsobsSegment));
  g_assert_true (a->target == b->target || (a->target != NULL && b->target != NULL &&
                                            _lsobs_target_equal (a->target, b->target)));
  if (a->metadata != NULL && json_object_get_size (a->metadata) > 0)
    {
      g_assert_nonnull (b->metadata);
      assert_same_metadata (a->metadata, b->metadata);
    }
  g_assert_cmpint (a->tags != NULL, ==, b->tags != NULL);
  for (guint i = 0; a->tags != NULL && i < a->tags->len; i++)
    g_assert_cmpstr (g_ptr_array_index (a->tags, i), ==, g_ptr_array_index (b->tags, i));
}

/* A header holds printable ASCII only. */
static void
assert_header (const char *text, gsize max_bytes)
{
  g_assert_cmpuint (strlen (text), <=, max_bytes);
  for (; *text != '\0'; text++)
    g_assert_true (g_ascii_isgraph (*text));
}

static void
check_round_trip (const LsobsRemoteParent *parent)
{
  g_autofree char *trace = write_trace (parent->segments);
  gboolean fits;
  g_autofree char *baggage = write_baggage (parent, &fits);
  g_autoptr (LsobsRemoteParent) again = NULL;

  assert_header (trace, LSOBS_MAX_HEADER_BYTES);
  if (baggage != NULL)
    assert_header (baggage, LSOBS_MAX_BAGGAGE_BYTES);
  again = _lsobs_remote_parent_parse (trace, baggage);
  g_assert_nonnull (again);
  if (fits)
    assert_same (parent, again);
}

/* No item of a client of LangSmith is left, and the rest is left alone the second time. */
static void
check_other (const char *baggage)
{
  g_autofree char *other = _lsobs_baggage_dup_other (baggage);
  g_autofree char *again = NULL;
  g_auto (GStrv) items = NULL;

  if (other == NULL)
    return;
  items = g_strsplit (other, ",", 0);
  for (guint i = 0; items[i] != NULL; i++)
    g_assert_cmpint (g_ascii_strncasecmp (g_strstrip (items[i]), "langsmith-", 10), !=, 0);
  again = _lsobs_baggage_dup_other (other);
  g_assert_cmpstr (other, ==, again);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  FuzzInput input = { data, size };
  g_autofree char *trace = fuzz_input_take_line (&input);
  g_autofree char *baggage = fuzz_input_take_text (&input, input.len);
  g_autoptr (LsobsRemoteParent) parent = _lsobs_remote_parent_parse (trace, baggage);
  g_autoptr (LsobsRemoteParent) alone = _lsobs_remote_parent_parse (trace, NULL);

  /* Baggage makes no trace. */
  g_assert_true (parent == NULL || alone != NULL);
  if (parent != NULL)
    {
      assert_parent (parent);
      check_round_trip (parent);
    }
  check_other (baggage);
  return 0;
}
