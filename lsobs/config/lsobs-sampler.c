/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/lsobs-sampler.h"

/**
 * SECTION:lsobs-sampler
 * @title: LsobsSampler
 * @short_description: decides which traces are sent
 *
 * An #LsobsSampler decides once for each trace, when its root run starts, whether the trace is
 * sent. All runs of the trace follow this decision, so no run is sent without its parent. Implement
 * this interface for rules of your own; #LsobsProbabilitySampler keeps a share of the traces.
 */

G_DEFINE_INTERFACE (LsobsSampler, lsobs_sampler, G_TYPE_OBJECT)

static void
lsobs_sampler_default_init (LsobsSamplerInterface *iface)
{
}

/**
 * lsobs_sampler_should_sample:
 * @self: a sampler
 * @trace_id: the id of the trace, a UUID of 36 lower-case characters
 *
 * Decides whether a trace is sent. Can be called from any thread.
 *
 * Returns: %TRUE to send the trace, %FALSE to leave it out
 *
 * Since: 0.1
 */
gboolean
lsobs_sampler_should_sample (LsobsSampler *self, const char *trace_id)
{
  LsobsSamplerInterface *iface;

  g_return_val_if_fail (LSOBS_IS_SAMPLER (self), TRUE);
  g_return_val_if_fail (trace_id != NULL, TRUE);

  iface = LSOBS_SAMPLER_GET_IFACE (self);
  g_return_val_if_fail (iface->should_sample != NULL, TRUE);
  return iface->should_sample (self, trace_id);
}
