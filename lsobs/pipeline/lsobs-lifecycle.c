/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/pipeline/lsobs-lifecycle-private.h"

#define BIT(state) (1u << (state))

static const char *const names[] = {
  [LSOBS_LIFECYCLE_IDLE] = "idle",         [LSOBS_LIFECYCLE_RUNNING] = "running",
  [LSOBS_LIFECYCLE_DRAINING] = "draining", [LSOBS_LIFECYCLE_STOPPING] = "stopping",
  [LSOBS_LIFECYCLE_STOPPED] = "stopped",
};

/* The states that each state may be entered from. */
static const guint sources[] = {
  [LSOBS_LIFECYCLE_IDLE] = 0,
  [LSOBS_LIFECYCLE_RUNNING] = BIT (LSOBS_LIFECYCLE_IDLE),
  [LSOBS_LIFECYCLE_DRAINING] = BIT (LSOBS_LIFECYCLE_IDLE) | BIT (LSOBS_LIFECYCLE_RUNNING),
  [LSOBS_LIFECYCLE_STOPPING] =
      BIT (LSOBS_LIFECYCLE_IDLE) | BIT (LSOBS_LIFECYCLE_RUNNING) | BIT (LSOBS_LIFECYCLE_DRAINING),
  [LSOBS_LIFECYCLE_STOPPED] = BIT (LSOBS_LIFECYCLE_STOPPING),
};

/* Called from any thread, without a lock: the log may call the program. Of several threads that
 * enter a state, one succeeds.
 * Returns: FALSE when the state is @state or a later one already */
gboolean
_lsobs_lifecycle_enter (LsobsLifecycle *self, LsobsLifecycleState state)
{
  LsobsLifecycleState from;

  do
    {
      from = _lsobs_lifecycle_get_state (self);
      if (from >= state)
        return FALSE;
      g_assert ((sources[state] & BIT (from)) != 0);
    }
  while (!g_atomic_int_compare_and_exchange (&self->state, (int) from, (int) state));
  /* A forked child logs nothing here: another thread of its parent may have held the lock of GLib's
   * log. Other processes log only if the debug log is on: a log writer of the program may not
   * expect this thread. */
  if (_lsobs_fork_epoch () == 0 &&
      !g_log_writer_default_would_drop (G_LOG_LEVEL_DEBUG, G_LOG_DOMAIN))
    g_debug ("Pipeline %p is %s, was %s", (void *) self, names[state], names[from]);
  return TRUE;
}
