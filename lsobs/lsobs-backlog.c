/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/lsobs-backlog-private.h"
#include "lsobs/lsobs-retry-private.h"

/* A failure alone says nothing about a batch: the service may be away. Three members of
 * LsobsBatchHistory tell whether the batch is to blame:
 *
 * - accused: it failed at a time when the service was not known to be away. With the next
 *   success of a request that was sent after it, that is a strike.
 * - suspicion: one record that something in front of the service refuses. When the very
 *   next request succeeds, the record is sent once more; refused again, it is to blame.
 *   When any of these fails for another reason, the suspicion ends.
 * - strikes: with the third one, the batch is to blame. Its halves begin with two of them.
 */

void
_lsobs_backlog_init (LsobsBacklog *self)
{
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

/* Takes @batch over, and puts it in its place by age. */
void
_lsobs_backlog_add (LsobsBacklog *self, LsobsBatch *batch)
{
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

/* Batches that a proxy or firewall has refused are sent one at a time. While there are
 * suspects, the success or failure of another refused batch proves nothing.
 * @searching: one of these is under way
 * Returns: (transfer full) (nullable): the next one to be sent */
LsobsBatch *
_lsobs_backlog_take_oldest (LsobsBacklog *self, gboolean searching)
{
  gboolean has_suspects = _lsobs_backlog_has_suspects (self);

  for (GList *l = self->batches.head; l != NULL; l = l->next)
    {
      const LsobsBatchHistory *history = _lsobs_batch_peek_history (l->data);

      if (!(searching && history->dubious) && !(has_suspects && history->refused))
        return take (self, l);
    }
  return NULL;
}

/* Returns: (transfer full) (nullable): one that is on trial */
LsobsBatch *
_lsobs_backlog_take_tried (LsobsBacklog *self)
{
  for (GList *l = self->batches.head; l != NULL; l = l->next)
    if (_lsobs_batch_peek_history (l->data)->suspicion == LSOBS_SUSPICION_TRIAL)
      return take (self, l);
  return NULL;
}

/* Returns: (transfer full) (nullable): the one whose last attempt was the longest ago */
LsobsBatch *
_lsobs_backlog_take_probe (LsobsBacklog *self)
{
  GList *stalest = self->batches.head;

  for (GList *l = stalest; l != NULL; l = l->next)
    if (_lsobs_batch_peek_history (l->data)->number <
        _lsobs_batch_peek_history (stalest->data)->number)
      stalest = l;
  return take (self, stalest);
}

/* Whether another request has to show if a suspect is to blame. */
gboolean
_lsobs_backlog_has_suspects (LsobsBacklog *self)
{
  for (GList *l = self->batches.head; l != NULL; l = l->next)
    if (_lsobs_batch_peek_history (l->data)->suspicion == LSOBS_SUSPICION_REFUSED)
      return TRUE;
  return FALSE;
}

/* There was no success right after the refusal of the suspects. */
void
_lsobs_backlog_pardon (LsobsBacklog *self)
{
  for (GList *l = self->batches.head; l != NULL; l = l->next)
    _lsobs_batch_peek_history (l->data)->suspicion = LSOBS_SUSPICION_NONE;
}

/* A request has succeeded: what was sent before it, and failed, may be to blame for that.
 * @number: of the request */
void
_lsobs_backlog_accuse (LsobsBacklog *self, guint64 number)
{
  for (GList *l = self->batches.head; l != NULL; l = l->next)
    {
      LsobsBatchHistory *history = _lsobs_batch_peek_history (l->data);

      if (history->number >= number)
        continue;
      if (history->suspicion == LSOBS_SUSPICION_REFUSED)
        history->suspicion = LSOBS_SUSPICION_TRIAL;
      if (history->accused)
        history->n_strikes++;
      history->accused = FALSE;
    }
}

/* Returns: (transfer full) (nullable): a batch that is to blame */
LsobsBatch *
_lsobs_backlog_take_guilty (LsobsBacklog *self)
{
  for (GList *l = self->batches.head; l != NULL; l = l->next)
    if (_lsobs_batch_peek_history (l->data)->n_strikes >= LSOBS_RETRY_MAX_STRIKES)
      return take (self, l);
  return NULL;
}
