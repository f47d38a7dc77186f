/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-probability-sampler.h"

G_BEGIN_DECLS

/* The metadata of each run with this key is the share of traces that are sent, if it is below 1. */
#define LSOBS_SAMPLE_RATE_KEY "ls_tracing_sample_rate"

gboolean _lsobs_probability_sampler_keeps (double rate, const char *trace_id);

G_END_DECLS
