/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/text/lsobs-redact-edits-private.h"

/* Adds an edit behind the others.
 * @edits: (inout) (nullable): made if it is NULL */
void
_lsobs_redact_edits_add (GArray **edits, gsize start, gsize end, gsize new_start, gsize new_end)
{
  const LsobsRedactEdit edit = { start, end, new_start, new_end };

  if (*edits == NULL)
    *edits = g_array_new (FALSE, FALSE, sizeof (LsobsRedactEdit));
  g_array_append_val (*edits, edit);
}

/* Joins edits that overlap or touch in the text between the first and the last one.
 * @first: the edits up to that text; @second: those from it on */
static GArray *
join (const GArray *first, const GArray *second)
{
  const LsobsRedactEdit *a = (const LsobsRedactEdit *) (gpointer) first->data;
  const LsobsRedactEdit *b = (const LsobsRedactEdit *) (gpointer) second->data;
  const LsobsRedactEdit *a_end = a + first->len;
  const LsobsRedactEdit *b_end = b + second->len;
  GArray *joined = g_array_new (FALSE, FALSE, sizeof (LsobsRedactEdit));
  /* What a position in the text between is more than that in the first text, and what one in the
   * last text is more than that. They may wrap around. */
  gsize shift = 0;
  gsize new_shift = 0;

  while (a < a_end || b < b_end)
    {
      gsize start = b == b_end || (a < a_end && a->new_start < b->start) ? a->new_start : b->start;
      gsize end = start;
      LsobsRedactEdit edit = { .start = start - shift, .new_start = start + new_shift };

      for (;;)
        {
          if (a < a_end && a->new_start <= end)
            {
              end = MAX (end, a->new_end);
              shift = a->new_end - a->end;
              a++;
            }
          else if (b < b_end && b->start <= end)
            {
              end = MAX (end, b->end);
              new_shift = b->new_end - b->end;
              b++;
            }
          else
            break;
        }
      edit.end = end - shift;
      edit.new_end = end + new_shift;
      g_array_append_val (joined, edit);
    }
  return joined;
}

/* Makes edits from a text to a second one those to a third one.
 * @edits: (inout) (nullable): the edits from the first text to the second one
 * @later: (transfer full) (nullable): the edits from the second text to the third one */
void
_lsobs_redact_edits_follow (GArray **edits, GArray *later)
{
  GArray *joined;

  if (later == NULL)
    return;
  if (*edits == NULL)
    {
      *edits = later;
      return;
    }
  joined = join (*edits, later);
  g_array_unref (*edits);
  g_array_unref (later);
  *edits = joined;
}
