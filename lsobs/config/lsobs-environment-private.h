/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-config.h"

G_BEGIN_DECLS

const char *_lsobs_environment_peek (const char *variable);
gboolean _lsobs_environment_apply (LsobsConfig *config, GError **error);
const char *_lsobs_environment_peek_trusted (const char *variable);

G_END_DECLS
