/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A secret: a string whose memory is overwritten before it is freed. @secret is (nullable) in each
 * function. */
char *_lsobs_secret_dup (const char *secret);
void _lsobs_secret_free (char *secret);
gboolean _lsobs_secret_fits_header (const char *text);

G_END_DECLS
