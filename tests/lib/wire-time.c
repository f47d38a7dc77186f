/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "tests/lib/wire-private.h"

/* Readers of times, for JSON and for dotted orders. */

gboolean
_wire_read_digits (const char *text, guint n, int *value)
{
  *value = 0;

  for (guint i = 0; i < n; i++)
    {
      if (!g_ascii_isdigit (text[i]))
        return FALSE;
      *value = *value * 10 + (text[i] - '0');
    }

  return TRUE;
}

gint64
_wire_make_time (const int field[6], gint64 fraction_us)
{
  g_autoptr (GDateTime) time = NULL;

  if (field[5] > 59)
    return -1;
  time = g_date_time_new_utc (field[0], field[1], field[2], field[3], field[4], field[5]);
  if (time == NULL || g_date_time_to_unix (time) < 0)
    return -1;

  return g_date_time_to_unix (time) * G_USEC_PER_SEC + fraction_us;
}

gint64
_wire_read_fraction (const char **text, guint *n_digits)
{
  gint64 us = 0;

  for (*n_digits = 0; g_ascii_isdigit (**text); (*n_digits)++, (*text)++)
    if (*n_digits < 6)
      us = us * 10 + (**text - '0');
  for (guint i = *n_digits; i < 6; i++)
    us *= 10;

  return us;
}

static gint64
parse_iso_time (const char *text, WireFlags flags)
{
  gboolean is_strict = (flags & WIRE_DIALECT) == 0;
  int field[6], hours = 0, minutes = 0;
  guint n_digits = 0;
  gint64 us = 0;

  if (strlen (text) < strlen ("YYYY-MM-DDTHH:MM:SSZ") || !_wire_read_digits (text, 4, &field[0]) ||
      text[4] != '-' || !_wire_read_digits (text + 5, 2, &field[1]) || text[7] != '-' ||
      !_wire_read_digits (text + 8, 2, &field[2]) || text[10] != 'T' ||
      !_wire_read_digits (text + 11, 2, &field[3]) || text[13] != ':' ||
      !_wire_read_digits (text + 14, 2, &field[4]) || text[16] != ':' ||
      !_wire_read_digits (text + 17, 2, &field[5]))
    return -1;

  text += 19;
  if (*text == '.')
    {
      text++;
      us = _wire_read_fraction (&text, &n_digits);
      if (n_digits == 0 || n_digits > 9)
        return -1;
    }
  if (is_strict && n_digits != 6)
    return -1;

  if (strcmp (text, "Z") == 0)
    return _wire_make_time (field, us);
  if (is_strict || (*text != '+' && *text != '-') || strlen (text) != 6 ||
      !_wire_read_digits (text + 1, 2, &hours) || text[3] != ':' ||
      !_wire_read_digits (text + 4, 2, &minutes))
    return -1;

  us -= (*text == '-' ? -1 : 1) * (hours * 60 + minutes) * 60 * (gint64) G_USEC_PER_SEC;

  return _wire_make_time (field, us);
}

gint64
wire_parse_time (JsonNode *node, WireFlags flags)
{
  if (json_node_get_value_type (node) == G_TYPE_STRING)
    return parse_iso_time (json_node_get_string (node), flags);
  if ((flags & WIRE_DIALECT) != 0 && json_node_get_value_type (node) == G_TYPE_INT64 &&
      json_node_get_int (node) >= 0 && json_node_get_int (node) < G_MAXINT64 / 1000)
    return json_node_get_int (node) * 1000;

  return -1;
}
