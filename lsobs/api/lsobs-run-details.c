/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/api/lsobs-run-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* What is noted on a run between its start and its end. */

/* Takes @value over. */
void
_lsobs_run_take_metadata (LsobsRun *self, const char *key, GBytes *value, gboolean inherited)
{
  if (!_lsobs_run_lock_if_running (self))
    {
      g_bytes_unref (value);
      return;
    }
  _lsobs_run_unlock_after_note (self, _lsobs_annotations_set_metadata (self->notes, key, value,
                                                                       inherited));
}

/* Returns: (transfer full) */
GBytes *
_lsobs_run_write_string (const char *text)
{
  g_auto (LsobsBuffer) buffer = LSOBS_BUFFER_INIT;

  _lsobs_json_write_string (&buffer, text, strlen (text));
  return _lsobs_buffer_steal_bytes (&buffer);
}

/**
 * lsobs_run_add_tag:
 * @self: a run
 * @tag: a word to find the run by
 *
 * Adds a tag. Children do not inherit it. A tag that is there already is not
 * added again.
 *
 * Since: 0.1
 */
void
lsobs_run_add_tag (LsobsRun *self, const char *tag)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (tag != NULL);

  if (!_lsobs_run_lock_if_running (self))
    return;
  _lsobs_run_unlock_after_note (self, _lsobs_annotations_add_tag (self->notes, tag));
}

/**
 * lsobs_run_set_metadata:
 * @self: a run
 * @key: a name
 * @value: (nullable): what it stands for
 *
 * Sets a piece of metadata; another value of the same @key is replaced. Children
 * that start later inherit it.
 *
 * Since: 0.1
 */
void
lsobs_run_set_metadata (LsobsRun *self, const char *key, JsonNode *value)
{
  g_autoptr (JsonNode) null = NULL;
  const LsobsRunPayload payload = { .node = value != NULL ? value
                                                          : (null = json_node_new (JSON_NODE_NULL)),
                                    .duration_ms = -1 };

  g_return_if_fail (self != NULL);
  g_return_if_fail (key != NULL);

  if (_lsobs_run_keeps_metadata (self, key))
    _lsobs_run_take_metadata (self, key, _lsobs_run_capture (self, &payload), TRUE);
}

/**
 * lsobs_run_set_metadata_string:
 * @self: a run
 * @key: a name, such as `thread_id`
 * @value: what it stands for
 *
 * Sets a piece of metadata that is text, as lsobs_run_set_metadata() does.
 *
 * Since: 0.1
 */
void
lsobs_run_set_metadata_string (LsobsRun *self, const char *key, const char *value)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (key != NULL);
  g_return_if_fail (value != NULL);

  if (_lsobs_run_keeps_metadata (self, key))
    _lsobs_run_take_metadata (self, key, _lsobs_run_write_string (value), TRUE);
}

static void
set_extra_metadata (LsobsRun *self, JsonObject *metadata)
{
  JsonObjectIter iter;
  const char *key;
  JsonNode *member;

  json_object_iter_init_ordered (&iter, metadata);
  while (json_object_iter_next_ordered (&iter, &key, &member))
    lsobs_run_set_metadata (self, key, member);
}

/**
 * lsobs_run_set_extra:
 * @self: a run
 * @key: a name, such as `invocation_params`
 * @value: (nullable): what it stands for
 *
 * Sets a member of `extra`, where the service keeps metadata and whatever else it
 * is told of a run; another value of the same @key is replaced. Children do not
 * inherit it.
 *
 * Two names have a meaning of their own, and their values must be objects; others are
 * counted by %LSOBS_COUNTER_DROPPED_NOTES. The members of `metadata` are set as
 * lsobs_run_set_metadata() does. Those of `runtime` are added to what lsobs tells of
 * the program by itself (such as `sdk` and `platform`), and take its place where the
 * names are the same.
 *
 * Since: 0.1
 */
void
lsobs_run_set_extra (LsobsRun *self, const char *key, JsonNode *value)
{
  g_autoptr (JsonNode) null = NULL;
  LsobsRunPayload payload = { .node = value, .duration_ms = -1 };
  gboolean is_metadata;
  JsonObject *object;
  GBytes *json;

  g_return_if_fail (self != NULL);
  g_return_if_fail (key != NULL);

  /* Metadata may go along to other processes even so. */
  if (!self->info->sampled && g_atomic_pointer_get (&self->notes) == NULL)
    return;
  is_metadata = g_str_equal (key, "metadata");
  object = _lsobs_json_peek_object (value);
  if (is_metadata && object != NULL)
    {
      set_extra_metadata (self, object);
      return;
    }
  if (!self->info->sampled)
    return;
  if (object == NULL && (is_metadata || g_str_equal (key, "runtime")))
    {
      if (_lsobs_run_lock_if_running (self))
        _lsobs_run_unlock_after_note (self, FALSE);
      return;
    }
  if (value == NULL)
    payload.node = null = json_node_new (JSON_NODE_NULL);
  json = _lsobs_run_capture (self, &payload);
  if (_lsobs_run_lock_if_running (self))
    _lsobs_run_unlock_after_note (self, _lsobs_annotations_set_extra (self->notes, key, json));
  else
    g_bytes_unref (json);
}

/**
 * lsobs_run_set_thread_id:
 * @self: a run
 * @thread_id: what the runs of one conversation have in common
 *
 * Tells which conversation the run belongs to, by the piece of metadata `thread_id`.
 * The service shows the traces of a conversation together. Children that start later
 * inherit it, so that it is best set on the root before anything else.
 *
 * Since: 0.1
 */
void
lsobs_run_set_thread_id (LsobsRun *self, const char *thread_id)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (thread_id != NULL);

  lsobs_run_set_metadata_string (self, "thread_id", thread_id);
}

/**
 * lsobs_run_add_event:
 * @self: a run
 * @name: what happens, in any word
 * @details: (nullable): more about it, as an object; members called `name` and
 *   `time` are left out
 *
 * Notes that something happens now.
 *
 * The name `new_token` has a meaning of its own: from the first such event the service
 * sees how long it took until a model began to answer. It may be noted with every token;
 * only the first is sent, and without details, which would be a part of the outputs.
 *
 * Since: 0.1
 */
void
lsobs_run_add_event (LsobsRun *self, const char *name, JsonNode *details)
{
  const LsobsRunPayload payload = { .node = details, .duration_ms = -1 };
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  JsonObject *object;
  GBytes *json = NULL;
  gboolean fits = TRUE;
  gint64 now;

  g_return_if_fail (self != NULL);
  g_return_if_fail (name != NULL);

  if (!self->info->sampled)
    return;
  now = _lsobs_run_info_get_now (self->info);
  object = _lsobs_json_peek_object (details);
  if (object != NULL && !_lsobs_record_event_is_token (name))
    {
      fits = _lsobs_record_event_write_details (&text, object, LSOBS_MAX_NOTE_BYTES);
      json = _lsobs_buffer_steal_bytes (&text);
    }
  else if (object == NULL)
    {
      json = _lsobs_run_capture (self, &payload);
    }
  if (!_lsobs_run_lock_if_running (self))
    {
      g_clear_pointer (&json, g_bytes_unref);
      return;
    }
  if (fits)
    fits = _lsobs_annotations_add_event (self->notes, name, now, g_steal_pointer (&json));
  _lsobs_run_unlock_after_note (self, fits);
  g_clear_pointer (&json, g_bytes_unref);
}

/**
 * lsobs_run_add_text_event:
 * @self: a run
 * @message: what happens
 *
 * Notes that something happens now, in free text: an event called `event`, which has the
 * text as its `message`.
 *
 * Since: 0.1
 */
void
lsobs_run_add_text_event (LsobsRun *self, const char *message)
{
  g_auto (LsobsBuffer) details = LSOBS_BUFFER_INIT;
  gint64 now;

  g_return_if_fail (self != NULL);
  g_return_if_fail (message != NULL);

  if (!self->info->sampled)
    return;
  now = _lsobs_run_info_get_now (self->info);
  _lsobs_buffer_append_str (&details, "{\"message\":");
  _lsobs_json_write_string (&details, message, strlen (message));
  _lsobs_buffer_append_c (&details, '}');
  if (_lsobs_run_lock_if_running (self))
    _lsobs_run_unlock_after_note (self, _lsobs_annotations_add_event (self->notes, "event", now,
                                                                      _lsobs_buffer_steal_bytes (
                                                                          &details)));
}

/**
 * lsobs_run_set_serialized:
 * @self: a run of the type %LSOBS_RUN_TYPE_LLM or %LSOBS_RUN_TYPE_PROMPT
 * @serialized: a description of the model or the prompt, as an object; its member
 *   `graph` is left out
 *
 * Tells how the model or the prompt is made. It goes with the start of the run, so that
 * it is best set at once: what comes when that has left is counted by
 * %LSOBS_COUNTER_DROPPED_NOTES, as is what is no object, or of a run of another type.
 *
 * It is left out when #LsobsConfig:hide-inputs or #LsobsConfig:hide-metadata is set.
 *
 * Since: 0.1
 */
void
lsobs_run_set_serialized (LsobsRun *self, JsonNode *serialized)
{
  GBytes *json;

  g_return_if_fail (self != NULL);
  g_return_if_fail (serialized != NULL);

  if (!self->info->sampled)
    return;
  json = _lsobs_annotations_capture_serialized (serialized, self->info->run_type);
  if (_lsobs_run_lock_if_running (self))
    _lsobs_run_unlock_after_note (self, json != NULL &&
                                            _lsobs_annotations_set_serialized (self->notes, json));
  else
    g_clear_pointer (&json, g_bytes_unref);
}

/**
 * lsobs_run_set_reference_example_id:
 * @self: a run
 * @example_id: the id of an example of a data set, a UUID
 * @error: return location for a #GError, or %NULL
 *
 * Tells which example of a data set the run was made with, for evaluations.
 *
 * Returns: %TRUE on success; %FALSE with %LSOBS_ERROR_INVALID_VALUE if @example_id is no
 *   UUID
 *
 * Since: 0.1
 */
gboolean
lsobs_run_set_reference_example_id (LsobsRun *self, const char *example_id, GError **error)
{
  LsobsId id;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (example_id != NULL, FALSE);

  if (!_lsobs_exporter_peek_settings (self->exporter)->tracing_enabled)
    return TRUE;
  if (!_lsobs_id_parse_example (&id, example_id, error))
    return FALSE;
  if (self->info->sampled && _lsobs_run_lock_if_running (self))
    {
      self->notes->has_example = TRUE;
      self->notes->example_id = id;
      _lsobs_run_unlock_after_note (self, TRUE);
    }
  return TRUE;
}

/* Under the lock of the notes, so that the end cannot pass by. TRUE if it is taken, or
 * ignored as all is that comes too late. */
static gboolean
attach (LsobsRun *self, LsobsAttachment *attachment)
{
  gboolean taken;

  if (!_lsobs_run_lock_if_running (self))
    return TRUE;
  taken = _lsobs_exporter_attach (self->exporter, self->info, attachment);
  g_mutex_unlock (&self->notes->lock);
  return taken;
}

/**
 * lsobs_run_add_attachment:
 * @self: a run
 * @name: a name of 1 to 100 bytes: letters and digits of any script, spaces, hyphens
 *   and underscores
 * @mime_type: (nullable): what kind of file it is, such as `image/png`; with %NULL, or
 *   with what is no such type, it is sent as `application/octet-stream`
 * @data: the contents; they are referenced, not copied
 * @error: return location for a #GError, or %NULL
 *
 * Adds a file, such as an image that a model was shown. One of the same name that has
 * not left yet is replaced. It goes with the start of the run if that still waits, or
 * else with its end; children do not inherit it.
 *
 * Attachments are sent as they are: nothing in them is redacted or cut. A hundred of
 * them may wait with a run, and #LsobsConfig:max-queue-bytes of all runs for an end;
 * those of a run that is let go without an end are dropped. When a run is
 * larger than a request may be, its attachments go first, the largest first of all; a
 * service that still finds it too large gets none of them. Some services take no
 * attachments, see #LsobsIngestMode. All that are left out are counted by
 * %LSOBS_COUNTER_DROPPED_ATTACHMENTS.
 *
 * Fails with %LSOBS_ERROR_INVALID_ATTACHMENT when the name cannot be sent, and with
 * %LSOBS_ERROR_TOO_LARGE when there is no room for the contents, or when they are
 * more than #LsobsConfig:max-batch-bytes.
 *
 * Returns: %TRUE unless it was refused; after the end of the run it is ignored
 *
 * Since: 0.1
 */
gboolean
lsobs_run_add_attachment (LsobsRun *self,
                          const char *name,
                          const char *mime_type,
                          GBytes *data,
                          GError **error)
{
  g_autoptr (LsobsAttachment) attachment = NULL;
  LsobsSettings *settings;
  LsobsCounters *counters;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (name != NULL, FALSE);
  g_return_val_if_fail (data != NULL, FALSE);

  settings = _lsobs_exporter_peek_settings (self->exporter);
  counters = _lsobs_exporter_peek_counters (self->exporter);
  if (!settings->tracing_enabled)
    return TRUE;
  attachment = _lsobs_attachment_new (name, mime_type, data, error);
  if (attachment == NULL)
    {
      _lsobs_counters_add (counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS, 1);
      return FALSE;
    }
  if (g_bytes_get_size (data) > settings->max_batch_bytes)
    _lsobs_counters_add (counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS, 1);
  else if (attach (self, attachment))
    return TRUE;
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_TOO_LARGE,
                       _ ("There is no room for another attachment"));
  return FALSE;
}
