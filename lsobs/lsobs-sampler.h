/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-types.h>

G_BEGIN_DECLS

#define LSOBS_TYPE_SAMPLER (lsobs_sampler_get_type ())

/**
 * LsobsSampler:
 *
 * Decides which traces are sent.
 *
 * Since: 0.1
 */
LSOBS_AVAILABLE_IN_0_1
G_DECLARE_INTERFACE (LsobsSampler, lsobs_sampler, LSOBS, SAMPLER, GObject)

/**
 * LsobsSamplerInterface:
 * @parent_iface: the parent interface
 * @should_sample: decides whether the trace with the given id is sent; it must be fast, and can be
 *   called from several threads at the same time
 *
 * The functions of an #LsobsSampler.
 *
 * Since: 0.1
 */
struct _LsobsSamplerInterface
{
  GTypeInterface parent_iface;

  gboolean (*should_sample) (LsobsSampler *self, const char *trace_id);

  /*< private >*/
  gpointer padding[4];
};

LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_sampler_should_sample (LsobsSampler *self, const char *trace_id);

G_END_DECLS
