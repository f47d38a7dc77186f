/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <time.h>

#include "lsobs/text/lsobs-redact-budget-private.h"

/* Reading the clock takes as long as searching some hundred bytes. So a long search reads it once
 * in MEASURED_BYTES, and only some of the short searches are timed: one in MAX_WEIGHT of the
 * shortest, whose time then counts MAX_WEIGHT times. The random numbers that select them depend
 * on the clock, so that no text can be made to avoid the measurement. */
#define MEASURED_BYTES 1024
#define TIMED_BYTES    256
#define MAX_WEIGHT     16

/* Time that counts several times is checked from this limit on: the clock also counts time in which
 * a virtual machine does not have its processor. */
#define UNCHECKED_NS (20 * 1000)

static gint64
get_time (LsobsRedactBudget *self)
{
  struct timespec now = { 0, 0 };

  if (self->get_time != NULL)
    return self->get_time ();
  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return (gint64) now.tv_sec * 1000000000 + now.tv_nsec;
}

static guint32
next_random (LsobsRedactBudget *self)
{
  if (self->random == 0)
    self->random = (guint32) get_time (self) | 1;
  self->random ^= self->random << 13;
  self->random ^= self->random >> 17;
  self->random ^= self->random << 5;
  return self->random;
}

/* @max_ns: what the search may have taken */
static void
measure (LsobsRedactBudget *self, gint64 now, gint64 max_ns)
{
  self->used_ns += self->weight * MIN (now - self->start_ns, max_ns);
  self->start_ns = now;
  self->n_unmeasured = 0;
  if (self->used_ns > LSOBS_REDACT_BUDGET_NS + self->allowed_ns)
    self->is_used_up = TRUE;
}

/* Called at the beginning of a search in @n_bytes of text. If it returns TRUE, the caller calls
 * end() after the search.
 * Returns: FALSE if the budget is used up */
gboolean
_lsobs_redact_budget_begin (LsobsRedactBudget *self, gsize n_bytes)
{
  guint weight = (guint) CLAMP (TIMED_BYTES / MAX (n_bytes, 1), 1, MAX_WEIGHT);

  self->allowed_ns +=
      LSOBS_REDACT_BUDGET_NS_PER_SEARCH + LSOBS_REDACT_BUDGET_NS_PER_BYTE * (gint64) n_bytes;
  if (self->is_used_up)
    return FALSE;
  self->n_unmeasured = 0;
  self->weight = weight == 1 || next_random (self) % weight == 0 ? weight : 0;
  if (self->weight > 0)
    self->start_ns = get_time (self);
  return TRUE;
}

/* Called for each match, which ends @n_bytes after the one before.
 * Returns: FALSE if the budget is used up */
gboolean
_lsobs_redact_budget_go_on (LsobsRedactBudget *self, gsize n_bytes)
{
  self->n_unmeasured += n_bytes;
  if (self->weight > 0 && self->n_unmeasured >= MEASURED_BYTES)
    measure (self, get_time (self), G_MAXINT64);
  return !self->is_used_up;
}

/* Whether the rest of the budget is enough for @factor times the time since begin(). Called in a
 * search of a long text, which is always timed, before the first match. */
gboolean
_lsobs_redact_budget_can_take (LsobsRedactBudget *self, guint factor)
{
  gint64 taken = (get_time (self) - self->start_ns) * factor;

  return self->used_ns + taken <= LSOBS_REDACT_BUDGET_NS + self->allowed_ns;
}

/* Ends the search.
 * @get_max_ns: returns what the search may have taken: found out without a clock. It is called only
 *   if the time seems to be long, and counts more than once.
 * @data: for @get_max_ns */
void
_lsobs_redact_budget_end (LsobsRedactBudget *self, LsobsRedactBudgetFunc get_max_ns, gpointer data)
{
  gint64 max_ns = G_MAXINT64;
  gint64 now;

  if (self->weight == 0)
    return;
  now = get_time (self);
  if (self->weight > 1 && now - self->start_ns > UNCHECKED_NS)
    max_ns = get_max_ns (data);
  measure (self, now, max_ns);
}
