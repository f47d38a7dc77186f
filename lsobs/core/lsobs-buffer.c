/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-buffer-private.h"

#define MIN_ALLOCATED 256

/* Frees the bytes. @self is empty afterwards and can be used again. */
void
_lsobs_buffer_clear (LsobsBuffer *self)
{
  g_free (self->data);
  *self = (LsobsBuffer) LSOBS_BUFFER_INIT;
}

/* Does the same for secrets: overwrites the bytes first. */
void
_lsobs_buffer_wipe (LsobsBuffer *self)
{
  if (self->data != NULL)
    explicit_bzero (self->data, self->allocated);
  _lsobs_buffer_clear (self);
}

/* The slow path of _lsobs_buffer_reserve(). Doubles the size, so that the time for appending
 * is proportional to the number of bytes appended. */
void
_lsobs_buffer_grow (LsobsBuffer *self, gsize extra)
{
  gsize needed;
  gsize wanted;

  if (!g_size_checked_add (&needed, self->len, extra))
    g_error ("A buffer cannot hold %" G_GSIZE_FORMAT " more bytes", extra);

  if (!g_size_checked_mul (&wanted, self->allocated, 2))
    wanted = needed;

  wanted = MAX (wanted, MAX (needed, MIN_ALLOCATED));
  self->data = g_realloc (self->data, wanted);
  self->allocated = wanted;
}

void
_lsobs_buffer_append_int64 (LsobsBuffer *self, gint64 value)
{
  char digits[20];
  char *p = digits + sizeof digits;
  guint64 rest = value < 0 ? -(guint64) value : (guint64) value;

  do
    {
      *--p = '0' + (char) (rest % 10);
      rest /= 10;
    }
  while (rest != 0);

  if (value < 0)
    *--p = '-';

  _lsobs_buffer_append (self, p, (gsize) (digits + sizeof digits - p));
}

/* Turns the bytes into GBytes without a copy, and leaves @self empty.
 * Returns: (transfer full) */
GBytes *
_lsobs_buffer_steal_bytes (LsobsBuffer *self)
{
  GBytes *bytes = g_bytes_new_take (self->data, self->len);

  *self = (LsobsBuffer) LSOBS_BUFFER_INIT;
  return bytes;
}
