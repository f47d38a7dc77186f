/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/model/lsobs-record-private.h"

G_BEGIN_DECLS

void _lsobs_inline_data_attach (LsobsRecord *record, const LsobsConfigValues *values);

G_END_DECLS
