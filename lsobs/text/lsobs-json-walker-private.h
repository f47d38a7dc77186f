/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/text/lsobs-redactor-private.h"

G_BEGIN_DECLS

/* How JSON text is sanitised. Keys of objects are never redacted or cut. */
typedef struct
{
  LsobsRedactor *redactor;   /* (nullable) (unowned) applied to every string, and
                                 * to whole values by the names of members */
  gsize max_string_bytes;    /* cut strings to this many bytes of text, after
                                 * redaction, on a character's end; 0: no limit */
  gboolean wrap;             /* what is no object becomes {"value": …} */
  LsobsRedactBudget *budget; /* (nullable) (unowned) what all texts of the record may cost;
                              * %NULL: each stands alone */
} LsobsJsonWalkOptions;

gboolean _lsobs_json_walk (LsobsBuffer *out,
                           const char *text,
                           gsize len,
                           const LsobsJsonWalkOptions *options);
void _lsobs_json_walk_text (LsobsBuffer *out,
                            const char *text,
                            gsize len,
                            const LsobsJsonWalkOptions *options);

G_END_DECLS
