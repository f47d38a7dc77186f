/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/lsobs-record-event-private.h"

/* The event of the first token of a stream. It has no details: they would be the
 * outputs, or a part of them, past what hides outputs. */
#define TOKEN_EVENT "new_token"

gboolean
_lsobs_record_event_is_token (const char *name)
{
  return strcmp (name, TOKEN_EVENT) == 0;
}

/* Takes @details over. */
LsobsRecordEvent *
_lsobs_record_event_new (const char *name,
                         gint64      time,
                         GBytes     *details)
{
  LsobsRecordEvent *self = g_new0 (LsobsRecordEvent, 1);

  self->name = g_strdup (name);
  self->time = time;
  if (_lsobs_record_event_is_token (name))
    g_clear_pointer (&details, g_bytes_unref);
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
