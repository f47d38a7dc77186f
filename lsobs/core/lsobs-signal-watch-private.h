/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Called in a thread of lsobs. When it returns, the signal ends the process. */
typedef void (*LsobsSignalFunc) (void);

gboolean _lsobs_signal_watch_install (const int *signals,
                                      gsize n_signals,
                                      LsobsSignalFunc func,
                                      GError **error);
void _lsobs_signal_watch_renew (void);

G_END_DECLS
