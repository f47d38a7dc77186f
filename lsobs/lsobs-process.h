/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-types.h>

G_BEGIN_DECLS

LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_shutdown_all (gint64 timeout, GError **error);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_shutdown_at_exit (GError **error);
LSOBS_AVAILABLE_IN_0_1
void lsobs_forbid_callbacks_at_exit (void);
LSOBS_AVAILABLE_IN_0_1
void lsobs_set_language (const char *name, const char *version);

G_END_DECLS
