/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <time.h>

#include "lsobs/lsobs-redact-budget-private.h"

/* To ask for the time takes as long as to search some hundred bytes. */
#define MEASURED_BYTES 1024

static gint64
get_thread_time (void)
{
  struct timespec now = { 0, 0 };

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return (gint64) now.tv_sec * 1000000000 + now.tv_nsec;
}

static void
measure (LsobsRedactBudget *self)
{
  gint64 now = get_thread_time ();

  self->used_ns += now - self->start_ns;
  self->start_ns = now;
  self->n_unmeasured = 0;
  if (self->used_ns > LSOBS_REDACT_BUDGET_NS + self->allowed_ns)
    self->is_used_up = TRUE;
}

/* A search is about to begin. FALSE: there is no time left for it. */
gboolean
_lsobs_redact_budget_begin (LsobsRedactBudget *self, gsize n_bytes)
{
  if (self->start_ns == 0)
    self->start_ns = get_thread_time ();
  else if (self->n_unmeasured >= MEASURED_BYTES)
    measure (self);

  self->allowed_ns += LSOBS_REDACT_BUDGET_NS_PER_BYTE * (gint64) n_bytes;
  self->n_unmeasured += n_bytes;
  return !self->is_used_up;
}

/* A search has found something, @n_bytes further on. FALSE: there is no time left to go
 * on. */
gboolean
_lsobs_redact_budget_go_on (LsobsRedactBudget *self, gsize n_bytes)
{
  self->n_unmeasured += n_bytes;
  if (self->n_unmeasured >= MEASURED_BYTES)
    measure (self);
  return !self->is_used_up;
}
