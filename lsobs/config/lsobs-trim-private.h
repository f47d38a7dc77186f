/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

const char *_lsobs_trim (const char *text, gsize *len);
char *_lsobs_trim_dup (const char *text);
gboolean _lsobs_trim_is_empty (const char *text);

G_END_DECLS
