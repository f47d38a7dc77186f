/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n.h>

#include "lsobs/text/lsobs-json-sanitizer-private.h"

#include "tools/store/change.h"
#include "tools/store/json-view.h"

/* Longer names are cut. */
#define MAX_NAME 1024

/* A text that is being read: JSON, with what it is read into. */
typedef struct
{
  Change *change;
  JsonView *view;
  const JsonMember *member;
} Reading;

static gboolean
refuse (const char *name, GError **error)
{
  /* TRANSLATORS: %s: the name of a member of a JSON object */
  g_set_error (error, STORE_ERROR, STORE_ERROR_INVALID, _ ("The value of “%s” is malformed"), name);
  return FALSE;
}

/* --- members --- */

static char *
cut_name (char *name)
{
  if (strlen (name) > MAX_NAME)
    *g_utf8_find_prev_char (name, name + MAX_NAME) = '\0';
  return name;
}

/* Returns: (transfer full): the text of a string; of another value, its JSON */
static char *
dup_text (Reading *self)
{
  char *text = json_view_dup_string (self->view, self->member->value);

  return text != NULL ? text : g_strndup (self->member->value, self->member->value_len);
}

static gboolean
read_id (Reading *self, LsobsId *id)
{
  g_autofree char *text = json_view_dup_string (self->view, self->member->value);

  return text != NULL && _lsobs_id_parse_text (id, text);
}

/* Returns: FALSE if it is no UUID */
static gboolean
read_uuid (Reading *self, char **field)
{
  LsobsId id;

  if (!read_id (self, &id))
    return FALSE;
  g_free (*field);
  *field = g_malloc0 (LSOBS_UUID_LEN + 1);
  _lsobs_id_write (&id, *field);
  return TRUE;
}

static gboolean
read_time (Reading *self, gint64 *time)
{
  const char *value = self->member->value;
  double ms;

  if (*value == '"')
    return time_text_parse (value + 1, self->member->value_len - 2, time);
  if (!json_view_get_double (value, &ms) || ms < 0 || ms > (double) LSOBS_MAX_TIME / 1000)
    return FALSE;
  *time = (gint64) (ms * 1000);
  return TRUE;
}

static void
read_string (Reading *self, char **field)
{
  g_free (*field);
  *field = cut_name (dup_text (self));
}

static void
read_run_type (Reading *self)
{
  static const char *const types[] = { "tool",      "chain",  "llm",    "retriever",
                                       "embedding", "prompt", "parser", NULL };
  g_autofree char *text = dup_text (self);

  g_free (self->change->run_type);
  self->change->run_type = g_strdup (g_strv_contains (types, text) ? text : "chain");
}

/* --- fields that may be long --- */

/* Takes a value that has to be an object, or else becomes one. */
static void
take_object (char **field, const char *value, gsize len)
{
  g_free (*field);
  *field = *value == '{' ? g_strndup (value, len)
                         : g_strdup_printf ("{\"value\":%.*s}", (int) MIN (len, G_MAXINT), value);
}

static void
take_array (char **field, const char *value, gsize len)
{
  if (*value != '[')
    return;
  g_free (*field);
  *field = g_strndup (value, len);
}

static char **
find_field (Change *self, const char *name, gsize len, gboolean *is_array)
{
  const struct
  {
    const char *name;
    char **field;
    gboolean is_array;
  } fields[] = {
    { "inputs", &self->inputs, FALSE },         { "outputs", &self->outputs, FALSE },
    { "extra", &self->extra, FALSE },           { "events", &self->events, TRUE },
    { "serialized", &self->serialized, FALSE }, { "tags", &self->tags, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    if (strlen (fields[i].name) == len && memcmp (fields[i].name, name, len) == 0)
      {
        *is_array = fields[i].is_array;
        return fields[i].field;
      }
  return NULL;
}

/* Returns: FALSE if there is no such field */
static gboolean
take_field (Reading *self)
{
  gboolean is_array;
  char **field = find_field (self->change, self->member->name, self->member->name_len, &is_array);

  if (field == NULL)
    return FALSE;
  if (is_array)
    take_array (field, self->member->value, self->member->value_len);
  else
    take_object (field, self->member->value, self->member->value_len);
  return TRUE;
}

static void
take_error (Reading *self)
{
  g_free (self->change->error);
  self->change->error = dup_text (self);
}

gboolean
change_set_field (Change *self, const char *name, const char *text, gsize len, GError **error)
{
  const LsobsSanitizeOptions options = { .redactor = NULL };
  g_auto (LsobsBuffer) sanitized = LSOBS_BUFFER_INIT;
  g_auto (JsonView) view;
  JsonMember member = { .name = name, .name_len = strlen (name) };
  Reading reading = { self, &view, &member };

  json_view_init (&view, "", 0);
  if (!_lsobs_json_sanitize (&sanitized, text, len, &options))
    return refuse (name, error);
  _lsobs_buffer_append_c (&sanitized, '\0');
  json_view_init (&view, sanitized.data, sanitized.len - 1);
  member.value = sanitized.data;
  member.value_len = sanitized.len - 1;
  if (!json_value_is_set (member.value))
    return TRUE;
  if (strcmp (name, "error") == 0)
    {
      take_error (&reading);
      return TRUE;
    }
  return take_field (&reading) ? TRUE : refuse (name, error);
}

/* --- the whole --- */

static gboolean
read_identity (Reading *self, gboolean *has_id)
{
  Change *change = self->change;
  LsobsId id;

  if (json_member_is (self->member, "id"))
    {
      if (!read_id (self, &id) || (*has_id && !_lsobs_id_equal (&id, &change->id)))
        return FALSE;
      change->id = id;
      *has_id = TRUE;
      return TRUE;
    }
  if (json_member_is (self->member, "trace_id"))
    return (change->has_trace = read_id (self, &change->trace_id));
  return (change->has_parent = read_id (self, &change->parent_id));
}

/* Returns: FALSE if the value is malformed */
static gboolean
read_member (Reading *self, gboolean *has_id)
{
  Change *change = self->change;
  const JsonMember *member = self->member;

  if (!json_value_is_set (member->value))
    return TRUE;
  if (json_member_is (member, "id") || json_member_is (member, "trace_id") ||
      json_member_is (member, "parent_run_id"))
    return read_identity (self, has_id);
  if (json_member_is (member, "start_time"))
    return read_time (self, &change->start_time);
  if (json_member_is (member, "end_time"))
    return read_time (self, &change->end_time);
  if (json_member_is (member, "session_id"))
    return read_uuid (self, &change->project_id);
  if (json_member_is (member, "reference_example_id"))
    return read_uuid (self, &change->reference_example);
  if (json_member_is (member, "dotted_order"))
    {
      g_free (change->dotted_order);
      change->dotted_order = dup_text (self);
    }
  else if (json_member_is (member, "name"))
    read_string (self, &change->name);
  else if (json_member_is (member, "session_name") ||
           (json_member_is (member, "address") && change->project == NULL))
    read_string (self, &change->project);
  else if (json_member_is (member, "run_type"))
    read_run_type (self);
  else if (json_member_is (member, "error"))
    take_error (self);
  else if (json_member_is (member, "status"))
    change->failed = member->value_len == 7 && memcmp (member->value, "\"error\"", 7) == 0;
  else
    take_field (self);
  return TRUE;
}

/* Checks the dotted order, and takes from it what the run does not say itself. A parent that begins
 * later than its child is no reason to refuse the child. */
static gboolean
read_dotted_order (Change *self, GError **error)
{
  const char *text = self->dotted_order;
  gsize len = text != NULL ? strlen (text) : 0;
  LsobsSegment segment = { 0 };
  LsobsId parent = { { 0 } };

  if (text == NULL)
    return TRUE;
  for (gsize at = 0; at <= len; at += LSOBS_SEGMENT_LEN + 1)
    {
      gsize end = at + LSOBS_SEGMENT_LEN;

      if (end > len || (text[end] != '.' && text[end] != '\0'))
        return refuse ("dotted_order", error);
      parent = segment.id;
      if (!_lsobs_segment_parse (&segment, text + at))
        return refuse ("dotted_order", error);
      if (at == 0 && self->has_trace && !_lsobs_id_equal (&segment.id, &self->trace_id))
        return refuse ("trace_id", error);
      if (at == 0)
        {
          self->has_trace = TRUE;
          self->trace_id = segment.id;
        }
    }
  if (!_lsobs_id_equal (&segment.id, &self->id))
    return refuse ("dotted_order", error);
  if (!self->has_parent && len > LSOBS_SEGMENT_LEN)
    {
      self->has_parent = TRUE;
      self->parent_id = parent;
    }
  if (self->start_time == TIME_NONE)
    self->start_time = segment.start_time;
  return TRUE;
}

static gboolean
read_members (Change *self, const char *id, const LsobsBuffer *text, GError **error)
{
  g_auto (JsonView) view;
  JsonMember member;
  Reading reading = { self, &view, &member };
  gboolean has_id = id != NULL;
  const char *at = NULL;

  json_view_init (&view, text->data, text->len - 1);
  if (*text->data != '{' || (has_id && !_lsobs_id_parse_text (&self->id, id)))
    return refuse (*text->data == '{' ? "id" : "run", error);
  while (json_view_next (&view, text->data, &at, &member))
    if (!read_member (&reading, &has_id))
      {
        g_autofree char *name = g_strndup (member.name, member.name_len);

        return refuse (name, error);
      }
  if (!has_id)
    return refuse ("id", error);
  if (self->has_parent && _lsobs_id_equal (&self->parent_id, &self->id))
    return refuse ("parent_run_id", error);
  return read_dotted_order (self, error);
}

Change *
change_new_from_json (ChangeKind kind, const char *id, const char *text, gsize len, GError **error)
{
  const LsobsSanitizeOptions options = { .redactor = NULL };
  g_auto (LsobsBuffer) sanitized = LSOBS_BUFFER_INIT;
  g_autoptr (Change) self = g_new0 (Change, 1);

  self->kind = kind;
  self->start_time = self->end_time = TIME_NONE;
  if (!_lsobs_json_sanitize (&sanitized, text, len, &options))
    {
      g_set_error_literal (error, STORE_ERROR, STORE_ERROR_INVALID, _ ("The run is not JSON"));
      return NULL;
    }
  _lsobs_buffer_append_c (&sanitized, '\0');
  return read_members (self, id, &sanitized, error) ? g_steal_pointer (&self) : NULL;
}

void
change_free (Change *self)
{
  g_free (self->dotted_order);
  g_free (self->project);
  g_free (self->project_id);
  g_free (self->name);
  g_free (self->run_type);
  g_free (self->reference_example);
  g_free (self->error);
  g_free (self->tags);
  g_free (self->inputs);
  g_free (self->outputs);
  g_free (self->extra);
  g_free (self->events);
  g_free (self->serialized);
  g_free (self);
}
