/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-json-escape-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"
#include "lsobs/text/lsobs-redact-rule-private.h"
#include "lsobs/text/lsobs-redact-view-private.h"

/* The mark for text that was replaced in the original text: U+FFFF, which is not a character. So no
 * rule is applied to a replacement. */
#define REPLACED "\xef\xbf\xbf"

void
_lsobs_redact_view_clear (LsobsRedactView *self)
{
  _lsobs_buffer_clear (&self->text);
  g_clear_pointer (&self->pieces, g_array_unref);
}

/* Appends text up to @end.
 * Returns: whether there was an escape in it */
static gboolean
append_decoded (LsobsRedactView *self, const char *text, gsize start, gsize end)
{
  const char *p = text + start;
  const char *stop = text + end;
  gboolean found = FALSE;

  while (p < stop)
    {
      const char *backslash = memchr (p, '\\', (gsize) (stop - p));
      const char *after;
      gsize position;

      if (backslash == NULL)
        backslash = stop;
      _lsobs_buffer_append (&self->text, p, (gsize) (backslash - p));
      if (backslash == stop)
        break;

      position = self->text.len;
      after = _lsobs_json_escape_decode (&self->text, backslash, stop);
      /* This one is not JSON, but Python and JavaScript write it. */
      if (after == NULL && stop - backslash > 1 && backslash[1] == '\'')
        {
          _lsobs_buffer_append_c (&self->text, '\'');
          after = backslash + 2;
        }
      if (after == NULL)
        {
          _lsobs_buffer_append_c (&self->text, '\\');
          p = backslash + 1;
          continue;
        }
      _lsobs_redact_edits_add (&self->pieces, (gsize) (backslash - text), (gsize) (after - text),
                               position, self->text.len);
      found = TRUE;
      p = after;
    }
  return found;
}

/* Makes a view of a text.
 * @self: empty
 * @replaced: (nullable): edits that have led to the text
 * Returns: FALSE if the text has no escapes: there is nothing to see */
gboolean
_lsobs_redact_view_open (LsobsRedactView *self, const char *text, gsize len, const GArray *replaced)
{
  gboolean found = FALSE;
  gsize copied = 0;

  if (len == 0 || memchr (text, '\\', len) == NULL)
    return FALSE;

  _lsobs_buffer_reserve (&self->text, len + LSOBS_REDACT_PADDING);
  for (guint i = 0; replaced != NULL && i < replaced->len; i++)
    {
      const LsobsRedactEdit *edit = &g_array_index (replaced, LsobsRedactEdit, i);

      found |= append_decoded (self, text, copied, edit->new_start);
      copied = edit->new_end;
      if (edit->new_start == edit->new_end)
        continue;
      _lsobs_redact_edits_add (&self->pieces, edit->new_start, edit->new_end, self->text.len,
                               self->text.len + strlen (REPLACED));
      _lsobs_buffer_append_str (&self->text, REPLACED);
    }
  found |= append_decoded (self, text, copied, len);
  memset (_lsobs_buffer_reserve (&self->text, LSOBS_REDACT_PADDING), 0, LSOBS_REDACT_PADDING);
  return found;
}

/* Returns: how many pieces begin before @position */
static guint
count_before (const LsobsRedactView *self, gsize position)
{
  guint low = 0;
  guint high = self->pieces->len;

  while (low < high)
    {
      guint middle = low + (high - low) / 2;

      if (g_array_index (self->pieces, LsobsRedactEdit, middle).new_start < position)
        low = middle + 1;
      else
        high = middle;
    }
  return low;
}

/* Whether the character at @position of the view is an escape in the original text. */
gboolean
_lsobs_redact_view_is_escaped (const LsobsRedactView *self, gsize position)
{
  guint i = count_before (self, position);

  return i < self->pieces->len &&
         g_array_index (self->pieces, LsobsRedactEdit, i).new_start == position;
}

/* @position: between two characters of the view
 * Returns: the position in the original text */
static gsize
find_original (const LsobsRedactView *self, gsize position)
{
  guint i = count_before (self, position);
  const LsobsRedactEdit *piece;

  if (i == 0)
    return position;
  piece = &g_array_index (self->pieces, LsobsRedactEdit, i - 1);
  return position - piece->new_end + piece->end;
}

/* Appends what stands for a part of the view in the original text. */
static void
append_escaped (LsobsBuffer *out, const char *text, gsize len)
{
  g_auto (LsobsBuffer) whole = LSOBS_BUFFER_INIT;
  g_auto (LsobsBuffer) quoted = LSOBS_BUFFER_INIT;
  const char *end = text + len;
  const char *mark;

  /* A rule that keeps a part of its match may have kept this mark. */
  while (len > 0 && (mark = g_strstr_len (text, (gssize) (end - text), REPLACED)) != NULL)
    {
      _lsobs_buffer_append (&whole, text, (gsize) (mark - text));
      _lsobs_buffer_append_str (&whole, LSOBS_REDACTED);
      text = mark + strlen (REPLACED);
    }
  _lsobs_buffer_append (&whole, text, (gsize) (end - text));
  if (whole.len == 0)
    return;
  _lsobs_json_write_string (&quoted, whole.data, whole.len);
  _lsobs_buffer_append (out, quoted.data + 1, quoted.len - 2);
}

/* Appends the original text with the changes that were made to the view.
 * @edits: those of the view
 * @changed: the view after them
 * @out_edits: (inout) (nullable): gets those of the original text */
void
_lsobs_redact_view_write (const LsobsRedactView *self,
                          const GArray *edits,
                          const char *changed,
                          const char *text,
                          gsize len,
                          LsobsBuffer *out,
                          GArray **out_edits)
{
  gsize out_start = out->len;
  gsize copied = 0;

  for (guint i = 0; i < edits->len; i++)
    {
      const LsobsRedactEdit *edit = &g_array_index (edits, LsobsRedactEdit, i);
      gsize start = MAX (find_original (self, edit->start), copied);
      gsize end = MAX (find_original (self, edit->end), start);
      gsize new_start;

      _lsobs_buffer_append (out, text + copied, start - copied);
      new_start = out->len - out_start;
      append_escaped (out, changed + edit->new_start, edit->new_end - edit->new_start);
      _lsobs_redact_edits_add (out_edits, start, end, new_start, out->len - out_start);
      copied = end;
    }
  _lsobs_buffer_append (out, text + copied, len - copied);
}
