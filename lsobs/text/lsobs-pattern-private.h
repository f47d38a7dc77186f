/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The maximum number of steps at each place of a text for a pattern of a program. */
#define LSOBS_PATTERN_MAX_STEPS 100

gboolean _lsobs_pattern_is_linear (const char *pattern,
                                   GRegexCompileFlags compile_flags,
                                   GRegexMatchFlags match_flags,
                                   guint max_steps,
                                   gsize *skip);

G_END_DECLS
