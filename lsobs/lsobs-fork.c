/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <pthread.h>

#include "lsobs/lsobs-fork-private.h"

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
