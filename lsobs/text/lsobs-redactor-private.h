/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/text/lsobs-redact-rule-private.h"

G_BEGIN_DECLS

/* All that hides parts of JSON: rules for the texts of strings, applied one after
 * the other, the preset for secrets after them, and names of members whose values
 * go altogether. Put together by one thread; then immutable, apart from its
 * counters, which are atomic: any number of threads may use one at a time. */
typedef struct _LsobsRedactor LsobsRedactor;

LsobsRedactor *_lsobs_redactor_new (const char *pattern, const char *replacement, GError **error);
LsobsRedactor *_lsobs_redactor_new_for_regex (GRegex *regex);
LsobsRedactor *_lsobs_redactor_new_empty (void);
void _lsobs_redactor_take_rule (LsobsRedactor *self, LsobsRedactRule *rule);
void _lsobs_redactor_add_secrets (LsobsRedactor *self);
void _lsobs_redactor_add_key (LsobsRedactor *self, const char *name);
gboolean _lsobs_redactor_is_empty (LsobsRedactor *self);
LsobsRedactor *_lsobs_redactor_ref (LsobsRedactor *self);
void _lsobs_redactor_unref (LsobsRedactor *self);

gboolean _lsobs_redactor_apply (LsobsRedactor *self,
                                LsobsRedactBudget *budget,
                                const char *text,
                                gsize len,
                                LsobsBuffer *out);
char *_lsobs_redactor_apply_text (LsobsRedactor *self, const char *text);
gboolean _lsobs_redactor_has_keys (LsobsRedactor *self);
gboolean _lsobs_redactor_hides_key (LsobsRedactor *self, const char *key, gsize len);
void _lsobs_redactor_count_failure (LsobsRedactor *self);
guint64 _lsobs_redactor_get_n_failures (LsobsRedactor *self);
guint64 _lsobs_redactor_take_failures (LsobsRedactor *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRedactor, _lsobs_redactor_unref)

G_END_DECLS
