/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/lsobs-error.h"
#include "lsobs/pipeline/lsobs-pending-feedback-private.h"
#include "lsobs/transport/lsobs-transport-private.h"

struct _LsobsPendingFeedback
{
  LsobsSettings *settings;            /* (owned) */
  LsobsTransport *transport;          /* (owned) */
  const LsobsTransportVTable *vtable; /* (unowned) of the transport */
  GMainContext *context;              /* (unowned) that of the batcher */
  GQueue waiting;                     /* of LsobsRecord (owned) */
  gsize n_bytes;                      /* of memory: of what waits */
};

LsobsPendingFeedback *
_lsobs_pending_feedback_new (LsobsSettings *settings, LsobsTransport *transport)
{
  LsobsPendingFeedback *self = g_new0 (LsobsPendingFeedback, 1);

  self->settings = _lsobs_settings_ref (settings);
  self->transport = g_object_ref (transport);
  self->vtable = _lsobs_transport_peek_vtable (transport);
  g_queue_init (&self->waiting);
  return self;
}

void
_lsobs_pending_feedback_free (LsobsPendingFeedback *self)
{
  g_queue_clear_full (&self->waiting, (GDestroyNotify) _lsobs_record_unref);
  g_object_unref (self->transport);
  _lsobs_settings_unref (self->settings);
  g_free (self);
}

/* Called once, before anything is sent. */
void
_lsobs_pending_feedback_set_context (LsobsPendingFeedback *self, GMainContext *context)
{
  self->context = context;
}

/* Returns: (transfer none) (nullable): the project whose id the service has to tell; NULL when no id
 * is needed, or the feedback contains it */
static const char *
get_project (LsobsSettings *settings, LsobsRecord *record)
{
  LsobsTarget *own = _lsobs_settings_get_own_target (settings, record->info->target);
  LsobsTarget *target = _lsobs_settings_get_target (settings, own);

  if (target->is_address || (settings->index == 0 && record->feedback->project_id != NULL))
    return NULL;
  return target->name;
}

/* Whether @record lacks the id of its project. If the id is known, adds it to @record. */
static gboolean
is_nameless (LsobsPendingFeedback *self, LsobsRecord *record)
{
  const char *project;

  if (record->has_project_id || !self->vtable->needs_project_id (self->transport))
    return FALSE;
  project = get_project (self->settings, record);
  if (project == NULL)
    return FALSE;
  record->has_project_id =
      self->vtable->peek_project_id (self->transport, project, &record->project_id);
  return !record->has_project_id;
}

/* Returns: how @record is sent, or what it waits for. Asks nothing. */
LsobsFeedbackMode
_lsobs_pending_feedback_find_mode (LsobsPendingFeedback *self, LsobsRecord *record)
{
  g_assert (g_main_context_is_owner (self->context));
  if (record->feedback == NULL)
    return LSOBS_FEEDBACK_TOGETHER;
  if (!self->vtable->is_known (self->transport))
    return LSOBS_FEEDBACK_UNDECIDED;
  if (is_nameless (self, record))
    return LSOBS_FEEDBACK_NAMELESS;
  return record->feedback->keep_retention || !lsobs_transport_takes_feedback (self->transport)
             ? LSOBS_FEEDBACK_ALONE
             : LSOBS_FEEDBACK_TOGETHER;
}

static gboolean
ask_for_id (LsobsPendingFeedback *self, LsobsRecord *record)
{
  LsobsProjectIdState state =
      self->vtable->ask_project_id (self->transport, get_project (self->settings, record));

  record->asks_project_id = state == LSOBS_PROJECT_ID_AWAITED;
  record->lacks_project_id = state == LSOBS_PROJECT_ID_REFUSED;
  return record->asks_project_id;
}

/* Asks the service for what @record lacks. To be called for the id of the project only after the
 * create of the run is delivered or lost: the create may make the project.
 * FALSE when there is nothing to wait for */
gboolean
_lsobs_pending_feedback_look_up (LsobsPendingFeedback *self,
                                 LsobsRecord *record,
                                 LsobsFeedbackMode mode)
{
  g_assert (g_main_context_is_owner (self->context));
  switch (mode)
    {
    case LSOBS_FEEDBACK_UNDECIDED:
      self->vtable->await_known (self->transport);
      return TRUE;
    case LSOBS_FEEDBACK_NAMELESS:
      return ask_for_id (self, record);
    case LSOBS_FEEDBACK_TOGETHER:
    case LSOBS_FEEDBACK_ALONE:
    default:
      return FALSE;
    }
}

/* Takes @record over. */
void
_lsobs_pending_feedback_add (LsobsPendingFeedback *self, LsobsRecord *record)
{
  g_assert (g_main_context_is_owner (self->context));
  g_queue_push_tail (&self->waiting, record);
  self->n_bytes += record->size;
}

/* Returns: (transfer none) (element-type LsobsRecord): the oldest first, not to be changed */
GQueue *
_lsobs_pending_feedback_peek_queue (LsobsPendingFeedback *self)
{
  g_assert (g_main_context_is_owner (self->context));
  return &self->waiting;
}

/* Returns: (transfer full) */
static LsobsRecord *
take (LsobsPendingFeedback *self, GList *link)
{
  LsobsRecord *record = link->data;

  g_queue_delete_link (&self->waiting, link);
  self->n_bytes -= record->size;
  return record;
}

/* Returns: (transfer full) (nullable): the oldest record, while the bounds of the queue are exceeded
 * here */
LsobsRecord *
_lsobs_pending_feedback_take_surplus (LsobsPendingFeedback *self)
{
  g_assert (g_main_context_is_owner (self->context));
  if (self->waiting.length <= self->settings->values.queue_capacity &&
      self->n_bytes <= (gsize) self->settings->values.max_queue_bytes)
    return NULL;
  return _lsobs_pending_feedback_take (self);
}

/* Returns: (transfer full) (nullable): the oldest record */
LsobsRecord *
_lsobs_pending_feedback_take (LsobsPendingFeedback *self)
{
  g_assert (g_main_context_is_owner (self->context));
  return self->waiting.head != NULL ? take (self, self->waiting.head) : NULL;
}

static gboolean
has_to_wait (LsobsPendingFeedback *self, LsobsRecord *record)
{
  LsobsFeedbackMode mode = _lsobs_pending_feedback_find_mode (self, record);

  /* The feedback has waited for the answer of /info, and may still have to wait for its run. */
  if (mode == LSOBS_FEEDBACK_NAMELESS && !record->asks_project_id)
    return FALSE;
  return _lsobs_pending_feedback_look_up (self, record, mode);
}

/* Records that need not wait here move to @records, in their order. */
void
_lsobs_pending_feedback_release (LsobsPendingFeedback *self, GPtrArray *records, guint max_records)
{
  g_assert (g_main_context_is_owner (self->context));
  for (GList *l = self->waiting.head; l != NULL && records->len < max_records;)
    {
      GList *next = l->next;

      if (!has_to_wait (self, l->data))
        g_ptr_array_add (records, take (self, l));
      l = next;
    }
}
