/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/http/lsobs-replay-history-private.h"

void
_lsobs_replay_history_init (LsobsReplayHistory *self)
{
  self->failures = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->n_vain = 0;
  self->not_before = 0;
}

void
_lsobs_replay_history_clear (LsobsReplayHistory *self)
{
  g_clear_pointer (&self->failures, g_hash_table_unref);
}

/* Counts a failure of the service on a file; it has taken another file.
 * @name: (transfer full) */
void
_lsobs_replay_history_add (LsobsReplayHistory *self, char *name)
{
  guint n = _lsobs_replay_history_count (self, name);

  g_hash_table_replace (self->failures, name, GUINT_TO_POINTER (n + 1));
}

/* Returns: how often the service has failed on the file, and took another file */
guint
_lsobs_replay_history_count (LsobsReplayHistory *self, const char *name)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (self->failures, name));
}

/* @user_data: names as a set
 * Returns: whether the file is gone */
static gboolean
is_gone (gpointer name, gpointer value G_GNUC_UNUSED, gpointer user_data)
{
  return !g_hash_table_contains (user_data, name);
}

/* @names: (element-type utf8) of all files of the folder */
void
_lsobs_replay_history_forget_gone (LsobsReplayHistory *self, GPtrArray *names)
{
  g_autoptr (GHashTable) listed = g_hash_table_new (g_str_hash, g_str_equal);

  if (g_hash_table_size (self->failures) == 0)
    return;
  for (guint i = 0; i < names->len; i++)
    g_hash_table_add (listed, g_ptr_array_index (names, i));
  g_hash_table_foreach_remove (self->failures, is_gone, listed);
}

/* Moves the files on which the service has failed behind the others.
 * @names: (element-type utf8) of files
 * Returns: the number of the others */
guint
_lsobs_replay_history_sort (LsobsReplayHistory *self, GPtrArray *names)
{
  g_autoptr (GPtrArray) failed = g_ptr_array_new ();
  guint n = 0;

  if (g_hash_table_size (self->failures) == 0)
    return names->len;
  for (guint i = 0; i < names->len; i++)
    {
      gpointer name = g_ptr_array_index (names, i);

      if (g_hash_table_contains (self->failures, name))
        g_ptr_array_add (failed, name);
      else
        g_ptr_array_index (names, n++) = name;
    }
  for (guint i = 0; i < failed->len; i++)
    g_ptr_array_index (names, n + i) = g_ptr_array_index (failed, i);
  return n;
}
