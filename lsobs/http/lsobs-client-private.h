/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/lsobs-client.h"

G_BEGIN_DECLS

/* Makes clients for the library. Thread-safe. */
LsobsTransport *_lsobs_client_new_for_settings (LsobsSettings *settings);

G_END_DECLS
