/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <pthread.h>
#include <string.h>

#include "lsobs/core/lsobs-block-private.h"

/* Memory for payloads, encoded records and request bodies: blocks of many sizes, kept in a pool.
 *
 * A thread of the program writes a payload, and mostly the flush thread frees it. Records and bodies
 * come and go with each batch. Memory that goes back to the system meanwhile costs a page fault for
 * every page that is written next, which is as much as writing the page. So a block that is given back
 * is kept for the next use.
 *
 * There are 8 sizes from a power of two to the next, so that a block is at most an eighth larger than
 * what was asked for, but for the smallest.
 *
 * The bounds: the pool has LSOBS_BLOCK_MAX_POOL_BYTES at most, for all threads and observers of a
 * process together, and N_SLOTS blocks of each size. When it is full, blocks of other sizes go. When
 * nothing waits to be sent, it keeps LSOBS_BLOCK_IDLE_POOL_BYTES, and when a worker ends, nothing, until
 * the next block is asked for. With AddressSanitizer each block is an allocation of its own, so that it
 * sees a use after the end.
 *
 * The pool has no lock, so no thread waits for another one: a slot is taken and filled by one atomic
 * operation. The numbers are raised before a slot is filled and lowered after it is taken, so they are
 * never too low. A forked child, which may find them too high, counts again. */

/* The exponents of the smallest and the largest block: 256 bytes, and LSOBS_BLOCK_MAX_SIZE. */
#define MIN_SHIFT 8
#define MAX_SHIFT 22

#define STEPS_SHIFT 3 /* 8 sizes from one power of two to the next */
#define N_STEPS     (1 << STEPS_SHIFT)
#define N_SIZES     (((MAX_SHIFT - MIN_SHIFT) << STEPS_SHIFT) + 1)

/* Blocks of each size that are kept. A power of two. Only the slots that are used need memory. */
#define N_SLOTS 256

/* What is before the bytes of a block. They are aligned as malloc() aligns. */
typedef struct
{
  gsize size; /* of the bytes behind this */
  gatomicrefcount ref_count;
} Head;

G_STATIC_ASSERT (sizeof (Head) % (2 * sizeof (gpointer)) == 0);
G_STATIC_ASSERT ((gsize) 1 << MAX_SHIFT == LSOBS_BLOCK_MAX_SIZE);

static gpointer slots[N_SIZES][N_SLOTS]; /* (atomic) (nullable) of Head (owned) */
static int n_kept[N_SIZES];              /* (atomic) in the slots, the lower ones first */
static int max_pool_bytes;               /* (atomic) */
static int next_victim;                  /* (atomic) the index of the size of which blocks go */

gsize _lsobs_block_pool_bytes; /* (atomic) in all slots */

/* Returns: the index of the smallest size that has @size bytes */
static guint
get_index (gsize size)
{
  guint shift;
  gsize steps;

  if (size <= (gsize) 1 << MIN_SHIFT)
    return 0;
  /* The power of two below @size, and how many eighths of it are to be added. */
  shift = g_bit_storage (size - 1) - 1;
  steps = ((size - 1) >> (shift - STEPS_SHIFT)) - N_STEPS + 1;
  return ((shift - MIN_SHIFT) << STEPS_SHIFT) + (guint) steps;
}

static gsize
get_size (guint index)
{
  gsize steps = N_STEPS + (index & (N_STEPS - 1));

  return steps << ((index >> STEPS_SHIFT) + MIN_SHIFT - STEPS_SHIFT);
}

static Head *
get_head (gpointer block)
{
  return (Head *) block - 1;
}

static void
subtract_bytes (gsize n_bytes)
{
  g_atomic_pointer_add (&_lsobs_block_pool_bytes, -(gssize) n_bytes);
}

/* Returns: (transfer full) (nullable): the block of this size that was mostly kept last */
static Head *
take_kept (guint index)
{
  guint n = (guint) g_atomic_int_get (&n_kept[index]);

  if (n == 0)
    return NULL;
  for (guint i = 1; i <= N_SLOTS; i++)
    {
      gpointer *slot = &slots[index][(n - i) % N_SLOTS];
      Head *head = g_atomic_pointer_get (slot);

      if (head == NULL || !g_atomic_pointer_compare_and_exchange (slot, head, NULL))
        continue;
      g_atomic_int_add (&n_kept[index], -1);
      subtract_bytes (head->size);
      return head;
    }
  return NULL;
}

/* Frees a block whose size is not the one of @index. The next call goes on with the same size.
 * Returns: FALSE if no such block is kept */
static gboolean
free_other (guint index)
{
  guint first = (guint) g_atomic_int_get (&next_victim);

  for (guint i = 0; i < N_SIZES; i++)
    {
      guint victim = (first + i) % N_SIZES;
      Head *head = victim != index ? take_kept (victim) : NULL;

      if (head == NULL)
        continue;
      g_free (head);
      if (i > 0)
        g_atomic_int_set (&next_victim, (int) victim);
      return TRUE;
    }
  return FALSE;
}

/* Counts a block of this size as kept.
 * Returns: FALSE if there is no room for it; it is not counted then */
static gboolean
make_room (guint index, gsize size)
{
  gsize max_bytes = (gsize) g_atomic_int_get (&max_pool_bytes);

  if ((gsize) g_atomic_pointer_add (&_lsobs_block_pool_bytes, (gssize) size) + size <= max_bytes)
    return TRUE;
  /* The program may write payloads of other sizes than before. */
  if (max_bytes == LSOBS_BLOCK_MAX_POOL_BYTES)
    while (_lsobs_block_get_pool_bytes () > max_bytes && free_other (index))
      ;
  if (_lsobs_block_get_pool_bytes () <= max_bytes)
    return TRUE;
  subtract_bytes (size);
  return FALSE;
}

/* @head: (transfer full)
 * Returns: FALSE if there is no room for it; the caller keeps it then */
static gboolean
keep (Head *head)
{
  guint index = get_index (head->size);
  guint n;

  if (!make_room (index, head->size))
    return FALSE;
  n = (guint) g_atomic_int_add (&n_kept[index], 1);
  if (n < N_SLOTS)
    for (guint i = 0; i < N_SLOTS; i++)
      {
        gpointer *slot = &slots[index][(n + i) % N_SLOTS];

        if (g_atomic_pointer_get (slot) == NULL &&
            g_atomic_pointer_compare_and_exchange (slot, NULL, head))
          return TRUE;
      }
  g_atomic_int_add (&n_kept[index], -1);
  subtract_bytes (head->size);
  return FALSE;
}

/* @size: at most LSOBS_BLOCK_MAX_SIZE
 * Returns: (transfer full) (nullable) */
static Head *
find_kept (gsize size, gboolean is_exact)
{
  guint first = get_index (size);
  guint last = is_exact ? first : MIN (first + N_STEPS, N_SIZES - 1);
  Head *head = NULL;

  for (guint i = first; i <= last && head == NULL; i++)
    head = take_kept (i);
  return head;
}

/* @allocated: (out) (optional): how many bytes the block has, at least @size, and an eighth of it more
 *   at most. NULL for a block that is used for a short time: a kept one of twice the size will do
 * Returns: (transfer full): bytes with any contents, for _lsobs_block_unref() */
char *
_lsobs_block_new (gsize size, gsize *allocated)
{
  Head *head = NULL;

  if (size > G_MAXSIZE - sizeof *head)
    g_error ("A block cannot hold %" G_GSIZE_FORMAT " bytes", size);
  if (g_atomic_int_get (&max_pool_bytes) != LSOBS_BLOCK_MAX_POOL_BYTES)
    g_atomic_int_set (&max_pool_bytes, LSOBS_BLOCK_MAX_POOL_BYTES);
  if (size <= LSOBS_BLOCK_MAX_SIZE)
    {
      head = find_kept (size, allocated != NULL);
      size = get_size (get_index (size));
    }
  if (head == NULL)
    {
      head = g_malloc (sizeof *head + size);
      head->size = size;
    }
  g_atomic_ref_count_init (&head->ref_count);
  if (allocated != NULL)
    *allocated = head->size;
  return (char *) (head + 1);
}

/* Called from any thread.
 * @block: (transfer full) (nullable): what _lsobs_block_new() has returned */
void
_lsobs_block_unref (gpointer block)
{
  Head *head;

  if (block == NULL)
    return;
  head = get_head (block);
  if (!g_atomic_ref_count_compare (&head->ref_count, 1) &&
      !g_atomic_ref_count_dec (&head->ref_count))
    return;
  if (!LSOBS_BLOCK_POOLED || head->size > LSOBS_BLOCK_MAX_SIZE || !keep (head))
    g_free (head);
}

/* Returns: (transfer full): another reference */
char *
_lsobs_block_ref (char *block)
{
  g_atomic_ref_count_inc (&get_head (block)->ref_count);
  return block;
}

/* @block: (transfer full)
 * Returns: (transfer full): the first @len bytes of the block, which do not change any more */
GBytes *
_lsobs_block_free_to_bytes (char *block, gsize len)
{
  return g_bytes_new_with_free_func (block, len, _lsobs_block_unref, block);
}

/* Frees what is kept beyond @max_bytes, and what comes back beyond that until the next block is asked
 * for. */
static void
shrink (gsize max_bytes)
{
  g_atomic_int_set (&max_pool_bytes, (int) max_bytes);
  for (guint i = N_SIZES; i-- > 0;)
    {
      Head *head;

      while (_lsobs_block_get_pool_bytes () > max_bytes && (head = take_kept (i)) != NULL)
        g_free (head);
    }
}

/* Gives most memory of the pool back to the system: nothing waits to be sent. */
void
_lsobs_block_trim (void)
{
  shrink (LSOBS_BLOCK_IDLE_POOL_BYTES);
}

/* Gives all memory of the pool back to the system. */
void
_lsobs_block_clear (void)
{
  shrink (0);
}

/* Runs in a forked child: another thread may have been between a number and a slot. */
static void
count_again_cb (void)
{
  gsize n_bytes = 0;

  for (guint i = 0; i < N_SIZES; i++)
    {
      guint n = 0;

      for (guint j = 0; j < N_SLOTS && g_atomic_int_get (&n_kept[i]) > 0; j++)
        n += g_atomic_pointer_get (&slots[i][j]) != NULL ? 1 : 0;
      g_atomic_int_set (&n_kept[i], (int) n);
      n_bytes += n * get_size (i);
    }
  g_atomic_pointer_set (&_lsobs_block_pool_bytes, n_bytes);
}

__attribute__ ((constructor)) static void
watch_forks (void)
{
  pthread_atfork (NULL, NULL, count_again_cb);
}
