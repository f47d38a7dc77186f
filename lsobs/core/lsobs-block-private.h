/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Larger blocks are not kept. */
#define LSOBS_BLOCK_MAX_SIZE (4 * 1024 * 1024)

/* A piece of memory for what is written once and then only read. The last reference may be dropped by
 * any thread. */
typedef struct _LsobsBlock LsobsBlock;

/* Where the next text of a row goes, one after the other in the same block. A plain value, used by one
 * thread at a time. */
typedef struct
{
  LsobsBlock *block; /* (owned) (nullable) */
  gsize used;        /* of its bytes */
} LsobsBlockRow;

LsobsBlock *_lsobs_block_new (gsize size);
void _lsobs_block_unref (LsobsBlock *self);
char *_lsobs_block_peek_data (LsobsBlock *self);
GBytes *_lsobs_block_free_to_bytes (LsobsBlock *self, gsize len);
void _lsobs_block_trim (void);

GBytes *_lsobs_block_row_add (LsobsBlockRow *self, const char *text, gsize len);
void _lsobs_block_row_clear (LsobsBlockRow *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsBlock, _lsobs_block_unref)

G_END_DECLS
