/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/config/lsobs-probability-sampler-private.h"
#include "lsobs/model/lsobs-propagation-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"

#define METADATA_KEY "langsmith-metadata"
#define TAGS_KEY     "langsmith-tags"
#define PROJECT_KEY  "langsmith-project"
#define ADDRESS_KEY  "langsmith-address"

/* The keys of all LangSmith clients begin with this, also keys that lsobs does not use. */
#define KEY_PREFIX "langsmith-"

/* A comma and the braces of an object, percent-encoded. */
#define COMMA   "%2C"
#define OPENING "%7B"
#define CLOSING "%7D"

/* The most annotations of each kind that are read from a header. */
#define MAX_ANNOTATIONS   100
#define MAX_PROJECT_BYTES 1000

/* The length of a time in a path without its fraction and the Z. */
#define SECONDS_LEN 15

/* Writing */

static gboolean
is_plain (char c)
{
  return g_ascii_isalnum (c) || c == '-' || c == '_' || c == '.' || c == '~';
}

static gsize
count_encoded (const char *text, gsize len)
{
  gsize n = len;

  for (gsize i = 0; i < len; i++)
    if (!is_plain (text[i]))
      n += 2;
  return n;
}

static void
append_encoded (LsobsBuffer *out, const char *text, gsize len)
{
  static const char digits[] = "0123456789ABCDEF";

  for (gsize i = 0; i < len; i++)
    {
      if (is_plain (text[i]))
        {
          _lsobs_buffer_append_c (out, text[i]);
          continue;
        }
      _lsobs_buffer_append_c (out, '%');
      _lsobs_buffer_append_c (out, digits[(guchar) text[i] >> 4]);
      _lsobs_buffer_append_c (out, digits[(guchar) text[i] & 0x0f]);
    }
}

void
_lsobs_baggage_clear (LsobsBaggage *self)
{
  _lsobs_buffer_clear (&self->metadata);
  _lsobs_buffer_clear (&self->tags);
  _lsobs_buffer_clear (&self->target);
}

/* Adds a piece to an item. The first piece of an item also takes the room of the item's key, of
 * @closing and of the comma before the item.
 * Returns: FALSE, with no change, if there is no room */
static gboolean
add_piece (LsobsBaggage *self,
           LsobsBuffer *item,
           const char *opening,
           const char *closing,
           const char *text,
           gsize len)
{
  const char *before = item->len == 0 ? opening : COMMA;
  gsize size = strlen (before) + count_encoded (text, len);

  if (item->len == 0)
    size += strlen (closing) + 1;
  if (size > self->room)
    return FALSE;
  self->room -= size;
  _lsobs_buffer_append_str (item, before);
  append_encoded (item, text, len);
  return TRUE;
}

/* Call it at most once. The name of @target is valid UTF-8 and not empty.
 * Returns: FALSE if there is no room */
gboolean
_lsobs_baggage_set_target (LsobsBaggage *self, const LsobsTarget *target)
{
  return add_piece (self, &self->target, target->is_address ? ADDRESS_KEY "=" : PROJECT_KEY "=", "",
                    target->name, strlen (target->name));
}

/* @member: a key and a value, as in the text of an object
 * Returns: FALSE if there is no room */
gboolean
_lsobs_baggage_add_metadatum (LsobsBaggage *self, const char *member, gsize len)
{
  return add_piece (self, &self->metadata, METADATA_KEY "=" OPENING, CLOSING, member, len);
}

/* @tag: valid UTF-8. All clients join tags with commas, so the receiver splits a tag at a comma.
 * Returns: FALSE if there is no room */
gboolean
_lsobs_baggage_add_tag (LsobsBaggage *self, const char *tag)
{
  return *tag == '\0' || add_piece (self, &self->tags, TAGS_KEY "=", "", tag, strlen (tag));
}

static void
write_item (LsobsBuffer *out, const LsobsBuffer *item, const char *closing)
{
  if (item->len == 0)
    return;
  if (out->len > 0)
    _lsobs_buffer_append_c (out, ',');
  _lsobs_buffer_append (out, item->data, item->len);
  _lsobs_buffer_append_str (out, closing);
}

/* Returns: (transfer full) (nullable): the value of the header; NULL if it is empty */
char *
_lsobs_baggage_write (LsobsBaggage *self)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  write_item (&out, &self->metadata, CLOSING);
  write_item (&out, &self->tags, "");
  write_item (&out, &self->target, "");
  return out.len > 0 ? g_strndup (out.data, out.len) : NULL;
}

/* Reading */

/* A part of the text of a header. */
typedef struct
{
  const char *text;
  gsize len;
} Substring;

static Substring
trim (const char *text, gsize len)
{
  Substring substring = { text, len };

  while (substring.len > 0 && g_ascii_isspace (*substring.text))
    {
      substring.text++;
      substring.len--;
    }
  while (substring.len > 0 && g_ascii_isspace (substring.text[substring.len - 1]))
    substring.len--;
  return substring;
}

/* Removes the text up to @separator, or all text, from @rest, and the separator with it.
 * Returns: the text, trimmed */
static Substring
cut (Substring *rest, char separator)
{
  const char *at = rest->len > 0 ? memchr (rest->text, separator, rest->len) : NULL;
  gsize len = at != NULL ? (gsize) (at - rest->text) : rest->len;
  Substring piece = trim (rest->text, len);

  rest->text += len;
  rest->len -= len;
  if (at != NULL)
    {
      rest->text++;
      rest->len--;
    }
  return piece;
}

static gboolean
substring_is (Substring substring, const char *text)
{
  return substring.len == strlen (text) && memcmp (substring.text, text, substring.len) == 0;
}

static gboolean
is_own_key (Substring key)
{
  return substring_is (key, METADATA_KEY) || substring_is (key, TAGS_KEY) ||
         substring_is (key, PROJECT_KEY) || substring_is (key, ADDRESS_KEY);
}

/* Ignores the case: no other vendor uses the prefix, and a receiver that ignores the case would
 * find two items of one key. */
static gboolean
is_client_key (Substring key)
{
  return key.len >= strlen (KEY_PREFIX) &&
         g_ascii_strncasecmp (key.text, KEY_PREFIX, strlen (KEY_PREFIX)) == 0;
}

/* Copies the items of a baggage header that are not of a LangSmith client, in their order.
 * Returns: (transfer full) (nullable): NULL if there are none */
char *
_lsobs_baggage_dup_other (const char *header)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  Substring rest = { header, strlen (header) };

  while (rest.len > 0)
    {
      Substring item = cut (&rest, ',');
      Substring after = item;

      if (item.len == 0 || is_client_key (cut (&after, '=')))
        continue;
      if (out.len > 0)
        _lsobs_buffer_append_c (&out, ',');
      _lsobs_buffer_append (&out, item.text, item.len);
    }
  return out.len > 0 ? g_strndup (out.data, out.len) : NULL;
}

/* Decodes percent-encoding.
 * Returns: (transfer full) (nullable): valid UTF-8; NULL if @value does not encode any */
static char *
decode (Substring value)
{
  g_autofree char *text = g_malloc (value.len + 1);
  gsize len = 0;

  for (gsize i = 0; i < value.len; i++)
    {
      char c = value.text[i];

      if (c == '%')
        {
          int high = i + 2 < value.len ? g_ascii_xdigit_value (value.text[i + 1]) : -1;
          int low = high >= 0 ? g_ascii_xdigit_value (value.text[i + 2]) : -1;

          if (low < 0)
            return NULL;
          c = (char) (high << 4 | low);
          i += 2;
        }
      if (c == '\0')
        return NULL;
      text[len++] = c;
    }
  text[len] = '\0';
  return g_utf8_validate (text, (gssize) len, NULL) ? g_steal_pointer (&text) : NULL;
}

/* The walker limits the depth and repairs the text before JSON-GLib parses it.
 * Returns: (transfer full) (nullable) */
static JsonObject *
parse_metadata (const char *text)
{
  const LsobsSanitizeOptions repair = { .redactor = NULL };
  g_auto (LsobsBuffer) walked = LSOBS_BUFFER_INIT;
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonNode *root;
  JsonObject *object;

  if (!_lsobs_json_sanitize (&walked, text, strlen (text), &repair) ||
      !json_parser_load_from_data (parser, walked.data, (gssize) walked.len, NULL))
    return NULL;
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    return NULL;
  object = json_node_get_object (root);
  /* These describe a run of the other process: each run here would count its costs again. */
  json_object_remove_member (object, LSOBS_SAMPLE_RATE_KEY);
  json_object_remove_member (object, "usage_metadata");
  return json_object_get_size (object) <= MAX_ANNOTATIONS ? json_object_ref (object) : NULL;
}

/* Returns: (transfer full) (nullable) */
static GPtrArray *
split_tags (const char *text)
{
  g_autoptr (GPtrArray) tags = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) words = g_strsplit (text, ",", 0);

  for (guint i = 0; words[i] != NULL && tags->len < MAX_ANNOTATIONS; i++)
    if (*words[i] != '\0' && !g_ptr_array_find_with_equal_func (tags, words[i], g_str_equal, NULL))
      g_ptr_array_add (tags, g_strdup (words[i]));
  return tags->len > 0 ? g_steal_pointer (&tags) : NULL;
}

static gboolean
is_project_name (const char *text)
{
  if (*text == '\0' || strlen (text) > MAX_PROJECT_BYTES)
    return FALSE;
  for (; *text != '\0'; text++)
    if ((guchar) *text < 0x20 || *text == 0x7f)
      return FALSE;
  return TRUE;
}

/* @target: (transfer full) (nullable): NULL changes nothing */
static void
take_target (LsobsTarget **member, LsobsTarget *target)
{
  if (target == NULL)
    return;
  g_clear_pointer (member, _lsobs_target_unref);
  *member = target;
}

/* Reads one item. An invalid item does not change the value of an earlier item.
 * @address: (inout) (nullable): the address of an agent */
static void
take_item (LsobsRemoteParent *self, Substring key, Substring value, LsobsTarget **address)
{
  g_autofree char *text = is_own_key (key) ? decode (value) : NULL;

  if (text == NULL)
    return;
  if (substring_is (key, METADATA_KEY))
    {
      JsonObject *metadata = parse_metadata (text);

      if (metadata == NULL)
        return;
      g_clear_pointer (&self->metadata, json_object_unref);
      self->metadata = metadata;
    }
  else if (substring_is (key, TAGS_KEY))
    {
      GPtrArray *tags = split_tags (text);

      if (tags == NULL)
        return;
      g_clear_pointer (&self->tags, g_ptr_array_unref);
      self->tags = tags;
    }
  else if (substring_is (key, ADDRESS_KEY))
    {
      take_target (address, _lsobs_target_parse_address (text));
    }
  else if (is_project_name (text))
    {
      take_target (&self->target, _lsobs_target_new_project (text));
    }
}

/* Returns: FALSE if the header names a project and an address: two processes could choose different
 *   ones and split the trace */
static gboolean
parse_baggage (LsobsRemoteParent *self, const char *header)
{
  Substring rest = { header, strlen (header) };
  g_autoptr (LsobsTarget) address = NULL;

  if (rest.len > LSOBS_MAX_HEADER_BYTES)
    return TRUE;
  while (rest.len > 0)
    {
      Substring item = cut (&rest, ',');
      /* Ignores the properties of the item. */
      Substring value = cut (&item, ';');
      Substring key = cut (&value, '=');

      take_item (self, key, trim (value.text, value.len), &address);
    }
  if (address == NULL)
    return TRUE;
  if (self->target != NULL)
    return FALSE;
  self->target = g_steal_pointer (&address);
  return TRUE;
}

/* Fills the fraction of the time up to six digits: other clients write fewer. */
static gboolean
parse_segment (Substring substring, LsobsSegment *segment)
{
  char text[LSOBS_SEGMENT_LEN + 1];
  gsize n_digits = substring.len - LSOBS_UUID_LEN - SECONDS_LEN - 1;

  if (substring.len > LSOBS_SEGMENT_LEN || substring.len < LSOBS_UUID_LEN + SECONDS_LEN + 2)
    return FALSE;
  memset (text, '0', sizeof text);
  memcpy (text, substring.text, SECONDS_LEN + n_digits);
  memcpy (text + LSOBS_STAMP_LEN - 1, substring.text + SECONDS_LEN + n_digits, 1 + LSOBS_UUID_LEN);
  return _lsobs_segment_parse (segment, text);
}

/* Returns: (transfer full) (nullable): (element-type LsobsSegment) */
static GArray *
parse_trace (const char *header)
{
  g_autoptr (GArray) segments = g_array_new (FALSE, FALSE, sizeof (LsobsSegment));
  gsize len = strlen (header);
  Substring rest = trim (header, len);
  gint64 not_before = 0;

  if (len > LSOBS_MAX_HEADER_BYTES)
    return NULL;
  for (;;)
    {
      const char *dot = rest.len > 0 ? memchr (rest.text, '.', rest.len) : NULL;
      Substring substring = { rest.text, dot != NULL ? (gsize) (dot - rest.text) : rest.len };
      LsobsSegment segment;

      /* The service refuses a whole request for one path with these faults. */
      if (segments->len == LSOBS_MAX_REMOTE_DEPTH || !parse_segment (substring, &segment) ||
          segment.start_time < not_before)
        return NULL;
      g_array_append_val (segments, segment);
      if (dot == NULL)
        return g_steal_pointer (&segments);
      not_before = segment.start_time;
      rest.text = dot + 1;
      rest.len -= substring.len + 1;
    }
}

/* @trace, @baggage: (nullable): the values of the two headers
 * Returns: (transfer full) (nullable): NULL if they have no valid trace */
LsobsRemoteParent *
_lsobs_remote_parent_parse (const char *trace, const char *baggage)
{
  GArray *segments = trace != NULL ? parse_trace (trace) : NULL;
  g_autoptr (LsobsRemoteParent) self = NULL;

  if (segments == NULL)
    return NULL;
  self = g_new0 (LsobsRemoteParent, 1);
  self->segments = segments;
  if (baggage != NULL && !parse_baggage (self, baggage))
    return NULL;
  return g_steal_pointer (&self);
}

void
_lsobs_remote_parent_free (LsobsRemoteParent *self)
{
  g_array_unref (self->segments);
  g_clear_pointer (&self->metadata, json_object_unref);
  g_clear_pointer (&self->tags, g_ptr_array_unref);
  g_clear_pointer (&self->target, _lsobs_target_unref);
  g_free (self);
}
