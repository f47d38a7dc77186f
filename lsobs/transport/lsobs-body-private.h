/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/transport/lsobs-encoder-private.h"

G_BEGIN_DECLS

/* The bodies of requests. Pure functions. All boundaries have the same length, so that sizes do not
 * depend on them. */
#define LSOBS_BOUNDARY_LEN (6 + LSOBS_TOKEN_LEN)

void _lsobs_body_make_boundary (char *boundary);
gsize _lsobs_body_measure (GPtrArray *records);
gsize _lsobs_body_measure_record (LsobsEncoded *encoded);
gsize _lsobs_body_measure_end (void);
gsize _lsobs_body_measure_payload (GPtrArray *records);
GBytes *_lsobs_body_write_multipart (GPtrArray *records, const char *boundary);
GBytes *_lsobs_body_write_batch (GPtrArray *records);
GBytes *_lsobs_body_write_one (LsobsEncoded *encoded);

G_END_DECLS
