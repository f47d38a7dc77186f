/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/text/lsobs-redact-edits-private.h"
#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* A text as a reader of JSON sees it who takes the text for the inside of a string: each escape is
 * replaced by its character. So JSON that is in a string of the text is seen as it is, whether the
 * text is JSON, several lines of it, a part of it, or has it among other words. A plain value. */
typedef struct
{
  LsobsBuffer text; /* followed by LSOBS_REDACT_PADDING bytes that may be read */
  GArray *pieces;   /* (owned) (element-type LsobsRedactEdit) from the original text to this one */
} LsobsRedactView;

#define LSOBS_REDACT_VIEW_INIT \
 { \
  LSOBS_BUFFER_INIT, NULL \
 }

void _lsobs_redact_view_clear (LsobsRedactView *self);
gboolean _lsobs_redact_view_open (LsobsRedactView *self,
                                  const char *text,
                                  gsize len,
                                  const GArray *replaced);
gboolean _lsobs_redact_view_is_escaped (const LsobsRedactView *self, gsize position);
void _lsobs_redact_view_write (const LsobsRedactView *self,
                               const GArray *edits,
                               const char *changed,
                               const char *text,
                               gsize len,
                               LsobsBuffer *out,
                               GArray **out_edits);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LsobsRedactView, _lsobs_redact_view_clear)

G_END_DECLS
