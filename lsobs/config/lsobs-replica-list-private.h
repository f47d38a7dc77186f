/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-config.h"

G_BEGIN_DECLS

gboolean _lsobs_replica_list_read (LsobsConfig *config,
                                   const char *text,
                                   const char *variable,
                                   GError **error);

G_END_DECLS
