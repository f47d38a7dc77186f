/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-id-private.h"

G_BEGIN_DECLS

/* lsobs-clock.c explains how the times of runs are made. Timers and deadlines use none of this:
 * they follow g_get_monotonic_time(). What happens at most once in some minutes follows the boot
 * time. */

/* The clocks of the operating system, in µs. */
typedef struct
{
  gint64 (*get_wall_time) (void); /* since 1970, UTC. It may be set at any moment */
  gint64 (*get_boot_time) (void); /* since the boot. It is never set, and goes on during suspend */
} LsobsClockSource;

/* A test may replace it while no other thread runs. */
extern LsobsClockSource _lsobs_clock_source;

gint64 _lsobs_clock_boot_stamp (void);
gint64 _lsobs_clock_boot_time (void);
gint64 _lsobs_clock_anchor_and_stamp (gint64 *stamp);
gint64 _lsobs_clock_anchor_trace (const LsobsId *trace_id, gint64 not_before);
gint64 _lsobs_clock_stamp (void);

G_END_DECLS
