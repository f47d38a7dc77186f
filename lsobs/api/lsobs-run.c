/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/api/lsobs-run-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/model/lsobs-capture-private.h"

/**
 * SECTION:lsobs-run
 * @title: LsobsRun
 * @short_description: one unit of work in a trace
 *
 * A handle for a run: a call of a model, of a tool, a step of an agent. It is
 * started with lsobs_observer_start_run() or lsobs_run_start_child(), or with
 * lsobs_observer_start_nested_run(), which finds the parent by itself, and ended
 * once, with lsobs_run_end() or lsobs_run_fail(). What is set in between goes
 * with the end.
 *
 * |[<!-- language="C" -->
 * g_autoptr(LsobsRun) run = lsobs_run_start_child (parent, "chat", LSOBS_RUN_TYPE_LLM, request);
 *
 * lsobs_run_set_model (run, "openai", "gpt-5.4-mini");
 * lsobs_run_set_usage (run, 21, 9, 30);
 * lsobs_run_end (run, response);
 * ]|
 *
 * A run takes a thousand tags, a thousand pieces of metadata and a thousand
 * events, and 4 MiB of all of them; more are counted by
 * %LSOBS_COUNTER_DROPPED_NOTES.
 *
 * Payloads are written out in the call, so that the program may change its tree
 * at once. A run that the sampler has left out has an id as any other, and costs
 * next to nothing.
 *
 * All functions may be called from any thread, for the same run too.
 */

/* Where the program's own word for a kind of run is kept. */
#define KIND_KEY "ls_run_kind"

G_DEFINE_BOXED_TYPE (LsobsRun, lsobs_run, lsobs_run_ref, lsobs_run_unref)

/* A forked child must not touch the locks of its parent's runs. */
gboolean
_lsobs_run_is_foreign (LsobsRun *self)
{
  return self->info->epoch != _lsobs_fork_epoch ();
}

/* Returns: (transfer full) (nullable) */
GBytes *
_lsobs_run_capture (LsobsRun *self, const LsobsRunPayload *payload)
{
  gsize max_bytes = _lsobs_exporter_peek_settings (self->exporter)->max_queue_bytes;
  LsobsCounters *counters = _lsobs_exporter_peek_counters (self->exporter);

  if (payload->json != NULL)
    return _lsobs_capture_bytes (payload->json, max_bytes, counters);
  return _lsobs_capture_node (payload->node, max_bytes, counters);
}

/* @info: (transfer full): with room for the run
 * @noted: it has notes even if it is not sampled */
static LsobsRun *
new_run (LsobsExporter *exporter, LsobsRunInfo *info, gboolean sampled, gboolean noted)
{
  LsobsRun *self = (LsobsRun *) (info + 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->exporter = g_object_ref (exporter);
  self->info = info;
  self->info->sampled = sampled;
  self->notes = sampled || noted ? _lsobs_annotations_new () : NULL;
  return self;
}

static void
push_create (LsobsRun *self, const LsobsRunPayload *inputs)
{
  LsobsRecord *record;

  if (!self->info->sampled)
    {
      _lsobs_counters_add (_lsobs_exporter_peek_counters (self->exporter), LSOBS_COUNTER_UNSAMPLED,
                           1);
      return;
    }
  record = _lsobs_record_new (LSOBS_RECORD_CREATE, self->info);
  record->inputs = _lsobs_run_capture (self, inputs);
  record->notes = _lsobs_annotations_ref (self->notes);
  _lsobs_exporter_push (self->exporter, record);
}

/* @parent: (nullable) */
LsobsRun *
_lsobs_run_start (LsobsExporter *exporter,
                  LsobsRun *parent,
                  const char *name,
                  LsobsRunType run_type,
                  const LsobsRunPayload *inputs)
{
  LsobsSettings *settings = _lsobs_exporter_peek_settings (exporter);
  LsobsRunInfo *parent_info = parent != NULL ? parent->info : NULL;
  gboolean may_be_sent = parent != NULL ? parent_info->sampled : settings->tracing_enabled;
  LsobsRunInfo *info =
      _lsobs_run_info_new_with_room (parent_info, name, run_type, may_be_sent, sizeof (LsobsRun));
  /* The sampler decides at the root, before anything costs. */
  gboolean sampled =
      parent != NULL ? parent_info->sampled : _lsobs_settings_keeps (settings, &info->segment.id);
  LsobsAnnotations *inherited = parent != NULL && !_lsobs_run_is_foreign (parent)
                                    ? g_atomic_pointer_get (&parent->notes)
                                    : NULL;
  LsobsRun *self = new_run (exporter, info, sampled, inherited != NULL);

  if (inherited != NULL)
    {
      g_mutex_lock (&inherited->lock);
      _lsobs_annotations_inherit (self->notes, inherited);
      g_mutex_unlock (&inherited->lock);
    }
  if (inputs->kind != NULL && sampled)
    {
      g_mutex_lock (&self->notes->lock);
      _lsobs_annotations_set_metadata (self->notes, KIND_KEY,
                                       _lsobs_run_write_string (inputs->kind), FALSE);
      g_mutex_unlock (&self->notes->lock);
    }
  push_create (self, inputs);
  return self;
}

/* A word that the service does not know is kept, in the metadata. */
LsobsRun *
_lsobs_run_start_of_kind (LsobsExporter *exporter,
                          LsobsRun *parent,
                          const char *name,
                          const char *kind,
                          JsonNode *inputs)
{
  LsobsRunPayload payload = { .node = inputs, .duration_ms = -1 };
  gboolean known;
  LsobsRunType run_type = lsobs_run_type_from_string (kind, &known);

  if (!known && *kind != '\0')
    payload.kind = kind;
  return _lsobs_run_start (exporter, parent, name, run_type, &payload);
}

/* The parent lives in another process, which sends it; nothing of it is sent from
 * here. The id of the trace decides whether it is kept, as it does everywhere. */
LsobsRun *
_lsobs_run_start_remote (LsobsExporter *exporter,
                         const LsobsRemoteParent *parent,
                         const char *name,
                         LsobsRunType run_type,
                         const LsobsRunPayload *inputs)
{
  g_autoptr (LsobsRunInfo) parent_info =
      _lsobs_run_info_new_for_segments ((LsobsSegment *) (gpointer) parent->segments->data,
                                        parent->segments->len, NULL, LSOBS_RUN_TYPE_CHAIN);
  LsobsRunInfo *info;
  LsobsRun *self;

  if (parent->target != NULL)
    _lsobs_run_info_set_destination (parent_info, parent->target);
  info = _lsobs_run_info_new_with_room (parent_info, name, run_type, TRUE, sizeof (LsobsRun));
  self = new_run (exporter, info,
                  _lsobs_settings_keeps (_lsobs_exporter_peek_settings (exporter),
                                         _lsobs_run_info_get_trace_id (info)),
                  TRUE);
  _lsobs_annotations_take_remote (self->notes, parent);
  push_create (self, inputs);
  return self;
}

/* The notes do not change any more. They are written out here, and not where they are
 * sent, so that the thread that has made their many pieces also frees them: threads that
 * free what others allocate get into each other's way. */
static void
take_final_notes (LsobsRun *self, LsobsRecord *record)
{
  record->notes = _lsobs_annotations_ref (self->notes);
  record->final = TRUE;
  _lsobs_record_settle (record);
}

/* After the end, only outputs are still of use. */
static void
finish_late (LsobsRun *self, const LsobsRunPayload *outputs)
{
  LsobsRecord *record = _lsobs_record_new (LSOBS_RECORD_UPDATE, self->info);

  record->outputs = _lsobs_run_capture (self, outputs);
  if (record->outputs != NULL)
    {
      _lsobs_exporter_push_late (self->exporter, record);
      return;
    }
  _lsobs_record_unref (record);
  _lsobs_counters_add (_lsobs_exporter_peek_counters (self->exporter), LSOBS_COUNTER_LATE_UPDATES,
                       1);
}

/* Called with the lock of the notes held. Traces can be found by these. What the
 * program has said itself stands. */
static void
note_cause (LsobsRun *self, const GError *cause)
{
  const char *domain = g_quark_to_string (cause->domain);
  g_auto (LsobsBuffer) code = LSOBS_BUFFER_INIT;

  if (_lsobs_annotations_has_metadata (self->notes, "error_domain") ||
      _lsobs_annotations_has_metadata (self->notes, "error_code"))
    return;
  _lsobs_buffer_append_int64 (&code, cause->code);
  _lsobs_annotations_set_metadata (self->notes, "error_domain",
                                   _lsobs_run_write_string (domain != NULL ? domain : ""), FALSE);
  _lsobs_annotations_set_metadata (self->notes, "error_code", _lsobs_buffer_steal_bytes (&code),
                                   FALSE);
}

void
_lsobs_run_finish (LsobsRun *self, const LsobsRunPayload *outputs)
{
  LsobsRunStatus status =
      outputs->error != NULL ? LSOBS_RUN_STATUS_FAILED : LSOBS_RUN_STATUS_COMPLETED;
  LsobsRecord *record;
  gint64 now;
  gboolean first;

  if (!self->info->sampled)
    {
      g_atomic_int_compare_and_exchange (&self->status, LSOBS_RUN_STATUS_RUNNING, (int) status);
      return;
    }
  now = _lsobs_run_info_get_now (self->info);
  record = _lsobs_record_new (LSOBS_RECORD_UPDATE, self->info);
  if (_lsobs_run_is_foreign (self))
    {
      /* The exporter counts it as the parent's. */
      _lsobs_exporter_push (self->exporter, record);
      return;
    }

  /* From now on the notes do not change any more. */
  g_mutex_lock (&self->notes->lock);
  first = g_atomic_int_compare_and_exchange (&self->status, LSOBS_RUN_STATUS_RUNNING, (int) status);
  if (first && outputs->cause != NULL)
    note_cause (self, outputs->cause);
  g_mutex_unlock (&self->notes->lock);
  if (!first)
    {
      _lsobs_record_unref (record);
      finish_late (self, outputs);
      return;
    }
  take_final_notes (self, record);
  record->outputs = _lsobs_run_capture (self, outputs);
  record->error = g_strdup (outputs->error);
  record->duration_ms = outputs->duration_ms;
  record->end_time = now;
  _lsobs_exporter_push (self->exporter, record);
}

/* Nobody can end the run any more: its notes belong to the create, if that waits
 * still, and their memory is counted there. */
static void
leave_open (LsobsRun *self)
{
  LsobsRecord *record;

  if (!self->info->sampled || self->notes->n_bytes == 0)
    return;
  record = _lsobs_record_new (LSOBS_RECORD_UPDATE, self->info);
  take_final_notes (self, record);
  _lsobs_exporter_push_late (self->exporter, record);
}

/* Whether @key is worth the trouble: a run that is left out keeps only what goes
 * along to other processes. */
gboolean
_lsobs_run_keeps_metadata (LsobsRun *self, const char *key)
{
  LsobsAnnotations *notes = g_atomic_pointer_get (&self->notes);
  gboolean keeps;

  if (self->info->sampled)
    return TRUE;
  if (notes == NULL || _lsobs_run_is_foreign (self))
    return FALSE;
  g_mutex_lock (&notes->lock);
  keeps = _lsobs_annotations_propagates (notes, key);
  g_mutex_unlock (&notes->lock);
  return keeps;
}

/* Whether something may still be set; locks @self then. What comes too late is
 * counted. */
gboolean
_lsobs_run_lock_if_running (LsobsRun *self)
{
  LsobsAnnotations *notes = g_atomic_pointer_get (&self->notes);

  if (notes == NULL || _lsobs_run_is_foreign (self))
    return FALSE;
  g_mutex_lock (&notes->lock);
  if (g_atomic_int_get (&self->status) == LSOBS_RUN_STATUS_RUNNING)
    return TRUE;
  g_mutex_unlock (&notes->lock);
  _lsobs_counters_add (_lsobs_exporter_peek_counters (self->exporter), LSOBS_COUNTER_LATE_UPDATES,
                       1);
  return FALSE;
}

void
_lsobs_run_unlock_after_note (LsobsRun *self, gboolean taken)
{
  g_mutex_unlock (&self->notes->lock);
  if (!taken)
    _lsobs_counters_add (_lsobs_exporter_peek_counters (self->exporter),
                         LSOBS_COUNTER_DROPPED_NOTES, 1);
}

/**
 * lsobs_run_ref:
 * @self: a run
 *
 * Adds a reference.
 *
 * Returns: (transfer full): @self
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_run_ref (LsobsRun *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/**
 * lsobs_run_unref:
 * @self: (transfer full): a run
 *
 * Drops a reference, and frees @self with the last one. That does not end the
 * run: one that is never ended stays pending at the service.
 *
 * Since: 0.1
 */
void
lsobs_run_unref (LsobsRun *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  /* In a forked child, a thread that is not there may hold the lock for ever, and
   * have left what it guards half changed. */
  if (self->notes != NULL && !_lsobs_run_is_foreign (self))
    {
      if (g_atomic_int_get (&self->status) == LSOBS_RUN_STATUS_RUNNING)
        leave_open (self);
      _lsobs_annotations_unref (self->notes);
    }
  g_object_unref (self->exporter);
  _lsobs_run_info_unref (self->info);
}

/**
 * lsobs_run_start_child:
 * @self: the parent
 * @name: what the service shows the run as
 * @run_type: what the run does
 * @inputs: (nullable): what goes in; what is no object becomes `{"value": …}`
 *
 * Starts a run below @self, which may have ended already. The child inherits the
 * metadata that were set on @self so far.
 *
 * Returns: (transfer full): a run
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_run_start_child (LsobsRun *self, const char *name, LsobsRunType run_type, JsonNode *inputs)
{
  const LsobsRunPayload payload = { .node = inputs, .duration_ms = -1 };

  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail ((guint) run_type <= LSOBS_RUN_TYPE_PARSER, NULL);

  return _lsobs_run_start (self->exporter, self, name, run_type, &payload);
}

/**
 * lsobs_run_start_child_bytes:
 * @self: the parent
 * @name: what the service shows the run as
 * @run_type: what the run does
 * @inputs: (nullable): what goes in, as JSON text; it is referenced, not copied
 *
 * Starts a run below @self, with ready JSON. Text that is not JSON is sent as a
 * string. Of several members of an object with the same name the last one is sent.
 *
 * Returns: (transfer full): a run
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_run_start_child_bytes (LsobsRun *self,
                             const char *name,
                             LsobsRunType run_type,
                             GBytes *inputs)
{
  const LsobsRunPayload payload = { .json = inputs, .duration_ms = -1 };

  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail ((guint) run_type <= LSOBS_RUN_TYPE_PARSER, NULL);

  return _lsobs_run_start (self->exporter, self, name, run_type, &payload);
}

/**
 * lsobs_run_start_child_of_kind:
 * @self: the parent
 * @name: what the service shows the run as
 * @kind: what the run does, in any word, such as `agent`
 * @inputs: (nullable): what goes in; what is no object becomes `{"value": …}`
 *
 * Starts a run below @self, as lsobs_run_start_child() does. A @kind that is no type of
 * the service's makes it an %LSOBS_RUN_TYPE_CHAIN; the word is kept as the metadata
 * `ls_run_kind`, which children do not inherit.
 *
 * Returns: (transfer full): a run
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_run_start_child_of_kind (LsobsRun *self, const char *name, const char *kind, JsonNode *inputs)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail (kind != NULL, NULL);

  return _lsobs_run_start_of_kind (self->exporter, self, name, kind, inputs);
}

/**
 * lsobs_run_end:
 * @self: a run
 * @outputs: (nullable): what comes out; what is no object becomes `{"value": …}`
 *
 * Ends a run well. A run ends once: if it has ended before, @outputs are still
 * added as long as the record waits in the queue, and the rest stays as it is.
 *
 * Since: 0.1
 */
void
lsobs_run_end (LsobsRun *self, JsonNode *outputs)
{
  const LsobsRunPayload payload = { .node = outputs, .duration_ms = -1 };

  g_return_if_fail (self != NULL);

  _lsobs_run_finish (self, &payload);
}

/**
 * lsobs_run_end_bytes:
 * @self: a run
 * @outputs: (nullable): what comes out, as JSON text; it is referenced, not copied
 *
 * Ends a run well, with ready JSON. Text that is not JSON is sent as a string. Of
 * several members of an object with the same name the last one is sent.
 *
 * Since: 0.1
 */
void
lsobs_run_end_bytes (LsobsRun *self, GBytes *outputs)
{
  const LsobsRunPayload payload = { .json = outputs, .duration_ms = -1 };

  g_return_if_fail (self != NULL);

  _lsobs_run_finish (self, &payload);
}

/**
 * lsobs_run_fail:
 * @self: a run
 * @error: what went wrong
 *
 * Ends a run with an error: its message is the error of the run, its domain and code
 * are the metadata `error_domain` and `error_code`. The first end stands: an error that
 * comes after it changes nothing.
 *
 * Since: 0.1
 */
void
lsobs_run_fail (LsobsRun *self, const GError *error)
{
  LsobsRunPayload payload = { .cause = error, .duration_ms = -1 };

  g_return_if_fail (self != NULL);
  g_return_if_fail (error != NULL);

  payload.error = error->message;
  _lsobs_run_finish (self, &payload);
}

/**
 * lsobs_run_fail_with_message:
 * @self: a run
 * @message: what went wrong
 *
 * Ends a run with an error that is known by its text alone. An empty one still makes
 * the run a failed one.
 *
 * Since: 0.1
 */
void
lsobs_run_fail_with_message (LsobsRun *self, const char *message)
{
  const LsobsRunPayload payload = { .error = message, .duration_ms = -1 };

  g_return_if_fail (self != NULL);
  g_return_if_fail (message != NULL);

  _lsobs_run_finish (self, &payload);
}

/**
 * lsobs_run_get_name:
 * @self: a run
 *
 * Gets the name.
 *
 * Returns: (transfer none): the name
 *
 * Since: 0.1
 */
const char *
lsobs_run_get_name (LsobsRun *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->info->name;
}

/**
 * lsobs_run_get_run_type:
 * @self: a run
 *
 * Gets what the run does.
 *
 * Returns: a type
 *
 * Since: 0.1
 */
LsobsRunType
lsobs_run_get_run_type (LsobsRun *self)
{
  g_return_val_if_fail (self != NULL, LSOBS_RUN_TYPE_CHAIN);

  return self->info->run_type;
}

/**
 * lsobs_run_get_status:
 * @self: a run
 *
 * Gets how far the run has come.
 *
 * Returns: a status
 *
 * Since: 0.1
 */
LsobsRunStatus
lsobs_run_get_status (LsobsRun *self)
{
  g_return_val_if_fail (self != NULL, LSOBS_RUN_STATUS_RUNNING);

  return (LsobsRunStatus) g_atomic_int_get (&self->status);
}

/**
 * lsobs_run_is_sampled:
 * @self: a run
 *
 * Tells whether the trace of this run is sent.
 *
 * Returns: %FALSE if the sampler has left the trace out, or tracing is off
 *
 * Since: 0.1
 */
gboolean
lsobs_run_is_sampled (LsobsRun *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return self->info->sampled;
}

/**
 * lsobs_run_get_start_time:
 * @self: a run
 *
 * Gets when the run began.
 *
 * Returns: a time in µs since 1970, UTC
 *
 * Since: 0.1
 */
gint64
lsobs_run_get_start_time (LsobsRun *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->info->segment.start_time;
}

static char *
id_to_string (const LsobsId *id)
{
  char *text = g_malloc0 (LSOBS_UUID_LEN + 1);

  _lsobs_id_write (id, text);
  return text;
}

/**
 * lsobs_run_dup_id:
 * @self: a run
 *
 * Gets the id: a UUID of version 7, whose time is when the run began.
 *
 * Returns: (transfer full): 36 characters
 *
 * Since: 0.1
 */
char *
lsobs_run_dup_id (LsobsRun *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return id_to_string (&self->info->segment.id);
}

/**
 * lsobs_run_dup_trace_id:
 * @self: a run
 *
 * Gets the id of the trace, which is that of its root.
 *
 * Returns: (transfer full): 36 characters
 *
 * Since: 0.1
 */
char *
lsobs_run_dup_trace_id (LsobsRun *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return id_to_string (_lsobs_run_info_get_trace_id (self->info));
}

/**
 * lsobs_run_dup_parent_id:
 * @self: a run
 *
 * Gets the id of the parent.
 *
 * Returns: (transfer full) (nullable): 36 characters, or %NULL for a root
 *
 * Since: 0.1
 */
char *
lsobs_run_dup_parent_id (LsobsRun *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->info->parent != NULL ? id_to_string (&self->info->parent->segment.id) : NULL;
}

/**
 * lsobs_run_dup_dotted_order:
 * @self: a run
 *
 * Gets the path from the root to the run: for each a time and an id, joined by
 * dots. It sorts the runs of a trace.
 *
 * Returns: (transfer full): a path
 *
 * Since: 0.1
 */
char *
lsobs_run_dup_dotted_order (LsobsRun *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return _lsobs_run_info_dup_path (self->info);
}
