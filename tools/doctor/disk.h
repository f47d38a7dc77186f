/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The folders that traces are written to: those of the settings, and the store of "lsobs serve". */

#pragma once

#include <lsobs/lsobs.h>

#include "tools/doctor/finding.h"

G_BEGIN_DECLS

/* The spool and the folder of failed traces. */
void disk_check_folders (Report *report, LsobsConfig *config);
/* The store, and whether a service runs for it. @database: path */
void disk_check_store (Report *report, const char *database);

G_END_DECLS
