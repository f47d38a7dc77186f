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

/* Something that has to stand still while a process forks, lest the child finds a
 * lock of GLib's held by a thread that it does not have. Embedded in its owner. */
typedef struct
{
  GList link;
  GMutex gate;        /* of a thread: held while it does anything but poll */
  GAsyncQueue *queue; /* (unowned) of a queue: locked, so that nobody allocates in it */
} LsobsForkGuard;

void _lsobs_fork_lock (void);
void _lsobs_fork_unlock (void);
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
void _lsobs_fork_revive_tasks (void);

G_END_DECLS
