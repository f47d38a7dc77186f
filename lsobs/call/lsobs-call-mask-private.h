/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

void _lsobs_call_mask_json (LsobsBuffer *out, const char *text, gsize len);
void _lsobs_call_mask_node (LsobsBuffer *out, JsonNode *node);
char *_lsobs_call_mask_text (const char *text);

G_END_DECLS
