/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Wall-clock time in µs. Each call in this process returns another time, so that runs which
 * start in the same µs are still sorted in the order of their creation. */
gint64 _lsobs_clock_stamp (void);

G_END_DECLS
