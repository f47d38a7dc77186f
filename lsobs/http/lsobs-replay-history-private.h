/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What one replay of a folder tells the next: the files on which the service has failed although it
 * took other files. Pure functions of the history and of names, for one thread at a time. */
typedef struct
{
  GHashTable *failures; /* (owned) (element-type utf8 guint) by the name of a file: how often the
                         * service failed on it, and took another file */
  guint n_vain;         /* replays in a row that delivered nothing */
  gint64 not_before;    /* monotonic, µs: the service did not want to be asked earlier, or 0 */
} LsobsReplayHistory;

void _lsobs_replay_history_init (LsobsReplayHistory *self);
void _lsobs_replay_history_clear (LsobsReplayHistory *self);

void _lsobs_replay_history_add (LsobsReplayHistory *self, char *name);
guint _lsobs_replay_history_count (LsobsReplayHistory *self, const char *name);
void _lsobs_replay_history_forget_gone (LsobsReplayHistory *self, GPtrArray *names);
guint _lsobs_replay_history_sort (LsobsReplayHistory *self, GPtrArray *names);

G_END_DECLS
