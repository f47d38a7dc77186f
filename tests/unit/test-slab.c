/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <malloc.h>
#include <string.h>

#include "lsobs/core/lsobs-slab-private.h"

/* More than the pool and a thread keep. */
#define N_MANY 8000

/* What the pool keeps when nothing waits, and what a thread keeps. */
#define MAX_IDLE_BYTES (512 * 1024)

/* What the pool keeps at most, and what a thread keeps. */
#define MAX_BYTES (2560 * 1024)

static gsize
get_heap (void)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
  struct mallinfo2 info = mallinfo2 ();
#else
  struct mallinfo info = mallinfo ();
#endif

  return (gsize) info.uordblks + (gsize) info.hblkhd;
}

static gsize
get_growth (gsize before)
{
  gsize now = get_heap ();

  g_test_message ("%" G_GSIZE_FORMAT " bytes before, %" G_GSIZE_FORMAT " now", before, now);
  return now > before ? now - before : 0;
}

static gpointer
use_many (gpointer data G_GNUC_UNUSED)
{
  g_autofree gpointer *all = g_new (gpointer, N_MANY);

  for (guint i = 0; i < N_MANY; i++)
    {
      all[i] = _lsobs_slab_alloc ();
      memset (all[i], 0xa5, LSOBS_SLAB_SIZE);
    }
  for (guint i = 0; i < N_MANY; i++)
    _lsobs_slab_free (all[i]);
  return NULL;
}

static void
in_thread (GThreadFunc func, gpointer data)
{
  g_thread_join (g_thread_new ("slab", func, data));
}

/* However many slabs come back, what is kept has a limit, and a lower one when nothing waits. */
static void
test_bounds (void)
{
  gsize before;

  in_thread (use_many, NULL);
  _lsobs_slab_trim ();
  before = get_heap ();
  in_thread (use_many, NULL);
  g_assert_cmpuint (get_growth (before), <=, MAX_BYTES);
  _lsobs_slab_trim ();
  g_assert_cmpuint (get_growth (before), <=, MAX_IDLE_BYTES);
}

static gpointer
take_one (gpointer data)
{
  *(gpointer *) data = _lsobs_slab_alloc ();
  return NULL;
}

/* A thread that ends leaves none of the free slabs that it has got, whether it has given one back or not. */
static void
test_threads (void)
{
  gsize before;

  in_thread (use_many, NULL);
  before = get_heap ();
  for (guint round = 0; round < 10; round++)
    {
      in_thread (use_many, NULL);
      for (guint i = 0; i < 200; i++)
        {
          gpointer slab = NULL;

          in_thread (take_one, &slab);
          _lsobs_slab_free (slab);
        }
    }
  g_assert_cmpuint (get_growth (before), <=, MAX_BYTES);
}

/* Two slabs that are used are two pieces of memory. */
static void
test_distinct (void)
{
  gpointer first = NULL;
  gpointer second = NULL;

  in_thread (take_one, &first);
  in_thread (take_one, &second);
  g_assert_true (first != second);
  memset (first, 1, LSOBS_SLAB_SIZE);
  memset (second, 2, LSOBS_SLAB_SIZE);
  g_assert_cmpint (*(char *) first, ==, 1);
  _lsobs_slab_free (first);
  _lsobs_slab_free (second);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/slab/bounds", test_bounds);
  g_test_add_func ("/slab/threads", test_threads);
  g_test_add_func ("/slab/distinct", test_distinct);
  return g_test_run ();
}
