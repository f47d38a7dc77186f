/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

gboolean _lsobs_json_copy_plain (LsobsBuffer *out,
                                 const char *text,
                                 gsize len,
                                 gsize max_string_bytes);

G_END_DECLS
