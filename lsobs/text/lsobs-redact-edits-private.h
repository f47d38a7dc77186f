/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A range of a text that is replaced, and the range of the new text that takes its place. */
typedef struct
{
  gsize start;
  gsize end;
  gsize new_start;
  gsize new_end;
} LsobsRedactEdit;

/* The edits between a text and a later one are a GArray, in the order of the text. They do not
 * overlap. NULL stands for no edit. */

void _lsobs_redact_edits_add (GArray **edits,
                              gsize start,
                              gsize end,
                              gsize new_start,
                              gsize new_end);
void _lsobs_redact_edits_follow (GArray **edits, GArray *later);

G_END_DECLS
