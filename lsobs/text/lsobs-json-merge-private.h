/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

void _lsobs_json_merge (LsobsBuffer *out,
                        const char *base,
                        gsize base_len,
                        const char *over,
                        gsize over_len);
GBytes *_lsobs_json_merge_bytes (GBytes *base, GBytes *over);

G_END_DECLS
