/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The time that the patterns which may be slow take for one record, in CPU time of the
 * thread. All texts of a record share one, so that many short texts cost no more than a long
 * one. Only the time from begin() to end() counts. A new one is all zero. A plain value: not
 * thread-safe. */
typedef struct
{
  gint64 used_ns;
  gint64 allowed_ns; /* in addition to what every record may use */
  gint64 start_ns;   /* when the part of the search that is not counted yet began */
  gsize n_unmeasured;
  guint weight;   /* how many searches this one stands for; 0: it is not timed */
  guint32 random; /* decides which searches are timed; 0: not seeded yet */
  gboolean is_used_up;
  gint64 (*get_time) (void); /* (nullable) ns; NULL: the CPU time of the thread */
} LsobsRedactBudget;

#define LSOBS_REDACT_BUDGET_INIT \
 { \
  .used_ns = 0 \
 }

/* What every record may use, and what it may use in addition for each search and for each
 * byte of it. A well-written pattern uses at most a tenth of that. */
#define LSOBS_REDACT_BUDGET_NS            (100 * 1000 * 1000)
#define LSOBS_REDACT_BUDGET_NS_PER_SEARCH 2000
#define LSOBS_REDACT_BUDGET_NS_PER_BYTE   200

gboolean _lsobs_redact_budget_begin (LsobsRedactBudget *self, gsize n_bytes);
gboolean _lsobs_redact_budget_go_on (LsobsRedactBudget *self, gsize n_bytes);
gboolean _lsobs_redact_budget_can_take (LsobsRedactBudget *self, guint factor);
void _lsobs_redact_budget_end (LsobsRedactBudget *self);

G_END_DECLS
