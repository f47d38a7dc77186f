/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#define LSOBS_INSIDE

#include <lsobs/lsobs-batch.h>
#include <lsobs/lsobs-client.h>
#include <lsobs/lsobs-config.h>
#include <lsobs/lsobs-error.h>
#include <lsobs/lsobs-exporter.h>
#include <lsobs/lsobs-feedback.h>
#include <lsobs/lsobs-flush-stats.h>
#include <lsobs/lsobs-graph-observer.h>
#include <lsobs/lsobs-headers.h>
#include <lsobs/lsobs-invocation.h>
#include <lsobs/lsobs-json.h>
#include <lsobs/lsobs-memory-transport.h>
#include <lsobs/lsobs-message-call.h>
#include <lsobs/lsobs-model-call.h>
#include <lsobs/lsobs-observer.h>
#include <lsobs/lsobs-probability-sampler.h>
#include <lsobs/lsobs-process.h>
#include <lsobs/lsobs-run-context.h>
#include <lsobs/lsobs-run-event.h>
#include <lsobs/lsobs-run-store.h>
#include <lsobs/lsobs-run.h>
#include <lsobs/lsobs-sampler.h>
#include <lsobs/lsobs-signals.h>
#include <lsobs/lsobs-soup.h>
#include <lsobs/lsobs-stats.h>
#include <lsobs/lsobs-transport.h>
#include <lsobs/lsobs-types.h>
#include <lsobs/lsobs-usage.h>
#include <lsobs/lsobs-version-macros.h>
#include <lsobs/lsobs-version.h>

#undef LSOBS_INSIDE
