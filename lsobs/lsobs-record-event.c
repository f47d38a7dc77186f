/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/lsobs-record-event-private.h"

/* Takes @details over. */
LsobsRecordEvent *
_lsobs_record_event_new (const char *name,
                         gint64      time,
                         GBytes     *details)
{
  LsobsRecordEvent *self = g_new0 (LsobsRecordEvent, 1);

  self->name = g_strdup (name);
  self->time = time;
  self->details = details;
  return self;
}

void
_lsobs_record_event_free (LsobsRecordEvent *self)
{
  g_free (self->name);
  g_clear_pointer (&self->details, g_bytes_unref);
  g_free (self);
}
