/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-types.h>

G_BEGIN_DECLS

LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_install_signal_handlers (const int *signals, gsize n_signals, GError **error);

G_END_DECLS
