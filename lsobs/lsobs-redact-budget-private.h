/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The time that the patterns may take for one record, in CPU time of the thread. All
 * texts of a record share one, so that many short texts cost no more than a long one.
 * A new one is all zero. A plain value: not thread-safe. */
typedef struct
{
  gint64 used_ns;
  gint64 allowed_ns; /* beyond what any record may use */
  gint64 start_ns;   /* when what was not measured yet began */
  gsize n_unmeasured;
  gboolean is_used_up;
} LsobsRedactBudget;

#define LSOBS_REDACT_BUDGET_INIT \
 { \
  0, 0, 0, 0, FALSE \
 }

/* What any record may use, and what is added for each byte that a pattern which may be
 * slow searches. A well-written pattern uses at most a tenth of that. */
#define LSOBS_REDACT_BUDGET_NS          (100 * 1000 * 1000)
#define LSOBS_REDACT_BUDGET_NS_PER_BYTE 200

gboolean _lsobs_redact_budget_begin (LsobsRedactBudget *self, gsize n_bytes);
gboolean _lsobs_redact_budget_go_on (LsobsRedactBudget *self, gsize n_bytes);

G_END_DECLS
