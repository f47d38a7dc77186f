/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/model/lsobs-run-event-private.h"
#include "lsobs/pipeline/lsobs-event-annotations-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* What an event says of its run beside the payloads is noted as a handle would note it,
 * and so is checked and bounded the same way. */

gboolean
_lsobs_event_import_has_notes (LsobsRunEvent *event)
{
  return event->tags != NULL || event->extra != NULL || event->events != NULL ||
         event->serialized != NULL || event->example_id != NULL;
}

typedef gboolean (*MergeFunc) (LsobsAnnotations *notes, const char *key, GBytes *value);

/* Returns how many members there was no room for. */
static guint
take_member (LsobsAnnotations *notes, MergeFunc merge, const char *key, JsonNode *value)
{
  LsobsBuffer text = LSOBS_BUFFER_INIT;

  if (_lsobs_json_write_node (&text, value, LSOBS_MAX_NOTE_BYTES))
    return merge (notes, key, _lsobs_buffer_steal_bytes (&text)) ? 0 : 1;
  _lsobs_buffer_clear (&text);
  return 1;
}

static guint
take_members (LsobsAnnotations *notes, MergeFunc merge, JsonObject *object)
{
  guint n_dropped = 0;
  JsonObjectIter iter;
  const char *key;
  JsonNode *value;

  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &key, &value))
    n_dropped += take_member (notes, merge, key, value);
  return n_dropped;
}

/* Two members must be objects, see lsobs_run_set_extra(). */
static guint
take_extra (LsobsAnnotations *notes, JsonNode *extra)
{
  JsonObject *object = _lsobs_json_peek_object (extra);
  guint n_dropped = 0;
  JsonObjectIter iter;
  const char *key;
  JsonNode *value;

  if (object == NULL)
    return 1;
  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &key, &value))
    {
      JsonObject *member = _lsobs_json_peek_object (value);
      gboolean is_metadata = strcmp (key, "metadata") == 0;

      if (member == NULL && (is_metadata || strcmp (key, "runtime") == 0))
        n_dropped++;
      else if (is_metadata)
        n_dropped += take_members (notes, _lsobs_annotations_merge_metadata, member);
      else
        n_dropped += take_member (notes, _lsobs_annotations_merge_extra, key, value);
    }
  return n_dropped;
}

static guint
take_tags (LsobsAnnotations *notes, GStrv tags)
{
  guint n_dropped = 0;

  _lsobs_annotations_clear_tags (notes);
  for (guint i = 0; tags[i] != NULL; i++)
    if (!_lsobs_annotations_add_tag (notes, tags[i]))
      n_dropped++;
  return n_dropped;
}

static guint
take_events (LsobsAnnotations *notes, JsonNode *events, gint64 time)
{
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (events) ? json_node_get_array (events) : NULL;
  guint n_dropped = 0;

  if (array == NULL)
    return 1;
  _lsobs_annotations_clear_events (notes);
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      g_autoptr (LsobsRecordEvent) event =
          _lsobs_record_event_new_from_json (json_array_get_element (array, i), &time,
                                             LSOBS_MAX_NOTE_BYTES);

      if (event == NULL || !_lsobs_annotations_add_event (notes, event->name, event->time,
                                                          g_steal_pointer (&event->details)))
        n_dropped++;
    }
  return n_dropped;
}

/* The service replaces extra as a whole, so it is sent whole or not at all. */
static guint
drop_extra (JsonNode *extra)
{
  JsonObject *object = _lsobs_json_peek_object (extra);

  return object != NULL ? json_object_get_size (object) : 1;
}

/* Called with the lock of the notes held. What is there already is joined by what comes
 * now: objects are merged, everything else is replaced.
 * @with_extra: what extra had before is known
 * @time: of events that have none
 * Returns: how many notes were dropped */
guint
_lsobs_event_import_take_notes (LsobsAnnotations *notes,
                                LsobsRunEvent *event,
                                LsobsRunType run_type,
                                gboolean with_extra,
                                gint64 time)
{
  guint n_dropped = 0;

  if (event->tags != NULL)
    n_dropped += take_tags (notes, event->tags);
  if (event->extra != NULL)
    n_dropped += with_extra ? take_extra (notes, event->extra) : drop_extra (event->extra);
  if (event->events != NULL)
    n_dropped += take_events (notes, event->events, time);
  if (event->serialized != NULL)
    {
      GBytes *serialized = _lsobs_annotations_capture_serialized (event->serialized, run_type);

      if (serialized == NULL || !_lsobs_annotations_set_serialized (notes, serialized))
        n_dropped++;
    }
  if (event->example_id != NULL && _lsobs_id_parse_text (&notes->example_id, event->example_id))
    notes->has_example = TRUE;
  return n_dropped;
}
