/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-config.h"

G_BEGIN_DECLS

/* (nullable) (transfer none): the secret itself; there is no public way to it. */
const char *_lsobs_config_peek_api_key (LsobsConfig *self);

G_END_DECLS
