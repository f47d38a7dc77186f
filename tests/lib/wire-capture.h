/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What official clients have sent, from tests/data/captures. */

#pragma once

#include "tests/lib/wire.h"

G_BEGIN_DECLS

/* A request as it was sent, before compression. */
typedef struct
{
  char *method;       /* (owned) */
  char *path;         /* (owned) */
  char *content_type; /* (owned) */
  GBytes *body;       /* (owned) */
} WireRaw;

/* (element-type WireRaw) (transfer full): all requests of tests/data/captures/@file.json but GET
 * /info; aborts the test when they cannot be read */
GPtrArray *wire_capture_load_raw (const char *file);

/* (element-type WireRequest) (transfer full): all requests of tests/data/captures/@file.json but
 * GET /info; aborts the test when they cannot be read */
GPtrArray *wire_capture_load (const char *file);

G_END_DECLS
