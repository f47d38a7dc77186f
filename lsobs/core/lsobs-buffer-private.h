/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <string.h>

#include <glib.h>

G_BEGIN_DECLS

/* A growing array of bytes. Unlike GString it keeps no terminating NUL, becomes GBytes
 * without a copy, and its fast paths are inline. A plain value, used by one thread at a
 * time. */
typedef struct
{
  char *data;      /* (owned) (nullable) g_malloc()ed, or a block, or lent */
  gsize len;       /* bytes in use */
  gsize allocated; /* size of @data in bytes */
  gboolean pooled; /* constant: @data is a block, see lsobs-block.c */
  gboolean lent;   /* @data is of the row of a block, or on the stack; what does not fit there moves
                  * to memory of the buffer's own */
} LsobsBuffer;

#define LSOBS_BUFFER_INIT \
 { \
  NULL, 0, 0, FALSE, FALSE \
 }

#define LSOBS_BUFFER_INIT_POOLED \
 { \
  NULL, 0, 0, TRUE, FALSE \
 }

/* @room: an array on the stack */
#define LSOBS_BUFFER_INIT_LENT(room) \
 { \
  room, 0, sizeof (room), FALSE, TRUE \
 }

/* The digits of the largest number of 64 bits. */
#define LSOBS_BUFFER_MAX_DIGITS 20

void _lsobs_buffer_clear (LsobsBuffer *self);
void _lsobs_buffer_wipe (LsobsBuffer *self);
void _lsobs_buffer_grow (LsobsBuffer *self, gsize extra);
char *_lsobs_buffer_put_uint64 (char *p, guint64 value);
char *_lsobs_buffer_put_int64 (char *p, gint64 value);
void _lsobs_buffer_append_int64 (LsobsBuffer *self, gint64 value);
GBytes *_lsobs_buffer_steal_bytes (LsobsBuffer *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LsobsBuffer, _lsobs_buffer_clear)

/* Drops the bytes after the first @len ones. The memory stays allocated. */
static inline void
_lsobs_buffer_truncate (LsobsBuffer *self, gsize len)
{
  g_assert (len <= self->len);

  self->len = len;
}

/* Makes room for @extra more bytes. The caller writes them at the address returned and adds
 * their number to @self->len. */
static inline char *
_lsobs_buffer_reserve (LsobsBuffer *self, gsize extra)
{
  /* The address returned is never NULL, even if @extra is 0. */
  if (G_UNLIKELY (self->data == NULL || self->allocated - self->len < extra))
    _lsobs_buffer_grow (self, extra);

  return self->data + self->len;
}

/* @data must not point into the buffer itself. */
static inline void
_lsobs_buffer_append (LsobsBuffer *self, const char *data, gsize len)
{
  /* memcpy() from or to NULL is undefined even for no bytes. */
  if (len == 0)
    return;

  memcpy (_lsobs_buffer_reserve (self, len), data, len);
  self->len += len;
}

static inline void
_lsobs_buffer_append_c (LsobsBuffer *self, char c)
{
  *_lsobs_buffer_reserve (self, 1) = c;
  self->len++;
}

/* @text is NUL-terminated. */
static inline void
_lsobs_buffer_append_str (LsobsBuffer *self, const char *text)
{
  _lsobs_buffer_append (self, text, strlen (text));
}

G_END_DECLS
