/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/api/lsobs-exporter-private.h"
#include "lsobs/lsobs-run.h"

G_BEGIN_DECLS

/* The handle of a run. It lies behind its info, in the same memory, and the record of its start behind
 * both. */
struct _LsobsRun
{
  int ref_count;           /* (atomic) see _lsobs_ref_init() */
  LsobsExporter *exporter; /* (owned) held, see _lsobs_exporter_hold() */
  LsobsRunInfo *info;      /* (owned) */
  int status;              /* (atomic) LsobsRunStatus. Who changes the annotations holds their lock
                                  * and sees that the run has not ended; who ends it takes the lock
                                  * after that */
  int is_ended_by_wrap;    /* (atomic) the program has not ended the run itself, but left that to
                                  * lsobs_run_wrap() */
  LsobsAnnotations
      *annotations; /* (owned) (nullable) (atomic) %NULL until the first one is set. A run
                                  * that is not sampled has those that propagate to other
                                  * processes */
};

/* How a run starts. A member that is not set is absent. */
typedef struct
{
  LsobsRun *parent;                /* (nullable) */
  const LsobsRemoteParent *remote; /* (nullable) a parent in another process, instead of @parent */
  const char *name;
  LsobsRunType run_type;
  const char *kind;     /* (nullable) the program's word for what the run does, instead of
                        * @run_type */
  JsonNode *inputs;     /* (nullable) inputs as a tree */
  GBytes *inputs_json;  /* (nullable) inputs as JSON text, instead of @inputs */
  const char *project;  /* (nullable) of a root: instead of the one of the config */
  LsobsRun *earlier;    /* (nullable) of a root: an earlier root for the same work, whose project it
                        * has */
  gboolean is_left_out; /* set by _lsobs_run_start(): the trace is not sent */
} LsobsRunStart;

/* How a run ends. A member that is not set is absent. */
typedef struct
{
  JsonNode *outputs;    /* (nullable) outputs as a tree */
  GBytes *outputs_json; /* (nullable) outputs as JSON text, instead of @outputs */
  const char *error;    /* (nullable) the text of the error of a run that failed */
  const GError *cause;  /* (nullable) the GError that @error is the message of */
  gint64 duration_ms;   /* or -1 to measure it */
  gint64 end_time;      /* when it ended, as _lsobs_run_info_get_now() gave it then; 0: now */
} LsobsRunEnd;

LsobsRun *_lsobs_run_start (LsobsExporter *exporter, const LsobsRunStart *start);
LsobsRun *_lsobs_run_start_holding (LsobsExporter *exporter, const LsobsRunStart *start);
void _lsobs_run_finish (LsobsRun *self, const LsobsRunEnd *end);
gboolean _lsobs_run_is_forked (LsobsRun *self);
gboolean _lsobs_run_samples_children (LsobsRun *self);

LsobsAnnotations *_lsobs_run_ensure_annotations (LsobsRun *self);
gboolean _lsobs_run_lock_annotations (LsobsRun *self);
void _lsobs_run_unlock_annotations (LsobsRun *self, gboolean kept);

G_END_DECLS
