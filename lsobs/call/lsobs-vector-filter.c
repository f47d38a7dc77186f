/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/call/lsobs-vector-filter-private.h"

/* A longer string of base64 is no name and no model, but a vector. */
#define MAX_STRING 1024

/* What base64 takes for three bytes, and a number has. */
#define BASE64_GROUP     4
#define BYTES_PER_NUMBER 4

void
_lsobs_vector_filter_clear (LsobsVectorFilter *self)
{
  _lsobs_buffer_clear (&self->string);
}

static void
write_length (LsobsBuffer *out, guint64 length)
{
  _lsobs_buffer_append_str (out, "{\"" LSOBS_VECTOR_LENGTH "\":");
  _lsobs_buffer_append_int64 (out, (gint64) length);
  _lsobs_buffer_append_c (out, '}');
}

static void
begin_string (LsobsVectorFilter *self)
{
  self->in_string = TRUE;
  self->is_base64 = TRUE;
  self->is_long = FALSE;
  self->n_digits = 0;
  _lsobs_buffer_truncate (&self->string, 0);
  _lsobs_buffer_append_c (&self->string, '"');
}

/* The end of a string has come, or it is long. */
static void
flush_string (LsobsVectorFilter *self, LsobsBuffer *out)
{
  _lsobs_buffer_append (out, self->string.data, self->string.len);
  _lsobs_buffer_truncate (&self->string, 0);
}

static void
count_digit (LsobsVectorFilter *self, char c)
{
  if (g_ascii_isalnum (c) || c == '+' || c == '/' || c == '-' || c == '_')
    self->n_digits++;
  else if (c != '=' && c != '\\')
    self->is_base64 = FALSE;
}

static void
take_string_byte (LsobsVectorFilter *self, LsobsBuffer *out, char c)
{
  gboolean is_end = c == '"' && !self->is_escaped;

  self->is_escaped = c == '\\' && !self->is_escaped;
  if (!self->is_long)
    {
      _lsobs_buffer_append_c (&self->string, c);
      if (!is_end)
        count_digit (self, c);
      if (is_end || !self->is_base64)
        flush_string (self, out);
      self->is_long = self->is_base64 && !is_end && self->string.len == MAX_STRING;
    }
  else if (!is_end)
    count_digit (self, c);
  else
    write_length (out, self->n_digits * 3 / BASE64_GROUP / BYTES_PER_NUMBER);
  if (is_end)
    self->in_string = FALSE;
}

/* Gives back the bracket of an array that is no vector. The numbers in it are left out. */
static void
release_array (LsobsVectorFilter *self, LsobsBuffer *out)
{
  _lsobs_buffer_append_c (out, '[');
  self->in_array = FALSE;
}

/* Takes a byte of an array that may be a vector. */
static void
take_array_byte (LsobsVectorFilter *self, LsobsBuffer *out, char c)
{
  if (c == ',')
    {
      self->n_numbers++;
      self->has_number = FALSE;
    }
  else if (c == ']')
    {
      self->in_array = FALSE;
      if (self->n_numbers == 0 && !self->has_number)
        _lsobs_buffer_append_str (out, "[]");
      else
        write_length (out, self->n_numbers + (self->has_number ? 1 : 0));
    }
  else if (!g_ascii_isspace (c))
    self->has_number = TRUE;
}

static void
take_byte (LsobsVectorFilter *self, LsobsBuffer *out, char c)
{
  if (self->in_array && (c == '"' || c == '[' || c == '{'))
    release_array (self, out);
  if (c == '"')
    begin_string (self);
  else if (c == '[')
    {
      self->in_array = TRUE;
      self->n_numbers = 0;
      self->has_number = FALSE;
    }
  else if (self->in_array)
    take_array_byte (self, out, c);
  else
    _lsobs_buffer_append_c (out, c);
}

/* Whether the bytes are JSON. The first one that is no white space tells. */
static gboolean
is_json (LsobsVectorFilter *self, const char *data, gsize len)
{
  for (gsize i = 0; i < len && !self->has_begun; i++)
    {
      self->has_begun = !g_ascii_isspace (data[i]);
      self->is_json = data[i] == '{' || data[i] == '[';
    }
  return self->is_json;
}

/* @out: gets the text without its vectors, as far as it has come */
void
_lsobs_vector_filter_feed (LsobsVectorFilter *self, LsobsBuffer *out, const char *data, gsize len)
{
  if (!is_json (self, data, len))
    {
      _lsobs_buffer_append (out, data, len);
      return;
    }
  for (gsize i = 0; i < len; i++)
    {
      if (self->in_string)
        take_string_byte (self, out, data[i]);
      else
        take_byte (self, out, data[i]);
    }
}
