/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-callback-ban-private.h"
#include "lsobs/core/lsobs-fork-private.h"

static int enabled;        /* (atomic) */
static int process_ending; /* (atomic) */

/* How many calls that end the process this thread is in. */
static __thread guint n_ends;

/* From now on, and for the whole process. */
void
_lsobs_callback_ban_enable (void)
{
  g_atomic_int_set (&enabled, TRUE);
}

/* This thread ends the process. The interpreter may have ended. */
void
_lsobs_callback_ban_enter (void)
{
  n_ends++;
}

void
_lsobs_callback_ban_leave (void)
{
  n_ends--;
}

/* Whether this thread must not run a context of the program. */
gboolean
_lsobs_callback_ban_covers_contexts (void)
{
  return n_ends > 0 && g_atomic_int_get (&enabled);
}

/* Interpreters have ended. */
void
_lsobs_callback_ban_end_process (void)
{
  g_atomic_int_set (&process_ending, TRUE);
}

/* Whether this thread must not call a redaction function. The threads of lsobs go on while the
 * interpreter ends. */
gboolean
_lsobs_callback_ban_covers_hooks (void)
{
  return g_atomic_int_get (&enabled) &&
         (g_atomic_int_get (&process_ending) || _lsobs_fork_guard_is_own_thread ());
}

/* Whether lsobs must not call any function of the program any more: one for the log, a transport, or
 * one that frees what a redaction function uses. */
gboolean
_lsobs_callback_ban_covers_all (void)
{
  return g_atomic_int_get (&enabled) && g_atomic_int_get (&process_ending);
}
