/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include <string.h>

#include "lsobs/lsobs-error.h"
#include "lsobs/model/lsobs-record-private.h"

/* What a record costs beside its payloads: the structs, the allocator's heads,
 * and the fields of fixed size that are written for it later. */
#define FIXED_SIZE 1024

LsobsRecord *
_lsobs_record_new (LsobsRecordKind kind, LsobsRunInfo *info)
{
  /* Not of GSlice, whose locks are not safe across a fork. */
  LsobsRecord *self = g_new0 (LsobsRecord, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->kind = kind;
  self->info = _lsobs_run_info_ref (info);
  self->duration_ms = -1;
  return self;
}

static void
ref_bytes (GBytes *bytes)
{
  if (bytes != NULL)
    g_bytes_ref (bytes);
}

/* For another place that the run is written to. Payloads are shared. */
LsobsRecord *
_lsobs_record_copy (LsobsRecord *self)
{
  LsobsRecord *copy = g_memdup2 (self, sizeof *self);

  g_atomic_ref_count_init (&copy->ref_count);
  _lsobs_run_info_ref (copy->info);
  if (copy->run != NULL)
    _lsobs_run_info_ref (copy->run);
  if (copy->feedback != NULL)
    lsobs_feedback_ref (copy->feedback);
  if (copy->notes != NULL)
    _lsobs_annotations_ref (copy->notes);
  ref_bytes (copy->inputs);
  ref_bytes (copy->outputs);
  ref_bytes (copy->tags);
  ref_bytes (copy->metadata);
  ref_bytes (copy->extra);
  ref_bytes (copy->serialized);
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
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_record_unref (LsobsRecord *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_clear_pointer (&self->notes, _lsobs_annotations_unref);
  g_clear_pointer (&self->inputs, g_bytes_unref);
  g_clear_pointer (&self->outputs, g_bytes_unref);
  g_clear_pointer (&self->tags, g_bytes_unref);
  g_clear_pointer (&self->metadata, g_bytes_unref);
  g_clear_pointer (&self->extra, g_bytes_unref);
  g_clear_pointer (&self->serialized, g_bytes_unref);
  g_clear_pointer (&self->events, g_ptr_array_unref);
  g_clear_pointer (&self->attachments, g_ptr_array_unref);
  g_free (self->error);
  g_clear_pointer (&self->feedback, lsobs_feedback_unref);
  _lsobs_run_info_unref (self->run);
  _lsobs_run_info_unref (self->info);
  g_free (self);
}

static gsize
bytes_size (GBytes *bytes)
{
  return bytes != NULL ? g_bytes_get_size (bytes) : 0;
}

static gsize
events_size (GPtrArray *events)
{
  gsize size = 0;

  for (guint i = 0; events != NULL && i < events->len; i++)
    {
      LsobsRecordEvent *event = g_ptr_array_index (events, i);

      size += sizeof *event + strlen (event->name) + bytes_size (event->details);
    }
  return size;
}

gsize
_lsobs_record_measure (LsobsRecord *self)
{
  return FIXED_SIZE + _lsobs_run_info_get_path_len (self->info) + bytes_size (self->inputs) +
         bytes_size (self->outputs) + bytes_size (self->tags) + bytes_size (self->metadata) +
         bytes_size (self->extra) + bytes_size (self->serialized) + events_size (self->events) +
         (self->notes != NULL ? self->notes_bytes : 0) +
         _lsobs_attachments_measure (self->attachments) +
         (self->feedback != NULL ? _lsobs_feedback_measure (self->feedback) : 0) +
         (self->error != NULL ? strlen (self->error) : 0) +
         (self->info->name != NULL ? strlen (self->info->name) : 0);
}

static void
replace_bytes (GBytes **member, GBytes **with)
{
  if (*with == NULL)
    return;
  g_clear_pointer (member, g_bytes_unref);
  *member = g_steal_pointer (with);
}

/* What was noted on a run with a handle is written out with its end, and so is in @end;
 * the notes of one that is reported by id are shared. */
static void
join_notes (LsobsRecord *self, LsobsRecord *end)
{
  if (end->final && !end->by_id)
    {
      g_clear_pointer (&self->notes, _lsobs_annotations_unref);
      self->extra_seq = end->extra_seq;
      self->serialized_seq = end->serialized_seq;
    }
  else if (self->notes == NULL)
    {
      self->notes = g_steal_pointer (&end->notes);
    }
  self->notes_bytes = MAX (self->notes_bytes, end->notes_bytes);
}

/* Makes a waiting create complete by the end of its run.
 * Returns: for how many attachments there was no room */
guint
_lsobs_record_join (LsobsRecord *self, LsobsRecord *end)
{
  join_notes (self, end);
  replace_bytes (&self->inputs, &end->inputs);
  replace_bytes (&self->outputs, &end->outputs);
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
  /* The first error stands. */
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

/* Takes @text over, unless there is one already: that is the later. */
static void
take_text (GBytes **member, GBytes *text)
{
  if (*member == NULL)
    *member = text;
  else
    g_clear_pointer (&text, g_bytes_unref);
}

/* Writes out what was noted on the run so far. What happens during a run is sent once,
 * with its end, unless the program itself sends it when the run begins. */
void
_lsobs_record_settle (LsobsRecord *self)
{
  g_autoptr (LsobsAnnotations) notes = g_steal_pointer (&self->notes);

  if (notes == NULL)
    return;
  g_mutex_lock (&notes->lock);
  take_text (&self->metadata, _lsobs_annotations_write_metadata (notes));
  take_text (&self->extra, _lsobs_annotations_write_extra (notes));
  self->extra_seq = notes->extra_seq;
  take_text (&self->tags, _lsobs_annotations_write_tags (notes));
  if (self->events == NULL && notes->events != NULL && (self->final || self->by_id))
    self->events = g_ptr_array_ref (notes->events);
  if (notes->serialized != NULL)
    take_text (&self->serialized, g_bytes_ref (notes->serialized));
  self->serialized_seq = notes->serialized_seq;
  if (!self->has_example)
    {
      self->has_example = notes->has_example;
      self->example_id = notes->example_id;
    }
  g_mutex_unlock (&notes->lock);
}

/* Whether the service would refuse the record, as feedback without the id of its project. */
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
