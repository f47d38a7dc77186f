/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "lsobs/lsobs-buffer-private.h"

G_BEGIN_DECLS

#define LSOBS_REDACTED "[REDACTED]"

/* Replaces what a regular expression matches. Immutable once made, apart from
 * its counter, which is atomic: any number of threads may use one at a time. */
typedef struct _LsobsRedactor LsobsRedactor;

LsobsRedactor *_lsobs_redactor_new            (const char     *pattern,
                                               const char     *replacement,
                                               GError        **error);
LsobsRedactor *_lsobs_redactor_new_for_regex  (GRegex         *regex);
LsobsRedactor *_lsobs_redactor_ref            (LsobsRedactor  *self);
void           _lsobs_redactor_unref          (LsobsRedactor  *self);

gboolean       _lsobs_redactor_apply          (LsobsRedactor  *self,
                                               const char     *text,
                                               gsize           len,
                                               LsobsBuffer    *out);
guint64        _lsobs_redactor_get_n_failures (LsobsRedactor  *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRedactor, _lsobs_redactor_unref)

G_END_DECLS
