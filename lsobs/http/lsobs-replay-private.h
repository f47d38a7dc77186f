/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/http/lsobs-replay-history-private.h"

G_BEGIN_DECLS

typedef enum
{
  LSOBS_REPLAY_DIRECTORY, /* all files of a directory that this process may send */
  LSOBS_REPLAY_SPOOL,     /* the files of the spool that this process may send; records that the
                           * service refuses are removed */
  LSOBS_REPLAY_QUIETLY    /* the same, but no program has asked for it: does not wait for another
                           * replay of the spool */
} LsobsReplayMode;

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
