/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Something that happened during a run. Immutable. */
typedef struct
{
  char *name;      /* (owned) */
  gint64 time;     /* µs since 1970 */
  GBytes *details; /* (owned) (nullable) an object */
} LsobsRecordEvent;

LsobsRecordEvent *_lsobs_record_event_new  (const char       *name,
                                            gint64            time,
                                            GBytes           *details);
gboolean          _lsobs_record_event_is_token
                                           (const char       *name);
void              _lsobs_record_event_free (LsobsRecordEvent *self);

G_END_DECLS
