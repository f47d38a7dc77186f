/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/model/lsobs-attachment-private.h"

G_BEGIN_DECLS

GBytes *_lsobs_inline_data_extract (GBytes *json, gsize max_bytes, GPtrArray **attachments);

G_END_DECLS
