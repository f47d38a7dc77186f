/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-log-private.h"
#include "lsobs/pipeline/lsobs-health-private.h"

/* The least time between two log lines, in µs; a worse state is logged at once. */
#define LOG_INTERVAL (30 * G_USEC_PER_SEC)

/* @label: (nullable): of the place, lives longer than @self */
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
  g_mutex_lock (&self->lock);
  g_clear_pointer (&self->notifier, _lsobs_notifier_unref);
  self->notifier = notifier != NULL ? _lsobs_notifier_ref (notifier) : NULL;
  g_mutex_unlock (&self->lock);
}

/* Called from any thread. */
LsobsState
_lsobs_health_get_state (LsobsHealth *self)
{
  return (LsobsState) g_atomic_int_get (&self->state);
}

/* Called from any thread.
 * Returns: (transfer full): what went wrong last */
char *
_lsobs_health_dup_problem (LsobsHealth *self)
{
  char *problem;

  g_mutex_lock (&self->lock);
  problem = g_strdup (self->problem != NULL ? self->problem
                                            : _ ("a record is larger than a request may be"));
  g_mutex_unlock (&self->lock);
  return problem;
}

/* One line per change of state, and not too often: the log belongs to the program. */
static void
log_state (LsobsHealth *self, LsobsState state, gboolean kept, const char *problem)
{
  gint64 now = g_get_monotonic_time ();
  gboolean quiet = self->logged_at != 0 && now - self->logged_at < LOG_INTERVAL;

  if (state == self->logged_state || (quiet && state < self->logged_state))
    return;
  self->logged_state = state;
  self->logged_at = now;
  if (kept)
    _lsobs_log_held (self->label, problem);
  else
    _lsobs_log_state (state, self->label, problem);
}

void
_lsobs_health_note_problem (LsobsHealth *self, const GError *error)
{
  g_mutex_lock (&self->lock);
  g_free (self->problem);
  self->problem = g_strdup (error->message);
  g_mutex_unlock (&self->lock);
}

/* @kept: nothing is lost by it
 * @error: (nullable): why */
void
_lsobs_health_set_state (LsobsHealth *self, LsobsState state, gboolean kept, const GError *error)
{
  if (error != NULL)
    _lsobs_health_note_problem (self, error);
  if (g_atomic_int_get (&self->state) != (int) state)
    g_atomic_int_set (&self->state, (int) state);
  log_state (self, state, kept, error != NULL ? error->message : "");
}

void
_lsobs_health_post_news (LsobsHealth *self, guint64 n_delivered, guint64 n_lost)
{
  g_autoptr (LsobsNotifier) notifier = NULL;

  g_mutex_lock (&self->lock);
  if (self->notifier != NULL)
    notifier = _lsobs_notifier_ref (self->notifier);
  g_mutex_unlock (&self->lock);
  if (notifier != NULL)
    _lsobs_notifier_post (notifier, n_delivered, n_lost);
}
