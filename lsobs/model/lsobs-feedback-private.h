/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-feedback.h"
#include "lsobs/model/lsobs-run-info-private.h"

G_BEGIN_DECLS

typedef enum
{
  LSOBS_SCORE_NONE,
  LSOBS_SCORE_NUMBER,
  LSOBS_SCORE_BOOLEAN
} LsobsScoreKind;

/* The payloads are JSON text. What is in a record is a copy that never changes. */
struct _LsobsFeedback
{
  gatomicrefcount ref_count;

  LsobsId id;
  char id_text[LSOBS_UUID_LEN + 1];
  gint64 created_at; /* µs since 1970 */
  char *run_id;      /* (owned) */
  char *trace_id;    /* (owned) */
  char *key;         /* (owned) */

  LsobsScoreKind score_kind;
  double score;       /* a boolean is 0 or 1 */
  GBytes *value;      /* (owned) (nullable) */
  char *comment;      /* (owned) (nullable) */
  GBytes *correction; /* (owned) (nullable) */
  LsobsFeedbackSource source;
  GBytes *metadata;    /* (owned) (nullable) of the source */
  char *project_id;    /* (owned) (nullable) */
  gint64 start_time;   /* µs since 1970, or 0: of the run */
  char *experiment_id; /* (owned) (nullable) */
  char *group_id;      /* (owned) (nullable) */
  GBytes *config;      /* (owned) (nullable) */
  GBytes *extra;       /* (owned) (nullable) */
  gboolean is_error;
  gboolean keep_retention; /* the trace is not to be kept longer for it */

  LsobsRunInfo *run; /* (owned) (nullable) of a run that has a handle ... */
  GObject *exporter; /* (owned) (nullable) ... and where its records go */
};

LsobsFeedback *_lsobs_feedback_new_for_run (LsobsRunInfo *run, GObject *exporter, const char *key);
LsobsFeedback *_lsobs_feedback_copy (LsobsFeedback *self);
gboolean _lsobs_feedback_check (LsobsFeedback *self,
                                LsobsId *run_id,
                                LsobsId *trace_id,
                                GError **error);
gsize _lsobs_feedback_measure (LsobsFeedback *self);

/* What the service takes, each (nullable). */
gboolean _lsobs_feedback_is_value (GBytes *json);
gboolean _lsobs_feedback_is_correction (GBytes *json);
gboolean _lsobs_feedback_is_config (GBytes *json);

G_END_DECLS
