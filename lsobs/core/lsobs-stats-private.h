/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-stats.h"

G_BEGIN_DECLS

LsobsStats *_lsobs_stats_new (const guint64 *values, const guint64 *dropped);
void _lsobs_stats_add (LsobsStats *self, LsobsStats *other);

G_END_DECLS
