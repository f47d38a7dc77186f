/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Compressing bodies: what comes out again is what went in. */

#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-work-limit-private.h"
#include "lsobs/text/lsobs-compressor-private.h"
#include "tests/lib/test-utils.h"
#include "tests/lib/zstd-helpers.h"

#define MIB (1024 * 1024)

typedef struct
{
  LsobsCompression kind;
  int level;
} Kind;

static gboolean
skip_missing (const Kind *kind)
{
  if (_lsobs_compression_is_built_in (kind->kind))
    return FALSE;
  g_test_skip ("lsobs was built without it");
  return TRUE;
}

static GBytes *
unpack (LsobsCompression kind, GBytes *packed)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = NULL;

  if (kind == LSOBS_COMPRESSION_ZSTD)
    {
      bytes = test_unzstd (packed, &error);
    }
  else
    {
      g_autoptr (GConverter) converter =
          G_CONVERTER (g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP));
      g_autoptr (GInputStream) raw = g_memory_input_stream_new_from_bytes (packed);
      g_autoptr (GInputStream) stream = g_converter_input_stream_new (raw, converter);
      g_autoptr (GOutputStream) out = g_memory_output_stream_new_resizable ();

      g_output_stream_splice (out, stream, G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, NULL, &error);
      bytes = g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (out));
    }
  g_assert_no_error (error);

  return g_steal_pointer (&bytes);
}

/* (transfer full) (nullable) */
static GBytes *
run (LsobsCompressor *compressor, GBytes *body)
{
  GBytes *packed;

  g_assert_true (_lsobs_compressor_run (compressor, body, &packed));
  return packed;
}

static void
assert_round_trip (LsobsCompressor *compressor, const Kind *kind, GBytes *body)
{
  g_autoptr (GBytes) packed = run (compressor, body);
  g_autoptr (GBytes) again = NULL;

  g_assert_nonnull (packed);
  g_assert_cmpuint (g_bytes_get_size (packed), <, g_bytes_get_size (body));
  again = unpack (kind->kind, packed);
  g_assert_true (g_bytes_equal (again, body));
}

/* (transfer full): text that a body could be made of, the same for the same number */
static GBytes *
make_body (gsize size, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  GString *text = g_string_sized_new (size + 100);

  while (text->len < size)
    g_string_append_printf (text, "{\"id\":\"%08x\",\"name\":\"step %d\",\"text\":\"%c\"},",
                            g_rand_int (rand), g_rand_int_range (rand, 0, 50),
                            (char) g_rand_int_range (rand, 'a', 'z'));
  g_string_truncate (text, size);

  return g_string_free_to_bytes (text);
}

static GBytes *
make_noise (gsize size)
{
  guint8 *data = g_malloc (size);

  for (gsize i = 0; i < size; i++)
    data[i] = (guint8) g_test_rand_int_range (0, 256);

  return g_bytes_new_take (data, size);
}

/* --- tests --------------------------------------------------------------------------------- */

/* One after the other with the same compressor, which keeps nothing of the last one. */
static void
test_round_trips (gconstpointer data)
{
  static const gsize sizes[] = { 1024, 1025, 5000, 100, 70000, MIB + 1, 1024, 3 * MIB, 4096 };
  const Kind *kind = data;
  g_autoptr (LsobsCompressor) compressor = NULL;

  if (skip_missing (kind))
    return;
  compressor = _lsobs_compressor_new (kind->kind, kind->level);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (GBytes) body = make_body (sizes[i], i);

      if (sizes[i] < 1024)
        g_assert_null (run (compressor, body));
      else
        assert_round_trip (compressor, kind, body);
    }
}

/* The whole multipart body of the protocol's example. */
static void
test_example (gconstpointer data)
{
  const Kind *kind = data;
  g_autoptr (LsobsCompressor) compressor = NULL;
  g_autoptr (GBytes) body = test_data_load ("example-c-multipart.bin");

  if (skip_missing (kind))
    return;
  g_assert_cmpuint (g_bytes_get_size (body), ==, 4255);
  compressor = _lsobs_compressor_new (kind->kind, kind->level);
  assert_round_trip (compressor, kind, body);
}

/* The same bytes each time, so that a retry and a dump can be compared. */
static void
test_same (gconstpointer data)
{
  const Kind *kind = data;
  g_autoptr (LsobsCompressor) compressor = NULL;
  g_autoptr (LsobsCompressor) other = NULL;
  g_autoptr (GBytes) body = make_body (50000, 1);
  g_autoptr (GBytes) first = NULL;
  g_autoptr (GBytes) second = NULL;
  g_autoptr (GBytes) third = NULL;

  if (skip_missing (kind))
    return;
  compressor = _lsobs_compressor_new (kind->kind, kind->level);
  other = _lsobs_compressor_new (kind->kind, kind->level);
  first = run (compressor, body);
  second = run (compressor, body);
  third = run (other, body);
  g_assert_true (g_bytes_equal (first, second));
  g_assert_true (g_bytes_equal (first, third));
}

static gboolean
is_asked_again (gpointer user_data)
{
  return ++*(guint *) user_data % 2 == 0;
}

/* It stops when it is time, and goes on; the result is the same. */
static void
test_stop (gconstpointer data)
{
  const Kind *kind = data;
  g_autoptr (LsobsCompressor) compressor = NULL;
  g_autoptr (GBytes) body = make_body (3 * MIB, 1);
  g_autoptr (GBytes) other = make_body (3 * MIB, 2);
  g_autoptr (GBytes) whole = NULL;
  g_autoptr (GBytes) packed = NULL;
  guint n_asked = 0;
  guint n_stops = 0;
  LsobsWorkLimit limit = { .is_over = is_asked_again, .user_data = &n_asked };

  if (skip_missing (kind))
    return;
  compressor = _lsobs_compressor_new (kind->kind, kind->level);
  whole = run (compressor, body);
  _lsobs_work_limit_enter (&limit);
  /* what is left unfinished is forgotten */
  g_assert_false (_lsobs_compressor_run (compressor, other, &packed));
  while (!_lsobs_compressor_run (compressor, body, &packed))
    n_stops++;
  _lsobs_work_limit_leave (&limit);
  g_assert_cmpuint (n_stops, >, 5);
  g_assert_true (g_bytes_equal (whole, packed));
  /* nor does it begin when the time is over */
  limit = (LsobsWorkLimit){ .deadline = 1 };
  _lsobs_work_limit_enter (&limit);
  g_assert_false (_lsobs_compressor_run (compressor, body, &packed));
  _lsobs_work_limit_leave (&limit);
  assert_round_trip (compressor, kind, other);
}

/* What cannot be made smaller is left as it is, and does no harm to what comes after. */
static void
test_noise (gconstpointer data)
{
  const Kind *kind = data;
  g_autoptr (LsobsCompressor) compressor = NULL;
  g_autoptr (GBytes) body = make_body (5000, 1);

  if (skip_missing (kind))
    return;
  compressor = _lsobs_compressor_new (kind->kind, kind->level);
  for (gsize size = 1024; size < MIB; size *= 3)
    {
      g_autoptr (GBytes) noise = make_noise (size);

      g_assert_null (run (compressor, noise));
      assert_round_trip (compressor, kind, body);
    }
}

static void
test_names (void)
{
  g_assert_cmpstr (_lsobs_compression_get_name (LSOBS_COMPRESSION_GZIP), ==, "gzip");
  g_assert_cmpstr (_lsobs_compression_get_name (LSOBS_COMPRESSION_ZSTD), ==, "zstd");
  g_assert_true (_lsobs_compression_is_built_in (LSOBS_COMPRESSION_GZIP));
  g_assert_false (_lsobs_compression_is_built_in (LSOBS_COMPRESSION_NONE));
  g_assert_false (_lsobs_compression_is_built_in (LSOBS_COMPRESSION_AUTO));
#ifdef HAVE_ZSTD
  g_assert_true (_lsobs_compression_is_built_in (LSOBS_COMPRESSION_ZSTD));
#else
  g_assert_false (_lsobs_compression_is_built_in (LSOBS_COMPRESSION_ZSTD));
#endif
}

/* One that was never used. */
static void
test_unused (gconstpointer data)
{
  const Kind *kind = data;

  if (!skip_missing (kind))
    _lsobs_compressor_free (_lsobs_compressor_new (kind->kind, kind->level));
}

static void
add (const char *name, const Kind *kind, void (*test) (gconstpointer data))
{
  g_autofree char *path = g_strdup_printf ("/compress/%s/%s-%d", name,
                                           _lsobs_compression_get_name (kind->kind), kind->level);

  g_test_add_data_func (path, kind, test);
}

int
main (int argc, char **argv)
{
  static const Kind kinds[] = {
    { LSOBS_COMPRESSION_GZIP, 1 }, { LSOBS_COMPRESSION_GZIP, 9 }, { LSOBS_COMPRESSION_GZIP, 22 },
    { LSOBS_COMPRESSION_ZSTD, 1 }, { LSOBS_COMPRESSION_ZSTD, 9 }, { LSOBS_COMPRESSION_ZSTD, 22 },
  };

  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/compress/names", test_names);
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      add ("round-trips", &kinds[i], test_round_trips);
      add ("example", &kinds[i], test_example);
      add ("same", &kinds[i], test_same);
      add ("stop", &kinds[i], test_stop);
      add ("noise", &kinds[i], test_noise);
      add ("unused", &kinds[i], test_unused);
    }

  return g_test_run ();
}
