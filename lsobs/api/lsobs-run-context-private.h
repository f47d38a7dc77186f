/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-exporter.h"
#include "lsobs/lsobs-run-context.h"

G_BEGIN_DECLS

LsobsRun *_lsobs_run_context_ref (LsobsExporter *exporter);

G_END_DECLS
