/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-types.h>

G_BEGIN_DECLS

LSOBS_AVAILABLE_IN_0_1
JsonNode *lsobs_json_redact (JsonNode *node, GRegex *regex);
LSOBS_AVAILABLE_IN_0_1
JsonNode *lsobs_json_truncate (JsonNode *node, gsize max_bytes);
LSOBS_AVAILABLE_IN_0_1
JsonNode *lsobs_json_ensure_object (JsonNode *node);

G_END_DECLS
