/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The file of profiles of LangSmith's own tools: whether it can be read, who else can read it, and what it
 * gives that no variable does. */

#pragma once

#include "tools/doctor/finding.h"

G_BEGIN_DECLS

/* Has the library read the file, which writes what is wrong with it to the log once in a process: to be
 * called before anything else reads it. */
void profile_check (Report *report);

G_END_DECLS
