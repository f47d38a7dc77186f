/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/model/lsobs-held-private.h"

struct _LsobsHeldAccount
{
  gatomicrefcount ref_count;
  LsobsCounters *counters; /* (owned) */
  gsize max_bytes;
  gsize n_bytes; /* (atomic) grows under the lock of a queue only */
};

struct _LsobsHeld
{
  LsobsHeldAccount *account; /* (owned) */
  GPtrArray *attachments;    /* (owned) (element-type LsobsAttachment) */
  gsize n_bytes;             /* so much of the account is for them */
};

/* @counters: of those that are dropped */
LsobsHeldAccount *
_lsobs_held_account_new (gsize max_bytes, LsobsCounters *counters)
{
  LsobsHeldAccount *self = g_new0 (LsobsHeldAccount, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->counters = _lsobs_counters_ref (counters);
  self->max_bytes = max_bytes;
  return self;
}

void
_lsobs_held_account_unref (LsobsHeldAccount *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  _lsobs_counters_unref (self->counters);
  g_free (self);
}

static void
measure_again (LsobsHeld *self)
{
  gsize size = _lsobs_attachments_measure (self->attachments);

  /* Unsigned, so that it may shrink as well. */
  __atomic_fetch_add (&self->account->n_bytes, size - self->n_bytes, __ATOMIC_RELAXED);
  self->n_bytes = size;
}

/* @self: (inout) (nullable): made when it is the first; it stays with its account.
 * FALSE when there is no room. */
gboolean
_lsobs_held_put (LsobsHeld **self, LsobsHeldAccount *account, LsobsAttachment *attachment)
{
  LsobsHeldAccount *charged = *self != NULL ? (*self)->account : account;
  gsize n_bytes = __atomic_load_n (&charged->n_bytes, __ATOMIC_RELAXED);
  gboolean taken;

  if (_lsobs_attachment_measure (attachment) >
      charged->max_bytes - MIN (n_bytes, charged->max_bytes))
    return FALSE;
  if (*self == NULL)
    {
      *self = g_new0 (LsobsHeld, 1);
      g_atomic_ref_count_inc (&account->ref_count);
      (*self)->account = account;
    }
  taken = _lsobs_attachments_put (&(*self)->attachments, attachment);
  measure_again (*self);
  return taken;
}

/* Frees @self. Returns: (transfer full): what was held */
GPtrArray *
_lsobs_held_finish (LsobsHeld *self)
{
  GPtrArray *attachments = g_steal_pointer (&self->attachments);

  measure_again (self);
  _lsobs_held_account_unref (self->account);
  g_free (self);
  return attachments;
}

/* The end for which they have waited will never come. */
void
_lsobs_held_free (LsobsHeld *self)
{
  LsobsCounters *counters = _lsobs_counters_ref (self->account->counters);
  g_autoptr (GPtrArray) attachments = _lsobs_held_finish (self);

  _lsobs_counters_add (counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS, attachments->len);
  _lsobs_counters_unref (counters);
}
