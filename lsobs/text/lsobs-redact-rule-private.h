/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/text/lsobs-redact-budget-private.h"

G_BEGIN_DECLS

#define LSOBS_REDACTED "[REDACTED]"

/* PCRE reads whole vectors, beyond the end of the text, and ignores what it finds
 * there: so much had better be initialised, or memory checkers complain. */
#define LSOBS_REDACT_PADDING 32

/* One regular expression and what takes the place of its matches. Immutable once
 * made: any number of threads may use one at a time. */
typedef struct _LsobsRedactRule LsobsRedactRule;

typedef enum
{
  LSOBS_REDACT_UNCHANGED, /* no match: nothing was appended */
  LSOBS_REDACT_CHANGED,   /* the text without the matches was appended */
  LSOBS_REDACT_FAILED     /* something for the whole of the text was appended */
} LsobsRedactResult;

/* What a replacement is. */
typedef enum
{
  LSOBS_REPLACEMENT_LITERAL,
  LSOBS_REPLACEMENT_TEMPLATE /* may refer to groups, as that of g_regex_replace() */
} LsobsReplacementKind;

LsobsRedactRule *_lsobs_redact_rule_new (const char *pattern,
                                         const char *replacement,
                                         LsobsReplacementKind kind,
                                         GError **error);
LsobsRedactRule *_lsobs_redact_rule_new_known (const char *pattern, const char *replacement);
LsobsRedactRule *_lsobs_redact_rule_new_for_regex (GRegex *regex);
void _lsobs_redact_rule_free (LsobsRedactRule *self);
LsobsRedactResult _lsobs_redact_rule_apply (const LsobsRedactRule *self,
                                            LsobsRedactBudget *budget,
                                            const char *text,
                                            gsize len,
                                            LsobsBuffer *out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRedactRule, _lsobs_redact_rule_free)

G_END_DECLS
