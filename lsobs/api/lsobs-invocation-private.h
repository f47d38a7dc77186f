/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-exporter.h"
#include "lsobs/lsobs-invocation.h"

G_BEGIN_DECLS

LsobsInvocation *_lsobs_invocation_new (LsobsExporter *exporter, const char *name, JsonNode *input);

G_END_DECLS
