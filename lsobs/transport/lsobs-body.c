/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/transport/lsobs-body-private.h"

/* Writes encoded records as the three kinds of request body: multipart, batch, and one record.
 * The size of a multipart body is known exactly before it is written. */

#define DISPOSITION "\r\nContent-Disposition: form-data; name=\""
#define TYPE        "\"\r\nContent-Type: "
#define LENGTH      "\r\nContent-Length: "
#define BATCH_POST  "{\"post\":["
#define BATCH_PATCH "],\"patch\":["
#define BATCH_END   "]}"

/* A part of a multipart body. */
typedef struct
{
  const char *kind;    /* the first piece of the name, with its dot; the id follows */
  const char *field;   /* (nullable) the last piece of the name */
  const char *type;    /* MIME type */
  const char *payload; /* (nullable) NULL: empty */
  gsize payload_len;
  const char *tail; /* follows the payload */
  gsize len;        /* of payload and tail */
} Part;

static const char *
get_operation (LsobsEncoded *encoded)
{
  switch (encoded->kind)
    {
    case LSOBS_RECORD_FEEDBACK:
      return "feedback.";
    case LSOBS_RECORD_UPDATE:
      return "patch.";
    case LSOBS_RECORD_CREATE:
    default:
      return "post.";
    }
}

/* @index: (inout): 0 at first
 * Returns: FALSE after the last part */
static gboolean
next_part (LsobsEncoded *encoded, guint *index, Part *part)
{
  GPtrArray *attachments = encoded->attachments;
  LsobsAttachment *attachment;
  guint i;

  while ((i = (*index)++) < LSOBS_N_FIELDS)
    {
      part->kind = get_operation (encoded);
      part->field = i != LSOBS_FIELD_MAIN ? _lsobs_field_names[i] : NULL;
      part->type = "application/json";
      part->payload = _lsobs_encoded_get_field (encoded, (LsobsField) i, &part->payload_len);
      part->tail = i == LSOBS_FIELD_MAIN ? "}" : "";
      part->len = part->payload_len + strlen (part->tail);
      if (part->payload != NULL)
        return TRUE;
    }
  i -= LSOBS_N_FIELDS;
  if (attachments == NULL || i >= attachments->len)
    return FALSE;
  attachment = g_ptr_array_index (attachments, i);
  part->kind = "attachment.";
  part->field = attachment->name;
  part->type = attachment->mime_type;
  part->payload = g_bytes_get_data (attachment->data, &part->len);
  part->payload_len = part->len;
  part->tail = "";
  return TRUE;
}

static gsize
count_digits (gsize n)
{
  gsize digits = 1;

  for (; n >= 10; n /= 10)
    digits++;
  return digits;
}

/* Writes LSOBS_BOUNDARY_LEN characters and a NUL. Each request has a boundary of its own, of
 * 128 random bits, so that no payload can contain it on purpose. */
void
_lsobs_body_make_boundary (char *boundary)
{
  memcpy (boundary, "lsobs-", 6);
  _lsobs_id_make_token (boundary + 6);
}

/* The bytes that the record takes in a multipart body; the other shapes take less. */
gsize
_lsobs_body_measure_record (LsobsEncoded *encoded)
{
  gsize size = 0;
  guint index = 0;
  Part part;

  while (next_part (encoded, &index, &part))
    size += 2 + LSOBS_BOUNDARY_LEN + strlen (DISPOSITION) + strlen (part.kind) + LSOBS_UUID_LEN +
            (part.field != NULL ? 1 + strlen (part.field) : 0) + strlen (TYPE) +
            strlen (part.type) + strlen (LENGTH) + count_digits (part.len) + 4 + part.len + 2;
  return size;
}

/* The bytes of a multipart body that belong to no record. */
gsize
_lsobs_body_measure_end (void)
{
  return 2 + LSOBS_BOUNDARY_LEN + 4;
}

/* The size of a multipart body.
 * @records: (element-type LsobsEncoded) */
gsize
_lsobs_body_measure (GPtrArray *records)
{
  gsize size = _lsobs_body_measure_end ();

  for (guint i = 0; i < records->len; i++)
    size += _lsobs_body_measure_record (g_ptr_array_index (records, i));
  return size;
}

/* The bytes in the parts of a multipart body, without their headers.
 * @records: (element-type LsobsEncoded) */
gsize
_lsobs_body_measure_payload (GPtrArray *records)
{
  gsize size = 0;

  for (guint i = 0; i < records->len; i++)
    {
      guint index = 0;
      Part part;

      while (next_part (g_ptr_array_index (records, i), &index, &part))
        size += part.len;
    }
  return size;
}

static void
append_part (LsobsBuffer *out, const char *boundary, const char *id, const Part *part)
{
  _lsobs_buffer_append_str (out, "--");
  _lsobs_buffer_append_str (out, boundary);
  _lsobs_buffer_append_str (out, DISPOSITION);
  _lsobs_buffer_append_str (out, part->kind);
  _lsobs_buffer_append (out, id, LSOBS_UUID_LEN);
  if (part->field != NULL)
    {
      _lsobs_buffer_append_c (out, '.');
      _lsobs_buffer_append_str (out, part->field);
    }
  _lsobs_buffer_append_str (out, TYPE);
  _lsobs_buffer_append_str (out, part->type);
  _lsobs_buffer_append_str (out, LENGTH);
  _lsobs_buffer_append_int64 (out, (gint64) part->len);
  _lsobs_buffer_append_str (out, "\r\n\r\n");
  _lsobs_buffer_append (out, part->payload, part->payload_len);
  _lsobs_buffer_append_str (out, part->tail);
  _lsobs_buffer_append_str (out, "\r\n");
}

/* @records: (element-type LsobsEncoded)
 * Returns: (transfer full) */
GBytes *
_lsobs_body_write_multipart (GPtrArray *records, const char *boundary)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  _lsobs_buffer_reserve (&out, _lsobs_body_measure (records));
  for (guint i = 0; i < records->len; i++)
    {
      LsobsEncoded *encoded = g_ptr_array_index (records, i);
      guint index = 0;
      Part part;

      while (next_part (encoded, &index, &part))
        append_part (&out, boundary, encoded->id, &part);
    }
  _lsobs_buffer_append_str (&out, "--");
  _lsobs_buffer_append_str (&out, boundary);
  _lsobs_buffer_append_str (&out, "--\r\n");
  return _lsobs_buffer_steal_bytes (&out);
}

static void
append_runs (LsobsBuffer *out, GPtrArray *records, LsobsRecordKind kind)
{
  gboolean first = TRUE;

  for (guint i = 0; i < records->len; i++)
    {
      LsobsEncoded *encoded = g_ptr_array_index (records, i);

      if (encoded->kind != kind)
        continue;
      if (!first)
        _lsobs_buffer_append_c (out, ',');
      first = FALSE;
      _lsobs_buffer_append (out, g_bytes_get_data (encoded->text, NULL),
                            g_bytes_get_size (encoded->text));
    }
}

/* Writes the runs only: this kind of body has no place for feedback and attachments.
 * @records: (element-type LsobsEncoded)
 * Returns: (transfer full) */
GBytes *
_lsobs_body_write_batch (GPtrArray *records)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  _lsobs_buffer_append_str (&out, BATCH_POST);
  append_runs (&out, records, LSOBS_RECORD_CREATE);
  _lsobs_buffer_append_str (&out, BATCH_PATCH);
  append_runs (&out, records, LSOBS_RECORD_UPDATE);
  _lsobs_buffer_append_str (&out, BATCH_END);
  return _lsobs_buffer_steal_bytes (&out);
}

/* One record alone. The id of an update is in the URL of the request, not in its body.
 * Returns: (transfer full) */
GBytes *
_lsobs_body_write_one (LsobsEncoded *encoded)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  gsize skip = strlen ("{\"id\":\"") + LSOBS_UUID_LEN + strlen ("\",");
  gsize len;
  const char *text = g_bytes_get_data (encoded->text, &len);

  if (encoded->kind != LSOBS_RECORD_UPDATE)
    return g_bytes_ref (encoded->text);
  _lsobs_buffer_append_c (&out, '{');
  _lsobs_buffer_append (&out, text + skip, len - skip);
  return _lsobs_buffer_steal_bytes (&out);
}
