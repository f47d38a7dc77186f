/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/model/lsobs-run-event-private.h"
#include "lsobs/transport/lsobs-batch-private.h"
#include "lsobs/transport/lsobs-body-private.h"

/**
 * SECTION:lsobs-batch
 * @title: LsobsBatch
 * @short_description: some records that travel together
 *
 * What an #LsobsTransport is given to send. The records in it are final:
 * redacted, cut to size and complete. A batch never changes, and may be used
 * from any thread.
 */

struct _LsobsBatch
{
  gatomicrefcount ref_count;
  GPtrArray *records; /* (owned) (element-type LsobsEncoded) */
  gsize n_bytes;
  gboolean probe;            /* one attempt is enough */
  LsobsBatchHistory history; /* the only member that changes */
};

G_DEFINE_BOXED_TYPE (LsobsBatch, lsobs_batch, lsobs_batch_ref, lsobs_batch_unref)

/* @records: (transfer full) (element-type LsobsEncoded): with a free function */
LsobsBatch *
_lsobs_batch_new (GPtrArray *records)
{
  LsobsBatch *self = g_new0 (LsobsBatch, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->records = records;
  self->n_bytes = _lsobs_body_measure_end ();
  for (guint i = 0; i < records->len; i++)
    self->n_bytes += _lsobs_body_measure (g_ptr_array_index (records, i));
  return self;
}

/* Returns: (transfer none) (element-type LsobsEncoded) */
GPtrArray *
_lsobs_batch_peek_records (LsobsBatch *self)
{
  return self->records;
}

LsobsBatchHistory *
_lsobs_batch_peek_history (LsobsBatch *self)
{
  return &self->history;
}

/* Returns: how old the first record is, as the queue counts */
guint64
_lsobs_batch_get_first_seq (LsobsBatch *self)
{
  return ((LsobsEncoded *) g_ptr_array_index (self->records, 0))->record->seq;
}

static LsobsBatch *
slice (LsobsBatch *self, guint start, guint end)
{
  GPtrArray *records = g_ptr_array_new_full (end - start, (GDestroyNotify) _lsobs_encoded_unref);
  LsobsBatch *part;

  for (guint i = start; i < end; i++)
    g_ptr_array_add (records, _lsobs_encoded_ref (g_ptr_array_index (self->records, i)));
  part = _lsobs_batch_new (records);
  part->history.unsure = self->history.unsure;
  return part;
}

static LsobsBatch *
copy (LsobsBatch *self, gboolean probe)
{
  LsobsBatch *other = g_new0 (LsobsBatch, 1);

  g_atomic_ref_count_init (&other->ref_count);
  other->records = g_ptr_array_ref (self->records);
  other->n_bytes = self->n_bytes;
  other->probe = probe;
  other->history = self->history;
  return other;
}

/* Returns: (transfer full): the same records, for one attempt */
LsobsBatch *
_lsobs_batch_new_probe (LsobsBatch *self)
{
  return copy (self, TRUE);
}

/* Returns: (transfer full): the same records, for as many attempts as the settings say */
LsobsBatch *
_lsobs_batch_new_round (LsobsBatch *self)
{
  return copy (self, FALSE);
}

/* Returns: (transfer full): a part of what is to be sent again, in all else the same */
LsobsBatch *
_lsobs_batch_slice (LsobsBatch *self, guint start, guint end)
{
  LsobsBatch *part = slice (self, start, end);

  part->probe = self->probe;
  part->history = self->history;
  return part;
}

/* Of two records at least. The order is kept. */
void
_lsobs_batch_halve (LsobsBatch *self, LsobsBatch **first, LsobsBatch **second)
{
  g_assert (self->records->len >= 2);

  *first = slice (self, 0, self->records->len / 2);
  *second = slice (self, self->records->len / 2, self->records->len);
}

/**
 * lsobs_batch_ref:
 * @self: a batch
 *
 * Adds a reference.
 *
 * Returns: (transfer full): @self
 *
 * Since: 0.1
 */
LsobsBatch *
lsobs_batch_ref (LsobsBatch *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/**
 * lsobs_batch_unref:
 * @self: (transfer full): a batch
 *
 * Drops a reference, and frees @self with the last one.
 *
 * Since: 0.1
 */
void
lsobs_batch_unref (LsobsBatch *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_ptr_array_unref (self->records);
  g_free (self);
}

/**
 * lsobs_batch_get_n_records:
 * @self: a batch
 *
 * Gets how many records the batch holds.
 *
 * Returns: a number of records, at least 1
 *
 * Since: 0.1
 */
guint
lsobs_batch_get_n_records (LsobsBatch *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->records->len;
}

/**
 * lsobs_batch_get_n_bytes:
 * @self: a batch
 *
 * Gets how large the batch is as a multipart body.
 *
 * Returns: a number of bytes
 *
 * Since: 0.1
 */
gsize
lsobs_batch_get_n_bytes (LsobsBatch *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->n_bytes;
}

/**
 * lsobs_batch_is_probe:
 * @self: a batch
 *
 * Gets whether the exporter sends the batch as a probe: to find out whether the service is
 * back, or whether a record in the batch is to blame for a failure. A transport that makes
 * several attempts at other batches makes only one at a probe: the exporter sends the batch
 * again later, after a delay that grows.
 *
 * Returns: %TRUE if one attempt is enough
 *
 * Since: 0.1
 */
gboolean
lsobs_batch_is_probe (LsobsBatch *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return self->probe;
}

/* Returns: (transfer full) (nullable) */
static JsonNode *
parse_field (LsobsEncoded *encoded, LsobsField field)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  gsize len;
  const char *text = _lsobs_encoded_get_field (encoded, field, &len);

  if (text == NULL || !json_parser_load_from_data (parser, text, (gssize) len, NULL))
    return NULL;
  return json_parser_steal_root (parser);
}

static void
take_tags (LsobsRunEvent *event, JsonObject *main)
{
  JsonArray *tags =
      json_object_has_member (main, "tags") ? json_object_get_array_member (main, "tags") : NULL;
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  if (tags == NULL)
    return;
  for (guint i = 0; i < json_array_get_length (tags); i++)
    g_strv_builder_add (builder, json_array_get_string_element (tags, i));
  event->tags = g_strv_builder_end (builder);
}

/* The event says whom it is about; the rest is the object. */
static LsobsRunEvent *
make_feedback_event (LsobsEncoded *encoded)
{
  JsonNode *node = parse_field (encoded, LSOBS_FIELD_MAIN);
  JsonObject *main = json_node_get_object (node);
  LsobsRunEvent *event = _lsobs_run_event_alloc (LSOBS_RUN_EVENT_KIND_FEEDBACK,
                                                 json_object_get_string_member (main, "run_id"));

  event->trace_id = g_strdup (json_object_get_string_member (main, "trace_id"));
  event->feedback = node;
  return event;
}

static LsobsRunEvent *
make_run_event (LsobsEncoded *encoded)
{
  LsobsRunEvent *event =
      _lsobs_run_event_alloc (encoded->kind == LSOBS_RECORD_CREATE ? LSOBS_RUN_EVENT_KIND_START
                                                                   : LSOBS_RUN_EVENT_KIND_UPDATE,
                              encoded->id);
  g_autoptr (JsonNode) main_node = parse_field (encoded, LSOBS_FIELD_MAIN);
  g_autoptr (JsonNode) error_node = NULL;
  JsonObject *main = json_node_get_object (main_node);

  event->parent_id =
      g_strdup (json_object_get_string_member_with_default (main, "parent_run_id", NULL));
  event->trace_id = g_strdup (json_object_get_string_member (main, "trace_id"));
  event->dotted_order = g_strdup (json_object_get_string_member (main, "dotted_order"));
  event->name = g_strdup (json_object_get_string_member (main, "name"));
  event->project_name =
      g_strdup (json_object_get_string_member_with_default (main, "session_name", NULL));
  event->address = g_strdup (json_object_get_string_member_with_default (main, "address", NULL));
  event->run_type = encoded->run_type;
  event->start_time = encoded->start_time;
  event->end_time = encoded->end_time;
  take_tags (event, main);
  event->inputs = parse_field (encoded, LSOBS_FIELD_INPUTS);
  event->outputs = parse_field (encoded, LSOBS_FIELD_OUTPUTS);
  event->extra = parse_field (encoded, LSOBS_FIELD_EXTRA);
  event->events = parse_field (encoded, LSOBS_FIELD_EVENTS);
  event->serialized = parse_field (encoded, LSOBS_FIELD_SERIALIZED);
  event->example_id =
      g_strdup (json_object_get_string_member_with_default (main, "reference_example_id", NULL));
  error_node = parse_field (encoded, LSOBS_FIELD_ERROR);
  if (error_node != NULL)
    event->error_text = json_node_dup_string (error_node);
  _lsobs_attachments_unite (&event->attachments, encoded->attachments);
  return event;
}

/**
 * lsobs_batch_dup_event:
 * @self: a batch
 * @index: which record, from 0
 *
 * Gets a record of the batch as an event, with everything as it leaves the
 * process.
 *
 * Returns: (transfer full): an event
 *
 * Since: 0.1
 */
LsobsRunEvent *
lsobs_batch_dup_event (LsobsBatch *self, guint index)
{
  LsobsEncoded *encoded;

  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (index < self->records->len, NULL);

  encoded = g_ptr_array_index (self->records, index);
  return encoded->kind == LSOBS_RECORD_FEEDBACK ? make_feedback_event (encoded)
                                                : make_run_event (encoded);
}
