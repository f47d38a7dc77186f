/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-callback-ban-private.h"
#include "lsobs/core/lsobs-clock-private.h"
#include "lsobs/core/lsobs-context-source-private.h"
#include "lsobs/core/lsobs-descriptors-private.h"
#include "lsobs/core/lsobs-error-private.h"
#include "lsobs/core/lsobs-flush-source-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-network-watch-private.h"
#include "lsobs/core/lsobs-work-limit-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/pipeline/lsobs-batcher-private.h"
#include "lsobs/pipeline/lsobs-sender-private.h"
#include "lsobs/transport/lsobs-delivery-policy-private.h"
#include "lsobs/transport/lsobs-transport-private.h"

/* How long the end of a drain that was cancelled is waited for, in µs. */
#define MAX_DRAIN_END (30 * 1000)

/* How long a spool that was sent is left alone, in µs: other processes put files there. */
#define DRAIN_INTERVAL (5 * 60 * G_USEC_PER_SEC)

/* When the next batch may leave. */
typedef struct
{
  gint64 length;      /* ms: of the current pause, without the random part; 0: no pause */
  gint64 until;       /* monotonic, µs */
  gboolean probing;   /* the service seems to be away: batches are kept, and sent as probes */
  gboolean by_lookup; /* probing, because a lookup failed; no batch has failed */
} Pause;

struct _LsobsSender
{
  gatomicrefcount ref_count;
  guint epoch;                        /* the process that all of this belongs to */
  LsobsSettings *settings;            /* (owned) */
  LsobsCounters *counters;            /* (owned) */
  LsobsQueue *queue;                  /* (owned) */
  LsobsLifecycle *lifecycle;          /* (unowned) of the queue */
  LsobsTransport *transport;          /* (owned) */
  const LsobsTransportVTable *vtable; /* (unowned) of the transport */
  LsobsBatcher *batcher;              /* (owned) */
  GMainContext *context;              /* (owned) (nullable) that of the worker, when it has one */
  GSource *driver; /* (unowned) (nullable) runs the context in that of the program */
  GSource *source; /* (owned) the alarm that calls _lsobs_sender_pump() */
  LsobsHealth health;

  GCancellable *cancellable; /* (owned) cancels all batches under way, when the worker stops */
  GMainLoop *loop;           /* (owned) (nullable) of a stop: quits when the last batch has ended */
  GQueue sending;            /* of SentBatch (unowned) */
  gboolean pumping;          /* _lsobs_sender_pump() runs, perhaps inside send_async() */
  guint depth;               /* how many functions that may call the program run now */
  gboolean pump_again;       /* it was called again meanwhile */
  guint64 n_sent;            /* the number of the last sending */
  guint64 last_success;      /* the highest number of a sending that succeeded */
  gboolean succeeded;        /* a sending succeeded after the last unanswered lookup */
  Pause pause;
  gint64 give_up_at;        /* monotonic, µs: until then, isolated batches wait; 0: not limited */
  LsobsNetworkWatch *watch; /* (owned) (nullable) while the service is probed */
  int hastened;             /* (atomic) the network has changed; set by a thread of the watch */
  gint64 probed_at;         /* monotonic, µs: when the last probe was sent */

  gboolean draining; /* a drain of the spool is under way */
  int abandoned;     /* (atomic) gboolean: no thread runs the context any more */
  gint64 drain_at;   /* monotonic, µs: when the next one may start; G_MAXINT64: when the spool has
                      * got more, the service is back, or it is time to look again */
  gint64 drain_not_before; /* monotonic, µs: the service does not want to be asked earlier */
  gint64 drained_at;       /* monotonic, µs: when the last one was started */
  gint64 looked_at;        /* since the boot, µs: when the last one was started */
  gsize n_spooled;         /* the counter, when the last drain started */
  gint64 drain_pause;      /* ms: after a drain that failed, without the random part; or 0 */
};

/* A batch that the transport has. */
typedef struct
{
  LsobsSender *sender; /* (owned) (nullable) NULL after the sender has abandoned it */
  LsobsBatch *batch;   /* (owned) until then */
  GSource *driver;     /* (owned) (nullable) held until the transport has answered */
  gboolean paused;     /* it was sent during a pause */
  GList link;          /* in sender->sending until then */
} SentBatch;

/* @source: calls _lsobs_sender_pump() in the context when it fires */
LsobsSender *
_lsobs_sender_new (const LsobsDestination *destination,
                   LsobsQueue *queue,
                   LsobsRunStore *store,
                   GSource *source)
{
  LsobsSender *self = g_new0 (LsobsSender, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->epoch = _lsobs_fork_epoch ();
  self->settings = _lsobs_settings_ref (destination->settings);
  self->counters = _lsobs_counters_ref (destination->counters);
  self->queue = _lsobs_queue_ref (queue);
  self->lifecycle = _lsobs_queue_peek_lifecycle (queue);
  self->transport = g_object_ref (destination->transport);
  self->batcher = _lsobs_batcher_new (destination, queue, store, source);
  self->source = g_source_ref (source);
  _lsobs_health_init (&self->health, destination->settings->label);
  self->cancellable = g_cancellable_new ();
  g_queue_init (&self->sending);
  self->vtable = _lsobs_transport_peek_vtable (self->transport);
  self->vtable->set_waker (self->transport, source);
  return self;
}

/* Called once, before anything is sent. */
void
_lsobs_sender_set_context (LsobsSender *self, GMainContext *context, GSource *driver)
{
  g_assert (self->context == NULL);
  self->context = g_main_context_ref (context);
  self->driver = driver;
  _lsobs_batcher_set_context (self->batcher, context);
}

static LsobsSender *
sender_ref (LsobsSender *self)
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
  g_clear_pointer (&self->context, g_main_context_unref);
  _lsobs_batcher_free (self->batcher);
  g_object_unref (self->transport);
  _lsobs_queue_unref (self->queue);
  _lsobs_counters_unref (self->counters);
  _lsobs_settings_unref (self->settings);
  g_free (self);
}

/* Called from any thread.
 * Returns: (transfer none) */
LsobsHealth *
_lsobs_sender_peek_health (LsobsSender *self)
{
  return &self->health;
}

/* --- pauses --- */

/* Called in a thread of the watch, when the network has changed. */
static void
hasten_cb (gpointer user_data)
{
  LsobsSender *self = user_data;

  g_atomic_int_set (&self->hastened, TRUE);
  _lsobs_flush_source_arm (self->source, 0);
}

static void
watch_network (LsobsSender *self)
{
  if (self->watch == NULL && self->vtable->is_remote (self->transport))
    self->watch = _lsobs_network_watch_new (hasten_cb, self);
}

static void
end_pause (LsobsSender *self)
{
  self->pause = (Pause){ 0 };
  g_clear_pointer (&self->watch, _lsobs_network_watch_free);
}

/* The service is back. Other processes may have put files into the spool meanwhile. */
static void
end_outage (LsobsSender *self)
{
  if (self->pause.length != 0 && self->drain_at == G_MAXINT64)
    self->drain_at = 0;
  end_pause (self);
}

/* The service accepts nothing for now: no batch is sent until the pause ends.
 * @until_hour: end the pause with the hour: the hourly limit ends with the hour */
static void
begin_pause (LsobsSender *self, gboolean until_hour)
{
  gint64 last = self->pause.probing ? 0 : self->pause.length;
  gint64 pause;

  end_pause (self);
  pause = self->pause.length =
      _lsobs_delivery_policy_pause (self->settings->first_pause, LSOBS_DELIVERY_POLICY_PAUSE_GROWTH,
                                    last);
  if (until_hour)
    pause = _lsobs_delivery_policy_pause_to_hour (pause, g_get_real_time (), g_random_double ());
  self->pause.until = g_get_monotonic_time () + pause * 1000;
}

/* The service seems to be away. Batches that were under way together count as one failure, and a
 * probe that a flush has caused does not delay the next one. */
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
  self->pause.until = MAX (self->pause.until, self->vtable->get_not_before (self->transport));
  watch_network (self);
}

/* A change of the network may bring the next probe forward, but leaves the shortest distance to the
 * last probe. */
static void
hasten (LsobsSender *self, gint64 now)
{
  if (!g_atomic_int_compare_and_exchange (&self->hastened, TRUE, FALSE) || !self->pause.probing)
    return;
  self->pause.until =
      MIN (self->pause.until, MAX (now, self->probed_at + self->settings->first_probe * 1000));
  if (self->drain_at != G_MAXINT64)
    self->drain_at =
        MIN (self->drain_at, MAX (MAX (now, self->drain_not_before),
                                  self->drained_at + self->settings->first_probe * 1000));
}

/* --- learning --- */

/* The batch is lost, or paused, and no part of it is tried now. */
static void
learn_from_loss (LsobsSender *self, const LsobsDeliveryPolicy *policy, const GError *error)
{
  switch (policy->state)
    {
    case LSOBS_STATE_PAUSED:
      /* The outcomes of batches that were under way do not prolong the pause. */
      if (self->pause.probing || self->pause.until <= g_get_monotonic_time ())
        begin_pause (self, policy->action == LSOBS_DELIVERY_ACTION_WAIT);
      _lsobs_health_set_state (&self->health, LSOBS_STATE_PAUSED, FALSE, error);
      break;
    case LSOBS_STATE_DEGRADED:
      _lsobs_health_set_state (&self->health, LSOBS_STATE_DEGRADED, FALSE, error);
      break;
    case LSOBS_STATE_OK:
    default:
      /* The service is well; the record is bad. */
      if (policy->reason != LSOBS_DROP_REASON_SHUTDOWN)
        _lsobs_health_set_problem (&self->health, error);
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
  end_outage (self);
  /* Before flush waiters finish: a program that waits for a flush may read the state then. */
  _lsobs_health_set_state (&self->health, LSOBS_STATE_OK, FALSE, NULL);
  n_lost = _lsobs_batcher_isolate (self->batcher, number);
  _lsobs_batcher_delivered (self->batcher, batch);
  _lsobs_health_notify (&self->health, n, n_lost);
}

/* The service seems to be away: batches are kept, and the service is probed. */
static void
enter_outage (LsobsSender *self, const GError *error)
{
  begin_probing (self);
  _lsobs_batcher_keep_all (self->batcher);
  _lsobs_health_set_state (&self->health, LSOBS_STATE_PAUSED, TRUE, error);
  _lsobs_health_notify (&self->health, 0, 0);
  /* Their flushes fail with this error. */
  _lsobs_queue_refuse_waiters (self->queue);
}

/* Whether a proxy, a firewall or a portal has answered, not the service. */
static gboolean
is_foreign (const LsobsDeliveryPolicy *policy)
{
  return policy->code == LSOBS_ERROR_FOREIGN || policy->code == LSOBS_ERROR_BLOCKED ||
         policy->code == LSOBS_ERROR_REDIRECTED;
}

/* A page that is not the service's refuses the batch, and no other was delivered since: if only
 * some records are bad, one half will be delivered. */
static gboolean
may_bisect (LsobsSender *self, const SentBatch *sent)
{
  const LsobsBatchHistory *history = _lsobs_batch_peek_history (sent->batch);

  return history->outcome == LSOBS_OUTCOME_FOREIGN && lsobs_batch_get_n_records (sent->batch) > 1 &&
         (sent->paused || history->number < self->last_success);
}

/* If others were delivered since the batch failed before, it is sent again at growing
 * distances of its own, without a pause for other batches.
 * @last: the number of the sending that failed before, or 0
 * Returns: FALSE when no other batch was delivered */
static gboolean
delay_batch (LsobsSender *self, const SentBatch *sent, guint64 last, const GError *error)
{
  LsobsBatchHistory *history = _lsobs_batch_peek_history (sent->batch);
  gint64 delay;

  if (sent->paused || history->outcome == LSOBS_OUTCOME_FOREIGN ||
      (history->number > self->last_success && (last == 0 || last > self->last_success)))
    return FALSE;
  history->distance =
      _lsobs_delivery_policy_pause (self->settings->first_probe, LSOBS_DELIVERY_POLICY_PROBE_GROWTH,
                                    history->distance);
  delay = _lsobs_delivery_policy_spread (history->distance, g_random_double ());
  history->not_before = g_get_monotonic_time () + delay * 1000;
  _lsobs_batcher_keep (self->batcher, sent->batch);
  _lsobs_health_set_problem (&self->health, error);
  _lsobs_health_notify (&self->health, 0, 0);
  _lsobs_queue_refuse_waiters (self->queue);
  return TRUE;
}

/* The batch is kept. The service seems to be away, unless others were delivered since the
 * batch was sent. */
static void
learn_from_outage (LsobsSender *self,
                   const SentBatch *sent,
                   const LsobsDeliveryPolicy *policy,
                   const GError *error)
{
  LsobsBatchHistory *history = _lsobs_batch_peek_history (sent->batch);
  guint64 last = history->failed;

  history->failed = history->number;
  history->reason = policy->reason;
  history->refused = policy->code == LSOBS_ERROR_FOREIGN || policy->code == LSOBS_ERROR_BLOCKED;
  history->ever_refused |= history->refused;
  history->isolation = LSOBS_ISOLATION_NONE;
  if (is_foreign (policy) || history->outcome == LSOBS_OUTCOME_BUSY)
    history->unconfirmed = FALSE;
  else
    history->unconfirmed |= !sent->paused;
  if (is_foreign (policy) && delay_batch (self, sent, last, error))
    return;
  if (may_bisect (self, sent))
    _lsobs_batcher_bisect (self->batcher, sent->batch);
  else
    _lsobs_batcher_keep (self->batcher, sent->batch);
  if (history->number < self->last_success && !sent->paused)
    {
      _lsobs_health_set_problem (&self->health, error);
      _lsobs_health_notify (&self->health, 0,
                            _lsobs_batcher_isolate (self->batcher, self->last_success));
      return;
    }
  enter_outage (self, error);
  self->pause.by_lookup = FALSE;
}

/* Learns from the lookups of project ids: feedback may wait for one while no batch is sent. A failed
 * project lookup counts as an outage after max-attempts. */
static void
learn_from_lookup (LsobsSender *self)
{
  g_autoptr (GError) error = NULL;
  gboolean answered;
  gboolean succeeded;
  guint n;

  n = self->vtable->take_news (self->transport, &answered, &error);
  if (answered && self->pause.by_lookup)
    {
      end_outage (self);
      _lsobs_health_set_state (&self->health, LSOBS_STATE_OK, FALSE, NULL);
    }
  if (error == NULL || !_lsobs_batcher_awaits_answers (self->batcher))
    return;
  succeeded = self->succeeded;
  self->succeeded = FALSE;
  if (self->pause.length != 0 ? !self->pause.probing : n < self->settings->values.max_attempts)
    return;
  if (self->pause.length == 0 && succeeded)
    {
      /* The service takes batches: it is not away. */
      _lsobs_health_set_problem (&self->health, error);
      _lsobs_queue_refuse_waiters (self->queue);
      return;
    }
  if (!self->pause.probing)
    self->pause.by_lookup = TRUE;
  enter_outage (self, error);
}

/* While a flush waits, repeats a failed project lookup at once. */
static void
hasten_lookup (LsobsSender *self)
{
  if (_lsobs_batcher_awaits_answers (self->batcher) && _lsobs_queue_has_waiters (self->queue))
    self->vtable->ask_again (self->transport,
                             self->pause.probing ? 1 : self->settings->values.max_attempts);
}

/* A proxy or firewall refuses the batch.
 * Returns: whether the content of the batch is bad; the record is being searched for, or was
 * found */
static gboolean
learn_from_block (LsobsSender *self,
                  const SentBatch *sent,
                  const LsobsDeliveryPolicy *policy,
                  const GError *error)
{
  LsobsBatch *batch = sent->batch;
  LsobsBatchHistory *history = _lsobs_batch_peek_history (batch);

  history->ever_refused = TRUE;
  if (lsobs_batch_get_n_records (batch) > 1)
    {
      _lsobs_batcher_bisect (self->batcher, batch);
      /* Its halves go one after the other, and do not wait for the next probe. */
      if (self->pause.probing)
        self->pause.until = 0;
      return TRUE;
    }
  if (self->pause.length != 0)
    return FALSE;
  _lsobs_health_set_problem (&self->health, error);
  if (history->isolation == LSOBS_ISOLATION_RETEST)
    {
      _lsobs_health_notify (&self->health, 0,
                            _lsobs_batcher_lost (self->batcher, batch, policy->reason));
      return TRUE;
    }
  history->reason = policy->reason;
  history->refused = TRUE;
  history->isolation = LSOBS_ISOLATION_REFUSED;
  _lsobs_batcher_keep (self->batcher, batch);
  return TRUE;
}

static void
handle_outcome (LsobsSender *self, const SentBatch *sent, const GError *error)
{
  LsobsBatch *batch = sent->batch;
  const LsobsDeliveryPolicy *policy = _lsobs_delivery_policy_find (error);

  if (policy->code == LSOBS_ERROR_BLOCKED && error != NULL)
    {
      if (!learn_from_block (self, sent, policy, error))
        learn_from_outage (self, sent, policy, error);
      return;
    }
  if (policy->split && _lsobs_batcher_split (self->batcher, batch, error))
    return;
  switch (policy->action)
    {
    case LSOBS_DELIVERY_ACTION_DONE:
      learn_from_success (self, batch);
      break;
    case LSOBS_DELIVERY_ACTION_PROBE:
      learn_from_outage (self, sent, policy, error);
      break;
    case LSOBS_DELIVERY_ACTION_WAIT:
      learn_from_loss (self, policy, error);
      _lsobs_batcher_put_back (self->batcher, batch);
      _lsobs_batcher_keep_all (self->batcher);
      _lsobs_health_notify (&self->health, 0, 0);
      break;
    case LSOBS_DELIVERY_ACTION_DROP:
    default:
      learn_from_loss (self, policy, error);
      _lsobs_health_notify (&self->health, 0,
                            _lsobs_batcher_lost (self->batcher, batch, policy->reason));
      break;
    }
}

/* --- sending --- */

void
_lsobs_sender_enter (LsobsSender *self)
{
  g_assert (g_main_context_is_owner (self->context));
  self->depth++;
}

void
_lsobs_sender_leave (LsobsSender *self)
{
  g_assert (g_main_context_is_owner (self->context));
  self->depth--;
}

/* Whether the caller is inside a function of the program that the sender has called. The sender
 * cannot go on before that function returns. Called in the context. */
gboolean
_lsobs_sender_is_entered (LsobsSender *self)
{
  g_assert (g_main_context_is_owner (self->context));
  return self->depth > 0;
}

/* Ends the loop of a stop when nothing is under way any more.
 * Returns: FALSE if something is */
static gboolean
end_loop_if_idle (LsobsSender *self)
{
  if (_lsobs_sender_is_busy (self))
    return FALSE;
  g_main_loop_quit (self->loop);
  return TRUE;
}

/* Called in the context. */
static void
sent_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autofree SentBatch *sent = user_data;
  g_autoptr (LsobsSender) self = sent->sender;
  g_autoptr (GError) error = NULL;

  if (lsobs_transport_send_finish (LSOBS_TRANSPORT (object), result, &error))
    g_clear_error (&error);
  else if (error == NULL)
    error =
        g_error_new_literal (LSOBS_ERROR, LSOBS_ERROR_UNAVAILABLE, _ ("The transport has failed"));

  g_clear_pointer (&sent->driver, _lsobs_context_source_release);
  if (self == NULL)
    return;
  /* A forked child that runs its parent's context leaves its parent's sender as it is. */
  if (self->epoch != _lsobs_fork_epoch ())
    {
      g_steal_pointer (&self);
      return;
    }
  g_assert (g_main_context_is_owner (self->context));
  g_queue_unlink (&self->sending, &sent->link);
  _lsobs_sender_enter (self);
  handle_outcome (self, sent, error);
  _lsobs_sender_leave (self);
  lsobs_batch_unref (sent->batch);
  if (self->loop == NULL || !end_loop_if_idle (self))
    _lsobs_sender_pump (self);
}

/* Takes @batch over. */
static void
send_batch (LsobsSender *self, LsobsBatch *batch)
{
  SentBatch *sent = g_new0 (SentBatch, 1);

  _lsobs_batcher_send (self->batcher, batch);
  _lsobs_batch_peek_history (batch)->number = ++self->n_sent;
  _lsobs_batch_peek_history (batch)->outcome = LSOBS_OUTCOME_DELIVERED;
  sent->sender = sender_ref (self);
  sent->batch = batch;
  sent->driver = self->driver != NULL ? _lsobs_context_source_hold (self->driver) : NULL;
  sent->paused = self->pause.length != 0;
  if (sent->paused)
    self->probed_at = g_get_monotonic_time ();
  sent->link.data = sent;
  g_queue_push_tail_link (&self->sending, &sent->link);
  lsobs_transport_send_async (self->transport, batch, self->cancellable, sent_cb, sent);
}

gboolean
_lsobs_sender_is_busy (LsobsSender *self)
{
  g_assert (g_main_context_is_owner (self->context));
  return self->sending.length > 0 || self->draining;
}

/* Whether isolated batches may wait for another batch to show whether they are bad. They wait for
 * a limited time, and not during a flush. */
static gboolean
may_wait_for_proof (LsobsSender *self, gint64 now)
{
  if (self->sending.length > 0 || !_lsobs_batcher_has_isolated (self->batcher))
    {
      self->give_up_at = 0;
      return TRUE;
    }
  if (_lsobs_queue_has_waiters (self->queue))
    return FALSE;
  if (self->give_up_at == 0)
    self->give_up_at = now + self->settings->first_probe * 1000;
  if (now >= self->give_up_at)
    return FALSE;
  _lsobs_flush_source_arm (self->source, self->give_up_at);
  return TRUE;
}

/* If no other batch is left that can show whether the isolated ones are bad, the proxy or firewall
 * is assumed to refuse everything, until a batch is delivered. */
static void
give_up_isolated (LsobsSender *self, gint64 now)
{
  g_autofree char *problem = NULL;
  g_autoptr (GError) error = NULL;

  if (may_wait_for_proof (self, now))
    return;
  self->give_up_at = 0;
  problem =
      _lsobs_health_dup_problem (&self->health, _ ("a record is larger than a request may be"));
  error = g_error_new_literal (LSOBS_ERROR, LSOBS_ERROR_BLOCKED, problem);
  enter_outage (self, error);
  _lsobs_flush_source_arm (self->source, self->pause.until);
}

/* Whether a batch is under way that a proxy or firewall has refused before. */
static gboolean
is_searching (LsobsSender *self)
{
  for (GList *l = self->sending.head; l != NULL; l = l->next)
    if (_lsobs_batch_peek_history (((SentBatch *) l->data)->batch)->ever_refused)
      return TRUE;
  return FALSE;
}

/* Whether the transport is the program's, and must not be called any more. */
static gboolean
is_banned (LsobsSender *self)
{
  return _lsobs_callback_ban_covers_all () && !self->vtable->may_move (self->transport);
}

/* The process has no descriptor left, without which GIO may abort it: this counts as an outage.
 * @batch: (transfer full) */
static void
wait_for_descriptors (LsobsSender *self, LsobsBatch *batch)
{
  g_autoptr (GError) error = NULL;

  _lsobs_batcher_put_back (self->batcher, batch);
  lsobs_batch_unref (batch);
  _lsobs_error_set_no_descriptors (&error);
  enter_outage (self, error);
  _lsobs_flush_source_arm (self->source, self->pause.until);
}

static void
send_batches (LsobsSender *self)
{
  /* A flush does not wait for delayed batches: they go now. */
  gint64 time = _lsobs_queue_has_waiters (self->queue) ? G_MAXINT64 : g_get_monotonic_time ();

  g_main_context_push_thread_default (self->context);
  /* After a pause, only one batch is under way until one is delivered. */
  while (!self->pump_again &&
         self->sending.length <
             (self->pause.length != 0 ? 1 : self->settings->values.max_in_flight))
    {
      LsobsBatch *batch =
          _lsobs_batcher_next (self->batcher, self->pause.probing, is_searching (self), time);

      if (batch == NULL)
        break;
      /* The stop may have begun, or the time be over, while the batch was encoded. */
      if (!_lsobs_lifecycle_allows (self->lifecycle, LSOBS_LIFECYCLE_SEND) ||
          _lsobs_work_limit_is_over () || is_banned (self))
        {
          _lsobs_batcher_put_back (self->batcher, batch);
          lsobs_batch_unref (batch);
          break;
        }
      if (self->vtable->uses_descriptors (self->transport) && !_lsobs_descriptors_are_spare ())
        {
          wait_for_descriptors (self, batch);
          break;
        }
      send_batch (self, batch);
    }
  g_main_context_pop_thread_default (self->context);
}

/* Whether nothing may leave before the end of the pause. A flush sends a probe at once, except in a
 * quota or key pause, where it could lose the batch: there the flush fails. */
static gboolean
is_kept_back (LsobsSender *self, gint64 now)
{
  if (now >= self->pause.until)
    return FALSE;
  if (!self->pause.probing)
    _lsobs_queue_refuse_waiters (self->queue);
  return !self->pause.probing || self->sending.length > 0 ||
         !_lsobs_queue_has_waiters (self->queue);
}

/* --- the spool --- */

/* Records that the service does not take in time go to the spool. While it takes records, others go
 * there only if the queue is almost full. */
static void
spool_overdue (LsobsSender *self, gint64 now)
{
  gboolean away = self->pause.length != 0;
  gint64 due_time;

  if (self->settings->values.spool_dir == NULL)
    return;
  if (!away && (self->sending.length < self->settings->values.max_in_flight ||
                !_lsobs_queue_is_filled (self->queue, LSOBS_QUEUE_ALMOST_FULL)))
    return;
  g_main_context_push_thread_default (self->context);
  due_time = _lsobs_batcher_spool_overdue (self->batcher, now,
                                           away ? LSOBS_QUEUE_HALF_FULL : LSOBS_QUEUE_ALMOST_FULL);
  g_main_context_pop_thread_default (self->context);
  /* The other sources of the context have their turn before the next batch. */
  if (away && due_time != -1)
    _lsobs_flush_source_arm (self->source, due_time);
}

/* Tells the program of records that the spool could not take. */
static void
notify_unspooled (LsobsSender *self)
{
  guint n = _lsobs_queue_take_unspooled (self->queue);

  if (n > 0)
    _lsobs_health_notify (&self->health, 0, n);
}

/* The end of a drain, on its way to the sender. */
typedef struct
{
  LsobsSender *sender; /* (owned) */
  guint n_delivered;
  gint64 not_before; /* monotonic, µs */
  GError *error;     /* (owned) (nullable) */
} DrainEnd;

static void
drain_end_free (gpointer data)
{
  DrainEnd *end = data;

  /* In a forked child, the sender is the parent's. */
  if (end->sender->epoch == _lsobs_fork_epoch ())
    _lsobs_sender_unref (end->sender);
  g_clear_error (&end->error);
  g_free (end);
}

/* The service has accepted files of the spool: it is well. */
static void
learn_from_drain (LsobsSender *self)
{
  self->drain_pause = 0;
  if (self->pause.length == 0)
    return;
  end_pause (self);
  _lsobs_health_set_state (&self->health, LSOBS_STATE_OK, FALSE, NULL);
  _lsobs_health_notify (&self->health, 0, 0);
}

/* A drain that fails is tried again after a pause, which grows each time. */
static void
delay_drain (LsobsSender *self, const GError *error)
{
  gint64 delay;

  g_debug ("The spool is not sent for now: %s", error->message);
  self->drain_pause =
      _lsobs_delivery_policy_pause (self->settings->first_probe, LSOBS_DELIVERY_POLICY_PROBE_GROWTH,
                                    self->drain_pause);
  delay = _lsobs_delivery_policy_spread (self->drain_pause, g_random_double ());
  /* The service may have said when it takes more. */
  self->drain_at = MAX (g_get_monotonic_time () + delay * 1000, self->drain_not_before);
}

/* Called in the context. */
static gboolean
drained_cb (gpointer user_data)
{
  DrainEnd *end = user_data;
  LsobsSender *self = end->sender;

  if (self->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;
  g_assert (g_main_context_is_owner (self->context));
  self->draining = FALSE;
  self->drain_not_before = end->not_before;
  if (end->n_delivered > 0)
    learn_from_drain (self);
  if (end->error != NULL)
    delay_drain (self, end->error);
  if (self->loop != NULL)
    end_loop_if_idle (self);
  else
    _lsobs_sender_pump (self);
  return G_SOURCE_REMOVE;
}

/* Called in the thread of the drain. */
static void
drained (gpointer data, guint n_delivered, gint64 not_before, const GError *error)
{
  DrainEnd *end = data;
  g_autoptr (GSource) source = NULL;
  LsobsSender *sender;

  /* No thread runs the context any more. */
  if (g_atomic_int_get (&end->sender->abandoned))
    {
      drain_end_free (end);
      return;
    }
  source = g_idle_source_new ();
  end->n_delivered = n_delivered;
  end->not_before = not_before;
  end->error = error != NULL ? g_error_copy (error) : NULL;
  g_source_set_static_name (source, "[lsobs] drained");
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, drained_cb, end, drain_end_free);
  sender = sender_ref (end->sender);
  g_source_attach (source, sender->context);
  /* Destroying the source frees @end, unless the source has run. */
  if (g_atomic_int_get (&sender->abandoned))
    g_source_destroy (source);
  _lsobs_sender_unref (sender);
}

/* Whether the spool may have files that were not there at the last drain, which has sent all. An idle
 * program is not woken to look. */
static gboolean
has_spool_more (LsobsSender *self, gsize n_spooled)
{
  return n_spooled != self->n_spooled ||
         _lsobs_clock_source.get_boot_time () - self->looked_at >= DRAIN_INTERVAL;
}

/* Starts a drain of the spool if it is time for one. While the service is away, a batch that waits
 * is the probe. If no batch waits, the drain is the probe. */
static void
drain_spool (LsobsSender *self, gint64 now)
{
  DrainEnd *end;
  gsize n_spooled;

  if (self->settings->values.spool_dir == NULL || self->draining ||
      !_lsobs_lifecycle_allows (self->lifecycle, LSOBS_LIFECYCLE_PUSH))
    return;
  n_spooled = _lsobs_counters_get (self->counters, LSOBS_COUNTER_SPOOLED);
  if (self->drain_at == G_MAXINT64 && has_spool_more (self, n_spooled))
    self->drain_at = 0;
  if (self->drain_at == G_MAXINT64 || (self->pause.length != 0 && self->sending.length > 0))
    return;
  if (now < self->drain_at)
    {
      _lsobs_flush_source_arm (self->source, self->drain_at);
      return;
    }
  self->n_spooled = n_spooled;
  self->drained_at = now;
  self->looked_at = _lsobs_clock_source.get_boot_time ();
  self->drain_at = G_MAXINT64;
  end = g_new0 (DrainEnd, 1);
  end->sender = sender_ref (self);
  self->draining = TRUE;
  if (!self->vtable->begin_drain (self->transport, drained, end))
    {
      drain_end_free (end);
      self->draining = FALSE;
    }
}

static void
pump (LsobsSender *self)
{
  gint64 now = g_get_monotonic_time ();
  gint64 due_time;

  if (!_lsobs_lifecycle_allows (self->lifecycle, LSOBS_LIFECYCLE_SEND))
    return;
  notify_unspooled (self);
  spool_overdue (self, now);
  _lsobs_batcher_evict (self->batcher);
  learn_from_lookup (self);
  hasten_lookup (self);
  hasten (self, now);
  if (is_kept_back (self, now))
    {
      _lsobs_flush_source_arm (self->source, self->pause.until);
      return;
    }
  send_batches (self);
  /* The next iteration of the context sends the rest first. */
  if (self->pump_again)
    return;
  if (_lsobs_work_limit_is_over ())
    {
      _lsobs_flush_source_arm (self->source, 0);
      return;
    }
  give_up_isolated (self, now);
  drain_spool (self, now);
  due_time = _lsobs_batcher_get_due_time (self->batcher, now);
  if (due_time != -1)
    _lsobs_flush_source_arm (self->source, due_time);
  if (!_lsobs_queue_is_due (self->queue, self->settings->values.flush_interval * 1000, now,
                            &due_time) &&
      due_time != -1)
    _lsobs_flush_source_arm (self->source, due_time);
  if (due_time != -1)
    return;
  if (_lsobs_queue_watch (self->queue))
    _lsobs_flush_source_arm (self->source, now + self->settings->values.flush_interval *
                                                     G_GINT64_CONSTANT (1000));
  else if (self->sending.length == 0)
    _lsobs_batcher_rest (self->batcher);
}

/* Sends the batches that may leave now, and sets the alarm for the next ones. A transport that
 * completes inside send_async(), or that runs the context there, calls this again: sending goes on
 * in the next iteration of the context. So the stack does not grow, and other sources of the
 * context have their turn. */
void
_lsobs_sender_pump (LsobsSender *self)
{
  g_assert (g_main_context_is_owner (self->context));
  if (self->pumping)
    {
      self->pump_again = TRUE;
      return;
    }
  self->pumping = TRUE;
  self->pump_again = FALSE;
  _lsobs_sender_enter (self);
  pump (self);
  _lsobs_sender_leave (self);
  self->pumping = FALSE;
  if (self->pump_again)
    _lsobs_flush_source_arm (self->source, 0);
}

/* --- the end --- */

/* Cancels all batches under way.
 * @loop: (nullable): quits when the last of them has ended */
void
_lsobs_sender_cancel (LsobsSender *self, GMainLoop *loop)
{
  g_assert (g_main_context_is_owner (self->context));
  g_clear_pointer (&self->watch, _lsobs_network_watch_free);
  if (loop != NULL && self->loop == NULL)
    self->loop = g_main_loop_ref (loop);
  g_cancellable_cancel (self->cancellable);
  if (self->draining)
    self->vtable->end_drain (self->transport, 0);
}

/* Gives the transport one more batch of what is left, as lost. FALSE when nothing is left. */
gboolean
_lsobs_sender_discard_next (LsobsSender *self)
{
  gboolean discarded;

  g_assert (g_main_context_is_owner (self->context));
  _lsobs_sender_enter (self);
  discarded = _lsobs_batcher_discard_next (self->batcher, LSOBS_DROP_REASON_SHUTDOWN);
  _lsobs_sender_leave (self);
  return discarded;
}

/* All records that are not under way are lost. */
void
_lsobs_sender_discard_all (LsobsSender *self)
{
  g_assert (g_main_context_is_owner (self->context));
  _lsobs_sender_enter (self);
  _lsobs_batcher_discard_all (self->batcher, LSOBS_DROP_REASON_SHUTDOWN);
  _lsobs_sender_leave (self);
}

/* Batches that the transport still has are lost; what it answers later is ignored. */
void
_lsobs_sender_abandon (LsobsSender *self)
{
  GList *link;

  g_assert (g_main_context_is_owner (self->context));
  g_clear_pointer (&self->watch, _lsobs_network_watch_free);
  g_atomic_int_set (&self->abandoned, TRUE);
  /* The thread ends at once, unless the disk or a name server holds it up. */
  if (self->draining)
    self->vtable->end_drain (self->transport, g_get_monotonic_time () + MAX_DRAIN_END);
  self->draining = FALSE;
  while ((link = g_queue_pop_head_link (&self->sending)) != NULL)
    {
      SentBatch *sent = link->data;
      g_autoptr (LsobsBatch) batch = g_steal_pointer (&sent->batch);

      _lsobs_batcher_lost (self->batcher, batch, LSOBS_DROP_REASON_SHUTDOWN);
      _lsobs_sender_unref (g_steal_pointer (&sent->sender));
    }
}
