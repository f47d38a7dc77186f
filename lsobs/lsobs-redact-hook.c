/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/lsobs-redact-hook-private.h"

struct _LsobsRedactHook
{
  gatomicrefcount ref_count;

  LsobsRedactFunc func;
  gpointer user_data;
  GDestroyNotify notify;   /* (nullable) */
};

LsobsRedactHook *
_lsobs_redact_hook_new (LsobsRedactFunc func,
                        gpointer        user_data,
                        GDestroyNotify  notify)
{
  LsobsRedactHook *self = g_new0 (LsobsRedactHook, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->func = func;
  self->user_data = user_data;
  self->notify = notify;
  return self;
}

LsobsRedactHook *
_lsobs_redact_hook_ref (LsobsRedactHook *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_redact_hook_unref (LsobsRedactHook *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  if (self->notify != NULL)
    self->notify (self->user_data);
  g_free (self);
}

/* @value: the function's own, which it may change
 * Returns: (transfer full) (nullable): %NULL: nothing of it may be sent */
JsonNode *
_lsobs_redact_hook_call (LsobsRedactHook *self,
                         const char      *field,
                         JsonNode        *value)
{
  return self->func (field, value, self->user_data);
}
