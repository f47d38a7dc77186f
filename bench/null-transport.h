/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A transport that takes each batch at once and does nothing with it: what is left is the cost of the
 * caller, the queue and the encoder. */

#pragma once

#include <lsobs/lsobs.h>

G_BEGIN_DECLS

#define BENCH_TYPE_NULL_TRANSPORT (bench_null_transport_get_type ())
G_DECLARE_FINAL_TYPE (BenchNullTransport, bench_null_transport, BENCH, NULL_TRANSPORT, GObject)

LsobsTransport *bench_null_transport_new (void);

G_END_DECLS
