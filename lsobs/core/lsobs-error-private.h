/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-error.h"

G_BEGIN_DECLS

void _lsobs_error_set_no_descriptors (GError **error);
void _lsobs_flush_error_set_timeout (GError **error,
                                     gint64 waited_ms,
                                     gint64 limit_ms,
                                     guint64 n_pending,
                                     guint64 n_dropped,
                                     const char *reason);
void _lsobs_flush_error_set_unwritten (GError **error,
                                       gint64 waited_ms,
                                       gint64 limit_ms,
                                       guint64 n_pending,
                                       guint64 n_dropped);
void _lsobs_flush_error_set_permanent (GError **error,
                                       gint64 waited_ms,
                                       guint64 n_pending,
                                       guint64 n_dropped,
                                       guint64 n_spooled,
                                       const char *reason);
void _lsobs_flush_error_set_spooled (GError **error,
                                     gint64 waited_ms,
                                     guint64 n_spooled,
                                     const char *reason);
void _lsobs_flush_error_set_would_deadlock (GError **error);

G_END_DECLS
