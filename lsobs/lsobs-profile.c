/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>

#include "lsobs/lsobs-file-private.h"
#include "lsobs/lsobs-json-document-private.h"
#include "lsobs/lsobs-profile-private.h"
#include "lsobs/lsobs-secret-private.h"

/* What is larger is no file of settings. */
#define MAX_FILE_BYTES (1024 * 1024)

/* The file holds keys. json-glib would leave copies of them behind, so that the few
 * members that count are looked up by hand. */

/* Returns: (transfer full) (nullable): %NULL if there is no such member, or nothing
 * but white space in it */
static char *
dup_text (LsobsJsonDocument *self, const char *object, const char *name)
{
  gsize len = 0;
  const char *value = _lsobs_json_document_find (self, object, name);
  const char *text = _lsobs_json_document_decode (self, value, &len);
  gboolean empty = TRUE;

  for (gsize i = 0; i < len && empty; i++)
    empty = g_ascii_isspace (text[i]);
  return empty ? NULL : g_strndup (text, len);
}

/* Returns: (nullable): the profile, of any type */
static const char *
find_profile (LsobsJsonDocument *self, const char *name)
{
  g_autofree char *current = NULL;
  const char *profiles = _lsobs_json_document_find (self, self->text.data, "profiles");

  if (name == NULL)
    name = current = dup_text (self, self->text.data, "current_profile");
  return _lsobs_json_document_find (self, profiles, name != NULL ? name : "default");
}

/* What cannot be read is not there: most programs run where nobody has profiles.
 * @path: (nullable): %NULL for the file in the home directory
 * @name: (nullable): %NULL for the one that the file calls the current one
 * Returns: (transfer full) (nullable) */
LsobsProfile *
_lsobs_profile_load (const char *path, const char *name)
{
  g_autofree char *home_path = NULL;
  LsobsBuffer raw = LSOBS_BUFFER_INIT;
  LsobsJsonDocument document = LSOBS_JSON_DOCUMENT_INIT;
  LsobsProfile *self = NULL;
  const char *profile = NULL;
  const char *missing = NULL;

  if (path == NULL)
    path = home_path = g_build_filename (g_get_home_dir (), ".langsmith", "config.json", NULL);
  if (!_lsobs_file_read (AT_FDCWD, path, 0, MAX_FILE_BYTES, &raw))
    missing = "no readable file of a fitting size";
  else if (!_lsobs_json_document_load_secret (&document, raw.data, raw.len))
    missing = "not JSON";
  else
    {
      profile = find_profile (&document, name);
      if (profile == NULL || *profile != '{')
        missing = "no such profile";
    }

  if (missing == NULL)
    {
      self = g_new0 (LsobsProfile, 1);
      self->path = g_strdup (path);
      self->api_url = dup_text (&document, profile, "api_url");
      self->api_key = dup_text (&document, profile, "api_key");
      self->workspace_id = dup_text (&document, profile, "workspace_id");
    }
  else
    {
      g_debug ("No profile from the file of settings: %s", missing);
    }
  _lsobs_buffer_wipe (&raw);
  _lsobs_json_document_wipe (&document);
  return self;
}

void
_lsobs_profile_free (LsobsProfile *self)
{
  g_free (self->path);
  g_free (self->api_url);
  _lsobs_secret_free (self->api_key);
  g_free (self->workspace_id);
  g_free (self);
}
