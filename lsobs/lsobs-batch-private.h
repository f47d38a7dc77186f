/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-batch.h"
#include "lsobs/lsobs-encoder-private.h"

G_BEGIN_DECLS

LsobsBatch *_lsobs_batch_new (GPtrArray *records);
GPtrArray *_lsobs_batch_peek_records (LsobsBatch *self);
void _lsobs_batch_halve (LsobsBatch *self, LsobsBatch **first, LsobsBatch **second);

G_END_DECLS
