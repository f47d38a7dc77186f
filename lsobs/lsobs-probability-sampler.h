/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-sampler.h>

G_BEGIN_DECLS

#define LSOBS_TYPE_PROBABILITY_SAMPLER (lsobs_probability_sampler_get_type ())

/**
 * LsobsProbabilitySampler:
 *
 * An #LsobsSampler that keeps a share of the traces.
 *
 * Since: 0.1
 */
LSOBS_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (LsobsProbabilitySampler,
                      lsobs_probability_sampler,
                      LSOBS,
                      PROBABILITY_SAMPLER,
                      GObject)

LSOBS_AVAILABLE_IN_0_1
LsobsProbabilitySampler *lsobs_probability_sampler_new (double rate);
LSOBS_AVAILABLE_IN_0_1
double lsobs_probability_sampler_get_rate (LsobsProbabilitySampler *self);

G_END_DECLS
