/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a service does that takes zstd. Only where the library was built with it. */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A TestServerDecoder. */
GBytes *test_unzstd (GBytes *bytes, GError **error);

G_END_DECLS
