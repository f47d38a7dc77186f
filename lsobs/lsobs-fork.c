/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <pthread.h>

#include <gio/gio.h>

#include "lsobs/lsobs-fork-private.h"

/* More than GTask's pool has threads at first. */
#define N_PHANTOMS 12

guint _lsobs_fork_epoch_value;

/* Runs in the child, where only the thread that forked lives. */
static void
forked_cb (void)
{
  __atomic_fetch_add (&_lsobs_fork_epoch_value, 1, __ATOMIC_RELAXED);
}

__attribute__ ((constructor)) static void
watch_forks (void)
{
  pthread_atfork (NULL, NULL, forked_cb);
}

static void
do_nothing (GTask        *task,
            gpointer      source_object,
            gpointer      task_data,
            GCancellable *cancellable)
{
}

/* For a forked child, before its first use of the network. The thread pool behind
 * GTask, on which GIO resolves names and proxies, still counts the idle threads of
 * the parent, and waits for one of them to take the next task; they do not exist
 * here. Each task that is pushed uses up one of them, or starts a real thread,
 * which then does them all. */
void
_lsobs_fork_revive_tasks (void)
{
  for (guint i = 0; i < N_PHANTOMS; i++)
    {
      g_autoptr (GTask) task = g_task_new (NULL, NULL, NULL, NULL);

      g_task_run_in_thread (task, do_nothing);
    }
}
