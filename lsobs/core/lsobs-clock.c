/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <time.h>

#include "lsobs/core/lsobs-clock-private.h"
#include "lsobs/core/lsobs-fork-private.h"

/* The times of runs.
 *
 * The wall clock may be set at any moment, by an administrator, by NTP or by a virtual machine. If
 * each run read it, a child could lie outside its parent, and siblings could change places. So the
 * runs of a trace read the boot time, and add the anchor of their trace: the difference between
 * the wall clock and the boot time when the trace began. The boot time goes on while the machine
 * is suspended, which the monotonic clock does not.
 *
 * A trace keeps its anchor to its end, however long it is, and whatever becomes of the wall clock:
 * times within a trace are right relative to each other. A new trace takes a new anchor if the
 * wall clock was set. Otherwise it takes the last one, so that traces are in order, too. Linux
 * adjusts the rate of both clocks in the same way, so that the anchor does not drift.
 *
 * A trace that another process began has the anchor of this process, raised if its start lies in
 * the future here: the clocks of two machines differ. See _lsobs_clock_anchor_trace(). */

/* The boot time may be this many µs behind the last stamp, as each stamp differs from all others.
 * If it is further behind, it is another clock: that of a restored process, or of a time
 * namespace. Follow it. */
#define MAX_STAMP_LEAD G_USEC_PER_SEC

/* The wall clock and the boot time are read at slightly different moments. Read again if these
 * are more µs apart, a few times, and use the reading that took the least time. */
#define MAX_READ_TIME 100
#define MAX_READS     3

/* An anchor that is too late by fewer µs is kept. */
#define ANCHOR_TOLERANCE 1000

/* A power of two. */
#define N_TRACE_ANCHORS 256

/* The clocks of two machines differ by fewer µs. If they seem to differ by more, the time that
 * comes with the trace is wrong, and only the run that names it follows it. */
#define MAX_SKEW (3600 * (gint64) G_USEC_PER_SEC)

typedef struct
{
  LsobsId trace_id;
  gint64 anchor; /* 0 if unused */
} TraceAnchor;

/* guarded by _lsobs_fork_lock(). Traces with the same index replace each other. */
static TraceAnchor trace_anchors[N_TRACE_ANCHORS];

/* Systems without a clock that goes on during suspend use the monotonic clock. */
static gint64
get_boot_time (void)
{
#ifdef CLOCK_BOOTTIME
  struct timespec now;

  if (clock_gettime (CLOCK_BOOTTIME, &now) == 0)
    return (gint64) now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
#endif
  return g_get_monotonic_time ();
}

LsobsClockSource _lsobs_clock_source = {
  .get_wall_time = g_get_real_time,
  .get_boot_time = get_boot_time,
};

static gboolean
is_ahead (gint64 last, gint64 now)
{
  return last >= now && last - now <= MAX_STAMP_LEAD;
}

static gint64
next_stamp (gint64 last, gint64 now)
{
  return is_ahead (last, now) ? last + 1 : now;
}

/* @last: 0 at first
 * @min, @max: where the difference between the clocks lies
 * Returns: the anchor of a trace that begins now */
static gint64
next_anchor (gint64 last, gint64 min, gint64 max)
{
  return last == 0 || last < min || last > max + ANCHOR_TOLERANCE ? max : last;
}

#if GLIB_SIZEOF_VOID_P >= 8
static gpointer last_stamp;  /* atomic: a gint64 */
static gpointer last_anchor; /* atomic: a gint64; 0 at first */

static gint64
get_last_stamp (void)
{
  return (gint64) GPOINTER_TO_SIZE (g_atomic_pointer_get (&last_stamp));
}

static gint64
take_stamp (gint64 now)
{
  gint64 last;
  gint64 stamp;

  do
    {
      last = get_last_stamp ();
      stamp = next_stamp (last, now);
    }
  while (!g_atomic_pointer_compare_and_exchange (&last_stamp, GSIZE_TO_POINTER (last),
                                                 GSIZE_TO_POINTER (stamp)));
  return stamp;
}

static gint64
get_last_anchor (void)
{
  return (gint64) GPOINTER_TO_SIZE (g_atomic_pointer_get (&last_anchor));
}

static gint64
take_anchor (gint64 min, gint64 max)
{
  gint64 last;
  gint64 anchor;

  do
    {
      last = get_last_anchor ();
      anchor = next_anchor (last, min, max);
    }
  while (anchor != last &&
         !g_atomic_pointer_compare_and_exchange (&last_anchor, GSIZE_TO_POINTER (last),
                                                 GSIZE_TO_POINTER (anchor)));
  return anchor;
}
#else
/* GLib has no atomic gint64 on 32-bit machines. The lock is free in a forked child. */
static gint64 last_stamp;  /* guarded by _lsobs_fork_lock() */
static gint64 last_anchor; /* guarded by _lsobs_fork_lock(): 0 at first */

static gint64
get_last_stamp (void)
{
  gint64 last;

  _lsobs_fork_lock ();
  last = last_stamp;
  _lsobs_fork_unlock ();
  return last;
}

static gint64
take_stamp (gint64 now)
{
  gint64 stamp;

  _lsobs_fork_lock ();
  stamp = last_stamp = next_stamp (last_stamp, now);
  _lsobs_fork_unlock ();
  return stamp;
}

static gint64
get_last_anchor (void)
{
  gint64 last;

  _lsobs_fork_lock ();
  last = last_anchor;
  _lsobs_fork_unlock ();
  return last;
}

static gint64
take_anchor (gint64 min, gint64 max)
{
  gint64 anchor;

  _lsobs_fork_lock ();
  anchor = last_anchor = next_anchor (last_anchor, min, max);
  _lsobs_fork_unlock ();
  return anchor;
}
#endif

/* Returns: the boot time in µs. Each call in this process returns another time, so that runs that
 *   start in the same µs are sorted in the order of their creation. */
gint64
_lsobs_clock_boot_stamp (void)
{
  return take_stamp (_lsobs_clock_source.get_boot_time ());
}

/* Returns: the boot time in µs, never before a stamp that was taken before the call: a run does
 *   not end before its children, which may have begun and ended in the same µs */
gint64
_lsobs_clock_boot_time (void)
{
  gint64 last = get_last_stamp ();
  gint64 now = _lsobs_clock_source.get_boot_time ();

  return is_ahead (last, now) ? last : now;
}

/* Reads the difference between the wall clock and the boot time.
 * @before, @wall: the boot time and the wall clock, in the order in which the caller has just read them
 * @min, @max: (out): it lies between these
 * Returns: the boot time after that */
static gint64
read_difference (gint64 before, gint64 wall, gint64 *min, gint64 *max)
{
  gint64 read_time = 0;
  gint64 after = 0;

  for (guint i = 0; i < MAX_READS; i++)
    {
      if (i > 0)
        {
          before = _lsobs_clock_source.get_boot_time ();
          wall = _lsobs_clock_source.get_wall_time ();
        }
      after = _lsobs_clock_source.get_boot_time ();
      if (i > 0 && after - before >= read_time)
        continue;
      read_time = after - before;
      *min = wall - after;
      /* All three are rounded down. */
      *max = wall - before + 1;
      if (read_time <= MAX_READ_TIME)
        break;
    }
  return after;
}

/* Returns: the anchor of a trace that begins now. The times of the trace are not before a time that
 *   the program has read from the wall clock before. */
static gint64
take_anchor_now (void)
{
  gint64 now = _lsobs_clock_source.get_boot_time ();
  gint64 wall = _lsobs_clock_source.get_wall_time ();
  gint64 min;
  gint64 max;

  read_difference (now, wall, &min, &max);
  return take_anchor (min, max);
}

/* What a trace that begins now needs. Mostly the last anchor stays: two readings show that, as the
 * difference between the clocks is less than 1 more than that between these readings. With the boot time
 * that was read first, the trace does not begin before the wall-clock time that was read after it.
 * @stamp: (out): the boot time of its root, as _lsobs_clock_boot_stamp() returns it
 * Returns: its anchor */
gint64
_lsobs_clock_anchor_and_stamp (gint64 *stamp)
{
  gint64 now = _lsobs_clock_source.get_boot_time ();
  gint64 wall = _lsobs_clock_source.get_wall_time ();
  gint64 difference = wall - now;
  gint64 last = get_last_anchor ();
  gint64 min;
  gint64 max;

  if (G_LIKELY (last != 0 && last >= difference && last <= difference + 1 + ANCHOR_TOLERANCE))
    {
      *stamp = take_stamp (now);
      return last;
    }
  now = read_difference (now, wall, &min, &max);

  *stamp = take_stamp (now);
  return take_anchor (min, max);
}

/* The anchor of a trace that has no root in this process, or a root that is known by its id: it
 * is remembered for the next run of the trace.
 * @not_before: the start of a run of the trace, in µs since 1970. The current time of the trace is
 *   not before it, so that runs below that run keep their order and durations even if the clock
 *   of the other process is ahead */
gint64
_lsobs_clock_anchor_trace (const LsobsId *trace_id, gint64 not_before)
{
  /* The last bytes of an id are random. */
  TraceAnchor *slot = &trace_anchors[trace_id->bytes[15] % N_TRACE_ANCHORS];
  gint64 anchor = take_anchor_now ();
  gint64 min_anchor = MIN (not_before, LSOBS_MAX_TIME) - _lsobs_clock_boot_time ();

  _lsobs_fork_lock ();
  if (slot->anchor != 0 && _lsobs_id_equal (&slot->trace_id, trace_id))
    anchor = slot->anchor;
  if (min_anchor > anchor && min_anchor - anchor <= MAX_SKEW)
    anchor = min_anchor;
  *slot = (TraceAnchor){ *trace_id, anchor };
  _lsobs_fork_unlock ();
  return MAX (anchor, min_anchor);
}

/* Returns: the wall-clock time in µs since 1970. Two calls in this process return the same time
 *   only if the wall clock was set back between them. */
gint64
_lsobs_clock_stamp (void)
{
  gint64 stamp;
  gint64 anchor = _lsobs_clock_anchor_and_stamp (&stamp);

  return anchor + stamp;
}
