/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/text/lsobs-redactor-private.h"

/* Makes a redactor with one rule.
 * @replacement: (nullable): taken literally; NULL: "[REDACTED]"
 * Returns: (transfer full) (nullable) */
static inline LsobsRedactor *
test_redactor_new (const char *pattern, const char *replacement, GError **error)
{
  LsobsRedactRule *rule =
      _lsobs_redact_rule_new (pattern, replacement, LSOBS_REPLACEMENT_LITERAL, error);
  LsobsRedactor *redactor;

  if (rule == NULL)
    return NULL;
  redactor = _lsobs_redactor_new ();
  _lsobs_redactor_take_rule (redactor, rule);
  return redactor;
}
