/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#ifdef HAVE_ZSTD
# include <zstd.h>
#endif

#include "lsobs/core/lsobs-block-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-work-limit-private.h"
#include "lsobs/text/lsobs-compressor-private.h"

/* Smaller bodies are not compressed. */
#define MIN_SIZE 1024

/* The highest level of gzip. */
#define MAX_GZIP_LEVEL 9

/* At high levels, zstd needs hundreds of MiB for a large body. More memory than this is freed
 * after the body. */
#define MAX_KEPT (16 * 1024 * 1024)

/* How much of a body is compressed at a time, in bytes. */
#define STEP (256 * 1024)

struct _LsobsCompressor
{
  LsobsCompression kind;
  int level;
  GConverter *gzip; /* (owned) (nullable) */
#ifdef HAVE_ZSTD
  ZSTD_CCtx *zstd; /* (owned) (nullable) */
#endif

  GBytes *body; /* (owned) (nullable) under way */
  gsize n_read; /* of it */
  char *out;    /* (owned) (nullable) while a body is under way */
  gsize size;   /* that the result may have: one of the size of the body is useless */
  gsize n_written;
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
  g_clear_pointer (&self->body, g_bytes_unref);
  g_clear_pointer (&self->out, _lsobs_block_unref);
  g_free (self);
}

/* What became of a body after one more step. */
typedef enum
{
  STEP_MORE,
  STEP_DONE,
  STEP_USELESS /* the result is not smaller, or there is no memory for it */
} StepResult;

static void
begin_gzip (LsobsCompressor *self)
{
  if (self->gzip == NULL)
    self->gzip = G_CONVERTER (
        g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, MIN (self->level, MAX_GZIP_LEVEL)));
  g_converter_reset (self->gzip);
}

static StepResult
step_gzip (LsobsCompressor *self)
{
  gsize len;
  const guint8 *data = g_bytes_get_data (self->body, &len);
  gsize end = MIN (len, self->n_read + STEP);
  GConverterFlags flags = end == len ? G_CONVERTER_INPUT_AT_END : G_CONVERTER_NO_FLAGS;

  while (self->n_read < end || end == len)
    {
      gsize n_read, n_written;
      GConverterResult result;

      if (self->n_written == self->size)
        return STEP_USELESS;
      result = g_converter_convert (self->gzip, data + self->n_read, end - self->n_read,
                                    self->out + self->n_written, self->size - self->n_written,
                                    flags, &n_read, &n_written, NULL);
      if (result == G_CONVERTER_ERROR)
        return STEP_USELESS;
      self->n_read += n_read;
      self->n_written += n_written;
      if (result == G_CONVERTER_FINISHED)
        return STEP_DONE;
    }
  return STEP_MORE;
}

#ifdef HAVE_ZSTD
static gboolean
begin_zstd (LsobsCompressor *self)
{
  if (self->zstd == NULL)
    self->zstd = ZSTD_createCCtx ();
  if (self->zstd == NULL)
    return FALSE;
  ZSTD_CCtx_reset (self->zstd, ZSTD_reset_session_only);
  ZSTD_CCtx_setParameter (self->zstd, ZSTD_c_compressionLevel, self->level);
  ZSTD_CCtx_setPledgedSrcSize (self->zstd, g_bytes_get_size (self->body));
  return TRUE;
}

static StepResult
step_zstd (LsobsCompressor *self)
{
  gsize len;
  const guint8 *data = g_bytes_get_data (self->body, &len);
  gsize end = MIN (len, self->n_read + STEP);
  ZSTD_inBuffer in = { data, end, self->n_read };
  ZSTD_outBuffer out = { self->out, self->size, self->n_written };
  LsobsForkGuard *guard;
  gsize left;

  /* Compression may take long and calls no function of GLib. Another thread may fork meanwhile. */
  guard = _lsobs_fork_guard_open ();
  do
    left = ZSTD_compressStream2 (self->zstd, &out, &in, end == len ? ZSTD_e_end : ZSTD_e_continue);
  while (!ZSTD_isError (left) && out.pos < out.size && (end == len ? left > 0 : in.pos < in.size));
  _lsobs_fork_guard_close (guard);
  self->n_read = in.pos;
  self->n_written = out.pos;
  if (ZSTD_isError (left) || (end == len ? left > 0 : in.pos < in.size))
    return STEP_USELESS;
  return end == len ? STEP_DONE : STEP_MORE;
}

static void
trim_zstd (LsobsCompressor *self)
{
  if (self->zstd == NULL || ZSTD_sizeof_CCtx (self->zstd) <= MAX_KEPT)
    return;
  ZSTD_freeCCtx (self->zstd);
  self->zstd = NULL;
}
#endif

static gboolean
begin_body (LsobsCompressor *self, GBytes *body)
{
  g_clear_pointer (&self->body, g_bytes_unref);
  g_clear_pointer (&self->out, _lsobs_block_unref);
  self->body = g_bytes_ref (body);
  self->size = g_bytes_get_size (body) - 1;
  self->out = _lsobs_block_new (self->size, NULL);
  self->n_read = self->n_written = 0;
#ifdef HAVE_ZSTD
  if (self->kind == LSOBS_COMPRESSION_ZSTD)
    return begin_zstd (self);
#endif
  begin_gzip (self);
  return TRUE;
}

static StepResult
step (LsobsCompressor *self)
{
#ifdef HAVE_ZSTD
  if (self->kind == LSOBS_COMPRESSION_ZSTD)
    return step_zstd (self);
#endif
  return step_gzip (self);
}

/* Returns: (transfer full) (nullable) */
static GBytes *
finish_body (LsobsCompressor *self, StepResult last)
{
  char *out = g_steal_pointer (&self->out);
  GBytes *result = NULL;

  g_clear_pointer (&self->body, g_bytes_unref);
#ifdef HAVE_ZSTD
  trim_zstd (self);
#endif
  /* A copy of its size: the body is kept until delivered. */
  if (last == STEP_DONE)
    result = g_bytes_new (out, self->n_written);
  _lsobs_block_unref (out);
  return result;
}

/* Stops when the work limit of this thread is over. The next call with the same body goes on there;
 * one with another body begins with that.
 * @result: (out) (transfer full) (nullable): set at the end: NULL if it is not smaller than @body
 * Returns: whether the end is reached */
gboolean
_lsobs_compressor_run (LsobsCompressor *self, GBytes *body, GBytes **result)
{
  StepResult last = STEP_MORE;

  *result = NULL;
  if (g_bytes_get_size (body) < MIN_SIZE)
    return TRUE;
  if (_lsobs_work_limit_is_over ())
    return FALSE;
  if (self->body != body && !begin_body (self, body))
    last = STEP_USELESS;
  while (last == STEP_MORE)
    {
      last = step (self);
      if (last == STEP_MORE && _lsobs_work_limit_is_over ())
        return FALSE;
    }
  *result = finish_body (self, last);
  return TRUE;
}

/* --- the way back --- */

/* There may be several members one after another.
 * Returns: FALSE if @data is malformed, or longer than @max_bytes */
static gboolean
decode_gzip (GBytes *data, gsize max_bytes, GByteArray *out)
{
  g_autoptr (GConverter) gzip =
      G_CONVERTER (g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP));
  gsize left;
  const guint8 *at = g_bytes_get_data (data, &left);
  GConverterResult result;

  do
    {
      gsize n_read, n_written;
      guint len = out->len;

      g_byte_array_set_size (out, len + STEP);
      result = g_converter_convert (gzip, at, left, out->data + len, STEP, G_CONVERTER_INPUT_AT_END,
                                    &n_read, &n_written, NULL);
      if (result == G_CONVERTER_ERROR)
        return FALSE;
      g_byte_array_set_size (out, len + (guint) n_written);
      at += n_read;
      left -= n_read;
      if (result == G_CONVERTER_FINISHED && left > 0)
        {
          g_converter_reset (gzip);
          result = G_CONVERTER_CONVERTED;
        }
    }
  while (result != G_CONVERTER_FINISHED && out->len <= max_bytes);
  return result == G_CONVERTER_FINISHED && out->len <= max_bytes;
}

#ifdef HAVE_ZSTD
/* There may be several frames one after another. */
static gboolean
decode_zstd (GBytes *data, gsize max_bytes, GByteArray *out)
{
  ZSTD_DStream *zstd = ZSTD_createDStream ();
  ZSTD_inBuffer in = { g_bytes_get_data (data, NULL), g_bytes_get_size (data), 0 };
  gsize left = 1;
  gboolean stuck = zstd == NULL;

  while (!stuck && (left != 0 || in.pos < in.size) && out->len <= max_bytes)
    {
      guint len = out->len;
      gsize before = in.pos;
      ZSTD_outBuffer buffer;

      g_byte_array_set_size (out, len + STEP);
      buffer = (ZSTD_outBuffer){ out->data + len, STEP, 0 };
      left = ZSTD_decompressStream (zstd, &buffer, &in);
      stuck = ZSTD_isError (left) || (buffer.pos == 0 && in.pos == before);
      g_byte_array_set_size (out, len + (guint) buffer.pos);
    }
  ZSTD_freeDStream (zstd);
  return !stuck && left == 0 && out->len <= max_bytes;
}
#endif

/* @encoding: (nullable): the value of Content-Encoding
 * @data: of another program
 * Returns: (transfer full) (nullable): the body before compression; NULL if @data is malformed, is
 *   longer than @max_bytes then, or has another encoding */
GBytes *
_lsobs_compression_decode (const char *encoding, GBytes *data, gsize max_bytes)
{
  g_autoptr (GByteArray) out = NULL;
  gboolean decoded = FALSE;

  if (encoding == NULL)
    return g_bytes_ref (data);
  out = g_byte_array_new ();
  if (strcmp (encoding, "gzip") == 0)
    decoded = decode_gzip (data, max_bytes, out);
#ifdef HAVE_ZSTD
  else if (strcmp (encoding, "zstd") == 0)
    decoded = decode_zstd (data, max_bytes, out);
#endif
  return decoded ? g_byte_array_free_to_bytes (g_steal_pointer (&out)) : NULL;
}
