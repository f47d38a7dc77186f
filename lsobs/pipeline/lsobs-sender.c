/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-flush-source-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-network-watch-private.h"
#include "lsobs/http/lsobs-client-private.h"
#include "lsobs/http/lsobs-project-id-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/pipeline/lsobs-batcher-private.h"
#include "lsobs/pipeline/lsobs-sender-private.h"
#include "lsobs/transport/lsobs-delivery-policy-private.h"

/* When the next batch may leave. */
typedef struct
{
  gint64 length;    /* ms: of the current pause, before chance; 0: there is none */
  gint64 until;     /* monotonic, µs */
  gboolean probing; /* the service seems to be away: it is probed, and nothing is lost */
  gboolean asking;  /* a question has shown that, and no batch has */
} Pause;

struct _LsobsSender
{
  gatomicrefcount ref_count;
  guint epoch;               /* the process that all of this belongs to */
  LsobsSettings *settings;   /* (owned) */
  LsobsCounters *counters;   /* (owned) */
  LsobsQueue *queue;         /* (owned) */
  LsobsTransport *transport; /* (owned) */
  LsobsService *service;     /* (unowned) (nullable) that of a client */
  LsobsBatcher *batcher;     /* (owned) */
  GMainContext *context;     /* (owned) where all of the sending happens */
  GSource *source;           /* (owned) the alarm that has the worker pump */
  LsobsHealth health;

  GCancellable *cancellable; /* (owned) ends all sending */
  GMainLoop *loop;           /* (owned) (nullable) ends when nothing is under way after that */
  GQueue sending;            /* of Sending (unowned) */
  guint64 n_sent;            /* numbers requests, from 1 */
  guint64 last_success;      /* the latest request that has succeeded */
  gboolean succeeded;        /* one has, since a question had no answer */
  Pause pause;
  gint64 give_up_at;        /* monotonic, µs: suspects wait no longer for proof, or 0 */
  LsobsNetworkWatch *watch; /* (owned) (nullable) while the service is probed */
  int hastened;             /* (atomic) the network has changed */
  gint64 probed_at;         /* monotonic, µs: the last probe was sent */
};

/* One batch that the transport has. */
typedef struct
{
  LsobsSender *sender; /* (owned) (nullable) NULL after the sender has let it go */
  LsobsBatch *batch;   /* (owned) until then */
  gboolean paused;     /* it was sent during a pause, as a probe */
  GList link;          /* in sender->sending until then */
} Sending;

/* @source: has _lsobs_sender_pump() called in @context when it fires */
LsobsSender *
_lsobs_sender_new (LsobsSettings *settings,
                   LsobsCounters *counters,
                   LsobsQueue *queue,
                   LsobsRunStore *store,
                   LsobsTransport *transport,
                   GMainContext *context,
                   GSource *source)
{
  LsobsSender *self = g_new0 (LsobsSender, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->epoch = _lsobs_fork_epoch ();
  self->settings = _lsobs_settings_ref (settings);
  self->counters = _lsobs_counters_ref (counters);
  self->queue = _lsobs_queue_ref (queue);
  self->transport = g_object_ref (transport);
  self->batcher = _lsobs_batcher_new (settings, counters, queue, store, transport);
  self->context = g_main_context_ref (context);
  self->source = g_source_ref (source);
  _lsobs_health_init (&self->health, settings->label);
  self->cancellable = g_cancellable_new ();
  g_queue_init (&self->sending);
  if (LSOBS_IS_CLIENT (transport))
    {
      self->service = _lsobs_client_peek_service (LSOBS_CLIENT (transport));
      _lsobs_service_set_waker (self->service, source);
    }
  return self;
}

LsobsSender *
_lsobs_sender_ref (LsobsSender *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_sender_unref (LsobsSender *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_clear_pointer (&self->watch, _lsobs_network_watch_free);
  g_clear_pointer (&self->loop, g_main_loop_unref);
  g_object_unref (self->cancellable);
  _lsobs_health_clear (&self->health);
  g_source_unref (self->source);
  g_main_context_unref (self->context);
  _lsobs_batcher_free (self->batcher);
  g_object_unref (self->transport);
  _lsobs_queue_unref (self->queue);
  _lsobs_counters_unref (self->counters);
  _lsobs_settings_unref (self->settings);
  g_free (self);
}

/* Returns: (transfer none) */
LsobsHealth *
_lsobs_sender_peek_health (LsobsSender *self)
{
  return &self->health;
}

/* --- pauses --- */

/* Called in a thread of the watch: the network has changed. */
static void
hasten_cb (gpointer user_data)
{
  LsobsSender *self = user_data;

  g_atomic_int_set (&self->hastened, TRUE);
  _lsobs_flush_source_arm (self->source, 0);
}

/* The address that a transport of the program sends to is not known here. */
static void
watch_network (LsobsSender *self)
{
  if (self->watch == NULL && !self->settings->loopback && LSOBS_IS_CLIENT (self->transport))
    self->watch = _lsobs_network_watch_new (hasten_cb, self);
}

static void
end_pause (LsobsSender *self)
{
  self->pause = (Pause){ 0 };
  g_clear_pointer (&self->watch, _lsobs_network_watch_free);
}

/* The service takes nothing for now. */
static void
begin_pause (LsobsSender *self, LsobsFate fate)
{
  gint64 last = self->pause.probing ? 0 : self->pause.length;
  gint64 pause;

  end_pause (self);
  pause = self->pause.length =
      _lsobs_delivery_policy_pause (self->settings->first_pause, LSOBS_DELIVERY_POLICY_PAUSE_GROWTH,
                                    last);
  if (fate == LSOBS_FATE_KEPT)
    pause = _lsobs_delivery_policy_pause_to_hour (pause, g_get_real_time (), g_random_double ());
  self->pause.until = g_get_monotonic_time () + pause * 1000;
}

/* The service seems to be away. Batches that were under way together belong to the same
 * failure, and a probe that was asked for by a flush does not put off the next one. */
static void
begin_probing (LsobsSender *self)
{
  gint64 now = g_get_monotonic_time ();
  gint64 delay;

  if (now < self->pause.until)
    return;
  if (!self->pause.probing)
    {
      self->pause.length = 0;
      _lsobs_batcher_begin_probing (self->batcher);
    }
  self->pause.probing = TRUE;
  self->pause.length =
      _lsobs_delivery_policy_pause (self->settings->first_probe, LSOBS_DELIVERY_POLICY_PROBE_GROWTH,
                                    self->pause.length);
  delay = _lsobs_delivery_policy_spread (self->pause.length, g_random_double ());
  self->pause.until = now + delay * 1000;
  /* The service may have said when it takes more. */
  if (self->service != NULL)
    self->pause.until = MAX (self->pause.until, self->service->not_before);
  watch_network (self);
}

/* A change of the network may bring the next probe forward, but does not make probes
 * come more often than the first one may. */
static void
hasten (LsobsSender *self, gint64 now)
{
  if (!g_atomic_int_compare_and_exchange (&self->hastened, TRUE, FALSE) || !self->pause.probing)
    return;
  self->pause.until =
      MIN (self->pause.until, MAX (now, self->probed_at + self->settings->first_probe * 1000));
}

/* --- learning --- */

/* The batch is lost, and no part of it is tried again. */
static void
learn_from_loss (LsobsSender *self, const LsobsPolicy *policy, const GError *error)
{
  switch (policy->state)
    {
    case LSOBS_STATE_PAUSED:
      /* Other batches that were under way belong to the same pause. */
      if (self->pause.probing || self->pause.until <= g_get_monotonic_time ())
        begin_pause (self, policy->fate);
      _lsobs_health_set_state (&self->health, LSOBS_STATE_PAUSED, FALSE, error);
      break;
    case LSOBS_STATE_DEGRADED:
      _lsobs_health_set_state (&self->health, LSOBS_STATE_DEGRADED, FALSE, error);
      break;
    case LSOBS_STATE_OK:
    default:
      /* The service is well; it is the record. */
      if (policy->reason != LSOBS_DROP_REASON_SHUTDOWN)
        _lsobs_health_note_problem (&self->health, error);
      break;
    }
}

static void
learn_from_success (LsobsSender *self, LsobsBatch *batch)
{
  guint64 number = _lsobs_batch_peek_history (batch)->number;
  guint n = lsobs_batch_get_n_records (batch);
  guint n_lost;

  _lsobs_counters_add (self->counters, LSOBS_COUNTER_BATCHES, 1);
  self->last_success = MAX (self->last_success, number);
  self->succeeded = TRUE;
  end_pause (self);
  /* Before the tickets are told: a program that waits for them may read the state then. */
  _lsobs_health_set_state (&self->health, LSOBS_STATE_OK, FALSE, NULL);
  n_lost = _lsobs_batcher_judge (self->batcher, number);
  _lsobs_batcher_delivered (self->batcher, batch);
  _lsobs_health_post_news (&self->health, n, n_lost);
}

/* From now on, the service is probed. */
static void
note_absence (LsobsSender *self, const GError *error)
{
  begin_probing (self);
  _lsobs_batcher_keep_all (self->batcher);
  _lsobs_health_set_state (&self->health, LSOBS_STATE_PAUSED, TRUE, error);
  _lsobs_health_post_news (&self->health, 0, 0);
  /* They are told this very error. */
  _lsobs_queue_refuse_tickets (self->queue);
}

/* Whether something in between has answered. */
static gboolean
is_foreign (const LsobsPolicy *policy)
{
  return policy->code == LSOBS_ERROR_FOREIGN || policy->code == LSOBS_ERROR_BLOCKED ||
         policy->code == LSOBS_ERROR_REDIRECTED;
}

/* A page refuses the batch, and the service is not known to be there: if not all of the
 * records are to blame, one half shows it. */
static gboolean
may_bisect (LsobsSender *self, const Sending *sending)
{
  const LsobsBatchHistory *history = _lsobs_batch_peek_history (sending->batch);

  return history->verdict == LSOBS_VERDICT_FOREIGN &&
         lsobs_batch_get_n_records (sending->batch) > 1 &&
         (sending->paused || history->number < self->last_success);
}

/* Others have succeeded since the batch has failed before: it is sent again at distances of
 * its own, without a pause for the rest. FALSE when that is not so.
 * @last: the number of the sending that has failed before, or 0 */
static gboolean
put_aside (LsobsSender *self, const Sending *sending, guint64 last, const GError *error)
{
  LsobsBatchHistory *history = _lsobs_batch_peek_history (sending->batch);
  gint64 delay;

  if (sending->paused || history->verdict == LSOBS_VERDICT_FOREIGN ||
      (history->number > self->last_success && (last == 0 || last > self->last_success)))
    return FALSE;
  history->distance =
      _lsobs_delivery_policy_pause (self->settings->first_probe, LSOBS_DELIVERY_POLICY_PROBE_GROWTH,
                                    history->distance);
  delay = _lsobs_delivery_policy_spread (history->distance, g_random_double ());
  history->not_before = g_get_monotonic_time () + delay * 1000;
  _lsobs_batcher_keep (self->batcher, sending->batch);
  _lsobs_health_note_problem (&self->health, error);
  _lsobs_health_post_news (&self->health, 0, 0);
  _lsobs_queue_refuse_tickets (self->queue);
  return TRUE;
}

/* The batch waits until the service is back. If others have succeeded since it was sent,
 * the service is not away. */
static void
learn_from_absence (LsobsSender *self,
                    const Sending *sending,
                    const LsobsPolicy *policy,
                    const GError *error)
{
  LsobsBatchHistory *history = _lsobs_batch_peek_history (sending->batch);
  guint64 last = history->failed;

  history->failed = history->number;
  history->reason = policy->reason;
  history->refused = policy->code == LSOBS_ERROR_FOREIGN || policy->code == LSOBS_ERROR_BLOCKED;
  history->dubious |= history->refused;
  history->suspicion = LSOBS_SUSPICION_NONE;
  if (is_foreign (policy) || history->verdict == LSOBS_VERDICT_BUSY)
    history->accused = FALSE;
  else
    history->accused |= !sending->paused;
  if (is_foreign (policy) && put_aside (self, sending, last, error))
    return;
  if (may_bisect (self, sending))
    _lsobs_batcher_bisect (self->batcher, sending->batch);
  else
    _lsobs_batcher_keep (self->batcher, sending->batch);
  if (history->number < self->last_success && !sending->paused)
    {
      _lsobs_health_note_problem (&self->health, error);
      _lsobs_health_post_news (&self->health, 0,
                               _lsobs_batcher_judge (self->batcher, self->last_success));
      return;
    }
  note_absence (self, error);
  self->pause.asking = FALSE;
}

/* A question for a project may show first that the service is away, or back: feedback that
 * waits for it may be all that there is. As with a batch, a round of attempts is made before
 * that is believed. */
static void
learn_from_question (LsobsSender *self)
{
  LsobsProjectIds *ids;
  g_autoptr (GError) error = NULL;
  gboolean answered;
  gboolean succeeded;
  guint n;

  if (self->service == NULL)
    return;
  ids = _lsobs_service_peek_project_ids (self->service);
  n = _lsobs_project_ids_take_news (ids, &answered, &error);
  if (answered && self->pause.asking)
    {
      end_pause (self);
      _lsobs_health_set_state (&self->health, LSOBS_STATE_OK, FALSE, NULL);
    }
  if (error == NULL || !_lsobs_batcher_has_questions (self->batcher))
    return;
  succeeded = self->succeeded;
  self->succeeded = FALSE;
  if (self->pause.length != 0 ? !self->pause.probing : n < self->settings->max_attempts)
    return;
  if (self->pause.length == 0 && succeeded)
    {
      /* The service takes batches: it is not away. */
      _lsobs_health_note_problem (&self->health, error);
      _lsobs_queue_refuse_tickets (self->queue);
      return;
    }
  if (!self->pause.probing)
    self->pause.asking = TRUE;
  note_absence (self, error);
}

/* Who flushes has the question asked at once that has failed before, and hears of it when it
 * fails again. */
static void
hasten_question (LsobsSender *self)
{
  LsobsProjectIds *ids;
  guint n;

  if (self->service == NULL || !_lsobs_batcher_has_questions (self->batcher) ||
      !_lsobs_queue_has_tickets (self->queue))
    return;
  ids = _lsobs_service_peek_project_ids (self->service);
  n = _lsobs_project_ids_get_trouble (ids);
  if (n >= self->settings->max_attempts || (n > 0 && self->pause.probing))
    _lsobs_project_ids_ask_again (ids);
}

/* A proxy or firewall refuses the batch. TRUE if that is about the content of the batch: the
 * record to blame is being searched for, or was found. */
static gboolean
learn_from_block (LsobsSender *self,
                  const Sending *sending,
                  const LsobsPolicy *policy,
                  const GError *error)
{
  LsobsBatch *batch = sending->batch;
  LsobsBatchHistory *history = _lsobs_batch_peek_history (batch);

  history->dubious = TRUE;
  if (lsobs_batch_get_n_records (batch) > 1)
    {
      _lsobs_batcher_bisect (self->batcher, batch);
      /* One at a time, without waiting for the next probe. */
      if (self->pause.probing)
        self->pause.until = 0;
      return TRUE;
    }
  if (self->pause.length != 0)
    return FALSE;
  _lsobs_health_note_problem (&self->health, error);
  if (history->suspicion == LSOBS_SUSPICION_TRIAL)
    {
      _lsobs_batcher_lost (self->batcher, batch, policy->reason);
      _lsobs_health_post_news (&self->health, 0, 1);
      return TRUE;
    }
  history->reason = policy->reason;
  history->refused = TRUE;
  history->suspicion = LSOBS_SUSPICION_REFUSED;
  _lsobs_batcher_keep (self->batcher, batch);
  return TRUE;
}

static void
settle (LsobsSender *self, const Sending *sending, const GError *error)
{
  LsobsBatch *batch = sending->batch;
  const LsobsPolicy *policy = _lsobs_delivery_policy_find_policy (error);

  if (policy->code == LSOBS_ERROR_BLOCKED && error != NULL)
    {
      if (!learn_from_block (self, sending, policy, error))
        learn_from_absence (self, sending, policy, error);
      return;
    }
  if (policy->split && _lsobs_batcher_split (self->batcher, batch, error))
    return;
  switch (policy->fate)
    {
    case LSOBS_FATE_DELIVERED:
      learn_from_success (self, batch);
      break;
    case LSOBS_FATE_HELD:
      learn_from_absence (self, sending, policy, error);
      break;
    case LSOBS_FATE_KEPT:
      learn_from_loss (self, policy, error);
      _lsobs_batcher_put_back (self->batcher, batch);
      _lsobs_batcher_keep_all (self->batcher);
      _lsobs_health_post_news (&self->health, 0, 0);
      break;
    case LSOBS_FATE_LOST:
    default:
      learn_from_loss (self, policy, error);
      _lsobs_batcher_lost (self->batcher, batch, policy->reason);
      _lsobs_health_post_news (&self->health, 0, lsobs_batch_get_n_records (batch));
      break;
    }
}

/* --- sending --- */

/* Called in the context. */
static void
sent_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autofree Sending *sending = user_data;
  g_autoptr (LsobsSender) self = sending->sender;
  g_autoptr (GError) error = NULL;

  if (lsobs_transport_send_finish (LSOBS_TRANSPORT (object), result, &error))
    g_clear_error (&error);
  else if (error == NULL)
    error =
        g_error_new_literal (LSOBS_ERROR, LSOBS_ERROR_UNAVAILABLE, _ ("The transport has failed"));

  if (self == NULL)
    return;
  /* In a forked child that runs its parent's context, the rest is the parent's. */
  if (self->epoch != _lsobs_fork_epoch ())
    {
      g_steal_pointer (&self);
      return;
    }
  g_queue_unlink (&self->sending, &sending->link);
  settle (self, sending, error);
  lsobs_batch_unref (sending->batch);
  if (self->loop != NULL && self->sending.length == 0)
    g_main_loop_quit (self->loop);
  else
    _lsobs_sender_pump (self);
}

/* Takes @batch over. */
static void
send_batch (LsobsSender *self, LsobsBatch *batch)
{
  GPtrArray *records = _lsobs_batch_peek_records (batch);
  Sending *sending = g_new0 (Sending, 1);

  for (guint i = 0; i < records->len; i++)
    _lsobs_queue_send (self->queue, ((LsobsEncoded *) g_ptr_array_index (records, i))->record);
  _lsobs_batch_peek_history (batch)->number = ++self->n_sent;
  _lsobs_batch_peek_history (batch)->verdict = LSOBS_VERDICT_DELIVERED;
  sending->sender = _lsobs_sender_ref (self);
  sending->batch = batch;
  sending->paused = self->pause.length != 0;
  if (sending->paused)
    self->probed_at = g_get_monotonic_time ();
  sending->link.data = sending;
  g_queue_push_tail_link (&self->sending, &sending->link);
  lsobs_transport_send_async (self->transport, batch, self->cancellable, sent_cb, sending);
}

gboolean
_lsobs_sender_is_busy (LsobsSender *self)
{
  return self->sending.length > 0;
}

/* Whether a suspect waits for another request to show who is to blame. It does so for a
 * while, unless somebody waits for it. */
static gboolean
may_wait_for_proof (LsobsSender *self, gint64 now)
{
  if (self->sending.length > 0 || !_lsobs_batcher_has_suspects (self->batcher))
    {
      self->give_up_at = 0;
      return TRUE;
    }
  if (_lsobs_queue_has_tickets (self->queue))
    return FALSE;
  if (self->give_up_at == 0)
    self->give_up_at = now + self->settings->first_probe * 1000;
  if (now >= self->give_up_at)
    return FALSE;
  _lsobs_flush_source_arm (self->source, self->give_up_at);
  return TRUE;
}

/* No other batch is left that can clear or convict a suspect: the proxy or
 * firewall is assumed to refuse everything until a request succeeds. */
static void
give_up_suspects (LsobsSender *self, gint64 now)
{
  g_autofree char *problem = NULL;
  g_autoptr (GError) error = NULL;

  if (may_wait_for_proof (self, now))
    return;
  self->give_up_at = 0;
  problem = _lsobs_health_dup_problem (&self->health);
  error = g_error_new_literal (LSOBS_ERROR, LSOBS_ERROR_BLOCKED, problem);
  note_absence (self, error);
  _lsobs_flush_source_arm (self->source, self->pause.until);
}

/* Whether the search for a record that something in between refuses is under way. */
static gboolean
is_searching (LsobsSender *self)
{
  for (GList *l = self->sending.head; l != NULL; l = l->next)
    if (_lsobs_batch_peek_history (((Sending *) l->data)->batch)->dubious)
      return TRUE;
  return FALSE;
}

static void
fill_slots (LsobsSender *self)
{
  /* Who flushes does not wait for what is put aside. */
  gint64 time = _lsobs_queue_has_tickets (self->queue) ? G_MAXINT64 : g_get_monotonic_time ();

  g_main_context_push_thread_default (self->context);
  /* After a pause, one batch goes ahead to see how things are. */
  while (self->sending.length < (self->pause.length != 0 ? 1 : self->settings->max_in_flight))
    {
      LsobsBatch *batch =
          _lsobs_batcher_next (self->batcher, self->pause.probing, is_searching (self), time);

      if (batch == NULL)
        break;
      send_batch (self, batch);
    }
  g_main_context_pop_thread_default (self->context);
}

/* Whether the pause keeps everything back. A flush does not wait for the end of the pause: it
 * probes the service at once, or fails if a probe could lose a batch. */
static gboolean
is_kept_back (LsobsSender *self, gint64 now)
{
  if (now >= self->pause.until)
    return FALSE;
  if (!self->pause.probing)
    _lsobs_queue_refuse_tickets (self->queue);
  return !self->pause.probing || self->sending.length > 0 ||
         !_lsobs_queue_has_tickets (self->queue);
}

/* Sends what should leave, as far as there are slots, and sets the alarm for the rest. */
void
_lsobs_sender_pump (LsobsSender *self)
{
  gint64 now = g_get_monotonic_time ();
  gint64 due_time;

  if (g_cancellable_is_cancelled (self->cancellable))
    return;
  _lsobs_batcher_evict (self->batcher);
  learn_from_question (self);
  hasten_question (self);
  hasten (self, now);
  if (is_kept_back (self, now))
    {
      _lsobs_flush_source_arm (self->source, self->pause.until);
      return;
    }
  fill_slots (self);
  give_up_suspects (self, now);
  due_time = _lsobs_batcher_get_due_time (self->batcher, now);
  if (due_time != -1)
    _lsobs_flush_source_arm (self->source, due_time);
  if (!_lsobs_queue_is_due (self->queue, self->settings->flush_interval * 1000, now, &due_time) &&
      due_time != -1)
    _lsobs_flush_source_arm (self->source, due_time);
}

/* --- the end --- */

/* @loop: (nullable): quits when the last batch that is under way has ended */
void
_lsobs_sender_cancel (LsobsSender *self, GMainLoop *loop)
{
  g_clear_pointer (&self->watch, _lsobs_network_watch_free);
  if (loop != NULL && self->loop == NULL)
    self->loop = g_main_loop_ref (loop);
  g_cancellable_cancel (self->cancellable);
}

/* Of what is left, one more batch is told to the transport. FALSE when nothing is left. */
gboolean
_lsobs_sender_lose_next (LsobsSender *self)
{
  return _lsobs_batcher_lose_next (self->batcher, LSOBS_DROP_REASON_SHUTDOWN);
}

void
_lsobs_sender_drop_all (LsobsSender *self)
{
  _lsobs_batcher_drop_all (self->batcher, LSOBS_DROP_REASON_SHUTDOWN);
}

/* A transport that does not let go of its batches in time keeps them for itself. */
void
_lsobs_sender_let_go (LsobsSender *self)
{
  GList *link;

  g_clear_pointer (&self->watch, _lsobs_network_watch_free);
  while ((link = g_queue_pop_head_link (&self->sending)) != NULL)
    {
      Sending *sending = link->data;
      g_autoptr (LsobsBatch) batch = g_steal_pointer (&sending->batch);

      _lsobs_batcher_lost (self->batcher, batch, LSOBS_DROP_REASON_SHUTDOWN);
      _lsobs_sender_unref (g_steal_pointer (&sending->sender));
    }
}
