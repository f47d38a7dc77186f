/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/core/lsobs-log-private.h"
#include "lsobs/pipeline/lsobs-health-private.h"

/* The least time between two log lines about better states, in µs. A worse state is logged at
 * once. */
#define LOG_INTERVAL (30 * G_USEC_PER_SEC)

/* @label: (nullable): of the destination; lives longer than @self */
void
_lsobs_health_init (LsobsHealth *self, const char *label)
{
  *self = (LsobsHealth){ .label = label, .state = LSOBS_STATE_OK };
  g_mutex_init (&self->lock);
}

void
_lsobs_health_clear (LsobsHealth *self)
{
  g_clear_pointer (&self->notifier, _lsobs_notifier_unref);
  g_mutex_clear (&self->lock);
  g_free (self->problem);
}

/* Called from any thread.
 * @notifier: (nullable) */
void
_lsobs_health_set_notifier (LsobsHealth *self, LsobsNotifier *notifier)
{
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_HEALTH);
  g_clear_pointer (&self->notifier, _lsobs_notifier_unref);
  self->notifier = notifier != NULL ? _lsobs_notifier_ref (notifier) : NULL;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_HEALTH);
}

/* Called from any thread. */
LsobsState
_lsobs_health_get_state (LsobsHealth *self)
{
  return (LsobsState) g_atomic_int_get (&self->state);
}

/* Called from any thread.
 * @fallback: the text to return if no problem is known
 * Returns: (transfer full): the last problem */
char *
_lsobs_health_dup_problem (LsobsHealth *self, const char *fallback)
{
  char *problem;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_HEALTH);
  problem = g_strdup (self->problem != NULL ? self->problem : fallback);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_HEALTH);
  return problem;
}

/* Logs one line per change of the state. Rate-limited: the log belongs to the application. */
static void
log_state (LsobsHealth *self, LsobsState state, gboolean nothing_lost, const char *problem)
{
  gint64 now = g_get_monotonic_time ();
  gboolean quiet = self->logged_at != 0 && now - self->logged_at < LOG_INTERVAL;

  if (state == self->logged_state || (quiet && state < self->logged_state))
    return;
  self->logged_state = state;
  self->logged_at = now;
  if (nothing_lost)
    _lsobs_log_unavailable (self->label, problem);
  else
    _lsobs_log_state (state, self->label, problem);
}

/* Called in the worker's context; before anything is sent, by one thread at a time. */
void
_lsobs_health_set_problem (LsobsHealth *self, const GError *error)
{
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_HEALTH);
  g_free (self->problem);
  self->problem = g_strdup (error->message);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_HEALTH);
}

/* Called in the worker's context; before anything is sent, by one thread at a time.
 * @nothing_lost: the records of the failed batch wait to be sent again
 * @error: (nullable): the reason */
void
_lsobs_health_set_state (LsobsHealth *self,
                         LsobsState state,
                         gboolean nothing_lost,
                         const GError *error)
{
  _lsobs_lock_check_none ();
  if (error != NULL)
    _lsobs_health_set_problem (self, error);
  if (g_atomic_int_get (&self->state) != (int) state)
    g_atomic_int_set (&self->state, (int) state);
  log_state (self, state, nothing_lost, error != NULL ? error->message : "");
}

/* Called in the worker's context; before anything is sent, by one thread at a time. */
void
_lsobs_health_notify (LsobsHealth *self, guint64 n_delivered, guint64 n_lost)
{
  g_autoptr (LsobsNotifier) notifier = NULL;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_HEALTH);
  if (self->notifier != NULL)
    notifier = _lsobs_notifier_ref (self->notifier);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_HEALTH);
  if (notifier != NULL)
    _lsobs_notifier_post (notifier, n_delivered, n_lost);
}
