/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-block-private.h"
#include "lsobs/transport/lsobs-body-private.h"

/* Writes encoded records as the three kinds of request body: multipart, batch, and one record.
 * The size of a multipart body is known exactly before it is written. */

#define DISPOSITION "\r\nContent-Disposition: form-data; name=\""
#define TYPE        "\"\r\nContent-Type: "
#define LENGTH      "\r\nContent-Length: "
#define JSON_TYPE   TYPE "application/json" LENGTH
#define HEAD_END    "\r\n\r\n"
#define PART_END    "\r\n"
#define BATCH_POST  "{\"post\":["
#define BATCH_PATCH "],\"patch\":["
#define BATCH_END   "]}"

/* The bytes that all parts of a body begin with. */
#define PREFIX_LEN (2 + LSOBS_BOUNDARY_LEN + sizeof DISPOSITION - 1)

/* What the parts of all bodies have in common, in bytes. */
#define PART_LEN (PREFIX_LEN + LSOBS_UUID_LEN + sizeof HEAD_END - 1 + sizeof PART_END - 1)

/* The digits of the largest number of 64 bits. */
#define MAX_DIGITS 20

/* A literal with its length. */
typedef struct
{
  const char *text;
  gsize len;
} PieceText;

#define PIECE(literal) \
 { \
  (literal), sizeof (literal) - 1 \
 }

/* The text between the id and the length of a part: the last piece of the name, and the type. */
#define FIELD_HEAD(field, name) [field] = PIECE ("." name JSON_TYPE),

static const PieceText field_heads[LSOBS_N_FIELDS] = { [LSOBS_FIELD_MAIN] = PIECE (JSON_TYPE),
                                                       LSOBS_FIELDS (FIELD_HEAD) };

static const PieceText attachment_operation = PIECE ("attachment.");

/* Returns: the first piece of the names of the parts, with its dot; the id follows */
static const PieceText *
get_operation (const LsobsEncoded *encoded)
{
  static const PieceText operations[] = {
    [LSOBS_RECORD_CREATE] = PIECE ("post."),
    [LSOBS_RECORD_UPDATE] = PIECE ("patch."),
    [LSOBS_RECORD_FEEDBACK] = PIECE ("feedback."),
  };

  return &operations[encoded->kind];
}

/* Returns: the bytes of the payload of a part; 0 if the record has no such part */
static gsize
get_payload_len (const LsobsEncoded *encoded, guint field)
{
  gsize len = encoded->fields[field].len;

  /* The main field lacks its brace. */
  return len > 0 && field == LSOBS_FIELD_MAIN ? len + 1 : len;
}

static guint
count_attachments (const LsobsEncoded *encoded)
{
  return encoded->attachments != NULL ? encoded->attachments->len : 0;
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

static gsize
measure_attachment (const LsobsAttachment *attachment)
{
  gsize len = g_bytes_get_size (attachment->data);

  return PART_LEN + attachment_operation.len + 1 + strlen (attachment->name) + strlen (TYPE) +
         strlen (attachment->mime_type) + strlen (LENGTH) + count_digits (len) + len;
}

static gsize
measure_record (const LsobsEncoded *encoded)
{
  gsize operation_len = get_operation (encoded)->len;
  gsize size = 0;

  for (guint i = 0; i < LSOBS_N_FIELDS; i++)
    {
      gsize len = get_payload_len (encoded, i);

      if (len > 0)
        size += PART_LEN + operation_len + field_heads[i].len + count_digits (len) + len;
    }
  for (guint i = 0; i < count_attachments (encoded); i++)
    size += measure_attachment (g_ptr_array_index (encoded->attachments, i));
  return size;
}

/* The bytes that the record takes in a multipart body; the other shapes take less. A record is
 * measured once: it never changes. Called from any thread. */
gsize
_lsobs_body_measure_record (LsobsEncoded *encoded)
{
  gsize size = (gsize) g_atomic_pointer_get (&encoded->body_size);

  if (G_UNLIKELY (size == 0))
    {
      size = measure_record (encoded);
      g_atomic_pointer_set (&encoded->body_size, size);
    }
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
      const LsobsEncoded *encoded = g_ptr_array_index (records, i);

      for (guint j = 0; j < LSOBS_N_FIELDS; j++)
        size += get_payload_len (encoded, j);
      for (guint j = 0; j < count_attachments (encoded); j++)
        size += g_bytes_get_size (
            ((LsobsAttachment *) g_ptr_array_index (encoded->attachments, j))->data);
    }
  return size;
}

/* The functions below write to memory that was measured before. They return the first byte after what
 * they write. */

static inline char *
put (char *p, const char *text, gsize len)
{
  memcpy (p, text, len);
  return p + len;
}

static inline char *
put_piece (char *p, const PieceText *piece)
{
  return put (p, piece->text, piece->len);
}

static char *
put_number (char *p, gsize n)
{
  char digits[MAX_DIGITS];
  char *first = digits + sizeof digits;

  do
    {
      *--first = (char) ('0' + n % 10);
      n /= 10;
    }
  while (n > 0);
  return put (p, first, (gsize) (digits + sizeof digits - first));
}

/* @prefix: what all parts begin with */
static inline char *
put_name (char *p, const PieceText *prefix, const PieceText *operation, const LsobsEncoded *encoded)
{
  p = put_piece (p, prefix);
  p = put_piece (p, operation);
  return put (p, encoded->id, LSOBS_UUID_LEN);
}

static char *
put_fields (char *p, const PieceText *prefix, const LsobsEncoded *encoded)
{
  const PieceText *operation = get_operation (encoded);

  for (guint i = 0; i < LSOBS_N_FIELDS; i++)
    {
      gsize text_len;
      const char *text = _lsobs_encoded_get_field (encoded, (LsobsField) i, &text_len);

      if (text == NULL)
        continue;
      p = put_name (p, prefix, operation, encoded);
      p = put_piece (p, &field_heads[i]);
      p = put_number (p, get_payload_len (encoded, i));
      p = put (p, HEAD_END, strlen (HEAD_END));
      p = put (p, text, text_len);
      if (i == LSOBS_FIELD_MAIN)
        *p++ = '}';
      p = put (p, PART_END, strlen (PART_END));
    }
  return p;
}

static char *
put_attachment (char *p,
                const PieceText *prefix,
                const LsobsEncoded *encoded,
                const LsobsAttachment *attachment)
{
  gsize len;
  const char *data = g_bytes_get_data (attachment->data, &len);

  p = put_name (p, prefix, &attachment_operation, encoded);
  *p++ = '.';
  p = put (p, attachment->name, strlen (attachment->name));
  p = put (p, TYPE, strlen (TYPE));
  p = put (p, attachment->mime_type, strlen (attachment->mime_type));
  p = put (p, LENGTH, strlen (LENGTH));
  p = put_number (p, len);
  p = put (p, HEAD_END, strlen (HEAD_END));
  /* memcpy() from NULL is undefined even for no bytes. */
  if (len > 0)
    p = put (p, data, len);
  return put (p, PART_END, strlen (PART_END));
}

/* @records: (element-type LsobsEncoded)
 * @boundary: at most LSOBS_BOUNDARY_LEN characters
 * Returns: (transfer full) */
GBytes *
_lsobs_body_write_multipart (GPtrArray *records, const char *boundary)
{
  gsize size = _lsobs_body_measure (records);
  char *body = _lsobs_block_new (size, NULL);
  char *p = body;
  gsize boundary_len = strlen (boundary);
  char prefix_text[PREFIX_LEN];
  const PieceText prefix = { prefix_text, 2 + boundary_len + strlen (DISPOSITION) };

  g_assert (boundary_len <= LSOBS_BOUNDARY_LEN);
  put (put (put (prefix_text, "--", 2), boundary, boundary_len), DISPOSITION, strlen (DISPOSITION));
  for (guint i = 0; i < records->len; i++)
    {
      const LsobsEncoded *encoded = g_ptr_array_index (records, i);

      p = put_fields (p, &prefix, encoded);
      for (guint j = 0; j < count_attachments (encoded); j++)
        p = put_attachment (p, &prefix, encoded, g_ptr_array_index (encoded->attachments, j));
    }
  p = put (p, prefix_text, 2 + boundary_len);
  p = put (p, "--\r\n", 4);
  g_assert (p <= body + size);
  return _lsobs_block_free_to_bytes (body, (gsize) (p - body));
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
