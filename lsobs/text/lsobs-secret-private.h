/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A string that must not outlive its use: its memory is wiped before it is given
 * back. (nullable) everywhere: no secret. */
char *_lsobs_secret_dup (const char *secret);
void _lsobs_secret_free (char *secret);
gboolean _lsobs_secret_fits_header (const char *text);

G_END_DECLS
