/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <malloc.h>
#include <string.h>

#include "lsobs/core/lsobs-block-private.h"

#define KIB           1024
#define MAX_KEPT      (32 * 1024 * KIB)
#define MAX_KEPT_IDLE (1024 * KIB)
#define SLACK         (1024 * KIB) /* what the test and the first idle memory may have */

/* The smallest blocks, in the order in which they were made. */
static GPtrArray *
make_blocks (guint n)
{
  GPtrArray *blocks = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_block_unref);

  for (guint i = 0; i < n; i++)
    {
      LsobsBlock *block = _lsobs_block_new (1);

      /* All of it may be written to. */
      memset (_lsobs_block_peek_data (block), (int) i, 64 * KIB);
      g_ptr_array_add (blocks, block);
    }
  return blocks;
}

/* Returns: how many of the next blocks are among those at the addresses in @known */
static guint
count_reused (GHashTable *known, guint n)
{
  g_autoptr (GPtrArray) blocks = make_blocks (n);
  guint n_reused = 0;

  for (guint i = 0; i < n; i++)
    if (g_hash_table_contains (known, g_ptr_array_index (blocks, i)))
      n_reused++;
  return n_reused;
}

/* Returns: (transfer full): the addresses */
static GHashTable *
get_addresses (GPtrArray *blocks)
{
  GHashTable *known = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < blocks->len; i++)
    g_hash_table_add (known, g_ptr_array_index (blocks, i));
  return known;
}

static void
test_block_kept (void)
{
  GPtrArray *blocks = make_blocks (20);
  g_autoptr (GHashTable) known = get_addresses (blocks);
  g_autoptr (GBytes) bytes = NULL;

  g_ptr_array_unref (blocks);
  g_assert_cmpuint (count_reused (known, 20), ==, 20);
  /* One that is in use is not used again. */
  bytes = _lsobs_block_free_to_bytes (_lsobs_block_new (1), 1);
  g_assert_cmpuint (count_reused (known, 20), ==, 19);
}

/* Returns: the bytes that are allocated in this process */
static gsize
get_allocated (void)
{
  struct mallinfo2 info = mallinfo2 ();

  return info.uordblks + info.hblkhd;
}

/* Makes blocks and frees them. */
static void
use_memory (gsize size, guint n, gboolean trim)
{
  g_autoptr (GPtrArray) blocks =
      g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_block_unref);

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (blocks, _lsobs_block_new (size));
  if (trim)
    _lsobs_block_trim ();
}

/* What is kept is bounded, and comes down to a small number when all is sent, also if blocks come
 * back later. */
static void
test_block_bounds (void)
{
  gsize before;

  _lsobs_block_trim ();
  before = get_allocated ();
  if (before == 0)
    {
      g_test_skip ("the allocator does not tell");
      return;
    }
  use_memory (LSOBS_BLOCK_MAX_SIZE, 20, FALSE);
  g_assert_cmpuint (get_allocated (), >, before + MAX_KEPT / 2);
  g_assert_cmpuint (get_allocated (), <, before + MAX_KEPT + SLACK);
  use_memory (64 * KIB, 1000, FALSE);
  g_assert_cmpuint (get_allocated (), <, before + MAX_KEPT + SLACK);
  /* Larger ones are not kept. */
  _lsobs_block_trim ();
  use_memory (LSOBS_BLOCK_MAX_SIZE + 1, 2, FALSE);
  g_assert_cmpuint (get_allocated (), <, before + MAX_KEPT_IDLE + SLACK);
  use_memory (256 * KIB, 50, TRUE);
  g_assert_cmpuint (get_allocated (), <, before + MAX_KEPT_IDLE + SLACK);
}

static void
test_block_row (void)
{
  LsobsBlockRow row = { NULL, 0 };
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autofree char *large = g_strnfill (300 * KIB, 'l');
  const char *before = NULL;
  guint n_next = 0;

  for (guint i = 0; i < 5000; i++)
    {
      g_autofree char *text = g_strdup_printf ("text %u of a row", i);

      g_ptr_array_add (texts, _lsobs_block_row_add (&row, text, strlen (text)));
      if (i == 2500)
        g_ptr_array_add (texts, _lsobs_block_row_add (&row, large, 300 * KIB));
    }
  _lsobs_block_row_clear (&row);
  for (guint i = 0, j = 0; i < texts->len; i++)
    {
      gsize len;
      const char *text = g_bytes_get_data (g_ptr_array_index (texts, i), &len);
      g_autofree char *expected = NULL;

      if (len == 300 * KIB)
        {
          g_assert_cmpmem (text, len, large, 300 * KIB);
          continue;
        }
      expected = g_strdup_printf ("text %u of a row", j++);
      g_assert_cmpmem (text, len, expected, strlen (expected));
      n_next += text == before ? 1 : 0;
      before = text + len;
    }
  /* They need no more than a few blocks. */
  g_assert_cmpuint (n_next, >, 4990);
}

static gpointer
use_blocks (gpointer data)
{
  int *n_alive = data;

  for (guint i = 0; i < 20000; i++)
    {
      LsobsBlock *block = _lsobs_block_new ((gsize) 1 << (10 + i % 9));
      char *text = _lsobs_block_peek_data (block);
      GBytes *bytes;

      /* Nobody else has it. */
      memcpy (text, &block, sizeof block);
      if (i % 1000 == 0)
        _lsobs_block_trim ();
      g_assert_cmpmem (text, sizeof block, &block, sizeof block);
      bytes = _lsobs_block_free_to_bytes (block, 8);
      g_bytes_unref (bytes);
    }
  g_atomic_int_dec_and_test (n_alive);
  return NULL;
}

static void
test_block_threads (void)
{
  GThread *threads[4];
  int n_alive = G_N_ELEMENTS (threads);

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("blocks", use_blocks, &n_alive);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpint (n_alive, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/block/kept", test_block_kept);
  g_test_add_func ("/block/bounds", test_block_bounds);
  g_test_add_func ("/block/row", test_block_row);
  g_test_add_func ("/block/threads", test_block_threads);

  return g_test_run ();
}
