/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-run-event.h"
#include "lsobs/model/lsobs-annotations-private.h"

G_BEGIN_DECLS

gboolean _lsobs_event_import_has_notes (LsobsRunEvent *event);
guint _lsobs_event_import_take_notes (LsobsAnnotations *notes,
                                      LsobsRunEvent *event,
                                      LsobsRunType run_type,
                                      gboolean with_extra,
                                      gint64 time);

G_END_DECLS
