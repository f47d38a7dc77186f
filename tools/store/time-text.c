/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "lsobs/core/lsobs-id-private.h"

#include "tools/store/time-text.h"

typedef struct
{
  const char *at;
  const char *end;
} Cursor;

static gboolean
skip_char (Cursor *self, const char *any)
{
  if (self->at == self->end || *self->at == '\0' || strchr (any, *self->at) == NULL)
    return FALSE;
  self->at++;
  return TRUE;
}

static gboolean
read_digits (Cursor *self, guint n, gint64 low, gint64 high, gint64 *value)
{
  *value = 0;
  if (self->end - self->at < (gssize) n)
    return FALSE;
  for (guint i = 0; i < n; i++, self->at++)
    {
      if (!g_ascii_isdigit (*self->at))
        return FALSE;
      *value = *value * 10 + (*self->at - '0');
    }
  return *value >= low && *value <= high;
}

/* Days since 1970 of the proleptic Gregorian calendar. */
static gint64
count_days (gint64 year, gint64 month, gint64 day)
{
  gint64 y = month > 2 ? year : year - 1;
  gint64 era = y / 400;
  gint64 of_era = y - era * 400;
  gint64 of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static gint64
read_fraction (Cursor *self)
{
  gint64 fraction = 0;
  gint64 unit = 100000;

  for (; self->at < self->end && g_ascii_isdigit (*self->at); self->at++, unit /= 10)
    fraction += unit * (*self->at - '0');
  return fraction;
}

/* @offset: (out): of the zone, in s */
static gboolean
read_zone (Cursor *self, gint64 *offset)
{
  gint64 hours;
  gint64 minutes = 0;
  gboolean negative;

  *offset = 0;
  if (self->at == self->end || skip_char (self, "Zz"))
    return self->at == self->end;
  negative = *self->at == '-';
  if (!skip_char (self, "+-") || !read_digits (self, 2, 0, 23, &hours))
    return FALSE;
  if (self->at < self->end)
    {
      skip_char (self, ":");
      if (!read_digits (self, 2, 0, 59, &minutes))
        return FALSE;
    }
  *offset = (negative ? -60 : 60) * (hours * 60 + minutes);
  return self->at == self->end;
}

gboolean
time_text_parse (const char *text, gsize len, gint64 *time)
{
  Cursor self = { text, text + len };
  gint64 year, month, day;
  gint64 hour = 0, minute = 0, second = 0, fraction = 0, offset = 0;

  if (!read_digits (&self, 4, 1970, 9999, &year) || !skip_char (&self, "-") ||
      !read_digits (&self, 2, 1, 12, &month) || !skip_char (&self, "-") ||
      !read_digits (&self, 2, 1, 31, &day) ||
      !g_date_valid_dmy ((GDateDay) day, (GDateMonth) month, (GDateYear) year))
    return FALSE;
  if (self.at < self.end)
    {
      if (!skip_char (&self, "Tt ") || !read_digits (&self, 2, 0, 23, &hour) ||
          !skip_char (&self, ":") || !read_digits (&self, 2, 0, 59, &minute))
        return FALSE;
      if (skip_char (&self, ":") && !read_digits (&self, 2, 0, 60, &second))
        return FALSE;
      if (skip_char (&self, ".,"))
        fraction = read_fraction (&self);
      if (!read_zone (&self, &offset))
        return FALSE;
    }
  *time = ((count_days (year, month, day) * 24 + hour) * 60 + minute) * 60 + second - offset;
  *time = *time * G_USEC_PER_SEC + fraction;
  return *time >= 0 && *time <= LSOBS_MAX_TIME;
}

gboolean
time_text_parse_duration (const char *text, gint64 *duration)
{
  static const struct
  {
    const char *name;
    double seconds;
  } units[] = { { "s", 1 },  { "ms", 0.001 }, { "us", 0.000001 },
                { "m", 60 }, { "h", 3600 },   { "d", 86400 } };
  char *end;
  double number = g_ascii_strtod (text, &end);

  if (end == text || !isfinite (number) || number < 0 || number > 1e9)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (units); i++)
    if (strcmp (end, units[i].name) == 0)
      {
        *duration = (gint64) (number * units[i].seconds * G_USEC_PER_SEC + 0.5);
        return TRUE;
      }
  return FALSE;
}
