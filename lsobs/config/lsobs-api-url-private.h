/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

char *_lsobs_api_url_parse (const char *given,
                            gboolean allow_plain_http,
                            gboolean *loopback,
                            GError **error);
char *_lsobs_api_url_dup_web (const char *url);
gboolean _lsobs_api_url_same_server (const char *url, const char *other);

G_END_DECLS
