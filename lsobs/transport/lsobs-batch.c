/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/model/lsobs-run-event-private.h"
#include "lsobs/transport/lsobs-batch-private.h"

/**
 * SECTION:lsobs-batch
 * @title: LsobsBatch
 * @short_description: records that are sent together
 *
 * An #LsobsTransport sends batches of records. A record creates a run, updates it, or adds
 * feedback. Records are redacted, cut and complete.
 *
 * lsobs_batch_get_record_kind(), lsobs_batch_get_record_id() and lsobs_batch_get_record_json()
 * return a record as it is sent, and cost nothing. lsobs_batch_dup_event() parses the record.
 *
 * A batch is immutable while you hold a reference. Any thread can use it.
 */

struct _LsobsBatch
{
  gatomicrefcount ref_count;
  GPtrArray *records; /* (owned) (element-type LsobsEncoded) */
  gsize n_bytes;
  gboolean probe;            /* see lsobs_batch_is_probe() */
  LsobsBatchHistory history; /* only the thread that sends uses it; the rest never changes */
};

G_DEFINE_BOXED_TYPE (LsobsBatch, lsobs_batch, lsobs_batch_ref, lsobs_batch_unref)

/* @records: (transfer full) (element-type LsobsEncoded): with a free function */
LsobsBatch *
_lsobs_batch_new (GPtrArray *records)
{
  LsobsBatch *self = g_new0 (LsobsBatch, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->records = records;
  for (guint i = 0; i < records->len; i++)
    self->n_bytes += _lsobs_encoded_get_size (g_ptr_array_index (records, i));
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

/* Returns: the number that the queue has given to the first record; older ones are smaller */
guint64
_lsobs_batch_get_first_seq (LsobsBatch *self)
{
  return ((LsobsEncoded *) g_ptr_array_index (self->records, 0))->record->seq;
}

/* Returns: (transfer full): the records from @start up to @end. Of the history they keep only
 *   whether the service may have them. */
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

/* Returns: (transfer full): the same records and history, as a probe */
LsobsBatch *
_lsobs_batch_new_probe (LsobsBatch *self)
{
  return copy (self, TRUE);
}

/* Returns: (transfer full): the same records and history, not as a probe: a transport makes as
 *   many attempts as the settings say */
LsobsBatch *
_lsobs_batch_new_round (LsobsBatch *self)
{
  return copy (self, FALSE);
}

/* Returns: (transfer full): the records from @start up to @end, with the same history */
LsobsBatch *
_lsobs_batch_slice (LsobsBatch *self, guint start, guint end)
{
  LsobsBatch *part = slice (self, start, end);

  part->probe = self->probe;
  part->history = self->history;
  return part;
}

/* Splits a batch of at least two records; both halves keep the order. */
void
_lsobs_batch_halve (LsobsBatch *self, LsobsBatch **first, LsobsBatch **second)
{
  g_assert (self->records->len >= 2);

  *first = slice (self, 0, self->records->len / 2);
  *second = slice (self, self->records->len / 2, self->records->len);
}

static LsobsRunEventKind
get_kind (const LsobsEncoded *encoded)
{
  switch (encoded->kind)
    {
    case LSOBS_RECORD_FEEDBACK:
      return LSOBS_RUN_EVENT_KIND_FEEDBACK;
    case LSOBS_RECORD_UPDATE:
      return LSOBS_RUN_EVENT_KIND_UPDATE;
    case LSOBS_RECORD_CREATE:
    default:
      return LSOBS_RUN_EVENT_KIND_START;
    }
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
 * Drops a reference. The last call frees @self.
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
 * Gets the number of records in the batch.
 *
 * Returns: the number of records, at least 1
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
 * Gets the size of the batch: the JSON text of its records and the data of their attachments. What
 * a transport adds is not included.
 *
 * Returns: the number of bytes
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
 * Checks whether the exporter sends the batch as a probe, to find out whether the service is back,
 * or which record of the batch causes a failure. A transport makes only one attempt for a probe,
 * even if it makes several for other batches: the exporter sends a probe again later, after a delay
 * that grows.
 *
 * Returns: %TRUE if the batch is a probe
 *
 * Since: 0.1
 */
gboolean
lsobs_batch_is_probe (LsobsBatch *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return self->probe;
}

/**
 * lsobs_batch_get_record_kind:
 * @self: a batch
 * @index: the index of the record, from 0
 *
 * Gets the kind of a record: %LSOBS_RUN_EVENT_KIND_START creates a run,
 * %LSOBS_RUN_EVENT_KIND_UPDATE updates a run that an earlier record has created, and
 * %LSOBS_RUN_EVENT_KIND_FEEDBACK adds feedback to a run.
 *
 * Returns: the kind of the record
 *
 * Since: 0.1
 */
LsobsRunEventKind
lsobs_batch_get_record_kind (LsobsBatch *self, guint index)
{
  g_return_val_if_fail (self != NULL, LSOBS_RUN_EVENT_KIND_START);
  g_return_val_if_fail (index < self->records->len, LSOBS_RUN_EVENT_KIND_START);

  return get_kind (g_ptr_array_index (self->records, index));
}

/**
 * lsobs_batch_get_record_id:
 * @self: a batch
 * @index: the index of the record, from 0
 *
 * Gets the id in a record: the id of the run or, for feedback, the id of the feedback.
 *
 * Returns: (transfer none): the id, a UUID, valid as long as @self
 *
 * Since: 0.1
 */
const char *
lsobs_batch_get_record_id (LsobsBatch *self, guint index)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (index < self->records->len, NULL);

  return ((LsobsEncoded *) g_ptr_array_index (self->records, index))->id;
}

/**
 * lsobs_batch_get_record_json:
 * @self: a batch
 * @index: the index of the record, from 0
 *
 * Gets a record as JSON text: one object on one line, in UTF-8, without a line end or a terminating
 * NUL. Its members are those that the batch endpoint of the service accepts. Attachments are not in
 * the text, see lsobs_run_event_dup_attachment_names().
 *
 * The text is not copied or parsed. It is immutable. To use it longer than @self, add a reference.
 *
 * Returns: (transfer none): the text, valid as long as @self
 *
 * Since: 0.1
 */
GBytes *
lsobs_batch_get_record_json (LsobsBatch *self, guint index)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (index < self->records->len, NULL);

  return ((LsobsEncoded *) g_ptr_array_index (self->records, index))->text;
}

/* JSON-GLib reads all that the encoder writes, as far as is known. If another version does not, the
 * content of the record is missing in the event, which is counted.
 * Returns: (transfer full): the record's object, or an empty one */
static JsonNode *
parse (LsobsEncoded *encoded)
{
  JsonNode *node;
  g_autoptr (JsonParser) parser = json_parser_new ();
  gsize len;
  const char *text = g_bytes_get_data (encoded->text, &len);

  if (json_parser_load_from_data (parser, text, (gssize) len, NULL) &&
      json_parser_get_root (parser) != NULL &&
      JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser)))
    return json_parser_steal_root (parser);
  _lsobs_counters_add (encoded->counters, LSOBS_COUNTER_BAD_PAYLOADS, 1);
  node = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (node, json_object_new ());
  return node;
}

/* Returns: (transfer full) (nullable) */
static char *
dup_string (JsonObject *object, const char *name)
{
  return g_strdup (json_object_get_string_member_with_default (object, name, NULL));
}

static void
take_tags (LsobsRunEvent *event, JsonObject *object)
{
  JsonArray *tags = json_object_has_member (object, "tags")
                        ? json_object_get_array_member (object, "tags")
                        : NULL;
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  if (tags == NULL)
    return;
  for (guint i = 0; i < json_array_get_length (tags); i++)
    g_strv_builder_add (builder, json_array_get_string_element (tags, i));
  event->tags = g_strv_builder_end (builder);
}

/* The event has the id of the run; the feedback's own is in the object. */
static LsobsRunEvent *
make_feedback_event (LsobsEncoded *encoded)
{
  JsonNode *node = parse (encoded);
  JsonObject *object = json_node_get_object (node);
  g_autofree char *run_id = dup_string (object, "run_id");
  LsobsRunEvent *event =
      _lsobs_run_event_alloc (LSOBS_RUN_EVENT_KIND_FEEDBACK, run_id != NULL ? run_id : encoded->id);

  event->trace_id = dup_string (object, "trace_id");
  event->feedback = node;
  return event;
}

/* Returns: (transfer full) (nullable) */
static JsonNode *
dup_field (JsonObject *object, LsobsField field)
{
  return json_object_dup_member (object, _lsobs_field_names[field]);
}

static LsobsRunEvent *
make_run_event (LsobsEncoded *encoded)
{
  g_autoptr (JsonNode) node = parse (encoded);
  JsonObject *object = json_node_get_object (node);
  LsobsRunEvent *event = _lsobs_run_event_alloc (get_kind (encoded), encoded->id);

  event->parent_id = dup_string (object, "parent_run_id");
  event->trace_id = dup_string (object, "trace_id");
  event->dotted_order = dup_string (object, "dotted_order");
  event->name = dup_string (object, "name");
  event->project_name = dup_string (object, "session_name");
  event->address = dup_string (object, "address");
  event->example_id = dup_string (object, "reference_example_id");
  event->error_text = dup_string (object, _lsobs_field_names[LSOBS_FIELD_ERROR]);
  event->run_type = encoded->run_type;
  event->start_time = encoded->start_time;
  event->end_time = encoded->end_time;
  take_tags (event, object);
  event->inputs = dup_field (object, LSOBS_FIELD_INPUTS);
  event->outputs = dup_field (object, LSOBS_FIELD_OUTPUTS);
  event->extra = dup_field (object, LSOBS_FIELD_EXTRA);
  event->events = dup_field (object, LSOBS_FIELD_EVENTS);
  event->serialized = dup_field (object, LSOBS_FIELD_SERIALIZED);
  _lsobs_attachments_unite (&event->attachments, encoded->attachments);
  return event;
}

/**
 * lsobs_batch_dup_event:
 * @self: a batch
 * @index: the index of the record, from 0
 *
 * Gets a record as an event, with all data that leave the process, including the attachments. This
 * function parses the text of the record; lsobs_batch_get_record_json() is faster. If JSON-GLib
 * cannot read the text, the event has only the kind, the id, the run type, the times and the
 * attachments, and %LSOBS_COUNTER_BAD_PAYLOADS counts it.
 *
 * Returns: (transfer full): a new event
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
