/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/http/lsobs-replay-history-private.h"
#include "lsobs/spool/lsobs-spool-folder-private.h"
#include "lsobs/spool/lsobs-spool-owner-private.h"

G_BEGIN_DECLS

/* Which file a replay sends next. The oldest file that this process may send comes first. If the
 * service fails on a file, perhaps because of its content, a recent file comes next: when the
 * service takes that, the content is the reason. Files on which the service failed while it took
 * others come last.
 *
 * A plain value, used by one thread at a time. */
typedef struct
{
  LsobsSpoolFolder *folder;       /* (owned) */
  LsobsSpoolOwner *owner;         /* (owned) whose files may be sent */
  gboolean is_spool;              /* constant: only files with the tag of the owner */
  LsobsFileLock lock;             /* of the folder, for this tag */
  LsobsReplayHistory *history;    /* (unowned) */
  LsobsReplayHistory own_history; /* used if the caller has none */

  /* private */
  GPtrArray *names; /* (owned) (element-type utf8) of files, the oldest first */
  char *last_name;  /* (owned) (nullable) of the last file in names, if there are more */
  guint next;       /* index of the next file in names */
  guint n_fresh;    /* the number of names before those on which the service has failed, which
                     * come last */
  char *isolated;   /* (owned) (nullable) the file on which the service failed after it took another
                     * one: its content may be the reason */
  gboolean probe;   /* a recent file is next, to show whether the content is the reason */
} LsobsReplayList;

void _lsobs_replay_list_init (LsobsReplayList *self,
                              LsobsSettings *settings,
                              const char *path,
                              gboolean is_spool,
                              LsobsReplayHistory *history);
void _lsobs_replay_list_clear (LsobsReplayList *self);

int _lsobs_replay_list_read (LsobsReplayList *self);
gboolean _lsobs_replay_list_next (LsobsReplayList *self);
gboolean _lsobs_replay_list_has_more (LsobsReplayList *self);
const char *_lsobs_replay_list_peek_name (LsobsReplayList *self);

gboolean _lsobs_replay_list_isolate (LsobsReplayList *self);
guint _lsobs_replay_list_count_failures (LsobsReplayList *self);
void _lsobs_replay_list_note_well (LsobsReplayList *self);
void _lsobs_replay_list_end (LsobsReplayList *self, gboolean delivered);

G_END_DECLS
