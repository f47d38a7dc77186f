/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-block-private.h"

/* Encoded records and request bodies come and go with each batch. The allocator of the C library
 * gives such memory back to the kernel each time, which has to clear all of its pages for the next
 * batch. So free blocks are kept for the next ones.
 *
 * The pool is shared by all threads of the process. It has no lock: a slot is taken and filled by one
 * atomic operation, so that a fork finds it in order at any moment. */

/* The smallest block; each class has blocks of twice the size of the one before. */
#define MIN_SIZE  (64 * 1024)
#define N_CLASSES 7

/* Free blocks that are kept, of each class. A power of two. */
#define N_SLOTS 128

/* How much free memory is kept, in bytes: while records are sent, and when all are. */
#define MAX_KEPT      (32 * 1024 * 1024)
#define MAX_KEPT_IDLE (1024 * 1024)

/* A block of a row, and the largest text that is put into it with others. A text that outlives the
 * others keeps their block. */
#define ROW_SIZE     (128 * 1024)
#define MAX_ROW_TEXT (ROW_SIZE / 4)

struct _LsobsBlock
{
  gatomicrefcount ref_count;
  guint class; /* N_CLASSES: it is not kept */
  gsize size;  /* of data */
  char data[];
};

typedef struct
{
  gpointer slots[N_SLOTS]; /* (atomic) (nullable) of LsobsBlock (owned) */
  guint top;               /* (atomic) about where the last block was put; a hint */
} ClassPool;

G_STATIC_ASSERT (MIN_SIZE << (N_CLASSES - 1) == LSOBS_BLOCK_MAX_SIZE);

static ClassPool pools[N_CLASSES];
static int n_kept_kib; /* (atomic) in all slots */
static int is_idle;    /* (atomic) gboolean */

static guint
find_class (gsize size)
{
  guint class = 0;

  while (class < N_CLASSES && (gsize) MIN_SIZE << class < size)
    class ++;
  return class;
}

static int
get_kib (const LsobsBlock *block)
{
  return (int) (block->size / 1024);
}

/* Returns: (transfer full) (nullable) */
static LsobsBlock *
take_kept (ClassPool *pool)
{
  guint top = (guint) g_atomic_int_get (&pool->top);

  for (guint i = 1; i <= N_SLOTS; i++)
    {
      guint at = (top - i) % N_SLOTS;
      LsobsBlock *block = g_atomic_pointer_get (&pool->slots[at]);

      if (block == NULL || !g_atomic_pointer_compare_and_exchange (&pool->slots[at], block, NULL))
        continue;
      g_atomic_int_set (&pool->top, at);
      g_atomic_int_add (&n_kept_kib, -get_kib (block));
      return block;
    }
  return NULL;
}

/* @block: (transfer full)
 * Returns: FALSE if there is no room for it; the caller keeps it then */
static gboolean
keep (ClassPool *pool, LsobsBlock *block)
{
  int max_kept = (g_atomic_int_get (&is_idle) ? MAX_KEPT_IDLE : MAX_KEPT) / 1024;
  guint top = (guint) g_atomic_int_get (&pool->top);

  if (g_atomic_int_add (&n_kept_kib, get_kib (block)) + get_kib (block) <= max_kept)
    for (guint i = 0; i < N_SLOTS; i++)
      {
        guint at = (top + i) % N_SLOTS;

        if (g_atomic_pointer_get (&pool->slots[at]) != NULL ||
            !g_atomic_pointer_compare_and_exchange (&pool->slots[at], NULL, block))
          continue;
        g_atomic_int_set (&pool->top, (at + 1) % N_SLOTS);
        return TRUE;
      }
  g_atomic_int_add (&n_kept_kib, -get_kib (block));
  return FALSE;
}

/* Returns: (transfer full): a block with at least @size bytes, which hold anything */
LsobsBlock *
_lsobs_block_new (gsize size)
{
  guint class = find_class (size);
  LsobsBlock *self = NULL;

  if (g_atomic_int_get (&is_idle))
    g_atomic_int_set (&is_idle, FALSE);
  if (class < N_CLASSES)
    {
      self = take_kept (&pools[class]);
      size = (gsize) MIN_SIZE << class;
    }
  if (self == NULL)
    {
      g_assert (size <= G_MAXSIZE - sizeof (LsobsBlock));
      self = g_malloc (sizeof (LsobsBlock) + size);
      self->class = class;
      self->size = size;
    }
  g_atomic_ref_count_init (&self->ref_count);
  return self;
}

void
_lsobs_block_unref (LsobsBlock *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  if (self->class == N_CLASSES || !keep (&pools[self->class], self))
    g_free (self);
}

char *
_lsobs_block_peek_data (LsobsBlock *self)
{
  return self->data;
}

/* @self: (transfer full)
 * Returns: (transfer full): the first @len bytes of the block, which do not change any more */
GBytes *
_lsobs_block_free_to_bytes (LsobsBlock *self, gsize len)
{
  return g_bytes_new_with_free_func (self->data, len, (GDestroyNotify) _lsobs_block_unref, self);
}

/* All is sent: frees blocks that are kept, up to a small number, now and when they come back, until the
 * next block is asked for. */
void
_lsobs_block_trim (void)
{
  g_atomic_int_set (&is_idle, TRUE);
  for (guint i = N_CLASSES; i-- > 0;)
    while (g_atomic_int_get (&n_kept_kib) > MAX_KEPT_IDLE / 1024)
      {
        LsobsBlock *block = take_kept (&pools[i]);

        if (block == NULL)
          break;
        g_free (block);
      }
}

/* Returns: (transfer full): a copy of the text, in the block of the row if it is small */
GBytes *
_lsobs_block_row_add (LsobsBlockRow *self, const char *text, gsize len)
{
  char *at;

  if (len > MAX_ROW_TEXT)
    {
      LsobsBlock *block = _lsobs_block_new (len);

      memcpy (block->data, text, len);
      return _lsobs_block_free_to_bytes (block, len);
    }
  if (self->block != NULL && self->block->size - self->used < len)
    _lsobs_block_row_clear (self);
  if (self->block == NULL)
    self->block = _lsobs_block_new (ROW_SIZE);
  at = self->block->data + self->used;
  memcpy (at, text, len);
  self->used += len;
  g_atomic_ref_count_inc (&self->block->ref_count);
  return g_bytes_new_with_free_func (at, len, (GDestroyNotify) _lsobs_block_unref, self->block);
}

/* The next text of the row is in another block. */
void
_lsobs_block_row_clear (LsobsBlockRow *self)
{
  g_clear_pointer (&self->block, _lsobs_block_unref);
  self->used = 0;
}
