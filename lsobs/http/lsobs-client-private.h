/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/http/lsobs-service-private.h"
#include "lsobs/lsobs-client.h"

G_BEGIN_DECLS

LsobsTransport *_lsobs_client_new_for_settings (LsobsSettings *settings);
LsobsService *_lsobs_client_peek_service (LsobsClient *self);

G_END_DECLS
