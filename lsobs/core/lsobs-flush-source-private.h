/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A GSource that fires at a time, such as the time to send records. Any thread may arm it.
 * While it is armed, its time can become earlier, but not later. */
typedef struct _LsobsFlushSource LsobsFlushSource;

GSource *_lsobs_flush_source_new (void);
void _lsobs_flush_source_attach (GSource *source, GMainContext *context);
void _lsobs_flush_source_arm (GSource *source, gint64 ready_time);
void _lsobs_flush_source_assert_context (GSource *source);

G_END_DECLS
