/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the service answers, and what is on the way to it: TLS, proxy, clock, key, project. The library asks,
 * so that the answer is that which a program would get. */

#pragma once

#include <lsobs/lsobs.h>

#include "tools/doctor/finding.h"

G_BEGIN_DECLS

/* Whether TLS is there at all; without a request. */
void network_check_tls (Report *report, LsobsConfig *config);

/* @timeout: of each request, in seconds */
void network_check (Report *report, LsobsConfig *config, guint timeout);

G_END_DECLS
