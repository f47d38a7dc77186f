/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* lsobs-fork.c explains what these functions are for. */

/* The epoch: the number of forks between the first process and this one. An object with a
 * lock, a thread, a socket or records keeps the epoch in which it was created. In another epoch
 * the object belongs to the parent process, and the child must not use it. */
extern guint _lsobs_fork_epoch_value;

static inline guint
_lsobs_fork_epoch (void)
{
  return g_atomic_int_get (&_lsobs_fork_epoch_value);
}

/* Keeps a thread or a queue at rest during a fork. Embedded in the owner of the thread or the
 * queue. */
typedef struct
{
  GList link;         /* in one of the two lists of guards */
  GMutex gate;        /* of a thread: held by the thread unless it is at a safe place */
  gboolean open;      /* of a thread, used by it alone: the gate is not held */
  GAsyncQueue *queue; /* (unowned) of a queue: locked during a fork */
} LsobsForkGuard;

void _lsobs_fork_lock (void);
void _lsobs_fork_unlock (void);
gboolean _lsobs_fork_begin_read (void);
void _lsobs_fork_end_read (gboolean reads_freely);
void _lsobs_fork_begin_change (void);
void _lsobs_fork_end_change (void);
void _lsobs_fork_guard_add_queue (LsobsForkGuard *self, GAsyncQueue *queue);
void _lsobs_fork_guard_remove_queue (LsobsForkGuard *self);
GThread *_lsobs_fork_guard_start_thread (const char *name,
                                         GThreadFunc func,
                                         gpointer data,
                                         GError **error);
void _lsobs_fork_guard_enter_thread (LsobsForkGuard *self, GMainContext *context);
void _lsobs_fork_guard_leave_thread (LsobsForkGuard *self);
LsobsForkGuard *_lsobs_fork_guard_open (void);
void _lsobs_fork_guard_close (LsobsForkGuard *self);
gboolean _lsobs_fork_guard_is_own_thread (void);
void _lsobs_fork_guard_run_task (GTask *task, GTaskThreadFunc func);
void _lsobs_fork_revive_tasks (void);

G_END_DECLS
