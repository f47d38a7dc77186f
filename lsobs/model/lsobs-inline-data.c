/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <gio/gio.h>
#include <json-glib/json-glib.h>

#include "lsobs/model/lsobs-inline-data-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* Files that are in the inputs of a run as base64. */

/* Shorter base64 stays where it is. */
#define MIN_BASE64_LEN 64

/* The files of one record. */
typedef struct
{
  GPtrArray **attachments; /* (unowned) */
  gsize max_bytes;         /* of a file */
  guint n_names;           /* that were tried */
  guint n_found;
} InlineData;

static gboolean
is_base64 (const char *text)
{
  gsize len = strlen (text);
  gsize n_padding = 0;

  while (n_padding < 2 && n_padding < len && text[len - 1 - n_padding] == '=')
    n_padding++;
  if (len < MIN_BASE64_LEN || len % 4 != 0)
    return FALSE;
  for (gsize i = 0; i < len - n_padding; i++)
    if (!g_ascii_isalnum (text[i]) && text[i] != '+' && text[i] != '/')
      return FALSE;
  return TRUE;
}

/* Returns: (transfer full) (nullable): the type that the bytes look like */
static char *
guess_mime_type (const guchar *data, gsize len)
{
  gboolean is_uncertain;
  g_autofree char *type = g_content_type_guess (NULL, data, len, &is_uncertain);

  return is_uncertain ? NULL : g_content_type_get_mime_type (type);
}

/* Returns: (transfer full): a name that no attachment of the record has */
static char *
make_name (InlineData *self)
{
  g_autofree char *name = NULL;

  do
    {
      g_free (name);
      name = g_strdup_printf ("inputs-%u", ++self->n_names);
    }
  while (_lsobs_attachments_find (*self->attachments, name) != NULL);
  return g_steal_pointer (&name);
}

/* Makes an attachment.
 * @mime_type: (nullable): %NULL has it guessed
 * Returns: (transfer full) (nullable): what takes the place of @base64; %NULL if that stays */
static char *
attach (InlineData *self, const char *mime_type, const char *base64)
{
  g_autoptr (LsobsAttachment) attachment = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *guessed = NULL;
  g_autofree char *name = NULL;
  guchar *data;
  gsize len;

  if (strlen (base64) / 4 * 3 > self->max_bytes || !is_base64 (base64))
    return NULL;
  data = g_base64_decode (base64, &len);
  bytes = g_bytes_new_take (data, len);
  if (mime_type == NULL)
    mime_type = guessed = guess_mime_type (data, len);
  name = make_name (self);
  attachment = _lsobs_attachment_new (name, mime_type, bytes, NULL);
  if (attachment == NULL || !_lsobs_attachments_put (self->attachments, attachment))
    return NULL;
  self->n_found++;
  return g_strconcat ("attachment:", name, NULL);
}

/* Returns: (transfer full) (nullable): what takes the place of a data URL; %NULL for other text */
static char *
attach_url (InlineData *self, const char *text)
{
  static const char scheme[] = "data:";
  static const char marker[] = ";base64,";
  const char *end;
  g_autofree char *mime_type = NULL;

  if (g_ascii_strncasecmp (text, scheme, strlen (scheme)) != 0)
    return NULL;
  text += strlen (scheme);
  /* The type and its parameters are short. */
  end = g_strstr_len (text, 256, marker);
  if (end == NULL)
    return NULL;
  mime_type = g_strndup (text, strcspn (text, ";,"));
  return attach (self, *mime_type != '\0' ? mime_type : NULL, end + strlen (marker));
}

/* Returns: (transfer none) (nullable) */
static const char *
peek_string (JsonNode *node)
{
  return node != NULL && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

/* Returns: (transfer full) (nullable): the type of the member "data" of an object, if that has the
 *   forms of Anthropic, Google or OpenAI */
static char *
dup_data_type (JsonObject *object)
{
  static const char *const names[] = { "media_type", "mediaType", "mime_type", "mimeType" };
  const char *format = peek_string (json_object_get_member (object, "format"));

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *type = peek_string (json_object_get_member (object, names[i]));

      if (type != NULL)
        return g_strdup (type);
    }
  return format != NULL ? g_strconcat ("audio/", format, NULL) : NULL;
}

static void walk (InlineData *self, JsonNode *node);

/* Replaces base64 without a type, as Ollama has it for images. */
static void
walk_images (InlineData *self, JsonNode *node)
{
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++)
    {
      JsonNode *element = json_array_get_element (array, i);
      const char *text = peek_string (element);
      g_autofree char *replacement = text != NULL ? attach (self, NULL, text) : NULL;

      if (replacement != NULL)
        json_node_set_string (element, replacement);
    }
}

static void
walk_member (InlineData *self, JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  const char *text = peek_string (node);
  g_autofree char *type = NULL;
  g_autofree char *replacement = NULL;

  if (strcmp (name, "images") == 0)
    walk_images (self, node);
  if (strcmp (name, "data") == 0 && text != NULL)
    type = dup_data_type (object);
  if (type == NULL)
    {
      walk (self, node);
      return;
    }
  replacement = attach (self, type, text);
  if (replacement != NULL)
    json_node_set_string (node, replacement);
}

/* The depth is limited: the sanitizer has repaired the text. */
static void
walk (InlineData *self, JsonNode *node)
{
  JsonObject *object = _lsobs_json_peek_object (node);
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  const char *text = peek_string (node);
  g_autoptr (GList) names = object != NULL ? json_object_get_members (object) : NULL;
  g_autofree char *replacement = text != NULL ? attach_url (self, text) : NULL;

  if (replacement != NULL)
    json_node_set_string (node, replacement);
  for (GList *name = names; name != NULL; name = name->next)
    walk_member (self, object, name->data);
  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++)
    walk (self, json_array_get_element (array, i));
}

/* Makes attachments of the data URLs in the inputs of a record, and of base64 in the forms of the
 * providers, if that is configured. */
void
_lsobs_inline_data_attach (LsobsRecord *record, const LsobsConfigValues *values)
{
  const LsobsSanitizeOptions options = { .redactor = NULL };
  InlineData self = { .attachments = &record->attachments,
                      .max_bytes = (gsize) values->max_batch_bytes };
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  g_autoptr (JsonParser) parser = NULL;
  const char *data;
  gsize len;

  if (!values->attach_inline_data || values->hide_inputs || record->inputs == NULL)
    return;
  data = g_bytes_get_data (record->inputs, &len);
  if (len < MIN_BASE64_LEN || !_lsobs_json_sanitize (&text, data, len, &options))
    return;
  parser = json_parser_new ();
  if (!json_parser_load_from_data (parser, text.data, (gssize) text.len, NULL) ||
      json_parser_get_root (parser) == NULL)
    return;
  walk (&self, json_parser_get_root (parser));
  if (self.n_found == 0)
    return;
  _lsobs_buffer_truncate (&text, 0);
  _lsobs_json_write_node (&text, json_parser_get_root (parser), G_MAXSSIZE);
  g_bytes_unref (record->inputs);
  record->inputs = _lsobs_buffer_steal_bytes (&text);
  record->inputs_string_bound = 0;
}
