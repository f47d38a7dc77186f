/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-block-private.h"
#include "lsobs/core/lsobs-buffer-private.h"

#define MIN_ALLOCATED 256

static void
forget (LsobsBuffer *self)
{
  self->data = NULL;
  self->len = 0;
  self->allocated = 0;
  self->lent = FALSE;
}

/* Frees the bytes. @self is empty afterwards and can be used again. */
void
_lsobs_buffer_clear (LsobsBuffer *self)
{
  if (self->pooled)
    _lsobs_block_unref (self->data);
  else if (!self->lent)
    g_free (self->data);
  forget (self);
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
  if (self->pooled)
    {
      char *data = _lsobs_block_new (wanted, &wanted);

      if (self->len > 0)
        memcpy (data, self->data, self->len);
      _lsobs_block_unref (self->data);
      self->data = data;
    }
  else if (self->lent)
    {
      char *data = g_malloc (wanted);

      memcpy (data, self->data, self->len);
      self->data = data;
      self->lent = FALSE;
    }
  else
    {
      self->data = g_realloc (self->data, wanted);
    }
  self->allocated = wanted;
}

/* Writes a number in decimal digits.
 * @p: has room for LSOBS_BUFFER_MAX_DIGITS bytes
 * Returns: the end of the digits */
char *
_lsobs_buffer_put_uint64 (char *p, guint64 value)
{
  static const char pairs[] = "00010203040506070809"
                              "10111213141516171819"
                              "20212223242526272829"
                              "30313233343536373839"
                              "40414243444546474849"
                              "50515253545556575859"
                              "60616263646566676869"
                              "70717273747576777879"
                              "80818283848586878889"
                              "90919293949596979899";
  char digits[LSOBS_BUFFER_MAX_DIGITS];
  char *start = digits + sizeof digits;
  gsize len;

  if (value < 10)
    {
      *p = (char) ('0' + value);
      return p + 1;
    }
  for (; value >= 100; value /= 100)
    {
      start -= 2;
      memcpy (start, pairs + 2 * (value % 100), 2);
    }
  if (value >= 10)
    {
      start -= 2;
      memcpy (start, pairs + 2 * value, 2);
    }
  else
    {
      *--start = (char) ('0' + value);
    }
  len = (gsize) (digits + sizeof digits - start);
  memcpy (p, start, len);
  return p + len;
}

/* The same for a number that may be negative, which takes one byte more. */
char *
_lsobs_buffer_put_int64 (char *p, gint64 value)
{
  if (value >= 0)
    return _lsobs_buffer_put_uint64 (p, (guint64) value);
  *p = '-';
  return _lsobs_buffer_put_uint64 (p + 1, -(guint64) value);
}

void
_lsobs_buffer_append_int64 (LsobsBuffer *self, gint64 value)
{
  char *p = _lsobs_buffer_reserve (self, LSOBS_BUFFER_MAX_DIGITS + 1);

  self->len += (gsize) (_lsobs_buffer_put_int64 (p, value) - p);
}

/* Turns the bytes into GBytes without a copy, unless they are lent, and leaves @self empty.
 * Returns: (transfer full) */
GBytes *
_lsobs_buffer_steal_bytes (LsobsBuffer *self)
{
  GBytes *bytes;

  if (self->lent)
    bytes = g_bytes_new (self->data, self->len);
  else
    bytes = g_bytes_new_with_free_func (self->data, self->len,
                                        self->pooled ? _lsobs_block_unref : g_free, self->data);
  forget (self);
  return bytes;
}
