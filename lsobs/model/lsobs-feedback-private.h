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

/* The payloads are JSON text. The program may change its feedback at any time; records have
 * copies, which do not change. */
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
  double score;       /* FALSE is 0, TRUE is 1 */
  GBytes *value;      /* (owned) (nullable) */
  char *comment;      /* (owned) (nullable) */
  GBytes *correction; /* (owned) (nullable) */
  LsobsFeedbackSource source;
  GBytes *metadata;    /* (owned) (nullable) about the source */
  char *project_id;    /* (owned) (nullable) */
  gint64 start_time;   /* of the run: µs since 1970, or 0 if not known */
  char *experiment_id; /* (owned) (nullable) */
  char *group_id;      /* (owned) (nullable) */
  GBytes *config;      /* (owned) (nullable) */
  GBytes *extra;       /* (owned) (nullable) */
  gboolean is_error;
  gboolean keep_retention; /* TRUE: the service does not keep the trace longer for it */

  LsobsRunInfo *run; /* (owned) (nullable) set if made from an LsobsRun */
  GObject *exporter; /* (owned) (nullable) the exporter of @run; set with it */
};

LsobsFeedback *_lsobs_feedback_new_for_run (LsobsRunInfo *run, GObject *exporter, const char *key);
LsobsFeedback *_lsobs_feedback_copy (LsobsFeedback *self);
gboolean _lsobs_feedback_check (LsobsFeedback *self,
                                LsobsId *run_id,
                                LsobsId *trace_id,
                                GError **error);
gsize _lsobs_feedback_measure (LsobsFeedback *self);

gboolean _lsobs_feedback_is_value (GBytes *json);
gboolean _lsobs_feedback_is_correction (GBytes *json);
gboolean _lsobs_feedback_is_config (GBytes *json);

G_END_DECLS
