/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/pipeline/lsobs-backlog-private.h"
#include "lsobs/transport/lsobs-delivery-policy-private.h"

/* A failure alone does not mean that the batch is to blame: the service may be away. Three members
 * of LsobsBatchHistory say whether the batch is to blame:
 *
 * - accused: it failed while the service was not known to be away. When a request that was sent
 *   after it succeeds, that is a strike. An answer that is not the service's, and one that says
 *   that the service takes nothing for now, do not accuse.
 * - suspicion: it is one record that a proxy or firewall refuses. When the very next request
 *   succeeds, the record is sent once more; refused again, it is to blame. When another request
 *   fails for another reason, the suspicion ends.
 * - strikes: with the third one, the batch is to blame, and is halved. The halves begin with two
 *   strikes; a half of one record, which would be lost, begins with none. When both halves fail,
 *   not one bad record is to blame: their strikes are taken back.
 */

void
_lsobs_backlog_init (LsobsBacklog *self, GMainContext *context)
{
  self->context = context;
  g_queue_init (&self->batches);
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

/* Batches that a proxy or firewall has refused are sent one at a time. While there are suspects, no
 * other refused batch is sent: its failure would not clear the suspects.
 * @searching: a batch that was refused is under way
 * @time: monotonic, µs: batches that are deferred beyond it stay
 * Returns: (transfer full) (nullable): the next batch to be sent */
LsobsBatch *
_lsobs_backlog_take_oldest (LsobsBacklog *self, gboolean searching, gint64 time)
{
  gboolean has_suspects = _lsobs_backlog_has_suspects (self);

  g_assert (g_main_context_is_owner (self->context));
  for (GList *l = self->batches.head; l != NULL; l = l->next)
    {
      const LsobsBatchHistory *history = _lsobs_batch_peek_history (l->data);

      if (!(searching && history->dubious) && !(has_suspects && history->refused) &&
          history->not_before <= time)
        return take (self, l);
    }
  return NULL;
}

/* Returns: monotonic, µs: when the first deferred batch is sent again, or -1 */
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

/* Returns: (transfer full) (nullable): a suspect that is sent once more */
LsobsBatch *
_lsobs_backlog_take_tried (LsobsBacklog *self)
{
  g_assert (g_main_context_is_owner (self->context));
  for (GList *l = self->batches.head; l != NULL; l = l->next)
    if (_lsobs_batch_peek_history (l->data)->suspicion == LSOBS_SUSPICION_TRIAL)
      return take (self, l);
  return NULL;
}

/* Returns: (transfer full) (nullable): the batch whose last request was the longest ago */
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

/* Whether there are suspects, for which another request must show whether they are to blame. */
gboolean
_lsobs_backlog_has_suspects (LsobsBacklog *self)
{
  g_assert (g_main_context_is_owner (self->context));
  for (GList *l = self->batches.head; l != NULL; l = l->next)
    if (_lsobs_batch_peek_history (l->data)->suspicion == LSOBS_SUSPICION_REFUSED)
      return TRUE;
  return FALSE;
}

/* The request after the refusal of the suspects has failed: the suspicion ends. */
void
_lsobs_backlog_pardon (LsobsBacklog *self)
{
  g_assert (g_main_context_is_owner (self->context));
  for (GList *l = self->batches.head; l != NULL; l = l->next)
    _lsobs_batch_peek_history (l->data)->suspicion = LSOBS_SUSPICION_NONE;
}

/* Whether @batch is one record, and request @number - 1 was refused: it carried @batch. */
static gboolean
was_refused_before (LsobsBatch *batch, guint64 number)
{
  const LsobsBatchHistory *history = _lsobs_batch_peek_history (batch);

  return lsobs_batch_get_n_records (batch) == 1 && history->number + 1 == number &&
         (history->outcome == LSOBS_OUTCOME_FOREIGN || history->outcome == LSOBS_OUTCOME_BLOCKED);
}

/* A request has succeeded: batches that were sent before it, and failed, may be to blame.
 * @number: of the request */
void
_lsobs_backlog_accuse (LsobsBacklog *self, guint64 number)
{
  g_assert (g_main_context_is_owner (self->context));
  for (GList *l = self->batches.head; l != NULL; l = l->next)
    {
      LsobsBatchHistory *history = _lsobs_batch_peek_history (l->data);

      if (history->number >= number)
        continue;
      if (history->suspicion == LSOBS_SUSPICION_REFUSED || was_refused_before (l->data, number))
        history->suspicion = LSOBS_SUSPICION_TRIAL;
      if (history->accused)
        {
          history->n_strikes++;
          history->struck = TRUE;
        }
      history->accused = FALSE;
    }
}

/* If the other half of @batch has failed, too, while other requests succeeded, takes the strikes of
 * both back. FALSE when it has not. */
gboolean
_lsobs_backlog_forgive_pair (LsobsBacklog *self, LsobsBatch *batch)
{
  LsobsBatchHistory *history = _lsobs_batch_peek_history (batch);

  g_assert (g_main_context_is_owner (self->context));
  for (GList *l = self->batches.head; history->pair != 0 && l != NULL; l = l->next)
    {
      LsobsBatchHistory *other = _lsobs_batch_peek_history (l->data);

      if (other->pair != history->pair || !other->struck)
        continue;
      history->n_strikes = other->n_strikes = 0;
      history->pair = other->pair = 0;
      return TRUE;
    }
  return FALSE;
}

/* Returns: (transfer full) (nullable): a batch that is to blame */
LsobsBatch *
_lsobs_backlog_take_guilty (LsobsBacklog *self)
{
  g_assert (g_main_context_is_owner (self->context));
  for (GList *l = self->batches.head; l != NULL; l = l->next)
    if (_lsobs_batch_peek_history (l->data)->n_strikes >= LSOBS_DELIVERY_POLICY_MAX_STRIKES)
      return take (self, l);
  return NULL;
}
