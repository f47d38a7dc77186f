/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-json-writer-private.h"

#include "tools/service/request.h"

void
request_free (Request *self)
{
  g_free (self->path);
  g_strfreev (self->words);
  g_clear_pointer (&self->query, g_hash_table_unref);
  g_free (self->raw_query);
  g_free (self->type);
  g_free (self->encoding);
  g_free (self->languages);
  g_clear_pointer (&self->body, g_bytes_unref);
  g_clear_pointer (&self->intake, intake_free);
  _lsobs_buffer_clear (&self->answer);
  g_free (self->answer_type);
  g_clear_pointer (&self->file, g_bytes_unref);
  g_clear_pointer (&self->runs, g_array_unref);
  g_free (self->file_name);
  g_free (self);
}

const char *
request_get_query (Request *self, const char *name)
{
  return self->query != NULL ? g_hash_table_lookup (self->query, name) : NULL;
}

char **
request_dup_queries (Request *self, const char *name)
{
  g_autoptr (GPtrArray) values = g_ptr_array_new_with_free_func (g_free);
  GUriParamsIter iter;
  char *key;
  char *value;

  g_uri_params_iter_init (&iter, self->raw_query != NULL ? self->raw_query : "", -1, "&",
                          G_URI_PARAMS_WWW_FORM);
  while (g_uri_params_iter_next (&iter, &key, &value, NULL))
    {
      if (strcmp (key, name) == 0)
        g_ptr_array_add (values, g_steal_pointer (&value));
      g_free (key);
      g_free (value);
    }
  g_ptr_array_add (values, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&values), FALSE);
}

void
request_reset (Request *self)
{
  self->status = 0;
  self->answer.len = 0;
  g_clear_pointer (&self->answer_type, g_free);
  g_clear_pointer (&self->file, g_bytes_unref);
  g_clear_pointer (&self->file_name, g_free);
}

void
request_set_error (GError **error, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, STORE_ERROR, STORE_ERROR_INVALID, "%s", text);
}

void
request_fail (Request *self, guint status, const char *message)
{
  request_reset (self);
  self->status = status;
  _lsobs_buffer_append_str (&self->answer, "{\"error\":");
  _lsobs_json_write_string (&self->answer, message, strlen (message));
  _lsobs_buffer_append_str (&self->answer, ",\"detail\":");
  _lsobs_json_write_string (&self->answer, message, strlen (message));
  _lsobs_buffer_append_c (&self->answer, '}');
}

void
request_fail_error (Request *self, const GError *error)
{
  static const guint statuses[] = {
    [STORE_ERROR_FAILED] = 500,    [STORE_ERROR_FOREIGN] = 500, [STORE_ERROR_NEWER] = 500,
    [STORE_ERROR_BUSY] = 503,      [STORE_ERROR_FULL] = 507,    [STORE_ERROR_INVALID] = 400,
    [STORE_ERROR_NOT_FOUND] = 404, [STORE_ERROR_EXISTS] = 409,
  };

  request_fail (self,
                error->domain == STORE_ERROR && (guint) error->code < G_N_ELEMENTS (statuses)
                    ? statuses[error->code]
                    : 500,
                error->message);
}
