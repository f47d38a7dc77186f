/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* What the service shows as the runtime of a run. Thread-safe. */

void _lsobs_runtime_set_language (const char *name, const char *version);
void _lsobs_runtime_write (LsobsBuffer *out);

G_END_DECLS
