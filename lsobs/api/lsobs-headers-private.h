/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/api/lsobs-run-private.h"
#include "lsobs/lsobs-headers.h"

G_BEGIN_DECLS

gboolean _lsobs_run_write_headers (LsobsRun *self, gsize max_baggage, char **trace, char **baggage);
LsobsRun *_lsobs_observer_start_run_from_values (LsobsObserver *self,
                                                 const char *trace,
                                                 const char *baggage,
                                                 const char *name,
                                                 LsobsRunType run_type,
                                                 JsonNode *inputs);

G_END_DECLS
