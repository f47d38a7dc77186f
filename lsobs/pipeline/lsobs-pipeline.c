/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/pipeline/lsobs-pipeline-private.h"
#include "lsobs/transport/lsobs-transport-private.h"

/* @context, @notifier: (nullable) */
LsobsPipeline *
_lsobs_pipeline_new (const LsobsDestination *destination,
                     LsobsRunStore *store,
                     GMainContext *context,
                     LsobsNotifier *notifier)
{
  LsobsPipeline *self = g_new0 (LsobsPipeline, 1);
  LsobsSettings *settings = destination->settings;

  self->counters = _lsobs_counters_ref (destination->counters);
  self->transport = g_object_ref (destination->transport);
  self->queue = _lsobs_queue_new (&settings->values, destination->counters, settings->index);
  self->worker = _lsobs_worker_new (destination, self->queue, store, context);
  self->label = g_strdup (settings->label);
  _lsobs_health_set_notifier (_lsobs_pipeline_peek_health (self), notifier);
  /* Evictions before the fork are the parent's to report. */
  _lsobs_pipeline_take_evictions (self);
  return self;
}

/* The worker must have been stopped before. */
void
_lsobs_pipeline_free (LsobsPipeline *self)
{
  _lsobs_worker_unref (self->worker);
  _lsobs_queue_unref (self->queue);
  g_object_unref (self->transport);
  _lsobs_counters_unref (self->counters);
  g_free (self->label);
  g_free (self);
}

/* Returns: (transfer none) */
LsobsHealth *
_lsobs_pipeline_peek_health (LsobsPipeline *self)
{
  return _lsobs_sender_peek_health (self->worker->sender);
}

/* Returns: how many records were evicted since the last call */
gsize
_lsobs_pipeline_take_evictions (LsobsPipeline *self)
{
  g_autoptr (LsobsStats) stats = _lsobs_counters_snapshot (self->counters);
  gsize n = (gsize) (lsobs_stats_get_dropped (stats, LSOBS_DROP_REASON_QUEUE_FULL) +
                     lsobs_stats_get_dropped (stats, LSOBS_DROP_REASON_QUEUE_BYTES));

  return n - (gsize) g_atomic_pointer_exchange (&self->n_reported, n);
}

/* @problem: (transfer full)
 * Returns: (transfer full): with the label of the destination, if it has one */
static char *
add_label (LsobsPipeline *self, char *problem)
{
  g_autofree char *text = problem;

  if (self->label == NULL)
    return g_steal_pointer (&text);
  /* TRANSLATORS: a “replica %u at %s”, or a variable of the environment, and what is wrong. */
  return g_strdup_printf (_ ("%s: %s"), self->label, text);
}

/* Returns: (transfer full) (nullable): why records have not been delivered yet: the last error, of an
 *   attempt that is repeated, too; NULL if there was none since the last success */
char *
_lsobs_pipeline_dup_trouble (LsobsPipeline *self)
{
  char *problem = _lsobs_transport_peek_vtable (self->transport)->dup_problem (self->transport);

  if (problem == NULL &&
      _lsobs_health_get_state (_lsobs_pipeline_peek_health (self)) != LSOBS_STATE_OK)
    problem = _lsobs_health_dup_problem (_lsobs_pipeline_peek_health (self), NULL);
  if (problem == NULL && _lsobs_counters_get (self->counters, LSOBS_COUNTER_IN_FLIGHT) > 0)
    problem = g_strdup (_ ("The service has not answered yet"));
  return problem != NULL ? add_label (self, problem) : NULL;
}

/* @fallback: the text to return if no problem is known
 * Returns: (transfer full): the last problem, with the label of the destination, if it has one */
char *
_lsobs_pipeline_dup_problem (LsobsPipeline *self, const char *fallback)
{
  return add_label (self, _lsobs_health_dup_problem (_lsobs_pipeline_peek_health (self), fallback));
}
