/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/call/lsobs-call-framing-private.h"
#include "lsobs/text/lsobs-json-scan-private.h"

/* An event buffer that has grown larger than this is freed with the event. */
#define KEEP_BYTES (64 * 1024)

void
_lsobs_call_framing_init (LsobsCallFraming *self,
                          gsize max_bytes,
                          LsobsFramingFunc func,
                          LsobsFramingSkipFunc skip,
                          gpointer user_data)
{
  *self = (LsobsCallFraming){
    .func = func, .skip = skip, .user_data = user_data, .max_bytes = max_bytes
  };
}

void
_lsobs_call_framing_clear (LsobsCallFraming *self)
{
  _lsobs_buffer_clear (&self->event);
  _lsobs_buffer_clear (&self->line);
}

/* Appends to a buffer of the present event, unless the event becomes longer than the limit. */
static void
append (LsobsCallFraming *self, LsobsBuffer *buffer, const char *data, gsize len)
{
  if (self->n_skipped == 0 && self->event.len + self->line.len + len <= self->max_bytes)
    {
      _lsobs_buffer_append (buffer, data, len);
      return;
    }
  self->n_skipped += self->event.len + self->line.len + len;
  _lsobs_buffer_clear (&self->event);
  _lsobs_buffer_clear (&self->line);
}

/* Ends the present event, which the buffer has. */
static void
finish_event (LsobsCallFraming *self)
{
  if (self->n_skipped > 0)
    self->n_cut += self->n_skipped;
  else if (self->event.len > 0)
    self->func (self->user_data, self->event.data, self->event.len);
  self->n_skipped = 0;
  self->has_data = FALSE;
  self->is_error = FALSE;
  if (self->event.allocated > KEEP_BYTES)
    _lsobs_buffer_clear (&self->event);
  _lsobs_buffer_truncate (&self->event, 0);
}

/* Skips the events that are taken without a look at them. At @p, one begins.
 * Returns: the first byte after them */
static const char *
skip_known (LsobsCallFraming *self, const char *p, const char *end)
{
  gsize n = 1;

  for (; p < end && n > 0; p += n)
    n = self->skip (self->user_data, p, MIN ((gsize) (end - p), self->max_bytes));
  return p;
}

/* --- server-sent events --- */

/* Reads a field of a server-sent event.
 * @line: (inout): the line, and then the value of the field
 * Returns: FALSE if it is another field */
static gboolean
read_field (const char *field, const char **line, gsize *len)
{
  gsize n = strlen (field);

  if (*len < n || memcmp (*line, field, n) != 0 || (*len > n && (*line)[n] != ':'))
    return FALSE;
  n = MIN (n + 1, *len);
  if (*len > n && (*line)[n] == ' ')
    n++;
  *line += n;
  *len -= n;
  return TRUE;
}

/* Takes a line without its end. */
static void
take_line (LsobsCallFraming *self, const char *line, gsize len)
{
  static const char error[] = "error";

  if (len == 0)
    finish_event (self);
  else if (read_field ("data", &line, &len))
    {
      if (self->has_data)
        append (self, &self->event, "\n", 1);
      self->has_data = TRUE;
      append (self, &self->event, line, len);
    }
  else if (read_field ("event", &line, &len))
    self->is_error = len == sizeof error - 1 && memcmp (line, error, len) == 0;
}

/* Takes the end of a line, whose beginning may be in the buffer. */
static void
take_line_end (LsobsCallFraming *self, const char *text, gsize len)
{
  gsize line_len = self->line_len + len;

  self->line_len = 0;
  if (self->n_skipped > 0)
    {
      self->n_skipped += len;
      if (line_len == 0)
        finish_event (self);
      return;
    }
  if (self->line.len == 0)
    {
      take_line (self, text, len);
      return;
    }
  append (self, &self->line, text, len);
  if (self->n_skipped == 0)
    {
      /* The buffer is taken out: a line that is also in it would count twice for the limit. */
      LsobsBuffer line = self->line;

      self->line = (LsobsBuffer) LSOBS_BUFFER_INIT;
      take_line (self, line.data, line.len);
      _lsobs_buffer_truncate (&line, 0);
      if (line.allocated > KEEP_BYTES)
        _lsobs_buffer_clear (&line);
      self->line = line;
    }
}

/* Whether nothing is known of a server-sent event. */
static gboolean
is_between_events (const LsobsCallFraming *self)
{
  return self->line_len == 0 && !self->has_data && !self->is_error && self->n_skipped == 0;
}

/* Lines end with a newline, a carriage return, or both. */
static void
feed_events (LsobsCallFraming *self, const char *p, const char *end)
{
  const char *newline = NULL;
  const char *start; /* of the event, or of what has come of it now */

  if (self->skips_newline && p < end && *p == '\n')
    p++;
  self->skips_newline = FALSE;
  if (is_between_events (self))
    p = skip_known (self, p, end);
  start = is_between_events (self) ? p : NULL;
  while (p < end)
    {
      gboolean is_empty;
      const char *stop;
      const char *next;

      /* The newline that was found before is looked for once, also if lines end otherwise. */
      if (newline == NULL || newline < p)
        newline = memchr (p, '\n', (gsize) (end - p));
      if (newline == NULL)
        newline = end;
      stop = memchr (p, '\r', (gsize) (newline - p));
      if (stop == NULL)
        stop = newline;
      if (stop == end)
        break;
      is_empty = stop == p && self->line_len == 0;
      next = stop + 1;
      if (*stop == '\r' && next < end && *next == '\n')
        next++;
      self->skips_newline = *stop == '\r' && next == end;
      self->raw = self->skips_newline ? NULL : start;
      self->raw_len = start != NULL ? (gsize) (next - start) : 0;
      take_line_end (self, p, (gsize) (stop - p));
      self->raw = NULL;
      p = next;
      if (is_empty)
        start = p = skip_known (self, p, end);
    }
  self->line_len += (gsize) (end - p);
  append (self, &self->line, p, (gsize) (end - p));
}

/* --- JSON --- */

/* Takes bytes of a string of JSON up to its end.
 * Returns: the byte after them */
static const char *
skip_string (LsobsCallFraming *self, const char *p, const char *end)
{
  if (self->is_escaped)
    {
      self->is_escaped = FALSE;
      p++;
    }
  while (p < end)
    {
      p = _lsobs_json_scan (p, end, FALSE);
      if (p == end)
        break;
      if (*p == '"')
        {
          self->in_string = FALSE;
          return p + 1;
        }
      if (*p == '\\' && p + 1 == end)
        self->is_escaped = TRUE;
      p += *p == '\\' && p + 1 < end ? 2 : 1;
    }
  return end;
}

/* Closes an array or object.
 * Returns: TRUE if this is the end of an event */
static gboolean
close_value (LsobsCallFraming *self)
{
  if (self->depth == 0)
    return FALSE;
  self->depth--;
  if (self->depth < self->base)
    self->base = 0;
  else
    return self->depth == self->base;
  return FALSE;
}

/* Takes the end of an event, whose beginning may be in the buffer. */
static void
finish_value (LsobsCallFraming *self, const char *text, gsize len)
{
  if (self->event.len == 0 && self->n_skipped == 0 && len <= self->max_bytes)
    {
      self->func (self->user_data, text, len);
      return;
    }
  append (self, &self->event, text, len);
  finish_event (self);
}

/* An array at the top level holds events. Inside and after it, only arrays and objects are
 * events. */
static void
feed_json (LsobsCallFraming *self, const char *p, const char *end)
{
  const char *start = self->depth > self->base ? p : NULL;
  const char *raw = NULL; /* (nullable) where the event begins, with what is before it */
  guint raw_base;

  if (self->depth == self->base && !self->in_string)
    raw = p = skip_known (self, p, end);
  raw_base = self->base;
  while (p < end)
    {
      if (self->in_string)
        {
          p = skip_string (self, p, end);
          continue;
        }
      switch (*p++)
        {
        case '"':
          self->in_string = TRUE;
          break;
        case '[':
        case '{':
          if (self->depth == 0 && p[-1] == '[')
            self->base = 1;
          else if (self->depth == self->base)
            start = p - 1;
          self->depth++;
          break;
        case ']':
        case '}':
          if (!close_value (self))
            break;
          g_assert (start != NULL);
          /* What opens an array of events comes once. */
          self->raw = raw_base == self->base ? raw : NULL;
          self->raw_len = raw != NULL ? (gsize) (p - raw) : 0;
          finish_value (self, start, (gsize) (p - start));
          self->raw = NULL;
          start = NULL;
          raw = p = skip_known (self, p, end);
          raw_base = self->base;
          break;
        default:
          break;
        }
    }
  if (start != NULL)
    append (self, &self->event, start, (gsize) (end - start));
}

/* --- what it is --- */

/* @c: the first byte that is no white space */
static LsobsFramingKind
find_kind (char c)
{
  switch (c)
    {
    case '{':
    case '[':
      return LSOBS_FRAMING_JSON;
    case ':': /* a comment */
    case 'd': /* data */
    case 'e': /* event */
    case 'i': /* id */
    case 'r': /* retry */
      return LSOBS_FRAMING_EVENTS;
    default:
      return LSOBS_FRAMING_TEXT;
    }
}

/* White space, or a byte of the mark with which UTF-8 may begin. */
static gboolean
is_blank (char c)
{
  return g_ascii_isspace (c) || (guchar) c == 0xef || (guchar) c == 0xbb || (guchar) c == 0xbf;
}

void
_lsobs_call_framing_feed (LsobsCallFraming *self, const char *data, gsize len)
{
  const char *p = data;
  const char *end = len > 0 ? data + len : data;

  self->n_bytes += len;
  while (self->kind == LSOBS_FRAMING_UNKNOWN && p < end)
    {
      if (is_blank (*p))
        p++;
      else
        self->kind = find_kind (*p);
    }
  if (p == end)
    return;
  if (self->kind == LSOBS_FRAMING_EVENTS)
    feed_events (self, p, end);
  else if (self->kind == LSOBS_FRAMING_JSON)
    feed_json (self, p, end);
}

/* Called at the end of the body. A server-sent event needs no empty line there.
 * Returns: FALSE if it ends inside an event, whose beginning is left in self->event */
gboolean
_lsobs_call_framing_end (LsobsCallFraming *self)
{
  if (self->kind == LSOBS_FRAMING_EVENTS)
    {
      if (self->line_len > 0)
        take_line_end (self, NULL, 0);
      finish_event (self);
      return TRUE;
    }
  if (self->kind != LSOBS_FRAMING_JSON || self->depth == self->base)
    return TRUE;
  self->n_cut += self->n_skipped;
  self->n_skipped = 0;
  return FALSE;
}
