/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-thread-budget-private.h"

typedef struct
{
  LsobsThreadBudgetFunc func;
  gpointer data;
} ThreadEntry;

/* Guarded by _lsobs_fork_lock(), so that a forked child finds it unlocked. */
static struct
{
  guint epoch;     /* the process that the rest belongs to */
  guint n_charged; /* threads */
  GQueue queued;   /* (element-type ThreadEntry) (owned) */
} budget;

/* A forked child has none of the threads of its parent. */
static void
lock_budget (void)
{
  _lsobs_fork_lock ();
  if (budget.epoch == _lsobs_fork_epoch ())
    return;
  budget.epoch = _lsobs_fork_epoch ();
  budget.n_charged = 0;
  g_queue_init (&budget.queued);
}

void
_lsobs_thread_budget_charge (void)
{
  lock_budget ();
  budget.n_charged++;
  _lsobs_fork_unlock ();
}

/* Returns: (transfer full) (nullable): what may start now */
static ThreadEntry *
take_queued (void)
{
  ThreadEntry *queued = NULL;

  lock_budget ();
  if (budget.n_charged <= LSOBS_THREAD_BUDGET)
    queued = g_queue_pop_head (&budget.queued);
  _lsobs_fork_unlock ();
  return queued;
}

/* Has the threads started that were queued, as long as not too many are charged. */
void
_lsobs_thread_budget_release (void)
{
  ThreadEntry *queued;

  lock_budget ();
  if (budget.n_charged > 0)
    budget.n_charged--;
  _lsobs_fork_unlock ();
  while ((queued = take_queued ()) != NULL)
    {
      queued->func (queued->data);
      g_free (queued);
    }
}

/* @func: called with @data when a thread may start, in the thread that makes room for it
 * Returns: FALSE if a thread may start now; @func is not called then */
gboolean
_lsobs_thread_budget_queue (LsobsThreadBudgetFunc func, gpointer data)
{
  gboolean is_full;

  lock_budget ();
  is_full = budget.n_charged > LSOBS_THREAD_BUDGET;
  if (is_full)
    {
      ThreadEntry *queued = g_new (ThreadEntry, 1);

      *queued = (ThreadEntry){ func, data };
      g_queue_push_tail (&budget.queued, queued);
    }
  _lsobs_fork_unlock ();
  return is_full;
}
