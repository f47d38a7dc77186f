/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/lsobs-body-private.h"

/* The three shapes of a request body, made of encoded records. Sizes are exact,
 * and known before a byte is written. */

#define DISPOSITION  "\r\nContent-Disposition: form-data; name=\""
#define TYPE         "\"\r\nContent-Type: application/json\r\nContent-Length: "
#define BATCH_POST   "{\"post\":["
#define BATCH_PATCH  "],\"patch\":["
#define BATCH_END    "]}"

static const char *
get_operation (LsobsEncoded *encoded)
{
  return encoded->record->kind == LSOBS_RECORD_CREATE ? "post." : "patch.";
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

  for (guint i = 0; i < LSOBS_N_FIELDS; i++)
    {
      gsize len = encoded->fields[i].len;

      if (len == 0)
        continue;
      size += 2 + LSOBS_BOUNDARY_LEN + strlen (DISPOSITION) + strlen (get_operation (encoded)) +
              LSOBS_UUID_LEN + strlen (TYPE) + count_digits (len) + 4 + len + 2;
      if (i != LSOBS_FIELD_MAIN)
        size += 1 + strlen (_lsobs_field_names[i]);
    }
  return size;
}

gsize
_lsobs_body_measure_end (void)
{
  return 2 + LSOBS_BOUNDARY_LEN + 4;
}

static void
append_part (LsobsBuffer  *out,
             const char   *boundary,
             LsobsEncoded *encoded,
             LsobsField    field)
{
  gsize len;
  const char *payload = _lsobs_encoded_get_field (encoded, field, &len);

  if (payload == NULL)
    return;
  _lsobs_buffer_append_str (out, "--");
  _lsobs_buffer_append_str (out, boundary);
  _lsobs_buffer_append_str (out, DISPOSITION);
  _lsobs_buffer_append_str (out, get_operation (encoded));
  _lsobs_buffer_append (out, encoded->id, LSOBS_UUID_LEN);
  if (field != LSOBS_FIELD_MAIN)
    {
      _lsobs_buffer_append_c (out, '.');
      _lsobs_buffer_append_str (out, _lsobs_field_names[field]);
    }
  _lsobs_buffer_append_str (out, TYPE);
  _lsobs_buffer_append_int64 (out, (gint64) len);
  _lsobs_buffer_append_str (out, "\r\n\r\n");
  _lsobs_buffer_append (out, payload, len);
  _lsobs_buffer_append_str (out, "\r\n");
}

/* @records: (element-type LsobsEncoded) */
GBytes *
_lsobs_body_write_multipart (GPtrArray  *records,
                             const char *boundary)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  gsize size = _lsobs_body_measure_end ();

  for (guint i = 0; i < records->len; i++)
    size += _lsobs_body_measure (g_ptr_array_index (records, i));
  _lsobs_buffer_reserve (&out, size);
  for (guint i = 0; i < records->len; i++)
    for (guint field = 0; field < LSOBS_N_FIELDS; field++)
      append_part (&out, boundary, g_ptr_array_index (records, i), (LsobsField) field);
  _lsobs_buffer_append_str (&out, "--");
  _lsobs_buffer_append_str (&out, boundary);
  _lsobs_buffer_append_str (&out, "--\r\n");
  return _lsobs_buffer_steal_bytes (&out);
}

/* The whole run as one object: the other fields go back into the main one. */
static void
append_run (LsobsBuffer  *out,
            LsobsEncoded *encoded,
            gsize         skip)
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
append_runs (LsobsBuffer     *out,
             GPtrArray       *records,
             LsobsRecordKind  kind)
{
  gboolean first = TRUE;

  for (guint i = 0; i < records->len; i++)
    {
      LsobsEncoded *encoded = g_ptr_array_index (records, i);

      if (encoded->record->kind != kind)
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

/* One run alone. An update names its id in the URL, and so leaves it out here. */
GBytes *
_lsobs_body_write_run (LsobsEncoded *encoded)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  append_run (&out, encoded,
              encoded->record->kind == LSOBS_RECORD_CREATE
                  ? 1
                  : strlen ("{\"id\":\"") + LSOBS_UUID_LEN + strlen ("\","));
  return _lsobs_buffer_steal_bytes (&out);
}
