/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include <string.h>

#include "lsobs/core/lsobs-bytes-private.h"
#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/model/lsobs-record-private.h"

/* Bytes of a record beside its payloads: structs, overhead of the allocator, and the fields of
 * fixed size in its encoded form. */
#define FIXED_SIZE 1024

/* @self: all zeroes */
static void
fill (LsobsRecord *self, LsobsRecordKind kind, LsobsRunInfo *info)
{
  _lsobs_ref_init (&self->ref_count);
  self->kind = kind;
  self->info = info;
  self->duration_ms = -1;
}

/* Fills a record that lies on the stack. It has no reference to @info and no other owner;
 * _lsobs_record_clear() frees what it has. */
void
_lsobs_record_init (LsobsRecord *self, LsobsRecordKind kind, LsobsRunInfo *info)
{
  memset (self, 0, sizeof *self);
  fill (self, kind, info);
}

LsobsRecord *
_lsobs_record_new (LsobsRecordKind kind, LsobsRunInfo *info)
{
  /* Not from GSlice, whose locks are not safe across a fork. */
  LsobsRecord *self = g_new (LsobsRecord, 1);

  _lsobs_record_init (self, kind, _lsobs_run_info_ref (info));
  return self;
}

/* @room: of the size of a record, behind the info in its memory, filled with zeroes */
LsobsRecord *
_lsobs_record_new_in (gpointer room, LsobsRecordKind kind, LsobsRunInfo *info)
{
  LsobsRecord *self = room;

  fill (self, kind, _lsobs_run_info_ref (info));
  self->lies_in_info = TRUE;
  return self;
}

/* Moves what @other, which lies on the stack, has to a record that may be referred to. */
LsobsRecord *
_lsobs_record_new_from (LsobsRecord *other)
{
  LsobsRecord *self = g_memdup2 (other, sizeof *other);

  _lsobs_run_info_ref (self->info);
  _lsobs_record_init (other, other->kind, other->info);
  return self;
}

/* A copy for another destination. It shares the payloads. */
LsobsRecord *
_lsobs_record_copy (LsobsRecord *self)
{
  LsobsRecord *copy = g_memdup2 (self, sizeof *self);

  g_assert (!self->takes_annotations);
  _lsobs_ref_init (&copy->ref_count);
  copy->lies_in_info = FALSE;
  _lsobs_run_info_ref (copy->info);
  if (copy->awaited_run != NULL)
    _lsobs_run_info_ref (copy->awaited_run);
  if (copy->feedback != NULL)
    lsobs_feedback_ref (copy->feedback);
  if (copy->annotations != NULL)
    _lsobs_annotations_ref (copy->annotations);
  _lsobs_bytes_ref (copy->inputs);
  _lsobs_bytes_ref (copy->outputs);
  _lsobs_bytes_ref (copy->tags);
  _lsobs_bytes_ref (copy->metadata);
  _lsobs_bytes_ref (copy->extra);
  _lsobs_bytes_ref (copy->serialized);
  if (copy->events != NULL)
    g_ptr_array_ref (copy->events);
  copy->attachments = NULL;
  _lsobs_attachments_unite (&copy->attachments, self->attachments);
  copy->error = g_strdup (self->error);
  return copy;
}

LsobsRecord *
_lsobs_record_ref (LsobsRecord *self)
{
  _lsobs_ref_inc (&self->ref_count);
  return self;
}

/* Lets the annotations of the run go. */
static void
drop_annotations (LsobsRecord *self)
{
  g_clear_pointer (&self->annotations, _lsobs_annotations_unref);
  if (self->takes_annotations)
    _lsobs_annotations_unref (_lsobs_annotations_close_slot (&self->info->annotations));
  self->takes_annotations = FALSE;
}

/* Frees all members but the info. */
void
_lsobs_record_clear (LsobsRecord *self)
{
  drop_annotations (self);
  g_clear_pointer (&self->inputs, g_bytes_unref);
  g_clear_pointer (&self->outputs, g_bytes_unref);
  g_clear_pointer (&self->tags, g_bytes_unref);
  g_clear_pointer (&self->metadata, g_bytes_unref);
  g_clear_pointer (&self->extra, g_bytes_unref);
  g_clear_pointer (&self->serialized, g_bytes_unref);
  g_clear_pointer (&self->events, g_ptr_array_unref);
  g_clear_pointer (&self->attachments, g_ptr_array_unref);
  g_clear_pointer (&self->error, g_free);
  g_clear_pointer (&self->feedback, lsobs_feedback_unref);
  g_clear_pointer (&self->awaited_run, _lsobs_run_info_unref);
}

void
_lsobs_record_unref (LsobsRecord *self)
{
  LsobsRunInfo *info = self->info;

  if (!_lsobs_ref_dec (&self->ref_count))
    return;
  _lsobs_record_clear (self);
  if (!self->lies_in_info)
    g_free (self);
  _lsobs_run_info_unref (info);
}

static gsize
events_size (GPtrArray *events)
{
  gsize size = 0;

  for (guint i = 0; events != NULL && i < events->len; i++)
    {
      LsobsAnnotationEvent *event = g_ptr_array_index (events, i);

      size += sizeof *event + strlen (event->name) + _lsobs_bytes_get_size (event->details);
    }
  return size;
}

/* What few records have. */
static gsize
measure_rest (LsobsRecord *self)
{
  return _lsobs_bytes_get_size (self->tags) + _lsobs_bytes_get_size (self->metadata) +
         _lsobs_bytes_get_size (self->extra) + _lsobs_bytes_get_size (self->serialized) +
         events_size (self->events) + (self->annotations != NULL ? self->annotations_bytes : 0) +
         _lsobs_attachments_measure (self->attachments) +
         (self->feedback != NULL ? _lsobs_feedback_measure (self->feedback) : 0) +
         (self->error != NULL ? strlen (self->error) : 0);
}

/* Returns: bytes of memory */
gsize
_lsobs_record_measure (LsobsRecord *self)
{
  gsize size;

  if (self->fixed_size == 0)
    self->fixed_size =
        FIXED_SIZE + _lsobs_run_info_get_path_len (self->info) + self->info->name_len;
  size = self->fixed_size + _lsobs_bytes_get_size (self->inputs) +
         _lsobs_bytes_get_size (self->outputs);
  if (self->tags != NULL || self->metadata != NULL || self->extra != NULL ||
      self->serialized != NULL || self->events != NULL || self->annotations != NULL ||
      self->attachments != NULL || self->feedback != NULL || self->error != NULL)
    size += measure_rest (self);
  return size;
}

/* Moves *@with, if it is set, to *@member. */
static void
replace_bytes (GBytes **member, GBytes **with)
{
  if (*with == NULL)
    return;
  g_clear_pointer (member, g_bytes_unref);
  *member = g_steal_pointer (with);
}

/* Moves *@with, a payload, to *@member if it is set.
 * @bound, @with_bound: of their strings */
static void
replace_payload (GBytes **member, guint *bound, GBytes **with, guint with_bound)
{
  if (*with != NULL)
    *bound = with_bound;
  replace_bytes (member, with);
}

/* The final record of a run with a handle has the annotations written out. The records of a run
 * that is reported by id share the annotations, which stay with the waiting record. */
static void
join_annotations (LsobsRecord *self, LsobsRecord *end)
{
  if (end->final && !end->by_id)
    {
      drop_annotations (self);
      self->extra_seq = end->extra_seq;
      self->serialized_seq = end->serialized_seq;
    }
  else if (self->annotations == NULL)
    {
      self->annotations = g_steal_pointer (&end->annotations);
    }
  self->annotations_bytes = MAX (self->annotations_bytes, end->annotations_bytes);
}

/* Moves the contents of @end, a later record of the same run, to @self, a record that waits.
 * Returns: the number of attachments that did not fit */
guint
_lsobs_record_join (LsobsRecord *self, LsobsRecord *end)
{
  join_annotations (self, end);
  replace_payload (&self->inputs, &self->inputs_string_bound, &end->inputs,
                   end->inputs_string_bound);
  replace_payload (&self->outputs, &self->outputs_string_bound, &end->outputs,
                   end->outputs_string_bound);
  replace_bytes (&self->tags, &end->tags);
  replace_bytes (&self->metadata, &end->metadata);
  replace_bytes (&self->extra, &end->extra);
  replace_bytes (&self->serialized, &end->serialized);
  if (end->has_example)
    {
      self->has_example = TRUE;
      self->example_id = end->example_id;
    }
  if (end->events != NULL)
    {
      g_clear_pointer (&self->events, g_ptr_array_unref);
      self->events = g_steal_pointer (&end->events);
    }
  /* The first error of a run stays. */
  if (self->error == NULL)
    self->error = g_steal_pointer (&end->error);
  if (self->end_time == 0)
    self->end_time = end->end_time;
  if (self->duration_ms < 0)
    self->duration_ms = end->duration_ms;
  self->final |= end->final;
  self->by_id |= end->by_id;
  return _lsobs_attachments_unite (&self->attachments, end->attachments);
}

/* Moves what @end has to @self, a create that waits.
 * Returns: how many bytes of memory @self has more, a negative number as one of more than G_MAXSSIZE */
gsize
_lsobs_record_end (LsobsRecord *self, LsobsRecordEnd *end)
{
  gsize added = 0;

  /* There are none, and there will be none. */
  self->takes_annotations = FALSE;
  if (end->outputs != NULL)
    {
      added = g_bytes_get_size (end->outputs) - _lsobs_bytes_get_size (self->outputs);
      replace_payload (&self->outputs, &self->outputs_string_bound, &end->outputs,
                       end->outputs_string_bound);
    }
  /* The first error of a run stays. */
  if (self->error == NULL && end->error != NULL)
    {
      added += strlen (end->error);
      self->error = g_steal_pointer (&end->error);
    }
  if (self->end_time == 0)
    self->end_time = end->end_time;
  if (self->duration_ms < 0)
    self->duration_ms = end->duration_ms;
  self->final = TRUE;
  return added;
}

/* Sets *@member if it is not set: what is set comes from a later record and stays.
 * @text: (transfer full) (nullable) */
static void
set_if_unset (GBytes **member, GBytes *text)
{
  if (*member == NULL)
    *member = text;
  else
    g_clear_pointer (&text, g_bytes_unref);
}

/* The events of a run with a handle are sent with its end only. The caller holds the lock of
 * @annotations. */
void
_lsobs_record_write_annotations_unlocked (LsobsRecord *self, LsobsAnnotations *annotations)
{
  set_if_unset (&self->metadata, _lsobs_annotations_write_metadata_unlocked (annotations));
  set_if_unset (&self->extra, _lsobs_annotations_write_extra_unlocked (annotations));
  self->extra_seq = annotations->extra_seq;
  set_if_unset (&self->tags, _lsobs_annotations_write_tags_unlocked (annotations));
  if (self->events == NULL && annotations->events != NULL && (self->final || self->by_id))
    self->events = g_ptr_array_ref (annotations->events);
  set_if_unset (&self->serialized, _lsobs_bytes_ref (annotations->serialized));
  self->serialized_seq = annotations->serialized_seq;
  if (!self->has_example)
    {
      self->has_example = annotations->has_example;
      self->example_id = annotations->example_id;
    }
}

/* Writes the annotations into the JSON members of the record and drops the reference to them. Each
 * record needs this once, before it is encoded: a final record when its run ends, any other when it
 * is taken from the queue. */
void
_lsobs_record_write_annotations (LsobsRecord *self)
{
  g_autoptr (LsobsAnnotations) annotations = g_steal_pointer (&self->annotations);

  if (self->takes_annotations)
    annotations = _lsobs_annotations_close_slot (&self->info->annotations);
  self->takes_annotations = FALSE;
  if (annotations == NULL)
    return;
  _lsobs_mutex_lock (&annotations->lock, LSOBS_LOCK_ANNOTATIONS);
  _lsobs_record_write_annotations_unlocked (self, annotations);
  _lsobs_mutex_unlock (&annotations->lock, LSOBS_LOCK_ANNOTATIONS);
}

/* Whether the record is feedback that the service refuses for want of the id of its project.
 * Sets %LSOBS_ERROR_REJECTED then. */
gboolean
_lsobs_record_lacks_project_id (LsobsRecord *self, GError **error)
{
  if (!self->lacks_project_id)
    return FALSE;
  g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_REJECTED,
               /* TRANSLATORS: the name of a function. */
               _ ("The service takes feedback only with the id of the project that the run is in, "
                  "and knows no project of that name; set the id with %s"),
               "lsobs_feedback_set_project_id()");
  return TRUE;
}
