/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Limits the CPU time that redaction takes for one record. All texts of a record share a budget,
 * so that many short texts cost no more than a long one. Only searches with patterns that may be
 * slow count, each from begin() to end(). A new budget is all zero. A plain value, used by one
 * thread at a time. */
typedef struct
{
  gint64 used_ns;
  gint64 allowed_ns;  /* in addition to LSOBS_REDACT_BUDGET_NS */
  gint64 start_ns;    /* the beginning of the part of the search that is not in used_ns yet */
  gsize n_unmeasured; /* the length of that part in bytes */
  guint weight;       /* the number of searches that this search represents; 0: it is not timed */
  guint32 random;     /* selects the searches that are timed; 0: not seeded yet */
  gboolean is_used_up;
  gint64 (*get_time) (void); /* (nullable) in ns; NULL: the CPU time of the thread */
} LsobsRedactBudget;

#define LSOBS_REDACT_BUDGET_INIT \
 { \
  .used_ns = 0 \
 }

/* The time that each record may take, and the additional time for each search and for each byte
 * of its text. A well-written pattern takes at most a tenth of it. */
#define LSOBS_REDACT_BUDGET_NS            (100 * 1000 * 1000)
#define LSOBS_REDACT_BUDGET_NS_PER_SEARCH 2000
#define LSOBS_REDACT_BUDGET_NS_PER_BYTE   200

/* Returns the time, in ns, that a search takes at most. */
typedef gint64 (*LsobsRedactBudgetFunc) (gpointer data);

gboolean _lsobs_redact_budget_begin (LsobsRedactBudget *self, gsize n_bytes);
gboolean _lsobs_redact_budget_go_on (LsobsRedactBudget *self, gsize n_bytes);
gboolean _lsobs_redact_budget_can_take (LsobsRedactBudget *self, guint factor);
void _lsobs_redact_budget_end (LsobsRedactBudget *self,
                               LsobsRedactBudgetFunc get_max_ns,
                               gpointer data);

G_END_DECLS
