/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/text/lsobs-json-cuts-private.h"

G_BEGIN_DECLS

void _lsobs_json_path_write_cuts (LsobsBuffer *out,
                                  const LsobsJsonCuts *cuts,
                                  const char *prefix,
                                  const char *text,
                                  gsize len);

G_END_DECLS
