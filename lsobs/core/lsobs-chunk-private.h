/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Whether chunks that are given back are kept. */
#if defined(__SANITIZE_ADDRESS__)
# define LSOBS_CHUNK_POOLED 0
#elif defined(__has_feature)
# if __has_feature(address_sanitizer)
#  define LSOBS_CHUNK_POOLED 0
# endif
#endif
#ifndef LSOBS_CHUNK_POOLED
# define LSOBS_CHUNK_POOLED 1
#endif

/* The most bytes that are kept in a process, and when nothing happens. */
#define LSOBS_CHUNK_MAX_POOL_BYTES  (32 * 1024 * 1024)
#define LSOBS_CHUNK_IDLE_POOL_BYTES (512 * 1024)

/* in µs */
#define LSOBS_CHUNK_IDLE_TIME (2 * G_USEC_PER_SEC)

/* What waits in the pool; written in lsobs-chunk.c only. */
extern gsize _lsobs_chunk_pool_bytes;

char *_lsobs_chunk_take (gsize size, gsize *allocated);
void _lsobs_chunk_give_back (gpointer chunk);
gint64 _lsobs_chunk_trim (gint64 now);
void _lsobs_chunk_clear (void);

static inline gsize
_lsobs_chunk_get_pool_bytes (void)
{
  return (gsize) g_atomic_pointer_get (&_lsobs_chunk_pool_bytes);
}

G_END_DECLS
