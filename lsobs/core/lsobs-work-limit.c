/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-work-limit-private.h"

/* (nullable) the innermost limit of this thread */
static __thread LsobsWorkLimit *limits;

/* @self: lives until _lsobs_work_limit_leave(), which this thread calls */
void
_lsobs_work_limit_enter (LsobsWorkLimit *self)
{
  self->outer = limits;
  limits = self;
}

void
_lsobs_work_limit_leave (LsobsWorkLimit *self)
{
  g_assert (limits == self);
  limits = self->outer;
}

/* Whether the innermost limit of this thread is over: a flush inside a function of the program that
 * the sending of another observer has called has its own time. */
gboolean
_lsobs_work_limit_is_over (void)
{
  if (limits == NULL)
    return FALSE;
  return (limits->deadline != 0 && g_get_monotonic_time () >= limits->deadline) ||
         (limits->is_over != NULL && limits->is_over (limits->user_data));
}
