/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/core/lsobs-chunk-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/model/lsobs-capture-private.h"
#include "tests/lib/test-helpers.h"

#define MIB (1024 * 1024)

/* Whether there is a pool to test. */
static gboolean
has_pool (void)
{
  if (!LSOBS_CHUNK_POOLED)
    g_test_skip ("AddressSanitizer sees each chunk alone");
  return LSOBS_CHUNK_POOLED;
}

static void
clear_pool (void)
{
  _lsobs_chunk_clear ();
  g_assert_cmpuint (_lsobs_chunk_get_pool_bytes (), ==, 0);
}

/* A chunk is not smaller than what was asked for, and not much larger. */
static void
test_sizes (void)
{
  for (gsize size = 0; size < 10 * MIB; size += size / 37 + 1)
    {
      gsize allocated = 0;
      char *chunk = _lsobs_chunk_take (size, &allocated);

      g_assert_cmpuint (allocated, >=, size);
      g_assert_cmpuint (allocated, <=, MAX (256, size + size / 8));
      g_assert_cmpuint ((gsize) chunk % (2 * sizeof (gpointer)), ==, 0);
      memset (chunk, 'x', allocated);
      _lsobs_chunk_give_back (chunk);
    }
  _lsobs_chunk_give_back (NULL);
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
  first = _lsobs_chunk_take (100000, &allocated);
  _lsobs_chunk_give_back (first);
  g_assert_cmpuint (_lsobs_chunk_get_pool_bytes (), ==, allocated);
  second = _lsobs_chunk_take (allocated - 1, &same);
  g_assert_true (second == first);
  g_assert_cmpuint (same, ==, allocated);
  g_assert_cmpuint (_lsobs_chunk_get_pool_bytes (), ==, 0);
  third = _lsobs_chunk_take (100000, &same);
  g_assert_true (third != second);
  _lsobs_chunk_give_back (second);
  _lsobs_chunk_give_back (third);
  g_assert_cmpuint (_lsobs_chunk_get_pool_bytes (), ==, 2 * allocated);
  clear_pool ();
}

static void
give_many (gsize size, guint n)
{
  g_autoptr (GPtrArray) chunks = g_ptr_array_new_with_free_func (_lsobs_chunk_give_back);
  gsize allocated;

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (chunks, _lsobs_chunk_take (size, &allocated));
}

/* What was given back last is kept. */
static void
test_bound (void)
{
  gsize allocated;
  char *chunk;

  if (!has_pool ())
    return;
  give_many (MIB, 50);
  g_assert_cmpuint (_lsobs_chunk_get_pool_bytes (), ==, LSOBS_CHUNK_MAX_POOL_BYTES);
  chunk = _lsobs_chunk_take (3 * MIB, &allocated);
  _lsobs_chunk_give_back (chunk);
  g_assert_cmpuint (_lsobs_chunk_get_pool_bytes (), <=, LSOBS_CHUNK_MAX_POOL_BYTES);
  g_assert_true (_lsobs_chunk_take (3 * MIB, &allocated) == chunk);
  _lsobs_chunk_give_back (chunk);

  /* too large for the pool */
  clear_pool ();
  give_many (5 * MIB, 1);
  g_assert_cmpuint (_lsobs_chunk_get_pool_bytes (), ==, 0);
}

static void
test_idle (void)
{
  const gint64 now = G_USEC_PER_SEC;

  if (!has_pool ())
    return;
  /* so little may stay */
  give_many (100000, 2);
  g_assert_cmpint (_lsobs_chunk_trim (now), ==, -1);
  g_assert_cmpuint (_lsobs_chunk_get_pool_bytes (), >, 0);

  give_many (MIB, 4);
  g_assert_cmpint (_lsobs_chunk_trim (now), ==, now + LSOBS_CHUNK_IDLE_TIME);
  g_assert_cmpint (_lsobs_chunk_trim (now + 5), ==, now + LSOBS_CHUNK_IDLE_TIME);
  /* used again meanwhile */
  give_many (MIB, 1);
  g_assert_cmpint (_lsobs_chunk_trim (now + 10), ==, now + 10 + LSOBS_CHUNK_IDLE_TIME);
  g_assert_cmpuint (_lsobs_chunk_get_pool_bytes (), >=, 4 * MIB);
  g_assert_cmpint (_lsobs_chunk_trim (now + 10 + LSOBS_CHUNK_IDLE_TIME), ==, -1);
  g_assert_cmpuint (_lsobs_chunk_get_pool_bytes (), <=, LSOBS_CHUNK_IDLE_POOL_BYTES);
  g_assert_cmpint (_lsobs_chunk_trim (now + 20 * LSOBS_CHUNK_IDLE_TIME), ==, -1);
  clear_pool ();
}

/* Takes and gives back chunks whose bytes no other thread may change. */
static gpointer
use_chunks_cb (gpointer data)
{
  guint8 mark = (guint8) GPOINTER_TO_UINT (data);

  for (guint i = 0; i < 3000; i++)
    {
      gsize sizes[] = { 300, 1000 + i % 5000, 200000, 1000 };
      char *chunks[G_N_ELEMENTS (sizes)];
      gsize allocated;

      for (guint k = 0; k < G_N_ELEMENTS (sizes); k++)
        {
          chunks[k] = _lsobs_chunk_take (sizes[k], &allocated);
          memset (chunks[k], mark, 64);
          chunks[k][allocated - 1] = (char) mark;
        }
      for (guint k = 0; k < G_N_ELEMENTS (sizes); k++)
        {
          g_assert_cmpuint ((guint8) chunks[k][0], ==, mark);
          g_assert_cmpuint ((guint8) chunks[k][63], ==, mark);
          _lsobs_chunk_give_back (chunks[k]);
        }
      if (i % 1000 == 0)
        _lsobs_chunk_clear ();
    }
  return NULL;
}

static void
test_threads (void)
{
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("chunks", use_chunks_cb, GUINT_TO_POINTER (i + 1));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (_lsobs_chunk_get_pool_bytes (), <=, LSOBS_CHUNK_MAX_POOL_BYTES);
  clear_pool ();
}

/* A child has the pool whole, whatever another thread does meanwhile. */
static void
test_fork (void)
{
  GThread *thread = g_thread_new ("chunks", use_chunks_cb, GUINT_TO_POINTER (1));

  for (guint i = 0; i < 20; i++)
    {
      pid_t child = fork ();
      int status;

      g_assert_cmpint (child, >=, 0);
      if (child == 0)
        {
          gsize allocated;
          char *chunk = _lsobs_chunk_take (200000, &allocated);

          memset (chunk, 'x', allocated);
          _lsobs_chunk_give_back (chunk);
          _lsobs_chunk_clear ();
          _exit (_lsobs_chunk_get_pool_bytes () == 0 ? 0 : 1);
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
  clear_pool ();
  g_clear_pointer (&bytes, g_bytes_unref);
  if (LSOBS_CHUNK_POOLED)
    g_assert_cmpuint (_lsobs_chunk_get_pool_bytes (), ==, allocated);
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
      n_pooled = _lsobs_chunk_get_pool_bytes ();
      for (guint k = 0; k < 10; k++)
        {
          second = _lsobs_capture_node (node, G_MAXSIZE, NULL);
          g_assert_true (g_bytes_get_data (second, NULL) == data);
          assert_captured (second, sizes[i]);
          g_clear_pointer (&second, g_bytes_unref);
          g_assert_cmpuint (_lsobs_chunk_get_pool_bytes (), ==, n_pooled);
        }
    }
}

/* A payload that is too large leaves no chunk behind with the thread. */
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
  return _lsobs_chunk_get_pool_bytes () <= *(const gsize *) data;
}

/* The memory of large payloads goes back to the system when nothing happens any more. */
static void
test_worker (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) node = make_text (MIB);
  gsize idle = LSOBS_CHUNK_IDLE_POOL_BYTES;
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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/chunk/sizes", test_sizes);
  g_test_add_func ("/chunk/reuse", test_reuse);
  g_test_add_func ("/chunk/bound", test_bound);
  g_test_add_func ("/chunk/idle", test_idle);
  g_test_add_func ("/chunk/threads", test_threads);
  g_test_add_func ("/chunk/fork", test_fork);
  g_test_add_func ("/chunk/buffer", test_buffer);
  g_test_add_func ("/chunk/capture/sizes", test_capture_sizes);
  g_test_add_func ("/chunk/capture/again", test_capture_again);
  g_test_add_func ("/chunk/capture/placeholder", test_capture_placeholder);
  g_test_add ("/chunk/worker", TestFixture, NULL, test_fixture_set_up, test_worker,
              test_fixture_tear_down);

  return g_test_run ();
}
