/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "tests/lib/wire.h"

G_BEGIN_DECLS

/* Prints traces as trees with a line for each run and what it holds below:
 *
 *   trace 019a0c5e-…  project demo
 *   chain react-agent ok +0.0 ms 12.3 ms
 *   │  in   {"question":"What is 6 * 7?"}
 *   │  out  {"answer":"42."}
 *   └─ llm chat ok +0.4 ms 9.8 ms
 *         model  openai gpt-4o-mini, 96 + 14 = 110 tokens
 *         first token +52 ms
 *         feedback thumb = 1
 *
 * In colours when the file is a terminal and NO_COLOR is not set. */
typedef struct _TracePrinter TracePrinter;

TracePrinter *trace_printer_new (FILE *file);
void trace_printer_free (TracePrinter *self);
/* Prints the feedback of runs that are printed already, or @all of it that is not printed yet. */
void trace_printer_print_feedback (TracePrinter *self, WireTree *tree, gboolean all);

/* Prints a trace with the feedback that is there. @top: the root, or what has lost its parent */
void trace_printer_print (TracePrinter *self, WireTree *tree, WireRun *top);

/* (transfer full): @text without what could play tricks on a terminal */
char *trace_printer_clean (const char *text);

G_END_DECLS
