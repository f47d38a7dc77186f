/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/pipeline/lsobs-queue-private.h"

struct _LsobsQueue
{
  gatomicrefcount ref_count;
  LsobsCounters *counters; /* (owned) those of the flow change under the lock only */
  LsobsHeldAccount *held;  /* (owned) of the attachments that wait for the end of their run */
  guint capacity;
  gsize max_bytes;
  guint batch_size;  /* so many waiting records are worth a wake-up */
  gsize batch_bytes; /* so many waiting bytes are worth a wake-up */
  guint lane;        /* which flow of a run is through here */

  /* (owned) of LsobsRecord, the oldest first. Its own lock guards all below, and
   * the flow through here of every run. */
  GAsyncQueue *records;
  guint n_records;
  gsize n_bytes;
  guint n_kept;       /* records that were taken, and wait again */
  gsize n_kept_bytes; /* of memory */
  guint64 last_seq;
  guint64 flush_seq; /* records up to here were asked for by a flush */
  gboolean closed;
  GSList *tickets; /* (element-type LsobsFlushWaiter) (owned) */
  LsobsForkGuard guard;
};

/* @lane: which of the places that runs are written to the queue leads to, from 0 */
LsobsQueue *
_lsobs_queue_new (guint capacity,
                  gsize max_bytes,
                  guint batch_size,
                  gsize batch_bytes,
                  LsobsCounters *counters,
                  guint lane)
{
  LsobsQueue *self = g_new0 (LsobsQueue, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->counters = _lsobs_counters_ref (counters);
  self->held = _lsobs_held_account_new (max_bytes, counters);
  self->capacity = capacity;
  self->max_bytes = max_bytes;
  self->batch_size = MIN (batch_size, capacity);
  self->batch_bytes = MIN (batch_bytes, max_bytes / 2);
  self->lane = lane;
  self->records = g_async_queue_new_full ((GDestroyNotify) _lsobs_record_unref);
  _lsobs_fork_guard_add_queue (&self->guard, self->records);
  return self;
}

LsobsQueue *
_lsobs_queue_ref (LsobsQueue *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_queue_unref (LsobsQueue *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  _lsobs_fork_guard_remove_queue (&self->guard);
  g_async_queue_unref (self->records);
  g_slist_free_full (self->tickets, (GDestroyNotify) _lsobs_flush_waiter_unref);
  _lsobs_held_account_unref (self->held);
  _lsobs_counters_unref (self->counters);
  g_free (self);
}

static void
lock (LsobsQueue *self)
{
  g_async_queue_lock (self->records);
}

/* Called with the lock held. */
static LsobsFlow *
get_flow (LsobsQueue *self, LsobsRecord *record)
{
  return _lsobs_run_info_peek_flow (record->info, self->lane);
}

/* Tickets are finished outside the lock: their functions are the program's. */
static void
unlock_and_finish (LsobsQueue *self, GSList *finished)
{
  g_async_queue_unlock (self->records);
  if (G_LIKELY (finished == NULL))
    return;
  for (GSList *l = finished; l != NULL; l = l->next)
    _lsobs_flush_waiter_finish (l->data);
  g_slist_free_full (finished, (GDestroyNotify) _lsobs_flush_waiter_unref);
}

typedef enum
{
  FATE_DELIVERED,
  FATE_LOST,   /* tried, and lost */
  FATE_EVICTED /* lost for want of room */
} Fate;

/* Called with the lock held. Tells the tickets about a record, and returns those
 * that are done now in front of @finished. */
static GSList *
settle_tickets (LsobsQueue *self, LsobsRecord *record, Fate fate, GSList *finished)
{
  for (GSList *l = self->tickets; l != NULL;)
    {
      LsobsFlushWaiter *ticket = l->data;
      GSList *next = l->next;

      if (record->seq <= ticket->last_seq)
        {
          if (fate == FATE_DELIVERED)
            ticket->n_delivered++;
          else if (fate == FATE_LOST)
            ticket->n_failed++;
          if (--ticket->n_remaining == 0)
            {
              self->tickets = g_slist_remove_link (self->tickets, l);
              finished = g_slist_concat (l, finished);
            }
        }
      l = next;
    }
  return finished;
}

/* Called with the lock held; frees @record, which is in the queue no more. */
static GSList *
lose_waiting (LsobsQueue *self,
              LsobsRecord *record,
              LsobsDropReason reason,
              Fate fate,
              GSList *finished)
{
  LsobsFlow *flow = get_flow (self, record);

  self->n_records--;
  self->n_bytes -= record->size;
  flow->waiting = NULL;
  if (record->kind == LSOBS_RECORD_CREATE)
    flow->create_state = LSOBS_CREATE_LOST;
  _lsobs_counters_drop (self->counters, reason, 1);
  finished = settle_tickets (self, record, fate, finished);
  _lsobs_record_unref (record);
  return finished;
}

/* Called with the lock held, after @record, which is in the queue, has grown. */
static void
measure_again (LsobsQueue *self, LsobsRecord *record)
{
  gsize size = _lsobs_record_measure (record);

  self->n_bytes += size - record->size;
  record->size = size;
}

/* Called with the lock held, after @latest has come in, or has grown. What can
 * never fit goes itself, its attachments first, and not all that waits before it. */
static GSList *
make_room (LsobsQueue *self, LsobsRecord *latest, GSList *finished)
{
  while (latest->size > self->max_bytes && _lsobs_attachments_drop (&latest->attachments))
    {
      _lsobs_counters_add (self->counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS, 1);
      measure_again (self, latest);
    }
  if (latest->size > self->max_bytes)
    {
      g_async_queue_remove_unlocked (self->records, latest);
      finished = lose_waiting (self, latest, LSOBS_DROP_REASON_QUEUE_BYTES, FATE_EVICTED, finished);
    }
  while (self->n_records > self->capacity ||
         (self->n_bytes > self->max_bytes && self->n_records > 0))
    {
      LsobsDropReason reason = self->n_records > self->capacity ? LSOBS_DROP_REASON_QUEUE_FULL
                                                                : LSOBS_DROP_REASON_QUEUE_BYTES;

      finished = lose_waiting (self, g_async_queue_try_pop_unlocked (self->records), reason,
                               FATE_EVICTED, finished);
    }
  return finished;
}

/* Called with the lock held: the gauges of the books. */
static void
write_gauges (LsobsQueue *self)
{
  _lsobs_counters_set (self->counters, LSOBS_COUNTER_QUEUED, self->n_records + self->n_kept);
  _lsobs_counters_set (self->counters, LSOBS_COUNTER_QUEUED_BYTES,
                       self->n_bytes + self->n_kept_bytes);
}

/* Called with the lock held. TRUE when something has to go that is not in the queue. */
static gboolean
is_over_full (LsobsQueue *self)
{
  return self->n_kept > 0 && (self->n_records + self->n_kept > self->capacity ||
                              self->n_bytes + self->n_kept_bytes > self->max_bytes);
}

/* Called with the lock held: the record no longer waits. */
static void
take_kept (LsobsQueue *self, LsobsRecord *record)
{
  record->kept = FALSE;
  self->n_kept--;
  self->n_kept_bytes -= record->size;
  write_gauges (self);
}

/* Called with the lock held: a taken record has found its fate. */
static void
leave_flight (LsobsQueue *self, LsobsRecord *record)
{
  if (record->kept)
    take_kept (self, record);
  else
    _lsobs_counters_add (self->counters, LSOBS_COUNTER_IN_FLIGHT, -1);
}

/* Called with the lock held. Adds what came later to the record that waits. */
static void
join (LsobsQueue *self, LsobsRecord *waiting, LsobsRecord *end)
{
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS,
                       _lsobs_record_join (waiting, end));
  measure_again (self, waiting);
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_MERGED, 1);
  _lsobs_record_unref (end);
}

/* Called with the lock held. */
static void
append (LsobsQueue *self, LsobsRecord *record)
{
  LsobsFlow *flow = get_flow (self, record);

  if (record->kind == LSOBS_RECORD_UPDATE &&
      (flow->create_state == LSOBS_CREATE_LOST || flow->create_state == LSOBS_CREATE_NONE))
    {
      record->kind = LSOBS_RECORD_CREATE;
      record->promoted = TRUE;
      _lsobs_counters_add (self->counters, LSOBS_COUNTER_PROMOTED, 1);
    }
  if (record->kind == LSOBS_RECORD_CREATE)
    flow->create_state = LSOBS_CREATE_QUEUED;
  flow->waiting = record;
  record->size = _lsobs_record_measure (record);
  record->queued_at = g_get_monotonic_time ();
  self->n_records++;
  self->n_bytes += record->size;
  g_async_queue_push_unlocked (self->records, record);
}

/* Called with the lock held: what came when no record waited goes with the end. */
static void
collect_attachments (LsobsQueue *self, LsobsRecord *end)
{
  LsobsHeld *held = g_steal_pointer (&get_flow (self, end)->held);
  GPtrArray *collected;

  if (G_LIKELY (held == NULL))
    return;
  collected = _lsobs_held_finish (held);
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS,
                       _lsobs_attachments_unite (&collected, end->attachments));
  g_clear_pointer (&end->attachments, g_ptr_array_unref);
  end->attachments = collected;
}

/* Called with the lock held. Wake on edges only: the flush thread looks after itself
 * in between. */
static LsobsWake
get_wake (LsobsQueue *self, guint n_before, gsize bytes_before)
{
  if ((n_before < self->batch_size && self->n_records >= self->batch_size) ||
      (bytes_before < self->batch_bytes && self->n_bytes >= self->batch_bytes) ||
      is_over_full (self))
    return LSOBS_WAKE_NOW;
  return n_before == 0 && self->n_records > 0 ? LSOBS_WAKE_LATER : LSOBS_WAKE_NONE;
}

/* Takes @record over. An end whose start still waits joins it in its place. */
LsobsWake
_lsobs_queue_push (LsobsQueue *self, LsobsRecord *record)
{
  LsobsRecord *waiting;
  LsobsWake wake = LSOBS_WAKE_NONE;
  GSList *finished = NULL;
  guint n_before;
  gsize bytes_before;

  lock (self);
  n_before = self->n_records;
  bytes_before = self->n_bytes;
  waiting = get_flow (self, record)->waiting;
  if (self->closed)
    {
      _lsobs_counters_add (self->counters, LSOBS_COUNTER_ENQUEUED, 1);
      _lsobs_counters_drop (self->counters, LSOBS_DROP_REASON_SHUTDOWN, 1);
      _lsobs_record_unref (record);
    }
  else
    {
      if (record->kind == LSOBS_RECORD_UPDATE)
        collect_attachments (self, record);
      if (record->kind == LSOBS_RECORD_UPDATE && waiting != NULL)
        {
          join (self, waiting, record);
          finished = make_room (self, waiting, finished);
        }
      else
        {
          record->seq = ++self->last_seq;
          _lsobs_counters_add (self->counters, LSOBS_COUNTER_ENQUEUED, 1);
          append (self, record);
          finished = make_room (self, record, finished);
        }
      write_gauges (self);
      wake = get_wake (self, n_before, bytes_before);
    }
  unlock_and_finish (self, finished);
  return wake;
}

/* Takes @record over. Adds it to what waits of its run; if nothing does, it is
 * gone, and the answer FALSE. */
gboolean
_lsobs_queue_join_waiting (LsobsQueue *self, LsobsRecord *record)
{
  LsobsRecord *waiting;
  GSList *finished = NULL;
  gboolean joined;

  lock (self);
  waiting = get_flow (self, record)->waiting;
  joined = waiting != NULL && !self->closed;
  if (joined)
    {
      join (self, waiting, record);
      finished = make_room (self, waiting, finished);
      write_gauges (self);
    }
  else
    {
      _lsobs_record_unref (record);
    }
  unlock_and_finish (self, finished);
  return joined;
}

/* Gives the run a file: it goes with the record that waits, or else with the end that
 * is still to come. FALSE, and counted, when there is no room for it. */
gboolean
_lsobs_queue_attach (LsobsQueue *self,
                     LsobsRunInfo *info,
                     LsobsAttachment *attachment,
                     LsobsWake *wake)
{
  GSList *finished = NULL;
  gsize size = _lsobs_attachment_measure (attachment);
  gboolean taken = FALSE;
  LsobsFlow *flow;
  LsobsRecord *waiting;

  lock (self);
  *wake = LSOBS_WAKE_NONE;
  flow = _lsobs_run_info_peek_flow (info, self->lane);
  waiting = flow->waiting;
  if (self->closed)
    {
      taken = FALSE;
    }
  else if (waiting != NULL && flow->held == NULL && waiting->size < self->max_bytes &&
           size <= self->max_bytes - waiting->size)
    {
      gsize bytes_before = self->n_bytes;

      taken = _lsobs_attachments_put (&waiting->attachments, attachment);
      measure_again (self, waiting);
      finished = make_room (self, waiting, finished);
      write_gauges (self);
      *wake = get_wake (self, self->n_records, bytes_before);
    }
  else
    {
      taken = _lsobs_held_put (&flow->held, self->held, attachment);
    }
  if (!taken)
    _lsobs_counters_add (self->counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS, 1);
  unlock_and_finish (self, finished);
  return taken;
}

/* Moves the oldest records to @records, in their order. More than @max_bytes
 * only if the first one alone is larger. */
guint
_lsobs_queue_take (LsobsQueue *self, guint max_records, gsize max_bytes, GPtrArray *records)
{
  guint n = 0;
  gsize n_bytes = 0;

  lock (self);
  while (n < max_records && self->n_records > 0)
    {
      LsobsRecord *record = g_async_queue_try_pop_unlocked (self->records);
      LsobsFlow *flow = get_flow (self, record);

      if (n > 0 && record->size > max_bytes - n_bytes)
        {
          g_async_queue_push_front_unlocked (self->records, record);
          break;
        }
      self->n_records--;
      self->n_bytes -= record->size;
      flow->waiting = NULL;
      if (record->kind == LSOBS_RECORD_CREATE)
        flow->create_state = LSOBS_CREATE_TAKEN;
      g_ptr_array_add (records, record);
      n_bytes = MIN (n_bytes + record->size, max_bytes);
      n++;
    }
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_IN_FLIGHT, n);
  write_gauges (self);
  g_async_queue_unlock (self->records);
  return n;
}

/* Whether records should leave now: a full batch, much memory, an old record, a
 * flush or the end. Otherwise @due_time says when, or -1 for an empty queue. */
gboolean
_lsobs_queue_is_due (LsobsQueue *self, gint64 interval_us, gint64 now, gint64 *due_time)
{
  gboolean due = FALSE;

  *due_time = -1;
  lock (self);
  if (self->n_records > 0)
    {
      /* GAsyncQueue has no peek. */
      LsobsRecord *oldest = g_async_queue_try_pop_unlocked (self->records);

      g_async_queue_push_front_unlocked (self->records, oldest);
      /* A flush that nobody waits for any longer was asked for all the same. */
      due = self->n_records >= self->batch_size || self->n_bytes >= self->batch_bytes ||
            oldest->seq <= self->flush_seq || self->closed;
      if (!due)
        {
          *due_time = oldest->queued_at + interval_us;
          due = *due_time <= now;
        }
    }
  g_async_queue_unlock (self->records);
  return due;
}

LsobsCreateState
_lsobs_queue_get_create_state (LsobsQueue *self, LsobsRunInfo *info)
{
  LsobsCreateState state;

  lock (self);
  state = _lsobs_run_info_peek_flow (info, self->lane)->create_state;
  g_async_queue_unlock (self->records);
  return state;
}

/* Writes out what was noted on the run of a taken record, and finds out whether the
 * create has left without some of it. No lock: that is for the flush thread alone. */
void
_lsobs_queue_settle (LsobsQueue *self, LsobsRecord *record)
{
  LsobsFlow *flow = get_flow (self, record);

  _lsobs_record_settle (record);
  record->extra_new = record->extra_seq != flow->extra_seq;
  if (record->kind == LSOBS_RECORD_CREATE && !record->promoted)
    {
      flow->extra_seq = record->extra_seq;
      flow->serialized_seq = record->serialized_seq;
    }
  /* An update does not tell it. */
  if (record->kind == LSOBS_RECORD_UPDATE && record->serialized_seq != flow->serialized_seq)
    _lsobs_counters_add (self->counters, LSOBS_COUNTER_DROPPED_NOTES, 1);
}

/* A taken update whose create was lost becomes the create. */
void
_lsobs_queue_promote (LsobsQueue *self, LsobsRecord *record)
{
  lock (self);
  record->kind = LSOBS_RECORD_CREATE;
  record->promoted = TRUE;
  get_flow (self, record)->create_state = LSOBS_CREATE_TAKEN;
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_PROMOTED, 1);
  g_async_queue_unlock (self->records);
}

/* The create was not lost after all: the record is an update again. */
void
_lsobs_queue_demote (LsobsQueue *self, LsobsRecord *record)
{
  lock (self);
  record->kind = LSOBS_RECORD_UPDATE;
  record->promoted = FALSE;
  get_flow (self, record)->create_state = LSOBS_CREATE_DELIVERED;
  g_async_queue_unlock (self->records);
}

/* The record stays the caller's. */
void
_lsobs_queue_delivered (LsobsQueue *self, LsobsRecord *record)
{
  GSList *finished;

  lock (self);
  if (record->kind == LSOBS_RECORD_CREATE)
    get_flow (self, record)->create_state = LSOBS_CREATE_DELIVERED;
  leave_flight (self, record);
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_DELIVERED, 1);
  finished = settle_tickets (self, record, FATE_DELIVERED, NULL);
  unlock_and_finish (self, finished);
}

static void
lose_taken (LsobsQueue *self, LsobsRecord *record, LsobsDropReason reason, Fate fate)
{
  GSList *finished;

  lock (self);
  if (record->kind == LSOBS_RECORD_CREATE)
    get_flow (self, record)->create_state = LSOBS_CREATE_LOST;
  leave_flight (self, record);
  _lsobs_counters_drop (self->counters, reason, 1);
  finished = settle_tickets (self, record, fate, NULL);
  unlock_and_finish (self, finished);
}

/* A taken record is lost. It stays the caller's. */
void
_lsobs_queue_lost (LsobsQueue *self, LsobsRecord *record, LsobsDropReason reason)
{
  lose_taken (self, record, reason, FATE_LOST);
}

/* A taken record goes for want of room. It stays the caller's. */
void
_lsobs_queue_evict (LsobsQueue *self, LsobsRecord *record, LsobsDropReason reason)
{
  lose_taken (self, record, reason, FATE_EVICTED);
}

/* A taken record waits again. */
void
_lsobs_queue_keep (LsobsQueue *self, LsobsRecord *record)
{
  lock (self);
  if (!record->kept)
    {
      record->kept = TRUE;
      self->n_kept++;
      self->n_kept_bytes += record->size;
      _lsobs_counters_add (self->counters, LSOBS_COUNTER_IN_FLIGHT, -1);
      write_gauges (self);
    }
  g_async_queue_unlock (self->records);
}

/* A taken record is sent, after it has waited or not. Only the flush thread changes which
 * it is. */
void
_lsobs_queue_send (LsobsQueue *self, LsobsRecord *record)
{
  if (G_LIKELY (!record->kept))
    return;
  lock (self);
  take_kept (self, record);
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_IN_FLIGHT, 1);
  g_async_queue_unlock (self->records);
}

/* Whether one of the records has to go that were taken and wait again.
 * @reason: (out): why */
gboolean
_lsobs_queue_is_over_full (LsobsQueue *self, LsobsDropReason *reason)
{
  gboolean over_full;

  lock (self);
  over_full = is_over_full (self);
  *reason = self->n_records + self->n_kept > self->capacity ? LSOBS_DROP_REASON_QUEUE_FULL
                                                            : LSOBS_DROP_REASON_QUEUE_BYTES;
  g_async_queue_unlock (self->records);
  return over_full;
}

/* FALSE when there is nothing to wait for; the ticket is done then. */
gboolean
_lsobs_queue_add_ticket (LsobsQueue *self, LsobsFlushWaiter *ticket)
{
  gboolean added;

  lock (self);
  ticket->last_seq = self->last_seq;
  self->flush_seq = self->last_seq;
  ticket->n_remaining = self->n_records + self->n_kept +
                        _lsobs_counters_get (self->counters, LSOBS_COUNTER_IN_FLIGHT);
  added = ticket->n_remaining > 0;
  if (added)
    self->tickets = g_slist_prepend (self->tickets, _lsobs_flush_waiter_ref (ticket));
  g_async_queue_unlock (self->records);
  return added;
}

/* The numbers of the ticket are constant from now on. FALSE when it is finished,
 * or just being so. */
gboolean
_lsobs_queue_remove_ticket (LsobsQueue *self, LsobsFlushWaiter *ticket)
{
  GSList *link;

  lock (self);
  link = g_slist_find (self->tickets, ticket);
  if (link != NULL)
    self->tickets = g_slist_delete_link (self->tickets, link);
  g_async_queue_unlock (self->records);
  if (link != NULL)
    _lsobs_flush_waiter_unref (ticket);
  return link != NULL;
}

/* Whether somebody waits. */
gboolean
_lsobs_queue_has_tickets (LsobsQueue *self)
{
  gboolean has_tickets;

  lock (self);
  has_tickets = self->tickets != NULL;
  g_async_queue_unlock (self->records);
  return has_tickets;
}

/* Nothing is being sent: whoever waits shall know, the records stay. */
void
_lsobs_queue_refuse_tickets (LsobsQueue *self)
{
  GSList *refused;

  lock (self);
  refused = g_steal_pointer (&self->tickets);
  for (GSList *l = refused; l != NULL; l = l->next)
    ((LsobsFlushWaiter *) l->data)->refused = TRUE;
  unlock_and_finish (self, refused);
}

/* What is pushed from now on is lost. */
void
_lsobs_queue_close (LsobsQueue *self)
{
  lock (self);
  self->closed = TRUE;
  g_async_queue_unlock (self->records);
}

gboolean
_lsobs_queue_is_closed (LsobsQueue *self)
{
  gboolean closed;

  lock (self);
  closed = self->closed;
  g_async_queue_unlock (self->records);
  return closed;
}

void
_lsobs_queue_drop_waiting (LsobsQueue *self, LsobsDropReason reason)
{
  GSList *finished = NULL;

  lock (self);
  while (self->n_records > 0)
    finished = lose_waiting (self, g_async_queue_try_pop_unlocked (self->records), reason,
                             FATE_LOST, finished);
  write_gauges (self);
  unlock_and_finish (self, finished);
}

/* Returns: (transfer full): all counters, at one moment */
LsobsStats *
_lsobs_queue_snapshot (LsobsQueue *self)
{
  LsobsStats *stats;

  lock (self);
  stats = _lsobs_counters_snapshot (self->counters);
  g_async_queue_unlock (self->records);
  return stats;
}
