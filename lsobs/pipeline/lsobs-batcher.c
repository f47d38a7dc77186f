/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-block-private.h"
#include "lsobs/core/lsobs-flush-source-private.h"
#include "lsobs/core/lsobs-slab-private.h"
#include "lsobs/core/lsobs-work-limit-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/pipeline/lsobs-backlog-private.h"
#include "lsobs/pipeline/lsobs-batcher-private.h"
#include "lsobs/pipeline/lsobs-pending-feedback-private.h"
#include "lsobs/transport/lsobs-delivery-policy-private.h"
#include "lsobs/transport/lsobs-record-hook-private.h"
#include "lsobs/transport/lsobs-transport-private.h"

/* Decides what the next batch is: takes records from the queue, has them redacted and encoded,
 * makes updates wait for their create, and splits, sends again or drops batches after an outcome.
 * All of that works on the same queues of batches, so it is one file. */

/* The time in µs after which records that should go to the spool, and cannot, are looked at again. */
#define SPOOL_RETRY_INTERVAL (100 * 1000)

struct _LsobsBatcher
{
  LsobsSettings *settings; /* (owned) */
  LsobsCounters *counters; /* (owned) */
  LsobsEncoder encoder;
  LsobsEncoderMemory memory;          /* (owned) of encoder */
  LsobsRecordHook hook;               /* calls the program's redaction function */
  LsobsQueue *queue;                  /* (owned) */
  LsobsLifecycle *lifecycle;          /* (unowned) of the queue */
  LsobsRunStore *store;               /* (owned) */
  GSource *waker;                     /* (owned) wakes the sender */
  GMainContext *context;              /* (owned) (nullable) that of the worker, when it has one */
  LsobsTransport *transport;          /* (owned) has the limits of a batch */
  const LsobsTransportVTable *vtable; /* (unowned) of the transport */
  GQueue ready;                       /* of LsobsBatch (owned): to be sent next */
  GQueue waiting_batches; /* of LsobsBatch (owned): the create of one of their runs, from which
                              * they were split, is under way */
  GQueue next_records;    /* of LsobsRecord (owned): were taken from the queue when it was time to
                           * stop, and are encoded next */
  GQueue waiting_records; /* of LsobsRecord (owned): the create of their run is under way */
  gsize n_waiting_bytes;  /* of memory: of waiting_records */
  LsobsPendingFeedback *feedback; /* (owned) feedback that waits for an answer of the service */
  LsobsBacklog backlog;           /* batches that were sent and failed */
  guint64 n_pairs;                /* the number of the last pair of halves, see isolate_bad() */
  gboolean probe_fresh;           /* the last probe sent an untried batch */
};

/* @waker: a source of lsobs-flush-source-private.h */
LsobsBatcher *
_lsobs_batcher_new (const LsobsDestination *destination,
                    LsobsQueue *queue,
                    LsobsRunStore *store,
                    GSource *waker)
{
  LsobsBatcher *self = g_new0 (LsobsBatcher, 1);

  self->settings = _lsobs_settings_ref (destination->settings);
  self->counters = _lsobs_counters_ref (destination->counters);
  self->encoder = (LsobsEncoder){ .settings = destination->settings,
                                  .counters = destination->counters,
                                  .memory = &self->memory };
  self->hook = (LsobsRecordHook){ .settings = destination->settings,
                                  .counters = destination->counters,
                                  .abandoned = _lsobs_queue_peek_written_off (queue) };
  self->queue = _lsobs_queue_ref (queue);
  self->lifecycle = _lsobs_queue_peek_lifecycle (queue);
  self->store = g_object_ref (store);
  self->waker = g_source_ref (waker);
  self->transport = g_object_ref (destination->transport);
  self->vtable = _lsobs_transport_peek_vtable (destination->transport);
  g_queue_init (&self->ready);
  g_queue_init (&self->waiting_batches);
  g_queue_init (&self->next_records);
  g_queue_init (&self->waiting_records);
  self->feedback = _lsobs_pending_feedback_new (destination->settings, destination->transport);
  _lsobs_backlog_init (&self->backlog);
  return self;
}

/* Called once, before anything is sent.
 * @context: that of the worker */
void
_lsobs_batcher_set_context (LsobsBatcher *self, GMainContext *context)
{
  g_assert (self->context == NULL);
  self->context = g_main_context_ref (context);
  _lsobs_pending_feedback_set_context (self->feedback, context);
  _lsobs_backlog_set_context (&self->backlog, context);
}

void
_lsobs_batcher_free (LsobsBatcher *self)
{
  g_queue_clear_full (&self->ready, (GDestroyNotify) lsobs_batch_unref);
  g_queue_clear_full (&self->waiting_batches, (GDestroyNotify) lsobs_batch_unref);
  g_queue_clear_full (&self->next_records, (GDestroyNotify) _lsobs_record_unref);
  g_queue_clear_full (&self->waiting_records, (GDestroyNotify) _lsobs_record_unref);
  _lsobs_backlog_clear (&self->backlog);
  _lsobs_encoder_memory_clear (&self->memory);
  _lsobs_pending_feedback_free (self->feedback);
  g_object_unref (self->transport);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_object_unref (self->store);
  g_source_unref (self->waker);
  _lsobs_queue_unref (self->queue);
  _lsobs_counters_unref (self->counters);
  _lsobs_settings_unref (self->settings);
  g_free (self);
}

/* Nothing waits to be sent: gives back memory that is kept for the next records and batches. */
void
_lsobs_batcher_rest (LsobsBatcher *self)
{
  g_assert (g_main_context_is_owner (self->context));
  _lsobs_encoder_memory_clear (&self->memory);
  _lsobs_slab_trim ();
  _lsobs_block_trim ();
}

/* Forgets a run in the run store, once its end has an outcome at every destination. */
static void
forget_ended (LsobsBatcher *self, LsobsRecord *record)
{
  if (record->by_id && record->end_time != 0 && _lsobs_run_info_finish_destination (record->info))
    _lsobs_run_store_finish (self->store, &record->info->segment.id);
}

/* The number of records for which the queue takes its lock once. */
#define RECORDS_PER_LOCK 64

/* Calls @func for the records of @batch, some at a time: producers wait for the lock of the queue.
 * @func: as _lsobs_queue_deliver() */
static void
tell_queue (LsobsBatcher *self,
            LsobsBatch *batch,
            void (*func) (LsobsQueue *queue, LsobsRecord *const *records, guint n_records))
{
  GPtrArray *encoded = _lsobs_batch_peek_records (batch);
  LsobsRecord *records[RECORDS_PER_LOCK];

  for (guint i = 0; i < encoded->len;)
    {
      guint n = 0;

      while (n < RECORDS_PER_LOCK && i < encoded->len)
        records[n++] = ((LsobsEncoded *) g_ptr_array_index (encoded, i++))->record;
      func (self->queue, records, n);
    }
}

/* The records of @batch are about to be sent. */
void
_lsobs_batcher_send (LsobsBatcher *self, LsobsBatch *batch)
{
  g_assert (g_main_context_is_owner (self->context));
  tell_queue (self, batch, _lsobs_queue_send);
}

static void
lose (LsobsBatcher *self, LsobsEncoded *encoded, LsobsDropReason reason)
{
  forget_ended (self, encoded->record);
  _lsobs_queue_lost (self->queue, encoded->record, reason);
}

void
_lsobs_batcher_delivered (LsobsBatcher *self, LsobsBatch *batch)
{
  GPtrArray *records = _lsobs_batch_peek_records (batch);

  g_assert (g_main_context_is_owner (self->context));
  for (guint i = 0; i < records->len; i++)
    forget_ended (self, ((LsobsEncoded *) g_ptr_array_index (records, i))->record);
  tell_queue (self, batch, _lsobs_queue_deliver);
}

static GPtrArray *
new_encoded_array (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_encoded_unref);
}

/* Whether the create of the run is on disk, and this record would be a second create. A create that
 * was lost is not in the spool. */
static gboolean
is_second_create (LsobsEncoded *encoded, gboolean in_spool)
{
  LsobsRecord *record = encoded->record;

  return encoded->kind == LSOBS_RECORD_CREATE &&
         (in_spool ? record->create_spooled : record->promoted);
}

static gboolean
has_second_create (GPtrArray *records, gboolean in_spool)
{
  for (guint i = 0; i < records->len; i++)
    if (is_second_create (g_ptr_array_index (records, i), in_spool))
      return TRUE;
  return FALSE;
}

/* An update that was promoted to a create is written to disk as an update if the create is on disk
 * already: the service takes one create of a run.
 * @in_spool: it is for the spool, not for lost batches
 * Returns: (transfer full): the batch to write for @batch */
static LsobsBatch *
make_failed_trace (LsobsBatcher *self, LsobsBatch *batch, gboolean in_spool)
{
  GPtrArray *records = _lsobs_batch_peek_records (batch);
  GPtrArray *written;

  if (!_lsobs_settings_keep_lost (self->settings) || !has_second_create (records, in_spool))
    return lsobs_batch_ref (batch);
  written = new_encoded_array ();
  for (guint i = 0; i < records->len; i++)
    {
      LsobsEncoded *encoded = g_ptr_array_index (records, i);

      g_ptr_array_add (written,
                       is_second_create (encoded, in_spool)
                           ? _lsobs_encoder_convert (&self->encoder, encoded, LSOBS_RECORD_UPDATE)
                           : _lsobs_encoded_ref (encoded));
    }
  return _lsobs_batch_new (written);
}

/* A batch on its way to the spool. */
typedef struct
{
  LsobsQueue *queue; /* (owned) */
  LsobsBatch *batch; /* (owned) */
  GSource *waker;    /* (owned) wakes the sender */
  LsobsDropReason reason;
} SpooledBatch;

/* Called in the thread that writes, or inside the call. */
static void
batch_spooled (gpointer data, gboolean spooled)
{
  SpooledBatch *spooled_batch = data;
  GPtrArray *records = _lsobs_batch_peek_records (spooled_batch->batch);

  for (guint i = 0; i < records->len; i++)
    {
      LsobsRecord *record = ((LsobsEncoded *) g_ptr_array_index (records, i))->record;

      if (spooled)
        _lsobs_queue_spooled (spooled_batch->queue, record);
      else
        _lsobs_queue_lost (spooled_batch->queue, record, spooled_batch->reason);
    }
  if (!spooled)
    _lsobs_queue_add_unspooled (spooled_batch->queue, records->len);
  /* Wakes the sender: it may send the file at once, and tells the program how many records are
   * lost. */
  _lsobs_flush_source_arm (spooled_batch->waker, 0);
  g_source_unref (spooled_batch->waker);
  lsobs_batch_unref (spooled_batch->batch);
  _lsobs_queue_unref (spooled_batch->queue);
  g_free (spooled_batch);
}

/* Whether the service may later accept a record that is lost for @reason. */
static gboolean
may_pass (LsobsDropReason reason)
{
  switch (reason)
    {
    case LSOBS_DROP_REASON_QUEUE_FULL:
    case LSOBS_DROP_REASON_QUEUE_BYTES:
    case LSOBS_DROP_REASON_UNAUTHORIZED:
    case LSOBS_DROP_REASON_QUOTA:
    case LSOBS_DROP_REASON_WRONG_ADDRESS:
    case LSOBS_DROP_REASON_SHUTDOWN:
      return TRUE;
    case LSOBS_DROP_REASON_TOO_LARGE:
    case LSOBS_DROP_REASON_REJECTED:
    case LSOBS_DROP_REASON_UNAVAILABLE:
    case LSOBS_DROP_REASON_FORK:
    default:
      return FALSE;
    }
}

/* Gives a batch to the spool. Its records are in flight until it is written.
 * @reason: for which it is lost if that fails
 * Returns: FALSE if there is no spool */
static gboolean
spool_batch (LsobsBatcher *self, LsobsBatch *batch, LsobsDropReason reason)
{
  GPtrArray *records = _lsobs_batch_peek_records (batch);
  g_autoptr (LsobsBatch) written = NULL;
  SpooledBatch *spooled_batch;

  if (self->settings->values.spool_dir == NULL || !may_pass (reason) ||
      _lsobs_queue_is_written_off (self->queue))
    return FALSE;
  for (guint i = 0; i < records->len; i++)
    forget_ended (self, ((LsobsEncoded *) g_ptr_array_index (records, i))->record);
  tell_queue (self, batch, _lsobs_queue_send);
  spooled_batch = g_new0 (SpooledBatch, 1);
  spooled_batch->queue = _lsobs_queue_ref (self->queue);
  spooled_batch->waker = g_source_ref (self->waker);
  spooled_batch->batch = lsobs_batch_ref (batch);
  spooled_batch->reason = reason;
  written = make_failed_trace (self, batch, TRUE);
  if (!self->vtable->spool (self->transport, written, batch_spooled, spooled_batch))
    batch_spooled (spooled_batch, FALSE);
  return TRUE;
}

/* Returns: how many records are lost; none if they go to the spool */
guint
_lsobs_batcher_lost (LsobsBatcher *self, LsobsBatch *batch, LsobsDropReason reason)
{
  GPtrArray *records = _lsobs_batch_peek_records (batch);

  g_assert (g_main_context_is_owner (self->context));
  if (spool_batch (self, batch, reason))
    return 0;
  /* This comes before flush waiters finish, because a program that has waited for a flush may look
   * for the files. */
  if (!_lsobs_queue_is_written_off (self->queue))
    {
      g_autoptr (LsobsBatch) written = make_failed_trace (self, batch, FALSE);

      lsobs_transport_batch_lost (self->transport, written, reason);
    }
  for (guint i = 0; i < records->len; i++)
    lose (self, g_ptr_array_index (records, i), reason);
  return records->len;
}

typedef struct
{
  guint max_records;
  gsize max_bytes;
} BatchLimits;

static BatchLimits
get_limits (LsobsBatcher *self)
{
  BatchLimits limits = { (guint) self->settings->values.max_batch_size,
                         (gsize) self->settings->values.max_batch_bytes };
  guint max_records = lsobs_transport_get_max_records (self->transport);
  gsize max_bytes = lsobs_transport_get_max_bytes (self->transport);

  if (max_records > 0)
    limits.max_records = MIN (limits.max_records, max_records);
  if (max_bytes > 0)
    limits.max_bytes = MIN (limits.max_bytes, max_bytes);
  return limits;
}

static gsize
measure_batch (LsobsBatcher *self, LsobsBatch *batch)
{
  return self->vtable->measure_records (_lsobs_batch_peek_records (batch));
}

/* Returns: (transfer none): the run of a record, also of feedback */
static LsobsRunInfo *
get_run (LsobsRecord *record)
{
  return record->awaited_run != NULL ? record->awaited_run : record->info;
}

static void
make_record_wait (LsobsBatcher *self, LsobsRecord *record)
{
  g_queue_push_tail (&self->waiting_records, record);
  self->n_waiting_bytes += record->size;
}

/* @link: of waiting_records
 * Returns: (transfer full): its record */
static LsobsRecord *
take_waiting (LsobsBatcher *self, GList *link)
{
  LsobsRecord *record = link->data;

  g_queue_delete_link (&self->waiting_records, link);
  self->n_waiting_bytes -= record->size;
  return record;
}

/* Whether more records may become blocked. If not, no more are taken from the queue, which has
 * bounds of its own. The creates are under way, so that there will be room again. */
static gboolean
may_block_more (LsobsBatcher *self, const BatchLimits *limits)
{
  return self->waiting_records.length <
             (guint64) self->settings->values.max_in_flight * limits->max_records &&
         self->n_waiting_bytes < (gsize) self->settings->values.max_queue_bytes;
}

/* Records whose creates are delivered or lost move to @records. */
static void
release_waiting_records (LsobsBatcher *self, GPtrArray *records, guint max_records)
{
  for (GList *l = self->waiting_records.head; l != NULL && records->len < max_records;)
    {
      GList *next = l->next;
      LsobsRecord *record = l->data;

      if (_lsobs_queue_get_create_state (self->queue, get_run (record)) != LSOBS_CREATE_TAKEN)
        g_ptr_array_add (records, take_waiting (self, l));
      l = next;
    }
}

/* @batch: (element-type LsobsEncoded) */
static gboolean
has_create (GPtrArray *batch, LsobsRunInfo *run)
{
  for (guint i = 0; i < batch->len; i++)
    {
      LsobsRecord *record = ((LsobsEncoded *) g_ptr_array_index (batch, i))->record;

      if (record->kind == LSOBS_RECORD_CREATE && record->info == run)
        return TRUE;
    }
  return FALSE;
}

/* Whether feedback must wait for the create of its run, because the create is under way in another
 * batch.
 * @batch: (nullable): the batch that will contain the feedback */
static gboolean
precedes_create (LsobsBatcher *self, LsobsRecord *feedback, GPtrArray *batch)
{
  return feedback->awaited_run != NULL &&
         _lsobs_queue_get_create_state (self->queue, feedback->awaited_run) == LSOBS_CREATE_TAKEN &&
         (batch == NULL || !has_create (batch, feedback->awaited_run));
}

/* Loses a record that is in no batch, and frees it. */
static void
drop_record (LsobsBatcher *self, LsobsRecord *record, LsobsDropReason reason)
{
  forget_ended (self, record);
  _lsobs_queue_lost (self->queue, record, reason);
  _lsobs_record_unref (record);
}

static void
add_pending_feedback (LsobsBatcher *self, LsobsRecord *record)
{
  LsobsRecord *surplus;

  _lsobs_pending_feedback_add (self->feedback, record);
  while ((surplus = _lsobs_pending_feedback_take_surplus (self->feedback)) != NULL)
    drop_record (self, surplus, LSOBS_DROP_REASON_QUEUE_FULL);
}

/* @batch: as of precedes_create()
 * Returns: whether the batcher has taken @record, which must wait */
static gboolean
delay_feedback (LsobsBatcher *self, LsobsRecord *record, LsobsFeedbackMode mode, GPtrArray *batch)
{
  /* Feedback that waits for the answer to /info is pending. Not in waiting_records: runs need
   * that room. */
  if (mode != LSOBS_FEEDBACK_UNDECIDED &&
      precedes_create (self, record, mode == LSOBS_FEEDBACK_TOGETHER ? batch : NULL))
    {
      make_record_wait (self, record);
      return TRUE;
    }
  if (!_lsobs_pending_feedback_look_up (self->feedback, record, mode))
    return FALSE;
  add_pending_feedback (self, record);
  return TRUE;
}

/* Whether feedback in a batch must wait for the create of its run. They may have been in one batch
 * before it was split. */
static gboolean
has_to_wait (LsobsBatcher *self, LsobsBatch *batch)
{
  GPtrArray *records = _lsobs_batch_peek_records (batch);

  for (guint i = 0; i < records->len; i++)
    {
      LsobsRecord *record = ((LsobsEncoded *) g_ptr_array_index (records, i))->record;

      if (record->kind == LSOBS_RECORD_FEEDBACK && precedes_create (self, record, records))
        return TRUE;
    }
  return FALSE;
}

/* Batches whose creates are delivered or lost are ready again, in their order.
 * @all: the others, too: they will not be sent */
static void
release_waiting_batches (LsobsBatcher *self, gboolean all)
{
  for (GList *l = self->waiting_batches.tail; l != NULL;)
    {
      GList *previous = l->prev;

      if (all || !has_to_wait (self, l->data))
        {
          g_queue_unlink (&self->waiting_batches, l);
          g_queue_push_head_link (&self->ready, l);
        }
      l = previous;
    }
}

/* An update must not overtake the create of its run.
 * Returns: whether the batcher has taken @record, which must wait */
static gboolean
delay_update (LsobsBatcher *self, LsobsRecord *record)
{
  switch (_lsobs_queue_get_create_state (self->queue, record->info))
    {
    case LSOBS_CREATE_TAKEN:
      make_record_wait (self, record);
      return TRUE;
    case LSOBS_CREATE_SPOOLED:
    case LSOBS_CREATE_LOST:
      _lsobs_queue_promote (self->queue, record);
      return FALSE;
    case LSOBS_CREATE_NONE:
    case LSOBS_CREATE_QUEUED:
    case LSOBS_CREATE_DELIVERED:
    default:
      return FALSE;
    }
}

static LsobsBatch *
new_batch_of_one (LsobsEncoded *only)
{
  GPtrArray *records = new_encoded_array ();

  g_ptr_array_add (records, _lsobs_encoded_ref (only));
  return _lsobs_batch_new (records);
}

/* Redacts and encodes a record, and cuts it until it fits. Calls the redaction function of the
 * program. NULL when the smallest form is too large, or when all records were written off
 * meanwhile: then the record is lost. */
static LsobsEncoded *
encode_record (LsobsBatcher *self, LsobsRecord *record, gsize max_bytes)
{
  g_autoptr (LsobsEncoded) encoded = NULL;

  _lsobs_queue_write_annotations (self->queue, record);
  _lsobs_record_hook_run (&self->hook, record);
  if (_lsobs_queue_is_written_off (self->queue))
    {
      drop_record (self, record, LSOBS_DROP_REASON_SHUTDOWN);
      return NULL;
    }
  encoded = _lsobs_encoder_encode (&self->encoder, record);
  while (self->vtable->measure_record (encoded) > max_bytes)
    {
      LsobsEncoded *smaller = _lsobs_encoder_shrink (&self->encoder, encoded);

      if (smaller == NULL)
        {
          g_autoptr (LsobsBatch) batch = new_batch_of_one (encoded);

          _lsobs_batcher_lost (self, batch, LSOBS_DROP_REASON_TOO_LARGE);
          return NULL;
        }
      _lsobs_encoded_unref (encoded);
      encoded = smaller;
    }
  return g_steal_pointer (&encoded);
}

/* @mode: how feedback will be sent
 * @batch: that the record will be in
 * Returns: whether the batcher has taken @record, which must wait */
static gboolean
delay_record (LsobsBatcher *self, LsobsRecord *record, LsobsFeedbackMode mode, GPtrArray *batch)
{
  switch (record->kind)
    {
    case LSOBS_RECORD_UPDATE:
      return delay_update (self, record);
    case LSOBS_RECORD_FEEDBACK:
      return delay_feedback (self, record, mode, batch);
    case LSOBS_RECORD_CREATE:
    default:
      return FALSE;
    }
}

/* Single-record batches go last, so that they delay nothing.
 * @records: (element-type LsobsEncoded) */
static void
add_singles (LsobsBatcher *self, GPtrArray *records)
{
  for (guint i = 0; i < records->len; i++)
    g_queue_push_tail (&self->ready, new_batch_of_one (g_ptr_array_index (records, i)));
}

/* Whether it is time to stop between two records.
 * @sent: TRUE if the records are to be sent: then it is also time to stop when the worker stops */
static gboolean
has_to_stop (LsobsBatcher *self, gboolean sent)
{
  return _lsobs_work_limit_is_over () ||
         (sent && !_lsobs_lifecycle_allows (self->lifecycle, LSOBS_LIFECYCLE_SEND));
}

/* Makes batches of at most @max_bytes of the records. They are ready then. When it is time to stop,
 * the other records are the next ones.
 * @delay: records that must wait are left out; FALSE for batches that will not be sent */
static void
add_batches (LsobsBatcher *self, GPtrArray *records, gsize max_bytes, gboolean delay)
{
  g_autoptr (GPtrArray) current = new_encoded_array ();
  g_autoptr (GPtrArray) singles = new_encoded_array ();
  gsize room = max_bytes - self->vtable->measure_end ();
  gsize n_bytes = 0;

  for (guint i = 0; i < records->len; i++)
    {
      LsobsRecord *record = g_ptr_array_index (records, i);
      LsobsFeedbackMode mode = _lsobs_pending_feedback_find_mode (self->feedback, record);
      LsobsEncoded *encoded;
      gsize size;

      if (_lsobs_queue_is_written_off (self->queue))
        {
          drop_record (self, record, LSOBS_DROP_REASON_SHUTDOWN);
          continue;
        }
      if (has_to_stop (self, delay))
        {
          g_queue_push_tail (&self->next_records, record);
          continue;
        }
      if (delay && delay_record (self, record, mode, current))
        continue;
      encoded = encode_record (self, record, room);
      if (encoded == NULL)
        continue;
      if (mode != LSOBS_FEEDBACK_TOGETHER)
        {
          g_ptr_array_add (singles, encoded);
          continue;
        }
      size = self->vtable->measure_record (encoded);
      if (current->len > 0 && n_bytes + size > room)
        {
          g_queue_push_tail (&self->ready, _lsobs_batch_new (g_steal_pointer (&current)));
          current = new_encoded_array ();
          n_bytes = 0;
        }
      g_ptr_array_add (current, encoded);
      n_bytes += size;
    }
  if (current->len > 0)
    g_queue_push_tail (&self->ready, _lsobs_batch_new (g_steal_pointer (&current)));
  add_singles (self, singles);
}

/* @records: (element-type LsobsRecord) */
static void
take_next (LsobsBatcher *self, GPtrArray *records, guint max_records)
{
  while (self->next_records.length > 0 && records->len < max_records)
    g_ptr_array_add (records, g_queue_pop_head (&self->next_records));
}

/* Makes batches if none is ready. FALSE when no record should leave now. */
static gboolean
fill_ready (LsobsBatcher *self, const BatchLimits *limits)
{
  while (self->ready.length == 0 && !has_to_stop (self, TRUE))
    {
      g_autoptr (GPtrArray) records = g_ptr_array_new ();
      gint64 due_time;

      take_next (self, records, limits->max_records);
      release_waiting_records (self, records, limits->max_records);
      _lsobs_pending_feedback_release (self->feedback, records, limits->max_records);
      if (records->len < limits->max_records && may_block_more (self, limits) &&
          _lsobs_queue_is_due (self->queue, self->settings->values.flush_interval * 1000,
                               g_get_monotonic_time (), &due_time))
        _lsobs_queue_take (self->queue, limits->max_records - records->len, limits->max_bytes,
                           records);
      if (records->len == 0)
        return FALSE;
      add_batches (self, records, limits->max_bytes, TRUE);
    }
  return self->ready.length > 0;
}

/* Splits a batch that failed with @error, or changes its only record, so that the service may take
 * the parts, which are ready then. FALSE when there is nothing to try. */
gboolean
_lsobs_batcher_split (LsobsBatcher *self, LsobsBatch *batch, const GError *error)
{
  GPtrArray *records = _lsobs_batch_peek_records (batch);
  LsobsEncoded *only = g_ptr_array_index (records, 0);
  g_autoptr (LsobsEncoded) other = NULL;

  g_assert (g_main_context_is_owner (self->context));
  if (records->len > 1)
    {
      LsobsBatch *first;
      LsobsBatch *second;

      _lsobs_batch_halve (batch, &first, &second);
      /* Only the second half can depend on the first one, which is ready. */
      g_queue_push_head (has_to_wait (self, second) ? &self->waiting_batches : &self->ready,
                         second);
      g_queue_push_head (&self->ready, first);
      return TRUE;
    }
  if (g_error_matches (error, LSOBS_ERROR, LSOBS_ERROR_TOO_LARGE))
    {
      other = _lsobs_encoder_cut (&self->encoder, only);
    }
  else if (g_error_matches (error, LSOBS_ERROR, LSOBS_ERROR_CONFLICT) && only->record->promoted)
    {
      /* The create, which seemed lost, has arrived: the service lacks only the end. */
      _lsobs_queue_demote (self->queue, only->record);
      other = _lsobs_encoder_convert (&self->encoder, only, LSOBS_RECORD_UPDATE);
    }
  if (other == NULL)
    return FALSE;
  g_queue_push_head (&self->ready, new_batch_of_one (other));
  return TRUE;
}

/* The batch is the next to be sent. */
void
_lsobs_batcher_put_back (LsobsBatcher *self, LsobsBatch *batch)
{
  g_assert (g_main_context_is_owner (self->context));
  g_queue_push_head (&self->ready, lsobs_batch_ref (batch));
}

static void
keep_records (LsobsBatcher *self, LsobsBatch *batch)
{
  GPtrArray *records = _lsobs_batch_peek_records (batch);

  for (guint i = 0; i < records->len; i++)
    _lsobs_queue_keep (self->queue, ((LsobsEncoded *) g_ptr_array_index (records, i))->record);
}

/* A batch that failed waits to be sent again. */
void
_lsobs_batcher_keep (LsobsBatcher *self, LsobsBatch *batch)
{
  LsobsBatch *kept =
      lsobs_batch_is_probe (batch) ? lsobs_batch_ref (batch) : _lsobs_batch_new_probe (batch);

  g_assert (g_main_context_is_owner (self->context));
  _lsobs_batch_peek_history (kept)->tried = TRUE;
  keep_records (self, kept);
  _lsobs_backlog_add (&self->backlog, kept);
}

/* Sending pauses: all records that were taken count as waiting again. */
void
_lsobs_batcher_keep_all (LsobsBatcher *self)
{
  g_assert (g_main_context_is_owner (self->context));
  for (GList *l = self->ready.head; l != NULL; l = l->next)
    keep_records (self, l->data);
  for (GList *l = self->waiting_batches.head; l != NULL; l = l->next)
    keep_records (self, l->data);
  for (GList *l = self->next_records.head; l != NULL; l = l->next)
    _lsobs_queue_keep (self->queue, l->data);
  for (GList *l = self->waiting_records.head; l != NULL; l = l->next)
    _lsobs_queue_keep (self->queue, l->data);
  for (GList *l = _lsobs_pending_feedback_peek_queue (self->feedback)->head; l != NULL; l = l->next)
    _lsobs_queue_keep (self->queue, l->data);
}

/* Whether feedback waits for an answer of the service. */
gboolean
_lsobs_batcher_awaits_answers (LsobsBatcher *self)
{
  g_assert (g_main_context_is_owner (self->context));
  return _lsobs_pending_feedback_peek_queue (self->feedback)->length > 0;
}

/* --- into the spool, while it is not sent --- */

static gint64
get_queued_at (LsobsBatch *batch)
{
  return ((LsobsEncoded *) g_ptr_array_index (_lsobs_batch_peek_records (batch), 0))
      ->record->queued_at;
}

/* The next batch for the spool. Those whose content may be bad stay.
 * Returns: (nullable): in the backlog */
static GList *
find_for_spool (LsobsBatcher *self)
{
  for (GList *l = self->backlog.batches.head; l != NULL; l = l->next)
    if (!_lsobs_batch_peek_history (l->data)->ever_refused)
      return l;
  return NULL;
}

/* @time, @other: monotonic, µs, or -1
 * Returns: the earlier one */
static gint64
get_earlier (gint64 time, gint64 other)
{
  if (time == -1 || other == -1)
    return MAX (time, other);
  return MIN (time, other);
}

/* @due_time: (out): monotonic, µs: when records in the queue may be taken that are too young now, or -1
 * Returns: monotonic, µs: since when the oldest record waits that may go to the spool, or -1 */
static gint64
get_oldest_time (LsobsBatcher *self, gint64 now, gint64 *due_time)
{
  GList *link = find_for_spool (self);
  LsobsBatch *ready = g_queue_peek_head (&self->ready);
  gint64 time = -1;

  if (_lsobs_queue_is_due (self->queue, self->settings->values.flush_interval * 1000, now,
                           due_time))
    {
      time = _lsobs_queue_get_oldest_time (self->queue);
      *due_time = -1;
    }
  if (ready != NULL)
    time = get_earlier (time, get_queued_at (ready));
  if (link != NULL)
    time = get_earlier (time, get_queued_at (link->data));
  return time;
}

/* Returns: (transfer full) (nullable): the oldest batch that may go to the spool */
static LsobsBatch *
take_for_spool (LsobsBatcher *self, const BatchLimits *limits)
{
  GList *link = find_for_spool (self);
  LsobsBatch *batch;

  if (link == NULL)
    return fill_ready (self, limits) ? g_queue_pop_head (&self->ready) : NULL;
  batch = link->data;
  g_queue_delete_link (&self->backlog.batches, link);
  return batch;
}

/* Gives one batch to the spool, of records that wait too long or take too much room.
 * @eighths: of a bound of the queue: what is too much
 * Returns: monotonic, µs: when the next records will have waited too long, at which it is to be
 *   called again; -1: when something else happens */
gint64
_lsobs_batcher_spool_overdue (LsobsBatcher *self, gint64 now, guint eighths)
{
  gint64 delay = self->settings->values.spool_delay * 1000;
  BatchLimits limits = get_limits (self);
  gint64 due_time;
  gint64 time = get_oldest_time (self, now, &due_time);
  g_autoptr (LsobsBatch) batch = NULL;

  g_assert (g_main_context_is_owner (self->context));
  if (!self->vtable->may_spool (self->transport))
    return -1;
  if (time == -1)
    return due_time;
  if (now - time < delay && !_lsobs_queue_is_filled (self->queue, eighths))
    return get_earlier (time + delay, due_time);
  batch = take_for_spool (self, &limits);
  /* These records wait for other records, or the work limit of this thread is over. */
  if (batch == NULL)
    return now + SPOOL_RETRY_INTERVAL;
  spool_batch (self, batch, LSOBS_DROP_REASON_QUEUE_FULL);
  return now;
}

/* Loses the first record of the first batch of @batches. Returns FALSE if that record does not
 * count as queued. */
static gboolean
evict_first (LsobsBatcher *self, GQueue *batches, LsobsDropReason reason)
{
  g_autoptr (LsobsBatch) batch = batches->head->data;
  LsobsRecord *record =
      ((LsobsEncoded *) g_ptr_array_index (_lsobs_batch_peek_records (batch), 0))->record;
  guint n = lsobs_batch_get_n_records (batch);

  if (!record->kept)
    {
      g_steal_pointer (&batch);
      return FALSE;
    }
  if (n > 1)
    batches->head->data = _lsobs_batch_slice (batch, 1, n);
  else
    g_queue_pop_head (batches);
  forget_ended (self, record);
  _lsobs_queue_evict (self->queue, record, reason);
  return TRUE;
}

static gboolean
evict_next (LsobsBatcher *self, LsobsDropReason reason)
{
  LsobsRecord *first = g_queue_peek_head (&self->next_records);
  g_autoptr (LsobsRecord) record = NULL;

  if (first == NULL || !first->kept)
    return FALSE;
  record = g_queue_pop_head (&self->next_records);
  forget_ended (self, record);
  _lsobs_queue_evict (self->queue, record, reason);
  return TRUE;
}

static gboolean
evict_waiting (LsobsBatcher *self, LsobsDropReason reason)
{
  g_autoptr (LsobsRecord) record = NULL;

  if (self->waiting_records.head == NULL ||
      !((LsobsRecord *) self->waiting_records.head->data)->kept)
    return FALSE;
  record = take_waiting (self, self->waiting_records.head);
  forget_ended (self, record);
  _lsobs_queue_evict (self->queue, record, reason);
  return TRUE;
}

static gboolean
evict_pending_feedback (LsobsBatcher *self, LsobsDropReason reason)
{
  GList *first = _lsobs_pending_feedback_peek_queue (self->feedback)->head;
  g_autoptr (LsobsRecord) record = NULL;

  if (first == NULL || !((LsobsRecord *) first->data)->kept)
    return FALSE;
  record = _lsobs_pending_feedback_take (self->feedback);
  _lsobs_queue_evict (self->queue, record, reason);
  return TRUE;
}

/* While the bounds of the queue are exceeded, loses the oldest kept record: kept records are older
 * than those in the queue. */
void
_lsobs_batcher_evict (LsobsBatcher *self)
{
  GQueue *queues[] = { &self->backlog.batches, &self->ready, &self->waiting_batches };
  LsobsDropReason reason;

  g_assert (g_main_context_is_owner (self->context));
  while (_lsobs_queue_is_over_full (self->queue, &reason))
    {
      GQueue *oldest = NULL;

      for (guint i = 0; i < G_N_ELEMENTS (queues); i++)
        if (queues[i]->head != NULL &&
            (oldest == NULL || _lsobs_batch_get_first_seq (queues[i]->head->data) <
                                   _lsobs_batch_get_first_seq (oldest->head->data)))
          oldest = queues[i];
      if (oldest == NULL || !evict_first (self, oldest, reason))
        if (!evict_next (self, reason) && !evict_waiting (self, reason) &&
            !evict_pending_feedback (self, reason))
          return;
    }
}

gboolean
_lsobs_batcher_has_isolated (LsobsBatcher *self)
{
  g_assert (g_main_context_is_owner (self->context));
  return _lsobs_backlog_has_isolated (&self->backlog);
}

/* The service seems to be away: probes are sent from now on. */
void
_lsobs_batcher_begin_probing (LsobsBatcher *self)
{
  g_assert (g_main_context_is_owner (self->context));
  _lsobs_backlog_end_isolation (&self->backlog);
  self->probe_fresh = FALSE;
}

/* The halves of a batch of several records wait to be sent again. */
void
_lsobs_batcher_bisect (LsobsBatcher *self, LsobsBatch *batch)
{
  guint n = lsobs_batch_get_n_records (batch);
  LsobsBatch *halves[] = { _lsobs_batch_slice (batch, 0, n / 2),
                           _lsobs_batch_slice (batch, n / 2, n) };

  g_assert (g_main_context_is_owner (self->context));
  for (guint i = 0; i < G_N_ELEMENTS (halves); i++)
    {
      g_autoptr (LsobsBatch) half = halves[i];
      LsobsBatchHistory *history = _lsobs_batch_peek_history (half);

      history->number = history->failed = 0;
      history->refused = history->half_failed = FALSE;
      history->distance = history->not_before = 0;
      /* A single record is only lost for failures of its own. */
      if (lsobs_batch_get_n_records (half) == 1)
        history->n_lone_failures = 0;
      /* Only the second half can depend on the first one, which waits. */
      if (has_to_wait (self, half))
        g_queue_push_head (&self->waiting_batches, g_steal_pointer (&half));
      else
        _lsobs_batcher_keep (self, half);
    }
}

/* A batch that fails while others succeed is halved, until the bad record is alone.
 * Returns: how many records are lost */
static guint
isolate_bad (LsobsBatcher *self, LsobsBatch *batch)
{
  LsobsBatchHistory *history = _lsobs_batch_peek_history (batch);

  if (_lsobs_backlog_reset_pair (&self->backlog, batch))
    {
      _lsobs_backlog_add (&self->backlog, lsobs_batch_ref (batch));
      return 0;
    }
  if (lsobs_batch_get_n_records (batch) == 1)
    {
      return _lsobs_batcher_lost (self, batch, history->reason);
    }
  history->n_lone_failures = LSOBS_DELIVERY_POLICY_MAX_LONE_FAILURES - 1;
  history->pair = ++self->n_pairs;
  _lsobs_batcher_bisect (self, batch);
  return 0;
}

/* A batch is delivered: batches that failed before it may be bad.
 * @number: of its sending
 * Returns: how many records are lost */
guint
_lsobs_batcher_isolate (LsobsBatcher *self, guint64 number)
{
  LsobsBatch *batch;
  guint n_lost = 0;

  g_assert (g_main_context_is_owner (self->context));
  _lsobs_backlog_count_failures (&self->backlog, number);
  while ((batch = _lsobs_backlog_take_bad (&self->backlog)) != NULL)
    {
      n_lost += isolate_bad (self, batch);
      lsobs_batch_unref (batch);
    }
  return n_lost;
}

/* Returns: (transfer full) (nullable) */
static LsobsBatch *
pick_fresh (LsobsBatcher *self, const BatchLimits *limits)
{
  return fill_ready (self, limits) ? g_queue_pop_head (&self->ready) : NULL;
}

/* Probes alternate between batches that were tried and batches that were not, so that a batch that
 * always fails does not stop the others.
 * Returns: (transfer full) (nullable) */
static LsobsBatch *
pick_probe (LsobsBatcher *self, const BatchLimits *limits)
{
  LsobsBatch *batch;

  self->probe_fresh = !self->probe_fresh;
  batch =
      self->probe_fresh ? pick_fresh (self, limits) : _lsobs_backlog_take_probe (&self->backlog);
  if (batch != NULL)
    return batch;
  return self->probe_fresh ? _lsobs_backlog_take_probe (&self->backlog) : pick_fresh (self, limits);
}

/* Batches that were tried go first. While a batch is isolated, a batch that was not tried goes before
 * them, to show whether the service can be reached.
 * Returns: (transfer full) (nullable) */
static LsobsBatch *
pick (LsobsBatcher *self, gboolean searching, gint64 time, const BatchLimits *limits)
{
  LsobsBatch *batch = _lsobs_backlog_take_tried (&self->backlog);

  if (batch == NULL && _lsobs_backlog_has_isolated (&self->backlog))
    batch = pick_fresh (self, limits);
  if (batch == NULL)
    batch = _lsobs_backlog_take_oldest (&self->backlog, searching, time);
  return batch != NULL ? batch : pick_fresh (self, limits);
}

/* A probe has one attempt, and so has a batch that was tried before, unless it is a single record,
 * which could be lost.
 * Returns: (transfer full): @batch, or the same records with another number of attempts */
static LsobsBatch *
limit_attempts (LsobsBatch *batch, gboolean probing)
{
  gboolean probe = probing || (_lsobs_batch_peek_history (batch)->tried &&
                               lsobs_batch_get_n_records (batch) > 1);

  if (probe == lsobs_batch_is_probe (batch))
    return lsobs_batch_ref (batch);
  return probe ? _lsobs_batch_new_probe (batch) : _lsobs_batch_new_round (batch);
}

/* Returns: monotonic, µs: when the first delayed batch is sent again, or -1 */
gint64
_lsobs_batcher_get_due_time (LsobsBatcher *self, gint64 now)
{
  g_assert (g_main_context_is_owner (self->context));
  return _lsobs_backlog_get_due_time (&self->backlog, now);
}

/* @probing: the service seems to be away
 * @searching: a batch that a proxy or firewall has refused is under way
 * @time: monotonic, µs: batches that are delayed beyond it stay
 * Returns: (transfer full) (nullable): NULL when nothing should leave now */
LsobsBatch *
_lsobs_batcher_next (LsobsBatcher *self, gboolean probing, gboolean searching, gint64 time)
{
  BatchLimits limits = get_limits (self);
  LsobsBatch *next;

  g_assert (g_main_context_is_owner (self->context));
  release_waiting_batches (self, FALSE);
  while ((next = probing ? pick_probe (self, &limits) : pick (self, searching, time, &limits)) !=
         NULL)
    {
      g_autoptr (LsobsBatch) batch = next;
      g_autoptr (GError) error = NULL;

      if (lsobs_batch_get_n_records (batch) <= limits.max_records &&
          measure_batch (self, batch) <= limits.max_bytes)
        return limit_attempts (batch, probing);
      /* The limits have become narrower since the batch was made. */
      error = g_error_new_literal (LSOBS_ERROR, LSOBS_ERROR_TOO_LARGE,
                                   _ ("The request is too large for the service"));
      if (!_lsobs_batcher_split (self, batch, error))
        _lsobs_batcher_lost (self, batch, LSOBS_DROP_REASON_TOO_LARGE);
    }
  return NULL;
}

/* Returns: (transfer full) (nullable): a batch, failed ones first */
static LsobsBatch *
pick_any (LsobsBatcher *self)
{
  LsobsBatch *batch = g_queue_pop_head (&self->backlog.batches);

  return batch != NULL ? batch : g_queue_pop_head (&self->ready);
}

/* Loses one batch, made of any records that are left, so that the transport can write it. FALSE when
 * nothing is left, or it is time to stop. */
gboolean
_lsobs_batcher_discard_next (LsobsBatcher *self, LsobsDropReason reason)
{
  g_autoptr (LsobsBatch) batch = NULL;

  g_assert (g_main_context_is_owner (self->context));
  g_assert (_lsobs_lifecycle_allows (self->lifecycle, LSOBS_LIFECYCLE_DISCARD));
  release_waiting_batches (self, TRUE);
  while (self->ready.length == 0 && self->backlog.batches.length == 0)
    {
      g_autoptr (GPtrArray) records = g_ptr_array_new ();
      BatchLimits limits = get_limits (self);
      LsobsRecord *record;

      if (has_to_stop (self, FALSE))
        return FALSE;
      take_next (self, records, limits.max_records);
      while (self->waiting_records.length > 0 && records->len < limits.max_records)
        g_ptr_array_add (records, take_waiting (self, self->waiting_records.head));
      while (records->len < limits.max_records &&
             (record = _lsobs_pending_feedback_take (self->feedback)) != NULL)
        g_ptr_array_add (records, record);
      if (records->len < limits.max_records)
        _lsobs_queue_take (self->queue, limits.max_records - records->len, limits.max_bytes,
                           records);
      if (records->len == 0)
        return FALSE;
      add_batches (self, records, limits.max_bytes, FALSE);
    }
  batch = pick_any (self);
  _lsobs_batcher_lost (self, batch, reason);
  return TRUE;
}

/* Loses all records that are not under way, those in the queue too. */
void
_lsobs_batcher_discard_all (LsobsBatcher *self, LsobsDropReason reason)
{
  LsobsBatch *batch;
  LsobsRecord *record;

  g_assert (g_main_context_is_owner (self->context));
  g_assert (_lsobs_lifecycle_allows (self->lifecycle, LSOBS_LIFECYCLE_DISCARD));
  release_waiting_batches (self, TRUE);
  while ((batch = pick_any (self)) != NULL)
    {
      _lsobs_batcher_lost (self, batch, reason);
      lsobs_batch_unref (batch);
    }
  while ((record = g_queue_pop_head (&self->next_records)) != NULL)
    drop_record (self, record, reason);
  while (self->waiting_records.length > 0)
    drop_record (self, take_waiting (self, self->waiting_records.head), reason);
  while ((record = _lsobs_pending_feedback_take (self->feedback)) != NULL)
    drop_record (self, record, reason);
  _lsobs_queue_drop_waiting (self->queue, reason);
}
