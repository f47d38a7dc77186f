/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"

G_BEGIN_DECLS

/* Asks the service where people see a run, with attempts and connections of its own. Used only in the
 * context that sends, that of the task; thread-safe: the beginning. */

void _lsobs_run_lookup_task (LsobsSettings *settings, const char *run_id, GTask *task);

G_END_DECLS
