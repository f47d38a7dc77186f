/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/lsobs-error.h"
#include "lsobs/model/lsobs-run-event-private.h"
#include "lsobs/text/lsobs-json-document-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/transport/lsobs-batch-private.h"

/* Makes batches of records that a program has as JSON text, for example because another process has
 * stored them. */

/* The members of a record that are read from its text. */
typedef struct
{
  LsobsRecordKind kind;
  LsobsJsonDocument document;
  char *id;              /* (owned) (nullable) of the run, or of the feedback */
  char *run_id;          /* (owned) (nullable) of feedback */
  char *trace_id;        /* (owned) (nullable) */
  char *parent_id;       /* (owned) (nullable) */
  char *dotted_order;    /* (owned) (nullable) */
  char *name;            /* (owned) (nullable) */
  char *key;             /* (owned) (nullable) of feedback */
  LsobsRunType run_type; /* of a run */
  gint64 end_time;       /* of a run; µs since 1970, or 0 */
} RecordReader;

static void
record_reader_clear (RecordReader *self)
{
  _lsobs_json_document_clear (&self->document);
  g_free (self->id);
  g_free (self->run_id);
  g_free (self->trace_id);
  g_free (self->parent_id);
  g_free (self->dotted_order);
  g_free (self->name);
  g_free (self->key);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RecordReader, record_reader_clear)

static gboolean
refuse (const char *name, GError **error)
{
  g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN,
               /* TRANSLATORS: the name of a member of a JSON object. */
               _ ("The JSON of a record has no valid “%s”"), name);
  return FALSE;
}

/* Returns: (transfer full) (nullable): NULL if the member is missing, or is no string */
static char *
dup_member (RecordReader *self, const char *name)
{
  const char *value = _lsobs_json_document_find (&self->document, self->document.text.data, name);
  gsize len;
  const char *text =
      value != NULL ? _lsobs_json_document_decode (&self->document, value, &len) : NULL;

  return text != NULL ? g_strndup (text, len) : NULL;
}

static LsobsRunType
parse_run_type (const char *text)
{
  g_autoptr (GEnumClass) types = g_type_class_ref (LSOBS_TYPE_RUN_TYPE);
  const GEnumValue *value = text != NULL ? g_enum_get_value_by_nick (types, text) : NULL;

  return value != NULL ? (LsobsRunType) value->value : LSOBS_RUN_TYPE_CHAIN;
}

static gboolean
read_text (RecordReader *self, GBytes *json, GError **error)
{
  g_autofree char *run_type = NULL;
  g_autofree char *end_time = NULL;
  gsize len;
  const char *text = g_bytes_get_data (json, &len);
  LsobsId id;

  if (!_lsobs_json_document_load (&self->document, text, len) || *self->document.text.data != '{')
    {
      g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN,
                           _ ("The text of a record is not a JSON object"));
      return FALSE;
    }
  self->id = dup_member (self, "id");
  self->run_id = dup_member (self, "run_id");
  self->trace_id = dup_member (self, "trace_id");
  self->parent_id = dup_member (self, "parent_run_id");
  self->dotted_order = dup_member (self, "dotted_order");
  self->name = dup_member (self, "name");
  self->key = dup_member (self, "key");
  run_type = dup_member (self, "run_type");
  self->run_type = parse_run_type (run_type);
  end_time = dup_member (self, "end_time");
  if (end_time == NULL || !_lsobs_time_parse_iso (end_time, &self->end_time))
    self->end_time = 0;
  return (self->id != NULL && _lsobs_id_parse_text (&id, self->id)) || refuse ("id", error);
}

/* Checks the rules for which the service would refuse a whole batch.
 * Returns: (transfer full) (nullable) */
static LsobsRunInfo *
identify_run (RecordReader *self, GError **error)
{
  g_autoptr (GArray) segments = NULL;

  if (self->trace_id == NULL || self->dotted_order == NULL)
    {
      refuse (self->trace_id == NULL ? "trace_id" : "dotted_order", error);
      return NULL;
    }
  segments = _lsobs_dotted_order_parse (self->dotted_order, error);
  if (segments == NULL)
    return NULL;
  /* An update need not name its parent. */
  if (self->kind == LSOBS_RECORD_UPDATE && self->parent_id == NULL && segments->len > 1)
    {
      self->parent_id = g_malloc0 (LSOBS_UUID_LEN + 1);
      _lsobs_id_write (&g_array_index (segments, LsobsSegment, segments->len - 2).id,
                       self->parent_id);
    }
  if (!_lsobs_dotted_order_check (self->dotted_order, self->id, self->trace_id, self->parent_id,
                                  error))
    return NULL;
  return _lsobs_run_info_new_for_segments ((LsobsSegment *) (gpointer) segments->data,
                                           segments->len, self->name, self->run_type);
}

/* Returns: (transfer full) (nullable): a stand-in with the ids of the run, as feedback has one */
static LsobsRunInfo *
identify_feedback (RecordReader *self, GError **error)
{
  LsobsSegment segments[2] = {
    { 0 },
  };

  if (self->run_id == NULL || !_lsobs_id_parse_text (&segments[1].id, self->run_id))
    {
      refuse ("run_id", error);
      return NULL;
    }
  if (self->trace_id == NULL)
    self->trace_id = g_strdup (self->run_id);
  if (!_lsobs_id_parse_text (&segments[0].id, self->trace_id))
    {
      refuse ("trace_id", error);
      return NULL;
    }
  if (self->key == NULL || *self->key == '\0')
    {
      refuse ("key", error);
      return NULL;
    }
  return _lsobs_run_info_new_for_segments (segments,
                                           _lsobs_id_equal (&segments[0].id, &segments[1].id) ? 1
                                                                                              : 2,
                                           NULL, LSOBS_RUN_TYPE_CHAIN);
}

/* --- the text ------------------------------------------------------------------------------ */

/* A member of the object, as it is in the text. */
typedef struct
{
  const char *begin; /* of its name, with the quote */
  const char *value;
  const char *end;
  LsobsField field; /* LSOBS_FIELD_MAIN: none of the others */
} RecordField;

static LsobsField
find_field (const char *name, gsize len)
{
  for (guint i = LSOBS_FIELD_MAIN + 1; i < LSOBS_N_FIELDS; i++)
    if (strlen (_lsobs_field_names[i]) == len && memcmp (_lsobs_field_names[i], name, len) == 0)
      return (LsobsField) i;
  return LSOBS_FIELD_MAIN;
}

/* @at: (inout): behind the last member, or at the brace that opens the object
 * Returns: FALSE at the end */
static gboolean
next_member (RecordReader *self, const char **at, RecordField *member)
{
  const LsobsBuffer *text = &self->document.text;
  LsobsJsonStringKind kind;
  const char *name_end;

  member->begin = *at + 1;
  if (**at == '}' || *member->begin == '}')
    return FALSE;
  name_end = _lsobs_json_string_scan (member->begin + 1, text->data + text->len - 1, &kind);
  member->field = self->kind == LSOBS_RECORD_FEEDBACK
                      ? LSOBS_FIELD_MAIN
                      : find_field (member->begin + 1, (gsize) (name_end - member->begin) - 2);
  member->value = name_end + 1;
  member->end = _lsobs_json_document_skip (&self->document, member->value);
  *at = member->end;
  return TRUE;
}

/* Writes the members in the order of a multipart body, so that each of its parts is a slice. */
static void
write_text (RecordReader *self, LsobsEncoded *encoded)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  RecordField fields[LSOBS_N_FIELDS] = {
    { 0 },
  };
  const char *at = self->document.text.data;
  RecordField member;

  _lsobs_buffer_append_c (&out, '{');
  while (next_member (self, &at, &member))
    if (member.field != LSOBS_FIELD_MAIN)
      fields[member.field] = member;
    else
      {
        if (out.len > 1)
          _lsobs_buffer_append_c (&out, ',');
        _lsobs_buffer_append (&out, member.begin, (gsize) (member.end - member.begin));
      }
  encoded->fields[LSOBS_FIELD_MAIN].len = out.len;
  for (guint i = LSOBS_FIELD_MAIN + 1; i < LSOBS_N_FIELDS; i++)
    {
      /* A field that is null has no effect, and must not be a part of the body. */
      if (fields[i].value == NULL || *fields[i].value == 'n')
        continue;
      _lsobs_buffer_append_c (&out, ',');
      _lsobs_buffer_append (&out, fields[i].begin, (gsize) (fields[i].value - fields[i].begin));
      encoded->fields[i].offset = out.len;
      encoded->fields[i].len = (gsize) (fields[i].end - fields[i].value);
      _lsobs_buffer_append (&out, fields[i].value, encoded->fields[i].len);
    }
  _lsobs_buffer_append_c (&out, '}');
  encoded->text = _lsobs_buffer_steal_bytes (&out);
}

/* --- batches ------------------------------------------------------------------------------- */

static LsobsEncoded *
make_encoded (RecordReader *self, LsobsRunInfo *info, LsobsRunEvent *attachments)
{
  LsobsEncoded *encoded = _lsobs_encoded_new ();

  encoded->record = _lsobs_record_new (self->kind, info);
  encoded->record->end_time = self->end_time;
  if (self->kind == LSOBS_RECORD_FEEDBACK)
    encoded->record->feedback = lsobs_feedback_new (self->run_id, self->trace_id, self->key);
  encoded->counters = _lsobs_counters_new ();
  encoded->kind = self->kind;
  encoded->run_type = self->run_type;
  encoded->start_time = info->segment.start_time;
  encoded->end_time = self->end_time != 0 ? MAX (self->end_time, encoded->start_time) : 0;
  g_strlcpy (encoded->id, self->id, sizeof encoded->id);
  if (attachments != NULL)
    _lsobs_attachments_unite (&encoded->attachments, attachments->attachments);
  write_text (self, encoded);
  return encoded;
}

static LsobsRecordKind
get_record_kind (LsobsRunEventKind kind)
{
  switch (kind)
    {
    case LSOBS_RUN_EVENT_KIND_UPDATE:
      return LSOBS_RECORD_UPDATE;
    case LSOBS_RUN_EVENT_KIND_FEEDBACK:
      return LSOBS_RECORD_FEEDBACK;
    case LSOBS_RUN_EVENT_KIND_START:
    default:
      return LSOBS_RECORD_CREATE;
    }
}

/**
 * lsobs_batch_new_from_json:
 * @kind: the kind of the record
 * @json: the record: a JSON object with the members that the batch endpoint of the service accepts
 * @attachments: (nullable): an event with the attachments of the run; its other values are not used
 * @error: return location for a #GError, or %NULL
 *
 * Creates a batch of one record from JSON text, such as a run that another process has stored. It
 * is for programs that send such records with an #LsobsTransport. The record keeps its ids, times
 * and values: lsobs redacts, cuts and adds nothing. lsobs repairs text that strict readers refuse,
 * such as a lone surrogate or a number that is not finite. It removes the members `inputs`,
 * `outputs`, `events`, `extra`, `error` and `serialized` of a run if they are `null`.
 *
 * A run must have `id`, `trace_id` and `dotted_order`. A start of a run that is not a root must
 * also have `parent_run_id`. These members must be consistent. Feedback must have `id`, `run_id`
 * and `key`.
 *
 * Fails with %LSOBS_ERROR_INVALID_RUN if the text is not a JSON object, or if one of these members
 * is missing or malformed. Can be called from any thread.
 *
 * Returns: (transfer full) (nullable): a new batch, or %NULL if it fails
 *
 * Since: 0.1
 */
LsobsBatch *
lsobs_batch_new_from_json (LsobsRunEventKind kind,
                           GBytes *json,
                           LsobsRunEvent *attachments,
                           GError **error)
{
  g_auto (RecordReader) reading = { .document = LSOBS_JSON_DOCUMENT_INIT };
  g_autoptr (LsobsRunInfo) info = NULL;
  GPtrArray *records;

  g_return_val_if_fail ((guint) kind <= LSOBS_RUN_EVENT_KIND_FEEDBACK, NULL);
  g_return_val_if_fail (json != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  reading.kind = get_record_kind (kind);
  if (!read_text (&reading, json, error))
    return NULL;
  info = kind == LSOBS_RUN_EVENT_KIND_FEEDBACK ? identify_feedback (&reading, error)
                                               : identify_run (&reading, error);
  if (info == NULL)
    return NULL;
  records = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_encoded_unref);
  g_ptr_array_add (records, make_encoded (&reading, info, attachments));
  return _lsobs_batch_new (records);
}

/**
 * lsobs_batch_new_joined:
 * @batches: (array length=n_batches): the batches
 * @n_batches: the number of batches, at least 1
 *
 * Creates a batch of the records of several batches, in their order.
 * lsobs_transport_get_max_records() and lsobs_transport_get_max_bytes() return how much a transport
 * accepts in a batch. lsobs_transport_takes_feedback() returns whether a batch can contain both
 * feedback and runs.
 *
 * The batches share their records, which are not copied. Can be called from any thread.
 *
 * Returns: (transfer full): a new batch
 *
 * Since: 0.1
 */
LsobsBatch *
lsobs_batch_new_joined (LsobsBatch **batches, guint n_batches)
{
  GPtrArray *records;

  g_return_val_if_fail (batches != NULL, NULL);
  g_return_val_if_fail (n_batches > 0, NULL);

  records = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_encoded_unref);
  for (guint i = 0; i < n_batches; i++)
    {
      GPtrArray *more = _lsobs_batch_peek_records (batches[i]);

      for (guint j = 0; j < more->len; j++)
        g_ptr_array_add (records, _lsobs_encoded_ref (g_ptr_array_index (more, j)));
    }
  return _lsobs_batch_new (records);
}
