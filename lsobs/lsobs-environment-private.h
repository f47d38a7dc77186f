/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-config.h"

G_BEGIN_DECLS

gboolean _lsobs_environment_apply (LsobsConfig *config, GError **error);
gboolean _lsobs_environment_is_secure (void);
const char *_lsobs_environment_peek (const char *variable);

G_END_DECLS
