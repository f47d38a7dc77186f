/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/text/lsobs-redact-rule-private.h"

G_BEGIN_DECLS

/* Hides parts of JSON: its rules and then the rules for secrets replace parts of strings, and
 * its keys are the names of members whose values are replaced, also in JSON that is in strings. With
 * the rules for secrets, strings and numbers of members with the name of a secret are replaced, too.
 * One thread adds rules and keys. Afterwards only the counter changes, which is atomic: several
 * threads may use a redactor at the same time. */
typedef struct _LsobsRedactor LsobsRedactor;

LsobsRedactor *_lsobs_redactor_new_for_regex (GRegex *regex);
LsobsRedactor *_lsobs_redactor_new (void);
void _lsobs_redactor_take_rule (LsobsRedactor *self, LsobsRedactRule *rule);
void _lsobs_redactor_add_secrets (LsobsRedactor *self);
void _lsobs_redactor_add_key (LsobsRedactor *self, const char *name);
void _lsobs_redactor_set_pairs (LsobsRedactor *self, gboolean pairs);
gboolean _lsobs_redactor_is_empty (LsobsRedactor *self);
void _lsobs_redactor_free (LsobsRedactor *self);

gboolean _lsobs_redactor_apply (LsobsRedactor *self,
                                LsobsRedactBudget *budget,
                                const char *text,
                                gsize len,
                                LsobsBuffer *out);
char *_lsobs_redactor_apply_text (LsobsRedactor *self, const char *text);
gboolean _lsobs_redactor_has_keys (LsobsRedactor *self);
gboolean _lsobs_redactor_has_pairs (LsobsRedactor *self);
gboolean _lsobs_redactor_hides_key (LsobsRedactor *self, const char *key, gsize len);
gboolean _lsobs_redactor_has_secrets (LsobsRedactor *self);
gboolean _lsobs_redactor_hides_secret (LsobsRedactor *self, const char *key, gsize len);
void _lsobs_redactor_count_failure (LsobsRedactor *self);
gsize _lsobs_redactor_take_failures (LsobsRedactor *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRedactor, _lsobs_redactor_free)

G_END_DECLS
