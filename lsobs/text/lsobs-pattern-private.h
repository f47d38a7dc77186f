/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

gboolean _lsobs_pattern_is_linear (const char *pattern,
                                   GRegexCompileFlags compile_flags,
                                   GRegexMatchFlags match_flags,
                                   gsize *skip);

G_END_DECLS
