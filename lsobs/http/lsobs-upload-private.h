/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/http/lsobs-service-private.h"
#include "lsobs/lsobs-batch.h"

G_BEGIN_DECLS

/* Makes an upload of a batch, and sends it. Used only in the context that sends. */
void _lsobs_upload_send_task (LsobsService *service, LsobsBatch *batch, GTask *task);
LsobsFailedTrace *_lsobs_upload_new_failed_trace (LsobsService *service, LsobsBatch *batch);

G_END_DECLS
