/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/api/lsobs-run-private.h"
#include "lsobs/lsobs-observer.h"
#include "lsobs/model/lsobs-feedback-private.h"

/* The ways in for feedback: through an exporter, an observer or the run. */

/**
 * lsobs_exporter_add_feedback:
 * @self: an exporter
 * @feedback: what somebody thinks of a run; it is copied
 * @error: return location for a #GError, or %NULL
 *
 * Enqueues feedback to a run. The run need not be known here. If it is, and its start
 * is under way, the feedback follows.
 *
 * Fails with %LSOBS_ERROR_INVALID_FEEDBACK when the service would refuse it: an id is no
 * UUID, the key is empty or longer than 180 characters, the score is no finite number, the
 * value is an array, the correction is neither an object nor a string, or the config is not
 * what lsobs_feedback_set_config() says.
 *
 * Returns: %TRUE if the feedback was taken, or the sampler has left the trace out
 *
 * Since: 0.1
 */
gboolean
lsobs_exporter_add_feedback (LsobsExporter *self, LsobsFeedback *feedback, GError **error)
{
  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), FALSE);
  g_return_val_if_fail (feedback != NULL, FALSE);

  return _lsobs_exporter_take_feedback (self, feedback, error);
}

/**
 * lsobs_observer_add_feedback:
 * @self: an observer
 * @feedback: what somebody thinks of a run; it is copied
 * @error: return location for a #GError, or %NULL
 *
 * Adds feedback to a run, of this program or another; see
 * lsobs_exporter_add_feedback().
 *
 * Fails with %LSOBS_ERROR_INVALID_FEEDBACK when the service would refuse it: an id is no
 * UUID, the key is empty or longer than 180 characters, the score is no finite number, the
 * value is an array, the correction is neither an object nor a string, or the config is not
 * what lsobs_feedback_set_config() says.
 *
 * Returns: %TRUE if the feedback was taken, or the sampler has left the trace out
 *
 * Since: 0.1
 */
gboolean
lsobs_observer_add_feedback (LsobsObserver *self, LsobsFeedback *feedback, GError **error)
{
  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), FALSE);
  g_return_val_if_fail (feedback != NULL, FALSE);

  return lsobs_exporter_add_feedback (lsobs_observer_get_exporter (self), feedback, error);
}

/**
 * lsobs_run_new_feedback:
 * @self: a run
 * @key: what the feedback is about, such as `helpful`
 *
 * Makes feedback to a run, which may have ended already. Fill it, and add it with
 * lsobs_observer_add_feedback().
 *
 * Returns: (transfer full): feedback that names the run
 *
 * Since: 0.1
 */
LsobsFeedback *
lsobs_run_new_feedback (LsobsRun *self, const char *key)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (key != NULL, NULL);

  return _lsobs_feedback_new_for_run (self->info, G_OBJECT (self->exporter), key);
}

/**
 * lsobs_run_add_feedback:
 * @self: a run
 * @key: what the feedback is about, such as `helpful`
 * @score: a finite number; four decimals of it are sent
 * @comment: (nullable): what there is to say about it
 * @error: return location for a #GError, or %NULL
 *
 * Adds feedback to a run, which may have ended already. For more than a score and a
 * comment, see lsobs_run_new_feedback().
 *
 * Fails with %LSOBS_ERROR_INVALID_FEEDBACK when the key is empty or longer than 180
 * characters, or the score is no finite number.
 *
 * Returns: %TRUE if the feedback was taken, or the sampler has left the trace out
 *
 * Since: 0.1
 */
gboolean
lsobs_run_add_feedback (LsobsRun *self,
                        const char *key,
                        double score,
                        const char *comment,
                        GError **error)
{
  g_autoptr (LsobsFeedback) feedback = NULL;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (key != NULL, FALSE);

  feedback = lsobs_run_new_feedback (self, key);
  lsobs_feedback_set_score (feedback, score);
  lsobs_feedback_set_comment (feedback, comment);
  return lsobs_exporter_add_feedback (self->exporter, feedback, error);
}
