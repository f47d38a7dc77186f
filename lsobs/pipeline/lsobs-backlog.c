/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/pipeline/lsobs-backlog-private.h"
#include "lsobs/transport/lsobs-delivery-policy-private.h"

/* A failure alone does not mean that a batch is bad: the service may be away. Three members of
 * LsobsBatchHistory lead to the bad batch, and in it to the one bad record:
 *
 * - unconfirmed: it failed while the service was not known to be away. When a batch that was sent
 *   after it is delivered, the batch has failed alone. An answer that is not the service's, and one
 *   that says that the service takes nothing for now, do not count.
 * - isolation: it is one record that a proxy or firewall refuses. When the very next batch
 *   is delivered, the record is sent once more; refused again, it is bad. When another batch fails
 *   for another reason, the isolation ends.
 * - n_lone_failures: with the third one, the batch is bad, and is halved. The halves begin with two;
 *   a half of one record, which would be lost, begins with none. When both halves fail, not one bad
 *   record is the reason: both begin again with none.
 */

void
_lsobs_backlog_init (LsobsBacklog *self)
{
  g_queue_init (&self->batches);
}

/* Called once, before anything is sent. */
void
_lsobs_backlog_set_context (LsobsBacklog *self, GMainContext *context)
{
  self->context = context;
}

void
_lsobs_backlog_clear (LsobsBacklog *self)
{
  g_queue_clear_full (&self->batches, (GDestroyNotify) lsobs_batch_unref);
}

static int
compare_ages (gconstpointer a, gconstpointer b, gpointer user_data)
{
  guint64 first = _lsobs_batch_get_first_seq ((LsobsBatch *) a);
  guint64 second = _lsobs_batch_get_first_seq ((LsobsBatch *) b);

  return first < second ? -1 : first > second;
}

/* Takes @batch over, and inserts it by age. */
void
_lsobs_backlog_add (LsobsBacklog *self, LsobsBatch *batch)
{
  g_assert (g_main_context_is_owner (self->context));
  g_queue_insert_sorted (&self->batches, batch, compare_ages, NULL);
}

/* Returns: (transfer full) (nullable) */
static LsobsBatch *
take (LsobsBacklog *self, GList *link)
{
  LsobsBatch *batch;

  if (link == NULL)
    return NULL;
  batch = link->data;
  g_queue_delete_link (&self->batches, link);
  return batch;
}

/* Batches that a proxy or firewall has refused are sent one at a time. While one is isolated, no
 * other refused batch is sent: its failure would not end the isolation.
 * @searching: a batch that was refused is under way
 * @time: monotonic, µs: batches that are delayed beyond it stay
 * Returns: (transfer full) (nullable): the next batch to be sent */
LsobsBatch *
_lsobs_backlog_take_oldest (LsobsBacklog *self, gboolean searching, gint64 time)
{
  gboolean has_isolated = _lsobs_backlog_has_isolated (self);

  g_assert (g_main_context_is_owner (self->context));
  for (GList *l = self->batches.head; l != NULL; l = l->next)
    {
      const LsobsBatchHistory *history = _lsobs_batch_peek_history (l->data);

      if (!(searching && history->ever_refused) && !(has_isolated && history->refused) &&
          history->not_before <= time)
        return take (self, l);
    }
  return NULL;
}

/* Returns: monotonic, µs: when the first delayed batch is sent again, or -1 */
gint64
_lsobs_backlog_get_due_time (LsobsBacklog *self, gint64 now)
{
  gint64 due_time = -1;

  g_assert (g_main_context_is_owner (self->context));
  for (GList *l = self->batches.head; l != NULL; l = l->next)
    {
      gint64 not_before = _lsobs_batch_peek_history (l->data)->not_before;

      if (not_before > now && (due_time == -1 || not_before < due_time))
        due_time = not_before;
    }
  return due_time;
}

/* Returns: (transfer full) (nullable): an isolated batch that is sent once more */
LsobsBatch *
_lsobs_backlog_take_tried (LsobsBacklog *self)
{
  g_assert (g_main_context_is_owner (self->context));
  for (GList *l = self->batches.head; l != NULL; l = l->next)
    if (_lsobs_batch_peek_history (l->data)->isolation == LSOBS_ISOLATION_RETEST)
      return take (self, l);
  return NULL;
}

/* Returns: (transfer full) (nullable): the batch that was sent the longest ago */
LsobsBatch *
_lsobs_backlog_take_probe (LsobsBacklog *self)
{
  GList *stalest = self->batches.head;

  g_assert (g_main_context_is_owner (self->context));
  for (GList *l = stalest; l != NULL; l = l->next)
    if (_lsobs_batch_peek_history (l->data)->number <
        _lsobs_batch_peek_history (stalest->data)->number)
      stalest = l;
  return take (self, stalest);
}

/* Whether there are isolated batches: another batch must show whether they are bad. */
gboolean
_lsobs_backlog_has_isolated (LsobsBacklog *self)
{
  g_assert (g_main_context_is_owner (self->context));
  for (GList *l = self->batches.head; l != NULL; l = l->next)
    if (_lsobs_batch_peek_history (l->data)->isolation == LSOBS_ISOLATION_REFUSED)
      return TRUE;
  return FALSE;
}

/* The batch after the refusal of the isolated ones has failed: the isolation ends. */
void
_lsobs_backlog_end_isolation (LsobsBacklog *self)
{
  g_assert (g_main_context_is_owner (self->context));
  for (GList *l = self->batches.head; l != NULL; l = l->next)
    _lsobs_batch_peek_history (l->data)->isolation = LSOBS_ISOLATION_NONE;
}

/* Whether @batch is one record that was refused in the sending with the number @number - 1. */
static gboolean
was_refused_before (LsobsBatch *batch, guint64 number)
{
  const LsobsBatchHistory *history = _lsobs_batch_peek_history (batch);

  return lsobs_batch_get_n_records (batch) == 1 && history->number + 1 == number &&
         (history->outcome == LSOBS_OUTCOME_FOREIGN || history->outcome == LSOBS_OUTCOME_BLOCKED);
}

/* A batch is delivered: batches that were sent before it, and failed, may be bad.
 * @number: of its sending */
void
_lsobs_backlog_count_failures (LsobsBacklog *self, guint64 number)
{
  g_assert (g_main_context_is_owner (self->context));
  for (GList *l = self->batches.head; l != NULL; l = l->next)
    {
      LsobsBatchHistory *history = _lsobs_batch_peek_history (l->data);

      if (history->number >= number)
        continue;
      if (history->isolation == LSOBS_ISOLATION_REFUSED || was_refused_before (l->data, number))
        history->isolation = LSOBS_ISOLATION_RETEST;
      if (history->unconfirmed)
        {
          history->n_lone_failures++;
          history->half_failed = TRUE;
        }
      history->unconfirmed = FALSE;
    }
}

/* If the other half of @batch has failed, too, while others were delivered, resets the lone
 * failures of both. FALSE when it has not. */
gboolean
_lsobs_backlog_reset_pair (LsobsBacklog *self, LsobsBatch *batch)
{
  LsobsBatchHistory *history = _lsobs_batch_peek_history (batch);

  g_assert (g_main_context_is_owner (self->context));
  for (GList *l = self->batches.head; history->pair != 0 && l != NULL; l = l->next)
    {
      LsobsBatchHistory *other = _lsobs_batch_peek_history (l->data);

      if (other->pair != history->pair || !other->half_failed)
        continue;
      history->n_lone_failures = other->n_lone_failures = 0;
      history->pair = other->pair = 0;
      return TRUE;
    }
  return FALSE;
}

/* Returns: (transfer full) (nullable): a bad batch */
LsobsBatch *
_lsobs_backlog_take_bad (LsobsBacklog *self)
{
  g_assert (g_main_context_is_owner (self->context));
  for (GList *l = self->batches.head; l != NULL; l = l->next)
    if (_lsobs_batch_peek_history (l->data)->n_lone_failures >=
        LSOBS_DELIVERY_POLICY_MAX_LONE_FAILURES)
      return take (self, l);
  return NULL;
}
