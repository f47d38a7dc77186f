/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/pipeline/lsobs-queue-private.h"
#include "tests/lib/test-utils.h"

static void
delivered (LsobsQueue *queue, LsobsRecord *record)
{
  _lsobs_queue_deliver (queue, &record, 1);
}

/* Who waits for the records of a queue, and whether each of them has exactly one
 * outcome, whatever happens in whatever order. */

#define MUCH      (64 * 1024 * 1024)
#define CAPACITY  8
#define MAX_BYTES 12000

typedef struct
{
  LsobsCounters *counters;
  LsobsQueue *queue;
  GPtrArray *taken;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  guint capacity = data != NULL ? GPOINTER_TO_UINT (data) : CAPACITY;
  const LsobsConfigValues values = { .queue_capacity = capacity,
                                     .max_queue_bytes = MUCH,
                                     .max_batch_size = 3,
                                     .max_batch_bytes = MUCH };

  fixture->counters = _lsobs_counters_new ();
  fixture->queue = _lsobs_queue_new (&values, fixture->counters, 0);
  fixture->taken = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_record_unref);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_ptr_array_unref (fixture->taken);
  _lsobs_queue_unref (fixture->queue);
  _lsobs_counters_unref (fixture->counters);
}

static void
assert_books (LsobsQueue *queue)
{
  g_autoptr (LsobsStats) stats = _lsobs_queue_dup_stats (queue);

  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED), ==,
                    lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED) +
                        lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED) +
                        lsobs_stats_get (stats, LSOBS_COUNTER_IN_FLIGHT) +
                        lsobs_stats_get_total_dropped (stats));
}

static LsobsRecord *
make_start (LsobsRunInfo *info)
{
  return _lsobs_record_new (LSOBS_RECORD_CREATE, info);
}

static LsobsRecord *
make_end (LsobsRunInfo *info)
{
  LsobsRecord *record = _lsobs_record_new (LSOBS_RECORD_UPDATE, info);

  record->end_time = info->segment.start_time + 1;
  return record;
}

static void
push_run (Fixture *fixture)
{
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "run", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);

  _lsobs_queue_push (fixture->queue, make_start (info));
}

static LsobsRecord *
take_one (Fixture *fixture)
{
  g_assert_cmpuint (_lsobs_queue_take (fixture->queue, 1, MUCH, fixture->taken), ==, 1);
  return fixture->taken->pdata[fixture->taken->len - 1];
}

/* Flush waiters */

static void
count_cb (LsobsFlushWaiter *waiter, gpointer user_data)
{
  (*(guint *) user_data)++;
  g_assert_true (_lsobs_flush_waiter_is_done (waiter));
}

static void
assert_waiter (LsobsFlushWaiter *waiter, guint64 remaining, guint64 delivered, guint64 failed)
{
  g_assert_cmpuint (waiter->n_remaining, ==, remaining);
  g_assert_cmpuint (waiter->n_delivered, ==, delivered);
  g_assert_cmpuint (waiter->n_failed, ==, failed);
}

static void
test_waiter_empty (Fixture *fixture, gconstpointer data)
{
  guint n_calls = 0;
  g_autoptr (LsobsFlushWaiter) waiter = _lsobs_flush_waiter_new (count_cb, &n_calls);

  g_assert_false (_lsobs_queue_add_waiter (fixture->queue, waiter));
  g_assert_false (_lsobs_queue_remove_waiter (fixture->queue, waiter));
  assert_waiter (waiter, 0, 0, 0);
  g_assert_cmpuint (n_calls, ==, 0);
}

static void
test_waiter_outcomes (Fixture *fixture, gconstpointer data)
{
  guint n_calls = 0;
  g_autoptr (LsobsFlushWaiter) waiter = _lsobs_flush_waiter_new (count_cb, &n_calls);
  LsobsRecord *in_flight;

  push_run (fixture);
  push_run (fixture);
  push_run (fixture);
  in_flight = take_one (fixture);
  g_assert_true (_lsobs_queue_add_waiter (fixture->queue, waiter));
  assert_waiter (waiter, 3, 0, 0);

  /* What comes after it does not count. */
  push_run (fixture);
  delivered (fixture->queue, in_flight);
  assert_waiter (waiter, 2, 1, 0);
  _lsobs_queue_lost (fixture->queue, take_one (fixture), LSOBS_DROP_REASON_REJECTED);
  assert_waiter (waiter, 1, 1, 1);
  g_assert_cmpuint (n_calls, ==, 0);
  g_assert_false (_lsobs_flush_waiter_is_done (waiter));
  in_flight = take_one (fixture);
  delivered (fixture->queue, take_one (fixture));
  assert_waiter (waiter, 1, 1, 1);
  delivered (fixture->queue, in_flight);
  assert_waiter (waiter, 0, 2, 1);
  g_assert_cmpuint (n_calls, ==, 1);
  g_assert_true (_lsobs_flush_waiter_is_done (waiter));
  g_assert_true (_lsobs_flush_waiter_wait_until (waiter, 0));
  g_assert_false (_lsobs_queue_remove_waiter (fixture->queue, waiter));
}

/* What is lost for want of room was neither delivered nor tried. */
static void
test_waiter_evicted (Fixture *fixture, gconstpointer data)
{
  guint n_calls = 0;
  g_autoptr (LsobsFlushWaiter) waiter = _lsobs_flush_waiter_new (count_cb, &n_calls);

  push_run (fixture);
  g_assert_true (_lsobs_queue_add_waiter (fixture->queue, waiter));
  push_run (fixture);
  assert_waiter (waiter, 0, 0, 0);
  g_assert_cmpuint (n_calls, ==, 1);
}

static void
test_waiter_several (Fixture *fixture, gconstpointer data)
{
  guint n_calls = 0;
  g_autoptr (LsobsFlushWaiter) first = _lsobs_flush_waiter_new (count_cb, &n_calls);
  g_autoptr (LsobsFlushWaiter) second = _lsobs_flush_waiter_new (count_cb, &n_calls);
  g_autoptr (LsobsFlushWaiter) same = _lsobs_flush_waiter_new (count_cb, &n_calls);

  push_run (fixture);
  g_assert_true (_lsobs_queue_add_waiter (fixture->queue, first));
  push_run (fixture);
  g_assert_true (_lsobs_queue_add_waiter (fixture->queue, second));
  g_assert_true (_lsobs_queue_add_waiter (fixture->queue, same));
  delivered (fixture->queue, take_one (fixture));
  g_assert_cmpuint (n_calls, ==, 1);
  g_assert_true (_lsobs_flush_waiter_is_done (first));
  g_assert_false (_lsobs_flush_waiter_is_done (second));
  delivered (fixture->queue, take_one (fixture));
  g_assert_cmpuint (n_calls, ==, 3);
  assert_waiter (second, 0, 2, 0);
  assert_waiter (same, 0, 2, 0);
}

/* It counts to the end what a flush does not wait for any longer, and looks like no flush. */
static void
test_waiter_patient (Fixture *fixture, gconstpointer data)
{
  guint n_calls = 0;
  g_autoptr (LsobsFlushWaiter) patient = _lsobs_flush_waiter_new (count_cb, &n_calls);
  g_autoptr (LsobsFlushWaiter) flush = _lsobs_flush_waiter_new (count_cb, &n_calls);

  push_run (fixture);
  push_run (fixture);
  patient->patient = TRUE;
  g_assert_true (_lsobs_queue_add_waiter (fixture->queue, patient));
  g_assert_false (_lsobs_queue_has_waiters (fixture->queue));
  g_assert_true (_lsobs_queue_add_waiter (fixture->queue, flush));
  g_assert_true (_lsobs_queue_has_waiters (fixture->queue));
  _lsobs_queue_refuse_waiters (fixture->queue);
  g_assert_cmpuint (n_calls, ==, 1);
  g_assert_true (flush->refused);
  g_assert_false (patient->refused);
  delivered (fixture->queue, take_one (fixture));
  _lsobs_queue_lost (fixture->queue, take_one (fixture), LSOBS_DROP_REASON_SHUTDOWN);
  g_assert_cmpuint (n_calls, ==, 2);
  assert_waiter (patient, 0, 1, 1);
  assert_waiter (flush, 2, 0, 0);
}

static void
test_waiter_removed (Fixture *fixture, gconstpointer data)
{
  guint n_calls = 0;
  g_autoptr (LsobsFlushWaiter) waiter = _lsobs_flush_waiter_new (count_cb, &n_calls);

  push_run (fixture);
  g_assert_true (_lsobs_queue_add_waiter (fixture->queue, waiter));
  g_assert_true (_lsobs_queue_remove_waiter (fixture->queue, waiter));
  g_assert_false (_lsobs_queue_remove_waiter (fixture->queue, waiter));
  delivered (fixture->queue, take_one (fixture));
  assert_waiter (waiter, 1, 0, 0);
  g_assert_cmpuint (n_calls, ==, 0);
  g_assert_false (_lsobs_flush_waiter_wait_until (waiter, g_get_monotonic_time ()));
}

static void
test_waiter_refused (Fixture *fixture, gconstpointer data)
{
  guint n_calls = 0;
  g_autoptr (LsobsFlushWaiter) waiter = _lsobs_flush_waiter_new (count_cb, &n_calls);

  push_run (fixture);
  g_assert_true (_lsobs_queue_add_waiter (fixture->queue, waiter));
  _lsobs_queue_refuse_waiters (fixture->queue);
  g_assert_cmpuint (n_calls, ==, 1);
  g_assert_true (waiter->refused);
  assert_waiter (waiter, 1, 0, 0);
  /* The record stays. */
  delivered (fixture->queue, take_one (fixture));
  assert_waiter (waiter, 1, 0, 0);
  assert_books (fixture->queue);
}

/* A joined end is no record of its own: nobody waits for it twice. */
static void
test_waiter_joined (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsFlushWaiter) waiter = _lsobs_flush_waiter_new (NULL, NULL);
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "run", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);

  _lsobs_queue_push (fixture->queue, make_start (info));
  g_assert_true (_lsobs_queue_add_waiter (fixture->queue, waiter));
  _lsobs_queue_push (fixture->queue, make_end (info));
  assert_waiter (waiter, 1, 0, 0);
  delivered (fixture->queue, take_one (fixture));
  assert_waiter (waiter, 0, 1, 0);
}

static gpointer
wait_thread (gpointer data)
{
  gint64 deadline = g_get_monotonic_time () + TEST_TIMEOUT_MS * 1000;

  return GINT_TO_POINTER (_lsobs_flush_waiter_wait_until (data, deadline));
}

static void
test_waiter_wait (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsFlushWaiter) waiter = _lsobs_flush_waiter_new (NULL, NULL);
  GThread *thread;

  push_run (fixture);
  g_assert_true (_lsobs_queue_add_waiter (fixture->queue, waiter));
  thread = g_thread_new ("wait", wait_thread, waiter);
  delivered (fixture->queue, take_one (fixture));
  g_assert_true (GPOINTER_TO_INT (g_thread_join (thread)));
}

/* Closing */

static void
test_close (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "run", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  g_autoptr (LsobsStats) stats = NULL;

  _lsobs_queue_push (fixture->queue, make_start (info));
  g_assert_true (
      _lsobs_lifecycle_allows (_lsobs_queue_peek_lifecycle (fixture->queue), LSOBS_LIFECYCLE_PUSH));
  _lsobs_lifecycle_enter (_lsobs_queue_peek_lifecycle (fixture->queue), LSOBS_LIFECYCLE_DRAINING);
  g_assert_false (
      _lsobs_lifecycle_allows (_lsobs_queue_peek_lifecycle (fixture->queue), LSOBS_LIFECYCLE_PUSH));
  g_assert_false (_lsobs_queue_join_waiting (fixture->queue, make_end (info)));
  push_run (fixture);
  assert_books (fixture->queue);
  stats = _lsobs_queue_dup_stats (fixture->queue);
  g_assert_cmpuint (lsobs_stats_get_dropped (stats, LSOBS_DROP_REASON_SHUTDOWN), ==, 1);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED), ==, 1);
  /* What waited can still be taken. */
  delivered (fixture->queue, take_one (fixture));
  assert_books (fixture->queue);
}

static void
test_drop_waiting (Fixture *fixture, gconstpointer data)
{
  guint n_calls = 0;
  g_autoptr (LsobsFlushWaiter) waiter = _lsobs_flush_waiter_new (count_cb, &n_calls);
  g_autoptr (LsobsStats) stats = NULL;

  push_run (fixture);
  push_run (fixture);
  g_assert_true (_lsobs_queue_add_waiter (fixture->queue, waiter));
  _lsobs_queue_drop_waiting (fixture->queue, LSOBS_DROP_REASON_SHUTDOWN);
  g_assert_cmpuint (n_calls, ==, 1);
  assert_waiter (waiter, 0, 0, 2);
  stats = _lsobs_queue_dup_stats (fixture->queue);
  g_assert_cmpuint (lsobs_stats_get_dropped (stats, LSOBS_DROP_REASON_SHUTDOWN), ==, 2);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED), ==, 0);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED_BYTES), ==, 0);
  assert_books (fixture->queue);
}

/* All records are lost at once, whoever has them; later outcomes change nothing. */
static void
test_write_off (Fixture *fixture, gconstpointer data)
{
  guint n_calls = 0;
  g_autoptr (LsobsFlushWaiter) waiter = _lsobs_flush_waiter_new (count_cb, &n_calls);
  LsobsLifecycle *lifecycle = _lsobs_queue_peek_lifecycle (fixture->queue);
  LsobsRecord *in_flight;
  LsobsRecord *kept;
  g_autoptr (LsobsStats) stats = NULL;

  for (guint i = 0; i < 4; i++)
    push_run (fixture);
  delivered (fixture->queue, take_one (fixture));
  in_flight = take_one (fixture);
  kept = take_one (fixture);
  _lsobs_queue_keep (fixture->queue, kept);
  g_assert_true (_lsobs_queue_add_waiter (fixture->queue, waiter));
  g_assert_false (_lsobs_queue_is_written_off (fixture->queue));
  _lsobs_lifecycle_enter (lifecycle, LSOBS_LIFECYCLE_STOPPING);
  _lsobs_queue_write_off (fixture->queue, LSOBS_DROP_REASON_SHUTDOWN);
  g_assert_true (_lsobs_queue_is_written_off (fixture->queue));
  g_assert_cmpuint (n_calls, ==, 1);
  assert_waiter (waiter, 0, 0, 3);

  _lsobs_queue_send (fixture->queue, &kept, 1);
  delivered (fixture->queue, in_flight);
  _lsobs_queue_lost (fixture->queue, kept, LSOBS_DROP_REASON_UNAVAILABLE);
  _lsobs_queue_keep (fixture->queue, in_flight);
  stats = _lsobs_queue_dup_stats (fixture->queue);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED), ==, 1);
  g_assert_cmpuint (lsobs_stats_get_dropped (stats, LSOBS_DROP_REASON_SHUTDOWN), ==, 3);
  g_assert_cmpuint (lsobs_stats_get_total_dropped (stats), ==, 3);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED), ==, 0);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED_BYTES), ==, 0);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_IN_FLIGHT), ==, 0);
}

/* Of several records at once, each counts by what it is. */
static void
test_several (Fixture *fixture, gconstpointer data)
{
  guint n_calls = 0;
  g_autoptr (LsobsFlushWaiter) waiter = _lsobs_flush_waiter_new (count_cb, &n_calls);
  g_autoptr (LsobsStats) stats = NULL;
  LsobsRecord *records[4];

  for (guint i = 0; i < G_N_ELEMENTS (records); i++)
    push_run (fixture);
  g_assert_true (_lsobs_queue_add_waiter (fixture->queue, waiter));
  for (guint i = 0; i < G_N_ELEMENTS (records); i++)
    records[i] = take_one (fixture);
  _lsobs_queue_keep (fixture->queue, records[0]);
  _lsobs_queue_keep (fixture->queue, records[1]);
  _lsobs_queue_lost (fixture->queue, records[2], LSOBS_DROP_REASON_REJECTED);
  assert_waiter (waiter, 3, 0, 1);
  _lsobs_queue_send (fixture->queue, records + 1, 3);
  stats = _lsobs_queue_dup_stats (fixture->queue);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED), ==, 1);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_IN_FLIGHT), ==, 2);
  g_clear_pointer (&stats, lsobs_stats_unref);

  _lsobs_queue_deliver (fixture->queue, records, G_N_ELEMENTS (records));
  assert_waiter (waiter, 0, 3, 1);
  g_assert_cmpuint (n_calls, ==, 1);
  stats = _lsobs_queue_dup_stats (fixture->queue);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED), ==, 3);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED), ==, 0);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED_BYTES), ==, 0);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_IN_FLIGHT), ==, 0);
  assert_books (fixture->queue);
}

/* A model: what the queue must hold, as a list of the numbers of runs */

#define N_RUNS  40
#define N_STEPS 5000

typedef struct
{
  LsobsCounters *counters;
  LsobsQueue *queue;
  LsobsRunInfo *infos[N_RUNS];
  GPtrArray *in_flight; /* (owned) (element-type LsobsRecord) */
  GArray *expected;     /* (owned) of LsobsRunInfo *, the oldest first */
  GHashTable *sizes;    /* (owned) LsobsRunInfo * to the size of what waits */
  gsize n_bytes;
} Model;

static void
model_init (Model *model)
{
  const LsobsConfigValues values = { .queue_capacity = CAPACITY,
                                     .max_queue_bytes = MAX_BYTES,
                                     .max_batch_size = 3,
                                     .max_batch_bytes = 4000 };

  model->counters = _lsobs_counters_new ();
  model->queue = _lsobs_queue_new (&values, model->counters, 0);
  model->in_flight = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_record_unref);
  model->expected = g_array_new (FALSE, FALSE, sizeof (LsobsRunInfo *));
  model->sizes = g_hash_table_new (NULL, NULL);
  model->n_bytes = 0;
  for (guint i = 0; i < N_RUNS; i++)
    model->infos[i] = NULL;
}

static void
model_clear (Model *model)
{
  g_ptr_array_unref (model->in_flight);
  _lsobs_queue_unref (model->queue);
  _lsobs_counters_unref (model->counters);
  g_array_unref (model->expected);
  g_hash_table_unref (model->sizes);
  for (guint i = 0; i < N_RUNS; i++)
    g_clear_pointer (&model->infos[i], _lsobs_run_info_unref);
}

static void
model_set_size (Model *model, LsobsRunInfo *info, gsize size)
{
  model->n_bytes -= GPOINTER_TO_SIZE (g_hash_table_lookup (model->sizes, info));
  model->n_bytes += size;
  if (size > 0)
    g_hash_table_insert (model->sizes, info, GSIZE_TO_POINTER (size));
  else
    g_hash_table_remove (model->sizes, info);
}

static void
model_remove_oldest (Model *model)
{
  model_set_size (model, g_array_index (model->expected, LsobsRunInfo *, 0), 0);
  g_array_remove_index (model->expected, 0);
}

static void
model_push (Model *model, LsobsRunInfo *info, LsobsRecord *record)
{
  gboolean waits = g_hash_table_contains (model->sizes, info);
  gsize payload = (gsize) g_test_rand_int_range (0, 2000);
  gsize known = GPOINTER_TO_SIZE (g_hash_table_lookup (model->sizes, info));

  if (record->kind == LSOBS_RECORD_CREATE)
    record->inputs = g_bytes_new_take (g_malloc0 (payload), payload);
  else
    record->error = g_strnfill (
        info->progress.waiting != NULL && info->progress.waiting->error != NULL ? 0 : payload, 'e');
  if (!waits)
    g_array_append_val (model->expected, info);
  model_set_size (model, info,
                  waits ? known + (info->progress.waiting->error == NULL ? payload : 0)
                        : _lsobs_record_measure (record));
  _lsobs_queue_push (model->queue, record);
  while (model->expected->len > CAPACITY || model->n_bytes > MAX_BYTES)
    model_remove_oldest (model);
}

static void
model_push_any (Model *model)
{
  guint i = (guint) g_test_rand_int_range (0, N_RUNS);
  LsobsRunInfo *info = model->infos[i];

  if (info == NULL)
    {
      info = model->infos[i] = _lsobs_run_info_new (NULL, "run", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
      model_push (model, info, make_start (info));
      return;
    }
  model_push (model, info, make_end (info));
  if (g_test_rand_int_range (0, 2) == 0)
    {
      /* Done with it: another run takes its place. Records still know it. */
      if (!g_hash_table_contains (model->sizes, info))
        _lsobs_run_info_unref (g_steal_pointer (&model->infos[i]));
    }
}

static void
model_take (Model *model)
{
  guint before = model->in_flight->len;
  guint n = _lsobs_queue_take (model->queue, (guint) g_test_rand_int_range (0, 4),
                               (gsize) g_test_rand_int_range (1, 6000), model->in_flight);

  for (guint i = 0; i < n; i++)
    {
      LsobsRecord *record = model->in_flight->pdata[before + i];

      g_assert_true (record->info == g_array_index (model->expected, LsobsRunInfo *, 0));
      model_remove_oldest (model);
    }
}

static void
model_settle (Model *model)
{
  LsobsRecord *record;
  guint i;

  if (model->in_flight->len == 0)
    return;
  i = (guint) g_test_rand_int_range (0, (gint32) model->in_flight->len);
  record = g_ptr_array_steal_index_fast (model->in_flight, i);
  if (g_test_rand_int_range (0, 3) > 0)
    delivered (model->queue, record);
  else
    _lsobs_queue_lost (model->queue, record,
                       (LsobsDropReason) g_test_rand_int_range (LSOBS_DROP_REASON_TOO_LARGE,
                                                                LSOBS_DROP_REASON_FORK + 1));
  _lsobs_record_unref (record);
}

static void
model_check (Model *model)
{
  g_autoptr (LsobsStats) stats = _lsobs_queue_dup_stats (model->queue);

  assert_books (model->queue);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED), ==, model->expected->len);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED_BYTES), ==, model->n_bytes);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_IN_FLIGHT), ==, model->in_flight->len);
  g_assert_cmpuint (model->expected->len, <=, CAPACITY);
}

static void
test_model (void)
{
  Model model;

  model_init (&model);
  for (guint i = 0; i < N_STEPS; i++)
    {
      int what = g_test_rand_int_range (0, 10);

      if (what < 6)
        model_push_any (&model);
      else if (what < 8)
        model_take (&model);
      else
        model_settle (&model);
      model_check (&model);
    }
  _lsobs_queue_drop_waiting (model.queue, LSOBS_DROP_REASON_SHUTDOWN);
  assert_books (model.queue);
  model_clear (&model);
}

/* Threads */

#define N_PUSHED 20000

static gpointer
push_thread (gpointer data)
{
  for (guint i = 0; i < N_PUSHED; i++)
    {
      g_autoptr (LsobsRunInfo) info =
          _lsobs_run_info_new (NULL, "run", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);

      _lsobs_queue_push (data, make_start (info));
      _lsobs_queue_push (data, make_end (info));
    }
  return NULL;
}

static void
take_some (Fixture *fixture)
{
  guint n = _lsobs_queue_take (fixture->queue, 5, MUCH, fixture->taken);

  for (guint i = 0; i < n; i++)
    if (i % 2 == 0)
      delivered (fixture->queue, fixture->taken->pdata[i]);
    else
      _lsobs_queue_lost (fixture->queue, fixture->taken->pdata[i], LSOBS_DROP_REASON_UNAVAILABLE);
  g_ptr_array_set_size (fixture->taken, 0);
}

static void
test_threads (Fixture *fixture, gconstpointer data)
{
  GThread *threads[2];
  g_autoptr (LsobsStats) stats = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("push", push_thread, fixture->queue);
  for (guint i = 0; i < N_PUSHED; i++)
    {
      take_some (fixture);
      if (i % 100 == 0)
        assert_books (fixture->queue);
    }
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  while (_lsobs_counters_get (fixture->counters, LSOBS_COUNTER_QUEUED) > 0)
    take_some (fixture);
  stats = _lsobs_queue_dup_stats (fixture->queue);
  assert_books (fixture->queue);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_IN_FLIGHT), ==, 0);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED_BYTES), ==, 0);
  /* Each start was a record, each end either joined it or was one. */
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED) +
                        lsobs_stats_get (stats, LSOBS_COUNTER_MERGED),
                    ==, 2 * N_PUSHED * G_N_ELEMENTS (threads));
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define ADD(path, capacity, func) \
 g_test_add ("/queue-books/" path, Fixture, GUINT_TO_POINTER (capacity), set_up, func, tear_down)
  ADD ("waiter/empty", 10, test_waiter_empty);
  ADD ("waiter/outcomes", 10, test_waiter_outcomes);
  ADD ("waiter/evicted", 1, test_waiter_evicted);
  ADD ("waiter/several", 10, test_waiter_several);
  ADD ("waiter/patient", 10, test_waiter_patient);
  ADD ("waiter/removed", 10, test_waiter_removed);
  ADD ("waiter/refused", 10, test_waiter_refused);
  ADD ("waiter/joined", 10, test_waiter_joined);
  ADD ("waiter/wait", 10, test_waiter_wait);
  ADD ("close", 10, test_close);
  ADD ("drop-waiting", 10, test_drop_waiting);
  ADD ("write-off", 10, test_write_off);
  ADD ("several", 10, test_several);
  ADD ("threads", CAPACITY, test_threads);
  g_test_add_func ("/queue-books/model", test_model);

  return g_test_run ();
}
