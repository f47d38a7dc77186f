/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/lsobs-usage.h"

G_BEGIN_DECLS

/* What tokens and costs are counted of. */
typedef enum
{
  LSOBS_USAGE_INPUT,
  LSOBS_USAGE_OUTPUT,
  LSOBS_USAGE_TOTAL,
  LSOBS_USAGE_INPUT_AUDIO, /* the details of the input begin here */
  LSOBS_USAGE_INPUT_CACHE_READ,
  LSOBS_USAGE_INPUT_CACHE_CREATION,
  LSOBS_USAGE_INPUT_CACHE_READ_OVER_200K,
  LSOBS_USAGE_INPUT_EPHEMERAL_5M,
  LSOBS_USAGE_INPUT_EPHEMERAL_1H,
  LSOBS_USAGE_INPUT_TEXT,
  LSOBS_USAGE_INPUT_IMAGE,
  LSOBS_USAGE_OUTPUT_AUDIO, /* ... and those of the output here */
  LSOBS_USAGE_OUTPUT_REASONING,
  LSOBS_USAGE_OUTPUT_TEXT,
  LSOBS_USAGE_OUTPUT_IMAGE,
  LSOBS_N_USAGE_ITEMS
} LsobsUsageItem;

struct _LsobsUsage
{
  gatomicrefcount ref_count;
  gint64 tokens[LSOBS_N_USAGE_ITEMS]; /* or -1 */
  double costs[LSOBS_N_USAGE_ITEMS];  /* or -1 */
};

gboolean _lsobs_usage_set_tokens (LsobsUsage *self,
                                  LsobsUsageItem item,
                                  gint64 n_tokens,
                                  const char *name,
                                  GError **error);
gboolean _lsobs_usage_set_cost (LsobsUsage *self,
                                LsobsUsageItem item,
                                double cost,
                                const char *name,
                                GError **error);
void _lsobs_usage_write (LsobsUsage *self, LsobsBuffer *out);

G_END_DECLS
