/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/spool/lsobs-spool-owner-private.h"
#include "lsobs/text/lsobs-json-document-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

struct _LsobsSpoolOwner
{
  LsobsSettings *settings;        /* (owned) has the credentials */
  char *endpoint;                 /* (owned) */
  char *workspace;                /* (owned) empty for none */
  char *project;                  /* (owned) */
  char salt[LSOBS_TOKEN_LEN + 1]; /* of fingerprints of the key */
  char tag[LSOBS_TAG_LEN + 1];
};

/* The tag tells owners apart by all but the key. */
static void
make_tag (LsobsSpoolOwner *self)
{
  const char *const parts[] = { self->endpoint, self->workspace, self->project };
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  /* The checksum has the NUL at the end of each part, so that parts cannot run into each other. */
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    g_checksum_update (sum, (const guchar *) parts[i], (gssize) strlen (parts[i]) + 1);
  g_strlcpy (self->tag, g_checksum_get_string (sum), sizeof self->tag);
}

/* Returns: that of the destination of @settings */
LsobsSpoolOwner *
_lsobs_spool_owner_new (LsobsSettings *settings)
{
  LsobsSpoolOwner *self = g_new0 (LsobsSpoolOwner, 1);
  const char *workspace = settings->values.workspace_id;

  self->settings = _lsobs_settings_ref (settings);
  self->endpoint = g_strdup (settings->values.api_url);
  self->workspace = g_ascii_strdown (workspace != NULL ? workspace : "", -1);
  self->project = g_strdup (_lsobs_settings_get_target (settings, settings->target)->name);
  _lsobs_id_make_token (self->salt);
  make_tag (self);
  return self;
}

void
_lsobs_spool_owner_free (LsobsSpoolOwner *self)
{
  g_free (self->endpoint);
  g_free (self->workspace);
  g_free (self->project);
  _lsobs_settings_unref (self->settings);
  g_free (self);
}

/* Returns: (transfer none): LSOBS_TAG_LEN hexadecimal digits, for the names of files */
const char *
_lsobs_spool_owner_peek_tag (LsobsSpoolOwner *self)
{
  return self->tag;
}

/* The mark tells most keys apart without opening a file, so that files of an unused key do not hold
 * up the others. It is too short to find the key by it. An unknown key has no mark.
 * @mark: (out caller-allocates): for LSOBS_MARK_LEN hexadecimal digits */
void
_lsobs_spool_owner_make_mark (LsobsSpoolOwner *self, char mark[LSOBS_MARK_LEN + 1])
{
  LsobsCredentials *credentials = self->settings->credentials;
  g_autofree char *fingerprint = NULL;

  if (credentials == NULL || !_lsobs_credentials_are_ready (credentials, 0))
    {
      g_strlcpy (mark, LSOBS_NO_MARK, LSOBS_MARK_LEN + 1);
      return;
    }
  fingerprint =
      _lsobs_credentials_make_fingerprint (credentials, self->tag, *self->workspace != '\0');
  g_strlcpy (mark, fingerprint, LSOBS_MARK_LEN + 1);
  if (strcmp (mark, LSOBS_NO_MARK) == 0)
    mark[0] = 'f';
}

static void
append_member (LsobsBuffer *out, const char *before, const char *value)
{
  _lsobs_buffer_append_str (out, before);
  _lsobs_json_write_string (out, value, strlen (value));
}

/* The key may have been fetched since the last call.
 * Returns: (transfer full): the member of a failed trace, as JSON */
char *
_lsobs_spool_owner_dup_text (LsobsSpoolOwner *self)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  g_autofree char *fingerprint =
      _lsobs_credentials_make_fingerprint (self->settings->credentials, self->salt,
                                           *self->workspace != '\0');

  append_member (&out, "{\"endpoint\":", self->endpoint);
  append_member (&out, ",\"workspace\":", self->workspace);
  append_member (&out, ",\"project\":", self->project);
  append_member (&out, ",\"salt\":", self->salt);
  append_member (&out, ",\"key\":", fingerprint);
  _lsobs_buffer_append_c (&out, '}');
  return g_strndup (out.data, out.len);
}

/* Returns: (transfer full): never NULL */
static char *
dup_member (LsobsJsonDocument *document, const char *name)
{
  gsize len = 0;
  const char *value = _lsobs_json_document_find (document, document->text.data, name);
  const char *text = _lsobs_json_document_decode (document, value, &len);

  return g_strndup (text != NULL ? text : "", len);
}

/* Whether a file with this member may be sent. A key that has to be fetched must have been fetched.
 * @text: JSON, of another process */
gboolean
_lsobs_spool_owner_matches (LsobsSpoolOwner *self, const char *text)
{
  g_auto (LsobsJsonDocument) document = LSOBS_JSON_DOCUMENT_INIT;
  g_autofree char *endpoint = NULL;
  g_autofree char *workspace = NULL;
  g_autofree char *project = NULL;
  g_autofree char *salt = NULL;
  g_autofree char *key = NULL;

  if (!_lsobs_json_document_load (&document, text, strlen (text)) || *document.text.data != '{')
    return FALSE;
  endpoint = dup_member (&document, "endpoint");
  workspace = dup_member (&document, "workspace");
  project = dup_member (&document, "project");
  salt = dup_member (&document, "salt");
  key = dup_member (&document, "key");
  if (strcmp (endpoint, self->endpoint) != 0 || strcmp (workspace, self->workspace) != 0 ||
      strcmp (project, self->project) != 0)
    return FALSE;
  return _lsobs_credentials_match_fingerprint (self->settings->credentials, salt,
                                               *self->workspace != '\0', key);
}
