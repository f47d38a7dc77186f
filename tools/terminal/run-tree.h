/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs of a trace, drawn as a tree with their times and tokens. */

#pragma once

#include "tools/store/run.h"
#include "tools/terminal/screen.h"

G_BEGIN_DECLS

/* Appends a line for each run, below a line that says what the columns are. Runs whose parent is not there
 * are roots. Columns that do not fit, or that are empty, are left out.
 * @runs: (element-type Run): in any order */
void run_tree_append (GString *out, const Screen *screen, GPtrArray *runs);
/* Appends the runs that have failed, each with its error.
 * @runs: (element-type Run): whole, what is above before what is below */
void run_tree_append_errors (GString *out, const Screen *screen, GPtrArray *runs);

/* Appends "✓", "✗" or "●", in its colour, and a space: 2 columns. */
void run_tree_append_mark (GString *out, const Screen *screen, RunStatus status);
/* Returns: (transfer full): how long a run has taken, or "…" while it goes on */
char *run_tree_dup_duration (const Run *run);
/* Returns: (transfer full): the time to the first token of a run and what is below it, or "" */
char *run_tree_dup_first_token (const Run *run);

G_END_DECLS
