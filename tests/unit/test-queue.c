/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/pipeline/lsobs-queue-private.h"

static void
delivered (LsobsQueue *queue, LsobsRecord *record)
{
  _lsobs_queue_deliver (queue, &record, 1);
}

/* Big enough not to matter. */
#define MUCH (64 * 1024 * 1024)

typedef struct
{
  LsobsCounters *counters;
  LsobsQueue *queue;
  GPtrArray *taken;
} Fixture;

typedef struct
{
  guint capacity;
  gsize max_bytes;
  guint batch_size;
  gsize batch_bytes;
} Bounds;

static LsobsQueue *
new_queue (const Bounds *bounds, LsobsCounters *counters, guint destination)
{
  const LsobsConfigValues values = { .queue_capacity = bounds->capacity,
                                     .max_queue_bytes = (gint64) bounds->max_bytes,
                                     .max_batch_size = bounds->batch_size,
                                     .max_batch_bytes = (gint64) bounds->batch_bytes };

  return _lsobs_queue_new (&values, counters, destination);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  static const Bounds wide = { 100, MUCH, 10, MUCH };
  const Bounds *bounds = data != NULL ? data : &wide;

  fixture->counters = _lsobs_counters_new ();
  fixture->queue = new_queue (bounds, fixture->counters, 0);
  fixture->taken = g_ptr_array_new ();
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_ptr_array_set_free_func (fixture->taken, (GDestroyNotify) _lsobs_record_unref);
  g_ptr_array_unref (fixture->taken);
  _lsobs_queue_unref (fixture->queue);
  _lsobs_counters_unref (fixture->counters);
}

static guint64
count (Fixture *fixture, LsobsCounter counter)
{
  return _lsobs_counters_get (fixture->counters, counter);
}

static guint64
dropped (Fixture *fixture, LsobsDropReason reason)
{
  g_autoptr (LsobsStats) stats = _lsobs_queue_dup_stats (fixture->queue);

  return lsobs_stats_get_dropped (stats, reason);
}

static void
assert_books (Fixture *fixture)
{
  g_autoptr (LsobsStats) stats = _lsobs_queue_dup_stats (fixture->queue);

  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED), ==,
                    lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED) +
                        lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED) +
                        lsobs_stats_get (stats, LSOBS_COUNTER_IN_FLIGHT) +
                        lsobs_stats_get_total_dropped (stats));
}

static GBytes *
make_payload (gsize len)
{
  return g_bytes_new_take (g_strnfill (len, '7'), len);
}

static LsobsRecord *
make_start (LsobsRunInfo *info)
{
  LsobsRecord *record = _lsobs_record_new (LSOBS_RECORD_CREATE, info);

  record->inputs = g_bytes_new_static ("{\"in\":1}", 8);
  return record;
}

static LsobsRecord *
make_end (LsobsRunInfo *info)
{
  LsobsRecord *record = _lsobs_record_new (LSOBS_RECORD_UPDATE, info);

  record->outputs = g_bytes_new_static ("{\"out\":2}", 9);
  record->end_time = info->segment.start_time + 1;
  return record;
}

/* Starts a run and lets go of it. */
static LsobsWakeup
push_run (Fixture *fixture, const char *name)
{
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, name, LSOBS_RUN_TYPE_CHAIN, FALSE, 0);

  return _lsobs_queue_push (fixture->queue, make_start (info));
}

/* Names of what is taken, joined by spaces. */
static char *
take (Fixture *fixture, guint max_records, gsize max_bytes)
{
  guint before = fixture->taken->len;
  guint n = _lsobs_queue_take (fixture->queue, max_records, max_bytes, fixture->taken);
  GString *names = g_string_new (NULL);

  g_assert_cmpuint (fixture->taken->len - before, ==, n);
  for (guint i = before; i < fixture->taken->len; i++)
    {
      LsobsRecord *record = fixture->taken->pdata[i];

      g_string_append_printf (names, "%s%s", i > before ? " " : "", record->info->name);
    }
  return g_string_free (names, FALSE);
}

static void
assert_taken (Fixture *fixture, guint max_records, gsize max_bytes, const char *expected)
{
  g_autofree char *names = take (fixture, max_records, max_bytes);

  g_assert_cmpstr (names, ==, expected);
  assert_books (fixture);
}

/* Bounds */

static const Bounds one = { 1, MUCH, 50, MUCH };
static const Bounds three = { 3, MUCH, 50, MUCH };
static const Bounds bytes = { 1000, 10000, 1000, MUCH };

static void
test_capacity_one (Fixture *fixture, gconstpointer data)
{
  push_run (fixture, "a");
  push_run (fixture, "b");
  g_assert_cmpuint (dropped (fixture, LSOBS_DROP_REASON_QUEUE_FULL), ==, 1);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_ENQUEUED), ==, 2);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_QUEUED), ==, 1);
  assert_taken (fixture, 10, MUCH, "b");
}

static void
test_drop_oldest (Fixture *fixture, gconstpointer data)
{
  for (const char *name = "abcdefg"; *name != '\0'; name++)
    {
      char text[2] = { *name, '\0' };

      push_run (fixture, text);
    }
  g_assert_cmpuint (dropped (fixture, LSOBS_DROP_REASON_QUEUE_FULL), ==, 4);
  g_assert_cmpuint (dropped (fixture, LSOBS_DROP_REASON_QUEUE_BYTES), ==, 0);
  assert_taken (fixture, 10, MUCH, "e f g");
  /* There is room again. */
  push_run (fixture, "h");
  g_assert_cmpuint (dropped (fixture, LSOBS_DROP_REASON_QUEUE_FULL), ==, 4);
}

static void
push_sized (Fixture *fixture, const char *name, gsize payload)
{
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, name, LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  LsobsRecord *record = _lsobs_record_new (LSOBS_RECORD_CREATE, info);

  record->inputs = make_payload (payload);
  _lsobs_queue_push (fixture->queue, record);
}

static void
test_bytes (Fixture *fixture, gconstpointer data)
{
  gsize size;

  push_sized (fixture, "a", 2000);
  size = count (fixture, LSOBS_COUNTER_QUEUED_BYTES);
  g_assert_cmpuint (size, >, 2000);
  push_sized (fixture, "b", 2000);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_QUEUED_BYTES), ==, 2 * size);
  push_sized (fixture, "c", 2000);
  g_assert_cmpuint (dropped (fixture, LSOBS_DROP_REASON_QUEUE_BYTES), ==, 0);
  push_sized (fixture, "d", 2000);
  g_assert_cmpuint (dropped (fixture, LSOBS_DROP_REASON_QUEUE_BYTES), ==, 1);
  g_assert_cmpuint (dropped (fixture, LSOBS_DROP_REASON_QUEUE_FULL), ==, 0);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_QUEUED_BYTES), ==, 3 * size);
  /* A large one takes the place of several. */
  push_sized (fixture, "e", 5000);
  g_assert_cmpuint (dropped (fixture, LSOBS_DROP_REASON_QUEUE_BYTES), ==, 3);
  assert_taken (fixture, 10, MUCH, "d e");
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_QUEUED_BYTES), ==, 0);
}

/* One that can never fit, whatever becomes of it, takes nobody along. */
static void
test_bytes_never_fits (Fixture *fixture, gconstpointer data)
{
  g_autofree char *names = NULL;

  push_sized (fixture, "a", 2000);
  push_sized (fixture, "b", 2000);
  push_sized (fixture, "huge", 20000);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_QUEUED_BYTES), <=, 10000);
  assert_books (fixture);
  names = take (fixture, 10, MUCH);
  g_assert_true (g_str_has_prefix (names, "a b"));
}

static void
test_bytes_by_end (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunInfo) info = NULL;
  LsobsRecord *end;

  push_sized (fixture, "a", 2000);
  push_sized (fixture, "b", 2000);
  info = _lsobs_run_info_new (NULL, "c", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  _lsobs_queue_push (fixture->queue, make_start (info));
  end = make_end (info);
  g_bytes_unref (end->outputs);
  end->outputs = make_payload (4000);
  _lsobs_queue_push (fixture->queue, end);
  /* What joins counts as well. */
  g_assert_cmpuint (dropped (fixture, LSOBS_DROP_REASON_QUEUE_BYTES), ==, 1);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_QUEUED_BYTES), <=, 10000);
  assert_taken (fixture, 10, MUCH, "b c");
}

/* Joining */

static void
test_join (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "b", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  LsobsRecord *record;

  push_run (fixture, "a");
  _lsobs_queue_push (fixture->queue, make_start (info));
  push_run (fixture, "c");
  _lsobs_queue_push (fixture->queue, make_end (info));
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_MERGED), ==, 1);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_ENQUEUED), ==, 3);
  assert_taken (fixture, 10, MUCH, "a b c");
  record = fixture->taken->pdata[1];
  g_assert_cmpint (record->kind, ==, LSOBS_RECORD_CREATE);
  g_assert_cmpmem (g_bytes_get_data (record->inputs, NULL), 8, "{\"in\":1}", 8);
  g_assert_cmpmem (g_bytes_get_data (record->outputs, NULL), 9, "{\"out\":2}", 9);
  g_assert_cmpint (record->end_time, ==, info->segment.start_time + 1);
}

static void
test_join_rules (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "a", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  LsobsRecord *failed = make_end (info);
  LsobsRecord *late = make_end (info);
  LsobsRecord *record;

  _lsobs_queue_push (fixture->queue, make_start (info));
  g_clear_pointer (&failed->outputs, g_bytes_unref);
  failed->error = g_strdup ("first");
  failed->duration_ms = 7;
  _lsobs_queue_push (fixture->queue, failed);
  late->error = g_strdup ("second");
  late->end_time += 1000;
  late->duration_ms = 8;
  g_assert_true (_lsobs_queue_join_waiting (fixture->queue, late));
  assert_taken (fixture, 10, MUCH, "a");
  record = fixture->taken->pdata[0];
  g_assert_cmpstr (record->error, ==, "first");
  g_assert_cmpint (record->end_time, ==, info->segment.start_time + 1);
  g_assert_cmpint (record->duration_ms, ==, 7);
  g_assert_nonnull (record->outputs);
}

/* The start has left already: the end is a record of its own. */
static void
test_no_join (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "a", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  LsobsRecord *record;

  _lsobs_queue_push (fixture->queue, make_start (info));
  assert_taken (fixture, 10, MUCH, "a");
  g_assert_cmpint (_lsobs_queue_get_create_state (fixture->queue, info), ==, LSOBS_CREATE_TAKEN);
  g_assert_false (_lsobs_queue_join_waiting (fixture->queue, make_end (info)));
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_ENQUEUED), ==, 1);
  _lsobs_queue_push (fixture->queue, make_end (info));
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_ENQUEUED), ==, 2);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_MERGED), ==, 0);
  /* What comes later still joins the end, as long as it waits. */
  g_assert_true (_lsobs_queue_join_waiting (fixture->queue, make_end (info)));
  assert_taken (fixture, 10, MUCH, "a");
  record = fixture->taken->pdata[1];
  g_assert_cmpint (record->kind, ==, LSOBS_RECORD_UPDATE);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_PROMOTED), ==, 0);
  g_assert_false (_lsobs_queue_join_waiting (fixture->queue, make_end (info)));
}

/* Places */

/* A run that is written to two places joins its end in the one and not in the
 * other, and is lost in the one and not in the other. */
static void
test_destinations (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsCounters) counters = _lsobs_counters_new ();
  g_autoptr (LsobsQueue) second = new_queue (&(Bounds){ 1, MUCH, 10, MUCH }, counters, 1);
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "a", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  g_autoptr (LsobsRunInfo) other = _lsobs_run_info_new (NULL, "b", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  LsobsRecord *record = make_start (info);
  LsobsRecord *end;

  _lsobs_run_info_ensure_progress (info, 2);
  _lsobs_run_info_ensure_progress (other, 2);
  _lsobs_queue_push (second, _lsobs_record_copy (record));
  _lsobs_queue_push (fixture->queue, record);
  assert_taken (fixture, 10, MUCH, "a");
  g_assert_cmpint (_lsobs_queue_get_create_state (fixture->queue, info), ==, LSOBS_CREATE_TAKEN);
  g_assert_cmpint (_lsobs_queue_get_create_state (second, info), ==, LSOBS_CREATE_QUEUED);

  end = make_end (info);
  _lsobs_queue_push (second, _lsobs_record_copy (end));
  _lsobs_queue_push (fixture->queue, end);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_MERGED), ==, 0);
  g_assert_cmpuint (_lsobs_counters_get (counters, LSOBS_COUNTER_MERGED), ==, 1);
  assert_taken (fixture, 10, MUCH, "a");

  _lsobs_queue_push (second, make_start (other));
  g_assert_cmpint (_lsobs_queue_get_create_state (fixture->queue, info), ==, LSOBS_CREATE_TAKEN);
  g_assert_cmpint (_lsobs_queue_get_create_state (second, info), ==, LSOBS_CREATE_LOST);
}

/* Whatever a record has, its copy has, and neither needs the other. */
static void
test_copy (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "a", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  LsobsRecord *record = make_end (info);
  g_autoptr (LsobsRecord) copy = NULL;

  record->inputs = make_payload (10);
  record->tags = make_payload (11);
  record->metadata = make_payload (12);
  record->extra_new = TRUE;
  record->extra_seq = 4;
  record->annotations = _lsobs_annotations_new ();
  _lsobs_annotations_add_tag_unlocked (record->annotations, "tag");
  record->final = TRUE;
  record->events = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_annotation_event_free);
  g_ptr_array_add (record->events, _lsobs_annotation_event_new ("event", 7, make_payload (13)));
  record->error = g_strdup ("error");
  record->duration_ms = 5;
  record->by_id = TRUE;

  copy = _lsobs_record_copy (record);
  g_assert_true (copy->inputs == record->inputs);
  g_assert_cmpuint (_lsobs_record_measure (copy), ==, _lsobs_record_measure (record));
  _lsobs_record_unref (record);
  g_assert_cmpint (copy->kind, ==, LSOBS_RECORD_UPDATE);
  g_assert_true (copy->info == info);
  g_assert_cmpuint (g_bytes_get_size (copy->inputs), ==, 10);
  g_assert_cmpuint (g_bytes_get_size (copy->outputs), ==, 9);
  g_assert_cmpuint (g_bytes_get_size (copy->tags), ==, 11);
  g_assert_cmpuint (g_bytes_get_size (copy->metadata), ==, 12);
  g_assert_true (copy->extra_new);
  g_assert_cmpuint (copy->extra_seq, ==, 4);
  g_assert_cmpuint (copy->annotations->tags->len, ==, 1);
  g_assert_true (copy->final);
  g_assert_cmpuint (copy->events->len, ==, 1);
  g_assert_cmpstr (((LsobsAnnotationEvent *) copy->events->pdata[0])->name, ==, "event");
  g_assert_cmpstr (copy->error, ==, "error");
  g_assert_cmpint (copy->end_time, ==, info->segment.start_time + 1);
  g_assert_cmpint (copy->duration_ms, ==, 5);
  g_assert_true (copy->by_id);
}

/* Each place is told what its own create has left without. */
static void
test_annotations (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "a", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  g_autoptr (LsobsCounters) counters = _lsobs_counters_new ();
  g_autoptr (LsobsQueue) second = new_queue (&(Bounds){ 10, MUCH, 10, MUCH }, counters, 1);
  g_autoptr (LsobsAnnotations) notes = _lsobs_annotations_new ();
  g_autoptr (LsobsRecord) start = make_start (info);
  g_autoptr (LsobsRecord) second_start = NULL;
  g_autoptr (LsobsRecord) end = make_end (info);
  g_autoptr (LsobsRecord) second_end = NULL;

  _lsobs_run_info_ensure_progress (info, 2);
  start->annotations = _lsobs_annotations_ref (notes);
  second_start = _lsobs_record_copy (start);
  _lsobs_queue_write_annotations (fixture->queue, start);
  g_assert_null (start->metadata);
  _lsobs_annotations_set_metadata_unlocked (notes, "key", g_bytes_new_static ("1", 1), FALSE);
  _lsobs_queue_write_annotations (second, second_start);
  g_assert_nonnull (second_start->metadata);

  end->annotations = _lsobs_annotations_ref (notes);
  second_end = _lsobs_record_copy (end);
  _lsobs_queue_write_annotations (fixture->queue, end);
  _lsobs_queue_write_annotations (second, second_end);
  g_assert_true (end->extra_new);
  g_assert_false (second_end->extra_new);
  g_assert_nonnull (end->metadata);
  g_assert_nonnull (second_end->metadata);
}

/* Promotion */

static void
test_promote_evicted (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "a", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  LsobsRecord *record;

  _lsobs_queue_push (fixture->queue, make_start (info));
  push_run (fixture, "b");
  g_assert_cmpint (_lsobs_queue_get_create_state (fixture->queue, info), ==, LSOBS_CREATE_LOST);
  _lsobs_queue_push (fixture->queue, make_end (info));
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_PROMOTED), ==, 1);
  g_assert_cmpuint (dropped (fixture, LSOBS_DROP_REASON_QUEUE_FULL), ==, 2);
  assert_taken (fixture, 10, MUCH, "a");
  record = fixture->taken->pdata[0];
  g_assert_cmpint (record->kind, ==, LSOBS_RECORD_CREATE);
  g_assert_null (record->inputs);
  g_assert_nonnull (record->outputs);
  g_assert_cmpint (record->end_time, !=, 0);
}

static void
test_promote_unknown (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "a", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);

  _lsobs_queue_push (fixture->queue, make_end (info));
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_PROMOTED), ==, 1);
  assert_taken (fixture, 10, MUCH, "a");
  g_assert_cmpint (((LsobsRecord *) fixture->taken->pdata[0])->kind, ==, LSOBS_RECORD_CREATE);
}

/* The start is lost on its way, while the end waits. */
static void
test_promote_taken (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "a", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  LsobsRecord *end;

  _lsobs_queue_push (fixture->queue, make_start (info));
  assert_taken (fixture, 10, MUCH, "a");
  _lsobs_queue_push (fixture->queue, make_end (info));
  _lsobs_queue_lost (fixture->queue, fixture->taken->pdata[0], LSOBS_DROP_REASON_UNAVAILABLE);
  g_assert_cmpint (_lsobs_queue_get_create_state (fixture->queue, info), ==, LSOBS_CREATE_LOST);
  g_assert_cmpuint (dropped (fixture, LSOBS_DROP_REASON_UNAVAILABLE), ==, 1);
  assert_taken (fixture, 10, MUCH, "a");
  end = fixture->taken->pdata[1];
  g_assert_cmpint (end->kind, ==, LSOBS_RECORD_UPDATE);
  _lsobs_queue_promote (fixture->queue, end);
  g_assert_cmpint (end->kind, ==, LSOBS_RECORD_CREATE);
  g_assert_cmpint (_lsobs_queue_get_create_state (fixture->queue, info), ==, LSOBS_CREATE_TAKEN);
  delivered (fixture->queue, end);
  g_assert_cmpint (_lsobs_queue_get_create_state (fixture->queue, info), ==,
                   LSOBS_CREATE_DELIVERED);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_DELIVERED), ==, 1);
  assert_books (fixture);
}

/* Waking */

static const Bounds batch_of_three = { 5, MUCH, 3, MUCH };
static const Bounds batch_of_bytes = { 100, 100000, 100, 4000 };
static const Bounds batch_too_big = { 2, 8000, 50, MUCH };

static void
test_wake_count (Fixture *fixture, gconstpointer data)
{
  static const LsobsWakeup expected[] = {
    LSOBS_WAKEUP_LATER, LSOBS_WAKEUP_NONE, LSOBS_WAKEUP_NOW,  LSOBS_WAKEUP_NONE,
    LSOBS_WAKEUP_NONE,  LSOBS_WAKEUP_NONE, LSOBS_WAKEUP_NONE,
  };

  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    g_assert_cmpint (push_run (fixture, "a"), ==, expected[i]);
  /* Again from below. */
  g_free (take (fixture, 3, MUCH));
  g_assert_cmpint (push_run (fixture, "b"), ==, LSOBS_WAKEUP_NOW);
  g_free (take (fixture, 10, MUCH));
  g_assert_cmpint (push_run (fixture, "c"), ==, LSOBS_WAKEUP_LATER);
}

static void
test_wake_join (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "a", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);

  g_assert_cmpint (_lsobs_queue_push (fixture->queue, make_start (info)), ==, LSOBS_WAKEUP_LATER);
  g_assert_cmpint (_lsobs_queue_push (fixture->queue, make_end (info)), ==, LSOBS_WAKEUP_NONE);
}

static void
test_wake_bytes (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "c", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  LsobsRecord *end = make_end (info);

  g_assert_cmpint (push_run (fixture, "a"), ==, LSOBS_WAKEUP_LATER);
  g_assert_cmpint (push_run (fixture, "b"), ==, LSOBS_WAKEUP_NONE);
  g_assert_cmpint (_lsobs_queue_push (fixture->queue, make_start (info)), ==, LSOBS_WAKEUP_NONE);
  g_bytes_unref (end->outputs);
  end->outputs = make_payload (1000);
  g_assert_cmpint (_lsobs_queue_push (fixture->queue, end), ==, LSOBS_WAKEUP_NOW);
  g_assert_cmpint (push_run (fixture, "d"), ==, LSOBS_WAKEUP_NONE);
}

/* A batch that the queue could never hold is no reason to wait for it. */
static void
test_wake_before_full (Fixture *fixture, gconstpointer data)
{
  gint64 due_time;

  g_assert_cmpint (push_run (fixture, "a"), ==, LSOBS_WAKEUP_LATER);
  g_assert_cmpint (push_run (fixture, "b"), ==, LSOBS_WAKEUP_NOW);
  g_free (take (fixture, 10, MUCH));
  push_sized (fixture, "c", 5000);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_QUEUED), ==, 1);
  g_assert_true (_lsobs_queue_is_due (fixture->queue, G_USEC_PER_SEC, 0, &due_time));
}

/* Taking */

static void
test_take_limits (Fixture *fixture, gconstpointer data)
{
  gsize size;

  for (guint i = 0; i < 6; i++)
    push_run (fixture, i < 3 ? "a" : "b");
  size = count (fixture, LSOBS_COUNTER_QUEUED_BYTES) / 6;
  assert_taken (fixture, 0, MUCH, "");
  assert_taken (fixture, 2, MUCH, "a a");
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_IN_FLIGHT), ==, 2);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_QUEUED), ==, 4);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_QUEUED_BYTES), ==, 4 * size);
  /* At least one, even when it is too big. */
  assert_taken (fixture, 10, size - 1, "a");
  assert_taken (fixture, 10, 2 * size, "b b");
  assert_taken (fixture, 10, 2 * size, "b");
  assert_taken (fixture, 10, MUCH, "");
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_IN_FLIGHT), ==, 6);
}

static void
test_take_big_first (Fixture *fixture, gconstpointer data)
{
  push_sized (fixture, "a", 5000);
  push_sized (fixture, "b", 0);
  push_sized (fixture, "c", 5000);
  assert_taken (fixture, 10, 3000, "a");
  assert_taken (fixture, 10, 3000, "b");
  assert_taken (fixture, 10, 3000, "c");
}

/* A worker that has been busy looks again by itself; one that has found nothing since is woken by the
 * first record. */
static void
test_watch (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "a", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);

  g_assert_false (_lsobs_queue_watch (fixture->queue));
  g_assert_cmpint (_lsobs_queue_push (fixture->queue, make_start (info)), ==, LSOBS_WAKEUP_LATER);
  /* One that came while the worker looked. */
  g_assert_true (_lsobs_queue_watch (fixture->queue));
  assert_taken (fixture, 10, MUCH, "a");
  g_assert_true (_lsobs_queue_watch (fixture->queue));
  push_run (fixture, "b");
  assert_taken (fixture, 10, MUCH, "b");
  g_assert_true (_lsobs_queue_watch (fixture->queue));
  g_assert_cmpint (_lsobs_queue_push (fixture->queue, make_start (info)), ==, LSOBS_WAKEUP_NONE);
  assert_taken (fixture, 10, MUCH, "a");
  g_assert_true (_lsobs_queue_watch (fixture->queue));
  g_assert_false (_lsobs_queue_watch (fixture->queue));
  g_assert_cmpint (_lsobs_queue_push (fixture->queue, make_start (info)), ==, LSOBS_WAKEUP_LATER);
}

static void
test_due (Fixture *fixture, gconstpointer data)
{
  const gint64 interval = 1000;
  gint64 due_time = 0;
  gint64 before = g_get_monotonic_time ();
  gint64 first;

  g_assert_false (_lsobs_queue_is_due (fixture->queue, interval, before, &due_time));
  g_assert_cmpint (due_time, ==, -1);
  push_run (fixture, "a");
  g_assert_false (_lsobs_queue_is_due (fixture->queue, interval, before, &first));
  g_assert_cmpint (first, >=, before + interval);
  /* A later one does not move it. */
  push_run (fixture, "b");
  g_assert_false (_lsobs_queue_is_due (fixture->queue, interval, first - 1, &due_time));
  g_assert_cmpint (due_time, ==, first);
  g_assert_true (_lsobs_queue_is_due (fixture->queue, interval, first, &due_time));
  push_run (fixture, "c");
  g_assert_true (_lsobs_queue_is_due (fixture->queue, interval, before, &due_time));
  assert_taken (fixture, 10, MUCH, "a b c");
  g_assert_false (_lsobs_queue_is_due (fixture->queue, interval, first, &due_time));
  /* Waiting to be closed, what is there goes at once. */
  push_run (fixture, "d");
  _lsobs_lifecycle_enter (_lsobs_queue_peek_lifecycle (fixture->queue), LSOBS_LIFECYCLE_DRAINING);
  g_assert_true (_lsobs_queue_is_due (fixture->queue, interval, before, &due_time));
}

/* --- files, and what they go with --- */

static gboolean
attach (Fixture *fixture, LsobsRunInfo *info, const char *name, gsize n_bytes, LsobsWakeup *wake)
{
  g_autoptr (GBytes) data = make_payload (n_bytes);
  g_autoptr (LsobsAttachment) attachment = _lsobs_attachment_new (name, NULL, data, NULL);

  return _lsobs_queue_attach (fixture->queue, info, attachment, wake);
}

/* With the create while it waits, and else with the end, which may have some itself. */
static void
test_attach (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "a", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  g_autoptr (LsobsAttachment) own = NULL;
  g_autoptr (GBytes) own_data = make_payload (1);
  LsobsRecord *end = make_end (info);
  LsobsRecord *record;
  LsobsWakeup wake;

  _lsobs_queue_push (fixture->queue, make_start (info));
  g_assert_true (attach (fixture, info, "first", 100, &wake));
  g_assert_cmpint (wake, ==, LSOBS_WAKEUP_NONE);
  assert_taken (fixture, 10, MUCH, "a");
  record = fixture->taken->pdata[0];
  g_assert_cmpuint (record->attachments->len, ==, 1);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_QUEUED_BYTES), ==, 0);

  g_assert_true (attach (fixture, info, "second", 100, &wake));
  g_assert_true (attach (fixture, info, "third", 100, &wake));
  own = _lsobs_attachment_new ("third", NULL, own_data, NULL);
  _lsobs_attachments_put (&end->attachments, own);
  _lsobs_queue_push (fixture->queue, end);
  assert_taken (fixture, 10, MUCH, "a");
  g_assert_cmpuint (end->attachments->len, ==, 2);
  g_assert_true (end->attachments->pdata[1] == own);
  g_assert_null (info->progress.charged);
  g_assert_cmpuint (record->attachments->len, ==, 1);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 0);
}

static void
test_attach_bounds (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunInfo) old = _lsobs_run_info_new (NULL, "old", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "a", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  LsobsRecord *record;
  LsobsWakeup wake;

  _lsobs_queue_push (fixture->queue, make_start (old));
  _lsobs_queue_push (fixture->queue, make_start (info));
  /* More than the queue holds of anything. */
  g_assert_false (attach (fixture, info, "a", 20000, &wake));
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 1);
  /* So much that something else has to go. */
  g_assert_true (attach (fixture, info, "a", 8500, &wake));
  g_assert_cmpuint (dropped (fixture, LSOBS_DROP_REASON_QUEUE_BYTES), ==, 1);
  /* No room with the create: it waits for the end, where there is none either. */
  g_assert_true (attach (fixture, info, "b", 5000, &wake));
  g_assert_nonnull (info->progress.charged);
  g_assert_false (attach (fixture, info, "c", 5000, &wake));
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 2);
  _lsobs_queue_push (fixture->queue, make_end (info));
  /* The largest one goes, as it is enough. */
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 3);
  assert_taken (fixture, 10, MUCH, "a");
  record = fixture->taken->pdata[0];
  g_assert_cmpuint (record->attachments->len, ==, 1);
  g_assert_cmpstr (((LsobsAttachment *) record->attachments->pdata[0])->name, ==, "b");
  assert_books (fixture);

  _lsobs_lifecycle_enter (_lsobs_queue_peek_lifecycle (fixture->queue), LSOBS_LIFECYCLE_DRAINING);
  g_assert_false (attach (fixture, info, "d", 1, &wake));
}

/* What waits for ends is bounded for all runs together, and an end that never comes
 * makes room again. */
static void
test_attach_bounds_of_all (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "a", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  LsobsRunInfo *other = _lsobs_run_info_new (NULL, "b", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  LsobsWakeup wake;

  _lsobs_queue_push (fixture->queue, make_start (info));
  _lsobs_queue_push (fixture->queue, make_start (other));
  assert_taken (fixture, 10, MUCH, "a b");
  g_assert_true (attach (fixture, info, "a", 5000, &wake));
  g_assert_false (attach (fixture, other, "a", 5000, &wake));
  g_assert_true (attach (fixture, other, "b", 3000, &wake));
  g_assert_true (attach (fixture, other, "b", 1000, &wake));
  g_assert_true (attach (fixture, other, "c", 2000, &wake));
  g_assert_false (attach (fixture, info, "b", 3000, &wake));
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 2);

  delivered (fixture->queue, g_ptr_array_index (fixture->taken, 1));
  _lsobs_record_unref (g_ptr_array_remove_index (fixture->taken, 1));
  _lsobs_run_info_unref (other);
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 4);
  g_assert_true (attach (fixture, info, "b", 3000, &wake));
  g_assert_false (attach (fixture, info, "c", 5000, &wake));
  _lsobs_queue_push (fixture->queue, make_end (info));
  assert_taken (fixture, 10, MUCH, "a");
  g_assert_cmpuint (count (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 5);
  assert_books (fixture);
}

static void
test_attach_wake (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "a", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  LsobsWakeup wake;

  _lsobs_queue_push (fixture->queue, make_start (info));
  g_assert_true (attach (fixture, info, "a", 1000, &wake));
  g_assert_cmpint (wake, ==, LSOBS_WAKEUP_NONE);
  g_assert_true (attach (fixture, info, "b", 3000, &wake));
  g_assert_cmpint (wake, ==, LSOBS_WAKEUP_NOW);
  g_assert_true (attach (fixture, info, "c", 3000, &wake));
  g_assert_cmpint (wake, ==, LSOBS_WAKEUP_NONE);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define ADD(path, bounds, func) \
 g_test_add ("/queue/" path, Fixture, bounds, set_up, func, tear_down)
  ADD ("bound/one", &one, test_capacity_one);
  ADD ("bound/drop-oldest", &three, test_drop_oldest);
  ADD ("bound/bytes", &bytes, test_bytes);
  ADD ("bound/bytes-never-fits", &bytes, test_bytes_never_fits);
  ADD ("bound/bytes-by-end", &bytes, test_bytes_by_end);
  ADD ("join/in-place", NULL, test_join);
  ADD ("join/rules", NULL, test_join_rules);
  ADD ("join/too-late", NULL, test_no_join);
  ADD ("destinations/apart", NULL, test_destinations);
  ADD ("destinations/copy", NULL, test_copy);
  ADD ("destinations/annotations", NULL, test_annotations);
  ADD ("promote/evicted", &one, test_promote_evicted);
  ADD ("promote/unknown", NULL, test_promote_unknown);
  ADD ("promote/taken", NULL, test_promote_taken);
  ADD ("wake/count", &batch_of_three, test_wake_count);
  ADD ("wake/join", &batch_of_three, test_wake_join);
  ADD ("wake/bytes", &batch_of_bytes, test_wake_bytes);
  ADD ("wake/before-full", &batch_too_big, test_wake_before_full);
  ADD ("attach/ways", NULL, test_attach);
  ADD ("attach/bounds", &bytes, test_attach_bounds);
  ADD ("attach/bounds-of-all", &bytes, test_attach_bounds_of_all);
  ADD ("attach/wake", &batch_of_bytes, test_attach_wake);
  ADD ("take/limits", NULL, test_take_limits);
  ADD ("take/big-first", NULL, test_take_big_first);
  ADD ("take/watch", &batch_of_three, test_watch);
  ADD ("take/due", &batch_of_three, test_due);

  return g_test_run ();
}
