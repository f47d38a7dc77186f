/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "tests/lib/zstd-helpers.h"

#ifdef HAVE_ZSTD

# include <zstd.h>

/* As a stream, as a service would; it also tells when the data goes on behind the end, or ends early. */
GBytes *
test_unzstd (GBytes *bytes, GError **error)
{
  ZSTD_DCtx *context = ZSTD_createDCtx ();
  g_autoptr (GByteArray) out = g_byte_array_new ();
  ZSTD_inBuffer in = { NULL, 0, 0 };
  gsize rest = 1;
  guint8 buffer[16384];

  in.src = g_bytes_get_data (bytes, &in.size);
  while (rest != 0 && !ZSTD_isError (rest))
    {
      ZSTD_outBuffer piece = { buffer, sizeof buffer, 0 };
      gsize before = in.pos;

      rest = ZSTD_decompressStream (context, &piece, &in);
      g_byte_array_append (out, buffer, (guint) piece.pos);
      if (in.pos == before && piece.pos == 0)
        break;
    }
  ZSTD_freeDCtx (context);
  if (rest == 0 && in.pos == in.size)
    return g_byte_array_free_to_bytes (g_steal_pointer (&out));
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "this is not one zstd frame");
  return NULL;
}

#else

GBytes *
test_unzstd (GBytes *bytes G_GNUC_UNUSED, GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "there is no zstd here");
  return NULL;
}

#endif
