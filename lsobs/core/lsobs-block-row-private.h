/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* Where the next text of a row goes, one after the other in the same block. A plain value, used by one
 * thread at a time. */
typedef struct
{
  char *block; /* (owned) (nullable) */
  gsize size;  /* of it, in bytes */
  gsize used;  /* of its bytes */
} LsobsBlockRow;

gboolean _lsobs_block_row_lend (LsobsBlockRow *self, gsize expected, LsobsBuffer *buffer);
GBytes *_lsobs_block_row_take (LsobsBlockRow *self, LsobsBuffer *buffer);
GBytes *_lsobs_block_row_add (LsobsBlockRow *self, const char *text, gsize len);
void _lsobs_block_row_clear (LsobsBlockRow *self);

G_END_DECLS
