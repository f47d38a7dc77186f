/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-exporter-private.h"
#include "lsobs/lsobs-run.h"

G_BEGIN_DECLS

/* How a run is started or ended; what is not set is not there. */
typedef struct
{
  JsonNode *node;      /* (nullable) a payload as a tree */
  GBytes *json;        /* (nullable) a payload as text; one of the two at most */
  const char *error;   /* (nullable) */
  gint64 duration_ms;  /* or -1 */
} LsobsRunPayload;

LsobsRun *_lsobs_run_start      (LsobsExporter         *exporter,
                                 LsobsRun              *parent,
                                 const char            *name,
                                 LsobsRunType           run_type,
                                 const LsobsRunPayload *inputs);
void      _lsobs_run_finish     (LsobsRun              *self,
                                 const LsobsRunPayload *outputs);
gboolean  _lsobs_run_is_foreign (LsobsRun              *self);

G_END_DECLS
