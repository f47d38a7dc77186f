/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n.h>

#include "lsobs/text/lsobs-json-sanitizer-private.h"

#include "tools/store/attachment.h"
#include "tools/store/feedback.h"
#include "tools/store/json-view.h"
#include "tools/transfer/line-import.h"

/* A line that is being read: sanitized JSON. */
typedef struct
{
  LineImport *import;
  JsonView *view;
  const char *root;
  gsize len;
} Line;

static gboolean
refuse (const char *name, GError **error)
{
  /* TRANSLATORS: %s: the name of a member of a JSON object */
  g_set_error (error, STORE_ERROR, STORE_ERROR_INVALID, _ ("The value of “%s” is malformed"), name);
  return FALSE;
}

/* Returns: (transfer full) (nullable) */
static char *
dup_member (Line *self, const char *name)
{
  return json_view_dup_string (self->view, json_view_find (self->view, self->root, name, NULL));
}

static gboolean
read_id (Line *self, const char *name, LsobsId *id, GError **error)
{
  g_autofree char *text = dup_member (self, name);

  return (text != NULL && _lsobs_id_parse_text (id, text)) || refuse (name, error);
}

static gint64
read_time (Line *self, const char *name, gint64 fallback)
{
  g_autofree char *text = dup_member (self, name);
  gint64 time;

  return text != NULL && time_text_parse (text, strlen (text), &time) ? time : fallback;
}

/* --- projects --- */

static gboolean
take_project (Line *self, GError **error)
{
  Project project = { 0 };
  const char *extra = json_view_find (self->view, self->root, "extra", NULL);
  g_autofree char *name = dup_member (self, "name");
  g_autofree char *description = dup_member (self, "description");
  g_autofree char *extra_text = NULL;

  if (!read_id (self, "id", &project.id, error))
    return FALSE;
  if (name == NULL || *name == '\0')
    return refuse ("name", error);
  /* Runs make the one project that takes all. */
  if (self->import->project != NULL)
    return TRUE;
  if (json_value_is_set (extra) && *extra != '{')
    return refuse ("extra", error);
  if (json_value_is_set (extra))
    extra_text = g_strndup (extra, (gsize) (_lsobs_json_document_skip (self->view, extra) - extra));
  project.name = name;
  project.description = description;
  project.extra = extra_text;
  project.created = read_time (self, "start_time", g_get_real_time ());
  project.ended = read_time (self, "end_time", TIME_NONE);
  self->import->count.n_projects++;
  return project_restore (self->import->store, &project, error);
}

/* --- runs --- */

/* Tables have JSON in texts: what looks so is taken for the JSON that it is. */
static void
take_texts (Line *self, Change *change)
{
  static const char *const names[] = {
    "inputs", "outputs", "extra", "events", "tags", "serialized"
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *text = dup_member (self, names[i]);

      if (text != NULL && (*text == '{' || *text == '['))
        change_set_field (change, names[i], text, strlen (text), NULL);
    }
}

static gboolean
take_run (Line *self, GError **error)
{
  const char *update = json_view_find (self->view, self->root, "update", NULL);
  ChangeKind kind = update != NULL && *update == 't' ? CHANGE_UPDATE : CHANGE_CREATE;
  g_autoptr (Change) change = change_new_from_json (kind, NULL, self->root, self->len, error);
  gint64 known;

  if (change == NULL)
    return FALSE;
  take_texts (self, change);
  if (self->import->project != NULL)
    {
      g_clear_pointer (&change->project_id, g_free);
      g_free (change->project);
      change->project = g_strdup (self->import->project);
    }
  if (!database_query_int (store_get_database (self->import->store), &known, 0, error,
                           "SELECT 1 FROM runs WHERE id = ?", "u", &change->id))
    return FALSE;
  self->import->count.n_runs++;
  self->import->n_new_runs += known == 0;
  return run_apply (self->import->store, change, error);
}

/* --- feedback --- */

/* Feedback keeps its members as they were sent: the one that says what the line is goes.
 * Returns: (transfer full) */
static char *
dup_without_kind (Line *self, gsize *len)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  const char *at = NULL;
  JsonMember member;

  while (json_view_next (self->view, self->root, &at, &member))
    if (!json_member_is (&member, "kind"))
      {
        _lsobs_buffer_append_str (&out, out.len == 0 ? "{\"" : ",\"");
        _lsobs_buffer_append (&out, member.name, member.name_len);
        _lsobs_buffer_append_str (&out, "\":");
        _lsobs_buffer_append (&out, member.value, member.value_len);
      }
  _lsobs_buffer_append_str (&out, out.len == 0 ? "{}" : "}");
  *len = out.len;
  return g_strndup (out.data, out.len);
}

static gboolean
take_feedback (Line *self, GError **error)
{
  gsize len;
  g_autofree char *text = dup_without_kind (self, &len);
  g_autoptr (Feedback) feedback = NULL;
  g_autoptr (Feedback) old = NULL;
  LsobsId id;

  /* Without an id, each import would make another one. */
  if (!read_id (self, "id", &id, error))
    return FALSE;
  feedback = feedback_new_from_json (NULL, text, len, error);
  if (feedback == NULL)
    return FALSE;
  self->import->count.n_feedback++;
  old = feedback_load (self->import->store, &id, NULL);
  return (old != NULL && old->modified >= feedback->modified) ||
         feedback_write (self->import->store, feedback, error);
}

/* --- attachments --- */

/* Returns: (transfer full) (nullable) */
static GBytes *
read_data (Line *self, GError **error)
{
  g_autofree char *file = dup_member (self, "file");
  g_autofree char *data = dup_member (self, "data");
  gsize len;
  guchar *bytes;

  if (data != NULL)
    {
      bytes = g_base64_decode_inplace (data, &len);
      return g_bytes_new (bytes, len);
    }
  if (file == NULL)
    {
      refuse ("file", error);
      return NULL;
    }
  if (self->import->folder == NULL)
    {
      g_set_error_literal (error, STORE_ERROR, STORE_ERROR_INVALID,
                           _ ("The attachment is in a folder: name it with --attachments"));
      return NULL;
    }
  return attachment_folder_read (self->import->folder, file, error);
}

static gboolean
take_attachment (Line *self, GError **error)
{
  g_autofree char *name = dup_member (self, "name");
  g_autofree char *type = dup_member (self, "mime_type");
  g_autofree char *sum = dup_member (self, "sha256");
  g_autofree char *found = NULL;
  g_autoptr (GBytes) data = NULL;
  g_autoptr (GBytes) old = NULL;
  Store *store = self->import->store;
  LsobsId id;

  if (!read_id (self, "run_id", &id, error))
    return FALSE;
  if (name == NULL || *name == '\0')
    return refuse ("name", error);
  data = read_data (self, error);
  if (data == NULL)
    return FALSE;
  found = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, data);
  if (sum != NULL && g_ascii_strcasecmp (sum, found) != 0)
    {
      g_set_error (error, STORE_ERROR, STORE_ERROR_INVALID,
                   /* TRANSLATORS: %s: the name of an attachment */
                   _ ("The attachment “%s” is not what it was: its checksum differs"), name);
      return FALSE;
    }
  self->import->count.n_attachments++;
  old = attachment_load (store, &id, name, NULL, NULL);
  return (old != NULL && g_bytes_equal (old, data)) ||
         attachment_write (store, &id, name, type != NULL ? type : "application/octet-stream",
                           g_bytes_get_data (data, NULL), g_bytes_get_size (data), error);
}

/* --- the whole --- */

gboolean
line_import_take (LineImport *self, const char *line, gsize len, GError **error)
{
  static const struct
  {
    const char *kind;
    gboolean (*take) (Line *self, GError **error);
  } kinds[] = {
    { "run", take_run },
    { "feedback", take_feedback },
    { "attachment", take_attachment },
    { "project", take_project },
  };
  const LsobsSanitizeOptions options = { .redactor = NULL };
  g_auto (LsobsBuffer) sanitized = LSOBS_BUFFER_INIT;
  g_autofree char *kind = NULL;
  g_auto (JsonView) view;
  Line reading = { .import = self, .view = &view };

  json_view_init (&view, "", 0);
  if (!_lsobs_json_sanitize (&sanitized, line, len, &options) || *sanitized.data != '{')
    {
      g_set_error_literal (error, STORE_ERROR, STORE_ERROR_INVALID,
                           _ ("The line is not a JSON object"));
      return FALSE;
    }
  _lsobs_buffer_append_c (&sanitized, '\0');
  json_view_init (&view, sanitized.data, sanitized.len - 1);
  reading.root = sanitized.data;
  reading.len = sanitized.len - 1;
  kind = dup_member (&reading, "kind");
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (kind != NULL ? kind : "run", kinds[i].kind) == 0)
      return kinds[i].take (&reading, error);
  /* TRANSLATORS: %s: what the line says */
  g_set_error (error, STORE_ERROR, STORE_ERROR_INVALID, _ ("There is no kind “%s” of lines"), kind);
  return FALSE;
}
