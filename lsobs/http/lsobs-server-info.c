/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <json-glib/json-glib.h>

#include "lsobs/http/lsobs-server-info-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"

/* The limits of a service that does not name them. */
#define DEFAULT_RECORDS 100
#define DEFAULT_BYTES   (20 * 1024 * 1024)

/* The range of limits that is believed. */
#define MAX_RECORDS 10000
#define MIN_BYTES   (64 * 1024)
#define MAX_BYTES   (100 * 1024 * 1024)

/* The number of digits that one part of a version may have. */
#define MAX_DIGITS 6

void
_lsobs_server_info_init (LsobsServerInfo *self)
{
  *self = (LsobsServerInfo){
    .use_multipart = TRUE,
    .max_records = DEFAULT_RECORDS,
    .max_bytes = DEFAULT_BYTES,
  };
}

/* Returns: (transfer none) (nullable): the value of the member, if it has that type */
static JsonNode *
get_value (JsonObject *object, const char *name, GType type)
{
  JsonNode *node = object != NULL ? json_object_get_member (object, name) : NULL;

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == type
             ? node
             : NULL;
}

/* Returns: (transfer none) (nullable): the value of the member, if it is an object */
static JsonObject *
get_object (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

static gboolean
get_boolean (JsonObject *object, const char *name, gboolean fallback)
{
  JsonNode *node = get_value (object, name, G_TYPE_BOOLEAN);

  return node != NULL ? json_node_get_boolean (node) : fallback;
}

/* A limit that is not positive is ignored. */
static gint64
get_limit (JsonObject *object, const char *name, gint64 min, gint64 max, gint64 fallback)
{
  JsonNode *node = get_value (object, name, G_TYPE_INT64);
  gint64 value = node != NULL ? json_node_get_int (node) : 0;

  return value > 0 ? CLAMP (value, min, max) : fallback;
}

/* Reads one, two or three numbers. A suffix marks a pre-release or a build. */
static void
take_version (LsobsServerInfo *self, const char *text)
{
  guint version[G_N_ELEMENTS (self->version)] = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (version); i++)
    {
      guint n_digits = 0;

      for (; g_ascii_isdigit (*text); text++, n_digits++)
        {
          if (n_digits == MAX_DIGITS)
            return;
          version[i] = version[i] * 10 + (guint) g_ascii_digit_value (*text);
        }
      if (n_digits == 0)
        return;
      if (i == G_N_ELEMENTS (version) - 1 || *text != '.' || !g_ascii_isdigit (text[1]))
        break;
      text++;
    }
  /* A fourth number counts as a build. */
  self->is_prerelease =
      *text != '\0' && *text != '+' && !(*text == '.' && g_ascii_isdigit (text[1]));
  self->has_version = TRUE;
  memcpy (self->version, version, sizeof version);
}

/* Reads the answer to /info. Members with an unexpected type are ignored.
 * Returns: FALSE if @text is no JSON object; @self is unchanged */
gboolean
_lsobs_server_info_parse (LsobsServerInfo *self, const char *text, gsize len)
{
  const LsobsSanitizeOptions options = { 0 };
  g_auto (LsobsBuffer) walked = LSOBS_BUFFER_INIT;
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonNode *root;
  JsonObject *object, *flags, *limits;
  JsonNode *version;

  /* The parser accepts more than JSON, and does not limit the depth. */
  if (!_lsobs_json_sanitize (&walked, text, len, &options) ||
      !json_parser_load_from_data (parser, walked.data, (gssize) walked.len, NULL))
    return FALSE;
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    return FALSE;

  object = json_node_get_object (root);
  flags = get_object (object, "instance_flags");
  limits = get_object (object, "batch_ingest_config");
  version = get_value (object, "version", G_TYPE_STRING);
  _lsobs_server_info_init (self);
  if (version != NULL)
    take_version (self, json_node_get_string (version));
  self->use_multipart = get_boolean (limits, "use_multipart_endpoint", TRUE);
  self->takes_zstd = get_boolean (flags, "zstd_compression_enabled", FALSE);
  self->takes_gzip = get_boolean (flags, "gzip_body_enabled", FALSE);
  self->needs_project_id = !get_boolean (flags, "ch_query_enabled", TRUE) &&
                           get_boolean (flags, "sdb_query_enabled", FALSE);
  self->max_records = (guint) get_limit (limits, "size_limit", 1, MAX_RECORDS, DEFAULT_RECORDS);
  self->max_bytes =
      (gsize) get_limit (limits, "size_limit_bytes", MIN_BYTES, MAX_BYTES, DEFAULT_BYTES);
  return TRUE;
}

/* Returns: FALSE also for a service that does not tell its version */
gboolean
_lsobs_server_info_is_at_least (const LsobsServerInfo *self, guint major, guint minor, guint micro)
{
  const guint wanted[] = { major, minor, micro };

  if (!self->has_version)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++)
    if (self->version[i] != wanted[i])
      return self->version[i] > wanted[i];
  return !self->is_prerelease;
}
