/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/transport/lsobs-body-private.h"

/* The three shapes of a request body, made of encoded records. Sizes are exact,
 * and known before a byte is written. */

#define DISPOSITION "\r\nContent-Disposition: form-data; name=\""
#define TYPE        "\"\r\nContent-Type: "
#define LENGTH      "\r\nContent-Length: "
#define BATCH_POST  "{\"post\":["
#define BATCH_PATCH "],\"patch\":["
#define BATCH_END   "]}"

/* A part of a multipart body. */
typedef struct
{
  const char *kind;  /* the first piece of its name, with a point */
  const char *field; /* (nullable) the last piece; in between is the id */
  const char *type;
  const char *payload; /* (nullable) when it is empty */
  gsize len;
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

/* @index: (inout): from 0 on
 * FALSE after the last part */
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
      part->payload = _lsobs_encoded_get_field (encoded, (LsobsField) i, &part->len);
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

/* Writes LSOBS_BOUNDARY_LEN characters and a NUL. A new one for each request, of
 * 128 random bits, so that no payload can contain it on purpose. */
void
_lsobs_body_make_boundary (char *boundary)
{
  memcpy (boundary, "lsobs-", 6);
  _lsobs_id_make_token (boundary + 6);
}

/* How many bytes of a multipart body the record takes; the other shapes take
 * less. */
gsize
_lsobs_body_measure (LsobsEncoded *encoded)
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

gsize
_lsobs_body_measure_end (void)
{
  return 2 + LSOBS_BOUNDARY_LEN + 4;
}

/* What is in the parts of a multipart body, without their heads.
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
  _lsobs_buffer_append (out, part->payload, part->len);
  _lsobs_buffer_append_str (out, "\r\n");
}

/* @records: (element-type LsobsEncoded) */
GBytes *
_lsobs_body_write_multipart (GPtrArray *records, const char *boundary)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  gsize size = _lsobs_body_measure_end ();

  for (guint i = 0; i < records->len; i++)
    size += _lsobs_body_measure (g_ptr_array_index (records, i));
  _lsobs_buffer_reserve (&out, size);
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

/* The whole run as one object: the other fields go back into the main one. */
static void
append_run (LsobsBuffer *out, LsobsEncoded *encoded, gsize skip)
{
  gsize len;
  const char *payload = _lsobs_encoded_get_field (encoded, LSOBS_FIELD_MAIN, &len);

  _lsobs_buffer_append_c (out, '{');
  _lsobs_buffer_append (out, payload + skip, len - skip - 1);
  for (guint field = LSOBS_FIELD_MAIN + 1; field < LSOBS_N_FIELDS; field++)
    {
      payload = _lsobs_encoded_get_field (encoded, (LsobsField) field, &len);
      if (payload == NULL)
        continue;
      _lsobs_buffer_append_str (out, ",\"");
      _lsobs_buffer_append_str (out, _lsobs_field_names[field]);
      _lsobs_buffer_append_str (out, "\":");
      _lsobs_buffer_append (out, payload, len);
    }
  _lsobs_buffer_append_c (out, '}');
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
      append_run (out, encoded, 1);
    }
}

/* @records: (element-type LsobsEncoded) */
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

/* One record alone. An update names its id in the URL, and so leaves it out here. */
GBytes *
_lsobs_body_write_one (LsobsEncoded *encoded)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  append_run (&out, encoded,
              encoded->kind == LSOBS_RECORD_UPDATE
                  ? strlen ("{\"id\":\"") + LSOBS_UUID_LEN + strlen ("\",")
                  : 1);
  return _lsobs_buffer_steal_bytes (&out);
}
