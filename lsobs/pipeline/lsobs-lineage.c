/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/pipeline/lsobs-lineage-private.h"

struct _LsobsLineage
{
  gatomicrefcount ref_count;
  int tracing; /* (atomic) gboolean: whether the newest dispatcher is for an observer that traces */

  /* Guarded by _lsobs_fork_lock (), so that a forked child finds them whole. */
  GPtrArray *retired; /* (owned) (element-type LsobsDispatcher) the oldest first */
  LsobsStats *past;   /* (owned) the sum of those that have finished, and are not in the list */
  gboolean is_closed; /* no dispatcher joins any more */
};

LsobsLineage *
_lsobs_lineage_new (gboolean tracing)
{
  LsobsLineage *self = g_new0 (LsobsLineage, 1);
  LsobsCounters *nothing = _lsobs_counters_new ();

  g_atomic_ref_count_init (&self->ref_count);
  self->tracing = tracing;
  self->retired = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_dispatcher_unref);
  self->past = _lsobs_counters_snapshot (nothing);
  _lsobs_counters_unref (nothing);
  return self;
}

LsobsLineage *
_lsobs_lineage_ref (LsobsLineage *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_lineage_unref (LsobsLineage *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_ptr_array_unref (self->retired);
  lsobs_stats_unref (self->past);
  g_free (self);
}

/* Takes no lock. */
gboolean
_lsobs_lineage_is_tracing (LsobsLineage *self)
{
  return g_atomic_int_get (&self->tracing);
}

void
_lsobs_lineage_set_tracing (LsobsLineage *self, gboolean tracing)
{
  g_atomic_int_set (&self->tracing, tracing);
}

/* No dispatcher is to replace the present one any more: the observer is being shut down. */
void
_lsobs_lineage_close (LsobsLineage *self)
{
  _lsobs_fork_lock ();
  self->is_closed = TRUE;
  _lsobs_fork_unlock ();
}

/* The caller holds _lsobs_fork_lock (). */
gboolean
_lsobs_lineage_is_closed_unlocked (LsobsLineage *self)
{
  return self->is_closed;
}

/* The caller holds _lsobs_fork_lock (), and replaces @dispatcher while it does: no record counts
 * twice, or not at all. */
void
_lsobs_lineage_retire_unlocked (LsobsLineage *self, LsobsDispatcher *dispatcher)
{
  g_ptr_array_add (self->retired, _lsobs_dispatcher_ref (dispatcher));
}

/* Returns: (transfer full) (element-type LsobsDispatcher): all that are in the list */
static GPtrArray *
dup_list (LsobsLineage *self)
{
  GPtrArray *list = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_dispatcher_unref);

  _lsobs_fork_lock ();
  for (guint i = 0; i < self->retired->len; i++)
    g_ptr_array_add (list, _lsobs_dispatcher_ref (g_ptr_array_index (self->retired, i)));
  _lsobs_fork_unlock ();
  return list;
}

/* Takes @dispatcher out of the list, and keeps its numbers, which do not change any more.
 * Returns: (transfer full) (nullable): NULL if another thread has done so already */
static LsobsDispatcher *
forget (LsobsLineage *self, LsobsDispatcher *dispatcher)
{
  g_autoptr (LsobsStats) stats = _lsobs_dispatcher_dup_stats (dispatcher);
  LsobsDispatcher *forgotten = NULL;
  guint i;

  _lsobs_fork_lock ();
  if (g_ptr_array_find (self->retired, dispatcher, &i))
    {
      forgotten = g_ptr_array_steal_index (self->retired, i);
      _lsobs_stats_add (self->past, stats);
    }
  _lsobs_fork_unlock ();
  return forgotten;
}

/* Frees the retired dispatchers that have nothing more to do, and keeps their numbers. */
void
_lsobs_lineage_forget_finished (LsobsLineage *self)
{
  g_autoptr (GPtrArray) list = dup_list (self);

  for (guint i = 0; i < list->len; i++)
    {
      LsobsDispatcher *dispatcher = g_ptr_array_index (list, i);
      LsobsDispatcher *forgotten = NULL;

      /* The references of the lineage and of the list here are the only ones. */
      if (_lsobs_dispatcher_is_finished (dispatcher, 2))
        forgotten = forget (self, dispatcher);
      if (forgotten != NULL)
        _lsobs_dispatcher_unref (forgotten);
    }
}

/* Returns: (transfer full) (element-type LsobsDispatcher): @current, and those of the retired that
 *   may have records, in this process */
GPtrArray *
_lsobs_lineage_dup_dispatchers (LsobsLineage *self, LsobsDispatcher *current)
{
  GPtrArray *list;

  _lsobs_lineage_forget_finished (self);
  list = dup_list (self);
  for (guint i = list->len; i > 0; i--)
    {
      LsobsDispatcher *dispatcher = g_ptr_array_index (list, i - 1);

      if (dispatcher == current || _lsobs_dispatcher_is_forked (dispatcher))
        g_ptr_array_remove_index (list, i - 1);
    }
  g_ptr_array_insert (list, 0, _lsobs_dispatcher_ref (current));
  return list;
}

/* Adds the numbers of all retired dispatchers but @current. */
void
_lsobs_lineage_add_stats (LsobsLineage *self, LsobsDispatcher *current, LsobsStats *sum)
{
  g_autoptr (GPtrArray) list = NULL;

  _lsobs_lineage_forget_finished (self);
  list = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_dispatcher_unref);
  _lsobs_fork_lock ();
  for (guint i = 0; i < self->retired->len; i++)
    g_ptr_array_add (list, _lsobs_dispatcher_ref (g_ptr_array_index (self->retired, i)));
  _lsobs_stats_add (sum, self->past);
  _lsobs_fork_unlock ();

  for (guint i = 0; i < list->len; i++)
    {
      LsobsDispatcher *dispatcher = g_ptr_array_index (list, i);
      g_autoptr (LsobsStats) stats = NULL;

      if (_lsobs_dispatcher_shares_counters (dispatcher, current))
        continue;
      stats = _lsobs_dispatcher_dup_stats (dispatcher);
      _lsobs_stats_add (sum, stats);
    }
}
