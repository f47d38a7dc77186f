/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-types.h"

G_BEGIN_DECLS

/* Compresses one request body after the other and keeps the memory that this takes. Used by one
 * thread at a time. */
typedef struct _LsobsCompressor LsobsCompressor;

gboolean _lsobs_compression_is_built_in (LsobsCompression kind);
const char *_lsobs_compression_get_name (LsobsCompression kind);

GBytes *_lsobs_compression_decode (const char *encoding, GBytes *data, gsize max_bytes);

LsobsCompressor *_lsobs_compressor_new (LsobsCompression kind, int level);
void _lsobs_compressor_free (LsobsCompressor *self);
gboolean _lsobs_compressor_run (LsobsCompressor *self, GBytes *body, GBytes **result);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsCompressor, _lsobs_compressor_free)

G_END_DECLS
