/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "lsobs/lsobs-model-call.h"

G_BEGIN_DECLS

GInputStream *_lsobs_response_stream_new (GInputStream *base,
                                          LsobsModelCall *call,
                                          guint status,
                                          GCancellable *cancellable);

G_END_DECLS
