/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* Something that happened during a run. Immutable. */
typedef struct
{
  char *name;      /* (owned) */
  gint64 time;     /* µs since 1970 */
  GBytes *details; /* (owned) (nullable) an object */
} LsobsRecordEvent;

LsobsRecordEvent *_lsobs_record_event_new (const char *name, gint64 time, GBytes *details);
LsobsRecordEvent *_lsobs_record_event_new_from_json (JsonNode *node, gint64 *time, gsize max_bytes);
gboolean _lsobs_record_event_is_token (const char *name);
void _lsobs_record_event_free (LsobsRecordEvent *self);
gboolean _lsobs_record_event_write_details (LsobsBuffer *out, JsonObject *details, gsize max_bytes);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRecordEvent, _lsobs_record_event_free)

G_END_DECLS
