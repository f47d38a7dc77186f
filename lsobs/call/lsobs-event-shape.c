/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/call/lsobs-event-shape-private.h"

/* Longer events are parsed, each of them. */
#define MAX_BYTES 4096

/* A number with more digits is left to the parser. */
#define MAX_DIGITS 18

void
_lsobs_event_shape_clear (LsobsEventShape *self)
{
  _lsobs_buffer_clear (&self->bytes);
  *self = (LsobsEventShape){ .bytes = LSOBS_BUFFER_INIT };
}

/* --- values --- */

/* Returns: (nullable): the first byte after a whole number; NULL if it is something else */
static inline const char *
skip_number (const char *p, const char *end)
{
  const char *digits;

  if (p < end && *p == '-')
    p++;
  for (digits = p; p < end && *p >= '0' && *p <= '9'; p++)
    continue;
  if (p == digits || p - digits > MAX_DIGITS || (*digits == '0' && p - digits > 1))
    return NULL;
  return p < end && (*p == '.' || *p == 'e' || *p == 'E') ? NULL : p;
}

static gboolean
has_control (const char *p, const char *end)
{
  while (p < end && (guchar) *p >= 0x20)
    p++;
  return p < end;
}

/* Returns: (nullable): the first byte after the quote at the end of a string; NULL if it is not
 *   one, or has bytes that separate events */
static inline const char *
skip_string (const char *p, const char *end, LsobsJsonStringKind *kind)
{
  const char *after = _lsobs_json_string_scan (p, end, kind);

  return after != NULL && *kind == LSOBS_JSON_STRING_BROKEN && has_control (p, after) ? NULL
                                                                                      : after;
}

/* --- learning --- */

/* Reads the JSON of an event. */
typedef struct
{
  const char *p; /* the next byte */
  const char *end;
  const char *start; /* of the bytes that holes count from */
  const char *name;  /* (unowned) (nullable) of the member, not terminated */
  gsize name_len;
  const char *text; /* (unowned) the text to be found */
  gsize text_len;
  guint n_found; /* how often it was found */
} ShapeReader;

static gboolean
has_name (const ShapeReader *reader, const char *name)
{
  return reader->name_len == strlen (name) && memcmp (reader->name, name, reader->name_len) == 0;
}

/* Whether an index tells what the event is about. Of other numbers, the last one counts. */
static gboolean
is_index (const ShapeReader *reader)
{
  static const char end[] = "index";
  const gsize len = sizeof end - 1;

  return reader->name_len >= len && memcmp (reader->name + reader->name_len - len, end, len) == 0;
}

/* Returns: FALSE if there are too many */
static gboolean
add_hole (LsobsEventShape *self,
          const ShapeReader *reader,
          const char *p,
          gsize len,
          gboolean is_string)
{
  if (self->n_holes == LSOBS_SHAPE_MAX_HOLES)
    return FALSE;
  self->holes[self->n_holes++] =
      (LsobsShapeHole){ .start = (gsize) (p - reader->start), .len = len, .is_string = is_string };
  return TRUE;
}

/* Whether the string is the text that is looked for. */
static gboolean
is_text (const ShapeReader *reader, const char *raw, gsize len, LsobsJsonStringKind kind)
{
  g_auto (LsobsBuffer) decoded = LSOBS_BUFFER_INIT;
  const char *text = _lsobs_json_string_decode (raw, &len, kind, &decoded);

  return len == reader->text_len && memcmp (text, reader->text, len) == 0;
}

static gboolean
read_string (LsobsEventShape *self, ShapeReader *reader)
{
  LsobsJsonStringKind kind;
  const char *raw = reader->p + 1;
  const char *after = skip_string (raw, reader->end, &kind);
  gsize len;

  if (after == NULL)
    return FALSE;
  len = (gsize) (after - 1 - raw);
  for (reader->p = after; reader->p < reader->end && g_ascii_isspace (*reader->p);)
    reader->p++;
  if (reader->p < reader->end && *reader->p == ':')
    {
      /* The names that tell are compared as they are written. */
      if (kind != LSOBS_JSON_STRING_PLAIN)
        return FALSE;
      reader->name = raw;
      reader->name_len = len;
      return TRUE;
    }
  if (is_text (reader, raw, len, kind))
    {
      reader->n_found++;
      if (!add_hole (self, reader, raw, len, TRUE))
        return FALSE;
      self->holes[self->n_holes - 1].is_text = TRUE;
      return TRUE;
    }
  /* Of these, too, the last one counts, or none. */
  return (!has_name (reader, "created_at") && !has_name (reader, "obfuscation")) ||
         add_hole (self, reader, raw, len, TRUE);
}

static gboolean
read_number (LsobsEventShape *self, ShapeReader *reader)
{
  const char *start = reader->p;
  const char *after = skip_number (start, reader->end);

  reader->p = start + strspn (start, "-+.eE0123456789");
  return after == NULL || is_index (reader) ||
         add_hole (self, reader, start, (gsize) (after - start), FALSE);
}

/* Finds the values that may differ.
 * Returns: FALSE if there are too many, or the text is not there once */
static gboolean
find_holes (LsobsEventShape *self, ShapeReader *reader)
{
  gboolean is_good = TRUE;

  while (is_good && reader->p < reader->end)
    {
      if (*reader->p == '"')
        is_good = read_string (self, reader);
      else if (*reader->p == '-' || g_ascii_isdigit (*reader->p))
        is_good = read_number (self, reader);
      else
        reader->p++;
    }
  return is_good && reader->n_found == 1;
}

/* Marks the values that are others than in the event before, or were before that. */
static void
find_varying (LsobsEventShape *self, const LsobsEventShape *before)
{
  for (guint i = 0; i < self->n_holes; i++)
    {
      LsobsShapeHole *hole = &self->holes[i];
      const LsobsShapeHole *other = &before->holes[i];

      if (self->n_holes == before->n_holes && hole->is_string == other->is_string)
        hole->varies = other->varies || hole->len != other->len ||
                       memcmp (self->bytes.data + hole->start, before->bytes.data + other->start,
                               hole->len) != 0;
      self->varies |= hole->varies && !hole->is_text;
      hole->varies |= hole->is_text;
    }
}

/* Takes the shape of an event that was parsed.
 * @bytes: the event, with the bytes before and after its JSON
 * @text: the piece of text in it */
void
_lsobs_event_shape_learn (LsobsEventShape *self,
                          const char *bytes,
                          gsize len,
                          gsize json_len,
                          const char *text,
                          gsize text_len)
{
  LsobsEventShape before = *self;
  const char *json = memchr (bytes, '{', len);
  const char *json_end = json != NULL ? json + json_len - 1 : NULL;
  ShapeReader reader = { .text = text, .text_len = text_len };

  *self = (LsobsEventShape){ .bytes = LSOBS_BUFFER_INIT };
  if (len <= MAX_BYTES && json != NULL && json_end != NULL)
    {
      _lsobs_buffer_append (&self->bytes, bytes, len);
      self->json_start = (gsize) (json - bytes);
      self->json_end = len - (gsize) (json_end + 1 - bytes);
      reader.start = self->bytes.data;
      reader.p = reader.start + self->json_start;
      reader.end = reader.start + len - self->json_end;
      self->is_usable = find_holes (self, &reader);
    }
  if (self->is_usable)
    find_varying (self, &before);
  else
    _lsobs_event_shape_clear (self);
  _lsobs_buffer_clear (&before.bytes);
}

/* --- matching --- */

/* Whether the bytes begin with an event of this shape, whose text is not empty.
 * Returns: how many bytes it has, or 0 */
gsize
_lsobs_event_shape_match (const LsobsEventShape *self,
                          const char *bytes,
                          gsize len,
                          LsobsShapeText *text)
{
  const char *known = self->bytes.data;
  const char *known_end;
  const char *p = bytes;
  const char *end = bytes + len;

  if (!self->is_usable)
    return 0;
  known_end = known + self->bytes.len;
  for (guint i = 0; i < self->n_holes; i++)
    {
      const LsobsShapeHole *hole = &self->holes[i];
      gsize n = (gsize) (self->bytes.data + hole->start - known);
      LsobsJsonStringKind kind;
      const char *value;

      if (!hole->varies)
        continue;
      if ((gsize) (end - p) < n || memcmp (p, known, n) != 0)
        return 0;
      value = p + n;
      p = hole->is_string ? skip_string (value, end, &kind) : skip_number (value, end);
      if (p == NULL)
        return 0;
      /* An empty string replaces nothing. */
      if (hole->is_string && !hole->is_text && p - 1 == value)
        return 0;
      /* The quote at the end of a string is behind it. */
      known += n + hole->len + (hole->is_string ? 1 : 0);
      if (hole->is_text)
        *text = (LsobsShapeText){ .raw = value, .len = (gsize) (p - 1 - value), .kind = kind };
    }
  if ((gsize) (end - p) < (gsize) (known_end - known) ||
      memcmp (p, known, (gsize) (known_end - known)) != 0 || text->len == 0)
    return 0;
  return (gsize) (p - bytes) + (gsize) (known_end - known);
}
