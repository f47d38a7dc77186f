/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/model/lsobs-capture-private.h"
#include "lsobs/model/lsobs-inline-data-private.h"
#include "lsobs/model/lsobs-run-event-private.h"
#include "lsobs/pipeline/lsobs-event-import-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

static gboolean
check_id (const char *id, LsobsId *parsed, GError **error)
{
  if (id != NULL && _lsobs_id_parse_text (parsed, id))
    return TRUE;
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN,
                       _ ("The id of a run must be a UUID"));
  return FALSE;
}

/* Returns: µs since 1970; 0 if the event does not tell when the run began */
static gint64
find_start_time (LsobsRunEvent *event, const LsobsId *id)
{
  gint64 time_ms;

  if (event->start_time != 0)
    return event->start_time;
  return _lsobs_id_get_time (id, &time_ms) ? time_ms * 1000 : 0;
}

/* An update names its parent by its path only.
 * Returns: (transfer full) (nullable) */
static LsobsRunInfo *
identify_by_path (LsobsRunEvent *event, GError **error)
{
  g_autoptr (GArray) segments = _lsobs_dotted_order_parse (event->dotted_order, error);
  char parent_id[LSOBS_UUID_LEN + 1] = "";
  const char *parent = event->parent_id;

  if (segments == NULL)
    return NULL;
  if (event->kind == LSOBS_RUN_EVENT_KIND_UPDATE && parent == NULL && segments->len > 1)
    {
      _lsobs_id_write (&g_array_index (segments, LsobsSegment, segments->len - 2).id, parent_id);
      parent = parent_id;
    }
  if (!_lsobs_dotted_order_check (event->dotted_order, event->id, event->trace_id, parent, error))
    return NULL;
  return _lsobs_run_info_new_for_segments ((LsobsSegment *) (gpointer) segments->data,
                                           segments->len, event->name, event->run_type);
}

/* Checks the rules for which the service would refuse a whole batch.
 * Returns: (transfer full) (nullable): the run of the event */
static LsobsRunInfo *
identify_in_trace (LsobsRunStore *store, LsobsRunEvent *event, GError **error)
{
  g_autoptr (LsobsRunInfo) parent = NULL;
  LsobsRunInfo *info;
  LsobsSegment segment;
  LsobsId id;

  if (!check_id (event->id, &id, error) ||
      (event->parent_id != NULL && !check_id (event->parent_id, &segment.id, error)))
    return NULL;
  if (event->dotted_order != NULL)
    return identify_by_path (event, error);
  segment = (LsobsSegment){ find_start_time (event, &id), id };
  if (event->parent_id == NULL)
    return _lsobs_run_info_new_for_segments (&segment, 1, event->name, event->run_type);

  parent = _lsobs_run_store_dup_info (store, event->parent_id);
  if (parent == NULL)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN,
                   /* TRANSLATORS: two ids, and the name of a function. */
                   _ ("The parent %s of run %s is not known here; set the path with "
                      "lsobs_run_event_set_trace()"),
                   event->parent_id, event->id);
      return NULL;
    }
  if (segment.start_time != 0)
    segment.start_time = MAX (segment.start_time, parent->segment.start_time);
  info = _lsobs_run_info_new_for_segments (&segment, 1, event->name, event->run_type);
  _lsobs_run_info_set_parent (info, g_steal_pointer (&parent));
  info->sampled = info->parent->sampled;
  return info;
}

/* @target: (out) (transfer full) (nullable): the project or the address that the event names */
static gboolean
find_target (LsobsRunEvent *event, LsobsTarget **target, GError **error)
{
  gboolean has_project = event->project_name != NULL && *event->project_name != '\0';
  gboolean has_address = event->address != NULL && *event->address != '\0';

  if (has_project && has_address)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN,
                   _ ("Run %s has a project and an address; it must have only one of them"),
                   event->id);
      return FALSE;
    }
  if (has_project)
    *target = _lsobs_target_new_project (event->project_name);
  else if (has_address)
    *target = _lsobs_target_parse_address (event->address);
  if (has_address && *target == NULL)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN,
                   /* TRANSLATORS: an id, and the form of an address. */
                   _ ("The address of run %s is not of the form %s"), event->id,
                   "lrn:agents/ID/environments/ENVIRONMENT");
      return FALSE;
    }
  return TRUE;
}

/* Returns: (transfer full) (nullable) */
static LsobsRunInfo *
identify (LsobsRunStore *store, LsobsRunEvent *event, GError **error)
{
  g_autoptr (LsobsTarget) target = NULL;
  LsobsRunInfo *info;

  if (!find_target (event, &target, error))
    return NULL;
  info = identify_in_trace (store, event, error);
  if (info == NULL)
    return NULL;
  _lsobs_run_info_set_anchor (info);
  if (target != NULL)
    _lsobs_run_info_set_target (info, target);
  return info;
}

/* --- annotations ---
 *
 * The annotations of an event are added by the functions that a handle uses, which check and bound
 * them. */

static gboolean
has_annotations (LsobsRunEvent *event)
{
  return event->tags != NULL || event->extra != NULL || event->events != NULL ||
         event->serialized != NULL || event->example_id != NULL;
}

typedef gboolean (*MergeFunc) (LsobsAnnotations *annotations, const char *key, GBytes *value);

/* Returns: how many members were dropped: 0 or 1 */
static guint
take_member_unlocked (LsobsAnnotations *annotations,
                      MergeFunc merge,
                      const char *key,
                      JsonNode *value)
{
  LsobsBuffer text = LSOBS_BUFFER_INIT;

  if (_lsobs_json_write_node (&text, value, LSOBS_MAX_ANNOTATION_BYTES))
    return merge (annotations, key, _lsobs_buffer_steal_bytes (&text)) ? 0 : 1;
  _lsobs_buffer_clear (&text);
  return 1;
}

static guint
take_members_unlocked (LsobsAnnotations *annotations, MergeFunc merge, JsonObject *object)
{
  guint n_dropped = 0;
  JsonObjectIter iter;
  const char *key;
  JsonNode *value;

  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &key, &value))
    n_dropped += take_member_unlocked (annotations, merge, key, value);
  return n_dropped;
}

/* "metadata" and "runtime" must be objects, see lsobs_run_set_extra(). */
static guint
take_extra_unlocked (LsobsAnnotations *annotations, JsonNode *extra)
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
        n_dropped +=
            take_members_unlocked (annotations, _lsobs_annotations_merge_metadata_unlocked, member);
      else
        n_dropped +=
            take_member_unlocked (annotations, _lsobs_annotations_merge_extra_unlocked, key, value);
    }
  return n_dropped;
}

static guint
take_tags_unlocked (LsobsAnnotations *annotations, GStrv tags)
{
  guint n_dropped = 0;

  _lsobs_annotations_clear_tags_unlocked (annotations);
  for (guint i = 0; tags[i] != NULL; i++)
    if (!_lsobs_annotations_add_tag_unlocked (annotations, tags[i]))
      n_dropped++;
  return n_dropped;
}

static guint
take_events_unlocked (LsobsAnnotations *annotations, JsonNode *events, gint64 time)
{
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (events) ? json_node_get_array (events) : NULL;
  guint n_dropped = 0;

  if (array == NULL)
    return 1;
  _lsobs_annotations_clear_events_unlocked (annotations);
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      g_autoptr (LsobsAnnotationEvent) event =
          _lsobs_annotation_event_new_from_json (json_array_get_element (array, i), &time,
                                                 LSOBS_MAX_ANNOTATION_BYTES);

      if (event == NULL ||
          !_lsobs_annotations_add_event_unlocked (annotations, event->name, event->time,
                                                  g_steal_pointer (&event->details)))
        n_dropped++;
    }
  return n_dropped;
}

/* The service replaces all of extra at once, so that a part of it would delete the rest. */
static guint
drop_extra (JsonNode *extra)
{
  JsonObject *object = _lsobs_json_peek_object (extra);

  return object != NULL ? json_object_get_size (object) : 1;
}

/* Adds the annotations of @event to those of its run: objects are merged, everything else is
 * replaced.
 * @info: of the run; events without a time get its start time
 * @with_extra: @annotations hold all of extra that the run has
 * Returns: how many annotations were dropped */
static guint
take_annotations_unlocked (LsobsAnnotations *annotations,
                           LsobsRunEvent *event,
                           LsobsRunInfo *info,
                           gboolean with_extra)
{
  guint n_dropped = 0;

  if (event->tags != NULL)
    n_dropped += take_tags_unlocked (annotations, event->tags);
  if (event->extra != NULL)
    n_dropped +=
        with_extra ? take_extra_unlocked (annotations, event->extra) : drop_extra (event->extra);
  if (event->events != NULL)
    n_dropped += take_events_unlocked (annotations, event->events, info->segment.start_time);
  if (event->serialized != NULL)
    {
      GBytes *serialized =
          _lsobs_annotations_capture_serialized (event->serialized, info->run_type);

      if (serialized == NULL ||
          !_lsobs_annotations_set_serialized_unlocked (annotations, serialized))
        n_dropped++;
    }
  if (event->example_id != NULL &&
      _lsobs_id_parse_text (&annotations->example_id, event->example_id))
    annotations->has_example = TRUE;
  return n_dropped;
}

/* All records of a run share its annotations, as long as the run store knows the run. */
static void
take_annotations (LsobsEventImport *self, LsobsRunEvent *event, LsobsRecord *record)
{
  gboolean has_any = has_annotations (event);
  gboolean forgotten;
  g_autoptr (LsobsAnnotations) annotations =
      _lsobs_run_store_dup_annotations (self->store, event->id, has_any, &forgotten);
  guint n_dropped = 0;

  record->final = record->end_time != 0;
  if (annotations == NULL && !has_any)
    return;
  if (annotations == NULL)
    annotations = _lsobs_annotations_new ();
  _lsobs_mutex_lock (&annotations->lock, LSOBS_LOCK_ANNOTATIONS);
  if (has_any)
    n_dropped = take_annotations_unlocked (annotations, event, record->info, !forgotten);
  record->annotations_bytes = annotations->n_bytes;
  _lsobs_mutex_unlock (&annotations->lock, LSOBS_LOCK_ANNOTATIONS);
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_DROPPED_NOTES, n_dropped);
  record->annotations = g_steal_pointer (&annotations);
  /* Annotations that are not shared are written out now: if a record of the run still waits, this
   * one is added to it, and must not replace its annotations. */
  if (forgotten)
    _lsobs_record_write_annotations (record);
  else
    _lsobs_run_store_set_annotations_size (self->store, event->id, record->annotations_bytes);
}

static LsobsRecord *
make_record (LsobsEventImport *self, LsobsRunEvent *event, LsobsRunInfo *info, LsobsRecordKind kind)
{
  LsobsRecord *record = _lsobs_record_new (kind, info);

  record->by_id = TRUE;
  record->inputs =
      _lsobs_capture_node_measuring (event->inputs, (gsize) self->settings->values.max_queue_bytes,
                                     self->counters, &record->inputs_string_bound);
  record->outputs =
      _lsobs_capture_node_measuring (event->outputs, (gsize) self->settings->values.max_queue_bytes,
                                     self->counters, &record->outputs_string_bound);
  record->error = g_strdup (event->error_text);
  _lsobs_attachments_unite (&record->attachments, event->attachments);
  _lsobs_inline_data_attach (record, &self->settings->values);
  record->end_time = event->end_time;
  if (record->end_time == 0 && event->kind == LSOBS_RUN_EVENT_KIND_UPDATE)
    record->end_time = _lsobs_run_info_get_now (info);
  take_annotations (self, event, record);
  return record;
}

static gboolean
take_start (LsobsEventImport *self, LsobsRunEvent *event, LsobsRecord **record, GError **error)
{
  g_autoptr (LsobsRunInfo) info = identify (self->store, event, error);

  if (info == NULL)
    return FALSE;
  if (_lsobs_run_store_has_finished (self->store, event->id) ||
      !lsobs_run_store_start (self->store, event->id))
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN, _ ("Run %s has started already"),
                   event->id);
      return FALSE;
    }
  /* A child whose parent is known follows its parent's decision. */
  if (info->parent == NULL || info->parent->name == NULL)
    info->sampled = _lsobs_settings_keeps (self->settings, _lsobs_run_info_get_trace_id (info));
  _lsobs_run_store_set_info (self->store, event->id, info);
  if (event->end_time != 0)
    lsobs_run_update_decision_free (
        lsobs_run_store_update (self->store, event->id, event->error_text));
  if (info->sampled)
    *record = make_record (self, event, info, LSOBS_RECORD_CREATE);
  else
    _lsobs_counters_add (self->counters, LSOBS_COUNTER_UNSAMPLED, 1);
  return TRUE;
}

static gboolean
take_update (LsobsEventImport *self,
             LsobsRunEvent *event,
             LsobsRecord **record,
             gboolean *late,
             GError **error)
{
  g_autoptr (LsobsRunUpdateDecision) decision = NULL;
  g_autoptr (LsobsRunInfo) info = _lsobs_run_store_dup_info (self->store, event->id);

  if (info == NULL && _lsobs_run_store_has_finished (self->store, event->id))
    {
      /* The service takes one end per run, and has it already. */
      _lsobs_counters_add (self->counters, LSOBS_COUNTER_LATE_UPDATES, 1);
      return TRUE;
    }
  if (info == NULL)
    {
      /* The run was never started here: send all of it as one record. */
      info = identify (self->store, event, error);
      if (info == NULL)
        return FALSE;
      info->sampled = _lsobs_settings_keeps (self->settings, _lsobs_run_info_get_trace_id (info));
      _lsobs_counters_add (self->counters, LSOBS_COUNTER_UNKNOWN_UPDATES, 1);
    }
  decision = lsobs_run_store_update (self->store, event->id, event->error_text);
  _lsobs_run_store_set_info (self->store, event->id, info);
  if (!info->sampled)
    {
      /* The store forgets runs whose end was delivered or lost; this one is not sent. */
      lsobs_run_store_forget (self->store, event->id);
      return TRUE;
    }
  *record = make_record (self, event, info, LSOBS_RECORD_UPDATE);
  *late = !decision->first;
  /* The first end decides on the status of the run; outputs may still be added. */
  if (*late)
    g_clear_pointer (&(*record)->error, g_free);
  return TRUE;
}

/* @record: (out) (transfer full) (nullable): the record to push; NULL when the event needs none
 * @late: (out): the run has ended already */
gboolean
_lsobs_event_import_take (LsobsEventImport *self,
                          LsobsRunEvent *event,
                          LsobsRecord **record,
                          gboolean *late,
                          GError **error)
{
  *record = NULL;
  *late = FALSE;
  if (event->kind == LSOBS_RUN_EVENT_KIND_FEEDBACK)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN,
                   /* TRANSLATORS: the text is the name of a function. */
                   _ ("Feedback is not added as an event, but with %s"),
                   "lsobs_exporter_add_feedback()");
      return FALSE;
    }
  if (!self->settings->values.tracing_enabled)
    {
      if (event->kind == LSOBS_RUN_EVENT_KIND_START)
        _lsobs_counters_add (self->counters, LSOBS_COUNTER_UNSAMPLED, 1);
      return TRUE;
    }
  if (event->kind == LSOBS_RUN_EVENT_KIND_START)
    return take_start (self, event, record, error);
  return take_update (self, event, record, late, error);
}

/* Returns: (transfer full) (nullable): the run, if its create goes through the queues of
 * @exporter, in this process */
static LsobsRunInfo *
find_run (LsobsRunStore *store, LsobsFeedback *feedback, GObject *exporter)
{
  if (feedback->exporter == exporter && feedback->run->epoch == _lsobs_fork_epoch ())
    return _lsobs_run_info_ref (feedback->run);
  return _lsobs_run_store_dup_info (store, feedback->run_id);
}

/* Feedback has an info of its own: the queues follow the record of the feedback by it, apart from
 * the records of the run.
 * @segments: of the root and of the run
 * @known: (nullable): the run, if it is known
 * Returns: (transfer full): names the run */
static LsobsRunInfo *
make_feedback_info (const LsobsSegment *segments, LsobsRunInfo *known)
{
  gboolean root = _lsobs_id_equal (&segments[0].id, &segments[1].id);
  LsobsRunInfo *info =
      _lsobs_run_info_new_for_segments (segments, root ? 1 : 2, NULL, LSOBS_RUN_TYPE_CHAIN);

  /* The ids of the run at other destinations depend on its target. */
  if (known != NULL && known->target != NULL)
    _lsobs_run_info_set_target (info, known->target);
  return info;
}

/* @exporter: that the import belongs to
 * @record: (out) (transfer full) (nullable): the record to push; NULL when the run is not sampled */
gboolean
_lsobs_event_import_take_feedback (LsobsEventImport *self,
                                   LsobsFeedback *feedback,
                                   GObject *exporter,
                                   LsobsRecord **record,
                                   GError **error)
{
  g_autoptr (LsobsRunInfo) info = NULL;
  g_autoptr (LsobsRunInfo) run = NULL;
  LsobsSegment segments[2] = {
    { 0 },
  };
  LsobsRunInfo *known;

  *record = NULL;
  if (!self->settings->values.tracing_enabled)
    return TRUE;
  if (!_lsobs_feedback_check (feedback, &segments[1].id, &segments[0].id, error))
    return FALSE;
  run = find_run (self->store, feedback, exporter);
  known = feedback->run != NULL ? feedback->run : run;
  /* The sampler has decided by the id of the trace, and decides the same again. */
  if (known != NULL ? !known->sampled : !_lsobs_settings_keeps (self->settings, &segments[0].id))
    {
      _lsobs_counters_add (self->counters, LSOBS_COUNTER_UNSAMPLED, 1);
      return TRUE;
    }
  info = make_feedback_info (segments, known);
  *record = _lsobs_record_new (LSOBS_RECORD_FEEDBACK, info);
  (*record)->awaited_run = g_steal_pointer (&run);
  (*record)->feedback = _lsobs_feedback_copy (feedback);
  return TRUE;
}
