/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/api/lsobs-exporter-private.h"
#include "lsobs/lsobs-run.h"

G_BEGIN_DECLS

/* It lies behind its info, in the same piece of memory. */
struct _LsobsRun
{
  gatomicrefcount ref_count;
  LsobsExporter *exporter; /* (owned) */
  LsobsRunInfo *info;      /* (owned) */
  int status;              /* (atomic) LsobsRunStatus; leaves running under the lock
                            * of the notes */
  LsobsAnnotations *notes; /* (owned) (nullable) (atomic) of a run that is sampled, or that
                            * has something to go along to other processes even so */
};

/* How a run is started or ended; what is not set is not there. */
typedef struct
{
  JsonNode *node;      /* (nullable) a payload as a tree */
  GBytes *json;        /* (nullable) a payload as text; one of the two at most */
  const char *error;   /* (nullable) */
  const GError *cause; /* (nullable) what the error came from */
  const char *kind;    /* (nullable) what the run does, in the program's own word */
  gint64 duration_ms;  /* or -1 */
} LsobsRunPayload;

LsobsRun *_lsobs_run_start (LsobsExporter *exporter,
                            LsobsRun *parent,
                            const char *name,
                            LsobsRunType run_type,
                            const LsobsRunPayload *inputs);
LsobsRun *_lsobs_run_start_of_kind (LsobsExporter *exporter,
                                    LsobsRun *parent,
                                    const char *name,
                                    const char *kind,
                                    JsonNode *inputs);
LsobsRun *_lsobs_run_start_remote (LsobsExporter *exporter,
                                   const LsobsRemoteParent *parent,
                                   const char *name,
                                   LsobsRunType run_type,
                                   const LsobsRunPayload *inputs);
void _lsobs_run_finish (LsobsRun *self, const LsobsRunPayload *outputs);
gboolean _lsobs_run_is_foreign (LsobsRun *self);

/* for what is noted on a run */
GBytes *_lsobs_run_capture (LsobsRun *self, const LsobsRunPayload *payload);
gboolean _lsobs_run_keeps_metadata (LsobsRun *self, const char *key);
gboolean _lsobs_run_lock_if_running (LsobsRun *self);
void _lsobs_run_unlock_after_note (LsobsRun *self, gboolean taken);
void _lsobs_run_take_metadata (LsobsRun *self, const char *key, GBytes *value, gboolean inherited);
GBytes *_lsobs_run_write_string (const char *text);

G_END_DECLS
