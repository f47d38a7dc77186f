/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Wall-clock time in µs, different at each call in this process, so that runs
 * that start in the same µs still sort in the order they were made in. */
gint64 _lsobs_clock_stamp (void);

G_END_DECLS
