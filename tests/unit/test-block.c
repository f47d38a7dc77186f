/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <malloc.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lsobs/core/lsobs-block-private.h"
#include "lsobs/core/lsobs-block-row-private.h"
#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/model/lsobs-capture-private.h"
#include "tests/lib/test-helpers.h"

#define KIB 1024
#define MIB (1024 * KIB)

/* Whether there is a pool to test. */
static gboolean
has_pool (void)
{
  if (!LSOBS_BLOCK_POOLED)
    g_test_skip ("AddressSanitizer sees each block alone");
  return LSOBS_BLOCK_POOLED;
}

static void
clear_pool (void)
{
  _lsobs_block_clear ();
  g_assert_cmpuint (_lsobs_block_get_pool_bytes (), ==, 0);
}

/* A block is not smaller than what was asked for, and not much larger. */
static void
test_sizes (void)
{
  for (gsize size = 0; size < 10 * MIB; size += size / 37 + 1)
    {
      gsize allocated = 0;
      char *block = _lsobs_block_new (size, &allocated);

      g_assert_cmpuint (allocated, >=, size);
      g_assert_cmpuint (allocated, <=, MAX (256, size + size / 8));
      g_assert_cmpuint ((gsize) block % (2 * sizeof (gpointer)), ==, 0);
      memset (block, 'x', allocated);
      _lsobs_block_unref (block);
    }
  _lsobs_block_unref (NULL);
  clear_pool ();
}

static void
test_reuse (void)
{
  gsize allocated;
  gsize same;
  char *first;
  char *second;
  char *third;

  if (!has_pool ())
    return;
  first = _lsobs_block_new (100000, &allocated);
  _lsobs_block_unref (first);
  g_assert_cmpuint (_lsobs_block_get_pool_bytes (), ==, allocated);
  second = _lsobs_block_new (allocated - 1, &same);
  g_assert_true (second == first);
  g_assert_cmpuint (same, ==, allocated);
  g_assert_cmpuint (_lsobs_block_get_pool_bytes (), ==, 0);
  third = _lsobs_block_new (100000, &same);
  g_assert_true (third != second);
  _lsobs_block_unref (second);
  _lsobs_block_unref (third);
  g_assert_cmpuint (_lsobs_block_get_pool_bytes (), ==, 2 * allocated);
  clear_pool ();
}

static void
give_many (gsize size, guint n)
{
  g_autoptr (GPtrArray) blocks = g_ptr_array_new_with_free_func (_lsobs_block_unref);
  gsize allocated;

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (blocks, _lsobs_block_new (size, &allocated));
}

/* What was given back last is kept, also if the pool is full of other sizes. */
static void
test_bound (void)
{
  gsize allocated;
  char *block;

  if (!has_pool ())
    return;
  give_many (MIB, 50);
  g_assert_cmpuint (_lsobs_block_get_pool_bytes (), ==, LSOBS_BLOCK_MAX_POOL_BYTES);
  block = _lsobs_block_new (3 * MIB, &allocated);
  _lsobs_block_unref (block);
  g_assert_cmpuint (_lsobs_block_get_pool_bytes (), <=, LSOBS_BLOCK_MAX_POOL_BYTES);
  g_assert_true (_lsobs_block_new (3 * MIB, &allocated) == block);
  _lsobs_block_unref (block);

  /* too large for the pool */
  clear_pool ();
  give_many (5 * MIB, 1);
  g_assert_cmpuint (_lsobs_block_get_pool_bytes (), ==, 0);
}

/* Returns: the bytes that are allocated in this process */
static gsize
get_allocated (void)
{
  struct mallinfo2 info = mallinfo2 ();

  return info.uordblks + info.hblkhd;
}

/* The numbers of the pool tell what is allocated. */
static void
test_allocated (void)
{
  const gsize slack = MIB; /* what the test may have */
  gsize before;

  if (!has_pool ())
    return;
  clear_pool ();
  before = get_allocated ();
  if (before == 0)
    {
      g_test_skip ("the allocator does not tell");
      return;
    }
  give_many (LSOBS_BLOCK_MAX_SIZE, 20);
  g_assert_cmpuint (get_allocated (), >, before + LSOBS_BLOCK_MAX_POOL_BYTES / 2);
  g_assert_cmpuint (get_allocated (), <, before + LSOBS_BLOCK_MAX_POOL_BYTES + slack);
  give_many (64 * KIB, 1000);
  give_many (300, 1000);
  g_assert_cmpuint (get_allocated (), <, before + LSOBS_BLOCK_MAX_POOL_BYTES + slack);
  _lsobs_block_trim ();
  give_many (LSOBS_BLOCK_MAX_SIZE + 1, 2);
  g_assert_cmpuint (get_allocated (), <, before + LSOBS_BLOCK_IDLE_POOL_BYTES + slack);
  clear_pool ();
  g_assert_cmpuint (get_allocated (), <, before + slack);
}

/* When all is sent, little stays, also of what comes back after that. */
static void
test_idle (void)
{
  g_autoptr (GPtrArray) late = g_ptr_array_new_with_free_func (_lsobs_block_unref);

  if (!has_pool ())
    return;
  /* so little may stay */
  give_many (100000, 2);
  _lsobs_block_trim ();
  g_assert_cmpuint (_lsobs_block_get_pool_bytes (), >=, 2 * 100000);

  give_many (MIB, 4);
  g_assert_cmpuint (_lsobs_block_get_pool_bytes (), >=, 4 * MIB);
  for (guint i = 0; i < 50; i++)
    g_ptr_array_add (late, _lsobs_block_new (256 * KIB, NULL));
  _lsobs_block_trim ();
  g_assert_cmpuint (_lsobs_block_get_pool_bytes (), <=, LSOBS_BLOCK_IDLE_POOL_BYTES);
  g_ptr_array_set_size (late, 25);
  g_assert_cmpuint (_lsobs_block_get_pool_bytes (), <=, LSOBS_BLOCK_IDLE_POOL_BYTES);
  clear_pool ();
  g_ptr_array_set_size (late, 10);
  g_assert_cmpuint (_lsobs_block_get_pool_bytes (), ==, 0);

  /* used again */
  give_many (300, 1);
  g_ptr_array_set_size (late, 0);
  g_assert_cmpuint (_lsobs_block_get_pool_bytes (), >=, 10 * 256 * KIB);
  clear_pool ();
}

/* What is used for a short time may be larger, what is kept may not. */
static void
test_larger (void)
{
  gsize allocated;
  char *large;
  char *other;

  if (!has_pool ())
    return;
  large = _lsobs_block_new (200000, &allocated);
  _lsobs_block_unref (large);
  other = _lsobs_block_new (110000, &allocated);
  g_assert_true (other != large);
  _lsobs_block_unref (other);
  clear_pool ();

  large = _lsobs_block_new (200000, &allocated);
  _lsobs_block_unref (large);
  other = _lsobs_block_new (90000, NULL);
  g_assert_true (other != large);
  _lsobs_block_unref (g_steal_pointer (&other));
  clear_pool ();

  large = _lsobs_block_new (200000, &allocated);
  _lsobs_block_unref (large);
  other = _lsobs_block_new (110000, NULL);
  g_assert_true (other == large);
  _lsobs_block_unref (other);
  clear_pool ();
}

/* Returns: (transfer full): many blocks of the smallest size, all of whose bytes were written */
static GPtrArray *
make_blocks (guint n)
{
  GPtrArray *blocks = g_ptr_array_new_with_free_func (_lsobs_block_unref);

  for (guint i = 0; i < n; i++)
    {
      gsize allocated;
      char *block = _lsobs_block_new (1, &allocated);

      memset (block, (int) i, allocated);
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

/* As many as a batch of records has are all kept, and one that is in use is not used again. */
static void
test_kept (void)
{
  GPtrArray *blocks;
  g_autoptr (GHashTable) known = g_hash_table_new (NULL, NULL);
  g_autoptr (GBytes) bytes = NULL;

  if (!has_pool ())
    return;
  blocks = make_blocks (200);
  for (guint i = 0; i < blocks->len; i++)
    g_hash_table_add (known, g_ptr_array_index (blocks, i));
  g_ptr_array_unref (blocks);
  g_assert_cmpuint (count_reused (known, 200), ==, 200);
  bytes = _lsobs_block_free_to_bytes (_lsobs_block_new (1, NULL), 1);
  g_assert_cmpuint (count_reused (known, 200), ==, 199);
  g_clear_pointer (&bytes, g_bytes_unref);
  clear_pool ();
}

/* Texts are in a few blocks, one after the other, and those come back with the last text. */
static void
test_row (void)
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
  if (!LSOBS_BLOCK_POOLED)
    return;
  /* They need no more than a few blocks. */
  g_assert_cmpuint (n_next, >, 4990);
  g_assert_cmpuint (_lsobs_block_get_pool_bytes (), <, 64 * KIB);
  g_ptr_array_set_size (texts, 0);
  g_assert_cmpuint (_lsobs_block_get_pool_bytes (), >, 300 * KIB);
  clear_pool ();
}

/* Takes and gives back blocks whose bytes no other thread may change. */
static gpointer
use_blocks_cb (gpointer data)
{
  guint8 mark = (guint8) GPOINTER_TO_UINT (data);

  for (guint i = 0; i < 3000; i++)
    {
      gsize sizes[] = { 300, 1000 + i % 5000, 200000, 1000 };
      char *blocks[G_N_ELEMENTS (sizes)];
      gsize allocated;

      for (guint k = 0; k < G_N_ELEMENTS (sizes); k++)
        {
          blocks[k] = _lsobs_block_new (sizes[k], &allocated);
          memset (blocks[k], mark, 64);
          blocks[k][allocated - 1] = (char) mark;
        }
      for (guint k = 0; k < G_N_ELEMENTS (sizes); k++)
        {
          g_assert_cmpuint ((guint8) blocks[k][0], ==, mark);
          g_assert_cmpuint ((guint8) blocks[k][63], ==, mark);
          _lsobs_block_unref (blocks[k]);
        }
      if (i % 1000 == 0)
        _lsobs_block_clear ();
      else if (i % 100 == 0)
        _lsobs_block_trim ();
    }
  return NULL;
}

static void
test_threads (void)
{
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("blocks", use_blocks_cb, GUINT_TO_POINTER (i + 1));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (_lsobs_block_get_pool_bytes (), <=, LSOBS_BLOCK_MAX_POOL_BYTES);
  clear_pool ();
}

/* A child has the pool whole, whatever another thread does meanwhile. */
static void
test_fork (void)
{
  GThread *thread;

  if (!has_pool ())
    return;
  thread = g_thread_new ("blocks", use_blocks_cb, GUINT_TO_POINTER (1));
  for (guint i = 0; i < 20; i++)
    {
      pid_t child = fork ();
      int status;

      g_assert_cmpint (child, >=, 0);
      if (child == 0)
        {
          gsize allocated;
          char *block = _lsobs_block_new (200000, &allocated);

          memset (block, 'x', allocated);
          _lsobs_block_unref (block);
          _lsobs_block_clear ();
          _exit (_lsobs_block_get_pool_bytes () == 0 ? 0 : 1);
        }
      g_assert_cmpint (waitpid (child, &status, 0), ==, child);
      g_assert_true (WIFEXITED (status));
      g_assert_cmpint (WEXITSTATUS (status), ==, 0);
    }
  g_thread_join (thread);
  clear_pool ();
}

static void
test_buffer (void)
{
  g_auto (LsobsBuffer) buffer = LSOBS_BUFFER_INIT_POOLED;
  g_autoptr (GString) expected = g_string_new (NULL);
  g_autoptr (GBytes) bytes = NULL;
  gsize allocated;
  gsize before;

  for (guint i = 0; i < 20000; i++)
    {
      _lsobs_buffer_append_str (&buffer, "0123456789");
      g_string_append (expected, "0123456789");
    }
  allocated = buffer.allocated;
  bytes = _lsobs_buffer_steal_bytes (&buffer);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), expected->str,
                   expected->len);
  g_assert_null (buffer.data);
  _lsobs_buffer_append_c (&buffer, 'x');
  _lsobs_buffer_clear (&buffer);
  before = _lsobs_block_get_pool_bytes ();
  g_clear_pointer (&bytes, g_bytes_unref);
  if (LSOBS_BLOCK_POOLED)
    g_assert_cmpuint (_lsobs_block_get_pool_bytes (), ==, before + allocated);
  clear_pool ();
}

/* Returns: (transfer full): a string of @len bytes, which is two less than its JSON text has */
static JsonNode *
make_text (gsize len)
{
  g_autofree char *text = g_strnfill (len, 'x');

  return json_node_init_string (json_node_alloc (), text);
}

static void
assert_captured (GBytes *bytes, gsize len)
{
  const char *data = g_bytes_get_data (bytes, NULL);

  g_assert_cmpuint (g_bytes_get_size (bytes), ==, len + 2);
  g_assert_cmpint (data[0], ==, '"');
  for (gsize i = 1; i <= len; i++)
    g_assert_cmpint (data[i], ==, 'x');
  g_assert_cmpint (data[len + 1], ==, '"');
}

/* Payloads of all sizes, one after the other and two at a time. */
static void
test_capture_sizes (void)
{
  g_autoptr (GBytes) before = NULL;
  gsize before_len = 0;

  for (guint i = 0; i < 200; i++)
    {
      gsize len = i % 2 == 0 ? (gsize) g_test_rand_int_range (0, 3 * MIB / (i + 1))
                             : (gsize) g_test_rand_int_range (0, 2000);
      g_autoptr (JsonNode) node = make_text (len);
      GBytes *bytes = _lsobs_capture_node (node, G_MAXSIZE, NULL);

      assert_captured (bytes, len);
      if (before != NULL)
        assert_captured (before, before_len);
      g_clear_pointer (&before, g_bytes_unref);
      before = bytes;
      before_len = len;
    }
}

/* What a large payload is written into is what is queued, and the next payload gets it again. */
static void
test_capture_again (void)
{
  const gsize sizes[] = { 1000, 20000, 100000, 1000000 };

  if (!has_pool ())
    return;
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (JsonNode) node = make_text (sizes[i]);
      g_autoptr (GBytes) first = NULL;
      g_autoptr (GBytes) second = NULL;
      gconstpointer data;
      gsize n_pooled;

      /* Now the size is expected. */
      g_bytes_unref (_lsobs_capture_node (node, G_MAXSIZE, NULL));
      first = _lsobs_capture_node (node, G_MAXSIZE, NULL);
      data = g_bytes_get_data (first, NULL);
      g_clear_pointer (&first, g_bytes_unref);
      n_pooled = _lsobs_block_get_pool_bytes ();
      for (guint k = 0; k < 10; k++)
        {
          second = _lsobs_capture_node (node, G_MAXSIZE, NULL);
          g_assert_true (g_bytes_get_data (second, NULL) == data);
          assert_captured (second, sizes[i]);
          g_clear_pointer (&second, g_bytes_unref);
          g_assert_cmpuint (_lsobs_block_get_pool_bytes (), ==, n_pooled);
        }
    }
}

/* A payload that is too large leaves no block behind with the thread. */
static void
test_capture_placeholder (void)
{
  g_autoptr (JsonNode) node = make_text (MIB);
  g_autoptr (GBytes) bytes = _lsobs_capture_node (node, MIB, NULL);

  g_assert_cmpstr (g_bytes_get_data (bytes, NULL), ==,
                   "{\"__truncated__\":true,\"bytes\":1048576}");
}

static gboolean
has_shrunk (gpointer data)
{
  return _lsobs_block_get_pool_bytes () <= *(const gsize *) data;
}

/* The memory of large payloads goes back to the system when nothing happens any more. */
static void
test_worker (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) node = make_text (MIB);
  gsize idle = LSOBS_BLOCK_IDLE_POOL_BYTES;
  gsize nothing = 0;

  if (!has_pool ())
    return;
  test_fixture_start (fixture);
  for (guint i = 0; i < 4; i++)
    {
      g_bytes_unref (_lsobs_capture_node (node, G_MAXSIZE, NULL));
      test_emit (fixture->exporter, "run");
    }
  give_many (MIB, 4);
  test_assert_flush (fixture->exporter, 4);
  g_assert_true (test_wait_until (has_shrunk, &idle, TEST_TIMEOUT_MS));

  /* and all of it with the last worker */
  give_many (1000, 4);
  g_assert_true (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_clear_object (&fixture->exporter);
  g_assert_true (test_wait_until (has_shrunk, &nothing, TEST_TIMEOUT_MS));
}

/* What the polls of a context are for, beside a file that is ready. */
static guint n_alarms;     /* polls that have waited for a time */
static gboolean is_asleep; /* the last poll would have waited without end */

static gint
rest_poll (GPollFD *fds, guint n_fds, gint timeout)
{
  int n_ready;

  is_asleep = FALSE;
  if (timeout >= 0)
    {
      n_ready = g_poll (fds, n_fds, timeout);
      if (timeout > 0 && n_ready == 0)
        n_alarms++;
      return n_ready;
    }
  n_ready = g_poll (fds, n_fds, 0);
  is_asleep = n_ready == 0;
  return n_ready;
}

/* After the last record, the worker looks once more whether there is another one. Then nothing wakes
 * it, however much memory was used. */
static void
test_rest (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (LsobsMemoryTransport) memory = lsobs_memory_transport_new ();

  g_main_context_set_poll_func (context, rest_poll);
  lsobs_config_set_flush_interval (fixture->config, 20);
  test_fixture_start_with (fixture, LSOBS_TRANSPORT (memory), context);
  for (guint i = 0; i < 3; i++)
    {
      guint64 n_delivered = test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED);

      for (guint k = 0; k < 4; k++)
        test_emit (fixture->exporter, "run");
      while (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED) < n_delivered + 4)
        g_main_context_iteration (context, TRUE);
      give_many (MIB, 4);
      n_alarms = 0;
      is_asleep = FALSE;
      while (!is_asleep)
        g_main_context_iteration (context, TRUE);
      g_assert_cmpuint (n_alarms, <=, 1);
      g_assert_cmpuint (_lsobs_block_get_pool_bytes (), <=, LSOBS_BLOCK_IDLE_POOL_BYTES);
    }
}

/* A text that is written in its place lies there; one that becomes too long is not in the row. */
static void
test_row_lend (void)
{
  LsobsBlockRow row = { NULL };
  LsobsBuffer buffer;
  g_autofree char *filling = g_strnfill (1000, 'x');
  g_autoptr (GBytes) first = NULL;
  g_autoptr (GBytes) second = NULL;
  g_autoptr (GBytes) third = NULL;

  if (!has_pool ())
    return;
  g_assert_true (_lsobs_block_row_lend (&row, 10, &buffer));
  _lsobs_buffer_append_str (&buffer, "first");
  first = _lsobs_block_row_take (&row, &buffer);
  g_assert_null (buffer.data);

  /* What is not taken leaves no trace. */
  g_assert_true (_lsobs_block_row_lend (&row, 10, &buffer));
  _lsobs_buffer_append_str (&buffer, "dropped");
  _lsobs_buffer_clear (&buffer);

  g_assert_true (_lsobs_block_row_lend (&row, 10, &buffer));
  _lsobs_buffer_append_str (&buffer, "long");
  while (buffer.lent)
    _lsobs_buffer_append (&buffer, filling, 1000);
  g_assert_cmpuint (buffer.len, <=, 64 * 1024);
  g_assert_cmpmem (buffer.data, 5, "longx", 5);
  second = _lsobs_buffer_steal_bytes (&buffer);
  g_assert_cmpmem (g_bytes_get_data (second, NULL), 5, "longx", 5);

  third = _lsobs_block_row_add (&row, "third", 5);
  g_assert_true ((const char *) g_bytes_get_data (third, NULL) ==
                 (const char *) g_bytes_get_data (first, NULL) + strlen ("first"));
  g_assert_cmpmem (g_bytes_get_data (first, NULL), g_bytes_get_size (first), "first", 5);
  g_assert_cmpmem (g_bytes_get_data (third, NULL), g_bytes_get_size (third), "third", 5);
  g_assert_false (_lsobs_block_row_lend (&row, 64 * 1024, &buffer));
  _lsobs_block_row_clear (&row);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/block/sizes", test_sizes);
  g_test_add_func ("/block/reuse", test_reuse);
  g_test_add_func ("/block/bound", test_bound);
  g_test_add_func ("/block/allocated", test_allocated);
  g_test_add_func ("/block/idle", test_idle);
  g_test_add_func ("/block/larger", test_larger);
  g_test_add_func ("/block/kept", test_kept);
  g_test_add_func ("/block/row", test_row);
  g_test_add_func ("/block/row-lend", test_row_lend);
  g_test_add_func ("/block/threads", test_threads);
  g_test_add_func ("/block/fork", test_fork);
  g_test_add_func ("/block/buffer", test_buffer);
  g_test_add_func ("/block/capture/sizes", test_capture_sizes);
  g_test_add_func ("/block/capture/again", test_capture_again);
  g_test_add_func ("/block/capture/placeholder", test_capture_placeholder);
  g_test_add ("/block/rest", TestFixture, NULL, test_fixture_set_up, test_rest,
              test_fixture_tear_down);
  g_test_add ("/block/worker", TestFixture, NULL, test_fixture_set_up, test_worker,
              test_fixture_tear_down);

  return g_test_run ();
}
