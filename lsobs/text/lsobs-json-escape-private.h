/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* The escapes in JSON strings: a backslash and what follows it. */

/* The characters that stand for others after a backslash, and these. */
extern const char _lsobs_json_escapes[G_MAXUINT8 + 1];

gint32 _lsobs_json_escape_parse_hex4 (const char *p, const char *end);
const char *_lsobs_json_escape_decode (LsobsBuffer *out, const char *p, const char *end);

G_END_DECLS
