/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is stored, as the records that services of LangSmith take. */

#pragma once

#include "lsobs/core/lsobs-buffer-private.h"

#include "tools/store/feedback.h"
#include "tools/store/run.h"

G_BEGIN_DECLS

/* What is not sent on, as the variables of the environment say. */
typedef struct
{
  gboolean hide_inputs;
  gboolean hide_outputs;
  gboolean hide_metadata;
} RecordMask;

/* Appends a run.
 * @run: whole
 * @project: the name, or the address of an agent */
void record_text_put_run (LsobsBuffer *out,
                          const Run *run,
                          const char *project,
                          const RecordMask *mask);
/* Appends only which run it is, and where it is in its trace: an update that changes nothing. */
void record_text_put_place (LsobsBuffer *out, const Run *run);
/* Appends feedback. The id of a project is left out: that of another service is another one. */
void record_text_put_feedback (LsobsBuffer *out, const Feedback *feedback, const LsobsId *trace_id);

G_END_DECLS
