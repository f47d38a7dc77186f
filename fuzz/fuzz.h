/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What every target has: its one function, and how it takes apart the bytes that it gets. */

#pragma once

#include <string.h>

#include <glib.h>

G_BEGIN_DECLS

/* The longest input, in bytes, of the fuzzer and of a file of a corpus. */
#define FUZZ_MAX_BYTES 4096

/* A word for values that no message may show. */
#define FUZZ_MARKER "Zq8LmT5v"

/* Called by libFuzzer, or by fuzz-main.c for each file of the corpus. It aborts the process if what
 * the library does with @data is wrong. Returns 0. The name is libFuzzer's. */
int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* The bytes that are left. */
typedef struct
{
  const guint8 *data;
  gsize len;
} FuzzInput;

/* Returns: the next byte; 0 at the end */
static inline guint8
fuzz_input_take_byte (FuzzInput *self)
{
  if (self->len == 0)
    return 0;
  self->len--;
  return *self->data++;
}

/* Returns: the next 8 bytes as a number; zeros follow the end */
static inline guint64
fuzz_input_take_uint64 (FuzzInput *self)
{
  guint64 value = 0;

  for (guint i = 0; i < 8; i++)
    value = value << 8 | fuzz_input_take_byte (self);
  return value;
}

/* Returns: (transfer full): the next @len bytes, or what is left, and a NUL. It is a copy of its
 *   own, so that AddressSanitizer finds a read beyond its end. */
static inline char *
fuzz_input_take_text (FuzzInput *self, gsize len)
{
  char *text;

  len = MIN (len, self->len);
  text = g_malloc (len + 1);
  if (len > 0)
    memcpy (text, self->data, len);
  text[len] = '\0';
  self->data += len;
  self->len -= len;
  return text;
}

/* Returns: (transfer full): the bytes up to the next newline, which is skipped, or up to the end */
static inline char *
fuzz_input_take_line (FuzzInput *self)
{
  const guint8 *newline = self->len > 0 ? memchr (self->data, '\n', self->len) : NULL;
  gsize len = newline != NULL ? (gsize) (newline - self->data) : self->len;
  char *line = fuzz_input_take_text (self, len);

  if (newline != NULL)
    fuzz_input_take_byte (self);
  return line;
}

G_END_DECLS
