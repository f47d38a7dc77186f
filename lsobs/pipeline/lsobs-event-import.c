/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-clock-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/model/lsobs-capture-private.h"
#include "lsobs/model/lsobs-run-event-private.h"
#include "lsobs/pipeline/lsobs-event-annotations-private.h"
#include "lsobs/pipeline/lsobs-event-import-private.h"

static gboolean
check_id (const char *id, LsobsId *parsed, GError **error)
{
  if (id != NULL && _lsobs_id_parse_text (parsed, id))
    return TRUE;
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN,
                       _ ("The id of a run must be a UUID"));
  return FALSE;
}

/* The segment of an event that does not say where it lies. */
static LsobsSegment
guess_segment (LsobsRunEvent *event, const LsobsId *id)
{
  LsobsSegment segment = { event->start_time, *id };
  gint64 time_ms;

  if (segment.start_time == 0 && _lsobs_id_get_time (id, &time_ms))
    segment.start_time = time_ms * 1000;
  if (segment.start_time == 0)
    segment.start_time = _lsobs_clock_stamp ();
  return segment;
}

/* An update does not name its parent; the path does.
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

/* Returns: (transfer full) (nullable): who the run is, checked by the rules that
 * the service would refuse a whole batch for */
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
  segment = guess_segment (event, &id);
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
  segment.start_time = MAX (segment.start_time, parent->segment.start_time);
  info = _lsobs_run_info_new_for_segments (&segment, 1, event->name, event->run_type);
  _lsobs_run_info_set_parent (info, g_steal_pointer (&parent));
  info->sampled = info->parent->sampled;
  return info;
}

/* @target: (out) (transfer full) (nullable): what the event itself names */
static gboolean
find_destination (LsobsRunEvent *event, LsobsTarget **target, GError **error)
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

  if (!find_destination (event, &target, error))
    return NULL;
  info = identify_in_trace (store, event, error);
  if (info != NULL && target != NULL)
    _lsobs_run_info_set_destination (info, target);
  return info;
}

/* The notes are shared with the records of the run that came before. */
static void
take_notes (LsobsCounters *counters,
            LsobsRunStore *store,
            LsobsRunEvent *event,
            LsobsRecord *record)
{
  gboolean has_notes = _lsobs_event_import_has_notes (event);
  gboolean forgotten;
  g_autoptr (LsobsAnnotations) notes =
      _lsobs_run_store_dup_notes (store, event->id, has_notes, &forgotten);
  guint n_dropped = 0;

  record->final = record->end_time != 0;
  if (notes == NULL && !has_notes)
    return;
  if (notes == NULL)
    notes = _lsobs_annotations_new ();
  g_mutex_lock (&notes->lock);
  if (has_notes)
    n_dropped = _lsobs_event_import_take_notes (notes, event, record->info->run_type, !forgotten,
                                                record->info->segment.start_time);
  record->notes_bytes = notes->n_bytes;
  g_mutex_unlock (&notes->lock);
  _lsobs_counters_add (counters, LSOBS_COUNTER_DROPPED_NOTES, n_dropped);
  record->notes = g_steal_pointer (&notes);
  /* Those that are not shared must not take the place of what a waiting record has. */
  if (forgotten)
    _lsobs_record_settle (record);
  else
    _lsobs_run_store_weigh (store, event->id, record->notes_bytes);
}

static LsobsRecord *
make_record (LsobsSettings *settings,
             LsobsCounters *counters,
             LsobsRunStore *store,
             LsobsRunEvent *event,
             LsobsRunInfo *info,
             LsobsRecordKind kind)
{
  LsobsRecord *record = _lsobs_record_new (kind, info);

  record->by_id = TRUE;
  record->inputs = _lsobs_capture_node (event->inputs, settings->max_queue_bytes, counters);
  record->outputs = _lsobs_capture_node (event->outputs, settings->max_queue_bytes, counters);
  record->error = g_strdup (event->error_text);
  _lsobs_attachments_unite (&record->attachments, event->attachments);
  record->end_time = event->end_time;
  if (record->end_time == 0 && event->kind == LSOBS_RUN_EVENT_KIND_UPDATE)
    record->end_time = _lsobs_clock_stamp ();
  take_notes (counters, store, event, record);
  return record;
}

static gboolean
take_start (LsobsSettings *settings,
            LsobsCounters *counters,
            LsobsRunStore *store,
            LsobsRunEvent *event,
            LsobsRecord **record,
            GError **error)
{
  g_autoptr (LsobsRunInfo) info = identify (store, event, error);

  if (info == NULL)
    return FALSE;
  if (_lsobs_run_store_is_buried (store, event->id) || !lsobs_run_store_start (store, event->id))
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN, _ ("Run %s has started already"),
                   event->id);
      return FALSE;
    }
  /* A child whose parent is known follows its parent's decision. */
  if (info->parent == NULL || info->parent->name == NULL)
    info->sampled = _lsobs_settings_keeps (settings, _lsobs_run_info_get_trace_id (info));
  _lsobs_run_store_set_info (store, event->id, info);
  if (event->end_time != 0)
    lsobs_run_update_decision_free (lsobs_run_store_update (store, event->id, event->error_text));
  if (info->sampled)
    *record = make_record (settings, counters, store, event, info, LSOBS_RECORD_CREATE);
  else
    _lsobs_counters_add (counters, LSOBS_COUNTER_UNSAMPLED, 1);
  return TRUE;
}

static gboolean
take_update (LsobsSettings *settings,
             LsobsCounters *counters,
             LsobsRunStore *store,
             LsobsRunEvent *event,
             LsobsRecord **record,
             gboolean *late,
             GError **error)
{
  g_autoptr (LsobsRunUpdateDecision) decision = NULL;
  g_autoptr (LsobsRunInfo) info = _lsobs_run_store_dup_info (store, event->id);

  if (info == NULL && _lsobs_run_store_is_buried (store, event->id))
    {
      /* The service takes one end per run, and it has had that. */
      _lsobs_counters_add (counters, LSOBS_COUNTER_LATE_UPDATES, 1);
      return TRUE;
    }
  if (info == NULL)
    {
      /* A run that we have never seen: one complete record shows all we know. */
      info = identify (store, event, error);
      if (info == NULL)
        return FALSE;
      info->sampled = _lsobs_settings_keeps (settings, _lsobs_run_info_get_trace_id (info));
      _lsobs_counters_add (counters, LSOBS_COUNTER_UNKNOWN_UPDATES, 1);
    }
  decision = lsobs_run_store_update (store, event->id, event->error_text);
  _lsobs_run_store_set_info (store, event->id, info);
  if (!info->sampled)
    {
      /* Nothing will be delivered that would let it be forgotten. */
      lsobs_run_store_forget (store, event->id);
      return TRUE;
    }
  *record = make_record (settings, counters, store, event, info, LSOBS_RECORD_UPDATE);
  *late = !decision->first;
  /* The state stands; outputs may still be added. */
  if (*late)
    g_clear_pointer (&(*record)->error, g_free);
  return TRUE;
}

/* @record: (out) (transfer full) (nullable): what to push, if anything
 * @late: (out): it only adds to a run that has ended */
gboolean
_lsobs_event_import_take (LsobsSettings *settings,
                          LsobsCounters *counters,
                          LsobsRunStore *store,
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
  if (!settings->tracing_enabled)
    {
      if (event->kind == LSOBS_RUN_EVENT_KIND_START)
        _lsobs_counters_add (counters, LSOBS_COUNTER_UNSAMPLED, 1);
      return TRUE;
    }
  if (event->kind == LSOBS_RUN_EVENT_KIND_START)
    return take_start (settings, counters, store, event, record, error);
  return take_update (settings, counters, store, event, record, late, error);
}

/* Returns: (transfer full) (nullable): the run, if what became of its create can be
 * asked here */
static LsobsRunInfo *
find_run (LsobsRunStore *store, LsobsFeedback *feedback, GObject *exporter)
{
  if (feedback->exporter == exporter && feedback->run->epoch == _lsobs_fork_epoch ())
    return _lsobs_run_info_ref (feedback->run);
  return _lsobs_run_store_dup_info (store, feedback->run_id);
}

/* Returns: (transfer full): names the run to the queue, which tells it from the run
 * @segments: of the root and of the run
 * @known: (nullable): the run, if there is more to know of it */
static LsobsRunInfo *
make_feedback_info (const LsobsSegment *segments, LsobsRunInfo *known)
{
  gboolean root = _lsobs_id_equal (&segments[0].id, &segments[1].id);
  LsobsRunInfo *info =
      _lsobs_run_info_new_for_segments (segments, root ? 1 : 2, NULL, LSOBS_RUN_TYPE_CHAIN);

  /* The ids that a run has elsewhere depend on it. */
  if (known != NULL && known->target != NULL)
    _lsobs_run_info_set_destination (info, known->target);
  return info;
}

/* @exporter: the one that this is for
 * @record: (out) (transfer full) (nullable): what to push, if anything */
gboolean
_lsobs_event_import_take_feedback (LsobsSettings *settings,
                                   LsobsCounters *counters,
                                   LsobsRunStore *store,
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
  if (!settings->tracing_enabled)
    return TRUE;
  if (!_lsobs_feedback_check (feedback, &segments[1].id, &segments[0].id, error))
    return FALSE;
  run = find_run (store, feedback, exporter);
  known = feedback->run != NULL ? feedback->run : run;
  /* The sampler decides by the trace, as it has done for the run. */
  if (known != NULL ? !known->sampled : !_lsobs_settings_keeps (settings, &segments[0].id))
    {
      _lsobs_counters_add (counters, LSOBS_COUNTER_UNSAMPLED, 1);
      return TRUE;
    }
  info = make_feedback_info (segments, known);
  *record = _lsobs_record_new (LSOBS_RECORD_FEEDBACK, info);
  (*record)->run = g_steal_pointer (&run);
  (*record)->feedback = _lsobs_feedback_copy (feedback);
  return TRUE;
}
