/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Times and durations as clients and people write them. */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A time that is not known. */
#define TIME_NONE (-1)

/* Reads a time of ISO 8601 with any number of fraction digits. Without a zone it is UTC.
 * @time: (out): µs since 1970 */
gboolean time_text_parse (const char *text, gsize len, gint64 *time);

/* Reads "1.5s", "200us", "200ms", "3m", "2h", "7d". A number without a unit is refused, as "7" may mean days
 * to one person and seconds to another.
 * @duration: (out): µs */
gboolean time_text_parse_duration (const char *text, gint64 *duration);

G_END_DECLS
