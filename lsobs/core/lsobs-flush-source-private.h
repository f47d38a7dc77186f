/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A GSource that fires when records should leave: an alarm that any thread may
 * set, and that only ever moves closer until it has fired. */
typedef struct _LsobsFlushSource LsobsFlushSource;

GSource *_lsobs_flush_source_new (void);
void _lsobs_flush_source_arm (GSource *source, gint64 ready_time);

G_END_DECLS
