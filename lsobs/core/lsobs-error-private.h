/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-error.h"

G_BEGIN_DECLS

void _lsobs_flush_error_set_timeout (GError **error, gint64 waited_ms, guint64 n_pending);
void _lsobs_flush_error_set_unwritten (GError **error,
                                       gint64 waited_ms,
                                       guint64 n_pending,
                                       guint64 n_dropped);
void _lsobs_flush_error_set_permanent (GError **error,
                                       gint64 waited_ms,
                                       guint64 n_pending,
                                       guint64 n_dropped,
                                       const char *reason);

G_END_DECLS
