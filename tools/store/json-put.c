/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>

#include "lsobs/text/lsobs-json-writer-private.h"

#include "tools/store/json-put.h"
#include "tools/store/time-text.h"

void
json_put_name (LsobsBuffer *out, const char *name)
{
  char last = out->len > 0 ? out->data[out->len - 1] : '{';

  if (last != '{' && last != '[' && last != ':' && last != '\n')
    _lsobs_buffer_append_c (out, ',');
  if (name == NULL)
    return;
  _lsobs_json_write_string (out, name, strlen (name));
  _lsobs_buffer_append_c (out, ':');
}

void
json_put_json (LsobsBuffer *out, const char *name, const char *json)
{
  json_put_name (out, name);
  _lsobs_buffer_append_str (out, json != NULL ? json : "null");
}

void
json_put_text (LsobsBuffer *out, const char *name, const char *text)
{
  json_put_name (out, name);
  if (text != NULL)
    _lsobs_json_write_string (out, text, strlen (text));
  else
    _lsobs_buffer_append_str (out, "null");
}

void
json_put_int (LsobsBuffer *out, const char *name, gint64 value)
{
  json_put_name (out, name);
  _lsobs_buffer_append_int64 (out, value);
}

void
json_put_double (LsobsBuffer *out, const char *name, double value)
{
  json_put_name (out, name);
  if (isfinite (value))
    _lsobs_json_write_double (out, value);
  else
    _lsobs_buffer_append_str (out, "null");
}

void
json_put_boolean (LsobsBuffer *out, const char *name, gboolean value)
{
  json_put_json (out, name, value ? "true" : "false");
}

void
json_put_id (LsobsBuffer *out, const char *name, const LsobsId *id)
{
  char text[LSOBS_UUID_LEN + 1] = "";

  if (id != NULL)
    _lsobs_id_write (id, text);
  json_put_text (out, name, id != NULL ? text : NULL);
}

void
json_put_time (LsobsBuffer *out, const char *name, gint64 time)
{
  char text[LSOBS_ISO_LEN + 1] = "";

  if (time != TIME_NONE)
    _lsobs_time_write_iso (CLAMP (time, 0, LSOBS_MAX_TIME), text);
  json_put_text (out, name, time != TIME_NONE ? text : NULL);
}

void
json_put_seconds (LsobsBuffer *out, const char *name, gint64 time)
{
  if (time == TIME_NONE)
    json_put_json (out, name, NULL);
  else
    json_put_double (out, name, (double) time / G_USEC_PER_SEC);
}

void
json_put_cost (LsobsBuffer *out, const char *name, double cost)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  /* Enough digits for a millionth of a cent; no exponent, which readers of decimals may refuse. */
  g_ascii_formatd (text, sizeof text, "%.10f", MIN (cost, 1e20));
  for (gsize len = strlen (text); len > 0 && text[len - 1] == '0' && text[len - 2] != '.'; len--)
    text[len - 1] = '\0';
  json_put_text (out, name, cost > 0 ? text : NULL);
}
