/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/api/lsobs-exporter-private.h"
#include "lsobs/lsobs-observer.h"

G_BEGIN_DECLS

LsobsExporter *_lsobs_observer_ref_exporter (LsobsObserver *self);

G_END_DECLS
