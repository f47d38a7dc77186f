/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/text/lsobs-redact-budget-private.h"
#include "lsobs/text/lsobs-redact-edits-private.h"

G_BEGIN_DECLS

#define LSOBS_REDACTED "[REDACTED]"

/* PCRE reads whole vectors, up to this number of bytes after the end of the text, and ignores
 * them. They are initialised, because memory checkers complain otherwise. */
#define LSOBS_REDACT_PADDING 32

/* A regular expression and the replacement for its matches. A rule never changes: several threads
 * may use it at the same time. */
typedef struct _LsobsRedactRule LsobsRedactRule;

typedef enum
{
  LSOBS_REDACT_UNCHANGED, /* no match: nothing was appended */
  LSOBS_REDACT_CHANGED,   /* the text was appended with replacements for its matches */
  LSOBS_REDACT_FAILED     /* the pattern gave up: a replacement for the whole text was appended */
} LsobsRedactResult;

/* How a replacement is read. */
typedef enum
{
  LSOBS_REPLACEMENT_LITERAL,
  LSOBS_REPLACEMENT_TEMPLATE /* may refer to groups as in g_regex_replace() */
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
                                            LsobsBuffer *out,
                                            GArray **edits);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRedactRule, _lsobs_redact_rule_free)

G_END_DECLS
