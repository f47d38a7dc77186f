/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/text/lsobs-json-reader-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"

/* Makes nodes of text that the sanitizer or the writer has written: it is valid, has no white space, is not
 * nested too deeply, and its numbers fit. So there is nothing to check, which makes this several
 * times faster than JsonParser. */
typedef struct
{
  char *p;             /* (unowned) the next byte */
  char *end;           /* where a NUL is */
  LsobsBuffer decoded; /* (owned) the string that was decoded last */
} Reader;

static JsonNode *read_value (Reader *self);

/* Returns: the string at self->p; the quote at its end is overwritten if it is in the text */
static const char *
read_string (Reader *self)
{
  LsobsJsonStringKind kind;
  char *raw = self->p + 1;
  gsize len;
  const char *text;

  self->p = raw + (_lsobs_json_string_scan (raw, self->end, &kind) - raw);
  len = (gsize) (self->p - 1 - raw);
  /* In the text itself, the quote makes room for a NUL; what was decoded is padded. */
  text = _lsobs_json_string_decode (raw, &len, kind, &self->decoded);
  if (text == raw)
    raw[len] = '\0';
  return text;
}

/* Puts the quote back, as the text is needed as it was. */
static void
restore_quote (Reader *self)
{
  self->p[-1] = '"';
}

static JsonNode *
read_string_node (Reader *self)
{
  JsonNode *node = json_node_init_string (json_node_alloc (), read_string (self));

  restore_quote (self);
  return node;
}

static JsonNode *
read_object (Reader *self)
{
  JsonObject *object = json_object_new ();
  JsonNode *node;

  for (self->p++; *self->p != '}'; self->p += *self->p == ',')
    {
      g_autofree char *long_name = NULL;
      char short_name[64];
      const char *name = read_string (self);

      /* The value may be a string, too. */
      if (g_strlcpy (short_name, name, sizeof short_name) >= sizeof short_name)
        long_name = g_strdup (name);
      restore_quote (self);
      self->p++;
      json_object_set_member (object, long_name != NULL ? long_name : short_name,
                              read_value (self));
    }
  self->p++;
  node = json_node_alloc ();
  json_node_init (node, JSON_NODE_OBJECT);
  json_node_take_object (node, object);
  return node;
}

static JsonNode *
read_array (Reader *self)
{
  JsonArray *array = json_array_new ();
  JsonNode *node;

  for (self->p++; *self->p != ']'; self->p += *self->p == ',')
    json_array_add_element (array, read_value (self));
  self->p++;
  node = json_node_alloc ();
  json_node_init (node, JSON_NODE_ARRAY);
  json_node_take_array (node, array);
  return node;
}

static JsonNode *
read_number (Reader *self)
{
  JsonNode *node = json_node_alloc ();
  char *end = self->p + strspn (self->p, "-0123456789");

  if (*end == '.' || *end == 'e' || *end == 'E')
    json_node_init_double (node, g_ascii_strtod (self->p, &end));
  else
    json_node_init_int (node, g_ascii_strtoll (self->p, NULL, 10));
  self->p = end;
  return node;
}

static JsonNode *
read_token (Reader *self, const char *token, JsonNode *node)
{
  self->p += strlen (token);
  return node;
}

static JsonNode *
read_value (Reader *self)
{
  switch (*self->p)
    {
    case '{':
      return read_object (self);
    case '[':
      return read_array (self);
    case '"':
      return read_string_node (self);
    case 't':
      return read_token (self, "true", json_node_init_boolean (json_node_alloc (), TRUE));
    case 'f':
      return read_token (self, "false", json_node_init_boolean (json_node_alloc (), FALSE));
    case 'n':
      return read_token (self, "null", json_node_init_null (json_node_alloc ()));
    default:
      return read_number (self);
    }
}

/* @text: what _lsobs_json_sanitize() or the writer has written; it is the same afterwards
 * Returns: (transfer full): its value */
JsonNode *
_lsobs_json_read (LsobsBuffer *text)
{
  Reader self = { .decoded = LSOBS_BUFFER_INIT };
  JsonNode *node;

  _lsobs_buffer_append_c (text, '\0');
  self.p = text->data;
  self.end = text->data + text->len - 1;
  node = read_value (&self);
  _lsobs_buffer_truncate (text, text->len - 1);
  _lsobs_buffer_clear (&self.decoded);
  return node;
}
