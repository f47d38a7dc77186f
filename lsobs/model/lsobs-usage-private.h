/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/lsobs-usage.h"

G_BEGIN_DECLS

/* What a number of tokens or a cost is of. */
typedef enum
{
  LSOBS_USAGE_INPUT,
  LSOBS_USAGE_OUTPUT,
  LSOBS_USAGE_TOTAL,
  LSOBS_USAGE_INPUT_AUDIO, /* the first detail of the input */
  LSOBS_USAGE_INPUT_CACHE_READ,
  LSOBS_USAGE_INPUT_CACHE_CREATION,
  LSOBS_USAGE_INPUT_CACHE_READ_OVER_200K,
  LSOBS_USAGE_INPUT_EPHEMERAL_5M,
  LSOBS_USAGE_INPUT_EPHEMERAL_1H,
  LSOBS_USAGE_INPUT_TEXT,
  LSOBS_USAGE_INPUT_IMAGE,
  LSOBS_USAGE_OUTPUT_AUDIO, /* the first detail of the output */
  LSOBS_USAGE_OUTPUT_REASONING,
  LSOBS_USAGE_OUTPUT_TEXT,
  LSOBS_USAGE_OUTPUT_IMAGE,
  LSOBS_N_USAGE_ITEMS
} LsobsUsageItem;

struct _LsobsUsage
{
  gatomicrefcount ref_count;
  gint64 tokens[LSOBS_N_USAGE_ITEMS]; /* or -1 if not set */
  double costs[LSOBS_N_USAGE_ITEMS];  /* or -1 if not set */
};

void _lsobs_usage_write (LsobsUsage *self, LsobsBuffer *out);

G_END_DECLS
