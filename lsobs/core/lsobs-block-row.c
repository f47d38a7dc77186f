/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-block-private.h"
#include "lsobs/core/lsobs-block-row-private.h"

/* A block of a row, and the largest text that is put into it with others. A text that outlives the
 * others keeps their block. */
#define ROW_SIZE     (128 * 1024)
#define MAX_ROW_TEXT (ROW_SIZE / 4)

/* Has the row a block with room for @len bytes, at most ROW_SIZE. */
static void
ensure_room (LsobsBlockRow *self, gsize len)
{
  if (self->block != NULL && self->size - self->used < len)
    _lsobs_block_row_clear (self);
  if (self->block == NULL)
    self->block = _lsobs_block_new (ROW_SIZE, &self->size);
}

/* Lets @buffer write the next text of the row in its place, see _lsobs_block_row_take().
 * @expected: about how many bytes it will have
 * @buffer: (out): empty; it leaves the row if the text becomes longer than one in a row may be
 * Returns: FALSE if the text is too long for a row, or has memory of its own, see LSOBS_BLOCK_POOLED */
gboolean
_lsobs_block_row_lend (LsobsBlockRow *self, gsize expected, LsobsBuffer *buffer)
{
  if (!LSOBS_BLOCK_POOLED || expected > MAX_ROW_TEXT)
    return FALSE;
  ensure_room (self, expected);
  buffer->data = self->block + self->used;
  buffer->len = 0;
  buffer->allocated = MIN (self->size - self->used, MAX_ROW_TEXT);
  buffer->pooled = FALSE;
  buffer->lent = TRUE;
  return TRUE;
}

/* @buffer: that of _lsobs_block_row_lend(), still lent; it is empty then
 * Returns: (transfer full): what it has written */
GBytes *
_lsobs_block_row_take (LsobsBlockRow *self, LsobsBuffer *buffer)
{
  gsize len = buffer->len;
  char *text = buffer->data;

  g_assert (buffer->lent && text == self->block + self->used);
  _lsobs_buffer_clear (buffer);
  self->used += len;
  return g_bytes_new_with_free_func (text, len, _lsobs_block_unref, _lsobs_block_ref (self->block));
}

/* Returns: (transfer full): a copy of the text, in the block of the row if it is small */
GBytes *
_lsobs_block_row_add (LsobsBlockRow *self, const char *text, gsize len)
{
  LsobsBuffer buffer;

  if (!_lsobs_block_row_lend (self, len, &buffer))
    {
      gsize allocated;
      char *block = _lsobs_block_new (len, &allocated);

      if (len > 0)
        memcpy (block, text, len);
      return _lsobs_block_free_to_bytes (block, len);
    }
  _lsobs_buffer_append (&buffer, text, len);
  return _lsobs_block_row_take (self, &buffer);
}

/* The next text of the row is in another block. */
void
_lsobs_block_row_clear (LsobsBlockRow *self)
{
  g_clear_pointer (&self->block, _lsobs_block_unref);
  self->used = 0;
}
