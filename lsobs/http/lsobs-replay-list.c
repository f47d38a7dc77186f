/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/http/lsobs-replay-list-private.h"

/* How many names are in memory at a time. */
#define MAX_FILES 10000

/* The lock of the replay that sends the files of an owner, whose tag follows in the name. One
 * replay of one process has it. */
#define LOCK_NAME "drain-"

/* @is_spool: whether the folder is a spool: its limits apply, and only files of this owner are sent
 * @history: (nullable): of replays of the same folder */
void
_lsobs_replay_list_init (LsobsReplayList *self,
                         LsobsSettings *settings,
                         const char *path,
                         gboolean is_spool,
                         LsobsReplayHistory *history)
{
  const LsobsSpoolLimits no_limits = {
    .max_bytes = G_MAXUINT64,
    .max_files = G_MAXUINT64,
    .max_age = G_MAXINT64,
  };
  const LsobsSpoolLimits limits = is_spool ? _lsobs_spool_limits_get (settings) : no_limits;

  memset (self, 0, sizeof *self);
  self->folder = _lsobs_spool_folder_new (path, &limits);
  self->owner = _lsobs_spool_owner_new (settings);
  self->is_spool = is_spool;
  self->lock = (LsobsFileLock) LSOBS_FILE_LOCK_INIT;
  self->names = g_ptr_array_new_with_free_func (g_free);
  _lsobs_replay_history_init (&self->own_history);
  self->history = history != NULL ? history : &self->own_history;
}

/* Does not use the history of the caller, which may be freed already. */
void
_lsobs_replay_list_clear (LsobsReplayList *self)
{
  _lsobs_file_lock_release (&self->lock);
  _lsobs_spool_folder_free (self->folder);
  _lsobs_spool_owner_free (self->owner);
  g_ptr_array_unref (self->names);
  _lsobs_replay_history_clear (&self->own_history);
  g_free (self->isolated);
  g_free (self->last_name);
}

/* --- the files --- */

/* Lists the files that this process may send, and have not been listed yet.
 * Returns: 0 or errno */
static int
list_files (LsobsReplayList *self)
{
  const char *tag = self->is_spool ? _lsobs_spool_owner_peek_tag (self->owner) : NULL;
  GPtrArray *names = self->names;
  char mark[LSOBS_MARK_LEN + 1];
  guint n_seen = 0;
  int problem;

  _lsobs_spool_owner_make_mark (self->owner, mark);
  g_ptr_array_set_size (names, 0);
  problem = _lsobs_spool_folder_list (self->folder, tag, mark, names);
  _lsobs_replay_history_forget_gone (self->history, names);
  while (self->last_name != NULL && n_seen < names->len &&
         _lsobs_spool_folder_compare (g_ptr_array_index (names, n_seen), self->last_name,
                                      self->is_spool) <= 0)
    n_seen++;
  g_ptr_array_remove_range (names, 0, n_seen);
  g_clear_pointer (&self->last_name, g_free);
  if (names->len > MAX_FILES)
    {
      g_ptr_array_set_size (names, MAX_FILES);
      self->last_name = g_strdup (g_ptr_array_index (names, MAX_FILES - 1));
    }
  self->next = 0;
  self->n_fresh = _lsobs_replay_history_sort (self->history, names);
  return problem;
}

/* Locks the folder, unless it is, and lists its next files. Uses the disk.
 * Returns: 0 or errno: EWOULDBLOCK if another replay has the lock */
int
_lsobs_replay_list_read (LsobsReplayList *self)
{
  g_autofree char *lock_name =
      g_strconcat (LOCK_NAME, _lsobs_spool_owner_peek_tag (self->owner), NULL);
  int problem =
      self->lock.fd < 0 ? _lsobs_spool_folder_lock (self->folder, lock_name, &self->lock) : 0;

  return problem != 0 ? problem : list_files (self);
}

/* A file has failed. A recent file comes next: the service accepts it unless the service itself
 * fails. While no file is delivered, each replay tries another one. */
static void
put_probe_next (LsobsReplayList *self)
{
  guint end = self->next < self->n_fresh ? self->n_fresh : self->names->len;
  guint n = end - self->next;
  guint index = end - 1 - self->history->n_vain % n;

  self->probe = FALSE;
  g_ptr_array_insert (self->names, (int) self->next, g_ptr_array_steal_index (self->names, index));
}

/* Returns: FALSE after the last name that was read */
gboolean
_lsobs_replay_list_next (LsobsReplayList *self)
{
  if (self->next >= self->names->len)
    return FALSE;
  if (self->probe)
    put_probe_next (self);
  self->next++;
  return TRUE;
}

/* Returns: whether the folder has names that were not read yet */
gboolean
_lsobs_replay_list_has_more (LsobsReplayList *self)
{
  return self->last_name != NULL;
}

/* Returns: the name of the current file */
const char *
_lsobs_replay_list_peek_name (LsobsReplayList *self)
{
  return g_ptr_array_index (self->names, self->next - 1);
}

/* --- bad files --- */

/* The content of the isolated file is the reason of the failure. */
static void
fail_isolated (LsobsReplayList *self)
{
  if (self->isolated != NULL)
    _lsobs_replay_history_add (self->history, g_steal_pointer (&self->isolated));
}

/* The service has failed on the current file, perhaps because of what is in it: another one shows
 * whether the service is well.
 * Returns: FALSE if it has failed on another one already */
gboolean
_lsobs_replay_list_isolate (LsobsReplayList *self)
{
  if (self->isolated != NULL)
    return FALSE;
  self->isolated = g_strdup (_lsobs_replay_list_peek_name (self));
  self->probe = TRUE;
  return TRUE;
}

/* Returns: how often the service has failed on the current file, and took others */
guint
_lsobs_replay_list_count_failures (LsobsReplayList *self)
{
  return _lsobs_replay_history_count (self->history, _lsobs_replay_list_peek_name (self));
}

/* The service has accepted or refused records, so it works: the files on which it failed before are
 * bad. */
void
_lsobs_replay_list_note_well (LsobsReplayList *self)
{
  fail_isolated (self);
  self->history->n_vain = 0;
}

/* The replay ends.
 * @delivered: whether the service has taken files */
void
_lsobs_replay_list_end (LsobsReplayList *self, gboolean delivered)
{
  if (self->isolated != NULL && delivered)
    fail_isolated (self);
  else if (self->isolated != NULL)
    self->history->n_vain++;
  g_clear_pointer (&self->isolated, g_free);
  _lsobs_file_lock_release (&self->lock);
}
