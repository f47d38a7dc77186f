/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "tests/lib/wire.h"

/* From a request to its operations. */

#define UUID_LENGTH 36

static const char *const out_of_band[] = { "inputs", "outputs",    "events", "extra",
                                           "error",  "serialized", NULL };

G_DEFINE_QUARK (wire - error - quark, wire_error)

static void
wire_attachment_clear (gpointer data)
{
  WireAttachment *self = data;

  g_free (self->run_id);
  g_free (self->name);
  g_free (self->content_type);
  g_bytes_unref (self->data);
}

WireAttachment *
wire_attachment_ref (WireAttachment *self)
{
  return g_atomic_rc_box_acquire (self);
}

void
wire_attachment_unref (WireAttachment *self)
{
  g_atomic_rc_box_release_full (self, wire_attachment_clear);
}

static void
wire_op_free (WireOp *self)
{
  g_free (self->id);
  json_object_unref (self->sent);
  json_object_unref (self->run);
  g_ptr_array_unref (self->attachments);
  g_free (self);
}

void
wire_request_free (WireRequest *self)
{
  g_ptr_array_unref (self->ops);
  g_ptr_array_unref (self->feedback);
  g_ptr_array_unref (self->loose_attachments);
  g_free (self);
}

static WireRequest *
wire_request_new (WireEndpoint endpoint)
{
  WireRequest *self = g_new0 (WireRequest, 1);

  self->endpoint = endpoint;
  self->ops = g_ptr_array_new_with_free_func ((GDestroyNotify) wire_op_free);
  self->feedback = g_ptr_array_new_with_free_func ((GDestroyNotify) json_object_unref);
  self->loose_attachments = g_ptr_array_new_with_free_func ((GDestroyNotify) wire_attachment_unref);

  return self;
}

WireOp *
wire_request_find (WireRequest *self, const char *op, const char *id)
{
  for (guint i = 0; i < self->ops->len; i++)
    {
      WireOp *candidate = g_ptr_array_index (self->ops, i);

      if ((op == NULL || strcmp (candidate->op, op) == 0) &&
          (id == NULL || strcmp (candidate->id, id) == 0))
        return candidate;
    }

  return NULL;
}

gboolean
wire_is_uuid (const char *text)
{
  for (guint i = 0; i < UUID_LENGTH; i++)
    {
      if (i == 8 || i == 13 || i == 18 || i == 23)
        {
          if (text[i] != '-')
            return FALSE;
        }
      else if (!g_ascii_isdigit (text[i]) && !(text[i] >= 'a' && text[i] <= 'f'))
        {
          return FALSE;
        }
    }

  return text[UUID_LENGTH] == '\0';
}

gint64
wire_uuid_get_ms (const char *uuid)
{
  gint64 ms = 0;

  if (!wire_is_uuid (uuid) || uuid[14] != '7' || strchr ("89ab", uuid[19]) == NULL)
    return -1;

  for (guint i = 0; i < 13; i++)
    if (uuid[i] != '-')
      ms = ms * 16 + g_ascii_xdigit_value (uuid[i]);

  return ms;
}

static JsonObject *
copy_object (JsonObject *object)
{
  JsonObject *copy = json_object_new ();
  g_autoptr (GList) names = json_object_get_members (object);

  for (GList *l = names; l != NULL; l = l->next)
    json_object_set_member (copy, l->data,
                            json_node_copy (json_object_get_member (object, l->data)));

  return copy;
}

static WireOp *
add_op (WireRequest *self, const char *op, const char *id, JsonObject *object, gsize payload_bytes)
{
  WireOp *added = g_new0 (WireOp, 1);

  added->op = op;
  added->id = g_strdup (id);
  added->is_multipart = self->endpoint == WIRE_ENDPOINT_MULTIPART;
  added->sent = json_object_ref (object);
  added->run = copy_object (object);
  added->attachments = g_ptr_array_new_with_free_func ((GDestroyNotify) wire_attachment_unref);
  added->payload_bytes = payload_bytes;
  g_ptr_array_add (self->ops, added);

  return added;
}

/* "" when there is none; wire_check_op () complains about that */
static const char *
peek_id (JsonObject *object)
{
  JsonNode *node = json_object_get_member (object, "id");

  return node != NULL && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : "";
}

/* Returns (transfer full): the object that is the whole of @bytes. */
static JsonObject *
parse_object (GBytes *bytes, const char *what, GError **error)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);
  g_autoptr (JsonNode) node = wire_json_parse (data != NULL ? data : "", size, error);

  if (node == NULL)
    {
      g_prefix_error (error, "%s: ", what);
      return NULL;
    }
  if (!JSON_NODE_HOLDS_OBJECT (node))
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_SHAPE, "%s is no JSON object", what);
      return NULL;
    }

  return json_node_dup_object (node);
}

/* --- multipart ----------------------------------------------------------------------------- */

static gboolean
bad_name (WirePart *part, GError **error)
{
  g_set_error (error, WIRE_ERROR, WIRE_ERROR_PART_NAME, "\"%s\" is no name of a part", part->name);

  return FALSE;
}

static gboolean
is_attachment_name (const char *name, WireFlags flags)
{
  if (*name == '\0' || strchr (name, '.') != NULL)
    return FALSE;
  if ((flags & WIRE_DIALECT) != 0)
    return TRUE;

  for (const char *p = name; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (c < 0x80 ? !g_ascii_isalnum ((char) c) && strchr ("_ -", (char) c) == NULL
                   : c < 0xa0 || c == 0x2028 || c == 0x2029)
        return FALSE;
    }

  return strlen (name) <= 100;
}

static gboolean
take_attachment (WireRequest *self,
                 WirePart *part,
                 const char *id,
                 const char *name,
                 WireFlags flags,
                 GError **error)
{
  WireAttachment *attachment;
  WireOp *op = NULL;

  if (name == NULL || !is_attachment_name (name, flags))
    return bad_name (part, error);

  /* to the last operation of that run: an attachment follows what it belongs to */
  for (guint i = self->ops->len; i > 0 && op == NULL; i--)
    {
      WireOp *candidate = g_ptr_array_index (self->ops, i - 1);

      if (strcmp (candidate->id, id) == 0)
        op = candidate;
    }

  if (op == NULL && (flags & WIRE_DIALECT) == 0)
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_PART_ORDER, "part %s comes without its run",
                   part->name);
      return FALSE;
    }
  for (guint i = 0; op != NULL && i < op->attachments->len; i++)
    if (strcmp (((WireAttachment *) g_ptr_array_index (op->attachments, i))->name, name) == 0)
      {
        g_set_error (error, WIRE_ERROR, WIRE_ERROR_PART_ORDER, "part %s is there twice",
                     part->name);
        return FALSE;
      }

  attachment = g_atomic_rc_box_new0 (WireAttachment);
  attachment->run_id = g_strdup (id);
  attachment->name = g_strdup (name);
  attachment->content_type = g_strdup (part->content_type);
  attachment->data = g_bytes_ref (part->payload);
  g_ptr_array_add (op != NULL ? op->attachments : self->loose_attachments, attachment);
  if (op != NULL)
    op->payload_bytes += part->payload_length;

  return TRUE;
}

static gboolean
take_main (WireRequest *self, WirePart *part, const char *op, const char *id, GError **error)
{
  g_autoptr (JsonObject) object = parse_object (part->payload, part->name, error);

  if (object == NULL)
    return FALSE;
  if (wire_request_find (self, op, id) != NULL)
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_PART_ORDER, "part %s is there twice", part->name);
      return FALSE;
    }
  add_op (self, op, id, object, part->payload_length);

  return TRUE;
}

static gboolean
take_field (WireRequest *self,
            WirePart *part,
            const char *op,
            const char *id,
            const char *field,
            GError **error)
{
  WireOp *owner = wire_request_find (self, op, id);
  gsize size;
  const char *data = g_bytes_get_data (part->payload, &size);
  g_autoptr (JsonNode) node = NULL;

  if (!g_strv_contains (out_of_band, field))
    return bad_name (part, error);

  node = wire_json_parse (data != NULL ? data : "", size, error);
  if (node == NULL)
    {
      g_prefix_error (error, "%s: ", part->name);
      return FALSE;
    }

  /* A field that the main part has too is told by wire_check_op (), which looks at what was sent. */
  if (owner == NULL ||
      (json_object_has_member (owner->run, field) && !json_object_has_member (owner->sent, field)))
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_PART_ORDER, "part %s %s", part->name,
                   owner == NULL ? "comes before its main part" : "is there twice");
      return FALSE;
    }

  json_object_set_member (owner->run, field, g_steal_pointer (&node));
  owner->payload_bytes += size;

  return TRUE;
}

static gboolean
take_part (WireRequest *self, WirePart *part, WireFlags flags, GError **error)
{
  const char *dot = strchr (part->name, '.');
  g_autofree char *kind = dot != NULL ? g_strndup (part->name, (gsize) (dot - part->name)) : NULL;
  g_autofree char *id = dot != NULL ? g_strndup (dot + 1, UUID_LENGTH) : NULL;
  const char *rest;

  if (dot == NULL || !wire_is_uuid (id))
    return bad_name (part, error);

  rest = dot + 1 + UUID_LENGTH;
  if (*rest != '\0' && *rest != '.')
    return bad_name (part, error);
  rest = *rest == '.' ? rest + 1 : NULL;

  if (strcmp (kind, "attachment") == 0)
    return take_attachment (self, part, id, rest, flags, error);

  if (strcmp (part->content_type, "application/json") != 0)
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_PART_HEADER, "part %s: its Content-Type is \"%s\"",
                   part->name, part->content_type);
      return FALSE;
    }

  if (strcmp (kind, "feedback") == 0 && rest == NULL)
    {
      g_autoptr (JsonObject) feedback = parse_object (part->payload, part->name, error);

      if (feedback == NULL)
        return FALSE;
      if (g_strcmp0 (json_object_get_string_member_with_default (feedback, "id", NULL), id) != 0)
        {
          g_set_error (error, WIRE_ERROR, WIRE_ERROR_ID, "part %s: the object has another id",
                       part->name);
          return FALSE;
        }
      g_ptr_array_add (self->feedback, g_steal_pointer (&feedback));
      return TRUE;
    }

  if (strcmp (kind, "post") != 0 && strcmp (kind, "patch") != 0)
    return bad_name (part, error);
  if (rest == NULL)
    return take_main (self, part, strcmp (kind, "post") == 0 ? "post" : "patch", id, error);

  return take_field (self, part, kind, id, rest, error);
}

static WireRequest *
parse_multipart (const char *content_type, GBytes *body, WireFlags flags, GError **error)
{
  g_autoptr (WireRequest) self = wire_request_new (WIRE_ENDPOINT_MULTIPART);
  g_autoptr (GPtrArray) parts = wire_multipart_parse (content_type, body, flags, error);

  if (parts == NULL)
    return NULL;

  for (guint i = 0; i < parts->len; i++)
    {
      WirePart *part = g_ptr_array_index (parts, i);

      if (!take_part (self, part, flags, error))
        return NULL;
      self->payload_bytes += part->payload_length;
    }

  return g_steal_pointer (&self);
}

/* --- plain JSON ---------------------------------------------------------------------------- */

static gboolean
take_list (WireRequest *self, JsonObject *batch, const char *op, GError **error)
{
  JsonNode *list = json_object_get_member (batch, op);
  JsonArray *array;

  if (list == NULL || !JSON_NODE_HOLDS_ARRAY (list))
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_SHAPE, "the batch has no list \"%s\"", op);
      return FALSE;
    }

  array = json_node_get_array (list);
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      g_autofree char *text = NULL;
      JsonObject *object;

      if (!JSON_NODE_HOLDS_OBJECT (node))
        {
          g_set_error (error, WIRE_ERROR, WIRE_ERROR_SHAPE, "item %u of \"%s\" is no object", i,
                       op);
          return FALSE;
        }
      object = json_node_get_object (node);
      text = json_to_string (node, FALSE);
      add_op (self, op, peek_id (object), object, strlen (text));
    }

  return TRUE;
}

static WireRequest *
parse_batch (GBytes *body, GError **error)
{
  g_autoptr (WireRequest) self = wire_request_new (WIRE_ENDPOINT_BATCH);
  g_autoptr (JsonObject) batch = parse_object (body, "the batch", error);

  if (batch == NULL)
    return NULL;
  if (json_object_get_size (batch) > 2)
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_SHAPE,
                   "the batch has other keys than \"post\" and \"patch\"");
      return NULL;
    }
  if (!take_list (self, batch, "post", error) || !take_list (self, batch, "patch", error))
    return NULL;
  self->payload_bytes = g_bytes_get_size (body);

  return g_steal_pointer (&self);
}

/* @id NULL: a create */
static WireRequest *
parse_single (GBytes *body, const char *id, GError **error)
{
  g_autoptr (WireRequest) self = wire_request_new (WIRE_ENDPOINT_RUN);
  g_autoptr (JsonObject) run = parse_object (body, "the run", error);

  if (run == NULL)
    return NULL;
  self->payload_bytes = g_bytes_get_size (body);
  add_op (self, id != NULL ? "patch" : "post", id != NULL ? id : peek_id (run), run,
          self->payload_bytes);

  return g_steal_pointer (&self);
}

static WireRequest *
parse_feedback (GBytes *body, GError **error)
{
  g_autoptr (WireRequest) self = wire_request_new (WIRE_ENDPOINT_FEEDBACK);
  JsonObject *feedback = parse_object (body, "the feedback", error);

  if (feedback == NULL)
    return NULL;
  g_ptr_array_add (self->feedback, feedback);
  self->payload_bytes = g_bytes_get_size (body);

  return g_steal_pointer (&self);
}

WireRequest *
wire_request_parse (const char *method,
                    const char *path,
                    const char *content_type,
                    GBytes *body,
                    WireFlags flags,
                    GError **error)
{
  gboolean is_post = strcmp (method, "POST") == 0;
  const char *slash = strrchr (path, '/');

  if (is_post && g_str_has_suffix (path, "/runs/multipart"))
    return parse_multipart (content_type, body, flags, error);

  if (content_type == NULL || strcmp (content_type, "application/json") != 0)
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_ENDPOINT, "%s %s has Content-Type \"%s\"", method,
                   path, content_type != NULL ? content_type : "(none)");
      return NULL;
    }

  if (is_post && g_str_has_suffix (path, "/runs/batch"))
    return parse_batch (body, error);
  if (is_post && g_str_has_suffix (path, "/runs"))
    return parse_single (body, NULL, error);
  if (is_post && g_str_has_suffix (path, "/feedback"))
    return parse_feedback (body, error);
  if (strcmp (method, "PATCH") == 0 && slash != NULL && wire_is_uuid (slash + 1) &&
      slash - path >= 5 && strncmp (slash - 5, "/runs", 5) == 0)
    return parse_single (body, slash + 1, error);

  g_set_error (error, WIRE_ERROR, WIRE_ERROR_ENDPOINT, "%s %s is no way to send runs", method,
               path);

  return NULL;
}
