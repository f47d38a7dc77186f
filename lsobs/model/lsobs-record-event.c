/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-id-private.h"
#include "lsobs/model/lsobs-record-event-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

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
_lsobs_record_event_new (const char *name, gint64 time, GBytes *details)
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

/* The name and the time of an event are its own; details of the same names would be
 * there twice. FALSE when there is no room. */
gboolean
_lsobs_record_event_write_details (LsobsBuffer *out, JsonObject *details, gsize max_bytes)
{
  static const char *const except[] = { "name", "time", NULL };

  return _lsobs_json_write_object (out, details, except, max_bytes);
}

/* The microsecond that GDateTime may have lost is found by writing it again. */
static gboolean
parse_strict_time (const char *text, gint64 *time)
{
  if (!_lsobs_time_parse_iso (text, time))
    return FALSE;
  for (int delta = -1; delta <= 1; delta++)
    {
      char again[LSOBS_ISO_LEN + 1] = "";

      _lsobs_time_write_iso (*time + delta, again);
      if (strcmp (again, text) == 0)
        {
          *time += delta;
          break;
        }
    }
  return TRUE;
}

/* Text of any form of ISO 8601, or a number of milliseconds, as other clients write it.
 * Anything else leaves @time as it is. */
static void
parse_time (JsonNode *node, gint64 *time)
{
  const gint64 max_ms = G_GINT64_CONSTANT (253402300799999); /* the year 9999 ends */
  const char *text;
  gint64 ms;

  if (node == NULL)
    return;
  if (json_node_get_value_type (node) == G_TYPE_INT64)
    {
      ms = json_node_get_int (node);
      if (ms > 0 && ms <= max_ms)
        *time = ms * 1000;
      return;
    }
  text = json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : NULL;
  if (text == NULL)
    return;
  if (!parse_strict_time (text, time))
    {
      g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
      g_autoptr (GDateTime) parsed = g_date_time_new_from_iso8601 (text, utc);

      if (parsed != NULL)
        *time =
            g_date_time_to_unix (parsed) * G_USEC_PER_SEC + g_date_time_get_microsecond (parsed);
    }
}

/* @time: (inout): of the event before, for one that has none
 * Returns: (transfer full) (nullable): %NULL for what is no object, or too large */
LsobsRecordEvent *
_lsobs_record_event_new_from_json (JsonNode *node, gint64 *time, gsize max_bytes)
{
  JsonObject *object = _lsobs_json_peek_object (node);
  LsobsBuffer details = LSOBS_BUFFER_INIT;
  JsonNode *name_node;
  const char *name = NULL;

  if (object == NULL)
    return NULL;
  if (!_lsobs_record_event_write_details (&details, object, max_bytes))
    {
      _lsobs_buffer_clear (&details);
      return NULL;
    }
  name_node = json_object_get_member (object, "name");
  if (name_node != NULL && json_node_get_value_type (name_node) == G_TYPE_STRING)
    name = json_node_get_string (name_node);
  parse_time (json_object_get_member (object, "time"), time);
  return _lsobs_record_event_new (name != NULL ? name : "", *time,
                                  _lsobs_buffer_steal_bytes (&details));
}
