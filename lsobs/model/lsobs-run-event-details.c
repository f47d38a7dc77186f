/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-id-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/model/lsobs-run-event-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* What an event tells of its run beside who that is. */

/**
 * lsobs_run_event_set_inputs:
 * @self: an event
 * @inputs: (nullable): what went in; it is copied
 *
 * Sets what went in.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_inputs (LsobsRunEvent *self, JsonNode *inputs)
{
  g_autoptr (JsonNode) before = NULL;

  g_return_if_fail (self != NULL);

  before = g_steal_pointer (&self->inputs);
  self->inputs = _lsobs_run_event_copy_node (inputs);
}

/**
 * lsobs_run_event_get_inputs:
 * @self: an event
 *
 * Gets what went in.
 *
 * Returns: (transfer none) (nullable): a node, which must not be changed, or
 * %NULL
 *
 * Since: 0.1
 */
JsonNode *
lsobs_run_event_get_inputs (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->inputs;
}

/**
 * lsobs_run_event_set_outputs:
 * @self: an event
 * @outputs: (nullable): what came out; it is copied
 *
 * Sets what came out, of a start that is a complete run too.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_outputs (LsobsRunEvent *self, JsonNode *outputs)
{
  g_autoptr (JsonNode) before = NULL;

  g_return_if_fail (self != NULL);

  before = g_steal_pointer (&self->outputs);
  self->outputs = _lsobs_run_event_copy_node (outputs);
}

/**
 * lsobs_run_event_get_outputs:
 * @self: an event
 *
 * Gets what came out.
 *
 * Returns: (transfer none) (nullable): a node, which must not be changed, or
 * %NULL
 *
 * Since: 0.1
 */
JsonNode *
lsobs_run_event_get_outputs (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->outputs;
}

/**
 * lsobs_run_event_set_error_text:
 * @self: an event
 * @error_text: (nullable): the error that the run has failed with
 *
 * Sets the error that the run has failed with, of a start that is a complete run too.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_error_text (LsobsRunEvent *self, const char *error_text)
{
  g_autofree char *before = NULL;

  g_return_if_fail (self != NULL);

  before = g_steal_pointer (&self->error_text);
  self->error_text = g_strdup (error_text);
}

/**
 * lsobs_run_event_get_error_text:
 * @self: an event
 *
 * Gets the error that the run has failed with.
 *
 * Returns: (transfer none) (nullable): a text, or %NULL
 *
 * Since: 0.1
 */
const char *
lsobs_run_event_get_error_text (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->error_text;
}

/**
 * lsobs_run_event_set_tags:
 * @self: an event
 * @tags: (nullable) (array zero-terminated=1): words to find the run by
 *
 * Sets the tags. Those of an update take the place of all that the run had before.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_tags (LsobsRunEvent *self, const char *const *tags)
{
  g_auto (GStrv) before = NULL;

  g_return_if_fail (self != NULL);

  before = g_steal_pointer (&self->tags);
  self->tags = g_strdupv ((GStrv) tags);
}

/**
 * lsobs_run_event_get_tags:
 * @self: an event
 *
 * Gets the tags.
 *
 * Returns: (transfer none) (nullable): the tags, or %NULL
 *
 * Since: 0.1
 */
GStrv
lsobs_run_event_get_tags (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->tags;
}

/**
 * lsobs_run_event_set_extra:
 * @self: an event
 * @extra: (nullable): an object, with the metadata as its member `metadata`; it is copied
 *
 * Sets what is told of the run beside all else, as lsobs_run_set_extra() does one by one.
 *
 * What an update tells joins what the start told: objects are merged, everything else is
 * replaced.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_extra (LsobsRunEvent *self, JsonNode *extra)
{
  g_autoptr (JsonNode) before = NULL;

  g_return_if_fail (self != NULL);

  before = g_steal_pointer (&self->extra);
  self->extra = _lsobs_run_event_copy_node (extra);
}

/**
 * lsobs_run_event_set_metadata:
 * @self: an event
 * @key: a name, such as `thread_id`
 * @value: (nullable): what it stands for; it is copied
 *
 * Sets a piece of metadata, which is a member of the member `metadata` of extra.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_metadata (LsobsRunEvent *self, const char *key, JsonNode *value)
{
  JsonObject *metadata;
  JsonNode *copy;

  g_return_if_fail (self != NULL);
  g_return_if_fail (key != NULL);

  if (_lsobs_json_peek_object (self->extra) == NULL)
    {
      g_clear_pointer (&self->extra, json_node_unref);
      self->extra = json_node_new (JSON_NODE_OBJECT);
      json_node_take_object (self->extra, json_object_new ());
    }
  metadata = _lsobs_json_peek_object (
      json_object_get_member (json_node_get_object (self->extra), "metadata"));
  if (metadata == NULL)
    {
      metadata = json_object_new ();
      json_object_set_object_member (json_node_get_object (self->extra), "metadata", metadata);
    }
  copy = _lsobs_run_event_copy_node (value);
  json_object_set_member (metadata, key, copy != NULL ? copy : json_node_new (JSON_NODE_NULL));
}

/**
 * lsobs_run_event_get_extra:
 * @self: an event
 *
 * Gets the metadata and the description of the runtime.
 *
 * Returns: (transfer none) (nullable): a node, which must not be changed, or
 * %NULL
 *
 * Since: 0.1
 */
JsonNode *
lsobs_run_event_get_extra (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->extra;
}

/**
 * lsobs_run_event_set_events:
 * @self: an event
 * @events: (nullable): an array of objects, each with a `name` and a `time`; it is copied
 *
 * Sets what happened during the run. Those of an update take the place of all before.
 *
 * A time is text in ISO 8601, or a number of milliseconds since 1970; an event without
 * one happened when the one before it did, or when the run began. Of `new_token` only the
 * first is sent, see lsobs_run_add_event().
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_events (LsobsRunEvent *self, JsonNode *events)
{
  g_autoptr (JsonNode) before = NULL;

  g_return_if_fail (self != NULL);

  before = g_steal_pointer (&self->events);
  self->events = _lsobs_run_event_copy_node (events);
}

/**
 * lsobs_run_event_get_events:
 * @self: an event
 *
 * Gets what happened during the run.
 *
 * Returns: (transfer none) (nullable): a node, which must not be changed, or
 * %NULL
 *
 * Since: 0.1
 */
JsonNode *
lsobs_run_event_get_events (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->events;
}

/**
 * lsobs_run_event_set_serialized:
 * @self: an event
 * @serialized: (nullable): an object; it is copied
 *
 * Sets how the model or the prompt is made, see lsobs_run_set_serialized(). Only a start
 * tells it.
 *
 * Since: 0.1
 */
void
lsobs_run_event_set_serialized (LsobsRunEvent *self, JsonNode *serialized)
{
  g_autoptr (JsonNode) before = NULL;

  g_return_if_fail (self != NULL);

  before = g_steal_pointer (&self->serialized);
  self->serialized = _lsobs_run_event_copy_node (serialized);
}

/**
 * lsobs_run_event_get_serialized:
 * @self: an event
 *
 * Gets how the model or the prompt is made.
 *
 * Returns: (transfer none) (nullable): a node, which must not be changed, or
 * %NULL
 *
 * Since: 0.1
 */
JsonNode *
lsobs_run_event_get_serialized (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->serialized;
}

/**
 * lsobs_run_event_set_reference_example_id:
 * @self: an event
 * @example_id: the id of an example of a data set, a UUID
 * @error: return location for a #GError, or %NULL
 *
 * Tells which example of a data set the run was made with.
 *
 * Returns: %TRUE on success; %FALSE with %LSOBS_ERROR_INVALID_VALUE if @example_id is no
 *   UUID
 *
 * Since: 0.1
 */
gboolean
lsobs_run_event_set_reference_example_id (LsobsRunEvent *self,
                                          const char *example_id,
                                          GError **error)
{
  LsobsId id;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (example_id != NULL, FALSE);

  if (!_lsobs_id_parse_example (&id, example_id, error))
    return FALSE;
  g_free (self->example_id);
  self->example_id = g_strdup (example_id);
  return TRUE;
}

/**
 * lsobs_run_event_get_reference_example_id:
 * @self: an event
 *
 * Gets which example of a data set the run was made with.
 *
 * Returns: (transfer none) (nullable): a UUID, or %NULL
 *
 * Since: 0.1
 */
const char *
lsobs_run_event_get_reference_example_id (LsobsRunEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->example_id;
}

/**
 * lsobs_run_event_add_attachment:
 * @self: an event
 * @name: a name of 1 to 100 bytes: letters and digits of any script, spaces, hyphens
 *   and underscores
 * @mime_type: (nullable): what kind of file it is, such as `image/png`; with %NULL, or
 *   with what is no such type, it is sent as `application/octet-stream`
 * @data: the contents; they are referenced, not copied, and sent as they are
 * @error: return location for a #GError, or %NULL
 *
 * Adds a file that goes with the run. One of the same name is replaced. See
 * lsobs_run_add_attachment().
 *
 * Fails with %LSOBS_ERROR_INVALID_ATTACHMENT when the name cannot be sent, and with
 * %LSOBS_ERROR_TOO_LARGE when the event has a hundred attachments already.
 *
 * Returns: %TRUE if it was added
 *
 * Since: 0.1
 */
gboolean
lsobs_run_event_add_attachment (LsobsRunEvent *self,
                                const char *name,
                                const char *mime_type,
                                GBytes *data,
                                GError **error)
{
  g_autoptr (LsobsAttachment) attachment = NULL;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (name != NULL, FALSE);
  g_return_val_if_fail (data != NULL, FALSE);

  attachment = _lsobs_attachment_new (name, mime_type, data, error);
  if (attachment == NULL)
    return FALSE;
  if (_lsobs_attachments_put (&self->attachments, attachment))
    return TRUE;
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_TOO_LARGE,
                       _ ("There is no room for another attachment"));
  return FALSE;
}

/**
 * lsobs_run_event_dup_attachment_names:
 * @self: an event
 *
 * Gets the names of the files that go with the run.
 *
 * Returns: (transfer full): the names, which may be none
 *
 * Since: 0.1
 */
GStrv
lsobs_run_event_dup_attachment_names (LsobsRunEvent *self)
{
  g_autoptr (GStrvBuilder) builder = NULL;

  g_return_val_if_fail (self != NULL, NULL);

  builder = g_strv_builder_new ();
  for (guint i = 0; self->attachments != NULL && i < self->attachments->len; i++)
    g_strv_builder_add (builder,
                        ((LsobsAttachment *) g_ptr_array_index (self->attachments, i))->name);
  return g_strv_builder_end (builder);
}

/**
 * lsobs_run_event_get_attachment:
 * @self: an event
 * @name: the name of a file
 * @mime_type: (out) (optional) (nullable) (transfer none): return location for what kind
 *   of file it is
 *
 * Gets a file that goes with the run.
 *
 * Returns: (transfer none) (nullable): the contents, or %NULL when there is no such file
 *
 * Since: 0.1
 */
GBytes *
lsobs_run_event_get_attachment (LsobsRunEvent *self, const char *name, const char **mime_type)
{
  LsobsAttachment *attachment;

  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (name != NULL, NULL);

  attachment = _lsobs_attachments_find (self->attachments, name);
  if (mime_type != NULL)
    *mime_type = attachment != NULL ? attachment->mime_type : NULL;
  return attachment != NULL ? attachment->data : NULL;
}
