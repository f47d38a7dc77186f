/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/pipeline/lsobs-destination-private.h"
#include "lsobs/pipeline/lsobs-notifier-private.h"
#include "lsobs/pipeline/lsobs-queue-private.h"
#include "lsobs/pipeline/lsobs-worker-private.h"

G_BEGIN_DECLS

/* The queue of one destination and the worker behind it, in one process. The members are constant;
 * the dispatcher uses them directly. Thread-safe. */
typedef struct
{
  LsobsCounters *counters;   /* (owned) */
  LsobsTransport *transport; /* (owned) */
  LsobsQueue *queue;         /* (owned) */
  LsobsWorker *worker;       /* (owned) */
  char *label;               /* (owned) (nullable) names the destination, among several */
  gsize n_reported;          /* (atomic) evictions that a flush has reported */
} LsobsPipeline;

LsobsPipeline *_lsobs_pipeline_new (const LsobsDestination *destination,
                                    LsobsRunStore *store,
                                    GMainContext *context,
                                    LsobsNotifier *notifier);
void _lsobs_pipeline_free (LsobsPipeline *self);

LsobsHealth *_lsobs_pipeline_peek_health (LsobsPipeline *self);
gsize _lsobs_pipeline_take_evictions (LsobsPipeline *self);
char *_lsobs_pipeline_dup_trouble (LsobsPipeline *self);
char *_lsobs_pipeline_dup_problem (LsobsPipeline *self, const char *fallback);

G_END_DECLS
