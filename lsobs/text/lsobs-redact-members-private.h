/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/text/lsobs-redact-keys-private.h"
#include "lsobs/text/lsobs-redact-view-private.h"

G_BEGIN_DECLS

gboolean _lsobs_redact_members_hide (const LsobsRedactKeys *keys,
                                     gboolean pairs,
                                     const LsobsRedactView *view,
                                     const char *text,
                                     gsize len,
                                     LsobsBuffer *out,
                                     GArray **edits);

G_END_DECLS
