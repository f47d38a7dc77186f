/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

gboolean _lsobs_secret_name_is (const char *name);
gboolean _lsobs_secret_name_is_certain (const char *name, gsize len);
gboolean _lsobs_secret_name_introduces (const char *value);

G_END_DECLS
