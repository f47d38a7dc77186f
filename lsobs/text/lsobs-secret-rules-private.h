/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/text/lsobs-redact-rule-private.h"

G_BEGIN_DECLS

#define LSOBS_SECRET_DETECTED "[SECRET_DETECTED]"

/* The rules for secrets: they find keys, tokens and passwords of well-known services. */

guint32 _lsobs_secret_rules_scan (const char *text, gsize len);
gboolean _lsobs_secret_rules_mask_tokens (LsobsBuffer *out, const char *text, gsize len);
const LsobsRedactRule *_lsobs_secret_rules_get (guint index);

G_END_DECLS
