/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Times and numbers in a few columns, as people read them. All texts returned are (transfer full). */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Such as "7 ms", "1.50 s", "2 m 03 s", "5 h 10 m". @duration: µs */
char *figure_dup_duration (gint64 duration);
/* Such as "950", "1.2k", "3.4M". */
char *figure_dup_count (gint64 count);
/* Such as "1 run", "7 runs". */
char *figure_dup_runs (gint64 n);
char *figure_dup_attachments (gint64 n);
char *figure_dup_projects (gint64 n);
/* Such as "$0.0021". */
char *figure_dup_cost (double cost);
/* The local time, with its day if that is not today. @time, @now: µs since 1970 */
char *figure_dup_time (gint64 time, gint64 now);

G_END_DECLS
