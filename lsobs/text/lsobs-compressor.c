/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#ifdef HAVE_ZSTD
# include <zstd.h>
#endif

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/text/lsobs-compressor-private.h"

/* Smaller bodies are not compressed. */
#define MIN_SIZE 1024

/* The highest level of gzip. */
#define MAX_GZIP_LEVEL 9

/* At high levels, zstd needs hundreds of MiB for a large body. More memory than this is freed
 * after the body. */
#define MAX_KEPT (16 * 1024 * 1024)

struct _LsobsCompressor
{
  LsobsCompression kind;
  int level;
  GConverter *gzip; /* (owned) (nullable) */
#ifdef HAVE_ZSTD
  ZSTD_CCtx *zstd; /* (owned) (nullable) */
#endif
};

/* @kind: gzip or zstd */
gboolean
_lsobs_compression_is_built_in (LsobsCompression kind)
{
#ifdef HAVE_ZSTD
  return kind == LSOBS_COMPRESSION_GZIP || kind == LSOBS_COMPRESSION_ZSTD;
#else
  return kind == LSOBS_COMPRESSION_GZIP;
#endif
}

/* Returns: the name for the header Content-Encoding */
const char *
_lsobs_compression_get_name (LsobsCompression kind)
{
  return kind == LSOBS_COMPRESSION_ZSTD ? "zstd" : "gzip";
}

/* @kind: one for which _lsobs_compression_is_built_in() is TRUE
 * @level: a level of zstd, from 1 to 22; gzip uses its highest level for all above */
LsobsCompressor *
_lsobs_compressor_new (LsobsCompression kind, int level)
{
  LsobsCompressor *self = g_new0 (LsobsCompressor, 1);

  g_assert (_lsobs_compression_is_built_in (kind));
  self->kind = kind;
  self->level = level;
  return self;
}

void
_lsobs_compressor_free (LsobsCompressor *self)
{
  g_clear_object (&self->gzip);
#ifdef HAVE_ZSTD
  ZSTD_freeCCtx (self->zstd);
#endif
  g_free (self);
}

/* Returns: the number of bytes written; 0 if the result needs more than @size bytes */
static gsize
run_gzip (LsobsCompressor *self, GBytes *body, guint8 *out, gsize size)
{
  gsize len;
  const guint8 *data = g_bytes_get_data (body, &len);
  GConverterResult result = G_CONVERTER_CONVERTED;
  gsize n_read = 0;
  gsize n_written = 0;

  if (self->gzip == NULL)
    self->gzip = G_CONVERTER (
        g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, MIN (self->level, MAX_GZIP_LEVEL)));
  g_converter_reset (self->gzip);
  while (result == G_CONVERTER_CONVERTED && n_written < size)
    {
      gsize more_read, more_written;

      result = g_converter_convert (self->gzip, data + n_read, len - n_read, out + n_written,
                                    size - n_written, G_CONVERTER_INPUT_AT_END, &more_read,
                                    &more_written, NULL);
      if (result == G_CONVERTER_ERROR)
        break;
      n_read += more_read;
      n_written += more_written;
    }
  return result == G_CONVERTER_FINISHED ? n_written : 0;
}

#ifdef HAVE_ZSTD
/* Returns: the number of bytes written; 0 if the result needs more than @size bytes */
static gsize
run_zstd (LsobsCompressor *self, GBytes *body, guint8 *out, gsize size)
{
  gsize len;
  const guint8 *data = g_bytes_get_data (body, &len);
  LsobsForkGuard *guard;
  gsize n_written;

  if (self->zstd == NULL)
    self->zstd = ZSTD_createCCtx ();
  if (self->zstd == NULL)
    return 0;
  /* Compression may take long and calls no function of GLib. Another thread may fork meanwhile. */
  guard = _lsobs_fork_guard_open ();
  n_written = ZSTD_compressCCtx (self->zstd, out, size, data, len, self->level);
  _lsobs_fork_guard_close (guard);
  if (ZSTD_sizeof_CCtx (self->zstd) > MAX_KEPT)
    {
      ZSTD_freeCCtx (self->zstd);
      self->zstd = NULL;
    }
  return ZSTD_isError (n_written) ? 0 : n_written;
}
#endif

/* Returns: (transfer full) (nullable): NULL if the result is not smaller than @body */
GBytes *
_lsobs_compressor_run (LsobsCompressor *self, GBytes *body)
{
  gsize size = g_bytes_get_size (body);
  g_autofree guint8 *out = NULL;
  gsize n_written;

  if (size < MIN_SIZE)
    return NULL;
  /* A result of the same size is useless. */
  out = g_malloc (size - 1);
#ifdef HAVE_ZSTD
  if (self->kind == LSOBS_COMPRESSION_ZSTD)
    n_written = run_zstd (self, body, out, size - 1);
  else
#endif
    n_written = run_gzip (self, body, out, size - 1);
  if (n_written == 0)
    return NULL;
  /* Shrink: the body is kept until delivered. */
  out = g_realloc (out, n_written);
  return g_bytes_new_take (g_steal_pointer (&out), n_written);
}
