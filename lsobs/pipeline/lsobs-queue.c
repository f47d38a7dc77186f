/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/core/lsobs-slab-private.h"
#include "lsobs/pipeline/lsobs-queue-private.h"

/* Some records of the queue, the oldest first. It lies in a slab. A record that is taken out of the
 * middle leaves its slot empty. */
typedef struct
{
  guint first; /* all slots before this one are empty */
  guint len;
  LsobsRecord *items[]; /* (owned) (nullable) */
} Chunk;

#define CHUNK_LEN ((LSOBS_SLAB_SIZE - sizeof (Chunk)) / sizeof (LsobsRecord *))

struct _LsobsQueue
{
  gatomicrefcount ref_count;
  LsobsCounters *counters; /* (owned) those of records change under the lock only */
  LsobsAttachmentAccount
      *attachment_account;  /* (owned) of the attachments that wait for the end of their run */
  LsobsLifecycle lifecycle; /* of the pipeline that the queue belongs to */
  guint capacity;
  gsize max_bytes;
  gboolean has_spool;   /* the worker is woken before the queue is full */
  guint batch_size;     /* this many waiting records wake the worker */
  gsize batch_bytes;    /* this many waiting bytes wake the worker */
  guint destination;    /* index of the destination that the queue leads to */
  LsobsForkGuard guard; /* no fork happens while a thread holds the lock */

  /* (owned) of Chunk, the oldest first. Producers push, the worker pops, and no thread ever
   * blocks in it: the worker's context wakes it. A GAsyncQueue gives a deque and a mutex in one
   * object, whose pushes and pops need no second lock; its lock guards all below, and what
   * LsobsRunProgress says about each run at this destination. It allocates memory for each item, so
   * that the items are chunks. It has no peek: the oldest chunk is popped, and stays in @front until all
   * of its records are gone. */
  GAsyncQueue *chunks;
  Chunk *front; /* (owned) (nullable) the oldest, which is not in @chunks */
  Chunk *back;  /* (unowned) (nullable) the latest, to which records are added: the last one of
                 * @chunks, or @front if there are none */
  guint n_records;
  gsize n_bytes;
  guint n_kept;       /* records that were taken and wait again */
  gsize n_kept_bytes; /* of memory */
  GQueue taken;       /* of LsobsRecord (owned): were taken, and have no outcome yet */
  int written_off;    /* (atomic) gboolean: the caller of a stop has decided all outcomes */
  gboolean watched;   /* the worker looks by itself: the first record needs no wake-up */
  gboolean was_taken; /* records were taken since _lsobs_queue_watch() */
  guint n_unspooled;  /* records that the spool could not take, since the last look */
  guint64 last_seq;
  guint64 flush_seq; /* a flush has asked for the records up to here */
  GSList *waiters;   /* (element-type LsobsFlushWaiter) (owned) */
};

static void
chunk_free (Chunk *self)
{
  for (guint i = self->first; i < self->len; i++)
    if (self->items[i] != NULL)
      _lsobs_record_unref (self->items[i]);
  _lsobs_slab_free (self);
}

/* @values: read in this call alone
 * @destination: index of the destination that the queue leads to */
LsobsQueue *
_lsobs_queue_new (const LsobsConfigValues *values, LsobsCounters *counters, guint destination)
{
  LsobsQueue *self = g_new0 (LsobsQueue, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->counters = _lsobs_counters_ref (counters);
  self->max_bytes = (gsize) values->max_queue_bytes;
  self->attachment_account = _lsobs_attachment_account_new (self->max_bytes, counters);
  self->capacity = (guint) values->queue_capacity;
  self->batch_size = MIN ((guint) values->max_batch_size, self->capacity);
  self->batch_bytes = MIN ((gsize) values->max_batch_bytes, self->max_bytes / 2);
  self->has_spool = values->spool_dir != NULL;
  self->destination = destination;
  g_queue_init (&self->taken);
  self->chunks = g_async_queue_new_full ((GDestroyNotify) chunk_free);
  _lsobs_fork_guard_add_queue (&self->guard, self->chunks);
  return self;
}

LsobsQueue *
_lsobs_queue_ref (LsobsQueue *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/* @record has an outcome now. The queue drops its reference. */
static void
forget_taken_unlocked (LsobsQueue *self, LsobsRecord *record)
{
  g_queue_unlink (&self->taken, &record->link);
  record->link.data = NULL;
  _lsobs_record_unref (record);
}

void
_lsobs_queue_unref (LsobsQueue *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  _lsobs_fork_guard_remove_queue (&self->guard);
  while (self->taken.length > 0)
    forget_taken_unlocked (self, self->taken.head->data);
  g_clear_pointer (&self->front, chunk_free);
  g_async_queue_unref (self->chunks);
  g_slist_free_full (self->waiters, (GDestroyNotify) _lsobs_flush_waiter_unref);
  _lsobs_attachment_account_unref (self->attachment_account);
  _lsobs_counters_unref (self->counters);
  g_free (self);
}

static void
lock (LsobsQueue *self)
{
  _lsobs_lock_check_enter (LSOBS_LOCK_QUEUE);
  g_async_queue_lock (self->chunks);
}

static void
unlock (LsobsQueue *self)
{
  g_async_queue_unlock (self->chunks);
  _lsobs_lock_check_leave (LSOBS_LOCK_QUEUE);
}

/* Adds @record as the latest. */
static void
put_unlocked (LsobsQueue *self, LsobsRecord *record)
{
  Chunk *chunk = self->back;

  if (chunk == NULL || chunk->len == CHUNK_LEN)
    {
      chunk = self->back = _lsobs_slab_alloc ();
      chunk->first = chunk->len = 0;
      g_async_queue_push_unlocked (self->chunks, chunk);
    }
  record->slot = &chunk->items[chunk->len++];
  *record->slot = record;
}

/* Returns: (transfer none) (nullable): the oldest record, whose chunk is @front then */
static LsobsRecord *
peek_unlocked (LsobsQueue *self)
{
  while (self->front != NULL ||
         (self->front = g_async_queue_try_pop_unlocked (self->chunks)) != NULL)
    {
      Chunk *chunk = self->front;

      while (chunk->first < chunk->len && chunk->items[chunk->first] == NULL)
        chunk->first++;
      if (chunk->first < chunk->len)
        return chunk->items[chunk->first];
      if (chunk == self->back)
        {
          chunk->first = chunk->len = 0;
          break;
        }
      _lsobs_slab_free (chunk);
      self->front = NULL;
    }
  return NULL;
}

/* Returns: (transfer full) (nullable): @record, which is not in the queue any more */
static LsobsRecord *
remove_unlocked (LsobsRecord *record)
{
  if (record != NULL)
    *record->slot = NULL;
  return record;
}

/* Returns: (transfer none): how far the run of @record is at this destination */
static LsobsRunProgress *
get_progress (LsobsQueue *self, LsobsRecord *record)
{
  return _lsobs_run_info_peek_progress (record->info, self->destination);
}

/* Flush waiters finish outside the lock: their functions take locks of GLib's. */
static void
unlock_and_finish (LsobsQueue *self, GSList *finished)
{
  unlock (self);
  if (G_LIKELY (finished == NULL))
    return;
  for (GSList *l = finished; l != NULL; l = l->next)
    _lsobs_flush_waiter_finish (l->data);
  g_slist_free_full (finished, (GDestroyNotify) _lsobs_flush_waiter_unref);
}

/* How a flush counts a record. */
typedef enum
{
  RESULT_DELIVERED,
  RESULT_FAILED,  /* lost after attempts, or by the stop */
  RESULT_SPOOLED, /* on disk, and sent later */
  RESULT_EVICTED  /* lost because a bound of the queue was reached; flush statistics count it */
} FlushResult;

/* Counts a record for all waiters that wait for it.
 * Returns: @finished, with the waiters in front that are done now */
static GSList *
count_for_waiters_unlocked (LsobsQueue *self,
                            LsobsRecord *record,
                            FlushResult result,
                            GSList *finished)
{
  for (GSList *l = self->waiters; l != NULL;)
    {
      LsobsFlushWaiter *waiter = l->data;
      GSList *next = l->next;

      if (record->seq <= waiter->last_seq)
        {
          if (result == RESULT_DELIVERED)
            waiter->n_delivered++;
          else if (result == RESULT_FAILED)
            waiter->n_failed++;
          else if (result == RESULT_SPOOLED)
            waiter->n_spooled++;
          if (--waiter->n_remaining == 0)
            {
              self->waiters = g_slist_remove_link (self->waiters, l);
              finished = g_slist_concat (l, finished);
            }
        }
      l = next;
    }
  return finished;
}

/* Returns: the state of the create of the run after @record, a create, is lost */
static LsobsCreateState
get_state_without (LsobsRecord *record)
{
  return record->create_spooled ? LSOBS_CREATE_SPOOLED : LSOBS_CREATE_LOST;
}

/* Makes @record, an update, the create of its run. */
static void
promote_unlocked (LsobsQueue *self, LsobsRecord *record)
{
  record->kind = LSOBS_RECORD_CREATE;
  record->promoted = TRUE;
  record->create_spooled = get_progress (self, record)->create_state == LSOBS_CREATE_SPOOLED;
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_PROMOTED, 1);
}

/* Counts @record, which has left the queue, as lost, and frees it. */
static GSList *
lose_waiting_unlocked (LsobsQueue *self,
                       LsobsRecord *record,
                       LsobsDropReason reason,
                       FlushResult result,
                       GSList *finished)
{
  LsobsRunProgress *progress = get_progress (self, record);

  self->n_records--;
  self->n_bytes -= record->size;
  progress->waiting = NULL;
  if (record->kind == LSOBS_RECORD_CREATE)
    progress->create_state = get_state_without (record);
  _lsobs_counters_drop (self->counters, reason, 1);
  finished = count_for_waiters_unlocked (self, record, result, finished);
  _lsobs_record_unref (record);
  return finished;
}

/* To be called when @record, which is in the queue, has grown. */
static void
remeasure_unlocked (LsobsQueue *self, LsobsRecord *record)
{
  gsize size = _lsobs_record_measure (record);

  self->n_bytes += size - record->size;
  record->size = size;
}

/* Restores the bounds after @latest was added, or has grown. A record that can never fit loses its
 * attachments, and then goes itself, so that it does not evict all other records. */
static GSList *
make_some_room_unlocked (LsobsQueue *self, LsobsRecord *latest, GSList *finished)
{
  while (latest->size > self->max_bytes && _lsobs_attachments_remove_largest (&latest->attachments))
    {
      _lsobs_counters_add (self->counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS, 1);
      remeasure_unlocked (self, latest);
    }
  if (latest->size > self->max_bytes)
    {
      remove_unlocked (latest);
      finished = lose_waiting_unlocked (self, latest, LSOBS_DROP_REASON_QUEUE_BYTES, RESULT_EVICTED,
                                        finished);
    }
  while (self->n_records > self->capacity ||
         (self->n_bytes > self->max_bytes && self->n_records > 0))
    {
      LsobsDropReason reason = self->n_records > self->capacity ? LSOBS_DROP_REASON_QUEUE_FULL
                                                                : LSOBS_DROP_REASON_QUEUE_BYTES;

      finished = lose_waiting_unlocked (self, remove_unlocked (peek_unlocked (self)), reason,
                                        RESULT_EVICTED, finished);
    }
  return finished;
}

static inline GSList *
make_room_unlocked (LsobsQueue *self, LsobsRecord *latest, GSList *finished)
{
  if (G_LIKELY (self->n_records <= self->capacity && self->n_bytes <= self->max_bytes))
    return finished;
  return make_some_room_unlocked (self, latest, finished);
}

/* Kept records count as queued. */
static void
write_gauges_unlocked (LsobsQueue *self)
{
  _lsobs_counters_set (self->counters, LSOBS_COUNTER_QUEUED, self->n_records + self->n_kept);
  _lsobs_counters_set (self->counters, LSOBS_COUNTER_QUEUED_BYTES,
                       self->n_bytes + self->n_kept_bytes);
}

/* TRUE when a kept record has to go: it is older than all records in the queue. */
static gboolean
is_over_full_unlocked (LsobsQueue *self)
{
  return self->n_kept > 0 && (self->n_records + self->n_kept > self->capacity ||
                              self->n_bytes + self->n_kept_bytes > self->max_bytes);
}

/* The kept record no longer waits. */
static void
take_kept_unlocked (LsobsQueue *self, LsobsRecord *record)
{
  record->kept = FALSE;
  self->n_kept--;
  self->n_kept_bytes -= record->size;
  write_gauges_unlocked (self);
}

/* Whether a taken record has no outcome yet. */
static gboolean
is_undecided_unlocked (LsobsRecord *record)
{
  return record->link.data != NULL;
}

/* A taken record is delivered or lost. */
static void
leave_flight_unlocked (LsobsQueue *self, LsobsRecord *record)
{
  if (record->kept)
    take_kept_unlocked (self, record);
  else
    _lsobs_counters_add (self->counters, LSOBS_COUNTER_IN_FLIGHT, -1);
}

/* Moves what @end has to the waiting record of the same run. */
static void
join_unlocked (LsobsQueue *self, LsobsRecord *waiting, LsobsRecord *end)
{
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS,
                       _lsobs_record_join (waiting, end));
  remeasure_unlocked (self, waiting);
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_MERGED, 1);
}

/* An update of a run that the service does not know is sent as the create. */
static void
append_unlocked (LsobsQueue *self, LsobsRecord *record)
{
  LsobsRunProgress *progress = get_progress (self, record);

  if (record->kind == LSOBS_RECORD_UPDATE && (progress->create_state == LSOBS_CREATE_LOST ||
                                              progress->create_state == LSOBS_CREATE_SPOOLED ||
                                              progress->create_state == LSOBS_CREATE_NONE))
    promote_unlocked (self, record);
  if (record->kind == LSOBS_RECORD_CREATE)
    progress->create_state = LSOBS_CREATE_QUEUED;
  progress->waiting = record;
  record->size = _lsobs_record_measure (record);
  record->queued_at = g_get_monotonic_time ();
  self->n_records++;
  self->n_bytes += record->size;
  put_unlocked (self, record);
}

/* Attachments that were added while no record of the run waited go with its end. */
static void
collect_attachments_unlocked (LsobsQueue *self, LsobsRecord *end)
{
  LsobsChargedAttachments *charged = g_steal_pointer (&get_progress (self, end)->charged);
  GPtrArray *collected;

  if (G_LIKELY (charged == NULL))
    return;
  collected = _lsobs_charged_attachments_finish (charged);
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS,
                       _lsobs_attachments_unite (&collected, end->attachments));
  g_clear_pointer (&end->attachments, g_ptr_array_unref);
  end->attachments = collected;
}

/* Whether so many eighths of a bound are used.
 * @n_records, @n_bytes: in the queue */
static gboolean
is_filled_unlocked (LsobsQueue *self, guint n_records, gsize n_bytes, guint eighths)
{
  return (n_records + self->n_kept) * (guint64) 8 >= (guint64) self->capacity * eighths ||
         (n_bytes + self->n_kept_bytes) / eighths >= self->max_bytes / 8;
}

/* Wakes the worker only when a threshold is crossed: it sets its own alarm for all that follows. */
static LsobsWakeup
decide_wake_unlocked (LsobsQueue *self, guint n_before, gsize bytes_before)
{
  if ((n_before < self->batch_size && self->n_records >= self->batch_size) ||
      (self->has_spool &&
       !is_filled_unlocked (self, n_before, bytes_before, LSOBS_QUEUE_HALF_FULL) &&
       is_filled_unlocked (self, self->n_records, self->n_bytes, LSOBS_QUEUE_HALF_FULL)) ||
      (bytes_before < self->batch_bytes && self->n_bytes >= self->batch_bytes) ||
      is_over_full_unlocked (self))
    return LSOBS_WAKEUP_NOW;
  return n_before == 0 && self->n_records > 0 && !self->watched ? LSOBS_WAKEUP_LATER
                                                                : LSOBS_WAKEUP_NONE;
}

/* As the function above, after a quick check: mostly, no threshold is near. */
static inline LsobsWakeup
get_wake_unlocked (LsobsQueue *self, guint n_before, gsize bytes_before)
{
  if (G_LIKELY (n_before > 0 && !self->has_spool && self->n_kept == 0 &&
                self->n_records < self->batch_size && self->n_bytes < self->batch_bytes))
    return LSOBS_WAKEUP_NONE;
  return decide_wake_unlocked (self, n_before, bytes_before);
}

/* Takes @record over. An end whose start still waits is added to the start. */
LsobsWakeup
_lsobs_queue_push (LsobsQueue *self, LsobsRecord *record)
{
  LsobsRecord *waiting;
  LsobsWakeup wake = LSOBS_WAKEUP_NONE;
  GSList *finished = NULL;
  guint n_before;
  gsize bytes_before;

  lock (self);
  n_before = self->n_records;
  bytes_before = self->n_bytes;
  waiting = get_progress (self, record)->waiting;
  if (!_lsobs_lifecycle_allows (&self->lifecycle, LSOBS_LIFECYCLE_PUSH))
    {
      _lsobs_counters_add (self->counters, LSOBS_COUNTER_ENQUEUED, 1);
      _lsobs_counters_drop (self->counters, LSOBS_DROP_REASON_SHUTDOWN, 1);
      _lsobs_record_unref (record);
    }
  else
    {
      if (record->kind == LSOBS_RECORD_UPDATE)
        collect_attachments_unlocked (self, record);
      if (record->kind == LSOBS_RECORD_UPDATE && waiting != NULL)
        {
          join_unlocked (self, waiting, record);
          finished = make_room_unlocked (self, waiting, finished);
          _lsobs_record_unref (record);
        }
      else
        {
          record->seq = ++self->last_seq;
          _lsobs_counters_add (self->counters, LSOBS_COUNTER_ENQUEUED, 1);
          append_unlocked (self, record);
          finished = make_room_unlocked (self, record, finished);
        }
      write_gauges_unlocked (self);
      wake = get_wake_unlocked (self, n_before, bytes_before);
    }
  unlock_and_finish (self, finished);
  return wake;
}

/* Moves what @end has to the create of the run, if that waits. FALSE, with no change, if it does not,
 * or if attachments wait for the end.
 * @wake: (out) */
gboolean
_lsobs_queue_end_plainly (LsobsQueue *self,
                          LsobsRunInfo *info,
                          LsobsRecordEnd *end,
                          LsobsWakeup *wake)
{
  LsobsRunProgress *progress = _lsobs_run_info_peek_progress (info, self->destination);
  GSList *finished = NULL;
  LsobsRecord *waiting;
  gsize bytes_before;
  gsize added;
  guint n_before;
  gboolean ended;

  lock (self);
  waiting = progress->waiting;
  ended = waiting != NULL && waiting->kind == LSOBS_RECORD_CREATE && progress->charged == NULL &&
          _lsobs_lifecycle_allows (&self->lifecycle, LSOBS_LIFECYCLE_PUSH);
  if (G_LIKELY (ended))
    {
      n_before = self->n_records;
      bytes_before = self->n_bytes;
      added = _lsobs_record_end (waiting, end);
      waiting->size += added;
      self->n_bytes += added;
      _lsobs_counters_add (self->counters, LSOBS_COUNTER_MERGED, 1);
      finished = make_room_unlocked (self, waiting, finished);
      write_gauges_unlocked (self);
      *wake = get_wake_unlocked (self, n_before, bytes_before);
    }
  unlock_and_finish (self, finished);
  return ended;
}

/* Moves what @end, the end of a run, has to the waiting record of the run. FALSE, with no change, when
 * no record of the run waits, or none is taken any more: _lsobs_queue_push() is for these.
 * @end: may lie on the stack; the caller clears it
 * @wake: (out) */
gboolean
_lsobs_queue_end_waiting (LsobsQueue *self, LsobsRecord *end, LsobsWakeup *wake)
{
  LsobsRecord *waiting;
  GSList *finished = NULL;
  guint n_before;
  gsize bytes_before;
  gboolean joined;

  lock (self);
  waiting = get_progress (self, end)->waiting;
  joined = waiting != NULL && _lsobs_lifecycle_allows (&self->lifecycle, LSOBS_LIFECYCLE_PUSH);
  if (joined)
    {
      n_before = self->n_records;
      bytes_before = self->n_bytes;
      collect_attachments_unlocked (self, end);
      join_unlocked (self, waiting, end);
      finished = make_room_unlocked (self, waiting, finished);
      write_gauges_unlocked (self);
      *wake = get_wake_unlocked (self, n_before, bytes_before);
    }
  unlock_and_finish (self, finished);
  return joined;
}

/* Takes @record over. Adds it to the waiting record of its run. FALSE, and @record is freed, when
 * no record of the run waits. */
gboolean
_lsobs_queue_join_waiting (LsobsQueue *self, LsobsRecord *record)
{
  LsobsRecord *waiting;
  GSList *finished = NULL;
  gboolean joined;

  lock (self);
  waiting = get_progress (self, record)->waiting;
  joined = waiting != NULL && _lsobs_lifecycle_allows (&self->lifecycle, LSOBS_LIFECYCLE_PUSH);
  if (joined)
    {
      join_unlocked (self, waiting, record);
      finished = make_room_unlocked (self, waiting, finished);
      write_gauges_unlocked (self);
    }
  _lsobs_record_unref (record);
  unlock_and_finish (self, finished);
  return joined;
}

/* Adds an attachment to the waiting record of the run, or else to its end, which is still to come.
 * FALSE, and counted, when it does not fit. */
gboolean
_lsobs_queue_attach (LsobsQueue *self,
                     LsobsRunInfo *info,
                     LsobsAttachment *attachment,
                     LsobsWakeup *wake)
{
  GSList *finished = NULL;
  gsize size = _lsobs_attachment_measure (attachment);
  gboolean taken = FALSE;
  LsobsRunProgress *progress;
  LsobsRecord *waiting;

  lock (self);
  *wake = LSOBS_WAKEUP_NONE;
  progress = _lsobs_run_info_peek_progress (info, self->destination);
  waiting = progress->waiting;
  if (!_lsobs_lifecycle_allows (&self->lifecycle, LSOBS_LIFECYCLE_PUSH))
    {
      taken = FALSE;
    }
  else if (waiting != NULL && progress->charged == NULL && waiting->size < self->max_bytes &&
           size <= self->max_bytes - waiting->size)
    {
      gsize bytes_before = self->n_bytes;

      taken = _lsobs_attachments_put (&waiting->attachments, attachment);
      remeasure_unlocked (self, waiting);
      finished = make_room_unlocked (self, waiting, finished);
      write_gauges_unlocked (self);
      *wake = get_wake_unlocked (self, self->n_records, bytes_before);
    }
  else
    {
      taken = _lsobs_charged_attachments_put_unlocked (&progress->charged, self->attachment_account,
                                                       attachment);
    }
  if (!taken)
    _lsobs_counters_add (self->counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS, 1);
  unlock_and_finish (self, finished);
  return taken;
}

/* Moves the oldest records to @records, in their order. Only a single record may be larger than
 * @max_bytes.
 * Returns: how many */
guint
_lsobs_queue_take (LsobsQueue *self, guint max_records, gsize max_bytes, GPtrArray *records)
{
  guint n = 0;
  gsize n_bytes = 0;

  lock (self);
  while (n < max_records && self->n_records > 0)
    {
      LsobsRecord *record = peek_unlocked (self);
      LsobsRunProgress *progress = get_progress (self, record);

      if (n > 0 && record->size > max_bytes - n_bytes)
        break;
      remove_unlocked (record);
      self->n_records--;
      self->n_bytes -= record->size;
      progress->waiting = NULL;
      if (record->kind == LSOBS_RECORD_CREATE)
        progress->create_state = LSOBS_CREATE_TAKEN;
      g_ptr_array_add (records, record);
      record->link.data = _lsobs_record_ref (record);
      g_queue_push_tail_link (&self->taken, &record->link);
      n_bytes = MIN (n_bytes + record->size, max_bytes);
      n++;
    }
  self->was_taken |= n > 0;
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_IN_FLIGHT, n);
  write_gauges_unlocked (self);
  unlock (self);
  return n;
}

/* The worker has found no record. If it has taken some since the last call, more are likely to come:
 * it looks again after an interval, and producers need not wake it until then. So a program that is
 * idle is left alone, and one that traces does not wake the worker for the first record after each
 * batch.
 * Returns: whether the caller sets an alarm for that */
gboolean
_lsobs_queue_watch (LsobsQueue *self)
{
  gboolean watched;

  lock (self);
  /* If the queue was watched, a record that has come meanwhile has not woken the worker. */
  watched = self->watched = self->was_taken || self->n_records > 0;
  self->was_taken = FALSE;
  unlock (self);
  return watched;
}

/* Whether records should leave now: for a full batch, much memory, an old record, a flush or the
 * end.
 * @due_time: (out): monotonic, µs: when the oldest record gets old; -1 for an empty queue */
gboolean
_lsobs_queue_is_due (LsobsQueue *self, gint64 interval_us, gint64 now, gint64 *due_time)
{
  gboolean due = FALSE;

  *due_time = -1;
  lock (self);
  if (self->n_records > 0)
    {
      LsobsRecord *oldest = peek_unlocked (self);

      /* Records that a flush asked for leave now even if its time is over. */
      due = self->n_records >= self->batch_size || self->n_bytes >= self->batch_bytes ||
            oldest->seq <= self->flush_seq ||
            !_lsobs_lifecycle_allows (&self->lifecycle, LSOBS_LIFECYCLE_PUSH);
      if (!due)
        {
          *due_time = oldest->queued_at + interval_us;
          due = *due_time <= now;
        }
    }
  unlock (self);
  return due;
}

LsobsCreateState
_lsobs_queue_get_create_state (LsobsQueue *self, LsobsRunInfo *info)
{
  LsobsCreateState state;

  lock (self);
  state = _lsobs_run_info_peek_progress (info, self->destination)->create_state;
  unlock (self);
  return state;
}

/* Writes the annotations of the run into a taken record, and finds out whether the create has left
 * without some of them. Called by the worker only, which alone uses these members: no lock. */
void
_lsobs_queue_write_annotations (LsobsQueue *self, LsobsRecord *record)
{
  LsobsRunProgress *progress = get_progress (self, record);

  _lsobs_record_write_annotations (record);
  record->extra_new = record->extra_seq != progress->extra_seq;
  if (record->kind == LSOBS_RECORD_CREATE && !record->promoted)
    {
      progress->extra_seq = record->extra_seq;
      progress->serialized_seq = record->serialized_seq;
    }
  /* Updates do not carry "serialized". */
  if (record->kind == LSOBS_RECORD_UPDATE && record->serialized_seq != progress->serialized_seq)
    _lsobs_counters_add (self->counters, LSOBS_COUNTER_DROPPED_NOTES, 1);
}

/* A taken update whose create was lost, or spooled, becomes the create. */
void
_lsobs_queue_promote (LsobsQueue *self, LsobsRecord *record)
{
  lock (self);
  promote_unlocked (self, record);
  get_progress (self, record)->create_state = LSOBS_CREATE_TAKEN;
  unlock (self);
}

/* The create was delivered after all: the record is an update again. */
void
_lsobs_queue_demote (LsobsQueue *self, LsobsRecord *record)
{
  lock (self);
  record->kind = LSOBS_RECORD_UPDATE;
  record->promoted = record->create_spooled = FALSE;
  get_progress (self, record)->create_state = LSOBS_CREATE_DELIVERED;
  unlock (self);
}

/* @n_in_flight: (inout): is raised by one if @record was in flight */
static GSList *
deliver_unlocked (LsobsQueue *self, LsobsRecord *record, guint *n_in_flight, GSList *finished)
{
  if (record->kind == LSOBS_RECORD_CREATE)
    get_progress (self, record)->create_state = LSOBS_CREATE_DELIVERED;
  if (G_UNLIKELY (record->kept))
    take_kept_unlocked (self, record);
  else
    (*n_in_flight)++;
  finished = count_for_waiters_unlocked (self, record, RESULT_DELIVERED, finished);
  forget_taken_unlocked (self, record);
  return finished;
}

/* Taken records are delivered, but those that were written off. The caller keeps its references. */
void
_lsobs_queue_deliver (LsobsQueue *self, LsobsRecord *const *records, guint n_records)
{
  GSList *finished = NULL;
  guint n_delivered = 0;
  guint n_in_flight = 0;

  lock (self);
  for (guint i = 0; i < n_records; i++)
    if (is_undecided_unlocked (records[i]))
      {
        finished = deliver_unlocked (self, records[i], &n_in_flight, finished);
        n_delivered++;
      }
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_IN_FLIGHT, -(gssize) n_in_flight);
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_DELIVERED, n_delivered);
  unlock_and_finish (self, finished);
}

/* A taken record is in the spool, unless it was written off. It may be sent much later, so that the
 * records of its run that follow do not wait for it. Called from any thread. The caller keeps its
 * reference. */
void
_lsobs_queue_spooled (LsobsQueue *self, LsobsRecord *record)
{
  GSList *finished = NULL;

  lock (self);
  if (is_undecided_unlocked (record))
    {
      if (record->kind == LSOBS_RECORD_CREATE)
        get_progress (self, record)->create_state = LSOBS_CREATE_SPOOLED;
      leave_flight_unlocked (self, record);
      _lsobs_counters_add (self->counters, LSOBS_COUNTER_SPOOLED, 1);
      finished = count_for_waiters_unlocked (self, record, RESULT_SPOOLED, finished);
      forget_taken_unlocked (self, record);
    }
  unlock_and_finish (self, finished);
}

/* Remembers how many records were lost because the spool could not be written. Called from any
 * thread. */
void
_lsobs_queue_add_unspooled (LsobsQueue *self, guint n_records)
{
  lock (self);
  self->n_unspooled += n_records;
  unlock (self);
}

/* Returns: how many since the last call */
guint
_lsobs_queue_take_unspooled (LsobsQueue *self)
{
  guint n;

  lock (self);
  n = self->n_unspooled;
  self->n_unspooled = 0;
  unlock (self);
  return n;
}

/* Counts a taken record as lost. */
static GSList *
lose_taken_unlocked (LsobsQueue *self,
                     LsobsRecord *record,
                     LsobsDropReason reason,
                     FlushResult result,
                     GSList *finished)
{
  if (record->kind == LSOBS_RECORD_CREATE)
    get_progress (self, record)->create_state = get_state_without (record);
  leave_flight_unlocked (self, record);
  _lsobs_counters_drop (self->counters, reason, 1);
  finished = count_for_waiters_unlocked (self, record, result, finished);
  forget_taken_unlocked (self, record);
  return finished;
}

static void
lose_taken (LsobsQueue *self, LsobsRecord *record, LsobsDropReason reason, FlushResult result)
{
  GSList *finished = NULL;

  lock (self);
  if (is_undecided_unlocked (record))
    finished = lose_taken_unlocked (self, record, reason, result, finished);
  unlock_and_finish (self, finished);
}

/* A taken record is lost. The caller keeps its reference. */
void
_lsobs_queue_lost (LsobsQueue *self, LsobsRecord *record, LsobsDropReason reason)
{
  lose_taken (self, record, reason, RESULT_FAILED);
}

/* A taken record is lost because a bound of the queue was reached. The caller keeps its
 * reference. */
void
_lsobs_queue_evict (LsobsQueue *self, LsobsRecord *record, LsobsDropReason reason)
{
  lose_taken (self, record, reason, RESULT_EVICTED);
}

/* A taken record waits again, outside of the queue. */
void
_lsobs_queue_keep (LsobsQueue *self, LsobsRecord *record)
{
  lock (self);
  if (!record->kept && is_undecided_unlocked (record))
    {
      record->kept = TRUE;
      self->n_kept++;
      self->n_kept_bytes += record->size;
      _lsobs_counters_add (self->counters, LSOBS_COUNTER_IN_FLIGHT, -1);
      write_gauges_unlocked (self);
    }
  unlock (self);
}

/* Whether so much of a bound is used. */
gboolean
_lsobs_queue_is_filled (LsobsQueue *self, guint eighths)
{
  gboolean filled;

  lock (self);
  filled = is_filled_unlocked (self, self->n_records, self->n_bytes, eighths);
  unlock (self);
  return filled;
}

/* Returns: monotonic, µs: when the oldest record in the queue was pushed, or -1 */
gint64
_lsobs_queue_get_oldest_time (LsobsQueue *self)
{
  gint64 time = -1;

  lock (self);
  if (self->n_records > 0)
    time = peek_unlocked (self)->queued_at;
  unlock (self);
  return time;
}

/* Taken records are sent; they may have been kept. */
void
_lsobs_queue_send (LsobsQueue *self, LsobsRecord *const *records, guint n_records)
{
  lock (self);
  for (guint i = 0; i < n_records; i++)
    if (G_UNLIKELY (records[i]->kept))
      {
        take_kept_unlocked (self, records[i]);
        _lsobs_counters_add (self->counters, LSOBS_COUNTER_IN_FLIGHT, 1);
      }
  unlock (self);
}

/* Whether a kept record has to go.
 * @reason: (out): which bound was reached */
gboolean
_lsobs_queue_is_over_full (LsobsQueue *self, LsobsDropReason *reason)
{
  gboolean over_full;

  lock (self);
  over_full = is_over_full_unlocked (self);
  *reason = self->n_records + self->n_kept > self->capacity ? LSOBS_DROP_REASON_QUEUE_FULL
                                                            : LSOBS_DROP_REASON_QUEUE_BYTES;
  unlock (self);
  return over_full;
}

/* Makes @waiter wait for all records that are queued at this moment, and sends them at once. FALSE
 * if there are none: @waiter is then not finished. */
gboolean
_lsobs_queue_add_waiter (LsobsQueue *self, LsobsFlushWaiter *waiter)
{
  gboolean added;

  lock (self);
  waiter->last_seq = self->last_seq;
  self->flush_seq = self->last_seq;
  waiter->n_remaining = self->n_records + self->n_kept +
                        _lsobs_counters_get (self->counters, LSOBS_COUNTER_IN_FLIGHT);
  added = waiter->n_remaining > 0;
  if (added)
    self->waiters = g_slist_prepend (self->waiters, _lsobs_flush_waiter_ref (waiter));
  unlock (self);
  return added;
}

/* The numbers of @waiter are constant from now on. FALSE when it is finished, or another thread is
 * about to finish it. */
gboolean
_lsobs_queue_remove_waiter (LsobsQueue *self, LsobsFlushWaiter *waiter)
{
  GSList *link;

  lock (self);
  link = g_slist_find (self->waiters, waiter);
  if (link != NULL)
    self->waiters = g_slist_delete_link (self->waiters, link);
  unlock (self);
  if (link != NULL)
    _lsobs_flush_waiter_unref (waiter);
  return link != NULL;
}

/* Whether a flush waits; patient waiters do not count. */
gboolean
_lsobs_queue_has_waiters (LsobsQueue *self)
{
  gboolean has_waiters = FALSE;

  lock (self);
  for (GSList *l = self->waiters; l != NULL && !has_waiters; l = l->next)
    has_waiters = !((LsobsFlushWaiter *) l->data)->patient;
  unlock (self);
  return has_waiters;
}

/* Sending is paused: finishes all waiters but patient ones as refused. Their records stay. */
void
_lsobs_queue_refuse_waiters (LsobsQueue *self)
{
  GSList *refused = NULL;

  lock (self);
  for (GSList *l = self->waiters; l != NULL;)
    {
      LsobsFlushWaiter *waiter = l->data;
      GSList *next = l->next;

      if (!waiter->patient)
        {
          waiter->refused = TRUE;
          self->waiters = g_slist_remove_link (self->waiters, l);
          refused = g_slist_concat (l, refused);
        }
      l = next;
    }
  unlock_and_finish (self, refused);
}

/* Returns: (transfer none): the state that the queue shares with its worker */
LsobsLifecycle *
_lsobs_queue_peek_lifecycle (LsobsQueue *self)
{
  return &self->lifecycle;
}

/* All records in the queue are lost. */
void
_lsobs_queue_drop_waiting (LsobsQueue *self, LsobsDropReason reason)
{
  GSList *finished = NULL;

  lock (self);
  while (self->n_records > 0)
    finished = lose_waiting_unlocked (self, remove_unlocked (peek_unlocked (self)), reason,
                                      RESULT_FAILED, finished);
  write_gauges_unlocked (self);
  unlock_and_finish (self, finished);
}

/* All records that have no outcome, those that were taken too, are lost now, in the thread of the
 * caller: the worker does not end in time. What the worker reports about them later changes
 * nothing. The pipeline must be stopping. */
void
_lsobs_queue_write_off (LsobsQueue *self, LsobsDropReason reason)
{
  GSList *finished = NULL;

  g_assert (_lsobs_lifecycle_allows (&self->lifecycle, LSOBS_LIFECYCLE_DISCARD));
  lock (self);
  g_atomic_int_set (&self->written_off, TRUE);
  while (self->n_records > 0)
    finished = lose_waiting_unlocked (self, remove_unlocked (peek_unlocked (self)), reason,
                                      RESULT_FAILED, finished);
  while (self->taken.length > 0)
    finished = lose_taken_unlocked (self, self->taken.head->data, reason, RESULT_FAILED, finished);
  write_gauges_unlocked (self);
  unlock_and_finish (self, finished);
}

/* Returns: (transfer none): (atomic) what _lsobs_queue_is_written_off() returns */
int *
_lsobs_queue_peek_written_off (LsobsQueue *self)
{
  return &self->written_off;
}

/* Whether all records are written off: nothing is encoded, sent or written any more. */
gboolean
_lsobs_queue_is_written_off (LsobsQueue *self)
{
  return g_atomic_int_get (&self->written_off);
}

/* Returns: (transfer full): all counters of one moment */
LsobsStats *
_lsobs_queue_dup_stats (LsobsQueue *self)
{
  LsobsStats *stats;

  lock (self);
  stats = _lsobs_counters_snapshot (self->counters);
  unlock (self);
  return stats;
}
