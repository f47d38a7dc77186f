/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the settings of a program would be: whether it traces, with which key, and to which address. */

#pragma once

#include <lsobs/lsobs.h>

#include "tools/doctor/finding.h"

G_BEGIN_DECLS

/* @config: (nullable): NULL if it cannot be known
 * @was_on: whether tracing is on in the environment */
void settings_check_tracing (Report *report, LsobsConfig *config, gboolean was_on);
void settings_check_key (Report *report, LsobsConfig *config, gboolean was_on);
void settings_check_endpoint (Report *report, LsobsConfig *config);

/* Whether an address is one of this machine. */
gboolean settings_is_loopback (const char *url);

G_END_DECLS
