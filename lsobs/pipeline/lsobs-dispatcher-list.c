/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-callback-ban-private.h"
#include "lsobs/core/lsobs-exit-watch-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-log-private.h"
#include "lsobs/pipeline/lsobs-dispatcher-list-private.h"

/* (element-type LsobsDispatcher) (unowned); guarded by _lsobs_fork_lock(), so that a forked child
 * finds it unlocked */
static GHashTable *dispatchers;

/* Returns: (transfer full) (element-type LsobsDispatcher): those of this process, with a reference
 *   each */
static GPtrArray *
dup_own (void)
{
  GPtrArray *own = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_dispatcher_unref);
  GHashTableIter iter;
  gpointer dispatcher;

  _lsobs_fork_lock ();
  if (dispatchers != NULL)
    {
      g_hash_table_iter_init (&iter, dispatchers);
      while (g_hash_table_iter_next (&iter, &dispatcher, NULL))
        if (!_lsobs_dispatcher_is_forked (dispatcher))
          g_ptr_array_add (own, _lsobs_dispatcher_ref (dispatcher));
    }
  _lsobs_fork_unlock ();
  return own;
}

/* Returns: how many records are lost, and are not in files either, since these were made */
static guint64
count_lost (GPtrArray *own)
{
  guint64 n_lost = 0;

  for (guint i = 0; i < own->len; i++)
    {
      g_autoptr (LsobsStats) stats = _lsobs_dispatcher_dup_stats (g_ptr_array_index (own, i));

      n_lost += _lsobs_stats_count_lost (stats);
    }
  return n_lost;
}

/* Shuts down all dispatchers of this process at the same time, within one timeout.
 * @timeout: ms, or negative for no limit */
gboolean
_lsobs_dispatcher_list_shut_down (gint64 timeout, GError **error)
{
  g_autoptr (GPtrArray) own = dup_own ();
  g_autofree gint64 *timeouts = g_new (gint64, own->len);

  for (guint i = 0; i < own->len; i++)
    timeouts[i] = timeout;
  return _lsobs_dispatcher_shut_down_all (own, timeouts, &timeout, error);
}

/* Shuts down all dispatchers at the end of the process, each within its exit timeout. This thread
 * may be inside a function of the program that the sending waits for: then the records are lost. */
gboolean
_lsobs_dispatcher_list_end (GError **error)
{
  g_autoptr (GPtrArray) own = dup_own ();
  g_autoptr (GPtrArray) ending = g_ptr_array_new ();
  g_autofree gint64 *timeouts = g_new (gint64, own->len);
  guint64 n_lost = count_lost (own);
  gboolean done;

  for (guint i = 0; i < own->len; i++)
    {
      LsobsDispatcher *dispatcher = g_ptr_array_index (own, i);

      if (_lsobs_dispatcher_is_banned (dispatcher))
        continue;
      timeouts[ending->len] = _lsobs_dispatcher_get_exit_timeout (dispatcher);
      g_ptr_array_add (ending, dispatcher);
    }
  done = _lsobs_dispatcher_shut_down_all (ending, timeouts, NULL, error);
  for (guint i = 0; i < own->len; i++)
    if (!_lsobs_dispatcher_is_shut_down (g_ptr_array_index (own, i)))
      _lsobs_dispatcher_write_off (g_ptr_array_index (own, i));
  _lsobs_log_lost (count_lost (own) - n_lost, TRUE);
  return done;
}

/* The end of the process. Called from any thread. A forked child that has made no record has nothing
 * in its list that waits. A thread of lsobs cannot wait for itself. */
static void
exit_cb (void)
{
  if (_lsobs_fork_guard_is_own_thread ())
    return;
  _lsobs_callback_ban_end_process ();
  _lsobs_callback_ban_enter ();
  _lsobs_dispatcher_list_end (NULL);
  _lsobs_callback_ban_leave ();
}

/* Called when @dispatcher is made. */
void
_lsobs_dispatcher_list_add (LsobsDispatcher *dispatcher)
{
  _lsobs_exit_watch_set_func (exit_cb);
  _lsobs_fork_lock ();
  if (dispatchers == NULL)
    dispatchers = g_hash_table_new (NULL, NULL);
  g_hash_table_add (dispatchers, dispatcher);
  _lsobs_fork_unlock ();
}

/* Called before the owner of @dispatcher drops its reference. */
void
_lsobs_dispatcher_list_remove (LsobsDispatcher *dispatcher)
{
  _lsobs_fork_lock ();
  g_hash_table_remove (dispatchers, dispatcher);
  _lsobs_fork_unlock ();
}
