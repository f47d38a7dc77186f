/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-notes-private.h"
#include "lsobs/lsobs-run-event.h"

G_BEGIN_DECLS

gboolean _lsobs_intake_has_notes (LsobsRunEvent *event);
guint _lsobs_intake_take_notes (LsobsNotes *notes,
                                LsobsRunEvent *event,
                                LsobsRunType run_type,
                                gboolean with_extra,
                                gint64 time);

G_END_DECLS
