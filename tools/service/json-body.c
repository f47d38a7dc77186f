/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/text/lsobs-json-sanitizer-private.h"

#include "tools/service/json-body.h"

gboolean
json_body_refuse (const char *name, GError **error)
{
  request_set_error (error, "The value of “%s” is not understood", name);
  return FALSE;
}

gboolean
json_body_read (JsonBody *self, Request *request, GError **error)
{
  const LsobsSanitizeOptions options = { .redactor = NULL };
  gsize len;
  const char *text = g_bytes_get_data (request->body, &len);

  memset (self, 0, sizeof *self);
  if (!_lsobs_json_sanitize (&self->text, len > 0 ? text : "{}", len > 0 ? len : 2, &options) ||
      *self->text.data != '{')
    {
      json_view_init (&self->view, "", 0);
      request_set_error (error, "The body is no JSON object");
      return FALSE;
    }
  _lsobs_buffer_append_c (&self->text, '\0');
  json_view_init (&self->view, self->text.data, self->text.len - 1);
  return TRUE;
}

void
json_body_clear (JsonBody *self)
{
  json_view_clear (&self->view);
  _lsobs_buffer_clear (&self->text);
}

const char *
json_body_find (JsonBody *self, const char *name)
{
  const char *value = json_view_find (&self->view, self->text.data, name, NULL);

  return json_value_is_set (value) ? value : NULL;
}

gboolean
json_body_get_text (JsonBody *self, const char *name, char **text, GError **error)
{
  const char *value = json_body_find (self, name);

  *text = json_view_dup_string (&self->view, value);
  return value == NULL || *text != NULL || json_body_refuse (name, error);
}

gboolean
json_body_get_boolean (JsonBody *self,
                       const char *name,
                       gboolean *is_set,
                       gboolean *value,
                       GError **error)
{
  const char *text = json_body_find (self, name);
  gint64 number = -1;

  *is_set = text != NULL;
  *value = FALSE;
  if (text == NULL)
    return TRUE;
  if (*text == 't' || *text == 'f')
    number = *text == 't';
  else if (!json_view_get_int (text, &number) || number < 0 || number > 1)
    return json_body_refuse (name, error);
  *value = number == 1;
  return TRUE;
}

char *
json_body_dup_object (JsonBody *self, const char *name)
{
  const char *value = json_body_find (self, name);

  return value != NULL && *value == '{' ? _lsobs_json_document_dup_value (&self->view, value)
                                        : NULL;
}

static gboolean
add_id (JsonBody *self, const char *value, GArray *ids)
{
  g_autofree char *text = json_view_dup_string (&self->view, value);
  LsobsId id;

  if (text == NULL || !_lsobs_id_parse_text (&id, text))
    return FALSE;
  g_array_append_val (ids, id);
  return TRUE;
}

gboolean
json_body_get_ids (JsonBody *self, const char *name, GArray **ids, GError **error)
{
  const char *value = json_body_find (self, name);
  const char *at = NULL;
  gboolean done = TRUE;
  JsonMember element;

  *ids = NULL;
  if (value == NULL)
    return TRUE;
  *ids = g_array_new (FALSE, FALSE, sizeof (LsobsId));
  if (*value == '[')
    while (done && json_view_next (&self->view, value, &at, &element))
      done = add_id (self, element.value, *ids);
  else
    done = add_id (self, value, *ids);
  if (done)
    return TRUE;
  g_clear_pointer (ids, g_array_unref);
  return json_body_refuse (name, error);
}
