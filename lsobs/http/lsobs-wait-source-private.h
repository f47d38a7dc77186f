/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A GSource that ends one wait: at a time, when a cancellable is cancelled, or when any thread
 * gives it the ready time 0. Thread-safe. */
GSource *_lsobs_wait_source_new (const char *name, gint64 ready_time);
void _lsobs_wait_source_add_cancellable (GSource *source, GCancellable *cancellable);

void _lsobs_wait_source_run (gboolean (*is_pending) (gpointer data), gpointer data);

G_END_DECLS
