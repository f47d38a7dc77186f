/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Shared by the parts of the judge only. */

#pragma once

#include "tests/lib/wire.h"

G_BEGIN_DECLS

/* Reads @n digits at @text. FALSE: they are none. */
gboolean _wire_read_digits (const char *text, guint n, int *value);
/* Reads the fraction behind a point; further digits than six are dropped. */
gint64 _wire_read_fraction (const char **text, guint *n_digits);
/* year, month, day, hour, minute, second → µs since 1970, or -1 when there is no such time */
gint64 _wire_make_time (const int field[6], gint64 fraction_us);

G_END_DECLS
