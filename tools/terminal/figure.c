/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <inttypes.h>

#include <glib/gi18n.h>

#include "tools/terminal/figure.h"

char *
figure_dup_duration (gint64 duration)
{
  gint64 ms = MAX (duration, 0) / 1000;
  gint64 s = ms / 1000;

  if (ms < 1000)
    return g_strdup_printf ("%" PRId64 " ms", ms);
  if (s < 60)
    return g_strdup_printf ("%" PRId64 ".%02d s", s, (int) (ms % 1000 / 10));
  if (s < 3600)
    return g_strdup_printf ("%" PRId64 " m %02d s", s / 60, (int) (s % 60));
  if (s < 100 * 3600)
    return g_strdup_printf ("%" PRId64 " h %02d m", s / 3600, (int) (s / 60 % 60));
  return g_strdup_printf ("%" PRId64 " d", s / 86400);
}

char *
figure_dup_count (gint64 count)
{
  static const char units[] = "kMGT";
  gint64 unit = 1000;
  guint i = 0;

  if (count < 1000)
    return g_strdup_printf ("%" PRId64, count);
  while (i + 1 < sizeof units - 1 && count / 1000 >= unit)
    {
      unit *= 1000;
      i++;
    }
  if (count / unit >= 100)
    return g_strdup_printf ("%" PRId64 "%c", count / unit, units[i]);
  return g_strdup_printf ("%" PRId64 ".%d%c", count / unit, (int) (count % unit / (unit / 10)),
                          units[i]);
}

char *
figure_dup_runs (gint64 n)
{
  return g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%" PRId64 " run", "%" PRId64 " runs",
                                       (gulong) n),
                          n);
}

char *
figure_dup_attachments (gint64 n)
{
  return g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%" PRId64 " attachment",
                                       "%" PRId64 " attachments", (gulong) n),
                          n);
}

char *
figure_dup_projects (gint64 n)
{
  return g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%" PRId64 " project",
                                       "%" PRId64 " projects", (gulong) n),
                          n);
}

char *
figure_dup_cost (double cost)
{
  return g_strdup_printf (cost < 0.01 ? "$%.4f" : cost < 1000 ? "$%.2f" : "$%.0f", cost);
}

char *
figure_dup_time (gint64 time, gint64 now)
{
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (time / G_USEC_PER_SEC);
  g_autoptr (GDateTime) utc_now = g_date_time_new_from_unix_utc (now / G_USEC_PER_SEC);
  g_autoptr (GDateTime) local = utc != NULL ? g_date_time_to_local (utc) : NULL;
  g_autoptr (GDateTime) today = utc_now != NULL ? g_date_time_to_local (utc_now) : NULL;

  if (local == NULL || today == NULL)
    return g_strdup ("?");
  if (g_date_time_get_year (local) == g_date_time_get_year (today) &&
      g_date_time_get_day_of_year (local) == g_date_time_get_day_of_year (today))
    return g_date_time_format (local, "%H:%M:%S");
  return g_date_time_format (local, "%Y-%m-%d %H:%M");
}
