/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Counts what does not depend on the machine: the allocations and the locks that a pair, the start and the
 * end of a run, takes in the thread that calls.
 *
 *   make bench/counts && bench/counts
 *
 * The functions below are found before those of libc, GLib and pthreads, and count. Locks that GLib takes
 * by functions of its own inside another one, such as g_async_queue_push (), count once. */

#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

#include "bench/bench-helpers.h"

#define N_PAIRS 1000
#define BURST   50
#define WARM    1000

static __thread gboolean is_counting;
static __thread guint depth; /* of functions that lock */
static __thread guint64 n_allocations;
static __thread guint64 n_locks;

/* --- allocations --- */

extern void *__libc_malloc (size_t size);
extern void *__libc_calloc (size_t n, size_t size);
extern void *__libc_realloc (void *memory, size_t size);
extern void *__libc_memalign (size_t alignment, size_t size);

static inline void
count_allocation (void)
{
  if (is_counting)
    n_allocations++;
}

void *
malloc (size_t size)
{
  count_allocation ();
  return __libc_malloc (size);
}

void *
calloc (size_t n, size_t size)
{
  count_allocation ();
  return __libc_calloc (n, size);
}

void *
realloc (void *memory, size_t size)
{
  count_allocation ();
  return __libc_realloc (memory, size);
}

void *
memalign (size_t alignment, size_t size)
{
  count_allocation ();
  return __libc_memalign (alignment, size);
}

void *
aligned_alloc (size_t alignment, size_t size)
{
  count_allocation ();
  return __libc_memalign (alignment, size);
}

int
posix_memalign (void **memory, size_t alignment, size_t size)
{
  count_allocation ();
  *memory = __libc_memalign (alignment, size);
  return *memory != NULL ? 0 : ENOMEM;
}

/* --- locks --- */

static void
enter_lock (void)
{
  if (is_counting && depth == 0)
    n_locks++;
  depth++;
}

static void
leave_lock (void)
{
  depth--;
}

/* Defines a function that counts, and calls the one of the same name that it hides. */
#define COUNT_LOCK(name, Lock) \
 void name (Lock *lock) \
 { \
  static void (*hidden) (Lock *); \
\
  if (G_UNLIKELY (hidden == NULL)) \
   *(void **) &hidden = dlsym (RTLD_NEXT, #name); \
  enter_lock (); \
  hidden (lock); \
  leave_lock (); \
 }

COUNT_LOCK (g_mutex_lock, GMutex)
COUNT_LOCK (g_rec_mutex_lock, GRecMutex)
COUNT_LOCK (g_rw_lock_reader_lock, GRWLock)
COUNT_LOCK (g_rw_lock_writer_lock, GRWLock)
COUNT_LOCK (g_async_queue_lock, GAsyncQueue)

void
g_async_queue_push (GAsyncQueue *queue, gpointer data)
{
  static void (*hidden) (GAsyncQueue *, gpointer);

  if (G_UNLIKELY (hidden == NULL))
    *(void **) &hidden = dlsym (RTLD_NEXT, "g_async_queue_push");
  enter_lock ();
  hidden (queue, data);
  leave_lock ();
}

int
pthread_mutex_lock (pthread_mutex_t *mutex)
{
  static int (*hidden) (pthread_mutex_t *);
  int result;

  if (G_UNLIKELY (hidden == NULL))
    *(void **) &hidden = dlsym (RTLD_NEXT, "pthread_mutex_lock");
  enter_lock ();
  result = hidden (mutex);
  leave_lock ();
  return result;
}

/* --- pairs --- */

typedef enum
{
  KIND_READY,
  KIND_NODE,
  KIND_NOTES
} Kind;

static void
do_burst (LsobsObserver *observer, Kind kind, GBytes *bytes, JsonNode *node)
{
  is_counting = TRUE;
  for (guint i = 0; i < BURST; i++)
    switch (kind)
      {
      case KIND_NODE:
        bench_pair_node (observer, node, node);
        break;
      case KIND_NOTES:
        bench_pair_with_notes (observer, bytes, bytes);
        break;
      case KIND_READY:
      default:
        bench_pair_bytes (observer, bytes, bytes);
        break;
      }
  is_counting = FALSE;
  bench_flush (observer);
}

static void
measure (Kind kind, const char *name)
{
  LsobsObserver *observer = bench_observer_new_null ();
  g_autoptr (GBytes) bytes = bench_make_bytes (1000);
  g_autoptr (JsonNode) node = bench_make_node (1000);
  g_autofree char *mallocs_id = g_strconcat ("mallocs/", name, NULL);
  g_autofree char *locks_id = g_strconcat ("locks/", name, NULL);

  for (guint i = 0; i < WARM; i += BURST)
    do_burst (observer, kind, bytes, node);
  n_allocations = 0;
  n_locks = 0;
  for (guint i = 0; i < N_PAIRS; i += BURST)
    do_burst (observer, kind, bytes, node);
  bench_report_value (mallocs_id, (double) n_allocations / N_PAIRS);
  bench_report_value (locks_id, (double) n_locks / N_PAIRS);
  bench_observer_end (observer);
}

/* The counters see what they count. */
static void
check_counters (void)
{
  n_allocations = 0;
  n_locks = 0;
  is_counting = TRUE;
  bench_control_pair ();
  is_counting = FALSE;
  g_assert_cmpuint (n_allocations, ==, 4);
  g_assert_cmpuint (n_locks, ==, 1);
}

int
main (void)
{
  check_counters ();
  measure (KIND_READY, "ready");
  measure (KIND_NODE, "node");
  measure (KIND_NOTES, "notes");
  return 0;
}
