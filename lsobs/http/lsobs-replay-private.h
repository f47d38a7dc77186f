/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/core/lsobs-stats-private.h"

G_BEGIN_DECLS

typedef enum
{
  LSOBS_REPLAY_DIRECTORY, /* all files of a directory that this process may send */
  LSOBS_REPLAY_SPOOL,     /* the files of the spool that this process may send; what the service
                           * refuses for good is removed */
  LSOBS_REPLAY_QUIETLY    /* the same, unasked: does not wait for another replay of the spool */
} LsobsReplayMode;

/* What the replays of one spool know from one to the next. Used by one replay at a time. */
typedef struct
{
  GHashTable *failures; /* (owned) (element-type utf8 guint) names of files: how often the service
                         * failed on them, and took others */
  guint n_vain;         /* replays in a row that delivered nothing */
  gint64 not_before;    /* monotonic, µs: the service did not want to be asked earlier, or 0 */
} LsobsReplayHistory;

void _lsobs_replay_history_init (LsobsReplayHistory *self);
void _lsobs_replay_history_clear (LsobsReplayHistory *self);

/* Sends the failed traces of a folder again, one file after the other, in the context of a task.
 * Thread-safe. */
void _lsobs_replay_task (LsobsSettings *settings,
                         LsobsCounters *counters,
                         const char *path,
                         LsobsReplayMode mode,
                         gboolean may_be_missing,
                         LsobsReplayHistory *history,
                         GTask *task);
void _lsobs_replay_peek_counts (GTask *task, guint *n_delivered, guint *n_failed);

G_END_DECLS
