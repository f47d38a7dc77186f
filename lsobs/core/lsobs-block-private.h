/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Whether blocks that are given back are kept. */
#if defined(__SANITIZE_ADDRESS__)
# define LSOBS_BLOCK_POOLED 0
#elif defined(__has_feature)
# if __has_feature(address_sanitizer)
#  define LSOBS_BLOCK_POOLED 0
# endif
#endif
#ifndef LSOBS_BLOCK_POOLED
# define LSOBS_BLOCK_POOLED 1
#endif

/* Larger blocks are not kept. */
#define LSOBS_BLOCK_MAX_SIZE (4 * 1024 * 1024)

/* The most bytes that are kept in a process: while records are sent, and when nothing waits. */
#define LSOBS_BLOCK_MAX_POOL_BYTES  (32 * 1024 * 1024)
#define LSOBS_BLOCK_IDLE_POOL_BYTES (512 * 1024)

/* What is kept; written in lsobs-block.c only. */
extern gsize _lsobs_block_pool_bytes;

char *_lsobs_block_new (gsize size, gsize *allocated);
char *_lsobs_block_ref (char *block);
void _lsobs_block_unref (gpointer block);
GBytes *_lsobs_block_free_to_bytes (char *block, gsize len);
void _lsobs_block_trim (void);
void _lsobs_block_clear (void);

static inline gsize
_lsobs_block_get_pool_bytes (void)
{
  return (gsize) g_atomic_pointer_get (&_lsobs_block_pool_bytes);
}

G_END_DECLS
