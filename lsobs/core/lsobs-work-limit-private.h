/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Until when this thread may work for the sending: what takes long asks between two steps whether
 * to stop, such as between two records that are encoded, and goes on when it is called again. A
 * flush that runs the context of the program has such a limit, and a worker that is to stop. */
typedef struct _LsobsWorkLimit LsobsWorkLimit;
struct _LsobsWorkLimit
{
  gint64 deadline;                          /* monotonic, µs; 0: none */
  gboolean (*is_over) (gpointer user_data); /* (nullable) asked, too */
  gpointer user_data;
  LsobsWorkLimit *outer; /* (nullable) set by enter(): counts again after leave() */
};

void _lsobs_work_limit_enter (LsobsWorkLimit *self);
void _lsobs_work_limit_leave (LsobsWorkLimit *self);
gboolean _lsobs_work_limit_is_over (void);

G_END_DECLS
