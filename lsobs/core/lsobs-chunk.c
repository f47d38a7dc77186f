/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-chunk-private.h"
#include "lsobs/core/lsobs-fork-private.h"

/* Memory for payloads: chunks of many sizes, kept in a pool.
 *
 * A thread of the program writes a payload, and mostly the flush thread frees it. Memory that goes
 * back to the system meanwhile costs a page fault for every page that is written next, which is
 * as much as writing the page. So a chunk that is given back is kept for the next payload.
 *
 * There are 8 sizes from a power of two to the next, so that a chunk is at most an eighth larger than
 * what was asked for, but for the smallest.
 *
 * The bounds: the pool has 32 MiB at most, for all threads and observers of a process together: what
 * has waited longest goes first. It keeps no chunk that is larger than 4 MiB. When nothing was written
 * or sent for 2 s, it keeps 512 KiB, and when a worker ends, nothing. With AddressSanitizer each chunk is
 * an allocation of its own, so that it sees a use after the end.
 *
 * The pool changes with _lsobs_fork_lock() held, so a forked child has it whole. If another thread has
 * the lock, small chunks come from the allocator and go to it: no thread waits for them. */

#define MAX_CHUNK_BYTES ((gsize) 1 << MAX_SHIFT)

/* A thread of the program waits for no other thread to get a chunk up to this size. */
#define MAX_HASTY_BYTES (64 * 1024)

/* The exponents of the smallest and the largest chunk: 256 bytes, and MAX_CHUNK_BYTES. */
#define MIN_SHIFT 8
#define MAX_SHIFT 22

#define STEPS_SHIFT 3 /* 8 sizes from one power of two to the next */
#define N_SIZES     (((MAX_SHIFT - MIN_SHIFT) << STEPS_SHIFT) + 1)

/* What is before the bytes of a chunk. They are aligned as malloc() aligns. */
typedef struct
{
  gsize size;    /* of the bytes behind this */
  GList of_age;  /* in the pool: in the list of all chunks; its data is this */
  GList of_size; /* the same: in the list of the chunks of the same size */
  gpointer padding;
} Chunk;

G_STATIC_ASSERT (sizeof (Chunk) % (2 * sizeof (gpointer)) == 0);

/* All of this changes with _lsobs_fork_lock() held. */
static struct
{
  GQueue by_size[N_SIZES]; /* of Chunk (owned), the last that was given back first */
  GQueue by_age;           /* the same chunks, all of them */
  gboolean used;           /* after the last trim */
  gint64 idle_since;       /* monotonic, µs */
} pool;

gsize _lsobs_chunk_pool_bytes; /* (atomic) of all of them; the same */

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
  steps = ((size - 1) >> (shift - STEPS_SHIFT)) - (1 << STEPS_SHIFT) + 1;
  return ((shift - MIN_SHIFT) << STEPS_SHIFT) + (guint) steps;
}

static gsize
get_size (guint index)
{
  gsize steps = (1 << STEPS_SHIFT) + (index & ((1 << STEPS_SHIFT) - 1));

  return steps << ((index >> STEPS_SHIFT) + MIN_SHIFT - STEPS_SHIFT);
}

/* Returns: FALSE if another thread has the lock, and a chunk of this size is not worth a wait */
static gboolean
lock_pool (gsize size)
{
  if (size <= MAX_HASTY_BYTES)
    return _lsobs_fork_trylock ();
  _lsobs_fork_lock ();
  return TRUE;
}

static void
set_bytes_unlocked (gsize n_bytes)
{
  g_atomic_pointer_set (&_lsobs_chunk_pool_bytes, n_bytes);
}

static void
push_unlocked (Chunk *chunk)
{
  chunk->of_age = (GList){ .data = chunk };
  chunk->of_size = (GList){ .data = chunk };
  g_queue_push_head_link (&pool.by_age, &chunk->of_age);
  g_queue_push_head_link (&pool.by_size[get_index (chunk->size)], &chunk->of_size);
  set_bytes_unlocked (_lsobs_chunk_pool_bytes + chunk->size);
  pool.used = TRUE;
}

/* @link: (nullable): of a chunk in the pool
 * Returns: (transfer full) (nullable): the chunk, which is taken out */
static Chunk *
remove_unlocked (GList *link)
{
  Chunk *chunk = link != NULL ? link->data : NULL;

  if (chunk == NULL)
    return NULL;
  g_queue_unlink (&pool.by_age, &chunk->of_age);
  g_queue_unlink (&pool.by_size[get_index (chunk->size)], &chunk->of_size);
  set_bytes_unlocked (_lsobs_chunk_pool_bytes - chunk->size);
  pool.used = TRUE;
  return chunk;
}

/* Frees the chunks that have waited longest, until the pool has @max_bytes at most. */
static void
shrink (gsize max_bytes)
{
  for (;;)
    {
      Chunk *oldest;

      _lsobs_fork_lock ();
      oldest = _lsobs_chunk_pool_bytes > max_bytes ? remove_unlocked (pool.by_age.tail) : NULL;
      _lsobs_fork_unlock ();
      if (oldest == NULL)
        return;
      g_free (oldest);
    }
}

/* @allocated: (out): how many bytes the chunk has, at least @size, and an eighth of it more at most
 * Returns: (transfer full): bytes for _lsobs_chunk_give_back() */
char *
_lsobs_chunk_take (gsize size, gsize *allocated)
{
  Chunk *chunk = NULL;

  if (size > G_MAXSIZE - sizeof *chunk)
    g_error ("A chunk cannot hold %" G_GSIZE_FORMAT " bytes", size);
  if (size <= MAX_CHUNK_BYTES)
    {
      guint index = get_index (size);

      size = get_size (index);
      if (lock_pool (size))
        {
          chunk = remove_unlocked (pool.by_size[index].head);
          _lsobs_fork_unlock ();
        }
    }
  if (chunk == NULL)
    {
      chunk = g_malloc (sizeof *chunk + size);
      chunk->size = size;
    }
  *allocated = chunk->size;
  return (char *) (chunk + 1);
}

/* Called from any thread.
 * @data: (transfer full) (nullable): what _lsobs_chunk_take() has returned */
void
_lsobs_chunk_give_back (gpointer data)
{
  Chunk *chunk;
  gboolean is_full;

  if (data == NULL)
    return;
  chunk = (Chunk *) data - 1;
  if (!LSOBS_CHUNK_POOLED || chunk->size > MAX_CHUNK_BYTES || !lock_pool (chunk->size))
    {
      g_free (chunk);
      return;
    }
  push_unlocked (chunk);
  is_full = _lsobs_chunk_pool_bytes > LSOBS_CHUNK_MAX_POOL_BYTES;
  _lsobs_fork_unlock ();
  /* The program may write payloads of other sizes than before. */
  if (is_full)
    shrink (LSOBS_CHUNK_MAX_POOL_BYTES);
}

/* Gives memory back to the system if no chunk was taken or given back for a while. To be called when
 * nothing waits to be sent.
 * @now: monotonic, µs
 * Returns: when to call this again if nothing waits then, or -1 */
gint64
_lsobs_chunk_trim (gint64 now)
{
  gint64 again = -1;

  _lsobs_fork_lock ();
  if (pool.used)
    pool.idle_since = now;
  pool.used = FALSE;
  if (_lsobs_chunk_pool_bytes > LSOBS_CHUNK_IDLE_POOL_BYTES)
    again = pool.idle_since + LSOBS_CHUNK_IDLE_TIME;
  _lsobs_fork_unlock ();
  if (again == -1 || now < again)
    return again;
  shrink (LSOBS_CHUNK_IDLE_POOL_BYTES);
  return -1;
}

/* Gives all memory of the pool back to the system. */
void
_lsobs_chunk_clear (void)
{
  shrink (0);
}
