/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-slab-private.h"

/* Memory for runs: slabs of one size.
 *
 * A thread of the program allocates what a run needs, and mostly the flush thread frees it. The
 * allocator of the C library does that with its locks, and returns memory to the system only to ask for
 * it again. Here each thread keeps up to two magazines of free slabs, which it alone uses. Only a
 * whole magazine goes to the pool of all threads, or comes from there, under a lock. So a
 * thread takes a lock once in MAGAZINE_LEN calls at most.
 *
 * The pool is bounded: see MAX_MAGAZINES. When everything is sent, it shrinks to IDLE_MAGAZINES. With
 * AddressSanitizer each slab is an allocation of its own, so that it sees a use after the end.
 *
 * A forked child has the magazines of the thread that forked, and the pool as it is: the lock is free
 * during a fork. */

/* How many slabs a magazine has. */
#define MAGAZINE_LEN 32

/* How many magazines the pool has at most: 2.25 MiB. */
#define MAX_MAGAZINES 128

/* How many of them stay when nothing waits: 288 KiB. */
#define IDLE_MAGAZINES 16

#if defined(__SANITIZE_ADDRESS__)
# define POOLED 0
#elif defined(__has_feature)
# if __has_feature(address_sanitizer)
#  define POOLED 0
# endif
#endif
#ifndef POOLED
# define POOLED 1
#endif

#if POOLED

/* What a free slab has in its first bytes. */
typedef struct _FreeSlab
{
  struct _FreeSlab *next;          /* (nullable) in its magazine */
  struct _FreeSlab *next_magazine; /* (nullable) of the first slab of a magazine in the pool */
} FreeSlab;

/* The free slabs of a thread. */
typedef struct
{
  FreeSlab *loaded; /* (owned) (nullable) the magazine that is used */
  FreeSlab *full;   /* (owned) (nullable) another one, which is full */
  guint n_loaded;
  gboolean is_registered; /* the thread gives them back at its end */
} ThreadSlabs;

static void give_back_all (gpointer data);

static __thread ThreadSlabs thread_slabs;
static GPrivate end_of_thread = G_PRIVATE_INIT (give_back_all);

static FreeSlab *pool;    /* (owned) (nullable) (atomic) changes with _lsobs_fork_lock() held */
static guint n_magazines; /* (atomic) in the pool; the same */

static void
free_magazine (FreeSlab *slab)
{
  while (slab != NULL)
    {
      FreeSlab *next = slab->next;

      g_free (slab);
      slab = next;
    }
}

/* Returns: (transfer full) (nullable): a full magazine of the pool */
static FreeSlab *
take_magazine (void)
{
  FreeSlab *magazine;

  if (g_atomic_pointer_get (&pool) == NULL)
    return NULL;
  _lsobs_fork_lock ();
  magazine = pool;
  if (magazine != NULL)
    {
      g_atomic_pointer_set (&pool, magazine->next_magazine);
      g_atomic_int_set (&n_magazines, n_magazines - 1);
    }
  _lsobs_fork_unlock ();
  return magazine;
}

/* @magazine: (transfer full): a full one */
static void
give_magazine (FreeSlab *magazine)
{
  gboolean has_room;

  _lsobs_fork_lock ();
  has_room = n_magazines < MAX_MAGAZINES;
  if (has_room)
    {
      magazine->next_magazine = pool;
      g_atomic_pointer_set (&pool, magazine);
      g_atomic_int_set (&n_magazines, n_magazines + 1);
    }
  _lsobs_fork_unlock ();
  if (!has_room)
    free_magazine (magazine);
}

/* Called at the end of a thread. */
static void
give_back_all (gpointer data)
{
  ThreadSlabs *self = data;

  /* What is freed after this registers the thread again. */
  self->is_registered = FALSE;
  if (self->full != NULL)
    give_magazine (g_steal_pointer (&self->full));
  free_magazine (g_steal_pointer (&self->loaded));
  self->n_loaded = 0;
}

/* Called when the thread gets its first free slab. */
static inline void
register_thread (ThreadSlabs *self)
{
  if (G_LIKELY (self->is_registered))
    return;
  self->is_registered = TRUE;
  g_private_set (&end_of_thread, self);
}

/* Returns: (transfer full): LSOBS_SLAB_SIZE bytes with any contents, for _lsobs_slab_free() */
gpointer
_lsobs_slab_alloc (void)
{
  ThreadSlabs *self = &thread_slabs;
  FreeSlab *slab = self->loaded;

  if (G_UNLIKELY (slab == NULL))
    {
      slab = self->full != NULL ? g_steal_pointer (&self->full) : take_magazine ();
      if (slab == NULL)
        return g_malloc (LSOBS_SLAB_SIZE);
      register_thread (self);
      self->n_loaded = MAGAZINE_LEN;
    }
  self->loaded = slab->next;
  self->n_loaded--;
  return slab;
}

/* Called from any thread. */
void
_lsobs_slab_free (gpointer memory)
{
  ThreadSlabs *self = &thread_slabs;
  FreeSlab *slab = memory;

  if (G_UNLIKELY (self->n_loaded == MAGAZINE_LEN))
    {
      if (self->full != NULL)
        give_magazine (self->full);
      self->full = g_steal_pointer (&self->loaded);
      self->n_loaded = 0;
    }
  register_thread (self);
  slab->next = self->loaded;
  self->loaded = slab;
  self->n_loaded++;
}

/* Gives most of the pool back to the allocator: nothing waits. */
void
_lsobs_slab_trim (void)
{
  FreeSlab *rest;

  while (g_atomic_int_get (&n_magazines) > IDLE_MAGAZINES)
    {
      rest = take_magazine ();
      free_magazine (rest);
    }
}

#else

gpointer
_lsobs_slab_alloc (void)
{
  return g_malloc (LSOBS_SLAB_SIZE);
}

void
_lsobs_slab_free (gpointer memory)
{
  g_free (memory);
}

void
_lsobs_slab_trim (void)
{
}

#endif
