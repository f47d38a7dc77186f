/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/lsobs-error.h"
#include "lsobs/pipeline/lsobs-backlog-private.h"
#include "lsobs/pipeline/lsobs-batcher-private.h"
#include "lsobs/pipeline/lsobs-feedback-gate-private.h"
#include "lsobs/transport/lsobs-body-private.h"
#include "lsobs/transport/lsobs-delivery-policy-private.h"

struct _LsobsBatcher
{
  LsobsSettings *settings;   /* (owned) */
  LsobsCounters *counters;   /* (owned) */
  LsobsQueue *queue;         /* (owned) */
  LsobsRunStore *store;      /* (owned) */
  LsobsTransport *transport; /* (owned) asked for its limits */
  GQueue ready;              /* of LsobsBatch (owned): next in line */
  GQueue apart;              /* of LsobsBatch (owned): split from creates that are under way */
  GQueue held;               /* of LsobsRecord (owned): what follows creates that are under way */
  gsize n_held_bytes;        /* of memory: what is held */
  LsobsFeedbackGate *gate;   /* (owned) feedback that waits for what the service says */
  LsobsBacklog backlog;      /* what was sent in vain */
  guint64 n_pairs;           /* numbers the halves of what fails while others succeed */
  gboolean probe_fresh;      /* the last probe was a batch that was not tried before */
  gboolean ending;           /* nothing is sent any longer, and so nothing is held */
};

LsobsBatcher *
_lsobs_batcher_new (LsobsSettings *settings,
                    LsobsCounters *counters,
                    LsobsQueue *queue,
                    LsobsRunStore *store,
                    LsobsTransport *transport)
{
  LsobsBatcher *self = g_new0 (LsobsBatcher, 1);

  self->settings = _lsobs_settings_ref (settings);
  self->counters = _lsobs_counters_ref (counters);
  self->queue = _lsobs_queue_ref (queue);
  self->store = g_object_ref (store);
  self->transport = g_object_ref (transport);
  g_queue_init (&self->ready);
  g_queue_init (&self->apart);
  g_queue_init (&self->held);
  self->gate = _lsobs_feedback_gate_new (settings, transport);
  _lsobs_backlog_init (&self->backlog);
  return self;
}

void
_lsobs_batcher_free (LsobsBatcher *self)
{
  g_queue_clear_full (&self->ready, (GDestroyNotify) lsobs_batch_unref);
  g_queue_clear_full (&self->apart, (GDestroyNotify) lsobs_batch_unref);
  g_queue_clear_full (&self->held, (GDestroyNotify) _lsobs_record_unref);
  _lsobs_backlog_clear (&self->backlog);
  _lsobs_feedback_gate_free (self->gate);
  g_object_unref (self->transport);
  g_object_unref (self->store);
  _lsobs_queue_unref (self->queue);
  _lsobs_counters_unref (self->counters);
  _lsobs_settings_unref (self->settings);
  g_free (self);
}

/* The run store need not know a run any longer that has found its end, everywhere. */
static void
forget_ended (LsobsBatcher *self, LsobsRecord *record)
{
  if (record->by_id && record->end_time != 0 && _lsobs_run_info_end_flow (record->info))
    _lsobs_run_store_bury (self->store, &record->info->segment.id);
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

  for (guint i = 0; i < records->len; i++)
    {
      LsobsEncoded *encoded = g_ptr_array_index (records, i);

      forget_ended (self, encoded->record);
      _lsobs_queue_delivered (self->queue, encoded->record);
    }
}

static GPtrArray *
new_encoded_array (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_encoded_unref);
}

static gboolean
is_promoted (LsobsEncoded *encoded)
{
  return encoded->record->promoted && encoded->kind == LSOBS_RECORD_CREATE;
}

static gboolean
has_promoted (GPtrArray *records)
{
  for (guint i = 0; i < records->len; i++)
    if (is_promoted (g_ptr_array_index (records, i)))
      return TRUE;
  return FALSE;
}

/* An update that was promoted to a create, because the create was lost, is written to disk
 * as an update: the create is on disk already, and the service takes only one of a run.
 * Returns: (transfer full): @batch, or the batch to write in its place */
static LsobsBatch *
make_kept (LsobsBatcher *self, LsobsBatch *batch)
{
  GPtrArray *records = _lsobs_batch_peek_records (batch);
  GPtrArray *kept;

  if (self->settings->failed_traces_dir == NULL || !has_promoted (records))
    return lsobs_batch_ref (batch);
  kept = new_encoded_array ();
  for (guint i = 0; i < records->len; i++)
    {
      LsobsEncoded *encoded = g_ptr_array_index (records, i);

      g_ptr_array_add (kept,
                       is_promoted (encoded)
                           ? _lsobs_encoder_convert (self->settings, encoded, LSOBS_RECORD_UPDATE)
                           : _lsobs_encoded_ref (encoded));
    }
  return _lsobs_batch_new (kept);
}

void
_lsobs_batcher_lost (LsobsBatcher *self, LsobsBatch *batch, LsobsDropReason reason)
{
  GPtrArray *records = _lsobs_batch_peek_records (batch);
  g_autoptr (LsobsBatch) kept = make_kept (self, batch);

  /* Before the tickets hear of it: who waits may look for what was kept. */
  lsobs_transport_lost (self->transport, kept, reason);
  for (guint i = 0; i < records->len; i++)
    lose (self, g_ptr_array_index (records, i), reason);
}

typedef struct
{
  guint max_records;
  gsize max_bytes;
} BatchLimits;

static BatchLimits
get_limits (LsobsBatcher *self)
{
  BatchLimits limits = { self->settings->max_batch_size, self->settings->max_batch_bytes };
  guint max_records = lsobs_transport_get_max_records (self->transport);
  gsize max_bytes = lsobs_transport_get_max_bytes (self->transport);

  if (max_records > 0)
    limits.max_records = MIN (limits.max_records, max_records);
  if (max_bytes > 0)
    limits.max_bytes = MIN (limits.max_bytes, max_bytes);
  return limits;
}

/* The run that the record is about. */
static LsobsRunInfo *
get_run (LsobsRecord *record)
{
  return record->run != NULL ? record->run : record->info;
}

static void
hold (LsobsBatcher *self, LsobsRecord *record)
{
  g_queue_push_tail (&self->held, record);
  self->n_held_bytes += record->size;
}

/* Returns: (transfer full): the record of a link of those that are held */
static LsobsRecord *
let_go (LsobsBatcher *self, GList *link)
{
  LsobsRecord *record = link->data;

  g_queue_delete_link (&self->held, link);
  self->n_held_bytes -= record->size;
  return record;
}

/* Whether there is room for more that has to wait for creates which do not get on. If
 * not, the queue is left alone, which knows its bounds: nothing ends up here without
 * one. The creates are under way, so that there will be room again. */
static gboolean
may_hold_more (LsobsBatcher *self, const BatchLimits *limits)
{
  return self->held.length < (guint64) self->settings->max_in_flight * limits->max_records &&
         self->n_held_bytes < self->settings->max_queue_bytes;
}

/* Records whose creates have found their fate move to @records. */
static void
release_held (LsobsBatcher *self, GPtrArray *records, guint max_records)
{
  for (GList *l = self->held.head; l != NULL && records->len < max_records;)
    {
      GList *next = l->next;
      LsobsRecord *record = l->data;

      if (_lsobs_queue_get_create_state (self->queue, get_run (record)) != LSOBS_CREATE_TAKEN)
        g_ptr_array_add (records, let_go (self, l));
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

/* Feedback waits for the create of its run, unless they travel together.
 * @batch: (nullable): what it is to travel in */
static gboolean
precedes_create (LsobsBatcher *self, LsobsRecord *feedback, GPtrArray *batch)
{
  return feedback->run != NULL &&
         _lsobs_queue_get_create_state (self->queue, feedback->run) == LSOBS_CREATE_TAKEN &&
         (batch == NULL || !has_create (batch, feedback->run));
}

/* A record that finds no place in line is lost. */
static void
drop_record (LsobsBatcher *self, LsobsRecord *record, LsobsDropReason reason)
{
  forget_ended (self, record);
  _lsobs_queue_lost (self->queue, record, reason);
  _lsobs_record_unref (record);
}

static void
hold_at_gate (LsobsBatcher *self, LsobsRecord *record)
{
  LsobsRecord *surplus;

  _lsobs_feedback_gate_hold (self->gate, record);
  while ((surplus = _lsobs_feedback_gate_take_surplus (self->gate)) != NULL)
    drop_record (self, surplus, LSOBS_DROP_REASON_QUEUE_FULL);
}

/* @batch: as of precedes_create()
 * TRUE if it has to wait */
static gboolean
hold_feedback_back (LsobsBatcher *self, LsobsRecord *record, LsobsFeedbackWay way, GPtrArray *batch)
{
  /* Feedback that waits for the answer of /info does not delay runs. */
  if (way != LSOBS_FEEDBACK_UNDECIDED &&
      precedes_create (self, record, way == LSOBS_FEEDBACK_TOGETHER ? batch : NULL))
    {
      hold (self, record);
      return TRUE;
    }
  if (!_lsobs_feedback_gate_ask (self->gate, record, way))
    return FALSE;
  hold_at_gate (self, record);
  return TRUE;
}

/* The same for what has travelled together, and does no longer. */
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

/* Batches whose creates have found their fate are in line again, in their order. */
static void
release_apart (LsobsBatcher *self)
{
  for (GList *l = self->apart.tail; l != NULL;)
    {
      GList *previous = l->prev;

      if (self->ending || !has_to_wait (self, l->data))
        {
          g_queue_unlink (&self->apart, l);
          g_queue_push_head_link (&self->ready, l);
        }
      l = previous;
    }
}

/* An update must not overtake the create of its run. TRUE if it has to wait. */
static gboolean
hold_update_back (LsobsBatcher *self, LsobsRecord *record)
{
  switch (_lsobs_queue_get_create_state (self->queue, record->info))
    {
    case LSOBS_CREATE_TAKEN:
      hold (self, record);
      return TRUE;
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

/* Encodes a record, cut if it must be. NULL if even so it is too large: it is
 * lost then. */
static LsobsEncoded *
encode_record (LsobsBatcher *self, LsobsRecord *record, gsize max_bytes)
{
  g_autoptr (LsobsEncoded) encoded = NULL;

  _lsobs_queue_settle (self->queue, record);
  encoded = _lsobs_encoder_encode (self->settings, self->counters, record);
  while (_lsobs_body_measure (encoded) > max_bytes)
    {
      LsobsEncoded *smaller = _lsobs_encoder_shrink (self->settings, self->counters, encoded);

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

/* @way, @batch: as the record is to travel
 * TRUE if it has to wait */
static gboolean
hold_back (LsobsBatcher *self, LsobsRecord *record, LsobsFeedbackWay way, GPtrArray *batch)
{
  if (self->ending)
    return FALSE;
  switch (record->kind)
    {
    case LSOBS_RECORD_UPDATE:
      return hold_update_back (self, record);
    case LSOBS_RECORD_FEEDBACK:
      return hold_feedback_back (self, record, way, batch);
    case LSOBS_RECORD_CREATE:
    default:
      return FALSE;
    }
}

/* What travels alone follows the rest, so that it is not in its way.
 * @records: (element-type LsobsEncoded) */
static void
line_up_alone (LsobsBatcher *self, GPtrArray *records)
{
  for (guint i = 0; i < records->len; i++)
    g_queue_push_tail (&self->ready, new_batch_of_one (g_ptr_array_index (records, i)));
}

/* Cuts the records into batches of at most so many bytes, and puts them in line. */
static void
line_up (LsobsBatcher *self, GPtrArray *records, gsize max_bytes)
{
  g_autoptr (GPtrArray) current = new_encoded_array ();
  g_autoptr (GPtrArray) singles = new_encoded_array ();
  gsize room = max_bytes - _lsobs_body_measure_end ();
  gsize n_bytes = 0;

  for (guint i = 0; i < records->len; i++)
    {
      LsobsRecord *record = g_ptr_array_index (records, i);
      LsobsFeedbackWay way = _lsobs_feedback_gate_judge (self->gate, record);
      LsobsEncoded *encoded;
      gsize size;

      if (hold_back (self, record, way, current))
        continue;
      encoded = encode_record (self, record, room);
      if (encoded == NULL)
        continue;
      if (way != LSOBS_FEEDBACK_TOGETHER)
        {
          g_ptr_array_add (singles, encoded);
          continue;
        }
      size = _lsobs_body_measure (encoded);
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
  line_up_alone (self, singles);
}

/* Puts batches in line. FALSE when nothing should leave now. */
static gboolean
line_up_more (LsobsBatcher *self, const BatchLimits *limits)
{
  while (self->ready.length == 0)
    {
      g_autoptr (GPtrArray) records = g_ptr_array_new ();
      gint64 due_time;

      release_held (self, records, limits->max_records);
      _lsobs_feedback_gate_release (self->gate, records, limits->max_records);
      if (records->len < limits->max_records && may_hold_more (self, limits) &&
          _lsobs_queue_is_due (self->queue, self->settings->flush_interval * 1000,
                               g_get_monotonic_time (), &due_time))
        _lsobs_queue_take (self->queue, limits->max_records - records->len, limits->max_bytes,
                           records);
      if (records->len == 0)
        return FALSE;
      line_up (self, records, limits->max_bytes);
    }
  return TRUE;
}

/* Whether a part of the batch may be welcome where the whole was not; it is in
 * line then. */
gboolean
_lsobs_batcher_split (LsobsBatcher *self, LsobsBatch *batch, const GError *error)
{
  GPtrArray *records = _lsobs_batch_peek_records (batch);
  LsobsEncoded *only = g_ptr_array_index (records, 0);
  g_autoptr (LsobsEncoded) other = NULL;

  if (records->len > 1)
    {
      LsobsBatch *first;
      LsobsBatch *second;

      _lsobs_batch_halve (batch, &first, &second);
      /* There is only one half that the other one can depend on, and it is in line. */
      g_queue_push_head (has_to_wait (self, second) ? &self->apart : &self->ready, second);
      g_queue_push_head (&self->ready, first);
      return TRUE;
    }
  if (g_error_matches (error, LSOBS_ERROR, LSOBS_ERROR_TOO_LARGE))
    {
      other = _lsobs_encoder_cut (self->settings, self->counters, only);
    }
  else if (g_error_matches (error, LSOBS_ERROR, LSOBS_ERROR_CONFLICT) && only->record->promoted)
    {
      /* The create seemed lost, but has arrived; only the end is missing there. */
      _lsobs_queue_demote (self->queue, only->record);
      other = _lsobs_encoder_convert (self->settings, only, LSOBS_RECORD_UPDATE);
    }
  if (other == NULL)
    return FALSE;
  g_queue_push_head (&self->ready, new_batch_of_one (other));
  return TRUE;
}

/* The batch is next in line again. */
void
_lsobs_batcher_put_back (LsobsBatcher *self, LsobsBatch *batch)
{
  g_queue_push_head (&self->ready, lsobs_batch_ref (batch));
}

static void
keep_records (LsobsBatcher *self, LsobsBatch *batch)
{
  GPtrArray *records = _lsobs_batch_peek_records (batch);

  for (guint i = 0; i < records->len; i++)
    _lsobs_queue_keep (self->queue, ((LsobsEncoded *) g_ptr_array_index (records, i))->record);
}

/* A batch that was sent in vain waits to be sent again. */
void
_lsobs_batcher_keep (LsobsBatcher *self, LsobsBatch *batch)
{
  LsobsBatch *kept =
      lsobs_batch_is_probe (batch) ? lsobs_batch_ref (batch) : _lsobs_batch_new_probe (batch);

  _lsobs_batch_peek_history (kept)->tried = TRUE;
  keep_records (self, kept);
  _lsobs_backlog_add (&self->backlog, kept);
}

/* While nothing is sent, all that was taken waits. */
void
_lsobs_batcher_keep_all (LsobsBatcher *self)
{
  for (GList *l = self->ready.head; l != NULL; l = l->next)
    keep_records (self, l->data);
  for (GList *l = self->apart.head; l != NULL; l = l->next)
    keep_records (self, l->data);
  for (GList *l = self->held.head; l != NULL; l = l->next)
    _lsobs_queue_keep (self->queue, l->data);
  for (GList *l = _lsobs_feedback_gate_peek_waiting (self->gate)->head; l != NULL; l = l->next)
    _lsobs_queue_keep (self->queue, l->data);
}

/* Whether feedback waits for what the service says. */
gboolean
_lsobs_batcher_has_questions (LsobsBatcher *self)
{
  return _lsobs_feedback_gate_peek_waiting (self->gate)->length > 0;
}

/* Takes the first record of the first batch out of a line. FALSE when the queue does not
 * count the record as waiting. */
static gboolean
evict_first (LsobsBatcher *self, GQueue *line, LsobsDropReason reason)
{
  g_autoptr (LsobsBatch) batch = line->head->data;
  LsobsRecord *record =
      ((LsobsEncoded *) g_ptr_array_index (_lsobs_batch_peek_records (batch), 0))->record;
  guint n = lsobs_batch_get_n_records (batch);

  if (!record->kept)
    {
      g_steal_pointer (&batch);
      return FALSE;
    }
  if (n > 1)
    line->head->data = _lsobs_batch_slice (batch, 1, n);
  else
    g_queue_pop_head (line);
  forget_ended (self, record);
  _lsobs_queue_evict (self->queue, record, reason);
  return TRUE;
}

static gboolean
evict_held (LsobsBatcher *self, LsobsDropReason reason)
{
  g_autoptr (LsobsRecord) record = NULL;

  if (self->held.head == NULL || !((LsobsRecord *) self->held.head->data)->kept)
    return FALSE;
  record = let_go (self, self->held.head);
  forget_ended (self, record);
  _lsobs_queue_evict (self->queue, record, reason);
  return TRUE;
}

static gboolean
evict_at_gate (LsobsBatcher *self, LsobsDropReason reason)
{
  GList *first = _lsobs_feedback_gate_peek_waiting (self->gate)->head;
  g_autoptr (LsobsRecord) record = NULL;

  if (first == NULL || !((LsobsRecord *) first->data)->kept)
    return FALSE;
  record = _lsobs_feedback_gate_take (self->gate);
  _lsobs_queue_evict (self->queue, record, reason);
  return TRUE;
}

/* As long as the bounds of the queue are exceeded, the oldest of what was taken and waits
 * goes: it is older than all that is in the queue. */
void
_lsobs_batcher_evict (LsobsBatcher *self)
{
  GQueue *lines[] = { &self->backlog.batches, &self->ready, &self->apart };
  LsobsDropReason reason;

  while (_lsobs_queue_is_over_full (self->queue, &reason))
    {
      GQueue *oldest = NULL;

      for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
        if (lines[i]->head != NULL &&
            (oldest == NULL || _lsobs_batch_get_first_seq (lines[i]->head->data) <
                                   _lsobs_batch_get_first_seq (oldest->head->data)))
          oldest = lines[i];
      if (oldest == NULL || !evict_first (self, oldest, reason))
        if (!evict_held (self, reason) && !evict_at_gate (self, reason))
          return;
    }
}

gboolean
_lsobs_batcher_has_suspects (LsobsBatcher *self)
{
  return _lsobs_backlog_has_suspects (&self->backlog);
}

/* The service seems to be away: from now on, probes are sent. */
void
_lsobs_batcher_begin_probing (LsobsBatcher *self)
{
  _lsobs_backlog_pardon (&self->backlog);
  self->probe_fresh = FALSE;
}

/* The halves of a batch wait to be sent again. It must hold more than one record. */
void
_lsobs_batcher_bisect (LsobsBatcher *self, LsobsBatch *batch)
{
  guint n = lsobs_batch_get_n_records (batch);
  LsobsBatch *halves[] = { _lsobs_batch_slice (batch, 0, n / 2),
                           _lsobs_batch_slice (batch, n / 2, n) };

  for (guint i = 0; i < G_N_ELEMENTS (halves); i++)
    {
      g_autoptr (LsobsBatch) half = halves[i];
      LsobsBatchHistory *history = _lsobs_batch_peek_history (half);

      history->number = history->failed = 0;
      history->refused = history->struck = FALSE;
      history->distance = history->not_before = 0;
      /* A record is lost for its own failures alone. */
      if (lsobs_batch_get_n_records (half) == 1)
        history->n_strikes = 0;
      /* There is only one half that the other one can depend on, and it waits. */
      if (has_to_wait (self, half))
        g_queue_push_head (&self->apart, g_steal_pointer (&half));
      else
        _lsobs_batcher_keep (self, half);
    }
}

/* A batch that fails while others succeed is halved, until the record to blame stands
 * alone. Returns: how many records are lost */
static guint
punish (LsobsBatcher *self, LsobsBatch *batch)
{
  LsobsBatchHistory *history = _lsobs_batch_peek_history (batch);

  if (_lsobs_backlog_forgive_pair (&self->backlog, batch))
    {
      _lsobs_backlog_add (&self->backlog, lsobs_batch_ref (batch));
      return 0;
    }
  if (lsobs_batch_get_n_records (batch) == 1)
    {
      _lsobs_batcher_lost (self, batch, history->reason);
      return 1;
    }
  history->n_strikes = LSOBS_DELIVERY_POLICY_MAX_STRIKES - 1;
  history->pair = ++self->n_pairs;
  _lsobs_batcher_bisect (self, batch);
  return 0;
}

/* A request has succeeded: some of what has failed before it may be to blame.
 * @number: of the request
 * Returns: how many records are lost */
guint
_lsobs_batcher_judge (LsobsBatcher *self, guint64 number)
{
  LsobsBatch *batch;
  guint n_lost = 0;

  _lsobs_backlog_accuse (&self->backlog, number);
  while ((batch = _lsobs_backlog_take_guilty (&self->backlog)) != NULL)
    {
      n_lost += punish (self, batch);
      lsobs_batch_unref (batch);
    }
  return n_lost;
}

/* Returns: (transfer full) (nullable) */
static LsobsBatch *
pick_fresh (LsobsBatcher *self, const BatchLimits *limits)
{
  return line_up_more (self, limits) ? g_queue_pop_head (&self->ready) : NULL;
}

/* Probes alternate between batches that were tried and batches that were not, so that a
 * batch that always fails does not hold up the rest. Returns: (transfer full) (nullable) */
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

/* Batches that were tried go first. While there are suspects, a batch that was not tried
 * goes before them: it shows best whether the service can be reached. Returns: (transfer full) (nullable) */
static LsobsBatch *
pick (LsobsBatcher *self, gboolean searching, gint64 time, const BatchLimits *limits)
{
  LsobsBatch *batch = _lsobs_backlog_take_tried (&self->backlog);

  if (batch == NULL && _lsobs_backlog_has_suspects (&self->backlog))
    batch = pick_fresh (self, limits);
  if (batch == NULL)
    batch = _lsobs_backlog_take_oldest (&self->backlog, searching, time);
  return batch != NULL ? batch : pick_fresh (self, limits);
}

/* One attempt is enough to see how the service is, and for what is tried again; but not for
 * the one record that would be lost.
 * Returns: (transfer full): @batch, or the same for another number of attempts */
static LsobsBatch *
limit_attempts (LsobsBatch *batch, gboolean probing)
{
  gboolean probe = probing || (_lsobs_batch_peek_history (batch)->tried &&
                               lsobs_batch_get_n_records (batch) > 1);

  if (probe == lsobs_batch_is_probe (batch))
    return lsobs_batch_ref (batch);
  return probe ? _lsobs_batch_new_probe (batch) : _lsobs_batch_new_round (batch);
}

/* Returns: monotonic, µs: when the first of those that are put aside is sent again, or -1 */
gint64
_lsobs_batcher_get_due_time (LsobsBatcher *self, gint64 now)
{
  return _lsobs_backlog_get_due_time (&self->backlog, now);
}

/* @probing: the service seems to be away
 * @searching: what something in between has refused is under way
 * @time: monotonic, µs: what is put aside until later stays
 * Returns: (transfer full) (nullable): NULL when nothing should leave now */
LsobsBatch *
_lsobs_batcher_next (LsobsBatcher *self, gboolean probing, gboolean searching, gint64 time)
{
  BatchLimits limits = get_limits (self);
  LsobsBatch *next;

  release_apart (self);
  while ((next = probing ? pick_probe (self, &limits) : pick (self, searching, time, &limits)) !=
         NULL)
    {
      g_autoptr (LsobsBatch) batch = next;
      g_autoptr (GError) error = NULL;

      if (lsobs_batch_get_n_records (batch) <= limits.max_records &&
          lsobs_batch_get_n_bytes (batch) <= limits.max_bytes)
        return limit_attempts (batch, probing);
      /* The limits have become narrower while it was in line. */
      error = g_error_new_literal (LSOBS_ERROR, LSOBS_ERROR_TOO_LARGE,
                                   _ ("The service does not take as much at a time"));
      if (!_lsobs_batcher_split (self, batch, error))
        _lsobs_batcher_lost (self, batch, LSOBS_DROP_REASON_TOO_LARGE);
    }
  return NULL;
}

/* Returns: (transfer full) (nullable): the next batch of whatever is left */
static LsobsBatch *
pick_any (LsobsBatcher *self)
{
  LsobsBatch *batch = g_queue_pop_head (&self->backlog.batches);

  return batch != NULL ? batch : g_queue_pop_head (&self->ready);
}

/* Loses the next batch, which is made of whatever is left, so that the transport
 * hears of it. FALSE when there is none. */
gboolean
_lsobs_batcher_lose_next (LsobsBatcher *self, LsobsDropReason reason)
{
  g_autoptr (LsobsBatch) batch = NULL;

  self->ending = TRUE;
  release_apart (self);
  while (self->ready.length == 0 && self->backlog.batches.length == 0)
    {
      g_autoptr (GPtrArray) records = g_ptr_array_new ();
      BatchLimits limits = get_limits (self);
      LsobsRecord *record;

      while (self->held.length > 0 && records->len < limits.max_records)
        g_ptr_array_add (records, let_go (self, self->held.head));
      while (records->len < limits.max_records &&
             (record = _lsobs_feedback_gate_take (self->gate)) != NULL)
        g_ptr_array_add (records, record);
      if (records->len < limits.max_records)
        _lsobs_queue_take (self->queue, limits.max_records - records->len, limits.max_bytes,
                           records);
      if (records->len == 0)
        return FALSE;
      line_up (self, records, limits.max_bytes);
    }
  batch = pick_any (self);
  _lsobs_batcher_lost (self, batch, reason);
  return TRUE;
}

/* Everything that is in line, and everything in the queue, is lost. */
void
_lsobs_batcher_drop_all (LsobsBatcher *self, LsobsDropReason reason)
{
  LsobsBatch *batch;
  LsobsRecord *record;

  self->ending = TRUE;
  release_apart (self);
  while ((batch = pick_any (self)) != NULL)
    {
      _lsobs_batcher_lost (self, batch, reason);
      lsobs_batch_unref (batch);
    }
  while (self->held.length > 0)
    drop_record (self, let_go (self, self->held.head), reason);
  while ((record = _lsobs_feedback_gate_take (self->gate)) != NULL)
    drop_record (self, record, reason);
  _lsobs_queue_drop_waiting (self->queue, reason);
}
