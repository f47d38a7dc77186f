/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Counts the forks between the first process and this one. Whatever holds a
 * lock, a thread or a socket keeps the number it was made with; where the two
 * differ, the thing belongs to the parent process and must not be touched. */
extern guint _lsobs_fork_epoch_value;

static inline guint
_lsobs_fork_epoch (void)
{
  return __atomic_load_n (&_lsobs_fork_epoch_value, __ATOMIC_RELAXED);
}

void _lsobs_fork_revive_tasks (void);

G_END_DECLS
