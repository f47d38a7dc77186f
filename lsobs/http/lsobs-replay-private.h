/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"

G_BEGIN_DECLS

/* Sends the failed traces of a directory again, one file after the other, in the context of a task.
 * Thread-safe. */
void _lsobs_replay_task (LsobsSettings *settings,
                         const char *path,
                         gboolean may_be_missing,
                         GTask *task);
void _lsobs_replay_peek_counts (GTask *task, guint *n_delivered, guint *n_failed);

G_END_DECLS
