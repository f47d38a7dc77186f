/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The facts in the long texts of a run: usage, first token, conversation. */

#pragma once

#include "tools/store/run.h"

G_BEGIN_DECLS

/* Sets usage, first_token_time, thread and status by the other members; no run ends before it begins. */
void run_facts_update (Run *run, gboolean failed);

G_END_DECLS
