/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "lsobs/text/lsobs-json-scan-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* A double represents each whole number up to MAX_EXACT exactly, and each power of ten with an
 * exponent up to MAX_DECIMALS. */
#define MAX_EXACT    1e15
#define MAX_DECIMALS 15

/* The longest escape, such as \u001f. */
#define MAX_ESCAPE 6

/* Room for any value that is neither a string nor a container, and what stands around it. */
#define SHORT_ROOM (G_ASCII_DTOSTR_BUF_SIZE + 8)

/* An object with more members is not searched for each of them. */
#define FEW_MEMBERS 16

/* Writes at @p, which stands for @out->len meanwhile: see writer_finish(). */
typedef struct
{
  LsobsBuffer *out;
  char *p;
  char *end;     /* of the memory of @out */
  char *last;    /* the maximum of @p */
  gsize limit;   /* the maximum length of @out */
  guint *n_odd;  /* (nullable) counts the values that JSON cannot represent */
  gsize longest; /* the bytes of the longest string that is no name, as it is written */
} Writer;

static gboolean write_value (Writer *self, JsonNode *node, guint depth);

/* Gets the addresses anew after the memory of @out may have moved. */
static void
writer_locate (Writer *self)
{
  self->p = self->out->data + self->out->len;
  self->end = self->out->data + self->out->allocated;
  self->last = self->out->data + MIN (self->limit, self->out->allocated);
}

static void
writer_init (Writer *self, LsobsBuffer *out, gsize max_bytes, guint *n_odd)
{
  self->out = out;
  self->n_odd = n_odd;
  self->longest = 0;
  if (!g_size_checked_add (&self->limit, out->len, max_bytes))
    self->limit = G_MAXSIZE;
  _lsobs_buffer_reserve (out, SHORT_ROOM);
  writer_locate (self);
}

/* Leaves what was written in the buffer if @complete is TRUE, else takes it out.
 * Returns: @complete */
static gboolean
writer_finish (Writer *self, gboolean complete)
{
  if (complete)
    self->out->len = (gsize) (self->p - self->out->data);
  return complete;
}

static char *
writer_grow (Writer *self, gsize extra)
{
  gsize start = self->out->len;

  self->out->len = (gsize) (self->p - self->out->data);
  _lsobs_buffer_reserve (self->out, extra);
  writer_locate (self);
  self->out->len = start;
  return self->p;
}

/* Returns: where at least @extra bytes can be written */
static inline char *
writer_reserve (Writer *self, gsize extra)
{
  if (G_UNLIKELY ((gsize) (self->end - self->p) < extra))
    return writer_grow (self, extra);
  return self->p;
}

static inline gboolean
fits (const Writer *self)
{
  return self->p <= self->last;
}

/* Writes text at the cursor, where room was reserved. @text is a constant, so that its copy is a
 * store or two. */
#define PUT(self, text) (memcpy ((self)->p, (text), strlen (text)), (self)->p += strlen (text))

/* Writes null for a value that JSON cannot represent. */
static void
write_odd (Writer *self)
{
  if (self->n_odd != NULL)
    (*self->n_odd)++;
  PUT (self, "null");
}

#ifdef __SSE2__
/* The characters that must be escaped. */
# define FOUR(c) [c] = TRUE, [c + 1] = TRUE, [c + 2] = TRUE, [c + 3] = TRUE
static const guint8 is_special[G_MAXUINT8 + 1] = {
  FOUR (0x00), FOUR (0x04), FOUR (0x08), FOUR (0x0c),  FOUR (0x10),
  FOUR (0x14), FOUR (0x18), FOUR (0x1c), ['"'] = TRUE, ['\\'] = TRUE,
};
# undef FOUR

/* Copies fewer than 16 bytes, as copy_plain() does. The loads of the first and the
 * last bytes overlap, so that no byte beside the text is read. */
static const char *
copy_short (char *to, const char *p, const char *end)
{
  gsize len = (gsize) (end - p);
  gsize half = len >= 8 ? 8 : 4;
  guint64 ends[2] = { 0, 0 };
  guint mask;
  guint first;

  if (len < 4)
    {
      for (; p < end && !is_special[(guchar) *p]; p++)
        *to++ = *p;
      return p;
    }
  if (half == 8)
    {
      memcpy (&ends[0], p, 8);
      memcpy (&ends[1], end - 8, 8);
      memcpy (to, &ends[0], 8);
      memcpy (to + len - 8, &ends[1], 8);
      mask = _lsobs_json_find_specials (_mm_set_epi64x ((gint64) ends[1], (gint64) ends[0]), FALSE);
    }
  else
    {
      guint32 head;
      guint32 tail;

      memcpy (&head, p, 4);
      memcpy (&tail, end - 4, 4);
      memcpy (to, &head, 4);
      memcpy (to + len - 4, &tail, 4);
      mask = _lsobs_json_find_specials (_mm_set_epi32 (0, 0, (int) tail, (int) head), FALSE) & 0xff;
    }
  if (mask == 0)
    return end;
  first = (guint) __builtin_ctz (mask);
  return first < half ? p + first : end - 2 * half + first;
}
#endif

/* Copies text up to the first byte that must be escaped in a JSON string, in the same pass that
 * looks for it.
 * @to: has room for all of the text; what is behind the copy is undefined
 * Returns: the first byte that was not copied: one that must be escaped, or @end */
static const char *
copy_plain (char *to, const char *p, const char *end)
{
#ifdef __SSE2__
  const char *last = end - 16;
  __m128i bytes;
  guint mask;

  if (end - p < 16)
    return copy_short (to, p, end);

  do
    {
      bytes = _mm_loadu_si128 ((const __m128i *) (const void *) p);
      mask = _lsobs_json_find_specials (bytes, FALSE);
      _mm_storeu_si128 ((__m128i *) (void *) to, bytes);
      if (mask != 0)
        return p + __builtin_ctz (mask);
      p += 16;
      to += 16;
    }
  while (p <= last);

  /* The last bytes are copied together with some before them, which need no escape. */
  bytes = _mm_loadu_si128 ((const __m128i *) (const void *) last);
  mask = _lsobs_json_find_specials (bytes, FALSE);
  _mm_storeu_si128 ((__m128i *) (void *) (to - (p - last)), bytes);
  return mask != 0 ? last + __builtin_ctz (mask) : end;
#else
  const char *special = _lsobs_json_scan (p, end, FALSE);

  memcpy (to, p, (gsize) (special - p));
  return special;
#endif
}

/* @p: has room for MAX_ESCAPE bytes
 * Returns: the number of bytes written */
static gsize
put_escape (char *p, char c)
{
  static const char hex[] = "0123456789abcdef";
  /* The letters for the control characters that have a short escape. */
  static const char shorts[0x20] = {
    ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
  };
  guchar code = (guchar) c;

  if (code == 0)
    {
      /* Many readers of JSON take U+0000 for the end of the text. */
      memcpy (p, LSOBS_UTF8_REPLACEMENT, strlen (LSOBS_UTF8_REPLACEMENT));
      return strlen (LSOBS_UTF8_REPLACEMENT);
    }

  p[0] = '\\';
  if (code >= 0x20 || shorts[code] != '\0')
    {
      p[1] = code < 0x20 ? shorts[code] : c;
      return 2;
    }

  memcpy (p + 1, "u00", 3);
  p[4] = hex[code >> 4];
  p[5] = hex[code & 0xf];
  return MAX_ESCAPE;
}

/* Writes the rest of a string from @p on, of which the first byte must be escaped. */
static void
write_escaped (Writer *self, const char *p, const char *end)
{
  do
    {
      char *to = writer_reserve (self, MAX_ESCAPE + (gsize) (end - p));
      gsize escape_len = put_escape (to, *p);
      const char *special = copy_plain (to + escape_len, p + 1, end);

      self->p = to + escape_len + (special - (p + 1));
      p = special;
    }
  while (p < end);
}

static inline void
write_quoted (Writer *self, const char *text, gsize len)
{
  char *to = writer_reserve (self, len + strlen ("\"\""));
  const char *special = copy_plain (to + 1, text, text + len);

  *to = '"';
  self->p = to + 1 + (special - text);
  if (G_UNLIKELY (special < text + len))
    {
      write_escaped (self, special, text + len);
      writer_reserve (self, 1);
    }
  *self->p++ = '"';
}

/* Does not check that @text is valid UTF-8. */
void
_lsobs_json_write_string (LsobsBuffer *out, const char *text, gsize len)
{
  Writer writer;

  writer_init (&writer, out, G_MAXSIZE, NULL);
  write_quoted (&writer, text, len);
  writer_finish (&writer, TRUE);
}

/* Returns: (transfer full): @text as a JSON string */
GBytes *
_lsobs_json_string_to_bytes (const char *text)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  _lsobs_json_write_string (&out, text, strlen (text));
  return _lsobs_buffer_steal_bytes (&out);
}

/* Writes a number with few digits, such as a price, faster than g_ascii_formatd() does. Such a
 * number is a whole number divided by a power of ten. A double represents both exactly, so that
 * the digits are read back as the same number.
 * @p: has SHORT_ROOM bytes
 * Returns: (nullable): the end of the text; NULL if the number is of another kind */
static char *
put_short_double (char *p, double value)
{
  double positive = fabs (value);
  double scale = 1;
  guint64 whole_scale = 1;

  /* -0.0 needs its sign, and small numbers are shorter with an exponent. */
  if (positive >= MAX_EXACT || (positive < 1e-5 && (positive > 0 || signbit (value))))
    return NULL;

  for (guint n_decimals = 0; n_decimals <= MAX_DECIMALS; n_decimals++)
    {
      guint64 scaled;
      guint64 fraction;

      if (positive * scale >= MAX_EXACT)
        return NULL;

      scaled = (guint64) (gint64) (positive * scale + 0.5);
      if ((double) (gint64) scaled / scale == positive)
        {
          if (value < 0)
            *p++ = '-';
          p = _lsobs_buffer_put_uint64 (p, scaled / whole_scale);
          *p++ = '.';
          fraction = scaled % whole_scale;
          n_decimals = MAX (n_decimals, 1);
          for (guint i = n_decimals; i > 0; i--, fraction /= 10)
            p[i - 1] = (char) ('0' + fraction % 10);
          return p + n_decimals;
        }
      scale *= 10;
      whole_scale *= 10;
    }

  return NULL;
}

/* @value: finite
 * @p: has SHORT_ROOM bytes
 * Returns: the end of the text */
static char *
put_double (char *p, double value)
{
  char *short_end = put_short_double (p, value);

  if (short_end != NULL)
    return short_end;

  g_ascii_formatd (p, G_ASCII_DTOSTR_BUF_SIZE, "%.15g", value);
  if (g_ascii_strtod (p, NULL) != value)
    g_ascii_formatd (p, G_ASCII_DTOSTR_BUF_SIZE, "%.16g", value);
  if (g_ascii_strtod (p, NULL) != value)
    g_ascii_formatd (p, G_ASCII_DTOSTR_BUF_SIZE, "%.17g", value);

  if (strpbrk (p, ".e") == NULL)
    strcat (p, ".0");
  return p + strlen (p);
}

/* Writes the shortest form that is read back as the same number. It contains a point or an
 * exponent, so that readers do not take it for a whole number. A number that is not finite
 * becomes null. */
void
_lsobs_json_write_double (LsobsBuffer *out, double value)
{
  if (!isfinite (value))
    _lsobs_buffer_append (out, "null", 4);
  else
    out->len = (gsize) (put_double (_lsobs_buffer_reserve (out, SHORT_ROOM), value) - out->data);
}

static gboolean
write_text (Writer *self, const char *text)
{
  gsize len = strlen (text);
  gsize start = (gsize) (self->p - self->out->data);
  gsize written_len;

  /* Check this before writing: the string may be far larger than the limit. */
  if (G_UNLIKELY (len > self->limit))
    return FALSE;

  write_quoted (self, text, len);
  written_len = (gsize) (self->p - self->out->data) - start - strlen ("\"\"");
  self->longest = MAX (self->longest, written_len);
  return TRUE;
}

static void
write_double (Writer *self, double value)
{
  if (isfinite (value))
    self->p = put_double (self->p, value);
  else
    write_odd (self);
}

static void
write_boolean (Writer *self, gboolean value)
{
  if (value)
    PUT (self, "true");
  else
    PUT (self, "false");
}

static gboolean
write_array (Writer *self, JsonArray *array, guint depth)
{
  guint n_elements = json_array_get_length (array);

  *self->p++ = '[';
  for (guint i = 0; i < n_elements; i++)
    {
      char *to = writer_reserve (self, SHORT_ROOM);

      if (i > 0)
        {
          *to = ',';
          self->p = to + 1;
        }
      if (!write_value (self, json_array_get_element (array, i), depth) || !fits (self))
        return FALSE;
    }

  *writer_reserve (self, 1) = ']';
  self->p++;
  return TRUE;
}

/* @separator: what stands before the member: a brace or a comma */
static void
write_name (Writer *self, char separator, const char *name)
{
  gsize len = strlen (name);
  char *to = writer_reserve (self, len + strlen (",\"\":") + SHORT_ROOM);
  const char *special = copy_plain (to + 2, name, name + len);

  to[0] = separator;
  to[1] = '"';
  to += 2 + (special - name);
  if (G_UNLIKELY (special < name + len))
    {
      self->p = to;
      write_escaped (self, special, name + len);
      to = writer_reserve (self, strlen ("\":") + SHORT_ROOM);
    }
  to[0] = '"';
  to[1] = ':';
  self->p = to + 2;
}

/* The members of a small object in the order of its hash table, until they are taken out.
 *
 * JSON-GLib keeps the names in order and the nodes in a hash table. To iterate in order with
 * nodes, it looks each name up, which costs more than writing a short member. The names in the
 * table are the same pointers as those in order, so that a few of them are found faster here. */
typedef struct
{
  const char *name; /* (unowned) */
  JsonNode *node;   /* (unowned) */
} Member;

typedef struct
{
  guint n;
  Member members[FEW_MEMBERS];
} Members;

/* @size: the number of members of @object */
static void
members_init (Members *self, JsonObject *object, guint size)
{
  JsonObjectIter iter;
  Member *member = self->members;
  Member *end = member + (size <= FEW_MEMBERS ? size : 0);

  if (member < end)
    json_object_iter_init (&iter, object);
  for (; member < end && json_object_iter_next (&iter, &member->name, &member->node); member++)
    {
      /* In a large tree each is somewhere else in memory: the processor fetches all at a time. */
      __builtin_prefetch (member->name);
      __builtin_prefetch (member->node);
    }
  self->n = (guint) (member - self->members);
}

/* Returns: (transfer none): the member of @object of this name */
static JsonNode *
members_take (Members *self, JsonObject *object, const char *name)
{
  Member *last = self->members + self->n - 1;

  for (Member *member = self->members; member <= last; member++)
    if (member->name == name)
      {
        JsonNode *node = member->node;

        *member = *last;
        self->n--;
        return node;
      }
  return json_object_get_member (object, name);
}

/* @separator: what stands before the member: a brace or a comma */
static gboolean
write_member (Writer *self, char separator, const char *name, JsonNode *node, guint depth)
{
  write_name (self, separator, name);
  return write_value (self, node, depth) && fits (self);
}

/* @except: (nullable): names of members that are not written */
static gboolean
write_object (Writer *self, JsonObject *object, const char *const *except, guint depth)
{
  guint size = json_object_get_size (object);
  Members members;
  JsonObjectIter iter;
  const char *name;
  char separator = '{';

  members_init (&members, object, size);
  if (size > 1)
    json_object_iter_init_ordered (&iter, object);
  for (guint i = 0; i < size; i++)
    {
      if (size == 1)
        name = members.members[0].name;
      else if (!json_object_iter_next_ordered (&iter, &name, NULL))
        break;
      if (except != NULL && g_strv_contains (except, name))
        continue;

      if (!write_member (self, separator, name, members_take (&members, object, name), depth))
        return FALSE;
      separator = ',';
    }

  writer_reserve (self, strlen ("{}"));
  if (separator == '{')
    *self->p++ = '{';
  *self->p++ = '}';
  return TRUE;
}

/* Writes an array, an object, or a value that was never set.
 * @depth: the number of arrays and objects around @node. It is limited, so that the recursion
 *   ends even if a node contains itself. */
static gboolean
write_container (Writer *self, JsonNode *node, guint depth)
{
  JsonNodeType type = json_node_get_node_type (node);
  JsonObject *object = type == JSON_NODE_OBJECT ? json_node_get_object (node) : NULL;
  JsonArray *array = type == JSON_NODE_ARRAY ? json_node_get_array (node) : NULL;

  if (type == JSON_NODE_NULL)
    PUT (self, "null");
  else if (object == NULL && array == NULL)
    write_odd (self);
  else if (depth == LSOBS_JSON_MAX_DEPTH)
    PUT (self, "\"" LSOBS_JSON_DEPTH_LIMIT "\"");
  else if (object != NULL)
    return write_object (self, object, NULL, depth + 1);
  else
    return write_array (self, array, depth + 1);
  return TRUE;
}

/* There is SHORT_ROOM for what is written. The caller checks whether that fits.
 * @node: (nullable)
 * Returns: FALSE if the value is too long for the limit */
static gboolean
write_value (Writer *self, JsonNode *node, guint depth)
{
  GType type = node != NULL ? json_node_get_value_type (node) : G_TYPE_NONE;
  const char *text = type == G_TYPE_STRING ? json_node_get_string (node) : NULL;

  if (text != NULL)
    return write_text (self, text);
  if (type == G_TYPE_INT64)
    self->p = _lsobs_buffer_put_int64 (self->p, json_node_get_int (node));
  else if (type == G_TYPE_DOUBLE)
    write_double (self, json_node_get_double (node));
  else if (type == G_TYPE_BOOLEAN)
    write_boolean (self, json_node_get_boolean (node));
  /* The types of scalars are fundamental. */
  else if (type == G_TYPE_INVALID || !G_TYPE_IS_FUNDAMENTAL (type))
    return write_container (self, node, depth);
  else
    write_odd (self);
  return TRUE;
}

/* Does the same as _lsobs_json_write_node() for an object.
 * @except: (nullable): names of members that are not written */
gboolean
_lsobs_json_write_object (LsobsBuffer *out,
                          JsonObject *object,
                          const char *const *except,
                          gsize max_bytes)
{
  Writer writer;

  writer_init (&writer, out, max_bytes, NULL);
  return writer_finish (&writer, write_object (&writer, object, except, 1) && fits (&writer));
}

/* Whether the value of @node was never set. */
gboolean
_lsobs_json_is_hollow (JsonNode *node)
{
  if (JSON_NODE_HOLDS_OBJECT (node))
    return json_node_get_object (node) == NULL;
  if (JSON_NODE_HOLDS_ARRAY (node))
    return json_node_get_array (node) == NULL;
  if (!JSON_NODE_HOLDS_VALUE (node))
    return !JSON_NODE_HOLDS_NULL (node);
  return json_node_get_value_type (node) == G_TYPE_INVALID ||
         (json_node_get_value_type (node) == G_TYPE_STRING && json_node_get_string (node) == NULL);
}

gboolean
_lsobs_json_is_array_of_strings (JsonNode *node)
{
  JsonArray *array =
      node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (array == NULL)
    return FALSE;
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *element = json_array_get_element (array, i);

      if (json_node_get_value_type (element) != G_TYPE_STRING ||
          json_node_get_string (element) == NULL)
        return FALSE;
    }
  return TRUE;
}

/* Appends @node as JSON text. The limit also ends the writing of nodes that contain themselves
 * several times.
 * @n_odd: (nullable) (inout): is raised by the number of values that become null because JSON
 *   cannot represent them, such as numbers that are not finite and arrays that were never set
 * Returns: FALSE if the text has more than @max_bytes: nothing is appended */
gboolean
_lsobs_json_write_node_counting (LsobsBuffer *out, JsonNode *node, gsize max_bytes, guint *n_odd)
{
  Writer writer;

  writer_init (&writer, out, max_bytes, n_odd);
  return writer_finish (&writer, write_value (&writer, node, 0) && fits (&writer));
}

gboolean
_lsobs_json_write_node (LsobsBuffer *out, JsonNode *node, gsize max_bytes)
{
  return _lsobs_json_write_node_counting (out, node, max_bytes, NULL);
}

/* Does the same.
 * @longest: (out): the bytes of the longest string that is not the name of a member, between its quotes
 *   in the text; undefined if nothing is appended */
gboolean
_lsobs_json_write_node_measuring (LsobsBuffer *out, JsonNode *node, gsize max_bytes, gsize *longest)
{
  Writer writer;

  writer_init (&writer, out, max_bytes, NULL);
  if (!writer_finish (&writer, write_value (&writer, node, 0) && fits (&writer)))
    return FALSE;
  *longest = writer.longest;
  return TRUE;
}
