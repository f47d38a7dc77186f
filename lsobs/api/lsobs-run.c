/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/api/lsobs-binding-hook-private.h"
#include "lsobs/api/lsobs-run-private.h"
#include "lsobs/call/lsobs-call-mask-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/core/lsobs-log-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/model/lsobs-capture-private.h"
#include "lsobs/model/lsobs-feedback-private.h"
#include "lsobs/model/lsobs-inline-data-private.h"
#include "lsobs/model/lsobs-usage-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"
#include "lsobs/text/lsobs-secret-name-private.h"

/**
 * SECTION:lsobs-run
 * @title: LsobsRun
 * @short_description: one unit of work in a trace
 *
 * A run is one unit of work: a call of a model or of a tool, or a step of an agent. Start it with
 * lsobs_observer_start_run() or lsobs_run_start_child(), or with lsobs_observer_start_nested_run(),
 * which finds the parent. End it once, with lsobs_run_end() or lsobs_run_fail(). Values that are
 * set between start and end are sent with the end, or with the start if that is still in the queue.
 *
 * |[<!-- language="C" -->
 * g_autoptr(LsobsRun) run = lsobs_run_start_child (parent, "chat", LSOBS_RUN_TYPE_LLM, request);
 *
 * lsobs_run_set_model (run, "openai", "gpt-5.4-mini");
 * lsobs_run_set_usage (run, 21, 9, 30);
 * lsobs_run_end (run, response);
 * ]|
 *
 * A run can have 1000 tags, 1000 metadata and 1000 events, and 4 MiB of them together. Further ones
 * are dropped, and counted by %LSOBS_COUNTER_DROPPED_NOTES.
 *
 * The functions convert a #JsonNode to text before they return: the program can change it
 * afterwards. A run that the sampler has left out has an id, too, and needs little time and memory.
 *
 * All functions can be called from any thread, even for the same run.
 */

/* The public functions of a run, which share its lock and its annotations, and their documentation:
 * so the file is long. What they write is made in lsobs/model/ and lsobs/text/. */

/* Metadata with the program's word for what a run does, if it is no LsobsRunType. */
#define KIND_KEY "ls_run_kind"

/* The error of a run that the program has cancelled. GIO's own message is translated. */
#define CANCELLED_ERROR "Cancelled"

/* The domain of errors that stand for exceptions of another language */
#define EXCEPTION_DOMAIN "lsobs-exception"

/* Texts of annotations are written on the stack, up to so many bytes. */
#define STACK_BYTES 256

/* What lies behind the info of a run in its memory. */
typedef struct
{
  LsobsRun run;
  LsobsRecord start;
} Room;

G_DEFINE_BOXED_TYPE (LsobsRun, lsobs_run, lsobs_run_ref, lsobs_run_unref)

/* Whether the run was started before a fork(), by the parent process. Its lock must not be
 * taken: a thread that does not exist here may hold it. */
gboolean
_lsobs_run_is_forked (LsobsRun *self)
{
  return self->info->epoch != _lsobs_fork_epoch ();
}

/* Whether a run below this one is sampled: not after the program has turned tracing off. */
gboolean
_lsobs_run_samples_children (LsobsRun *self)
{
  return self->info->sampled &&
         _lsobs_lineage_is_tracing (_lsobs_exporter_peek_lineage (self->exporter));
}

static void
count (LsobsRun *self, LsobsCounter counter)
{
  _lsobs_counters_add (_lsobs_exporter_peek_counters (self->exporter), counter, 1);
}

static LsobsDispatcher *
get_dispatcher (LsobsRun *self)
{
  return _lsobs_exporter_get_dispatcher (self->exporter);
}

/* As capture() does, for what is no text of a usual size. */
static GBytes *
capture_slowly (LsobsRun *self, JsonNode *node, GBytes *json, guint *string_bound)
{
  gsize max_bytes = (gsize) _lsobs_exporter_peek_settings (self->exporter)->values.max_queue_bytes;
  LsobsCounters *counters = _lsobs_exporter_peek_counters (self->exporter);

  if (json != NULL)
    return _lsobs_capture_bytes (json, max_bytes, counters);
  return _lsobs_capture_node_measuring (node, max_bytes, counters, string_bound);
}

/* @node, @json: (nullable): a payload, as a tree or as text
 * @string_bound: (out): see LsobsRecord
 * Returns: (transfer full) (nullable): its JSON text; the program may change @node after */
static inline GBytes *
capture (LsobsRun *self, JsonNode *node, GBytes *json, guint *string_bound)
{
  gsize max_bytes = (gsize) _lsobs_exporter_peek_settings (self->exporter)->values.max_queue_bytes;

  *string_bound = 0;
  if (G_LIKELY (json != NULL && g_bytes_get_size (json) <= max_bytes))
    return g_bytes_ref (json);
  return capture_slowly (self, node, json, string_bound);
}

/* @value: (nullable): %NULL stands for JSON's null
 * Returns: (transfer full) (nullable) */
static GBytes *
capture_value (LsobsRun *self, JsonNode *value)
{
  g_autoptr (JsonNode) null = value == NULL ? json_node_new (JSON_NODE_NULL) : NULL;
  guint string_bound;

  return capture (self, value != NULL ? value : null, NULL, &string_bound);
}

/* Several threads may call this for one run: they get the same annotations.
 * Returns: (transfer none): those of the run, which are made if there are none */
LsobsAnnotations *
_lsobs_run_ensure_annotations (LsobsRun *self)
{
  LsobsAnnotations *annotations = g_atomic_pointer_get (&self->annotations);
  LsobsAnnotations *made;

  if (annotations != NULL)
    return annotations;
  made = _lsobs_annotations_new ();
  if (!g_atomic_pointer_compare_and_exchange (&self->annotations, NULL, made))
    _lsobs_annotations_unref (made);
  annotations = g_atomic_pointer_get (&self->annotations);
  /* By each of the threads: none goes on before the create can find them. */
  if (self->info->sampled)
    _lsobs_annotations_offer (annotations, &self->info->annotations);
  return annotations;
}

/* @exporter: (transfer full): held
 * @info: (transfer full): with a Room behind it */
static LsobsRun *
new_run (LsobsExporter *exporter, LsobsRunInfo *info, gboolean sampled)
{
  LsobsRun *self = (LsobsRun *) (info + 1);

  _lsobs_ref_init (&self->ref_count);
  self->exporter = exporter;
  self->info = info;
  self->info->sampled = sampled;
  return self;
}

/* The whole trace goes to the project: children take the target of their parent. */
static void
set_project (LsobsRunInfo *info, const char *project)
{
  g_autofree char *name = g_utf8_make_valid (project, -1);
  g_autoptr (LsobsTarget) target = _lsobs_target_new_project (name);

  _lsobs_run_info_set_target (info, target);
}

/* Whether a run that has no parent in this process is sampled.
 * @trace_id: of its trace, by which the sampler decides */
static inline gboolean
is_root_sampled (LsobsExporter *exporter, const LsobsRunStart *start, const LsobsId *trace_id)
{
  LsobsSettings *settings = _lsobs_exporter_peek_settings (exporter);

  return !start->is_left_out &&
         (_lsobs_settings_keeps_all (settings) || _lsobs_settings_keeps (settings, trace_id));
}

/* @self: is not shared yet
 * @parent: (nullable) */
static void
inherit (LsobsRun *self, LsobsRun *parent)
{
  LsobsAnnotations *inherited = parent != NULL ? g_atomic_pointer_get (&parent->annotations) : NULL;

  if (inherited == NULL || _lsobs_run_is_forked (parent))
    return;
  _lsobs_mutex_lock (&inherited->lock, LSOBS_LOCK_ANNOTATIONS);
  if (_lsobs_annotations_are_inherited_unlocked (inherited))
    _lsobs_annotations_inherit_unlocked (_lsobs_run_ensure_annotations (self), inherited);
  _lsobs_mutex_unlock (&inherited->lock, LSOBS_LOCK_ANNOTATIONS);
}

/* Makes a run with a parent in this process, or with none.
 * @exporter: (transfer full): held */
static LsobsRun *
new_local (LsobsExporter *exporter, const LsobsRunStart *start, LsobsRunType run_type)
{
  LsobsSettings *settings = _lsobs_exporter_peek_settings (exporter);
  LsobsRun *parent = start->parent;
  LsobsRunInfo *parent_info = parent != NULL ? parent->info : NULL;
  gboolean may_be_sent = parent != NULL
                             ? _lsobs_run_samples_children (parent)
                             : _lsobs_settings_may_keep (settings) && !start->is_left_out;
  LsobsRunInfo *info =
      _lsobs_run_info_new (parent_info, start->name, run_type, !may_be_sent, sizeof (Room));
  /* The sampler decides at the root, so that a trace is sent as a whole or not at all. */
  gboolean sampled = parent != NULL || !may_be_sent
                         ? may_be_sent
                         : is_root_sampled (exporter, start, &info->segment.id);
  LsobsRun *self = new_run (exporter, info, sampled);

  if (parent == NULL && start->earlier != NULL && start->earlier->info->target != NULL)
    _lsobs_run_info_set_target (info, start->earlier->info->target);
  else if (parent == NULL && start->project != NULL)
    set_project (info, start->project);
  inherit (self, parent);
  return self;
}

/* Makes a run whose parent is in another process, which sends the parent itself. The sampler
 * decides by the id of the trace, as it does in that process.
 * @exporter: (transfer full): held */
static LsobsRun *
new_below_remote (LsobsExporter *exporter, const LsobsRunStart *start, LsobsRunType run_type)
{
  const LsobsRemoteParent *remote = start->remote;
  g_autoptr (LsobsRunInfo) parent_info =
      _lsobs_run_info_new_for_segments ((LsobsSegment *) (gpointer) remote->segments->data,
                                        remote->segments->len, NULL, LSOBS_RUN_TYPE_CHAIN);
  LsobsRunInfo *info;
  LsobsRun *self;

  _lsobs_run_info_set_anchor (parent_info);
  if (remote->target != NULL)
    _lsobs_run_info_set_target (parent_info, remote->target);
  info = _lsobs_run_info_new (parent_info, start->name, run_type, FALSE, sizeof (Room));
  self = new_run (exporter, info,
                  is_root_sampled (exporter, start, _lsobs_run_info_get_trace_id (info)));
  _lsobs_annotations_take_remote_unlocked (_lsobs_run_ensure_annotations (self), remote);
  return self;
}

/* The program goes on with a run, which may be one that lsobs_run_wrap() has ended too early. */
static void
check_wrap (LsobsRun *self)
{
  if (g_atomic_int_get (&self->is_ended_by_wrap))
    _lsobs_log_early_end (self->info->name);
}

/* @exporter: (transfer full): held */
static LsobsRun *
start_run (LsobsExporter *exporter, const LsobsRunStart *start)
{
  LsobsRunType run_type = start->run_type;
  gboolean known = TRUE;
  LsobsDispatcher *dispatcher;
  LsobsRecord *record;
  LsobsRun *self;

  if (start->kind != NULL)
    run_type = lsobs_run_type_from_string (start->kind, &known);
  self = start->remote != NULL ? new_below_remote (exporter, start, run_type)
                               : new_local (exporter, start, run_type);
  if (!self->info->sampled)
    {
      count (self, LSOBS_COUNTER_UNSAMPLED);
      return self;
    }
  if (!known && *start->kind != '\0')
    {
      _lsobs_log_unknown_type (start->kind);
      _lsobs_run_ensure_annotations (self);
      _lsobs_mutex_lock (&self->annotations->lock, LSOBS_LOCK_ANNOTATIONS);
      _lsobs_annotations_set_metadata_unlocked (self->annotations, KIND_KEY,
                                                _lsobs_json_string_to_bytes (start->kind), FALSE);
      _lsobs_mutex_unlock (&self->annotations->lock, LSOBS_LOCK_ANNOTATIONS);
    }
  record = _lsobs_record_new_in (&((Room *) self)->start, LSOBS_RECORD_CREATE, self->info);
  record->inputs = capture (self, start->inputs, start->inputs_json, &record->inputs_string_bound);
  if (G_UNLIKELY (_lsobs_exporter_peek_settings (exporter)->values.attach_inline_data))
    _lsobs_inline_data_attach (record, &_lsobs_exporter_peek_settings (exporter)->values);
  dispatcher = get_dispatcher (self);
  /* A slot is for one record; the copies for other destinations share what is there from the start. */
  if (_lsobs_dispatcher_is_single (dispatcher))
    {
      record->takes_annotations = TRUE;
    }
  else
    {
      record->annotations = _lsobs_annotations_ref (_lsobs_run_ensure_annotations (self));
      _lsobs_annotations_unref (_lsobs_annotations_close_slot (&self->info->annotations));
    }
  _lsobs_dispatcher_push (dispatcher, record);
  return self;
}

/* Starts a run that has no parent in this process. What the binding of a language and the sampler are
 * asked may drop the other references of @exporter.
 * @exporter: (transfer full): held */
static LsobsRun *
start_root (LsobsExporter *exporter, const LsobsRunStart *start)
{
  g_autofree char *project = NULL;
  gboolean is_left_out;
  LsobsRunStart root;

  if (start->earlier != NULL)
    return start_run (exporter, start);
  is_left_out = _lsobs_binding_hook_is_set (LSOBS_BINDING_HOOK_ROOT) &&
                _lsobs_binding_hook_leaves_out_root (&project);
  if (!is_left_out && project == NULL)
    return start_run (exporter, start);
  root = *start;
  root.is_left_out = is_left_out;
  if (root.project == NULL)
    root.project = project;
  return start_run (exporter, &root);
}

/* @exporter: (transfer full): of a root; a run with a parent goes where its parent goes. The caller holds
 *   it, see _lsobs_exporter_hold(), and the run does so from now on
 * Returns: (transfer full) */
LsobsRun *
_lsobs_run_start_holding (LsobsExporter *exporter, const LsobsRunStart *start)
{
  LsobsExporter *own = exporter;

  if (start->parent == NULL)
    return start_root (exporter, start);
  if (start->parent->exporter != exporter)
    {
      own = _lsobs_exporter_hold (start->parent->exporter);
      _lsobs_exporter_release (exporter);
    }
  check_wrap (start->parent);
  return start_run (own, start);
}

/* @exporter: of a root; a run with a parent goes where its parent goes
 * Returns: (transfer full) */
LsobsRun *
_lsobs_run_start (LsobsExporter *exporter, const LsobsRunStart *start)
{
  g_return_val_if_fail (exporter != NULL, NULL);

  return _lsobs_run_start_holding (_lsobs_exporter_hold (exporter), start);
}

/* Gives @record the annotations of a run, which do not change any more. They are written out
 * here, not in the worker's thread: memory is freed fastest in the thread that allocated it. */
static void
take_final_annotations (LsobsRun *self, LsobsRecord *record)
{
  LsobsAnnotations *annotations = g_atomic_pointer_get (&self->annotations);

  record->final = TRUE;
  if (annotations == NULL)
    return;
  _lsobs_mutex_lock (&annotations->lock, LSOBS_LOCK_ANNOTATIONS);
  _lsobs_record_write_annotations_unlocked (record, annotations);
  _lsobs_mutex_unlock (&annotations->lock, LSOBS_LOCK_ANNOTATIONS);
}

/* A second end adds its outputs to the record of the first, if that is still queued. */
static void
finish_late (LsobsRun *self, const LsobsRunEnd *end)
{
  LsobsRecord *record = _lsobs_record_new (LSOBS_RECORD_UPDATE, self->info);

  check_wrap (self);
  record->outputs = capture (self, end->outputs, end->outputs_json, &record->outputs_string_bound);
  if (record->outputs != NULL)
    {
      _lsobs_dispatcher_push_late (get_dispatcher (self), record);
      return;
    }
  _lsobs_record_unref (record);
  count (self, LSOBS_COUNTER_LATE_UPDATES);
}

/* @cause: (nullable) */
static gboolean
is_cancelled (const GError *cause)
{
  return g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* Adds the domain and the code of an error as metadata, to search traces by, unless the program
 * has set either itself or the error is an exception, which has neither; and whether the program
 * has cancelled the run. */
static void
add_cause_unlocked (LsobsRun *self, const GError *cause)
{
  const char *domain = g_quark_to_string (cause->domain);
  g_auto (LsobsBuffer) code = LSOBS_BUFFER_INIT;

  if (is_cancelled (cause))
    _lsobs_annotations_set_metadata_unlocked (self->annotations, "cancelled",
                                              g_bytes_new_static ("true", strlen ("true")), FALSE);
  if (g_strcmp0 (domain, EXCEPTION_DOMAIN) == 0 ||
      _lsobs_annotations_has_metadata_unlocked (self->annotations, "error_domain") ||
      _lsobs_annotations_has_metadata_unlocked (self->annotations, "error_code"))
    return;
  _lsobs_buffer_append_int64 (&code, cause->code);
  _lsobs_annotations_set_metadata_unlocked (self->annotations, "error_domain",
                                            _lsobs_json_string_to_bytes (domain != NULL ? domain
                                                                                        : ""),
                                            FALSE);
  _lsobs_annotations_set_metadata_unlocked (self->annotations, "error_code",
                                            _lsobs_buffer_steal_bytes (&code), FALSE);
}

/* To be called by the thread that has ended the run: from then on, no other changes the
 * annotations.
 * @cause: (nullable) */
static void
add_cause (LsobsRun *self, const GError *cause)
{
  LsobsAnnotations *annotations;

  if (cause == NULL)
    return;
  annotations = _lsobs_run_ensure_annotations (self);
  _lsobs_mutex_lock (&annotations->lock, LSOBS_LOCK_ANNOTATIONS);
  add_cause_unlocked (self, cause);
  _lsobs_mutex_unlock (&annotations->lock, LSOBS_LOCK_ANNOTATIONS);
}

/* Pushes an end that has annotations, or whose start does not wait.
 * @plain: what it has beside them is moved from it */
static void
push_end (LsobsRun *self, LsobsRecordEnd *plain)
{
  LsobsRecord record;

  _lsobs_record_init (&record, LSOBS_RECORD_UPDATE, self->info);
  take_final_annotations (self, &record);
  record.outputs = g_steal_pointer (&plain->outputs);
  record.outputs_string_bound = plain->outputs_string_bound;
  record.error = g_steal_pointer (&plain->error);
  record.duration_ms = plain->duration_ms;
  record.end_time = plain->end_time;
  _lsobs_dispatcher_push_end (get_dispatcher (self), &record);
}

void
_lsobs_run_finish (LsobsRun *self, const LsobsRunEnd *end)
{
  LsobsRunStatus status = end->error != NULL ? LSOBS_RUN_STATUS_FAILED : LSOBS_RUN_STATUS_COMPLETED;
  LsobsRecordEnd plain;
  gint64 now;

  if (!self->info->sampled)
    {
      g_atomic_int_compare_and_exchange (&self->status, LSOBS_RUN_STATUS_RUNNING, (int) status);
      return;
    }
  now = _lsobs_run_info_get_now (self->info);
  if (_lsobs_run_is_forked (self))
    {
      /* The dispatcher drops the record and counts it. */
      _lsobs_dispatcher_push (get_dispatcher (self),
                              _lsobs_record_new (LSOBS_RECORD_UPDATE, self->info));
      return;
    }
  /* A thread that sees annotations, and that the run has not ended, changes them under their lock.
   * They are looked for and locked after this: so none of its changes is left out. */
  if (!g_atomic_int_compare_and_exchange (&self->status, LSOBS_RUN_STATUS_RUNNING, (int) status))
    {
      finish_late (self, end);
      return;
    }
  add_cause (self, end->cause);
  plain.outputs = capture (self, end->outputs, end->outputs_json, &plain.outputs_string_bound);
  plain.error = end->error != NULL
                    ? g_strdup (is_cancelled (end->cause) ? CANCELLED_ERROR : end->error)
                    : NULL;
  plain.duration_ms = end->duration_ms;
  plain.end_time = end->end_time > 0 ? end->end_time : now;
  if (g_atomic_pointer_get (&self->annotations) != NULL ||
      !_lsobs_dispatcher_end_plainly (get_dispatcher (self), self->info, &plain))
    push_end (self, &plain);
  g_free (plain.error);
}

/* The last reference is dropped without an end. The annotations join the queued create, which
 * then accounts for their memory. */
static void
leave_open (LsobsRun *self)
{
  LsobsRecord *record;

  if (!self->info->sampled || self->annotations->n_bytes == 0)
    return;
  record = _lsobs_record_new (LSOBS_RECORD_UPDATE, self->info);
  take_final_annotations (self, record);
  _lsobs_dispatcher_push_late (get_dispatcher (self), record);
}

/* Whether metadata of this name has a use: a run that is not sampled keeps only what propagates
 * to other processes. */
static gboolean
keeps_metadata (LsobsRun *self, const char *key)
{
  LsobsAnnotations *annotations = g_atomic_pointer_get (&self->annotations);
  gboolean keeps;

  if (self->info->sampled)
    return TRUE;
  if (annotations == NULL || _lsobs_run_is_forked (self))
    return FALSE;
  _lsobs_mutex_lock (&annotations->lock, LSOBS_LOCK_ANNOTATIONS);
  keeps = _lsobs_annotations_propagates_unlocked (annotations, key);
  _lsobs_mutex_unlock (&annotations->lock, LSOBS_LOCK_ANNOTATIONS);
  return keeps;
}

/* Returns: %TRUE with the annotations locked, to be unlocked by _lsobs_run_unlock_annotations();
 *   %FALSE if there are none to change. A change after the end of the run is counted. */
gboolean
_lsobs_run_lock_annotations (LsobsRun *self)
{
  LsobsAnnotations *annotations;

  if (_lsobs_run_is_forked (self) ||
      (!self->info->sampled && g_atomic_pointer_get (&self->annotations) == NULL))
    return FALSE;
  if (g_atomic_int_get (&self->status) == LSOBS_RUN_STATUS_RUNNING)
    {
      annotations = _lsobs_run_ensure_annotations (self);
      _lsobs_mutex_lock (&annotations->lock, LSOBS_LOCK_ANNOTATIONS);
      if (g_atomic_int_get (&self->status) == LSOBS_RUN_STATUS_RUNNING)
        return TRUE;
      _lsobs_mutex_unlock (&annotations->lock, LSOBS_LOCK_ANNOTATIONS);
    }
  check_wrap (self);
  count (self, LSOBS_COUNTER_LATE_UPDATES);
  return FALSE;
}

/* @kept: %FALSE counts one annotation as dropped */
void
_lsobs_run_unlock_annotations (LsobsRun *self, gboolean kept)
{
  _lsobs_mutex_unlock (&self->annotations->lock, LSOBS_LOCK_ANNOTATIONS);
  if (!kept)
    count (self, LSOBS_COUNTER_DROPPED_NOTES);
}

/* Counts an annotation that is dropped, or comes after the end of the run. */
static void
drop_annotation (LsobsRun *self)
{
  if (_lsobs_run_lock_annotations (self))
    _lsobs_run_unlock_annotations (self, FALSE);
}

/* @value: (transfer full) */
static void
take_metadata (LsobsRun *self, const char *key, GBytes *value, gboolean inherited)
{
  if (!_lsobs_run_lock_annotations (self))
    {
      g_bytes_unref (value);
      return;
    }
  _lsobs_run_unlock_annotations (self,
                                 _lsobs_annotations_set_metadata_unlocked (self->annotations, key,
                                                                           value, inherited));
}

/* The same for a text that is mostly short. */
static void
take_metadata_text (LsobsRun *self, const char *key, LsobsBuffer *value, gboolean inherited)
{
  if (_lsobs_run_lock_annotations (self))
    _lsobs_run_unlock_annotations (self, _lsobs_annotations_set_metadata_text_unlocked (
                                             self->annotations, key, value, inherited));
}

/* The same for a string. */
static void
take_metadata_string (LsobsRun *self, const char *key, const char *value, gboolean inherited)
{
  char room[STACK_BYTES];
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT_LENT (room);

  _lsobs_json_write_string (&text, value, strlen (value));
  take_metadata_text (self, key, &text, inherited);
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

  _lsobs_ref_inc (&self->ref_count);
  return self;
}

/**
 * lsobs_run_unref:
 * @self: (transfer full): a run
 *
 * Drops a reference. The last call frees @self. It does not end the run: a run that is never ended
 * stays pending at the service.
 *
 * Since: 0.1
 */
void
lsobs_run_unref (LsobsRun *self)
{
  g_return_if_fail (self != NULL);

  if (!_lsobs_ref_dec (&self->ref_count))
    return;
  /* The annotations of a forked run stay: a thread that does not exist here may have left them
   * locked and half changed. */
  if (self->annotations != NULL && !_lsobs_run_is_forked (self))
    {
      if (g_atomic_int_get (&self->status) == LSOBS_RUN_STATUS_RUNNING)
        leave_open (self);
      _lsobs_annotations_unref (self->annotations);
    }
  _lsobs_exporter_release (self->exporter);
  _lsobs_run_info_unref (self->info);
}

/**
 * lsobs_run_start_child:
 * @self: the parent
 * @name: the name of the run, which the service shows
 * @run_type: the type of the run
 * @inputs: (nullable): the inputs; a value that is not an object becomes `{"value": …}`
 *
 * Starts a run below @self, which may have ended. The child inherits the metadata that were set on
 * @self before.
 *
 * Returns: (transfer full): a new run
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_run_start_child (LsobsRun *self, const char *name, LsobsRunType run_type, JsonNode *inputs)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail ((guint) run_type <= LSOBS_RUN_TYPE_PARSER, NULL);

  return _lsobs_run_start (self->exporter, &(LsobsRunStart){ .parent = self,
                                                             .name = name,
                                                             .run_type = run_type,
                                                             .inputs = inputs });
}

/**
 * lsobs_run_start_child_bytes:
 * @self: the parent
 * @name: the name of the run, which the service shows
 * @run_type: the type of the run
 * @inputs: (nullable): the inputs, as JSON text in UTF-8; the run keeps a reference and does not
 *   copy them
 *
 * Starts a run below @self, with inputs that are JSON text. Text that is not JSON is sent as a
 * string. If an object has several members with the same name, the last one is sent.
 *
 * Returns: (transfer full): a new run
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_run_start_child_bytes (LsobsRun *self,
                             const char *name,
                             LsobsRunType run_type,
                             GBytes *inputs)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail ((guint) run_type <= LSOBS_RUN_TYPE_PARSER, NULL);

  return _lsobs_run_start (self->exporter, &(LsobsRunStart){ .parent = self,
                                                             .name = name,
                                                             .run_type = run_type,
                                                             .inputs_json = inputs });
}

/**
 * lsobs_run_start_child_of_kind:
 * @self: the parent
 * @name: the name of the run, which the service shows
 * @kind: the kind of the run, any word, such as `agent`
 * @inputs: (nullable): the inputs; a value that is not an object becomes `{"value": …}`
 *
 * Starts a run below @self, as lsobs_run_start_child() does. If @kind is not a run type of the
 * service, the type of the run is %LSOBS_RUN_TYPE_CHAIN, and its metadata `ls_run_kind` is @kind.
 * Children do not inherit this metadata.
 *
 * Returns: (transfer full): a new run
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_run_start_child_of_kind (LsobsRun *self, const char *name, const char *kind, JsonNode *inputs)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail (kind != NULL, NULL);

  return _lsobs_run_start (self->exporter,
                           &(LsobsRunStart){
                               .parent = self, .name = name, .kind = kind, .inputs = inputs });
}

/**
 * lsobs_run_end:
 * @self: a run
 * @outputs: (nullable): the outputs; a value that is not an object becomes `{"value": …}`
 *
 * Ends a run without an error, at the current time of its trace, see lsobs_run_get_start_time(). If
 * the run has ended before, @outputs are still added while its record is in the queue; nothing else
 * changes.
 *
 * Since: 0.1
 */
void
lsobs_run_end (LsobsRun *self, JsonNode *outputs)
{
  g_return_if_fail (self != NULL);

  _lsobs_run_finish (self, &(LsobsRunEnd){ .outputs = outputs, .duration_ms = -1 });
}

/**
 * lsobs_run_end_bytes:
 * @self: a run
 * @outputs: (nullable): the outputs, as JSON text in UTF-8; the run keeps a reference and does not
 *   copy them
 *
 * Ends a run without an error, with outputs that are JSON text. Text that is not JSON is sent as a
 * string. If an object has several members with the same name, the last one is sent.
 *
 * Since: 0.1
 */
void
lsobs_run_end_bytes (LsobsRun *self, GBytes *outputs)
{
  g_return_if_fail (self != NULL);

  _lsobs_run_finish (self, &(LsobsRunEnd){ .outputs_json = outputs, .duration_ms = -1 });
}

/**
 * lsobs_run_fail:
 * @self: a run
 * @error: the error
 *
 * Ends a run with an error. The message of @error is the error of the run; its domain and code are
 * the metadata `error_domain` and `error_code`. If the run has ended before, the call does nothing.
 *
 * The domain `lsobs-exception` is for exceptions of other languages, which have no domain and no
 * code: it adds no such metadata. The bindings create such errors.
 *
 * %G_IO_ERROR_CANCELLED means that the program has cancelled the run: the error of the run is
 * `Cancelled`, in every language, and the run has the metadata `cancelled`.
 *
 * Since: 0.1
 */
void
lsobs_run_fail (LsobsRun *self, const GError *error)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (error != NULL);

  _lsobs_run_finish (self,
                     &(LsobsRunEnd){ .error = error->message, .cause = error, .duration_ms = -1 });
}

/**
 * lsobs_run_fail_with_outputs:
 * @self: a run
 * @error: the error
 * @outputs: (nullable): the outputs before the error; a value that is not an object becomes
 *   `{"value": …}`
 *
 * Ends a run with an error, as lsobs_run_fail() does, and with outputs, such as the first part of
 * an answer whose connection broke. If the run has ended before, @outputs are still added while its
 * record is in the queue; nothing else changes.
 *
 * Since: 0.1
 */
void
lsobs_run_fail_with_outputs (LsobsRun *self, const GError *error, JsonNode *outputs)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (error != NULL);

  _lsobs_run_finish (self, &(LsobsRunEnd){ .outputs = outputs,
                                           .error = error->message,
                                           .cause = error,
                                           .duration_ms = -1 });
}

/**
 * lsobs_run_fail_with_outputs_bytes:
 * @self: a run
 * @error: the error
 * @outputs: (nullable): the outputs before the error, as JSON text in UTF-8; the run keeps a
 *   reference and does not copy them
 *
 * Ends a run with an error and outputs, as lsobs_run_fail_with_outputs() does, with outputs that
 * are JSON text. Text that is not JSON is sent as a string. If an object has several members with
 * the same name, the last one is sent.
 *
 * Since: 0.1
 */
void
lsobs_run_fail_with_outputs_bytes (LsobsRun *self, const GError *error, GBytes *outputs)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (error != NULL);

  _lsobs_run_finish (self, &(LsobsRunEnd){ .outputs_json = outputs,
                                           .error = error->message,
                                           .cause = error,
                                           .duration_ms = -1 });
}

/**
 * lsobs_run_fail_with_message:
 * @self: a run
 * @message: the error
 *
 * Ends a run with an error that has only a text. The run fails even if the text is empty.
 *
 * Since: 0.1
 */
void
lsobs_run_fail_with_message (LsobsRun *self, const char *message)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (message != NULL);

  _lsobs_run_finish (self, &(LsobsRunEnd){ .error = message, .duration_ms = -1 });
}

/**
 * lsobs_run_get_name:
 * @self: a run
 *
 * Gets the name of the run.
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
 * Gets the type of the run.
 *
 * Returns: the type
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
 * Gets the state of the run.
 *
 * Returns: the state: running, completed or failed
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
 * Checks whether the trace of this run is sent.
 *
 * Returns: %TRUE if it is sent; %FALSE if the sampler has left it out, or if tracing is off
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
 * Gets the start time of the run.
 *
 * lsobs reads the wall clock when a trace starts. The time of each run of the trace is that time
 * plus the time that has passed since then, including the time of a suspend. So runs keep their
 * order and their durations, and children are inside their parents, even if the wall clock changes
 * during the trace. The runs of a trace in one process have different start times. A run below a
 * run of another process never starts before that run, even if the clock of this machine is behind.
 *
 * Returns: the time, in µs since 1970, UTC
 *
 * Since: 0.1
 */
gint64
lsobs_run_get_start_time (LsobsRun *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return _lsobs_run_info_peek_segment (self->info)->start_time;
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
 * Gets the id of the run, a UUID of version 7. The time in it is the start time of the run.
 *
 * Returns: (transfer full): the id, a UUID of 36 characters
 *
 * Since: 0.1
 */
char *
lsobs_run_dup_id (LsobsRun *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return id_to_string (&_lsobs_run_info_peek_segment (self->info)->id);
}

/**
 * lsobs_run_dup_trace_id:
 * @self: a run
 *
 * Gets the id of the trace, which is the id of its root run.
 *
 * Returns: (transfer full): the id, a UUID of 36 characters
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
 * Gets the id of the parent of the run.
 *
 * Returns: (transfer full) (nullable): the id, a UUID of 36 characters, or %NULL if the run is a
 *   root
 *
 * Since: 0.1
 */
char *
lsobs_run_dup_parent_id (LsobsRun *self)
{
  LsobsRunInfo *parent;

  g_return_val_if_fail (self != NULL, NULL);

  parent = self->info->parent;
  return parent != NULL ? id_to_string (&_lsobs_run_info_peek_segment (parent)->id) : NULL;
}

/**
 * lsobs_run_dup_dotted_order:
 * @self: a run
 *
 * Gets the path from the root to the run: a time and an id for each run, joined with dots. It sorts
 * the runs of a trace.
 *
 * Returns: (transfer full): the path
 *
 * Since: 0.1
 */
char *
lsobs_run_dup_dotted_order (LsobsRun *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return _lsobs_run_info_dup_path (self->info);
}

/**
 * lsobs_run_add_tag:
 * @self: a run
 * @tag: a tag, with which the run can be found
 *
 * Adds a tag. Children do not inherit it. If the run has the tag already, the call does nothing.
 *
 * Since: 0.1
 */
void
lsobs_run_add_tag (LsobsRun *self, const char *tag)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (tag != NULL);

  if (!_lsobs_run_lock_annotations (self))
    return;
  _lsobs_run_unlock_annotations (self,
                                 _lsobs_annotations_add_tag_unlocked (self->annotations, tag));
}

/**
 * lsobs_run_set_metadata:
 * @self: a run
 * @key: the name of the metadata
 * @value: (nullable): the value; %NULL is sent as null
 *
 * Sets one value of the metadata. It replaces an earlier value of the same @key. Children that are
 * started later inherit it.
 *
 * Since: 0.1
 */
void
lsobs_run_set_metadata (LsobsRun *self, const char *key, JsonNode *value)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (key != NULL);

  if (keeps_metadata (self, key))
    take_metadata (self, key, capture_value (self, value), TRUE);
}

/**
 * lsobs_run_set_metadata_string:
 * @self: a run
 * @key: the name of the metadata, such as `thread_id`
 * @value: the value
 *
 * Sets a string in the metadata, as lsobs_run_set_metadata() does.
 *
 * Since: 0.1
 */
void
lsobs_run_set_metadata_string (LsobsRun *self, const char *key, const char *value)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (key != NULL);
  g_return_if_fail (value != NULL);

  if (keeps_metadata (self, key))
    take_metadata_string (self, key, value, TRUE);
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
 * @key: the name of the member, such as `invocation_params`
 * @value: (nullable): the value; %NULL is sent as null
 *
 * Sets a member of `extra`, where the service keeps the metadata and other details of a run. It
 * replaces an earlier value of the same @key. Children do not inherit it.
 *
 * Two names are special. Their values must be objects; other values are dropped, and counted by
 * %LSOBS_COUNTER_DROPPED_NOTES. The members of `metadata` are set as lsobs_run_set_metadata() does.
 * The members of `runtime` are added to the details of the program that lsobs sends, such as `sdk`
 * and `platform`, and replace those of the same name.
 *
 * Since: 0.1
 */
void
lsobs_run_set_extra (LsobsRun *self, const char *key, JsonNode *value)
{
  gboolean is_metadata;
  JsonObject *object;
  GBytes *json;

  g_return_if_fail (self != NULL);
  g_return_if_fail (key != NULL);

  /* A run that is not sampled may have metadata that propagates to other processes. */
  if (!self->info->sampled && g_atomic_pointer_get (&self->annotations) == NULL)
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
      drop_annotation (self);
      return;
    }
  json = capture_value (self, value);
  if (_lsobs_run_lock_annotations (self))
    _lsobs_run_unlock_annotations (self, _lsobs_annotations_set_extra_unlocked (self->annotations,
                                                                                key, json));
  else
    g_bytes_unref (json);
}

/**
 * lsobs_run_set_thread_id:
 * @self: a run
 * @thread_id: the id of the conversation, which is the same for all its runs
 *
 * Sets the conversation that the run belongs to, as the metadata `thread_id`. The service shows the
 * traces of a conversation together. Children that are started later inherit it: set it on the root
 * run before you start children.
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
 * @name: the name of the event, any word
 * @details: (nullable): an object with details, whose members `name` and `time` are left out
 *
 * Adds an event with the current time.
 *
 * The name `new_token` is special: from the first such event, the service computes the time to the
 * first token. You can add it for each token; only the first one is sent, without its details,
 * which would be a part of the outputs.
 *
 * Since: 0.1
 */
void
lsobs_run_add_event (LsobsRun *self, const char *name, JsonNode *details)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  JsonObject *object;
  GBytes *json = NULL;
  gboolean fits = TRUE;
  gint64 now;
  guint string_bound;

  g_return_if_fail (self != NULL);
  g_return_if_fail (name != NULL);

  if (!self->info->sampled)
    return;
  now = _lsobs_run_info_get_now (self->info);
  object = _lsobs_json_peek_object (details);
  if (object != NULL && !_lsobs_annotation_event_is_token (name))
    {
      fits = _lsobs_annotation_event_write_details (&text, object, LSOBS_MAX_ANNOTATION_BYTES);
      json = _lsobs_buffer_steal_bytes (&text);
    }
  else if (object == NULL)
    {
      json = capture (self, details, NULL, &string_bound);
    }
  if (!_lsobs_run_lock_annotations (self))
    {
      g_clear_pointer (&json, g_bytes_unref);
      return;
    }
  if (fits)
    fits = _lsobs_annotations_add_event_unlocked (self->annotations, name, now,
                                                  g_steal_pointer (&json));
  _lsobs_run_unlock_annotations (self, fits);
  g_clear_pointer (&json, g_bytes_unref);
}

/**
 * lsobs_run_add_text_event:
 * @self: a run
 * @message: the text of the event
 *
 * Adds an event with the current time and a text: its name is `event`, and its member `message` is
 * the text.
 *
 * Since: 0.1
 */
void
lsobs_run_add_text_event (LsobsRun *self, const char *message)
{
  char room[STACK_BYTES];
  g_auto (LsobsBuffer) details = LSOBS_BUFFER_INIT_LENT (room);
  gint64 now;

  g_return_if_fail (self != NULL);
  g_return_if_fail (message != NULL);

  if (!self->info->sampled)
    return;
  now = _lsobs_run_info_get_now (self->info);
  _lsobs_buffer_append_str (&details, "{\"message\":");
  _lsobs_json_write_string (&details, message, strlen (message));
  _lsobs_buffer_append_c (&details, '}');
  if (_lsobs_run_lock_annotations (self))
    _lsobs_run_unlock_annotations (
        self, _lsobs_annotations_add_event_unlocked (self->annotations, "event", now,
                                                     _lsobs_buffer_steal_bytes (&details)));
}

/**
 * lsobs_run_set_serialized:
 * @self: a run of the type %LSOBS_RUN_TYPE_LLM or %LSOBS_RUN_TYPE_PROMPT
 * @serialized: an object that describes the model or the prompt; its member `graph` is left out
 *
 * Sets the description of the model or the prompt. It is sent with the start of the run: call this
 * function immediately after the start. If the start was sent already, if @serialized is not an
 * object, or if the run has another type, the value is dropped, and counted by
 * %LSOBS_COUNTER_DROPPED_NOTES.
 *
 * The description is left out if #LsobsConfig:hide-inputs or #LsobsConfig:hide-metadata is %TRUE.
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
  if (_lsobs_run_lock_annotations (self))
    _lsobs_run_unlock_annotations (
        self, json != NULL && _lsobs_annotations_set_serialized_unlocked (self->annotations, json));
  else
    g_clear_pointer (&json, g_bytes_unref);
}

/**
 * lsobs_run_set_reference_example_id:
 * @self: a run
 * @example_id: the id of an example of a data set, a UUID
 * @error: return location for a #GError, or %NULL
 *
 * Sets the example of a data set that the run belongs to, for evaluations.
 *
 * Returns: %TRUE on success, or %FALSE with %LSOBS_ERROR_INVALID_VALUE if @example_id is not a UUID
 *
 * Since: 0.1
 */
gboolean
lsobs_run_set_reference_example_id (LsobsRun *self, const char *example_id, GError **error)
{
  LsobsId id;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (example_id != NULL, FALSE);

  if (!_lsobs_exporter_peek_settings (self->exporter)->values.tracing_enabled)
    return TRUE;
  if (!_lsobs_id_parse_example (&id, example_id, error))
    return FALSE;
  if (self->info->sampled && _lsobs_run_lock_annotations (self))
    {
      self->annotations->has_example = TRUE;
      self->annotations->example_id = id;
      _lsobs_run_unlock_annotations (self, TRUE);
    }
  return TRUE;
}

/* Holds the annotations' lock, so that the run does not end meanwhile.
 * Returns: %FALSE if there is no room for it; an attachment after the end is ignored */
static gboolean
attach (LsobsRun *self, LsobsAttachment *attachment)
{
  LsobsDispatcher *dispatcher = get_dispatcher (self);
  LsobsWakeup wake;
  gboolean taken;

  if (!_lsobs_run_lock_annotations (self))
    return TRUE;
  taken = _lsobs_dispatcher_attach (dispatcher, self->info, attachment, &wake);
  _lsobs_mutex_unlock (&self->annotations->lock, LSOBS_LOCK_ANNOTATIONS);
  /* Without the lock: this may log, and a log writer may trace this run. */
  _lsobs_dispatcher_wake (dispatcher, wake);
  return taken;
}

/**
 * lsobs_run_add_attachment:
 * @self: a run
 * @name: a name of 1 to 100 bytes of UTF-8. Letters and digits of any script, spaces, hyphens and
 *   underscores are sent unchanged; each other character becomes an underscore: `shot.png` becomes
 *   `shot_png`
 * @mime_type: (nullable): the media type of the file, such as `image/png`; with %NULL, or with a
 *   text that is not a media type, it is sent as `application/octet-stream`
 * @data: the contents; the run keeps a reference and does not copy them
 * @error: return location for a #GError, or %NULL
 *
 * Adds an attachment, such as an image that a model gets. It replaces an attachment of the same
 * name that was not sent yet. It is sent with the start of the run if that is still in the queue,
 * and otherwise with the end. Children do not inherit it.
 *
 * Attachments are sent unchanged: they are not redacted and not cut. A run can have 100 attachments
 * that are not sent yet. The attachments of all runs that wait for an end can have
 * #LsobsConfig:max-queue-bytes. If the last reference to a run is dropped before it ends, its
 * attachments are dropped. If a run is larger than a request may be, attachments are left out, the
 * largest one first. If the service still finds the run too large, all of them are left out. Some
 * services accept no attachments, see #LsobsIngestMode. %LSOBS_COUNTER_DROPPED_ATTACHMENTS counts
 * all attachments that are left out.
 *
 * Fails with %LSOBS_ERROR_INVALID_ATTACHMENT if the name cannot be sent, and with
 * %LSOBS_ERROR_TOO_LARGE if there is no room for the contents, or if they have more than
 * #LsobsConfig:max-batch-bytes.
 *
 * Returns: %TRUE if the attachment is not refused; after the end of the run, it is ignored
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

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (name != NULL, FALSE);
  g_return_val_if_fail (data != NULL, FALSE);

  settings = _lsobs_exporter_peek_settings (self->exporter);
  if (!settings->values.tracing_enabled)
    return TRUE;
  attachment = _lsobs_attachment_new (name, mime_type, data, error);
  if (attachment == NULL)
    {
      count (self, LSOBS_COUNTER_DROPPED_ATTACHMENTS);
      return FALSE;
    }
  if (g_bytes_get_size (data) > (gsize) settings->values.max_batch_bytes)
    count (self, LSOBS_COUNTER_DROPPED_ATTACHMENTS);
  else if (attach (self, attachment))
    return TRUE;
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_TOO_LARGE,
                       _ ("There is no room for another attachment"));
  return FALSE;
}

/**
 * lsobs_run_new_feedback:
 * @self: a run
 * @key: what the feedback is about, such as `helpful`
 *
 * Creates feedback to a run, which may have ended. Set its values, and add it with
 * lsobs_observer_add_feedback().
 *
 * Returns: (transfer full): new feedback with the ids of the run
 *
 * Since: 0.1
 */
LsobsFeedback *
lsobs_run_new_feedback (LsobsRun *self, const char *key)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (key != NULL, NULL);

  return _lsobs_feedback_new_for_run (self->info, G_OBJECT (self->exporter), key);
}

/**
 * lsobs_run_add_feedback:
 * @self: a run
 * @key: what the feedback is about, such as `helpful`
 * @score: a finite number, which is sent with four decimals
 * @comment: (nullable): a comment, or %NULL for none
 * @error: return location for a #GError, or %NULL
 *
 * Adds feedback with a score and a comment to a run, which may have ended. For other values, call
 * lsobs_run_new_feedback().
 *
 * Fails with %LSOBS_ERROR_INVALID_FEEDBACK if the key is empty or longer than 180 characters, or if
 * the score is not a finite number.
 *
 * Returns: %TRUE if the feedback is accepted, or if the sampler has left the trace out
 *
 * Since: 0.1
 */
gboolean
lsobs_run_add_feedback (LsobsRun *self,
                        const char *key,
                        double score,
                        const char *comment,
                        GError **error)
{
  g_autoptr (LsobsFeedback) feedback = NULL;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (key != NULL, FALSE);

  feedback = lsobs_run_new_feedback (self, key);
  lsobs_feedback_set_score (feedback, score);
  lsobs_feedback_set_comment (feedback, comment);
  return lsobs_exporter_add_feedback (self->exporter, feedback, error);
}

/* --- the model ---
 *
 * What a program says about the model that a run calls: metadata under names that the service
 * knows, which children do not inherit, and usage. */

/* Sets one of the metadata.
 * Returns: FALSE if there is no room */
static gboolean
put_model_string_unlocked (LsobsRun *self, const char *key, const char *value)
{
  char room[STACK_BYTES];
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT_LENT (room);

  _lsobs_json_write_string (&text, value, strlen (value));
  return _lsobs_annotations_set_metadata_text_unlocked (self->annotations, key, &text, FALSE);
}

/* As _lsobs_run_lock_annotations() for several annotations: after the end of the run, each is counted. */
static gboolean
lock_for_several (LsobsRun *self, guint n)
{
  for (guint i = 0; i < n; i++)
    if (_lsobs_run_lock_annotations (self))
      return TRUE;
  return FALSE;
}

/**
 * lsobs_run_set_model:
 * @self: a run of the type %LSOBS_RUN_TYPE_LLM
 * @provider: (nullable): the provider of the model, such as `openai`, `anthropic`, `azure`,
 *   `amazon_bedrock` or `google_vertexai`
 * @model_name: the name of the model, as the provider calls it
 *
 * Sets the model that the run calls, from which the service computes costs. The type of the model
 * is `chat`, unless lsobs_run_set_model_type() sets another type, before or after this call.
 *
 * Since: 0.1
 */
void
lsobs_run_set_model (LsobsRun *self, const char *provider, const char *model_name)
{
  guint n_dropped = 0;

  g_return_if_fail (self != NULL);
  g_return_if_fail (model_name != NULL);

  if (!self->info->sampled || !lock_for_several (self, provider != NULL ? 3 : 2))
    return;
  if (provider != NULL && !put_model_string_unlocked (self, "ls_provider", provider))
    n_dropped++;
  if (!put_model_string_unlocked (self, "ls_model_name", model_name))
    n_dropped++;
  /* The default. */
  if (!_lsobs_annotations_has_metadata_unlocked (self->annotations, "ls_model_type") &&
      !put_model_string_unlocked (self, "ls_model_type", "chat"))
    n_dropped++;
  _lsobs_run_unlock_annotations (self, TRUE);
  for (guint i = 0; i < n_dropped; i++)
    count (self, LSOBS_COUNTER_DROPPED_NOTES);
}

/**
 * lsobs_run_set_model_type:
 * @self: a run of the type %LSOBS_RUN_TYPE_LLM
 * @model_type: `chat` for a model that takes messages, or `llm` for a model that completes text
 *
 * Sets the type of the model that the run calls.
 *
 * Since: 0.1
 */
void
lsobs_run_set_model_type (LsobsRun *self, const char *model_type)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (model_type != NULL);

  if (self->info->sampled)
    take_metadata_string (self, "ls_model_type", model_type, FALSE);
}

/* Returns: (transfer full) (nullable): the JSON text, or %NULL if it is too long */
static GBytes *
write_node (JsonNode *node)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  return _lsobs_json_write_node (&text, node, LSOBS_MAX_ANNOTATION_BYTES)
             ? _lsobs_buffer_steal_bytes (&text)
             : NULL;
}

static gboolean
is_number (JsonNode *node)
{
  return json_node_get_value_type (node) == G_TYPE_INT64 ||
         (json_node_get_value_type (node) == G_TYPE_DOUBLE &&
          isfinite (json_node_get_double (node)));
}

/* Writes stop words as a list. A single one becomes a list of one.
 * Returns: (transfer full) (nullable): %NULL for any other value */
static GBytes *
write_stop (JsonNode *node)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  const char *word;

  if (_lsobs_json_is_array_of_strings (node))
    return write_node (node);
  word = json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : NULL;
  if (word == NULL)
    return NULL;
  _lsobs_buffer_append_c (&text, '[');
  _lsobs_json_write_string (&text, word, strlen (word));
  _lsobs_buffer_append_c (&text, ']');
  return _lsobs_buffer_steal_bytes (&text);
}

/* Sets a parameter under the service's name for it. Providers use several names for one parameter.
 * Returns: %FALSE if the service has no name for it, or @value has the wrong type */
static gboolean
set_known_param (LsobsRun *self, const char *name, JsonNode *value)
{
  static const char *const limits[] = {
    "max_tokens",      "max_completion_tokens", "max_output_tokens",
    "max_new_tokens",  "max_tokens_to_sample",  "maxTokens",
    "maxOutputTokens", "num_predict",           NULL
  };
  static const char *const stops[] = { "stop", "stop_sequences", "stopSequences", NULL };
  const char *key = NULL;
  GBytes *json = NULL;

  if (strcmp (name, "temperature") == 0 && is_number (value))
    {
      key = "ls_temperature";
      json = write_node (value);
    }
  else if (g_strv_contains (limits, name) && json_node_get_value_type (value) == G_TYPE_INT64)
    {
      key = "ls_max_tokens";
      json = write_node (value);
    }
  else if (g_strv_contains (stops, name))
    {
      key = "ls_stop";
      json = write_stop (value);
    }
  if (json == NULL)
    return FALSE;
  take_metadata (self, key, json, FALSE);
  return TRUE;
}

static gboolean write_params (LsobsBuffer *out, JsonNode *node, guint depth);

/* Appends a member of an object, unless it is a secret.
 * @start: where the first member of the object begins in @out
 * Returns: %FALSE if the text becomes too long */
static gboolean
write_param (LsobsBuffer *out, gsize start, const char *name, JsonNode *value, guint depth)
{
  if (_lsobs_secret_name_is (name) ||
      (json_node_get_value_type (value) == G_TYPE_STRING &&
       _lsobs_secret_name_introduces (json_node_get_string (value))))
    return TRUE;
  if (out->len > start)
    _lsobs_buffer_append_c (out, ',');
  _lsobs_json_write_string (out, name, strlen (name));
  _lsobs_buffer_append_c (out, ':');
  return write_params (out, value, depth);
}

static gboolean
write_object (LsobsBuffer *out, JsonObject *object, guint depth)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  gsize start;

  _lsobs_buffer_append_c (out, '{');
  start = out->len;
  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &name, &value))
    if (!write_param (out, start, name, value, depth))
      return FALSE;
  _lsobs_buffer_append_c (out, '}');
  return TRUE;
}

static gboolean
write_array (LsobsBuffer *out, JsonArray *array, guint depth)
{
  _lsobs_buffer_append_c (out, '[');
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      if (i > 0)
        _lsobs_buffer_append_c (out, ',');
      if (!write_params (out, json_array_get_element (array, i), depth))
        return FALSE;
    }
  _lsobs_buffer_append_c (out, ']');
  return TRUE;
}

/* Appends a string without tokens, and without the users and queries of addresses.
 * Returns: %FALSE if it is too long */
static gboolean
write_param_text (LsobsBuffer *out, const char *text)
{
  g_autofree char *valid = NULL;
  g_autofree char *masked = NULL;

  if (strlen (text) > LSOBS_MAX_ANNOTATION_BYTES)
    return FALSE;
  valid = g_utf8_make_valid (text, -1);
  masked = _lsobs_call_mask_text (valid);
  _lsobs_json_write_string (out, masked, strlen (masked));
  return TRUE;
}

/* Appends a value without the secrets in it.
 * Returns: %FALSE if the text becomes too long */
static gboolean
write_params (LsobsBuffer *out, JsonNode *node, guint depth)
{
  JsonObject *object = _lsobs_json_peek_object (node);
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (out->len > LSOBS_MAX_ANNOTATION_BYTES)
    return FALSE;
  if (json_node_get_value_type (node) == G_TYPE_STRING && json_node_get_string (node) != NULL)
    return write_param_text (out, json_node_get_string (node));
  if (object == NULL && array == NULL)
    return _lsobs_json_write_node (out, node, LSOBS_MAX_ANNOTATION_BYTES);
  if (depth == LSOBS_JSON_MAX_DEPTH)
    {
      /* What lies deeper is not searched for secrets, so it is not sent. */
      _lsobs_json_write_string (out, LSOBS_JSON_DEPTH_LIMIT, strlen (LSOBS_JSON_DEPTH_LIMIT));
      return TRUE;
    }
  return object != NULL ? write_object (out, object, depth + 1)
                        : write_array (out, array, depth + 1);
}

/**
 * lsobs_run_set_invocation_params:
 * @self: a run of the type %LSOBS_RUN_TYPE_LLM
 * @params: an object with the parameters of the call, such as the request itself
 *
 * Sets the parameters of the call of a model. `temperature`, the limit of tokens (`max_tokens` and
 * the names of other providers) and the stop words (`stop`, `stop_sequences`) become the metadata
 * `ls_temperature`, `ls_max_tokens` and `ls_stop`. All other members become the metadata
 * `ls_invocation_params`.
 *
 * Members that belong to the inputs of the run (such as `messages`, `prompt`, `input`, `contents`
 * and `system`) are left out, so that they are not sent twice, and not sent if inputs are hidden.
 * At any depth, members are left out whose names are those of secrets, such as `api_key` or
 * `Authorization`, or whose values begin as the value of such a header. In the URLs of the other
 * members, users, passwords and queries are left out, and tokens that begin as those of well-known
 * services become `[SECRET_DETECTED]`.
 *
 * If @params is not an object, the call does nothing, and %LSOBS_COUNTER_DROPPED_NOTES counts it.
 *
 * Since: 0.1
 */
void
lsobs_run_set_invocation_params (LsobsRun *self, JsonNode *params)
{
  /* clang-format off */
  static const char * const inputs[] = {
    "messages", "prompt", "prompts", "input", "inputs", "contents", "system", "system_instruction",
    "systemInstruction", "instructions", NULL
  };
  /* clang-format on */
  g_auto (LsobsBuffer) rest = LSOBS_BUFFER_INIT;
  JsonObject *object;
  gboolean fits;
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;

  g_return_if_fail (self != NULL);
  g_return_if_fail (params != NULL);

  if (!self->info->sampled)
    return;
  object = _lsobs_json_peek_object (params);
  fits = object != NULL;
  _lsobs_buffer_append_c (&rest, '{');
  if (object != NULL)
    {
      json_object_iter_init_ordered (&iter, object);
      while (fits && json_object_iter_next_ordered (&iter, &name, &value))
        if (!g_strv_contains (inputs, name) && !set_known_param (self, name, value))
          fits = write_param (&rest, 1, name, value, 1);
    }
  if (!fits)
    {
      if (_lsobs_run_lock_annotations (self))
        _lsobs_run_unlock_annotations (self, FALSE);
      return;
    }
  if (rest.len == 1)
    return;
  _lsobs_buffer_append_c (&rest, '}');
  take_metadata (self, "ls_invocation_params", _lsobs_buffer_steal_bytes (&rest), FALSE);
}

/**
 * lsobs_run_set_usage:
 * @self: a run of the type %LSOBS_RUN_TYPE_LLM
 * @input_tokens: the number of input tokens, or -1 if it is not known
 * @output_tokens: the number of output tokens, or -1 if it is not known
 * @total_tokens: the number of all tokens, or -1 for the sum of the two
 *
 * Sets the numbers of tokens that the call of a model has used. For kinds of tokens and for costs,
 * call lsobs_run_set_usage_metadata(). A later call of one of these functions replaces the values.
 *
 * Since: 0.1
 */
void
lsobs_run_set_usage (LsobsRun *self, gint64 input_tokens, gint64 output_tokens, gint64 total_tokens)
{
  LsobsUsage usage;

  g_return_if_fail (self != NULL);

  if (!self->info->sampled)
    return;
  _lsobs_usage_init (&usage);
  usage.tokens[LSOBS_USAGE_INPUT] = MAX (input_tokens, -1);
  usage.tokens[LSOBS_USAGE_OUTPUT] = MAX (output_tokens, -1);
  usage.tokens[LSOBS_USAGE_TOTAL] = MAX (total_tokens, -1);
  lsobs_run_set_usage_metadata (self, &usage);
}

/**
 * lsobs_run_set_usage_metadata:
 * @self: a run of the type %LSOBS_RUN_TYPE_LLM
 * @usage: the tokens and costs
 *
 * Sets the tokens and costs of the call of a model, as the metadata `usage_metadata`. The program
 * can change or free @usage afterwards.
 *
 * Since: 0.1
 */
void
lsobs_run_set_usage_metadata (LsobsRun *self, LsobsUsage *usage)
{
  char room[STACK_BYTES];
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT_LENT (room);

  g_return_if_fail (self != NULL);
  g_return_if_fail (usage != NULL);

  if (!self->info->sampled)
    return;
  _lsobs_usage_write (usage, &text);
  take_metadata_text (self, "usage_metadata", &text, FALSE);
}

/**
 * lsobs_run_set_usage_from_response:
 * @self: a run of the type %LSOBS_RUN_TYPE_LLM or %LSOBS_RUN_TYPE_EMBEDDING
 * @response: (nullable): the response of a provider of models, or an event of a stream
 *
 * Sets the tokens and costs of the call of a model from @response. See lsobs_usage_new_from_json()
 * for the formats that are known. You can call it for each event of a stream: events without a
 * usage change nothing.
 *
 * Returns: %TRUE if @response has a usage
 *
 * Since: 0.1
 */
gboolean
lsobs_run_set_usage_from_response (LsobsRun *self, JsonNode *response)
{
  g_autoptr (LsobsUsage) usage = NULL;

  g_return_val_if_fail (self != NULL, FALSE);

  if (response != NULL)
    usage = lsobs_usage_new_from_json (response, NULL);
  if (usage == NULL)
    return FALSE;
  lsobs_run_set_usage_metadata (self, usage);
  return TRUE;
}
